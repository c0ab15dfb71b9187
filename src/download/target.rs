//! What stands where a file is to come: looked at before anything is sent, so that no transfer ends at a name
//! that it can't have.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result, shown_path};
use crate::runtime::plain_file;

/// Where links to what a process has open lead.
const OF_PROCESS: [&str; 5] = ["/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// What stands at a target, as far as it tells whether another file does meanwhile; `None` if nothing does.
pub(super) type TargetState = Option<TargetFile>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetFile {
    size: u64,
    modified: Option<SystemTime>,
    /// Of a file that was put in its place, another one.
    #[cfg(unix)]
    inode: u64,
}

/// What stands at a target now; of a symbolic link, the link.
pub(super) fn target_state(path: &Path) -> TargetState {
    std::fs::symlink_metadata(path).ok().as_ref().map(TargetFile::of)
}

impl TargetFile {
    fn of(metadata: &Metadata) -> Self {
        TargetFile {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

/// Looks whether what stands at `path` can be replaced by a file; blocks.
///
/// # Errors
/// Returns an error if it isn't a regular file, or a symbolic link to one or to nothing; if it can't be
/// looked at; if it can't be replaced.
pub(super) fn look(path: &Path) -> Result<TargetState> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Or its directory is missing, which making the part tells.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unfit(path, error)),
    };
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

/// Why what stands at `path` isn't replaced, if there is a reason.
fn problem(path: &Path, metadata: &Metadata) -> Option<String> {
    if metadata.is_symlink() {
        // `/dev/stdout` leads to a file when the output does, and is nothing to be replaced.
        let of_process = |to: PathBuf| OF_PROCESS.iter().any(|own| to.starts_with(own));
        if cfg!(unix) && std::fs::read_link(path).is_ok_and(of_process) {
            return Some(
                "it is a symbolic link to what a process has open: give the path of a file".to_owned(),
            );
        }
        // One that leads to nothing is replaced as well.
        let there = std::fs::metadata(path).ok().filter(|there| !there.is_file())?;
        return Some(format!(
            "it is a symbolic link to what is no regular file ({}): give the path of a file",
            plain_file::kind(&there)
        ));
    }
    if !metadata.is_file() {
        return Some(format!("{}: give the path of a file", plain_file::kind(metadata)));
    }
    is_mount_point(path).then(|| {
        "a file is mounted there, which can't be replaced: mount its directory, or give another path"
            .to_owned()
    })
}

/// Whether only another user may replace it.
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

/// Whether another file is mounted over it, as containers do.
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

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The caller's path can't be a file's.
pub(super) fn wrong(path: &Path, problem: &str) -> Error {
    Error::invalid_input(format!("download: `to`: {}: {problem}", shown_path(path)))
}

/// No file can be made there.
pub(super) fn unfit(path: &Path, error: io::Error) -> Error {
    let directory = directory(path);
    let what = match error.kind() {
        io::ErrorKind::InvalidFilename => {
            return wrong(path, "the name is too long or not allowed there: give another");
        }
        io::ErrorKind::NotADirectory => "what it is to be in is no directory: give a path in one",
        io::ErrorKind::NotFound if !directory.exists() => "its directory doesn't exist: create it first",
        io::ErrorKind::PermissionDenied => "its directory can't be written: give one that can",
        io::ErrorKind::ReadOnlyFilesystem => {
            "its directory can't be written: give one on a file system that can"
        }
        _ => "it can't be written",
    };
    Error::file(path, what, error).during("download: `to`")
}
