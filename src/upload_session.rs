//! [`UploadSession`]: all that it takes to go on with an upload, in this process or another.

use serde::{Deserialize, Serialize};

use crate::file_url::FileUrl;
use crate::raw::types::UploadId;

/// The version of a session's written form.
const VERSION: u32 = 1;

/// All that it takes to go on with an upload that was broken off: in this process, or in another one on another day.
///
/// It is offered after each chunk ([`on_session`](crate::CreateChunkedUpload::on_session)) and by every error after the
/// first one ([`Error::upload_session`](crate::Error::upload_session)), can be written by serde, and is taken by
/// [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload).
/// [`session_file`](crate::CreateChunkedUpload::session_file) does all of that by itself.
///
/// It holds the upload's URL, which may be signed: keep it as you keep a token. `Debug` hides the signature.
///
/// ```
/// # fn example(error: &synapse_backend_client::Error) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(session) = error.upload_session() {
///     std::fs::write("model.pt.session", serde_json::to_vec(session)?)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UploadSession {
    version: u32,
    /// The upload's id at the server.
    pub id: UploadId,
    /// Where its chunks go.
    pub url: FileUrl,
    /// The byte that the server expected next, when it was last heard of.
    pub offset: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// When the file was last changed, in nanoseconds after 1970; nothing where the source has no such time.
    pub modified: Option<u64>,
    /// Bytes in a chunk.
    pub chunk_size: u64,
}

impl UploadSession {
    pub(crate) fn new(id: UploadId, url: FileUrl, offset: u64, size: u64, modified: Option<u64>, chunk_size: u64) -> Self {
        UploadSession { version: VERSION, id, url, offset, size, modified, chunk_size }
    }

    /// Why this crate can't go on with it, were there a reason.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.version != VERSION {
            return Some(format!("the session is of format {}, and this crate reads format {VERSION}", self.version));
        }
        (self.chunk_size == 0 || self.offset > self.size || self.size == 0)
            .then(|| "the session doesn't hold together: start the upload anew".to_owned())
    }
}
