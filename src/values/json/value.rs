//! Parses values from text, with U+FFFD in place of each lone surrogate.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::JsonError;
use crate::error::json_text::decode::{self, text_of};
use crate::error::json_text::leniency::Leniency;
use crate::error::json_text::members::literals;

/// Parses the value. It fails for a number out of range, and for more than 127 levels, since dropping such a
/// value would recurse.
pub(super) fn value_of(text: &str) -> Result<Value, JsonError> {
    unforged(text)?;
    let value = serde_json::from_str(text).or_else(|error| match repaired(text) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    });
    value.map_err(|error| JsonError::unparsable(&error))
}

/// Checks that no key in `text` is one of serde_json's private keys.
fn unforged(text: &str) -> Result<(), JsonError> {
    match decode::has_private_key(text) {
        true => Err(JsonError::new(
            "a key begins with `$serde_json::private::`, which serde_json reserves: the text has no value",
        )),
        false => Ok(()),
    }
}

/// Like [`value_of`], for any type. Lone surrogates inside the type's `Json`s are kept, unless `within` is
/// set.
pub(super) fn decode<T: DeserializeOwned>(text: &str, within: bool) -> Result<T, JsonError> {
    unforged(text)?;
    // All values are decoded from bytes, so that the code for a type exists once.
    let read = || serde_json::from_slice(text.as_bytes());
    let first = if within { read() } else { Leniency::Strict.decode(read) };
    let error = match first {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if !within
        && error.is_data()
        && Leniency::current() == Leniency::Lenient
        && let Ok(value) = serde_json::from_slice(text.as_bytes())
    {
        return Ok(value);
    }
    // In JSON text, a lone surrogate is a syntax error of the reader. A type mismatch or an error of a nested
    // choice is not a syntax error.
    match error.is_syntax().then(|| repaired(text)).flatten() {
        None => Err(JsonError::unparsable(&error)),
        Some(repaired) if within => {
            serde_json::from_slice(repaired.as_bytes()).map_err(|error| JsonError::unparsable(&error))
        }
        Some(_) => decode::decode(text.as_bytes()).map_err(|problem| JsonError::new(&problem.message)),
    }
}

/// Drops a value of any depth without recursion.
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

/// Returns `text` with U+FFFD in place of each lone surrogate; `None` if it has none.
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
