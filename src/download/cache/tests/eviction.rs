//! Which files are evicted, in which order, and which never are.

use super::*;

#[test]
fn least_recently_used_is_evicted_first() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(4).open().unwrap();
    let paths: Vec<PathBuf> = (0..4).map(|number| fill(&cache, number, 1)).collect();
    for (path, before) in paths.iter().zip([500, 400, 300, 200]) {
        used_before(path, before);
    }
    // A hit by any handle makes the oldest file the newest one, without changing its modification time.
    let modified = fs::metadata(&paths[0]).unwrap().modified().unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    assert!(hit(&other, &url(0)).is_some() && other.release(&paths[0]));
    assert_eq!(fs::metadata(&paths[0]).unwrap().modified().unwrap(), modified);
    fill(&cache, 4, 1);
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, true, true]);
    // The next candidate was used after it became one.
    assert!(hit(&cache, &url(2)).is_some() && cache.release(&paths[2]));
    fill(&cache, 5, 1);
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!((counts(&cache), cache.statistics().evicted), ((4, 4), 2));
    assert_eq!(hit(&cache, &url(1)), None);
}

#[test]
fn byte_limit_evicts_as_few_as_needed() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_bytes(100).open().unwrap();
    let paths: Vec<PathBuf> =
        [30, 10, 40, 20].into_iter().enumerate().map(|(number, size)| fill(&cache, number, size)).collect();
    for (path, before) in paths.iter().zip([100, 400, 300, 200]) {
        used_before(path, before);
    }
    assert_eq!(counts(&cache), (4, 100));
    fill(&cache, 4, 11);
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(counts(&cache), (3, 61));
    // A file that is larger than the limit is refused before it is downloaded.
    let error = cache.prepare(&key(&cache, &url(5)), Some(101), &cache.waiting()).unwrap_err();
    assert!(
        error.to_string().contains(
            "101 bytes long, but the limit of the file cache is 100 bytes (`max_bytes`): raise the limit"
        ),
        "{error}"
    );
    assert_eq!(counts(&cache), (3, 61));
}

#[test]
fn many_evictions_keep_the_order() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(300).open().unwrap();
    let mut paths: Vec<PathBuf> = (0..300).map(|number| fill(&cache, number, 1)).collect();
    for (number, path) in paths.iter().enumerate() {
        used_before(path, 10_000 - number as u64);
    }
    for number in 300..450 {
        paths.push(fill(&cache, number, 1));
        assert!(!paths[number - 300].exists() && paths[number - 299].exists(), "{number}");
    }
    // More files than are removed under one lock.
    let less = FileCache::builder(dir.path()).max_files(10).open().unwrap();
    paths.push(fill(&less, 450, 1));
    assert_eq!((counts(&less), less.statistics().evicted, counts(&cache)), ((10, 10), 291, (10, 10)));
}

#[test]
fn released_file_is_evictable() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(2).open().unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let paths: Vec<PathBuf> = (0..40).map(|number| download(&cache, &url(number), b"1")).collect();
    assert_eq!((counts(&cache), cache.statistics().evicted), ((40, 40), 0));
    assert_eq!(hit(&other, &url(7)), Some(paths[7].clone()));
    assert!(cache.release(&paths[7]) && cache.release(&paths[8]));
    let last = download(&cache, &url(40), b"1");
    assert!(paths[7].exists() && !paths[8].exists());
    assert!(other.release(&paths[7]) && cache.release(&last));
    fill(&cache, 41, 1);
    assert!(!paths[7].exists() && !last.exists());
}

#[test]
fn clear_removes_lost_but_no_foreign_files() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let (old, young) = (fill(&cache, 1, 5), fill(&cache, 2, 3));
    let foreign = old.with_file_name("notes.txt");
    fs::write(&foreign, b"mine").unwrap();
    fs::write(journal(&cache), b"").unwrap();
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(3600));
    File::options().write(true).open(&old).unwrap().set_times(times).unwrap();
    // Another process may be about to record the young file.
    assert_eq!(cache.clear().unwrap(), 5);
    assert!(!old.exists() && young.exists() && foreign.exists());
    cache.release(add(&cache, &url(2), 3).unwrap());
    assert_eq!(cache.clear().unwrap(), 3);
    assert!(foreign.exists());
}
