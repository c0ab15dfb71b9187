//! How fast downloads are, beside curl on the same server in the same run, and what memory they take.
//!
//! Many small files at 0 and 20 ms of latency, at the same concurrency as `curl --parallel`, and one large one beside `curl`.
//! Both are whole processes, timed from start to end; both write to the same disk. Then the peak memory (VmHWM of the client's
//! own process) for files of two sizes.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin download [files] [KiB] [MiB of the large one] [rounds]
//! ```

#[path = "../child.rs"]
mod child;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use child::{Server, median, peak};
use synapse_backend_client::BackendClient;

const CONCURRENCY: usize = 8;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", latency] => serve(Duration::from_millis(latency.parse().unwrap())),
        ["client", url, directory, files, bytes] => client(url, directory, files.parse().unwrap(), bytes),
        ref numbers => compare(numbers),
    }
}

fn compare(arguments: &[&str]) {
    let number = |index: usize, default: u64| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (files, bytes, large, rounds) = (number(0, 500), number(1, 200) << 10, number(2, 1024) << 20, number(3, 5));
    for latency in ["0", "20"] {
        let server = Server::start(&["serve", latency]);
        told(&format!("{files} files of {} KiB at {latency} ms", bytes >> 10), &server, files, bytes, rounds);
    }
    let server = Server::start(&["serve", "0"]);
    told(&format!("one file of {} MiB", large >> 20), &server, 1, large, rounds);
    for bytes in [16 << 20, large] {
        println!("peak memory for {:>5} MiB: {:.1} MiB", bytes >> 20, ours(&server, 1, bytes).1 / 1024.0);
    }
    println!("peak memory for {files} files: {:.1} MiB", ours(&server, files, number(1, 200) << 10).1 / 1024.0);
}

fn told(what: &str, server: &Server, files: u64, bytes: u64, rounds: u64) {
    let (mut client, mut curl) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        client.push(ours(server, files, bytes).0);
        curl.push(curls(server, files, bytes));
    }
    // Neighbours in time, which the noise of the machine touches alike.
    let ratio = median(client.iter().zip(&curl).map(|(client, curl)| curl / client).collect());
    let mib = (files * bytes) as f64 / f64::from(1 << 20);
    let (client, curl) = (median(client), median(curl));
    println!(
        "{what}: {:.0} MiB/s, curl {:.0} MiB/s; of curl's speed, median of the rounds: {ratio:.3}",
        mib / client,
        mib / curl
    );
}

/// Seconds, and the peak memory in KiB.
fn ours(server: &Server, files: u64, bytes: u64) -> (f64, f64) {
    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["client", &server.url, directory.path().to_str().unwrap(), &files.to_string(), &bytes.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(output.status.success());
    all_there(directory.path(), files, bytes);
    (seconds, String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
}

fn curls(server: &Server, files: u64, bytes: u64) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let path = |file: u64| directory.path().join(file.to_string());
    let began = Instant::now();
    let mut command = Command::new("curl");
    if files > 1 {
        let each = |file| format!("url={}/{bytes}/{file}\noutput={}\n", server.url, path(file).display());
        let config = directory.path().join("config");
        std::fs::write(&config, (0..files).map(each).collect::<String>()).unwrap();
        command.args(["--parallel", "--parallel-immediate", "--parallel-max", &CONCURRENCY.to_string(), "--config"]).arg(config);
    } else {
        command.arg(format!("{}/{bytes}/0", server.url)).arg("--output").arg(path(0));
    }
    assert!(command.args(["--silent", "--no-progress-meter"]).status().unwrap().success());
    let seconds = began.elapsed().as_secs_f64();
    all_there(directory.path(), files, bytes);
    seconds
}

fn all_there(directory: &Path, files: u64, bytes: u64) {
    for file in 0..files {
        assert_eq!(std::fs::metadata(directory.join(file.to_string())).unwrap().len(), bytes);
    }
}

fn client(url: &str, directory: &str, files: u64, bytes: &str) {
    let client = BackendClient::builder(url).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let files = (0..files).map(|file| (format!("/{bytes}/{file}"), format!("{directory}/{file}")));
        for downloaded in client.download_all(files).concurrency(CONCURRENCY).await.unwrap() {
            downloaded.unwrap();
        }
    });
    println!("{}", peak());
}

fn serve(latency: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        std::thread::spawn(move || answer(stream, latency));
    }
}

/// Gives `/{bytes}/{name}` on a kept connection, from memory that is made once.
fn answer(mut stream: TcpStream, latency: Duration) {
    stream.set_nodelay(true).unwrap();
    let block = vec![0x5a_u8; 1 << 20];
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        request.clear();
        let mut left: usize = text.split('/').nth(1).unwrap().parse().unwrap();
        std::thread::sleep(latency);
        let head = format!("HTTP/1.1 200 OK\r\nETag: \"{left}\"\r\nAccept-Ranges: bytes\r\nContent-Length: {left}\r\n\r\n");
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
