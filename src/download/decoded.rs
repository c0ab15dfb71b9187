//! A part that came compressed, decompressed into another file beside it, which then gets the name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use bytes::Bytes;

use super::checksum::{Checksum, DigestValue, Hasher};
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::error::Result;
use crate::transport::{CodingName, DecompressError, Decompressor, is_compressed};

/// How much is decompressed at a time, in bytes: a download that is given up meanwhile ends after it.
const AT_ONCE: u64 = 64 << 20;

/// How much is read at a time, in bytes.
const READ: u64 = 64 << 10;

/// A file that is being decompressed. What isn't named in the end goes.
pub(super) struct Decoding {
    location: PartLocation,
    decompressor: Decompressor,
    /// Bytes of the compressed form that were read.
    read: u64,
    file: File,
    path: PathBuf,
    written: u64,
    hasher: Option<Hasher>,
    named: bool,
}

/// What comes of going on.
pub(super) enum Decoded {
    More,
    /// All of it is there: this many bytes.
    Whole(u64),
    /// It is longer than it may be.
    TooLong,
    Damaged(String),
}

impl Decoding {
    /// Begins to decompress a part that is whole.
    ///
    /// # Errors
    /// Returns an error if the other file can't be made; an inner one if what was applied can't be undone.
    pub(super) fn begin(
        writer: &Writer,
        codings: &[CodingName],
        checksum: Option<&Checksum>,
    ) -> Result<Result<Self, String>> {
        let decompressor = match Decompressor::new(codings) {
            Ok(decompressor) => decompressor,
            Err(problem) => return Ok(Err(problem)),
        };
        let location = writer.location.clone();
        let (file, path) = location.begin_decoded()?;
        let hasher = checksum.map(Checksum::hasher);
        Ok(Ok(Decoding { location, decompressor, read: 0, file, path, written: 0, hasher, named: false }))
    }

    /// Whether what a part is decompressed to is a compressed file in its turn.
    pub(super) fn gives_compressed(writer: &Writer, codings: &[CodingName]) -> Result<bool> {
        let Ok(mut decompressor) = Decompressor::new(codings) else { return Ok(false) };
        let mut read = 0;
        let first = reading(writer, &mut read, |read| decompressor.next(read));
        match first.map_err(|error| writer.location.failed("its part can't be read", error))? {
            Ok(first) => Ok(first.is_some_and(|first| is_compressed(&first))),
            Err(DecompressError::Damaged(_)) => Ok(false),
            Err(DecompressError::Read(error)) => Err(writer.location.failed("its part can't be read", error)),
        }
    }

    /// Decompresses another 64 MiB, up to `most` bytes in all.
    pub(super) fn go_on(&mut self, writer: &Writer, most: u64) -> Result<Decoded> {
        let end = self.written.saturating_add(AT_ONCE);
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
            Ok(Ok(decoded)) => Ok(decoded),
            Ok(Err(DecompressError::Damaged(problem))) => Ok(Decoded::Damaged(problem)),
            Ok(Err(DecompressError::Read(error))) | Err(error) => {
                Err(self.location.failed("its part can't be read", error))
            }
        }
    }

    /// What its bytes come to, where a digest is expected. They aren't hashed any further.
    pub(super) fn value(&mut self) -> Option<DigestValue> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Gives it the target's name; the compressed form goes.
    pub(super) fn name(&mut self, writer: &mut Writer, fsync: bool) -> Result<()> {
        self.location.name_one(&self.path, &self.file, fsync)?;
        self.named = true;
        // The compressed form isn't the file's.
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

/// Does `work` with a part's bytes from `position` on, piece by piece, and leaves the part at its end.
fn reading<T>(
    writer: &Writer,
    position: &mut u64,
    work: impl FnOnce(&mut dyn FnMut() -> io::Result<Bytes>) -> Result<T, DecompressError>,
) -> io::Result<Result<T, DecompressError>> {
    let mut file = &writer.file;
    file.seek(SeekFrom::Start(*position))?;
    let mut read = || {
        let mut bytes = Vec::new();
        *position +=
            file.take(READ.min(writer.written.saturating_sub(*position))).read_to_end(&mut bytes)? as u64;
        Ok(bytes.into())
    };
    let done = work(&mut read);
    file.seek(SeekFrom::End(0))?;
    Ok(done)
}
