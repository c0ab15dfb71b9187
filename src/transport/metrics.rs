//! What an attempt is seen from outside by: the bytes of its answer, and the report of how it went.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::error::ErrorKind;

/// Counts the bytes of an answer's body, after unpacking.
#[derive(Debug, Default)]
pub(crate) struct ByteCounter(AtomicU64);

impl ByteCounter {
    pub(super) fn received(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How one attempt at a request went, for metrics: see
/// [`on_attempt`](crate::BackendClientBuilder::on_attempt).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttemptReport<'a> {
    /// The operation's id.
    pub operation: &'a str,
    /// The request's method.
    pub method: &'a Method,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The answer's status, where one came.
    pub status: Option<StatusCode>,
    /// What kind of failure it was, if it was one.
    pub error: Option<ErrorKind>,
    /// Bytes of the answer's body that were read, after unpacking. A body that is given as it comes isn't
    /// counted.
    pub bytes_received: u64,
    /// How long the attempt took, the reading of a whole body included.
    pub duration: Duration,
    /// How long is waited before the next attempt; nothing where there is none.
    pub retry_in: Option<Duration>,
}

/// Who is told of each attempt.
pub(crate) type Observer = dyn Fn(&AttemptReport<'_>) + Send + Sync;
