//! A server whose reaction to each request is scripted byte by byte, and which records the requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::soon;
use crate::marker;

/// The reaction to one request.
#[derive(Clone)]
pub(super) enum Act {
    /// Sends the response and keeps the connection open.
    Keep(Vec<u8>),
    /// Sends the response, even a partial one, and closes the connection.
    Close(Vec<u8>),
    /// Like `Close`, with a TCP reset.
    Reset(Vec<u8>),
    /// Sends the response, even a partial one, and then nothing until the client closes the connection.
    Hold(Vec<u8>),
    /// Sends the head at once, and the body byte by byte, with a pause before each byte.
    Drip(Vec<u8>, Duration),
    /// Reads the body in small parts, with a pause before each, and then sends the response.
    ReadSlowly(Vec<u8>),
    /// Reads this many bytes of the body and no more; sends nothing.
    StopReading(usize),
    /// Sends the response as soon as the head has arrived, and discards the body.
    Early(Vec<u8>),
    /// Like `Early`, but closes the connection with the body unread.
    EarlyClose(Vec<u8>),
}

/// A request as received.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// Method and target: `GET /models/1/`.
    pub(super) line: String,
    /// In lower case, one line each.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    /// The number of its connection, from 0.
    pub(super) connection: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Identifies a request: its number, its number on its connection, and its request line.
pub(super) struct Which<'w> {
    pub(super) number: usize,
    pub(super) on_connection: usize,
    pub(super) line: &'w str,
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
pub(super) struct Server {
    pub(super) url: String,
    log: Arc<Log>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server that handles each request according to `script`.
    pub(super) async fn with(script: impl Fn(Which<'_>) -> Act + Send + Sync + 'static) -> Self {
        marker::watch();
        let socket = TcpSocket::new_v4().unwrap();
        // Unread data stays with the client, as on a slow line.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::<Log>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(script), log.clone()));
        Server { url, log, _tasks: tasks }
    }

    /// Starts a server that performs the acts in order, and repeats the last one.
    pub(super) async fn of(acts: impl Into<Vec<Act>>) -> Self {
        let acts = acts.into();
        Server::with(move |which| acts[which.number.min(acts.len() - 1)].clone()).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Returns the number of requests received.
    pub(super) fn count(&self) -> usize {
        *self.log.requests.borrow()
    }

    pub(super) fn connections(&self) -> usize {
        *self.log.connections.borrow()
    }

    pub(super) async fn wait_for_requests(&self, count: usize) {
        soon(self.log.requests.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }

    /// Waits until the client has closed this many connections on which the server sent nothing more.
    pub(super) async fn wait_for_hang_ups(&self, count: usize) {
        soon(self.log.hung_up.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = *log.connections.borrow();
        log.connections.send_replace(number + 1);
        connections.spawn(serve(stream, number, script.clone(), log.clone()));
    }
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
        let head = head.lines().skip(1).collect::<Vec<_>>().join("\n").to_ascii_lowercase();
        let mut seen = Seen { line, head, body, connection };
        let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        let act = {
            let mut all = log.seen.lock().unwrap();
            all.push(seen.clone());
            script(Which { number: all.len() - 1, on_connection, line: &seen.line })
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
        match act {
            Act::Keep(response) | Act::ReadSlowly(response) => {
                if stream.write_all(&response).await.is_err() {
                    return;
                }
            }
            Act::Close(response) | Act::EarlyClose(response) => {
                let _ = stream.write_all(&response).await;
                return;
            }
            Act::Reset(response) => {
                let _ = stream.write_all(&response).await;
                stream.set_zero_linger().unwrap();
                return;
            }
            Act::Early(response) => {
                let _ = stream.write_all(&response).await;
                let _ = stream.shutdown().await;
                return drain(&mut stream).await;
            }
            Act::Hold(response) => {
                let _ = stream.write_all(&response).await;
                drain(&mut stream).await;
                return log.hung_up.send_modify(|count| *count += 1);
            }
            Act::StopReading(_) => std::future::pending().await,
            Act::Drip(mut response, pause) => {
                let end = response.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
                let body = response.split_off(end);
                if stream.write_all(&response).await.is_err() {
                    return;
                }
                for byte in body {
                    tokio::time::sleep(pause).await;
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Reads until `read` contains a head, and returns the head's end. A client that starts TLS gets a 400, as
/// from real servers.
async fn read_head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<usize> {
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

/// Returns a response with its `Content-Length`; `headers` are lines, each with its line break.
pub(super) fn response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut response =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

pub(super) fn json(status: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    response(status, "Content-Type: application/json\r\n", body)
}

pub(super) fn html(status: u16) -> Vec<u8> {
    response(status, "Content-Type: text/html\r\n", "<html><head><title>Oh no</title></head></html>")
}

pub(super) fn redirect(status: u16, location: &str) -> Vec<u8> {
    response(status, &format!("Location: {location}\r\n"), "")
}
