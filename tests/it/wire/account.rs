//! The caller's account, and the credentials of requests.

use synapse_backend_client::{BackendClient, RetryPolicy};

use super::{Backend, Shapes, assert_shapes};
use crate::support::marker::secret;

const USER: Shapes<'_> =
    Shapes { full: r#"{"id": 5, "email": "kim@example.com", "name": "김"}"#, ..Shapes::NONE };

#[tokio::test]
async fn get_current_user_reads_every_shape() {
    let backend = Backend::of(r#"{"id": 5}"#).await;
    backend.get(backend.client.get_current_user(), "/users/me/").await;
    let user = assert_shapes(&backend, || backend.client.get_current_user(), USER).await;
    assert_eq!(
        (user.id, user.email.as_deref(), user.name.as_deref()),
        (5, Some("kim@example.com"), Some("김"))
    );
}

const UPLOAD: Shapes<'_> = Shapes {
    full: r#"{"id": "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11", "url": "https://h/chunked_upload/1/", "offset": 52428800,
        "filename": "a.pt", "file": "https://h/a.pt", "completed_at": "2025-01-31T09:00:00Z", "checksum": "aa", "size": 7}"#,
    ..Shapes::NONE
};

#[tokio::test]
async fn get_chunked_upload_reads_every_shape() {
    let backend = Backend::of(r#"{"id": 5}"#).await;
    backend.get(backend.client.get_chunked_upload(5), "/chunked_upload/5/").await;
    let upload = assert_shapes(&backend, || backend.client.get_chunked_upload("a-b"), UPLOAD).await;
    assert_eq!(
        (upload.offset, upload.filename.as_deref(), upload.size),
        (Some(52_428_800), Some("a.pt"), Some(7))
    );
}

#[tokio::test]
async fn all_credentials_are_sent_to_each_domain() {
    let backend = Backend::of(r#"{"id": 1, "results": []}"#).await;
    let builder = BackendClient::builder(backend.url()).retry(RetryPolicy::never());
    let builder = builder.access_token(secret("access")).legacy_token(secret("login"));
    let client = builder.agent_token(secret("agent")).tenant("acme").build().unwrap();
    client.get_current_user().await.unwrap();
    let mut seen = vec![backend.taken()];
    client.list_tasks().await.unwrap();
    seen.push(backend.taken());
    client.set_tags_assignments(|b| b.ids([1]).tags([2])).await.unwrap();
    seen.push(backend.taken());
    client.get_data_unit(1).await.unwrap();
    seen.push(backend.taken());
    client.update_job(1, |b| b.status("RUNNING")).await.unwrap();
    seen.push(backend.taken());
    client.health_check_agent("0123").await.unwrap();
    seen.push(backend.taken());
    for seen in seen {
        for (name, value) in [
            ("synapse-access-token", format!("Token {}", secret("access"))),
            ("authorization", format!("Token {}", secret("login"))),
            ("synapse-agent", format!("Token {}", secret("agent"))),
            ("synapse-tenant", "Token acme".to_owned()),
        ] {
            assert_eq!(seen.header(name), Some(&*value), "{name} of {}", seen.line);
        }
    }
}
