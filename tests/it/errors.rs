//! Failures, and responses that are unusual but valid. Each error is reported with everything known about it,
//! and nothing panics.

use std::time::{Duration, SystemTime};

use crate::support::marker::Failure;
use crate::support::predicates::predicates;
use crate::support::server::{
    assert_every_request, assert_only_get, html, json, line, only, requests, serving,
};
use crate::support::tcp_server::{Act, Server, refusing};
use synapse_backend_client::reqwest::{Method, StatusCode};
use synapse_backend_client::types::{GroundTruthEvent, Model, ModelPage, ModelType};
use synapse_backend_client::{BackendClient, Error, ErrorKind, Json, ModelFile, RetryPolicy};
use wiremock::{MockServer, ResponseTemplate};

/// Gets a model from a server that sends this response.
async fn get(response: ResponseTemplate) -> (Result<Model, Error>, MockServer) {
    let (server, client) = serving("GET", "/models/999/", response).await;
    (client.get_model(999).await, server)
}

async fn get_error(response: ResponseTemplate) -> Error {
    let (outcome, server) = get(response).await;
    assert_every_request(&server, "GET /models/999/").await;
    let error = outcome.failure();
    assert_eq!((error.operation(), error.method()), (Some("get_model"), Some(&Method::GET)));
    assert_eq!(error.url(), Some(format!("{}/models/999/", server.uri()).as_str()));
    error
}

async fn get_ok(body: &str) -> Model {
    let (outcome, server) = get(json(200, body)).await;
    assert_only_get(&server, "/models/999/").await;
    outcome.unwrap()
}

async fn list(body: impl Into<String>) -> Result<ModelPage, Error> {
    let (server, client) = serving("GET", "/models/", json(200, body)).await;
    let outcome = client.list_models().await;
    assert_only_get(&server, "/models/").await;
    outcome
}

/// Creates a model from an uploaded file.
async fn create(client: &BackendClient) -> Result<Model, Error> {
    client
        .create_model(ModelFile::uploaded("a-uuid"), |m| m.name("n").model_type("detection").project(1))
        .await
}

async fn create_error(response: ResponseTemplate) -> Error {
    let (server, client) = serving("POST", "/models/", response).await;
    let error = create(&client).await.failure();
    // The request is never sent twice.
    let sent = only(&server).await;
    assert_eq!(line(&sent), "POST /models/");
    let expected =
        serde_json::json!({"name": "n", "model_type": "detection", "project": 1, "chunked_upload": "a-uuid"});
    assert_eq!(sent.body_json::<serde_json::Value>().unwrap(), expected);
    assert_eq!(error.upload_id(), Some("a-uuid"));
    error
}

// ---- error responses

#[tokio::test]
async fn missing_model_is_not_found() {
    let error = get_error(json(404, r#"{"detail": "Not found."}"#)).await;
    assert_eq!(predicates(&error), ["status", "not_found"]);
    assert_eq!((error.kind(), error.status()), (ErrorKind::Status, Some(StatusCode::NOT_FOUND)));
    let response = error.response().unwrap();
    assert_eq!((response.status(), response.detail()), (StatusCode::NOT_FOUND, Some("Not found.")));
    assert_eq!(response.headers()["content-type"], "application/json");
    let line = format!("get_model: GET {}: 404 Not Found: Not found.", error.url().unwrap());
    assert_eq!(error.to_string(), line);
    assert_eq!((error.json_path(), error.upload_id()), (None, None));
}

#[tokio::test]
async fn validation_errors_listed_by_field() {
    let error = create_error(json(
        400,
        r#"{"name": ["Required.", "Too short."], "configuration": {"size": ["Bad."]}}"#,
    ))
    .await;
    assert_eq!(predicates(&error), ["status", "bad_request"]);
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    let response = error.response().unwrap();
    assert_eq!(response.json().unwrap()["configuration"]["size"][0], "Bad.");
    assert_eq!(response.detail(), None);
    let fields: Vec<_> = response.field_errors().into_iter().collect();
    assert_eq!(
        fields,
        [
            ("configuration.size".to_owned(), vec!["Bad.".to_owned()]),
            ("name".to_owned(), vec!["Required.".to_owned(), "Too short.".to_owned()]),
        ]
    );
    assert!(
        error.to_string().ends_with("400 Bad Request: configuration.size: Bad.; name: Required. Too short."),
        "{error}"
    );
}

#[tokio::test]
async fn list_of_errors_is_parsed() {
    let error = create_error(json(400, r#"["Only one model a day."]"#)).await;
    assert_eq!(error.response().unwrap().field_errors()[""], ["Only one model a day."]);
    assert!(error.to_string().ends_with("400 Bad Request: Only one model a day."), "{error}");
}

#[tokio::test]
async fn field_errors_kept_beside_detail() {
    for (body, fields, line) in [
        (
            r#"{"detail": ["Blank."], "name": ["Required."]}"#,
            "detail=Blank. name=Required.",
            "detail: Blank.; name: Required.",
        ),
        (r#"{"detail": ["one", "two"]}"#, "detail=one,two", "detail: one two"),
        (r#"{"detail": {"name": ["Bad."]}}"#, "detail.name=Bad.", "detail.name: Bad."),
        (r#"{"detail": null, "name": ["Bad."]}"#, "name=Bad.", "name: Bad."),
        (
            r#"{"detail": "Invalid.", "errors": {"name": ["Bad."]}}"#,
            "errors.name=Bad.",
            "Invalid.; errors.name: Bad.",
        ),
        (r#"{"detail": "Not found.", "code": "not_found"}"#, "", "Not found."),
    ] {
        let error = get_error(json(400, body)).await;
        let reported = error.response().unwrap().field_errors();
        let reported: Vec<_> =
            reported.iter().map(|(field, messages)| format!("{field}={}", messages.join(","))).collect();
        assert_eq!(reported.join(" "), fields, "{body}");
        assert!(error.to_string().ends_with(&format!(": 400 Bad Request: {line}")), "{error}");
    }
}

#[tokio::test]
async fn status_line_omitted_message_kept() {
    for (response, line) in [
        (json(400, r#"{"detail": "400 items are the most."}"#), ": 400 Bad Request: 400 items are the most."),
        (json(400, r#"{"ids": ["400 at most."]}"#), ": 400 Bad Request: ids: 400 at most."),
        (json(400, r#"["400 at most."]"#), ": 400 Bad Request: 400 at most."),
        (
            ResponseTemplate::new(404).set_body_raw("404 models are gone", "text/plain"),
            ": 404 Not Found: 404 models are gone",
        ),
        (
            ResponseTemplate::new(404).set_body_raw("404 not found\n", "text/plain"),
            "/models/999/: 404 Not Found",
        ),
        (html(413, "<title>413 Request Entity Too Large</title>"), "/models/999/: 413 Payload Too Large"),
    ] {
        let error = get_error(response).await;
        assert!(error.to_string().ends_with(line), "{error}");
    }
}

#[tokio::test]
async fn oversized_model_file_is_too_large() {
    let page = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>";
    let error = create_error(html(413, page)).await;
    assert_eq!(predicates(&error), ["status", "too_large"]);
    assert_eq!(error.response().unwrap().text(), page);
    let error = create_error(json(413, r#"{"detail": "Larger than 10 GB."}"#)).await;
    assert_eq!(predicates(&error), ["status", "too_large"]);
    assert!(error.to_string().ends_with(": Larger than 10 GB."), "{error}");
}

#[tokio::test]
async fn refused_token_is_unauthorized() {
    let (outcome, server) = get(json(401, r#"{"detail": "Invalid token."}"#)).await;
    let error = outcome.failure();
    assert_eq!(predicates(&error), ["status", "unauthorized"]);
    assert_eq!(error.response().unwrap().detail(), Some("Invalid token."));
    // No other token is available, so the request is not retried.
    assert_only_get(&server, "/models/999/").await;
}

#[tokio::test]
async fn missing_permission_is_forbidden() {
    let error =
        get_error(json(403, r#"{"detail": "You do not have permission to perform this action."}"#)).await;
    assert_eq!(predicates(&error), ["status", "forbidden"]);
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn unprocessable_input_is_bad_request() {
    let error =
        create_error(json(422, r#"{"project": ["Invalid pk \"1\" - object does not exist."]}"#)).await;
    assert_eq!(predicates(&error), ["status", "bad_request"]);
    assert_eq!(error.status(), Some(StatusCode::UNPROCESSABLE_ENTITY));
    assert_eq!(error.response().unwrap().field_errors()["project"].len(), 1);
}

#[tokio::test]
async fn throttled_error_has_retry_after() {
    let response = || json(429, r#"{"detail": "Request was throttled."}"#).insert_header("retry-after", "0");
    let error = get_error(response()).await;
    assert_eq!(predicates(&error), ["status", "too_many_requests"]);
    assert_eq!(error.response().unwrap().headers()["retry-after"], "0");
}

#[tokio::test]
async fn proxy_page_becomes_one_line_error() {
    let page = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body>\n</html>";
    let error = get_error(html(502, page)).await;
    assert_eq!(predicates(&error), ["status"]);
    assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
    let response = error.response().unwrap();
    assert_eq!((response.json(), response.detail(), response.field_errors().len()), (None, None, 0));
    assert_eq!((response.text().as_ref(), response.body().as_ref()), (page, page.as_bytes()));
    assert!(error.to_string().ends_with("/models/999/: 502 Bad Gateway"), "{error}");
    for title in
        ["<TITLE>Down for maintenance</TITLE>", "<title lang=\"en\">\n  Down for maintenance\n</title >"]
    {
        let error = get_error(html(500, &format!("<HTML><HEAD>{title}</HEAD></HTML>"))).await;
        assert!(error.to_string().ends_with(": 500 Internal Server Error: Down for maintenance"), "{error}");
    }
    let error = get_error(html(503, "<p>\n  Down for\n  maintenance\n</p>")).await;
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn gateway_failure_leaves_create_unknown() {
    for status in [502, 504, 520, 524] {
        let error = create_error(html(status, "<html></html>")).await;
        assert!(error.is_unknown_outcome(), "{status}: {error:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert!(error.response().is_some());
    }
    let error = create_error(html(503, "<html></html>")).await;
    assert!(
        error.is_unknown_outcome() && error.status() == Some(StatusCode::SERVICE_UNAVAILABLE),
        "{error:?}"
    );
    let error = create_error(json(503, r#"{"detail": null}"#)).await;
    assert!(error.is_unknown_outcome(), "{error:?}");
}

#[tokio::test]
async fn application_error_is_known_outcome() {
    for status in [400, 404, 409, 500] {
        let error = create_error(json(status, r#"{"detail": "No."}"#)).await;
        assert!(error.is_status() && !error.is_unknown_outcome(), "{error:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
    }
}

#[tokio::test]
async fn empty_error_body_keeps_status() {
    let error = get_error(ResponseTemplate::new(404)).await;
    assert!(error.is_not_found());
    assert!(error.to_string().ends_with("/models/999/: 404 Not Found"), "{error}");
    let error = get_error(ResponseTemplate::new(599)).await;
    assert_eq!(error.status().map(|status| status.as_u16()), Some(599));
}

#[tokio::test]
async fn malformed_error_body_keeps_status() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for body in [
        "\u{feff}{\"detail\": \"x\"}",
        r#"{"detail": "\ud83d"}"#,
        r#"{"n": 1e999}"#,
        &deep,
        "{",
        "null",
        "7",
        "\"x\"",
        "[[], {}]",
    ] {
        let error = get_error(json(400, body)).await;
        assert!(error.is_bad_request(), "{body}: {error:?}");
        let response = error.response().unwrap();
        assert_eq!(response.text(), body);
        let _ = (
            response.json(),
            response.detail(),
            response.field_errors(),
            error.to_string(),
            format!("{error:?}"),
        );
    }
    let error = get_error(ResponseTemplate::new(400).set_body_raw(vec![0xff, b'x', 0], "text/plain")).await;
    assert!(error.is_bad_request());
    assert_eq!(error.response().unwrap().text(), "\u{fffd}x\0");
}

#[tokio::test]
async fn long_error_body_is_truncated() {
    let error = get_error(html(404, &"long".repeat(1 << 20))).await;
    assert!(error.is_not_found(), "{error:?}");
    let body = error.response().unwrap().body();
    assert!(body.starts_with(b"longlong") && body.len() < 4 << 20, "{}", body.len());
    assert!(error.to_string().len() < 1_000 && format!("{error:?}").len() < 10_000);
}

#[tokio::test]
async fn interrupted_error_body_keeps_status() {
    let response =
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nonly this";
    let server = Server::of([Act::Close(response.into())]).await;
    let error = BackendClient::builder(&server.url).build().unwrap().get_model(1).await.failure();
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(error.response().unwrap().text(), "only this");
}

#[tokio::test]
async fn redirected_create_never_becomes_get() {
    for status in [301, 302, 303] {
        let error = create_error(ResponseTemplate::new(status).insert_header("location", "/models/")).await;
        assert_eq!(error.kind(), ErrorKind::CrossOrigin);
        assert!(error.to_string().contains("would become a GET"), "{error}");
    }
}

// ---- unusable responses

/// Asserts that a response is reported as unusable, with this status, JSON path and message.
fn assert_unusable(error: &Error, status: StatusCode, path: Option<&str>, part: &str) {
    assert_eq!(predicates(error), ["decode"], "{error:?}");
    assert_eq!((error.status(), error.json_path()), (Some(status), path), "{error:?}");
    assert!(error.to_string().contains(part), "{part}: {error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn empty_answer_is_decode_error() {
    let error = get_error(ResponseTemplate::new(204)).await;
    assert_unusable(
        &error,
        StatusCode::NO_CONTENT,
        None,
        "204 No Content, but the response can't be used: the body is empty",
    );
    let error = get_error(json(200, " \n")).await;
    assert_unusable(&error, StatusCode::OK, None, "the body is empty");
}

#[tokio::test]
async fn empty_create_answer_is_decode_error() {
    let error = create_error(ResponseTemplate::new(201)).await;
    assert_unusable(
        &error,
        StatusCode::CREATED,
        None,
        "201 Created, but the response can't be used: the body is empty",
    );
}

#[tokio::test]
async fn non_json_answer_is_decode_error() {
    let page = "<!DOCTYPE html><title>Sign in</title>";
    let error = get_error(html(200, page)).await;
    assert_unusable(&error, StatusCode::OK, None, "text/html");
    assert_eq!(error.response().unwrap().text(), page);
    let error = get_error(json(200, "Model 999")).await;
    assert_unusable(&error, StatusCode::OK, None, "expected value");
    let error =
        get_error(ResponseTemplate::new(200).set_body_raw(vec![0x1f, 0x8b, 0xff, 0], "application/json"))
            .await;
    assert_unusable(&error, StatusCode::OK, None, "can't be used");
}

#[tokio::test]
async fn truncated_json_is_decode_error() {
    let error = get_error(json(200, r#"{"id": 999, "name": "Det"#)).await;
    assert_eq!((predicates(&error), error.status()), (vec!["decode"], Some(StatusCode::OK)));
    assert!(error.to_string().contains("the response is truncated"), "{error}");
    // If the text ends within a key, the path ends at its object.
    let error = get_error(json(200, r#"{"id": 999, "na"#)).await;
    assert_unusable(&error, StatusCode::OK, None, "can't be used: the response is truncated");
    let error = list(r#"{"results": [{"id": 1, "na"#).await.failure();
    assert_unusable(&error, StatusCode::OK, Some("results[0]"), "at `results[0]`: the response is truncated");
}

#[tokio::test]
async fn trailing_characters_are_decode_error() {
    let error = get_error(json(200, r#"{"id": 999, "name": "n", "model_type": "detection"} {}"#)).await;
    assert_unusable(&error, StatusCode::OK, None, "trailing characters");
}

#[tokio::test]
async fn page_without_results_is_decode_error() {
    let error = list(r#"{"count": 0, "next": null, "previous": null}"#).await.failure();
    assert_unusable(&error, StatusCode::OK, None, "missing field `results`");
    assert!(list(r#"{"count": 0, "results": null}"#).await.unwrap().results.is_empty());
    let error = list("[]").await.failure();
    assert!(error.is_decode() && error.status() == Some(StatusCode::OK), "{error:?}");
}

#[tokio::test]
async fn wrong_type_reports_json_path() {
    let page = |item: &str| {
        format!(r#"{{"results": [{{"id": 1, "name": "n", "model_type": "detection"}}, {item}]}}"#)
    };
    for (item, path) in [
        (r#"{"id": "x", "name": "n", "model_type": "detection"}"#, "results[1].id"),
        (r#"{"id": 2, "name": null, "model_type": "detection"}"#, "results[1].name"),
        (r#"{"id": 2, "name": "n", "model_type": []}"#, "results[1].model_type"),
        (r#"{"id": 1.5, "name": "n", "model_type": "detection"}"#, "results[1].id"),
        (r#"{"id": "", "name": "n", "model_type": "detection"}"#, "results[1].id"),
        (r#"{"id": 2, "name": "n"}"#, "results[1]"),
        ("7", "results[1]"),
    ] {
        let error = list(page(item)).await.failure();
        assert_unusable(&error, StatusCode::OK, Some(path), &format!("`{path}`"));
    }
}

#[tokio::test]
async fn misfit_of_optional_field_is_kept() {
    let item = r#"{"id": "2", "name": 1.50, "model_type": "detection", "is_active": "yes", "created_at": [1.50], "extra_key": 7}"#;
    let body = format!(r#"{{"count": 1, "next": null, "results": [{item}]}}"#);
    let page = list(&body).await.unwrap();
    let (_server, client) = serving("GET", "/models/", json(200, &*body)).await;
    let models: Vec<Model> = client.list_models().list_all().try_collect().await.unwrap();
    assert_eq!((page.count, page.results.len(), &page.results), (Some(1), 1, &models));
    for model in [&page.results[0], &models[0]] {
        assert_eq!((model.id, model.name.as_str(), model.is_active), (2, "1.50", None));
        assert!(model.created_at.is_none());
        let extra: Vec<_> = model.extra.iter().map(|(name, value)| (name.as_str(), value.text())).collect();
        assert_eq!(extra, [("created_at", "[1.50]"), ("extra_key", "7"), ("is_active", r#""yes""#)]);
        // What is written again has the values that came.
        let again = serde_json::to_string(model).unwrap();
        assert!(
            again.contains(r#""created_at":[1.50]"#) && again.matches("created_at").count() == 1,
            "{again}"
        );
    }
}

#[tokio::test]
async fn list_all_reports_page_and_index() {
    let body = r#"{"count": 2, "next": null, "results": [{"id": 1}, {"id": "x"}]}"#;
    let (server, client) = serving("GET", "/sdk/ground_truth_events/", json(200, body)).await;
    let mut events = client.list_ground_truth_events().list_all().stream();
    assert_eq!(events.next().await.unwrap().unwrap().id, 1);
    let error = events.next().await.unwrap().failure();
    assert_unusable(&error, StatusCode::OK, Some("results[1].id"), "`results[1].id`");
    assert!(error.to_string().starts_with("item 1 of page 1 (id x): "), "{error}");
    let item = error.item_failure().unwrap();
    assert_eq!((item.page, item.index, item.id.as_deref(), item.json_path.as_str()), (1, 1, Some("x"), "id"));
    assert_eq!(item.text(), r#"{"id": "x"}"#);
    assert!(events.next().await.is_none());
    assert_only_get(&server, "/sdk/ground_truth_events/").await;
}

// ---- unusual but valid responses

#[tokio::test]
async fn undocumented_fields_are_kept() {
    let model = get_ok(
        r#"{"id": 1, "name": "n", "model_type": "detection", "stage": "live", "owner": {"id": 3, "tags": [1, null]}, "gone": null}"#,
    )
    .await;
    assert_eq!(model.extra.keys().collect::<Vec<_>>(), ["gone", "owner", "stage"]);
    assert_eq!(
        (&model.extra["stage"], &model.extra["owner"]["id"]),
        (&Json::from(serde_json::json!("live")), &3.into())
    );
    assert!(model.extra["gone"].is_null() && model.extra["owner"]["tags"][1].is_null());
    let page = list(r#"{"results": [], "took_ms": 3}"#).await.unwrap();
    assert_eq!(page.extra["took_ms"].value(), 3);
}

#[tokio::test]
async fn undocumented_fields_kept_verbatim() {
    let model =
        get_ok(r#"{"id": 1, "name": "n", "model_type": "detection", "stats": {"z": 1.50, "a": 123456789012345678901234567890}}"#)
            .await;
    assert_eq!(model.extra["stats"].text(), r#"{"z": 1.50, "a": 123456789012345678901234567890}"#);
}

#[tokio::test]
async fn malformed_extra_field_keeps_page() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for odd in ["1e999", r#""\ud83d""#, &deep] {
        let page = list(format!(
            r#"{{"results": [{{"id": 1, "name": "n", "model_type": "detection", "odd": {odd}}}]}}"#
        ))
        .await;
        assert!(page.unwrap().results[0].extra.contains_key("odd"));
    }
}

#[tokio::test]
async fn new_model_type_is_unrecognized() {
    let body = r#"{"results": [{"id": 1, "name": "n", "model_type": "tracking"}, {"id": 2, "name": "n", "model_type": "detection"}]}"#;
    let page = list(body).await.unwrap();
    assert_eq!(page.results[0].model_type, ModelType::Unrecognized("tracking".to_owned()));
    assert_eq!(
        (page.results[0].model_type.as_str(), &page.results[1].model_type),
        ("tracking", &ModelType::Detection)
    );
}

#[tokio::test]
async fn null_and_missing_fields_accepted() {
    let nulls = r#""description": null, "file": null, "metrics": null, "configuration": null, "project": null, "is_active": null,
        "created_at": null, "evaluations": null, "versions": null, "#;
    for nulls in [nulls, ""] {
        let model = get_ok(&format!(r#"{{{nulls} "id": 1, "name": "n", "model_type": "detection"}}"#)).await;
        assert!(
            model.description.is_none()
                && model.file.is_none()
                && model.is_active.is_none()
                && model.created_at.is_none()
        );
        assert!(model.metrics.is_null() && model.configuration.is_null() && model.project.is_null());
        assert!(model.evaluations.is_null() && model.versions.is_null() && model.extra.is_empty());
        assert!(model.metrics["accuracy"].is_null() && model.project.id().is_none());
    }
    let page = list(r#"{"count": null, "next": null, "previous": null, "results": []}"#).await.unwrap();
    assert_eq!((page.count, page.next, page.previous), (None, None, None));
}

#[tokio::test]
async fn null_accepted_in_events_and_versions() {
    let nulls = r#", "data": null, "data_unit": null, "ground_truth_dataset_version": null, "created_at": null, "metadata": null,
        "files": null"#;
    for nulls in [nulls, ""] {
        let body = format!(r#"{{"results": [{{"id": 1{nulls}}}]}}"#);
        let (_server, client) = serving("GET", "/sdk/ground_truth_events/", json(200, body)).await;
        let event = client.list_ground_truth_events().await.unwrap().results.remove(0);
        assert!(
            event.data.is_null()
                && event.metadata.is_null()
                && event.files.is_null()
                && event.created_at.is_none()
        );
        assert!(
            event.data_unit.is_null()
                && event.ground_truth_dataset_version.is_null()
                && event.extra.is_empty()
        );
    }
    let nulls = r#", "version": null, "ground_truth_dataset": null, "event_count": null, "description": null, "is_active": null,
        "is_archived": null, "created_at": null, "statistics": null"#;
    for nulls in [nulls, ""] {
        let (_server, client) =
            serving("GET", "/ground_truth_dataset_versions/1/", json(200, format!("{{\"id\": 1{nulls}}}")))
                .await;
        let version = client.get_ground_truth_version(1).await.unwrap();
        assert!(version.version.is_none() && version.event_count.is_none() && version.description.is_none());
        assert!(version.is_active.is_none() && version.is_archived.is_none() && version.created_at.is_none());
        assert!(
            version.ground_truth_dataset.is_null()
                && version.statistics.is_null()
                && version.extra.is_empty()
        );
    }
}

#[tokio::test]
async fn object_or_text_accepted_as_id() {
    let project = r#"{"id": 123, "name": "street"}"#;
    let model =
        get_ok(&format!(r#"{{"id": 1, "name": "n", "model_type": "detection", "project": {project}}}"#))
            .await;
    assert_eq!((model.project.id(), model.project["name"].as_str()), (Some(123), Some("street")));
    assert_eq!(model.project.object().unwrap().text(), project);
    let model = get_ok(r#"{"id": 1, "name": "n", "model_type": "detection", "project": "a-code"}"#).await;
    assert_eq!((model.project.id(), model.project.to_string()), (None, r#""a-code""#.to_owned()));
}

#[tokio::test]
async fn incomplete_date_does_not_fail_page() {
    let page = list(
        r#"{"results": [{"id": 1, "name": "n", "model_type": "detection", "created_at": "2025-01-31T00:00:00.5"},
            {"id": 2, "name": "n", "model_type": "detection", "created_at": ""}]}"#,
    )
    .await
    .unwrap();
    let times: Vec<_> = page.results.iter().map(|model| model.created_at.as_ref().unwrap()).collect();
    assert_eq!(
        times[0].to_system_time(),
        Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_281_600_500))
    );
    assert_eq!(times[1].as_str(), "");
    assert!(times[1].to_system_time().is_err());
}

#[tokio::test]
async fn byte_order_mark_is_stripped() {
    let body = "\u{feff}{\"id\": 1, \"name\": \"n\", \"model_type\": \"detection\", \"file\": \"/a\"}";
    assert_eq!(get_ok(body).await.id, 1);
    let (_server, client) = serving("GET", "/models/1/", json(200, body)).await;
    let model = client.get_model(1).url_conversion("file", |url| format!("https://cdn{url}")).await.unwrap();
    assert_eq!(model.file.as_deref(), Some("https://cdn/a"));
}

#[tokio::test]
async fn lone_surrogate_does_not_fail_page() {
    let page = list(
        r#"{"results": [{"id": 1, "name": "a\ud83d b\ud83d\ude00", "description": "\\ud83d", "model_type": "detection"},
            {"id": 2, "name": "n", "model_type": "detection"}]}"#,
    )
    .await
    .unwrap();
    assert_eq!(page.results[0].name, "a\u{fffd} b😀");
    assert_eq!(page.results[0].description.as_deref(), Some("\\ud83d"));
    assert_eq!(page.results[1].id, 2);
    let (_server, client) = serving(
        "GET",
        "/models/1/",
        json(200, r#"{"id": 1, "name": "\ude00", "model_type": "x", "file": "/a"}"#),
    )
    .await;
    let model = client.get_model(1).url_conversion("file", |url| format!("https://cdn{url}")).await.unwrap();
    assert_eq!((model.name.as_str(), model.file.as_deref()), ("\u{fffd}", Some("https://cdn/a")));
}

#[tokio::test]
async fn malformed_free_form_json_is_kept() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (odd, has_value) in [(r#""\ud83d""#, true), ("1e999", false), (&deep, false)] {
        let odd = &format!(r#"{{"odd": {odd}, "label": "bus", "id": 7}}"#);
        let model = get_ok(&format!(
            r#"{{"id": 1, "name": "n", "model_type": "detection", "metrics": {odd}, "file": "/a"}}"#
        ))
        .await;
        assert_eq!((model.metrics.text(), model.file.as_deref()), (odd.as_str(), Some("/a")));
        assert!(model.metrics["none"].is_null() && model.metrics[0].is_null());
        assert_eq!((&model.metrics["label"], model.metrics["odd"].is_null()), (&"bus".into(), !has_value));
        assert_eq!(model.metrics.try_value().is_ok(), has_value);
        assert_eq!(model.metrics.decode::<serde_json::Value>().is_ok(), has_value);
        let _ = (format!("{model:?}"), model.clone(), model.metrics.to_string());

        let body = format!(
            r#"{{"count": 1, "results": [{{"id": 1, "data": {odd}, "data_unit": {odd}, "files": {{"f": "/a"}}}}]}}"#
        );
        let (_server, client) = serving("GET", "/sdk/ground_truth_events/", json(200, body)).await;
        let list = client
            .list_ground_truth_events()
            .url_conversion("files", |url| format!("https://cdn{url}"))
            .list_all();
        let events: Vec<GroundTruthEvent> = list.try_collect().await.unwrap();
        assert_eq!(
            (events[0].data.text(), events[0].files.text()),
            (odd.as_str(), r#"{"f": "https://cdn/a"}"#)
        );
        assert_eq!((&events[0].data["label"], events[0].data_unit.id()), (&"bus".into(), Some(7)));
    }
}

#[tokio::test]
async fn lone_surrogate_kept_in_free_form_json() {
    let model =
        get_ok(r#"{"id": 1, "name": "\ud83d", "model_type": "detection", "metrics": {"text": "\ud83d"}}"#)
            .await;
    assert_eq!((model.name.as_str(), model.metrics.text()), ("\u{fffd}", r#"{"text": "\ud83d"}"#));
}

#[tokio::test]
async fn numbers_keep_every_digit() {
    let model = get_ok(
        r#"{"id": 9223372036854775807, "name": "n", "model_type": "x", "metrics": {"n": 123456789012345678901, "f": 1.10}}"#,
    );
    let model = model.await;
    assert_eq!((model.id, model.metrics.text()), (i64::MAX, r#"{"n": 123456789012345678901, "f": 1.10}"#));
}

// ---- failed connections

fn client(url: &str) -> BackendClient {
    BackendClient::builder(url).retry(RetryPolicy::never()).build().unwrap()
}

#[tokio::test]
async fn refused_connection_is_known_outcome() {
    let (_port, url) = refusing();
    let error = client(&url).get_model(1).await.failure();
    assert_eq!(
        (predicates(&error), error.kind(), error.status()),
        (vec!["connect"], ErrorKind::Connect, None)
    );
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = create(&client(&url)).await.failure();
    assert_eq!((predicates(&error), error.upload_id()), (vec!["connect"], Some("a-uuid")));
}

#[tokio::test]
async fn unknown_host_is_connect_error() {
    let error = client("http://no-such-host.invalid").get_model(1).await.failure();
    assert_eq!(predicates(&error), ["connect"], "{error:?}");
}

#[tokio::test]
async fn broken_answer_interrupted_or_unknown() {
    for response in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\": 1",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"id\": 1\r\n",
    ] {
        let server = Server::of([Act::Close(response.into())]).await;
        let error = client(&server.url).get_model(1).await.failure();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{response:?}: {error:?}");
        assert_eq!(predicates(&error), [""; 0]);
        let error = create(&client(&server.url)).await.failure();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{response:?}: {error:?}");
        assert_eq!((predicates(&error), error.upload_id()), (vec!["unknown_outcome"], Some("a-uuid")));
    }
}

#[tokio::test]
async fn interrupted_page_is_never_the_last() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"count\": 1, \"next\": null, \"results\": [{\"id\": 1}]}";
    let server = Server::of([Act::Close(response.into())]).await;
    let client = client(&server.url);
    let mut events = client.list_ground_truth_events().list_all().stream();
    let error = events.next().await.unwrap().failure();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error:?}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn non_http_answer_is_an_error() {
    let server = Server::of([Act::Close("SSH-2.0-OpenSSH_9.6\r\n".into())]).await;
    let error = client(&server.url).get_model(1).await.failure();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, None), "{error:?}");
    let error = create(&client(&server.url)).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
}

/// Long enough for a request on this machine, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn silent_server_hits_read_timeout() {
    // The server stalls before the response's head, or within its body.
    for response in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\": 1"] {
        let server = Server::of([Act::Hold(response.into())]).await;
        let client = BackendClient::builder(&server.url)
            .retry(RetryPolicy::never())
            .read_timeout(SHORT)
            .build()
            .unwrap();
        let error = client.get_model(1).await.failure();
        assert_eq!((predicates(&error), error.kind()), (vec!["timeout"], ErrorKind::Timeout), "{error:?}");
        assert!(error.to_string().contains("read time-out"), "{error}");
        let error = client.list_models().await.failure();
        assert_eq!(predicates(&error), ["timeout"]);
        let error = create(&client).await.failure();
        assert_eq!(
            (predicates(&error), error.kind()),
            (vec!["timeout", "unknown_outcome"], ErrorKind::UnknownOutcome)
        );
        assert_eq!(error.upload_id(), Some("a-uuid"));
    }
}

#[tokio::test]
async fn call_hits_its_own_timeouts() {
    let server = Server::of([Act::Hold("".into())]).await;
    let client = client(&server.url);
    let error = client.get_model(1).read_timeout(SHORT).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("read time-out"), "{error}");
    let error = client.get_model(1).timeout(SHORT).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("whole request"), "{error}");
    let mut events = client.list_ground_truth_events().timeout(SHORT).list_all().stream();
    assert!(events.next().await.unwrap().failure().is_timeout());
    let whole = BackendClient::builder(&server.url).timeout(SHORT).build().unwrap();
    assert!(whole.get_model(1).await.failure().is_timeout());
}

#[tokio::test]
async fn client_usable_after_error() {
    let (server, client) =
        serving("GET", "/models/1/", json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#)).await;
    assert!(client.get_model(2).await.failure().is_not_found());
    assert_eq!(client.get_model(1).await.unwrap().id, 1);
    assert_eq!(requests(&server).await.len(), 2);
}

// ---- large responses

/// A type whose decoding waits until the gate is open.
#[derive(Debug)]
struct Slow;

static GATE: (std::sync::Mutex<bool>, std::sync::Condvar) =
    (std::sync::Mutex::new(false), std::sync::Condvar::new());

impl<'de> serde::Deserialize<'de> for Slow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        let (open, opened) = &GATE;
        // After this time the test has failed anyway.
        drop(opened.wait_timeout_while(open.lock().unwrap(), Duration::from_secs(20), |open| !*open));
        Ok(Slow)
    }
}

/// The test has a single thread, which slow decoding would block.
#[tokio::test]
async fn timeout_fires_while_decoding() {
    let body = format!(r#"{{"text": "{}"}}"#, "x".repeat(300_000));
    let (_server, client) = serving("GET", "/models/1/", json(200, body)).await;
    let error = client.get_model(1).timeout(Duration::from_secs(2)).send_as::<Slow>().await.failure();
    assert!(error.is_timeout() && error.to_string().contains("whole request"), "{error}");
    let waiting = client.get_model(1).send_as::<Slow>();
    let opening = async {
        tokio::task::yield_now().await;
        *GATE.0.lock().unwrap() = true;
        GATE.1.notify_all();
    };
    assert!(tokio::join!(waiting, opening).0.is_ok());
}
