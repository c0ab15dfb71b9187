//! Reads a resumable source ahead of the network, on its own thread and with a few reused buffers.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::mpsc as std_mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::md5_worker::{Md5Input, spawn};
use super::preflight::check_size;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::plain_file;
use crate::upload::session::UploadSession;
use crate::values::source_opening::{has_more, open_file, unfit};
use crate::values::upload_source::{Resumable, ResumableSource};

/// Bytes that are read, hashed and sent at a time.
pub(super) const BLOCK_SIZE: usize = 256 << 10;
/// Number of such buffers: those being filled, hashed, and sent.
const BUFFERS: usize = 8;

/// A resumable source as it was when it was opened.
#[derive(Clone)]
pub(super) struct OpenSource {
    source: ResumableSource,
    pub(super) size: u64,
    /// In nanoseconds since 1970.
    pub(super) modified: Option<u64>,
}

impl OpenSource {
    /// Checks a source; blocks. Errors name the path or the source as the user gave it.
    pub(super) fn open(source: &ResumableSource) -> Result<Self> {
        let (size, modified) = match &source.0 {
            Resumable::Path(path) => {
                // Whether the file can be read is checked before anything is sent.
                let metadata = open_file(path)?.metadata().map_err(|error| unfit(path, error))?;
                (metadata.len(), metadata.modified().ok())
            }
            Resumable::Bytes(bytes) => (bytes.len() as u64, None),
            Resumable::RewindableSource(user_source) => {
                let size = user_source.size().map_err(|error| source.unreadable(error))?;
                (size, user_source.modified())
            }
        };
        check_size(size, || source.shown())?;
        Ok(OpenSource { source: source.clone(), size, modified: modified.and_then(nanoseconds) })
    }

    /// Returns an error if the source has changed since it was opened; blocks.
    pub(super) fn unchanged(&self) -> Result<()> {
        match self.change_since()? {
            Some(change) => Err(Error::new(ErrorKind::Io, format!("{}: {change}", self.source.shown()))),
            None => Ok(()),
        }
    }

    /// Describes how the source has changed since it was opened; `None` if it hasn't. Blocks.
    pub(super) fn change_since(&self) -> Result<Option<String>> {
        if self.in_memory().is_some() {
            return Ok(None);
        }
        let now = OpenSource::open(&self.source)?;
        Ok(self.change(now.size, now.modified))
    }

    /// Returns the source as errors name it.
    #[cfg(api = "data-files")]
    pub(super) fn shown(&self) -> String {
        self.source.shown()
    }

    /// Describes how a source with this size and time differs from what it was when it was opened; `None` if
    /// it doesn't.
    fn change(&self, size: u64, modified: Option<u64>) -> Option<String> {
        let what = match size == self.size {
            true if modified == self.modified => return None,
            true => "the file was changed while it was uploaded".to_owned(),
            false => format!("the file had {} bytes when its upload began and has {size} now", self.size),
        };
        Some(format!("{what}: start a new upload"))
    }

    /// Returns why a session can't be of this source, if there is a reason. If the session has a digest, the
    /// bytes are compared later. The time of the last change is unreliable on some network disks, and can be
    /// the same for two files.
    pub(super) fn isnt_of(&self, session: &UploadSession) -> Option<String> {
        const OTHER_FILE: &str = "the file isn't the one that the upload began with, or was changed since";
        if session.size != self.size {
            return Some(format!(
                "{OTHER_FILE}: it has {} bytes, but had {}: start a new upload",
                self.size, session.size
            ));
        }
        let by_time = session.digest.is_none() && session.modified != self.modified;
        by_time.then(|| format!("{OTHER_FILE}: start a new upload"))
    }

    /// Returns the bytes, if they are in memory.
    pub(super) fn in_memory(&self) -> Option<&Bytes> {
        match &self.source.0 {
            Resumable::Bytes(bytes) => Some(bytes),
            Resumable::Path(_) | Resumable::RewindableSource(_) => None,
        }
    }

    /// Reads from `offset` on, on a thread that ends when its blocks are no longer needed.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub(super) fn read_ahead(&self, offset: u64, digest: Md5Input) -> Result<mpsc::Receiver<Result<Bytes>>> {
        let (blocks, incoming) = mpsc::channel(BUFFERS);
        let opened = self.clone();
        spawn("upload-reader", move || {
            if let Err(error) = opened.read(offset, &digest, &blocks) {
                let _ = blocks.blocking_send(Err(opened.source.unreadable(error)));
            }
        })?;
        Ok(incoming)
    }

    fn read(
        &self,
        mut offset: u64,
        digest: &Md5Input,
        blocks: &mpsc::Sender<Result<Bytes>>,
    ) -> io::Result<()> {
        let mut reader = self.reader(offset)?;
        let (back, free) = std_mpsc::channel();
        for _ in 0..BUFFERS {
            let _ = back.send(Vec::new());
        }
        while offset < self.size {
            // A buffer comes back once its bytes are hashed and sent, or are no longer needed.
            let Ok(mut buffer) = free.recv() else { return Ok(()) };
            let length = usize::try_from(self.size - offset).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE);
            buffer.resize(length, 0);
            reader.read_exact(&mut buffer)?;
            let block = Bytes::from_owner(PooledBuffer { buffer, back: back.clone() });
            digest.give(offset, block.clone());
            if blocks.blocking_send(Ok(block)).is_err() {
                return Ok(());
            }
            offset += length as u64;
        }
        // A file's size is checked again at the end. A source of the user's may have more bytes than its
        // `size`.
        match &self.source.0 {
            Resumable::RewindableSource(_) if has_more(&mut reader)? => {
                Err(io::Error::other(format!("it has more bytes than its size of {}", self.size)))
            }
            _ => Ok(()),
        }
    }

    /// Returns a reader from `offset` on, of the file that was opened. Blocks.
    pub(super) fn reader(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        match &self.source.0 {
            Resumable::Path(path) => {
                let mut file = plain_file::open_named(path)?;
                // Another file may have that name by now.
                let metadata = file.metadata()?;
                if let Some(change) =
                    self.change(metadata.len(), metadata.modified().ok().and_then(nanoseconds))
                {
                    return Err(io::Error::other(change));
                }
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(file))
            }
            Resumable::RewindableSource(source) => source.open(offset),
            Resumable::Bytes(bytes) => {
                let mut bytes = io::Cursor::new(bytes.clone());
                bytes.set_position(offset);
                Ok(Box::new(bytes))
            }
        }
    }
}

/// Nanoseconds since 1970.
fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// A buffer that returns to its reader when the last user has dropped it.
struct PooledBuffer {
    buffer: Vec<u8>,
    back: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        // The reader may have ended.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_upload_paths_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (path, problem) in
            [("", "is empty"), ("a\0b", "NUL"), (dir.path().to_str().unwrap(), "is a directory")]
        {
            let error = OpenSource::open(&path.into()).err().unwrap();
            assert!(error.is_invalid_input() && error.to_string().contains(problem), "{error}");
        }
        let long = OpenSource::open(&"x/".repeat(5_000).into()).err().unwrap();
        assert!(
            long.is_io() && long.to_string().ends_with("the file can't be read: invalid filename"),
            "{long}"
        );
    }

    #[test]
    fn changed_source_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        let opened = OpenSource::open(&path.as_path().into()).unwrap();
        let mut text = String::new();
        opened.reader(2).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "345");
        let problem = || opened.reader(0).err().unwrap().to_string();
        std::fs::write(&path, "123456").unwrap();
        assert!(problem().contains("had 5 bytes when its upload began and has 6 now"), "{}", problem());
        std::fs::write(&path, "54321").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert!(problem().contains("was changed while"), "{}", problem());
        std::fs::remove_file(&path).unwrap();
        #[cfg(unix)]
        {
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            assert_eq!(problem(), "it is a FIFO (named pipe)");
        }
    }
}
