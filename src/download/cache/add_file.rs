//! Adds a file to the cache: chooses its path, and records it once it is there.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::file_record::{FileRecord, stamp};
use super::journal_line::{Entry, Version};
use super::key::{CacheKey, KeyHash};
use super::lock::{Exclusive, Waiting};
use super::locked_state::LockedState;
use super::state::{State, touch};
use super::{FileCache, Lease, directory};
use crate::error::redact::redact_url;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::lock::lock;
use crate::runtime::plain_file::if_there;

/// A file to be added to the cache, and its path.
#[derive(Debug, Clone)]
pub(crate) struct NewFile {
    version: Version,
    extension: String,
    variant_of: Option<Box<str>>,
    path: PathBuf,
}

/// The file that was stored there.
#[derive(Debug, Default)]
pub(crate) struct AddedFile {
    pub(crate) bytes: u64,
    pub(crate) id: Option<FileId>,
    /// `None` if another process stored it: then its content isn't known.
    pub(crate) file_record: Option<FileRecord>,
}

/// The file that another download stored no longer exists. A detail of an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileGone;

impl NewFile {
    /// Returns the path of the first version, whatever exists there.
    #[cfg(test)]
    pub(super) fn first_version(cache: &FileCache, key: &CacheKey) -> Self {
        let path = key.hash.path(&cache.0.dir, &key.extension);
        let version = Version { base: key.hash, number: 0 };
        NewFile { version, extension: key.extension.clone(), variant_of: None, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn hash(&self) -> KeyHash {
        self.version.hash()
    }

    /// Returns the path for the next version of the file.
    pub(super) fn next(self, cache: &FileCache) -> Self {
        let version = Version { number: self.version.number.saturating_add(1), ..self.version };
        NewFile { path: version.hash().path(&cache.0.dir, &self.extension), version, ..self }
    }

    /// Returns whether it is the first version.
    pub(crate) fn is_first(&self) -> bool {
        self.version.number == 0
    }
}

impl FileCache {
    /// Returns the path for a file that isn't in the cache. The file must be put there complete, by a rename.
    /// No handle holds a lease on the path.
    ///
    /// # Errors
    /// Returns an error if the cache can't be written, or if the file is larger than the cache's limit.
    pub(crate) fn prepare(&self, key: &CacheKey, bytes: Option<u64>, waiting: &Waiting) -> Result<NewFile> {
        self.lock()?;
        if let (Some(bytes), Some(most)) = (bytes, self.largest_file())
            && bytes > most
        {
            let message = format!(
                "the file is {bytes} bytes long, but the limit of the file cache is {most} bytes (`max_bytes`): raise the limit, or download the file with `to`"
            );
            return Err(Error::new(ErrorKind::BodyLimit, message));
        }
        let mut version = Version { base: key.hash, number: 0 };
        while self.is_taken(version.hash(), &key.extension, waiting)? {
            version.number += 1;
        }
        directory::make(&self.0.dir.join(version.hash().shard()))?;
        let (extension, variant_of) = (key.extension.clone(), key.variant_of.clone());
        let path = version.hash().path(&self.0.dir, &extension);
        Ok(NewFile { version, extension, variant_of, path })
    }

    /// Returns the size of the largest file that may be added, in bytes; `None` if there is no limit.
    pub(crate) fn largest_file(&self) -> Option<u64> {
        Some(self.0.limits.bytes).filter(|bytes| *bytes < u64::MAX)
    }

    /// Returns the directory of the part files.
    pub(crate) fn parts_directory(&self) -> &Path {
        &self.0.parts.directory
    }

    /// Returns whether a name belongs to another version, or to something that must not be replaced.
    fn is_taken(&self, hash: KeyHash, extension: &str, waiting: &Waiting) -> Result<bool> {
        if self.state().index.get(hash).is_some() {
            return Ok(true);
        }
        match std::fs::symlink_metadata(hash.path(&self.0.dir, extension)) {
            Err(_) => Ok(false),
            Ok(metadata) if !metadata.is_file() => Ok(true),
            // The index has lost the file, or another process is about to record it.
            Ok(_) => {
                let locked = self.exclusive_with_leases(waiting)?;
                Ok(locked.state.index.get(hash).is_some() || locked.state.is_leased(hash))
            }
        }
    }

    /// Adds the file that another download stored at its path to the cache. Returns a lease on it.
    ///
    /// # Errors
    /// Returns an error if there is no file of that size at the path ([`FileGone`]), or if the cache can't be
    /// locked, read or written.
    pub(crate) fn add_existing(
        &self,
        new: &NewFile,
        content: &AddedFile,
        waiting: &Waiting,
    ) -> Result<Lease> {
        self.shared(waiting)?.record(new, content)?;
        Ok(self.lease_of(new, content, waiting))
    }

    /// Returns a lease on a file that was recorded. If a limit is exceeded, the least recently used files are
    /// evicted. The previous version is removed if there is no lease on it.
    pub(super) fn lease_of(&self, new: &NewFile, content: &AddedFile, waiting: &Waiting) -> Lease {
        let lease = Lease::new(self.clone(), new.path.clone(), content.bytes);
        if let Some(path) = &new.variant_of
            && lock(&self.0.variants).add(path)
        {
            warn!(
                dir = %self.0.dir.display(),
                url = redact_url(path),
                "many files in the file cache have URLs that differ only in their query: if they are one file, signed again each time, \
                 set `key_by_path` or `key`"
            );
        }
        self.remove_superseded(waiting);
        self.remove_orphans(waiting);
        self.evict(waiting);
        self.compact(waiting);
        lease
    }

    /// Removes superseded versions of files without a lease.
    pub(super) fn remove_superseded(&self, waiting: &Waiting) {
        if self.state().index.superseded.is_empty() {
            return;
        }
        let removed = self.exclusive_with_leases(waiting).and_then(|mut locked| locked.remove_superseded());
        self.log_failure(removed, "superseded versions of files can't be removed from the file cache");
    }

    /// Keeps the journal from growing without bound. A failure only costs disk space.
    pub(super) fn compact(&self, waiting: &Waiting) {
        if !self.state().index.is_wasteful() {
            return;
        }
        let compacted = self.exclusive(waiting).and_then(|mut locked| {
            let LockedState { state, lock } = &mut locked;
            // Another process may have compacted it already.
            if state.index.is_wasteful() { state.index.compact(lock) } else { Ok(()) }
        });
        self.log_failure(compacted, "the file cache's index can't be compacted");
    }
}

impl<L> LockedState<'_, L> {
    /// Takes a lease on the file at its path and records it.
    pub(super) fn record(&mut self, new: &NewFile, content: &AddedFile) -> Result<()> {
        let state = &mut *self.state;
        let hash = new.version.hash();
        if let Some(leases) = &mut state.leases {
            leases.acquire(hash)?;
        }
        let recorded = state.record_leased(new, content);
        match (&recorded, &mut state.leases) {
            (Ok(()), _) => state.candidates.added(),
            // If this fails, the other handles only keep the file for longer.
            (Err(_), Some(leases)) => _ = leases.release(hash),
            (Err(_), None) => {}
        }
        recorded
    }
}

impl State {
    fn record_leased(&mut self, new: &NewFile, content: &AddedFile) -> Result<()> {
        let (hash, entry) = (new.version.hash(), Entry { size: content.bytes, extension: &new.extension });
        let new_one = content.id.and_then(|id| self.metadata_of_new(&new.path, id, content.bytes));
        let target_state = match new_one {
            Some(metadata) => Some(metadata),
            None => self.open_intact(hash, &new.path, content.bytes)?.map(|(file, metadata)| {
                touch(&file);
                metadata
            }),
        };
        // If there is a newer version by now, the file that another download stored is outdated.
        let is_old = content.id.is_none() && self.index.superseded.contains(&hash);
        let Some(metadata) = target_state.filter(|_| !is_old) else {
            let what = format!("there is no file with {} bytes", content.bytes);
            let error = std::io::Error::new(std::io::ErrorKind::NotFound, what);
            let what = "the downloaded file was removed or changed meanwhile: download it again";
            return Err(Error::file(&new.path, what, error).with_detail(FileGone));
        };
        let is_known = self.index.newest(new.version.base) == Some((hash, entry));
        // Another process may have replaced it with its own file.
        let is_own = content.id == FileId::of(&metadata);
        match content.file_record.as_ref().filter(|_| is_own) {
            None if is_known => Ok(()),
            own => {
                let file_record = own.map(|own| own.clone().at(stamp(&metadata))).unwrap_or_default();
                self.index.add(new.version, entry, &file_record)
            }
        }
    }
}

impl LockedState<'_, Exclusive> {
    fn remove_superseded(&mut self) -> Result<()> {
        let state = &mut *self.state;
        let unleased: Vec<KeyHash> =
            state.index.superseded.iter().copied().filter(|hash| !state.is_leased(*hash)).collect();
        let gone = unleased.into_iter().filter(|hash| {
            let path = state.index.get(*hash).map(|entry| state.path(*hash, entry));
            path.is_none_or(|path| if_there(std::fs::remove_file(path)).is_ok())
        });
        let gone: Vec<KeyHash> = gone.collect();
        state.index.remove(&gone)
    }
}
