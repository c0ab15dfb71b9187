//! `POST /models/`: validates every field and reports all errors at once, as DRF's serializers do.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::value::RawValue;

use super::{MODEL_TYPES, Model, ModelContent, ModelFile};
use crate::app::App;
use crate::body;
use crate::data::FIRST_MODEL;
use crate::drf::{self, FieldErrors, Refusal};
use crate::form::Form;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;
use crate::uploads::upload_field;

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
    let project =
        form.pk("project", true, |id| app.world.has_project(id)).required("project", &mut form.errors);
    let upload = upload_field(&mut form, &app).required("chunked_upload", &mut form.errors);
    let metrics = form.json("metrics");
    let configuration = form.json("configuration");
    let is_active = form.boolean("is_active");
    let plugin = form.string("plugin", true, 255);
    let version = form.string("version", true, 255);
    let checkpoint = form.pk("checkpoint", false, |id| app.models.get(id).is_some());
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

fn empty() -> Arc<RawValue> {
    Arc::from(RawValue::from_string("{}".to_owned()).unwrap_or_default())
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
