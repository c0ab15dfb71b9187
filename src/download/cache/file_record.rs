//! What is known about a file's content besides its size: its digests and its server's validators.

use std::fmt::Write;
use std::fs::Metadata;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use reqwest::header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// The maximum length of a stored `ETag` in its escaped form, in bytes. A longer one isn't stored.
const MAX_ETAG: usize = 240;

/// The year 10000, in seconds since 1970: HTTP dates end before it.
const END_OF_DATES: u64 = 253_402_300_800;

/// Characters that are escaped in a word of the index.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// A digest in lower-case hexadecimal: MD5, SHA-1 or SHA-256, determined by its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedDigest(String);

/// The validators of a file's version, for conditional requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    etag: Option<String>,
    /// `Last-Modified`, in seconds since 1970.
    modified: Option<u64>,
}

/// What is known about a file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileRecord {
    /// At most one for each algorithm.
    digests: Vec<CachedDigest>,
    /// The size that the caller expected, if the file has another one: servers may report the size of the
    /// stored form, which may be compressed.
    stored_size: Option<u64>,
    pub(super) validators: Validators,
    /// The modification time of the file that this belongs to. It doesn't apply to a file with another one.
    pub(super) stamp: Option<u64>,
}

/// The size and digest that are expected of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<CachedDigest>,
}

/// Whether a file matches what is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    Agrees,
    Contradicts,
    /// Its digest isn't known yet.
    Unknown,
}

impl CachedDigest {
    /// `None` if the text isn't such a digest.
    pub(crate) fn new(hex: &str) -> Option<Self> {
        let is_digest = matches!(hex.len(), 32 | 40 | 64)
            && hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        is_digest.then(|| CachedDigest(hex.to_owned()))
    }

    fn algorithm(&self) -> &'static str {
        match self.0.len() {
            32 => "md5",
            40 => "sha1",
            _ => "sha256",
        }
    }
}

impl Validators {
    /// Returns the validators of a response.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = |date: &str| {
            let since = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(since.as_secs()).filter(|seconds| *seconds < END_OF_DATES)
        };
        Validators {
            etag: text(ETAG).filter(|etag| is_etag(etag)).map(str::to_owned),
            modified: text(LAST_MODIFIED).and_then(seconds),
        }
    }

    /// Fills in missing validators from earlier ones.
    pub(crate) fn or(self, before: Validators) -> Self {
        Validators { etag: self.etag.or(before.etag), modified: self.modified.or(before.modified) }
    }

    /// Returns the header that requests the file only if it changed; `None` if there is no validator.
    pub(crate) fn precondition(&self) -> Option<(HeaderName, String)> {
        let modified = || {
            let since = Duration::from_secs(self.modified.filter(|seconds| *seconds < END_OF_DATES)?);
            Some((IF_MODIFIED_SINCE, httpdate::fmt_http_date(UNIX_EPOCH + since)))
        };
        self.etag.clone().map(|etag| (IF_NONE_MATCH, etag)).or_else(modified)
    }
}

impl FileRecord {
    pub(crate) fn new(
        validators: Validators,
        stored_size: Option<u64>,
        digest: Option<CachedDigest>,
    ) -> Self {
        FileRecord { digests: digest.into_iter().collect(), stored_size, validators, stamp: None }
    }

    /// Sets the modification time of the file.
    pub(super) fn at(self, stamp: Option<u64>) -> Self {
        FileRecord { stamp, ..self }
    }

    pub(super) fn add_digest(&mut self, digest: CachedDigest) {
        self.digests.retain(|other| other.algorithm() != digest.algorithm());
        self.digests.push(digest);
    }

    /// Formats it as words of the index, each after a space. At most 430 bytes.
    pub(super) fn words(&self) -> String {
        let mut words = String::new();
        // Writing to a `String` can't fail.
        let mut word = |name: &str, value: &dyn std::fmt::Display| _ = write!(words, " {name}={value}");
        for digest in &self.digests {
            word(digest.algorithm(), &digest.0);
        }
        if let Some(size) = self.stored_size {
            word("stored", &size);
        }
        let etag = self.validators.etag.as_ref().map(|etag| utf8_percent_encode(etag, ESCAPED).to_string());
        if let Some(etag) = etag.filter(|etag| etag.len() <= MAX_ETAG) {
            word("etag", &etag);
        }
        if let Some(modified) = self.validators.modified {
            word("modified", &modified);
        }
        if let Some(stamp) = self.stamp {
            word("stamp", &stamp);
        }
        words
    }

    /// Parses the output of [`words`](FileRecord::words). Unknown words are ignored.
    pub(super) fn of_words(words: &str) -> Self {
        let mut file_record = FileRecord::default();
        for (name, value) in words.split(' ').filter_map(|word| word.split_once('=')) {
            match name {
                "md5" | "sha1" | "sha256" => {
                    let digest = CachedDigest::new(value).filter(|digest| digest.algorithm() == name);
                    digest.into_iter().for_each(|digest| file_record.add_digest(digest));
                }
                "stored" => file_record.stored_size = value.parse().ok(),
                "etag" => {
                    let etag = percent_decode_str(value).decode_utf8().ok().filter(|etag| is_etag(etag));
                    file_record.validators.etag = etag.map(|etag| etag.into_owned());
                }
                "modified" => file_record.validators.modified = value.parse().ok(),
                "stamp" => file_record.stamp = value.parse().ok(),
                _ => {}
            }
        }
        file_record
    }
}

impl Expected {
    /// Compares a file's size and record with what is expected.
    pub(super) fn agreement(&self, size: u64, file_record: &FileRecord) -> Agreement {
        if self.size.is_some_and(|expected| expected != size && file_record.stored_size != Some(expected)) {
            return Agreement::Contradicts;
        }
        let Some(expected) = &self.digest else { return Agreement::Agrees };
        match file_record.digests.iter().find(|digest| digest.algorithm() == expected.algorithm()) {
            Some(digest) if digest == expected => Agreement::Agrees,
            Some(_) => Agreement::Contradicts,
            None => Agreement::Unknown,
        }
    }
}

/// Returns when a file was modified, in nanoseconds since 1970.
pub(super) fn stamp(metadata: &Metadata) -> Option<u64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// Returns whether a text is one `ETag`, weak or strong (RFC 9110, section 8.8.3), of visible characters: `*`
/// and lists are not accepted.
fn is_etag(text: &str) -> bool {
    let opaque =
        text.strip_prefix("W/").unwrap_or(text).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    opaque.is_some_and(|opaque| opaque.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn record_is_read_as_written() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let mut file_record = FileRecord {
            stored_size: Some(u64::MAX),
            validators: Validators::of(&headers(&[("etag", "W/\"a%20b%\""), ("last-modified", date)])),
            stamp: Some(u64::MAX),
            ..FileRecord::default()
        };
        for length in [32, 40, 64] {
            file_record.add_digest(CachedDigest::new(&"0".repeat(length)).unwrap());
            file_record.add_digest(CachedDigest::new(&"f".repeat(length)).unwrap());
        }
        let words = file_record.words();
        assert_eq!(FileRecord::of_words(&words), file_record, "{words}");
        assert!(words.starts_with(" md5=ffff") && words.len() < 430, "{words}");
        assert_eq!(FileRecord::of_words(&FileRecord::default().words()), FileRecord::default());
        assert_eq!(
            FileRecord::of_words(" md5=xyz sha1= stored=-1 etag=* modified=x stamp new=1 ="),
            FileRecord::default()
        );
    }

    #[test]
    fn only_valid_validators_make_preconditions() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let long = format!("\"{}\"", "x".repeat(400));
        for (pairs, expected) in [
            (vec![("etag", "\"a\""), ("last-modified", date)], Some((IF_NONE_MATCH, "\"a\""))),
            (vec![("etag", "W/\"a\"")], Some((IF_NONE_MATCH, "W/\"a\""))),
            (vec![("last-modified", date)], Some((IF_MODIFIED_SINCE, date))),
            (vec![("etag", "*"), ("last-modified", date)], Some((IF_MODIFIED_SINCE, date))),
            (vec![("etag", "\"a\", \"b\"")], None),
            (vec![("etag", "a")], None),
            (vec![("etag", "\"")], None),
            (vec![("etag", "\"a b\"")], None),
            (vec![("etag", long.as_str())], None),
            (vec![("last-modified", "yesterday")], None),
            (vec![("last-modified", "Mon, 01 Jan 0001 00:00:00 GMT")], None),
            (vec![], None),
        ] {
            let kept = FileRecord { validators: Validators::of(&headers(&pairs)), ..FileRecord::default() };
            let precondition = FileRecord::of_words(&kept.words()).validators.precondition();
            assert_eq!(
                precondition.as_ref().map(|(name, value)| (name.clone(), value.as_str())),
                expected,
                "{pairs:?}"
            );
        }
        for seconds in [END_OF_DATES - 1, END_OF_DATES, u64::MAX] {
            let validators = FileRecord::of_words(&format!(" modified={seconds}")).validators;
            assert_eq!(validators.precondition().is_some(), seconds < END_OF_DATES);
        }
    }

    #[test]
    fn expected_size_and_digest_match_entry() {
        let digest = |digit: &str, length| CachedDigest::new(&digit.repeat(length));
        let mut file_record = FileRecord { stored_size: Some(12), ..FileRecord::default() };
        file_record.add_digest(digest("a", 32).unwrap());
        for (size, digest, agreement) in [
            (None, None, Agreement::Agrees),
            (Some(10), None, Agreement::Agrees),
            (Some(12), None, Agreement::Agrees),
            (Some(11), None, Agreement::Contradicts),
            (None, digest("a", 32), Agreement::Agrees),
            (Some(10), digest("b", 32), Agreement::Contradicts),
            (Some(11), digest("a", 32), Agreement::Contradicts),
            (Some(10), digest("a", 40), Agreement::Unknown),
        ] {
            assert_eq!(Expected { size, digest }.agreement(10, &file_record), agreement);
        }
        assert!(digest("A", 32).is_none() && digest("a", 33).is_none());
    }
}
