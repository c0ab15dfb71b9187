//! A cluster on this machine: a scheduler and two executors as processes, which read the embedded backend.
//!
//! It builds the binaries, runs a query, exports the list to Parquet files that both executors write, and prints which process fetched
//! which pages.
//!
//! ```text
//! cargo run --release --manifest-path datafusion/Cargo.toml --package synapse-ballista --example cluster
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
use synapse_ballista::PartsCopy;
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
    /// The directory of `synapse-scheduler` and `synapse-executor`. They are built if it isn't given.
    #[arg(long)]
    binaries: Option<PathBuf>,
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

/// Builds the crate's binaries as the example was built, and returns their directory.
fn build() -> Result<PathBuf> {
    let mut build = Command::new(env!("CARGO"));
    // With the example, dependencies have the same features as now: otherwise all would be compiled again.
    build.args(["build", "--quiet", "--bins", "--example", "cluster"]);
    build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if cfg!(feature = "cloud") {
        build.args(["--features", "cloud"]);
    }
    if !build.status()?.success() {
        return Err("the binaries can't be built".into());
    }
    let example = std::env::current_exe()?;
    let directory = example.parent().and_then(|examples| examples.parent());
    Ok(directory.ok_or("the example has no directory")?.to_owned())
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

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let backend = Backend::builder()
        .ground_truth_events(arguments.events)
        .latency(Duration::from_millis(arguments.latency))
        .start()
        .await?;
    let directory = match &arguments.binaries {
        Some(directory) => directory.clone(),
        None => build()?,
    };
    let mut scheduler = Command::new(directory.join("synapse-scheduler"));
    scheduler.args(["--bind", "127.0.0.1:0", "--min-executors", &arguments.executors.to_string()]);
    let (_scheduler, line) = start(scheduler, &backend)?;
    let address = line.strip_prefix("listening ").ok_or("the scheduler doesn't listen")?.to_owned();
    let mut executors = Vec::new();
    for index in 0..arguments.executors {
        let mut executor = Command::new(directory.join("synapse-executor"));
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
    let events =
        || synapse_ballista::table("default", "list_ground_truth_events").parameter("page_size", "500");
    session.register_table("events", events().build()?)?;
    let sql = "SELECT category, count(*), min(id), max(id) FROM events GROUP BY category";
    println!("{sql}");
    let began = Instant::now();
    session.sql(sql).await?.show().await?;
    println!("  {:.2} s", began.elapsed().as_secs_f64());
    print_pages(&backend);

    println!("Export of `id` and `data` in {parts} parts");
    let directory = tempfile::tempdir()?;
    let began = Instant::now();
    let path = directory.path().to_str().ok_or("the temporary directory's name isn't Unicode")?;
    let mut copy = PartsCopy::new(&session, events(), parts, path).await?.columns(["id", "data"])?;
    let rows = copy.run(&session, arguments.executors * arguments.vcores).await?;
    println!("  {rows} rows in {} files, {:.2} s", copy.files().count(), began.elapsed().as_secs_f64());
    print_pages(&backend);
    Ok(())
}
