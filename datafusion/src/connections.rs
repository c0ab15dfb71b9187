//! [`Connections`]: the clients of a process by name, so that plans which are sent to other processes have no credentials.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use datafusion::common::{Result, exec_err};
use synapse_backend_client::{BackendClient, BackendClientBuilder, ListOperation, raw};

use crate::errors;

/// The name of the connection that the variables without a name describe.
pub const DEFAULT_CONNECTION: &str = "default";

/// The clients of a process by name.
///
/// Plans name a connection. Each process that a plan is sent to has its own connections, and its own credentials.
pub trait Connections: fmt::Debug + Send + Sync {
    /// Returns the client of a connection. It is called for each scan, and mustn't block: keep the clients, whose connections are pooled.
    /// A client whose tokens change has a
    /// [`credentials_provider`](synapse_backend_client::BackendClientBuilder::credentials_provider).
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
/// The connection `default` is [`BackendClient::from_env`]: `SYNAPSE_BASE_URL` (required here), `SYNAPSE_API_TOKEN`, `SYNAPSE_AGENT_TOKEN` and
/// `SYNAPSE_TENANT`. Another one, such as `staging`, has variables with its name: `SYNAPSE_STAGING_BASE_URL` (required),
/// `SYNAPSE_STAGING_API_TOKEN` and `SYNAPSE_STAGING_TENANT`. A name has up to 64 lower-case letters, digits and `_`, and starts with a letter.
/// Variables are read once, when the connection is first used.
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

const BASE_URL: &str = "SYNAPSE_BASE_URL";

fn missing<T>(name: &str, variable: &str) -> Result<T> {
    exec_err!(
        "connection `{name}`: {variable} isn't set in this process ({}): set it in all that read the table",
        std::process::id()
    )
}

fn from_variables(name: &str) -> Result<BackendClientBuilder> {
    if name == DEFAULT_CONNECTION {
        // The client's own default would read another backend than the other processes.
        if std::env::var_os(BASE_URL).is_none_or(|url| url.to_string_lossy().trim().is_empty()) {
            return missing(name, BASE_URL);
        }
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
    let (base_url, url) = variable("BASE_URL");
    let Some(url) = url else { return missing(name, &base_url) };
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
