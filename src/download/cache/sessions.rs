//! Work on what a handle knows, under the cache's lock: first the lock is waited for, then the handle's own
//! mutex, so that nobody who has the mutex waits for another process.

use std::sync::{MutexGuard, PoisonError};

use super::lock::{CacheLock, Exclusive, Shared, Waiting};
use super::state::State;
use super::{Access, FileCache};
use crate::error::{Error, ErrorKind, Result};

/// The state under a lock. The lock outlives the mutex's guard.
pub(super) struct Session<'s, L> {
    pub(super) state: MutexGuard<'s, State>,
    pub(super) lock: L,
}

impl FileCache {
    /// No panic leaves it half changed: at worst it is behind what is on disk, which it reads again.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For as long as it is waited for the cache's lock where nothing else is said.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting::at_most(self.0.lock_timeout)
    }

    /// # Errors
    /// Returns an error if the cache can't be written.
    pub(super) fn lock(&self) -> Result<&CacheLock> {
        match &self.0.access {
            Access::Full(lock) => Ok(lock),
            Access::ReadOnly(why) => {
                let message = format!(
                    "{}: the file cache can't be written ({why}): files that are in it are served, and nothing is added or removed",
                    self.0.dir.display()
                );
                Err(Error::new(ErrorKind::Io, message))
            }
        }
    }

    /// To hand out and to record, with an index that is up to date.
    pub(super) fn shared(&self, waiting: &Waiting) -> Result<Session<'_, Shared>> {
        let lock = self.lock()?.shared(waiting)?;
        let mut state = self.state();
        if state.index.refresh()? {
            return Ok(Session { state, lock });
        }
        // Else it would wait for itself.
        drop(state);
        drop(lock);
        drop(self.exclusive(waiting)?);
        let lock = self.lock()?.shared(waiting)?;
        let mut state = self.state();
        state.index.refresh()?;
        Ok(Session { state, lock })
    }

    /// To remove, with an index that is up to date.
    pub(super) fn exclusive(&self, waiting: &Waiting) -> Result<Session<'_, Exclusive>> {
        let lock = self.lock()?.exclusive(waiting)?;
        let mut state = self.state();
        state.index.renew(&lock)?;
        Ok(Session { state, lock })
    }
}

impl Session<'_, Exclusive> {
    /// Learns what the other handles hold, which stays true as long as this lives.
    pub(super) fn look_at_others(&mut self) -> Result<()> {
        match &mut self.state.holder {
            Some(holder) => holder.look_at_others(&self.lock),
            None => Ok(()),
        }
    }
}
