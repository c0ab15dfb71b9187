//! [`RetryPolicy`]: how often and after which waits a request is retried; and the bucket that all retries of
//! a client share.
//!
//! No existing crate fits. reqwest's own retries have no waits and don't cover truncated bodies. tower and
//! backon have waits, but here the decision depends on the method, on whether the request was written, and on
//! the exact response; this decision is the core of this client. The policy of reqwest-middleware ignores the
//! method and refuses streamed bodies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::error::Error;
use crate::runtime::clock::Clock;

/// How often a request is retried, and after which waits.
///
/// The policy doesn't decide which failures may be retried:
///
/// | method | is retried after |
/// |---|---|
/// | GET, HEAD, OPTIONS, TRACE, DELETE | no connection, a broken connection, a read time-out, a truncated response, 408, 429, 500 (GET only), 502, 503, 504, 520–524 |
/// | POST, PUT, PATCH | no connection, 429, a 503 from the application itself (with `Retry-After` or a JSON `detail`) |
///
/// Any other method is treated like POST. A request with a streamed body is never retried.
///
/// After a broken connection, a time-out or a gateway's error, the server may have acted on a POST, PUT or
/// PATCH ([`is_unknown_outcome`](crate::Error::is_unknown_outcome)). The request is not retried then, unless
/// the document says that the operation is idempotent, or the call sets [`idempotent`](crate::Call::idempotent).
/// Such a request is also retried if its outcome is unknown, and after a 408, 502, 504 or 520–524.
///
/// If the response to a DELETE is lost, the retry may get a 404, because the first attempt already deleted
/// the object.
///
/// The maximum wait doubles with each retry, from [`initial_backoff`](RetryPolicy::initial_backoff) to
/// [`max_backoff`](RetryPolicy::max_backoff). The actual wait is a random part of it (full jitter), but at
/// least what a `Retry-After` asks for, up to [`max_retry_after`](RetryPolicy::max_retry_after). A
/// `Retry-After` date is compared with the response's own `Date`, so that the clocks may differ. After a
/// broken connection, the retry uses a new connection.
///
/// All calls of a client share one retry budget, 100 by default
/// ([`retry_budget`](RetryPolicy::retry_budget)). Each retry takes 1 from it, and each successful request
/// returns 0.5. This way, many tasks don't overload a server that is down. If only some requests fail, even
/// one in three, the budget never runs out.
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
#[doc(alias("backoff", "retries", "retry"))]
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
    /// Returns the default policy: five retries within three minutes.
    pub fn new() -> Self {
        RetryPolicy::default()
    }

    /// Returns a policy without retries.
    pub fn never() -> Self {
        RetryPolicy::new().max_retries(0)
    }

    /// Sets how often a request is retried at most; 5 by default.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how long after the first attempt the last one may start; 3 minutes by default. The total time-out
    /// of a call, if set, applies as well. A chunk of an upload has no such limit of time, and progress resets
    /// the number of retries.
    pub fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = time;
        self
    }

    /// Sets the maximum wait before the first retry; 250 milliseconds by default.
    pub fn initial_backoff(mut self, wait: Duration) -> Self {
        self.initial_backoff = wait;
        self
    }

    /// Sets the limit for the doubled waits; 15 seconds by default.
    pub fn max_backoff(mut self, wait: Duration) -> Self {
        self.max_backoff = wait;
        self
    }

    /// Sets the maximum `Retry-After` that is honoured; a longer one is reduced to it. 60 seconds by default.
    pub fn max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// Sets the client's retry budget; 100 by default. Each retry takes 1 from it, and each successful
    /// request returns 0.5, up to this number. While it is used up, failed requests aren't retried, and their
    /// errors say so.
    ///
    /// All calls of a client share the budget. A call with its own policy
    /// ([`Call::retry`](crate::Call::retry)) is limited by the number in that policy. 0 means no retries;
    /// `u32::MAX` means no limit, and such retries aren't counted.
    pub fn retry_budget(mut self, retries: u32) -> Self {
        self.retry_budget = retries;
        self
    }

    /// Returns the wait before retry number `retry`, counted from 0.
    pub(crate) fn wait(&self, retry: u32, retry_after: Option<Duration>, clock: &dyn Clock) -> Duration {
        let doubled = self.initial_backoff.saturating_mul(2_u32.saturating_pow(retry)).min(self.max_backoff);
        let jittered = doubled.mul_f64(clock.random());
        jittered.max(retry_after.unwrap_or_default().min(self.max_retry_after))
    }
}

/// Returns the wait that a `Retry-After` asks for (RFC 9110, section 10.2.3): seconds, or an HTTP date. A
/// date is compared with the response's own `Date`, since the server's clock and this machine's may be hours
/// apart. `date` is this machine's time, which is used if the response has no valid date. `None` for an
/// invalid value, or one in the past.
pub(crate) fn retry_after(headers: &HeaderMap, date: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // More than a `Duration` can hold becomes the maximum.
        return match seconds {
            seconds if seconds.is_nan() || seconds < 0.0 => None,
            seconds => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        };
    }
    let of = |text: &str| httpdate::parse_http_date(text.trim()).ok();
    let servers = headers.get(DATE).and_then(|date| of(date.to_str().ok()?));
    of(text)?.duration_since(servers.unwrap_or(date)).ok()
}

impl Error {
    /// Returns how long the server asks to wait before the next request (`Retry-After`, RFC 9110, section
    /// 10.2.3), at most a year.
    ///
    /// `None` if there was no response, or if it doesn't say.
    pub fn retry_after(&self) -> Option<Duration> {
        const YEAR: Duration = Duration::from_secs(365 * 86_400);
        retry_after(self.response()?.headers(), SystemTime::now()).map(|wait| wait.min(YEAR))
    }
}

/// The cost of a retry and the refund of a success. At these values, one retry in two requests can continue
/// forever.
const RETRY_COST: u64 = 2;
const SUCCESS_REFUND: u64 = 1;

/// The cost of all retries of a client that successes haven't refunded yet.
#[derive(Debug)]
pub(crate) struct RetryBucket(AtomicU64);

impl RetryBucket {
    pub(crate) fn new() -> Self {
        RetryBucket(AtomicU64::new(0))
    }

    /// Takes a retry from the bucket and returns true, if this budget allows one more.
    pub(crate) fn take(&self, budget: u32) -> bool {
        if budget == u32::MAX {
            return true;
        }
        let most = u64::from(budget) * RETRY_COST;
        let one_more = |taken: u64| taken.checked_add(RETRY_COST).filter(|taken| *taken <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Refunds a part of the budget after a successful request.
    pub(crate) fn refill(&self) {
        // Usually nothing is taken, and a read is cheaper than a write that all cores share.
        if self.0.load(Ordering::Relaxed) > 0 {
            let less = |taken: u64| Some(taken.saturating_sub(SUCCESS_REFUND));
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
        // This machine's clock says 08:49:37.
        for (date, text, seconds) in [
            ("Sun, 06 Nov 1994 03:49:00 GMT", "Sun, 06 Nov 1994 03:49:07 GMT", Some(7)),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "Sun, 06 Nov 1994 14:49:07 GMT", Some(7)),
            ("Sunday, 06-Nov-94 14:49:00 GMT", " Sun Nov  6 14:49:07 1994 ", Some(7)),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "Sun, 06 Nov 1994 14:48:59 GMT", None),
            ("Sun, 06 Nov 1994 14:49:00 GMT", "3", Some(3)),
            // Without a valid date, this machine's clock is used.
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
        // Each policy is limited by its own number.
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
