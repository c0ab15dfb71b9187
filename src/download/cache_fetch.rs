//! Gets a file through a cache: returns it from the cache if it is there and valid, or downloads it into it.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::{StatusCode, Url};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Download;
use super::digest::{ExpectedDigest, Hasher};
use super::many::BatchReporter;
use super::part_location::PartLocation;
use super::pending_entry::{CacheRequest, PendingEntry};
use super::writer::Writer;
use crate::download::cache::{
    CacheKey, CachedDigest, DownloadLock, Expected, FileCache, Found, Lease, Validators, Waiting,
};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::blocking::blocking;
use crate::runtime::deadline::within;

/// Number of bytes of a file in the cache that are hashed at a time.
const HASH_CHUNK: u64 = 64 << 20;

/// While a large file is downloaded, the cache's limits are checked at intervals. The interval in bytes is
/// `max_bytes` divided by `LIMIT_CHECKS`, clamped to `MIN_CHECK_BYTES` and `MAX_CHECK_BYTES`.
const LIMIT_CHECKS: u64 = 16;
const MIN_CHECK_BYTES: u64 = 1 << 20;
const MAX_CHECK_BYTES: u64 = 64 << 20;

/// How often a file is downloaded if another download stored it and it was removed again.
const MAX_ATTEMPTS: u32 = 4;

/// What a call needs to download a file: no other call downloads it meanwhile, and the permit counts
/// towards the limit of concurrent downloads.
type DownloadSlot = (DownloadLock, Option<OwnedSemaphorePermit>);

/// How files are fetched through a cache.
pub(super) struct CacheFetch<'a> {
    pub(super) cache: &'a FileCache,
    /// Ask the server whether the cached file is still current.
    pub(super) revalidate: bool,
    /// Limits the number of concurrent downloads.
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) batch: Option<&'a Arc<BatchReporter>>,
}

/// A file in the cache.
pub(super) struct FetchedFile {
    pub(super) lease: Lease,
    /// It was already in the cache.
    pub(super) is_hit: bool,
}

impl CacheFetch<'_> {
    /// Returns the file with a lease on it.
    pub(super) async fn get(&self, mut download: Download) -> Result<FetchedFile> {
        let (url, tenant) = download.source().await?;
        if url.is_none() {
            download.url = download.url.trim().to_owned();
        }
        let text = url.as_ref().map_or(&*download.url, Url::as_str);
        let key = self.cache.key(text, tenant.as_deref().unwrap_or_default());
        let checksum = download.download.checksum.clone();
        let digest = checksum.as_ref().and_then(|checksum| CachedDigest::new(&checksum.hex));
        // A digest makes asking the server unnecessary.
        let must_ask = self.revalidate && digest.is_none() && url.is_some();
        let request =
            CacheRequest { key, expected: Expected { size: download.download.size, digest }, checksum };

        let mut again = !must_ask && !self.cache.may_have(&request.key);
        let mut found = None;
        if !again {
            found = self.look_up(&request, &download).await?;
            if !must_ask && let Some(lease) = found {
                return Ok(self.hit(lease));
            }
        }
        let _slot = match self.try_acquire_slot(&request.key) {
            Some(slot) => slot,
            None => {
                // A file that is in the cache must not wait for other downloads.
                if again && let Some(lease) = self.look_up(&request, &download).await? {
                    return Ok(self.hit(lease));
                }
                let waiting = "waiting for another download of the file";
                let slot =
                    within(download.options.deadline(), waiting, self.acquire_slot(&request.key)).await?;
                match must_ask {
                    true => found = self.look_up(&request, &download).await?,
                    false => again = true,
                }
                slot
            }
        };
        self.download(download, url, request, FirstLookup { found, again }).await
    }

    /// Locks the download of the file and takes a permit. `None` if it would have to wait for others.
    fn try_acquire_slot(&self, key: &CacheKey) -> Option<DownloadSlot> {
        let lock = self.cache.try_lock_download(key)?;
        let permit = match &self.permits {
            Some(permits) => Some(permits.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some((lock, permit))
    }

    async fn acquire_slot(&self, key: &CacheKey) -> DownloadSlot {
        let lock = self.cache.lock_download(key).await;
        let permit = match &self.permits {
            // The semaphore is never closed.
            Some(permits) => permits.clone().acquire_owned().await.ok(),
            None => None,
        };
        (lock, permit)
    }

    fn hit(&self, lease: Lease) -> FetchedFile {
        self.cache.count(true);
        if let Some(batch) = self.batch {
            batch.cached();
        }
        FetchedFile { lease, is_hit: true }
    }

    /// Returns the file with a lease on it, if it is in the cache and valid.
    async fn look_up(&self, request: &CacheRequest, download: &Download) -> Result<Option<Lease>> {
        let lookup = async {
            let (key, expected) = (request.key.clone(), request.expected.clone());
            match self.cache.run_blocking(move |cache, waiting| cache.find(&key, &expected, waiting)).await? {
                Found::Here(lease) => Ok(Some(lease)),
                Found::Unverified(lease) => self.verified(lease, request).await,
                Found::Missing => Ok(None),
            }
        };
        within(download.options.deadline(), "looking for the file in the file cache", lookup).await?
    }

    /// Computes the digest of a file for the first time and compares it with the expected one.
    async fn verified(&self, lease: Lease, request: &CacheRequest) -> Result<Option<Lease>> {
        let (Some(checksum), Some(digest)) = (&request.checksum, request.expected.digest.clone()) else {
            return Ok(Some(lease));
        };
        let (lease, modified, hasher) = hashed(lease, checksum).await?;
        if checksum.problem(hasher).is_some() {
            return Ok(None);
        }
        let keep = move |cache: &FileCache, waiting: &_| {
            cache.keep_digest(&lease, digest, modified, waiting);
            Ok(lease)
        };
        self.cache.run_blocking(keep).await.map(Some)
    }

    /// Downloads the file, unless the server responds that the file that was found is current.
    async fn download(
        &self,
        download: Download,
        url: Option<Url>,
        request: CacheRequest,
        mut first_lookup: FirstLookup,
    ) -> Result<FetchedFile> {
        // Starts here: the caller already accounts for the time spent waiting for others.
        let deadline = download.options.deadline();
        let mut attempts = 0;
        loop {
            let mut download = download.clone();
            download.options.end_by(deadline);
            if let Some(cached) = self.download_once(download, url.clone(), &request, first_lookup).await? {
                return Ok(cached);
            }
            attempts += 1;
            if attempts == MAX_ATTEMPTS {
                let message = format!(
                    "the file was removed {MAX_ATTEMPTS} times right after another download had added it: the file cache is too small; raise its limits"
                );
                return Err(Error::new(ErrorKind::Io, message));
            }
            first_lookup = FirstLookup { found: None, again: true };
        }
    }

    /// Works as [`download`](CacheFetch::download). `None` if another download stored the file and it is
    /// gone again.
    async fn download_once(
        &self,
        mut download: Download,
        url: Option<Url>,
        request: &CacheRequest,
        mut first_lookup: FirstLookup,
    ) -> Result<Option<FetchedFile>> {
        let waiting = self.cache.waiting();
        let _give_up = waiting.give_up_on_drop();
        let deadline = download.options.deadline();
        let begin = |first_lookup: FirstLookup| {
            let (request, waiting) = (request.clone(), waiting.again());
            let last_lookup =
                self.cache.run_blocking(move |cache, _| begin(cache, &request, first_lookup, waiting));
            within(deadline, "preparing the download in the file cache", last_lookup)
        };
        let (last_lookup, found) = loop {
            match begin(first_lookup).await?? {
                LastLookup::Here(lease) => return Ok(Some(self.hit(lease))),
                LastLookup::Unverified(lease) => {
                    let verified = self.verified(lease, request);
                    let verified =
                        within(deadline, "looking for the file in the file cache", verified).await??;
                    if let Some(lease) = verified {
                        return Ok(Some(self.hit(lease)));
                    }
                    first_lookup = FirstLookup { found: None, again: false };
                }
                LastLookup::ToDownload(last_lookup, found) => break (*last_lookup, found),
            }
        };
        let ToDownload { pending_entry, location, opened, validators } = last_lookup;
        if let Some((name, value)) = validators.and_then(|validators| validators.precondition()) {
            download = download.header(name, value);
        }
        download.download.in_cache = Some(pending_entry.clone());
        download.download.max_size = self.cache.largest_file();
        self.check_limits_meanwhile(&mut download);
        let downloaded = match self.batch {
            Some(batch) => {
                batch.following(download, |download| download.into_place(url, location, opened)).await
            }
            None => download.into_place(url, location, opened).await,
        };
        match (downloaded, found) {
            (Ok(downloaded), _) => {
                let lease = match pending_entry.added() {
                    Some(added) => Some(added),
                    None => {
                        let added = blocking(move || pending_entry.add_existing(downloaded.bytes));
                        within(deadline, "adding the file to the file cache", added).await???
                    }
                };
                Ok(lease.map(|lease| {
                    self.cache.count(false);
                    FetchedFile { lease, is_hit: false }
                }))
            }
            (Err(error), Some(lease)) if error.status() == Some(StatusCode::NOT_MODIFIED) => {
                Ok(Some(self.hit(lease)))
            }
            (Err(error), _) => {
                self.cache.count(false);
                // The part file that remains counts towards the limits.
                let evicted = self.cache.run_blocking(|cache, waiting| {
                    cache.evict(waiting);
                    Ok(())
                });
                let _ = within(deadline, "keeping the file cache's limits", evicted).await;
                Err(error)
            }
        }
    }

    /// Checks the cache's limits at intervals while a large file is downloaded.
    fn check_limits_meanwhile(&self, download: &mut Download) {
        let Some(most) = self.cache.largest_file() else { return };
        let step = (most / LIMIT_CHECKS).clamp(MIN_CHECK_BYTES, MAX_CHECK_BYTES);
        let (cache, callback) = (self.cache.clone(), download.download.on_progress.take());
        let (next, busy) = (AtomicU64::new(step), Arc::new(AtomicBool::new(false)));
        download.download.on_progress = Some(Arc::new(move |progress| {
            if progress.bytes_received >= next.load(Ordering::Relaxed) {
                next.store(progress.bytes_received.saturating_add(step), Ordering::Relaxed);
                if let (Ok(runtime), false) = (Handle::try_current(), busy.swap(true, Ordering::Relaxed)) {
                    let (cache, busy) = (cache.clone(), busy.clone());
                    runtime.spawn_blocking(move || {
                        cache.evict_with_short_wait();
                        busy.store(false, Ordering::Relaxed);
                    });
                }
            }
            if let Some(callback) = &callback {
                callback(progress);
            }
        }));
    }
}

/// The result of the lookup before a download.
struct FirstLookup {
    /// The file that was found, if the server is to be asked whether it is current.
    found: Option<Lease>,
    /// Look up the file again, or for the first time.
    again: bool,
}

/// The result of the last lookup before a download.
enum LastLookup {
    Here(Lease),
    /// The file is there, but its digest must be verified.
    Unverified(Lease),
    /// The file must be downloaded. With the cached file, if the server is to be asked whether it is current.
    ToDownload(Box<ToDownload>, Option<Lease>),
}

/// A file that must be downloaded.
struct ToDownload {
    pending_entry: PendingEntry,
    location: PartLocation,
    /// Its part, unless another download holds it.
    opened: Option<Writer>,
    validators: Option<Validators>,
}

/// Looks up the file, and opens its part if it isn't there. Blocks.
fn begin(
    cache: &FileCache,
    request: &CacheRequest,
    first_lookup: FirstLookup,
    waiting: Waiting,
) -> Result<LastLookup> {
    let FirstLookup { found, again } = first_lookup;
    let CacheRequest { key, expected, .. } = request;
    if again {
        match cache.find(key, expected, &waiting)? {
            Found::Here(lease) => return Ok(LastLookup::Here(lease)),
            Found::Unverified(lease) => return Ok(LastLookup::Unverified(lease)),
            Found::Missing => {}
        }
    }
    let mut new = cache.prepare(key, expected.size, &waiting)?;
    // Another process may have added it since the lookup.
    if found.is_none() && !new.is_first() {
        if let Found::Here(lease) = cache.find(key, expected, &waiting)? {
            return Ok(LastLookup::Here(lease));
        }
        new = cache.prepare(key, expected.size, &waiting)?;
    }
    let validators = found.as_ref().map(|lease| cache.validators(lease));
    let is_first = new.is_first();
    let pending_entry = PendingEntry::new(cache, request.clone(), new, waiting.again());
    let (location, opened) = pending_entry.open()?;
    // Another process may have finished it before its part was opened. Then the part is a new one.
    if found.is_none()
        && is_first
        && opened.as_ref().is_some_and(Writer::is_new)
        && !cache.prepare(key, expected.size, &waiting)?.is_first()
        && let Found::Here(lease) = cache.find(key, expected, &waiting)?
    {
        return Ok(LastLookup::Here(lease));
    }
    Ok(LastLookup::ToDownload(Box::new(ToDownload { pending_entry, location, opened, validators }), found))
}

/// Hashes a file in the cache and returns when it was modified. Hashes chunk by chunk, so that the work stops
/// when the call is dropped.
async fn hashed(lease: Lease, checksum: &ExpectedDigest) -> Result<(Lease, Option<u64>, Hasher)> {
    let cant_read =
        |lease: &Lease, error| Error::file(lease.path(), "the file can't be read from the file cache", error);
    let open = move || lease.open().map_err(|error| cant_read(&lease, error)).map(|opened| (lease, opened));
    let (mut lease, (mut file, modified)) = blocking(open).await??;
    let mut hasher = checksum.hasher();
    let mut hashed = 0;
    while hashed < lease.bytes() {
        let hash = move || -> io::Result<_> {
            hasher.read((&mut file).take(HASH_CHUNK))?;
            Ok((file, hasher))
        };
        let chunk = move || hash().map_err(|error| cant_read(&lease, error)).map(|done| (lease, done));
        (lease, (file, hasher)) = blocking(chunk).await??;
        hashed += HASH_CHUNK;
    }
    Ok((lease, modified, hasher))
}
