//! The cache's work in async calls: it runs on blocking threads, and stops waiting for locks when the call is
//! dropped.

use super::lock::Waiting;
use super::{FileCache, FileCacheBuilder};
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
}

impl FileCacheBuilder {
    /// Works as [`open`](FileCacheBuilder::open). If this future is dropped, it stops waiting for locks.
    pub(crate) async fn open_async(self) -> Result<FileCache> {
        let waiting = self.waiting();
        let _give_up = waiting.give_up_on_drop();
        blocking(move || self.open_waiting(&waiting)).await?
    }
}
