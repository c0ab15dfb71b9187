//! A packed body (`Content-Encoding`), unpacked as it comes, in steps that each take and give a bounded
//! number of bytes.
//!
//! What the label says is compared with the body's first bytes: servers label what they don't pack, and
//! labels that name no coding are common. A body of several members (RFC 1952, section 2.2) is unpacked
//! whole; what follows the last of them is ignored, as gzip does.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use compression_codecs::DecodeV2;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use reqwest::{Response, StatusCode};

use super::coding::{Coding, MAGIC_LENGTH, MAX_CODINGS, Magic, is_text, labels};

/// How much the outer ones of several codings may decompress to before the last one gives something, in
/// bytes: a few hundred bytes, compressed again and again, would take minutes.
const MAX_INTERMEDIATE: u64 = 16 << 20;

/// The most that a step takes, and the most that it gives, in bytes.
const STEP: usize = 64 << 10;
/// Room for what a step gives at least, in bytes.
const MIN_ROOM: usize = 1 << 10;
/// After so many bytes that unpack to nothing it isn't gone on with.
const MAX_WITHOUT_OUTPUT: usize = 1 << 20;
/// So many members may be of any size; for each more, so many bytes have to be decompressed. A member costs
/// tens of microseconds, however small it is.
const FREE_MEMBERS: u64 = 4096;
const BYTES_A_MEMBER: u64 = 64;

/// Why a body can't be unpacked.
#[derive(Debug)]
pub(super) enum ContentError {
    /// It ends in the middle.
    CutOff(&'static str),
    Broken(&'static str, String),
    TooManyCodings,
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentError::CutOff(coding) => write!(f, "the body, compressed by {coding}, is cut off"),
            ContentError::Broken(coding, why) => {
                write!(f, "the body can't be decompressed ({coding}): {why}")
            }
            ContentError::TooManyCodings => {
                write!(f, "the body can't be decompressed: it has more than {MAX_CODINGS} content codings")
            }
        }
    }
}

/// What comes of going on.
#[derive(Debug)]
pub(super) enum DecoderOutput {
    Chunk(Bytes),
    /// The next packed bytes are to be [pushed](ContentDecoder::push), or the [end](ContentDecoder::end) told.
    NeedsInput,
    /// There is no more.
    End,
}

/// A body that is being unpacked.
pub(super) struct ContentDecoder {
    /// In the order in which they are undone.
    layers: Vec<Layer>,
    /// The last step did as much as one may: others come first.
    busy: bool,
    /// Bytes that layers gave to layers, and those that the last one gave.
    between: u64,
    given: u64,
}

impl ContentDecoder {
    /// Of an answer whose label says that it is packed, and which the crate's features unpack. The headers of
    /// its packed form are taken out.
    pub(super) fn of(response: &mut Response) -> Option<Box<Self>> {
        // A part of a packed body can't be unpacked by itself.
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

    /// More of the packed body.
    pub(super) fn push(&mut self, compressed: Bytes) {
        if let Some(first) = self.layers.first_mut() {
            first.push(compressed);
        }
    }

    /// There is no more of the packed body.
    pub(super) fn end(&mut self) {
        if let Some(first) = self.layers.first_mut() {
            first.at_end = true;
        }
    }

    /// Goes on until there is a piece, or more is needed. Lets others run between steps: a time-out and a
    /// drop work.
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

    /// One step of one layer; nothing where another one may follow.
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
                    // Many small members take long, too.
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
                        let why =
                            "its outer content codings decompress to far more than the whole".to_owned();
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
    /// It worked, and gave nothing.
    Busy,
    NeedsInput,
    Ended,
}

enum State {
    Before,
    Within,
    /// After a member.
    After,
    /// It isn't packed.
    Plain,
    Ended,
}

/// One coding that is undone.
struct Layer {
    coding: Coding,
    state: State,
    decoder: Option<Box<dyn DecodeV2 + Send + Sync>>,
    input: Bytes,
    /// No more input comes.
    at_end: bool,
    /// The last step gave as much as it may: there may be more inside.
    full: bool,
    /// How much input unpacked to nothing, since the last that didn't.
    fruitless: usize,
    /// Members that ended, and what all of them gave, in bytes.
    members: u64,
    given: u64,
    /// Where a step writes to.
    room: BytesMut,
    /// The whole body, where it is short and may be plain text: it is packed where it unpacks at once.
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
            // The first few bytes, which didn't tell yet what they are.
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

    /// Looks at the first bytes of the body, or of what follows a member.
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
            // Padding, say.
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
        // What is small is copied out of it: it isn't made anew for each member.
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
                Err("it can't be gone on with".to_owned())
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
                let why =
                    format!("it has {} members, of less than {BYTES_A_MEMBER} bytes each", self.members);
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
        // What is kept shouldn't hold room that it doesn't need.
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
