//! Creates something with an uploaded file: the rules that models and data files have in common.

use std::time::Instant;

use serde::de::DeserializeOwned;

use super::file::{FileKind, UploadFile};
use super::options::UploadOptions;
use super::preflight::Preflight;
use super::session_offer::{check_session_file, forget_session};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::generated::operation::Operation;
use crate::generated::raw::types::UploadId;
use crate::transport::IncomingResponse;

/// A file that was checked before anything is sent.
pub(crate) enum CheckedFile {
    Uploaded(UploadId),
    Upload(Preflight),
}

/// Checks the file and the options of the upload, by `deadline`. `problems` are those of the rest of the call.
///
/// # Errors
/// Returns an error with everything that is invalid.
pub(crate) async fn check(
    operation: &str,
    file: UploadFile,
    problems: Vec<String>,
    options: &UploadOptions,
    deadline: Option<Instant>,
) -> Result<CheckedFile> {
    let mut problems = Vec::from_iter(options.problems().into_iter().chain(problems));
    let checked = match file.0 {
        FileKind::Uploaded(id) => {
            check_session_file(options, deadline).await.map(|()| CheckedFile::Uploaded(id))
        }
        FileKind::Upload(source) => {
            Preflight::check(source, None, options, deadline).await.map(CheckedFile::Upload)
        }
    };
    if problems.is_empty() {
        return checked;
    }
    problems.extend(checked.err().map(|error| error.to_string()));
    Err(Error::invalid_input(format!("{operation}: {}", problems.join("; "))))
}

/// Sends the request that creates something from the completed upload `id`.
///
/// # Errors
/// Returns the call's error, with the upload's id. The session is kept while the upload is usable: the next call
/// with it sends no chunk again.
pub(crate) async fn create<B: Operation, T: DeserializeOwned + Send + 'static>(
    call: Call<B>,
    id: &UploadId,
    options: &UploadOptions,
    deadline: Option<Instant>,
) -> Result<T> {
    let created = call.fetch(IncomingResponse::json_undelivered).await;
    let created = created.map_err(|error| error.with_upload_id(id));
    if created.as_ref().err().is_none_or(refuses_upload) {
        forget_session(options, Some(id), deadline).await;
    }
    let (created, undelivered) = created?;
    undelivered.delivered();
    Ok(created)
}

/// Returns whether the server refuses the upload itself.
fn refuses_upload(error: &Error) -> bool {
    // Some servers nest the fields in an `errors` object.
    let is_the_upload = |field: &String| field.rsplit('.').next() == Some("chunked_upload");
    error.response().is_some_and(|response| response.field_errors().keys().any(is_the_upload))
}
