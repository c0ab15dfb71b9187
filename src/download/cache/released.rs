//! Files that are released by themselves: on a thread where that may block, all that come meanwhile together.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::FileCache;

/// For so long files are gathered, so that a thread is woken for many of them.
const GATHERED: Duration = Duration::from_millis(5);

/// After so long another thread is asked for: the runtime of the first one may have none.
const LATE: Duration = Duration::from_millis(500);

/// Files that are to be released.
#[derive(Debug, Default)]
pub(super) struct Released(Mutex<PendingReleases>);

#[derive(Debug, Default)]
struct PendingReleases {
    paths: Vec<PathBuf>,
    /// When a thread was last asked for to release them.
    asked: Option<Instant>,
}

impl Released {
    /// Returns whether a thread is to be asked for: none is, or the one that was doesn't come.
    fn push(&self, path: PathBuf) -> bool {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.paths.push(path);
        let is_asked = gathered.asked.is_some_and(|asked| asked.elapsed() < LATE);
        if !is_asked {
            gathered.asked = Some(Instant::now());
        }
        !is_asked
    }

    fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).paths
    }
}

impl FileCache {
    /// As [`release`](FileCache::release), on a thread where it may block, and without waiting long.
    pub(crate) fn release_later(&self, path: PathBuf) {
        let is_due = self.0.released.push(path);
        match Handle::try_current() {
            Err(_) => self.release_gathered(),
            // A runtime that is shut down drops it at once.
            Ok(runtime) if is_due => {
                let release = Release(self.clone());
                drop(runtime.spawn_blocking(move || {
                    std::thread::sleep(GATHERED);
                    drop(release);
                }));
            }
            // Whoever was asked for releases this one as well.
            Ok(_) => {}
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
