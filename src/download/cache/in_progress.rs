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
pub(crate) struct Alone {
    _guard: OwnedMutexGuard<()>,
    /// Another call had it first.
    pub(crate) waited: bool,
}

impl InProgress {
    pub(super) async fn alone(&self, key: &CacheKey) -> Alone {
        let lock = self.lock_of(key.hash);
        match lock.clone().try_lock_owned() {
            Ok(guard) => Alone { _guard: guard, waited: false },
            Err(_) => Alone { _guard: lock.lock_owned().await, waited: true },
        }
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
