//! A TCP server whose reaction to each request is scripted byte by byte, and which records the requests. Other
//! servers accept connections and read heads by its functions.

#![allow(dead_code, reason = "the library's unit tests use the rest")]

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::marker;
use super::soon::soon;

/// The reaction to one request.
#[derive(Clone)]
pub enum Act {
    /// Sends the response and keeps the connection open.
    Keep(Vec<u8>),
    /// Sends the response, even a partial one, and closes the connection.
    Close(Vec<u8>),
    /// Like `Close`, with a TCP reset.
    Reset(Vec<u8>),
    /// Sends the response, even a partial one, and then waits until the client closes the connection.
    Hold(Vec<u8>),
    /// Sends the head at once, and the body byte by byte, with a pause before each byte.
    Drip(Vec<u8>, Duration),
    /// Reads the body in small parts, with a pause before each, and then sends the response.
    ReadSlowly(Vec<u8>),
    /// Reads only this many bytes of the body, and sends no response.
    StopReading(usize),
    /// Sends the response as soon as the head has arrived, and discards the body.
    Early(Vec<u8>),
    /// Like `Early`, but closes the connection with the body unread.
    EarlyClose(Vec<u8>),
    /// Sends these bytes, and then performs the act that `Next` decides on.
    Sequence(Vec<u8>, Next),
}

/// Decides on an act, once the whole request has arrived.
#[derive(Clone)]
pub struct Next(Arc<Decision>);

type Decision = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Act> + Send>> + Send + Sync;

/// Sends `response`, and then performs the act that `next` decides on.
pub fn then<F>(response: impl Into<Vec<u8>>, next: impl Fn(Seen) -> F + Send + Sync + 'static) -> Act
where
    F: Future<Output = Act> + Send + 'static,
{
    Act::Sequence(response.into(), Next(Arc::new(move |seen| Box::pin(next(seen)))))
}

/// A request as received.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Method and target: `GET /models/1/`.
    pub line: String,
    /// The headers, one line each.
    pub head: String,
    pub body: Vec<u8>,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Returns the first byte of the requested range.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// Returns a header's value.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Identifies a request: its number, its number on its connection, and its request line.
pub struct Which<'w> {
    pub number: usize,
    pub on_connection: usize,
    pub line: &'w str,
    /// The head of the request, which is all that has arrived so far.
    pub seen: &'w Seen,
}

type Script = dyn Fn(Which<'_>) -> Act + Send + Sync;

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    /// The numbers of complete requests, of accepted connections, and of connections that the client closed.
    requests: watch::Sender<usize>,
    connections: watch::Sender<usize>,
    hung_up: watch::Sender<usize>,
}

/// Dropping it stops the server and closes its connections.
pub struct Server {
    pub url: String,
    log: Arc<Log>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server that handles each request according to `script`.
    pub async fn with(script: impl Fn(Which<'_>) -> Act + Send + Sync + 'static) -> Self {
        marker::watch();
        let socket = TcpSocket::new_v4().unwrap();
        // Unread data stays with the client, as on a slow line.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::<Log>::default();
        let (recorded, script) = (log.clone(), Arc::new(script));
        let tasks = accept(listener, move |stream, number| {
            log.connections.send_replace(number + 1);
            serve(stream, number, script.clone(), log.clone())
        });
        Server { url, log: recorded, _tasks: tasks }
    }

    /// Starts a server that performs the acts in order, and repeats the last one.
    pub async fn of(acts: impl Into<Vec<Act>>) -> Self {
        let acts = acts.into();
        Server::with(move |which| acts[which.number.min(acts.len() - 1)].clone()).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Returns the number of requests received.
    pub fn count(&self) -> usize {
        *self.log.requests.borrow()
    }

    pub fn connections(&self) -> usize {
        *self.log.connections.borrow()
    }

    pub async fn wait_for_requests(&self, count: usize) {
        soon(self.log.requests.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }

    /// Waits until the client has closed this many connections on which the server sent nothing more.
    pub async fn wait_for_hang_ups(&self, count: usize) {
        soon(self.log.hung_up.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }
}

/// Returns a listener on a free port, and its address.
pub async fn listener() -> (TcpListener, SocketAddr) {
    marker::watch();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves each connection, counted from 0, in its own task. Dropping the returned set ends them all.
pub fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> JoinSet<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            connections.spawn(serve(stream, number));
        }
    });
    tasks
}

/// Returns a port that refuses connections, and its URL. The port is bound, so nobody else uses it, but
/// nothing listens on it.
pub fn refusing() -> (TcpSocket, String) {
    marker::watch();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// Serves a connection until it is closed.
async fn serve(mut stream: TcpStream, connection: usize, script: Arc<Script>, log: Arc<Log>) {
    let mut read = Vec::new();
    let mut on_connection = 0;
    loop {
        let Some(end) = read_head(&mut stream, &mut read).await else { return };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let body = read.split_off(end + 4);
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let head = head.lines().skip(1).collect::<Vec<_>>().join("\n");
        let mut seen = Seen { line, head, body, connection };
        let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        let act = {
            let mut all = log.seen.lock().unwrap();
            all.push(seen.clone());
            script(Which { number: all.len() - 1, on_connection, line: &seen.line, seen: &seen })
        };
        let number = log.seen.lock().unwrap().len() - 1;
        let wanted = match act {
            Act::Early(_) | Act::EarlyClose(_) => 0,
            Act::StopReading(bytes) => bytes,
            _ => length,
        };
        while seen.body.len() < wanted {
            if let Act::ReadSlowly(_) = act {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let mut chunk = [0; 16 << 10];
            let Some(length) = stream.read(&mut chunk).await.ok().filter(|length| *length > 0) else {
                return;
            };
            seen.body.extend_from_slice(&chunk[..length]);
        }
        log.seen.lock().unwrap()[number].body.clone_from(&seen.body);
        log.requests.send_modify(|count| *count += 1);
        on_connection += 1;
        read = seen.body.split_off(length.min(seen.body.len()));
        if !respond(&mut stream, act, &seen, &log).await {
            return;
        }
    }
}

/// Performs `act`. Returns whether the connection stays open.
async fn respond(stream: &mut TcpStream, mut act: Act, seen: &Seen, log: &Log) -> bool {
    while let Act::Sequence(response, Next(next)) = &act {
        if stream.write_all(response).await.is_err() {
            return false;
        }
        act = next(seen.clone()).await;
    }
    match act {
        Act::Keep(response) | Act::ReadSlowly(response) => return stream.write_all(&response).await.is_ok(),
        Act::Close(response) | Act::EarlyClose(response) => drop(stream.write_all(&response).await),
        Act::Reset(response) => {
            let _ = stream.write_all(&response).await;
            stream.set_zero_linger().unwrap();
        }
        Act::Early(response) => {
            let _ = stream.write_all(&response).await;
            let _ = stream.shutdown().await;
            drain(stream).await;
        }
        Act::Hold(response) => {
            let _ = stream.write_all(&response).await;
            drain(stream).await;
            log.hung_up.send_modify(|count| *count += 1);
        }
        Act::StopReading(_) => std::future::pending().await,
        Act::Drip(mut response, pause) => {
            let end = response.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
            let body = response.split_off(end);
            if stream.write_all(&response).await.is_err() {
                return false;
            }
            for byte in body {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            return true;
        }
        Act::Sequence(..) => unreachable!("performed above"),
    }
    false
}

/// Reads until `read` contains a head, and returns the head's end. A client that starts TLS gets a 400, as
/// from real servers.
pub async fn read_head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<usize> {
    const HANDSHAKE: u8 = 0x16;
    loop {
        if read.first() == Some(&HANDSHAKE) {
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                .await;
            return None;
        }
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(end);
        }
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&chunk[..length]);
    }
}

/// Reads until the client closes the connection.
async fn drain(stream: &mut TcpStream) {
    let mut chunk = [0; 16 << 10];
    while stream.read(&mut chunk).await.is_ok_and(|length| length > 0) {}
}

/// Returns a response with its `Content-Length`. `headers` are lines, each with its line break.
pub fn response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut response =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

pub fn json(status: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    response(status, "Content-Type: application/json\r\n", body)
}

pub fn html(status: u16) -> Vec<u8> {
    response(status, "Content-Type: text/html\r\n", "<html><head><title>Oh no</title></head></html>")
}

pub fn redirect(status: u16, location: &str) -> Vec<u8> {
    response(status, &format!("Location: {location}\r\n"), "")
}
