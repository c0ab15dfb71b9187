//! Integration: plugins and their releases, jobs and their logs, agents, and serve applications.

pub(crate) mod agents;
pub(crate) mod console;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod plugins;
pub(crate) mod releases;
mod run;
pub(crate) mod serve_applications;
mod stored;
mod update_job;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::data::seed::{
    FIRST_AGENT, FIRST_JOB, FIRST_LOG, FIRST_PLUGIN, FIRST_RELEASE, FIRST_SERVE_APPLICATION,
    RELEASES_PER_PLUGIN, Seed,
};
use crate::settings::Settings;
use crate::table::Table;

pub(crate) use run::run;
pub(crate) use stored::StoredFiles;
pub(crate) use update_job::update as update_job;

pub(crate) struct Integration {
    pub(crate) agents: Table<Value>,
    pub(crate) plugins: Table<Value>,
    pub(crate) releases: Table<Value>,
    /// Rows with the number of the job as `id`. Responses show a UUID, unless ids are integers.
    pub(crate) jobs: Table<Value>,
    /// Rows with the number of the job as `job`.
    pub(crate) logs: Table<Value>,
    /// Rows with the number of the job as `job`.
    pub(crate) serve_applications: Table<Value>,
    pub(crate) files: StoredFiles,
    /// The plugin ids and bodies of the runs, in order.
    runs: Mutex<Vec<(i64, Value)>>,
}

impl Integration {
    pub(crate) fn new(seed: &Seed, settings: &Settings) -> Self {
        let counts = &seed.counts;
        let [s1, s2, s3, s4, s5] = [(); 5].map(|()| seed.clone());
        let agent_token = settings.agent_token.clone();
        Self {
            agents: Table::new(FIRST_AGENT, counts.agents, move |i| agents::seeded(&s1, &agent_token, i)),
            plugins: Table::new(FIRST_PLUGIN, counts.plugins, move |i| plugins::seeded(&s2, i)),
            releases: Table::new(FIRST_RELEASE, counts.plugins * RELEASES_PER_PLUGIN, move |i| {
                releases::seeded(&s3, i)
            }),
            jobs: Table::new(FIRST_JOB, counts.jobs, move |i| jobs::seeded(&s4, i)),
            logs: Table::new(FIRST_LOG, 0, |_| Value::Null),
            serve_applications: Table::new(
                FIRST_SERVE_APPLICATION,
                if counts.jobs == 0 { 0 } else { counts.serve_applications },
                move |i| serve_applications::seeded(&s5, i),
            ),
            files: StoredFiles::default(),
            runs: Mutex::default(),
        }
    }

    /// The runs of plugins that were accepted.
    pub(crate) fn runs(&self) -> MutexGuard<'_, Vec<(i64, Value)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
