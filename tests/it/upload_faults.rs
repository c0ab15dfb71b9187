//! Failing uploads on the embedded backend. The stored file is identical, or the error says what to do. No
//! byte range is accepted twice, and no upload is completed twice.

use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::backend::backend;
use crate::support::marker::{self, Failure, TOKEN, secret};
use crate::support::soon::soon;
use crate::support::tcp_server::accept;
use md5::{Digest, Md5};
use synapse_backend_client::types::ChunkedUpload;
use synapse_backend_client::{
    BackendClient, BackendClientBuilder, CreateChunkedUpload, Credentials, CredentialsFuture,
    CredentialsProvider, CredentialsReason, Error, ErrorKind, RetryPolicy, StreamSource, UploadPhase,
    reqwest,
};
use synapse_test_backend::{Backend, BackendBuilder, Fault};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const CHUNK: u64 = 1 << 16;
/// Ten chunks and an incomplete one.
const SIZE: usize = 10 * (1 << 16) + 12_345;
const UPLOADS: &str = "/chunked_upload/";

struct Setup {
    backend: Arc<Backend>,
    client: BackendClient,
    content: Vec<u8>,
    directory: TempDir,
}

/// Returns bytes in which no two chunks are equal.
fn content(size: usize) -> Vec<u8> {
    let words =
        (0..size as u64 / 8 + 1).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    words.take(size).collect()
}

/// Uses another implementation than the client does.
fn md5_of(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quick_retry() -> RetryPolicy {
    RetryPolicy::new()
        .max_retries(3)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(2))
}

impl Setup {
    async fn new() -> Self {
        Setup::of(backend()).await
    }

    async fn of(backend: BackendBuilder) -> Self {
        Setup::with(backend, SIZE).await
    }

    async fn with(backend: BackendBuilder, size: usize) -> Self {
        Setup::built(backend, size, |client| client).await
    }

    async fn built(
        backend: BackendBuilder,
        size: usize,
        set: impl FnOnce(BackendClientBuilder) -> BackendClientBuilder,
    ) -> Self {
        let backend = Arc::new(backend.record_bodies(false).start().await.unwrap());
        let client = BackendClient::builder(backend.url()).access_token(backend.token()).retry(quick_retry());
        // The system's certificates aren't needed, and loading them takes long.
        let client = client.http(|| reqwest::ClientBuilder::new().tls_certs_only([]));
        let client = set(client).build().unwrap();
        let (content, directory) = (content(size), tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("model.pt"), &content).unwrap();
        Setup { backend, client, content, directory }
    }

    fn upload(&self) -> CreateChunkedUpload {
        self.client.create_chunked_upload(self.file()).chunk_size(CHUNK).session_file(self.session_file())
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("model.pt")
    }

    fn session_file(&self) -> PathBuf {
        self.directory.path().join("model.pt.session")
    }

    /// Asserts the result of every upload that succeeds, whatever happened before.
    fn assert_stored(&self, upload: &ChunkedUpload) {
        let id = upload.id.to_string();
        let stored = std::fs::read(self.backend.uploaded_file(&id).unwrap()).unwrap();
        assert!(stored == self.content, "the stored file has other bytes");
        let mut end = 0;
        for range in self.backend.accepted_ranges(&id) {
            assert_eq!(range.start, end, "{:?}", self.backend.accepted_ranges(&id));
            end = range.end;
        }
        assert_eq!(end, self.content.len() as u64);
        for other in self.backend.upload_ids() {
            assert_eq!(self.backend.completions(&other), u64::from(other == id), "completions of {other}");
        }
        assert!(!self.session_file().exists(), "the session file still exists");
    }

    async fn succeeds(&self, fault: Fault) -> ChunkedUpload {
        self.backend.inject(fault);
        let upload = soon(self.upload()).await.unwrap();
        self.assert_stored(&upload);
        upload
    }

    async fn fails(&self, fault: Fault) -> Error {
        self.backend.inject(fault);
        soon(self.upload()).await.failure()
    }

    /// Resumes the upload after an error. No byte that the server has is sent again.
    async fn resumes_after(&self, error: &Error) {
        let session = error.upload_session().expect("a session is left").clone();
        assert!(self.session_file().exists());
        self.backend.clear_faults();
        self.backend.clear_requests();
        let upload = soon(self.upload()).await.unwrap();
        assert_eq!(upload.id, session.id);
        self.assert_stored(&upload);
        let resent: u64 = self.sent().iter().map(|(start, end)| end - start).sum();
        assert_eq!(resent, self.content.len() as u64 - session.offset);
    }

    /// Resumes the upload after an error. The server may have more bytes than the error reported.
    async fn succeeds_after(&self) {
        self.backend.clear_faults();
        let upload = soon(self.upload()).await.unwrap();
        self.assert_stored(&upload);
        assert_eq!(self.backend.upload_ids().len(), 1);
    }

    /// Returns the byte ranges that were sent, whether they were accepted or not.
    fn sent(&self) -> Vec<(u64, u64)> {
        let range = |text: &str| {
            let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            Some((first.parse().ok()?, last.parse::<u64>().ok()? + 1))
        };
        self.backend.requests().iter().filter_map(|request| range(request.header("content-range")?)).collect()
    }

    fn count(&self, method: &str) -> usize {
        self.backend.requests().iter().filter(|request| request.method == method).count()
    }

    fn count_of(&self, method: &str, status: u16) -> usize {
        let requests = self.backend.requests();
        requests
            .iter()
            .filter(|request| {
                request.method == method && request.status.is_some_and(|other| other.as_u16() == status)
            })
            .count()
    }
}

/// Applies the fault to the chunk with this number, counted from 0.
fn chunk(fault: Fault, number: u64) -> Fault {
    fault.method("PUT").path(UPLOADS).after(number)
}

fn completion(fault: Fault) -> Fault {
    fault.on("POST", UPLOADS)
}

// ---- broken connections

#[tokio::test]
async fn connection_cut_in_chunk_resends_chunk() {
    for number in [0, 1, 5, 10] {
        for cut in [0, 1, 300, 40_000] {
            for reset in [false, true] {
                let setup = Setup::new().await;
                let fault = Fault::cut_request(cut);
                setup.succeeds(chunk(if reset { fault.reset() } else { fault }, number)).await;
                assert_eq!(setup.sent().len(), 12, "chunk {number} cut at {cut}");
            }
        }
    }
}

#[tokio::test]
async fn cut_in_large_chunk_resends_one_chunk() {
    for reset in [false, true] {
        let setup = Setup::with(backend(), 20 << 20).await;
        let fault = Fault::cut_request(3 << 20);
        setup.backend.inject(chunk(if reset { fault.reset() } else { fault }, 1));
        let upload = soon(setup.upload().chunk_size(8 << 20)).await.unwrap();
        setup.assert_stored(&upload);
        assert_eq!(setup.sent().len(), 4);
    }
}

#[tokio::test]
async fn closed_before_chunk_resends_one_chunk() {
    for number in [0, 3, 10] {
        for fault in [Fault::close(), Fault::close().reset()] {
            let setup = Setup::new().await;
            setup.succeeds(chunk(fault, number)).await;
            assert_eq!(setup.sent().len(), 12);
        }
    }
}

#[tokio::test]
async fn chunk_resent_on_new_connection() {
    let setup = Setup::new().await;
    setup.succeeds(chunk(Fault::close(), 4)).await;
    let requests = setup.backend.requests();
    let again = requests
        .iter()
        .rposition(|request| request.header("content-range") == requests[4].header("content-range"));
    let (before, rest) = requests.split_at(again.unwrap());
    assert!(
        before.len() > 4 && before.iter().all(|request| request.connection != rest[0].connection),
        "{requests:?}"
    );
}

#[tokio::test]
async fn lost_chunk_answer_is_not_resent() {
    for number in [1, 5, 10] {
        for fault in [
            Fault::lose_answer(),
            Fault::lose_answer().reset(),
            Fault::cut_answer(20),
            Fault::cut_answer(0).reset(),
        ] {
            let setup = Setup::new().await;
            setup.succeeds(chunk(fault, number)).await;
            assert_eq!(setup.sent().len(), 11);
            assert_eq!(setup.count("GET"), 1, "the server was asked for its offset");
        }
    }
}

#[tokio::test]
async fn truncated_answer_counts_as_lost() {
    let half = || Fault::replace_body(r#"{"id": "2f0b", "off"#);
    let setup = Setup::new().await;
    setup.succeeds(chunk(half(), 4)).await;
    assert_eq!((setup.sent().len(), setup.count("GET")), (11, 1));
    let setup = Setup::new().await;
    setup.succeeds(chunk(half(), 0)).await;
    assert_eq!((setup.sent().len(), setup.backend.upload_ids().len()), (12, 2));
    // The server acted on the completion, so an unreadable response isn't a failure.
    for fault in [half(), Fault::replace_body("<html>Welcome!</html>")] {
        let setup = Setup::new().await;
        setup.succeeds(completion(fault)).await;
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
    }
}

#[tokio::test]
async fn lost_first_answer_starts_new_upload() {
    for fault in [Fault::lose_answer(), Fault::lose_answer().reset(), Fault::cut_answer(20)] {
        let setup = Setup::new().await;
        setup.succeeds(chunk(fault, 0)).await;
        assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 12));
    }
}

#[tokio::test]
async fn lost_completion_answer_is_queried() {
    for fault in
        [Fault::lose_answer(), Fault::lose_answer().reset(), Fault::cut_answer(10), Fault::cut_answer(0)]
    {
        let setup = Setup::new().await;
        let upload = setup.succeeds(completion(fault)).await;
        assert!(upload.completed_at.is_some());
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
    }
}

#[tokio::test]
async fn uncertain_completion_is_not_reposted() {
    for fault in
        [Fault::close(), Fault::close().reset(), Fault::cut_request(5), Fault::cut_request(5).reset()]
    {
        let setup = Setup::new().await;
        setup.backend.inject(completion(fault));
        let error = soon(setup.upload().completion_timeout(Duration::from_millis(100))).await.failure();
        assert!(error.is_unknown_outcome(), "{error}");
        assert_eq!(setup.count("POST"), 1);
        assert_eq!(error.upload_id(), Some(&*setup.backend.upload_ids()[0]));
        assert!(error.to_string().contains("resume it"), "{error}");
        // The resumed upload sends no chunk, only the completion.
        setup.resumes_after(&error).await;
        assert_eq!((setup.sent().len(), setup.count("POST")), (0, 1));
    }
}

/// Returns a client that retries for as long as the server is unavailable, and a notification of its third
/// refused connection.
fn patient(setup: &Setup, address: SocketAddr) -> (BackendClient, Arc<Notify>) {
    let (refused, third) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let notify = third.clone();
    let client = BackendClient::builder(format!("http://{address}"))
        .access_token(setup.backend.token())
        .retry(quick_retry().max_retries(1_000_000).max_elapsed(Duration::from_secs(60)))
        .on_attempt(move |attempt| {
            if attempt.error == Some(ErrorKind::Connect) && refused.fetch_add(1, Ordering::SeqCst) == 2 {
                notify.notify_one();
            }
        });
    (client.build().unwrap(), third)
}

/// Forwards connections to the backend. A shutdown of the tasks closes them.
fn forward(setup: &Setup, listener: TcpListener) -> JoinSet<()> {
    let upstream = setup.backend.address();
    accept(listener, move |mut near, _| async move {
        let mut server = TcpStream::connect(upstream).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut near, &mut server).await);
    })
}

/// Returns a socket that is bound but doesn't listen, so it refuses connections. Several sockets can be bound
/// to the same address if only one of them listens.
fn refusing(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

#[tokio::test]
async fn late_listening_server_is_retried() {
    let setup = Setup::new().await;
    let socket = refusing("127.0.0.1:0".parse().unwrap());
    let (client, third) = patient(&setup, socket.local_addr().unwrap());
    let upload = tokio::spawn(client.create_chunked_upload(setup.content.clone()).chunk_size(CHUNK).send());
    soon(third.notified()).await;
    let _forwarding = forward(&setup, socket.listen(16).unwrap());
    let upload = soon(upload).await.unwrap().unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.sent().len(), 11);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_restart_during_upload_recovers() {
    for held in [
        Fault::hold_before().method("PUT").after(4),
        Fault::hold_after().method("PUT").after(4),
        Fault::hold_after().method("POST"),
    ] {
        let setup = Setup::new().await;
        let first = refusing("127.0.0.1:0".parse().unwrap());
        let address = first.local_addr().unwrap();
        let second = refusing(address);
        let mut forwarding = forward(&setup, first.listen(16).unwrap());
        let held = setup.backend.inject(held);
        let (client, third) = patient(&setup, address);
        let upload =
            tokio::spawn(client.create_chunked_upload(setup.content.clone()).chunk_size(CHUNK).send());
        soon(held.wait_for_hits(1)).await;
        forwarding.shutdown().await;
        held.release();
        soon(third.notified()).await;
        let _forwarding = forward(&setup, second.listen(16).unwrap());
        let upload = soon(upload).await.unwrap().unwrap();
        setup.assert_stored(&upload);
        assert_eq!(setup.count("POST"), 1);
    }
}

// ---- offsets

#[tokio::test]
async fn short_offset_in_answer_is_followed() {
    let setup = Setup::new().await;
    // The response reports less than the server has. The server refuses the chunk that is sent again, and the
    // client asks for the offset.
    setup
        .succeeds(chunk(
            Fault::edit_json(|upload| upload["offset"] = (upload["offset"].as_u64().unwrap() - 1_000).into()),
            4,
        ))
        .await;
    assert_eq!((setup.count_of("PUT", 400), setup.count("GET")), (1, 1));
}

#[tokio::test]
async fn missing_offset_means_whole_chunk() {
    let setup = Setup::new().await;
    setup
        .succeeds(
            chunk(Fault::edit_json(|upload| drop(upload.as_object_mut().unwrap().remove("offset"))), 0)
                .times(11),
        )
        .await;
    assert_eq!(setup.sent().len(), 11);
}

#[tokio::test]
async fn impossible_offset_is_an_error() {
    for (number, offset) in
        [(3, 0_i64), (3, -1), (3, i64::MAX), (3, 3 * CHUNK as i64 - 1), (3, 4 * CHUNK as i64 + 1), (0, -7)]
    {
        let setup = Setup::new().await;
        let error = setup
            .fails(chunk(Fault::edit_json(move |upload| upload["offset"] = offset.into()), number))
            .await;
        assert_eq!(error.kind(), ErrorKind::Upload);
        assert!(
            error.to_string().contains(&format!("expects byte {offset} next: start a new upload")),
            "{error}"
        );
        assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
        assert_eq!(setup.count("POST"), 0);
    }
}

#[tokio::test]
async fn impossible_queried_offset_is_an_error() {
    for offset in [-1_i64, i64::MAX, 7 * CHUNK as i64] {
        let setup = Setup::new().await;
        setup
            .backend
            .inject(Fault::edit_json(move |upload| upload["offset"] = offset.into()).on("GET", UPLOADS));
        let error = setup.fails(chunk(Fault::lose_answer(), 2)).await;
        assert!(error.to_string().contains(&format!("expects byte {offset} next")), "{error}");
        assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
        assert_eq!(setup.count("POST"), 0);
    }
    // The response to an offset request must contain an offset.
    let setup = Setup::new().await;
    setup.backend.inject(
        Fault::edit_json(|upload| drop(upload.as_object_mut().unwrap().remove("offset"))).on("GET", UPLOADS),
    );
    let error = setup.fails(chunk(Fault::lose_answer(), 2)).await;
    assert!(error.to_string().contains("the server doesn't say which byte it expects next"), "{error}");
    assert_eq!((error.kind(), setup.count("POST")), (ErrorKind::Upload, 0));
}

#[tokio::test]
async fn stalled_offset_aborts_upload() {
    let setup = Setup::new().await;
    let backend = setup.backend.clone();
    let upload = setup.upload().on_session(move |session| {
        let stuck = format!(r#"{{"id": "{}", "offset": 65536, "completed_at": null}}"#, session.id);
        backend.inject(Fault::response(200).json(stuck).method("PUT").always());
    });
    let error = soon(upload).await.failure();
    assert!(
        error.to_string().contains(
            "the upload makes no progress, after 4 attempts: the server took no bytes of the chunk"
        ),
        "{error}"
    );
    assert_eq!(setup.sent().len(), 5);
    setup.resumes_after(&error).await;
}

#[tokio::test]
async fn oscillating_offset_aborts_upload() {
    let setup = Setup::new().await;
    let mismatch =
        r#"{"detail": "Offsets do not match", "expected_offset": 65536, "provided_offset": 196608}"#;
    let from = |first: &'static str| {
        move |parts: &synapse_test_backend::http::request::Parts| {
            parts.headers.get("content-range").is_some_and(|range| range.to_str().unwrap().starts_with(first))
        }
    };
    setup
        .backend
        .inject(Fault::response(400).json(mismatch).method("PUT").when(from("bytes 196608-")).always());
    setup
        .backend
        .inject(Fault::edit_json(|upload| upload["offset"] = 65536.into()).on("GET", UPLOADS).always());
    let backend = setup.backend.clone();
    let upload = setup.upload().on_session(move |session| {
        if session.offset == CHUNK {
            for (first, offset) in [("bytes 65536-", 131_072), ("bytes 131072-", 196_608)] {
                let response =
                    format!(r#"{{"id": "{}", "offset": {offset}, "completed_at": null}}"#, session.id);
                backend.inject(Fault::response(200).json(response).method("PUT").when(from(first)).always());
            }
        }
    });
    let error = soon(upload).await.failure();
    assert!(error.to_string().contains("the upload makes no progress, after 4 attempts"), "{error}");
    assert!(setup.sent().len() < 20, "{:?}", setup.sent());
}

// ---- responses that aren't from the server

/// JSON responses with status 200 that a middlebox may send.
const MIDDLEBOX: [&str; 12] = [
    r#"{"ok": true}"#,
    "[]",
    "{}",
    "null",
    "7",
    r#""x""#,
    r#"{"login": "https://portal.example/", "session": 5}"#,
    r#"{"id": null, "offset": null}"#,
    r#"{"id": {"a": 1}}"#,
    r#"{"id": "another", "offset": 99, "completed_at": null}"#,
    r#"{"id": 5, "offset": 327680, "completed_at": "2026-01-01T00:00:00Z", "file": "/f"}"#,
    r#"[{"id": 5}]"#,
];

#[tokio::test]
async fn middlebox_chunk_answer_is_rechecked() {
    for body in MIDDLEBOX {
        for arrives in [true, false] {
            let setup = Setup::new().await;
            let fault = if arrives { Fault::replace_body(body) } else { Fault::response(200).json(body) };
            setup.succeeds(chunk(fault, 4)).await;
            assert_eq!(
                (setup.count("GET"), setup.sent().len()),
                (1, if arrives { 11 } else { 12 }),
                "{body}"
            );
        }
    }
    // The upload has no id yet, so its offset can't be requested.
    let setup = Setup::new().await;
    setup.succeeds(chunk(Fault::response(200).json(r#"{"ok": true}"#), 0)).await;
    assert_eq!((setup.count("GET"), setup.sent().len()), (0, 12));
    // If every response is invalid, the upload fails in the end.
    let setup = Setup::new().await;
    let error = setup.fails(Fault::response(200).json(r#"{"ok": true}"#).path(UPLOADS).always()).await;
    assert!(error.is_decode(), "{error:?}");
}

#[tokio::test]
async fn middlebox_completion_is_rechecked() {
    for body in MIDDLEBOX {
        let setup = Setup::new().await;
        setup.succeeds(completion(Fault::replace_body(body))).await;
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1), "{body}");
        // The completion never reached the server, so no response counts as a success.
        let setup = Setup::new().await;
        setup.backend.inject(completion(Fault::response(200).json(body)));
        let error = soon(setup.upload().completion_timeout(Duration::from_millis(50))).await.failure();
        assert!(error.upload_session().is_some() && setup.count("GET") >= 1, "{body}: {error:?}");
        setup.resumes_after(&error).await;
    }
}

#[tokio::test]
async fn incomplete_completion_is_queried() {
    let setup = Setup::new().await;
    let fault = completion(Fault::edit_json(|upload| upload["completed_at"] = serde_json::Value::Null));
    setup.succeeds(fault).await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
    // A release without `completed_at` reports success by the status alone.
    let setup = Setup::new().await;
    setup
        .succeeds(completion(Fault::edit_json(|upload| {
            drop(upload.as_object_mut().unwrap().remove("completed_at"))
        })))
        .await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (1, 0));
    // The response to an offset request is invalid if it is for another upload.
    let setup = Setup::new().await;
    let other = Fault::edit_json(|upload| {
        upload["id"] = "another".into();
        upload["completed_at"] = "2026-01-01T00:00:00Z".into();
    });
    setup.backend.inject(other.on("GET", UPLOADS).always());
    setup.backend.inject(completion(Fault::close()));
    let error = soon(setup.upload().completion_timeout(Duration::from_millis(50))).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
    setup.resumes_after(&error).await;
    let setup = Setup::new().await;
    setup.backend.inject(Fault::edit_json(|upload| upload["id"] = "another".into()).on("GET", UPLOADS));
    let error = setup.fails(chunk(Fault::lose_answer(), 4)).await;
    assert!(error.to_string().contains("the response is for another upload (another)"), "{error}");
    setup.succeeds_after().await;
}

#[tokio::test]
async fn non_numeric_offset_is_queried() {
    for offset in
        [serde_json::json!("65536"), serde_json::json!(1.5), serde_json::json!({}), serde_json::json!(1e30)]
    {
        let setup = Setup::new().await;
        let odd = offset.clone();
        setup.succeeds(chunk(Fault::edit_json(move |upload| upload["offset"] = odd.clone()), 4)).await;
        assert_eq!((setup.count("GET"), setup.sent().len()), (1, 11), "{offset}");
        let setup = Setup::new().await;
        let odd = offset.clone();
        setup
            .backend
            .inject(Fault::edit_json(move |upload| upload["offset"] = odd.clone()).on("GET", UPLOADS));
        let error = setup.fails(chunk(Fault::lose_answer(), 4)).await;
        assert!(error.is_decode(), "{offset}: {error:?}");
        setup.succeeds_after().await;
    }
    let setup = Setup::new().await;
    setup.succeeds(chunk(Fault::edit_json(|upload| upload["offset"] = serde_json::Value::Null), 4)).await;
    assert_eq!(setup.sent().len(), 11);
}

// ---- completion

#[tokio::test]
async fn forbidden_completion_query_fails_fast() {
    for status in [401, 403] {
        let setup = Setup::new().await;
        setup.backend.inject(Fault::response(status).json(r#"{"detail": "no"}"#).on("GET", UPLOADS).always());
        // The default completion timeout is five minutes, but the upload fails at once.
        let error = setup.fails(completion(Fault::lose_answer())).await;
        assert!(error.is_unknown_outcome(), "{error}");
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
        assert!(error.upload_session().is_some() && error.upload_id().is_some());
    }
}

#[tokio::test]
async fn gateway_timeout_completes_only_once() {
    for status in [500, 502, 503, 504, 520] {
        let setup = Setup::new().await;
        // The server behind the gateway completes the upload, and reports it on the third request.
        let asked = AtomicUsize::new(0);
        let finishing = Fault::edit_json(move |upload| {
            if asked.fetch_add(1, Ordering::SeqCst) == 2 {
                upload["completed_at"] = "2026-01-01T00:00:00Z".into();
            }
        });
        setup.backend.inject(finishing.on("GET", UPLOADS).always());
        setup.backend.inject(completion(Fault::proxy_page(status)));
        let upload = soon(setup.upload()).await.unwrap();
        assert!(upload.completed_at.is_some() && !setup.session_file().exists());
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 3));

        let setup = Setup::new().await;
        setup.backend.inject(completion(Fault::proxy_page(status)));
        let error = soon(setup.upload().completion_timeout(Duration::from_millis(300))).await.failure();
        assert_eq!((setup.count("POST"), error.status().unwrap().as_u16()), (1, status), "{error}");
        assert!(error.is_unknown_outcome() || status == 500, "{error:?}");
        assert_eq!(error.upload_id(), Some(&*setup.backend.upload_ids()[0]));
        setup.resumes_after(&error).await;
    }
}

#[tokio::test]
async fn throttled_completion_is_reposted() {
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::response(503).json(r#"{"detail": "busy"}"#)).times(2)).await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (3, 0));
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::response(429).json(r#"{"detail": "throttled"}"#))).await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (2, 0));
}

#[tokio::test]
async fn timed_out_completion_is_queried() {
    let setup = Setup::new().await;
    let held = setup.backend.inject(completion(Fault::hold_after()));
    let upload = soon(setup.upload().completion_timeout(Duration::from_millis(500))).await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!((setup.count("POST"), held.hits()), (1, 1));
}

#[tokio::test]
async fn late_completion_found_on_resume() {
    let setup = Setup::new().await;
    let held = setup.backend.inject(completion(Fault::hold_before()));
    let error = soon(setup.upload().completion_timeout(Duration::from_millis(200))).await.failure();
    assert!(error.is_unknown_outcome(), "{error}");
    let id = setup.backend.upload_ids().remove(0);
    assert_eq!((error.upload_id(), setup.count("POST"), setup.backend.completions(&id)), (Some(&*id), 1, 0));
    held.release();
    let completed = async {
        while setup.backend.completions(&id) == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(completed).await;
    setup.backend.clear_requests();
    let session = error.upload_session().unwrap().clone();
    let upload =
        soon(setup.client.resume_chunked_upload(session, setup.file()).session_file(setup.session_file()))
            .await
            .unwrap();
    setup.assert_stored(&upload);
    assert_eq!((setup.count("PUT"), setup.count("POST"), setup.count("GET")), (0, 0, 1));
}

#[tokio::test]
async fn already_complete_upload_succeeds() {
    let setup = Setup::new().await;
    let refused =
        Fault::response(400).json(r#"{"detail": "Upload has already been marked as \"complete\""}"#);
    setup.backend.inject(completion(refused));
    setup.backend.inject(
        Fault::edit_json(|upload| upload["completed_at"] = "2026-01-01T00:00:00Z".into()).on("GET", UPLOADS),
    );
    let upload = soon(setup.upload()).await.unwrap();
    assert!(upload.completed_at.is_some());
    assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
}

/// Flips the first byte of the server's copy when all chunks have arrived.
fn spoiling(setup: &Setup) -> CreateChunkedUpload {
    let backend = setup.backend.clone();
    setup.upload().on_progress(move |progress| {
        if progress.phase == UploadPhase::Completing {
            let path = backend.uploaded_file(&backend.upload_ids()[0]).unwrap();
            let first = std::fs::read(&path).unwrap()[0];
            std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(&[!first]).unwrap();
        }
    })
}

#[tokio::test]
async fn checksum_mismatch_reports_both_md5() {
    let setup = Setup::new().await;
    let error = soon(spoiling(&setup)).await.failure();
    assert!(
        error.is_bad_request() && error.response().unwrap().detail() == Some("checksum does not match"),
        "{error}"
    );
    let message = error.to_string();
    assert!(
        message.contains(&format!("the file's MD5 is {}, but the server's copy has", md5_of(&setup.content))),
        "{message}"
    );
    assert!(message.contains("the server's copy has a different one: upload it again"), "{message}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
    assert_eq!(setup.backend.completions(&setup.backend.upload_ids()[0]), 0);

    // If the server reports its checksum, the error contains it.
    let setup = Setup::new().await;
    let theirs = "00112233445566778899aabbccddeeff";
    setup
        .backend
        .inject(Fault::edit_json(move |upload| upload["checksum"] = theirs.into()).on("GET", UPLOADS));
    let message = soon(spoiling(&setup)).await.failure().to_string();
    assert!(message.contains(&format!(" has {theirs}: upload it again")), "{message}");
}

/// Returns fields of a completed upload that contradict the file, and the errors.
fn other_files() -> [(&'static str, serde_json::Value, String); 2] {
    let theirs = "00112233445566778899aabbccddeeff";
    let checksum = format!("the server's copy has {theirs}: upload it again");
    let size =
        format!("the server's file has {} bytes, but this one has {SIZE}: start a new upload", SIZE - 1);
    [("checksum", theirs.into(), checksum), ("size", (SIZE - 1).into(), size)]
}

#[tokio::test]
async fn completion_of_other_file_fails() {
    for (field, value, message) in other_files() {
        let setup = Setup::new().await;
        let error =
            setup.fails(completion(Fault::edit_json(move |upload| upload[field] = value.clone()))).await;
        assert!(error.to_string().contains(&message), "{error}");
        assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
    }
    // A checksum of another algorithm is ignored, and case makes no difference.
    for checksum in ["sha256:00".to_owned(), md5_of(&content(SIZE)).to_uppercase()] {
        let setup = Setup::new().await;
        let edited = Fault::edit_json(move |upload| {
            upload["checksum"] = checksum.clone().into();
            upload["size"] = SIZE.into();
        });
        setup.succeeds(completion(edited)).await;
    }
}

#[tokio::test]
async fn queried_completion_of_other_file_fails() {
    for (field, value, message) in other_files() {
        let setup = Setup::new().await;
        setup.backend.inject(
            Fault::edit_json(move |upload| upload[field] = value.clone()).on("GET", UPLOADS).always(),
        );
        let error = setup.fails(completion(Fault::lose_answer())).await;
        assert!(error.to_string().contains(&message), "{error}");
        assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
        assert_eq!(setup.count("POST"), 1);
    }
}

#[tokio::test]
async fn resumed_upload_of_other_size_fails() {
    let setup = Setup::new().await;
    setup.fails(chunk(Fault::response(403), 4)).await;
    let other = Fault::edit_json(|upload| {
        upload["completed_at"] = "2026-01-01T00:00:00Z".into();
        upload["size"] = (SIZE - 1).into();
    });
    let error = setup.fails(other.on("GET", UPLOADS)).await;
    assert!(
        error.to_string().contains(&format!("has {} bytes, but this one has {SIZE}", SIZE - 1)),
        "{error}"
    );
}

// ---- statuses

#[tokio::test]
async fn repeated_503_is_retried() {
    for fault in [
        || Fault::response(503).json(r#"{"detail": "busy"}"#).header("Retry-After", "0"),
        || Fault::response(503).json(r#"{"detail": "busy"}"#),
        || Fault::proxy_page(503),
        || Fault::proxy_page(502),
        || Fault::response(500),
        || Fault::response(429).header("Retry-After", "0").json(r#"{"detail": "throttled"}"#),
        || Fault::response(408),
    ] {
        let setup = Setup::new().await;
        for number in [0, 4, 10] {
            setup.backend.inject(chunk(fault(), number).times(3));
        }
        let upload = soon(setup.upload()).await.unwrap();
        setup.assert_stored(&upload);
        assert_eq!(setup.sent().len(), 11 + 9);
    }
}

#[tokio::test]
async fn endless_503_leaves_resumable_session() {
    for fault in
        [Fault::response(503).json(r#"{"detail": "busy"}"#), Fault::proxy_page(503), Fault::response(500)]
    {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(fault, 4).always()).await;
        assert_eq!(error.attempts(), 4, "{error}");
        assert_eq!(error.upload_session().unwrap().offset, 4 * CHUNK);
        setup.resumes_after(&error).await;
    }
}

#[tokio::test]
async fn failing_offset_query_leaves_session() {
    let setup = Setup::new().await;
    setup.backend.inject(Fault::proxy_page(503).on("GET", UPLOADS).always());
    let error = setup.fails(chunk(Fault::proxy_page(502), 4).always()).await;
    assert!(error.to_string().starts_with("asking for the upload's offset, after: "), "{error}");
    setup.resumes_after(&error).await;
}

#[tokio::test]
async fn oversized_chunk_suggests_smaller_size() {
    // A proxy in front of the application responds before the chunk is sent.
    let setup = Setup::with(backend().max_upload_bytes(1 << 20), 9 << 20).await;
    let error = soon(setup.upload().chunk_size(3 << 20)).await.failure();
    assert!(error.is_too_large() && error.upload_session().is_none(), "{error:?}");
    let hint = "sending a chunk of 3145728 bytes, more than the server accepts: set a smaller chunk_size: ";
    assert!(error.to_string().starts_with(hint), "{error}");
    // The upload succeeds with a smaller chunk size, as the error suggests.
    let upload = soon(setup.upload().chunk_size(1 << 19)).await.unwrap();
    setup.assert_stored(&upload);

    let setup = Setup::new().await;
    let error = setup.fails(chunk(Fault::proxy_page(413), 4)).await;
    assert!(error.is_too_large(), "{error}");
    setup.resumes_after(&error).await;
}

#[tokio::test]
async fn file_refused_by_application_is_error() {
    let setup = Setup::of(backend().max_file_bytes(1_000)).await;
    let error = soon(setup.upload()).await.failure();
    assert!(
        error.is_bad_request() && error.to_string().contains("Size of file exceeds the limit"),
        "{error}"
    );
    assert_eq!(setup.sent().len(), 1);
}

#[tokio::test]
async fn forbidden_chunk_leaves_session() {
    for status in [401, 403] {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(Fault::response(status).json(r#"{"detail": "no"}"#), 4)).await;
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(setup.sent().len(), 5);
        setup.resumes_after(&error).await;
    }
}

/// Returns another tenant on each call.
#[derive(Clone, Default)]
struct Rotating(Arc<AtomicUsize>);

impl CredentialsProvider for Rotating {
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        assert_eq!(reason == CredentialsReason::Rejected, number > 0);
        Box::pin(
            async move { Ok(Credentials::new().access_token(TOKEN).tenant(secret(&number.to_string()))) },
        )
    }
}

async fn rotating() -> (Setup, Rotating) {
    let provider = Rotating::default();
    let given = provider.clone();
    (Setup::built(backend(), SIZE, |client| client.credentials_provider(given)).await, provider)
}

fn expired() -> Fault {
    Fault::response(401).json(r#"{"detail": "Token has expired."}"#)
}

#[tokio::test]
async fn expired_token_renewed_amid_chunks() {
    for number in [0, 1, 5, 10] {
        let (setup, provider) = rotating().await;
        setup.succeeds(chunk(expired(), number)).await;
        let (sent, number) = (setup.sent(), usize::try_from(number).unwrap());
        assert_eq!((sent.len(), sent[number]), (12, sent[number + 1]));
        assert_eq!((setup.count("GET"), provider.0.load(Ordering::SeqCst)), (0, 2));
        // After the renewal, every request carries the new credentials.
        for (index, request) in setup.backend.requests().iter().enumerate() {
            let tenant = secret(if index <= number { "0" } else { "1" });
            assert!(request.header("synapse-tenant") == Some(&format!("Token {tenant}")), "request {index}");
        }
    }
}

#[tokio::test]
async fn expired_token_renewed_at_completion() {
    let (setup, provider) = rotating().await;
    setup.succeeds(completion(expired())).await;
    assert_eq!((setup.sent().len(), setup.count("POST"), provider.0.load(Ordering::SeqCst)), (11, 2, 2));

    let (setup, provider) = rotating().await;
    setup.backend.inject(expired().on("GET", UPLOADS));
    setup.succeeds(chunk(Fault::lose_answer(), 4)).await;
    assert_eq!((setup.sent().len(), setup.count("GET"), provider.0.load(Ordering::SeqCst)), (11, 2, 2));

    // Renewed twice in one upload, for the same chunk.
    let (setup, provider) = rotating().await;
    setup.succeeds(chunk(expired(), 4).times(2)).await;
    assert_eq!((setup.sent().len(), provider.0.load(Ordering::SeqCst)), (13, 3));
}

#[tokio::test]
async fn refused_renewed_token_fails_upload() {
    let (setup, provider) = rotating().await;
    let error = setup.fails(chunk(expired(), 4).always()).await;
    assert!(setup.sent().len() <= 4 + 5 && provider.0.load(Ordering::SeqCst) <= 6, "{:?}", setup.sent());
    assert!(error.to_string().contains("Token has expired."), "{error}");
    assert!(error.is_unauthorized(), "{error:?}");
    setup.resumes_after(&error).await;
}

// ---- lost uploads

#[tokio::test]
async fn expired_upload_restarts_once() {
    for fault in [
        Fault::response(404).json(r#"{"detail": "Not found."}"#),
        Fault::response(410).json(r#"{"detail": "Upload has expired"}"#),
    ] {
        let setup = Setup::new().await;
        setup.succeeds(chunk(fault, 4)).await;
        assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 5 + 11));
    }
    // The upload expires on the server.
    let setup = Setup::new().await;
    let backend = setup.backend.clone();
    let upload = setup.upload().on_session(move |session| {
        if session.offset == 3 * CHUNK && backend.upload_ids().len() == 1 {
            assert!(backend.expire_upload(&session.id.to_string()));
        }
    });
    let upload = soon(upload).await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn repeatedly_expired_upload_fails() {
    let setup = Setup::new().await;
    let backend = setup.backend.clone();
    let upload =
        setup.upload().on_session(move |session| assert!(backend.expire_upload(&session.id.to_string())));
    let error = soon(upload).await.failure();
    assert_eq!(error.status().unwrap().as_u16(), 410, "{error}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn upload_lost_twice_hints_sticky_sessions() {
    // Each chunk but the first reaches an instance that doesn't know the upload.
    let setup = Setup::new().await;
    let next = |parts: &synapse_test_backend::http::request::Parts| {
        parts
            .headers
            .get("content-range")
            .is_some_and(|range| !range.to_str().unwrap().starts_with("bytes 0-"))
    };
    let unknown = Fault::response(404).json(r#"{"detail": "Not found."}"#).method("PUT").when(next).always();
    let error = setup.fails(unknown).await;
    assert!(error.is_not_found(), "{error:?}");
    assert!(
        error.to_string().contains("the server lost the upload twice: if it runs several instances"),
        "{error}"
    );
    assert!(error.to_string().contains("sticky sessions"), "{error}");
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn upload_expired_at_completion_restarts() {
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::response(410).json(r#"{"detail": "Upload has expired"}"#))).await;
    assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 22));
    // The upload is also lost if the status request after a completion finds nothing.
    let setup = Setup::new().await;
    setup.backend.inject(Fault::response(404).json(r#"{"detail": "Not found."}"#).on("GET", UPLOADS));
    setup.succeeds(completion(Fault::close())).await;
    assert_eq!(setup.backend.upload_ids().len(), 2);
    // The upload restarts only once.
    let setup = Setup::new().await;
    let gone = completion(Fault::response(410).json(r#"{"detail": "Upload has expired"}"#));
    let error = setup.fails(gone.always()).await;
    assert_eq!(error.status().unwrap().as_u16(), 410, "{error}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
    assert_eq!((setup.backend.upload_ids().len(), setup.count("POST")), (2, 2));
}

#[tokio::test]
async fn expired_upload_of_stream_fails() {
    let setup = Setup::new().await;
    setup.backend.inject(chunk(Fault::response(410).json(r#"{"detail": "Upload has expired"}"#), 4));
    let source = StreamSource::reader(Cursor::new(setup.content.clone()), SIZE as u64);
    let error = soon(setup.client.create_chunked_upload(source).chunk_size(CHUNK)).await.failure();
    assert_eq!(error.status().unwrap().as_u16(), 410, "{error}");
    assert!(error.to_string().contains("upload it again from a source that can be read again"), "{error}");
    assert_eq!((setup.sent().len(), setup.count("POST")), (5, 0));
}

#[tokio::test]
async fn resume_of_expired_upload_restarts() {
    for forgotten in [false, true] {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(Fault::response(403), 4)).await;
        let session = error.upload_session().unwrap().clone();
        if forgotten {
            setup.backend.inject(Fault::response(404).json(r#"{"detail": "Not found."}"#).on("GET", UPLOADS));
        } else {
            assert!(setup.backend.expire_upload(&session.id.to_string()));
        }
        setup.backend.clear_requests();
        let upload = soon(setup.upload()).await.unwrap();
        assert_ne!(upload.id, session.id);
        setup.assert_stored(&upload);
        assert_eq!((setup.count("GET"), setup.sent().len()), (1, 11));
    }
}

// ---- destinations of chunks

#[tokio::test]
async fn foreign_upload_url_gets_nothing() {
    let other = backend().start().await.unwrap();
    let setup = Setup::new().await;
    let url = format!("{}/somewhere/else/", other.url());
    let error =
        setup.fails(chunk(Fault::edit_json(move |upload| upload["url"] = url.clone().into()), 0)).await;
    assert_eq!(error.kind(), ErrorKind::CrossOrigin);
    assert!(error.to_string().contains("nothing was sent there"), "{error}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "no session is left");
    assert_eq!((other.connections(), setup.sent().len()), (0, 1));
}

#[tokio::test]
async fn cross_origin_redirect_gets_no_chunk() {
    for status in [301, 302, 303, 307, 308] {
        let other = backend().start().await.unwrap();
        for method in ["PUT", "POST"] {
            let setup = Setup::new().await;
            let url = format!("{}/chunked_upload/", other.url());
            let after = if method == "PUT" { 4 } else { 0 };
            let error = setup
                .fails(Fault::response(status).header("Location", &url).method(method).after(after))
                .await;
            assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{error}");
            assert_eq!((other.connections(), setup.count(method) as u64), (0, after + 1));
            setup.resumes_after(&error).await;
        }
    }
}

#[tokio::test]
async fn internal_host_url_mapped_to_base_url() {
    let other = backend().start().await.unwrap();
    let setup = Setup::of(backend().path_prefix("/api/v1").public_url(other.url())).await;
    let upload = soon(setup.upload()).await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(other.connections(), 0);
    assert!(
        setup.backend.requests().iter().all(|request| request.path.starts_with("/api/v1/chunked_upload/"))
    );
}

#[tokio::test]
async fn missing_upload_url_built_from_id() {
    let setup = Setup::new().await;
    setup
        .succeeds(chunk(Fault::edit_json(|upload| drop(upload.as_object_mut().unwrap().remove("url"))), 0))
        .await;
}

#[tokio::test]
async fn stripped_prefix_restored_in_url() {
    let setup = Setup::of(backend().path_prefix("/api/v1")).await;
    let query = format!("sig={}", secret("signature"));
    let signed = query.clone();
    let stripped = Fault::edit_json(move |upload| {
        let id = upload["id"].as_str().unwrap().to_owned();
        upload["url"] = format!("https://internal.example/chunked_upload/{id}/?{signed}").into();
    });
    setup.backend.inject(chunk(stripped, 0));
    let error = setup.fails(chunk(Fault::response(403), 4)).await;
    // The query is sent and kept in the session, but never shown.
    marker::assert_debug_hidden("a session", error.upload_session().unwrap());
    setup.resumes_after(&error).await;
    let requests = setup.backend.requests();
    assert!(requests.iter().all(|request| request.path.starts_with("/api/v1/chunked_upload/")));
    let sent: Vec<_> = requests.iter().filter(|request| request.method != "GET").collect();
    assert!(!sent.is_empty() && sent.iter().all(|request| request.query.as_ref() == Some(&query)));
}
