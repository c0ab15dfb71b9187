//! The protocol's decisions, apart from all input and output: where an upload goes on, and what follows a
//! failure.

use std::ops::Range;

use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind};
use crate::generated::raw::types::{ChunkedUpload, UploadId};

/// What follows a chunk that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AfterChunk {
    /// Nothing will help.
    GiveUp,
    /// It was refused for what is mended by now, or is to go elsewhere at the server: the same again.
    Again,
    /// The server expects another offset: which?
    Ask,
    /// It may help to wait; and what arrived is to be asked for.
    WaitAndAsk,
    /// The server has lost the upload.
    Restart,
}

/// What follows a chunk that failed, of an upload whose id is known or isn't yet.
pub(super) fn after_chunk(error: &Error, known: bool) -> AfterChunk {
    if error.renewed() || error.redirect().is_some() {
        return AfterChunk::Again;
    }
    let status = error.status().map(|status| status.as_u16());
    match (error.kind(), status) {
        (
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::ConnectionLost | ErrorKind::UnknownOutcome,
            _,
        ) => AfterChunk::WaitAndAsk,
        // The answer was cut off, or is another one's than the backend's: the chunk may have arrived, or some
        // of it.
        (ErrorKind::Decode, _) => AfterChunk::WaitAndAsk,
        (ErrorKind::Status, Some(404 | 410)) if known => AfterChunk::Restart,
        (ErrorKind::Status, Some(400 | 409 | 416)) if known && tells_offset(error) => AfterChunk::Ask,
        (ErrorKind::Status, Some(408 | 429 | 500..=599)) => AfterChunk::WaitAndAsk,
        _ => AfterChunk::GiveUp,
    }
}

/// Whether the server refused a chunk for its offset.
fn tells_offset(error: &Error) -> bool {
    let Some(response) = error.response() else { return false };
    let expects = response.has_field("expected_offset");
    expects || response.text().to_ascii_lowercase().contains("offsets do not match")
}

/// What follows a completion that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AfterCompletion {
    /// Nothing will help.
    GiveUp,
    /// It was refused for what is mended by now: the same again.
    Again,
    /// The server may have completed it, or is about to: has it?
    Ask,
    /// The server has other bytes.
    OtherSum,
    /// The server has lost the upload.
    Restart,
}

/// What follows a completion that failed.
pub(super) fn after_completion(error: &Error) -> AfterCompletion {
    if error.renewed() {
        return AfterCompletion::Again;
    }
    let said = || error.response().map(|response| response.text().to_ascii_lowercase()).unwrap_or_default();
    let status = error.status().map(|status| status.as_u16());
    match (error.kind(), status) {
        (ErrorKind::Timeout | ErrorKind::ConnectionLost | ErrorKind::UnknownOutcome, _) => {
            AfterCompletion::Ask
        }
        (ErrorKind::Decode, _) => AfterCompletion::Ask,
        (ErrorKind::Status, Some(404 | 410)) => AfterCompletion::Restart,
        (ErrorKind::Status, Some(400 | 409 | 422)) if said().contains("checksum") => {
            AfterCompletion::OtherSum
        }
        (ErrorKind::Status, Some(400 | 409)) if said().contains("already") => AfterCompletion::Ask,
        // It may have gone on behind the error's back.
        (ErrorKind::Status, Some(500)) => AfterCompletion::Ask,
        _ => AfterCompletion::GiveUp,
    }
}

/// The byte that the server expects after it was sent `range`, as its answer tells: the range's end where it
/// says nothing.
///
/// # Errors
/// Returns an error if it can't be.
pub(super) fn next_offset(range: &Range<u64>, offset: Option<i64>) -> Result<u64, String> {
    let Some(offset) = offset else { return Ok(range.end) };
    match u64::try_from(offset) {
        Ok(offset) if (range.start..=range.end).contains(&offset) => Ok(offset),
        _ => Err(format!(
            "the server was sent {} bytes from byte {} on and expects byte {offset} next, which can't be: start the upload anew",
            range.end - range.start,
            range.start
        )),
    }
}

/// The byte that the server expects, of which it was sent `sent` at most, as it tells when it is asked.
///
/// # Errors
/// Returns an error if it says nothing, or what can't be.
pub(super) fn offset_of(offset: Option<i64>, sent: u64) -> Result<u64, String> {
    let Some(offset) = offset else {
        return Err("the server doesn't tell which byte it expects next".to_owned());
    };
    match u64::try_from(offset) {
        Ok(offset) if offset <= sent => Ok(offset),
        _ => Err(format!(
            "the server was sent {sent} bytes and expects byte {offset} next, which can't be: start the upload anew"
        )),
    }
}

/// Whether the server says that an upload is complete.
pub(super) fn is_complete(response: &ChunkedUpload) -> bool {
    response.completed_at.as_ref().is_some_and(|at| !at.as_str().trim().is_empty())
}

/// Whether two ids name the same upload, as a number or as text.
pub(super) fn same_id(one: &UploadId, other: &UploadId) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

/// What is wrong with an answer that is of another upload than what was asked for.
pub(super) fn of_another(response: &ChunkedUpload) -> String {
    let id = excerpt(&response.id.to_string(), 40);
    format!("the answer is of another upload ({id}): it may not be the server's own")
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

    fn answered(method: &Method, status: u16, body: &'static str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        Error::status_error(
            info(method),
            ErrorResponse::new(status, HeaderMap::new(), Bytes::from_static(body.as_bytes())),
        )
    }

    #[test]
    fn failed_chunk_decides_next_step() {
        let mismatch = r#"{"detail": "Offsets do not match", "expected_offset": 3, "provided_offset": 0}"#;
        for (status, body, known, after) in [
            (400, mismatch, true, AfterChunk::Ask),
            (400, r#"{"detail": "Offsets do not match"}"#, true, AfterChunk::Ask),
            (416, r#"{"expected_offset": 3}"#, true, AfterChunk::Ask),
            // Nothing was begun that could be asked for.
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
        assert_eq!(after_chunk(&Error::broken_off(info(&Method::PUT), "x"), false), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&Error::new(ErrorKind::Connect, "x"), false), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&Error::new(ErrorKind::Decode, "x").cut_off(), true), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&Error::new(ErrorKind::Decode, "x"), true), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&Error::new(ErrorKind::Decode, "x"), false), AfterChunk::WaitAndAsk);
        assert_eq!(after_chunk(&Error::new(ErrorKind::CrossOrigin, "x"), true), AfterChunk::GiveUp);
        assert_eq!(after_chunk(&answered(&Method::PUT, 401, "").after_renewal(), true), AfterChunk::Again);
    }

    #[test]
    fn failed_completion_decides_next_step() {
        for (status, body, after) in [
            (400, r#"{"detail": "checksum does not match"}"#, AfterCompletion::OtherSum),
            (400, r#"{"detail": "Upload has already been marked as \"complete\""}"#, AfterCompletion::Ask),
            (400, r#"{"md5": ["This field is required."]}"#, AfterCompletion::GiveUp),
            (403, "{}", AfterCompletion::GiveUp),
            (404, "{}", AfterCompletion::Restart),
            (410, "{}", AfterCompletion::Restart),
            (500, "", AfterCompletion::Ask),
            (502, "<html>", AfterCompletion::Ask),
            (503, "<html>", AfterCompletion::Ask),
            (504, "", AfterCompletion::Ask),
            // The application's own: it did nothing, and the transport has sent it often enough.
            (503, r#"{"detail": "busy"}"#, AfterCompletion::GiveUp),
            (429, "{}", AfterCompletion::GiveUp),
        ] {
            assert_eq!(after_completion(&answered(&Method::POST, status, body)), after, "{status} {body}");
        }
        assert_eq!(after_completion(&Error::broken_off(info(&Method::POST), "x")), AfterCompletion::Ask);
        assert_eq!(after_completion(&Error::new(ErrorKind::Decode, "x")), AfterCompletion::Ask);
        assert_eq!(after_completion(&Error::new(ErrorKind::Connect, "x")), AfterCompletion::GiveUp);
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
