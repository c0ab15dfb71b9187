//! A cluster on this machine: a scheduler and two executors as processes, which read the embedded backend.
//!
//! ```text
//! cargo build --manifest-path datafusion/Cargo.toml --workspace
//! cargo run --manifest-path datafusion/Cargo.toml --package synapse-ballista --example cluster
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ballista::prelude::{SessionConfigExt as _, SessionContextExt as _};
use clap::Parser;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_test_backend::Backend;

#[derive(Parser)]
struct Arguments {
    /// Ground-truth events of the backend.
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Executors.
    #[arg(long, default_value_t = 2)]
    executors: usize,
    /// Parts that each executor reads at once.
    #[arg(long, default_value_t = 2)]
    vcores: usize,
    /// Milliseconds that each response of the backend takes.
    #[arg(long, default_value_t = 0)]
    latency: u64,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A process that ends with the example.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a binary of the same build.
fn binary(name: &str) -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    let directory =
        example.parent().and_then(|examples| examples.parent()).ok_or("the example has no directory")?;
    let binary = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    match binary.exists() {
        true => Ok(binary),
        false => Err(format!("{} isn't there: build the workspace first", binary.display()).into()),
    }
}

/// Starts a process with the backend's credentials in its environment, and returns the line that it prints.
fn start(mut command: Command, backend: &Backend) -> Result<(Process, String)> {
    command.env("SYNAPSE_BASE_URL", backend.url()).env("SYNAPSE_API_TOKEN", backend.token());
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the process has no stdout")?;
    let process = Process(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok((process, line.trim().to_owned()))
}

/// Prints which pages each process fetched since the last time.
fn print_pages(backend: &Backend) {
    let mut pages: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in backend.requests() {
        let agent = request.header("user-agent").unwrap_or_default();
        let page = request.query_value("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        pages.entry(agent.to_owned()).or_default().push(page);
    }
    for (process, mut pages) in pages {
        pages.sort_unstable();
        println!("  {process}: {} pages: {pages:?}", pages.len());
    }
    backend.clear_requests();
}

async fn run(session: &SessionContext, backend: &Backend, sql: &str) -> Result<()> {
    println!("{sql}");
    let began = Instant::now();
    session.sql(sql).await?.show().await?;
    println!("  {:.2} s", began.elapsed().as_secs_f64());
    print_pages(backend);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let backend = Backend::builder()
        .ground_truth_events(arguments.events)
        .latency(Duration::from_millis(arguments.latency))
        .start()
        .await?;
    let mut scheduler = Command::new(binary("synapse-scheduler")?);
    scheduler.args(["--bind", "127.0.0.1:0", "--min-executors", &arguments.executors.to_string()]);
    let (_scheduler, line) = start(scheduler, &backend)?;
    let address = line.strip_prefix("listening ").ok_or("the scheduler doesn't listen")?.to_owned();
    let mut executors = Vec::new();
    for index in 0..arguments.executors {
        let mut executor = Command::new(binary("synapse-executor")?);
        executor.args(["--scheduler", &address, "--port", "0", "--grpc-port", "0"]).args([
            "--vcores",
            &arguments.vcores.to_string(),
            "--name",
            &format!("executor-{index}"),
        ]);
        executors.push(start(executor, &backend)?);
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while synapse_ballista::check_health(&address).await.is_err() {
        ticks.tick().await;
    }
    let parts = (arguments.executors * arguments.vcores * 4).max(1);
    let config = SessionConfig::new_with_ballista().with_target_partitions(parts);
    let config = synapse_ballista::config(config);
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let session = SessionContext::remote_with_state(&format!("df://{address}"), state).await?;
    let events = synapse_ballista::table("default", "list_ground_truth_events").parameter("page_size", "500");
    session.register_table("events", events.build()?)?;
    run(&session, &backend, "SELECT category, count(*), min(id), max(id) FROM events GROUP BY category")
        .await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("events.parquet");
    let copy = format!("COPY (SELECT id, data FROM events) TO '{}' STORED AS PARQUET", file.display());
    run(&session, &backend, &copy).await?;
    println!("  {} bytes", std::fs::metadata(&file)?.len());
    Ok(())
}
