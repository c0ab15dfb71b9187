//! [`UploadFile`]: the file of something to create, such as a model.

use crate::generated::raw::types;
use crate::values::from_paths::from_paths;
use crate::values::upload_source::{ResumableSource, StreamSource, UploadSource, from_content_types};

/// The file of something to create: a file to upload, or a completed upload.
///
/// It is made from all that an [`UploadSource`] is made from. A string is always a path; content is given as
/// `Bytes`, `Vec<u8>` or `&'static [u8]`, or with [`UploadSource::bytes`].
///
/// ```
/// use synapse_backend_client::{UploadFile, UploadSource};
/// let from_path: UploadFile = "/data/model.pt".into();
/// let from_memory: UploadFile = UploadSource::bytes("weights").into();
/// ```
#[derive(Debug)]
pub struct UploadFile(pub(super) FileKind);

#[derive(Debug)]
pub(super) enum FileKind {
    Upload(UploadSource),
    Uploaded(types::UploadId),
}

impl UploadFile {
    /// Uses the file of a completed upload: nothing is sent again.
    ///
    /// ```
    /// use synapse_backend_client::UploadFile;
    /// let file = UploadFile::uploaded("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11");
    /// ```
    pub fn uploaded(id: impl Into<types::UploadId>) -> Self {
        let id = match id.into() {
            // Errors show ids as text; a number among them is a number on the wire.
            types::UploadId::String(text) => match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => types::UploadId::from(number),
                _ => types::UploadId::String(text),
            },
            id => id,
        };
        UploadFile(FileKind::Uploaded(id))
    }

    /// Returns the source; `None` for a completed upload.
    #[cfg(api = "data-files")]
    pub(crate) fn source(&self) -> Option<&UploadSource> {
        match &self.0 {
            FileKind::Upload(source) => Some(source),
            FileKind::Uploaded(_) => None,
        }
    }
}

impl From<UploadSource> for UploadFile {
    fn from(source: UploadSource) -> Self {
        UploadFile(FileKind::Upload(source))
    }
}

impl From<ResumableSource> for UploadFile {
    fn from(source: ResumableSource) -> Self {
        UploadSource::from(source).into()
    }
}

impl From<StreamSource> for UploadFile {
    fn from(source: StreamSource) -> Self {
        UploadSource::from(source).into()
    }
}

from_paths!(UploadFile, path => UploadSource::path(path).into());
from_content_types!(UploadFile, bytes => UploadSource::bytes(bytes).into());

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use bytes::Bytes;

    use super::*;

    #[test]
    fn upload_file_takes_each_source_type() {
        let text = "/data/model.pt".to_owned();
        let paths: [UploadFile; 6] = [
            "/data/model.pt".into(),
            (&text).into(),
            Path::new(&text).into(),
            PathBuf::from(&text).into(),
            ResumableSource::path(&text).into(),
            text.into(),
        ];
        for file in paths {
            assert_eq!(format!("{file:?}"), "UploadFile(Upload(ResumableSource(/data/model.pt)))");
        }
        let contents: [UploadFile; 5] = [
            Bytes::from_static(b"abc").into(),
            b"abc".to_vec().into(),
            b"abc".into(),
            UploadSource::bytes("abc").into(),
            StreamSource::reader(tokio::io::empty(), 3).into(),
        ];
        for file in contents {
            assert!(format!("{file:?}").ends_with("Source(3 bytes)))"), "{file:?}");
        }
    }
}
