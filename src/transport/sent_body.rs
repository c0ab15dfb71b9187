//! A body in memory, sent bit by bit: a body that is still being sent isn't idle, however slow the line.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::limits::Activity;

/// Bytes that are handed to the connection at a time.
const PIECE: usize = 64 << 10;

/// A body that tells when its bytes move.
pub(super) struct SentBody {
    body: reqwest::Body,
    /// What was taken from `body` and isn't sent yet.
    rest: Bytes,
    /// Bytes that are still to be sent; nothing where a stream doesn't tell its length.
    left: Option<u64>,
    activity: Activity,
}

impl SentBody {
    /// A body with what its request tells of its length: a form is a stream, and has it only there.
    pub(super) fn new(body: reqwest::Body, told: Option<u64>, activity: Activity) -> Self {
        let left = body.size_hint().exact().or(told);
        SentBody { body, rest: Bytes::new(), left, activity }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()? {
                Some(frame) => self.rest = frame.into_data().unwrap_or_default(),
                None => {
                    self.activity.moved(0, 0);
                    return Poll::Ready(None);
                }
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.left = self.left.map(|left| left.saturating_sub(length as u64));
        // Of a stream it shows at its end.
        self.activity.moved(length, self.left.unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(piece))))
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
