//! Values of an item from their JSON text. Each text is one JSON value without white space around it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An integer with fewer digits than this is exact as `f64`.
const EXACT_DIGITS: usize = 16;

/// Returns the integer; `None` if the value is something else or exceeds 64 bits.
pub(super) fn integer(json: &str) -> Option<i64> {
    json.parse().ok()
}

/// Returns the nearest `f64` of a number.
///
/// `None` if the value is something else, is infinite as `f64`, or is an integer that would be rounded.
pub(super) fn number(json: &str) -> Option<f64> {
    let value: f64 = json.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let is_integer = || !json.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if json.len() >= EXACT_DIGITS && is_integer() && format!("{value:.0}") != json {
        return None;
    }
    Some(value)
}

/// Returns the boolean.
pub(super) fn boolean(json: &str) -> Option<bool> {
    match json {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Returns the text of a string, if need be in `scratch`. `None` if the value is something else or has half a surrogate
/// pair.
pub(super) fn text<'a>(json: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let escaped = json.strip_prefix('"')?.strip_suffix('"')?;
    if !escaped.as_bytes().contains(&b'\\') {
        return Some(escaped);
    }
    scratch.clear();
    unescape(escaped, scratch)?;
    Some(scratch)
}

/// Appends the characters of a JSON string. `None` if an escape isn't valid.
fn unescape(mut escaped: &str, characters: &mut String) -> Option<()> {
    while let Some((before, after)) = escaped.split_once('\\') {
        characters.push_str(before);
        let (escape, rest) = after.split_at_checked(1)?;
        escaped = rest;
        characters.push(match escape {
            "\"" | "\\" | "/" => escape.chars().next()?,
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let (character, rest) = unicode_escape(rest)?;
                escaped = rest;
                character
            }
            _ => return None,
        });
    }
    characters.push_str(escaped);
    Some(())
}

/// Reads what comes after `\u`, both halves if it is a surrogate pair.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let (high, rest) = hexadecimal(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (low, rest) = hexadecimal(rest.strip_prefix("\\u")?)?;
    if !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?, rest))
}

fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let value = digits.chars().try_fold(0, |value, digit| Some(value * 16 + digit.to_digit(16)?))?;
    Some((value, rest))
}

/// Returns a key's bytes, by which keys are equal however they are written.
pub(super) fn key_identity(json: &str) -> Cow<'_, [u8]> {
    let escaped = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
    if !escaped.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(escaped.as_bytes());
    }
    let mut characters = String::new();
    match unescape(escaped, &mut characters) {
        Some(()) => Cow::Owned(characters.into_bytes()),
        // A byte that no text has: the key equals only itself.
        None => Cow::Owned([&[0xff], escaped.as_bytes()].concat()),
    }
}

/// Returns an id, which is an integer, or the integer `id` of an object.
pub(super) fn id_of(json: &str) -> Option<i64> {
    if !json.starts_with('{') {
        return integer(json);
    }
    serde_json::Deserializer::from_str(json).deserialize_map(IdOfObject).ok()?
}

struct IdOfObject;

impl<'de> Visitor<'de> for IdOfObject {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<i64>, A::Error> {
        let mut id = None;
        // Keys are raw, since a key with half a surrogate pair is an error for others.
        while let Some(key) = map.next_key::<&RawValue>()? {
            if *key_identity(key.get()) == *b"id" {
                id = integer(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_exact_or_nothing() {
        for (json, value) in
            [("7", 7), ("-0", 0), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(integer(json), Some(value));
        }
        for json in
            ["\"7\"", "1.5", "1e3", "1.0", "99999999999999999999", "9223372036854775808", "true", "[1]", "{}"]
        {
            assert_eq!(integer(json), None, "{json}");
        }
    }

    #[test]
    fn rounded_integers_are_no_numbers() {
        for (json, value) in [
            ("0.1", 0.1),
            ("7", 7.0),
            ("-1e3", -1000.0),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("-9007199254740994", -9_007_199_254_740_994.0),
            ("1000000000000000000000", 1e21),
            ("9007199254740993.0", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(number(json), Some(value), "{json}");
        }
        let huge = "9".repeat(400);
        for json in [
            "9007199254740993",
            "-9007199254740993",
            "100000000000000000000000",
            "1e400",
            "-1E400",
            &huge,
            "\"1\"",
            "true",
            "\"inf\"",
        ] {
            assert_eq!(number(json), None, "{json}");
        }
    }

    #[test]
    fn strings_are_unescaped() {
        for (json, expected) in [
            (r#""plain 한""#, Some("plain 한")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""a\u00e9\uD55C\ud83d\ude00\u0000z""#, Some("aé한😀\0z")),
            (r#""\ud83d""#, None),
            (r#""\ude00""#, None),
            (r#""\ud83d\n""#, None),
            (r#""\ud83d\u0041""#, None),
            (r#""\ud83d\ud83d""#, None),
            (r#""""#, Some("")),
            ("7", None),
            ("{\"a\":\"b\"}", None),
        ] {
            assert_eq!(text(json, &mut String::from("old")), expected, "{json}");
        }
    }

    #[test]
    fn id_comes_from_integer_or_object() {
        for (json, id) in [
            ("7", Some(7)),
            (r#"{"name":"x","id":7,"more":{"id":8}}"#, Some(7)),
            (r#"{"\u0069d":7}"#, Some(7)),
            (r#"{"id":7,"id":8}"#, Some(8)),
            (r#"{"\ud800":1,"id":7}"#, Some(7)),
            (r#"{"id":"7"}"#, None),
            (r#"{"id":null}"#, None),
            ("{}", None),
            ("[7]", None),
            ("\"7\"", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(id_of(json), id, "{json}");
        }
    }

    #[test]
    fn equal_keys_have_one_identity() {
        assert_eq!(key_identity(r#""id""#), key_identity(r#""\u0069d""#));
        assert_ne!(key_identity(r#""\ud800""#), key_identity(r#""\\ud800""#));
        assert_ne!(key_identity(r#""\ud800""#), key_identity(r#""\ud801""#));
    }

    proptest! {
        #[test]
        fn strings_agree_with_serde_json(json in r#""([a-zé한😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud8[0-3][0-9]\\ud[c-f][0-9a-f]{2}){0,8}""#) {
            let expected = serde_json::from_str::<String>(&json).ok();
            let mut scratch = String::new();
            prop_assert_eq!(text(&json, &mut scratch), expected.as_deref());
        }

        #[test]
        fn every_string_is_restored(expected in ".*") {
            let json = serde_json::to_string(&expected).unwrap();
            let mut scratch = String::new();
            prop_assert_eq!(text(&json, &mut scratch), Some(expected.as_str()));
        }

        #[test]
        fn numbers_agree_with_integers(value in any::<i64>()) {
            let exact = value as f64 as i128 == i128::from(value);
            prop_assert_eq!(number(&value.to_string()), exact.then_some(value as f64));
        }
    }
}
