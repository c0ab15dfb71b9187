//! `GET /jobs/{id}/console_logs/`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::jobs;
use crate::app::App;
use crate::drf::{self, Refusal};
use crate::settings::ConsoleLogs;

/// Returns the lines of a job's console: those that an update has set, or the generated ones of a job that
/// has started, and the messages of its log entries.
fn lines(app: &App, number: i64) -> Vec<String> {
    let job = app.integration.jobs.get(number).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines: Vec<String> = match &job["console_logs"] {
        Value::Array(lines) => lines.iter().map(text).collect(),
        Value::Object(parts) => parts.values().map(text).collect(),
        Value::String(all) => all.lines().map(str::to_owned).collect(),
        _ if job["status"] == "PENDING" || app.integration.jobs.created().contains(&number) => Vec::new(),
        _ => (1..=3).map(|epoch| format!("epoch {epoch}: loss {:.3}", 1.0 / f64::from(epoch))).collect(),
    };
    let entries = app.integration.logs.all();
    let of_job = entries.iter().filter(|entry| entry["job"] == number && entry["event"] == "message");
    lines.extend(of_job.map(|entry| text(&entry["data"]["content"])));
    lines
}

/// A job without lines yet has no console logs: a 404.
pub(crate) async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let number = jobs::parse(&app, &id).ok_or_else(Refusal::not_found)?;
    let lines = lines(&app, number);
    if lines.is_empty() {
        return Err(Refusal::not_found());
    }
    let job = app.integration.jobs.get(number).unwrap_or_default();
    let time = job["created"].as_str().unwrap_or_default();
    let body = match app.settings.quirks.console_logs {
        ConsoleLogs::Lines => lines.iter().map(|line| json!(format!("{time} {line}"))).collect(),
        ConsoleLogs::Results => {
            json!({"results": lines.iter().map(|line| json!({"message": line})).collect::<Vec<_>>()})
        }
        ConsoleLogs::Logs => json!({ "logs": lines }),
        ConsoleLogs::Objects => {
            lines.iter().map(|line| json!({"timestamp": time, "level": "info", "message": line})).collect()
        }
    };
    drf::value(StatusCode::OK, &body)
}
