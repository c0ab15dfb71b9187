//! What becomes of a part when all of its bytes are there: they are compared with all that is known of them,
//! decompressed where they came compressed, and given the file's name.

use super::checksum::Checksum;
use super::decoded::{Decoded, Decoding};
use super::entity::Entity;
use super::part::Part;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};

/// What a file has to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) size: Option<u64>,
    /// The most that it may have, in bytes.
    pub(super) max_size: Option<u64>,
    /// Its name is that of a file which is compressed in itself.
    pub(super) is_archive: bool,
    pub(super) fsync: bool,
}

/// What came of all bytes.
#[derive(Debug)]
pub(super) enum Completed {
    /// The file has its name, and this many bytes.
    Named(u64),
    /// They aren't those that the server named the digest of.
    Discarded(String),
    /// The compressed form is damaged.
    Damaged(String),
    /// They aren't what is expected of the file.
    Unexpected(String),
    /// They came compressed by what isn't decompressed here.
    Undecodable(String),
}

/// What a look at all bytes gave.
enum Compared {
    /// Their digests aren't as far yet.
    Behind,
    Is(Completed),
    /// They are to be decompressed.
    Compressed(Box<Compressed>),
}

struct Compressed {
    decoding: Decoding,
    /// What the compressed form is.
    length: u64,
    has_size: bool,
    has_sum: bool,
}

impl Part {
    /// Gives the file its name, all of it being there, if it is what it has to be.
    ///
    /// # Errors
    /// Returns an error if it can't be read, written or named, or if it is larger than it may be.
    pub(super) async fn complete(&mut self, expected: &Expected) -> Result<Completed> {
        self.needs_no_note().await?;
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
                let completed = compressed.go_on(writer, &expected, checksum.as_ref())?;
                Ok((compressed, completed))
            });
            match decoded.await? {
                (_, Some(completed)) => return Ok(completed),
                (more, None) => compressed = more,
            }
        }
    }
}

fn compare(writer: &mut Writer, expected: &Expected, checksum: Option<&Checksum>) -> Result<Compared> {
    if writer.hash_on()? {
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
    let sum_problem = checksum
        .map(|checksum| digest_values.of(checksum.algorithm).and_then(|value| checksum.problem_of(value)));
    if !entity.codings.is_empty() {
        let has_sum = sum_problem.map(|problem| problem.is_none());
        return compressed(writer, expected, &entity, checksum, (has_size, has_sum));
    }
    // The server may keep it compressed, and say so.
    let is_stored_size = entity.stored_size.is_some() && entity.stored_size == expected.size;
    let size_problem = match (has_size, expected.size) {
        (Some(false), Some(size)) if !is_stored_size => {
            Some(format!("it is {length} bytes long, and {size} are expected"))
        }
        _ => None,
    };
    if let Some(problem) = size_problem.or(sum_problem.flatten()) {
        return Ok(Compared::Is(Completed::Unexpected(problem)));
    }
    writer.name(expected.fsync)?;
    Ok(Compared::Is(Completed::Named(length)))
}

/// Which form of bytes that came compressed becomes the file: the one that has the size and the digest that
/// are expected; without them the decompressed one, unless the file is compressed in itself.
fn compressed(
    writer: &mut Writer,
    expected: &Expected,
    entity: &Entity,
    checksum: Option<&Checksum>,
    (has_size, has_sum): (Option<bool>, Option<bool>),
) -> Result<Compared> {
    let as_it_came = match (has_size, has_sum) {
        (None, None) => {
            (entity.is_archive || expected.is_archive)
                && !Decoding::gives_compressed(writer, &entity.codings)?
        }
        (has_size, has_sum) => has_size != Some(false) && has_sum != Some(false),
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
            has_sum: has_sum == Some(true),
        })),
    })
}

impl Compressed {
    /// Goes on to decompress; nothing where there is more to do.
    fn go_on(
        &mut self,
        writer: &mut Writer,
        expected: &Expected,
        checksum: Option<&Checksum>,
    ) -> Result<Option<Completed>> {
        let size = expected.size.filter(|_| !self.has_size);
        let most = size.into_iter().chain(expected.max_size).min().unwrap_or(u64::MAX);
        let length = match self.decoding.go_on(writer, most)? {
            Decoded::More => return Ok(None),
            Decoded::Damaged(problem) => return Ok(Some(Completed::Damaged(problem))),
            Decoded::TooLong if size == Some(most) => {
                let came = self.length;
                let problem = format!(
                    "it is {came} bytes long, decompressed more than {most}, and {most} are expected"
                );
                return Ok(Some(Completed::Unexpected(problem)));
            }
            Decoded::TooLong => return Err(too_large(most)),
            Decoded::Whole(length) => length,
        };
        if let Some(size) = size.filter(|size| *size != length) {
            let came = self.length;
            let problem = format!("it is {came} bytes long, {length} decompressed, and {size} are expected");
            return Ok(Some(Completed::Unexpected(problem)));
        }
        let problem =
            checksum.zip(self.decoding.value()).and_then(|(checksum, value)| checksum.problem_of(&value));
        if let Some(problem) = problem.filter(|_| !self.has_sum) {
            return Ok(Some(Completed::Unexpected(problem)));
        }
        self.decoding.name(writer, expected.fsync)?;
        Ok(Some(Completed::Named(length)))
    }
}

/// The file is larger than it may be.
pub(super) fn too_large(most: u64) -> Error {
    Error::new(
        ErrorKind::BodyLimit,
        format!(
            "the file is larger than {most} bytes, which is the most that the file cache takes (`max_bytes`): raise it, or download with `to`"
        ),
    )
}
