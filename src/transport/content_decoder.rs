//! Decompresses a body (`Content-Encoding`) while it arrives, in steps with a bounded number of input and
//! output bytes.
//!
//! The label is compared with the first bytes of the body, since servers label bodies that they don't
//! compress, and often send labels that aren't codings. A body of several members (RFC 1952, section 2.2) is
//! decompressed completely; bytes after the last member are ignored, as gzip does.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use compression_codecs::DecodeV2;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use reqwest::{Response, StatusCode};

use super::coding::{Coding, MAGIC_LENGTH, MAX_CODINGS, Magic, is_text, labels};

/// The maximum number of bytes that the outer codings may decompress to before the last coding produces
/// output. Without it, a few hundred bytes that are compressed repeatedly would take minutes.
const MAX_INTERMEDIATE: u64 = 16 << 20;

/// The maximum input and the maximum output of a step, in bytes.
const STEP: usize = 64 << 10;
/// The minimum output buffer of a step, in bytes.
const MIN_ROOM: usize = 1 << 10;
/// Decompression fails after this many input bytes without output.
const MAX_WITHOUT_OUTPUT: usize = 1 << 20;
/// This many members may have any size. Each further member needs this many decompressed bytes on average,
/// since a member costs tens of microseconds, however small it is.
const FREE_MEMBERS: u64 = 4096;
const BYTES_A_MEMBER: u64 = 64;

/// Why a body can't be decompressed.
#[derive(Debug)]
pub(super) enum ContentError {
    /// The body is truncated.
    CutOff(&'static str),
    Broken(&'static str, String),
    TooManyCodings,
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentError::CutOff(coding) => write!(f, "the body, compressed with {coding}, is truncated"),
            ContentError::Broken(coding, why) => {
                write!(f, "the body can't be decompressed ({coding}): {why}")
            }
            ContentError::TooManyCodings => {
                write!(f, "the body can't be decompressed: it has more than {MAX_CODINGS} content codings")
            }
        }
    }
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum DecoderOutput {
    Chunk(Bytes),
    /// [Push](ContentDecoder::push) the next compressed bytes, or signal the [end](ContentDecoder::end).
    NeedsInput,
    /// The body is complete.
    End,
}

/// A body that is being decompressed.
pub(super) struct ContentDecoder {
    /// In the order in which they are decoded.
    layers: Vec<Layer>,
    /// The last step did the maximum work, so other tasks should run first.
    busy: bool,
    /// The bytes passed between layers, and the bytes produced by the last layer.
    between: u64,
    given: u64,
}

impl ContentDecoder {
    /// Returns the decoder of a response whose labels name codings that the enabled features decompress.
    /// Removes the headers that describe the compressed form.
    pub(super) fn of(response: &mut Response) -> Option<Box<Self>> {
        // A part of a compressed body can't be decompressed by itself.
        if !response.headers().contains_key(CONTENT_ENCODING)
            || response.status() == StatusCode::PARTIAL_CONTENT
        {
            return None;
        }
        let codings: Vec<_> = labels(response.headers()).filter_map(Coding::of).collect();
        if codings.is_empty() || !codings.iter().all(|coding| coding.is_supported()) {
            return None;
        }
        response.headers_mut().remove(CONTENT_ENCODING);
        response.headers_mut().remove(CONTENT_LENGTH);
        Some(Box::new(ContentDecoder::by(&codings)))
    }

    pub(super) fn by(codings: &[Coding]) -> Self {
        let layers = match codings.len() <= MAX_CODINGS {
            true => codings.iter().rev().map(|coding| Layer::of(*coding)).collect(),
            false => Vec::new(),
        };
        ContentDecoder { layers, busy: false, between: 0, given: 0 }
    }

    /// Adds compressed bytes.
    pub(super) fn push(&mut self, compressed: Bytes) {
        if let Some(first) = self.layers.first_mut() {
            first.push(compressed);
        }
    }

    /// Signals the end of the compressed body.
    pub(super) fn end(&mut self) {
        if let Some(first) = self.layers.first_mut() {
            first.at_end = true;
        }
    }

    /// Decompresses until there is a chunk or more input is needed. Yields between steps, so that time-outs
    /// and cancellation work.
    pub(super) async fn advance(&mut self) -> Result<DecoderOutput, ContentError> {
        loop {
            if std::mem::take(&mut self.busy) {
                tokio::task::yield_now().await;
            }
            if let Some(decoded) = self.step()? {
                return Ok(decoded);
            }
        }
    }

    /// Runs one step of one layer; `None` if another step may follow.
    pub(super) fn step(&mut self) -> Result<Option<DecoderOutput>, ContentError> {
        let last = self.layers.len().checked_sub(1).ok_or(ContentError::TooManyCodings)?;
        for index in (0..=last).rev() {
            let Some((layer, above)) = self.layers.get_mut(index..).and_then(<[Layer]>::split_first_mut)
            else {
                break;
            };
            match (layer.step()?, above.first_mut()) {
                (Turn::NeedsInput, _) => {}
                (Turn::Busy, _) => {
                    self.busy = true;
                    return Ok(None);
                }
                (Turn::Gave(chunk), None) => {
                    // Many small members also take long.
                    self.busy = chunk.len() == STEP || matches!(layer.state, State::After);
                    self.given = self.given.saturating_add(chunk.len() as u64);
                    return Ok(Some(DecoderOutput::Chunk(chunk)));
                }
                (Turn::Gave(chunk), Some(above)) => {
                    self.busy = true;
                    self.between = self.between.saturating_add(chunk.len() as u64);
                    if self.between
                        > MAX_INTERMEDIATE.saturating_add(self.given.saturating_mul(2 * MAX_CODINGS as u64))
                    {
                        let why = "its outer content codings decompress to far more than the body".to_owned();
                        return Err(ContentError::Broken(layer.coding.name(), why));
                    }
                    above.push(chunk);
                    return Ok(None);
                }
                (Turn::Ended, None) => return Ok(Some(DecoderOutput::End)),
                (Turn::Ended, Some(above)) => {
                    above.at_end = true;
                    return Ok(None);
                }
            }
        }
        Ok(Some(DecoderOutput::NeedsInput))
    }
}

enum Turn {
    Gave(Bytes),
    /// It did work, but produced no output.
    Busy,
    NeedsInput,
    Ended,
}

enum State {
    Before,
    Within,
    /// After a member.
    After,
    /// The body isn't compressed.
    Plain,
    Ended,
}

/// One coding that is decoded.
struct Layer {
    coding: Coding,
    state: State,
    decoder: Option<Box<dyn DecodeV2 + Send + Sync>>,
    input: Bytes,
    /// There is no more input.
    at_end: bool,
    /// The last step filled its output buffer: the decoder may hold more.
    full: bool,
    /// The number of input bytes since the last output.
    fruitless: usize,
    /// The number of completed members, and the output of all of them, in bytes.
    members: u64,
    given: u64,
    /// The output buffer of a step.
    room: BytesMut,
    /// The whole body, if it is short and may be plain text. It counts as compressed only if it decompresses
    /// at once.
    plain: Option<Bytes>,
}

impl Layer {
    fn of(coding: Coding) -> Self {
        Layer {
            coding,
            state: State::Before,
            decoder: None,
            input: Bytes::new(),
            at_end: false,
            full: false,
            fruitless: 0,
            members: 0,
            given: 0,
            room: BytesMut::new(),
            plain: None,
        }
    }

    fn push(&mut self, bytes: Bytes) {
        match self.input.is_empty() {
            true => self.input = bytes,
            // The first few bytes, which were too few to recognize.
            false => self.input = [&self.input[..], &bytes[..]].concat().into(),
        }
    }

    fn step(&mut self) -> Result<Turn, ContentError> {
        match self.state {
            State::Before | State::After => self.begin(),
            State::Within => self.decode_step(),
            State::Plain if !self.input.is_empty() => Ok(Turn::Gave(std::mem::take(&mut self.input))),
            State::Plain if self.at_end => Ok(Turn::Ended),
            State::Plain => Ok(Turn::NeedsInput),
            State::Ended => Ok(Turn::Ended),
        }
    }

    /// Checks the first bytes of the body, or the bytes after a member.
    fn begin(&mut self) -> Result<Turn, ContentError> {
        let after = matches!(self.state, State::After);
        if self.input.is_empty() {
            if self.at_end {
                self.state = State::Ended;
                return Ok(Turn::Ended);
            }
            return Ok(Turn::NeedsInput);
        }
        let magic = match after && !self.coding.has_members() {
            true => Magic::Not,
            false => self.coding.magic(&self.input, self.at_end),
        };
        match (magic, after) {
            (Magic::Unclear, _) if !self.at_end => return Ok(Turn::NeedsInput),
            // For example, padding.
            (Magic::Not | Magic::Unclear, true) => {
                self.state = State::Ended;
                return Ok(Turn::Ended);
            }
            (Magic::Unclear, false) => return Err(ContentError::CutOff(self.coding.name())),
            (Magic::Not, false) => {
                self.state = State::Plain;
                return self.step();
            }
            (Magic::Compressed, _) => {}
        }
        match &mut self.decoder {
            Some(decoder) => decoder
                .reinit()
                .map_err(|error| ContentError::Broken(self.coding.name(), error.to_string()))?,
            None => self.decoder = self.coding.decoder(&self.input),
        }
        let short = self.input.len() < MAGIC_LENGTH && self.at_end && is_text(&self.input);
        self.plain = short.then(|| self.input.clone());
        self.state = State::Within;
        self.decode_step()
    }

    fn decode_step(&mut self) -> Result<Turn, ContentError> {
        let Some(decoder) = &mut self.decoder else {
            self.state = State::Plain;
            return self.step();
        };
        if self.input.is_empty() && !self.full && !self.at_end {
            return Ok(Turn::NeedsInput);
        }
        let room = if self.full || self.plain.is_some() {
            STEP
        } else {
            self.input.len().saturating_mul(4).clamp(MIN_ROOM, STEP)
        };
        // Small output is copied out of the buffer, so that the buffer isn't allocated again for each member.
        if self.room.len() < room {
            self.room = BytesMut::zeroed(room);
        }
        let mut output = WriteBuffer::new_initialized(&mut self.room[..room]);
        let mut input = PartialBuffer::new(&self.input[..self.input.len().min(STEP)]);
        let ended = match () {
            () if !self.input.is_empty() => decoder.decode(&mut input, &mut output),
            () if self.full => decoder.flush(&mut output).map(|_| false),
            () => match decoder.finish(&mut output) {
                Ok(false) if output.written_len() == 0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                ended => ended,
            },
        };
        let (took, gave) = (input.written_len(), output.written_len());
        let is_at_end = self.input.is_empty() && !self.full;
        let name = self.coding.name();
        let ended = match ended {
            Ok(false) if gave == 0 && took == 0 && !self.input.is_empty() => {
                Err("decompression makes no progress".to_owned())
            }
            Ok(ended) => Ok(ended),
            Err(error) => Err(error.to_string()),
        };
        self.full = output.has_no_spare_space();
        let ended = match (ended, self.plain.take()) {
            (Ok(ended), None) => ended,
            (Ok(ended), Some(_)) if self.full || (ended && took == self.input.len()) => ended,
            (_, Some(plain)) => {
                (self.input, self.state) = (plain, State::Plain);
                return self.step();
            }
            (Err(_), None) if is_at_end => return Err(ContentError::CutOff(name)),
            (Err(why), None) => return Err(ContentError::Broken(name, why)),
        };
        self.input.advance(took);
        self.given = self.given.saturating_add(gave as u64);
        if ended {
            (self.state, self.full) = (State::After, false);
            self.members += 1;
            if self.members > FREE_MEMBERS + self.given / BYTES_A_MEMBER {
                let why = format!("it has {} members, under {BYTES_A_MEMBER} bytes on average", self.members);
                return Err(ContentError::Broken(name, why));
            }
        }
        self.fruitless = if gave == 0 { self.fruitless.saturating_add(took) } else { 0 };
        if self.fruitless > MAX_WITHOUT_OUTPUT {
            return Err(ContentError::Broken(
                name,
                format!("{MAX_WITHOUT_OUTPUT} bytes of it decompress to nothing"),
            ));
        }
        if gave == 0 {
            return Ok(Turn::Busy);
        }
        // A kept chunk shouldn't hold a much larger buffer.
        if gave < self.room.len() / 2 {
            return Ok(Turn::Gave(Bytes::copy_from_slice(&self.room[..gave])));
        }
        let mut given = std::mem::take(&mut self.room);
        given.truncate(gave);
        Ok(Turn::Gave(given.freeze()))
    }
}

#[cfg(test)]
mod tests;
