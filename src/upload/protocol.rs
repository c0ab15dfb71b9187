//! The decisions of the protocol, without input or output: where an upload continues, and what follows a
//! failure.

use std::ops::Range;

use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind};
use crate::generated::raw::types::{ChunkedUpload, UploadId};
use crate::transport::{Failure, Reason};

/// What follows a failed chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AfterChunk {
    /// A retry doesn't help.
    GiveUp,
    /// The cause is resolved, or the server redirects the chunk: send it again.
    Again,
    /// The server expects another offset: ask for it.
    Ask,
    /// A retry after a wait may help: ask what arrived.
    WaitAndAsk,
    /// The server has lost the upload: restart it.
    Restart,
}

/// Returns what follows a failed chunk. `known` is whether the upload's id is known.
pub(super) fn after_chunk(failure: &Failure, known: bool) -> AfterChunk {
    let Failure { error, reason } = failure;
    if matches!(reason, Reason::Renewed | Reason::Redirected(_)) {
        return AfterChunk::Again;
    }
    let status = error.status().map(|status| status.as_u16());
    match (error.kind(), status) {
        (
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::ConnectionLost | ErrorKind::UnknownOutcome,
            _,
        ) => AfterChunk::WaitAndAsk,
        // The response is truncated, or doesn't come from the backend: the chunk may have arrived, at least in
        // part.
        (ErrorKind::Decode, _) => AfterChunk::WaitAndAsk,
        (ErrorKind::Status, _) if known && is_lost(error) => AfterChunk::Restart,
        (ErrorKind::Status, Some(400 | 409 | 416)) if known && is_offset_conflict(error) => AfterChunk::Ask,
        (ErrorKind::Status, Some(408 | 429 | 500..=599)) => AfterChunk::WaitAndAsk,
        _ => AfterChunk::GiveUp,
    }
}

/// Returns whether the server doesn't have the upload.
pub(super) fn is_lost(error: &Error) -> bool {
    error.kind() == ErrorKind::Status
        && matches!(error.status().map(|status| status.as_u16()), Some(404 | 410))
}

/// Returns whether the server refused a chunk because of its offset.
fn is_offset_conflict(error: &Error) -> bool {
    let Some(response) = error.response() else { return false };
    let expects = response.has_field("expected_offset");
    expects || response.text().to_ascii_lowercase().contains("offsets do not match")
}

/// What follows a failed completion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AfterCompletion {
    /// A retry doesn't help.
    GiveUp,
    /// The server may have completed the upload or may still do so: ask.
    Ask,
    /// The server has other bytes.
    DigestMismatch,
    /// The server has lost the upload: restart it.
    Restart,
}

/// Returns what follows a failed completion.
pub(super) fn after_completion(error: &Error) -> AfterCompletion {
    let said = || error.response().map(|response| response.text().to_ascii_lowercase()).unwrap_or_default();
    let status = error.status().map(|status| status.as_u16());
    match (error.kind(), status) {
        (ErrorKind::Timeout | ErrorKind::ConnectionLost | ErrorKind::UnknownOutcome, _) => {
            AfterCompletion::Ask
        }
        (ErrorKind::Decode, _) => AfterCompletion::Ask,
        (ErrorKind::Status, _) if is_lost(error) => AfterCompletion::Restart,
        (ErrorKind::Status, Some(400 | 409 | 422)) if said().contains("checksum") => {
            AfterCompletion::DigestMismatch
        }
        (ErrorKind::Status, Some(400 | 409)) if said().contains("already") => AfterCompletion::Ask,
        // The server may have completed the upload despite the error.
        (ErrorKind::Status, Some(500)) => AfterCompletion::Ask,
        _ => AfterCompletion::GiveUp,
    }
}

/// Returns the byte that the server expects next according to its response, after it was sent `range`. That
/// is the range's end if the response doesn't say.
///
/// # Errors
/// Returns an error if the server expects a byte outside of the range.
pub(super) fn next_offset(range: &Range<u64>, offset: Option<i64>) -> Result<u64, String> {
    let Some(offset) = offset else { return Ok(range.end) };
    match u64::try_from(offset) {
        Ok(offset) if (range.start..=range.end).contains(&offset) => Ok(offset),
        _ => Err(format!(
            "the server was sent {} bytes from byte {} on, but expects byte {offset} next: start a new upload",
            range.end - range.start,
            range.start
        )),
    }
}

/// Returns the byte that the server expects next according to its response, when it was sent at most `sent`
/// bytes.
///
/// # Errors
/// Returns an error if the response doesn't say, or if the server expects a byte after those.
pub(super) fn offset_of(offset: Option<i64>, sent: u64) -> Result<u64, String> {
    let Some(offset) = offset else {
        return Err("the server doesn't say which byte it expects next".to_owned());
    };
    match u64::try_from(offset) {
        Ok(offset) if offset <= sent => Ok(offset),
        _ => Err(format!(
            "the server was sent {sent} bytes, but expects byte {offset} next: start a new upload"
        )),
    }
}

/// Returns whether the server says that an upload is complete.
pub(super) fn is_complete(response: &ChunkedUpload) -> bool {
    response.completed_at.as_ref().is_some_and(|at| !at.as_str().trim().is_empty())
}

/// Returns whether two ids name the same upload, as a number or as text.
pub(super) fn same_id(one: &UploadId, other: &UploadId) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

/// Describes a response that is for another upload than the requested one.
pub(super) fn of_another(response: &ChunkedUpload) -> String {
    let id = excerpt(&response.id.to_string(), 40);
    format!("the response is for another upload ({id}): it may not come from the backend")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderMap;
    use reqwest::{Method, StatusCode};

    use super::*;
    use crate::error::RequestInfo;
    use crate::error::response::ErrorResponse;

    fn info(method: &Method) -> RequestInfo {
        RequestInfo::new("upload_chunk", method, &"https://h/chunked_upload/1/".parse().unwrap())
    }

    fn answered(method: &Method, status: u16, body: &'static str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let response = ErrorResponse::new(status, HeaderMap::new(), Bytes::from_static(body.as_bytes()));
        Error::status_error(info(method), response).into()
    }

    fn failed(kind: ErrorKind) -> Failure {
        Error::new(kind, "x").into()
    }

    #[test]
    fn failed_chunk_decides_next_step() {
        let mismatch = r#"{"detail": "Offsets do not match", "expected_offset": 3, "provided_offset": 0}"#;
        for (status, body, known, after) in [
            (400, mismatch, true, AfterChunk::Ask),
            (400, r#"{"detail": "Offsets do not match"}"#, true, AfterChunk::Ask),
            (416, r#"{"expected_offset": 3}"#, true, AfterChunk::Ask),
            // No upload was started that could be asked for.
            (400, mismatch, false, AfterChunk::GiveUp),
            (400, r#"{"file": ["required"]}"#, true, AfterChunk::GiveUp),
            (401, "{}", true, AfterChunk::GiveUp),
            (403, "{}", true, AfterChunk::GiveUp),
            (404, "{}", true, AfterChunk::Restart),
            (410, "{}", true, AfterChunk::Restart),
            (404, "{}", false, AfterChunk::GiveUp),
            (408, "", true, AfterChunk::WaitAndAsk),
            (413, "<html>", true, AfterChunk::GiveUp),
            (429, "{}", false, AfterChunk::WaitAndAsk),
            (500, "", true, AfterChunk::WaitAndAsk),
            (502, "<html>", false, AfterChunk::WaitAndAsk),
            (503, r#"{"detail": "busy"}"#, true, AfterChunk::WaitAndAsk),
            (520, "", true, AfterChunk::WaitAndAsk),
        ] {
            assert_eq!(
                after_chunk(&answered(&Method::PUT, status, body), known),
                after,
                "{status} {body} {known}"
            );
        }
        assert_eq!(
            after_chunk(&Failure::interrupted(info(&Method::PUT), "x"), false),
            AfterChunk::WaitAndAsk
        );
        assert_eq!(after_chunk(&failed(ErrorKind::Connect), false), AfterChunk::WaitAndAsk);
        assert_eq!(
            after_chunk(&Failure { reason: Reason::Truncated, ..failed(ErrorKind::Decode) }, true),
            AfterChunk::WaitAndAsk
        );
        assert_eq!(after_chunk(&failed(ErrorKind::Decode), true), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&failed(ErrorKind::Decode), false), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&failed(ErrorKind::CrossOrigin), true), AfterChunk::GiveUp);
        assert_eq!(
            after_chunk(&Failure { reason: Reason::Renewed, ..answered(&Method::PUT, 401, "") }, true),
            AfterChunk::Again
        );
    }

    #[test]
    fn failed_completion_decides_next_step() {
        for (status, body, after) in [
            (400, r#"{"detail": "checksum does not match"}"#, AfterCompletion::DigestMismatch),
            (400, r#"{"detail": "Upload has already been marked as \"complete\""}"#, AfterCompletion::Ask),
            (400, r#"{"md5": ["This field is required."]}"#, AfterCompletion::GiveUp),
            (403, "{}", AfterCompletion::GiveUp),
            (404, "{}", AfterCompletion::Restart),
            (410, "{}", AfterCompletion::Restart),
            (500, "", AfterCompletion::Ask),
            (502, "<html>", AfterCompletion::Ask),
            (503, "<html>", AfterCompletion::Ask),
            (504, "", AfterCompletion::Ask),
            // The application's own response: it did nothing, and the transport has already retried the
            // request.
            (503, r#"{"detail": "busy"}"#, AfterCompletion::GiveUp),
            (429, "{}", AfterCompletion::GiveUp),
        ] {
            assert_eq!(
                after_completion(&answered(&Method::POST, status, body).error),
                after,
                "{status} {body}"
            );
        }
        assert_eq!(
            after_completion(&Failure::interrupted(info(&Method::POST), "x").error),
            AfterCompletion::Ask
        );
        assert_eq!(after_completion(&failed(ErrorKind::Decode).error), AfterCompletion::Ask);
        assert_eq!(after_completion(&failed(ErrorKind::Connect).error), AfterCompletion::GiveUp);
    }

    #[test]
    fn server_offset_followed_within_range() {
        assert_eq!(next_offset(&(10..20), None), Ok(20));
        assert_eq!(next_offset(&(10..20), Some(20)), Ok(20));
        assert_eq!(next_offset(&(10..20), Some(13)), Ok(13));
        assert_eq!(next_offset(&(10..20), Some(10)), Ok(10));
        for offset in [9, 0, -1, 21, i64::MAX] {
            assert!(
                next_offset(&(10..20), Some(offset)).unwrap_err().contains(&format!("byte {offset} ")),
                "{offset}"
            );
        }
        assert_eq!(offset_of(Some(0), 20), Ok(0));
        assert_eq!(offset_of(Some(20), 20), Ok(20));
        for offset in [None, Some(-1), Some(21)] {
            assert!(offset_of(offset, 20).is_err(), "{offset:?}");
        }
    }
}
