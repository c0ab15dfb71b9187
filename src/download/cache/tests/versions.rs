//! Objects that were overwritten on their server: a file that doesn't match what is expected isn't a hit, and
//! a leased file isn't changed.

use super::super::add_file::NewFile;
use super::super::file_record::{CachedDigest, FileRecord, Validators};
use super::*;
use crate::runtime::file_id::FileId;

fn digest(digit: &str) -> CachedDigest {
    CachedDigest::new(&digit.repeat(32)).unwrap()
}

fn expected(size: Option<u64>, digit: Option<&str>) -> Expected {
    Expected { size, digest: digit.map(digest) }
}

fn find(cache: &FileCache, expected: &Expected) -> Found {
    cache.find(&key(cache, &url(1)), expected, &cache.waiting()).unwrap()
}

fn here(cache: &FileCache, expected: &Expected) -> Option<PathBuf> {
    match find(cache, expected) {
        Found::Here(lease) => Some(lease.keep()),
        _ => None,
    }
}

fn prepare(cache: &FileCache) -> NewFile {
    cache.prepare(&key(cache, &url(1)), None, &cache.waiting()).unwrap()
}

/// Returns a file with this record.
fn content(new: &NewFile, file_record: Option<FileRecord>) -> AddedFile {
    let metadata = fs::metadata(new.path()).unwrap();
    AddedFile { bytes: metadata.len(), id: FileId::of(&metadata), file_record }
}

fn file_record(digit: &str) -> Option<FileRecord> {
    Some(FileRecord::new(Validators::default(), None, Some(digest(digit))))
}

/// Downloads the current version of the file from the server.
fn renew(cache: &FileCache, bytes: &[u8], digit: &str) -> PathBuf {
    let new = prepare(cache);
    write(new.path(), bytes);
    cache.add_existing(&new, &content(&new, file_record(digit)), &cache.waiting()).unwrap().keep()
}

#[test]
fn contradicting_entry_is_a_miss() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let old = renew(&cache, b"old", "a");
    assert_eq!(here(&cache, &expected(Some(3), Some("a"))), Some(old.clone()));
    for contradicting in [expected(Some(4), None), expected(Some(3), Some("b")), expected(None, Some("b"))] {
        assert!(matches!(find(&cache, &contradicting), Found::Missing));
    }
    // Two leases: the lookups that were misses took none.
    assert!(cache.release(&old) && cache.release(&old) && !cache.release(&old));
    // Another handle reads what this one recorded.
    let other = FileCache::open(dir.path()).unwrap();
    assert!(matches!(find(&other, &expected(None, Some("b"))), Found::Missing));
    assert_eq!(here(&other, &expected(None, Some("a"))), Some(old));
}

#[test]
fn leased_file_is_not_replaced() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let old = renew(&cache, b"old", "a");
    let new = renew(&other, b"newer", "b");
    assert_ne!(old, new);
    assert_eq!((fs::read(&old).unwrap(), fs::read(&new).unwrap()), (b"old".to_vec(), b"newer".to_vec()));
    // A lookup without a digest returns the new version, also by the handle with a lease on the old one.
    let third = FileCache::open(dir.path()).unwrap();
    assert_eq!(here(&third, &expected(None, None)), Some(new.clone()));
    assert_eq!(here(&cache, &expected(None, None)), Some(new.clone()));
    assert_eq!(here(&cache, &expected(None, Some("b"))), Some(new.clone()));
    assert_eq!(here(&third, &expected(None, Some("a"))), None);
    assert_eq!(counts(&third), (2, 8));
    // The old version is removed when there is no lease on it.
    assert!(cache.release(&old));
    assert!(!old.exists() && new.exists());
    assert_eq!(counts(&third), (1, 5));
    for _ in 0..3 {
        let newest = renew(&cache, b"3", "c");
        assert!(new.exists() && newest != new);
        assert!(cache.release(&newest));
    }
    assert_eq!(counts(&third).0, 2);
}

#[test]
fn unleased_file_is_replaced_at_once() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let mut before = None;
    for (number, digit) in ["a", "b", "c", "a", "b"].into_iter().enumerate() {
        let path = renew(&cache, &vec![b'x'; number], digit);
        assert_eq!(counts(&cache), (1, number as u64));
        assert_ne!(before, Some(path.clone()));
        assert!(cache.release(&path));
        before = Some(path);
    }
    let again = FileCache::open(dir.path()).unwrap();
    assert_eq!(here(&again, &expected(Some(4), Some("b"))), before);
}

#[test]
fn superseded_file_is_never_a_hit() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let holding = FileCache::open(dir.path()).unwrap();
    let old = renew(&holding, b"old", "a");
    let new = renew(&cache, b"new", "b");
    assert!(cache.release(&new));
    // The newest version is evicted, and the previous one is still leased.
    assert_eq!(cache.clear().unwrap(), 3);
    assert!(!new.exists() && old.exists());
    let again = FileCache::open(dir.path()).unwrap();
    for cache in [&cache, &again] {
        assert!(matches!(find(cache, &expected(None, None)), Found::Missing));
        assert_ne!(prepare(cache).path(), old);
    }
    let newest = renew(&again, b"newest", "c");
    assert_eq!(here(&cache, &expected(None, None)), Some(newest));
    assert_eq!(fs::read(&old).unwrap(), b"old");
}

#[test]
fn versions_survive_journal_compaction() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let old = renew(&cache, b"old", "a");
    let new = renew(&cache, b"newer", "b");
    // Enough obsolete lines for the journal to be rewritten.
    for _ in 0..501 {
        fill(&cache, 7, 1);
        cache.state().index.remove(&[key(&cache, &url(7)).hash]).unwrap();
    }
    cache.compact(&cache.waiting());
    assert!(fs::read_to_string(journal(&cache)).unwrap().lines().count() < 10);
    for cache in [&cache, &FileCache::open(dir.path()).unwrap()] {
        assert!(matches!(find(cache, &expected(None, Some("a"))), Found::Missing));
        assert_eq!(here(cache, &expected(Some(5), Some("b"))), Some(new.clone()));
        assert!(old.exists());
    }
}

#[test]
fn verified_digest_is_remembered() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = download(&cache, &url(1), b"content");
    let wanted = expected(None, Some("a"));
    let Found::Unverified(lease) = find(&cache, &wanted) else { panic!("its digest isn't known") };
    let (_, modified) = lease.open().unwrap();
    cache.keep_digest(&lease, digest("a"), modified, &cache.waiting());
    let again = FileCache::open(dir.path()).unwrap();
    for cache in [&cache, &again] {
        assert_eq!(here(cache, &wanted), Some(path.clone()));
        assert!(matches!(find(cache, &expected(None, Some("b"))), Found::Missing));
    }
    // A digest of another algorithm isn't known, and neither is any digest of a file that was modified.
    let sha1 = Expected { size: None, digest: CachedDigest::new(&"a".repeat(40)) };
    assert!(matches!(find(&again, &sha1), Found::Unverified(_)));
    written_before(&path, 5);
    assert!(matches!(find(&again, &wanted), Found::Unverified(_)));
}

#[test]
fn record_applies_only_to_own_file() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    // Both handles downloaded the file, and the second one's file replaced the first one.
    let (first, second) = (prepare(&cache), prepare(&other));
    assert_eq!(first.path(), second.path());
    write(first.path(), b"one");
    let content_1 = content(&first, file_record("a"));
    write(second.path(), b"two");
    let content_2 = content(&second, file_record("b"));
    for order in
        [[(&first, &content_1), (&second, &content_2)], [(&second, &content_2), (&first, &content_1)]]
    {
        for (new, content) in order {
            drop(cache.add_existing(new, content, &cache.waiting()).unwrap());
            assert!(!matches!(find(&cache, &expected(None, Some("a"))), Found::Here(_)));
        }
        assert!(matches!(find(&cache, &expected(None, Some("b"))), Found::Here(_)));
        cache.state().index.remove(&[key(&cache, &url(1)).hash]).unwrap();
    }
}

#[test]
fn announced_size_does_not_contradict() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let new = prepare(&cache);
    write(new.path(), b"decompressed");
    let reported = Some(FileRecord::new(Validators::default(), Some(5), None));
    let path = cache.add_existing(&new, &content(&new, reported), &cache.waiting()).unwrap().keep();
    for (size, is_hit) in [(12, true), (5, true), (6, false)] {
        assert_eq!(here(&cache, &expected(Some(size), None)), is_hit.then(|| path.clone()), "{size}");
    }
}
