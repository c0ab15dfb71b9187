//! The number of retries, the waits, and the retry budget.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use super::server::{Act, Server, html, json, response};
use super::*;
use crate::ErrorKind;

async fn unavailable() -> Server {
    Server::of([Act::Keep(html(503))]).await
}

#[tokio::test]
async fn request_retried_up_to_max() {
    for (retries, waits) in [
        (0, &[][..]),
        (1, &[125]),
        (2, &[125, 250]),
        (8, &[125, 250, 500, 1_000, 2_000, 4_000, 7_500, 7_500]),
    ] {
        let server = unavailable().await;
        let (client, clock) = client(&server.url);
        let error = client.get_model(1).max_retries(retries).await.failure();
        assert_eq!((server.count(), error.attempts()), (retries as usize + 1, retries + 1));
        assert_eq!(clock.waits(), waits);
        assert_eq!((error.kind(), status_of(&error)), (ErrorKind::Status, Some(503)));
    }
}

#[tokio::test]
async fn default_policy_makes_five_retries() {
    let server = unavailable().await;
    let clock = TestClock::new();
    let client = BackendClient::builder(&server.url).clock(clock.clone()).build().unwrap();
    let error = client.get_model(1).await.failure();
    assert_eq!((server.count(), error.attempts(), clock.waits()), (6, 6, vec![125, 250, 500, 1_000, 2_000]));

    let server = unavailable().await;
    let (builder, clock) = builder(&server.url);
    let client = builder.retry(RetryPolicy::never()).build().unwrap();
    assert_eq!(client.get_model(1).await.failure().attempts(), 1);
    let policy = RetryPolicy::new()
        .max_retries(3)
        .initial_backoff(Duration::from_secs(2))
        .max_backoff(Duration::from_secs(3));
    assert_eq!(client.get_model(1).retry(policy.clone()).await.failure().attempts(), 4);
    assert_eq!(clock.waits(), [1_000, 1_500, 1_500]);
    // The order of the two setters makes no difference.
    assert_eq!(client.get_model(1).max_retries(1).retry(policy.clone()).await.failure().attempts(), 2);
    assert_eq!(client.get_model(1).retry(policy).max_retries(1).await.failure().attempts(), 2);
}

#[tokio::test]
async fn backoff_is_jittered_retry_after_is_not() {
    let server = unavailable().await;
    let (client, clock) = client(&server.url);
    clock.set_random(0.0);
    client.get_model(1).await.failure();
    clock.set_random(0.999);
    client.get_model(1).await.failure();
    assert_eq!(clock.waits(), [0, 0, 249, 499]);
    let asking = Server::of([Act::Keep(response(503, "Retry-After: 0.3\r\n", ""))]).await;
    let (client, clock) = super::client(&asking.url);
    clock.set_random(0.0);
    client.get_model(1).await.failure();
    clock.set_random(0.999);
    client.get_model(1).await.failure();
    assert_eq!(clock.waits(), [300, 300, 300, 499]);
}

#[tokio::test]
async fn max_retry_after_can_be_set() {
    let server = Server::of([Act::Keep(response(429, "Retry-After: 99999\r\n", ""))]).await;
    let (client, clock) = client(&server.url);
    let policy = RetryPolicy::new().max_retries(1).max_retry_after(Duration::from_secs(7));
    client.get_model(1).retry(policy).await.failure();
    assert_eq!(clock.waits(), [7_000]);
}

/// The test's clock says 08:49:37.
#[tokio::test]
async fn retry_date_allows_for_clock_skew() {
    for (date, asked, wait) in [
        ("Date: Sun, 06 Nov 1994 02:49:37 GMT\r\n", "Sun, 06 Nov 1994 02:49:41 GMT", 4_000),
        ("Date: Sun, 06 Nov 1994 16:49:37 GMT\r\n", "Sun, 06 Nov 1994 16:49:41 GMT", 4_000),
        ("Date: Sun, 06 Nov 1994 02:49:37 GMT\r\n", "Sun, 06 Nov 1994 08:49:41 GMT", 60_000),
        ("Date: Sun, 06 Nov 1994 16:49:37 GMT\r\n", "Sun, 06 Nov 1994 08:49:41 GMT", 0),
        ("", "Sun, 06 Nov 1994 08:49:41 GMT", 4_000),
        ("Date: now\r\n", "Sun, 06 Nov 1994 08:49:41 GMT", 4_000),
    ] {
        for status in [429, 503] {
            let server =
                Server::of([Act::Keep(response(status, &format!("{date}Retry-After: {asked}\r\n"), ""))])
                    .await;
            let (client, clock) = client(&server.url);
            clock.set_random(0.0);
            client.get_model(1).max_retries(1).await.failure();
            assert_eq!(clock.waits(), [wait], "{date}{asked}");
        }
    }
}

#[tokio::test]
async fn no_attempt_begins_after_max_elapsed() {
    for (elapsed, waits) in
        [(875, &[125, 250, 500][..]), (874, &[125, 250]), (1_000, &[125, 250, 500]), (124, &[]), (0, &[])]
    {
        let server = unavailable().await;
        let (client, clock) = client(&server.url);
        let policy = RetryPolicy::new().max_elapsed(Duration::from_millis(elapsed));
        let error = client.get_model(1).retry(policy).await.failure();
        assert_eq!((clock.waits(), server.count()), (waits.to_vec(), waits.len() + 1), "{elapsed}");
        assert_eq!((error.attempts() as usize, status_of(&error)), (waits.len() + 1, Some(503)));
    }
    // The wait that the server asks for counts as well.
    let server = Server::of([Act::Keep(response(503, "Retry-After: 50\r\n", ""))]).await;
    let (client, clock) = client(&server.url);
    client.get_model(1).max_retries(9).await.failure();
    assert_eq!((clock.waits(), server.count()), (vec![50_000; 3], 4));
}

#[tokio::test]
async fn no_wait_beyond_total_timeout() {
    let server = Server::of([Act::Keep(response(503, "Retry-After: 50\r\n", ""))]).await;
    let (client, clock) = client(&server.url);
    let error = client.get_model(1).timeout(Duration::from_secs(45)).await.failure();
    assert_eq!(
        (error.kind(), status_of(&error), error.attempts()),
        (ErrorKind::Status, Some(503), 1),
        "{error:?}"
    );
    assert_eq!((server.count(), clock.waits().len()), (1, 0));
    client.get_model(1).max_retries(1).timeout(Duration::from_secs(3_600)).await.failure();
    assert_eq!((server.count(), clock.waits()), (3, vec![50_000]));
}

#[tokio::test]
async fn total_timeout_stops_retries() {
    for act in [Act::Hold(Vec::new()), Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]
    {
        for op in [Op::Get, Op::Delete, Op::Create] {
            let server = Server::of([act.clone()]).await;
            let (builder, clock) = builder(&server.url);
            clock.set_random(0.0);
            let client = builder.timeout(Duration::from_millis(400)).build().unwrap();
            let error = op.send(&client).await.failure();
            let kind = if op == Op::Create { ErrorKind::UnknownOutcome } else { ErrorKind::Timeout };
            assert_eq!(
                (error.kind(), error.is_timeout(), error.attempts()),
                (kind, true, 1),
                "{op:?}: {error:?}"
            );
            assert!(error.to_string().contains("time-out for the whole request"), "{error}");
            server.wait_for_requests(1).await;
            assert_eq!((server.count(), clock.waits().len()), (1, 0));
        }
    }
}

/// Each byte arrives in time, but the whole response doesn't.
#[tokio::test]
async fn total_timeout_ends_slow_response() {
    let server = Server::of([Act::Drip(vec![b'H'; 100_000], Duration::from_millis(10))]).await;
    let (client, _) = client(&server.url);
    let error = client.get_model(1).timeout(Duration::from_millis(300)).await.failure();
    assert!(error.is_timeout(), "{error:?}");
    let head = response(200, "", vec![b' '; 100_000]);
    let server = Server::of([Act::Drip(head, Duration::from_millis(2))]).await;
    let error = super::client(&server.url).0.get_model(1).timeout(Duration::from_millis(500)).await.failure();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn idempotent_unknown_outcome_is_retried() {
    let body = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"id\": 1, ".to_vec();
    let timed_out = Act::Hold(Vec::new());
    for act in [
        Act::Close(Vec::new()),
        Act::Close(body),
        timed_out,
        Act::Keep(html(502)),
        Act::Keep(html(503)),
        Act::Keep(html(524)),
    ] {
        let server = Server::of([act, Act::Keep(json(201, MODEL))]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.read_timeout(Duration::from_millis(400)).build().unwrap();
        let call = client
            .create_model(ModelFile::uploaded("a-uuid"), |m| m.name("n").model_type("detection").project(1));
        call.idempotent(true).await.unwrap();
        assert_eq!((server.lines(), clock.waits()), (vec!["POST /models/".to_owned(); 2], vec![125]));
        let bodies: Vec<_> =
            server.seen().into_iter().map(|seen| String::from_utf8(seen.body).unwrap()).collect();
        assert_eq!(bodies, [Op::Create.body(); 2]);
    }
    // A request with a known outcome isn't retried because of it.
    let server = Server::of([Act::Keep(json(400, "{}"))]).await;
    let (client, _) = client(&server.url);
    client.request(Method::POST, "/tasks/").idempotent(true).await.failure();
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn shared_budget_stops_retries() {
    let server = Server::with(|which| match which.line {
        "GET /models/1/" => Act::Keep(json(200, MODEL)),
        _ => Act::Keep(html(503)),
    })
    .await;
    let (client, clock) = client(&server.url);
    clock.set_random(0.0);
    let clone = client.clone();
    let attempts = |client: &BackendClient, retries: u32| {
        let call = client.get_model(2).max_retries(retries).send();
        async move { call.await.failure().attempts() }
    };
    assert_eq!(attempts(&client, 60).await, 61);
    assert_eq!(attempts(&clone, 60).await, 41);
    assert_eq!(attempts(&client, 60).await, 1);
    assert_eq!(attempts(&clone, 60).await, 1);
    let before = server.count();
    client.get_model(1).await.unwrap();
    assert_eq!(attempts(&client, 60).await, 1);
    clone.get_model(1).await.unwrap();
    assert_eq!(attempts(&client, 60).await, 2);
    assert_eq!(attempts(&client, 60).await, 1);
    assert_eq!(server.count() - before, 1 + 1 + 1 + 2 + 1);
    // A call with its own policy is limited by the number in that policy.
    let policy = |budget: u32| RetryPolicy::new().max_retries(9).retry_budget(budget);
    assert_eq!(client.get_model(2).retry(policy(103)).await.failure().attempts(), 4);
    assert_eq!(client.get_model(2).retry(policy(u32::MAX)).await.failure().attempts(), 10);
    assert_eq!(attempts(&client, 60).await, 1);
    // Another client has its own budget.
    let (other, clock) = super::client(&server.url);
    clock.set_random(0.0);
    assert_eq!(attempts(&other, 60).await, 61);
}

#[tokio::test]
async fn exhausted_budget_is_named_in_error() {
    let responses = [html(503), json(429, r#"{"detail": "Slow down."}"#), Vec::new()];
    for (response, status, what) in responses
        .into_iter()
        .zip([Some(503), Some(429), None])
        .zip(["503", "Slow down", "broke"])
        .map(|((response, status), what)| (response, status, what))
    {
        let server = Server::of([Act::Close(response)]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.retry(RetryPolicy::new().max_retries(7).retry_budget(3)).build().unwrap();
        let error = client.get_model(1).await.failure();
        assert_eq!(
            (error.attempts(), server.count(), clock.waits().len(), status_of(&error)),
            (4, 4, 3, status),
            "{error:?}"
        );
        let text = error.to_string();
        let budget = "not retried, since too many requests of this client fail: its budget of 3 retries is used up \
                      (`RetryPolicy::retry_budget`) (after 4 attempts)";
        assert!(
            text.contains(what) && text.ends_with(budget) && text.matches("budget of 3").count() == 1,
            "{text}"
        );
        // An error that isn't retried anyway doesn't mention the budget.
        let error = client.get_model(1).max_retries(0).await.failure();
        assert!(!error.to_string().contains("budget"), "{error}");
    }
    let server = unavailable().await;
    let (builder, clock) = builder(&server.url);
    let client = builder.retry(RetryPolicy::new().retry_budget(0)).build().unwrap();
    assert_eq!((client.get_model(1).await.failure().attempts(), clock.waits().len()), (1, 0));
}

/// Every `failing`-th request gets a 502 the first time.
async fn trickle(failing: usize) {
    let failed = Mutex::new(HashSet::new());
    let server = Server::with(move |which| {
        let page: usize = which.line.rsplit('=').next().unwrap().parse().unwrap();
        match page.is_multiple_of(failing) && failed.lock().unwrap().insert(page) {
            true => Act::Keep(html(502)),
            false => Act::Keep(json(200, MODEL)),
        }
    })
    .await;
    let (client, clock) = client(&server.url);
    for page in 1..=3_000 {
        client
            .get_model(1)
            .param("page", page)
            .await
            .unwrap_or_else(|error| panic!("one in {failing}: {page}: {error}"));
    }
    assert_eq!((server.count(), clock.waits().len()), (3_000 + 3_000 / failing, 3_000 / failing));
}

#[tokio::test]
async fn one_failure_in_five_keeps_retrying() {
    trickle(5).await;
}

#[tokio::test]
async fn one_failure_in_four_keeps_retrying() {
    trickle(4).await;
}

#[tokio::test]
async fn retry_storm_ends_at_budget() {
    let server = unavailable().await;
    let (client, clock) = client(&server.url);
    clock.set_random(0.0);
    let calls = (0..1_000).map(|_| tokio::spawn(client.get_model(1).max_retries(5).send()));
    let errors = soon(futures_util::future::join_all(calls)).await;
    let errors: Vec<Error> = errors.into_iter().map(|outcome| outcome.unwrap().failure()).collect();
    assert_eq!((server.count(), clock.waits().len()), (1_100, 100));
    let stopped =
        errors.iter().filter(|error| error.to_string().contains("budget of 100 retries is used up")).count();
    assert!(stopped >= 980 && errors.iter().all(|error| status_of(error) == Some(503)), "{stopped}");
}

#[tokio::test]
async fn each_page_is_retried_by_itself() {
    let page = |next: &str| json(200, format!(r#"{{"count": 3, "next": {next}, "results": [{MODEL}]}}"#));
    let server = Server::with(move |which| match (which.number % 2, which.line) {
        (0, _) => Act::Keep(html(502)),
        (_, "GET /models/") => Act::Keep(page(r#""/models/?page=2""#)),
        (_, "GET /models/?page=2") => Act::Keep(page(r#""/models/?page=3""#)),
        _ => Act::Keep(page("null")),
    })
    .await;
    let (client, clock) = client(&server.url);
    // Each page has the same model.
    let list = client.list_models().list_all().identity([]);
    let models: Vec<crate::types::Model> = list.concurrency(1).try_collect().await.unwrap();
    assert_eq!((models.len(), server.count(), clock.waits()), (3, 6, vec![125; 3]));
}
