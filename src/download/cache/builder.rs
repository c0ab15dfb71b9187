//! [`FileCacheBuilder`]: a cache's settings, and its opening.

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
use super::leases::Holder;
use super::lock::{CacheLock, FileLocks, Waiting};
use super::parts::PartFiles;
use super::released::Released;
use super::state::State;
use super::{Access, CONTROL, FileCache, Inner, directory};
use crate::error::{Error, Result};

/// How long a lock is waited for, unless it is set.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How a [`FileCache`] is opened: see [`FileCache::builder`].
#[must_use = "no cache is opened before `open`"]
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

    /// How many bytes the files may have together, with the parts of those that are being downloaded or whose
    /// download broke off; unlimited unless set.
    ///
    /// Where there are more, parts that nobody writes are removed, and then the files that were used longest
    /// ago, until the limit is kept: when the cache is opened, when a file is added or released, and while a
    /// large file comes. A file that is larger by itself is an error: it is received no further than to the
    /// limit.
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

    /// How many files there may be; unlimited unless set. It is kept as
    /// [`max_bytes`](FileCacheBuilder::max_bytes) is.
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

    /// What a URL comes to as a file's identity: URLs of the same text are the same file, of one tenant and
    /// one [namespace](FileCacheBuilder::namespace). The text isn't kept, only its hash.
    ///
    /// The function is given the absolute URL, with its signature. Unless set, it is the URL without its
    /// fragment and its signature: see [`FileCache`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// use synapse_backend_client::FileCache;
    /// // Here a path alone tells which file it is, on whichever host and with whichever parameters.
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

    /// Tells files apart by scheme, host, port and path, whatever their URLs' queries are: for servers that
    /// sign URLs in a way that isn't known here, and name each file by its path.
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

    /// Tells this cache's files apart from those of other namespaces in the same directory; empty unless set.
    /// Handles with the same namespace share files.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path();
    /// // What one account may see isn't served to another.
    /// let cache = synapse_backend_client::FileCache::builder(dir).namespace("account 7").open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long the cache waits while other processes have it locked; 30 seconds unless set. They have it for
    /// moments only: whoever has it for longer hangs. Then the error is one of
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
    ///
    /// A call that is dropped, or whose own time-out runs out, waits no longer.
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

    /// Locks files otherwise than the system does.
    #[cfg(test)]
    pub(super) fn locks(mut self, locks: FileLocks) -> Self {
        self.locks = locks;
        self
    }

    /// Opens the cache. Its directory is created where it is missing. Parts that nobody went on from for a
    /// day are removed, and what exceeds the limits.
    ///
    /// # Errors
    /// Returns an error if the directory's path isn't Unicode; if it can't be created, or can't be written
    /// and isn't a cache that can be read; if its file system has no file locks; if another process keeps it
    /// locked; or if something else stands where the cache's own files and directories should: a symbolic
    /// link, say.
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
        // The process may go to another directory later.
        let dir = std::path::absolute(&dir)
            .map_err(|error| Error::file(&dir, "it can't be the file cache's directory", error))?;
        if dir.to_str().is_none() {
            let problem = format!("{}: the directory's path isn't Unicode: name another", dir.display());
            return Err(Error::configuration("file_cache", problem));
        }
        let control = dir.join(CONTROL);
        let (holders, parts) = (control.join("holders"), control.join("parts"));
        let mut state = State::new(dir.clone(), Index::new(control.join("index")));
        let access = match make_directories(&dir, &[&control, &holders, &parts]) {
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
            in_progress: Default::default(),
            variants: Default::default(),
            released: Released::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        let mut cache = FileCache(Arc::new(inner));
        if cache.lock().is_ok() {
            let registered = cache.register(holders, locks, waiting);
            if let Err(error) = registered {
                cache = cache.into_read_only(error)?;
            }
        }
        cache.tidy(waiting);
        if cache.lock().is_ok() {
            cache.remove_superseded(waiting);
            cache.evict(waiting);
        }
        Ok(cache)
    }
}

impl FileCache {
    /// Has the others know of this handle.
    fn register(&self, holders: PathBuf, locks: FileLocks, waiting: &Waiting) -> Result<()> {
        let mut session = self.shared(waiting)?;
        session.state.holder = Some(Holder::new(holders, locks, &session.lock)?);
        Ok(())
    }

    /// A handle that was just opened, of a cache that can't be written.
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

/// What is there is served, where what failed is that nothing can be written.
///
/// # Errors
/// Returns the error otherwise.
fn read_only(dir: &Path, state: &mut State, error: Error) -> Result<Access> {
    let Some(kind) = error.io_kind() else { return Err(error) };
    let cant_write = matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    if !cant_write || !state.index.refresh().unwrap_or(false) {
        return Err(error);
    }
    warn!(dir = %dir.display(), why = %kind, "the file cache can't be written: what is in it is served and not held, nothing is added");
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
