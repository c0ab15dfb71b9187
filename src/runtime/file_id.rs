//! [`FileId`]: identifies a file on the disk, whatever its name.

use std::fs::Metadata;

/// Identifies a file on the disk among the files that exist at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// Returns the file's id; `None` if the system doesn't provide one.
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        Some(FileId(metadata.dev(), metadata.ino()))
    }

    /// Returns the file's id; `None` if the system doesn't provide one.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Option<Self> {
        None
    }
}
