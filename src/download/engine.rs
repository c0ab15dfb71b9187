//! The download itself: attempt after attempt from the byte that is missing, until the file is whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Request, StatusCode, Url};

use super::entity::{Entity, Plan, plan};
use super::part::Part;
use super::place::Place;
use super::{DownloadOptions, DownloadProgress, Downloaded};
use crate::blocking::blocking;
use crate::call::CallOptions;
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::limits::TimeLimits;
use crate::retry::RetryPolicy;
use crate::transport::{Outgoing, Received, Retry, may_be_sent_again, packed_by};

/// What errors and traces call a download.
pub(super) const OPERATION: &str = "download";

/// Between two looks whether another download of the same file has come to its end.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// How often a download begins anew since what came was of no use, at most.
const ANEW: u32 = 3;

/// A download under way.
pub(super) struct Engine<'a> {
    pub(super) client: &'a BackendClient,
    pub(super) options: &'a DownloadOptions,
    pub(super) calls: &'a CallOptions,
    pub(super) url: Url,
    pub(super) place: Place,
}

/// How an attempt ended that brought the file no further than it is.
enum Ended {
    Whole,
    /// What is there is of no use.
    Anew(&'static str),
    /// It was given in parts: the next one is to be asked for.
    Part,
}

/// What an attempt leaves to the next one.
struct State {
    part: Part,
    /// The connection broke.
    fresh: bool,
    /// The server packs it although it wasn't asked to: then there are no ranges, and no length to compare.
    packed: bool,
    /// Bytes that were there at the beginning.
    resumed_from: u64,
}

impl Engine<'_> {
    pub(super) async fn run(self) -> Result<Downloaded> {
        let deadline = self.calls.deadline();
        loop {
            let Some(part) = self.acquire(deadline).await? else { return self.by_another().await };
            let resumed_from = if part.is_resumable() { part.len() } else { 0 };
            let mut state = State { part, fresh: false, packed: false, resumed_from };
            if let Err(error) = self.fetch(&mut state, deadline).await {
                let kept = match state.part.keep().await {
                    0 => String::new(),
                    bytes => format!(" ({bytes} bytes are kept, and gone on from the next time)"),
                };
                return Err(error.during(format!("downloading {}{kept}", self.place.target.display())));
            }
            let (bytes, resumed_from) = (state.part.len(), state.resumed_from);
            match state.part.finish(self.options.durable).await {
                Ok(()) => return Ok(Downloaded { path: self.place.target, bytes, resumed_from }),
                // It may be what was there before that was wrong, which is gone now.
                Err(error) if error.kind() == ErrorKind::Download && resumed_from > 0 => {}
                Err(error) => return Err(self.named(error)),
            }
        }
    }

    /// Waits until no other download has the part of this file; nothing where another has brought the file meanwhile.
    async fn acquire(&self, deadline: Option<Instant>) -> Result<Option<Part>> {
        let clock = &self.client.transport().clock;
        let before = self.place.target_state();
        let mut waited = false;
        let (mut moved, mut seen) = (clock.now(), 0);
        let mut look = FIRST_LOOK;
        loop {
            let opened = Part::open(self.place.clone(), self.options.checksum.clone()).await?;
            if let Some(part) = opened {
                return Ok(Some(part).filter(|_| !waited || self.place.target_state() == before));
            }
            waited = true;
            let size = self.place.part_size();
            if size != seen {
                (moved, seen) = (clock.now(), size);
            }
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if late || clock.now().duration_since(moved) > self.options.lock_timeout {
                let message = "another download of this file doesn't come to its end, or its process hangs";
                return Err(self.named(Error::new(ErrorKind::Timeout, message).timed_out()));
            }
            clock.sleep(look).await;
            look = (look * 2).min(LAST_LOOK);
        }
    }

    async fn by_another(self) -> Result<Downloaded> {
        let (place, size, checksum) = (self.place.clone(), self.options.size, self.options.checksum.clone());
        let expected = blocking(move || {
            let bytes = || std::fs::metadata(&place.target).map_or(0, |metadata| metadata.len());
            place.is_as_expected(size, checksum.as_ref()).then(bytes)
        });
        match expected.await? {
            Some(bytes) => Ok(Downloaded { path: self.place.target, bytes, resumed_from: bytes }),
            None => Err(self.named(Error::new(ErrorKind::Download, "another download put something else there meanwhile"))),
        }
    }

    fn named(&self, error: Error) -> Error {
        error.during(format!("downloading {}", self.place.target.display())).of(self.info())
    }

    fn info(&self) -> RequestInfo {
        RequestInfo::new(OPERATION, &Method::GET, &self.url)
    }

    /// Attempt after attempt, until all bytes are there.
    async fn fetch(&self, state: &mut State, deadline: Option<Instant>) -> Result<()> {
        let transport = self.client.transport();
        let policy = self.calls.retry_policy(&self.client.settings().retry);
        let mut began = transport.clock.now();
        let (mut failures, mut anew) = (0, 0);
        let mut furthest = state.part.len();
        loop {
            let (before, packed) = (state.part.len(), state.packed);
            let outcome = self.attempt(state, &policy, deadline).await;
            if state.part.len() > furthest {
                // What moves on isn't given up.
                (furthest, failures, began) = (state.part.len(), 0, transport.clock.now());
            }
            let (mut error, broke) = match outcome {
                Ok(Ended::Whole) => return Ok(()),
                Ok(Ended::Part) if state.part.len() > before || state.packed != packed => continue,
                Ok(Ended::Part) => (Error::broken_off(self.info(), "the server gave no more of the file"), true),
                Ok(Ended::Anew(why)) => {
                    anew += 1;
                    if anew > ANEW {
                        return Err(Error::new(ErrorKind::Download, format!("it began anew {ANEW} times: {why}")).of(self.info()));
                    }
                    tracing::debug!(why, "a download begins anew");
                    state.part.begin(None).await?;
                    continue;
                }
                // Without a head the attempt was made as often as the policy says.
                Err(error) => {
                    let broke = error.response().is_some_and(|response| response.status().is_success());
                    (error, broke)
                }
            };
            let wait = match broke && may_be_sent_again(&error, &Method::GET) {
                true => transport.backoff(&policy, failures, began, deadline, &mut error),
                false => None,
            };
            let Some(wait) = wait else { return Err(if failures > 0 { error.after_attempts(failures + 1) } else { error }) };
            failures += 1;
            state.fresh = error.lost_connection();
            transport.clock.sleep(wait).await;
        }
    }

    async fn attempt(&self, state: &mut State, policy: &RetryPolicy, deadline: Option<Instant>) -> Result<Ended> {
        let offset = Some(state.part.len()).filter(|len| *len > 0 && state.part.is_resumable() && !state.packed);
        let request = self.request(state, offset);
        let limits = self.calls.limits(self.client.settings(), false);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let total = [left, self.client.settings().timeout].into_iter().flatten().min();
        let outgoing = Outgoing {
            request,
            operation: OPERATION,
            limits: TimeLimits { total, ..limits },
            retry: Retry { policy: policy.clone(), unknown_outcome: false },
            activity: None,
            fresh: std::mem::take(&mut state.fresh),
            as_sent: !state.packed,
            elsewhere: true,
            throttled: None,
        };
        let known = state.part.entity().cloned().unwrap_or_default();
        let transport = self.client.transport().clone();
        let (plan, received) = match transport.fetch(outgoing, |received| std::future::ready(Ok(received))).await {
            Ok(received) => {
                let plan = plan(received.status(), received.headers(), offset, &known);
                (plan.map_err(|problem| Error::new(ErrorKind::Download, problem).of(received.info().clone()))?, Some(received))
            }
            Err(error) => match error.response() {
                Some(response) if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && offset.is_some() => {
                    let plan = plan(response.status(), response.headers(), offset, &known);
                    (plan.unwrap_or(Plan::Anew("there is no such part")), None)
                }
                _ => return Err(error),
            },
        };
        if let (Some((_, watch)), Some(received)) = (&self.options.in_cache, &received) {
            watch.head(received.status(), received.headers());
        }
        let size = match (plan, &received) {
            (Plan::Anew(why), _) => return Ok(Ended::Anew(why)),
            (Plan::Complete, _) | (_, None) => return self.whole(state).map(|()| Ended::Whole),
            (Plan::Rest { size }, _) => size,
            (Plan::Whole(entity), Some(received)) => {
                if let Some(ended) = self.begin(state, entity.clone(), received).await? {
                    return Ok(ended);
                }
                entity.size.filter(|_| !state.packed)
            }
        };
        if let Some(received) = received {
            self.receive(state, received, size).await?;
        }
        match size {
            Some(size) if state.part.len() < size => Ok(Ended::Part),
            _ => self.whole(state).map(|()| Ended::Whole),
        }
    }

    fn request(&self, state: &State, offset: Option<u64>) -> Request {
        let mut request = Request::new(Method::GET, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.extend(self.calls.headers().iter().cloned());
        if let Some(offset) = offset {
            // Digits are what a header may hold.
            headers.extend(HeaderValue::try_from(format!("bytes={offset}-")).map(|range| (RANGE, range)));
            let validator = state.part.entity().and_then(Entity::if_range);
            if let Some(validator) = validator.and_then(|validator| HeaderValue::from_str(validator).ok()) {
                headers.insert(IF_RANGE, validator);
            }
        }
        request
    }

    /// The whole file comes: what was there before is of no use.
    async fn begin(&self, state: &mut State, entity: Entity, received: &Received) -> Result<Option<Ended>> {
        if let Some(encoding) = packed_by(received.headers()) {
            if state.packed {
                let message =
                    format!("the server compresses the file by `{encoding}`, which the crate's features don't decompress");
                return Err(Error::new(ErrorKind::Decode, message).of(received.info().clone()));
            }
            state.packed = true;
            return Ok(Some(Ended::Part));
        }
        if let (Some(size), Some(expected)) = (entity.size.filter(|_| !state.packed), self.options.size)
            && size != expected
        {
            let message = format!("the server announces {size} bytes, and {expected} are expected");
            return Err(Error::new(ErrorKind::Download, message).of(received.info().clone()));
        }
        if let Some(most) = self.options.max_size
            && entity.size.is_some_and(|size| size > most)
        {
            return Err(too_large(most).of(received.info().clone()));
        }
        state.resumed_from = 0;
        // Packed, its bytes aren't those that ranges count.
        let entity = if state.packed { Entity::default() } else { entity };
        state.part.begin(Some(entity)).await?;
        Ok(None)
    }

    async fn receive(&self, state: &mut State, mut received: Box<Received>, size: Option<u64>) -> Result<()> {
        let told = |state: &State| {
            if let Some(on_progress) = &self.options.on_progress {
                let (bytes_received, bytes_total) = (state.part.len(), size.or(self.options.size));
                on_progress(DownloadProgress { bytes_received, bytes_total, resumed_from: state.resumed_from });
            }
        };
        told(state);
        while let Some(piece) = received.piece().await? {
            let most = size.or(self.options.size).unwrap_or(u64::MAX);
            if state.part.len() + piece.len() as u64 > most {
                let message = format!("more than {most} bytes came, the file's size");
                return Err(Error::new(ErrorKind::Download, message).of(received.info().clone()));
            }
            if let Some(most) = self.options.max_size.filter(|most| state.part.len() + piece.len() as u64 > *most) {
                // What is there is of no use, however it goes on.
                state.part.begin(None).await?;
                return Err(too_large(most).of(received.info().clone()));
            }
            state.part.push(piece).await?;
            told(state);
        }
        Ok(())
    }

    /// All that the server has is there: it has to be all that is expected.
    fn whole(&self, state: &State) -> Result<()> {
        match self.options.size {
            Some(size) if state.part.len() != size => {
                let message = format!("it is {} bytes long, and {size} are expected", state.part.len());
                Err(Error::new(ErrorKind::Download, message).of(self.info()))
            }
            _ => Ok(()),
        }
    }
}

/// The error of a file that is larger than is taken.
pub(super) fn too_large(most: u64) -> Error {
    let message = format!("the file is larger than {most} bytes, which is the most that the file cache takes (`max_bytes`)");
    Error::new(ErrorKind::Download, message)
}

/// Where a file is: an absolute URL, or a path on the backend's host.
pub(super) fn absolute(client: &BackendClient, text: &str) -> Result<Url> {
    let wrong = |what: String| Error::invalid_input(format!("download: `url`: {what}"));
    let base = Url::parse(client.base_url()).map_err(|error| wrong(error.to_string()))?;
    let url = base.join(text.trim()).map_err(|error| wrong(format!("it is no URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("its scheme is {other}: only http, https and data are downloaded"))),
    }
}

pub(super) type Told = Arc<dyn Fn(DownloadProgress) + Send + Sync>;
