//! [`Json`]: a free-form value, kept as the server's text, in which keys can be looked up.

mod draft;
mod equality;
mod error;
mod finite;
mod index;
mod nesting;
mod raw_value;
mod value;

use std::fmt;
use std::ops::Index;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub use draft::Draft;
pub use error::JsonError;
pub(crate) use finite::unwritable;
pub use index::JsonIndex;
pub(crate) use raw_value::raw_value;

use crate::error::redact::excerpt;
use index::{Found, NULL};

/// Any JSON value, kept as the text that the server sent: `metrics`, `configuration`, `data`, `files` and
/// other free-form fields.
///
/// Nothing is parsed until it is needed, so a list of a million events needs no tree of values. Big integers,
/// the order of keys and the format of numbers are preserved.
///
/// - [`Index`] looks up a part: `model.metrics["accuracy"]`. Only this part is parsed, once. A missing part
///   is null; indexing never panics.
/// - [`get`](Json::get) returns a part as a `Json`, at any depth.
/// - [`decode`](Json::decode) decodes directly into your own type.
/// - [`text`](Json::text) is the server's text; serializing to JSON writes exactly this text.
/// - [`json!`](crate::json!) makes a `Json`, and so does `From<serde_json::Value>`.
///
/// JSON allows texts that no [`Value`] can represent. Such a text is kept unchanged and doesn't affect the
/// values around it:
///
/// | In the text | Result of reading it |
/// |---|---|
/// | a lone surrogate (`"\ud83d"`) | U+FFFD in its place |
/// | a number out of range (`1e999`) | null when indexed, an error from [`try_value`](Json::try_value) and [`decode`](Json::decode) |
/// | 128 or more levels of lists and objects | the same; `text`, `get` and looking up keys work at any depth |
/// | a repeated key | the last value |
/// | a key that begins with `$serde_json::private::`, which serde_json reserves | like a number out of range |
///
/// Two `Json`s are equal if their texts are equal or, if both have a value, their values are equal. Integers
/// of any length are compared digit by digit, other numbers as floating-point numbers; `1` and `1.0` differ.
/// `Debug` shows the first 4 KiB of the text without the queries of URLs, since signed URLs are credentials.
///
/// ```
/// use synapse_backend_client::{Json, json};
///
/// let metrics: Json = r#"{"accuracy": 0.920, "id": 123456789012345678901234567890}"#.parse()?;
/// assert_eq!(metrics["accuracy"], 0.92);
/// assert!(metrics["no"]["such"]["key"].is_null());
/// assert_eq!(metrics.text(), r#"{"accuracy": 0.920, "id": 123456789012345678901234567890}"#);
/// assert_eq!(json!({"accuracy": 0.92}).text(), r#"{"accuracy":0.92}"#);
/// # Ok::<(), synapse_backend_client::JsonError>(())
/// ```
pub struct Json {
    raw: Box<RawValue>,
    seen: OnceLock<Box<Seen>>,
}

/// What was parsed from a text so far.
#[derive(Default)]
struct Seen {
    /// The value, or why there is none.
    whole: OnceLock<Result<Value, JsonError>>,
    found: Found,
}

/// The maximum length of the text in `Debug`, in bytes.
const MAX_SHOWN: usize = 4 << 10;

impl Json {
    /// Serializes a value as JSON.
    ///
    /// # Errors
    /// Returns an error if the value contains a NaN or an infinity (the error names each path), is nested
    /// more than 127 levels deep, or can't be serialized as JSON.
    ///
    /// ```
    /// # use synapse_backend_client::Json;
    /// assert_eq!(Json::new(&vec![1, 2])?.text(), "[1,2]");
    /// assert!(Json::new(&f64::NAN).is_err());
    /// # Ok::<(), synapse_backend_client::JsonError>(())
    /// ```
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let mut draft = Draft::new();
        draft.leaf(value);
        let json = draft.finish();
        match json.unwritable() {
            Some(error) => Err(error.clone()),
            None => Ok(json),
        }
    }

    fn from_raw(raw: Box<RawValue>) -> Self {
        Json { raw, seen: OnceLock::new() }
    }

    /// Makes a placeholder for a value that JSON can't represent: sending it is an error with this problem.
    fn from_problem(error: JsonError) -> Self {
        let json = Json::default();
        let _ = json.seen().whole.set(Err(error));
        json
    }

    fn unwritable(&self) -> Option<&JsonError> {
        self.made()?.as_ref().err().filter(|error| error.is_unwritable())
    }

    fn seen(&self) -> &Seen {
        self.seen.get_or_init(Box::default)
    }

    /// Returns the value if it was parsed before.
    fn made(&self) -> Option<&Result<Value, JsonError>> {
        self.seen.get()?.whole.get()
    }

    /// Returns the unchanged JSON text.
    pub fn text(&self) -> &str {
        self.raw.get()
    }

    /// Returns whether the value is null or the field is missing.
    pub fn is_null(&self) -> bool {
        self.text() == "null" && self.unwritable().is_none()
    }

    /// Returns the value, parsed at the first call; null if the text can't be parsed (see
    /// [`try_value`](Json::try_value)). In the worst case, a text of many small objects, it takes up to 100
    /// times the text's length in memory.
    pub fn value(&self) -> &Value {
        self.try_value().unwrap_or(&NULL)
    }

    /// Returns the value, parsed at the first call. Each lone surrogate in a string (`"\ud83d"`) becomes
    /// U+FFFD.
    ///
    /// # Errors
    /// Returns an error if the text is valid JSON that no value can represent: it has a number out of range
    /// (`1e999`), or 128 or more levels of lists and objects. The text itself and its other parts are still
    /// available.
    ///
    /// ```
    /// # use synapse_backend_client::Json;
    /// let odd: Json = r#"{"n": 1e999, "label": "bus \ud83d"}"#.parse()?;
    /// assert!(odd.try_value().is_err());
    /// assert!(odd["n"].is_null());
    /// assert_eq!(odd["label"], "bus \u{fffd}");
    /// assert_eq!(odd.text(), r#"{"n": 1e999, "label": "bus \ud83d"}"#);
    /// # Ok::<(), synapse_backend_client::JsonError>(())
    /// ```
    pub fn try_value(&self) -> Result<&Value, &JsonError> {
        let whole = &self.seen().whole;
        whole.get_or_init(|| value::value_of(self.text())).as_ref()
    }

    /// Returns the member with this key, or the item at this position, with its unchanged text; `None` if
    /// there is none. Unlike indexing, it works at any depth, and copies the returned text.
    ///
    /// ```
    /// # use synapse_backend_client::Json;
    /// let statistics: Json = r#"{"classes": [{"name": "bus", "share": 0.250}]}"#.parse()?;
    /// let first = statistics.get("classes").and_then(|classes| classes.get(0)).unwrap();
    /// assert_eq!(first.text(), r#"{"name": "bus", "share": 0.250}"#);
    /// assert!(first.get("no such key").is_none());
    /// # Ok::<(), synapse_backend_client::JsonError>(())
    /// ```
    pub fn get(&self, index: impl JsonIndex) -> Option<Json> {
        let part = self.part(index)?;
        RawValue::from_string(part.to_owned()).ok().map(Json::from_raw)
    }

    /// Returns the text of the member with this key, or of the item at this position.
    pub(crate) fn part(&self, index: impl JsonIndex) -> Option<&str> {
        index.step().find(self.text())
    }

    /// Decodes the text into your own type. Each lone surrogate in a string (`"\ud83d"`) becomes U+FFFD, as
    /// it does in a response; inside a `Json` it is kept.
    ///
    /// # Errors
    /// Returns an error if the text doesn't fit the type, or contains a value that the type can't represent:
    /// a number out of range, or 128 or more levels of lists and objects. The error contains line and column
    /// in the text.
    ///
    /// ```
    /// # use synapse_backend_client::json;
    /// #[derive(serde::Deserialize)]
    /// struct Metrics { accuracy: f64 }
    /// let metrics: Metrics = json!({"accuracy": 0.92}).decode()?;
    /// assert_eq!(metrics.accuracy, 0.92);
    /// # Ok::<(), synapse_backend_client::JsonError>(())
    /// ```
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        match self.unwritable() {
            Some(error) => Err(error.clone()),
            None => nesting::bounded(self.text(), |within| value::decode(self.text(), within)),
        }
    }
}

impl Default for Json {
    /// Returns null.
    fn default() -> Self {
        Json::from_raw(RawValue::NULL.to_owned())
    }
}

impl Clone for Json {
    fn clone(&self) -> Self {
        match self.unwritable() {
            Some(error) => Json::from_problem(error.clone()),
            None => Json::from_raw(self.raw.clone()),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unwritable() {
            Some(error) => write!(f, "Json(<{error}>)"),
            None => write!(f, "Json({})", excerpt(self.text(), MAX_SHOWN)),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Compares texts first, then values: integers digit by digit. A `Json` without a value only equals one with
/// the same text or the same error.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self.unwritable(), other.unwritable()) {
            (None, None) => self.text() == other.text() || equality::are_equal(self.text(), other.text()),
            (mine, theirs) => mine == theirs,
        }
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        self.try_value().is_ok_and(|value| value == other)
    }
}

/// Looks up a key or a position; null if there is none, or if no value can represent it. Each part is parsed
/// once, and only this part.
impl<I: JsonIndex> Index<I> for Json {
    type Output = Value;

    fn index(&self, index: I) -> &Value {
        let step = index.step();
        match self.made() {
            Some(Ok(whole)) => step.in_value(whole),
            Some(Err(error)) if error.is_unwritable() => &NULL,
            _ => self.seen().found.look_up(self.text(), step),
        }
    }
}

impl From<Value> for Json {
    /// A value nested more than 127 levels deep, which can only be built in code, makes sending the `Json` an
    /// error.
    fn from(value: Value) -> Self {
        // A `Draft` is needed because writing a value with arbitrary precision may fail.
        let mut draft = Draft::new();
        draft.leaf(&value);
        let json = draft.finish();
        if json.unwritable().is_some() {
            value::take_apart(value);
        }
        json
    }
}

impl From<&Json> for Json {
    fn from(value: &Json) -> Self {
        value.clone()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Json::from_raw(raw)
    }
}

impl FromStr for Json {
    type Err = JsonError;

    /// Parses JSON text, which is kept unchanged.
    fn from_str(text: &str) -> Result<Self, JsonError> {
        RawValue::from_string(text.to_owned())
            .map(Json::from_raw)
            .map_err(|error| JsonError::unparsable(&error))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(error) = self.unwritable() {
            return Err(S::Error::custom(error));
        }
        if raw_value::takes_text::<S>() {
            self.raw.serialize(serializer)
        } else {
            self.try_value().map_err(S::Error::custom)?.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        raw_value(deserializer).map(Json::from_raw)
    }
}

#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[cfg(test)]
mod tests;
