//! Clears the cache: removes all files without a lease, and all part files that are not being written.

use std::io;
use std::path::{Path, PathBuf};

use super::eviction::Candidates;
use super::key::KeyHash;
use super::lock::{Exclusive, Waiting};
use super::locked_state::LockedState;
use super::orphans::has_orphan_age;
use super::{FileCache, directory};
use crate::error::{Error, Result};
use crate::runtime::plain_file::if_there;

/// The result of clearing the cache.
#[derive(Default)]
struct Cleared {
    freed: u64,
    failed: Option<Error>,
}

impl FileCache {
    /// Removes all files without a lease. Returns the number of freed bytes.
    pub(super) fn clear_waiting(&self, waiting: &Waiting) -> Result<u64> {
        let mut cleared = Cleared::default();
        self.clear_shards(&mut cleared, waiting)?;
        for part in self.0.parts.all() {
            match self.0.parts.remove(&part) {
                Ok(freed) => cleared.freed += freed,
                Err(error) => cleared.failed(&self.0.parts.directory, error),
            }
        }
        self.forget_missing(waiting)?;
        self.state().candidates = Candidates::default();
        self.compact(waiting);
        cleared.failed.map_or(Ok(cleared.freed), Err)
    }

    fn clear_shards(&self, cleared: &mut Cleared, waiting: &Waiting) -> Result<()> {
        for shard in KeyHash::shards() {
            let shard = self.0.dir.join(shard);
            match directory::check(&shard) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    cleared.failed(&shard, error);
                    continue;
                }
                Ok(()) => {}
            }
            let mut locked = self.exclusive_with_leases(waiting)?;
            locked.clear_shard(&shard, cleared)?;
        }
        Ok(())
    }

    /// Removes the entries of missing files from the index.
    fn forget_missing(&self, waiting: &Waiting) -> Result<()> {
        let mut locked = self.exclusive(waiting)?;
        let state = &mut *locked.state;
        let missing = |path: PathBuf| matches!(if_there(std::fs::symlink_metadata(path)), Ok(None));
        let entries = state.index.iter().filter(|(hash, entry)| missing(state.path(*hash, *entry)));
        let missing: Vec<KeyHash> = entries.map(|(hash, _)| hash).collect();
        state.index.remove(&missing)
    }
}

impl LockedState<'_, Exclusive> {
    fn clear_shard(&mut self, shard: &Path, cleared: &mut Cleared) -> Result<()> {
        let files = std::fs::read_dir(shard)
            .map_err(|error| Error::file(shard, "the file cache's directory can't be listed", error))?;
        let state = &mut *self.state;
        let mut gone = Vec::new();
        // If reading the directory fails midway, the names read so far are used.
        for name in files.map_while(|file| file.ok()).map(|file| file.file_name()) {
            let Some((hash, extension)) = name.to_str().and_then(KeyHash::of_name) else { continue };
            let path = shard.join(&name);
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let recorded = state.index.get(hash).is_some_and(|entry| entry.extension == extension);
            if metadata.is_dir() || state.is_leased(hash) || !(recorded || has_orphan_age(&metadata)) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => cleared.freed += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    cleared.failed(&path, error);
                    continue;
                }
            }
            if recorded {
                gone.push(hash);
            }
        }
        state.index.remove(&gone)
    }
}

impl Cleared {
    /// Keeps the first failure.
    fn failed(&mut self, path: &Path, error: io::Error) {
        self.failed
            .get_or_insert_with(|| Error::file(path, "it can't be removed from the file cache", error));
    }
}
