//! Copies that all executors write.

use std::sync::{Arc, Mutex};

use datafusion::prelude::SessionContext;
use synapse_ballista::PartsCopy;
use synapse_ballista::synapse_datafusion::EnvironmentConnections;
use synapse_test_backend::http::request::Parts;
use synapse_test_backend::{Backend, Fault};

use crate::support::{Cluster, EVENTS, events, executors_pages, page, pages, rows, sender, within};

/// Checks that the files of a directory have these many events, each once, and that the manifest lists them.
async fn assert_files(directory: &std::path::Path, files: usize, events: i64) {
    let manifest = std::fs::read_to_string(directory.join("_manifest.json")).unwrap();
    let listed = manifest.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let listed: Vec<_> = listed.map(|file| (file["file"].clone(), file["rows"].as_i64().unwrap())).collect();
    assert_eq!(listed.iter().map(|(_, rows)| rows).sum::<i64>(), events);
    assert_eq!(listed.len(), files);
    for (name, _) in listed {
        assert!(directory.join(name.as_str().unwrap()).exists());
    }
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), files + 1);
    let session = SessionContext::new();
    let path = format!("{}/", directory.display());
    session.register_parquet("written", &path, Default::default()).await.unwrap();
    let sum: i64 = (1001..1001 + events).sum();
    let read = rows(&session, "SELECT count(*), sum(id), count(DISTINCT id), count(data) FROM written").await;
    assert_eq!(read, [[events.to_string(), sum.to_string(), events.to_string(), events.to_string()]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_has_a_file() {
    let backend = Backend::builder().ground_truth_events(195).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(8).await;
    let directory = cluster.directory.path().join("events");
    let copy = PartsCopy::new(&session, events(), 10, directory.to_str().unwrap()).await.unwrap();
    let mut copy = copy.columns(["id", "data"]).unwrap();
    assert_eq!(copy.missing(), 10);
    assert_eq!(copy.run(&session, 4).await.unwrap(), 195);
    assert_eq!((copy.missing(), copy.files().count()), (0, 10));
    assert_files(&directory, 10, 195).await;
    assert_eq!(executors_pages(&backend), (1..=20).collect::<Vec<_>>());
    for executor in ["executor-0", "executor-1"] {
        assert!(pages(&backend)[executor].len() >= 4, "{:?}", pages(&backend));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_list_has_one_file() {
    let backend = Backend::builder().ground_truth_events(0).start().await.unwrap();
    let cluster = Cluster::start(&backend, 1).await;
    let session = cluster.session(4).await;
    let directory = cluster.directory.path().join("events");
    let copy = PartsCopy::new(&session, events(), 5, directory.to_str().unwrap()).await.unwrap();
    let mut copy = copy.columns(["id", "data"]).unwrap();
    assert_eq!(copy.run(&session, 4).await.unwrap(), 0);
    assert_eq!((copy.files().count(), copy.missing()), (1, 0));
    let manifest = std::fs::read_to_string(directory.join("_manifest.json")).unwrap();
    assert_eq!(manifest.trim(), r#"{"file":"part-00000-of-00001.parquet","rows":0}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_copy_goes_on() {
    let backend = Backend::builder().ground_truth_events(195).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(8).await;
    let directory = cluster.directory.path().join("events");
    let url = format!("file://{}/", directory.display());
    let kept = Arc::new(Mutex::new(String::new()));
    let keep = kept.clone();
    let copy = PartsCopy::new(&session, events(), 10, &url).await.unwrap();
    let mut copy = copy.on_part(move |copy| *keep.lock().unwrap() = copy.to_text().unwrap());
    let is_page = |request: &Parts| request.uri.query().is_some_and(|query| query.contains("page=7"));
    backend.inject(Fault::response(403).on("GET", EVENTS).when(is_page).always());
    let error = copy.run(&session, 1).await.unwrap_err().to_string();
    assert!(error.contains("part 3 of 10") && error.contains("403"), "{error}");
    assert_eq!(copy.missing(), 7);
    assert_eq!(copy.files().map(|(_, rows)| rows).collect::<Vec<_>>(), [20, 20, 20]);
    let manifest = || std::fs::read_to_string(directory.join("_manifest.json")).unwrap();
    assert_eq!((manifest().lines().count(), manifest().matches("rows").count()), (10, 0));
    assert!(copy.clone().columns(["id"]).unwrap_err().to_string().contains("complete"));
    backend.clear_faults();
    backend.clear_requests();
    let text = kept.lock().unwrap().clone();
    assert_eq!(text, copy.to_text().unwrap());
    assert!(!text.contains(backend.token()));
    let mut copy = PartsCopy::from_text(&text, Arc::new(EnvironmentConnections::new())).unwrap();
    assert_eq!(copy.run(&session, 4).await.unwrap(), 195);
    assert_eq!(executors_pages(&backend), (7..=20).collect::<Vec<_>>());
    assert_files(&directory, 10, 195).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_outlasts_a_killed_executor() {
    let backend = Backend::builder().ground_truth_events(195).start().await.unwrap();
    let mut cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(8).await;
    let directory = cluster.directory.path().join("events");
    let mut copy = PartsCopy::new(&session, events(), 5, directory.to_str().unwrap()).await.unwrap();
    // Page 2 is that of the first part.
    let is_late = |request: &Parts| {
        request.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "page=2"))
    };
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).when(is_late).always());
    let copied = tokio::spawn(async move { copy.run(&session, 4).await });
    within(held.wait_for_hits(1)).await;
    let requests = backend.requests();
    let reader = requests.iter().find(|request| page(request) == 2).map(sender).unwrap();
    let reader = reader.strip_prefix("executor-").unwrap().parse::<usize>().unwrap();
    cluster.executors[reader].kill();
    held.remove();
    assert_eq!(within(copied).await.unwrap().unwrap(), 195);
    assert_files(&directory, 5, 195).await;
    // The part of the killed executor was read again.
    assert_eq!(executors_pages(&backend).iter().filter(|page| **page == 2).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_list_is_not_copied() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let cluster = Cluster::start(&backend, 1).await;
    let session = cluster.session(4).await;
    let directory = cluster.directory.path().join("events");
    let mut copy = PartsCopy::new(&session, events(), 4, directory.to_str().unwrap()).await.unwrap();
    backend.inject(Fault::edit_json(|page| page["count"] = 96.into()).on("GET", EVENTS).always());
    let error = copy.run(&session, 4).await.unwrap_err().to_string();
    assert!(error.contains("96 items, but had 95"), "{error}");
    assert_eq!(copy.missing(), 4);
    let text = copy.to_text().unwrap();
    let forged =
        [("\"version\":1", "\"version\":2"), ("[null,", "[7,"), ("[null,", "[null,null,"), ("/events", "/*")];
    let forged = forged.map(|(from, to)| {
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1)
    });
    for text in forged.iter().map(String::as_str).chain(["", "{}", "[1]"]) {
        assert!(PartsCopy::from_text(text, Arc::new(EnvironmentConnections::new())).is_err(), "{text}");
    }
    for directory in ["", "/tmp/*/", "s3://key:hunter2@bucket/", "s3://key@x:hunter2@bucket/"] {
        let error = PartsCopy::new(&session, events(), 4, directory).await.unwrap_err().to_string();
        assert!(error.contains("directory") && !error.contains("hunter2"), "{error}");
    }
}
