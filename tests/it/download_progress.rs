//! Downloads that are slow, dropped or served in small parts. A download that makes progress completes, and
//! one that doesn't ends.

use std::time::Duration;

use crate::support::file_server::{FileServer, names, noise, ranged, response};
use crate::support::marker::{Failure, TOKEN};
use crate::support::tcp_server::{Act, Seen, Server, then};
use synapse_backend_client::{BackendClient, Download, ErrorKind, RetryPolicy};

const ETAG: &str = "\"one\"";

fn client(url: impl Into<String>) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(url).access_token(TOKEN).retry(policy).build().unwrap()
}

fn download(server: &FileServer) -> Download {
    client(server.url()).download("/media/file.bin")
}

/// Returns a part of at most `most` bytes, from the requested offset.
fn part(asked: &Seen, file: &[u8], most: usize) -> Vec<u8> {
    let from = asked.range_start().unwrap_or(0);
    let to = file.len().min(from + most);
    let size = file.len();
    let head = format!(
        "206 Partial Content\nETag: {ETAG}\nContent-Range: bytes {from}-{}/{size}\nContent-Length: {}",
        to - 1,
        to - from
    );
    response(&head, &file[from..to])
}

#[tokio::test]
async fn one_byte_ranges_abort_download() {
    let file = noise(1_000_000, 1);
    for whole_messages in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let content = file.clone();
        let server = FileServer::start(move |_, asked| match (asked.range_start(), whole_messages) {
            (Some(_), true) => part(asked, &content, 1),
            _ => ranged(asked, &content, ETAG, 1),
        })
        .await;
        let target = directory.path().join("file.bin");
        let error = download(&server).to(&target).await.failure();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::ConnectionLost, 4), "{error}");
        assert_eq!(server.ranges(), [None, Some(1), Some(2), Some(3)]);
        assert!(error.to_string().contains("4 bytes are kept"), "{error}");
    }
}

#[tokio::test]
async fn slow_but_steady_ranges_complete() {
    // For a small file, a sixteenth of it counts as progress.
    for (size, step, requests) in [(2_000_000, 64 << 10, 31), (100_000, 6_250, 16)] {
        for whole_messages in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let file = noise(size, 2);
            let content = file.clone();
            let server = FileServer::start(move |_, asked| match (asked.range_start(), whole_messages) {
                (Some(_), true) => part(asked, &content, step),
                _ => ranged(asked, &content, ETAG, step),
            })
            .await;
            assert_eq!(download(&server).to(&target).await.unwrap().bytes, size as u64);
            assert!(std::fs::read(&target).unwrap() == file);
            assert_eq!(server.seen().len(), requests);
        }
    }
}

/// A dropped download keeps all received bytes, so each download starts at a higher offset than the last one.
#[tokio::test]
async fn repeatedly_dropped_download_completes() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(200_000, 3);
    let content = file.clone();
    let server = FileServer::holding(move |_, asked| ranged(asked, &content, ETAG, 30_000)).await;
    let mut kept = Vec::new();
    let downloaded = loop {
        let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
        let download = download(&server).on_progress(move |progress| {
            if progress.bytes_received == progress.resumed_from + 30_000 {
                let _ = sender.send(progress.resumed_from);
            }
        });
        tokio::select! {
            biased;
            Some(from) = received.recv() => kept.push(from),
            downloaded = download.to(&target).send() => break downloaded.unwrap(),
        }
        assert!(kept.len() < 10, "{kept:?}");
    };
    assert_eq!(kept, [0, 30_000, 60_000, 90_000, 120_000, 150_000]);
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (200_000, 180_000));
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// The bytes are also kept if the runtime ends with the download and no thread can write them.
#[test]
fn runtime_shutdown_keeps_received_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(200_000, 4);
    let content = file.clone();
    let servers = tokio::runtime::Runtime::new().unwrap();
    let server =
        servers.block_on(FileServer::holding(move |_, asked| ranged(asked, &content, ETAG, 150_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, received) = std::sync::mpsc::channel();
    let (done, ended) = tokio::sync::oneshot::channel::<()>();
    let done = std::sync::Mutex::new(Some(done));
    let download_1 = download(&server).on_progress(move |progress| {
        if progress.bytes_received == 150_000 {
            sender.send(()).unwrap();
            drop(done.lock().unwrap().take());
        }
    });
    let task = target.clone();
    runtime.spawn(async move { download_1.to(task).await });
    let _ = runtime.block_on(ended);
    received.recv().unwrap();
    drop(runtime);
    let downloaded = servers.block_on(download(&server).to(&target).send()).unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (200_000, 150_000));
    assert!(std::fs::read(&target).unwrap() == file);
}

/// Returns a server that sends half of the file, and the rest after `pause`.
async fn slow(file: &[u8], pause: Duration) -> Server {
    let (first, rest) = file.split_at(file.len() / 2);
    let first = response(&format!("200 OK\nETag: W/\"weak\"\nContent-Length: {}", file.len()), first);
    let rest = rest.to_vec();
    let next = then(first, move |_| {
        let rest = rest.clone();
        async move {
            tokio::time::sleep(pause).await;
            Act::Close(rest)
        }
    });
    Server::of([next]).await
}

/// The client's timeout limits a request's head, not a body that makes progress.
#[tokio::test]
async fn client_timeout_does_not_end_body() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(100_000, 5);
    let timeout = Duration::from_secs(2);
    let server = slow(&file, timeout + Duration::from_millis(200)).await;
    let client =
        BackendClient::builder(&server.url).retry(RetryPolicy::never()).timeout(timeout).build().unwrap();
    client.download("/x").to(&target).await.unwrap();
    assert!(std::fs::read(&target).unwrap() == file);
}

/// A download's own timeout limits the whole download.
#[tokio::test]
async fn download_timeout_ends_whole_transfer() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(100_000, 6);
    let content = file.clone();
    let server = FileServer::holding(move |number, asked| {
        ranged(asked, &content, ETAG, if number == 0 { 30_000 } else { usize::MAX })
    })
    .await;
    let error = download(&server).timeout(Duration::from_millis(500)).to(&target).await.failure();
    assert!(error.is_timeout(), "{error}");
    let downloaded = download(&server).to(&target).await.unwrap();
    assert_eq!(downloaded.bytes, 100_000);
    assert!(std::fs::read(&target).unwrap() == file);
}

/// The client's timeout limits the wait for the head.
#[tokio::test]
async fn missing_head_hits_client_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let server = FileServer::holding(|_, _| Vec::new()).await;
    let client = BackendClient::builder(server.url())
        .retry(RetryPolicy::never())
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = client.download("/x").to(directory.path().join("x")).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("whole request"), "{error}");
}
