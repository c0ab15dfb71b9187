//! URL conversion: a hook that maps the URLs in a file field to others, before an answer is decoded.
//!
//! The string literal of each URL is replaced in the answer's JSON text; every other byte stays as the server sent it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::error::{Cause, Error, ErrorKind};
use crate::redact::redact_url;

/// What a [`UrlConverter`] gives back.
pub type ConversionFuture<'u> = Pin<Box<dyn Future<Output = Result<String, Box<dyn StdError + Send + Sync>>> + Send + 'u>>;

/// Maps a URL to another; may be asynchronous and may fail, unlike the plain function that
/// [`url_conversion`](crate::Call::url_conversion) takes.
///
/// It is called with the server's string, once for each URL, and may be called for several at a time.
pub trait UrlConverter: Send + Sync + 'static {
    /// What to put in the place of `url`.
    ///
    /// # Errors
    /// Any failure ends the call with an error of [`ErrorKind::UrlConversion`](crate::ErrorKind::UrlConversion) that
    /// names the item, the field and the URL without its query.
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u>;
}

/// The conversions of a call, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct Conversions {
    fields: Vec<(FieldPath, Converter)>,
}

/// A dotted path to a file field; lists on the way are walked through.
#[derive(Clone, Debug)]
struct FieldPath {
    text: String,
}

#[derive(Clone)]
enum Converter {
    Plain(Arc<dyn Fn(&str) -> String + Send + Sync>),
    With(Arc<dyn UrlConverter>),
}

/// Why a conversion failed, still to be told apart from the request that it belongs to.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    cause: Option<Cause>,
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::UrlConversion, self.message);
        match self.cause {
            Some(cause) => error.source_of(cause),
            None => error,
        }
    }
}

impl Conversions {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A later conversion of the same field takes the earlier one's place.
    fn set(&mut self, path: &str, converter: Converter) {
        match self.fields.iter_mut().find(|(field, _)| field.text == path) {
            Some((_, slot)) => *slot = converter,
            None => self.fields.push((FieldPath { text: path.to_owned() }, converter)),
        }
    }

    pub(crate) fn plain(&mut self, path: &str, convert: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.set(path, Converter::Plain(Arc::new(convert)));
    }

    pub(crate) fn with(&mut self, path: &str, converter: impl UrlConverter) {
        self.set(path, Converter::With(Arc::new(converter)));
    }

    /// What is wrong with the paths, if anything.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.fields.iter().filter(|(path, _)| path.text.split('.').any(str::is_empty)).map(|(path, _)| {
            format!(
                "url_conversion: `{}` is no field path: give names with dots between them, such as `data_unit.files`",
                path.text
            )
        })
    }

    /// Converts an answer's text: an object of its own, or a page of items in `results`.
    pub(crate) async fn apply<'t>(&self, text: &'t str, list: bool) -> Result<Cow<'t, str>, Failure> {
        if !list {
            return Ok(self.item(text).await?.map_or(Cow::Borrowed(text), Cow::Owned));
        }
        let mut replacements = Vec::new();
        for results in lookup(text, "results") {
            for item in items(results) {
                if let Some(converted) = self.item(item.get()).await? {
                    replacements.push((range(text, item.get()), converted));
                }
            }
        }
        Ok(splice(text, replacements))
    }

    /// Converts one item; nothing where no URL was found in it.
    async fn item(&self, text: &str) -> Result<Option<String>, Failure> {
        let mut converted: Option<String> = None;
        for (path, converter) in &self.fields {
            let current = converted.as_deref().unwrap_or(text);
            let mut replacements = Vec::new();
            for (place, url) in urls(current, path) {
                let new = match converter {
                    Converter::Plain(convert) => convert(&url),
                    Converter::With(converter) => {
                        converter.convert(&url).await.map_err(|error| self.failure(text, path, &url, &*error))?
                    }
                };
                let literal = serde_json::to_string(&new).unwrap_or_default();
                replacements.push((place, literal));
            }
            if !replacements.is_empty() {
                converted = Some(splice(current, replacements).into_owned());
            }
        }
        Ok(converted)
    }

    fn failure(&self, item: &str, path: &FieldPath, url: &str, error: &(dyn StdError + Send + Sync + 'static)) -> Failure {
        let cause = Cause::of(error);
        let id = lookup(item, "id").first().map(|id| format!(" of item {}", id.get())).unwrap_or_default();
        // A `data:` URI is a file's content.
        let short: String = url.chars().take(200).collect();
        Failure { message: format!("url_conversion of `{}`{id}: {}: {cause}", path.text, redact_url(&short)), cause: Some(cause) }
    }
}

impl fmt::Debug for Conversions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(path, _)| &path.text)).finish()
    }
}

/// `text` with each range replaced; the ranges come in order.
fn splice(text: &str, replacements: Vec<(Range<usize>, String)>) -> Cow<'_, str> {
    if replacements.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut spliced = String::with_capacity(text.len() + replacements.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut copied = 0;
    for (place, new) in replacements {
        spliced.push_str(&text[copied..place.start]);
        spliced.push_str(&new);
        copied = place.end;
    }
    spliced.push_str(&text[copied..]);
    Cow::Owned(spliced)
}

/// Where `part`, which was borrowed from `whole`, stands in it.
fn range(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// Every URL that the path leads to, with the place of its literal, in the order of the text.
fn urls(text: &str, path: &FieldPath) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let names: Vec<&str> = path.text.split('.').collect();
    descend(text, text.trim(), &names, &mut found);
    found
}

fn descend(whole: &str, value: &str, names: &[&str], found: &mut Vec<(Range<usize>, String)>) {
    let Some((name, rest)) = names.split_first() else { return leaf(whole, value, found) };
    if value.starts_with('[') {
        for item in items_of(value) {
            descend(whole, item.get(), names, found);
        }
    } else {
        for inner in lookup(value, name) {
            descend(whole, inner.get(), rest, found);
        }
    }
}

/// A file field's value: a URL; a name -> URL or name -> object with `url`; an object with `url`; or a list of those.
fn leaf(whole: &str, value: &str, found: &mut Vec<(Range<usize>, String)>) {
    match value.as_bytes().first() {
        Some(b'"') => literal(whole, value, found),
        Some(b'[') => {
            for item in items_of(value) {
                match item.get().as_bytes().first() {
                    Some(b'{') => object(whole, item.get(), false, found),
                    _ => leaf(whole, item.get(), found),
                }
            }
        }
        Some(b'{') => object(whole, value, true, found),
        _ => {}
    }
}

/// An object with a `url` is a file. One without holds files by name: objects with a `url`, or (where it isn't an item of
/// a list, whose objects are files with texts of other meaning) bare URLs.
fn object(whole: &str, value: &str, bare: bool, found: &mut Vec<(Range<usize>, String)>) {
    let entries: Entries<'_> = serde_json::from_str(value).unwrap_or_default();
    let file = entries.0.iter().any(|(name, value)| name == "url" && !value.get().starts_with('{'));
    for (name, value) in entries.0 {
        let value = value.get();
        if value.starts_with('"') && if file { name == "url" } else { bare } {
            literal(whole, value, found);
        } else if value.starts_with('{') && !file {
            for url in lookup(value, "url").into_iter().filter(|url| url.get().starts_with('"')) {
                literal(whole, url.get(), found);
            }
        }
    }
}

fn literal(whole: &str, value: &str, found: &mut Vec<(Range<usize>, String)>) {
    if let Ok(url) = serde_json::from_str(value) {
        found.push((range(whole, value), url));
    }
}

/// The values of a key; usually one.
fn lookup<'t>(object: &'t str, name: &str) -> Vec<&'t RawValue> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    Lookup(name).deserialize(&mut deserializer).unwrap_or_default()
}

fn items(list: &RawValue) -> Vec<&RawValue> {
    items_of(list.get())
}

fn items_of(list: &str) -> Vec<&RawValue> {
    serde_json::from_str(list).unwrap_or_default()
}

/// The pairs of an object, their values as text.
#[derive(Default)]
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Entries::default();
                while let Some(entry) = map.next_entry()? {
                    entries.0.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Reads an object and keeps the values of one key.
struct Lookup<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Lookup<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Lookup<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(matches) = map.next_key_seed(KeyIs(self.0))? {
            if matches {
                found.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is the one that is looked for.
struct KeyIs<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{MARKER, assert_error_hidden};

    fn cdn() -> Conversions {
        let mut conversions = Conversions::default();
        for field in ["file", "files", "data_unit.files"] {
            conversions.plain(field, |url| format!("https://cdn{url}"));
        }
        conversions
    }

    async fn converted(text: &str, list: bool) -> String {
        cdn().apply(text, list).await.unwrap().into_owned()
    }

    #[tokio::test]
    async fn every_shape_is_converted_and_every_other_byte_stays() {
        for (text, expected) in [
            (r#"{"file": "/a"}"#, r#"{"file": "https://cdn/a"}"#),
            (
                r#" { "x" : 1.10 , "file" : "\/a\u002fb" , "url": "/no" } "#,
                r#" { "x" : 1.10 , "file" : "https://cdn/a/b" , "url": "/no" } "#,
            ),
            (r#"{"files": {"one": "/1", "two": null, "n": 3}}"#, r#"{"files": {"one": "https://cdn/1", "two": null, "n": 3}}"#),
            (
                r#"{"files": {"one": {"url": "/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
                r#"{"files": {"one": {"url": "https://cdn/1", "size": 1e2, "name": "x"}, "two": {"size": 0}}}"#,
            ),
            (
                r#"{"files": [{"url": "/1", "name": "n"}, "/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
                r#"{"files": [{"url": "https://cdn/1", "name": "n"}, "https://cdn/2", null, {"url": null, "name": "/no"}, {"name": "/no"}]}"#,
            ),
            (r#"{"files": {"url": "/1", "name": "n"}}"#, r#"{"files": {"url": "https://cdn/1", "name": "n"}}"#),
            (
                r#"{"data_unit": [{"files": {"a": "/1"}}, {"files": "/2"}]}"#,
                r#"{"data_unit": [{"files": {"a": "https://cdn/1"}}, {"files": "https://cdn/2"}]}"#,
            ),
            (r#"{"file": null, "files": 7, "data_unit": 12}"#, r#"{"file": null, "files": 7, "data_unit": 12}"#),
            (r#"{"odd": "\ud83d", "n": 1e999, "file": "/a"}"#, r#"{"odd": "\ud83d", "n": 1e999, "file": "https://cdn/a"}"#),
            ("not json", "not json"),
            ("[]", "[]"),
        ] {
            assert_eq!(converted(text, false).await, expected);
        }
    }

    #[tokio::test]
    async fn a_page_is_converted_item_by_item() {
        let text = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "/a"}, {"id": 2}, {"id": 3, "file": "/b"} ]}"#;
        let expected = r#"{"count": 2, "file": "/page", "results": [ {"id": 1, "file": "https://cdn/a"}, {"id": 2}, {"id": 3, "file": "https://cdn/b"} ]}"#;
        assert_eq!(converted(text, true).await, expected);
        assert_eq!(converted(r#"{"results": null}"#, true).await, r#"{"results": null}"#);
    }

    #[tokio::test]
    async fn a_failing_converter_names_item_field_and_url_without_its_query() {
        struct Failing;
        impl UrlConverter for Failing {
            fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
                Box::pin(async { Err("disk full".into()) })
            }
        }
        let mut conversions = Conversions::default();
        conversions.with("file", Failing);
        let page = format!(r#"{{"results": [{{"id": 7, "file": "https://h/x?sig={MARKER}"}}]}}"#);
        let error = conversions.apply(&page, true).await.unwrap_err().into_error();
        assert_error_hidden(&error);
        assert_eq!(error.to_string(), "url_conversion of `file` of item 7: https://h/x?…: disk full");
    }

    #[test]
    fn a_path_with_an_empty_name_is_a_problem() {
        let mut conversions = Conversions::default();
        conversions.plain("a..b", str::to_owned);
        assert_eq!(conversions.problems().count(), 1);
    }
}
