//! The files that calls of this handle are downloading: other calls for the same file wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::FileCache;
use super::key::{CacheKey, KeyHash};
use crate::runtime::lock::lock;

/// From this number of entries on, unused ones are removed.
const CLEANUP_THRESHOLD: usize = 128;

#[derive(Debug, Default)]
pub(super) struct DownloadLocks(Mutex<HashMap<KeyHash, Weak<AsyncMutex<()>>>>);

/// The lock for downloading a file. Other calls wait for as long as this exists.
pub(crate) type DownloadLock = OwnedMutexGuard<()>;

impl DownloadLocks {
    /// Returns the mutex of a file's download.
    fn of(&self, hash: KeyHash) -> Arc<AsyncMutex<()>> {
        let mut all = lock(&self.0);
        if let Some(lock) = all.get(&hash).and_then(Weak::upgrade) {
            return lock;
        }
        // Removes the entries of calls that are done.
        if all.len() >= CLEANUP_THRESHOLD {
            all.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        all.insert(hash, Arc::downgrade(&lock));
        lock
    }
}

impl FileCache {
    /// Locks the download of a file. Other calls of this handle don't download it meanwhile.
    pub(crate) async fn lock_download(&self, key: &CacheKey) -> DownloadLock {
        self.0.download_locks.of(key.hash).lock_owned().await
    }

    /// Works as [`lock_download`](FileCache::lock_download), without waiting; `None` if another call has
    /// locked it.
    pub(crate) fn try_lock_download(&self, key: &CacheKey) -> Option<DownloadLock> {
        self.0.download_locks.of(key.hash).try_lock_owned().ok()
    }
}
