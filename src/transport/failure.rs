//! Converts failures of the HTTP library into errors of this crate.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::content_decoder::ContentError;
use crate::error::{Cause, Error, ErrorKind, RequestInfo};
use crate::transport::timeouts::Elapsed;

/// Returns the error for a request without a response. `proxy` is the proxy of the request, if there is one.
pub(super) fn failure(
    error: reqwest::Error,
    info: &RequestInfo,
    connect_timeout: Duration,
    proxy: Option<&str>,
) -> Error {
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
        match info.is_idempotent() {
            true => Error::new(ErrorKind::Decode, message),
            false => Error::unknown_outcome(message),
        }
    } else {
        Error::broken_off(info.clone(), &format!("the connection{through} broke before the response: {root}"))
    };
    error.of(info.clone()).source_of(cause)
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

pub(super) fn body_failure(error: BodyError, info: &RequestInfo) -> Error {
    match error {
        BodyError::Broken(error) => {
            let cause = Cause::of(&error.without_url());
            let what = format!("the connection broke during the response: {}", cause.root());
            Error::broken_off(info.clone(), &what).source_of(cause)
        }
        BodyError::Compressed(error) => Error::broken_off(info.clone(), &error.to_string()),
    }
}

pub(super) fn timed_out(elapsed: Elapsed, info: &RequestInfo) -> Error {
    let error = match info.is_idempotent() {
        true => Error::new(ErrorKind::Timeout, elapsed.to_string()).of(info.clone()),
        false => Error::broken_off(info.clone(), &elapsed.to_string()),
    };
    error.timed_out()
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
