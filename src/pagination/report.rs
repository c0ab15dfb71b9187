//! What is to be said of a list that was read, and what it comes to.

use crate::error::Error;
use crate::list_event::{ItemFailure, ListEvent};
use crate::url_conversion::{ConversionFailure, Unconverted};

/// Of each kind, how many are kept; the others are counted.
const KEPT: usize = 100;

/// Whether a list may change while it is read: see [`ListAll::policy`](crate::ListAll::policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListPolicy {
    /// What may have made items missing or double ends the list with an error, which carries the [`ListEvent`].
    Strict,
    /// A list that doesn't keep what its count promises (it has fewer items, a page less, or goes on behind its end) ends with
    /// an error, which carries the [`ListEvent`]. What only may have made items missing or double is written into the
    /// [report](crate::ListAll::report), and the list goes on.
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
/// Of each kind the first hundred are kept.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ListReport {
    /// Items that were given.
    pub items: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Items that were dropped since they had been given before: see [`ListAll::distinct`](crate::ListAll::distinct).
    pub duplicates: u64,
    /// What the list did that it shouldn't.
    pub events: Vec<ListEvent>,
    /// Pages that were passed over: see [`ListAll::skip_failed_pages`](crate::ListAll::skip_failed_pages).
    pub page_failures: Vec<PageFailure>,
    /// Items that were passed over: see [`ListAll::skip_failed_items`](crate::ListAll::skip_failed_items).
    pub item_failures: Vec<ItemFailure>,
    /// URLs that stayed as they were, since their conversion failed: see
    /// [`skip_failed_conversions`](crate::Call::skip_failed_conversions). Also of items behind a [limit](crate::ListAll::limit).
    pub conversion_failures: Vec<ConversionFailure>,
    /// Events and failures that aren't kept any more.
    pub omitted: u64,
}

impl ListReport {
    /// Whether every item that the list promised was given, its URLs converted: nothing was passed over, and the list didn't
    /// change.
    ///
    /// Duplicates that were dropped are no matter.
    pub fn is_complete(&self) -> bool {
        self.events.is_empty()
            && self.page_failures.is_empty()
            && self.item_failures.is_empty()
            && self.conversion_failures.is_empty()
            && self.omitted == 0
    }

    pub(super) fn event(&mut self, event: ListEvent) {
        tracing::warn!(%event, "a list isn't as it should be");
        keep(&mut self.events, event, &mut self.omitted);
    }

    pub(super) fn conversion_failures(&mut self, unconverted: Unconverted) {
        self.omitted += unconverted.omitted;
        for failure in unconverted.kept {
            keep(&mut self.conversion_failures, failure, &mut self.omitted);
        }
    }

    pub(super) fn page_failure(&mut self, failure: PageFailure) {
        tracing::warn!(page = failure.page, error = %failure.error, "a page was passed over");
        keep(&mut self.page_failures, failure, &mut self.omitted);
    }

    pub(super) fn item_failure(&mut self, failure: ItemFailure) {
        tracing::warn!(page = failure.page, index = failure.index, path = failure.json_path, "an item was passed over");
        keep(&mut self.item_failures, failure, &mut self.omitted);
    }
}

fn keep<T>(kept: &mut Vec<T>, one: T, omitted: &mut u64) {
    match kept.len() < KEPT {
        true => kept.push(one),
        false => *omitted += 1,
    }
}
