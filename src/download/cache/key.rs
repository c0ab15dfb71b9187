//! Maps a URL to the identity of a file, and to the name of the file. The name is safe on every file system:
//! it contains nothing of the URL except the letters and digits of its extension.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::signed_url::without_signature;
use crate::values::file_url::is_data_uri;

/// Prefix of the hashed text of a key. Changing it changes all keys.
const IDENTITY: &str = "synapse-file-cache 2";

/// Prefix of the hashed text of a later version's name.
const VERSION: &str = "synapse-file-cache version";

/// Maximum number of letters and digits of an extension.
const EXTENSION: usize = 16;

/// Extensions for `data:` URIs, which have no file name.
#[rustfmt::skip]
const MEDIA_TYPES: [(&str, &str); 16] = [
    ("image/png", "png"), ("image/jpeg", "jpg"), ("image/gif", "gif"), ("image/webp", "webp"), ("image/bmp", "bmp"),
    ("image/tiff", "tif"), ("image/svg+xml", "svg"), ("text/plain", "txt"), ("text/csv", "csv"), ("text/html", "html"),
    ("application/json", "json"), ("application/pdf", "pdf"), ("audio/wav", "wav"), ("audio/x-wav", "wav"),
    ("audio/mpeg", "mp3"), ("video/mp4", "mp4"),
];

pub(super) type KeyOf = dyn Fn(&str) -> String + Send + Sync;

/// What identifies a file.
pub(super) enum KeyBy {
    /// The URL without its signature.
    Url,
    /// The URL without its query.
    Path,
    Own(Box<KeyOf>),
}

/// The hash of a key: the first 16 bytes of the SHA-256 of its text, which no two texts share in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u8; 16]);

/// A file's identity, and the extension of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(super) hash: KeyHash,
    /// Without the dot; empty if there is none.
    pub(super) extension: String,
    /// The URL without its query, if the query is part of the identity.
    pub(super) variant_of: Option<Box<str>>,
}

impl CacheKey {
    /// Returns the file's identity as a text.
    pub(crate) fn hex(&self) -> String {
        self.hash.hex()
    }
}

impl KeyBy {
    /// Returns the key of an absolute URL's file, for one tenant in one namespace.
    pub(super) fn key(&self, url: &str, tenant: &[u8], namespace: &str) -> CacheKey {
        let text = match self {
            KeyBy::Url => without_signature(url),
            KeyBy::Path if is_data_uri(url) => Cow::Borrowed(url),
            KeyBy::Path => Cow::Borrowed(before_query(url)),
            KeyBy::Own(key) => Cow::Owned(key(url)),
        };
        let variant = matches!(self, KeyBy::Url) && !is_data_uri(url) && text.contains('?');
        let variant_of = variant.then(|| before_query(url).into());
        let fields = [namespace.as_bytes(), tenant, text.as_bytes()];
        CacheKey { hash: KeyHash::of(IDENTITY, &fields), extension: extension(url), variant_of }
    }
}

impl KeyHash {
    fn of(kind: &str, fields: &[&[u8]]) -> Self {
        let mut digest = Sha256::new_with_prefix(kind);
        for field in fields {
            // With its length, so that the boundary between two fields is unambiguous.
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest.finalize()[..16]);
        KeyHash(hash)
    }

    /// Returns the hash of a version of the file. The first version has the number 0.
    pub(super) fn version(self, number: u64) -> Self {
        match number {
            0 => self,
            number => KeyHash::of(VERSION, &[&self.0, &number.to_be_bytes()]),
        }
    }

    /// Returns 32 hexadecimal digits.
    pub(super) fn hex(self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// Parses the output of [`hex`](KeyHash::hex) and nothing else.
    pub(super) fn from_hex(hex: &str) -> Option<Self> {
        let mut hash = [0; 16];
        let decoded = base16ct::lower::decode(hex, &mut hash).ok()?.len();
        (decoded == 16).then_some(KeyHash(hash))
    }

    /// Returns the name of the file's directory.
    ///
    /// There are few of them: file systems spread directories over the disk, so each one costs as much as
    /// several files.
    pub(super) fn shard(self) -> String {
        format!("{:x}", self.0[0] >> 4)
    }

    /// Returns the names of all directories of files.
    pub(super) fn shards() -> impl Iterator<Item = String> {
        (0..16).map(|shard| format!("{shard:x}"))
    }

    /// Returns the file's path in the cache at `dir`.
    pub(super) fn path(self, dir: &Path, extension: &str) -> PathBuf {
        let dot = if extension.is_empty() { "" } else { "." };
        dir.join(self.shard()).join(format!("{}{dot}{extension}", self.hex()))
    }

    /// Parses a file's name: its hash and its extension. `None` if it isn't a name of the cache.
    pub(super) fn of_name(name: &str) -> Option<(Self, &str)> {
        let hash = KeyHash::from_hex(name.get(..32)?)?;
        match &name[32..] {
            "" => Some((hash, "")),
            rest => rest
                .strip_prefix('.')
                .filter(|extension| is_extension(extension))
                .map(|extension| (hash, extension)),
        }
    }
}

/// Returns the URL without its query and its fragment.
fn before_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Returns the extension of a URL's last path segment; empty if there is none or it isn't safe.
fn extension(url: &str) -> String {
    if is_data_uri(url) {
        let media_type = url[5..].split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = MEDIA_TYPES.iter().find(|(known, _)| *known == media_type);
        return known.map(|(_, extension)| (*extension).to_owned()).unwrap_or_default();
    }
    let url = before_query(url);
    let authority = url.split_once("://").filter(|(scheme, _)| !scheme.contains('/')).map(|(_, rest)| rest);
    let path = match authority.or_else(|| url.strip_prefix("//")) {
        // The end of a host name isn't an extension.
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    let segment = path.rsplit('/').next().unwrap_or_default();
    let segment = percent_decode_str(segment).decode_utf8_lossy();
    let Some((stem, last)) = segment.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return String::new();
    };
    let before =
        stem.rsplit_once('.').filter(|(stem, before)| !stem.is_empty() && before.eq_ignore_ascii_case("tar"));
    let extension = match before {
        Some((_, tar)) => format!("{tar}.{last}"),
        None => last.to_owned(),
    };
    if is_extension(&extension) { extension } else { String::new() }
}

/// Returns whether a text is a valid extension.
pub(super) fn is_extension(text: &str) -> bool {
    let plain = |part: &str| {
        (1..=EXTENSION).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match text.split_once('.') {
        Some((tar, last)) => tar.eq_ignore_ascii_case("tar") && plain(last),
        None => plain(text),
    }
}
