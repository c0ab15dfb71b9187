//! The upload itself: chunk after chunk from where the server says, and what follows when something goes wrong.

use std::ops::Range;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Url};
use tracing::warn;

use super::body::ChunkBody;
use super::digest::Digest;
use super::feed::Feed;
use super::options::UploadOptions;
use super::progress::{Told, UploadPhase};
use super::protocol::{AfterChunk, AfterCompletion, after_chunk, after_completion, next_offset, offset_of};
use super::read_ahead::Opened;
use super::ready::{Ready, ReadySource};
use super::session_file::SessionFile;
use crate::blocking::blocking;
use crate::call::{Call, CallOptions};
use crate::client::BackendClient;
use crate::deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Activity;
use crate::operation::Operation;
use crate::raw;
use crate::raw::types::{ChunkedUpload, UploadId};
use crate::retry::RetryPolicy;
use crate::transport::{Outgoing, Received};
use crate::upload_session::UploadSession;

/// Bytes in a chunk of a source that comes once, which is kept in memory.
const ONE_SHOT_CHUNK_SIZE: u64 = 8 << 20;
/// As the platform's own client has it, in bytes.
const CHUNK_SIZE: u64 = 50 << 20;

/// An upload at the server.
struct Remote {
    id: UploadId,
    url: Url,
}

/// An upload under way.
pub(super) struct Engine<'a> {
    client: &'a BackendClient,
    options: &'a UploadOptions,
    /// What holds for each request.
    requests: CallOptions,
    /// When all of it has to be done.
    deadline: Option<Instant>,
    policy: RetryPolicy,
    file_name: &'a str,
    chunk_size: u64,
    size: u64,
    /// Nothing where the source comes once.
    opened: Option<Opened>,
    feed: Feed,
    digest: Digest,
    told: Told,
    remote: Option<Remote>,
    /// The byte that the server expects next.
    offset: u64,
    /// The furthest that this ever was.
    furthest: u64,
    /// The last chunk's connection broke.
    fresh: bool,
    /// Failures since the upload last came on.
    failures: u32,
    started_anew: bool,
    /// Where the next chunk is to be sent, once.
    redirect: Option<Url>,
    /// What the server has is of no use any more.
    lost: bool,
}

/// Uploads what is ready. The session's file stays: it tells that the upload is complete.
pub(crate) async fn upload(
    client: &BackendClient,
    ready: Ready,
    options: &UploadOptions,
    requests: &CallOptions,
) -> Result<ChunkedUpload> {
    let Ready { file_name, source } = ready;
    let digest = Digest::start()?;
    let (opened, session, size, feed) = match source {
        ReadySource::Resumable(opened, session) => {
            let (size, feed) = (opened.size, Feed::of(opened.clone(), digest.pieces()));
            (Some(opened), session, size, feed)
        }
        ReadySource::OneShot(source) => (None, None, source.size, Feed::of_one_shot(source, digest.pieces())),
    };
    let default_size = match (&session, &opened) {
        (Some(session), _) => session.chunk_size,
        (None, Some(_)) => CHUNK_SIZE,
        (None, None) => ONE_SHOT_CHUNK_SIZE,
    };
    let mut engine = Engine {
        client,
        options,
        requests: requests.of_each_request(),
        deadline: requests.deadline(),
        policy: requests.retry_policy(&client.settings().retry),
        file_name: options.file_name.as_deref().unwrap_or(&file_name),
        chunk_size: options.chunk_size.unwrap_or(default_size),
        size,
        opened,
        feed,
        digest,
        told: Told::new(size, options.on_progress.clone()),
        remote: None,
        offset: 0,
        furthest: 0,
        fresh: false,
        failures: 0,
        started_anew: false,
        redirect: None,
        lost: false,
    };
    match deadline::by(engine.deadline, engine.upload(session)).await {
        Ok(complete) => {
            engine.told.enter(UploadPhase::Complete, size);
            Ok(complete)
        }
        Err(error) if engine.lost => {
            // To go on from it would fail again.
            forget_session(options).await;
            Err(error)
        }
        Err(error) => match engine.session() {
            Some(session) => Err(error.with_upload_session(session)),
            None => Err(error),
        },
    }
}

impl<'a> Engine<'a> {
    async fn upload(&mut self, session: Option<UploadSession>) -> Result<ChunkedUpload> {
        if let Some(session) = session
            && let Some(complete) = self.resume(session).await?
        {
            return Ok(complete);
        }
        loop {
            while self.offset < self.size {
                if let Some(complete) = self.chunk().await? {
                    return Ok(complete);
                }
            }
            if let Some(complete) = self.complete().await? {
                return Ok(complete);
            }
        }
    }

    /// Goes on with an upload: asks where it stands, and reads what the server has for the digest of the whole.
    async fn resume(&mut self, session: UploadSession) -> Result<Option<ChunkedUpload>> {
        let origin = &self.client.transport().origin;
        let Some(url) = Url::parse(&session.url).ok().filter(|url| origin.owns(url)) else {
            let base = origin.base();
            let message = format!("session: its upload is at another server than {base}: resume it there, or start it anew here");
            return Err(Error::invalid_input(message));
        };
        self.remote = Some(Remote { id: session.id, url });
        self.offset = session.offset;
        // The process that made the session may have come further than it could tell.
        if let Some(complete) = self.ask(self.size).await? {
            return Ok(Some(complete));
        }
        self.told.enter(UploadPhase::Hashing, 0);
        let read = self.feed.lease(0)?;
        let mut position = 0;
        while position < self.offset {
            match std::future::poll_fn(|context| read.poll_piece(context, self.offset - position)).await {
                Ok(piece) => position += piece.len() as u64,
                Err(error) => return Err(self.feed.failure().unwrap_or(error)),
            }
            self.digest.wait_for(position).await?;
            self.told.at(position);
        }
        self.told.enter(UploadPhase::Sending, self.offset);
        Ok(None)
    }

    /// Sends the next chunk, once. The upload's answer is given where it turns out to be complete.
    async fn chunk(&mut self) -> Result<Option<ChunkedUpload>> {
        let range = self.offset..self.size.min(self.offset.saturating_add(self.chunk_size));
        self.told.at(range.start);
        let mut error = match self.send(range.clone()).await {
            // It may have answered before it was sent all.
            Ok(answer) => match next_offset(&(range.start..self.feed.given().clamp(range.start, range.end)), answer.offset) {
                Ok(offset) => {
                    if self.remote.is_none() {
                        self.remote = Some(self.remote_of(&answer)?);
                    }
                    self.fresh = false;
                    if offset == range.start {
                        self.fail(Error::new(ErrorKind::Upload, "the server took nothing of the chunk"))?;
                    }
                    self.come_on(offset);
                    self.offer_session().await?;
                    return Ok(None);
                }
                Err(problem) => return Err(self.lose(Error::new(ErrorKind::Upload, problem))),
            },
            Err(error) => error,
        };
        if let Some(failure) = self.feed.failure() {
            return Err(failure);
        }
        self.fresh = error.lost_connection();
        match after_chunk(&error, self.remote.is_some()) {
            AfterChunk::GiveUp if error.is_too_large() => {
                let bytes = range.end - range.start;
                Err(error.during(format!("sending {bytes} bytes in a chunk, more than is taken: set a smaller chunk_size")))
            }
            AfterChunk::GiveUp => Err(error),
            AfterChunk::StartAnew => self.start_anew(error).map(|()| None),
            AfterChunk::Again => {
                self.redirect = error.redirect().cloned();
                self.fail(error).map(|_| None)
            }
            AfterChunk::Ask => {
                let error = self.fail(error)?;
                self.ask_or(error).await
            }
            AfterChunk::WaitAndAsk => {
                let Some(wait) = self.wait_after(&mut error) else { return Err(error.after_attempts(self.failures + 1)) };
                self.client.transport().clock.sleep(wait).await;
                self.ask_or(error).await
            }
        }
    }

    async fn send(&mut self, range: Range<u64>) -> Result<ChunkedUpload> {
        // The bytes of the chunk before may go once they are hashed.
        if self.opened.is_none() {
            self.digest.wait_for(range.start).await?;
        }
        let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, self.size);
        let mut prepared = match &self.remote {
            None => self.call_upload(|raw| raw.start_chunked_upload().content_range(content_range).body("")).prepare()?,
            Some(remote) => {
                let id = &remote.id;
                let call = self.call_upload(|raw| raw.upload_chunk().id(id).content_range(content_range).body(""));
                let mut prepared = call.prepare()?;
                *prepared.request.url_mut() = remote.url.clone();
                prepared
            }
        };
        if let Some(target) = self.redirect.take() {
            *prepared.request.url_mut() = target;
        }
        let activity = Activity::new();
        let lease = self.feed.lease(range.start)?;
        let (body, form) = ChunkBody::new(lease, range.end - range.start, self.file_name, activity.clone(), self.told.clone());
        let form = HeaderValue::from_str(&form).map_err(|error| Error::invalid_input(error.to_string()))?;
        prepared.request.headers_mut().insert(CONTENT_TYPE, form);
        *prepared.request.body_mut() = Some(Body::wrap(body));
        let outgoing = Outgoing {
            request: prepared.request,
            operation: prepared.operation,
            limits: prepared.limits,
            retry: prepared.retry,
            activity: Some(activity),
            fresh: self.fresh,
            as_sent: false,
            elsewhere: false,
            throttled: None,
        };
        prepared.transport.fetch(outgoing, Received::json).await
    }

    /// A call with the time-outs of a chunk.
    fn call_upload<B: Operation>(&self, operation: impl FnOnce(&'a raw::Client) -> B) -> Call<'a, B> {
        let call = self.client.call(operation).with_options(self.requests.clone());
        match self.time_left(self.options.chunk_timeout.or(self.client.settings().timeout)) {
            Some(timeout) => call.timeout(timeout),
            None => call,
        }
    }

    /// How long a request may take of what is left for all of them, at most `limit`.
    fn time_left(&self, limit: Option<Duration>) -> Option<Duration> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // None at all is a time-out as well, not a setting that can't be.
        limit.into_iter().chain(left).min().map(|left| left.max(Duration::from_nanos(1)))
    }

    /// Where further chunks go: the URL that the server gave, under the rule for its links.
    fn remote_of(&self, answer: &ChunkedUpload) -> Result<Remote> {
        let expected = self.call_upload(|raw| raw.get_chunked_upload().id(&answer.id)).request()?;
        let url = match &answer.url {
            Some(url) => self.client.transport().origin.follow(url, expected.url())?,
            None => {
                let mut url = expected.url().clone();
                url.set_query(None);
                url
            }
        };
        Ok(Remote { id: answer.id.clone(), url })
    }

    /// Asks the server where the upload stands, after a failure.
    async fn ask_or(&mut self, error: Error) -> Result<Option<ChunkedUpload>> {
        if self.remote.is_none() {
            // Nobody knows the id of what may have been begun.
            self.offset = 0;
            return Ok(None);
        }
        self.ask(self.feed.given()).await.map_err(|asked| asked.during(format!("asking where the upload stands, after: {error}")))
    }

    /// Asks the server, which was sent so many bytes at most, where the upload stands, and goes on from there; anew, where it
    /// is gone.
    async fn ask(&mut self, sent: u64) -> Result<Option<ChunkedUpload>> {
        let Some(remote) = &self.remote else { return Ok(None) };
        match self.call_upload(|raw| raw.get_chunked_upload().id(&remote.id)).await {
            // What its sum is was told to the server when it was completed.
            Ok(answer) if answer.completed_at.is_some() => self.checked(answer, None).map(Some).map_err(|error| self.lose(error)),
            Ok(answer) => {
                match offset_of(answer.offset, sent) {
                    Ok(offset) => self.come_on(offset),
                    Err(problem) => return Err(self.lose(Error::new(ErrorKind::Upload, problem))),
                }
                Ok(None)
            }
            Err(error) => match after_chunk(&error, true) {
                AfterChunk::StartAnew => self.start_anew(error).map(|()| None),
                _ => Err(error),
            },
        }
    }

    fn come_on(&mut self, offset: u64) {
        if offset > self.furthest {
            self.furthest = offset;
            self.failures = 0;
        }
        self.offset = offset;
    }

    /// The server has lost the upload: once, it is sent again from its beginning.
    fn start_anew(&mut self, error: Error) -> Result<()> {
        if std::mem::replace(&mut self.started_anew, true) {
            return Err(self.lose(error));
        }
        if let Err(gone) = self.feed.lease(0) {
            return Err(self.lose(error.during(gone.to_string())));
        }
        self.remote = None;
        (self.offset, self.furthest) = (0, 0);
        Ok(())
    }

    /// There is nothing to go on with.
    fn lose(&mut self, error: Error) -> Error {
        self.lost = true;
        error
    }

    /// Counts a failure, and gives it back; too many in a row are the end.
    fn fail(&mut self, error: Error) -> Result<Error> {
        self.failures += 1;
        match self.failures > self.policy.retries.max(1) {
            false => Ok(error),
            true => Err(error.during(format!("the upload doesn't come on, after {} attempts", self.failures))),
        }
    }

    /// How long to wait after a failure; nothing where there were too many.
    fn wait_after(&mut self, error: &mut Error) -> Option<Duration> {
        let transport = self.client.transport();
        // A chunk may take longer than any policy's time: what bounds it is how often it fails.
        let wait = transport.backoff(&self.policy, self.failures, transport.clock.now(), self.deadline, error)?;
        self.failures += 1;
        Some(wait)
    }

    /// Completes the upload. Nothing where it is to be sent anew.
    async fn complete(&mut self) -> Result<Option<ChunkedUpload>> {
        self.told.enter(UploadPhase::Completing, self.size);
        let md5 = self.digest.sum(self.size).await?;
        self.feed.end().await?;
        if let Some(opened) = self.opened.clone() {
            blocking(move || opened.unchanged()).await?.map_err(|error| self.lose(error))?;
        }
        let Some(remote) = &self.remote else { return Ok(None) };
        let call = self.client.call(|raw| raw.complete_chunked_upload().id(&remote.id).body_map(|body| body.md5(&md5)));
        let mut call = call.with_options(self.requests.clone()).read_timeout(self.options.completion_timeout);
        if let Some(timeout) = self.time_left(self.client.settings().timeout) {
            call = call.timeout(timeout);
        }
        let mut prepared = call.prepare()?;
        *prepared.request.url_mut() = remote.url.clone();
        let error = match prepared.fetch(Received::json).await {
            Ok(answer) => return self.checked(answer, Some(&md5)).map(Some).map_err(|error| self.lose(error)),
            Err(error) => error,
        };
        match after_completion(&error) {
            AfterCompletion::GiveUp => Err(error),
            AfterCompletion::Again => self.fail(error).map(|_| None),
            AfterCompletion::StartAnew => {
                self.start_anew(error).map(|()| self.told.enter(UploadPhase::Sending, 0)).map(|()| None)
            }
            AfterCompletion::OtherSum => {
                let error = self.other_sum(error, &md5).await;
                Err(self.lose(error))
            }
            AfterCompletion::Ask => self.settle(error, &md5).await,
        }
    }

    /// Asks until the server says that the upload is complete: it may still be assembling the file.
    async fn settle(&mut self, error: Error, md5: &str) -> Result<Option<ChunkedUpload>> {
        let transport = self.client.transport();
        let Some(remote) = &self.remote else { return Err(error) };
        let began = transport.clock.now();
        for asked in 0.. {
            let answer = self.call_upload(|raw| raw.get_chunked_upload().id(&remote.id)).await;
            match answer {
                Ok(answer) if answer.completed_at.is_some() => {
                    return self.checked(answer, Some(md5)).map(Some).map_err(|error| self.lose(error));
                }
                Err(error) if matches!(after_completion(&error), AfterCompletion::StartAnew) => {
                    self.start_anew(error)?;
                    self.told.enter(UploadPhase::Sending, 0);
                    return Ok(None);
                }
                // Who may not ask won't be told.
                Err(refused) if refused.is_unauthorized() || refused.is_forbidden() => break,
                Ok(_) | Err(_) => {}
            }
            let wait = self.policy.wait(asked, None, &*transport.clock);
            let spent = transport.clock.now().duration_since(began);
            if spent.saturating_add(wait) > self.options.completion_timeout
                || self.time_left(None).is_some_and(|left| left <= wait)
            {
                break;
            }
            transport.clock.sleep(wait).await;
        }
        let spent = transport.clock.now().duration_since(began);
        let what =
            format!("completing the upload, which it wasn't {spent:.0?} later: resume it, or get it by its id, to find out");
        Err(error.during(what).with_upload_id(remote.id.to_string()))
    }

    /// Both sums, as far as the server tells its own.
    async fn other_sum(&self, error: Error, md5: &str) -> Error {
        let mut theirs = None;
        if let Some(remote) = &self.remote
            && let Ok(answer) = self.call_upload(|raw| raw.get_chunked_upload().id(&remote.id)).await
        {
            theirs = answer.checksum;
        }
        error.during(other_sum(md5, theirs.as_deref()))
    }

    /// An answer that tells another sum or size is no success, whatever its status.
    fn checked(&self, answer: ChunkedUpload, md5: Option<&str>) -> Result<ChunkedUpload> {
        let is_md5 = |sum: &&str| sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let (Some(md5), Some(theirs)) = (md5, answer.checksum.as_deref().filter(is_md5))
            && !theirs.eq_ignore_ascii_case(md5)
        {
            return Err(Error::new(ErrorKind::Upload, other_sum(md5, Some(theirs))));
        }
        if let Some(size) = answer.size
            && u64::try_from(size) != Ok(self.size)
        {
            let message = format!("the server's file has {size} bytes and this one {}: start the upload anew", self.size);
            return Err(Error::new(ErrorKind::Upload, message));
        }
        Ok(answer)
    }

    fn session(&self) -> Option<UploadSession> {
        let (opened, remote) = (self.opened.as_ref()?, self.remote.as_ref()?);
        let url = remote.url.as_str().into();
        Some(UploadSession::new(remote.id.clone(), url, self.offset, self.size, opened.modified, self.chunk_size))
    }

    async fn offer_session(&self) -> Result<()> {
        let Some(session) = self.session() else { return Ok(()) };
        if let Some(on_session) = &self.options.on_session {
            on_session(&session);
        }
        match self.options.session_file.clone().map(SessionFile) {
            Some(file) => blocking(move || file.save(&session)).await?,
            None => Ok(()),
        }
    }
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

/// Removes the file of an upload's session, which is of no use any more.
pub(crate) async fn forget_session(options: &UploadOptions) {
    if let Some(file) = options.session_file.clone().map(SessionFile)
        && let Err(error) = blocking(move || file.remove()).await.and_then(|removed| removed)
    {
        // What was to be done is done, and a session of it does no harm.
        warn!(%error, "the upload's session file stays");
    }
}

/// What is wrong where the server has other bytes.
fn other_sum(ours: &str, theirs: Option<&str>) -> String {
    let theirs = theirs.map_or_else(|| "another, which it doesn't tell".to_owned(), str::to_owned);
    format!("the file's MD5 is {ours} and that of what the server has is {theirs}: upload it anew")
}
