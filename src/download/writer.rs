//! What writes a download's part, on a thread where it may block.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _};

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
    /// The note of the entity is written, or none is needed.
    pub(super) noted: bool,
    /// There is a note, of whatever.
    has_note: bool,
    /// What is there can be resumed.
    pub(super) keeps: bool,
    named: bool,
}

impl Writer {
    /// Takes up the part of a file, or begins one; `None` if another download has it.
    pub(super) fn open(place: &Place) -> Result<Option<Box<Writer>>> {
        let Some(claimed) = place.claim()? else { return Ok(None) };
        Ok(Some(Box::new(Writer {
            file: claimed.file,
            written: claimed.length,
            hasher: None,
            keeps: claimed.entity.is_some(),
            entity: claimed.entity,
            noted: claimed.noted,
            has_note: claimed.noted,
            named: false,
            place: claimed.place,
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
                self.has_note = self.place.note(entity)?;
                self.noted = true;
                self.keeps &= self.has_note;
            }
            write_all(&self.file, batch, &mut self.written)?;
            if let Some(hasher) = &mut self.hasher {
                batch.iter().for_each(|bytes| hasher.update(bytes));
            }
            Ok(())
        };
        write().map_err(|error| self.place.failed("it can't be written", error))
    }

    /// Takes away what is there.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.place.empty(&self.file, self.has_note)?;
        (self.written, self.noted, self.has_note) = (0, false, false);
        Ok(())
    }

    /// Nobody is to resume what is there.
    pub(super) fn discard(&mut self) {
        self.keeps = false;
    }

    /// How many bytes another download can go on from.
    pub(super) fn kept(&self) -> u64 {
        if self.keeps && self.place.is_shared() { self.written } else { 0 }
    }

    pub(super) fn name(mut self, durable: bool) -> Result<()> {
        self.place.name(&self.file, self.has_note, durable)?;
        self.named = true;
        Ok(())
    }
}

/// What nobody can resume isn't left behind.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named && self.kept() == 0 {
            self.place.remove(&self.file, self.has_note);
        }
    }
}

/// Writes all of a batch by as few calls as it takes, and counts what is written.
fn write_all(mut file: &File, batch: &[Bytes], count: &mut u64) -> io::Result<()> {
    let mut slices: Vec<_> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = &mut slices[..];
    // Empty ones aside, so that what is written is never nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                *count += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
