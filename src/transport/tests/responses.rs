//! Request and response bodies that are too large, too slow, too early or odd.

use std::sync::Mutex;
use std::time::Duration;

use super::server::{Act, Server, html, json, response};
use super::*;
use crate::ErrorKind;

/// Returns a client with this limit on a response's size.
fn limited(url: &str, bytes: usize) -> (BackendClient, Arc<TestClock>) {
    let (builder, clock) = builder(url);
    (builder.max_body_size(bytes).build().unwrap(), clock)
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut response =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(100) {
        response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        response.extend_from_slice(chunk);
        response.extend_from_slice(b"\r\n");
    }
    response.extend_from_slice(b"0\r\n\r\n");
    response
}

#[tokio::test]
async fn oversized_response_is_not_retried() {
    let large = format!(r#"{{"id": 1, "name": "{}", "model_type": "x"}}"#, "n".repeat(2_000));
    for bytes in [json(200, &large), chunked(large.as_bytes())] {
        for op in Op::ALL {
            let server = Server::of([Act::Keep(bytes.clone())]).await;
            let (client, clock) = limited(&server.url, 1_000);
            let error = op.send(&client).await.failure();
            assert_eq!(
                (error.kind(), status_of(&error)),
                (ErrorKind::BodyLimit, Some(200)),
                "{op:?}: {error:?}"
            );
            assert_eq!((server.count(), error.attempts(), clock.waits().len()), (1, 1, 0), "{op:?}");
        }
    }
}

#[tokio::test]
async fn response_at_limit_is_read() {
    for bytes in [json(200, MODEL), chunked(MODEL.as_bytes())] {
        let server = Server::of([Act::Keep(bytes)]).await;
        limited(&server.url, MODEL.len()).0.get_model(1).await.unwrap();
        let error = limited(&server.url, MODEL.len() - 1).0.get_model(1).await.failure();
        assert_eq!(error.kind(), ErrorKind::BodyLimit);
    }
}

/// The announced length alone is enough: the body never arrives.
#[tokio::test]
async fn announced_length_over_limit_fails_fast() {
    let server =
        Server::of([Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_vec())]).await;
    let (client, _) = limited(&server.url, 1_000);
    let error = client.get_model(1).await.failure();
    assert_eq!((error.kind(), server.count()), (ErrorKind::BodyLimit, 1), "{error:?}");
    // Nor is it read to its end to keep the connection.
    server.wait_for_hang_ups(1).await;
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn decompression_stops_at_body_limit() {
    use std::io::Write;

    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..16).for_each(|_| compressed.write_all(&[b' '; 1 << 20]).unwrap());
    let compressed = compressed.finish().unwrap();
    assert!(compressed.len() < 200_000, "{}", compressed.len());
    for status in [200, 400] {
        let server =
            Server::of([Act::Keep(response(status, "Content-Encoding: gzip\r\n", &compressed))]).await;
        let received = Arc::new(Mutex::new(Vec::new()));
        let reported = received.clone();
        let (builder, _) = builder(&server.url);
        let builder = builder
            .max_body_size(300_000)
            .on_attempt(move |attempt| reported.lock().unwrap().push(attempt.bytes_received));
        let error = builder.build().unwrap().get_model(1).await.failure();
        assert_eq!(status_of(&error), Some(status));
        assert_eq!(error.kind() == ErrorKind::BodyLimit, status == 200, "{error:?}");
        // The kept part of an error's body has its own limit, one megabyte.
        let limit = if status == 200 { 300_000 } else { 1 << 20 };
        let received = received.lock().unwrap().clone();
        assert!(received.len() == 1 && received[0] < limit + 100_000, "{received:?}");
        assert!(error.response().unwrap().body().len() <= limit as usize);
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn truncated_gzip_is_retried_or_unknown() {
    use std::io::Write;

    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(MODEL.as_bytes()).unwrap();
    let compressed = compressed.finish().unwrap();
    let gzip = |body: &[u8]| Act::Keep(response(200, "Content-Encoding: gzip\r\n", body));
    let server = Server::of([gzip(&compressed)]).await;
    assert_eq!(client(&server.url).0.get_model(1).await.unwrap().name, "n");
    // Half of a compressed body: a retry may return all of it.
    let server = Server::of([gzip(&compressed[..compressed.len() / 2]), gzip(&compressed)]).await;
    let (half, clock) = client(&server.url);
    half.get_model(1).await.unwrap();
    assert_eq!(clock.waits(), [125]);
    let server = Server::of([gzip(&compressed[..compressed.len() / 2])]).await;
    let error = create(&client(&server.url).0).await.failure();
    assert!(
        error.is_unknown_outcome() && error.to_string().contains("compressed with gzip, is truncated"),
        "{error:?}"
    );
    assert_eq!((server.count(), error.attempts()), (1, 1));
}

#[tokio::test]
async fn non_text_header_is_harmless() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\r\nContent-Type: \xff\r\n".to_vec();
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n{MODEL}", MODEL.len()).as_bytes());
    let server = Server::of([Act::Keep(bytes)]).await;
    client(&server.url).0.get_model(1).await.unwrap();

    let mut bytes =
        b"HTTP/1.1 429 X\r\nRetry-After: \xff\r\nX-Request-Id: \xff\r\nLocation: \xff\r\n".to_vec();
    bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    let server = Server::of([Act::Keep(bytes), Act::Keep(json(200, MODEL))]).await;
    let (client, clock) = client(&server.url);
    client.get_model(1).await.unwrap();
    assert_eq!(clock.waits(), [125]);
}

#[tokio::test]
async fn content_type_is_ignored() {
    for kind in ["text/html", "text/plain; charset=latin-1", "application/octet-stream", "nonsense"] {
        let server =
            Server::of([Act::Keep(response(200, &format!("Content-Type: {kind}\r\n"), MODEL))]).await;
        assert_eq!(client(&server.url).0.get_model(1).await.unwrap().id, 1, "{kind}");
    }
}

#[tokio::test]
async fn informational_responses_are_skipped() {
    let hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    for op in Op::ALL {
        let server = Server::of([Act::Keep([&hints[..], &op.response()].concat())]).await;
        let (client, clock) = client(&server.url);
        op.send(&client).await.unwrap_or_else(|error| panic!("{op:?}: {error:?}"));
        assert_eq!((server.count(), clock.waits().len()), (1, 0));
    }
}

// ---- slow lines

/// The transfer takes several times the read timeout, but no pause is that long.
#[tokio::test]
async fn slow_response_is_waited_for() {
    for op in [Op::Get, Op::Create] {
        let server = Server::of([Act::Drip(op.response(), Duration::from_millis(20))]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.read_timeout(Duration::from_millis(700)).build().unwrap();
        op.send(&client).await.unwrap_or_else(|error| panic!("{op:?}: {error:?}"));
        assert_eq!((server.count(), clock.waits().len()), (1, 0));
    }
}

/// Sends a JSON string of `size` bytes to a server that reads slowly: it arrives once, and completely.
async fn sent_slowly(size: usize, read_timeout: Duration) {
    let server = Server::of([Act::ReadSlowly(json(201, "{}"))]).await;
    let (builder, clock) = builder(&server.url);
    let client = builder.read_timeout(read_timeout).build().unwrap();
    let text = "x".repeat(size);
    client.request(Method::POST, "/tasks/").params(|p| p.json(&text)).await.unwrap();
    assert_eq!((server.count(), server.seen()[0].body.len(), clock.waits().len()), (1, size + 2, 0));
}

/// The server needs twice the read timeout for the body, and reads a part of it now and then. The body is
/// larger than what the system accepts at once on a loopback interface.
#[tokio::test]
async fn slow_upload_is_waited_for() {
    sent_slowly(16_000_000, Duration::from_millis(2_500)).await;
}

/// The system accepts the whole body at once; only its time in the buffer shows that it isn't sent yet.
#[tokio::test]
async fn buffered_slow_upload_is_waited_for() {
    sent_slowly(1_000_000, Duration::from_millis(20)).await;
}

#[tokio::test]
async fn stalled_upload_hits_read_timeout() {
    let server = Server::of([Act::StopReading(100_000)]).await;
    let (builder, clock) = builder(&server.url);
    let client = builder.read_timeout(Duration::from_millis(300)).build().unwrap();
    let text = "x".repeat(20_000_000);
    let error = client.request(Method::POST, "/tasks/").params(|p| p.json(&text)).await.failure();
    assert!(error.is_unknown_outcome() && error.is_timeout(), "{error:?}");
    assert_eq!((server.count(), error.attempts(), clock.waits().len()), (1, 1, 0));
}

#[tokio::test]
async fn unanswered_upload_hits_read_timeout() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let (builder, _) = builder(&server.url);
    let client = builder.read_timeout(Duration::from_millis(300)).build().unwrap();
    let text = "x".repeat(1_000_000);
    let error = client.request(Method::POST, "/tasks/").params(|p| p.json(&text)).await.failure();
    assert!(error.is_unknown_outcome() && error.is_timeout(), "{error:?}");
    assert_eq!((server.count(), server.seen()[0].body.len()), (1, 1_000_002));
}

// ---- a response that arrives before the body is sent

async fn answered_early(act: Act) {
    let server = Server::of([act]).await;
    let (client, clock) = client(&server.url);
    for size in [100, 5_000_000] {
        let text = "x".repeat(size);
        let error = client.request(Method::POST, "/tasks/").params(|p| p.json(&text)).await.failure();
        assert!(error.is_too_large(), "{size}: {error:?}");
        assert_eq!((status_of(&error), error.attempts(), clock.waits().len()), (Some(413), 1, 0));
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn early_refusal_is_reported() {
    answered_early(Act::Early(html(413))).await;
}

#[tokio::test]
async fn early_refusal_and_close_is_reported() {
    answered_early(Act::EarlyClose(html(413))).await;
}
