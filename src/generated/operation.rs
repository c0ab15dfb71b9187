//! The traits that the generated code implements: setters build an [`Operation`], which becomes a request.
//! This module sends nothing.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Result;
use crate::generated::raw_body::RawBody;
use crate::transport::{ByteStream, IncomingResponse};
use crate::values::json::unwritable;

/// An operation of the API with its parameters, as returned by the methods of
/// [`raw::Client`](crate::generated::raw::Client).
///
/// Only the builders generated from the OpenAPI document implement it: id, method, path template and response
/// type. [`BackendClient::call`](crate::BackendClient::call) sends one.
pub trait Operation: Sealed + Sized + Send {
    /// The type that the response is decoded into.
    type Output: Send + 'static;
    #[doc(hidden)]
    type Decoder: ResponseDecoder<Output = Self::Output> + 'static;
    /// The `operationId` in the document.
    const ID: &'static str;
    /// The path's template, such as `/models/{id}/`.
    const PATH: &'static str;
    /// Whether the response is a page of a list.
    const LIST: bool;
    /// Builds the request, without credentials, or returns all invalid parameters.
    #[doc(hidden)]
    fn into_request(self) -> std::result::Result<reqwest::Request, Invalid>;
}

/// Restricts [`Operation`] to the generated code.
pub trait Sealed {}

/// A page of a list: any generated type with a `results` field.
pub trait Page {
    /// The type of the items.
    type Item;
    /// Returns the items, in the server's order.
    fn results(&self) -> &[Self::Item];
    /// Returns the owned items.
    fn into_results(self) -> Vec<Self::Item>;
    /// Returns the number of items in the whole list; `None` for a list with cursor pagination, which has no
    /// count.
    fn count(&self) -> Option<i64>;
    /// Returns the URL of the next page.
    fn next(&self) -> Option<&str>;
    /// Returns the URL of the previous page.
    fn previous(&self) -> Option<&str>;
}

/// Decodes a response into the operation's output.
#[doc(hidden)]
pub trait ResponseDecoder {
    type Output;
    fn read(response: Box<IncomingResponse>) -> impl Future<Output = Result<Self::Output>> + Send + 'static;
}

/// Decodes a JSON response.
#[doc(hidden)]
pub struct JsonDecoder<T>(PhantomData<T>);

impl<T: DeserializeOwned + Send + 'static> ResponseDecoder for JsonDecoder<T> {
    type Output = T;

    fn read(response: Box<IncomingResponse>) -> impl Future<Output = Result<T>> + Send + 'static {
        response.json()
    }
}

/// Decodes a JSON response with the status `WITH`; with another status, the body may be missing.
#[doc(hidden)]
#[allow(dead_code, reason = "which responses there are depends on the document")]
pub struct OptionalJsonDecoder<T, const WITH: u16>(PhantomData<T>);

impl<T: DeserializeOwned + Send + 'static, const WITH: u16> ResponseDecoder for OptionalJsonDecoder<T, WITH> {
    type Output = Option<T>;

    async fn read(response: Box<IncomingResponse>) -> Result<Option<T>> {
        match response.status().as_u16() == WITH {
            true => response.json().await.map(Some),
            false => response.json_if_any().await,
        }
    }
}

/// Discards the response's body, if there is one.
#[doc(hidden)]
#[allow(dead_code, reason = "which responses there are depends on the document")]
pub struct EmptyDecoder;

impl ResponseDecoder for EmptyDecoder {
    type Output = ();

    async fn read(response: Box<IncomingResponse>) -> Result<()> {
        response.bytes().await.map(drop)
    }
}

/// Returns the response's bytes as a stream.
#[doc(hidden)]
#[allow(dead_code, reason = "which responses there are depends on the document")]
pub struct BytesDecoder;

impl ResponseDecoder for BytesDecoder {
    type Output = ByteStream;

    async fn read(response: Box<IncomingResponse>) -> Result<ByteStream> {
        Ok(response.stream())
    }
}

/// All invalid parameters of an operation.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Invalid {
    pub(crate) problems: Vec<String>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl From<String> for Invalid {
    fn from(problem: String) -> Self {
        Invalid { problems: problem.lines().map(str::to_owned).collect() }
    }
}

impl From<reqwest::Error> for Invalid {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Invalid::from(format!("the request can't be built: {error}{source}"))
    }
}

impl From<reqwest::header::InvalidHeaderValue> for Invalid {
    fn from(_: reqwest::header::InvalidHeaderValue) -> Self {
        Invalid::from("a header parameter contains an invalid character, such as a line break".to_owned())
    }
}

/// Reports all problems together, not only the first.
pub(crate) fn all_valid(problems: &[Option<&String>]) -> std::result::Result<(), Invalid> {
    if problems.iter().all(Option::is_none) {
        return Ok(());
    }
    Err(Invalid {
        problems: problems.iter().flatten().flat_map(|problem| problem.lines()).map(str::to_owned).collect(),
    })
}

/// Converts a parameter's value. The error message names the field, the value and the expected type.
pub(crate) fn convert<T, V>(field: &str, expected: &str, value: V) -> std::result::Result<T, String>
where
    V: TryInto<T> + fmt::Debug,
    V::Error: fmt::Display,
{
    // An uninhabited error type has size zero: then no text is needed for the message.
    let fallible = size_of::<std::result::Result<(), V::Error>>() > 0;
    let shown = if fallible { shown(&value) } else { String::new() };
    value.try_into().map_err(|error| format!("`{field}`: {shown} is not {expected}: {error}"))
}

/// Like [`convert`], for a field of a body: values that JSON can't represent are reported as problems of the
/// field, together with all others.
pub(crate) fn convert_field<T, V>(field: &str, expected: &str, value: V) -> std::result::Result<T, String>
where
    T: Serialize,
    V: TryInto<T> + fmt::Debug,
    V::Error: fmt::Display,
{
    let value = convert::<T, V>(field, expected, value)?;
    let problems = unwritable(&value);
    match problems.is_empty() {
        true => Ok(value),
        false => {
            Err(problems.iter().map(|problem| format!("{field}: {problem}")).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The length limits of a body's strings in the document. The server checks them. This crate only checks them
/// where a file would otherwise be uploaded in vain.
pub(crate) trait Lengths {
    #[allow(dead_code, reason = "which bodies go with a file depends on the document")]
    fn length_problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A field of a body that is a string, or an optional or nullable string.
#[allow(dead_code, reason = "which lengths there are depends on the document")]
pub(crate) trait Text {
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: Text> Text for Option<T> {
    fn text(&self) -> Option<&str> {
        self.as_ref()?.text()
    }
}

/// Returns what is wrong with the length of a string, in characters.
#[allow(dead_code, reason = "which lengths there are depends on the document")]
pub(crate) fn length_problem<T: Text>(
    field: &str,
    value: &std::result::Result<T, String>,
    least: u64,
    most: u64,
    blank: bool,
) -> Option<String> {
    let text = value.as_ref().ok()?.text()?;
    let length = text.chars().count() as u64;
    if (text.is_empty() && least > 0) || (text.trim().is_empty() && !blank) {
        Some(format!("`{field}` is blank: the API requires text that isn't blank"))
    } else if length < least {
        Some(format!("`{field}` has {length} characters: the API requires at least {least}"))
    } else {
        (length > most).then(|| format!("`{field}` has {length} characters: the API allows at most {most}"))
    }
}

/// Like [`convert_field`], for a list whose values are converted one by one.
#[allow(dead_code, reason = "which lists there are depends on the document")]
pub(crate) fn convert_list<T, V, I>(
    field: &str,
    expected: &str,
    values: I,
) -> std::result::Result<Vec<T>, String>
where
    I: IntoIterator<Item = V>,
    T: Serialize,
    V: TryInto<T> + fmt::Debug,
    V::Error: fmt::Display,
{
    let mut list = Vec::new();
    let mut problems = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        match convert_field::<T, V>(&format!("{field}[{index}]"), expected, value) {
            Ok(value) => list.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(list),
        false => Err(problems.join("\n")),
    }
}

/// Returns the beginning of a value's `Debug` output.
fn shown(value: &impl fmt::Debug) -> String {
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = 60_usize.saturating_sub(self.0.chars().count());
            self.0.extend(text.chars().take(room));
            if text.chars().count() > room {
                self.0.push('…');
                return Err(fmt::Error);
            }
            Ok(())
        }
    }
    let mut short = Short(String::new());
    let _ = write!(short, "{value:?}");
    crate::error::redact::redact(&short.0).into_owned()
}

/// The characters to percent-encode in a path segment: all that RFC 3986 doesn't allow there.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Encodes a path parameter as one segment. `.`, `..` and an empty value are errors: the URL parser would
/// resolve them into another path.
pub(crate) fn path_segment(field: &str, value: &str) -> std::result::Result<String, Invalid> {
    match value {
        "" => Err(Invalid::from(format!("`{field}` is empty: it is part of the path"))),
        "." | ".." => Err(Invalid::from(format!("`{field}`: {value:?} can't be part of a path"))),
        _ => Ok(utf8_percent_encode(value, SEGMENT).to_string()),
    }
}

/// Returns a body as JSON. A number that isn't finite is a problem that names the field; serde_json would
/// silently write null.
pub(crate) fn json_body<T: Serialize + ?Sized>(body: &T) -> std::result::Result<Vec<u8>, Invalid> {
    let problems: Vec<String> = unwritable(body).iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(Invalid { problems });
    }
    serde_json::to_vec(body)
        .map_err(|error| Invalid::from(format!("the body can't be written as JSON: {error}")))
}

/// Like [`json_body`], for an operation with an optional body: without a body, no media type is set.
#[allow(dead_code, reason = "which bodies there are depends on the document")]
pub(crate) fn optional_json<T: Serialize>(
    request: reqwest::RequestBuilder,
    body: Option<&T>,
    media_type: &'static str,
) -> std::result::Result<reqwest::RequestBuilder, Invalid> {
    Ok(match body {
        Some(body) => {
            request.header(CONTENT_TYPE, HeaderValue::from_static(media_type)).body(json_body(body)?)
        }
        None => request,
    })
}

/// Sets a body that isn't JSON, if there is one; `media_type` is the document's.
#[allow(dead_code, reason = "which bodies there are depends on the document")]
pub(crate) fn raw_body(
    request: reqwest::RequestBuilder,
    body: impl Into<Option<RawBody>>,
    media_type: &'static str,
) -> reqwest::RequestBuilder {
    match body.into() {
        Some(body) => body.put(request, media_type),
        None => request,
    }
}

/// Returns a list as one string, for parameters with `explode: false`; `None` if it isn't set.
#[allow(dead_code, reason = "which parameters there are depends on the document")]
pub(crate) fn joined<T: Serialize>(list: &T, separator: &str) -> Option<String> {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match serde_json::to_value(list).ok()? {
        serde_json::Value::Array(values) => Some(values.iter().map(text).collect::<Vec<_>>().join(separator)),
        serde_json::Value::Null => None,
        value => Some(text(&value)),
    }
}

/// A key of an object, borrowed from the input if possible.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> serde::de::Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: serde::de::Error>(
                self,
                key: &'de str,
            ) -> std::result::Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: serde::de::Error>(self, key: &str) -> std::result::Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Deserializes a value of an enumeration that accepts any string.
pub(crate) fn open_enum<'de, T: for<'a> From<&'a str>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);
    impl<T: for<'a> From<&'a str>> serde::de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<T, E> {
            Ok(T::from(text))
        }
    }
    deserializer.deserialize_str(Text(PhantomData))
}

/// Returns the schema of an enumeration that accepts any string. It is a function because the macro recurses
/// too deeply for the compiler with some hundred values.
#[allow(dead_code, reason = "which enumerations there are depends on the document")]
pub(crate) fn open_enum_schema(values: &[&str]) -> schemars::Schema {
    schemars::json_schema!({"anyOf": [{"enum": values}, {"type": "string"}]})
}

#[cfg(test)]
mod tests {
    use super::{convert, convert_field, convert_list, json_body, path_segment};
    use crate::json;

    #[test]
    fn conversion_error_names_field_and_value() {
        let error = convert::<i64, u64>("project", "a 64-bit integer", u64::MAX).unwrap_err();
        assert!(error.starts_with("`project`: 18446744073709551615 is not a 64-bit integer: "), "{error}");
        assert_eq!(convert::<String, &str>("search", "text", "x"), Ok("x".to_owned()));
    }

    #[test]
    fn list_conversion_reports_each_item() {
        assert_eq!(
            convert_list::<String, _, _>("names", "text", ["a", "b"]),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        let problems =
            convert_list::<i64, _, _>("ids", "a 64-bit integer", [1, u64::MAX, 2, u64::MAX]).unwrap_err();
        assert!(problems.starts_with("`ids[1]`: 1844") && problems.lines().count() == 2, "{problems}");
    }

    #[test]
    fn path_parameter_is_one_encoded_segment() {
        assert_eq!(path_segment("id", "a/b c%2e\\한").unwrap(), "a%2Fb%20c%252e%5C%ED%95%9C");
        for bad in ["", ".", ".."] {
            assert!(path_segment("id", bad).unwrap_err().to_string().starts_with("`id`"));
        }
        assert_eq!(path_segment("id", "...").unwrap(), "...");
    }

    #[test]
    fn non_finite_numbers_are_reported() {
        #[derive(serde::Serialize)]
        struct Body {
            a: f64,
            b: Option<crate::Json>,
            c: Vec<f32>,
        }
        let messages =
            json_body(&Body { a: f64::NAN, b: None, c: vec![1.0, f32::INFINITY] }).unwrap_err().to_string();
        assert!(messages.contains("a: NaN") && messages.contains("c[1]: inf"), "{messages}");
        let messages = json_body(&Body { a: 1.0, b: Some(json!({"x": {"y": f64::NAN}})), c: vec![] })
            .unwrap_err()
            .to_string();
        assert_eq!(messages, "b: x.y: NaN is not a JSON number");
        let messages = convert_field::<crate::Json, _>(
            "metrics",
            "`Json`",
            json!({"x": f64::NAN, "y": [f64::INFINITY]}),
        )
        .unwrap_err();
        assert_eq!(messages, "metrics: x: NaN is not a JSON number\nmetrics: y[0]: inf is not a JSON number");
        assert_eq!(
            json_body(&Body { a: 1.0, b: Some(json!({"x": 1})), c: vec![] }).unwrap(),
            br#"{"a":1.0,"b":{"x":1},"c":[]}"#
        );
    }
}
