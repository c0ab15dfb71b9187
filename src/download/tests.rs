//! Tests of download settings that only this crate sets.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::Download;
use super::part_location::PartLocation;
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind};
use crate::support::tcp_server::{Act, Server, then};
use crate::transport::retry_policy::RetryPolicy;

const MOST: u64 = 100_000;

/// Responds to each request with these headers and then the body: once, or repeatedly until the client stops
/// reading.
async fn serving(head: &str, body: Vec<u8>, is_endless: bool) -> (Server, String) {
    let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", head.replace('\n', "\r\n"));
    let act = then(head, move |_| {
        let body = body.clone();
        async move { if is_endless { endless(body) } else { Act::Close(body) } }
    });
    let server = Server::of([act]).await;
    let url = format!("{}/media/1", server.url);
    (server, url)
}

fn endless(body: Vec<u8>) -> Act {
    then(body.clone(), move |_| {
        let body = body.clone();
        async move { endless(body) }
    })
}

fn download(url: &str, max_size: u64) -> Download {
    let client = BackendClient::builder("http://localhost:9").retry(RetryPolicy::never()).build().unwrap();
    let mut download = client.download(url);
    download.download.max_size = Some(max_size);
    download
}

fn assert_refused(error: &Error, directory: &Path) {
    assert!(
        error.kind() == ErrorKind::BodyLimit && error.to_string().contains("larger than 100000 bytes"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), 0, "{error}");
}

#[tokio::test]
async fn file_over_limit_stops_download() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let etag = "ETag: \"a\"";
    for (head, body, endless) in [
        // The headers state the size: no byte is written.
        (format!("200 OK\n{etag}\nContent-Length: 100001"), Vec::new(), false),
        // The size is unknown: the body is received up to the limit.
        (format!("200 OK\n{etag}"), vec![7; 10_000], true),
        (format!("200 OK\n{etag}"), vec![7; 100_001], false),
    ] {
        let (_server, url) = serving(&head, body, endless).await;
        assert_refused(&download(&url, MOST).to(&target).await.unwrap_err(), directory.path());
    }
    let (_server, url) = serving("200 OK\nContent-Length: 100000", vec![7; 100_000], false).await;
    assert_eq!(download(&url, MOST).to(&target).await.unwrap().bytes, MOST);
    let error = download("data:,abc", 2).to(directory.path().join("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyLimit);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn limit_applies_to_decompressed_size() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let gzip = |size: usize| {
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        compressed.write_all(&vec![0; size]).unwrap();
        compressed.finish().unwrap()
    };
    let head = "200 OK\nETag: \"a\"\nContent-Encoding: gzip";
    let (_server, url) = serving(head, gzip(10 << 20), false).await;
    assert_refused(&download(&url, MOST).to(&target).await.unwrap_err(), directory.path());
    let (_server, url) = serving(head, gzip(100_000), false).await;
    assert_eq!(download(&url, MOST).to(&target).await.unwrap().bytes, MOST);
}

#[tokio::test]
async fn data_uri_waits_for_another_download() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("x");
    let claimed = PartLocation::new(target.clone(), "data:,abc").unwrap().claim().unwrap().unwrap();
    let late =
        download("data:,abc", MOST).lock_timeout(Duration::from_millis(1)).to(&target).await.unwrap_err();
    assert_eq!((late.kind(), target.exists()), (ErrorKind::Timeout, false));
    assert!(late.to_string().contains("lock_timeout"), "{late}");
    let waiting = tokio::spawn(download("data:,abc", MOST).to(&target).send());
    tokio::task::yield_now().await;
    claimed.location.remove(&claimed.file, false);
    drop(claimed);
    assert_eq!(waiting.await.unwrap().unwrap().bytes, 3);
    assert_eq!(std::fs::read(&target).unwrap(), b"abc");
}
