//! Files with a lease are kept, whichever process holds it, for as long as the process lives.

use super::*;

#[test]
fn leased_files_survive_evict_and_clear() {
    let dir = directory();
    let builder = || FileCache::builder(dir.path()).max_files(2);
    let cache = builder().open().unwrap();
    let other = builder().open().unwrap();
    let mine = download(&cache, &url(1), b"1");
    let twice = download(&cache, &url(2), b"2");
    assert_eq!(hit(&cache, &url(2)), Some(twice.clone()));
    [&mine, &twice].into_iter().for_each(|path| used_before(path, 1000));

    for evicting in [&cache, &other] {
        fill(evicting, 3, 1);
        assert!(mine.exists() && twice.exists());
        evicting.clear().unwrap();
        assert!(mine.exists() && twice.exists());
    }
    assert_eq!((counts(&cache), cache.statistics().held, other.statistics().held), ((2, 2), 2, 0));

    // Only the handle that holds a lease can release it, as often as the file was returned.
    assert!(!other.release(&mine) && cache.release(&twice));
    assert!(!cache.release(dir.path().join("x")) && !cache.release(twice.file_name().unwrap()));
    assert_eq!(other.clear().unwrap(), 0);
    assert!(cache.release(&twice) && !cache.release(&twice));
    assert_eq!(other.clear().unwrap(), 1);
    assert!(mine.exists() && !twice.exists());

    // A clone is the same handle, which exists as long as one of its clones.
    let clone = cache.clone();
    drop(cache);
    assert_eq!((other.clear().unwrap(), mine.exists()), (0, true));
    drop(clone);
    assert_eq!((other.clear().unwrap(), mine.exists()), (1, false));
    assert_eq!(handles(&other), 2);
}

#[test]
fn leases_of_killed_process_end() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let handles = dir.path().join(".cache/holders");
    // Files left behind by a killed process.
    let line = format!("0123456789abcdef\n+{}\n", key(&cache, &url(1)).hash.hex());
    fs::write(handles.join("77-0123456789abcdef.holds"), &line).unwrap();
    fs::write(handles.join("77-0123456789abcdef"), "").unwrap();
    // A process that was killed before it wrote a lease.
    fs::write(handles.join("78-0123456789abcdef"), "").unwrap();
    // A live process whose files were not written by this code.
    fs::write(handles.join("79-0123456789abcdef.holds"), &line).unwrap();
    let live = File::create(handles.join("79-0123456789abcdef")).unwrap();
    fs4::FileExt::lock(&live).unwrap();

    assert_eq!((cache.clear().unwrap(), path.exists()), (0, true));
    let mut left: Vec<String> = fs::read_dir(&handles)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left.iter().filter(|name| name.contains("-0123456789abcdef")).count(), 2, "{left:?}");
    drop(live);
    assert_eq!((cache.clear().unwrap(), path.exists()), (5, false));
    assert_eq!(fs::read_dir(&handles).unwrap().count(), 2);
}

/// Not a test by itself: the next test runs it in a child process.
#[test]
#[ignore = "run by another test in a child process"]
fn lease_holding_child() {
    let Some(dir) = std::env::var_os("FILE_CACHE_OF_ANOTHER_PROCESS") else { return };
    let cache = FileCache::open(dir).unwrap();
    assert!(hit(&cache, &url(1)).is_some());
    println!("\nholds");
    // Exits when its parent process exits, at the latest.
    let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
}

#[test]
fn lease_of_process_lasts_until_killed() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "download::cache::tests::leases::lease_holding_child"])
        .env("FILE_CACHE_OF_ANOTHER_PROCESS", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "holds"));
    assert_eq!((cache.clear().unwrap(), path.exists()), (0, true));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(handles(&cache), 4);
    assert_eq!((cache.clear().unwrap(), path.exists()), (5, false));
    assert_eq!(handles(&cache), 2);
}

#[test]
fn lease_records_stay_bounded() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let leased = download(&cache, &url(0), b"1");
    let path = fill(&cache, 1, 1);
    for round in 0..1500 {
        assert!(hit(&cache, &url(1)).is_some() && cache.release(&path));
        if round % 100 == 0 {
            assert!(other.clear().unwrap() > 0 && leased.exists(), "{round}");
            fill(&cache, 1, 1);
            // A lease that is added after the file was rewritten is seen too.
            let late = download(&cache, &url(2), b"1");
            assert!(hit(&cache, &url(1)).is_some());
            assert_eq!((other.clear().unwrap(), late.exists()), (0, true), "{round}");
            assert!(cache.release(&late) && cache.release(&path));
        }
    }
    let largest = fs::read_dir(dir.path().join(".cache/holders"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(largest.max().unwrap() < 40_000);
    other.clear().unwrap();
    assert!(leased.exists() && !path.exists());
}
