//! The target of a download. Invalid names are reported before anything is sent. Files that others put beside
//! the target are neither followed nor trusted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::file_server::{FileServer, names, noise, ranged, response};
use crate::support::marker::{Failure, TOKEN};
use crate::support::soon::soon;
use crate::support::tcp_server::Seen;
use synapse_backend_client::{BackendClient, Error, RetryPolicy};

const ETAG: &str = "\"one\"";
const SIZE: usize = 100_000;

/// The number of bytes that an interrupted download keeps.
const KEPT: usize = 60_000;

fn client(server: &FileServer) -> BackendClient {
    let policy = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_micros(1));
    BackendClient::builder(server.url()).access_token(TOKEN).retry(policy).build().unwrap()
}

/// Returns a different content for each path.
fn content(path: &str) -> Vec<u8> {
    noise(SIZE, path.bytes().map(u64::from).sum())
}

fn path_of(asked: &Seen) -> &str {
    asked.line.split(' ').nth(1).unwrap()
}

/// Serves any file with the same `ETag`. For a URL with the signature `break`, it sends only the first bytes.
async fn files() -> FileServer {
    FileServer::start(|_, asked| {
        match path_of(asked).strip_suffix("?X-Amz-Expires=9&X-Amz-Signature=break") {
            None => ranged(asked, &content(path_of(asked)), ETAG, usize::MAX),
            Some(path) if asked.range_start().is_none() => ranged(asked, &content(path), ETAG, KEPT),
            Some(_) => response("403 Forbidden\nContent-Length: 0", b""),
        }
    })
    .await
}

/// The names of a part file and its metadata.
struct Parts {
    directory: PathBuf,
    part: String,
    metadata: String,
}

impl Parts {
    fn part(&self) -> PathBuf {
        self.directory.join(&self.part)
    }

    fn metadata(&self) -> PathBuf {
        self.directory.join(&self.metadata)
    }
}

/// Runs a download that is interrupted, and returns what it kept.
async fn broken_off(server: &FileServer, path: &str, target: &Path) -> Parts {
    let directory = target.parent().unwrap().to_owned();
    let error = client(server)
        .download(format!("{path}?X-Amz-Expires=9&X-Amz-Signature=break"))
        .to(target)
        .await
        .failure();
    assert!(error.is_forbidden() && error.to_string().contains(&format!("{KEPT} bytes are kept")), "{error}");
    let name = |ending: &str| {
        names(&directory).into_iter().find(|name| name.starts_with('.') && name.ends_with(ending)).unwrap()
    };
    let (part, metadata) = (name(".part"), name(".part.json"));
    Parts { directory, part, metadata }
}

// ---- names

/// Returns invalid target paths, and for each the words of its error.
fn impossible(directory: &Path) -> Vec<(PathBuf, bool, &'static str)> {
    let at = |name: &str| directory.join(name);
    std::fs::write(at("plain"), "plain").unwrap();
    std::fs::create_dir(at("dir")).unwrap();
    let mut paths = vec![
        ("".into(), true, "it is empty"),
        ("/".into(), true, "not the path of a file"),
        ("..".into(), true, "not the path of a file"),
        (at("out/"), true, "like the path of a directory"),
        (at("out/."), true, "like the path of a directory"),
        (at("out//./"), true, "like the path of a directory"),
        (at("out/.."), true, "not the path of a file"),
        (at("a\0b"), true, "NUL"),
        (at("dir"), true, "it is a directory"),
        (at("plain/x"), false, "not a directory"),
        (at("none/x"), false, "doesn't exist: create it"),
    ];
    #[cfg(unix)]
    {
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        link("dir", "to_dir");
        link("fifo", "to_fifo");
        link("/dev/null", "to_device");
        link("/proc/self/fd/1", "to_output");
        link("nowhere", "to_nowhere");
        paths.extend([
            (at(&"n".repeat(256)), true, "too long"),
            (at(&"d/".repeat(3_000)).join("x"), true, "too long"),
            (at("fifo"), true, "it is a FIFO"),
            (at("socket"), true, "it is a socket"),
            ("/dev/null".into(), true, "it is a device"),
            ("/dev/../dev/null".into(), true, "it is a device"),
            (at("to_dir"), true, "symbolic link to something that is not a regular file (it is a directory)"),
            (at("to_fifo"), true, "symbolic link to something that is not a regular file (it is a FIFO"),
            (at("to_device"), true, "symbolic link to something that is not a regular file (it is a device)"),
            (at("to_output"), true, "symbolic link to a file that a process has open"),
            (at("to_nowhere/x"), false, "doesn't exist: create it"),
        ]);
    }
    paths
}

fn assert_refused(error: &Error, path: &Path, is_input: bool, reason: &str) {
    let text = error.to_string();
    assert_eq!((error.is_invalid_input(), error.is_io()), (is_input, !is_input), "{text}");
    assert!(text.contains("download: `to`") && text.contains(reason), "{text}");
    let shown = path.display().to_string();
    assert!(shown.len() > 300 || shown.contains('\0') || text.contains(&shown), "{text}");
}

#[tokio::test]
async fn invalid_target_sends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = files().await;
    let paths = impossible(directory.path());
    let before = names(directory.path());
    for (path, is_input, reason) in &paths {
        for url in ["/media/a", "data:,abc"] {
            let error = soon(client(&server).download(url).to(path)).await.failure();
            assert_refused(&error, path, *is_input, reason);
        }
    }
    let fine = directory.path().join("fine");
    let all = paths.iter().map(|(path, ..)| ("/media/a", path)).chain([("/media/b", &fine)]);
    let mut results = client(&server).download_all(all).await.unwrap();
    assert_eq!(std::fs::read(results.pop().unwrap().unwrap().path).unwrap(), content("/media/b"));
    for ((path, is_input, reason), result) in paths.iter().zip(results) {
        assert_refused(&result.failure(), path, *is_input, reason);
    }
    assert_eq!(server.seen().len(), 1, "only the valid target is requested");
    std::fs::remove_file(fine).unwrap();
    assert_eq!(names(directory.path()), before);
    assert_eq!(std::fs::read(directory.path().join("plain")).unwrap(), b"plain");
}

#[cfg(unix)]
#[tokio::test]
async fn longest_file_name_is_downloaded() {
    let directory = tempfile::tempdir().unwrap();
    let server = files().await;
    let target = directory.path().join("n".repeat(255));
    broken_off(&server, "/media/a", &target).await;
    client(&server).download("/media/a").to(&target).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), content("/media/a"));
    assert_eq!(names(directory.path()).len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn target_links_are_replaced() {
    let server = files().await;
    let data = "data:,abc";
    for (url, expected) in [("/media/a", content("/media/a")), (data, b"abc".to_vec())] {
        for all in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            std::fs::create_dir(at("dir")).unwrap();
            for name in ["file", "other"] {
                std::fs::write(at(name), name).unwrap();
            }
            std::os::unix::fs::symlink("file", at("link")).unwrap();
            std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
            std::os::unix::fs::symlink("loop", at("loop")).unwrap();
            std::os::unix::fs::symlink("dir", at("to_dir")).unwrap();
            std::fs::hard_link(at("other"), at("hard")).unwrap();
            let targets = ["link", "dangling", "loop", "hard", "to_dir/new"].map(at);
            match all {
                false => {
                    for target in &targets {
                        client(&server).download(url).to(target).await.unwrap();
                    }
                }
                true => {
                    let files = targets.iter().map(|target| (url, target));
                    assert!(client(&server).download_all(files).await.unwrap().iter().all(Result::is_ok));
                }
            }
            for target in &targets {
                assert!(std::fs::symlink_metadata(target).unwrap().is_file(), "{target:?}");
                assert_eq!(std::fs::read(target).unwrap(), expected, "{target:?}");
            }
            assert_eq!(std::fs::read(at("file")).unwrap(), b"file");
            assert_eq!(std::fs::read(at("other")).unwrap(), b"other");
            assert_eq!(names(&at("dir")), ["new"]);
            assert_eq!(
                names(directory.path()),
                ["dangling", "dir", "file", "hard", "link", "loop", "other", "to_dir"]
            );
        }
    }
}

/// In a container, such files are mounted from outside.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn mounted_target_is_refused() {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let server = files().await;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    for point in points.filter(|point| point.is_file() && !point.starts_with("/proc")) {
        let error = client(&server).download("/media/a").to(point).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("mounted"), "{error}");
    }
    assert_eq!(server.seen().len(), 0);
}

// ---- what is planted beside the target

#[cfg(unix)]
type Plant = fn(&Path, &Path);

/// Objects that others may put in place of a part file or its metadata. A victim file lies nearby.
#[cfg(unix)]
const PLANTS: [(&str, Plant); 6] = [
    ("link", |at, victim| std::os::unix::fs::symlink(victim, at).unwrap()),
    ("dangling link", |at, _| std::os::unix::fs::symlink("nowhere", at).unwrap()),
    ("hard link", |at, victim| std::fs::hard_link(victim, at).unwrap()),
    ("FIFO", |at, _| assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success())),
    ("socket", |at, _| drop(std::os::unix::net::UnixListener::bind(at).unwrap())),
    ("directory", |at, _| std::fs::create_dir(at).unwrap()),
];

#[cfg(unix)]
#[tokio::test]
async fn planted_files_are_not_followed() {
    let server = files().await;
    let scratch = tempfile::tempdir().unwrap();
    let parts = broken_off(&server, "/media/a", &scratch.path().join("file.bin")).await;
    for (what, plant) in PLANTS {
        for name in [&parts.part, &parts.metadata] {
            let directory = tempfile::tempdir().unwrap();
            let (target, victim) = (directory.path().join("file.bin"), directory.path().join("victim"));
            std::fs::write(&victim, "precious").unwrap();
            plant(&directory.path().join(name), &victim);
            let planted = names(directory.path());
            // An interrupted download keeps nothing under a name that others know.
            let broken =
                client(&server).download("/media/a?X-Amz-Expires=9&X-Amz-Signature=break").to(&target);
            let error = soon(broken).await.failure();
            assert!(error.is_forbidden() && !error.to_string().contains("kept"), "{what}: {error}");
            assert_eq!(names(directory.path()), planted, "{what}");

            let downloaded = soon(client(&server).download("/media/a").to(&target)).await.unwrap();
            assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 0), "{what}");
            assert_eq!(std::fs::read(&target).unwrap(), content("/media/a"), "{what}");
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious", "{what}");
            std::fs::remove_file(&target).unwrap();
            assert_eq!(names(directory.path()), planted, "{what}");
        }
    }
}

/// Root may find such files in a world-writable directory.
#[cfg(unix)]
#[tokio::test]
async fn part_of_other_user_is_not_used() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    const NOBODY: Option<u32> = Some(65_534);
    let server = files().await;
    for (part, metadata) in [(true, true), (true, false), (false, true)] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        let target = directory.path().join("file.bin");
        let parts = broken_off(&server, "/media/a", &target).await;
        let mut evil = std::fs::read(parts.part()).unwrap();
        evil[..5].copy_from_slice(b"EVIL!");
        std::fs::write(parts.part(), &evil).unwrap();
        for (path, planted) in [(parts.part(), part), (parts.metadata(), metadata)] {
            if planted && chown(path, NOBODY, NOBODY).is_err() {
                return; // Only root gives files away.
            }
        }
        let downloaded = client(&server).download("/media/a").to(&target).await.unwrap();
        assert_eq!(downloaded.resumed_from, 0);
        assert_eq!(std::fs::read(&target).unwrap(), content("/media/a"));
        assert_eq!(std::fs::read(parts.part()).unwrap(), evil, "it is unchanged");
    }
}

#[tokio::test]
async fn swapped_part_files_are_ignored() {
    let server = files().await;
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    for (path, target) in [("/media/b", &one), ("/media/a", &two)] {
        let scratch = tempfile::tempdir().unwrap();
        let moved_to = broken_off(&server, path, &scratch.path().join(target.file_name().unwrap())).await;
        let parts = broken_off(&server, "/media/a", &one).await;
        std::fs::rename(parts.part(), directory.path().join(&moved_to.part)).unwrap();
        std::fs::rename(parts.metadata(), directory.path().join(&moved_to.metadata)).unwrap();
        let downloaded = client(&server).download(path).to(target).await.unwrap();
        assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 0));
        assert_eq!(std::fs::read(target).unwrap(), content(path));
    }
    assert_eq!(names(directory.path()), ["one", "two"]);
}

#[tokio::test]
async fn corrupt_notes_restart_download() {
    let server = files().await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    let parts = broken_off(&server, "/media/a", &target).await;
    let (part, metadata) =
        (std::fs::read(parts.part()).unwrap(), std::fs::read_to_string(parts.metadata()).unwrap());
    let edited = |field: &str, value: serde_json::Value| {
        let mut metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        metadata[field] = value;
        metadata.to_string()
    };
    let without = |field: &str| {
        let mut metadata: serde_json::Map<_, _> = serde_json::from_str(&metadata).unwrap();
        assert!(metadata.remove(field).is_some());
        serde_json::Value::from(metadata).to_string()
    };
    let texts = [
        "".to_owned(),
        "null".to_owned(),
        "[".repeat(60_000),
        "{\"size\":".repeat(8_000),
        "\0\u{1}".to_owned(),
        metadata[..metadata.len() - 1].to_owned(),
        format!("{metadata}x"),
        format!("{metadata}{}", " ".repeat(1 << 20)),
        without("format"),
        without("of"),
        edited("format", 1.into()),
        edited("format", u32::MAX.into()),
        edited("of", "".into()),
        edited("size", 0.into()),
        edited("size", (KEPT - 1).into()),
        edited("size", (-1).into()),
        edited("size", "x".into()),
        edited("etag", "\"a\r\nX-Evil: 1\"".into()),
        edited("etag", "\"\u{ac00}\"".into()),
        edited("etag", 7.into()),
        edited("etag", "x".repeat(100_000).into()),
        // An earlier format, which didn't identify the file.
        format!(r#"{{"format": 1, "etag": {ETAG:?}, "last_modified": null, "size": {SIZE}}}"#),
    ];
    let mut evil = part.clone();
    evil[..5].copy_from_slice(b"EVIL!");
    for text in texts {
        std::fs::write(parts.part(), &evil).unwrap();
        std::fs::write(parts.metadata(), &text).unwrap();
        let downloaded = client(&server).download("/media/a").to(&target).await.unwrap();
        let start: String = text.chars().take(100).collect();
        assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 0), "{start}");
        assert!(std::fs::read(&target).unwrap() == content("/media/a"), "{start}");
        assert_eq!(names(directory.path()), ["file.bin"], "{start}");
    }
    // A part that is empty or longer than the file.
    for length in [0, SIZE as u64 + 1, 1 << 32] {
        std::fs::write(parts.metadata(), &metadata).unwrap();
        std::fs::File::create(parts.part()).unwrap().set_len(length).unwrap();
        let downloaded = client(&server).download("/media/a").to(&target).await.unwrap();
        assert_eq!((downloaded.bytes, downloaded.resumed_from), (SIZE as u64, 0));
        assert_eq!(names(directory.path()), ["file.bin"]);
    }
    // The original metadata and part are resumed.
    std::fs::write(parts.part(), &part).unwrap();
    std::fs::write(parts.metadata(), &metadata).unwrap();
    let downloaded = client(&server).download("/media/a").to(&target).await.unwrap();
    assert_eq!(downloaded.resumed_from, KEPT as u64);
    assert_eq!(std::fs::read(&target).unwrap(), content("/media/a"));
}

/// Another process removes the part, and another download creates one with the same name.
#[cfg(unix)]
#[tokio::test]
async fn part_replaced_midway_is_an_error() {
    let server = files().await;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("file.bin");
    std::fs::write(&target, "before").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let parts = broken_off(&server, "/media/a", &scratch.path().join("file.bin")).await;
    let part = directory.path().join(&parts.part);
    let theirs = part.clone();
    let replace = move |_| {
        std::fs::remove_file(&theirs).unwrap();
        std::fs::write(&theirs, "half").unwrap();
    };
    let error = client(&server).download("/media/a").on_progress(replace).to(&target).await.failure();
    assert!(error.is_io() && error.to_string().contains("its part file was removed"), "{error}");
    assert_eq!(std::fs::read(&target).unwrap(), b"before");
    assert_eq!(std::fs::read(&part).unwrap(), b"half");
}
