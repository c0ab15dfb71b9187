//! Files that another user may have planted at the paths of the cache's own files and directories: they are
//! never followed, waited for, or trusted.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::Command;

use super::*;

/// Another user.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Plants something at a path. The `victim` next to it must stay unchanged.
type Plant = fn(&Path, &Path);

fn plants() -> [(&'static str, Plant); 5] {
    [
        ("symbolic link", |victim, path| symlink(victim, path).unwrap()),
        ("symbolic link", |victim, path| symlink(victim.with_extension("none"), path).unwrap()),
        ("other names", |victim, path| fs::hard_link(victim, path).unwrap()),
        ("FIFO", |_, path| fifo(path)),
        ("", |_, path| fs::create_dir(path).unwrap()),
    ]
}

#[test]
fn planted_control_files_are_refused() {
    for name in ["index", "lock", "lock.gate"] {
        for (reported, plant) in plants() {
            let dir = directory();
            let cache = FileCache::open(dir.path().join("cache")).unwrap();
            fill(&cache, 1, 5);
            drop(cache);
            let victim = dir.path().join("victim");
            fs::write(&victim, "synapse-file-cache 2 0123456789abcdef\n").unwrap();
            let path = dir.path().join("cache/.cache").join(name);
            fs::remove_file(&path).unwrap();
            plant(&victim, &path);
            let error = FileCache::open(dir.path().join("cache")).unwrap_err();
            assert!(error.is_io() && error.to_string().contains(reported), "{name}: {error}");
            assert_eq!(fs::read(&victim).unwrap(), b"synapse-file-cache 2 0123456789abcdef\n");
            assert!(!victim.with_extension("none").exists());
        }
    }
}

#[test]
fn planted_directories_are_refused() {
    for name in [".cache", ".cache/holders", ".cache/parts"] {
        let dir = directory();
        let outside = dir.path().join("elsewhere");
        fs::create_dir(&outside).unwrap();
        let path = dir.path().join("cache").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&outside, &path).unwrap();
        let error = FileCache::open(dir.path().join("cache")).unwrap_err();
        assert!(error.is_io() && error.to_string().contains("symbolic link"), "{name}: {error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
    // A planted shard: no file is stored there or removed from there.
    let dir = directory();
    let cache = FileCache::open(dir.path().join("cache")).unwrap();
    let path = fill(&cache, 1, 5);
    let (shard, outside) = (path.parent().unwrap(), dir.path().join("elsewhere"));
    fs::rename(shard, &outside).unwrap();
    symlink(&outside, shard).unwrap();
    assert_eq!(hit(&cache, &url(1)), None);
    let error = cache.prepare(&key(&cache, &url(1)), None, &cache.waiting()).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("symbolic link"), "{error}");
    assert!(cache.clear().unwrap_err().to_string().contains("symbolic link"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn planted_files_are_misses() {
    for (_, plant) in plants() {
        let dir = directory();
        let cache = FileCache::open(dir.path().join("cache")).unwrap();
        let path = fill(&cache, 1, 6);
        let victim = dir.path().join("victim");
        fs::write(&victim, "secret").unwrap();
        let before = fs::metadata(&victim).unwrap().accessed().unwrap();
        fs::remove_file(&path).unwrap();
        plant(&victim, &path);
        assert_eq!(hit(&FileCache::open(cache.dir()).unwrap(), &url(1)), None);
        // The file is downloaded again, whatever exists at its path.
        let again = download(&cache, &url(1), b"again");
        assert_eq!(fs::read(&again).unwrap(), b"again");
        assert_eq!(fs::metadata(&victim).unwrap().accessed().unwrap(), before);
        assert_eq!(fs::read(&victim).unwrap(), b"secret");
        assert!(cache.release(&again));
        cache.clear().unwrap();
        assert!(victim.exists());
    }
}

#[test]
fn planted_leases_block_nobody() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let leased = download(&cache, &url(2), b"2");
    let handles = dir.path().join(".cache/holders");
    let victim = dir.path().join("victim");
    fs::write(&victim, "victim").unwrap();
    fifo(&handles.join("1-fifo"));
    fifo(&handles.join("1-fifo.holds"));
    symlink(&victim, handles.join("2-link")).unwrap();
    fs::create_dir(handles.join("3-directory")).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    assert_eq!((other.clear().unwrap(), path.exists(), leased.exists()), (5, false, true));
    assert_eq!(fs::read(&victim).unwrap(), b"victim");
    // Leases that may be of another user can't be trusted: no file is removed.
    let kept = fill(&cache, 1, 5);
    fs::write(handles.join("4-twice"), "").unwrap();
    fs::hard_link(handles.join("4-twice"), handles.join("4-twice.holds")).unwrap();
    let error = other.clear().unwrap_err();
    assert!(
        error.is_io() && error.to_string().contains("the leases of another process can't be read"),
        "{error}"
    );
    assert!(kept.exists());
}

#[test]
fn new_journal_avoids_planted_links() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "victim").unwrap();
    symlink(&victim, dir.path().join(".cache/index.new")).unwrap();
    symlink(&victim, dir.path().join(".cache/index.0123.new")).unwrap();
    fill(&cache, 1, 5);
    // A journal with an invalid first line is rewritten.
    fs::write(journal(&cache), "damaged").unwrap();
    assert_eq!(counts(&FileCache::open(dir.path()).unwrap()), (0, 0));
    assert_eq!(fs::read(&victim).unwrap(), b"victim");
    assert!(fs::symlink_metadata(journal(&cache)).unwrap().is_file());
    assert!(!dir.path().join(".cache/index.0123.new").exists(), "the file of a killed process is removed");
}

#[test]
fn files_of_other_users_are_not_used() {
    if !is_root() {
        return;
    }
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let (shard, index) = (path.parent().unwrap(), journal(&cache));
    for (other, around, mut is_used) in [
        (
            &*path,
            shard,
            Box::new(|| hit(&FileCache::open(dir.path()).unwrap(), &url(1)).is_some())
                as Box<dyn FnMut() -> bool>,
        ),
        (shard, dir.path(), Box::new(|| hit(&FileCache::open(dir.path()).unwrap(), &url(1)).is_some())),
        (&index, index.parent().unwrap(), Box::new(|| FileCache::open(dir.path()).is_ok())),
    ] {
        set_mode(around, 0o777);
        assert!(is_used());
        chown(other, Some(NOBODY), None).unwrap();
        assert!(!is_used(), "{other:?}");
        // In a directory that not everybody may write, only trusted users can have planted it.
        set_mode(around, 0o775);
        if other != index {
            // It was recognised as damaged.
            fill(&cache, 1, 5);
        }
        assert!(is_used(), "{other:?}");
        chown(other, Some(0), None).unwrap();
    }
}
