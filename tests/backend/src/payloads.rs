//! The `data` of tasks, assignments and events that is stored away: the wrapper, and the JSON behind its URL.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::links::{FileLinks, seal};
use crate::request_parts::RequestParts;
use crate::settings::Settings;
use crate::storages::{StorageError, error};
use crate::{annotation, drf, hitl};

/// How a list shows `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The payload itself.
    Whole,
    Presigned,
    Inline,
}

impl Mode {
    /// Reads `response_mode`, which only the three `/sdk/` lists have.
    pub(crate) fn of(app: &App, parts: &RequestParts, has_modes: bool) -> Self {
        match parts.query.given("response_mode") {
            _ if !has_modes || app.settings.quirks.older_sdk_lists => Self::Whole,
            Some("presigned") => Self::Presigned,
            Some("inline") => Self::Inline,
            _ => Self::Whole,
        }
    }
}

/// What the data belongs to. An event is named by its index.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    Task(i64),
    Assignment(i64),
    Event(u64),
}

pub(crate) struct Payloads {
    key: u64,
    prefix: String,
    inline_limit: usize,
    /// URLs of an earlier epoch have expired.
    epoch: AtomicU64,
}

impl Payloads {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            key: settings.seed,
            prefix: settings.signature_prefix.clone(),
            inline_limit: settings.quirks.inline_data_limit,
            epoch: AtomicU64::new(1),
        }
    }

    /// Makes all URLs given out so far expire.
    pub(crate) fn expire(&self) {
        self.epoch.fetch_add(1, Relaxed);
    }

    /// Returns the data as a response in this mode shows it.
    pub(crate) fn show(&self, links: &FileLinks<'_>, owner: Owner, data: Value, mode: Mode) -> Value {
        if data.is_null() || mode == Mode::Whole {
            return data;
        }
        let text = data.to_string();
        if mode == Mode::Inline && text.len() <= self.inline_limit {
            let Value::Object(mut fields) = data else { return data };
            fields.insert("mode".to_owned(), json!("inline"));
            return Value::Object(fields);
        }
        let path = match owner {
            Owner::Task(id) => format!("/payloads/tasks/{id}.json"),
            Owner::Assignment(id) => format!("/payloads/assignments/{id}.json"),
            Owner::Event(index) => format!("/payloads/events/{index}.json"),
        };
        let epoch = self.epoch.load(Relaxed);
        let signature = self.signature(&path, epoch);
        let url =
            format!("{}{path}?X-Amz-Expires=3600&epoch={epoch}&X-Amz-Signature={signature}", links.origin);
        let digest = hex(&Sha256::digest(text.as_bytes()));
        let mut wrapper = json!({"presigned_url": url, "size": text.len(), "data_digest": digest});
        match mode {
            Mode::Inline => {
                wrapper["mode"] = json!("inline");
                wrapper["truncated"] = json!(true);
            }
            _ => wrapper["mode"] = json!("presigned"),
        }
        wrapper
    }

    fn signature(&self, path: &str, epoch: u64) -> String {
        format!("{}{}", self.prefix, seal(self.key ^ epoch.rotate_left(32), path))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Can't fail: writing to a String never does.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Serves the JSON behind a wrapper's URL. It needs no token.
pub(crate) async fn serve(
    State(app): State<App>,
    Path((kind, name)): Path<(String, String)>,
    method: Method,
    parts: RequestParts,
) -> Result<Response, StorageError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method is not allowed."));
    }
    let epoch = parts.query.get("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    let signature = app.payloads.signature(&format!("/payloads/{kind}/{name}"), epoch);
    if parts.query.get("X-Amz-Signature") != Some(signature.as_str()) {
        return Err(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", "The signature is wrong."));
    }
    if epoch != app.payloads.epoch.load(Relaxed) {
        return Err(error(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"));
    }
    match find(&app, &kind, name.trim_end_matches(".json")) {
        Some(data) => Ok(drf::json(StatusCode::OK, data.to_string())),
        None => Err(error(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")),
    }
}

fn find(app: &App, kind: &str, id: &str) -> Option<Value> {
    let id: i64 = id.parse().ok()?;
    match kind {
        "tasks" => Some(annotation::show::data(app, &app.annotation.tasks.get(id)?)),
        "assignments" => Some(hitl::show::data(app, &app.hitl.assignments.get(id)?)),
        "events" => {
            let index = u64::try_from(id).ok().filter(|index| *index < app.world.events)?;
            let mut text = Vec::new();
            app.world.shape(index).data.render(&app.world.values(index, "", ""), &mut text);
            let event: Value = serde_json::from_slice(&text).ok()?;
            Some(event["data"].clone())
        }
        _ => None,
    }
}
