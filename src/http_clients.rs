//! The HTTP clients below a [`BackendClient`](crate::BackendClient): one with kept connections for each tokio runtime, and one
//! that makes a fresh connection each time.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::Client;
use tokio::runtime::{Handle, Id};

/// Makes another HTTP client of the same settings; without kept connections where that is asked for.
pub(crate) type MakeClient = dyn Fn(bool) -> reqwest::Result<Client> + Send + Sync;

/// How many runtimes are remembered: test harnesses make one a test.
const RUNTIMES: usize = 8;

pub(crate) struct HttpClients {
    make: Arc<MakeClient>,
    /// Made when the settings were checked; the first runtime takes it.
    first: Client,
    /// A kept connection is driven by the runtime that made it: on another, or after that one's end, it would hang.
    pooled: Mutex<Vec<(Id, Client)>>,
    fresh: OnceLock<Client>,
}

impl HttpClients {
    pub(crate) fn new(first: Client, make: Arc<MakeClient>) -> Self {
        HttpClients { make, first, pooled: Mutex::new(Vec::new()), fresh: OnceLock::new() }
    }

    /// One for making requests, not for sending them.
    pub(crate) fn first(&self) -> &Client {
        &self.first
    }

    /// The client of the current runtime.
    pub(crate) fn pooled(&self) -> reqwest::Result<Client> {
        let Ok(runtime) = Handle::try_current() else { return Ok(self.first.clone()) };
        let mut pooled = self.pooled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = pooled.iter().find(|(id, _)| *id == runtime.id()) {
            return Ok(client.clone());
        }
        let client = if pooled.is_empty() { self.first.clone() } else { (self.make)(false)? };
        if pooled.len() == RUNTIMES {
            pooled.remove(0);
        }
        pooled.push((runtime.id(), client.clone()));
        Ok(client)
    }

    /// A client that keeps no connections.
    pub(crate) fn fresh(&self) -> reqwest::Result<Client> {
        if let Some(client) = self.fresh.get() {
            return Ok(client.clone());
        }
        let client = (self.make)(true)?;
        Ok(self.fresh.get_or_init(|| client).clone())
    }
}
