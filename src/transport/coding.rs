//! The content codings of HTTP, their labels, and the magic bytes at the start of a compressed body.

use std::sync::LazyLock;

use compression_codecs::DecodeV2;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The maximum number of codings of one body.
pub(super) const MAX_CODINGS: usize = 4;

/// If this many first bytes are all text, the body isn't compressed. Used for codings without magic bytes.
pub(super) const MAGIC_LENGTH: usize = 24;

/// Returns the value of `Accept-Encoding`: the codings that the enabled features decompress. `None` if there
/// are none.
pub(super) fn accepted() -> Option<HeaderValue> {
    static ACCEPTED: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
        let names: Vec<_> =
            Coding::ALL.iter().filter(|coding| coding.is_supported()).map(|coding| coding.name()).collect();
        HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
    });
    ACCEPTED.clone()
}

/// Codings in IANA's registry that this crate never decompresses.
const OTHERS: [&str; 7] = ["compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm"];

/// The name of a coding in IANA's registry, whether this crate can decompress it or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct CodingName(&'static str);

impl CodingName {
    fn of(label: &str) -> Option<Self> {
        let other = || OTHERS.into_iter().find(|other| label.eq_ignore_ascii_case(other));
        Coding::of(label).map(Coding::name).or_else(other).map(CodingName)
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for CodingName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        CodingName::of(&name).ok_or_else(|| D::Error::custom("it isn't the name of a content coding"))
    }
}

/// Returns the codings in `Content-Encoding`, in the order in which they were applied. Words that aren't
/// codings, such as `aws-chunked`, are skipped. More codings than this crate ever decompresses are cut off.
pub(crate) fn codings(headers: &HeaderMap) -> Vec<CodingName> {
    labels(headers).filter_map(CodingName::of).take(MAX_CODINGS + 1).collect()
}

/// A content coding of HTTP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Returns the labels in `Content-Encoding`, in the order in which the codings were applied.
pub(super) fn labels(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// What the first bytes of a body, or the bytes after a member, are.
pub(super) enum Magic {
    Compressed,
    Not,
    /// More bytes are needed.
    Unclear,
}

impl Coding {
    pub(super) const ALL: [Coding; 4] = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];

    pub(super) fn of(label: &str) -> Option<Self> {
        let is = |name: &str| label.eq_ignore_ascii_case(name);
        // RFC 9110, section 8.4.1.3: `x-gzip` is `gzip`.
        Coding::ALL
            .into_iter()
            .find(|coding| is(coding.name()))
            .or_else(|| is("x-gzip").then_some(Coding::Gzip))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    pub(super) fn is_supported(self) -> bool {
        match self {
            Coding::Gzip => cfg!(feature = "gzip"),
            Coding::Deflate => cfg!(feature = "deflate"),
            Coding::Brotli => cfg!(feature = "brotli"),
            Coding::Zstd => cfg!(feature = "zstd"),
        }
    }

    pub(super) fn magic(self, first: &[u8], at_end: bool) -> Magic {
        /// Compares each byte with the range of the magic byte.
        fn marked(first: &[u8], mark: &[(u8, u8)]) -> Magic {
            let fits = first.iter().zip(mark).all(|(byte, (least, most))| (*least..=*most).contains(byte));
            match (fits, first.len() < mark.len()) {
                (false, _) => Magic::Not,
                (true, true) => Magic::Unclear,
                (true, false) => Magic::Compressed,
            }
        }
        match self {
            Coding::Gzip => marked(first, &[(0x1f, 0x1f), (0x8b, 0x8b)]),
            Coding::Zstd => {
                match marked(first, &[(0x28, 0x28), (0xb5, 0xb5), (0x2f, 0x2f), (0xfd, 0xfd)]) {
                    // A skippable frame (RFC 8878, section 3.1.2).
                    Magic::Not => marked(first, &[(0x50, 0x5f), (0x2a, 0x2a), (0x4d, 0x4d), (0x18, 0x18)]),
                    magic => magic,
                }
            }
            Coding::Deflate | Coding::Brotli if first.len() < MAGIC_LENGTH && !at_end => Magic::Unclear,
            Coding::Deflate | Coding::Brotli => {
                match is_text(&first[..first.len().min(MAGIC_LENGTH)]) && first.len() >= MAGIC_LENGTH {
                    true => Magic::Not,
                    false => Magic::Compressed,
                }
            }
        }
    }

    /// Returns whether a body may contain several members, one after another.
    pub(super) fn has_members(self) -> bool {
        matches!(self, Coding::Gzip | Coding::Zstd)
    }

    /// Returns the decoder of a body with these first bytes; `None` if the feature isn't enabled.
    #[allow(unused_variables, reason = "which codings there are depends on the features")]
    pub(super) fn decoder(self, first: &[u8]) -> Option<Box<dyn DecodeV2 + Send + Sync>> {
        match self {
            #[cfg(feature = "gzip")]
            Coding::Gzip => Some(Box::new(compression_codecs::GzipDecoder::new())),
            #[cfg(feature = "brotli")]
            Coding::Brotli => Some(Box::new(compression_codecs::BrotliDecoder::new())),
            #[cfg(feature = "zstd")]
            Coding::Zstd => {
                /// The maximum window of HTTP (RFC 9659, section 3), as a power of two. It bounds the memory
                /// that a short body can request.
                const WINDOW: u32 = 23;
                let timeouts = [compression_codecs::zstd::params::DParameter::window_log_max(WINDOW)];
                Some(Box::new(compression_codecs::ZstdDecoder::new_with_params(&timeouts)))
            }
            #[cfg(feature = "deflate")]
            Coding::Deflate => {
                // RFC 9110, section 8.4.1.2: some servers omit the zlib wrapper (RFC 1950).
                let wrapped = first.first_chunk().is_some_and(|[method, flags]| {
                    method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
                });
                match wrapped {
                    true => Some(Box::new(compression_codecs::ZlibDecoder::new())),
                    false => Some(Box::new(compression_codecs::DeflateDecoder::new())),
                }
            }
            #[allow(unreachable_patterns, reason = "which codings there are depends on the features")]
            _ => None,
        }
    }
}

/// Returns whether these are the first bytes of a gzip or Zstandard file.
pub(crate) fn is_compressed(first: &[u8]) -> bool {
    [Coding::Gzip, Coding::Zstd]
        .into_iter()
        .any(|coding| matches!(coding.magic(first, true), Magic::Compressed))
}

/// Returns whether these are the first bytes of a text: UTF-8 without control characters.
pub(super) fn is_text(first: &[u8]) -> bool {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        // The last character may be incomplete.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(first.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}
