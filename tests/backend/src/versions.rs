//! Versions of ground-truth datasets.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::data::{Choice, FIRST_VERSION, World, files::FileKind, mix};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::pagination::Page;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

const DATASET_NAMES: [&str; 4] =
    ["도심 주행 객체 검출", "고속도로 차선 분할", "교차로 보행자 추적", "야간 신호등 분류"];

#[derive(Serialize)]
struct Version {
    id: i64,
    version: String,
    ground_truth_dataset: Dataset,
    event_count: u64,
    description: Option<String>,
    is_active: bool,
    is_archived: bool,
    created_at: String,
    statistics: Statistics,
}

#[derive(Serialize)]
struct Dataset {
    id: i64,
    name: String,
    project: i64,
    created_at: String,
}

#[derive(Serialize)]
struct Statistics {
    total: u64,
    by_data_type: BTreeMap<&'static str, u64>,
    splits: BTreeMap<&'static str, f64>,
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let dataset = filters.id("ground_truth_dataset");
    let archived = filters.boolean("is_archived");
    filters.done()?;
    let chosen: Vec<u64> = (0..app.world.versions)
        .filter(|version| dataset.is_none_or(|id| id == app.world.dataset_of(*version)))
        .filter(|version| archived.is_none_or(|wanted| wanted == is_archived(*version)))
        .collect();
    let page = Page::of(chosen.len() as u64, &parts, &app.settings)?;
    let versions: Vec<Vec<u8>> = chosen[page.start as usize..page.end as usize]
        .iter()
        .map(|version| serde_json::to_vec(&describe(&app.world, *version)).map_err(|e| Refusal::internal(&e)))
        .collect::<Result<_, _>>()?;
    Ok(page.response(versions.len() * 500, |out| out.extend_from_slice(&versions.join(&b","[..]))))
}

pub(crate) async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
    if !app.world.has_version(id) {
        return Err(Refusal::not_found());
    }
    let version = describe(&app.world, (id - FIRST_VERSION) as u64);
    Ok(drf::json(StatusCode::OK, serde_json::to_vec(&version).map_err(|e| Refusal::internal(&e))?))
}

/// Every fourth version is archived, but not the first.
fn is_archived(version: u64) -> bool {
    version % 4 == 3
}

fn describe(world: &World, version: u64) -> Version {
    let id = FIRST_VERSION + version as i64;
    let count =
        |data_type| world.select(&Choice { versions: Some(vec![id]), data_type, ..Choice::default() }).len();
    let event_count = count(None);
    let by_data_type = FileKind::ALL
        .iter()
        .map(|kind| (kind.data_type(), count(Some(kind.data_type()))))
        .filter(|(_, count)| *count > 0)
        .collect();
    let dataset = world.dataset_of(version);
    let number = (dataset - crate::data::FIRST_DATASET) as usize;
    let name = DATASET_NAMES[number % DATASET_NAMES.len()];
    // Versions are older than the events, whose times depend on the world's newest time; so a fixed start is
    // used.
    let day = 86_400_000_000;
    let created = |days: u64| Timestamp::from_micros(1_704_067_200_123_456 + (days % 700) as i64 * day);
    let train = 0.6 + 0.2 * (mix(world.seed, 77 + version) % 1000) as f64 / 1000.0;
    Version {
        id,
        version: format!("v{}.{}", 1 + version / 4, version % 4),
        ground_truth_dataset: Dataset {
            id: dataset,
            name: if number < DATASET_NAMES.len() { name.to_owned() } else { format!("{name} {number}") },
            project: world.project_of(version),
            created_at: created(number as u64).to_string(),
        },
        event_count,
        description: (version % 3 != 1).then(|| format!("{name}: 검수를 마친 정답 데이터 {}차", version + 1)),
        is_active: !is_archived(version),
        is_archived: is_archived(version),
        created_at: created(30 + version).utc(),
        statistics: Statistics {
            total: event_count,
            by_data_type,
            splits: BTreeMap::from([("train", train), ("validation", 1.0 - train)]),
        },
    }
}
