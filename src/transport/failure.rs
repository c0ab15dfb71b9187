//! What went wrong below, as errors of this crate.

use std::time::Duration;

use crate::error::{Cause, Error, ErrorKind, RequestInfo};
use crate::limits::Elapsed;

/// No answer came.
pub(super) fn failure(error: reqwest::Error, info: &RequestInfo, connect_timeout: Duration) -> Error {
    let timed_out = error.is_timeout();
    let (connect, builder, refused) = (error.is_connect(), error.is_builder(), refused(&error));
    let cause = Cause::of(&error.without_url());
    let error = if connect && timed_out {
        Error::new(ErrorKind::Connect, format!("no connection within {:?}, the connect time-out", connect_timeout)).timed_out()
    } else if connect {
        Error::new(ErrorKind::Connect, format!("no connection: {}", cause.root()))
    } else if refused {
        Error::new(ErrorKind::Connect, format!("the server ended the connection before it took the request: {}", cause.root()))
    } else if builder {
        Error::new(ErrorKind::InvalidInput, format!("the request can't be made: {}", cause.root()))
    } else {
        Error::broken_off(info.clone(), &format!("the connection broke before the answer: {}", cause.root()))
    };
    error.of(info.clone()).source_of(cause)
}

/// Whether an HTTP/2 server says that it did nothing with the request (RFC 9113, section 8.7).
#[cfg(feature = "http2")]
fn refused(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return error.is_remote()
                && ((error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
                    || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)));
        }
        source = error.source();
    }
    false
}

#[cfg(not(feature = "http2"))]
fn refused(_: &reqwest::Error) -> bool {
    false
}

pub(super) fn body_failure(error: reqwest::Error, info: &RequestInfo) -> Error {
    let decode = error.is_decode();
    let cause = Cause::of(&error.without_url());
    let what = if decode { "the body can't be unpacked, or broke off" } else { "the connection broke within the answer" };
    Error::broken_off(info.clone(), &format!("{what}: {}", cause.root())).source_of(cause)
}

pub(super) fn timed_out(elapsed: Elapsed, info: &RequestInfo) -> Error {
    let error = match info.changes_something() {
        true => Error::broken_off(info.clone(), &elapsed.to_string()),
        false => Error::new(ErrorKind::Timeout, elapsed.to_string()).of(info.clone()),
    };
    error.timed_out()
}

/// A limit ran out before the request left.
pub(super) fn not_sent_in_time(elapsed: Elapsed, info: &RequestInfo) -> Error {
    Error::new(ErrorKind::Timeout, format!("{elapsed} before it was sent")).timed_out().of(info.clone())
}

/// A limit ran out before the connection took a byte of the body, and so of the request.
pub(super) fn not_connected_in_time(elapsed: Elapsed, info: &RequestInfo) -> Error {
    Error::new(ErrorKind::Connect, format!("{elapsed}, and the request hadn't begun to leave")).timed_out().of(info.clone())
}
