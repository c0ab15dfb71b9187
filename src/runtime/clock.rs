//! Time and randomness, behind a trait so that tests can control them.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

/// The source of time, waits and jitter for retries.
pub(crate) trait Clock: Send + Sync {
    fn now(&self) -> Instant;

    /// Returns the date, which a `Retry-After` header may contain.
    fn date(&self) -> SystemTime;

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Returns a random number from 0 up to, but not including, 1.
    fn random(&self) -> f64;
}

/// The system's clock.
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

    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

#[cfg(test)]
pub(crate) use test_clock::TestClock;

#[cfg(test)]
mod test_clock {
    use std::sync::{Arc, Mutex};
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const DATE: Duration = Duration::from_secs(784_111_777);

    /// A clock that never sleeps: it records each wait and moves forward by it.
    pub(crate) struct TestClock {
        began: Instant,
        waits: Mutex<Vec<Duration>>,
        /// Time that passed in addition to the waits.
        passed: Mutex<Duration>,
        random: Mutex<f64>,
    }

    impl TestClock {
        /// Creates a clock. Half of each backoff is waited, unless another random number is set.
        pub(crate) fn new() -> Arc<Self> {
            Arc::new(TestClock {
                began: Instant::now(),
                waits: Mutex::default(),
                passed: Mutex::default(),
                random: Mutex::new(0.5),
            })
        }

        pub(crate) fn set_random(&self, random: f64) {
            *self.random.lock().unwrap() = random;
        }

        /// Returns the waits so far, in milliseconds.
        pub(crate) fn waits(&self) -> Vec<u128> {
            self.waits.lock().unwrap().iter().map(Duration::as_millis).collect()
        }

        /// Moves the clock forward without a wait.
        pub(crate) fn advance(&self, time: Duration) {
            *self.passed.lock().unwrap() += time;
        }

        pub(crate) fn waited(&self) -> Duration {
            self.waits.lock().unwrap().iter().sum()
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> Instant {
            self.began + self.waited() + *self.passed.lock().unwrap()
        }

        fn date(&self) -> SystemTime {
            UNIX_EPOCH + DATE + self.waited()
        }

        fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            self.waits.lock().unwrap().push(duration);
            Box::pin(std::future::ready(()))
        }

        fn random(&self) -> f64 {
            *self.random.lock().unwrap()
        }
    }
}
