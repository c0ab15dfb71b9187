//! Opens a resumable source: its size, its bytes, and the errors that name it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Buf as _;

use super::upload_source::{Resumable, ResumableSource, SourceKind, UploadSource};
use crate::error::{Error, ErrorKind, Result, shown_path};
use crate::runtime::plain_file;

impl UploadSource {
    /// Returns the source's own file name.
    pub(crate) fn file_name(&self) -> Option<String> {
        match &self.0 {
            SourceKind::Resumable(source) => source.file_name(),
            SourceKind::OneShot(_) => None,
        }
    }

    /// Returns the path as the caller gave it, if the source is one.
    #[cfg(api = "data-files")]
    pub(crate) fn given_path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            SourceKind::Resumable(ResumableSource(Resumable::Path(path))) => Some(path),
            SourceKind::Resumable(_) | SourceKind::OneShot(_) => None,
        }
    }
}

impl ResumableSource {
    /// Returns the source as errors name it.
    pub(crate) fn shown(&self) -> String {
        match &self.0 {
            Resumable::Path(path) => shown_path(path),
            Resumable::Bytes(_) => "the data in memory".to_owned(),
            Resumable::RewindableSource(source) => {
                source.file_name().unwrap_or_else(|| "the source".to_owned())
            }
        }
    }

    /// Returns the source's own file name.
    pub(crate) fn file_name(&self) -> Option<String> {
        match &self.0 {
            Resumable::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Resumable::Bytes(_) => None,
            Resumable::RewindableSource(source) => source.file_name(),
        }
    }

    /// Returns a reader of all bytes, and their number. Blocks.
    ///
    /// # Errors
    /// Returns an error if the source can't be opened.
    pub(crate) fn open(&self) -> Result<(Box<dyn Read + Send>, u64)> {
        match &self.0 {
            Resumable::Path(path) => {
                let file = open_file(path)?;
                let size = file.metadata().map_err(|error| unfit(path, error))?.len();
                Ok((Box::new(file), size))
            }
            Resumable::Bytes(bytes) => Ok((Box::new(bytes.clone().reader()), bytes.len() as u64)),
            Resumable::RewindableSource(source) => {
                let size = source.size().map_err(|error| self.unreadable(error))?;
                Ok((source.open(0).map_err(|error| self.unreadable(error))?, size))
            }
        }
    }

    /// Returns the error of a source that can't be read.
    pub(crate) fn unreadable(&self, error: io::Error) -> Error {
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "the file became shorter while it was uploaded: start a new upload".to_owned()
            }
            _ => format!("the file can't be read: {error}"),
        };
        Error::new(ErrorKind::Io, format!("{}: {what}", self.shown())).source_of(error)
    }
}

/// Opens a file that the user named for reading. Blocks.
///
/// # Errors
/// Returns an error if it isn't a readable regular file. The error names the path as the user gave it.
pub(crate) fn open_file(path: &Path) -> Result<File> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid_input("file: the path is empty: give the path of the file to upload"));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::invalid_input(format!("file: {}: the path holds a NUL byte", shown_path(path))));
    }
    plain_file::open_named(path).map_err(|error| unfit(path, error))
}

/// Returns why the file at `path`, which couldn't be opened, can't be uploaded.
pub(crate) fn unfit(path: &Path, error: io::Error) -> Error {
    let there = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => "is a directory: give the path of a file".to_owned(),
        Ok(metadata) if !metadata.is_file() => {
            format!("is not a regular file: {}", plain_file::kind(&metadata))
        }
        _ => return Error::file(path, "the file can't be read", error),
    };
    Error::invalid_input(format!("file: {} {there}", shown_path(path)))
}

/// Returns whether there are more bytes to read.
pub(crate) fn has_more(reader: &mut (impl Read + ?Sized)) -> io::Result<bool> {
    loop {
        match reader.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map(|read| read > 0),
        }
    }
}
