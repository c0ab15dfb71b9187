//! The cache returns files that were added, and no others.

use super::*;

#[test]
fn added_file_is_hit_for_every_handle() {
    let dir = directory();
    let cache = FileCache::open(dir.path().join("a/b")).unwrap();
    let other = FileCache::open(dir.path().join("a/b")).unwrap();
    let path = download(&cache, "https://h/x.png?id=1", b"content");
    assert_eq!(path, super::path(&cache, "https://h/x.png?id=1"));
    assert_eq!(hit(&cache, "https://h/x.png?id=1"), Some(path.clone()));
    assert_eq!(hit(&other, "https://h/x.png?id=1"), Some(path.clone()));
    assert_eq!(fs::read(&path).unwrap(), b"content");
    drop((cache, other));
    let again = FileCache::open(dir.path().join("a/b")).unwrap();
    assert_eq!(hit(&again, "https://h/x.png?id=1"), Some(path));
    assert_eq!(hit(&again, "https://h/y.png"), None);
}

#[test]
fn damaged_file_is_miss_and_drops_entry() {
    let damages: [fn(&Path); 4] = [
        |path| fs::write(path, b"cont").unwrap(),
        |path| fs::write(path, b"content and more").unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let dir = directory();
        let cache = FileCache::open(dir.path()).unwrap();
        let other = FileCache::open(dir.path()).unwrap();
        let path = download(&cache, &url(1), b"content");
        damage(&path);
        assert_eq!(hit(&other, &url(1)), None, "{number}");
        assert_eq!((other.statistics().held, counts(&other)), (0, (0, 0)), "{number}");
        assert_eq!(hit(&cache, &url(1)), None, "{number}");
        assert_eq!(FileCache::open(dir.path()).unwrap().statistics().files, 0, "{number}");
    }
}

#[test]
fn replaced_file_is_hit_with_new_size() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    assert_eq!(hit(&other, &url(1)), Some(path.clone()));
    fs::remove_file(&path).unwrap();
    download(&cache, &url(1), b"another size");
    // The handle still knows the old size.
    assert_eq!(hit(&other, &url(1)), Some(path));
    assert_eq!(counts(&other), (1, 12));
}

#[test]
fn file_of_changed_size_is_not_added() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let url = "https://h/x.png?sig=SECRET";
    assert!(hit(&cache, url).is_none());
    put(&cache, url, b"12345");
    for size in [4, 6] {
        let error = add(&cache, url, size).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(error.is_io() && text.contains("download it again") && !text.contains("SECRET"), "{text}");
    }
    assert_eq!((cache.statistics().held, counts(&cache)), (0, (0, 0)));
    add(&cache, url, 5).unwrap();
}

#[test]
fn hit_waits_while_another_removes() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let lock = File::options().write(true).open(dir.path().join(".cache/lock")).unwrap();
    fs4::FileExt::lock(&lock).unwrap();
    std::thread::scope(|scope| {
        let hit = scope.spawn(|| hit(&cache, &url(1)));
        // It can't end before the lock is released; if it didn't wait for the lock, it would have ended by
        // now.
        for _ in 0..100_000 {
            assert!(!hit.is_finished());
            std::thread::yield_now();
        }
        fs::remove_file(&path).unwrap();
        fs4::FileExt::unlock(&lock).unwrap();
        assert_eq!(hit.join().unwrap(), None);
    });
}

#[test]
fn leased_path_survives_concurrent_use() {
    const FILES: usize = 12;
    let dir = directory();
    std::thread::scope(|scope| {
        for handle in 0..4 {
            let cache = FileCache::builder(dir.path()).max_files(5).open().unwrap();
            let other = cache.clone();
            for (cache, seed) in [(cache, handle), (other, handle + 10)] {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..150 {
                        let url = url(random.usize(..FILES));
                        let path = match hit(&cache, &url) {
                            Some(path) => path,
                            None => {
                                put(&cache, &url, b"content");
                                match add(&cache, &url, 7) {
                                    Ok(path) => path,
                                    // Another handle added and removed it before this one recorded it.
                                    Err(_) => continue,
                                }
                            }
                        };
                        std::thread::yield_now();
                        assert_eq!(fs::read(&path).unwrap(), b"content");
                        assert!(cache.release(&path));
                        if random.u8(..) < 8 {
                            cache.clear().unwrap();
                        }
                    }
                });
            }
        }
    });
    let cache = FileCache::builder(dir.path()).max_files(5).open().unwrap();
    fill(&cache, FILES, 7);
    let on_disk =
        fs::read_dir(dir.path()).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".cache");
    let on_disk: usize = on_disk.map(|shard| fs::read_dir(shard.path()).unwrap().count()).sum();
    assert!((1..=5).contains(&on_disk), "{on_disk}");
    assert_eq!(counts(&cache), (on_disk as u64, 7 * on_disk as u64));
}

#[test]
fn statistics_count_files_and_requests() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(2).open().unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let paths = [fill(&cache, 1, 5), fill(&cache, 2, 6)];
    assert!(hit(&cache, &url(1)).is_some() && hit(&cache, &url(1)).is_some());
    used_before(&paths[1], 1000);
    fill(&cache, 3, 7);
    let expected =
        CacheStatistics { files: 2, bytes: 12, part_bytes: 0, hits: 2, misses: 3, evicted: 1, held: 1 };
    assert_eq!(cache.statistics(), expected);
    let expected = CacheStatistics { hits: 0, misses: 0, evicted: 0, held: 0, ..expected };
    assert_eq!(other.statistics(), expected);
}
