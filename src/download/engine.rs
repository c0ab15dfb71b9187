//! The download itself: repeats attempts, each from the first missing byte, until the file is complete.

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
use crate::transport::{Failure, Retries};

/// The operation name of a download in errors and traces.
pub(super) const OPERATION: &str = "download";

/// How often a download may restart from the first byte.
const MAX_RESTARTS: u32 = 3;

/// The bytes, or the share of a small file, that an attempt must receive to count as progress. Without this
/// minimum the requests might never end.
const MIN_PROGRESS_BYTES: u64 = 64 << 10;
const MIN_PROGRESS_SHARE: u64 = 16;

/// A download in progress.
pub(super) struct DownloadEngine<'a> {
    pub(super) client: &'a BackendClient,
    pub(super) options: &'a DownloadOptions,
    pub(super) calls: &'a CallOptions,
    pub(super) url: Url,
    pub(super) location: PartLocation,
    /// The part, if it is already open.
    pub(super) opened: Option<Writer>,
}

/// How an attempt ended.
pub(super) enum Ended {
    /// The file was renamed to its target. Its size in bytes.
    Whole(u64),
    /// The received bytes can't be used: the download restarts.
    Restart(Cow<'static, str>),
    /// The server sent only a part: the next range must be requested.
    Part,
    /// The received bytes did not match the server's own metadata and were discarded.
    Discarded(Failure),
}

/// The state that an attempt leaves for the next one.
pub(super) struct State {
    pub(super) part: Part,
    /// The connection was lost: the next attempt opens a new one.
    pub(super) new_connection: bool,
    /// What responses said about the file, even if none of its bytes are kept any more.
    pub(super) known: Entity,
    /// Another size that the server claimed for the same version of the file.
    pub(super) doubt: Option<u64>,
    /// Bytes that were there at the beginning.
    pub(super) resumed_from: u64,
    /// The bytes come from more than one message.
    pub(super) pieced: bool,
    /// The last message may have been truncated: its headers don't tell its length.
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
            bytes => format!(" ({bytes} bytes are kept: the next download resumes from there)"),
        };
        Err(error.during(format!("downloading {}{kept}", self.location.target.display())))
    }

    pub(super) fn info(&self) -> RequestInfo {
        RequestInfo::new(OPERATION, &Method::GET, &self.url)
    }

    /// Repeats attempts until all bytes are there. Returns their number.
    async fn fetch(&self, state: &mut State, deadline: Option<Instant>) -> Result<u64> {
        let transport = self.client.transport();
        let policy = self.calls.retry_policy(&self.client.settings().retry);
        let mut retries = Retries::new(transport, policy.clone(), deadline);
        let mut restart = 0;
        let mut furthest = state.part.len();
        loop {
            let outcome = self.attempt(state, &policy, deadline).await;
            let gained = state.part.len().saturating_sub(furthest);
            furthest += gained;
            let moved = gained >= least_gain(state.known.size);
            if moved {
                // A download that makes progress is not given up.
                retries.restart();
            }
            let (failure, again) = match outcome {
                Ok(Ended::Whole(bytes)) => return Ok(bytes),
                Ok(Ended::Part) if moved => continue,
                Ok(Ended::Part) => {
                    let gave = match gained {
                        0 => "the server sent no more of the file".to_owned(),
                        gained => format!("the server sent only {gained} more bytes of the file"),
                    };
                    (Failure::interrupted(self.info(), &gave), true)
                }
                Ok(Ended::Restart(why)) => {
                    restart += 1;
                    if restart > MAX_RESTARTS {
                        return Err(Error::new(
                            ErrorKind::Download,
                            format!(
                                "the download restarted {MAX_RESTARTS} times ({why}): the file changes during the download; try again later"
                            ),
                        )
                        .of(self.info()));
                    }
                    tracing::debug!(%why, "restarting a download");
                    state.part.begin(None).await?;
                    (state.resumed_from, state.pieced) = (0, false);
                    continue;
                }
                Ok(Ended::Discarded(failure)) => (failure, true),
                // If there was no response, the transport has already retried as often as the policy allows.
                Err(failure) => {
                    let broke = failure.error.status().is_some_and(|status| status.is_success());
                    let again = broke && failure.may_be_resent(&Method::GET, false);
                    (failure, again)
                }
            };
            let lost_connection = failure.lost_connection();
            if !again {
                return Err(retries.give_up(failure.error));
            }
            retries.wait(failure.error).await?;
            state.new_connection = lost_connection;
        }
    }
}

/// Returns how many bytes an attempt must receive to count as progress, for a file of this size.
fn least_gain(size: Option<u64>) -> u64 {
    size.map_or(MIN_PROGRESS_BYTES, |size| MIN_PROGRESS_BYTES.min(size.div_ceil(MIN_PROGRESS_SHARE)).max(1))
}

/// Resolves a file's URL: an absolute URL, or a path on the backend's host.
pub(super) fn absolute(client: &BackendClient, text: &str) -> Result<Url> {
    let wrong = |what: String| Error::invalid_input(format!("download: `url`: {what}"));
    let joined = client.transport().origin.join(text.trim());
    let url = joined.map_err(|error| wrong(format!("it is not a URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("its scheme is {other}: only http, https and data are supported"))),
    }
}

pub(super) type OnProgress = Arc<dyn Fn(DownloadProgress) + Send + Sync>;
