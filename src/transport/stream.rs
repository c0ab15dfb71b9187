//! [`ByteStream`]: a streamed body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Sleep, sleep_until};

use super::failure::{BodyError, body_failure, timed_out};
use super::request_body::ResponseWaiter;
use crate::error::{RequestInfo, Result};
use crate::runtime;
use crate::transport::timeouts::{ActiveTimeouts, Elapsed, saturating_deadline};

type ByteChunks = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// A streamed body: a [`Stream`] of [`Bytes`].
///
/// Dropping it cancels the transfer. A slow consumer doesn't cause a time-out: the read time-out only counts
/// while the stream waits for a chunk.
#[must_use = "a stream does nothing unless it is read"]
pub struct ByteStream {
    chunks: ByteChunks,
    info: RequestInfo,
    timeouts: ActiveTimeouts,
    length: Option<u64>,
    waiter: Option<ResponseWaiter>,
    /// The timer that runs while the stream waits for a chunk, and its limit.
    timer: Option<(Pin<Box<Sleep>>, Elapsed)>,
}

impl ByteStream {
    pub(super) fn new(
        chunks: ByteChunks,
        info: RequestInfo,
        timeouts: ActiveTimeouts,
        length: Option<u64>,
        waiter: Option<ResponseWaiter>,
    ) -> Self {
        ByteStream { chunks, info, timeouts, length, waiter, timer: None }
    }

    /// Returns the whole length in bytes, if the server sent it; `None` for a compressed body.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Returns the next chunk; `None` at the end.
    ///
    /// # Errors
    /// Returns an error if the connection breaks or a time-out expires.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream")
            .field("url", &self.info.url)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(error) = runtime::check() {
            return Poll::Ready(Some(Err(error)));
        }
        while let Poll::Ready(chunk) = self.chunks.as_mut().poll_next(context) {
            self.timer = None;
            if matches!(&chunk, Some(Ok(chunk)) if chunk.is_empty()) {
                continue;
            }
            if chunk.is_none()
                && let Some(waiter) = self.waiter.take()
            {
                waiter.answered();
            }
            return Poll::Ready(
                chunk.map(|chunk| chunk.map_err(|error| body_failure(error, &self.info).error)),
            );
        }
        loop {
            let idle_at = saturating_deadline(Instant::now(), self.timeouts.idle);
            let (until, elapsed) = match self.timeouts.deadline {
                Some(deadline) if deadline < idle_at => (deadline, Elapsed::Total),
                _ => (idle_at, Elapsed::Idle(self.timeouts.idle)),
            };
            let (timer, elapsed) =
                self.timer.get_or_insert_with(|| (Box::pin(sleep_until(until.into())), elapsed));
            let (due, elapsed) = (timer.deadline().into_std(), *elapsed);
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            // The consumer polled late, after the time-out: that was the consumer's delay, not the server's.
            let late = Instant::now().saturating_duration_since(due);
            if elapsed == Elapsed::Total || late < self.timeouts.idle / 4 {
                return Poll::Ready(Some(Err(timed_out(elapsed, &self.info).error)));
            }
        }
    }
}
