//! The index of the cache: which files exist and their sizes. It is a journal that all processes append to,
//! and its content in memory.
//!
//! Memory contains what the journal says and nothing else: a change is written to the journal and read back.
//! A file takes about 50 bytes of memory; the details of its content stay in the journal. No line is longer
//! than 640 bytes, and incomplete lines are ignored.
//!
//! If an object is overwritten on its server, the new content becomes a file of its own: the next version.
//! The version before is superseded: it is not returned any more, and is removed when there is no lease on
//! it.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::file_record::{FileRecord, stamp};
use super::journal_line::{Entry, Line, MAX_LINE, Version, added, parse, removed};
use super::key::KeyHash;
use super::lock::Exclusive;
use crate::error::{Error, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::plain_file::{if_there, open_own};

/// The first line contains the format's version and then 16 digits that change when the journal is replaced.
pub(super) const VERSION: &str = "synapse-file-cache 2 ";
const HEAD: usize = VERSION.len() + 17;

/// The previous format. Its lines are valid in this one. Files keep their entries and age out: they have
/// other keys now.
const PREVIOUS_VERSION: &str = "synapse-file-cache 1 ";

/// Maximum number of bytes of the journal that are read at once.
const BUFFER: u64 = 64 << 10;

/// Number of obsolete lines above which the journal may be rewritten.
const DEAD_LINES: u64 = 1000;

/// The caller of a method that writes holds the cache's lock: shared, unless the method says otherwise.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) path: PathBuf,
    /// The journal's first line when it was last read.
    head: Vec<u8>,
    /// Number of bytes of the journal that were read, in complete lines.
    read: u64,
    /// The journal's state when all of it was last read.
    seen: Option<Seen>,
    /// The journal, opened for appending.
    open: Option<(FileId, File)>,
    /// The journal ends within a line.
    torn: bool,
    lines: u64,
    pub(super) entries: HashMap<KeyHash, Stored>,
    /// The newest version of each file that has several versions.
    newest: HashMap<KeyHash, KeyHash>,
    /// The versions other than first ones.
    versions: HashMap<KeyHash, Version>,
    pub(super) superseded: HashSet<KeyHash>,
    /// Extensions are stored once: a million files have only a few.
    extensions: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    bytes: u128,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    size: u64,
    /// The offset of its line.
    pub(super) at: u64,
    extension: u32,
}

/// The state of the journal's file. If it is unchanged, nothing was appended.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: FileId,
    size: u64,
    modified: Option<u64>,
}

impl Index {
    pub(super) fn new(path: PathBuf) -> Self {
        Index { path, ..Index::default() }
    }

    /// Returns the entry of exactly this version.
    pub(super) fn get(&self, hash: KeyHash) -> Option<Entry<'_>> {
        self.entries.get(&hash).map(|stored| self.entry(stored))
    }

    /// Returns the newest version of a file.
    pub(super) fn newest(&self, base: KeyHash) -> Option<(KeyHash, Entry<'_>)> {
        let hash = self.newest.get(&base).copied().unwrap_or(base);
        let entry = self.get(hash).filter(|_| !self.superseded.contains(&hash))?;
        Some((hash, entry))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyHash, Entry<'_>)> {
        self.entries.iter().map(|(hash, stored)| (*hash, self.entry(stored)))
    }

    pub(super) fn files(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Returns the sum of the sizes.
    pub(super) fn bytes(&self) -> u128 {
        self.bytes
    }

    fn entry(&self, stored: &Stored) -> Entry<'_> {
        Entry {
            size: stored.size,
            extension: self.extensions.get(stored.extension as usize).map_or("", |text| text),
        }
    }

    /// Returns the record of a file's content, if it is for the modification time `stamp`.
    pub(super) fn file_record(&self, hash: KeyHash, stamp: Option<u64>) -> FileRecord {
        let read = || -> io::Result<FileRecord> {
            let mut file = open_own(&self.path, OpenOptions::new().read(true))?;
            let known = self.is_of_head(&mut file)?;
            Ok(known.then(|| self.file_records_in(&mut file, hash)).transpose()?.unwrap_or_default())
        };
        // If it can't be read, nothing is known.
        read()
            .ok()
            .filter(|file_record| file_record.stamp.is_some() && file_record.stamp == stamp)
            .unwrap_or_default()
    }

    pub(super) fn file_records_in(
        &self,
        file: &mut (impl Read + Seek),
        hash: KeyHash,
    ) -> io::Result<FileRecord> {
        let Some(stored) = self.entries.get(&hash) else { return Ok(FileRecord::default()) };
        file.seek(SeekFrom::Start(stored.at))?;
        let mut line = Vec::with_capacity(MAX_LINE as usize);
        BufReader::with_capacity(MAX_LINE as usize, file.take(MAX_LINE)).read_until(b'\n', &mut line)?;
        match parse(&line) {
            Some(Line::Added(added)) if added.hash == hash && added.entry == self.entry(stored) => {
                Ok(added.file_record())
            }
            _ => Ok(FileRecord::default()),
        }
    }

    pub(super) fn is_of_head(&self, file: &mut File) -> io::Result<bool> {
        Ok(read_head(file)? == self.head)
    }

    /// Reads what was appended since the last call, or the whole journal if it was replaced. Returns `false`
    /// if there is no readable journal: [`renew`](Index::renew) creates one.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        if self.seen.is_some()
            && self.seen == std::fs::symlink_metadata(&self.path).ok().and_then(|now| seen(&now))
        {
            return Ok(true);
        }
        let opened = if_there(open_own(&self.path, OpenOptions::new().read(true)));
        let read =
            opened.and_then(|file| file.map_or(Ok(false), |mut file| self.catch_up(&mut file, VERSION)));
        read.map_err(|error| Error::file(&self.path, "the file cache's index can't be read", error))
    }

    /// Works as [`refresh`](Index::refresh). If there is no readable journal, a new one replaces it: with the
    /// entries of a journal in the previous format, otherwise empty.
    pub(super) fn renew(&mut self, _lock: &Exclusive) -> Result<()> {
        if !self.refresh()? {
            self.forget();
            let before = open_own(&self.path, OpenOptions::new().read(true));
            let _ = before.and_then(|mut file| self.catch_up(&mut file, PREVIOUS_VERSION));
            self.replace()?;
        }
        Ok(())
    }

    /// Records that the file exists. A previous newest version becomes superseded.
    pub(super) fn add(&mut self, version: Version, entry: Entry<'_>, file_record: &FileRecord) -> Result<()> {
        let hash = version.hash();
        let superseded = self.newest(version.base).filter(|(newest, _)| *newest != hash);
        // The superseded line comes first: if only it is written, the file is downloaded again.
        let before = superseded.map(|(hash, entry)| self.line(hash, entry, true, &FileRecord::default()));
        let version = Some(version).filter(|version| version.number > 0);
        let line = added(hash, entry, version, false, file_record);
        self.append(&(before.unwrap_or_default() + &line))
    }

    /// Records what is known about a file's content.
    pub(super) fn update_record(&mut self, hash: KeyHash, file_record: &FileRecord) -> Result<()> {
        let Some(entry) = self.get(hash) else { return Ok(()) };
        self.append(&self.line(hash, entry, self.superseded.contains(&hash), file_record))
    }

    pub(super) fn line(
        &self,
        hash: KeyHash,
        entry: Entry<'_>,
        superseded: bool,
        file_record: &FileRecord,
    ) -> String {
        added(hash, entry, self.versions.get(&hash).copied(), superseded, file_record)
    }

    /// Records that the files were removed.
    pub(super) fn remove(&mut self, hashes: &[KeyHash]) -> Result<()> {
        let lines: String = hashes.iter().map(|hash| removed(*hash)).collect();
        if lines.is_empty() { Ok(()) } else { self.append(&lines) }
    }

    /// Returns whether most lines of the journal are obsolete.
    pub(super) fn is_wasteful(&self) -> bool {
        let dead = self.lines.saturating_sub(self.files());
        dead > DEAD_LINES && dead > self.files()
    }

    /// Rewrites the journal without obsolete lines.
    pub(super) fn compact(&mut self, _lock: &Exclusive) -> Result<()> {
        self.replace()
    }

    fn append(&mut self, lines: &str) -> Result<()> {
        let appended = match self.open_as_seen() {
            Some(journal) => self.append_to(journal, lines),
            None => self.append_reopened(lines),
        };
        appended.map_err(|error| Error::file(&self.path, "the file cache's index can't be written", error))
    }

    /// Takes the opened journal, if it is the one that was read to its end.
    fn open_as_seen(&mut self) -> Option<(FileId, File)> {
        let seen = self.seen.as_ref().filter(|_| !self.torn)?;
        self.open.take().filter(|(id, _)| *id == seen.id)
    }

    fn append_to(&mut self, (id, mut file): (FileId, File), lines: &str) -> io::Result<()> {
        // One write, so that lines of several processes are not interleaved.
        file.write_all(lines.as_bytes())?;
        let now = file.metadata()?;
        if now.len() == self.read + lines.len() as u64 {
            self.read_on(&mut lines.as_bytes())?;
            self.seen = seen(&now);
        } else {
            // Another process appended too.
            self.catch_up(&mut file, VERSION)?;
        }
        self.open = Some((id, file));
        Ok(())
    }

    fn append_reopened(&mut self, lines: &str) -> io::Result<()> {
        let mut file = open_own(&self.path, OpenOptions::new().read(true).append(true))?;
        if !self.catch_up(&mut file, VERSION)? {
            return Err(io::Error::other("it was damaged a moment ago: try again"));
        }
        // Lines that are appended to a torn line would be lost with it.
        let text = if self.torn { format!("\n{lines}") } else { lines.to_owned() };
        file.write_all(text.as_bytes())?;
        self.catch_up(&mut file, VERSION)?;
        self.open = FileId::of(&file.metadata()?).map(|id| (id, file));
        Ok(())
    }

    fn catch_up(&mut self, file: &mut File, version: &str) -> io::Result<bool> {
        let head = read_head(file)?;
        if !is_head(&head, version) {
            return Ok(false);
        }
        let length = file.metadata()?.len();
        if head != self.head || length < self.read {
            self.forget();
            self.read = HEAD as u64;
            self.head = head;
        }
        file.seek(SeekFrom::Start(self.read))?;
        // In most cases only one line was appended.
        let room = length.saturating_sub(self.read).clamp(MAX_LINE, BUFFER);
        self.read_on(&mut BufReader::with_capacity(room as usize, &mut *file))?;
        self.seen = file.metadata().ok().filter(|now| now.len() == self.read).and_then(|now| seen(&now));
        Ok(true)
    }

    /// Reads complete lines up to the end.
    pub(super) fn read_on(&mut self, journal: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = journal.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
            if length == 0 {
                return Ok(());
            }
            self.torn = line.last() != Some(&b'\n');
            // A short torn line may still be completed. Anything longer than a line is garbage.
            if self.torn && length < MAX_LINE {
                return Ok(());
            }
            self.apply(&line);
            self.read += length;
        }
    }

    fn apply(&mut self, line: &[u8]) {
        self.lines += 1;
        match parse(line) {
            Some(Line::Added(added)) => {
                let (hash, size) = (added.hash, added.entry.size);
                self.forget_entry(hash);
                let stored = Stored { size, at: self.read, extension: self.number(added.entry.extension) };
                self.entries.insert(hash, stored);
                self.bytes += u128::from(size);
                if added.superseded {
                    self.superseded.insert(hash);
                }
                if let Some(version) = added.version {
                    self.versions.insert(hash, version);
                    if !added.superseded {
                        self.newest.insert(version.base, hash);
                    }
                }
            }
            Some(Line::Removed(hash)) => self.forget_entry(hash),
            None => {}
        }
    }

    fn forget_entry(&mut self, hash: KeyHash) {
        if let Some(before) = self.entries.remove(&hash) {
            self.bytes -= u128::from(before.size);
        }
        self.superseded.remove(&hash);
        if let Some(version) = self.versions.remove(&hash)
            && self.newest.get(&version.base) == Some(&hash)
        {
            self.newest.remove(&version.base);
        }
    }

    fn number(&mut self, extension: &str) -> u32 {
        if let Some(number) = self.numbers.get(extension) {
            return *number;
        }
        // With more than 2^32 extensions, files would be listed without theirs.
        let number = u32::try_from(self.extensions.len()).unwrap_or(u32::MAX);
        self.extensions.push(extension.into());
        self.numbers.insert(extension.into(), number);
        number
    }

    /// Makes all writes fail.
    #[cfg(test)]
    pub(super) fn break_it(&mut self) {
        self.path = PathBuf::from("/proc/self/nothing");
        self.seen = None;
    }

    fn forget(&mut self) {
        *self = Index::new(std::mem::take(&mut self.path));
    }
}

fn read_head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    file.seek(SeekFrom::Start(0))?;
    Read::take(file, HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn is_head(head: &[u8], version: &str) -> bool {
    let generation = head.strip_prefix(version.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
    generation.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

fn seen(metadata: &Metadata) -> Option<Seen> {
    Some(Seen { id: FileId::of(metadata)?, size: metadata.len(), modified: stamp(metadata) })
}
