//! Chunked upload: a file goes to the server in chunks, each at the offset that the server expects.

mod chunk;
mod source;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Url};

pub use source::UploadSource;

use crate::call::{Prepared, Sending};
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Activity;
use crate::raw::types;
use crate::transport::{Outgoing, Received};
use chunk::{Chunk, Reading, chunk};

/// As the platform's own client has it, in bytes.
const CHUNK_SIZE: u64 = 50 << 20;

/// Assembling a file of several gigabytes takes the server half a minute and more.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(300);

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadProgress {
    /// Bytes of the file that were handed to the connection, at most [`bytes_total`](UploadProgress::bytes_total).
    pub bytes_sent: u64,
    /// Size of the file in bytes.
    pub bytes_total: u64,
    /// What is being done.
    pub phase: UploadPhase,
}

/// What an upload is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadPhase {
    /// Chunks are being sent.
    Sending,
    /// All is sent; the server assembles the file.
    Completing,
    /// The server has the whole file, its MD5 compared.
    Complete,
}

type OnProgress = Arc<dyn Fn(UploadProgress) + Send + Sync>;

/// What may be set for an upload.
#[derive(Clone)]
pub(crate) struct UploadOptions {
    pub(crate) chunk_size: u64,
    pub(crate) file_name: Option<String>,
    pub(crate) completion_timeout: Duration,
    pub(crate) on_progress: Option<OnProgress>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        UploadOptions { chunk_size: CHUNK_SIZE, file_name: None, completion_timeout: COMPLETION_TIMEOUT, on_progress: None }
    }
}

impl UploadOptions {
    /// What can't be right.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.chunk_size == 0 {
            problems.push("chunk_size: it is zero".to_owned());
        }
        if self.completion_timeout.is_zero() {
            problems.push("completion_timeout: it is zero".to_owned());
        }
        match self.file_name.as_deref() {
            Some("") => problems.push("file_name: it is empty".to_owned()),
            Some(name) if name.contains(['\r', '\n', '\0']) => {
                problems.push("file_name: it holds a line break or a zero".to_owned());
            }
            _ => {}
        }
        problems
    }
}

impl fmt::Debug for UploadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadOptions")
            .field("chunk_size", &self.chunk_size)
            .field("file_name", &self.file_name)
            .field("completion_timeout", &self.completion_timeout)
            .field("on_progress", &self.on_progress.is_some())
            .finish()
    }
}

/// The setters of everything that uploads.
macro_rules! upload_setters {
    () => {
        /// Bytes of the file in a chunk; 50 MiB unless set.
        pub fn chunk_size(mut self, bytes: u64) -> Self {
            self.upload.chunk_size = bytes;
            self
        }

        /// The name that the server is told; the file's own unless set.
        pub fn file_name(mut self, name: impl Into<String>) -> Self {
            self.upload.file_name = Some(name.into());
            self
        }

        /// How long the server may take to assemble the file; 5 minutes unless set.
        pub fn completion_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.upload.completion_timeout = timeout;
            self
        }

        /// Told how far the upload has come, after each piece and at each phase.
        ///
        /// Called in order, from the task that sends: it must not block. `Complete` comes last, and only on success.
        pub fn on_progress(mut self, told: impl Fn($crate::UploadProgress) + Send + Sync + 'static) -> Self {
            self.upload.on_progress = Some(std::sync::Arc::new(told));
            self
        }
    };
}
pub(crate) use upload_setters;

/// An upload that [`create_chunked_upload`](BackendClient::create_chunked_upload) makes when it is awaited.
#[must_use = "an upload does nothing until it is awaited or sent"]
#[derive(Debug)]
pub struct CreateChunkedUpload {
    client: BackendClient,
    source: UploadSource,
    upload: UploadOptions,
}

impl BackendClient {
    /// Uploads a file in chunks: a path, or bytes in memory. The answer's `id` names the upload to whatever takes one.
    ///
    /// The file is streamed from disk, never held whole, its MD5 computed on the way and compared by the server.
    ///
    /// Operations `start_chunked_upload`, `upload_chunk` and `complete_chunked_upload` of the API's document.
    ///
    /// # Errors
    /// Where the file is missing, unreadable, empty or a directory (nothing is sent then); where it changes while it is
    /// sent; where the server refuses a chunk or the checksum.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let upload = client.create_chunked_upload("/data/model.pt").await?;
    /// println!("{}", upload.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_chunked_upload(&self, source: impl Into<UploadSource>) -> CreateChunkedUpload {
        CreateChunkedUpload { client: self.clone(), source: source.into(), upload: UploadOptions::default() }
    }
}

impl CreateChunkedUpload {
    upload_setters!();

    /// Uploads the file. Awaiting does the same.
    ///
    /// # Errors
    /// See [`create_chunked_upload`](BackendClient::create_chunked_upload).
    pub fn send(self) -> Sending<types::ChunkedUpload> {
        Sending::new(async move {
            let problems = self.upload.problems();
            if !problems.is_empty() {
                return Err(Error::invalid_input(format!("create_chunked_upload: {}", problems.join("; "))));
            }
            let opened = open(&self.source).await?;
            upload(&self.client, opened, &self.source.file_name(), &self.upload).await
        })
    }
}

impl IntoFuture for CreateChunkedUpload {
    type Output = Result<types::ChunkedUpload>;
    type IntoFuture = Sending<types::ChunkedUpload>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

/// Opens a source where it may block.
pub(crate) async fn open(source: &UploadSource) -> Result<Reading> {
    let source = source.clone();
    blocking(move || source.open()).await?.map(Reading::new)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

fn stopped(_: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Interrupted, "the runtime was shut down while a file was read")
}

/// Uploads what is open. The next chunk always begins where the server says.
pub(crate) async fn upload(
    client: &BackendClient,
    mut reading: Reading,
    own_name: &str,
    options: &UploadOptions,
) -> Result<types::ChunkedUpload> {
    let size = reading.source.size;
    let name = options.file_name.as_deref().unwrap_or(own_name);
    let told = Told { total: size, sent: Arc::new(AtomicU64::new(0)), on_progress: options.on_progress.clone() };
    let mut started: Option<(types::ChunkedUpload, Url)> = None;
    let mut offset = 0;
    let mut renewed = false;
    while offset < size {
        let end = size.min(offset.saturating_add(options.chunk_size));
        let range = format!("bytes {offset}-{}/{size}", end - 1);
        let prepared = match &started {
            None => client.call(|raw| raw.start_chunked_upload().content_range(range).body("")).prepare()?,
            Some((upload, url)) => {
                let call = client.call(|raw| raw.upload_chunk().id(&upload.id).content_range(range).body(""));
                at(call.prepare()?, url)
            }
        };
        told.at(offset, UploadPhase::Sending);
        let (back, answer) = send_chunk(prepared, reading, offset..end, name, &told).await?;
        reading = back;
        let answer = match answer {
            // The token had run out and there is a new one: the chunk, which the server refused, goes out again.
            Err(error) if error.renewed() && !renewed => {
                renewed = true;
                continue;
            }
            answer => answer?,
        };
        renewed = false;
        let expected = answer.offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(end);
        if expected <= offset || expected > end {
            let message = format!(
                "the server has the chunk {offset}-{} and expects byte {expected} next, which can't be: the upload {} is to be started anew",
                end - 1,
                answer.id
            );
            return Err(Error::new(ErrorKind::Upload, message));
        }
        offset = expected;
        let url = match started.take() {
            Some((_, url)) => url,
            None => upload_url(client, &answer)?,
        };
        started = Some((answer, url));
    }
    let Some((answer, url)) = started else {
        return Err(Error::invalid_input("file: it is empty, and the server takes no empty file"));
    };
    let (md5, unchanged) = blocking(move || (reading.md5(), reading.source.unchanged())).await?;
    unchanged?;
    let md5 = md5.ok_or_else(|| Error::new(ErrorKind::Upload, "not every byte of the file was read"))?;
    told.at(size, UploadPhase::Completing);
    let completed = complete(client, &answer, &url, &md5, options).await?;
    told.at(size, UploadPhase::Complete);
    Ok(completed)
}

/// Sends one chunk and gives the reading back with the answer.
async fn send_chunk(
    mut prepared: Prepared,
    reading: Reading,
    range: std::ops::Range<u64>,
    name: &str,
    told: &Told,
) -> Result<(Reading, Result<types::ChunkedUpload>)> {
    let activity = Activity::new();
    let sent = told.clone();
    let form = chunk(reading, range.start, range.end, name, activity.clone(), move |bytes| sent.more(bytes));
    let Chunk { content_type, body, reader } = form;
    let content_type = HeaderValue::from_str(&content_type).unwrap_or_else(|_| HeaderValue::from_static("multipart/form-data"));
    prepared.request.headers_mut().insert(CONTENT_TYPE, content_type);
    *prepared.request.body_mut() = Some(Body::wrap(body));
    let outgoing = Outgoing {
        request: prepared.request,
        operation: prepared.operation,
        limits: prepared.limits,
        retry: prepared.retry,
        activity: Some(activity),
    };
    let answer = prepared.transport.fetch(outgoing, Received::json).await;
    let (reading, read) = reader.await.map_err(stopped)?;
    // A file that can't be read on is what broke the request.
    read?;
    Ok((reading, answer))
}

/// The same call at the URL that the server gave for the upload.
fn at(mut prepared: Prepared, url: &Url) -> Prepared {
    *prepared.request.url_mut() = url.clone();
    prepared
}

/// Where further chunks go: the URL that the server gave, under the rule for its links.
fn upload_url(client: &BackendClient, answer: &types::ChunkedUpload) -> Result<Url> {
    let expected = client.call(|raw| raw.get_chunked_upload().id(&answer.id)).request()?;
    match &answer.url {
        Some(url) => client.transport().origin.follow(url, expected.url()),
        None => {
            let mut url = expected.url().clone();
            url.set_query(None);
            Ok(url)
        }
    }
}

async fn complete(
    client: &BackendClient,
    answer: &types::ChunkedUpload,
    url: &Url,
    md5: &str,
    options: &UploadOptions,
) -> Result<types::ChunkedUpload> {
    let call = client.call(|raw| raw.complete_chunked_upload().id(&answer.id).body_map(|body| body.md5(md5)));
    let prepared = at(call.read_timeout(options.completion_timeout).prepare()?, url);
    prepared.fetch(Received::json).await
}

/// Who is told how far an upload has come.
#[derive(Clone)]
struct Told {
    total: u64,
    sent: Arc<AtomicU64>,
    on_progress: Option<OnProgress>,
}

impl Told {
    fn at(&self, bytes: u64, phase: UploadPhase) {
        self.sent.store(bytes, Ordering::Relaxed);
        self.tell(bytes, phase);
    }

    fn more(&self, bytes: u64) {
        let sent = self.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.tell(sent, UploadPhase::Sending);
    }

    fn tell(&self, bytes_sent: u64, phase: UploadPhase) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(UploadProgress { bytes_sent: bytes_sent.min(self.total), bytes_total: self.total, phase });
        }
    }
}
