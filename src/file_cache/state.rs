//! What a handle knows and does: index, holds and candidates for eviction together, each change under the cache's lock.

use std::fs::{File, FileTimes, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::warn;

use super::CacheStatistics;
use super::eviction::{Candidates, Limits};
use super::holds::{CacheLock, Holder, Locked};
use super::index::{Entry, Index};
use super::key::{CacheKey, KeyHash};
use crate::error::{Error, Result};

/// Where the cache keeps what isn't a downloaded file.
const CONTROL: &str = ".cache";

pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) limits: Limits,
    pub(super) lock: CacheLock,
    pub(super) index: Index,
    pub(super) holder: Holder,
    pub(super) candidates: Candidates,
    pub(super) evicted: u64,
    hits: u64,
    misses: u64,
}

impl State {
    /// A new handle's.
    pub(super) fn open(dir: PathBuf, limits: Limits) -> Result<Self> {
        let control = dir.join(CONTROL);
        let holders = control.join("holders");
        make_directory(&holders)?;
        let lock = CacheLock::new(control.join("lock"));
        let mut index = Index::new(control.join("index"));
        let locked = shared(&lock, &mut index)?;
        let holder = Holder::new(holders, &locked)?;
        let candidates = Candidates::default();
        Ok(State { dir, limits, lock, index, holder, candidates, evicted: 0, hits: 0, misses: 0 })
    }

    pub(super) fn hit(&mut self, key: &CacheKey) -> Result<Option<PathBuf>> {
        let path = match self.known(key.hash)? {
            true => self.hand_out(key.hash)?,
            false => None,
        };
        match &path {
            Some(path) => {
                self.hits += 1;
                touch(path);
            }
            None => {
                self.misses += 1;
                make_directory(&self.dir.join(key.hash.shard()))?;
            }
        }
        Ok(path)
    }

    pub(super) fn hit_again(&mut self, key: &CacheKey) -> Result<Option<PathBuf>> {
        // Told as missing, it turns out to be there, or is missing still.
        self.misses = self.misses.saturating_sub(1);
        self.hit(key)
    }

    fn known(&mut self, hash: KeyHash) -> Result<bool> {
        if self.index.get(hash).is_none() {
            // Another process may have added it.
            let _lock = shared(&self.lock, &mut self.index)?;
        }
        Ok(self.index.get(hash).is_some())
    }

    /// Holds the file, where it is as the index says. Where it isn't, its entry goes.
    fn hand_out(&mut self, hash: KeyHash) -> Result<Option<PathBuf>> {
        {
            // What this handle holds already, nobody removes meanwhile.
            let _lock = if self.holder.holds(hash) { None } else { Some(self.lock.shared()?) };
            if let Some(path) = self.hold_intact(hash)? {
                return Ok(Some(path));
            }
        }
        // Another process may have put another file in its place: only the lock makes it sure that it is recorded.
        let lock = self.lock.exclusive()?;
        self.index.renew(&lock)?;
        if let Some(path) = self.hold_intact(hash)? {
            return Ok(Some(path));
        }
        if self.index.get(hash).is_some() {
            self.index.remove(&[hash])?;
        }
        Ok(None)
    }

    /// First it is held, then looked at: from then on it stays. Whoever calls has the cache's lock, unless it is held.
    fn hold_intact(&mut self, hash: KeyHash) -> Result<Option<PathBuf>> {
        let Some(entry) = self.index.get(hash) else { return Ok(None) };
        let (path, size) = (self.path(hash, entry), entry.size);
        self.holder.hold(hash)?;
        if is_intact(&path, size) {
            return Ok(Some(path));
        }
        if self.holder.release(hash) {
            self.holder.tell_released(hash)?;
        }
        Ok(None)
    }

    pub(super) fn added(&mut self, key: &CacheKey, size: u64) -> Result<PathBuf> {
        let path = key.hash.path(&self.dir, &key.extension);
        {
            let _lock = shared(&self.lock, &mut self.index)?;
            self.holder.hold(key.hash)?;
            let recorded = match is_intact(&path, size) {
                true => self.index.add(key.hash, &key.extension, size),
                false => {
                    let error = io::Error::new(io::ErrorKind::NotFound, format!("there is no file of {size} bytes"));
                    Err(Error::file(&path, "the downloaded file was removed or changed meanwhile: download it again", error))
                }
            };
            if let Err(error) = recorded {
                if self.holder.release(key.hash) {
                    // At worst the others take it for held.
                    let _ = self.holder.tell_released(key.hash);
                }
                return Err(error);
            }
        }
        touch(&path);
        self.candidates.added();
        self.evict();
        self.compact();
        Ok(path)
    }

    pub(super) fn release(&mut self, path: &Path) -> bool {
        let Some(hash) = self.hash_of(path).filter(|hash| self.holder.holds(*hash)) else { return false };
        if self.holder.release(hash) {
            self.candidates.released();
            let told = self.lock.shared().and_then(|_lock| self.holder.tell_released(hash));
            if let Err(error) = told {
                warn!(path = %path.display(), %error, "other processes keep a file that was released");
            }
        }
        true
    }

    pub(super) fn statistics(&mut self) -> CacheStatistics {
        if let Err(error) = shared(&self.lock, &mut self.index) {
            warn!(dir = %self.dir.display(), %error, "the file cache's statistics are as they were last known");
        }
        CacheStatistics {
            files: self.index.files(),
            bytes: u64::try_from(self.index.bytes()).unwrap_or(u64::MAX),
            hits: self.hits,
            misses: self.misses,
            evicted: self.evicted,
            held: self.holder.count(),
        }
    }

    /// Keeps the journal from growing for ever. A failure costs space only.
    pub(super) fn compact(&mut self) {
        if !self.index.is_wasteful() {
            return;
        }
        let compacted = self.lock.exclusive().and_then(|lock| {
            self.index.renew(&lock)?;
            // Another process may have been faster.
            if self.index.is_wasteful() { self.index.compact(&lock) } else { Ok(()) }
        });
        if let Err(error) = compacted {
            warn!(dir = %self.dir.display(), %error, "the file cache's index can't be made smaller");
        }
    }

    pub(super) fn path(&self, hash: KeyHash, entry: Entry<'_>) -> PathBuf {
        hash.path(&self.dir, entry.extension)
    }

    /// The hash of a path that was handed out.
    fn hash_of(&self, path: &Path) -> Option<KeyHash> {
        let (hash, extension) = KeyHash::of_name(path.file_name()?.to_str()?)?;
        (hash.path(&self.dir, extension) == path).then_some(hash)
    }
}

/// The shared lock, with an index that is up to date.
fn shared(lock: &CacheLock, index: &mut Index) -> Result<Locked> {
    let locked = lock.shared()?;
    if index.refresh()? {
        return Ok(locked);
    }
    // Else it would wait for itself.
    drop(locked);
    index.renew(&lock.exclusive()?)?;
    let locked = lock.shared()?;
    index.refresh()?;
    Ok(locked)
}

fn make_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| Error::file(path, "the file cache's directory can't be created", error))
}

/// A file that exists may still have been cut by a power loss.
fn is_intact(path: &Path, size: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

/// Tells every process that the file is in use, on file systems too that don't note it by themselves. A file whose times
/// can't be set is only evicted earlier.
fn touch(path: &Path) {
    let _ = open_for_times(path).and_then(|file| file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
}

fn open_for_times(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // FILE_WRITE_ATTRIBUTES: times are set by it, and the content can't be.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::access_mode(&mut options, 0x0100);
    options.open(path)
}
