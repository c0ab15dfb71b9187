//! [`FileCache`]: downloaded files on disk, shared by every handle and process that opens the same directory.

mod eviction;
mod holds;
mod index;
mod key;
mod lease;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use key::{CacheKey, default_key};
pub(crate) use lease::Lease;

use crate::error::{Error, Result};
use eviction::Limits;
use state::State;

type KeyOf = dyn Fn(&str) -> String + Send + Sync;

/// Downloaded files in a directory, which outlive the process and are shared with others: any number of handles and
/// processes may open the same directory at a time.
///
/// A clone is the same handle. What a handle hands out, it holds: no eviction and no [`clear`](FileCache::clear), of this or
/// another process, removes the file before the handle's last clone is dropped, or [`release`](FileCache::release) says that
/// it may go, or the process ends, however it ends. So a cache in which everything is held exceeds its limits rather than
/// take away a file that is in use.
///
/// The files must not be changed: change a copy. The directory is to hold nothing else, on a file system that has file
/// locks.
///
/// Its methods block on the file system: in an async program call them where that may be.
///
/// ```
/// use synapse_backend_client::FileCache;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// # let dir = temporary.path().join("cache");
/// let cache = FileCache::builder(dir).max_bytes(50 << 30).open()?;
/// assert_eq!(cache.statistics().files, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileCache(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    limits: Limits,
    key: Box<KeyOf>,
    state: Mutex<State>,
}

/// How a [`FileCache`] is opened: see [`FileCache::builder`].
#[must_use = "no cache is opened before `open`"]
pub struct FileCacheBuilder {
    dir: PathBuf,
    limits: Limits,
    key: Box<KeyOf>,
}

/// What is in a [`FileCache`], and what became of what one handle was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Files in the cache, whoever put them there.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Files that this handle was asked for and that were there.
    pub hits: u64,
    /// Files that this handle was asked for and that were not there.
    pub misses: u64,
    /// Files that this handle removed to keep the limits.
    pub evicted: u64,
    /// Files that this handle holds.
    pub held: u64,
}

impl FileCache {
    /// Opens the cache in a directory, which is created where it is missing. It has no limits: see
    /// [`builder`](FileCache::builder) for these.
    ///
    /// # Errors
    /// See [`FileCacheBuilder::open`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path().join("cache");
    /// let cache = synapse_backend_client::FileCache::open(dir)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        FileCache::builder(dir).open()
    }

    /// A cache in a directory, to be set up and opened.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let dir = temporary.path().join("cache");
    /// use synapse_backend_client::FileCache;
    /// let cache = FileCache::builder(dir).max_bytes(50 << 30).max_files(1_000_000).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(dir: impl Into<PathBuf>) -> FileCacheBuilder {
        let limits = Limits { bytes: u64::MAX, files: u64::MAX };
        FileCacheBuilder { dir: dir.into(), limits, key: Box::new(key::default_key) }
    }

    /// The cache's directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Says that a file which this handle handed out isn't needed any more: it may be evicted again. What was handed out
    /// several times is to be released as often.
    ///
    /// Returns whether this handle held it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let cache = synapse_backend_client::FileCache::open(temporary.path())?;
    /// assert!(!cache.release("/somewhere/else.png"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn release(&self, path: impl AsRef<Path>) -> bool {
        self.state().release(path.as_ref())
    }

    /// Removes every file that no handle, of this or another process, holds. Returns how many bytes were freed.
    ///
    /// # Errors
    /// Where the cache can't be locked, or a file can't be removed; the others are removed all the same.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let cache = synapse_backend_client::FileCache::open(temporary.path())?;
    /// println!("{} bytes freed", cache.clear()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self) -> Result<u64> {
        self.state().clear()
    }

    /// What is in the cache, and what became of what this handle was asked for.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let temporary = tempfile::tempdir()?;
    /// # let cache = synapse_backend_client::FileCache::open(temporary.path())?;
    /// let statistics = cache.statistics();
    /// println!("{} files, {} bytes, {} of them in use", statistics.files, statistics.bytes, statistics.held);
    /// # Ok(())
    /// # }
    /// ```
    pub fn statistics(&self) -> CacheStatistics {
        self.state().statistics()
    }

    /// What a URL's file is known by.
    pub(crate) fn key(&self, url: &str) -> CacheKey {
        CacheKey::new(&(self.0.key)(url), url)
    }

    /// Where a file that isn't in the cache is to be put: whole, by a rename. [`hit`](FileCache::hit) makes the directory.
    pub(crate) fn path(&self, key: &CacheKey) -> PathBuf {
        key.hash.path(&self.0.dir, &key.extension)
    }

    /// The file where it is in the cache, whole, handed out. Else the directory of [`path`](FileCache::path) is made.
    ///
    /// # Errors
    /// Where the cache can't be locked, read or written.
    pub(crate) fn hit(&self, key: &CacheKey) -> Result<Option<Lease>> {
        let path = self.state().hit(key)?;
        Ok(path.map(|path| Lease::new(self.clone(), path)))
    }

    /// As [`hit`](FileCache::hit), for who was told that it isn't there and waited: it is counted once.
    pub(crate) fn hit_again(&self, key: &CacheKey) -> Result<Option<Lease>> {
        let path = self.state().hit_again(key)?;
        Ok(path.map(|path| Lease::new(self.clone(), path)))
    }

    /// Takes the file that stands at [`path`](FileCache::path) now, of `size` bytes, into the cache, and hands it out. What
    /// was used longest ago is removed for it where a limit is exceeded.
    ///
    /// # Errors
    /// Where the file isn't there, with that size; where the cache can't be locked, read or written.
    pub(crate) fn added(&self, key: &CacheKey, size: u64) -> Result<Lease> {
        let path = self.state().added(key, size)?;
        Ok(Lease::new(self.clone(), path))
    }

    /// No panic leaves it half changed: at worst it is behind what is on disk, which it reads again.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileCacheBuilder {
    /// How many bytes the files may have together; unlimited unless set.
    ///
    /// When a file is added, those that were used longest ago are removed until the limit is kept.
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

    /// How many files there may be; unlimited unless set.
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

    /// What a URL comes to as a file's identity: URLs of the same text are the same file. The text isn't kept, only its hash.
    ///
    /// Unless set, it is the URL without its fragment, and without the parameters that are signatures or expiries.
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
        self.key = Box::new(key);
        self
    }

    /// Opens the cache. Its directory is created where it is missing.
    ///
    /// # Errors
    /// Where the directory's path isn't Unicode; where it can't be created or written; where its file system has no file
    /// locks.
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
        let FileCacheBuilder { dir, limits, key } = self;
        // The process may go to another directory later.
        let dir =
            std::path::absolute(&dir).map_err(|error| Error::file(&dir, "it can't be the file cache's directory", error))?;
        if dir.to_str().is_none() {
            let problem = format!("{}: the directory's path isn't Unicode: name another", dir.display());
            return Err(Error::configuration("file_cache", problem));
        }
        let state = Mutex::new(State::open(dir.clone(), limits)?);
        Ok(FileCache(Arc::new(Inner { dir, limits, key, state })))
    }
}

impl fmt::Debug for FileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCache").field("dir", &self.0.dir).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl fmt::Debug for FileCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCacheBuilder").field("dir", &self.dir).field("limits", &self.limits).finish_non_exhaustive()
    }
}
