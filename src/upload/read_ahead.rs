//! A resumable source read ahead of the network: by a thread, through a few buffers that are used over and over.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::digest::{Pieces, spawn};
use super::ready::check_size;
use super::source::{Reopen, Resumable, ResumableSource};
use crate::error::{Error, ErrorKind, Result};
use crate::upload_session::UploadSession;

/// Bytes that are read, hashed and sent at a time.
pub(super) const PIECE: usize = 256 << 10;
/// Buffers of that size: those being read into, hashed, and handed to the connection.
const BUFFERS: usize = 8;

/// A resumable source as it was when it was opened.
#[derive(Clone)]
pub(super) struct Opened {
    from: From,
    pub(super) size: u64,
    /// In nanoseconds after 1970.
    pub(super) modified: Option<u64>,
}

#[derive(Clone)]
enum From {
    Path(PathBuf),
    Bytes(Bytes),
    Reopen(Arc<dyn Reopen>),
}

impl Opened {
    /// Looks at a source; blocks. What can't be uploaded is told in the user's own terms.
    pub(super) fn open(source: &ResumableSource) -> Result<Self> {
        let (from, size, modified) = match &source.0 {
            Resumable::Path(path) if path.as_os_str().is_empty() => {
                return Err(Error::invalid_input("file: the path is empty: give the path of the file to upload"));
            }
            Resumable::Path(path) => {
                let cant = |error| Error::file(path, "the file can't be read", error);
                let metadata = std::fs::metadata(path).map_err(cant)?;
                if metadata.is_dir() {
                    let message = format!("file: {} is a directory: give the path of a file", path.display());
                    return Err(Error::invalid_input(message));
                }
                if !metadata.is_file() {
                    return Err(Error::invalid_input(format!("file: {} is no regular file", path.display())));
                }
                // Whether it may be read is told before anything is sent.
                File::open(path).map_err(cant)?;
                (From::Path(path.clone()), metadata.len(), metadata.modified().ok())
            }
            Resumable::Bytes(bytes) => (From::Bytes(bytes.clone()), bytes.len() as u64, None),
            Resumable::Reopen(source) => {
                let size = source.size().map_err(|error| unreadable(&From::Reopen(source.clone()), error))?;
                (From::Reopen(source.clone()), size, source.modified())
            }
        };
        check_size(size, || from.shown())?;
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        let modified = modified.and_then(since).and_then(|since| u64::try_from(since.as_nanos()).ok());
        Ok(Opened { from, size, modified })
    }

    /// Tells where the source isn't what it was when it was opened; blocks.
    pub(super) fn unchanged(&self) -> Result<()> {
        let source = match &self.from {
            From::Path(path) => Resumable::Path(path.clone()),
            From::Bytes(_) => return Ok(()),
            From::Reopen(source) => Resumable::Reopen(source.clone()),
        };
        let now = Opened::open(&ResumableSource(source))?;
        let changed =
            |what: String| Err(Error::new(ErrorKind::File, format!("{}: {what}: start the upload anew", self.from.shown())));
        if now.size != self.size {
            return changed(format!("the file had {} bytes when its upload began and has {} now", self.size, now.size));
        }
        if now.modified != self.modified {
            return changed("the file was changed while it was uploaded".to_owned());
        }
        Ok(())
    }

    /// Why a session can't be of this source, were there a reason. Where it has a digest the bytes themselves will tell; the
    /// time of the last change is noise on some disks of the network, and can be the same for two files.
    pub(super) fn isnt_of(&self, session: &UploadSession) -> Option<String> {
        const ANOTHER: &str = "the file isn't the one whose upload was begun, or was changed since";
        if session.size != self.size {
            return Some(format!("{ANOTHER}: it has {} bytes, and had {}: start the upload anew", self.size, session.size));
        }
        let by_time = session.digest().is_none() && session.modified != self.modified;
        by_time.then(|| format!("{ANOTHER}: start the upload anew"))
    }

    /// The bytes themselves, where they are in memory.
    pub(super) fn in_memory(&self) -> Option<&Bytes> {
        match &self.from {
            From::Bytes(bytes) => Some(bytes),
            From::Path(_) | From::Reopen(_) => None,
        }
    }

    /// Reads from `offset` on, on a thread that ends when the pieces are no longer wanted.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(super) fn read_ahead(&self, offset: u64, digest: Pieces) -> Result<mpsc::Receiver<Result<Bytes>>> {
        let (pieces, incoming) = mpsc::channel(BUFFERS);
        let opened = self.clone();
        spawn("upload-reader", move || {
            if let Err(error) = opened.read(offset, &digest, &pieces) {
                let _ = pieces.blocking_send(Err(unreadable(&opened.from, error)));
            }
        })?;
        Ok(incoming)
    }

    fn read(&self, mut offset: u64, digest: &Pieces, pieces: &mpsc::Sender<Result<Bytes>>) -> io::Result<()> {
        let mut reader = self.reader(offset)?;
        let (back, free) = std_mpsc::channel();
        for _ in 0..BUFFERS {
            let _ = back.send(Vec::new());
        }
        while offset < self.size {
            // Comes as soon as what it held is hashed and sent; or never needed again.
            let Ok(mut buffer) = free.recv() else { return Ok(()) };
            let length = usize::try_from(self.size - offset).unwrap_or(PIECE).min(PIECE);
            buffer.resize(length, 0);
            reader.read_exact(&mut buffer)?;
            let piece = Bytes::from_owner(Lent { buffer, back: back.clone() });
            digest.give(offset, piece.clone());
            if pieces.blocking_send(Ok(piece)).is_err() {
                return Ok(());
            }
            offset += length as u64;
        }
        // Of a file its size is looked at once more; a source of the user's may have another one than it says.
        match &self.from {
            From::Reopen(_) if has_more(&mut reader)? => {
                Err(io::Error::other(format!("it has more than the {} bytes that it said", self.size)))
            }
            _ => Ok(()),
        }
    }

    fn reader(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        match &self.from {
            From::Path(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(file))
            }
            From::Reopen(source) => source.open(offset),
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
            From::Path(path) => path.display().to_string(),
            From::Bytes(_) => "what is given in memory".to_owned(),
            From::Reopen(source) => source.file_name().unwrap_or_else(|| "the source".to_owned()),
        }
    }
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
        io::ErrorKind::UnexpectedEof => "the file became shorter while it was uploaded: start the upload anew".to_owned(),
        _ => format!("the file can't be read: {error}"),
    };
    Error::new(ErrorKind::File, format!("{}: {what}", from.shown())).source_of(error)
}

/// A buffer that goes back where it came from when the last one who looks at it is done.
struct Lent {
    buffer: Vec<u8>,
    back: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nobody wants it where the reading is over.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}
