//! The upload itself: sends chunk after chunk from the offset that the server expects, and handles failures.

use std::ops::Range;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Url};

use super::body::ChunkBody;
use super::chunk_source::ChunkSource;
use super::md5_worker::Md5Worker;
use super::options::UploadOptions;
use super::preflight::{CheckedSource, Preflight, Resumed};
use super::progress::{ProgressReporter, UploadPhase};
use super::protocol::{AfterChunk, after_chunk, is_complete, is_lost, of_another, same_id};
use super::read_ahead::OpenSource;
use super::session_offer::forget_session;
use super::state::{Advance, Next, Step, UploadState};
use crate::call::{Call, CallOptions};
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind, Result};
use crate::generated::operation::Operation;
use crate::generated::raw;
use crate::generated::raw::types::{ChunkedUpload, UploadId};
use crate::runtime::deadline::within;
use crate::transport::timeouts::Activity;
use crate::transport::{Failure, IncomingResponse, Reason, Retries, StreamedBody};
use crate::upload::session::{PrefixDigest, id_problem};

/// Default chunk size of a one-shot source, in bytes; the chunk is kept in memory.
const ONE_SHOT_CHUNK_SIZE: u64 = 8 << 20;
/// Default chunk size in bytes, the same as in the platform's own client.
const CHUNK_SIZE: u64 = 50 << 20;

/// The likely cause if the server doesn't know an upload that it has just started.
const LOST_TWICE: &str = "the server lost the upload twice: if it runs several instances without shared storage, they need sticky \
                          sessions, and the client needs a cookie store (set one with `.http(…)`)";

/// An upload on the server.
pub(super) struct Remote {
    pub(super) id: UploadId,
    pub(super) url: Url,
}

/// An upload in progress.
pub(super) struct UploadEngine<'a> {
    pub(super) calls: Calls<'a>,
    pub(super) retries: Retries<'a>,
    pub(super) file: SourceFile<'a>,
    pub(super) progress: ProgressReporter,
    pub(super) remote: Option<Remote>,
    /// The digest from the session that is being resumed.
    pub(super) session_digest: Option<PrefixDigest>,
    pub(super) state: UploadState,
    /// The last chunk's connection was lost, so the next chunk uses a new one.
    new_connection: bool,
    /// The redirect that the next chunk follows, once.
    redirect: Option<Box<Url>>,
}

/// What the upload's requests are made of.
pub(super) struct Calls<'a> {
    pub(super) client: &'a BackendClient,
    pub(super) options: &'a UploadOptions,
    /// The options of each request.
    pub(super) requests: CallOptions,
    /// The deadline of the whole upload.
    pub(super) deadline: Option<Instant>,
}

/// The source, and what reads and hashes it.
pub(super) struct SourceFile<'a> {
    name: &'a str,
    /// `None` for a one-shot source.
    pub(super) opened: Option<OpenSource>,
    pub(super) source: ChunkSource,
    pub(super) digest: Md5Worker,
}

/// Uploads a checked source by `deadline`. The session's file stays: it refers to the complete upload.
///
/// # Errors
/// Returns the error that ended the upload, with the session if the upload can be resumed.
pub(crate) async fn upload(
    client: &BackendClient,
    ready: Preflight,
    options: &UploadOptions,
    requests: &CallOptions,
    deadline: Option<Instant>,
) -> Result<ChunkedUpload> {
    let Preflight { file_name, source } = ready;
    let mark = match &source {
        CheckedSource::Resumable(_, resumed) => {
            resumed.as_ref().and_then(|resumed| resumed.session.digest.as_ref())
        }
        CheckedSource::OneShot(_) => None,
    };
    let digest = Md5Worker::start(mark.map(|digest| digest.length))?;
    let (opened, resumed, size, chunk_source) = match source {
        CheckedSource::Resumable(opened, resumed) => {
            let (size, chunk_source) = (opened.size, ChunkSource::of(opened.clone(), digest.input()));
            (Some(opened), resumed, size, chunk_source)
        }
        CheckedSource::OneShot(source) => {
            (None, None, source.size, ChunkSource::of_one_shot(source, digest.input()))
        }
    };
    let default_size = match (&resumed, &opened) {
        (Some(resumed), _) => resumed.session.chunk_size,
        (None, Some(_)) => CHUNK_SIZE,
        (None, None) => ONE_SHOT_CHUNK_SIZE,
    };
    let policy = requests.retry_policy(&client.settings().retry);
    let retries = Retries::new(client.transport(), policy, deadline);
    let name = options.file_name.as_deref().unwrap_or(&file_name);
    let mut engine = UploadEngine {
        calls: Calls { client, options, requests: requests.of_each_request(), deadline },
        retries,
        file: SourceFile { name, opened, source: chunk_source, digest },
        progress: ProgressReporter::new(size, options.on_progress.clone()),
        remote: None,
        session_digest: None,
        state: UploadState::new(size, options.chunk_size.unwrap_or(default_size)),
        new_connection: false,
        redirect: None,
    };
    match engine.upload(resumed).await {
        Ok(complete) => {
            engine.progress.enter(UploadPhase::Complete, size);
            Ok(complete)
        }
        Err(error) if engine.state.is_unrecoverable => {
            // Resuming it would fail again.
            forget_session(options, None, deadline).await;
            Err(error.hiding(client.transport().credentials.known()))
        }
        Err(error) => {
            let error = error.hiding(client.transport().credentials.known());
            Err(match engine.session() {
                Some(session) => error.with_detail(session),
                None => error,
            })
        }
    }
}

impl<'a> UploadEngine<'a> {
    async fn upload(&mut self, resumed: Option<Resumed>) -> Result<ChunkedUpload> {
        if let Some(resumed) = resumed
            && let Step::Completed(complete) = self.resume(resumed).await?
        {
            return Ok(*complete);
        }
        loop {
            match self.state.next() {
                Next::Chunk(range) => self.chunk(range).await?,
                Next::Completion => {
                    if let Step::Completed(complete) = self.complete().await? {
                        return Ok(*complete);
                    }
                }
            }
        }
    }

    /// Sends the next chunk, once.
    ///
    /// # Errors
    /// Returns an error if the upload can't continue.
    async fn chunk(&mut self, range: Range<u64>) -> Result<()> {
        self.progress.at(range.start);
        let failure = match self.send(range.clone()).await {
            Ok(response) if self.remote.as_ref().is_some_and(|remote| !same_id(&remote.id, &response.id)) => {
                Error::new(ErrorKind::Decode, of_another(&response)).into()
            }
            Ok(response) => return self.accepted(&range, &response).await,
            Err(failure) => failure,
        };
        if let Some(error) = self.file.source.failure() {
            return Err(error);
        }
        self.new_connection = failure.lost_connection();
        let after = after_chunk(&failure, self.remote.is_some());
        let Failure { error, reason } = failure;
        match after {
            AfterChunk::GiveUp if error.is_too_large() => {
                let bytes = range.end - range.start;
                Err(error.during(format!(
                    "sending a chunk of {bytes} bytes, more than the server accepts: set a smaller chunk_size"
                )))
            }
            AfterChunk::GiveUp => Err(error),
            AfterChunk::Restart => self.restart(error),
            AfterChunk::Again => {
                if let Reason::Redirected(target) = reason {
                    self.redirect = Some(target);
                }
                self.fail(error).map(drop)
            }
            AfterChunk::Ask => {
                let error = self.fail(error)?;
                self.resync(error).await
            }
            AfterChunk::WaitAndAsk => {
                // A chunk may take longer than the policy allows: the policy's time begins with the failure.
                self.retries.begin();
                let error = self.retries.wait(error).await?;
                self.resync(error).await
            }
        }
    }

    /// Processes the answer to a chunk.
    ///
    /// # Errors
    /// Returns an error if the answer contradicts what was sent, if the upload makes no progress, or if the
    /// session can't be saved.
    async fn accepted(&mut self, range: &Range<u64>, response: &ChunkedUpload) -> Result<()> {
        let advance = self.state.accept(range, self.file.source.given(), response.offset);
        let Advance { stalled_at, is_progress } = advance.map_err(|problem| self.inconsistent(problem))?;
        if self.remote.is_none() {
            self.remote = Some(self.remote_of(response)?);
        }
        self.new_connection = false;
        if let Some(taken) = stalled_at {
            let problem = match taken {
                0 => "the server took no bytes of the chunk".to_owned(),
                taken => format!("the server took only {taken} bytes of the chunk"),
            };
            self.fail(Error::new(ErrorKind::Upload, problem))?;
        }
        if is_progress {
            self.retries.restart();
        }
        self.offer_session().await
    }

    /// Sends a chunk's request.
    ///
    /// # Errors
    /// Returns an error if the request can't be made, or if it fails.
    async fn send(&mut self, range: Range<u64>) -> Result<ChunkedUpload, Failure> {
        // Once the chunk before is hashed, its buffers can be reused, and a session can contain its digest.
        within(self.calls.deadline, "hashing the file", self.file.digest.wait_for(range.start)).await??;
        let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, self.state.size);
        let name = self.file.name;
        // The chunk is sent instead of this form: its bytes may be sent only once.
        let mut outgoing = match &self.remote {
            None => {
                let call =
                    self.call_upload(|raw| raw.start_chunked_upload(|form| form.filename(name).file(b"")));
                call.params(|p| p.content_range(content_range)).prepare()?
            }
            Some(remote) => {
                let id = &remote.id;
                let call = self.call_upload(|raw| raw.upload_chunk(id, |form| form.file(b"")));
                let mut outgoing = call.params(|p| p.content_range(content_range)).prepare()?;
                *outgoing.request.url_mut() = remote.url.clone();
                outgoing
            }
        };
        if let Some(target) = self.redirect.take() {
            *outgoing.request.url_mut() = *target;
        }
        let activity = Activity::new();
        let lease = self.file.source.lease(range.start)?;
        let length = range.end - range.start;
        let form = ChunkBody::new(lease, length, self.file.name, activity.clone(), self.progress.clone());
        let too_long = || {
            Error::invalid_input(format!(
                "chunk_size: {length} bytes are too many for one request: set a smaller one"
            ))
        };
        let (body, form) = form.ok_or_else(too_long)?;
        let form = HeaderValue::from_str(&form).map_err(|error| Error::invalid_input(error.to_string()))?;
        outgoing.request.headers_mut().insert(CONTENT_TYPE, form);
        *outgoing.request.body_mut() = None;
        outgoing.multipart = None;
        outgoing.streamed = Some(StreamedBody { body: Body::wrap(body), activity: Some(activity) });
        outgoing.new_connection = self.new_connection;
        self.calls.client.transport().clone().fetch(outgoing, IncomingResponse::json_strictly).await
    }

    /// Returns a call with the time-outs of a chunk.
    fn call_upload<B: Operation>(&self, operation: impl FnOnce(&raw::Client) -> B) -> Call<B> {
        let call = self.calls.client.call(operation).with_options(self.calls.requests.clone());
        match self.time_left(self.calls.options.chunk_timeout.or(self.calls.client.settings().timeout)) {
            Some(timeout) => call.timeout(timeout),
            None => call,
        }
    }

    /// Returns how long a request may take: the time that is left until the deadline, but at most `limit`.
    pub(super) fn time_left(&self, limit: Option<Duration>) -> Option<Duration> {
        let left = self.calls.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // If no time is left, the request times out: a zero time-out would be an invalid setting.
        limit.into_iter().chain(left).min().map(|left| left.max(Duration::from_nanos(1)))
    }

    /// Returns an upload's URL according to the API's document, whatever the server says.
    ///
    /// # Errors
    /// Returns an error if the id or an option is invalid.
    pub(super) fn expected_url(&self, id: &UploadId) -> Result<Url> {
        let request = self.call_upload(|raw| raw.get_chunked_upload(id)).request()?;
        let mut url = request.url().clone();
        url.set_query(None);
        Ok(url)
    }

    /// Returns where further chunks are sent: the URL from the server, under the rule for the server's links.
    ///
    /// # Errors
    /// Returns an error if the server's id or URL can't be used.
    pub(super) fn remote_of(&self, response: &ChunkedUpload) -> Result<Remote> {
        if let Some(problem) = id_problem(&response.id) {
            return Err(Error::new(
                ErrorKind::Upload,
                format!("the id of the upload from the server {problem}"),
            ));
        }
        let expected = self.expected_url(&response.id)?;
        let url = match &response.url {
            Some(url) => self.calls.client.transport().origin.follow(url, &expected)?,
            None => expected,
        };
        Ok(Remote { id: response.id.clone(), url })
    }

    /// Continues at the server's offset, after a failure.
    ///
    /// # Errors
    /// Returns an error if the server doesn't tell the offset, or if the upload can't restart.
    async fn resync(&mut self, error: Error) -> Result<()> {
        if self.remote.is_none() {
            // An upload may have been started, but its id isn't known.
            self.state.begin();
            return Ok(());
        }
        let synced = self.sync_offset(self.file.source.given(), false).await;
        let step = synced
            .map_err(|failed| failed.during(format!("asking for the upload's offset, after: {error}")))?;
        match step {
            // Its completion was never requested: the server's upload must be a different one.
            Step::Completed(_) => self.restart(
                error.during("sending a chunk of an upload that the server reports as complete too early"),
            ),
            Step::Continue | Step::Restart => Ok(()),
        }
    }

    /// Asks the server, which was sent at most `sent` bytes, for the upload's offset, and continues there. If
    /// the upload is gone, it restarts. With `relocate`, further chunks are sent to the URL in the response.
    ///
    /// # Errors
    /// Returns an error if the server doesn't tell a possible offset, or if the upload can't restart.
    pub(super) async fn sync_offset(&mut self, sent: u64, relocate: bool) -> Result<Step> {
        let Some(remote) = &self.remote else { return Ok(Step::Restart) };
        let response = match self.fetch_upload(&remote.id).await {
            Ok(response) => response,
            Err(error) if is_lost(&error) => return self.restart(error).map(|()| Step::Restart),
            Err(error) => return Err(error),
        };
        if is_complete(&response) {
            return Ok(Step::Completed(Box::new(response)));
        }
        match self.state.sync(response.offset, sent) {
            Ok(true) => self.retries.restart(),
            Ok(false) => {}
            Err(problem) => return Err(self.inconsistent(problem)),
        }
        if relocate {
            self.remote = Some(self.remote_of(&response)?);
        }
        Ok(Step::Continue)
    }

    /// Requests an upload's state from the server.
    ///
    /// # Errors
    /// Returns an error if the request fails, or if the response is of another upload.
    pub(super) async fn fetch_upload(&self, id: &UploadId) -> Result<ChunkedUpload> {
        let response: ChunkedUpload =
            self.call_upload(|raw| raw.get_chunked_upload(id)).fetch(IncomingResponse::json_strictly).await?;
        if same_id(&response.id, id) {
            Ok(response)
        } else {
            Err(Error::new(ErrorKind::Decode, of_another(&response)))
        }
    }

    /// Restarts the upload from its first byte. This happens only once.
    ///
    /// # Errors
    /// Returns the error if the upload has restarted before, or if its source can't be read again.
    pub(super) fn restart(&mut self, error: Error) -> Result<()> {
        if !self.state.restart() {
            let error = match error.is_not_found() {
                true => error.during(LOST_TWICE),
                false => error,
            };
            return Err(self.mark_unrecoverable(error));
        }
        if let Err(gone) = self.file.source.lease(0) {
            return Err(self.mark_unrecoverable(error.during(gone.to_string())));
        }
        self.file.source.was_sent(0);
        self.remote = None;
        Ok(())
    }

    /// Records that the upload can't be resumed, and returns the error.
    pub(super) fn mark_unrecoverable(&mut self, error: Error) -> Error {
        self.state.is_unrecoverable = true;
        error
    }

    /// Returns the error of an answer that contradicts what was sent.
    fn inconsistent(&mut self, problem: String) -> Error {
        self.mark_unrecoverable(Error::new(ErrorKind::Upload, problem))
    }

    /// Counts a failure, and returns it.
    ///
    /// # Errors
    /// Returns the failure as an error after too many in a row.
    pub(super) fn fail(&mut self, error: Error) -> Result<Error> {
        match self.retries.count() {
            true => Ok(error),
            false => {
                let failures = self.retries.failures();
                Err(error.during(format!("the upload makes no progress, after {failures} attempts")))
            }
        }
    }
}

impl Drop for UploadEngine<'_> {
    fn drop(&mut self) {
        self.file.source.stop();
    }
}
