//! Agents and storages.

use synapse_backend_client::json;
use synapse_backend_client::types::{AgentStatus, StorageCategory, StorageProvider};

use super::{
    Backend, Shapes, assert_free_form, assert_headers, assert_pages, assert_query, assert_shapes, json_of,
};
use crate::support::marker::{Failure, secret};

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

const AGENT: Shapes<'_> = Shapes {
    full: r#"{
        "id": 3, "name": "gpu-1", "url": "https://gpu-1.example.com", "status": "connected",
        "token": "0123456789abcdef0123456789abcdef01234567", "node_install_script": "curl agents/0123/node_install_script",
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    open: &["status"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_agent_reads_every_shape() {
    let backend = Backend::of(r#"{"id": 3}"#).await;
    let client = &backend.client;
    backend.get(client.get_agent(3), "/agents/3/").await;
    let agent = assert_shapes(&backend, || client.get_agent(3), AGENT).await;
    assert_eq!((agent.id, agent.status.clone()), (3, Some(AgentStatus::Connected)));
    assert_eq!(agent.token.as_deref(), Some("0123456789abcdef0123456789abcdef01234567"));
    assert_pages(&backend, || client.list_agents(), AGENT, &agent).await;
}

#[tokio::test]
async fn list_agents_sends_each_filter() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_agents(), "/agents/").await;
    assert_query!(backend, list_agents(), "/agents/", {
        id(3) => "id=3",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
    });
}

#[tokio::test]
async fn health_check_agent_sends_no_body() {
    let backend = Backend::of("{}").await;
    backend.client.health_check_agent("0123456789abcdef").await.unwrap();
    let seen = backend.taken();
    assert_eq!(
        (seen.line.as_str(), seen.body.as_slice()),
        ("POST /agents/0123456789abcdef/connect/", b"".as_slice())
    );
    assert_headers(&seen, &[("content-length", "0")]);
    backend.client.health_check_agent("a/b ?").await.unwrap();
    assert_eq!(backend.taken().line, "POST /agents/a%2Fb%20%3F/connect/");
    assert_free_form(&backend, || backend.client.health_check_agent("0123")).await;
}

#[tokio::test]
async fn health_check_agent_hides_the_token() {
    let backend = Backend::start().await;
    let token = secret("agent");
    for (status, text) in [
        (404, r#"{"detail": "Not found."}"#.to_owned()),
        (500, format!("<html>/agents/{token}/connect/</html>")),
        (400, format!(r#"{{"token": ["{token} is unknown"]}}"#)),
    ] {
        backend.answer(status, &text);
        // `failure` asserts that the error doesn't show the token.
        let error = backend.client.health_check_agent(&token).await.failure();
        assert_eq!(error.status().map(|given| given.as_u16()), Some(status));
        assert_eq!(backend.taken().line, format!("POST /agents/{token}/connect/"));
    }
}

const STORAGE: Shapes<'_> = Shapes {
    full: r#"{
        "id": 9, "name": "버킷", "is_default": true, "category": "external", "provider": "minio",
        "configuration": {"bucket_name": "b", "size": 1.50}, "credential_regime": "none",
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    open: &["category", "provider"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_storage_asks_for_configuration() {
    let backend = Backend::of(r#"{"id": 9}"#).await;
    let client = &backend.client;
    backend.get(client.get_storage(9), "/storages/9/?with_configuration=true").await;
    let call = client.get_storage(9).params(|p| p.with_configuration(false));
    backend.get(call, "/storages/9/?with_configuration=false").await;
}

#[tokio::test]
async fn storage_reads_every_shape() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let storage = assert_shapes(&backend, || client.get_storage(9), STORAGE).await;
    assert_eq!((storage.id, storage.is_default), (9, Some(true)));
    assert_eq!(storage.category, Some(StorageCategory::External));
    assert_eq!(storage.provider, Some(StorageProvider::Minio));
    assert_eq!(storage.configuration.text(), r#"{"bucket_name": "b", "size": 1.50}"#);
    assert_pages(&backend, || client.list_storages(), STORAGE, &storage).await;
    for provider in [
        "amazon_s3",
        "azure",
        "digital_ocean",
        "file_system",
        "ftp",
        "sftp",
        "minio",
        "gcp",
        "synology",
        "smb",
    ] {
        backend.answer(200, &format!(r#"{{"id": 1, "provider": "{provider}"}}"#));
        let given = backend.output(client.get_storage(1)).await.provider.unwrap();
        assert!(!matches!(given, StorageProvider::Unrecognized(_)), "{provider}");
        assert_eq!(given.as_str(), provider);
    }
}

#[tokio::test]
async fn list_storages_sends_each_filter() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_storages(), "/storages/").await;
    assert_query!(backend, list_storages(), "/storages/", {
        category("internal") => "category=internal",
        is_default(true) => "is_default=true",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
    });
}

#[tokio::test]
async fn create_storage_sends_each_field() {
    let backend = Backend::of(STORAGE.full).await;
    let client = &backend.client;
    let call = client.create_storage(|b| b.name("n").provider("amazon_s3").category("internal"));
    let body = r#"{"category":"internal","name":"n","provider":"amazon_s3"}"#;
    assert_eq!(backend.send(call, "POST /storages/", body).await.id, 9);
    let call = client.create_storage(|b| {
        let b = b.name("n").provider("a-newer-one").category("external");
        b.configuration(json_of(r#"{"bucket": "b", "size": 1.50}"#)).extra([("is_default", json!(true))])
    });
    let body = r#"{"category":"external","configuration":{"bucket": "b", "size": 1.50},"name":"n","provider":"a-newer-one","is_default":true}"#;
    backend.send(call, "POST /storages/", body).await;
    let error = client.create_storage(|b| b).await.failure().to_string();
    assert!(["`name`", "`provider`", "`category`"].iter().all(|field| error.contains(field)), "{error}");
    backend.assert_nothing_sent();
}

const SESSION: Shapes<'_> = Shapes {
    full: r#"{"provider": "amazon_s3", "configuration": {"key": "k"}, "expires_at": "2025-01-31T09:00:00Z", "contract_version": 1}"#,
    least: "{}",
    open: &["provider"],
    ..Shapes::NONE
};

#[tokio::test]
async fn create_storage_session_sends_purpose() {
    let backend = Backend::of("{}").await;
    let client = &backend.client;
    for purpose in ["read", "write"] {
        let call = client.create_storage_session(9, |b| b.purpose(purpose));
        backend.send(call, "POST /storages/9/session/", &format!(r#"{{"purpose":"{purpose}"}}"#)).await;
    }
    let session =
        assert_shapes(&backend, || client.create_storage_session(9, |b| b.purpose("read")), SESSION).await;
    assert_eq!(
        (session.provider, &session.configuration["key"]),
        (Some(StorageProvider::AmazonS3), &"k".into())
    );
    let error = client.create_storage_session(9, |b| b).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`purpose`"), "{error}");
    backend.assert_nothing_sent();
}
