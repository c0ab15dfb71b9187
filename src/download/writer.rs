//! What writes a download's part, on a thread where it may block.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;

use super::checksum::Hasher;
use super::entity::Entity;
use super::place::Place;
use crate::error::Result;

/// A part that is written. Its methods block.
pub(super) struct Writer {
    pub(super) place: Place,
    file: File,
    pub(super) written: u64,
    pub(super) hasher: Option<Hasher>,
    pub(super) entity: Option<Entity>,
    /// The note of the entity is written.
    pub(super) noted: bool,
    /// What is there can be resumed.
    pub(super) keeps: bool,
    named: bool,
}

impl Writer {
    /// Takes up the part of a file, or begins one; `None` if another download has it.
    pub(super) fn open(place: Place) -> Result<Option<Box<Writer>>> {
        let Some(claimed) = place.claim()? else { return Ok(None) };
        Ok(Some(Box::new(Writer {
            file: claimed.file,
            written: claimed.length,
            hasher: None,
            keeps: claimed.entity.is_some(),
            entity: claimed.entity,
            noted: claimed.noted,
            named: false,
            place,
        })))
    }

    /// Takes another 64 MiB of what is there into the digest.
    pub(super) fn hash_on(mut self: Box<Self>, mut hasher: Hasher, hashed: u64) -> Result<(Box<Self>, Hasher, u64)> {
        let end = self.written.min(hashed + (64 << 20));
        let mut hash = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(hashed))?;
            hasher.read((&self.file).take(end - hashed))?;
            self.file.seek(SeekFrom::End(0)).map(drop)
        };
        hash().map_err(|error| self.place.failed("its part can't be read", error))?;
        Ok((self, hasher, end))
    }

    pub(super) fn write(&mut self, batch: &[Bytes]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut write = || -> io::Result<()> {
            // Before any byte of it: so a part is never taken for one of another state.
            if let (false, Some(entity)) = (self.noted, &self.entity) {
                self.place.note(entity)?;
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

    /// Takes away what is there.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.place.empty(&self.file)?;
        (self.written, self.noted) = (0, false);
        Ok(())
    }

    /// Nobody is to resume what is there.
    pub(super) fn discard(&mut self) {
        self.keeps = false;
    }

    pub(super) fn name(mut self, durable: bool) -> Result<()> {
        self.place.name(&self.file, durable)?;
        self.named = true;
        Ok(())
    }
}

/// What nobody can resume isn't left behind.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named && (!self.keeps || self.written == 0) {
            self.place.remove();
        }
    }
}
