//! What the API's document says about sending: limits, values that are always sent, final errors, secrets, and
//! responses without a body.

use std::time::Duration;

use crate::support::marker::{
    self, Failure, assert_debug_hidden, assert_error_hidden, assert_hidden, secret,
};
use crate::support::server::{self, assert_nothing_sent, client_of, json, lines, only, requests, serving};
use crate::support::soon::soon;
use crate::support::tcp_server::{self, Act, Server, refusing, response};
use serde_json::Value;
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::types::{self, DataUnitCreate};
use synapse_backend_client::{BackendClient, Error, ErrorKind, Json, RetryPolicy, json as json_value};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, Request, ResponseTemplate};

/// Returns a client that retries without waiting.
fn retrying(url: &str) -> BackendClient {
    let quick = RetryPolicy::new().max_retries(3).initial_backoff(Duration::ZERO).max_backoff(Duration::ZERO);
    BackendClient::builder(url).retry(quick).build().unwrap()
}

// ---- limits of arrays

fn checksums(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index:032x}")).collect()
}

/// Returns the checksums of a request's body.
fn sent(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["checksums"].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Responds that the server has the first and the last checksum.
fn verify(request: &Request) -> ResponseTemplate {
    let sent = sent(&request.body);
    let existing = serde_json::json!({"existing_checksums": [sent[0], sent[sent.len() - 1]]});
    json(200, existing.to_string())
}

#[tokio::test]
async fn long_array_is_sent_in_parts() {
    let server = server::start().await;
    Mock::given(method("POST"))
        .and(path("/data_files/verify_checksums/"))
        .respond_with(verify)
        .mount(&server)
        .await;
    let client = client_of(&server);
    let all = checksums(2_500);
    let verified = client.verify_data_files_checksums(|b| b.checksums(all.clone())).await.unwrap();
    let expected = [0, 999, 1_000, 1_999, 2_000, 2_499].map(|index| all[index].clone());
    assert_eq!(verified.existing_checksums, expected);
    let parts: Vec<_> = requests(&server).await.iter().map(|request| sent(&request.body)).collect();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(parts.concat(), all);
    client.verify_data_files_checksums(|b| b.checksums(checksums(1_000))).await.unwrap();
    assert_eq!(requests(&server).await.len(), 4);
}

#[tokio::test]
async fn failing_part_fails_the_whole_call() {
    let existing = || Act::Keep(tcp_server::json(200, r#"{"existing_checksums":["a"]}"#));
    let invalid = || Act::Keep(tcp_server::json(400, r#"{"checksums":["invalid"]}"#));
    let server = Server::of([existing(), invalid(), existing()]).await;
    let call = |url: &str| retrying(url).verify_data_files_checksums(|b| b.checksums(checksums(2_500)));
    let error = call(&server.url).await.failure();
    assert!(error.is_bad_request() && error.to_string().starts_with("request 2 of 3: "), "{error}");
    assert_eq!(server.count(), 2);
    // Only the part that failed is retried.
    let server = Server::of([existing(), Act::Close(Vec::new()), existing()]).await;
    assert_eq!(call(&server.url).await.unwrap().existing_checksums, ["a", "a", "a"]);
    let lengths: Vec<_> = server.seen().iter().map(|seen| sent(&seen.body).len()).collect();
    assert_eq!(lengths, [1_000, 1_000, 1_000, 500]);
}

#[tokio::test]
async fn too_long_array_is_refused() {
    let server = server::start().await;
    Mock::given(any()).respond_with(json(201, r#"{"results":[]}"#)).mount(&server).await;
    let client = client_of(&server);
    let units = |count: usize| -> Vec<DataUnitCreate> {
        let unit = DataUnitCreate::builder()
            .data_collection(12)
            .files(std::collections::BTreeMap::<String, types::DataUnitFile>::new());
        vec![unit.try_into().unwrap(); count]
    };
    let error = client.create_data_units(units(1_001)).await.failure();
    assert!(error.is_invalid_input());
    assert_eq!(
        error.to_string(),
        "create_data_units: `body` has 1001 items, and a request has at most 1000: send several requests"
    );
    // The responses are only joined if they have the document's type.
    let call = client.verify_data_files_checksums(|b| b.checksums(checksums(1_001)));
    let error = call.clone().send_as::<Value>().await.failure();
    assert!(error.to_string().contains("`checksums` has 1001 items"), "{error}");
    assert!(call.request().is_err_and(|error| error.is_invalid_input()));
    assert_nothing_sent(&server).await;
    client.create_data_units(units(1_000)).await.unwrap();
    let body: Value = serde_json::from_slice(&only(&server).await.body).unwrap();
    assert_eq!(body.as_array().map(Vec::len), Some(1_000));
}

// ---- limits of queries

#[tokio::test]
async fn too_long_query_names_its_filter() {
    let (server, client) = serving("GET", "/data_units/", json(200, r#"{"count":0,"results":[]}"#)).await;
    let ids = |count: i64| client.list_data_units().params(|p| p.ids(0..count).search("x".repeat(2_000)));
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(error.is_invalid_input() && text.contains("the server accepts at most 11000"), "{text}");
        text
    };
    assert!(refused(ids(2_000).await.failure()).starts_with("list_data_units: `ids` is "));
    refused(ids(2_000).list_all().try_collect::<Vec<_>>().await.failure());
    let own = client.list_data_units().param_list("tags", 0..2_000).await.failure();
    assert!(refused(own).contains("`tags` is "));
    assert_nothing_sent(&server).await;
    ids(1_000).await.unwrap();
    assert!(only(&server).await.url.query().unwrap().len() > 7_000);
}

// ---- values that are always sent

#[tokio::test]
async fn default_parameters_are_always_sent() {
    let server = server::start().await;
    let page = r#"{"id": 1, "count": 0, "next": null, "results": []}"#;
    Mock::given(any()).respond_with(json(200, page)).mount(&server).await;
    let client = client_of(&server);
    client.get_storage(1).await.unwrap();
    client.get_storage(1).params(|p| p.with_configuration(false)).await.unwrap();
    client.get_storage(1).param_list("with_configuration", [""; 0]).await.unwrap();
    client.list_data_units().await.unwrap();
    client.list_data_units().params(|p| p.page_size(7)).await.unwrap();
    client.list_data_units().param("page_size", 8).await.unwrap();
    client.list_data_units().list_all().try_collect::<Vec<_>>().await.unwrap();
    client.get_data_collection(2).await.unwrap();
    client.get_data_collection(2).params(|p| p.expand(["project"])).await.unwrap();
    client.get_plugin_release_by_lookup("yolo@1.0").await.unwrap();
    assert_eq!(
        lines(&server).await,
        [
            "GET /storages/1/?with_configuration=true",
            "GET /storages/1/?with_configuration=false",
            "GET /storages/1/",
            "GET /data_units/?page_size=100",
            "GET /data_units/?page_size=7",
            "GET /data_units/?page_size=8",
            "GET /data_units/?page_size=100",
            "GET /data_collections/2/?expand=file_specifications",
            "GET /data_collections/2/?expand=project",
            "GET /plugin_releases/yolo@1.0/?expand=plugin",
        ]
    );
}

// ---- final errors

#[tokio::test]
async fn final_error_is_not_retried() {
    let unavailable = r#"{"error_type": "gpu_unavailable", "message": "No capacity."}"#;
    for headers in ["", "Retry-After: 0\r\n"] {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        let server = Server::of([Act::Keep(response(503, &headers, unavailable))]).await;
        let call = || retrying(&server.url).run_plugin("yolo", |b| b.action("infer"));
        for (count, call) in [(1, call()), (2, call().idempotent(true))] {
            let error = call.await.failure();
            assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 503));
            assert!(!error.is_transient() && !error.is_unknown_outcome());
            assert_eq!(server.count(), count);
        }
    }
    // Other errors of this status are retried, or leave the outcome unknown.
    let busy = r#"{"error_type": "busy", "detail": "gpu_unavailable"}"#;
    let started = Act::Keep(tcp_server::json(200, r#"{"job_id": 7}"#));
    let server = Server::of([Act::Keep(tcp_server::json(503, busy)), started]).await;
    let run = retrying(&server.url).run_plugin("yolo", |b| b.action("infer")).await.unwrap().unwrap();
    assert_eq!(run["job_id"], 7);
    assert_eq!(server.count(), 2);
}

// ---- secrets

/// Asserts that no response to a request with a secret, which may repeat it, makes the client show it.
async fn assert_never_shown<T: std::fmt::Debug>(
    echo: &str,
    call: impl AsyncFn(&BackendClient) -> Result<T, Error>,
) {
    let shown = marker::MARKER;
    assert!(echo.contains(shown));
    let quoted = Value::from(echo).to_string();
    let encoded = echo.replace('/', "%2F").replace(' ', "%20");
    let headers = format!("Content-Type: application/json\r\nX-Echo: {encoded}\r\n");
    let location = format!("Location: /agents/{encoded}/connect\r\n");
    let answers = [
        Act::Keep(tcp_server::json(400, format!(r#"{{"detail": {quoted}}}"#))),
        Act::Keep(tcp_server::json(400, format!(r#"{{"params": [{quoted}], "token": {quoted}}}"#))),
        Act::Keep(tcp_server::json(400, format!(r#"{{"params": {{"key": {quoted}}}, "x": [{quoted}]}}"#))),
        Act::Keep(tcp_server::json(404, format!(r#"{{"detail": "no agent at /agents/{encoded}/"}}"#))),
        Act::Keep(response(500, "Content-Type: text/html\r\n", format!("<title>{echo}</title>"))),
        Act::Keep(response(502, &headers, format!("{}{echo}", "x".repeat(1_000)))),
        Act::Keep(response(308, &location, "")),
        Act::Keep(tcp_server::json(200, format!(r#"{{"x": {quoted}"#))),
        Act::Close(tcp_server::json(200, format!(r#"{{"x": {quoted}}}"#))[..60].to_vec()),
        Act::Close(Vec::new()),
    ];
    for answer in answers {
        let server = Server::of([answer]).await;
        let client = BackendClient::builder(&server.url).retry(RetryPolicy::never()).build().unwrap();
        let error = soon(call(&client)).await.failure();
        assert_debug_hidden("the response", &error.response());
        for part in [error.url(), error.json_path(), error.operation()] {
            assert_hidden("a part of the error", part.unwrap_or_default());
        }
    }
    let (_socket, nowhere) = refusing();
    let client = BackendClient::builder(nowhere).retry(RetryPolicy::never()).build().unwrap();
    assert!(soon(call(&client)).await.failure().is_connect());
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let client = BackendClient::builder(&server.url).read_timeout(Duration::from_millis(20)).build().unwrap();
    assert!(soon(call(&client)).await.failure().is_timeout());
}

#[tokio::test]
async fn token_in_path_is_never_shown() {
    for token in [secret("agent-1234567890"), secret("a/b c")] {
        let call = BackendClient::builder("http://localhost").build().unwrap().health_check_agent(&*token);
        assert_debug_hidden("the call", &call);
        assert_never_shown(&token, async |client| client.health_check_agent(&*token).await).await;
    }
    let server = Server::of([Act::Keep(tcp_server::json(200, "{}"))]).await;
    let client = retrying(&server.url);
    client.health_check_agent(secret("agent")).await.unwrap();
    assert_eq!(server.lines(), [format!("POST /agents/{}/connect/", secret("agent"))]);
    let empty = client.health_check_agent("").await.failure();
    assert!(empty.is_invalid_input() && empty.to_string().contains("`token` is empty"), "{empty}");
}

#[tokio::test]
async fn secret_values_of_body_are_never_shown() {
    for value in [secret("key-1234567890"), format!("first\n{}", secret("line")), secret("x").repeat(2_000)] {
        let params = json_value!({"key": &value, "nested": [{"key": 1, "other": [&value]}]});
        let client = BackendClient::builder("http://localhost").build().unwrap();
        let call = client.run_plugin(7, |b| b.action("train").params(params.clone()));
        assert_debug_hidden("the call", &call);
        assert!(format!("{call:?}").contains(r#"action: "train", "#), "{call:?}");
        // What is repeated is one line.
        let echo = value.lines().last().unwrap().to_owned();
        assert_never_shown(&echo, async |client| {
            client.run_plugin(7, |b| b.action("train").params(params.clone())).await
        })
        .await;
    }
}

#[tokio::test]
async fn secret_fields_of_response_are_hidden() {
    let token = secret("token");
    let truncated = format!(r#"{{"id": 3, "token": "{token}", "node_install_script": "curl {token}"#);
    let (_server, client) = serving("GET", "/agents/3/", json(200, truncated)).await;
    let error = client.get_agent(3).await.failure();
    assert!(error.is_decode());
    assert_debug_hidden("the response", &error.response());
    let wrong =
        format!(r#"{{"id": {{"configuration": {{"key": "{token}"}}}}, "configuration": ["{token}"]}}"#);
    let (_server, client) = serving("GET", "/storages/3/", json(200, wrong)).await;
    let error = client.get_storage(3).await.failure();
    assert!(error.is_decode());
    assert_error_hidden(&error);
    assert_debug_hidden("the response", &error.response());
}

#[tokio::test]
async fn secret_value_is_no_message() {
    let token = secret("token");
    for (status, body) in [
        (409, format!(r#"{{"id": 3, "token": "{token}"}}"#)),
        (503, format!(r#"{{"configuration": {{"secret_key": "{token}"}}, "token": {{"a": ["{token}"]}}}}"#)),
        (400, format!(r#"{{"results": [{{"token": "{token}"}}], "x": ["bad"]}}"#)),
    ] {
        let (_server, client) = serving("GET", "/agents/3/", json(status, body)).await;
        let error = client.get_agent(3).max_retries(0).await.failure();
        assert_debug_hidden("the response", &error.response());
    }
    // The messages of a secret field are shown.
    let body = r#"{"configuration": ["This field is required."]}"#;
    let (_server, client) = serving("POST", "/storages/", json(400, body)).await;
    let call = client.create_storage(|b| b.name("a").provider("gcp").category("internal"));
    assert!(call.await.failure().to_string().contains("configuration: This field is required."));
}

#[tokio::test]
async fn odd_and_many_secrets_are_never_shown() {
    let odd: Json =
        format!(r#"{{"limit": 1e999, "half": "\ud83d", "password": "{}"}}"#, secret("odd")).parse().unwrap();
    let many: Vec<String> = (0..4_000).map(|index| format!("file-{index}.png")).collect();
    let many = json_value!({"files": many, "password": secret("many")});
    for (params, secret) in [(odd, secret("odd")), (many, secret("many"))] {
        let echo = format!("Invalid params {{'password': '{secret}'}}, {secret}");
        assert_never_shown(&echo, async |client| {
            client.run_plugin(7, |b| b.action("train").params(params.clone())).await
        })
        .await;
    }
    // A common word among the values stays in the URL.
    let (_server, client) = serving("POST", "/plugins/7/run/", json(400, r#"{"detail": "no"}"#)).await;
    let call = client.run_plugin(7, |b| b.params(json_value!({"category": "plugins", "task": "run_plugin"})));
    let error = call.await.failure().to_string();
    assert!(error.contains("run_plugin: POST ") && error.contains("/plugins/7/run/"), "{error}");
}

#[tokio::test]
async fn expanded_object_hides_its_secrets() {
    let agent =
        format!(r#"{{"id": 3, "token": "{0}", "more": [{{"params": {{"key": "{0}"}}}}]}}"#, secret("agent"));
    let job = format!(r#"{{"id": 1, "agent": {agent}, "unknown": {agent}}}"#);
    let (_server, client) = serving("GET", "/jobs/1/", json(200, job)).await;
    assert_debug_hidden("a job", &client.get_job(1).await.unwrap());
    let unusable = format!(r#"{{"agent": {agent}}}"#);
    let (_server, client) = serving("GET", "/jobs/1/", json(200, unusable)).await;
    assert_debug_hidden("the response", &client.get_job(1).await.failure().response());
}

// ---- requests and responses without a body

#[tokio::test]
async fn empty_post_has_content_length() {
    let server = Server::of([Act::Keep(response(200, "", ""))]).await;
    assert_eq!(retrying(&server.url).health_check_agent("abc").await.unwrap(), None);
    for verb in [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE] {
        retrying(&server.url).request(verb, "/x/").await.unwrap();
    }
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.body.is_empty() && seen.header("content-type").is_none()));
    let lengths: Vec<_> = seen.iter().map(|seen| seen.header("content-length")).collect();
    assert_eq!(lengths, [Some("0"), Some("0"), Some("0"), Some("0"), None, None]);
}

#[tokio::test]
async fn action_may_respond_without_body() {
    let empty = [b"HTTP/1.1 204 X\r\n\r\n".to_vec(), response(200, "", ""), response(201, "", "")];
    for answer in empty {
        let server = Server::of([Act::Keep(answer)]).await;
        let client = retrying(&server.url);
        assert_eq!(client.run_plugin(7, |b| b.action("train")).await.unwrap(), None);
        assert_eq!(client.set_tags_tasks(|b| b.ids([1]).tags([2])).await.unwrap(), None);
        assert_eq!(client.annotate_task_data(1, |b| b.data(json_value!(null))).await.unwrap(), None);
    }
    for body in ["null", r#"{"job_id":7}"#, "[]"] {
        let server = Server::of([Act::Keep(tcp_server::json(200, body))]).await;
        let run = retrying(&server.url).run_plugin(7, |b| b.action("train")).await.unwrap();
        assert_eq!(run.unwrap().text(), body);
    }
    // A response that is cut off isn't an empty one.
    let cut = Act::Close(tcp_server::json(200, "{}")[..50].to_vec());
    let server = Server::of([cut]).await;
    let error = retrying(&server.url).run_plugin(7, |b: types::builder::PluginRun| b).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
}
