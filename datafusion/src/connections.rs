//! [`Connections`]: the clients of a process by name, so that plans which are sent to other processes have no credentials.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use synapse_backend_client::{BackendClient, BackendClientBuilder, ListOperation, raw};

use crate::errors;

/// The name of the connection that the variables without a name describe.
pub const DEFAULT_CONNECTION: &str = "default";

/// The clients of a process by name.
///
/// Plans name a connection. Each process that a plan is sent to has its own connections, and its own credentials.
pub trait Connections: fmt::Debug + Send + Sync {
    /// Returns the client of a connection. It is called for each scan: keep the clients, whose connections are pooled.
    ///
    /// # Errors
    /// Returns an error if there is no such connection, or if its settings are invalid.
    fn client(&self, name: &str) -> Result<BackendClient>;

    /// Returns the list operations of a connection's document; by default those of this crate's own document.
    fn lists(&self, name: &str) -> &'static [ListOperation] {
        let _ = name;
        raw::LISTS
    }
}

/// Connections that the process's environment describes.
///
/// The connection `default` is [`BackendClient::from_env`]: `SYNAPSE_BASE_URL`, `SYNAPSE_API_TOKEN` and so on. Another one, such as
/// `staging`, has variables with its name: `SYNAPSE_STAGING_BASE_URL` (required), `SYNAPSE_STAGING_API_TOKEN` and
/// `SYNAPSE_STAGING_TENANT`.
#[derive(Default)]
pub struct EnvironmentConnections {
    clients: Mutex<HashMap<String, BackendClient>>,
    settings: Option<Box<Settings>>,
}

/// Changes the settings of a client before it is built.
type Settings = dyn Fn(BackendClientBuilder) -> BackendClientBuilder + Send + Sync;

impl EnvironmentConnections {
    /// Returns the connections of this process's environment.
    pub fn new() -> Self {
        EnvironmentConnections::default()
    }

    /// Sets what the environment doesn't have, such as the user agent, for the client of each connection.
    pub fn with_settings(
        self,
        settings: impl Fn(BackendClientBuilder) -> BackendClientBuilder + Send + Sync + 'static,
    ) -> Self {
        EnvironmentConnections { settings: Some(Box::new(settings)), ..self }
    }
}

/// The longest name of a connection, in bytes.
const MAX_NAME: usize = 64;

fn from_variables(name: &str) -> Result<BackendClientBuilder> {
    if name == DEFAULT_CONNECTION {
        return BackendClientBuilder::from_env().map_err(errors::of_client);
    }
    let is_name = |name: &str| {
        name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    if !is_name(name) {
        return exec_err!(
            "connection: a name has up to {MAX_NAME} lower-case letters, digits and `_`, and starts with a letter"
        );
    }
    let variable = |of: &str| {
        let variable = format!("SYNAPSE_{}_{of}", name.to_ascii_uppercase());
        let value = std::env::var(&variable).ok().filter(|value| !value.trim().is_empty());
        (variable, value)
    };
    let (missing, url) = variable("BASE_URL");
    let url = url.ok_or_else(|| exec_datafusion_err!("connection `{name}`: {missing} isn't set"))?;
    let mut builder = BackendClient::builder(url);
    if let (_, Some(token)) = variable("API_TOKEN") {
        builder = builder.access_token(token);
    }
    if let (_, Some(tenant)) = variable("TENANT") {
        builder = builder.tenant(tenant);
    }
    Ok(builder)
}

impl Connections for EnvironmentConnections {
    fn client(&self, name: &str) -> Result<BackendClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(name) {
            return Ok(client.clone());
        }
        let builder = from_variables(name)?;
        let builder = match &self.settings {
            Some(settings) => settings(builder),
            None => builder,
        };
        let client = builder.build().map_err(errors::of_client)?;
        clients.insert(name.to_owned(), client.clone());
        Ok(client)
    }
}

impl fmt::Debug for EnvironmentConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvironmentConnections")
    }
}
