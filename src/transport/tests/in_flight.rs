//! The limit on requests in flight: what counts, what waits for a slot, and what frees one.

use std::pin::Pin;
use std::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use synapse_test_backend::Fault;
use tokio::sync::watch;

use super::server::{Act, Server, html, json};
use super::*;
use crate::runtime::clock::Clock;
use crate::{
    ConversionFuture, CredentialsFuture, CredentialsProvider, CredentialsReason, ErrorKind, UrlConverter,
};

/// Returns a client with this limit on requests in flight.
fn capped(url: &str, requests: usize) -> BackendClient {
    builder(url).0.max_concurrent_requests(requests).build().unwrap()
}

#[tokio::test]
async fn in_flight_requests_are_capped() {
    let backend = backend().models(20).start().await.unwrap();
    let client = capped(backend.url(), 3);
    let held = backend.inject(Fault::hold_before().always());
    let all = tokio::spawn({
        let (client, clone) = (client.clone(), client.clone());
        async move {
            join_all((0..20).map(|n| if n % 2 == 0 { &client } else { &clone }.get_model(456).send())).await
        }
    });
    held.wait_for_hits(3).await;
    held.release();
    assert!(all.await.unwrap().iter().all(Result::is_ok));
    assert_eq!((backend.requests().len(), backend.peak_in_flight()), (20, 3));
}

#[tokio::test]
async fn list_concurrency_above_cap_finishes() {
    let backend = backend().ground_truth_events(200).page_size(10).start().await.unwrap();
    for requests in [1, 2] {
        backend.reset_peak_in_flight();
        let client = capped(backend.url(), requests);
        let lists = (0..3)
            .map(|_| client.list_ground_truth_events().list_all().concurrency(8).try_collect::<Vec<_>>());
        for events in join_all(lists).await {
            assert_eq!(events.unwrap().len(), 200);
        }
        assert!(backend.peak_in_flight() <= requests as u64);
    }
}

#[tokio::test]
async fn idle_list_holds_no_slot() {
    let backend = backend().ground_truth_events(200).page_size(10).start().await.unwrap();
    let client = capped(backend.url(), 1);
    let mut lists: Vec<_> =
        (0..3).map(|_| client.list_ground_truth_events().list_all().concurrency(4).stream()).collect();
    for list in &mut lists {
        list.next().await.unwrap().unwrap();
    }
    client.get_model(456).await.unwrap();
    for list in lists {
        assert_eq!(list.try_collect::<Vec<_>>().await.unwrap().len(), 199);
    }
}

#[tokio::test]
async fn streamed_response_holds_no_slot() {
    let server = Server::with(|which| match which.line {
        "GET /models/2/" => Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec()),
        _ => Act::Keep(json(200, MODEL)),
    })
    .await;
    let client = capped(&server.url, 1);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let call = client.get_model(2);
        streams.push(call.fetch(|response| async { Ok(response.stream()) }).await.unwrap());
    }
    client.get_model(1).await.unwrap();
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn slot_is_held_until_body_is_read() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec();
    let not_found = b"HTTP/1.1 404 X\r\nContent-Length: 500\r\n\r\n{".to_vec();
    for held in [half, not_found] {
        let server = Server::of([Act::Hold(held), Act::Keep(json(200, MODEL))]).await;
        let client = capped(&server.url, 1);
        let first = tokio::spawn(client.get_model(1).send());
        server.wait_for_requests(1).await;
        let error = client.get_model(1).timeout(Duration::from_millis(200)).await.failure();
        assert!(error.to_string().contains("before it was sent"), "{error:?}");
        assert_eq!(server.count(), 1);
        first.abort();
        client.get_model(1).await.unwrap();
    }
}

struct Fetching(BackendClient);

impl UrlConverter for Fetching {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            let model = self.0.get_model(1).await?;
            Ok(format!("{url}/{}", model.name))
        })
    }
}

#[tokio::test]
async fn nested_conversion_call_gets_a_slot() {
    let model = r#"{"id": 2, "name": "m", "model_type": "x", "file": "/media/m.pt"}"#;
    let server = Server::with(move |which| {
        Act::Keep(json(200, if which.line == "GET /models/2/" { model } else { MODEL }))
    })
    .await;
    let client = capped(&server.url, 1);
    let converted = client.get_model(2).url_conversion_with("file", Fetching(client.clone())).await.unwrap();
    assert_eq!(converted.file.unwrap().as_str(), "/media/m.pt/n");
}

#[tokio::test]
async fn slot_wait_counts_in_total_timeout() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let client = capped(&server.url, 1);
    let first = tokio::spawn(client.get_model(1).send());
    server.wait_for_requests(1).await;
    for op in Op::ALL {
        let total = Duration::from_millis(50);
        let error = match op {
            Op::Create => {
                let call = client
                    .create_model(ModelFile::uploaded("a-uuid"), |m| m.name("n").model_type("x").project(1));
                call.timeout(total).await.failure()
            }
            _ => client.request(Method::POST, "/tasks/").timeout(total).await.failure(),
        };
        // It was never sent, so the outcome is known.
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true), "{error:?}");
        assert!(error.to_string().contains("before it was sent"), "{error}");
    }
    assert_eq!(server.count(), 1);
    first.abort();
}

#[tokio::test]
async fn dropped_request_frees_its_slot() {
    let server = Server::with(|which| match which.line {
        "GET /models/1/" => Act::Keep(json(200, MODEL)),
        "GET /models/2/" => Act::Hold(Vec::new()),
        _ => Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec()),
    })
    .await;
    let client = capped(&server.url, 1);
    for (dropped, id) in [2, 3].into_iter().enumerate() {
        tokio::select! {
            biased;
            outcome = client.get_model(id).send() => panic!("{outcome:?}"),
            () = server.wait_for_requests(2 * dropped + 1) => {}
        }
        server.wait_for_hang_ups(dropped + 1).await;
        client.get_model(1).await.unwrap();
    }
    // A request that waits for a slot is dropped as well.
    let holding = tokio::spawn(client.get_model(2).send());
    server.wait_for_requests(5).await;
    let mut waiting = client.get_model(1).send();
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(waiting);
    holding.abort();
    client.get_model(1).await.unwrap();
    assert_eq!(server.count(), 6);
}

/// A clock whose waits last until the test ends them.
struct Held {
    waiting: watch::Sender<usize>,
    over: watch::Sender<bool>,
}

impl Clock for Held {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn date(&self) -> SystemTime {
        UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let mut over = self.over.subscribe();
        Box::pin(async move { drop(over.wait_for(|over| *over).await) })
    }

    fn random(&self) -> f64 {
        0.5
    }
}

#[tokio::test]
async fn retry_wait_holds_no_slot() {
    let server = Server::with(|which| match (which.number, which.line) {
        (0, _) => Act::Keep(html(503)),
        _ => Act::Keep(json(200, MODEL)),
    })
    .await;
    let clock = Arc::new(Held { waiting: watch::Sender::new(0), over: watch::Sender::new(false) });
    let client = builder(&server.url).0.clock(clock.clone()).max_concurrent_requests(1).build().unwrap();
    let first = tokio::spawn(client.get_model(1).send());
    clock.waiting.subscribe().wait_for(|waiting| *waiting == 1).await.unwrap();
    client.get_model(2).await.unwrap();
    clock.over.send_replace(true);
    first.await.unwrap().unwrap();
    assert_eq!(server.lines(), ["GET /models/1/", "GET /models/2/", "GET /models/1/"]);
}

/// A provider that never returns.
struct Hanging;

impl CredentialsProvider for Hanging {
    fn credentials(&self, _reason: CredentialsReason) -> CredentialsFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn hanging_provider_hits_total_timeout() {
    let server = Server::of([Act::Keep(json(200, MODEL))]).await;
    let client =
        builder(&server.url).0.credentials_provider(Hanging).max_concurrent_requests(2).build().unwrap();
    let calls = (0..4).map(|n| {
        let method = if n % 2 == 0 { Method::GET } else { Method::POST };
        client.request(method, "/models/1/").timeout(Duration::from_millis(100)).send()
    });
    for outcome in join_all(calls).await {
        let error = outcome.failure();
        assert_eq!(
            (error.kind(), error.is_timeout(), error.attempts()),
            (ErrorKind::Timeout, true, 1),
            "{error:?}"
        );
    }
    assert_eq!(server.connections(), 0);
}

/// A provider that returns a token first, and hangs after the server refuses it.
struct HangingAfter401;

impl CredentialsProvider for HangingAfter401 {
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
        Box::pin(async move {
            if reason == CredentialsReason::Rejected {
                std::future::pending::<()>().await;
            }
            Ok(crate::Credentials::new().access_token(TOKEN))
        })
    }
}

#[tokio::test]
async fn hanging_renewal_hits_total_timeout() {
    let server = Server::of([Act::Keep(json(401, "{}"))]).await;
    let client = builder(&server.url).0.credentials_provider(HangingAfter401).build().unwrap();
    let error = client.get_model(1).timeout(Duration::from_millis(200)).await.failure();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(server.count(), 1);
}
