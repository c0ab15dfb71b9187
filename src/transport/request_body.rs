//! A request's body, sent chunk by chunk. A body that is still being sent isn't idle, however slow the line.
//! The body ends with an error when nobody waits for its response any more.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::transport::timeouts::Activity;

/// The maximum number of bytes passed to the connection at a time.
const MAX_WRITE: usize = 64 << 10;

/// Held by the task that waits for the response. If it is dropped before the response arrives, the request's
/// body ends with an error. Then the connection, which would send the rest, closes; over HTTP/2 the request
/// is cancelled.
pub(super) struct ResponseWaiter(oneshot::Sender<()>);

impl ResponseWaiter {
    /// Signals that the response has arrived: the rest of the body may still be sent.
    pub(super) fn answered(self) {
        // Usually nothing is left to send, and the receiver is dropped.
        let _ = self.0.send(());
    }
}

/// A body that reports when its bytes are sent.
pub(super) struct RequestBody {
    body: reqwest::Body,
    /// Signals the response; `None` after that.
    waiter: Option<oneshot::Receiver<()>>,
    given_up: bool,
    /// Bytes that were read from `body` and aren't sent yet.
    rest: Bytes,
    /// The number of bytes still to send; `None` for a stream of unknown length.
    left: Option<u64>,
    /// `None` if the body reports by itself.
    activity: Option<Activity>,
}

impl RequestBody {
    /// Makes a body. `size_hint` is the length from the request's headers: a form is a stream, whose length
    /// is only known from there.
    pub(super) fn new(
        body: reqwest::Body,
        size_hint: Option<u64>,
        activity: Option<Activity>,
    ) -> (Self, ResponseWaiter) {
        let left = body.size_hint().exact().or(size_hint);
        let (waiter, listens) = oneshot::channel();
        (
            RequestBody { body, waiter: Some(listens), given_up: false, rest: Bytes::new(), left, activity },
            ResponseWaiter(waiter),
        )
    }

    /// Returns the number of bytes still to send; `None` if it isn't known.
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    fn moved(&self, bytes: usize, left: u64) {
        if let Some(activity) = &self.activity {
            activity.moved(bytes, left);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // Polled each time, so that a body that waits for its source is woken as well.
        if let Some(waiter) = &mut self.waiter {
            match Pin::new(waiter).poll(context) {
                Poll::Ready(answered) => (self.waiter, self.given_up) = (None, answered.is_err()),
                Poll::Pending => {}
            }
        }
        if self.given_up {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "the call was cancelled");
            return Poll::Ready(Some(Err(error.into())));
        }
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()? {
                Some(frame) => self.rest = frame.into_data().unwrap_or_default(),
                None => {
                    self.moved(0, 0);
                    return Poll::Ready(None);
                }
            }
        }
        let length = self.rest.len().min(MAX_WRITE);
        let chunk = self.rest.split_to(length);
        self.left = self.left.map(|left| left.saturating_sub(length as u64));
        // The end of a stream is only known when it is reached.
        self.moved(length, self.left.unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match self.left {
            Some(left) => left == 0,
            None => self.rest.is_empty() && self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
