//! Reads error bodies from their text, without building values that nobody needs. Reading takes a bounded
//! number of passes and keeps a bounded part of the body, whatever the body contains.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::error::json_text::decode::text_of;
use crate::error::json_text::json_path::JsonPath;
use crate::error::json_text::members::{items, members};
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
    let is_detail =
        |key: &str| key == "\"detail\"" || (key.contains('\\') && text_of(key).as_deref() == Some("detail"));
    let found = entries(body).into_iter().flatten().filter(|(key, _)| key.is_some_and(is_detail)).last();
    found
        .map(|(_, value)| Detail { present: value != "null", text: text_of(value).map(Into::into) })
        .unwrap_or_default()
}

/// Returns whether the body is an object with this field.
pub(crate) fn has_field(body: &str, name: &str) -> bool {
    let mut entries = entries(body).into_iter().flatten();
    entries.any(|(key, _)| key.is_some_and(|key| text_of(key).as_deref() == Some(name)))
}

/// Returns the messages by field; with `texts`, also those that aren't in a list.
pub(crate) fn field_errors(body: &str, texts: bool, most: Most) -> BTreeMap<String, Vec<String>> {
    let mut messages = Messages { found: BTreeMap::new(), left: most };
    match entries(body) {
        Some(entries) => _ = messages.entries(&mut JsonPath::default(), entries, texts, 1),
        // A single string is neither an object nor a list.
        None if texts => {
            text_of(without_mark(body).trim()).into_iter().for_each(|text| _ = messages.add("", &text));
        }
        None => {}
    }
    messages.found
}

struct Messages {
    found: BTreeMap<String, Vec<String>>,
    left: Most,
}

impl Messages {
    /// Reads the entries of an object, or the items of a list. Returns false if the limit is reached.
    fn entries<'b>(
        &mut self,
        path: &mut JsonPath,
        entries: impl Iterator<Item = Entry<'b>>,
        texts: bool,
        depth: usize,
    ) -> bool {
        entries.enumerate().all(|(index, entry)| self.entry(path, entry, index, texts, depth))
    }

    fn entry(
        &mut self,
        path: &mut JsonPath,
        (key, value): Entry<'_>,
        index: usize,
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
            true => self.entries(path, parts(value), texts, depth + 1),
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

/// The literal of an entry's key, which items of a list don't have, and the text of the value.
type Entry<'t> = (Option<&'t str>, &'t str);

/// Returns the entries of an object, or the items of a list; `None` if the text is neither. Of a truncated
/// text, those before its end.
fn entries(text: &str) -> Option<impl Iterator<Item = Entry<'_>>> {
    let text = without_mark(text).trim_start_matches([' ', '\t', '\n', '\r']);
    let is_truncated = match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) if !error.is_eof() => return None,
        read => read.is_err(),
    };
    let is_whole = move |value: &str| !is_truncated || serde_json::from_str::<IgnoredAny>(value).is_ok();
    text.starts_with(['[', '{']).then(|| parts(text).filter(move |(_, value)| is_whole(value)))
}

/// Returns the entries of an object, or the items of a list.
fn parts(text: &str) -> impl Iterator<Item = Entry<'_>> {
    items(text).map(|value| (None, value)).chain(members(text).map(|(key, value)| (Some(key), value)))
}

/// Returns the text without the byte-order mark that some servers send.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
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
