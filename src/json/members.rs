//! Walks the members of an object and the items of a list in JSON text. What is in them is skipped, without recursion: neither
//! its depth nor what is odd in it matters.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::decode::text_of;

/// The value of `key` in the object that `text` is; of several the last one, as serde_json takes it.
pub(crate) fn member<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut found = None;
    for_members(text, |name, value| {
        if is_named(name, key) {
            found = Some(value);
        }
    });
    found
}

/// The item at `index` of the list that `text` is.
pub(crate) fn item(text: &str, index: usize) -> Option<&str> {
    let mut found = None;
    let mut at = 0;
    for_items(text, |item| {
        if at == index {
            found = Some(item);
        }
        at += 1;
        found.is_none()
    });
    found
}

/// Gives the literal of each key, and its value's text. Nothing where `text` is no object.
pub(crate) fn for_members<'t>(text: &'t str, each: impl FnMut(&'t str, &'t str)) {
    if text.starts_with('{') {
        // The text is JSON already: there is nothing that can fail.
        let _ = Deserializer::from_str(text).deserialize_map(Members(each));
    }
}

/// Gives the text of each item, until `each` says that it wants no more. Nothing where `text` is no list.
pub(crate) fn for_items<'t>(text: &'t str, each: impl FnMut(&'t str) -> bool) {
    if text.starts_with('[') {
        // To stop early is an error of the deserializer's, of no meaning here.
        let _ = Deserializer::from_str(text).deserialize_seq(Items(each));
    }
}

/// The name that a key's literal stands for.
pub(crate) fn name(literal: &str) -> Cow<'_, str> {
    plain(literal).map(Cow::Borrowed).or_else(|| text_of(literal)).unwrap_or_default()
}

fn is_named(literal: &str, key: &str) -> bool {
    match plain(literal) {
        Some(name) => name == key,
        None => text_of(literal).is_some_and(|name| name == key),
    }
}

/// What is between the quotes, where nothing is escaped.
fn plain(literal: &str) -> Option<&str> {
    literal.get(1..literal.len().saturating_sub(1)).filter(|name| !name.contains('\\'))
}

struct Members<F>(F);

impl<'de, F: FnMut(&'de str, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            (self.0)(key.get(), value.get());
        }
        Ok(())
    }
}

struct Items<F>(F);

impl<'de, F: FnMut(&'de str) -> bool> Visitor<'de> for Items<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<&RawValue>()? {
            if !(self.0)(item.get()) {
                break;
            }
        }
        Ok(())
    }
}
