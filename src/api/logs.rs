//! Log entries: creating many, in batches, with their files.

use std::collections::VecDeque;
use std::fmt;
use std::future::IntoFuture;
use std::time::Instant;

use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::item_problems::ItemProblems;
use super::log_file::LogFile;
use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::raw::types;
use crate::generated::request::json_body;
use crate::generated::support::Lengths as _;
use crate::runtime::blocking::blocking;
use crate::runtime::deadline::within;
use crate::transport::{Failure, IncomingResponse};
use crate::values::json::Json;

/// The number of entries without a file in a request.
const BATCH: usize = 200;

/// Default limit of a file, in bytes: it is sent as text within JSON.
const MAX_FILE_SIZE: u64 = 16 << 20;

/// A detail of an error: how many entries are stored.
#[derive(Clone)]
struct StoredEntries(usize);

impl Error {
    /// Returns how many entries of [`create_logs`](crate::BackendClient::create_logs) are certainly stored: those before
    /// this index. `None` for the errors of other calls.
    ///
    /// Entries count as stored once the backend responds with a success, also if the rest of its response can't be used.
    ///
    /// After an error on this machine or a status from 400 to 499, the entries from this index on aren't stored: continue
    /// with them. After a status from 500 on, or if [`is_unknown_outcome`](Error::is_unknown_outcome) is true, those of the
    /// failed request may be stored: look at the job's logs before.
    pub fn stored_log_entries(&self) -> Option<usize> {
        self.detail().map(|StoredEntries(entries)| *entries)
    }
}

/// A detail of an error: the backend has stored the entries of the failed request.
#[derive(Clone)]
struct Acted;

impl BackendClient {
    /// Creates log entries of jobs, in their order. Entries are made of a `types::LogEntryCreate` or its builder;
    /// [`LogEntry`] adds a file.
    ///
    /// A request has up to 200 entries; one with a file is sent alone. Requests are sent one after another, and none is
    /// sent again if its outcome is unknown. Returns the responses, one for each request, of which some may be empty.
    ///
    /// Operation `create_logs` of the API's document, which describes the fields.
    ///
    /// # Errors
    /// Returns an error that lists the problems of all entries, if a required field is missing, a text is too long, or a
    /// file can't be read, is empty, is too large or has no known type: nothing is sent then. If a request fails, or the
    /// response to it can't be used, [`stored_log_entries`](Error::stored_log_entries) tells which entries are stored.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{LogEntry, json, types::LogEntryCreate};
    ///
    /// let entry = |event: &str| {
    ///     let now = std::time::SystemTime::now();
    ///     LogEntryCreate::builder().event(event).datetime(now).job("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11")
    /// };
    /// let message = entry("message").data(json!({"content": "Epoch 1 of 10"})).level("info");
    /// let chart = entry("visualization").data(json!({"category": "train", "group": "loss", "index": 1}));
    /// let entries = [message.into(), LogEntry::from(chart).file("/data/loss.png")];
    /// if let Err(error) = client.create_logs(entries).await {
    ///     eprintln!("{:?} entries are stored: {error}", error.stored_log_entries());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_logs(&self, entries: impl IntoIterator<Item = impl Into<LogEntry>>) -> CreateLogs {
        CreateLogs {
            client: self.clone(),
            entries: entries.into_iter().map(Into::into).collect(),
            max_file_size: MAX_FILE_SIZE,
            options: CallOptions::default(),
        }
    }
}

/// A log entry to create, maybe with a file.
///
/// Its field `file` takes a `data:` URI, never a path: an entry that others made can't read this machine's files.
#[derive(Clone)]
#[must_use = "an entry is nothing until it is sent"]
pub struct LogEntry {
    entry: types::builder::LogEntryCreate,
    file: Option<LogFile>,
}

impl LogEntry {
    /// Adds the file at a path. Its media type is that of its extension.
    ///
    /// ```
    /// use synapse_backend_client::{LogEntry, types::LogEntryCreate};
    /// let entry = LogEntry::from(LogEntryCreate::builder()).file("/data/loss.png");
    /// ```
    pub fn file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.file = Some(LogFile::Path(path.into()));
        self
    }

    /// Adds a file in memory with its media type, such as `image/png`.
    ///
    /// ```
    /// use synapse_backend_client::{LogEntry, types::LogEntryCreate};
    /// let entry = LogEntry::from(LogEntryCreate::builder()).file_bytes("epoch,loss\n1,0.5\n", "text/csv");
    /// ```
    pub fn file_bytes(mut self, content: impl Into<bytes::Bytes>, media_type: impl Into<String>) -> Self {
        self.file = Some(LogFile::Bytes(content.into(), media_type.into()));
        self
    }
}

impl From<types::builder::LogEntryCreate> for LogEntry {
    fn from(entry: types::builder::LogEntryCreate) -> Self {
        LogEntry { entry, file: None }
    }
}

impl From<types::LogEntryCreate> for LogEntry {
    fn from(entry: types::LogEntryCreate) -> Self {
        types::builder::LogEntryCreate::from(entry).into()
    }
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEntry").field("entry", &self.entry).field("file", &self.file).finish()
    }
}

/// An entry that was checked, and a file that isn't read yet.
struct Checked {
    entry: types::LogEntryCreate,
    file: Option<LogFile>,
}

impl Checked {
    fn has_file(&self) -> bool {
        self.file.is_some() || self.entry.file.is_some()
    }
}

/// Creates log entries when it is awaited: see [`create_logs`](BackendClient::create_logs).
#[must_use = "nothing is created until it is awaited or sent"]
pub struct CreateLogs {
    client: BackendClient,
    entries: Vec<LogEntry>,
    max_file_size: u64,
    options: CallOptions,
}

impl CreateLogs {
    option_setters!();

    /// Sets the maximum size of a file in bytes: 16 MiB by default. While a file is sent, about three times its size is in
    /// memory.
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = bytes;
        self
    }

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Creates the entries. Awaiting does the same. If the future is dropped, a request that was sent may still be acted
    /// on.
    ///
    /// # Errors
    /// Returns an error as [`create_logs`](BackendClient::create_logs) does.
    pub fn send(self) -> ResponseFuture<Vec<Option<Json>>> {
        ResponseFuture::new(self.create())
    }

    async fn create(self) -> Result<Vec<Option<Json>>> {
        let CreateLogs { client, entries, max_file_size, options } = self;
        let of_options = options.problems();
        let deadline = options.deadline();
        let check = blocking(move || checked(entries, of_options, max_file_size));
        let mut entries = within(deadline, "checking the entries", check)
            .await
            .and_then(|entries| entries?)
            .map_err(|error| error.with_detail(StoredEntries(0)))?;
        let total = entries.len();
        let mut responses = Vec::new();
        while !entries.is_empty() {
            let first = total - entries.len();
            let batch = next_batch(&mut entries);
            let last = first + batch.len() - 1;
            let response = create_batch(&client, batch, max_file_size, options.clone(), deadline).await;
            responses.push(response.map_err(|error| {
                let (stored, included) = match error.detail() {
                    Some(Acted) => (last + 1, ", these included"),
                    None => (first, ""),
                };
                let what = format!(
                    "log entries {first} to {last} of {total}, counted from 0: {stored} are stored{included}"
                );
                error.during(what).with_detail(StoredEntries(stored))
            })?);
        }
        Ok(responses)
    }
}

/// Checks all entries and their files. Blocks.
///
/// # Errors
/// Returns an error that lists all problems.
fn checked(entries: Vec<LogEntry>, of_options: Vec<String>, max_file_size: u64) -> Result<VecDeque<Checked>> {
    let mut problems = ItemProblems::default();
    problems.extend(of_options);
    let mut checked = VecDeque::with_capacity(entries.len());
    for (index, LogEntry { entry, file }) in entries.into_iter().enumerate() {
        let mut found = entry.length_problems();
        let entry = types::LogEntryCreate::try_from(entry).map_err(|error| error.to_string());
        match &entry {
            Err(missing) => found.extend(missing.lines().map(str::to_owned)),
            Ok(entry) => {
                found.extend(json_body(entry).err().unwrap_or_default().problems);
                let of_uri = match (&entry.file, &file) {
                    (Some(_), Some(_)) => Some("it is set twice".to_owned()),
                    (Some(uri), None) => LogFile::uri_problem(uri, max_file_size),
                    (None, _) => None,
                };
                found.extend(of_uri.map(|problem| format!("`file`: {problem}")));
            }
        }
        let of_file = file.as_ref().and_then(|file| file.problem(max_file_size));
        found.extend(of_file.map(|problem| format!("`file`: {problem}")));
        match entry {
            Ok(entry) if found.is_empty() => checked.push_back(Checked { entry, file }),
            _ => problems.push(format!("entry {index}: {}", found.join("; "))),
        }
    }
    match problems.into_text("create_logs") {
        Some(problems) => Err(Error::invalid_input(problems)),
        None => Ok(checked),
    }
}

/// Takes the entries of the next request: one with a file, or those before the next file. There is at least one.
fn next_batch(entries: &mut VecDeque<Checked>) -> Vec<Checked> {
    let without_file = entries.iter().take(BATCH).take_while(|entry| !entry.has_file()).count();
    entries.drain(..without_file.max(1)).collect()
}

/// Creates the entries of one request, by `deadline`.
async fn create_batch(
    client: &BackendClient,
    batch: Vec<Checked>,
    max_file_size: u64,
    mut options: CallOptions,
    deadline: Option<Instant>,
) -> Result<Option<Json>> {
    let mut bodies = Vec::with_capacity(batch.len());
    for Checked { mut entry, file } in batch {
        if let Some(file) = file {
            let read = blocking(move || file.into_uri(max_file_size));
            entry.file = Some(within(deadline, "reading a file", read).await???);
        }
        bodies.push(entry);
    }
    let body = match bodies.len() {
        1 => bodies.pop().map(types::LogEntriesCreate::LogEntryCreate),
        _ => None,
    };
    let body = body.unwrap_or(types::LogEntriesCreate::Array(bodies));
    options.end_by(deadline);
    client.call(|raw| raw.create_logs(body)).with_options(options).fetch(read_response).await
}

/// Reads the response of a success status. An error has the detail [`Acted`] if the response is the backend's.
async fn read_response(response: Box<IncomingResponse>) -> Result<Option<Json>, Failure> {
    // A page of a proxy in front of the backend doesn't show that the backend has stored anything.
    let is_backends = response.headers().get(CONTENT_TYPE).is_none_or(is_json);
    let read = response.json_if_any().await;
    read.map_err(|failure| match is_backends {
        true => failure.map(|error| error.with_detail(Acted)),
        false => failure,
    })
}

fn is_json(content_type: &HeaderValue) -> bool {
    let media = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}

impl IntoFuture for CreateLogs {
    type Output = Result<Vec<Option<Json>>>;
    type IntoFuture = ResponseFuture<Vec<Option<Json>>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl HasOptions for CreateLogs {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl fmt::Debug for CreateLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateLogs")
            .field("entries", &self.entries.len())
            .field("max_file_size", &self.max_file_size)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
