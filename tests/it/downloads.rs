//! Downloads. A file arrives whole or not at all, whatever happens to the connection, the server or the file.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::file_server::{FileServer, names, noise, ranged, response};
use crate::support::marker::{Failure, MARKER, TOKEN};
use crate::support::server::{self, client_of, start};
use crate::support::tcp_server::refusing;
use synapse_backend_client::{BackendClient, Download, ErrorKind, FileCache, RetryPolicy};
use wiremock::matchers::{header_exists, method, path};
use wiremock::{Mock, ResponseTemplate};

const ETAG: &str = "\"one\"";

/// Builds a client whose retries wait only briefly.
fn client(url: impl Into<String>) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(url).access_token(TOKEN).retry(policy).build().unwrap()
}

fn download(server: &FileServer) -> Download {
    client(server.url()).download(format!("/media/file.bin?X-Amz-Expires=60&X-Amz-Signature={MARKER}"))
}

/// Returns a server that closes the connection after 60,000 bytes, refuses the second request, and serves all
/// later ones.
async fn refusing_once(file: Vec<u8>) -> FileServer {
    FileServer::start(move |number, asked| match number {
        0 => ranged(asked, &file, ETAG, 60_000),
        1 => response("403 Forbidden\nContent-Length: 0", b""),
        _ => ranged(asked, &file, ETAG, usize::MAX),
    })
    .await
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn download_leaves_only_target_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(300_000, 1);
    let content = file.clone();
    let server = FileServer::start(move |_, asked| ranged(asked, &content, ETAG, usize::MAX)).await;
    let target = directory.path().join("file.bin");
    let reported = Arc::new(Mutex::new(Vec::new()));
    let recorder = reported.clone();
    let download = download(&server).on_progress(move |progress| recorder.lock().unwrap().push(progress));
    assert!(!format!("{download:?}").contains(MARKER));
    // Setters may follow the path, and the last path counts.
    let downloaded = download.to("elsewhere").to(&target).size(300_000).await.unwrap();
    assert_eq!(
        (downloaded.path.as_path(), downloaded.bytes, downloaded.resumed_from),
        (target.as_path(), 300_000, 0)
    );
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(names(directory.path()), ["file.bin"]);
    let asked = server.seen();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, format!("GET /media/file.bin?X-Amz-Expires=60&X-Amz-Signature={MARKER}"));
    assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
    assert_eq!(asked[0].header("synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(asked[0].header("range"), None);
    let reported = reported.lock().unwrap();
    assert!(reported.windows(2).all(|pair| pair[0].bytes_received <= pair[1].bytes_received));
    assert_eq!(
        reported.last().map(|last| (last.bytes_received, last.bytes_total)),
        Some((300_000, Some(300_000)))
    );
}

#[tokio::test]
async fn download_resumes_at_any_byte() {
    let directory = tempfile::tempdir().unwrap();
    for run in 0..100_u64 {
        let size = 1 + (run as usize * 7_919) % 3_000_000;
        let file = noise(size, run);
        let content = file.clone();
        // Each connection carries at most this many bytes of the body, sometimes none.
        let cuts = noise(1_000, run + 1_000);
        let server = FileServer::start(move |number, asked| {
            let up_to = usize::from(cuts[number % cuts.len()]) * content.len().div_ceil(256) / 2;
            ranged(asked, &content, ETAG, up_to)
        })
        .await;
        let target = directory.path().join(format!("{run}.bin"));
        let policy = RetryPolicy::new().max_retries(50).initial_backoff(Duration::from_micros(1));
        let downloaded = download(&server).retry(policy).to(&target).await.unwrap();
        assert_eq!(downloaded.bytes, size as u64);
        assert!(std::fs::read(&target).unwrap() == file, "run {run}");
        let ranges = server.ranges();
        assert!(
            ranges.windows(2).all(|pair| pair[0].unwrap_or(0) <= pair[1].unwrap_or(0)),
            "run {run}: {ranges:?}"
        );
    }
    assert_eq!(names(directory.path()).len(), 100);
}

#[tokio::test]
async fn missing_range_support_restarts_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(100_000, 2);
    let content = file.clone();
    let server = FileServer::start(move |number, _| {
        let up_to = if number < 2 { 50_000 } else { content.len() };
        response(&format!("200 OK\nETag: {ETAG}\nContent-Length: {}", content.len()), &content[..up_to])
    })
    .await;
    let target = directory.path().join("file.bin");
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, 100_000);
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(server.ranges(), [None, Some(50_000), Some(50_000)]);
    assert_eq!(server.seen()[1].header("if-range"), Some(ETAG));
}

#[tokio::test]
async fn changed_file_parts_never_mixed() {
    for keeps_if_range in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (noise(100_000, 3), noise(100_000, 4));
        let expected = new.clone();
        let server = FileServer::start(move |number, asked| match (number, asked.range_start()) {
            (0, _) => ranged(asked, &old, "\"old\"", 40_000),
            // This server ignores `If-Range` and sends a part of the new file.
            (_, Some(from)) if !keeps_if_range => {
                let head =
                    format!("206 Partial Content\nETag: \"new\"\nContent-Range: bytes {from}-99999/100000");
                response(&format!("{head}\nContent-Length: {}", 100_000 - from), &new[from..])
            }
            _ => ranged(asked, &new, "\"new\"", usize::MAX),
        })
        .await;
        let target = directory.path().join("file.bin");
        download(&server).to(&target).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == expected);
    }
}

#[tokio::test]
async fn wrong_content_length_is_detected() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    std::fs::write(&target, "before").unwrap();
    // The announced length is too large, and there are no ranges: the rest never arrives.
    let server = FileServer::start(|_, _| response("200 OK\nContent-Length: 1000", &[7; 500])).await;
    let error = download(&server).to(&target).await.failure();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert_eq!(error.attempts(), 4);
    // With ranges, the server states the correct size.
    let file = noise(500, 5);
    let content = file.clone();
    let server = FileServer::start(move |number, asked| match number {
        0 => response(&format!("200 OK\nETag: {ETAG}\nContent-Length: 1000"), &content),
        _ => ranged(asked, &content, ETAG, usize::MAX),
    })
    .await;
    let other = directory.path().join("other.bin");
    assert_eq!(download(&server).to(&other).await.unwrap().bytes, 500);
    assert_eq!(std::fs::read(&other).unwrap(), file);
    // The announced length is too small. Only the size from the API reveals that.
    let server = FileServer::start(|_, _| response("200 OK\nContent-Length: 500", &[7; 1000])).await;
    let error = download(&server).size(1000).to(&target).await.failure();
    assert_eq!(error.kind(), ErrorKind::Download);
    assert!(error.to_string().contains("announces 500 bytes, but 1000 are expected"), "{error}");
    // The body is longer or shorter than expected, and no length is announced.
    let server = FileServer::start(|_, _| response("200 OK", &[7; 1000])).await;
    assert_eq!(download(&server).size(999).to(&target).await.failure().kind(), ErrorKind::Download);
    let server = FileServer::start(|_, _| response("200 OK", &[7; 1000])).await;
    assert_eq!(download(&server).size(1001).to(&target).await.failure().kind(), ErrorKind::Download);
    assert_eq!(std::fs::read(&target).unwrap(), b"before");
    assert_eq!(names(directory.path()), ["file.bin", "other.bin"]);
}

#[tokio::test]
async fn unsatisfiable_range_ends_or_restarts() {
    let directory = tempfile::tempdir().unwrap();
    // All bytes arrived before the connection broke, and the 416 confirms that.
    let file = noise(2_000_000, 6);
    let content = file.clone();
    let server = FileServer::start(move |number, asked| match number {
        0 => response(&format!("200 OK\nETag: {ETAG}\nTransfer-Encoding: chunked"), &chunk(&content)),
        _ => ranged(asked, &content, ETAG, usize::MAX),
    })
    .await;
    let target = directory.path().join("file.bin");
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, 2_000_000);
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(server.ranges(), [None, Some(2_000_000)]);
    // The file is shorter now.
    let short = noise(10, 7);
    let content = (file.clone(), short.clone());
    let server = FileServer::start(move |number, asked| match number {
        0 => ranged(asked, &content.0, ETAG, 1_000),
        1 => response("416 Range Not Satisfiable\nContent-Range: bytes */10\nContent-Length: 0", b""),
        _ => ranged(asked, &content.1, "\"two\"", usize::MAX),
    })
    .await;
    download(&server).to(&target).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), short);
    assert_eq!(server.ranges(), [None, Some(1_000), None]);
    // A server that responds with 416 every time.
    let server = FileServer::start(move |_, asked| match asked.range_start() {
        None => ranged(asked, &file, ETAG, 1_000),
        Some(_) => response("416 Range Not Satisfiable\nContent-Length: 0", b""),
    })
    .await;
    let error = download(&server).to(&target).await.failure();
    assert_eq!((error.kind(), server.seen().len()), (ErrorKind::ConnectionLost, 7), "{error}");
    assert_eq!(std::fs::read(&target).unwrap(), short);
}

#[tokio::test]
async fn short_range_resumes_empty_range_fails() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(1_000, 13);
    let content = file.clone();
    let part = |from: usize, to: usize| {
        format!("206 Partial Content\nETag: {ETAG}\nContent-Range: bytes {from}-{}/1000", to - 1)
    };
    let server = FileServer::start(move |_, asked| match asked.range_start() {
        None => ranged(asked, &content, ETAG, 10),
        Some(from) => {
            let to = content.len().min(from + 300);
            response(&format!("{}\nContent-Length: {}", part(from, to), to - from), &content[from..to])
        }
    })
    .await;
    let target = directory.path().join("file.bin");
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, 1_000);
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(server.ranges(), [None, Some(10), Some(310), Some(610), Some(910)]);
    let server = FileServer::start(move |_, asked| match asked.range_start() {
        None => ranged(asked, &file, ETAG, 10),
        Some(from) => response(&format!("{}\nTransfer-Encoding: chunked", part(from, 1_000)), b"0\r\n\r\n"),
    })
    .await;
    let error = download(&server).to(&target).await.failure();
    assert!(error.to_string().contains("sent no more of the file"), "{error}");
    assert_eq!(server.seen().len(), 4);
}

/// Returns one chunk that is not the last one.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test]
async fn next_download_resumes_kept_part() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(100_000, 8);
    let server = refusing_once(file.clone()).await;
    let target = directory.path().join("file.bin");
    let error = download(&server).to(&target).await.failure();
    assert!(error.is_forbidden() && error.to_string().contains("60000 bytes are kept"), "{error}");
    assert!(!target.exists());
    assert_eq!(names(directory.path()).len(), 2);
    // The URL has a new signature.
    let again = client(server.url()).download("/media/file.bin?X-Amz-Expires=61&X-Amz-Signature=other");
    let downloaded = again.to(&target).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (100_000, 60_000));
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// A validator distinguishes the versions of one file. It doesn't distinguish files that a query parameter
/// selects.
#[tokio::test]
async fn kept_part_not_reused_for_other_url() {
    let directory = tempfile::tempdir().unwrap();
    let files = [noise(100_000, 21), noise(100_000, 22)];
    let both = files.clone();
    let server = FileServer::start(move |number, asked| match (number, asked.line.contains("id=2")) {
        (0, _) => ranged(asked, &both[0], ETAG, 60_000),
        (1, _) => response("403 Forbidden\nContent-Length: 0", b""),
        (_, second) => ranged(asked, &both[usize::from(second)], ETAG, usize::MAX),
    })
    .await;
    let target = directory.path().join("file.bin");
    let client = client(server.url());
    assert!(client.download("/media/get/?id=1").to(&target).await.failure().is_forbidden());
    let downloaded = client.download("/media/get/?id=2").to(&target).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (100_000, 0));
    assert_eq!(std::fs::read(&target).unwrap(), files[1]);
}

#[tokio::test]
async fn weak_etag_resumes_only_with_digest() {
    let file = noise(100_000, 9);
    for (etag, checksum, asked) in [
        ("W/\"weak\"", None, vec![None, None]),
        ("W/\"weak\"", Some(md5(&file)), vec![None, Some(60_000)]),
        (ETAG, Some(md5(&file)), vec![None, Some(60_000)]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let content = file.clone();
        let server = FileServer::start(move |number, asked| {
            ranged(asked, &content, etag, if number == 0 { 60_000 } else { usize::MAX })
        })
        .await;
        let mut download = download(&server);
        if let Some(checksum) = &checksum {
            download = download.checksum(checksum);
        }
        let target = directory.path().join("file.bin");
        download.to(&target).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), file);
        assert_eq!(server.ranges(), asked);
    }
    let directory = tempfile::tempdir().unwrap();
    let content = file.clone();
    let server = FileServer::start(move |_, asked| ranged(asked, &content, ETAG, usize::MAX)).await;
    let error = download(&server).checksum(md5(b"another")).to(directory.path().join("x")).await.failure();
    assert_eq!(error.kind(), ErrorKind::Download);
    assert!(error.to_string().contains("its MD5 is"), "{error}");
    assert_eq!(names(directory.path()), [""; 0]);
}

#[tokio::test]
async fn corrupt_part_restarts_on_digest() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(100_000, 14);
    let server = refusing_once(file.clone()).await;
    let target = directory.path().join("file.bin");
    assert!(download(&server).to(&target).await.failure().is_forbidden());
    let part = names(directory.path()).into_iter().find(|name| name.ends_with(".part")).unwrap();
    let mut bytes = std::fs::read(directory.path().join(&part)).unwrap();
    bytes[5] ^= 1;
    std::fs::write(directory.path().join(&part), bytes).unwrap();
    let downloaded = download(&server).checksum(md5(&file)).to(&target).await.unwrap();
    assert_eq!((downloaded.bytes, downloaded.resumed_from), (100_000, 0));
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(server.ranges(), [None, Some(60_000), Some(60_000), None]);
}

#[tokio::test]
async fn unreachable_server_follows_policy() {
    let tried = Arc::new(Mutex::new(0));
    let count = tried.clone();
    let (_port, url) = refusing();
    let policy = RetryPolicy::new().max_retries(2).initial_backoff(Duration::from_micros(1));
    let client = BackendClient::builder(url).retry(policy).on_attempt(move |_| *count.lock().unwrap() += 1);
    let directory = tempfile::tempdir().unwrap();
    let error = client.build().unwrap().download("/x").to(directory.path().join("x")).await.failure();
    assert!(error.is_connect() && error.attempts() == 3, "{error}");
    assert_eq!(*tried.lock().unwrap(), 3);
    assert_eq!(names(directory.path()), [""; 0]);
}

#[tokio::test]
async fn dropped_download_stops_and_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(3 << 20, 10);
    let content = file.clone();
    let server = FileServer::start(move |_, asked| ranged(asked, &content, ETAG, usize::MAX)).await;
    let target = directory.path().join("file.bin");
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let download_1 = download(&server).on_progress(move |progress| {
        if progress.bytes_received > 2 << 20 {
            let _ = sender.send(());
        }
    });
    tokio::select! {
        biased;
        _ = receiver.recv() => {}
        _ = download_1.to(&target).send() => panic!("it completed before it was dropped"),
    }
    assert!(!target.exists());
    let downloaded = download(&server).to(&target).await.unwrap();
    assert!(downloaded.resumed_from >= 1 << 20, "{downloaded:?}");
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

#[tokio::test]
async fn concurrent_downloads_fetch_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = noise(2 << 20, 11);
    let content = file.clone();
    let server = FileServer::start(move |_, asked| ranged(asked, &content, ETAG, usize::MAX)).await;
    let target = directory.path().join("file.bin");
    let all = (0..8).map(|_| tokio::spawn(download(&server).to(&target).send()));
    for downloaded in all.collect::<Vec<_>>() {
        assert_eq!(downloaded.await.unwrap().unwrap().bytes, 2 << 20);
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(std::fs::read(&target).unwrap(), file);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

#[tokio::test]
async fn download_credentials_stay_at_backend() {
    let (backend, storage) = (start().await, start().await);
    let moved = ResponseTemplate::new(302)
        .insert_header("location", format!("{}/bucket/x?X-Amz-Signature={MARKER}", storage.uri()));
    Mock::given(method("GET")).and(path("/media/x")).respond_with(moved).mount(&backend).await;
    let has_token =
        Mock::given(header_exists("synapse-access-token")).respond_with(ResponseTemplate::new(500));
    has_token.expect(0).mount(&storage).await;
    let there =
        Mock::given(path("/bucket/x")).respond_with(ResponseTemplate::new(200).set_body_bytes(b"abc"));
    there.expect(2).mount(&storage).await;
    let directory = tempfile::tempdir().unwrap();
    let client = client_of(&backend);
    client.download("/media/x").to(directory.path().join("a")).await.unwrap();
    client.download(format!("{}/bucket/x", storage.uri())).to(directory.path().join("b")).await.unwrap();
    assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), b"abc");
    assert_eq!(std::fs::read(directory.path().join("b")).unwrap(), b"abc");
    assert_eq!(
        server::header(&server::only(&backend).await, "synapse-access-token"),
        Some(&*format!("Token {TOKEN}"))
    );
}

#[tokio::test]
async fn invalid_download_input_sends_nothing() {
    let backend = start().await;
    let client = client_of(&backend);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    for (download, path, part) in [
        (client.download("ftp://h/x"), path.clone(), "scheme is ftp"),
        (client.download("http://[/x"), path.clone(), "not a URL"),
        (client.download("/x"), directory.path().to_owned(), "directory"),
        (client.download("/x"), "/".into(), "not the path of a file"),
        (client.download("/x").checksum("12"), path.clone(), "checksum"),
        (client.download("/x").timeout(Duration::ZERO), path.clone(), "timeout"),
        (client.download("data:x"), path.clone(), "comma"),
        (client.download("data:,abc").max_data_uri_size(2), path.clone(), "max_data_uri_size"),
        (client.download("data:,abc").size(2), path.clone(), "2 are expected"),
    ] {
        let error = download.to(path).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains(part), "{error}");
    }
    for (download, message) in [
        (client.download("/x"), "download: `to` is missing: set the file's path"),
        (client.download("data:,abc"), "download: `to` is missing: set the file's path"),
        (client.download("/x").checksum("12"), "`to` is missing: set the file's path"),
    ] {
        let error = download.await.failure();
        assert!(error.is_invalid_input() && error.to_string().ends_with(message), "{error}");
    }
    let cache = FileCache::builder(tempfile::tempdir().unwrap().path()).open().unwrap();
    let error = client.download("/x").to(&path).cached(&cache).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`to` and `cached`"), "{error}");
    let error = client.download("/x").to(directory.path().join("none").join("x")).await.failure();
    assert!(error.is_io() && error.to_string().contains("none"), "{error}");
    server::assert_nothing_sent(&backend).await;
    assert_eq!(names(directory.path()), [""; 0]);
}

#[tokio::test]
async fn data_uri_is_written_to_file() {
    let backend = start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.png");
    let downloaded = client_of(&backend).download("data:image/png;base64,AAEC/w==").to(&path).await.unwrap();
    assert_eq!(downloaded.bytes, 4);
    assert_eq!(std::fs::read(&path).unwrap(), [0, 1, 2, 255]);
    assert_eq!(names(directory.path()), ["x.png"]);
    server::assert_nothing_sent(&backend).await;
}

#[cfg(unix)]
#[tokio::test]
async fn downloaded_file_follows_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let server = FileServer::start(|_, asked| ranged(asked, b"abc", ETAG, usize::MAX)).await;
    let (target, plain) = (directory.path().join("file.bin"), directory.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    download(&server).fsync(true).to(&target).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&target), mode(&plain));
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn unrequested_gzip_is_decoded() {
    use std::io::Write as _;
    let directory = tempfile::tempdir().unwrap();
    let file = noise(100_000, 12);
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(&file).unwrap();
    let compressed = compressed.finish().unwrap();
    let server = FileServer::start(move |number, _| {
        let body = if number == 1 { &compressed[..50] } else { &compressed[..] };
        response(
            &format!("200 OK\nETag: {ETAG}\nContent-Encoding: gzip\nContent-Length: {}", compressed.len()),
            body,
        )
    })
    .await;
    let target = directory.path().join("file.bin");
    assert_eq!(download(&server).size(100_000).to(&target).await.unwrap().bytes, 100_000);
    assert_eq!(std::fs::read(&target).unwrap(), file);
    let server =
        FileServer::start(|_, _| response("200 OK\nContent-Encoding: compress\nContent-Length: 3", b"abc"))
            .await;
    let error = download(&server).to(&target).await.failure();
    assert!(error.is_decode() && error.to_string().contains("compress"), "{error}");
    assert_eq!(std::fs::read(&target).unwrap(), file);
    // Labels that name no coding are ignored. Some storages keep them from the upload.
    for label in ["aws-chunked", "utf-8", ""] {
        let head = format!("200 OK\nContent-Encoding: {label}\nContent-Length: 3");
        let server = FileServer::start(move |_, _| response(&head, b"abc")).await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, 3, "{label}");
    }
}

#[tokio::test]
async fn download_all_isolates_failed_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = FileServer::start(|_, asked| match asked.line.as_str() {
        "GET /3" => response("404 Not Found\nContent-Length: 0", b""),
        _ => ranged(asked, asked.line.as_bytes(), ETAG, usize::MAX),
    })
    .await;
    let reported = Arc::new(Mutex::new(Vec::new()));
    let recorder = reported.clone();
    let files = (0..6).map(|number| (format!("/{number}"), directory.path().join(number.to_string())));
    let all = client(server.url()).download_all(files).concurrency(2);
    let results = all.on_progress(move |progress| recorder.lock().unwrap().push(progress)).await.unwrap();
    for (number, result) in results.iter().enumerate() {
        match number {
            3 => assert!(result.as_ref().is_err_and(synapse_backend_client::Error::is_not_found)),
            _ => assert_eq!(
                std::fs::read(&result.as_ref().unwrap().path).unwrap(),
                format!("GET /{number}").as_bytes()
            ),
        }
    }
    assert_eq!(names(directory.path()), ["0", "1", "2", "4", "5"]);
    let last = *reported.lock().unwrap().last().unwrap();
    assert_eq!((last.files, last.files_complete, last.files_failed, last.bytes_received), (6, 5, 1, 30));
    assert!(
        client(server.url()).download_all([("/0", "x")]).concurrency(0).await.failure().is_invalid_input()
    );
}
