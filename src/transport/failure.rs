//! [`Failure`]: why an attempt failed, made from the failures of the HTTP library.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::content_decoder::ContentError;
use reqwest::{Method, Url};

use crate::error::method::MethodSemantics as _;
use crate::error::predicates::TruncatedResponse;
use crate::error::{Cause, Error, ErrorKind, RequestInfo};
use crate::transport::timeouts::Elapsed;

/// Why an attempt failed: the error, and what decides what follows it. The caller gets only the error.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure {
    pub(crate) error: Error,
    pub(crate) reason: Reason,
}

/// What an error's kind doesn't say.
#[derive(Debug, PartialEq)]
pub(crate) enum Reason {
    /// Nothing more than its kind.
    Kind,
    /// The request was sent, and no complete response arrived.
    Interrupted,
    /// The response's text is truncated.
    Truncated,
    /// A 401 led to renewed credentials. The caller has the body, and must send the request again.
    Renewed,
    /// The server redirects the request. The caller has the body, and must send the request there.
    Redirected(Box<Url>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, reason: Reason::Kind }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.reason {
            Reason::Truncated => failure.error.with_detail(TruncatedResponse),
            _ => failure.error,
        }
    }
}

impl Failure {
    /// Returns the failure of a request that was sent, and for which no complete response arrived.
    pub(crate) fn interrupted(request: RequestInfo, what: &str) -> Self {
        Failure { error: Error::interrupted(request, what), reason: Reason::Interrupted }
    }

    /// Changes the error.
    pub(crate) fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        Failure { error: change(self.error), ..self }
    }

    /// Returns whether the connection failed, so that the next attempt should use another one.
    pub(crate) fn lost_connection(&self) -> bool {
        matches!(self.error.kind(), ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::ConnectionLost)
            || matches!(self.reason, Reason::Interrupted | Reason::Truncated)
    }

    /// Returns whether the request may be sent again: the server didn't act on it, or may act on it twice.
    /// `idempotent` says the latter for any method.
    pub(crate) fn may_be_resent(&self, method: &Method, idempotent: bool) -> bool {
        if self.error.is_final() {
            return false;
        }
        let idempotent = idempotent || method.may_be_resent();
        let status = self.error.status().map(|status| status.as_u16()).unwrap_or_default();
        match self.error.kind() {
            ErrorKind::Connect => true,
            ErrorKind::Timeout | ErrorKind::ConnectionLost | ErrorKind::UnknownOutcome => idempotent,
            ErrorKind::Decode => idempotent && self.reason == Reason::Truncated,
            ErrorKind::Status if idempotent => {
                matches!(status, 408 | 429 | 502 | 503 | 504 | 520..=524)
                    || (status == 500 && method == Method::GET)
            }
            // A 503 from a gateway itself is an unknown outcome.
            ErrorKind::Status => matches!(status, 429 | 503),
            _ => false,
        }
    }
}

/// Returns the failure of a request without a usable response head. `proxy` is the proxy of the request, if there is one.
pub(super) fn of_reqwest(
    error: reqwest::Error,
    info: &RequestInfo,
    connect_timeout: Duration,
    proxy: Option<&str>,
) -> Failure {
    let timed_out = error.is_timeout();
    let (connect, builder, refused) = (error.is_connect(), error.is_builder(), refused(&error));
    let (no_head, no_more_files) = (has_no_head(&error), has_no_more_files(&error));
    let cause = Cause::of(&error.without_url());
    let root = cause.root();
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    let error = if connect && timed_out {
        let message = format!("no connection{through} within {connect_timeout:?}, the connect time-out");
        Error::new(ErrorKind::Connect, message).timed_out()
    } else if connect && no_more_files {
        let advice = "the process has too many open files: raise its limit (`ulimit -n`), or send fewer requests at a time";
        Error::new(ErrorKind::Connect, format!("no connection{through}: {root}: {advice}"))
    } else if connect {
        Error::new(ErrorKind::Connect, format!("no connection{through}: {root}"))
    } else if refused {
        let message = format!("the server refused the request{through} without processing it: {root}");
        Error::new(ErrorKind::Connect, message)
    } else if builder {
        Error::new(ErrorKind::InvalidInput, format!("the request can't be built: {root}"))
    } else if no_head {
        // The server responded, and would respond in the same way again.
        let message = format!("invalid response head{through}: {root}");
        match info.may_be_resent() {
            true => Error::new(ErrorKind::Decode, message),
            false => Error::unknown_outcome(message),
        }
    } else {
        let what = format!("the connection{through} broke before the response: {root}");
        return Failure::interrupted(info.clone(), &what).map(|error| error.source_of(cause));
    };
    error.of(info.clone()).source_of(cause).into()
}

/// Returns the error of type `E` among an error's causes.
fn caused_by<'e, E: StdError + 'static>(error: &'e reqwest::Error) -> Option<&'e E> {
    std::iter::successors(error.source(), |error: &&'e (dyn StdError + 'static)| (*error).source())
        .find_map(|error| error.downcast_ref())
}

/// Returns whether the received bytes aren't a valid response head.
fn has_no_head(error: &reqwest::Error) -> bool {
    caused_by::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) || is_malformed(error)
}

/// Returns whether the process or the system has reached its limit of open files, which also limits
/// connections.
fn has_no_more_files(error: &reqwest::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const WSAEMFILE: i32 = 10_024;
    let Some(code) = caused_by::<io::Error>(error).and_then(io::Error::raw_os_error) else { return false };
    (cfg!(unix) && matches!(code, EMFILE | ENFILE)) || (cfg!(windows) && code == WSAEMFILE)
}

/// Returns whether an HTTP/2 server reports that it didn't process the request (RFC 9113, section 8.7).
#[cfg(feature = "http2")]
fn refused(error: &reqwest::Error) -> bool {
    caused_by::<h2::Error>(error).is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && ((error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
                || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
    })
}

/// Returns whether an HTTP/2 response is malformed (RFC 9113, section 8.1.1). That ends its stream, but not
/// the connection.
#[cfg(feature = "http2")]
fn is_malformed(error: &reqwest::Error) -> bool {
    caused_by::<h2::Error>(error).is_some_and(|error| {
        error.is_library() && error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR)
    })
}

#[cfg(not(feature = "http2"))]
fn is_malformed(_: &reqwest::Error) -> bool {
    false
}

#[cfg(not(feature = "http2"))]
fn refused(_: &reqwest::Error) -> bool {
    false
}

/// Why a body can't be read to its end.
pub(super) enum BodyError {
    Broken(reqwest::Error),
    Compressed(ContentError),
}

impl From<reqwest::Error> for BodyError {
    fn from(error: reqwest::Error) -> Self {
        BodyError::Broken(error)
    }
}

impl From<ContentError> for BodyError {
    fn from(error: ContentError) -> Self {
        BodyError::Compressed(error)
    }
}

/// Returns the failure of a response whose body can't be read to its end.
pub(super) fn body_failure(error: BodyError, info: &RequestInfo) -> Failure {
    match error {
        BodyError::Broken(error) => {
            let cause = Cause::of(&error.without_url());
            let what = format!("the connection broke during the response: {}", cause.root());
            Failure::interrupted(info.clone(), &what).map(|error| error.source_of(cause))
        }
        BodyError::Compressed(error) => Failure::interrupted(info.clone(), &error.to_string()),
    }
}

/// Returns the failure of a request whose time-out expired after it was sent.
pub(super) fn timed_out(elapsed: Elapsed, info: &RequestInfo) -> Failure {
    let failure = match info.may_be_resent() {
        true => Error::new(ErrorKind::Timeout, elapsed.to_string()).of(info.clone()).into(),
        false => Failure::interrupted(info.clone(), &elapsed.to_string()),
    };
    failure.map(Error::timed_out)
}

/// Returns the error for a time-out that expired before the request was sent.
pub(super) fn not_sent_in_time(elapsed: Elapsed, info: &RequestInfo) -> Error {
    Error::new(ErrorKind::Timeout, format!("{elapsed} before it was sent")).timed_out().of(info.clone())
}

/// Returns the error for a time-out that expired before the connection accepted a byte of the body, so that
/// nothing of the request was sent.
pub(super) fn not_connected_in_time(elapsed: Elapsed, info: &RequestInfo) -> Error {
    Error::new(ErrorKind::Connect, format!("{elapsed}, and nothing of the request had been sent"))
        .timed_out()
        .of(info.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_response_is_transient() {
        let error = |reason| Error::from(Failure { error: Error::new(ErrorKind::Decode, "x"), reason });
        assert!(error(Reason::Truncated).is_transient());
        assert!(!error(Reason::Kind).is_transient());
    }
}
