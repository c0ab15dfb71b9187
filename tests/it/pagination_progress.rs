//! Endless lists end with an error after a bounded number of requests, and pages have bounded costs.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::ids::{Id, ids_of};
use crate::support::marker::{Failure, MARKER, TOKEN, secret};
use crate::support::server;
use serde::{Deserialize, Deserializer};
use synapse_backend_client::{
    BackendClient, ErrorKind, ListAnomaly, ListPolicy, ListStream, RawItem, RetryPolicy,
};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The number of consecutive pages without a new item that ends a list.
const STALLED: usize = 100;

/// Starts a server with a response for each number in the parameter `page` or `cursor`.
async fn serving(
    response: impl Fn(u64) -> ResponseTemplate + Send + Sync + 'static,
) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let response = move |request: &Request| {
        let mut pairs = request.url.query_pairs();
        response(
            pairs
                .find(|(name, _)| name == "page" || name == "cursor")
                .map_or(1, |(_, value)| value.parse().unwrap()),
        )
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let builder = BackendClient::builder(server.uri()).retry(RetryPolicy::never());
    let client = builder.build().unwrap();
    (server, client)
}

fn cursor_page(number: u64, results: &str) -> ResponseTemplate {
    server::json(200, format!(r#"{{"next": "/models/?cursor={}", "results": [{results}]}}"#, number + 1))
}

fn numbered_page(number: u64, count: u64, results: &str) -> ResponseTemplate {
    let next = format!("/models/?page={}", number + 1);
    server::json(200, format!(r#"{{"count": {count}, "next": "{next}", "results": [{results}]}}"#))
}

/// Asserts that the list ends because it makes no progress, after this number of requests.
async fn assert_endless(
    server: &MockServer,
    list: &mut ListStream<Id>,
    requests: std::ops::RangeInclusive<usize>,
) -> Vec<i64> {
    let (ids, error) = ids_of(list).await;
    let error = error.expect("the list has no end");
    assert!(matches!(error.list_anomaly(), Some(ListAnomaly::Endless { .. })), "{error}");
    assert!(error.to_string().contains("the list makes no progress: 100 pages in a row"), "{error}");
    let asked = server::requests(server).await.len();
    assert!(requests.contains(&asked), "{asked} requests");
    assert!(list.next().await.is_none());
    ids
}

const TWO: &str = r#"{"id": 1}, {"id": 2}"#;

#[tokio::test]
async fn repeated_items_new_cursors_end_list() {
    for deduplicate in [true, false] {
        for policy in [ListPolicy::Complete, ListPolicy::Lenient] {
            let (server, client) = serving(|number| cursor_page(number, TWO)).await;
            let mut models =
                client.list_models().list_all_as::<Id>().deduplicate(deduplicate).policy(policy).stream();
            let ids = assert_endless(&server, &mut models, STALLED + 1..=STALLED + 1).await;
            assert_eq!(ids.len(), if deduplicate { 2 } else { 2 * (STALLED + 1) });
        }
    }
    // Also page by page, and with raw items.
    let (server, client) = serving(|number| cursor_page(number, TWO)).await;
    let mut pages = client.list_models().list_all_raw().deduplicate(true).pages();
    let mut items: Vec<RawItem> = Vec::new();
    let error = loop {
        match pages.next().await.unwrap() {
            Ok(page) => items.extend(page.items),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.list_anomaly(), Some(ListAnomaly::Endless { page: 101 })), "{error}");
    assert_eq!((items.len(), server::requests(&server).await.len()), (2, STALLED + 1));
}

#[tokio::test]
async fn circular_pages_new_cursors_end_list() {
    // Three pages in a cycle. Their items have no identity, and their signatures change.
    let response = |number: u64| {
        cursor_page(number, &format!(r#"{{"data": {}, "url": "/a?sig={number}"}}"#, number % 3))
    };
    let (server, client) = serving(response).await;
    let mut models = client.list_models().list_all_raw().stream();
    let mut yielded = 0;
    let error = loop {
        match models.next().await.unwrap() {
            Ok(_) => yielded += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.list_anomaly(), Some(ListAnomaly::Endless { page: 103 })), "{error}");
    assert_eq!((yielded, server::requests(&server).await.len()), (3 + STALLED, 3 + STALLED));
    assert_eq!(models.report().identity, None);
}

#[tokio::test]
async fn endless_empty_pages_end_list() {
    let (server, client) = serving(|number| cursor_page(number, "")).await;
    let mut models = client.list_models().list_all_as::<Id>().stream();
    assert!(assert_endless(&server, &mut models, STALLED..=STALLED).await.is_empty());
}

#[tokio::test]
async fn endless_failing_items_end_list() {
    for count in [30, 1_000_000_000_000_000] {
        let response = move |number: u64| {
            numbered_page(number, count, &format!(r#"{{"id": "{number}a"}}, {{"id": "{number}b"}}, 0"#))
        };
        let (server, client) = serving(response).await;
        let list =
            client.list_models().list_all_as::<Id>().skip_failed_items(true).policy(ListPolicy::Lenient);
        let mut models = list.concurrency(4).stream();
        let ids = assert_endless(&server, &mut models, STALLED..=STALLED + 6).await;
        assert!(ids.is_empty());
        assert_eq!((models.report().item_failures.len(), models.report().omitted > 100), (100, true));
    }
}

#[tokio::test]
async fn endless_failing_pages_end_list() {
    let response = |number: u64| match number {
        1 => numbered_page(1, 1_000_000_000_000_000, TWO),
        _ => server::json(500, r#"{"detail": "broken"}"#),
    };
    let (server, client) = serving(response).await;
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_pages(true).concurrency(4).stream();
    let (ids, error) = ids_of(&mut models).await;
    let error = error.unwrap();
    assert_eq!((ids, error.list_anomaly()), (vec![1, 2], Some(&ListAnomaly::Endless { page: 101 })));
    assert!(
        error.to_string().contains("the list makes no progress") && error.to_string().contains("broken"),
        "{error}"
    );
    assert_eq!(error.status().map(|status| status.as_u16()), Some(500));
    let asked = server::requests(&server).await.len();
    assert!((STALLED + 1..=STALLED + 6).contains(&asked), "{asked}");
    assert_eq!(models.report().page_failures.len(), STALLED - 1);
}

#[tokio::test]
async fn ignored_page_number_hits_stall_limit() {
    for count in [4, 1_000_000_000_000_000] {
        for identity in [&["id"][..], &[]] {
            for deduplicate in [true, false] {
                let (server, client) = serving(move |number| numbered_page(number, count, TWO)).await;
                let list = client
                    .list_models()
                    .list_all_as::<Id>()
                    .policy(ListPolicy::Lenient)
                    .deduplicate(deduplicate);
                let mut models = list.identity(identity.iter().copied()).concurrency(4).stream();
                assert_endless(&server, &mut models, STALLED + 1..=STALLED + 7).await;
                assert!(!models.report().is_complete());
            }
        }
    }
}

#[tokio::test]
async fn identical_pages_without_ids_allowed() {
    // Pages of items without an identity may repeat ninety times.
    let response = |number: u64| match number {
        92 => server::json(200, r#"{"next": null, "results": [{"data": 2}]}"#),
        number => cursor_page(number, r#"{"data": 1}"#),
    };
    let (_server, client) = serving(response).await;
    let items: Vec<RawItem> =
        client.list_models().list_all_raw().policy(ListPolicy::Strict).try_collect().await.unwrap();
    assert_eq!(items.len(), 92);
}

#[tokio::test]
async fn scattered_failing_pages_continue() {
    // Every second page of 500 fails.
    let response = |number: u64| match number {
        500 => server::json(200, r#"{"count": 500, "next": null, "results": [{"id": 500}]}"#),
        number if number % 2 == 1 && number > 1 => server::json(500, "{}"),
        number => numbered_page(number, 500, &format!(r#"{{"id": {number}}}"#)),
    };
    let (_server, client) = serving(response).await;
    let mut models =
        client.list_models().list_all_as::<Id>().skip_failed_pages(true).skip_failed_items(true).stream();
    let (ids, error) = ids_of(&mut models).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((ids.len(), models.report().page_failures.len(), models.report().omitted), (251, 100, 149));
}

// ---- extreme numbers

#[tokio::test]
async fn extreme_page_numbers_do_not_panic() {
    let most = u64::MAX;
    for count in [0, 3, most] {
        let (_server, client) = serving(move |_| {
            server::json(
                200,
                format!(r#"{{"count": {count}, "next": "/models/?page={most}", "results": [{TWO}]}}"#),
            )
        })
        .await;
        for first in [1, most - 1, most] {
            let list =
                || client.list_models().param("page", first).list_all_as::<Id>().policy(ListPolicy::Lenient);
            let (_, error) = ids_of(&mut list().stream()).await;
            assert!(error.is_some_and(|error| error.list_anomaly().is_some()));
            let mut limited = list().limit(u64::MAX).skip_failed_pages(true).stream();
            ids_of(&mut limited).await;
            let checkpoint = limited.checkpoint();
            ids_of(&mut list().resume(checkpoint).stream()).await;
            let partitions = list().partitions(usize::MAX).await.unwrap();
            assert!((1..=10_000).contains(&partitions.len()));
        }
    }
    let (_server, client) = serving(move |page| numbered_page(page, most, TWO)).await;
    let partitions = client.list_models().list_all().partitions(usize::MAX).await.unwrap();
    assert_eq!(partitions.len(), 10_000);
}

// ---- costs of a page

/// An item that can't be decoded if it is zero. It counts the attempts.
#[derive(Debug)]
struct Tried;

static TRIED: AtomicUsize = AtomicUsize::new(0);

impl<'de> Deserialize<'de> for Tried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TRIED.fetch_add(1, Ordering::Relaxed);
        u64::deserialize(deserializer).and_then(|number| match number {
            0 => Err(serde::de::Error::custom("it is zero")),
            _ => Ok(Tried),
        })
    }
}

#[tokio::test]
async fn failing_page_decoding_is_bounded() {
    const ITEMS: usize = 200_000;
    let zeros = format!(r#"{{"count": {ITEMS}, "next": null, "results": [1{}]}}"#, ",0".repeat(ITEMS - 1));
    let (_server, client) = serving(move |_| server::json(200, &*zeros)).await;
    let mut list = client.list_models().list_all_as::<Tried>().stream();
    list.next().await.unwrap().unwrap();
    let decoded = TRIED.load(Ordering::Relaxed);
    let error = list.next().await.unwrap().failure();
    assert_eq!((error.kind(), error.item_failure().unwrap().index), (ErrorKind::Decode, 1));
    // Each item is decoded a bounded number of times, and no item after the error is decoded.
    assert!(decoded <= ITEMS + 1 && TRIED.load(Ordering::Relaxed) <= decoded + 8, "{decoded}");
    let mut list = client.list_models().list_all_as::<Tried>().skip_failed_items(true).stream();
    list.next().await.unwrap().unwrap();
    let decoded = TRIED.load(Ordering::Relaxed);
    assert!(list.next().await.is_none());
    // The reason is only determined for kept failures.
    assert!(TRIED.load(Ordering::Relaxed) <= decoded + 8 * 100);
    assert_eq!((list.report().item_failures.len(), list.report().omitted), (100, ITEMS as u64 - 101));
}

#[tokio::test]
async fn kept_failures_are_bounded() {
    // Ids, texts and names of one megabyte, with secrets and line breaks.
    let long = "x".repeat(1 << 20);
    let items = [
        format!(r#"{{"id": "\u0007{long}", "pad": "{}"}}"#, secret("one")),
        format!(r#"{{"id": "/a?sig={MARKER}\n", "long": "{long}"}}"#),
        format!(r#"{{"{long}": 1, "id": [1, 2]}}"#),
        format!(r#"{{"id": "{}"}}"#, TOKEN),
    ];
    let page = format!(r#"{{"count": 3, "next": null, "results": [{}]}}"#, items.join(","));
    let (server, _) = serving(move |_| server::json(200, &*page)).await;
    let client = server::client_of(&server);
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_items(true).stream();
    assert!(models.next().await.is_none());
    let failures = &models.report().item_failures;
    assert_eq!(failures.len(), 4);
    for failure in failures {
        let id = failure.id.clone().unwrap_or_default();
        assert!(id.len() <= 110 && !id.contains(MARKER) && !id.contains('\n') && !id.contains(TOKEN), "{id}");
        assert!(!failure.message.contains(MARKER) && !failure.message.contains(TOKEN), "{}", failure.message);
        assert!(
            failure.message.len() <= 510
                && failure.json_path.len() <= 310
                && failure.text().len() <= 64 << 10
        );
        assert!(format!("{failure:?}").len() < 2_000);
    }
    let error = client.list_models().list_all_as::<Id>().stream().next().await.unwrap().failure();
    assert!(error.item_failure().unwrap().text().len() > 1 << 20);
    // The kept texts have a total limit.
    let failing = format!(r#"{{"id": "x", "long": "{}"}}"#, "y".repeat(40_000));
    let page = format!(r#"{{"count": 60, "next": null, "results": [{}]}}"#, vec![failing; 60].join(","));
    let (_server, client) = serving(move |_| server::json(200, &*page)).await;
    let mut models = client.list_models().list_all_as::<Id>().skip_failed_items(true).stream();
    assert!(models.next().await.is_none());
    let report = models.report();
    let kept: usize = report.item_failures.iter().map(|failure| failure.text().len()).sum();
    assert!(kept <= 1 << 20 && kept > 900_000, "{kept}");
    assert_eq!(report.item_failures.len() as u64 + report.omitted, 60);
    // The kept bodies of failed pages have a total limit.
    let response = |number: u64| match number {
        1 => numbered_page(1, 40, r#"{"id": 1}"#),
        _ => server::json(500, format!(r#"{{"detail": "{}"}}"#, "z".repeat(100_000))),
    };
    let (_server, client) = serving(response).await;
    let mut models =
        client.list_models().list_all_as::<Id>().skip_failed_pages(true).policy(ListPolicy::Lenient).stream();
    assert_eq!(ids_of(&mut models).await.0, [1]);
    let report = models.report();
    let kept: usize =
        report.page_failures.iter().map(|failure| failure.error.response().unwrap().body().len()).sum();
    assert!(kept <= 1 << 20 && report.page_failures.len() as u64 + report.omitted == 39, "{kept}");
}

#[tokio::test]
async fn failed_pages_are_skipped_after_resume() {
    let response = |number: u64| match number {
        2 | 3 => server::json(500, "{}"),
        _ => {
            let next =
                if number < 5 { format!("\"/models/?page={}\"", number + 1) } else { "null".to_owned() };
            server::json(200, format!(r#"{{"count": 5, "next": {next}, "results": [{{"id": {number}}}]}}"#))
        }
    };
    let (_server, client) = serving(response).await;
    let list = || {
        client
            .list_models()
            .list_all_as::<Id>()
            .skip_failed_pages(true)
            .policy(ListPolicy::Lenient)
            .concurrency(1)
    };
    let mut models = list().stream();
    models.next().await.unwrap().unwrap();
    let mut resumed = list().resume(models.checkpoint()).stream();
    assert_eq!(ids_of(&mut resumed).await.0, [4, 5]);
    assert_eq!(resumed.report().page_failures.len(), 2);
}

// ---- odd pages

#[tokio::test]
async fn null_results_or_false_next_end_list() {
    for page in [
        r#"{"count": 0, "next": null, "results": null}"#,
        r#"{"count": null, "next": false, "results": []}"#,
        r#"{"next": "", "results": null}"#,
        r#"{"results": null}"#,
    ] {
        let (server, client) = serving(move |_| server::json(200, page)).await;
        let list = || client.list_models();
        let mut models = list().list_all_as::<Id>().policy(ListPolicy::Strict).stream();
        let (ids, error) = ids_of(&mut models).await;
        assert!(ids.is_empty() && error.is_none() && models.report().is_complete(), "{page}: {error:?}");
        assert!(
            list().list_all().stream().next().await.is_none()
                && list().list_all_raw().stream().next().await.is_none()
        );
        assert_eq!(list().list_all().partitions(4).await.unwrap().len(), 1);
        assert_eq!(server::requests(&server).await.len(), 4);
        let page = list().await.unwrap();
        assert!(page.results.is_empty() && page.next.is_none(), "{page:?}");
    }
    for (page, path) in [
        (r#"{"next": true, "results": []}"#, "next"),
        (r#"{"next": 7, "results": []}"#, "next"),
        (r#"{"count": "7", "results": []}"#, "count"),
        (r#"{"count": -7, "results": []}"#, "count"),
        (r#"{"results": {}}"#, "results"),
    ] {
        let (_server, client) = serving(move |_| server::json(200, page)).await;
        let error = client.list_models().list_all_as::<Id>().stream().next().await.unwrap().failure();
        assert_eq!((error.kind(), error.json_path()), (ErrorKind::Decode, Some(path)), "{error}");
    }
}
