//! [`Throttle`]: the least time between the requests of a list's pages.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::runtime::clock::Clock;
use crate::runtime::lock::lock;
use crate::transport::timeouts::saturating_deadline;

/// The least time between the requests of a list's pages.
pub(super) struct Throttle {
    pause: Duration,
    /// The earliest time of the next request.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(super) fn new(pause: Duration) -> Self {
        Throttle { pause, next: Mutex::new(None) }
    }

    /// Waits until a page may be requested, at most until `deadline`.
    pub(super) async fn wait(&self, clock: &dyn Clock, deadline: Option<Instant>) {
        if self.pause.is_zero() {
            return;
        }
        let now = clock.now();
        let at = self.take(now);
        let wait = deadline.map_or(at, |deadline| at.min(deadline)).saturating_duration_since(now);
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }

    /// Returns when the next page may be requested, and reserves that time.
    fn take(&self, now: Instant) -> Instant {
        let mut next = lock(&self.next);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(saturating_deadline(at, self.pause));
        at
    }
}
