//! The scheduler of a cluster that reads lists of a Synapse backend.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use synapse_ballista::{Scheduler, SchedulerOptions};

/// Plans queries over lists of a Synapse backend, and gives their parts to executors.
///
/// Credentials come from the environment only: SYNAPSE_BASE_URL, SYNAPSE_API_TOKEN, SYNAPSE_AGENT_TOKEN and SYNAPSE_TENANT are the connection
/// `default`; SYNAPSE_STAGING_BASE_URL, SYNAPSE_STAGING_API_TOKEN and SYNAPSE_STAGING_TENANT are `staging`.
///
/// Prints `listening HOST:PORT` on stdout once it serves. GET /healthz and /readyz tell its health.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Ends with 0 if a scheduler is ready, and with 1 otherwise.
    Health {
        /// The scheduler's address.
        #[arg(long, env = "SYNAPSE_SCHEDULER_URL", default_value = "http://127.0.0.1:50050")]
        url: String,
    },
}

#[derive(Args)]
struct Serve {
    /// The address to listen at; port 0 chooses a free one. Who reaches this port can run queries with the processes' credentials, and
    /// write files where the executors can: there is no authentication. Open it to trusted machines only.
    #[arg(long, env = "SYNAPSE_SCHEDULER_BIND", default_value = "127.0.0.1:50050")]
    bind: SocketAddr,
    /// The host name by which executors reach the scheduler. Needed if it listens at all addresses; otherwise that of --bind.
    #[arg(long, env = "SYNAPSE_SCHEDULER_EXTERNAL_HOST")]
    external_host: Option<String>,
    /// Seconds after which a job is cancelled whose client polls (`ballista.client.pull`) and no longer asks. The jobs of other clients are
    /// cancelled when their connection ends.
    #[arg(long, env = "SYNAPSE_SCHEDULER_CLIENT_IDLE_LIMIT", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    client_idle_limit: u64,
    /// Seconds of silence after which an executor is lost, and its tasks run again on another one. At least three times the executors' --heartbeat.
    #[arg(long, env = "SYNAPSE_SCHEDULER_EXECUTOR_TIMEOUT", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    executor_timeout: u64,
    /// The number of executors with which the scheduler is ready.
    #[arg(long, env = "SYNAPSE_SCHEDULER_MIN_EXECUTORS", default_value_t = 1)]
    min_executors: usize,
    /// The name in the User-Agent of requests.
    #[arg(long, env = "SYNAPSE_SCHEDULER_NAME", default_value = "scheduler")]
    name: String,
    /// The most requests in flight of each connection; 100 by default.
    #[arg(long, env = "SYNAPSE_SCHEDULER_MAX_REQUESTS", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests: Option<u32>,
    /// Levels of the log on stderr: off, error, warn, info, debug or trace, or target=level, separated by commas.
    #[arg(long, env = "RUST_LOG", default_value = "warn")]
    log: String,
}

async fn serve(serve: Serve) -> Result<(), String> {
    let options = SchedulerOptions {
        bind: serve.bind,
        external_host: serve.external_host,
        client_idle_limit: Duration::from_secs(serve.client_idle_limit),
        executor_timeout: Duration::from_secs(serve.executor_timeout),
        min_executors: serve.min_executors,
        ..SchedulerOptions::default()
    };
    let connections = synapse_ballista::environment_connections(
        &serve.name,
        serve.max_requests.map(|requests| requests as usize),
    );
    let bind = options.bind;
    let scheduler =
        Scheduler::bind(options, connections).await.map_err(|error| format!("{bind}: {error}"))?;
    let address = scheduler.address().map_err(|error| error.to_string())?;
    // A closed stdout is no reason to stop.
    let _ = writeln!(std::io::stdout(), "listening {address}");
    scheduler.serve(synapse_ballista::stop_signal()).await.map_err(|error| error.to_string())
}

fn run(arguments: Arguments) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Planning recurses over the plan.
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
            synapse_ballista::init_logging(&arguments.serve.log)?;
            runtime.block_on(async {
                let served = tokio::spawn(serve(arguments.serve)).await;
                served.unwrap_or_else(|error| Err(error.to_string()))
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
            let _ = writeln!(std::io::stderr(), "synapse-scheduler: {error}");
            ExitCode::FAILURE
        }
    }
}
