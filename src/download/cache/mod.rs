//! [`FileCache`]: downloaded files on disk, shared by all handles and processes that open the same directory.

mod add_file;
mod builder;
mod clear;
mod commit;
mod compaction;
mod directory;
mod download_locks;
mod eviction;
mod file_record;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod index;
mod journal_line;
mod key;
mod lease;
mod leases;
mod lock;
mod locked_state;
mod lookup;
mod orphans;
mod parts;
mod release;
mod release_queue;
mod run_blocking;
mod signed_url;
mod state;
#[cfg(test)]
mod tests;
mod variants;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::warn;

pub(crate) use add_file::{AddedFile, FileGone, NewFile};
pub use builder::FileCacheBuilder;
pub(crate) use download_locks::DownloadLock;
pub(crate) use file_record::{CachedDigest, Expected, FileRecord, Validators};
pub(crate) use key::CacheKey;
pub(crate) use lease::Lease;
pub(crate) use lock::Waiting;
pub(crate) use lookup::Found;
pub(crate) use signed_url::default_key;

use crate::error::Result;
use download_locks::DownloadLocks;
use eviction::CacheLimits;
use key::KeyBy;
use lock::CacheLock;
use parts::PartFiles;
use release_queue::ReleaseQueue;
use state::State;
use variants::Variants;

/// The directory for everything that isn't a downloaded file.
const CONTROL: &str = ".cache";

/// Downloaded files in a directory. They outlive the process and are shared: any number of handles and
/// processes may open the same directory at the same time.
///
/// [`download_to`](crate::BackendClient::download_to) adds the files of a response's URLs;
/// [`Download::cached`](crate::Download::cached) adds single files.
///
/// # How files are identified
///
/// A file is identified by its whole URL (scheme, host, port, path and query), by the client's
/// [tenant](crate::BackendClientBuilder::tenant) and by the cache's [namespace](FileCacheBuilder::namespace),
/// which separates accounts that share a tenant. A call's own headers have no influence, except a tenant.
///
/// Only the signature is removed from the URL, and only if all parameters of a known signing scheme are
/// present, each exactly once:
/// - version 4: a signature and an expiry with the same prefix, for example `X-Amz-Signature` and
///   `X-Amz-Expires` of Amazon S3 (`X-Goog-` of Google, `x-oss-` of Alibaba, and similar ones), and the
///   scheme's other parameters with that prefix;
/// - version 2: `Signature` and `Expires` with `AWSAccessKeyId`, `GoogleAccessId`, `OSSAccessKeyId` or
///   `AccessKeyId`;
/// - Azure: `sv` and `sig` with `se` or `si`, and with `sr` or `ss` and `srt`; CloudFront: `Key-Pair-Id` and
///   `Signature` with `Expires` or `Policy`; Tencent COS: all that begin with `q-`.
///
/// In a signed URL, parameters that choose a response's headers (`response-content-type`, for example) are
/// removed too, except the one for its content encoding. For other schemes, use
/// [`key_by_path`](FileCacheBuilder::key_by_path) or [`key`](FileCacheBuilder::key).
///
/// A file is a hit if it exists with the size that it was stored with, and if it has the size and the digest
/// that the caller expects, if any. A digest that isn't known yet is computed once. If the file doesn't
/// match, or the server says that it changed ([`revalidate`](crate::CachedDownload::revalidate)), it is
/// downloaded again, to another path: a leased file is never changed, and it is removed when no lease on it
/// is left.
///
/// # Leases
///
/// A clone is the same handle. A handle holds a lease on each file that it returns: no eviction and no
/// [`clear`](FileCache::clear), by this or another process, removes the file before the handle's last clone
/// is dropped, the file is [released](FileCache::release), or the process ends for any reason. A cache whose
/// files are all leased exceeds its limits rather than removing a file that is in use.
///
/// # The directory
///
/// The files must not be changed: change a copy instead. The directory must contain nothing else and be on a
/// file system with file locks. Its subdirectories must be real directories, and its files must be regular
/// files with one name: symbolic links, hard links, pipes and the like are not used. In a directory where
/// everybody may write, files of other users are not used either.
///
/// A lease needs some bytes of disk space: on a full disk, a hit is an error too.
///
/// A directory that can't be written (for example on a read-only medium, or one of another user) still serves
/// the files in it, without leases. A file that isn't in it fails before the download.
///
/// The methods block on the file system: in async code, call them where blocking is allowed. None of them
/// waits for another process's lock for longer than [`lock_timeout`](FileCacheBuilder::lock_timeout).
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
    limits: CacheLimits,
    key: KeyBy,
    namespace: String,
    access: Access,
    lock_timeout: Duration,
    parts: PartFiles,
    state: Mutex<State>,
    download_locks: DownloadLocks,
    variants: Mutex<Variants>,
    release_queue: ReleaseQueue,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How the directory may be used.
enum Access {
    Full(CacheLock),
    /// The reason why it can't be written.
    ReadOnly(String),
}

/// The content of a [`FileCache`], and the hits and misses of one handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Files in the cache, by all handles and processes.
    pub files: u64,
    /// Total size of the files in bytes.
    pub bytes: u64,
    /// Bytes of part files: of files that are being downloaded, or whose download was interrupted.
    pub part_bytes: u64,
    /// Files requested from this handle that were in the cache.
    pub hits: u64,
    /// Files requested from this handle that were not in the cache.
    pub misses: u64,
    /// Files that this handle evicted to keep the limits.
    pub evicted: u64,
    /// Files on which this handle holds a lease.
    pub held: u64,
}

impl FileCache {
    /// Opens the cache in a directory, which is created if it is missing. The cache has no limits: see
    /// [`builder`](FileCache::builder) for limits.
    ///
    /// # Errors
    /// Returns an error as [`FileCacheBuilder::open`] does.
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

    /// Returns a builder for a cache in a directory.
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
        FileCacheBuilder::new(dir.into())
    }

    /// Returns the cache's directory, as an absolute path.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Releases a lease on a file that this handle returned: the file may be evicted again, and is evicted at
    /// once if a limit is exceeded. A file that was returned several times must be released as often.
    ///
    /// Returns whether this handle held a lease on it.
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
        self.release_waiting(path.as_ref(), &self.waiting())
    }

    /// Removes every file without a lease of any handle or process, and every part file that is not being
    /// written. Returns the number of freed bytes.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked or written, or if a file can't be removed. The other
    /// files are removed anyway.
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
        self.release_queued();
        self.clear_waiting(&self.waiting())
    }

    /// Returns what is in the cache, and the hits and misses of this handle.
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
        self.release_queued();
        let refreshed = self.state().index.refresh();
        let refreshed = match refreshed {
            // There is no index: this creates one.
            Ok(false) if self.lock().is_ok() => self.exclusive(&self.waiting()).map(drop),
            refreshed => refreshed.map(drop),
        };
        if let Err(error) = refreshed {
            warn!(dir = %self.0.dir.display(), %error, "the file cache can't be read: its statistics may be outdated");
        }
        let part_bytes = self.0.parts.all().iter().map(|part| part.bytes).sum();
        let (hits, misses) = (self.0.hits.load(Ordering::Relaxed), self.0.misses.load(Ordering::Relaxed));
        CacheStatistics { part_bytes, hits, misses, ..self.state().statistics() }
    }

    /// Returns the key of a URL's file. The URL is absolute, in the form of [`Url`](reqwest::Url).
    pub(crate) fn key(&self, url: &str, tenant: &[u8]) -> CacheKey {
        self.0.key.key(url, tenant, &self.0.namespace)
    }
}

impl fmt::Debug for FileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCache")
            .field("dir", &self.0.dir)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
