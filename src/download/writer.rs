//! Writes a download's part, on a blocking thread.

use std::fs::File;
use std::io::{self, IoSlice, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;

use super::digest::Algorithm;
use super::digest_headers::HeaderDigest;
use super::entity::Entity;
use super::part_location::{ClaimedPart, PartLocation};
use super::running_digests::{DigestValues, RunningDigests};
use crate::error::{Error, ErrorKind, Result};

/// A part that is being written. Its methods block.
pub(super) struct Writer {
    pub(super) location: PartLocation,
    pub(super) file: File,
    pub(super) written: u64,
    /// Digests of all bytes.
    running_digests: RunningDigests,
    /// Digests of the current message's bytes, if its headers contain digests of them.
    message: RunningDigests,
    pub(super) entity: Option<Entity>,
    /// The metadata for the entity is written, or none is needed.
    pub(super) metadata_written: bool,
    /// A metadata file exists, whatever its content.
    has_metadata: bool,
    /// The bytes can be resumed.
    pub(super) keeps: bool,
    named: bool,
    /// A write failed: the position in the file is unknown.
    failed: bool,
}

impl Writer {
    /// Opens the part of a file, or creates one; `None` if another download holds it.
    pub(super) fn open(location: &PartLocation) -> Result<Option<Writer>> {
        let Some(claimed) = location.claim()? else { return Ok(None) };
        let ClaimedPart { location, file, length, entity } = claimed;
        let resumes = entity.is_some();
        Ok(Some(Writer {
            location,
            file,
            written: length,
            running_digests: RunningDigests::default(),
            message: RunningDigests::default(),
            entity,
            metadata_written: resumes,
            has_metadata: resumes,
            keeps: resumes,
            named: false,
            failed: false,
        }))
    }

    /// Starts to compute these digests of all bytes.
    pub(super) fn hash(&mut self, algorithms: impl IntoIterator<Item = Algorithm>) {
        algorithms.into_iter().for_each(|algorithm| self.running_digests.want(algorithm, 0));
    }

    /// Starts to compute these digests of the bytes from byte `from` on.
    pub(super) fn hash_message(&mut self, from: u64, digests: &[HeaderDigest]) {
        self.message = RunningDigests::default();
        digests.iter().for_each(|digest| self.message.want(digest.algorithm, from));
    }

    /// Hashes another 64 MiB of the file if a digest is behind. Returns whether one was behind.
    pub(super) fn hash_next(&mut self) -> Result<bool> {
        let hashed = self.running_digests.hash_next(&self.file, self.written);
        hashed.map_err(|error| self.location.failed("its part file can't be read", error))
    }

    /// Returns the digests of all bytes and stops hashing them.
    pub(super) fn digest_values(&mut self) -> DigestValues {
        std::mem::take(&mut self.running_digests).finish()
    }

    /// Returns the digests of the message's bytes.
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
        if self.named || (batch.is_empty() && (self.metadata_written || self.written == 0)) {
            return Ok(());
        }
        let mut write = || -> io::Result<()> {
            // The metadata is written before any of its bytes, so that a part is never taken for one of
            // another version.
            if let (false, Some(entity)) = (self.metadata_written, &self.entity) {
                self.has_metadata = self.location.write_metadata(entity)?;
                self.metadata_written = true;
                self.keeps &= self.has_metadata;
            }
            let mut at = self.written;
            write_all(&self.file, batch, &mut self.written)?;
            for bytes in batch {
                self.running_digests.update(at, bytes);
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

    /// Removes all bytes and the metadata.
    pub(super) fn empty(&mut self) -> Result<()> {
        self.location.empty(&self.file, self.has_metadata)?;
        (self.written, self.metadata_written, self.has_metadata, self.failed) = (0, false, false, false);
        Ok(())
    }

    /// Removes the bytes after the first `length` ones.
    pub(super) fn cut(&mut self, length: u64) -> Result<()> {
        let mut cut = || -> io::Result<()> {
            self.file.set_len(length)?;
            self.file.seek(SeekFrom::Start(length)).map(drop)
        };
        cut().map_err(|error| {
            self.failed = true;
            self.location.failed("its part file can't be truncated", error)
        })?;
        self.running_digests.cut(length);
        self.written = length;
        Ok(())
    }

    /// Discards all digests.
    pub(super) fn reset_digests(&mut self) {
        (self.running_digests, self.message) = (RunningDigests::default(), RunningDigests::default());
    }

    /// Returns whether there are no bytes and no metadata.
    pub(super) fn is_new(&self) -> bool {
        self.written == 0 && !self.metadata_written && !self.has_metadata
    }

    /// Returns how many bytes another download can resume.
    pub(super) fn kept(&self) -> u64 {
        if self.keeps && self.location.is_shared() { self.written } else { 0 }
    }

    pub(super) fn name(&mut self, fsync: bool) -> Result<()> {
        let named = self.location.name(&self.file, self.has_metadata, fsync);
        self.named = named.is_ok();
        // If the rename failed, the part can be resumed, which requires metadata.
        self.metadata_written &= self.named || self.has_metadata;
        named
    }

    /// Removes the part: the file that it was decompressed to has been renamed to the target.
    pub(super) fn remove(&mut self) {
        self.location.remove(&self.file, self.has_metadata);
        self.named = true;
    }
}

/// Removes a part that can't be resumed.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.named && self.kept() == 0 {
            self.location.remove(&self.file, self.has_metadata);
        }
    }
}

/// Writes all of a batch with as few calls as possible, and counts the written bytes.
fn write_all(mut file: &File, batch: &[Bytes], count: &mut u64) -> io::Result<()> {
    let mut slices: Vec<_> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = &mut slices[..];
    // Skips empty slices, so that a write of 0 bytes is always an error.
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
