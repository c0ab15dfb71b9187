//! What writes a download's part, on a thread where it may block.

use std::fs::File;
use std::io::{self, IoSlice, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;

use super::checksum::Algorithm;
use super::digests::Digest;
use super::entity::Entity;
use super::hashing::{DigestValues, Hashing};
use super::part_location::PartLocation;
use crate::error::{Error, ErrorKind, Result};

/// A part that is written. Its methods block.
pub(super) struct Writer {
    pub(super) location: PartLocation,
    pub(super) file: File,
    pub(super) written: u64,
    /// Of all bytes.
    hashing: Hashing,
    /// Of the bytes of the message that is received, where its head names digests of them.
    message: Hashing,
    pub(super) entity: Option<Entity>,
    /// The note of the entity is written, or none is needed.
    pub(super) noted: bool,
    /// There is a note, of whatever.
    has_note: bool,
    /// What is there can be resumed.
    pub(super) keeps: bool,
    named: bool,
    /// A write failed: what follows has no place.
    failed: bool,
}

impl Writer {
    /// Takes up the part of a file, or begins one; `None` if another download has it.
    pub(super) fn open(location: &PartLocation) -> Result<Option<Writer>> {
        let Some(claimed) = location.claim()? else { return Ok(None) };
        Ok(Some(Writer {
            file: claimed.file,
            written: claimed.length,
            hashing: Hashing::default(),
            message: Hashing::default(),
            keeps: claimed.entity.is_some(),
            entity: claimed.entity,
            noted: claimed.noted,
            has_note: claimed.noted,
            named: false,
            failed: false,
            location: claimed.location,
        }))
    }

    /// Computes these digests of all bytes.
    pub(super) fn hash(&mut self, algorithms: impl IntoIterator<Item = Algorithm>) {
        algorithms.into_iter().for_each(|algorithm| self.hashing.want(algorithm, 0));
    }

    /// Computes these digests of the bytes that follow byte `from`.
    pub(super) fn hash_message(&mut self, from: u64, digests: &[Digest]) {
        self.message = Hashing::default();
        digests.iter().for_each(|digest| self.message.want(digest.algorithm, from));
    }

    /// Takes another 64 MiB of what is there into digests that aren't as far; and whether there were any.
    pub(super) fn hash_on(&mut self) -> Result<bool> {
        let hashed = self.hashing.go_on(&self.file, self.written);
        hashed.map_err(|error| self.location.failed("its part can't be read", error))
    }

    /// What all bytes come to. They aren't hashed any further.
    pub(super) fn digest_values(&mut self) -> DigestValues {
        std::mem::take(&mut self.hashing).finish()
    }

    /// What the message's bytes come to.
    pub(super) fn message_digest_values(&mut self) -> DigestValues {
        std::mem::take(&mut self.message).finish()
    }

    pub(super) fn write(&mut self, batch: &[Bytes]) -> Result<()> {
        if self.failed {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{}: an earlier write failed", self.location.target.display()),
            ));
        }
        if self.named || (batch.is_empty() && (self.noted || self.written == 0)) {
            return Ok(());
        }
        let mut write = || -> io::Result<()> {
            // Before any byte of it: so a part is never taken for one of another state.
            if let (false, Some(entity)) = (self.noted, &self.entity) {
                self.has_note = self.location.note(entity)?;
                self.noted = true;
                self.keeps &= self.has_note;
            }
            let mut at = self.written;
            write_all(&self.file, batch, &mut self.written)?;
            for bytes in batch {
                self.hashing.update(at, bytes);
                self.message.update(at, bytes);
                at += bytes.len() as u64;
            }
            Ok(())
        };
        write().map_err(|error| {
            self.failed = true;
            self.location.failed("it can't be written", error)
        })
    }

    /// Takes away what is there.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.location.empty(&self.file, self.has_note)?;
        (self.written, self.noted, self.has_note, self.failed) = (0, false, false, false);
        Ok(())
    }

    /// Takes away what follows the first `length` bytes.
    pub(super) fn cut(&mut self, length: u64) -> Result<()> {
        let mut cut = || -> io::Result<()> {
            self.file.set_len(length)?;
            self.file.seek(SeekFrom::Start(length)).map(drop)
        };
        cut().map_err(|error| {
            self.failed = true;
            self.location.failed("its part can't be shortened", error)
        })?;
        self.hashing.cut(length);
        self.written = length;
        Ok(())
    }

    /// Begins anew with the digests of all bytes.
    pub(super) fn hash_anew(&mut self) {
        (self.hashing, self.message) = (Hashing::default(), Hashing::default());
    }

    /// Nothing is there, nor a note.
    pub(super) fn is_new(&self) -> bool {
        self.written == 0 && !self.noted && !self.has_note
    }

    /// How many bytes another download can go on from.
    pub(super) fn kept(&self) -> u64 {
        if self.keeps && self.location.is_shared() { self.written } else { 0 }
    }

    pub(super) fn name(&mut self, fsync: bool) -> Result<()> {
        let named = self.location.name(&self.file, self.has_note, fsync);
        self.named = named.is_ok();
        // What has no name can be resumed, which takes a note.
        self.noted &= self.named || self.has_note;
        named
    }

    /// Removes what is there: what it was decompressed to has the target's name.
    pub(super) fn remove(&mut self) {
        self.location.remove(&self.file, self.has_note);
        self.named = true;
    }
}

/// What nobody can resume isn't left behind.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named && self.kept() == 0 {
            self.location.remove(&self.file, self.has_note);
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
