//! `POST /models/`: validates every field and reports all errors at once, as DRF's serializers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{MODEL_TYPES, Model, ModelContent, ModelFile};
use crate::app::App;
use crate::body;
use crate::data::FIRST_MODEL;
use crate::drf::{self, FieldErrors, Refusal};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;
use crate::uploads::Upload;

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;

    let name = form.string("name", true, 255).required("name", &mut form.errors);
    let description = form.string("description", false, usize::MAX);
    let model_type = form.choice("model_type", &MODEL_TYPES).required("model_type", &mut form.errors);
    let project = form.pk("project", |id| app.world.has_project(id)).required("project", &mut form.errors);
    let upload = form.upload(&app).required("chunked_upload", &mut form.errors);
    let metrics = form.json("metrics");
    let configuration = form.json("configuration");
    let is_active = form.boolean("is_active");
    let plugin = form.string("plugin", true, 255);
    let version = form.string("version", true, 255);
    let checkpoint = form.pk("checkpoint", |id| app.models.get(id).is_some());
    form.errors.into_result()?;
    let (Some(name), Some(model_type), Some(project), Some(upload)) = (name, model_type, project, upload)
    else {
        return Err(Refusal::bad_request("Invalid input."));
    };

    let model = app.models.add(|id| {
        let content = upload.take(id).map_err(|message| {
            let mut errors = FieldErrors::default();
            errors.add("chunked_upload", message);
            errors.into_result().err().unwrap_or_else(Refusal::not_found)
        })?;
        let file = ModelFile {
            name: url_name(&upload.filename),
            content: ModelContent::Uploaded {
                path: upload.path.clone(),
                size: content.size,
                md5: content.md5,
            },
        };
        Ok(Model {
            id,
            name,
            description: description.flatten(),
            model_type,
            file: Some(file),
            metrics: metrics.unwrap_or_else(empty),
            configuration: configuration.unwrap_or_else(empty),
            project,
            is_active: is_active.unwrap_or(true),
            created_at: Timestamp::now(),
            plugin: plugin.flatten(),
            version: version.flatten(),
            checkpoint: checkpoint.flatten(),
        })
    })?;
    debug_assert!(model.id >= FIRST_MODEL);
    let links = app.signer.links(&parts);
    let shown = serde_json::to_vec(&model.shown(Some(&links))).map_err(|e| Refusal::internal(&e))?;
    Ok(drf::json(StatusCode::CREATED, shown))
}

/// The fields of a JSON object, read one by one.
struct Form<'t> {
    fields: BTreeMap<String, &'t RawValue>,
    errors: FieldErrors,
}

impl<'t> Form<'t> {
    fn read(text: &'t [u8]) -> Result<Self, Refusal> {
        // DRF treats an empty body as an empty form.
        if text.is_empty() {
            return Ok(Self { fields: BTreeMap::new(), errors: FieldErrors::default() });
        }
        let raw: &RawValue =
            serde_json::from_slice(text).map_err(|error| drf::json_parse_error(text, &error))?;
        let fields = serde_json::from_str(raw.get()).map_err(|_| {
            let kind = python_type(raw.get());
            let mut errors = FieldErrors::default();
            errors.add("non_field_errors", format!("Invalid data. Expected a dictionary, but got {kind}."));
            errors.into_result().err().unwrap_or_else(Refusal::not_found)
        })?;
        Ok(Self { fields, errors: FieldErrors::default() })
    }

    /// Returns a field's value, or `None` if it is absent.
    fn value(&self, name: &str) -> Option<(Value, &'t RawValue)> {
        let raw = *self.fields.get(name)?;
        // RawValue accepts a few texts that Value doesn't, such as 1e999.
        Some((serde_json::from_str(raw.get()).unwrap_or_default(), raw))
    }

    /// Validates one field. `Err` is the message. Each field is reported only once.
    fn field<T>(
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
    fn string(&mut self, name: &'static str, filled: bool, longest: usize) -> Field<Option<String>> {
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

    fn choice(&mut self, name: &'static str, choices: &[&str]) -> Field<Option<String>> {
        self.field(name, |value, _| match value {
            Value::Null => Err(NULL.to_owned()),
            Value::String(text) if choices.contains(&text.as_str()) => Ok(Some(text)),
            Value::String(text) => Err(format!("\"{text}\" is not a valid choice.")),
            other => Err(format!("\"{}\" is not a valid choice.", python_text(&other))),
        })
    }

    fn pk(&mut self, name: &'static str, exists: impl Fn(i64) -> bool) -> Field<Option<i64>> {
        let required = name == "project";
        self.field(name, |value, _| {
            let id = match &value {
                Value::Null if !required => return Ok(None),
                Value::Null => return Err(NULL.to_owned()),
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            match id {
                None => Err("A valid integer is required.".to_owned()),
                Some(id) if exists(id) => Ok(Some(id)),
                Some(id) => Err(format!("Invalid pk \"{id}\" - object does not exist.")),
            }
        })
    }

    fn boolean(&mut self, name: &'static str) -> Field<bool> {
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

    fn json(&mut self, name: &'static str) -> Field<Arc<RawValue>> {
        self.field(name, |value, raw| match value {
            Value::Null if raw.get() == "null" => Err(NULL.to_owned()),
            _ => Ok(Arc::from(raw.to_owned())),
        })
    }

    fn upload(&mut self, app: &App) -> Field<Option<Arc<Upload>>> {
        self.field("chunked_upload", |value, _| {
            let Value::String(text) = &value else {
                let message = if value.is_null() { NULL } else { "Must be a valid UUID." };
                return Err(message.to_owned());
            };
            let id = Uuid::parse_str(text).map_err(|_| "Must be a valid UUID.".to_owned())?;
            let upload = app
                .uploads
                .get(id)
                .ok_or_else(|| format!("Invalid pk \"{text}\" - object does not exist."))?;
            upload.usable()?;
            Ok(Some(upload))
        })
    }
}

const NULL: &str = "This field may not be null.";

enum Field<T> {
    Absent,
    Bad,
    Good(T),
}

impl<T> Field<T> {
    fn unwrap_or_else(self, default: impl FnOnce() -> T) -> T {
        self.good().unwrap_or_else(default)
    }

    fn unwrap_or(self, default: T) -> T {
        self.good().unwrap_or(default)
    }

    fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Absent | Self::Bad => None,
        }
    }
}

impl<T> Field<Option<T>> {
    fn flatten(self) -> Option<T> {
        self.good().flatten()
    }

    /// Returns the value of a required field.
    fn required(self, name: &'static str, errors: &mut FieldErrors) -> Option<T> {
        if matches!(self, Self::Absent) {
            errors.add(name, "This field is required.");
        }
        self.flatten()
    }
}

fn empty() -> Arc<RawValue> {
    Arc::from(RawValue::from_string("{}".to_owned()).unwrap_or_default())
}

fn python_type(text: &str) -> &'static str {
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

/// Django's `get_valid_filename`, percent-encoded: the last segment of the file's URL.
fn url_name(filename: &str) -> String {
    let plain: String = filename
        .trim()
        .chars()
        .map(|c| if c == ' ' { '_' } else { c })
        .filter(|c| c.is_alphanumeric() || "-_.".contains(*c))
        .collect();
    let plain = if plain.trim_matches('.').is_empty() { "file".to_owned() } else { plain };
    percent_encoding::utf8_percent_encode(&plain, crate::media::UNSAFE).to_string()
}
