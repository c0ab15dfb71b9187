//! Measures the speed of an upload and its memory.
//!
//! Uploads a file to a sink: a separate process that implements the protocol and discards the bytes. The
//! same run compares this with two alternatives:
//!
//! - (a) MD5 alone, over the same bytes
//! - (b) bare reqwest that sends the same bytes from memory as one body, without hashing
//!
//! It also prints the CPU time of each, because client and sink share the cores. Finally measures the peak
//! memory (VmHWM of the client's own process) for files of several sizes, compared with a client that
//! uploads a single byte.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml --bin upload [MiB] [rounds]
//! ```

#[path = "../child.rs"]
mod child;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use child::{Server, median, peak};
use md5::Digest;
use synapse_backend_client::{BackendClient, reqwest};

const MIB: u64 = 1 << 20;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sink"] => sink(),
        ["client", url, path] => client(url, path),
        ["bare", url, path] => bare(url, path),
        ["digest", path] => digest(path),
        ref sizes => compare(sizes),
    }
}

fn compare(arguments: &[&str]) {
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (size, rounds) = (number(0, 1024) * MIB, number(1, 5));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    let shown = path.to_str().unwrap();
    write_random(&path, size);
    let sink = Server::start(&["sink"]);
    println!("{} MiB per round, medians of {rounds} rounds", size / MIB);
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for (rates, task) in rates.iter_mut().zip([
            &["digest", shown][..],
            &["bare", &sink.url, shown],
            &["client", &sink.url, shown],
        ]) {
            rates.push(Cost::of(task));
        }
    }
    let mib = size as f64 / MIB as f64;
    // Compares runs that are adjacent in time, which the machine's noise affects alike.
    let ratios = (0..rates[0].len()).map(|round| {
        let [digest, bare, client] = rates.each_ref().map(|rates| rates[round].seconds);
        digest.max(bare) / client
    });
    let ratio = median(ratios.collect());
    for (name, costs) in
        ["(a) MD5 alone", "(b) bare reqwest, no MD5", "create_chunked_upload"].into_iter().zip(&rates)
    {
        let of = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
        let (seconds, on_cores) = (of(|cost| cost.seconds), of(|cost| cost.on_cores));
        println!(
            "{name:<28} {:>8.0} MiB/s   {:>5.2} s of CPU per GiB",
            mib / seconds,
            on_cores / mib * 1024.0
        );
    }
    println!("speed relative to the slower of (a) and (b), median of the rounds: {ratio:.3}");

    write_random(&path, 1);
    let idle = Cost::of(&["client", &sink.url, shown]).peak;
    println!("peak memory of a client that uploads one byte: {:.1} MiB", idle / 1024.0);
    for size in [256, 1024, 4096] {
        write_random(&path, size * MIB);
        let peak = Cost::of(&["client", &sink.url, shown]).peak;
        println!(
            "peak memory for {size:>4} MiB: {:.1} MiB, {:.1} above the one-byte upload",
            peak / 1024.0,
            (peak - idle) / 1024.0
        );
    }
}

/// The cost that a process reports.
struct Cost {
    seconds: f64,
    on_cores: f64,
    /// In KiB.
    peak: f64,
}

impl Cost {
    fn of(arguments: &[&str]) -> Self {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Cost { seconds: next(), on_cores: next(), peak: next() }
    }

    /// Runs `work` and reports its cost.
    fn measure(work: impl FnOnce()) {
        let (began, on_cores) = (Instant::now(), on_cores());
        work();
        println!("{} {} {}", began.elapsed().as_secs_f64(), self::on_cores() - on_cores, peak());
    }
}

/// Returns the CPU time of this process, in seconds.
fn on_cores() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In ticks of 1/100 second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn client(url: &str, path: &str) {
    let client = BackendClient::builder(url).build().unwrap();
    let runtime = runtime();
    Cost::measure(|| {
        runtime.block_on(async { client.create_chunked_upload(path).await.unwrap() });
    });
}

fn bare(url: &str, path: &str) {
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let chunks = (0..bytes.len()).step_by(256 << 10);
    let chunks: Vec<_> = chunks
        .map(|at| Ok::<_, std::io::Error>(bytes.slice(at..bytes.len().min(at + (256 << 10)))))
        .collect();
    let client = reqwest::Client::new();
    let request = client
        .put(format!("{url}/chunked_upload/"))
        .header("content-length", bytes.len())
        .header("content-range", format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len()))
        .body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)));
    let runtime = runtime();
    Cost::measure(|| {
        runtime.block_on(async {
            request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
        });
    });
}

fn digest(path: &str) {
    let mut file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut chunk = vec![0; 256 << 10];
    file.read_exact(&mut chunk).unwrap();
    // Other MD5 crates, for comparison.
    let rate = |mut update: Box<dyn FnMut(&[u8])>| {
        let began = Instant::now();
        (0..256).for_each(|_| update(&chunk));
        64.0 / began.elapsed().as_secs_f64()
    };
    let (mut fast, mut rust_crypto) = (fast_md5::Md5::new(), md5::Md5::new());
    let rates = [
        rate(Box::new(move |chunk| fast.update(chunk))),
        rate(Box::new(move |chunk| rust_crypto.update(chunk))),
    ];
    eprintln!("MD5 of 64 MiB: fast-md5 {:.0} MiB/s, md-5 {:.0} MiB/s", rates[0], rates[1]);
    let mut hasher = fast_md5::Md5::new();
    Cost::measure(|| {
        for _ in 0..size / chunk.len() as u64 {
            hasher.update(&chunk);
        }
        std::hint::black_box(hasher.finalize());
    });
}

/// Writes `size` bytes, which are the same in each run. No byte is zero: a file with holes would be read
/// faster.
fn write_random(path: &Path, size: u64) {
    let mut file = File::create(path).unwrap();
    let mut state = 1_u64;
    let mut chunk = vec![0_u8; 1 << 20];
    let mut left = size;
    while left > 0 {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let length = chunk.len().min(usize::try_from(left).unwrap());
        file.write_all(&chunk[..length]).unwrap();
        left -= length as u64;
    }
    file.seek(SeekFrom::Start(0)).unwrap();
}

fn sink() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        std::thread::spawn(move || take(stream));
    }
}

/// Serves the requests of a connection.
fn take(mut stream: TcpStream) {
    let mut buffer = vec![0; 1 << 20];
    let mut held = 0;
    loop {
        let end = loop {
            if let Some(end) = buffer[..held].windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer[held..]) {
                Ok(read) if read > 0 => held += read,
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let header = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let next = header("content-range").and_then(|range| {
            let last: u64 = range.split_once('-')?.1.split_once('/')?.0.parse().ok()?;
            Some(last + 1)
        });
        let mut left = length.saturating_sub(held - end);
        while left > 0 {
            let room = left.min(buffer.len());
            match stream.read(&mut buffer[..room]) {
                Ok(read) if read > 0 => left -= read,
                _ => return,
            }
        }
        held = 0;
        let completed = if head.starts_with("post") { r#""2026-01-01T00:00:00Z""# } else { "null" };
        let body = format!(r#"{{"id": 1, "offset": {}, "completed_at": {completed}}}"#, next.unwrap_or(0));
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
