//! One chunk as a form: `multipart/form-data` of known length, its bytes read and hashed as they are sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use md5::{Digest, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::source::OpenSource;
use crate::error::{Error, Result};
use crate::limits::Activity;

/// Pieces read ahead of the network.
const READ_AHEAD: usize = 4;

/// The file as it is read: its bytes are hashed once, in order, even where some of them are sent twice.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) source: OpenSource,
    digest: Md5,
    hashed: u64,
}

impl Reading {
    pub(crate) fn new(source: OpenSource) -> Self {
        Reading { source, digest: Md5::new(), hashed: 0 }
    }

    /// The MD5 of what was read, in hexadecimal; nothing while bytes are missing.
    pub(crate) fn md5(&self) -> Option<String> {
        (self.hashed == self.source.size).then(|| {
            let digest = self.digest.clone().finalize();
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }

    fn hash(&mut self, offset: u64, piece: &Bytes) {
        let skip = usize::try_from(self.hashed.saturating_sub(offset)).unwrap_or(piece.len()).min(piece.len());
        self.digest.update(&piece[skip..]);
        self.hashed = self.hashed.max(offset + piece.len() as u64);
    }
}

/// A chunk on its way: the request's body, and the reading that feeds it.
pub(crate) struct Chunk {
    pub(crate) content_type: String,
    pub(crate) body: ChunkBody,
    pub(crate) reader: JoinHandle<(Reading, Result<()>)>,
}

/// Makes the form of the chunk from `start` up to `end`. The reading goes on a thread where it may block; it comes back
/// when the body is sent or dropped.
pub(crate) fn chunk(
    mut reading: Reading,
    start: u64,
    end: u64,
    file_name: &str,
    activity: Activity,
    sent: impl Fn(u64) + Send + Sync + 'static,
) -> Chunk {
    // Random, so that no file can hold it.
    let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n{file_name}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let remaining = head.len() as u64 + (end - start) + tail.len() as u64;
    let (pieces, incoming) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        let mut offset = start;
        while offset < end {
            let piece = match reading.source.piece(offset, end) {
                Ok(piece) => piece,
                Err(error) => {
                    // The body ends early, which ends the request.
                    let _ = pieces.blocking_send(None);
                    return (reading, Err(error));
                }
            };
            reading.hash(offset, &piece);
            offset += piece.len() as u64;
            if pieces.blocking_send(Some(piece)).is_err() {
                break; // the request is over
            }
        }
        (reading, Ok(()))
    });
    Chunk {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body: ChunkBody {
            head: Some(head.into()),
            pieces: incoming,
            tail: Some(tail.into()),
            remaining,
            left: end - start,
            activity,
            sent: Box::new(sent),
        },
        reader,
    }
}

/// The form's bytes, with their length told in advance.
pub(crate) struct ChunkBody {
    head: Option<Bytes>,
    pieces: mpsc::Receiver<Option<Bytes>>,
    tail: Option<Bytes>,
    /// Of the form.
    remaining: u64,
    /// Of the file.
    left: u64,
    activity: Activity,
    /// Told the number of the file's bytes that were taken by the connection.
    sent: Box<dyn Fn(u64) + Send + Sync>,
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
        let data = if let Some(head) = self.head.take() {
            head
        } else if self.left > 0 {
            match self.pieces.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Some(piece))) => {
                    self.left -= piece.len() as u64;
                    (self.sent)(piece.len() as u64);
                    piece
                }
                Poll::Ready(_) => return Poll::Ready(Some(Err(Error::invalid_input("the file could not be read on")))),
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
