//! The cache's work in async calls: it runs on blocking threads, and stops waiting for locks when the call is
//! dropped.

use super::lock::Waiting;
use super::{CacheKey, DownloadLock, FileCache, FileCacheBuilder};
use crate::error::Result;
use crate::runtime::blocking::blocking;

impl FileCache {
    /// Runs work on a blocking thread. If this future is dropped, the work stops waiting for locks.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FileCache, &Waiting) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (cache, waiting) = (self.clone(), self.waiting());
        let _give_up = waiting.give_up_on_drop();
        blocking(move || work(&cache, &waiting)).await?
    }

    /// Locks the download of a file. Other calls of this handle don't download it meanwhile.
    pub(crate) async fn lock_download(&self, key: &CacheKey) -> DownloadLock {
        self.0.download_locks.lock(key).await
    }

    /// Works as [`lock_download`](FileCache::lock_download), without waiting; `None` if another call has
    /// locked it.
    pub(crate) fn try_lock_download(&self, key: &CacheKey) -> Option<DownloadLock> {
        self.0.download_locks.try_lock(key)
    }
}

impl FileCacheBuilder {
    /// Works as [`open`](FileCacheBuilder::open). If this future is dropped, it stops waiting for locks.
    pub(crate) async fn open_async(self) -> Result<FileCache> {
        let waiting = self.waiting();
        let _give_up = waiting.give_up_on_drop();
        blocking(move || self.open_waiting(&waiting)).await?
    }
}
