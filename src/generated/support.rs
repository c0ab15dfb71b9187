//! What only generated code calls: fields of bodies, and parts of `Deserialize` implementations.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize};

use super::argument::{In, Problems, convert};
use super::parameters::names_secret;
use crate::error::redact::redact;
use crate::values::json::unwritable;

/// Returns the problem of a required field that isn't set.
pub fn missing(field: &str) -> String {
    format!("`{field}` is missing: it is required")
}

/// Returns a field of a response that must be there.
///
/// # Errors
/// Returns an error if the field is missing.
pub fn required<T, E: serde::de::Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
    field.ok_or_else(|| E::missing_field(name))
}

/// A field of a body's builder: its value, or what is wrong with it.
pub type Field<T> = Result<T, String>;

/// Sets a field of a body's builder. Values that JSON can't represent are problems of the field, reported together with
/// all others.
pub fn set<T: Serialize, F>(field: &mut Field<F>, name: &str, value: impl In<T>, wrap: impl FnOnce(T) -> F) {
    *field = writable_value(name, value).map(wrap);
}

/// Converts the value of a field.
///
/// # Errors
/// Returns what is wrong with it, also if JSON can't represent it.
pub(super) fn writable_value<T: Serialize>(name: &str, value: impl In<T>) -> Field<T> {
    writable(name, value.convert())
}

/// Like [`set`], for a type that only `TryInto` converts into.
pub fn set_other<T: Serialize, F, V>(field: &mut Field<F>, name: &str, value: V, wrap: impl FnOnce(T) -> F)
where
    V: TryInto<T, Error: fmt::Display> + fmt::Debug,
{
    *field = other_value(name, value).map(wrap);
}

/// Like [`writable_value`], for a type that only `TryInto` converts into.
pub(super) fn other_value<T: Serialize, V>(name: &str, value: V) -> Field<T>
where
    V: TryInto<T, Error: fmt::Display> + fmt::Debug,
{
    writable(name, convert(value, "a value of the field's type"))
}

fn writable<T: Serialize>(field: &str, value: Result<T, Problems>) -> Field<T> {
    let value = value.map_err(|problems| problems.of(field).join("\n"))?;
    let problems = unwritable(&value);
    match problems.is_empty() {
        true => Ok(value),
        false => {
            Err(problems.iter().map(|problem| format!("{field}: {problem}")).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Returns the problems of all fields, one per line.
pub fn problems(problems: &[Option<&String>]) -> String {
    problems.iter().flatten().map(|problem| problem.as_str()).collect::<Vec<_>>().join("\n")
}

/// A field of a builder, for its `Debug` output.
pub trait Shown {
    /// Returns the value as JSON, or what is wrong with it.
    ///
    /// # Errors
    /// Returns an error if the field is missing or invalid.
    fn shown(&self) -> Result<serde_json::Value, &str>;
}

impl<T: Serialize> Shown for Result<T, String> {
    fn shown(&self) -> Result<serde_json::Value, &str> {
        let value = self.as_ref().map_err(String::as_str)?;
        Ok(serde_json::to_value(value).unwrap_or_default())
    }
}

/// Shows a builder as JSON, without secrets and the queries of URLs. A field whose name is one of a secret may
/// hold one: only its name is shown.
///
/// # Errors
/// Returns an error if the text can't be written.
pub fn show(f: &mut fmt::Formatter<'_>, builder: &str, fields: &[(&str, &dyn Shown)]) -> fmt::Result {
    let mut shown = f.debug_struct(builder);
    for (name, value) in fields {
        if names_secret(name) {
            shown.field(name, &HIDDEN);
            continue;
        }
        match value.shown() {
            Ok(mut value) => {
                hide(&mut value);
                shown.field(name, &format_args!("{value}"))
            }
            Err(problem) => shown.field(name, &format_args!("{}", redact(problem))),
        };
    }
    shown.finish()
}

/// What is shown in place of a secret.
pub const HIDDEN: &str = "…";

fn hide(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Cow::Owned(redacted) = redact(text) {
                *text = redacted;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(hide),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match names_secret(name) {
                    true => *value = HIDDEN.into(),
                    false => hide(value),
                }
            }
        }
        _ => {}
    }
}

/// The length limits of a body's strings in the document. The server checks them. This crate only checks them
/// where files would otherwise be sent in vain.
pub trait Lengths {
    /// Returns what is wrong with the lengths of the fields.
    fn length_problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A field of a body that is a string, or an optional or nullable string.
pub trait Text {
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
pub fn length_problem<T: Text>(
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

/// A key of an object, borrowed from the input if possible.
pub struct Key<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> serde::de::Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Deserializes a value of an enumeration that accepts any string, and integers as strings.
pub fn open_enum<'de, T: for<'a> From<&'a str>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);
    impl<T: for<'a> From<&'a str>> serde::de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            Ok(T::from(text))
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            Ok(T::from(&number.to_string()))
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            Ok(T::from(&number.to_string()))
        }
    }
    deserializer.deserialize_any(Text(PhantomData))
}

/// Returns the schema of an enumeration that accepts any string. It is a function because the macro recurses
/// too deeply for the compiler with some hundred values.
#[cfg(feature = "schemars")]
pub fn open_enum_schema(values: &[&str]) -> schemars::Schema {
    schemars::json_schema!({"anyOf": [{"enum": values}, {"type": "string"}]})
}
