//! Files with ranges, validators and `HEAD`, streamed from disk or generated while they are sent.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::app::App;
use crate::data::files::{Content, FileKind};
use crate::data::mix;
use crate::data_collection::FileContent;
use crate::drf;
use crate::models::ModelContent;
use crate::time::Timestamp;

/// Characters of a file name that are percent-encoded in a URL's path.
pub(crate) const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const BLOCK: usize = 64 << 10;
/// The modification time of all files: 2025-01-01T00:00:00Z.
const MODIFIED: Timestamp = Timestamp::from_micros(1_735_689_600_000_000);

enum Source {
    Generated(Content),
    Disk { path: PathBuf, size: u64, md5: String },
}

impl Source {
    /// Finds the file at a decoded path below `/media/`.
    fn find(app: &App, path: &str) -> Option<Self> {
        let (folder, rest) = path.split_once('/')?;
        match folder {
            "data_units" => {
                let (unit, name) = rest.split_once('/')?;
                let unit = unit.parse().ok().filter(|unit| app.world.has_unit(*unit))?;
                let kind = FileKind::ALL.into_iter().find(|kind| kind.file_name() == name)?;
                Some(Self::Generated(kind.content(app.world.seed, unit)))
            }
            "models" => {
                let (id, name) = rest.split_once('/')?;
                let id = id.parse().ok()?;
                let file = app.models.get(id)?.file.clone()?;
                if utf8_percent_encode(name, UNSAFE).to_string() != file.name {
                    return None;
                }
                Some(match file.content {
                    ModelContent::Generated { size } => {
                        Self::Generated(Content::noise(mix(app.world.seed, 9_000 + id as u64), size))
                    }
                    ModelContent::Uploaded { path, size, md5 } => Self::Disk { path, size, md5 },
                })
            }
            "chunked_uploads" => {
                let upload = app.uploads.named(rest.strip_suffix(".done")?)?;
                let completed = upload.completed()?;
                Some(Self::Disk { path: upload.path.clone(), size: completed.size, md5: completed.md5 })
            }
            "data_files" => {
                let id = rest.split_once('/')?.0.parse().ok()?;
                let file = app.data.files.get(id)?;
                Some(match file.content {
                    FileContent::Generated(kind, unit) => Self::Generated(kind.content(app.world.seed, unit)),
                    FileContent::Disk { path, md5 } => Self::Disk { path, size: file.size, md5 },
                })
            }
            "stored" => {
                let (path, size, md5) = app.integration.files.find(rest)?;
                Some(Self::Disk { path, size, md5 })
            }
            // A file of any size for tests and benches: /media/blobs/1048576/a.bin
            "blobs" => {
                let (size, name) = rest.split_once('/')?;
                let key = name.bytes().fold(app.world.seed, |key, byte| mix(key, u64::from(byte)));
                Some(Self::Generated(Content::noise(key, size.parse().ok()?)))
            }
            _ => None,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Generated(content) => content.size(),
            Self::Disk { size, .. } => *size,
        }
    }

    fn etag(&self) -> String {
        match self {
            Self::Generated(content) => content.etag(),
            Self::Disk { md5, .. } => format!("\"{md5}\""),
        }
    }

    fn blocks(self, range: Range<u64>) -> io::Result<Blocks> {
        let file = match &self {
            Self::Generated(_) => None,
            Self::Disk { path, .. } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(range.start))?;
                Some(file)
            }
        };
        Ok(Blocks { source: self, file, range })
    }
}

/// A file's bytes in blocks.
struct Blocks {
    source: Source,
    file: Option<File>,
    range: Range<u64>,
}

impl Iterator for Blocks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = (self.range.end - self.range.start).min(BLOCK as u64) as usize;
        if length == 0 {
            return None;
        }
        let block = match (&self.source, &mut self.file) {
            (Source::Disk { .. }, Some(file)) => {
                let mut block = vec![0; length];
                file.read_exact(&mut block).map(|()| block)
            }
            (Source::Generated(content), _) => Ok(content.read(self.range.start, length)),
            (Source::Disk { .. }, None) => Err(io::ErrorKind::NotFound.into()),
        };
        self.range.start += length as u64;
        Some(block.map(Bytes::from))
    }
}

/// Returns the content of the file that a URL or a path names.
pub(crate) fn bytes(app: &App, url: &str) -> Option<Bytes> {
    let path = url.split(['?', '#']).next()?;
    let (_, path) = path.split_once("/media/")?;
    let source = Source::find(app, &percent_decode_str(path).decode_utf8().ok()?)?;
    let size = source.size();
    let mut whole = Vec::new();
    for block in source.blocks(0..size).ok()? {
        whole.extend_from_slice(&block.ok()?);
    }
    Some(whole.into())
}

pub(crate) async fn serve(
    State(app): State<App>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return drf::html(StatusCode::METHOD_NOT_ALLOWED, drf::proxy_page(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Some(source) = Source::find(&app, &path) else {
        return drf::html(StatusCode::NOT_FOUND, drf::proxy_page(StatusCode::NOT_FOUND));
    };
    let (size, etag) = (source.size(), source.etag());
    let mut response = Response::new(Body::empty());
    let mut set = |name: HeaderName, value: &str| {
        // Can't fail: the values are plain ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(ETAG, &etag);
    set(LAST_MODIFIED, &MODIFIED.http_date());
    set(ACCEPT_RANGES, "bytes");
    if is_unchanged(&headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let range = match asked_range(&headers, &etag, size) {
        RequestParts::Whole => {
            set(CONTENT_TYPE, media_type(&path));
            0..size
        }
        RequestParts::Part(range) => {
            set(CONTENT_TYPE, media_type(&path));
            set(CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        RequestParts::Beyond => {
            set(CONTENT_RANGE, &format!("bytes */{size}"));
            set(CONTENT_LENGTH, "0");
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if method == Method::HEAD {
        return response;
    }
    match source.blocks(range) {
        Ok(blocks) => *response.body_mut() = Body::from_stream(futures_util::stream::iter(blocks)),
        Err(_) => return drf::html(StatusCode::NOT_FOUND, drf::proxy_page(StatusCode::NOT_FOUND)),
    }
    response
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    if let Some(known) = text(headers, IF_NONE_MATCH) {
        return known
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.trim_start_matches("W/") == etag);
    }
    text(headers, IF_MODIFIED_SINCE).is_some_and(|date| date == MODIFIED.http_date())
}

enum RequestParts {
    Whole,
    Part(Range<u64>),
    Beyond,
}

/// Returns the requested range. Several ranges or an invalid range select the whole file, as RFC 9110 allows.
fn asked_range(headers: &HeaderMap, etag: &str, size: u64) -> RequestParts {
    let same = text(headers, IF_RANGE).is_none_or(|known| known == etag || known == MODIFIED.http_date());
    let range = text(headers, RANGE).and_then(|range| range.trim().strip_prefix("bytes=")).filter(|_| same);
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return RequestParts::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => RequestParts::Whole,
        (Ok(first), _) if first >= size => RequestParts::Beyond,
        (Ok(first), Ok(last)) => RequestParts::Part(first..last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.trim().is_empty() => RequestParts::Part(first..size),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => match suffix.min(size) {
            0 => RequestParts::Beyond,
            suffix => RequestParts::Part(size - suffix..size),
        },
        _ => RequestParts::Whole,
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "png" => "image/png",
        "txt" => "text/plain",
        "mp4" => "video/mp4",
        "wav" => "audio/x-wav",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
