//! Counts the requests in progress, their peak, and the connections.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

#[derive(Default)]
pub(crate) struct InFlight {
    now: AtomicU64,
    peak: AtomicU64,
    connections: AtomicU64,
}

impl InFlight {
    /// Counts a request until the returned guard is dropped.
    pub(crate) fn enter(&self) -> InFlightGuard<'_> {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.peak.fetch_max(now, SeqCst);
        InFlightGuard(self)
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(SeqCst)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(SeqCst)
    }

    pub(crate) fn reset_peak(&self) {
        self.peak.store(self.now(), SeqCst);
    }

    /// Returns the number of a new connection, from 1.
    pub(crate) fn connect(&self) -> u64 {
        self.connections.fetch_add(1, SeqCst) + 1
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }
}

pub(crate) struct InFlightGuard<'f>(&'f InFlight);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}
