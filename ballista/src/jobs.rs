//! [`WatchedScheduler`]: Ballista's scheduler service, which also cancels the jobs of clients that are gone.
//!
//! A client waits for its job in one of two ways. By default it reads a stream of the job's states: if the client dies, the stream is dropped, and
//! nobody can ask about the job again. With `ballista.client.pull` it asks every 50 ms: a client that hasn't asked for a while is gone.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::{
    CancelJobParams, CancelJobResult, CleanJobDataParams, CleanJobDataResult, CreateUpdateSessionParams,
    CreateUpdateSessionResult, ExecuteQueryParams, ExecuteQueryResult, ExecutorStoppedParams,
    ExecutorStoppedResult, GetJobMetricsParams, GetJobMetricsResult, GetJobStatusParams, GetJobStatusResult,
    HeartBeatParams, HeartBeatResult, PollWorkParams, PollWorkResult, RegisterExecutorParams,
    RegisterExecutorResult, RemoveSessionParams, RemoveSessionResult, UpdateTaskStatusParams,
    UpdateTaskStatusResult, execute_query_result, job_status,
};
use ballista_scheduler::scheduler_server::{JobIdGenerator, SchedulerServer};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use futures_util::Stream;
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

/// Ballista's scheduler.
pub(crate) type Server = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// The jobs that clients wait for.
#[derive(Debug)]
struct Jobs {
    /// When each job's client last asked; `None` if it can't ask again.
    asked: Mutex<HashMap<String, Option<Instant>>>,
    idle_limit: Duration,
    /// A client is gone.
    gone: Notify,
}

impl Jobs {
    fn note(&self, job: &str, at: Option<Instant>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(job.to_owned(), at);
    }

    /// Notes that the client of a job asked, if the job isn't abandoned.
    fn ask(&self, job: &str, now: Instant) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = asked.get_mut(job) {
            *last = last.map(|_| now);
        }
    }

    fn remove(&self, job: &str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
    }

    /// Returns the jobs whose client is gone.
    fn abandoned(&self, now: Instant) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_gone = |last: &Option<Instant>| {
            last.is_none_or(|last| now.saturating_duration_since(last) >= self.idle_limit)
        };
        asked.iter().filter(|(_, last)| is_gone(last)).map(|(job, _)| job.clone()).collect()
    }
}

/// Ballista's scheduler service with a watch over the clients of jobs.
#[derive(Clone)]
pub(crate) struct WatchedScheduler {
    server: Server,
    jobs: Arc<Jobs>,
}

/// How often the clients are looked at: the shortest and the longest interval.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl WatchedScheduler {
    /// Returns the service. A client that doesn't ask for `idle_limit` is gone.
    pub(crate) fn new(server: Server, idle_limit: Duration) -> Self {
        let jobs = Jobs { asked: Mutex::default(), idle_limit, gone: Notify::new() };
        WatchedScheduler { server, jobs: Arc::new(jobs) }
    }

    /// Cancels jobs whose client is gone, until it is aborted.
    pub(crate) async fn cancel_abandoned(self) {
        let interval = (self.jobs.idle_limit / 4).clamp(INTERVALS.0, INTERVALS.1);
        loop {
            // Returns at once if a client went in the meantime; if a job couldn't be cancelled yet, the next round tries again.
            let _ = tokio::time::timeout(interval, self.jobs.gone.notified()).await;
            for job in self.jobs.abandoned(Instant::now()) {
                if self.has_ended(&job).await {
                    self.jobs.remove(&job);
                    continue;
                }
                log::warn!("job {job}: its client is gone; cancelling it");
                // A job that is still being planned can't be cancelled.
                if let Err(error) = self.server.cancel_job(job.as_str().into()).await {
                    log::warn!("job {job}: it can't be cancelled: {error}");
                }
            }
        }
    }

    async fn has_ended(&self, job: &str) -> bool {
        let request = Request::new(GetJobStatusParams { job_id: job.to_owned() });
        match SchedulerGrpc::get_job_status(&self.server, request).await {
            // The scheduler has forgotten a job without a status.
            Ok(response) => response.get_ref().status.is_none() || is_ended(response.get_ref()),
            Err(_) => false,
        }
    }
}

tokio::task_local! {
    /// Where the id of a query's job is put when the task submits it.
    static SUBMITTED: Arc<OnceLock<String>>;
}

/// Makes the ids of jobs, which are also names of directories.
///
/// Ballista tells a job's id to its client with the first state, which comes when the job has been planned or later.
#[derive(Debug)]
pub(crate) struct JobIds {
    started: u128,
    next: AtomicU64,
}

impl JobIds {
    /// Returns a generator whose ids aren't those of an earlier process.
    pub(crate) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        JobIds { started, next: AtomicU64::new(0) }
    }
}

#[async_trait::async_trait]
impl JobIdGenerator for JobIds {
    async fn next_id(&self) -> String {
        let id = format!("{:x}-{:x}", self.started, self.next.fetch_add(1, Ordering::Relaxed));
        // A job that no client submitted has nobody to wait for it.
        let _ = SUBMITTED.try_with(|submitted| submitted.set(id.clone()));
        id
    }
}

/// Returns whether a job has ended, successfully or not.
fn is_ended(state: &GetJobStatusResult) -> bool {
    use job_status::Status::{Failed, Successful};
    let status = state.status.as_ref().and_then(|status| status.status.as_ref());
    matches!(status, Some(Failed(_) | Successful(_)))
}

type States = Pin<Box<dyn Stream<Item = Result<GetJobStatusResult, Status>> + Send>>;

/// The states of a job, whose client is gone if they are dropped before the job's end.
struct WatchedStates {
    states: Option<States>,
    job: String,
    jobs: Arc<Jobs>,
}

impl Stream for WatchedStates {
    type Item = Result<GetJobStatusResult, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(states) = &mut self.states else { return Poll::Ready(None) };
        let next = std::task::ready!(states.as_mut().poll_next(context));
        if next.as_ref().is_none_or(|state| state.as_ref().is_ok_and(is_ended)) {
            self.states = None;
        }
        Poll::Ready(next)
    }
}

impl Drop for WatchedStates {
    fn drop(&mut self) {
        if self.states.is_some() {
            self.jobs.note(&self.job, None);
            self.jobs.gone.notify_one();
        }
    }
}

/// Delegates methods to Ballista's scheduler.
macro_rules! delegate {
    ($($method:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl SchedulerGrpc for WatchedScheduler {
            type ExecuteQueryPushStream = States;

            $(async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                SchedulerGrpc::$method(&self.server, request).await
            })*

            async fn execute_query_push(
                &self,
                request: Request<ExecuteQueryParams>,
            ) -> Result<Response<States>, Status> {
                let scheduler = self.clone();
                // A task of its own: if the client goes before the response, the job is known all the same.
                let response = tokio::spawn(async move {
                    let submitted = Arc::new(OnceLock::new());
                    let query = SchedulerGrpc::execute_query_push(&scheduler.server, request);
                    let response = SUBMITTED.scope(submitted.clone(), query).await?;
                    let Some(job) = submitted.get().cloned() else { return Ok(response) };
                    Ok(response.map(|states| {
                        Box::pin(WatchedStates { states: Some(states), job, jobs: scheduler.jobs }) as States
                    }))
                });
                response.await.map_err(|_| Status::internal("the query failed"))?
            }

            async fn execute_query(
                &self,
                request: Request<ExecuteQueryParams>,
            ) -> Result<Response<ExecuteQueryResult>, Status> {
                let scheduler = self.clone();
                let response = tokio::spawn(async move {
                    let response = SchedulerGrpc::execute_query(&scheduler.server, request).await?;
                    if let Some(execute_query_result::Result::Success(success)) = &response.get_ref().result {
                        scheduler.jobs.note(&success.job_id, Some(Instant::now()));
                    }
                    Ok(response)
                });
                response.await.map_err(|_| Status::internal("the query failed"))?
            }

            async fn get_job_status(
                &self,
                request: Request<GetJobStatusParams>,
            ) -> Result<Response<GetJobStatusResult>, Status> {
                let job = request.get_ref().job_id.clone();
                self.jobs.ask(&job, Instant::now());
                let response = SchedulerGrpc::get_job_status(&self.server, request).await?;
                if is_ended(response.get_ref()) {
                    self.jobs.remove(&job);
                }
                Ok(response)
            }
        }
    };
}

delegate! {
    poll_work(PollWorkParams) -> PollWorkResult;
    register_executor(RegisterExecutorParams) -> RegisterExecutorResult;
    heart_beat_from_executor(HeartBeatParams) -> HeartBeatResult;
    update_task_status(UpdateTaskStatusParams) -> UpdateTaskStatusResult;
    create_update_session(CreateUpdateSessionParams) -> CreateUpdateSessionResult;
    remove_session(RemoveSessionParams) -> RemoveSessionResult;
    get_job_metrics(GetJobMetricsParams) -> GetJobMetricsResult;
    executor_stopped(ExecutorStoppedParams) -> ExecutorStoppedResult;
    cancel_job(CancelJobParams) -> CancelJobResult;
    clean_job_data(CleanJobDataParams) -> CleanJobDataResult;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_that_asks_keeps_its_job() {
        let jobs = Jobs { asked: Mutex::default(), idle_limit: Duration::from_secs(10), gone: Notify::new() };
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        jobs.note("asks", Some(start));
        jobs.note("idle", Some(start));
        jobs.note("dropped", None);
        jobs.ask("asks", after(9));
        jobs.ask("dropped", after(9));
        jobs.ask("unknown", after(9));
        assert_eq!(jobs.abandoned(after(9)), ["dropped"]);
        let mut abandoned = jobs.abandoned(after(10));
        abandoned.sort();
        assert_eq!(abandoned, ["dropped", "idle"]);
        jobs.remove("dropped");
        assert_eq!(jobs.abandoned(after(10)), ["idle"]);
        assert_eq!(jobs.abandoned(after(19)).len(), 2);
    }
}
