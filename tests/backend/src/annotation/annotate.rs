//! `PUT /tasks/{id}/annotate_task_data/`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::TaskData;
use super::tasks::view;
use crate::app::App;
use crate::body;
use crate::drf::{self, Refusal, field_error};
use crate::filters::Filters;
use crate::form::{Field, Form};
use crate::listing::path_id;
use crate::payloads::Mode;
use crate::request_parts::RequestParts;

const SCHEMAS: [&str; 2] = ["dm_schema_v1", "any"];

pub(crate) async fn annotate(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let id = path_id(&id)?;
    let task = app.annotation.tasks.get(id).ok_or_else(Refusal::not_found)?;
    let mut filters = Filters::new(&parts.query);
    let schema = filters.choice("schema", &SCHEMAS).unwrap_or(task.schema);
    filters.done()?;

    let mut form = Form::read(&text)?;
    let submits =
        form.choice("action", &["save", "submit"]).flatten().is_none_or(|action| action == "submit");
    let data = match form.field("data", |value, _| Ok(value)) {
        Field::Good(value) => value,
        Field::Absent | Field::Bad => Value::Null,
    };
    form.errors.into_result()?;
    let empty = match &data {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if submits && empty {
        return Err(field_error("data", "An empty annotation can't be submitted."));
    }
    // The strict schema wants the annotations of each file, by the file's name.
    let fits = data["annotations"].as_object().is_some_and(|files| files.values().all(Value::is_array));
    if schema == "dm_schema_v1" && !empty && !fits {
        return Err(field_error("data", "The annotation doesn't match dm_schema_v1."));
    }
    app.annotation.tasks.update(id, |task| {
        task.data = if data.is_null() { TaskData::None } else { TaskData::Saved(data) };
        task.submitted = submits;
        task.annotations += 1;
    });
    if app.settings.quirks.empty_actions {
        return Ok(drf::no_content());
    }
    let task = app.annotation.tasks.get(id).ok_or_else(Refusal::not_found)?;
    drf::value(StatusCode::OK, &view(&app, &parts, Mode::Whole).task(&task))
}
