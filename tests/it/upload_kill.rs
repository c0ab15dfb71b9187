//! Uploads whose process is killed. The next process resumes the upload, the stored file is identical, and
//! each kill costs at most one chunk. `SYNAPSE_SOAK=1` kills at ten times as many points.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::backend::backend;
use crate::support::soon::soon;
use crate::support::{child, marker};
use synapse_backend_client::{BackendClient, UploadPhase, UploadProgress, UploadSession};
use synapse_test_backend::{Backend, Fault, Injected};
use tempfile::TempDir;

const SIZE: u64 = (8 << 20) + 12_345;
/// The file is read, hashed and sent in blocks that never end at a chunk's end.
const CHUNK: u64 = 270_001;
const CHUNKS: u64 = SIZE.div_ceil(CHUNK);
const SIGKILL: i32 = 9;
const UPLOADS: &str = "/chunked_upload/";

// ---- the child process, which runs this test binary

/// Where a child stops, or reports its progress and continues.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stop {
    Never,
    /// At least this many bytes were read again for the digest.
    Hashing(u64),
    /// At least this many bytes were passed to the connection.
    Sending(u64),
    /// The session with this number was passed to the callback, and isn't stored yet.
    Session(u64),
    /// The completion is about to be sent.
    Completing,
    /// The upload is complete. Its session file still exists.
    Complete,
    RunningOn(u64),
}

impl Stop {
    fn words(self) -> String {
        match self {
            Stop::Never => "never 0".to_owned(),
            Stop::Hashing(bytes) => format!("hashing {bytes}"),
            Stop::Sending(bytes) => format!("sending {bytes}"),
            Stop::Session(number) => format!("session {number}"),
            Stop::Completing => "completing 0".to_owned(),
            Stop::Complete => "complete 0".to_owned(),
            Stop::RunningOn(bytes) => format!("running-on {bytes}"),
        }
    }

    fn of(words: &str) -> Self {
        let (word, number) = words.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        match word {
            "hashing" => Stop::Hashing(number),
            "sending" => Stop::Sending(number),
            "session" => Stop::Session(number),
            "completing" => Stop::Completing,
            "complete" => Stop::Complete,
            "running-on" => Stop::RunningOn(number),
            _ => Stop::Never,
        }
    }

    fn is_reached(self, progress: UploadProgress) -> bool {
        match self {
            Stop::Hashing(bytes) => progress.phase == UploadPhase::Hashing && progress.bytes_sent >= bytes,
            Stop::Sending(bytes) | Stop::RunningOn(bytes) => {
                progress.phase == UploadPhase::Sending && progress.bytes_sent >= bytes
            }
            Stop::Completing => progress.phase == UploadPhase::Completing,
            Stop::Complete => progress.phase == UploadPhase::Complete,
            Stop::Never | Stop::Session(_) => false,
        }
    }
}

/// Reports that the point is reached. The parent process then kills this one.
fn reached(stop: Stop) {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if !REPORTED.swap(true, Ordering::SeqCst) {
        println!("\nreached {stop:?}");
    }
    if !matches!(stop, Stop::RunningOn(_)) {
        // The read returns only if the parent exits.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    }
}

#[test]
fn killed_upload_child() {
    let Ok(path) = std::env::var("UPLOADING_CHILD_FILE") else { return };
    marker::watch();
    let variable = |name: &str| std::env::var(name).unwrap();
    let (url, token) = (variable("UPLOADING_CHILD_URL"), variable("UPLOADING_CHILD_TOKEN"));
    let stop = Stop::of(&variable("UPLOADING_CHILD_STOP"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = BackendClient::builder(url).access_token(token).build().unwrap();
        let offered = AtomicU64::new(0);
        let upload = client
            .create_chunked_upload(&path)
            .chunk_size(CHUNK)
            .session_file(session_file(Path::new(&path)))
            .on_progress(move |progress| {
                if stop.is_reached(progress) {
                    reached(stop);
                }
            })
            .on_session(move |_| {
                if stop == Stop::Session(offered.fetch_add(1, Ordering::SeqCst)) {
                    reached(stop);
                }
            });
        println!("\nuploaded {}", upload.await.unwrap().id);
    });
}

fn session_file(file: &Path) -> PathBuf {
    file.with_extension("pt.session")
}

// ---- the parent process

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// The child reported that it reached this point. It stopped, or it continues for a short time.
    Reported(Stop),
    /// The server has received this request and hasn't acted on it. It acts later, or after another process
    /// resumed the upload.
    HeldBefore { request: u64, acts_late: bool },
    /// The server has acted on this request and hasn't responded yet.
    HeldAfter { request: u64 },
    /// This request has just begun to arrive.
    Arriving { request: u64 },
}

impl Point {
    /// Returns each kind of point in turn, at a random place.
    fn first(number: u64, random: &mut fastrand::Rng) -> Self {
        // The last request completes the upload.
        let request = random.u64(0..=CHUNKS);
        match number % 9 {
            0 => Point::Reported(Stop::Sending(random.u64(0..=SIZE))),
            1 => Point::HeldAfter { request },
            2 => Point::Reported(Stop::Session(random.u64(0..CHUNKS))),
            3 => Point::HeldBefore { request, acts_late: random.bool() },
            4 => Point::HeldAfter { request: CHUNKS },
            5 => Point::Reported(Stop::RunningOn(random.u64(0..SIZE))),
            6 => Point::Arriving { request },
            7 => Point::Reported(if random.bool() { Stop::Completing } else { Stop::Complete }),
            // Before anything is sent, or before the client knows the upload's id.
            _ if random.bool() => Point::Reported(Stop::Sending(0)),
            _ => Point::HeldAfter { request: 0 },
        }
    }

    /// Returns a point for the process that resumes the upload.
    fn second(random: &mut fastrand::Rng) -> Self {
        Point::Reported(match random.u64(0..4) {
            0 => Stop::Hashing(random.u64(0..SIZE)),
            1 => Stop::Sending(random.u64(0..=SIZE)),
            2 => Stop::RunningOn(random.u64(0..SIZE)),
            _ => Stop::Completing,
        })
    }

    fn runs_on(self) -> bool {
        matches!(self, Point::Reported(Stop::RunningOn(_)) | Point::Arriving { .. })
    }
}

/// A process that uploads.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn start(setup: &Setup, stop: Stop) -> Self {
        let mut child = child::command(killed_upload_child)
            .env("UPLOADING_CHILD_FILE", &setup.file)
            .env("UPLOADING_CHILD_URL", setup.backend.url())
            .env("UPLOADING_CHILD_TOKEN", setup.backend.token())
            .env("UPLOADING_CHILD_STOP", stop.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Process { child, out }
    }

    /// Returns the rest of the next line with this start. `None` if the output ends first.
    fn reported(&mut self, start: &str) -> Option<String> {
        let lines = self.out.by_ref().lines().map_while(Result::ok);
        lines.filter_map(|line| line.strip_prefix(start).map(str::to_owned)).next()
    }

    /// Returns the id of the completed upload.
    fn uploaded(mut self) -> String {
        let id = self.reported("uploaded ");
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(self.child.wait().unwrap().success(), "{errors}");
        id.unwrap_or_else(|| panic!("it printed no id: {errors}"))
    }

    /// Kills the process. Returns false if it had already exited.
    fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success() || status.signal() == Some(SIGKILL), "{status}");
        !status.success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A failed test leaves no process behind.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

struct Setup {
    backend: Backend,
    content: Vec<u8>,
    directory: TempDir,
    file: PathBuf,
}

impl Setup {
    async fn new(random: &mut fastrand::Rng) -> Self {
        let backend = backend().record_bodies(false).start().await.unwrap();
        let mut content = vec![0; usize::try_from(SIZE).unwrap()];
        random.fill(&mut content);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("model.pt");
        std::fs::File::create(&file).unwrap().write_all(&content).unwrap();
        Setup { backend, content, directory, file }
    }

    /// Starts a process and kills it. Returns false if the process had already exited. A returned fault is
    /// still active.
    async fn killed_at(&self, point: Point) -> (bool, Option<Injected>) {
        let number = |request: u64, fault: Fault| match request {
            CHUNKS => fault.on("POST", UPLOADS),
            request => fault.on("PUT", UPLOADS).after(request),
        };
        match point {
            Point::Reported(stop) => {
                let mut process = Process::start(self, stop);
                let reached = process.reported("reached ").is_some();
                (process.kill() && reached, None)
            }
            Point::HeldBefore { request, acts_late } => {
                let fault = self.backend.inject(number(request, Fault::hold_before()));
                let process = Process::start(self, Stop::Never);
                soon(fault.wait_for_hits(1)).await;
                assert!(process.kill());
                if !acts_late {
                    fault.release();
                }
                (true, Some(fault))
            }
            Point::HeldAfter { request } => {
                let fault = self.backend.inject(number(request, Fault::hold_after()));
                let process = Process::start(self, Stop::Never);
                soon(fault.wait_for_hits(1)).await;
                // The server stores a chunk's bytes or completes the upload before the response is held.
                soon(async {
                    while !self.has_acted_on(request) {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
                assert!(process.kill());
                (true, Some(fault))
            }
            Point::Arriving { request } => {
                let process = Process::start(self, Stop::Never);
                soon(self.backend.wait_for_requests(request + 1)).await;
                (process.kill(), None)
            }
        }
    }

    fn has_acted_on(&self, request: u64) -> bool {
        let Some(id) = self.backend.upload_ids().pop() else { return false };
        match request {
            CHUNKS => self.backend.completions(&id) > 0,
            request => self.backend.accepted_ranges(&id).len() as u64 > request,
        }
    }

    /// Returns the stored session. The file is complete at any time.
    fn session(&self) -> Option<UploadSession> {
        let text = std::fs::read(session_file(&self.file)).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// Returns whether the process finished before it was killed: the upload is complete, and no session is
    /// stored.
    fn is_done(&self) -> bool {
        let backend = &self.backend;
        backend.upload_ids().iter().any(|id| backend.completions(id) > 0) && self.session().is_none()
    }

    /// Returns the number of sent bytes, by the requests' headers, whether they were accepted or not.
    fn announced(&self) -> u64 {
        let length = |text: &str| {
            let (first, last) = text.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
            Some(last.parse::<u64>().ok()? + 1 - first.parse::<u64>().ok()?)
        };
        self.backend.requests().iter().filter_map(|request| length(request.header("content-range")?)).sum()
    }

    fn assert_stored(&self, id: &str) {
        let stored = std::fs::read(self.backend.uploaded_file(id).unwrap()).unwrap();
        assert!(stored == self.content, "the stored file has other bytes");
        let mut end = 0;
        for range in self.backend.accepted_ranges(id) {
            assert_eq!(range.start, end, "{:?}", self.backend.accepted_ranges(id));
            end = range.end;
        }
        assert_eq!(end, SIZE);
        for other in self.backend.upload_ids() {
            assert_eq!(self.backend.completions(&other), u64::from(other == id), "completions of {other}");
        }
    }

    /// Returns the names of the other files in the directory.
    fn temporary_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "model.pt").collect()
    }
}

#[tokio::test]
async fn upload_kill_costs_at_most_one_chunk() {
    let points = if std::env::var("SYNAPSE_SOAK").is_ok_and(|soak| soak == "1") { 50 } else { 5 };
    let mut random = fastrand::Rng::with_seed(20_260_101);
    let mut most_resent = 0;
    for number in 0..points {
        let setup = Setup::new(&mut random).await;
        let mut kills = vec![Point::first(number, &mut random)];
        if number % 3 == 2 {
            kills.push(Point::second(&mut random));
        }
        println!("point {number}: {kills:?}");
        let mut held = Vec::new();
        let mut killed = 0;
        let mut id = None;
        for point in &kills {
            let (in_time, fault) = setup.killed_at(*point).await;
            held.extend(fault);
            assert!(in_time || point.runs_on() || killed > 0, "{point:?} is never reached");
            killed += u64::from(in_time);
            if setup.is_done() {
                break;
            }
            if let Some(session) = setup.session() {
                let known = id.get_or_insert_with(|| session.id.to_string()).clone();
                assert_eq!(session.id.to_string(), known, "another upload is resumed");
            }
        }
        let uploaded = match setup.is_done() {
            true => setup.backend.upload_ids().pop().unwrap(),
            false => Process::start(&setup, Stop::Never).uploaded(),
        };
        held.iter().for_each(Injected::release);
        if let Some(id) = id {
            assert_eq!(uploaded, id, "the session is of another upload");
        }
        setup.assert_stored(&uploaded);

        let resent = setup.announced() - SIZE;
        assert!(resent <= killed * CHUNK, "{resent} bytes were sent again after {killed} kills");
        most_resent = most_resent.max(resent);

        // Only a process that is killed while it writes its session leaves a temporary file.
        let temporary_files = setup.temporary_files();
        let killed_while_running = kills.iter().filter(|point| point.runs_on()).count();
        assert!(temporary_files.len() <= killed_while_running, "{temporary_files:?}");
        assert!(
            temporary_files.iter().all(|name| name.starts_with("model.pt.session.")),
            "{temporary_files:?}"
        );
    }
    println!("{points} points, at most {most_resent} bytes sent again, of chunks of {CHUNK}");
}
