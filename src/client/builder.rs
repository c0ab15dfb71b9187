//! [`BackendClientBuilder`]: the settings of a client, checked by `build`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use crate::client::{BackendClient, READ_TIMEOUT, Settings};
use crate::error::{Error, Result};
use crate::generated::request::Base;
use crate::runtime::clock::{Clock, SystemClock};
use crate::transport::credentials::{Credentials, CredentialsProvider, CredentialsSource};
use crate::transport::http_clients::{ClientKind, HttpClients};
use crate::transport::origin::Origin;
use crate::transport::proxies::{Proxies, parse_proxy};
use crate::transport::retry_policy::{RetryBucket, RetryPolicy};
use crate::transport::tls::{self, Certificates};
use crate::transport::{AttemptReport, Observer, Transport, is_transport_header};

/// The hosted platform.
const DEFAULT_BASE_URL: &str = "https://api.synapse.sh";
/// The same as in the platform's own client.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY_SIZE: usize = 256 << 20;
const MAX_IN_FLIGHT: usize = 100;

type MakeHttp = dyn Fn() -> ClientBuilder + Send + Sync;

/// The settings of a [`BackendClient`]. Made by [`BackendClient::builder`].
///
/// [`build`](BackendClientBuilder::build) reports invalid settings by name, without their secrets.
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct BackendClientBuilder {
    base_url: String,
    pub(super) credentials: Credentials,
    pub(super) provider: Option<Arc<dyn CredentialsProvider>>,
    connect_timeout: Duration,
    read_timeout: Option<Duration>,
    timeout: Option<Duration>,
    max_body_size: usize,
    user_agent: String,
    url_host: Option<String>,
    root_certificates: Vec<Vec<u8>>,
    proxy: Option<String>,
    http: Option<Arc<MakeHttp>>,
    retry: RetryPolicy,
    max_in_flight: usize,
    rewrite_links: bool,
    links_outside_prefix: bool,
    sensitive_headers: Vec<(String, String)>,
    observer: Option<Arc<Observer>>,
    clock: Arc<dyn Clock>,
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
            retry: RetryPolicy::new(),
            max_in_flight: MAX_IN_FLIGHT,
            rewrite_links: true,
            links_outside_prefix: false,
            sensitive_headers: Vec::new(),
            observer: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Returns a builder with the settings from the environment, as in [`BackendClient::from_env`].
    ///
    /// # Errors
    /// Returns an error if a variable isn't Unicode.
    pub fn from_env() -> Result<Self> {
        let mut builder =
            Self::new(variable("SYNAPSE_BASE_URL")?.unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()));
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

    /// Sets how long making a connection may take; 5 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the idle time-out: a request fails if no byte is sent or received for this long. The default is
    /// 15 seconds, and 60 seconds for lists, because the first page counts the whole list.
    ///
    /// On Linux, Android and Fuchsia, the system also closes a connection whose peer acknowledges no data for
    /// this long, at least one second (`TCP_USER_TIMEOUT`), so that it doesn't keep the data of abandoned
    /// requests. On other systems their own time-outs apply, which are minutes.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// Sets how long a whole request may take, including the response's body, its decoding and its
    /// conversions. No limit by default.
    ///
    /// For a download, the limit applies until its response starts. The file itself may take as long as bytes
    /// arrive, unless the download has its own [`timeout`](crate::Download::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the maximum size, in bytes, of a body that is read as a whole, after decompression; 256 MiB by
    /// default.
    ///
    /// It bounds the memory of a response. The items of a page usually take about as much memory as its text,
    /// in addition to the text. In the worst case, a page of the smallest items, decoding allocates up to 160
    /// times the body's length, and URL conversion up to 60 times more. Your own types may take more.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Sets the `User-Agent`; this crate's name and version by default.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets the host that the server signs file URLs for, such as `internal`. It is sent as `url_host` with
    /// every GET that doesn't set it itself.
    pub fn url_host(mut self, url_host: impl Into<String>) -> Self {
        self.url_host = Some(url_host.into());
        self
    }

    /// Adds a certificate, in PEM or DER, that is trusted in addition to the system's, such as a company's
    /// own. Can be called repeatedly.
    pub fn root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(certificate.into());
        self
    }

    /// Sets the proxy for every request: `http://host:port`, or `socks5://…` with the feature `socks`. By
    /// default, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are used, and with the feature
    /// `system-proxy` the settings of macOS or Windows.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Sets your own HTTP settings: a function that returns a [`reqwest::ClientBuilder`]. It is called for
    /// each HTTP client that is needed: for each tokio runtime and connect time-out, for large bodies whose
    /// call has a longer read time-out than the client, and for a new connection after one broke. This crate
    /// then sets redirects, `Referer`, time-outs, header limits, `Accept-Encoding` and decompression. The
    /// builder's default headers are sent to every host that a request reaches, so don't put a token in them.
    /// Cookies of a jar are sent according to the jar's own rules.
    ///
    /// The function's result belongs to one HTTP client. To share a cookie jar between all connections,
    /// create it first and pass it with `cookie_provider(jar.clone())` (reqwest's feature `cookies`).
    /// `cookie_store(true)` creates one jar for each HTTP client, so that a request that is retried over a
    /// new connection may lack a cookie.
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

    /// Sets how often a request is retried, and after which waits; [`RetryPolicy::new`] by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the maximum number of requests in flight, over all clones of the client; 100 by default. A
    /// request counts until its body is read; a streamed one until its headers arrive. Waiting for a free
    /// slot counts towards the total time-out and has no limit of its own.
    pub fn max_concurrent_requests(mut self, requests: usize) -> Self {
        self.max_in_flight = requests;
        self
    }

    /// Sets whether server links (a `next`, an upload's `url`) with another scheme, host or path prefix are
    /// rewritten to the base URL, if they name the expected resource. A server behind a proxy sends such
    /// links. On by default; if off, such a link is an error.
    pub fn rewrite_links(mut self, rewrite: bool) -> Self {
        self.rewrite_links = rewrite;
        self
    }

    /// Sets whether a server link (a `next`, an upload's `url`) may point to any path of the base URL's
    /// origin. Off by default: with a base URL such as `https://host/api/v1`, a link to `https://host/other/`
    /// is an error, like one to another host. It receives neither request nor token, since another
    /// application may be there. Links that [`rewrite_links`](BackendClientBuilder::rewrite_links) rewrites
    /// to the base URL are always followed. File URLs aren't affected: they may be outside the API's prefix.
    pub fn allow_links_outside_prefix(mut self, allow: bool) -> Self {
        self.links_outside_prefix = allow;
        self
    }

    /// Adds a header whose value is secret, such as a gateway's key. Like the tokens, it is only sent to the
    /// base URL's origin, and never shown.
    pub fn sensitive_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.sensitive_headers.push((name.into(), value.into()));
        self
    }

    /// Sets a callback for every attempt at a request, for metrics. The task that sends calls it: it must not
    /// block.
    ///
    /// ```
    /// # use synapse_backend_client::BackendClient;
    /// let client = BackendClient::builder("https://api.synapse.sh")
    ///     .on_attempt(|attempt| println!("{} {:?} {:?}", attempt.operation, attempt.status, attempt.duration))
    ///     .build()?;
    /// # Ok::<(), synapse_backend_client::Error>(())
    /// ```
    #[doc(alias("log", "logging", "tracing"))]
    pub fn on_attempt(mut self, callback: impl Fn(&AttemptReport<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(callback));
        self
    }

    /// Sets the clock that is used for waits, times and jitter.
    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings and makes the client. Sends nothing.
    ///
    /// # Errors
    /// Returns an error of [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) that names the
    /// invalid setting.
    pub fn build(self) -> Result<BackendClient> {
        let origin =
            Origin::parse(&self.base_url).map_err(|problem| Error::configuration("base_url", problem))?;
        if origin.is_https() && !tls::AVAILABLE {
            return Err(Error::configuration("base_url", "https needs the cargo feature `rustls`"));
        }
        for (name, timeout) in [
            ("connect_timeout", Some(self.connect_timeout)),
            ("read_timeout", self.read_timeout),
            ("timeout", self.timeout),
        ] {
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                return Err(Error::configuration(name, "it is zero: set a longer time"));
            }
        }
        if self.max_body_size == 0 {
            return Err(Error::configuration("max_body_size", "it is zero: no response could be read"));
        }
        if self.url_host.as_deref().is_some_and(|host| host.trim().is_empty()) {
            return Err(Error::configuration(
                "url_host",
                "it is empty: leave it out, or set a name such as `internal`",
            ));
        }
        if self.max_in_flight == 0 {
            return Err(Error::configuration(
                "max_concurrent_requests",
                "it is zero: no request could be sent",
            ));
        }
        let secrets = self.secrets()?;
        let headers = self.credentials.headers()?;
        let http = self.http_clients(&origin)?;
        let base = Base::new(origin.url().clone(), http.first().clone());
        let settings = Settings {
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            timeout: self.timeout,
            url_host: self.url_host.map(|host| host.trim().to_owned()),
            retry: self.retry,
        };
        let transport = Transport {
            http,
            origin: origin
                .rewriting_links(self.rewrite_links)
                .with_links_outside_prefix(self.links_outside_prefix),
            credentials: CredentialsSource::new(self.provider, headers, secrets),
            max_body: self.max_body_size,
            clock: self.clock,
            bucket: RetryBucket::new(),
            in_flight: Arc::new(Semaphore::new(self.max_in_flight.min(Semaphore::MAX_PERMITS))),
            observer: self.observer,
        };
        Ok(BackendClient::from_parts(transport, base, settings))
    }

    fn http_clients(&self, origin: &Origin) -> Result<HttpClients> {
        let certificates = Certificates::new(&self.root_certificates)?;
        let proxy = self.proxy.as_deref().map(parse_proxy).transpose()?;
        if self.user_agent.is_empty() || !self.user_agent.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(Error::configuration("user_agent", "it must be printable ASCII, and not empty"));
        }
        let (http, user_agent) = (self.http.clone(), self.user_agent.clone());
        let plain = !origin.is_https();
        if !plain && http.is_none() {
            certificates.load()?;
        }
        let (proxies, proxy) = match (&http, proxy) {
            (Some(_), proxy) => (Proxies::Unknown, proxy.map(|(_, proxy)| proxy)),
            (None, Some((url, proxy))) => (Proxies::One(url), Some(proxy)),
            (None, None) => {
                let proxies = Proxies::of_environment();
                let custom = proxies.custom();
                (proxies, custom)
            }
        };
        let make = move |kind: ClientKind, only_own_certificates: bool| {
            let builder = match &http {
                Some(make) => certificates.add_to(make(), only_own_certificates),
                None => certificates.builder(),
            };
            let mut builder = kind.finish(builder).user_agent(&user_agent);
            if let Some(proxy) = &proxy {
                builder = builder.proxy(proxy.clone());
            }
            builder.build()
        };
        // A machine without any CA certificate can still use plain http. In this case, only the certificates
        // that are set here are trusted, and an https file URL fails when it is fetched, not when the client
        // is built.
        let make = move |kind| match make(kind, false) {
            Err(_) if plain => make(kind, true),
            other => other,
        };
        let idle = self.read_timeout.unwrap_or(READ_TIMEOUT);
        HttpClients::new(self.connect_timeout, idle, proxies, Arc::new(make))
    }

    fn secrets(&self) -> Result<HeaderMap> {
        let wrong = |problem: String| Error::configuration("sensitive_header", problem);
        let mut secrets = HeaderMap::new();
        for (name, value) in &self.sensitive_headers {
            let header: HeaderName =
                name.parse().map_err(|_| wrong(format!("{name:?} is not a valid header name")))?;
            if is_transport_header(&header) {
                return Err(wrong(format!("the client sets `{name}` itself")));
            }
            let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
                wrong(format!("the value of `{name}` contains a character not allowed in headers"))
            })?;
            value.set_sensitive(true);
            secrets.append(header, value);
        }
        Ok(secrets)
    }
}

/// Returns an environment variable; `None` if it isn't set or is empty.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::configuration(name, "the environment variable isn't Unicode"))
        }
    }
}

impl fmt::Debug for BackendClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendClientBuilder")
            // The unchecked URL may contain a password, which `build` refuses.
            .field(
                "base_url",
                &Origin::parse(&self.base_url)
                    .map_or("<not valid>".to_owned(), |origin| origin.base().to_owned()),
            )
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
            .field("retry", &self.retry)
            .field("max_concurrent_requests", &self.max_in_flight)
            .field("rewrite_links", &self.rewrite_links)
            .field("links_outside_prefix", &self.links_outside_prefix)
            .field(
                "sensitive_headers",
                &self.sensitive_headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("on_attempt", &self.observer.is_some())
            .finish()
    }
}
