//! Which files there are and how large: a journal that every process appends to, and what it comes to, in
//! memory.
//!
//! Memory holds what the journal says, never more: a change is written, and read back. A file takes some 50
//! bytes of it; what is known of the file's content stays in the journal. No line is longer than 640 bytes,
//! and what isn't a whole line is passed over.
//!
//! An object that was overwritten at its server is a file of its own, the next version of the one before,
//! which is superseded: nobody is handed it any more, and it goes when nobody holds it.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::file_record::{FileRecord, stamp};
use super::journal_line::{Entry, LONGEST, Line, Version, added, parse, removed};
use super::key::KeyHash;
use super::lock::Exclusive;
use crate::error::{Error, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::plain_file::open_own;

/// The first line tells the format's version; then follow 16 digits that change when the journal is replaced.
const VERSION: &str = "synapse-file-cache 2 ";
const HEAD: usize = VERSION.len() + 17;

/// How the name of a temporary journal ends.
const NEW: &str = ".new";

/// The format before, whose lines are lines of this one. Files keep their entries, and age: they are known by
/// other keys now.
const VERSION_BEFORE: &str = "synapse-file-cache 1 ";

/// How much of the journal is read at once, at most, in bytes.
const BUFFER: u64 = 64 << 10;

/// Lines that tell nothing any more, above which the journal may be written anew.
const DEAD_LINES: u64 = 1000;

/// Whoever calls a method that writes has the cache's lock: shared, unless the method says otherwise.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    /// The journal's first line when it was last read.
    head: Vec<u8>,
    /// Bytes of the journal that were read: whole lines.
    read: u64,
    /// The journal when all of it was read.
    seen: Option<Seen>,
    /// The journal, opened to be appended to.
    open: Option<(FileId, File)>,
    /// The journal ends in the middle of a line.
    torn: bool,
    lines: u64,
    entries: HashMap<KeyHash, Stored>,
    /// The newest version of each file that has several.
    newest: HashMap<KeyHash, KeyHash>,
    /// Which versions there are beside first ones.
    versions: HashMap<KeyHash, Version>,
    superseded: HashSet<KeyHash>,
    /// A million files have a handful of extensions.
    extensions: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    bytes: u128,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    size: u64,
    /// Where its line begins.
    at: u64,
    extension: u32,
}

/// What tells that nothing was appended to the journal.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: FileId,
    size: u64,
    modified: Option<u64>,
}

/// A file to be recorded.
#[derive(Debug)]
pub(super) struct Addition<'a> {
    /// Which version of which file it is.
    pub(super) version: Version,
    pub(super) entry: Entry<'a>,
    pub(super) file_record: &'a FileRecord,
}

impl Index {
    pub(super) fn new(path: PathBuf) -> Self {
        Index {
            path,
            head: Vec::new(),
            read: 0,
            seen: None,
            open: None,
            torn: false,
            lines: 0,
            entries: HashMap::new(),
            newest: HashMap::new(),
            versions: HashMap::new(),
            superseded: HashSet::new(),
            extensions: Vec::new(),
            numbers: HashMap::new(),
            bytes: 0,
        }
    }

    /// The file of this very version.
    pub(super) fn get(&self, hash: KeyHash) -> Option<Entry<'_>> {
        self.entries.get(&hash).map(|stored| self.entry(stored))
    }

    /// The newest version of a file.
    pub(super) fn newest(&self, base: KeyHash) -> Option<(KeyHash, Entry<'_>)> {
        let hash = self.newest.get(&base).copied().unwrap_or(base);
        let entry = self.get(hash).filter(|_| !self.superseded.contains(&hash))?;
        Some((hash, entry))
    }

    pub(super) fn superseded(&self) -> &HashSet<KeyHash> {
        &self.superseded
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
        Entry {
            size: stored.size,
            extension: self.extensions.get(stored.extension as usize).map_or("", |text| text),
        }
    }

    /// What is known of a file's content, if it was modified at `stamp`.
    pub(super) fn file_record(&self, hash: KeyHash, stamp: Option<u64>) -> FileRecord {
        let read = || -> io::Result<FileRecord> {
            let mut file = open_own(&self.path, OpenOptions::new().read(true))?;
            let known = self.is_of_head(&mut file)?;
            Ok(known.then(|| self.file_records_in(&mut file, hash)).transpose()?.unwrap_or_default())
        };
        // What can't be read isn't known.
        read()
            .ok()
            .filter(|file_record| file_record.stamp.is_some() && file_record.stamp == stamp)
            .unwrap_or_default()
    }

    fn file_records_in(&self, file: &mut (impl Read + Seek), hash: KeyHash) -> io::Result<FileRecord> {
        let Some(stored) = self.entries.get(&hash) else { return Ok(FileRecord::default()) };
        file.seek(SeekFrom::Start(stored.at))?;
        let mut line = Vec::with_capacity(LONGEST as usize);
        BufReader::with_capacity(LONGEST as usize, file.take(LONGEST)).read_until(b'\n', &mut line)?;
        match parse(&line) {
            Some(Line::Added(added)) if added.hash == hash && added.entry == self.entry(stored) => {
                Ok(added.file_record())
            }
            _ => Ok(FileRecord::default()),
        }
    }

    fn is_of_head(&self, file: &mut File) -> io::Result<bool> {
        Ok(read_head(file)? == self.head)
    }

    /// Reads what was appended since it was last read, or all where the journal was replaced. Returns `false`
    /// if there is no journal that can be read: [`renew`](Index::renew) makes one.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        if self.seen.is_some()
            && self.seen == std::fs::symlink_metadata(&self.path).ok().and_then(|now| seen(&now))
        {
            return Ok(true);
        }
        let read = match open_own(&self.path, OpenOptions::new().read(true)) {
            Ok(mut file) => self.catch_up(&mut file, VERSION),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
        };
        read.map_err(|error| Error::file(&self.path, "the file cache's index can't be read", error))
    }

    /// As [`refresh`](Index::refresh); where there is no journal that can be read, another takes its place:
    /// one of the format before is taken over, else it is empty.
    pub(super) fn renew(&mut self, _lock: &Exclusive) -> Result<()> {
        if !self.refresh()? {
            self.forget();
            let before = open_own(&self.path, OpenOptions::new().read(true));
            let _ = before.and_then(|mut file| self.catch_up(&mut file, VERSION_BEFORE));
            self.replace()?;
        }
        Ok(())
    }

    /// Records that the file is there. What was the newest version of it before is superseded.
    pub(super) fn add(&mut self, new: &Addition<'_>) -> Result<()> {
        let hash = new.version.hash();
        let superseded = self.newest(new.version.base).filter(|(newest, _)| *newest != hash);
        // First: at worst the file is downloaded again.
        let before = superseded.map(|(hash, entry)| self.line(hash, entry, true, &FileRecord::default()));
        let line = added(
            hash,
            new.entry,
            Some(new.version).filter(|version| version.number > 0),
            false,
            new.file_record,
        );
        self.append(&(before.unwrap_or_default() + &line))
    }

    /// Records what is known of a file.
    pub(super) fn note(&mut self, hash: KeyHash, file_record: &FileRecord) -> Result<()> {
        let Some(entry) = self.get(hash) else { return Ok(()) };
        self.append(&self.line(hash, entry, self.superseded.contains(&hash), file_record))
    }

    fn line(&self, hash: KeyHash, entry: Entry<'_>, superseded: bool, file_record: &FileRecord) -> String {
        added(hash, entry, self.versions.get(&hash).copied(), superseded, file_record)
    }

    /// Records that the files are gone.
    pub(super) fn remove(&mut self, hashes: &[KeyHash]) -> Result<()> {
        let lines: String = hashes.iter().map(|hash| removed(*hash)).collect();
        if lines.is_empty() { Ok(()) } else { self.append(&lines) }
    }

    /// Whether most of the journal tells nothing any more.
    pub(super) fn is_wasteful(&self) -> bool {
        let dead = self.lines.saturating_sub(self.files());
        dead > DEAD_LINES && dead > self.files()
    }

    /// Writes the journal anew, without what tells nothing any more.
    pub(super) fn compact(&mut self, _lock: &Exclusive) -> Result<()> {
        self.replace()
    }

    fn append(&mut self, lines: &str) -> Result<()> {
        let appended = match self.open_as_seen() {
            Some(journal) => self.append_to(journal, lines),
            None => self.append_anew(lines),
        };
        appended.map_err(|error| Error::file(&self.path, "the file cache's index can't be written", error))
    }

    /// The opened journal, if it is the one that was read to its end.
    fn open_as_seen(&mut self) -> Option<(FileId, File)> {
        let seen = self.seen.as_ref().filter(|_| !self.torn)?;
        self.open.take().filter(|(id, _)| *id == seen.id)
    }

    fn append_to(&mut self, (id, mut file): (FileId, File), lines: &str) -> io::Result<()> {
        // One write, so that lines of several processes don't mix.
        file.write_all(lines.as_bytes())?;
        let now = file.metadata()?;
        if now.len() == self.read + lines.len() as u64 {
            self.read_on(&mut lines.as_bytes())?;
            self.seen = seen(&now);
        } else {
            // Another process appended as well.
            self.catch_up(&mut file, VERSION)?;
        }
        self.open = Some((id, file));
        Ok(())
    }

    fn append_anew(&mut self, lines: &str) -> io::Result<()> {
        let mut file = open_own(&self.path, OpenOptions::new().read(true).append(true))?;
        if !self.catch_up(&mut file, VERSION)? {
            return Err(io::Error::other("it was damaged a moment ago"));
        }
        // What follows a torn line would be lost with it.
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
        // Mostly it is a line.
        let room = length.saturating_sub(self.read).clamp(LONGEST, BUFFER);
        self.read_on(&mut BufReader::with_capacity(room as usize, &mut *file))?;
        self.seen = file.metadata().ok().filter(|now| now.len() == self.read).and_then(|now| seen(&now));
        Ok(true)
    }

    /// Reads whole lines, to the end.
    pub(super) fn read_on(&mut self, journal: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = journal.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
            if length == 0 {
                return Ok(());
            }
            self.torn = line.last() != Some(&b'\n');
            // The rest of a torn line may be about to be written; what is longer than any line is garbage.
            if self.torn && length < LONGEST {
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
        // More than four thousand million would be shown without their extension.
        let number = u32::try_from(self.extensions.len()).unwrap_or(u32::MAX);
        self.extensions.push(extension.into());
        self.numbers.insert(extension.into(), number);
        number
    }

    /// Nothing can be written any more.
    #[cfg(test)]
    pub(super) fn break_it(&mut self) {
        self.path = PathBuf::from("/proc/self/nothing");
        self.seen = None;
    }

    fn forget(&mut self) {
        *self = Index::new(std::mem::take(&mut self.path));
    }

    /// Puts a journal that says what memory says in the place of the one before.
    fn replace(&mut self) -> Result<()> {
        let written = self.write().and_then(|file| file.persist(&self.path).map_err(|error| error.error));
        written
            .map_err(|error| Error::file(&self.path, "the file cache's index can't be replaced", error))?;
        self.remove_left_behind();
        self.refresh().map(|_| ())
    }

    /// Writes a whole journal to a temporary file beside the journal.
    fn write(&self) -> io::Result<NamedTempFile> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&name).suffix(NEW);
        // The umask decides who may read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = BufWriter::new(builder.tempfile_in(self.path.parent().unwrap_or(Path::new(".")))?);
        file.write_all(format!("{VERSION}{:016x}\n", fastrand::u64(..)).as_bytes())?;
        let mut before = open_own(&self.path, OpenOptions::new().read(true)).ok();
        let is_known = before.as_mut().is_some_and(|before| self.is_of_head(before).unwrap_or(false));
        let mut before = before.filter(|_| is_known);
        let mut entries: Vec<(u64, KeyHash)> =
            self.entries.iter().map(|(hash, stored)| (stored.at, *hash)).collect();
        entries.sort_unstable_by_key(|(at, _)| *at);
        for (_, hash) in entries {
            let Some(entry) = self.get(hash) else { continue };
            let file_record = before
                .as_mut()
                .and_then(|before| self.file_records_in(before, hash).ok())
                .unwrap_or_default();
            file.write_all(self.line(hash, entry, self.superseded.contains(&hash), &file_record).as_bytes())?;
        }
        let file = file.into_inner()?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Removes what others wrote to replace the journal, and were killed before they did.
    fn remove_left_behind(&self) {
        let (Some(directory), Some(name)) =
            (self.path.parent(), self.path.file_name().and_then(|name| name.to_str()))
        else {
            return;
        };
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let other = entry.file_name();
            let other = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_suffix(NEW));
            if other.is_some() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
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
