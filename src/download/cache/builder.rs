//! [`FileCacheBuilder`]: the settings of a cache, and how it is opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::warn;

use super::eviction::CacheLimits;
use super::index::Index;
use super::key::KeyBy;
use super::leases::LeaseTable;
use super::lock::{CacheLock, FileLocks, Waiting};
use super::parts::PartFiles;
use super::release_queue::ReleaseQueue;
use super::state::State;
use super::{Access, CONTROL, FileCache, Inner, directory};
use crate::error::{Error, Result};

/// Default time to wait for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings for opening a [`FileCache`]: see [`FileCache::builder`].
#[must_use = "no cache is opened until `open` is called"]
pub struct FileCacheBuilder {
    dir: PathBuf,
    limits: CacheLimits,
    key: KeyBy,
    namespace: String,
    lock_timeout: Duration,
    locks: FileLocks,
}

impl FileCacheBuilder {
    pub(super) fn new(dir: PathBuf) -> Self {
        FileCacheBuilder {
            dir,
            limits: CacheLimits::NONE,
            key: KeyBy::Url,
            namespace: String::new(),
            lock_timeout: LOCK_TIMEOUT,
            locks: FileLocks::SYSTEM,
        }
    }

    /// Sets the maximum total size of the files in bytes, including the part files of downloads that are in
    /// progress or interrupted. Unlimited by default.
    ///
    /// If the limit is exceeded, part files that are not being written are removed first, then the least
    /// recently used files. This happens when the cache is opened, when a file is added or released, and
    /// while a large file is downloaded. A single file that is larger than the limit is an error: its
    /// download stops at the limit.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// let cache = synapse_backend_client::FileCache::builder(dir).max_bytes(50 << 30).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Sets the maximum number of files. Unlimited by default. The limit is enforced as for
    /// [`max_bytes`](FileCacheBuilder::max_bytes).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// let cache = synapse_backend_client::FileCache::builder(dir).max_files(1_000_000).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_files(mut self, files: u64) -> Self {
        self.limits.files = files;
        self
    }

    /// Sets the function that maps a URL to a file's identity: URLs with the same text are the same file,
    /// within one tenant and one [namespace](FileCacheBuilder::namespace). The text isn't stored, only its
    /// hash.
    ///
    /// The function is given the absolute URL with its signature. By default, the identity is the URL without
    /// its fragment and its signature: see [`FileCache`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// use synapse_backend_client::FileCache;
    /// // Here the path alone identifies the file, on any host and with any parameters.
    /// let path = |url: &str| match synapse_backend_client::reqwest::Url::parse(url) {
    ///     Ok(url) => url.path().to_owned(),
    ///     Err(_) => url.to_owned(),
    /// };
    /// let cache = FileCache::builder(dir).key(path).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(mut self, key: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.key = KeyBy::Own(Box::new(key));
        self
    }

    /// Identifies files by scheme, host, port and path, and ignores the query of their URLs. For servers that
    /// sign URLs with an unknown scheme and give each file its own path.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// // `https://cdn.example.com/1.png?token=…` is one file, whatever its token is.
    /// let cache = synapse_backend_client::FileCache::builder(dir).key_by_path().open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn key_by_path(mut self) -> Self {
        self.key = KeyBy::Path;
        self
    }

    /// Separates this cache's files from those of other namespaces in the same directory. Empty by default.
    /// Handles with the same namespace share files.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// // A file that one account may see isn't served to another one.
    /// let cache = synapse_backend_client::FileCache::builder(dir).namespace("account 7").open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets how long to wait while other processes lock the cache. The default is 30 seconds. Locks are held
    /// only briefly: a process that holds one for longer hangs. Then the error is
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
    ///
    /// A call that is dropped, or whose own time-out expires, stops waiting.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// use std::time::Duration;
    /// let cache = synapse_backend_client::FileCache::builder(dir).lock_timeout(Duration::from_secs(5)).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Replaces the system's file locks.
    #[cfg(test)]
    pub(super) fn locks(mut self, locks: FileLocks) -> Self {
        self.locks = locks;
        self
    }

    /// Opens the cache. Its directory is created if it is missing. Part files that were not resumed for a day
    /// are removed, and files are evicted if the limits are exceeded.
    ///
    /// # Errors
    /// Returns an error if the directory's path isn't Unicode; if the directory can't be created; if it can't
    /// be written and isn't a readable cache; if its file system has no file locks; if another process keeps
    /// it locked; or if something else has the name of one of the cache's own files or directories: a
    /// symbolic link, for example.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// let cache = synapse_backend_client::FileCache::builder(dir).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(self) -> Result<FileCache> {
        let waiting = self.waiting();
        self.open_waiting(&waiting)
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting::at_most(self.lock_timeout)
    }

    pub(super) fn open_waiting(self, waiting: &Waiting) -> Result<FileCache> {
        let FileCacheBuilder { dir, limits, key, namespace, lock_timeout, locks } = self;
        // Absolute, since the process may change its current directory later.
        let dir = std::path::absolute(&dir)
            .map_err(|error| Error::file(&dir, "it can't be the file cache's directory", error))?;
        if dir.to_str().is_none() {
            let problem =
                format!("{}: the directory's path isn't Unicode: choose another one", dir.display());
            return Err(Error::configuration("file_cache", problem));
        }
        let control = dir.join(CONTROL);
        let (handles, parts) = (control.join("holders"), control.join("parts"));
        let mut state = State::new(dir.clone(), Index::new(control.join("index")));
        let access = match make_directories(&dir, &[&control, &handles, &parts]) {
            Ok(()) => Access::Full(CacheLock::new(control.join("lock"), locks)),
            Err(error) => read_only(&dir, &mut state, error)?,
        };
        let inner = Inner {
            dir,
            limits,
            key,
            namespace,
            access,
            lock_timeout,
            parts: PartFiles::new(parts, locks),
            state: Mutex::new(state),
            download_locks: Default::default(),
            variants: Default::default(),
            release_queue: ReleaseQueue::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        let mut cache = FileCache(Arc::new(inner));
        if cache.lock().is_ok() {
            let registered = cache.register(handles, locks, waiting);
            if let Err(error) = registered {
                cache = cache.into_read_only(error)?;
            }
        }
        cache.remove_orphans(waiting);
        if cache.lock().is_ok() {
            cache.remove_superseded(waiting);
            cache.evict(waiting);
        }
        Ok(cache)
    }
}

impl FileCache {
    /// Registers this handle, so that other handles see its leases.
    fn register(&self, handles: PathBuf, locks: FileLocks, waiting: &Waiting) -> Result<()> {
        let mut locked = self.shared(waiting)?;
        locked.state.leases = Some(LeaseTable::new(handles, locks, &locked.lock)?);
        Ok(())
    }

    /// Turns a handle that was just opened into one of a read-only cache.
    fn into_read_only(self, error: Error) -> Result<FileCache> {
        let Some(mut inner) = Arc::into_inner(self.0) else { return Err(error) };
        let mut state = State::new(inner.dir.clone(), Index::new(inner.dir.join(CONTROL).join("index")));
        inner.access = read_only(&inner.dir, &mut state, error)?;
        inner.state = Mutex::new(state);
        Ok(FileCache(Arc::new(inner)))
    }
}

fn make_directories(dir: &Path, own: &[&Path]) -> Result<()> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Error::file(dir, "the file cache's directory can't be created", error))?;
    own.iter().try_for_each(|path| directory::make(path))
}

/// Returns read-only access, if the error says that the directory can't be written and it contains a readable
/// cache.
///
/// # Errors
/// Returns the error otherwise.
fn read_only(dir: &Path, state: &mut State, error: Error) -> Result<Access> {
    let Some(kind) = error.io_kind() else { return Err(error) };
    let cant_write = matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    if !cant_write || !state.index.refresh().unwrap_or(false) {
        return Err(error);
    }
    warn!(dir = %dir.display(), why = %kind, "the file cache can't be written: its files are served without leases, and no files are added");
    Ok(Access::ReadOnly(kind.to_string()))
}

impl fmt::Debug for FileCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCacheBuilder")
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
