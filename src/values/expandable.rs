//! [`Expandable`]: a related object, as its id or, if the server expands it, as the object itself.

use std::fmt;
use std::ops::Index;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::values::json::{Json, JsonError, JsonIndex, raw_value};

/// A related object: its id, the object itself if the server expands it, or null.
///
/// ```
/// use synapse_backend_client::Expandable;
///
/// let id: Expandable = serde_json::from_str("123")?;
/// assert_eq!(id.id(), Some(123));
/// let object: Expandable = serde_json::from_str(r#"{"id": 7, "name": "street scenes"}"#)?;
/// assert_eq!(object.id(), Some(7));
/// assert_eq!(object["name"], "street scenes");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Expandable(Inner);

#[derive(Clone, Default, PartialEq)]
enum Inner {
    #[default]
    Null,
    Id(i64),
    Other(Json),
}

static NULL: Value = Value::Null;

impl Expandable {
    /// Returns the id: the number itself, or the object's `id`. `None` if there is no object or its id isn't
    /// a number.
    pub fn id(&self) -> Option<i64> {
        match &self.0 {
            Inner::Null => None,
            Inner::Id(id) => Some(*id),
            Inner::Other(json) => json.part("id")?.parse().ok(),
        }
    }

    /// Returns the expanded object, or another value such as a string if the server sent one; `None` for a
    /// bare id or null.
    pub fn object(&self) -> Option<&Json> {
        match &self.0 {
            Inner::Other(json) => Some(json),
            _ => None,
        }
    }

    /// Returns whether there is no object: the field is null or missing.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Inner::Null)
    }

    /// Decodes the id or the object into your own type.
    ///
    /// # Errors
    /// Returns an error if the value doesn't fit the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        match &self.0 {
            Inner::Null => Json::default().decode(),
            Inner::Id(id) => Json::from(Value::from(*id)).decode(),
            Inner::Other(json) => json.decode(),
        }
    }
}

/// Returns the value of a key of the expanded object; null for a bare id.
impl<I: JsonIndex> Index<I> for Expandable {
    type Output = Value;

    fn index(&self, index: I) -> &Value {
        self.object().map_or(&NULL, |json| &json[index])
    }
}

impl PartialEq<i64> for Expandable {
    fn eq(&self, other: &i64) -> bool {
        self.id() == Some(*other)
    }
}

impl From<i64> for Expandable {
    fn from(id: i64) -> Self {
        Expandable(Inner::Id(id))
    }
}

impl From<Json> for Expandable {
    fn from(json: Json) -> Self {
        match json.text().parse() {
            Ok(id) => Expandable(Inner::Id(id)),
            Err(_) if json.is_null() => Expandable(Inner::Null),
            Err(_) => Expandable(Inner::Other(json)),
        }
    }
}

impl fmt::Debug for Expandable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Null => f.write_str("Expandable(null)"),
            Inner::Id(id) => write!(f, "Expandable({id})"),
            Inner::Other(json) => f.debug_tuple("Expandable").field(json).finish(),
        }
    }
}

impl fmt::Display for Expandable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Null => f.pad("null"),
            Inner::Id(id) => id.fmt(f),
            Inner::Other(json) => json.fmt(f),
        }
    }
}

impl Serialize for Expandable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Inner::Null => serializer.serialize_unit(),
            Inner::Id(id) => serializer.serialize_i64(*id),
            Inner::Other(json) => json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Expandable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        raw_value(deserializer).map(|raw| Json::from(raw).into())
    }
}

#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
impl schemars::JsonSchema for Expandable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expandable".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["integer", "string", "object", "null"]})
    }
}

#[cfg(test)]
mod tests {
    use super::Expandable;

    #[test]
    fn every_expandable_shape_round_trips() {
        for (text, id, object) in [
            ("null", None, false),
            ("9007199254740993", Some(9_007_199_254_740_993), false),
            (r#"{"id": 7, "big": 123456789012345678901234567890}"#, Some(7), true),
            (r#""a-code""#, None, true),
            ("99999999999999999999", None, true),
        ] {
            let related: Expandable = serde_json::from_str(text).unwrap();
            assert_eq!((related.id(), related.object().is_some()), (id, object), "{text}");
            assert_eq!(serde_json::to_string(&related).unwrap(), text);
            assert!(related["no"].is_null());
        }
    }
}
