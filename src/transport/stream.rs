//! [`ByteStream`]: a body as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;

use super::failure::{body_failure, timed_out};
use crate::error::{RequestInfo, Result};
use crate::limits::{Elapsed, Limits, far};

type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A body as it comes: a [`Stream`] of [`Bytes`].
///
/// Dropping it stops the transfer. A consumer that is slow to take pieces is not idle: the read time-out counts only
/// while a piece is being waited for.
#[must_use = "a stream does nothing unless it is read"]
pub struct ByteStream {
    pieces: Pieces,
    info: RequestInfo,
    limits: Limits,
    length: Option<u64>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    polled: Instant,
}

impl ByteStream {
    pub(super) fn new(pieces: Pieces, info: RequestInfo, limits: Limits, length: Option<u64>) -> Self {
        ByteStream { pieces, info, limits, length, timer: None, polled: Instant::now() }
    }

    /// The whole length in bytes, where the server told it.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// Where the connection breaks, or a time-out runs out.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("url", &self.info.url).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let now = Instant::now();
        // Nobody asked for a while: that was the consumer's time, not the server's.
        if now.duration_since(std::mem::replace(&mut self.polled, now)) >= self.limits.idle {
            self.timer = None;
        }
        if let Poll::Ready(piece) = self.pieces.as_mut().poll_next(context) {
            self.timer = None;
            return Poll::Ready(piece.map(|piece| piece.map_err(|error| body_failure(error, &self.info))));
        }
        let idle_at = far(now, self.limits.idle);
        let total = self.limits.deadline.filter(|deadline| *deadline < idle_at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(total.unwrap_or(idle_at).into())));
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        let elapsed = if total.is_some() { Elapsed::Total } else { Elapsed::Idle(self.limits.idle) };
        Poll::Ready(Some(Err(timed_out(elapsed, &self.info))))
    }
}
