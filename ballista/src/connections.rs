//! [`environment_connections`]: the connections of a process of the cluster.

use std::sync::Arc;

use synapse_datafusion::{Connections, EnvironmentConnections};

/// Returns the connections that the process's environment describes (see [`EnvironmentConnections`]).
///
/// The `User-Agent` of their requests has the process's name, without characters other than letters, digits, `.`, `_` and `-`.
/// `max_requests` is the most requests in flight of each connection; `None` leaves the client's own bound of 100.
pub fn environment_connections(name: &str, max_requests: Option<usize>) -> Arc<dyn Connections> {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let name: String = name.chars().filter(is_plain).take(MAX_NAME).collect();
    let agent = format!("{}/{} ({name})", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    Arc::new(EnvironmentConnections::new().with_settings(move |builder| {
        let builder = builder.user_agent(agent.as_str());
        match max_requests {
            Some(requests) => builder.max_concurrent_requests(requests),
            None => builder,
        }
    }))
}

/// The longest name in a `User-Agent`, in characters.
const MAX_NAME: usize = 100;
