//! [`UploadSession`]: all that it takes to go on with an upload, in this process or another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::error::redact::{excerpt, redact_url};
use crate::generated::raw::types::UploadId;
use crate::values::url::Url;

/// The version of a session's written form. One of version 1 has no digest.
const VERSION: u32 = 2;

/// The longest id of an upload that is put into a URL, in bytes.
const LONGEST_ID: usize = 255;

/// The most bytes that the API can count: its numbers are signed.
pub(crate) const LARGEST: u64 = i64::MAX as u64;

/// All that it takes to go on with an upload that was broken off: in this process, or in another one on
/// another day.
///
/// It is offered after each chunk ([`on_session`](crate::CreateChunkedUpload::on_session)) and by every error
/// after the first one ([`Error::upload_session`](crate::Error::upload_session)), can be written by serde,
/// and is taken by [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload).
/// [`session_file`](crate::CreateChunkedUpload::session_file) does all of that by itself.
///
/// It keeps the MD5 of what was read of the source so far, and of the whole once that is known: a source is
/// compared with it before anything is sent, and before a complete upload is taken for the source's. A
/// session that an earlier version of this crate wrote has none; of such a one size and time of the last
/// change are compared, and the server compares the MD5 in the end.
///
/// It holds the upload's URL, which may be signed: keep it as you keep a token. `Debug` hides the signature,
/// and shows the beginning of what is long.
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
    version: u32,
    /// The upload's id at the server.
    pub id: UploadId,
    /// Where its chunks go.
    pub url: Url,
    /// The byte that the server expected next, when it was last heard of.
    pub offset: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// When the file was last changed, in nanoseconds after 1970; nothing where the source has no such time.
    pub modified: Option<u64>,
    /// Bytes in a chunk.
    pub chunk_size: u64,
    /// Of what was read of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<PrefixDigest>,
}

/// The digest of a source's first bytes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrefixDigest {
    /// How many bytes.
    pub(crate) length: u64,
    /// Their MD5, in hexadecimal.
    pub(crate) md5: String,
}

impl UploadSession {
    pub(crate) fn new(
        id: UploadId,
        url: Url,
        offset: u64,
        size: u64,
        modified: Option<u64>,
        chunk_size: u64,
    ) -> Self {
        UploadSession { version: VERSION, id, url, offset, size, modified, chunk_size, digest: None }
    }

    pub(crate) fn with_digest(self, digest: Option<PrefixDigest>) -> Self {
        UploadSession { digest, ..self }
    }

    pub(crate) fn digest(&self) -> Option<&PrefixDigest> {
        self.digest.as_ref()
    }

    /// Why this crate can't go on with it, were there a reason.
    pub(crate) fn problem(&self) -> Option<String> {
        if !(1..=VERSION).contains(&self.version) {
            return Some(format!(
                "the session is of format {}, and this crate reads the formats 1 to {VERSION}",
                self.version
            ));
        }
        if let Some(problem) = id_problem(&self.id) {
            return Some(format!("its upload's id {problem}: start the upload anew"));
        }
        let is_of_some =
            |digest: &PrefixDigest| (1..=self.size).contains(&digest.length) && is_md5(&digest.md5);
        let holds_together = self.chunk_size > 0
            && (1..=LARGEST).contains(&self.size)
            && self.offset <= self.size
            && self.digest.as_ref().is_none_or(is_of_some);
        (!holds_together).then(|| "the session doesn't hold together: start the upload anew".to_owned())
    }
}

/// Why an upload's id is no segment of a path, were there a reason. Encoded, a slash would stay within its
/// segment; but what stands before the server may decode it.
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
        "." | ".." => Some(format!("{text:?} would make another path")),
        text if text.len() > LONGEST_ID => {
            Some(format!("has {} bytes, more than {LONGEST_ID}: {:?}", text.len(), shown()))
        }
        text if text.contains(another_path) => Some(format!("{:?} would make another path", shown())),
        _ => None,
    }
}

/// Whether a text is an MD5 in hexadecimal.
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

impl Error {
    /// What it takes to resume the upload that failed, without sending again what arrived: see
    /// [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload).
    pub fn upload_session(&self) -> Option<&UploadSession> {
        self.detail()
    }
}
