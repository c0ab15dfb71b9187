//! Whether a list has an item: what is sent, and what counts.

use crate::support::marker::Failure as _;
use crate::support::server::{assert_only_get, json, lines, serving};
use crate::support::tcp_server::{self, Act, Server};
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::{BackendClient, RetryPolicy};

const EMPTY: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;
const ONE_OF_MANY: &str =
    r#"{"count": 9, "next": "/models/?page=2", "previous": null, "results": [{"id": 1}]}"#;

#[tokio::test]
async fn exists_asks_for_one_item() {
    let (server, client) = serving("GET", "/models/", json(200, ONE_OF_MANY)).await;
    let models = client.list_models().params(|p| p.project(123).is_active(true));
    assert!(client.exists(models).await.unwrap());
    assert_only_get(&server, "/models/?is_active=true&project=123&page_size=1").await;
}

#[tokio::test]
async fn exists_replaces_the_page_size() {
    let (server, client) = serving("GET", "/models/", json(200, ONE_OF_MANY)).await;
    assert!(client.exists(client.list_models().params(|p| p.page_size(50))).await.unwrap());
    assert!(client.exists(client.list_models().param("page_size", 50)).await.unwrap());
    assert_eq!(lines(&server).await, ["GET /models/?page_size=1"; 2]);
    // The document always sends a page size with this list.
    let (server, client) = serving("GET", "/data_units/", json(200, EMPTY)).await;
    assert!(!client.exists(client.list_data_units()).await.unwrap());
    assert_only_get(&server, "/data_units/?page_size=1").await;
}

#[tokio::test]
async fn exists_in_custom_list_sends_no_size() {
    let page = json(200, r#"{"next": null, "results": [{"id": 1}]}"#);
    let (server, client) = serving("GET", "/labels/", page).await;
    let labels = client.request(Method::GET, "/labels/").param("color", "red");
    assert!(client.exists(labels).await.unwrap());
    assert_only_get(&server, "/labels/?color=red").await;
}

#[tokio::test]
async fn empty_list_does_not_exist() {
    let (server, client) = serving("GET", "/models/", json(200, EMPTY)).await;
    assert!(!client.exists(client.list_models()).await.unwrap());
    assert_only_get(&server, "/models/?page_size=1").await;
}

#[tokio::test]
async fn failing_list_is_neither() {
    for (status, body) in [(403, r#"{"detail": "No."}"#), (200, r#"{"detail": "ok"}"#), (200, "")] {
        let (_server, client) = serving("GET", "/models/", json(status, body)).await;
        let error = client.exists(client.list_models()).await.failure();
        assert!(error.is_forbidden() || error.is_decode(), "{error:?}");
    }
    let (server, client) = serving("GET", "/models/", json(200, EMPTY)).await;
    let error = client.exists(client.list_models().timeout(std::time::Duration::ZERO)).await.failure();
    assert!(error.is_invalid_input() && lines(&server).await.is_empty(), "{error:?}");
}

#[tokio::test]
async fn empty_page_with_a_next_is_no_end() {
    let server = Server::with(|which| {
        let host = which.seen.header("host").unwrap();
        let next = format!(r#""http://{host}/models/?page_size=1&cursor=b""#);
        let (next, results) = match which.number {
            0 => (next.as_str(), ""),
            _ => ("null", r#"{"id": 7, "name": "n", "model_type": "x"}"#),
        };
        Act::Keep(tcp_server::json(
            200,
            format!(r#"{{"next": {next}, "previous": null, "results": [{results}]}}"#),
        ))
    })
    .await;
    let client = BackendClient::builder(&server.url).retry(RetryPolicy::never()).build().unwrap();
    assert!(client.exists(client.list_models()).await.unwrap());
    let expected = ["GET /models/?page_size=1", "GET /models/?page_size=1&cursor=b"];
    assert_eq!(server.lines(), expected);
}
