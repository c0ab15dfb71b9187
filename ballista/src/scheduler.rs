//! [`Scheduler`]: a cluster's scheduler, which plans queries and gives their parts to executors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use ballista_core::error::{BallistaError, Result};
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::create_scheduler;
use socket2::{SockRef, TcpKeepalive};
use synapse_datafusion::Connections;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

use crate::codec::{ListLogicalCodec, ListPhysicalCodec};
use crate::health;
use crate::jobs::{JobIds, WatchedScheduler};

/// The settings of a scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// The address to listen at; port 0 chooses a free port.
    pub bind: SocketAddr,
    /// The host name by which executors reach the scheduler; that of `bind` by default.
    pub external_host: Option<String>,
    /// How long a job goes on whose client polls (`ballista.client.pull`) and no longer asks; 60 s by default. The jobs of other clients are
    /// cancelled when their connection ends.
    pub client_idle_limit: Duration,
    /// How long an executor may be silent, in whole seconds, until its tasks run again on another one; 60 s by default. At least three
    /// times the [`heartbeat`](crate::ExecutorOptions::heartbeat) of the executors.
    pub executor_timeout: Duration,
    /// How many executors `/readyz` waits for; 1 by default.
    pub min_executors: usize,
    /// How long open connections may take when the scheduler stops; 5 s by default.
    pub stop_limit: Duration,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        SchedulerOptions {
            bind: SocketAddr::from(([127, 0, 0, 1], 50050)),
            external_host: None,
            client_idle_limit: Duration::from_secs(60),
            executor_timeout: Duration::from_secs(60),
            min_executors: 1,
            stop_limit: Duration::from_secs(5),
        }
    }
}

/// A cluster's scheduler, which plans queries and gives their parts to executors.
///
/// It plans with its own connections: the first page of a list is fetched by it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use synapse_ballista::{Scheduler, SchedulerOptions, environment_connections, stop_signal};
///
/// let scheduler = Scheduler::bind(SchedulerOptions::default(), environment_connections("scheduler", None)).await?;
/// println!("listening {}", scheduler.address()?);
/// scheduler.serve(stop_signal()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Scheduler {
    listener: TcpListener,
    options: SchedulerOptions,
    connections: Arc<dyn Connections>,
}

/// How long the scheduler keeps the plan of a job that has ended, in seconds: as long as executors keep its results.
const FINISHED_JOB_SECONDS: u64 = 300;

/// The interval at which the system asks a silent peer whether it is alive.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Makes the system close connections whose peer's machine is gone, so that the client's job ends.
fn set_options(stream: &tokio::net::TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

impl Scheduler {
    /// Listens at the options' address.
    ///
    /// # Errors
    /// Returns an error if the address can't be listened at.
    pub async fn bind(options: SchedulerOptions, connections: Arc<dyn Connections>) -> Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        Ok(Scheduler { listener, options, connections })
    }

    /// Returns the address that it listens at.
    ///
    /// # Errors
    /// Returns an error if the system doesn't know it.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `stop` ends, such as [`stop_signal`](crate::stop_signal). Jobs that run then are lost; their clients get an error.
    ///
    /// # Errors
    /// Returns an error if the settings are invalid, or if the listener fails.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let address = self.address()?;
        let config = Arc::new(self.config(address)?);
        config.validate()?;
        let cluster = BallistaCluster::new_from_config(&config).await?;
        let server = create_scheduler(cluster, config.clone()).await?;
        let watched = WatchedScheduler::new(server.clone(), self.options.client_idle_limit);
        let watch = tokio::spawn(watched.clone().cancel_abandoned());
        let service = SchedulerGrpcServer::new(watched)
            .max_encoding_message_size(config.grpc_server_max_encoding_message_size as usize)
            .max_decoding_message_size(config.grpc_server_max_decoding_message_size as usize);
        let mut routes = RoutesBuilder::default();
        routes.add_service(service);
        let router = routes.routes().into_axum_router().merge(health::routes(move || server.is_ready()));
        // Ballista takes the address of an executor that doesn't name its host from the connection.
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let listener = self.listener.tap_io(|stream| set_options(stream));
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(());
        });
        let stop_limit = self.options.stop_limit;
        let limit = async move {
            match stopped.await {
                Ok(()) => tokio::time::sleep(stop_limit).await,
                Err(_) => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = serving => served.map_err(BallistaError::from),
            () = limit => Ok(()),
        };
        watch.abort();
        served
    }

    fn config(&self, address: SocketAddr) -> Result<SchedulerConfig> {
        let host = match &self.options.external_host {
            Some(host) => host.clone(),
            None if address.ip().is_unspecified() => {
                return Err(BallistaError::Configuration(
                    "external host: set the name by which executors reach the scheduler, as it listens at all addresses"
                        .to_owned(),
                ));
            }
            None => address.ip().to_string(),
        };
        let seconds = self.options.executor_timeout.as_secs().max(1);
        Ok(SchedulerConfig {
            external_host: host,
            bind_host: address.ip().to_string(),
            bind_port: address.port(),
            // Bias, the default, gives one executor tasks until it is full.
            task_distribution: TaskDistributionPolicy::RoundRobin,
            executor_timeout_seconds: seconds,
            expire_dead_executor_interval_seconds: (seconds / 4).clamp(1, 15),
            no_executors_grace_period_seconds: seconds,
            min_ready_executors: self.options.min_executors,
            // A plan has the first page of each of its lists.
            finished_job_state_clean_up_interval_seconds: FINISHED_JOB_SECONDS,
            job_id_generator: Some(Arc::new(JobIds::new())),
            override_logical_codec: Some(Arc::new(ListLogicalCodec::new(self.connections.clone()))),
            override_physical_codec: Some(Arc::new(ListPhysicalCodec::new(self.connections.clone()))),
            ..SchedulerConfig::default()
        })
    }
}
