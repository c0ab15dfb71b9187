//! Locks that other processes hold, and file systems without locks.

use std::io;

use fs4::{FileExt, TryLockError};

use super::super::lock::FileLocks;
use super::*;
use crate::error::{Error, ErrorKind};

/// Locks a file, as a process that hangs does.
fn hanging(cache: &FileCache, name: &str) -> File {
    let lock = File::options().write(true).open(cache.dir().join(".cache").join(name)).unwrap();
    FileExt::lock(&lock).unwrap();
    lock
}

#[test]
fn lock_wait_times_out() {
    let dir = directory();
    let builder = || FileCache::builder(dir.path()).lock_timeout(Duration::from_millis(20));
    let cache = builder().max_files(2).open().unwrap();
    let (leased, unleased) = (download(&cache, &url(1), b"1"), fill(&cache, 2, 2));
    for name in ["lock", "lock.gate"] {
        let lock = hanging(&cache, name);
        let assert_timed_out = |what: &str, error: Error| {
            assert!(error.kind() == ErrorKind::Timeout && error.is_timeout(), "{what}: {error}");
            assert!(error.to_string().contains("another process has locked"), "{what}: {error}");
        };
        assert_timed_out("open", builder().open().unwrap_err());
        assert_timed_out(
            "find",
            cache.find(&key(&cache, &url(2)), &Expected::default(), &cache.waiting()).unwrap_err(),
        );
        assert_timed_out("clear", cache.clear().unwrap_err());
        put(&cache, &url(3), b"3");
        assert_timed_out("add", add(&cache, &url(3), 1).unwrap_err());
        // Operations that need no lock don't wait.
        assert_eq!(hit(&cache, &url(1)), Some(leased.clone()));
        assert_eq!(hit(&cache, &url(4)), None);
        assert!(cache.release(&leased));
        assert_eq!(cache.statistics().files, 2);
        drop(lock);
    }
    assert_eq!(hit(&cache, &url(2)), Some(unleased));
}

#[tokio::test]
async fn dropped_call_leaves_no_thread() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).lock_timeout(Duration::MAX).open().unwrap();
    fill(&cache, 1, 1);
    let lock = hanging(&cache, "lock");
    let (alive, mut ended) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (begins, mut began) = tokio::sync::mpsc::unbounded_channel();
    let looked = cache.run_blocking(move |cache, waiting| {
        begins.send(()).unwrap();
        let found = cache.find(&key(cache, &url(1)), &Expected::default(), waiting);
        drop(alive);
        found
    });
    tokio::select! {
        biased;
        _ = looked => panic!("it is locked"),
        _ = began.recv() => {}
    }
    // The wait ends although the lock is never released.
    assert_eq!(ended.recv().await, None);
    drop(lock);
}

fn failing<const ERROR: i32>(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(io::Error::from_raw_os_error(ERROR)))
}

#[cfg(target_os = "linux")]
#[test]
fn missing_file_locks_are_reported() {
    // ENOLCK, ENOSYS and EOPNOTSUPP.
    for fails in [failing::<37>, failing::<38>, failing::<95>] {
        let dir = directory();
        let locks = FileLocks { exclusive: fails, shared: fails };
        let error = FileCache::builder(dir.path()).locks(locks).open().unwrap_err();
        let text = error.to_string();
        assert!(
            error.is_io()
                && text.contains("no file locks")
                && text.contains("put the cache's directory on another"),
            "{text}"
        );
        // Once locks are available, it opens.
        FileCache::open(dir.path()).unwrap();
    }
    let dir = directory();
    let locks = FileLocks { exclusive: failing::<5>, shared: failing::<5> };
    let error = FileCache::builder(dir.path()).locks(locks).open().unwrap_err();
    assert!(error.is_io() && error.to_string().contains("can't be locked"), "{error}");
}
