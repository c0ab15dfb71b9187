//! A list's request before it is begun: its copies, its invalid parameters, its parts, and a request of any
//! path as a list.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::ids::{Id, ids_of};
use crate::support::marker::Failure;
use crate::support::server;
use futures_core::Stream as _;
use serde::Deserialize;
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::{BackendClient, Json, ListAnomaly, ListPart, ListPolicy, RawBody, RawItem};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

#[derive(Debug, Deserialize)]
struct Entry {
    id: i64,
    file: String,
}

/// Starts a server with a list of this many items at every path, two items a page.
async fn list_of(items: u64) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let response = move |request: &Request| {
        let page: u64 = request
            .url
            .query_pairs()
            .find(|(name, _)| name == "page")
            .map_or(1, |(_, value)| value.parse().unwrap());
        let ids = 2 * page - 1..=items.min(2 * page);
        let results: Vec<_> = ids.map(|id| format!(r#"{{"id": {id}, "file": "/media/{id}"}}"#)).collect();
        let next = match 2 * page < items {
            true => format!("\"{}?page={}\"", request.url.path(), page + 1),
            false => "null".to_owned(),
        };
        let results = results.join(", ");
        server::json(200, format!(r#"{{"count": {items}, "next": {next}, "results": [{results}]}}"#))
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

/// Returns the requests in alphabetical order.
async fn sorted_lines(server: &MockServer) -> Vec<String> {
    let mut lines = server::lines(server).await;
    lines.sort_unstable();
    lines
}

// ---- copies

#[tokio::test]
async fn cloned_list_gives_same_items() {
    let (server, client) = list_of(5).await;
    let list = client.list_models().list_all_as::<Id>().concurrency(1).limit(4);
    drop(client);
    let (mut first, mut second) = (list.clone().stream(), list.clone().stream());
    server::assert_nothing_sent(&server).await;
    // The two streams are read in turn.
    for id in 1..=4 {
        assert_eq!(first.next().await.unwrap().unwrap().id, id);
        assert_eq!(second.next().await.unwrap().unwrap().id, id);
    }
    assert!(first.next().await.is_none() && second.next().await.is_none());
    assert_eq!(server::requests(&server).await.len(), 4);
    // Options that are set on a copy don't change the others.
    let (ids, error) = ids_of(&mut list.clone().limit(1).stream()).await;
    assert!(error.is_none() && ids == [1], "{error:?}");
    let collected: Vec<Id> = list.clone().try_collect().await.unwrap();
    let pages = list.pages().next().await.unwrap().unwrap();
    assert_eq!((collected.len(), pages.items.len()), (4, 2));
}

#[tokio::test]
async fn invalid_parameter_is_first_item() {
    let (server, client) = list_of(5).await;
    let list = client.list_models().params(|p| p.project(u64::MAX)).list_all_as::<Id>();
    let mut models = list.clone().stream();
    assert_ne!(models.size_hint().1, Some(0));
    let error = models.next().await.unwrap().failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`project`"), "{error}");
    assert!(models.next().await.is_none());
    assert_eq!(models.size_hint(), (0, Some(0)));
    let errors = [
        list.clone().stream().next().await.unwrap().failure(),
        list.clone().pages().next().await.unwrap().failure(),
        list.clone().try_collect::<Vec<_>>().await.failure(),
        list.clone().partitions(2).await.failure(),
        // The parameter is reported, and not the checkpoint of another query.
        list.resume(client.list_models().list_all().stream().checkpoint())
            .stream()
            .next()
            .await
            .unwrap()
            .failure(),
    ];
    for other in errors {
        assert_eq!(other.to_string(), error.to_string());
    }
    server::assert_nothing_sent(&server).await;
}

// ---- parts

#[tokio::test]
async fn first_part_keeps_first_page() {
    let (server, client) = list_of(9).await;
    let converted = Arc::new(AtomicUsize::new(0));
    let counting = converted.clone();
    let list = client
        .list_models()
        .url_conversion("file", move |file| {
            counting.fetch_add(1, Ordering::Relaxed);
            format!("cdn:{file}")
        })
        .list_all_as::<Entry>();
    let parts = list.partitions(2).await.unwrap();
    assert_eq!(server::lines(&server).await, ["GET /models/"]);
    assert_eq!(converted.load(Ordering::Relaxed), 0);
    let mut lists: Vec<_> = parts.into_iter().map(ListPart::list).collect();
    let again = lists[0].clone();
    let mut entries: Vec<Entry> = Vec::new();
    for list in lists.drain(..) {
        entries.extend(list.try_collect::<Vec<_>>().await.unwrap());
    }
    let files: Vec<_> = entries.iter().map(|entry| entry.file.as_str()).collect();
    assert_eq!(files, (1..=9).map(|id| format!("cdn:/media/{id}")).collect::<Vec<_>>());
    assert_eq!(converted.load(Ordering::Relaxed), 9);
    let each =
        |pages: &[u64]| pages.iter().map(|page| format!("GET /models/?page={page}")).collect::<Vec<_>>();
    assert_eq!(sorted_lines(&server).await, [vec!["GET /models/".to_owned()], each(&[2, 3, 4, 5])].concat());
    // The page is kept for one stream. A copy requests it again.
    let entries: Vec<Entry> = again.try_collect().await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(server::lines(&server).await.iter().filter(|line| *line == "GET /models/").count(), 2);
}

#[tokio::test]
async fn part_from_checkpoint_requests_first_page() {
    let (server, client) = list_of(9).await;
    let list = client.list_models().params(|p| p.page(2)).list_all_as::<Id>();
    let part = list.clone().partitions(2).await.unwrap().remove(0);
    let again = list.resume(part.checkpoint().clone());
    for list in [part.list(), again] {
        let (ids, error) = ids_of(&mut list.stream()).await;
        assert!(error.is_none() && ids == [3, 4, 5, 6], "{ids:?} {error:?}");
    }
    let lines = ["GET /models/?page=2", "GET /models/?page=2", "GET /models/?page=3", "GET /models/?page=3"];
    assert_eq!(sorted_lines(&server).await, lines);
}

#[tokio::test]
async fn part_pages_have_no_gap_or_overlap() {
    for (items, first) in [(0, 1), (1, 1), (2, 1), (9, 1), (20, 1), (20, 4), (20, 10)] {
        let (_server, client) = list_of(items).await;
        let list = client.list_models().params(|p| p.page(first)).list_all_as::<Id>();
        let pages = items.div_ceil(2).max(1) - first as u64 + 1;
        for wanted in [1, 2, 3, 4, 100] {
            let parts = list.clone().partitions(wanted).await.unwrap();
            assert_eq!(parts.len() as u64, pages.min(wanted as u64), "{items} {first}");
            let mut next = first as u64;
            let mut ids = Vec::new();
            let last = parts.len() - 1;
            for (index, part) in parts.into_iter().enumerate() {
                assert_eq!(part.first_page(), next);
                assert_eq!(part.last_page().is_none(), index == last);
                let (from, to) = (2 * part.first_page() - 1, part.last_page().map(|page| 2 * page));
                next = part.last_page().map_or(next, |page| page + 1);
                let (read, error) = ids_of(&mut part.list().stream()).await;
                assert!(error.is_none(), "{error:?}");
                // The part has the items of its pages.
                assert_eq!(read, (from as i64..=to.unwrap_or(items) as i64).collect::<Vec<_>>());
                ids.extend(read);
            }
            assert_eq!(ids, (2 * first - 1..=items as i64).collect::<Vec<_>>(), "{items} {first} {wanted}");
        }
    }
}

#[tokio::test]
async fn part_of_cursor_list_keeps_first_page() {
    let server = server::start().await;
    let response = |request: &Request| match request.url.query() {
        None => server::json(200, r#"{"next": "/models/?cursor=x", "results": [{"id": 1}]}"#),
        _ => server::json(200, r#"{"next": null, "results": [{"id": 2}]}"#),
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let mut parts = server::client_of(&server).list_models().list_all_as::<Id>().partitions(4).await.unwrap();
    assert_eq!((parts.len(), parts[0].first_page(), parts[0].last_page()), (1, 1, None));
    let (ids, error) = ids_of(&mut parts.remove(0).list().stream()).await;
    assert!(error.is_none() && ids == [1, 2], "{ids:?} {error:?}");
    assert_eq!(server::lines(&server).await, ["GET /models/", "GET /models/?cursor=x"]);
}

#[tokio::test]
async fn parts_have_the_lists_options() {
    let server = server::start().await;
    // The pages repeat items, and one item can't be decoded.
    let response = |request: &Request| match request.url.query() {
        None => server::json(
            200,
            r#"{"count": 6, "next": "/models/?page=2", "results": [{"id": 1}, {"id": 1}, {"id": null}]}"#,
        ),
        _ => server::json(200, r#"{"count": 6, "next": null, "results": [{"id": 2}, {"id": 2}, {"id": 3}]}"#),
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let list = server::client_of(&server).list_models().list_all_as::<Id>();
    let list = list.policy(ListPolicy::Lenient).deduplicate(true).skip_failed_items(true);
    let parts = list.partitions(2).await.unwrap();
    let mut read = Vec::new();
    for part in parts {
        let mut models = part.list().stream();
        let (ids, error) = ids_of(&mut models).await;
        assert!(error.is_none(), "{error:?}");
        let report = models.report();
        read.push((ids, report.duplicates, report.item_failures.len()));
        assert!(matches!(report.anomalies[..], [ListAnomaly::Fewer { .. }]), "{:?}", report.anomalies);
    }
    assert_eq!(read, [(vec![1], 1, 1), (vec![2, 3], 1, 0)]);
}

// ---- requests of any path

#[tokio::test]
async fn custom_request_lists_every_page() {
    let (server, client) = list_of(5).await;
    let call = || client.request(Method::GET, "/tags/").param("project", 1);
    let values: Vec<Json> = call().list_all().try_collect().await.unwrap();
    assert_eq!(values[4].text(), r#"{"id": 5, "file": "/media/5"}"#);
    let lines = ["GET /tags/?project=1", "GET /tags/?project=1&page=2", "GET /tags/?project=1&page=3"];
    assert_eq!(sorted_lines(&server).await, lines);
    let raw: Vec<RawItem> = call().list_all_raw().try_collect().await.unwrap();
    let converted = call().url_conversion("file", |file| format!("cdn:{file}"));
    let entries: Vec<Entry> = converted.list_all_as().try_collect().await.unwrap();
    let files: Vec<_> = entries.into_iter().map(|entry| entry.file).collect();
    assert_eq!((values.len(), raw.len()), (5, 5));
    assert_eq!(files, (1..=5).map(|id| format!("cdn:/media/{id}")).collect::<Vec<_>>());
    // A checkpoint belongs to one path.
    let mut first = call().list_all_as::<Id>().stream();
    first.next().await.unwrap().unwrap();
    let (ids, error) = ids_of(&mut call().list_all_as().resume(first.checkpoint()).stream()).await;
    assert!(error.is_none() && ids == [2, 3, 4, 5], "{error:?}");
    let other = client.request(Method::GET, "/teams/").param("project", 1).list_all_as::<Id>();
    let error = other.resume(first.checkpoint()).stream().next().await.unwrap().failure();
    assert!(error.to_string().contains("it belongs to another query"), "{error}");
    // The default identity is `id`.
    let mut last = call().list_all_as::<Id>().stream();
    ids_of(&mut last).await;
    assert_eq!(last.report().identity.as_deref(), Some("id"));
}

#[tokio::test]
async fn invalid_custom_list_sends_nothing() {
    let (server, client) = list_of(5).await;
    for call in [
        client.request(Method::POST, "/tags/").params(|p| p.json(&f64::NAN)),
        client.request(Method::PATCH, "/tags/").params(|p| p.body(RawBody::text("text"))),
        client.request(Method::GET, "tags"),
    ] {
        let list = call.list_all();
        let mut tags = list.clone().stream();
        assert!(tags.next().await.unwrap().failure().is_invalid_input());
        assert!(tags.next().await.is_none());
        // An invalid request is an error even if no item is wanted.
        assert!(list.clone().limit(0).stream().next().await.unwrap().failure().is_invalid_input());
        assert!(list.clone().try_collect::<Vec<_>>().await.failure().is_invalid_input());
        assert!(list.partitions(2).await.failure().is_invalid_input());
    }
    // All problems are told together.
    let call = client.request(Method::PUT, "tags/../?a").params(|p| p.json(&f64::NAN));
    let error = call.list_all().stream().next().await.unwrap().failure().to_string();
    for problem in [
        "not by PUT: ",
        "NaN is not a JSON number",
        "doesn't start with `/`",
        "contains a `?`",
        "a `.` or `..` segment",
    ] {
        assert!(error.contains(problem), "{error}");
    }
    let call = client.request(Method::PUT, "tags").params(|p| p.json(&f64::NAN));
    let error = call.await.failure().to_string();
    assert!(error.contains("doesn't start with `/`; NaN is not a JSON number"), "{error}");
    server::assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn resumed_or_limited_list_isnt_split() {
    let (server, client) = list_of(9).await;
    let list = client.list_models().list_all_as::<Id>();
    let checkpoint = list.clone().stream().checkpoint();
    for (list, message) in [
        (list.clone().resume(checkpoint), "begins at a checkpoint"),
        (list.clone().limit(3), "`limit` is set"),
    ] {
        let error = list.partitions(2).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains(message), "{error}");
    }
    server::assert_nothing_sent(&server).await;
    // A part is not split again: it is a range of the list.
    let part = list.partitions(2).await.unwrap().remove(0);
    let error = part.list().partitions(2).await.failure();
    assert!(error.to_string().contains("begins at a checkpoint"), "{error}");
}

#[tokio::test]
async fn part_resumed_at_other_place_requests() {
    let server = server::start().await;
    let response = |request: &Request| {
        let of_a = request.url.query_pairs().any(|(name, value)| name == "cursor" && value == "a");
        let id = if of_a { 1 } else { 2 };
        server::json(200, format!(r#"{{"next": null, "results": [{{"id": {id}}}]}}"#))
    };
    Mock::given(any()).respond_with(response).mount(&server).await;
    let client = server::client_of(&server);
    let at = |cursor: &str| client.list_models().param("cursor", cursor).list_all_as::<Id>();
    let other = at("b").stream().checkpoint();
    let part = at("a").partitions(2).await.unwrap().remove(0);
    let (ids, error) = ids_of(&mut part.list().resume(other).stream()).await;
    assert!(error.is_none() && ids == [2], "{ids:?} {error:?}");
}

#[tokio::test]
async fn pages_iterate_by_value_and_reference() {
    let (_server, client) = list_of(3).await;
    let mut pages = client.list_models().list_all_as::<Id>().pages();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let by_reference: Vec<i64> = (&page).into_iter().map(|item| item.id).collect();
        let by_value: Vec<i64> = page.into_iter().map(|item| item.id).collect();
        assert_eq!(by_reference, by_value);
        ids.extend(by_value);
    }
    assert_eq!(ids, [1, 2, 3]);
}
