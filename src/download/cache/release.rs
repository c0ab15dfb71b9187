//! Releases leases, and removes files that are no longer needed then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::warn;

use super::FileCache;
use super::eviction::used_at;
use super::lock::Waiting;

/// How long an automatic release waits for the lock. Whoever holds the lock does the rest of the work.
const SHORT_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

impl FileCache {
    /// Releases one lease of this handle. Returns whether it had one.
    pub(super) fn release_waiting(&self, path: &Path, waiting: &Waiting) -> bool {
        let is_superseded = self.release_lease(path);
        if let Some(is_superseded) = is_superseded {
            self.clean_up_after_release(is_superseded, waiting);
        }
        is_superseded.is_some()
    }

    /// Works as [`release`](FileCache::release), for files that are released automatically: it doesn't wait
    /// long.
    pub(super) fn release_batch(&self, paths: &[PathBuf]) {
        let released: Vec<_> = paths.iter().filter_map(|path| self.release_lease(path)).collect();
        if !released.is_empty() {
            self.clean_up_after_release(released.contains(&true), &Waiting::at_most(SHORT_LOCK_TIMEOUT));
        }
    }

    /// Returns whether there is a newer version of the file; `None` if this handle holds no lease on it.
    fn release_lease(&self, path: &Path) -> Option<bool> {
        let mut state = self.state();
        let hash = state.hash_of(path).filter(|hash| state.is_leased_here(*hash))?;
        match state.leases.as_mut().map(|leases| leases.release(hash)) {
            None | Some(Ok(false)) => return Some(false),
            Some(Ok(true)) => {}
            Some(Err(error)) => {
                warn!(path = %path.display(), %error, "the lease on a released file can't be removed: other processes may keep the file")
            }
        }
        state.candidates.released(|| used_at(path), hash);
        Some(state.index.superseded.contains(&hash))
    }

    fn clean_up_after_release(&self, superseded: bool, waiting: &Waiting) {
        if superseded {
            self.remove_superseded(waiting);
        }
        self.evict(waiting);
    }

    /// Works as [`evict`](FileCache::evict), without waiting long.
    pub(crate) fn evict_with_short_wait(&self) {
        self.evict(&Waiting::at_most(SHORT_LOCK_TIMEOUT));
    }
}
