//! What a call waits for other than the server: converters, credentials, threads. Each wait is limited.

use std::sync::mpsc;
use std::time::Duration;

use super::server::{Act, Server, json};
use super::*;
use crate::{
    ConversionFuture, Credentials, CredentialsFuture, CredentialsProvider, CredentialsReason, ErrorKind,
    Json, UrlConverter,
};

const WITH_FILE: &str = r#"{"id": 1, "name": "n", "model_type": "x", "file": "/media/1"}"#;

/// A converter or provider that never returns.
struct Silent;

impl UrlConverter for Silent {
    fn convert<'u>(&'u self, _: &'u str) -> ConversionFuture<'u> {
        Box::pin(std::future::pending())
    }
}

impl CredentialsProvider for Silent {
    fn credentials(&self, _: CredentialsReason) -> CredentialsFuture<'_> {
        Box::pin(std::future::pending())
    }
}

const SHORT: Duration = Duration::from_millis(300);

fn assert_whole_time_out(error: &Error) {
    assert!(
        error.is_timeout() && error.to_string().contains("the time-out for the whole request expired"),
        "{error:?}"
    );
}

#[tokio::test]
async fn hanging_converter_times_out() {
    let server = Server::of([Act::Keep(json(200, WITH_FILE))]).await;
    // With the call's timeout.
    let (one, clock) = client(&server.url);
    let error =
        soon(one.get_model(1).url_conversion_with("file", Silent).timeout(SHORT).send()).await.failure();
    assert_whole_time_out(&error);
    assert_eq!(
        (error.kind(), status_of(&error), server.count(), clock.waits().len()),
        (ErrorKind::Timeout, Some(200), 1, 0)
    );
    // With the client's timeout.
    let (builder, _) = builder(&server.url);
    let client = builder.timeout(SHORT).build().unwrap();
    assert_whole_time_out(
        &soon(client.get_model(1).url_conversion_with("file", Silent).send()).await.failure(),
    );
    let page = format!(r#"{{"count": 1, "next": null, "results": [{WITH_FILE}]}}"#);
    let server = Server::of([Act::Keep(json(200, page))]).await;
    let (builder, _) = super::builder(&server.url);
    let client = builder.timeout(SHORT).build().unwrap();
    let list = client.list_models().url_conversion_with("file", Silent).list_all();
    assert!(soon(list.try_collect::<Vec<_>>()).await.failure().is_timeout());
    let list = super::client(&server.url)
        .0
        .list_models()
        .url_conversion_with("file", Silent)
        .timeout(SHORT)
        .list_all();
    assert!(soon(list.try_collect::<Vec<_>>()).await.failure().is_timeout());
}

#[tokio::test]
async fn hanging_converter_of_write_is_unknown() {
    let server = Server::of([Act::Keep(json(201, WITH_FILE))]).await;
    let (client, clock) = client(&server.url);
    let call = client.create_model(ModelFile::uploaded("u"), |m| m.name("n").model_type("x").project(1));
    let error = soon(call.url_conversion_with("file", Silent).timeout(SHORT).send()).await.failure();
    assert_whole_time_out(&error);
    // The server reported success, but the model's id is unknown.
    assert_eq!((error.kind(), status_of(&error)), (ErrorKind::UnknownOutcome, Some(201)), "{error:?}");
    assert_eq!((server.count(), clock.waits().len()), (1, 0));
}

#[tokio::test]
async fn hanging_provider_times_out() {
    let server = Server::of([Act::Keep(json(200, MODEL))]).await;
    for timeout in [None, Some(SHORT)] {
        let (builder, clock) = builder(&server.url);
        let client = builder.credentials_provider(Silent).read_timeout(SHORT).build().unwrap();
        let call = client.get_model(1);
        let call =
            if timeout.is_some() { call.read_timeout(Duration::from_secs(60)).timeout(SHORT) } else { call };
        // A request that waits for another one's provider call is limited as well.
        let (first, second) = soon(async { tokio::join!(call.send(), client.get_model(2).send()) }).await;
        for error in [first.failure(), second.failure()] {
            let total =
                error.to_string().contains("the time-out for the whole request expired before it was sent");
            let kind = if total { ErrorKind::Timeout } else { ErrorKind::Credentials };
            assert_eq!(
                (error.kind(), error.is_timeout(), error.attempts(), clock.waits().len()),
                (kind, true, 1, 0),
                "{error:?}"
            );
            assert!(
                total || error.to_string().contains("the credentials provider didn't respond within 300ms"),
                "{error}"
            );
        }
    }
    assert_eq!(server.count(), 0);
}

/// A provider that returns only the first time.
struct SilentAfter(std::sync::atomic::AtomicBool);

impl CredentialsProvider for SilentAfter {
    fn credentials(&self, _: CredentialsReason) -> CredentialsFuture<'_> {
        match self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            true => Box::pin(std::future::pending()),
            false => Box::pin(async { Ok(Credentials::new().access_token(TOKEN)) }),
        }
    }
}

#[tokio::test]
async fn hanging_renewal_times_out() {
    let server = Server::of([Act::Keep(json(401, "{}"))]).await;
    let (builder, _) = builder(&server.url);
    let client = builder.credentials_provider(SilentAfter(false.into())).read_timeout(SHORT).build().unwrap();
    let error = soon(client.get_model(1).send()).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("credentials provider"), "{error:?}");
    assert_eq!((error.kind(), server.count()), (ErrorKind::Credentials, 1));
}

/// Runs `work` in a runtime whose only blocking thread is always busy.
fn without_threads<F: Future>(work: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (free, parked) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || parked.recv());
    let output = runtime.block_on(work);
    drop(free);
    output
}

#[test]
fn long_decode_bounded_by_timeout() {
    without_threads(async {
        let text = format!(r#"{{"x": "{}"}}"#, "y".repeat(1 << 20));
        let server = Server::of([Act::Keep(json(200, text))]).await;
        let (client, _) = client(&server.url);
        // It succeeds if no blocking thread is needed.
        let call = client.request(Method::GET, "/long/").timeout(SHORT * 3);
        match soon(call.send_as::<Json>()).await {
            Ok(json) => assert!(json["x"].is_string()),
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
    });
}

#[test]
fn busy_threads_time_out_new_client() {
    without_threads(async {
        let server = Server::of([Act::Keep(json(200, MODEL))]).await;
        let (one, _) = client(&server.url);
        one.get_model(1).await.unwrap();
        // Another connect timeout needs another HTTP client, which is made on a blocking thread.
        let other = || one.get_model(1).connect_timeout(Duration::from_secs(1)).max_retries(0);
        let error = soon(other().timeout(SHORT).send()).await.failure();
        assert!(error.is_timeout() && error.kind() == ErrorKind::Connect, "{error:?}");
        let error = soon(other().read_timeout(SHORT).send()).await.failure();
        assert!(error.is_timeout() && error.kind() == ErrorKind::Connect, "{error:?}");
        assert_eq!(server.count(), 1);
    });
}

#[test]
fn busy_threads_time_out_file_calls() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    std::fs::write(&file, "12345").unwrap();
    without_threads(async {
        let server = Server::of([Act::Keep(json(200, MODEL))]).await;
        let (client, _) = client(&server.url);
        let session = folder.path().join("session");
        let upload = || client.create_chunked_upload(file.clone()).timeout(SHORT);
        let create =
            || client.create_model(file.clone(), |m| m.name("n").model_type("x").project(1)).timeout(SHORT);
        for error in [
            soon(upload().send()).await.failure(),
            soon(upload().session_file(&session).send()).await.failure(),
            soon(create().send()).await.failure(),
            soon(client.download("/media/1").timeout(SHORT).to(folder.path().join("file"))).await.failure(),
        ] {
            assert!(error.is_timeout() && error.kind() == ErrorKind::Timeout, "{error:?}");
        }
        assert_eq!(server.count(), 0);
        let all = client.upload_all([file.clone(), file.clone()]).each(|_, upload| upload.timeout(SHORT));
        assert!(soon(all.send()).await.unwrap().into_iter().all(|outcome| outcome.failure().is_timeout()));
    });
}

/// The upload's state is kept if a timeout comes from this machine.
#[test]
fn busy_threads_keep_upload_session() {
    let folder = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    // Dropped before the runtime, which waits for its threads.
    let (free, parked) = mpsc::channel::<()>();
    let error = runtime.block_on(async {
        let response = r#"{"id": "u", "url": "/chunked_upload/u/", "offset": 2, "completed_at": null}"#;
        let server = Server::of([Act::Keep(json(200, response))]).await;
        let (client, _) = client(&server.url);
        let upload = client.create_chunked_upload(bytes::Bytes::from_static(b"1234")).chunk_size(2);
        // The only thread becomes busy before the session file is written.
        let busy = std::sync::Mutex::new(Some(parked));
        let upload = upload.session_file(folder.path().join("session")).on_session(move |_| {
            if let Some(parked) = busy.lock().unwrap().take() {
                tokio::task::spawn_blocking(move || parked.recv());
            }
        });
        soon(upload.timeout(SHORT * 3).send()).await.failure()
    });
    drop(free);
    assert!(error.is_timeout() && error.kind() == ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.upload_session().unwrap().offset, 2);
}
