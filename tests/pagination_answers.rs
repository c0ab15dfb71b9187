//! What a page's text and its `next` may be: keys that stand twice, links that lack a filter or are too long, items that hold secrets.

#[path = "support/ids.rs"]
mod ids;
#[path = "support/server.rs"]
mod server;

use ids::Id;
use server::marker::Failure;
use synapse_backend_client::{BackendClient, Error, ErrorKind};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request};

/// A server whose pages are made by the request's query.
async fn serving(page: impl Fn(&str) -> String + Send + Sync + 'static) -> (MockServer, BackendClient) {
    let server = server::start().await;
    let answer = move |request: &Request| server::json(200, page(request.url.query().unwrap_or_default()));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let client = server::client_of(&server);
    (server, client)
}

/// The errors of a list, read in each way.
async fn errors_of(client: &BackendClient) -> Vec<Error> {
    vec![
        client.list_models().await.failure(),
        client.list_ground_truth_events().await.failure(),
        client.list_models().list_all().next().await.unwrap().failure(),
        client.list_models().list_all_raw().next().await.unwrap().failure(),
        client.list_models().list_all_as::<Id>().pages().next().await.unwrap().failure(),
        client.list_models().partitions(2).await.failure(),
    ]
}

#[tokio::test]
async fn a_page_with_a_key_twice_is_an_error_that_names_the_key() {
    for (key, body) in [
        ("results", r#"{"count": 1, "results": [{"id": 1, "name": "n", "model_type": "x"}], "results": []}"#),
        ("results", r#"{"count": 2, "results": null, "r\u0065sults": []}"#),
        ("count", r#"{"count": 2, "results": [], "count": 0}"#),
        ("count", r#"{"count": null, "count": 2, "results": []}"#),
        ("next", r#"{"next": "/models/?page=2", "results": [], "next": null}"#),
        ("next", r#"{"next": null, "next": null, "results": []}"#),
    ] {
        let (_server, client) = serving(move |_| body.to_owned()).await;
        for error in errors_of(&client).await {
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}: {error}");
            assert!(error.to_string().contains(&format!("duplicate field `{key}`")), "{body}: {error}");
            assert_eq!(error.response().unwrap().body(), body);
        }
    }
}
