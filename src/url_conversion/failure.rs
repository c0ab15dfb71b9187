//! URLs that could not be converted.

use std::fmt;
use std::num::NonZeroUsize;

use crate::error::Cause;
use crate::error::json_text::scan::Scanner;
use crate::error::redact::secrets::Secrets;
use crate::error::redact::{excerpt, redact_url};
use crate::values::file_url::is_data_uri;

/// How many failures of one answer are kept.
const KEPT: usize = 100;

/// How much is kept of each part of a failure, in bytes: all that is kept of one answer is less than 256 KiB.
const MAX_FIELD: usize = 256;
const MAX_ID: usize = 64;
const MAX_URL: usize = 512;
const MAX_MESSAGE: usize = 1024;

/// A URL that could not be converted, and stayed as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversionFailure {
    /// The path that the conversion was set for; of a long one its first 256 bytes.
    pub field: String,
    /// The item's `id`, if it has one; of a long one its first 64 bytes.
    pub item_id: Option<String>,
    /// The URL, without its query; of a long one its first 512 bytes.
    pub url: String,
    /// What failed, without the queries of URLs; of a long message its first 1,024 bytes.
    pub message: String,
}

impl fmt::Display for ConversionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.item_id.as_ref().map(|id| format!(" of item {id}")).unwrap_or_default();
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

/// The failures of one answer: the first ones, and how many there were besides.
#[derive(Debug, Default)]
pub(crate) struct Unconverted {
    pub(crate) kept: Vec<ConversionFailure>,
    pub(crate) omitted: u64,
}

impl Unconverted {
    pub(super) fn add(&mut self, failure: ConversionFailure) {
        match self.kept.len() < KEPT {
            true => self.kept.push(failure),
            false => self.omitted += 1,
        }
    }
}

/// A field's path as it may be shown.
pub(super) fn shown_path(path: &str) -> String {
    excerpt(path, MAX_FIELD)
}

/// The `id` whose literal begins at a place of `text`, as it may be shown. However long it is, no more than
/// its beginning is read.
pub(super) fn shown_id(text: &str, at: Option<NonZeroUsize>) -> Option<String> {
    let rest = text.get(at?.get()..)?;
    let end = (0..=rest.len().min(MAX_ID + 3)).rev().find(|end| rest.is_char_boundary(*end))?;
    let (mut scanner, cut) = (Scanner::new(rest.get(..end)?), end < rest.len());
    let first = scanner.next()?;
    scanner.skip(first);
    let id = rest.get(..scanner.position())?;
    let shown = excerpt(id.trim_matches('"'), MAX_ID);
    Some(if cut && scanner.position() == end && !shown.ends_with('…') { shown + "…" } else { shown })
}

/// A URL that is fit to be shown. A `data:` URI is a file's content.
pub(super) fn shown(url: &str) -> String {
    match url.split_once(',') {
        Some((head, _)) if is_data_uri(head) => excerpt(head, MAX_URL) + ",…",
        _ => excerpt(&redact_url(url), MAX_URL),
    }
}
