//! [`Lease`]: protects a file of the cache from removal for as long as it exists.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::FileCache;
use super::file_record::stamp;
use crate::runtime::plain_file::open_own;

/// A lease of one handle on a file of the cache.
#[derive(Debug)]
#[must_use = "dropping the lease releases the file at once"]
pub(crate) struct Lease {
    cache: FileCache,
    /// `None` if the lease was passed on to the handle.
    path: Option<PathBuf>,
    bytes: u64,
}

impl Lease {
    pub(super) fn new(cache: FileCache, path: PathBuf, bytes: u64) -> Self {
        Lease { cache, path: Some(path), bytes }
    }

    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Returns the file's size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens the file for reading. Returns it with its modification time.
    pub(crate) fn open(&self) -> io::Result<(File, Option<u64>)> {
        let file = open_own(self.path(), OpenOptions::new().read(true))?;
        let stamp = stamp(&file.metadata()?);
        Ok((file, stamp))
    }

    /// Returns the path. The handle keeps the lease until the file is released.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.path.take().unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            self.cache.release_later(path);
        }
    }
}
