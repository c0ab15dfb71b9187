//! The single path of all requests and responses. It handles credentials, retries, redirects, limits, traces
//! and errors, for generated requests, forms, followed links and downloads alike.

mod coding;
mod content_decoder;
pub(crate) mod credentials;
mod decompressor;
mod exchange;
mod failure;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub(crate) mod http_clients;
mod metrics;
pub(crate) mod origin;
pub(crate) mod proxies;
mod redirect;
mod request_body;
mod response;
mod retry_loop;
pub(crate) mod retry_policy;
mod stream;
pub(crate) mod timeouts;
pub(crate) mod tls;
mod too_long;
mod whole_response;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use reqwest::Request;
use reqwest::header::HeaderName;
use tokio::sync::Semaphore;

pub(crate) use coding::{CodingName, codings, is_compressed};
pub(crate) use decompressor::{DecompressError, Decompressor};
pub use metrics::AttemptReport;
pub(crate) use metrics::Observer;
pub use response::IncomingResponse;
pub(crate) use retry_loop::may_be_sent_again;
pub use stream::ByteStream;
pub(crate) use whole_response::WholeResponse;

use crate::runtime::clock::Clock;
use crate::transport::credentials::CredentialsSource;
use crate::transport::http_clients::HttpClients;
use crate::transport::origin::Origin;
use crate::transport::retry_policy::{RetryBucket, RetryPolicy};
use crate::transport::timeouts::{Activity, Timeouts};

/// The state that a client's requests share.
pub(crate) struct Transport {
    pub(crate) http: HttpClients,
    pub(crate) origin: Origin,
    pub(crate) credentials: CredentialsSource,
    /// The maximum size of a body that is read as a whole, in bytes.
    pub(crate) max_body: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bucket: RetryBucket,
    /// One permit for each request that may be in flight.
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) observer: Option<Arc<Observer>>,
}

/// A request to send.
pub(crate) struct TransportRequest {
    /// It can only be retried if its body is in memory or missing.
    pub(crate) request: Request,
    /// The operation's id, for errors.
    pub(crate) operation: &'static str,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    /// Reports the progress of the request's body, if the body is streamed.
    pub(crate) activity: Option<Activity>,
    /// Use a new connection, because a pooled one has just failed.
    pub(crate) new_connection: bool,
    /// Return the body as it was sent, without decompression.
    pub(crate) no_decompression: bool,
    /// Another host, to which the backend redirects, may respond instead of the backend. A file's bytes are
    /// often on another host; the pages of a list are not.
    pub(crate) allow_cross_origin: bool,
    /// Counts the responses that ask for fewer requests.
    pub(crate) throttled: Option<Arc<AtomicU32>>,
}

/// How a request is retried.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) policy: RetryPolicy,
    /// The caller allows that the server receives the request twice.
    pub(crate) unknown_outcome: bool,
}

/// Returns whether only the transport sets a header: a caller can't set it for a call.
pub(crate) fn is_transport_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "referer")
}

#[cfg(test)]
mod tests;
