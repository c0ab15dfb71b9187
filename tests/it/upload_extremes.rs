//! Extreme numbers, sources that contradict themselves, and blocking sources: each gives an error in time and
//! never a panic.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use crate::support::backend::backend;
use crate::support::marker::Failure;
use crate::support::soon::soon;
use proptest::prelude::*;
use serde_json::json;
use synapse_backend_client::{
    BackendClient, CreateChunkedUpload, Error, ResumableSource, RetryPolicy, RewindableSource, StreamSource,
    UploadSession, reqwest,
};
use synapse_test_backend::{Backend, Fault};

const CONTENT: &[u8] = b"0123456789";

async fn start() -> (Backend, BackendClient) {
    let backend = backend().start().await.unwrap();
    let client =
        BackendClient::builder(backend.url()).access_token(backend.token()).retry(RetryPolicy::never());
    let client = client.http(|| reqwest::ClientBuilder::new().tls_certs_only([])).build().unwrap();
    (backend, client)
}

/// A source whose size is independent of its bytes.
struct Claims {
    size: u64,
    bytes: &'static [u8],
    modified: Option<SystemTime>,
}

impl Claims {
    fn of(size: u64, bytes: &'static [u8]) -> ResumableSource {
        ResumableSource::from_rewindable(Claims { size, bytes, modified: None })
    }
}

impl RewindableSource for Claims {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(Box::new(&self.bytes[offset..]))
    }

    fn modified(&self) -> Option<SystemTime> {
        self.modified
    }
}

#[tokio::test]
async fn uncountable_sizes_are_refused() {
    let (backend, client) = start().await;
    for size in [u64::MAX, u64::MAX - 1, u64::MAX - 400, i64::MAX as u64 + 1] {
        for chunk_size in [1, 4, i64::MAX as u64, u64::MAX - 200, u64::MAX] {
            let sources = [
                client.create_chunked_upload(Claims::of(size, CONTENT)),
                client.create_chunked_upload(StreamSource::reader(CONTENT, size)),
            ];
            for upload in sources {
                let error = soon(upload.chunk_size(chunk_size)).await.failure();
                assert!(error.is_invalid_input() && error.to_string().contains(&size.to_string()), "{error}");
            }
        }
    }
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test]
async fn source_shorter_than_size_fails() {
    let (backend, client) = start().await;
    for size in [11, 1_000_000, i64::MAX as u64] {
        for chunk_size in [4, i64::MAX as u64, u64::MAX] {
            let upload = client.create_chunked_upload(Claims::of(size, CONTENT)).chunk_size(chunk_size);
            let error = soon(upload.file_name("n".repeat(1_000))).await.failure();
            assert!(error.is_io() && error.to_string().contains("became shorter"), "{error}");
            let upload =
                client.create_chunked_upload(StreamSource::reader(CONTENT, size)).chunk_size(chunk_size);
            let error = soon(upload).await.failure();
            assert!(error.is_io() && error.to_string().contains("ended after 10 of "), "{error}");
        }
    }
    assert!(backend.upload_ids().iter().all(|id| backend.completions(id) == 0));
}

#[tokio::test]
async fn source_longer_than_size_fails() {
    let (backend, client) = start().await;
    for size in [1, 4, 9] {
        for chunk_size in [1, 4, u64::MAX] {
            let upload = client.create_chunked_upload(Claims::of(size, CONTENT)).chunk_size(chunk_size);
            let error = soon(upload).await.failure();
            assert!(
                error.is_io() && error.to_string().contains(&format!("more bytes than its size of {size}")),
                "{error}"
            );
        }
    }
    assert!(backend.upload_ids().iter().all(|id| backend.completions(id) == 0));
    let upload =
        soon(client.create_chunked_upload(Claims::of(10, CONTENT)).chunk_size(u64::MAX)).await.unwrap();
    assert_eq!(std::fs::read(backend.uploaded_file(&upload.id.to_string()).unwrap()).unwrap(), CONTENT);
}

/// A reader that reports more bytes than its buffer holds.
struct Boastful;

impl RewindableSource for Boastful {
    fn size(&self) -> io::Result<u64> {
        Ok(10)
    }

    fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send>> {
        struct Reader;
        impl Read for Reader {
            fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
                Ok(room.len() + 1)
            }
        }
        Ok(Box::new(Reader))
    }
}

#[tokio::test]
async fn reader_overreporting_bytes_fails() {
    let (_backend, client) = start().await;
    let error =
        soon(client.create_chunked_upload(ResumableSource::from_rewindable(Boastful))).await.failure();
    assert!(error.is_io(), "{error}");
}

#[tokio::test]
async fn extreme_times_do_not_panic() {
    let (_backend, client) = start().await;
    let upload =
        client.create_chunked_upload(CONTENT.to_vec()).timeout(Duration::MAX).read_timeout(Duration::MAX);
    let upload =
        upload.chunk_timeout(Duration::MAX).completion_timeout(Duration::MAX).on_progress(|progress| {
            assert!(progress.bytes_per_second.is_finite() && progress.bytes_sent <= progress.bytes_total);
        });
    soon(upload.retry(RetryPolicy::new().max_retries(u32::MAX))).await.unwrap();
    for modified in [
        SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60),
    ] {
        let source = Claims { size: 10, bytes: CONTENT, modified: Some(modified) };
        soon(client.create_chunked_upload(ResumableSource::from_rewindable(source))).await.unwrap();
    }
}

// ---- values of the server and the session

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// Numbers at the limits of their types, and numbers up to the size of a ten-byte file.
fn number() -> impl Strategy<Value = u64> {
    let ends = [
        0,
        1,
        i64::MAX as u64 - 1,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        u64::MAX - 400,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![2 => prop::sample::select(ends.to_vec()), 2 => 0..12_u64, 1 => any::<u64>()]
}

/// Values for an offset, including invalid ones.
fn offset() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        3 => number().prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => number().prop_map(|number| json!(number.to_string())),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => prop::sample::select(vec![json!(null), json!(-1), json!(true), json!([]), json!({}), json!("")]),
        1 => Just(serde_json::from_str("1e400").unwrap_or(json!(i64::MIN))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any value in the response to a chunk, an offset request or a completion, the file arrives
    /// completely or an error is returned.
    #[test]
    fn arbitrary_offsets_never_corrupt_file(
        chunks in prop::collection::vec(prop::option::of(offset()), 0..4),
        asked in prop::collection::vec(prop::option::of(offset()), 0..3),
        size in prop::option::of(offset()),
        chunk_size in prop_oneof![1..12_u64, Just(u64::MAX)],
    ) {
        RUNTIME.block_on(async {
            let (backend, client) = start().await;
            for (method, field, values) in [("PUT", "offset", chunks), ("GET", "offset", asked), ("POST", "size", vec![size])] {
                for (number, value) in values.into_iter().enumerate() {
                    let edit = move |upload: &mut serde_json::Value| match &value {
                        Some(value) => upload[field] = value.clone(),
                        None => drop(upload.as_object_mut().unwrap().remove(field)),
                    };
                    backend.inject(Fault::edit_json(edit).on(method, "/chunked_upload/").after(number as u64));
                }
            }
            let retry = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_millis(1)).max_backoff(Duration::from_millis(1));
            let upload = client.create_chunked_upload(CONTENT.to_vec()).chunk_size(chunk_size).retry(retry);
            let upload = upload.completion_timeout(Duration::from_millis(50));
            if let Ok(upload) = soon(upload).await {
                let id = upload.id.to_string();
                assert_eq!(std::fs::read(backend.uploaded_file(&id).unwrap()).unwrap(), CONTENT);
                assert_eq!(backend.completions(&id), 1);
            }
        });
    }

    /// For any numbers in a session, the file arrives completely or an error is returned.
    #[test]
    fn arbitrary_session_numbers_are_safe(
        (offset, size, chunk_size) in (number(), prop_oneof![2 => Just(10), 1 => number()], number()),
        modified in prop::option::of(number()),
        digest in prop::option::of((number(), prop::sample::select(vec!["781e5e245d69b566979b86e28d23f2c7", "00", ""]))),
        version in prop_oneof![4 => 1..3_u32, 1 => any::<u32>()],
        in_file in any::<bool>(),
    ) {
        RUNTIME.block_on(async {
            let (backend, client) = start().await;
            backend.inject(Fault::response(403).method("PUT").after(1));
            let broken_off = soon(client.create_chunked_upload(CONTENT.to_vec()).chunk_size(4)).await.failure();
            let mut session = serde_json::to_value(broken_off.upload_session().unwrap()).unwrap();
            let edits = [("offset", json!(offset)), ("size", json!(size)), ("chunk_size", json!(chunk_size)), ("modified", json!(modified)), ("version", json!(version))];
            for (field, value) in edits {
                session[field] = value;
            }
            session["digest"] = digest.map_or(json!(null), |(length, md5)| json!({"length": length, "md5": md5}));
            let outcome = if in_file {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("session");
                std::fs::write(&file, session.to_string()).unwrap();
                let outcome = soon(client.create_chunked_upload(CONTENT.to_vec()).session_file(file)).await;
                assert!(outcome.is_ok(), "{outcome:?}");
                outcome
            } else {
                let session: UploadSession = serde_json::from_value(session).unwrap();
                soon(client.resume_chunked_upload(session, CONTENT.to_vec())).await
            };
            match outcome {
                Ok(upload) => {
                    let id = upload.id.to_string();
                    assert_eq!(std::fs::read(backend.uploaded_file(&id).unwrap()).unwrap(), CONTENT);
                }
                Err(error) => assert!(error.is_invalid_input(), "{error:?}"),
            }
        });
    }
}

// ---- blocking sources

/// A source that blocks from one of its calls on, until the other end of the channel is dropped.
struct Blocking {
    /// The call that blocks: 1 and 2 for `size`, 10 for `open`, 20 for `read`.
    at: usize,
    sizes: AtomicUsize,
    release: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Blocking {
    fn at(at: usize) -> (ResumableSource, mpsc::Sender<()>) {
        let (sender, receiver) = mpsc::channel();
        (
            ResumableSource::from_rewindable(Blocking {
                at,
                sizes: AtomicUsize::new(0),
                release: Arc::new(Mutex::new(receiver)),
            }),
            sender,
        )
    }

    fn block(release: &Mutex<mpsc::Receiver<()>>) {
        let _ = release.lock().unwrap().recv();
    }
}

impl RewindableSource for Blocking {
    fn size(&self) -> io::Result<u64> {
        if self.sizes.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            Blocking::block(&self.release);
        }
        Ok(10)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        if self.at == 10 {
            Blocking::block(&self.release);
        }
        struct Reader(usize, Option<Arc<Mutex<mpsc::Receiver<()>>>>);
        impl Read for Reader {
            fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
                if let Some(release) = &self.1 {
                    Blocking::block(release);
                }
                let left = &CONTENT[self.0..];
                let length = left.len().min(room.len());
                room[..length].copy_from_slice(&left[..length]);
                self.0 += length;
                Ok(length)
            }
        }
        Ok(Box::new(Reader(usize::try_from(offset).unwrap(), (self.at == 20).then(|| self.release.clone()))))
    }
}

fn in_time(upload: CreateChunkedUpload) -> CreateChunkedUpload {
    upload.timeout(Duration::from_millis(500))
}

fn assert_timed_out(error: &Error) {
    assert!(error.is_timeout(), "{error:?}");
    assert!(error.to_string().contains("time-out"), "{error}");
}

#[tokio::test]
async fn blocking_source_times_out() {
    let (backend, client) = start().await;
    for at in [1, 2, 10, 20] {
        let (source, _held) = Blocking::at(at);
        assert_timed_out(&soon(in_time(client.create_chunked_upload(source))).await.failure());
        if at == 1 {
            assert_eq!(backend.requests().len(), 0);
        }
        let (source, _held) = Blocking::at(at);
        let model = client.create_model(source, |m| m.name("n").model_type("detection").project(1));
        assert_timed_out(&soon(model.timeout(Duration::from_millis(500))).await.failure());
    }
    assert!(backend.upload_ids().iter().all(|id| backend.completions(id) == 0));
    assert_eq!(backend.models_created().len(), 0);
}

#[tokio::test]
async fn resumed_blocking_source_times_out() {
    let (backend, client) = start().await;
    backend.inject(Fault::response(403).method("PUT").after(1));
    let session = soon(client.create_chunked_upload(CONTENT.to_vec()).chunk_size(4)).await.failure();
    let session = session.upload_session().unwrap().clone();
    backend.clear_requests();
    for at in [1, 10, 20] {
        let (source, _held) = Blocking::at(at);
        let error = soon(in_time(client.resume_chunked_upload(session.clone(), source))).await.failure();
        assert_timed_out(&error);
        assert_eq!(backend.requests().len(), 0);
        if at > 1 {
            // The session's state is kept.
            assert_eq!(error.upload_session(), Some(&session));
        }
    }
    soon(client.resume_chunked_upload(session, CONTENT.to_vec())).await.unwrap();
}

#[tokio::test]
async fn unfinished_stream_times_out() {
    let (backend, client) = start().await;
    let (mut writer, reader) = tokio::io::duplex(64);
    tokio::io::AsyncWriteExt::write_all(&mut writer, CONTENT).await.unwrap();
    // All announced bytes arrived, but the stream doesn't end.
    let error = soon(in_time(client.create_chunked_upload(StreamSource::reader(reader, 10)))).await.failure();
    assert_timed_out(&error);
    assert!(backend.upload_ids().iter().all(|id| backend.completions(id) == 0));
}

#[cfg(unix)]
#[tokio::test]
async fn pipe_is_refused_before_open() {
    let (backend, client) = start().await;
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for path in [pipe.as_path(), &link, std::path::Path::new("/dev/zero"), std::path::Path::new("/dev/null")]
    {
        let error = soon(client.create_chunked_upload(path)).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("not a regular file"), "{error}");
    }
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test]
async fn early_completed_at_is_ignored() {
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    let at =
        |offset: u64, completed: Option<&str>| json!({"id": 1, "offset": offset, "completed_at": completed});
    for (completed, checksum) in
        [("2025-01-01T00:00:00Z", None), ("2025-01-01T00:00:00Z", Some("00112233445566778899aabbccddeeff"))]
    {
        let server = MockServer::start().await;
        let put = |response: ResponseTemplate, times| {
            Mock::given(method("PUT")).respond_with(response).up_to_n_times(times)
        };
        put(ResponseTemplate::new(200).set_body_json(at(4, None)), 1).mount(&server).await;
        put(ResponseTemplate::new(500), 1).mount(&server).await;
        // The upload restarts from its beginning.
        for offset in [4, 8, 10] {
            put(ResponseTemplate::new(200).set_body_json(at(offset, None)), 1).mount(&server).await;
        }
        let mut early = at(8, Some(completed));
        early["checksum"] = json!(checksum);
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_json(early))
            .mount(&server)
            .await;
        let complete = ResponseTemplate::new(200).set_body_json(at(10, Some(completed)));
        Mock::given(method("POST")).respond_with(complete).mount(&server).await;
        let client = BackendClient::builder(server.uri()).access_token("token").build().unwrap();
        soon(client.create_chunked_upload(CONTENT.to_vec()).chunk_size(4)).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        let ranges: Vec<_> = requests
            .iter()
            .filter_map(|request| request.headers.get("content-range")?.to_str().ok())
            .collect();
        let again = ["bytes 0-3/10", "bytes 4-7/10", "bytes 8-9/10"];
        assert_eq!(ranges, [&["bytes 0-3/10", "bytes 4-7/10"], &again[..]].concat());
        assert!(requests.iter().any(|request| request.method == "POST"), "the completion was requested");
    }
}
