//! [`Undelivered`]: what conversions put into an answer, until the answer is given to the caller.

use std::cmp::Reverse;
use std::sync::Arc;

use super::Conversions;
use super::written::Edits;

/// Converted texts that their converters want to hear of if the caller is never given them. Dropped, it tells
/// them: a call that is dropped or fails, at whatever point, needs no code for that. It keeps nothing of
/// converters that don't ask.
#[derive(Default)]
pub(crate) struct Undelivered {
    conversions: Option<Arc<Conversions>>,
    /// Once all are there, those of the last item first.
    texts: Vec<Text>,
}

struct Text {
    /// The item that it is in, by its place on the page.
    item: u32,
    /// Which of the conversions gave it.
    field: u32,
    /// Where the literal begins that it was put into, as long as conversions follow.
    at: usize,
    text: Box<str>,
}

impl Undelivered {
    pub(super) fn of(conversions: Arc<Conversions>) -> Self {
        Undelivered { conversions: Some(conversions), texts: Vec::new() }
    }

    pub(super) fn add(&mut self, item: u32, field: u32, at: usize, text: &str) {
        self.texts.push(Text { item, field, at, text: text.into() });
    }

    /// Other places hold them now. What was taken out of the answer, nobody will be given.
    pub(super) fn follow(&mut self, edits: &Edits) {
        for text in std::mem::take(&mut self.texts) {
            match edits.follow(text.at) {
                Some(at) => self.texts.push(Text { at, ..text }),
                None => self.discard(&text),
            }
        }
    }

    /// All are there.
    pub(super) fn complete(&mut self) {
        self.texts.sort_by_key(|text| Reverse(text.item));
    }

    /// The next one of the items before `end`.
    fn next_before(&mut self, end: usize) -> Option<Text> {
        self.texts.pop_if(|text| (text.item as usize) < end)
    }

    /// The caller is given the item at `index`. With a `collected`, that is what the caller is still to be
    /// given as a whole.
    #[inline]
    pub(crate) fn deliver(&mut self, index: usize, collected: Option<&mut Undelivered>) {
        if self.texts.is_empty() {
            return;
        }
        self.discard_before(index);
        let texts = std::iter::from_fn(|| self.next_before(index + 1));
        match collected {
            Some(collected) => {
                collected.texts.extend(texts);
                collected.conversions.clone_from(&self.conversions);
            }
            None => texts.for_each(drop),
        }
    }

    /// The caller is given none of the items before `index` any more.
    #[inline]
    pub(crate) fn discard_before(&mut self, index: usize) {
        while let Some(text) = self.next_before(index) {
            self.discard(&text);
        }
    }

    /// The caller is given all of it.
    pub(crate) fn delivered(mut self) {
        self.texts.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn discard(&self, text: &Text) {
        if let Some(conversions) = &self.conversions {
            conversions.discarded(text.field as usize, &text.text);
        }
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        for text in std::mem::take(&mut self.texts) {
            self.discard(&text);
        }
    }
}

impl std::fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Undelivered({} texts)", self.texts.len())
    }
}
