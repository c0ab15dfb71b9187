//! `PATCH /jobs/{id}/`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request;
use axum::response::Response;
use serde_json::json;

use super::jobs::{STATUSES, parse, show};
use crate::app::App;
use crate::body;
use crate::drf::{FieldErrors, Refusal};
use crate::form::Form;
use crate::listing::object;
use crate::projection::Projection;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

/// The fields besides `status`. Each replaces the stored one whole.
const FREE: [&str; 5] = ["progress_record", "metrics_record", "console_logs", "result", "meta"];

pub(crate) async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let number = parse(&app, &id).ok_or_else(Refusal::not_found)?;
    let mut form = Form::read(&text)?;
    let status = form.choice("status", &STATUSES).flatten();
    let fields = FREE.map(|name| form.free(name).flatten().map(|value| (name, value)));
    let job = app.integration.jobs.get(number).ok_or_else(Refusal::not_found)?;
    let present = job["status"].as_str().unwrap_or_default();
    if let Some(next) = status.as_deref().filter(|next| !may_follow(present, next)) {
        form.errors.add("status", format!("The status can't change from {present} to {next}."));
    }
    refuse_others(&mut form);
    form.errors.into_result()?;
    app.integration.jobs.update(number, |job| {
        let now = Timestamp::now();
        if let Some(status) = status {
            let ended = !matches!(status.as_str(), "PENDING" | "RUNNING");
            if ended && job["completed"].is_null() {
                job["completed"] = json!(now);
            }
            job["is_active"] = json!(!ended);
            job["status"] = json!(status);
        }
        for (name, value) in fields.into_iter().flatten() {
            job[name] = value;
        }
        job["modified"] = json!(now);
    });
    let links = app.signer.links(&parts);
    object(show(&app, &links, &Projection::of(&parts, &app.settings), number))
}

/// A job that has ended stays so. A repeated status changes nothing.
fn may_follow(present: &str, next: &str) -> bool {
    match present {
        _ if present == next => true,
        "PENDING" => true,
        "RUNNING" => next != "PENDING",
        _ => false,
    }
}

/// Refuses fields that no update has, so that a test notices one.
fn refuse_others(form: &mut Form<'_>) {
    let unknown = form.names().any(|name| name != "status" && !FREE.contains(&name));
    if unknown {
        let errors: &mut FieldErrors = &mut form.errors;
        errors.add("non_field_errors", "An update has only status, records, logs, result and meta.");
    }
}
