//! [`FileCache`]: downloaded files on disk, shared by every handle and process that opens the same directory.

mod adding;
mod apart;
mod builder;
mod cleaning;
mod directory;
mod eviction;
mod file_record;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod in_progress;
mod index;
mod journal_line;
mod key;
mod lease;
mod leases;
mod lock;
mod lookup;
mod naming;
mod parts;
mod released;
mod sessions;
mod signed_url;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod variants;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

pub(crate) use adding::{AddedFile, FileGone, NewFile};
pub use builder::FileCacheBuilder;
pub(crate) use file_record::{Digest, Expected, FileRecord, Validators};
pub(crate) use in_progress::Alone;
pub(crate) use key::CacheKey;
pub(crate) use lease::Lease;
pub(crate) use lock::Waiting;
pub(crate) use lookup::Found;
pub(crate) use signed_url::default_key;

use crate::error::Result;
use eviction::CacheLimits;
use in_progress::InProgress;
use key::KeyBy;
use lock::CacheLock;
use parts::PartFiles;
use released::Released;
use state::State;
use variants::Variants;

/// Where the cache keeps what isn't a downloaded file.
const CONTROL: &str = ".cache";

/// Downloaded files in a directory, which outlive the process and are shared with others: any number of
/// handles and processes may open the same directory at a time.
///
/// Files come into it by [`download_to`](crate::BackendClient::download_to), in the place of an answer's
/// URLs, and by [`Download::cached`](crate::Download::cached), one by one.
///
/// # Which file it is
///
/// Files are told apart by their whole URL (scheme, host, port, path and query), by the client's
/// [tenant](crate::BackendClientBuilder::tenant) and by the cache's [namespace](FileCacheBuilder::namespace),
/// which keeps accounts apart that share a tenant. A call's own headers make no difference, but for a tenant.
///
/// Left out of the URL is only what signs it, where all parameters of a known scheme are there, each once:
/// - version 4: a signature and an expiry of one prefix, `X-Amz-Signature` and `X-Amz-Expires` of Amazon S3
///   say (`X-Goog-` of Google, `x-oss-` of Alibaba, and others alike), and with them the scheme's other
///   parameters of that prefix;
/// - version 2: `Signature` and `Expires` with `AWSAccessKeyId`, `GoogleAccessId`, `OSSAccessKeyId` or
///   `AccessKeyId`;
/// - Azure: `sv` and `sig` with `se` or `si`, and with `sr` or `ss` and `srt`; CloudFront: `Key-Pair-Id` and
///   `Signature` with `Expires` or `Policy`; Tencent COS: all that begin with `q-`.
///
/// Beside a signature, parameters that choose a response's headers (`response-content-type`, say) are left
/// out, too, but for the one of its encoding. For other schemes there are
/// [`key_by_path`](FileCacheBuilder::key_by_path) and [`key`](FileCacheBuilder::key).
///
/// A file is a hit if it is there with the size that it was stored with, and has the size and the digest that
/// its entry tells, where there are any. A digest that isn't known yet is computed once. If the entry
/// contradicts it, or the server says that it changed ([`revalidate`](crate::CachedDownload::revalidate)), it
/// is downloaded anew, to another path: what somebody holds is never changed, and goes when nobody holds it
/// any more.
///
/// # What is held
///
/// A clone is the same handle. What a handle hands out, it holds: no eviction and no
/// [`clear`](FileCache::clear), of this or another process, removes the file before the handle's last clone
/// is dropped, or [`release`](FileCache::release) says that it may go, or the process ends, however it ends.
/// So a cache in which everything is held exceeds its limits rather than take away a file that is in use.
///
/// # The directory
///
/// The files must not be changed: change a copy. The directory is to hold nothing else, on a file system that
/// has file locks. Its directories must be real ones, and its files regular files with one name: symbolic
/// links, hard links, pipes and the like aren't used, and neither is what belongs to another user, where
/// everybody may write.
///
/// To hold a file takes some bytes of space: on a full disk a hit is an error, too.
///
/// A directory that can't be written (a read-only medium, another user's) still serves what is in it, without
/// holding it; what isn't in it fails before the download.
///
/// Its methods block on the file system: in an async program call them where that may be. None waits for
/// another process's lock for longer than [`lock_timeout`](FileCacheBuilder::lock_timeout).
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
    in_progress: InProgress,
    variants: Mutex<Variants>,
    released: Released,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What may be done in the directory.
enum Access {
    Full(CacheLock),
    /// Why it can't be written.
    ReadOnly(String),
}

/// What is in a [`FileCache`], and what became of what one handle was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Files in the cache, whoever put them there.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Bytes of files that are being downloaded, or whose download broke off.
    pub part_bytes: u64,
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
        FileCacheBuilder::new(dir.into())
    }

    /// The cache's directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Says that a file which this handle handed out isn't needed any more: it may be evicted again, and is
    /// at once where a limit is exceeded. What was handed out several times is to be released as often.
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
        self.release_waiting(path.as_ref(), &self.waiting())
    }

    /// Removes every file that no handle, of this or another process, holds, and every part that nobody
    /// writes. Returns how many bytes were freed.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked or written, or if a file can't be removed; the others
    /// are removed all the same.
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
        self.release_gathered();
        self.clear_waiting(&self.waiting())
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
        self.release_gathered();
        let refreshed = self.state().index.refresh();
        let refreshed = match refreshed {
            // There is no index: one is made.
            Ok(false) if self.lock().is_ok() => self.exclusive(&self.waiting()).map(drop),
            refreshed => refreshed.map(drop),
        };
        if let Err(error) = refreshed {
            warn!(dir = %self.0.dir.display(), %error, "the file cache's statistics are as they were last known");
        }
        let part_bytes = self.0.parts.all().iter().map(|part| part.bytes).sum();
        let (hits, misses) = (self.0.hits.load(Ordering::Relaxed), self.0.misses.load(Ordering::Relaxed));
        CacheStatistics { part_bytes, hits, misses, ..self.state().statistics() }
    }

    /// What a URL's file is known by. The URL is absolute, in the form of [`Url`](reqwest::Url).
    pub(crate) fn key(&self, url: &str, tenant: &[u8]) -> CacheKey {
        self.0.key.key(url, tenant, &self.0.namespace)
    }

    fn variants(&self) -> MutexGuard<'_, Variants> {
        self.0.variants.lock().unwrap_or_else(PoisonError::into_inner)
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
