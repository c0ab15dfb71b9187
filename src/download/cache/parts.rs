//! Part files: of files that are being downloaded, and of interrupted downloads, which are resumed. They have
//! their own directory, so that all of them can be listed at once.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fs4::TryLockError;

use super::lock::FileLocks;
use crate::runtime::plain_file::{if_there, open_own};

/// A part file that is not resumed for this long is removed.
pub(super) const MAX_PART_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(super) struct PartFiles {
    pub(super) directory: PathBuf,
    locks: FileLocks,
}

/// A part file.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// Files that belong to it, such as its metadata.
    beside: Vec<PathBuf>,
    /// Total size, including the files that belong to it.
    pub(super) bytes: u64,
    /// When it was last modified.
    pub(super) modified: SystemTime,
}

impl PartFiles {
    pub(super) fn new(directory: PathBuf, locks: FileLocks) -> Self {
        PartFiles { directory, locks }
    }

    /// Removes a part file and the files that belong to it, unless it is locked, which means that it is being
    /// written. Returns the number of freed bytes.
    pub(super) fn remove(&self, part: &Part) -> io::Result<u64> {
        let opened = open_own(&part.path, OpenOptions::new().read(true).write(true));
        let Some(file) = if_there(opened)? else { return Ok(0) };
        match (self.locks.exclusive)(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(0),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The metadata is removed first: without it the part is unusable.
        for path in part.beside.iter().chain([&part.path]) {
            if_there(std::fs::remove_file(path))?;
        }
        Ok(part.bytes)
    }

    /// Returns all part files, the least recently modified first. Returns none if the directory can't be read.
    pub(super) fn all(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { continue };
            if metadata.is_file() {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                parts.push(Part { path: entry.path(), beside: Vec::new(), bytes: metadata.len(), modified });
            }
        }
        parts.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // The name of a file that belongs to a part starts with the part's name and a dot.
        parts.dedup_by(|file, part| {
        let names = (file.path.to_str(), part.path.to_str());
        let belongs =
            matches!(names, (Some(file), Some(part)) if file.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')));
        if belongs {
            part.bytes += file.bytes;
            part.modified = part.modified.max(file.modified);
            part.beside.push(std::mem::take(&mut file.path));
        }
        belongs
    });
        parts.sort_unstable_by_key(|part| part.modified);
        parts
    }
}
