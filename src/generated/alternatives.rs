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
    nested_path::untracked(|| json.decode()).map_err(|error| {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fmt;

    use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer};

    use super::{Alternatives, first, items, with_item};
    use crate::error::json_text::decode::decode;

    thread_local! {
        static READ: Cell<usize> = const { Cell::new(0) };
    }

    /// A type like a generated one: an array or an item, which is a node again.
    #[derive(Debug, PartialEq)]
    struct Node {
        results: Vec<Node>,
        size: Option<i64>,
    }

    impl Alternatives for Node {
        fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Fields;
            impl<'de> Visitor<'de> for Fields {
                type Value = Node;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("struct Node")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                    READ.set(READ.get() + 1);
                    let mut node = Node { results: Vec::new(), size: None };
                    while let Some(key) = map.next_key::<String>()? {
                        match key.as_str() {
                            "results" => node.results = map.next_value()?,
                            "size" => node.size = map.next_value()?,
                            _ => drop(map.next_value::<IgnoredAny>()?),
                        }
                    }
                    Ok(node)
                }

                fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Node, A::Error> {
                    Ok(Node { results: items(seq)?, size: None })
                }
            }
            deserializer.deserialize_any(Fields)
        }
    }

    impl<'de> Deserialize<'de> for Node {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            with_item(deserializer, &["results", "other"], true)
        }
    }

    #[test]
    fn deep_alternatives_are_bounded() {
        for levels in [1, 3, 30, 60, 5_000, 100_000] {
            for inner in ["", "7"] {
                for (open, close) in [(r#"{"results": ["#, "]}"), ("[", "]")] {
                    READ.set(0);
                    let text = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
                    let decoded = decode::<Node>(text.as_bytes());
                    assert!(READ.get() < 100_000, "{levels}: {}", READ.get());
                    assert_eq!(decoded.is_ok(), inner.is_empty() && levels <= 60, "{levels}: {decoded:?}");
                    if levels == 3 && !inner.is_empty() {
                        let path = if open == "[" { "[0][0][0]" } else { "results[0].results[0].results[0]" };
                        assert_eq!(decoded.unwrap_err().path, path);
                    }
                }
            }
        }
        // An item that lacks the field is an item without end.
        assert!(decode::<Node>(br#"{"size": 1}"#).unwrap_err().message.contains("too"));
    }

    #[test]
    fn first_value_is_no_null() {
        assert_eq!(first([None, Some(Some(1)), Some(Some(2))]), Some(Some(1)));
        assert_eq!(first([Some(None), None, Some(Some(2))]), Some(Some(2)));
        assert_eq!(first::<i64, 2>([None, Some(None)]), Some(None));
        assert_eq!(first::<i64, 2>([None, None]), None);
    }

    #[cfg(feature = "schemars")]
    #[test]
    fn schema_has_each_alternative() {
        #[derive(schemars::JsonSchema)]
        #[schemars(transform = |schema: &mut schemars::Schema| super::alternatives_schema(schema, "results", true, true))]
        #[allow(dead_code, reason = "only described")]
        struct Page {
            results: Vec<i64>,
            next: Option<String>,
        }

        let schema = schemars::schema_for!(Page).to_value();
        let kinds = |place: &str| schema.pointer(place).cloned().unwrap_or_default();
        assert_eq!((kinds("/anyOf/0/type"), kinds("/anyOf/1/type")), ("object".into(), "array".into()));
        assert_eq!(
            (kinds("/anyOf/1/items/type"), kinds("/anyOf/2/type")),
            ("integer".into(), "integer".into())
        );
        assert_eq!(kinds("/anyOf").as_array().map(Vec::len), Some(3));
    }
}
