//! Annotates many tasks: one request for each.

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use super::item_problems::ItemProblems;
use crate::call::batch_stream::BatchStream;
use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{Call, CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::operation::Operation;
use crate::generated::raw::types;
use crate::runtime::lock::lock;
use crate::values::json::Json;

/// Default number of requests that are sent concurrently.
const CONCURRENCY: usize = 10;

type OnProgress = Arc<dyn Fn(AnnotationProgress) + Send + Sync>;

/// Annotates many tasks when it is awaited: see
/// [`annotate_task_data_batch`](BackendClient::annotate_task_data_batch).
#[must_use = "nothing is annotated until it is awaited or sent"]
pub struct AnnotateTaskDataBatch {
    client: BackendClient,
    items: Vec<(i64, types::builder::AnnotateTaskData)>,
    schema: Option<String>,
    concurrency: usize,
    options: CallOptions,
    on_progress: Option<OnProgress>,
}

/// The progress of a batch of annotations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnotationProgress {
    /// Number of tasks.
    pub tasks: usize,
    /// Tasks that are annotated.
    pub tasks_complete: usize,
    /// Tasks that failed.
    pub tasks_failed: usize,
}

impl BackendClient {
    /// Saves or submits the annotations of many tasks concurrently, one request a task. `items` are pairs of a task's
    /// id and its annotation: a `types::AnnotateTaskData`, or its builder. The results are in the same order, each with
    /// the task's id; a task that fails doesn't stop the others.
    ///
    /// All items are checked before anything is sent. The operation is idempotent: a request is sent again if its
    /// response is lost, but not after a final response.
    ///
    /// Operation `annotate_task_data` of the API's document.
    ///
    /// # Errors
    /// Returns an error that lists the problems of all items, if an annotation is invalid, a task comes twice or a
    /// setting is invalid. The error of a task that the server reports is in that task's own result.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{json, types::AnnotateTaskData};
    ///
    /// let labels = [(71, "cat"), (72, "dog")];
    /// let items = labels.map(|(task, label)| {
    ///     (task, AnnotateTaskData::builder().data(json!({"classification": {"label": label}})).action("save"))
    /// });
    /// for (task, annotated) in client.annotate_task_data_batch(items).schema("dm_schema_v1").await? {
    ///     if let Err(error) = annotated {
    ///         eprintln!("task {task}: {error}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn annotate_task_data_batch<A: Into<types::builder::AnnotateTaskData>>(
        &self,
        items: impl IntoIterator<Item = (i64, A)>,
    ) -> AnnotateTaskDataBatch {
        AnnotateTaskDataBatch {
            client: self.clone(),
            items: items.into_iter().map(|(task, annotation)| (task, annotation.into())).collect(),
            schema: None,
            concurrency: CONCURRENCY,
            options: CallOptions::default(),
            on_progress: None,
        }
    }
}

impl AnnotateTaskDataBatch {
    option_setters!();

    /// Sets the schema that the annotations are validated against: `dm_schema_v1`, or `any` for no validation. By
    /// default, it is each task's own.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets how many requests are sent concurrently: 10 by default, at most 64.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets a callback that is called after each task, with the progress of all.
    ///
    /// The calls come from the tasks that send the requests, one call at a time: the callback must not block.
    pub fn on_progress(mut self, callback: impl Fn(AnnotationProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(callback));
        self
    }

    /// Annotates the tasks. Awaiting does the same; dropping the future stops all requests.
    ///
    /// # Errors
    /// Returns an error as [`annotate_task_data_batch`](BackendClient::annotate_task_data_batch) does.
    pub fn send(self) -> ResponseFuture<Vec<(i64, Result<Option<Json>>)>> {
        if let Some(problems) = self.problems() {
            return ResponseFuture::failed(Error::invalid_input(problems));
        }
        let tasks: Vec<i64> = self.items.iter().map(|(task, _)| *task).collect();
        let results = self.start();
        ResponseFuture::new(async move { Ok(tasks.into_iter().zip(results.in_order().await).collect()) })
    }

    /// Annotates the tasks and returns the results as they finish, each with the index of its item. Nothing is sent
    /// before the stream is read. Dropping it stops all requests.
    ///
    /// If an item or a setting is invalid, nothing is sent, and each result is the error that lists all problems.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{json, types::AnnotateTaskData};
    ///
    /// let items = [71, 72].map(|task| (task, AnnotateTaskData::builder().data(json!({}))));
    /// let mut annotated = client.annotate_task_data_batch(items.clone()).stream();
    /// while let Some((index, result)) = annotated.next().await {
    ///     println!("task {}: {:?}", items[index].0, result?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BatchStream<Option<Json>> {
        match self.problems() {
            None => self.start(),
            Some(problems) => {
                let refused = self
                    .items
                    .into_iter()
                    .map(move |_| ResponseFuture::failed(Error::invalid_input(problems.clone())));
                BatchStream::new(refused, 1)
            }
        }
    }

    fn start(self) -> BatchStream<Option<Json>> {
        let AnnotateTaskDataBatch { client, items, schema, concurrency, options, on_progress } = self;
        let progress = AnnotationProgress { tasks: items.len(), ..AnnotationProgress::default() };
        let reporter = on_progress.map(|callback| Arc::new((Mutex::new(progress), callback)));
        // The time-out of the whole batch begins with its first request.
        let mut deadline = None;
        let set_up = move |(task, annotation)| {
            let mut options = options.clone();
            options.end_by(*deadline.get_or_insert_with(|| options.deadline()));
            let call = call(&client, task, annotation, schema.clone()).with_options(options);
            let reporter = reporter.clone();
            ResponseFuture::new(async move {
                let annotated = call.send().await;
                if let Some((so_far, on_progress)) = reporter.as_deref() {
                    let mut so_far = lock(so_far);
                    match annotated {
                        Ok(_) => so_far.tasks_complete += 1,
                        Err(_) => so_far.tasks_failed += 1,
                    }
                    on_progress(*so_far);
                }
                annotated
            })
        };
        BatchStream::new(items.into_iter().map(set_up), concurrency)
    }

    /// Returns everything that is wrong with the items and the settings, in one text.
    fn problems(&self) -> Option<String> {
        let mut problems = ItemProblems::default();
        problems.extend(self.options.problems());
        problems.check_concurrency(self.concurrency);
        let mut first: HashMap<i64, usize> = HashMap::with_capacity(self.items.len());
        for (index, (task, annotation)) in self.items.iter().enumerate() {
            if let Some(earlier) = first.insert(*task, index) {
                problems.push(format!("item {index}: task {task} comes twice, also as item {earlier}"));
            }
            let found = call(&self.client, *task, annotation.clone(), self.schema.clone()).problems();
            if !found.is_empty() {
                problems.push(format!("item {index} (task {task}): {}", found.join("; ")));
            }
        }
        problems.into_text("annotate_task_data_batch")
    }
}

/// Returns the call of one item.
fn call(
    client: &BackendClient,
    task: i64,
    annotation: types::builder::AnnotateTaskData,
    schema: Option<String>,
) -> Call<impl Operation<Output = Option<Json>> + use<>> {
    let call = client.call(|raw| raw.annotate_task_data(task, |_| annotation));
    match schema {
        Some(schema) => call.params(|request| request.schema(schema)),
        None => call,
    }
}

impl IntoFuture for AnnotateTaskDataBatch {
    type Output = Result<Vec<(i64, Result<Option<Json>>)>>;
    type IntoFuture = ResponseFuture<Vec<(i64, Result<Option<Json>>)>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl HasOptions for AnnotateTaskDataBatch {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl fmt::Debug for AnnotateTaskDataBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnotateTaskDataBatch")
            .field("items", &self.items.len())
            .field("schema", &self.schema)
            .field("concurrency", &self.concurrency)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
