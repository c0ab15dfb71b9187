//! A server of one file. The test decides each response byte by byte, and each has its own connection.

use std::path::Path;

use super::tcp_server::{Act, Seen, Server};

/// Dropping it stops the server.
pub struct FileServer(Server);

impl FileServer {
    /// Sends what `response` returns for each request, counted from 0, and closes the connection.
    pub async fn start(response: impl Fn(usize, &Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        FileServer(Server::with(move |which| Act::Close(response(which.number, which.seen))).await)
    }

    /// Like [`start`](FileServer::start), but the connections stay open and nothing more is sent.
    pub async fn holding(response: impl Fn(usize, &Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        FileServer(Server::with(move |which| Act::Hold(response(which.number, which.seen))).await)
    }

    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen()
    }

    /// Returns the first byte of the range that each request asked for.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.seen().iter().map(Seen::range_start).collect()
    }
}

/// Returns a response with this head (`200 OK`, then headers) and this body, even a partial one.
pub fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let mut response =
        format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", head.replace('\n', "\r\n")).into_bytes();
    response.extend_from_slice(body);
    response
}

/// Returns the requested range of `file`, or the whole, like a server with ranges. At most `up_to` bytes of
/// the body are sent.
pub fn ranged(asked: &Seen, file: &[u8], etag: &str, up_to: usize) -> Vec<u8> {
    let size = file.len();
    let same = asked.header("if-range").is_none_or(|known| known == etag);
    match asked.range_start().filter(|_| same) {
        Some(from) if from >= size => response(
            &format!("416 Range Not Satisfiable\nContent-Range: bytes */{size}\nContent-Length: 0"),
            b"",
        ),
        Some(from) => {
            let head = format!(
                "206 Partial Content\nETag: {etag}\nContent-Range: bytes {from}-{}/{size}\nContent-Length: {}",
                size - 1,
                size - from
            );
            response(&head, &file[from..size.min(from.saturating_add(up_to))])
        }
        None => response(&format!("200 OK\nETag: {etag}\nContent-Length: {size}"), &file[..size.min(up_to)]),
    }
}

/// Returns the rest of `file` from the requested offset, or the whole without its length, with more headers.
/// At most `up_to` bytes of the body are sent.
pub fn labelled(asked: &Seen, file: &[u8], labels: &str, up_to: usize) -> Vec<u8> {
    let (from, size) = (asked.range_start().unwrap_or(0), file.len());
    let head = match asked.range_start() {
        Some(_) => format!("206 Partial Content\nContent-Range: bytes {from}-{}/{size}\n{labels}", size - 1),
        None => format!("200 OK\n{labels}"),
    };
    response(head.trim_end(), &file[from..size.min(from.saturating_add(up_to))])
}

/// Returns pseudo-random bytes.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect()
}

/// Returns the names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
