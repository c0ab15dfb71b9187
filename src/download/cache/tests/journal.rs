//! The index: the effect of damage to its journal, and compaction.

use super::*;
use crate::download::cache::journal_line::sealed;

#[test]
fn torn_journal_loses_only_last_line() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let paths: Vec<PathBuf> = (0..3).map(|number| fill(&cache, number, number + 1)).collect();
    let whole = fs::read(journal(&cache)).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        fs::write(journal(&cache), &whole[..cut]).unwrap();
        let cache = FileCache::open(dir.path()).unwrap();
        assert_eq!(counts(&cache), (2, 3), "{cut}");
        // A line that is appended to a torn line is still read.
        put(&cache, &url(9), b"nine");
        add(&cache, &url(9), 4).unwrap();
        let again = FileCache::open(dir.path()).unwrap();
        assert!(hit(&again, &url(9)).is_some() && hit(&again, &url(0)).is_some(), "{cut}");
        // The torn line lacks only its line break.
        assert_eq!(hit(&again, &url(2)), (cut == whole.len() - 1).then(|| paths[2].clone()), "{cut}");
    }
}

#[test]
fn damaged_journal_loses_only_bad_lines() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    (0..3).for_each(|number| _ = fill(&cache, number, 1));
    let whole = fs::read(journal(&cache)).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    for at in ends[1]..ends[2] - 1 {
        for flip in [1, 0x20, 0x80] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            fs::write(journal(&cache), &damaged).unwrap();
            assert_eq!(counts(&FileCache::open(dir.path()).unwrap()), (2, 2), "{at} {flip}");
        }
    }
    for garbage in [&b"\n\n\n"[..], b"- \n+ 12\n", &[0; 4096], &[0xff; 160], b"+ ../../x - 1 00000000\n"] {
        let damaged = [&whole[..ends[1]], garbage, b"\n", &whole[ends[1]..]].concat();
        fs::write(journal(&cache), &damaged).unwrap();
        assert_eq!(counts(&FileCache::open(dir.path()).unwrap()), (3, 3), "{garbage:?}");
    }
    // Garbage of each length at the end: a file that is added after it is found.
    for length in 1..400 {
        fs::write(journal(&cache), [&whole[..], &vec![b'?'; length]].concat()).unwrap();
        let other = FileCache::open(dir.path()).unwrap();
        put(&other, &url(0), b"longer");
        add(&other, &url(0), 6).unwrap();
        assert_eq!(
            (counts(&FileCache::open(dir.path()).unwrap()), counts(&other)),
            ((3, 8), (3, 8)),
            "{length}"
        );
    }
}

#[test]
fn unreadable_journal_head_keeps_files() {
    for head in [
        "synapse-file-cache 3 0123456789abcdef\n",
        "synapse-file-cache 2 0123\n",
        "",
        "\0\0\0\0",
        "+ 12 - 5\n",
    ] {
        let dir = directory();
        let cache = FileCache::open(dir.path()).unwrap();
        let path = fill(&cache, 1, 7);
        let text = fs::read_to_string(journal(&cache)).unwrap();
        let lines = text.split_once('\n').unwrap().1;
        fs::write(journal(&cache), format!("{head}{lines}")).unwrap();
        let other = FileCache::open(dir.path()).unwrap();
        assert_eq!(counts(&other), (0, 0), "{head}");
        assert!(path.exists());
        // The handle that was already open notices it.
        assert_eq!(counts(&cache), (0, 0), "{head}");
        fill(&cache, 1, 7);
        assert_eq!(hit(&other, &url(1)), Some(path), "{head}");
    }
}

#[test]
fn concurrent_appends_lose_nothing() {
    const HANDLES: usize = 4;
    const FILES: usize = 60;
    let dir = directory();
    std::thread::scope(|scope| {
        for handle in 0..HANDLES {
            let cache = FileCache::open(dir.path()).unwrap();
            scope.spawn(move || (0..FILES).for_each(|number| _ = fill(&cache, handle * FILES + number, 3)));
        }
    });
    let cache = FileCache::open(dir.path()).unwrap();
    assert_eq!(counts(&cache), ((HANDLES * FILES) as u64, (3 * HANDLES * FILES) as u64));
    assert!((0..HANDLES * FILES).all(|number| hit(&cache, &url(number)).is_some()));
}

#[test]
fn compacted_journal_is_seen_by_handles() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let (removed, kept) = (fill(&cache, 0, 1), fill(&cache, 1, 5));
    assert_eq!(counts(&other), (2, 6));
    // The other handle's index is outdated, although the journal gets as long as the one that it read.
    fs::remove_file(removed).unwrap();
    assert_eq!(hit(&cache, &url(0)), None);
    put(&cache, &url(2), b"12");
    for _ in 0..1002 {
        let path = add(&cache, &url(2), 2).unwrap();
        cache.release(path);
    }
    let lines = || fs::read_to_string(journal(&cache)).unwrap().lines().count();
    assert!(lines() < 10, "{}", lines());
    let mut names = fs::read_dir(dir.path().join(".cache")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_str().unwrap().ends_with(".new")));
    assert_eq!((counts(&other), hit(&other, &url(1))), ((2, 7), Some(kept)));
    fill(&other, 3, 1);
    assert_eq!((counts(&cache), counts(&FileCache::open(dir.path()).unwrap())), ((3, 8), (3, 8)));
    // A journal that is mostly live isn't compacted.
    assert!(lines() < 10);
}

#[test]
fn previous_journal_format_keeps_files() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    (1..4).for_each(|number| _ = fill(&cache, number, number));
    let text = fs::read_to_string(journal(&cache)).unwrap();
    let before = text.replacen("synapse-file-cache 2 ", "synapse-file-cache 1 ", 1);
    fs::write(journal(&cache), before + "torn").unwrap();
    // The handle that was already open notices it too.
    let other = FileCache::open(dir.path()).unwrap();
    assert_eq!((counts(&other), counts(&cache)), ((3, 6), (3, 6)));
    assert!((1..4).all(|number| hit(&other, &url(number)).is_some()));
    assert!(fs::read_to_string(journal(&cache)).unwrap().starts_with("synapse-file-cache 2 "));
}

/// Words of later versions are ignored, and so are invalid values.
#[test]
fn unknown_journal_words_are_ignored() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 7);
    let hash = key(&cache, &url(1)).hash.hex();
    for words in ["", " new=1 x", " md5=1 stamp=x etag=%ff modified=-1 stored=x", "  "] {
        let line = sealed(&format!("+ {hash} png 7{words}"));
        fs::write(journal(&cache), format!("synapse-file-cache 2 0123456789abcdef\n{line}")).unwrap();
        assert_eq!(hit(&FileCache::open(dir.path()).unwrap(), &url(1)), Some(path.clone()), "{words}");
    }
    // A line can't make a file a version of an unrelated one.
    let other = key(&cache, &url(2)).hash;
    let line = |of: &str| {
        format!("synapse-file-cache 2 0123456789abcdef\n{}", sealed(&format!("+ {hash} png 7 of={of}")))
    };
    for of in [
        "xyz",
        &other.hex(),
        &format!("{}:1", other.hex()),
        &format!("{hash}:0"),
        &format!("{}:{}", other.hex(), u64::MAX),
    ] {
        fs::write(journal(&cache), line(of)).unwrap();
        let again = FileCache::open(dir.path()).unwrap();
        assert_eq!(
            (hit(&again, &url(1)), hit(&again, &url(2)), counts(&again)),
            (None, None, (0, 0)),
            "{of}"
        );
    }
}
