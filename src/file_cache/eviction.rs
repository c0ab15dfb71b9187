//! Removing files: those that were used longest ago where a limit is exceeded, or all. Never one that is held.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::holds::Locked;
use super::key::KeyHash;
use super::state::State;
use crate::error::{Error, Result};

/// Files that are removed before others get the lock.
const BATCH: usize = 256;

/// Files that are added before a look at all files that found nothing to remove is repeated: a part of them.
const PATIENCE: usize = 16;

/// A file that nothing tells of and that is as young may be one that another process is about to record.
const SETTLED: Duration = Duration::from_secs(60);

/// How large the cache may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Limits {
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
    added: usize,
}

impl Candidates {
    pub(super) fn added(&mut self) {
        self.added = self.added.saturating_add(1);
    }

    pub(super) fn released(&mut self) {
        self.in_vain = 0;
    }

    /// Where all is held, a look at every file for each one that is added would take longer and longer.
    fn worth_a_look(&self) -> bool {
        self.added.saturating_mul(PATIENCE) >= self.in_vain
    }
}

/// What became of a file that was to be removed.
enum Removal {
    Removed,
    /// Somebody else removed it.
    Missing,
    Kept,
}

impl State {
    /// Removes what was used longest ago until the limits are kept, or all that is left is held. What can't be removed is
    /// told to the log: the file that was added is there all the same.
    pub(super) fn evict(&mut self) {
        if let Err(error) = self.try_evict() {
            warn!(dir = %self.dir.display(), %error, "the file cache can't be kept within its limits");
        }
    }

    fn try_evict(&mut self) -> Result<()> {
        let mut looked = false;
        while !self.limits.allow(self.index.bytes(), self.index.files()) {
            if self.candidates.queue.is_empty() {
                if looked || !self.candidates.worth_a_look() {
                    break;
                }
                self.look_at_all();
                looked = true;
            }
            self.evict_some()?;
        }
        if looked {
            let kept = self.limits.allow(self.index.bytes(), self.index.files());
            self.candidates.in_vain = if kept { 0 } else { self.index.files() as usize };
            self.candidates.added = 0;
        }
        Ok(())
    }

    /// Without the lock, since it takes a while. Each candidate is looked at again before it is removed.
    fn look_at_all(&mut self) {
        let mut found = Vec::new();
        for (hash, entry) in self.index.iter().filter(|(hash, _)| !self.holder.holds(*hash)) {
            // What is missing goes first.
            let accessed = std::fs::symlink_metadata(self.path(hash, entry)).map_or(SystemTime::UNIX_EPOCH, |file| used(&file));
            found.push((accessed, hash));
        }
        found.sort_unstable_by_key(|(accessed, _)| *accessed);
        self.candidates.queue = found.into();
    }

    fn evict_some(&mut self) -> Result<()> {
        let lock = self.lock.exclusive()?;
        self.index.renew(&lock)?;
        self.holder.look_at_others()?;
        let (mut bytes, mut files) = (self.index.bytes(), self.index.files());
        let mut gone = Vec::new();
        while gone.len() < BATCH
            && !self.limits.allow(bytes, files)
            && let Some((accessed, hash)) = self.candidates.queue.pop_front()
        {
            let Some(entry) = self.index.get(hash).filter(|_| !self.holder.is_held(hash)) else { continue };
            let path = self.path(hash, entry);
            match remove_unused(&path, accessed) {
                Ok(Removal::Removed) => self.evicted += 1,
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
        // After the files: what is recorded and missing is found out, what is there and isn't recorded is not.
        self.index.remove(&gone)
    }

    /// Removes what nobody holds. Returns the bytes that were freed.
    pub(super) fn clear(&mut self) -> Result<u64> {
        let mut freed = 0;
        let mut failed = None;
        for shard in 0..=u8::MAX {
            let dir = self.dir.join(format!("{shard:02x}"));
            let lock = self.lock.exclusive()?;
            self.clear_shard(&dir, &lock, &mut freed, &mut failed)?;
        }
        self.forget_missing()?;
        self.candidates = Candidates::default();
        self.compact();
        failed.map_or(Ok(freed), Err)
    }

    fn clear_shard(&mut self, dir: &Path, lock: &Locked, freed: &mut u64, failed: &mut Option<Error>) -> Result<()> {
        let files = match std::fs::read_dir(dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::file(dir, "the file cache's directory can't be listed", error)),
        };
        self.index.renew(lock)?;
        self.holder.look_at_others()?;
        let mut gone = Vec::new();
        // A directory that can't be read on is read as far as it can.
        for name in files.map_while(|file| file.ok()).map(|file| file.file_name()) {
            let Some((hash, extension)) = name.to_str().and_then(KeyHash::of_name) else { continue };
            let path = dir.join(&name);
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let recorded = self.index.get(hash).is_some_and(|entry| entry.extension == extension);
            if metadata.is_dir() || self.holder.is_held(hash) || !(recorded || is_settled(&metadata)) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => *freed += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    failed.get_or_insert_with(|| Error::file(&path, "the file can't be removed from the file cache", error));
                    continue;
                }
            }
            if recorded {
                gone.push(hash);
            }
        }
        self.index.remove(&gone)
    }

    /// Takes out of the index what is not on disk.
    fn forget_missing(&mut self) -> Result<()> {
        let lock = self.lock.exclusive()?;
        self.index.renew(&lock)?;
        let missing = |path: &Path| std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let entries = self.index.iter().filter(|(hash, entry)| missing(&self.path(*hash, *entry)));
        let missing: Vec<KeyHash> = entries.map(|(hash, _)| hash).collect();
        self.index.remove(&missing)
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

/// When a file was last used.
fn used(metadata: &Metadata) -> SystemTime {
    metadata.accessed().or_else(|_| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn is_settled(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age >= SETTLED)
}
