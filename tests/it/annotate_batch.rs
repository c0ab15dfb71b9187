//! A batch of annotations: what is sent, what is sent again, and one result for each task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::marker::Failure as _;
use crate::support::soon::soon;
use crate::support::tcp_server::{Act, Server, html, json, response};
use serde_json::Value;
use synapse_backend_client::reqwest::StatusCode;
use synapse_backend_client::types::{self, AnnotateTaskData};
use synapse_backend_client::{BackendClient, CallOptions, RetryPolicy, json as json_value};

fn client(server: &Server) -> BackendClient {
    let quick = RetryPolicy::new()
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1))
        .retry_budget(u32::MAX);
    BackendClient::builder(&server.url).retry(quick).build().unwrap()
}

fn annotation(task: i64) -> types::builder::AnnotateTaskData {
    AnnotateTaskData::builder().data(json_value!({"label": task}))
}

fn items(tasks: std::ops::Range<i64>) -> Vec<(i64, types::builder::AnnotateTaskData)> {
    tasks.map(|task| (task, annotation(task))).collect()
}

/// Returns the task of a request line.
fn task_of(line: &str) -> i64 {
    line.strip_prefix("PUT /tasks/").and_then(|rest| rest.split('/').next()).unwrap().parse().unwrap()
}

/// Returns the reaction to a task's first and later attempts: one kind of fault for each remainder by eight.
fn faulty(task: i64, attempt: usize) -> Act {
    let annotated = json(200, format!(r#"{{"id":{task}}}"#));
    match (task % 8, attempt) {
        (1, 0) => Act::Close(Vec::new()),
        (2, 0) => Act::Keep(response(429, "Retry-After: 0\r\n", "")),
        (3, 0) => Act::Keep(json(503, r#"{"detail":"overloaded"}"#)),
        (4, _) => Act::Keep(json(400, r#"{"data":["invalid"]}"#)),
        (5, _) => Act::Keep(html(500)),
        (6, 0) => Act::Keep(html(520)),
        (7, 0) => Act::Close(annotated[..annotated.len() - 3].to_vec()),
        (7, _) => Act::Keep(b"HTTP/1.1 204 X\r\n\r\n".to_vec()),
        _ => Act::Keep(annotated),
    }
}

#[tokio::test]
async fn only_lost_annotations_are_resent() {
    let attempts = Mutex::new(BTreeMap::<i64, usize>::new());
    let server = Server::with(move |which| {
        let task = task_of(which.line);
        let mut attempts = attempts.lock().unwrap();
        let attempt = attempts.entry(task).or_default();
        *attempt += 1;
        faulty(task, *attempt - 1)
    })
    .await;
    let batch = client(&server).annotate_task_data_batch(items(0..1_000)).schema("any").concurrency(64);
    let results = soon(batch).await.unwrap();
    assert!(results.iter().map(|(task, _)| *task).eq(0..1_000));
    for (task, result) in results {
        match task % 8 {
            4 => assert!(result.failure().is_bad_request(), "{task}"),
            5 => assert_eq!(result.failure().status(), Some(StatusCode::INTERNAL_SERVER_ERROR), "{task}"),
            7 => assert_eq!(result.unwrap(), None, "{task}"),
            _ => assert_eq!(result.unwrap().unwrap()["id"], task),
        }
    }
    let mut sent = BTreeMap::<i64, usize>::new();
    for seen in server.seen() {
        let task = task_of(&seen.line);
        assert_eq!(seen.line, format!("PUT /tasks/{task}/annotate_task_data/?schema=any"));
        assert_eq!(seen.body, format!(r#"{{"data":{{"label":{task}}}}}"#).as_bytes());
        *sent.entry(task).or_default() += 1;
    }
    assert_eq!(sent.len(), 1_000);
    for (task, attempts) in sent {
        let expected = if matches!(task % 8, 0 | 4 | 5) { 1 } else { 2 };
        assert_eq!(attempts, expected, "task {task}");
    }
}

#[tokio::test]
async fn invalid_items_are_reported_together() {
    let server = Server::of([Act::Keep(json(200, "{}"))]).await;
    let items = || {
        let missing = AnnotateTaskData::builder();
        let infinite = AnnotateTaskData::builder().data(json_value!({"x": f64::NAN}));
        [(7, annotation(7)), (8, missing), (9, infinite), (7, annotation(7))]
    };
    let batch = || {
        let zero = CallOptions::new().timeout(Duration::ZERO);
        client(&server).annotate_task_data_batch(items()).concurrency(0).with_options(zero)
    };
    let error = batch().await.failure();
    assert!(error.is_invalid_input());
    assert_eq!(
        error.to_string(),
        "annotate_task_data_batch: timeout: it is zero; concurrency: it is zero: give 1 to 64; item 1 (task 8): `data` \
         is missing: it is required; item 2 (task 9): data: x: NaN is not a JSON number; item 3: task 7 comes twice, \
         also as item 0"
    );
    let mut stream = batch().stream();
    for index in 0..4 {
        let (failed, result) = soon(stream.next()).await.unwrap();
        assert_eq!((failed, result.failure().to_string()), (index, error.to_string()));
    }
    assert!(soon(stream.next()).await.is_none());
    let none = std::iter::repeat_with(AnnotateTaskData::builder).take(300);
    let many = client(&server).annotate_task_data_batch((0..).zip(none)).await.failure().to_string();
    let (first, more) = many.rsplit_once("; and ").unwrap();
    let (shown, more): (usize, usize) =
        (first.matches("is missing").count(), more.strip_suffix(" more").unwrap().parse().unwrap());
    assert!(shown > 40 && shown + more == 300, "{many}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn options_and_values_reach_each_request() {
    let server = Server::of([Act::Keep(response(200, "", ""))]).await;
    let value = AnnotateTaskData::try_from(annotation(3).action("save")).unwrap();
    let options = CallOptions::new().header("x-run", "9").param("lang", "ko");
    let batch = client(&server).annotate_task_data_batch([(3, value)]).with_options(options);
    assert!(format!("{batch:?}").starts_with("AnnotateTaskDataBatch { items: 1, "), "{batch:?}");
    let results = batch.await.unwrap();
    assert!(matches!(results.as_slice(), [(3, Ok(None))]), "{results:?}");
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "PUT /tasks/3/annotate_task_data/?lang=ko");
    assert_eq!(seen.header("x-run"), Some("9"));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({"action": "save", "data": {"label": 3}}));
    let none: [(i64, AnnotateTaskData); 0] = [];
    assert!(client(&server).annotate_task_data_batch(none).await.unwrap().is_empty());
}

#[tokio::test]
async fn timeout_covers_the_whole_batch() {
    let server = Server::with(|which| match task_of(which.line) {
        0 => Act::Keep(json(200, "{}")),
        _ => Act::Hold(Vec::new()),
    })
    .await;
    let batch = client(&server).annotate_task_data_batch(items(0..40)).concurrency(1).header("x-run", "9");
    // Forty times as long as one request may take.
    let results = soon(batch.timeout(Duration::from_secs(1)).send()).await.unwrap();
    assert!(results[0].1.is_ok());
    assert!(results.into_iter().skip(1).all(|(_, result)| result.failure().is_timeout()));
    assert!(server.seen().iter().all(|seen| seen.header("x-run") == Some("9")));
}

#[tokio::test]
async fn progress_counts_each_task_once() {
    let server = Server::with(|which| match task_of(which.line) {
        1 => Act::Keep(json(404, r#"{"detail":"Not found."}"#)),
        _ => Act::Keep(json(200, "{}")),
    })
    .await;
    let reports = Arc::new(Mutex::new(Vec::new()));
    let report = reports.clone();
    let batch = client(&server).annotate_task_data_batch(items(0..4)).on_progress(move |now| {
        report.lock().unwrap().push((now.tasks, now.tasks_complete, now.tasks_failed))
    });
    let mut seen = Vec::new();
    let mut stream = batch.stream();
    while let Some((index, result)) = soon(stream.next()).await {
        assert_eq!(result.is_err_and(|error| error.is_not_found()), index == 1);
        seen.push(index);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3]);
    let reports = reports.lock().unwrap();
    assert!(reports.iter().enumerate().all(|(at, (_, complete, failed))| complete + failed == at + 1));
    assert_eq!(reports.last(), Some(&(4, 3, 1)));
}

#[tokio::test]
async fn dropped_batch_stops_its_requests() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let client = client(&server);
    let batch = client.annotate_task_data_batch(items(0..30)).send();
    tokio::select! {
        results = batch => panic!("{results:?}"),
        () = server.wait_for_requests(10) => {}
    }
    server.wait_for_hang_ups(10).await;
    assert_eq!((server.count(), server.connections()), (10, 10));
}
