//! `PUT`: receives a chunk.
//!
//! The bytes are written directly to the upload's file, after the accepted bytes. They are accepted only if
//! all of them arrived and their number is the announced one. The next chunk overwrites what a broken request
//! leaves behind.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::disk;
use crate::app::App;
use crate::body::{self, bad_multipart};
use crate::drf::{self, Refusal};
use crate::request_parts::RequestParts;
use crate::service::EarlyResponse;

const LONGEST_NAME: usize = 255;

/// Where a chunk is refused: by the application, or by the proxy in front of it.
pub(crate) enum Refused {
    Application(Refusal),
    Proxy,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Application(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Application(refusal) => refusal.into_response(),
            Self::Proxy => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                let mut page = drf::html(status, drf::proxy_page(status));
                page.extensions_mut().insert(EarlyResponse);
                page
            }
        }
    }
}

pub(crate) async fn put_first(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let range = ContentRange::of(request.headers());
    let new = NewFile::new(&app)?;
    let mut chunk = Chunk::new(Some(File::create(&new.path).map_err(disk)?));
    chunk.receive(&app, request).await?;
    let range = chunk.check(&app, range)?;
    let filename = chunk.filename()?;
    let upload = app.uploads.add(new.keep(), filename, range);
    Ok(upload.shown(&app, &parts)?)
}

pub(crate) async fn put_next(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let range = ContentRange::of(request.headers());
    let upload = app.uploads.named(&id);
    // A second request for the same bytes waits here until the first has finished, and is then refused.
    let _busy = match &upload {
        Some(upload) => Some(upload.busy.clone().lock_owned().await),
        None => None,
    };
    let mut chunk = Chunk::new(match (&upload, range) {
        (Some(upload), Some(range))
            if i128::from(upload.offset()) == range.first && upload.refuse_if_over().is_ok() =>
        {
            let mut file = OpenOptions::new().write(true).open(&upload.path).map_err(disk)?;
            file.seek(SeekFrom::Start(upload.offset())).map_err(disk)?;
            Some(file)
        }
        _ => None,
    });
    chunk.receive(&app, request).await?;
    let range = chunk.check(&app, range)?;
    let upload = upload.ok_or_else(Refusal::not_found)?;
    upload.refuse_if_over()?;
    let mut state = upload.state();
    if state.offset != range.start {
        let refusal = json!({
            "detail": "Offsets do not match", "expected_offset": state.offset, "provided_offset": range.start,
        });
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &refusal).into());
    }
    state.offset = range.end;
    state.ranges.push(range);
    drop(state);
    Ok(upload.shown(&app, &parts)?)
}

/// A file that is deleted unless it becomes an upload.
pub(super) struct NewFile {
    id: Uuid,
    pub(super) path: PathBuf,
    kept: bool,
}

impl NewFile {
    pub(super) fn new(app: &App) -> Result<Self, Refusal> {
        let id = Uuid::new_v4();
        let path = app.uploads.file_of(id);
        Ok(Self { id, path, kept: false })
    }

    pub(super) fn keep(mut self) -> Uuid {
        self.kept = true;
        self.id
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // Ignores a failure: the whole directory is deleted with the backend.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The first byte, last byte and total of a `Content-Range`. Wide enough for any digits that a client sends.
#[derive(Clone, Copy)]
pub(super) struct ContentRange {
    first: i128,
    last: i128,
    total: i128,
}

impl ContentRange {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
        let (range, total) = text.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |digits: &str| {
            (!digits.is_empty() && digits.len() < 30 && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse().ok())
                .flatten()
        };
        Some(Self { first: number(first)?, last: number(last)?, total: number(total)? })
    }

    /// Returns the range of a file that is sent in one request.
    pub(super) fn whole(size: u64) -> Self {
        let size = i128::from(size);
        Self { first: 0, last: size - 1, total: size }
    }
}

/// The content of a multipart body.
pub(super) struct Chunk {
    /// Where the bytes are written. `None` if the chunk will be refused anyway: the bytes are only counted.
    sink: Option<File>,
    size: Option<u64>,
    filename: Option<String>,
    pub(super) md5: Option<String>,
}

impl Chunk {
    pub(super) fn new(sink: Option<File>) -> Self {
        Self { sink, size: None, filename: None, md5: None }
    }

    /// Reads the parts in any order.
    pub(super) async fn receive(&mut self, app: &App, request: Request<Body>) -> Result<(), Refused> {
        let limit = app.settings.max_upload_bytes.unwrap_or(u64::MAX);
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > limit) {
            return Err(Refused::Proxy);
        }
        let (kind, full) = body::media_type(request.headers());
        match kind.as_str() {
            "multipart/form-data" => {}
            // For another media type, another parser reads the body and finds no file in it.
            "application/json" | "application/x-www-form-urlencoded" => return Ok(()),
            _ => return Err(Refusal::unsupported(full).into()),
        }
        let full = full.to_owned();
        let mut parts = body::multipart(&full, request.into_body())?;
        let mut received = 0_u64;
        while let Some(mut part) = parts.next_field().await.map_err(|e| bad_multipart(&e))? {
            match part.name() {
                // Without a file name, Django treats the part as text, not as a file.
                Some("file") if part.file_name().is_some() && self.size.is_none() => {
                    let mut size = 0;
                    while let Some(bytes) = part.chunk().await.map_err(|e| bad_multipart(&e))? {
                        size += bytes.len() as u64;
                        received += bytes.len() as u64;
                        if received > limit {
                            return Err(Refused::Proxy);
                        }
                        // Writes to the page cache: faster than a round trip to another thread.
                        if let Some(sink) = &mut self.sink {
                            sink.write_all(&bytes).map_err(disk)?;
                        }
                    }
                    self.size = Some(size);
                }
                Some("filename") => self.filename = Some(part.text().await.map_err(|e| bad_multipart(&e))?),
                Some("md5") => self.md5 = Some(part.text().await.map_err(|e| bad_multipart(&e))?),
                _ => while part.chunk().await.map_err(|e| bad_multipart(&e))?.is_some() {},
            }
        }
        Ok(())
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Runs the package's checks, in its order and with its messages.
    pub(super) fn check(&self, app: &App, range: Option<ContentRange>) -> Result<Range<u64>, Refusal> {
        let size = self.size.ok_or_else(|| Refusal::bad_request("No chunk file was submitted"))?;
        let range = range.ok_or_else(|| Refusal::bad_request("Error in request headers"))?;
        let ContentRange { first, last, total } = range;
        if last > total {
            let detail = format!("End of chunk exceeds reported total ({total} bytes)");
            return Err(Refusal::bad_request(&detail));
        }
        if let Some(limit) = app.settings.max_file_bytes.filter(|limit| total > i128::from(*limit)) {
            return Err(Refusal::bad_request(&format!("Size of file exceeds the limit ({limit} bytes)")));
        }
        let reported = last - first + 1;
        if i128::from(size) != reported {
            let detail =
                format!("File size doesn't match headers: file size is {size} but {reported} reported");
            return Err(Refusal::bad_request(&detail));
        }
        if size == 0 {
            let refusal = json!({"detail": {"file": ["The submitted file is empty."]}});
            return Err(Refusal::new(StatusCode::BAD_REQUEST, &refusal));
        }
        match (u64::try_from(first), u64::try_from(last)) {
            (Ok(first), Ok(last)) if last < u64::MAX => Ok(first..last + 1),
            _ => Err(Refusal::bad_request("Error in request headers")),
        }
    }

    pub(super) fn filename(&self) -> Result<String, Refusal> {
        let problem = match self.filename.as_deref().map(str::trim) {
            None => "This field is required.",
            Some("") => "This field may not be blank.",
            Some(name) if name.chars().count() > LONGEST_NAME => {
                "Ensure this field has no more than 255 characters."
            }
            Some(name) => return Ok(name.to_owned()),
        };
        Err(Refusal::new(StatusCode::BAD_REQUEST, &json!({"detail": {"filename": [problem]}})))
    }
}
