//! Measures the speed of `list_all`, its cost per item, and its memory.
//!
//! The embedded backend serves ground-truth events from a separate process. The same run compares
//! `list_all` with three alternatives, at 0 and at 20 milliseconds of server latency:
//!
//! - (a) a plain sequential loop on bare reqwest that decodes the same pages to the same type
//! - (b) bare reqwest that fetches the same pages at the same concurrency, without decoding
//! - decoding alone, of pages in memory
//!
//! It also compares the CPU seconds of the client's process with the sum of the latter two, which do the same work.
//!
//! Finally measures the peak memory (VmHWM of a separate process) for lists of several lengths.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin list_all [events] [rounds] [latency]
//! ```
//! With `VALGRIND=typed`, `own` or `raw` it only reads such a list, so that `valgrind --tool=callgrind`
//! counts its instructions. `VALGRIND=none` does the same without the list.

#[path = "../child.rs"]
mod child;

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use child::{Server, median, peak};
use futures_util::{StreamExt, TryStreamExt, stream};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use synapse_backend_client::types::GroundTruthEvent;
use synapse_backend_client::{BackendClient, reqwest};
use synapse_test_backend::Backend;

const PATH: &str = "/sdk/ground_truth_events/";
const TOKEN: &str = "bench";
/// Events per page.
const PAGE: u64 = 100;

/// A user's own type with a few fields of an event.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Own {
    id: i64,
    data_type: Option<String>,
    created_at: String,
}

#[derive(Deserialize)]
struct Page<T> {
    results: Vec<T>,
    #[allow(dead_code)]
    count: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum As {
    Typed,
    Own,
    Raw,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    match arguments.first().map(String::as_str) {
        Some("serve") => return serve(number(1, 0), number(2, 0)),
        Some("memory") => return memory(&arguments[1], &arguments[2]),
        _ => {}
    }
    let (events, rounds) = (number(0, 100_000), number(1, 5));
    let runtime = runtime();
    if let Ok(only) = std::env::var("VALGRIND") {
        let server = Server::start(&["serve", &events.to_string(), "0"]);
        let what = match only.as_str() {
            "typed" => As::Typed,
            "own" => As::Own,
            "raw" => As::Raw,
            _ => return,
        };
        return runtime.block_on(list_all(&server.url, what, 1));
    }
    println!("{events} events, {PAGE} per page, thousands of items per second, medians of {rounds} rounds");
    let only = arguments.get(2).and_then(|text| text.parse::<u64>().ok());
    for latency in [0, 20].into_iter().filter(|latency| only.is_none_or(|only| only == *latency)) {
        let server = Server::start(&["serve", &events.to_string(), &latency.to_string()]);
        let pages = runtime.block_on(fetch(&server.url, events, 8));
        for what in [As::Typed, As::Own, As::Raw] {
            for concurrency in [1, 4, 8] {
                compare(&runtime, &server.url, &pages, what, concurrency, events, rounds, latency);
            }
        }
    }
    if only.is_some() {
        return;
    }
    for what in ["typed", "raw"] {
        for events in [1_000, 100_000, 1_000_000] {
            let server = Server::start(&["serve", &events.to_string(), "0"]);
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["memory", what, &server.url])
                .output()
                .unwrap();
            print!("peak memory, {what}, {events} events: {}", String::from_utf8(output.stdout).unwrap());
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn compare(
    runtime: &tokio::runtime::Runtime,
    url: &str,
    pages: &[Bytes],
    what: As,
    concurrency: usize,
    events: u64,
    rounds: u64,
    latency: u64,
) {
    let name = match what {
        As::Typed => "typed",
        As::Own => "own type",
        As::Raw => "raw",
    };
    let mut times = [const { Vec::new() }; 4];
    let mut cpu = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        let mut measure = |kind: usize, work: &mut dyn FnMut()| {
            let (began, before) = (Instant::now(), cpu_seconds());
            work();
            times[kind].push(began.elapsed());
            cpu[kind].push(cpu_seconds() - before);
        };
        measure(0, &mut || runtime.block_on(list_all(url, what, concurrency)));
        measure(1, &mut || runtime.block_on(sequential(url, what, events)));
        measure(2, &mut || drop(runtime.block_on(fetch(url, events, concurrency))));
        measure(3, &mut || decode_all(pages, what));
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort();
        events as f64 / times[times.len() / 2].as_secs_f64() / 1e3
    };
    let [client, a, b, decoding] = times.each_mut().map(rate);
    let slower = if latency == 0 { b.min(decoding) } else { b };
    println!(
        "{latency:>3} ms  {name:<9} x{concurrency}  list_all {client:>6.1}   (a) loop {a:>6.1}   (b) fetched {b:>6.1}   \
         decoded {decoding:>6.1}   relative to the slower {:.3}",
        client / slower
    );
    let [client, _, fetched, decoded] = cpu.map(median);
    println!(
        "        CPU seconds: list_all {client:.2}, fetched {fetched:.2}, decoded {decoded:.2}, relative to their sum {:.2}",
        client / (fetched + decoded)
    );
}

/// Returns the CPU seconds of this process.
fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn list_all(url: &str, what: As, concurrency: usize) {
    let client = BackendClient::builder(url).access_token(TOKEN).build().unwrap();
    let list = client.list_ground_truth_events().params(|p| p.page_size(PAGE as i64));
    match what {
        As::Typed => {
            let mut list = list.list_all().concurrency(concurrency).stream();
            while let Some(event) = list.next().await {
                std::hint::black_box(event.unwrap());
            }
        }
        As::Own => {
            let mut list = list.list_all_as::<Own>().concurrency(concurrency).stream();
            while let Some(event) = list.next().await {
                std::hint::black_box(event.unwrap());
            }
        }
        As::Raw => {
            let mut list = list.list_all_raw().concurrency(concurrency).stream();
            while let Some(event) = list.next().await {
                std::hint::black_box(event.unwrap());
            }
        }
    }
}

fn urls(url: &str, events: u64) -> Vec<String> {
    (1..=events.div_ceil(PAGE)).map(|page| format!("{url}{PATH}?page_size={PAGE}&page={page}")).collect()
}

async fn get(client: &reqwest::Client, url: String) -> reqwest::Result<Bytes> {
    client
        .get(url)
        .header("Synapse-Access-Token", format!("Token {TOKEN}"))
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await
}

async fn sequential(url: &str, what: As, events: u64) {
    let client = reqwest::Client::new();
    for url in urls(url, events) {
        let page = get(&client, url).await.unwrap();
        match what {
            As::Typed => decode::<GroundTruthEvent>(&page),
            As::Own => decode::<Own>(&page),
            As::Raw => decode::<Box<RawValue>>(&page),
        }
    }
}

async fn fetch(url: &str, events: u64, concurrency: usize) -> Vec<Bytes> {
    let client = reqwest::Client::new();
    let pages = stream::iter(urls(url, events)).map(|url| {
        tokio::spawn({
            let client = client.clone();
            async move { get(&client, url).await.unwrap() }
        })
    });
    pages.buffered(concurrency).try_collect().await.unwrap()
}

fn decode<T: DeserializeOwned>(page: &[u8]) {
    for item in serde_json::from_slice::<Page<T>>(page).unwrap().results {
        std::hint::black_box(item);
    }
}

fn decode_all(pages: &[Bytes], what: As) {
    for page in pages {
        match what {
            As::Typed => decode::<GroundTruthEvent>(page),
            As::Own => decode::<Own>(page),
            As::Raw => decode::<Box<RawValue>>(page),
        }
    }
}

/// Reads a list with default settings and prints the peak memory.
fn memory(what: &str, url: &str) {
    let client = BackendClient::builder(url).access_token(TOKEN).build().unwrap();
    runtime().block_on(async {
        let list = client.list_ground_truth_events();
        if what == "raw" {
            let mut list = list.list_all_raw().stream();
            while let Some(event) = list.next().await {
                std::hint::black_box(event.unwrap());
            }
        } else {
            let mut list = list.list_all().stream();
            while let Some(event) = list.next().await {
                std::hint::black_box(event.unwrap());
            }
        }
    });
    println!("{:.1} MiB", peak() as f64 / 1024.0);
}

fn serve(events: u64, latency: u64) {
    runtime().block_on(async {
        let backend = Backend::builder().ground_truth_events(events).token(TOKEN).record_requests(false);
        let backend = backend.latency(Duration::from_millis(latency)).start().await.unwrap();
        println!("{}", backend.url());
        // Until the process that started this one ends.
        let _ = std::io::stdin().read(&mut [0]);
    });
}
