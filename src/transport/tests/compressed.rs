//! Compressed responses: which codings are requested, and how responses are decompressed.

#[cfg(feature = "gzip")]
use std::io::Write;

use super::server::{Act, Server, response};
use super::*;
#[cfg(feature = "gzip")]
use crate::ErrorKind;

#[cfg(feature = "gzip")]
fn gzip(plain: &str) -> Vec<u8> {
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(plain.as_bytes()).unwrap();
    compressed.finish().unwrap()
}

/// The model's text in three members.
#[cfg(feature = "gzip")]
fn members() -> Vec<u8> {
    let (first, rest) = MODEL.split_at(7);
    [gzip(first), gzip(""), gzip(rest)].concat()
}

fn labelled(status: u16, label: &str, body: &[u8]) -> Vec<u8> {
    response(status, &format!("Content-Type: application/json\r\nContent-Encoding: {label}\r\n"), body)
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn all_gzip_members_are_read() {
    for padding in [&b""[..], &[0; 700], b"garbage"] {
        let compressed = [&members()[..], padding].concat();
        for label in ["gzip", "x-gzip", "GZip", " gzip ", "aws-chunked,gzip", "gzip, aws-chunked", ", gzip"] {
            let server = Server::of([Act::Keep(labelled(200, label, &compressed))]).await;
            let (client, _) = client(&server.url);
            for _ in 0..2 {
                assert_eq!(client.get_model(1).await.unwrap().name, "n", "{label}");
            }
            assert_eq!(server.count(), 2);
            // A body that is read to its end leaves its connection reusable.
            assert!(server.connections() == 1 || !padding.is_empty());
        }
    }
    let server = Server::of([Act::Drip(labelled(200, "gzip", &members()), Duration::from_millis(5))]).await;
    let (builder, _) = builder(&server.url);
    // Shorter than the whole transfer, in which most bytes decompress to nothing.
    let client = builder.read_timeout(Duration::from_millis(300)).build().unwrap();
    assert_eq!(client.get_model(1).await.unwrap().name, "n");
    assert_eq!(server.count(), 1);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn truncated_gzip_member_is_retried() {
    let (first, all) = (gzip("{\"id\": 1,"), members());
    for cut in [&all[..all.len() - 1], &all[..12], &first[..]] {
        let server =
            Server::of([Act::Keep(labelled(200, "gzip", cut)), Act::Keep(labelled(200, "gzip", &all))]).await;
        let (client, clock) = client(&server.url);
        client.get_model(1).await.unwrap();
        assert_eq!(clock.waits(), [125]);
    }
}

#[tokio::test]
async fn wrong_encoding_label_is_tolerated() {
    for label in [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "x-gzip",
        "aws-chunked",
        "",
        "utf-8",
        "binary",
        "none",
        "identity",
        "gzip, gzip",
    ] {
        let server = Server::of([
            Act::Keep(labelled(200, label, MODEL.as_bytes())),
            Act::Keep(labelled(404, label, br#"{"detail": "No such model."}"#)),
            Act::Keep(labelled(200, label, b"[]")),
        ])
        .await;
        let (client, clock) = client(&server.url);
        assert_eq!(client.get_model(1).await.unwrap().name, "n", "{label}");
        let error = client.get_model(1).await.failure();
        assert!(error.is_not_found() && error.to_string().ends_with("No such model."), "{label}: {error}");
        assert_eq!(client.request(Method::GET, "/x/").await.unwrap(), json_value!([]), "{label}");
        assert_eq!((server.count(), server.connections(), clock.waits().len()), (3, 1, 0));
    }
}

#[tokio::test]
async fn empty_body_with_label_is_empty() {
    for (status, method) in [(204, Method::GET), (304, Method::GET), (200, Method::HEAD), (200, Method::GET)]
    {
        for label in ["gzip", "br", "zstd", "deflate", "gzip, br"] {
            let length = if method == Method::HEAD { "Content-Length: 500\r\n" } else { "" };
            let length =
                if method == Method::GET && status == 200 { "Content-Length: 0\r\n" } else { length };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Encoding: {label}\r\n{length}\r\n");
            let server = Server::of([Act::Keep(head.into_bytes())]).await;
            let sent = client(&server.url).0.request(method.clone(), "/x/").await;
            match status {
                304 => assert_eq!(status_of(&sent.failure()), Some(304)),
                _ => assert_eq!(sent.unwrap(), crate::Json::default(), "{status} {method} {label}"),
            }
            assert_eq!(server.count(), 1);
        }
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_error_body_is_read() {
    let said = gzip(r#"{"detail": "Not here."}"#);
    let server =
        Server::of([Act::Keep(labelled(404, "gzip", &said)), Act::Keep(labelled(404, "gzip", &said[..15]))])
            .await;
    let (client, _) = client(&server.url);
    assert!(client.get_model(1).await.failure().to_string().ends_with("Not here."));
    // A damaged body doesn't hide the status.
    assert!(client.get_model(1).await.failure().is_not_found());
    assert_eq!(server.count(), 2);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_length_is_not_body_length() {
    let server = Server::of([Act::Keep(labelled(200, "gzip", &gzip(&" ".repeat(300_000))))]).await;
    let (client, _) = client(&server.url);
    let mut stream = client.get_model(1).fetch(|response| async { Ok(response.stream()) }).await.unwrap();
    assert_eq!(stream.content_length(), None);
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        length += chunk.unwrap().len();
    }
    assert_eq!(length, 300_000);
    // Here the compressed form is longer than the body.
    let server = Server::of([Act::Keep(labelled(200, "gzip", &gzip(MODEL)))]).await;
    let (builder, _) = builder(&server.url);
    builder.max_body_size(MODEL.len()).build().unwrap().get_model(1).await.unwrap();
    let (builder, _) = super::builder(&server.url);
    let error = builder.max_body_size(MODEL.len() - 1).build().unwrap().get_model(1).await.failure();
    assert_eq!(error.kind(), ErrorKind::BodyLimit);
}

/// The total timeout expires during the decompression of a body that arrived at once.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn timeout_interrupts_decompression() {
    let bomb = gzip(&" ".repeat(200 << 20));
    let server = Server::of([Act::Keep(labelled(200, "gzip", &bomb))]).await;
    let (builder, _) = builder(&server.url);
    let reported = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = reported.clone();
    let builder = builder.on_attempt(move |attempt| sink.lock().unwrap().push(attempt.bytes_received));
    let client = builder.timeout(Duration::from_millis(150)).build().unwrap();
    let error = soon(client.get_model(1).send()).await.failure();
    assert!(error.is_timeout(), "{error:?}");
    assert!(reported.lock().unwrap().iter().all(|bytes| *bytes < 200 << 20), "{reported:?}");
}

#[tokio::test]
async fn accept_encoding_sent_unless_overridden() {
    let server = Server::of([Act::Keep(server::json(200, MODEL))]).await;
    let (client, _) = client(&server.url);
    client.get_model(1).await.unwrap();
    client.get_model(1).header("Accept-Encoding", "identity").await.unwrap();
    client.get_model(1).header("Range", "bytes=0-9").await.unwrap();
    create(&client).await.unwrap();
    let asked: Vec<_> =
        server.seen().iter().map(|seen| seen.header("accept-encoding").map(str::to_owned)).collect();
    let all = [
        ("gzip", cfg!(feature = "gzip")),
        ("br", cfg!(feature = "brotli")),
        ("zstd", cfg!(feature = "zstd")),
    ];
    let all = all.into_iter().chain([("deflate", cfg!(feature = "deflate"))]);
    let all: Vec<_> = all.filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect();
    let all = Some(all.join(", ")).filter(|all| !all.is_empty());
    assert_eq!(asked, [all.clone(), Some("identity".to_owned()), None, all]);
}
