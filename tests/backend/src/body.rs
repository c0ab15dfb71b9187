//! Reads request bodies: whole for forms, shared and counted for all requests.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use serde_json::Value;

use crate::drf::{self, Refusal};

/// The largest body that is read whole, in bytes.
const LARGEST: usize = 64 << 20;
/// The largest body that is kept with a recorded request, in bytes.
const CAPTURED: usize = 64 << 10;

/// A request's body that several owners can read in turn. As behind a buffering proxy, the response is sent
/// only after the whole request has arrived, so the service drains what the handler left unread.
#[derive(Clone)]
pub(crate) struct SharedBody(Arc<Mutex<Inner>>);

struct Inner {
    body: Incoming,
    ended: bool,
    length: u64,
    captured: Option<Vec<u8>>,
}

impl SharedBody {
    pub(crate) fn new(body: Incoming, capture: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner { body, ended: false, length: 0, captured: capture.then(Vec::new) })))
    }

    /// Reads to the end, or until `length` bytes were received in total.
    pub(crate) async fn drain(&self, length: u64) {
        let mut rest = self.clone();
        while self.lock().length < length {
            match std::future::poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
    }

    /// Returns the number of bytes received, and the bytes themselves if they are few.
    pub(crate) fn seen(&self) -> (u64, Bytes) {
        let mut inner = self.lock();
        let captured = inner.captured.take().unwrap_or_default();
        (inner.length, Bytes::from(captured))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut inner = self.lock();
        if inner.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut inner.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    inner.length += data.len() as u64;
                    if inner.captured.as_ref().is_some_and(|kept| kept.len() + data.len() > CAPTURED) {
                        inner.captured = None;
                    }
                    if let Some(kept) = &mut inner.captured {
                        kept.extend_from_slice(data);
                    }
                }
            }
            Some(Err(_)) | None => inner.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let inner = self.lock();
        inner.ended || inner.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}

/// Returns the media type of a request, without its parameters, in lower case, and the full header value.
pub(crate) fn media_type(headers: &HeaderMap) -> (String, &str) {
    let full = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(), full)
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, LARGEST)
        .await
        .map_err(|_| Refusal::detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body exceeded the limit."))
}

/// Reads the text of a JSON body.
pub(crate) async fn json(request: Request<Body>) -> Result<Bytes, Refusal> {
    let (kind, full) = media_type(request.headers());
    let refusal = (kind != "application/json").then(|| Refusal::unsupported(full));
    let text = whole(request.into_body()).await?;
    // The media type doesn't matter if the body is empty.
    match refusal {
        Some(refusal) if !text.is_empty() => Err(refusal),
        _ => Ok(text),
    }
}

/// Reads a small form: JSON, urlencoded or multipart.
pub(crate) async fn form(request: Request<Body>) -> Result<HashMap<String, Value>, Refusal> {
    let (kind, full) = media_type(request.headers());
    let full = full.to_owned();
    match kind.as_str() {
        "multipart/form-data" => {
            let mut parts = multipart(&full, request.into_body())?;
            let mut form = HashMap::new();
            while let Some(part) = parts.next_field().await.map_err(|e| bad_multipart(&e))? {
                let name = part.name().unwrap_or_default().to_owned();
                form.insert(name, Value::String(part.text().await.map_err(|e| bad_multipart(&e))?));
            }
            Ok(form)
        }
        "application/x-www-form-urlencoded" => {
            let text = whole(request.into_body()).await?;
            Ok(form_urlencoded::parse(&text)
                .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
                .collect())
        }
        _ => {
            let text = json(request).await?;
            if text.is_empty() {
                return Ok(HashMap::new());
            }
            match serde_json::from_slice(&text).map_err(|error| drf::json_parse_error(&text, &error))? {
                Value::Object(fields) => Ok(fields.into_iter().collect()),
                _ => Ok(HashMap::new()),
            }
        }
    }
}

pub(crate) fn multipart(content_type: &str, body: Body) -> Result<multer::Multipart<'static>, Refusal> {
    match multer::parse_boundary(content_type) {
        Ok(boundary) => Ok(multer::Multipart::new(body.into_data_stream(), boundary)),
        Err(_) => {
            Err(Refusal::bad_request("Multipart form parse error - Invalid boundary in multipart: None"))
        }
    }
}

pub(crate) fn bad_multipart(error: &multer::Error) -> Refusal {
    Refusal::bad_request(&format!("Multipart form parse error - {error}"))
}
