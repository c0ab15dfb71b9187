//! What is to be said of a list that was read, and what it comes to.

use crate::error::Error;
use crate::list::anomaly::{ItemFailure, ListAnomaly};
use crate::url_conversion::{ConversionFailure, Unconverted};

/// Of each kind, how many are kept, and how many bytes of all of them together; the others are counted.
const KEPT: usize = 100;
const KEPT_BYTES: usize = 1 << 20;
/// How much of an item's text is kept, in bytes.
const KEPT_TEXT: usize = 64 << 10;
/// How much of what else is told of a failure is kept, in bytes.
const KEPT_PART: usize = 1 << 10;

/// Whether a list may change while it is read: see [`ListAll::policy`](crate::ListAll::policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListPolicy {
    /// What may have made items missing or double ends the list with an error, which carries the
    /// [`ListAnomaly`].
    Strict,
    /// A list that doesn't keep what its count promises (it has fewer items, or fewer different ones, or a
    /// page less, or goes on behind its end) ends with an error, which carries the [`ListAnomaly`]. What only
    /// may have made items missing or double is written into the [report](crate::ListAll::report), and the
    /// list goes on.
    #[default]
    Complete,
    /// All of that is written into the [report](crate::ListAll::report), and the list goes on.
    Lenient,
}

/// A page that could not be had, and was passed over.
#[derive(Debug)]
#[non_exhaustive]
pub struct PageFailure {
    /// The page's number.
    pub page: u64,
    /// Its URL, without the query.
    pub url: String,
    /// What failed.
    pub error: Error,
}

/// What is to be said of a list that was read: see [`ListAll::report`](crate::ListAll::report).
///
/// Of each kind the first hundred are kept, and of all together 1 MiB.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ListReport {
    /// The field that tells the list's items apart, once a page has shown that they have it: what the list's
    /// count promises is judged by items that differ in it. `None` if items have no such field: the list is
    /// judged by its count alone then, and one item twice in the place of two isn't noticed. See
    /// [`ListAll::identity`](crate::ListAll::identity).
    pub identity: Option<String>,
    /// Items that were given.
    pub items: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Items that were dropped because they had been given before: see
    /// [`ListAll::deduplicate`](crate::ListAll::deduplicate).
    pub duplicates: u64,
    /// What the list did that it shouldn't.
    pub anomalies: Vec<ListAnomaly>,
    /// Pages that were passed over: see [`ListAll::skip_failed_pages`](crate::ListAll::skip_failed_pages).
    pub page_failures: Vec<PageFailure>,
    /// Items that were passed over: see [`ListAll::skip_failed_items`](crate::ListAll::skip_failed_items).
    pub item_failures: Vec<ItemFailure>,
    /// URLs that stayed as they were, since their conversion failed: see
    /// [`skip_failed_conversions`](crate::Call::skip_failed_conversions). Also of items behind a
    /// [limit](crate::ListAll::limit).
    pub conversion_failures: Vec<ConversionFailure>,
    /// Events and failures that aren't kept any more.
    pub omitted: u64,
    /// Bytes that are kept.
    bytes: usize,
    /// An error ended the list.
    pub(super) failed: bool,
}

impl ListReport {
    /// Whether every item that the list promised was given, its URLs converted: nothing was passed over,
    /// nothing is missing, the list didn't change, and no error ended it.
    ///
    /// Duplicates that were dropped are no matter, as long as there are as many others as the list's count
    /// promises. Whether there are is known of a list whose items have an [`identity`](ListReport::identity);
    /// any other is judged by its count alone.
    pub fn is_complete(&self) -> bool {
        self.anomalies.is_empty()
            && self.page_failures.is_empty()
            && self.item_failures.is_empty()
            && self.conversion_failures.is_empty()
            && self.omitted == 0
            && !self.failed
    }

    pub(super) fn event(&mut self, event: ListAnomaly) {
        if self.has_room(self.anomalies.len(), size_of::<ListAnomaly>()) {
            tracing::warn!(%event, "a list is inconsistent");
            self.anomalies.push(event);
        }
    }

    /// Those of a page, whose parts are bounded already.
    pub(super) fn add_conversion_failures(&mut self, unconverted: Unconverted) {
        self.omitted += unconverted.omitted;
        for failure in unconverted.kept {
            let ConversionFailure { field, item_id, url, message } = &failure;
            let size = field.len() + item_id.as_ref().map_or(0, String::len) + url.len() + message.len();
            if self.has_room(self.conversion_failures.len(), size) {
                self.conversion_failures.push(failure);
            }
        }
    }

    pub(super) fn page_failure(&mut self, failure: PageFailure) {
        let body = failure.error.response().map_or(0, |response| response.body().len());
        let size = body.saturating_add(failure.url.len()).saturating_add(KEPT_PART);
        if self.has_room(self.page_failures.len(), size) {
            tracing::warn!(page = failure.page, error = %failure.error, "a page was skipped");
            self.page_failures.push(failure);
        }
    }

    /// `failure` is made only if it is kept.
    pub(super) fn item_failure(&mut self, failure: impl FnOnce() -> ItemFailure) {
        if self.item_failures.len() >= KEPT || self.bytes >= KEPT_BYTES {
            self.omitted += 1;
            return;
        }
        let mut failure = failure();
        if failure.text.len() > KEPT_TEXT {
            let end = (0..=KEPT_TEXT).rev().find(|at| failure.text.is_char_boundary(*at)).unwrap_or(0);
            failure.text.truncate(end);
            failure.text.shrink_to_fit();
        }
        let size = failure.text.len()
            + failure.message.len()
            + failure.json_path.len()
            + failure.id.as_ref().map_or(0, String::len);
        if self.has_room(self.item_failures.len(), size) {
            tracing::warn!(
                page = failure.page,
                index = failure.index,
                path = failure.json_path,
                "an item was skipped"
            );
            self.item_failures.push(failure);
        }
    }

    /// Whether one more is kept where there are `kept` of its kind; otherwise it is counted.
    fn has_room(&mut self, kept: usize, size: usize) -> bool {
        let bytes = self.bytes.saturating_add(size);
        let room = kept < KEPT && bytes <= KEPT_BYTES;
        match room {
            true => self.bytes = bytes,
            false => self.omitted += 1,
        }
        room
    }
}
