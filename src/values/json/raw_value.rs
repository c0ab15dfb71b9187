//! Reads the text of a JSON value from any deserializer. If the source is JSON text, it is the server's own
//! text. If serde buffered the value (`untagged`, `flatten`, `tag`) or the source isn't JSON, the text is
//! rewritten.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::finite;

/// The name that asks serde_json for a value's text.
const TOKEN: &str = "$serde_json::private::RawValue";

/// The key under which serde_json passes a number as text, if another crate enabled arbitrary precision.
const NUMBER: &str = "$serde_json::private::Number";

static NUMBERS_ARE_TEXT: LazyLock<bool> =
    LazyLock::new(|| serde_json::from_str::<serde_json::Number>("1e999").is_ok());

/// Returns the value's JSON text. `RawValue` itself can't be read from serde's buffers.
pub(crate) fn raw_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<RawValue>, D::Error> {
    let mut text = Text::default();
    text.deserialize(deserializer)?;
    match text.whole {
        Some(raw) => Ok(raw),
        None => RawValue::from_string(text.written).map_err(D::Error::custom),
    }
}

/// Returns whether a serializer writes a raw value's text unchanged. Another serializer would write
/// [`TOKEN`], so it receives the value instead. serde offers no way to distinguish them except their type
/// names.
pub(super) fn takes_text<S>() -> bool {
    let name = std::any::type_name::<S>();
    let knows_raw = name.contains("serde_json") || name.contains(finite::MODULE);
    // serde_json's value serializers parse the text and reject a lone surrogate. serde's own serializers
    // write additional fields into the value (`tag`, `flatten`).
    knows_raw
        && !["serde_json::value::", "TaggedSerializer", "FlatMapSerializer"]
            .iter()
            .any(|other| name.contains(other))
}

/// The text as serde_json provides it, or as it is written part by part if only parts are available.
#[derive(Default)]
struct Text {
    whole: Option<Box<RawValue>>,
    written: String,
}

impl Text {
    fn write<E: Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        self.written.push_str(&serde_json::to_string(value).map_err(E::custom)?);
        Ok(())
    }

    /// Accepts a raw value from serde_json, or from someone who forged its key. `R` is the type that provides
    /// it.
    fn raw<R, E: Error>(&mut self, raw: Box<RawValue>) -> Result<(), E> {
        // Only the text from serde_json itself is known to be JSON.
        let raw = match std::any::type_name::<R>().starts_with("serde_json::raw::") {
            true => raw,
            false => RawValue::from_string(raw.get().to_owned()).map_err(E::custom)?,
        };
        match self.written.is_empty() {
            true => self.whole = Some(raw),
            false => self.written.push_str(raw.get()),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Text {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_newtype_struct(TOKEN, self)
    }
}

impl<'de> Visitor<'de> for &mut Text {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    // A buffer or a format other than JSON doesn't know the token and passes the plain value.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut next = map.next_key::<Cow<'de, str>>()?;
        if next.as_deref() == Some(TOKEN) {
            let raw =
                Box::<RawValue>::deserialize(MapAccessDeserializer::new(Token { map, key_given: false }))?;
            return self.raw::<A, _>(raw);
        }
        if next.as_deref() == Some(NUMBER) && *NUMBERS_ARE_TEXT {
            let number: serde_json::Number =
                map.next_value::<Cow<'de, str>>()?.parse().map_err(A::Error::custom)?;
            return self.write(&number);
        }
        self.written.push('{');
        let mut first = true;
        while let Some(key) = next {
            if !std::mem::take(&mut first) {
                self.written.push(',');
            }
            self.write(&*key)?;
            self.written.push(':');
            map.next_value_seed(&mut *self)?;
            next = map.next_key()?;
        }
        self.written.push('}');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.written.push('[');
        let mut first = true;
        while seq.next_element_seed(Item { text: &mut *self, first })?.is_some() {
            first = false;
        }
        self.written.push(']');
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if value.is_finite() {
            self.write(&value)
        } else {
            Err(E::custom(format!("{value} is not a JSON number")))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.write(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write(&())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.write(&())
    }
}

/// An item of a list; unless it is the first, a comma is written before it.
struct Item<'t> {
    text: &'t mut Text,
    first: bool,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.first {
            self.text.written.push(',');
        }
        self.text.deserialize(deserializer)
    }
}

/// The map in which serde_json passes a raw value, with its key restored.
struct Token<A> {
    map: A,
    key_given: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Token<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match std::mem::replace(&mut self.key_given, true) {
            false => seed.deserialize(BorrowedStrDeserializer::new(TOKEN)).map(Some),
            true => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
