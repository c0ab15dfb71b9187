//! Downloads whose process is killed, has no disk space, or runs next to others. A partial file never gets
//! the final name.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::backend::backend;
use crate::support::marker::Failure;
use crate::support::{child, marker};
use synapse_backend_client::{BackendClient, RetryPolicy, UrlConverter};
use synapse_test_backend::{Backend, Fault};

// ---- the child process, which runs this test binary again

#[test]
fn file_download_child() {
    let Ok(url) = std::env::var("DOWNLOAD_URL") else { return };
    marker::watch();
    let variable = |name: &str| std::env::var(name).unwrap();
    let policy = RetryPolicy::new().max_retries(1);
    let client = BackendClient::builder(variable("DOWNLOAD_BACKEND"))
        .access_token(marker::TOKEN)
        .retry(policy)
        .build()
        .unwrap();
    let target = PathBuf::from(variable("DOWNLOAD_TO"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if target.is_dir() {
            let to = client.download_to(&target);
            for url in url.split(' ') {
                println!("{}", to.convert(url).await.unwrap());
            }
            return;
        }
        let report_at: u64 = variable("DOWNLOAD_REPORT_AT").parse().unwrap();
        let download = client.download(url).on_progress(move |progress| {
            if progress.bytes_received >= report_at {
                println!("reported");
            }
        });
        match download.to(&target).await {
            Ok(downloaded) => println!("whole {}", downloaded.resumed_from),
            Err(error) => println!("failed {error}"),
        }
    });
}

struct Job<'a> {
    backend: &'a Backend,
    url: &'a str,
    to: &'a Path,
}

impl Job<'_> {
    fn start(&self, report_at: u64, child: &mut Command) -> Child {
        child
            .env("DOWNLOAD_URL", self.url)
            .env("DOWNLOAD_BACKEND", self.backend.url())
            .env("DOWNLOAD_TO", self.to)
            .env("DOWNLOAD_REPORT_AT", report_at.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn child(&self, report_at: u64) -> Child {
        self.start(report_at, &mut child::command(file_download_child))
    }
}

/// Returns the lines that a child prints, without those of the test harness.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.filter(|line| ["reported", "whole", "failed", "/"].iter().any(|word| line.starts_with(word)))
}

/// Returns a child's last line.
fn last(mut child: Child) -> String {
    let last = lines(&mut child).last().unwrap();
    assert!(child.wait().unwrap().success());
    last
}

fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => names.extend(self::names(&entry.path())),
            false => names.push(entry.file_name().into_string().unwrap()),
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn download_resumes_after_kill() {
    const SIZE: u64 = 4_000_000;
    let backend = backend().start().await.unwrap();
    let url = backend.blob_url(SIZE);
    let expected = backend.file_bytes(&url).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let job = Job { backend: &backend, url: &url, to: &target };
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let mut resumed = 0;
    for round in 0..10 {
        for _ in 0..2 {
            // The response stalls at this byte, and the process is killed when it has received the bytes
            // before it.
            let seen = random.u64(1..SIZE / 2);
            let stalled = backend.inject(Fault::stall_answer(seen).method("GET"));
            let mut child = job.child(seen);
            let mut reported = lines(&mut child);
            assert_eq!(reported.next().as_deref(), Some("reported"));
            child.kill().unwrap();
            child.wait().unwrap();
            stalled.remove();
            assert!(!target.exists(), "round {round}");
        }
        let whole = last(job.child(SIZE * 2));
        resumed += u64::from(whole.strip_prefix("whole ").unwrap().parse::<u64>().unwrap() > 0);
        assert!(std::fs::read(&target).unwrap() == expected, "round {round}");
        assert_eq!(names(directory.path()), ["file.bin"]);
        std::fs::remove_file(&target).unwrap();
    }
    assert!(resumed > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_full_keeps_previous_file() {
    const SIZE: u64 = 4_000_000;
    let backend = backend().start().await.unwrap();
    let url = backend.blob_url(SIZE);
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    std::fs::write(&target, "before").unwrap();
    let job = Job { backend: &backend, url: &url, to: &target };
    // The limit is 2,000 KiB a file. The signal is ignored, so the write fails as on a full disk.
    let mut limited = child::command_after("trap '' XFSZ; ulimit -f 4000", file_download_child);
    let failed = last(job.start(SIZE * 2, &mut limited));
    assert!(
        failed.starts_with("failed") && failed.contains("file.bin: it can't be written: file too large"),
        "{failed}"
    );
    assert_eq!(std::fs::read(&target).unwrap(), b"before");
    // With space again, the download resumes.
    let whole = last(job.child(SIZE * 2));
    assert!(whole.strip_prefix("whole ").unwrap().parse::<u64>().unwrap() >= 1 << 20, "{whole}");
    assert!(std::fs::read(&target).unwrap() == backend.file_bytes(&url).unwrap());
    assert_eq!(names(directory.path()), ["file.bin"]);
}

#[tokio::test]
async fn unwritable_directory_sends_nothing() {
    let backend = backend().start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(marker::TOKEN).build().unwrap();
    // Not even root can create files here.
    let error = client.download(backend.blob_url(10)).to("/proc/self/file.bin").await.failure();
    assert!(error.is_io() && error.to_string().contains("/proc/self/file.bin"), "{error}");
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_downloaded_files() {
    const FILES: usize = 12;
    let backend = backend().start().await.unwrap();
    let urls: Vec<_> = (0..FILES)
        .map(|file| format!("{}/media/blobs/{}/{file}.png", backend.url(), 1_000 + file * 50_000))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let all = urls.join(" ");
    let job = Job { backend: &backend, url: &all, to: directory.path() };
    let mut children: Vec<_> = (0..3).map(|_| job.child(0)).collect();
    let paths: Vec<Vec<String>> = children.iter_mut().map(|child| lines(child).collect()).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(paths[0].len(), FILES);
    assert!(paths.iter().all(|others| *others == paths[0]), "{paths:#?}");
    for (path, url) in paths[0].iter().zip(&urls) {
        assert!(std::fs::read(path).unwrap() == backend.file_bytes(url).unwrap(), "{url}");
    }
    let left: Vec<_> = names(directory.path()).into_iter().filter(|name| name.contains("part")).collect();
    assert_eq!(left, [""; 0]);
    // A fourth process finds all files.
    let before = backend.requests().len();
    let mut fourth = job.child(0);
    assert_eq!(lines(&mut fourth).collect::<Vec<_>>(), paths[0]);
    assert!(fourth.wait().unwrap().success());
    assert_eq!(backend.requests().len(), before);
    assert!((FILES..FILES * 3).contains(&before), "{before}");
}

#[tokio::test]
async fn download_all_respects_concurrency() {
    let backend = backend().start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(marker::TOKEN).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    // The server responds only when two requests have arrived.
    let held = backend.inject(Fault::hold_before().method("GET").times(2));
    let files =
        (0..9).map(|file| (format!("/media/blobs/1000/{file}"), directory.path().join(file.to_string())));
    let downloading = tokio::spawn(client.download_all(files).concurrency(2).send());
    held.wait_for_hits(2).await;
    held.release();
    assert!(downloading.await.unwrap().unwrap().iter().all(Result::is_ok));
    assert_eq!(backend.peak_in_flight(), 2);
}
