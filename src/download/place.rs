//! Where a download's target stands, and its part meanwhile: names, locks, and the note that tells what the part is of.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::checksum::Checksum;
use super::entity::Entity;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::file_cache::default_key;

/// Version of the note's format.
const FORMAT: u32 = 1;

/// Where a file is to stand, and where its part does meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) target: PathBuf,
    part: PathBuf,
    /// Beside the part: which state of the file it is of. A part without one is of no use.
    note: PathBuf,
    watch: Option<Watch>,
}

/// A part that is locked.
pub(super) struct Claimed {
    pub(super) file: File,
    /// Bytes of it that can be resumed; then the file is at its end.
    pub(super) length: u64,
    /// What it is of.
    pub(super) entity: Option<Entity>,
    /// There is a note.
    pub(super) noted: bool,
}

#[derive(Serialize, Deserialize)]
struct Note {
    format: u32,
    #[serde(flatten)]
    entity: Entity,
}

impl Place {
    /// The same target and URL (but for its signature) have the same part, whichever process downloads it.
    ///
    /// # Errors
    /// Where the target is no path of a file.
    pub(super) fn new(target: PathBuf, url: &str) -> Result<Self> {
        let wrong = |what: &str| Error::invalid_input(format!("download: `to`: {}: {what}", target.display()));
        let Some(name) = target.file_name() else { return Err(wrong("it is not the path of a file")) };
        if target.is_dir() {
            return Err(wrong("it is a directory: give the path of a file"));
        }
        let url = default_key(url);
        let digest = Sha256::new().chain_update(name.as_encoded_bytes()).chain_update([0]).chain_update(url).finalize();
        let key: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let beside = |ending: &str| target.with_file_name(format!(".{key}.{ending}"));
        Ok(Place { part: beside("part"), note: beside("part.json"), watch: None, target })
    }

    /// Where a cache has it: the part in another directory of the same file system, and watched.
    pub(super) fn in_cache(mut self, parts: &Path, watch: Watch) -> Self {
        for path in [&mut self.part, &mut self.note] {
            if let Some(name) = path.file_name() {
                *path = parts.join(name);
            }
        }
        self.watch = Some(watch);
        self
    }

    /// Bytes that another download has brought so far.
    pub(super) fn part_size(&self) -> u64 {
        std::fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// What tells whether the target has become another file meanwhile.
    pub(super) fn target_state(&self) -> Option<(u64, Option<std::time::SystemTime>)> {
        let metadata = std::fs::metadata(&self.target).ok()?;
        Some((metadata.len(), metadata.modified().ok()))
    }

    pub(super) fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::file(&self.target, what, error)
    }

    /// Opens the part of the file, or begins one; `None` if another download has it.
    pub(super) fn claim(&self) -> Result<Option<Claimed>> {
        let file = loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&self.part);
            let file = file.map_err(|error| self.failed("it can't be written", error))?;
            match fs4::FileExt::try_lock(&file) {
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => return Ok(None),
                Err(fs4::TryLockError::Error(error)) => return Err(self.failed("its part can't be locked", error)),
            }
            // Who had it may have given it its name, or removed it, before it was locked here.
            if is_at(&file, &self.part) {
                break file;
            }
        };
        let unreadable = |error| self.failed("its part can't be read", error);
        let length = file.metadata().map_err(unreadable)?.len();
        let note = std::fs::read(&self.note).ok();
        let mut claimed = Claimed { file, length: 0, entity: None, noted: note.is_some() };
        let note = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok()).filter(|note| note.format == FORMAT);
        let entity = note.map(|note| note.entity).filter(|entity| length > 0 && entity.size.is_none_or(|size| length <= size));
        match entity {
            Some(_) => {
                claimed.length = length;
                claimed.file.seek(SeekFrom::End(0)).map_err(unreadable)?;
            }
            None if length > 0 || claimed.noted => {
                self.empty(&claimed.file)?;
                claimed.noted = false;
            }
            None => {}
        }
        claimed.entity = entity;
        Ok(Some(claimed))
    }

    /// Notes what the part is of.
    pub(super) fn note(&self, entity: &Entity) -> io::Result<()> {
        let note = Note { format: FORMAT, entity: entity.clone() };
        std::fs::write(&self.note, serde_json::to_vec(&note)?)
    }

    /// Takes away what is there: first the bytes, then what they are of.
    pub(super) fn empty(&self, mut file: &File) -> Result<()> {
        let mut empty = || -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            absent(std::fs::remove_file(&self.note))
        };
        empty().map_err(|error| self.failed("its part can't be emptied", error))
    }

    /// Gives the part the target's name.
    pub(super) fn name(&self, file: &File, durable: bool) -> Result<()> {
        let name = || -> io::Result<()> {
            if durable {
                file.sync_all()?;
            }
            if let Some(watch) = &self.watch {
                watch.named(file);
            }
            std::fs::rename(&self.part, &self.target)?;
            if durable && let Some(directory) = self.target.parent() {
                sync_directory(directory)?;
            }
            Ok(())
        };
        name().map_err(|error| self.failed("it can't be given its name", error))?;
        // One that is left behind is no harm: without its part it means nothing.
        let _ = std::fs::remove_file(&self.note);
        Ok(())
    }

    /// Removes the part and its note.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_file(&self.part);
        let _ = std::fs::remove_file(&self.note);
    }

    /// Whether the file that another download brought is the one that is expected.
    pub(super) fn is_as_expected(&self, size: Option<u64>, checksum: Option<&Checksum>) -> bool {
        let check = || -> io::Result<bool> {
            let file = File::open(&self.target)?;
            if size.is_some_and(|size| file.metadata().is_ok_and(|metadata| metadata.len() != size)) {
                return Ok(false);
            }
            let Some(checksum) = checksum else { return Ok(true) };
            let mut hasher = checksum.hasher();
            hasher.read(file)?;
            Ok(checksum.problem(hasher).is_none())
        };
        check().unwrap_or(false)
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let of = |file: File| same_file::Handle::from_file(file).ok();
    let (Ok(file), Ok(there)) = (file.try_clone(), same_file::Handle::from_path(path)) else { return false };
    of(file).is_some_and(|file| file == there)
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// So that the name itself outlives a power cut. Only Unix opens directories.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true if directory.as_os_str().is_empty() => File::open(".")?.sync_all(),
        true => File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}
