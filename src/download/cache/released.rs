//! Files that are released by themselves: on a thread where that may block, all that come meanwhile together.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::FileCache;

/// For so long files are gathered, so that a thread is woken for many of them.
const GATHERED: Duration = Duration::from_millis(20);

/// Files that are to be released.
#[derive(Debug, Default)]
pub(super) struct Released(Mutex<Vec<PathBuf>>);

impl Released {
    /// Returns whether it is the first one.
    fn push(&self, path: PathBuf) -> bool {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.push(path);
        paths.len() == 1
    }

    fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FileCache {
    /// As [`release`](FileCache::release), on a thread where it may block, and without waiting long.
    pub(crate) fn release_later(&self, path: PathBuf) {
        // Whoever pushed the first one releases the others as well.
        if !self.0.released.push(path) {
            return;
        }
        let release = Release(self.clone());
        match Handle::try_current() {
            // A runtime that is shut down drops it at once.
            Ok(runtime) => drop(runtime.spawn_blocking(move || {
                std::thread::sleep(GATHERED);
                drop(release);
            })),
            Err(_) => drop(release),
        }
    }

    /// Releases the files that are to be released.
    pub(super) fn release_gathered(&self) {
        let paths = self.0.released.take();
        if !paths.is_empty() {
            self.release_briefly(&paths);
        }
    }
}

/// Releases the files when it is dropped.
struct Release(FileCache);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release_gathered();
    }
}
