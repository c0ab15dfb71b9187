//! [`BackendClient`]: the entry point to the backend.

pub(crate) mod builder;
mod builder_credentials;
mod settings;

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::generated::request::Base;
use crate::transport::Transport;
use builder::BackendClientBuilder;

pub(crate) use settings::{READ_TIMEOUT, Settings};

/// A client of one Synapse backend.
///
#[doc = include_str!(concat!(env!("OUT_DIR"), "/methods.md"))]
///
/// Handwritten methods send several requests, or what a generator can't: `create_model`, `create_data_file`,
/// `upload_data_file`, `create_chunked_upload`, `upload_all`, `annotate_task_data_batch`, `create_logs`,
/// `list_job_console_logs`, `get_default_storage`, [`exists`](BackendClient::exists), [`list`](BackendClient::list),
/// [`download`](BackendClient::download).
///
/// Any other operation is called by [`call`](BackendClient::call), any other request is sent by
/// [`request`](BackendClient::request).
///
/// Cheap to clone; clones share connections, limits and credentials. Its futures and streams own what they
/// need, so that they can be spawned. Dropping one cancels its request and leaves the client usable.
///
/// One client may serve several tokio runtimes, at the same time or one after the other. Each runtime has its
/// own connection pool, since a connection is driven by the runtime that made it and hangs without it. All
/// runtimes share limits, credentials and the retry budget.
///
/// A client may be built and dropped anywhere. Awaiting a call needs a tokio runtime: without one, the call
/// returns an error of [`ErrorKind::Configuration`](crate::ErrorKind::Configuration). The runtime needs its
/// timer and its I/O driver, as enabled by `#[tokio::main]` and
/// [`enable_all`](https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.enable_all): tokio
/// panics if one of them is missing.
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
#[doc(alias("blocking", "sync"))]
#[derive(Clone)]
pub struct BackendClient {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) transport: Arc<Transport>,
    pub(crate) base: Base,
    pub(crate) settings: Settings,
}

impl BackendClient {
    /// Returns a builder for a client of the backend at `base_url`, such as `https://api.synapse.sh` or
    /// `https://host/api/v1`, with or without a trailing slash.
    #[doc(alias = "mock")]
    pub fn builder(base_url: impl Into<String>) -> BackendClientBuilder {
        BackendClientBuilder::new(base_url.into())
    }

    /// Makes a client from the environment: `SYNAPSE_BASE_URL` (by default the hosted platform,
    /// `https://api.synapse.sh`), `SYNAPSE_API_TOKEN` (the access token), `SYNAPSE_AGENT_TOKEN` and
    /// `SYNAPSE_TENANT`. An empty variable counts as not set.
    ///
    /// # Errors
    /// Returns an error if a variable isn't Unicode or is invalid; the error names the variable or the
    /// setting.
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

    pub(crate) fn base(&self) -> &Base {
        &self.inner.base
    }

    fn from_parts(transport: Transport, base: Base, settings: Settings) -> Self {
        BackendClient { inner: Arc::new(Inner { transport: Arc::new(transport), base, settings }) }
    }

    /// Returns the base URL, without a trailing slash.
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

/// Crates with the client of another API document have a trait with its methods, which needs this.
impl AsRef<BackendClient> for BackendClient {
    fn as_ref(&self) -> &BackendClient {
        self
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
