//! The source's MD5, computed on a thread of its own while the bytes are sent: of the whole, and of what was
//! read so far.

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tokio::sync::watch;

use super::md5::Md5;
use crate::error::{Error, ErrorKind, Result};
use crate::upload::session::PrefixDigest;

/// A digest under way. It ends with its last sender.
#[derive(Debug)]
pub(super) struct Digest {
    input: DigestInput,
    hashed: watch::Receiver<Hashed>,
}

/// What is hashed by now.
#[derive(Debug, Clone)]
struct Hashed {
    md5: Md5,
    /// The sum of the bytes up to the mark, once they are hashed.
    at_mark: Option<String>,
}

/// Gives pieces to a digest: in order, but some of them repeatedly, as they are sent.
#[derive(Debug, Clone)]
pub(super) struct DigestInput(mpsc::Sender<(u64, Bytes)>);

impl DigestInput {
    /// The piece that begins at `offset`.
    pub(super) fn give(&self, offset: u64, block: Bytes) {
        // The thread ends when nobody wants the digest.
        let _ = self.0.send((offset, block));
    }
}

impl Digest {
    /// With a `mark`, the sum of so many bytes is kept besides the sum of all.
    ///
    /// # Errors
    /// Returns an error if the system has no thread left.
    pub(super) fn start(mark: Option<u64>) -> Result<Self> {
        // It has no bound of its own: whoever reads pieces bounds how many are about.
        let (input, incoming) = mpsc::channel();
        let (state, hashed) = watch::channel(Hashed { md5: Md5::new(), at_mark: None });
        spawn("upload-digest", move || hash(&incoming, &state, mark))?;
        Ok(Digest { input: DigestInput(input), hashed })
    }

    pub(super) fn input(&self) -> DigestInput {
        self.input.clone()
    }

    /// Waits until the bytes up to `offset` are hashed.
    pub(super) async fn wait_for(&self, offset: u64) -> Result<()> {
        self.hashed_to(offset, |_| ()).await
    }

    /// The MD5 of the source's first bytes, `size` of them or more, all of which were given; in hexadecimal.
    pub(super) async fn md5_hex(&self, size: u64) -> Result<String> {
        self.hashed_to(size, |hashed| hashed.md5.md5_hex()).await
    }

    /// The MD5 of the bytes up to the mark, which is at `mark`; in hexadecimal.
    pub(super) async fn sum_at_mark(&self, mark: u64) -> Result<Option<String>> {
        self.hashed_to(mark, |hashed| hashed.at_mark.clone()).await
    }

    /// The digest of what is hashed by now; nothing where nothing is.
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
        // What is sent again was hashed before. A gap can't be: readers give what follows.
        let seen = usize::try_from(done.saturating_sub(offset)).unwrap_or(usize::MAX).min(block.len());
        let mut news = &block[seen..];
        // The mark, where it is among them.
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
        // The reader may want its buffer back.
        drop(block);
        state.send_replace(hashed.clone());
    }
}

fn not_whole() -> Error {
    Error::new(ErrorKind::Upload, "the file's MD5 can't be had: its thread is gone")
}

/// A thread that may block, and isn't one of the runtime's: of those there may be a single one.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::Io, format!("the file can't be read: there is no thread for it: {error}"))
            .source_of(error)
    })
}
