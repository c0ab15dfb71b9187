//! [`Discarded`]: downloaded files that nobody was given the paths of, on the way back to their cache.

use std::sync::{Arc, Mutex, PoisonError};

use crate::blocking::drop_apart;
use crate::file_cache::FileCache;

/// Files that are to be released. All that come while a thread is waited for are released together.
#[derive(Default)]
pub(super) struct Discarded(Mutex<Vec<String>>);

impl Discarded {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Releases a file where that may block: it waits for other processes.
    pub(super) fn add(self: &Arc<Self>, cache: &FileCache, path: &str) {
        let is_first = {
            let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            paths.push(path.to_owned());
            paths.len() == 1
        };
        if is_first {
            drop_apart(Release(self.clone(), cache.clone()));
        }
    }
}

/// Releases the files when it is dropped.
struct Release(Arc<Discarded>, FileCache);

impl Drop for Release {
    fn drop(&mut self) {
        for path in self.0.take() {
            self.1.release(path);
        }
    }
}
