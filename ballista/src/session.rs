//! [`config`]: the settings of a session of the cluster.

use std::sync::Arc;

use ballista_core::config::{BALLISTA_ADAPTIVE_PLANNER_ENABLED, BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK};
use ballista_core::extension::SessionConfigExt as _;
use datafusion::prelude::SessionConfig;
use synapse_datafusion::{Connections, EnvironmentConnections, ListTable, ListTableBuilder, TextColumns};

use crate::codec::{ListLogicalCodec, ListPhysicalCodec};

/// Returns a session's settings with what tables of lists need in a cluster.
///
/// - Tables and scans of lists are serialized; codecs that the settings have are kept for all else.
/// - Each task reads one part (`ballista.scheduler.max_partitions_per_task` is 1), so that parts are spread over executors as they
///   become free, and a lost executor repeats only the parts that it was reading.
/// - Queries are planned once (`ballista.planner.adaptive.enabled` is false): with Ballista 55's adaptive planner a query never ends if an
///   executor is lost after it has read its last part.
///
/// A list is split into as many parts as the session has `target_partitions`: 16 by default in Ballista. Set a multiple of the vcores of
/// all executors.
pub fn config(config: SessionConfig) -> SessionConfig {
    config_with(config, Arc::new(EnvironmentConnections::new()))
}

/// Like [`config`], with the process's own connections, which a document of one's own needs: a process that only sends queries asks
/// them for [`lists`](Connections::lists), and never for a client.
pub fn config_with(config: SessionConfig, connections: Arc<dyn Connections>) -> SessionConfig {
    let config = config.upgrade_for_ballista();
    let logical = ListLogicalCodec::wrap(config.ballista_logical_extension_codec(), connections.clone());
    let physical = ListPhysicalCodec::wrap(config.ballista_physical_extension_codec(), connections);
    config
        .with_ballista_logical_extension_codec(Arc::new(logical))
        .with_ballista_physical_extension_codec(Arc::new(physical))
        .set_usize(BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK, 1)
        .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
}

/// Like [`table`], with the process's own connections.
///
/// # Errors
/// [`build`](ListTableBuilder::build) returns an error if the connections' document has no such list.
pub fn table_with(
    connections: Arc<dyn Connections>,
    connection: impl Into<String>,
    operation: &str,
) -> ListTableBuilder {
    let table = ListTable::named_with(connections, connection, operation);
    table.text_columns(TextColumns::Plain).concurrency(1)
}

/// Returns the table of a list for a cluster: `operation` is the list's `operationId`, and `connection` names the backend in the
/// environment of the scheduler and the executors, such as `default`. It is a [`ListTable::named`] one with plain text columns, since Ballista can't
/// send views well, and each part fetches one page at a time.
///
/// ```
/// let models = synapse_ballista::table("default", "list_models").parameter("project", "123").build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn table(connection: impl Into<String>, operation: &str) -> ListTableBuilder {
    table_with(Arc::new(EnvironmentConnections::new()), connection, operation)
}
