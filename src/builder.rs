//! [`BackendClientBuilder`]: the settings of a client, checked when it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy};

use crate::client::{BackendClient, Settings};
use crate::credentials::{Credentials, CredentialsProvider, CredentialsSource};
use crate::error::{Cause, Error, Result};
use crate::origin::Origin;
use crate::raw;
use crate::tls::{self, Certificates};
use crate::transport::Transport;

/// The hosted platform.
const DEFAULT_BASE_URL: &str = "https://api.synapse.sh";
/// As the platform's own client has it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY_SIZE: usize = 256 << 20;

type MakeHttp = dyn Fn() -> ClientBuilder + Send + Sync;

/// The settings of a [`BackendClient`]. Made by [`BackendClient::builder`].
///
/// What is wrong is told by [`build`](BackendClientBuilder::build), with the setting's name and without its secrets.
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct BackendClientBuilder {
    base_url: String,
    credentials: Credentials,
    provider: Option<Arc<dyn CredentialsProvider>>,
    connect_timeout: Duration,
    read_timeout: Option<Duration>,
    timeout: Option<Duration>,
    max_body_size: usize,
    user_agent: String,
    url_host: Option<String>,
    root_certificates: Vec<Vec<u8>>,
    proxy: Option<String>,
    http: Option<Arc<MakeHttp>>,
}

impl BackendClientBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        BackendClientBuilder {
            base_url,
            credentials: Credentials::new(),
            provider: None,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: None,
            timeout: None,
            max_body_size: MAX_BODY_SIZE,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            url_host: None,
            root_certificates: Vec::new(),
            proxy: None,
            http: None,
        }
    }

    /// The settings that the environment gives, as [`BackendClient::from_env`] has them; to be added to.
    ///
    /// # Errors
    /// Where a variable isn't Unicode.
    pub fn from_env() -> Result<Self> {
        let mut builder = Self::new(variable("SYNAPSE_BASE_URL")?.unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()));
        if let Some(token) = variable("SYNAPSE_API_TOKEN")? {
            builder = builder.access_token(token);
        }
        if let Some(token) = variable("SYNAPSE_AGENT_TOKEN")? {
            builder = builder.agent_token(token);
        }
        if let Some(tenant) = variable("SYNAPSE_TENANT")? {
            builder = builder.tenant(tenant);
        }
        Ok(builder)
    }

    /// The access token, sent as `Synapse-Access-Token`. White space around it is taken off.
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.access_token(token);
        self
    }

    /// The login token of older deployments, sent as `Authorization`.
    pub fn legacy_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.legacy_token(token);
        self
    }

    /// The agent's token, sent as `SYNAPSE-Agent`.
    pub fn agent_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = self.credentials.agent_token(token);
        self
    }

    /// The tenant's code, sent as `Synapse-Tenant`.
    pub fn tenant(mut self, code: impl Into<String>) -> Self {
        self.credentials = self.credentials.tenant(code);
        self
    }

    /// Gives the credentials from now on, for tokens that rotate; takes the place of the tokens set one by one.
    pub fn credentials_provider(mut self, provider: impl CredentialsProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// How long making a connection may take; 5 seconds unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long nothing may move, in either direction, while a request is under way; 15 seconds unless set, and 60
    /// seconds for lists, whose first page counts the whole list.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// How long a request may take as a whole, its answer's body included; without a limit unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest body, in bytes, that is read as a whole, after unpacking; 256 MiB unless set.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// The `User-Agent`; this crate's name and version unless set.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// The host that the server signs file URLs for (`internal`, say): sent as `url_host` with every GET that doesn't set
    /// it itself.
    pub fn url_host(mut self, url_host: impl Into<String>) -> Self {
        self.url_host = Some(url_host.into());
        self
    }

    /// A certificate, in PEM or DER, that is trusted besides the system's: a company's own, say. May be given repeatedly.
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(certificate.into());
        self
    }

    /// The proxy that every request goes through: `http://host:port`, or `socks5://…` with the feature `socks`. Unless
    /// set, the system's (`HTTPS_PROXY` and so on) is used, with the feature `system-proxy`.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// HTTP settings of your own: a function that gives a [`reqwest::ClientBuilder`], called for each HTTP client that is
    /// needed. Redirects, `Referer` and time-outs are then set by this crate. Its default headers go to every host that
    /// a request goes to, so they are no place for a token.
    ///
    /// ```no_run
    /// # use synapse_backend_client::{BackendClient, reqwest};
    /// let client = BackendClient::builder("https://api.synapse.sh")
    ///     .http(|| reqwest::Client::builder().pool_max_idle_per_host(4))
    ///     .build()?;
    /// # Ok::<(), synapse_backend_client::Error>(())
    /// ```
    pub fn http(mut self, make: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Self {
        self.http = Some(Arc::new(make));
        self
    }

    /// Checks the settings and makes the client. Nothing is sent.
    ///
    /// # Errors
    /// Of [`ErrorKind::Configuration`](crate::ErrorKind::Configuration), with the name of the setting that can't be right.
    pub fn build(self) -> Result<BackendClient> {
        let origin = Origin::parse(&self.base_url).map_err(|problem| Error::configuration("base_url", problem))?;
        if origin.is_https() && !tls::AVAILABLE {
            return Err(Error::configuration("base_url", "https needs the cargo feature `rustls`"));
        }
        for (name, timeout) in
            [("connect_timeout", Some(self.connect_timeout)), ("read_timeout", self.read_timeout), ("timeout", self.timeout)]
        {
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                return Err(Error::configuration(name, "it is zero: give a longer time"));
            }
        }
        if self.max_body_size == 0 {
            return Err(Error::configuration("max_body_size", "it is zero: no answer could be read"));
        }
        if self.url_host.as_deref().is_some_and(|host| host.trim().is_empty()) {
            return Err(Error::configuration("url_host", "it is empty: leave it out, or give a word such as `internal`"));
        }
        let headers = self.credentials.headers()?;
        let http = self.http_client(&origin)?;
        let credentials = match self.provider {
            Some(provider) => CredentialsSource::provided(provider),
            None => CredentialsSource::Fixed(Arc::new(headers)),
        };
        let raw = raw::Client { baseurl: origin.base().to_owned(), client: http.clone() };
        let settings = Settings {
            read_timeout: self.read_timeout,
            timeout: self.timeout,
            url_host: self.url_host.map(|host| host.trim().to_owned()),
        };
        let transport =
            Transport { http, origin, credentials, connect_timeout: self.connect_timeout, max_body: self.max_body_size };
        Ok(BackendClient::from_parts(transport, raw, settings))
    }

    fn http_client(&self, origin: &Origin) -> Result<reqwest::Client> {
        let certificates = Certificates::parse(&self.root_certificates)?;
        let proxy = self.proxy.as_deref().map(parse_proxy).transpose()?;
        if self.user_agent.is_empty() || !self.user_agent.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(Error::configuration("user_agent", "it must be printable ASCII, and not empty"));
        }
        let make = |only_own_certificates: bool| {
            let mut builder = match &self.http {
                Some(make) => make(),
                None => ClientBuilder::new(),
            }
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            .user_agent(&self.user_agent);
            if let Some(proxy) = &proxy {
                builder = builder.proxy(proxy.clone());
            }
            certificates.apply(builder, only_own_certificates).build()
        };
        // A machine without a single CA certificate can talk plain http all the same: then only the certificates given
        // here are trusted, and an https file URL fails when it is fetched, not when the client is built.
        let client = match make(false) {
            Err(_) if !origin.is_https() => make(true),
            other => other,
        };
        client.map_err(|error| {
            let cause = Cause::of(&error.without_url());
            Error::configuration("http", format!("no HTTP client can be made: {}", cause.root())).source_of(cause)
        })
    }
}

/// A URL of a proxy may hold its password, which no error repeats.
fn parse_proxy(url: &str) -> Result<Proxy> {
    let wrong = |what: &str| Error::configuration("proxy", what.to_owned());
    let parsed = reqwest::Url::parse(url.trim()).map_err(|_| wrong("it is not a URL: give it as http://host:port"))?;
    match parsed.scheme() {
        "http" | "https" => {}
        "socks4" | "socks4a" | "socks5" | "socks5h" if cfg!(feature = "socks") => {}
        "socks4" | "socks4a" | "socks5" | "socks5h" => return Err(wrong("a SOCKS proxy needs the cargo feature `socks`")),
        _ => return Err(wrong("its scheme must be http, https or socks5")),
    }
    Proxy::all(parsed).map_err(|_| wrong("it is not a proxy's URL"))
}

/// An environment variable; nothing where it isn't set or empty.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::configuration(name, "the environment variable isn't Unicode")),
    }
}

impl fmt::Debug for BackendClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendClientBuilder")
            // As given it may hold a password, which `build` refuses.
            .field("base_url", &Origin::parse(&self.base_url).map_or("<not valid>".to_owned(), |origin| origin.base().to_owned()))
            .field("credentials", &self.credentials)
            .field("credentials_provider", &self.provider.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .field("user_agent", &self.user_agent)
            .field("url_host", &self.url_host)
            .field("root_certificates", &self.root_certificates.len())
            .field("proxy", &self.proxy.is_some())
            .field("http", &self.http.is_some())
            .finish()
    }
}
