//! The inner parts that the fuzz targets (`tests/fuzz`) are given, and no one else: each function calls what
//! a request's answer goes through, without the socket. Its API changes at any time.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

pub use crate::download::fuzzing::{Placed, placed};
pub use crate::list::fuzzing::{plan, query};

use crate::download::cache::{FileCache, fuzzing as cache};
use crate::error::{Error, Result};
use crate::transport::fuzzing::received;
use crate::transport::origin::Origin;
use crate::upload::session::UploadSession;
use crate::url_conversion::{Conversions, UrlConverter};

/// The error of an answer with this status.
pub async fn status_error(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    credentials: HeaderMap,
) -> Error {
    received(status, headers, body, credentials).into_error().await
}

/// A value from an answer's body, its URLs converted.
///
/// # Errors
/// Returns an error if it can't be decoded or converted.
pub async fn response<T: DeserializeOwned + Send + 'static>(
    body: Bytes,
    list: bool,
    set: impl FnOnce(&mut Conversion),
) -> Result<T> {
    let mut conversion = Conversion(Conversions::default());
    set(&mut conversion);
    let received = received(StatusCode::OK, HeaderMap::new(), body, HeaderMap::new());
    received.converting(&std::sync::Arc::new(conversion.0), list).json().await
}

/// A body as it is read where the head says that it is compressed by `coding`.
///
/// # Errors
/// Returns an error if it can't be decompressed, ends in the middle, or has more than 16 MiB then.
pub async fn decompressed(coding: &str, body: Bytes) -> Result<Bytes> {
    let value = reqwest::header::HeaderValue::from_str(coding)
        .map_err(|error| Error::invalid_input(error.to_string()))?;
    let headers = HeaderMap::from_iter([(reqwest::header::CONTENT_ENCODING, value)]);
    received(StatusCode::OK, headers, body, HeaderMap::new()).bytes().await
}

/// What is set for URL conversion.
pub struct Conversion(Conversions);

impl Conversion {
    /// As [`Call::url_conversion`](crate::Call::url_conversion).
    pub fn plain(&mut self, path: &str, convert: impl Fn(&str) -> String + Send + Sync + 'static) {
        self.0.plain(path, convert);
    }

    /// As [`Call::url_conversion_with`](crate::Call::url_conversion_with).
    pub fn with(&mut self, path: &str, converter: impl UrlConverter) {
        self.0.with(path, converter);
    }

    /// As [`Call::strict_conversions`](crate::Call::strict_conversions).
    pub fn strict(&mut self, strict: bool) {
        self.0.strict = strict;
    }

    /// As [`Call::skip_failed_conversions`](crate::Call::skip_failed_conversions).
    pub fn skip_failed(&mut self, skip: bool) {
        self.0.skip_failed = skip;
    }
}

/// Where a link leads that a server of this base URL gave in the place of `expected`.
///
/// # Errors
/// Returns an error if it leads to where nothing is sent.
pub fn follow(base: &str, link: &str, expected: &Url) -> Result<Url> {
    Origin::parse(base).map_err(Error::invalid_input)?.follow(link, expected)
}

/// Where a redirect with this `Location` leads.
///
/// # Errors
/// Returns an error if it is no URL.
pub fn redirect(location: &[u8]) -> Result<Url> {
    crate::transport::fuzzing::redirect(location)
}

/// Why an upload can't go on with a session, were there a reason.
pub fn session_problem(session: &UploadSession) -> Option<String> {
    session.problem()
}

/// What a `Retry-After` asks for.
pub fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    crate::transport::retry_policy::retry_after(headers, date)
}

/// A text as it may be shown.
pub fn redact(text: &str) -> String {
    crate::error::redact::redact(text).into_owned()
}

/// A URL as it may be shown.
pub fn redact_url(url: &str) -> String {
    crate::error::redact::redact_url(url)
}

/// The beginning of a text as it may be shown.
pub fn excerpt(text: &str, limit: usize) -> String {
    crate::error::redact::excerpt(text, limit)
}

/// A text without the credentials.
pub fn hide_credentials(text: &str, credentials: &HeaderMap) -> String {
    crate::error::redact::secrets::Secrets::from(Some(std::sync::Arc::new(credentials.clone())))
        .hide(text)
        .into_owned()
}

/// The directory and the name that a URL's file gets in a cache.
pub fn cache_name(url: &str) -> (String, String) {
    cache::name(url)
}

/// Whether a text is the name of a file in a cache.
pub fn is_cache_name(text: &str) -> bool {
    cache::is_name(text)
}

/// A URL without what a known scheme signs it by.
pub fn unsigned_url(url: &str) -> String {
    cache::unsigned(url)
}

/// How many files the lines of a cache's index come to, and their bytes.
pub fn cache_index(lines: &[u8]) -> (u64, u128) {
    cache::index(lines)
}

/// How many files a handle of a cache holds whose file this is.
pub fn cache_holds(file: &[u8]) -> usize {
    cache::holds(file)
}

/// A line of a cache's index with its checksum.
pub fn cache_line(text: &str) -> String {
    cache::line(text)
}

/// Where the first version of a URL's file is in a cache.
pub fn cache_path(of: &FileCache, url: &str) -> PathBuf {
    cache::path(of, url)
}

/// The file of a URL, if a cache has it.
///
/// # Errors
/// Returns an error if the cache can't be locked, read or written.
pub fn cache_find(in_cache: &FileCache, url: &str) -> Result<Option<PathBuf>> {
    cache::find(in_cache, url)
}
