//! `POST /logs/`: one entry, or a list of at most 1,000.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use super::jobs;
use super::stored;
use crate::app::App;
use crate::body;
use crate::drf::{self, Refusal};
use crate::form::{Form, Forms};
use crate::links::FileLinks;
use crate::payloads::hex;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

const MOST: usize = 1000;
const LEVELS: [&str; 7] = ["debug", "info", "success", "warning", "danger", "error", "critical"];

struct New {
    event: String,
    data: Map<String, Value>,
    datetime: Timestamp,
    job: i64,
    step: Option<String>,
    level: String,
    file: Option<(String, Vec<u8>)>,
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut forms = Forms::read(&text, MOST)?;
    let new: Vec<New> = forms.items.iter_mut().filter_map(|form| read(&app, form)).collect();
    let is_list = forms.is_list;
    forms.into_result()?;
    let links = app.signer.links(&parts);
    let mut entries = Vec::new();
    for new in new {
        entries.push(show(&app, &links, add(&app, new)?));
    }
    if app.settings.quirks.empty_actions {
        return Ok(drf::no_content());
    }
    match is_list {
        true => drf::value(StatusCode::CREATED, &entries),
        false => drf::value(StatusCode::CREATED, &entries.first()),
    }
}

/// Reads one entry. `None` means that the form has errors.
fn read(app: &App, form: &mut Form<'_>) -> Option<New> {
    let event = form.string("event", true, 255).required("event", &mut form.errors);
    let data = form.object("data").required("data", &mut form.errors);
    let datetime = form.time("datetime").required("datetime", &mut form.errors);
    let job = jobs::field(app, form, "job");
    let job = job.required("job", &mut form.errors);
    let step = form.string("step", false, 255).flatten();
    let level = form.choice("level", &LEVELS).flatten().unwrap_or_else(|| "info".to_owned());
    let file = form.string("file", true, usize::MAX).flatten();
    let file = file.and_then(|uri| {
        let decoded = decode(&uri);
        if decoded.is_none() {
            form.errors.add("file", "The file is not a valid data URI.");
        }
        decoded
    });
    if !form.errors.is_empty() {
        return None;
    }
    Some(New { event: event?, data: data?, datetime: datetime?, job: job?, step, level, file })
}

/// Returns the media type and the bytes of a `data:<mime>;base64,` URI.
fn decode(uri: &str) -> Option<(String, Vec<u8>)> {
    let (media, data) = uri.strip_prefix("data:")?.split_once(";base64,")?;
    let bytes = STANDARD.decode(data).ok()?;
    media.contains('/').then(|| (media.to_owned(), bytes))
}

fn add(app: &App, new: New) -> Result<Value, Refusal> {
    let link = match new.file {
        None => None,
        Some((media, bytes)) => {
            let path = app.uploads.new_file();
            std::fs::write(&path, &bytes).map_err(|error| Refusal::internal(&error))?;
            let kind = media.rsplit('/').next().unwrap_or("bin").to_owned();
            let md5 = hex(&Md5::digest(&bytes));
            Some(app.integration.files.add(&format!("log.{kind}"), path, bytes.len() as u64, md5))
        }
    };
    Ok(app.integration.logs.add(|id| {
        json!({
            "id": id, "job": new.job, "event": new.event, "step": new.step, "level": new.level, "data": new.data,
            "file": link, "datetime": new.datetime, "created": Timestamp::now(),
        })
    }))
}

fn show(app: &App, links: &FileLinks<'_>, mut entry: Value) -> Value {
    entry["job"] = jobs::shown_id(app, entry["job"].as_i64().unwrap_or_default());
    if let Some(link) = entry["file"].as_str() {
        entry["file"] = json!(stored::url(link, links));
    }
    entry
}

/// Returns the log entries of a job in order of arrival.
pub(crate) fn of_job(app: &App, links: &FileLinks<'_>, number: i64) -> Vec<Value> {
    let entries = app.integration.logs.all().into_iter();
    entries.filter(|entry| entry["job"] == number).map(|entry| show(app, links, entry)).collect()
}
