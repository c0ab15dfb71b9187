//! Removes orphans: abandoned part files, and files that are not recorded. Those were left by a process
//! that was killed between renaming and recording one, or by an index that was lost. They are never
//! returned and don't count towards the limits.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use super::eviction::CacheLimits;
use super::key::KeyHash;
use super::lock::Waiting;
use super::parts::MAX_PART_AGE;
use super::state::State;
use super::{FileCache, directory};
use crate::error::Result;

/// An unrecorded file that is younger than this may be one that another process is about to record.
const ORPHAN_AGE: Duration = Duration::from_secs(60);

/// Minimum time between two searches for orphans by one handle.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

impl FileCache {
    /// Removes abandoned part files and unrecorded files, at most once an hour. Failures are logged.
    pub(super) fn remove_orphans(&self, waiting: &Waiting) {
        if self.lock().is_err() {
            return;
        }
        {
            let mut state = self.state();
            if state.orphans_removed_at.is_some_and(|at| at.elapsed() < CLEANUP_INTERVAL) {
                return;
            }
            state.orphans_removed_at = Some(Instant::now());
        }
        for part in self.0.parts.all().iter().filter(|part| is_older(part.modified, MAX_PART_AGE)) {
            if let Err(error) = self.0.parts.remove(part) {
                warn!(dir = %self.0.dir.display(), %error, "an abandoned part file can't be removed from the file cache");
            }
        }
        if let Err(error) = self.remove_orphan_files(waiting) {
            warn!(dir = %self.0.dir.display(), %error, "unrecorded files can't be removed from the file cache");
        }
    }

    /// Removes unrecorded files from a cache that has limits.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked or read.
    pub(super) fn remove_orphan_files(&self, waiting: &Waiting) -> Result<()> {
        if self.0.limits == CacheLimits::NONE {
            return Ok(());
        }
        for shard in KeyHash::shards().map(|shard| self.0.dir.join(shard)) {
            if directory::check(&shard).is_err() || self.state().orphans(&shard).is_empty() {
                continue;
            }
            // Under this lock no other process renames a file or is about to record it.
            let locked = self.exclusive_with_leases(waiting)?;
            for (hash, path) in locked.state.orphans(&shard) {
                if !locked.state.is_leased(hash) {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        Ok(())
    }
}

impl State {
    fn orphans(&self, shard: &Path) -> Vec<(KeyHash, PathBuf)> {
        let files = std::fs::read_dir(shard).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let orphans = names.filter_map(|name| {
            let (hash, extension) = KeyHash::of_name(&name)?;
            let is_recorded = self.index.get(hash).is_some_and(|entry| entry.extension == extension);
            (!is_recorded).then(|| (hash, shard.join(&name)))
        });
        orphans.collect()
    }
}

/// Returns whether a file is so old that it is an orphan if it isn't recorded.
pub(super) fn has_orphan_age(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|modified| is_older(modified, ORPHAN_AGE))
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|since| since >= age)
}
