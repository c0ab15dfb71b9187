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

/// The tokens that a client sends: any subset of them, only to the base URL's origin.
///
/// White space around a token is removed. `Debug` shows which tokens are set, but never a token.
///
/// ```
/// use synapse_backend_client::Credentials;
/// let credentials = Credentials::new().access_token("secret").tenant("acme");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[doc(alias("auth", "authentication", "token"))]
#[derive(Clone, Default)]
pub struct Credentials {
    access_token: Option<String>,
    legacy_token: Option<String>,
    agent_token: Option<String>,
    tenant: Option<String>,
}

impl Credentials {
    /// Returns credentials without any token.
    pub fn new() -> Self {
        Credentials::default()
    }

    /// Sets the token sent as `Synapse-Access-Token: Token …`.
    #[must_use]
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.access_token = Some(token.into());
        self
    }

    /// Sets the token sent as `Authorization: Token …`.
    #[must_use]
    pub fn legacy_token(mut self, token: impl Into<String>) -> Self {
        self.legacy_token = Some(token.into());
        self
    }

    /// Sets the token sent as `SYNAPSE-Agent: Token …`.
    #[must_use]
    pub fn agent_token(mut self, token: impl Into<String>) -> Self {
        self.agent_token = Some(token.into());
        self
    }

    /// Sets the tenant's code sent as `Synapse-Tenant: Token …`.
    #[must_use]
    pub fn tenant(mut self, code: impl Into<String>) -> Self {
        self.tenant = Some(code.into());
        self
    }

    /// Returns the headers. An error names the setting, never the token.
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
                return Err(Error::configuration(setting, "it is empty: leave it out, or set the token"));
            }
            let mut header = HeaderValue::from_str(&format!("Token {value}")).map_err(|_| {
                Error::configuration(
                    setting,
                    "it contains a character not allowed in headers, such as a line break",
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

/// The future that [`CredentialsProvider::credentials`] returns.
pub type CredentialsFuture<'p> = Pin<
    Box<dyn Future<Output = std::result::Result<Credentials, Box<dyn StdError + Send + Sync>>> + Send + 'p>,
>;

/// Why a [`CredentialsProvider`] is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialsReason {
    /// The client has no credentials yet.
    First,
    /// The server responded 401 to the last ones.
    Rejected,
}

/// Provides credentials that change over time: a long export may take longer than a token is valid.
///
/// The provider is called before the first request, and again when the server responds 401. Its result is
/// cached in between. If many requests wait for it, it is called once.
#[doc(alias("auth", "authentication", "token"))]
pub trait CredentialsProvider: Send + Sync + 'static {
    /// Returns the credentials to send from now on. `reason` says whether the server refused
    /// the last ones.
    ///
    /// The call has the read time-out and, if set, the total time-out of the request that makes it. When one
    /// expires, the future is dropped, and the next request calls the provider again.
    ///
    /// # Errors
    /// An error becomes one of [`ErrorKind::Credentials`], and so does an expired read time-out. An expired
    /// total time-out becomes one of [`ErrorKind::Timeout`].
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_>;
}

/// The source of a client's credentials and its secret headers.
pub(crate) enum CredentialsSource {
    Fixed(Arc<HeaderMap>),
    Provided(Provided),
}

/// Credentials from a provider, cached until the server refuses them.
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

    /// Returns the current credentials, if they are known yet.
    pub(crate) fn known(&self) -> Option<Arc<HeaderMap>> {
        match self {
            CredentialsSource::Fixed(headers) => Some(headers.clone()),
            CredentialsSource::Provided(provided) => provided.current.try_lock().ok()?.clone(),
        }
    }

    /// Returns the tenant that is sent, if one is set. Calls the provider if it hasn't been called yet.
    pub(crate) async fn tenant(&self) -> Result<Option<HeaderValue>> {
        let headers = match self {
            CredentialsSource::Fixed(headers) => headers.clone(),
            CredentialsSource::Provided(provided) => provided.headers().await?,
        };
        Ok(headers.get(TENANT).cloned())
    }

    /// Returns whether a header is a credential, whoever set it. A credential is only sent to the origin that
    /// it is for.
    pub(crate) fn is_credential(&self, header: &HeaderName) -> bool {
        let own = match self {
            CredentialsSource::Fixed(headers) => headers,
            CredentialsSource::Provided(provided) => &provided.secrets,
        };
        is_secret(header) || own.contains_key(header)
    }

    /// Returns credentials other than `refused`, to which the server responded 401; `None` if there are no
    /// others.
    pub(crate) async fn other_than(&self, refused: &Arc<HeaderMap>) -> Result<Option<Arc<HeaderMap>>> {
        let CredentialsSource::Provided(provided) = self else { return Ok(None) };
        let mut current = provided.current.lock().await;
        // Another request may have renewed the credentials in the meantime.
        match &*current {
            Some(headers) if !Arc::ptr_eq(headers, refused) => Ok(Some(headers.clone())),
            _ => provided.ask(&mut current, CredentialsReason::Rejected).await.map(Some),
        }
    }
}

impl Provided {
    /// Returns the headers to send.
    pub(crate) async fn headers(&self) -> Result<Arc<HeaderMap>> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(headers) => Ok(headers.clone()),
            None => self.ask(&mut current, CredentialsReason::First).await,
        }
    }

    async fn ask(
        &self,
        current: &mut Option<Arc<HeaderMap>>,
        reason: CredentialsReason,
    ) -> Result<Arc<HeaderMap>> {
        let credentials = self.provider.credentials(reason).await.map_err(|error| {
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
