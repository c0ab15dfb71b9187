//! Files that are released automatically: in batches, on a blocking thread.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::FileCache;
use crate::runtime::lock::lock;

/// How long releases are collected, so that one thread handles many of them.
const BATCH_DELAY: Duration = Duration::from_millis(5);

/// After this time another thread is requested: the runtime of the first one may have none available.
const THREAD_TIMEOUT: Duration = Duration::from_millis(500);

/// Files that are waiting to be released.
#[derive(Debug, Default)]
pub(super) struct ReleaseQueue(Mutex<PendingReleases>);

#[derive(Debug, Default)]
struct PendingReleases {
    paths: Vec<PathBuf>,
    /// When a thread was last requested to release them.
    asked: Option<Instant>,
}

impl ReleaseQueue {
    /// Adds a file. Returns whether a thread must be requested: none was, or the requested one is late.
    fn push(&self, path: PathBuf) -> bool {
        let mut gathered = lock(&self.0);
        gathered.paths.push(path);
        let is_asked = gathered.asked.is_some_and(|asked| asked.elapsed() < THREAD_TIMEOUT);
        if !is_asked {
            gathered.asked = Some(Instant::now());
        }
        !is_asked
    }

    fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *lock(&self.0)).paths
    }
}

impl FileCache {
    /// Works as [`release`](FileCache::release), on a blocking thread and without waiting long.
    pub(crate) fn release_later(&self, path: PathBuf) {
        let is_due = self.0.release_queue.push(path);
        match Handle::try_current() {
            Err(_) => self.release_queued(),
            // A runtime that is shutting down drops the closure at once, which releases the files.
            Ok(runtime) if is_due => {
                let release = Release(self.clone());
                drop(runtime.spawn_blocking(move || {
                    std::thread::sleep(BATCH_DELAY);
                    drop(release);
                }));
            }
            // The thread that was already requested releases this file too.
            Ok(_) => {}
        }
    }

    /// Releases the files that are waiting.
    pub(super) fn release_queued(&self) {
        let paths = self.0.release_queue.take();
        if !paths.is_empty() {
            self.release_batch(&paths);
        }
    }
}

/// Releases the waiting files when it is dropped.
struct Release(FileCache);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release_queued();
    }
}
