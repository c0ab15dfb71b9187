//! The text of a JSON value out of any deserializer: the server's own text where the source is JSON text, a
//! rewritten one where serde has buffered the value (`untagged`, `flatten`, `tag`) or the source isn't JSON.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::finite;

/// The name by which serde_json is asked for a value's text.
const TOKEN: &str = "$serde_json::private::RawValue";

/// The key under which serde_json hands over a number as text, where another crate asks it to keep numbers as
/// they are.
const NUMBER: &str = "$serde_json::private::Number";

static NUMBERS_ARE_TEXT: LazyLock<bool> =
    LazyLock::new(|| serde_json::from_str::<serde_json::Number>("1e999").is_ok());

/// The value's JSON text. `RawValue` itself can't be had from serde's buffers; this can.
pub(crate) fn raw_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<RawValue>, D::Error> {
    let mut text = Text::default();
    text.deserialize(deserializer)?;
    match text.whole {
        Some(raw) => Ok(raw),
        None => RawValue::from_string(text.written).map_err(D::Error::custom),
    }
}

/// Whether a serialiser writes a raw value's text as it is. Another would write [`TOKEN`], and is given the
/// value instead; serde offers no other way to tell them apart than their names.
pub(super) fn takes_text<S>() -> bool {
    let name = std::any::type_name::<S>();
    let knows_raw = name.contains("serde_json") || name.contains(finite::MODULE);
    // Those of serde_json's values parse the text, and take no half of a surrogate pair; those of serde write
    // fields of their own into it (`tag`, `flatten`).
    knows_raw
        && !["serde_json::value::", "TaggedSerializer", "FlatMapSerializer"]
            .iter()
            .any(|other| name.contains(other))
}

/// The text, as serde_json has it; or as it is written part by part, where there are only parts.
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

    /// A raw value from serde_json, or from somebody who forged its key. `R` is what hands it over.
    fn raw<R, E: Error>(&mut self, raw: Box<RawValue>) -> Result<(), E> {
        // Only serde_json's own is known to be JSON.
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

    // A buffer or a format that isn't JSON doesn't know the token and hands the value over as it is.
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

/// An item of a list; if it isn't the first, with the comma before it.
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

/// The map that serde_json makes of a raw value, with its key given back.
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
