//! The file's MD5, computed on a thread of its own while the bytes are sent.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use fast_md5::Md5;
use tokio::sync::{oneshot, watch};

use crate::error::{Error, ErrorKind, Result};

/// A digest under way. It ends with its last sender.
#[derive(Debug)]
pub(super) struct Digest {
    messages: mpsc::Sender<Message>,
    hashed: watch::Receiver<u64>,
}

enum Message {
    Piece(u64, Bytes),
    /// Asks for the sum of all pieces.
    Sum(oneshot::Sender<[u8; 16]>),
}

/// Gives pieces to a digest: in order, but some of them repeatedly, as they are sent.
#[derive(Debug, Clone)]
pub(super) struct Pieces(mpsc::Sender<Message>);

impl Pieces {
    /// The piece that begins at `offset`.
    pub(super) fn give(&self, offset: u64, piece: Bytes) {
        // The thread ends when nobody wants the digest.
        let _ = self.0.send(Message::Piece(offset, piece));
    }
}

impl Digest {
    /// # Errors
    /// Where the system has no thread left.
    pub(super) fn start() -> Result<Self> {
        // It has no bound of its own: whoever reads pieces bounds how many are about.
        let (messages, incoming) = mpsc::channel();
        let (position, hashed) = watch::channel(0);
        spawn("upload-digest", move || hash(&incoming, &position))?;
        Ok(Digest { messages, hashed })
    }

    pub(super) fn pieces(&self) -> Pieces {
        Pieces(self.messages.clone())
    }

    /// Waits until the bytes up to `offset` are hashed.
    pub(super) async fn wait_for(&mut self, offset: u64) -> Result<()> {
        self.hashed.wait_for(|hashed| *hashed >= offset).await.map(drop).map_err(|_| not_whole())
    }

    /// The MD5 of a file of `size` bytes, all of which were given, in hexadecimal.
    pub(super) async fn sum(&mut self, size: u64) -> Result<String> {
        self.wait_for(size).await?;
        let (asked, sum) = oneshot::channel();
        self.messages.send(Message::Sum(asked)).map_err(|_| not_whole())?;
        let sum = sum.await.map_err(|_| not_whole())?;
        Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn hash(messages: &mpsc::Receiver<Message>, position: &watch::Sender<u64>) {
    let mut md5 = Md5::new();
    let mut done = 0;
    let mut sum = None;
    for message in messages {
        match message {
            Message::Piece(offset, piece) => {
                // What is sent again was hashed before. A gap can't be: readers give what follows.
                let seen = usize::try_from(done - offset.min(done)).unwrap_or(usize::MAX).min(piece.len());
                md5.update(&piece[seen..]);
                done = done.max(offset + piece.len() as u64);
                drop(piece);
                position.send_replace(done);
            }
            // Asked for when all is hashed; once more where the upload had to be started anew.
            Message::Sum(asked) => {
                let sum = *sum.get_or_insert_with(|| std::mem::replace(&mut md5, Md5::new()).finalize());
                let _ = asked.send(sum);
            }
        }
    }
}

fn not_whole() -> Error {
    Error::new(ErrorKind::Upload, "the file's MD5 can't be had: its thread is gone")
}

/// A thread that may block, and isn't one of the runtime's: of those there may be a single one.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::File, format!("the file can't be read: there is no thread for it: {error}")).source_of(error)
    })
}
