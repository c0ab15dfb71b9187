//! Which files are being downloaded by this handle's calls: who wants the same waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::key::{CacheKey, KeyHash};

/// So many are looked through for those that are done.
const SOME: usize = 128;

#[derive(Debug, Default)]
pub(super) struct InProgress(Mutex<HashMap<KeyHash, Weak<AsyncMutex<()>>>>);

/// Keeps the other calls from downloading the same file as long as this lives.
#[derive(Debug)]
pub(crate) struct Alone(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

impl InProgress {
    pub(super) async fn alone(&self, key: &CacheKey) -> Alone {
        Alone(self.lock_of(key.hash).lock_owned().await)
    }

    /// `None` if another call has it.
    pub(super) fn alone_at_once(&self, key: &CacheKey) -> Option<Alone> {
        self.lock_of(key.hash).try_lock_owned().ok().map(Alone)
    }

    fn lock_of(&self, hash: KeyHash) -> Arc<AsyncMutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = all.get(&hash).and_then(Weak::upgrade) {
            return lock;
        }
        // Those that are done aren't kept.
        if all.len() >= SOME {
            all.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        all.insert(hash, Arc::downgrade(&lock));
        lock
    }
}
