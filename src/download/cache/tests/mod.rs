//! Tests of the cache on real directories. Several handles in one process represent several processes, since
//! locks belong to an opened file. Some tests start another process.

mod commit;
mod eviction;
mod file_names;
mod hits;
mod journal;
mod keys;
mod leases;
mod lock_waits;
mod parts;
#[cfg(unix)]
mod planted;
#[cfg(unix)]
mod read_only;
mod versions;
mod warnings;

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::add_file::{AddedFile, NewFile};
use super::key::{CacheKey, KeyHash};
use super::{CacheStatistics, Expected, FileCache, Found, Lease};
use crate::error::Result;

/// A temporary directory that is removed at the end of the test.
fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn url(number: usize) -> String {
    format!("https://files.example/{number}.png")
}

fn key(cache: &FileCache, url: &str) -> CacheKey {
    cache.key(url, b"")
}

/// Returns the path of the first version of a file.
fn path(cache: &FileCache, url: &str) -> PathBuf {
    let key = key(cache, url);
    key.hash.path(cache.dir(), &key.extension)
}

/// Simulates a download: asks for the file, stores it at its path, and adds it.
fn download(cache: &FileCache, url: &str, content: &[u8]) -> PathBuf {
    assert!(hit(cache, url).is_none(), "{url}");
    let new = cache.prepare(&key(cache, url), Some(content.len() as u64), &cache.waiting()).unwrap();
    write(new.path(), content);
    cache.add_existing(&new, &content_of(content), &cache.waiting()).unwrap().keep()
}

/// A file of which only the size is known.
fn content_of(bytes: &[u8]) -> AddedFile {
    AddedFile { bytes: bytes.len() as u64, ..AddedFile::default() }
}

/// Stores a complete file at the path by a rename. It is written outside the shards: the search for
/// orphans removes unrecorded files there.
fn write(path: &Path, content: &[u8]) {
    let cache = path.parent().and_then(Path::parent).unwrap();
    let temporary = cache.join(format!("{:016x}", fastrand::u64(..)));
    fs::write(&temporary, content).unwrap();
    fs::rename(&temporary, path).unwrap();
}

/// Stores a file at the path of its first version, whatever exists there.
fn put(cache: &FileCache, url: &str, content: &[u8]) {
    let path = path(cache, url);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, content);
}

/// Adds the file that was stored at the path of its first version.
fn add(cache: &FileCache, url: &str, bytes: u64) -> Result<PathBuf> {
    let new = NewFile::first_version(cache, &key(cache, url));
    cache.add_existing(&new, &AddedFile { bytes, ..AddedFile::default() }, &cache.waiting()).map(Lease::keep)
}

/// Adds a file and releases it.
fn fill(cache: &FileCache, number: usize, size: usize) -> PathBuf {
    let path = download(cache, &url(number), &vec![b'x'; size]);
    assert!(cache.release(&path));
    path
}

fn hit(cache: &FileCache, url: &str) -> Option<PathBuf> {
    match cache.find(&key(cache, url), &Expected::default(), &cache.waiting()).unwrap() {
        Found::Here(lease) => {
            cache.count(true);
            Some(lease.keep())
        }
        Found::Unverified(_) => panic!("no digest is expected"),
        Found::Missing => {
            cache.count(false);
            None
        }
    }
}

/// Sets the access time of a file to this many seconds ago.
fn used_before(path: &Path, seconds: u64) {
    let times = FileTimes::new().set_accessed(SystemTime::now() - Duration::from_secs(seconds));
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

/// Sets the modification time of a file to this many seconds ago.
fn written_before(path: &Path, seconds: u64) {
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(seconds));
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

fn counts(cache: &FileCache) -> (u64, u64) {
    let CacheStatistics { files, bytes, .. } = cache.statistics();
    (files, bytes)
}

fn journal(cache: &FileCache) -> PathBuf {
    cache.dir().join(".cache/index")
}

fn handles(cache: &FileCache) -> usize {
    fs::read_dir(cache.dir().join(".cache/holders")).unwrap().count()
}
