//! Removes what isn't needed: released files, all files without a lease, and abandoned part files.

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

/// An unrecorded file that is younger than this may be one that another process is about to record.
const SETTLED: Duration = Duration::from_secs(60);

/// Minimum time between two clean-ups of part files by one handle.
const TIDIED: Duration = Duration::from_secs(3600);

/// How long an automatic release waits for the lock. Whoever holds the lock does the rest of the work.
const BRIEFLY: Duration = Duration::from_secs(1);

/// The result of a clean-up.
#[derive(Default)]
struct Cleaned {
    freed: u64,
    failed: Option<Error>,
}

/// The result of releasing a lease.
struct TakenBack {
    /// There is a newer version of the file.
    is_superseded: bool,
}

impl FileCache {
    /// Releases one lease of this handle. Returns whether it had one.
    pub(super) fn release_waiting(&self, path: &Path, waiting: &Waiting) -> bool {
        let released = self.take_back(path);
        if let Some(released) = &released {
            self.clean_after(released.is_superseded, waiting);
        }
        released.is_some()
    }

    /// Works as [`release`](FileCache::release), for files that are released automatically: it doesn't wait
    /// long.
    pub(super) fn release_briefly(&self, paths: &[PathBuf]) {
        let released: Vec<_> = paths.iter().filter_map(|path| self.take_back(path)).collect();
        if !released.is_empty() {
            self.clean_after(
                released.iter().any(|released| released.is_superseded),
                &Waiting::at_most(BRIEFLY),
            );
        }
    }

    /// Returns `None` if this handle holds no lease on it.
    fn take_back(&self, path: &Path) -> Option<TakenBack> {
        let mut state = self.state();
        let hash = state.hash_of(path).filter(|hash| state.holds(*hash))?;
        match state.holder.as_mut().map(|holder| holder.release(hash)) {
            None | Some(Ok(false)) => return Some(TakenBack { is_superseded: false }),
            Some(Ok(true)) => {}
            Some(Err(error)) => {
                warn!(path = %path.display(), %error, "the lease on a released file can't be removed: other processes may keep the file")
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

    /// Works as [`evict`](FileCache::evict), without waiting long.
    pub(crate) fn evict_briefly(&self) {
        self.evict(&Waiting::at_most(BRIEFLY));
    }

    /// Removes all files without a lease. Returns the number of freed bytes.
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

    /// Removes abandoned part files and unrecorded files, at most once an hour. Failures are logged.
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
                warn!(dir = %self.0.dir.display(), %error, "an abandoned part file can't be removed from the file cache");
            }
        }
        if let Err(error) = self.sweep(waiting) {
            warn!(dir = %self.0.dir.display(), %error, "unrecorded files can't be removed from the file cache");
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
            // Older versions stored the part files in the shards.
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

    /// Removes the entries of missing files from the index.
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
        // If reading the directory fails midway, the names read so far are used.
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
    /// Keeps the first failure.
    fn failed(&mut self, path: &Path, error: io::Error) {
        self.failed
            .get_or_insert_with(|| Error::file(path, "it can't be removed from the file cache", error));
    }
}

fn is_settled(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|modified| is_older(modified, SETTLED))
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|since| since >= age)
}
