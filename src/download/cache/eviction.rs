//! Enforces the limits: removes part files that are not being written first, then the least recently used
//! files, but never a file with a lease.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use tracing::warn;

use super::FileCache;
use super::key::KeyHash;
use super::lock::Waiting;
use crate::error::Result;
use crate::runtime::plain_file::if_there;

/// How many files are removed, or inspected, before the lock is released for others.
const BATCH: usize = 256;

/// After a scan of all files found nothing to remove, the next scan starts only once at least one in this
/// many files was added or released.
const RESCAN_FRACTION: usize = 16;

/// The limits of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheLimits {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl CacheLimits {
    pub(super) const NONE: Self = CacheLimits { bytes: u64::MAX, files: u64::MAX };

    fn allow(&self, bytes: u128, files: u64) -> bool {
        bytes <= u128::from(self.bytes) && files <= self.files
    }
}

/// The files that may be evicted next, as of the last scan of all files.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The least recently used file first. Files that are used or added later come after all of them.
    queue: VecDeque<(SystemTime, KeyHash)>,
    /// The number of files when a scan last found nothing to remove.
    files_after_vain_scan: usize,
    /// How many files were added or released since.
    changes: usize,
}

impl Candidates {
    pub(super) fn added(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    /// Records that this handle released a file, with the time when it was last used.
    pub(super) fn released(&mut self, accessed: impl FnOnce() -> SystemTime, hash: KeyHash) {
        self.changes = self.changes.saturating_add(1);
        // Otherwise the next scan finds it.
        if self.files_after_vain_scan > 0 {
            self.queue.push_back((accessed(), hash));
        }
    }

    /// Returns whether a scan is worth its cost. If all files are leased, a scan for each added file would
    /// take longer and longer.
    fn is_scan_worthwhile(&self) -> bool {
        self.changes.saturating_mul(RESCAN_FRACTION) >= self.files_after_vain_scan
    }
}

/// The result of removing a file.
enum Removal {
    Removed,
    /// It was already removed.
    Missing,
    Kept,
}

impl FileCache {
    /// Evicts files until the limits are kept, or all remaining files are in use. Failures are logged: a file
    /// is added even if none can be evicted.
    pub(crate) fn evict(&self, waiting: &Waiting) {
        self.log_failure(self.try_evict(waiting), "the file cache can't be kept within its limits");
    }

    fn try_evict(&self, waiting: &Waiting) -> Result<()> {
        let parts = if self.0.limits.bytes < u64::MAX { self.evict_parts() } else { 0 };
        let mut looked = false;
        while !self.is_within(parts) {
            let (is_empty, is_scan_worthwhile) = {
                let candidates = &self.state().candidates;
                (candidates.queue.is_empty(), candidates.is_scan_worthwhile())
            };
            if is_empty {
                if looked || !is_scan_worthwhile {
                    break;
                }
                self.scan_files();
                looked = true;
            }
            self.evict_batch(parts, waiting)?;
        }
        if looked {
            let is_within = self.is_within(parts);
            let mut state = self.state();
            state.candidates.files_after_vain_scan =
                if is_within { 0 } else { usize::try_from(state.index.files()).unwrap_or(usize::MAX) };
            state.candidates.changes = 0;
        }
        Ok(())
    }

    /// Returns whether the limits are kept, with this many bytes of part files.
    fn is_within(&self, parts: u128) -> bool {
        let index = &self.state().index;
        self.0.limits.allow(index.bytes() + parts, index.files())
    }

    /// Removes part files that are not being written while there are too many bytes. Returns the bytes of the
    /// remaining ones.
    fn evict_parts(&self) -> u128 {
        let parts = self.0.parts.all();
        let mut bytes = parts.iter().map(|part| u128::from(part.bytes)).sum::<u128>();
        for part in &parts {
            if self.state().index.bytes() + bytes <= u128::from(self.0.limits.bytes) {
                break;
            }
            match self.0.parts.remove(part) {
                Ok(freed) => bytes -= u128::from(freed),
                Err(error) => {
                    warn!(dir = %self.0.dir.display(), %error, "a part file can't be removed from the file cache")
                }
            }
        }
        bytes
    }

    /// Scans all files for candidates. It takes no lock, since it takes a while: each candidate is checked
    /// again before it is removed.
    fn scan_files(&self) {
        let all: Vec<KeyHash> = self.state().index.iter().map(|(hash, _)| hash).collect();
        let mut found = Vec::new();
        for some in all.chunks(BATCH) {
            let state = self.state();
            for hash in some.iter().filter(|hash| !state.is_leased_here(**hash)) {
                let Some(entry) = state.index.get(*hash) else { continue };
                found.push((used_at(&state.path(*hash, entry)), *hash));
            }
        }
        found.sort_unstable_by_key(|(accessed, _)| *accessed);
        self.state().candidates.queue = found.into();
    }

    fn evict_batch(&self, parts: u128, waiting: &Waiting) -> Result<()> {
        let mut locked = self.exclusive_with_leases(waiting)?;
        let state = &mut *locked.state;
        let (mut bytes, mut files) = (state.index.bytes() + parts, state.index.files());
        let mut gone = Vec::new();
        while gone.len() < BATCH
            && !self.0.limits.allow(bytes, files)
            && let Some((accessed, hash)) = state.candidates.queue.pop_front()
        {
            let Some(entry) = state.index.get(hash).filter(|_| !state.is_leased(hash)) else { continue };
            let path = state.path(hash, entry);
            match remove_unused(&path, accessed) {
                Ok(Removal::Removed) => state.evicted += 1,
                Ok(Removal::Missing) => {}
                Ok(Removal::Kept) => continue,
                Err(error) => {
                    warn!(path = %path.display(), %error, "a file can't be evicted");
                    continue;
                }
            }
            bytes -= u128::from(entry.size);
            files -= 1;
            gone.push(hash);
        }
        // The index is updated after the files are removed: a recorded file that is missing is noticed, but
        // an existing file that isn't recorded is not.
        state.index.remove(&gone)
    }
}

/// Removes a file, unless it was used since it became a candidate.
fn remove_unused(path: &Path, accessed: SystemTime) -> io::Result<Removal> {
    let removed = std::fs::symlink_metadata(path).and_then(|metadata| match used(&metadata) == accessed {
        true => std::fs::remove_file(path).map(|()| Removal::Removed),
        false => Ok(Removal::Kept),
    });
    if_there(removed).map(|removed| removed.unwrap_or(Removal::Missing))
}

/// Returns when the file at `path` was last used. A missing file counts as the oldest.
pub(super) fn used_at(path: &Path) -> SystemTime {
    std::fs::symlink_metadata(path).map_or(SystemTime::UNIX_EPOCH, |metadata| used(&metadata))
}

fn used(metadata: &Metadata) -> SystemTime {
    metadata.accessed().or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
