//! How long an upload waits, with a clock that only its waits move forward; over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use synapse_test_backend::{Backend, Fault};

use crate::marker::{self, Failure, MARKER, TOKEN};
use crate::runtime::clock::TestClock;
use crate::{BackendClient, RetryPolicy};

const CHUNK: u64 = 4;
const CONTENT: &[u8] = b"0123456789";

async fn backend() -> (Backend, BackendClient, Arc<TestClock>) {
    marker::watch();
    let backend = Backend::builder().token(TOKEN).signature_prefix(MARKER).start().await.unwrap();
    let clock = TestClock::new();
    let client =
        BackendClient::builder(backend.url()).access_token(TOKEN).retry(RetryPolicy::new().max_retries(2));
    let client = client.clock(clock.clone()).build().unwrap();
    (backend, client, clock)
}

fn count(backend: &Backend, method: &str) -> usize {
    backend.requests().iter().filter(|request| request.method == method).count()
}

/// The server reports this many times that it is still assembling the file.
fn assembling(times: usize) -> Fault {
    let asked = AtomicUsize::new(0);
    Fault::edit_json(move |upload| {
        if asked.fetch_add(1, Ordering::Relaxed) < times {
            upload["completed_at"] = serde_json::Value::Null;
        }
    })
    .on("GET", "/chunked_upload/")
    .always()
}

#[tokio::test]
async fn lost_completion_is_polled_until_done() {
    let (backend, client, clock) = backend().await;
    backend.inject(Fault::lose_answer().on("POST", "/chunked_upload/"));
    backend.inject(assembling(6));
    let upload = client.create_chunked_upload(CONTENT.to_vec()).await.unwrap();
    assert!(upload.completed_at.is_some());
    assert_eq!((count(&backend, "POST"), count(&backend, "GET")), (1, 7));
    assert_eq!(backend.completions(&upload.id.to_string()), 1);
    // Half of a quarter of a second, doubled each time.
    assert_eq!(clock.waits(), [125, 250, 500, 1000, 2000, 4000]);
}

#[tokio::test]
async fn completion_poll_ends_at_timeout() {
    let (backend, client, clock) = backend().await;
    backend.inject(Fault::lose_answer().on("POST", "/chunked_upload/"));
    backend.inject(assembling(usize::MAX));
    let error = client
        .create_chunked_upload(CONTENT.to_vec())
        .completion_timeout(Duration::from_secs(60))
        .await
        .failure();
    assert!(error.is_unknown_outcome(), "{error}");
    assert!(
        clock.waited() <= Duration::from_secs(60) && clock.waited() > Duration::from_secs(40),
        "{:?}",
        clock.waits()
    );
    assert_eq!(count(&backend, "POST"), 1);
    let id = backend.upload_ids().remove(0);
    assert_eq!(error.upload_id(), Some(&*id));
    assert!(error.to_string().contains("resume it, or get it by its id"), "{error}");

    // As the error suggests.
    backend.clear_faults();
    let complete = client
        .resume_chunked_upload(error.upload_session().unwrap().clone(), CONTENT.to_vec())
        .await
        .unwrap();
    assert_eq!(complete.id.to_string(), id);
    assert_eq!((backend.completions(&id), count(&backend, "POST")), (1, 1));
}

#[tokio::test]
async fn chunk_retry_honours_retry_after() {
    let (backend, client, clock) = backend().await;
    let busy = || Fault::response(503).json(r#"{"detail": "busy"}"#).method("PUT");
    backend.inject(busy().header("Retry-After", "7"));
    backend.inject(busy());
    client.create_chunked_upload(CONTENT.to_vec()).await.unwrap();
    // As the server requests; then half of a quarter of a second, doubled.
    assert_eq!(clock.waits(), [7000, 250]);
}

#[tokio::test]
async fn progress_resets_failure_count() {
    let (backend, client, clock) = backend().await;
    for chunk in 0..3 {
        backend.inject(Fault::response(500).method("PUT").after(chunk).times(2));
    }
    let upload = client.create_chunked_upload(CONTENT.to_vec()).chunk_size(CHUNK).await.unwrap();
    assert_eq!(clock.waits(), [125, 250].repeat(3));
    assert_eq!(backend.accepted_ranges(&upload.id.to_string()), [0..4, 4..8, 8..10]);
}

#[tokio::test]
async fn repeated_chunk_failure_is_resumable() {
    let (backend, client, clock) = backend().await;
    backend.inject(Fault::response(500).method("PUT").after(1).always());
    let error = client.create_chunked_upload(CONTENT.to_vec()).chunk_size(CHUNK).await.failure();
    assert_eq!((error.status().map(|status| status.as_u16()), error.attempts()), (Some(500), 3));
    assert_eq!(clock.waits(), [125, 250]);
    let session = error.upload_session().unwrap().clone();
    assert_eq!((session.offset, session.size, session.chunk_size), (4, 10, 4));

    backend.clear_faults();
    let upload = client.resume_chunked_upload(session, CONTENT.to_vec()).await.unwrap();
    assert_eq!(backend.accepted_ranges(&upload.id.to_string()), [0..4, 4..8, 8..10]);
    assert_eq!(std::fs::read(backend.uploaded_file(&upload.id.to_string()).unwrap()).unwrap(), CONTENT);
}

#[tokio::test]
async fn late_failed_chunk_is_retried() {
    let (backend, client, clock) = backend().await;
    // A slow connection: the chunk takes longer than the policy allows a request with all its retries.
    let policy = RetryPolicy::new().max_retries(2).max_elapsed(Duration::from_secs(180));
    backend.inject(Fault::response(500).method("PUT"));
    let slow = clock.clone();
    let upload = client.create_chunked_upload(CONTENT.to_vec()).retry(policy).on_progress(move |progress| {
        if progress.bytes_sent == progress.bytes_total {
            slow.advance(Duration::from_secs(600));
        }
    });
    upload.await.unwrap();
    assert_eq!(count(&backend, "PUT"), 2);
}
