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
pub(crate) mod multipart;
pub(crate) mod origin;
pub(crate) mod proxies;
mod redirect;
mod request;
mod request_body;
mod response;
mod retries;
mod retry_loop;
pub(crate) mod retry_policy;
mod stream;
pub(crate) mod timeouts;
pub(crate) mod tls;
mod too_long;
mod whole_response;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use coding::{CodingName, codings, is_compressed};
pub(crate) use decompressor::{DecompressError, Decompressor};
pub use failure::Failure;
pub(crate) use failure::Reason;
pub use metrics::AttemptReport;
pub(crate) use metrics::Observer;
pub(crate) use request::{Retry, StreamedBody, TransportRequest, is_transport_header};
pub use response::IncomingResponse;
pub(crate) use retries::Retries;
pub use stream::ByteStream;
pub(crate) use whole_response::WholeResponse;

use crate::runtime::clock::Clock;
use crate::transport::credentials::CredentialsSource;
use crate::transport::http_clients::HttpClients;
use crate::transport::origin::Origin;
use crate::transport::retry_policy::RetryBucket;

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

#[cfg(test)]
mod tests;
