//! A page's text and its items. Items are decoded one by one; an item that can't be decoded doesn't affect
//! the others.

use std::hash::Hasher as _;
use std::sync::Arc;

use bytes::Bytes;
use fnv::FnvHasher;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::page_text::{Cursor, Envelope, Irregular, digest, field, parse, walk};
use super::raw_item::RawItem;
use crate::error::json_text::decode::{Problem, decode, refuse_nested, without_mark};
use crate::error::json_text::leniency::Leniency;
use crate::error::redact::secrets::Secrets;
use crate::generated::pagination::Pagination;

/// The names of the identity fields, in order of preference.
pub(super) type Fields = Arc<[Arc<str>]>;

/// A decoded page.
pub(super) struct DecodedPage<T> {
    /// The items that could be decoded.
    pub(super) items: Vec<T>,
    /// The items that couldn't be decoded, in order.
    pub(super) failed: Vec<Failed>,
    pub(super) marks: Marks,
    pub(super) envelope: Envelope,
    /// The page's text, which the positions in `failed` refer to.
    pub(super) body: Bytes,
}

/// An item that can't be decoded.
pub(super) struct Failed {
    /// Its index on the page, counted from 0.
    pub(super) index: usize,
    /// The position in the page's text where it begins.
    pub(super) at: usize,
    /// For a large item: its length, and why it can't be decoded. This is found out where the page is
    /// decoded, not where the item's error is built.
    pub(super) large: Option<Box<(usize, Problem)>>,
}

/// An item of more bytes than this is large.
const LARGE_ITEM: usize = 16 << 10;
/// The usual number of items on a page.
const USUAL_ITEMS: usize = 128;
/// Maximum length of a problem's message and of its path that is kept, in bytes. Less of it is shown.
const MAX_PROBLEM: usize = 4 << 10;

/// The identities and the digest of a page's items.
#[derive(Debug, Default, Clone)]
pub(super) struct Marks {
    /// The field that tells the items apart.
    pub(super) identity: Option<Arc<str>>,
    /// Its value in each decoded item, as a number; 0 for an item without it. Empty if there is no such
    /// field.
    pub(super) ids: Vec<u64>,
    /// Digest of all items together: equal pages have equal digests.
    pub(super) digest: u64,
}

/// How a page's items are decoded.
pub(super) struct Decoder<T> {
    /// Decodes the items, which begin at the cursor.
    items: fn(&mut Cursor<'_>, &Bytes, &mut Items<'_, T>) -> Result<(), Irregular>,
    /// Returns why an item can't be decoded.
    problem: fn(&[u8]) -> Option<Problem>,
}

impl<T> Clone for Decoder<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Decoder<T> {}

impl<T: DeserializeOwned> Decoder<T> {
    /// Decodes items into values.
    pub(super) fn typed() -> Self {
        Decoder {
            items: |cursor, body, items| {
                let mut hopeless = Hopeless::default();
                // If one item has fields of another shape, the others have them, too.
                let mut leniency = Leniency::Strict;
                cursor.items(|at| {
                    let rest = body.get(at..)?;
                    if let Some(length) = hopeless.length(body, rest) {
                        items.failed(at, length, None);
                        return Some(length);
                    }
                    let decoded = leniency.decode(|| parse::<T>(rest)).or_else(|error| {
                        let again = error.is_data() && leniency != Leniency::Lenient;
                        let decoded =
                            again.then(|| Leniency::Lenient.decode(|| parse::<T>(rest)).ok()).flatten();
                        decoded.inspect(|_| leniency = Leniency::Lenient).ok_or(error)
                    });
                    if let Ok((item, length)) = decoded {
                        items.decoded(item, at, rest.get(..length)?);
                        return Some(length);
                    }
                    let (_, length) = parse::<IgnoredAny>(rest).ok()?;
                    let text = rest.get(..length)?;
                    // `decode` repairs half of a surrogate pair (`\u`), which lenient servers may send.
                    let looked = (length > LARGE_ITEM || memchr::memmem::find(text, br"\u").is_some())
                        .then(|| decode::<T>(text));
                    match looked {
                        Some(Ok(item)) => items.decoded(item, at, text),
                        looked => {
                            items.failed(
                                at,
                                length,
                                looked.and_then(Result::err).filter(|_| length > LARGE_ITEM),
                            );
                            hopeless.add(at, length);
                        }
                    }
                    Some(length)
                })
            },
            problem: |item| decode::<T>(item).err(),
        }
    }
}

impl Decoder<RawItem> {
    /// Returns items as slices of the page's own text.
    pub(super) fn raw() -> Self {
        Decoder {
            items: |cursor, body, items| {
                let at = |text: &[u8]| text.as_ptr().addr().saturating_sub(body.as_ptr().addr());
                if let Ok(texts) = cursor.value::<Vec<&RawValue>>() {
                    items.items.reserve(texts.len());
                    for text in texts.into_iter().map(|text| text.get().as_bytes()) {
                        let at = at(text);
                        let item = RawItem::new(body.clone(), at..at + text.len(), items.secrets.clone());
                        items.decoded(item, at, text);
                    }
                    return Ok(());
                }
                // An item that isn't UTF-8 doesn't make the others fail.
                cursor.items(|at| {
                    let (_, length) = parse::<IgnoredAny>(body.get(at..)?).ok()?;
                    let text = body.get(at..at + length)?;
                    let item = || RawItem::new(body.clone(), at..at + length, items.secrets.clone());
                    match std::str::from_utf8(text) {
                        Ok(_) => items.decoded(item(), at, text),
                        Err(_) => items.failed(at, length, None),
                    }
                    Some(length)
                })
            },
            problem: |item| {
                let message = std::str::from_utf8(item).err()?.to_string();
                Some(Problem { path: String::new(), message, is_truncated: false })
            },
        }
    }
}

/// What is collected while a page's items are decoded.
struct Items<'f, T> {
    fields: &'f [Arc<str>],
    /// The credentials that the page was requested with.
    secrets: &'f Secrets,
    /// Whether the field names are written in JSON without escapes.
    plain: bool,
    items: Vec<T>,
    failed: Vec<Failed>,
    /// The values of each field, one list per field.
    ids: Vec<Vec<u64>>,
    /// Where the first item begins and where the last one ends.
    text: Option<(usize, usize)>,
}

impl<T> Items<'_, T> {
    #[inline]
    fn decoded(&mut self, item: T, at: usize, text: &[u8]) {
        self.items.push(item);
        match (self.fields, &mut *self.ids) {
            ([name], [ids]) => ids.push(id_of(text, name, self.plain)),
            (fields, all) => {
                for (name, ids) in fields.iter().zip(all) {
                    ids.push(id_of(text, name, self.plain));
                }
            }
        }
        self.text.get_or_insert((at, at)).1 = at + text.len();
    }

    fn failed(&mut self, at: usize, length: usize, problem: Option<Problem>) {
        let kept = |text: &mut String| {
            text.truncate(
                (0..=MAX_PROBLEM.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0),
            );
            text.shrink_to_fit();
        };
        let large = problem.map(|mut problem| {
            kept(&mut problem.message);
            kept(&mut problem.path);
            Box::new((length, problem))
        });
        self.failed.push(Failed { index: self.items.len() + self.failed.len(), at, large });
        self.text.get_or_insert((at, at)).1 = at + length;
    }

    /// Returns the items' marks, by the first field that any item has.
    fn marks(&mut self, body: &[u8]) -> Marks {
        let found = self.fields.iter().zip(&mut self.ids).find(|(_, ids)| ids.iter().any(|id| *id != 0));
        let (identity, ids) = found.map(|(name, ids)| (name.clone(), std::mem::take(ids))).unzip();
        let mut marks = Marks { identity, ids: ids.unwrap_or_default(), digest: 0 };
        marks.digest = match marks.identity.is_some() && !marks.ids.contains(&0) {
            true => marks.ids.iter().fold(0, |digest, id| (digest ^ id).wrapping_mul(PRIME).rotate_left(29)),
            false => self.text.and_then(|(from, to)| body.get(from..to)).map_or(0, digest),
        };
        marks
    }
}

/// How a page is decoded: its items' type, where they are, and the fields that tell them apart.
pub(super) struct Decoding<T> {
    pub(super) decoder: Decoder<T>,
    pub(super) pagination: Pagination,
    pub(super) fields: Fields,
}

impl<T> Decoding<T> {
    /// Decodes a page that was requested with `secrets`. The first of the fields that any item has tells the
    /// items apart.
    ///
    /// # Errors
    /// Returns a problem if the text isn't a page. An item that can't be decoded is not a problem of its
    /// page.
    pub(super) fn page(&self, body: &Bytes, secrets: &Secrets) -> Result<DecodedPage<T>, Problem> {
        let Decoding { decoder, pagination, fields } = self;
        refuse_list(body, pagination)?;
        refuse_nested(body)?;
        let body = body.slice_ref(without_mark(body));
        let ids = fields.iter().map(|_| Vec::with_capacity(USUAL_ITEMS)).collect();
        let plain = !fields.iter().any(|name| name.contains(['"', '\\']));
        let mut items =
            Items { fields, secrets, plain, items: Vec::new(), failed: Vec::new(), ids, text: None };
        let walked = walk(&body, pagination, |cursor| (decoder.items)(cursor, &body, &mut items));
        let envelope = walked.map_err(|irregular| problem_of(&body, pagination, irregular))?;
        let marks = items.marks(&body);
        Ok(DecodedPage { items: items.items, failed: items.failed, marks, envelope, body })
    }
}

impl<T> Decoder<T> {
    /// Returns the text of an item that can't be decoded, and why.
    pub(super) fn problem<'b>(&self, body: &'b [u8], failed: Failed) -> (&'b [u8], Problem) {
        let rest = body.get(failed.at..).unwrap_or_default();
        if let Some((length, problem)) = failed.large.map(|large| *large) {
            return (rest.get(..length).unwrap_or_default(), problem);
        }
        let length = parse::<IgnoredAny>(rest).map_or(rest.len(), |(_, length)| length);
        let text = rest.get(..length).unwrap_or_default();
        let unknown = || Problem {
            path: String::new(),
            message: "it can't be decoded".to_owned(),
            is_truncated: false,
        };
        (text, (self.problem)(text).unwrap_or_else(unknown))
    }
}

/// Short texts on a page that can't be decoded, by position and length. Each text is tried once, however
/// often it occurs.
#[derive(Default)]
struct Hopeless(Vec<(usize, usize)>);

impl Hopeless {
    /// Maximum length of such a text in bytes, and maximum number of texts.
    const MAX_LENGTH: usize = 16;
    const MAX_TEXTS: usize = 16;

    fn add(&mut self, at: usize, length: usize) {
        if length <= Self::MAX_LENGTH && self.0.len() < Self::MAX_TEXTS {
            self.0.push((at, length));
        }
    }

    /// Returns the length of the item that begins `rest`, if it is one of these texts.
    #[inline]
    fn length(&self, body: &[u8], rest: &[u8]) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let is_here = |text: &[u8]| matches!(rest.strip_prefix(text), Some([b',' | b']' | b' ' | b'\n', ..]));
        self.0
            .iter()
            .find(|(from, length)| body.get(*from..from + length).is_some_and(is_here))
            .map(|(_, length)| *length)
    }
}

/// Returns the number of items on a page, and the page's other fields.
pub(super) fn length(body: &Bytes, pagination: &Pagination) -> Result<(usize, Envelope), Problem> {
    refuse_list(body, pagination)?;
    let body = without_mark(body);
    let mut length = 0;
    let walked = walk(body, pagination, |cursor| {
        cursor.items(|at| {
            length += 1;
            parse::<IgnoredAny>(body.get(at..)?).ok().map(|(_, length)| length)
        })
    });
    walked.map(|envelope| (length, envelope)).map_err(|irregular| problem_of(body, pagination, irregular))
}

/// Refuses a list in place of a page: its first elements would be decoded as the page's fields.
fn refuse_list(body: &[u8], pagination: &Pagination) -> Result<(), Problem> {
    if pagination.items.is_empty()
        || pagination.accepts_array
        || !without_mark(body).trim_ascii_start().starts_with(b"[")
    {
        return Ok(());
    }
    let message = "it is a JSON list, not a page: read it with the call's `send_as::<Vec<…>>()`".to_owned();
    Err(Problem { path: String::new(), message, is_truncated: false })
}

/// Returns why a text isn't a page.
#[cold]
fn problem_of(body: &[u8], pagination: &Pagination, irregular: Irregular) -> Problem {
    if let Err(problem) = decode::<IgnoredAny>(body) {
        return problem;
    }
    let is_list = pagination.items.is_empty();
    let (path, message) = match (irregular.0, body.trim_ascii_start().first()) {
        (Some(reason), _) => *reason,
        (None, Some(b'{')) if !is_list => (pagination.items, "it isn't a list of items".to_owned()),
        (None, first) => {
            let kind = match first {
                Some(b'n') => "null",
                Some(b't' | b'f') => "a boolean",
                Some(b'"') => "a string",
                Some(b'[') => "a list",
                Some(b'{') => "an object",
                _ => "a number",
            };
            let expected = match is_list {
                true => "a list of items".to_owned(),
                false => format!("a page, an object with `{}`", pagination.items),
            };
            ("", format!("invalid type: {kind}, expected {expected}"))
        }
    };
    Problem { path: path.to_owned(), message, is_truncated: false }
}

/// Returns the value of an item's field as a number; 0 if the item doesn't have it.
#[inline]
fn id_of(item: &[u8], name: &str, plain: bool) -> u64 {
    let found = match plain {
        true => last_number(item, name.as_bytes()).or_else(|| first_number(item, name.as_bytes())),
        false => None,
    };
    found.or_else(|| field(item, name).and_then(id)).unwrap_or_default()
}

/// Like [`id_of`], if the field is the item's last one and a number; `None` otherwise. A quoted text before
/// the number that ends the object is always a field's name.
#[inline]
fn last_number(item: &[u8], name: &[u8]) -> Option<u64> {
    let text = item.strip_suffix(b"}")?;
    let digits = text.iter().rev().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-')).count();
    let (rest, number) = text.split_at_checked(text.len().checked_sub(digits)?)?;
    let rest = rest
        .strip_suffix(b" ")
        .unwrap_or(rest)
        .strip_suffix(b"\":")?
        .strip_suffix(name)?
        .strip_suffix(b"\"")?;
    // After one of these bytes a quote isn't escaped: the name begins there.
    if number.is_empty() || !matches!(rest.last()?, b',' | b'{' | b' ') {
        return None;
    }
    id(number)
}

/// Like [`id_of`] for most items: the field is among the first two, both are numbers, and there is no white
/// space. `None` otherwise.
#[inline]
fn first_number(item: &[u8], name: &[u8]) -> Option<u64> {
    let mut rest = item.strip_prefix(b"{\"")?;
    for _ in 0..2 {
        let is_name =
            name.iter().zip(rest).all(|(one, other)| one == other) && rest.get(name.len()) == Some(&b'"');
        let length =
            if is_name { name.len() } else { rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))? };
        rest = rest.get(length..)?.strip_prefix(b"\":")?;
        let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-')).count();
        let (number, behind) = rest.split_at(digits);
        match (is_name, behind) {
            (true, [b',' | b'}', ..]) if !number.is_empty() => return Some(fnv(number).max(1)),
            (false, [b',', b'"', behind @ ..]) => rest = behind,
            _ => return None,
        }
    }
    None
}

/// Returns an id's text as a number that isn't 0. Only numbers and strings are ids. The result is the same in
/// every process, because checkpoints keep it.
fn id(text: &[u8]) -> Option<u64> {
    if !matches!(text.first()?, b'"' | b'-' | b'0'..=b'9') {
        return None;
    }
    Some(fnv(text).max(1))
}

/// The prime by which a page's ids become its digest: that of FNV.
const PRIME: u64 = 0x0100_0000_01b3;

fn fnv(text: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// How pages of Django REST Framework are decoded.
    fn usual<T>(decoder: Decoder<T>, fields: &[&str]) -> Decoding<T> {
        let fields = fields.iter().copied().map(Arc::from).collect();
        Decoding { decoder, pagination: Pagination::new(), fields }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        id: i64,
        #[serde(default)]
        name: String,
    }

    fn page(items: &str) -> Bytes {
        format!(r#"{{"count": 7, "next": "n", "previous": null, "results": [{items}]}}"#).into()
    }

    fn read<T>(decoder: Decoder<T>, body: &Bytes, fields: &[&str]) -> DecodedPage<T> {
        usual(decoder, fields).page(body, &Secrets::NONE).unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    #[test]
    fn failed_item_leaves_rest_of_page() {
        let body = page(
            r#"{"id": 1}, {"id": "two", "name": "b"}, {"name": 3, "id": 3}, {"id": 4, "name": "\ud83d"}"#,
        );
        let decoder = Decoder::<Item>::typed();
        let decoded = read(decoder, &body, &[]);
        assert_eq!((decoded.envelope.count, decoded.envelope.next.as_deref()), (Some(7), Some("n")));
        assert_eq!(
            decoded.items,
            [Item { id: 1, name: String::new() }, Item { id: 4, name: "\u{fffd}".to_owned() }]
        );
        assert_eq!(decoded.failed.iter().map(|failed| failed.index).collect::<Vec<_>>(), [1, 2]);
        let problems: Vec<_> =
            decoded.failed.into_iter().map(|failed| decoder.problem(&decoded.body, failed)).collect();
        assert_eq!(
            (problems[0].1.path.as_str(), problems[0].0),
            ("id", &br#"{"id": "two", "name": "b"}"#[..])
        );
        assert_eq!(problems[1].1.path, "name");
    }

    #[test]
    fn malformed_page_is_whole_error() {
        let bodies = [
            (r#"{"results": 7}"#, "results"),
            (r#"{"count": -1, "results": []}"#, "count"),
            (r#"{"count": "7", "results": []}"#, "count"),
            (r#"{"count": 7.5, "results": []}"#, "count"),
            (r#"{"next": true, "results": []}"#, "next"),
            (r#"{"next": 0, "results": []}"#, "next"),
            ("<html>", ""),
            ("[[]]", ""),
            ("{}", ""),
        ];
        for (body, path) in bodies {
            let problem = |result: Result<(), Problem>| result.unwrap_err().path;
            assert_eq!(
                problem(usual(Decoder::<Item>::typed(), &[]).page(&body.into(), &Secrets::NONE).map(drop)),
                path,
                "{body}"
            );
            assert_eq!(
                problem(usual(Decoder::raw(), &["id"]).page(&body.into(), &Secrets::NONE).map(drop)),
                path
            );
            assert_eq!(problem(length(&body.into(), &Pagination::new()).map(drop)), path);
        }
        let null = usual(Decoder::raw(), &[]).page(&"null".into(), &Secrets::NONE).err().unwrap();
        assert!(null.message.contains("null, expected a page, an object with `results`"), "{null:?}");
        assert!(
            usual(Decoder::<Item>::typed(), &[])
                .page(&r#"{"results": [{"id": 1"#.into(), &Secrets::NONE)
                .err()
                .unwrap()
                .is_truncated
        );
    }

    #[test]
    fn failed_large_item_is_parsed_once() {
        let body = page(&format!(
            r#"{{"id": 1, "name": ["{}"]}}, {{"id": "{0}"}}, {{"id": 2}}"#,
            "x".repeat(1 << 20)
        ));
        let decoder = Decoder::<Item>::typed();
        let decoded = read(decoder, &body, &[]);
        assert_eq!(decoded.items.len(), 1);
        for (failed, path) in decoded.failed.into_iter().zip(["name", "id"]) {
            let (length, problem) = &**failed.large.as_ref().unwrap();
            assert!(*length > 1 << 20 && problem.message.len() <= MAX_PROBLEM, "{}", problem.message.len());
            assert_eq!(decoder.problem(&decoded.body, failed).1.path, path);
        }
    }

    #[test]
    fn raw_items_keep_server_text() {
        let texts = [r#"{ "id":1.50, "a":"\ud83d" }"#, r#"{"id": 12345678901234567890}"#, "7"];
        let body = page(&texts.join(" , "));
        let items = |body: &Bytes| read(Decoder::raw(), body, &[]).items;
        assert_eq!(items(&body).iter().map(RawItem::as_str).collect::<Vec<_>>(), texts);
        assert_eq!(items(&Bytes::from([b"\xef\xbb\xbf", &body[..]].concat())).len(), 3);
        let broken = Bytes::from([br#"{"results": [1, ""#, &b"\xff"[..], br#"", 2]}"#].concat());
        let mut page = read(Decoder::raw(), &broken, &[]);
        assert_eq!((page.items.len(), page.failed.len()), (2, 1));
        assert!(Decoder::raw().problem(&page.body, page.failed.remove(0)).1.message.contains("utf-8"));
    }

    #[test]
    fn ids_use_first_identity_field() {
        let items = r#"{"id": 1}, {"name": "x", "id":1}, {"id": "1"}, {"id": 2, "key": null}, {"id": null}, {"id": [1]}"#;
        let marks = read(Decoder::raw(), &page(items), &["key", "id"]).marks;
        assert_eq!(marks.identity.as_deref(), Some("id"));
        let ids = &marks.ids;
        assert!(ids[0] != 0 && ids[0] == ids[1] && ids[0] != ids[2] && ids[0] != ids[3]);
        assert_eq!((ids[4], ids[5], ids.len()), (0, 0, 6));
        let marks = read(Decoder::raw(), &page(r#"{"id": 1}, {"id": 1, "key": 7}"#), &["key", "id"]).marks;
        assert_eq!((marks.identity.as_deref(), marks.ids[0]), (Some("key"), 0));
        // FNV-1a, as in the checkpoints of earlier versions.
        assert_eq!(id(b"7"), Some(0xaf63_aa4c_8601_9796));
    }

    #[test]
    fn fast_id_reading_matches_slow() {
        for item in [
            r#"{"id":7}"#,
            r#"{"id":-12,"x":1}"#,
            r#"{"x":1,"id":7}"#,
            r#"{"x":1,"id":7.5}"#,
            r#"{"x":"a","id":7}"#,
            r#"{"id":null}"#,
            r#"{"id":"7"}"#,
            r#"{"idx":1,"id":2}"#,
            r#"{"i":1,"id":2}"#,
            r#"{"x":1,"y":2,"id":3}"#,
            r#"{"id":1e5}"#,
            r#"{"id" :7}"#,
            r#"{"x\"":1,"id":7}"#,
            "{}",
            r#"{"":1,"id":7}"#,
            r#"{"id":12345678901234567890}"#,
            "7",
            r#"{"x":"a", "id": 7}"#,
            r#"{"x":"a","id":-7}"#,
            r#"{"x":"a","id":1.5}"#,
            r#"{"x":"a","id":1e-7}"#,
            r#"{"x":"\"id\":7"}"#,
            r#"{"x\"id":7}"#,
            r#"{"x, \"id":7}"#,
            r#"{"x":{"id":7}}"#,
            r#"{"x":[7],"y":"id","z":7}"#,
            r#"{"x":"a","id":"7"}"#,
        ] {
            let slow = field(item.as_bytes(), "id").and_then(id);
            assert_eq!(id_of(item.as_bytes(), "id", true), slow.unwrap_or_default(), "{item}");
            assert!(first_number(item.as_bytes(), b"id").is_none_or(|id| Some(id) == slow), "{item}");
            assert!(last_number(item.as_bytes(), b"id").is_none_or(|id| Some(id) == slow), "{item}");
        }
        assert!(last_number(br#"{"x":"a", "pgh_id": 8}"#, b"pgh_id").is_some());
        assert!(first_number(br#"{"id":7,"pgh_id":8}"#, b"pgh_id").is_some());
    }

    #[test]
    fn equal_pages_have_equal_digest() {
        let digest = |items: &str, fields: &[&str]| read(Decoder::raw(), &page(items), fields).marks.digest;
        for fields in [&["id"][..], &[]] {
            let one = digest(r#"{"id": 1, "u": "/a?sig=1"}, {"id": 2}"#, fields);
            assert_eq!(one, digest(r#"{"id": 1, "u": "/a?sig=2"}, {"id": 2}"#, fields));
            assert_ne!(one, digest(r#"{"id": 2}, {"id": 1, "u": "/a?sig=1"}"#, fields));
        }
    }
}
