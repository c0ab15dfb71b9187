//! Metrics of an attempt: the bytes of its response, and the report of its outcome.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::error::ErrorKind;

/// Counts the bytes of a response's body, after decompression.
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

/// The outcome of one attempt at a request, for metrics: see
/// [`on_attempt`](crate::BackendClientBuilder::on_attempt).
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias("log", "logging", "metrics"))]
pub struct AttemptReport<'a> {
    /// The operation's id.
    pub operation: &'a str,
    /// The request's method.
    pub method: &'a Method,
    /// The number of the attempt, starting at 1.
    pub attempt: u32,
    /// The response's status, if there was a response.
    pub status: Option<StatusCode>,
    /// The kind of failure, if the attempt failed.
    pub error: Option<ErrorKind>,
    /// The number of bytes of the response's body that were read, after decompression. A streamed body isn't
    /// counted.
    pub bytes_received: u64,
    /// How long the attempt took, including the time to read a body as a whole.
    pub duration: Duration,
    /// The wait before the next attempt; `None` if there is none.
    pub retry_in: Option<Duration>,
}

/// The callback that receives a report of each attempt.
pub(crate) type Observer = dyn Fn(&AttemptReport<'_>) + Send + Sync;
