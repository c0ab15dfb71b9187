//! Exports into files: what they contain, and what is left after a kill.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use synapse_backend_client::BackendClient;
use synapse_datafusion::{ExportFormat, ExportReport, ListTable};
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, rows, session_of, started, texts};

fn table(client: &BackendClient) -> Arc<ListTable> {
    events(client).build().unwrap()
}

fn read(report: &ExportReport) -> Vec<RecordBatch> {
    let read = |path: &std::path::PathBuf| -> Vec<RecordBatch> {
        let file = File::open(path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "parquet" => ParquetRecordBatchReaderBuilder::try_new(file)
                .unwrap()
                .build()
                .unwrap()
                .map(Result::unwrap)
                .collect(),
            _ => FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
        }
    };
    report.files.iter().flat_map(read).collect()
}

#[tokio::test]
async fn files_have_rows_of_list() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let expected = rows(&session_of(table(&client), 1), "SELECT id, data, created_at, _extra FROM t").await;
    for format in [ExportFormat::Parquet, ExportFormat::ArrowIpc] {
        let directory = tempfile::tempdir().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let progress = seen.clone();
        let report = table(&client)
            .export(directory.path())
            .columns(["id", "data", "created_at", "_extra"])
            .format(format)
            .pages_per_file(3)
            .row_group_bytes(2_000)
            .on_progress(move |now| progress.lock().unwrap().push(now))
            .await
            .unwrap();
        assert_eq!((report.rows, report.files.len(), report.resumed_files), (95, 4, 0));
        assert_eq!((report.misfits, report.anomalies, report.omitted, report.skipped_pages), (0, 0, 0, 0));
        assert_eq!(texts(&read(&report)), expected);
        let seen = seen.lock().unwrap();
        assert!(seen.is_sorted_by_key(|now| now.rows) && seen.iter().all(|now| now.total_rows == Some(95)));
        let last = seen.last().unwrap();
        assert_eq!((last.rows, last.bytes, last.files), (95, report.bytes, 4));
    }
}

#[tokio::test]
async fn row_groups_end_by_bytes() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(9_000)).await;
    let directory = tempfile::tempdir().unwrap();
    let table = synapse_datafusion::ListTables::table(&client, |client| client.list_ground_truth_events());
    let export = table.build().unwrap().export(directory.path()).columns(["id"]);
    let report = export.row_group_bytes(1_000).await.unwrap();
    let file = File::open(&report.files[0]).unwrap();
    let groups = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().num_row_groups();
    assert_eq!((report.rows, report.files.len()), (9_000, 1));
    assert!(groups > 1, "{groups}");
}

#[tokio::test]
async fn narrower_list_is_exported() {
    let (backend, client) = started(Backend::builder().ground_truth_events(25)).await;
    let directory = tempfile::tempdir().unwrap();
    let report = table(&client).export(directory.path()).columns(["data", "id"]).await.unwrap();
    assert_eq!(report.rows, 25);
    assert!(backend.requests().iter().all(|request| request.path.ends_with("/data/")));
}

#[tokio::test]
async fn failed_export_resumes_at_its_part() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let directory = tempfile::tempdir().unwrap();
    let export = || table(&client).export(directory.path()).pages_per_file(3);
    let is_page_8 = |parts: &synapse_test_backend::http::request::Parts| {
        parts.uri.query().is_some_and(|query| query.contains("page=8"))
    };
    backend.inject(Fault::response(403).on("GET", EVENTS).when(is_page_8).always());
    let error = export().await.unwrap_err().to_string();
    assert!(error.contains("page 8") && error.contains("403"), "{error}");
    let files = names(directory.path());
    assert_eq!(files, ["export.jsonl", "export.lock", "part-00000.parquet", "part-00001.parquet"]);

    backend.clear_faults();
    backend.clear_requests();
    let report = export().await.unwrap();
    assert_eq!((report.rows, report.resumed_files), (95, 2));
    let mut pages: Vec<String> =
        backend.requests().iter().map(|request| request.query_value("page").unwrap()).collect();
    pages.sort();
    // Page 7 was in the file that failed.
    assert_eq!(pages, ["10", "7", "8", "9"]);
    let ids: std::collections::BTreeSet<String> =
        texts(&read(&report)).into_iter().map(|row| row.concat()).collect();
    assert_eq!(ids.len(), 95);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn other_or_complete_export_is_refused() {
    let (backend, client) = started(Backend::builder().ground_truth_events(25)).await;
    let directory = tempfile::tempdir().unwrap();
    let report = table(&client).export(directory.path()).columns(["id"]).await.unwrap();
    backend.clear_requests();
    let finished = table(&client).export(directory.path()).columns(["id"]).finished().unwrap().unwrap();
    assert_eq!((finished.rows, &finished.files, finished.resumed_files), (25, &report.files, 1));
    assert!(table(&client).export(directory.path().join("none")).finished().unwrap().is_none());
    let refused = async |export: synapse_datafusion::Export| export.await.unwrap_err().to_string();
    let again = refused(table(&client).export(directory.path()).columns(["id"])).await;
    assert!(again.contains("the export is complete"), "{again}");
    let other = refused(table(&client).export(directory.path()).columns(["id", "created_at"])).await;
    assert!(other.contains("another export"), "{other}");
    let arrow =
        refused(table(&client).export(directory.path()).columns(["id"]).format(ExportFormat::ArrowIpc)).await;
    assert!(arrow.contains("file format is \"parquet\""), "{arrow}");
    let unknown = refused(table(&client).export(directory.path()).columns(["idd"])).await;
    assert!(unknown.contains("no column \"idd\""), "{unknown}");
    std::fs::write(&report.files[0], "x").unwrap();
    let changed = refused(table(&client).export(directory.path()).columns(["id"])).await;
    assert!(
        changed.contains("part-00000.parquet") && changed.contains("was changed or removed"),
        "{changed}"
    );
    std::fs::write(directory.path().join("export.jsonl"), "{}\n").unwrap();
    let foreign = refused(table(&client).export(directory.path()).columns(["id"])).await;
    assert!(foreign.contains("line 1 isn't that of an export's journal"), "{foreign}");
    std::fs::remove_file(directory.path().join("export.jsonl")).unwrap();
    let stale = refused(table(&client).export(directory.path()).columns(["id"])).await;
    assert!(stale.contains("the directory has other files"), "{stale}");
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn other_backend_does_not_resume() {
    let (first, client) = started(Backend::builder().ground_truth_events(95)).await;
    let (_second, other) = started(Backend::builder().ground_truth_events(95)).await;
    let directory = tempfile::tempdir().unwrap();
    first.inject(Fault::response(403).on("GET", EVENTS).after(5).always());
    small_files(&client, directory.path()).await.unwrap_err();
    let error = small_files(&other, directory.path()).await.unwrap_err().to_string();
    assert!(error.contains("its base URL is") && !error.contains("page"), "{error}");
    let filtered = client.list_ground_truth_events().params(|p| p.page_size(10).search("x"));
    let filtered = synapse_datafusion::ListTables::table(&client, |_| filtered).build().unwrap();
    let error = filtered.export(directory.path()).pages_per_file(2).await.unwrap_err().to_string();
    assert!(error.contains("belongs to another query"), "{error}");
}

#[tokio::test]
async fn cursor_list_has_files_and_resumes() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95).cursor_pagination(true)).await;
    let directory = tempfile::tempdir().unwrap();
    backend.inject(Fault::response(403).on("GET", EVENTS).after(7).always());
    small_files(&client, directory.path()).await.unwrap_err();
    backend.clear_faults();
    let report = small_files(&client, directory.path()).await.unwrap();
    assert_eq!((report.rows, report.files.len(), report.resumed_files), (95, 5, 3));
}

#[tokio::test]
async fn skipped_pages_are_counted() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let directory = tempfile::tempdir().unwrap();
    let is_skipped = |parts: &synapse_test_backend::http::request::Parts| {
        parts.uri.query().is_some_and(|query| query.contains("page=5") || query.ends_with("page=10"))
    };
    backend.inject(Fault::response(403).on("GET", EVENTS).when(is_skipped).always());
    let table = events(&client).skip_failed_pages(true).policy(synapse_backend_client::ListPolicy::Lenient);
    let report = table.build().unwrap().export(directory.path()).pages_per_file(9).await.unwrap();
    assert_eq!((report.rows, report.skipped_pages), (80, 2));
}

#[tokio::test]
async fn empty_list_has_one_file() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(0)).await;
    let directory = tempfile::tempdir().unwrap();
    let report = small_files(&client, directory.path()).await.unwrap();
    assert_eq!((report.rows, report.files.len(), read(&report).len()), (0, 1, 0));
}

/// Items that come again in a later file are noticed: one is added at the front for each that is deleted.
#[tokio::test]
async fn shifted_list_fails_across_files() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let directory = tempfile::tempdir().unwrap();
    let is_page_3 = |parts: &synapse_test_backend::http::request::Parts| {
        parts.uri.query().is_some_and(|query| query.contains("page=3"))
    };
    let seen = Arc::new(Mutex::new(None));
    let last = seen.clone();
    let keep = move |page: &mut serde_json::Value| {
        *last.lock().unwrap() = page["results"].as_array().and_then(|items| items.last().cloned());
    };
    let is_page_2 = |parts: &synapse_test_backend::http::request::Parts| {
        parts.uri.query().is_some_and(|query| query.contains("page=2&") || query.ends_with("page=2"))
    };
    backend.inject(Fault::edit_json(keep).on("GET", EVENTS).when(is_page_2).always());
    let shift = move |page: &mut serde_json::Value| {
        if let (Some(item), Some(items)) = (seen.lock().unwrap().clone(), page["results"].as_array_mut()) {
            items.insert(0, item);
            items.pop();
        }
    };
    backend.inject(Fault::edit_json(shift).on("GET", EVENTS).when(is_page_3).always());
    let table = events(&client).concurrency(1).build().unwrap();
    let error = table.export(directory.path()).pages_per_file(2).await.unwrap_err().to_string();
    assert!(error.contains("repeated") && error.contains("page 3"), "{error}");
}

#[tokio::test]
async fn list_that_changed_is_refused() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let directory = tempfile::tempdir().unwrap();
    let export = || table(&client).export(directory.path()).pages_per_file(3);
    backend.inject(Fault::response(403).on("GET", EVENTS).after(5).always());
    export().await.unwrap_err();
    backend.clear_faults();
    backend.inject(Fault::edit_json(|page| page["count"] = 97.into()).on("GET", EVENTS).always());
    let error = export().await.unwrap_err().to_string();
    assert!(error.contains("from 95 to 97") || error.contains("95") && error.contains("97"), "{error}");
}

/// Runs an export in a process of its own, for the test below.
#[tokio::test]
#[ignore = "the next test starts it"]
async fn exporting_process() {
    let variable = |name| std::env::var(name).unwrap();
    let client = BackendClient::builder(variable("EXPORT_URL"))
        .access_token(variable("EXPORT_TOKEN"))
        .build()
        .unwrap();
    small_files(&client, Path::new(&variable("EXPORT_DIRECTORY"))).await.unwrap();
}

/// Exports into files of two pages, which are fetched one after the other.
fn small_files(client: &BackendClient, directory: &Path) -> synapse_datafusion::Export {
    events(client).concurrency(1).build().unwrap().export(directory).pages_per_file(2)
}

#[tokio::test]
async fn killed_export_loses_one_file_at_most() {
    let (backend, client) = started(Backend::builder().ground_truth_events(195)).await;
    let directory = tempfile::tempdir().unwrap();
    // Files that the journal has, without its first line.
    let complete = || {
        let journal = std::fs::read_to_string(directory.path().join("export.jsonl")).unwrap_or_default();
        journal.matches('\n').count().saturating_sub(1)
    };
    for (pages, files) in [(2, 1), (5, 3), (3, 4), (4, 6), (2, 7)] {
        // The page that the process is killed at has no response.
        let held = backend.inject(Fault::hold_before().on("GET", EVENTS).after(pages));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "export::exporting_process"])
            .env("EXPORT_URL", backend.url())
            .env("EXPORT_TOKEN", backend.token())
            .env("EXPORT_DIRECTORY", directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        held.wait_for_hits(1).await;
        while complete() < files {
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        backend.clear_faults();
    }
    let complete = complete();
    assert_eq!(complete, 7);
    backend.clear_requests();
    let report = small_files(&client, directory.path()).await.unwrap();
    assert_eq!((report.rows, report.resumed_files), (195, complete));
    assert_eq!(backend.requests().len(), 20 - 2 * complete);
    let mut ids: Vec<String> = texts(&read(&report)).into_iter().map(|row| row.concat()).collect();
    assert_eq!(ids.len(), 195);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 195);
}
