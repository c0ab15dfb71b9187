//! The settings for the differences between releases of the platform.

use super::BackendBuilder;

/// The bodies that `POST /tasks/` accepts. Others get a 400.
///
/// ```
/// use synapse_test_backend::{Backend, TaskBodies};
/// let builder = Backend::builder().task_bodies(TaskBodies::List);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TaskBodies {
    /// Both bodies.
    #[default]
    Both,
    /// `[{"project": 1, "data_unit": 2}]`, or one such object.
    List,
    /// `{"project": 1, "data": [{"data_unit": 2}]}`.
    Wrapped,
}

/// The shape of a job's console logs.
///
/// ```
/// use synapse_test_backend::{Backend, ConsoleLogs};
/// let builder = Backend::builder().console_logs(ConsoleLogs::Results);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConsoleLogs {
    /// An array of lines.
    #[default]
    Lines,
    /// `{"results": [{"message": line}]}`.
    Results,
    /// `{"logs": [line]}`.
    Logs,
    /// An array of objects with `timestamp`, `level` and `message`.
    Objects,
}

#[derive(Debug, Clone)]
pub(crate) struct Quirks {
    pub(crate) expanded_keys: bool,
    pub(crate) null_fields: bool,
    pub(crate) minimal_responses: bool,
    pub(crate) older_sdk_lists: bool,
    pub(crate) empty_actions: bool,
    pub(crate) unique_tasks: bool,
    pub(crate) wrapped_data_units: bool,
    pub(crate) refuse_unknown_checksums: bool,
    pub(crate) older_checksums_field: bool,
    pub(crate) integer_job_ids: bool,
    pub(crate) task_bodies: TaskBodies,
    pub(crate) console_logs: ConsoleLogs,
    pub(crate) inline_data_limit: usize,
    pub(crate) query_limit: Option<usize>,
    pub(crate) block_scripts: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            expanded_keys: false,
            null_fields: false,
            minimal_responses: false,
            older_sdk_lists: false,
            empty_actions: false,
            unique_tasks: false,
            wrapped_data_units: false,
            refuse_unknown_checksums: false,
            older_checksums_field: false,
            integer_job_ids: false,
            task_bodies: TaskBodies::Both,
            console_logs: ConsoleLogs::Lines,
            inline_data_limit: 4096,
            query_limit: Some(11_500),
            block_scripts: false,
        }
    }
}

impl BackendBuilder {
    /// Sets whether foreign keys are always objects, without `expand`. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().expanded_keys(true);
    /// ```
    pub fn expanded_keys(mut self, on: bool) -> Self {
        self.settings.quirks.expanded_keys = on;
        self
    }

    /// Sets whether every field of the annotation, data and integration objects is null, except the required
    /// ones (`id`, and a data file's `checksum`). Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().null_fields(true);
    /// ```
    pub fn null_fields(mut self, on: bool) -> Self {
        self.settings.quirks.null_fields = on;
        self
    }

    /// Sets whether the annotation, data and integration objects have only their required fields (`id`, and a
    /// data file's `checksum`). Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().minimal_responses(true);
    /// ```
    pub fn minimal_responses(mut self, on: bool) -> Self {
        self.settings.quirks.minimal_responses = on;
        self
    }

    /// Sets whether the `/sdk/` lists ignore `pagination=cursor` and `response_mode`, as releases before these
    /// parameters do. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().older_sdk_lists(true);
    /// ```
    pub fn older_sdk_lists(mut self, on: bool) -> Self {
        self.settings.quirks.older_sdk_lists = on;
        self
    }

    /// Sets whether actions (tags, annotations, `connect`, logs) respond with 204 and no body instead of 200
    /// and JSON. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().empty_actions(true);
    /// ```
    pub fn empty_actions(mut self, on: bool) -> Self {
        self.settings.quirks.empty_actions = on;
        self
    }

    /// Sets whether a second task for a data unit in the same project is refused with a 400. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().unique_tasks(true);
    /// ```
    pub fn unique_tasks(mut self, on: bool) -> Self {
        self.settings.quirks.unique_tasks = on;
        self
    }

    /// Sets whether several created data units come as `{"results": […]}` instead of a bare array. Default
    /// `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().wrapped_data_units(true);
    /// ```
    pub fn wrapped_data_units(mut self, on: bool) -> Self {
        self.settings.quirks.wrapped_data_units = on;
        self
    }

    /// Sets whether a data unit with an unknown checksum is refused with a 400. By default it is left out of
    /// the response, without an error.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().refuse_unknown_checksums(true);
    /// ```
    pub fn refuse_unknown_checksums(mut self, on: bool) -> Self {
        self.settings.quirks.refuse_unknown_checksums = on;
        self
    }

    /// Sets whether `verify_checksums` responds with `existing` instead of `existing_checksums`. Default
    /// `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().older_checksums_field(true);
    /// ```
    pub fn older_checksums_field(mut self, on: bool) -> Self {
        self.settings.quirks.older_checksums_field = on;
        self
    }

    /// Sets whether job ids are integers, as on old servers, instead of UUIDs. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().integer_job_ids(true);
    /// ```
    pub fn integer_job_ids(mut self, on: bool) -> Self {
        self.settings.quirks.integer_job_ids = on;
        self
    }

    /// Sets the bodies that `POST /tasks/` accepts. Default: both.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().task_bodies(synapse_test_backend::TaskBodies::Wrapped);
    /// ```
    pub fn task_bodies(mut self, bodies: TaskBodies) -> Self {
        self.settings.quirks.task_bodies = bodies;
        self
    }

    /// Sets the shape of a job's console logs. Default: an array of lines.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().console_logs(synapse_test_backend::ConsoleLogs::Logs);
    /// ```
    pub fn console_logs(mut self, shape: ConsoleLogs) -> Self {
        self.settings.quirks.console_logs = shape;
        self
    }

    /// Sets the size in bytes above which `response_mode=inline` truncates `data` and links to it. Default
    /// 4,096.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().inline_data_limit(0);
    /// ```
    pub fn inline_data_limit(mut self, bytes: usize) -> Self {
        self.settings.quirks.inline_data_limit = bytes;
        self
    }

    /// Sets the longest query string in bytes. A longer one gets a 520 from the "edge"; `None` means no limit.
    /// Default 11,500.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().query_limit(None);
    /// ```
    pub fn query_limit(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.quirks.query_limit = bytes.into();
        self
    }

    /// Sets whether the "edge" refuses multipart bodies whose text looks like a script with a 403 page in HTML.
    /// Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().block_scripts(true);
    /// ```
    pub fn block_scripts(mut self, on: bool) -> Self {
        self.settings.quirks.block_scripts = on;
        self
    }
}
