//! Checkpoints belong to an operation and its parameters: a list resumes at another host and path prefix, and
//! never requests one that a checkpoint names.

use crate::support::marker::Failure as _;
use crate::support::server;
use serde::Deserialize;
use serde_json::Value;
use synapse_backend_client::{BackendClient, Checkpoint, ListAll};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

#[derive(Debug, Deserialize)]
struct Id {
    id: i64,
}

/// Starts a server with two pages of a list, at every path. The parameter `by` selects the second page.
async fn two_pages(by: &'static str) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let path = request.url.path();
        let second = request.url.query_pairs().any(|(name, value)| name == by && value == "2");
        let page = match second {
            true => r#"{"count": 4, "next": null, "results": [{"id": 3}, {"id": 4}]}"#.to_owned(),
            false => format!(
                r#"{{"count": 4, "next": "{path}?{by}=2&project=7", "results": [{{"id": 1}}, {{"id": 2}}]}}"#
            ),
        };
        server::json(200, page)
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}

fn list(base: &str) -> ListAll<Id> {
    let client = BackendClient::builder(base).access_token("t").build().unwrap();
    client.list_models().params(|p| p.project(7)).list_all_as()
}

/// Returns the checkpoint after three items, as another process would read it.
async fn after_three(base: &str) -> Value {
    let mut read = list(base).stream();
    for _ in 0..3 {
        read.next().await.unwrap().unwrap();
    }
    serde_json::to_value(read.checkpoint()).unwrap()
}

async fn rest_of(base: &str, checkpoint: &Value) -> Vec<i64> {
    let checkpoint: Checkpoint = serde_json::from_value(checkpoint.clone()).unwrap();
    let items: Vec<Id> = list(base).resume(checkpoint).try_collect().await.unwrap();
    items.into_iter().map(|item| item.id).collect()
}

#[tokio::test]
async fn checkpoint_resumes_at_another_base() {
    for by in ["page", "cursor"] {
        let before = two_pages(by).await;
        let checkpoint = after_three(&format!("{}/api/v1", before.uri())).await;
        let text = checkpoint.to_string();
        assert!(!text.contains("http") && !text.contains("api/v1"), "{text}");
        let sent_before = server::lines(&before).await;
        for prefix in ["", "/x/y"] {
            let after = two_pages(by).await;
            assert_eq!(rest_of(&format!("{}{prefix}", after.uri()), &checkpoint).await, [4], "{by} {prefix}");
            let sent = server::lines(&after).await;
            assert!(sent.iter().all(|line| line.starts_with(&format!("GET {prefix}/models/?"))), "{sent:?}");
        }
        assert_eq!(server::lines(&before).await, sent_before);
    }
}

#[tokio::test]
async fn checkpoint_keeps_position_unread() {
    // A list that resumed and was not read has the position that it resumed from.
    let server = two_pages("cursor").await;
    let checkpoint = after_three(&server.uri()).await;
    let kept: Checkpoint = serde_json::from_value(checkpoint).unwrap();
    assert_eq!(list(&server.uri()).resume(kept.clone()).stream().checkpoint(), kept);
    assert_eq!(list("http://h/x").resume(kept.clone()).stream().checkpoint(), kept);
}

#[tokio::test]
async fn format_1_resumes_without_its_host() {
    for (by, at) in [
        ("page", r#"{"page": {"number": 2, "item": 1}}"#),
        (
            "cursor",
            r#"{"link": {"url": "http://elsewhere.invalid/old/models/?cursor=2&project=7", "number": 2, "item": 1}}"#,
        ),
    ] {
        for (whole, prefix) in
            [("http://elsewhere.invalid/old", "/api"), ("https://h", ""), ("http://h/api", "/api")]
        {
            let server = two_pages(by).await;
            let text =
                format!(r#"{{"version": 1, "query": "list_models {whole}/models/?project=7", "at": {at}}}"#);
            let checkpoint = serde_json::from_str(&text).unwrap();
            assert_eq!(rest_of(&format!("{}{prefix}", server.uri()), &checkpoint).await, [4]);
            let sent = server::lines(&server).await;
            assert!(sent.iter().all(|line| line.starts_with(&format!("GET {prefix}/models/?"))), "{sent:?}");
        }
    }
}

#[tokio::test]
async fn format_1_of_another_list_is_refused() {
    let server = two_pages("cursor").await;
    let at = |url: &str| format!(r#"{{"link": {{"url": "{url}", "number": 2, "item": 1}}}}"#);
    let own = format!("{}/models/?cursor=2", server.uri());
    for (query, url) in [
        ("list_models http://h/users/?project=7", own.as_str()),
        ("list_models http://h/models/?project=8", &own),
        ("list_tags http://h/models/?project=7", &own),
        ("list_models http://h/models/?project=7", "http://h/users/?cursor=2"),
        ("list_models http://h/models/?project=7", "http://h/models/../users/?cursor=2"),
        ("list_models http://h/models/?project=7", "http://h/models/%2e%2e/users/"),
        ("list_models http://h/models/?project=7", "file:///etc/passwd"),
        ("list_models http://h/models/?project=7", "/models/?cursor=2"),
    ] {
        let text = format!(r#"{{"version": 1, "query": "{query}", "at": {}}}"#, at(url));
        let checkpoint: Checkpoint = serde_json::from_str(&text).unwrap();
        let error = list(&server.uri()).resume(checkpoint).stream().next().await.unwrap().failure();
        assert!(error.is_invalid_input(), "{query} {url}: {error}");
    }
    server::assert_nothing_sent(&server).await;
}
