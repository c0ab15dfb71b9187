//! Uploads where something goes wrong, on the embedded backend: what is stored is identical or the error says what to do, no
//! byte range is accepted twice, and no completion is acted on twice.

#[path = "support/backend.rs"]
mod backend;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backend::backend;
use backend::marker::{self, Failure};
use synapse_backend_client::types::ChunkedUpload;
use synapse_backend_client::{BackendClient, CreateChunkedUpload, Error, ErrorKind, RetryPolicy, UploadPhase};
use synapse_test_backend::{Backend, BackendBuilder, Fault};
use tempfile::TempDir;

const CHUNK: u64 = 1 << 16;
/// Ten chunks and an odd rest.
const SIZE: usize = 10 * (1 << 16) + 12_345;
const UPLOADS: &str = "/chunked_upload/";

struct Setup {
    backend: Arc<Backend>,
    client: BackendClient,
    content: Vec<u8>,
    directory: TempDir,
}

/// Bytes of which no two chunks are alike.
fn content(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn quick_retry() -> RetryPolicy {
    RetryPolicy::new().retries(3).initial_backoff(Duration::from_millis(1)).max_backoff(Duration::from_millis(2))
}

impl Setup {
    async fn new() -> Self {
        Setup::of(backend()).await
    }

    async fn of(backend: BackendBuilder) -> Self {
        Setup::with(backend, SIZE).await
    }

    async fn with(backend: BackendBuilder, size: usize) -> Self {
        let backend = Arc::new(backend.record_bodies(false).start().await.unwrap());
        let client = BackendClient::builder(backend.url()).access_token(backend.token()).retry(quick_retry()).build().unwrap();
        let (content, directory) = (content(size), tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("model.pt"), &content).unwrap();
        Setup { backend, client, content, directory }
    }

    fn upload(&self) -> CreateChunkedUpload {
        let upload = self.client.create_chunked_upload(self.directory.path().join("model.pt"));
        upload.chunk_size(CHUNK).session_file(self.session_file())
    }

    fn session_file(&self) -> std::path::PathBuf {
        self.directory.path().join("model.pt.session")
    }

    /// What every upload that succeeds comes to, whatever happened on the way.
    fn assert_stored(&self, upload: &ChunkedUpload) {
        let id = upload.id.to_string();
        let stored = std::fs::read(self.backend.uploaded_file(&id).unwrap()).unwrap();
        assert!(stored == self.content, "the stored file is another");
        let mut end = 0;
        for range in self.backend.accepted_ranges(&id) {
            assert_eq!(range.start, end, "{:?}", self.backend.accepted_ranges(&id));
            end = range.end;
        }
        assert_eq!(end, self.content.len() as u64);
        for other in self.backend.upload_ids() {
            assert_eq!(self.backend.completions(&other), u64::from(other == id), "completions of {other}");
        }
        assert!(!self.session_file().exists(), "a session stays behind");
    }

    async fn succeeds(&self, fault: Fault) -> ChunkedUpload {
        self.backend.inject(fault);
        let upload = self.upload().await.unwrap();
        self.assert_stored(&upload);
        upload
    }

    async fn fails(&self, fault: Fault) -> Error {
        self.backend.inject(fault);
        self.upload().await.failure()
    }

    /// What an error leaves is gone on with, and nothing that the server has is sent again.
    async fn goes_on_after(&self, error: &Error) {
        let session = error.upload_session().expect("there is something to go on with").clone();
        assert!(self.session_file().exists());
        self.backend.clear_faults();
        self.backend.clear_requests();
        let upload = self.upload().await.unwrap();
        assert_eq!(upload.id, session.id);
        self.assert_stored(&upload);
        let resent: u64 = self.sent().iter().map(|(start, end)| end - start).sum();
        assert_eq!(resent, self.content.len() as u64 - session.offset);
    }

    /// The byte ranges that were sent, whether they were taken or not.
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
            .filter(|request| request.method == method && request.status.is_some_and(|other| other.as_u16() == status))
            .count()
    }
}

/// The chunk with this number, counted from 0.
fn chunk(fault: Fault, number: u64) -> Fault {
    fault.method("PUT").path(UPLOADS).after(number)
}

fn completion(fault: Fault) -> Fault {
    fault.on("POST", UPLOADS)
}

// ---- the connection breaks

#[tokio::test]
async fn a_connection_that_breaks_amid_a_chunk_costs_that_chunk_and_no_other() {
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
async fn a_connection_that_breaks_amid_a_chunk_of_megabytes_is_no_other_matter() {
    let setup = Setup::with(backend(), 20 << 20).await;
    for reset in [false, true] {
        let fault = Fault::cut_request(3 << 20);
        setup.backend.inject(chunk(if reset { fault.reset() } else { fault }, 1));
        let upload = setup.upload().chunk_size(8 << 20).await.unwrap();
        let stored = std::fs::read(setup.backend.uploaded_file(&upload.id.to_string()).unwrap()).unwrap();
        assert!(stored == setup.content);
    }
    assert_eq!(setup.sent().len(), 8);
}

#[tokio::test]
async fn a_connection_that_breaks_before_a_chunk_is_read_costs_that_chunk_and_no_other() {
    for number in [0, 3, 10] {
        for fault in [Fault::close(), Fault::close().reset()] {
            let setup = Setup::new().await;
            setup.succeeds(chunk(fault, number)).await;
            assert_eq!(setup.sent().len(), 12);
        }
    }
}

#[tokio::test]
async fn a_chunk_whose_answer_is_lost_is_not_sent_again() {
    for number in [1, 5, 10] {
        for fault in [Fault::lose_answer(), Fault::lose_answer().reset(), Fault::cut_answer(20), Fault::cut_answer(0).reset()] {
            let setup = Setup::new().await;
            setup.succeeds(chunk(fault, number)).await;
            assert_eq!(setup.sent().len(), 11);
            assert_eq!(setup.count("GET"), 1, "the server was asked for its offset");
        }
    }
}

#[tokio::test]
async fn a_first_chunk_whose_answer_is_lost_begins_another_upload() {
    for fault in [Fault::lose_answer(), Fault::lose_answer().reset(), Fault::cut_answer(20)] {
        let setup = Setup::new().await;
        setup.succeeds(chunk(fault, 0)).await;
        assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 12));
    }
}

#[tokio::test]
async fn a_completion_whose_answer_is_lost_is_asked_for_and_not_posted_again() {
    for fault in [Fault::lose_answer(), Fault::lose_answer().reset(), Fault::cut_answer(10), Fault::cut_answer(0)] {
        let setup = Setup::new().await;
        let upload = setup.succeeds(completion(fault)).await;
        assert!(upload.completed_at.is_some());
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
    }
}

#[tokio::test]
async fn a_completion_that_may_not_have_arrived_is_not_posted_again_by_itself() {
    for fault in [Fault::close(), Fault::close().reset(), Fault::cut_request(5), Fault::cut_request(5).reset()] {
        let setup = Setup::new().await;
        setup.backend.inject(completion(fault));
        let error = setup.upload().completion_timeout(Duration::from_millis(30)).await.failure();
        assert!(error.is_unknown_outcome(), "{error}");
        assert_eq!(setup.count("POST"), 1);
        assert_eq!(error.upload_id(), Some(&*setup.backend.upload_ids()[0]));
        assert!(error.to_string().contains("resume it"), "{error}");
        // Resumed, nothing is sent but what completes it.
        setup.goes_on_after(&error).await;
        assert_eq!((setup.sent().len(), setup.count("POST")), (0, 1));
    }
}

#[tokio::test]
async fn a_server_that_listens_late_is_waited_for() {
    marker::watch();
    // Bound and not listening, it refuses connections.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let setup = Setup::new().await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let (counted, third) = (attempts.clone(), Arc::new(tokio::sync::Notify::new()));
    let told = third.clone();
    let client = BackendClient::builder(format!("http://{address}"))
        .access_token(setup.backend.token())
        .retry(quick_retry().retries(1_000_000).max_elapsed(Duration::from_secs(60)))
        .on_attempt(move |attempt| {
            if attempt.error == Some(ErrorKind::Connect) && counted.fetch_add(1, Ordering::SeqCst) == 2 {
                told.notify_one();
            }
        })
        .build()
        .unwrap();
    let upload = tokio::spawn(client.create_chunked_upload(setup.content.clone()).chunk_size(CHUNK).send());
    third.notified().await;
    let listener = socket.listen(16).unwrap();
    let upstream = setup.backend.address();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(upstream).await.unwrap();
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    let upload = upload.await.unwrap().unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.sent().len(), 11);
}

// ---- offsets

#[tokio::test]
async fn an_offset_short_of_what_was_sent_is_followed() {
    let setup = Setup::new().await;
    // The answer says less than the server has: it refuses what is sent again, and says where it is.
    setup
        .succeeds(chunk(Fault::edit_json(|upload| upload["offset"] = (upload["offset"].as_u64().unwrap() - 1_000).into()), 4))
        .await;
    assert_eq!((setup.count_of("PUT", 400), setup.count("GET")), (1, 1));
}

#[tokio::test]
async fn an_answer_without_an_offset_is_taken_for_the_whole_chunk() {
    let setup = Setup::new().await;
    setup.succeeds(chunk(Fault::edit_json(|upload| drop(upload.as_object_mut().unwrap().remove("offset"))), 0).times(11)).await;
    assert_eq!(setup.sent().len(), 11);
}

#[tokio::test]
async fn an_offset_that_can_not_be_is_an_error_that_says_so() {
    for (number, offset) in [(3, 0_i64), (3, -1), (3, i64::MAX), (3, 3 * CHUNK as i64 - 1), (3, 4 * CHUNK as i64 + 1), (0, -7)] {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(Fault::edit_json(move |upload| upload["offset"] = offset.into()), number)).await;
        assert_eq!(error.kind(), ErrorKind::Upload);
        assert!(
            error.to_string().contains(&format!("expects byte {offset} next, which can't be: start the upload anew")),
            "{error}"
        );
        assert!(error.upload_session().is_none() && !setup.session_file().exists(), "there is nothing to go on with");
        assert_eq!(setup.count("POST"), 0);
    }
}

#[tokio::test]
async fn a_server_that_is_asked_and_says_what_can_not_be_is_an_error_too() {
    for offset in [-1_i64, i64::MAX, 7 * CHUNK as i64] {
        let setup = Setup::new().await;
        setup.backend.inject(Fault::edit_json(move |upload| upload["offset"] = offset.into()).on("GET", UPLOADS));
        let error = setup.fails(chunk(Fault::lose_answer(), 2)).await;
        assert!(error.to_string().contains(&format!("expects byte {offset} next, which can't be")), "{error}");
        assert_eq!(setup.count("POST"), 0);
    }
}

#[tokio::test]
async fn a_server_that_does_not_come_on_is_given_up_after_a_few_attempts() {
    let setup = Setup::new().await;
    let stuck = Fault::answer(200).json(r#"{"id": "x", "offset": 65536, "completed_at": null}"#);
    let error = setup.fails(chunk(stuck, 1).always()).await;
    assert!(
        error.to_string().contains("the upload doesn't come on, after 4 attempts: the server took nothing of the chunk"),
        "{error}"
    );
    assert_eq!(setup.sent().len(), 5);
    setup.goes_on_after(&error).await;
}

#[tokio::test]
async fn a_server_that_goes_back_and_forth_is_given_up_too() {
    let setup = Setup::new().await;
    let mismatch = r#"{"detail": "Offsets do not match", "expected_offset": 65536, "provided_offset": 196608}"#;
    let third = |parts: &synapse_test_backend::http::request::Parts| {
        parts.headers.get("content-range").is_some_and(|range| range.to_str().unwrap().starts_with("bytes 196608-"))
    };
    setup.backend.inject(Fault::answer(400).json(mismatch).method("PUT").when(third).always());
    setup.backend.inject(Fault::edit_json(|upload| upload["offset"] = 65536.into()).on("GET", UPLOADS).always());
    setup.backend.inject(
        Fault::answer(200)
            .json(r#"{"id": "x", "offset": 131072, "completed_at": null}"#)
            .method("PUT")
            .when(|parts| {
                parts.headers.get("content-range").is_some_and(|range| range.to_str().unwrap().starts_with("bytes 65536-"))
            })
            .always(),
    );
    setup.backend.inject(
        Fault::answer(200)
            .json(r#"{"id": "x", "offset": 196608, "completed_at": null}"#)
            .method("PUT")
            .when(|parts| {
                parts.headers.get("content-range").is_some_and(|range| range.to_str().unwrap().starts_with("bytes 131072-"))
            })
            .always(),
    );
    let error = setup.upload().await.failure();
    assert!(error.to_string().contains("the upload doesn't come on, after 4 attempts"), "{error}");
    assert!(setup.sent().len() < 20, "{:?}", setup.sent());
}

// ---- completion

#[tokio::test]
async fn a_gateway_that_gives_up_on_the_completion_does_not_make_it_happen_twice() {
    for status in [500, 502, 503, 504, 520] {
        let setup = Setup::new().await;
        // The server behind it goes on and finishes.
        let finished = Arc::new(AtomicUsize::new(0));
        let asked = finished.clone();
        setup.backend.inject(
            Fault::edit_json(move |upload| {
                if asked.fetch_add(1, Ordering::SeqCst) < 2 {
                    upload["completed_at"] = serde_json::Value::Null;
                }
            })
            .on("GET", UPLOADS)
            .always(),
        );
        setup.backend.inject(completion(Fault::lose_answer()));
        let upload = setup.upload().await.unwrap();
        setup.assert_stored(&upload);
        assert_eq!((setup.count("POST"), setup.count("GET")), (1, 3));

        let setup = Setup::new().await;
        setup.backend.inject(completion(Fault::proxy_page(status)));
        let error = setup.upload().completion_timeout(Duration::from_millis(30)).await.failure();
        assert_eq!((setup.count("POST"), error.status().unwrap().as_u16()), (1, status), "{error}");
        setup.goes_on_after(&error).await;
    }
}

#[tokio::test]
async fn a_completion_that_the_application_puts_off_is_posted_again() {
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::answer(503).json(r#"{"detail": "busy"}"#)).times(2)).await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (3, 0));
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::answer(429).json(r#"{"detail": "throttled"}"#))).await;
    assert_eq!((setup.count("POST"), setup.count("GET")), (2, 0));
}

#[tokio::test]
async fn an_upload_that_is_complete_already_is_a_success() {
    let setup = Setup::new().await;
    let said = Fault::answer(400).json(r#"{"detail": "Upload has already been marked as \"complete\""}"#);
    setup.backend.inject(completion(said));
    setup.backend.inject(Fault::edit_json(|upload| upload["completed_at"] = "2026-01-01T00:00:00Z".into()).on("GET", UPLOADS));
    let upload = setup.upload().await.unwrap();
    assert!(upload.completed_at.is_some());
    assert_eq!((setup.count("POST"), setup.count("GET")), (1, 1));
}

/// Turns a byte over in what the server has, when all of it is there.
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
async fn bytes_that_the_server_has_wrong_are_an_error_that_tells_the_sums() {
    let setup = Setup::new().await;
    let error = spoiling(&setup).await.failure();
    assert!(error.is_bad_request() && error.response().unwrap().detail() == Some("checksum does not match"), "{error}");
    let told = error.to_string();
    assert!(told.contains("the file's MD5 is ") && told.contains(" is another, which it doesn't tell: upload it anew"), "{told}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "there is nothing to go on with");
    assert_eq!(setup.backend.completions(&setup.backend.upload_ids()[0]), 0);

    // Where the server tells its own sum, that is told too.
    let setup = Setup::new().await;
    let theirs = "00112233445566778899aabbccddeeff";
    setup.backend.inject(Fault::edit_json(move |upload| upload["checksum"] = theirs.into()).on("GET", UPLOADS));
    let told = spoiling(&setup).await.failure().to_string();
    assert!(told.contains(&format!(" is {theirs}: upload it anew")), "{told}");
}

#[tokio::test]
async fn a_completion_that_tells_another_sum_or_size_is_no_success() {
    let theirs = "00112233445566778899aabbccddeeff";
    for (field, value, said) in [
        ("checksum", serde_json::json!(theirs), format!("that of what the server has is {theirs}: upload it anew")),
        (
            "size",
            serde_json::json!(SIZE - 1),
            format!("the server's file has {} bytes and this one {SIZE}: start the upload anew", SIZE - 1),
        ),
    ] {
        let setup = Setup::new().await;
        let error = setup.fails(completion(Fault::edit_json(move |upload| upload[field] = value.clone()))).await;
        assert!(error.to_string().contains(&said), "{error}");
        assert!(!setup.session_file().exists());
    }
    // A sum of another kind is none that can be compared, and one in capitals is the same.
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::edit_json(|upload| upload["checksum"] = "sha256:00".into()))).await;
}

// ---- statuses

#[tokio::test]
async fn a_storm_of_503_is_sat_out() {
    for answer in [
        || Fault::answer(503).json(r#"{"detail": "busy"}"#).header("Retry-After", "0"),
        || Fault::answer(503).json(r#"{"detail": "busy"}"#),
        || Fault::proxy_page(503),
        || Fault::proxy_page(502),
        || Fault::answer(500),
        || Fault::answer(429).header("Retry-After", "0").json(r#"{"detail": "throttled"}"#),
        || Fault::answer(408),
    ] {
        let setup = Setup::new().await;
        for number in [0, 4, 10] {
            setup.backend.inject(chunk(answer(), number).times(3));
        }
        let upload = setup.upload().await.unwrap();
        setup.assert_stored(&upload);
        assert_eq!(setup.sent().len(), 11 + 9);
    }
}

#[tokio::test]
async fn a_storm_that_does_not_end_leaves_what_can_be_gone_on_with() {
    for answer in [Fault::answer(503).json(r#"{"detail": "busy"}"#), Fault::proxy_page(503), Fault::answer(500)] {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(answer, 4).always()).await;
        assert_eq!(error.attempts(), 4, "{error}");
        assert_eq!(error.upload_session().unwrap().offset, 4 * CHUNK);
        setup.goes_on_after(&error).await;
    }
}

#[tokio::test]
async fn a_storm_in_which_the_server_can_not_be_asked_either_leaves_what_can_be_gone_on_with() {
    let setup = Setup::new().await;
    setup.backend.inject(Fault::proxy_page(503).on("GET", UPLOADS).always());
    let error = setup.fails(chunk(Fault::proxy_page(502), 4).always()).await;
    assert!(error.to_string().starts_with("asking where the upload stands, after: "), "{error}");
    setup.goes_on_after(&error).await;
}

#[tokio::test]
async fn a_chunk_that_is_too_large_is_an_error_that_tells_to_set_another_size() {
    // In front of the application, whose answer comes before the chunk is sent.
    let setup = Setup::with(backend().max_upload_bytes(1 << 20), 9 << 20).await;
    let error = setup.upload().chunk_size(3 << 20).await.failure();
    assert!(error.is_too_large() && error.upload_session().is_none(), "{error:?}");
    let hint = "sending 3145728 bytes in a chunk, more than is taken: set a smaller chunk_size: ";
    assert!(error.to_string().starts_with(hint), "{error}");
    // As it says.
    let upload = setup.upload().chunk_size(1 << 19).await.unwrap();
    setup.assert_stored(&upload);

    let setup = Setup::new().await;
    let error = setup.fails(chunk(Fault::proxy_page(413), 4)).await;
    assert!(error.is_too_large(), "{error}");
    setup.goes_on_after(&error).await;
}

#[tokio::test]
async fn a_file_that_the_application_does_not_take_is_its_own_error() {
    let setup = Setup::of(backend().max_file_bytes(1_000)).await;
    let error = setup.upload().await.failure();
    assert!(error.is_bad_request() && error.to_string().contains("Size of file exceeds the limit"), "{error}");
    assert_eq!(setup.sent().len(), 1);
}

#[tokio::test]
async fn what_may_not_be_done_ends_the_upload_which_can_be_gone_on_with() {
    for status in [401, 403] {
        let setup = Setup::new().await;
        let error = setup.fails(chunk(Fault::answer(status).json(r#"{"detail": "no"}"#), 4)).await;
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(setup.sent().len(), 5);
        setup.goes_on_after(&error).await;
    }
}

// ---- the server loses the upload

#[tokio::test]
async fn an_upload_that_expires_is_sent_anew_once() {
    for fault in
        [Fault::answer(404).json(r#"{"detail": "Not found."}"#), Fault::answer(410).json(r#"{"detail": "Upload has expired"}"#)]
    {
        let setup = Setup::new().await;
        setup.succeeds(chunk(fault, 4)).await;
        assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 5 + 11));
    }
    // By the server's own clock.
    let setup = Setup::new().await;
    let backend = setup.backend.clone();
    let upload = setup.upload().on_session(move |session| {
        if session.offset == 3 * CHUNK && backend.upload_ids().len() == 1 {
            assert!(backend.expire_upload(&session.id.to_string()));
        }
    });
    let upload = upload.await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn an_upload_that_expires_again_and_again_is_an_error() {
    let setup = Setup::new().await;
    let backend = setup.backend.clone();
    let upload = setup.upload().on_session(move |session| assert!(backend.expire_upload(&session.id.to_string())));
    let error = upload.await.failure();
    assert_eq!(error.status().unwrap().as_u16(), 410, "{error}");
    assert!(error.upload_session().is_none() && !setup.session_file().exists(), "there is nothing to go on with");
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn an_upload_that_expires_before_its_completion_is_sent_anew() {
    let setup = Setup::new().await;
    setup.succeeds(completion(Fault::answer(410).json(r#"{"detail": "Upload has expired"}"#))).await;
    assert_eq!((setup.backend.upload_ids().len(), setup.sent().len()), (2, 22));
    // Or while it is asked for whether it is complete.
    let setup = Setup::new().await;
    setup.backend.inject(Fault::answer(404).json(r#"{"detail": "Not found."}"#).on("GET", UPLOADS));
    setup.succeeds(completion(Fault::close())).await;
    assert_eq!(setup.backend.upload_ids().len(), 2);
}

#[tokio::test]
async fn an_upload_that_expired_before_it_was_resumed_is_sent_anew() {
    let setup = Setup::new().await;
    let error = setup.fails(chunk(Fault::answer(403), 4)).await;
    let session = error.upload_session().unwrap().clone();
    assert!(setup.backend.expire_upload(&session.id.to_string()));
    let upload = setup.upload().await.unwrap();
    assert_ne!(upload.id, session.id);
    setup.assert_stored(&upload);
}

// ---- where the chunks go

#[tokio::test]
async fn a_url_at_another_host_gets_nothing() {
    let elsewhere = backend().start().await.unwrap();
    let setup = Setup::new().await;
    let url = format!("{}/somewhere/else/", elsewhere.url());
    let error = setup.fails(chunk(Fault::edit_json(move |upload| upload["url"] = url.clone().into()), 0)).await;
    assert_eq!(error.kind(), ErrorKind::ForeignUrl);
    assert!(error.to_string().contains("nothing was sent there"), "{error}");
    assert_eq!((elsewhere.connections(), setup.sent().len()), (0, 1));
}

#[tokio::test]
async fn a_url_that_is_the_same_but_for_its_host_is_put_onto_the_base_url() {
    let elsewhere = backend().start().await.unwrap();
    let setup = Setup::of(backend().path_prefix("/api/v1").public_url(elsewhere.url())).await;
    let upload = setup.upload().await.unwrap();
    setup.assert_stored(&upload);
    assert_eq!(elsewhere.connections(), 0);
    assert!(setup.backend.requests().iter().all(|request| request.path.starts_with("/api/v1/chunked_upload/")));
}

#[tokio::test]
async fn an_answer_without_a_url_has_the_documents_own() {
    let setup = Setup::new().await;
    setup.succeeds(chunk(Fault::edit_json(|upload| drop(upload.as_object_mut().unwrap().remove("url"))), 0)).await;
}
