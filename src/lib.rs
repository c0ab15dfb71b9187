//! A client of the Synapse backend: pulls ground truth out, puts trained models in.
//!
//! The API's OpenAPI document (`openapi/synapse-v1.yaml`) is turned into builders and types when the crate is
//! built ([`raw`], [`types`]); a thin layer written by hand gives what a generator can't: [lists that follow
//! every page](ListAll), [uploads in chunks](BackendClient::create_chunked_upload), [URL
//! conversion](Call::url_conversion), [downloads](BackendClient::download) and [errors](Error) that a person
//! can act on.
//!
//! ```no_run
//! use synapse_backend_client::{BackendClient, json};
//!
//! # async fn example() -> Result<(), synapse_backend_client::Error> {
//! let client = BackendClient::from_env()?;
//!
//! let mut events = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])).list_all();
//! while let Some(event) = events.next().await {
//!     println!("{}", event?.data["label"]);
//! }
//!
//! let model = client
//!     .create_model("/data/model.pt", |m| m.name("Detector v2").model_type("detection").project(123).metrics(json!({"accuracy": 0.92})))
//!     .await?;
//! println!("{}", model.id);
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `rustls` | yes | https by rustls, trusting the system's certificates |
//! | `rustls-no-provider` | | as `rustls`, with the cryptography provider that the program installs |
//! | `gzip` | yes | responses compressed by gzip |
//! | `brotli`, `zstd`, `deflate` | | responses compressed so |
//! | `http2` | yes | HTTP/2 where the server offers it |
//! | `system-proxy` | yes | the proxy of the macOS or Windows settings; `HTTPS_PROXY` and the like are always used |
//! | `socks` | | SOCKS proxies |
//! | `chrono`, `jiff` | | these crates' times as parameters and results ([`Timestamp`]) |

// What only a part of this layer uses is unused where another document lacks that part's operations.
#![cfg_attr(
    not(all(api = "uploads", api = "models", api = "ground_truth")),
    allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links)
)]

mod api;
mod call;
mod client;
mod download;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod generated;
mod list;
mod runtime;
#[cfg(test)]
#[allow(dead_code, reason = "the integration tests use the rest")]
#[path = "../tests/it/support"]
mod support {
    pub(crate) mod child;
    pub(crate) mod marker;
    pub(crate) mod soon;
    pub(crate) mod tcp_server;
}
mod transport;
#[cfg(api = "uploads")]
mod upload;
mod url_conversion;
mod values;

#[cfg(test)]
use support::marker;

pub use bytes;
pub use http;
pub use reqwest;

#[cfg(api = "models")]
pub use api::models::{CreateModel, ModelFile};
pub use call::custom_request::CustomRequest;
pub use call::{Call, ResponseFuture};
pub use client::BackendClient;
pub use client::builder::BackendClientBuilder;
pub use download::cache::{CacheStatistics, FileCache, FileCacheBuilder};
pub use download::{
    BatchProgress, CacheLocation, CachedDownload, CachedFile, Download, DownloadAll, DownloadProgress,
    DownloadTo, DownloadedFile,
};
pub use error::response::ErrorResponse;
pub use error::{Error, ErrorKind, Result};
pub use generated::operation::{Operation, Page};
pub use generated::raw;
pub use generated::raw::types;
pub use generated::raw_body::RawBody;
pub use list::anomaly::{ItemFailure, ListAnomaly};
pub use list::{Checkpoint, ListAll, ListPage, ListPages, ListPolicy, ListReport, PageFailure, RawItem};
pub use transport::credentials::{Credentials, CredentialsFuture, CredentialsProvider};
pub use transport::retry_policy::RetryPolicy;
pub use transport::{AttemptReport, ByteStream};
#[cfg(api = "uploads")]
pub use upload::session::UploadSession;
#[cfg(api = "uploads")]
pub use upload::{
    CreateChunkedUpload, ResumableSource, RewindableSource, StreamSource, UploadAll, UploadPhase,
    UploadProgress, UploadSource,
};
pub use url_conversion::provided as conversions;
pub use url_conversion::{ConversionFailure, ConversionFuture, FileReference, UrlConverter};
pub use values::expandable::Expandable;
pub use values::file_entry::FileEntry;
pub use values::file_url::FileUrl;
pub use values::json::{Json, JsonError, JsonIndex};
pub use values::string_list::StringList;
pub use values::timestamp::{Timestamp, TimestampError};
pub use values::url::Url;

/// What the crate's macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::values::json::Draft;
}

/// Guides: lists, uploads, files, errors.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("../docs/guide/errors.md")]
    pub mod errors {}
    #[doc = include_str!("../docs/guide/files.md")]
    pub mod files {}
    #[doc = include_str!("../docs/guide/lists.md")]
    pub mod lists {}
    #[doc = include_str!("../docs/guide/uploads.md")]
    pub mod uploads {}
}

/// The examples of the READMEs compile.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../README.md")]
    struct English;
    #[doc = include_str!("../README.ko.md")]
    struct Korean;
}
