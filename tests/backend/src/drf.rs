//! Responses in the format of Django REST Framework, and of the proxy in front of it.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

/// A refused request, as the JSON body of the response.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Vec<u8>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, body: &impl Serialize) -> Self {
        // Can't fail: the values here are maps with string keys.
        Self { status, body: serde_json::to_vec(body).unwrap_or_default(), header: None }
    }

    pub(crate) fn detail(status: StatusCode, detail: &str) -> Self {
        Self::new(status, &json!({ "detail": detail }))
    }

    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::detail(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        let mut refusal = Self::detail(StatusCode::UNAUTHORIZED, detail);
        refusal.header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Token")));
        refusal
    }

    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::detail(StatusCode::METHOD_NOT_ALLOWED, &format!("Method \"{method}\" not allowed."))
    }

    pub(crate) fn unsupported(media_type: &str) -> Self {
        let detail = format!("Unsupported media type \"{media_type}\" in request.");
        Self::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail)
    }

    /// The server itself failed (a disk error, for example). Django gives no more details.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self::detail(StatusCode::INTERNAL_SERVER_ERROR, &format!("test backend: {error}"))
    }
}

/// Refuses one field.
pub(crate) fn field_error(field: &'static str, message: impl Into<String>) -> Refusal {
    let mut errors = FieldErrors::default();
    errors.add(field, message);
    Refusal::new(StatusCode::BAD_REQUEST, &errors)
}

/// Responds with a JSON value.
pub(crate) fn value(status: StatusCode, value: &impl Serialize) -> Result<Response, Refusal> {
    Ok(json(status, serde_json::to_vec(value).map_err(|e| Refusal::internal(&e))?))
}

/// Responds with 204 and no body.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, self.body);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Errors by field, in the order in which the serializer or filter set declares its fields.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors(Vec<(&'static str, String)>);

impl FieldErrors {
    pub(crate) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push((field, message.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::new(StatusCode::BAD_REQUEST, &self)) }
    }
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, message) in &self.0 {
            map.serialize_entry(field, &[message])?;
        }
        map.end()
    }
}

pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn html(status: StatusCode, page: String) -> Response {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Returns Django's response for a path without a route.
pub(crate) fn no_such_page() -> Response {
    html(
        StatusCode::NOT_FOUND,
        "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  \
         <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n"
            .to_owned(),
    )
}

/// Returns the error page of a proxy, for example for a 413 or a 502.
pub(crate) fn proxy_page(status: StatusCode) -> String {
    let reason = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::SERVICE_UNAVAILABLE => "Service Temporarily Unavailable",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        // The CDN's own statuses.
        other if other.as_u16() == 520 => "Web server is returning an unknown error",
        other if other.as_u16() == 521 => "Web server is down",
        other if other.as_u16() == 522 => "Connection timed out",
        other if other.as_u16() == 523 => "Origin is unreachable",
        other if other.as_u16() == 524 => "A timeout occurred",
        other => other.canonical_reason().unwrap_or("Error"),
    };
    let title = format!("{} {reason}", status.as_u16());
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
}

/// Returns a JSON parser error in Python's wording, which DRF passes on.
pub(crate) fn json_parse_error(text: &[u8], error: &serde_json::Error) -> Refusal {
    if let Err(bad) = std::str::from_utf8(text) {
        let at = bad.valid_up_to();
        let byte = text.get(at).copied().unwrap_or_default();
        return Refusal::bad_request(&format!(
            "JSON parse error - 'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: invalid start byte"
        ));
    }
    let said = error.to_string();
    // serde counts the bytes it has read; Python reports the position of the expected byte.
    let column = if error.is_eof() { error.column() + 1 } else { error.column().max(1) };
    let says = |part: &str| said.starts_with(part);
    let message = if says("key must be a string") || says("EOF while parsing an object") {
        "Expecting property name enclosed in double quotes"
    } else if says("expected `,`") || says("EOF while parsing a list") {
        "Expecting ',' delimiter"
    } else if says("expected `:`") {
        "Expecting ':' delimiter"
    } else if says("trailing characters") {
        "Extra data"
    } else if says("EOF while parsing a string") {
        "Unterminated string starting at"
    } else if says("control character") {
        "Invalid control character at"
    } else if says("invalid escape") {
        "Invalid \\escape"
    } else {
        "Expecting value"
    };
    let before: usize =
        text.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let char = before + column - 1;
    Refusal::bad_request(&format!(
        "JSON parse error - {message}: line {} column {column} (char {char})",
        error.line().max(1)
    ))
}
