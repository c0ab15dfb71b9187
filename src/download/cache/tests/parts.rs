//! Part files count towards the limits, and abandoned ones are removed.

use fs4::FileExt;

use super::*;

const DAY: u64 = 24 * 3600;

/// Leaves a part file and its metadata behind, 30 bytes in total.
fn leave(dir: &Path, number: u8, seconds_ago: u64) -> PathBuf {
    let path = dir.join(format!(".{:016x}.part", number));
    let metadata = dir.join(format!(".{:016x}.part.json", number));
    fs::create_dir_all(dir).unwrap();
    fs::write(&path, [number; 20]).unwrap();
    fs::write(&metadata, [number; 10]).unwrap();
    [&path, &metadata].into_iter().for_each(|path| written_before(path, seconds_ago));
    path
}

/// Locks a part file, as the download that writes it does.
fn lock(part: &Path) -> File {
    let file = File::options().write(true).open(part).unwrap();
    FileExt::lock(&file).unwrap();
    file
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn parts_are_evicted_before_files() {
    let dir = directory();
    let builder = || FileCache::builder(dir.path()).max_bytes(100);
    let cache = builder().open().unwrap();
    let parts = cache.dir().join(".cache/parts");
    let file = fill(&cache, 1, 50);
    let (old, live, young) = (leave(&parts, 1, 300), leave(&parts, 2, 200), leave(&parts, 3, 100));
    let locked = lock(&live);
    assert_eq!(cache.statistics().part_bytes, 90);
    // A file that belongs to a part that is being written.
    let beside = live.with_extension("part.decoded");
    fs::write(&beside, "").unwrap();
    // 140 bytes: the oldest part is removed, then the next one that is not being written.
    drop(builder().open().unwrap());
    assert!(!old.exists() && live.exists() && !young.exists() && file.exists());
    assert_eq!(names(&parts).len(), 3);
    // 80 bytes, and then 110: a part that is being written stays, and the file is removed.
    fill(&cache, 2, 30);
    assert!(live.exists() && !file.exists());
    assert_eq!((counts(&cache), cache.statistics().part_bytes), ((1, 30), 30));
    // Once it is not being written any more, it is removed before files.
    drop(locked);
    assert!(beside.exists());
    fill(&cache, 3, 45);
    assert!(!live.exists() && !beside.exists());
    assert_eq!((counts(&cache), cache.statistics().part_bytes), ((2, 75), 0));
}

#[test]
fn abandoned_parts_are_removed() {
    let dir = directory();
    let parts = dir.path().join(".cache/parts");
    let old = [leave(&parts, 1, DAY + 60), leave(&parts, 2, DAY + 60)];
    let young = leave(&parts, 3, DAY - 60);
    // Metadata without its part, and an unknown file.
    fs::remove_file(&old[1]).unwrap();
    fs::write(parts.join("unknown"), "unknown").unwrap();
    written_before(&parts.join("unknown"), DAY + 60);
    let live = leave(&parts, 4, DAY + 60);
    let locked = lock(&live);
    drop(FileCache::open(dir.path()).unwrap());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut left = [name(&young), name(&young) + ".json", name(&live), name(&live) + ".json"];
    left.sort();
    assert_eq!(names(&parts), left);
    drop(locked);
}

#[test]
fn clear_removes_idle_parts_only() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let parts = dir.path().join(".cache/parts");
    let (left, live) = (leave(&parts, 1, 0), leave(&parts, 2, 0));
    let locked = lock(&live);
    // A file that isn't the cache's.
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a/.profile.part"), "mine").unwrap();
    assert_eq!(cache.clear().unwrap(), 30);
    assert!(!left.exists() && live.exists());
    assert_eq!(names(&dir.path().join("a")), [".profile.part"]);
    drop(locked);
    assert_eq!(cache.clear().unwrap(), 30);
    assert_eq!(names(&parts), [""; 0]);
}

#[test]
fn limits_hold_after_open_and_release() {
    let dir = directory();
    let unlimited = FileCache::open(dir.path()).unwrap();
    let paths: Vec<PathBuf> = (0..6).map(|number| fill(&unlimited, number, 10)).collect();
    paths.iter().zip((1..).map(|age| 1000 - age)).for_each(|(path, age)| used_before(path, age));
    let cache = FileCache::builder(dir.path()).max_bytes(40).open().unwrap();
    assert_eq!((counts(&cache), cache.statistics().evicted), ((4, 40), 2));
    assert!(!paths[1].exists() && paths[2].exists());
    // All files are leased, so the cache exceeds its limit, and evicts files when they are released.
    (2..6).for_each(|number| assert!(hit(&cache, &url(number)).is_some()));
    let added = download(&cache, &url(7), &[7; 10]);
    assert_eq!(counts(&cache), (5, 50));
    assert!(cache.release(&paths[3]));
    assert_eq!(counts(&cache), (4, 40));
    assert!(!paths[3].exists() && added.exists());
    assert!(cache.release(&added) && cache.release(&paths[4]));
    assert_eq!(counts(&cache), (4, 40));
}
