//! Completes a part once all of its bytes are there: compares the bytes with everything that is known about
//! them, decompresses them if they are compressed, and renames the result to the target.

use super::decoded::{Decoded, Decoding};
use super::digest::ExpectedDigest;
use super::entity::Entity;
use super::part::Part;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};

/// What is expected of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) size: Option<u64>,
    /// The largest size that is accepted, in bytes.
    pub(super) max_size: Option<u64>,
    /// The file's name is that of an archive, which is itself compressed.
    pub(super) is_archive: bool,
    pub(super) fsync: bool,
}

/// The result of completing a part.
#[derive(Debug)]
pub(super) enum Completed {
    /// The file was renamed to its target. Its size in bytes.
    Named(u64),
    /// The bytes don't match a digest that the server sent.
    Discarded(String),
    /// The compressed bytes are damaged.
    Damaged(String),
    /// The bytes don't match what is expected of the file.
    Unexpected(String),
    /// The bytes are compressed with a coding that can't be decompressed here.
    Undecodable(String),
}

/// The result of comparing all bytes.
enum Compared {
    /// Their digests aren't fully computed yet.
    Behind,
    Is(Completed),
    /// The bytes must be decompressed.
    Compressed(Box<Compressed>),
}

struct Compressed {
    decoding: Decoding,
    /// Length of the compressed bytes, and whether it is the expected size and they have the expected digest.
    length: u64,
    has_size: bool,
    has_digest: bool,
}

impl Part {
    /// Renames the complete part to the target if it is what is expected.
    ///
    /// # Errors
    /// Returns an error if the part can't be read, written or renamed, or if the file is larger than the
    /// limit.
    pub(super) async fn complete(&mut self, expected: &Expected) -> Result<Completed> {
        self.skip_metadata().await?;
        let mut compressed = loop {
            let (expected, checksum) = (expected.clone(), self.checksum.clone());
            match self.on_writer(move |writer| compare(writer, &expected, checksum.as_ref())).await? {
                Compared::Behind => {}
                Compared::Is(completed) => return Ok(completed),
                Compared::Compressed(compressed) => break compressed,
            }
        };
        loop {
            let (expected, checksum) = (expected.clone(), self.checksum.clone());
            let decoded = self.on_writer(move |writer| {
                let completed = compressed.decode_next(writer, &expected, checksum.as_ref())?;
                Ok((compressed, completed))
            });
            match decoded.await? {
                (_, Some(completed)) => return Ok(completed),
                (more, None) => compressed = more,
            }
        }
    }
}

fn compare(writer: &mut Writer, expected: &Expected, checksum: Option<&ExpectedDigest>) -> Result<Compared> {
    if writer.hash_next()? {
        return Ok(Compared::Behind);
    }
    let digest_values = writer.digest_values();
    let entity = writer.entity.clone().unwrap_or_default();
    let spoilt = entity.digests.iter().find_map(|digest| digest.problem(digest_values.of(digest.algorithm)?));
    if let Some(problem) = spoilt {
        return Ok(Compared::Is(Completed::Discarded(problem)));
    }
    let length = writer.written;
    let has_size = expected.size.map(|size| size == length);
    let digest_problem = checksum
        .map(|checksum| digest_values.of(checksum.algorithm).and_then(|value| checksum.problem_of(value)));
    if !entity.codings.is_empty() {
        let has_digest = digest_problem.map(|problem| problem.is_none());
        return compressed(writer, expected, &entity, checksum, (has_size, has_digest));
    }
    // The server may store the file compressed and report that size.
    let other_size = expected.size.filter(|size| *size != length && entity.stored_size != Some(*size));
    let size_problem = other_size.map(|size| format!("it is {length} bytes long, but {size} are expected"));
    if let Some(problem) = size_problem.or(digest_problem.flatten()) {
        return Ok(Compared::Is(Completed::Unexpected(problem)));
    }
    writer.name(expected.fsync)?;
    Ok(Compared::Is(Completed::Named(length)))
}

/// Decides whether compressed bytes are stored as received or decompressed: the form with the expected size
/// and digest is stored. If neither is expected, the decompressed form is stored, unless the file is an
/// archive.
fn compressed(
    writer: &mut Writer,
    expected: &Expected,
    entity: &Entity,
    checksum: Option<&ExpectedDigest>,
    (has_size, has_digest): (Option<bool>, Option<bool>),
) -> Result<Compared> {
    let as_it_came = match (has_size, has_digest) {
        (None, None) => {
            (entity.is_archive || expected.is_archive)
                && !Decoding::gives_compressed(writer, &entity.codings)?
        }
        (has_size, has_digest) => has_size != Some(false) && has_digest != Some(false),
    };
    if as_it_came {
        let length = writer.written;
        writer.name(expected.fsync)?;
        return Ok(Compared::Is(Completed::Named(length)));
    }
    Ok(match Decoding::begin(writer, &entity.codings, checksum)? {
        Err(problem) => Compared::Is(Completed::Undecodable(problem)),
        Ok(decoding) => Compared::Compressed(Box::new(Compressed {
            decoding,
            length: writer.written,
            has_size: has_size == Some(true),
            has_digest: has_digest == Some(true),
        })),
    })
}

impl Compressed {
    /// Continues to decompress. `None` if there is more to do.
    fn decode_next(
        &mut self,
        writer: &mut Writer,
        expected: &Expected,
        checksum: Option<&ExpectedDigest>,
    ) -> Result<Option<Completed>> {
        let came = self.length;
        let size = expected.size.filter(|_| !self.has_size);
        let most = size.into_iter().chain(expected.max_size).min().unwrap_or(u64::MAX);
        let length = match self.decoding.decode_next(writer, most)? {
            Decoded::More => return Ok(None),
            Decoded::Damaged(problem) => return Ok(Some(Completed::Damaged(problem))),
            Decoded::TooLong if size == Some(most) => {
                let problem = format!(
                    "it is {came} bytes long, decompressed more than {most}, but {most} are expected"
                );
                return Ok(Some(Completed::Unexpected(problem)));
            }
            Decoded::TooLong => return Err(too_large(most)),
            Decoded::Whole(length) => length,
        };
        if let Some(size) = size.filter(|size| *size != length) {
            let problem = format!("it is {came} bytes long, {length} decompressed, but {size} are expected");
            return Ok(Some(Completed::Unexpected(problem)));
        }
        let problem =
            checksum.zip(self.decoding.value()).and_then(|(checksum, value)| checksum.problem_of(&value));
        if let Some(problem) = problem.filter(|_| !self.has_digest) {
            return Ok(Some(Completed::Unexpected(problem)));
        }
        self.decoding.name(writer, expected.fsync)?;
        Ok(Some(Completed::Named(length)))
    }
}

/// Returns the error for a file that is larger than the limit.
pub(super) fn too_large(most: u64) -> Error {
    Error::new(
        ErrorKind::BodyLimit,
        format!(
            "the file is larger than {most} bytes, the limit of the file cache (`max_bytes`): raise the limit, or download the file with `to`"
        ),
    )
}
