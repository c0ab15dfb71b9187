//! What is uploaded: a file, or bytes in memory, read in ranges.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// Bytes that are read, hashed and sent at a time.
pub(crate) const PIECE: usize = 256 << 10;

/// A file to upload: a path, or bytes in memory.
///
/// ```
/// use synapse_backend_client::UploadSource;
/// let from_path: UploadSource = "/data/model.pt".into();
/// let from_memory: UploadSource = vec![1_u8, 2, 3].into();
/// ```
#[derive(Clone)]
pub struct UploadSource(Kind);

#[derive(Clone)]
enum Kind {
    Path(PathBuf),
    Bytes(Bytes),
}

impl UploadSource {
    /// The name that the server is told, unless another is set.
    pub(crate) fn file_name(&self) -> String {
        match &self.0 {
            Kind::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Kind::Bytes(_) => None,
        }
        .unwrap_or_else(|| "file".to_owned())
    }

    /// Opens the source; blocks. What can't be uploaded is told in the user's own terms.
    pub(crate) fn open(&self) -> Result<OpenSource> {
        let empty = |what: String| {
            Error::new(ErrorKind::InvalidInput, format!("file: {what} is empty, and the server takes no empty file"))
        };
        match &self.0 {
            Kind::Path(path) if path.as_os_str().is_empty() => {
                Err(Error::invalid_input("file: the path is empty: give the path of the file to upload"))
            }
            Kind::Path(path) => {
                let metadata = std::fs::metadata(path).map_err(|error| Error::file(path, "the file can't be read", error))?;
                if metadata.is_dir() {
                    return Err(Error::invalid_input(format!(
                        "file: {} is a directory: give the path of a file",
                        path.display()
                    )));
                }
                if !metadata.is_file() {
                    return Err(Error::invalid_input(format!("file: {} is no regular file", path.display())));
                }
                if metadata.len() == 0 {
                    return Err(empty(path.display().to_string()));
                }
                let file = File::open(path).map_err(|error| Error::file(path, "the file can't be read", error))?;
                Ok(OpenSource { size: metadata.len(), reader: Reader::File { file, path: path.clone() } })
            }
            Kind::Bytes(bytes) if bytes.is_empty() => Err(empty("what is given in memory".to_owned())),
            Kind::Bytes(bytes) => Ok(OpenSource { size: bytes.len() as u64, reader: Reader::Bytes(bytes.clone()) }),
        }
    }
}

impl std::fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Path(path) => write!(f, "UploadSource({})", path.display()),
            Kind::Bytes(bytes) => write!(f, "UploadSource({} bytes)", bytes.len()),
        }
    }
}

impl From<&str> for UploadSource {
    fn from(path: &str) -> Self {
        UploadSource(Kind::Path(path.into()))
    }
}

impl From<String> for UploadSource {
    fn from(path: String) -> Self {
        UploadSource(Kind::Path(path.into()))
    }
}

impl From<&String> for UploadSource {
    fn from(path: &String) -> Self {
        UploadSource(Kind::Path(path.into()))
    }
}

impl From<PathBuf> for UploadSource {
    fn from(path: PathBuf) -> Self {
        UploadSource(Kind::Path(path))
    }
}

impl From<&PathBuf> for UploadSource {
    fn from(path: &PathBuf) -> Self {
        UploadSource(Kind::Path(path.clone()))
    }
}

impl From<&Path> for UploadSource {
    fn from(path: &Path) -> Self {
        UploadSource(Kind::Path(path.to_owned()))
    }
}

impl From<Bytes> for UploadSource {
    fn from(bytes: Bytes) -> Self {
        UploadSource(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        UploadSource(Kind::Bytes(bytes.into()))
    }
}

/// A source that is being read.
#[derive(Debug)]
pub(crate) struct OpenSource {
    pub(crate) size: u64,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    File { file: File, path: PathBuf },
    Bytes(Bytes),
}

impl OpenSource {
    /// The next piece at `offset`, of at most [`PIECE`] bytes and not beyond `end`; blocks.
    pub(crate) fn piece(&mut self, offset: u64, end: u64) -> Result<Bytes> {
        let length = usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
        match &mut self.reader {
            Reader::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(bytes.len());
                Ok(bytes.slice(start..start + length))
            }
            Reader::File { file, path } => {
                let mut piece = vec![0; length];
                let mut read = || -> io::Result<()> {
                    file.seek(SeekFrom::Start(offset))?;
                    file.read_exact(&mut piece)
                };
                read().map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => Error::new(
                        ErrorKind::File,
                        format!("{}: the file became shorter than {} bytes while it was uploaded", path.display(), self.size),
                    ),
                    _ => Error::file(path, "the file can't be read", error),
                })?;
                Ok(piece.into())
            }
        }
    }

    /// Whether the file is as long as it was when it was opened; blocks.
    pub(crate) fn unchanged(&self) -> Result<()> {
        let Reader::File { file, path } = &self.reader else { return Ok(()) };
        let now = file.metadata().map_err(|error| Error::file(path, "the file can't be read", error))?.len();
        if now == self.size {
            return Ok(());
        }
        let message = format!("{}: the file had {} bytes when its upload began and has {now} now", path.display(), self.size);
        Err(Error::new(ErrorKind::File, message))
    }
}
