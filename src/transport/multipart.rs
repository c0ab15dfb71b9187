//! [`MultipartBody`]: a body of the type `multipart/form-data`. Its files are opened for each attempt, and its
//! length is known before it is sent.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::Body;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::blocking::blocking;
use crate::runtime::lock::lock;
use crate::values::source_opening::has_more;
use crate::values::upload_source::{ResumableSource, SourceKind, SourceStream, StreamSource, UploadSource};

/// The maximum number of bytes that are read from a file at a time.
const BLOCK_SIZE: usize = 256 << 10;

/// The parts of a form, in the order in which they are sent.
pub(crate) struct MultipartBody {
    boundary: String,
    parts: Vec<MultipartPart>,
}

/// A part of a form: its headers and its content.
pub(crate) struct MultipartPart {
    /// The field's name, for errors.
    field: String,
    headers: String,
    content: PartContent,
}

enum PartContent {
    Memory(Bytes),
    Resumable(ResumableSource),
    /// `None` after the stream was sent.
    OneShot(Mutex<Option<StreamSource>>),
}

/// A body that is ready to be sent.
pub(crate) struct OpenMultipart {
    pub(crate) body: Body,
    /// In bytes.
    pub(crate) length: u64,
    /// Set if the body ends with an error.
    pub(crate) failure: Arc<Mutex<Option<Error>>>,
}

impl MultipartPart {
    /// Makes a part that is text. `media_type` is a valid header.
    pub(crate) fn text(field: &str, name: &str, media_type: Option<&str>, text: String) -> Self {
        let headers = headers(name, None, media_type);
        MultipartPart { field: field.to_owned(), headers, content: PartContent::Memory(text.into()) }
    }

    /// Makes a part that is a file. `media_type` is a valid header.
    pub(crate) fn file(
        field: &str,
        name: &str,
        file_name: &str,
        media_type: Option<&str>,
        source: UploadSource,
    ) -> Self {
        let content = match source.0 {
            SourceKind::Resumable(source) => PartContent::Resumable(source),
            SourceKind::OneShot(source) => PartContent::OneShot(Mutex::new(Some(source))),
        };
        let headers = headers(name, Some(file_name), media_type);
        MultipartPart { field: field.to_owned(), headers, content }
    }
}

fn headers(name: &str, file_name: Option<&str>, media_type: Option<&str>) -> String {
    let mut headers = format!("Content-Disposition: form-data; name=\"{}\"", escaped(name));
    if let Some(file_name) = file_name {
        headers.extend(["; filename=\"", &escaped(file_name), "\""]);
    }
    if let Some(media_type) = media_type {
        headers.extend(["\r\nContent-Type: ", media_type]);
    }
    headers + "\r\n\r\n"
}

/// Escapes a name as browsers do, and also a backslash, which some servers read as an escape.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '"' | '\\' => escaped.push_str(&format!("%{:02X}", u32::from(letter))),
            _ if letter.is_ascii_control() => escaped.push_str(&format!("%{:02X}", u32::from(letter))),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Shows the names of the fields.
impl fmt::Debug for MultipartBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| &part.field)).finish()
    }
}

impl MultipartBody {
    pub(crate) fn new(parts: Vec<MultipartPart>) -> Self {
        // Random, so that no file contains it.
        let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        MultipartBody { boundary, parts }
    }

    /// Returns the value of the header `Content-Type`.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Returns whether the body can be sent more than once.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.parts.iter().all(|part| !matches!(part.content, PartContent::OneShot(_)))
    }

    /// Opens every file. Blocks.
    ///
    /// # Errors
    /// Returns an error if a file can't be opened, or if a stream was sent before.
    pub(crate) fn open(&self) -> Result<OpenMultipart> {
        let mut segments = VecDeque::new();
        let mut text = String::new();
        for MultipartPart { field, headers, content } in &self.parts {
            text.extend(["--", &self.boundary, "\r\n", headers]);
            let failed = |error: Error| error.during(in_field(field));
            let segment = match content {
                PartContent::Memory(bytes) => Segment::Memory(bytes.clone()),
                PartContent::Resumable(source) => {
                    let (reader, size) = source.open().map_err(failed)?;
                    Segment::File { field: field.clone(), source: source.clone(), reader, size, left: size }
                }
                PartContent::OneShot(source) => {
                    let once = || failed(Error::invalid_input("a stream can only be sent once"));
                    let StreamSource { stream, size } = lock(source).take().ok_or_else(once)?;
                    Segment::Stream { field: field.clone(), stream, size, left: size }
                }
            };
            segments.push_back(Segment::Memory(std::mem::take(&mut text).into()));
            segments.push_back(segment);
            text.push_str("\r\n");
        }
        text.extend(["--", &self.boundary, "--\r\n"]);
        segments.push_back(Segment::Memory(text.into()));
        let length = segments.iter().try_fold(0_u64, |sum, segment| sum.checked_add(segment.len()));
        let length = length.ok_or_else(|| Error::invalid_input("the form is too long for one request"))?;
        let failure = Arc::default();
        let open = Segments { segments, failure: Arc::clone(&failure) };
        let body = Body::wrap_stream(stream::try_unfold(open, Segments::next));
        Ok(OpenMultipart { body, length, failure })
    }
}

/// What is still to be sent.
struct Segments {
    segments: VecDeque<Segment>,
    failure: Arc<Mutex<Option<Error>>>,
}

/// A part of the body. Of `size` bytes, `left` are still to be read.
enum Segment {
    Memory(Bytes),
    File { field: String, source: ResumableSource, reader: Box<dyn Read + Send>, size: u64, left: u64 },
    Stream { field: String, stream: SourceStream, size: u64, left: u64 },
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Segment::Memory(bytes) => bytes.len() as u64,
            Segment::File { left, .. } | Segment::Stream { left, .. } => *left,
        }
    }

    /// Returns the next bytes, and the rest of the segment; no bytes at its end.
    ///
    /// # Errors
    /// Returns an error if the bytes can't be read, or if there are more or fewer than announced.
    async fn next(self) -> Result<(Bytes, Option<Segment>)> {
        match self {
            Segment::Memory(bytes) => Ok((bytes, None)),
            Segment::File { field, source, mut reader, size, left } => {
                let (reader, block) = blocking(move || {
                    let block = block_of(&mut reader, left);
                    (reader, block)
                })
                .await?;
                let changed = |error: io::Error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => changed_size(&source.shown(), "fewer", size),
                    io::ErrorKind::FileTooLarge => changed_size(&source.shown(), "more", size),
                    _ => source.unreadable(error),
                };
                let block = block.map_err(|error| changed(error).during(in_field(&field)))?;
                let left = left - block.len() as u64;
                let rest = (!block.is_empty()).then(|| Segment::File { field, source, reader, size, left });
                Ok((block, rest))
            }
            Segment::Stream { field, mut stream, size, left } => {
                let failed = |error: Error| error.during(in_field(&field));
                match stream.next().await {
                    None if left == 0 => Ok((Bytes::new(), None)),
                    None => Err(failed(changed_size("the source", "fewer", size))),
                    Some(Err(error)) => {
                        let message = format!("the source can't be read: {error}");
                        Err(failed(Error::new(ErrorKind::Io, message).source_of(error)))
                    }
                    Some(Ok(block)) => match left.checked_sub(block.len() as u64) {
                        None => Err(failed(changed_size("the source", "more", size))),
                        Some(left) => Ok((block, Some(Segment::Stream { field, stream, size, left }))),
                    },
                }
            }
        }
    }
}

impl Segments {
    /// Returns the next bytes that aren't empty; `None` at the end.
    async fn next(mut self) -> io::Result<Option<(Bytes, Segments)>> {
        while let Some(segment) = self.segments.pop_front() {
            match segment.next().await {
                Ok((bytes, rest)) => {
                    rest.into_iter().for_each(|rest| self.segments.push_front(rest));
                    if !bytes.is_empty() {
                        return Ok(Some((bytes, self)));
                    }
                }
                Err(error) => {
                    *lock(&self.failure) = Some(error);
                    return Err(io::Error::other("the form can't be read any further"));
                }
            }
        }
        Ok(None)
    }
}

fn in_field(field: &str) -> String {
    format!("sending the field `{field}`")
}

fn changed_size(source: &str, than: &str, size: u64) -> Error {
    let message =
        format!("{source} has {than} bytes than the {size} that were announced: send the form again");
    Error::new(ErrorKind::Io, message)
}

/// Reads the next bytes of `left`; none at the end. Blocks.
///
/// # Errors
/// Returns an error if the bytes can't be read; `UnexpectedEof` or `FileTooLarge` if there are fewer or more.
fn block_of(reader: &mut (impl Read + ?Sized), left: u64) -> io::Result<Bytes> {
    if left == 0 {
        return match has_more(reader)? {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(Bytes::new()),
        };
    }
    let mut block = vec![0; usize::try_from(left).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE)];
    reader.read_exact(&mut block)?;
    Ok(block.into())
}
