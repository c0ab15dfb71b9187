//! Reads error bodies from their text, without building values that nobody needs. Reading takes a bounded
//! number of passes and keeps a bounded part of the body, whatever the body contains.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::json_text::decode::text_of;
use crate::error::json_text::json_path::JsonPath;
use crate::error::redact::cut;

/// The maximum amount of an error's messages that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) messages: usize,
    /// The size of all messages and of the paths of their fields, in bytes.
    pub(crate) bytes: usize,
}

/// The limit for callers who read the messages by field.
pub(crate) const FIELD_ERRORS: Most = Most { messages: 1_000, bytes: 256 << 10 };

/// The limit for messages in one line.
pub(crate) const LINE: Most = Most { messages: 64, bytes: 2 << 10 };

/// The maximum depth at which messages are searched.
const DEPTH: usize = 16;

/// The longest message that is not shortened, in bytes.
const MESSAGE: usize = 4 << 10;

/// A body's `detail`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Detail {
    /// The field exists and isn't null.
    pub(crate) present: bool,
    pub(crate) text: Option<String>,
}

/// Returns the last `detail` of the body, if the body is an object.
pub(crate) fn detail(body: &str) -> Detail {
    let mut detail = Detail::default();
    let whole = walk(body, |key, value| {
        if key.is_some_and(|key| {
            key == "\"detail\"" || (key.contains('\\') && text_of(key).as_deref() == Some("detail"))
        }) {
            detail = Detail { present: value != "null", text: text_of(value).map(Into::into) };
        }
        true
    });
    if whole { detail } else { Detail::default() }
}

/// Returns whether the body is an object with this field.
pub(crate) fn has_field(body: &str, name: &str) -> bool {
    let mut found = false;
    let whole = walk(body, |key, _| {
        found |= key.is_some_and(|key| text_of(key).as_deref() == Some(name));
        true
    });
    whole && found
}

/// Returns the messages by field; with `texts`, also those that aren't in a list.
pub(crate) fn field_errors(body: &str, texts: bool, most: Most) -> BTreeMap<String, Vec<String>> {
    let mut messages = Messages { found: BTreeMap::new(), left: most };
    let mut index = 0;
    let mut path = JsonPath::default();
    let mut whole = walk(body, |key, value| {
        let at = index;
        index += 1;
        messages.entry(&mut path, key, at, value, texts, 1)
    });
    // A single string is neither an object nor a list.
    if !whole
        && texts
        && let Some(message) = text_of(without_mark(body).trim())
    {
        whole = true;
        messages.add("", &message);
    }
    if whole { messages.found } else { BTreeMap::new() }
}

struct Messages {
    found: BTreeMap<String, Vec<String>>,
    left: Most,
}

impl Messages {
    /// Reads an entry of an object, or an item of a list. Returns false if the limit is reached.
    fn entry(
        &mut self,
        path: &mut JsonPath,
        key: Option<&str>,
        index: usize,
        value: &str,
        texts: bool,
        depth: usize,
    ) -> bool {
        let first = value.as_bytes().first().copied();
        let inner = matches!(first, Some(b'[' | b'{'));
        if !inner && first != Some(b'"') {
            return true;
        }
        let before = path.mark();
        match key {
            Some(key) => path.key(&text_of(key).unwrap_or_default()),
            // A string in a list is a message of the field that holds the list.
            None if inner => path.index(index),
            None => {}
        }
        let more = match inner {
            // Deeper values are ignored: their paths would be too long.
            true if depth >= DEPTH => true,
            true => {
                let (mut index, mut enough) = (0, false);
                walk(value, |key, value| {
                    let at = index;
                    index += 1;
                    let more = self.entry(path, key, at, value, texts, depth + 1);
                    enough = !more;
                    more
                });
                !enough
            }
            false if texts || key.is_none() => {
                text_of(value).is_none_or(|message| self.add(path.as_str(), &message))
            }
            false => true,
        };
        path.go_back(before);
        more
    }

    fn add(&mut self, path: &str, message: &str) -> bool {
        let Some(messages) = self.left.messages.checked_sub(1) else { return false };
        let Some(room) = self.left.bytes.checked_sub(path.len() + 1) else { return false };
        let most = room.min(MESSAGE);
        let message = match message.len() > most {
            true => format!("{}…", cut(message, most)),
            false => message.to_owned(),
        };
        self.left = Most { messages, bytes: room.saturating_sub(message.len()) };
        match self.found.get_mut(path) {
            Some(messages) => messages.push(message),
            None => drop(self.found.insert(path.to_owned(), vec![message])),
        }
        true
    }
}

/// Calls `each` with the entries of an object, or the items of a list, as text, until `each` returns false.
/// Returns whether the text is an object or a list as far as it was read; a truncated one counts.
fn walk(text: &str, mut each: impl FnMut(Option<&str>, &str) -> bool) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(without_mark(text));
    let mut enough = false;
    let walked = Walk { each: &mut each, enough: &mut enough }.deserialize(&mut deserializer);
    match walked.and_then(|()| deserializer.end()) {
        Ok(()) => true,
        Err(error) => enough || error.is_eof(),
    }
}

/// Returns the text without the byte-order mark that some servers send.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Visits the entries of an object or the items of a list, one by one.
struct Walk<'w, F> {
    each: &'w mut F,
    enough: &'w mut bool,
}

impl<F: FnMut(Option<&str>, &str) -> bool> Walk<'_, F> {
    fn give<E: serde::de::Error>(&mut self, key: Option<&RawValue>, value: &RawValue) -> Result<(), E> {
        match (self.each)(key.map(RawValue::get), value.get()) {
            true => Ok(()),
            false => {
                *self.enough = true;
                Err(E::custom("enough"))
            }
        }
    }
}

impl<'de, F: FnMut(Option<&str>, &str) -> bool> DeserializeSeed<'de> for Walk<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Option<&str>, &str) -> bool> Visitor<'de> for Walk<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&RawValue>()? {
            let value = map.next_value::<&RawValue>()?;
            self.give(Some(key), value)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&RawValue>()? {
            self.give(None, value)?;
        }
        Ok(())
    }
}

/// Returns the maximum memory, in bytes, that a `Value` of the body takes. The value isn't built if it takes
/// far more memory than its text.
pub(crate) fn value_cost(body: &[u8]) -> usize {
    // The costs are those of serde_json's `Value`: the space of an item or entry in a list or tree that may
    // be half empty, the first node of a tree, and the first four items of a list.
    let (mut cost, mut text, mut escaped) = (0_usize, false, false);
    for byte in body {
        cost += match (text, byte) {
            _ if escaped => {
                escaped = false;
                1
            }
            (true, b'\\') => {
                escaped = true;
                1
            }
            (_, b'"') => {
                text = !text;
                1
            }
            (false, b',' | b':') => 64,
            (false, b'[') => 128,
            (false, b'{') => 640,
            _ => 1,
        };
    }
    cost
}

/// Returns the title of an HTML page.
pub(crate) fn title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower.get(tag..)?.find('>')? + 1;
    let end = lower.get(start..)?.find("</title").map_or(text.len(), |length| start + length);
    text.get(start..end).map(str::trim).filter(|title| !title.is_empty())
}

/// Returns the code and the message of an object store's error, in the format of S3 and compatible stores:
/// `<Error><Code>…</Code><Message>…</Message>…</Error>`.
pub(crate) fn storage_error(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !(text.starts_with("<?xml") || text.starts_with("<Error")) || !text.contains("<Error") {
        return None;
    }
    let element = |tag: &str| {
        let rest = text.split_once(tag)?.1;
        // A tag inside it belongs to another element.
        Some(rest.split('<').next().unwrap_or_default().trim())
    };
    Some((element("<Code>").unwrap_or_default(), element("<Message>").unwrap_or_default()))
}
