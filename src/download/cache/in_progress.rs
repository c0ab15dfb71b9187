//! The files that calls of this handle are downloading: other calls for the same file wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::key::{CacheKey, KeyHash};

/// From this number of entries on, unused ones are removed.
const SOME: usize = 128;

#[derive(Debug, Default)]
pub(super) struct InProgress(Mutex<HashMap<KeyHash, Weak<AsyncMutex<()>>>>);

/// The turn to download a file. Other calls wait for as long as this exists.
#[derive(Debug)]
pub(crate) struct Alone(
    #[expect(dead_code, reason = "the guard is held until this is dropped")] OwnedMutexGuard<()>,
);

impl InProgress {
    pub(super) async fn alone(&self, key: &CacheKey) -> Alone {
        Alone(self.lock_of(key.hash).lock_owned().await)
    }

    /// `None` if another call has the turn.
    pub(super) fn alone_at_once(&self, key: &CacheKey) -> Option<Alone> {
        self.lock_of(key.hash).try_lock_owned().ok().map(Alone)
    }

    fn lock_of(&self, hash: KeyHash) -> Arc<AsyncMutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = all.get(&hash).and_then(Weak::upgrade) {
            return lock;
        }
        // Removes the entries of calls that are done.
        if all.len() >= SOME {
            all.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        all.insert(hash, Arc::downgrade(&lock));
        lock
    }
}
