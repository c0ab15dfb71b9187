//! Reports, spans and events of attempts. None of them shows a secret.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::server::{Act, Server, html, json, redirect};
use super::*;
use crate::ErrorKind;
use crate::marker::{Fields, Guard};

/// An attempt, as reported.
#[derive(Debug, PartialEq)]
struct Report {
    operation: String,
    method: Method,
    attempt: u32,
    status: Option<u16>,
    error: Option<ErrorKind>,
    bytes_received: u64,
    retry_in: Option<u64>,
}

type Reports = Arc<Mutex<Vec<Report>>>;

fn reporting(url: &str) -> (BackendClient, Reports) {
    let reports = Reports::default();
    let kept = reports.clone();
    let (builder, _) = builder(url);
    let builder = builder.read_timeout(Duration::from_millis(400)).on_attempt(move |attempt| {
        kept.lock().unwrap().push(Report {
            operation: attempt.operation.to_owned(),
            method: attempt.method.clone(),
            attempt: attempt.attempt,
            status: attempt.status.map(|status| status.as_u16()),
            error: attempt.error,
            bytes_received: attempt.bytes_received,
            retry_in: attempt.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap()),
        });
    });
    (builder.build().unwrap(), reports)
}

fn taken(reports: &Reports) -> Vec<Report> {
    std::mem::take(&mut *reports.lock().unwrap())
}

fn get(
    attempt: u32,
    status: Option<u16>,
    error: Option<ErrorKind>,
    bytes_received: usize,
    retry_in: Option<u64>,
) -> Report {
    let (operation, bytes_received) = ("get_model".to_owned(), bytes_received as u64);
    Report { operation, method: Method::GET, attempt, status, error, bytes_received, retry_in }
}

#[tokio::test]
async fn every_attempt_is_reported() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id".to_vec();
    let server = Server::of([
        Act::Keep(json(503, r#"{"detail": "x"}"#)),
        Act::Close(half),
        Act::Keep(json(200, MODEL)),
        Act::Hold(Vec::new()),
        Act::Close(Vec::new()),
        Act::Keep(json(200, r#"{"id": "#)),
        Act::Keep(json(404, "{}")),
        Act::Keep(json(200, "[]")),
    ])
    .await;
    let (client, reports) = reporting(&server.url);
    client.get_model(1).await.unwrap();
    assert_eq!(
        taken(&reports),
        [
            get(1, Some(503), Some(ErrorKind::Status), 15, Some(125)),
            get(2, Some(200), Some(ErrorKind::ConnectionLost), 4, Some(250)),
            get(3, Some(200), None, MODEL.len(), None),
        ]
    );
    client.get_model(1).await.failure();
    assert_eq!(
        taken(&reports),
        [
            get(1, None, Some(ErrorKind::Timeout), 0, Some(125)),
            get(2, None, Some(ErrorKind::ConnectionLost), 0, Some(250)),
            get(3, Some(200), Some(ErrorKind::Decode), 7, None),
        ]
    );
    client.get_model(1).await.failure();
    client.get_model(1).await.failure();
    assert_eq!(
        taken(&reports),
        [
            get(1, Some(404), Some(ErrorKind::Status), 2, None),
            get(1, Some(200), Some(ErrorKind::Decode), 2, None)
        ]
    );
}

#[tokio::test]
async fn reports_name_their_operation() {
    let server = Server::of([Act::Close(Vec::new())]).await;
    let (client, reports) = reporting(&server.url);
    create(&client).await.failure();
    client.request(Method::PATCH, "/models/1/").await.failure();
    let reported: Vec<_> =
        taken(&reports).into_iter().map(|report| (report.operation, report.method, report.error)).collect();
    let unknown = Some(ErrorKind::UnknownOutcome);
    assert_eq!(
        reported,
        [("create_model".to_owned(), Method::POST, unknown), ("request".to_owned(), Method::PATCH, unknown)]
    );
}

#[tokio::test]
async fn refused_connection_is_reported() {
    let (_port, url) = refusing();
    let (client, reports) = reporting(&url);
    client.get_model(1).max_retries(0).await.failure();
    client.request(Method::GET, "/../").await.failure();
    assert_eq!(taken(&reports), [get(1, None, Some(ErrorKind::Connect), 0, None)]);
}

#[tokio::test]
async fn each_page_of_a_list_is_reported() {
    let page = |next: &str| json(200, format!(r#"{{"count": 2, "next": {next}, "results": [{MODEL}]}}"#));
    let server = Server::of([Act::Keep(page(r#""/models/?page=2""#)), Act::Keep(page("null"))]).await;
    let (client, reports) = reporting(&server.url);
    // Each page has the same model.
    client.list_models().list_all().identity([]).try_collect::<Vec<_>>().await.unwrap();
    let reported: Vec<_> =
        taken(&reports).into_iter().map(|report| (report.operation, report.status)).collect();
    assert_eq!(reported, [("list_models".to_owned(), Some(200)), ("list_models".to_owned(), Some(200))]);
}

// ---- spans and events

/// Collects everything that this crate emits on this thread: each event with the spans around it. The guard
/// checks it too.
struct Collector {
    guard: Guard,
    spans: Mutex<Vec<String>>,
    entered: Mutex<Vec<u64>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.guard.enabled(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut text));
        // Both under one lock, so that the guard's id of a span is its index.
        let mut spans = self.spans.lock().unwrap();
        spans.push(text);
        self.guard.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.guard.record(span, values);
        values.record(&mut Fields(&mut self.spans.lock().unwrap()[span.into_u64() as usize - 1]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.guard.event(event);
        if !event.metadata().target().starts_with("synapse_backend_client") {
            return;
        }
        let spans = self.spans.lock().unwrap();
        let mut text = String::new();
        for id in &*self.entered.lock().unwrap() {
            write!(text, "[{}] ", spans[*id as usize - 1]).unwrap();
        }
        write!(text, "{}", event.metadata().level()).unwrap();
        event.record(&mut Fields(&mut text));
        self.lines.lock().unwrap().push(text);
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.entered.lock().unwrap().pop();
    }
}

/// Starts collecting what this thread emits.
fn collecting() -> (tracing::subscriber::DefaultGuard, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let (guard, kept) = (Guard::ending_the_process(), lines.clone());
    let collector = Collector { guard, spans: Mutex::default(), entered: Mutex::default(), lines: kept };
    (tracing::subscriber::set_default(collector), lines)
}

#[tokio::test]
async fn trace_identifies_each_attempt() {
    let server =
        Server::of([Act::Keep(html(502)), Act::Close(Vec::new()), Act::Keep(json(200, MODEL))]).await;
    let (client, _) = client(&server.url);
    let (_guard, lines) = collecting();
    client.get_model(1).param("page", 7).await.unwrap();
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (index, (line, status)) in lines.iter().zip([Some(502), None, Some(200)]).enumerate() {
        let parts = [
            r#"operation="get_model""#,
            r#"method="GET""#,
            r#"path="/models/1/""#,
            &format!("attempt={}", index + 1),
        ];
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        assert!(status.is_none_or(|status| line.contains(&format!("status={status}"))), "{line}");
        assert_eq!(line.contains("status="), status.is_some(), "{line}");
        assert_eq!((line.contains("error="), line.contains("retry_in=")), (index < 2, index < 2), "{line}");
    }
}

#[tokio::test]
async fn traces_show_no_secret() {
    let signed = format!("https://files.example.com/x?X-Amz-Signature={MARKER}");
    let detail =
        format!(r#"{{"detail": "Token {MARKER}-access and key {MARKER}-gate are wrong, see {signed}"}}"#);
    let next = format!("/models/?cursor={MARKER}");
    let acts = [
        Act::Keep(json(503, &detail)),
        Act::Keep(html(502)),
        Act::Keep(json(401, &detail)),
        Act::Keep(json(400, &detail)),
        Act::Keep(redirect(302, &format!("/moved/?sig={MARKER}"))),
        Act::Close(Vec::new()),
        Act::Keep(redirect(302, &format!("ftp://user:{MARKER}@h/?sig={MARKER}"))),
        Act::Keep(json(200, format!(r#"{{"id": "{signed}"}}"#))),
        Act::Keep(json(200, format!(r#"{{"id": 1, "file": "{signed}", "#))),
        Act::Hold(Vec::new()),
        Act::Keep(json(
            200,
            format!(r#"{{"next": "{next}", "results": [{{"id": 1, "name": "n", "model_type": "x"}}]}}"#),
        )),
        Act::Keep(json(
            200,
            format!(r#"{{"next": "https://other/{MARKER}/?sig={MARKER}", "results": []}}"#)
                .replace(&format!("/{MARKER}/"), "/x/"),
        )),
    ];
    let count = acts.len();
    let server = Server::with(move |which| acts[which.number % acts.len()].clone()).await;
    let (builder, _) = builder(&server.url);
    let client = builder
        .access_token(secret("access"))
        .legacy_token(secret("legacy"))
        .agent_token(secret("agent"))
        .tenant(secret("tenant"))
        .sensitive_header("X-Gate", secret("gate"))
        .read_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let (_guard, lines) = collecting();
    while server.count() < 3 * count {
        let _ = client.get_model(1).param("sig", MARKER).header("X-Own", MARKER).await;
        let _ = create(&client).await;
        let _ = client.request(Method::DELETE, "/models/1/").param("sig", MARKER).await;
        let _ = client.request(Method::POST, "/x/").params(|p| p.json(&json_value!({"token": MARKER}))).await;
        let _ = client.list_models().param("token", MARKER).list_all().try_collect::<Vec<_>>().await;
    }
    let (_port, url) = refusing();
    let refused = BackendClient::builder(url)
        .access_token(MARKER)
        .sensitive_header("X-Gate", MARKER)
        .retry(RetryPolicy::never());
    refused.build().unwrap().get_model(1).param("sig", MARKER).await.failure();
    // The guard has checked each line.
    let lines = lines.lock().unwrap().clone();
    assert!(lines.len() > 2 * count, "{lines:#?}");
}

#[tokio::test]
async fn exhausted_budget_is_logged() {
    let server = Server::of([Act::Keep(html(503))]).await;
    let (client, clock) = client(&server.url);
    clock.set_random(0.0);
    client.get_model(1).max_retries(100).await.failure();
    let (_guard, lines) = collecting();
    client.get_model(1).await.failure();
    let lines = lines.lock().unwrap().clone();
    assert!(
        lines.iter().any(|line| line.contains("WARN") && line.contains(r#"operation="get_model""#)),
        "{lines:#?}"
    );
}
