//! Compares the speed of downloads with curl, on the same server in the same run, and measures CPU time and
//! memory.
//!
//! First downloads many small files at 0 and 20 ms of latency, at the concurrency of `curl --parallel`. The
//! client writes to paths and into a cache. Plain reqwest, which only writes and renames each file, is the
//! minimum. Then downloads one large file. Each measurement is a whole process, timed from start to end,
//! and all write to the same disk. CPU time is the user and system time of the process (`getrusage`).
//! Finally measures the peak memory (VmHWM of the client's own process) for files of two sizes.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin download [files] [KiB] [MiB of the large one] [rounds]
//! ```

#[path = "../child.rs"]
mod child;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use child::{Server, median, peak};
use futures_util::StreamExt as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use synapse_backend_client::{BackendClient, FileCache};
use tempfile::TempDir;

const CONCURRENCY: usize = 16;

/// The client's targets. `reqwest` is the minimum that a program on tokio does.
const TARGETS: [&str; 3] = ["paths", "cache", "reqwest"];

/// The server, and the directory of all files. Small files are kept until the end, because creating files
/// may be slow on a file system that has just removed many.
struct Bench {
    server: Server,
    files: TempDir,
}

impl Bench {
    fn new(latency: &str) -> Self {
        Bench { server: Server::start(&["serve", latency]), files: tempfile::tempdir().unwrap() }
    }

    fn new_directory(&self) -> PathBuf {
        tempfile::tempdir_in(&self.files).unwrap().keep()
    }
}

/// The cost of a process.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    cpu: f64,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", latency] => serve(Duration::from_millis(latency.parse().unwrap())),
        ["client", target, url, directory, files, bytes] => {
            client(target, url, directory, files.parse().unwrap(), bytes)
        }
        ref numbers => compare(numbers),
    }
}

fn compare(arguments: &[&str]) {
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (files, bytes, large, rounds) =
        (number(0, 500), number(1, 200) << 10, number(2, 1024) << 20, number(3, 5));
    for latency in ["0", "20"] {
        let bench = Bench::new(latency);
        report(
            &format!("{files} files of {} KiB at {latency} ms", bytes >> 10),
            &bench,
            &TARGETS,
            files,
            bytes,
            rounds,
        );
    }
    let bench = Bench::new("0");
    report(&format!("one file of {} MiB", large >> 20), &bench, &TARGETS[..1], 1, large, rounds);
    for bytes in [16 << 20, large] {
        println!(
            "peak memory for {:>5} MiB: {:.1} MiB",
            bytes >> 20,
            ours(&bench, "paths", 1, bytes).1 / 1024.0
        );
    }
    for target in TARGETS {
        println!(
            "peak memory for {files} files to {target}: {:.1} MiB",
            ours(&bench, target, files, bytes).1 / 1024.0
        );
    }
}

fn report(what: &str, bench: &Bench, targets: &[&str], files: u64, bytes: u64, rounds: u64) {
    let mut curl = Vec::new();
    let mut clients = vec![Vec::new(); targets.len()];
    for _ in 0..rounds {
        curl.push(curls(bench, files, bytes));
        for (target, costs) in targets.iter().zip(&mut clients) {
            costs.push(ours(bench, target, files, bytes).0);
        }
    }
    let mib = (files * bytes) as f64 / f64::from(1 << 20);
    let of = |costs: &[Cost], value: fn(&Cost) -> f64| median(costs.iter().map(value).collect());
    println!(
        "{what}: curl {:.0} MiB/s, {:.3} s of CPU",
        mib / of(&curl, |cost| cost.seconds),
        of(&curl, |cost| cost.cpu)
    );
    for (target, costs) in targets.iter().zip(&clients) {
        // Compares runs that are adjacent in time, which the machine's noise affects alike.
        let ratio = |value: fn(&Cost) -> f64| {
            median(costs.iter().zip(&curl).map(|(ours, curl)| value(ours) / value(curl)).collect())
        };
        println!(
            "    to {target}: {:.0} MiB/s, {:.3} s of CPU; medians of the rounds: {:.3} of curl's time, {:.3} of its CPU",
            mib / of(costs, |cost| cost.seconds),
            of(costs, |cost| cost.cpu),
            ratio(|cost| cost.seconds),
            ratio(|cost| cost.cpu),
        );
    }
}

/// Runs a command, and returns its cost and its output.
fn run(command: &mut Command) -> (Cost, String) {
    let (before, began) = (children_cpu(), Instant::now());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let cost = Cost { seconds: began.elapsed().as_secs_f64(), cpu: children_cpu() - before };
    assert!(output.status.success());
    (cost, String::from_utf8(output.stdout).unwrap())
}

/// Returns the CPU time of all finished children, in seconds.
fn children_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Runs the client. Also returns its peak memory in KiB.
fn ours(bench: &Bench, target: &str, files: u64, bytes: u64) -> (Cost, f64) {
    let directory = bench.new_directory();
    let path = directory.to_str().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (cost, printed) = run(command.args([
        "client",
        target,
        &bench.server.url,
        path,
        &files.to_string(),
        &bytes.to_string(),
    ]));
    if target == "paths" {
        all_there(&directory, files, bytes);
    }
    remove_large(&directory, files);
    (cost, printed.trim().parse().unwrap())
}

fn curls(bench: &Bench, files: u64, bytes: u64) -> Cost {
    let directory = bench.new_directory();
    let path = |file: u64| directory.join(file.to_string());
    let mut command = Command::new("curl");
    if files > 1 {
        let each =
            |file| format!("url={}/{bytes}/{file}\noutput={}\n", bench.server.url, path(file).display());
        let config = directory.join("config");
        std::fs::write(&config, (0..files).map(each).collect::<String>()).unwrap();
        command
            .args([
                "--parallel",
                "--parallel-immediate",
                "--parallel-max",
                &CONCURRENCY.to_string(),
                "--config",
            ])
            .arg(config);
    } else {
        command.arg(format!("{}/{bytes}/0", bench.server.url)).arg("--output").arg(path(0));
    }
    let (cost, _) = run(command.args(["--silent", "--no-progress-meter"]));
    all_there(&directory, files, bytes);
    remove_large(&directory, files);
    cost
}

fn remove_large(directory: &Path, files: u64) {
    if files == 1 {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn all_there(directory: &Path, files: u64, bytes: u64) {
    for file in 0..files {
        assert_eq!(std::fs::metadata(directory.join(file.to_string())).unwrap().len(), bytes);
    }
}

fn client(target: &str, url: &str, directory: &str, files: u64, bytes: &str) {
    let client = BackendClient::builder(url).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match target {
        "paths" => runtime.block_on(async {
            let files = (0..files).map(|file| (format!("/{bytes}/{file}"), format!("{directory}/{file}")));
            for downloaded in client.download_all(files).concurrency(CONCURRENCY).await.unwrap() {
                downloaded.unwrap();
            }
        }),
        "reqwest" => runtime.block_on(async {
            let client = reqwest::Client::new();
            let download = |file| {
                let (client, path) = (client.clone(), format!("{directory}/{file}"));
                let url = format!("{url}/{bytes}/{file}");
                let download = async move {
                    let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
                    let write = move || {
                        let part = format!("{path}.part");
                        std::fs::write(&part, body).unwrap();
                        std::fs::rename(part, path).unwrap();
                    };
                    tokio::task::spawn_blocking(write).await.unwrap();
                };
                async { tokio::spawn(download).await.unwrap() }
            };
            futures_util::stream::iter(0..files).map(download).buffer_unordered(CONCURRENCY).count().await;
        }),
        _ => {
            let cache = FileCache::open(directory).unwrap();
            let download = |file| {
                let cached = client.download(format!("/{bytes}/{file}")).cached(&cache).send();
                // One task per file, as in `download_all`. Otherwise each chunk of each file wakes this
                // thread.
                async { tokio::spawn(cached).await.unwrap().unwrap() }
            };
            let files_there =
                futures_util::stream::iter(0..files).map(download).buffer_unordered(CONCURRENCY);
            let cached =
                runtime.block_on(files_there.map(|file| assert_eq!(file.bytes().to_string(), bytes)).count());
            assert_eq!((cached as u64, cache.statistics().files), (files, files));
        }
    }
    println!("{}", peak());
}

fn serve(latency: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        std::thread::spawn(move || respond(stream, latency));
    }
}

/// Serves `/{bytes}/{name}` on a persistent connection, from memory that is allocated once.
fn respond(mut stream: TcpStream, latency: Duration) {
    stream.set_nodelay(true).unwrap();
    let block = vec![0x5a_u8; 1 << 20];
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        request.clear();
        let mut left: usize = text.split('/').nth(1).unwrap().parse().unwrap();
        std::thread::sleep(latency);
        let head = format!(
            "HTTP/1.1 200 OK\r\nETag: \"{left}\"\r\nAccept-Ranges: bytes\r\nContent-Length: {left}\r\n\r\n"
        );
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        while left > 0 {
            let length = left.min(block.len());
            if stream.write_all(&block[..length]).is_err() {
                return;
            }
            left -= length;
        }
    }
}
