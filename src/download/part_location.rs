//! Where a download's part is stored until it is renamed to the target: shared with other downloads of the
//! same file under one name and a lock, or private.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fs4::TryLockError;
use sha2::{Digest as _, Sha256};

use super::digest::ExpectedDigest;
use super::entity::Entity;
use super::part_metadata::{self, StoredMetadata};
use super::pending_entry::PendingEntry;
use super::target::{self, TargetState};
use crate::download::cache::default_key;
use crate::error::{Error, ErrorKind, Result, shown_path};
use crate::runtime::plain_file;

/// How often opening a part is retried if it was removed or replaced before it was locked.
const MAX_OPEN_ATTEMPTS: u32 = 16;

type Lock = fn(&File) -> Result<(), TryLockError>;

/// Where a file is to be stored, and where its part is stored meanwhile.
#[derive(Debug, Clone)]
pub(super) struct PartLocation {
    pub(super) target: PathBuf,
    part: PathBuf,
    /// The metadata next to the part: which version of the file it belongs to. A shared part without
    /// metadata is unusable; a private part has none.
    metadata_path: Option<PathBuf>,
    /// Hash of the URL and the target name, in hexadecimal.
    of: String,
    /// What existed at the target when the part was first opened.
    before: Arc<OnceLock<TargetState>>,
    lock: Lock,
    pending_entry: Option<PendingEntry>,
}

/// A part that only this download writes.
pub(super) struct ClaimedPart {
    pub(super) location: PartLocation,
    pub(super) file: File,
    /// Number of bytes that can be resumed. The file position is at the end of them.
    pub(super) length: u64,
    /// The version of the file that the bytes belong to.
    pub(super) entity: Option<Entity>,
}

impl PartLocation {
    /// Returns the location of the part. It depends only on the target and the URL without its signature, so
    /// that all processes use the same part.
    ///
    /// # Errors
    /// Returns an error if the target's path can't be the path of a file.
    pub(super) fn new(target: PathBuf, url: &str) -> Result<Self> {
        if let Some(problem) = plain_file::path_problem(&target) {
            return Err(target::wrong(&target, problem));
        }
        let name = target.file_name().unwrap_or_default();
        let url = default_key(url);
        let digest = Sha256::new()
            .chain_update(name.as_encoded_bytes())
            .chain_update([0])
            .chain_update(url)
            .finalize();
        let of = base16ct::lower::encode_string(&digest);
        let beside = |ending: &str| target.with_file_name(format!(".{}.{ending}", &of[..16]));
        let (part, metadata_path) = (beside("part"), Some(beside("part.json")));
        Ok(PartLocation {
            part,
            metadata_path,
            of,
            before: Arc::default(),
            lock: fs4::FileExt::try_lock,
            pending_entry: None,
            target,
        })
    }

    /// Returns the location in a cache: the part is in another directory of the same file system, and the
    /// cache adds the file when it is renamed.
    pub(super) fn in_cache(mut self, parts: &Path, pending_entry: PendingEntry) -> Self {
        for path in [Some(&mut self.part), self.metadata_path.as_mut()].into_iter().flatten() {
            if let Some(name) = path.file_name() {
                *path = parts.join(name);
            }
        }
        self.pending_entry = Some(pending_entry);
        self
    }

    /// Returns whether another download can resume the part.
    pub(super) fn is_shared(&self) -> bool {
        self.metadata_path.is_some()
    }

    pub(super) fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::file(&self.target, what, error)
    }

    /// Checks whether the target can be a file, and opens its part or creates one; `None` if another download
    /// holds it. Blocks.
    ///
    /// # Errors
    /// Returns an error if no file can be created there.
    pub(super) fn claim(&self) -> Result<Option<ClaimedPart>> {
        let target_state = target::look(&self.target)?;
        self.before.get_or_init(|| target_state);
        let (file, length, metadata) = match self.shared() {
            Ok(Some(locked)) => locked,
            Ok(None) => return Ok(None),
            Err(error) => return self.private(&error).map(Some),
        };
        let location = self.clone();
        if let StoredMetadata::Found(Some(entity)) = metadata {
            let at_end = (&file).seek(SeekFrom::End(0));
            at_end.map_err(|error| self.failed("its part file can't be read", error))?;
            return Ok(Some(ClaimedPart { location, file, length, entity: Some(entity) }));
        }
        let has_metadata = matches!(metadata, StoredMetadata::Found(_));
        if (length > 0 || has_metadata)
            && let Err(error) = self.emptied(&file, has_metadata)
        {
            return self.private(&error).map(Some);
        }
        Ok(Some(ClaimedPart { location, file, length: 0, entity: None }))
    }

    /// Opens and locks the shared part; `None` if another download holds it.
    ///
    /// # Errors
    /// Returns an error if it can't be created, if the part or its metadata is a file that isn't ours, or
    /// if the file system has no locks.
    fn shared(&self) -> io::Result<Option<(File, u64, StoredMetadata)>> {
        for _ in 0..MAX_OPEN_ATTEMPTS {
            let (file, made) = match plain_file::create_own(&self.part) {
                Ok(file) => (file, true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let mut options = OpenOptions::new();
                    let opened = plain_file::open_own(&self.part, options.read(true).write(true));
                    let Some(file) = plain_file::if_there(opened)? else { continue };
                    (file, false)
                }
                Err(error) => return Err(error),
            };
            let unusable = |error| {
                if made {
                    self.remove(&file, false);
                }
                Err(error)
            };
            match (self.lock)(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return unusable(error),
            }
            // Its previous owner may have renamed or removed it before it was locked here.
            let Some(metadata) = plain_file::metadata_at(&file, &self.part) else { continue };
            let length = metadata.len();
            let metadata = match self
                .metadata_path
                .as_deref()
                .map_or(Ok(StoredMetadata::Missing), |path| part_metadata::read(path, &self.of, length))
            {
                Ok(metadata) => metadata,
                Err(error) => return unusable(error),
            };
            return Ok(Some((file, length, metadata)));
        }
        Err(io::Error::other("its part file is replaced repeatedly"))
    }

    /// Returns an unpredictable name in the part's directory.
    fn private_path(&self) -> PathBuf {
        self.part.with_file_name(format!(".{}.{:016x}.part", &self.of[..16], fastrand::u64(..)))
    }

    /// Creates a part with an unpredictable name: it needs no lock, and no other download resumes it.
    fn private(&self, why: &io::Error) -> Result<ClaimedPart> {
        let part = self.private_path();
        let file = plain_file::create_own(&part).map_err(|error| target::unfit(&self.target, error))?;
        tracing::debug!(%why, "a download uses a private part file: other downloads can't wait for it or resume it");
        // If the file system has locks, the lock shows that the part is in use.
        let _ = (self.lock)(&file);
        let location = PartLocation { part, metadata_path: None, ..self.clone() };
        Ok(ClaimedPart { location, file, length: 0, entity: None })
    }

    /// Writes the metadata of the part. Returns whether it was written: `false` for a private part, or if
    /// something else has the metadata's name. Then the part can't be resumed.
    pub(super) fn write_metadata(&self, entity: &Entity) -> io::Result<bool> {
        self.metadata_path.as_deref().map_or(Ok(false), |path| part_metadata::write(path, &self.of, entity))
    }

    /// Removes all bytes of the part, and then the metadata, if there is one.
    pub(super) fn empty(&self, file: &File, has_metadata: bool) -> Result<()> {
        self.emptied(file, has_metadata)
            .map_err(|error| self.failed("its part file can't be truncated", error))
    }

    fn emptied(&self, mut file: &File, has_metadata: bool) -> io::Result<()> {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        if has_metadata { self.remove_metadata() } else { Ok(()) }
    }

    /// Renames the part to the target.
    pub(super) fn name(&self, file: &File, has_metadata: bool, fsync: bool) -> Result<()> {
        self.name_one(&self.part, file, fsync)?;
        if has_metadata {
            // Metadata that is left behind does no harm: without its part it is ignored.
            let _ = self.remove_metadata();
        }
        Ok(())
    }

    /// Creates the file that the part is decompressed to, with an unpredictable name.
    pub(super) fn begin_decoded(&self) -> Result<(File, PathBuf)> {
        let path = self.private_path();
        let file =
            plain_file::create_own(&path).map_err(|error| self.failed("it can't be written", error))?;
        // A cache assumes that a part without a lock is not being written.
        let _ = (self.lock)(&file);
        Ok((file, path))
    }

    /// Renames a file next to the target to the target.
    pub(super) fn name_one(&self, path: &Path, file: &File, fsync: bool) -> Result<()> {
        // Another download may own the name by now and have written only half of the file.
        let Some(metadata) = plain_file::metadata_at(file, path) else {
            let message = format!(
                "{}: its part file was removed during the download: download it again",
                shown_path(&self.target)
            );
            return Err(Error::new(ErrorKind::Io, message));
        };
        if fsync {
            file.sync_all().map_err(|error| self.failed("it can't be synced to the disk", error))?;
        }
        let named = match &self.pending_entry {
            Some(pending_entry) => Cow::Owned(pending_entry.commit(path, &metadata)?),
            None => {
                let renamed = std::fs::rename(path, &self.target);
                renamed.map_err(|error| self.failed("its part file can't be renamed to this name", error))?;
                Cow::Borrowed(&*self.target)
            }
        };
        if fsync {
            let what = "the file is complete, but a power cut may still remove it: its directory can't be synced to the disk";
            sync_directory(plain_file::directory(&named)).map_err(|error| self.failed(what, error))?;
        }
        Ok(())
    }

    /// Removes the part, and its metadata, if there is one.
    pub(super) fn remove(&self, file: &File, has_metadata: bool) {
        if has_metadata {
            let _ = self.remove_metadata();
        }
        if plain_file::metadata_at(file, &self.part).is_some() {
            let _ = std::fs::remove_file(&self.part);
        }
    }

    fn remove_metadata(&self) -> io::Result<()> {
        let Some(path) = &self.metadata_path else { return Ok(()) };
        plain_file::if_there(std::fs::remove_file(path)).map(drop)
    }

    /// Returns the size of the part that another download is writing. Blocks.
    pub(super) fn part_size(&self) -> u64 {
        std::fs::symlink_metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// Returns whether the part was opened, or tried to be, before.
    pub(super) fn is_claimed_before(&self) -> bool {
        self.before.get().is_some()
    }

    /// Returns whether the target was replaced since the part was first opened. Blocks.
    pub(super) fn has_changed(&self) -> bool {
        self.before.get().is_some_and(|before| target::target_state(&self.target) != *before)
    }

    /// Returns the size of the file at the target, if it has the expected size and digest. Blocks.
    pub(super) fn as_expected(&self, size: Option<u64>, checksum: Option<&ExpectedDigest>) -> Option<u64> {
        let check = || -> io::Result<Option<u64>> {
            let file = plain_file::open_named(&self.target)?;
            let length = file.metadata()?.len();
            if size.is_some_and(|size| length != size) {
                return Ok(None);
            }
            let Some(checksum) = checksum else { return Ok(Some(length)) };
            let mut hasher = checksum.hasher();
            hasher.read(file)?;
            Ok(Some(length).filter(|_| checksum.problem(hasher).is_none()))
        };
        check().ok().flatten()
    }
}

/// Syncs a directory, so that a file's name survives a power cut. Only Unix can open directories.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn location(target: PathBuf) -> PartLocation {
        PartLocation::new(target, "https://h/x").unwrap()
    }

    /// Returns a location on a file system without locks.
    fn without_locks(target: PathBuf) -> PartLocation {
        PartLocation {
            lock: |_| Err(TryLockError::Error(io::ErrorKind::Unsupported.into())),
            ..location(target)
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn without_locks_each_part_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        let location = without_locks(target.clone());
        let claim = || location.claim().unwrap().expect("no other download holds it");
        let (one, two) = (claim(), claim());
        let left = names(dir.path());
        assert!(
            left.len() == 2 && left.iter().all(|name| name.ends_with(".part") && name.len() > 22),
            "{left:?}"
        );
        let entity: Entity = serde_json::from_str("{\"etag\": \"\\\"y\\\"\"}").unwrap();
        for (claimed, text) in [(&one, "one"), (&two, "two")] {
            assert!(!claimed.location.is_shared() && !claimed.location.write_metadata(&entity).unwrap());
            (&claimed.file).write_all(text.as_bytes()).unwrap();
        }
        one.location.name(&one.file, false, false).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"one");
        two.location.remove(&two.file, false);
        assert_eq!(names(dir.path()), ["x"]);
        assert!(location.has_changed() && !location.clone().claim().unwrap().unwrap().location.is_shared());
    }

    /// A shared part of a process on another machine, which has locks, is kept.
    #[test]
    fn shared_part_stays_without_locks() {
        let dir = tempfile::tempdir().unwrap();
        let shared = location(dir.path().join("x")).claim().unwrap().unwrap();
        let private = without_locks(dir.path().join("x")).claim().unwrap().unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        private.location.remove(&private.file, false);
        shared.location.name(&shared.file, false, false).unwrap();
        assert_eq!(names(dir.path()), ["x"]);
    }

    #[test]
    fn second_claim_waits_for_first() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (location(dir.path().join("x")), location(dir.path().join("x")));
        let claimed = one.claim().unwrap().unwrap();
        (&claimed.file).write_all(b"12345").unwrap();
        assert!(two.claim().unwrap().is_none());
        assert_eq!((two.part_size(), two.has_changed()), (5, false));
        claimed.location.name(&claimed.file, false, false).unwrap();
        drop(claimed);
        let again = two.claim().unwrap().unwrap();
        assert!(two.has_changed());
        again.location.remove(&again.file, false);
        assert_eq!(two.as_expected(Some(5), None), Some(5));
        assert_eq!(two.as_expected(Some(6), None), None);
        let checksum = |text| ExpectedDigest::parse(text).unwrap();
        assert_eq!(two.as_expected(None, Some(&checksum("827ccb0eea8a706c4c34a16891f84e7b"))), Some(5));
        assert_eq!(two.as_expected(None, Some(&checksum("827ccb0eea8a706c4c34a16891f84e7c"))), None);
        assert_eq!(names(dir.path()), ["x"]);
    }

    #[cfg(unix)]
    #[test]
    fn fifo_at_path_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let location = location(dir.path().join("x"));
        let claimed = location.claim().unwrap().unwrap();
        for path in [&location.target, &location.part] {
            let _ = std::fs::remove_file(path);
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        assert_eq!((location.part_size(), location.as_expected(None, None)), (0, None));
        assert!(location.has_changed() && location.claim().is_err());
        assert!(claimed.location.name(&claimed.file, false, false).is_err());
        claimed.location.remove(&claimed.file, false);
        assert_eq!(names(dir.path()).len(), 2, "files other than the part are kept");
    }
}
