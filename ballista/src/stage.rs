//! [`StoppingEngine`]: ends the reading of a task when the task ends.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::serde::protobuf::{
    RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats, WindowStateReport,
};
use ballista_executor::execution_engine::{ExecutionEngine, QueryStageExecutor};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::prelude::SessionConfig;
use synapse_datafusion::StopReading;

/// Runs tasks by another engine, and ends their reading when they end.
///
/// Ballista drops the future of an aborted task, but the tasks that it spawned for the partitions go on, and so would their requests.
pub struct StoppingEngine {
    inner: Arc<dyn ExecutionEngine>,
    shutdown: StopReading,
}

impl StoppingEngine {
    /// Returns an engine around another. `shutdown` ends all tasks: the scheduler runs them again on another executor.
    pub fn new(inner: Arc<dyn ExecutionEngine>, shutdown: StopReading) -> Self {
        StoppingEngine { inner, shutdown }
    }
}

impl ExecutionEngine for StoppingEngine {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        global_output_partition_ids: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        let inner = self.inner.create_query_stage_exec(
            job_id,
            stage_id,
            task_id,
            global_output_partition_ids,
            plan,
            work_dir,
            config,
        )?;
        Ok(Arc::new(StoppingStage { inner, shutdown: self.shutdown.clone() }))
    }
}

/// A task whose reading ends when it does.
#[derive(Debug)]
struct StoppingStage {
    inner: Arc<dyn QueryStageExecutor>,
    shutdown: StopReading,
}

impl fmt::Display for StoppingStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Ends reading when it is dropped.
struct StopOnDrop(StopReading);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Returns the context with an extension that its scans look at.
fn with_stop(context: &TaskContext, stop: StopReading) -> TaskContext {
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_extension(Arc::new(stop)),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    )
}

#[async_trait]
impl QueryStageExecutor for StoppingStage {
    async fn execute_query_stage(
        &self,
        task_id: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        let stop = StopReading::new();
        // The future is dropped when the task is aborted.
        let _guard = StopOnDrop(stop.clone());
        let context = Arc::new(with_stop(&context, stop));
        tokio::select! {
            biased;
            // An I/O error: the scheduler runs the task again.
            () = self.shutdown.stopped() => {
                Err(DataFusionError::IoError(std::io::Error::other("the executor is stopping")))
            }
            written = self.inner.execute_query_stage(task_id, context) => written,
        }
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.inner.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.inner.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.inner.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.inner.collect_column_stats()
    }
}
