//! The annotation, data and integration objects that exist at the start: their ids, and what they share.

use serde_json::{Value, json};

use crate::data::files::FileKind;
use crate::data::noise::{Noise, mix};
use crate::data::{FIRST_PROJECT, shapes};
use crate::settings::{Counts, Settings};
use crate::time::Timestamp;

pub(crate) const FIRST_DATA_COLLECTION: i64 = 2_001;
pub(crate) const FIRST_TASK_TAG: i64 = 3_001;
pub(crate) const FIRST_GROUP: i64 = 4_001;
pub(crate) const FIRST_WORKSHOP: i64 = 5_001;
pub(crate) const FIRST_STAGE: i64 = 5_501;
pub(crate) const FIRST_USER: i64 = 6_001;
pub(crate) const FIRST_AGENT: i64 = 7_001;
pub(crate) const FIRST_STORAGE: i64 = 8_001;
pub(crate) const FIRST_PLUGIN: i64 = 11_001;
pub(crate) const FIRST_RELEASE: i64 = 12_001;
pub(crate) const FIRST_SERVE_APPLICATION: i64 = 13_001;
pub(crate) const FIRST_JOB: i64 = 14_001;
pub(crate) const FIRST_TASK: i64 = 100_001;
pub(crate) const FIRST_ASSIGNMENT: i64 = 200_001;
pub(crate) const FIRST_DATA_UNIT: i64 = 300_001;
pub(crate) const FIRST_DATA_FILE: i64 = 400_001;
pub(crate) const FIRST_LOG: i64 = 1_000_001;

pub(crate) const USERS: u64 = 8;
pub(crate) const WORKSHOPS: u64 = 3;
pub(crate) const STAGES: u64 = 2;
pub(crate) const RELEASES_PER_PLUGIN: u64 = 3;
/// Microseconds from one object to the next: a little over eleven minutes.
const STEP: i64 = 671_234_567;

/// What the generated objects are computed from.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
    pub(crate) newest: Timestamp,
    pub(crate) projects: u64,
    pub(crate) counts: Counts,
}

impl Seed {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            seed: settings.seed,
            newest: settings.newest,
            projects: settings.projects,
            counts: settings.counts.clone(),
        }
    }

    /// Returns the creation time of one of `count` objects. The last one is the newest.
    pub(crate) fn created(&self, count: u64, index: u64) -> Timestamp {
        let back = count.saturating_sub(1).saturating_sub(index) as i64;
        Timestamp::from_micros(self.newest.micros() - back.saturating_mul(STEP))
    }

    pub(crate) fn noise(&self, kind: u64, index: u64) -> Noise {
        Noise::new(mix(mix(self.seed, 1_000 + kind), index))
    }

    /// The kind of the files of a data collection.
    pub(crate) fn kind(&self, collection: u64) -> FileKind {
        FileKind::ALL[(collection % 5) as usize]
    }

    /// The index of the data collection of a project.
    pub(crate) fn collection_of_project(&self, project: u64) -> u64 {
        project % self.counts.data_collections
    }

    /// The project and the data unit of a task, both by index.
    pub(crate) fn place_of_task(&self, task: u64) -> (u64, Option<u64>) {
        let project = task % self.projects;
        let collections = self.counts.data_collections;
        let unit = task / self.projects * collections + self.collection_of_project(project);
        (project, unit.checked_rem(self.counts.data_units))
    }

    /// The annotation of a task or an assignment.
    pub(crate) fn annotation(&self, kind: FileKind, domain: u64, index: u64) -> Value {
        shapes::annotation(kind, &mut self.noise(domain, index))
    }
}

/// A related object: its id, or the object itself.
pub(crate) fn related(id: Option<i64>, expanded: bool, object: impl FnOnce(i64) -> Value) -> Value {
    match id {
        Some(id) if expanded => object(id),
        id => json!(id),
    }
}

pub(crate) fn user(id: i64) -> Value {
    json!({"id": id, "name": format!("worker-{:03}", id - FIRST_USER + 1), "email": format!("worker-{id}@example.com")})
}

pub(crate) fn workshop(id: i64) -> Value {
    json!({"id": id, "title": format!("1차 작업 {}", id - FIRST_WORKSHOP + 1)})
}

pub(crate) fn tenant() -> Value {
    json!({"id": 1, "code": "acme", "name": "Acme"})
}

pub(crate) fn project_id(index: u64) -> i64 {
    FIRST_PROJECT + index as i64
}
