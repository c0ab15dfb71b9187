//! Looks up a file and returns a lease on it.

use std::sync::atomic::Ordering;

use tracing::warn;

use super::file_record::{CachedDigest, Expected, Validators};
use super::lock::Waiting;
use super::state::Lookup;
use super::{Access, CacheKey, FileCache, Lease};
use crate::error::Result;

/// The result of a lookup.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is in the cache.
    Here(Lease),
    /// It is in the cache, but its digest must be compared with the expected one.
    Unverified(Lease),
    /// It isn't in the cache, or doesn't match what is expected.
    Missing,
}

impl FileCache {
    /// Looks up a file. Returns a lease on it if it exists, is complete and matches what is expected.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked, read or written.
    pub(crate) fn find(&self, key: &CacheKey, expected: &Expected, waiting: &Waiting) -> Result<Found> {
        let is_read_only = matches!(self.0.access, Access::ReadOnly(_));
        {
            let mut state = self.state();
            let is_new = state.index.refresh()?;
            let is_leased = state.is_newest_leased_here(key.hash);
            let is_known = is_leased || is_new;
            if is_leased || is_read_only {
                let looked = if is_known { state.look(key.hash, expected)? } else { Lookup::Missing };
                if is_read_only || matches!(looked, Lookup::Here { .. }) {
                    return Ok(self.found(looked));
                }
                // With a newer index the result may differ.
            } else if is_known && state.index.newest(key.hash).is_none() {
                return Ok(Found::Missing);
            }
        }
        let looked = self.shared(waiting)?.state.look(key.hash, expected)?;
        if !matches!(looked, Lookup::Damaged(_)) {
            return Ok(self.found(looked));
        }
        // Another process may have replaced the file: only under the exclusive lock is it certain that the
        // file is recorded.
        let mut locked = self.exclusive(waiting)?;
        let looked = locked.state.look(key.hash, expected)?;
        if let Lookup::Damaged(hash) = looked {
            locked.state.index.remove(&[hash])?;
        }
        drop(locked);
        Ok(self.found(looked))
    }

    fn found(&self, looked: Lookup) -> Found {
        match looked {
            Lookup::Here { path, bytes, is_verified } => {
                let lease = Lease::new(self.clone(), path, bytes);
                if is_verified { Found::Here(lease) } else { Found::Unverified(lease) }
            }
            Lookup::Contradicts | Lookup::Damaged(_) | Lookup::Missing => Found::Missing,
        }
    }

    /// Returns the validators of a leased file.
    pub(crate) fn validators(&self, lease: &Lease) -> Validators {
        let mut state = self.state();
        // If it fails, the server is asked for the whole file.
        let _ = state.index.refresh();
        let stamp = lease.open().ok().and_then(|(_, stamp)| stamp);
        let file_record = state.hash_of(lease.path()).map(|hash| state.index.file_record(hash, stamp));
        file_record.unwrap_or_default().validators
    }

    /// Stores the computed digest of a leased file, so that it isn't computed again. If it can't be stored,
    /// it is computed again next time.
    pub(crate) fn keep_digest(
        &self,
        lease: &Lease,
        digest: CachedDigest,
        modified: Option<u64>,
        waiting: &Waiting,
    ) {
        if modified.is_none() || matches!(self.0.access, Access::ReadOnly(_)) {
            return;
        }
        let keep = || -> Result<()> {
            let mut locked = self.shared(waiting)?;
            let Some(hash) = locked.state.hash_of(lease.path()) else { return Ok(()) };
            let mut file_record = locked.state.index.file_record(hash, modified);
            file_record.stamp = modified;
            file_record.add_digest(digest);
            locked.state.index.update_record(hash, &file_record)
        };
        if let Err(error) = keep() {
            warn!(path = %lease.path().display(), %error, "a file's digest can't be stored");
        }
    }

    /// Returns whether the cache has a file, as far as this handle knows: it may have more by now. Returns
    /// `true` if the handle is busy, instead of waiting.
    pub(crate) fn may_have(&self, key: &CacheKey) -> bool {
        self.0.state.try_lock().map_or(true, |state| state.index.newest(key.hash).is_some())
    }

    /// Counts a hit or a miss.
    pub(crate) fn count(&self, was_there: bool) {
        let count = if was_there { &self.0.hits } else { &self.0.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
