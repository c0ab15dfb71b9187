//! [`FormFile`] and [`FormValue`]: what a field of a form can be, besides a value of its type.

use std::fmt;

use crate::values::upload_source::{Resumable, SourceKind, UploadSource};

/// A file in a form: a path, bytes in memory, or a source of your own, with its name and its media type.
///
/// A setter of a file accepts everything that an [`UploadSource`] can be made of. A string is a path; content is
/// given as `Bytes`, `Vec<u8>` or `&'static [u8]`, or with [`bytes`](FormFile::bytes). The file is opened when the
/// call is sent, and streamed: it is never held in memory as a whole. A call whose files can all be read again is
/// retried like a call with a JSON body. A call with a [`StreamSource`](crate::StreamSource) is sent once.
///
/// ```
/// use synapse_backend_client::FormFile;
/// let report = FormFile::path("/data/report.pdf").media_type("application/pdf");
/// let table = FormFile::bytes("id,name\n1,a\n").file_name("table.csv").media_type("text/csv");
/// ```
pub struct FormFile {
    source: UploadSource,
    file_name: Option<String>,
    media_type: Option<String>,
}

impl FormFile {
    /// Creates a file from a path. A string converts into the same.
    pub fn path(path: impl Into<std::path::PathBuf>) -> Self {
        UploadSource::path(path).into()
    }

    /// Creates a file from bytes in memory. A string given here is content.
    pub fn bytes(content: impl Into<bytes::Bytes>) -> Self {
        UploadSource::bytes(content).into()
    }

    /// Sets the file name that is sent to the server. Without it, that is the last part of the path, or the
    /// source's own name, or `file`.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Sets the media type, such as `text/csv`. Without it, that is the document's, or
    /// `application/octet-stream`. With an empty one, the file is sent without a media type.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// Returns the file name, the media type if it is set, and the source.
    pub(super) fn into_parts(self) -> (String, Option<String>, UploadSource) {
        (self.sent_name(), self.media_type, self.source)
    }

    fn sent_name(&self) -> String {
        self.file_name.clone().or_else(|| self.source.file_name()).unwrap_or_else(|| "file".to_owned())
    }
}

/// Shows the file name, and the size if it is known.
impl fmt::Display for FormFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match &self.source.0 {
            SourceKind::Resumable(source) => match &source.0 {
                Resumable::Bytes(bytes) => Some(bytes.len() as u64),
                Resumable::Path(_) | Resumable::RewindableSource(_) => None,
            },
            SourceKind::OneShot(source) => Some(source.size),
        };
        match size {
            Some(size) => write!(f, "{} ({size} bytes)", self.sent_name()),
            None => f.write_str(&self.sent_name()),
        }
    }
}

impl fmt::Debug for FormFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FormFile({self})")
    }
}

impl<S: Into<UploadSource>> From<S> for FormFile {
    fn from(source: S) -> Self {
        FormFile { source: source.into(), file_name: None, media_type: None }
    }
}

/// A value of a field that the API's document doesn't name: a text, or a [`FormFile`].
///
/// A string is a text here, and no path.
#[non_exhaustive]
pub enum FormValue {
    /// A text.
    Text(String),
    /// A file.
    File(FormFile),
}

/// A text may be a secret, so only its length is shown.
impl fmt::Debug for FormValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormValue::Text(text) => write!(f, "Text({} bytes)", text.len()),
            FormValue::File(file) => f.debug_tuple("File").field(file).finish(),
        }
    }
}

impl From<&str> for FormValue {
    fn from(text: &str) -> Self {
        FormValue::Text(text.to_owned())
    }
}

impl From<String> for FormValue {
    fn from(text: String) -> Self {
        FormValue::Text(text)
    }
}

impl From<&String> for FormValue {
    fn from(text: &String) -> Self {
        FormValue::Text(text.clone())
    }
}

impl From<FormFile> for FormValue {
    fn from(file: FormFile) -> Self {
        FormValue::File(file)
    }
}
