//! The example's export, killed and restarted.
#![cfg(unix)]

#[path = "../../examples/export_ground_truth.rs"]
mod example;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::backend::backend;
use crate::support::{child, marker};
use synapse_backend_client::BackendClient;
use synapse_test_backend::{Backend, Fault};

const EVENTS: u64 = 4_000;
const PAGE_SIZE: i64 = 50;
const VERSION: i64 = Backend::FIRST_VERSION;

/// The child process, which runs this test binary again.
#[test]
fn export_process_child() {
    let Ok(file) = std::env::var("EXPORT_FILE") else { return };
    marker::watch();
    let variable = |name: &str| std::env::var(name).unwrap();
    let client = BackendClient::builder(variable("EXPORT_URL"))
        .access_token(variable("EXPORT_TOKEN"))
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(example::export(&client, VERSION, PAGE_SIZE, Path::new(&file))).unwrap();
}

fn exporting(backend: &Backend, file: &Path) -> Command {
    let mut command = child::command(export_process_child);
    command.env("EXPORT_FILE", file).env("EXPORT_URL", backend.url()).env("EXPORT_TOKEN", backend.token());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn export_after_kills_is_identical() {
    // URLs are unsigned because each response has another signature.
    let backend = backend()
        .ground_truth_events(EVENTS)
        .versions(1)
        .signed_urls(false)
        .record_bodies(false)
        .start()
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole.jsonl");
    child::output(&mut exporting(&backend, &whole));
    let expected = std::fs::read(&whole).unwrap();
    assert_eq!(expected.iter().filter(|byte| **byte == b'\n').count() as u64, EVENTS);

    let mut random = fastrand::Rng::with_seed(20_261_125);
    let pages = EVENTS / PAGE_SIZE as u64;
    let killed = directory.path().join("killed.jsonl");
    for round in 0..10 {
        // Kills the export twice, each time at a random page and while earlier pages are processed.
        for _ in 0..2 {
            let held = backend.inject(Fault::hold_before().method("GET").after(random.u64(1..pages / 2 - 8)));
            let mut exporting = exporting(&backend, &killed).stdout(Stdio::null()).spawn().unwrap();
            held.wait_for_hits(1).await;
            exporting.kill().unwrap();
            exporting.wait().unwrap();
            held.release();
            held.remove();
        }
        child::output(&mut exporting(&backend, &killed));
        assert!(std::fs::read(&killed).unwrap() == expected, "round {round}: the file differs");
        std::fs::remove_file(&killed).unwrap();
    }
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name == "whole.jsonl" || name == "killed.jsonl.checkpoint.new"),
        "{left:?}"
    );
}
