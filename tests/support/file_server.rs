//! A server of one file whose every answer is the test's, byte by byte, each on a connection of its own.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::server::marker;

/// What the server was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /x`
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Where the range that was asked for begins.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// Stops when it is dropped.
pub struct FileServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl FileServer {
    /// Writes what `answer` gives for each request, counted from 0, and closes the connection.
    pub async fn start(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serve(answer, false).await
    }

    /// As [`start`](FileServer::start), but connections stay open, and nothing more comes.
    pub async fn holding(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serve(answer, true).await
    }

    async fn serve(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static, holds: bool) -> Self {
        marker::watch();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match connection.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let Some(request) = parse(&head) else { continue };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let answer = answer(number, &request);
                let _ = connection.write_all(&answer).await;
                match holds {
                    true => held.push(connection),
                    false => drop(connection.shutdown().await),
                }
            }
        });
        FileServer { address, asked, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn parse(head: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Asked { line, headers: headers.collect() })
}

/// An answer with this head (`200 OK`, then headers) and as much of a body as there is.
pub fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", head.replace('\n', "\r\n")).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// The whole of `file`, or the range that was asked for, as a server with ranges gives it; `up_to` bytes of
/// it at most.
pub fn ranged(asked: &Asked, file: &[u8], etag: &str, up_to: usize) -> Vec<u8> {
    let size = file.len();
    let same = asked.header("if-range").is_none_or(|known| known == etag);
    match asked.from().filter(|_| same) {
        Some(from) if from >= size => answer(
            &format!("416 Range Not Satisfiable\nContent-Range: bytes */{size}\nContent-Length: 0"),
            b"",
        ),
        Some(from) => {
            let head = format!(
                "206 Partial Content\nETag: {etag}\nContent-Range: bytes {from}-{}/{size}\nContent-Length: {}",
                size - 1,
                size - from
            );
            answer(&head, &file[from..size.min(from.saturating_add(up_to))])
        }
        None => answer(&format!("200 OK\nETag: {etag}\nContent-Length: {size}"), &file[..size.min(up_to)]),
    }
}

/// The rest of `file` from what was asked for, or the whole, with more headers; `up_to` bytes of it at most.
/// The whole comes without its length.
pub fn labelled(asked: &Asked, file: &[u8], labels: &str, up_to: usize) -> Vec<u8> {
    let (from, size) = (asked.from().unwrap_or(0), file.len());
    let head = match asked.from() {
        Some(_) => format!("206 Partial Content\nContent-Range: bytes {from}-{}/{size}\n{labels}", size - 1),
        None => format!("200 OK\n{labels}"),
    };
    answer(head.trim_end(), &file[from..size.min(from.saturating_add(up_to))])
}

/// Bytes that differ from place to place.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect()
}
