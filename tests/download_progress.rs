//! Downloads that are slow, given up, or given little at a time: what moves comes to its end, and what
//! doesn't ends.

#[path = "support/file_server.rs"]
mod file_server;
#[path = "support/server.rs"]
mod server;

use std::path::Path;
use std::time::Duration;

use file_server::{Asked, FileServer, answer, noise, ranged};
use server::{Failure, TOKEN};
use synapse_backend_client::{BackendClient, Download, ErrorKind, RetryPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ETAG: &str = "\"one\"";

fn client(url: impl Into<String>) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(url).access_token(TOKEN).retry(policy).build().unwrap()
}

fn download(server: &FileServer) -> Download {
    client(server.url()).download("/media/file.bin")
}

fn ranges(server: &FileServer) -> Vec<Option<usize>> {
    server.asked().iter().map(Asked::from).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A part of the file of at most `most` bytes, from what was asked for.
fn part(asked: &Asked, file: &[u8], most: usize) -> Vec<u8> {
    let from = asked.from().unwrap_or(0);
    let to = file.len().min(from + most);
    let size = file.len();
    let head = format!(
        "206 Partial Content\nETag: {ETAG}\nContent-Range: bytes {from}-{}/{size}\nContent-Length: {}",
        to - 1,
        to - from
    );
    answer(&head, &file[from..to])
}

#[tokio::test]
async fn ranges_of_one_byte_are_given_up() {
    let file = noise(1_000_000, 1);
    for whole_messages in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let content = file.clone();
        let server = FileServer::start(move |_, asked| match (asked.from(), whole_messages) {
            (Some(_), true) => part(asked, &content, 1),
            _ => ranged(asked, &content, ETAG, 1),
        })
        .await;
        let target = directory.path().join("file.bin");
        let error = download(&server).to(&target).await.failure();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::ConnectionLost, 4), "{error}");
        assert_eq!(ranges(&server), [None, Some(1), Some(2), Some(3)]);
        assert!(error.to_string().contains("4 bytes are kept"), "{error}");
    }
}

#[tokio::test]
async fn what_really_moves_on_is_not_given_up() {
    // Of a small file a sixteenth is enough.
    for (size, step, requests) in [(2_000_000, 64 << 10, 31), (100_000, 6_250, 16)] {
        for whole_messages in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let file = noise(size, 2);
            let content = file.clone();
            let server = FileServer::start(move |_, asked| match (asked.from(), whole_messages) {
                (Some(_), true) => part(asked, &content, step),
                _ => ranged(asked, &content, ETAG, step),
            })
            .await;
            assert_eq!(download(&server).to(&target).await.unwrap().bytes, size as u64);
            assert!(std::fs::read(&target).unwrap() == file);
            assert_eq!(server.asked().len(), requests);
        }
    }
}

/// Every drop keeps all that came, so that each download is farther than the last one.
#[tokio::test]
async fn downloads_that_are_dropped_come_to_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(200_000, 3);
    let content = file.clone();
    let server = FileServer::holding(move |_, asked| ranged(asked, &content, ETAG, 30_000)).await;
    let mut kept = Vec::new();
    let downloaded = loop {
        let (sender, mut came) = tokio::sync::mpsc::unbounded_channel();
        let download = download(&server).on_progress(move |progress| {
            if progress.bytes_received == progress.resumed_from + 30_000 {
                let _ = sender.send(progress.resumed_from);
            }
        });
        tokio::select! {
            biased;
            Some(from) = came.recv() => kept.push(from),
            downloaded = download.to(&target) => break downloaded.unwrap(),
        }
        assert!(kept.len() < 10, "{kept:?}");
    };
    assert_eq!(kept, [0, 30_000, 60_000, 90_000, 120_000, 150_000]);
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (200_000, 180_000));
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// Also where the runtime ends with the download, and no thread takes what is left.
#[test]
fn a_drop_with_its_runtime_keeps_what_came() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(200_000, 4);
    let content = file.clone();
    let servers = tokio::runtime::Runtime::new().unwrap();
    let server =
        servers.block_on(FileServer::holding(move |_, asked| ranged(asked, &content, ETAG, 150_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, came) = std::sync::mpsc::channel();
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
    came.recv().unwrap();
    drop(runtime);
    let downloaded = servers.block_on(download(&server).to(&target)).unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (200_000, 150_000));
    assert!(std::fs::read(&target).unwrap() == file);
}

/// A server whose file comes slowly: half of it, and the rest after `pause`.
async fn slow(file: Vec<u8>, pause: Duration) -> std::net::SocketAddr {
    server::marker::watch();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut read = vec![0; 4096];
            let _ = connection.read(&mut read).await;
            let head =
                format!("HTTP/1.1 200 OK\r\nETag: W/\"weak\"\r\nContent-Length: {}\r\n\r\n", file.len());
            let (first, rest) = file.split_at(file.len() / 2);
            let _ = connection.write_all(&[head.as_bytes(), first].concat()).await;
            tokio::time::sleep(pause).await;
            let _ = connection.write_all(rest).await;
        }
    });
    address
}

/// The client's time-out is a request's; a file takes as long as it takes, as long as it moves.
#[tokio::test]
async fn clients_timeout_does_not_end_a_body() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(100_000, 5);
    let timeout = Duration::from_secs(2);
    let address = slow(file.clone(), timeout + Duration::from_millis(200)).await;
    let client = BackendClient::builder(format!("http://{address}"))
        .retry(RetryPolicy::never())
        .timeout(timeout)
        .build()
        .unwrap();
    client.download("/x").to(&target).await.unwrap();
    assert!(std::fs::read(&target).unwrap() == file);
}

/// A download's own time-out is its whole.
#[tokio::test]
async fn a_downloads_own_timeout_ends_it() {
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

/// The head has the client's time-out.
#[tokio::test]
async fn a_head_that_never_comes_ends_by_the_client() {
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
