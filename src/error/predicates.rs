//! What a caller asks an [`Error`], with what to do then.

use reqwest::StatusCode;

use super::{Error, ErrorKind};

impl Error {
    /// A setting of the client is wrong. **What to do:** the message names the setting.
    pub fn is_configuration(&self) -> bool {
        self.0.kind == ErrorKind::Configuration
    }

    /// A parameter, a field, a file or a session can't be right, and nothing was changed at the server.
    /// **What to do:** the message names each of them.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == ErrorKind::InvalidInput
    }

    /// A file on this machine can't be read or written.
    pub fn is_file(&self) -> bool {
        self.0.kind == ErrorKind::Io
    }

    /// No connection could be made. **What to do:** check base URL, DNS, proxy and certificates; the request
    /// was not seen by the server and can be sent again.
    pub fn is_connect(&self) -> bool {
        self.0.kind == ErrorKind::Connect
    }

    /// A time-out expired: while connecting, while no byte moved, or as a whole. **What to do:** raise the
    /// time-out of the client or of the call; for a request that isn't repeatable see
    /// [`is_unknown_outcome`](Error::is_unknown_outcome), which may hold as well.
    pub fn is_timeout(&self) -> bool {
        self.0.timed_out
    }

    /// The request was sent, and whether the server acted on it is not known. **What to do:** ask the server
    /// (list or get what was to be made) before sending it again.
    pub fn is_unknown_outcome(&self) -> bool {
        self.0.kind == ErrorKind::UnknownOutcome
    }

    /// The server answered with an error status.
    pub fn is_status(&self) -> bool {
        self.0.kind == ErrorKind::Status
    }

    /// The server answered 404.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// The server answered 401. **What to do:** check the token, and that it belongs to this base URL.
    pub fn is_unauthorized(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// The server answered 403. **What to do:** the token is valid; ask for the right, or set the tenant.
    pub fn is_forbidden(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// The server answered 400 or 422. **What to do:** [`field_errors`](crate::ErrorResponse::field_errors)
    /// of the response names the fields that it refused.
    pub fn is_bad_request(&self) -> bool {
        self.0.kind == ErrorKind::Status
            && matches!(self.status(), Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// The server, or a proxy before it, answered 413: the request is too large. A response that is larger
    /// than `max_body_size` is of [`ErrorKind::BodyLimit`].
    pub fn is_too_large(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The server answered 429. **What to do:** send less, or later.
    pub fn is_too_many_requests(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// The response can't be used. **What to do:** [`response`](Error::response) holds it, unless its head
    /// isn't HTTP; [`json_path`](Error::json_path) names the place; where the API has changed, its document
    /// in `openapi/` is to follow.
    pub fn is_decode(&self) -> bool {
        self.0.kind == ErrorKind::Decode
    }

    /// A URL conversion failed.
    pub fn is_url_conversion(&self) -> bool {
        self.0.kind == ErrorKind::UrlConversion
    }
}
