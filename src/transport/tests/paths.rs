//! Requests that aren't in the API's document: exactly what is sent, and what is refused.

use super::server::{Act, Server, json};
use super::*;
use crate::ErrorKind;

#[tokio::test]
async fn request_is_sent_as_given() {
    let server = Server::of([Act::Keep(json(200, r#"{"id": 18446744073709551615, "x": 1.10}"#))]).await;
    let (client, _) = client(&server.url);
    let call = client
        .request(Method::PUT, "/tasks/1/annotate_task_data/")
        .param("schema", "v 1")
        .param_list("tag", [1, 2]);
    let response = call
        .params(|p| p.json(&json_value!({"b": [1.5, null], "a": "한"})))
        .header("X-Own", "own")
        .await
        .unwrap();
    // The response keeps each number unchanged.
    assert_eq!(response.text(), r#"{"id": 18446744073709551615, "x": 1.10}"#);
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "PUT /tasks/1/annotate_task_data/?schema=v+1&tag=1&tag=2");
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({"b": [1.5, null], "a": "한"}));
    let headers = ["content-type", "accept", "x-own", "synapse-access-token"]
        .map(|name| seen.header(name).unwrap_or_default());
    assert_eq!(headers, ["application/json", "application/json", "own", &format!("Token {TOKEN}")]);
    assert_eq!((seen.header("referer"), seen.header("transfer-encoding")), (None, None));
}

#[tokio::test]
async fn request_without_body_sends_none() {
    let server = Server::of([Act::Keep(json(200, "{}"))]).await;
    let (client, _) = client(&server.url);
    for method in [Method::GET, Method::DELETE, Method::POST, Method::OPTIONS] {
        client.request(method, "/a/%EA%B0%80/b%2Fc/").await.unwrap();
    }
    assert_eq!(
        server.lines(),
        ["GET", "DELETE", "POST", "OPTIONS"].map(|method| format!("{method} /a/%EA%B0%80/b%2Fc/"))
    );
    for seen in server.seen() {
        assert_eq!((seen.header("content-type"), seen.body.len()), (None, 0));
    }
}

#[tokio::test]
async fn request_keeps_base_url_prefix() {
    let server = Server::of([Act::Keep(json(200, "{}"))]).await;
    let (client, _) = client(&format!("{}/api/v1/", server.url));
    client.request(Method::GET, "/models/").await.unwrap();
    client.request(Method::GET, "//models//").await.unwrap();
    client.request(Method::GET, "/").await.unwrap();
    assert_eq!(server.lines(), ["GET /api/v1/models/", "GET /api/v1//models//", "GET /api/v1/"]);
}

async fn refused(paths: &[&str]) {
    let server = Server::of([Act::Keep(json(200, "{}"))]).await;
    let (client, clock) = client(&format!("{}/api/v1", server.url));
    for path in paths {
        let outcome = client.request(Method::GET, *path).await;
        let lines = server.lines();
        let error = outcome.map(|_| lines).failure_of(path);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error:?}");
    }
    assert_eq!((server.connections(), clock.waits().len()), (0, 0));
}

#[tokio::test]
async fn escaping_path_refused_before_sending() {
    refused(&[
        "",
        "models/",
        "@other/",
        ":80/",
        "https://other/",
        "/..",
        "/../admin/",
        "/a/../../b/",
        "/a/..",
        "/./a/",
        "/%2e%2e/admin/",
        "/%2E%2e/",
        "/.%2e/",
        "/%2e./",
        "/a/%2e/b/",
        "/a/?x=1",
        "/a/#b",
        "/a\\..\\b/",
        "\\\\other/",
    ])
    .await;
}

/// The URL parser removes these characters, which would change the path: `.` TAB `.` is `..`.
#[tokio::test]
async fn control_characters_in_path_refused() {
    refused(&["/.\t./.\t./admin/", "/.\n./admin/", "/a/.\r./b/", "/mod\nels/", "/models/\t"]).await;
}

#[tokio::test]
async fn unserializable_body_is_not_sent() {
    let server = Server::of([Act::Keep(json(200, "{}"))]).await;
    let (client, _) = client(&server.url);
    let call =
        client.request(Method::POST, "/tasks/").params(|p| p.json(&json_value!({"a": {"b": f64::NAN}})));
    let error = call.await.failure();
    assert_eq!((error.kind(), server.connections()), (ErrorKind::InvalidInput, 0));
    assert!(error.to_string().contains("a.b"), "{error}");
}
