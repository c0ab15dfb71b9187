//! [`Credentials`], and [`CredentialsProvider`] for tokens that rotate.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;

use crate::error::redact::secrets::is_secret;
use crate::error::{Cause, Error, ErrorKind, Result};

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("synapse-access-token");
const AGENT_TOKEN: HeaderName = HeaderName::from_static("synapse-agent");
pub(crate) const TENANT: HeaderName = HeaderName::from_static("synapse-tenant");

/// The tokens that a client sends, any subset of them, to the base URL's own origin and to no other.
///
/// White space around a token is taken off. `Debug` tells which are set, never a token.
///
/// ```
/// use synapse_backend_client::Credentials;
/// let credentials = Credentials::new().access_token("secret").tenant("acme");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
pub struct Credentials {
    access_token: Option<String>,
    legacy_token: Option<String>,
    agent_token: Option<String>,
    tenant: Option<String>,
}

impl Credentials {
    /// None set.
    pub fn new() -> Self {
        Credentials::default()
    }

    /// Sent as `Synapse-Access-Token: Token …`.
    #[must_use]
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.access_token = Some(token.into());
        self
    }

    /// Sent as `Authorization: Token …`.
    #[must_use]
    pub fn legacy_token(mut self, token: impl Into<String>) -> Self {
        self.legacy_token = Some(token.into());
        self
    }

    /// Sent as `SYNAPSE-Agent: Token …`.
    #[must_use]
    pub fn agent_token(mut self, token: impl Into<String>) -> Self {
        self.agent_token = Some(token.into());
        self
    }

    /// Sent as `Synapse-Tenant: Token …`.
    #[must_use]
    pub fn tenant(mut self, code: impl Into<String>) -> Self {
        self.tenant = Some(code.into());
        self
    }

    /// The headers. An error names the setting, never the token.
    pub(crate) fn headers(&self) -> Result<HeaderMap> {
        let settings = [
            (&self.access_token, "access_token", ACCESS_TOKEN),
            (&self.legacy_token, "legacy_token", reqwest::header::AUTHORIZATION),
            (&self.agent_token, "agent_token", AGENT_TOKEN),
            (&self.tenant, "tenant", TENANT),
        ];
        let mut headers = HeaderMap::new();
        for (value, setting, name) in settings {
            let Some(value) = value.as_deref().map(str::trim) else { continue };
            if value.is_empty() {
                return Err(Error::configuration(setting, "it is empty: leave it out, or give the token"));
            }
            let mut header = HeaderValue::from_str(&format!("Token {value}")).map_err(|_| {
                Error::configuration(
                    setting,
                    "it holds a character that no header may hold, such as a line break",
                )
            })?;
            header.set_sensitive(true);
            headers.insert(name, header);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |value: &Option<String>| if value.is_some() { "<set>" } else { "<not set>" };
        f.debug_struct("Credentials")
            .field("access_token", &set(&self.access_token))
            .field("legacy_token", &set(&self.legacy_token))
            .field("agent_token", &set(&self.agent_token))
            .field("tenant", &set(&self.tenant))
            .finish()
    }
}

/// What a [`CredentialsProvider`] gives back.
pub type CredentialsFuture<'p> = Pin<
    Box<dyn Future<Output = std::result::Result<Credentials, Box<dyn StdError + Send + Sync>>> + Send + 'p>,
>;

/// Gives the credentials where they don't stay the same: a night's export outlives a token.
///
/// It is asked before the first request, and once more when the server answers 401; what it gave is kept in
/// between. Many requests that wait for it ask once.
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials to send from now on. `rejected` is set where the server refused the last ones.
    ///
    /// It has the read time-out of the request that asks, and the total one where there is one; then its
    /// future is dropped, and the next request asks again.
    ///
    /// # Errors
    /// An error of it becomes one of [`ErrorKind::Credentials`], and so does the end of the read time-out;
    /// the end of the total time-out is one of [`ErrorKind::Timeout`].
    fn credentials(&self, rejected: bool) -> CredentialsFuture<'_>;
}

/// Where a client's credentials come from, and the secret headers that go with them.
pub(crate) enum CredentialsSource {
    Fixed(Arc<HeaderMap>),
    Provided(Provided),
}

/// Credentials that a provider gives, kept until the server refuses them.
pub(crate) struct Provided {
    provider: Arc<dyn CredentialsProvider>,
    secrets: HeaderMap,
    current: Mutex<Option<Arc<HeaderMap>>>,
}

impl CredentialsSource {
    pub(crate) fn new(
        provider: Option<Arc<dyn CredentialsProvider>>,
        fixed: HeaderMap,
        secrets: HeaderMap,
    ) -> Self {
        match provider {
            Some(provider) => {
                CredentialsSource::Provided(Provided { provider, secrets, current: Mutex::new(None) })
            }
            None => CredentialsSource::Fixed(Arc::new(with(fixed, &secrets))),
        }
    }

    /// Those that are sent at present, where there are any by now.
    pub(crate) fn known(&self) -> Option<Arc<HeaderMap>> {
        match self {
            CredentialsSource::Fixed(headers) => Some(headers.clone()),
            CredentialsSource::Provided(provided) => provided.current.try_lock().ok()?.clone(),
        }
    }

    /// The tenant that is sent, if one is set. A provider is asked that gave nothing yet.
    pub(crate) async fn tenant(&self) -> Result<Option<HeaderValue>> {
        let headers = match self {
            CredentialsSource::Fixed(headers) => headers.clone(),
            CredentialsSource::Provided(provided) => provided.headers().await?,
        };
        Ok(headers.get(TENANT).cloned())
    }

    /// Whether a header is a credential, whoever sets it: it stays at the origin that it is for.
    pub(crate) fn is_credential(&self, header: &HeaderName) -> bool {
        let own = match self {
            CredentialsSource::Fixed(headers) => headers,
            CredentialsSource::Provided(provided) => &provided.secrets,
        };
        is_secret(header) || own.contains_key(header)
    }

    /// Others than `refused`, which the server answered with 401; nothing where there are none to be had.
    pub(crate) async fn renewed(&self, refused: &Arc<HeaderMap>) -> Result<Option<Arc<HeaderMap>>> {
        let CredentialsSource::Provided(provided) = self else { return Ok(None) };
        let mut current = provided.current.lock().await;
        // Another request may have renewed them while this one waited.
        match &*current {
            Some(headers) if !Arc::ptr_eq(headers, refused) => Ok(Some(headers.clone())),
            _ => provided.ask(&mut current, true).await.map(Some),
        }
    }
}

impl Provided {
    /// The headers to send.
    pub(crate) async fn headers(&self) -> Result<Arc<HeaderMap>> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(headers) => Ok(headers.clone()),
            None => self.ask(&mut current, false).await,
        }
    }

    async fn ask(&self, current: &mut Option<Arc<HeaderMap>>, rejected: bool) -> Result<Arc<HeaderMap>> {
        let credentials = self.provider.credentials(rejected).await.map_err(|error| {
            let cause = Cause::of(&*error);
            Error::new(ErrorKind::Credentials, format!("the credentials provider failed: {cause}"))
                .source_of(cause)
        })?;
        let headers = Arc::new(with(credentials.headers()?, &self.secrets));
        *current = Some(headers.clone());
        Ok(headers)
    }
}

fn with(mut headers: HeaderMap, secrets: &HeaderMap) -> HeaderMap {
    headers.extend(secrets.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers
}
