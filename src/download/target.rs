//! Checks what exists at the target path before anything is sent, so that no transfer ends at a name that
//! can't be used.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result, shown_path};
use crate::runtime::file_id::FileId;
use crate::runtime::plain_file::{self, directory};

/// Prefixes of the targets of symbolic links to a process's open files.
const PROCESS_FILES: [&str; 5] = ["/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// What exists at a target, in enough detail to notice that it was replaced; `None` if nothing exists there.
pub(super) type TargetState = Option<TargetFile>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetFile {
    size: u64,
    modified: Option<SystemTime>,
    /// Differs for a file that replaced it.
    id: Option<FileId>,
}

/// Returns what exists at a target now. For a symbolic link, the link itself.
pub(super) fn target_state(path: &Path) -> TargetState {
    std::fs::symlink_metadata(path).ok().as_ref().map(TargetFile::of)
}

impl TargetFile {
    fn of(metadata: &Metadata) -> Self {
        TargetFile { size: metadata.len(), modified: metadata.modified().ok(), id: FileId::of(metadata) }
    }
}

/// Checks whether what exists at `path` can be replaced by a file. Blocks.
///
/// # Errors
/// Returns an error if it is neither a regular file nor a symbolic link to one or to nothing; if it can't be
/// inspected; or if it can't be replaced.
pub(super) fn look(path: &Path) -> Result<TargetState> {
    let there = plain_file::if_there(std::fs::symlink_metadata(path)).map_err(|error| unfit(path, error))?;
    // If its directory is missing, creating the part reports it.
    let Some(metadata) = there else { return Ok(None) };
    if let Some(problem) = problem(path, &metadata) {
        return Err(wrong(path, &problem));
    }
    if is_anothers(path, &metadata) {
        let error = io::Error::new(
            io::ErrorKind::PermissionDenied,
            "only its owner may replace it there (sticky directory)",
        );
        let what = "it belongs to another user: give another path";
        return Err(Error::file(path, what, error).during("download: `to`"));
    }
    Ok(Some(TargetFile::of(&metadata)))
}

/// Returns why what exists at `path` can't be replaced, or `None`.
fn problem(path: &Path, metadata: &Metadata) -> Option<String> {
    if metadata.is_symlink() {
        // If the output is redirected, `/dev/stdout` leads to a regular file, which still must not be
        // replaced.
        let of_process = |to: PathBuf| PROCESS_FILES.iter().any(|own| to.starts_with(own));
        if cfg!(unix) && std::fs::read_link(path).is_ok_and(of_process) {
            return Some(
                "it is a symbolic link to a file that a process has open: give the path of a regular file"
                    .to_owned(),
            );
        }
        // A dangling link is replaced as well.
        let there = std::fs::metadata(path).ok().filter(|there| !there.is_file())?;
        return Some(format!(
            "it is a symbolic link to something that is not a regular file ({}): give the path of a regular file",
            plain_file::kind(&there)
        ));
    }
    if !metadata.is_file() {
        return Some(format!("{}: give the path of a regular file", plain_file::kind(metadata)));
    }
    is_mount_point(path).then(|| {
        "a file is mounted there and can't be replaced: mount its directory, or give another path".to_owned()
    })
}

/// Returns whether only another user may replace it.
#[cfg(unix)]
fn is_anothers(path: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    const STICKY: u32 = 0o1000;
    let user = rustix::process::geteuid();
    if user.is_root() || metadata.uid() == user.as_raw() {
        return false;
    }
    let directory = std::fs::metadata(directory(path));
    directory.is_ok_and(|directory| directory.mode() & STICKY != 0 && directory.uid() != user.as_raw())
}

#[cfg(not(unix))]
fn is_anothers(_: &Path, _: &Metadata) -> bool {
    false
}

/// Returns whether another file is mounted over it, as containers do.
#[cfg(target_os = "linux")]
fn is_mount_point(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let attributes =
        statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()).map(|known| known.stx_attributes);
    attributes.is_ok_and(|attributes| attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mount_point(_: &Path) -> bool {
    false
}

/// Returns the error for a path that can't be the path of a file.
pub(super) fn wrong(path: &Path, problem: &str) -> Error {
    Error::invalid_input(format!("download: `to`: {}: {problem}", shown_path(path)))
}

/// Returns the error for a path where no file can be created.
pub(super) fn unfit(path: &Path, error: io::Error) -> Error {
    let directory = directory(path);
    let what = match error.kind() {
        io::ErrorKind::InvalidFilename => {
            return wrong(path, "the name is too long or not allowed there: give another one");
        }
        io::ErrorKind::NotADirectory => "its parent is not a directory: give a path in a directory",
        io::ErrorKind::NotFound if !directory.exists() => "its directory doesn't exist: create it first",
        io::ErrorKind::PermissionDenied => "its directory can't be written: give a writable one",
        io::ErrorKind::ReadOnlyFilesystem => {
            "its directory is on a read-only file system: give a writable one"
        }
        _ => "it can't be written",
    };
    Error::file(path, what, error).during("download: `to`")
}
