//! The MD5 of the whole source, and of what was read so far. Its own thread computes it while the bytes are
//! sent.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tokio::sync::watch;

use super::md5::Md5;
use crate::error::{Error, ErrorKind, Result};
use crate::upload::session::PrefixDigest;

/// A digest in progress. Its thread ends when the last sender is dropped.
#[derive(Debug)]
pub(super) struct Md5Worker {
    input: Md5Input,
    hashed: watch::Receiver<Hashed>,
}

/// What is hashed so far.
#[derive(Debug, Clone)]
struct Hashed {
    md5: Md5,
    /// The MD5 of the bytes up to the mark, once they are hashed.
    at_mark: Option<String>,
}

/// Adds blocks to a digest: in order, but some of them repeatedly, since they are sent repeatedly.
#[derive(Debug, Clone)]
pub(super) struct Md5Input(mpsc::Sender<(u64, Bytes)>);

impl Md5Input {
    /// Adds the block that begins at `offset`.
    pub(super) fn give(&self, offset: u64, block: Bytes) {
        // This fails if the thread has ended.
        let _ = self.0.send((offset, block));
    }
}

impl Md5Worker {
    /// Starts a digest. With a `mark`, the MD5 of that many bytes is kept in addition to the MD5 of all
    /// bytes.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub(super) fn start(mark: Option<u64>) -> Result<Self> {
        // The channel needs no limit: the readers limit the number of blocks that exist.
        let (input, incoming) = mpsc::channel();
        let (state, hashed) = watch::channel(Hashed { md5: Md5::new(), at_mark: None });
        spawn("upload-digest", move || hash(&incoming, &state, mark))?;
        Ok(Md5Worker { input: Md5Input(input), hashed })
    }

    pub(super) fn input(&self) -> Md5Input {
        self.input.clone()
    }

    /// Waits until the bytes up to `offset` are hashed.
    pub(super) async fn wait_for(&self, offset: u64) -> Result<()> {
        self.hashed_to(offset, |_| ()).await
    }

    /// Returns the MD5 of all bytes that were added, once at least `size` bytes are hashed; in hexadecimal.
    pub(super) async fn md5_hex(&self, size: u64) -> Result<String> {
        self.hashed_to(size, |hashed| hashed.md5.md5_hex()).await
    }

    /// Returns the MD5 of the bytes up to the mark, which is at `mark`; in hexadecimal.
    pub(super) async fn md5_at_mark(&self, mark: u64) -> Result<Option<String>> {
        self.hashed_to(mark, |hashed| hashed.at_mark.clone()).await
    }

    /// Returns the digest of what is hashed so far; `None` if nothing is.
    pub(super) fn so_far(&self) -> Option<PrefixDigest> {
        let hashed = self.hashed.borrow();
        let length = hashed.md5.length();
        (length > 0).then(|| PrefixDigest { length, md5: hashed.md5.md5_hex() })
    }

    async fn hashed_to<T>(&self, offset: u64, read: impl FnOnce(&Hashed) -> T) -> Result<T> {
        let mut hashed = self.hashed.clone();
        let reached = hashed.wait_for(|hashed| hashed.md5.length() >= offset).await;
        reached.map(|hashed| read(&hashed)).map_err(|_| not_whole())
    }
}

fn hash(input: &mpsc::Receiver<(u64, Bytes)>, state: &watch::Sender<Hashed>, mark: Option<u64>) {
    let mut hashed = Hashed { md5: Md5::new(), at_mark: None };
    for (offset, block) in input {
        let done = hashed.md5.length();
        // Bytes that are sent again were hashed before. There are no gaps: readers add blocks in order.
        let seen = usize::try_from(done.saturating_sub(offset)).unwrap_or(usize::MAX).min(block.len());
        let mut news = &block[seen..];
        // The number of new bytes before the mark, if it is still ahead.
        let before =
            mark.filter(|mark| *mark > done).map(|mark| usize::try_from(mark - done).unwrap_or(usize::MAX));
        if let Some(before) = before
            && let Some((up_to, behind)) = news.split_at_checked(before)
        {
            hashed.md5.update(up_to);
            hashed.at_mark = Some(hashed.md5.md5_hex());
            news = behind;
        }
        hashed.md5.update(news);
        // The reader may wait for its buffer.
        drop(block);
        state.send_replace(hashed.clone());
    }
}

fn not_whole() -> Error {
    Error::new(ErrorKind::Upload, "the file's MD5 can't be computed: its thread has ended")
}

/// Starts a thread that may block. It isn't one of the runtime's threads, of which there may be only one.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::Io, format!("the file can't be read: no thread can be started: {error}"))
            .source_of(error)
    })
}
