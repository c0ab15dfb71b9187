//! [`BackendClient`]: what everything is called on.

pub(crate) mod builder;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::call::custom_request::AnyRequest;
use crate::client::builder::BackendClientBuilder;
use crate::error::Result;
use crate::generated::operation::Operation;
use crate::generated::raw;
use crate::transport::Transport;
use crate::transport::retry::RetryPolicy;

/// A client of one Synapse backend.
///
/// Cheap to clone; clones share connections, limits and credentials. Its futures and streams own what they need, so that
/// they can be spawned; dropping one stops its request and leaves the client usable.
///
/// One client may serve several tokio runtimes, at once or one after the other: each has kept connections of its own, since
/// a connection is driven by the runtime that made it and hangs without it. Limits, credentials and the budget of retries
/// are shared by all of them.
///
/// A client may be built and dropped anywhere. What is awaited needs a tokio runtime: without one it returns an error of
/// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration). The runtime needs its timer and its I/O driver, as
/// `#[tokio::main]` and [`enable_all`](https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.enable_all)
/// give them: tokio panics where one of them is missing.
///
/// ```no_run
/// use synapse_backend_client::BackendClient;
///
/// # async fn example() -> Result<(), synapse_backend_client::Error> {
/// let client = BackendClient::builder("https://api.synapse.sh").access_token("…").build()?;
/// let page = client.list_models().params(|p| p.project(123).is_active(true)).await?;
/// for model in &page.results {
///     println!("{} {}", model.id, model.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackendClient {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) transport: Arc<Transport>,
    pub(crate) raw: raw::Client,
    pub(crate) settings: Settings,
}

/// What a client was told that calls look up.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) url_host: Option<String>,
    pub(crate) retry: RetryPolicy,
}

/// While no byte moves: as the platform's own client has it.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// A list's first page counts the whole list.
const LIST_READ_TIMEOUT: Duration = Duration::from_secs(60);

impl Settings {
    pub(crate) fn read_timeout(&self, list: bool) -> Duration {
        self.read_timeout.unwrap_or(if list { LIST_READ_TIMEOUT } else { READ_TIMEOUT })
    }
}

impl BackendClient {
    /// A builder for a client of the backend at `base_url`, such as `https://api.synapse.sh` or
    /// `https://host/api/v1`, with or without a slash at its end.
    pub fn builder(base_url: impl Into<String>) -> BackendClientBuilder {
        BackendClientBuilder::new(base_url.into())
    }

    /// A client from the environment: `SYNAPSE_BASE_URL` (by default the hosted platform, `https://api.synapse.sh`),
    /// `SYNAPSE_API_TOKEN` (the access token), `SYNAPSE_AGENT_TOKEN` and `SYNAPSE_TENANT`. An empty variable counts as
    /// one that isn't set.
    ///
    /// # Errors
    /// Where a variable isn't Unicode or holds what can't be right; the error names the variable or the setting.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), synapse_backend_client::Error> {
    /// let client = synapse_backend_client::BackendClient::from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> Result<Self> {
        BackendClientBuilder::from_env()?.build()
    }

    pub(crate) fn from_parts(transport: Transport, raw: raw::Client, settings: Settings) -> Self {
        BackendClient { inner: Arc::new(Inner { transport: Arc::new(transport), raw, settings }) }
    }

    /// Calls any operation of the API, whether this crate has a method of its own for it or not.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let upload = client.call(|raw| raw.get_chunked_upload().id("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11")).await?;
    /// println!("{:?}", upload.offset);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<'c, B: Operation>(&'c self, operation: impl FnOnce(&'c raw::Client) -> B) -> Call<'c, B> {
        Call::new(self, operation(&self.inner.raw))
    }

    /// Calls any method and path of the backend, whether the API's document knows it or not: JSON in, JSON out,
    /// and null where the answer has no body.
    ///
    /// `path` is what follows the base URL and begins with `/`; parameters are set by [`param`](Call::param), a body by
    /// [`AnyRequest::json`]. Retries, credentials, limits and errors are those of any other call.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{json, reqwest::Method};
    ///
    /// let project = client.request(Method::GET, "/projects/123/").param("expand", "configuration").await?;
    /// println!("{}", project["title"]);
    /// let tagged = client
    ///     .request(Method::POST, "/tasks/set_tags/")
    ///     .params(|p| p.json(&json!({"ids": [1, 2], "tags": [7], "action": "add"})))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: reqwest::Method, path: impl Into<String>) -> Call<'_, AnyRequest<'_>> {
        Call::new(self, AnyRequest::new(&self.inner.raw, method, path.into()))
    }

    /// The base URL, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.inner.transport.origin.base()
    }

    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.inner.transport
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

impl fmt::Debug for BackendClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendClient")
            .field("base_url", &self.base_url())
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}
