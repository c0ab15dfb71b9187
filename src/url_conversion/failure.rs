//! URLs that could not be converted.

use std::fmt;
use std::num::NonZeroUsize;

use serde::Serialize;

use crate::error::Cause;
use crate::error::json_text::scan::Scanner;
use crate::error::redact::secrets::Secrets;
use crate::error::redact::{boundary, excerpt, redact_url};
use crate::values::file_url::is_data_uri;

/// Maximum number of failures of one response that are kept.
const MAX_FAILURES: usize = 100;

/// Maximum length of each part of a failure, in bytes: less than 256 KiB are kept for one response.
const MAX_FIELD: usize = 256;
const MAX_ID: usize = 64;
const MAX_URL: usize = 512;
const MAX_MESSAGE: usize = 1024;

/// A URL that could not be converted and stayed unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConversionFailure {
    /// The path that the conversion was set for; at most its first 256 bytes.
    pub field: String,
    /// The item's `id`, if it has one; at most its first 64 bytes.
    pub item_id: Option<String>,
    /// The URL, without its query; at most its first 512 bytes.
    pub url: String,
    /// The error message, without the queries of URLs; at most its first 1,024 bytes.
    pub message: String,
}

impl fmt::Display for ConversionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.item_id.as_ref().map(|id| format!(" of the item with id {id}")).unwrap_or_default();
        write!(f, "url_conversion of `{}`{id}: {}: {}", self.field, self.url, self.message)
    }
}

impl ConversionFailure {
    pub(super) fn new(
        field: &str,
        item_id: Option<String>,
        url: &str,
        cause: &Cause,
        secrets: &Secrets,
    ) -> Self {
        let hide = |text: String| secrets.hide(&text).into_owned();
        ConversionFailure {
            field: shown_path(field),
            item_id: item_id.map(hide),
            url: hide(shown(url)),
            message: hide(excerpt(&cause.to_string(), MAX_MESSAGE)),
        }
    }
}

/// The failures of one response: the first ones, and the number of the others.
#[derive(Debug, Default)]
pub(crate) struct Unconverted {
    pub(crate) kept: Vec<ConversionFailure>,
    pub(crate) omitted: u64,
}

impl Unconverted {
    pub(super) fn add(&mut self, failure: ConversionFailure) {
        match self.kept.len() < MAX_FAILURES {
            true => self.kept.push(failure),
            false => self.omitted += 1,
        }
    }
}

/// Returns a field's path as it may be shown.
pub(super) fn shown_path(path: &str) -> String {
    excerpt(path, MAX_FIELD)
}

/// Returns the `id` whose literal begins at a position of `text`, as it may be shown. Only the beginning of a
/// long id is read.
pub(super) fn shown_id(text: &str, at: Option<NonZeroUsize>) -> Option<String> {
    let rest = text.get(at?.get()..)?;
    let end = boundary(rest, MAX_ID + 3);
    let (mut scanner, cut) = (Scanner::new(rest.get(..end)?), end < rest.len());
    let first = scanner.next()?;
    let shown = excerpt(scanner.value(first).trim_matches('"'), MAX_ID);
    Some(if cut && scanner.position() == end && !shown.ends_with('…') { shown + "…" } else { shown })
}

/// Returns a URL as it may be shown. The content of a `data:` URI, which is a file, is left out.
pub(super) fn shown(url: &str) -> String {
    match url.split_once(',') {
        Some((head, _)) if is_data_uri(head) => excerpt(head, MAX_URL) + ",…",
        _ => excerpt(&redact_url(url), MAX_URL),
    }
}
