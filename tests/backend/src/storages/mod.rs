//! Storages, the sessions of storages, and uploads by presigned URLs.

mod complete;
mod list;
mod objects;
mod presign;
mod put;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::data::seed::{FIRST_STORAGE, Seed};
use crate::drf;
use crate::settings::Settings;
use crate::table::Table;

pub(crate) use complete::confirm;
pub(crate) use list::{create, get, list, session};
pub(crate) use objects::Objects;
pub(crate) use presign::request_urls;
pub(crate) use put::put;

pub(crate) struct Storages {
    pub(crate) all: Table<Value>,
    pub(crate) objects: Objects,
}

impl Storages {
    pub(crate) fn new(seed: &Seed, settings: &Settings) -> Self {
        let count = seed.counts.storages;
        let (provider, prefix) = (settings.storage.provider.clone(), settings.signature_prefix.clone());
        Self {
            all: Table::new(FIRST_STORAGE, count, move |index| seeded(&provider, &prefix, count, index)),
            objects: Objects::new(settings),
        }
    }
}

/// The second storage is the default one, so that a client that takes the first is found out. The third is
/// external.
fn seeded(provider: &str, secret_prefix: &str, count: u64, index: u64) -> Value {
    let is_default = index == 1.min(count - 1);
    let external = index % 3 == 2;
    let provider = match (is_default, external) {
        (true, _) => provider,
        (false, true) => "sftp",
        (false, false) => "file_system",
    };
    json!({
        "id": FIRST_STORAGE + index as i64,
        "name": format!("storage-{}", index + 1),
        "is_default": is_default,
        "category": if external { "external" } else { "internal" },
        "provider": provider,
        "configuration": {"bucket": format!("bucket-{}", index + 1), "region": "ap-northeast-2", "secret_key": format!("{secret_prefix}storage-secret")},
        "credential_regime": if index.is_multiple_of(2) { "none" } else { "session" },
    })
}

/// An error of an object storage, which responds in XML.
#[derive(Debug)]
pub(crate) struct StorageError {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

pub(crate) fn error(status: StatusCode, code: &'static str, message: &'static str) -> StorageError {
    StorageError { status, code, message }
}

impl IntoResponse for StorageError {
    fn into_response(self) -> Response {
        let Self { status, code, message } = self;
        let page = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
             <RequestId>4442587FB7D0A2F9</RequestId></Error>"
        );
        let mut response = drf::html(status, page);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response
    }
}
