//! The cache's own directories: real ones, and nobody else's.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::runtime::plain_file;

/// Makes a directory of the cache where it is missing.
///
/// # Errors
/// Returns an error if it can't be made, or if what stands there isn't the cache's: see [`check`].
pub(super) fn make(path: &Path) -> Result<()> {
    let made = match check(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match std::fs::create_dir(path) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(path),
            made => made,
        },
        checked => checked,
    };
    made.map_err(|error| Error::file(path, "the file cache's directory can't be used", error))
}

/// # Errors
/// Returns an error if it is no directory but a symbolic link, say, or belongs to a user who may not own what
/// is in the directory around it.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other(plain_file::kind(&metadata)));
    }
    plain_file::owner(path, &metadata)
}
