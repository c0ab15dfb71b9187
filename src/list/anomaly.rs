//! Anomalies of a list: an error contains one of them, a report all of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::list::MAX_STALLED;

/// An inconsistency of a list while it was read.
///
/// `page` is a page number. In a list without page numbers, pages are counted from 1. It is serialized as an object
/// with its `kind`, such as `{"kind":"page_gone","page":7}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ListAnomaly {
    /// The list grew or shrank: items may be missing or repeated.
    CountChanged {
        /// The page with the new count.
        page: u64,
        /// The count on the pages before.
        before: u64,
        /// The count on this page.
        now: u64,
    },
    /// A page that isn't the last has fewer or more items than the pages before: items may be missing or
    /// repeated.
    PageLength {
        /// The page.
        page: u64,
        /// Items in the pages before.
        expected: u64,
        /// Items in this one.
        items: u64,
    },
    /// A page that should exist according to the count doesn't (404): the list became shorter, and ends
    /// before it.
    PageGone {
        /// The page.
        page: u64,
    },
    /// The list ended with fewer items than its count. If items have an
    /// [identity](crate::ListReport::identity), repeated items count once.
    Fewer {
        /// The count; for a list that grew while it was read, the count before.
        promised: u64,
        /// Items in the list.
        items: u64,
    },
    /// The list ended with more items than its count. If items have an [identity](crate::ListReport::identity), repeated
    /// items count once.
    More {
        /// The count.
        promised: u64,
        /// Items in the list.
        items: u64,
    },
    /// A page has repeated items: others may be missing. Detected only if items have an
    /// [identity](crate::ListReport::identity) and the list doesn't [drop](crate::ListAll::deduplicate)
    /// repeated items.
    Repeated {
        /// The page.
        page: u64,
        /// Repeated items on it.
        items: u64,
    },
    /// The list continues after the end that its count implies.
    BeyondCount {
        /// The page.
        page: u64,
        /// The count.
        count: u64,
    },
    /// The server returned another page than the requested one: it ignores `page`, or its link skips pages or
    /// leads backwards. None of the page's items is returned, and the list ends with any policy.
    OutOfOrder {
        /// The page that contains the link.
        page: u64,
        /// The page that it leads to.
        next: u64,
    },
    /// No page has the field that leads to the next one, not even with null, and the number of items isn't known: the
    /// list may have more pages. Only a list that isn't one of Django REST Framework is checked for it.
    NoNext {
        /// The page.
        page: u64,
    },
    /// A link leads to a page that was already read. The list ends with any policy.
    Loop {
        /// The page that contains the link.
        page: u64,
    },
    /// The list makes no progress: a hundred pages in a row had no new item, or failed. The list ends with
    /// any policy.
    Endless {
        /// The last page that was read.
        page: u64,
    },
}

impl ListAnomaly {
    /// Returns whether the list contradicts its count.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(
            self,
            ListAnomaly::Fewer { .. } | ListAnomaly::PageGone { .. } | ListAnomaly::BeyondCount { .. }
        )
    }

    /// Returns whether the list can't continue with any policy.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(
            self,
            ListAnomaly::OutOfOrder { .. } | ListAnomaly::Loop { .. } | ListAnomaly::Endless { .. }
        )
    }
}

impl fmt::Display for ListAnomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListAnomaly::CountChanged { page, before, now } => {
                write!(
                    f,
                    "the list's count changed from {before} to {now} at page {page}: items may be missing or repeated"
                )
            }
            ListAnomaly::PageLength { page, expected, items } => write!(
                f,
                "page {page} has {items} items, but the pages before have {expected}: items may be missing or repeated"
            ),
            ListAnomaly::PageGone { page } => {
                write!(f, "page {page} no longer exists: the list became shorter")
            }
            ListAnomaly::Fewer { promised, items } => {
                write!(f, "the list ended after {items} of {promised} expected items")
            }
            ListAnomaly::More { promised, items } => {
                write!(f, "the list ended after {items} items, more than its count of {promised}")
            }
            ListAnomaly::Repeated { page, items } => {
                write!(f, "{items} items of page {page} are repeated: others may be missing")
            }
            ListAnomaly::BeyondCount { page, count } => {
                write!(f, "page {page} has items after the end of a list of {count} items")
            }
            ListAnomaly::OutOfOrder { page, next } => {
                write!(f, "the `next` link of page {page} leads to page {next}, out of order")
            }
            ListAnomaly::NoNext { page } => {
                write!(
                    f,
                    "page {page} lacks the field that leads to the next page: the list may have more pages"
                )
            }
            ListAnomaly::Loop { page } => {
                write!(f, "the `next` link of page {page} leads back to a page that was already read")
            }
            ListAnomaly::Endless { page } => {
                write!(
                    f,
                    "the list makes no progress: {MAX_STALLED} pages in a row, up to page {page}, had no new item"
                )
            }
        }
    }
}

/// An item that can't be decoded: which one, why, and its text. All fields except the text are short and safe
/// to show. It is serialized without the text.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ItemFailure {
    /// The page that contains it.
    pub page: u64,
    /// Its index on the page, counted from 0.
    pub index: usize,
    /// Its `id`, if it has one.
    pub id: Option<String>,
    /// Where decoding failed within the item, such as `files[0].url`; empty for the item itself.
    pub json_path: String,
    /// Why it can't be decoded.
    pub message: String,
    #[serde(skip)]
    pub(crate) text: String,
}

impl ItemFailure {
    /// Returns the item's JSON as the server sent it, except for converted URLs. In a
    /// [report](crate::ListReport::item_failures) it is limited to the first 64 KiB. It may contain signed
    /// URLs: `Debug` doesn't show it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ItemFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemFailure")
            .field("page", &self.page)
            .field("index", &self.index)
            .field("id", &self.id)
            .field("json_path", &self.json_path)
            .field("message", &self.message)
            .field("text", &format_args!("({} bytes)", self.text.len()))
            .finish()
    }
}

impl Error {
    /// Returns the anomaly that ended a list.
    pub fn list_anomaly(&self) -> Option<&ListAnomaly> {
        self.detail()
    }

    /// Returns the list item that can't be decoded, with its text.
    pub fn item_failure(&self) -> Option<&ItemFailure> {
        self.detail()
    }
}
