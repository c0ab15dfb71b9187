//! Removes unrecorded files: left by a process that was killed between renaming and recording one, or by an
//! index that was lost. They are never returned and don't count towards the limits.

use std::path::{Path, PathBuf};

use super::eviction::CacheLimits;
use super::key::KeyHash;
use super::lock::Waiting;
use super::state::State;
use super::{FileCache, directory};
use crate::error::Result;

impl FileCache {
    /// Removes unrecorded files from a cache that has limits.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked or read.
    pub(super) fn sweep(&self, waiting: &Waiting) -> Result<()> {
        if self.0.limits == CacheLimits::NONE {
            return Ok(());
        }
        for shard in (0..=u8::MAX).map(|shard| self.0.dir.join(format!("{shard:02x}"))) {
            if directory::check(&shard).is_err() || self.state().unrecorded(&shard).is_empty() {
                continue;
            }
            // Under this lock no other process renames a file or is about to record it.
            let mut session = self.exclusive(waiting)?;
            session.look_at_others()?;
            for (hash, path) in session.state.unrecorded(&shard) {
                if !session.state.is_held(hash) {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        Ok(())
    }
}

impl State {
    fn unrecorded(&self, shard: &Path) -> Vec<(KeyHash, PathBuf)> {
        let files = std::fs::read_dir(shard).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let unrecorded = names.filter_map(|name| {
            let (hash, extension) = KeyHash::of_name(&name)?;
            let is_recorded = self.index.get(hash).is_some_and(|entry| entry.extension == extension);
            (!is_recorded).then(|| (hash, shard.join(&name)))
        });
        unrecorded.collect()
    }
}
