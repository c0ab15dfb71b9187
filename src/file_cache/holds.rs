//! What is handed out and must not be removed: each handle says it in a file of its own, which the others read.
//!
//! A handle lives as long as its file's lock is held, which the operating system lets go when the process dies, however it
//! dies. The cache's own lock is shared by those who hand out, and exclusive to those who remove.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::key::KeyHash;
use crate::error::{Error, Result};

/// What follows the name of a handle's lock in the name of its holds. Two files, since on Windows nobody else reads a file
/// that is locked.
const HOLDS: &str = ".holds";

/// A line that tells one hold, or the end of one: a sign, 32 digits and the line's end.
const LINE: usize = 34;
/// The first line: 16 digits that change when the file is written anew.
const HEAD: usize = 17;

/// Lines that tell nothing any more, above which a file may be written anew.
const DEAD_LINES: usize = 1000;

/// The cache's lock, which a handle takes anew each time: a lock belongs to the opened file.
#[derive(Debug)]
pub(super) struct CacheLock {
    lock: PathBuf,
    /// Everyone passes it one by one on the way to the lock. Else those who share the lock, of whom there is always one,
    /// could keep out for ever who wants it alone.
    gate: PathBuf,
}

/// A lock that is held until this is dropped.
#[must_use]
pub(super) struct Locked(File);

impl CacheLock {
    pub(super) fn new(lock: PathBuf) -> Self {
        CacheLock { gate: lock.with_extension("gate"), lock }
    }

    /// For handing out and for reading what others wrote. It waits for who removes.
    pub(super) fn shared(&self) -> Result<Locked> {
        let _gate = locked(&self.gate, FileExt::lock)?;
        locked(&self.lock, FileExt::lock_shared)
    }

    /// For removing. It waits for everyone else.
    pub(super) fn exclusive(&self) -> Result<Locked> {
        let _gate = locked(&self.gate, FileExt::lock)?;
        locked(&self.lock, FileExt::lock)
    }
}

fn locked(path: &Path, lock: fn(&File) -> io::Result<()>) -> Result<Locked> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| Error::file(path, "the file cache's lock can't be opened", error))?;
    loop {
        match lock(&file) {
            Ok(()) => return Ok(Locked(file)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(lock_error(path, error)),
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file isn't enough where another process was forked meanwhile.
        let _ = FileExt::unlock(&self.0);
    }
}

fn lock_error(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Unsupported => {
            Error::file(path, "this file system has no file locks: put the file cache on another", error)
        }
        _ => Error::file(path, "the file cache can't be locked", error),
    }
}

/// What this handle holds, and what the others do.
#[derive(Debug)]
pub(super) struct Holder {
    dir: PathBuf,
    name: String,
    /// Locked as long as the handle lives.
    _alive: File,
    path: PathBuf,
    file: File,
    /// Bytes of the file that are whole lines.
    length: u64,
    /// How often each is handed out.
    held: HashMap<KeyHash, u64>,
    others: HashMap<String, Other>,
    /// A process that was forked has this handle's memory but isn't its owner.
    process: u32,
}

/// What another handle held when its file was last read.
#[derive(Debug, Default)]
struct Other {
    head: Vec<u8>,
    read: u64,
    held: HashSet<KeyHash>,
}

impl Holder {
    /// A new handle's. `_lock` keeps others from taking it for a dead one's before it is locked.
    pub(super) fn new(dir: PathBuf, _lock: &Locked) -> Result<Self> {
        let process = std::process::id();
        let name = format!("{process}-{:016x}", fastrand::u64(..));
        let path = dir.join(&name);
        let cant = |error| Error::file(&path, "the file cache's handle can't be registered", error);
        let alive = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(cant)?;
        match FileExt::try_lock(&alive) {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(lock_error(&path, error)),
            Err(TryLockError::WouldBlock) => return Err(cant(io::ErrorKind::WouldBlock.into())),
        }
        let path = dir.join(format!("{name}{HOLDS}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::file(&path, "the file cache's holds can't be written", error))?;
        let (held, others) = (HashMap::new(), HashMap::new());
        let mut holder = Holder { dir, name, _alive: alive, path, file, length: 0, held, others, process };
        holder.write_anew()?;
        Ok(holder)
    }

    /// How many files this handle holds.
    pub(super) fn count(&self) -> u64 {
        self.held.len() as u64
    }

    /// Whether this handle holds it.
    pub(super) fn holds(&self, hash: KeyHash) -> bool {
        self.held.contains_key(&hash)
    }

    /// Whether any handle holds it, as of [`look_at_others`](Holder::look_at_others).
    pub(super) fn is_held(&self, hash: KeyHash) -> bool {
        self.holds(hash) || self.others.values().any(|other| other.held.contains(&hash))
    }

    /// Holds it, once more where it is held. For what isn't held yet, whoever calls has the cache's lock.
    pub(super) fn hold(&mut self, hash: KeyHash) -> Result<()> {
        if let Some(times) = self.held.get_mut(&hash) {
            *times += 1;
            return Ok(());
        }
        self.write('+', hash)?;
        self.held.insert(hash, 1);
        Ok(())
    }

    /// Takes back one hold; whether there are no more. Then [`tell_released`](Holder::tell_released) tells the others.
    pub(super) fn release(&mut self, hash: KeyHash) -> bool {
        match self.held.get_mut(&hash) {
            Some(times) if *times > 1 => {
                *times -= 1;
                false
            }
            Some(_) => self.held.remove(&hash).is_some(),
            None => false,
        }
    }

    /// Tells the others that it isn't held any more. Whoever calls has the cache's lock.
    pub(super) fn tell_released(&mut self, hash: KeyHash) -> Result<()> {
        let lines = (self.length as usize).saturating_sub(HEAD) / LINE;
        match lines > 2 * self.held.len() + DEAD_LINES {
            true => self.write_anew(),
            false => self.write('-', hash),
        }
    }

    fn write(&mut self, sign: char, hash: KeyHash) -> Result<()> {
        let line = format!("{sign}{}\n", hash.hex());
        // Over what remains of a line that could not be written whole.
        let written = self.file.seek(SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(line.as_bytes()));
        written.map_err(|error| self.cant_write(error))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Others read under the exclusive lock only: they never see the file half written.
    fn write_anew(&mut self) -> Result<()> {
        let mut text = format!("{:016x}\n", fastrand::u64(..));
        for hash in self.held.keys() {
            text.push('+');
            text.push_str(&hash.hex());
            text.push('\n');
        }
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(text.as_bytes()));
        let written = written.and_then(|()| self.file.set_len(text.len() as u64));
        written.map_err(|error| self.cant_write(error))?;
        self.length = text.len() as u64;
        Ok(())
    }

    fn cant_write(&self, error: io::Error) -> Error {
        Error::file(&self.path, "the file cache's holds can't be written", error)
    }

    /// Reads what the other handles hold, and cleans up after those whose processes died. Under the exclusive lock: then
    /// nobody hands out, nobody is about to register, and what is read stays true.
    pub(super) fn look_at_others(&mut self) -> Result<()> {
        let cant = |error| Error::file(&self.dir, "the file cache's handles can't be listed", error);
        let mut alive = HashSet::new();
        for entry in std::fs::read_dir(&self.dir).map_err(cant)? {
            let name = entry.map_err(cant)?.file_name();
            let Some(name) = name.to_str().filter(|name| !name.contains('.') && *name != self.name) else { continue };
            if self.is_alive(name) {
                let path = self.dir.join(format!("{name}{HOLDS}"));
                let other = self.others.entry(name.to_owned()).or_default();
                // Where it can't be told what is held, nothing may be removed.
                other.catch_up(&path).map_err(|error| Error::file(&path, "what another process holds can't be read", error))?;
                alive.insert(name.to_owned());
            }
        }
        self.others.retain(|name, _| alive.contains(name));
        Ok(())
    }

    /// Whether a process has it locked. What a dead one left is removed.
    fn is_alive(&self, name: &str) -> bool {
        let path = self.dir.join(name);
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
        };
        if FileExt::try_lock(&file).is_err() {
            return true;
        }
        // The holds first: what is found without them is a dead one's all the same.
        let _ = std::fs::remove_file(self.dir.join(format!("{name}{HOLDS}")));
        let _ = std::fs::remove_file(&path);
        false
    }
}

impl Other {
    fn catch_up(&mut self, path: &Path) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // It is being dropped.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *self = Other::default();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut head = Vec::with_capacity(HEAD);
        (&file).take(HEAD as u64).read_to_end(&mut head)?;
        if head != self.head {
            *self = Other { read: HEAD as u64, head, held: HashSet::new() };
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read))?;
        file.read_to_end(&mut text)?;
        for line in text.chunks_exact(LINE) {
            self.read += LINE as u64;
            let Some((sign, hex)) = std::str::from_utf8(line).ok().and_then(|line| line.trim_end().split_at_checked(1)) else {
                continue;
            };
            match (sign, KeyHash::from_hex(hex)) {
                ("+", Some(hash)) => _ = self.held.insert(hash),
                ("-", Some(hash)) => _ = self.held.remove(&hash),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if std::process::id() == self.process {
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(self.dir.join(&self.name));
        }
    }
}
