//! The files that calls of this handle are downloading: other calls for the same file wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::key::{CacheKey, KeyHash};

/// From this number of entries on, unused ones are removed.
const CLEANUP_THRESHOLD: usize = 128;

#[derive(Debug, Default)]
pub(super) struct DownloadLocks(Mutex<HashMap<KeyHash, Weak<AsyncMutex<()>>>>);

/// The lock for downloading a file. Other calls wait for as long as this exists.
#[derive(Debug)]
pub(crate) struct DownloadLock(
    #[expect(dead_code, reason = "the guard is held until this is dropped")] OwnedMutexGuard<()>,
);

impl DownloadLocks {
    pub(super) async fn lock(&self, key: &CacheKey) -> DownloadLock {
        DownloadLock(self.lock_of(key.hash).lock_owned().await)
    }

    /// `None` if another call has locked it.
    pub(super) fn try_lock(&self, key: &CacheKey) -> Option<DownloadLock> {
        self.lock_of(key.hash).try_lock_owned().ok().map(DownloadLock)
    }

    fn lock_of(&self, hash: KeyHash) -> Arc<AsyncMutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
