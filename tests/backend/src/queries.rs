//! What tests can ask about the annotation, data and integration objects.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::annotation::show::View as TaskView;
use crate::backend::Backend;
use crate::data::seed;
use crate::data_collection::{files, units};
use crate::hitl::show::View as AssignmentView;
use crate::integration::{agents, jobs, logs};
use crate::payloads::Mode;
use crate::projection::Projection;

impl Backend {
    /// The id of the first data collection.
    pub const FIRST_DATA_COLLECTION: i64 = seed::FIRST_DATA_COLLECTION;
    /// The id of the first task tag.
    pub const FIRST_TASK_TAG: i64 = seed::FIRST_TASK_TAG;
    /// The id of the first workshop.
    pub const FIRST_WORKSHOP: i64 = seed::FIRST_WORKSHOP;
    /// The id of the first user.
    pub const FIRST_USER: i64 = seed::FIRST_USER;
    /// The id of the first agent.
    pub const FIRST_AGENT: i64 = seed::FIRST_AGENT;
    /// The id of the first storage. The default storage is the second, if there are several.
    pub const FIRST_STORAGE: i64 = seed::FIRST_STORAGE;
    /// The id of the first plugin.
    pub const FIRST_PLUGIN: i64 = seed::FIRST_PLUGIN;
    /// The id of the first plugin release. Each plugin has three at the start.
    pub const FIRST_RELEASE: i64 = seed::FIRST_RELEASE;
    /// The id of the first serve application.
    pub const FIRST_SERVE_APPLICATION: i64 = seed::FIRST_SERVE_APPLICATION;
    /// The number of the first job. [`job_id`](Self::job_id) returns the id that the API shows.
    pub const FIRST_JOB: i64 = seed::FIRST_JOB;
    /// The id of the first task.
    pub const FIRST_TASK: i64 = seed::FIRST_TASK;
    /// The id of the first assignment.
    pub const FIRST_ASSIGNMENT: i64 = seed::FIRST_ASSIGNMENT;
    /// The id of the first data unit.
    pub const FIRST_DATA_UNIT: i64 = seed::FIRST_DATA_UNIT;
    /// The id of the first data file. At the start, each data unit has the data file of the same position.
    pub const FIRST_DATA_FILE: i64 = seed::FIRST_DATA_FILE;

    fn projection(&self) -> Projection {
        Projection::of(&self.parts(), &self.app.settings)
    }

    /// Returns the ids of the objects of a kind that requests created, in order. The kinds are the names in
    /// paths: `tasks`, `data_files`, `data_units`, `plugins`, `plugin_releases`, `jobs`, `logs`,
    /// `serve_applications`, `storages`, `models`. Jobs are named by their number.
    ///
    /// # Panics
    /// Panics if there is no such kind, since an empty list would make a test pass.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.created("tasks").len(), 2);
    /// # }
    /// ```
    #[track_caller]
    pub fn created(&self, kind: &str) -> Vec<i64> {
        let integration = &self.app.integration;
        match kind {
            "tasks" => self.app.annotation.tasks.created(),
            "data_files" => self.app.data.files.created(),
            "data_units" => self.app.data.units.created(),
            "plugins" => integration.plugins.created(),
            "plugin_releases" => integration.releases.created(),
            "jobs" => integration.jobs.created(),
            "logs" => integration.logs.created(),
            "serve_applications" => integration.serve_applications.created(),
            "storages" => self.app.storages.all.created(),
            "models" => self.models_created(),
            other => panic!("requests create no `{other}`"),
        }
    }

    /// Returns a task as `GET /tasks/{id}/` shows it.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let task = backend.task(Backend::FIRST_TASK).expect("the task");
    /// # }
    /// ```
    pub fn task(&self, id: i64) -> Option<Value> {
        let parts = self.parts();
        let task = self.app.annotation.tasks.get(id)?;
        let view = TaskView {
            app: &self.app,
            links: self.app.signer.links(&parts),
            projection: self.projection(),
            mode: Mode::Whole,
            with_annotations: false,
        };
        Some(view.task(&task))
    }

    /// Returns how many annotations of a task requests have saved or submitted.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// assert_eq!(backend.annotations(Backend::FIRST_TASK), 1, "sent once");
    /// # }
    /// ```
    pub fn annotations(&self, task: i64) -> u64 {
        self.app.annotation.tasks.get(task).map_or(0, |task| task.annotations)
    }

    /// Returns the number of accepted annotations of each task that has any.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert!(backend.annotated_tasks().values().all(|count| *count == 1));
    /// # }
    /// ```
    pub fn annotated_tasks(&self) -> BTreeMap<i64, u64> {
        let tasks = self.app.annotation.tasks.changed();
        tasks
            .into_iter()
            .filter(|task| task.annotations > 0)
            .map(|task| (task.id, task.annotations))
            .collect()
    }

    /// Returns the tags of a task.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// assert_eq!(backend.tags_of(Backend::FIRST_TASK), [Backend::FIRST_TASK_TAG]);
    /// # }
    /// ```
    pub fn tags_of(&self, task: i64) -> Vec<i64> {
        self.app.annotation.tasks.get(task).map(|task| task.tags).unwrap_or_default()
    }

    /// Returns an assignment as `GET /assignments/{id}/` shows it.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let assignment = backend.assignment(Backend::FIRST_ASSIGNMENT).expect("the assignment");
    /// # }
    /// ```
    pub fn assignment(&self, id: i64) -> Option<Value> {
        let parts = self.parts();
        let assignment = self.app.hitl.assignments.get(id)?;
        let view = AssignmentView {
            app: &self.app,
            links: self.app.signer.links(&parts),
            projection: self.projection(),
            mode: Mode::Whole,
        };
        Some(view.assignment(&assignment))
    }

    /// Returns the data files that requests created, as the API shows them.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.data_files().len(), 3);
    /// # }
    /// ```
    pub fn data_files(&self) -> Vec<Value> {
        let parts = self.parts();
        let (links, projection) = (self.app.signer.links(&parts), self.projection());
        let all = self.app.data.files.created().into_iter().filter_map(|id| self.app.data.files.get(id));
        all.map(|file| files::show(&self.app, &file, &links, &projection)).collect()
    }

    /// Returns the data units that requests created, as the API shows them.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.data_units().len(), 3);
    /// # }
    /// ```
    pub fn data_units(&self) -> Vec<Value> {
        let parts = self.parts();
        let (links, projection) = (self.app.signer.links(&parts), self.projection());
        let all = self.app.data.units.created().into_iter().filter_map(|id| self.app.data.units.get(id));
        all.map(|unit| units::show(&self.app, &unit, &links, &projection)).collect()
    }

    /// Returns the id that the API shows for a job: a UUID, or a number with `integer_job_ids`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let id = backend.job_id(Backend::FIRST_JOB);
    /// # }
    /// ```
    pub fn job_id(&self, number: i64) -> String {
        match jobs::shown_id(&self.app, number) {
            Value::String(id) => id,
            id => id.to_string(),
        }
    }

    /// Returns a job as `GET /jobs/{id}/` shows it, by the id that the API shows.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let job = backend.job(&backend.job_id(Backend::FIRST_JOB)).expect("the job");
    /// # }
    /// ```
    pub fn job(&self, id: &str) -> Option<Value> {
        let parts = self.parts();
        let links = self.app.signer.links(&parts);
        jobs::show(&self.app, &links, &self.projection(), jobs::parse(&self.app, id)?)
    }

    /// Returns the log entries of a job, by the id that the API shows, in order of arrival.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// assert_eq!(backend.logs(&backend.job_id(Backend::FIRST_JOB)).len(), 2);
    /// # }
    /// ```
    pub fn logs(&self, job: &str) -> Vec<Value> {
        let parts = self.parts();
        let links = self.app.signer.links(&parts);
        jobs::parse(&self.app, job).map(|number| logs::of_job(&self.app, &links, number)).unwrap_or_default()
    }

    /// Returns the plugin ids and the bodies of the accepted runs of plugins.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.plugin_runs().len(), 1, "run once");
    /// # }
    /// ```
    pub fn plugin_runs(&self) -> Vec<(i64, Value)> {
        self.app.integration.runs().clone()
    }

    /// Returns the token by which an agent connects.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// # fn example(backend: &Backend) {
    /// let token = backend.agent_connect_token(Backend::FIRST_AGENT + 1).expect("the agent");
    /// # }
    /// ```
    pub fn agent_connect_token(&self, id: i64) -> Option<String> {
        Some(agents::token(&self.app.integration.agents.get(id)?))
    }

    /// Returns the keys of the objects that the storage has received whole or in part, with the number of
    /// bytes received.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// assert_eq!(backend.stored_objects().len(), 2);
    /// # }
    /// ```
    pub fn stored_objects(&self) -> Vec<(String, u64)> {
        self.app.storages.objects.received()
    }

    /// Makes all presigned URLs given out so far expire: those of uploads, and those of `data`.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.expire_presigned_urls();
    /// # }
    /// ```
    pub fn expire_presigned_urls(&self) {
        self.app.storages.objects.expire();
        self.app.payloads.expire();
    }
}
