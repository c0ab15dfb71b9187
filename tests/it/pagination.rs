//! Lists that read every page, on the embedded backend.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::ids::{Id, ids_of};
use crate::support::marker::{self, Failure};
use crate::support::server;
use futures_core::Stream;
use synapse_backend_client::types::GroundTruthEvent;
use synapse_backend_client::{
    BackendClient, Checkpoint, ErrorKind, Json, ListAnomaly, ListPolicy, ListStream, RawItem, RetryPolicy,
};
use synapse_test_backend::{Backend, BackendBuilder, Fault};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn backend() -> BackendBuilder {
    marker::watch();
    Backend::builder().token(marker::TOKEN).signature_prefix(marker::MARKER)
}

async fn start(backend: BackendBuilder) -> (Backend, BackendClient) {
    let backend = backend.start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap();
    (backend, client)
}

/// Returns the ids in the server's order, read page by page.
async fn ids_page_by_page(client: &BackendClient, page_size: i64) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 1.. {
        let page =
            client.list_ground_truth_events().params(|p| p.page(number).page_size(page_size)).await.unwrap();
        ids.extend(page.results.iter().map(|event| event.id));
        if page.next.is_none() {
            return ids;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn three_thousand_pages_in_order() {
    let (backend, client) =
        start(backend().ground_truth_events(30_000).max_page_size(10).record_bodies(false)).await;
    let expected = ids_page_by_page(&client, 10).await;
    assert_eq!(expected.len(), 30_000);
    backend.clear_requests();
    // The server caps the page size below the requested one.
    let mut events = client
        .list_ground_truth_events()
        .params(|p| p.page_size(1_000))
        .list_all_as::<Id>()
        .concurrency(8)
        .stream();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!(events.total(), Some(30_000));
    assert_eq!(ids, expected);
    assert_eq!(backend.requests().len(), 3_000);
}

#[tokio::test]
async fn any_concurrency_yields_same_list() {
    let (backend, client) = start(backend().ground_truth_events(1_003)).await;
    let expected = ids_page_by_page(&client, 100).await;
    for concurrency in [0, 1, 2, 3, 64] {
        backend.clear_requests();
        backend.reset_peak_in_flight();
        let events: Vec<Id> = client
            .list_ground_truth_events()
            .list_all_as()
            .concurrency(concurrency)
            .try_collect()
            .await
            .unwrap();
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), expected);
        assert_eq!(backend.requests().len(), 11);
        assert!(backend.peak_in_flight() <= concurrency.max(1) as u64);
    }
}

#[tokio::test]
async fn list_starts_at_requested_page() {
    let (_backend, client) = start(backend().ground_truth_events(95)).await;
    let expected = ids_page_by_page(&client, 10).await;
    let rest = client.list_ground_truth_events().params(|p| p.page(4).page_size(10)).list_all_as::<Id>();
    let rest: Vec<Id> = rest.try_collect().await.unwrap();
    assert_eq!(rest.iter().map(|event| event.id).collect::<Vec<_>>(), expected[30..]);
}

#[tokio::test]
async fn limit_fetches_no_extra_page() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    for (limit, requests) in [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3), (5_000, 100)] {
        backend.clear_requests();
        let events = client.list_ground_truth_events().params(|p| p.page_size(10)).list_all_as::<Id>();
        let events: Vec<Id> = events.concurrency(8).limit(limit).try_collect().await.unwrap();
        assert_eq!(
            (events.len() as u64, backend.requests().len()),
            (limit.min(1_000), requests),
            "limit {limit}"
        );
    }
}

#[tokio::test]
async fn cursor_list_followed_link_by_link() {
    let (backend, client) = start(backend().ground_truth_events(250).cursor_pagination(true)).await;
    let mut events = client.list_ground_truth_events().list_all().stream();
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
async fn foreign_links_followed_at_base_url() {
    let (backend, client) = start(
        backend().ground_truth_events(250).path_prefix("/api/v1").public_url("http://internal.example:8000"),
    )
    .await;
    let events: Vec<Json> = client.list_ground_truth_events().list_all_as().try_collect().await.unwrap();
    assert_eq!(events.len(), 250);
    assert!(backend.requests().iter().all(|request| request.header("synapse-access-token").is_some()));
}

#[tokio::test]
async fn client_usable_after_dropped_list() {
    let (backend, client) = start(backend().ground_truth_events(10_000)).await;
    for _ in 0..20 {
        let mut events = client.list_ground_truth_events().list_all_as::<Id>().concurrency(8).stream();
        assert!(events.next().await.unwrap().is_ok());
        drop(events);
    }
    assert!(client.list_ground_truth_events().await.is_ok());
    // A list that isn't polled any more stops its prefetch: each list fetched 1 page and at most 9 ahead of
    // it.
    assert!(backend.requests().len() <= 20 * 10 + 1);
}

#[tokio::test]
async fn failed_page_ends_stream_with_error() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    backend.clear_requests();
    let mut events = client.list_ground_truth_events().params(|p| p.page(11)).list_all_as::<Id>().stream();
    let error = events.next().await.unwrap().failure();
    assert!(error.is_not_found(), "{error}");
    assert!(events.next().await.is_none());
}

// ---- shapes

#[tokio::test]
async fn items_decode_as_typed_custom_and_raw() {
    let (backend, client) = start(backend().ground_truth_events(250).signed_urls(false)).await;
    let list = || client.list_ground_truth_events();
    let typed: Vec<GroundTruthEvent> = list().list_all().try_collect().await.unwrap();
    let own: Vec<Id> = list().list_all_as().try_collect().await.unwrap();
    let raw: Vec<RawItem> = list().list_all_raw().try_collect().await.unwrap();
    assert_eq!((typed.len(), own.len(), raw.len()), (250, 250, 250));
    for ((typed, own), raw) in typed.iter().zip(&own).zip(&raw) {
        assert_eq!(typed.id, own.id);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(raw.as_str()).unwrap(),
            backend.event(own.id).unwrap()
        );
        assert_eq!(raw.decode::<Id>().unwrap().id, own.id);
        assert_eq!(
            (raw.as_bytes(), raw.clone().into_bytes().as_ref()),
            (raw.as_str().as_bytes(), raw.as_bytes())
        );
    }
    let wrong = raw[0].decode::<Vec<u8>>().failure();
    assert!(wrong.is_decode(), "{wrong}");
    let wrong = raw[0].decode::<HashMap<String, u8>>().failure();
    let path = wrong.json_path().unwrap();
    assert!(!path.is_empty() && wrong.to_string().contains(&format!("`{path}`")), "{wrong}");
}

#[tokio::test]
async fn urls_converted_in_typed_and_raw_lists() {
    let (_backend, client) = start(backend().ground_truth_events(30)).await;
    let list = || client.list_ground_truth_events().url_conversion("files", |_| "there".to_owned());
    let typed: Vec<GroundTruthEvent> = list().list_all().deduplicate(true).try_collect().await.unwrap();
    let raw: Vec<RawItem> = list().list_all_raw().try_collect().await.unwrap();
    for (typed, raw) in typed.iter().zip(&raw) {
        let files = typed.files.value().as_object().unwrap();
        assert!(
            !files.is_empty() && files.values().all(|file| file == "there" || file["url"] == "there"),
            "{files:?}"
        );
        assert_eq!(raw.decode::<GroundTruthEvent>().unwrap().files, typed.files);
    }
}

#[tokio::test]
async fn list_yields_page_by_page() {
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
    // A list that is resumed after a page continues with the next page.
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
async fn pages_begin_with_rest_of_page() {
    let (_backend, client) = start(backend().ground_truth_events(250)).await;
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().stream();
    let mut ids = Vec::new();
    for _ in 0..130 {
        ids.push(events.next().await.unwrap().unwrap().id);
    }
    let mut pages = events.pages();
    for (number, length) in [(2, 70), (3, 50)] {
        let page = pages.next().await.unwrap().unwrap();
        assert_eq!((page.number, page.items.len()), (number, length));
        ids.extend(page.items.into_iter().map(|event| event.id));
    }
    assert!(pages.next().await.is_none());
    assert_eq!(ids, ids_page_by_page(&client, 100).await);
    // Nothing is left of a page that was returned as a whole.
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().stream();
    for _ in 0..100 {
        events.next().await.unwrap().unwrap();
    }
    assert_eq!(events.pages().next().await.unwrap().unwrap().number, 2);
}

#[tokio::test]
async fn size_hint_reports_certain_bounds() {
    let (_backend, client) = start(backend().ground_truth_events(250)).await;
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().limit(120).stream();
    assert_eq!(events.size_hint(), (0, Some(120)));
    events.next().await.unwrap().unwrap();
    assert_eq!(events.size_hint(), (99, Some(119)));
    while events.next().await.is_some() {}
    assert_eq!(events.size_hint(), (0, Some(0)));
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().stream();
    events.next().await.unwrap().unwrap();
    assert_eq!(events.size_hint(), (99, None));
    // Any item may be dropped as a duplicate, so the lower bound is zero.
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().deduplicate(true).stream();
    events.next().await.unwrap().unwrap();
    assert_eq!(events.size_hint(), (0, None));
    // The upper bound isn't zero while an error is still to come.
    let refused = client.list_models().list_all_as::<Id>().resume(events.checkpoint()).stream();
    assert_ne!(refused.size_hint().1, Some(0));
}

#[tokio::test]
async fn dropped_list_stops_its_requests() {
    let (backend, client) = start(backend().ground_truth_events(1_000)).await;
    let held = backend.inject(Fault::hold_before().method("GET").after(1).always());
    let mut events = client
        .list_ground_truth_events()
        .params(|p| p.page_size(10))
        .list_all_as::<Id>()
        .concurrency(6)
        .stream();
    events.next().await.unwrap().unwrap();
    held.wait_for_hits(6).await;
    drop(events);
    held.release();
    held.remove();
    // Requests that weren't stopped would arrive during these calls.
    for _ in 0..5 {
        assert!(client.list_ground_truth_events().await.is_ok());
    }
    assert_eq!(backend.requests().len(), 1 + 6 + 5);
}

#[tokio::test]
async fn prefetch_is_bounded_by_concurrency() {
    let (backend, client) = start(backend().ground_truth_events(100)).await;
    let mut events = client
        .list_ground_truth_events()
        .params(|p| p.page_size(10))
        .list_all_as::<Id>()
        .concurrency(2)
        .stream();
    events.next().await.unwrap().unwrap();
    backend.wait_for_requests(1 + 3).await;
    // Further prefetch requests would arrive during these calls.
    for _ in 0..5 {
        client.list_ground_truth_events().await.unwrap();
    }
    assert_eq!(backend.requests().len(), 1 + 3 + 5);
}

#[tokio::test]
async fn concurrency_is_capped_at_64_pages() {
    let (backend, client) = start(backend().ground_truth_events(1_500)).await;
    let held = backend.inject(Fault::hold_before().method("GET").after(1).always());
    let list = client
        .list_ground_truth_events()
        .params(|p| p.page_size(10))
        .list_all_as::<Id>()
        .concurrency(usize::MAX);
    let reading = tokio::spawn(list.try_collect::<Vec<Id>>());
    held.wait_for_hits(64).await;
    held.release();
    held.remove();
    assert_eq!(reading.await.unwrap().unwrap().len(), 1_500);
    assert_eq!(backend.peak_in_flight(), 64);
}

#[tokio::test]
async fn resumed_list_keeps_promised_total() {
    // The count is one more than the number of items.
    let server = server_of_pages(|number| page_of(&[&[1, 2], &[3, 4], &[5, 6]], number, 7)).await;
    let client = server::client_of(&server);
    let list = || client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).concurrency(1);
    for read in 0..6 {
        let mut first = list().stream();
        for id in 1..=read {
            assert_eq!(id_of(&mut first).await, id);
        }
        // Resumed twice. The first time, nothing is read.
        let again = list().resume(sent_over(&first.checkpoint())).stream();
        let mut rest = list().resume(sent_over(&again.checkpoint())).stream();
        assert_eq!(
            (again.total(), rest.checkpoint().total()),
            ((read > 0).then_some(7), (read > 0).then_some(7))
        );
        assert_eq!(ids_of(&mut rest).await.0, (read + 1..=6).collect::<Vec<_>>());
        assert_eq!(rest.report().anomalies, [ListAnomaly::Fewer { promised: 7, items: 6 }], "after {read}");
    }
    // The checkpoint also keeps the page length and the count.
    let server =
        server_of_pages(|number| page_of(&[&[1, 2], &[3], &[4]], number, if number == 1 { 4 } else { 5 }))
            .await;
    let client = server::client_of(&server);
    let list = || client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).concurrency(1);
    let mut first = list().stream();
    id_of(&mut first).await;
    id_of(&mut first).await;
    let mut rest =
        list().resume(sent_over(&list().resume(first.checkpoint()).stream().checkpoint())).stream();
    assert_eq!(ids_of(&mut rest).await.0, [3, 4]);
    let changed = ListAnomaly::CountChanged { page: 2, before: 4, now: 5 };
    let length = ListAnomaly::PageLength { page: 2, expected: 2, items: 1 };
    assert_eq!(rest.report().anomalies, [changed, length, ListAnomaly::Fewer { promised: 5, items: 4 }]);
}

#[tokio::test]
async fn limit_counts_only_yielded_items() {
    let (_server, client) = list_of(&[&[1, 2, 3], &[4, 5, 6]]).await;
    let list = || client.list_models().list_all_as::<Id>();
    let mut first = list().stream();
    assert_eq!((id_of(&mut first).await, id_of(&mut first).await), (1, 2));
    for deduplicate in [false, true] {
        let mut rest = list().deduplicate(deduplicate).resume(first.checkpoint()).limit(2).stream();
        assert_eq!(ids_of(&mut rest).await.0, [3, 4]);
    }
    // Duplicates on the same page, and on the page before.
    let (_server, client) = list_of(&[&[1, 1, 1], &[1, 2, 2], &[3, 4, 5]]).await;
    let mut models = client.list_models().list_all_as::<Id>().deduplicate(true).limit(3).stream();
    assert_eq!(ids_of(&mut models).await.0, [1, 2, 3]);
    assert_eq!(models.report().duplicates, 4);
    let (_server, client) = list_of(&[&[-1, -1, 1], &[2, -1, -1], &[-1, 3, 4]]).await;
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_items(true).limit(3).stream();
    assert_eq!(ids_of(&mut models).await.0, [1, 2, 3]);
    assert_eq!(
        models.report().item_failures.iter().map(|failure| (failure.page, failure.index)).collect::<Vec<_>>(),
        [(1, 0), (1, 1), (2, 1), (2, 2), (3, 0)]
    );
}

#[tokio::test]
async fn duplicates_known_across_checkpoint() {
    let (_server, client) = list_of(&[&[1, 2, 3], &[2, 3, 4]]).await;
    let list = || client.list_models().list_all_as::<Id>();
    let mut first = list().deduplicate(true).stream();
    for id in 1..=3 {
        assert_eq!(id_of(&mut first).await, id);
    }
    assert_eq!(
        ids_of(&mut list().deduplicate(true).resume(sent_over(&first.checkpoint())).stream()).await.0,
        [4]
    );
    // Items that another list yielded from this page are also known.
    let mut first = list().stream();
    assert_eq!((id_of(&mut first).await, id_of(&mut first).await), (1, 2));
    assert_eq!(
        ids_of(&mut list().deduplicate(true).resume(sent_over(&first.checkpoint())).stream()).await.0,
        [3, 4]
    );
}

#[tokio::test]
async fn shrunken_page_is_skipped_on_resume() {
    let (_server, client) = list_of(&[&[1, 2], &[3, 4]]).await;
    let mut first = client.list_models().list_all_as::<Id>().stream();
    id_of(&mut first).await;
    let mut checkpoint = serde_json::to_value(first.checkpoint()).unwrap();
    checkpoint["at"]["page"]["item"] = 9.into();
    for deduplicate in [false, true] {
        let list = client.list_models().list_all_as::<Id>().deduplicate(deduplicate);
        let mut rest = list.resume(serde_json::from_value(checkpoint.clone()).unwrap()).stream();
        assert_eq!(ids_of(&mut rest).await.0, [3, 4]);
    }
}

#[tokio::test]
async fn growing_deduplicated_list_stays_strict() {
    for (now, ends) in [(5, false), (3, true)] {
        let server = server_of_pages(move |number| {
            page_of(&[&[1, 2], &[2, 3], &[4]], number, if number == 1 { 4 } else { now })
        })
        .await;
        let mut models = server::client_of(&server)
            .list_models()
            .list_all_as::<Id>()
            .policy(ListPolicy::Strict)
            .deduplicate(true)
            .stream();
        let (ids, error) = ids_of(&mut models).await;
        let changed = ListAnomaly::CountChanged { page: 2, before: 4, now };
        assert_eq!((error.is_some(), ids), (ends, if ends { vec![1, 2] } else { vec![1, 2, 3, 4] }));
        match error {
            Some(error) => assert_eq!(error.list_anomaly(), Some(&changed)),
            None => {
                assert_eq!((&models.report().anomalies[..], models.report().duplicates), (&[changed][..], 1))
            }
        }
    }
}

#[tokio::test]
async fn only_own_not_found_ends_list() {
    let (numbered, cursor) = (r#""/models/?page=2""#, r#""/models/?cursor=x&page=2""#);
    let invalid = || server::json(404, r#"{"detail": "Invalid page."}"#);
    let responses: [(&str, &str, ResponseTemplate); 4] = [
        (r#""count": 4, "#, numbered, server::html(404, "<h1>Not Found</h1>")),
        (r#""count": 4, "#, numbered, server::json(403, r#"{"detail": "No."}"#)),
        ("", numbered, invalid()),
        (r#""count": 4, "#, cursor, invalid()),
    ];
    for (count, next, second) in responses {
        let first = format!(r#"{{{count}"next": {next}, "results": [{{"id": 1}}, {{"id": 2}}]}}"#);
        let status =
            server_of_responses(
                move |number| if number == 1 { server::json(200, &*first) } else { second.clone() },
            );
        let server = status.await;
        let mut models =
            server::client_of(&server).list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).stream();
        let (ids, error) = ids_of(&mut models).await;
        let error = error.unwrap();
        assert_eq!((ids, error.list_anomaly(), error.is_status()), (vec![1, 2], None, true), "{error}");
        assert!(!models.checkpoint().is_end());
    }
}

#[tokio::test]
async fn shortened_list_reported_once_at_end() {
    let server = server_of_responses(|number| match number {
        1 | 2 => server::json(200, format!("{{{}}}", page_of(&[&[1, 2], &[3, 4], &[]], number, 10))),
        _ => server::json(404, r#"{"detail": "Invalid page."}"#),
    })
    .await;
    let mut models =
        server::client_of(&server).list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(
        models.report().anomalies,
        [ListAnomaly::PageGone { page: 3 }, ListAnomaly::Fewer { promised: 10, items: 4 }]
    );
    assert!(models.checkpoint().is_end());
}

#[tokio::test]
async fn checkpoint_lies_after_skipped_page() {
    // The last page is skipped.
    let server = server_of_responses(|number| match number {
        1 => server::json(200, format!("{{{}}}", page_of(&[&[1, 2], &[]], 1, 4))),
        _ => server::json(500, "{}"),
    })
    .await;
    let mut models =
        server::client_of(&server).list_models().list_all_as::<Id>().skip_failed_pages(true).stream();
    assert_eq!(ids_of(&mut models).await.0, [1, 2]);
    assert_eq!(models.report().page_failures.len(), 1);
    assert!(models.checkpoint().is_end());
    // A page is skipped, and the next page ends the list.
    let server = server_of_responses(|number| match number {
        2 => server::json(500, "{}"),
        _ => {
            let count = if number == 1 { 8 } else { 9 };
            server::json(
                200,
                format!("{{{}}}", page_of(&[&[1, 2], &[], &[5, 6], &[7, 8], &[9]], number, count)),
            )
        }
    })
    .await;
    let client = server::client_of(&server);
    let list = || client.list_models().list_all_as::<Id>().policy(ListPolicy::Strict).skip_failed_pages(true);
    let mut models = list().stream();
    let (ids, error) = ids_of(&mut models).await;
    assert_eq!(
        error.unwrap().list_anomaly(),
        Some(&ListAnomaly::CountChanged { page: 3, before: 8, now: 9 })
    );
    let (rest, error) = ids_of(&mut list().resume(models.checkpoint()).stream()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((ids, rest), (vec![1, 2], vec![5, 6, 7, 8, 9]));
}

#[tokio::test]
async fn page_yields_items_before_decode_error() {
    let (_server, client) = list_of(&[&[1, 2], &[3, -1, 4]]).await;
    let mut pages = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).pages();
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), 2);
    let second = pages.next().await.unwrap().unwrap();
    assert_eq!((second.number, second.items.iter().map(|item| item.id).collect::<Vec<_>>()), (2, vec![3]));
    let error = pages.next().await.unwrap().failure();
    assert_eq!(error.item_failure().map(|failure| (failure.page, failure.index)), Some((2, 1)));
    assert!(pages.next().await.is_none());
    // The resumed list begins with the failed item.
    let mut rest = client
        .list_models()
        .list_all_as::<Id>()
        .skip_failed_items(true)
        .resume(pages.list().checkpoint())
        .stream();
    assert_eq!(ids_of(&mut rest).await.0, [4]);
}

#[tokio::test]
async fn first_hundred_failures_are_kept() {
    let (_server, client) = list_of(&[&[-1; 130]]).await;
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_items(true).stream();
    assert!(models.next().await.is_none());
    assert_eq!((models.report().item_failures.len(), models.report().omitted), (100, 30));
    assert!(!models.report().is_complete());
}

#[tokio::test]
async fn array_item_error_reports_its_index() {
    let server =
        server_of_pages(|_| r#""count": 5, "next": null, "results": [[1, 2], [3, "x"], [5, 6]]"#.to_owned())
            .await;
    let mut pairs = server::client_of(&server).list_models().list_all_as::<[u8; 2]>().stream();
    assert_eq!(pairs.next().await.unwrap().unwrap(), [1, 2]);
    let error = pairs.next().await.unwrap().failure();
    assert_eq!(error.json_path(), Some("results[1][1]"));
    let item = error.item_failure().unwrap();
    assert_eq!((item.page, item.index, item.id.as_deref(), item.json_path.as_str()), (1, 1, None, "[1]"));
    // The error is the last item of the stream.
    assert!(pairs.next().await.is_none());
}

// ---- partitions

#[tokio::test]
async fn zero_partitions_are_refused() {
    let (server, client) = list_of(&[&[1]]).await;
    let error = client.list_models().list_all_as::<Id>().partitions(0).await.failure();
    assert!(error.is_invalid_input(), "{error}");
    let error = client.list_models().list_all_as::<Id>().partitions_of_pages(0).await.failure();
    assert!(error.is_invalid_input(), "{error}");
    server::assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn partitions_have_pages_at_most() {
    let (_server, client) = list_of(&[&[1], &[2], &[3], &[4], &[5]]).await;
    for (pages, ranges) in [
        (1, vec![(1, Some(1)), (2, Some(2)), (3, Some(3)), (4, Some(4)), (5, None)]),
        (2, vec![(1, Some(2)), (3, Some(4)), (5, None)]),
        (4, vec![(1, Some(3)), (4, None)]),
        (9, vec![(1, None)]),
    ] {
        let parts = client.list_models().list_all_as::<Id>().partitions_of_pages(pages).await.unwrap();
        assert_eq!(
            parts.iter().map(|part| (part.first_page(), part.last_page())).collect::<Vec<_>>(),
            ranges
        );
    }
}

#[tokio::test]
async fn part_of_items_begins_within_page() {
    let (_server, client) = list_of(&[&[1, 2], &[3, 4], &[5, 6], &[7]]).await;
    let list = || client.list_models().list_all_as::<Id>();
    for (items, expected, pages) in [
        (0..3, vec![1, 2, 3], (1, Some(2))),
        (3..6, vec![4, 5, 6], (2, Some(3))),
        (6..7, vec![7], (4, Some(4))),
        (0..7, vec![1, 2, 3, 4, 5, 6, 7], (1, Some(4))),
    ] {
        let part = list().part_of_items(items.clone()).await.unwrap();
        assert_eq!((part.first_page(), part.last_page()), pages);
        assert_eq!(part.checkpoint().total(), Some(7));
        let resumed = list().resume(part.checkpoint().clone()).limit(items.end - items.start);
        for list in [part.list(), resumed] {
            let (ids, error) = ids_of(&mut list.policy(ListPolicy::Strict).stream()).await;
            assert!(error.is_none(), "{error:?}");
            assert_eq!(ids, expected);
        }
    }
    for (items, problem) in [(3..3, "empty"), (5..8, "7 items")] {
        let error = list().part_of_items(items).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains(problem), "{error}");
    }
    for list in [list().deduplicate(true), list().skip_failed_pages(true), list().skip_failed_items(true)] {
        assert!(list.part_of_items(0..3).await.failure().to_string().contains("leave any out"));
    }
    let later = client.list_models().params(|p| p.page(2)).list_all_as::<Id>();
    assert!(later.part_of_items(0..1).await.failure().to_string().contains("begins with page 2"));
    let (_server, client) = list_of(&[&[1, 2]]).await;
    let part = client.list_models().list_all_as::<Id>().part_of_items(1..2).await.unwrap();
    assert_eq!(ids_of(&mut part.list().stream()).await.0, [2]);
    let server = server_of_pages(|_| r#""next": null, "results": [{"id": 1}]"#.to_owned()).await;
    let list = server::client_of(&server).list_models().list_all_as::<Id>();
    let error = list.part_of_items(0..1).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("no count"), "{error}");
}

/// A server that sends pages of another size by then never gives other items without an error.
#[tokio::test]
async fn part_of_items_notices_page_size() {
    let pages_of = |size: usize, count: usize| {
        let ids: Vec<i64> = (1..=count as i64).collect();
        ids.chunks(size).map(<[i64]>::to_vec).collect::<Vec<_>>()
    };
    for (count, planned) in [(25, 10), (30, 5), (8, 10), (20, 10)] {
        for size in [3, 4, 5, 7, 9, 10, 12, 30] {
            let (_planner, client) = list_of_pages(pages_of(planned, count)).await;
            let (_reader, other) = list_of_pages(pages_of(size, count)).await;
            let (mut from, count) = (0, count as u64);
            while from < count {
                let items = from..(from + 5).min(count);
                let list = client.list_models().list_all_as::<Id>();
                let part = list.part_of_items(items.clone()).await.unwrap();
                let list = other.list_models().list_all_as::<Id>().resume(part.checkpoint().clone());
                let list = list.limit(items.end - items.start).policy(ListPolicy::Strict);
                let (ids, error) = ids_of(&mut list.stream()).await;
                if error.is_none() {
                    let expected: Vec<i64> = (items.start as i64 + 1..=items.end as i64).collect();
                    assert_eq!(ids, expected, "{count} items, {planned} a page, then {size}: {items:?}");
                }
                from = items.end;
            }
        }
    }
}

#[tokio::test]
async fn last_partition_reads_grown_list() {
    let grown = Arc::new(AtomicBool::new(false));
    let grows = grown.clone();
    let server = server_of_pages(move |number| match grows.load(Ordering::Relaxed) {
        false => page_of(&[&[1, 2], &[3, 4], &[5, 6]], number, 6),
        true => page_of(&[&[1, 2], &[3, 4], &[5, 6], &[7, 8], &[9]], number, 9),
    })
    .await;
    let client = server::client_of(&server);
    let partitions = client.list_models().list_all_as::<Id>().partitions(2).await.unwrap();
    assert_eq!(
        partitions.iter().map(|part| part.checkpoint().total()).collect::<Vec<_>>(),
        [Some(6), Some(6)]
    );
    grown.store(true, Ordering::Relaxed);
    for (partition, expected) in partitions.into_iter().zip([vec![1, 2, 3, 4], vec![5, 6, 7, 8, 9]]) {
        let (ids, error) = ids_of(
            &mut client.list_models().list_all_as::<Id>().resume(partition.checkpoint().clone()).stream(),
        )
        .await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn partitions_know_page_length_and_start() {
    let server =
        server_of_pages(|number| page_of(&[&[1, 2], &[3], &[4, 5], &[6, 7], &[8]], number, 10)).await;
    let client = server::client_of(&server);
    let partitions = client.list_models().list_all_as::<Id>().partitions(5).await.unwrap();
    assert_eq!(partitions.len(), 5);
    for (partition, event) in partitions.into_iter().zip([
        None,
        Some(ListAnomaly::PageLength { page: 2, expected: 2, items: 1 }),
        None,
        None,
        Some(ListAnomaly::Fewer { promised: 10, items: 9 }),
    ]) {
        let mut part = client
            .list_models()
            .list_all_as::<Id>()
            .policy(ListPolicy::Lenient)
            .resume(partition.checkpoint().clone())
            .stream();
        assert!(ids_of(&mut part).await.1.is_none());
        assert_eq!(part.report().anomalies.first(), event.as_ref());
    }
}

#[tokio::test]
async fn unpartitionable_list_is_one_partition() {
    // Pages without items, a page that is already the last one by its count, and links without consecutive
    // page numbers.
    for (count, next, results) in [
        (9, "/models/?page=4", ""),
        (1, "/models/?page=4", r#"{"id": 1}"#),
        (9, "/models/?page=7", r#"{"id": 1}"#),
    ] {
        let server = server_of_pages(move |_| {
            format!(r#""count": {count}, "next": "{next}", "results": [{results}]"#)
        })
        .await;
        let client = server::client_of(&server);
        assert_eq!(
            client.list_models().params(|p| p.page(3)).list_all().partitions(3).await.unwrap().len(),
            1,
            "{next}"
        );
    }
}

#[tokio::test]
async fn resumed_partition_stops_at_own_end() {
    let (_server, client) = list_of(&[&[1, 2], &[3, 4], &[5, 6], &[7, 8]]).await;
    let partition = client.list_models().list_all_as::<Id>().partitions(2).await.unwrap().remove(0);
    for read in 0..4 {
        let list = || client.list_models().list_all_as::<Id>();
        let mut first = list().resume(partition.checkpoint().clone()).stream();
        for id in 1..=read {
            assert_eq!(id_of(&mut first).await, id);
        }
        let mut rest = list().resume(sent_over(&first.checkpoint())).stream();
        assert_eq!(ids_of(&mut rest).await.0, (read + 1..=4).collect::<Vec<_>>());
    }
}

// ---- failures

#[tokio::test]
async fn prefetched_pages_dropped_for_links() {
    let server = server::start().await;
    let response = |request: &Request| {
        let query = request.url.query().unwrap_or_default();
        server::json(
            200,
            match query {
                "" => r#"{"count": 6, "next": "/models/?page=2", "results": [{"id": 1}, {"id": 2}]}"#,
                "page=2" => r#"{"count": 6, "next": "/models/?cursor=x", "results": [{"id": 3}, {"id": 4}]}"#,
                "cursor=x" => r#"{"next": null, "results": [{"id": 5}, {"id": 6}]}"#,
                _ => r#"{"count": 6, "next": null, "results": [{"id": 7}, {"id": 8}]}"#,
            },
        )
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let mut models = server::client_of(&server).list_models().list_all_as::<Id>().stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn circular_link_is_not_prefetched() {
    let server =
        server_of_pages(|_| r#""next": "/models/", "results": [{"id": 1}, {"id": 2}]"#.to_owned()).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().stream();
    id_of(&mut models).await;
    // A prefetch request would arrive during these calls.
    for _ in 0..5 {
        assert!(client.list_models().list_all_as::<Id>().stream().next().await.unwrap().is_ok());
    }
    assert_eq!(server::requests(&server).await.len(), 1 + 5);
    id_of(&mut models).await;
    assert_eq!(models.next().await.unwrap().failure().list_anomaly(), Some(&ListAnomaly::Loop { page: 1 }));
}

#[tokio::test]
async fn throttled_list_completes_with_retries() {
    let (backend, client) = start(backend().ground_truth_events(4_000)).await;
    let busy = Fault::response(429).header("Retry-After", "0").json(r#"{"detail": "throttled"}"#);
    backend.inject(busy.method("GET").after(20).times(24));
    let events: Vec<Id> = client
        .list_ground_truth_events()
        .params(|p| p.page_size(10))
        .retry(
            RetryPolicy::new()
                .max_retries(20)
                .initial_backoff(Duration::from_millis(1))
                .max_backoff(Duration::from_millis(1)),
        )
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
async fn ignored_page_number_ends_list() {
    let server = server_of_pages(|_| {
        r#""count": 1000, "next": "/models/?page=2", "results": [{"id": 1}, {"id": 2}]"#.to_owned()
    })
    .await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).stream();
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_anomaly(), Some(&ListAnomaly::OutOfOrder { page: 2, next: 2 }));
    assert!(models.next().await.is_none());

    // A server that always returns the same page, but increments the page number: detected at the end of the
    // count.
    let counting = |page: u64| {
        format!(r#""count": 4, "next": "/models/?page={}", "results": [{{"id": 1}}, {{"id": 2}}]"#, page + 1)
    };
    let server = server_of_pages(counting).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().stream();
    for id in [1, 2, 1, 2] {
        assert_eq!(id_of(&mut models).await, id);
    }
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_anomaly(), Some(&ListAnomaly::BeyondCount { page: 3, count: 4 }));
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).stream();
    let error = loop {
        if let Err(error) = models.next().await.unwrap() {
            break error;
        }
    };
    assert!(matches!(error.list_anomaly(), Some(ListAnomaly::Endless { .. })), "{error}");
}

#[tokio::test]
async fn backward_or_skipping_next_ends_list() {
    for (next, event) in [
        ("/models/?page=1", ListAnomaly::OutOfOrder { page: 2, next: 1 }),
        ("/models/?page=2", ListAnomaly::OutOfOrder { page: 2, next: 2 }),
        ("/models/?page=7", ListAnomaly::OutOfOrder { page: 2, next: 7 }),
    ] {
        let server = server_of_pages(move |page| {
            let next = if page == 1 { "/models/?page=2" } else { next };
            format!(r#""count": 100, "next": "{next}", "results": [{{"id": {page}0}}, {{"id": {page}1}}]"#)
        })
        .await;
        for policy in [ListPolicy::Strict, ListPolicy::Lenient] {
            let client = server::client_of(&server);
            let mut models = client.list_models().list_all_as::<Id>().policy(policy).concurrency(1).stream();
            for id in [10, 11] {
                assert_eq!(id_of(&mut models).await, id);
            }
            let error = models.next().await.unwrap().failure();
            assert_eq!((error.kind(), error.list_anomaly()), (ErrorKind::Pagination, Some(&event)));
            assert!(models.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn circular_cursors_end_list() {
    let server = server::start().await;
    let page = |request: &Request| {
        let pairs: HashMap<_, _> = request.url.query_pairs().into_owned().collect();
        let cursor: u64 = pairs.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let next = if cursor == 3 { 1 } else { cursor + 1 };
        server::json(200, format!(r#"{{"next": "/models/?cursor={next}", "results": [{{"id": {cursor}}}]}}"#))
    };
    Mock::given(any()).respond_with(page).mount(&server).await;
    let mut models = server::client_of(&server).list_models().list_all_as::<Id>().stream();
    for id in 0..4 {
        assert_eq!(id_of(&mut models).await, id);
    }
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_anomaly(), Some(&ListAnomaly::Loop { page: 4 }));
    assert_eq!(server::requests(&server).await.len(), 4);
}

#[tokio::test]
async fn missing_items_reported_at_list_end() {
    let server =
        server_of_pages(|_| r#""count": 3, "next": null, "results": [{"id": 1}, {"id": 2}]"#.to_owned())
            .await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().stream();
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    let error = models.next().await.unwrap().failure();
    assert_eq!(error.list_anomaly(), Some(&ListAnomaly::Fewer { promised: 3, items: 2 }));
    assert!(error.to_string().contains("the list ended after 2 of 3 expected items"), "{error}");
    let mut models = client.list_models().list_all_as::<Id>().policy(ListPolicy::Lenient).stream();
    assert_eq!((id_of(&mut models).await, id_of(&mut models).await), (1, 2));
    assert!(models.next().await.is_none());
    assert_eq!(models.report().anomalies, [ListAnomaly::Fewer { promised: 3, items: 2 }]);
    assert!(!models.report().is_complete());
}

#[tokio::test]
async fn error_page_keeps_checkpoint() {
    let (backend, client) = start(backend().ground_truth_events(50)).await;
    let list = || {
        client
            .list_ground_truth_events()
            .params(|p| p.page_size(10))
            .max_retries(0)
            .list_all_as::<Id>()
            .concurrency(3)
    };
    let third = |parts: &synapse_test_backend::http::request::Parts| {
        parts.uri.query().is_some_and(|query| query.ends_with("page=3"))
    };
    backend.inject(Fault::proxy_page(502).when(third));
    let mut events = list().stream();
    let mut ids = Vec::new();
    let error = loop {
        match events.next().await.unwrap() {
            Ok(event) => ids.push(event.id),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().starts_with("page 3: "), "{error}");
    assert_eq!((error.status().unwrap().as_u16(), ids.len()), (502, 20));
    let mut rest = list().resume(events.checkpoint()).stream();
    while let Some(event) = rest.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!(ids, ids_page_by_page(&client, 10).await);
}

#[tokio::test]
async fn checkpoint_keeps_cursor_hides_secret() {
    let (backend, client) = start(backend().ground_truth_events(250).cursor_pagination(true)).await;
    let mut events = client.list_ground_truth_events().list_all_as::<Id>().stream();
    let mut ids = Vec::new();
    for _ in 0..150 {
        ids.push(events.next().await.unwrap().unwrap().id);
    }
    let checkpoint = events.checkpoint();
    let text = serde_json::to_string(&checkpoint).unwrap();
    assert!(text.contains("cursor="), "{text}");
    assert!(!format!("{checkpoint:?}").contains("cursor="), "{checkpoint:?}");
    let mut rest = client
        .list_ground_truth_events()
        .list_all_as::<Id>()
        .resume(serde_json::from_str(&text).unwrap())
        .stream();
    while let Some(event) = rest.next().await {
        ids.push(event.unwrap().id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 250);
    assert!(rest.checkpoint().is_end());
    // A list that was read to its end sends no request when it is resumed.
    let mut again = client.list_ground_truth_events().list_all_as::<Id>().resume(rest.checkpoint()).stream();
    assert!(again.next().await.is_none());
    // A checkpoint contains no host, and a link to one isn't followed.
    assert!(!text.contains("http"), "{text}");
    let own = format!("{}/sdk/ground_truth_events/?cursor=x", backend.url());
    for link in [
        "http://elsewhere.example/sdk/ground_truth_events/?cursor=x",
        &own,
        "/models/?cursor=x",
        "//elsewhere.example/sdk/ground_truth_events/?cursor=x",
        "no URL",
    ] {
        let mut value = serde_json::to_value(&checkpoint).unwrap();
        value["at"]["link"]["url"] = link.into();
        let mut list = client
            .list_ground_truth_events()
            .list_all_as::<Id>()
            .resume(serde_json::from_value(value).unwrap())
            .stream();
        let error = list.next().await.unwrap().failure();
        assert!(error.is_invalid_input() && error.to_string().contains("its link"), "{error}");
    }
}

/// Starts a server with a page for each page number. `page` returns the page's JSON without the outer braces.
async fn server_of_pages(page: impl Fn(u64) -> String + Send + Sync + 'static) -> MockServer {
    server_of_responses(move |number| server::json(200, format!("{{{}}}", page(number)))).await
}

/// Starts a server with a response for each page number.
async fn server_of_responses(
    response: impl Fn(u64) -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    let server = server::start().await;
    let response = move |request: &Request| {
        response(
            request
                .url
                .query_pairs()
                .find(|(name, _)| name == "page")
                .map_or(1, |(_, value)| value.parse().unwrap()),
        )
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

/// Returns page `number` of these, without the outer braces. A negative item can't be decoded.
fn page_of(pages: &[&[i64]], number: u64, count: u64) -> String {
    let next = if number < pages.len() as u64 {
        format!("\"/models/?page={}\"", number + 1)
    } else {
        "null".to_owned()
    };
    let item = |id: &i64| if *id < 0 { r#"{"id": null}"#.to_owned() } else { format!(r#"{{"id": {id}}}"#) };
    let items: Vec<_> = pages[number as usize - 1].iter().map(item).collect();
    format!(r#""count": {count}, "next": {next}, "results": [{}]"#, items.join(", "))
}

/// Starts a server with a list of these pages and the right count.
async fn list_of(pages: &'static [&'static [i64]]) -> (MockServer, BackendClient) {
    let count = pages.iter().map(|page| page.len() as u64).sum();
    let server = server_of_pages(move |number| page_of(pages, number, count)).await;
    let client = server::client_of(&server);
    (server, client)
}

/// Starts a server with a list of these pages, the right count, and a 404 after the last page.
async fn list_of_pages(pages: Vec<Vec<i64>>) -> (MockServer, BackendClient) {
    let count = pages.iter().map(|page| page.len() as u64).sum();
    let server = server_of_responses(move |number| {
        let pages: Vec<&[i64]> = pages.iter().map(Vec::as_slice).collect();
        match number as usize > pages.len() {
            true => server::json(404, r#"{"detail": "Invalid page."}"#.to_owned()),
            false => server::json(200, format!("{{{}}}", page_of(&pages, number, count))),
        }
    })
    .await;
    let client = server::client_of(&server);
    (server, client)
}

/// Returns the checkpoint as another process would read it.
fn sent_over(checkpoint: &Checkpoint) -> Checkpoint {
    serde_json::from_str(&serde_json::to_string(checkpoint).unwrap()).unwrap()
}

async fn id_of(list: &mut ListStream<Id>) -> i64 {
    list.next().await.unwrap().unwrap().id
}
