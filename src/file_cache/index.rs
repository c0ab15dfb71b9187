//! Which files there are and how large: a journal that every process appends to, and what it comes to, in memory.
//!
//! A line is `+ {hash} {extension or -} {size}` or `- {hash}`, and a checksum: one that a power loss has torn or that is
//! damaged otherwise is passed over. Memory holds what the journal says, never more: a change is written, and read back.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::holds::Locked;
use super::key::{KeyHash, is_extension};
use crate::error::{Error, Result};

/// The first line tells the format's version; then follow 16 digits that change when the journal is replaced.
const VERSION: &str = "synapse-file-cache 1 ";
const HEAD: usize = VERSION.len() + 17;

/// No line is as long.
const LONGEST: u64 = 160;

/// Lines that tell nothing any more, above which the journal may be written anew.
const DEAD_LINES: u64 = 1000;

/// Whoever calls a method that reads or writes has the cache's lock: shared, unless the method says otherwise.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    /// The journal's first line when it was last read.
    head: Vec<u8>,
    /// Bytes of the journal that were read: whole lines.
    read: u64,
    /// The journal ends in the middle of a line.
    torn: bool,
    lines: u64,
    entries: HashMap<KeyHash, Stored>,
    /// A million files have a handful of extensions.
    extensions: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    bytes: u128,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    size: u64,
    extension: u32,
}

/// What the index knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) size: u64,
    pub(super) extension: &'a str,
}

impl Index {
    pub(super) fn new(path: PathBuf) -> Self {
        Index {
            path,
            head: Vec::new(),
            read: 0,
            torn: false,
            lines: 0,
            entries: HashMap::new(),
            extensions: Vec::new(),
            numbers: HashMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn get(&self, hash: KeyHash) -> Option<Entry<'_>> {
        self.entries.get(&hash).map(|stored| self.entry(stored))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyHash, Entry<'_>)> {
        self.entries.iter().map(|(hash, stored)| (*hash, self.entry(stored)))
    }

    pub(super) fn files(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Sum of the sizes.
    pub(super) fn bytes(&self) -> u128 {
        self.bytes
    }

    fn entry(&self, stored: &Stored) -> Entry<'_> {
        Entry { size: stored.size, extension: self.extensions.get(stored.extension as usize).map_or("", |text| text) }
    }

    /// Reads what was appended since it was last read, or all where the journal was replaced. Tells false where there is no
    /// journal that can be read: [`renew`](Index::renew) makes one.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        let read = match File::open(&self.path) {
            Ok(mut file) => self.catch_up(&mut file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
        };
        read.map_err(|error| Error::file(&self.path, "the file cache's index can't be read", error))
    }

    /// As [`refresh`](Index::refresh); where there is no journal that can be read, an empty one takes its place. `_lock` is
    /// the exclusive one.
    pub(super) fn renew(&mut self, _lock: &Locked) -> Result<()> {
        if !self.refresh()? {
            self.forget();
            self.replace()?;
        }
        Ok(())
    }

    /// Records that the file is there.
    pub(super) fn add(&mut self, hash: KeyHash, extension: &str, size: u64) -> Result<()> {
        self.append(&line(&added(hash, Entry { size, extension })))
    }

    /// Records that the files are gone.
    pub(super) fn remove(&mut self, hashes: &[KeyHash]) -> Result<()> {
        let lines: String = hashes.iter().map(|hash| line(&format!("- {}", hash.hex()))).collect();
        if lines.is_empty() { Ok(()) } else { self.append(&lines) }
    }

    /// Whether most of the journal tells nothing any more.
    pub(super) fn is_wasteful(&self) -> bool {
        let dead = self.lines.saturating_sub(self.files());
        dead > DEAD_LINES && dead > self.files()
    }

    /// Writes the journal anew, without what tells nothing any more. `_lock` is the exclusive one.
    pub(super) fn compact(&mut self, _lock: &Locked) -> Result<()> {
        self.replace()
    }

    fn append(&mut self, lines: &str) -> Result<()> {
        let mut write = || {
            let mut file = OpenOptions::new().read(true).append(true).open(&self.path)?;
            if !self.catch_up(&mut file)? {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it was damaged a moment ago"));
            }
            // What follows a torn line would be lost with it. One write, so that lines of several processes don't mix.
            let text = if self.torn { format!("\n{lines}") } else { lines.to_owned() };
            file.write_all(text.as_bytes())?;
            self.catch_up(&mut file).map(|_| ())
        };
        write().map_err(|error| Error::file(&self.path, "the file cache's index can't be written", error))
    }

    fn catch_up(&mut self, file: &mut File) -> io::Result<bool> {
        let mut head = Vec::with_capacity(HEAD);
        file.seek(SeekFrom::Start(0))?;
        Read::take(&mut *file, HEAD as u64).read_to_end(&mut head)?;
        if !is_head(&head) {
            return Ok(false);
        }
        if head != self.head || file.metadata()?.len() < self.read {
            self.forget();
            self.read = HEAD as u64;
            self.head = head;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::with_capacity(64 << 10, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
            if length == 0 {
                return Ok(true);
            }
            self.torn = line.last() != Some(&b'\n');
            // The rest of a torn line may be about to be written; what is longer than any line is garbage.
            if self.torn && length < LONGEST {
                return Ok(true);
            }
            self.read += length;
            self.apply(&line);
        }
    }

    fn apply(&mut self, line: &[u8]) {
        self.lines += 1;
        match parse(line) {
            Some((hash, Some(entry))) => {
                let stored = Stored { size: entry.size, extension: self.number(entry.extension) };
                let before = self.entries.insert(hash, stored);
                self.bytes += u128::from(entry.size);
                self.bytes -= before.map_or(0, |before| u128::from(before.size));
            }
            Some((hash, None)) => {
                let before = self.entries.remove(&hash);
                self.bytes -= before.map_or(0, |before| u128::from(before.size));
            }
            None => {}
        }
    }

    fn number(&mut self, extension: &str) -> u32 {
        if let Some(number) = self.numbers.get(extension) {
            return *number;
        }
        // More than four thousand million would be shown without their extension.
        let number = u32::try_from(self.extensions.len()).unwrap_or(u32::MAX);
        self.extensions.push(extension.into());
        self.numbers.insert(extension.into(), number);
        number
    }

    fn forget(&mut self) {
        *self = Index::new(std::mem::take(&mut self.path));
    }

    /// Puts a journal that says what memory says in the place of the one before.
    fn replace(&mut self) -> Result<()> {
        // Nobody else writes it: the lock is exclusive.
        let beside = self.path.with_extension("new");
        let written = self.write(&beside).and_then(|()| std::fs::rename(&beside, &self.path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            Error::file(&self.path, "the file cache's index can't be replaced", error)
        })?;
        self.refresh().map(|_| ())
    }

    fn write(&self, path: &std::path::Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(format!("{VERSION}{:016x}\n", fastrand::u64(..)).as_bytes())?;
        for (hash, entry) in self.iter() {
            file.write_all(line(&added(hash, entry)).as_bytes())?;
        }
        file.into_inner()?.sync_all()
    }
}

fn is_head(head: &[u8]) -> bool {
    let generation = head.strip_prefix(VERSION.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
    generation.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

fn added(hash: KeyHash, entry: Entry<'_>) -> String {
    let extension = if entry.extension.is_empty() { "-" } else { entry.extension };
    format!("+ {} {extension} {}", hash.hex(), entry.size)
}

fn line(text: &str) -> String {
    format!("{text} {:08x}\n", checksum(text.as_bytes()))
}

/// FNV-1a: no change of a single byte gets past it.
fn checksum(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A line's hash, and the entry that it adds or nothing where it removes. Nothing where it is no whole line.
fn parse(line: &[u8]) -> Option<(KeyHash, Option<Entry<'_>>)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (text, sum) = line.rsplit_once(' ')?;
    // Digits of the other case are damage too.
    if sum.len() != 8 || sum.contains(|digit: char| !matches!(digit, '0'..='9' | 'a'..='f')) {
        return None;
    }
    if u32::from_str_radix(sum, 16).ok()? != checksum(text.as_bytes()) {
        return None;
    }
    let mut words = text.split(' ');
    let (sign, hash) = (words.next()?, KeyHash::from_hex(words.next()?)?);
    let entry = match sign {
        "-" => None,
        "+" => {
            let extension = words.next().map(|word| if word == "-" { "" } else { word })?;
            let size = words.next()?.parse().ok()?;
            // It becomes part of a path.
            (extension.is_empty() || is_extension(extension)).then_some(())?;
            Some(Entry { size, extension })
        }
        _ => return None,
    };
    words.next().is_none().then_some((hash, entry))
}
