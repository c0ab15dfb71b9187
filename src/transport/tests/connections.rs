//! Connections: pooled, broken, new, and those of runtimes that have ended.

use std::time::Duration;

use futures_util::future::join_all;

use super::server::{Act, Server, json};
use super::*;
use crate::ErrorKind;

#[tokio::test]
async fn connection_reused_after_errors() {
    let server = Server::of([
        Act::Keep(json(200, MODEL)),
        Act::Keep(json(429, "{}")),
        Act::Keep(json(200, MODEL)),
        Act::Keep(json(404, "{}")),
        Act::Keep(json(200, MODEL)),
    ])
    .await;
    let (client, _) = client(&server.url);
    client.get_model(1).await.unwrap();
    client.get_model(1).await.unwrap();
    assert!(client.get_model(1).await.failure().is_not_found());
    create(&client).await.unwrap();
    assert_eq!((server.count(), server.connections()), (5, 1));
}

#[tokio::test]
async fn closed_idle_connection_fails_no_call() {
    for op in Op::ALL {
        let server = Server::of([Act::Close(op.response())]).await;
        let (client, clock) = client(&server.url);
        for _ in 0..5 {
            op.send(&client).await.unwrap_or_else(|error| panic!("{op:?}: {error:?}"));
        }
        assert_eq!((server.count(), server.connections(), clock.waits().len()), (5, 5, 0), "{op:?}");
    }
}

/// Each connection accepts one request. The next request on it is read, and then the connection is closed or
/// reset.
async fn good_for_one_request(broken: Act) -> Server {
    Server::with(move |which| match which.on_connection {
        0 if which.line.starts_with("POST") => Act::Keep(json(201, MODEL)),
        0 => Act::Keep(json(200, MODEL)),
        _ => broken.clone(),
    })
    .await
}

#[tokio::test]
async fn get_on_broken_connection_is_retried() {
    for broken in [
        Act::Close(Vec::new()),
        Act::Reset(Vec::new()),
        Act::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
    ] {
        let server = good_for_one_request(broken).await;
        let (client, clock) = client(&server.url);
        // Several pooled connections, each of which would break.
        join_all((0..4).map(|_| client.get_model(1).send()))
            .await
            .into_iter()
            .for_each(|model| drop(model.unwrap()));
        let (kept, sent) = (server.connections(), server.count());
        client.get_model(1).await.unwrap();
        assert_eq!((server.count() - sent, server.connections() - kept, clock.waits()), (2, 1, vec![125]));
        let last = server.seen().pop().unwrap();
        assert_eq!(last.connection, kept, "the retry used a pooled connection");
    }
}

#[tokio::test]
async fn post_on_broken_connection_is_unknown() {
    let server = good_for_one_request(Act::Close(Vec::new())).await;
    let (client, clock) = client(&server.url);
    client.get_model(1).await.unwrap();
    let error = create(&client).await.failure();
    assert!(error.is_unknown_outcome() && error.attempts() == 1, "{error:?}");
    assert_eq!((server.count(), clock.waits().len()), (2, 0));
    // The client continues on another connection.
    create(&client).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn each_retry_opens_new_connection() {
    for act in [Act::Close(Vec::new()), Act::Hold(Vec::new()), Act::Close(json(200, r#"{"id": 1, "na"#))] {
        let server = Server::of([act]).await;
        let (builder, _) = builder(&server.url);
        let client = builder.read_timeout(Duration::from_millis(300)).build().unwrap();
        client.get_model(1).await.failure();
        assert_eq!((server.count(), server.connections()), (3, 3));
    }
}

#[tokio::test]
async fn failed_tls_handshake_is_retried() {
    let server = Server::of([Act::Keep(json(200, MODEL))]).await;
    let url = server.url.replace("http://", "https://");
    for op in Op::ALL {
        let (client, clock) = client(&url);
        let before = server.connections();
        let error = op.send(&client).await.failure();
        assert_eq!(
            (error.kind(), error.attempts(), clock.waits()),
            (ErrorKind::Connect, 3, vec![125, 250]),
            "{op:?}: {error:?}"
        );
        assert_eq!((server.connections() - before, server.count()), (3, 0));
    }
}

/// An address that accepts no connection attempt, because the queue of its listener is full.
#[cfg(target_os = "linux")]
struct Unanswering {
    url: String,
    _listener: tokio::net::TcpListener,
    _queued: Vec<tokio::net::TcpStream>,
}

#[cfg(target_os = "linux")]
async fn unanswering() -> Unanswering {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    // Linux queues one more connection than the backlog, and drops all others.
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    Unanswering { url: format!("http://{address}"), _listener: listener, _queued: queued }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_timeout_is_retried() {
    let nobody = unanswering().await;
    for op in Op::ALL {
        let (builder, clock) = builder(&nobody.url);
        let client = builder.connect_timeout(Duration::from_millis(100)).build().unwrap();
        let error = op.send(&client).await.failure();
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Connect, true), "{op:?}: {error:?}");
        assert_eq!((error.attempts(), clock.waits()), (3, vec![125, 250]));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn call_overrides_connect_timeout() {
    let nobody = unanswering().await;
    let long = Duration::from_secs(3_600);
    for (clients, calls, reported) in [
        (long, Some(Duration::from_millis(100)), "100ms"),
        (Duration::from_millis(1), Some(Duration::from_millis(200)), "200ms"),
    ] {
        let (builder, _) = builder(&nobody.url);
        let client = builder.connect_timeout(clients).read_timeout(long).build().unwrap();
        let error =
            soon(client.get_model(1).connect_timeout(calls.unwrap()).max_retries(0).send()).await.failure();
        assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Connect, true), "{error:?}");
        assert!(
            error.to_string().ends_with(&format!("no connection within {reported}, the connect time-out")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn equal_connect_timeouts_share_pool() {
    let server = Server::of([Act::Keep(json(200, MODEL))]).await;
    let (client, _) = client(&server.url);
    for _ in 0..3 {
        client.get_model(1).await.unwrap();
        for seconds in [7, 8] {
            client.get_model(1).connect_timeout(Duration::from_secs(seconds)).await.unwrap();
        }
    }
    assert_eq!((server.count(), server.connections()), (9, 3));
}

/// Nothing was sent, so the outcome is known, whichever timeout expires first.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn unconnected_timeout_is_not_unknown() {
    let nobody = unanswering().await;
    for op in Op::ALL {
        let (builder, _) = builder(&nobody.url);
        let client = builder.read_timeout(Duration::from_millis(100)).build().unwrap();
        let error = op.send(&client).await.failure();
        assert!(error.is_timeout() && !error.is_unknown_outcome(), "{op:?}: {error:?}");
    }
}

// ---- runtimes

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `work` on its own thread and runtime, which then end.
fn on_own_runtime<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(|| runtime().block_on(work))
}

fn backend() -> Backend {
    runtime().block_on(super::backend().models(3).start()).unwrap()
}

fn client_of(backend: &Backend) -> BackendClient {
    BackendClient::builder(backend.url())
        .access_token(backend.token())
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

#[test]
fn client_outlives_first_runtime() {
    let backend = backend();
    let client = client_of(&backend);
    for _ in 0..12 {
        let client = client.clone();
        let used = on_own_runtime(async move {
            client.get_model(Backend::FIRST_MODEL).await.unwrap();
            client.get_model(Backend::FIRST_MODEL).await.unwrap();
            let models: Vec<crate::types::Model> =
                client.list_models().list_all().try_collect().await.unwrap();
            models.len()
        });
        assert_eq!(used.join().unwrap(), 3);
    }
    // No request was retried, and each runtime had its own connection.
    assert_eq!((backend.requests().len(), backend.connections()), (36, 12));
}

#[test]
fn client_serves_several_runtimes() {
    let backend = backend();
    let client = client_of(&backend);
    let (first, second) = (runtime(), runtime());
    let get = || {
        let client = client.clone();
        async move { client.get_model(Backend::FIRST_MODEL).await.unwrap().id }
    };
    assert_eq!((first.block_on(get()), second.block_on(get())), (456, 456));
    drop(first);
    assert_eq!(second.block_on(get()), 456);
    let third = runtime();
    assert_eq!((third.block_on(get()), second.block_on(get())), (456, 456));
    let posted = second.block_on(async {
        client.request(Method::POST, "/models/").params(|p| p.json(&json_value!({}))).await.failure()
    });
    assert!(posted.is_bad_request(), "{posted:?}");
    assert_eq!((backend.requests().len(), backend.connections()), (6, 3));
}

#[test]
fn retry_works_on_another_runtime() {
    let backend = backend();
    let client = client_of(&backend);
    for _ in 0..3 {
        backend.inject(synapse_test_backend::Fault::close().on("GET", "/models/"));
        let client = client.clone();
        let policy = RetryPolicy::new().initial_backoff(Duration::from_millis(1));
        on_own_runtime(async move { client.get_model(Backend::FIRST_MODEL).retry(policy).await.unwrap() })
            .join()
            .unwrap();
    }
    assert_eq!(backend.requests().len(), 6);
}
