//! Work on a handle's state under the cache's lock. The lock is taken first and then the handle's mutex, so
//! that nobody waits for another process while holding the mutex.

use std::sync::MutexGuard;

use tracing::warn;

use super::lock::{CacheLock, Exclusive, Shared, Waiting};
use super::state::State;
use super::{Access, FileCache};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::lock::lock;

/// The state under a lock. The mutex's guard is dropped before the lock.
pub(super) struct LockedState<'s, L> {
    pub(super) state: MutexGuard<'s, State>,
    pub(super) lock: L,
}

impl FileCache {
    /// Locks the state. A panic can't leave it inconsistent: at worst it is older than the disk, and is read
    /// again.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Returns the default limit for waiting for the cache's lock.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting::at_most(self.0.lock_timeout)
    }

    /// Returns the cache's lock.
    ///
    /// # Errors
    /// Returns an error if the cache can't be written.
    pub(super) fn lock(&self) -> Result<&CacheLock> {
        match &self.0.access {
            Access::Full(lock) => Ok(lock),
            Access::ReadOnly(why) => {
                let message = format!(
                    "{}: the file cache can't be written ({why}): its files are served, and no files are added or removed",
                    self.0.dir.display()
                );
                Err(Error::new(ErrorKind::Io, message))
            }
        }
    }

    /// Takes the shared lock, for returning and recording files, with an up-to-date index.
    pub(super) fn shared(&self, waiting: &Waiting) -> Result<LockedState<'_, Shared>> {
        let lock = self.lock()?.shared(waiting)?;
        let mut state = self.state();
        if state.index.refresh()? {
            return Ok(LockedState { state, lock });
        }
        // Both are released first: otherwise the exclusive lock would wait for this handle's shared one.
        drop(state);
        drop(lock);
        drop(self.exclusive(waiting)?);
        let lock = self.lock()?.shared(waiting)?;
        let mut state = self.state();
        state.index.refresh()?;
        Ok(LockedState { state, lock })
    }

    /// Takes the exclusive lock, for removing files, with an up-to-date index.
    pub(super) fn exclusive(&self, waiting: &Waiting) -> Result<LockedState<'_, Exclusive>> {
        let lock = self.lock()?.exclusive(waiting)?;
        let mut state = self.state();
        state.index.renew(&lock)?;
        Ok(LockedState { state, lock })
    }

    /// Works as [`exclusive`](FileCache::exclusive), and reads the leases of the other handles. They stay valid
    /// as long as the lock is held.
    pub(super) fn exclusive_with_leases(&self, waiting: &Waiting) -> Result<LockedState<'_, Exclusive>> {
        let mut locked = self.exclusive(waiting)?;
        if let Some(leases) = &mut locked.state.leases {
            leases.read_other_leases(&locked.lock)?;
        }
        Ok(locked)
    }

    /// Logs a failure, unless the call was dropped while it waited for the lock.
    pub(super) fn log_failure(&self, done: Result<()>, what: &str) {
        if let Some(error) = done.err().filter(|error| error.kind() != ErrorKind::ConnectionLost) {
            warn!(dir = %self.0.dir.display(), %error, "{what}");
        }
    }
}
