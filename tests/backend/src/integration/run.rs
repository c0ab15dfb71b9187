//! `POST /plugins/{id or code}/run/`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::{jobs, plugins};
use crate::app::App;
use crate::body;
use crate::data::seed::FIRST_USER;
use crate::drf::{self, Refusal, field_error};
use crate::form::Form;
use crate::time::Timestamp;

/// An action that answers itself. Every other action runs as a job.
const SERVED: &str = "inference";
/// A served action that answers null.
const SILENT: &str = "noop";

pub(crate) async fn run(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let plugin = plugins::find(&app, &name).ok_or_else(Refusal::not_found)?;
    let plugin_id = plugin["id"].as_i64().unwrap_or_default();
    let mut form = Form::read(&text)?;
    let agent = form.pk("agent", true, |id| app.integration.agents.has(id)).flatten();
    let action = form.string("action", true, 255).flatten();
    let params = form.object("params").flatten().unwrap_or_default();
    form.pk("storage_id", true, |id| app.storages.all.has(id));
    form.boolean("debug");
    let version = form.string("version", true, 255).flatten();
    form.string("language", true, 20);
    let job = jobs::field(&app, &mut form, "job_id");
    let job = job.flatten();
    form.errors.into_result()?;

    let releases = &app.integration.releases;
    let of_plugin = |release: &Value| release["plugin"] == plugin_id;
    let release = match &version {
        Some(version) => {
            releases.find(|release| of_plugin(release) && release["version"] == version.as_str())
        }
        None => releases.all().into_iter().rfind(of_plugin),
    };
    if version.is_some() && release.is_none() {
        return Err(field_error("version", "The release does not exist."));
    }
    let body = if text.is_empty() { json!({}) } else { serde_json::from_slice(&text).unwrap_or_default() };
    app.integration.runs().push((plugin_id, body));
    let action = action.unwrap_or_else(|| "train".to_owned());
    match action.as_str() {
        SERVED => drf::value(StatusCode::OK, &json!({"output": params, "elapsed": 0.25})),
        SILENT => drf::value(StatusCode::OK, &Value::Null),
        _ => {
            let number = job.unwrap_or_else(|| {
                let now = Timestamp::now();
                let row = app.integration.jobs.add(|id| {
                    json!({
                        "id": id, "status": "PENDING", "action": action, "params": params, "is_active": true,
                        "plugin_release": release.map(|release| release["id"].clone()), "agent": agent,
                        "user": FIRST_USER, "progress_record": {}, "metrics_record": {}, "result": null,
                        "meta": {}, "console_logs": null, "created": now, "modified": now, "completed": null,
                    })
                });
                row["id"].as_i64().unwrap_or_default()
            });
            drf::value(StatusCode::OK, &json!({"job_id": jobs::shown_id(&app, number)}))
        }
    }
}
