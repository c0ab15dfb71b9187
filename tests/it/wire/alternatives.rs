//! Responses in another shape than the usual one.

use synapse_backend_client::Json;
use synapse_backend_client::types::{AgentStatus, JobStatus, StorageProvider};
use synapse_backend_client::types::{DataUnitCreate, TaskCreate};

use super::Backend;

fn unit() -> DataUnitCreate {
    let files = std::iter::empty::<(String, synapse_backend_client::types::DataUnitFile)>();
    DataUnitCreate::builder().data_collection(12).files(files).try_into().unwrap()
}

fn task() -> TaskCreate {
    TaskCreate::builder().project(1).data_unit(2).try_into().unwrap()
}

#[tokio::test]
async fn created_data_units_in_every_shape() {
    let backend = Backend::start().await;
    let call = || backend.client.create_data_units(unit());
    for (text, ids) in [
        (r#"{"id": 1, "files": {"image_1": "/a"}}"#, vec![1]),
        (r#"[{"id": 1}, {"id": 2, "data_collection": {"id": 12}}]"#, vec![1, 2]),
        ("[]", vec![]),
        (r#"{"results": [{"id": 3}]}"#, vec![3]),
        (r#"{"results": []}"#, vec![]),
    ] {
        backend.answer(201, text);
        let created = backend.output(call()).await;
        assert_eq!(created.results.iter().map(|unit| unit.id).collect::<Vec<_>>(), ids, "{text}");
        assert!(created.extra.is_empty(), "{text}");
    }
    backend.answer(201, r#"{"id": 1, "files": {"image_1": "/a"}, "checksum": "c"}"#);
    let created = backend.output(call()).await;
    assert_eq!(created.results[0].files["image_1"], "/a");
    assert_eq!(created.results[0].checksum.as_deref(), Some("c"));
}

#[tokio::test]
async fn created_tasks_in_every_shape() {
    let backend = Backend::start().await;
    for (text, ids) in [
        (r#"{"id": 1, "project": 5}"#, vec![1]),
        (r#"[{"id": 1}, {"id": 2, "tags": [7]}]"#, vec![1, 2]),
        ("[]", vec![]),
        (r#"{"results": [{"id": 3}]}"#, vec![3]),
    ] {
        backend.answer(201, text);
        let created = backend.output(backend.client.create_tasks(task())).await;
        assert_eq!(created.results.iter().map(|task| task.id).collect::<Vec<_>>(), ids, "{text}");
        assert!(created.extra.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn list_storages_reads_a_bare_array() {
    let backend = Backend::of(r#"[{"id": 9, "name": "a"}, {"id": 8, "is_default": true}]"#).await;
    let page = backend.get(backend.client.list_storages(), "/storages/").await;
    assert_eq!(page.results.iter().map(|storage| storage.id).collect::<Vec<_>>(), [9, 8]);
    assert_eq!((page.count, page.next), (None, None));
    let all: Vec<Json> = backend.client.list_storages().list_all_as().try_collect().await.unwrap();
    assert_eq!(
        all.iter().map(Json::text).collect::<Vec<_>>(),
        [r#"{"id": 9, "name": "a"}"#, r#"{"id": 8, "is_default": true}"#]
    );
    backend.taken();
    backend.answer(200, "[]");
    assert!(backend.output(backend.client.list_storages()).await.results.is_empty());
}

#[tokio::test]
async fn verified_checksums_by_other_name() {
    let backend = Backend::start().await;
    let call = || backend.client.verify_data_files_checksums(|b| b.checksums(["a", "b"]));
    for text in [
        r#"{"existing": ["a"]}"#,
        r#"{"existing_checksums": ["a"]}"#,
        r#"{"existing_checksums": ["a"], "existing": ["a"]}"#,
        r#"{"existing_checksums": null, "existing": ["a"]}"#,
    ] {
        backend.answer(200, text);
        let verified = backend.output(call()).await;
        assert_eq!(verified.existing_checksums, ["a"], "{text}");
        assert!(verified.extra.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn words_are_read_without_case() {
    let backend = Backend::start().await;
    for status in ["running", "Running", "RUNNING"] {
        backend.answer(200, &format!(r#"{{"id": 1, "status": "{status}"}}"#));
        let job = backend.output(backend.client.get_job(1_i64)).await;
        assert_eq!(job.status, Some(JobStatus::Running), "{status}");
        let line = "PATCH /jobs/1/";
        let call = backend.client.update_job(1_i64, |b| b.status(status));
        backend.send(call, line, r#"{"status":"RUNNING"}"#).await;
    }
    for status in ["connected", "Connected", "CONNECTED"] {
        backend.answer(200, &format!(r#"{{"id": 1, "status": "{status}"}}"#));
        let agent = backend.output(backend.client.get_agent(1)).await;
        assert_eq!(agent.status, Some(AgentStatus::Connected), "{status}");
    }
    for provider in ["AMAZON_S3", "Amazon_S3", "amazon_s3"] {
        backend.answer(200, &format!(r#"{{"id": 1, "provider": "{provider}"}}"#));
        let storage = backend.output(backend.client.get_storage(1)).await;
        assert_eq!(storage.provider, Some(StorageProvider::AmazonS3), "{provider}");
    }
}
