//! Injected faults: which one applies to a request, how often it has applied, and how it ends.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::request::Parts;
use tokio::sync::watch;

use super::Fault;

/// A handle of an injected fault: how often it has applied, and how to end it.
///
/// ```
/// # async fn example(backend: synapse_test_backend::Backend) {
/// let fault = backend.inject(synapse_test_backend::Fault::proxy_page(502).always());
/// // …
/// assert_eq!(fault.hits(), 3);
/// fault.remove();
/// # }
/// ```
#[derive(Clone)]
pub struct Injected(Arc<Standing>);

pub(crate) struct Standing {
    pub(crate) fault: Fault,
    /// How many requests matched, including those that passed first.
    seen: Mutex<u64>,
    hits: watch::Sender<u64>,
    released: watch::Sender<bool>,
    removed: watch::Sender<bool>,
}

impl Injected {
    /// Returns the number of requests that the fault has applied to.
    ///
    /// ```
    /// # async fn example(fault: synapse_test_backend::Injected) {
    /// assert_eq!(fault.hits(), 1);
    /// # }
    /// ```
    pub fn hits(&self) -> u64 {
        *self.0.hits.borrow()
    }

    /// Waits until the fault has applied to this many requests.
    ///
    /// ```
    /// # async fn example(fault: synapse_test_backend::Injected) {
    /// fault.wait_for_hits(2).await;
    /// # }
    /// ```
    pub async fn wait_for_hits(&self, hits: u64) {
        // Can't fail: the sender lives as long as `self`.
        let _ = self.0.hits.subscribe().wait_for(|now| *now >= hits).await;
    }

    /// Releases every request that the fault holds or will hold.
    ///
    /// ```
    /// # async fn example(fault: synapse_test_backend::Injected) {
    /// fault.release();
    /// # }
    /// ```
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Ends the fault and releases the requests that it holds.
    ///
    /// ```
    /// # async fn example(fault: synapse_test_backend::Injected) {
    /// fault.remove();
    /// # }
    /// ```
    pub fn remove(&self) {
        self.0.removed.send_replace(true);
        self.release();
    }
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injected").field("fault", &self.0.fault).field("hits", &self.hits()).finish()
    }
}

impl Standing {
    pub(crate) async fn released(&self) {
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }

    /// Returns whether the fault applies to this request, and counts the request if it matches.
    fn strikes(&self, parts: &Parts, prefix: &str) -> bool {
        if *self.removed.borrow() || !self.fault.matches(parts, prefix) {
            return false;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen += 1;
        let strikes = *seen > self.fault.after && *seen - self.fault.after <= self.fault.times;
        if strikes {
            self.hits.send_modify(|hits| *hits += 1);
        }
        strikes
    }
}

/// The injected faults in order of injection. Only the first that applies is used.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Arc<Standing>>>);

impl Faults {
    pub(crate) fn inject(&self, fault: Fault) -> Injected {
        let standing = Arc::new(Standing {
            fault,
            seen: Mutex::new(0),
            hits: watch::Sender::new(0),
            released: watch::Sender::new(false),
            removed: watch::Sender::new(false),
        });
        self.lock().push(Arc::clone(&standing));
        Injected(standing)
    }

    pub(crate) fn clear(&self) {
        for standing in self.lock().drain(..) {
            Injected(standing).remove();
        }
    }

    pub(crate) fn striking(&self, parts: &Parts, prefix: &str) -> Option<Arc<Standing>> {
        self.lock().iter().find(|standing| standing.strikes(parts, prefix)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
