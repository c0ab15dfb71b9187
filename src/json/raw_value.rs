//! The text of a JSON value out of any deserializer: the server's own text where the source is JSON text, a rewritten
//! one where serde has buffered the value (`untagged`, `flatten`, `tag`) or the source isn't JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::finite;

/// The name by which serde_json is asked for a value's text.
const TOKEN: &str = "$serde_json::private::RawValue";

/// The value's JSON text. `RawValue` itself can't be had from serde's buffers; this can.
pub(crate) fn raw_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<RawValue>, D::Error> {
    deserializer.deserialize_newtype_struct(TOKEN, Raw)
}

/// Whether a serialiser writes a raw value's text as it is. Another would write [`TOKEN`], and is given the value instead;
/// serde offers no other way to tell them apart than their names.
pub(super) fn takes_text<S>() -> bool {
    let name = std::any::type_name::<S>();
    let knows_raw = name.contains("serde_json") || name.contains(finite::MODULE);
    // Those of serde_json's values parse the text, and take no half of a surrogate pair; those of serde write fields of their
    // own into it (`tag`, `flatten`).
    knows_raw && !["serde_json::value::", "TaggedSerializer", "FlatMapSerializer"].iter().any(|other| name.contains(other))
}

struct Raw;

fn written<E: Error>(value: &impl serde::Serialize) -> Result<Box<RawValue>, E> {
    to_raw_value(value).map_err(E::custom)
}

impl<'de> Visitor<'de> for Raw {
    type Value = Box<RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    // A buffer or a format that isn't JSON doesn't know the token and hands the value over as it is.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == TOKEN && object.is_empty() {
                return Box::<RawValue>::deserialize(MapAccessDeserializer::new(Token { map, told: false }));
            }
            object.insert(key.into_owned(), map.next_value::<Value>()?);
        }
        written(&object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items: Vec<Value> = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        written(&items)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        raw_value(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.is_finite() { written(&value) } else { Err(E::custom(format!("{value} is not a JSON number"))) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        written(&value)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(RawValue::NULL.to_owned())
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_unit()
    }
}

/// The map that serde_json makes of a raw value, with its key given back.
struct Token<A> {
    map: A,
    told: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Token<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match std::mem::replace(&mut self.told, true) {
            false => seed.deserialize(BorrowedStrDeserializer::new(TOKEN)).map(Some),
            true => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
