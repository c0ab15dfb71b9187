//! The targets. Each one calls a function of the crate with data that a server or a file may contain.

use std::cell::OnceCell;
use std::fmt::{Debug, Display, Write};
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use synapse_backend_client::reqwest::Url;
use synapse_backend_client::types::GroundTruthEvent;
use synapse_backend_client::{
    BackendClient, Checkpoint, ConversionFuture, Error, Expandable, FileReference, FileUrl, Json, ListAll,
    ListPolicy, RetryPolicy, Timestamp, UploadSession, UrlConverter, conversions, fuzzing,
};

use crate::caches::Fixture;
use crate::server::Server;

/// A function of the crate that processes an input.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// The kind of its inputs.
    pub inputs: Inputs,
}

/// The kinds of inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Inputs {
    /// Error bodies: mostly JSON, and some markup.
    Errors,
    Pages,
    Items,
    /// Any JSON.
    Json,
    /// A line of conversions, then JSON.
    Conversions,
    Links,
    Sessions,
    Checkpoints,
    /// Responses to the requests of a download.
    Heads,
    /// Lines of a cache's index.
    Cache,
    /// Text with URLs and tokens in it.
    Text,
}

macro_rules! targets {
    ($($name:ident: $inputs:ident,)*) => {
        /// All targets.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: $name, inputs: Inputs::$inputs }),*];
    };
}

targets! {
    error_shown: Errors,
    error_fields: Errors,
    error_json: Errors,
    page_typed: Pages,
    page_typed_skipping: Pages,
    page_own: Pages,
    page_own_skipping: Pages,
    page_raw: Pages,
    page_raw_distinct: Pages,
    item_typed: Items,
    item_shown: Items,
    json_value: Json,
    json_lookup: Json,
    json_shown: Json,
    json_equal: Json,
    file_shapes: Json,
    related: Json,
    converted_item: Conversions,
    converted_page: Conversions,
    links: Links,
    file_urls: Links,
    sessions: Sessions,
    checkpoints: Checkpoints,
    courses: Checkpoints,
    response_heads: Heads,
    cache_index: Cache,
    cache_files: Cache,
    cache_leases: Cache,
    cache_names: Links,
    redaction: Text,
    credentials: Text,
    retry_after: Text,
    timestamps: Text,
}

/// A token that inputs may contain.
pub const TOKEN: &str = "token-0123456789abcdef";

const BASE: &str = "http://localhost:9/api/v1";

/// A type that a program may decode an item into.
#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Own {
    id: i64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    score: Option<f64>,
}

/// Runs a future that never waits for I/O.
fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|runtime| {
        let new = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().thread_stack_size(STACK).build().expect("a runtime can be built")
        };
        runtime.get_or_init(new).block_on(future)
    })
}

/// The stack size of a thread that runs a target, in bytes. Recursion over the input's depth overflows it.
pub const STACK: usize = 512 << 10;

fn client<T>(with: impl FnOnce(&BackendClient) -> T) -> T {
    thread_local! {
        static CLIENT: OnceCell<BackendClient> = const { OnceCell::new() };
    }
    CLIENT.with(|client| {
        with(client.get_or_init(|| {
            let client = BackendClient::builder(BASE).access_token(TOKEN).build();
            client.expect("a client can be built")
        }))
    })
}

/// Counts the length and stores no text, so that the counts are those of the crate.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Returns the length of a text. A `Display` or `Debug` implementation that fails is the crate's error.
fn length(text: std::fmt::Arguments<'_>) -> usize {
    let mut length = Length(0);
    length.write_fmt(text).expect("it can be written");
    length.0
}

fn shown(value: &impl Display) -> usize {
    length(format_args!("{value}"))
}

fn debugged(value: &impl Debug) -> usize {
    length(format_args!("{value:?}"))
}

/// Checks that an error is a single line of at most 4 KiB, and that its sources are no longer.
fn check_error(error: &Error) {
    assert!(shown(error) <= 4 << 10, "`Display` is {} bytes long", shown(error));
    debugged(error);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        black_box(shown(&cause));
        source = cause.source();
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn json(data: &[u8]) -> Option<Json> {
    text(data)?.parse().ok()
}

fn credentials_sent() -> HeaderMap {
    HeaderMap::from_iter([(
        "synapse-access-token".parse().expect("a name"),
        HeaderValue::from_static("Token token-0123456789abcdef"),
    )])
}

fn status_error(data: &[u8]) -> Error {
    let body = Bytes::copy_from_slice(data);
    wait(fuzzing::status_error(StatusCode::BAD_REQUEST, HeaderMap::new(), body, credentials_sent()))
}

fn error_shown(data: &[u8]) {
    check_error(&status_error(data));
}

fn error_fields(data: &[u8]) {
    let error = status_error(data);
    black_box(error.response().map(|response| response.field_errors()));
}

fn error_json(data: &[u8]) {
    let error = status_error(data);
    let response = error.response().expect("it has a response");
    black_box((response.json(), response.detail(), response.text()));
}

/// Reads a list whose first page is the input. The other pages are empty.
fn page<T: Send + 'static>(data: &[u8], list: impl FnOnce(&BackendClient) -> ListAll<T>) {
    thread_local! {
        static SERVED: OnceCell<(Server, BackendClient)> = const { OnceCell::new() };
    }
    SERVED.with(|served| {
        let (server, client) = served.get_or_init(|| {
            let server = Server::start();
            let client = BackendClient::builder(server.url()).retry(RetryPolicy::never()).build();
            (server, client.expect("a client can be built"))
        });
        server.serve(data);
        wait(async {
            let mut list = list(client).concurrency(1).stream();
            while let Some(item) = list.next().await {
                match item {
                    Ok(item) => drop(black_box(item)),
                    Err(error) => check_error(&error),
                }
            }
            let report = list.report();
            let kept: usize = report.item_failures.iter().map(|failure| failure.text().len()).sum();
            assert!(kept <= 1 << 20, "{kept} bytes of items are kept");
            debugged(report);
        });
    });
}

fn skipping<T: Send + 'static>(list: ListAll<T>) -> ListAll<T> {
    list.skip_failed_items(true).deduplicate(true).policy(ListPolicy::Lenient)
}

fn page_typed(data: &[u8]) {
    page(data, |client| client.list_ground_truth_events().list_all());
}

fn page_typed_skipping(data: &[u8]) {
    page(data, |client| skipping(client.list_ground_truth_events().list_all()));
}

fn page_own(data: &[u8]) {
    page(data, |client| client.list_ground_truth_events().list_all_as::<Own>());
}

fn page_own_skipping(data: &[u8]) {
    page(data, |client| skipping(client.list_ground_truth_events().list_all_as::<Own>()));
}

fn page_raw(data: &[u8]) {
    page(data, |client| client.list_ground_truth_events().list_all_raw());
}

fn page_raw_distinct(data: &[u8]) {
    page(data, |client| skipping(client.list_ground_truth_events().list_all_raw()));
}

fn item(data: &[u8]) -> Result<GroundTruthEvent, Error> {
    wait(fuzzing::response(Bytes::copy_from_slice(data), false, |_| {}))
}

fn item_typed(data: &[u8]) {
    match item(data) {
        Ok(event) => {
            black_box((event.data_unit.id(), event.ground_truth_dataset_version.id()));
            black_box(event.created_at.map(|time| time.to_system_time().is_ok()));
        }
        Err(error) => check_error(&error),
    }
}

fn item_shown(data: &[u8]) {
    if let Ok(event) = item(data) {
        debugged(&event);
        black_box(serde_json::to_string(&event).is_ok());
    }
}

fn json_value(data: &[u8]) {
    let Some(json) = json(data) else { return };
    black_box((json.try_value().is_ok(), json.value().is_null()));
}

fn json_lookup(data: &[u8]) {
    let Some(json) = json(data) else { return };
    black_box((&json["label"], &json["id"]["id"], &json[0], json == json["label"]));
}

fn json_shown(data: &[u8]) {
    let Some(json) = json(data) else { return };
    black_box((debugged(&json), shown(&json), json.text().len()));
}

/// Decodes a custom type, and compares the value with itself and with a rewritten text.
fn json_equal(data: &[u8]) {
    let Some(json) = json(data) else { return };
    let other: Option<Json> = format!(" {}", json.text()).parse().ok();
    black_box((json.decode::<Own>().is_ok(), json.clone() == json, other.is_some_and(|other| other == json)));
}

fn file_shapes(data: &[u8]) {
    let Some(json) = json(data) else { return };
    for file in json.files() {
        black_box((file.path().is_some(), debugged(&file)));
    }
}

fn related(data: &[u8]) {
    let Ok(related) = serde_json::from_slice::<Expandable>(data) else { return };
    black_box((related.id(), related.is_null(), related.object().is_some(), &related["name"]));
    black_box((debugged(&related), shown(&related)));
}

/// A converter, by its name in an input.
#[derive(Clone, Copy)]
enum Converter {
    /// Returns paths, as a download does.
    Path,
    Fails,
    /// Fails for some URLs.
    Some,
}

impl UrlConverter for Converter {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        match self {
            Converter::Path => Box::pin(async { Ok("/cache/file".to_owned()) }),
            Converter::Some if url.len().is_multiple_of(2) => Box::pin(async { Ok(url.to_owned()) }),
            _ => Box::pin(async { Err("it fails".into()) }),
        }
    }

    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        black_box((file.size, file.checksum));
        self.convert(file.url)
    }

    fn key(&self) -> &'static str {
        match self {
            Converter::Path => "path",
            _ => "url",
        }
    }
}

/// A first line such as `# files=path metrics.path=plain !strict` sets the conversions.
fn converted(data: &[u8], list: bool) {
    let line = data
        .strip_prefix(b"#")
        .and_then(|rest| Some(rest.split_at(rest.iter().position(|byte| *byte == b'\n')?)));
    let (line, body) = line.map_or(("files=path data_unit.files=plain file=base", data), |(line, body)| {
        (text(line).unwrap_or_default(), body)
    });
    let set = |conversion: &mut fuzzing::Conversion| {
        // Only the caller could set more.
        for word in line.split_whitespace().take(8) {
            match word.split_once('=').unwrap_or((word, "plain")) {
                ("!strict", _) => conversion.strict(true),
                ("!skip", _) => conversion.skip_failed(true),
                (path, "base") => conversion.with(path, conversions::base_url("https://cdn.example.com/p")),
                (path, "strip") => conversion.with(path, conversions::strip_query()),
                (path, "host") => conversion.with(path, conversions::rewrite_host("h", "g:1")),
                (path, "path") => conversion.with(path, Converter::Path),
                (path, "fails") => conversion.with(path, Converter::Fails),
                (path, "some") => conversion.with(path, Converter::Some),
                (path, _) => conversion.plain(path, |url| format!("https://cdn{url}")),
            }
        }
    };
    match wait(fuzzing::response::<Json>(Bytes::copy_from_slice(body), list, set)) {
        // Valid JSON stays valid JSON.
        Ok(json) => drop(black_box(json)),
        Err(error) => {
            let is_usable =
                || wait(fuzzing::response::<Json>(Bytes::copy_from_slice(body), list, |_| {})).is_ok();
            assert!(error.is_url_conversion() || !is_usable(), "the conversion broke the body: {error}");
            check_error(&error);
        }
    }
}

fn converted_item(data: &[u8]) {
    converted(data, false);
}

fn converted_page(data: &[u8]) {
    converted(data, true);
}

fn links(data: &[u8]) {
    let Some(link) = text(data) else { return };
    let expected: Url = "http://localhost:9/api/v1/models/?page=1&project=1".parse().expect("a URL");
    match fuzzing::follow(BASE, link, &expected) {
        Ok(url) => {
            assert_eq!(
                (url.scheme(), url.host_str(), url.port()),
                ("http", Some("localhost"), Some(9)),
                "it leads elsewhere"
            );
            black_box(fuzzing::query(BASE, "list_models", &url).is_ok());
        }
        Err(error) => check_error(&error),
    }
    for version in [1, 2] {
        match fuzzing::resumed_link(BASE, &expected, link, version) {
            Ok(url) => assert_eq!(
                (url.origin(), url.path(), url.username(), url.password()),
                (expected.origin(), expected.path(), "", None),
                "a checkpoint leads elsewhere"
            ),
            Err(error) => check_error(&error),
        }
    }
    if let Err(error) = fuzzing::redirect(data) {
        check_error(&error);
    }
}

fn file_urls(data: &[u8]) {
    let Some(url) = text(data) else { return };
    let url = FileUrl::from(url);
    black_box((url.as_path().is_some(), debugged(&url), shown(&url)));
    black_box(fuzzing::redact_url(&url));
}

fn sessions(data: &[u8]) {
    let Ok(session) = serde_json::from_slice::<UploadSession>(data) else { return };
    black_box((fuzzing::session_problem(&session), debugged(&session)));
}

/// Changes a checkpoint of another list into one of this list.
fn checkpoint(data: &[u8], query: &str) -> Option<Checkpoint> {
    let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(data).ok()?;
    if let Some(kept) = value.get_mut("query").filter(|kept| *kept == "this") {
        *kept = query.into();
    }
    serde_json::from_value(value.into()).ok()
}

fn checkpoints(data: &[u8]) {
    client(|client| {
        wait(async {
            let list = client.list_ground_truth_events().list_all();
            let query = serde_json::to_value(list.clone().stream().checkpoint())
                .ok()
                .and_then(|value| Some(value.get("query")?.as_str()?.to_owned()));
            let Some(checkpoint) = checkpoint(data, &query.unwrap_or_default()) else { return };
            black_box((debugged(&checkpoint), checkpoint.is_end(), checkpoint.total()));
            let mut list = list.deduplicate(true).resume(checkpoint).stream();
            black_box((debugged(&list), list.checkpoint()));
            // Invalid checkpoints are reported at once. For the others nothing is sent before the future is
            // dropped.
            let mut next = std::pin::pin!(list.next());
            let first =
                std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context))).await;
            if let std::task::Poll::Ready(Some(Err(error))) = first {
                check_error(&error);
            }
        });
    });
}

/// A checkpoint with the list's pages in `pages`: `[length, count, number of the next page]` each.
fn courses(data: &[u8]) {
    #[derive(Deserialize)]
    struct Pages {
        #[serde(default)]
        pages: Vec<(Option<u64>, Option<u64>, Option<u64>)>,
    }
    let Some(checkpoint) = checkpoint(data, "this") else { return };
    let Ok(Pages { pages }) = serde_json::from_slice(data) else { return };
    let url: Url = "http://localhost:9/api/v1/models/".parse().expect("a URL");
    let pages = pages.into_iter().map(|(length, count, next)| {
        let next = next.map(|next| format!("{url}?page={next}").parse().expect("a URL"));
        (length, count, next)
    });
    black_box(fuzzing::plan(&url, &checkpoint, pages));
}

/// Responses: each has a line `206 1000` (its status and its body's length), header lines, and an empty line.
///
/// Bytes are never written at another place than `Content-Range` states, or beyond the announced size, and the
/// file's size never changes.
fn response_heads(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let response = |text: &str| {
        let mut lines = text.lines();
        let (status, length) = lines.next()?.split_once(' ')?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.try_append(name, value).ok()?;
        }
        Some((status.parse::<StatusCode>().ok()?, all, length.parse().ok()?))
    };
    let responses: Vec<_> = text.split("\n\n").filter_map(response).collect();
    let heads: Vec<_> = responses
        .iter()
        .map(|(status, headers, _)| (*status, headers.get("content-range").cloned()))
        .collect();
    for (placed, (status, range)) in fuzzing::placed(responses).into_iter().zip(heads) {
        // Read again with other chunks.
        let first = range.as_ref().and_then(|range| {
            let digits = range.to_str().ok()?.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        });
        if let Some((from, end)) = placed.written {
            assert!(from <= end && placed.size.is_none_or(|size| end <= size), "{placed:?}");
            assert!(
                from == 0 || (first == Some(from) && placed.asked_from == Some(from)),
                "{placed:?} of {range:?}"
            );
            assert!(status != StatusCode::PARTIAL_CONTENT || first == Some(from), "{placed:?} of {range:?}");
            assert!(from == 0 || placed.known.is_none() || placed.size == placed.known, "{placed:?}");
        }
        if placed.complete {
            assert!(placed.size == placed.asked_from && placed.size == first, "{placed:?} of {range:?}");
            assert!(placed.known.is_none() || placed.size == placed.known, "{placed:?}");
        }
        assert!(placed.digests <= 6 * 7, "{placed:?}");
    }
}

fn cache_index(data: &[u8]) {
    let (files, bytes) = fuzzing::cache_index(data);
    assert!(files as usize <= data.len() / 40 + 1 && bytes <= u128::from(u64::MAX) * u128::from(files));
}

fn fixture(run: impl FnOnce(&Fixture)) {
    thread_local! {
        static FIXTURE: OnceCell<Fixture> = const { OnceCell::new() };
    }
    FIXTURE.with(|fixture| run(fixture.get_or_init(Fixture::new)));
}

fn cache_files(data: &[u8]) {
    fixture(|fixture| fixture.run(data));
}

fn cache_leases(data: &[u8]) {
    assert!(fuzzing::cache_lease_count(data) <= data.len() / 34);
    fixture(|fixture| {
        let leases = fixture.leases(data);
        assert!(fuzzing::cache_lease_count(&leases) <= leases.len() / 34);
    });
}

fn cache_names(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (directory, name) = fuzzing::cache_name(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    assert!(directory.len() == 1 && name.len() <= 60 && name.bytes().all(is_plain), "{directory}/{name}");
    black_box(fuzzing::is_cache_name(text));
    let unsigned = fuzzing::unsigned_url(text);
    assert!(unsigned.len() <= text.len() && fuzzing::unsigned_url(&unsigned) == unsigned, "{unsigned}");
}

fn redaction(data: &[u8]) {
    let Some(text) = text(data) else { return };
    black_box((fuzzing::redact(text).len(), fuzzing::redact_url(text).len()));
    let excerpt = fuzzing::excerpt(text, 500);
    assert!(excerpt.len() <= 503 && !excerpt.contains(char::is_control), "{excerpt:?}");
}

fn credentials(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let hidden = fuzzing::hide_credentials(text, &credentials_sent());
    assert!(!hidden.contains(TOKEN), "{hidden}");
}

fn retry_after(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(synapse_backend_client::http::header::RETRY_AFTER, value)]);
    black_box(fuzzing::retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
}

fn timestamps(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let time = Timestamp::from(text);
    if let Err(error) = time.to_system_time() {
        assert!(shown(&error) <= 4 << 10, "`Display` is {} bytes long", shown(&error));
    }
    black_box((debugged(&time), shown(&time)));
}
