//! An executor of a cluster that reads lists of a Synapse backend.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use synapse_ballista::{ExecutorHealth, ExecutorOptions};

/// Fetches parts of lists of a Synapse backend, and computes with them.
///
/// Credentials come from the environment only: SYNAPSE_BASE_URL, SYNAPSE_API_TOKEN, SYNAPSE_AGENT_TOKEN and SYNAPSE_TENANT are the connection
/// `default`; SYNAPSE_STAGING_BASE_URL, SYNAPSE_STAGING_API_TOKEN and SYNAPSE_STAGING_TENANT are `staging`. With the feature `cloud`, those of object
/// stores are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and so on, GOOGLE_* and AZURE_*.
///
/// Prints `listening HOST:PORT tasks HOST:PORT` on stdout before it calls the scheduler.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    work: Work,
}

#[derive(Subcommand)]
enum Command {
    /// Ends with 0 if an executor is ready, and with 1 otherwise.
    Health {
        /// The executor's address for health checks, which it has with --health-bind only.
        #[arg(long, env = "SYNAPSE_EXECUTOR_HEALTH_URL", default_value = "http://127.0.0.1:50053")]
        url: String,
    },
}

#[derive(Args)]
struct Work {
    /// The scheduler's host and port.
    #[arg(long, env = "SYNAPSE_EXECUTOR_SCHEDULER", default_value = "127.0.0.1:50050", value_parser = host_and_port)]
    scheduler: (String, u16),
    /// Seconds for which the scheduler is tried at the start.
    #[arg(long, env = "SYNAPSE_EXECUTOR_CONNECT_LIMIT", default_value_t = 30)]
    connect_limit: u64,
    /// The address to listen at. Who reaches the ports can run plans with this process's credentials, and read results: there is no
    /// authentication. Open them to the scheduler, the other executors and the clients only.
    #[arg(long, env = "SYNAPSE_EXECUTOR_BIND", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The host name by which the scheduler, other executors and clients reach this one. Needed if it listens at all addresses;
    /// otherwise --bind.
    #[arg(long, env = "SYNAPSE_EXECUTOR_EXTERNAL_HOST")]
    external_host: Option<String>,
    /// The port of results (Arrow Flight), which other executors and clients fetch; 0 chooses a free one.
    #[arg(long, env = "SYNAPSE_EXECUTOR_PORT", default_value_t = 50051)]
    port: u16,
    /// The port of tasks (gRPC), which the scheduler calls; 0 chooses a free one.
    #[arg(long, env = "SYNAPSE_EXECUTOR_GRPC_PORT", default_value_t = 50052)]
    grpc_port: u16,
    /// Serves GET /healthz and /readyz at this address. Not served by default.
    #[arg(long, env = "SYNAPSE_EXECUTOR_HEALTH_BIND")]
    health_bind: Option<SocketAddr>,
    /// Task slots: the number of parts that are read at once; 0 for the number of processors. They share the memory.
    #[arg(long, env = "SYNAPSE_EXECUTOR_VCORES", default_value_t = 0)]
    vcores: usize,
    /// The most requests in flight of each connection; 100 by default.
    #[arg(long, env = "SYNAPSE_EXECUTOR_MAX_REQUESTS", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests: Option<u32>,
    /// Seconds between two heartbeats.
    #[arg(long, env = "SYNAPSE_EXECUTOR_HEARTBEAT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    heartbeat: u64,
    /// Seconds that tasks may take after SIGINT or SIGTERM. Then they end, and run again on another executor.
    #[arg(long, env = "SYNAPSE_EXECUTOR_DRAIN_LIMIT", default_value_t = 30)]
    drain_limit: u64,
    /// The directory of shuffle files. By default a temporary one that is removed at the end.
    #[arg(long, env = "SYNAPSE_EXECUTOR_WORK_DIR")]
    work_dir: Option<PathBuf>,
    /// Bytes of memory for queries; 0 for no bound. By default 70 % of the machine's or the container's.
    #[arg(long, env = "SYNAPSE_EXECUTOR_MEMORY")]
    memory: Option<u64>,
    /// The name in the User-Agent of requests. Give each executor its own.
    #[arg(long, env = "SYNAPSE_EXECUTOR_NAME", default_value = "executor")]
    name: String,
    /// Levels of the log on stderr: off, error, warn, info, debug or trace, or target=level, separated by commas.
    #[arg(long, env = "RUST_LOG", default_value = "warn")]
    log: String,
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("it isn't host:port")?;
    let port = port.parse().map_err(|_| "the port isn't a number up to 65535")?;
    match host.is_empty() {
        true => Err("the host is empty".to_owned()),
        false => Ok((host.to_owned(), port)),
    }
}

async fn work(work: Work) -> Result<(), String> {
    // Removed when it is dropped.
    let temporary = match &work.work_dir {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
            None
        }
        None => Some(tempfile::TempDir::new().map_err(|error| format!("temporary directory: {error}"))?),
    };
    let work_dir = work.work_dir.or(temporary.as_ref().map(|directory| directory.path().to_owned()));
    let mut options = ExecutorOptions {
        scheduler: work.scheduler,
        connect_limit: Duration::from_secs(work.connect_limit),
        bind: work.bind,
        external_host: work.external_host,
        port: work.port,
        grpc_port: work.grpc_port,
        vcores: work.vcores,
        heartbeat: Duration::from_secs(work.heartbeat),
        drain_limit: Duration::from_secs(work.drain_limit),
        memory: work.memory,
        ..ExecutorOptions::new(work_dir.unwrap_or_default())
    };
    options.choose_ports().map_err(|error| format!("{}: {error}", work.bind))?;
    let health = ExecutorHealth::new();
    if let Some(address) = work.health_bind {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.map_err(|error| format!("{address}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        log::info!("health checks at http://{address}");
        tokio::spawn(synapse_ballista::serve_health(listener, health.clone()));
    }
    let at = |port| SocketAddr::new(work.bind, port);
    // A closed stdout is no reason to stop.
    let _ = writeln!(std::io::stdout(), "listening {} tasks {}", at(options.port), at(options.grpc_port));
    let connections = synapse_ballista::environment_connections(
        &work.name,
        work.max_requests.map(|requests| requests as usize),
    );
    let ended = synapse_ballista::run_executor(options, connections, health).await;
    drop(temporary);
    ended.map_err(|error| error.to_string())
}

fn run(arguments: Arguments) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plans are read recursively.
        .thread_stack_size(synapse_ballista::STACK_BYTES)
        .build()
        .map_err(|error| error.to_string())?;
    let ended = match arguments.command {
        Some(Command::Health { url }) => {
            let health = runtime.block_on(synapse_ballista::check_health(&url));
            if health.is_ok() {
                let _ = writeln!(std::io::stdout(), "ready");
            }
            health
        }
        None => {
            synapse_ballista::init_logging(&arguments.work.log)?;
            runtime.block_on(async {
                let ended = tokio::spawn(work(arguments.work)).await;
                ended.unwrap_or_else(|error| Err(error.to_string()))
            })
        }
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "synapse-executor: {error}");
            ExitCode::FAILURE
        }
    }
}
