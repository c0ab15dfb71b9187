//! Typed forms: their files are streamed with a known length, sent again if they can be, and checked before
//! anything is sent.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use synapse_backend_client::raw::builder::StartChunkedUpload;
use synapse_backend_client::types::form::FirstChunkForm;
use synapse_backend_client::{
    BackendClient, Call, Error, ErrorKind, FormFile, Json, ResumableSource, RetryPolicy, RewindableSource,
    StreamSource,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::server::{assert_nothing_sent, header, json, lines, only, requests, start};

fn retrying(server: &MockServer) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(2).initial_backoff(Duration::from_millis(1));
    BackendClient::builder(server.uri()).retry(policy).build().unwrap()
}

/// Mounts the responses of the form's operation, in order; the last one is repeated.
async fn respond(server: &MockServer, responses: Vec<ResponseTemplate>) {
    let count = responses.len();
    for (index, response) in responses.into_iter().enumerate() {
        let mock = Mock::given(method("PUT")).and(path("/chunked_upload/")).respond_with(response);
        let mock = if index + 1 < count { mock.up_to_n_times(1) } else { mock };
        mock.mount(server).await;
    }
}

fn send(
    client: &BackendClient,
    set: impl FnOnce(FirstChunkForm) -> FirstChunkForm,
) -> Call<StartChunkedUpload> {
    client.call(|raw| raw.start_chunked_upload(set).content_range("bytes 0-2/3"))
}

async fn failed(call: Call<StartChunkedUpload>) -> Error {
    call.send_as::<Json>().await.unwrap_err()
}

/// Returns the boundary of a form. Its length is the one of the request's header.
fn boundary(request: &Request) -> &str {
    let length = request.body.len().to_string();
    assert_eq!(header(request, "content-length"), Some(length.as_str()));
    assert_eq!(header(request, "transfer-encoding"), None);
    header(request, "content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap()
}

/// Returns the bytes of a form whose only file is `file`.
fn expected(boundary: &str, file_name: &str, media_type: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nmodel\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\nContent-Type: {media_type}\r\n\r\n"
    );
    [head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

fn some_bytes(count: u32) -> Vec<u8> {
    (0..count).map(|index| (index * 7 % 251) as u8).collect()
}

#[tokio::test]
async fn path_is_streamed_with_exact_length() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    respond(&server, vec![json(200, "{}")]).await;
    let (file, content) = (folder.path().join("표본 \"1\".bin"), some_bytes(3_000_001));
    std::fs::write(&file, &content).unwrap();
    send(&retrying(&server), |form| form.filename("model").file(&file)).send_as::<Json>().await.unwrap();
    let request = only(&server).await;
    let form = expected(boundary(&request), "표본 %221%22.bin", "application/octet-stream", &content);
    assert!(request.body == form, "{:?}", String::from_utf8_lossy(&request.body[..400]));
}

#[tokio::test]
async fn every_source_is_sent_as_a_file() {
    struct Shared(Vec<u8>);
    impl RewindableSource for Shared {
        fn size(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
        fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
            assert_eq!(offset, 0);
            Ok(Box::new(io::Cursor::new(self.0.clone())))
        }
        fn file_name(&self) -> Option<String> {
            Some("shared".to_owned())
        }
    }
    let content = some_bytes(700_000);
    let chunks: Vec<io::Result<Bytes>> =
        content.chunks(1_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let sources: [(FormFile, &str); 4] = [
        (content.clone().into(), "file"),
        (ResumableSource::from_rewindable(Shared(content.clone())).into(), "shared"),
        (StreamSource::stream(stream::iter(chunks), 700_000).into(), "file"),
        (StreamSource::reader(io::Cursor::new(content.clone()), 700_000).into(), "file"),
    ];
    for (source, name) in sources {
        let server = start().await;
        respond(&server, vec![json(200, "{}")]).await;
        let source = source.media_type("image/png");
        send(&retrying(&server), |form| form.filename("model").file(source)).send_as::<Json>().await.unwrap();
        let request = only(&server).await;
        assert!(request.body == expected(boundary(&request), name, "image/png", &content), "{name}");
    }
}

#[tokio::test]
async fn form_of_files_is_sent_again() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    let redirect = ResponseTemplate::new(307).insert_header("location", "/chunked_upload/");
    respond(&server, vec![json(503, r#"{"detail": "busy"}"#), redirect, json(200, "{}")]).await;
    let file = folder.path().join("model.pt");
    std::fs::write(&file, "abc").unwrap();
    send(&retrying(&server), |form| form.filename("model").file(file)).send_as::<Json>().await.unwrap();
    let requests = requests(&server).await;
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let form = expected(boundary(request), "model.pt", "application/octet-stream", b"abc");
        assert_eq!(request.body, form);
    }
}

#[tokio::test]
async fn form_with_stream_is_sent_once() {
    let server = start().await;
    respond(&server, vec![json(503, r#"{"detail": "busy"}"#), json(200, "{}")]).await;
    let source = StreamSource::reader(io::Cursor::new("abc"), 3);
    let error = failed(send(&retrying(&server), |form| form.filename("model").file(source))).await;
    assert_eq!((error.status().map(|status| status.as_u16()), error.attempts()), (Some(503), 1));
    assert_eq!(lines(&server).await.len(), 1);
}

#[tokio::test]
async fn missing_form_file_sends_nothing() {
    let (server, folder) = (start().await, tempfile::tempdir().unwrap());
    let missing = folder.path().join("model.pt");
    let error = failed(send(&retrying(&server), |form| form.filename("model").file(&missing))).await;
    assert!(error.is_io() && error.operation() == Some("start_chunked_upload"), "{error}");
    let text = error.to_string();
    assert!(text.contains("model.pt: the file can't be read") && text.contains("the field `file`"), "{text}");
    let error = failed(send(&retrying(&server), |form| form.filename("model").file(folder.path()))).await;
    assert!(error.is_invalid_input() && error.to_string().contains("is a directory"), "{error}");
    // It is opened when the call is sent.
    let call = send(&retrying(&server), |form| form.filename("model").file(&missing));
    assert!(format!("{call:?}").contains(r#"file: ["model.pt"]"#), "{call:?}");
    assert_nothing_sent(&server).await;
    respond(&server, vec![json(200, "{}")]).await;
    std::fs::write(&missing, "abc").unwrap();
    call.send_as::<Json>().await.unwrap();
}

/// A source that announces three bytes.
struct Other(fn() -> io::Result<Box<dyn Read + Send>>);

impl RewindableSource for Other {
    fn size(&self) -> io::Result<u64> {
        Ok(3)
    }

    fn open(&self, _: u64) -> io::Result<Box<dyn Read + Send>> {
        (self.0)()
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[tokio::test]
async fn failing_source_is_named() {
    let rewindable = |open| FormFile::from(ResumableSource::from_rewindable(Other(open)));
    let streamed = |chunks: &[&'static str], size| {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk.as_bytes()))).collect();
        FormFile::from(StreamSource::stream(stream::iter(chunks), size))
    };
    let broken = stream::iter([Ok(Bytes::from_static(b"sec")), Err(io::Error::other("the disk is gone"))]);
    let cases: [(FormFile, &str); 7] = [
        (rewindable(|| Ok(Box::new(Broken))), "the disk is gone"),
        (rewindable(|| Err(io::Error::other("no such member"))), "no such member"),
        (rewindable(|| Ok(Box::new(&b"se"[..]))), "fewer bytes than the 3"),
        (rewindable(|| Ok(Box::new(&b"secr"[..]))), "more bytes than the 3"),
        (streamed(&["se"], 3), "fewer bytes than the 3"),
        (streamed(&["sec", "r"], 3), "more bytes than the 3"),
        (StreamSource::stream(broken, 6).into(), "the disk is gone"),
    ];
    for (source, problem) in cases {
        let server = start().await;
        respond(&server, vec![json(200, "{}")]).await;
        let error = failed(send(&retrying(&server), |form| form.filename("model").file(source))).await;
        let text = error.to_string();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Io, 1), "{problem}: {text}");
        assert!(
            text.contains(problem) && text.contains("the field `file`") && !text.contains("sec"),
            "{text}"
        );
        // The server never gets a whole request.
        assert_nothing_sent(&server).await;
    }
}

#[tokio::test]
async fn incomplete_form_sends_nothing() {
    let server = start().await;
    let error = failed(send(&retrying(&server), |form| form.extra("more", "x"))).await;
    assert!(error.is_invalid_input(), "{error}");
    for field in ["file", "filename"] {
        assert!(error.to_string().contains(&format!("`{field}` is missing: it is required")), "{error}");
    }
    let file = FormFile::bytes("abc").media_type("text/plain\r\nx-injected: 1");
    let error = failed(send(&retrying(&server), |form| form.filename("model").file(file))).await;
    assert!(error.to_string().contains("`file`: the file's media type can't be a header"), "{error}");
    assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn made_request_has_its_form() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    let request = send(&client, |form| form.filename("model").file(b"abc")).request().unwrap();
    let boundary = request.headers()["content-type"].to_str().unwrap().rsplit('=').next().unwrap();
    let length = expected(boundary, "file", "application/octet-stream", b"abc").len().to_string();
    assert_eq!(request.headers()["content-length"], *length);
    assert!(request.body().is_some_and(|body| body.as_bytes().is_none()));
    let error = send(&client, |form| form.filename("model").file("/nowhere/a.pt")).request().unwrap_err();
    assert!(error.is_io() && error.to_string().contains("the field `file`"), "{error}");
}

#[tokio::test]
async fn names_add_no_headers_or_parts() {
    let server = start().await;
    respond(&server, vec![json(200, "{}")]).await;
    let file = FormFile::bytes("abc").file_name("a\r\nx: \"1\"\\");
    let form = |form: FirstChunkForm| form.filename("--").file(file).extra("b\r\n\r\n--\"; c=\"", "d");
    send(&retrying(&server), form).send_as::<Json>().await.unwrap();
    let request = only(&server).await;
    let text = String::from_utf8(request.body.clone()).unwrap().replace(boundary(&request), "B");
    let parts: Vec<&str> = text.split("--B").collect();
    let at = |index: usize| parts[index].trim().lines().next().unwrap();
    assert_eq!(parts.len(), 5, "{text}");
    assert_eq!(at(2), r#"Content-Disposition: form-data; name="file"; filename="a%0D%0Ax: %221%22%5C""#);
    assert_eq!(at(3), r#"Content-Disposition: form-data; name="b%0D%0A%0D%0A--%22; c=%22""#);
}
