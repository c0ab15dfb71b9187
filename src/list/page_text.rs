//! Reads a page's text item by item: in linear time and without recursion, for any input.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::json_text::decode::without_position;
use crate::error::json_text::members::behind_quote;
use crate::error::redact::bounded::bounded;
use crate::generated::page_link::{PageKey, PageLink};
use crate::generated::pagination::Pagination;
use crate::generated::support::Key;

/// Maximum length of a reason, in bytes: it may quote a text of any length.
const MAX_REASON: usize = 1 << 10;

/// A page's fields besides its items.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Envelope {
    pub(super) count: Option<u64>,
    pub(super) next: Option<String>,
    /// Whether the page has the field `next`, be it null.
    pub(super) names_next: bool,
}

impl Envelope {
    /// What a page says that is only its items: no other page follows it.
    const LAST: Envelope = Envelope { count: None, next: None, names_next: true };

    /// Adds what the page's text says to what its headers say.
    pub(super) fn or(self, text: Envelope) -> Self {
        let Envelope { count, next, names_next } = text;
        Envelope {
            count: self.count.or(count),
            next: self.next.or(next),
            names_next: self.names_next || names_next,
        }
    }
}

/// The text isn't a page: at this path, for this reason, if they are known. If the text isn't JSON, decoding the whole
/// text as one value finds out why.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Irregular(pub(super) Option<Box<(&'static str, String)>>);

impl Irregular {
    #[cold]
    fn at(path: &'static str, reason: impl ToString) -> Self {
        Irregular(Some(Box::new((path, reason.to_string()))))
    }
}

/// Reads a page; `items` is called at the position of its items.
pub(super) fn walk<'t>(
    body: &'t [u8],
    shape: &Pagination,
    mut items: impl FnMut(&mut Cursor<'t>) -> Result<(), Irregular>,
) -> Result<Envelope, Irregular> {
    let mut cursor = Cursor { text: body, at: 0, is_item: false };
    let mut page = Walk { shape, has_items: false, count: None, next: None, items: &mut items };
    let first = cursor.peek();
    if shape.accepts_array && first == Some(b'[') {
        return (page.items)(&mut cursor).and_then(|()| cursor.end()).map(|()| Envelope::LAST);
    }
    if shape.accepts_item && first == Some(b'{') && field(body, shape.items).is_none() {
        cursor.is_item = true;
        return (page.items)(&mut cursor).and_then(|()| cursor.end()).map(|()| Envelope::LAST);
    }
    match shape.items.is_empty() {
        true => page.read_items(&mut cursor)?,
        false => page.object(&mut cursor, Paths::of(shape))?,
    }
    cursor.end()?;
    match page.has_items {
        true => Ok(Envelope {
            count: page.count.flatten(),
            names_next: page.next.is_some(),
            next: page.next.flatten(),
        }),
        false => Err(Irregular::at("", format_args!("missing field `{}`", shape.items))),
    }
}

/// The paths of what is wanted from an object; `None` if it isn't there.
#[derive(Clone, Copy)]
struct Paths {
    items: Option<&'static str>,
    count: Option<&'static str>,
    next: Option<&'static str>,
}

impl Paths {
    fn of(shape: &Pagination) -> Self {
        Paths { items: Some(shape.items), count: shape.count.field(), next: shape.next.field() }
    }

    /// Returns the paths in the object's field `key`; `None` if there is none.
    fn below(self, key: &str) -> Option<Self> {
        let below = |path: Option<&'static str>| path?.strip_prefix(key)?.strip_prefix('.');
        let Paths { items, count, next } = self;
        let paths = Paths { items: below(items), count: below(count), next: below(next) };
        (paths.items.is_some() || paths.count.is_some() || paths.next.is_some()).then_some(paths)
    }
}

/// What was read of a page.
struct Walk<'w, 't> {
    shape: &'w Pagination,
    has_items: bool,
    count: Option<Option<u64>>,
    next: Option<Option<String>>,
    items: &'w mut dyn FnMut(&mut Cursor<'t>) -> Result<(), Irregular>,
}

impl<'t> Walk<'_, 't> {
    /// Reads an object. It is called once for each name of a path at most, so deep texts don't matter.
    fn object(&mut self, cursor: &mut Cursor<'t>, paths: Paths) -> Result<(), Irregular> {
        cursor.expect(b'{')?;
        let mut first = true;
        while !cursor.eat(b'}') {
            if !std::mem::take(&mut first) {
                cursor.expect(b',')?;
            }
            let key: Key<'_> = cursor.value()?;
            cursor.expect(b':')?;
            match Some(&*key.0) {
                key if key == paths.items => self.read_items(cursor)?,
                key if key == paths.count => {
                    let path = self.shape.count.field().unwrap_or_default();
                    once(path, &mut self.count, cursor.value_at(path)?)?;
                }
                key if key == paths.next => {
                    let path = self.shape.next.field().unwrap_or_default();
                    let next = match self.shape.parameter {
                        None => cursor.value_at::<PageLink>(path)?.0,
                        Some(_) => cursor.value_at::<PageKey>(path)?.0,
                    };
                    once(path, &mut self.next, next)?;
                }
                _ => match paths.below(&key.0).filter(|_| cursor.peek() == Some(b'{')) {
                    Some(below) => self.object(cursor, below)?,
                    None => drop(cursor.value::<IgnoredAny>()?),
                },
            }
        }
        Ok(())
    }

    fn read_items(&mut self, cursor: &mut Cursor<'t>) -> Result<(), Irregular> {
        let path = self.shape.items;
        if std::mem::replace(&mut self.has_items, true) {
            return Err(Irregular::at(path, format_args!("duplicate field `{path}`")));
        }
        match cursor.peek() {
            // Some servers send null for an empty page.
            Some(b'n') if !path.is_empty() => cursor.value::<()>(),
            Some(b'[') => (self.items)(cursor),
            _ => Err(Irregular::at(path, "it isn't a list of items")),
        }
    }
}

fn once<V>(path: &'static str, slot: &mut Option<V>, value: V) -> Result<(), Irregular> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Irregular::at(path, format_args!("duplicate field `{path}`"))),
    }
}

/// A position in a text.
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    /// Whether the text is a single item instead of a list.
    is_item: bool,
}

impl<'t> Cursor<'t> {
    /// The next byte that isn't white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return Some(*other),
            }
        }
        None
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Irregular> {
        self.eat(byte).then_some(()).ok_or_else(Irregular::default)
    }

    /// Checks that nothing follows.
    fn end(&mut self) -> Result<(), Irregular> {
        self.peek().is_none().then_some(()).ok_or_else(Irregular::default)
    }

    pub(super) fn value<V: Deserialize<'t>>(&mut self) -> Result<V, Irregular> {
        self.peek();
        let parsed = self.text.get(self.at..).and_then(|rest| parse(rest).ok());
        let (value, length) = parsed.ok_or_else(Irregular::default)?;
        self.at += length;
        Ok(value)
    }

    /// Reads the value of the field with this path.
    fn value_at<V: Deserialize<'t>>(&mut self, path: &'static str) -> Result<V, Irregular> {
        self.peek();
        let (value, length) = parse(self.text.get(self.at..).unwrap_or_default())
            .map_err(|error| Irregular::at(path, without_position(&bounded(&error, MAX_REASON))))?;
        self.at += length;
        Ok(value)
    }

    /// Reads a list's items. `item` is called with the position where each item begins, and returns the
    /// item's length; `None` if no item begins there.
    pub(super) fn items(&mut self, mut item: impl FnMut(usize) -> Option<usize>) -> Result<(), Irregular> {
        if self.is_item {
            self.peek();
            self.at += item(self.at).ok_or_else(Irregular::default)?;
            return Ok(());
        }
        self.expect(b'[')?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.peek();
            self.at += item(self.at).ok_or_else(Irregular::default)?;
            let end = self.peek();
            self.at += 1;
            match end {
                Some(b',') => {}
                Some(b']') => return Ok(()),
                _ => return Err(Irregular::default()),
            }
        }
    }
}

/// Parses the value at the beginning of `text`, and returns it with its length.
#[inline]
pub(super) fn parse<'t, V: Deserialize<'t>>(text: &'t [u8]) -> serde_json::Result<(V, usize)> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = V::deserialize(&mut deserializer)?;
    Ok((value, deserializer.into_iter::<IgnoredAny>().byte_offset()))
}

/// Returns the text of the value of an object's own field, the first one with that name. The object was
/// parsed before: here it is only scanned up to that field.
pub(super) fn field<'t>(object: &'t [u8], name: &str) -> Option<&'t [u8]> {
    let mut rest = behind_space(object).strip_prefix(b"{")?;
    loop {
        rest = behind_space(rest).strip_prefix(b"\"")?;
        let mark = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let escaped = rest.get(mark) == Some(&b'\\');
        let length = if escaped { behind_quote(rest, mark)?.checked_sub(1)? } else { mark };
        let key = rest.get(..length)?;
        rest = behind_space(rest.get(length + 1..)?).strip_prefix(b":")?;
        rest = behind_space(rest);
        let end = value_end(rest)?;
        if key == name.as_bytes() && !escaped || escaped && is_escaped(key, name) {
            return rest.get(..end);
        }
        rest = behind_space(rest.get(end..)?).strip_prefix(b",")?;
    }
}

/// Returns whether a key with escapes is `name`.
#[cold]
fn is_escaped(key: &[u8], name: &str) -> bool {
    let literal = [b"\"", key, b"\""].concat();
    serde_json::from_slice::<Key<'_>>(&literal).is_ok_and(|key| key.0 == name)
}

#[inline]
fn behind_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Returns where the value at the beginning of a text ends.
#[inline]
fn value_end(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => behind_quote(text, 1),
        b'{' | b'[' => nested_end(text),
        _ => {
            text.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')))
        }
    }
}

fn nested_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at = behind_quote(text, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Returns a text's digest. URL queries are ignored, since their signatures change from response to response.
pub(super) fn digest(text: &[u8]) -> u64 {
    let mut digest = 0x9e37_79b9_7f4a_7c15;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let query = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        digest = mixed(digest, &rest[..query]);
        let Some(behind) = rest.get(query..).and_then(|query| memchr::memchr(b'"', query)) else { break };
        at += query + behind;
    }
    digest
}

fn mixed(mut digest: u64, bytes: &[u8]) -> u64 {
    let mut mix = |word: u64| {
        digest = (digest ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
        digest ^= digest >> 32;
    };
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        mix(word.try_into().map_or(0, u64::from_le_bytes));
    }
    for byte in words.remainder() {
        mix(u64::from(*byte) | 0x100);
    }
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The texts of a page's items.
    fn items(body: &str) -> Result<(Envelope, Vec<&str>), Irregular> {
        let mut texts = Vec::new();
        let envelope = walk(body.as_bytes(), &Pagination::new(), |cursor| {
            cursor.items(|at| {
                let (_, length) = parse::<IgnoredAny>(&body.as_bytes()[at..]).ok()?;
                texts.push(&body[at..at + length]);
                Some(length)
            })
        })?;
        Ok((envelope, texts))
    }

    #[test]
    fn page_is_walked_item_by_item() {
        let (envelope, texts) =
            items(" {\"x\": [{}], \"results\" : [ 1 , {\"a\": [\"]\"]},\n\"b\\\"\",7] ,\"next\":\"n\", \"count\":4}\n").unwrap();
        assert_eq!(envelope, Envelope { count: Some(4), next: Some("n".to_owned()), names_next: true });
        assert_eq!(texts, ["1", r#"{"a": ["]"]}"#, r#""b\"""#, "7"]);
    }

    #[test]
    fn page_may_be_array_or_item() {
        let read = |body: &str, shape: Pagination| {
            let mut texts = Vec::new();
            let envelope = walk(body.as_bytes(), &shape, |cursor| {
                cursor.items(|at| {
                    let (_, length) = parse::<IgnoredAny>(&body.as_bytes()[at..]).ok()?;
                    texts.push(body[at..at + length].to_owned());
                    Some(length)
                })
            });
            envelope.map(|envelope| (envelope, texts))
        };
        let (array, item) = (Pagination::new().or_array(), Pagination::new().or_item());
        for (body, shape, texts) in [
            (" [1, {}] ", array, vec!["1", "{}"]),
            ("[]", array, vec![]),
            (r#" {"next": 5, "a": {"results": []}} "#, item, vec![r#"{"next": 5, "a": {"results": []}}"#]),
            (r#"{"results": null}"#, item, vec![]),
            (r#"{"results": [7]}"#, item.or_array(), vec!["7"]),
        ] {
            let (envelope, found) = read(body, shape).unwrap();
            assert_eq!(
                (envelope.count, envelope.next, found),
                (None, None, texts.into_iter().map(str::to_owned).collect())
            );
        }
        for (body, shape) in [
            ("[1", array),
            ("[1] 2", array),
            ("{}", array),
            ("7", array),
            ("[1]", item),
            (r#"{"a": 1"#, item),
            (r#"{"a": 1} 2"#, item),
            (r#"{"results": 1}"#, item),
            ("null", item),
        ] {
            assert!(read(body, shape).is_err(), "{body}");
        }
    }

    #[test]
    fn odd_envelopes_are_read() {
        for (body, next) in [
            (r#"{"results": null}"#, None),
            (r#"{"results": [], "next": null, "count": null}"#, None),
            (r#"{"next": false, "results": []}"#, None),
            (r#"{"next": "", "results": []}"#, None),
            (r#"{"n\u0065xt": "x", "results": []}"#, Some("x")),
        ] {
            let (envelope, texts) = items(body).unwrap();
            assert_eq!((envelope.count, envelope.next.as_deref(), texts.len()), (None, next, 0), "{body}");
        }
    }

    #[test]
    fn malformed_page_is_irregular() {
        for body in [
            "",
            "[]",
            "{}",
            "7",
            r#"{"results": 7}"#,
            r#"{"results": [1 2]}"#,
            r#"{"results": [1,]}"#,
            r#"{"results": [],}"#,
            r#"{"results": []} x"#,
            r#"{"results": [], "results": []}"#,
            r#"{"results": [1"#,
            r#"{"results": [], "next": true}"#,
            r#"{"results": [], "next": 0}"#,
            r#"{"results": [], "next": {}}"#,
            r#"{"results": [], "count": -1}"#,
            r#"{"results": [], "count": 1.5}"#,
            r#"{"results": [], "count": "1"}"#,
            r#"{"results" []}"#,
        ] {
            assert!(items(body).is_err(), "{body}");
        }
    }

    #[test]
    fn field_ignores_nested_objects() {
        for (object, id) in [
            (r#"{"id":7}"#, Some("7")),
            (r#" { "id" : "7" , "x":1}"#, Some(r#""7""#)),
            (r#"{"x":{"id":1},"y":[{"id":2}],"z":"\"id\":3","id":null}"#, Some("null")),
            (r#"{"i\u0064":4}"#, Some("4")),
            (r#"{"x":[[["]"]]],"id":-1.5e3}"#, Some("-1.5e3")),
            (r#"{"id2":1,"x\"id":2,"id":3}"#, Some("3")),
            (r#"{"\"id\":1":2,"id":3}"#, Some("3")),
            (r#"{"id":[1,{"a":2}]}"#, Some(r#"[1,{"a":2}]"#)),
            (r#"{"ids":1}"#, None),
            ("{}", None),
            ("7", None),
            ("[\"id\",1]", None),
        ] {
            assert_eq!(field(object.as_bytes(), "id"), id.map(str::as_bytes), "{object}");
        }
    }

    #[test]
    fn digest_ignores_url_queries() {
        let digest = |text: &str| digest(text.as_bytes());
        assert_eq!(digest(r#"{"u":"/a?sig=1","n":1}"#), digest(r#"{"u":"/a?sig=222","n":1}"#));
        assert_ne!(digest(r#"{"u":"/a?sig=1","n":1}"#), digest(r#"{"u":"/a?sig=1","n":2}"#));
        assert_ne!(digest(r#"{"u":"/a"}"#), digest(r#"{"u":"/b"}"#));
        assert_ne!(digest(""), digest("a"));
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Whole {
        #[serde(deserialize_with = "Option::deserialize")]
        results: Option<Vec<IgnoredAny>>,
        #[serde(default)]
        count: Option<u64>,
    }

    proptest! {
        #[test]
        fn any_text_parses_as_serde_does(text in "[ {}\\[\\],:\"\\\\a0-9nul.-]{0,40}") {
            for body in [text.clone(), format!(r#"{{"results":{text}}}"#), format!(r#"{{"results":[{text}],"count":1}}"#)] {
                prop_assert_eq!(items(&body).is_ok(), serde_json::from_str::<Whole>(&body).is_ok(), "{}", body);
                let _ = (field(body.as_bytes(), "a"), digest(body.as_bytes()));
            }
        }

        #[test]
        fn any_object_field_is_found(value in any_object()) {
            let text = value.to_string();
            for (name, value) in value.as_object().unwrap() {
                let found = field(text.as_bytes(), name).map(|found| serde_json::from_slice::<serde_json::Value>(found).unwrap());
                prop_assert_eq!(found.as_ref(), Some(value));
            }
            prop_assert_eq!(field(text.as_bytes(), "nowhere"), None);
        }
    }

    fn any_object() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            "[a\"\\\\{}\\[\\],: é]{0,6}".prop_map(Into::into),
        ];
        let value = leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map("[a-c\"\\\\]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::hash_map("[a-c\"\\\\é]{0,3}", value, 0..5)
            .prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
    }
}
