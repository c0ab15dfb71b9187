//! The edge in front of the application: what it refuses before the application sees it.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use crate::app::App;
use crate::body::{SharedBody, media_type};
use crate::drf;

/// The largest body that is searched for scripts, in bytes.
const SEARCHED: usize = 16 << 20;
const SCRIPTS: [&str; 4] = ["<script", "javascript:", "onerror=", "eval("];

/// Returns the response to a request whose query string is too long.
pub(crate) fn refuse_long_query(app: &App, parts: &Parts) -> Option<Response> {
    let limit = app.settings.quirks.query_limit?;
    let length = parts.uri.query().map_or(0, str::len);
    (length > limit).then(|| page(520))
}

/// Reads a multipart body that the edge searches for scripts. `Err` is the response to one that has any.
pub(crate) async fn search_scripts(app: &App, parts: &Parts, body: &SharedBody) -> Result<Body, Response> {
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let is_searched = app.settings.quirks.block_scripts
        && media_type(&parts.headers).0 == "multipart/form-data"
        && length.is_some_and(|length: usize| length <= SEARCHED);
    if !is_searched {
        return Ok(Body::new(body.clone()));
    }
    let bytes = match axum::body::to_bytes(Body::new(body.clone()), SEARCHED).await {
        Ok(bytes) => bytes,
        Err(_) => Bytes::new(),
    };
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    match SCRIPTS.iter().any(|script| text.contains(script)) {
        true => Err(page(403)),
        false => Ok(Body::from(bytes)),
    }
}

fn page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    drf::html(status, drf::proxy_page(status))
}
