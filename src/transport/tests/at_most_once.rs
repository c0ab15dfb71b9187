//! For any failure, the server acts on a creation at most once, and the error states what is known.

use std::time::Duration;

use synapse_test_backend::Fault;

use super::*;
use crate::ErrorKind::{self, Status, UnknownOutcome};

struct World {
    backend: Backend,
    client: BackendClient,
    clock: Arc<TestClock>,
    upload: crate::types::UploadId,
}

async fn world() -> World {
    let backend = backend().start().await.unwrap();
    let (builder, clock) = builder(backend.url());
    let client = builder.read_timeout(Duration::from_millis(500)).build().unwrap();
    let upload = client.create_chunked_upload(bytes::Bytes::from_static(b"weights")).await.unwrap().id;
    backend.clear_requests();
    World { backend, client, clock, upload }
}

impl World {
    fn creation(&self) -> crate::CreateModel {
        let file = ModelFile::uploaded(self.upload.clone());
        self.client
            .create_model(file, |m| m.name("n").model_type("detection").project(Backend::FIRST_PROJECT))
    }

    /// Returns how many creations were requested, and how many models they created.
    fn posted(&self) -> (usize, usize) {
        let posts = self.backend.requests().iter().filter(|request| request.method == "POST").count();
        (posts, self.backend.models_created().len())
    }
}

#[tokio::test]
async fn no_fault_creates_twice() {
    let on = |fault: Fault| fault.on("POST", "/models/").always();
    for (name, fault, kind, created) in [
        ("the response is lost", Fault::lose_answer(), UnknownOutcome, 1),
        ("the response is lost by a reset", Fault::lose_answer().reset(), UnknownOutcome, 1),
        ("the response is cut", Fault::cut_answer(10), UnknownOutcome, 1),
        ("the response is cut by a reset", Fault::cut_answer(10).reset(), UnknownOutcome, 1),
        ("the response stalls", Fault::stall_answer(10), UnknownOutcome, 1),
        ("the response is late", Fault::hold_after(), UnknownOutcome, 1),
        ("the response is empty", Fault::replace_body(""), ErrorKind::Decode, 1),
        ("the response is truncated", Fault::replace_body(r#"{"id": 1, "#), UnknownOutcome, 1),
        ("the connection is closed", Fault::close(), UnknownOutcome, 0),
        ("the connection is reset", Fault::close().reset(), UnknownOutcome, 0),
        ("the connection is cut inside the body", Fault::cut_request(10).reset(), UnknownOutcome, 0),
        ("500", Fault::proxy_page(500), Status, 0),
        ("502", Fault::proxy_page(502), UnknownOutcome, 0),
        ("503 from a gateway", Fault::proxy_page(503), UnknownOutcome, 0),
        ("504", Fault::proxy_page(504), UnknownOutcome, 0),
        ("524", Fault::proxy_page(524), UnknownOutcome, 0),
    ] {
        let world = world().await;
        let injected = world.backend.inject(on(fault));
        let error = world.creation().await.failure_of(name);
        assert_eq!((error.kind(), error.attempts()), (kind, 1), "{name}: {error:?}");
        assert_eq!(error.upload_id(), Some(world.upload.to_string().as_str()), "{name}");
        assert_eq!(
            (world.posted(), injected.hits(), world.clock.waits().len()),
            ((1, created), 1, 0),
            "{name}"
        );
        // The model can still be created from the upload, if it wasn't created.
        if created == 0 {
            injected.remove();
            world.creation().await.unwrap();
        }
        assert_eq!(world.backend.models_created().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn unprocessed_creation_is_retried() {
    for fault in [
        Fault::response(429).json(r#"{"detail": "Request was throttled."}"#),
        Fault::response(503).json(r#"{"detail": "Down for maintenance."}"#),
        Fault::response(503).json(r#"{"detail": ["Down for maintenance."]}"#),
        Fault::proxy_page(503).header("Retry-After", "2"),
    ] {
        let world = world().await;
        world.backend.inject(fault.on("POST", "/models/").times(2));
        world.creation().await.unwrap();
        assert_eq!((world.posted(), world.clock.waits().len()), ((3, 1), 2));
    }
}

#[tokio::test]
async fn idempotent_creation_is_retried() {
    let world = world().await;
    world.backend.inject(Fault::close().on("POST", "/models/"));
    world.creation().idempotent(true).await.unwrap();
    assert_eq!((world.posted(), world.clock.waits()), ((2, 1), vec![125]));
    assert_eq!(world.backend.connections(), 2, "the retry used a new connection");
}

#[tokio::test]
async fn dropped_creation_is_not_retried() {
    let world = world().await;
    let held = world.backend.inject(Fault::hold_after().on("POST", "/models/"));
    let creation = world.creation().timeout(Duration::from_secs(60)).read_timeout(Duration::from_secs(60));
    tokio::select! {
        biased;
        outcome = creation.send() => panic!("{outcome:?}"),
        () = held.wait_for_hits(1) => {}
    }
    held.release();
    world.client.get_model(Backend::FIRST_MODEL).await.unwrap();
    assert_eq!(world.backend.requests().iter().filter(|request| request.method == "POST").count(), 1);
}
