//! A resumable source read ahead of the network: by a thread, through a few buffers that are used over and
//! over.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::digest::{DigestInput, spawn};
use super::preflight::check_size;
use super::source::{Resumable, ResumableSource, RewindableSource};
use crate::error::{Error, ErrorKind, Result, shown_path};
use crate::runtime::plain_file;
use crate::upload::session::UploadSession;

/// Bytes that are read, hashed and sent at a time.
pub(super) const BLOCK_SIZE: usize = 256 << 10;
/// Buffers of that size: those being read into, hashed, and handed to the connection.
const BUFFERS: usize = 8;

/// A resumable source as it was when it was opened.
#[derive(Clone)]
pub(super) struct OpenSource {
    from: From,
    pub(super) size: u64,
    /// In nanoseconds after 1970.
    pub(super) modified: Option<u64>,
}

#[derive(Clone)]
enum From {
    Path(PathBuf),
    Bytes(Bytes),
    RewindableSource(Arc<dyn RewindableSource>),
}

impl OpenSource {
    /// Looks at a source; blocks. What can't be uploaded is told in the user's own terms.
    pub(super) fn open(source: &ResumableSource) -> Result<Self> {
        let (from, size, modified) = match &source.0 {
            Resumable::Path(path) if path.as_os_str().is_empty() => {
                return Err(Error::invalid_input(
                    "file: the path is empty: give the path of the file to upload",
                ));
            }
            Resumable::Path(path) => {
                if path.as_os_str().as_encoded_bytes().contains(&0) {
                    return Err(Error::invalid_input(format!(
                        "file: {}: the path holds a NUL byte",
                        shown_path(path)
                    )));
                }
                // Whether it may be read is told before anything is sent.
                let opened = plain_file::open_named(path).and_then(|file| file.metadata());
                let metadata = opened.map_err(|error| unfit(path, error))?;
                (From::Path(path.clone()), metadata.len(), metadata.modified().ok())
            }
            Resumable::Bytes(bytes) => (From::Bytes(bytes.clone()), bytes.len() as u64, None),
            Resumable::RewindableSource(source) => {
                let size = source
                    .size()
                    .map_err(|error| unreadable(&From::RewindableSource(source.clone()), error))?;
                (From::RewindableSource(source.clone()), size, source.modified())
            }
        };
        check_size(size, || from.shown())?;
        Ok(OpenSource { from, size, modified: modified.and_then(nanoseconds) })
    }

    /// Tells where the source isn't what it was when it was opened; blocks.
    pub(super) fn unchanged(&self) -> Result<()> {
        let source = match &self.from {
            From::Path(path) => Resumable::Path(path.clone()),
            From::Bytes(_) => return Ok(()),
            From::RewindableSource(source) => Resumable::RewindableSource(source.clone()),
        };
        let now = OpenSource::open(&ResumableSource(source))?;
        match self.change(now.size, now.modified) {
            Some(change) => Err(Error::new(ErrorKind::Io, format!("{}: {change}", self.from.shown()))),
            None => Ok(()),
        }
    }

    /// How a source of this size, changed at this time, isn't what it was when it was opened, if it isn't.
    fn change(&self, size: u64, modified: Option<u64>) -> Option<String> {
        let what = match size == self.size {
            true if modified == self.modified => return None,
            true => "the file was changed while it was uploaded".to_owned(),
            false => format!("the file had {} bytes when its upload began and has {size} now", self.size),
        };
        Some(format!("{what}: start the upload anew"))
    }

    /// Why a session can't be of this source, were there a reason. Where it has a digest the bytes themselves
    /// will tell; the time of the last change is noise on some disks of the network, and can be the same for
    /// two files.
    pub(super) fn isnt_of(&self, session: &UploadSession) -> Option<String> {
        const ANOTHER: &str = "the file isn't the one whose upload was begun, or was changed since";
        if session.size != self.size {
            return Some(format!(
                "{ANOTHER}: it has {} bytes, and had {}: start the upload anew",
                self.size, session.size
            ));
        }
        let by_time = session.digest().is_none() && session.modified != self.modified;
        by_time.then(|| format!("{ANOTHER}: start the upload anew"))
    }

    /// The bytes themselves, where they are in memory.
    pub(super) fn in_memory(&self) -> Option<&Bytes> {
        match &self.from {
            From::Bytes(bytes) => Some(bytes),
            From::Path(_) | From::RewindableSource(_) => None,
        }
    }

    /// Reads from `offset` on, on a thread that ends when the pieces are no longer wanted.
    ///
    /// # Errors
    /// Returns an error if the system has no thread left.
    pub(super) fn read_ahead(
        &self,
        offset: u64,
        digest: DigestInput,
    ) -> Result<mpsc::Receiver<Result<Bytes>>> {
        let (blocks, incoming) = mpsc::channel(BUFFERS);
        let opened = self.clone();
        spawn("upload-reader", move || {
            if let Err(error) = opened.read(offset, &digest, &blocks) {
                let _ = blocks.blocking_send(Err(unreadable(&opened.from, error)));
            }
        })?;
        Ok(incoming)
    }

    fn read(
        &self,
        mut offset: u64,
        digest: &DigestInput,
        blocks: &mpsc::Sender<Result<Bytes>>,
    ) -> io::Result<()> {
        let mut reader = self.reader(offset)?;
        let (back, free) = std_mpsc::channel();
        for _ in 0..BUFFERS {
            let _ = back.send(Vec::new());
        }
        while offset < self.size {
            // Comes as soon as what it held is hashed and sent; or never needed again.
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
        // Of a file its size is looked at once more; a source of the user's may have another one than it
        // says.
        match &self.from {
            From::RewindableSource(_) if has_more(&mut reader)? => {
                Err(io::Error::other(format!("it has more than the {} bytes that it said", self.size)))
            }
            _ => Ok(()),
        }
    }

    fn reader(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        match &self.from {
            From::Path(path) => {
                let mut file = plain_file::open_named(path)?;
                // Another file may have its name by now.
                let metadata = file.metadata()?;
                if let Some(change) =
                    self.change(metadata.len(), metadata.modified().ok().and_then(nanoseconds))
                {
                    return Err(io::Error::other(change));
                }
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(file))
            }
            From::RewindableSource(source) => source.open(offset),
            From::Bytes(bytes) => {
                let mut bytes = io::Cursor::new(bytes.clone());
                bytes.set_position(offset);
                Ok(Box::new(bytes))
            }
        }
    }
}

impl From {
    fn shown(&self) -> String {
        match self {
            From::Path(path) => shown_path(path),
            From::Bytes(_) => "what is given in memory".to_owned(),
            From::RewindableSource(source) => source.file_name().unwrap_or_else(|| "the source".to_owned()),
        }
    }
}

/// After 1970.
fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// Why the file at `path` can't be uploaded, which couldn't be opened.
fn unfit(path: &Path, error: io::Error) -> Error {
    let there = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => "is a directory: give the path of a file".to_owned(),
        Ok(metadata) if !metadata.is_file() => format!("is no regular file: {}", plain_file::kind(&metadata)),
        _ => return Error::file(path, "the file can't be read", error),
    };
    Error::invalid_input(format!("file: {} {there}", shown_path(path)))
}

/// Whether there is more to be read.
fn has_more(reader: &mut impl Read) -> io::Result<bool> {
    loop {
        match reader.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map(|read| read > 0),
        }
    }
}

fn unreadable(from: &From, error: io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            "the file became shorter while it was uploaded: start the upload anew".to_owned()
        }
        _ => format!("the file can't be read: {error}"),
    };
    Error::new(ErrorKind::Io, format!("{}: {what}", from.shown())).source_of(error)
}

/// A buffer that goes back where it came from when the last one who looks at it is done.
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
        // Nobody wants it where the reading is over.
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
            long.is_file() && long.to_string().ends_with("the file can't be read: invalid filename"),
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
