//! The page whose items are given out, and the place on it.

use bytes::Bytes;
use reqwest::Url;

use super::checkpoint::Position;
use super::identity::Mark;
use super::page::{Decoder, Failed};
use super::page_text::field;
use crate::error::json_text::decode::Problem;
use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind};
use crate::list::anomaly::ItemFailure;
use crate::url_conversion::Undelivered;

/// The page whose items are given out.
pub(super) struct CurrentPage<T> {
    pub(super) items: PageItems<T>,
    /// Where it is; nothing before the first.
    pub(super) place: Option<PagePosition>,
    /// The place of the next item on it, counted from 0, and of the one behind the last.
    pub(super) index: usize,
    pub(super) length: usize,
    /// Items in the list before it.
    pub(super) offset: Option<u64>,
    /// Of the items in the list before the next one, those that were there twice.
    pub(super) repeated: u64,
    /// What comes behind it, and the items in the list before that.
    pub(super) after: Position,
    pub(super) after_offset: Option<u64>,
}

/// Which page it is. Its URL is needed where it has no number.
pub(super) struct PagePosition {
    pub(super) number: u64,
    pub(super) link: Option<Url>,
}

impl PagePosition {
    /// Before the item of this index on it.
    pub(super) fn at(&self, item: usize) -> Position {
        let number = self.number;
        match &self.link {
            Some(url) => Position::Link { url: url.as_str().into(), number, item },
            None => Position::Page { number, item },
        }
    }
}

/// The items that are left of a page.
pub(super) struct PageItems<T> {
    items: std::vec::IntoIter<T>,
    /// Of each of them; none at all if all have the same.
    marks: std::vec::IntoIter<Mark>,
    same: Mark,
    failed: std::iter::Peekable<std::vec::IntoIter<Failed>>,
    /// What errors are made of, if one of them failed.
    source: Option<Source>,
    /// What conversions put into them.
    undelivered: Undelivered,
    /// What conversions put into those that are left is nobody's any more: none of them is given.
    discarded: bool,
}

/// Gives the beginning of a text, of so many bytes at most, without the credentials that were sent.
pub(super) type Excerpt = dyn Fn(&str, usize) -> String + Send + Sync;

/// What the errors of a page's items are made of: its text, and its response.
pub(super) struct Source {
    pub(super) body: Bytes,
    pub(super) error: Box<dyn Fn(&Problem) -> Error + Send + Sync>,
    pub(super) excerpt: Box<Excerpt>,
}

/// The next of a page's items.
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

    /// Passes the first `length` items, and says how many of them could be decoded.
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

    /// The caller is given the item at `index`, or it is `collected` for the caller; and none before it any
    /// more.
    pub(super) fn deliver(&mut self, index: usize, collected: Option<&mut Undelivered>) {
        self.undelivered.deliver(index, collected);
    }

    /// The caller isn't given the item at `index`.
    pub(super) fn discard(&mut self, index: usize) {
        self.undelivered.discard_before(index + 1);
    }

    /// The caller isn't given those that are left.
    pub(super) fn discard_rest(&mut self) {
        self.discarded |= !self.undelivered.is_empty();
        self.undelivered = Undelivered::default();
    }

    /// What the items are beside those of the pages before.
    pub(super) fn mark(&mut self, marks: Vec<Mark>, same: Mark) {
        (self.marks, self.same) = (marks.into_iter(), same);
    }

    /// How many of those that are left weren't there before.
    pub(super) fn new_left(&self) -> usize {
        match self.marks.as_slice() {
            [] if self.same == Mark::New => self.items.len(),
            marks => marks.iter().filter(|mark| **mark == Mark::New).count(),
        }
    }

    /// Items that could be decoded, without those that were there before where `deduplicate` ones are wanted.
    pub(super) fn wanted(&self, deduplicate: bool) -> usize {
        let repeated = || self.marks.as_slice().iter().filter(|mark| **mark == Mark::Repeated).count();
        self.items.len().saturating_sub(if deduplicate { repeated() } else { 0 })
    }

    /// Items that are certain to come.
    pub(super) fn certain(&self) -> usize {
        if self.failed.len() == 0 && !self.discarded { self.items.len() } else { 0 }
    }

    /// The item at `index`; `None` behind the last.
    pub(super) fn next(&mut self, index: usize) -> Option<NextItem<T>> {
        if self.discarded {
            return None;
        }
        match self.failed.next_if(|item| item.index == index) {
            Some(failed) => Some(NextItem::Failed(failed)),
            None => Some(NextItem::Item(self.items.next()?, self.marks.next().unwrap_or(self.same))),
        }
    }

    /// What is to be reported of an item of page `page` that can't be decoded.
    pub(super) fn failure(&self, decoder: Decoder<T>, page: u64, failed: Failed) -> ItemFailure {
        self.problem(decoder, page, failed).0
    }

    /// The error that it is.
    pub(super) fn error(&self, decoder: Decoder<T>, page: u64, failed: Failed) -> Error {
        let index = failed.index;
        let (failure, cut_off) = self.problem(decoder, page, failed);
        let named = failure.id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default();
        let path = match failure.json_path.as_str() {
            "" => format!("results[{index}]"),
            // An item that is a list itself.
            path if path.starts_with('[') => format!("results[{index}]{path}"),
            path => format!("results[{index}].{path}"),
        };
        let problem = Problem { path, message: failure.message.clone(), cut_off };
        let error = match &self.source {
            Some(source) => (source.error)(&problem),
            None => Error::new(ErrorKind::Decode, problem.message),
        };
        error.during(format!("item {index} of page {page}{named}")).with_detail(failure)
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
        (failure, problem.cut_off)
    }
}

/// How much of an id, of a path within an item, and of a message is shown, in bytes.
const MAX_ID: usize = 100;
const MAX_PATH: usize = 300;
const MAX_MESSAGE: usize = 500;
