//! Looking for a file, and handing it out.

use std::sync::atomic::Ordering;

use tracing::warn;

use super::file_record::{Digest, Expected, Validators};
use super::lock::Waiting;
use super::state::Lookup;
use super::{Access, CacheKey, FileCache, Lease};
use crate::error::Result;

/// What there is of a file that was asked for.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is there, handed out.
    Here(Lease),
    /// It is there, handed out; whether it has the expected digest has to be looked at.
    Unverified(Lease),
    /// It isn't there, or another one is.
    Missing,
}

impl FileCache {
    /// Looks for a file, and hands it out where it is there, whole, and what is expected.
    ///
    /// # Errors
    /// Returns an error if the cache can't be locked, read or written.
    pub(crate) fn find(&self, key: &CacheKey, expected: &Expected, waiting: &Waiting) -> Result<Found> {
        let is_read_only = matches!(self.0.access, Access::ReadOnly(_));
        {
            let mut state = self.state();
            let is_new = state.index.refresh()?;
            let is_held = state.holds_newest(key.hash);
            let is_known = is_held || is_new;
            if is_held || is_read_only {
                let looked = if is_known { state.look(key.hash, expected)? } else { Lookup::Missing };
                if is_read_only || matches!(looked, Lookup::Here { .. } | Lookup::Unverified { .. }) {
                    return Ok(self.found(looked));
                }
                // It may be otherwise where more is known.
            } else if is_known && state.index.newest(key.hash).is_none() {
                return Ok(Found::Missing);
            }
        }
        let looked = self.shared(waiting)?.state.look(key.hash, expected)?;
        if !matches!(looked, Lookup::Damaged(_)) {
            return Ok(self.found(looked));
        }
        // Another process may have put another file in its place: only the lock makes it sure that it is
        // recorded.
        let mut session = self.exclusive(waiting)?;
        let looked = session.state.look(key.hash, expected)?;
        if let Lookup::Damaged(hash) = looked {
            session.state.index.remove(&[hash])?;
        }
        drop(session);
        Ok(self.found(looked))
    }

    fn found(&self, looked: Lookup) -> Found {
        match looked {
            Lookup::Here { path, bytes } => Found::Here(Lease::new(self.clone(), path, bytes)),
            Lookup::Unverified { path, bytes } => Found::Unverified(Lease::new(self.clone(), path, bytes)),
            Lookup::Contradicts | Lookup::Damaged(_) | Lookup::Missing => Found::Missing,
        }
    }

    /// What a server knows the state of a file by that was handed out.
    pub(crate) fn validators(&self, lease: &Lease) -> Validators {
        let mut state = self.state();
        // At worst it is asked for the whole file.
        let _ = state.index.refresh();
        let stamp = lease.open().ok().and_then(|(_, stamp)| stamp);
        let file_record = state.hash_of(lease.path()).map(|hash| state.index.file_record(hash, stamp));
        file_record.unwrap_or_default().validators
    }

    /// Keeps the digest that a file was found to have which was handed out, so that it isn't looked at again.
    /// Where that can't be kept, it is looked at again.
    pub(crate) fn keep_digest(
        &self,
        lease: &Lease,
        digest: Digest,
        modified: Option<u64>,
        waiting: &Waiting,
    ) {
        if modified.is_none() || matches!(self.0.access, Access::ReadOnly(_)) {
            return;
        }
        let keep = || -> Result<()> {
            let mut session = self.shared(waiting)?;
            let Some(hash) = session.state.hash_of(lease.path()) else { return Ok(()) };
            let mut file_record = session.state.index.file_record(hash, modified);
            file_record.stamp = modified;
            file_record.add_digest(digest);
            session.state.index.note(hash, &file_record)
        };
        if let Err(error) = keep() {
            warn!(path = %lease.path().display(), %error, "a file's digest can't be kept");
        }
    }

    /// Whether the cache has a file by what this handle knows: it may have more by now. It isn't waited for
    /// what the handle does meanwhile.
    pub(crate) fn may_have(&self, key: &CacheKey) -> bool {
        self.0.state.try_lock().map_or(true, |state| state.index.newest(key.hash).is_some())
    }

    /// Counts a file that was asked for: that was there, or not.
    pub(crate) fn count(&self, was_there: bool) {
        let count = if was_there { &self.0.hits } else { &self.0.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
