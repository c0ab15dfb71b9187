//! Keeping the limits: parts that nobody writes go first, then the files that were used longest ago, and
//! never one that is held.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use tracing::warn;

use super::FileCache;
use super::key::KeyHash;
use super::lock::Waiting;
use crate::error::{ErrorKind, Result};

/// Files that are removed, or looked at, before others have their turn.
const BATCH: usize = 256;

/// Files that are added or released before a look at all files that found nothing to remove is repeated: a
/// part of them.
const PATIENCE: usize = 16;

/// How large the cache may become.
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

/// What may be evicted next, as it was when all files were last looked at.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The one that was used longest ago first. What is used or added later comes after all of them.
    queue: VecDeque<(SystemTime, KeyHash)>,
    /// How many files there were when they were looked at in vain.
    in_vain: usize,
    /// What was added or released since.
    changes: usize,
}

impl Candidates {
    pub(super) fn added(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    /// A file isn't held by this handle any more, which was used last at that time.
    pub(super) fn released(&mut self, accessed: impl FnOnce() -> SystemTime, hash: KeyHash) {
        self.changes = self.changes.saturating_add(1);
        // Else it is found when all are looked at.
        if self.in_vain > 0 {
            self.queue.push_back((accessed(), hash));
        }
    }

    /// Where all is held, a look at every file for each one that is added would take longer and longer.
    fn is_worth_a_look(&self) -> bool {
        self.changes.saturating_mul(PATIENCE) >= self.in_vain
    }
}

/// What became of a file that was to be removed.
enum Removal {
    Removed,
    /// Somebody else removed it.
    Missing,
    Kept,
}

impl FileCache {
    /// Removes until the limits are kept, or all that is left is in use. What can't be removed is told to the
    /// log: what is to be added comes all the same.
    pub(crate) fn evict(&self, waiting: &Waiting) {
        match self.try_evict(waiting) {
            Err(error) if error.kind() != ErrorKind::ConnectionLost => {
                warn!(dir = %self.0.dir.display(), %error, "the file cache can't be kept within its limits");
            }
            _ => {}
        }
    }

    fn try_evict(&self, waiting: &Waiting) -> Result<()> {
        let parts = if self.0.limits.bytes < u64::MAX { self.remove_parts() } else { 0 };
        let mut looked = false;
        while !self.is_within(parts) {
            let (is_empty, is_worth_a_look) = {
                let candidates = &self.state().candidates;
                (candidates.queue.is_empty(), candidates.is_worth_a_look())
            };
            if is_empty {
                if looked || !is_worth_a_look {
                    break;
                }
                self.look_at_all();
                looked = true;
            }
            self.evict_some(parts, waiting)?;
        }
        if looked {
            let is_within = self.is_within(parts);
            let mut state = self.state();
            state.candidates.in_vain =
                if is_within { 0 } else { usize::try_from(state.index.files()).unwrap_or(usize::MAX) };
            state.candidates.changes = 0;
        }
        Ok(())
    }

    /// With so many bytes of parts.
    fn is_within(&self, parts: u128) -> bool {
        let index = &self.state().index;
        self.0.limits.allow(index.bytes() + parts, index.files())
    }

    /// Removes parts that nobody writes as long as there are too many bytes. Returns the bytes of those that
    /// are left.
    fn remove_parts(&self) -> u128 {
        let parts = self.0.parts.all();
        let mut bytes = parts.iter().map(|part| u128::from(part.bytes)).sum::<u128>();
        for part in &parts {
            if self.state().index.bytes() + bytes <= u128::from(self.0.limits.bytes) {
                break;
            }
            match self.0.parts.remove(part) {
                Ok(freed) => bytes -= u128::from(freed),
                Err(error) => {
                    warn!(dir = %self.0.dir.display(), %error, "a part can't be removed from the file cache")
                }
            }
        }
        bytes
    }

    /// Without the lock, since it takes a while. Each candidate is looked at again before it is removed.
    fn look_at_all(&self) {
        let all: Vec<KeyHash> = self.state().index.iter().map(|(hash, _)| hash).collect();
        let mut found = Vec::new();
        for some in all.chunks(BATCH) {
            let state = self.state();
            for hash in some.iter().filter(|hash| !state.holds(**hash)) {
                let Some(entry) = state.index.get(*hash) else { continue };
                found.push((used_at(&state.path(*hash, entry)), *hash));
            }
        }
        found.sort_unstable_by_key(|(accessed, _)| *accessed);
        self.state().candidates.queue = found.into();
    }

    fn evict_some(&self, parts: u128, waiting: &Waiting) -> Result<()> {
        let mut session = self.exclusive(waiting)?;
        session.look_at_others()?;
        let state = &mut *session.state;
        let (mut bytes, mut files) = (state.index.bytes() + parts, state.index.files());
        let mut gone = Vec::new();
        while gone.len() < BATCH
            && !self.0.limits.allow(bytes, files)
            && let Some((accessed, hash)) = state.candidates.queue.pop_front()
        {
            let Some(entry) = state.index.get(hash).filter(|_| !state.is_held(hash)) else { continue };
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
        // After the files: what is recorded and missing is found out, what is there and isn't recorded is
        // not.
        state.index.remove(&gone)
    }
}

/// Removes a file, unless it was used since it became a candidate.
fn remove_unused(path: &Path, accessed: SystemTime) -> io::Result<Removal> {
    let removed = std::fs::symlink_metadata(path).and_then(|metadata| match used(&metadata) == accessed {
        true => std::fs::remove_file(path).map(|()| Removal::Removed),
        false => Ok(Removal::Kept),
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Removal::Missing),
        removed => removed,
    }
}

/// When the file at `path` was last used. What is missing goes first.
pub(super) fn used_at(path: &Path) -> SystemTime {
    std::fs::symlink_metadata(path).map_or(SystemTime::UNIX_EPOCH, |metadata| used(&metadata))
}

fn used(metadata: &Metadata) -> SystemTime {
    metadata.accessed().or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
