//! Memory use doesn't grow with the file. A separate process measures its peak as the kernel reports it.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::path::Path;

use crate::support::backend::backend;
use crate::support::{child, marker};
use synapse_backend_client::BackendClient;
use synapse_test_backend::Backend;

const SMALL: usize = 1_000_000;
const LARGE: usize = 120_000_000;

/// Returns this process's peak resident set so far, in bytes.
fn peak_resident_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

fn write_file(path: &Path, size: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let mut state = 1_u64;
    for _ in 0..size / 8 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
}

/// The child process, which runs this test binary again. It uploads a file and prints its peak memory.
#[test]
fn memory_upload_child() {
    let Ok(path) = std::env::var("UPLOADING_CHILD_FILE") else { return };
    marker::watch();
    let url = std::env::var("UPLOADING_CHILD_URL").unwrap();
    let token = std::env::var("UPLOADING_CHILD_TOKEN").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = BackendClient::builder(url).access_token(token).build().unwrap();
        let upload = client.create_chunked_upload(path).await.unwrap();
        println!("\nuploaded {} {}", upload.id, peak_resident_set());
    });
}

/// Uploads the file in a child process. Returns the upload's id and the child's peak memory.
fn upload(backend: &Backend, path: &Path) -> (String, u64) {
    let output = child::output(
        child::command(memory_upload_child)
            .env("UPLOADING_CHILD_FILE", path)
            .env("UPLOADING_CHILD_URL", backend.url())
            .env("UPLOADING_CHILD_TOKEN", backend.token()),
    );
    let line = output.lines().find_map(|line| line.strip_prefix("uploaded "));
    let line = line.unwrap_or_else(|| panic!("{output}"));
    let (id, peak) = line.split_once(' ').unwrap();
    (id.to_owned(), peak.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_memory_independent_of_size() {
    let backend = backend().record_bodies(false).start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (small, large) = (directory.path().join("small"), directory.path().join("large"));
    write_file(&small, SMALL);
    write_file(&large, LARGE);
    let (_, small_peak) = upload(&backend, &small);
    let (id, large_peak) = upload(&backend, &large);
    println!("peak resident set: {small_peak} bytes for {SMALL}, {large_peak} bytes for {LARGE}");
    assert!(large_peak < small_peak + (16 << 20), "{large_peak} beside {small_peak}");
    let same = std::fs::read(backend.uploaded_file(&id).unwrap()).unwrap() == std::fs::read(&large).unwrap();
    assert!(same, "the assembled file differs");
}
