//! What a URL comes to as the identity of a file, and the name that the file gets: safe on every file system, since nothing
//! of the URL is in it but letters and digits of its extension.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::file_url::is_data_uri;

/// Begin the names of parameters by which object stores sign a URL.
#[rustfmt::skip]
const SIGNING_PREFIXES: [&str; 10] = [
    "x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-ms-", "q-sign", "q-ak", "q-key-time", "q-header-list", "q-url-param-list",
];

/// Signatures, expiries, and what goes with them.
#[rustfmt::skip]
const SIGNING: [&str; 21] = [
    "signature", "sig", "sign", "expires", "expire", "expiry", "exp", "policy", "key-pair-id", "awsaccesskeyid",
    "googleaccessid", "ossaccesskeyid", "security-token", "token", "access_token", "auth", "auth_key", "hmac", "hdnea", "hdnts",
    "__token__",
];

/// What may be part of a signature, and of what a file is known by otherwise.
const BESIDE_SIGNING: [&str; 4] = ["md5", "nonce", "timestamp", "verify"];

/// What Azure signs with: names so short that they mean this only beside a `sig`.
#[rustfmt::skip]
const AZURE: [&str; 15] = [
    "st", "se", "sp", "sv", "sr", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv", "ss", "srt", "sip",
];

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

/// What a file is known by: a part of the SHA-256 of its key's text that no two texts share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u8; 16]);

/// A file's identity, and the extension that its name gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(super) hash: KeyHash,
    /// Without its dot; empty where there is none.
    pub(super) extension: String,
}

impl CacheKey {
    /// `text` is the identity that `url` comes to.
    pub(super) fn new(text: &str, url: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        CacheKey { hash: KeyHash(hash), extension: extension(url) }
    }
}

impl KeyHash {
    /// 32 digits.
    pub(super) fn hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
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
            rest => rest.strip_prefix('.').filter(|extension| is_extension(extension)).map(|extension| (hash, extension)),
        }
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The URL without its fragment and its signature. A file's new signed URL comes to the same text as the one before it.
pub(crate) fn default_key(url: &str) -> String {
    if is_data_uri(url) {
        return url.to_owned();
    }
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let parameters: Vec<(&str, String)> = query.split('&').map(|parameter| (parameter, name(parameter))).collect();
    let azure = parameters.iter().any(|(_, name)| name == "sig");
    let signs = |name: &str| {
        SIGNING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || SIGNING.contains(&name)
            || (azure && AZURE.contains(&name))
    };
    let signed = parameters.iter().any(|(_, name)| signs(name));
    // What the store is to answer with is part of what is signed; of an unsigned URL it may be anything.
    let goes = |name: &str| signs(name) || (signed && (name.starts_with("response-") || BESIDE_SIGNING.contains(&name)));
    let kept = parameters.iter().filter(|(_, name)| !goes(name));
    let kept: Vec<&str> = kept.map(|(parameter, _)| *parameter).collect();
    match kept.join("&") {
        query if query.is_empty() => base.to_owned(),
        query => format!("{base}?{query}"),
    }
}

/// A parameter's name, as it is compared.
fn name(parameter: &str) -> String {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase()
}

/// The extension of a URL's last path segment; empty where it has none that is safe.
fn extension(url: &str) -> String {
    if is_data_uri(url) {
        let media_type = url[5..].split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = MEDIA_TYPES.iter().find(|(known, _)| *known == media_type);
        return known.map(|(_, extension)| (*extension).to_owned()).unwrap_or_default();
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let authority = url.split_once("://").filter(|(scheme, _)| !scheme.contains('/')).map(|(_, rest)| rest);
    let path = match authority.or_else(|| url.strip_prefix("//")) {
        // A host's name ends like a file's.
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    let segment = path.rsplit('/').next().unwrap_or_default();
    let segment = percent_decode_str(segment).decode_utf8_lossy();
    let Some((stem, last)) = segment.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else { return String::new() };
    let before = stem.rsplit_once('.').filter(|(stem, before)| !stem.is_empty() && before.eq_ignore_ascii_case("tar"));
    let extension = match before {
        Some((_, tar)) => format!("{tar}.{last}"),
        None => last.to_owned(),
    };
    if is_extension(&extension) { extension } else { String::new() }
}

/// Whether a file's name may end so.
pub(super) fn is_extension(text: &str) -> bool {
    let plain = |part: &str| (1..=EXTENSION).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.split_once('.') {
        Some((tar, last)) => tar.eq_ignore_ascii_case("tar") && plain(last),
        None => plain(text),
    }
}
