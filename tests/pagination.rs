//! Lists that follow every page, on the embedded backend.

#[path = "support/server.rs"]
mod server;

use std::collections::HashMap;
use std::time::Duration;

use futures_core::Stream;
use serde::Deserialize;
use server::marker::{self, Failure};
use synapse_backend_client::types::GroundTruthEvent;
use synapse_backend_client::{BackendClient, ErrorKind, Json, ListAll, ListEvent, ListPolicy, RawItem, RetryPolicy};
use synapse_test_backend::{Backend, BackendBuilder, Fault};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

fn backend() -> BackendBuilder {
    marker::watch();
    Backend::builder().token(marker::TOKEN).signature_prefix(marker::MARKER)
}

#[derive(Debug, Deserialize)]
struct Id {
    id: i64,
}

async fn start(backend: BackendBuilder) -> (Backend, BackendClient) {
    let backend = backend.start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap();
    (backend, client)
}

/// The order in which the server gives the ids, asked page by page.
async fn ids_page_by_page(client: &BackendClient, page_size: i64) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 1.. {
        let page = client.list_ground_truth_events().params(|p| p.page(number).page_size(page_size)).await.unwrap();
        ids.extend(page.results.iter().map(|event| event.id));
        if page.next.is_none() {
            return ids;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn three_thousand_pages_give_every_event_once_and_in_order() {
    let (backend, client) = start(backend().ground_truth_events(30_000).max_page_size(10).record_bodies(false)).await;
    let expected = ids_page_by_page(&client, 10).await;
    assert_eq!(expected.len(), 30_000);
    backend.clear_requests();
    // The server caps the page size below what is asked for.
    let mut events = client.list_ground_truth_events().params(|p| p.page_size(1_000)).list_all_as::<Id>().concurrency(8);
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!(events.total(), Some(30_000));
    assert_eq!(ids, expected);
    assert_eq!(backend.requests().len(), 3_000);
}

#[tokio::test]
async fn any_concurrency_gives_the_same_list_and_no_request_more() {
    let (backend, client) = start(backend().ground_truth_events(1_003)).await;
    let expected = ids_page_by_page(&client, 100).await;
    for concurrency in [1, 2, 3, 64] {
        backend.clear_requests();
        backend.reset_peak_in_flight();
        let events: Vec<Id> =
            client.list_ground_truth_events().list_all_as().concurrency(concurrency).try_collect().await.unwrap();
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), expected);
        assert_eq!(backend.requests().len(), 11);
        assert!(backend.peak_in_flight() <= concurrency as u64);
    }
}

#[tokio::test]
async fn a_list_begins_at_the_page_that_is_asked_for() {
    let (_backend, client) = start(backend().ground_truth_events(95)).await;
    let expected = ids_page_by_page(&client, 10).await;
    let rest = client.list_ground_truth_events().params(|p| p.page(4).page_size(10)).list_all_as::<Id>();
    let rest: Vec<Id> = rest.try_collect().await.unwrap();
    assert_eq!(rest.iter().map(|event| event.id).collect::<Vec<_>>(), expected[30..]);
}

#[tokio::test]
async fn a_limit_fetches_no_page_more_than_its_items_need() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    for (limit, requests) in [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3), (5_000, 100)] {
        backend.clear_requests();
        let events = client.list_ground_truth_events().params(|p| p.page_size(10)).list_all_as::<Id>();
        let events: Vec<Id> = events.concurrency(8).limit(limit).try_collect().await.unwrap();
        assert_eq!((events.len() as u64, backend.requests().len()), (limit.min(1_000), requests), "limit {limit}");
    }
}

#[tokio::test]
async fn a_cursor_list_is_followed_link_by_link() {
    let (backend, client) = start(backend().ground_truth_events(250).cursor_pagination(true)).await;
    let mut events = client.list_ground_truth_events().list_all();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!((ids.len(), events.total(), backend.requests().len()), (250, None, 3));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 250);
}

#[tokio::test]
async fn links_that_name_another_host_and_no_prefix_are_followed_at_the_base_url() {
    let (backend, client) =
        start(backend().ground_truth_events(250).path_prefix("/api/v1").public_url("http://internal.example:8000")).await;
    let events: Vec<Json> = client.list_ground_truth_events().list_all_as().try_collect().await.unwrap();
    assert_eq!(events.len(), 250);
    assert!(backend.requests().iter().all(|request| request.header("synapse-access-token").is_some()));
}

#[tokio::test]
async fn dropping_a_list_leaves_the_client_usable() {
    let (backend, client) = start(backend().ground_truth_events(10_000)).await;
    for _ in 0..20 {
        let mut events = client.list_ground_truth_events().list_all_as::<Id>().concurrency(8);
        assert!(events.next().await.unwrap().is_ok());
        drop(events);
    }
    assert!(client.list_ground_truth_events().await.is_ok());
    // A reader that takes nothing more stops the fetching: 1 page and the 9 that were ahead of it, each time.
    assert!(backend.requests().len() <= 20 * 10 + 1);
}

#[tokio::test]
async fn a_page_that_fails_ends_the_stream_with_its_error() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    backend.clear_requests();
    let mut events = client.list_ground_truth_events().params(|p| p.page(11)).list_all_as::<Id>();
    let error = events.next().await.unwrap().failure();
    assert!(error.is_not_found(), "{error}");
    assert!(events.next().await.is_none());
}

// ---- shapes

#[tokio::test]
async fn items_come_as_types_as_ones_own_and_as_the_servers_text() {
    let (backend, client) = start(backend().ground_truth_events(250).signed_urls(false)).await;
    let list = || client.list_ground_truth_events();
    let typed: Vec<GroundTruthEvent> = list().list_all().try_collect().await.unwrap();
    let own: Vec<Id> = list().list_all_as().try_collect().await.unwrap();
    let raw: Vec<RawItem> = list().list_all_raw().try_collect().await.unwrap();
    assert_eq!((typed.len(), own.len(), raw.len()), (250, 250, 250));
    for ((typed, own), raw) in typed.iter().zip(&own).zip(&raw) {
        assert_eq!(typed.id, own.id);
        assert_eq!(serde_json::from_str::<serde_json::Value>(raw.as_str()).unwrap(), backend.event(own.id).unwrap());
        assert_eq!(raw.decode::<Id>().unwrap().id, own.id);
        assert_eq!((raw.as_bytes(), raw.clone().into_bytes().as_ref()), (raw.as_str().as_bytes(), raw.as_bytes()));
    }
    let wrong = raw[0].decode::<Vec<u8>>().failure();
    assert!(wrong.is_decode(), "{wrong}");
}

#[tokio::test]
async fn urls_are_converted_in_every_shape() {
    let (_backend, client) = start(backend().ground_truth_events(30)).await;
    let list = || client.list_ground_truth_events().url_conversion("files", |_| "there".to_owned());
    let typed: Vec<GroundTruthEvent> = list().list_all().distinct(true).try_collect().await.unwrap();
    let raw: Vec<RawItem> = list().list_all_raw().try_collect().await.unwrap();
    for (typed, raw) in typed.iter().zip(&raw) {
        let files = typed.files.value().as_object().unwrap();
        assert!(!files.is_empty() && files.values().all(|file| file == "there" || file["url"] == "there"), "{files:?}");
        assert_eq!(raw.decode::<GroundTruthEvent>().unwrap().files, typed.files);
    }
}

#[tokio::test]
async fn a_list_is_given_page_by_page() {
    let (backend, client) = start(backend().ground_truth_events(250)).await;
    let mut pages = client.list_ground_truth_events().list_all_as::<Id>().pages();
    assert_eq!(pages.list().total(), None);
    let mut ids = Vec::new();
    for (number, length) in [(1, 100), (2, 100), (3, 50)] {
        let page = pages.next().await.unwrap().unwrap();
        assert_eq!((page.number, page.items.len(), pages.list().total()), (number, length, Some(250)));
        ids.extend(page.items.into_iter().map(|event| event.id));
    }
    assert!(pages.next().await.is_none());
    assert_eq!(pages.list().report().pages, 3);
    assert_eq!(ids, ids_page_by_page(&client, 100).await);
    // Taken up behind a page, it goes on with the next.
    let mut pages = client.list_ground_truth_events().list_all_as::<Id>().limit(150).pages();
    pages.next().await.unwrap().unwrap();
    let checkpoint = pages.list().checkpoint();
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 50);
    assert!(pages.next().await.is_none());
    backend.clear_requests();
    let mut rest = client.list_ground_truth_events().list_all_as::<Id>().resume(checkpoint).pages();
    assert_eq!(rest.next().await.unwrap().unwrap().number, 2);
    assert_eq!(backend.requests()[0].query_value("page").as_deref(), Some("2"));
}

#[tokio::test]
async fn a_stream_tells_how_much_there_is_as_far_as_it_is_certain() {
    let (_backend, client) = start(backend().ground_truth_events(250)).await;
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().limit(120);
    assert_eq!(events.size_hint(), (0, Some(120)));
    events.next().await.unwrap().unwrap();
    assert_eq!(events.size_hint(), (99, Some(119)));
    while events.next().await.is_some() {}
    assert_eq!(events.size_hint(), (0, Some(0)));
    let mut events = client.list_ground_truth_events().list_all_as::<Id>();
    events.next().await.unwrap().unwrap();
    assert_eq!(events.size_hint(), (99, None));
}

#[tokio::test]
async fn dropping_a_half_read_list_stops_its_requests() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    let held = backend.inject(Fault::hold_before().method("GET").after(1).always());
    let mut events = client.list_ground_truth_events().params(|p| p.page_size(10)).list_all_as::<Id>().concurrency(6);
    events.next().await.unwrap().unwrap();
    held.wait_for_hits(6).await;
    drop(events);
    held.release();
    held.remove();
    assert!(client.list_ground_truth_events().await.is_ok());
    assert_eq!(backend.requests().len(), 1 + 6 + 1);
}

// ---- what goes wrong

#[tokio::test]
async fn a_server_that_asks_for_less_is_given_less_for_a_while() {
    let (backend, client) = start(backend().ground_truth_events(4_000)).await;
    let busy = Fault::answer(429).header("Retry-After", "0").json(r#"{"detail": "throttled"}"#);
    backend.inject(busy.method("GET").after(20).times(24));
    let events: Vec<Id> = client
        .list_ground_truth_events()
        .params(|p| p.page_size(10))
        .retry(RetryPolicy::new().retries(20).initial_backoff(Duration::from_millis(1)).max_backoff(Duration::from_millis(1)))
        .list_all_as()
        .concurrency(8)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(events.len(), 4_000);
    assert_eq!(backend.requests().len(), 400 + 24);
    assert!(backend.peak_in_flight() <= 8);
}

#[tokio::test]
async fn a_server_that_ignores_which_page_it_is_asked_for_ends_the_list() {
    let server =
        server_of_pages(|_| r#""count": 1000, "next": "/models/?page=2", "results": [{"id": 1}, {"id": 2}]"#.to_owned()).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient);
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_event(), Some(&ListEvent::OutOfOrder { page: 2, next: 2 }));
    assert!(models.next().await.is_none());

    // One that counts the pages all the same is seen where they should end.
    let counting =
        |page: u64| format!(r#""count": 4, "next": "/models/?page={}", "results": [{{"id": 1}}, {{"id": 2}}]"#, page + 1);
    let server = server_of_pages(counting).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>();
    for id in [1, 2, 1, 2] {
        assert_eq!(id_of(&mut models).await, id);
    }
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_event(), Some(&ListEvent::BeyondCount { page: 3, count: 4 }));
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient);
    let error = loop {
        if let Err(error) = models.next().await.unwrap() {
            break error;
        }
    };
    assert!(matches!(error.list_event(), Some(ListEvent::Endless { .. })), "{error}");
}

#[tokio::test]
async fn a_next_that_leads_back_or_skips_ends_the_list_before_its_page() {
    for (next, event) in [
        ("/models/?page=1", ListEvent::OutOfOrder { page: 2, next: 1 }),
        ("/models/?page=2", ListEvent::OutOfOrder { page: 2, next: 2 }),
        ("/models/?page=7", ListEvent::OutOfOrder { page: 2, next: 7 }),
    ] {
        let server = server_of_pages(move |page| {
            let next = if page == 1 { "/models/?page=2" } else { next };
            format!(r#""count": 100, "next": "{next}", "results": [{{"id": {page}0}}, {{"id": {page}1}}]"#)
        })
        .await;
        for policy in [ListPolicy::Strict, ListPolicy::Lenient] {
            let client = server::client_of(&server);
            let mut models = client.list_models().list_all_as::<Id>().policy(policy).concurrency(1);
            for id in [10, 11] {
                assert_eq!(id_of(&mut models).await, id);
            }
            let error = models.next().await.unwrap().failure();
            assert_eq!((error.kind(), error.list_event()), (ErrorKind::Pagination, Some(&event)));
            assert!(models.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn cursors_that_go_in_a_circle_end_the_list() {
    let server = server::start().await;
    let page = |request: &Request| {
        let pairs: HashMap<_, _> = request.url.query_pairs().into_owned().collect();
        let cursor: u64 = pairs.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let next = if cursor == 3 { 1 } else { cursor + 1 };
        server::json(200, format!(r#"{{"next": "/models/?cursor={next}", "results": [{{"id": {cursor}}}]}}"#))
    };
    Mock::given(any()).respond_with(page).mount(&server).await;
    let mut models = server::client_of(&server).list_models().list_all_as::<Id>();
    for id in 0..4 {
        assert_eq!(id_of(&mut models).await, id);
    }
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_event(), Some(&ListEvent::Loop { page: 4 }));
    assert_eq!(server::requests(&server).await.len(), 4);
}

#[tokio::test]
async fn a_list_with_fewer_items_than_it_promises_is_told_behind_them() {
    let server = server_of_pages(|_| r#""count": 3, "next": null, "results": [{"id": 1}, {"id": 2}]"#.to_owned()).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>();
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_event(), Some(&ListEvent::Fewer { promised: 3, items: 2 }));
    assert!(error.to_string().contains("the list ended after 2 items of 3 that it promised"), "{error}");
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient);
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    assert!(models.next().await.is_none());
    assert_eq!(models.report().events, [ListEvent::Fewer { promised: 3, items: 2 }]);
    assert!(!models.report().is_complete());
}

#[tokio::test]
async fn a_page_that_fails_says_which_and_is_gone_on_with() {
    let (backend, client) = start(backend().ground_truth_events(50)).await;
    let list = || client.list_ground_truth_events().params(|p| p.page_size(10)).retries(0).list_all_as::<Id>().concurrency(3);
    let third =
        |parts: &synapse_test_backend::http::request::Parts| parts.uri.query().is_some_and(|query| query.ends_with("page=3"));
    backend.inject(Fault::proxy_page(502).when(third));
    let mut events = list();
    let mut ids = Vec::new();
    let error = loop {
        match events.next().await.unwrap() {
            Ok(event) => ids.push(event.id),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().starts_with("page 3: "), "{error}");
    assert_eq!((error.status().unwrap().as_u16(), ids.len()), (502, 20));
    let mut rest = list().resume(events.checkpoint());
    while let Some(event) = rest.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!(ids, ids_page_by_page(&client, 10).await);
}

#[tokio::test]
async fn a_checkpoint_keeps_the_cursor_and_shows_no_secret_of_it() {
    let (_backend, client) = start(backend().ground_truth_events(250).cursor_pagination(true)).await;
    let mut events = client.list_ground_truth_events().list_all_as::<Id>();
    let mut ids = Vec::new();
    for _ in 0..150 {
        ids.push(events.next().await.unwrap().unwrap().id);
    }
    let checkpoint = events.checkpoint();
    let text = serde_json::to_string(&checkpoint).unwrap();
    assert!(text.contains("cursor="), "{text}");
    assert!(!format!("{checkpoint:?}").contains("cursor="), "{checkpoint:?}");
    let mut rest = client.list_ground_truth_events().list_all_as::<Id>().resume(serde_json::from_str(&text).unwrap());
    while let Some(event) = rest.next().await {
        ids.push(event.unwrap().id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 250);
    assert!(rest.checkpoint().is_end());
    // Of a list that was read to its end nothing is read again.
    let mut again = client.list_ground_truth_events().list_all_as::<Id>().resume(rest.checkpoint());
    assert!(again.next().await.is_none());
    // A link that leads elsewhere isn't followed.
    let elsewhere = text.replace(&client.base_url().to_string(), "http://elsewhere.example");
    let mut list = client.list_ground_truth_events().list_all_as::<Id>().resume(serde_json::from_str(&elsewhere).unwrap());
    let error = list.next().await.unwrap().failure();
    assert!(error.is_invalid_input(), "{error}");
}

/// A server whose pages are made by their number, without the braces.
async fn server_of_pages(page: impl Fn(u64) -> String + Send + Sync + 'static) -> MockServer {
    let server = server::start().await;
    let answer = move |request: &Request| {
        let number = request.url.query_pairs().find(|(name, _)| name == "page").map_or(1, |(_, value)| value.parse().unwrap());
        server::json(200, format!("{{{}}}", page(number)))
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

async fn id_of(list: &mut ListAll<Id>) -> i64 {
    list.next().await.unwrap().unwrap().id
}
