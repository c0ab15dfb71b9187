//! Every list of the document, read to its end: in pages and by cursors, resumed, with repeated items and failing pages,
//! and with the URLs of its files converted. Lists are taken from `raw::LISTS`, so none is left out.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use synapse_backend_client::raw::LISTS;
use synapse_backend_client::{
    BackendClient, Call, Checkpoint, ListOperation, ListPolicy, PagedOperation, RawItem, RetryPolicy,
    ValueKind,
};

use super::{FILES, URLS, cdn};
use crate::support::marker::Failure;
use crate::support::tcp_server::{Act, Server, json};

/// Three pages, as the ids of their items.
type Pages = [&'static [u64]; 3];

const PLAIN: Pages = [&[1, 2], &[3, 4], &[5, 6]];

#[derive(Clone, Copy, PartialEq)]
enum Links {
    Numbers,
    Cursors,
}

/// Returns an item. It has what any list requires of its items.
fn item(id: u64) -> String {
    format!(r#"{{"id": {id}, "pgh_id": {id}, "name": "n", "model_type": "detection", "rate": 1.50}}"#)
}

fn value_of<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(given, _)| *given == name)
        .map(|pair| pair.1)
}

/// Starts a server of these pages at every path. `failing` is the number of a page that fails.
async fn serve(pages: Pages, links: Links, failing: Option<usize>) -> (Server, BackendClient) {
    let server = Server::with(move |which| {
        let target = which.line.strip_prefix("GET ").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let name = if links == Links::Numbers { "page" } else { "cursor" };
        let page: usize = value_of(query, name).map_or(1, |number| number.parse().unwrap());
        if failing == Some(page) {
            return Act::Keep(json(500, r#"{"detail": "a fault"}"#));
        }
        let host = which.seen.header("host").unwrap();
        // As in Django REST Framework, a link keeps the other parameters.
        let kept: String = query
            .split('&')
            .filter(|pair| pair.contains('=') && !pair.starts_with(&format!("{name}=")))
            .fold(String::new(), |kept, pair| kept + pair + "&");
        let next = match page < pages.len() {
            true => format!(r#""http://{host}{path}?{kept}{name}={}""#, page + 1),
            false => "null".to_owned(),
        };
        let count: usize = pages.iter().map(|page| page.len()).sum();
        let count = if links == Links::Numbers { format!(r#""count": {count}, "#) } else { String::new() };
        let items: Vec<String> = pages[page - 1].iter().map(|id| item(*id)).collect();
        let items = items.join(", ");
        Act::Keep(json(200, format!(r#"{{{count}"next": {next}, "previous": null, "results": [{items}]}}"#)))
    });
    let server = server.await;
    let client = BackendClient::builder(&server.url).retry(RetryPolicy::never()).build().unwrap();
    (server, client)
}

fn id_of(item: &RawItem) -> u64 {
    item.decode::<Value>().unwrap()["id"].as_u64().unwrap()
}

fn ids(items: &[RawItem]) -> Vec<u64> {
    items.iter().map(id_of).collect()
}

/// Returns the items of a list that are read before it ends or fails.
async fn read(stream: &mut synapse_backend_client::ListStream<RawItem>) -> (Vec<u64>, Option<String>) {
    let mut ids = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => ids.push(id_of(&item)),
            error @ Err(_) => return (ids, Some(error.failure().to_string())),
        }
    }
    (ids, None)
}

const NO_PARAMETERS: [(&str, &str); 0] = [];

/// Returns the requests for all pages of a list, in the order of the pages.
fn lines(list: &ListOperation) -> Vec<String> {
    let pages = ["", "&page=2", "&page=3"];
    pages.map(|page| format!("GET {}?page_size=2{page}", list.path())).into()
}

#[tokio::test]
async fn each_list_is_read_page_by_page() {
    assert!(LISTS.len() >= 21, "{}", LISTS.len());
    for list in LISTS {
        for concurrency in [1, 4] {
            let (server, client) = serve(PLAIN, Links::Numbers, None).await;
            let mut stream = client.list(list, [("page_size", "2")]).concurrency(concurrency).stream();
            let first = stream.next().await.unwrap().unwrap();
            assert_eq!(first.as_str(), item(1), "{}", list.id());
            assert_eq!(stream.total(), Some(6), "{}", list.id());
            assert_eq!(read(&mut stream).await, (vec![2, 3, 4, 5, 6], None), "{}", list.id());
            let report = stream.report();
            assert!(report.is_complete(), "{}: {report}", list.id());
            assert_eq!(report.identity.as_deref(), list.identity().first().copied(), "{}", list.id());
            // Pages that are fetched at the same time arrive in any order.
            let mut asked = server.lines();
            asked.sort();
            let mut expected = lines(list);
            expected.sort();
            assert_eq!(asked, expected);
        }
    }
}

#[tokio::test]
async fn each_list_is_read_by_cursors() {
    let (server, client) = serve(PLAIN, Links::Cursors, None).await;
    let mut sent = 0;
    for list in LISTS {
        let mut stream = client.list(list, [("page_size", "2")]).stream();
        assert_eq!(read(&mut stream).await, (vec![1, 2, 3, 4, 5, 6], None), "{}", list.id());
        assert_eq!((stream.total(), stream.report().is_complete()), (None, true));
        let expected = ["", "&cursor=2", "&cursor=3"];
        let expected = expected.map(|page| format!("GET {}?page_size=2{page}", list.path()));
        assert_eq!(server.lines().split_off(sent), expected);
        sent += 3;
    }
}

#[tokio::test]
async fn each_list_resumes_at_checkpoint() {
    for links in [Links::Numbers, Links::Cursors] {
        let (server, client) = serve(PLAIN, links, None).await;
        for list in LISTS {
            let mut stream = client.list(list, NO_PARAMETERS).concurrency(1).stream();
            for id in 1..=3 {
                assert_eq!(id_of(&stream.next().await.unwrap().unwrap()), id, "{}", list.id());
            }
            let stored = serde_json::to_string(&stream.checkpoint()).unwrap();
            drop(stream);
            let before = server.lines().len();
            let checkpoint: Checkpoint = serde_json::from_str(&stored).unwrap();
            let mut rest = client.list(list, NO_PARAMETERS).resume(checkpoint.clone()).stream();
            assert_eq!(read(&mut rest).await, (vec![4, 5, 6], None), "{}", list.id());
            assert!(rest.checkpoint().is_end());
            // The first page isn't requested again, and no other list is resumed.
            let asked = server.lines().split_off(before);
            assert!(asked.iter().all(|line| line.contains("=2") || line.contains("=3")), "{asked:?}");
            let others = LISTS.iter().find(|other| other.id() != list.id()).unwrap();
            let mut other = client.list(others, NO_PARAMETERS).resume(checkpoint).stream();
            assert!(other.next().await.unwrap().failure().is_invalid_input(), "{}", list.id());
        }
    }
}

#[tokio::test]
async fn each_list_drops_repeated_items() {
    let pages: Pages = [&[1, 2], &[2, 3], &[4, 5]];
    let (_server, client) = serve(pages, Links::Numbers, None).await;
    for list in LISTS {
        let all = client.list(list, NO_PARAMETERS).policy(ListPolicy::Lenient).deduplicate(true);
        let mut stream = all.clone().stream();
        let expected = match list.identity().is_empty() {
            true => (vec![1, 2, 2, 3, 4, 5], 0),
            false => (vec![1, 2, 3, 4, 5], 1),
        };
        let found = read(&mut stream).await;
        assert_eq!((found.0, stream.report().duplicates), expected, "{}", list.id());
        let mut stream = all.identity(["id"]).stream();
        assert_eq!(read(&mut stream).await.0, [1, 2, 3, 4, 5], "{}", list.id());
        assert_eq!((stream.report().duplicates, stream.report().identity.as_deref()), (1, Some("id")));
    }
}

#[tokio::test]
async fn each_list_reports_a_failing_page() {
    let (_server, client) = serve(PLAIN, Links::Numbers, Some(2)).await;
    let (_sound, sound) = serve(PLAIN, Links::Numbers, None).await;
    for list in LISTS {
        let mut stream = client.list(list, NO_PARAMETERS).stream();
        let (ids, error) = read(&mut stream).await;
        assert_eq!(ids, [1, 2], "{}", list.id());
        let error = error.unwrap();
        assert!(error.contains(list.id()) && error.contains("500"), "{error}");
        // The page that failed is read, once the server is well.
        let mut rest = sound.list(list, NO_PARAMETERS).resume(stream.checkpoint()).stream();
        assert_eq!(read(&mut rest).await, (vec![3, 4, 5, 6], None), "{}", list.id());

        let mut stream = client.list(list, NO_PARAMETERS).skip_failed_pages(true).stream();
        assert_eq!(read(&mut stream).await, (vec![1, 2, 5, 6], None), "{}", list.id());
        let failures = &stream.report().page_failures;
        assert_eq!(failures.iter().map(|failure| failure.page).collect::<Vec<_>>(), [2], "{}", list.id());
        assert!(!stream.report().is_complete());
    }
}

#[tokio::test]
async fn each_list_stops_at_its_limit() {
    let (server, client) = serve(PLAIN, Links::Numbers, None).await;
    for list in LISTS {
        for (limit, pages) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            let before = server.count();
            let all: Vec<RawItem> =
                client.list(list, NO_PARAMETERS).limit(limit).try_collect().await.unwrap();
            assert_eq!(ids(&all), (1..=limit).collect::<Vec<_>>(), "{}", list.id());
            assert_eq!(server.count() - before, pages, "{}: {limit}", list.id());
        }
    }
}

#[test]
fn each_identity_is_a_field_of_the_items() {
    for list in LISTS {
        let fields: Vec<&str> = list.fields().iter().map(|field| field.name).collect();
        for identity in list.identity() {
            assert!(fields.contains(identity), "{}: {identity}", list.id());
        }
        // Only the events that repeat their ids have none.
        let none = list.path().contains("/ground_truth_events/data/")
            || list.path().contains("/ground_truth_events/files/");
        assert_eq!(list.identity().is_empty(), none, "{}", list.id());
    }
}

// ---- lists by their methods

/// Runs a check for each list's method, and asserts that no list of the document is left out.
macro_rules! for_each_method {
    ($check:ident) => {
        for_each_method!(@ $check, list_agents list_assignments list_assignments_data list_assignments_files
            list_data_collections list_data_units list_ground_truth_events list_ground_truth_events_data
            list_ground_truth_events_files list_ground_truth_versions list_ground_truths list_jobs list_models
            list_plugin_releases list_plugins list_serve_applications list_storages list_task_tags list_tasks
            list_tasks_data list_tasks_files)
    };
    (@ $check:ident, $($method:ident)+) => {{
        $(Box::pin($check(operation(stringify!($method)), |client: &BackendClient| client.$method())).await;)+
        let checked = BTreeSet::from([$(stringify!($method)),+]);
        assert_eq!(checked, LISTS.iter().map(|list| list.id()).collect::<BTreeSet<_>>());
    }};
}

fn operation(id: &str) -> &'static ListOperation {
    LISTS.iter().find(|list| list.id() == id).unwrap_or_else(|| panic!("{id} is no list"))
}

async fn check_typed_items<O>(list: &ListOperation, call: impl Fn(&BackendClient) -> Call<O>)
where
    O: PagedOperation,
    O::Item: Serialize,
{
    for links in [Links::Numbers, Links::Cursors] {
        let (_server, client) = serve(PLAIN, links, None).await;
        assert_typed_items(list, || call(&client)).await;
    }
}

async fn assert_typed_items<O>(list: &ListOperation, call: impl Fn() -> Call<O>)
where
    O: PagedOperation,
    O::Item: Serialize,
{
    let ids_of = |items: Vec<O::Item>| -> Vec<Value> {
        items.iter().map(|item| serde_json::to_value(item).unwrap()["id"].clone()).collect()
    };
    let all: Vec<O::Item> = call().list_all().try_collect().await.unwrap();
    assert_eq!(ids_of(all), [1, 2, 3, 4, 5, 6], "{}", list.id());
    let all: Vec<O::Item> = call().list_all().concurrency(1).limit(3).try_collect().await.unwrap();
    assert_eq!(ids_of(all), [1, 2, 3], "{}", list.id());
    let mut pages = call().list_all().pages();
    for number in 1..=3 {
        let page = pages.next().await.unwrap().unwrap();
        assert_eq!((page.number, page.items.len()), (number, 2), "{}", list.id());
    }
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn each_list_yields_typed_items() {
    for_each_method!(check_typed_items);
}

/// Returns the paths of a list's files, and whether each is one URL.
fn file_paths(list: &ListOperation) -> Vec<(String, bool)> {
    let mut paths = Vec::new();
    for field in list.fields() {
        match (field.name, field.kind) {
            ("file", ValueKind::Text) => paths.push((field.name.to_owned(), true)),
            ("file" | "files" | "files_manifest", _) => paths.push((field.name.to_owned(), false)),
            ("data_unit", ValueKind::IdOrObject) => paths.push(("data_unit.files".to_owned(), false)),
            _ => {}
        }
    }
    paths
}

async fn check_conversions<O>(list: &ListOperation, call: impl Fn(&BackendClient) -> Call<O>)
where
    O: PagedOperation,
    O::Item: Serialize,
{
    for (path, is_url) in file_paths(list) {
        let shapes: &[(&str, &str)] = if is_url { &URLS } else { &FILES };
        for (given, expected) in shapes {
            let with = |id: u64, value: &str| {
                let value = match path.split_once('.') {
                    Some((field, inner)) => format!(r#""{field}": {{"id": 7, "{inner}": {value}}}"#),
                    None => format!(r#""{path}": {value}"#),
                };
                format!(r#"{}, {value}}}"#, item(id).trim_end_matches('}'))
            };
            let texts = [1, 2, 3].map(|id| with(id, given));
            let server = Server::with(move |which| {
                let host = which.seen.header("host").unwrap();
                let page = which.line.split_once("page=").map_or(1, |(_, number)| number.parse().unwrap());
                let path = which.line.strip_prefix("GET ").unwrap().split('?').next().unwrap();
                let next = match page {
                    3 => "null".to_owned(),
                    _ => format!(r#""http://{host}{path}?page={}""#, page + 1),
                };
                Act::Keep(json(
                    200,
                    format!(r#"{{"count": 3, "next": {next}, "results": [{}]}}"#, texts[page - 1]),
                ))
            });
            let server = server.await;
            let client = BackendClient::builder(&server.url).retry(RetryPolicy::never()).build().unwrap();
            let convert = || call(&client).url_conversion(path.as_str(), cdn);
            let raw: Vec<RawItem> = convert().list_all_raw().try_collect().await.unwrap();
            let raw: Vec<&str> = raw.iter().map(RawItem::as_str).collect();
            assert_eq!(raw, [1, 2, 3].map(|id| with(id, expected)), "{} {path}", list.id());
            let typed: Vec<O::Item> = convert().list_all().try_collect().await.unwrap();
            for (item, id) in typed.iter().zip(1..) {
                let expected: Value = serde_json::from_str(&with(id, expected)).unwrap();
                let field = path.split('.').next().unwrap();
                assert_eq!(serde_json::to_value(item).unwrap()[field], expected[field], "{}", list.id());
            }
            assert_eq!(typed.len(), 3);
        }
    }
}

#[tokio::test]
async fn each_list_converts_urls_of_its_files() {
    for_each_method!(check_conversions);
    let lists = LISTS.iter().filter(|list| !file_paths(list).is_empty());
    let lists: BTreeSet<&str> = lists.map(|list| list.id()).collect();
    let expected = [
        "list_assignments",
        "list_assignments_files",
        "list_data_units",
        "list_ground_truth_events",
        "list_ground_truth_events_files",
        "list_ground_truths",
        "list_models",
        "list_plugin_releases",
        "list_tasks",
        "list_tasks_files",
    ];
    assert_eq!(lists, BTreeSet::from(expected));
}
