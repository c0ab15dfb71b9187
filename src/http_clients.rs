//! The HTTP clients below a [`BackendClient`](crate::BackendClient): one with kept connections for each tokio runtime and
//! connect time-out, others that make a fresh connection each time, and others that give bodies as they were sent.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::runtime::{Handle, Id};
use tokio::task::spawn_blocking;

use crate::error::{Cause, Error, Result};

/// Makes another HTTP client of the same settings.
pub(crate) type MakeClient = dyn Fn(Kind) -> reqwest::Result<Client> + Send + Sync;

/// How many are remembered: test harnesses make a runtime a test.
const REMEMBERED: usize = 8;

/// What HTTP clients of the same settings differ in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kind {
    /// reqwest has it for a client only, and shares it out among a name's addresses: a limit around a call can't.
    pub(crate) connect_timeout: Duration,
    /// Keeps no connections.
    pub(crate) fresh: bool,
    /// Gives bodies as they come, packed or not: ranges count the bytes that are sent.
    pub(crate) as_sent: bool,
}

pub(crate) struct HttpClients {
    make: Arc<MakeClient>,
    /// Made when the settings were checked; the first runtime that sends takes it.
    first: Client,
    first_kind: Kind,
    first_runtime: OnceLock<Option<Id>>,
    made: Mutex<Vec<Made>>,
}

struct Made {
    kind: Kind,
    /// A kept connection is driven by the runtime that made it: on another, or after that one's end, it would hang.
    runtime: Option<Id>,
    client: Client,
}

impl HttpClients {
    /// # Errors
    /// Where no HTTP client can be made of the settings.
    pub(crate) fn new(connect_timeout: Duration, make: Arc<MakeClient>) -> Result<Self> {
        let first_kind = Kind { connect_timeout, fresh: false, as_sent: false };
        let first = make(first_kind).map_err(unusable)?;
        Ok(HttpClients { make, first, first_kind, first_runtime: OnceLock::new(), made: Mutex::default() })
    }

    /// One for making requests, not for sending them.
    pub(crate) fn first(&self) -> &Client {
        &self.first
    }

    /// The client of the kind for the current runtime.
    pub(crate) async fn of(&self, kind: Kind) -> Result<Client> {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        if kind == self.first_kind && *self.first_runtime.get_or_init(|| runtime) == runtime {
            return Ok(self.first.clone());
        }
        // What keeps no connections belongs to no runtime.
        let runtime = runtime.filter(|_| !kind.fresh);
        let same = |made: &Made| made.kind == kind && made.runtime == runtime;
        if let Some(made) = self.made().iter().find(|made| same(made)) {
            return Ok(made.client.clone());
        }
        // Loading the system's certificates takes a while, in which the runtime's thread would serve nobody.
        let make = self.make.clone();
        let client = Box::pin(spawn_blocking(move || make(kind))).await;
        let client = client.map_err(|_| Error::configuration("http", "the runtime was shut down"))?.map_err(unusable)?;
        let mut made = self.made();
        // Another call may have been faster.
        if let Some(made) = made.iter().find(|made| same(made)) {
            return Ok(made.client.clone());
        }
        if made.len() == REMEMBERED {
            made.remove(0);
        }
        made.push(Made { kind, runtime, client: client.clone() });
        Ok(client)
    }

    fn made(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unusable(error: reqwest::Error) -> Error {
    let cause = Cause::of(&error.without_url());
    Error::configuration("http", format!("no HTTP client can be made: {}", cause.root())).source_of(cause)
}
