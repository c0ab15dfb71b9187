//! Decodes a response's bytes into a value: on a fast path first, and on a slow path only if that fails.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::leniency::Leniency;
pub(crate) use super::private_keys::{has_private_key, refuse_nested};
use super::{nested_path, surrogates};
use crate::error::json_text::json_path::JsonPath;
use crate::error::redact::bounded::bounded;

/// Why a body can't be decoded, and at which path. Its size is bounded, whatever the body contains.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    /// A path such as `results[3].id`; empty if the text isn't JSON at all.
    pub(crate) path: String,
    pub(crate) message: String,
    /// The text is truncated.
    pub(crate) is_truncated: bool,
}

/// Decodes a body.
///
/// The slow path repairs what a lenient server may send: it removes a byte-order mark, and replaces a lone
/// surrogate in a string (`\ud83d`), which no Rust string can hold, by U+FFFD. Then optional fields may have another
/// shape than their types. The body is read a bounded number of times.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = without_mark(body);
    refuse_nested(body)?;
    match Leniency::Strict.decode(|| serde_json::from_slice(body)) {
        Ok(value) => Ok(value),
        Err(error) => second_look(body, &error),
    }
}

/// Returns the body without the byte-order mark that some servers send.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Returns a parser's message without the position: that of a part counts from the part's own beginning.
pub(crate) fn without_position(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(problem, _)| problem)
}

/// Returns the text of a JSON string literal, in linear time; each lone surrogate becomes U+FFFD. `None` if
/// it isn't a string literal.
pub(crate) fn text_of(literal: &str) -> Option<Cow<'_, str>> {
    if let Ok(text) = serde_json::from_str::<&str>(literal) {
        return Some(Cow::Borrowed(text));
    }
    let text: Option<String> = serde_json::from_str(literal).ok().or_else(|| {
        let mut repaired = literal.as_bytes().to_vec();
        for half in surrogates::halves(literal.as_bytes()) {
            repaired.get_mut(half.at..half.at + ESCAPE.len())?.copy_from_slice(ESCAPE);
        }
        serde_json::from_slice(&repaired).ok()
    });
    text.map(Cow::Owned)
}

#[cold]
fn second_look<T: DeserializeOwned>(body: &[u8], first: &serde_json::Error) -> Result<T, Problem> {
    let repaired = match repair_surrogates(body, first) {
        Repaired::Value(value) => return Ok(value),
        Repaired::Body(body) => body,
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem {
            path: String::new(),
            message: "the body is empty".to_owned(),
            is_truncated: false,
        });
    }
    if Leniency::current() == Leniency::Lenient
        && !first.is_eof()
        && let Ok(value) = serde_json::from_slice(&repaired)
    {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&repaired);
    let tracked = nested_path::track(|| serde_path_to_error::deserialize::<_, T>(&mut deserializer));
    let (path, error) = match tracked {
        Err((path, error)) => (path, bounded(&error, MAX_MESSAGE)),
        // The value itself is valid; the text after it isn't.
        Ok(_) => (String::new(), bounded(first, MAX_MESSAGE)),
    };
    let message = if first.is_eof() { format!("the response is truncated: {error}") } else { error };
    Err(Problem { path, message, is_truncated: first.is_eof() })
}

/// The maximum length of a decoding message, in bytes: a message may quote a text of any length.
const MAX_MESSAGE: usize = 1 << 10;

/// Returns the known part of a path: if the response ends inside a key, the path of the key's object.
pub(super) fn known_path(path: &serde_path_to_error::Path) -> String {
    let mut known = JsonPath::default();
    for segment in path {
        match segment {
            Segment::Seq { index } => known.index(*index),
            Segment::Map { key: name } | Segment::Enum { variant: name } => known.key(name),
            Segment::Unknown => break,
        }
    }
    known.into_string()
}

/// The number of distinct paths that are repaired one by one; each costs another pass over the body.
const MAX_SINGLE_REPAIRS: usize = 8;

/// The result of a repair.
enum Repaired<'b, T> {
    Value(T),
    Body(Cow<'b, [u8]>),
}

/// Decodes `body` with U+FFFD in place of each lone surrogate that prevents decoding. Lone surrogates in
/// free-form values don't prevent it, and stay as the server sent them. If one is repaired, all at the same
/// path are repaired too: at the same keys, with any indexes. If a body has more than a few such paths, all
/// its lone surrogates are replaced.
fn repair_surrogates<'b, T: DeserializeOwned>(body: &'b [u8], first: &serde_json::Error) -> Repaired<'b, T> {
    let mut halves = surrogates::halves(body);
    if halves.is_empty() {
        return Repaired::Body(Cow::Borrowed(body));
    }
    let mut repaired = body.to_vec();
    let mut failed = offset(body, first);
    for reading in 1.. {
        // The last lone surrogate before the error, if the error is about one.
        let passed = halves
            .partition_point(|half| half.at < failed)
            .checked_sub(1)
            .and_then(|index| halves.get(index));
        let Some(passed) = passed.filter(|half| failed - half.at <= MARGIN) else { break };
        let place = passed.place;
        halves.retain(|half| {
            let mend = half.place == place || reading > MAX_SINGLE_REPAIRS;
            if mend && let Some(escape) = repaired.get_mut(half.at..half.at + ESCAPE.len()) {
                escape.copy_from_slice(ESCAPE);
            }
            !mend
        });
        match Leniency::Strict.decode(|| serde_json::from_slice(&repaired)) {
            Ok(value) => return Repaired::Value(value),
            Err(error) => failed = offset(&repaired, &error),
        }
    }
    Repaired::Body(Cow::Owned(repaired))
}

/// U+FFFD, as an escape of the same length as the one it replaces.
const ESCAPE: &[u8] = br"\ufffd";

/// The maximum distance between a lone surrogate and the position of its error: past the escape, and past the
/// escape that should have completed the pair.
const MARGIN: usize = 13;

/// Returns the position of an error in `body`.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + error.column()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Page {
        results: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        id: i64,
        name: String,
    }

    #[test]
    fn lone_surrogates_and_bom_are_repaired() {
        let body =
            "\u{feff}{\"results\": [{\"id\": 1, \"name\": \"a\\ud83d\\\\ud83d \\ud83d\\ude00 \\ude00\"}]}";
        let page: Page = decode(body.as_bytes()).unwrap();
        assert_eq!(page.results[0].name, "a\u{fffd}\\ud83d 😀 \u{fffd}");
    }

    #[test]
    fn lone_surrogates_in_literal_replaced() {
        assert_eq!(text_of(r#""plain""#), Some("plain".into()));
        assert_eq!(text_of(r#""a\ud83d\n\ude00\ud83d\ude00""#), Some("a\u{fffd}\n\u{fffd}😀".into()));
        assert_eq!((text_of("7"), text_of(r#""open"#), text_of("")), (None, None, None));
    }

    #[test]
    fn only_typed_strings_are_repaired() {
        #[derive(Deserialize)]
        struct Mixed {
            name: String,
            free: crate::Json,
        }
        let mixed: Vec<Mixed> = decode(
            (0..60)
                .map(|n| format!("{{\"free\": \"\\ud83d{n}\",\n \"name\": \"{n}\\ud83d\"}}"))
                .collect::<Vec<_>>()
                .join(",")
                .replacen('{', "[{", 1)
                .as_bytes()
                .iter()
                .copied()
                .chain([b']'])
                .collect::<Vec<_>>()
                .as_slice(),
        )
        .unwrap();
        assert_eq!(mixed[0].free.text(), r#""\ud83d0""#);
        assert_eq!(mixed[59].name, "59\u{fffd}");
    }

    #[test]
    fn body_is_reparsed_bounded_times() {
        use std::cell::Cell;
        thread_local!(static READ: Cell<usize> = const { Cell::new(0) });
        struct Counted;
        impl<'de> Deserialize<'de> for Counted {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                READ.set(READ.get() + 1);
                std::collections::HashMap::<String, Vec<String>>::deserialize(deserializer).map(|_| Counted)
            }
        }
        for fields in [1, 3, 100, 10_000] {
            let fields =
                (0..fields).map(|n| format!(r#""f{n}": ["\ud83d", "\ude00"]"#)).collect::<Vec<_>>().join(",");
            for end in ["}", "", ", 7}", r#", "g": [7]}"#] {
                READ.set(0);
                assert_eq!(decode::<Counted>(format!("{{{fields}{end}").as_bytes()).is_ok(), end == "}");
                assert!(READ.get() <= 13, "{} times", READ.get());
            }
        }
    }

    #[test]
    fn free_form_values_keep_lone_surrogates() {
        #[derive(Deserialize)]
        struct Mixed {
            name: String,
            free: crate::Json,
        }
        let items: Vec<_> = (0..10_000)
            .map(|n| format!(r#"{{"free": {{"name": "\ud83d{n}"}}, "name": "{n}\ud83d"}}"#))
            .collect();
        let mixed: Vec<Mixed> = decode(format!("[{}]", items.join(",")).as_bytes()).unwrap();
        assert_eq!(mixed[9_999].free.text(), r#"{"name": "\ud83d9999"}"#);
        assert_eq!(mixed[9_999].name, "9999\u{fffd}");
    }

    #[test]
    fn decode_error_is_short() {
        let error_of = |body: String| decode::<Page>(body.as_bytes()).unwrap_err();
        let long = error_of(format!(r#"{{"results": [{{"id": "{}"}}]}}"#, "x".repeat(1 << 20)));
        assert!(long.message.len() < 2_000, "{}", long.message.len());
        assert!(
            long.message.starts_with("invalid type: string \"")
                && long.message.contains("expected i64 at line 1"),
            "{}",
            long.message
        );
        let deep = decode::<Vec<std::collections::HashMap<String, i64>>>(
            format!(r#"[{{"{}": ""}}]"#, "k".repeat(1 << 20)).as_bytes(),
        );
        assert_eq!(deep.unwrap_err().path, format!("[0].{}…{}", "k".repeat(64), "k".repeat(64)));
    }

    #[test]
    fn decode_error_names_path() {
        let error_of = |body: &str| decode::<Page>(body.as_bytes()).unwrap_err();
        let wrong = error_of(r#"{"results": [{"id": 1, "name": "a"}, {"id": "x", "name": "b"}]}"#);
        assert_eq!(wrong.path, "results[1].id");
        assert!(wrong.message.starts_with("invalid type: string \"x\", expected i64"), "{wrong:?}");
        assert_eq!(error_of("{}").message.split(" at ").next(), Some("missing field `results`"));
        assert_eq!(error_of(r#"{"results": null}"#).path, "results");
        assert!(error_of(r#"{"results": [{"id": 1,"#).message.starts_with("the response is truncated"));
        assert_eq!(
            (error_of(r#"{"resu"#).path, error_of(r#"{"results": [{"id": 1,"#).path),
            (String::new(), "results[0]".to_owned())
        );
        assert_eq!(error_of(" \n").message, "the body is empty");
        assert_eq!(error_of("<html>").path, "");
        assert!(error_of(r#"{"results": []} x"#).message.starts_with("trailing characters"));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<serde_json::Value>(&body);
            let _ = decode::<Page>(&body);
        }

        #[test]
        fn valid_text_has_no_lone_surrogates(text in any::<String>()) {
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert!(surrogates::halves(ascii.as_bytes()).is_empty());
            prop_assert!(surrogates::halves(serde_json::to_string(&text).unwrap().as_bytes()).is_empty());
        }

        #[test]
        fn any_utf16_units_decode_to_text(units in prop::collection::vec(0xd700_u16..0xe100, 0..8)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text: String = decode(format!("\"{escaped}\"").as_bytes()).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }
    }
}
