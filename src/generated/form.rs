//! [`Form`]: the fields that a form's setters have set, and the body that is made of them.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::header::HeaderValue;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::argument::In;
use super::body::Content;
use super::form_file::{FormFile, FormValue};
use super::form_info::{FieldStyle, FormField, FormInfo};
use super::raw_body::RawBody;
use super::secrets::{Masked, hidden_problem};
use super::support::{HIDDEN, Shown, missing, other_value, show, writable_value};
use crate::transport::multipart::{MultipartBody, MultipartPart};

/// The fields of a form, in the order in which they were set first.
pub struct Form {
    info: &'static FormInfo,
    values: Vec<(usize, Result<FieldValue, String>)>,
    /// Fields that the document doesn't name.
    extra: Vec<(String, Result<FieldValue, String>)>,
}

/// The value of a field: JSON, from which the texts are made, or files.
enum FieldValue {
    Json(Box<RawValue>),
    Files(Vec<FormFile>),
}

/// For the `Debug` output.
impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FieldValue::Json(json) => json.serialize(serializer),
            FieldValue::Files(files) => serializer.collect_seq(files.iter().map(ToString::to_string)),
        }
    }
}

/// A text of a form, and the name of its field in the request.
struct FieldText {
    wire: String,
    text: String,
    is_json: bool,
}

/// Implements what all builders of forms have in common. `$name` holds a [`Form`], and describes it by `INFO`.
#[doc(hidden)]
#[macro_export]
macro_rules! __form_builder {
    ($name:ident) => {
        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self($crate::__generated::Form::new(Self::INFO))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl $crate::__generated::Body for $name {
            fn content(self) -> $crate::__generated::Content {
                self.0.content()
            }

            fn secrets(&self) -> ::std::vec::Vec<::std::string::String> {
                self.0.secrets()
            }
        }

        impl $name {
            /// Adds a field that the document doesn't name: a text, or a `FormFile`. A string is a text here.
            pub fn extra(
                mut self,
                name: impl ::std::convert::Into<::std::string::String>,
                value: impl ::std::convert::Into<$crate::FormValue>,
            ) -> Self {
                self.0.add(name, value);
                self
            }
        }
    };
}

impl Form {
    /// Returns the texts of its secret fields.
    pub(super) fn secrets(&self) -> Vec<String> {
        let is_secret = |index: usize| {
            let FormField { secret, hidden, .. } = self.info.fields[index];
            secret || !hidden.is_empty()
        };
        let secret = self.values.iter().filter(|(index, _)| is_secret(*index));
        let texts_of = |(index, value): &(usize, Result<FieldValue, String>)| match value {
            Ok(FieldValue::Json(json)) => texts("", self.info.fields[*index].style, json.get()).ok(),
            _ => None,
        };
        secret.filter_map(texts_of).flatten().map(|text| text.text).collect()
    }

    /// Makes a form without any field set.
    pub fn new(info: &'static FormInfo) -> Self {
        Form { info, values: Vec::new(), extra: Vec::new() }
    }

    /// Sets the field with this index in the form's description.
    pub fn set<T: Serialize>(&mut self, index: usize, value: impl In<T>) {
        self.put(
            index,
            writable_value(self.info.fields[index].name, value).and_then(|value| json_of(&value)),
        );
    }

    /// Like [`set`](Form::set), for a type that only `TryInto` converts into.
    pub fn set_other<T: Serialize, V>(&mut self, index: usize, value: V)
    where
        V: TryInto<T, Error: fmt::Display> + fmt::Debug,
    {
        self.put(
            index,
            other_value(self.info.fields[index].name, value).and_then(|value: T| json_of(&value)),
        );
    }

    /// Sets a field to null, which is an empty text in a form.
    pub fn set_null(&mut self, index: usize) {
        self.put(index, json_of(&()));
    }

    /// Sets a field to a file.
    pub fn set_file(&mut self, index: usize, file: impl Into<FormFile>) {
        self.put(index, Ok(FieldValue::Files(vec![file.into()])));
    }

    /// Sets a field to files.
    pub fn set_files(&mut self, index: usize, files: impl IntoIterator<Item = impl Into<FormFile>>) {
        self.put(index, Ok(FieldValue::Files(files.into_iter().map(Into::into).collect())));
    }

    /// Adds a field that the document doesn't name.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<FormValue>) {
        let value = match value.into() {
            FormValue::Text(text) => json_of(&text),
            FormValue::File(file) => Ok(FieldValue::Files(vec![file])),
        };
        self.extra.push((name.into(), value));
    }

    fn put(&mut self, index: usize, value: Result<FieldValue, String>) {
        let FormField { name, secret, .. } = self.info.fields[index];
        let value = value.map_err(|problem| if secret { hidden_problem(name) } else { problem });
        match self.values.iter_mut().find(|(other, _)| *other == index) {
            Some((_, old)) => *old = value,
            None => self.values.push((index, value)),
        }
    }

    /// Returns the body.
    ///
    /// # Errors
    /// Returns everything that is missing or invalid.
    pub fn content(self) -> Content {
        let Form { info, values, extra } = self;
        let mut problems = Vec::new();
        for (index, field) in info.fields.iter().enumerate().filter(|(_, field)| field.required) {
            let is_set = values.iter().any(|(other, value)| *other == index && !is_empty(value, field.style));
            if !is_set && extra.iter().all(|(name, _)| name != field.wire) {
                problems.push(missing(field.name));
            }
        }
        let fields = values.into_iter().map(|(index, value)| {
            let FormField { name, wire, style, media_type, .. } = info.fields[index];
            (name.to_owned(), wire.to_owned(), style, media_type, value)
        });
        let extra =
            extra.into_iter().map(|(name, value)| (name.clone(), name, FieldStyle::Repeated, None, value));
        let mut writer = FormWriter::new(info.multipart);
        for (name, wire, style, media_type, value) in fields.chain(extra) {
            let written = match value {
                Ok(FieldValue::Json(json)) => texts(&wire, style, json.get()).and_then(|texts| {
                    texts.into_iter().try_for_each(|text| writer.text(&name, media_type, text))
                }),
                Ok(FieldValue::Files(files)) => {
                    files.into_iter().try_for_each(|file| writer.file(&name, &wire, media_type, file))
                }
                Err(problem) => {
                    problems.extend(problem.lines().map(str::to_owned));
                    continue;
                }
            };
            problems.extend(written.err().map(|problem| format!("`{name}`: {problem}")));
        }
        if problems.is_empty() { Ok(Some(writer.finish())) } else { Err(problems) }
    }
}

/// Shows the fields as JSON, without secrets and the queries of URLs. Of a file only the name and the size are shown.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.info.fields;
        let masked: Vec<(&str, Masked<'_, dyn Shown>)> = self
            .values
            .iter()
            .map(|(index, value)| {
                let FormField { wire, secret, hidden, .. } = fields[*index];
                let value: &dyn Shown = if secret { &HIDDEN } else { value };
                (wire, Masked(value, hidden))
            })
            .chain(self.extra.iter().map(|(name, value)| {
                let is_secret = fields.iter().any(|field| field.secret && field.wire == name);
                let value: &dyn Shown = if is_secret { &HIDDEN } else { value };
                (name.as_str(), Masked(value, &[]))
            }))
            .collect();
        let shown: Vec<(&str, &dyn Shown)> =
            masked.iter().map(|(name, value)| (*name, value as &dyn Shown)).collect();
        show(f, self.info.name, &shown)
    }
}

fn json_of<T: Serialize + ?Sized>(value: &T) -> Result<FieldValue, String> {
    serde_json::value::to_raw_value(value).map(FieldValue::Json).map_err(|error| error.to_string())
}

/// Returns whether a form has no trace of a value: only JSON can express an empty list or object.
fn is_empty(value: &Result<FieldValue, String>, style: FieldStyle) -> bool {
    match value {
        Ok(FieldValue::Json(json)) => match style {
            FieldStyle::Json => false,
            FieldStyle::Properties | FieldStyle::DeepObject => matches!(json.get(), "[]" | "{}"),
            _ => json.get() == "[]",
        },
        Ok(FieldValue::Files(files)) => files.is_empty(),
        Err(_) => false,
    }
}

/// Writes the fields in the form's media type.
enum FormWriter {
    Multipart(Vec<MultipartPart>),
    UrlEncoded(form_urlencoded::Serializer<'static, String>),
}

impl FormWriter {
    fn new(multipart: bool) -> Self {
        match multipart {
            true => FormWriter::Multipart(Vec::new()),
            false => FormWriter::UrlEncoded(form_urlencoded::Serializer::new(String::new())),
        }
    }

    fn text(&mut self, name: &str, media_type: Option<&str>, text: FieldText) -> Result<(), String> {
        let FieldText { wire, text, is_json } = text;
        match self {
            FormWriter::Multipart(parts) => {
                let media_type = media_type.or(is_json.then_some("application/json"));
                let media_type = media_type.filter(|media_type| !media_type.is_empty());
                parts.push(MultipartPart::text(name, &wire, media_type, text));
            }
            FormWriter::UrlEncoded(pairs) => drop(pairs.append_pair(&wire, &text)),
        }
        Ok(())
    }

    fn file(&mut self, name: &str, wire: &str, of_field: Option<&str>, file: FormFile) -> Result<(), String> {
        let FormWriter::Multipart(parts) = self else {
            return Err("a form of the type application/x-www-form-urlencoded has no files".to_owned());
        };
        let (file_name, media_type, source) = file.into_parts();
        let media_type = media_type.as_deref().or(of_field).unwrap_or("application/octet-stream");
        let media_type = Some(media_type).filter(|media_type| !media_type.is_empty());
        if media_type.is_some_and(|media_type| HeaderValue::from_str(media_type).is_err()) {
            return Err("the file's media type can't be a header".to_owned());
        }
        parts.push(MultipartPart::file(name, wire, &file_name, media_type, source));
        Ok(())
    }

    fn finish(self) -> RawBody {
        match self {
            FormWriter::Multipart(parts) => MultipartBody::new(parts).into(),
            FormWriter::UrlEncoded(mut pairs) => {
                RawBody::text(pairs.finish()).media_type("application/x-www-form-urlencoded")
            }
        }
    }
}

/// Returns the texts of a field's value, which is JSON.
///
/// # Errors
/// Returns an error if the value can't be written in this style.
fn texts(wire: &str, style: FieldStyle, json: &str) -> Result<Vec<FieldText>, String> {
    let named =
        |wire: &str, (text, is_json): (String, bool)| FieldText { wire: wire.to_owned(), text, is_json };
    let one = |json: &str| named(wire, (json.to_owned(), true));
    Ok(match style {
        FieldStyle::Json => vec![one(json)],
        FieldStyle::JsonItems if json.starts_with('[') => {
            items(json)?.into_iter().map(|item| one(item.get())).collect()
        }
        FieldStyle::JsonItems => vec![one(json)],
        FieldStyle::Joined(separator) if json.starts_with('[') => {
            let texts: Vec<String> = items(json)?.into_iter().map(|item| plain_text(item.get()).0).collect();
            if texts.iter().any(|text| text.contains(separator)) {
                return Err(format!("{separator:?} joins the values, so none can contain it"));
            }
            vec![named(wire, (texts.join(separator), false))]
        }
        FieldStyle::Properties | FieldStyle::DeepObject if json.starts_with('{') => {
            let properties: BTreeMap<String, &RawValue> =
                serde_json::from_str(json).map_err(|error| error.to_string())?;
            let mut texts = Vec::new();
            for (name, value) in properties {
                let name = if style == FieldStyle::Properties { name } else { format!("{wire}[{name}]") };
                texts.extend(repeated(value.get())?.into_iter().map(|text| named(&name, text)));
            }
            texts
        }
        FieldStyle::Repeated | FieldStyle::Joined(_) | FieldStyle::Properties | FieldStyle::DeepObject => {
            repeated(json)?.into_iter().map(|text| named(wire, text)).collect()
        }
    })
}

/// Returns the text of a value, or those of a list's values, and whether they are JSON.
fn repeated(json: &str) -> Result<Vec<(String, bool)>, String> {
    Ok(match json.starts_with('[') {
        true => items(json)?.into_iter().map(|item| plain_text(item.get())).collect(),
        false => vec![plain_text(json)],
    })
}

fn items(json: &str) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// Returns the text of a value that is no list, and whether it is JSON: an object is.
fn plain_text(json: &str) -> (String, bool) {
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str(json) {
            Ok(text) => (text, false),
            // Half of a surrogate pair is no text.
            Err(_) => (json.to_owned(), true),
        },
        Some(b'n') => (String::new(), false),
        Some(b'{' | b'[') => (json.to_owned(), true),
        _ => (json.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_knows_its_secret_texts() {
        const INFO: &FormInfo = &FormInfo {
            name: "Thing",
            multipart: true,
            fields: &[
                FormField::new("name"),
                FormField::new("token").secret(),
                FormField::new("more").hiding(&["key"]),
            ],
        };
        let mut form = Form::new(INFO);
        form.set::<String>(0, "plain");
        form.set::<String>(1, "hunter22");
        form.set::<crate::Json>(2, crate::json!({"key": "x"}));
        assert_eq!(form.secrets(), ["hunter22", r#"{"key":"x"}"#]);
    }
}
