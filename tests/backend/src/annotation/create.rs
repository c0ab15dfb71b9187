//! `POST /tasks/` with its two bodies, and `POST /data_units/create_tasks/`.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tasks::view;
use super::{Task, TaskData};
use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_STAGE, FIRST_USER, FIRST_WORKSHOP, WORKSHOPS};
use crate::data_collection::units;
use crate::drf::{self, Refusal, field_error};
use crate::form::{Form, Forms, raw};
use crate::payloads::Mode;
use crate::request_parts::RequestParts;
use crate::settings::TaskBodies;
use crate::time::Timestamp;

const MOST: usize = 1000;

struct New {
    project: i64,
    data_unit: i64,
    workshop: Option<i64>,
    meta: Value,
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let wrapped = !text.is_empty() && raw(&text)?.get().starts_with('{') && Form::read(&text)?.has("data");
    let (is_list, new) = match (app.settings.quirks.task_bodies, wrapped) {
        (TaskBodies::Wrapped, _) | (TaskBodies::Both, true) => (true, read_wrapped(&app, &text)?),
        (TaskBodies::List | TaskBodies::Both, _) => {
            let mut forms = Forms::read(&text, MOST)?;
            let new: Vec<New> =
                forms.items.iter_mut().filter_map(|form| read_task(&app, form, None)).collect();
            let is_list = forms.is_list;
            forms.into_result()?;
            (is_list, new)
        }
    };
    if app.settings.quirks.unique_tasks {
        refuse_repeats(&app, &new)?;
    }
    let view = view(&app, &parts, Mode::Whole);
    let created: Vec<Value> = new.into_iter().map(|new| view.task(&add(&app, new))).collect();
    match created.into_iter().collect::<Value>() {
        Value::Array(items) if !is_list => drf::value(StatusCode::CREATED, &items.first()),
        items => drf::value(StatusCode::CREATED, &items),
    }
}

/// Reads `{"project": 1, "data": [{"data_unit": 2}]}`.
fn read_wrapped(app: &App, text: &[u8]) -> Result<Vec<New>, Refusal> {
    let mut form = Form::read(text)?;
    let project =
        form.pk("project", true, |id| app.annotation.projects.has(id)).required("project", &mut form.errors);
    let items = form.field("data", |_, raw| {
        let items: Result<Vec<&RawValue>, _> = serde_json::from_str(raw.get());
        items.map(Some).map_err(|_| "Expected a list of items.".to_owned())
    });
    let items = items.required("data", &mut form.errors);
    form.errors.into_result()?;
    let items = items.unwrap_or_default();
    if items.is_empty() {
        return Err(field_error("data", "This list may not be empty."));
    }
    if items.len() > MOST {
        return Err(field_error("data", format!("Ensure this field has no more than {MOST} elements.")));
    }
    let (mut new, mut errors) = (Vec::new(), Vec::new());
    for item in items {
        match Form::of(item) {
            Ok(mut form) => {
                new.extend(read_task(app, &mut form, project));
                errors.push(form.errors);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.iter().any(|errors| !errors.is_empty()) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &json!({"data": errors})));
    }
    Ok(new)
}

/// Reads one task. `None` means that the form has errors.
fn read_task(app: &App, form: &mut Form<'_>, project: Option<i64>) -> Option<New> {
    let project = match project {
        Some(project) => Some(project),
        None => form
            .pk("project", true, |id| app.annotation.projects.has(id))
            .required("project", &mut form.errors),
    };
    let data_unit =
        form.pk("data_unit", true, |id| app.data.units.has(id)).required("data_unit", &mut form.errors);
    let known = FIRST_WORKSHOP..FIRST_WORKSHOP + WORKSHOPS as i64;
    let workshop = form.pk("workshop", false, |id| known.contains(&id)).flatten();
    let meta = form.free("meta").flatten().unwrap_or_else(|| json!({}));
    if !form.errors.is_empty() {
        return None;
    }
    Some(New { project: project?, data_unit: data_unit?, workshop, meta })
}

fn refuse_repeats(app: &App, new: &[New]) -> Result<(), Refusal> {
    let mut known = taken(app);
    if new.iter().all(|task| known.insert((task.project, task.data_unit))) {
        return Ok(());
    }
    let message = "The fields project, data_unit must make a unique set.";
    Err(field_error("non_field_errors", message))
}

/// Returns the projects and data units that have a task.
fn taken(app: &App) -> BTreeSet<(i64, i64)> {
    app.annotation.tasks.all().iter().filter_map(|task| Some((task.project, task.data_unit?))).collect()
}

fn add(app: &App, new: New) -> Task {
    app.annotation.tasks.add(|id| Task {
        id,
        project: new.project,
        data_unit: Some(new.data_unit),
        workshop: new.workshop,
        stage: FIRST_STAGE,
        labeler: FIRST_USER,
        reviewer: FIRST_USER,
        tags: Vec::new(),
        is_discarded: false,
        schema: "any",
        data: TaskData::None,
        meta: new.meta,
        annotations: 0,
        submitted: false,
        created: Timestamp::now(),
    })
}

/// `POST /data_units/create_tasks/`: the query selects the units. Units that have a task are skipped.
pub(crate) async fn create_from_units(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let project =
        form.pk("project", true, |id| app.annotation.projects.has(id)).required("project", &mut form.errors);
    form.errors.into_result()?;
    let project = project.ok_or_else(Refusal::not_found)?;
    let taken = taken(&app);
    let mut ids = Vec::new();
    for index in units::select(&app, &parts)?.indices() {
        let data_unit = app.data.units.id(index);
        if !taken.contains(&(project, data_unit)) {
            ids.push(add(&app, New { project, data_unit, workshop: None, meta: json!({}) }).id);
        }
    }
    drf::value(StatusCode::CREATED, &json!({"count": ids.len(), "ids": ids}))
}
