//! Annotation: projects, tasks and their tags.

mod annotate;
mod create;
mod filters;
pub(crate) mod projects;
pub(crate) mod show;
pub(crate) mod tags;
mod tasks;

use serde_json::Value;

use crate::data::seed::{
    FIRST_DATA_UNIT, FIRST_STAGE, FIRST_TASK, FIRST_TASK_TAG, FIRST_USER, FIRST_WORKSHOP,
};
use crate::data::seed::{STAGES, Seed, USERS, WORKSHOPS, project_id};
use crate::table::Table;
use crate::time::Timestamp;

pub(crate) use annotate::annotate;
pub(crate) use create::{create, create_from_units};
pub(crate) use filters::{among, any_among};
pub(crate) use tags::set_tags;
pub(crate) use tasks::{get, list, list_all, list_data, list_files};

/// The domain number of the annotations of tasks.
pub(crate) const TASK_DATA: u64 = 1;

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) project: i64,
    pub(crate) data_unit: Option<i64>,
    pub(crate) workshop: Option<i64>,
    pub(crate) stage: i64,
    pub(crate) labeler: i64,
    pub(crate) reviewer: i64,
    pub(crate) tags: Vec<i64>,
    pub(crate) is_discarded: bool,
    pub(crate) schema: &'static str,
    pub(crate) data: TaskData,
    /// Null for the generated tasks, whose `meta` is computed.
    pub(crate) meta: Value,
    /// How many annotations requests have saved or submitted.
    pub(crate) annotations: u64,
    pub(crate) submitted: bool,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum TaskData {
    None,
    Generated,
    Saved(Value),
}

pub(crate) struct Annotation {
    pub(crate) projects: Table<Value>,
    pub(crate) tags: Table<Value>,
    pub(crate) tasks: Table<Task>,
}

impl Annotation {
    pub(crate) fn new(seed: &Seed) -> Self {
        let (for_projects, for_tags, for_tasks) = (seed.clone(), seed.clone(), seed.clone());
        Self {
            projects: Table::new(project_id(0), seed.projects, move |i| projects::seeded(&for_projects, i)),
            tags: Table::new(FIRST_TASK_TAG, seed.counts.task_tags, move |i| tags::seeded(&for_tags, i)),
            tasks: Table::new(FIRST_TASK, seed.counts.tasks, move |i| seeded(&for_tasks, i)),
        }
    }
}

/// Every tenth task is discarded, every fourth is in no workshop, every third has no data, and every fourth
/// has the strict schema.
fn seeded(seed: &Seed, index: u64) -> Task {
    let (project, unit) = seed.place_of_task(index);
    let round = |first: i64, count: u64, step: u64| first + ((index / step) % count) as i64;
    let tag = index.is_multiple_of(2).then(|| index / 2 % seed.counts.task_tags.max(1));
    Task {
        id: FIRST_TASK + index as i64,
        project: project_id(project),
        data_unit: unit.map(|unit| FIRST_DATA_UNIT + unit as i64),
        workshop: (index % 4 != 3).then(|| round(FIRST_WORKSHOP, WORKSHOPS, 1)),
        stage: round(FIRST_STAGE, STAGES, 2),
        labeler: round(FIRST_USER, USERS, 1),
        reviewer: round(FIRST_USER, USERS, 3),
        tags: tag
            .filter(|_| seed.counts.task_tags > 0)
            .map(|tag| FIRST_TASK_TAG + tag as i64)
            .into_iter()
            .collect(),
        is_discarded: index % 10 == 9,
        schema: if index % 4 == 3 { "dm_schema_v1" } else { "any" },
        data: if index % 3 == 2 { TaskData::None } else { TaskData::Generated },
        meta: Value::Null,
        annotations: 0,
        submitted: index.is_multiple_of(3),
        created: seed.created(seed.counts.tasks, index),
    }
}
