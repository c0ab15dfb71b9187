//! Other shapes in which a response may have an object: an array, or a single item. Only generated code calls this
//! module.

use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use crate::error::json_text::decode::without_position;
use crate::error::json_text::members::{members, name};
use crate::error::json_text::nested_path;
use crate::values::json::Json;

/// A type that can be a single item.
pub trait Alternatives: Sized {
    /// Reads an object, or a sequence of items.
    ///
    /// # Errors
    /// Returns an error if the value has another shape.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Reads an array as the items of a field.
///
/// # Errors
/// Returns an error if an item has another shape.
pub fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: A) -> Result<Vec<T>, A::Error> {
    Vec::deserialize(SeqAccessDeserializer::new(seq))
}

/// Returns the first value of several names that isn't null; null if all that are there are null.
pub fn first<T, const N: usize>(values: [Option<Option<T>>; N]) -> Option<Option<T>> {
    let mut first = None;
    for value in values.into_iter().flatten() {
        match value {
            Some(value) => return Some(Some(value)),
            None => first = Some(None),
        }
    }
    first
}

/// Reads an object. An object without a field of these names is the field's only item. An array is refused, unless
/// `array` is set.
///
/// # Errors
/// Returns an error if the value has another shape.
pub fn with_item<'de, T: Alternatives, D: Deserializer<'de>>(
    deserializer: D,
    names: &[&str],
    array: bool,
) -> Result<T, D::Error> {
    // The object must be read before it is known what it is.
    let json = Json::deserialize(deserializer)?;
    let text = json.text();
    if text.starts_with('[') && !array {
        return Err(D::Error::invalid_type(Unexpected::Seq, &"an object"));
    }
    let has_field = || members(text).any(|(key, _)| names.contains(&&*name(key)));
    match text.starts_with('{') && !has_field() {
        true => decode(&json).map(|Item(value)| value),
        false => decode(&json).map(|Whole(value)| value),
    }
}

fn decode<T: DeserializeOwned, E: Error>(json: &Json) -> Result<T, E> {
    json.decode().map_err(|error| {
        let message = error.to_string();
        let message = without_position(&message);
        if !error.is_given_up() {
            nested_path::locate::<T>(json.text(), message);
        }
        E::custom(message)
    })
}

/// An object, or an array of items.
struct Whole<T>(T);

impl<'de, T: Alternatives> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Whole)
    }
}

/// A single item.
struct Item<T>(T);

impl<'de, T: Alternatives> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(Single(deserializer)).map(Item)
    }
}

/// A value as a sequence of itself alone.
struct Single<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Single<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_seq(SingleAccess(Some(self.0)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct SingleAccess<D>(Option<D>);

impl<'de, D: Deserializer<'de>> SeqAccess<'de> for SingleAccess<D> {
    type Error = D::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, D::Error> {
        self.0.take().map(|deserializer| seed.deserialize(deserializer)).transpose()
    }
}

/// Adds the alternatives to the schema of an object: its `field` has the array or the item.
#[cfg(feature = "schemars")]
pub fn alternatives_schema(schema: &mut schemars::Schema, field: &str, array: bool, item: bool) {
    let object = schema.as_value().clone();
    let property = object.pointer("/properties").and_then(|all| all.get(field));
    let items = property.and_then(|property| property.get("items")).cloned().unwrap_or(true.into());
    let list = schemars::json_schema!({"type": "array", "items": items});
    let mut choices = vec![object];
    choices.extend(array.then(|| list.to_value()));
    choices.extend(item.then_some(items));
    *schema = schemars::json_schema!({"anyOf": choices});
}
