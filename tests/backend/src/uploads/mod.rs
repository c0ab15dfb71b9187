//! Chunked uploads, with the behaviour of the package `drf-chunked-upload`.

mod chunk;
mod complete;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::drf::{self, Refusal};
use crate::form::{Field, Form, NULL};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

pub(crate) use chunk::{Refused, put_first, put_next};
pub(crate) use complete::{post, post_whole};

const UPLOADING: u8 = 1;
const COMPLETE: u8 = 2;

pub(crate) struct Uploads {
    dir: PathBuf,
    expiry: Duration,
    /// In the order in which they started.
    all: Mutex<Vec<Arc<Upload>>>,
}

pub(crate) struct Upload {
    pub(crate) id: Uuid,
    pub(crate) filename: String,
    pub(crate) path: PathBuf,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Locked while writing or completing: the chunks of one upload are processed one after another.
    busy: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    offset: u64,
    completed: Option<(Timestamp, String)>,
    expired: bool,
    /// The model that was created from it.
    used_by: Option<i64>,
    ranges: Vec<Range<u64>>,
    completions: u64,
}

/// The content of a completed upload.
pub(crate) struct Completed {
    pub(crate) size: u64,
    pub(crate) md5: String,
}

impl Uploads {
    pub(crate) fn new(dir: PathBuf, expiry: Duration) -> Self {
        Self { dir, expiry, all: Mutex::default() }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<Upload>> {
        self.lock().iter().find(|upload| upload.id == id).cloned()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock().iter().map(|upload| upload.id.to_string()).collect()
    }

    /// Finds an upload by the id in a URL or from a test.
    pub(crate) fn named(&self, id: &str) -> Option<Arc<Upload>> {
        self.get(Uuid::parse_str(id).ok()?)
    }

    /// Returns the path of a new file. It is deleted with the backend.
    pub(crate) fn new_file(&self) -> PathBuf {
        self.file_of(Uuid::new_v4())
    }

    fn file_of(&self, id: Uuid) -> PathBuf {
        self.dir.join(format!("{id}.part"))
    }

    /// Adds the upload that a first chunk has started. Its bytes are already in its file.
    fn add(&self, id: Uuid, filename: String, range: Range<u64>) -> Arc<Upload> {
        let created_at = Timestamp::now();
        let expiry = i64::try_from(self.expiry.as_micros()).unwrap_or(i64::MAX);
        let upload = Arc::new(Upload {
            id,
            filename,
            path: self.file_of(id),
            created_at,
            expires_at: Timestamp::from_micros(created_at.micros().saturating_add(expiry)),
            busy: Arc::default(),
            state: Mutex::new(Progress {
                // The package ignores the start of the first chunk's range.
                offset: range.end - range.start,
                ranges: vec![range],
                ..Progress::default()
            }),
        });
        self.lock().push(Arc::clone(&upload));
        upload
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Upload>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offset(&self) -> u64 {
        self.state().offset
    }

    pub(crate) fn expire(&self) {
        self.state().expired = true;
    }

    pub(crate) fn ranges(&self) -> Vec<Range<u64>> {
        self.state().ranges.clone()
    }

    pub(crate) fn completions(&self) -> u64 {
        self.state().completions
    }

    pub(crate) fn completed(&self) -> Option<Completed> {
        let state = self.state();
        let (_, md5) = state.completed.as_ref()?;
        Some(Completed { size: state.offset, md5: md5.clone() })
    }

    /// Returns an error if no model can be created from it.
    pub(crate) fn usable(&self) -> Result<(), String> {
        let state = self.state();
        if state.completed.is_none() {
            return Err("The upload is not completed.".to_owned());
        }
        match state.used_by {
            Some(_) => Err("The upload has already been used.".to_owned()),
            None => Ok(()),
        }
    }

    /// Uses the upload for a model. It can't be used again.
    pub(crate) fn take(&self, model: i64) -> Result<Completed, String> {
        self.usable()?;
        self.state().used_by = Some(model);
        self.completed().ok_or_else(|| "The upload is not completed.".to_owned())
    }

    fn refuse_if_expired(&self) -> Result<(), Refusal> {
        let state = self.state();
        if state.completed.is_none() && (state.expired || self.expires_at <= Timestamp::now()) {
            return Err(Refusal::detail(StatusCode::GONE, "Upload has expired"));
        }
        Ok(())
    }

    fn refuse_if_over(&self) -> Result<(), Refusal> {
        self.refuse_if_expired()?;
        match self.state().completed {
            Some(_) => Err(Refusal::bad_request("Upload has already been marked as \"complete\"")),
            None => Ok(()),
        }
    }

    fn shown(&self, app: &App, parts: &RequestParts) -> Result<Response, Refusal> {
        #[derive(Serialize)]
        struct Shown<'a> {
            id: Uuid,
            url: String,
            file: Option<String>,
            filename: &'a str,
            offset: u64,
            created_at: Timestamp,
            status: u8,
            completed_at: Option<Timestamp>,
            user: u64,
        }
        let state = self.state();
        let completed_at = state.completed.as_ref().map(|(at, _)| *at);
        let shown = Shown {
            id: self.id,
            url: format!("{}{}/chunked_upload/{}/", parts.origin, app.settings.path_prefix, self.id),
            file: completed_at.map(|_| format!("/media/chunked_uploads/{}.done", self.id)),
            filename: &self.filename,
            offset: state.offset,
            created_at: self.created_at,
            status: if completed_at.is_some() { COMPLETE } else { UPLOADING },
            completed_at,
            user: 1,
        };
        Ok(drf::json(StatusCode::OK, serde_json::to_vec(&shown).map_err(|e| Refusal::internal(&e))?))
    }
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let upload = app.uploads.named(&id).ok_or_else(Refusal::not_found)?;
    upload.refuse_if_expired()?;
    upload.shown(&app, &parts)
}

/// The field that names a completed upload.
pub(crate) fn upload_field(form: &mut Form<'_>, app: &App) -> Field<Option<Arc<Upload>>> {
    form.field("chunked_upload", |value, _| {
        let Value::String(text) = &value else {
            let message = if value.is_null() { NULL } else { "Must be a valid UUID." };
            return Err(message.to_owned());
        };
        let id = Uuid::parse_str(text).map_err(|_| "Must be a valid UUID.".to_owned())?;
        let upload =
            app.uploads.get(id).ok_or_else(|| format!("Invalid pk \"{text}\" - object does not exist."))?;
        upload.usable()?;
        Ok(Some(upload))
    })
}

fn disk(error: io::Error) -> Refusal {
    Refusal::internal(&error)
}
