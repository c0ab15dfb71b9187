//! Decompresses a part into another file in the same directory, which is then renamed to the target.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use bytes::Bytes;

use super::digest::{DigestValue, ExpectedDigest, Hasher};
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::error::Result;
use crate::transport::{CodingName, DecompressError, Decompressor, is_compressed};

/// Number of bytes that are decompressed at a time. A download that is dropped stops after this many.
const MAX_BYTES_PER_STEP: u64 = 64 << 20;

/// Number of bytes that are read at a time.
const READ_SIZE: u64 = 64 << 10;

/// A part that is being decompressed. The output file is removed on drop unless it was renamed.
pub(super) struct Decoding {
    location: PartLocation,
    decompressor: Decompressor,
    /// Number of compressed bytes that were read.
    read: u64,
    file: File,
    path: PathBuf,
    written: u64,
    hasher: Option<Hasher>,
    named: bool,
}

/// The result of one decompression step.
pub(super) enum Decoded {
    More,
    /// Decompression is complete: the output has this many bytes.
    Whole(u64),
    /// The output is longer than the limit.
    TooLong,
    Damaged(String),
}

impl Decoding {
    /// Starts to decompress a complete part.
    ///
    /// # Errors
    /// Returns an error if the output file can't be created; an inner error if a coding isn't supported.
    pub(super) fn begin(
        writer: &Writer,
        codings: &[CodingName],
        checksum: Option<&ExpectedDigest>,
    ) -> Result<Result<Self, String>> {
        let decompressor = match Decompressor::new(codings) {
            Ok(decompressor) => decompressor,
            Err(problem) => return Ok(Err(problem)),
        };
        let location = writer.location.clone();
        let (file, path) = location.begin_decoded()?;
        let hasher = checksum.map(ExpectedDigest::hasher);
        Ok(Ok(Decoding { location, decompressor, read: 0, file, path, written: 0, hasher, named: false }))
    }

    /// Returns whether the decompressed part starts as a compressed file does.
    pub(super) fn gives_compressed(writer: &Writer, codings: &[CodingName]) -> Result<bool> {
        let Ok(mut decompressor) = Decompressor::new(codings) else { return Ok(false) };
        let mut read = 0;
        let first = reading(writer, &mut read, |read| decompressor.next(read));
        match first {
            Ok(first) => Ok(first.is_some_and(|first| is_compressed(&first))),
            Err(DecompressError::Damaged(_)) => Ok(false),
            Err(DecompressError::Read(error)) => {
                Err(writer.location.failed("its part file can't be read", error))
            }
        }
    }

    /// Decompresses another 64 MiB, up to `most` bytes in total.
    pub(super) fn decode_next(&mut self, writer: &Writer, most: u64) -> Result<Decoded> {
        let end = self.written.saturating_add(MAX_BYTES_PER_STEP);
        let (decompressor, written, hasher) = (&mut self.decompressor, &mut self.written, &mut self.hasher);
        let mut file = &self.file;
        let mut failed = None;
        let decoded = reading(writer, &mut self.read, |read| {
            while *written < end {
                let Some(chunk) = decompressor.next(&mut *read)? else {
                    return Ok(Decoded::Whole(*written));
                };
                if *written + chunk.len() as u64 > most {
                    return Ok(Decoded::TooLong);
                }
                if let Err(error) = file.write_all(&chunk) {
                    failed = Some(error);
                    break;
                }
                *written += chunk.len() as u64;
                hasher.iter_mut().for_each(|hasher| hasher.update(&chunk));
            }
            Ok(Decoded::More)
        });
        if let Some(error) = failed {
            return Err(self.location.failed("it can't be written", error));
        }
        match decoded {
            Ok(decoded) => Ok(decoded),
            Err(DecompressError::Damaged(problem)) => Ok(Decoded::Damaged(problem)),
            Err(DecompressError::Read(error)) => {
                Err(self.location.failed("its part file can't be read", error))
            }
        }
    }

    /// Returns the digest of the output and stops hashing; `None` if no digest is expected.
    pub(super) fn value(&mut self) -> Option<DigestValue> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Renames the output to the target and removes the compressed part.
    pub(super) fn name(&mut self, writer: &mut Writer, fsync: bool) -> Result<()> {
        self.location.name_one(&self.path, &self.file, fsync)?;
        self.named = true;
        // The compressed bytes are not needed any more.
        writer.remove();
        Ok(())
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        if !self.named {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Calls `work` with a part's bytes from `position` on, chunk by chunk. Leaves the file position at the end.
fn reading<T>(
    writer: &Writer,
    position: &mut u64,
    work: impl FnOnce(&mut dyn FnMut() -> io::Result<Bytes>) -> Result<T, DecompressError>,
) -> Result<T, DecompressError> {
    let mut file = &writer.file;
    file.seek(SeekFrom::Start(*position)).map_err(DecompressError::Read)?;
    let mut read = || {
        let mut bytes = Vec::new();
        *position += file
            .take(READ_SIZE.min(writer.written.saturating_sub(*position)))
            .read_to_end(&mut bytes)? as u64;
        Ok(bytes.into())
    };
    let done = work(&mut read);
    file.seek(SeekFrom::End(0)).map_err(DecompressError::Read)?;
    done
}
