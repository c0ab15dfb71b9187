//! [`run_executor`]: a cluster's executor, which fetches parts of lists and computes with them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::error::{BallistaError, Result};
use ballista_executor::execution_engine::DefaultExecutionEngine;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::health::ExecutorHealth;
use synapse_datafusion::{Connections, StopReading};

use crate::client_pool::ClientPool;
use crate::codec::{ListLogicalCodec, ListPhysicalCodec};
use crate::stage::StoppingEngine;

/// The settings of an executor.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// The scheduler's host and port.
    pub scheduler: (String, u16),
    /// How long the scheduler may take to be reached, in whole seconds; 30 s by default.
    pub connect_limit: Duration,
    /// The address to listen at.
    pub bind: IpAddr,
    /// The host name by which the scheduler, other executors and clients reach this one; `bind` by default.
    pub external_host: Option<String>,
    /// The port of results (Arrow Flight), which other executors and clients fetch; 50051 by default. 0 chooses a free one.
    pub port: u16,
    /// The port of tasks (gRPC), which the scheduler calls; 50052 by default. 0 chooses a free one.
    pub grpc_port: u16,
    /// Task slots: the number of parts that are read at once; 0, the default, for the number of processors.
    pub vcores: usize,
    /// How often the executor tells the scheduler that it is alive, in whole seconds; 10 s by default.
    pub heartbeat: Duration,
    /// How long tasks may go on when the executor stops; 30 s by default. Then the scheduler runs them on another one.
    pub drain_limit: Duration,
    /// The directory of shuffle files.
    pub work_dir: PathBuf,
    /// The memory for queries, in bytes; `None` for 70 % of the machine's or the container's.
    pub memory: Option<u64>,
}

impl ExecutorOptions {
    /// Returns the default settings with a directory of shuffle files.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        ExecutorOptions {
            scheduler: ("127.0.0.1".to_owned(), 50050),
            connect_limit: Duration::from_secs(30),
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            external_host: None,
            port: 50051,
            grpc_port: 50052,
            vcores: 0,
            heartbeat: Duration::from_secs(10),
            drain_limit: Duration::from_secs(30),
            work_dir: work_dir.into(),
            memory: None,
        }
    }

    /// Replaces ports that are 0 by free ones, to know them before the executor runs.
    ///
    /// # Errors
    /// Returns an error if there is no free port at the address.
    pub fn choose_ports(&mut self) -> std::io::Result<()> {
        // All are open until the last is chosen, so that they differ. Ballista opens them again, in the moment of which another
        // process could take one: then it ends with an error.
        let mut open = Vec::new();
        for port in [&mut self.port, &mut self.grpc_port] {
            if *port == 0 {
                let listener = std::net::TcpListener::bind(SocketAddr::new(self.bind, 0))?;
                *port = listener.local_addr()?.port();
                open.push(listener);
            }
        }
        Ok(())
    }
}

/// How long idle connections to other executors are kept open.
const CLIENT_IDLE: Duration = Duration::from_secs(30);

/// Runs an executor until SIGINT or SIGTERM, or until it fails. Tasks that run then are finished, or end after the drain limit.
///
/// Own executors have connections of their own, with credentials of a vault:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use synapse_backend_client::BackendClient;
/// use synapse_ballista::synapse_datafusion::Connections;
/// use synapse_ballista::synapse_datafusion::datafusion::common::{Result, exec_err};
/// use synapse_ballista::{ExecutorHealth, ExecutorOptions, STACK_BYTES, run_executor};
///
/// #[derive(Debug)]
/// struct Vault(BackendClient);
///
/// impl Connections for Vault {
///     fn client(&self, name: &str) -> Result<BackendClient> {
///         match name {
///             "default" => Ok(self.0.clone()),
///             _ => exec_err!("connection `{name}`: this executor has `default` only"),
///         }
///     }
/// }
///
/// # fn read_token() -> String { String::new() }
/// fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
///     let client = BackendClient::builder("https://synapse.example.com").access_token(read_token()).build()?;
///     let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()?;
///     let options = ExecutorOptions::new("/var/tmp/synapse");
///     runtime.block_on(run_executor(options, Arc::new(Vault(client)), ExecutorHealth::new()))?;
///     Ok(())
/// }
/// ```
///
/// # Errors
/// Returns an error if the settings are invalid, if the scheduler can't be reached, or if a port is taken.
pub async fn run_executor(
    mut options: ExecutorOptions,
    connections: Arc<dyn Connections>,
    health: ExecutorHealth,
) -> Result<()> {
    options.choose_ports()?;
    let external_host = match &options.external_host {
        Some(host) => host.clone(),
        None if options.bind.is_unspecified() => {
            return Err(BallistaError::Configuration(
                "external host: set the name by which others reach the executor, as it listens at all addresses"
                    .to_owned(),
            ));
        }
        None => options.bind.to_string(),
    };
    let work_dir = options
        .work_dir
        .to_str()
        .ok_or_else(|| BallistaError::Configuration("work directory: its name isn't Unicode".to_owned()))?;
    let shutdown = StopReading::new();
    let pool = Arc::new(ClientPool::new(CLIENT_IDLE));
    let engine =
        StoppingEngine::new(Arc::new(DefaultExecutionEngine::with_client_pool(pool)), shutdown.clone());
    let seconds = |duration: Duration| duration.as_secs().max(1);
    let config = ExecutorProcessConfig {
        bind_host: options.bind.to_string(),
        external_host: Some(external_host),
        port: options.port,
        grpc_port: options.grpc_port,
        scheduler_host: options.scheduler.0,
        scheduler_port: options.scheduler.1,
        scheduler_connect_timeout_seconds: u16::try_from(seconds(options.connect_limit)).unwrap_or(u16::MAX),
        vcores: options.vcores,
        work_dir: Some(work_dir.to_owned()),
        executor_heartbeat_interval_seconds: seconds(options.heartbeat),
        memory_pool_size: options.memory,
        #[cfg(feature = "cloud")]
        override_runtime_producer: Some(crate::object_stores::runtime(work_dir.into())),
        override_execution_engine: Some(Arc::new(engine)),
        override_logical_codec: Some(Arc::new(ListLogicalCodec::new(connections.clone()))),
        override_physical_codec: Some(Arc::new(ListPhysicalCodec::new(connections))),
        health,
        ..ExecutorProcessConfig::default()
    };
    let drain_limit = options.drain_limit;
    // Ballista waits for the same signals, and then for the tasks, without a limit.
    let drain = async move {
        stop_signal().await;
        tokio::time::sleep(drain_limit).await;
        log::warn!("tasks still run after {drain_limit:?}; ending them");
        shutdown.stop();
        // The scheduler hears of the tasks' ends.
        tokio::time::sleep(REPORT_LIMIT).await;
    };
    tokio::select! {
        ended = start_executor_process(Arc::new(config)) => ended,
        () = drain => Ok(()),
    }
}

/// How long the ends of tasks may take to be reported.
const REPORT_LIMIT: Duration = Duration::from_secs(5);

/// Waits for SIGINT or SIGTERM. If a signal can't be waited for, the other one counts.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
