//! A cache on disk whose index is the input. Whatever the index contains, no file is returned for another
//! URL.

use std::fs;
use std::path::{Path, PathBuf};

use synapse_backend_client::{FileCache, fuzzing};

/// The cache contains files of the first two URLs, and none of the third.
const URLS: [&str; 3] = ["https://h/1.png", "https://h/2.tar.gz", "https://h/3?id=3"];
const CONTENTS: [&[u8]; 2] = [b"first file", b"second"];

/// The first line of an index.
const HEAD: &str = "synapse-file-cache 2 0123456789abcdef\n";

/// A thread's cache directory. It is removed with the fixture.
pub struct Fixture {
    directory: PathBuf,
    paths: [PathBuf; 3],
}

impl Fixture {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let temporary = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let thread =
            format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let directory = temporary.join(format!("synapse-fuzz-{}-{thread}", std::process::id()));
        let cache = FileCache::open(directory.join("cache")).expect("a cache can be opened");
        let paths = URLS.map(|url| fuzzing::cache_path(&cache, url));
        fs::write(directory.join("outside.png"), "outside").expect("it can be written");
        Fixture { directory, paths }
    }

    /// Returns the hash of a file, as in the index.
    fn hash(&self, number: usize) -> &str {
        let name = self.paths[number].file_name().and_then(|name| name.to_str());
        &name.expect("it has a name")[..32]
    }

    /// Adds a checksum to lines that begin with `=`, and replaces `H0` in them with the hash of the first
    /// URL's file.
    fn journal(&self, data: &[u8]) -> Vec<u8> {
        let mut journal = Vec::new();
        if data.first() != Some(&b'#') {
            journal.extend_from_slice(HEAD.as_bytes());
        }
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(b"=").and_then(|line| std::str::from_utf8(line).ok()) {
                Some(line) => journal.extend_from_slice(fuzzing::cache_line(&self.named(line)).as_bytes()),
                None => journal.extend_from_slice(line),
            }
        }
        journal
    }

    fn named(&self, line: &str) -> String {
        let mut line = line.trim_end_matches('\n').to_owned();
        for number in 0..URLS.len() {
            line = line.replace(&format!("H{number}"), self.hash(number));
        }
        line
    }

    /// Opens the cache, looks each file up, and clears the cache.
    pub fn run(&self, data: &[u8]) {
        let cache = self.directory.join("cache");
        for (path, content) in self.paths.iter().zip(CONTENTS) {
            fs::create_dir_all(path.parent().expect("it has a directory")).expect("it can be made");
            fs::write(path, content).expect("it can be written");
        }
        fs::write(cache.join(".cache/index"), self.journal(data)).expect("it can be written");
        let cache = FileCache::builder(cache)
            .max_bytes(data.len() as u64 % 40)
            .open()
            .expect("a cache can be opened");
        for (number, url) in URLS.iter().enumerate() {
            let found = fuzzing::cache_find(&cache, url).expect("it can be looked for");
            if let Some(found) = found {
                assert_eq!(found, self.paths[number], "the file of {url}");
                assert_eq!(
                    fs::read(&found).ok().as_deref(),
                    CONTENTS.get(number).copied(),
                    "the file of {url}"
                );
                cache.release(found);
            }
        }
        cache.clear().expect("it can be cleared");
        assert_eq!(cache.statistics().held, 0);
        assert!(self.directory.join("outside.png").exists(), "a file outside was removed");
    }

    /// The leases file of a handle: `=+ H0 …` becomes a line `+{hash}`.
    pub fn leases(&self, data: &[u8]) -> Vec<u8> {
        let mut leases = b"0123456789abcdef\n".to_vec();
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(b"=").and_then(|line| std::str::from_utf8(line).ok()) {
                Some(line) => {
                    leases.extend(self.named(line).split(' ').take(2).flat_map(str::bytes));
                    leases.push(b'\n');
                }
                None => leases.extend_from_slice(line),
            }
        }
        leases
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
