//! [`Lease`]: a file of the cache that is held for as long as this lives.

use std::fmt;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use super::FileCache;

/// A file that a handle of the cache holds for as long as this lives.
#[must_use = "the file is released at once"]
pub(crate) struct Lease {
    cache: FileCache,
    /// `None` if somebody else releases it.
    path: Option<PathBuf>,
}

impl Lease {
    pub(super) fn new(cache: FileCache, path: PathBuf) -> Self {
        Lease { cache, path: Some(path) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// The path, which the handle goes on to hold for whoever is given it.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.path.take().unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        let release = Release(self.cache.clone(), path);
        match Handle::try_current() {
            // It waits for other processes. A runtime that is shut down drops it undone: then it is done there.
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(release))),
            Err(_) => drop(release),
        }
    }
}

/// Releases a file when it is dropped.
struct Release(FileCache, PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release(&self.1);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("path", &self.path).finish_non_exhaustive()
    }
}
