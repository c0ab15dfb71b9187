//! Ground truth as specified: the requests that are sent, and the decoded responses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::marker::{Failure, MARKER};
use crate::support::server::{
    self, assert_get, assert_nothing_sent, assert_only_get, json, lines, requests, serving,
};
use synapse_backend_client::raw::builder::{
    ListGroundTruthEvents, ListGroundTruthEventsData, ListGroundTruthEventsFiles, ListGroundTruthVersions,
    ListGroundTruths,
};
use synapse_backend_client::types::{
    GroundTruthEvent, GroundTruthEventPage, GroundTruthVersion, VersionName,
};
use synapse_backend_client::{ErrorKind, Json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const EVENTS: &str = "/sdk/ground_truth_events/";
const VERSIONS: &str = "/ground_truth_dataset_versions/";

const EVENT: &str = r#"{
    "id": 1001, "data": {"label": "보행자", "box": [1.50, 2], "track": 12345678901234567890123}, "data_unit":
    {"id": 31, "meta": {"camera": "front"}, "files": {"image_1": {"url": "/media/a.png", "size": 10}}},
    "ground_truth_dataset_version": 123, "created_at": "2025-01-31T09:00:00+09:00", "metadata": {"reviewed": true},
    "files": {"image_1": "/media/a.png", "image_2": "https://files/b.png?X-Sig=a%2Fb"}
}"#;

fn assert_event(event: &GroundTruthEvent) {
    assert_eq!(event.id, 1001);
    assert_eq!((&event.data["label"], &event.data["box"][0]), (&"보행자".into(), &1.5.into()));
    assert_eq!(
        event.data.text(),
        r#"{"label": "보행자", "box": [1.50, 2], "track": 12345678901234567890123}"#
    );
    assert_eq!((event.data_unit.id(), &event.data_unit["meta"]["camera"]), (Some(31), &"front".into()));
    assert_eq!(event.ground_truth_dataset_version, 123);
    let created_at = event.created_at.as_ref().unwrap();
    assert_eq!(created_at.as_str(), "2025-01-31T09:00:00+09:00");
    assert_eq!(created_at.to_system_time(), Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(1_738_281_600)));
    assert_eq!(event.metadata["reviewed"], true);
    assert_eq!(event.files["image_1"], "/media/a.png");
    assert!(event.extra.is_empty());
}

// ---- list_ground_truth_events

fn page_of_events() -> ResponseTemplate {
    let neighbours = r#""next": "http://127.0.0.1/e/?page=3", "previous": "http://127.0.0.1/e/?page=1""#;
    json(
        200,
        format!(r#"{{"count": 201, {neighbours}, "results": [{EVENT}]}}"#)
            .replace("X-Sig=", &format!("X-Sig={MARKER}")),
    )
}

async fn list(
    set: impl FnOnce(ListGroundTruthEvents) -> ListGroundTruthEvents,
    query: &str,
) -> GroundTruthEventPage {
    let (server, client) = serving("GET", EVENTS, page_of_events()).await;
    let page = client.list_ground_truth_events().params(set).await.unwrap();
    assert_only_get(&server, &format!("{EVENTS}{query}")).await;
    page
}

#[tokio::test]
async fn list_events_decodes_every_field() {
    let page = list(|p| p, "").await;
    assert_eq!(page.count, Some(201));
    assert_eq!(page.next.as_deref(), Some("http://127.0.0.1/e/?page=3"));
    assert_eq!(page.previous.as_deref(), Some("http://127.0.0.1/e/?page=1"));
    assert_eq!(page.results.len(), 1);
    assert_event(&page.results[0]);
}

#[tokio::test]
async fn list_events_filters_by_version() {
    list(|p| p.ground_truth_dataset_versions([123]), "?ground_truth_dataset_versions=123").await;
}

#[tokio::test]
async fn list_events_repeats_version_filter() {
    let query = "?ground_truth_dataset_versions=3&ground_truth_dataset_versions=1&ground_truth_dataset_versions=9223372036854775807";
    list(|p| p.ground_truth_dataset_versions([3, 1, i64::MAX]), query).await;
    list(|p| p.ground_truth_dataset_versions(vec![3, 1, i64::MAX]), query).await;
}

#[tokio::test]
async fn list_events_filters_by_project() {
    list(|p| p.project(123), "?project=123").await;
}

#[tokio::test]
async fn list_events_created_after_every_form() {
    let query = "?created_after=2025-01-31T09%3A00%3A00%2B09%3A00";
    list(|p| p.created_after("2025-01-31T09:00:00+09:00"), query).await;
    list(|p| p.created_after("2025-01-31T09:00:00+09:00".to_owned()), query).await;
    let month_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_281_600_500);
    list(|p| p.created_after(month_ago), "?created_after=2025-01-31T00%3A00%3A00.5Z").await;
    // `isoformat()` in the specification writes no offset.
    list(|p| p.created_after("2025-01-01T12:30:00.123456"), "?created_after=2025-01-01T12%3A30%3A00.123456")
        .await;
}

#[tokio::test]
async fn list_events_filters_by_data_type() {
    list(|p| p.data_type("image"), "?data_type=image").await;
}

#[tokio::test]
async fn list_events_searches_for_any_text() {
    list(|p| p.search("보행자 & co"), "?search=%EB%B3%B4%ED%96%89%EC%9E%90+%26+co").await;
}

#[tokio::test]
async fn list_events_combines_all_filters() {
    list(
        |p| {
            let p = p.ground_truth_dataset_versions([1, 2]).project(5).created_after("2025-01-31").data_type("image");
            p.search("x").page(2).page_size(500).url_host("internal")
        },
        "?created_after=2025-01-31&data_type=image&ground_truth_dataset_versions=1&ground_truth_dataset_versions=2&page=2&\
         page_size=500&project=5&search=x&url_host=internal",
    )
    .await;
}

#[tokio::test]
async fn list_events_takes_custom_filter() {
    let (server, client) = serving("GET", EVENTS, page_of_events()).await;
    let call = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([1, 2]));
    call.param("review_state", "accepted").param_list("ground_truth_dataset_versions", [3, 4]).await.unwrap();
    let query = "?review_state=accepted&ground_truth_dataset_versions=3&ground_truth_dataset_versions=4";
    assert_only_get(&server, &format!("{EVENTS}{query}")).await;
}

#[tokio::test]
async fn list_events_invalid_id_sends_nothing() {
    let (server, client) = serving("GET", EVENTS, page_of_events()).await;
    let error =
        client.list_ground_truth_events().params(|p| p.project(u64::MAX).page_size(-1_i64)).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`project`"), "{error}");
    assert_nothing_sent(&server).await;
}

// ---- list_ground_truth_events: url_conversion

fn cdn(url: &str) -> String {
    format!("https://cdn.example.com{url}")
}

#[tokio::test]
async fn list_events_converts_event_files() {
    let (server, client) = serving("GET", EVENTS, page_of_events()).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorder = seen.clone();
    let call = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123]));
    let page = call.url_conversion("files", move |url| {
        recorder.lock().unwrap().push(url.to_owned());
        cdn(url)
    });
    let page = page.await.unwrap();
    assert_only_get(&server, &format!("{EVENTS}?ground_truth_dataset_versions=123")).await;
    let event = &page.results[0];
    assert_eq!(event.files["image_1"], "https://cdn.example.com/media/a.png");
    assert_eq!(
        event.files["image_2"],
        format!("https://cdn.example.comhttps://files/b.png?X-Sig={MARKER}a%2Fb")
    );
    assert_eq!(
        *seen.lock().unwrap(),
        ["/media/a.png".to_owned(), format!("https://files/b.png?X-Sig={MARKER}a%2Fb")]
    );
    // Nothing else changed.
    assert_eq!(event.data_unit["files"]["image_1"]["url"], "/media/a.png");
    assert_eq!(
        event.data.text(),
        r#"{"label": "보행자", "box": [1.50, 2], "track": 12345678901234567890123}"#
    );
    assert_eq!(page.count, Some(201));
}

#[tokio::test]
async fn list_events_converts_data_unit_files() {
    let (server, client) = serving("GET", EVENTS, page_of_events()).await;
    let page = client.list_ground_truth_events().url_conversion("data_unit.files", cdn).await.unwrap();
    assert_only_get(&server, EVENTS).await;
    let event = &page.results[0];
    assert_eq!(event.data_unit["files"]["image_1"]["url"], "https://cdn.example.com/media/a.png");
    assert_eq!(event.data_unit["files"]["image_1"]["size"], 10);
    assert_eq!(event.data_unit["meta"]["camera"], "front");
    assert_eq!(event.files["image_1"], "/media/a.png");
}

#[tokio::test]
async fn several_fields_converted_separately() {
    let (_server, client) = serving("GET", EVENTS, page_of_events()).await;
    let call = client.list_ground_truth_events().url_conversion("files", |_| "first".to_owned());
    let page = call.url_conversion("data_unit.files", |_| "second".to_owned()).await.unwrap();
    let event = &page.results[0];
    assert_eq!(
        (&event.files["image_2"], &event.data_unit["files"]["image_1"]["url"]),
        (&"first".into(), &"second".into())
    );
}

#[tokio::test]
async fn files_of_every_shape_are_converted() {
    let events = r#"{"next": null, "results": [
        {"id": 1, "files": null}, {"id": 2}, {"id": 3, "data_unit": 31}, {"id": 4, "files": {}},
        {"id": 5, "files": "/one"}, {"id": 6, "files": ["/one", {"url": "/two", "name": "n"}]},
        {"id": 7, "files": {"a": "/one", "b": {"url": "/two", "size": 3}, "c": null}},
        {"id": 8, "files": {"a": "data:image/png;base64,AAAA"}}
    ]}"#;
    let (_server, client) = serving("GET", EVENTS, json(200, events)).await;
    let page = client
        .list_ground_truth_events()
        .url_conversion("files", cdn)
        .url_conversion("data_unit.files", cdn)
        .await
        .unwrap();
    let files: Vec<&str> = page.results.iter().map(|event| event.files.text()).collect();
    assert_eq!(
        files,
        [
            "null",
            "null",
            "null",
            "{}",
            r#""https://cdn.example.com/one""#,
            r#"["https://cdn.example.com/one", {"url": "https://cdn.example.com/two", "name": "n"}]"#,
            r#"{"a": "https://cdn.example.com/one", "b": {"url": "https://cdn.example.com/two", "size": 3}, "c": null}"#,
            r#"{"a": "https://cdn.example.comdata:image/png;base64,AAAA"}"#,
        ]
    );
    assert_eq!(page.results[2].data_unit, 31);
}

// ---- list_ground_truth_events: list_all

/// Returns a server of pages with these numbers of events, under `prefix`. Ids start at 1.
async fn pages(prefix: &str, lengths: &[i64]) -> MockServer {
    let server = server::start().await;
    let url = |page: usize| match lengths.get(page.wrapping_sub(1)) {
        Some(_) => format!("\"{}{prefix}{EVENTS}?page={page}&page_size=2&x=1\"", server.uri()),
        None => "null".to_owned(),
    };
    let (mut first, count) = (1, lengths.iter().sum::<i64>());
    for (index, length) in lengths.iter().enumerate() {
        let page = index + 1;
        let events: Vec<String> = (first..first + length)
            .map(|id| format!(r#"{{"id": {id}, "files": {{"f": "/media/{id}.png"}}}}"#))
            .collect();
        first += length;
        let (next, previous) = (url(page + 1), url(page.wrapping_sub(1)));
        let body = format!(
            r#"{{"count": {count}, "next": {next}, "previous": {previous}, "results": [{}]}}"#,
            events.join(", ")
        );
        let mock = Mock::given(method("GET")).and(path(format!("{prefix}{EVENTS}")));
        let mock = if page > 1 { mock.and(query_param("page", page.to_string())) } else { mock };
        // The mocks of later pages have priority over the first one, which matches any page.
        mock.respond_with(json(200, body)).with_priority(if page > 1 { 1 } else { 2 }).mount(&server).await;
    }
    server
}

#[tokio::test]
async fn list_all_yields_pages_in_order() {
    let server = pages("", &[2, 2, 2, 2, 1]).await;
    let client = server::client_of(&server);
    let call = client.list_ground_truth_events().params(|p| p.page_size(2)).param("x", 1);
    let mut events = call.list_all().stream();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(events.total(), Some(9));
    let seen = requests(&server).await;
    // Pages are prefetched, so the requests may arrive in any order. Each page is requested once, with the
    // filters.
    let mut asked = lines(&server).await;
    assert_eq!(asked[0], format!("GET {EVENTS}?page_size=2&x=1"));
    asked[1..].sort();
    let expected: Vec<_> = (2..=5).map(|page| format!("GET {EVENTS}?page_size=2&x=1&page={page}")).collect();
    assert_eq!(asked[1..], expected);
    for request in &seen {
        let asked = format!("{EVENTS}?{}", request.url.query().unwrap());
        assert_get(request, &asked);
    }
}

#[tokio::test]
async fn list_all_collects_every_event() {
    let server = pages("", &[2, 2, 1]).await;
    let client = server::client_of(&server);
    let events: Vec<GroundTruthEvent> =
        client.list_ground_truth_events().list_all().concurrency(1).try_collect().await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let expected = ["", "?page=2", "?page=3"].map(|query| format!("GET {EVENTS}{query}"));
    assert_eq!(lines(&server).await, expected);
}

#[tokio::test]
async fn single_page_list_all_sends_one_request() {
    let server = pages("", &[2]).await;
    let client = server::client_of(&server);
    let call = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([1, 2]));
    let events: Vec<GroundTruthEvent> = call.list_all().try_collect().await.unwrap();
    assert_eq!(events.len(), 2);
    let query = "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2";
    assert_only_get(&server, &format!("{EVENTS}{query}")).await;
}

#[tokio::test]
async fn list_all_repeats_filters_per_page() {
    let server = pages("", &[2, 1]).await;
    let client = server::client_of(&server);
    let call = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([1, 2]));
    let events: Vec<GroundTruthEvent> = call.list_all().try_collect().await.unwrap();
    assert_eq!(events.len(), 3);
    let query = "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2";
    assert_eq!(lines(&server).await, [format!("GET {EVENTS}{query}"), format!("GET {EVENTS}{query}&page=2")]);
}

#[tokio::test]
async fn list_all_converts_urls_of_every_page() {
    let server = pages("", &[2, 2]).await;
    let client = server::client_of(&server);
    let list = client.list_ground_truth_events().url_conversion("files", cdn).list_all();
    let events: Vec<GroundTruthEvent> = list.try_collect().await.unwrap();
    let files: Vec<_> = events.iter().map(|event| event.files["f"].as_str().unwrap()).collect();
    assert_eq!(files, [1, 2, 3, 4].map(|id| format!("https://cdn.example.com/media/{id}.png")));
}

#[tokio::test]
async fn list_all_keeps_base_url_prefix() {
    let server = pages("/api/v1", &[2, 1]).await;
    let base = format!("{}/api/v1", server.uri());
    let client = synapse_backend_client::BackendClient::builder(base).build().unwrap();
    let events: Vec<Json> = client.list_ground_truth_events().list_all_as().try_collect().await.unwrap();
    assert_eq!(events.iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(lines(&server).await, [format!("GET /api/v1{EVENTS}"), format!("GET /api/v1{EVENTS}?page=2")]);
}

#[tokio::test]
async fn list_all_follows_cursors() {
    let server = server::start().await;
    let page = |next: &str, id: i64| json(200, format!(r#"{{"next": {next}, "results": [{{"id": {id}}}]}}"#));
    let next = format!("\"{}{EVENTS}?cursor=cD0%3D&page_size=1\"", server.uri());
    Mock::given(query_param("cursor", "cD0="))
        .respond_with(page("null", 2))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(path(EVENTS)).respond_with(page(&next, 1)).mount(&server).await;
    let client = server::client_of(&server);
    let mut events = client.list_ground_truth_events().params(|p| p.page_size(1)).list_all().stream();
    let mut ids = Vec::new();
    while let Some(event) = events.next().await {
        ids.push(event.unwrap().id);
    }
    assert_eq!((ids, events.total()), (vec![1, 2], None));
    assert_eq!(
        lines(&server).await,
        [format!("GET {EVENTS}?page_size=1"), format!("GET {EVENTS}?cursor=cD0%3D&page_size=1")]
    );
}

#[tokio::test]
async fn list_all_invalid_filter_sends_nothing() {
    let server = pages("", &[1]).await;
    let client = server::client_of(&server);
    let mut events = client.list_ground_truth_events().params(|p| p.project(u64::MAX)).list_all().stream();
    let error = events.next().await.unwrap().failure();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(events.next().await.is_none());
    assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn list_all_ends_with_page_error() {
    let server = server::start().await;
    let gone = json(404, r#"{"detail": "Invalid page."}"#);
    Mock::given(query_param("page", "2")).respond_with(gone).with_priority(1).mount(&server).await;
    let first = format!(
        r#"{{"count": 6, "next": "{}{EVENTS}?page=2", "results": [{{"id": 1}}, {{"id": 2}}]}}"#,
        server.uri()
    );
    Mock::given(path(EVENTS)).respond_with(json(200, first)).with_priority(2).mount(&server).await;
    let client = server::client_of(&server);
    let mut events = client.list_ground_truth_events().list_all().concurrency(1).stream();
    assert_eq!(events.next().await.unwrap().unwrap().id, 1);
    assert_eq!(events.next().await.unwrap().unwrap().id, 2);
    assert!(events.next().await.unwrap().failure().is_not_found());
    assert!(events.next().await.is_none());
}

// ---- get_ground_truth_version

const VERSION: &str = r#"{
    "id": 123, "version": "v1.0", "ground_truth_dataset": {"id": 7, "name": "street scenes"}, "event_count": 10000,
    "description": "첫 번째 버전", "is_active": true, "is_archived": false, "created_at": "2025-01-31T00:00:00Z",
    "statistics": {"classes": {"person": 8123, "car": 1877}, "mean_boxes": 3.20}
}"#;

fn assert_version(version: &GroundTruthVersion) {
    assert_eq!(version.id, 123);
    assert_eq!(version.version.as_ref().unwrap(), &VersionName::from("v1.0"));
    assert_eq!(version.version.as_ref().unwrap().to_string(), "v1.0");
    assert_eq!(version.ground_truth_dataset.id(), Some(7));
    assert_eq!(version.ground_truth_dataset["name"], "street scenes");
    assert_eq!(version.event_count, Some(10_000));
    assert_eq!(version.description.as_deref(), Some("첫 번째 버전"));
    assert_eq!((version.is_active, version.is_archived), (Some(true), Some(false)));
    assert_eq!(version.created_at.as_ref().unwrap().as_str(), "2025-01-31T00:00:00Z");
    assert_eq!(version.statistics["classes"]["person"], 8123);
    assert_eq!(
        version.statistics.text(),
        r#"{"classes": {"person": 8123, "car": 1877}, "mean_boxes": 3.20}"#
    );
    assert!(version.extra.is_empty());
}

async fn version(body: &str) -> GroundTruthVersion {
    let (server, client) = serving("GET", "/ground_truth_dataset_versions/123/", json(200, body)).await;
    let version = client.get_ground_truth_version(123).await.unwrap();
    assert_only_get(&server, "/ground_truth_dataset_versions/123/").await;
    version
}

#[tokio::test]
async fn get_version_decodes_every_field() {
    assert_version(&version(VERSION).await);
}

#[tokio::test]
async fn get_version_dataset_as_object_or_id() {
    let bare = version(&VERSION.replace(r#"{"id": 7, "name": "street scenes"}"#, "7")).await;
    assert_eq!(bare.ground_truth_dataset, 7);
    assert_eq!(
        (bare.ground_truth_dataset.object(), bare.ground_truth_dataset["name"].as_str()),
        (None, None)
    );
    let expanded = version(VERSION).await;
    assert_eq!(expanded.ground_truth_dataset, 7);
    assert_eq!(
        expanded.ground_truth_dataset.object().unwrap().text(),
        r#"{"id": 7, "name": "street scenes"}"#
    );
}

#[tokio::test]
async fn get_version_by_number_or_name() {
    let number = version(&VERSION.replace("\"v1.0\"", "3")).await;
    assert_eq!(number.version, Some(VersionName::from(3)));
    let number = version(&VERSION.replace("\"v1.0\"", "1.5")).await;
    assert_eq!(number.version.unwrap().to_string(), "1.5");
}

#[tokio::test]
async fn get_version_sends_url_host() {
    let (server, client) = serving("GET", "/ground_truth_dataset_versions/123/", json(200, VERSION)).await;
    client.get_ground_truth_version(123).params(|p| p.url_host("internal")).await.unwrap();
    assert_only_get(&server, "/ground_truth_dataset_versions/123/?url_host=internal").await;
}

#[tokio::test]
async fn missing_version_is_not_found() {
    let (server, client) =
        serving("GET", "/ground_truth_dataset_versions/9/", json(404, r#"{"detail": "Not found."}"#)).await;
    let error = client.get_ground_truth_version(9).await.failure();
    assert!(error.is_not_found());
    assert_eq!(error.operation(), Some("get_ground_truth_version"));
    assert_only_get(&server, "/ground_truth_dataset_versions/9/").await;
}

// ---- the lists of newer servers

#[tokio::test]
async fn list_events_data_under_every_filter() {
    async fn list(set: impl FnOnce(ListGroundTruthEventsData) -> ListGroundTruthEventsData, query: &str) {
        let body = r#"{"count": 1, "next": null, "previous": null, "results": [{"id": 1001, "data": {"label": 1.50}}]}"#;
        let at = "/sdk/ground_truth_events/data/";
        let (server, client) = serving("GET", at, json(200, body)).await;
        let page = client.list_ground_truth_events_data().params(set).await.unwrap();
        assert_only_get(&server, &format!("{at}{query}")).await;
        assert_eq!(
            (page.count, page.results[0].id, page.results[0].data.text()),
            (Some(1), 1001, r#"{"label": 1.50}"#)
        );
    }
    list(|p| p, "").await;
    list(
        |p| p.ground_truth_dataset_versions([1, 2]),
        "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2",
    )
    .await;
    list(|p| p.project(5), "?project=5").await;
    list(|p| p.created_after("2025-01-31"), "?created_after=2025-01-31").await;
    list(|p| p.data_type("image"), "?data_type=image").await;
    list(|p| p.search("x"), "?search=x").await;
    list(|p| p.page(2).page_size(3).url_host("internal"), "?page=2&page_size=3&url_host=internal").await;
}

#[tokio::test]
async fn list_events_files_under_every_filter() {
    async fn list(set: impl FnOnce(ListGroundTruthEventsFiles) -> ListGroundTruthEventsFiles, query: &str) {
        let body = r#"{"count": 1, "results": [{"id": 1001, "files": [{"name": "image_1", "url": "/a.png", "size": 10}]}]}"#;
        let at = "/sdk/ground_truth_events/files/";
        let (server, client) = serving("GET", at, json(200, body)).await;
        let page =
            client.list_ground_truth_events_files().params(set).url_conversion("files", cdn).await.unwrap();
        assert_only_get(&server, &format!("{at}{query}")).await;
        let event = &page.results[0];
        assert_eq!(event.id, 1001);
        assert_eq!(
            event.files.text(),
            r#"[{"name": "image_1", "url": "https://cdn.example.com/a.png", "size": 10}]"#
        );
    }
    list(|p| p, "").await;
    list(
        |p| p.ground_truth_dataset_versions([1, 2]),
        "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2",
    )
    .await;
    list(|p| p.project(5), "?project=5").await;
    list(|p| p.created_after("2025-01-31"), "?created_after=2025-01-31").await;
    list(|p| p.data_type("image"), "?data_type=image").await;
    list(|p| p.search("x"), "?search=x").await;
    list(|p| p.page(2).page_size(3).url_host("internal"), "?page=2&page_size=3&url_host=internal").await;
}

#[tokio::test]
async fn list_ground_truths_under_every_filter() {
    async fn list(set: impl FnOnce(ListGroundTruths) -> ListGroundTruths, query: &str) {
        let body = r#"{"count": 1, "next": null, "results": [{"id": 5, "ground_truth_dataset": 7, "data_unit": {"id": 31},
            "data": [1], "files": {"image_1": "/a.png", "data_meta_1": {"url": "/m.json"}}, "created_at": "2025-01-31"}]}"#;
        let (server, client) = serving("GET", "/ground_truths/", json(200, body)).await;
        let page = client.list_ground_truths().params(set).url_conversion("files", cdn).await.unwrap();
        assert_only_get(&server, &format!("/ground_truths/{query}")).await;
        let truth = &page.results[0];
        assert_eq!((page.count, truth.id), (Some(1), 5));
        assert_eq!(
            (truth.ground_truth_dataset.id(), truth.data_unit.id(), truth.data.text()),
            (Some(7), Some(31), "[1]")
        );
        let expected = r#"{"image_1": "https://cdn.example.com/a.png", "data_meta_1": {"url": "https://cdn.example.com/m.json"}}"#;
        assert_eq!(truth.files.text(), expected);
        assert_eq!(truth.created_at.as_ref().unwrap().as_str(), "2025-01-31");
    }
    list(|p| p, "").await;
    list(|p| p.ground_truth_dataset(7), "?ground_truth_dataset=7").await;
    list(
        |p| p.ground_truth_dataset_versions([1, 2]),
        "?ground_truth_dataset_versions=1&ground_truth_dataset_versions=2",
    )
    .await;
    list(|p| p.page(2).page_size(3).url_host("internal"), "?page=2&page_size=3&url_host=internal").await;
}

#[tokio::test]
async fn list_versions_under_every_filter() {
    async fn list(set: impl FnOnce(ListGroundTruthVersions) -> ListGroundTruthVersions, query: &str) {
        let body = format!(r#"{{"count": 1, "next": null, "previous": null, "results": [{VERSION}]}}"#);
        let (server, client) = serving("GET", VERSIONS, json(200, body)).await;
        let page = client.list_ground_truth_versions().params(set).await.unwrap();
        assert_only_get(&server, &format!("{VERSIONS}{query}")).await;
        assert_eq!((page.count, page.results.len()), (Some(1), 1));
        assert_version(&page.results[0]);
    }
    list(|p| p, "").await;
    list(|p| p.ground_truth_dataset(7), "?ground_truth_dataset=7").await;
    list(|p| p.is_archived(true), "?is_archived=true").await;
    list(|p| p.is_archived(false), "?is_archived=false").await;
    list(
        |p| p.ground_truth_dataset(7).is_archived(false).page(2).page_size(3),
        "?ground_truth_dataset=7&is_archived=false&page=2&page_size=3",
    )
    .await;
    list(|p| p.url_host("internal"), "?url_host=internal").await;
}

#[tokio::test]
async fn newer_lists_follow_every_page() {
    let server = server::start().await;
    for at in
        ["/sdk/ground_truth_events/data/", "/sdk/ground_truth_events/files/", "/ground_truths/", VERSIONS]
    {
        let first =
            format!(r#"{{"count": 2, "next": "{}{at}?page=2", "results": [{{"id": 1}}]}}"#, server.uri());
        let second = r#"{"count": 2, "next": null, "results": [{"id": 2}]}"#;
        Mock::given(path(at))
            .and(query_param("page", "2"))
            .respond_with(json(200, second))
            .with_priority(1)
            .mount(&server)
            .await;
        Mock::given(path(at)).respond_with(json(200, first)).with_priority(2).mount(&server).await;
    }
    let client = server::client_of(&server);
    let data: Vec<_> = client.list_ground_truth_events_data().list_all().try_collect().await.unwrap();
    assert_eq!(data.iter().map(|item| item.id).collect::<Vec<_>>(), [1, 2]);
    let files: Vec<_> = client.list_ground_truth_events_files().list_all().try_collect().await.unwrap();
    assert_eq!(files.iter().map(|item| item.id).collect::<Vec<_>>(), [1, 2]);
    let truths: Vec<_> = client.list_ground_truths().list_all().try_collect().await.unwrap();
    assert_eq!(truths.iter().map(|item| item.id).collect::<Vec<_>>(), [1, 2]);
    let versions: Vec<_> = client.list_ground_truth_versions().list_all().try_collect().await.unwrap();
    assert_eq!(versions.iter().map(|item| item.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(requests(&server).await.len(), 8);
}
