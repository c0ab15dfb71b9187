//! The leases: files that were returned to callers and must not be removed. Each handle records its leases in
//! its own file, which the other handles read.
//!
//! A handle is alive as long as its file is locked. The operating system releases the lock when the process
//! ends for any reason. The cache's own lock is taken shared to return files, and exclusively to remove
//! files.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use fs4::TryLockError;

use super::key::KeyHash;
use super::lock::{Exclusive, FileLocks, Shared, lock_error};
use crate::error::{Error, Result};
use crate::runtime::plain_file::{self, if_there, open_own};

/// Suffix of the file with a handle's leases, after the name of the handle's lock file. These are two files
/// because on Windows other processes can't read a locked file.
const LEASES_SUFFIX: &str = ".holds";

/// Length of a line, which adds or removes one lease: a sign, 32 digits and the line's end.
const LINE: usize = 34;
/// Length of the first line: 16 digits that change when the file is rewritten.
const HEAD: usize = 17;

/// Number of obsolete lines above which a file may be rewritten.
const DEAD_LINES: usize = 1000;

/// The leases of this handle and of the others.
#[derive(Debug)]
pub(super) struct LeaseTable {
    dir: PathBuf,
    name: String,
    locks: FileLocks,
    /// Locked as long as the handle exists.
    alive: File,
    path: PathBuf,
    file: File,
    /// Length of the file's complete lines in bytes.
    length: u64,
    /// The last write failed: the next one must seek to its position first.
    misplaced: bool,
    /// The file contains a lease that was released.
    outdated: bool,
    /// How often each file was returned and not released.
    leased: HashMap<KeyHash, u64>,
    others: HashMap<String, OtherLeases>,
    /// A forked process has a copy of this handle in memory but doesn't own it.
    process: u32,
}

/// The leases of another handle when its file was last read.
#[derive(Debug, Default)]
pub(super) struct OtherLeases {
    head: Vec<u8>,
    read: u64,
    leased: HashSet<KeyHash>,
}

impl LeaseTable {
    /// Registers a new handle. `_lock` keeps the others from taking it for a dead one before its file is
    /// locked.
    pub(super) fn new(dir: PathBuf, locks: FileLocks, _lock: &Shared) -> Result<Self> {
        let process = std::process::id();
        let name = format!("{process}-{:016x}", fastrand::u64(..));
        let path = dir.join(&name);
        let cant = |error| Error::file(&path, "the file cache's handle can't be registered", error);
        let alive = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(cant)?;
        match (locks.exclusive)(&alive) {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(lock_error(&path, error)),
            Err(TryLockError::WouldBlock) => return Err(cant(io::ErrorKind::WouldBlock.into())),
        }
        let path = dir.join(format!("{name}{LEASES_SUFFIX}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file =
            file.map_err(|error| Error::file(&path, "the file cache's leases can't be written", error))?;
        let mut leases = LeaseTable {
            dir,
            name,
            locks,
            alive,
            path,
            file,
            length: 0,
            misplaced: false,
            outdated: false,
            leased: HashMap::new(),
            others: HashMap::new(),
            process,
        };
        leases.rewrite()?;
        Ok(leases)
    }

    /// Returns how many files this handle has leases on.
    pub(super) fn count(&self) -> u64 {
        self.leased.len() as u64
    }

    /// Returns whether this handle has a lease on the file.
    pub(super) fn is_leased_here(&self, hash: KeyHash) -> bool {
        self.leased.contains_key(&hash)
    }

    /// Returns whether any handle has a lease on it, as of the last
    /// [`read_other_leases`](LeaseTable::read_other_leases).
    pub(super) fn is_leased(&self, hash: KeyHash) -> bool {
        self.is_leased_here(hash) || self.others.values().any(|other| other.leased.contains(&hash))
    }

    /// Adds a lease, or counts an existing one once more. For a new lease the caller must hold the cache's
    /// lock.
    pub(super) fn acquire(&mut self, hash: KeyHash) -> Result<()> {
        if let Some(times) = self.leased.get_mut(&hash) {
            *times += 1;
            return Ok(());
        }
        if self.is_of_another_process() {
            let error =
                io::Error::other("this process was forked from the one that opened it: open the cache again");
            return Err(self.cant_write(error));
        }
        if plain_file::metadata_at(&self.alive, &self.dir.join(&self.name)).is_none() {
            let error = io::Error::other("another program removed the handle's file: open the cache again");
            return Err(self.cant_write(error));
        }
        let lines = (self.length as usize).saturating_sub(HEAD) / LINE;
        if self.outdated || lines > 2 * self.leased.len() + DEAD_LINES {
            self.rewrite()?;
        }
        self.write('+', hash)?;
        self.leased.insert(hash, 1);
        Ok(())
    }

    /// Releases a lease once. Returns whether none is left: then it is removed from the file, without the
    /// cache's lock, since the others only keep the file for longer if they see it later.
    pub(super) fn release(&mut self, hash: KeyHash) -> Result<bool> {
        match self.leased.get_mut(&hash) {
            Some(times) if *times > 1 => {
                *times -= 1;
                Ok(false)
            }
            Some(_) => {
                self.leased.remove(&hash);
                if self.is_of_another_process() {
                    return Ok(false);
                }
                let written = if self.outdated { self.rewrite() } else { self.write('-', hash) };
                self.outdated = written.is_err();
                written.map(|()| true)
            }
            None => Ok(false),
        }
    }

    fn is_of_another_process(&self) -> bool {
        std::process::id() != self.process
    }

    fn write(&mut self, sign: char, hash: KeyHash) -> Result<()> {
        let line = format!("{sign}{}\n", hash.hex());
        let mut write = || {
            if self.misplaced {
                // Overwrites a line that was written only partially.
                self.file.seek(SeekFrom::Start(self.length))?;
            }
            self.file.write_all(line.as_bytes())
        };
        let written = write();
        self.misplaced = written.is_err();
        written.map_err(|error| self.cant_write(error))?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Rewrites the file. The others read it only under the exclusive lock, and the caller holds the shared
    /// one: they never see a half-written file.
    fn rewrite(&mut self) -> Result<()> {
        let mut text = format!("{:016x}\n", fastrand::u64(..));
        for hash in self.leased.keys() {
            text.push('+');
            text.push_str(&hash.hex());
            text.push('\n');
        }
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(text.as_bytes()));
        let written = written.and_then(|()| self.file.set_len(text.len() as u64));
        self.misplaced = written.is_err();
        written.map_err(|error| self.cant_write(error))?;
        (self.length, self.outdated) = (text.len() as u64, false);
        Ok(())
    }

    fn cant_write(&self, error: io::Error) -> Error {
        Error::file(&self.path, "the file cache's leases can't be written", error)
    }

    /// Reads the leases of the other handles, and cleans up after those whose processes died. Under the
    /// exclusive lock no file is returned and no handle is registered, so the result stays valid.
    pub(super) fn read_other_leases(&mut self, _lock: &Exclusive) -> Result<()> {
        let cant = |error| Error::file(&self.dir, "the file cache's handles can't be listed", error);
        let mut alive = HashSet::new();
        for entry in std::fs::read_dir(&self.dir).map_err(cant)? {
            let name = entry.map_err(cant)?.file_name();
            let Some(name) = name.to_str().filter(|name| !name.contains('.') && *name != self.name) else {
                continue;
            };
            if self.is_alive(name) {
                let path = self.dir.join(format!("{name}{LEASES_SUFFIX}"));
                let other = self.others.entry(name.to_owned()).or_default();
                // If a handle's leases can't be read, no file may be removed.
                other.catch_up(&path).map_err(|error| {
                    Error::file(&path, "the leases of another process can't be read", error)
                })?;
                alive.insert(name.to_owned());
            }
        }
        self.others.retain(|name, _| alive.contains(name));
        Ok(())
    }

    /// Returns whether a process has locked the handle's file. Files of a dead handle are removed. Other
    /// files are ignored.
    fn is_alive(&self, name: &str) -> bool {
        let path = self.dir.join(name);
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let file = match open_own(&path, File::options().read(true).write(true)) {
            Ok(file) => file,
            // If it can't be decided, the handle counts as alive.
            Err(error) => return is_file && error.kind() != io::ErrorKind::NotFound,
        };
        if (self.locks.exclusive)(&file).is_err() {
            return true;
        }
        // The lease file is removed first: a lock file without one still belongs to a dead handle.
        let _ = std::fs::remove_file(self.dir.join(format!("{name}{LEASES_SUFFIX}")));
        let _ = std::fs::remove_file(&path);
        false
    }
}

impl OtherLeases {
    fn catch_up(&mut self, path: &std::path::Path) -> io::Result<()> {
        match if_there(open_own(path, File::options().read(true)))? {
            Some(file) => self.read_on(file)?,
            // The handle is being dropped.
            None => *self = OtherLeases::default(),
        }
        Ok(())
    }

    /// Reads complete lines up to the end. Invalid lines are ignored.
    pub(super) fn read_on(&mut self, mut file: impl Read + Seek) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        if head != self.head {
            *self = OtherLeases { read: HEAD as u64, head, leased: HashSet::new() };
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut lines = BufReader::new(file);
        let mut line = [0; LINE];
        loop {
            match lines.read_exact(&mut line) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            self.read += LINE as u64;
            self.apply(&line);
        }
    }

    #[cfg(fuzzing)]
    pub(super) fn count(&self) -> usize {
        self.leased.len()
    }

    fn apply(&mut self, line: &[u8; LINE]) {
        let line =
            std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix('\n')?.split_at_checked(1));
        let Some((sign, hex)) = line else { return };
        match (sign, KeyHash::from_hex(hex)) {
            ("+", Some(hash)) => _ = self.leased.insert(hash),
            ("-", Some(hash)) => _ = self.leased.remove(&hash),
            _ => {}
        }
    }
}

impl Drop for LeaseTable {
    fn drop(&mut self) {
        if !self.is_of_another_process() {
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(self.dir.join(&self.name));
        }
    }
}
