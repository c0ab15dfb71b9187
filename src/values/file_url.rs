//! [`FileUrl`]: the URL of a file, as the server sent it.

use std::fmt;
use std::path::Path;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::redact::{excerpt, redact_url};
use crate::values::local_paths;
use crate::values::url_type::url_type;

/// The maximum length of a URL in `Debug`, in bytes.
const MAX_SHOWN: usize = 2 << 10;

/// The location of a file: an absolute URL (often signed, with an expiry), a path on the server's host, or a
/// `data:` URI.
///
/// `Debug` omits the query, since a signed URL is a credential. [`as_str`](FileUrl::as_str) and `Display`
/// return the whole URL.
///
/// ```
/// use synapse_backend_client::FileUrl;
/// let url = FileUrl::from("https://files.synapse.sh/1.pt?X-Amz-Signature=0123");
/// assert_eq!(format!("{url:?}"), r#"FileUrl("https://files.synapse.sh/1.pt?…")"#);
/// assert!(url.as_str().ends_with("?X-Amz-Signature=0123"));
/// ```
#[doc(alias("presigned", "s3", "signed"))]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileUrl(String);

impl FileUrl {
    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the local path that [`download_to`](crate::BackendClient::download_to) wrote instead of the
    /// URL; `None` if this is anything else.
    ///
    /// Only downloads of this process set a path. A string from the server never becomes one, not even
    /// `/etc/passwd`. So the result is also `None` for a response that another process downloaded and saved.
    /// If you trust that process, use [`as_str`](FileUrl::as_str) as the path.
    ///
    /// ```
    /// use synapse_backend_client::FileUrl;
    /// assert_eq!(FileUrl::from("/etc/passwd").as_path(), None);
    /// ```
    pub fn as_path(&self) -> Option<&Path> {
        local_paths::is_known(&self.0).then(|| Path::new(&self.0))
    }
}

/// Returns whether the file is in the URL itself (RFC 2397).
pub(crate) fn is_data_uri(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Returns whether an entry of an object of unknown shape is name -> URL: the value has a scheme or is a path
/// on the server's host, and the key isn't one of a file object's other fields.
pub(crate) fn names_a_url(key: &str, text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let has_scheme = scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    !matches!(key, "name" | "filename" | "path" | "checksum")
        && (text.starts_with('/') || has_scheme || is_data_uri(text))
}

/// Returns whether a text is the location of a file: an absolute URL (`https://host/x.png`), a path on a host
/// (`/media/x.png`, `//host/x.png`), or a `data:` URI.
pub(crate) fn is_file_url(text: &str) -> bool {
    let text = text.trim();
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    match text.split_once("//") {
        Some(("", _)) => Url::parse(&format!("https:{text}")).is_ok(),
        Some((scheme, rest)) if scheme.strip_suffix(':').is_some_and(is_scheme) => {
            !rest.is_empty() && Url::parse(text).is_ok()
        }
        _ => text.starts_with('/') || is_data_uri(text),
    }
}

impl fmt::Debug for FileUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once(',') {
            // A file's content is useless in a log.
            Some((head, content)) if is_data_uri(head) => {
                write!(f, "FileUrl(\"{},… ({} bytes)\")", excerpt(head, MAX_SHOWN), content.len())
            }
            _ => write!(f, "FileUrl({:?})", excerpt(&redact_url(&self.0), MAX_SHOWN)),
        }
    }
}

url_type!(FileUrl);

#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
impl schemars::JsonSchema for FileUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::{FileUrl, is_file_url};
    use crate::marker::MARKER;

    #[test]
    fn file_urls_are_recognized() {
        for url in [
            "https://h/a b.png?X-Sig=1#f",
            "HTTP://h",
            "s3://bucket_1/x",
            "file:///x",
            "/media/x.png",
            "/media//x",
            "/a://b",
            "/",
            "//h/x",
            " /media/x ",
            "data:image/png;base64,AA==",
            "DATA:,http://x",
        ] {
            assert!(is_file_url(url), "{url}");
        }
        for text in [
            "",
            " ",
            "text",
            "media/x.png",
            "2026-01-01T00:00:00Z",
            "12:30",
            "note: see https://h/x",
            "note://",
            "https://",
            "https:/",
            "//",
            "https://[h/x",
            "https://h:99999/",
            "://h/x",
            "1s://h/x",
            "C:\\x.png",
            "mailto:a@h",
            "\\\\h\\x",
        ] {
            assert!(!is_file_url(text), "{text}");
        }
    }

    #[test]
    fn debug_hides_signature_and_content() {
        for (url, shown) in [
            ("https://h/a?X-Sig=MARK,b", r#"FileUrl("https://h/a?…")"#),
            ("/media/a.png?s=MARK", r#"FileUrl("/media/a.png?…")"#),
            ("data:image/png;base64,MARK", r#"FileUrl("data:image/png;base64,… (6 bytes)")"#),
            ("/media/a,b.png", r#"FileUrl("/media/a,b.png")"#),
            ("data:\n\u{1b}[2Jx,abc", r#"FileUrl("data:  [2Jx,… (3 bytes)")"#),
        ] {
            assert_eq!(format!("{:?}", FileUrl::from(url.replace("MARK", MARKER))), shown);
        }
    }
}
