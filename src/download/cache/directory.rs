//! The cache's own directories: they must be real directories and belong to a trusted user.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::runtime::plain_file;

/// Creates a directory of the cache if it is missing.
///
/// # Errors
/// Returns an error if it can't be created, or if [`check`] refuses what exists there.
pub(super) fn make(path: &Path) -> Result<()> {
    let made = match check(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match std::fs::create_dir(path) {
            // Another process created it first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path),
            made => made,
        },
        checked => checked,
    };
    made.map_err(|error| Error::file(path, "the file cache's directory can't be used", error))
}

/// Checks that a path is a directory that may be used.
///
/// # Errors
/// Returns an error if it isn't a directory (a symbolic link, for example), or if it belongs to a user who
/// may not own the content of its parent directory.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other(plain_file::kind(&metadata)));
    }
    plain_file::owner(path, &metadata)
}
