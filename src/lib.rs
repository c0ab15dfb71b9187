//! A client of the Synapse backend: pulls ground truth out, puts trained models in.
//!
//! The API's OpenAPI document (`openapi/synapse-v1.yaml`) is turned into builders and types when the crate is built
//! ([`raw`], [`types`]); a thin layer written by hand gives what a generator can't: [lists that follow every
//! page](ListAll), [uploads in chunks](BackendClient::create_chunked_upload), [URL conversion](Call::url_conversion),
//! [downloads](BackendClient::download) and [errors](Error) that a person can act on.
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

mod any_request;
mod blocking;
mod bounded;
mod builder;
mod call;
mod cause;
mod choices;
mod client;
mod clock;
mod credentials;
mod deadline;
mod decode;
mod download;
mod error;
mod error_body;
mod file_cache;
mod file_entry;
mod file_id;
mod file_shapes;
mod file_url;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(api = "ground_truth")]
mod ground_truth;
mod http_clients;
mod json;
mod json_path;
mod limits;
mod list_event;
mod local_paths;
#[cfg(test)]
#[path = "../tests/support/marker.rs"]
mod marker;
#[cfg(api = "models")]
mod models;
mod operation;
mod option_setters;
mod origin;
mod page_link;
mod pagination;
mod plain_file;
mod proxies;
mod query;
pub mod raw;
mod raw_body;
mod redact;
mod related;
mod response;
mod retry;
mod runtime;
mod secrets;
mod sending;
mod side_by_side;
mod string_list;
mod timestamp;
mod tls;
mod transport;
#[cfg(api = "uploads")]
mod upload;
#[cfg(api = "uploads")]
mod upload_session;
mod url_conversion;

pub use bytes;
pub use http;
pub use reqwest;

pub use any_request::AnyRequest;
pub use builder::BackendClientBuilder;
pub use call::{Call, Sending};
pub use client::BackendClient;
pub use credentials::{Credentials, CredentialsFuture, CredentialsProvider};
pub use download::{
    CacheAt, CachedDownload, CachedFile, Download, DownloadAll, DownloadProgress, DownloadTo, Downloaded, FilesProgress,
};
pub use error::{Error, ErrorKind, Result};
pub use file_cache::{CacheStatistics, FileCache, FileCacheBuilder};
pub use file_entry::FileEntry;
pub use file_url::FileUrl;
pub use json::{Json, JsonError, JsonIndex};
pub use list_event::{ItemFailure, ListEvent};
#[cfg(api = "models")]
pub use models::{CreateModel, ModelFile};
pub use operation::{Operation, Page};
pub use pagination::{Checkpoint, ListAll, ListPage, ListPages, ListPolicy, ListReport, PageFailure, RawItem};
pub use raw::types;
pub use raw_body::RawBody;
pub use related::Related;
pub use response::ErrorResponse;
pub use retry::RetryPolicy;
pub use string_list::StringList;
pub use timestamp::{Timestamp, TimestampError};
pub use transport::{AttemptReport, ByteStream};
#[cfg(api = "uploads")]
pub use upload::{
    CreateChunkedUpload, OneShotSource, Reopen, ResumableSource, UploadAll, UploadPhase, UploadProgress, UploadSource,
};
#[cfg(api = "uploads")]
pub use upload_session::UploadSession;
pub use url_conversion::provided as conversions;
pub use url_conversion::{ConversionFailure, ConversionFuture, FileReference, UrlConverter};

/// What the crate's macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::json::Draft;
}

/// The examples of the READMEs compile.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../README.md")]
    struct English;
    #[doc = include_str!("../README.ko.md")]
    struct Korean;
}
