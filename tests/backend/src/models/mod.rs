//! Models: listing, retrieving, and creating from an upload.

mod create;
mod seeded;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app::App;
use crate::data::{FIRST_MODEL, FIRST_VERSION, World, mix};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::links::FileLinks;
use crate::pagination::Page;
use crate::request_parts::RequestParts;
use crate::settings::Settings;
use crate::time::Timestamp;

pub(crate) use create::create;

pub(crate) const MODEL_TYPES: [&str; 3] = ["classification", "detection", "segmentation"];

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) model_type: String,
    pub(crate) file: Option<ModelFile>,
    /// The JSON text as received.
    pub(crate) metrics: Arc<RawValue>,
    pub(crate) configuration: Arc<RawValue>,
    pub(crate) project: i64,
    pub(crate) is_active: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) plugin: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) checkpoint: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelFile {
    /// The last segment of its path, percent-encoded.
    pub(crate) name: String,
    pub(crate) content: ModelContent,
}

#[derive(Debug, Clone)]
pub(crate) enum ModelContent {
    Generated { size: u64 },
    Uploaded { path: PathBuf, size: u64, md5: String },
}

/// The JSON representation of a model.
#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    name: &'a str,
    description: Option<&'a str>,
    model_type: &'a str,
    /// Absent with `include_file=false`, null for a model without a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Option<String>>,
    metrics: &'a RawValue,
    configuration: &'a RawValue,
    project: i64,
    is_active: bool,
    created_at: Timestamp,
    plugin: Option<&'a str>,
    version: Option<&'a str>,
    checkpoint: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluations: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Value>,
}

impl Model {
    fn shown(&self, links: Option<&FileLinks<'_>>) -> Shown<'_> {
        let url = |links: &FileLinks<'_>| {
            self.file.as_ref().map(|file| links.url(&format!("/media/models/{}/{}", self.id, file.name)))
        };
        Shown {
            id: self.id,
            name: &self.name,
            description: self.description.as_deref(),
            model_type: &self.model_type,
            file: links.map(url),
            metrics: &self.metrics,
            configuration: &self.configuration,
            project: self.project,
            is_active: self.is_active,
            created_at: self.created_at,
            plugin: self.plugin.as_deref(),
            version: self.version.as_deref(),
            checkpoint: self.checkpoint,
            evaluations: None,
            versions: None,
        }
    }
}

/// All models, ordered by id.
pub(crate) struct Models {
    seeded: u64,
    all: Mutex<Vec<Arc<Model>>>,
}

impl Models {
    pub(crate) fn new(settings: &Settings, world: &World) -> Self {
        let all = (0..settings.models).map(|index| Arc::new(seeded::model(index, settings, world))).collect();
        Self { seeded: settings.models, all: Mutex::new(all) }
    }

    pub(crate) fn get(&self, id: i64) -> Option<Arc<Model>> {
        let index = usize::try_from(id.checked_sub(FIRST_MODEL)?).ok()?;
        self.lock().get(index).cloned()
    }

    /// Returns the ids of the models that requests created.
    pub(crate) fn created(&self) -> Vec<i64> {
        self.lock().iter().skip(self.seeded as usize).map(|model| model.id).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Model>> {
        self.lock().clone()
    }

    /// Adds the model that `make` creates for the next id.
    fn add(&self, make: impl FnOnce(i64) -> Result<Model, Refusal>) -> Result<Arc<Model>, Refusal> {
        let mut all = self.lock();
        let model = Arc::new(make(FIRST_MODEL + all.len() as i64)?);
        all.push(Arc::clone(&model));
        Ok(model)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Model>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let project = filters.id("project");
    let model_type = filters.choice("model_type", &MODEL_TYPES);
    let is_active = filters.boolean("is_active");
    let created_after = filters.time("created_after");
    let search = filters.search();
    filters.done()?;
    let found = |model: &Model, word: &str| {
        let holds = |text: &str| text.to_lowercase().contains(word);
        holds(&model.name) || model.description.as_deref().is_some_and(holds)
    };
    let mut chosen = app.models.all();
    chosen.retain(|model| {
        project.is_none_or(|id| model.project == id)
            && model_type.is_none_or(|wanted| model.model_type == wanted)
            && is_active.is_none_or(|wanted| model.is_active == wanted)
            && created_after.is_none_or(|time| model.created_at >= time)
            && search.iter().all(|word| found(model, word))
    });
    let page = Page::of(chosen.len() as u64, &parts, &app.settings)?;
    let links = app.signer.links(&parts);
    let models: Vec<Vec<u8>> = chosen[page.start as usize..page.end as usize]
        .iter()
        .map(|model| serde_json::to_vec(&model.shown(Some(&links))).map_err(|e| Refusal::internal(&e)))
        .collect::<Result<_, _>>()?;
    Ok(page.response(models.len() * 800, |out| out.extend_from_slice(&models.join(&b","[..]))))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let id = id.parse().map_err(|_| Refusal::not_found())?;
    let model = app.models.get(id).ok_or_else(Refusal::not_found)?;
    let links = app.signer.links(&parts);
    let mut shown =
        model.shown((Filters::new(&parts.query).boolean("include_file") != Some(false)).then_some(&links));
    let expands = |name: &str| {
        parts.query.all("expand").flat_map(|words| words.split(',')).any(|word| word.trim() == name)
    };
    let detailed;
    if expands("metrics") {
        detailed = with_history(&model.metrics, id);
        shown.metrics = &detailed;
    }
    if expands("evaluations") {
        shown.evaluations = Some(evaluations(&app.world, id, model.created_at));
    }
    if expands("versions") {
        shown.versions = Some(versions(&model));
    }
    Ok(drf::json(StatusCode::OK, serde_json::to_vec(&shown).map_err(|e| Refusal::internal(&e))?))
}

/// `expand=metrics`: adds a training history to the metrics.
fn with_history(metrics: &RawValue, id: i64) -> Box<RawValue> {
    let history: Vec<Value> = (1..=3)
        .map(|epoch| json!({"epoch": epoch * 10, "loss": 1.0 / (epoch as f64 + (mix(id as u64, epoch) % 100) as f64 / 100.0)}))
        .collect();
    let plain = metrics.get().trim();
    let expanded = plain.strip_suffix('}').map(|open| {
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        format!("{open}{comma}\"history\":{}}}", Value::from(history))
    });
    // A value that isn't an object can't hold a history.
    expanded.and_then(|text| RawValue::from_string(text).ok()).unwrap_or_else(|| metrics.to_owned())
}

fn evaluations(world: &World, id: i64, created_at: Timestamp) -> Value {
    (0..2_u64)
        .map(|n| {
            let noise = mix(id as u64, 40 + n);
            json!({
                "id": id * 10 + n as i64,
                "ground_truth_dataset_version": FIRST_VERSION + (noise % world.versions) as i64,
                "metrics": {"mAP": (noise >> 11) as f64 / (1_u64 << 53) as f64},
                "created_at": created_at,
            })
        })
        .collect()
}

fn versions(model: &Model) -> Value {
    (1..=2)
        .map(|n| json!({"id": model.id * 10 + n, "version": format!("1.{n}.0"), "is_active": n == 2, "created_at": model.created_at}))
        .collect()
}

/// Returns a model as JSON, for tests that inspect the backend.
pub(crate) fn as_value(model: &Model, links: &FileLinks<'_>) -> Value {
    serde_json::to_value(model.shown(Some(links))).unwrap_or_default()
}
