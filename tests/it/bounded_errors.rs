//! The memory cost of a hostile response. The tests count the allocated bytes of the whole process, so each
//! test runs in a separate process.

use std::error::Error as _;

use synapse_backend_client::reqwest::{Method, StatusCode};
use synapse_backend_client::{BackendClient, Error, RetryPolicy};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::ALLOCATOR;
use crate::support::child;

/// Builds a body of about `length` bytes.
type Body = fn(usize) -> String;

/// Error bodies whose parsing cost, or could cost, more than their length.
const BODIES: [(&str, Body); 22] = [
    ("a long key above many", |length| keys(length / 3, length / 3 * 2)),
    ("many long keys, one in another", |length| {
        let key = "k".repeat(length / 30);
        format!("{}{}{}", format!("{{\"{key}\":").repeat(15), object(length / 2, field), "}".repeat(15))
    }),
    ("fields", |length| object(length, field)),
    ("fields in lists", |length| list(length, |n| format!("{{\"f{n}\":[\"m\"]}}"))),
    ("one field again and again", |length| object(length, |_| "\"f\":[\"m\"]".to_owned())),
    ("zeros", |length| list(length, |_| "0".to_owned())),
    ("empty texts", |length| list(length, |_| "\"\"".to_owned())),
    ("empty objects", |length| list(length, |_| "{}".to_owned())),
    ("small objects", |length| list(length, |_| "{\"\":0}".to_owned())),
    ("opened lists", |length| "[".repeat(length)),
    ("opened objects", |length| "{\"\":".repeat(length / 4)),
    ("nested lists", |length| format!("{}{}", "[".repeat(length / 2), "]".repeat(length / 2))),
    ("half surrogate pairs", |length| format!("{{\"detail\":\"{}\"}}", r"\ud83d".repeat(length / 6))),
    ("half surrogate pairs of many fields", |length| object(length, |n| format!("\"f{n}\":[\"\\ud83d\"]"))),
    ("broken escapes", |length| format!("{{\"detail\":\"{}\"}}", r"\u12".repeat(length / 4))),
    ("backslashes", |length| r"\".repeat(length)),
    ("quotes", |length| "\"".repeat(length)),
    ("question marks", |length| "/?".repeat(length / 2)),
    ("schemes", |length| "://".repeat(length / 3)),
    ("at signs", |length| format!("https://{}", "@".repeat(length))),
    ("titles", |length| "<title".repeat(length / 6)),
    ("storage errors", |length| format!("<?xml?><Error><Code>{}", "<Code>".repeat(length / 6))),
];

fn keys(key: usize, rest: usize) -> String {
    format!("{{\"{}\":{}}}", "K".repeat(key), object(rest, |n| format!("\"{n}\":\"\"")))
}

fn field(n: usize) -> String {
    format!("\"f{n}\":\"m\"")
}

fn object(length: usize, entry: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", joined(length, entry))
}

fn list(length: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", joined(length, item))
}

fn joined(length: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0.. {
        let item = item(n);
        if text.len() + item.len() + 3 > length {
            break;
        }
        text.push_str(if n == 0 { "" } else { "," });
        text.push_str(&item);
    }
    text
}

/// Reads everything that an error provides, and checks its bounds.
fn look_at_all_of(error: &Error) {
    let display = error.to_string();
    assert!(display.len() <= 4 << 10 && !display.contains(char::is_control), "{display}");
    let debug = format!("{error:?}");
    assert!(debug.len() <= 16 << 10, "{}", debug.len());
    let mut source = error.source();
    while let Some(cause) = source {
        assert!(!display.contains(&cause.to_string()), "{display} repeats {cause}");
        source = cause.source();
    }
    if let Some(response) = error.response() {
        let fields = response.field_errors();
        let bytes: usize = fields
            .iter()
            .map(|(field, messages)| field.len() + messages.iter().map(String::len).sum::<usize>())
            .sum();
        assert!(
            bytes <= 260 << 10 && fields.values().map(Vec::len).sum::<usize>() <= 1_000,
            "{bytes} bytes of messages"
        );
        let _ = (response.detail(), error.request_id(), error.json_path());
    }
}

/// Returns a server that sends this response to every request, and its client.
async fn serving(status: u16, body: &str) -> (MockServer, BackendClient) {
    let server = MockServer::start().await;
    let response = ResponseTemplate::new(status).set_body_raw(body, "application/json");
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = client(&server.uri());
    (server, client)
}

fn client(url: &str) -> BackendClient {
    BackendClient::builder(url)
        .retry(RetryPolicy::never())
        .access_token("a-token-of-the-client")
        .build()
        .unwrap()
}

/// Returns the bytes that the exchange and all reads of its error allocate. The server's share is included.
async fn cost(body: &str, status: u16, method: Method) -> usize {
    let (_server, client) = serving(status, body).await;
    let before = ALLOCATOR.stats().bytes_allocated;
    let error = match method {
        Method::GET => client.get_model(1).await.unwrap_err(),
        _ => client.request(method, "/models/").await.unwrap_err(),
    };
    look_at_all_of(&error);
    ALLOCATOR.stats().bytes_allocated - before
}

#[track_caller]
fn assert_bounded(what: &str, cost: usize, body: &str) {
    println!("{what}: {cost} bytes for {}", body.len());
    assert!(cost <= 64 * body.len() + (1 << 20), "{what}: {cost} bytes for {}", body.len());
}

#[tokio::test]
async fn hostile_error_body_memory_bounded() {
    if child::passed_alone(hostile_error_body_memory_bounded) {
        return;
    }
    for (what, body) in BODIES {
        let (small, large) = (body(8 << 10), body(32 << 10));
        let before = cost(&small, 400, Method::POST).await;
        let cost = cost(&large, 400, Method::POST).await;
        assert_bounded(what, cost, &large);
        assert!(cost <= 6 * before, "{what}: {before}, and {cost} for four times the length");
    }
}

#[tokio::test]
async fn long_parent_key_error_is_bounded() {
    if child::passed_alone(long_parent_key_error_is_bounded) {
        return;
    }
    let body = keys(5_000, 8_000);
    for (status, method) in [(400, Method::POST), (503, Method::GET), (422, Method::PUT)] {
        assert_bounded("a long key", cost(&body, status, method).await, &body);
    }
}

#[tokio::test]
async fn error_json_memory_is_bounded() {
    if child::passed_alone(error_json_memory_is_bounded) {
        return;
    }
    for (what, body) in BODIES {
        let body = body(32 << 10);
        let (_server, client) = serving(400, &body).await;
        let error = client.get_model(1).await.unwrap_err();
        let before = ALLOCATOR.stats().bytes_allocated;
        let found = error.response().unwrap().json().is_some();
        assert_bounded(what, ALLOCATOR.stats().bytes_allocated - before, &body);
        assert!(found || !matches!(what, "fields" | "zeros" | "half surrogate pairs"), "{what}");
    }
}

#[tokio::test]
async fn undecodable_answer_is_bounded() {
    if child::passed_alone(undecodable_answer_is_bounded) {
        return;
    }
    let responses: [(&str, Body); 3] = [
        ("a text for a number", |length| format!("{{\"id\":\"{}\"}}", "x".repeat(length))),
        ("an object for a text", |length| format!("{{\"id\":1,\"name\":{{\"{}\":1}}}}", "x".repeat(length))),
        ("halves in all kinds of places", |length| object(length, |n| format!("\"f{n}\":\"\\ud83d\""))),
    ];
    for (what, body) in responses.into_iter().chain(BODIES) {
        for length in [32 << 10, 300 << 10] {
            let body = body(length);
            assert_bounded(what, cost(&body, 200, Method::GET).await, &body);
        }
    }
}

/// The host of a file is not trusted.
#[tokio::test]
async fn foreign_file_host_error_is_bounded() {
    if child::passed_alone(foreign_file_host_error_is_bounded) {
        return;
    }
    let client = client("http://backend.invalid");
    let directory = tempfile::tempdir().unwrap();
    for (what, body) in BODIES {
        let body = body(32 << 10);
        let (host, _) = serving(403, &body).await;
        let before = ALLOCATOR.stats().bytes_allocated;
        let error = client
            .download(format!("{}/a.png", host.uri()))
            .to(directory.path().join("a.png"))
            .await
            .unwrap_err();
        look_at_all_of(&error);
        assert_bounded(what, ALLOCATOR.stats().bytes_allocated - before, &body);
        assert_eq!(error.status(), Some(StatusCode::FORBIDDEN), "{error}");
    }
}

/// The most memory that the items of a page take, in bytes for each byte of its text. The documentation of
/// `max_body_size` states these values.
const TYPED: usize = 160;
const RAW: usize = 60;

#[tokio::test]
async fn page_memory_as_documented() {
    if child::passed_alone(page_memory_as_documented) {
        return;
    }
    let allocated = || ALLOCATOR.stats().bytes_allocated;
    let typed = [r#"{"id":0}"#, r#"{"id":0,"":0}"#, r#"{"id":0,"a":0,"b":0}"#].map(|item| (item, false));
    for (item, raw) in typed.into_iter().chain(["0", "{}", r#""""#].map(|item| (item, true))) {
        let body = format!("{{\"results\":{}}}", list(300 << 10, |_| item.to_owned()));
        let (_server, client) = serving(200, &body).await;
        // The same exchange, but the response stays text.
        let before = allocated();
        client.request(Method::GET, "/x/").await.unwrap();
        let exchange = allocated() - before;
        let before = allocated();
        // The largest type of a list's items.
        let list = client.list_assignments();
        match raw {
            true => assert!(list.list_all_raw().stream().next().await.unwrap().is_ok()),
            false => assert!(list.list_all().stream().next().await.unwrap().is_ok()),
        }
        let cost = (allocated() - before).saturating_sub(exchange);
        println!("{item}: {cost} bytes for {}", body.len());
        assert!(
            cost <= if raw { RAW } else { TYPED } * body.len(),
            "{item}: {cost} bytes for {}",
            body.len()
        );
        assert!(cost > body.len(), "{item}: nothing was measured");
    }
}

/// The most additional memory that the conversion of a page's URLs takes, in bytes for each byte of its text,
/// as documented.
const CONVERTED: usize = 60;

#[tokio::test]
async fn conversion_memory_as_documented() {
    if child::passed_alone(conversion_memory_as_documented) {
        return;
    }
    let allocated = || ALLOCATOR.stats().bytes_allocated;
    let files = list(300 << 10, |_| r#""""#.to_owned());
    for results in [format!("[{{\"files\":{files}}}]"), list(300 << 10, |_| r#"{"files":""}"#.to_owned())] {
        let body = format!("{{\"results\":{results}}}");
        let (_server, client) = serving(200, &body).await;
        let before = allocated();
        assert!(client.list_ground_truth_events().list_all_raw().stream().next().await.unwrap().is_ok());
        let plain = allocated() - before;
        let before = allocated();
        let events = client.list_ground_truth_events().url_conversion("files", |_| String::new());
        assert!(events.list_all_raw().stream().next().await.unwrap().is_ok());
        let cost = (allocated() - before).saturating_sub(plain);
        println!("{cost} bytes for {}", body.len());
        assert!(cost <= CONVERTED * body.len() && cost > body.len(), "{cost} bytes for {}", body.len());
    }
}
