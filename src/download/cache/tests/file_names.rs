//! File names: safe for every URL, and without any of its text.

use super::*;

#[test]
fn any_url_gives_safe_file_name() {
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
        let key = key(&cache, url);
        let path = path(&cache, url);
        let parts: Vec<&str> =
            path.strip_prefix(cache.dir()).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
        let [shard, name] = parts[..] else { panic!("{url}: {parts:?}") };
        let (hash, rest) = name.split_at(32);
        assert!(hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{url}: {name}");
        assert_eq!((shard, rest.trim_start_matches('.')), (&hash[..1], extension), "{url}");
        assert_eq!(rest.starts_with('.'), !extension.is_empty(), "{url}");
        assert_eq!(KeyHash::of_name(name), Some((key.hash, extension)), "{url}");
    }
}

#[test]
fn custom_key_shares_file_across_urls() {
    let dir = directory();
    let cache =
        FileCache::builder(dir.path()).key(|url| url.rsplit('/').next().unwrap_or_default().to_owned());
    let cache = cache.open().unwrap();
    let path = download(&cache, "https://a/x.png", b"1");
    assert_eq!(hit(&cache, "https://b/c/x.png"), Some(path));
    assert_eq!(hit(&cache, "https://b/c/y.png"), None);
}

#[cfg(unix)]
#[test]
fn non_unicode_directory_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let dir = directory().path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let error = FileCache::open(dir).unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("Unicode"), "{error}");
}

#[test]
fn signatures_are_not_shown_or_stored() {
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
