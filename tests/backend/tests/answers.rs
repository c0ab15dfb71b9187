//! Tokens, methods, paths and error responses, in the format of Django REST Framework.

mod common;

use common::{client, read, start};
use reqwest::Method;
use serde_json::{Value, json};
use synapse_test_backend::Backend;

#[tokio::test]
async fn only_valid_tokens_are_accepted() {
    let site = start(Backend::builder().tenant("acme")).await;
    let url = format!("{}/models/", site.backend.url());
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = site.http.get(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.unwrap()).await
    };
    let good = format!("Token {}", site.backend.token());
    let agent = format!("Token {}", site.backend.agent_token());
    for headers in [
        vec![("Synapse-Access-Token", good.as_str())],
        vec![("Authorization", &good)],
        vec![("SYNAPSE-Agent", &agent)],
        vec![("Synapse-Access-Token", &good), ("Synapse-Tenant", "Token acme")],
    ] {
        assert_eq!(ask(&headers).await.0, 200, "{headers:?}");
    }
    let missing = "Authentication credentials were not provided.";
    for (headers, status, detail) in [
        (vec![], 401, missing),
        (vec![("Authorization", "Bearer x")], 401, missing),
        (vec![("Synapse-Access-Token", "Token wrong")], 401, "Invalid token."),
        (vec![("Synapse-Access-Token", "Token")], 401, "Invalid token header. No credentials provided."),
        (
            vec![("Authorization", good.as_str()), ("Synapse-Tenant", "Token other")],
            403,
            "You do not have permission to perform this action.",
        ),
    ] {
        assert_eq!(ask(&headers).await, (status.try_into().unwrap(), json!({"detail": detail})));
    }
    let response = site.http.get(&url).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Token");

    let open = start(Backend::builder().require_auth(false)).await;
    assert_eq!(client().get(format!("{}/models/", open.backend.url())).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_rejected() {
    let site = start(Backend::builder().path_prefix("api/v1/")).await;
    let response = site.request(Method::GET, "/models?project=123").send().await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()["location"], "/api/v1/models/?project=123");
    assert_eq!(site.post("/models", "{}").await.0, 404);

    let response = site.request(Method::GET, "/nothing/").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let (models, versions) =
        (format!("/models/{}/", i64::MIN), format!("/ground_truth_dataset_versions/{}/", i64::MIN));
    for path in [
        &models,
        &versions,
        "/models/999/",
        "/models/abc/",
        "/ground_truth_dataset_versions/1/",
        "/chunked_upload/7/",
    ] {
        assert_eq!(
            site.get(path).await,
            (404.try_into().unwrap(), json!({"detail": "Not found."})),
            "{path}"
        );
    }

    let response = site.request(Method::DELETE, "/models/").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET, POST, HEAD, OPTIONS");
    assert_eq!(
        read(response).await,
        (405.try_into().unwrap(), json!({"detail": "Method \"DELETE\" not allowed."}))
    );

    let response = site.request(Method::GET, "/models/").send().await.unwrap();
    for (name, value) in
        [("content-type", "application/json"), ("vary", "Accept"), ("allow", "GET, POST, HEAD, OPTIONS")]
    {
        assert_eq!(response.headers()[name], value);
    }
    assert!(response.headers().contains_key("x-request-id"));
    let length = response.bytes().await.unwrap().len();
    let response = site.request(Method::HEAD, "/models/").send().await.unwrap();
    assert_eq!(response.headers()["content-length"], length.to_string().as_str());
}

#[tokio::test]
async fn model_fields_are_validated() {
    let site = start(Backend::builder()).await;
    let required = json!(["This field is required."]);
    let nothing =
        json!({"name": required, "model_type": required, "project": required, "chunked_upload": required});
    assert_eq!(site.post("/models/", "{}").await, (400.try_into().unwrap(), nothing.clone()));
    assert_eq!(site.post("/models/", "").await, (400.try_into().unwrap(), nothing));
    let id = "00000000-0000-4000-8000-000000000000";
    let body = json!({
        "name": " ", "model_type": "tracking", "project": 9, "chunked_upload": id, "description": [],
        "is_active": null, "metrics": null, "checkpoint": "x",
    });
    let (status, body) = site.post("/models/", &body.to_string()).await;
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!({
            "name": ["This field may not be blank."],
            "description": ["Not a valid string."],
            "model_type": ["\"tracking\" is not a valid choice."],
            "project": ["Invalid pk \"9\" - object does not exist."],
            "chunked_upload": [format!("Invalid pk \"{id}\" - object does not exist.")],
            "metrics": ["This field may not be null."],
            "is_active": ["This field may not be null."],
            "checkpoint": ["A valid integer is required."],
        })
    );
    for (text, detail) in [
        ("x", "JSON parse error - Expecting value: line 1 column 1 (char 0)"),
        (
            "{",
            "JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("{\"a\":\n 1 2}", "JSON parse error - Expecting ',' delimiter: line 2 column 4 (char 9)"),
        ("{} x", "JSON parse error - Extra data: line 1 column 4 (char 3)"),
        ("{\"name\": NaN}", "JSON parse error - Expecting value: line 1 column 10 (char 9)"),
    ] {
        assert_eq!(
            site.post("/models/", text).await,
            (400.try_into().unwrap(), json!({"detail": detail})),
            "{text}"
        );
    }
    let list = json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]});
    assert_eq!(site.post("/models/", "[]").await.1, list);
    let request = site.request(Method::POST, "/models/").header("Content-Type", "text/plain").body("x");
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), body),
        (415, json!({"detail": "Unsupported media type \"text/plain\" in request."}))
    );
    assert!(site.backend.models_created().is_empty());
}

#[tokio::test]
async fn model_expands_requested_fields() {
    let site = start(Backend::builder()).await;
    let plain = site.ok("/models/456/").await;
    assert!(
        plain["metrics"]["accuracy"].is_number()
            && plain["file"].as_str().unwrap().contains("X-Amz-Signature=")
    );
    assert!(plain.get("evaluations").is_none() && plain.get("versions").is_none());
    assert_ne!(site.ok("/models/456/").await["file"], plain["file"], "each response has new signatures");
    assert!(site.ok("/models/456/?include_file=false").await.get("file").is_none());
    let comma = site.ok("/models/456/?expand=metrics,versions").await;
    assert!(comma["metrics"]["history"].is_array() && comma["versions"].is_array());
    let repeated = site.ok("/models/456/?expand=evaluations&expand=versions").await;
    assert!(repeated["evaluations"].is_array() && repeated["versions"].is_array());

    let models = site.ok("/models/").await["results"].clone();
    assert!(models.as_array().unwrap().iter().any(|model| model["description"] == Value::Null));
    assert!(models.as_array().unwrap().iter().any(|model| model["file"] == Value::Null));
}

#[tokio::test]
async fn file_links_follow_url_settings() {
    let site = start(Backend::builder().url_host("internal", "http://storage.internal:9000")).await;
    let page = site.ok("/sdk/ground_truth_events/?url_host=internal&page_size=1").await;
    assert!(
        page["results"][0]["data_unit"]["files"].to_string().contains("http://storage.internal:9000/media/")
    );
    let other = site.ok("/models/456/?url_host=other").await;
    assert!(other["file"].as_str().unwrap().starts_with(site.backend.url()));
    let site = start(Backend::builder().relative_urls(true).signed_urls(false)).await;
    assert_eq!(site.ok("/models/456/").await["file"], "/media/models/456/resnet-1.pt");
}

#[tokio::test]
async fn requests_are_recorded() {
    let site = start(Backend::builder()).await;
    site.ok("/models/?search=a+b").await;
    site.post("/models/", r#"{"name":"x"}"#).await;
    let requests = site.backend.requests();
    assert_eq!(requests[0].query_value("search").as_deref(), Some("a b"));
    assert_eq!(
        (requests[1].method.as_str(), &requests[1].body[..], requests[1].body_length),
        ("POST", &br#"{"name":"x"}"#[..], 12)
    );
    assert_eq!(requests[1].status.map(|status| status.as_u16()), Some(400));
    assert_eq!(requests[0].connection, requests[1].connection);
    site.backend.clear_requests();
    site.backend.record_requests(false);
    site.ok("/models/").await;
    assert!(site.backend.requests().is_empty());
}

#[tokio::test]
async fn dropped_backend_is_gone() {
    let site = start(Backend::builder()).await;
    let id = site.upload(b"x", "9dd4e461268c8034f5c8564e155c67a6").await;
    let path = site.backend.uploaded_file(&id).unwrap();
    let url = site.backend.url().to_owned();
    assert!(path.exists());
    drop(site);
    assert!(!path.exists());
    assert!(client().get(url).send().await.unwrap_err().is_connect());

    let site = start(Backend::builder()).await;
    site.ok("/models/").await;
    let url = site.backend.url().to_owned();
    site.backend.shutdown().await;
    assert!(client().get(url).send().await.unwrap_err().is_connect());
}
