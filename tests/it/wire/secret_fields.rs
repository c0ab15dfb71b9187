//! Fields that hold credentials: they are decoded and sent, and never shown.

use synapse_backend_client::types::{self, PluginRun, StorageCreate};
use synapse_backend_client::{Json, json};

use super::Backend;
use crate::support::marker::{Failure, assert_debug_hidden, assert_hidden, secret};

#[tokio::test]
async fn secrets_of_responses_are_not_shown() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let (value, key) = (secret("value"), secret("key"));

    backend.answer(
        200,
        &format!(
            r#"{{"id": 3, "name": "gpu", "token": "{value}", "node_install_script": "curl agents/{key}/x"}}"#
        ),
    );
    let agent = backend.output(client.get_agent(3)).await;
    assert_debug_hidden("an agent", &agent);
    assert!(format!("{agent:?}").contains("gpu"));
    assert_eq!(agent.token.as_ref(), Some(&value));
    assert!(serde_json::to_string(&agent).unwrap().contains(&value));

    backend.answer(
        200,
        &format!(r#"{{"id": 9, "configuration": {{"secret_key": "{key}", "list": ["{value}"]}}}}"#),
    );
    let storage = backend.output(client.get_storage(9)).await;
    assert_debug_hidden("a storage", &storage);
    assert_eq!(storage.configuration["secret_key"].as_str(), Some(key.as_str()));
    let session = backend.output(client.create_storage_session(9, |b| b.purpose("read"))).await;
    assert_debug_hidden("a session", &session);
    assert_eq!(session.configuration["list"][0].as_str(), Some(value.as_str()));

    backend.answer(
        200,
        &format!(r#"{{"id": "a", "action": "train", "params": {{"password": "{key}", "x": "{value}"}}}}"#),
    );
    let job = backend.output(client.get_job("a")).await;
    assert_debug_hidden("a job", &job);
    assert_eq!(job.params["x"].as_str(), Some(value.as_str()));

    let parts = format!(
        r#"{{"upload_id": "u", "part_size": 1, "parts": [{{"part_number": 1, "presigned_url": "https://s3/{key}"}}]}}"#
    );
    backend.answer(
        200,
        &format!(r#"{{"files": [{{"file_key": "k", "presigned_url": "https://s3/{value}"}}, {{"file_key": "l", "multipart": {parts}}}]}}"#),
    );
    let file = types::PresignedFileRequest::builder().filename("a").size(1);
    let upload = backend.output(client.request_presigned_upload(|b| b.files([file]))).await;
    assert_debug_hidden("presigned URLs", &upload);
    assert_eq!(upload.files[0].presigned_url.as_deref(), Some(&*format!("https://s3/{value}")));
}

#[tokio::test]
async fn secrets_of_pages_are_not_shown() {
    let backend = Backend::start().await;
    let client = &backend.client;
    backend.answer(200, &format!(r#"{{"results": [{{"id": 3, "token": "{}"}}]}}"#, secret("token")));
    assert_debug_hidden("agents", &backend.output(client.list_agents()).await);
    backend.answer(200, &format!(r#"[{{"id": 3, "configuration": ["{}"]}}]"#, secret("key")));
    assert_debug_hidden("storages", &backend.output(client.list_storages()).await);
    backend.answer(200, &format!(r#"{{"results": [{{"id": 3, "params": "{}"}}]}}"#, secret("params")));
    assert_debug_hidden("jobs", &backend.output(client.list_jobs()).await);
}

#[tokio::test]
async fn secrets_of_misfits_are_not_shown() {
    let backend = Backend::start().await;
    // A secret of another type than the document's is kept, and still not shown.
    let token = secret("token");
    backend.answer(
        200,
        &format!(r#"{{"id": 3, "token": {{"value": "{token}"}}, "node_install_script": ["{token}"]}}"#),
    );
    let agent = backend.output(backend.client.get_agent(3)).await;
    assert_debug_hidden("an agent", &agent);
    assert_eq!(agent.extra["token"].text(), format!(r#"{{"value": "{token}"}}"#));
    // Nor does the error of a response that can't be decoded show one.
    for text in [
        format!(r#"{{"id": "x", "token": "{token}"}}"#),
        format!(r#"{{"token": "{token}"}}"#),
        format!(r#"{{"id": 1, "node_install_script": "{token}""#),
    ] {
        backend.answer(200, &text);
        assert!(backend.client.get_agent(3).await.failure().is_decode(), "{text}");
    }
}

#[tokio::test]
async fn secrets_of_requests_are_not_shown() {
    let backend = Backend::start().await;
    let (value, key) = (secret("value"), secret("key"));
    let params = || json!({"password": value.as_str(), "nested": [{"x": key.as_str()}]});
    let run = PluginRun::builder().action("train").params(params());
    assert_debug_hidden("a run's builder", &run);
    let run: PluginRun = run.try_into().unwrap();
    assert_debug_hidden("a run", &run);
    assert_eq!(run.params.as_ref().map(Json::text), Some(params().text()));
    let storage =
        StorageCreate::builder().name("n").provider("minio").category("internal").configuration(params());
    assert_debug_hidden("a storage's builder", &storage);
    let storage: StorageCreate = storage.try_into().unwrap();
    assert_debug_hidden("a storage", &storage);

    // An error whose response repeats the body.
    let echo = format!(
        r#"{{"params": {}, "configuration": {}, "detail": "{value} is no key"}}"#,
        params(),
        params()
    );
    backend.answer(400, &echo);
    let run = backend.client.run_plugin("a", |b| b.params(params())).await.failure();
    assert_eq!(run.status().map(|status| status.as_u16()), Some(400));
    let call = backend
        .client
        .create_storage(|b| b.name("n").provider("minio").category("internal").configuration(params()));
    let storage = call.await.failure();
    assert_hidden("the storage's error", &storage.to_string());

    let call = backend.client.health_check_agent(&value);
    assert_debug_hidden("a call", &call);
}
