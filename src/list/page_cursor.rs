//! The current page and the position on it.

use bytes::Bytes;
use reqwest::Url;

use super::checkpoint::Position;
use super::identity::Mark;
use super::page::{Decoder, Failed};
use super::page_text::field;
use crate::error::json_text::decode::{Problem, without_mark};
use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind};
use crate::list::anomaly::ItemFailure;
use crate::url_conversion::Undelivered;

/// The current page, whose items are being returned.
pub(super) struct CurrentPage<T> {
    pub(super) items: PageItems<T>,
    /// Its position in the list; `None` before the first page.
    pub(super) place: Option<PagePosition>,
    /// The index of the next item, counted from 0, and the index after the last item.
    pub(super) index: usize,
    pub(super) length: usize,
    /// Items in the list before this page.
    pub(super) offset: Option<u64>,
    /// Repeated items in the list before the next item.
    pub(super) repeated: u64,
    /// The position after this page, and the number of items in the list before that position.
    pub(super) after: Position,
    pub(super) after_offset: Option<u64>,
}

/// Which page it is. `link` is the URL of a page without a number.
pub(super) struct PagePosition {
    pub(super) number: u64,
    pub(super) link: Option<Url>,
}

impl PagePosition {
    /// Returns the position before the item with this index.
    pub(super) fn at(&self, item: usize) -> Position {
        let number = self.number;
        match &self.link {
            Some(url) => Position::Link { url: url.as_str().into(), number, item },
            None => Position::Page { number, item },
        }
    }
}

/// The remaining items of a page.
pub(super) struct PageItems<T> {
    items: std::vec::IntoIter<T>,
    /// One mark per item; empty if all items have the mark `same`.
    marks: std::vec::IntoIter<Mark>,
    same: Mark,
    failed: std::iter::Peekable<std::vec::IntoIter<Failed>>,
    /// What errors are built from, if an item failed.
    source: Option<Source>,
    /// What conversions put into the items.
    undelivered: Undelivered,
    /// The remaining items will not be returned, and what conversions put into them was discarded.
    discarded: bool,
}

/// Returns the beginning of a text, at most this many bytes, without the credentials that were sent.
pub(super) type Excerpt = dyn Fn(&str, usize) -> String + Send + Sync;

/// What the errors of a page's items are built from: the page's text and its response.
pub(super) struct Source {
    pub(super) body: Bytes,
    pub(super) error: Box<dyn Fn(&Problem) -> Error + Send + Sync>,
    pub(super) excerpt: Box<Excerpt>,
}

/// The next item of a page.
pub(super) enum NextItem<T> {
    Item(T, Mark),
    Failed(Failed),
}

impl<T> PageItems<T> {
    pub(super) fn none() -> Self {
        PageItems::new(Vec::new(), Vec::new(), None, Undelivered::default())
    }

    pub(super) fn new(
        items: Vec<T>,
        failed: Vec<Failed>,
        source: Option<Source>,
        undelivered: Undelivered,
    ) -> Self {
        let (items, failed) = (items.into_iter(), failed.into_iter().peekable());
        PageItems {
            items,
            marks: Vec::new().into_iter(),
            same: Mark::Unknown,
            failed,
            source,
            undelivered,
            discarded: false,
        }
    }

    /// Skips the first `length` items, and returns how many of them could be decoded.
    pub(super) fn pass(&mut self, length: usize) -> usize {
        let mut failed = 0;
        while self.failed.next_if(|item| item.index < length).is_some() {
            failed += 1;
        }
        let decoded = length.saturating_sub(failed);
        self.items.by_ref().take(decoded).for_each(drop);
        self.undelivered.discard_before(length);
        decoded
    }

    /// Records that the item at `index` is returned to the caller, or `collected` for it. The items before it
    /// will not be returned any more.
    pub(super) fn deliver(&mut self, index: usize, collected: Option<&mut Undelivered>) {
        self.undelivered.deliver(index, collected);
    }

    /// Records that the item at `index` is not returned to the caller.
    pub(super) fn discard(&mut self, index: usize) {
        self.undelivered.discard_before(index + 1);
    }

    /// Records that the remaining items are not returned to the caller.
    pub(super) fn discard_rest(&mut self) {
        self.discarded |= !self.undelivered.is_empty();
        self.undelivered = Undelivered::default();
    }

    /// Sets the marks that result from the comparison with the pages before.
    pub(super) fn mark(&mut self, marks: Vec<Mark>, same: Mark) {
        (self.marks, self.same) = (marks.into_iter(), same);
    }

    /// Returns how many of the remaining items are new.
    pub(super) fn new_left(&self) -> usize {
        match self.marks.as_slice() {
            [] if self.same == Mark::New => self.items.len(),
            marks => marks.iter().filter(|mark| **mark == Mark::New).count(),
        }
    }

    /// Returns the number of remaining decoded items, without the repeated ones if `deduplicate` is set.
    pub(super) fn wanted(&self, deduplicate: bool) -> usize {
        let repeated = || self.marks.as_slice().iter().filter(|mark| **mark == Mark::Repeated).count();
        self.items.len().saturating_sub(if deduplicate { repeated() } else { 0 })
    }

    /// Returns the number of items that will certainly be returned.
    pub(super) fn certain(&self) -> usize {
        if self.failed.len() == 0 && !self.discarded { self.items.len() } else { 0 }
    }

    /// Returns the item at `index`; `None` after the last one.
    pub(super) fn next(&mut self, index: usize) -> Option<NextItem<T>> {
        if self.discarded {
            return None;
        }
        match self.failed.next_if(|item| item.index == index) {
            Some(failed) => Some(NextItem::Failed(failed)),
            None => Some(NextItem::Item(self.items.next()?, self.marks.next().unwrap_or(self.same))),
        }
    }

    /// Returns what is reported about an item of page `page` that can't be decoded.
    pub(super) fn failure(&self, decoder: Decoder<T>, page: u64, failed: Failed) -> ItemFailure {
        self.problem(decoder, page, failed).0
    }

    /// Returns the error for an item of page `page` that can't be decoded.
    pub(super) fn error(&self, decoder: Decoder<T>, page: u64, failed: Failed) -> Error {
        let index = failed.index;
        let place = self.place_of(&failed);
        let (failure, is_truncated) = self.problem(decoder, page, failed);
        let named = failure.id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default();
        let path = match failure.json_path.as_str() {
            "" => place,
            path if place.is_empty() => path.to_owned(),
            // The item itself is a list.
            path if path.starts_with('[') => format!("{place}{path}"),
            path => format!("{place}.{path}"),
        };
        let problem = Problem { path, message: failure.message.clone(), is_truncated };
        let error = match &self.source {
            Some(source) => (source.error)(&problem),
            None => Error::new(ErrorKind::Decode, problem.message),
        };
        error.during(format!("item {index} of page {page}{named}")).with_detail(failure)
    }

    /// Returns the path of an item in its page, which may be the array of the items or the only item.
    fn place_of(&self, failed: &Failed) -> String {
        let body = self.source.as_ref().map_or(&[][..], |source| &source.body);
        let before = without_mark(body.get(..failed.at).unwrap_or_default()).trim_ascii_start();
        match before.first() {
            None if !body.is_empty() => String::new(),
            Some(b'[') => format!("[{}]", failed.index),
            _ => format!("results[{}]", failed.index),
        }
    }

    fn problem(&self, decoder: Decoder<T>, page: u64, failed: Failed) -> (ItemFailure, bool) {
        let body = self.source.as_ref().map_or(&[][..], |source| &source.body);
        let index = failed.index;
        let (text, problem) = decoder.problem(body, failed);
        let shown = |text: &str, limit| match &self.source {
            Some(source) => (source.excerpt)(text, limit),
            None => excerpt(text, limit),
        };
        let id = field(text, "id").map(String::from_utf8_lossy).filter(|id| id != "null");
        let failure = ItemFailure {
            page,
            index,
            id: id.map(|id| shown(id.trim_matches('"'), MAX_ID)),
            json_path: shown(&problem.path, MAX_PATH),
            message: shown(&problem.message, MAX_MESSAGE),
            text: String::from_utf8_lossy(text).into_owned(),
        };
        (failure, problem.is_truncated)
    }
}

/// How much of an id, of a path within an item, and of a message is shown, in bytes.
const MAX_ID: usize = 100;
const MAX_PATH: usize = 300;
const MAX_MESSAGE: usize = 500;
