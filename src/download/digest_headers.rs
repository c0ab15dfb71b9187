//! The digests in the headers of a response, and the bytes that each of them covers.
//!
//! | header | digest of |
//! |---|---|
//! | `Content-Digest` (RFC 9530) | the bytes of this message |
//! | `Content-MD5` (RFC 2616, section 14.15) | the bytes of this message; for a part, maybe the whole file |
//! | `Repr-Digest` (RFC 9530), `Digest` (RFC 3230), `x-goog-hash` | the whole file, as it is sent |
//! | `x-amz-checksum-…` | the whole file; for a part, maybe that part |
//!
//! The digest is of the bytes in the content coding in which they are sent. A message that isn't a part
//! contains the whole file, so each of its digests is of the whole file. Invalid digests and unknown
//! algorithms are ignored. Digests of another form than the one that was sent are ignored too: the checksum
//! of the checksums of a multipart upload, the digest of the form that Google Cloud Storage stores but
//! decompresses when sending it, and digests of content that a proxy reports as transformed (`Warning: 214`).
//! An `ETag` is never used as a digest, even if it looks like one.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use reqwest::header::{HeaderMap, WARNING};
use serde::{Deserialize, Serialize};

use super::digest::{Algorithm, DigestValue};
use crate::transport::codings;

/// Base64 with `+` and `/`. Padding is optional, since some servers omit it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A digest in a response's headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeaderDigest {
    header: Header,
    pub(super) algorithm: Algorithm,
    /// Base64 with padding.
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Header {
    ContentMd5,
    ContentDigest,
    ReprDigest,
    Digest,
    GoogHash,
    AmzChecksum,
}

/// The digests in a response's headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderDigests {
    /// Digests of the whole file.
    pub(super) whole: Vec<HeaderDigest>,
    /// Digests of this message's bytes.
    pub(super) message: Vec<HeaderDigest>,
    /// Digests of this message's bytes or of the whole file: comparing the bytes decides.
    pub(super) either: Vec<HeaderDigest>,
}

/// The headers of S3 checksums and their algorithms.
const AMZ: [(&str, Algorithm); 7] = [
    ("x-amz-checksum-crc32", Algorithm::Crc32),
    ("x-amz-checksum-crc32c", Algorithm::Crc32c),
    ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme),
    ("x-amz-checksum-md5", Algorithm::Md5),
    ("x-amz-checksum-sha1", Algorithm::Sha1),
    ("x-amz-checksum-sha256", Algorithm::Sha256),
    ("x-amz-checksum-sha512", Algorithm::Sha512),
];

impl HeaderDigest {
    fn new(header: Header, algorithm: Algorithm, base64: &str) -> Option<Self> {
        let value = BASE64.decode(base64.trim()).ok().filter(|value| value.len() == algorithm.length())?;
        Some(HeaderDigest { header, algorithm, value: BASE64.encode(value) })
    }

    /// Returns the digest of an algorithm with a registered name; `None` if this crate doesn't compute it.
    fn registered(header: Header, name: &str, base64: &str) -> Option<Self> {
        let names = [
            ("md5", Algorithm::Md5),
            ("sha", Algorithm::Sha1),
            ("sha-256", Algorithm::Sha256),
            ("sha-512", Algorithm::Sha512),
            ("crc32c", Algorithm::Crc32c),
        ];
        let (_, algorithm) = names.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name.trim()))?;
        HeaderDigest::new(header, algorithm, base64)
    }

    fn header(&self) -> &'static str {
        match self.header {
            Header::ContentMd5 => "Content-MD5",
            Header::ContentDigest => "Content-Digest",
            Header::ReprDigest => "Repr-Digest",
            Header::Digest => "Digest",
            Header::GoogHash => "x-goog-hash",
            Header::AmzChecksum => AMZ
                .iter()
                .find(|(_, algorithm)| *algorithm == self.algorithm)
                .map_or("x-amz-checksum", |(name, _)| name),
        }
    }

    /// Returns whether both have the same header and algorithm.
    pub(super) fn stands_for(&self, other: &HeaderDigest) -> bool {
        (self.header, self.algorithm) == (other.header, other.algorithm)
    }

    /// Returns a message if the bytes have another digest.
    pub(super) fn problem(&self, value: &DigestValue) -> Option<String> {
        let came = value.base64();
        let (header, algorithm) = (self.header(), self.algorithm.name());
        (came != self.value).then(|| {
            format!("{header} contains the {algorithm} {}, but the received bytes have {came}", self.value)
        })
    }
}

/// Returns the digests in the headers. `part` is true for a partial response.
pub(super) fn header_digests(headers: &HeaderMap, part: bool) -> HeaderDigests {
    let mut named = HeaderDigests::default();
    if is_transformed(headers) {
        return named;
    }
    let values = |name: &'static str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let text = |name: &'static str| values(name).next_back().unwrap_or_default();
    for value in values("content-md5") {
        let list = if part { &mut named.either } else { &mut named.whole };
        take(list, HeaderDigest::new(Header::ContentMd5, Algorithm::Md5, value));
    }
    for (name, header) in [("content-digest", Header::ContentDigest), ("repr-digest", Header::ReprDigest)] {
        let list =
            if part && header == Header::ContentDigest { &mut named.message } else { &mut named.whole };
        for (key, value) in values(name).flat_map(members).filter_map(byte_sequence) {
            take(list, HeaderDigest::registered(header, key, value));
        }
    }
    let is_stored_form =
        text("x-goog-stored-content-encoding").is_empty() || stored_codings(headers) == codings(headers);
    let goog_hash = values("x-goog-hash").filter(|_| is_stored_form).map(|value| (Header::GoogHash, value));
    for (header, list) in values("digest").map(|value| (Header::Digest, value)).chain(goog_hash) {
        for (key, value) in list.split(',').filter_map(|pair| pair.split_once('=')) {
            take(&mut named.whole, HeaderDigest::registered(header, key, value));
        }
    }
    if !text("x-amz-checksum-type").trim().eq_ignore_ascii_case("composite") {
        let list = if part { &mut named.either } else { &mut named.whole };
        for (name, algorithm) in AMZ {
            values(name)
                .for_each(|value| take(list, HeaderDigest::new(Header::AmzChecksum, algorithm, value)));
        }
    }
    named
}

/// Returns the size of the stored file if it is stored in another form than it is sent: Google Cloud Storage
/// may decompress files when sending them.
pub(super) fn stored_size(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let stored = stored_codings(headers);
    let is_other = !stored.is_empty() && stored != codings(headers);
    text("x-goog-stored-content-length").filter(|_| is_other)?.trim().parse().ok()
}

fn stored_codings(headers: &HeaderMap) -> Vec<crate::transport::CodingName> {
    let stored = headers.get("x-goog-stored-content-encoding").cloned();
    codings(&stored.map(|stored| (reqwest::header::CONTENT_ENCODING, stored)).into_iter().collect())
}

/// Adds a digest. It replaces an earlier one of the same name (RFC 8941, section 3.2).
fn take(list: &mut Vec<HeaderDigest>, digest: Option<HeaderDigest>) {
    let Some(digest) = digest else { return };
    match list.iter_mut().find(|other| other.stands_for(&digest)) {
        Some(other) => *other = digest,
        None => list.push(digest),
    }
}

/// Returns whether a proxy reports that it changed the content (RFC 7234, section 5.5.6). Then digests may be
/// of the original content.
fn is_transformed(headers: &HeaderMap) -> bool {
    headers.get_all(WARNING).iter().any(|value| value.as_bytes().starts_with(b"214"))
}

/// Splits a structured field's dictionary into members. A comma within a quoted string doesn't end a member.
fn members(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c| {
        match c {
            _ if std::mem::take(&mut escaped) => return false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        c == ',' && !quoted
    })
}

/// Parses `key=:base64:`. Parameters that follow are ignored.
fn byte_sequence(member: &str) -> Option<(&str, &str)> {
    let (key, value) = member.split_once('=')?;
    let (value, rest) = value.trim().strip_prefix(':')?.split_once(':')?;
    (rest.is_empty() || rest.trim_start().starts_with(';')).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// Digests of `abc`.
    const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";
    const SHA256: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    const CRC32C: &str = "Nks/tw==";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn shown(digests: &[HeaderDigest]) -> Vec<String> {
        digests
            .iter()
            .map(|digest| format!("{} {} {}", digest.header(), digest.algorithm.name(), digest.value))
            .collect()
    }

    #[test]
    fn digest_headers_read_and_junk_ignored() {
        for (pairs, whole) in [
            (vec![("content-md5", MD5)], vec![format!("Content-MD5 MD5 {MD5}")]),
            (vec![("content-md5", " kAFQmDzST7DWlj99KOF/cg ")], vec![format!("Content-MD5 MD5 {MD5}")]),
            (
                vec![(
                    "content-digest",
                    &*format!("sha-256=:{SHA256}:;a=\"x,md5=:AA==:\", unixsum=:AAAA:, MD5=:{MD5}:"),
                )],
                vec![format!("Content-Digest SHA-256 {SHA256}"), format!("Content-Digest MD5 {MD5}")],
            ),
            (
                vec![
                    ("repr-digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"),
                    ("repr-digest", &*format!("md5=:{MD5}:")),
                ],
                vec![format!("Repr-Digest MD5 {MD5}")],
            ),
            (
                vec![("digest", &*format!("unixsum=30637,SHA-256={SHA256}, md5={MD5}"))],
                vec![format!("Digest SHA-256 {SHA256}"), format!("Digest MD5 {MD5}")],
            ),
            (
                vec![
                    ("x-goog-hash", &*format!("crc32c={CRC32C}")),
                    ("x-goog-hash", &*format!("md5={MD5},x=y")),
                ],
                vec![format!("x-goog-hash CRC-32C {CRC32C}"), format!("x-goog-hash MD5 {MD5}")],
            ),
            (
                vec![("x-amz-checksum-crc32c", CRC32C), ("x-amz-checksum-type", "FULL_OBJECT")],
                vec![format!("x-amz-checksum-crc32c CRC-32C {CRC32C}")],
            ),
            // Digests of parts, digests of another form, and invalid digests.
            (vec![("x-amz-checksum-crc32c", "Nks/tw==-2")], vec![]),
            (vec![("x-amz-checksum-crc32c", CRC32C), ("x-amz-checksum-type", "COMPOSITE")], vec![]),
            (
                vec![("x-goog-hash", &*format!("md5={MD5}")), ("x-goog-stored-content-encoding", "gzip")],
                vec![],
            ),
            (vec![("content-md5", MD5), ("warning", "214 UploadServer gunzipped")], vec![]),
            (vec![("content-md5", "900150983cd24fb0d6963f7d28e17f72")], vec![]),
            (
                vec![
                    ("content-digest", &*format!("md5={MD5}")),
                    ("repr-digest", "md5=::"),
                    ("repr-digest", "md5=:"),
                ],
                vec![],
            ),
            (
                vec![("digest", "md5"), ("digest", "=,=;"), ("x-goog-hash", "md5=?"), ("x-goog-hash", "")],
                vec![],
            ),
            (vec![("etag", "\"900150983cd24fb0d6963f7d28e17f72\"")], vec![]),
        ] {
            let named = header_digests(&headers(&pairs), false);
            assert_eq!(shown(&named.whole), whole, "{pairs:?}");
            assert!(named.message.is_empty() && named.either.is_empty());
        }
        let stored = [
            ("x-goog-hash", &*format!("md5={MD5}")),
            ("x-goog-stored-content-encoding", "gzip"),
            ("content-encoding", "x-gzip"),
        ];
        assert_eq!(
            shown(&header_digests(&headers(&stored), false).whole),
            [format!("x-goog-hash MD5 {MD5}")]
        );
        let stored =
            [("x-goog-hash", &*format!("md5={MD5}")), ("x-goog-stored-content-encoding", "identity")];
        assert_eq!(header_digests(&headers(&stored), false).whole.len(), 1);
    }

    #[test]
    fn digests_of_part_keep_their_scope() {
        let pairs = [
            ("content-md5", MD5),
            ("content-digest", &*format!("md5=:{MD5}:")),
            ("repr-digest", &*format!("md5=:{MD5}:")),
            ("digest", &*format!("md5={MD5}")),
            ("x-goog-hash", &*format!("md5={MD5}")),
            ("x-amz-checksum-crc32c", CRC32C),
        ];
        let named = header_digests(&headers(&pairs), true);
        assert_eq!(shown(&named.message), [format!("Content-Digest MD5 {MD5}")]);
        assert_eq!(
            shown(&named.whole),
            ["Repr-Digest", "Digest", "x-goog-hash"].map(|header| format!("{header} MD5 {MD5}"))
        );
        assert_eq!(
            shown(&named.either),
            [format!("Content-MD5 MD5 {MD5}"), format!("x-amz-checksum-crc32c CRC-32C {CRC32C}")]
        );
    }

    #[test]
    fn digest_mismatch_names_header_and_values() {
        let mut hasher = Algorithm::Md5.hasher();
        hasher.update(b"abd");
        let named = header_digests(&headers(&[("content-md5", MD5)]), false);
        let problem = named.whole[0].problem(&hasher.finish()).unwrap();
        assert_eq!(
            problem,
            format!(
                "Content-MD5 contains the MD5 {MD5}, but the received bytes have SRHlFuWqIdMnUS4Mixl2Fg=="
            )
        );
        let metadata = serde_json::to_string(&named.whole[0]).unwrap();
        assert_eq!(serde_json::from_str::<HeaderDigest>(&metadata).unwrap(), named.whole[0], "{metadata}");
    }
}
