//! [`Undelivered`]: what conversions wrote into a response, until the caller receives the response.

use std::cmp::Reverse;
use std::sync::Arc;

use super::Conversions;
use super::written::Edits;

/// Converted texts whose converters must be notified if the caller never receives them. Dropping it notifies
/// them, so a call that is dropped or fails at any point needs no code for that. It keeps no texts of
/// converters that hold no resources.
#[derive(Default)]
pub(crate) struct Undelivered {
    conversions: Option<Arc<Conversions>>,
    /// Once all are added: sorted by item, the last item first.
    texts: Vec<Text>,
}

struct Text {
    /// The index on the page of the item that contains it.
    item: u32,
    /// The index of the conversion that returned it.
    field: u32,
    /// The position of the literal that contains it; only valid as long as conversions follow.
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

    /// Updates the positions. A text that was removed from the response is discarded: the caller won't
    /// receive it.
    pub(super) fn follow(&mut self, edits: &Edits) {
        for text in std::mem::take(&mut self.texts) {
            match edits.follow(text.at) {
                Some(at) => self.texts.push(Text { at, ..text }),
                None => self.discard(&text),
            }
        }
    }

    /// Sorts the texts, once all of them are added.
    pub(super) fn complete(&mut self) {
        self.texts.sort_by_key(|text| Reverse(text.item));
    }

    /// Takes the next text of the items before `end`.
    fn next_before(&mut self, end: usize) -> Option<Text> {
        self.texts.pop_if(|text| (text.item as usize) < end)
    }

    /// Records that the caller receives the item at `index`. With `collected`, its texts are moved there,
    /// since the caller receives the collection as a whole later.
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

    /// Discards the texts of the items before `index`: the caller won't receive them.
    #[inline]
    pub(crate) fn discard_before(&mut self, index: usize) {
        while let Some(text) = self.next_before(index) {
            self.discard(&text);
        }
    }

    /// Records that the caller receives all of it.
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
