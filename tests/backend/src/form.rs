//! The fields of a JSON body, read and refused as DRF's serializers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::drf::{self, FieldErrors, Refusal};
use crate::time::Timestamp;

/// The fields of a JSON object, read one by one.
pub(crate) struct Form<'t> {
    fields: BTreeMap<String, &'t RawValue>,
    pub(crate) errors: FieldErrors,
}

impl<'t> Form<'t> {
    pub(crate) fn read(text: &'t [u8]) -> Result<Self, Refusal> {
        // DRF treats an empty body as an empty form.
        if text.is_empty() {
            return Ok(Self { fields: BTreeMap::new(), errors: FieldErrors::default() });
        }
        Self::of(raw(text)?).map_err(|errors| errors.into_result().err().unwrap_or_else(Refusal::not_found))
    }

    /// Reads an object. `Err` has the error of a value of another type.
    pub(crate) fn of(raw: &'t RawValue) -> Result<Self, FieldErrors> {
        match serde_json::from_str(raw.get()) {
            Ok(fields) => Ok(Self { fields, errors: FieldErrors::default() }),
            Err(_) => {
                let kind = python_type(raw.get());
                let mut errors = FieldErrors::default();
                errors
                    .add("non_field_errors", format!("Invalid data. Expected a dictionary, but got {kind}."));
                Err(errors)
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Returns a field's value, or `None` if it is absent.
    fn value(&self, name: &str) -> Option<(Value, &'t RawValue)> {
        let raw = *self.fields.get(name)?;
        // RawValue accepts a few texts that Value doesn't, such as 1e999.
        Some((serde_json::from_str(raw.get()).unwrap_or_default(), raw))
    }

    /// Validates one field. `Err` is the message. Each field is reported only once.
    pub(crate) fn field<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value, &'t RawValue) -> Result<T, String>,
    ) -> Field<T> {
        let Some((value, raw)) = self.value(name) else { return Field::Absent };
        match read(value, raw) {
            Ok(value) => Field::Good(value),
            Err(message) => {
                self.errors.add(name, message);
                Field::Bad
            }
        }
    }

    /// Reads text as DRF's CharField does: numbers count as text. A field that isn't `filled` may be blank or
    /// null.
    pub(crate) fn string(
        &mut self,
        name: &'static str,
        filled: bool,
        longest: usize,
    ) -> Field<Option<String>> {
        self.field(name, |value, _| {
            let text = match value {
                Value::Null if !filled => return Ok(None),
                Value::Null => return Err(NULL.to_owned()),
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                _ => return Err("Not a valid string.".to_owned()),
            };
            if filled && text.is_empty() {
                return Err("This field may not be blank.".to_owned());
            }
            if text.chars().count() > longest {
                return Err(format!("Ensure this field has no more than {longest} characters."));
            }
            Ok(Some(text))
        })
    }

    pub(crate) fn choice(&mut self, name: &'static str, choices: &[&str]) -> Field<Option<String>> {
        self.field(name, |value, _| match value {
            Value::Null => Err(NULL.to_owned()),
            Value::String(text) if choices.contains(&text.as_str()) => Ok(Some(text)),
            Value::String(text) => Err(format!("\"{text}\" is not a valid choice.")),
            other => Err(format!("\"{}\" is not a valid choice.", python_text(&other))),
        })
    }

    pub(crate) fn pk(
        &mut self,
        name: &'static str,
        required: bool,
        exists: impl Fn(i64) -> bool,
    ) -> Field<Option<i64>> {
        self.field(name, |value, _| {
            let id = match &value {
                Value::Null if !required => return Ok(None),
                Value::Null => return Err(NULL.to_owned()),
                value => whole_number(value),
            };
            match id {
                None => Err("A valid integer is required.".to_owned()),
                Some(id) if exists(id) => Ok(Some(id)),
                Some(id) => Err(format!("Invalid pk \"{id}\" - object does not exist.")),
            }
        })
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Field<bool> {
        self.field(name, |value, _| match &value {
            Value::Null => Err(NULL.to_owned()),
            Value::Bool(value) => Ok(*value),
            Value::String(text)
                if ["true", "t", "yes", "y", "on", "1"].contains(&text.to_lowercase().as_str()) =>
            {
                Ok(true)
            }
            Value::String(text)
                if ["false", "f", "no", "n", "off", "0"].contains(&text.to_lowercase().as_str()) =>
            {
                Ok(false)
            }
            Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
            Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
            _ => Err("Must be a valid boolean.".to_owned()),
        })
    }

    /// A whole number of at least `least` and at most `most`.
    pub(crate) fn integer(&mut self, name: &'static str, least: i64, most: i64) -> Field<Option<i64>> {
        self.field(name, |value, _| {
            if value.is_null() {
                return Err(NULL.to_owned());
            }
            match whole_number(&value) {
                None => Err("A valid integer is required.".to_owned()),
                Some(number) if number < least => {
                    Err(format!("Ensure this value is greater than or equal to {least}."))
                }
                Some(number) if number > most => {
                    Err(format!("Ensure this value is less than or equal to {most}."))
                }
                Some(number) => Ok(Some(number)),
            }
        })
    }

    /// A list of primary keys.
    pub(crate) fn pks(
        &mut self,
        name: &'static str,
        exists: impl Fn(i64) -> bool,
    ) -> Field<Option<Vec<i64>>> {
        self.field(name, |value, _| {
            let items = items(value)?;
            let read = |item: &Value| {
                let id = item.as_i64().ok_or_else(|| {
                    let kind = python_type(&item.to_string());
                    format!("Incorrect type. Expected pk value, received {kind}.")
                })?;
                if exists(id) { Ok(id) } else { Err(format!("Invalid pk \"{id}\" - object does not exist.")) }
            };
            items.iter().map(read).collect::<Result<_, _>>().map(Some)
        })
    }

    /// A list of texts.
    pub(crate) fn strings(&mut self, name: &'static str) -> Field<Option<Vec<String>>> {
        self.field(name, |value, _| {
            let items = items(value)?;
            let read = |item: Value| match item {
                Value::String(text) => Ok(text),
                _ => Err("Not a valid string.".to_owned()),
            };
            items.into_iter().map(read).collect::<Result<_, _>>().map(Some)
        })
    }

    /// A date and time.
    pub(crate) fn time(&mut self, name: &'static str) -> Field<Option<Timestamp>> {
        self.field(name, |value, _| match &value {
            Value::Null => Err(NULL.to_owned()),
            Value::String(text) => Timestamp::parse(text).map(Some).ok_or_else(|| {
                "Datetime has wrong format. Use one of these formats instead: \
                 YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
                    .to_owned()
            }),
            _ => Err("Datetime has wrong format.".to_owned()),
        })
    }

    /// Any JSON value but null.
    pub(crate) fn free(&mut self, name: &'static str) -> Field<Option<Value>> {
        self.field(name, |value, _| if value.is_null() { Err(NULL.to_owned()) } else { Ok(Some(value)) })
    }

    /// A JSON object.
    pub(crate) fn object(&mut self, name: &'static str) -> Field<Option<Map<String, Value>>> {
        self.field(name, |value, _| match value {
            Value::Null => Err(NULL.to_owned()),
            Value::Object(fields) => Ok(Some(fields)),
            other => {
                let kind = python_type(&other.to_string());
                Err(format!("Expected a dictionary of items but got type \"{kind}\"."))
            }
        })
    }

    pub(crate) fn json(&mut self, name: &'static str) -> Field<Arc<RawValue>> {
        self.field(name, |value, raw| match value {
            Value::Null if raw.get() == "null" => Err(NULL.to_owned()),
            _ => Ok(Arc::from(raw.to_owned())),
        })
    }
}

pub(crate) const NULL: &str = "This field may not be null.";

/// Reads a whole number as DRF's IntegerField does: a text counts as its number.
fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns the items of a list. `Err` is the message.
fn items(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Null => Err(NULL.to_owned()),
        Value::Array(items) => Ok(items),
        other => {
            let kind = python_type(&other.to_string());
            Err(format!("Expected a list of items but got type \"{kind}\"."))
        }
    }
}

/// The outcome of one field.
pub(crate) enum Field<T> {
    Absent,
    Bad,
    Good(T),
}

impl<T> Field<T> {
    pub(crate) fn unwrap_or_else(self, default: impl FnOnce() -> T) -> T {
        self.good().unwrap_or_else(default)
    }

    pub(crate) fn unwrap_or(self, default: T) -> T {
        self.good().unwrap_or(default)
    }

    pub(crate) fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }
}

impl<T> Field<Option<T>> {
    pub(crate) fn flatten(self) -> Option<T> {
        self.good().flatten()
    }

    /// Returns the value of a required field.
    pub(crate) fn required(self, name: &'static str, errors: &mut FieldErrors) -> Option<T> {
        if matches!(self, Self::Absent) {
            errors.add(name, "This field is required.");
        }
        self.flatten()
    }
}

/// Parses a JSON text without decoding it.
pub(crate) fn raw(text: &[u8]) -> Result<&RawValue, Refusal> {
    serde_json::from_slice(text).map_err(|error| drf::json_parse_error(text, &error))
}

/// The forms of a body that is one object, or a list of at most `most` objects.
pub(crate) struct Forms<'t> {
    pub(crate) is_list: bool,
    pub(crate) items: Vec<Form<'t>>,
}

impl<'t> Forms<'t> {
    pub(crate) fn read(text: &'t [u8], most: usize) -> Result<Self, Refusal> {
        if text.is_empty() || !raw(text)?.get().starts_with('[') {
            return Ok(Self { is_list: false, items: vec![Form::read(text)?] });
        }
        let list: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| Refusal::internal(&error))?;
        let refused = |message: &str| {
            Refusal::new(StatusCode::BAD_REQUEST, &serde_json::json!({"non_field_errors": [message]}))
        };
        if list.is_empty() {
            return Err(refused("This list may not be empty."));
        }
        if list.len() > most {
            return Err(refused(&format!("Ensure this field has no more than {most} elements.")));
        }
        let item = |raw| Form::of(raw).unwrap_or_else(|errors| Form { fields: BTreeMap::new(), errors });
        Ok(Self { is_list: true, items: list.into_iter().map(item).collect() })
    }

    /// Returns the errors: of the object, or a list with those of each object.
    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        if self.items.iter().all(|form| form.errors.is_empty()) {
            return Ok(());
        }
        let errors: Vec<FieldErrors> = self.items.into_iter().map(|form| form.errors).collect();
        Err(match (self.is_list, errors.first()) {
            (false, Some(only)) => Refusal::new(StatusCode::BAD_REQUEST, only),
            _ => Refusal::new(StatusCode::BAD_REQUEST, &errors),
        })
    }
}

pub(crate) fn python_type(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'[') => "list",
        Some(b'"') => "str",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "NoneType",
        _ if text.contains(['.', 'e', 'E']) => "float",
        _ => "int",
    }
}

fn python_text(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}
