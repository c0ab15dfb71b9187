//! Files of any length, in chunks of any size, of which a server takes as much as it likes: they come together identical.

#[path = "support/marker.rs"]
mod marker;

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use proptest::prelude::*;
use synapse_backend_client::{BackendClient, OneShotSource, Reopen, ResumableSource, RetryPolicy, UploadSource, bytes, reqwest};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server does with a chunk.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Takes so many of its bytes, and tells so.
    Take(usize),
    /// Takes all, and closes the connection.
    TakeAndClose,
    Close,
    /// Says that it expected another byte, which it didn't.
    Refuse,
    Busy,
}

#[derive(Default)]
struct Upload {
    bytes: Vec<u8>,
    taken: Vec<Range<u64>>,
    completed: Option<String>,
}

#[derive(Default)]
struct State {
    acts: Vec<Act>,
    uploads: Vec<Upload>,
    requests: usize,
    problems: Vec<String>,
}

struct Server {
    url: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Server {
    async fn start(mut acts: Vec<Act>) -> Self {
        acts.reverse();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { acts, ..State::default() }));
        let mut tasks = JoinSet::new();
        let (base, shared) = (url.clone(), state.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (base, state) = (base.clone(), shared.clone());
                let service = service_fn(move |request| answer(request, base.clone(), state.clone()));
                connections.spawn(async move {
                    // A connection that is closed without an answer is an error.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
                });
            }
        });
        Server { url, state, _tasks: tasks }
    }
}

async fn answer(request: Request<Incoming>, base: String, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let id = head.uri.path().trim_matches('/').strip_prefix("chunked_upload").unwrap().trim_matches('/').parse::<usize>().ok();
    let (status, text) = match head.method.as_str() {
        "PUT" => {
            let range = head.headers["content-range"].to_str()?.to_owned();
            state.put(id, &range, chunk(&body), &base)?
        }
        "POST" => state.complete(id.unwrap(), &body),
        _ => (200, state.shown(id.unwrap(), &base)),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(text.into()))?)
}

/// The bytes of the form's file.
fn chunk(form: &[u8]) -> &[u8] {
    const HEAD: &[u8] = b"filename=\"file\"\r\n\r\n";
    let boundary = form.windows(2).position(|two| two == b"\r\n").unwrap();
    let start = form.windows(HEAD.len()).position(|window| window == HEAD).unwrap() + HEAD.len();
    &form[start..form.len() - boundary - "\r\n--\r\n".len()]
}

impl State {
    fn put(&mut self, id: Option<usize>, range: &str, chunk: &[u8], base: &str) -> Result<(u16, String), BoxError> {
        let (first, rest) = range.strip_prefix("bytes ").unwrap().split_once('-').unwrap();
        let (last, _) = rest.split_once('/').unwrap();
        let (first, last): (u64, u64) = (first.parse()?, last.parse()?);
        if last + 1 - first != chunk.len() as u64 {
            self.problems.push(format!("{range} with {} bytes", chunk.len()));
        }
        let expected = id.map_or(0, |id| self.uploads[id].bytes.len() as u64);
        let mismatch = || {
            let text =
                format!(r#"{{"detail": "Offsets do not match", "expected_offset": {expected}, "provided_offset": {first}}}"#);
            Ok((400, text))
        };
        if first != expected {
            return mismatch();
        }
        let act = self.acts.pop().unwrap_or(Act::Take(usize::MAX));
        let taken = match act {
            Act::Take(bytes) => bytes.min(chunk.len()),
            Act::TakeAndClose => chunk.len(),
            Act::Close => return Err("closed".into()),
            // Of an upload that isn't there yet no byte is expected but the first.
            Act::Refuse if id.is_some() => return mismatch(),
            Act::Refuse | Act::Busy => return Ok((503, r#"{"detail": "busy"}"#.to_owned())),
        };
        let id = id.unwrap_or_else(|| {
            self.uploads.push(Upload::default());
            self.uploads.len() - 1
        });
        let upload = &mut self.uploads[id];
        upload.bytes.extend_from_slice(&chunk[..taken]);
        upload.taken.push(first..first + taken as u64);
        match act {
            Act::TakeAndClose => Err("closed".into()),
            _ => Ok((200, self.shown(id, base))),
        }
    }

    fn complete(&mut self, id: usize, body: &[u8]) -> (u16, String) {
        let told: HashMap<String, String> = serde_json::from_slice(body).unwrap();
        if self.uploads[id].completed.replace(told["md5"].clone()).is_some() {
            self.problems.push("completed twice".to_owned());
        }
        (200, self.shown(id, "http://nowhere"))
    }

    fn shown(&self, id: usize, base: &str) -> String {
        let upload = &self.uploads[id];
        let completed = if upload.completed.is_some() { r#""2026-01-01T00:00:00Z""# } else { "null" };
        let offset = upload.bytes.len();
        format!(r#"{{"id": {id}, "url": "{base}/chunked_upload/{id}/", "offset": {offset}, "completed_at": {completed}}}"#)
    }
}

/// What can be uploaded.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Path,
    Bytes,
    Reopen,
    Reader,
    Stream,
}

struct Again(Vec<u8>);

impl Reopen for Again {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        // In pieces of a few bytes.
        let rest = self.0[offset as usize..].to_vec();
        Ok(Box::new(io::BufReader::with_capacity(7, io::Cursor::new(rest))))
    }
}

impl Kind {
    fn source(self, content: &[u8], path: &std::path::Path) -> UploadSource {
        match self {
            Kind::Path => {
                std::fs::write(path, content).unwrap();
                path.into()
            }
            Kind::Bytes => content.to_vec().into(),
            Kind::Reopen => ResumableSource::reopen(Again(content.to_vec())).into(),
            Kind::Reader => OneShotSource::reader(io::Cursor::new(content.to_vec()), content.len() as u64).into(),
            Kind::Stream => {
                let pieces: Vec<_> = content.chunks(11).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))).collect();
                OneShotSource::stream(futures_util::stream::iter(pieces), content.len() as u64).into()
            }
        }
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Path), Just(Kind::Bytes), Just(Kind::Reopen), Just(Kind::Reader), Just(Kind::Stream)]
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_usize..40).prop_map(Act::Take),
        2 => Just(Act::Take(usize::MAX)),
        1 => Just(Act::TakeAndClose),
        1 => Just(Act::Close),
        1 => Just(Act::Refuse),
        1 => Just(Act::Busy),
    ]
}

/// A chunk's size, and a length that has something to do with it.
fn any_sizes() -> impl Strategy<Value = (u64, usize)> {
    (1_u64..50).prop_flat_map(|chunk| {
        let near = chunk as usize;
        (Just(chunk), prop_oneof![Just(1), Just(near.max(2) - 1), Just(near), Just(near + 1), 1_usize..300, Just(4 * near)])
    })
}

/// By another implementation than the client's.
fn md5_of(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_comes_together_identical(
        kind in any_kind(), (chunk_size, length) in any_sizes(), acts in prop::collection::vec(any_act(), 0..8), seed in any::<u64>(),
    ) {
        marker::watch();
        let content: Vec<u8> = (0..length as u64).map(|at| (seed ^ at).wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let server = Server::start(acts.clone()).await;
            // No more failures in a row than acts.
            let retry = RetryPolicy::new().retries(10).initial_backoff(Duration::from_millis(1)).max_backoff(Duration::from_millis(1));
            let client = BackendClient::builder(&server.url).retry(retry);
            let client = client.http(|| reqwest::ClientBuilder::new().tls_certs_only([])).build().unwrap();
            let source = kind.source(&content, &directory.path().join("file"));
            let upload = client.create_chunked_upload::<UploadSource>(source).chunk_size(chunk_size);
            let upload = tokio::time::timeout(Duration::from_secs(30), upload.send()).await.expect("it hangs");
            prop_assert!(upload.is_ok(), "{:?}", upload);
            let id: usize = upload.unwrap().id.to_string().parse().unwrap();
            let state = server.state.lock().unwrap();
            prop_assert!(state.problems.is_empty(), "{:?}", state.problems);
            let stored = &state.uploads[id];
            prop_assert_eq!(&stored.bytes, &content);
            prop_assert_eq!(&stored.completed, &Some(md5_of(&content)));
            prop_assert!(state.uploads.iter().enumerate().all(|(other, upload)| other == id || upload.completed.is_none()));
            // Each act costs a chunk more, and a question; each chunk is asked for once.
            let chunks = length.div_ceil(chunk_size as usize);
            prop_assert!(state.requests <= chunks + 3 * acts.len() + 2, "{} requests", state.requests);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn an_empty_file_is_an_error_and_nothing_is_sent() {
    marker::watch();
    let server = Server::start(Vec::new()).await;
    let client = BackendClient::builder(&server.url).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for kind in [Kind::Path, Kind::Bytes, Kind::Reopen, Kind::Reader, Kind::Stream] {
        let source = kind.source(b"", &directory.path().join("file"));
        let error = marker::Failure::failure(client.create_chunked_upload::<UploadSource>(source).await);
        assert!(error.is_invalid_input() && error.to_string().contains("empty"), "{kind:?}: {error}");
    }
    assert_eq!(server.state.lock().unwrap().requests, 0);
}
