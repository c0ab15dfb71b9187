//! The settings for the generated data.

use std::time::SystemTime;

use super::BackendBuilder;
use crate::time::Timestamp;

/// How many objects of each kind exist at the start.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) data_collections: u64,
    pub(crate) data_units: u64,
    pub(crate) tasks: u64,
    pub(crate) assignments: u64,
    pub(crate) task_tags: u64,
    pub(crate) agents: u64,
    pub(crate) plugins: u64,
    pub(crate) jobs: u64,
    pub(crate) serve_applications: u64,
    pub(crate) storages: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            data_collections: 2,
            data_units: 200,
            tasks: 200,
            assignments: 200,
            task_tags: 6,
            agents: 3,
            plugins: 5,
            jobs: 20,
            serve_applications: 6,
            storages: 3,
        }
    }
}

impl BackendBuilder {
    /// Sets the number of models at the start. Their ids start at
    /// [`Backend::FIRST_MODEL`](crate::Backend::FIRST_MODEL). Default 20.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().models(5);
    /// ```
    pub fn models(mut self, count: u64) -> Self {
        self.settings.models = count;
        self
    }

    /// Sets the number of ground-truth events. Their ids start at
    /// [`Backend::FIRST_EVENT`](crate::Backend::FIRST_EVENT). Default 1,000.
    ///
    /// Events are rendered on request, so a million of them cost no more memory or start-up time than ten.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().ground_truth_events(1_000_000);
    /// ```
    pub fn ground_truth_events(mut self, count: u64) -> Self {
        self.settings.events = count;
        self
    }

    /// Sets how many consecutive events share an `id`, as in releases where `id` is the ground truth's. Each
    /// event's `pgh_id` is unique. Default 1.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().events_per_id(3);
    /// ```
    pub fn events_per_id(mut self, events: u64) -> Self {
        self.settings.events_per_id = events.max(1);
        self
    }

    /// Sets the number of projects, at least one. Their ids start at
    /// [`Backend::FIRST_PROJECT`](crate::Backend::FIRST_PROJECT). Default 3.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().projects(10);
    /// ```
    pub fn projects(mut self, count: u64) -> Self {
        self.settings.projects = count.max(1);
        self
    }

    /// Sets the number of ground-truth datasets, at least one. Their ids start at
    /// [`Backend::FIRST_DATASET`](crate::Backend::FIRST_DATASET). Default 2.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().datasets(3);
    /// ```
    pub fn datasets(mut self, count: u64) -> Self {
        self.settings.datasets = count.max(1);
        self
    }

    /// Sets the total number of dataset versions, from 1 to 1,000. The datasets share the versions, and the
    /// versions share the events. Their ids start at
    /// [`Backend::FIRST_VERSION`](crate::Backend::FIRST_VERSION). Default 4.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().datasets(1).versions(1);
    /// ```
    pub fn versions(mut self, count: u64) -> Self {
        self.settings.versions = count.clamp(1, 1000);
        self
    }

    /// Sets the seed of the generated data: the same seed gives the same data. Default 0.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().seed(7);
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Sets when the newest event and the newest model were created. The default is a fixed time, so that the
    /// data are the same every day.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().newest(std::time::SystemTime::now());
    /// ```
    pub fn newest(mut self, time: SystemTime) -> Self {
        self.settings.newest = Timestamp::from_system(time);
        self
    }

    /// Sets the number of data collections, at least one. Each has the files of one kind: images, texts,
    /// videos, and so on. Their ids start at
    /// [`Backend::FIRST_DATA_COLLECTION`](crate::Backend::FIRST_DATA_COLLECTION). Default 2.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().data_collections(4);
    /// ```
    pub fn data_collections(mut self, count: u64) -> Self {
        self.settings.counts.data_collections = count.max(1);
        self
    }

    /// Sets the number of data units. Their ids start at
    /// [`Backend::FIRST_DATA_UNIT`](crate::Backend::FIRST_DATA_UNIT). Default 200.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().data_units(4);
    /// ```
    pub fn data_units(mut self, count: u64) -> Self {
        self.settings.counts.data_units = count;
        self
    }

    /// Sets the number of annotation tasks. Their ids start at
    /// [`Backend::FIRST_TASK`](crate::Backend::FIRST_TASK). Default 200.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().tasks(4);
    /// ```
    pub fn tasks(mut self, count: u64) -> Self {
        self.settings.counts.tasks = count;
        self
    }

    /// Sets the number of assignments. Their ids start at
    /// [`Backend::FIRST_ASSIGNMENT`](crate::Backend::FIRST_ASSIGNMENT). Default 200.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().assignments(4);
    /// ```
    pub fn assignments(mut self, count: u64) -> Self {
        self.settings.counts.assignments = count;
        self
    }

    /// Sets the number of task tags. Their ids start at
    /// [`Backend::FIRST_TASK_TAG`](crate::Backend::FIRST_TASK_TAG). Default 6.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().task_tags(4);
    /// ```
    pub fn task_tags(mut self, count: u64) -> Self {
        self.settings.counts.task_tags = count;
        self
    }

    /// Sets the number of agents. Their ids start at [`Backend::FIRST_AGENT`](crate::Backend::FIRST_AGENT).
    /// Default 3.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().agents(4);
    /// ```
    pub fn agents(mut self, count: u64) -> Self {
        self.settings.counts.agents = count;
        self
    }

    /// Sets the number of plugins, each with three releases. Their ids start at
    /// [`Backend::FIRST_PLUGIN`](crate::Backend::FIRST_PLUGIN). Default 5.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().plugins(4);
    /// ```
    pub fn plugins(mut self, count: u64) -> Self {
        self.settings.counts.plugins = count;
        self
    }

    /// Sets the number of jobs. Their ids start at [`Backend::FIRST_JOB`](crate::Backend::FIRST_JOB). Default
    /// 20.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().jobs(4);
    /// ```
    pub fn jobs(mut self, count: u64) -> Self {
        self.settings.counts.jobs = count;
        self
    }

    /// Sets the number of serve applications. Their ids start at
    /// [`Backend::FIRST_SERVE_APPLICATION`](crate::Backend::FIRST_SERVE_APPLICATION). Default 6.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().serve_applications(4);
    /// ```
    pub fn serve_applications(mut self, count: u64) -> Self {
        self.settings.counts.serve_applications = count;
        self
    }

    /// Sets the number of storages. Their ids start at
    /// [`Backend::FIRST_STORAGE`](crate::Backend::FIRST_STORAGE). Default 3.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().storages(4);
    /// ```
    pub fn storages(mut self, count: u64) -> Self {
        self.settings.counts.storages = count;
        self
    }
}
