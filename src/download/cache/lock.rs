//! The lock of the cache between handles and processes, with a time limit. A lock is polled, so that a
//! dropped call doesn't leave a thread that waits for it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fs4::{FileExt, TryLockError};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::file_id::FileId;
use crate::runtime::lock::lock;
use crate::runtime::plain_file::open_own;

/// Intervals between two attempts to take a lock.
const MIN_POLL_INTERVAL: Duration = Duration::from_micros(20);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Maximum number of files that stay open between two locks.
const MAX_IDLE: usize = 8;

type TryLock = fn(&File) -> Result<(), TryLockError>;

/// The functions that lock files: those of the system, or a test's.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileLocks {
    pub(super) exclusive: TryLock,
    pub(super) shared: TryLock,
}

impl FileLocks {
    pub(super) const SYSTEM: Self =
        FileLocks { exclusive: <File as FileExt>::try_lock, shared: <File as FileExt>::try_lock_shared };
}

/// A limit for the time to wait for a lock.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    limit: Duration,
    /// `None` if the time exceeds the clock's range.
    until: Option<Instant>,
    given_up: Arc<AtomicBool>,
}

/// Ends a wait when it is dropped.
pub(crate) struct GiveUp(Arc<AtomicBool>);

impl Waiting {
    pub(super) fn at_most(limit: Duration) -> Self {
        Waiting { limit, until: Instant::now().checked_add(limit), given_up: Arc::default() }
    }

    pub(crate) fn give_up_on_drop(&self) -> GiveUp {
        GiveUp(self.given_up.clone())
    }

    /// Starts the same limit again. It is given up together with this one.
    pub(crate) fn again(&self) -> Self {
        Waiting { given_up: self.given_up.clone(), ..Waiting::at_most(self.limit) }
    }

    /// Sleeps for a moment.
    ///
    /// # Errors
    /// Returns an error if the limit is reached, or the wait was given up.
    fn pause(&self, path: &Path, look: &mut Duration) -> Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::ConnectionLost,
                "the call that waited for the file cache's lock was dropped",
            ));
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            let message = format!(
                "{}: another process has locked the file cache for {:?} (`lock_timeout`): it or its disk may hang; end it, or raise `lock_timeout`",
                path.display(),
                self.limit
            );
            return Err(Error::new(ErrorKind::Timeout, message).timed_out());
        }
        std::thread::sleep(*look);
        *look = (*look * 2).min(MAX_POLL_INTERVAL);
        Ok(())
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The lock of the cache. A lock belongs to an opened file: each owner opens its own.
#[derive(Debug)]
pub(super) struct CacheLock {
    lock: Arc<LockFile>,
    /// Every owner passes the gate first, one at a time. Otherwise a continuous series of shared locks could
    /// keep an exclusive one waiting for ever.
    gate: Arc<LockFile>,
    locks: FileLocks,
}

/// The shared lock: for returning files, and for reading what others wrote.
#[must_use]
pub(super) struct Shared {
    _locked: Locked,
}

/// The exclusive lock: for removing files.
#[must_use]
pub(super) struct Exclusive {
    _locked: Locked,
}

impl CacheLock {
    pub(super) fn new(path: PathBuf, locks: FileLocks) -> Self {
        let gate = Arc::new(LockFile::new(path.with_extension("gate")));
        CacheLock { gate, lock: Arc::new(LockFile::new(path)), locks }
    }

    /// Waits for the exclusive lock to be released.
    pub(super) fn shared(&self, waiting: &Waiting) -> Result<Shared> {
        let _gate = locked(&self.gate, self.locks.exclusive, waiting)?;
        locked(&self.lock, self.locks.shared, waiting).map(|_locked| Shared { _locked })
    }

    /// Waits for all other locks to be released.
    pub(super) fn exclusive(&self, waiting: &Waiting) -> Result<Exclusive> {
        let _gate = locked(&self.gate, self.locks.exclusive, waiting)?;
        locked(&self.lock, self.locks.exclusive, waiting).map(|_locked| Exclusive { _locked })
    }
}

/// A file for locking, and its idle open handles.
#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    idle: Mutex<Vec<OpenedFile>>,
}

#[derive(Debug)]
struct OpenedFile {
    file: File,
    id: Option<FileId>,
    /// A forked process shares the file's locks with the process that opened it.
    process: u32,
}

impl LockFile {
    fn new(path: PathBuf) -> Self {
        LockFile { path, idle: Mutex::default() }
    }

    /// Opens the file, or reuses an idle one if the path still leads to it.
    fn open(&self) -> io::Result<OpenedFile> {
        let process = std::process::id();
        let idle = lock(&self.idle).pop().filter(|idle| idle.process == process && idle.id.is_some());
        if let Some(idle) = idle
            && std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| FileId::of(&metadata) == idle.id)
        {
            return Ok(idle);
        }
        let file =
            open_own(&self.path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
        let id = FileId::of(&file.metadata()?);
        Ok(OpenedFile { file, id, process })
    }

    fn keep(&self, opened: OpenedFile) {
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE {
            idle.push(opened);
        }
    }
}

/// A lock that is held until this is dropped.
struct Locked {
    opened: Option<OpenedFile>,
    of: Arc<LockFile>,
}

fn locked(of: &Arc<LockFile>, try_lock: TryLock, waiting: &Waiting) -> Result<Locked> {
    let path = &of.path;
    let opened =
        of.open().map_err(|error| Error::file(path, "the file cache's lock can't be opened", error))?;
    let mut look = MIN_POLL_INTERVAL;
    loop {
        match try_lock(&opened.file) {
            Ok(()) => return Ok(Locked { opened: Some(opened), of: of.clone() }),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(lock_error(path, error));
            }
            Err(_) => waiting.pause(path, &mut look)?,
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        // Unlocks explicitly: if the process was forked meanwhile, closing the file doesn't release the lock.
        if FileExt::unlock(&opened.file).is_ok() {
            self.of.keep(opened);
        }
    }
}

/// Returns the error for a lock that can't be taken.
pub(super) fn lock_error(path: &Path, error: io::Error) -> Error {
    let what = match has_no_locks(&error) {
        true => {
            "this file system has no file locks, which a file cache needs: put the cache's directory on another file system, such \
             as a local disk, or download without a cache (`download(url).to(path)`)"
        }
        false => "the file cache can't be locked",
    };
    Error::file(path, what, error)
}

/// Returns whether the error says that the file system has no locks.
fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let raw = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP]
            .map(|errno| Some(errno.raw_os_error()));
        if raw.contains(&error.raw_os_error()) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::Unsupported
}
