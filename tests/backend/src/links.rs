//! Links to files: their host and their signature.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::data::mix;
use crate::request_parts::RequestParts;
use crate::settings::Settings;

/// Gives each response its own signature.
pub(crate) struct Signer {
    signed: bool,
    prefix: String,
    relative: bool,
    seed: u64,
    responses: AtomicU64,
}

impl Signer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            signed: settings.signed_urls,
            prefix: settings.signature_prefix.clone(),
            relative: settings.relative_urls,
            seed: mix(settings.seed, 3),
            responses: AtomicU64::new(0),
        }
    }

    /// Returns the host and the signature of the file links in the response to this request.
    pub(crate) fn links<'a>(&self, parts: &'a RequestParts) -> FileLinks<'a> {
        let mut signature = String::new();
        if self.signed {
            let number = self.responses.fetch_add(1, Relaxed);
            signature.push_str("?X-Amz-Expires=3600&X-Amz-Signature=");
            signature.push_str(&self.prefix);
            for word in 0..4 {
                // Can't fail: writing to a String never does.
                let _ = write!(signature, "{:016x}", mix(mix(self.seed, number), word));
            }
        }
        FileLinks { origin: if self.relative { "" } else { &parts.file_origin }, signature }
    }
}

/// Returns a signature that depends on the text and the key.
pub(crate) fn seal(key: u64, text: &str) -> String {
    let sum = text.bytes().fold(mix(key, 5), |sum, byte| mix(sum, u64::from(byte)));
    format!("{:016x}{:016x}", sum, mix(sum, 6))
}

pub(crate) struct FileLinks<'a> {
    pub(crate) origin: &'a str,
    pub(crate) signature: String,
}

impl FileLinks<'_> {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}{}", self.origin, self.signature)
    }
}
