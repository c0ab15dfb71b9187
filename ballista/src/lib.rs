//! Lists of a Synapse backend as tables of an Apache Ballista cluster: SQL whose pages are fetched by several machines.
//!
//! A cluster is one `synapse-scheduler` and any number of `synapse-executor`s, the binaries of this crate. Ballista's own
//! binaries can't read the plans. Each process has its own credentials, in its environment; plans name a connection only. The client
//! needs none.
//!
//! ```no_run
//! # async fn example() -> datafusion::common::Result<()> {
//! use ballista::prelude::{SessionConfigExt as _, SessionContextExt as _};
//! use datafusion::execution::SessionStateBuilder;
//! use datafusion::prelude::{SessionConfig, SessionContext};
//!
//! let config = synapse_ballista::config(SessionConfig::new_with_ballista());
//! let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
//! let context = SessionContext::remote_with_state("df://127.0.0.1:50050", state).await?;
//! let events = synapse_ballista::table("default", "list_ground_truth_events").parameter("project", "123");
//! context.register_table("events", events.build()?)?;
//! context.sql("SELECT count(DISTINCT category) FROM events").await?.show().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Requests in flight
//! A table of [`table`] fetches one page of a part at a time, and an executor runs as many parts at once as it has vcores: a query has at
//! most as many requests in flight as all executors have vcores. With a
//! [`concurrency`](synapse_datafusion::ListTableBuilder::concurrency) that is more than the number of parts, each part fetches
//! `concurrency / parts` pages at a time. `synapse-executor --max-requests` bounds the requests of a process to each backend, over all its
//! queries.

mod client_pool;
mod codec;
mod connections;
mod copy;
mod executor;
mod health;
mod jobs;
mod logging;
#[cfg(feature = "cloud")]
mod object_stores;
mod scheduler;
mod session;
mod stage;

pub use ballista_executor::health::ExecutorHealth;
pub use codec::{ListLogicalCodec, ListPhysicalCodec};
pub use connections::environment_connections;
pub use copy::PartsCopy;
pub use executor::{ExecutorOptions, run_executor, stop_signal};
pub use health::{check_health, serve_health};
pub use logging::init_logging;
pub use scheduler::{Scheduler, SchedulerOptions};
pub use session::{config, config_with, table, table_with};
pub use stage::StoppingEngine;

pub use synapse_datafusion;

/// The stack of the threads that plan queries and read plans, in bytes: both are recursive. Memory is used as the stack grows. Own binaries set it
/// for the runtime of [`run_executor`] and [`Scheduler::serve`].
pub const STACK_BYTES: usize = 32 << 20;

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
