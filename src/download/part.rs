//! A file on its way: under a temporary name beside its own, which it gets when all of it is there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::checksum::{Checksum, Hasher};
use super::entity::Entity;
use crate::blocking::blocking;
use crate::error::{Error, ErrorKind, Result};
use crate::file_cache::default_key;

/// Bytes that are gathered before they are written at once.
const BATCH: usize = 1 << 20;

/// Version of the note's format.
const FORMAT: u32 = 1;

/// Where a file is to stand, and where its part does meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) target: PathBuf,
    part: PathBuf,
    /// Beside the part: which state of the file it is of. A part without one is of no use.
    note: PathBuf,
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
        Ok(Place { part: beside("part"), note: beside("part.json"), target })
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

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::file(&self.target, what, error)
    }
}

/// The part of a file that is there, locked for as long as this lives.
pub(super) struct Part {
    place: Place,
    entity: Option<Entity>,
    checksum: Option<Checksum>,
    /// Bytes that are written, or being written.
    written: u64,
    batch: Vec<Bytes>,
    gathered: usize,
    writer: Slot,
}

/// Writes go on while the next bytes are received.
enum Slot {
    Here(Box<Writer>),
    Away(JoinHandle<Result<Box<Writer>>>),
    /// A write failed.
    Gone,
}

impl Part {
    /// Takes up the part of a file, or begins one; nothing where another download has it.
    pub(super) async fn open(place: Place, checksum: Option<Checksum>) -> Result<Option<Self>> {
        let opened = blocking(move || Writer::open(place)).await??;
        let Some((mut writer, entity)) = opened else { return Ok(None) };
        if let Some(checksum) = &checksum {
            let mut hasher = checksum.hasher();
            let mut hashed = 0;
            // Piece by piece, so that a download that is given up doesn't go on.
            while hashed < writer.written {
                (writer, hasher, hashed) = blocking(move || writer.hash_on(hasher, hashed)).await??;
            }
            writer.hasher = Some(hasher);
        }
        let (place, written) = (writer.place.clone(), writer.written);
        Ok(Some(Part { place, entity, checksum, written, batch: Vec::new(), gathered: 0, writer: Slot::Here(writer) }))
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.written + self.gathered as u64
    }

    pub(super) fn entity(&self) -> Option<&Entity> {
        self.entity.as_ref()
    }

    /// Whether what is there can be gone on from: it is known which state of the file it is of, or the whole's digest is.
    pub(super) fn is_resumable(&self) -> bool {
        self.entity.as_ref().is_some_and(|entity| entity.if_range().is_some() || self.checksum.is_some())
    }

    /// Begins anew, with nothing, for this state of the file.
    pub(super) async fn begin(&mut self, entity: Option<Entity>) -> Result<()> {
        self.batch.clear();
        self.gathered = 0;
        let mut writer = self.writer().await?;
        writer.hasher = self.checksum.as_ref().map(Checksum::hasher);
        self.entity = entity.clone();
        // A file that is new has nothing to be taken away.
        if self.written > 0 || writer.noted {
            writer = blocking(move || writer.empty().map(|()| writer)).await??;
        }
        writer.keeps = self.is_resumable();
        writer.entity = entity;
        self.written = 0;
        self.writer = Slot::Here(writer);
        Ok(())
    }

    /// The bytes that follow.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered += bytes.len();
        self.batch.push(bytes);
        if self.gathered >= BATCH { self.write().await } else { Ok(()) }
    }

    /// Begins to write what is gathered, when what was gathered before is written.
    async fn write(&mut self) -> Result<()> {
        let mut writer = self.writer().await?;
        let batch = std::mem::take(&mut self.batch);
        self.written += std::mem::take(&mut self.gathered) as u64;
        self.writer = Slot::Away(tokio::task::spawn_blocking(move || writer.write(&batch).map(|()| writer)));
        Ok(())
    }

    /// The writer, when it is back; its place is empty until it is put there again.
    async fn writer(&mut self) -> Result<Box<Writer>> {
        if let Slot::Away(handle) = &mut self.writer {
            // Waited for in its place: who gives up meanwhile loses nothing.
            let back = handle.await;
            self.writer = Slot::Gone;
            let stopped = |_| Error::new(ErrorKind::Interrupted, "the runtime was shut down while a file was written");
            return back.map_err(stopped)?;
        }
        match std::mem::replace(&mut self.writer, Slot::Gone) {
            Slot::Here(writer) => Ok(writer),
            _ => Err(Error::new(ErrorKind::File, format!("{}: an earlier write failed", self.place.target.display()))),
        }
    }

    /// Keeps what is there, so that another download goes on from it. Tells how many bytes that are.
    pub(super) async fn keep(mut self) -> u64 {
        if !self.is_resumable() || self.len() == 0 {
            return 0;
        }
        if self.gathered > 0 && self.write().await.is_err() {
            return 0;
        }
        match self.writer().await {
            Ok(writer) => writer.written,
            Err(_) => 0,
        }
    }

    /// Gives the file its name, all of it being there.
    ///
    /// # Errors
    /// Where its digest is another than it should be: then what is there is of no use, and goes.
    pub(super) async fn finish(mut self, durable: bool) -> Result<()> {
        let mut writer = self.writer().await?;
        let batch = std::mem::take(&mut self.batch);
        let checksum = self.checksum.take();
        blocking(move || {
            // Nobody goes on from a part that is renamed at once.
            writer.noted |= writer.written == 0 && !batch.is_empty();
            writer.write(&batch)?;
            if let (Some(checksum), Some(hasher)) = (checksum, writer.hasher.take())
                && let Some(problem) = checksum.problem(hasher)
            {
                writer.discard();
                return Err(Error::new(ErrorKind::Download, problem));
            }
            writer.name(durable)
        })
        .await?
    }
}

/// What writes, on a thread where it may block.
struct Writer {
    place: Place,
    file: File,
    written: u64,
    hasher: Option<Hasher>,
    entity: Option<Entity>,
    /// The note of the entity is written.
    noted: bool,
    /// What is there can be gone on from.
    keeps: bool,
    named: bool,
}

impl Writer {
    fn open(place: Place) -> Result<Option<(Box<Writer>, Option<Entity>)>> {
        let failed = |what: &str, error| place.failed(what, error);
        let file = loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&place.part);
            let file = file.map_err(|error| failed("it can't be written", error))?;
            match fs4::FileExt::try_lock(&file) {
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => return Ok(None),
                Err(fs4::TryLockError::Error(error)) => return Err(failed("its part can't be locked", error)),
            }
            // Who had it may have given it its name, or removed it, before it was locked here.
            if is_at(&file, &place.part) {
                break file;
            }
        };
        let mut writer = Writer { file, written: 0, hasher: None, entity: None, noted: false, keeps: false, named: false, place };
        let place = &writer.place;
        let length = writer.file.metadata().map_err(|error| place.failed("its part can't be read", error))?.len();
        let note = std::fs::read(&place.note).ok();
        writer.noted = note.is_some();
        let note = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok()).filter(|note| note.format == FORMAT);
        let entity = note.map(|note| note.entity).filter(|entity| length > 0 && entity.size.is_none_or(|size| length <= size));
        match &entity {
            Some(_) => {
                writer.written = length;
                writer.keeps = true;
                writer.file.seek(SeekFrom::End(0)).map_err(|error| writer.place.failed("its part can't be read", error))?;
            }
            None if length > 0 || writer.noted => writer.empty()?,
            None => {}
        }
        writer.entity = entity.clone();
        Ok(Some((Box::new(writer), entity)))
    }

    /// Takes another 64 MiB of what is there into the digest.
    fn hash_on(mut self: Box<Self>, mut hasher: Hasher, hashed: u64) -> Result<(Box<Self>, Hasher, u64)> {
        let end = self.written.min(hashed + (64 << 20));
        let mut hash = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(hashed))?;
            hasher.read((&self.file).take(end - hashed))?;
            self.file.seek(SeekFrom::End(0)).map(drop)
        };
        hash().map_err(|error| self.place.failed("its part can't be read", error))?;
        Ok((self, hasher, end))
    }

    fn write(&mut self, batch: &[Bytes]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut write = || -> io::Result<()> {
            // Before any byte of it: so a part is never taken for one of another state.
            if let (false, Some(entity)) = (self.noted, &self.entity) {
                let note = Note { format: FORMAT, entity: entity.clone() };
                std::fs::write(&self.place.note, serde_json::to_vec(&note)?)?;
                self.noted = true;
            }
            for bytes in batch {
                self.file.write_all(bytes)?;
                self.written += bytes.len() as u64;
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(bytes);
                }
            }
            Ok(())
        };
        write().map_err(|error| self.place.failed("it can't be written", error))
    }

    /// Takes away what is there: first the bytes, then what they are of.
    fn empty(&mut self) -> Result<()> {
        let empty = || -> io::Result<()> {
            self.file.set_len(0)?;
            (&self.file).seek(SeekFrom::Start(0))?;
            absent(std::fs::remove_file(&self.place.note))
        };
        empty().map_err(|error| self.place.failed("its part can't be emptied", error))?;
        (self.written, self.noted) = (0, false);
        Ok(())
    }

    /// Nobody is to go on from what is there.
    fn discard(&mut self) {
        self.keeps = false;
    }

    fn name(mut self, durable: bool) -> Result<()> {
        let name = || -> io::Result<()> {
            if durable {
                self.file.sync_all()?;
            }
            std::fs::rename(&self.place.part, &self.place.target)?;
            if durable && let Some(directory) = self.place.target.parent() {
                sync_directory(directory)?;
            }
            Ok(())
        };
        name().map_err(|error| self.place.failed("it can't be given its name", error))?;
        self.named = true;
        // One that is left behind is no harm: without its part it means nothing.
        let _ = std::fs::remove_file(&self.place.note);
        Ok(())
    }
}

/// What nobody can go on from isn't left behind.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named && (!self.keeps || self.written == 0) {
            let _ = std::fs::remove_file(&self.place.part);
            let _ = std::fs::remove_file(&self.place.note);
        }
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

/// Whether a file that another download brought is the one that is expected.
pub(super) fn is_as_expected(path: &Path, size: Option<u64>, checksum: Option<&Checksum>) -> bool {
    let check = || -> io::Result<bool> {
        let file = File::open(path)?;
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
