//! The cache over real directories: several handles in one process stand for several processes, since locks belong to an
//! opened file; one test has a process of its own, which is killed.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::key::{KeyHash, default_key};
use super::{CacheStatistics, FileCache, Lease};

/// A directory of its own, gone with the test.
fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn url(number: usize) -> String {
    format!("https://files.example/{number}.png")
}

/// Downloads: asks, puts the file where it is to be, adds it.
fn download(cache: &FileCache, url: &str, content: &[u8]) -> PathBuf {
    let key = cache.key(url);
    assert!(cache.hit(&key).unwrap().is_none(), "{url}");
    put(cache, url, content);
    cache.added(&key, content.len() as u64).unwrap().keep()
}

fn put(cache: &FileCache, url: &str, content: &[u8]) {
    let path = cache.path(&cache.key(url));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let beside = path.with_extension(format!("{:016x}", fastrand::u64(..)));
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, &path).unwrap();
}

/// Downloads and lets go.
fn fill(cache: &FileCache, number: usize, size: usize) -> PathBuf {
    let path = download(cache, &url(number), &vec![b'x'; size]);
    assert!(cache.release(&path));
    path
}

fn hit(cache: &FileCache, url: &str) -> Option<PathBuf> {
    cache.hit(&cache.key(url)).unwrap().map(Lease::keep)
}

/// Sets when a file was used: so many seconds before now.
fn used_before(path: &Path, seconds: u64) {
    let times = FileTimes::new().set_accessed(SystemTime::now() - Duration::from_secs(seconds));
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

fn counts(cache: &FileCache) -> (u64, u64) {
    let CacheStatistics { files, bytes, .. } = cache.statistics();
    (files, bytes)
}

fn journal(cache: &FileCache) -> PathBuf {
    cache.dir().join(".cache/index")
}

fn holders(cache: &FileCache) -> usize {
    fs::read_dir(cache.dir().join(".cache/holders")).unwrap().count()
}

#[test]
fn a_name_is_safe_whatever_the_url() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let long = format!("https://h/{}.{}", "n".repeat(300), "e".repeat(300));
    for (url, extension) in [
        ("https://h/a/b.png", "png"),
        ("https://h/a/b.PNG?x=1.gif#y.jpg", "PNG"),
        ("https://h/a/b.tar.gz", "tar.gz"),
        ("https://h/a/b.TAR.zst", "TAR.zst"),
        ("https://h/a/tar.gz", "gz"),
        ("https://h/a/b.min.js", "js"),
        ("https://h/a%2Eb%2Epng", "png"),
        ("https://h/%E2%82%AC.pt", "pt"),
        ("/media/x.png", "png"),
        ("../../etc/passwd", ""),
        ("https://h/../../etc/passwd", ""),
        ("https://h/..%2F..%2Fetc%2Fpasswd", ""),
        ("https://h/x.%2e%2e%2fpng", ""),
        ("https://h/x.a%00b", ""),
        ("https://h/x.a%5Cb", ""),
        ("https://h/x.a:b", ""),
        ("https://h/CON", ""),
        ("CON", ""),
        ("https://h/NUL.txt", "txt"),
        (&long, ""),
        ("https://h/trailing.png.", ""),
        ("https://h/trailing...", ""),
        ("https://h/space.png%20", ""),
        ("https://h/.profile", ""),
        ("https://h/x.seventeenletters", "seventeenletters"),
        ("https://h/x.seventeen1letters", ""),
        ("https://h.example", ""),
        ("//h.example", ""),
        ("https://h.example?a.png", ""),
        ("https://h/a.b/c", ""),
        ("https://h/a.png/", ""),
        ("data:text/plain,a.b", "txt"),
        ("DATA:image/PNG;base64,AA==", "png"),
        ("data:application/x-own;base64,AA==", ""),
        ("data:,a.b", ""),
        ("", ""),
    ] {
        let key = cache.key(url);
        let path = cache.path(&key);
        let parts: Vec<&str> = path.strip_prefix(cache.dir()).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
        let [shard, name] = parts[..] else { panic!("{url}: {parts:?}") };
        let (hash, rest) = name.split_at(32);
        assert!(hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{url}: {name}");
        assert_eq!((shard, rest.trim_start_matches('.')), (&hash[..2], extension), "{url}");
        assert_eq!(rest.starts_with('.'), !extension.is_empty(), "{url}");
        assert_eq!(KeyHash::of_name(name), Some((key.hash, extension)), "{url}");
    }
}

#[test]
fn a_key_is_the_url_without_what_signs_it() {
    for (url, key) in [
        ("https://h/p", "https://h/p"),
        ("https://h/p?", "https://h/p"),
        ("https://h/p#part", "https://h/p"),
        ("https://h/p?id=5", "https://h/p?id=5"),
        ("https://h/p?id=5&X-Amz-Signature=0&v=2&x-amz-date=1", "https://h/p?id=5&v=2"),
        ("https://h/p?X-Goog-Signature=0&generation=7", "https://h/p?generation=7"),
        ("https://h/p?OSSAccessKeyId=a&Expires=1&Signature=b%3D", "https://h/p"),
        ("https://h/p?%58-Amz-Date=1&%41=1", "https://h/p?%41=1"),
        ("https://h/p?Policy=a&Signature=b&Key-Pair-Id=c", "https://h/p"),
        ("https://h/p?__token__=exp=1~hmac=2", "https://h/p"),
        ("https://h/p?token", "https://h/p"),
        ("https://h/p?tokens=1", "https://h/p?tokens=1"),
        ("https://h/p?response-content-type=a", "https://h/p?response-content-type=a"),
        ("https://h/p?response-content-type=a&x-amz-date=1", "https://h/p"),
        ("https://h/p?sv=1&st=2&sp=r&sr=b&sig=3&snapshot=4", "https://h/p?snapshot=4"),
        ("https://h/p?sv=1&st=2&sp=r&sr=b", "https://h/p?sv=1&st=2&sp=r&sr=b"),
        ("https://h/p?timestamp=1&md5=2", "https://h/p?timestamp=1&md5=2"),
        ("https://h/p?md5=a&expires=1&id=5", "https://h/p?id=5"),
        ("https://h/p?q-sign-algorithm=sha1&q-ak=a&q-signature=b&q=c", "https://h/p?q=c"),
        ("https://h/p?&&a", "https://h/p?&&a"),
        ("data:text/plain,a?token=1#b", "data:text/plain,a?token=1#b"),
        ("DATA:,a#b", "DATA:,a#b"),
        ("€", "€"),
    ] {
        assert_eq!(default_key(url), key);
    }
}

/// Parameters that tell files from one another.
fn parameter() -> impl Strategy<Value = String> {
    "(id|page|v|name|size|st|se|sp)=[a-z0-9%/€=]{0,6}"
}

fn signature() -> impl Strategy<Value = String> {
    "(X-Amz-Signature|x-goog-date|Expires|SIGNATURE|token|hdnts|x-ms-date)=[A-Za-z0-9%/=]{0,8}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_signature_changes_no_key_and_any_other_parameter_does(
        kept in prop::collection::vec(parameter(), 0..5),
        signed in prop::collection::vec((signature(), any::<prop::sample::Index>()), 0..5),
        fragment in "(#[a-z?&=]{0,5})?",
    ) {
        let plain = if kept.is_empty() { "https://h/p".to_owned() } else { format!("https://h/p?{}", kept.join("&")) };
        let mut parameters = kept.clone();
        for (parameter, at) in signed {
            parameters.insert(at.index(parameters.len() + 1), parameter);
        }
        let url = format!("https://h/p?{}{fragment}", parameters.join("&"));
        prop_assert_eq!(default_key(&url), plain.clone());
        prop_assert_eq!(default_key(&format!("{plain}{}id=other", if kept.is_empty() { '?' } else { '&' })).len() > plain.len(), true);
    }

    #[test]
    fn any_text_has_a_key_that_is_its_own_key_and_a_name_that_is_read_again(url in "\\PC*", tail in "[a-z?&=#.%/:]*") {
        let url = url + &tail;
        let key = default_key(&url);
        prop_assert_eq!(default_key(&key), key.clone());
        let cached = super::CacheKey::new(&key, &url);
        let path = cached.hash.path(Path::new("/c"), &cached.extension);
        let name = path.file_name().unwrap().to_str().unwrap();
        prop_assert!(name.is_ascii() && name.len() <= 32 + 21);
        prop_assert_eq!(KeyHash::of_name(name), Some((cached.hash, &*cached.extension)));
    }
}

#[test]
fn a_file_that_was_added_is_there_for_this_handle_and_any_other() {
    let dir = directory();
    let cache = FileCache::open(dir.path().join("a/b")).unwrap();
    let other = FileCache::open(dir.path().join("a/b")).unwrap();
    let path = download(&cache, "https://h/x.png?token=1", b"content");
    assert_eq!(path, cache.path(&cache.key("https://h/x.png")));
    assert_eq!(hit(&cache, "https://h/x.png?token=2"), Some(path.clone()));
    assert_eq!(hit(&other, "https://h/x.png?token=3"), Some(path.clone()));
    assert_eq!(fs::read(&path).unwrap(), b"content");
    drop((cache, other));
    let again = FileCache::open(dir.path().join("a/b")).unwrap();
    assert_eq!(hit(&again, "https://h/x.png"), Some(path));
    assert_eq!(hit(&again, "https://h/y.png"), None);
}

#[test]
fn a_cut_a_grown_or_a_missing_file_is_a_miss_and_its_entry_goes() {
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
fn a_file_that_another_handle_replaced_is_a_hit_with_its_new_size() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    assert_eq!(hit(&other, &url(1)), Some(path.clone()));
    fs::remove_file(&path).unwrap();
    download(&cache, &url(1), b"another size");
    // It knows the old size still.
    assert_eq!(hit(&other, &url(1)), Some(path));
    assert_eq!(counts(&other), (1, 12));
}

#[test]
fn a_file_that_is_not_as_it_was_downloaded_is_not_added() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let key = cache.key("https://h/x.png?sig=SECRET");
    assert!(cache.hit(&key).unwrap().is_none());
    fs::write(cache.path(&key), b"12345").unwrap();
    for size in [4, 6] {
        let error = cache.added(&key, size).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(error.is_file() && text.contains("download it again") && !text.contains("SECRET"), "{text}");
    }
    assert_eq!((cache.statistics().held, counts(&cache)), (0, (0, 0)));
    cache.added(&key, 5).unwrap().keep();
}

#[test]
fn keys_of_ones_own_make_urls_the_same_file() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).key(|url| url.rsplit('/').next().unwrap_or_default().to_owned());
    let cache = cache.open().unwrap();
    let path = download(&cache, "https://a/x.png", b"1");
    assert_eq!(hit(&cache, "https://b/c/x.png"), Some(path));
    assert_eq!(hit(&cache, "https://b/c/y.png"), None);
}

#[cfg(unix)]
#[test]
fn a_directory_must_have_a_unicode_path() {
    use std::os::unix::ffi::OsStrExt;
    let dir = directory().path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let error = FileCache::open(dir).unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("Unicode"), "{error}");
}

#[test]
fn nothing_of_a_signature_is_shown_or_kept() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    download(&cache, "https://h/x.png?token=SECRET&id=SECRET", b"1");
    let mut shown = format!("{cache:?} {:?} {:?}", FileCache::builder(dir.path()), cache.statistics());
    let mut directories = vec![dir.path().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            shown.push_str(entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => directories.push(entry.path()),
                false => shown.push_str(&fs::read_to_string(entry.path()).unwrap()),
            }
        }
    }
    assert!(shown.contains("png") && !shown.contains("SECRET") && !shown.contains("https"), "{shown}");
}

#[test]
fn a_journal_that_is_torn_at_any_byte_loses_only_its_last_line() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let paths: Vec<PathBuf> = (0..3).map(|number| fill(&cache, number, number + 1)).collect();
    let whole = fs::read(journal(&cache)).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        fs::write(journal(&cache), &whole[..cut]).unwrap();
        let cache = FileCache::open(dir.path()).unwrap();
        assert_eq!(counts(&cache), (2, 3), "{cut}");
        // What comes after a torn line isn't lost with it.
        put(&cache, &url(9), b"nine");
        cache.added(&cache.key(&url(9)), 4).unwrap().keep();
        let again = FileCache::open(dir.path()).unwrap();
        assert!(hit(&again, &url(9)).is_some() && hit(&again, &url(0)).is_some(), "{cut}");
        // All but its line's end was there.
        assert_eq!(hit(&again, &url(2)), (cut == whole.len() - 1).then(|| paths[2].clone()), "{cut}");
    }
}

#[test]
fn damage_in_the_middle_of_a_journal_costs_what_it_hits() {
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
    // Garbage at the end, of each length: what is added after it counts.
    for length in 1..400 {
        fs::write(journal(&cache), [&whole[..], &vec![b'?'; length]].concat()).unwrap();
        let other = FileCache::open(dir.path()).unwrap();
        put(&other, &url(0), b"longer");
        other.added(&other.key(&url(0)), 6).unwrap().keep();
        assert_eq!((counts(&FileCache::open(dir.path()).unwrap()), counts(&other)), ((3, 8), (3, 8)), "{length}");
    }
}

#[test]
fn an_unknown_version_or_a_damaged_head_is_an_empty_index_and_no_file_is_deleted() {
    for head in ["synapse-file-cache 2 0123456789abcdef\n", "synapse-file-cache 1 0123\n", "", "\0\0\0\0", "+ 12 - 5\n"] {
        let dir = directory();
        let cache = FileCache::open(dir.path()).unwrap();
        let path = fill(&cache, 1, 7);
        let text = fs::read_to_string(journal(&cache)).unwrap();
        let lines = text.split_once('\n').unwrap().1;
        fs::write(journal(&cache), format!("{head}{lines}")).unwrap();
        let other = FileCache::open(dir.path()).unwrap();
        assert_eq!(counts(&other), (0, 0), "{head}");
        assert!(path.exists());
        // The handle that was open finds out.
        assert_eq!(counts(&cache), (0, 0), "{head}");
        fill(&cache, 1, 7);
        assert_eq!(hit(&other, &url(1)), Some(path), "{head}");
    }
}

#[test]
fn handles_that_append_at_the_same_time_lose_nothing() {
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
fn a_journal_that_tells_little_is_written_anew_and_other_handles_notice() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let (lost, kept) = (fill(&cache, 0, 1), fill(&cache, 1, 5));
    assert_eq!(counts(&other), (2, 6));
    // What the other handle knows isn't true any more, of a journal that gets as long as the one that it read.
    fs::remove_file(lost).unwrap();
    assert_eq!(hit(&cache, &url(0)), None);
    put(&cache, &url(2), b"12");
    for _ in 0..1002 {
        let path = cache.added(&cache.key(&url(2)), 2).unwrap().keep();
        cache.release(path);
    }
    let lines = || fs::read_to_string(journal(&cache)).unwrap().lines().count();
    assert!(lines() < 10, "{}", lines());
    assert!(!dir.path().join(".cache/index.new").exists());
    assert_eq!((counts(&other), hit(&other, &url(1))), ((2, 7), Some(kept)));
    fill(&other, 3, 1);
    assert_eq!((counts(&cache), counts(&FileCache::open(dir.path()).unwrap())), ((3, 8), (3, 8)));
    // Of a journal that is mostly alive nothing is to be gained.
    assert!(lines() < 10);
}

#[test]
fn what_was_used_longest_ago_is_evicted_first() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(4).open().unwrap();
    let paths: Vec<PathBuf> = (0..4).map(|number| fill(&cache, number, 1)).collect();
    for (path, before) in paths.iter().zip([500, 400, 300, 200]) {
        used_before(path, before);
    }
    // A hit makes the oldest the youngest, by whichever handle, and leaves alone when the file was changed.
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
fn bytes_are_kept_within_their_limit_by_as_few_files_as_it_takes() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_bytes(100).open().unwrap();
    let paths: Vec<PathBuf> = [30, 10, 40, 20].into_iter().enumerate().map(|(number, size)| fill(&cache, number, size)).collect();
    for (path, before) in paths.iter().zip([100, 400, 300, 200]) {
        used_before(path, before);
    }
    assert_eq!(counts(&cache), (4, 100));
    fill(&cache, 4, 11);
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(counts(&cache), (3, 61));
    // Larger than the limit by itself: all others go.
    fill(&cache, 5, 101);
    assert_eq!(counts(&cache), (1, 101));
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
    // More than are removed under one lock.
    let less = FileCache::builder(dir.path()).max_files(10).open().unwrap();
    paths.push(fill(&less, 450, 1));
    assert_eq!((counts(&less), less.statistics().evicted, counts(&cache)), ((10, 10), 291, (10, 10)));
}

#[test]
fn what_is_held_is_neither_evicted_nor_cleared() {
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

    // Only who holds it releases it, as often as it was handed out.
    assert!(!other.release(&mine) && cache.release(&twice));
    assert!(!cache.release(dir.path().join("x")) && !cache.release(twice.file_name().unwrap()));
    assert_eq!(other.clear().unwrap(), 0);
    assert!(cache.release(&twice) && !cache.release(&twice));
    assert_eq!(other.clear().unwrap(), 1);
    assert!(mine.exists() && !twice.exists());

    // A clone is the same handle, which lives as long as one of them.
    let clone = cache.clone();
    drop(cache);
    assert_eq!((other.clear().unwrap(), mine.exists()), (0, true));
    drop(clone);
    assert_eq!((other.clear().unwrap(), mine.exists()), (1, false));
    assert_eq!(holders(&other), 2);
}

#[test]
fn a_release_makes_evictable() {
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
fn what_the_dead_held_is_held_no_more() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let holders = dir.path().join(".cache/holders");
    // What a process leaves behind that was killed.
    let line = format!("0123456789abcdef\n+{}\n", cache.key(&url(1)).hash.hex());
    fs::write(holders.join("77-0123456789abcdef.holds"), &line).unwrap();
    fs::write(holders.join("77-0123456789abcdef"), "").unwrap();
    // Killed before it wrote any.
    fs::write(holders.join("78-0123456789abcdef"), "").unwrap();
    // A live one, not of this code's writing.
    fs::write(holders.join("79-0123456789abcdef.holds"), &line).unwrap();
    let live = File::create(holders.join("79-0123456789abcdef")).unwrap();
    fs4::FileExt::lock(&live).unwrap();

    assert_eq!((cache.clear().unwrap(), path.exists()), (0, true));
    let mut left: Vec<String> =
        fs::read_dir(&holders).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left.iter().filter(|name| name.contains("-0123456789abcdef")).count(), 2, "{left:?}");
    drop(live);
    assert_eq!((cache.clear().unwrap(), path.exists()), (5, false));
    assert_eq!(fs::read_dir(&holders).unwrap().count(), 2);
}

/// Not a test by itself: the process that the next one starts.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn a_process_that_holds_until_it_is_killed() {
    let Some(dir) = std::env::var_os("FILE_CACHE_OF_ANOTHER_PROCESS") else { return };
    let cache = FileCache::open(dir).unwrap();
    assert!(hit(&cache, &url(1)).is_some());
    println!("\nholds");
    // Until its parent is gone, at the latest.
    let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
}

#[test]
fn what_another_process_holds_stays_until_it_is_killed() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "file_cache::tests::a_process_that_holds_until_it_is_killed"])
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
    assert_eq!(holders(&cache), 4);
    assert_eq!((cache.clear().unwrap(), path.exists()), (5, false));
    assert_eq!(holders(&cache), 2);
}

#[test]
fn nothing_is_handed_out_while_another_removes() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let path = fill(&cache, 1, 5);
    let lock = File::options().write(true).open(dir.path().join(".cache/lock")).unwrap();
    fs4::FileExt::lock(&lock).unwrap();
    std::thread::scope(|scope| {
        let hit = scope.spawn(|| hit(&cache, &url(1)));
        // It can't end before the lock is let go; where it didn't wait for that, it would have by now.
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
fn a_path_that_was_handed_out_is_there_whatever_others_do() {
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
                                match cache.added(&cache.key(&url), 7).map(Lease::keep) {
                                    Ok(path) => path,
                                    // Another handle had added it, and removed it before this one said a word.
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
    let on_disk = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".cache");
    let on_disk: usize = on_disk.map(|shard| fs::read_dir(shard.path()).unwrap().count()).sum();
    assert!((1..=5).contains(&on_disk), "{on_disk}");
    assert_eq!(counts(&cache), (on_disk as u64, 7 * on_disk as u64));
}

#[test]
fn long_lives_of_holds_take_little_room() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let held = download(&cache, &url(0), b"1");
    let path = fill(&cache, 1, 1);
    for round in 0..1500 {
        assert!(hit(&cache, &url(1)).is_some() && cache.release(&path));
        if round % 100 == 0 {
            assert!(other.clear().unwrap() > 0 && held.exists(), "{round}");
            fill(&cache, 1, 1);
            // What is held after the file was written anew is seen too.
            let late = download(&cache, &url(2), b"1");
            assert!(hit(&cache, &url(1)).is_some());
            assert_eq!((other.clear().unwrap(), late.exists()), (0, true), "{round}");
            assert!(cache.release(&late) && cache.release(&path));
        }
    }
    let largest = fs::read_dir(dir.path().join(".cache/holders")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(largest.max().unwrap() < 40_000);
    other.clear().unwrap();
    assert!(held.exists() && !path.exists());
}

#[test]
fn a_clear_removes_what_the_index_has_lost_and_nothing_that_is_not_the_caches() {
    let dir = directory();
    let cache = FileCache::open(dir.path()).unwrap();
    let (lost, young) = (fill(&cache, 1, 5), fill(&cache, 2, 3));
    let foreign = lost.with_file_name("notes.txt");
    fs::write(&foreign, b"mine").unwrap();
    fs::write(journal(&cache), b"").unwrap();
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(3600));
    File::options().write(true).open(&lost).unwrap().set_times(times).unwrap();
    // Another process may be about to add the young one.
    assert_eq!(cache.clear().unwrap(), 5);
    assert!(!lost.exists() && young.exists() && foreign.exists());
    cache.release(cache.added(&cache.key(&url(2)), 3).unwrap().keep());
    assert_eq!(cache.clear().unwrap(), 3);
    assert!(foreign.exists());
}

#[test]
fn statistics_tell_what_is_there_and_what_became_of_requests() {
    let dir = directory();
    let cache = FileCache::builder(dir.path()).max_files(2).open().unwrap();
    let other = FileCache::open(dir.path()).unwrap();
    let paths = [fill(&cache, 1, 5), fill(&cache, 2, 6)];
    assert!(hit(&cache, &url(1)).is_some() && hit(&cache, &url(1)).is_some());
    used_before(&paths[1], 1000);
    fill(&cache, 3, 7);
    let expected = CacheStatistics { files: 2, bytes: 12, hits: 2, misses: 3, evicted: 1, held: 1 };
    assert_eq!(cache.statistics(), expected);
    let expected = CacheStatistics { hits: 0, misses: 0, evicted: 0, held: 0, ..expected };
    assert_eq!(other.statistics(), expected);
}
