//! What a session proves and what it can't. No model is created from another file's bytes, and no path of the
//! host except the upload's own gets the token or the file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::backend::backend;
use crate::support::marker::{Failure, Fields, MARKER, assert_debug_hidden};
use serde_json::{Value, json};
use synapse_backend_client::types::Model;
use synapse_backend_client::{
    BackendClient, CreateModel, Error, ErrorKind, RetryPolicy, UploadPhase, UploadProgress, UploadSession,
};
use synapse_test_backend::{Backend, BackendBuilder, Fault, RecordedRequest};
use tempfile::TempDir;

/// Larger than the read-ahead, so the digest of the sent bytes isn't the digest of the whole file.
const SIZE: usize = 4 << 20;
const CHUNK: u64 = 512 << 10;

struct Setup {
    backend: Arc<Backend>,
    client: BackendClient,
    directory: TempDir,
}

/// Returns bytes in which no two chunks are equal. Each seed gives another file.
fn content(seed: u64) -> Vec<u8> {
    let words =
        (0..SIZE as u64 / 8).flat_map(|word| (word + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    words.collect()
}

/// Returns the file with one changed byte.
fn changed_at(mut content: Vec<u8>, at: usize) -> Vec<u8> {
    content[at] ^= 1;
    content
}

impl Setup {
    async fn new() -> Self {
        Setup::of(backend()).await
    }

    async fn of(backend: BackendBuilder) -> Self {
        let backend = Arc::new(backend.record_bodies(false).start().await.unwrap());
        let client =
            BackendClient::builder(backend.url()).access_token(backend.token()).retry(RetryPolicy::never());
        Setup { client: client.build().unwrap(), backend, directory: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, content).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(moment(0)).unwrap();
        path
    }

    fn create(&self, file: impl Into<synapse_backend_client::ModelFile>) -> CreateModel {
        let model = self.client.create_model(file, |m| m.name("n").model_type("detection").project(123));
        model.chunk_size(CHUNK).session_file(self.at("session"))
    }

    /// Returns the model's bytes on the server.
    fn bytes_of(&self, model: &Model) -> Vec<u8> {
        let _ = model;
        let id = self.backend.upload_ids().pop().unwrap();
        assert_eq!(self.backend.completions(&id), 1);
        std::fs::read(self.backend.uploaded_file(&id).unwrap()).unwrap()
    }

    fn refuse_model(&self) {
        self.backend.inject(Fault::response(400).json(r#"{"name": ["Taken."]}"#).on("POST", "/models/"));
    }

    fn break_off(&self, chunks: u64) {
        self.backend.inject(Fault::response(403).method("PUT").after(chunks));
    }

    fn session(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.at("session")).unwrap()).unwrap()
    }

    fn count(&self, method: &str) -> usize {
        self.backend.requests().iter().filter(|request| request.method == method).count()
    }

    fn resume(
        &self,
        session: Value,
        source: impl Into<synapse_backend_client::ResumableSource>,
    ) -> synapse_backend_client::CreateChunkedUpload {
        self.client.resume_chunked_upload(serde_json::from_value(session).unwrap(), source)
    }
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
}

fn touch(path: &Path, seconds: u64) {
    std::fs::File::options().write(true).open(path).unwrap().set_modified(moment(seconds)).unwrap();
}

/// Returns the session as an older release stored it, without a digest.
fn without_digest(mut session: Value) -> Value {
    session["version"] = 1.into();
    session.as_object_mut().unwrap().remove("digest");
    session
}

// ---- another file

#[tokio::test]
async fn session_not_reused_for_other_bytes() {
    let setup = Setup::new().await;
    for other in [
        content(2),
        changed_at(content(1), 0),
        changed_at(content(1), SIZE - 1),
        changed_at(content(1), SIZE / 2),
    ] {
        setup.refuse_model();
        setup.create(content(1)).await.failure();
        assert!(setup.at("session").exists());
        let model = setup.create(other.clone()).await.unwrap();
        assert!(setup.bytes_of(&model) == other, "the model has another file's bytes");
        assert!(!setup.at("session").exists());
    }
    assert_eq!(setup.backend.upload_ids().len(), 8);
}

#[tokio::test]
async fn session_reused_for_same_bytes() {
    let setup = Setup::new().await;
    setup.refuse_model();
    setup.create(content(1)).await.failure();
    setup.backend.clear_requests();
    let model = setup.create(setup.write("elsewhere.pt", &content(1)).as_path()).await.unwrap();
    assert!(setup.bytes_of(&model) == content(1));
    assert_eq!((setup.count("PUT"), setup.count("POST"), setup.count("GET")), (0, 1, 1));
}

#[tokio::test]
async fn equal_size_and_time_not_mistaken() {
    let setup = Setup::new().await;
    let (a, b) = (setup.write("a.pt", &content(1)), setup.write("b.pt", &content(2)));
    setup.refuse_model();
    setup.create(a.as_path()).await.failure();
    let model = setup.create(b.as_path()).await.unwrap();
    assert!(setup.bytes_of(&model) == content(2), "the model has another file's bytes");

    // An incomplete upload isn't resumed with another file either.
    setup.break_off(3);
    setup.create(a.as_path()).await.failure();
    let session = setup.session();
    setup.backend.clear_requests();
    let reported = Arc::new(Mutex::new(Vec::<UploadProgress>::new()));
    let sink = reported.clone();
    let model = setup
        .create(b.as_path())
        .on_progress(move |progress| sink.lock().unwrap().push(progress))
        .await
        .unwrap();
    assert!(setup.bytes_of(&model) == content(2));
    let old = format!("/chunked_upload/{}/", session["id"].as_str().unwrap());
    assert!(
        setup.backend.requests().iter().all(|request| request.path != old),
        "a request went to the old upload"
    );
    // The reported progress begins at zero.
    let reported = std::mem::take(&mut *reported.lock().unwrap());
    assert!(reported.iter().any(|progress| progress.phase == UploadPhase::Hashing));
    assert!(
        reported.iter().any(|progress| progress.phase == UploadPhase::Sending && progress.bytes_sent == 0),
        "{reported:?}"
    );
}

#[tokio::test]
async fn resume_with_other_bytes_is_refused() {
    let setup = Setup::new().await;
    setup.break_off(3);
    let error = setup.create(content(1)).await.failure();
    let session = serde_json::to_value(error.upload_session().unwrap()).unwrap();
    setup.backend.clear_requests();
    for at in [0, 1, 3 * CHUNK as usize - 1] {
        let error = setup.resume(session.clone(), changed_at(content(1), at)).await.failure();
        assert!(error.is_invalid_input(), "{error:?}");
        assert!(
            error.to_string().contains("isn't the file that the upload began with: the MD5 of its first "),
            "{error}"
        );
    }
    assert_eq!(setup.backend.requests().len(), 0, "something was sent");
    setup.resume(session, content(1)).await.unwrap();
}

#[tokio::test]
async fn session_digest_covers_sent_bytes() {
    let setup = Setup::new().await;
    let sessions = Arc::new(Mutex::new(Vec::new()));
    let sink = sessions.clone();
    let path = setup.write("a.pt", &content(1));
    let upload = setup.client.create_chunked_upload(path.as_path()).chunk_size(CHUNK);
    upload
        .on_session(move |session| sink.lock().unwrap().push(serde_json::to_value(session).unwrap()))
        .await
        .unwrap();
    let sessions = std::mem::take(&mut *sessions.lock().unwrap());
    assert_eq!(sessions.len(), 8);
    for session in &sessions {
        let length = usize::try_from(session["digest"]["length"].as_u64().unwrap()).unwrap();
        assert!(length as u64 >= session["offset"].as_u64().unwrap(), "{session}");
        assert_eq!(session["digest"]["md5"], md5_of(&content(1)[..length]));
    }
    assert_eq!(sessions[7]["digest"]["length"], SIZE);
}

fn md5_of(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Records the warnings and errors that are emitted on this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = String::new();
        event.record(&mut Fields(&mut message));
        self.0.lock().unwrap().push(message);
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn unused_session_logs_warning() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    let warnings = Warnings::default();
    let _watching = tracing::subscriber::set_default(warnings.clone());
    let logged = || std::mem::take(&mut *warnings.0.lock().unwrap());
    setup.refuse_model();
    setup.create(path.as_path()).await.failure();
    assert_eq!(logged(), [""; 0]);
    setup.refuse_model();
    setup.create(content(2)).await.failure();
    let of_another = logged();
    assert!(
        matches!(&of_another[..], [one] if one.contains("the saved session can't be used (the source isn't the file")),
        "{of_another:?}"
    );
    std::fs::write(setup.at("session"), without_digest(setup.session()).to_string()).unwrap();
    touch(&path, 3);
    setup.refuse_model();
    setup.create(path.as_path()).await.failure();
    let by_time = logged();
    assert!(matches!(&by_time[..], [one] if one.contains("was changed since")), "{by_time:?}");
    // A file with another modification time but the same bytes causes no warning.
    touch(&path, 4);
    setup.create(path.as_path()).await.unwrap();
    assert_eq!(logged(), [""; 0]);
}

// ---- the same file

#[tokio::test]
async fn touched_file_continues_session() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    setup.break_off(5);
    setup.create(path.as_path()).await.failure();
    setup.backend.clear_requests();
    touch(&path, 1);
    let model = setup.create(path.as_path()).await.unwrap();
    assert!(setup.bytes_of(&model) == content(1));
    assert_eq!((setup.backend.upload_ids().len(), setup.count("PUT")), (1, 3));

    // A complete upload is reused as well.
    setup.refuse_model();
    setup.create(path.as_path()).await.failure();
    setup.backend.clear_requests();
    touch(&path, 2);
    setup.create(path.as_path()).await.unwrap();
    assert_eq!((setup.backend.upload_ids().len(), setup.count("PUT")), (2, 0));
}

#[tokio::test]
async fn touched_file_resumes() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    setup.break_off(5);
    setup.create(path.as_path()).await.failure();
    touch(&path, 1);
    setup.backend.clear_requests();
    setup.resume(setup.session(), path.as_path()).await.unwrap();
    assert_eq!((setup.backend.upload_ids().len(), setup.count("PUT")), (1, 3));
}

// ---- sessions of releases without digests

#[tokio::test]
async fn old_session_resumed_by_size_and_time() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    setup.break_off(5);
    setup.create(path.as_path()).await.failure();
    let old = without_digest(setup.session());
    setup.backend.clear_requests();
    setup.resume(old.clone(), path.as_path()).await.unwrap();
    assert_eq!(setup.count("PUT"), 3);

    // With another file of the same size and time, the upload fails at its completion.
    std::fs::remove_file(setup.at("session")).unwrap();
    setup.break_off(5);
    setup.create(path.as_path()).await.failure();
    let old = without_digest(setup.session());
    let error = setup.resume(old.clone(), setup.write("b.pt", &content(2)).as_path()).await.failure();
    assert!(error.to_string().contains("checksum does not match"), "{error}");
    touch(&path, 1);
    let error = setup.resume(old, path.as_path()).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("was changed since"), "{error}");
}

#[tokio::test]
async fn old_complete_session_checks_bytes() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    let other = setup.write("b.pt", &content(2));
    setup.refuse_model();
    setup.create(path.as_path()).await.failure();
    let old = without_digest(setup.session());
    for file in [&other, &path] {
        std::fs::write(setup.at("session"), old.to_string()).unwrap();
        let model = setup.create(file.as_path()).await.unwrap();
        assert!(setup.bytes_of(&model) == std::fs::read(file).unwrap(), "the model has another file's bytes");
    }
    // A checksum in the server's response is proof.
    let before = setup.backend.upload_ids().len();
    let id = old["id"].as_str().unwrap().to_owned();
    let checksum = md5_of(&content(1));
    setup.backend.inject(
        Fault::edit_json(move |upload| upload["checksum"] = checksum.clone().into())
            .on("GET", "/chunked_upload/")
            .always(),
    );
    let upload = setup.resume(old.clone(), path.as_path()).await.unwrap();
    assert_eq!((upload.id.to_string(), setup.backend.upload_ids().len()), (id, before));
    let error = setup.resume(old, other.as_path()).await.failure();
    assert!(error.is_invalid_input(), "{error}");
}

#[tokio::test]
async fn partial_digest_proves_no_other_file() {
    let setup = Setup::new().await;
    let path = setup.write("a.pt", &content(1));
    setup.break_off(1);
    setup.create(path.as_path()).await.failure();
    let partial = setup.session();
    assert!(partial["digest"]["length"].as_u64().unwrap() < SIZE as u64);
    // The process that created the session completes the upload.
    setup.resume(partial.clone(), path.as_path()).await.unwrap();
    // Another file with the same first bytes.
    let other = changed_at(content(1), SIZE - 1);
    std::fs::write(setup.at("session"), partial.to_string()).unwrap();
    let model = setup.create(other.clone()).await.unwrap();
    assert!(setup.bytes_of(&model) == other, "the model has another file's bytes");
}

// ---- invalid sessions

#[tokio::test]
async fn malformed_session_file_is_refused() {
    let setup = Setup::new().await;
    setup.break_off(2);
    setup.create(content(1)).await.failure();
    let session = setup.session();
    let edited = |field: &str, value: Value| {
        let mut session = session.clone();
        session[field] = value;
        session.to_string()
    };
    let deep = "[".repeat(60_000);
    for text in
        ["", "null", "[]", "7", "{}", "\"x\"", r#"{"version": 2}"#, &deep, &" ".repeat(1 << 20), "\u{0}\u{1}"]
    {
        std::fs::write(setup.at("session"), text).unwrap();
        let error = setup.create(content(1)).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("contains no session"), "{error}");
        assert!(error.to_string().len() < 4096);
        assert_eq!(std::fs::read(setup.at("session")).unwrap(), text.as_bytes(), "the file is unchanged");
    }
    // A session of another format, with invalid values, or of another file isn't used, and the upload
    // restarts.
    for text in [
        edited("version", 3.into()),
        edited("version", u32::MAX.into()),
        edited("size", u64::MAX.into()),
        edited("size", 0.into()),
        edited("offset", u64::MAX.into()),
        edited("chunk_size", 0.into()),
        edited("digest", json!({"length": u64::MAX, "md5": "00112233445566778899aabbccddeeff"})),
        edited("digest", json!({"length": 0, "md5": "00112233445566778899aabbccddeeff"})),
        edited("digest", json!({"length": 1, "md5": "00112233445566778899aabbccddeeff"})),
        edited("digest", json!({"length": 1, "md5": "x".repeat(10_000)})),
        edited("id", "".into()),
        edited("id", "..".into()),
        edited("id", "../../admin".into()),
        edited("id", "x".repeat(10_000).into()),
    ] {
        std::fs::write(setup.at("session"), &text).unwrap();
        let ids = setup.backend.upload_ids().len();
        let model = setup.create(content(1)).await.unwrap();
        assert!(setup.bytes_of(&model) == content(1));
        assert_eq!(setup.backend.upload_ids().len(), ids + 1, "{text}");
    }
    // Any chunk size in a session is accepted.
    std::fs::write(setup.at("session"), edited("chunk_size", u64::MAX.into())).unwrap();
    let error = setup.backend.inject(Fault::response(403).on("POST", "/models/"));
    setup.create(content(1)).chunk_size(u64::MAX).await.failure();
    error.remove();
}

#[cfg(unix)]
#[tokio::test]
async fn pipe_or_directory_session_is_refused() {
    let setup = Setup::new().await;
    let path = setup.at("session");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = tokio::time::timeout(Duration::from_secs(20), setup.create(content(1)).send())
        .await
        .expect("it hangs")
        .failure();
    assert!(error.is_io() && error.to_string().contains("not a regular file"), "{error}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = setup.create(content(1)).await.failure();
    assert!(error.is_io() && error.to_string().contains("not a regular file"), "{error}");
    assert_eq!(setup.backend.requests().len(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn linked_session_file_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    let setup = Setup::new().await;
    setup.break_off(2);
    setup.create(content(1)).await.failure();
    let session = setup.session();
    std::fs::rename(setup.at("session"), setup.at("kept")).unwrap();
    setup.backend.clear_requests();
    let refused = |error: Error, message: &str| {
        assert!(error.is_io() && error.to_string().contains(message), "{error}")
    };
    type Plant = fn(&Path, &Path);
    let plants: [(Plant, &str); 5] = [
        (|at, kept| symlink(kept, at).unwrap(), "it is a symbolic link"),
        (|at, _| symlink("nowhere", at).unwrap(), "it is a symbolic link"),
        (|at, kept| std::fs::hard_link(kept, at).unwrap(), "other names"),
        (
            |at, _| assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success()),
            "it is a FIFO",
        ),
        (|at, _| drop(std::os::unix::net::UnixListener::bind(at).unwrap()), "it is a socket"),
    ];
    for (plant, message) in plants {
        plant(&setup.at("session"), &setup.at("kept"));
        refused(setup.create(content(1)).await.failure(), message);
        // A session that is passed explicitly is also stored there.
        refused(
            setup.resume(session.clone(), content(1)).session_file(setup.at("session")).await.failure(),
            message,
        );
        std::fs::remove_file(setup.at("session")).unwrap();
        assert!(!setup.at("nowhere").exists());
    }
    let upload = || setup.resume(session.clone(), content(1));
    refused(upload().session_file("/dev/null").await.failure(), "it is a device");
    for path in ["", "out/", "a\0b"] {
        let error = upload().session_file(path).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("session_file: it "), "{error}");
    }
    // In a directory that all users can write to.
    std::fs::set_permissions(setup.directory.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    std::fs::copy(setup.at("kept"), setup.at("session")).unwrap();
    if chown(setup.at("session"), Some(65_534), Some(65_534)).is_ok() {
        refused(setup.create(content(1)).await.failure(), "belongs to another user");
    }
    assert_eq!(setup.backend.requests().len(), 0);
}

#[tokio::test]
async fn long_session_file_name_is_used() {
    let setup = Setup::new().await;
    let path = setup.at(&"n".repeat(255));
    setup.break_off(2);
    setup.create(content(1)).session_file(&path).await.failure();
    assert!(path.exists());
    setup.create(content(1)).session_file(&path).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn session_debug_redacted_and_short() {
    let setup = Setup::new().await;
    setup.break_off(2);
    let error = setup.create(content(1)).await.failure();
    let mut session = serde_json::to_value(error.upload_session().unwrap()).unwrap();
    session["id"] = format!("https://u:{MARKER}@h/\n?sig={MARKER}&{}", "x".repeat(100_000)).into();
    session["url"] = format!("https://u:{MARKER}@h/{}\n?sig={MARKER}", "x".repeat(100_000)).into();
    session["digest"]["md5"] = "y".repeat(100_000).into();
    let session: UploadSession = serde_json::from_value(session).unwrap();
    assert_debug_hidden("a session", &session);
    let shown = format!("{session:?}");
    assert!(shown.len() < 4096 && !shown.contains("\\n"), "{shown}");
    let error = setup.client.resume_chunked_upload(session.clone(), content(1)).await.failure();
    assert!(error.is_invalid_input() && error.to_string().len() < 4096, "{error}");
    assert_debug_hidden("an upload", &setup.client.resume_chunked_upload(session, content(1)));
}

// ---- destinations of sessions

/// Returns the requests outside the uploads' own paths.
fn strays(backend: &Backend, prefix: &str) -> Vec<String> {
    let own = format!("{prefix}/chunked_upload/");
    let stray = |request: &&RecordedRequest| {
        !request.path.starts_with(&own) || request.path[own.len()..].matches('/').count() > 1
    };
    backend
        .requests()
        .iter()
        .filter(stray)
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

#[tokio::test]
async fn forged_session_url_is_not_used() {
    for prefix in ["", "/api/v1"] {
        let setup = Setup::of(backend().path_prefix(prefix)).await;
        setup.break_off(2);
        let error = setup.create(content(1)).await.failure();
        let session = serde_json::to_value(error.upload_session().unwrap()).unwrap();
        let host = setup.backend.url().trim_end_matches(prefix).to_owned();
        let id = session["id"].as_str().unwrap().to_owned();
        for url in [
            format!("{host}/admin/"),
            format!("{host}{prefix}/models/"),
            format!("{host}{prefix}/chunked_upload/"),
            format!("{host}{prefix}/chunked_upload/{id}/../../models/"),
            format!("{host}{prefix}/chunked_upload/%2e%2e/models/"),
            format!("{host}{prefix}/chunked_upload/..\\models/"),
            format!("{host}{prefix}/chunked_upload/another/"),
            format!("{host}//chunked_upload/{id}/"),
            format!("http://u:p@{}/chunked_upload/{id}/", &host[7..]),
        ] {
            let mut forged = session.clone();
            forged["url"] = url.clone().into();
            setup.break_off(0);
            setup.backend.clear_requests();
            let error = setup.resume(forged, content(1)).chunk_size(CHUNK).await.failure();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(403), "{url}: {error}");
            assert_eq!(strays(&setup.backend, prefix), [""; 0], "{url}");
            assert_eq!((setup.count("GET"), setup.count("PUT")), (1, 1), "{url}: it goes on by its id");
        }
    }
}

#[tokio::test]
async fn forged_session_id_is_refused() {
    let setup = Setup::of(backend().path_prefix("/api/v1")).await;
    setup.break_off(2);
    let error = setup.create(content(1)).await.failure();
    let session = serde_json::to_value(error.upload_session().unwrap()).unwrap();
    setup.backend.clear_requests();
    for id in [
        "",
        ".",
        "..",
        "../../admin",
        "..\\admin",
        "a/b",
        "a?b",
        "a#b",
        "%2e%2e",
        "a%2fb",
        "a\nb",
        "a\u{0}",
        " ",
        "a b",
        &"1".repeat(300),
    ] {
        let mut forged = session.clone();
        forged["id"] = id.into();
        let error = setup.resume(forged, content(1)).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("session: "), "{id:?}: {error}");
    }
    assert_eq!(setup.backend.requests().len(), 0);
    // An id from the server is refused too.
    for id in ["", "..", "../../admin", "a?b", "a\nb", &"1".repeat(300)] {
        setup.backend.clear_requests();
        let owned = id.to_owned();
        setup
            .backend
            .inject(Fault::edit_json(move |upload| upload["id"] = owned.clone().into()).method("PUT"));
        let upload = setup.client.create_chunked_upload(content(1)).chunk_size(CHUNK);
        let error = upload.await.failure();
        assert_eq!(error.kind(), ErrorKind::Upload, "{id:?}: {error}");
        assert!(error.to_string().len() < 1024, "{error}");
        assert_eq!(
            (setup.backend.requests().len(), strays(&setup.backend, "/api/v1").len()),
            (1, 0),
            "{id:?}"
        );
    }
}

#[tokio::test]
async fn unproven_session_url_is_queried() {
    // This server's uploads have URLs that don't follow from their ids. The session can't prove such a URL,
    // so the client asks the server.
    let setup = Setup::new().await;
    setup.break_off(2);
    setup.create(content(1)).await.failure();
    let mut session = setup.session();
    session["url"] = format!("{}/u/{}/", setup.backend.url(), session["id"].as_str().unwrap()).into();
    setup
        .backend
        .inject(Fault::edit_json(|upload| upload["url"] = "/elsewhere/7/?sig=1".into()).method("GET"));
    setup.backend.clear_requests();
    let refusal = Fault::response(403).on("PUT", "/elsewhere/7/");
    setup.backend.inject(refusal);
    setup.resume(session, content(1)).await.failure();
    let lines: Vec<_> = setup
        .backend
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], "PUT /elsewhere/7/");
}

// ---- links

#[tokio::test]
async fn url_outside_prefix_gets_nothing() {
    for link in [
        "/admin/",
        "/api/v10/chunked_upload/7/",
        "/api/v1/../admin/",
        "/api/v1/%2e%2e/admin/",
        "/api/v1/..%2fadmin/",
        "\\admin\\",
        "/api//v1/x/",
    ] {
        let setup = Setup::of(backend().path_prefix("/api/v1")).await;
        let owned = link.to_owned();
        setup
            .backend
            .inject(Fault::edit_json(move |upload| upload["url"] = owned.clone().into()).method("PUT"));
        let error = setup.create(content(1)).await.failure();
        assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{link}: {error}");
        assert!(error.to_string().contains("allow_links_outside_prefix"), "{error}");
        assert_eq!(strays(&setup.backend, "/api/v1"), [""; 0], "{link}");
        assert_eq!(setup.backend.requests().len(), 1);
    }
    // If it is allowed, the URL is used, with the token.
    let setup = Setup::of(backend().path_prefix("/api/v1")).await;
    let client = BackendClient::builder(setup.backend.url())
        .access_token(setup.backend.token())
        .retry(RetryPolicy::never());
    let client = client.allow_links_outside_prefix(true).build().unwrap();
    setup
        .backend
        .inject(Fault::edit_json(|upload| upload["url"] = "/uploads/7/".into()).method("PUT").always());
    let error = client.create_chunked_upload(content(1)).chunk_size(CHUNK).await.failure();
    assert!(error.is_not_found(), "{error}");
    assert!(setup.backend.requests().iter().any(|request| request.path == "/uploads/7/"));
}
