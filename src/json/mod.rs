//! [`Json`]: a free-form value, kept as the server's own text and parsed at the first look.

mod draft;
mod finite;
mod raw_value;
pub(crate) mod scan;

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
pub(crate) use finite::unwritable;
pub(crate) use raw_value::raw_value;

use crate::redact::redact;

/// Any JSON value, kept as the text that the server sent: `metrics`, `configuration`, `data`, `files` and other
/// free-form fields.
///
/// Nothing is parsed before it is looked at, so that a list of a million events costs no tree of values, and big
/// integers, key order and the spelling of numbers stay as they were.
///
/// - [`Index`] looks into it: `model.metrics["accuracy"]`. What isn't there is null; indexing never panics.
/// - [`decode`](Json::decode) goes straight to a type of yours.
/// - [`text`](Json::text) is the server's text, and serialising to JSON writes just that.
/// - [`json!`](crate::json!) makes one, and so does `From<serde_json::Value>`.
///
/// `Debug` shows the text with the queries of URLs cut out, since signed URLs are credentials.
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
    /// The value, once somebody looked; or why there is none.
    value: OnceLock<Box<Result<Value, JsonError>>>,
}

/// Why a [`Json`] has no value: its text can't be parsed into one, or it was made from something that JSON can't hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    problem: String,
    /// Set where nothing was parsed: the value could not be written as JSON in the first place.
    unwritable: bool,
}

impl JsonError {
    fn unparsable(error: &serde_json::Error) -> Self {
        JsonError { problem: error.to_string(), unwritable: false }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for JsonError {}

static NULL: Value = Value::Null;

impl Json {
    /// Writes a value of yours as JSON.
    ///
    /// # Errors
    /// Where the value holds a NaN or an infinity (the error names each place), or can't be written as JSON.
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
        Json { raw, value: OnceLock::new() }
    }

    /// A value that JSON can't hold: sending it is an error that tells `problem`.
    fn from_problem(problem: String) -> Self {
        let json = Json::default();
        let _ = json.value.set(Box::new(Err(JsonError { problem, unwritable: true })));
        json
    }

    fn unwritable(&self) -> Option<&JsonError> {
        self.value.get().and_then(|value| value.as_ref().as_ref().err()).filter(|error| error.unwritable)
    }

    /// The JSON text, as it came.
    pub fn text(&self) -> &str {
        self.raw.get()
    }

    /// Whether it is null, which also stands for a field that the server left out.
    pub fn is_null(&self) -> bool {
        self.text() == "null" && self.unwritable().is_none()
    }

    /// The value, parsed at the first call; null where the text can't be parsed (see [`try_value`](Json::try_value)).
    pub fn value(&self) -> &Value {
        self.try_value().unwrap_or(&NULL)
    }

    /// The value, parsed at the first call.
    ///
    /// # Errors
    /// Where the text is JSON by its form but no value can hold it: half a surrogate pair (`"\ud83d"`), a number out of
    /// range (`1e999`), or more than 128 levels of nesting. The text itself stays available.
    ///
    /// ```
    /// # use synapse_backend_client::Json;
    /// let odd: Json = r#"{"n": 1e999}"#.parse()?;
    /// assert!(odd.try_value().is_err());
    /// assert!(odd["n"].is_null());
    /// assert_eq!(odd.text(), r#"{"n": 1e999}"#);
    /// # Ok::<(), synapse_backend_client::JsonError>(())
    /// ```
    pub fn try_value(&self) -> Result<&Value, &JsonError> {
        let parsed =
            self.value.get_or_init(|| Box::new(serde_json::from_str(self.text()).map_err(|error| JsonError::unparsable(&error))));
        (**parsed).as_ref()
    }

    /// Decodes the text into a type of yours.
    ///
    /// # Errors
    /// Where the text doesn't fit the type; the error tells line and column within the text.
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
            None => serde_json::from_str(self.text()).map_err(|error| JsonError::unparsable(&error)),
        }
    }
}

impl Default for Json {
    /// Null.
    fn default() -> Self {
        Json::from_raw(RawValue::NULL.to_owned())
    }
}

impl Clone for Json {
    fn clone(&self) -> Self {
        match self.unwritable() {
            Some(error) => Json::from_problem(error.problem.clone()),
            None => Json::from_raw(self.raw.clone()),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unwritable() {
            Some(error) => write!(f, "Json(<{error}>)"),
            None => write!(f, "Json({})", redact(self.text())),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Equal texts are equal, and so are texts of equal values.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self.unwritable(), other.unwritable()) {
            (None, None) => {
                self.text() == other.text() || matches!((self.try_value(), other.try_value()), (Ok(a), Ok(b)) if a == b)
            }
            (mine, theirs) => mine == theirs,
        }
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        self.try_value().is_ok_and(|value| value == other)
    }
}

/// Looks a key or an index up; null where there is none, or where the text can't be parsed.
impl<I: serde_json::value::Index> Index<I> for Json {
    type Output = Value;

    fn index(&self, index: I) -> &Value {
        self.value().get(index).unwrap_or(&NULL)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        // Through a `Draft`, since a value with arbitrary precision may fail to be written.
        let mut draft = Draft::new();
        draft.leaf(&value);
        draft.finish()
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

    /// The JSON `text`, kept as it is.
    fn from_str(text: &str) -> Result<Self, JsonError> {
        RawValue::from_string(text.to_owned()).map(Json::from_raw).map_err(|error| JsonError::unparsable(&error))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(error) = self.unwritable() {
            return Err(S::Error::custom(error));
        }
        // serde_json writes a raw value's text as it is; another format would write serde_json's private token, and is
        // given the value instead. serde offers no other way to tell them apart.
        if std::any::type_name::<S>().contains("serde_json") || std::any::type_name::<S>().contains(finite::MODULE) {
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
