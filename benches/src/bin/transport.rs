//! What the transport costs on a plain GET, beside bare reqwest that decodes the same body to the same type.
//!
//! Both run in turns in one process, on one connection each, against a server in a process of its own; told are the
//! medians of the rounds and their ratio, the allocations and bytes allocated a request, for bodies of several sizes.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin transport [requests a round] [rounds]
//! ```
//! With `VALGRIND=client` or `VALGRIND=bare` it only runs one of them, so that
//! `valgrind --tool=callgrind` counts its instructions: the difference of two runs with different numbers of requests.

use std::alloc::System;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use synapse_backend_client::types::Model;
use synapse_backend_client::{BackendClient, reqwest};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of free-form metrics in the model that is asked for.
const SIZES: [usize; 3] = [0, 10_000, 1_000_000];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let number = |index: usize, default: usize| std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (requests, rounds) = (number(1, 2_000), number(2, 15));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Ok(only) = std::env::var("VALGRIND") {
        let server = Server::start(0);
        let task = if only == "client" { Task::client(&server) } else { Task::bare(&server) };
        return runtime.block_on(task.run(requests));
    }
    println!("{:>9}  {:>12} {:>12} {:>7}   {:>18} {:>24}", "body", "bare", "client", "ratio", "allocations", "bytes allocated");
    for size in SIZES {
        let server = Server::start(size);
        let (bare, client) = (Task::bare(&server), Task::client(&server));
        let count = if size > 100_000 { requests / 10 } else { requests }.max(1);
        let (mut bare_times, mut client_times) = (Vec::new(), Vec::new());
        let (mut bare_memory, mut client_memory) = ((0, 0), (0, 0));
        for _ in 0..rounds {
            for (task, times, memory) in
                [(&bare, &mut bare_times, &mut bare_memory), (&client, &mut client_times, &mut client_memory)]
            {
                runtime.block_on(task.run(10));
                let region = Region::new(ALLOCATOR);
                let began = Instant::now();
                runtime.block_on(task.run(count));
                times.push(began.elapsed() / u32::try_from(count).unwrap());
                let change = region.change();
                *memory = ((change.allocations + change.reallocations) / count, change.bytes_allocated / count);
            }
        }
        let (bare_time, client_time) = (median(bare_times), median(client_times));
        println!(
            "{size:>9}  {bare_time:>12.1?} {client_time:>12.1?} {:>7.3}   {:>8} {:>8} {:>4.2} {:>11} {:>11}",
            client_time.as_secs_f64() / bare_time.as_secs_f64(),
            bare_memory.0,
            client_memory.0,
            client_memory.0 as f64 / bare_memory.0 as f64,
            bare_memory.1,
            client_memory.1,
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

enum Task {
    Bare(reqwest::Client, String),
    Client(BackendClient),
}

impl Task {
    fn bare(server: &Server) -> Self {
        Task::Bare(reqwest::Client::new(), format!("{}/models/1/", server.url))
    }

    fn client(server: &Server) -> Self {
        Task::Client(BackendClient::builder(&server.url).access_token("token").build().unwrap())
    }

    async fn run(&self, requests: usize) {
        for _ in 0..requests {
            match self {
                Task::Bare(client, url) => {
                    let request = client.get(url).header("accept", "application/json").header("synapse-access-token", "Token token");
                    let body = request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
                    let model: Model = serde_json::from_slice(&body).unwrap();
                    assert_eq!(model.id, 1);
                }
                Task::Client(client) => assert_eq!(client.get_model(1).await.unwrap().id, 1),
            }
        }
    }
}

/// This program once more, serving one model over and over.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(size: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Server { child, url: line.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() {
    let size: usize = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or_default();
    let model = format!(
        r#"{{"id": 1, "name": "Object Detection Model v2", "description": null, "model_type": "detection", "file": "https://files.example/1.pt?sig=1", "metrics": {{"pad": "{}"}}, "project": 123, "is_active": true, "created_at": "2026-01-01T00:00:00Z"}}"#,
        "x".repeat(size)
    );
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{model}", model.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let (mut stream, answer) = (stream.unwrap(), answer.clone());
        std::thread::spawn(move || {
            let mut request = vec![0; 64 << 10];
            let mut held = 0;
            stream.set_nodelay(true).unwrap();
            while let Ok(read) = stream.read(&mut request[held..])
                && read > 0
            {
                held += read;
                if request[..held].ends_with(b"\r\n\r\n") {
                    held = 0;
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            }
        });
    }
}
