//! [`In`]: the values that setters accept, and their conversion into the parameter's or field's type.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display, Write as _};

use serde::Serialize;

use super::description::Place;
use crate::values::json::unwritable;

/// A value that a setter of type `T` accepts: a `T`, or what converts into one.
///
/// Integers accept every integer type, also those that may not fit: such a value is an error when the call is
/// sent. Other numbers accept the types that they can hold exactly. A list accepts everything that can be iterated. A `bool` is no number:
///
/// ```compile_fail
/// # fn example(client: synapse_backend_client::BackendClient) {
/// let _ = client.list_models().params(|p| p.project(true));
/// # }
/// ```
pub trait In<T> {
    /// Converts the value, or says what is wrong with it.
    ///
    /// # Errors
    /// Returns an error if the value is none of type `T`.
    fn convert(self) -> Result<T, Problems>;
}

/// What is wrong with a value that a setter was given: each problem with its place in the value, such as `[1]`.
#[derive(Debug)]
pub struct Problems(Vec<(String, String)>);

impl From<String> for Problems {
    /// Makes a problem of the value as a whole.
    fn from(problem: String) -> Self {
        Problems(vec![(String::new(), problem)])
    }
}

impl Problems {
    fn new<E: Display>(value: &impl Debug, expected: &str, error: E) -> Self {
        Problems(vec![(String::new(), format!("{} is not {expected}: {error}", shown(value)))])
    }

    /// Returns the messages; `field` is the name of the parameter or the body's field.
    pub(crate) fn of(self, field: &str) -> Vec<String> {
        self.0.into_iter().map(|(place, problem)| format!("`{field}{place}`: {problem}")).collect()
    }
}

/// A type of the document or of this crate that other types convert into, by `TryInto`.
#[doc(hidden)]
pub trait Argument {
    /// What a setter expects, for messages.
    const EXPECTED: &'static str;
}

impl<T: Argument, V> In<T> for V
where
    V: TryInto<T> + Debug,
    V::Error: Display,
{
    fn convert(self) -> Result<T, Problems> {
        convert::<T, V>(self, T::EXPECTED)
    }
}

/// Converts a value that is no parameter of a known type.
pub(crate) fn convert<T, V>(value: V, expected: &str) -> Result<T, Problems>
where
    V: TryInto<T> + Debug,
    V::Error: Display,
{
    // An uninhabited error type has size zero: then no text is needed for the message.
    let fallible = size_of::<Result<(), V::Error>>() > 0;
    let shown = if fallible { shown(&value) } else { String::new() };
    let problem = |error| Problems(vec![(String::new(), format!("{shown} is not {expected}: {error}"))]);
    value.try_into().map_err(problem)
}

macro_rules! arguments {
    ($($own:ty: $expected:literal),* $(,)?) => {
        $(impl Argument for $own {
            const EXPECTED: &'static str = $expected;
        })*
    };
}
arguments! {
    crate::Json: "`Json`",
    crate::Timestamp: "`Timestamp`",
    crate::StringList: "`StringList`",
    crate::FileUrl: "`FileUrl`",
    crate::Expandable: "`Expandable`",
}

impl<V: Into<String>> In<String> for V {
    fn convert(self) -> Result<String, Problems> {
        Ok(self.into())
    }
}

impl In<bool> for &bool {
    fn convert(self) -> Result<bool, Problems> {
        Ok(*self)
    }
}

impl In<bool> for bool {
    fn convert(self) -> Result<bool, Problems> {
        Ok(self)
    }
}

macro_rules! numbers {
    ($($expected:literal: $target:ty => $($from:ty)*;)*) => {
        $($(impl In<$target> for $from {
            fn convert(self) -> Result<$target, Problems> {
                <$target>::try_from(self).map_err(|error| Problems::new(&self, $expected, error))
            }
        }
        impl In<$target> for &$from {
            fn convert(self) -> Result<$target, Problems> {
                In::<$target>::convert(*self)
            }
        })*)*
    };
}
numbers! {
    "a 64-bit integer": i64 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a 32-bit integer": i32 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a 16-bit integer": i16 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "an 8-bit integer": i8 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a positive 64-bit integer": u64 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a positive 32-bit integer": u32 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a positive 16-bit integer": u16 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a positive 8-bit integer": u8 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a number": f64 => i8 i16 i32 u8 u16 u32 f32 f64;
    "a number": f32 => i8 i16 u8 u16 f32;
}

impl<U, V: In<U>, I: IntoIterator<Item = V>> In<Vec<U>> for I {
    fn convert(self) -> Result<Vec<U>, Problems> {
        let values = self.into_iter();
        let mut list = Vec::with_capacity(values.size_hint().0.min(1_024));
        let mut problems = Vec::new();
        for (index, value) in values.enumerate() {
            match value.convert() {
                Ok(value) => list.push(value),
                Err(Problems(found)) => {
                    problems
                        .extend(found.into_iter().map(|(place, what)| (format!("[{index}]{place}"), what)));
                }
            }
        }
        match problems.is_empty() {
            true => Ok(list),
            false => Err(Problems(problems)),
        }
    }
}

impl<K: Into<String>, U, V: In<U>, I: IntoIterator<Item = (K, V)>> In<BTreeMap<String, U>> for I {
    fn convert(self) -> Result<BTreeMap<String, U>, Problems> {
        let mut map = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, value) in self {
            let key = key.into();
            match value.convert() {
                Ok(value) => drop(map.insert(key, value)),
                Err(Problems(found)) => {
                    problems.extend(found.into_iter().map(|(place, what)| (format!(".{key}{place}"), what)));
                }
            }
        }
        match problems.is_empty() {
            true => Ok(map),
            false => Err(Problems(problems)),
        }
    }
}

/// Returns the beginning of a value's `Debug` output.
fn shown(value: &impl Debug) -> String {
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

/// A parameter's value as text.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterText {
    One(String),
    Many(Vec<String>),
}

/// A parameter's type: a value of it becomes text.
#[doc(hidden)]
pub trait Parameter {
    /// Returns the text, or what is wrong with the value.
    ///
    /// # Errors
    /// Returns an error if the value can't be written as text.
    fn text(self, place: Place) -> Result<ParameterText, String>;
}

impl Parameter for String {
    fn text(self, _: Place) -> Result<ParameterText, String> {
        Ok(ParameterText::One(self))
    }
}

impl<T: Argument + Serialize> Parameter for T {
    fn text(self, _: Place) -> Result<ParameterText, String> {
        if let Some(problem) = unwritable(&self).first() {
            return Err(problem.to_string());
        }
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(match serde_json::to_value(self).map_err(|error| error.to_string())? {
            serde_json::Value::Array(values) => ParameterText::Many(values.into_iter().map(text).collect()),
            serde_json::Value::Null => ParameterText::Many(Vec::new()),
            value => ParameterText::One(text(value)),
        })
    }
}

macro_rules! plain_parameters {
    ($($plain:ty)*) => {
        $(impl Parameter for $plain {
            fn text(self, _: Place) -> Result<ParameterText, String> {
                Ok(ParameterText::One(self.to_string()))
            }
        })*
    };
}
plain_parameters!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! float_parameters {
    ($($float:ty)*) => {
        $(impl Parameter for $float {
            fn text(self, place: Place) -> Result<ParameterText, String> {
                if !self.is_finite() {
                    return Err(format!("{self} is not a finite number"));
                }
                Ok(ParameterText::One(match place {
                    // As JSON writes it: `1.0`, where `Display` writes `1`.
                    Place::Query => serde_json::to_string(&self).map_err(|error| error.to_string())?,
                    _ => self.to_string(),
                }))
            }
        })*
    };
}
float_parameters!(f32 f64);

impl<T: Parameter> Parameter for Vec<T> {
    fn text(self, place: Place) -> Result<ParameterText, String> {
        let mut texts = Vec::with_capacity(self.len());
        for value in self {
            match value.text(place)? {
                ParameterText::One(text) => texts.push(text),
                ParameterText::Many(more) => texts.extend(more),
            }
        }
        Ok(ParameterText::Many(texts))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{In, Parameter, ParameterText, Place};

    fn problems<T: std::fmt::Debug>(value: impl In<T>, field: &str) -> String {
        value.convert().map(drop).unwrap_err().of(field).join("\n")
    }

    fn text<T: Parameter>(value: impl In<T>) -> ParameterText {
        value.convert().unwrap().text(Place::Query).unwrap()
    }

    #[test]
    fn conversion_error_names_field_and_value() {
        let error = problems::<i64>(u64::MAX, "project");
        assert!(error.starts_with("`project`: 18446744073709551615 is not a 64-bit integer: "), "{error}");
        assert_eq!(In::<String>::convert("x").unwrap(), "x");
    }

    #[test]
    fn list_conversion_reports_each_item() {
        assert_eq!(In::<Vec<String>>::convert(["a", "b"]).unwrap(), ["a", "b"]);
        let error = problems::<Vec<i64>>([1, u64::MAX, 2, u64::MAX], "ids");
        assert!(error.starts_with("`ids[1]`: 1844") && error.lines().count() == 2, "{error}");
        let error = problems::<BTreeMap<String, Vec<u8>>>([("a", vec![1]), ("b", vec![2, -1])], "sizes");
        assert!(error.starts_with("`sizes.b[1]`: -1 is not"), "{error}");
    }

    #[test]
    fn parameter_text_is_as_in_json() {
        let many = |texts: &[&str]| ParameterText::Many(texts.iter().map(ToString::to_string).collect());
        let one = |text: &str| ParameterText::One(text.to_owned());
        assert_eq!(text::<i64>(7_u32), one("7"));
        assert_eq!(text::<bool>(true), one("true"));
        assert_eq!((text::<f64>(1_i32), text::<f64>(0.25)), (one("1.0"), one("0.25")));
        assert_eq!(text::<Vec<i64>>(vec![1_i32, 2]), many(&["1", "2"]));
        assert_eq!(text::<Vec<i64>>(&[1_i32, 2]), many(&["1", "2"]));
        assert_eq!(text::<crate::StringList>(["a", "b"]), many(&["a", "b"]));
        assert_eq!(text::<crate::Timestamp>("2026-01-31T00:00:00Z"), one("2026-01-31T00:00:00Z"));
        assert_eq!(text::<crate::Json>(crate::json!({"a": 1})), one(r#"{"a":1}"#));
        assert_eq!(5.0_f64.text(Place::Path).unwrap(), one("5"));
        assert!(f64::NAN.text(Place::Query).unwrap_err().contains("NaN is not a finite number"));
    }
}
