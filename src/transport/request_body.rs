//! A request's body, sent bit by bit: a body that is still being sent isn't idle, however slow the line; and
//! it ends with an error once nobody waits for its answer.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::transport::timeouts::Activity;

/// Bytes that are handed to the connection at a time.
const PIECE: usize = 64 << 10;

/// Held by whoever waits for the answer: dropped before that is there, it ends the request's body with an
/// error. The connection, which would send the rest, closes then; over HTTP/2 the request is cancelled.
pub(super) struct ResponseWaiter(oneshot::Sender<()>);

impl ResponseWaiter {
    /// The answer is there: what is left of the body may still be sent.
    pub(super) fn answered(self) {
        // Mostly there is nothing left, and nobody listens.
        let _ = self.0.send(());
    }
}

/// A body that tells when its bytes move.
pub(super) struct RequestBody {
    body: reqwest::Body,
    /// Told of the answer; nothing once it is there.
    waiter: Option<oneshot::Receiver<()>>,
    given_up: bool,
    /// What was taken from `body` and isn't sent yet.
    rest: Bytes,
    /// Bytes that are still to be sent; nothing where a stream doesn't tell its length.
    left: Option<u64>,
    /// Nothing where the body tells by itself.
    activity: Option<Activity>,
}

impl RequestBody {
    /// A body with what its request tells of its length: a form is a stream, and has it only there.
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

    /// Bytes that are still to be sent; nothing where that isn't known.
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
        // Asked each time, so that a body that waits for its source is woken as well.
        if let Some(waiter) = &mut self.waiter {
            match Pin::new(waiter).poll(context) {
                Poll::Ready(answered) => (self.waiter, self.given_up) = (None, answered.is_err()),
                Poll::Pending => {}
            }
        }
        if self.given_up {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "the call was given up");
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
        let length = self.rest.len().min(PIECE);
        let chunk = self.rest.split_to(length);
        self.left = self.left.map(|left| left.saturating_sub(length as u64));
        // Of a stream it shows at its end.
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
