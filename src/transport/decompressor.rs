//! Decompresses a body that is already available, on a blocking thread if that may take long.

use std::fmt;
use std::io;

use bytes::Bytes;

use super::coding::{Coding, CodingName, MAX_CODINGS};
use super::content_decoder::{ContentDecoder, ContentError, DecoderOutput};

/// A compressed body that is read synchronously. Like a response's body, it is decompressed in bounded steps.
pub(crate) struct Decompressor(ContentDecoder);

/// Why a body can't be decompressed.
#[derive(Debug)]
pub(crate) enum DecompressError {
    /// The body can't be read.
    Read(io::Error),
    /// The body is truncated or invalid.
    Damaged(String),
}

impl Decompressor {
    /// Makes a decompressor for these codings, listed in the order in which they were applied.
    ///
    /// # Errors
    /// Returns which codings can't be decompressed.
    pub(crate) fn new(codings: &[CodingName]) -> Result<Self, String> {
        if codings.len() > MAX_CODINGS {
            return Err(format!("the file is compressed with more than {MAX_CODINGS} content codings"));
        }
        let of = |name: &CodingName| {
            let supported = Coding::of(name.as_str()).filter(|coding| coding.is_supported());
            let unsupported = || {
                let name = name.as_str();
                format!("the file is compressed with `{name}`, which the enabled features can't decompress")
            };
            supported.ok_or_else(unsupported)
        };
        Ok(Decompressor(ContentDecoder::by(&codings.iter().map(of).collect::<Result<Vec<_>, _>>()?)))
    }

    /// Returns the next chunk; `None` at the end. `read` returns the next compressed bytes, or an empty value
    /// at their end.
    ///
    /// # Errors
    /// Returns an error if `read` fails, or if the bytes aren't a complete compressed body.
    pub(crate) fn next(
        &mut self,
        mut read: impl FnMut() -> io::Result<Bytes>,
    ) -> Result<Option<Bytes>, DecompressError> {
        loop {
            match self.0.step()? {
                None => {}
                Some(DecoderOutput::Chunk(chunk)) => return Ok(Some(chunk)),
                Some(DecoderOutput::End) => return Ok(None),
                Some(DecoderOutput::NeedsInput) => match read().map_err(DecompressError::Read)? {
                    bytes if bytes.is_empty() => self.0.end(),
                    bytes => self.0.push(bytes),
                },
            }
        }
    }
}

impl From<ContentError> for DecompressError {
    fn from(error: ContentError) -> Self {
        DecompressError::Damaged(error.to_string())
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompression").finish_non_exhaustive()
    }
}
