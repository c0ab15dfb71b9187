//! Time and chance, as a thing that tests can hold in their hands.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

/// What retries ask the time of, wait by, and draw their jitter from.
pub(crate) trait Clock: Send + Sync {
    fn now(&self) -> Instant;

    /// The date, which a `Retry-After` may be told by.
    fn date(&self) -> SystemTime;

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A number from 0 up to, but not including, 1.
    fn chance(&self) -> f64;
}

/// The machine's.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn chance(&self) -> f64 {
        fastrand::f64()
    }
}
