//! The HTTP clients of a [`BackendClient`](crate::BackendClient): one with a connection pool for each tokio
//! runtime and connect time-out, others that make a new connection for each request, and others for bodies
//! with a longer read time-out.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use tokio::runtime::{Handle, Id};
use tokio::task::spawn_blocking;

use crate::error::{Cause, Error, Result};
use crate::transport::proxies::Proxies;

/// Makes another HTTP client with the same settings.
pub(crate) type MakeClient = dyn Fn(ClientKind) -> reqwest::Result<Client> + Send + Sync;

/// The maximum number of cached clients: test harnesses make one runtime per test.
const MAX_CACHED_CLIENTS: usize = 8;

/// What differs between HTTP clients with the same settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClientKind {
    /// reqwest only supports it per client, and divides it among a name's addresses, which a limit around a
    /// call can't do.
    pub(crate) connect_timeout: Duration,
    /// How long the peer may acknowledge no data before the system closes the connection. It is longer than
    /// the client's read time-out only for a body whose call has a longer one.
    pub(crate) user_timeout: Duration,
    /// Makes a new connection for each request, and keeps none.
    pub(crate) new_connection: bool,
}

/// The maximum number of fields in a response's head: proxies and platforms add fields.
const MAX_FIELDS: usize = 1_000;

/// The maximum size of a response's head over HTTP/2, in bytes. Over HTTP/1 the limit is hyper's buffer, 400
/// KiB.
#[cfg(feature = "http2")]
const MAX_HEAD: u32 = 256 << 10;

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
/// The system only checks at intervals whether a peer acknowledges data.
const MIN_USER_TIMEOUT: Duration = Duration::from_secs(1);
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
/// The maximum value that the option accepts on every system.
const MAX_USER_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

impl ClientKind {
    /// Applies this crate's settings, which override the user's.
    pub(crate) fn finish(self, builder: ClientBuilder) -> ClientBuilder {
        let mut builder = builder
            // The transport handles redirects, retries and decompression.
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(self.connect_timeout)
            // Servers send such lines and browsers accept them: an invalid line doesn't make a response
            // invalid.
            .http1_max_headers(MAX_FIELDS)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true);
        #[cfg(feature = "http2")]
        {
            builder = builder.http2_max_header_list_size(MAX_HEAD);
        }
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        {
            builder = builder.tcp_user_timeout(self.user_timeout.clamp(MIN_USER_TIMEOUT, MAX_USER_TIMEOUT));
        }
        match self.new_connection {
            true => builder.pool_max_idle_per_host(0),
            false => builder,
        }
    }
}

pub(crate) struct HttpClients {
    make: Arc<MakeClient>,
    /// Made when the settings were checked; the first runtime that sends a request uses it.
    first: Client,
    first_kind: ClientKind,
    first_runtime: OnceLock<Option<Id>>,
    /// Named in errors.
    proxies: Proxies,
    made: Mutex<Vec<Made>>,
}

struct Made {
    kind: ClientKind,
    /// The runtime that drives the pooled connections: on another runtime, or after this one ends, they would
    /// hang.
    runtime: Option<Id>,
    client: Client,
}

impl HttpClients {
    /// # Errors
    /// Returns an error if the settings don't make a valid HTTP client.
    pub(crate) fn new(
        connect_timeout: Duration,
        idle: Duration,
        proxies: Proxies,
        make: Arc<MakeClient>,
    ) -> Result<Self> {
        let first_kind = ClientKind { connect_timeout, user_timeout: idle, new_connection: false };
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

    /// Returns the kind of client for a request. `idle` is the read time-out of a request whose body may
    /// stall.
    pub(crate) fn kind(
        &self,
        connect_timeout: Duration,
        idle: Option<Duration>,
        new_connection: bool,
    ) -> ClientKind {
        let user_timeout = self.first_kind.user_timeout;
        ClientKind {
            connect_timeout,
            user_timeout: idle.map_or(user_timeout, |idle| idle.max(user_timeout)),
            new_connection,
        }
    }

    /// Returns the proxy of a request to `url`, without its password, if it is known.
    pub(crate) fn proxy_of(&self, url: &Url) -> Option<String> {
        self.proxies.shown(url)
    }

    /// Returns a client for building requests, not for sending them.
    pub(crate) fn first(&self) -> &Client {
        &self.first
    }

    /// Returns the client of this kind for the current runtime.
    pub(crate) async fn of(&self, kind: ClientKind) -> Result<Client> {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        if kind == self.first_kind && *self.first_runtime.get_or_init(|| runtime) == runtime {
            return Ok(self.first.clone());
        }
        // A client without pooled connections isn't bound to a runtime.
        let runtime = runtime.filter(|_| !kind.new_connection);
        let same = |made: &Made| made.kind == kind && made.runtime == runtime;
        if let Some(made) = self.made().iter().find(|made| same(made)) {
            return Ok(made.client.clone());
        }
        // Loading the system's certificates takes a while, which would block the runtime's thread.
        let make = self.make.clone();
        let client = Box::pin(spawn_blocking(move || make(kind))).await;
        let client = client
            .map_err(|_| Error::configuration("http", "the runtime was shut down"))?
            .map_err(unusable)?;
        let mut made = self.made();
        // Another call may have made it first.
        if let Some(made) = made.iter().find(|made| same(made)) {
            return Ok(made.client.clone());
        }
        if made.len() == MAX_CACHED_CLIENTS {
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
    Error::configuration("http", format!("the HTTP client can't be built: {}", cause.root())).source_of(cause)
}
