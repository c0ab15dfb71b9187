//! A server may accept any part of each chunk and report it in any way. The stored file is still identical,
//! for any length and any source, and every chunk begins at the byte that the server expects.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::marker::{Failure, TOKEN};
use crate::support::soon::soon;
use crate::support::tcp_server::{accept, listener};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use proptest::prelude::*;
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::types::ChunkedUpload;
use synapse_backend_client::{
    BackendClient, Result, ResumableSource, RetryPolicy, RewindableSource, StreamSource, UploadSource,
    reqwest,
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinSet;

// ---- the server's behaviour

/// How the server handles a chunk. Shares are fractions of 255.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Accepts this share of the chunk, which may be zero, and reports the offset.
    Take(u8),
    /// The same, without reading the rest.
    TakeAndHangUp(u8),
    /// Accepts this share, and reports an offset mismatch.
    Refuse(u8),
    /// Accepts this share, and closes the connection without a response, after reading all of the chunk or
    /// only the share.
    Drop { taken: u8, reads_all: bool },
    /// Reads this share, accepts nothing, and closes the connection.
    ReadAndDrop(u8),
    /// Accepts nothing, and reports that it is busy.
    Busy(u16),
}

/// How the server handles an offset request.
#[derive(Debug, Clone, Copy)]
enum Status {
    Truth,
    Nothing,
    Busy,
}

#[derive(Debug, Clone)]
struct Script {
    chunks: Vec<Act>,
    asked: Vec<Status>,
    /// Completes the upload, and closes the connection without a response.
    drops_completion: bool,
}

/// The server's limit of consecutive requests without progress.
const MISSES: u32 = 5;

#[derive(Debug)]
struct State {
    expected: Vec<u8>,
    chunk_size: u64,
    chunks: VecDeque<Act>,
    asked: VecDeque<Status>,
    drops_completion: bool,
    uploads: Vec<Upload>,
    /// The highest offset that the server reported, and the number of requests without progress since.
    highest_offset: usize,
    misses: u32,
    puts: usize,
    gets: usize,
    posts: usize,
    problems: Vec<String>,
}

#[derive(Debug, Default)]
struct Upload {
    content: Vec<u8>,
    complete: bool,
}

impl State {
    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn next_act(&mut self) -> Act {
        let act = self.chunks.pop_front().unwrap_or(Act::Take(u8::MAX));
        self.misses += 1;
        if self.misses > MISSES { Act::Take(u8::MAX) } else { act }
    }

    fn next_status(&mut self) -> Status {
        let status = self.asked.pop_front().unwrap_or(Status::Truth);
        self.misses += 1;
        if self.misses > MISSES { Status::Truth } else { status }
    }

    /// Returns the upload as the server reports it. From here on the client knows the offset.
    fn shown(&mut self, number: usize) -> String {
        let Upload { content, complete } = &self.uploads[number];
        let length = content.len();
        let completed = if *complete { r#""2026-01-01T00:00:00Z""# } else { "null" };
        let shown = format!(
            r#"{{"id": {number}, "url": "/chunked_upload/{number}/", "offset": {length}, "completed_at": {completed}}}"#
        );
        // The client counts in the same way: a few bytes of a chunk are no progress.
        let least = usize::try_from(self.chunk_size / 16).unwrap().max(1);
        if length >= self.highest_offset + least
            || (length == self.expected.len() && length > self.highest_offset)
        {
            (self.highest_offset, self.misses) = (length, 0);
        }
        shown
    }

    /// Checks that the chunk is the expected one, and returns its length.
    fn check_range(&mut self, number: Option<usize>, range: &str) -> usize {
        let size = self.expected.len() as u64;
        let start = number.map_or(0, |number| self.uploads[number].content.len() as u64);
        let end = size.min(start + self.chunk_size);
        if range != format!("bytes {start}-{}/{size}", end.saturating_sub(1)) {
            self.problem(format!("of {size} bytes {start} are there, and what comes is {range}"));
        }
        usize::try_from(end - start).unwrap()
    }

    /// Accepts the received bytes of a chunk, at most `share` of `length`. Returns the upload's number.
    fn take(&mut self, number: Option<usize>, file: &[u8], length: usize, share: u8) -> usize {
        let number = number.unwrap_or_else(|| {
            self.uploads.push(Upload::default());
            self.uploads.len() - 1
        });
        let file = &file[..file.len().min(part(length, share))];
        self.uploads[number].content.extend_from_slice(file);
        number
    }
}

fn part(length: usize, share: u8) -> usize {
    length * usize::from(share) / usize::from(u8::MAX)
}

type HttpResponse = Response<Full<Bytes>>;

fn respond(status: u16, text: impl Into<Bytes>) -> HttpResponse {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    response.body(Full::new(text.into())).unwrap()
}

fn closed() -> io::Error {
    io::Error::other("closed on purpose")
}

struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(expected: &[u8], chunk_size: u64, script: Script) -> Self {
        let (listener, address) = listener().await;
        let state = Arc::new(Mutex::new(State {
            expected: expected.to_vec(),
            chunk_size,
            chunks: script.chunks.into(),
            asked: script.asked.into(),
            drops_completion: script.drops_completion,
            uploads: Vec::new(),
            highest_offset: 0,
            misses: 0,
            puts: 0,
            gets: 0,
            posts: 0,
            problems: Vec::new(),
        }));
        let shared = state.clone();
        let tasks = accept(listener, move |stream, _| {
            let state = shared.clone();
            let service = hyper::service::service_fn(move |request| serve(state.clone(), request));
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that is closed on purpose ends with an error.
            async move { drop(serving.await) }
        });
        Server { address, state, _tasks: tasks }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn client(&self) -> BackendClient {
        let retry = RetryPolicy::new().max_retries(2 * MISSES);
        let retry = retry.initial_backoff(Duration::from_millis(1)).max_backoff(Duration::from_millis(2));
        let client =
            BackendClient::builder(format!("http://{}", self.address)).access_token(TOKEN).retry(retry);
        // Loading the system's certificates takes longer than most uploads here.
        client.http(|| reqwest::ClientBuilder::new().tls_certs_only([])).build().unwrap()
    }
}

async fn serve(state: Arc<Mutex<State>>, request: Request<Incoming>) -> io::Result<HttpResponse> {
    let path = request.uri().path().to_owned();
    let number = path.strip_prefix("/chunked_upload/").map(|rest| rest.trim_end_matches('/'));
    let number = match number.map(|number| (number.is_empty(), number.parse::<usize>().ok())) {
        Some((true, _)) => None,
        Some((false, Some(number))) if number < state.lock().unwrap().uploads.len() => Some(number),
        _ => {
            state.lock().unwrap().problem(format!("{path} is no upload's"));
            return Ok(respond(404, "{}"));
        }
    };
    match (request.method().clone(), number) {
        (Method::PUT, number) => put(&state, number, request).await,
        (Method::GET, Some(number)) => {
            let mut state = state.lock().unwrap();
            state.gets += 1;
            match state.next_status() {
                Status::Truth => Ok(respond(200, state.shown(number))),
                Status::Nothing => Err(closed()),
                Status::Busy => Ok(respond(503, r#"{"detail": "busy"}"#)),
            }
        }
        (Method::POST, Some(number)) => {
            let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
            let mut state = state.lock().unwrap();
            state.posts += 1;
            let md5 = md5_of(&state.uploads[number].content);
            if body != format!(r#"{{"md5":"{md5}"}}"#) {
                state.problem(format!("its MD5 is {md5}, and {body:?} was sent"));
                return Ok(respond(400, r#"{"detail": "checksum does not match"}"#));
            }
            state.uploads[number].complete = true;
            match state.drops_completion {
                true => Err(closed()),
                false => Ok(respond(200, state.shown(number))),
            }
        }
        (method, _) => {
            state.lock().unwrap().problem(format!("{method} {path}"));
            Ok(respond(405, "{}"))
        }
    }
}

async fn put(
    state: &Mutex<State>,
    number: Option<usize>,
    request: Request<Incoming>,
) -> io::Result<HttpResponse> {
    let header = |name| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (range, form, announced) = (header(CONTENT_RANGE), header(CONTENT_TYPE), header(CONTENT_LENGTH));
    let (length, act) = {
        let mut state = state.lock().unwrap();
        state.puts += 1;
        (state.check_range(number, &range), state.next_act())
    };
    let share = match act {
        Act::Take(_) | Act::Refuse(_) | Act::Busy(_) | Act::Drop { reads_all: true, .. } => None,
        Act::TakeAndHangUp(share) | Act::Drop { taken: share, .. } | Act::ReadAndDrop(share) => Some(share),
    };
    let mut chunk = Chunk { form, read: Vec::new(), length };
    chunk.read(request.into_body(), share.map(|share| part(length, share))).await?;
    let mut state = state.lock().unwrap();
    let start = number.map_or(0, |number| state.uploads[number].content.len());
    if chunk.file() != &state.expected[start..start + chunk.file().len()] {
        state.problem(format!("other bytes than the file's come from byte {start} on"));
    }
    if share.is_none()
        && (chunk.file().len() != length || announced != chunk.read.len().to_string() || !chunk.ends_well())
    {
        state.problem(format!("{} bytes of {announced} are no chunk of {length}", chunk.read.len()));
    }
    match act {
        Act::Take(share) | Act::TakeAndHangUp(share) => {
            let number = state.take(number, chunk.file(), length, share);
            Ok(respond(200, state.shown(number)))
        }
        Act::Refuse(share) if number.is_some() => {
            let number = state.take(number, chunk.file(), length, share);
            let expected = state.uploads[number].content.len();
            let mismatch = r#"{"detail": "Offsets do not match", "expected_offset": "#;
            Ok(respond(400, format!("{mismatch}{expected}, \"provided_offset\": {start}}}")))
        }
        // Before the upload exists, there is no offset to mismatch.
        Act::Refuse(share) | Act::Drop { taken: share, .. } => {
            state.take(number, chunk.file(), length, share);
            Err(closed())
        }
        Act::ReadAndDrop(_) => Err(closed()),
        Act::Busy(status) => Ok(respond(status, r#"{"detail": "busy"}"#)),
    }
}

/// The part of a form that was read.
struct Chunk {
    form: String,
    read: Vec<u8>,
    /// The length of the file in the form.
    length: usize,
}

impl Chunk {
    /// Reads the whole form, or until this many bytes of the file have arrived.
    async fn read(&mut self, mut body: Incoming, enough: Option<usize>) -> io::Result<()> {
        while enough.is_none_or(|enough| self.file().len() < enough || enough == 0 && self.read.is_empty()) {
            let Some(frame) = body.frame().await else { return Ok(()) };
            self.read.extend_from_slice(&frame.map_err(io::Error::other)?.into_data().unwrap_or_default());
        }
        Ok(())
    }

    /// Returns the received bytes of the file.
    fn file(&self) -> &[u8] {
        let ends = |from: usize| {
            self.read[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
        };
        // Each of the two form parts has a head.
        let Some(start) = ends(0).and_then(ends) else { return &[] };
        &self.read[start..self.read.len().min(start + self.length)]
    }

    fn ends_well(&self) -> bool {
        let boundary = self.form.strip_prefix("multipart/form-data; boundary=").unwrap_or_default();
        self.read.ends_with(format!("\r\n--{boundary}--\r\n").as_bytes())
    }
}

/// Uses another implementation than the client does.
fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- sources

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Path,
    Bytes,
    RewindableSource,
    Reader,
    Stream,
}

const KINDS: [Kind; 5] = [Kind::Path, Kind::Bytes, Kind::RewindableSource, Kind::Reader, Kind::Stream];

/// Bytes that arrive in chunks of any length.
#[derive(Clone)]
struct Chunks {
    content: Bytes,
    longest: usize,
    random: fastrand::Rng,
}

impl Chunks {
    fn of(content: &Bytes, chunk_count: usize) -> Self {
        Chunks {
            content: content.clone(),
            longest: 2 * content.len() / chunk_count + 1,
            random: fastrand::Rng::with_seed(7),
        }
    }

    fn next(&mut self, room: usize) -> Bytes {
        let length = self.random.usize(1..=self.longest).min(room).min(self.content.len());
        self.content.split_to(length)
    }
}

impl Read for Chunks {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let chunk = self.next(room.len());
        room[..chunk.len()].copy_from_slice(&chunk);
        Ok(chunk.len())
    }
}

impl AsyncRead for Chunks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.random.u8(..) < 50 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let chunk = self.next(room.remaining());
        room.put_slice(&chunk);
        Poll::Ready(Ok(()))
    }
}

impl Iterator for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.content.is_empty() {
            return None;
        }
        // Some chunks are empty.
        let room = if self.random.u8(..) < 30 { 0 } else { usize::MAX };
        Some(Ok(Chunks::next(self, room)))
    }
}

impl RewindableSource for Chunks {
    fn size(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let content = self.content.slice(usize::try_from(offset).unwrap()..);
        Ok(Box::new(Chunks { content, ..self.clone() }))
    }
}

/// Returns the source, and the temporary file that must outlive it.
fn source(
    kind: Kind,
    content: &Bytes,
    chunk_count: usize,
) -> (UploadSource, Option<tempfile::NamedTempFile>) {
    let size = content.len() as u64;
    let chunks = Chunks::of(content, chunk_count);
    let source = match kind {
        Kind::Path => {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            return (file.path().into(), Some(file));
        }
        Kind::Bytes => content.clone().into(),
        Kind::RewindableSource => ResumableSource::from_rewindable(chunks).into(),
        Kind::Reader => StreamSource::reader(chunks, size).into(),
        Kind::Stream => StreamSource::stream(futures_util::stream::iter(chunks), size).into(),
    };
    (source, None)
}

// ---- tests

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

fn content(length: usize) -> Bytes {
    let mut content = vec![0; length];
    fastrand::Rng::with_seed(length as u64).fill(&mut content);
    content.into()
}

/// Uploads with a separate client for each server. These servers fail more often than a shared retry budget
/// allows.
async fn upload(server: &Server, source: UploadSource, chunk_size: u64) -> Result<ChunkedUpload> {
    let upload = server.client().create_chunked_upload(source).chunk_size(chunk_size);
    soon(upload.send()).await
}

/// Lengths and chunk sizes: at, before and after each boundary, of chunks and of the blocks that files are
/// read in.
fn lengths() -> impl Strategy<Value = (usize, u64)> {
    let chunk_size = prop_oneof![
        4 => 1_usize..10,
        2 => 60_usize..70,
        2 => 900_usize..5_000,
        1 => 65_535_usize..=65_537,
        1 => 262_143_usize..=262_145,
        1 => Just(300_000_usize),
    ];
    let length = (0_usize..=6, -1_isize..=1);
    (chunk_size, length).prop_map(|(chunk_size, (chunks, more))| {
        let length = (chunks * chunk_size).saturating_add_signed(more).max(1);
        (length, chunk_size as u64)
    })
}

fn act() -> impl Strategy<Value = Act> {
    // Zero and the whole chunk have a higher weight.
    let share = || prop_oneof![1 => Just(0_u8), 3 => any::<u8>(), 1 => Just(u8::MAX)];
    prop_oneof![
        4 => share().prop_map(Act::Take),
        1 => share().prop_map(Act::TakeAndHangUp),
        2 => share().prop_map(Act::Refuse),
        2 => (share(), any::<bool>()).prop_map(|(taken, reads_all)| Act::Drop { taken, reads_all }),
        1 => share().prop_map(Act::ReadAndDrop),
        1 => prop::sample::select(&[408_u16, 429, 500, 502, 503][..]).prop_map(Act::Busy),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let status = prop_oneof![3 => Just(Status::Truth), 1 => Just(Status::Nothing), 1 => Just(Status::Busy)];
    (prop::collection::vec(act(), 0..16), prop::collection::vec(status, 0..8), any::<bool>())
        .prop_map(|(chunks, asked, drops_completion)| Script { chunks, asked, drops_completion })
}

fn assert_done(
    server: &Server,
    outcome: Result<ChunkedUpload>,
    content: &Bytes,
    acts: usize,
    chunk_size: u64,
) {
    let state = server.state();
    assert!(state.problems.is_empty(), "{:?}", state.problems);
    let done = outcome.unwrap();
    assert!(done.completed_at.is_some());
    let complete: Vec<_> = state.uploads.iter().enumerate().filter(|(_, upload)| upload.complete).collect();
    assert_eq!(complete.len(), 1);
    let (number, upload) = complete[0];
    assert_eq!(done.id.to_string(), number.to_string());
    assert!(upload.content == *content, "the file has other bytes");
    assert_eq!(state.posts, 1);
    // Each act concerns one chunk at most. After the last act, each request completes a chunk.
    let chunks = content.len().div_ceil(usize::try_from(chunk_size).unwrap());
    assert!(state.puts <= acts + chunks, "{} requests for {chunks} chunks and {acts} acts", state.puts);
    assert!(state.gets <= 2 * acts + 10, "{} questions for {acts} acts", state.gets);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn partially_accepted_chunks_arrive_whole(
        kind in prop::sample::select(&KINDS[..]),
        (length, chunk_size) in lengths(),
        chunk_count in 1_usize..60,
        script in script(),
    ) {
        let content = content(length);
        RUNTIME.block_on(async {
            let acts = script.chunks.len();
            let server = Server::start(&content, chunk_size, script).await;
            let (source, _file) = source(kind, &content, chunk_count);
            let outcome = upload(&server, source, chunk_size).await;
            assert_done(&server, outcome, &content, acts, chunk_size);
        });
    }
}

#[tokio::test]
async fn chunk_boundary_lengths_arrive_whole() {
    for kind in KINDS {
        for chunk_size in [1, 2, 5, 64] {
            for length in
                [1, 2, chunk_size - 1, chunk_size, chunk_size + 1, 2 * chunk_size, 7 * chunk_size - 1]
            {
                let content = content(length.max(1));
                let chunk_size = chunk_size as u64;
                let nothing_wrong = Script { chunks: Vec::new(), asked: Vec::new(), drops_completion: false };
                let server = Server::start(&content, chunk_size, nothing_wrong).await;
                let (source, _file) = source(kind, &content, 3);
                let outcome = upload(&server, source, chunk_size).await;
                assert_done(&server, outcome, &content, 0, chunk_size);
                assert_eq!(server.state().gets, 0);
            }
        }
    }
}

#[tokio::test]
async fn empty_source_sends_nothing() {
    for kind in KINDS {
        let script = Script { chunks: Vec::new(), asked: Vec::new(), drops_completion: false };
        let server = Server::start(b"", 5, script).await;
        let (source, _file) = source(kind, &Bytes::new(), 1);
        let error = upload(&server, source, 5).await.failure();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(error.to_string().ends_with("is empty, and the server accepts no empty file"), "{error}");
        let state = server.state();
        assert_eq!((state.puts, state.gets, state.posts, state.problems.len()), (0, 0, 0, 0));
    }
}
