//! The state of a handle: index, leases and candidates for eviction. Code that locks it must not wait for
//! other processes meanwhile.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::eviction::Candidates;
use super::file_record::{Agreement, Expected, stamp};
use super::index::Index;
use super::journal_line::Entry;
use super::key::KeyHash;
use super::leases::LeaseTable;
use super::{CacheStatistics, directory};
use crate::error::{Error, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::plain_file::open_own;

/// A new file whose access time is older than this gets the current time as its access time.
const MAX_ACCESS_AGE: Duration = Duration::from_secs(10);

pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) index: Index,
    /// `None` if the cache can't be written: then there are no leases.
    pub(super) leases: Option<LeaseTable>,
    pub(super) candidates: Candidates,
    /// When orphans were last looked for.
    pub(super) orphans_removed_at: Option<Instant>,
    pub(super) evicted: u64,
}

/// The result of a lookup.
pub(super) enum Lookup {
    /// The file exists, and a lease on it was taken. If it isn't verified, it is unknown whether it has the
    /// expected digest.
    Here {
        path: PathBuf,
        bytes: u64,
        is_verified: bool,
    },
    /// The file doesn't match what is expected.
    Contradicts,
    /// The file differs from its entry in the index.
    Damaged(KeyHash),
    Missing,
}

impl State {
    pub(super) fn new(dir: PathBuf, index: Index) -> Self {
        State {
            dir,
            index,
            leases: None,
            candidates: Candidates::default(),
            orphans_removed_at: None,
            evicted: 0,
        }
    }

    /// Takes a lease on the newest version of a file, if it is valid. The lease is taken before the check:
    /// from then on the file stays. The caller must hold the cache's lock, unless this handle [already has a
    /// lease](State::is_newest_leased_here).
    pub(super) fn look(&mut self, base: KeyHash, expected: &Expected) -> Result<Lookup> {
        let Some((hash, entry)) = self.index.newest(base) else { return Ok(Lookup::Missing) };
        let (path, bytes) = (self.path(hash, entry), entry.size);
        if let Some(leases) = &mut self.leases {
            leases.acquire(hash)?;
        }
        let looked = self.look_leased(hash, path, bytes, expected);
        if !matches!(looked, Ok(Lookup::Here { .. }))
            && let Some(leases) = &mut self.leases
        {
            leases.release(hash)?;
        }
        looked
    }

    fn look_leased(&self, hash: KeyHash, path: PathBuf, bytes: u64, expected: &Expected) -> Result<Lookup> {
        let Some((file, metadata)) = self.open_intact(hash, &path, bytes)? else {
            return Ok(Lookup::Damaged(hash));
        };
        let agreement = self.agreement(hash, bytes, &metadata, expected);
        if agreement == Agreement::Contradicts {
            return Ok(Lookup::Contradicts);
        }
        touch(&file);
        Ok(Lookup::Here { path, bytes, is_verified: agreement == Agreement::Agrees })
    }

    /// Returns whether this handle has a lease on the newest version that it knows: then it can't be removed.
    pub(super) fn is_newest_leased_here(&self, base: KeyHash) -> bool {
        self.index.newest(base).is_some_and(|(hash, _)| self.is_leased_here(hash))
    }

    fn agreement(&self, hash: KeyHash, bytes: u64, metadata: &Metadata, expected: &Expected) -> Agreement {
        if expected.digest.is_none() && expected.size.is_none_or(|size| size == bytes) {
            return Agreement::Agrees;
        }
        expected.agreement(bytes, &self.index.file_record(hash, stamp(metadata)))
    }

    /// Opens a file of the cache if it has this many bytes: a file may have been truncated by a power loss.
    /// `None` if it doesn't exist, is another file, or isn't the cache's.
    ///
    /// # Errors
    /// Returns an error if this can't be determined.
    pub(super) fn open_intact(
        &self,
        hash: KeyHash,
        path: &Path,
        bytes: u64,
    ) -> Result<Option<(File, Metadata)>> {
        let open = || -> io::Result<Option<(File, Metadata)>> {
            directory::check(&self.dir.join(hash.shard()))?;
            let file = open_own(path, &mut for_times())?;
            let metadata = file.metadata()?;
            Ok((metadata.len() == bytes).then_some((file, metadata)))
        };
        match open() {
            Err(error) if is_of_the_file(&error) => Ok(None),
            opened => {
                opened.map_err(|error| Error::file(path, "the file can't be opened in the file cache", error))
            }
        }
    }

    /// Returns the metadata of a file that was just stored at `path`, if it is still there. The file counts
    /// as used now.
    pub(super) fn metadata_of_new(&self, path: &Path, id: FileId, bytes: u64) -> Option<Metadata> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        if FileId::of(&metadata) != Some(id) || metadata.len() != bytes {
            return None;
        }
        // A resumed file may be older.
        if !metadata.accessed().is_ok_and(is_recent) {
            touch(&open_own(path, &mut for_times()).ok()?);
        }
        Some(metadata)
    }

    pub(super) fn is_leased_here(&self, hash: KeyHash) -> bool {
        self.leases.as_ref().is_some_and(|leases| leases.is_leased_here(hash))
    }

    /// Returns whether any handle has a lease on it, as of the last look at the others.
    pub(super) fn is_leased(&self, hash: KeyHash) -> bool {
        self.leases.as_ref().is_some_and(|leases| leases.is_leased(hash))
    }

    pub(super) fn statistics(&self) -> CacheStatistics {
        CacheStatistics {
            files: self.index.files(),
            bytes: u64::try_from(self.index.bytes()).unwrap_or(u64::MAX),
            evicted: self.evicted,
            held: self.leases.as_ref().map_or(0, LeaseTable::count),
            ..CacheStatistics::default()
        }
    }

    pub(super) fn path(&self, hash: KeyHash, entry: Entry<'_>) -> PathBuf {
        hash.path(&self.dir, entry.extension)
    }

    /// Returns the hash of a path in the cache.
    pub(super) fn hash_of(&self, path: &Path) -> Option<KeyHash> {
        let (hash, extension) = KeyHash::of_name(path.file_name()?.to_str()?)?;
        (hash.path(&self.dir, extension) == path).then_some(hash)
    }
}

/// Sets the access time, so that every process sees that the file is in use, even if the file system doesn't
/// record accesses. If it can't be set, the file is only evicted earlier.
pub(super) fn touch(file: &File) {
    let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
}

/// Returns whether the access time is recent enough for the order of eviction.
fn is_recent(accessed: SystemTime) -> bool {
    SystemTime::now().duration_since(accessed).is_ok_and(|since| since < MAX_ACCESS_AGE)
}

/// Returns whether an error is caused by the file itself, and not by a limit of this process, such as the
/// number of open files.
fn is_of_the_file(error: &io::Error) -> bool {
    let is_refused = error.raw_os_error().is_none();
    is_refused || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn for_times() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    // FILE_WRITE_ATTRIBUTES: allows setting times, but not writing the content.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::access_mode(&mut options, 0x0180);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_errors_are_not_damage() {
        for damage in [
            io::Error::other("it is a symbolic link"),
            io::ErrorKind::NotFound.into(),
            io::Error::from_raw_os_error(2),
        ] {
            assert!(is_of_the_file(&damage), "{damage:?}");
        }
        // EMFILE, EACCES, EIO: the file may be intact.
        for raw in [24, 13, 5] {
            assert!(!is_of_the_file(&io::Error::from_raw_os_error(raw)), "{raw}");
        }
    }
}
