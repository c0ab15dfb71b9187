//! Requests whose call is dropped or times out while their body is being sent: the rest isn't sent, and the
//! connection closes. The client lives until the end of each test, since dropping it would also close its
//! connections.

use std::time::Duration;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::generated::raw_body::RawBody;

/// More than the sockets of both ends and the connection's own buffer hold.
const BODY: usize = 32 << 20;

/// A server that reads a head, sends something, and stops. On a signal, it reads until the connection ends.
struct Stopped {
    url: String,
    /// The client's port, once the head has arrived.
    head: oneshot::Receiver<u16>,
    read_on: oneshot::Sender<()>,
    /// The number of body bytes received.
    came: JoinHandle<usize>,
}

async fn stopped(says: &'static str) -> Stopped {
    marker::watch();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ((seen, head), (read_on, go)) = (oneshot::channel(), oneshot::channel());
    let came = tokio::spawn(async move {
        let (mut stream, client) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let end = loop {
            let mut chunk = [0; 512];
            let length = stream.read(&mut chunk).await.unwrap();
            read.extend_from_slice(&chunk[..length]);
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        stream.write_all(says.as_bytes()).await.unwrap();
        seen.send(client.port()).unwrap();
        go.await.unwrap();
        read.len() - end + rest(&mut stream).await
    });
    Stopped { url, head, read_on, came }
}

/// Reads until the connection ends in any way.
async fn rest(stream: &mut TcpStream) -> usize {
    let mut chunk = vec![0; 256 << 10];
    let mut came = 0;
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        came += length;
    }
    came
}

/// The head of a response, and a part of its body.
const EARLY: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{";

#[derive(Clone, Copy, Debug)]
enum Sends {
    Memory,
    Form,
    Stream,
    Chunk,
}

impl Sends {
    const ALL: [Sends; 4] = [Sends::Memory, Sends::Form, Sends::Stream, Sends::Chunk];

    async fn send(self, client: BackendClient) -> Result<()> {
        let body = Bytes::from(vec![b'x'; BODY]);
        let body: RawBody = match self {
            Sends::Chunk => {
                return client.create_chunked_upload(body).chunk_size(BODY as u64).await.map(drop);
            }
            Sends::Memory => body.into(),
            Sends::Form => Form::new().part("file", Part::stream(reqwest::Body::from(body))).into(),
            Sends::Stream => {
                let chunks: Vec<_> = body
                    .chunks(1 << 20)
                    .map(|chunk| Ok::<_, std::io::Error>(body.slice_ref(chunk)))
                    .collect();
                reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)).into()
            }
        };
        client.request(Method::POST, "/x/").params(|p| p.body(body)).await.map(drop)
    }
}

#[tokio::test]
async fn dropped_request_stops_sending() {
    for says in ["", EARLY] {
        for sends in Sends::ALL {
            let server = stopped(says).await;
            let (client, _) = client(&server.url);
            let call = tokio::spawn(sends.send(client.clone()));
            soon(server.head).await.unwrap();
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            server.read_on.send(()).unwrap();
            let came = soon(server.came).await.unwrap();
            assert!(came < BODY / 2, "{sends:?} {says:.12}: {came}");
        }
    }
}

#[tokio::test]
async fn timed_out_request_stops_sending() {
    for says in ["", EARLY] {
        for sends in Sends::ALL {
            let server = stopped(says).await;
            let (builder, _) = builder(&server.url);
            let client =
                builder.read_timeout(Duration::from_millis(200)).retry(RetryPolicy::never()).build().unwrap();
            let call = tokio::spawn(sends.send(client.clone()));
            soon(server.head).await.unwrap();
            let error = soon(call).await.unwrap().failure();
            assert!(error.is_timeout(), "{sends:?} {says:.12}: {error:?}");
            server.read_on.send(()).unwrap();
            let came = soon(server.came).await.unwrap();
            assert!(came < BODY / 2, "{sends:?} {says:.12}: {came}");
        }
    }
}

/// A server that refuses a request doesn't want the rest of it.
#[tokio::test]
async fn refused_request_stops_sending() {
    let refused = "HTTP/1.1 413 X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    for sends in Sends::ALL {
        let server = stopped(refused).await;
        let (client, _) = client(&server.url);
        let error = soon(sends.send(client.clone())).await.failure();
        assert!(error.is_too_large(), "{sends:?}: {error:?}");
        server.read_on.send(()).unwrap();
        let came = soon(server.came).await.unwrap();
        assert!(came < BODY / 2, "{sends:?}: {came}");
    }
}

/// A body that waits for its source ends as well, although nothing polls it again.
#[tokio::test]
async fn pending_body_ends_with_its_call() {
    for says in ["", EARLY] {
        let server = stopped(says).await;
        let (client, _) = client(&server.url);
        let body = reqwest::Body::wrap_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
        let call =
            tokio::spawn(client.request(Method::POST, "/x/").params(|p| p.body(RawBody::from(body))).send());
        soon(server.head).await.unwrap();
        server.read_on.send(()).unwrap();
        call.abort();
        assert_eq!(soon(server.came).await.unwrap(), 0);
    }
}

/// A server that responds before it has the whole body may still want the rest.
#[tokio::test]
async fn early_answer_lets_body_finish() {
    let answered = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let server = stopped(answered).await;
    let (client, _) = client(&server.url);
    Sends::Memory.send(client.clone()).await.unwrap();
    server.read_on.send(()).unwrap();
    // Dropping the client closes the connection once the body is sent.
    drop(client);
    assert_eq!(soon(server.came).await.unwrap(), BODY);
}

/// The peer never reads again: the system closes the connection after the read timeout, not after minutes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stalled_connection_is_closed() {
    fn is_held(port: u16) -> bool {
        let local = format!("0100007F:{port:04X}");
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        connections.lines().any(|line| line.split_whitespace().nth(1) == Some(&local))
    }
    for says in ["", EARLY] {
        let server = stopped(says).await;
        let (builder, _) = builder(&server.url);
        let client =
            builder.read_timeout(Duration::from_millis(200)).retry(RetryPolicy::never()).build().unwrap();
        let call = tokio::spawn(Sends::Memory.send(client.clone()));
        let port = soon(server.head).await.unwrap();
        assert!(is_held(port));
        assert!(soon(call).await.unwrap().failure().is_timeout());
        // reqwest's own default is 30 seconds.
        soon(async {
            while is_held(port) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        server.read_on.send(()).unwrap();
        assert!(soon(server.came).await.unwrap() < BODY / 2);
    }
}

/// Over HTTP/2 the request is cancelled, and the connection stays open for other requests.
#[cfg(feature = "http2")]
#[tokio::test]
async fn dropped_http2_request_is_cancelled() {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http_body_util::{BodyExt, Full};
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use crate::support::tcp_server::{accept, listener};

    let (listener, address) = listener().await;
    let ((seen, began), (ended, came)) = (oneshot::channel::<()>(), oneshot::channel());
    let senders = Arc::new(Mutex::new(Some((seen, ended))));
    let _tasks = accept(listener, move |stream, _| {
        let senders = senders.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let senders = senders.lock().unwrap().take();
            async move {
                if let Some((seen, ended)) = senders {
                    seen.send(()).unwrap();
                    let mut body = request.into_body();
                    let mut length = 0;
                    let whole = loop {
                        match body.frame().await {
                            Some(Ok(frame)) => length += frame.into_data().unwrap().len(),
                            Some(Err(_)) => break false,
                            None => break true,
                        }
                    };
                    ended.send((whole, length)).unwrap();
                }
                Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(MODEL))))
            }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        async move { drop(server.serve_connection(TokioIo::new(stream), service).await) }
    });
    let (builder, _) = builder(&format!("http://{address}"));
    let client = builder.http(|| http().http2_prior_knowledge()).build().unwrap();
    // The rest of the body waits for its source.
    let start = futures_util::stream::iter([Ok(Bytes::from(vec![b'x'; 1_000_000]))]);
    let body =
        futures_util::StreamExt::chain(start, futures_util::stream::pending::<std::io::Result<Bytes>>());
    let body = RawBody::from(reqwest::Body::wrap_stream(body));
    let call = tokio::spawn(client.request(Method::POST, "/x/").params(|p| p.body(body)).send());
    soon(began).await.unwrap();
    call.abort();
    let (whole, length) = soon(came).await.unwrap();
    assert!(!whole && length <= 1_000_000, "{length}");
    assert_eq!(soon(client.get_model(1).send()).await.unwrap().name, "n");
}
