//! A page's text and what it holds: items decoded all at once, or one by one where one of them can't be.

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::raw_item::RawItem;
use crate::decode::{Problem, decode, without_mark};
use crate::url_conversion::Unconverted;

/// A page, decoded; `E` is what an item comes to that can't be.
pub(super) struct Page<T, E> {
    pub(super) items: Items<T, E>,
    pub(super) count: Option<u64>,
    pub(super) next: Option<String>,
    /// URLs whose conversion failed.
    pub(super) unconverted: Unconverted,
}

pub(super) enum Items<T, E> {
    /// Nothing is wrong with any of them.
    All(Vec<T>),
    /// Each by itself, with what its id comes down to where that was asked for.
    Each(Vec<(Option<u64>, Result<T, E>)>),
}

impl<T, E> Items<T, E> {
    pub(super) fn len(&self) -> usize {
        match self {
            Items::All(items) => items.len(),
            Items::Each(items) => items.len(),
        }
    }
}

/// An item that can't be decoded.
pub(super) struct Undecoded {
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) problem: Problem,
}

/// A page as it is decoded.
pub(super) type DecodedPage<T> = Page<T, Undecoded>;

/// Decodes a page; with its items' ids where they are wanted.
pub(super) type Decoder<T> = fn(&Bytes, bool) -> Result<DecodedPage<T>, Problem>;

/// A page of which only the length matters.
#[derive(Deserialize)]
#[serde(expecting = "a page, an object with `results`")]
pub(super) struct Length {
    pub(super) results: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "link")]
    pub(super) next: Option<String>,
    #[serde(default)]
    pub(super) count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(expecting = "a page, an object with `results`")]
struct PageBody<T> {
    results: Vec<T>,
    #[serde(default, deserialize_with = "link")]
    next: Option<String>,
    #[serde(default)]
    count: Option<u64>,
}

/// An empty text leads nowhere either.
fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|link| !link.is_empty()))
}

/// A page whose items stay text.
#[derive(Deserialize)]
#[serde(expecting = "a page, an object with `results`")]
struct RawPageBody<'b> {
    #[serde(borrow)]
    results: Vec<&'b RawValue>,
    #[serde(default, deserialize_with = "link")]
    next: Option<String>,
    #[serde(default)]
    count: Option<u64>,
}

/// Refuses a list in the place of a page, of which the first items would be taken for the page's fields.
fn refuse_list(body: &[u8]) -> Result<(), Problem> {
    if !without_mark(body).trim_ascii_start().starts_with(b"[") {
        return Ok(());
    }
    let message = "it is a list and no page of one: the call's `send_as::<Vec<…>>()` gives it".to_owned();
    Err(Problem { path: String::new(), message, cut_off: false })
}

/// Decodes only how long a page is.
pub(super) fn length(body: &Bytes) -> Result<Length, Problem> {
    refuse_list(body)?;
    decode(body)
}

/// Decodes a page into values.
pub(super) fn typed<T: DeserializeOwned>(body: &Bytes, ids: bool) -> Result<DecodedPage<T>, Problem> {
    refuse_list(body)?;
    if !ids {
        match decode::<PageBody<T>>(body) {
            Ok(PageBody { results, next, count }) => {
                return Ok(Page { items: Items::All(results), count, next, unconverted: Unconverted::default() });
            }
            Err(problem) if problem.cut_off => return Err(problem),
            // Which item it is, and whether the others are right, is worth a second look.
            Err(problem) => return one_by_one(body, false, |item| decode(item.get().as_bytes())).map_err(|_| problem),
        }
    }
    one_by_one(body, true, |item| decode(item.get().as_bytes()))
}

/// Gives a page's items as parts of its own text.
pub(super) fn raw(body: &Bytes, ids: bool) -> Result<DecodedPage<RawItem>, Problem> {
    refuse_list(body)?;
    let slice = |item: &RawValue| RawItem::new(body.slice_ref(item.get().as_bytes()));
    if ids {
        return one_by_one(body, true, |item| Ok(slice(item)));
    }
    let RawPageBody { results, next, count } = raw_page(body)?;
    let items = Items::All(results.into_iter().map(slice).collect());
    Ok(Page { items, count, next, unconverted: Unconverted::default() })
}

fn raw_page(body: &Bytes) -> Result<RawPageBody<'_>, Problem> {
    serde_json::from_slice(without_mark(body)).map_err(|_| match decode::<PageBody<Box<RawValue>>>(body) {
        Err(problem) => problem,
        // Mended, the text is no part of the body any more: of the whole it can be told all the same.
        Ok(_) => Problem { path: String::new(), message: "the page holds half a surrogate pair".to_owned(), cut_off: false },
    })
}

fn one_by_one<T>(
    body: &Bytes,
    ids: bool,
    decode_item: impl Fn(&RawValue) -> Result<T, Problem>,
) -> Result<DecodedPage<T>, Problem> {
    let RawPageBody { results, next, count } = raw_page(body)?;
    let each = |item: &RawValue| {
        let hash = if ids { id_of(item).map(hash_of) } else { None };
        let value = decode_item(item).map_err(|problem| Undecoded {
            id: id_of(item).map(|id| id.trim_matches('"').to_owned()),
            text: item.get().to_owned(),
            problem,
        });
        (hash, value)
    };
    let items = Items::Each(results.into_iter().map(each).collect());
    Ok(Page { items, count, next, unconverted: Unconverted::default() })
}

/// The text of an item's `id`.
fn id_of(item: &RawValue) -> Option<&str> {
    #[derive(Deserialize)]
    struct Id<'i> {
        #[serde(borrow, default)]
        id: Option<&'i RawValue>,
    }
    serde_json::from_str::<Id<'_>>(item.get()).ok()?.id.map(RawValue::get)
}

/// The same in every process: checkpoints keep it.
fn hash_of(id: &str) -> u64 {
    // FNV-1a.
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        id: i64,
        #[serde(default)]
        name: String,
    }

    fn page(items: &str) -> Bytes {
        format!(r#"{{"count": 7, "next": "n", "previous": null, "results": [{items}]}}"#).into()
    }

    fn each<T>(page: DecodedPage<T>) -> Vec<(Option<u64>, Result<T, Undecoded>)> {
        match page.items {
            Items::All(items) => items.into_iter().map(|item| (None, Ok(item))).collect(),
            Items::Each(items) => items,
        }
    }

    #[test]
    fn an_item_that_can_not_be_decoded_does_not_take_its_page_along() {
        let body = page(r#"{"id": 1}, {"id": "two", "name": "b"}, {"name": 3, "id": 3}, {"id": 4, "name": "\ud83d"}"#);
        let decoded = typed::<Item>(&body, false).unwrap_or_else(|problem| panic!("{problem:?}"));
        assert_eq!((decoded.count, decoded.next.as_deref()), (Some(7), Some("n")));
        let items = each(decoded);
        assert_eq!(items[0].1.as_ref().ok(), Some(&Item { id: 1, name: String::new() }));
        assert_eq!(items[3].1.as_ref().ok(), Some(&Item { id: 4, name: "\u{fffd}".to_owned() }));
        let failed: Vec<_> = items.iter().filter_map(|(_, item)| item.as_ref().err()).collect();
        assert_eq!(failed[0].id.as_deref(), Some("two"));
        assert_eq!((failed[0].problem.path.as_str(), failed[0].text.as_str()), ("id", r#"{"id": "two", "name": "b"}"#));
        assert_eq!((failed[1].id.as_deref(), failed[1].problem.path.as_str()), (Some("3"), "name"));
    }

    #[test]
    fn a_page_that_is_none_is_an_error_as_a_whole() {
        let bodies =
            [(r#"{"results": 7}"#, "results"), (r#"{"count": -1, "results": []}"#, "count"), ("<html>", ""), ("[[]]", "")];
        for (body, path) in bodies {
            let problem = |result: Result<(), Problem>| result.unwrap_err().path;
            assert_eq!(problem(typed::<Item>(&body.into(), false).map(drop)), path);
            assert_eq!(problem(typed::<Item>(&body.into(), true).map(drop)), path);
            assert_eq!(problem(raw(&body.into(), false).map(drop)), path);
            assert_eq!(problem(length(&body.into()).map(drop)), path);
        }
        let null = [typed::<Item>(&"null".into(), false).err(), raw(&"null".into(), false).err(), length(&"null".into()).err()];
        let told = |problem: &&Problem| problem.message.contains("null, expected a page, an object with `results`");
        assert_eq!(null.iter().flatten().filter(told).count(), null.len());
        assert!(typed::<Item>(&r#"{"results": [{"id": 1"#.into(), false).err().unwrap().cut_off);
    }

    #[test]
    fn raw_items_are_the_servers_text() {
        let texts = [r#"{ "id":1.50, "a":"\ud83d" }"#, r#"{"id": 12345678901234567890}"#, "7"];
        let body = page(&texts.join(" , "));
        let items = each(raw(&body, false).unwrap_or_else(|problem| panic!("{problem:?}")));
        assert_eq!(items.iter().map(|(_, item)| item.as_ref().ok().unwrap().as_str()).collect::<Vec<_>>(), texts);
        let with_mark = Bytes::from([b"\xef\xbb\xbf", &body[..]].concat());
        assert_eq!(each(raw(&with_mark, false).unwrap_or_else(|problem| panic!("{problem:?}"))).len(), 3);
    }

    #[test]
    fn ids_are_told_apart_whatever_stands_around_them() {
        let body = page(r#"{"id": 1}, {"name": "x", "id":1}, {"id": "1"}, {"id": 2}, {"name": "x"}"#);
        let hashes: Vec<_> =
            each(raw(&body, true).unwrap_or_else(|problem| panic!("{problem:?}"))).into_iter().map(|(id, _)| id).collect();
        assert_eq!(hashes[0], hashes[1]);
        assert!(hashes[0] != hashes[2] && hashes[0] != hashes[3] && hashes[4].is_none());
    }
}
