//! [`Object`]: reads the fields of a generated struct. A value that doesn't fit its field is kept as an unknown field.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Mutex;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess};
use serde::{Deserialize, Deserializer};

use super::support::Key;
use crate::error::json_text::decode::without_position;
use crate::error::json_text::leniency::Leniency;
use crate::runtime::lock::lock;
use crate::values::json::Json;

/// The fields of an object that is being decoded, and those that its type doesn't name.
///
/// Serializers of Django REST Framework break their document: they write lists where it says a text, numbers as texts,
/// and null. A number written as a text, or the reverse, is converted. In an optional field, null is no value, and any
/// other value that doesn't fit is kept as an unknown field. A response that fits costs nothing more: only one that
/// doesn't is decoded again like this.
pub struct Object<A, V> {
    map: A,
    unknown: BTreeMap<String, V>,
    /// The type's name.
    of: &'static str,
    /// Makes an unknown field of a value that doesn't fit; `None` if such a value is an error.
    keep: Option<fn(Json) -> V>,
}

impl<'de, A: MapAccess<'de>, V: Deserialize<'de>> Object<A, V> {
    /// Reads an object of the type `of`; `keep` makes an unknown field of a value that doesn't fit.
    pub fn new(map: A, of: &'static str, keep: fn(Json) -> V) -> Self {
        let keep = (Leniency::current() == Leniency::Lenient).then_some(keep);
        Object { map, unknown: BTreeMap::new(), of, keep }
    }

    /// Reads an object in which each value must fit its field.
    pub fn strict(map: A) -> Self {
        Object { map, unknown: BTreeMap::new(), of: "", keep: None }
    }

    /// Returns the next key.
    ///
    /// # Errors
    /// Returns an error if the text is malformed.
    pub fn key(&mut self) -> Result<Option<Key<'de>>, A::Error> {
        self.map.next_key()
    }

    /// Reads a value of any shape that its type accepts.
    ///
    /// # Errors
    /// Returns an error if it has another shape.
    #[inline]
    pub fn required<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, A::Error> {
        self.map.next_value().map(Some)
    }

    /// Reads a number, a text or a boolean. A number may be a text, and a text a number.
    ///
    /// # Errors
    /// Returns an error if it has another shape.
    #[inline]
    pub fn plain<T: DeserializeOwned>(&mut self) -> Result<Option<T>, A::Error> {
        match self.keep {
            None => self.map.next_value().map(Some),
            Some(_) => self.map.next_value_seed(Plain(PhantomData)).map(Some),
        }
    }

    /// Reads the value of an optional field. Null is no value; a value of another shape becomes an unknown field.
    ///
    /// # Errors
    /// Returns an error if the text is malformed.
    #[inline]
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, A::Error> {
        match self.keep {
            None => self.map.next_value(),
            Some(keep) => self.kept(key, keep, false),
        }
    }

    /// Reads a value that is secret: its error doesn't quote it. A number may be a text, and a text a number.
    ///
    /// # Errors
    /// Returns an error if it has another shape.
    pub fn secret<T: DeserializeOwned>(&mut self) -> Result<Option<T>, A::Error> {
        self.map.next_value_seed(Secret(self.keep.is_some(), PhantomData)).map(Some)
    }

    /// Like [`optional`](Object::optional), for a value that is secret.
    ///
    /// # Errors
    /// Returns an error if the text is malformed.
    pub fn secret_optional<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, A::Error> {
        match self.keep {
            None => self.map.next_value_seed(Secret(false, PhantomData)),
            Some(keep) => self.kept(key, keep, true),
        }
    }

    fn kept<T: DeserializeOwned>(
        &mut self,
        key: &str,
        keep: fn(Json) -> V,
        is_secret: bool,
    ) -> Result<Option<T>, A::Error> {
        let json: Json = self.map.next_value()?;
        match fitting(&json) {
            Ok(value) => Ok(value),
            // It is unknown whether the value fits.
            Err((problem, true)) => Err(A::Error::custom(problem)),
            Err((problem, false)) => {
                report(self.of, key, if is_secret { SECRET } else { &problem });
                self.unknown.insert(key.to_owned(), keep(json));
                Ok(None)
            }
        }
    }

    /// Keeps the value of a field that the type doesn't name.
    ///
    /// # Errors
    /// Returns an error if the text is malformed.
    pub fn unknown(&mut self, key: Key<'de>) -> Result<(), A::Error> {
        let value = self.map.next_value()?;
        self.unknown.insert(key.0.into_owned(), value);
        Ok(())
    }

    /// Returns the unknown fields.
    pub fn into_unknown(self) -> BTreeMap<String, V> {
        self.unknown
    }
}

/// Reads a number, a text or a boolean. Its error is an error of the value, so that its path is known.
struct Plain<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Plain<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let json = Json::deserialize(deserializer)?;
        fitting(&json).map_err(|(problem, _)| D::Error::custom(problem))
    }
}

/// Reads a value whose error may not quote it. If the flag is set, a number may be a text, and a text a number.
struct Secret<T>(bool, PhantomData<T>);

/// The problem of a secret value.
const SECRET: &str = "it has another shape than the API's document says (it is secret, so it isn't shown)";

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Secret<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let decoded = match self.0 {
            true => fitting(&json),
            false => json.decode().map_err(|error| (error.to_string(), error.is_given_up())),
        };
        decoded.map_err(|(problem, given_up)| D::Error::custom(if given_up { &problem } else { SECRET }))
    }
}

/// Decodes a value; a number may be a text, and a text a number.
///
/// # Errors
/// Returns the reason, and whether decoding was given up.
fn fitting<T: DeserializeOwned>(json: &Json) -> Result<T, (String, bool)> {
    let text = json.text();
    let problem = |message: &str| without_position(message).to_owned();
    if text.starts_with(['{', '[']) {
        return json.decode().map_err(|error| (problem(&error.to_string()), error.is_given_up()));
    }
    let first = match serde_json::from_slice(text.as_bytes()) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let other = match text.as_bytes() {
        [b'"', number @ .., b'"'] if is_number(number) && is_exact(number) => {
            serde_json::from_slice(number).ok()
        }
        number if is_number(number) => serde_json::from_slice(format!("\"{text}\"").as_bytes()).ok(),
        _ => None,
    };
    other.ok_or_else(|| (problem(&first.to_string()), false))
}

/// Returns whether a text may be a number in JSON, and nothing else in it.
fn is_number(text: &[u8]) -> bool {
    matches!(text, [b'-' | b'0'..=b'9', ..])
        && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
}

/// Returns whether an `f64` can hold a decimal fraction with all its digits.
fn is_exact(number: &[u8]) -> bool {
    const DIGITS: usize = 15;
    let is_integer = number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
    let mantissa = number.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    is_integer
        || mantissa.filter(|byte| byte.is_ascii_digit()).skip_while(|byte| **byte == b'0').count() <= DIGITS
}

/// Reports once for each field that a value doesn't fit.
fn report(of: &'static str, key: &str, problem: &str) {
    static REPORTED: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
    if lock(&REPORTED).insert((of, key.to_owned())) {
        tracing::warn!(
            r#type = of,
            field = key,
            problem = %crate::error::redact::redact(problem),
            "a value has another shape than the API's document says: it is kept in `extra`"
        );
    }
}
