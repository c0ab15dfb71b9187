//! [`UploadSession`]: everything that is needed to resume an upload, in this process or another one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::error::redact::{excerpt, redact_url};
use crate::generated::raw::types::UploadId;
use crate::values::url::Url;

/// The version of the serialized format. Version 1 has no digest.
pub(super) const VERSION: u32 = 2;

/// Maximum length of an upload's id in a URL, in bytes.
const MAX_ID: usize = 255;

/// Maximum number of bytes that the API supports: its numbers are signed.
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

/// Everything that is needed to resume an interrupted upload: in this process, or in another one on another
/// day.
///
/// It is available after each chunk ([`on_session`](crate::CreateChunkedUpload::on_session)) and from every
/// error after the first chunk ([`Error::upload_session`](crate::Error::upload_session)). Save it with serde,
/// and pass it to [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload).
/// [`session_file`](crate::CreateChunkedUpload::session_file) does all of that automatically.
///
/// It contains the MD5 of what was read of the source so far, or of the whole source once that is known. The
/// source is compared with it before anything is sent, and before a complete upload is used as the source's.
/// A session from an earlier version of this crate has no MD5. In that case, the size and the time of the
/// last change are compared, and the server compares the MD5 at the end.
///
/// It contains the upload's URL, which may be signed: protect it like a token. `Debug` hides the signature,
/// and shows only the beginning of long values.
///
/// ```
/// # fn example(error: &synapse_backend_client::Error) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(session) = error.upload_session() {
///     std::fs::write("model.pt.session", serde_json::to_vec(session)?)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UploadSession {
    pub(super) version: u32,
    /// The upload's id on the server.
    pub id: UploadId,
    /// The URL that its chunks are sent to.
    pub url: Url,
    /// The byte that the server expected next, according to its last response.
    pub offset: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// When the file was last changed, in nanoseconds since 1970; `None` if the source has no such time.
    pub modified: Option<u64>,
    /// Size of a chunk in bytes.
    pub chunk_size: u64,
    /// The digest of what was read of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<PrefixDigest>,
}

/// The digest of a source's first bytes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrefixDigest {
    /// Number of bytes.
    pub(crate) length: u64,
    /// Their MD5, in hexadecimal.
    pub(crate) md5: String,
}

impl UploadSession {
    /// Returns why this crate can't resume it; `None` if it can.
    pub(crate) fn problem(&self) -> Option<String> {
        if !(1..=VERSION).contains(&self.version) {
            return Some(format!(
                "the session has format {}, but this crate reads the formats 1 to {VERSION}",
                self.version
            ));
        }
        if let Some(problem) = id_problem(&self.id) {
            return Some(format!("its upload's id {problem}: start a new upload"));
        }
        let is_of_some =
            |digest: &PrefixDigest| (1..=self.size).contains(&digest.length) && is_md5(&digest.md5);
        let holds_together = self.chunk_size > 0
            && (1..=MAX_SIZE).contains(&self.size)
            && self.offset <= self.size
            && self.digest.as_ref().is_none_or(is_of_some);
        (!holds_together).then(|| {
            "the session's values are invalid or contradict each other: start a new upload".to_owned()
        })
    }
}

/// Returns why an upload's id can't be a path segment; `None` if it can. An encoded slash would stay within
/// its segment, but a proxy before the server may decode it.
pub(crate) fn id_problem(id: &UploadId) -> Option<String> {
    let UploadId::String(text) = id else { return None };
    let shown = || excerpt(text, 40);
    let another_path = |character: char| {
        character.is_control()
            || character.is_whitespace()
            || matches!(character, '/' | '\\' | '?' | '#' | '%' | ';')
    };
    match text.as_str() {
        "" => Some("is empty".to_owned()),
        "." | ".." => Some(format!("is {text:?}, which would change the path")),
        text if text.len() > MAX_ID => {
            Some(format!("has {} bytes, more than {MAX_ID}: {:?}", text.len(), shown()))
        }
        text if text.contains(another_path) => Some(format!("is {:?}, which would change the path", shown())),
        _ => None,
    }
}

/// Returns whether a text is an MD5 in hexadecimal.
pub(crate) fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Debug for UploadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadSession")
            .field("version", &self.version)
            .field("id", &excerpt(&self.id.to_string(), 64))
            .field("url", &excerpt(&redact_url(&self.url), 512))
            .field("offset", &self.offset)
            .field("size", &self.size)
            .field("modified", &self.modified)
            .field("chunk_size", &self.chunk_size)
            .field("digest", &self.digest)
            .finish()
    }
}

impl fmt::Debug for PrefixDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the first {} bytes", excerpt(&self.md5, 32), self.length)
    }
}

/// The id of an upload that is complete, or may be.
#[derive(Clone)]
struct CompleteUpload(String);

impl Error {
    pub(crate) fn with_upload_id(self, id: &UploadId) -> Self {
        self.with_detail(CompleteUpload(id.to_string()))
    }

    /// Returns the id of the upload that was complete when creating the model or the data file failed. With
    /// `UploadFile::uploaded` it can be created without sending the file again. Also set if the server never
    /// confirmed that the upload is complete.
    pub fn upload_id(&self) -> Option<&str> {
        self.detail().map(|CompleteUpload(id)| id.as_str())
    }

    /// Returns the session to resume the failed upload without sending again what arrived: see
    /// [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload).
    pub fn upload_session(&self) -> Option<&UploadSession> {
        self.detail()
    }
}
