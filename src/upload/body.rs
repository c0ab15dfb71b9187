//! A chunk as a form: `multipart/form-data` whose length is known in advance.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::chunk_source::Lease;
use super::progress::ProgressReporter;
use crate::error::Error;
use crate::transport::timeouts::Activity;

/// The body with the form's bytes.
pub(super) struct ChunkBody {
    head: Option<Bytes>,
    lease: Lease,
    tail: Option<Bytes>,
    /// Remaining bytes of the form.
    remaining: u64,
    /// Remaining bytes of the file.
    left: u64,
    activity: Activity,
    progress: ProgressReporter,
}

impl ChunkBody {
    /// Returns the form of the next `length` bytes, and its `Content-Type`. `None` if the form's length
    /// overflows.
    pub(super) fn new(
        lease: Lease,
        length: u64,
        file_name: &str,
        activity: Activity,
        progress: ProgressReporter,
    ) -> Option<(Self, String)> {
        // Random, so that no file contains it.
        let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n{file_name}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let remaining = length.checked_add(head.len() as u64 + tail.len() as u64)?;
        let body = ChunkBody {
            head: Some(head.into()),
            lease,
            tail: Some(tail.into()),
            remaining,
            left: length,
            activity,
            progress,
        };
        Some((body, format!("multipart/form-data; boundary={boundary}")))
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let data = if let Some(head) = self.head.take() {
            head
        } else if self.left > 0 {
            match ready!(self.lease.poll_block(context, self.left)) {
                Ok(block) => {
                    self.left -= block.len() as u64;
                    self.progress.more(block.len() as u64);
                    block
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        } else if let Some(tail) = self.tail.take() {
            tail
        } else {
            return Poll::Ready(None);
        };
        self.remaining -= data.len() as u64;
        self.activity.moved(data.len(), self.remaining);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
