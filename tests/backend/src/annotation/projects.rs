//! `GET /projects/{id}/`.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::data::seed::{FIRST_DATA_COLLECTION, Seed, project_id, tenant};
use crate::data_collection::collections;
use crate::drf::Refusal;
use crate::listing::{object, path_id};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

const CATEGORIES: [(&str, &str); 5] = [
    ("image", "이미지"),
    ("text", "텍스트"),
    ("video", "비디오"),
    ("audio", "오디오"),
    ("pcd", "포인트 클라우드"),
];

const ACCESS_LEVELS: [&str; 3] = ["public", "partially_public", "private"];

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    let collection = seed.collection_of_project(index);
    let (category, display) = CATEGORIES[(collection % 5) as usize];
    json!({
        "id": project_id(index),
        "title": format!("도심 주행 라벨링 {}", index + 1),
        "description": format!("{display} 라벨링 프로젝트"),
        "category": category,
        "category_display": display,
        "data_collection": FIRST_DATA_COLLECTION + collection as i64,
        "configuration": {"schema_type": "dm_schema_v1", "classification": {"class": {"options": ["보행자", "승용차"]}}},
        "settings": {"review": index.is_multiple_of(2)},
        "caution": if index % 3 == 2 { "sensitive_content" } else { "" },
        "access_level": ACCESS_LEVELS[(index % 3) as usize],
        "count_max_assignments_per_task": index % 4,
        "can_discard": true,
        "enable_workforce": index % 2 == 1,
        "is_archived": false,
        "tenant": 1,
        "created": seed.created(seed.projects, index),
    })
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let id = path_id(&id)?;
    let projection = Projection::of(&parts, &app.settings);
    object(app.annotation.projects.get(id).map(|mut project| {
        project["task_count"] = json!(
            app.annotation.tasks.select(0..app.annotation.tasks.len(), |_, task| task.project == id).len()
        );
        if projection.expands("tenant") {
            project["tenant"] = tenant();
        }
        if projection.expands("data_collection") {
            let collection = project["data_collection"].as_i64().and_then(|id| collections::plain(&app, id));
            project["data_collection"] = json!(collection);
        }
        projection.show(project, ID)
    }))
}
