//! The predicates of [`Error`], each with what to do.

use reqwest::StatusCode;

use super::{Error, ErrorKind};

/// A detail of an error: the response's text is truncated.
#[derive(Clone)]
pub(crate) struct TruncatedResponse;

impl Error {
    /// True if a setting of the client is invalid. **What to do:** correct the setting that the message
    /// names.
    pub fn is_configuration(&self) -> bool {
        self.0.kind == ErrorKind::Configuration
    }

    /// True if a parameter, a field, a file or a session is invalid; nothing was changed on the server.
    /// **What to do:** correct each of them; the message names them.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == ErrorKind::InvalidInput
    }

    /// True if a file on this machine can't be read or written. **What to do:** see the source, which is the
    /// [`std::io::Error`].
    #[doc(alias = "file")]
    pub fn is_io(&self) -> bool {
        self.0.kind == ErrorKind::Io
    }

    /// True if the credentials provider failed. **What to do:** see the source, which is the provider's error.
    #[doc(alias("auth", "token"))]
    pub fn is_credentials(&self) -> bool {
        self.0.kind == ErrorKind::Credentials
    }

    /// True if no connection could be made. **What to do:** check base URL, DNS, proxy and certificates. The
    /// server didn't process the request, so it can be sent again.
    pub fn is_connect(&self) -> bool {
        self.0.kind == ErrorKind::Connect
    }

    /// True if a time-out expired: while connecting, while no byte was sent or received, or for the whole
    /// call. **What to do:** raise the time-out of the client or of the call. For a POST, PUT or PATCH, see
    /// [`is_unknown_outcome`](Error::is_unknown_outcome), which may be true as well.
    pub fn is_timeout(&self) -> bool {
        self.0.timed_out
    }

    /// True if a request that may be sent twice didn't complete, and all of its retries failed. **What to do:**
    /// call again; if it happens often, check the network and the proxies in between.
    pub fn is_connection_lost(&self) -> bool {
        self.0.kind == ErrorKind::ConnectionLost
    }

    /// True if the same request may succeed later: no connection, a time-out, a broken connection, a truncated
    /// response, 408, 425, 429, or a 5xx status that servers and gateways respond for a while. An unknown outcome is
    /// always included. **What to do:** try again later, at the earliest after
    /// [`retry_after`](Error::retry_after). If [`is_unknown_outcome`](Error::is_unknown_outcome) is true as well,
    /// check the server's state first.
    #[doc(alias = "retryable")]
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::ConnectionLost
            | ErrorKind::UnknownOutcome => true,
            ErrorKind::Status if self.is_final() => false,
            ErrorKind::Status => matches!(
                self.status().map(|status| status.as_u16()),
                Some(408 | 425 | 429 | 500 | 502..=504 | 520..=524)
            ),
            _ => self.0.timed_out || self.detail::<TruncatedResponse>().is_some(),
        }
    }

    /// True if the request was sent and it is unknown whether the server acted on it. **What to do:** check
    /// the server's state (list or get the object) before sending the request again.
    pub fn is_unknown_outcome(&self) -> bool {
        self.0.kind == ErrorKind::UnknownOutcome
    }

    /// True if the server responded with an error status.
    pub fn is_status(&self) -> bool {
        self.0.kind == ErrorKind::Status
    }

    /// True if the server responded 404.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// True if the server responded 401. **What to do:** check the token, and that it belongs to this base
    /// URL.
    pub fn is_unauthorized(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// True if the server responded 403: the token is valid, but lacks the permission. **What to do:** ask
    /// for the permission, or set the tenant.
    pub fn is_forbidden(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// True if the server responded 400 or 422. **What to do:** correct the fields that
    /// [`field_errors`](crate::ErrorResponse::field_errors) of the response names.
    pub fn is_bad_request(&self) -> bool {
        self.0.kind == ErrorKind::Status
            && matches!(self.status(), Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// True if the server, or a proxy in front of it, responded 413: the request is too large. A response
    /// that is larger than `max_body_size` has [`ErrorKind::BodyLimit`] instead.
    pub fn is_too_large(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// True if the server responded 429. **What to do:** send fewer requests, or send them later.
    pub fn is_too_many_requests(&self) -> bool {
        self.0.kind == ErrorKind::Status && self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// True if the response can't be used. **What to do:** see [`response`](Error::response), which holds the
    /// response unless its head isn't valid HTTP, and [`json_path`](Error::json_path), which names the path.
    /// If the API has changed, update its document in `openapi/`.
    pub fn is_decode(&self) -> bool {
        self.0.kind == ErrorKind::Decode
    }

    /// True if the response is larger than `max_body_size`. **What to do:** raise the limit with
    /// [`max_body_size`](crate::BackendClientBuilder::max_body_size), or ask for less.
    pub fn is_body_limit(&self) -> bool {
        self.0.kind == ErrorKind::BodyLimit
    }

    /// True if a link or a redirect leads where it isn't followed. **What to do:** check the base URL; the
    /// message names the target.
    #[doc(alias = "redirect")]
    pub fn is_cross_origin(&self) -> bool {
        self.0.kind == ErrorKind::CrossOrigin
    }

    /// True if a list is inconsistent. **What to do:** see the list's anomaly, or read the list with another
    /// policy.
    #[doc(alias("paging", "cursor"))]
    pub fn is_pagination(&self) -> bool {
        self.0.kind == ErrorKind::Pagination
    }

    /// True if an upload is inconsistent. **What to do:** start a new upload.
    pub fn is_upload(&self) -> bool {
        self.0.kind == ErrorKind::Upload
    }

    /// True if a downloaded file isn't the expected one. **What to do:** check the expected size and digest, or
    /// download it again.
    #[doc(alias("checksum", "digest"))]
    pub fn is_download(&self) -> bool {
        self.0.kind == ErrorKind::Download
    }

    /// True if a URL conversion failed.
    pub fn is_url_conversion(&self) -> bool {
        self.0.kind == ErrorKind::UrlConversion
    }
}
