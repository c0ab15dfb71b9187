//! A download through a cache: from it where the file is there and what it should be, else into it.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::checksum::{Checksum, Hasher};
use super::engine::absolute;
use super::many::Told;
use super::watch::Watch;
use super::{Download, Downloaded, checked, tenant};
use crate::blocking::blocking;
use crate::deadline::within;
use crate::error::{Error, Result};
use crate::file_cache::{CacheKey, Content, Digest, Expected, Facts, FileCache, Found, Lease, NewFile, Validators};
use crate::file_url::is_data_uri;

/// Bytes of a file in the cache that are hashed at once.
const HASHED_AT_ONCE: u64 = 64 << 20;

/// After so many bytes of a file that comes the cache's limits are looked at again: a part of the limit, within these bounds.
const LOOKS: u64 = 16;
const LEAST: u64 = 1 << 20;
const MOST: u64 = 64 << 20;

/// How files go through a cache.
pub(super) struct ThroughCache<'a> {
    pub(super) cache: &'a FileCache,
    /// The server is asked whether what is there is what it has.
    pub(super) revalidate: bool,
    /// For so many files as are downloaded at a time.
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) told: Option<&'a Arc<Told>>,
}

/// A file of the cache.
pub(super) struct Cached {
    pub(super) lease: Lease,
    /// It was there.
    pub(super) is_hit: bool,
}

impl ThroughCache<'_> {
    /// The file, held.
    pub(super) async fn get(&self, mut download: Download) -> Result<Cached> {
        checked(&download.download, &download.options)?;
        let is_inline = is_data_uri(download.url.trim_start());
        let tenant = match is_inline {
            true => {
                download.url = download.url.trim().to_owned();
                None
            }
            false => {
                let url = absolute(&download.client, &download.url)?;
                let tenant = tenant(&download.client, &download.options, &url).await?;
                download.url = url.into();
                tenant
            }
        };
        let key = self.cache.key(&download.url, tenant.as_deref().unwrap_or_default());
        let checksum = download.download.checksum.clone();
        let digest = checksum.as_ref().and_then(|checksum| Digest::new(checksum.hex()));
        // The entry's digest tells as much as the server would.
        let must_ask = self.revalidate && digest.is_none() && !is_inline;
        let wanted = Wanted { key, expected: Expected { size: download.download.size, digest }, checksum };

        let mut found = self.look(&wanted, &download).await?;
        if !must_ask && let Some(lease) = found {
            return Ok(self.hit(lease));
        }
        let waiting = "waiting for another download of the file";
        let alone = within(download.options.deadline(), waiting, self.cache.alone(&wanted.key)).await?;
        let (permit, queued) = match &self.permits {
            None => (None, false),
            Some(permits) => match permits.clone().try_acquire_owned() {
                Ok(permit) => (Some(permit), false),
                Err(_) => (permits.clone().acquire_owned().await.ok(), true),
            },
        };
        if alone.waited || queued {
            found = self.look(&wanted, &download).await?;
            // Whoever was waited for has asked.
            if (alone.waited || !must_ask)
                && let Some(lease) = found
            {
                return Ok(self.hit(lease));
            }
        }
        let cached = self.download(download, &wanted, found).await;
        drop((alone, permit));
        cached
    }

    fn hit(&self, lease: Lease) -> Cached {
        self.cache.count(true);
        if let Some(told) = self.told {
            told.was_there();
        }
        Cached { lease, is_hit: true }
    }

    /// The file, held, if it is there and what it should be.
    async fn look(&self, wanted: &Wanted, download: &Download) -> Result<Option<Lease>> {
        let look = async {
            let (key, expected) = (wanted.key.clone(), wanted.expected.clone());
            match self.cache.apart(move |cache, waiting| cache.find(&key, &expected, waiting)).await? {
                Found::Here(lease) => Ok(Some(lease)),
                Found::Unverified(lease) => self.verified(lease, wanted).await,
                Found::Missing => Ok(None),
            }
        };
        within(download.options.deadline(), "looking for the file in the file cache", look).await?
    }

    /// Looks for the first time whether a file has the digest that is expected.
    async fn verified(&self, lease: Lease, wanted: &Wanted) -> Result<Option<Lease>> {
        let (Some(checksum), Some(digest)) = (&wanted.checksum, wanted.expected.digest.clone()) else { return Ok(Some(lease)) };
        let (lease, modified, hasher) = hashed(lease, checksum).await?;
        if checksum.problem(hasher).is_some() {
            return Ok(None);
        }
        let keep = move |cache: &FileCache, waiting: &_| {
            cache.keep_digest(&lease, digest, modified, waiting);
            Ok(lease)
        };
        self.cache.apart(keep).await.map(Some)
    }

    /// Downloads the file; unless the server says that the one that was `found` is what it has.
    async fn download(&self, mut download: Download, wanted: &Wanted, found: Option<Lease>) -> Result<Cached> {
        let (key, expected) = (wanted.key.clone(), wanted.expected.clone());
        let options = &mut download.options;
        let prepare = self.cache.apart(move |cache, waiting| {
            let mut new = cache.prepare(&key, expected.size, waiting)?;
            // Another process may have brought it since it was looked for.
            if found.is_none() && !new.is_first() {
                if let Found::Here(lease) = cache.find(&key, &expected, waiting)? {
                    return Ok(Prepared::Here(lease));
                }
                new = cache.prepare(&key, expected.size, waiting)?;
            }
            let validators = found.as_ref().map(|lease| cache.validators(lease));
            Ok(Prepared::ToDownload(new, found, validators))
        });
        let prepared = within(options.deadline(), "looking for room in the file cache", prepare).await??;
        let (new, found, validators) = match prepared {
            Prepared::Here(lease) => return Ok(self.hit(lease)),
            Prepared::ToDownload(new, found, validators) => (new, found, validators),
        };
        if let Some((name, value)) = validators.and_then(|validators| validators.precondition()) {
            options.set_header(name.as_str(), &value);
        }
        let watch = Watch::default();
        download.download.in_cache = Some((self.cache.parts_directory().to_owned(), watch.clone()));
        download.download.max_size = self.cache.largest_file();
        self.keep_limits_meanwhile(&mut download);
        let path = new.path().to_owned();
        let deadline = download.options.deadline();
        let downloaded = match self.told {
            Some(told) => told.following(download, path).await,
            None => download.to(path).await,
        };
        match (downloaded, found) {
            (Ok(downloaded), _) => {
                self.cache.count(false);
                let content = wanted.content(&downloaded, &watch);
                let added = self.cache.apart(move |cache, waiting| cache.added(&new, &content, waiting));
                let lease = within(deadline, "adding the file to the file cache", added).await??;
                Ok(Cached { lease, is_hit: false })
            }
            (Err(error), Some(lease)) if error.status() == Some(StatusCode::NOT_MODIFIED) => Ok(self.hit(lease)),
            (Err(error), _) => {
                self.cache.count(false);
                // What came of it counts.
                let evicted = self.cache.apart(|cache, waiting| {
                    cache.evict(waiting);
                    Ok(())
                });
                let _ = within(deadline, "keeping the file cache's limits", evicted).await;
                Err(error)
            }
        }
    }

    /// Looks now and then at the cache's limits while a large file comes.
    fn keep_limits_meanwhile(&self, download: &mut Download) {
        let Some(most) = self.cache.largest_file() else { return };
        let step = (most / LOOKS).clamp(LEAST, MOST);
        let (cache, told) = (self.cache.clone(), download.download.on_progress.take());
        let (next, busy) = (AtomicU64::new(step), Arc::new(AtomicBool::new(false)));
        download.download.on_progress = Some(Arc::new(move |progress| {
            if progress.bytes_received >= next.load(Ordering::Relaxed) {
                next.store(progress.bytes_received.saturating_add(step), Ordering::Relaxed);
                if let (Ok(runtime), false) = (Handle::try_current(), busy.swap(true, Ordering::Relaxed)) {
                    let (cache, busy) = (cache.clone(), busy.clone());
                    runtime.spawn_blocking(move || {
                        cache.evict_briefly();
                        busy.store(false, Ordering::Relaxed);
                    });
                }
            }
            if let Some(told) = &told {
                told(progress);
            }
        }));
    }
}

/// What a last look before a download gives.
enum Prepared {
    Here(Lease),
    /// Where the file is to be put; and the one that is there, if the server is asked whether it is what it has.
    ToDownload(NewFile, Option<Lease>, Option<Validators>),
}

/// Which file is wanted.
struct Wanted {
    key: CacheKey,
    expected: Expected,
    checksum: Option<Checksum>,
}

impl Wanted {
    /// What is known of the file that came.
    fn content(&self, downloaded: &Downloaded, watch: &Watch) -> Content {
        let bytes = downloaded.bytes;
        let watched = watch.learned();
        let facts = watched.validators.map(|validators| {
            // The server may tell the size of what it stores, which comes compressed.
            let told_size = self.expected.size.filter(|size| *size != bytes);
            Facts::new(validators, told_size, self.expected.digest.clone())
        });
        Content { bytes, id: watched.id, facts }
    }
}

/// Hashes a file of the cache, and tells when it was modified. Piece by piece, so that what is given up doesn't go on.
async fn hashed(lease: Lease, checksum: &Checksum) -> Result<(Lease, Option<u64>, Hasher)> {
    let cant_read = |lease: &Lease, error| Error::file(lease.path(), "the file can't be read from the file cache", error);
    let open = move || lease.open().map_err(|error| cant_read(&lease, error)).map(|opened| (lease, opened));
    let (mut lease, (mut file, modified)) = blocking(open).await??;
    let mut hasher = checksum.hasher();
    let mut hashed = 0;
    while hashed < lease.bytes() {
        let hash = move || -> io::Result<_> {
            hasher.read((&mut file).take(HASHED_AT_ONCE))?;
            Ok((file, hasher))
        };
        let piece = move || hash().map_err(|error| cant_read(&lease, error)).map(|done| (lease, done));
        (lease, (file, hasher)) = blocking(piece).await??;
        hashed += HASHED_AT_ONCE;
    }
    Ok((lease, modified, hasher))
}
