//! The cache's lock between handles and processes, and how long it is waited for: locks are tried again and again, so that whoever
//! gives up doesn't leave a thread that waits on.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fs4::{FileExt, TryLockError};

use crate::error::{Error, ErrorKind, Result};
use crate::plain_file::open_own;

/// Between two looks whether a lock is free.
const FIRST_LOOK: Duration = Duration::from_micros(20);
const LAST_LOOK: Duration = Duration::from_millis(5);

type TryLock = fn(&File) -> Result<(), TryLockError>;

/// How files are locked: as the system does, or as a test wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileLocks {
    pub(super) exclusive: TryLock,
    pub(super) shared: TryLock,
}

impl FileLocks {
    pub(super) const SYSTEM: Self =
        FileLocks { exclusive: <File as FileExt>::try_lock, shared: <File as FileExt>::try_lock_shared };
}

/// For how long a lock is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    limit: Duration,
    /// `None` if the clock doesn't hold such a time.
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

    /// Waits for a moment.
    ///
    /// # Errors
    /// Returns an error if it is long enough, or nobody waits any more.
    fn pause(&self, path: &Path, look: &mut Duration) -> Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "the call was given up that waited for the file cache's lock"));
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            let message = format!(
                "{}: the file cache is locked by another process, and was for {:?} (`lock_timeout`): that process hangs, or its disk \
                 does",
                path.display(),
                self.limit
            );
            return Err(Error::new(ErrorKind::Timeout, message).timed_out());
        }
        std::thread::sleep(*look);
        *look = (*look * 2).min(LAST_LOOK);
        Ok(())
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The cache's lock, which a handle takes anew each time: a lock belongs to the opened file.
#[derive(Debug)]
pub(super) struct CacheLock {
    lock: PathBuf,
    /// Everyone passes it one by one on the way to the lock. Else those who share the lock, of whom there is always one,
    /// could keep out for ever who wants it alone.
    gate: PathBuf,
    locks: FileLocks,
}

/// The lock as many have it at a time: to hand out, and to read what others wrote.
#[must_use]
pub(super) struct Shared {
    _locked: Locked,
}

/// The lock as one has it: to remove.
#[must_use]
pub(super) struct Exclusive {
    _locked: Locked,
}

/// A lock that is held until this is dropped.
struct Locked(File);

impl CacheLock {
    pub(super) fn new(lock: PathBuf, locks: FileLocks) -> Self {
        CacheLock { gate: lock.with_extension("gate"), lock, locks }
    }

    /// Waits for who removes.
    pub(super) fn shared(&self, waiting: &Waiting) -> Result<Shared> {
        let _gate = locked(&self.gate, self.locks.exclusive, waiting)?;
        locked(&self.lock, self.locks.shared, waiting).map(|_locked| Shared { _locked })
    }

    /// Waits for everyone else.
    pub(super) fn exclusive(&self, waiting: &Waiting) -> Result<Exclusive> {
        let _gate = locked(&self.gate, self.locks.exclusive, waiting)?;
        locked(&self.lock, self.locks.exclusive, waiting).map(|_locked| Exclusive { _locked })
    }
}

fn locked(path: &Path, try_lock: TryLock, waiting: &Waiting) -> Result<Locked> {
    let file = open_own(path, OpenOptions::new().read(true).write(true).create(true).truncate(false));
    let file = file.map_err(|error| Error::file(path, "the file cache's lock can't be opened", error))?;
    let mut look = FIRST_LOOK;
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Locked(file)),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => return Err(lock_error(path, error)),
            Err(_) => waiting.pause(path, &mut look)?,
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file isn't enough where another process was forked meanwhile.
        let _ = FileExt::unlock(&self.0);
    }
}

/// The error of a lock that can't be had.
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

/// Whether the error says that the file system has no locks.
fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let raw = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP].map(|errno| Some(errno.raw_os_error()));
        if raw.contains(&error.raw_os_error()) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::Unsupported
}
