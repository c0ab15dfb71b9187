//! The default storage: which one it is, and how it is found.

use std::time::Duration;

use crate::support::marker::Failure as _;
use crate::support::server::{self, client_of, json, lines, serving};
use synapse_backend_client::{BackendClient, CallOptions};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer};

/// Starts a server with two pages of storages.
async fn two_pages(first: &str, second: &str) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let next = format!(r#""{}/storages/?category=internal&page=2""#, server.uri());
    let page = |next: &str, results: &str| {
        json(200, format!(r#"{{"count": 4, "next": {next}, "previous": null, "results": [{results}]}}"#))
    };
    let get = || Mock::given(method("GET")).and(path("/storages/")).and(query_param("category", "internal"));
    get().and(query_param("page", "2")).respond_with(page("null", second)).mount(&server).await;
    get().respond_with(page(&next, first)).with_priority(9).mount(&server).await;
    let client = client_of(&server);
    (server, client)
}

const PLAIN: &str = r#"{"id": 1, "is_default": false, "category": "internal"}, {"id": 2}"#;
const DEFAULT: &str =
    r#"{"id": 3, "is_default": null}, {"id": 4, "is_default": true, "category": "internal"}"#;

#[tokio::test]
async fn default_storage_is_on_any_page() {
    let (server, client) = two_pages(PLAIN, DEFAULT).await;
    assert_eq!(client.get_default_storage().await.unwrap().id, 4);
    let requests = ["GET /storages/?category=internal", "GET /storages/?category=internal&page=2"];
    assert_eq!(lines(&server).await, requests);
    let (_server, client) = two_pages(DEFAULT, PLAIN).await;
    assert_eq!(client.get_default_storage().await.unwrap().id, 4);
}

#[tokio::test]
async fn default_storage_takes_call_options() {
    let (server, client) = two_pages(PLAIN, DEFAULT).await;
    let options = CallOptions::new().header("x-run", "9");
    let call = client.get_default_storage().with_options(options).param("ordering", "id");
    assert_eq!(call.max_retries(0).send().await.unwrap().id, 4);
    let sent = server::requests(&server).await;
    assert!(sent.len() == 2 && sent.iter().all(|sent| server::header(sent, "x-run") == Some("9")));
    assert_eq!(server::line(&sent[0]), "GET /storages/?category=internal&ordering=id");
    assert!(client.get_default_storage().timeout(Duration::ZERO).await.failure().is_invalid_input());
}

#[tokio::test]
async fn first_storage_without_a_default() {
    let (server, client) = two_pages(PLAIN, &PLAIN.replace(": 1", ": 7").replace(": 2", ": 8")).await;
    assert_eq!(client.get_default_storage().await.unwrap().id, 1);
    assert_eq!(lines(&server).await.len(), 2);
}

#[tokio::test]
async fn external_storage_is_no_default() {
    // A server may ignore the filter.
    let external =
        r#"{"id": 5, "is_default": true, "category": "external"}, {"id": 6, "category": "external"}"#;
    let (_server, client) = two_pages(external, PLAIN).await;
    assert_eq!(client.get_default_storage().await.unwrap().id, 1);
    let page = format!(r#"{{"count": 2, "next": null, "results": [{external}]}}"#);
    let (_server, client) = serving("GET", "/storages/", json(200, page)).await;
    let error = client.get_default_storage().await.failure();
    assert_eq!(error.to_string(), "get_default_storage: the server lists no internal storage");
}

#[tokio::test]
async fn failing_list_of_storages_is_an_error() {
    let (_server, client) = serving("GET", "/storages/", json(403, r#"{"detail": "No."}"#)).await;
    assert!(client.get_default_storage().await.failure().is_forbidden());
    let none = json(200, r#"{"count": 0, "next": null, "results": []}"#);
    let (_server, client) = serving("GET", "/storages/", none).await;
    let error = client.get_default_storage().await.failure();
    assert!(error.is_decode() && !error.is_transient(), "{error:?}");
}
