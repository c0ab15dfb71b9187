//! Log entries: batches, files, what is stored after a failure. Console logs in every shape.

use std::time::Duration;

use crate::support::marker::Failure as _;
use crate::support::server::{assert_only_get, json, serving};
use crate::support::soon::soon;
use crate::support::tcp_server::{self, Act, Server, response};
use serde_json::Value;
use synapse_backend_client::types::{self, LogEntryCreate};
use synapse_backend_client::{
    BackendClient, CallOptions, ConsoleLine, ConversionFuture, LogEntry, RetryPolicy, UrlConverter,
    json as json_value,
};
use wiremock::ResponseTemplate;

/// Converts no URL.
struct Refusing;

impl UrlConverter for Refusing {
    fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
        Box::pin(async { Err("refused".into()) })
    }
}

fn client(server: &Server) -> BackendClient {
    let quick = RetryPolicy::new().initial_backoff(Duration::ZERO).max_backoff(Duration::ZERO);
    BackendClient::builder(&server.url).retry(quick).build().unwrap()
}

fn stored() -> Act {
    Act::Keep(tcp_server::json(201, "[]"))
}

fn entry(number: usize) -> types::builder::LogEntryCreate {
    LogEntryCreate::builder()
        .event("message")
        .data(json_value!({"content": number}))
        .datetime("2025-01-31T09:00:00Z")
        .job(7)
}

fn entries(count: usize) -> Vec<LogEntry> {
    (0..count).map(|number| entry(number).into()).collect()
}

/// Returns the bodies that were sent.
fn bodies(server: &Server) -> Vec<Value> {
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.line == "POST /logs/"));
    seen.iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
}

/// Returns the numbers of the entries in a body; an object is one entry.
fn numbers(body: &Value) -> Vec<u64> {
    let number = |entry: &Value| entry["data"]["content"].as_u64().unwrap();
    body.as_array().map_or_else(|| vec![number(body)], |entries| entries.iter().map(number).collect())
}

// ---- create_logs

#[tokio::test]
async fn entries_are_sent_in_batches_in_order() {
    let empty = Act::Keep(response(201, "", ""));
    let server = Server::of([stored(), empty, stored()]).await;
    let mut entries = entries(450);
    entries[210] = LogEntry::from(entry(210)).file_bytes("a,b", "text/csv");
    let responses = client(&server).create_logs(entries).await.unwrap();
    let texts: Vec<_> = responses.iter().map(|response| response.as_ref().map(|json| json.text())).collect();
    assert_eq!(texts, [Some("[]"), None, Some("[]"), Some("[]"), Some("[]")]);
    let bodies = bodies(&server);
    let expected = [0..200, 200..210, 210..211, 211..411, 411..450];
    assert_eq!(
        bodies.iter().map(numbers).collect::<Vec<_>>(),
        expected.map(|range| range.collect::<Vec<_>>())
    );
    assert_eq!(bodies[2]["file"], "data:text/csv;base64,YSxi");
}

#[tokio::test]
async fn single_entry_is_an_object() {
    let server = Server::of([stored()]).await;
    let value = LogEntryCreate::try_from(entry(3).level("warning").step("training")).unwrap();
    let options = CallOptions::new().header("x-run", "9");
    client(&server).create_logs([value]).with_options(options).await.unwrap();
    let expected = serde_json::json!({
        "event": "message", "data": {"content": 3}, "datetime": "2025-01-31T09:00:00Z", "job": 7,
        "level": "warning", "step": "training",
    });
    assert_eq!(bodies(&server), [expected]);
    assert_eq!(server.seen()[0].header("x-run"), Some("9"));
    assert!(client(&server).create_logs(entries(0)).await.unwrap().is_empty());
    client(&server).create_logs(entries(201)).await.unwrap();
    let last = &bodies(&server)[2];
    assert!(last.is_object() && server.count() == 3, "{last}");
}

#[tokio::test]
async fn file_becomes_a_data_uri() {
    let server = Server::of([stored()]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("loss.PNG");
    std::fs::write(&path, [0, 1, 2, 255]).unwrap();
    let uri = "data:image/webp;base64,AAEC/w==";
    let all = [
        LogEntry::from(entry(0)).file(&path),
        LogEntry::from(entry(1)).file_bytes("x", "image/jpeg"),
        entry(2).file(uri).into(),
    ];
    assert_eq!(format!("{:?}", all[1]).matches("1 bytes of image/jpeg").count(), 1);
    client(&server).create_logs(all.clone()).max_file_size(4).await.unwrap();
    let files: Vec<_> = bodies(&server).iter().map(|body| body["file"].clone()).collect();
    assert_eq!(files, ["data:image/png;base64,AAEC/w==", "data:image/jpeg;base64,eA==", uri]);
    let error = client(&server).create_logs(all).max_file_size(3).await.failure();
    let text = error.to_string();
    assert!(text.contains("entry 0: `file`: ") && text.contains("has 4 bytes, more than 3"), "{text}");
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn empty_file_of_entry_sends_nothing() {
    let server = Server::of([stored()]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty.png");
    std::fs::write(&path, "").unwrap();
    let all = [
        LogEntry::from(entry(0)).file(&path),
        LogEntry::from(entry(1)).file_bytes(Vec::new(), "image/png"),
        entry(2).file("data:image/png;base64,").into(),
        entry(3).file("data:image/png;base64,AA EC").into(),
        entry(4).file("data:image/png;base64,AAEC#x").into(),
    ];
    let text = client(&server).create_logs(all).await.failure().to_string();
    for part in [
        "empty.png is empty",
        "entry 1: `file`: the file in memory is empty",
        "entry 2: `file`: the `data:` URI is empty",
        "entry 3: `file`: its content is not valid base64",
        "entry 4: `file`: its content is not valid base64",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn invalid_entries_are_reported_together() {
    let server = Server::of([stored()]).await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("x.unknown"), "x").unwrap();
    let all: Vec<LogEntry> = vec![
        entry(0).into(),
        LogEntryCreate::builder().event("message").into(),
        entry(2).step("x".repeat(256)).event("").into(),
        entry(3).file("/etc/passwd").into(),
        LogEntry::from(entry(4)).file(at("x.unknown")),
        LogEntry::from(entry(5)).file(at("none.png")),
        LogEntry::from(entry(6)).file_bytes("x", "png"),
        LogEntry::from(entry(7).file("data:a/b;base64,")).file_bytes("x", "text/csv"),
        entry(8).data(json_value!({"x": f64::NAN})).into(),
    ];
    let zero = CallOptions::new().timeout(Duration::ZERO);
    let error = client(&server).create_logs(all).with_options(zero).await.failure();
    let text = error.to_string();
    assert!(
        error.is_invalid_input() && text.starts_with("create_logs: timeout: it is zero; entry 1: "),
        "{text}"
    );
    for part in [
        "entry 1: `data` is missing: it is required; `datetime` is missing: it is required; `job` is missing",
        "entry 2: `event` is blank",
        "`step` has 256 characters",
        "entry 3: `file`: it is no `data:<media type>;base64,…` URI",
        "entry 4: `file`: ",
        "its extension has no known media type",
        "entry 5: `file`: ",
        "entry 6: `file`: \"png\" is no media type",
        "entry 7: `file`: it is set twice",
        "entry 8: data: x: NaN is not a JSON number",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("entry 0"), "{text}");
    assert_eq!((error.stored_log_entries(), server.count()), (Some(0), 0));
}

#[tokio::test]
async fn failure_tells_what_is_stored() {
    let refused = Act::Keep(tcp_server::json(400, r#"{"detail":"Invalid."}"#));
    let lost = Act::Close(Vec::new());
    let gateway = Act::Keep(tcp_server::html(502));
    for (failure, is_unknown) in [(refused, false), (lost, true), (gateway, true)] {
        let server = Server::of([stored(), failure, stored()]).await;
        let error = client(&server).create_logs(entries(500)).await.failure();
        assert_eq!(error.stored_log_entries(), Some(200));
        assert_eq!((error.is_unknown_outcome(), error.is_bad_request()), (is_unknown, !is_unknown));
        let text = error.to_string();
        let expected = "log entries 200 to 399 of 500, counted from 0: 200 are stored: ";
        assert!(text.starts_with(expected), "{text}");
        // Neither the failed request nor a later one was sent.
        assert_eq!(server.count(), 2);
    }
    // The server didn't act on a request that it throttled.
    let throttled = Act::Keep(response(429, "Retry-After: 0\r\n", ""));
    let server = Server::of([stored(), throttled, stored()]).await;
    client(&server).create_logs(entries(500)).await.unwrap();
    let sent: Vec<_> = bodies(&server).iter().map(|body| numbers(body)[0]).collect();
    assert_eq!(sent, [0, 200, 200, 400]);
}

#[tokio::test]
async fn unreadable_success_is_stored() {
    let convert = || CallOptions::new().url_conversion_with("file", Refusing);
    let cases = [
        (tcp_server::json(201, "not JSON"), CallOptions::new(), "can't be used"),
        (tcp_server::json(201, "x".repeat(2_000)), CallOptions::new(), "larger than 1000 bytes"),
        (tcp_server::json(201, r#"[{"file": "/media/1.png"}]"#), convert(), "refused"),
        (response(200, "", "not JSON"), CallOptions::new(), "can't be used"),
    ];
    for (answer, options, part) in cases {
        let server = Server::of([stored(), Act::Keep(answer), stored()]).await;
        let client = BackendClient::builder(&server.url).max_body_size(1_000).build().unwrap();
        let error = client.create_logs(entries(500)).with_options(options).await.failure();
        let text = error.to_string();
        let expected = "log entries 200 to 399 of 500, counted from 0: 400 are stored, these included: ";
        assert!(text.starts_with(expected) && text.contains(part), "{text}");
        assert_eq!((error.stored_log_entries(), server.count()), (Some(400), 2), "{part}");
    }
    // The page of a proxy doesn't show that the backend has stored them.
    let page = response(200, "Content-Type: text/html\r\n", "<html></html>");
    let server = Server::of([stored(), Act::Keep(page)]).await;
    let error = client(&server).create_logs(entries(500)).await.failure();
    assert_eq!((error.stored_log_entries(), error.is_unknown_outcome()), (Some(200), true), "{error}");
}

#[tokio::test]
async fn timeout_covers_all_entries() {
    let server = Server::of([stored(), Act::Hold(Vec::new())]).await;
    let call = client(&server).create_logs(entries(500)).header("x-run", "9").timeout(Duration::from_secs(1));
    let error = soon(call.send()).await.failure();
    assert!(error.is_timeout() && error.is_unknown_outcome(), "{error}");
    assert_eq!((error.stored_log_entries(), server.count()), (Some(200), 2));
    assert!(server.seen().iter().all(|seen| seen.header("x-run") == Some("9")));
}

#[tokio::test]
async fn file_removed_meanwhile_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("loss.png");
    std::fs::write(&path, "x").unwrap();
    let removed = path.clone();
    let server = Server::with(move |_| {
        std::fs::remove_file(&removed).unwrap();
        stored()
    })
    .await;
    let all = [entry(0).into(), LogEntry::from(entry(1)).file(&path)];
    let error = soon(client(&server).create_logs(all)).await.failure();
    assert_eq!((error.is_io(), error.stored_log_entries(), server.count()), (true, Some(1), 1));
}

// ---- list_job_console_logs

/// Returns text, time and level of each line of a response.
async fn lines_of(body: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let (server, client) = serving("GET", "/jobs/7/console_logs/", json(200, body)).await;
    let lines = client.list_job_console_logs(7).await.unwrap();
    assert_only_get(&server, "/jobs/7/console_logs/").await;
    let time = |line: &ConsoleLine| line.timestamp.as_ref().map(|time| time.as_str().to_owned());
    lines.iter().map(|line| (line.text.clone(), time(line), line.level.clone())).collect()
}

#[tokio::test]
async fn console_logs_in_every_shape() {
    let line = |text: &str, time: Option<&str>, level: Option<&str>| {
        (text.to_owned(), time.map(str::to_owned), level.map(str::to_owned))
    };
    let array =
        r#"["a", {"log": "b\n", "time": "t"}, {"message": "c", "level": "INFO", "datetime": "2025"}]"#;
    let expected =
        [line("a", None, None), line("b\n", Some("t"), None), line("c", Some("2025"), Some("INFO"))];
    for body in [
        array.to_owned(),
        format!(r#"{{"results": {array}}}"#),
        format!(r#"{{"count": 3, "logs": {array}, "next": null}}"#),
    ] {
        assert_eq!(lines_of(&body).await, expected, "{body}");
    }
    let objects = r#"[{"timestamp": 1.5, "level": null, "message": "a"}, {"message": null, "log": "b"}]"#;
    assert_eq!(lines_of(objects).await, [line("a", Some("1.5"), None), line("b", None, None)]);
    // Other elements keep their text.
    let others = r#"[{"text":  "x"}, 7, null, ["y"], {"message": {"a": 1}}]"#;
    let texts: Vec<_> = lines_of(others).await.into_iter().map(|(text, _, _)| text).collect();
    assert_eq!(texts, [r#"{"text":  "x"}"#, "7", "null", r#"["y"]"#, r#"{"a": 1}"#]);
    for none in ["[]", r#"{"results": []}"#, r#"{"logs": null}"#, "null", "", r#"{"results": ""}"#] {
        assert_eq!(lines_of(none).await, [], "{none}");
    }
}

#[tokio::test]
async fn text_of_console_logs_is_split() {
    for body in [r#"{"results": "a\nb\r\n\n c\n"}"#, r#"{"logs": "a\nb\n\n c"}"#, r#""a\nb\n\n c""#] {
        let texts: Vec<_> = lines_of(body).await.into_iter().map(|(text, _, _)| text).collect();
        assert_eq!(texts, ["a", "b", "", " c"], "{body}");
    }
    let raw = r#"{"results": "a\nb"}"#;
    let (_server, client) = serving("GET", "/jobs/7/console_logs/", json(200, raw)).await;
    assert_eq!(client.list_job_console_logs(7).await.unwrap()[1].raw.text(), r#""b""#);
    let (_server, client) = serving("GET", "/jobs/7/console_logs/", ResponseTemplate::new(204)).await;
    assert_eq!(client.list_job_console_logs(7).await.unwrap(), []);
}

#[tokio::test]
async fn console_logs_are_not_doubled() {
    for body in [
        r#"{"results": ["a"], "logs": ["a"]}"#,
        r#"{"logs": ["a"], "results": ["a"]}"#,
        r#"{"results": null, "logs": ["a"]}"#,
        r#"{"logs": "a", "results": null}"#,
    ] {
        assert_eq!(lines_of(body).await.len(), 1, "{body}");
    }
}

#[tokio::test]
async fn pages_of_console_logs_are_followed() {
    for items in ["results", "logs"] {
        let server = Server::with(move |which| {
            let (line, next) = match which.line {
                "GET /jobs/a%20b/console_logs/?tail=9" => (r#""a""#, r#""?tail=9&page=2""#),
                "GET /jobs/a%20b/console_logs/?tail=9&page=2" => (r#"{"log": "b"}"#, "null"),
                other => panic!("{other}"),
            };
            Act::Keep(tcp_server::json(200, format!(r#"{{"{items}": [{line}], "next": {next}}}"#)))
        })
        .await;
        let options = CallOptions::new().param("tail", 9).header("x-run", "9");
        let call = client(&server).list_job_console_logs("a b").with_options(options);
        let texts: Vec<_> = soon(call.send()).await.unwrap().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["a", "b"], "{items}");
        assert!(server.seen().iter().all(|seen| seen.header("x-run") == Some("9")));
    }
    // The lines of a later page can't be read: those before aren't all.
    let server = Server::with(|which| match which.number {
        0 | 1 => Act::Keep(tcp_server::json(200, r#"{"results": ["a"], "next": "?page=2"}"#)),
        _ => Act::Keep(tcp_server::json(404, r#"{"detail": "Invalid page."}"#)),
    })
    .await;
    let error = soon(client(&server).list_job_console_logs(7).send()).await.failure();
    assert!(error.is_not_found(), "{error}");
    let text = r#"{"results": "a\nb", "next": "?page=2"}"#;
    let (_server, client) = serving("GET", "/jobs/7/console_logs/", json(200, text)).await;
    assert!(client.list_job_console_logs(7).await.failure().is_decode());
}

#[tokio::test]
async fn console_logs_keep_the_raw_line() {
    let body = r#"[{"message": "a", "pod": "worker-1"}]"#;
    let (_server, client) = serving("GET", "/jobs/x-1/console_logs/", json(200, body)).await;
    let options = CallOptions::new().header("x-run", "9");
    let lines = client.list_job_console_logs("x-1").with_options(options).await.unwrap();
    assert_eq!(lines[0].raw.text(), r#"{"message": "a", "pod": "worker-1"}"#);
}

#[tokio::test]
async fn missing_console_logs_are_not_found() {
    let not_found = json(404, r#"{"detail": "Not found."}"#);
    let (_server, client) = serving("GET", "/jobs/7/console_logs/", not_found).await;
    let error = client.list_job_console_logs(7).await.failure();
    assert!(error.is_not_found() && error.operation() == Some("list_job_console_logs"), "{error:?}");
    for other in ["{}", r#"{"results": {}}"#, r#"{"results": 7, "logs": []}"#, "7"] {
        let (_server, client) = serving("GET", "/jobs/7/console_logs/", json(200, other)).await;
        assert!(client.list_job_console_logs(7).await.failure().is_decode(), "{other}");
    }
}
