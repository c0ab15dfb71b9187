//! A client for the Synapse backend: it reads ground truth, uploads trained models and data, annotates tasks, and runs
//! plugins and jobs.
//!
//! The build script generates builders and types ([`raw`], [`types`]) from the API's OpenAPI document
//! (the files in `openapi/`). A thin handwritten layer adds what a generator can't: [lists that follow
//! every page](ListAll), [uploads in chunks](BackendClient::create_chunked_upload), [URL
//! conversion](Call::url_conversion), [downloads](BackendClient::download) and [errors](Error) that say what
//! to do.
//!
//! Guides: [lists](guide::lists), [uploads](guide::uploads), [URL conversion, downloads and the file
//! cache](guide::files), [errors and retries](guide::errors), [tasks, data units, plugins and jobs](guide::platform).
//!
#![cfg_attr(any(doc, doctest), doc = include_str!("../docs/api.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Some items are only used by a part of the handwritten layer. They are unused if another document lacks the
// operations of that part.
#![cfg_attr(
    not(all(
        api = "annotation",
        api = "console-logs",
        api = "logs",
        api = "models",
        api = "storages",
        api = "uploads"
    )),
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

#[cfg(api = "annotation")]
pub use api::annotation::{AnnotateTaskDataBatch, AnnotationProgress};
#[cfg(api = "console-logs")]
pub use api::console_logs::{ConsoleLine, ListJobConsoleLogs};
#[cfg(api = "data-files")]
pub use api::data_files::{CreateDataFile, UploadDataFile};
#[cfg(api = "logs")]
pub use api::logs::{CreateLogs, LogEntry};
#[cfg(api = "models")]
pub use api::models::{CreateModel, ModelFile};
#[cfg(api = "storages")]
pub use api::storages::GetDefaultStorage;
pub use call::batch_stream::BatchStream;
pub use call::custom_request::CustomRequest;
pub use call::dynamic_list::DynamicList;
pub use call::{Call, CallOptions, ResponseFuture};
pub use client::BackendClient;
pub use client::builder::BackendClientBuilder;
pub use download::cache::{CacheStatistics, FileCache, FileCacheBuilder};
pub use download::{
    BatchProgress, CacheLocation, CachedDownload, CachedFile, Download, DownloadAll, DownloadProgress,
    DownloadTo, DownloadedFile,
};
pub use error::response::ErrorResponse;
pub use error::{Error, ErrorKind, Result};
pub use generated::argument::{In, Problems};
pub use generated::description::{ParameterInfo, Place};
pub use generated::form_file::{FormFile, FormValue};
pub use generated::list_operation::{ListField, ListOperation, ValueKind};
pub use generated::operation::{Operation, Page, PagedOperation};
pub use generated::pagination::Pagination;
pub use generated::raw;
pub use generated::raw::types;
pub use generated::raw_body::RawBody;
pub use list::anomaly::{ItemFailure, ListAnomaly};
pub use list::{
    Checkpoint, ListAll, ListPage, ListPages, ListPart, ListPolicy, ListReport, ListStream, PageFailure,
    RawItem,
};
pub use transport::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsReason};
pub use transport::retry_policy::RetryPolicy;
pub use transport::{AttemptReport, ByteStream};
#[cfg(any(api = "models", api = "data-files"))]
pub use upload::UploadFile;
#[cfg(api = "uploads")]
pub use upload::session::UploadSession;
#[cfg(api = "uploads")]
pub use upload::{CreateChunkedUpload, UploadAll, UploadPhase, UploadProgress};
pub use url_conversion::provided as conversions;
pub use url_conversion::{ConversionFailure, ConversionFuture, FileReference, UrlConverter};
pub use values::expandable::Expandable;
pub use values::file_entry::FileEntry;
pub use values::file_url::FileUrl;
pub use values::json::{Json, JsonError, JsonIndex};
pub use values::string_list::StringList;
pub use values::timestamp::Timestamp;
#[cfg(feature = "jiff")]
pub use values::timestamp::TimestampError;
pub use values::upload_source::{ResumableSource, RewindableSource, StreamSource, UploadSource};
pub use values::url::Url;

/// Items that generated code calls.
#[doc(hidden)]
pub mod __generated {
    pub use crate::__form_builder as form_builder;
    #[cfg(feature = "schemars")]
    pub use crate::generated::alternatives::alternatives_schema;
    pub use crate::generated::alternatives::{Alternatives, first, items, with_item};
    pub use crate::generated::argument::{Argument, In, Parameter, ParameterText, Problems};
    pub use crate::generated::array_limits::Joined;
    pub use crate::generated::body::{Body, Content, JsonBody, JsonOrForm, NoBody};
    pub use crate::generated::choices::{Attempt, Shape, by_fit, choice, fits, tagged};
    pub use crate::generated::description::{OperationInfo, ParameterInfo, Place};
    pub use crate::generated::form::Form;
    pub use crate::generated::form_file::FormFile;
    pub use crate::generated::form_info::{FieldStyle, FormField, FormInfo};
    pub use crate::generated::list_operation::{ListField, ListOperation, ValueKind};
    pub use crate::generated::object::Object;
    pub use crate::generated::operation::{
        BytesDecoder, Described, EmptyDecoder, Join, JsonDecoder, OptionalJsonDecoder, PagedOperation, Sealed,
    };
    pub use crate::generated::page_link::PageLink;
    pub use crate::generated::pagination::Pagination;
    pub use crate::generated::parameters::Parameters;
    pub use crate::generated::raw_body::RawBody;
    pub use crate::generated::secrets::{Masked, hide_problem, show_fields};
    pub use crate::generated::sending_rules::{ArrayLimit, SendingRules};
    #[cfg(feature = "schemars")]
    pub use crate::generated::support::open_enum_schema;
    pub use crate::generated::support::{
        Field, HIDDEN, Key, Lengths, Shown, length_problem, missing, open_enum, problems, required, set,
        set_other, show,
    };
    pub use crate::transport::ByteStream;
}

/// Items that the crate's macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::values::json::Draft;
}

/// Guides to lists, uploads, files, errors, and the platform's tasks, data units, plugins and jobs.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("../docs/guide/errors.md")]
    pub mod errors {}
    #[doc = include_str!("../docs/guide/files.md")]
    pub mod files {}
    #[doc = include_str!("../docs/guide/lists.md")]
    pub mod lists {}
    #[doc = include_str!("../docs/guide/platform.md")]
    pub mod platform {}
    #[doc = include_str!("../docs/guide/uploads.md")]
    pub mod uploads {}
}

/// Compiles the examples of the READMEs and of the Korean overview.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../README.md")]
    struct English;
    #[doc = include_str!("../README.ko.md")]
    struct Korean;
    #[doc = include_str!("../docs/api.ko.md")]
    struct KoreanApi;
}
