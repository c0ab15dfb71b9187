//! What goes wrong with a list: an error carries one of these, a report all of them.

use std::fmt;

use crate::error::Error;
use crate::list::MAX_STALLED;

/// What a list did that it shouldn't while it was read.
///
/// A `page` is the number of a page; in a list without page numbers, which page it is, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListAnomaly {
    /// The list grew or shrank: items may be missing or be there twice.
    CountChanged {
        /// The page that told.
        page: u64,
        /// Items in the list, as the pages before told.
        before: u64,
        /// Items in the list, as this page tells.
        now: u64,
    },
    /// A page that isn't the last is shorter or longer than those before: items may be missing or be there
    /// twice.
    PageLength {
        /// The page.
        page: u64,
        /// Items in the pages before.
        expected: u64,
        /// Items in this one.
        items: u64,
    },
    /// A page that the count promised isn't there (404): the list became shorter, and ends before it.
    PageGone {
        /// The page.
        page: u64,
    },
    /// The list ended with fewer items than its count promises. Where items have an
    /// [identity](crate::ListReport::identity), those that were there twice count once.
    Fewer {
        /// The count; of a list that grew while it was read, the count before.
        promised: u64,
        /// Items that there were.
        items: u64,
    },
    /// A page has items that were there before: others may be missing. Only in a list whose items have an
    /// [identity](crate::ListReport::identity), and that doesn't [drop](crate::ListAll::deduplicate) such
    /// items.
    Repeated {
        /// The page.
        page: u64,
        /// Items on it that were there before.
        items: u64,
    },
    /// The list goes on behind the end that its count promises.
    BeyondCount {
        /// The page.
        page: u64,
        /// The count.
        count: u64,
    },
    /// The server returned another page than the requested one: it ignores `page`, or its link skips pages or
    /// goes back. None of the page's items is given, and the list ends with any policy.
    OutOfOrder {
        /// The page whose link it is.
        page: u64,
        /// The page that it leads to.
        next: u64,
    },
    /// A link leads to a page that was read already. Ends the list by any policy.
    Loop {
        /// The page whose link it is.
        page: u64,
    },
    /// The list makes no progress: a hundred pages in a row brought no item that wasn't there before, or
    /// failed. Ends the list by any policy.
    Endless {
        /// The last page that was read.
        page: u64,
    },
}

impl ListAnomaly {
    /// Whether the list doesn't keep what its count promises.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(
            self,
            ListAnomaly::Fewer { .. } | ListAnomaly::PageGone { .. } | ListAnomaly::BeyondCount { .. }
        )
    }

    /// Whether the list can't be read on, by any policy.
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
                    "the list had {before} items and at page {page} has {now}: items may be missing or be there twice"
                )
            }
            ListAnomaly::PageLength { page, expected, items } => write!(
                f,
                "page {page} has {items} items where the pages before have {expected}: items may be missing or be there twice"
            ),
            ListAnomaly::PageGone { page } => {
                write!(f, "page {page} isn't there any more: the list became shorter")
            }
            ListAnomaly::Fewer { promised, items } => {
                write!(f, "the list ended after {items} items of {promised} that it promised")
            }
            ListAnomaly::Repeated { page, items } => {
                write!(f, "{items} items of page {page} were there before: others may be missing")
            }
            ListAnomaly::BeyondCount { page, count } => {
                write!(f, "page {page} lies behind the end of a list of {count} items")
            }
            ListAnomaly::OutOfOrder { page, next } => {
                write!(f, "page {page} says that page {next} follows it")
            }
            ListAnomaly::Loop { page } => {
                write!(f, "page {page}'s `next` leads back to a page that was already read")
            }
            ListAnomaly::Endless { page } => {
                write!(
                    f,
                    "the list makes no progress: {MAX_STALLED} pages in a row, page {page} the last, brought no new item"
                )
            }
        }
    }
}

/// An item that can't be decoded: which one, why, and its text. All but the text is fit to be shown, and
/// short.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemFailure {
    /// The page that it is on.
    pub page: u64,
    /// Its place on the page, counted from 0.
    pub index: usize,
    /// Its `id`, where it has one.
    pub id: Option<String>,
    /// Where in the item decoding failed, such as `files[0].url`; empty for the item itself.
    pub json_path: String,
    /// Why.
    pub message: String,
    pub(crate) text: String,
}

impl ItemFailure {
    /// The item's JSON, as the server sent it, but for URLs that were converted; in a
    /// [report](crate::ListReport::item_failures), its first 64 KiB. It may hold signed URLs: `Debug` doesn't
    /// show it.
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
    /// What a list did that it shouldn't, which ended it.
    pub fn list_anomaly(&self) -> Option<&ListAnomaly> {
        self.detail()
    }

    /// The item of a list that can't be decoded, with its text.
    pub fn item_failure(&self) -> Option<&ItemFailure> {
        self.detail()
    }
}
