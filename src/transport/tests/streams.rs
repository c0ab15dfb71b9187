//! Streamed responses.

use std::time::Duration;

use super::server::{Act, Server, html, json, response};
use super::*;
use crate::{ByteStream, ErrorKind};

/// Returns the stream of a response; no operation of the current document returns one.
async fn stream(client: &BackendClient) -> Result<ByteStream> {
    client.get_model(1).fetch(|response| async { Ok(response.stream()) }).await
}

async fn read(mut stream: ByteStream) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(chunk) = stream.next().await {
        read.extend_from_slice(&chunk?);
    }
    Ok(read)
}

#[tokio::test]
async fn stream_gives_body_and_length() {
    let server = Server::of([Act::Keep(html(503)), Act::Keep(response(200, "", vec![b'x'; 300_000]))]).await;
    let (client, clock) = client(&server.url);
    let stream = stream(&client).await.unwrap();
    assert_eq!((stream.content_length(), clock.waits()), (Some(300_000), vec![125]));
    assert!(read(stream).await.unwrap() == vec![b'x'; 300_000]);
}

#[tokio::test]
async fn broken_stream_is_connection_lost() {
    let server = Server::of([Act::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]).await;
    let (client, _) = client(&server.url);
    let error = read(stream(&client).await.unwrap()).await.failure();
    assert_eq!((error.kind(), server.count()), (ErrorKind::ConnectionLost, 1), "{error:?}");
}

#[tokio::test]
async fn stalled_stream_hits_read_timeout() {
    let server = Server::of([Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]).await;
    let (builder, _) = builder(&server.url);
    let client = builder.read_timeout(Duration::from_millis(300)).build().unwrap();
    let error = soon(read(stream(&client).await.unwrap())).await.failure();
    assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Timeout, true), "{error:?}");
    assert!(error.to_string().contains("read time-out"), "{error}");
}

#[tokio::test]
async fn stalled_stream_hits_total_timeout() {
    let server = Server::of([Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]).await;
    let (builder, _) = builder(&server.url);
    let client = builder.timeout(Duration::from_millis(300)).build().unwrap();
    let error = soon(read(stream(&client).await.unwrap())).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("whole request"), "{error:?}");
}

#[tokio::test]
async fn slow_stream_is_waited_for() {
    let server = Server::of([Act::Drip(json(200, MODEL), Duration::from_millis(20))]).await;
    let (builder, _) = builder(&server.url);
    let client = builder.read_timeout(Duration::from_millis(700)).build().unwrap();
    assert_eq!(soon(read(stream(&client).await.unwrap())).await.unwrap(), MODEL.as_bytes());
}

#[tokio::test]
async fn slow_consumer_causes_no_timeout() {
    let server = Server::of([Act::Keep(response(200, "", vec![b'x'; 3_000_000]))]).await;
    let (builder, _) = builder(&server.url);
    let idle = Duration::from_millis(200);
    let client = builder.read_timeout(idle).build().unwrap();
    let mut stream = stream(&client).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    tokio::time::sleep(idle * 2).await;
    assert_eq!(first.len() + soon(read(stream)).await.unwrap().len(), 3_000_000);
}

#[tokio::test]
async fn dropped_stream_stops_transfer() {
    let server = Server::of([Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]).await;
    let (client, _) = client(&server.url);
    drop(stream(&client).await.unwrap());
    server.wait_for_hang_ups(1).await;
}

#[test]
fn stream_without_runtime_is_error() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, mut stream) = runtime.block_on(async {
        let server =
            Server::of([Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec())]).await;
        let stream = stream(&client(&server.url).0).await.unwrap();
        (server, stream)
    });
    let mut next = Box::pin(stream.next());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Some(Err(error))) = next.as_mut().poll(&mut context) else {
        panic!("it waits")
    };
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
    drop(next);
    drop((stream, server));
}
