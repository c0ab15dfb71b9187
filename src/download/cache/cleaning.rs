//! Removing what isn't needed: what was released, all that nobody holds, or parts that nobody goes on from.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use super::eviction::{Candidates, used_at};
use super::key::KeyHash;
use super::lock::{Exclusive, Waiting};
use super::parts::{KEPT, is_part_name, parts_in};
use super::sessions::Session;
use super::{FileCache, directory};
use crate::error::{Error, Result};

/// A file that nothing tells of and that is as young may be one that another process is about to record.
const SETTLED: Duration = Duration::from_secs(60);

/// Parts are looked at once in so long by a handle.
const TIDIED: Duration = Duration::from_secs(3600);

/// What waits for the lock where a file is released by itself: what is left undone is done by whoever has it.
const BRIEFLY: Duration = Duration::from_secs(1);

/// What became of it.
#[derive(Default)]
struct Cleaned {
    freed: u64,
    failed: Option<Error>,
}

/// A file that was held.
struct TakenBack {
    /// Another version of it is handed out now.
    is_superseded: bool,
}

impl FileCache {
    /// Takes back one hold of this handle. Returns whether it had one.
    pub(super) fn release_waiting(&self, path: &Path, waiting: &Waiting) -> bool {
        let released = self.take_back(path);
        if let Some(released) = &released {
            self.clean_after(released.is_superseded, waiting);
        }
        released.is_some()
    }

    /// As [`release`](FileCache::release), for files that are released by themselves: it doesn't wait long.
    pub(super) fn release_briefly(&self, paths: &[PathBuf]) {
        let released: Vec<_> = paths.iter().filter_map(|path| self.take_back(path)).collect();
        if !released.is_empty() {
            self.clean_after(
                released.iter().any(|released| released.is_superseded),
                &Waiting::at_most(BRIEFLY),
            );
        }
    }

    /// `None` if this handle doesn't hold it.
    fn take_back(&self, path: &Path) -> Option<TakenBack> {
        let mut state = self.state();
        let hash = state.hash_of(path).filter(|hash| state.holds(*hash))?;
        match state.holder.as_mut().map(|holder| holder.release(hash)) {
            None | Some(Ok(false)) => return Some(TakenBack { is_superseded: false }),
            Some(Ok(true)) => {}
            Some(Err(error)) => {
                warn!(path = %path.display(), %error, "other processes keep a file that was released")
            }
        }
        state.candidates.released(|| used_at(path), hash);
        Some(TakenBack { is_superseded: state.index.superseded().contains(&hash) })
    }

    fn clean_after(&self, superseded: bool, waiting: &Waiting) {
        if superseded {
            self.remove_superseded(waiting);
        }
        self.evict(waiting);
    }

    /// As [`evict`](FileCache::evict), without waiting long.
    pub(crate) fn evict_briefly(&self) {
        self.evict(&Waiting::at_most(BRIEFLY));
    }

    /// Removes what nobody holds. Returns the bytes that were freed.
    pub(super) fn clear_waiting(&self, waiting: &Waiting) -> Result<u64> {
        let mut cleaned = Cleaned::default();
        self.clear_shards(&mut cleaned, waiting)?;
        for part in self.0.parts.all() {
            match self.0.parts.remove(&part) {
                Ok(freed) => cleaned.freed += freed,
                Err(error) => cleaned.failed(self.0.parts.directory(), error),
            }
        }
        self.forget_missing(waiting)?;
        self.state().candidates = Candidates::default();
        self.compact(waiting);
        cleaned.failed.map_or(Ok(cleaned.freed), Err)
    }

    /// Removes parts that nobody resumes, now and then, and files that nothing records. What can't be removed
    /// is reported to the log.
    pub(super) fn tidy(&self, waiting: &Waiting) {
        if self.lock().is_err() {
            return;
        }
        {
            let mut state = self.state();
            if state.tidied.is_some_and(|tidied| tidied.elapsed() < TIDIED) {
                return;
            }
            state.tidied = Some(Instant::now());
        }
        for part in self.0.parts.all().iter().filter(|part| is_older(part.modified, KEPT)) {
            if let Err(error) = self.0.parts.remove(part) {
                warn!(dir = %self.0.dir.display(), %error, "a part that nobody goes on from can't be removed from the file cache");
            }
        }
        if let Err(error) = self.sweep(waiting) {
            warn!(dir = %self.0.dir.display(), %error, "files that nothing records can't be removed from the file cache");
        }
    }

    fn clear_shards(&self, cleaned: &mut Cleaned, waiting: &Waiting) -> Result<()> {
        for shard in 0..=u8::MAX {
            let shard = self.0.dir.join(format!("{shard:02x}"));
            match directory::check(&shard) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    cleaned.failed(&shard, error);
                    continue;
                }
                Ok(()) => {}
            }
            // Parts of before they had a directory of their own.
            for part in parts_in(&shard, is_part_name) {
                match self.0.parts.remove(&part) {
                    Ok(freed) => cleaned.freed += freed,
                    Err(error) => cleaned.failed(&shard, error),
                }
            }
            let mut session = self.exclusive(waiting)?;
            session.look_at_others()?;
            session.clear_shard(&shard, cleaned)?;
        }
        Ok(())
    }

    /// Takes out of the index what is not on disk.
    fn forget_missing(&self, waiting: &Waiting) -> Result<()> {
        let mut session = self.exclusive(waiting)?;
        let state = &mut *session.state;
        let missing = |path: PathBuf| {
            std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let entries = state.index.iter().filter(|(hash, entry)| missing(state.path(*hash, *entry)));
        let missing: Vec<KeyHash> = entries.map(|(hash, _)| hash).collect();
        state.index.remove(&missing)
    }
}

impl Session<'_, Exclusive> {
    fn clear_shard(&mut self, shard: &Path, cleaned: &mut Cleaned) -> Result<()> {
        let files = std::fs::read_dir(shard)
            .map_err(|error| Error::file(shard, "the file cache's directory can't be listed", error))?;
        let state = &mut *self.state;
        let mut gone = Vec::new();
        // A directory that can't be read on is read as far as it can.
        for name in files.map_while(|file| file.ok()).map(|file| file.file_name()) {
            let Some((hash, extension)) = name.to_str().and_then(KeyHash::of_name) else { continue };
            let path = shard.join(&name);
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            let recorded = state.index.get(hash).is_some_and(|entry| entry.extension == extension);
            if metadata.is_dir() || state.is_held(hash) || !(recorded || is_settled(&metadata)) {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => cleaned.freed += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    cleaned.failed(&path, error);
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

impl Cleaned {
    /// The first failure is told.
    fn failed(&mut self, path: &Path, error: io::Error) {
        self.failed.get_or_insert_with(|| {
            Error::file(path, "what is there can't be removed from the file cache", error)
        });
    }
}

fn is_settled(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|modified| is_older(modified, SETTLED))
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|since| since >= age)
}
