//! Renaming a part to its name: a file in use is never replaced, and no unrecorded file is left.

use std::sync::mpsc;

use super::super::FileGone;
use super::*;
use crate::runtime::file_id::FileId;

/// Creates a complete part, and what is known about it.
fn part(cache: &FileCache, content: &[u8]) -> (PathBuf, AddedFile) {
    let path = cache.parts_directory().join(format!("{:016x}", fastrand::u64(..)));
    fs::write(&path, content).unwrap();
    let id = FileId::of(&fs::metadata(&path).unwrap());
    (path, AddedFile { bytes: content.len() as u64, id, file_record: None })
}

fn prepare(cache: &FileCache) -> NewFile {
    cache.prepare(&key(cache, &url(1)), None, &cache.waiting()).unwrap()
}

fn commit(cache: &FileCache, new: &NewFile, content: &[u8]) -> Result<Lease> {
    let (path, content) = part(cache, content);
    cache.commit(new, &path, &content, &cache.waiting())
}

#[test]
fn taken_name_gives_the_next_version() {
    let dir = directory();
    let (one, two) = (FileCache::open(dir.path()).unwrap(), FileCache::open(dir.path()).unwrap());
    let (new_of_one, new_of_two) = (prepare(&one), prepare(&two));
    assert_eq!(new_of_one.path(), new_of_two.path());
    let first = commit(&one, &new_of_one, b"one").unwrap();
    let second = commit(&two, &new_of_two, b"other").unwrap();
    assert_eq!((fs::read(first.path()).unwrap(), first.path()), (b"one".to_vec(), new_of_one.path()));
    assert_eq!(fs::read(second.path()).unwrap(), b"other");
    assert_eq!(hit(&one, &url(1)).as_deref(), Some(second.path()));
    assert_eq!(counts(&one), (2, 8));
}

/// A call that waited for another download finds its file, unless there is a newer version by now.
#[test]
fn superseded_file_is_not_added_again() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let waiting = prepare(&cache);
    let first = commit(&cache, &prepare(&cache), b"one").unwrap();
    let second = commit(&cache, &prepare(&cache), b"other").unwrap();
    let added = cache.add_existing(&waiting, &content_of(b"one"), &cache.waiting());
    assert!(added.unwrap_err().detail::<FileGone>().is_some());
    assert_eq!(hit(&cache, &url(1)).as_deref(), Some(second.path()));
    assert!(first.path().exists());
}

#[test]
fn leftover_file_is_replaced() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let new = prepare(&cache);
    put(&cache, &url(1), b"of a killed process");
    let named = commit(&cache, &new, b"1").unwrap();
    assert_eq!((named.path(), fs::read(new.path()).unwrap()), (new.path(), b"1".to_vec()));
}

#[test]
fn unnamed_part_stays_after_lock_timeout() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).lock_timeout(Duration::from_millis(1)).open().unwrap();
    let new = prepare(&cache);
    let lock = File::options().write(true).open(dir.path().join(".cache/lock")).unwrap();
    fs4::FileExt::lock(&lock).unwrap();
    assert!(commit(&cache, &new, b"1").unwrap_err().is_timeout());
    assert_eq!((new.path().exists(), cache.0.parts.all().len()), (false, 1));
}

#[test]
fn orphan_file_is_removed() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let new = prepare(&cache);
    // Writes to the journal fail from now on.
    cache.state().index.break_it();
    assert!(commit(&cache, &new, b"1").is_err());
    assert!(!new.path().exists() && cache.state().leases.as_ref().unwrap().count() == 0);
}

#[test]
fn orphan_files_are_removed() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let (leased, kept) = (download(&cache, &url(1), b"1"), fill(&cache, 2, 1));
    put(&cache, &url(3), b"3");
    drop(FileCache::open(dir.path()).unwrap());
    assert!(path(&cache, &url(3)).exists());
    drop(FileCache::builder(dir.path()).max_files(10).open().unwrap());
    assert!(leased.exists() && kept.exists() && !path(&cache, &url(3)).exists());
}

/// The first runtime has no blocking thread available.
#[test]
fn release_survives_stuck_runtime() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let lease = |number: usize| {
        let path = download(&cache, &url(number), b"1");
        Lease::new(cache.clone(), path, 1)
    };
    let (first, second) = (lease(1), lease(2));
    let stuck = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (unblock, blocked) = mpsc::channel::<()>();
    stuck.spawn_blocking(move || blocked.recv());
    stuck.block_on(async { drop(first) });
    drop(second);
    assert_eq!(cache.state().leases.as_ref().unwrap().count(), 0);
    drop(unblock);
}
