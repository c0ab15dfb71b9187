//! The download itself: attempt after attempt from the byte that is missing, until the file is whole.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use reqwest::{Method, Url};

use super::acquire::{Acquired, acquire};
use super::entity::Entity;
use super::part::Part;
use super::part_location::PartLocation;
use super::writer::Writer;
use super::{DownloadOptions, DownloadProgress, DownloadedFile};
use crate::call::CallOptions;
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::transport::may_be_sent_again;

/// What errors and traces call a download.
pub(super) const OPERATION: &str = "download";

/// How often a download begins anew since what came was of no use, at most.
const MAX_RESTARTS: u32 = 3;

/// What an attempt has to bring, in bytes, or as a share of a small file, so that the server isn't asked for
/// ever.
const LEAST_GAIN: u64 = 64 << 10;
const LEAST_SHARE: u64 = 16;

/// A download under way.
pub(super) struct DownloadEngine<'a> {
    pub(super) client: &'a BackendClient,
    pub(super) options: &'a DownloadOptions,
    pub(super) calls: &'a CallOptions,
    pub(super) url: Url,
    pub(super) location: PartLocation,
    /// The part, if it was opened before.
    pub(super) opened: Option<Writer>,
}

/// How an attempt ended.
pub(super) enum Ended {
    /// The file has its name, and this many bytes.
    Whole(u64),
    /// What is there is of no use.
    Restart(Cow<'static, str>),
    /// It was given in parts: the next one is to be asked for.
    Part,
    /// What came wasn't what the server says that it is, and is gone.
    Discarded(Error),
}

/// What an attempt leaves to the next one.
pub(super) struct State {
    pub(super) part: Part,
    /// The connection broke.
    pub(super) new_connection: bool,
    /// What responses said of the file, also where nothing of it is there any more.
    pub(super) known: Entity,
    /// Another size that the server claimed of the same state.
    pub(super) doubt: Option<u64>,
    /// Bytes that were there at the beginning.
    pub(super) resumed_from: u64,
    /// What is there came in more than one message.
    pub(super) pieced: bool,
    /// The last message may have been cut off, for all that its head says.
    pub(super) open_ended: bool,
}

impl DownloadEngine<'_> {
    pub(super) async fn run(mut self) -> Result<DownloadedFile> {
        let deadline = self.calls.deadline();
        let clock = &*self.client.transport().clock;
        let opened = self.opened.take();
        let named = |error: Error| {
            error.during(format!("downloading {}", self.location.target.display())).of(self.info())
        };
        let part = match acquire(clock, self.options, &self.location, opened, deadline).await {
            Ok(Acquired::Part(part)) => *part,
            Ok(Acquired::File(bytes)) => {
                return Ok(DownloadedFile { path: self.location.target, bytes, resumed_from: bytes });
            }
            Err(error) if error.kind() == ErrorKind::Timeout => return Err(named(error)),
            Err(error) => return Err(error),
        };
        let resumed_from = if part.is_resumable() { part.len() } else { 0 };
        let known = part.entity().cloned().unwrap_or_default();
        let pieced = resumed_from > 0;
        let mut state = State {
            part,
            new_connection: false,
            known,
            doubt: None,
            resumed_from,
            pieced,
            open_ended: false,
        };
        let error = match self.fetch(&mut state, deadline).await {
            Ok(bytes) => {
                return Ok(DownloadedFile {
                    path: self.location.target,
                    bytes,
                    resumed_from: state.resumed_from,
                });
            }
            Err(error) => error,
        };
        let kept = match state.part.keep().await {
            0 => String::new(),
            bytes => format!(" ({bytes} bytes are kept: the next download resumes them)"),
        };
        Err(error.during(format!("downloading {}{kept}", self.location.target.display())))
    }

    pub(super) fn info(&self) -> RequestInfo {
        RequestInfo::new(OPERATION, &Method::GET, &self.url)
    }

    /// Attempt after attempt, until all bytes are there. Tells how many those are.
    async fn fetch(&self, state: &mut State, deadline: Option<Instant>) -> Result<u64> {
        let transport = self.client.transport();
        let policy = self.calls.retry_policy(&self.client.settings().retry);
        let mut began = transport.clock.now();
        let (mut failures, mut restart) = (0, 0);
        let mut furthest = state.part.len();
        loop {
            let outcome = self.attempt(state, &policy, deadline).await;
            let gained = state.part.len().saturating_sub(furthest);
            furthest += gained;
            let moved = gained >= least_gain(state.known.size);
            if moved {
                // What moves on isn't given up.
                (failures, began) = (0, transport.clock.now());
            }
            let (mut error, again) = match outcome {
                Ok(Ended::Whole(bytes)) => return Ok(bytes),
                Ok(Ended::Part) if moved => continue,
                Ok(Ended::Part) => {
                    let gave = match gained {
                        0 => "the server gave no more of the file".to_owned(),
                        gained => format!("the server gave no more than {gained} bytes more of the file"),
                    };
                    (Error::broken_off(self.info(), &gave), true)
                }
                Ok(Ended::Restart(why)) => {
                    restart += 1;
                    if restart > MAX_RESTARTS {
                        return Err(Error::new(
                            ErrorKind::Download,
                            format!(
                                "it restarted {MAX_RESTARTS} times ({why}): the file changes while it is downloaded, try again later"
                            ),
                        )
                        .of(self.info()));
                    }
                    tracing::debug!(%why, "a download restarts");
                    state.part.begin(None).await?;
                    (state.resumed_from, state.pieced) = (0, false);
                    continue;
                }
                Ok(Ended::Discarded(error)) => (error, true),
                // Without a head the attempt was made as often as the policy says.
                Err(error) => {
                    let broke = error.response().is_some_and(|response| response.status().is_success());
                    let again = broke && may_be_sent_again(&error, &Method::GET);
                    (error, again)
                }
            };
            let wait = match again {
                true => transport.backoff(&policy, failures, began, deadline, &mut error),
                false => None,
            };
            let Some(wait) = wait else {
                return Err(if failures > 0 { error.after_attempts(failures + 1) } else { error });
            };
            tracing::debug!(%error, ?wait, "a download goes on after a failure");
            failures += 1;
            state.new_connection = error.lost_connection();
            transport.clock.sleep(wait).await;
        }
    }
}

/// How much an attempt has to bring so that it doesn't count as a failure, of a file of this size.
fn least_gain(size: Option<u64>) -> u64 {
    size.map_or(LEAST_GAIN, |size| LEAST_GAIN.min(size.div_ceil(LEAST_SHARE)).max(1))
}

/// Where a file is: an absolute URL, or a path on the backend's host.
pub(super) fn absolute(client: &BackendClient, text: &str) -> Result<Url> {
    let wrong = |what: String| Error::invalid_input(format!("download: `url`: {what}"));
    let joined = client.transport().origin.join(text.trim());
    let url = joined.map_err(|error| wrong(format!("it is no URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("its scheme is {other}: only http, https and data are downloaded"))),
    }
}

pub(super) type OnProgress = Arc<dyn Fn(DownloadProgress) + Send + Sync>;
