//! What the tests share: a backend, and a cluster of processes that reads it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ballista::prelude::{SessionConfigExt as _, SessionContextExt as _};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_ballista::synapse_datafusion::ListTableBuilder;
use synapse_test_backend::{Backend, RecordedRequest};

/// The path of the events' list.
pub const EVENTS: &str = "/sdk/ground_truth_events/";

/// The name of the connection in tests.
pub const CONNECTION: &str = "default";

/// How long a state that a test waits for may take.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// Waits for what a test needs to go on.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_LIMIT, future).await.unwrap_or_else(|_| panic!("not within {WAIT_LIMIT:?}"))
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while !holds().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(WAIT_LIMIT, waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {WAIT_LIMIT:?}"));
}

/// A child process that is killed when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// The first line of its stdout.
    pub line: String,
}

impl Process {
    /// Starts a binary, and reads the line that it prints when it listens.
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let stderr = std::fs::File::create(&log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Process { child, log, line: line.trim().to_owned() }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        assert!(
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    pub fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// A scheduler and executors.
pub struct Cluster {
    pub scheduler: Process,
    pub executors: Vec<Process>,
    pub url: String,
    pub directory: tempfile::TempDir,
}

/// Returns a command without the variables of the process that would be settings of its own.
pub fn command(binary: &str) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SYNAPSE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

pub const SCHEDULER: &str = env!("CARGO_BIN_EXE_synapse-scheduler");
pub const EXECUTOR: &str = env!("CARGO_BIN_EXE_synapse-executor");

/// Sets what differs from the default for a process by its name: `scheduler`, `executor-0` and so on.
pub type Change<'c> = &'c dyn Fn(&str, &mut Command);

impl Cluster {
    /// Starts a cluster that reads the backend, with this many executors of two vcores.
    pub async fn start(backend: &Backend, executors: usize) -> Self {
        Cluster::start_with(backend, executors, &|_, _| {}).await
    }

    pub async fn start_with(backend: &Backend, executors: usize, change: Change<'_>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = |name: &str| directory.path().join(format!("{name}.log"));
        let credentials = |command: &mut Command| {
            command.env("SYNAPSE_BASE_URL", backend.url()).env("SYNAPSE_API_TOKEN", backend.token());
        };
        let mut scheduler = command(SCHEDULER);
        scheduler
            .env("RUST_LOG", "info")
            .args(["--bind", "127.0.0.1:0", "--executor-timeout", "4", "--client-idle-limit", "2"])
            .args(["--min-executors", &executors.to_string()]);
        credentials(&mut scheduler);
        change("scheduler", &mut scheduler);
        let scheduler = Process::start(scheduler, log("scheduler"));
        let address = scheduler.line.strip_prefix("listening ").unwrap().to_owned();
        let start = |index| {
            let name = format!("executor-{index}");
            let mut executor = command(EXECUTOR);
            executor
                .args(["--scheduler", &address, "--port", "0", "--grpc-port", "0", "--vcores", "2"])
                .env("RUST_LOG", "info")
                .args(["--heartbeat", "1", "--memory", "268435456", "--name", &name]);
            credentials(&mut executor);
            change(&name, &mut executor);
            Process::start(executor, log(&name))
        };
        let executors = (0..executors).map(start).collect();
        let cluster = Cluster { scheduler, executors, url: format!("http://{address}"), directory };
        until("the cluster is ready", async || synapse_ballista::check_health(&cluster.url).await.is_ok())
            .await;
        cluster
    }

    /// Waits until this many tasks were aborted, and their futures dropped.
    pub async fn until_aborted(&self, tasks: usize) {
        let count = || {
            let logs = self
                .executors
                .iter()
                .map(|executor| executor.log().matches("failed: Task cancelled").count());
            logs.sum::<usize>()
        };
        until("the executors abort their tasks", async || count() >= tasks).await;
    }

    /// Returns a client's session, with a table `t` of all events.
    pub async fn session(&self, partitions: usize) -> SessionContext {
        let session = self.empty_session(partitions).await;
        session.register_table("t", events().build().unwrap()).unwrap();
        session
    }

    pub async fn empty_session(&self, partitions: usize) -> SessionContext {
        let config = SessionConfig::new_with_ballista().with_target_partitions(partitions);
        let config = synapse_ballista::config(config);
        let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
        SessionContext::remote_with_state(&self.url.replace("http:", "df:"), state).await.unwrap()
    }
}

/// Returns a table of all events, with pages of 10.
pub fn events() -> ListTableBuilder {
    synapse_ballista::table(CONNECTION, "list_ground_truth_events").parameter("page_size", "10")
}

/// Runs a query, and returns its rows as texts; null is `∅`.
pub async fn rows(session: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    texts(&query(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")))
}

pub async fn query(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    session.sql(sql).await?.collect().await
}

pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    rows
}

/// Returns the name of the process that sent a request.
pub fn sender(request: &RecordedRequest) -> String {
    let agent = request.header("user-agent").unwrap_or_default();
    agent.split_once('(').map_or(agent, |(_, name)| name.trim_end_matches(')')).to_owned()
}

pub fn page(request: &RecordedRequest) -> u64 {
    request.query_value("page").map_or(1, |page| page.parse().unwrap())
}

/// Returns the pages that each process requested, sorted.
pub fn pages(backend: &Backend) -> BTreeMap<String, Vec<u64>> {
    let mut pages: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in backend.requests() {
        pages.entry(sender(&request)).or_default().push(page(&request));
    }
    pages.values_mut().for_each(|pages| pages.sort_unstable());
    pages
}

/// Returns the pages that executors requested, sorted.
pub fn executors_pages(backend: &Backend) -> Vec<u64> {
    let requests = pages(backend).into_iter().filter(|(name, _)| name.starts_with("executor"));
    let mut all: Vec<u64> = requests.flat_map(|(_, pages)| pages).collect();
    all.sort_unstable();
    all
}
