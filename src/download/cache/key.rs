//! What a URL comes to as the identity of a file, and the name that the file gets: safe on every file system,
//! since nothing of the URL is in it but letters and digits of its extension.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::signed_url::without_signature;
use crate::values::file_url::is_data_uri;

/// Stands before what is hashed. Another one is another way to tell files apart.
const IDENTITY: &str = "synapse-file-cache 2";

/// Stands before what the name of a file's later version is hashed of.
const VERSION: &str = "synapse-file-cache version";

/// Letters and digits of an extension, at most.
const EXTENSION: usize = 16;

/// Extensions of the files that `data:` URIs carry, which have no name to take one from.
#[rustfmt::skip]
const MEDIA_TYPES: [(&str, &str); 16] = [
    ("image/png", "png"), ("image/jpeg", "jpg"), ("image/gif", "gif"), ("image/webp", "webp"), ("image/bmp", "bmp"),
    ("image/tiff", "tif"), ("image/svg+xml", "svg"), ("text/plain", "txt"), ("text/csv", "csv"), ("text/html", "html"),
    ("application/json", "json"), ("application/pdf", "pdf"), ("audio/wav", "wav"), ("audio/x-wav", "wav"),
    ("audio/mpeg", "mp3"), ("video/mp4", "mp4"),
];

pub(super) type KeyOf = dyn Fn(&str) -> String + Send + Sync;

/// What files are told apart by.
pub(super) enum KeyBy {
    /// The URL without its signature.
    Url,
    /// The URL without its query.
    Path,
    Own(Box<KeyOf>),
}

/// What a file is known by: a part of the SHA-256 of its key's text that no two texts share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u8; 16]);

/// A file's identity, and the extension that its name gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(super) hash: KeyHash,
    /// Without its dot; empty where there is none.
    pub(super) extension: String,
    /// The URL without its query, if that is what tells it from others.
    pub(super) variant_of: Option<Box<str>>,
}

impl CacheKey {
    /// The file's identity as a text.
    pub(crate) fn hex(&self) -> String {
        self.hash.hex()
    }
}

impl KeyBy {
    /// The key of an absolute URL's file, of one tenant in one namespace.
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
            // With its length, so that no field is taken for a part of the one before.
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest.finalize()[..16]);
        KeyHash(hash)
    }

    /// What a later version of the file is known by. The first one has the number 0.
    pub(super) fn version(self, number: u64) -> Self {
        match number {
            0 => self,
            number => KeyHash::of(VERSION, &[&self.0, &number.to_be_bytes()]),
        }
    }

    /// 32 digits.
    pub(super) fn hex(self) -> String {
        base16ct::lower::encode_string(&self.0)
    }

    /// Reads what [`hex`](KeyHash::hex) writes, and nothing else.
    pub(super) fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.len() == 32 && hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if !digits {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(|number| KeyHash(number.to_be_bytes()))
    }

    /// The name of the directory that the file is in.
    pub(super) fn shard(self) -> String {
        format!("{:02x}", self.0[0])
    }

    /// Where the file stands in the cache at `dir`.
    pub(super) fn path(self, dir: &Path, extension: &str) -> PathBuf {
        let dot = if extension.is_empty() { "" } else { "." };
        dir.join(self.shard()).join(format!("{}{dot}{extension}", self.hex()))
    }

    /// Reads a file's name: its hash and its extension. Nothing where it isn't a name of the cache.
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

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The URL without its query and its fragment.
fn before_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The extension of a URL's last path segment; empty where it has none that is safe.
fn extension(url: &str) -> String {
    if is_data_uri(url) {
        let media_type = url[5..].split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = MEDIA_TYPES.iter().find(|(known, _)| *known == media_type);
        return known.map(|(_, extension)| (*extension).to_owned()).unwrap_or_default();
    }
    let url = before_query(url);
    let authority = url.split_once("://").filter(|(scheme, _)| !scheme.contains('/')).map(|(_, rest)| rest);
    let path = match authority.or_else(|| url.strip_prefix("//")) {
        // A host's name ends like a file's.
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

/// Whether a file's name may end so.
pub(super) fn is_extension(text: &str) -> bool {
    let plain = |part: &str| {
        (1..=EXTENSION).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match text.split_once('.') {
        Some((tar, last)) => tar.eq_ignore_ascii_case("tar") && plain(last),
        None => plain(text),
    }
}
