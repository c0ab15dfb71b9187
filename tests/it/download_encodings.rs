//! Files that the server compresses unasked. The first request stores them in the expected form.

#![cfg(feature = "gzip")]

use std::io::Write as _;
use std::time::Duration;

use crate::support::file_server::{FileServer, labelled, names, noise, ranged, response};
use crate::support::marker::{Failure, TOKEN};
use synapse_backend_client::{BackendClient, Download, ErrorKind, RetryPolicy};

const ETAG: &str = "\"one\"";
const SIZE: usize = 200_000;

fn client(url: impl Into<String>) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(url).access_token(TOKEN).retry(policy).build().unwrap()
}

fn download(server: &FileServer) -> Download {
    client(server.url()).download("/media/file.bin")
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(plain).unwrap();
    compressed.finish().unwrap()
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn head(length: usize) -> String {
    format!("200 OK\nETag: {ETAG}\nContent-Encoding: gzip\nContent-Length: {length}")
}

/// Returns a server that sends this response to every request.
async fn serving(head: String, body: Vec<u8>) -> FileServer {
    FileServer::start(move |_, _| response(&head, &body)).await
}

#[tokio::test]
async fn expected_size_selects_stored_form() {
    let file = noise(SIZE, 1);
    let compressed = gzip(&file);
    let (plain_size, compressed_size) = (file.len() as u64, compressed.len() as u64);
    for (size, checksum, expected) in [
        (None, None, &file),
        (Some(plain_size), None, &file),
        (Some(compressed_size), None, &compressed),
        (None, Some(md5(&file)), &file),
        (None, Some(md5(&compressed)), &compressed),
        (Some(plain_size), Some(md5(&file)), &file),
        (Some(compressed_size), Some(md5(&compressed)), &compressed),
        // Size and digest describe different forms. The digest decides, and the size is the decompressed
        // file's.
        (Some(plain_size), Some(md5(&compressed)), &file),
        (Some(compressed_size), Some(md5(&file)), &file),
    ] {
        for head in [head(compressed.len()), format!("200 OK\nETag: {ETAG}\nContent-Encoding: x-gzip")] {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("file.bin");
            let server = serving(head, compressed.clone()).await;
            let mut download = download(&server);
            if let Some(size) = size {
                download = download.size(size);
            }
            if let Some(checksum) = &checksum {
                download = download.checksum(checksum);
            }
            let downloaded = download.to(&target).await.unwrap();
            assert!(std::fs::read(&target).unwrap() == *expected, "{size:?} {checksum:?}");
            assert_eq!((downloaded.bytes, server.seen().len()), (expected.len() as u64, 1));
            assert_eq!(names(directory.path()), ["file.bin"]);
        }
    }
}

#[tokio::test]
async fn mismatch_in_both_forms_is_error() {
    let file = noise(SIZE, 2);
    let compressed = gzip(&file);
    for (size, checksum, part) in [
        (Some(199_999), None, "199999 are expected"),
        (Some(200_001), None, "200001 are expected"),
        (None, Some(md5(b"another")), "its MD5 is"),
        (Some(200_000), Some(md5(b"another")), "its MD5 is"),
        (Some(5), Some(md5(&file)), "5 are expected"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        std::fs::write(&target, "before").unwrap();
        let server = serving(head(compressed.len()), compressed.clone()).await;
        let mut download = download(&server);
        if let Some(size) = size {
            download = download.size(size);
        }
        if let Some(checksum) = &checksum {
            download = download.checksum(checksum);
        }
        let error = download.to(&target).await.failure();
        assert!(error.kind() == ErrorKind::Download && error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"before");
        assert_eq!(names(directory.path()), ["file.bin"]);
    }
}

/// A download doesn't accept the file of a concurrent one if it expects another form.
#[tokio::test]
async fn concurrent_downloads_keep_own_form() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 10);
    let compressed = gzip(&file);
    let server = serving(head(compressed.len()), compressed.clone()).await;
    let all = (0..6).map(|number| match number % 3 {
        // The size is the plain file's, and the digest is the compressed file's.
        0 => download(&server).size(SIZE as u64).checksum(md5(&compressed)),
        1 => download(&server).size(compressed.len() as u64),
        _ => download(&server),
    });
    for downloaded in all.map(|download| tokio::spawn(download.to(&target).send())).collect::<Vec<_>>() {
        downloaded.await.unwrap().unwrap();
    }
    let stored = std::fs::read(&target).unwrap();
    assert!(stored == file || stored == compressed);
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// A decompression bomb is not written beyond the expected size.
#[tokio::test]
async fn gzip_bomb_stops_at_expected_size() {
    let directory = tempfile::tempdir().unwrap();
    let compressed = gzip(&vec![0; 50 << 20]);
    let server = serving(head(compressed.len()), compressed).await;
    let error = download(&server).size(1_000).to(directory.path().join("x")).await.failure();
    assert!(
        error.kind() == ErrorKind::Download && error.to_string().contains("decompressed more than 1000"),
        "{error}"
    );
    assert_eq!(names(directory.path()), [""; 0]);
}

#[tokio::test]
async fn compressed_download_is_resumed() {
    let file = noise(SIZE, 3);
    let compressed = gzip(&file);
    for repeated in ["\nContent-Encoding: gzip", ""] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file.bin");
        let body = compressed.clone();
        let server = FileServer::start(move |number, asked| match number {
            0 => response(&head(body.len()), &body[..70_000]),
            1 => response("403 Forbidden\nContent-Length: 0", b""),
            _ => labelled(asked, &body, &format!("ETag: {ETAG}{repeated}"), usize::MAX),
        })
        .await;
        assert!(download(&server).to(&target).await.failure().is_forbidden());
        // The next download decides which form it stores.
        let downloaded = download(&server).to(&target).await.unwrap();
        assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 70_000));
        assert!(std::fs::read(&target).unwrap() == file);
        assert_eq!(server.ranges(), [None, Some(70_000), Some(70_000)]);
        assert_eq!(names(directory.path()), ["file.bin"]);
    }
}

/// A proxy compressed this part in transit, so its bytes are not bytes of the file.
#[tokio::test]
async fn compressed_range_is_not_mixed_in() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 4);
    let content = file.clone();
    let server = FileServer::start(move |number, asked| match number {
        0 => ranged(asked, &content, ETAG, 70_000),
        1 => {
            let body = gzip(&content[70_000..]);
            let head =
                format!("206 Partial Content\nETag: {ETAG}\nContent-Encoding: gzip\nContent-Range: bytes 70000-199999/200000");
            response(&format!("{head}\nContent-Length: {}", body.len()), &body)
        }
        _ => ranged(asked, &content, ETAG, usize::MAX),
    })
    .await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    assert_eq!(server.ranges(), [None, Some(70_000), None]);
}

#[tokio::test]
async fn multi_member_gzip_is_decoded() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 5);
    let compressed: Vec<u8> = file.chunks(30_000).flat_map(gzip).collect();
    let server = serving(head(compressed.len()), compressed).await;
    assert_eq!(download(&server).size(SIZE as u64).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    // Compressed twice.
    let compressed = gzip(&gzip(&file));
    let twice = format!(
        "200 OK\nContent-Encoding: gzip\nContent-Encoding: gzip\nContent-Length: {}",
        compressed.len()
    );
    let server = serving(twice, compressed).await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
}

#[tokio::test]
async fn non_coding_labels_are_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 6);
    for label in [
        "aws-chunked",
        "",
        "utf-8",
        "UTF-8, binary",
        "identity",
        "none",
        "null",
        ",",
        "*",
        "gzip;q=1",
        "aws-chunked\nContent-Encoding: utf-8",
        "identity, identity",
    ] {
        let body = file.clone();
        let server = FileServer::start(move |number, asked| {
            labelled(
                asked,
                &body,
                &format!(
                    "ETag: {ETAG}\nContent-Length: {}\nContent-Encoding: {label}",
                    SIZE - asked.range_start().unwrap_or(0)
                ),
                if number == 0 { 70_000 } else { usize::MAX },
            )
        })
        .await;
        let downloaded = download(&server).size(SIZE as u64).checksum(md5(&file)).to(&target).await.unwrap();
        assert_eq!(downloaded.bytes, SIZE as u64, "{label}");
        assert!(std::fs::read(&target).unwrap() == file, "{label}");
        assert_eq!(server.ranges(), [None, Some(70_000)], "{label}");
    }
    let compressed = gzip(&file);
    for label in ["aws-chunked, gzip", "gzip,", "GZIP", "gzip\nContent-Encoding: utf-8"] {
        let server = serving(
            format!("200 OK\nContent-Encoding: {label}\nContent-Length: {}", compressed.len()),
            compressed.clone(),
        )
        .await;
        assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64, "{label}");
        assert!(std::fs::read(&target).unwrap() == file, "{label}");
        assert_eq!(server.seen().len(), 1, "{label}");
    }
    // A body that is labelled as compressed, but isn't, is stored unchanged.
    let server = serving(head(SIZE), file.clone()).await;
    download(&server).to(&target).await.unwrap();
    assert!(std::fs::read(&target).unwrap() == file);
}

#[tokio::test]
async fn unsupported_encoding_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    for (label, part) in [
        ("compress", "with `compress`"),
        ("gzip, dcz", "with `dcz`"),
        ("gzip,gzip,gzip,gzip,gzip", "more than 4"),
    ] {
        let server =
            serving(format!("200 OK\nContent-Encoding: {label}\nContent-Length: 3"), b"abc".to_vec()).await;
        for download in [download(&server), download(&server).size(4)] {
            let error = download.to(&target).await.failure();
            assert!(error.is_decode() && error.to_string().contains(part), "{error}");
        }
        assert_eq!((server.seen().len(), names(directory.path())), (2, vec![]));
        // The received form is the expected one.
        assert_eq!(download(&server).size(3).to(&target).await.unwrap().bytes, 3);
        assert_eq!(download(&server).checksum(md5(b"abc")).to(&target).await.unwrap().bytes, 3);
        let error = download(&server).checksum(md5(b"another")).to(&target).await.failure();
        assert!(error.is_decode() && error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"abc");
        std::fs::remove_file(&target).unwrap();
    }
}

/// Some servers also label files that are compressed themselves. Such a file stays compressed, as its name
/// says.
#[tokio::test]
async fn gzip_file_stays_compressed() {
    let file = noise(SIZE, 7);
    let (compressed, twice) = (gzip(&file), gzip(&gzip(&file)));
    for (path, name, media, body, expected) in [
        ("/media/file.json.gz", "file", "application/json", &compressed, &compressed),
        ("/media/FILE.TGZ?x=1", "file", "text/plain", &compressed, &compressed),
        ("/media/1", "file.gz", "text/plain", &compressed, &compressed),
        ("/media/1", "file", "application/x-gzip; x=y", &compressed, &compressed),
        // Compressed again in transit.
        ("/media/file.json.gz", "file", "application/json", &twice, &compressed),
        ("/media/file.json", "file", "application/json", &compressed, &file),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join(name);
        let server = serving(format!("{}\nContent-Type: {media}", head(body.len())), body.clone()).await;
        client(server.url()).download(path).to(&target).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == *expected, "{path} {name} {media}");
    }
    // The expected size takes precedence over the name.
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.gz");
    let server = serving(head(compressed.len()), compressed.clone()).await;
    client(server.url()).download("/media/file.gz").size(SIZE as u64).to(&target).await.unwrap();
    assert!(std::fs::read(&target).unwrap() == file);
}

/// A compressed body without a length still reveals that it is truncated.
#[tokio::test]
async fn truncated_gzip_body_is_retried() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 8);
    let compressed = gzip(&file);
    let body = compressed.clone();
    let server = FileServer::start(move |number, _| {
        response("200 OK\nContent-Encoding: gzip", if number == 0 { &body[..70_000] } else { &body })
    })
    .await;
    assert_eq!(download(&server).to(&target).await.unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&target).unwrap() == file);
    let server = serving("200 OK\nContent-Encoding: gzip".to_owned(), compressed[..70_000].to_vec()).await;
    let error = download(&server).to(&target).await.failure();
    assert_eq!(
        (error.kind(), error.attempts(), server.seen().len()),
        (ErrorKind::ConnectionLost, 4, 4),
        "{error}"
    );
    assert_eq!(names(directory.path()), ["file.bin"]);
}

/// Digests cover the received bytes, not the decompressed ones.
#[tokio::test]
async fn digests_cover_compressed_bytes() {
    use base64::Engine as _;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let file = noise(SIZE, 9);
    let compressed = gzip(&file);
    let labels = |bytes: &[u8]| {
        use md5::Digest as _;
        let digest = base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(bytes));
        [
            format!("Content-MD5: {digest}"),
            format!("Content-Digest: md5=:{digest}:"),
            format!("Repr-Digest: md5=:{digest}:"),
            format!("Digest: MD5={digest}"),
            format!("x-goog-hash: md5={digest}"),
            format!("x-goog-hash: md5={digest}\nx-goog-stored-content-encoding: gzip"),
        ]
    };
    for label in labels(&compressed) {
        let server = serving(format!("{}\n{label}", head(compressed.len())), compressed.clone()).await;
        download(&server).to(&target).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == file, "{label}");
        assert_eq!(server.seen().len(), 1);
    }
    std::fs::remove_file(&target).unwrap();
    for label in labels(&file) {
        let server = serving(format!("{}\n{label}", head(compressed.len())), compressed.clone()).await;
        assert_eq!(download(&server).to(&target).await.failure().kind(), ErrorKind::Download, "{label}");
        assert_eq!(names(directory.path()), [""; 0]);
    }
}
