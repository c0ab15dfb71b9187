//! A proxy that records the requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::tcp_server::{accept, header, listener, read_head};

#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// Forwards each request to this address, whichever host it names.
    Forward(SocketAddr),
    /// Opens a tunnel to this address, whichever host is named.
    Tunnel(SocketAddr),
    /// Sends this response and closes the connection.
    Respond(&'static str),
}

/// Dropping it stops the proxy.
pub struct Proxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn start(does: Does) -> Self {
        let (listener, address) = listener().await;
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let recorded = heads.clone();
        let tasks = accept(listener, move |stream, _| {
            let heads = heads.clone();
            async move { _ = serve(stream, does, &heads).await }
        });
        Proxy { address, heads: recorded, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the proxy's URL with a user and a password.
    pub fn url_for(&self, user_info: &str) -> String {
        format!("http://{user_info}@{}", self.address)
    }

    /// Returns the heads of the requests as received.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, does: Does, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut read = Vec::new();
    let end = read_head(&mut stream, &mut read).await? + 4;
    let mut body = read.split_off(end);
    let head = String::from_utf8(read).unwrap();
    heads.lock().unwrap().push(head.clone());
    match does {
        Does::Respond(response) => stream.write_all(response.as_bytes()).await.ok(),
        Does::Tunnel(to) => {
            let mut server = TcpStream::connect(to).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
            server.write_all(&body).await.ok()?;
            copy_bidirectional(&mut stream, &mut server).await.ok().map(drop)
        }
        Does::Forward(to) => {
            let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            while body.len() < length {
                stream.read_buf(&mut body).await.ok().filter(|length| *length > 0)?;
            }
            let mut server = TcpStream::connect(to).await.unwrap();
            server.write_all(&[forwarded(&head).as_bytes(), &body].concat()).await.ok()?;
            let mut response = Vec::new();
            server.read_to_end(&mut response).await.ok()?;
            stream.write_all(&response).await.ok()
        }
    }
}

/// Returns a head without the absolute URL and the headers for the proxy, on a connection that closes after
/// one request.
fn forwarded(head: &str) -> String {
    let mut lines = head.trim_end().lines();
    let mut first = lines.next().unwrap().splitn(2, "http://");
    let (method, rest) = (first.next().unwrap(), first.next().unwrap_or_default());
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"));
    format!("{method}{path}\r\n{}\r\nConnection: close\r\n\r\n", kept.collect::<Vec<_>>().join("\r\n"))
}
