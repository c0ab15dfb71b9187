//! Serves a list whose first page is the input.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Serves each connection on a separate thread.
pub struct Server {
    address: SocketAddr,
    /// The next response.
    response: Arc<Mutex<Vec<u8>>>,
}

const LAST_PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"results\":[],\"next\":null} ";

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let response = Arc::new(Mutex::new(LAST_PAGE.to_vec()));
        let server = Server { address, response: response.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let response = response.clone();
                std::thread::spawn(move || respond_to_all(stream, &response));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the body of the next response. Later responses are a last page without items.
    pub fn serve(&self, body: &[u8]) {
        let mut response = self.response.lock().unwrap_or_else(PoisonError::into_inner);
        response.clear();
        write!(
            response,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .expect("it can be written");
        response.extend_from_slice(body);
    }
}

fn respond_to_all(mut stream: TcpStream, response: &Mutex<Vec<u8>>) {
    let mut request = vec![0; 64 << 10];
    let mut held = 0;
    let _ = stream.set_nodelay(true);
    while let Ok(read) = stream.read(&mut request[held..])
        && read > 0
    {
        held += read;
        if !request[..held].ends_with(b"\r\n\r\n") {
            continue;
        }
        held = 0;
        let text = std::mem::replace(
            &mut *response.lock().unwrap_or_else(PoisonError::into_inner),
            LAST_PAGE.to_vec(),
        );
        if stream.write_all(&text).is_err() {
            return;
        }
    }
}
