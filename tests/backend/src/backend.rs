//! The handle that a test uses to control its backend.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::app::App;
use crate::data;
use crate::faults::{Fault, Injected};
use crate::log::RecordedRequest;
use crate::request_parts::{Query, RequestParts};
use crate::server::{self, Server};
use crate::settings::{BackendBuilder, Settings};
use crate::{media, models, routes};

/// A running backend. Dropping it stops it at once and deletes its files.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use synapse_test_backend::Backend;
///
/// let backend = Backend::builder().models(5).start().await?;
/// // … the client under test uses backend.url() and backend.token() …
/// assert!(backend.requests().is_empty());
/// backend.shutdown().await;
/// # Ok(()) }
/// ```
#[must_use = "a backend stops when it is dropped"]
pub struct Backend {
    // Declared before the directory, so that the server stops before its files are deleted.
    server: Server,
    pub(crate) app: App,
    address: SocketAddr,
    url: String,
    _dir: TempDir,
}

impl Backend {
    /// The id of the first model. The ids of the others follow without gaps.
    pub const FIRST_MODEL: i64 = data::FIRST_MODEL;
    /// The id of the first (and oldest) event.
    pub const FIRST_EVENT: i64 = data::FIRST_EVENT;
    /// The id of the first project.
    pub const FIRST_PROJECT: i64 = data::FIRST_PROJECT;
    /// The id of the first ground-truth dataset.
    pub const FIRST_DATASET: i64 = data::FIRST_DATASET;
    /// The id of the first dataset version.
    pub const FIRST_VERSION: i64 = data::FIRST_VERSION;

    /// Returns a builder with settings that suit a test.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// let backend = synapse_test_backend::Backend::builder().cursor_pagination(true).start().await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> BackendBuilder {
        BackendBuilder::default()
    }

    /// Starts a backend with the default settings.
    ///
    /// # Errors
    /// Returns an error if the address can't be bound.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// let backend = synapse_test_backend::Backend::start().await?;
    /// # Ok(()) }
    /// ```
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    pub(crate) async fn start_with(settings: Settings) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("synapse-test-backend-").tempdir()?;
        let (listener, address) = server::bind(&settings.host, settings.port)?;
        let origin = format!("http://{address}");
        let url = format!("{origin}{}", settings.path_prefix);
        let app = App::new(settings, origin, dir.path().to_owned());
        let server = Server::start(listener, app.clone(), routes::router(&app))?;
        Ok(Self { server, app, address, url, _dir: dir })
    }

    /// Returns the base URL with the path prefix, without a trailing slash.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let models = format!("{}/models/", backend.url());
    /// # }
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address that it listens on.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert!(backend.address().ip().is_loopback());
    /// # }
    /// ```
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the access token that it accepts.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let header = format!("Token {}", backend.token());
    /// # }
    /// ```
    pub fn token(&self) -> &str {
        &self.app.settings.token
    }

    /// Returns the agent token that it accepts.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let header = format!("Token {}", backend.agent_token());
    /// # }
    /// ```
    pub fn agent_token(&self) -> &str {
        &self.app.settings.agent_token
    }

    /// Stops accepting, waits for the requests in progress to finish (at most five seconds), and stops.
    ///
    /// ```
    /// # async fn example(backend: synapse_test_backend::Backend) {
    /// backend.shutdown().await;
    /// # }
    /// ```
    pub async fn shutdown(mut self) {
        self.server.shut_down().await;
    }

    /// Injects a fault. If several faults match a request, only the one that was injected first applies.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// let fault = backend.inject(Fault::proxy_page(502).on("GET", "/models/").times(2));
    /// assert_eq!(fault.hits(), 0);
    /// # }
    /// ```
    pub fn inject(&self, fault: Fault) -> Injected {
        self.app.faults.inject(fault)
    }

    /// Removes all faults and releases the requests that they hold.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.clear_faults();
    /// # }
    /// ```
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// Returns the recorded requests in order of arrival: the last 100,000.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let posts = backend.requests().iter().filter(|request| request.method == "POST").count();
    /// assert_eq!(posts, 1);
    /// # }
    /// ```
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.app.log.all()
    }

    /// Clears the recorded requests.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.clear_requests();
    /// assert!(backend.requests().is_empty());
    /// # }
    /// ```
    pub fn clear_requests(&self) {
        self.app.log.clear();
    }

    /// Turns the recording of requests on or off.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.record_requests(false);
    /// # }
    /// ```
    pub fn record_requests(&self, record: bool) {
        self.app.log.turn(record);
    }

    /// Waits until this many requests are recorded. Cleared requests don't count.
    ///
    /// ```
    /// # async fn example(backend: synapse_test_backend::Backend) {
    /// // … the client sends two requests …
    /// backend.wait_for_requests(2).await;
    /// assert_eq!(backend.in_flight(), 2);
    /// # }
    /// ```
    pub async fn wait_for_requests(&self, count: u64) {
        self.app.log.wait_for(count).await;
    }

    /// Returns the number of requests being served now, including those that a fault holds.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.in_flight(), 0);
    /// # }
    /// ```
    pub fn in_flight(&self) -> u64 {
        self.app.in_flight.now()
    }

    /// Returns the largest number of requests served at once.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert!(backend.peak_in_flight() <= 8, "at most the requested concurrency");
    /// # }
    /// ```
    pub fn peak_in_flight(&self) -> u64 {
        self.app.in_flight.peak()
    }

    /// Resets the peak to the current number.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.reset_peak_in_flight();
    /// # }
    /// ```
    pub fn reset_peak_in_flight(&self) {
        self.app.in_flight.reset_peak();
    }

    /// Returns the number of connections accepted so far.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.connections(), 2, "the retry used a new connection");
    /// # }
    /// ```
    pub fn connections(&self) -> u64 {
        self.app.in_flight.connections()
    }

    /// Returns the models as the API shows them, ordered by id.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let newest = backend.models().pop();
    /// assert_eq!(newest.map(|model| model["name"].clone()), Some("my model".into()));
    /// # }
    /// ```
    pub fn models(&self) -> Vec<Value> {
        let parts = self.parts();
        let links = self.app.signer.links(&parts);
        self.app.models.all().iter().map(|model| models::as_value(model, &links)).collect()
    }

    /// Returns the ids of the models that requests created.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.models_created().len(), 1);
    /// # }
    /// ```
    pub fn models_created(&self) -> Vec<i64> {
        self.app.models.created()
    }

    /// Returns an event as `GET /sdk/ground_truth_events/` shows it.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let oldest = backend.event(Backend::FIRST_EVENT);
    /// # }
    /// ```
    pub fn event(&self, id: i64) -> Option<Value> {
        let index = self.app.world.event_index(id)?;
        let parts = self.parts();
        let links = self.app.signer.links(&parts);
        let mut text = Vec::new();
        let values = self.app.world.values(index, links.origin, &links.signature);
        self.app.world.shape(index).event.render(&values, &mut text);
        serde_json::from_slice(&text).ok()
    }

    /// Returns the content of one of the backend's files, by its URL or path.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let image = backend.file_bytes("/media/data_units/50001/image_1.png");
    /// # }
    /// ```
    pub fn file_bytes(&self, url: &str) -> Option<Bytes> {
        media::bytes(&self.app, url)
    }

    /// Returns the URL of a generated file of any size, for tests and benches of downloads.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let url = backend.blob_url(1 << 30);
    /// # }
    /// ```
    pub fn blob_url(&self, size: u64) -> String {
        format!("{}/media/blobs/{size}/blob.bin", self.app.origin)
    }

    /// Returns the ids of all uploads in the order in which they started.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.upload_ids().len(), 1);
    /// # }
    /// ```
    pub fn upload_ids(&self) -> Vec<String> {
        self.app.uploads.ids()
    }

    /// Returns the path of an upload's bytes. The file exists as long as the backend does.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend, id: &str) -> std::io::Result<()> {
    /// let path = backend.uploaded_file(id).expect("the upload");
    /// assert_eq!(std::fs::read(path)?, b"weights");
    /// # Ok(()) }
    /// ```
    pub fn uploaded_file(&self, id: &str) -> Option<PathBuf> {
        Some(self.app.uploads.named(id)?.path.clone())
    }

    /// Returns the byte ranges that an upload has accepted, in order of arrival.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend, id: &str) {
    /// assert_eq!(backend.accepted_ranges(id), [0..100, 100..150]);
    /// # }
    /// ```
    pub fn accepted_ranges(&self, id: &str) -> Vec<Range<u64>> {
        self.app.uploads.named(id).map(|upload| upload.ranges()).unwrap_or_default()
    }

    /// Returns the number of requests that completed an upload. More than one would be a bug of the backend.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert!(backend.upload_ids().iter().all(|id| backend.completions(id) == 1));
    /// # }
    /// ```
    pub fn completions(&self, id: &str) -> u64 {
        self.app.uploads.named(id).map_or(0, |upload| upload.completions())
    }

    /// Marks an incomplete upload as expired. Returns whether there is such an upload.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend, id: &str) {
    /// assert!(backend.expire_upload(id));
    /// # }
    /// ```
    pub fn expire_upload(&self, id: &str) -> bool {
        self.app.uploads.named(id).inspect(|upload| upload.expire()).is_some()
    }

    /// A placeholder request for building links outside a request.
    pub(crate) fn parts(&self) -> RequestParts {
        let origin = self.app.settings.public_url.clone().unwrap_or_else(|| self.app.origin.clone());
        RequestParts { file_origin: origin.clone(), origin, path: String::new(), query: Query::default() }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("url", &self.url).finish_non_exhaustive()
    }
}
