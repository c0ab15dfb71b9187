//! The HTTP clients below a [`BackendClient`](crate::BackendClient): one with kept connections for each tokio
//! runtime and connect time-out, others that make a fresh connection each time, and others for bodies that
//! may stop for long.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use tokio::runtime::{Handle, Id};
use tokio::task::spawn_blocking;

use crate::error::{Cause, Error, Result};
use crate::transport::proxies::Proxies;

/// Makes another HTTP client of the same settings.
pub(crate) type MakeClient = dyn Fn(ClientKind) -> reqwest::Result<Client> + Send + Sync;

/// How many are remembered: test harnesses make a runtime a test.
const REMEMBERED: usize = 8;

/// What HTTP clients of the same settings differ in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClientKind {
    /// reqwest has it for a client only, and shares it out among a name's addresses: a limit around a call
    /// can't.
    pub(crate) connect_timeout: Duration,
    /// How long a peer may take nothing of what is sent, before the system ends the connection: longer than
    /// the client's read time-out only for a body whose call has a longer one.
    pub(crate) stopped: Duration,
    /// Keeps no connections.
    pub(crate) new_connection: bool,
}

/// The most fields of an answer's head: proxies and platforms add theirs.
const MOST_FIELDS: usize = 1_000;

/// The most bytes of an answer's head over HTTP/2; over HTTP/1 it is hyper's buffer, 400 KiB.
#[cfg(feature = "http2")]
const LARGEST_HEAD: u32 = 256 << 10;

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
/// The system looks after a peer that takes nothing now and then, not all the time.
const LEAST_STOPPED: Duration = Duration::from_secs(1);
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
/// What every system's field for it holds.
const MOST_STOPPED: Duration = Duration::from_secs(7 * 86_400);

impl ClientKind {
    /// The settings of every HTTP client, over those that the user gave.
    pub(crate) fn finish(self, builder: ClientBuilder) -> ClientBuilder {
        let mut builder = builder
            // Redirects, retries and unpacking are the transport's.
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(self.connect_timeout)
            // What servers send and browsers take: an odd line says nothing against the answer.
            .http1_max_headers(MOST_FIELDS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true);
        #[cfg(feature = "http2")]
        {
            builder = builder.http2_max_header_list_size(LARGEST_HEAD);
        }
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        {
            builder = builder.tcp_user_timeout(self.stopped.clamp(LEAST_STOPPED, MOST_STOPPED));
        }
        match self.new_connection {
            true => builder.pool_max_idle_per_host(0),
            false => builder,
        }
    }
}

pub(crate) struct HttpClients {
    make: Arc<MakeClient>,
    /// Made when the settings were checked; the first runtime that sends takes it.
    first: Client,
    first_kind: ClientKind,
    first_runtime: OnceLock<Option<Id>>,
    /// Told in errors.
    proxies: Proxies,
    made: Mutex<Vec<Made>>,
}

struct Made {
    kind: ClientKind,
    /// A kept connection is driven by the runtime that made it: on another, or after that one's end, it would
    /// hang.
    runtime: Option<Id>,
    client: Client,
}

impl HttpClients {
    /// # Errors
    /// Returns an error if no HTTP client can be made of the settings.
    pub(crate) fn new(
        connect_timeout: Duration,
        idle: Duration,
        proxies: Proxies,
        make: Arc<MakeClient>,
    ) -> Result<Self> {
        let first_kind = ClientKind { connect_timeout, stopped: idle, new_connection: false };
        let first = make(first_kind).map_err(unusable)?;
        Ok(HttpClients {
            make,
            first,
            first_kind,
            first_runtime: OnceLock::new(),
            proxies,
            made: Mutex::default(),
        })
    }

    /// The kind for a request; with its read time-out where its body is one that a peer may stop taking.
    pub(crate) fn kind(
        &self,
        connect_timeout: Duration,
        idle: Option<Duration>,
        new_connection: bool,
    ) -> ClientKind {
        let stopped = self.first_kind.stopped;
        ClientKind {
            connect_timeout,
            stopped: idle.map_or(stopped, |idle| idle.max(stopped)),
            new_connection,
        }
    }

    /// The proxy that a request to `url` goes through, without its password, as far as it is known.
    pub(crate) fn proxy_of(&self, url: &Url) -> Option<String> {
        self.proxies.shown(url)
    }

    /// One for making requests, not for sending them.
    pub(crate) fn first(&self) -> &Client {
        &self.first
    }

    /// The client of the kind for the current runtime.
    pub(crate) async fn of(&self, kind: ClientKind) -> Result<Client> {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        if kind == self.first_kind && *self.first_runtime.get_or_init(|| runtime) == runtime {
            return Ok(self.first.clone());
        }
        // What keeps no connections belongs to no runtime.
        let runtime = runtime.filter(|_| !kind.new_connection);
        let same = |made: &Made| made.kind == kind && made.runtime == runtime;
        if let Some(made) = self.made().iter().find(|made| same(made)) {
            return Ok(made.client.clone());
        }
        // Loading the system's certificates takes a while, in which the runtime's thread would serve nobody.
        let make = self.make.clone();
        let client = Box::pin(spawn_blocking(move || make(kind))).await;
        let client = client
            .map_err(|_| Error::configuration("http", "the runtime was shut down"))?
            .map_err(unusable)?;
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
