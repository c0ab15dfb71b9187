//! [`In`]: the values that setters accept, and their conversion into the parameter's or field's type.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display, Write as _};

use serde::Serialize;

use super::description::Place;
use crate::values::json::unwritable;

/// A value that a setter of type `T` accepts: a `T`, or what converts into one.
///
/// Integers accept every integer type, also those that may not fit: such a value is an error when the call is
/// sent. Other numbers accept integers, too: one that they can't hold exactly is such an error. A list accepts
/// everything that can be iterated. A `bool` is no number:
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
/// The problem's text follows the place: `: -1 is not …`, ` is missing`.
#[derive(Debug)]
pub struct Problems(Vec<(String, String)>);

impl From<String> for Problems {
    /// Makes a problem of the value as a whole.
    fn from(problem: String) -> Self {
        Problems(vec![(String::new(), format!(": {problem}"))])
    }
}

impl Problems {
    fn new<E: Display>(value: &impl Debug, expected: &str, error: E) -> Self {
        Problems::from(format!("{} is not {expected}: {error}", shown(value)))
    }

    /// Returns the problems of a builder, one for each line: its fields are places in the value.
    fn of_builder(error: &str) -> Self {
        let problem = |line: &str| match line.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            Some((field, text)) => (format!(".{field}"), text.to_owned()),
            None => (String::new(), format!(": {line}")),
        };
        Problems(error.lines().map(problem).collect())
    }

    /// Adds the problems of a part of the value.
    fn add(&mut self, part: &str, problems: Problems) {
        self.0.extend(problems.0.into_iter().map(|(place, text)| (format!("{part}{place}"), text)));
    }

    /// Returns `value` if there is no problem.
    fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Returns the messages; `field` is the name of the parameter or the body's field.
    pub(crate) fn of(self, field: &str) -> Vec<String> {
        self.0.into_iter().map(|(place, text)| format!("`{field}{place}`{text}")).collect()
    }
}

/// A type of the document or of this crate that other types convert into, by `TryInto`.
#[doc(hidden)]
pub trait Argument {
    /// What a setter expects, for messages.
    const EXPECTED: &'static str;
    /// Whether a builder makes the value: its errors name its fields.
    const BUILT: bool = false;
}

impl<T: Argument, V> In<T> for V
where
    V: TryInto<T> + Debug,
    V::Error: Display,
{
    fn convert(self) -> Result<T, Problems> {
        match T::BUILT {
            // The builder may hold a secret, so it isn't shown.
            true => self.try_into().map_err(|error: V::Error| Problems::of_builder(&error.to_string())),
            false => convert::<T, V>(self, T::EXPECTED),
        }
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
    let problem = |error| Problems::from(format!("{shown} is not {expected}: {error}"));
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
    "an unsigned 64-bit integer": u64 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "an unsigned 32-bit integer": u32 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "an unsigned 16-bit integer": u16 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "an unsigned 8-bit integer": u8 => i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    "a number": f64 => i8 i16 i32 u8 u16 u32 f32 f64;
    "a number": f32 => i8 i16 u8 u16 f32;
}

macro_rules! exact_numbers {
    ($($target:ty => $($from:ty)*;)*) => {
        $($(impl In<$target> for $from {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "compared")]
            fn convert(self) -> Result<$target, Problems> {
                let number = self as $target;
                match number as i128 == self as i128 {
                    true => Ok(number),
                    false => Err(Problems::new(&self, "a number", "it can't be held exactly")),
                }
            }
        }
        impl In<$target> for &$from {
            fn convert(self) -> Result<$target, Problems> {
                In::<$target>::convert(*self)
            }
        })*)*
    };
}
exact_numbers! {
    f64 => i64 u64 isize usize;
    f32 => i32 i64 u32 u64 isize usize;
}

impl<U, V: In<U>> In<Option<U>> for Option<V> {
    fn convert(self) -> Result<Option<U>, Problems> {
        self.map(V::convert).transpose()
    }
}

impl<'a, U, V> In<Option<U>> for &'a Option<V>
where
    &'a V: In<U>,
{
    fn convert(self) -> Result<Option<U>, Problems> {
        self.as_ref().convert()
    }
}

macro_rules! nullable {
    ($($target:ty => $($from:ty)*;)*) => {
        $($(impl In<Option<$target>> for $from {
            fn convert(self) -> Result<Option<$target>, Problems> {
                In::<$target>::convert(self).map(Some)
            }
        })*)*
    };
}
nullable! {
    bool => bool &bool;
    String => String &String &str;
    i64 => i8 i16 i32 i64 isize u8 u16 u32 u64 usize;
    i32 => i8 i16 i32 i64 isize u8 u16 u32 u64 usize;
    f64 => i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64;
    f32 => f32;
}

impl<U, V: In<U>, I: IntoIterator<Item = V>> In<Vec<U>> for I {
    fn convert(self) -> Result<Vec<U>, Problems> {
        let values = self.into_iter();
        let mut list = Vec::with_capacity(values.size_hint().0.min(1_024));
        let mut problems = Problems(Vec::new());
        for (index, value) in values.enumerate() {
            match value.convert() {
                Ok(value) => list.push(value),
                Err(found) => problems.add(&format!("[{index}]"), found),
            }
        }
        problems.or(list)
    }
}

impl<K: Into<String>, U, V: In<U>, I: IntoIterator<Item = (K, V)>> In<BTreeMap<String, U>> for I {
    fn convert(self) -> Result<BTreeMap<String, U>, Problems> {
        let mut map = BTreeMap::new();
        let mut problems = Problems(Vec::new());
        for (key, value) in self {
            let key = key.into();
            match value.convert() {
                Ok(value) => drop(map.insert(key, value)),
                Err(found) => problems.add(&format!(".{key}"), found),
            }
        }
        problems.or(map)
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

impl ParameterText {
    /// Returns the values; one for a single text.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            ParameterText::One(text) => std::slice::from_ref(text),
            ParameterText::Many(texts) => texts,
        }
    }
}

/// A parameter's type: a value of it becomes text.
#[doc(hidden)]
pub trait Parameter {
    /// Returns the text, or what is wrong with the value.
    ///
    /// # Errors
    /// Returns an error if the value can't be written as text.
    fn text(self, place: Place) -> Result<ParameterText, Problems>;
}

impl Parameter for String {
    fn text(self, _: Place) -> Result<ParameterText, Problems> {
        Ok(ParameterText::One(self))
    }
}

impl<T: Argument + Serialize> Parameter for T {
    fn text(self, _: Place) -> Result<ParameterText, Problems> {
        let problems = unwritable(&self);
        if !problems.is_empty() {
            return Err(Problems(
                problems.iter().map(|problem| (String::new(), format!(": {problem}"))).collect(),
            ));
        }
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(match serde_json::to_value(self).map_err(unwritable_problem)? {
            serde_json::Value::Array(values) => ParameterText::Many(values.into_iter().map(text).collect()),
            serde_json::Value::Null => ParameterText::Many(Vec::new()),
            value => ParameterText::One(text(value)),
        })
    }
}

/// Returns the problem of a value that can't be written.
fn unwritable_problem(error: serde_json::Error) -> Problems {
    Problems::from(error.to_string())
}

macro_rules! plain_parameters {
    ($($plain:ty)*) => {
        $(impl Parameter for $plain {
            fn text(self, _: Place) -> Result<ParameterText, Problems> {
                Ok(ParameterText::One(self.to_string()))
            }
        })*
    };
}
plain_parameters!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! float_parameters {
    ($($float:ty)*) => {
        $(impl Parameter for $float {
            fn text(self, place: Place) -> Result<ParameterText, Problems> {
                if !self.is_finite() {
                    return Err(Problems::from(format!("{self} is not a finite number")));
                }
                Ok(ParameterText::One(match place {
                    // As JSON writes it: `1.0`, where `Display` writes `1`.
                    Place::Query => serde_json::to_string(&self).map_err(unwritable_problem)?,
                    _ => self.to_string(),
                }))
            }
        })*
    };
}
float_parameters!(f32 f64);

impl<T: Parameter> Parameter for Vec<T> {
    fn text(self, place: Place) -> Result<ParameterText, Problems> {
        let mut texts = Vec::with_capacity(self.len());
        let mut problems = Problems(Vec::new());
        for (index, value) in self.into_iter().enumerate() {
            match value.text(place) {
                Ok(ParameterText::One(text)) => texts.push(text),
                Ok(ParameterText::Many(more)) => texts.extend(more),
                Err(found) => problems.add(&format!("[{index}]"), found),
            }
        }
        problems.or(ParameterText::Many(texts))
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
        let error = f64::NAN.text(Place::Query).unwrap_err().of("near");
        assert_eq!(error, ["`near`: NaN is not a finite number"]);
        let error = vec![0.5, f64::NAN, 1.0, f64::INFINITY].text(Place::Query).unwrap_err().of("weights");
        assert_eq!(
            error,
            ["`weights[1]`: NaN is not a finite number", "`weights[3]`: inf is not a finite number"]
        );
    }

    #[test]
    fn floats_accept_exact_integers() {
        assert_eq!(In::<f64>::convert(1_i64 << 53).unwrap(), 9_007_199_254_740_992.0);
        assert_eq!(
            In::<Vec<f64>>::convert([7_u64, u64::MAX - 2_047]).unwrap(),
            [7.0, 18_446_744_073_709_549_568.0]
        );
        assert_eq!(
            (In::<f64>::convert(-3_isize).unwrap(), In::<Vec<f64>>::convert([4_usize].iter()).unwrap()),
            (-3.0, vec![4.0])
        );
        assert_eq!(In::<f32>::convert(16_777_216).unwrap(), 16_777_216.0);
        let error = problems::<f64>((1_i64 << 53) + 1, "near");
        assert_eq!(error, "`near`: 9007199254740993 is not a number: it can't be held exactly");
        assert!(In::<f64>::convert(i64::MAX).is_err() && In::<f64>::convert(u64::MAX).is_err());
        assert!(In::<f32>::convert(16_777_217).is_err());
    }

    #[test]
    fn nullable_items_take_options_or_values() {
        let weights = Ok(vec![Some(1.5), None]);
        assert_eq!(In::<Vec<Option<f64>>>::convert([Some(1.5), None]).map_err(|p| p.of("")), weights);
        assert_eq!(In::<Vec<Option<f64>>>::convert([Some(1.5), None].iter()).map_err(|p| p.of("")), weights);
        assert_eq!(In::<Vec<Option<f64>>>::convert([1.5, 2.0]).unwrap(), [Some(1.5), Some(2.0)]);
        assert_eq!(In::<Vec<Option<String>>>::convert(["a"]).unwrap(), [Some("a".to_owned())]);
        let error = problems::<Vec<Option<u8>>>([None, Some(300)], "ids");
        assert!(error.starts_with("`ids[1]`: 300 is not"), "{error}");
    }

    #[test]
    fn builder_problems_have_their_places() {
        #[derive(Debug)]
        struct Login;
        impl super::Argument for Login {
            const EXPECTED: &'static str = "`Login`";
            const BUILT: bool = true;
        }
        #[derive(Debug)]
        struct Builder(#[expect(dead_code, reason = "shown by `Debug`")] &'static str);
        impl TryFrom<Builder> for Login {
            type Error = &'static str;

            fn try_from(_: Builder) -> Result<Self, Self::Error> {
                Err(
                    "`user` is missing: it is required\n`sizes[1].x`: -1 is not `u8`\nat: NaN is not a JSON number",
                )
            }
        }
        assert_eq!(
            problems::<Vec<Login>>([Builder("hunter2")], "logins").lines().collect::<Vec<_>>(),
            [
                "`logins[0].user` is missing: it is required",
                "`logins[0].sizes[1].x`: -1 is not `u8`",
                "`logins[0]`: at: NaN is not a JSON number",
            ]
        );
    }
}
