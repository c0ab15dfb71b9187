//! Where in an item's JSON text the URLs of a file field stand.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::file_url::names_a_url;

/// What a path leads to in an item.
#[derive(Default)]
pub(super) struct Search {
    pub(super) urls: Vec<Found>,
    /// There is such a field, if only null.
    pub(super) present: bool,
    /// There is one that holds no file.
    pub(super) misfit: bool,
}

/// A URL, and what stands beside it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) url: String,
    /// Its literal.
    pub(super) literal: Range<usize>,
    /// The key `url` before it, where it is in a file's object.
    pub(super) key: Option<Range<usize>>,
    /// An entry `path` of the same object, with a comma.
    pub(super) path: Option<Range<usize>>,
    pub(super) size: Option<u64>,
    pub(super) checksum: Option<String>,
}

/// A dotted path: lists on the way are walked through, or one of their elements is taken by its number.
pub(super) fn search(text: &str, path: &str) -> Search {
    let mut search = Search::default();
    let names: Vec<&str> = path.split('.').collect();
    descend(text, text.trim(), &names, None, &mut search);
    search
}

fn descend(whole: &str, value: &str, names: &[&str], key: Option<&str>, search: &mut Search) {
    let Some((name, rest)) = names.split_first() else {
        search.present = true;
        return leaf(whole, value, key, search);
    };
    match value.as_bytes().first() {
        Some(b'[') => match name.parse::<usize>() {
            Ok(number) => {
                if let Some(item) = items(value).get(number) {
                    descend(whole, item.get(), rest, None, search);
                }
            }
            Err(_) => {
                let items = items(value);
                // Whether they would have such a field, nobody knows.
                search.present |= items.is_empty();
                items.into_iter().for_each(|item| descend(whole, item.get(), names, None, search));
            }
        },
        Some(b'{') => {
            for (key, inner) in entries(value, Some(name)) {
                descend(whole, inner.get(), rest, Some(key.get()), search);
            }
        }
        Some(b'n') => search.present = true,
        _ => {}
    }
}

/// A file field's value: a URL; a name -> URL or name -> object with `url`; an object with `url`; or a list of those.
fn leaf(whole: &str, value: &str, key: Option<&str>, search: &mut Search) {
    let before = search.urls.len();
    match value.as_bytes().first() {
        Some(b'"') => {
            let key = key.filter(|key| is_named(key, "url")).map(|key| range(whole, key));
            search.urls.extend(literal(whole, value).map(|found| Found { key, ..found }));
        }
        Some(b'[') => list(whole, value, search),
        Some(b'{') => object(whole, value, true, search),
        Some(b'n') => return,
        _ => {}
    }
    let empty = matches!(value.get(1..).map(str::trim_start), Some("]" | "}"));
    search.misfit |= search.urls.len() == before && !empty && !holds_null(value);
}

/// A file without a URL is one all the same.
fn holds_null(value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'{') => entries(value, None).iter().any(|(_, value)| value.get() == "null" || value.get().starts_with('{')),
        Some(b'[') => items(value).iter().any(|item| item.get() == "null" || item.get().starts_with('{')),
        _ => false,
    }
}

fn list(whole: &str, value: &str, search: &mut Search) {
    for item in items(value) {
        match item.get().as_bytes().first() {
            Some(b'"') => search.urls.extend(literal(whole, item.get())),
            Some(b'[') => list(whole, item.get(), search),
            Some(b'{') => object(whole, item.get(), holds_only_urls(item.get()), search),
            _ => {}
        }
    }
}

/// Whether an object is name -> URL by all that it holds: of a list's objects nothing else tells.
fn holds_only_urls(object: &str) -> bool {
    let text = |literal: &RawValue| serde_json::from_str::<String>(literal.get()).ok();
    let is_url =
        |key: &RawValue, value: &RawValue| text(key).zip(text(value)).is_some_and(|(key, text)| names_a_url(&key, &text));
    entries(object, None).into_iter().all(|(key, value)| value.get() == "null" || is_url(key, value))
}

/// An object with a `url` is a file. One without holds files by name: objects with a `url`, lists of them, or (where it
/// isn't an item of a list, whose objects may be files with texts of other meaning) bare URLs.
fn object(whole: &str, value: &str, bare: bool, search: &mut Search) {
    let entries = entries(value, None);
    if entries.iter().any(|(key, value)| is_named(key.get(), "url") && !value.get().starts_with('{')) {
        return search.urls.extend(file(whole, &entries));
    }
    for (_, value) in &entries {
        match value.get().as_bytes().first() {
            Some(b'"') if bare => search.urls.extend(literal(whole, value.get())),
            Some(b'[') if bare => list(whole, value.get(), search),
            Some(b'{') => search.urls.extend(file(whole, &self::entries(value.get(), None))),
            _ => {}
        }
    }
}

/// The URL of a file's object.
fn file(whole: &str, entries: &[(&RawValue, &RawValue)]) -> Option<Found> {
    let value = |name: &str| entries.iter().find(|(key, _)| is_named(key.get(), name)).map(|(_, value)| value.get());
    let (key, url) = entries.iter().find(|(key, _)| is_named(key.get(), "url"))?;
    let found = literal(whole, url.get())?;
    let path = entries.iter().position(|(key, _)| is_named(key.get(), "path")).map(|at| {
        let of = |at: usize| (range(whole, entries[at].0.get()).start, range(whole, entries[at].1.get()).end);
        let (start, end) = of(at);
        // With the comma behind it, or, of the last, the one before it.
        match (entries.get(at + 1), at.checked_sub(1)) {
            (Some(_), _) => start..of(at + 1).0,
            (None, Some(before)) => of(before).1..end,
            (None, None) => start..end,
        }
    });
    Some(Found {
        key: Some(range(whole, key.get())),
        path,
        size: value("size").and_then(|size| size.parse().ok()),
        checksum: value("checksum").and_then(|checksum| serde_json::from_str(checksum).ok()),
        ..found
    })
}

fn literal(whole: &str, value: &str) -> Option<Found> {
    let url = serde_json::from_str(value).ok()?;
    Some(Found { url, literal: range(whole, value), ..Found::default() })
}

/// Where `part`, which was borrowed from `whole`, stands in it.
pub(super) fn range(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// Whether a key's literal is this name.
fn is_named(literal: &str, name: &str) -> bool {
    match literal.contains('\\') {
        false => literal.get(1..literal.len() - 1) == Some(name),
        true => serde_json::from_str::<Cow<'_, str>>(literal).is_ok_and(|key| key == name),
    }
}

pub(super) fn items(list: &str) -> Vec<&RawValue> {
    serde_json::from_str(list).unwrap_or_default()
}

/// The values of a key; usually one.
pub(super) fn lookup<'t>(object: &'t str, name: &str) -> Vec<&'t RawValue> {
    entries(object, Some(name)).into_iter().map(|(_, value)| value).collect()
}

/// The entries of an object as text, or those of one key.
fn entries<'t>(object: &'t str, name: Option<&str>) -> Vec<(&'t RawValue, &'t RawValue)> {
    Entries(name).deserialize(&mut serde_json::Deserializer::from_str(object)).unwrap_or_default()
}

struct Entries<'n>(Option<&'n str>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<&RawValue>()? {
            match self.0.is_none_or(|name| is_named(key.get(), name)) {
                true => entries.push((key, map.next_value()?)),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(entries)
    }
}
