//! Parts of files: of those that are being downloaded, and of those whose download broke off, which are gone
//! on from. They have a directory of their own, so that all of them are found at once.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs4::TryLockError;

use super::lock::FileLocks;
use crate::runtime::plain_file::open_own;

/// A part that nobody goes on from for so long is removed.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(super) struct PartFiles {
    directory: PathBuf,
    locks: FileLocks,
}

/// A part that is there.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// What belongs to it, such as its note.
    beside: Vec<PathBuf>,
    /// With what belongs to it.
    pub(super) bytes: u64,
    /// When it last grew.
    pub(super) modified: SystemTime,
}

impl PartFiles {
    pub(super) fn new(directory: PathBuf, locks: FileLocks) -> Self {
        PartFiles { directory, locks }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// All parts, the one that grew longest ago first.
    pub(super) fn all(&self) -> Vec<Part> {
        parts_in(&self.directory, |_| true)
    }

    /// Removes a part and what belongs to it, unless somebody writes it: then it is locked. Returns the bytes
    /// that were freed.
    pub(super) fn remove(&self, part: &Part) -> io::Result<u64> {
        let file = match open_own(&part.path, OpenOptions::new().read(true).write(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            file => file?,
        };
        match (self.locks.exclusive)(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(0),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // First what tells what the bytes are of: without it they are of no use.
        for path in part.beside.iter().chain([&part.path]) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(part.bytes)
    }
}

/// The parts in a directory whose names are such, the one that grew longest ago first. A directory that can't
/// be read has none.
pub(super) fn parts_in(directory: &Path, is_part: impl Fn(&str) -> bool) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(&is_part) {
            continue;
        }
        let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { continue };
        if metadata.is_file() {
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            parts.push(Part { path: entry.path(), beside: Vec::new(), bytes: metadata.len(), modified });
        }
    }
    parts.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    // What belongs to a part is called as it, with something more.
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

/// Whether a name is that of a part, or of what belongs to one, as downloads call them:
/// `.0123456789abcdef.part`.
pub(super) fn is_part_name(name: &str) -> bool {
    let Some((key, rest)) = name.strip_prefix('.').and_then(|name| name.split_at_checked(16)) else {
        return false;
    };
    let is_part = rest.strip_prefix(".part").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    is_part && key.bytes().all(|digit| digit.is_ascii_hexdigit())
}
