//! Data files: one request or an upload in chunks, and the files of a data unit.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::marker::{Failure, TOKEN, assert_debug_hidden, secret};
use crate::support::server::{
    self, assert_nothing_sent, client_of, header, html, json, line, lines, only, requests, serving,
};
use crate::support::soon::soon;
use crate::support::tcp_server::{self, Act, Seen, Server, then};
use crate::support::uploads::{assert_chunk, assert_completion, take_uploads};
use futures_util::stream;
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::reqwest::Method;
use synapse_backend_client::{
    BackendClient, CreateDataFile, Credentials, CredentialsFuture, CredentialsProvider, CredentialsReason,
    Error, ErrorKind, ResumableSource, RetryPolicy, RewindableSource, StreamSource, UploadFile, UploadPhase,
    UploadProgress,
};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const CONTENT: &[u8] = b"0123456789";
const CONTENT_MD5: &str = "781e5e245d69b566979b86e28d23f2c7";
const CREATED: &str =
    r#"{"id": 4001, "checksum": "781e5e245d69b566979b86e28d23f2c7", "file": null, "size": 10}"#;

struct Setup {
    server: MockServer,
    client: BackendClient,
    directory: TempDir,
}

impl Setup {
    /// A server that takes uploads with the id 7, and responds with `responses` in order to each creation. The last
    /// one is repeated.
    async fn new(responses: Vec<ResponseTemplate>) -> Self {
        let server = server::start().await;
        take_uploads(&server, "7").await;
        let count = responses.len();
        for (index, response) in responses.into_iter().enumerate() {
            let mock = Mock::given(method("POST")).and(path("/data_files/")).respond_with(response);
            let mock = if index + 1 < count { mock.up_to_n_times(1) } else { mock };
            mock.mount(&server).await;
        }
        Setup { client: client_of(&server), server, directory: tempfile::tempdir().unwrap() }
    }

    async fn created() -> Self {
        Setup::new(vec![json(201, CREATED)]).await
    }

    fn retrying(&self) -> BackendClient {
        retrying(&self.server.uri())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn retrying(url: &str) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(2).initial_backoff(Duration::from_millis(1));
    BackendClient::builder(url).retry(policy).access_token(TOKEN).build().unwrap()
}

/// Returns the bytes of a form with this file, without a media type.
fn form(boundary: &str, file_name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n"
    );
    [head.as_bytes(), content, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

/// Asserts that a request sends this file, including every header and byte.
fn assert_form(request: &Request, file_name: &str, content: &[u8]) {
    assert_eq!(line(request), "POST /data_files/");
    let boundary =
        header(request, "content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(!boundary.is_empty() && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{boundary}");
    let expected = form(boundary, file_name, content);
    assert_eq!(String::from_utf8_lossy(&request.body), String::from_utf8_lossy(&expected));
    assert_eq!(request.body, expected);
    assert_eq!(header(request, "content-length"), Some(request.body.len().to_string().as_str()));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(header(request, "accept"), Some("application/json"));
    let names = request.headers.keys().map(|name| name.as_str()).filter(|name| *name != "accept-encoding");
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    let expected = ["accept", "content-length", "content-type", "host", "synapse-access-token", "user-agent"];
    assert_eq!(names, expected);
}

/// Asserts that a request creates the data file from an upload.
fn assert_json(request: &Request, body: &str) {
    assert_eq!(line(request), "POST /data_files/");
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(String::from_utf8_lossy(&request.body), body);
}

const IN_CHUNKS: [&str; 3] = ["PUT /chunked_upload/", "POST /chunked_upload/7/", "POST /data_files/"];

// ---- one request, or chunks

#[tokio::test]
async fn small_file_is_sent_in_one_request() {
    let setup = Setup::created().await;
    let file = setup.file("고양이 \"1\".jpg", CONTENT);
    let created = setup.client.create_data_file(&file).await.unwrap();
    assert_form(&only(&setup.server).await, "고양이 %221%22.jpg", CONTENT);
    assert_eq!((created.id, created.checksum.as_str()), (4001, CONTENT_MD5));
    assert_eq!((created.file, created.size), (None, Some(10)));
}

#[tokio::test]
async fn generated_form_has_no_media_type() {
    let setup = Setup::created().await;
    let call = setup.client.call(|raw| raw.create_data_file(|body| body).form(|form| form.file(CONTENT)));
    call.await.unwrap();
    assert_form(&only(&setup.server).await, "file", CONTENT);
}

#[tokio::test]
async fn every_source_is_a_data_file() {
    struct Member;
    impl RewindableSource for Member {
        fn size(&self) -> io::Result<u64> {
            Ok(10)
        }
        fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(&CONTENT[offset as usize..]))
        }
        fn file_name(&self) -> Option<String> {
            Some("member.jpg".to_owned())
        }
    }
    let setup = Setup::created().await;
    let chunks: Vec<io::Result<Bytes>> =
        CONTENT.chunks(3).map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    let path = setup.file("cat.jpg", CONTENT);
    let files: Vec<(UploadFile, &str)> = vec![
        (path.to_str().unwrap().into(), "cat.jpg"),
        (path.into(), "cat.jpg"),
        (Bytes::from_static(CONTENT).into(), "file"),
        (CONTENT.into(), "file"),
        (ResumableSource::from_rewindable(Member).into(), "member.jpg"),
        (StreamSource::reader(Cursor::new(CONTENT), 10).into(), "file"),
        (StreamSource::stream(stream::iter(chunks), 10).into(), "file"),
    ];
    for (index, (file, name)) in files.into_iter().enumerate() {
        setup.client.create_data_file(file).await.unwrap();
        assert_form(&requests(&setup.server).await[index], name, CONTENT);
    }
    setup.client.create_data_file(CONTENT).file_name("dog.jpg").await.unwrap();
    assert_form(requests(&setup.server).await.last().unwrap(), "dog.jpg", CONTENT);
}

#[tokio::test]
async fn threshold_decides_on_chunks() {
    let setup = Setup::created().await;
    setup.client.create_data_file(CONTENT).chunked_above(10).await.unwrap();
    assert_form(&only(&setup.server).await, "file", CONTENT);
    setup.client.create_data_file(CONTENT).chunked_above(9).await.unwrap();
    let all = requests(&setup.server).await;
    assert_eq!(all[1..].iter().map(line).collect::<Vec<_>>(), IN_CHUNKS);
    assert_chunk(&all[1], "/chunked_upload/", "bytes 0-9/10", "file", CONTENT);
    assert_completion(&all[2], "/chunked_upload/7/", CONTENT_MD5);
    assert_json(&all[3], r#"{"chunked_upload":7}"#);
    let stream = || StreamSource::reader(Cursor::new(CONTENT), 10);
    setup.client.create_data_file(stream()).chunked_above(9).await.unwrap();
    assert_eq!(lines(&setup.server).await[4..], IN_CHUNKS);
    setup.client.create_data_file(stream()).chunked_above(u64::MAX).await.unwrap();
    assert_form(&requests(&setup.server).await[7], "file", CONTENT);
}

#[tokio::test]
async fn default_threshold_is_50_mib() {
    const MOST: u64 = 50 << 20;
    let setup = Setup::created().await;
    let file = setup.file("large.bin", b"");
    let resize = |size| std::fs::File::options().write(true).open(&file).unwrap().set_len(size).unwrap();
    resize(MOST);
    setup.client.create_data_file(&file).await.unwrap();
    let request = only(&setup.server).await;
    assert_eq!(line(&request), "POST /data_files/");
    assert!(header(&request, "content-type").unwrap().starts_with("multipart/form-data"));
    assert!(request.body.len() as u64 > MOST);
    resize(MOST + 1);
    setup.client.create_data_file(&file).await.unwrap();
    let (first, second) = ("PUT /chunked_upload/", "PUT /chunked_upload/7/");
    assert_eq!(lines(&setup.server).await[1..], [first, second, IN_CHUNKS[1], IN_CHUNKS[2]]);
}

#[tokio::test]
async fn metadata_uploads_in_chunks() {
    let setup = Setup::created().await;
    let meta = synapse_backend_client::json!({"filename": "cat.jpg"});
    let call = setup.client.create_data_file(CONTENT).chunked_above(u64::MAX);
    call.metadata(|m| m.meta(meta)).await.unwrap();
    let all = requests(&setup.server).await;
    assert_eq!(all.iter().map(line).collect::<Vec<_>>(), IN_CHUNKS);
    assert_json(&all[2], r#"{"chunked_upload":7,"meta":{"filename":"cat.jpg"}}"#);
}

#[tokio::test]
async fn completed_upload_is_not_sent_again() {
    let setup = Setup::created().await;
    setup.client.create_data_file(UploadFile::uploaded("7")).await.unwrap();
    assert_json(&only(&setup.server).await, r#"{"chunked_upload":7}"#);
}

#[tokio::test]
async fn data_file_takes_call_options() {
    let setup = Setup::new(vec![json(201, CREATED.replace("null", "\"/media/1.jpg\""))]).await;
    for above in [0, 10] {
        let call = setup.client.create_data_file(CONTENT).chunked_above(above);
        let call = call.header("x-batch", "b").param("dry", true);
        let created =
            call.url_conversion("file", |url| format!("https://cdn.example.com{url}")).await.unwrap();
        assert_eq!(created.file.as_deref(), Some("https://cdn.example.com/media/1.jpg"));
        let request = requests(&setup.server).await.pop().unwrap();
        assert_eq!(line(&request), "POST /data_files/?dry=true");
        assert_eq!(header(&request, "x-batch"), Some("b"));
    }
}

// ---- errors before anything is sent

#[tokio::test]
async fn unusable_file_sends_nothing() {
    let setup = Setup::created().await;
    let (empty, missing) = (setup.file("empty.jpg", b""), setup.directory.path().join("missing.jpg"));
    let directory = setup.directory.path().to_owned();
    let cases: [(UploadFile, ErrorKind, &str); 6] = [
        (empty.into(), ErrorKind::InvalidInput, "empty.jpg is empty, and the server accepts no empty file"),
        (Bytes::new().into(), ErrorKind::InvalidInput, "is empty"),
        (StreamSource::reader(tokio::io::empty(), 0).into(), ErrorKind::InvalidInput, "is empty"),
        (missing.into(), ErrorKind::Io, "missing.jpg: the file can't be read"),
        (directory.into(), ErrorKind::InvalidInput, "is a directory"),
        ("".into(), ErrorKind::InvalidInput, "the path is empty"),
    ];
    for (file, kind, message) in cases {
        let error = setup.client.create_data_file(file).await.failure();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    assert_nothing_sent(&setup.server).await;
}

#[tokio::test]
async fn invalid_data_file_settings_are_listed() {
    let setup = Setup::created().await;
    let nan = synapse_backend_client::json!({"score": f64::NAN});
    let call = setup.client.create_data_file(Bytes::new()).metadata(|m| m.meta(nan));
    let call = call.file_name("a\nb").chunk_size(0).header("no header", "x").timeout(Duration::ZERO);
    let error = call.await.failure();
    assert!(error.is_invalid_input(), "{error:?}");
    let message = error.to_string();
    for reason in [
        "create_data_file: ",
        "file_name",
        "chunk_size",
        "score: NaN",
        "no header",
        "timeout: it is zero",
        "is empty",
    ] {
        assert!(message.contains(reason), "{reason}: {message}");
    }
    assert_nothing_sent(&setup.server).await;
}

// ---- failures

#[tokio::test]
async fn lost_answer_is_not_resent() {
    let server = Server::of([Act::Close(Vec::new())]).await;
    let error = retrying(&server.url).create_data_file(CONTENT).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
    assert_eq!((error.operation(), error.upload_id()), (Some("create_data_file"), None));
    assert_eq!((server.count(), error.attempts()), (1, 1));
}

#[tokio::test]
async fn gateway_error_is_not_resent() {
    for status in [502, 503, 504, 520] {
        let setup = Setup::new(vec![html(status, "<html></html>"), json(201, CREATED)]).await;
        let error = setup.retrying().create_data_file(CONTENT).await.failure();
        assert!(error.is_unknown_outcome(), "{status}: {error:?}");
        assert_eq!(lines(&setup.server).await, ["POST /data_files/"], "{status}");
    }
}

#[tokio::test]
async fn idempotent_file_is_resent() {
    let server = Server::of([Act::Close(Vec::new()), Act::Keep(tcp_server::json(201, CREATED))]).await;
    retrying(&server.url).create_data_file(CONTENT).idempotent(true).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen.len(), &seen[0].body), (2, &seen[1].body));
}

#[tokio::test]
async fn lost_answer_keeps_upload_id() {
    let created = Act::Keep(tcp_server::json(201, CREATED));
    let lost = AtomicBool::new(false);
    let server = Server::with(move |which| match which.line {
        "POST /data_files/" if !lost.swap(true, Ordering::SeqCst) => Act::Close(Vec::new()),
        "POST /data_files/" => created.clone(),
        "PUT /chunked_upload/" => Act::Keep(tcp_server::json(200, r#"{"id": 7, "offset": 10}"#)),
        _ => Act::Keep(tcp_server::json(200, r#"{"id": 7, "completed_at": "2026-01-31T00:00:00Z"}"#)),
    });
    let server = server.await;
    let client = retrying(&server.url);
    let error = client.create_data_file(CONTENT).chunked_above(0).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
    assert_eq!((error.upload_id(), server.lines()), (Some("7"), IN_CHUNKS.map(str::to_owned).to_vec()));
    client.create_data_file(UploadFile::uploaded(error.upload_id().unwrap())).await.unwrap();
    let seen = server.seen().pop().unwrap();
    assert_eq!(String::from_utf8(seen.body).unwrap(), r#"{"chunked_upload":7}"#);
}

#[tokio::test]
async fn refused_file_is_opened_again() {
    struct Counted(Arc<AtomicUsize>);
    impl RewindableSource for Counted {
        fn size(&self) -> io::Result<u64> {
            Ok(10)
        }
        fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
            assert_eq!(offset, 0);
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(CONTENT))
        }
    }
    let (busy, limited) = (json(503, r#"{"detail": "Busy."}"#), json(429, r#"{"detail": "Slow down."}"#));
    let setup = Setup::new(vec![busy, limited, json(201, CREATED)]).await;
    let (opened, reported) = (Arc::new(AtomicUsize::new(0)), Reported::default());
    let file = ResumableSource::from_rewindable(Counted(opened.clone()));
    let call = setup.retrying().create_data_file(file).on_progress(reported.recorder());
    call.await.unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 3);
    let all = requests(&setup.server).await;
    assert_eq!(all.len(), 3);
    all.iter().for_each(|request| assert_form(request, "file", CONTENT));
    // Each attempt reports from the beginning.
    let attempt = [(UploadPhase::Sending, 0), (UploadPhase::Sending, 10), (UploadPhase::Completing, 10)];
    let complete = [(UploadPhase::Complete, 10)];
    assert_eq!(reported.steps(), [&attempt[..], &attempt, &attempt, &complete].concat());
}

#[tokio::test]
async fn one_shot_stream_is_sent_once() {
    let setup = Setup::new(vec![json(503, r#"{"detail": "Busy."}"#), json(201, CREATED)]).await;
    let file = StreamSource::reader(Cursor::new(CONTENT), 10);
    let error = setup.retrying().create_data_file(file).await.failure();
    assert_eq!((error.status().map(|status| status.as_u16()), error.attempts()), (Some(503), 1));
    // Its chunks are kept until they have arrived.
    let file = StreamSource::reader(Cursor::new(CONTENT), 10);
    setup.retrying().create_data_file(file).chunked_above(0).await.unwrap();
}

#[tokio::test]
async fn oversized_file_names_the_setting() {
    let setup = Setup::new(vec![html(413, "<html><title>413</title></html>")]).await;
    let error = setup.retrying().create_data_file(CONTENT).await.failure();
    assert!(error.is_too_large(), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("sending 10 bytes in one request, more than the server accepts: set a ")
    );
    assert_eq!(lines(&setup.server).await, ["POST /data_files/"]);
}

#[tokio::test]
async fn renewed_token_resends_file() {
    struct Renewing;
    impl CredentialsProvider for Renewing {
        fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
            let token = if reason == CredentialsReason::Rejected { TOKEN.to_owned() } else { secret("old") };
            Box::pin(async move { Ok(Credentials::new().access_token(token)) })
        }
    }
    let setup = Setup::new(vec![json(401, r#"{"detail": "Expired."}"#), json(201, CREATED)]).await;
    let builder = BackendClient::builder(setup.server.uri()).retry(RetryPolicy::never());
    let client = builder.credentials_provider(Renewing).build().unwrap();
    client.create_data_file(setup.file("cat.jpg", CONTENT)).await.unwrap();
    let all = requests(&setup.server).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].body, all[1].body);
    assert_form(&all[1], "cat.jpg", CONTENT);
}

#[tokio::test]
async fn changed_file_is_not_resent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cat.jpg");
    let changes: [fn(&Path); 4] = [
        |file| std::fs::write(file, "0123456789a").unwrap(),
        |file| std::fs::write(file, "").unwrap(),
        |file| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
            std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        },
        |file| std::fs::remove_file(file).unwrap(),
    ];
    for change in changes {
        std::fs::write(&file, CONTENT).unwrap();
        let changed = file.clone();
        let server = Server::with(move |_| {
            let changed = changed.clone();
            then("", move |_| {
                change(&changed);
                async { Act::Keep(tcp_server::json(503, r#"{"detail": "Busy."}"#)) }
            })
        });
        let server = server.await;
        let error = retrying(&server.url).create_data_file(&file).await.failure();
        assert!(error.is_io() && error.to_string().contains(file.to_str().unwrap()), "{error}");
        assert_eq!(server.seen().len(), 1, "{error}");
    }
}

/// A source whose time of change is different once it was opened.
struct Changing(AtomicUsize, Vec<u8>);

impl RewindableSource for Changing {
    fn size(&self) -> io::Result<u64> {
        Ok(self.1.len() as u64)
    }
    fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Cursor::new(self.1.clone())))
    }
    fn modified(&self) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst) as u64))
    }
}

#[tokio::test]
async fn file_changed_while_sent_is_no_file() {
    for size in [10, 1_000_000] {
        let server = Server::of([Act::Keep(tcp_server::json(201, CREATED))]).await;
        let file = ResumableSource::from_rewindable(Changing(AtomicUsize::new(0), vec![7; size]));
        let error = retrying(&server.url).create_data_file(file).await.failure();
        assert!(error.is_io(), "{error:?}");
        assert!(error.to_string().contains("the file was changed while it was uploaded"), "{error}");
        assert_eq!((server.count(), error.attempts()), (0, 1), "the form was sent to its end");
    }
}

#[tokio::test]
async fn cancelled_file_ends_its_request() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let reported = Reported::default();
    let client = retrying(&server.url);
    let call = client.create_data_file(CONTENT).on_progress(reported.recorder());
    let sent = tokio::spawn(call.send());
    server.wait_for_requests(1).await;
    sent.abort();
    server.wait_for_hang_ups(1).await;
    assert!(sent.await.unwrap_err().is_cancelled());
    assert_eq!(server.count(), 1);
    assert!(!reported.steps().iter().any(|(phase, _)| *phase == UploadPhase::Complete));
}

#[tokio::test]
async fn session_resumes_failed_file() {
    let setup = Setup::created().await;
    let session = setup.directory.path().join("session");
    let refused = Mock::given(method("PUT")).and(path("/chunked_upload/7/"));
    refused.respond_with(json(403, "{}")).with_priority(1).up_to_n_times(1).mount(&setup.server).await;
    let offset = Mock::given(method("GET")).and(path("/chunked_upload/7/"));
    offset
        .respond_with(json(200, r#"{"id": 7, "offset": 4, "completed_at": null}"#))
        .mount(&setup.server)
        .await;
    let file = setup.file("cat.jpg", CONTENT);
    let create = || setup.client.create_data_file(&file).session_file(&session);
    let error = create().chunked_above(0).chunk_size(4).await.failure();
    assert!(error.is_forbidden() && error.to_string().starts_with("uploading the data file: "), "{error}");
    assert!(error.upload_session().is_some() && session.exists());
    let before = lines(&setup.server).await.len();
    // The file is smaller than the default threshold, but its upload began in chunks.
    create().await.unwrap();
    let all = requests(&setup.server).await;
    let resumed: Vec<_> = all[before..].iter().map(line).collect();
    let chunk = "PUT /chunked_upload/7/";
    assert_eq!(resumed, ["GET /chunked_upload/7/", chunk, chunk, IN_CHUNKS[1], IN_CHUNKS[2]]);
    assert_chunk(&all[before + 1], "/chunked_upload/7/", "bytes 4-7/10", "cat.jpg", b"4567");
    assert!(!session.exists());
    create().await.unwrap();
    assert_form(requests(&setup.server).await.last().unwrap(), "cat.jpg", CONTENT);
}

#[tokio::test]
async fn refused_file_keeps_its_session() {
    let setup = Setup::new(vec![json(400, r#"{"meta": ["Invalid."]}"#), json(201, CREATED)]).await;
    let completed = json(200, r#"{"id": 7, "offset": 10, "completed_at": "2026-01-31T00:00:00Z"}"#);
    Mock::given(method("GET"))
        .and(path("/chunked_upload/7/"))
        .respond_with(completed)
        .mount(&setup.server)
        .await;
    let (file, session) = (setup.file("cat.jpg", CONTENT), setup.directory.path().join("session"));
    let create = || setup.client.create_data_file(&file).chunked_above(0).session_file(&session);
    let error = create().await.failure();
    assert!(error.is_bad_request() && error.upload_id() == Some("7"), "{error:?}");
    assert!(session.exists());
    let before = lines(&setup.server).await.len();
    create().await.unwrap();
    assert!(!lines(&setup.server).await[before..].iter().any(|line| line.starts_with("PUT")));
    assert!(!session.exists());
}

#[tokio::test]
async fn session_of_other_file_is_removed() {
    let setup = Setup::created().await;
    let (file, session) = (setup.file("cat.jpg", CONTENT), setup.directory.path().join("session"));
    let refused = Mock::given(method("PUT")).and(path("/chunked_upload/7/"));
    refused.respond_with(json(403, "{}")).with_priority(1).mount(&setup.server).await;
    let other = setup.client.create_data_file(b"another file").chunked_above(0).chunk_size(4);
    other.session_file(&session).await.failure();
    assert!(session.exists());
    setup.client.create_data_file(&file).session_file(&session).await.unwrap();
    assert_form(requests(&setup.server).await.last().unwrap(), "cat.jpg", CONTENT);
    assert!(!session.exists());
}

// ---- progress, time-outs, memory, secrets

#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Vec<UploadProgress>>>);

impl Reported {
    fn recorder(&self) -> impl Fn(UploadProgress) + Send + Sync + 'static {
        let reported = self.0.clone();
        move |progress| reported.lock().unwrap().push(progress)
    }

    fn steps(&self) -> Vec<(UploadPhase, u64)> {
        let reported = self.0.lock().unwrap();
        reported.iter().map(|progress| (progress.phase, progress.bytes_sent)).collect()
    }
}

#[tokio::test]
async fn progress_covers_both_ways() {
    let setup = Setup::created().await;
    let content = vec![7; 1_000_000];
    let path = setup.file("large.bin", &content);
    let stream = || StreamSource::reader(Cursor::new(vec![7; 1_000_000]), 1_000_000).into();
    let files: [&dyn Fn() -> UploadFile; 3] = [&|| path.clone().into(), &|| content.clone().into(), &stream];
    for file in files {
        for above in [0, u64::MAX] {
            let reported = Reported::default();
            let call = setup.client.create_data_file(file()).chunked_above(above);
            call.on_progress(reported.recorder()).await.unwrap();
            let steps = reported.steps();
            assert_eq!(steps[0], (UploadPhase::Sending, 0));
            let end = [UploadPhase::Sending, UploadPhase::Completing, UploadPhase::Complete];
            assert_eq!(steps[steps.len() - 3..], end.map(|phase| (phase, 1_000_000)), "{above}");
            assert!(steps.len() > 5 && steps.is_sorted_by_key(|(_, bytes)| *bytes), "{steps:?}");
            let totals = reported.0.lock().unwrap();
            assert!(totals.iter().all(|progress| progress.bytes_total == 1_000_000));
        }
    }
}

#[tokio::test]
async fn read_timeout_of_call_is_used() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let call = retrying(&server.url).create_data_file(CONTENT).read_timeout(Duration::from_millis(50));
    let error = soon(call.into_future()).await.failure();
    assert!(error.is_timeout() && error.is_unknown_outcome(), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("50ms"), "{message}");
}

#[tokio::test]
async fn completion_timeout_covers_one_request() {
    let server = Server::of([Act::Hold(Vec::new())]).await;
    let create =
        || retrying(&server.url).create_data_file(CONTENT).completion_timeout(Duration::from_millis(50));
    let error = soon(create().into_future()).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("50ms"), "{error}");
    // The call's own read time-out comes first.
    let call = create().completion_timeout(Duration::from_secs(600)).read_timeout(Duration::from_millis(40));
    let error = soon(call.into_future()).await.failure();
    assert!(error.is_timeout() && error.to_string().contains("40ms"), "{error}");
    // It comes before the client's.
    let client = BackendClient::builder(&server.url).read_timeout(Duration::from_secs(600)).build().unwrap();
    let call = client.create_data_file(CONTENT).completion_timeout(Duration::from_millis(50));
    assert!(soon(call.into_future()).await.failure().is_timeout());
}

/// Reads requests and discards their bodies.
async fn discarding() -> (String, tokio::task::JoinSet<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (listener, address) = tcp_server::listener().await;
    let tasks = tcp_server::accept(listener, |mut stream, _| async move {
        let mut read = Vec::new();
        let Some(end) = tcp_server::read_head(&mut stream, &mut read).await else { return };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length: usize = tcp_server::header(&head, "content-length").unwrap().parse().unwrap();
        let (mut left, mut block) = (length - (read.len() - end - 4), vec![0; 64 << 10]);
        while left > 0 {
            let bytes = stream.read(&mut block).await.unwrap();
            assert!(bytes > 0, "the body is truncated");
            left -= bytes;
        }
        stream.write_all(&tcp_server::json(201, CREATED)).await.unwrap();
    });
    (format!("http://{address}"), tasks)
}

/// Returns this process's peak resident set so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_resident_set() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn large_form_needs_little_memory() {
    if crate::support::child::passed_alone(large_form_needs_little_memory) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("large.bin");
        let resize = |size| std::fs::File::create(&file).unwrap().set_len(size).unwrap();
        let (url, _server) = discarding().await;
        let client = retrying(&url);
        resize(1_000_000);
        client.create_data_file(&file).await.unwrap();
        let before = peak_resident_set();
        resize(200_000_000);
        client.create_data_file(&file).chunked_above(u64::MAX).await.unwrap();
        let after = peak_resident_set();
        assert!(after < before + (16 << 20), "{after} after {before}");
    });
}

#[tokio::test]
async fn data_file_debug_hides_secrets() {
    let client = retrying("http://localhost");
    let call = client.create_data_file(Bytes::from(secret("content"))).header("x-key", secret("header"));
    assert_debug_hidden("a data file's call", &call.param("key", secret("param")));
    let files = [("image_1", Bytes::from(secret("content")))];
    let call = client.upload_data_file(files, 12);
    assert_debug_hidden("a data unit's call", &call);
    assert!(format!("{call:?}").contains("image_1"), "{call:?}");
}

// ---- upload_data_file

/// Responds with a checksum that tells the file's name.
fn named_checksum(seen: &Seen) -> Act {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    let name = body.split("filename=\"").nth(1).unwrap().split('"').next().unwrap();
    let created = format!(r#"{{"id": 1, "checksum": "sum of {name}"}}"#);
    Act::Keep(tcp_server::json(201, created))
}

#[tokio::test]
async fn other_file_is_no_session_to_remove() {
    let setup = Setup::created().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    std::fs::write(&file, b"weights").unwrap();
    let create = || setup.client.create_data_file(UploadFile::uploaded(7)).session_file(&file);
    let error = create().await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("contains no session"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"weights");
    assert_nothing_sent(&setup.server).await;
    // The session of another upload stays, that of this one is removed.
    let session = |id: u32| {
        format!(
            r#"{{"version":2,"id":{id},"url":"http://h/","offset":1,"size":2,"modified":null,"chunk_size":8}}"#
        )
    };
    for (id, is_left) in [(8, true), (7, false)] {
        std::fs::write(&file, session(id)).unwrap();
        create().await.unwrap();
        assert_eq!(file.exists(), is_left, "{id}");
    }
}

#[tokio::test]
async fn unit_has_each_file_and_its_path() {
    let setup = Setup::created().await;
    let path = setup.file("1.jpg", CONTENT);
    let server = Server::with(|_| then("", |seen| async move { named_checksum(&seen) })).await;
    let files = [("image_1", UploadFile::from(&path)), ("meta", UploadFile::from(b"{}"))];
    let name = |name: &str, call: CreateDataFile| match name {
        "meta" => call.file_name("meta.json"),
        _ => call,
    };
    let unit = retrying(&server.url).upload_data_file(files, 12).each(name).await.unwrap();
    let expected = serde_json::json!({
        "data_collection": 12,
        "files": {
            "image_1": {"checksum": "sum of 1.jpg", "path": path.to_str().unwrap()},
            "meta": {"checksum": "sum of meta.json", "path": "meta.json"},
        },
    });
    assert_eq!(serde_json::to_value(&unit).unwrap(), expected);
    // It is a data unit to create.
    let (server, client) = serving("POST", "/data_units/", json(201, r#"{"results": [{"id": 1}]}"#)).await;
    assert_eq!(client.create_data_units(unit).await.unwrap().results.len(), 1);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&only(&server).await.body).unwrap(), expected);
}

#[tokio::test]
async fn unit_takes_uploads_and_plain_bytes() {
    let setup = Setup::created().await;
    let files = [("a", UploadFile::uploaded(7)), ("b", CONTENT.into())];
    let named = |name: &str, call: CreateDataFile| if name == "a" { call.file_name("a.jpg") } else { call };
    let unit = setup.client.upload_data_file(files, 12).each(named).concurrency(1).await.unwrap();
    let path = |name: &str| unit.files[name].path.as_deref().unwrap_or_default();
    assert_eq!((path("a"), path("b")), ("a.jpg", "file"));
    assert!(unit.files.values().all(|file| file.checksum == CONTENT_MD5), "{unit:?}");
    let all = requests(&setup.server).await;
    assert_json(&all[0], r#"{"chunked_upload":7}"#);
    assert_form(&all[1], "file", CONTENT);
}

#[tokio::test]
async fn failed_files_of_unit_are_named() {
    let server = Server::with(|_| {
        then("", |seen| async move {
            match String::from_utf8_lossy(&seen.body).contains("filename=\"bad") {
                true => Act::Keep(tcp_server::json(400, r#"{"file": ["The file is broken."]}"#)),
                false => named_checksum(&seen),
            }
        })
    });
    let server = server.await;
    let client = retrying(&server.url);
    let files = |names: &[&'static str]| {
        names.iter().map(|name| (*name, UploadFile::from(name.as_bytes().to_vec()))).collect::<Vec<_>>()
    };
    let named = |name: &str, call: CreateDataFile| call.file_name(name);
    let call = client.upload_data_file(files(&["good_1", "bad_1", "good_2", "bad_2"]), 12).each(named);
    let error: Error = call.await.failure();
    assert!(error.to_string().starts_with("uploading the files `bad_1`, `bad_2`: "), "{error}");
    assert!(error.is_bad_request() && error.response().unwrap().field_errors().contains_key("file"));
    let unit = error.incomplete_data_unit().unwrap();
    assert_eq!(unit.files.keys().collect::<Vec<_>>(), ["good_1", "good_2"]);
    assert_eq!((unit.data_collection, &*unit.files["good_1"].checksum), (12, "sum of good_1"));
    assert_eq!(server.count(), 4);
    let error = client.upload_data_file(files(&["bad_1"]), 12).each(named).await.failure();
    assert!(error.to_string().starts_with("uploading the file `bad_1`: "), "{error}");
    assert!(
        client.create_data_file(b"bad").file_name("bad").await.failure().incomplete_data_unit().is_none()
    );
}

#[tokio::test]
async fn missing_file_of_unit_is_named() {
    let setup = Setup::created().await;
    let files = [("a", setup.file("a.jpg", CONTENT)), ("b", setup.directory.path().join("b.jpg"))];
    let error = setup.client.upload_data_file(files, 12).await.failure();
    assert!(error.is_io() && error.to_string().starts_with("uploading the file `b`: "), "{error}");
    assert_eq!(error.incomplete_data_unit().unwrap().files.len(), 1);
}

#[tokio::test]
async fn invalid_unit_sends_nothing() {
    let setup = Setup::created().await;
    let long = format!("/{}", "p".repeat(1024));
    let files = [("a", "/data/1.jpg"), ("a", "/data/2.jpg"), ("long", &*long)];
    let error = setup.client.upload_data_file(files, 12).concurrency(0).await.failure();
    assert!(error.is_invalid_input() && error.incomplete_data_unit().is_none(), "{error:?}");
    let message = error.to_string();
    for reason in
        ["concurrency: it is zero", "the name \"a\" occurs twice", "long: `path` has 1025 characters"]
    {
        assert!(message.contains(reason), "{reason}: {message}");
    }
    assert_nothing_sent(&setup.server).await;
}

#[tokio::test]
async fn unit_without_files_sends_nothing() {
    let setup = Setup::created().await;
    let none: [(&str, &str); 0] = [];
    let error = setup.client.upload_data_file(none, 12).await.failure();
    assert!(error.is_invalid_input(), "{error}");
    assert_eq!(error.to_string(), "upload_data_file: a data unit needs a file");
    let files = ["a", "b"].map(|name| (name, UploadFile::uploaded(7)));
    let message = setup.client.upload_data_file(files, 12).await.failure().to_string();
    for name in ["a", "b"] {
        assert!(
            message.contains(&format!("{name}: a completed upload has no path: set its `file_name`")),
            "{message}"
        );
    }
    let many = (0..1_000).map(|number| (format!("image_{number}"), UploadFile::uploaded(number)));
    let message = setup.client.upload_data_file(many, 12).await.failure().to_string();
    let more = message.rsplit_once("; and ").and_then(|(_, more)| more.strip_suffix(" more")).unwrap();
    let shown = message.matches("has no path").count();
    assert!(shown > 20 && shown + more.parse::<usize>().unwrap() == 1_000, "{message}");
    assert_nothing_sent(&setup.server).await;
}

#[cfg(unix)]
#[tokio::test]
async fn path_of_unit_must_be_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let setup = Setup::created().await;
    let path = setup.directory.path().join(std::ffi::OsStr::from_bytes(b"a\xff.jpg"));
    std::fs::write(&path, CONTENT).unwrap();
    let error = setup.client.upload_data_file([("a", &path)], 12).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("a: its path is not UTF-8"), "{error}");
    assert_nothing_sent(&setup.server).await;
}

#[tokio::test]
async fn unusable_checksum_of_unit_is_named() {
    for checksum in [String::new(), "c".repeat(129)] {
        let server = Server::with(move |_| {
            let checksum = checksum.clone();
            then("", move |seen| {
                let bad = String::from_utf8_lossy(&seen.body).contains("filename=\"bad");
                let created = tcp_server::json(201, format!(r#"{{"id": 1, "checksum": "{checksum}"}}"#));
                async move { if bad { Act::Keep(created) } else { named_checksum(&seen) } }
            })
        });
        let server = server.await;
        let files = ["bad", "good"].map(|name| (name, UploadFile::from(CONTENT)));
        let named = |name: &str, call: CreateDataFile| call.file_name(name);
        let error = retrying(&server.url).upload_data_file(files, 12).each(named).await.failure();
        let text = error.to_string();
        assert!(error.is_decode() && text.starts_with("uploading the file `bad`: "), "{text}");
        assert!(text.contains("`checksum`"), "{text}");
        let unit = error.incomplete_data_unit().unwrap();
        assert_eq!(unit.files.keys().collect::<Vec<_>>(), ["good"]);
    }
}

#[tokio::test]
async fn files_of_unit_are_concurrent() {
    let released = Arc::new(tokio::sync::Semaphore::new(0));
    let shared = released.clone();
    let server = Server::with(move |which| {
        let released = shared.clone();
        match which.line {
            "POST /data_files/" => then("", move |_| {
                let released = released.clone();
                async move {
                    released.acquire().await.unwrap().forget();
                    Act::Keep(tcp_server::json(201, CREATED))
                }
            }),
            _ => Act::Keep(tcp_server::json(200, "{}")),
        }
    });
    let server = server.await;
    let client = retrying(&server.url);
    let files: Vec<_> = (0..6).map(|index| (format!("image_{index}"), CONTENT)).collect();
    let uploading = tokio::spawn(client.upload_data_file(files, 12).concurrency(2).send());
    let forms = || server.lines().iter().filter(|line| line.starts_with("POST")).count();
    let ping = async || drop(client.request(Method::GET, "/users/me/").await.unwrap());
    for sent in [2, 4, 6] {
        soon(async {
            while forms() < sent {
                ping().await;
            }
        })
        .await;
        // Further forms have the time to arrive.
        for _ in 0..20 {
            ping().await;
        }
        assert_eq!(forms(), sent);
        released.add_permits(2);
    }
    assert_eq!(soon(uploading).await.unwrap().unwrap().files.len(), 6);
}
