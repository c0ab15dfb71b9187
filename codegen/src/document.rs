//! Reads an OpenAPI document, YAML or JSON, into one JSON value.

mod files;

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::prepare::Keywords;

pub(crate) use files::{in_folder, overlay_in};
pub use files::{join, read};

/// Reads the document in `text`: JSON if it begins with `{`, otherwise YAML.
///
/// Numeric keys (`200:`) become text. YAML merges (`<<:`) are applied. Tags are dropped.
///
/// # Errors
///
/// Returns an error if the text is neither YAML nor JSON, has a duplicate key, or is not an OpenAPI
/// document of version 3.0, 3.1 or 3.2. The error is one line, and states the line number in the text if it is
/// known.
pub fn parse(text: &str) -> Result<Value, String> {
    parse_value(text).and_then(checked)
}

/// Returns the document if its version is supported.
fn checked(document: Value) -> Result<Value, String> {
    // `openapi: 3.0` without quotes is a number.
    let version = document
        .get("openapi")
        .map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned));
    match version {
        Some(version) if ["3.0", "3.1", "3.2"].iter().any(|known| is_of(&version, known)) => Ok(document),
        Some(version) => Err(format!("openapi: version {version} isn't supported (3.0, 3.1 and 3.2 are)")),
        None => Err(match document.get("swagger") {
            Some(version) => format!("swagger: version {version} isn't supported (OpenAPI 3.0 to 3.2 are)"),
            None => "not an OpenAPI document: `openapi: 3.0.x` is missing at the top".to_owned(),
        }),
    }
}

/// Returns whether a version is `known`, or one of its patches.
fn is_of(version: &str, known: &str) -> bool {
    version.strip_prefix(known).is_some_and(|patch| patch.is_empty() || patch.starts_with('.'))
}

/// Reads a text as [`parse`] does, whatever it contains.
pub(crate) fn parse_value(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    let Node(value) = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?
    } else {
        serde_norway::from_str(text).map_err(|error| format!("not YAML: {error}"))?
    };
    Ok(value)
}

/// A value of a document. It accepts numeric keys (`200:`), numbers of any size and YAML merges. It rejects
/// duplicate keys: a parser would keep only the last one, and drop the operations of a path that appears
/// twice.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    // Bounds and defaults may exceed every integer type. No rule reads them.
    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut merged = None;
        while let Some(Key(key)) = entries.next_key()? {
            let Node(value) = entries.next_value()?;
            if object.contains_key(&key) || (key == MERGE && merged.is_some()) {
                return Err(A::Error::custom(format_args!("`{key}` stands there twice")));
            }
            match value {
                value @ (Value::Object(_) | Value::Array(_)) if key == MERGE => merged = Some(value),
                value => {
                    object.insert(key, value);
                }
            }
        }
        let merged = match merged {
            Some(Value::Array(several)) => several,
            one => Vec::from_iter(one),
        };
        merged.iter().for_each(|one| object.fill(one));
        Ok(Value::Object(object))
    }

    /// Reads a tagged value (`!binary`) as if it had no tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (Key(_), value) = tagged.variant()?;
        value.newtype_variant::<Node>().map(|Node(value)| value)
    }
}

/// The key that merges other mappings into this one (YAML 1.1).
const MERGE: &str = "<<";

/// A key as JSON has it: text.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(NodeVisitor)? {
            Value::String(text) => Ok(Key(text)),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Ok(Key(plain.to_string())),
            Value::Array(_) | Value::Object(_) => Err(D::Error::custom("a list or a mapping is no key")),
        }
    }
}
