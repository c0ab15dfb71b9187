//! A cache that can't be written still serves its files.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::*;

const DIRECTORY: &str = "FILE_CACHE_THAT_CANT_BE_WRITTEN";

/// Another user, for whom permissions are enforced.
const NOBODY: u32 = 65534;

/// Sets whether a directory and its content are writable.
fn set_writable(dir: &Path, writable: bool) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => set_writable(&entry.path(), writable),
            false => fs::set_permissions(
                entry.path(),
                fs::Permissions::from_mode(if writable { 0o644 } else { 0o444 }),
            )
            .unwrap(),
        }
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(if writable { 0o755 } else { 0o555 })).unwrap();
}

/// Runs a test of this module in a process for which permissions are enforced.
fn run(test: &str, dir: &Path) {
    set_writable(dir, false);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "--nocapture", &format!("download::cache::tests::read_only::{test}")])
        .env(DIRECTORY, dir);
    if rustix::process::geteuid().is_root() {
        child.uid(NOBODY).gid(NOBODY);
    }
    let output = child.output().unwrap();
    set_writable(dir, true);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not a test by itself: another test runs it in a child process.
#[test]
#[ignore = "run by another test in a child process"]
fn read_only_cache_child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let cache = FileCache::builder(&dir).max_bytes(1).open().unwrap();
    let path = hit(&cache, &url(1)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"content");
    // No leases are possible.
    assert_eq!((cache.statistics().held, cache.statistics().hits, cache.release(&path)), (0, 1, false));
    let digest = super::super::CachedDigest::new(&"a".repeat(32));
    let found =
        cache.find(&key(&cache, &url(1)), &Expected { size: Some(7), digest }, &cache.waiting()).unwrap();
    assert!(matches!(found, Found::Unverified(_)));
    assert_eq!(hit(&cache, &url(2)), None);
    for error in [
        cache.prepare(&key(&cache, &url(2)), None, &cache.waiting()).unwrap_err(),
        cache.clear().unwrap_err(),
        add(&cache, &url(1), 7).unwrap_err(),
    ] {
        assert!(
            error.is_io() && error.to_string().contains("can't be written (permission denied)"),
            "{error}"
        );
    }
    // The file and the index are unchanged.
    assert_eq!((hit(&cache, &url(1)), counts(&cache)), (Some(path), (1, 7)));
}

#[test]
fn read_only_cache_serves_hits() {
    let dir = directory();
    let inner = dir.path().join("cache");
    let cache = FileCache::open(&inner).unwrap();
    let path = download(&cache, &url(1), b"content");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    run("read_only_cache_child", &inner);
    // Another process can still write it.
    assert_eq!(hit(&cache, &url(1)), Some(path));
    fill(&cache, 2, 2);
}

/// Not a test by itself: another test runs it in a child process.
#[test]
#[ignore = "run by another test in a child process"]
fn unwritable_directory_child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let error = FileCache::open(&dir).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("permission denied"), "{error}");
}

#[test]
fn new_cache_needs_writable_directory() {
    let dir = directory();
    run("unwritable_directory_child", dir.path());
}
