//! [`LogFile`]: the file of a log entry, which is sent as a `data:` URI.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::error::{Error, Result, shown_path};
use crate::values::source_opening::open_file;

/// The file of a log entry.
#[derive(Clone)]
pub(super) enum LogFile {
    Path(PathBuf),
    /// The content and its media type.
    Bytes(Bytes, String),
}

impl LogFile {
    /// Returns what is wrong with the file, without reading it. Blocks.
    pub(super) fn problem(&self, most: u64) -> Option<String> {
        let size = match self {
            LogFile::Path(path) => {
                let opened = open_file(path).and_then(|file| {
                    file.metadata().map_err(|error| Error::file(path, "the file can't be read", error))
                });
                match opened {
                    Ok(metadata) => metadata.len(),
                    Err(error) => return Some(error.to_string()),
                }
            }
            LogFile::Bytes(content, _) => content.len() as u64,
        };
        self.media_type().err().or_else(|| self.size_problem(size, most))
    }

    /// Returns what is wrong with the file's size.
    fn size_problem(&self, size: u64, most: u64) -> Option<String> {
        match size {
            0 => Some(empty(&self.shown())),
            _ => (size > most).then(|| too_large(&self.shown(), size, most)),
        }
    }

    /// Returns what is wrong with a `data:` URI. Its content must be base64 as RFC 4648, section 4, has it: no other
    /// alphabet, whitespace, percent-encoding or fragment.
    pub(super) fn uri_problem(uri: &str, most: u64) -> Option<String> {
        const EXPECTED: &str = "it is no `data:<media type>;base64,…` URI: give a path by `LogEntry::file`";
        let (head, content) = match uri.split_once(',') {
            Some((head, content)) if is_prefix(head) => (head, content),
            _ => return Some(EXPECTED.to_owned()),
        };
        let media_type = head["data:".len()..head.len() - ";base64".len()].split(';').next();
        let is_plain = head.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !is_plain || !media_type.is_some_and(is_media_type) {
            return Some(EXPECTED.to_owned());
        }
        let shown = "the `data:` URI";
        if content.is_empty() {
            return Some(empty(shown));
        }
        let padding = content.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
        let size = (content.len() / 4 * 3).saturating_sub(padding) as u64;
        if size > most {
            return Some(too_large(shown, size, most));
        }
        (!is_base64(content)).then(|| "its content is not valid base64".to_owned())
    }

    /// Reads the file, and returns it as a `data:` URI. Blocks.
    ///
    /// # Errors
    /// Returns an error if the file can't be read, or is empty or larger than `most` bytes now.
    pub(super) fn into_uri(self, most: u64) -> Result<String> {
        let media_type = self.media_type().map_err(Error::invalid_input)?;
        let content = match &self {
            LogFile::Bytes(content, _) => content.clone(),
            LogFile::Path(path) => {
                let mut content = Vec::new();
                let read = open_file(path)?.take(most.saturating_add(1)).read_to_end(&mut content);
                read.map_err(|error| Error::file(path, "the file can't be read", error))?;
                content.into()
            }
        };
        let size = content.len() as u64;
        if let Some(problem) = self.size_problem(size, most) {
            return Err(Error::invalid_input(problem));
        }
        let mut uri = format!("data:{media_type};base64,");
        STANDARD.encode_string(&content, &mut uri);
        Ok(uri)
    }

    /// Returns the file's media type.
    ///
    /// # Errors
    /// Returns an error if it isn't known, or isn't one.
    fn media_type(&self) -> Result<String, String> {
        match self {
            LogFile::Path(path) => {
                let known = mime_guess::from_path(path).first_raw().map(str::to_owned);
                let unknown = || {
                    format!(
                        "{}: its extension has no known media type: give its bytes and type by `file_bytes`",
                        shown_path(path)
                    )
                };
                known.ok_or_else(unknown)
            }
            LogFile::Bytes(_, media_type) if is_media_type(media_type) => Ok(media_type.clone()),
            LogFile::Bytes(_, media_type) => {
                Err(format!("{media_type:?} is no media type such as `image/png`"))
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            LogFile::Path(path) => shown_path(path),
            LogFile::Bytes(..) => "the file in memory".to_owned(),
        }
    }
}

/// Returns whether a text is `data:…;base64`.
fn is_prefix(text: &str) -> bool {
    let begins = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let ends = text.len().checked_sub(7).and_then(|at| text.get(at..));
    begins && text.len() >= 12 && ends.is_some_and(|end| end.eq_ignore_ascii_case(";base64"))
}

/// Returns whether a text is a media type without parameters: two tokens of RFC 9110, section 5.6.2.
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Returns whether a text is base64 with padding. The text is decoded in parts, and what they decode to isn't kept.
fn is_base64(text: &str) -> bool {
    const PART: usize = 4 << 10;
    let mut decoded = [0; PART / 4 * 3];
    let last = text.len().saturating_sub(1) / PART;
    text.as_bytes().chunks(PART).enumerate().all(|(index, part)| {
        // Only the text's end is padded.
        (index == last || !part.contains(&b'=')) && STANDARD.decode_slice(part, &mut decoded).is_ok()
    })
}

fn empty(what: &str) -> String {
    format!("{what} is empty: a file has at least one byte")
}

fn too_large(what: &str, size: u64, most: u64) -> String {
    format!("{what} has {size} bytes, more than {most}, the limit `max_file_size`: raise the limit")
}

impl fmt::Debug for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogFile::Path(path) => write!(f, "{}", path.display()),
            LogFile::Bytes(content, media_type) => write!(f, "{} bytes of {media_type}", content.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uris_are_checked() {
        let problem = |uri: &str| LogFile::uri_problem(uri, 4);
        for uri in [
            "data:image/png;base64,AAEC/w==",
            "DATA:text/csv;charset=utf-8;BASE64,AAEC",
            "data:a/b+c;base64,AAEC",
        ] {
            assert_eq!(problem(uri), None, "{uri}");
        }
        for (uri, part) in [
            ("", "it is no"),
            ("/data/loss.png", "it is no"),
            ("https://h/x,y", "it is no"),
            ("data:image/png,AAEC", "it is no"),
            ("data:;base64,AAEC", "it is no"),
            ("data:png;base64,AAEC", "it is no"),
            ("data:;base64", "it is no"),
            ("data:한;base64,AAEC", "it is no"),
            ("한국어;base64,AAEC", "it is no"),
            ("data:image/png;base64,", "is empty"),
            ("data:image/png;x=#;base64,AAEC", "it is no"),
            ("data:image/png;x= ;base64,AAEC", "it is no"),
            ("data:image/png;base64,A", "not valid base64"),
            ("data:image/png;base64,AAE", "not valid base64"),
            ("data:image/png;base64,A===", "not valid base64"),
            ("data:image/png;base64,AB==", "not valid base64"),
            ("data:image/png;base64,AA=A", "not valid base64"),
            ("data:image/png;base64,AAE-", "not valid base64"),
            ("data:image/png;base64,AA%45C", "not valid base64"),
            ("data:image/png;base64,AAEC\n", "not valid base64"),
            ("data:image/png;base64,AAEC#x", "not valid base64"),
            ("data:image/png;base64,AAECAAECAAECAAEC", "has 12 bytes, more than 4"),
        ] {
            assert!(problem(uri).is_some_and(|problem| problem.contains(part)), "{uri}: {:?}", problem(uri));
        }
    }

    #[test]
    fn long_data_uri_is_checked_to_its_end() {
        for length in [3_069, 3_070, 3_071, 3_072, 3_073, 6_144, 100_000] {
            let uri = format!("data:image/png;base64,{}", STANDARD.encode(vec![7; length]));
            assert_eq!(LogFile::uri_problem(&uri, length as u64), None, "{length}");
            assert!(LogFile::uri_problem(&uri, length as u64 - 1).is_some(), "{length}");
            let comma = uri.len() - STANDARD.encode(vec![7; length]).len();
            for at in [comma, comma + 4_092, uri.len() - 1] {
                let (before, after) = uri.split_at(at.min(uri.len() - 1));
                for wrong in ["=", " "] {
                    let text = format!("{before}{wrong}{}", &after[1..]);
                    let padded = text == uri || STANDARD.decode(&text[comma..]).is_ok();
                    assert_eq!(LogFile::uri_problem(&text, u64::MAX).is_none(), padded, "{length} {at}");
                }
            }
        }
    }

    #[test]
    fn media_type_follows_the_extension() {
        let of = |path: &str| LogFile::Path(path.into()).media_type().ok();
        for (path, media_type) in [
            ("/x/loss.png", Some("image/png")),
            ("LOSS.JPEG", Some("image/jpeg")),
            ("a.csv", Some("text/csv")),
            ("a.json", Some("application/json")),
            ("a.mp4", Some("video/mp4")),
            ("a.unknown-type", None),
            ("png", None),
            ("", None),
        ] {
            assert_eq!(of(path).as_deref(), media_type, "{path}");
        }
        let bytes = |media_type: &str| LogFile::Bytes(Bytes::from_static(b"ab"), media_type.to_owned());
        assert_eq!(bytes("text/csv").into_uri(2).unwrap(), "data:text/csv;base64,YWI=");
        assert!(bytes("text/csv").into_uri(1).unwrap_err().to_string().contains("max_file_size"));
        for wrong in ["", "png", "image/", "image/png;x=1", "image/p ng", "image/png,x", "image/\u{e9}"] {
            assert!(
                bytes(wrong).problem(9).is_some_and(|problem| problem.contains("is no media type")),
                "{wrong}"
            );
        }
    }
}
