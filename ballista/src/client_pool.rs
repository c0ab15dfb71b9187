//! [`ClientPool`]: connections to other executors that are kept open between fetches of intermediate results.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::client::BallistaClient;
use ballista_core::client_pool::{BallistaClientPool, PooledClient};
use ballista_core::error::Result;
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::utils::GrpcClientConfig;

/// What connections that are alike have in common.
type Key = (String, u16, GrpcClientConfig);

type Idle = Mutex<HashMap<Key, Vec<(BallistaClient, Instant)>>>;

/// Connections to other executors that are kept open for a while. Ballista's own pool isn't public.
pub(crate) struct ClientPool {
    idle: Arc<Idle>,
    idle_limit: Duration,
}

impl ClientPool {
    /// Returns a pool that closes connections which are idle for `idle_limit`, at the next fetch.
    pub(crate) fn new(idle_limit: Duration) -> Self {
        ClientPool { idle: Arc::default(), idle_limit }
    }

    /// Drops connections that have been idle too long.
    fn evict(&self, now: Instant) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, clients| {
            clients.retain(|(_, since)| now.saturating_duration_since(*since) < self.idle_limit);
            !clients.is_empty()
        });
    }
}

impl fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPool").field("idle_limit", &self.idle_limit).finish_non_exhaustive()
    }
}

#[async_trait]
impl BallistaClientPool for ClientPool {
    async fn acquire(
        &self,
        host: &str,
        port: u16,
        config: &GrpcClientConfig,
        customize_endpoint: Option<Arc<BallistaConfigGrpcEndpoint>>,
    ) -> Result<PooledClient> {
        self.evict(Instant::now());
        let key = (host.to_owned(), port, config.clone());
        let open = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.get_mut(&key).and_then(Vec::pop)
        };
        let client = match open {
            Some((client, _)) => client,
            None => {
                BallistaClient::try_new(
                    host,
                    port,
                    config.max_message_size,
                    config.use_tls,
                    customize_endpoint,
                    config.io_retries_times,
                    config.io_retry_wait_time_ms,
                    config.initial_connection_window_size,
                    config.initial_stream_window_size,
                )
                .await?
            }
        };
        let idle = self.idle.clone();
        let give_back = move |client| {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(key).or_default().push((client, Instant::now()));
        };
        Ok(PooledClient::new(client, Box::new(give_back)))
    }

    async fn evict_idle(&self) {
        self.evict(Instant::now());
    }
}
