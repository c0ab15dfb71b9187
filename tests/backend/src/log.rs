//! Records the requests for tests to inspect.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use tokio::sync::watch;

/// The number of requests that are kept; older ones are dropped.
const KEPT: usize = 100_000;

/// A request that the backend received.
///
/// ```
/// # async fn example(backend: synapse_test_backend::Backend) {
/// let leaked = backend.requests().iter().any(|request| {
///     request.path.starts_with("/media/") && request.headers.contains_key("synapse-access-token")
/// });
/// assert!(!leaked);
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path as received, percent-encoded and with the path prefix.
    pub path: String,
    /// The query as received, without `?`.
    pub query: Option<String>,
    /// The headers as received.
    pub headers: HeaderMap,
    /// The body, if it is at most 64 KiB and bodies are recorded; otherwise empty.
    pub body: Bytes,
    /// The number of body bytes received.
    pub body_length: u64,
    /// The status of the response. `None` while there is no response yet, or if there never was one.
    pub status: Option<StatusCode>,
    /// The number of its connection, from 1.
    pub connection: u64,
}

impl RecordedRequest {
    /// Returns the first value of a query parameter, decoded.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let pages: Vec<_> = backend.requests().iter().filter_map(|r| r.query_value("page")).collect();
    /// # }
    /// ```
    pub fn query_value(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Returns a header's value if it is present and is text.
    ///
    /// ```
    /// # fn example(request: &synapse_test_backend::RecordedRequest) {
    /// assert_eq!(request.header("synapse-tenant"), Some("Token acme"));
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Copies the headers. The ones from hyper keep the connection's whole read buffer in memory.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let copy =
        |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
    headers.iter().map(|(name, value)| (name.clone(), copy(value))).collect()
}

pub(crate) struct Log {
    on: AtomicBool,
    bodies: bool,
    entries: Mutex<Entries>,
    arrived: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    /// The number of the oldest entry that is kept.
    first: u64,
    kept: VecDeque<RecordedRequest>,
}

impl Log {
    pub(crate) fn new(on: bool, bodies: bool) -> Self {
        Self { on: AtomicBool::new(on), bodies, entries: Mutex::default(), arrived: watch::Sender::new(0) }
    }

    pub(crate) fn turn(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    pub(crate) fn keeps_bodies(&self) -> bool {
        self.bodies && self.on.load(Relaxed)
    }

    /// Records a request. The returned number is passed to `responded`.
    pub(crate) fn arrived(&self, parts: &Parts, connection: u64) -> Option<u64> {
        if !self.on.load(Relaxed) {
            return None;
        }
        let request = RecordedRequest {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: copied(&parts.headers),
            body: Bytes::new(),
            body_length: 0,
            status: None,
            connection,
        };
        let mut entries = self.lock();
        if entries.kept.len() == KEPT {
            entries.kept.pop_front();
            entries.first += 1;
        }
        entries.kept.push_back(request);
        let number = entries.first + entries.kept.len() as u64 - 1;
        let count = entries.kept.len() as u64;
        drop(entries);
        self.arrived.send_replace(count);
        Some(number)
    }

    pub(crate) fn responded(&self, number: Option<u64>, status: Option<StatusCode>, body: (u64, Bytes)) {
        let Some(number) = number else { return };
        let mut entries = self.lock();
        let place = number.checked_sub(entries.first).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| entries.kept.get_mut(place)) {
            entry.status = status;
            (entry.body_length, entry.body) = body;
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().kept.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut entries = self.lock();
        entries.first += entries.kept.len() as u64;
        entries.kept.clear();
        drop(entries);
        self.arrived.send_replace(0);
    }

    /// Waits until this many requests are kept.
    pub(crate) async fn wait_for(&self, count: u64) {
        // Can't fail: the sender lives as long as the log.
        let _ = self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
