//! Data collections and their file specifications.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::data::files::FileKind;
use crate::data::seed::{FIRST_DATA_COLLECTION, Seed, tenant};
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::keys::Keys;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

const CATEGORIES: [&str; 6] = ["image", "video", "audio", "text", "pcd", "data"];
const DISPLAYS: [(&str, &str); 5] = [
    ("image", "이미지"),
    ("text", "텍스트"),
    ("video", "비디오"),
    ("audio", "오디오"),
    ("pcd", "포인트 클라우드"),
];

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    let category = seed.kind(index).data_type();
    let display = DISPLAYS.iter().find(|(name, _)| *name == category).map_or("", |(_, display)| display);
    json!({
        "id": FIRST_DATA_COLLECTION + index as i64,
        "name": format!("도심 주행 {display} {}", index + 1),
        "description": format!("주행 중에 수집한 {display} 데이터"),
        "category": category,
        "category_display": display,
        "meta": {"vendor": "수집팀"},
        "caution": "",
        "access_level": "public",
        "is_archived": false,
        "count_projects": (0..seed.projects).filter(|p| seed.collection_of_project(*p) == index).count(),
        "tenant": 1,
        "created": seed.created(seed.counts.data_collections, index),
    })
}

/// A file that each data unit of a collection has or may have.
pub(crate) struct Specification {
    pub(crate) name: &'static str,
    pub(crate) file_type: &'static str,
    pub(crate) is_primary: bool,
}

/// Returns the specifications of a collection: the main file, and an optional file with metadata.
pub(crate) fn specifications(app: &App, collection: i64) -> [Specification; 2] {
    let kind = app.seed.kind((collection - FIRST_DATA_COLLECTION).unsigned_abs());
    [
        Specification { name: kind.name(), file_type: kind.data_type(), is_primary: true },
        Specification { name: FileKind::Annotation.name(), file_type: "data", is_primary: false },
    ]
}

fn shown_specification(collection: i64, (index, specification): (usize, &Specification)) -> Value {
    let extensions = match specification.file_type {
        "image" => json!(["png", ".jpg"]),
        "text" => json!(["txt"]),
        "video" => json!(["mp4"]),
        "audio" => json!([".wav"]),
        "pcd" => json!(["pcd"]),
        _ => json!([".json"]),
    };
    json!({
        "id": collection * 10 + index as i64,
        "name": specification.name,
        "description": "",
        "file_type": specification.file_type,
        "file_type_display": specification.file_type.to_uppercase(),
        "configuration": {},
        "index": index + 1,
        "is_required": specification.is_primary,
        "is_primary": specification.is_primary,
        "is_sequential": false,
        "function_type": if specification.is_primary { "main" } else { "meta" },
        "extensions": extensions,
    })
}

/// Returns a collection without its specifications.
pub(crate) fn plain(app: &App, id: i64) -> Option<Value> {
    app.data.collections.get(id)
}

fn show(app: &App, projection: &Projection, mut collection: Value) -> Value {
    let id = collection["id"].as_i64().unwrap_or_default();
    if projection.expands("tenant") {
        collection["tenant"] = tenant();
    }
    if projection.asks("file_specifications") {
        let all = specifications(app, id);
        collection["file_specifications"] =
            all.iter().enumerate().map(|specification| shown_specification(id, specification)).collect();
    }
    projection.show(collection, ID)
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let category = filters.choice("category", &CATEGORIES);
    let search = filters.search();
    filters.done()?;
    let keep = |_: u64, collection: &Value| {
        let name = collection["name"].as_str().unwrap_or_default().to_lowercase();
        category.is_none_or(|wanted| collection["category"] == wanted)
            && search.iter().all(|word| name.contains(word))
    };
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(&app.data.collections, &keys, Some(&keep));
    let render = |index| app.data.collections.row(index).map(|item| show(&app, &projection, item));
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let projection = Projection::of(&parts, &app.settings);
    object(plain(&app, path_id(&id)?).map(|collection| show(&app, &projection, collection)))
}
