//! Lists that follow every page, on the embedded backend.

#[path = "support/backend.rs"]
mod backend;

use backend::backend;
use backend::marker::Failure;
use serde::Deserialize;
use synapse_backend_client::{BackendClient, Json};
use synapse_test_backend::{Backend, BackendBuilder};

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
    // A reader that takes nothing more stops the fetching: 1 page and the 8 that were ahead of it, each time.
    assert!(backend.requests().len() <= 20 * 9 + 1);
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
