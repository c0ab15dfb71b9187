//! Lists of a Synapse backend as Apache DataFusion tables: SQL, Parquet and Arrow.
//!
//! Each list operation of the API's document is a table whose columns are the fields of its items. A query fetches the pages
//! that it needs, in parts that are read in parallel, and decodes only the columns that it uses.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use datafusion::prelude::SessionContext;
//! use synapse_backend_client::BackendClient;
//! use synapse_datafusion::ListTables as _;
//!
//! let client = BackendClient::from_env()?;
//! let context = SessionContext::new();
//! let events = client.table(|client| client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])));
//! context.register_table("events", events.build()?)?;
//! context.sql("COPY (SELECT id, data FROM events) TO 'events.parquet'").await?.collect().await?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod columns;
mod connections;
mod decode;
mod errors;
mod export;
mod failed;
mod fetch;
mod filters;
mod metrics;
mod options;
mod page_decoder;
mod parts;
mod plan_text;
mod register;
mod scan;
mod source;
mod split;
mod stop;
mod stream;
mod table;

pub use builder::{ListTableBuilder, ListTables};
pub use columns::TextColumns;
pub use connections::{Connections, DEFAULT_CONNECTION, EnvironmentConnections};
pub use export::{Export, ExportFormat, ExportProgress, ExportReport};
pub use fetch::FetchExec;
pub use register::{register, register_lists};
pub use split::SplitList;
pub use stop::StopReading;
pub use table::ListTable;

pub use datafusion;

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
