//! Makes values of a text, with U+FFFD for each half of a surrogate pair.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::JsonError;
use crate::error::json_text::decode::{self, text_of};
use crate::error::json_text::members::literals;

/// The value. None can hold a number out of range, and one with more than 127 levels isn't made: it would be
/// dropped by recursion.
pub(super) fn value_of(text: &str) -> Result<Value, JsonError> {
    unforged(text)?;
    let value = serde_json::from_str(text).or_else(|error| match repaired(text) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    });
    value.map_err(|error| JsonError::unparsable(&error))
}

/// That no key in `text` is one of serde_json's own.
fn unforged(text: &str) -> Result<(), JsonError> {
    match decode::has_private_key(text) {
        true => Err(JsonError::new(
            "a key begins with `$serde_json::private::`, which serde_json reserves: it has no value",
        )),
        false => Ok(()),
    }
}

/// As [`value_of`], of any type. Halves within the type's `Json`s stay, unless it is decoded within another.
pub(super) fn decode<T: DeserializeOwned>(text: &str, within: bool) -> Result<T, JsonError> {
    unforged(text)?;
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // Of JSON text, half a pair is a syntax error of the reader's, and a misfit or what a choice within says
    // is none.
    match error.is_syntax().then(|| repaired(text)).flatten() {
        None => Err(JsonError::unparsable(&error)),
        Some(repaired) if within => {
            serde_json::from_str(&repaired).map_err(|error| JsonError::unparsable(&error))
        }
        Some(_) => decode::decode(text.as_bytes()).map_err(|problem| JsonError::new(&problem.message)),
    }
}

/// Drops a value of any depth.
pub(super) fn take_apart(value: Value) {
    let mut parts = vec![value];
    while let Some(part) = parts.pop() {
        match part {
            Value::Array(items) => parts.extend(items),
            Value::Object(members) => parts.extend(members.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// `text` with U+FFFD in the place of each half of a surrogate pair; nothing where it has none.
pub(super) fn repaired(text: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    for (start, literal) in literals(text) {
        if literal.contains(r"\u") && serde_json::from_str::<String>(literal).is_err() {
            repaired.push_str(text.get(copied..start)?);
            repaired.push_str(&serde_json::to_string(&text_of(literal)?).ok()?);
            copied = start + literal.len();
        }
    }
    repaired.push_str(text.get(copied..)?);
    (copied > 0).then_some(repaired)
}
