//! A server that writes bytes to a bare socket: what it sends, and where it stops, is the test's.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::server::marker;

/// What is done when the bytes are written.
#[derive(Clone, Copy)]
pub enum Then {
    Close,
    /// The connection stays open, and nothing comes.
    Hold,
}

/// Stops when it is dropped.
pub struct SocketServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl SocketServer {
    /// Reads each request whole, writes `answer` and does what comes `then`.
    pub async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        marker::watch();
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let Ok((mut connection, _)) = listener.accept().await else { return };
                if read_request(&mut connection).await.is_none() {
                    continue;
                }
                let _ = connection.write_all(&answer).await;
                match then {
                    Then::Close => drop(connection),
                    Then::Hold => held.push(connection),
                }
            }
        });
        SocketServer { address, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads up to the end of the body; a connection that is closed with bytes unread is reset, not closed.
async fn read_request(connection: &mut TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = connection.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&piece[..length]);
        if let Some(head) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if read.len() >= head + 4 + length {
                return Some(());
            }
        }
    }
}

/// A port that refuses connections: it is bound, so that nobody else takes it, and nobody listens.
pub struct Refusing {
    _socket: TcpSocket,
    pub url: String,
}

pub fn refusing() -> Refusing {
    marker::watch();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    Refusing { _socket: socket, url }
}
