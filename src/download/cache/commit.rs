//! Renames a part to its name in the cache and records it, in one step under the cache's lock. A name that is
//! in use is not taken.

use std::io;
use std::path::Path;

use super::add_file::{AddedFile, NewFile};
use super::lock::Waiting;
use super::locked_state::LockedState;
use super::{FileCache, Lease, directory};
use crate::error::{Error, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::plain_file::if_there;

impl FileCache {
    /// Renames `part` to its name, or to that of the next version if another file has taken the name; records
    /// the file and returns a lease on it.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked, read or written. Then the part is unchanged or removed.
    pub(crate) fn commit(
        &self,
        new: &NewFile,
        part: &Path,
        content: &AddedFile,
        waiting: &Waiting,
    ) -> Result<Lease> {
        let mut new = new.clone();
        while !self.commit_as(&new, part, content, waiting)? {
            new = new.next(self);
            if let Some(shard) = new.path().parent() {
                directory::make(shard)?;
            }
        }
        Ok(self.lease_of(&new, content, waiting))
    }

    /// Returns `false` if another file has the name.
    fn commit_as(&self, new: &NewFile, part: &Path, content: &AddedFile, waiting: &Waiting) -> Result<bool> {
        {
            let mut locked = self.shared(waiting)?;
            if locked.state.index.get(new.hash()).is_some() {
                return Ok(false);
            }
            match rename_to_new(part, new.path()) {
                Ok(true) => return locked.record_committed(new, content).map(|()| true),
                Ok(false) => {}
                Err(error) => return Err(cant_rename(new, error)),
            }
        }
        // Under the exclusive lock no other process is about to record what exists there.
        let mut locked = self.exclusive_with_leases(waiting)?;
        let there = if_there(std::fs::symlink_metadata(new.path()));
        let is_left_over = there.is_ok_and(|there| there.is_none_or(|metadata| metadata.is_file()));
        if !is_left_over || locked.state.index.get(new.hash()).is_some() || locked.state.is_leased(new.hash())
        {
            return Ok(false);
        }
        std::fs::rename(part, new.path()).map_err(|error| cant_rename(new, error))?;
        locked.record_committed(new, content).map(|()| true)
    }
}

impl<L> LockedState<'_, L> {
    /// Records a file that was just renamed. If this fails, the file is removed: an unrecorded file would
    /// never be counted.
    fn record_committed(&mut self, new: &NewFile, content: &AddedFile) -> Result<()> {
        self.record(new, content).inspect_err(|_| {
            let target_state = std::fs::symlink_metadata(new.path());
            if target_state.is_ok_and(|metadata| content.id.is_some() && FileId::of(&metadata) == content.id)
            {
                let _ = std::fs::remove_file(new.path());
            }
        })
    }
}

fn cant_rename(new: &NewFile, error: io::Error) -> Error {
    Error::file(new.path(), "its part file can't be renamed to this name in the file cache", error)
}

/// Renames a file to an unused name. Returns `false` if the name is in use or the system doesn't support
/// this.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_to_new(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}
