//! [`ItemReader`]: finds the values of an item in one pass over its keys.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::problem::ItemProblem;
use super::values::key_identity;

/// Up to this number of keys, comparing each with each is faster than a set.
const FEW_KEYS: usize = 32;

/// The number of entries whose memory is kept for the next item.
const KEPT_CAPACITY: usize = 1024;

/// Finds the values of items. Its memory is used again for the next item.
pub(super) struct ItemReader {
    keys: Keys,
    /// The last value of each wanted field.
    wanted: Vec<Option<Entry>>,
    /// The entries without a column: those with unknown keys, and misfits. `None` if they aren't wanted.
    extra: Option<Vec<Entry>>,
}

/// A key and its value in an item's text.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    key: Span,
    value: Span,
}

/// A range of an item's text, whose length fits in 32 bits.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Entry {
    /// Returns the key's JSON text.
    pub(super) fn key(self, item: &str) -> &str {
        self.key.of(item)
    }

    /// Returns the value's JSON text.
    pub(super) fn value(self, item: &str) -> &str {
        self.value.of(item)
    }
}

impl Span {
    /// Returns the range of `part` in the text that begins at `base`.
    fn new<E: Error>(base: usize, part: &str) -> Result<Span, E> {
        let span = || {
            let start = part.as_ptr().addr().checked_sub(base)?;
            Some(Span { start: start.try_into().ok()?, end: (start + part.len()).try_into().ok()? })
        };
        span().ok_or_else(|| E::custom("the value is outside of the item"))
    }

    fn of(self, item: &str) -> &str {
        item.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl ItemReader {
    /// Makes a reader of items with these keys. Each has the index of its field among the `wanted` ones, or `None` if its
    /// values are ignored. `extra` says whether entries without a column are wanted.
    pub(super) fn new<'a>(
        keys: impl IntoIterator<Item = (&'a str, Option<usize>)>,
        wanted: usize,
        extra: bool,
    ) -> ItemReader {
        ItemReader { keys: Keys::new(keys), wanted: vec![None; wanted], extra: extra.then(Vec::new) }
    }

    /// Finds the values of an item. Its length fits in 32 bits.
    ///
    /// # Errors
    /// Returns an error if the item isn't a JSON object.
    pub(super) fn read(&mut self, item: &str) -> Result<(), ItemProblem> {
        self.wanted.fill(None);
        if let Some(extra) = &mut self.extra {
            extra.clear();
            extra.shrink_to(KEPT_CAPACITY);
        }
        self.keys.last = self.keys.names.len();
        let mut json = serde_json::Deserializer::from_str(item);
        json.deserialize_map(ItemVisitor { reader: self, base: item.as_ptr().addr() })
            .and_then(|()| json.end())
            .map_err(|error| match error.classify() {
                Category::Data => ItemProblem::NotAnObject,
                category => ItemProblem::NotJson {
                    line: error.line(),
                    column: error.column(),
                    incomplete: category == Category::Eof,
                },
            })
    }

    /// Returns the last value of each wanted field.
    pub(super) fn wanted(&self) -> &[Option<Entry>] {
        &self.wanted
    }

    /// Adds the misfits among the wanted values to the entries without a column, and returns these in the item's order. Of
    /// a key that comes twice, the last one is kept.
    pub(super) fn extra(&mut self, item: &str, misfits: &[usize]) -> &[Entry] {
        let Some(extra) = &mut self.extra else { return &[] };
        let unknown = extra.len();
        extra.extend(misfits.iter().filter_map(|&index| self.wanted.get(index).copied().flatten()));
        if unknown < extra.len() {
            extra.sort_by_key(|entry| entry.key.start);
        }
        if unknown > 1 {
            keep_last(item, extra);
        }
        extra
    }
}

/// Removes the entries whose key comes again.
fn keep_last(item: &str, entries: &mut Vec<Entry>) {
    let escaped = |entry: &Entry| entry.key(item).as_bytes().contains(&b'\\');
    if entries.len() <= FEW_KEYS && !entries.iter().any(escaped) {
        let comes_again = |index: usize, entry: &Entry| {
            entries.iter().skip(index + 1).any(|later| later.key(item) == entry.key(item))
        };
        if entries.iter().enumerate().any(|(index, entry)| comes_again(index, entry)) {
            *entries = entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| (!comes_again(index, entry)).then_some(*entry))
                .collect();
        }
        return;
    }
    let mut seen = HashSet::with_capacity(entries.len());
    entries.reverse();
    entries.retain(|entry| seen.insert(key_identity(entry.key(item))));
    entries.reverse();
}

struct ItemVisitor<'r> {
    reader: &'r mut ItemReader,
    /// The address of the item's text.
    base: usize,
}

impl<'de> Visitor<'de> for ItemVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let ItemVisitor { reader, base } = self;
        // Keys are raw, since a key with half a surrogate pair is an error for others.
        while let Some(key) = map.next_key::<&RawValue>()? {
            let key = key.get();
            let destination = match reader.keys.find(key) {
                Some(wanted) => {
                    wanted.and_then(|index| reader.wanted.get_mut(index)).map(Destination::Wanted)
                }
                None => reader.extra.as_mut().map(Destination::Extra),
            };
            let Some(destination) = destination else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&RawValue>()?.get();
            let entry = Entry { key: Span::new(base, key)?, value: Span::new(base, value)? };
            match destination {
                Destination::Wanted(place) => *place = Some(entry),
                Destination::Extra(entries) => entries.push(entry),
            }
        }
        Ok(())
    }
}

/// Where an entry is stored.
enum Destination<'r> {
    Wanted(&'r mut Option<Entry>),
    Extra(&'r mut Vec<Entry>),
}

/// The known keys. Items usually have their keys in the same order, so that the key after a known one is guessed.
struct Keys {
    names: Vec<Name>,
    /// The index in `names` of a key's identity.
    by_identity: HashMap<Vec<u8>, usize>,
    /// The index of the name that came after each of `names`; after those, of the first name.
    after: Vec<usize>,
    /// The index of the last name that was found; the number of names at an item's start.
    last: usize,
}

struct Name {
    /// The key's usual JSON text.
    json: String,
    wanted: Option<usize>,
}

impl Keys {
    fn new<'a>(keys: impl IntoIterator<Item = (&'a str, Option<usize>)>) -> Keys {
        let mut names = Vec::new();
        let mut by_identity = HashMap::new();
        for (key, wanted) in keys {
            by_identity.insert(key.as_bytes().to_vec(), names.len());
            names.push(Name { json: format!("\"{key}\""), wanted });
        }
        // The first guess is the order of the document.
        let count = names.len();
        let after = (1..=count).chain([0]).collect();
        Keys { names, by_identity, after, last: count }
    }

    /// Returns the index among the wanted fields of a key's JSON text, `Some(None)` if its values are ignored, or `None`
    /// if the key isn't known.
    fn find(&mut self, json: &str) -> Option<Option<usize>> {
        let guess = self.after.get(self.last).copied()?;
        if let Some(name) = self.names.get(guess).filter(|name| name.json == json) {
            self.last = guess;
            return Some(name.wanted);
        }
        let index = *self.by_identity.get(&*key_identity(json))?;
        if let Some(after) = self.after.get_mut(self.last) {
            *after = index;
        }
        self.last = index;
        self.names.get(index).map(|name| name.wanted)
    }
}
