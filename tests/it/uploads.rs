//! Uploads without server faults, and uploads whose source, session or caller causes an error.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::backend::backend;
use crate::support::marker::{self, Failure, assert_debug_hidden, secret};
use bytes::Bytes;
use futures_util::stream;
use synapse_backend_client::types::ChunkedUpload;
use synapse_backend_client::{
    BackendClient, CreateChunkedUpload, Credentials, CredentialsFuture, CredentialsProvider,
    CredentialsReason, Error, ModelFile, ResumableSource, RetryPolicy, RewindableSource, StreamSource,
    UploadPhase, UploadProgress, UploadSession, bytes,
};
use synapse_test_backend::{Backend, BackendBuilder, Fault};
use tempfile::TempDir;

const CHUNK: u64 = 1_000;
const SIZE: usize = 4_500;

struct Setup {
    backend: Arc<Backend>,
    client: BackendClient,
    content: Vec<u8>,
    directory: TempDir,
}

impl Setup {
    async fn new() -> Self {
        Setup::of(backend()).await
    }

    async fn of(backend: BackendBuilder) -> Self {
        let backend = Arc::new(backend.start().await.unwrap());
        let client = BackendClient::builder(backend.url())
            .access_token(backend.token())
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let content = (0..SIZE).map(|at| (at * 31 / 7) as u8).collect();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("model.pt"), &content).unwrap();
        Setup { backend, client, content, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("model.pt")
    }

    fn session_file(&self) -> PathBuf {
        self.directory.path().join("model.pt.session")
    }

    fn upload(&self) -> CreateChunkedUpload {
        self.client.create_chunked_upload(self.path()).chunk_size(CHUNK)
    }

    fn assert_stored(&self, upload: &ChunkedUpload) {
        let id = upload.id.to_string();
        assert!(std::fs::read(self.backend.uploaded_file(&id).unwrap()).unwrap() == self.content);
        assert_eq!(self.backend.completions(&id), 1);
    }

    /// Returns the requests as `PUT 0-999`, `POST`, `GET`.
    fn requests(&self) -> Vec<String> {
        let requests = self.backend.requests();
        let line = |request: &synapse_test_backend::RecordedRequest| match request.header("content-range") {
            Some(range) => format!("PUT {}", range.trim_start_matches("bytes ").split('/').next().unwrap()),
            None => request.method.to_string(),
        };
        requests.iter().map(line).collect()
    }

    /// Returns the session of an upload that failed after two chunks.
    async fn broken_off(&self) -> UploadSession {
        let fault = self.backend.inject(Fault::response(403).method("PUT").after(2));
        let error = self.upload().session_file(self.session_file()).await.failure();
        fault.remove();
        self.backend.clear_requests();
        error.upload_session().unwrap().clone()
    }
}

// ---- sources

/// A file as a custom source.
struct Again {
    path: PathBuf,
    /// Whether reads end in the middle.
    short: bool,
    refuses: bool,
}

impl RewindableSource for Again {
    fn size(&self) -> io::Result<u64> {
        std::fs::metadata(&self.path).map(|metadata| metadata.len())
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        if self.refuses {
            return Err(io::Error::other("the store is away"));
        }
        let rest = std::fs::read(&self.path)?.split_off(offset as usize);
        let length = if self.short { rest.len() as u64 / 2 } else { u64::MAX };
        Ok(Box::new(io::Cursor::new(rest).take(length)))
    }

    fn modified(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).ok()?.modified().ok()
    }

    fn file_name(&self) -> Option<String> {
        Some("again.pt".to_owned())
    }
}

#[tokio::test]
async fn every_kind_of_source_is_uploaded() {
    let setup = Setup::new().await;
    let path = setup.path();
    let again = Again { path: path.clone(), short: false, refuses: false };
    let chunks = |size: usize| {
        setup.content.chunks(size).map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)))
    };
    let sources = [
        (setup.client.create_chunked_upload(path.as_path()), "model.pt"),
        (setup.client.create_chunked_upload(path.to_str().unwrap()), "model.pt"),
        (setup.client.create_chunked_upload(Bytes::from(setup.content.clone())), "file"),
        (setup.client.create_chunked_upload(ResumableSource::from_rewindable(again)), "again.pt"),
        (
            setup.client.create_chunked_upload(StreamSource::reader(
                io::Cursor::new(setup.content.clone()),
                SIZE as u64,
            )),
            "file",
        ),
        (
            setup.client.create_chunked_upload(StreamSource::stream(
                stream::iter(chunks(700).collect::<Vec<_>>()),
                SIZE as u64,
            )),
            "file",
        ),
    ];
    for (upload, name) in sources {
        for upload in [upload.chunk_size(CHUNK)] {
            let upload = upload.await.unwrap();
            setup.assert_stored(&upload);
            assert_eq!(upload.filename.as_deref(), Some(name));
        }
    }
}

#[tokio::test]
async fn default_chunk_size_by_source_kind() {
    let setup = Setup::of(backend().record_bodies(false)).await;
    let size = (50 << 20) + 1;
    let path = setup.directory.path().join("large");
    std::fs::File::create(&path).unwrap().set_len(size).unwrap();
    setup.client.create_chunked_upload(path.as_path()).await.unwrap();
    assert_eq!(setup.requests(), ["PUT 0-52428799", "PUT 52428800-52428800", "POST"]);
    setup.backend.clear_requests();
    let kept = tokio::fs::File::open(&path).await.unwrap();
    setup.client.create_chunked_upload(StreamSource::reader(kept, size)).await.unwrap();
    assert_eq!(setup.requests()[..2], ["PUT 0-8388607", "PUT 8388608-16777215"]);
}

#[tokio::test]
async fn stream_of_wrong_length_fails() {
    let setup = Setup::new().await;
    for (size, message) in [
        (SIZE as u64 + 1, "the source ended after 4500 of 4501 bytes"),
        (SIZE as u64 - 1, "the source has more than the announced 4499 bytes"),
        (CHUNK, "the source has more than the announced 1000 bytes"),
    ] {
        setup.backend.clear_requests();
        let source = StreamSource::reader(io::Cursor::new(setup.content.clone()), size);
        let error = setup.client.create_chunked_upload(source).chunk_size(CHUNK).await.failure();
        assert!(error.is_io() && error.to_string().contains(message), "{error}");
        assert!(error.upload_session().is_none(), "a stream can't be read again");
        assert!(!setup.requests().contains(&"POST".to_owned()));
    }
}

#[tokio::test]
async fn failing_stream_reports_own_error() {
    let setup = Setup::new().await;
    let chunks = [Ok(Bytes::from_static(b"0123")), Err(io::Error::other("the pipe burst"))];
    let source = StreamSource::stream(stream::iter(chunks), 10);
    let error = setup.client.create_chunked_upload(source).chunk_size(5).await.failure();
    assert!(error.is_io() && error.to_string().contains("the pipe burst"), "{error}");
    assert_eq!(setup.backend.upload_ids().len(), 0);
}

#[tokio::test]
async fn unreadable_source_leaves_session() {
    let setup = Setup::new().await;
    let source =
        |short, refuses| ResumableSource::from_rewindable(Again { path: setup.path(), short, refuses });
    let error = setup.client.create_chunked_upload(source(false, true)).await.failure();
    assert!(
        error.is_io() && error.to_string().contains("again.pt: the file can't be read: the store is away"),
        "{error}"
    );
    // The second of two megabytes can't be read.
    let mut setup = setup;
    setup.content = (0..2_u32 << 20).map(|at| (at * 31 / 7) as u8).collect();
    std::fs::write(setup.path(), &setup.content).unwrap();
    let source =
        |short| ResumableSource::from_rewindable(Again { path: setup.path(), short, refuses: false });
    let error = setup.client.create_chunked_upload(source(true)).chunk_size(300_000).await.failure();
    assert!(error.is_io() && error.to_string().contains("again.pt: the file became shorter"), "{error}");
    let session = error.upload_session().unwrap().clone();
    assert_eq!(session.offset, 900_000);
    let upload = setup.client.resume_chunked_upload(session, source(false)).await.unwrap();
    setup.assert_stored(&upload);
}

type Change = dyn Fn(&Path) + Send + Sync;

/// Changes the file when the second chunk has arrived.
async fn changing(setup: &Setup, change: Box<Change>) -> Error {
    let path = setup.path();
    let upload = setup.upload().session_file(setup.session_file()).on_session(move |session| {
        if session.offset == 2 * CHUNK {
            change(&path);
        }
    });
    upload.await.failure()
}

#[tokio::test]
async fn changed_file_is_never_completed() {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let touch = move |path: &Path| {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap()
    };
    let grow = |path: &Path| {
        io::Write::write_all(&mut std::fs::File::options().append(true).open(path).unwrap(), b"x").unwrap()
    };
    let shrink =
        |path: &Path| std::fs::File::options().write(true).open(path).unwrap().set_len(2_500).unwrap();
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    let changes: [(Box<Change>, &str); 4] = [
        (Box::new(touch), "the file was changed while it was uploaded"),
        (Box::new(grow), "the file had 4500 bytes when its upload began and has 4501 now"),
        (Box::new(shrink), "bytes when its upload began and has 2500 now"),
        (Box::new(remove), "the file can't be read"),
    ];
    for (change, message) in changes {
        let setup = Setup::new().await;
        let error = changing(&setup, change).await;
        assert!(error.is_io() && error.to_string().contains(message), "{error}");
        assert!(error.to_string().contains("model.pt"), "{error}");
        assert!(!setup.requests().contains(&"POST".to_owned()));
        // The current file is another one, so its upload restarts.
        std::fs::write(setup.path(), &setup.content).unwrap();
        let upload = setup.upload().session_file(setup.session_file()).await.unwrap();
        setup.assert_stored(&upload);
        assert_eq!(setup.backend.upload_ids().len(), 2);
    }
}

// ---- progress

#[tokio::test]
async fn upload_progress_reported_in_order() {
    let setup = Setup::new().await;
    let reported = Arc::new(Mutex::new(Vec::<UploadProgress>::new()));
    let sink = reported.clone();
    setup.upload().on_progress(move |progress| sink.lock().unwrap().push(progress)).await.unwrap();
    let reported = std::mem::take(&mut *reported.lock().unwrap());
    let mut phases: Vec<_> = reported.iter().map(|progress| progress.phase).collect();
    phases.dedup();
    assert_eq!(phases, [UploadPhase::Sending, UploadPhase::Completing, UploadPhase::Complete]);
    assert!(reported.windows(2).all(|pair| pair[0].bytes_sent <= pair[1].bytes_sent), "{reported:?}");
    assert!(
        reported
            .iter()
            .all(|progress| progress.bytes_total == SIZE as u64 && progress.bytes_per_second.is_finite())
    );
    assert_eq!(reported.last().unwrap().bytes_sent, SIZE as u64);
}

#[tokio::test]
async fn resumed_upload_reports_hashing() {
    let setup = Setup::new().await;
    let session = setup.broken_off().await;
    let reported = Arc::new(Mutex::new(Vec::<UploadProgress>::new()));
    let sink = reported.clone();
    let upload = setup.client.resume_chunked_upload(session, setup.path());
    upload.on_progress(move |progress| sink.lock().unwrap().push(progress)).await.unwrap();
    let reported = std::mem::take(&mut *reported.lock().unwrap());
    let mut phases: Vec<_> = reported.iter().map(|progress| progress.phase).collect();
    phases.dedup();
    assert_eq!(
        phases,
        [UploadPhase::Hashing, UploadPhase::Sending, UploadPhase::Completing, UploadPhase::Complete]
    );
    let hashed = reported
        .iter()
        .filter(|progress| progress.phase == UploadPhase::Hashing)
        .map(|progress| progress.bytes_sent);
    assert_eq!(hashed.max(), Some(2 * CHUNK));
    let within =
        |pair: &[UploadProgress]| pair[0].phase != pair[1].phase || pair[0].bytes_sent <= pair[1].bytes_sent;
    assert!(reported.windows(2).all(within), "{reported:?}");
    // Bytes that the server already has count as sent.
    let sending = reported.iter().find(|progress| progress.phase == UploadPhase::Sending);
    assert_eq!(sending.map(|progress| progress.bytes_sent), Some(2 * CHUNK));
}

// ---- sessions

#[tokio::test]
async fn session_offered_after_each_chunk() {
    let setup = Setup::new().await;
    let offered = Arc::new(Mutex::new(Vec::<UploadSession>::new()));
    let sink = offered.clone();
    let upload =
        setup.upload().on_session(move |session| sink.lock().unwrap().push(session.clone())).await.unwrap();
    let offered = std::mem::take(&mut *offered.lock().unwrap());
    assert_eq!(
        offered.iter().map(|session| session.offset).collect::<Vec<_>>(),
        [1_000, 2_000, 3_000, 4_000, 4_500]
    );
    for session in offered {
        assert_eq!(
            (session.id.to_string(), session.size, session.chunk_size),
            (upload.id.to_string(), 4_500, 1_000)
        );
        let text = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<UploadSession>(&text).unwrap(), session);
    }
}

#[tokio::test]
async fn session_resumes_at_server_offset() {
    let setup = Setup::new().await;
    let session = setup.broken_off().await;
    assert_eq!(session.offset, 2 * CHUNK);
    // An older session of the same upload works as well.
    let older: UploadSession = {
        let mut json = serde_json::to_value(&session).unwrap();
        json["offset"] = 1_000.into();
        serde_json::from_value(json).unwrap()
    };
    let upload = setup.client.resume_chunked_upload(older, setup.path()).await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.requests(), ["GET", "PUT 2000-2999", "PUT 3000-3999", "PUT 4000-4499", "POST"]);
}

#[tokio::test]
async fn session_ahead_of_server_steps_back() {
    let setup = Setup::new().await;
    let mut json = serde_json::to_value(setup.broken_off().await).unwrap();
    json["offset"] = 3_000.into();
    let upload = setup
        .client
        .resume_chunked_upload(serde_json::from_value(json).unwrap(), setup.path())
        .await
        .unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.requests(), ["GET", "PUT 2000-2999", "PUT 3000-3999", "PUT 4000-4499", "POST"]);
}

#[tokio::test]
async fn resume_of_complete_sends_nothing() {
    let setup = Setup::new().await;
    let session = setup.broken_off().await;
    let upload = setup.client.resume_chunked_upload(session.clone(), setup.path()).await.unwrap();
    setup.backend.clear_requests();
    let again = setup.client.resume_chunked_upload(session, setup.path()).await.unwrap();
    assert_eq!((again.id, setup.requests()), (upload.id, vec!["GET".to_owned()]));
}

#[tokio::test]
async fn unusable_session_sends_nothing() {
    let setup = Setup::new().await;
    let session = serde_json::to_value(setup.broken_off().await).unwrap();
    let edited = |field: &str, value: serde_json::Value| {
        let mut session = session.clone();
        if field == "digest" {
            // Without a digest, only the modification time is compared.
            session["modified"] = 7.into();
        }
        session[field] = value;
        serde_json::from_value::<UploadSession>(session).unwrap()
    };
    for (session, message) in [
        (edited("version", 3.into()), "the session has format 3, but this crate reads the formats 1 to 2"),
        (edited("version", 0.into()), "the session has format 0, but this crate reads the formats 1 to 2"),
        (edited("chunk_size", 0.into()), "the session's values are invalid"),
        (edited("offset", 4_501.into()), "the session's values are invalid"),
        (edited("size", 4_501.into()), "the file isn't the one that the upload began with"),
        (edited("digest", serde_json::Value::Null), "the file isn't the one that the upload began with"),
        (
            edited("url", "https://elsewhere.example/chunked_upload/1/".into()),
            "its upload is on another server than",
        ),
        (edited("url", "nowhere".into()), "its upload is on another server than"),
    ] {
        let error = setup.client.resume_chunked_upload(session, setup.path()).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains(message), "{error}");
    }
    assert_eq!(setup.requests(), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn session_file_private_and_removed() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new().await;
    let session = setup.broken_off().await;
    let file = setup.session_file();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(serde_json::from_slice::<UploadSession>(&std::fs::read(&file).unwrap()).unwrap(), session);
    let upload = setup.upload().session_file(&file).await.unwrap();
    assert_eq!(upload.id, session.id);
    setup.assert_stored(&upload);
    let left: Vec<_> =
        std::fs::read_dir(setup.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["model.pt"]);
}

#[tokio::test]
async fn invalid_session_file_is_kept() {
    let setup = Setup::new().await;
    std::fs::write(setup.session_file(), b"my notes").unwrap();
    let error = setup.upload().session_file(setup.session_file()).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("contains no session"), "{error}");
    assert_eq!(std::fs::read(setup.session_file()).unwrap(), b"my notes");
    assert_eq!(setup.requests(), [""; 0]);
    // A session file that can't be created is an error.
    let error =
        setup.upload().session_file(setup.directory.path().join("no/such/directory/s")).await.failure();
    assert!(error.is_io() && error.upload_session().is_some(), "{error}");
}

#[tokio::test]
async fn session_file_of_changed_file_restarts() {
    let mut setup = Setup::new().await;
    let session = setup.broken_off().await;
    setup.content[0] ^= 1;
    setup.content.push(7);
    std::fs::write(setup.path(), &setup.content).unwrap();
    let upload = setup.upload().session_file(setup.session_file()).await.unwrap();
    assert_ne!(upload.id, session.id);
    setup.assert_stored(&upload);
}

#[tokio::test]
async fn stream_refuses_session_file() {
    let setup = Setup::new().await;
    let source = StreamSource::reader(io::Cursor::new(vec![1]), 1);
    let error = setup.client.create_chunked_upload(source).session_file(setup.session_file()).await.failure();
    assert!(
        error.is_invalid_input()
            && error.to_string().contains("session_file: an upload of a `StreamSource` can't be resumed")
    );
    assert_eq!(setup.requests(), [""; 0]);
}

#[tokio::test]
async fn session_shows_no_signature() {
    let setup = Setup::new().await;
    let sign = |upload: &mut serde_json::Value| {
        upload["url"] = format!("{}?sig={}", upload["url"].as_str().unwrap(), secret("sig")).into();
    };
    setup.backend.inject(Fault::response(403).method("PUT").after(2));
    setup.backend.inject(Fault::edit_json(sign).method("PUT").always());
    let error = setup.upload().await.failure();
    let session = error.upload_session().unwrap();
    assert!(session.url.as_str().contains(marker::MARKER));
    assert_debug_hidden("a session", session);
    assert!(
        setup.backend.requests()[1].query.as_deref().is_some_and(|query| query.contains("sig=")),
        "the URL is followed"
    );
    assert_debug_hidden(
        "an upload that is resumed",
        &setup.client.resume_chunked_upload(session.clone(), setup.path()),
    );
    let upload = setup.upload().on_progress(|_| {}).session_file("s");
    assert_debug_hidden("an upload", &upload);
}

// ---- dropped and timed-out uploads

/// Longer than any test waits.
const ENDLESS: Duration = Duration::from_secs(3_600);

/// Waits for a condition. Fails after a minute.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the condition is never met");
}

#[tokio::test]
async fn dropped_upload_stops_and_resumes() {
    let setup = Setup::new().await;
    for number in 0..4 {
        let held =
            setup.backend.inject(Fault::hold_before().method("PUT").after(if number == 0 { 1 } else { 0 }));
        let upload = setup.upload().session_file(setup.session_file());
        tokio::select! {
            outcome = upload.send() => panic!("{outcome:?}"),
            () = held.wait_for_hits(1) => {}
        }
        held.release();
        held.remove();
    }
    setup.backend.clear_requests();
    let upload = setup.upload().session_file(setup.session_file()).await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.backend.upload_ids().len(), 1);
}

#[tokio::test]
async fn dropped_upload_never_overlaps_resume() {
    let setup = Setup::new().await;
    // The server has the second chunk and holds its response.
    let held = setup.backend.inject(Fault::hold_after().method("PUT").after(1));
    let alive = Arc::new(());
    let kept = alive.clone();
    let upload = setup.upload().session_file(setup.session_file()).on_progress(move |_| drop(kept.clone()));
    let upload = upload.read_timeout(ENDLESS);
    let second_is_there = until(|| {
        let ids = setup.backend.upload_ids();
        ids.first().is_some_and(|id| setup.backend.accepted_ranges(id).len() == 2)
    });
    tokio::select! {
        outcome = upload.send() => panic!("{outcome:?}"),
        () = second_is_there => {}
    }
    // The dropped upload's tasks have ended.
    until(|| Arc::strong_count(&alive) == 1).await;
    setup.backend.clear_requests();
    let upload = setup.upload().session_file(setup.session_file()).await.unwrap();
    held.release();
    setup.assert_stored(&upload);
    assert_eq!(setup.requests(), ["GET", "PUT 2000-2999", "PUT 3000-3999", "PUT 4000-4499", "POST"]);
}

#[tokio::test]
async fn upload_timeout_leaves_session() {
    let setup = Setup::new().await;
    let held = setup.backend.inject(Fault::hold_before().method("PUT").after(2));
    let error = setup.upload().timeout(Duration::from_millis(1_000)).await.failure();
    assert!(error.is_timeout(), "{error}");
    let session = error.upload_session().unwrap().clone();
    held.release();
    let upload = setup.client.resume_chunked_upload(session, setup.path()).await.unwrap();
    setup.assert_stored(&upload);
}

#[tokio::test]
async fn chunk_timeout_retries_chunk() {
    let setup = Setup::new().await;
    let held = setup.backend.inject(Fault::hold_after().method("PUT").after(2));
    let retry = RetryPolicy::new().max_retries(50).initial_backoff(Duration::from_millis(1));
    let upload = setup.upload().retry(retry).chunk_timeout(Duration::from_millis(200)).await.unwrap();
    setup.assert_stored(&upload);
    // On a slow machine, more than one chunk may time out.
    assert!(setup.requests().contains(&"GET".to_owned()));
    held.release();
}

#[tokio::test]
async fn invalid_upload_settings_send_nothing() {
    let setup = Setup::new().await;
    let upload = setup
        .upload()
        .chunk_size(0)
        .file_name("a\nb")
        .chunk_timeout(Duration::ZERO)
        .completion_timeout(Duration::ZERO);
    let error = upload
        .timeout(Duration::ZERO)
        .read_timeout(Duration::ZERO)
        .session_file("/")
        .header("host", "h")
        .await
        .failure();
    assert!(error.is_invalid_input());
    let message = error.to_string();
    for name in [
        "chunk_size",
        "file_name",
        "chunk_timeout",
        "completion_timeout",
        "timeout: ",
        "read_timeout",
        "session_file",
        "header `host`",
    ] {
        assert!(message.contains(name), "{name}: {message}");
    }
    assert_eq!(setup.requests(), [""; 0]);
}

// ---- credentials

struct Rotating(AtomicBool, String);

impl CredentialsProvider for Rotating {
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
        let token = if reason == CredentialsReason::Rejected || self.0.swap(true, Ordering::SeqCst) {
            self.1.clone()
        } else {
            secret("old")
        };
        Box::pin(async move { Ok(Credentials::new().access_token(token)) })
    }
}

#[tokio::test]
async fn expiring_token_renewed_in_upload() {
    let setup = Setup::new().await;
    let provider = Rotating(AtomicBool::new(false), setup.backend.token().to_owned());
    let client = BackendClient::builder(setup.backend.url()).credentials_provider(provider).build().unwrap();
    let upload = client.create_chunked_upload(setup.path()).chunk_size(CHUNK).await.unwrap();
    setup.assert_stored(&upload);
    let puts = setup.requests().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 6, "the first chunk was refused once");
}

// ---- create_model

#[tokio::test]
async fn refused_model_reuses_session_file() {
    let setup = Setup::new().await;
    let create = |name: &str| {
        let name = name.to_owned();
        let model = setup
            .client
            .create_model(setup.path(), move |m| m.name(name).model_type("detection").project(123));
        model.chunk_size(CHUNK).session_file(setup.session_file())
    };
    setup.backend.inject(Fault::response(400).json(r#"{"name": ["Taken."]}"#).on("POST", "/models/"));
    let error = create("taken").await.failure();
    assert!(error.is_bad_request() && error.upload_id().is_some(), "{error}");
    setup.backend.clear_requests();
    let model = create("free").await.unwrap();
    assert_eq!((model.name.as_str(), setup.requests()), ("free", vec!["GET".to_owned(), "POST".to_owned()]));
    assert!(!setup.session_file().exists());

    // A session isn't kept if the server refuses its upload.
    for refusal in [
        r#"{"chunked_upload": ["Invalid pk."]}"#,
        r#"{"detail": "No.", "errors": {"chunked_upload": ["Invalid pk."]}}"#,
    ] {
        setup.backend.inject(Fault::response(400).json(refusal).on("POST", "/models/"));
        let error = create("another").await.failure();
        assert!(error.is_bad_request() && !setup.session_file().exists(), "{error}");
    }
}

#[tokio::test]
async fn model_timeout_spans_upload_and_create() {
    let setup = Setup::new().await;
    let create =
        || setup.client.create_model(setup.path(), |m| m.name("n").model_type("detection").project(123));
    let held = setup.backend.inject(Fault::hold_before().method("PUT"));
    let error = create().timeout(Duration::from_millis(200)).await.failure();
    assert!(error.is_timeout() && error.to_string().starts_with("uploading the model's file: "), "{error}");
    held.release();
    let held = setup.backend.inject(Fault::hold_before().on("POST", "/models/"));
    let error = create().timeout(Duration::from_secs(2)).await.failure();
    assert!(error.is_timeout() && error.is_unknown_outcome() && error.upload_id().is_some(), "{error}");
    held.release();
    let model = setup.client.create_model(ModelFile::uploaded(error.upload_id().unwrap()), |m| {
        m.name("n").model_type("detection")
    });
    drop(model);
}

// ---- many files

#[tokio::test]
async fn upload_all_keeps_result_order() {
    let setup = Setup::new().await;
    let paths: Vec<_> = (0..7).map(|number| setup.directory.path().join(format!("{number}.pt"))).collect();
    for (number, path) in paths.iter().enumerate().filter(|(number, _)| *number != 3) {
        std::fs::write(path, vec![number as u8; 2_500]).unwrap();
    }
    let sessions = setup.directory.path().to_owned();
    let each = move |index, upload: CreateChunkedUpload| {
        upload.chunk_size(CHUNK).session_file(sessions.join(format!("{index}.session")))
    };
    let uploads = setup.client.upload_all(paths).concurrency(3).each(each).await.unwrap();
    assert_eq!(uploads.len(), 7);
    for (number, upload) in uploads.into_iter().enumerate() {
        match upload {
            Ok(upload) => {
                let stored =
                    std::fs::read(setup.backend.uploaded_file(&upload.id.to_string()).unwrap()).unwrap();
                assert_eq!(stored, vec![number as u8; 2_500]);
                assert_eq!(upload.filename.as_deref(), Some(&*format!("{number}.pt")));
            }
            Err(error) => assert!(number == 3 && error.is_io(), "{number}: {error}"),
        }
    }
    assert!(setup.backend.peak_in_flight() <= 3);
}

#[tokio::test]
async fn upload_all_reaches_concurrency() {
    let setup = Setup::new().await;
    let files = || (0..6).map(|_| setup.content.clone());
    let held = setup.backend.inject(Fault::hold_before().method("PUT").always());
    tokio::select! {
        outcome = setup.client.upload_all(files()).concurrency(4).send() => panic!("{outcome:?}"),
        () = held.wait_for_hits(4) => {}
    }
    assert_eq!(held.hits(), 4);
    held.release();
    held.remove();
    setup.backend.clear_requests();
    let uploads = setup.client.upload_all(files()).concurrency(1).await.unwrap();
    assert!(uploads.iter().all(Result::is_ok));
    assert_eq!(setup.requests(), ["PUT 0-4499", "POST"].repeat(6));

    let error = setup.client.upload_all(files()).concurrency(0).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("concurrency"), "{error}");
    assert!(setup.client.upload_all(Vec::<PathBuf>::new()).await.unwrap().is_empty());
}

/// A source whose instances are counted.
struct Counted {
    _alive: Arc<()>,
}

impl RewindableSource for Counted {
    fn size(&self) -> io::Result<u64> {
        Ok(SIZE as u64)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::repeat(7).take(SIZE as u64 - offset)))
    }
}

#[tokio::test]
async fn upload_all_never_exceeds_concurrency() {
    let setup = Setup::new().await;
    let (alive, in_progress) = (Arc::new(()), Arc::new(Mutex::new((0, 0))));
    let files = || (0..8).map(|_| ResumableSource::from_rewindable(Counted { _alive: alive.clone() }));
    let upload_all = |counts: Arc<Mutex<(usize, usize)>>| {
        setup.client.upload_all(files()).concurrency(3).each(move |_, upload| {
            let (counts, started) = (counts.clone(), AtomicBool::new(false));
            upload.chunk_size(CHUNK).read_timeout(ENDLESS).on_progress(move |progress| {
                let (now, most) = &mut *counts.lock().unwrap();
                if !started.swap(true, Ordering::SeqCst) {
                    *now += 1;
                    *most = (*now).max(*most);
                }
                if progress.phase == UploadPhase::Complete {
                    *now -= 1;
                }
            })
        })
    };
    let uploads = upload_all(in_progress.clone()).await.unwrap();
    assert!(uploads.len() == 8 && uploads.iter().all(Result::is_ok));
    let (now, most) = *in_progress.lock().unwrap();
    assert_eq!(now, 0);
    assert!((1..=3).contains(&most), "{most} at once");

    let held = setup.backend.inject(Fault::hold_before().method("PUT").always());
    tokio::select! {
        outcome = upload_all(Arc::default()).send() => panic!("{outcome:?}"),
        () = held.wait_for_hits(3) => {}
    }
    until(|| Arc::strong_count(&alive) == 1).await;
    assert_eq!(held.hits(), 3);
    held.remove();
}

/// A source whose store is unavailable.
struct Away;

impl RewindableSource for Away {
    fn size(&self) -> io::Result<u64> {
        Err(io::Error::other("the store is away"))
    }

    fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send>> {
        unreachable!("a source without a size is never opened")
    }
}

#[tokio::test]
async fn unknown_source_size_sends_nothing() {
    let setup = Setup::new().await;
    let error = setup.client.create_chunked_upload(ResumableSource::from_rewindable(Away)).await.failure();
    assert!(error.is_io() && error.to_string().contains("the store is away"), "{error}");
    assert_eq!(setup.requests(), [""; 0]);
}
