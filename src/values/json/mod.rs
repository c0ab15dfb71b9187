//! [`Json`]: a free-form value, kept as the server's own text, in which keys are looked up.

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
/// Nothing is parsed before it is looked at, so that a list of a million events costs no tree of values, and
/// big integers, key order and the spelling of numbers stay as they were.
///
/// - [`Index`] looks into it: `model.metrics["accuracy"]`. Only what is looked up is parsed, once. What isn't
///   there is null; indexing never panics.
/// - [`get`](Json::get) gives a part of it as a `Json`, of any depth.
/// - [`decode`](Json::decode) goes straight to a type of yours.
/// - [`text`](Json::text) is the server's text, and serialising to JSON writes just that.
/// - [`json!`](crate::json!) makes one, and so does `From<serde_json::Value>`.
///
/// JSON allows texts that no [`Value`] can hold; each is kept as it is, and does no harm to what stands
/// beside it:
///
/// | In the text | What is read from it |
/// |---|---|
/// | half a surrogate pair (`"\ud83d"`) | U+FFFD in its place |
/// | a number out of range (`1e999`) | null when indexed, an error of [`try_value`](Json::try_value) and [`decode`](Json::decode) |
/// | 128 levels of lists and objects, or more | the same; `text`, `get` and looking up keys work at any depth |
/// | a key twice | the last one |
/// | a key that begins with `$serde_json::private::`, which means something to serde_json | as a number out of range |
///
/// Two are equal if their texts are equal or, where both have a value, their values are: integers digit by
/// digit, whatever their length, other numbers as floating-point numbers; `1` and `1.0` differ. `Debug` shows
/// the first 4 KiB of the text with the queries of URLs cut out, since signed URLs are credentials.
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

/// What was made of a text, once somebody looked.
#[derive(Default)]
struct Seen {
    /// The value; or why there is none.
    whole: OnceLock<Result<Value, JsonError>>,
    found: Found,
}

/// How much of the text `Debug` shows, in bytes.
const SHOWN: usize = 4 << 10;

impl Json {
    /// Writes a value of yours as JSON.
    ///
    /// # Errors
    /// Returns an error if the value holds a NaN or an infinity (the error names each place), is nested more
    /// than 127 levels deep, or can't be written as JSON.
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

    /// A value that JSON can't hold: sending it is an error that tells the problem.
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

    /// The value, if somebody asked for it before.
    fn made(&self) -> Option<&Result<Value, JsonError>> {
        self.seen.get()?.whole.get()
    }

    /// The JSON text, as it came.
    pub fn text(&self) -> &str {
        self.raw.get()
    }

    /// Whether it is null, which also stands for a field that the server left out.
    pub fn is_null(&self) -> bool {
        self.text() == "null" && self.unwritable().is_none()
    }

    /// The value, parsed at the first call; null where the text can't be parsed (see
    /// [`try_value`](Json::try_value)). It takes up to 100 times the text's length in memory, in the worst
    /// case: one of many small objects.
    pub fn value(&self) -> &Value {
        self.try_value().unwrap_or(&NULL)
    }

    /// The value, parsed at the first call. Half a surrogate pair in a text (`"\ud83d"`) is U+FFFD in it.
    ///
    /// # Errors
    /// Returns an error if the text is JSON by its form but no value can hold it: it has a number out of
    /// range (`1e999`), or 128 levels of lists and objects or more. The text itself and what else is in it
    /// stay available.
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

    /// The member with this key, or the item at this position, as it is in the text; `None` if there is none.
    /// Unlike indexing it takes any depth, and costs a copy of what it gives.
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

    /// The text of the member with this key, or of the item at this position.
    pub(crate) fn part(&self, index: impl JsonIndex) -> Option<&str> {
        index.step().find(self.text())
    }

    /// Decodes the text into a type of yours. Half a surrogate pair in a text (`"\ud83d"`) becomes U+FFFD, as
    /// it does in an answer; within a `Json` it stays.
    ///
    /// # Errors
    /// Returns an error if the text doesn't fit the type, or holds what the type would have to and can't: a
    /// number out of range, or 128 levels of lists and objects or more. The error tells line and column
    /// within the text.
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
    /// Null.
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
            None => write!(f, "Json({})", excerpt(self.text(), SHOWN)),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Equal texts are equal, and so are texts of equal values, their integers compared digit by digit. Texts
/// without a value are equal to none but their like.
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

/// Looks a key or a position up; null where there is none, or where no value can hold what is there. Each is
/// parsed once, and nothing beside it.
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
    /// One that is nested more than 127 levels deep, and was made by hand then, is refused when it is sent.
    fn from(value: Value) -> Self {
        // Through a `Draft`, since a value with arbitrary precision may fail to be written.
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

    /// The JSON `text`, kept as it is.
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
