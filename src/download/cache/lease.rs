//! [`Lease`]: a file of the cache that is held for as long as this lives.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::FileCache;
use super::file_record::stamp;
use crate::runtime::plain_file::open_own;

/// A file that a handle of the cache holds for as long as this lives.
#[must_use = "the file is released at once"]
pub(crate) struct Lease {
    cache: FileCache,
    /// `None` if somebody else releases it.
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

    /// The file's size.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, to be read, and when it was modified.
    pub(crate) fn open(&self) -> io::Result<(File, Option<u64>)> {
        let file = open_own(self.path(), OpenOptions::new().read(true))?;
        let stamp = stamp(&file.metadata()?);
        Ok((file, stamp))
    }

    /// The path, which the handle goes on to hold for whoever is given it.
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

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("path", &self.path).finish_non_exhaustive()
    }
}
