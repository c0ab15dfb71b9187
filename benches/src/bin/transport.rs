//! Compares the transport's cost of a plain GET with bare reqwest that decodes the same body to the same
//! type.
//!
//! Both run alternately in one process, on one connection each, against a server in a separate process. For
//! bodies of several sizes, it prints medians over many short rounds:
//!
//! - the time of a request, from its start to the end of its response, including server and kernel
//! - the time that its thread was on a core
//! - the difference between adjacent rounds, which the machine's noise affects least
//! - the allocations and allocated bytes per request
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin transport [requests a round] [rounds]
//! ```
//! With `VALGRIND=client` or `VALGRIND=bare` it runs only one of them, so that `valgrind --tool=callgrind`
//! counts its instructions. Use the difference of two runs with different numbers of requests.

#[path = "../child.rs"]
mod child;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Instant;

use child::{Server, median};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use synapse_backend_client::types::Model;
use synapse_backend_client::{BackendClient, reqwest};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of free-form metrics in the requested model.
const SIZES: [usize; 3] = [0, 10_000, 1_000_000];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let number = |index: usize, default: usize| {
        std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (requests, rounds) = (number(1, 100), number(2, 200));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Ok(only) = std::env::var("VALGRIND") {
        let server = Server::start(&["serve", "0"]);
        let task = if only == "client" { Task::client(&server) } else { Task::bare(&server) };
        return runtime.block_on(task.run(requests));
    }
    println!(
        "{:>8}  {:>10} {:>10} {:>10}  {:>10} {:>10} {:>10}  {:>17} {:>19}",
        "body", "bare", "client", "more", "on a core", "client", "more", "allocations", "bytes allocated"
    );
    for size in SIZES {
        let server = Server::start(&["serve", &size.to_string()]);
        let tasks = [Task::bare(&server), Task::client(&server)];
        let count = if size > 100_000 { requests / 10 } else { requests }.max(1);
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (task, costs) in tasks.iter().zip(&mut costs) {
                costs.push(Cost::of(&runtime, task, count));
            }
        }
        let medians = |part: fn(&Cost) -> f64| {
            let [bare, client] = costs.each_ref().map(|costs| costs.iter().map(part).collect::<Vec<_>>());
            let more = bare.iter().zip(&client).map(|(bare, client)| client - bare).collect();
            [median(bare), median(client), median(more)]
        };
        let shown = |times: [f64; 3]| times.map(|time| format!("{:>10.1}", time / 1e3)).join(" ");
        let [bare, client, _] = medians(|cost| cost.allocations);
        println!(
            "{size:>8}  {}  {}  {bare:>5} {client:>5} {:>5.2} {:>9.0} {:>9.0}",
            shown(medians(|cost| cost.time)),
            shown(medians(|cost| cost.on_core)),
            client / bare,
            medians(|cost| cost.bytes)[0],
            medians(|cost| cost.bytes)[1],
        );
    }
    println!("times in microseconds per request");
}

/// The cost of a request in a round; times in nanoseconds.
struct Cost {
    time: f64,
    on_core: f64,
    allocations: f64,
    bytes: f64,
}

impl Cost {
    fn of(runtime: &tokio::runtime::Runtime, task: &Task, count: usize) -> Self {
        runtime.block_on(task.run(2));
        let (region, began, on_core) = (Region::new(ALLOCATOR), Instant::now(), on_core());
        runtime.block_on(task.run(count));
        let (time, on_core, change) = (began.elapsed(), self::on_core() - on_core, region.change());
        let each = |whole: f64| whole / count as f64;
        Cost {
            time: each(time.as_nanos() as f64),
            on_core: each(on_core),
            allocations: each((change.allocations + change.reallocations) as f64).round(),
            bytes: each(change.bytes_allocated as f64),
        }
    }
}

/// Returns how long this thread has been on a core, in nanoseconds.
fn on_core() -> f64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    statistics.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or_default()
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
                    let request = client
                        .get(url)
                        .header("accept", "application/json")
                        .header("synapse-access-token", "Token token");
                    let body =
                        request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
                    let model: Model = serde_json::from_slice(&body).unwrap();
                    assert_eq!(model.id, 1);
                }
                Task::Client(client) => assert_eq!(client.get_model(1).await.unwrap().id, 1),
            }
        }
    }
}

fn serve() {
    let size: usize = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or_default();
    let model = format!(
        r#"{{"id": 1, "name": "Object Detection Model v2", "description": null, "model_type": "detection", "file": "https://files.example/1.pt?sig=1", "metrics": {{"pad": "{}"}}, "project": 123, "is_active": true, "created_at": "2026-01-01T00:00:00Z"}}"#,
        "x".repeat(size)
    );
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{model}",
        model.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let (mut stream, response) = (stream.unwrap(), response.clone());
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
                    if stream.write_all(response.as_bytes()).is_err() {
                        return;
                    }
                }
            }
        });
    }
}
