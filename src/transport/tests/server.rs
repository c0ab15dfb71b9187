//! A server that does to each request what a test tells it to, byte by byte, and keeps what it saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::soon;
use crate::marker;

/// What is done with one request.
#[derive(Clone)]
pub(super) enum Act {
    /// Answered, and the connection kept.
    Keep(Vec<u8>),
    /// Answered, as far as it goes, and the connection closed.
    Close(Vec<u8>),
    /// As `Close`, by a TCP reset.
    Reset(Vec<u8>),
    /// As far as it goes; then nothing more comes, until the client hangs up.
    Hold(Vec<u8>),
    /// The head at once, and the body byte by byte, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// The body is read in small pieces, with a pause before each; then it is answered.
    ReadSlowly(Vec<u8>),
    /// So much of the body is read, and no more; nothing is answered, until the client hangs up.
    StopReading(usize),
    /// Answered as soon as the head is there. What comes of the body is thrown away.
    Early(Vec<u8>),
    /// As `Early`, and closed with the body unread.
    EarlyClose(Vec<u8>),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// Method and target: `GET /models/1/`.
    pub(super) line: String,
    /// In lower case, a line each.
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

/// Which request it is: its number, its number on its connection, and its line.
pub(super) struct Which<'w> {
    pub(super) number: usize,
    pub(super) on_connection: usize,
    pub(super) line: &'w str,
}

type Script = dyn Fn(Which<'_>) -> Act + Send + Sync;

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    /// Requests that came whole, connections that were accepted, and those that the client closed.
    requests: watch::Sender<usize>,
    connections: watch::Sender<usize>,
    hung_up: watch::Sender<usize>,
}

/// Stops when it is dropped, and all its connections with it.
pub(super) struct Server {
    pub(super) url: String,
    log: Arc<Log>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Does `script` to each request.
    pub(super) async fn with(script: impl Fn(Which<'_>) -> Act + Send + Sync + 'static) -> Self {
        marker::watch();
        let socket = TcpSocket::new_v4().unwrap();
        // What isn't read yet stays with the client, as on a slow line.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::<Log>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(script), log.clone()));
        Server { url, log, _tasks: tasks }
    }

    /// Does the acts in turn, and the last one from then on.
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

    /// How many requests came.
    pub(super) fn count(&self) -> usize {
        *self.log.requests.borrow()
    }

    pub(super) fn connections(&self) -> usize {
        *self.log.connections.borrow()
    }

    pub(super) async fn wait_for_requests(&self, count: usize) {
        soon(self.log.requests.subscribe().wait_for(|now| *now >= count)).await.unwrap();
    }

    /// Waits until the client has closed so many connections on which it was kept waiting.
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

/// Reads until `read` holds a head, and tells where that ends. A client that speaks TLS is told off, as
/// servers do.
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

/// Reads until the client hangs up.
async fn drain(stream: &mut TcpStream) {
    let mut chunk = [0; 16 << 10];
    while stream.read(&mut chunk).await.is_ok_and(|length| length > 0) {}
}

/// An answer with its `Content-Length`; `headers` are lines, each with its end.
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
