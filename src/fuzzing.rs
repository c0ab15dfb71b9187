//! Internal functions for the fuzz targets (`tests/fuzz`) only. Each function calls the code that processes a
//! response, without a socket. This API changes at any time.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

pub use crate::download::fuzzing::{Placed, placed};
pub use crate::list::fuzzing::{plan, query, resumed_link};

use crate::download::cache::{FileCache, fuzzing as cache};
use crate::error::{Error, Result};
use crate::transport::fuzzing::received;
use crate::transport::origin::Origin;
use crate::upload::session::UploadSession;
use crate::url_conversion::{Conversions, UrlConverter};

/// Returns the error for a response with this status.
pub async fn status_error(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    credentials: HeaderMap,
) -> Error {
    received(status, headers, body, credentials).into_error().await
}

/// Returns the value decoded from a response body, with its URLs converted.
///
/// # Errors
/// Returns an error if the value can't be decoded or converted.
pub async fn response<T: DeserializeOwned + Send + 'static>(
    body: Bytes,
    list: bool,
    set: impl FnOnce(&mut Conversion),
) -> Result<T> {
    let mut conversion = Conversion(Conversions::default());
    set(&mut conversion);
    let received = received(StatusCode::OK, HeaderMap::new(), body, HeaderMap::new());
    Ok(received.converting(conversion.0, list).json().await?)
}

/// Returns the decompressed body of a response whose `Content-Encoding` is `coding`.
///
/// # Errors
/// Returns an error if the body can't be decompressed, is truncated, or is larger than 16 MiB after
/// decompression.
pub async fn decompressed(coding: &str, body: Bytes) -> Result<Bytes> {
    let value = reqwest::header::HeaderValue::from_str(coding)
        .map_err(|error| Error::invalid_input(error.to_string()))?;
    let headers = HeaderMap::from_iter([(reqwest::header::CONTENT_ENCODING, value)]);
    Ok(received(StatusCode::OK, headers, body, HeaderMap::new()).bytes().await?)
}

/// The URL conversion options of a call.
pub struct Conversion(Conversions);

impl Conversion {
    /// Sets [`Call::url_conversion`](crate::Call::url_conversion).
    pub fn plain(&mut self, path: &str, convert: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.0.plain(path, convert);
    }

    /// Sets [`Call::url_conversion_with`](crate::Call::url_conversion_with).
    pub fn with(&mut self, path: &str, converter: impl UrlConverter) {
        self.0.with(path, converter);
    }

    /// Sets [`Call::strict_conversions`](crate::Call::strict_conversions).
    pub fn strict(&mut self, strict: bool) {
        self.0.strict = strict;
    }

    /// Sets [`Call::skip_failed_conversions`](crate::Call::skip_failed_conversions).
    pub fn skip_failed(&mut self, skip: bool) {
        self.0.skip_failed = skip;
    }
}

/// Returns the URL that the client requests for a `link` from a server with this base URL, which sent it
/// instead of `expected`.
///
/// # Errors
/// Returns an error if the client doesn't follow the link.
pub fn follow(base: &str, link: &str, expected: &Url) -> Result<Url> {
    Origin::parse(base).map_err(Error::invalid_input)?.follow(link, expected)
}

/// Returns the target of a redirect with this `Location`.
///
/// # Errors
/// Returns an error if it isn't a URL.
pub fn redirect(location: &[u8]) -> Result<Url> {
    crate::transport::fuzzing::redirect(location)
}

/// Returns why an upload can't be resumed with a session; `None` if it can.
pub fn session_problem(session: &UploadSession) -> Option<String> {
    session.problem()
}

/// Returns the wait that a `Retry-After` header asks for.
pub fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    crate::transport::retry_policy::retry_after(headers, date)
}

/// Returns a text with its secrets redacted.
pub fn redact(text: &str) -> String {
    crate::error::redact::redact(text).into_owned()
}

/// Returns a URL with its secrets redacted.
pub fn redact_url(url: &str) -> String {
    crate::error::redact::redact_url(url)
}

/// Returns the beginning of a text, redacted.
pub fn excerpt(text: &str, limit: usize) -> String {
    crate::error::redact::excerpt(text, limit)
}

/// Returns a text with the credentials replaced.
pub fn hide_credentials(text: &str, credentials: &HeaderMap) -> String {
    crate::error::redact::secrets::Secrets::from(Some(std::sync::Arc::new(credentials.clone())))
        .hide(text)
        .into_owned()
}

/// Returns the directory and the file name of a URL's file in a cache.
pub fn cache_name(url: &str) -> (String, String) {
    cache::name(url)
}

/// Returns whether a text is the name of a file in a cache.
pub fn is_cache_name(text: &str) -> bool {
    cache::is_name(text)
}

/// Returns a URL without the signature parameters of known signing schemes.
pub fn unsigned_url(url: &str) -> String {
    cache::unsigned(url)
}

/// Returns the number of files in the lines of a cache's index, and their total bytes.
pub fn cache_index(lines: &[u8]) -> (u64, u128) {
    cache::index(lines)
}

/// Returns how many files a cache's handle leases, given the handle's file.
pub fn cache_lease_count(file: &[u8]) -> usize {
    cache::lease_count(file)
}

/// Returns a line of a cache's index with its checksum.
pub fn cache_line(text: &str) -> String {
    cache::line(text)
}

/// Returns the path of the first version of a URL's file in a cache.
pub fn cache_path(of: &FileCache, url: &str) -> PathBuf {
    cache::path(of, url)
}

/// Returns the path of a URL's file; `None` if the cache doesn't have it.
///
/// # Errors
/// Returns an error if the cache can't be locked, read or written.
pub fn cache_find(in_cache: &FileCache, url: &str) -> Result<Option<PathBuf>> {
    cache::find(in_cache, url)
}
