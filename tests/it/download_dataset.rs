//! The example that downloads a dataset, killed and restarted.
#![cfg(unix)]

#[path = "../../examples/download_dataset.rs"]
mod example;

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::backend::backend;
use crate::support::{child, marker};
use synapse_backend_client::{BackendClient, Json};
use synapse_test_backend::{Backend, Fault};

const VERSION: i64 = Backend::FIRST_VERSION;

/// The child process, which runs this test binary again.
#[test]
fn dataset_download_child() {
    let Ok(directory) = std::env::var("DATASET_DIRECTORY") else { return };
    marker::watch();
    let client = BackendClient::builder(std::env::var("DATASET_URL").unwrap())
        .access_token(marker::TOKEN)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(example::download(&client, VERSION, Path::new(&directory))).unwrap();
}

fn downloading(backend: &Backend, directory: &Path) -> Command {
    let mut command = child::command(dataset_download_child);
    command.env("DATASET_DIRECTORY", directory).env("DATASET_URL", backend.url());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn dataset_complete_after_repeated_kills() {
    let backend = backend().ground_truth_events(300).versions(1).start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let mut downloads = 0;
    for _ in 0..5 {
        let held = backend.inject(Fault::hold_before().on("GET", "/media/").after(random.u64(5..60)));
        let mut child = downloading(&backend, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        held.wait_for_hits(1).await;
        child.kill().unwrap();
        child.wait().unwrap();
        held.release();
        held.remove();
        assert!(!directory.path().join("events.jsonl").exists());
    }
    child::output(&mut downloading(&backend, directory.path()));
    let text = std::fs::read_to_string(directory.path().join("events.jsonl")).unwrap();
    let events: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 300);
    let asked = backend.requests();
    for event in &events {
        let original = backend.event(event["id"].as_i64().unwrap()).unwrap();
        let original = Json::from(original);
        let files =
            (Json::from(event["files"].clone()).files(), Json::from(original["files"].clone()).files());
        assert_eq!(files.0.len(), files.1.len());
        for (here, there) in files.0.iter().zip(&files.1) {
            let url = there.url.as_ref().unwrap();
            // A path that another process wrote is only text, so the client doesn't trust it.
            assert_eq!(here.path(), None);
            let saved = &event["files"][here.name.as_deref().unwrap()];
            let path = saved["path"].as_str().or(saved.as_str()).unwrap();
            assert!(std::fs::read(path).unwrap() == backend.file_bytes(url).unwrap(), "{}", event["id"]);
            downloads += 1;
        }
    }
    let media = |backend: &Backend| {
        backend.requests().iter().filter(|request| request.path.starts_with("/media/")).count()
    };
    // Only the downloads that were in progress when a process was killed are repeated.
    assert!(media(&backend) <= downloads + 5 * 16, "{} of {downloads}", media(&backend));
    child::output(&mut downloading(&backend, directory.path()));
    assert_eq!(media(&backend), asked.iter().filter(|request| request.path.starts_with("/media/")).count());
}
