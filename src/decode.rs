//! From an answer's bytes to a value: the fast way first, and a second look only where that fails.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// Why a body can't be decoded, and where in it.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    /// Such as `results[3].id`; empty where the text isn't JSON at all.
    pub(crate) path: String,
    pub(crate) message: String,
    /// The text ends where it shouldn't.
    pub(crate) cut_off: bool,
}

/// Decodes a body.
///
/// What a lenient server may send is mended at the second look: a byte-order mark goes, and half a surrogate pair in a
/// text (`\ud83d`), which no Rust string can hold, becomes U+FFFD.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = without_mark(body);
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(error) => second_look(body, &error),
    }
}

/// The body without the byte-order mark that some servers begin it with.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The text of a JSON string's literal, in linear time; half a surrogate pair in it is U+FFFD. `None` if it is no such literal.
#[allow(dead_code)]
pub(crate) fn text_of(literal: &str) -> Option<Cow<'_, str>> {
    if let Ok(text) = serde_json::from_str::<&str>(literal) {
        return Some(Cow::Borrowed(text));
    }
    let text: Option<String> = serde_json::from_str(literal).ok().or_else(|| {
        let mut mended = literal.as_bytes().to_vec();
        for half in lone_surrogates(literal.as_bytes()) {
            mended[half..half + ESCAPE.len()].copy_from_slice(ESCAPE);
        }
        serde_json::from_slice(&mended).ok()
    });
    text.map(Cow::Owned)
}

#[cold]
fn second_look<T: DeserializeOwned>(body: &[u8], first: &serde_json::Error) -> Result<T, Problem> {
    let mended = mend_surrogates::<T>(body, first);
    if let Ok(value) = serde_json::from_slice(&mended) {
        return Ok(value);
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem { path: String::new(), message: "the body is empty".to_owned(), cut_off: false });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&mended);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => (known_path(error.path()), error.into_inner().to_string()),
        // The value itself was right; what follows it isn't.
        Ok(_) => (String::new(), first.to_string()),
    };
    let message = if first.is_eof() { format!("the answer ends in the middle: {error}") } else { error };
    Err(Problem { path, message, cut_off: first.is_eof() })
}

/// As much of a path as is known: of an answer that ends within a key, what the key is in.
fn known_path(path: &serde_path_to_error::Path) -> String {
    let mut known = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => known.push_str(&format!("[{index}]")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !known.is_empty() {
                    known.push('.');
                }
                known.push_str(name);
            }
            Segment::Unknown => break,
        }
    }
    known
}

/// How many texts of a body are mended one by one; each costs another reading of the body.
const MENDED_SINGLY: usize = 64;

/// `body` with U+FFFD in the place of each half of a surrogate pair that keeps it from being decoded. Those in free-form
/// values don't, and stay as the server sent them.
fn mend_surrogates<'b, T: DeserializeOwned>(body: &'b [u8], first: &serde_json::Error) -> Cow<'b, [u8]> {
    let mut halves = lone_surrogates(body);
    if halves.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut mended = body.to_vec();
    let mut failed = Some(offset(body, first));
    for _ in 0..MENDED_SINGLY {
        let Some(reached) = failed else { return Cow::Owned(mended) };
        // The one that the reader had just passed, if it was one.
        let Some(index) = halves.iter().rposition(|half| *half < reached && reached - half <= MARGIN) else {
            return Cow::Owned(mended);
        };
        let half = halves.remove(index);
        mended[half..half + ESCAPE.len()].copy_from_slice(ESCAPE);
        failed = serde_json::from_slice::<T>(&mended).err().map(|error| offset(&mended, &error));
    }
    for half in halves {
        mended[half..half + ESCAPE.len()].copy_from_slice(ESCAPE);
    }
    Cow::Owned(mended)
}

/// U+FFFD, as long as what it takes the place of.
const ESCAPE: &[u8] = br"\ufffd";

/// How far behind half a pair its error is told: past the escape, and the one that should have completed it.
const MARGIN: usize = 13;

/// Where in `body` an error was told.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + error.column()
}

/// Where in `body` half a surrogate pair stands alone.
fn lone_surrogates(body: &[u8]) -> Vec<usize> {
    let mut halves = Vec::new();
    let mut at = 0;
    while let Some(found) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        let Some(unit) = escape(body, at) else {
            at += 2; // another escape, of which the second character is no backslash of its own
            continue;
        };
        let low = || escape(body, at + 6).is_some_and(|low| (0xdc00..0xe000).contains(&low));
        if (0xd800..0xdc00).contains(&unit) && low() {
            at += 12;
            continue;
        }
        if (0xd800..0xe000).contains(&unit) {
            halves.push(at);
        }
        at += 6;
    }
    halves
}

/// The code unit of a `\uXXXX` that stands at `at`.
fn escape(body: &[u8], at: usize) -> Option<u16> {
    let digits = body.get(at..at + 6)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
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
    fn half_a_surrogate_pair_and_a_byte_order_mark_are_mended() {
        let body = "\u{feff}{\"results\": [{\"id\": 1, \"name\": \"a\\ud83d\\\\ud83d \\ud83d\\ude00 \\ude00\"}]}";
        let page: Page = decode(body.as_bytes()).unwrap();
        assert_eq!(page.results[0].name, "a\u{fffd}\\ud83d 😀 \u{fffd}");
    }

    #[test]
    fn text_of_a_literal_with_half_pairs() {
        assert_eq!(text_of(r#""plain""#), Some("plain".into()));
        assert_eq!(text_of(r#""a\ud83d\n\ude00\ud83d\ude00""#), Some("a\u{fffd}\n\u{fffd}😀".into()));
        assert_eq!((text_of("7"), text_of(r#""open"#), text_of("")), (None, None, None));
    }

    #[test]
    fn only_what_keeps_a_value_from_being_read_is_mended() {
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
    fn a_problem_tells_where() {
        let tell = |body: &str| decode::<Page>(body.as_bytes()).unwrap_err();
        let wrong = tell(r#"{"results": [{"id": 1, "name": "a"}, {"id": "x", "name": "b"}]}"#);
        assert_eq!(wrong.path, "results[1].id");
        assert!(wrong.message.starts_with("invalid type: string \"x\", expected i64"), "{wrong:?}");
        assert_eq!(tell("{}").message.split(" at ").next(), Some("missing field `results`"));
        assert_eq!(tell(r#"{"results": null}"#).path, "results");
        assert!(tell(r#"{"results": [{"id": 1,"#).message.starts_with("the answer ends in the middle"));
        assert_eq!((tell(r#"{"resu"#).path, tell(r#"{"results": [{"id": 1,"#).path), (String::new(), "results[0]".to_owned()));
        assert_eq!(tell(" \n").message, "the body is empty");
        assert_eq!(tell("<html>").path, "");
        assert!(tell(r#"{"results": []} x"#).message.starts_with("trailing characters"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_a_value_and_never_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<serde_json::Value>(&body);
            let _ = decode::<Page>(&body);
        }

        #[test]
        fn whole_texts_hold_no_half(text in any::<String>()) {
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(lone_surrogates(ascii.as_bytes()), Vec::<usize>::new());
            prop_assert_eq!(lone_surrogates(serde_json::to_string(&text).unwrap().as_bytes()), Vec::<usize>::new());
        }

        #[test]
        fn any_code_units_make_a_text(units in prop::collection::vec(0xd700_u16..0xe100, 0..8)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text: String = decode(format!("\"{escaped}\"").as_bytes()).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }
    }
}
