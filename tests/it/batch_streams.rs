//! Streams of many uploads or downloads: results as they finish, their limits, and what dropping one stops.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::backend::backend;
use crate::support::marker::Failure as _;
use crate::support::soon::soon;
use futures_util::Stream as _;
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::{BackendClient, DownloadAll, RetryPolicy};
use synapse_test_backend::{Backend, Fault};

const SIZE: u64 = 1_000;

fn client(backend: &Backend) -> BackendClient {
    BackendClient::builder(backend.url())
        .access_token(backend.token())
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

fn downloads(client: &BackendClient, directory: &Path, files: usize) -> DownloadAll {
    client.download_all((0..files).map(|file| (url(file), directory.join(file.to_string()))))
}

fn url(file: usize) -> String {
    format!("/media/blobs/{SIZE}/{file}")
}

#[tokio::test]
async fn stream_returns_results_as_finished() {
    let backend = backend().start().await.unwrap();
    let (client, directory) = (client(&backend), tempfile::tempdir().unwrap());
    // The first file arrives last; the second one doesn't exist.
    let held = backend.inject(Fault::hold_before().path(&url(0)));
    backend.inject(Fault::response(404).path(&url(1)));
    let mut results = downloads(&client, directory.path(), 4).concurrency(2).stream();
    assert_eq!(results.size_hint(), (4, Some(4)));
    let mut others = Vec::new();
    for left in [3, 2, 1] {
        let (index, result) = soon(results.next()).await.unwrap();
        match index {
            1 => assert!(result.failure().is_not_found()),
            _ => assert_eq!(result.unwrap().path, directory.path().join(index.to_string())),
        }
        others.push(index);
        assert_eq!(results.size_hint(), (left, Some(left)));
    }
    assert_eq!(others, [1, 2, 3]);
    held.release();
    let (index, result) = soon(results.next()).await.unwrap();
    assert_eq!((index, result.unwrap().bytes), (0, SIZE));
    assert!(soon(results.next()).await.is_none() && soon(results.next()).await.is_none());
    assert!(backend.peak_in_flight() <= 2);
}

#[tokio::test]
async fn files_begin_as_the_stream_is_read() {
    let backend = backend().start().await.unwrap();
    let (client, directory) = (client(&backend), tempfile::tempdir().unwrap());
    let counts = Arc::new(AtomicUsize::new(0));
    let counter = counts.clone();
    let each = move |index, download| {
        assert_eq!(counter.fetch_add(1, Ordering::SeqCst), index);
        download
    };
    let mut results = downloads(&client, directory.path(), 9).concurrency(3).each(each).stream();
    assert_eq!(counts.load(Ordering::SeqCst), 0);
    for finished in 1..=9 {
        assert!(soon(results.next()).await.unwrap().1.is_ok());
        assert!(counts.load(Ordering::SeqCst) < finished + 3);
    }
    assert!(soon(results.next()).await.is_none());
}

#[tokio::test]
async fn dropped_stream_stops_its_transfers() {
    let backend = backend().start().await.unwrap();
    let (client, directory) = (client(&backend), tempfile::tempdir().unwrap());
    let source = Bytes::from_static(b"content");
    let held = backend.inject(Fault::hold_before().always());
    let mut downloading = downloads(&client, directory.path(), 4).concurrency(2).stream();
    let mut uploading = client.upload_all(vec![source; 4]).concurrency(2).stream();
    tokio::select! {
        result = downloading.next() => panic!("{result:?}"),
        result = uploading.next() => panic!("{result:?}"),
        () = held.wait_for_hits(4) => {}
    }
    drop((downloading, uploading));
    held.remove();
    held.release();
    let idle = async {
        while backend.in_flight() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(idle).await;
    // No chunk is followed by another request, and no other file begins.
    assert_eq!((held.hits(), backend.requests().len()), (4, 4));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().filter(is_complete).count(), 0);
}

fn is_complete(file: &std::io::Result<std::fs::DirEntry>) -> bool {
    file.as_ref().is_ok_and(|file| !file.file_name().to_string_lossy().starts_with('.'))
}

#[tokio::test]
async fn upload_stream_names_each_file() {
    let backend = backend().start().await.unwrap();
    let client = client(&backend);
    let sources = (1..=5_u8).map(|length| vec![length; usize::from(length) * 100]);
    let each =
        |index, upload: synapse_backend_client::CreateChunkedUpload| upload.file_name(format!("{index}.pt"));
    let mut uploads = client.upload_all(sources).concurrency(100).each(each).stream();
    assert!(format!("{uploads:?}").contains("concurrency: 64"), "{uploads:?}");
    let mut seen = Vec::new();
    while let Some((index, upload)) = soon(uploads.next()).await {
        let upload = upload.unwrap();
        let stored = std::fs::read(backend.uploaded_file(&upload.id.to_string()).unwrap()).unwrap();
        assert_eq!(stored, vec![index as u8 + 1; (index + 1) * 100]);
        assert_eq!(upload.filename, Some(format!("{index}.pt")));
        seen.push(index);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn invalid_batch_fails_each_file() {
    let backend = backend().start().await.unwrap();
    let (client, directory) = (client(&backend), tempfile::tempdir().unwrap());
    let mut results = downloads(&client, directory.path(), 2).concurrency(0).stream();
    for index in 0..2 {
        let (failed, result) = soon(results.next()).await.unwrap();
        let error = result.failure();
        assert_eq!(failed, index);
        assert!(error.is_invalid_input() && error.to_string().contains("concurrency"), "{error}");
    }
    assert!(soon(results.next()).await.is_none());
    let mut uploads = client.upload_all(["/none"]).concurrency(0).stream();
    assert!(soon(uploads.next()).await.unwrap().1.failure().is_invalid_input());
    assert!(backend.requests().is_empty());
}

#[tokio::test]
#[should_panic(expected = "the caller's callback")]
async fn stream_passes_on_callback_panics() {
    let backend = backend().start().await.unwrap();
    let (client, directory) = (client(&backend), tempfile::tempdir().unwrap());
    let each = |_, download: synapse_backend_client::Download| {
        download.on_progress(|_| panic!("the caller's callback"))
    };
    let mut results = downloads(&client, directory.path(), 1).each(each).stream();
    let _ = soon(results.next()).await;
}
