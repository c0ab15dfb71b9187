//! [`RetryPolicy`]: how often and after which waits a request is sent again, and the bucket that all of a client's retries
//! are paid from.
//!
//! Why no crate carries this: reqwest's own retry knows no waits and no bodies that broke off; tower's and
//! backon's know waits, but what may be sent again depends on the method, on whether the request was written,
//! and on what exactly the answer said, and is the heart of this client; reqwest-middleware's policy ignores
//! the method and refuses streamed bodies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::runtime::clock::Clock;

/// How often a request is sent again, and after which waits.
///
/// What may be sent again at all isn't a matter of policy:
///
/// | method | is sent again after |
/// |---|---|
/// | GET, HEAD, DELETE | no connection, a connection that broke, a read time-out, an answer cut off, 408, 429, 500 (GET only), 502, 503, 504, 520–524 |
/// | POST, PUT, PATCH | no connection, 429, a 503 of the application's own (with `Retry-After` or a JSON `detail`) |
///
/// After anything else a request that changes something is never sent again, since the server may have acted
/// on it ([`is_unknown_outcome`](crate::Error::is_unknown_outcome)); a caller who knows better says so for a
/// call ([`idempotent`](crate::Call::idempotent)).
///
/// A DELETE whose answer was lost may be answered 404 when it is sent again: the first one did it.
///
/// The wait doubles each time, from [`initial_backoff`](RetryPolicy::initial_backoff) to
/// [`max_backoff`](RetryPolicy::max_backoff), and a random part of it is waited (full jitter), at least what
/// a `Retry-After` asks for, up to [`max_retry_after`](RetryPolicy::max_retry_after); one that is a date is
/// read against the answer's own `Date`, so that clocks may differ. After a connection that broke a fresh one
/// is made.
///
/// All calls of a client share one budget of retries, 100 unless [`retry_budget`](RetryPolicy::retry_budget)
/// says otherwise: each retry takes 1 from it, and each request that succeeds returns 0.5. When a server is
/// down, many tasks don't storm it; where now and then a request fails, even one in three, the budget never
/// runs out.
///
/// ```
/// use std::time::Duration;
/// use synapse_backend_client::{BackendClient, RetryPolicy};
///
/// let client = BackendClient::builder("https://api.synapse.sh")
///     .retry(RetryPolicy::new().max_retries(8).max_elapsed(Duration::from_secs(600)))
///     .build()?;
/// # Ok::<(), synapse_backend_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a policy does nothing unless a client is built with it"]
pub struct RetryPolicy {
    pub(crate) retries: u32,
    pub(crate) max_elapsed: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) max_retry_after: Duration,
    pub(crate) retry_budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            retries: 5,
            max_elapsed: Duration::from_secs(180),
            initial_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(15),
            max_retry_after: Duration::from_secs(60),
            retry_budget: 100,
        }
    }
}

impl RetryPolicy {
    /// Five retries within three minutes.
    pub fn new() -> Self {
        RetryPolicy::default()
    }

    /// No retries at all.
    pub fn never() -> Self {
        RetryPolicy::new().max_retries(0)
    }

    /// How often a request is sent again at most; 5 unless set.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long after the first attempt the last one may begin; 3 minutes unless set. The total time-out of a
    /// call, where there is one, holds as well.
    pub fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = time;
        self
    }

    /// The longest wait before the first retry; 250 milliseconds unless set.
    pub fn initial_backoff(mut self, wait: Duration) -> Self {
        self.initial_backoff = wait;
        self
    }

    /// The longest wait that doubling leads to; 15 seconds unless set.
    pub fn max_backoff(mut self, wait: Duration) -> Self {
        self.max_backoff = wait;
        self
    }

    /// The longest `Retry-After` that is honoured; a longer one is cut to it. 60 seconds unless set.
    pub fn max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// The client's retry budget; 100 unless set. Each retry takes 1 from it, and each request that succeeds
    /// returns 0.5, up to this number. While it is used up, requests that fail aren't retried, and their
    /// errors say so.
    ///
    /// All calls of a client share what is left; a call with a policy of its own
    /// ([`Call::retry`](crate::Call::retry)) is held to that policy's number. 0 means no retries; `u32::MAX`
    /// means no limit, and such retries aren't counted.
    pub fn retry_budget(mut self, retries: u32) -> Self {
        self.retry_budget = retries;
        self
    }

    /// How long to wait before retry number `retry`, counted from 0.
    pub(crate) fn wait(&self, retry: u32, retry_after: Option<Duration>, clock: &dyn Clock) -> Duration {
        let doubled = self.initial_backoff.saturating_mul(2_u32.saturating_pow(retry)).min(self.max_backoff);
        let jittered = doubled.mul_f64(clock.chance());
        jittered.max(retry_after.unwrap_or_default().min(self.max_retry_after))
    }
}

/// What a `Retry-After` asks for (RFC 9110, section 10.2.3): seconds, or an HTTP date, which is read against
/// the answer's own `Date`: the server's clock and this machine's may be hours apart. `date` is this
/// machine's, where the answer has none that can be read. What can't be read, or lies in the past, asks for
/// nothing.
pub(crate) fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // Beyond what a duration holds it is as long as anything.
        return match seconds {
            seconds if seconds.is_nan() || seconds < 0.0 => None,
            seconds => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        };
    }
    let of = |text: &str| httpdate::parse_http_date(text.trim()).ok();
    let servers = headers.get(DATE).and_then(|date| of(date.to_str().ok()?));
    of(text)?.duration_since(servers.unwrap_or(date)).ok()
}

/// What a retry takes, and what a success gives back: one retry in two requests can go on for ever.
const RETRY: u64 = 2;
const SUCCESS: u64 = 1;

/// What all of a client's retries have taken and its successes haven't given back.
#[derive(Debug)]
pub(crate) struct RetryBucket(AtomicU64);

impl RetryBucket {
    pub(crate) fn new() -> Self {
        RetryBucket(AtomicU64::new(0))
    }

    /// Takes a retry, where a budget of so many allows one more.
    pub(crate) fn take(&self, budget: u32) -> bool {
        if budget == u32::MAX {
            return true;
        }
        let most = u64::from(budget) * RETRY;
        let one_more = |taken: u64| taken.checked_add(RETRY).filter(|taken| *taken <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// A request succeeded.
    pub(crate) fn refill(&self) {
        // Most of the time nothing is taken, and a look costs less than a write that all cores share.
        if self.0.load(Ordering::Relaxed) > 0 {
            let less = |taken: u64| Some(taken.saturating_sub(SUCCESS));
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::runtime::clock::SystemClock;

    fn asked(text: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(text).unwrap());
        retry_after(&headers, UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn every_retry_after_form_is_read() {
        for (text, wait) in [
            ("3", Some(Duration::from_secs(3))),
            (" 1.5 ", Some(Duration::from_millis(1500))),
            ("0", Some(Duration::ZERO)),
            ("-1", None),
            ("99999", Some(Duration::from_secs(99_999))),
            ("1e400", Some(Duration::MAX)),
            ("NaN", None),
            ("inf", Some(Duration::MAX)),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(Duration::from_secs(10))),
            ("Sun, 06 Nov 1994 08:49:00 GMT", None),
            ("Sun, 99 Nov 1994 08:49:47 GMT", None),
        ] {
            assert_eq!(asked(text.as_bytes()), wait, "{text}");
        }
        assert_eq!(asked(b"\xff"), None);
    }

    #[test]
    fn retry_date_uses_server_clock() {
        let wait = |date: &[u8], text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            headers.insert(DATE, HeaderValue::from_bytes(date).unwrap());
            retry_after(&headers, UNIX_EPOCH + Duration::from_secs(784_111_777)).map(|wait| wait.as_secs())
        };
        // This machine says 08:49:37.
        for (date, text, seconds) in [
            ("Sun, 06 Nov 1994 03:49:00 GMT", "Sun, 06 Nov 1994 03:49:07 GMT", Some(7)),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "Sun, 06 Nov 1994 14:49:07 GMT", Some(7)),
            ("Sunday, 06-Nov-94 14:49:00 GMT", " Sun Nov  6 14:49:07 1994 ", Some(7)),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "Sun, 06 Nov 1994 14:48:59 GMT", None),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "3", Some(3)),
            // Without a date that can be read this machine's holds.
            ("today", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 99 Nov 1994 14:49:00 GMT", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ] {
            assert_eq!(wait(date.as_bytes(), text), seconds, "{date}: {text}");
        }
        assert_eq!(wait(b"\xff", "Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
    }

    #[test]
    fn budget_is_exhausted_and_refilled() {
        let bucket = RetryBucket::new();
        let takes = |budget: u32| (0..1_000).filter(|_| bucket.take(budget)).count();
        assert_eq!((takes(100), takes(100)), (100, 0));
        bucket.refill();
        assert_eq!(takes(100), 0);
        bucket.refill();
        assert_eq!(takes(100), 1);
        // Each is held to its own number.
        assert_eq!(
            (takes(99), takes(0), takes(103), takes(u32::MAX), takes(u32::MAX - 1)),
            (0, 0, 3, 1_000, 1_000)
        );
        (0..100_000).for_each(|_| bucket.refill());
        assert_eq!((takes(0), takes(100)), (0, 100));
    }

    #[test]
    fn rare_failures_never_exhaust_budget() {
        for failing in 2..10 {
            let bucket = RetryBucket::new();
            for request in 1..100_000 {
                assert!(request % failing > 0 || bucket.take(100), "one in {failing}: request {request}");
                bucket.refill();
            }
        }
    }

    proptest! {
        #[test]
        fn backoff_stays_within_policy(
            retry in any::<u32>(), initial in 0_u64..100_000, max in 0_u64..100_000, asked in prop::option::of(any::<u64>()),
        ) {
            let policy = RetryPolicy::new().initial_backoff(Duration::from_millis(initial)).max_backoff(Duration::from_millis(max));
            let asked = asked.map(Duration::from_secs);
            let wait = policy.wait(retry, asked, &SystemClock);
            prop_assert!(wait <= Duration::from_millis(max).max(policy.max_retry_after));
            prop_assert!(wait >= asked.unwrap_or_default().min(policy.max_retry_after));
        }
    }
}
