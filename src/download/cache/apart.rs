//! The cache's work in asynchronous calls: on threads where it may block, and only as long as somebody waits
//! for it.

use super::lock::Waiting;
use super::{Alone, CacheKey, FileCache, FileCacheBuilder};
use crate::error::Result;
use crate::runtime::blocking::blocking;

impl FileCache {
    /// Does work on a thread where it may block. If this is dropped, it waits for no lock any more.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FileCache, &Waiting) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (cache, waiting) = (self.clone(), self.waiting());
        let _give_up = waiting.give_up_on_drop();
        blocking(move || work(&cache, &waiting)).await?
    }

    /// Keeps the other calls of this handle from downloading the same file.
    pub(crate) async fn alone(&self, key: &CacheKey) -> Alone {
        self.0.in_progress.alone(key).await
    }

    /// As [`alone`](FileCache::alone), without waiting; `None` if another call has it.
    pub(crate) fn alone_at_once(&self, key: &CacheKey) -> Option<Alone> {
        self.0.in_progress.alone_at_once(key)
    }
}

impl FileCacheBuilder {
    /// As [`open`](FileCacheBuilder::open). If this is dropped, it waits for no lock any more.
    pub(crate) async fn open_apart(self) -> Result<FileCache> {
        let waiting = self.waiting();
        let _give_up = waiting.give_up_on_drop();
        blocking(move || self.open_waiting(&waiting)).await?
    }
}
