//! Opens files whose names others can guess: only the crate's own regular files are opened, without waiting.
//!
//! In a directory where others may write, the name of such a file may be taken by a symbolic link, a hard
//! link to someone else's file, a pipe or a device. So the file is opened without following links and without
//! waiting, and is checked once it is open: what is at a path may change between a check and the opening.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, is_separator};

#[cfg(unix)]
use super::file_id::FileId;

/// Opens one of the crate's own files. `options` must not truncate it: it is checked only once it is open.
///
/// # Errors
/// Returns an error if it can't be opened, isn't a regular file, or has other names (hard links). In a
/// directory where everybody may write, also returns an error if it belongs neither to this process's user
/// nor to the directory's owner.
pub(crate) fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    flags::set(options, flags::NO_FOLLOW | flags::NO_WAIT);
    let file = options.open(path).map_err(|error| match flags::is_symlink(&error) {
        true => refused("it is a symbolic link"),
        false => error,
    })?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    own(path, &metadata)?;
    Ok(file)
}

/// Creates one of the crate's own files for reading and writing, under a name that doesn't exist yet. The
/// umask decides who may read it.
///
/// # Errors
/// Returns an error if it can't be created, or if anything has that name, even a symbolic link.
pub(crate) fn create_own(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Opens a file that the user named for reading: symbolic links are followed.
///
/// # Errors
/// Returns an error if it can't be opened or isn't a regular file.
pub(crate) fn open_named(path: &Path) -> io::Result<File> {
    // Opening a device may have side effects.
    regular(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    flags::set(options.read(true), flags::NO_WAIT);
    let file = options.open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Returns the result of work on a path; `None` if nothing is there.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Returns the directory of a file.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the metadata of an open file if it is still at `path`; `None` if it was removed or renamed, or if
/// something else is there.
#[cfg(unix)]
pub(crate) fn metadata_at(file: &File, path: &Path) -> Option<Metadata> {
    let (file, there) = (file.metadata().ok()?, std::fs::symlink_metadata(path).ok()?);
    (FileId::of(&file) == FileId::of(&there)).then_some(file)
}

/// Returns the metadata of an open file if it is still at `path`; `None` if it was removed or renamed, or if
/// something else is there.
#[cfg(not(unix))]
pub(crate) fn metadata_at(file: &File, path: &Path) -> Option<Metadata> {
    let there = same_file::Handle::from_path(path).ok()?;
    let here = same_file::Handle::from_file(file.try_clone().ok()?).ok()?;
    (here == there).then(|| file.metadata().ok())?
}

/// Returns why no file can have this path, whatever exists there; `None` if one can.
pub(crate) fn path_problem(path: &Path) -> Option<&'static str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mut ends = bytes.iter().rev().map(|byte| char::from(*byte));
    match (ends.next(), ends.next()) {
        (None, _) => Some("it is empty: give the path of a file"),
        _ if bytes.contains(&0) => Some("it holds a NUL byte: give the path of a file"),
        _ if path.file_name().is_none() => {
            Some("it is not the path of a file: give one that ends in the file's name")
        }
        (Some(last), _) | (Some('.'), Some(last)) if is_separator(last) => {
            Some("it ends like the path of a directory: give one that ends in the file's name")
        }
        _ => None,
    }
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(refused(kind(metadata))),
    }
}

/// Returns what is at a path that isn't a regular file, as errors show it.
pub(crate) fn kind(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "it is a FIFO (named pipe)";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "it is a device";
        }
        if kind.is_socket() {
            return "it is a socket";
        }
    }
    match (metadata.is_dir(), metadata.is_symlink()) {
        (true, _) => "it is a directory",
        (_, true) => "it is a symbolic link",
        _ => "it is not a regular file",
    }
}

fn own(path: &Path, metadata: &Metadata) -> io::Result<()> {
    // A file without a name was removed by another process of this crate after it was opened.
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(metadata) > 1 {
        return Err(refused("it has other names (hard links)"));
    }
    owner(path, metadata)
}

/// Checks that what is at `path` belongs to this process's user, or to a user who may own files in its
/// directory.
#[cfg(unix)]
pub(crate) fn owner(path: &Path, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let directory = std::fs::metadata(directory(path))?;
    // The directory's owner may put any file there. So may its group, unless everybody may write there.
    match directory.uid() == metadata.uid() || directory.mode() & 0o002 == 0 {
        true => Ok(()),
        false => Err(refused("it belongs to another user")),
    }
}

#[cfg(not(unix))]
pub(crate) fn owner(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// The error has no specific kind, so that its text is shown.
fn refused(what: &'static str) -> io::Error {
    io::Error::other(what)
}

#[cfg(unix)]
mod flags {
    use rustix::fs::OFlags;
    use std::fs::OpenOptions;
    use std::io;
    use std::os::unix::fs::OpenOptionsExt as _;

    pub(super) const NO_FOLLOW: OFlags = OFlags::NOFOLLOW;
    /// A FIFO is opened at once. Reads and writes of regular files still wait.
    pub(super) const NO_WAIT: OFlags = OFlags::NONBLOCK;

    pub(super) fn set(options: &mut OpenOptions, flags: OFlags) {
        options.custom_flags(flags.bits().cast_signed());
    }

    pub(super) fn is_symlink(error: &io::Error) -> bool {
        error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
    }
}

#[cfg(not(unix))]
mod flags {
    use std::fs::OpenOptions;
    use std::io;

    /// `FILE_FLAG_OPEN_REPARSE_POINT` of Windows: opens the link itself, which isn't a regular file.
    pub(super) const NO_FOLLOW: u32 = 0x0020_0000;
    pub(super) const NO_WAIT: u32 = 0;

    #[cfg_attr(not(windows), expect(unused_variables, reason = "only Windows has such flags"))]
    pub(super) fn set(options: &mut OpenOptions, flags: u32) {
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::custom_flags(options, flags);
    }

    pub(super) fn is_symlink(_: &io::Error) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn write() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options
    }

    fn refusal(path: &Path) -> String {
        open_own(path, &mut write()).unwrap_err().to_string()
    }

    #[test]
    fn only_plain_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        open_own(&path("new"), &mut write()).unwrap();
        open_own(&path("new"), &mut write()).unwrap();

        std::fs::hard_link(path("new"), path("hard")).unwrap();
        assert_eq!(refusal(&path("hard")), "it has other names (hard links)");
        std::os::unix::fs::symlink(path("new"), path("link")).unwrap();
        assert_eq!(refusal(&path("link")), "it is a symbolic link");
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
        assert_eq!(refusal(&path("dangling")), "it is a symbolic link");
        assert!(!path("nowhere").exists());

        let mut read = OpenOptions::new();
        assert_eq!(open_own(dir.path(), read.read(true)).unwrap_err().to_string(), "it is a directory");
        let fifo = path("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(
            open_own(&fifo, OpenOptions::new().read(true)).unwrap_err().to_string(),
            "it is a FIFO (named pipe)"
        );
        assert!(open_own(&fifo, OpenOptions::new().write(true)).is_err());
        assert_eq!(open_named(&fifo).unwrap_err().to_string(), "it is a FIFO (named pipe)");
        assert_eq!(open_named(Path::new("/dev/null")).unwrap_err().to_string(), "it is a device");
        open_named(&path("link")).unwrap();
    }

    #[test]
    fn own_file_created_only_if_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let file = create_own(&path("new")).unwrap();
        assert_eq!(metadata_at(&file, &path("new")).unwrap().len(), 0);
        std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
        for name in ["new", "dangling"] {
            assert_eq!(create_own(&path(name)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(!path("nowhere").exists());
        std::os::unix::fs::symlink(path("new"), path("link")).unwrap();
        std::fs::write(path("other"), "").unwrap();
        for name in ["link", "other", "none"] {
            assert!(metadata_at(&file, &path(name)).is_none(), "{name}");
        }
        std::fs::rename(path("new"), path("named")).unwrap();
        assert!(metadata_at(&file, &path("new")).is_none() && metadata_at(&file, &path("named")).is_some());
    }

    #[test]
    fn impossible_file_paths_are_refused() {
        for path in ["", ".", "..", "/", "a/", "a//", "a/.", "a/..", "a/./", "/..", "a\0", "a\0/b"] {
            assert!(path_problem(Path::new(path)).is_some(), "{path:?}");
        }
        for path in [
            "a",
            ".a",
            "a.",
            "..a",
            "a..",
            "...",
            "/a",
            "./a",
            "../a",
            "a/b",
            "a/../b",
            "a/./b",
            " ",
            "\u{ac00}.",
        ] {
            assert_eq!(path_problem(Path::new(path)), None, "{path:?}");
        }
    }
}
