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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::TestClock;
    use crate::support::tcp_server::{self as server, Act, Server};
    use crate::{BackendClient, Json};
    use reqwest::Method;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn pages_keep_their_distance() {
        let clock = TestClock::new();
        let throttle = Throttle::new(SECOND);
        throttle.wait(&*clock, None).await;
        assert!(clock.waits().is_empty());
        throttle.wait(&*clock, None).await;
        clock.advance(Duration::from_millis(300));
        throttle.wait(&*clock, None).await;
        assert_eq!(clock.waits(), [1_000, 700]);
        // Time without a request isn't saved up.
        clock.advance(SECOND * 60);
        throttle.wait(&*clock, None).await;
        throttle.wait(&*clock, None).await;
        assert_eq!(clock.waits(), [1_000, 700, 1_000]);
    }

    #[test]
    fn concurrent_pages_take_turns() {
        let now = Instant::now();
        let throttle = Throttle::new(SECOND);
        let taken = [throttle.take(now), throttle.take(now), throttle.take(now)];
        assert_eq!(taken, [now, now + SECOND, now + SECOND * 2]);
    }

    #[tokio::test]
    async fn throttle_is_limited_by_deadline() {
        let clock = TestClock::new();
        let longest = Throttle::new(Duration::MAX);
        let deadline = Some(clock.now() + SECOND);
        longest.wait(&*clock, deadline).await;
        longest.wait(&*clock, deadline).await;
        longest.wait(&*clock, deadline).await;
        assert_eq!(clock.waits(), [1_000]);
        let none = Throttle::new(Duration::ZERO);
        none.wait(&*clock, None).await;
        none.wait(&*clock, None).await;
        assert_eq!(clock.waits(), [1_000]);
    }

    /// Returns the waits while a list of three pages is read. The second one is throttled by the server once, if
    /// `retry_after` is set.
    async fn waits(retry_after: Option<&'static str>, pages: usize) -> Vec<u128> {
        crate::marker::watch();
        let clock = TestClock::new();
        let failed = Mutex::new(retry_after);
        let server = Server::with(move |which| {
            let page: u64 = which.line.split("page=").nth(1).map_or(1, |page| page.parse().unwrap());
            if let (2, Some(seconds)) = (page, lock(&failed).take_if(|_| page == 2)) {
                return Act::Keep(server::response(429, &format!("Retry-After: {seconds}\r\n"), ""));
            }
            let next = match page {
                3 => "null".to_owned(),
                page => {
                    format!(r#""http://{}/items/?page={}""#, which.seen.header("host").unwrap(), page + 1)
                }
            };
            let body =
                format!(r#"{{"count": 3, "next": {next}, "previous": null, "results": [{{"id": {page}}}]}}"#);
            Act::Keep(server::json(200, body))
        })
        .await;
        let client = BackendClient::builder(&server.url).clock(clock.clone()).build().unwrap();
        let list = client.request(Method::GET, "/items/").list_all().concurrency(pages).throttle(SECOND);
        let items: Vec<Json> = list.try_collect().await.unwrap();
        assert_eq!(items.len(), 3);
        clock.waits()
    }

    #[tokio::test]
    async fn list_waits_between_its_pages() {
        for pages in [1, 4] {
            assert_eq!(waits(None, pages).await, [1_000, 1_000], "{pages}");
        }
        // A retry waits for its own time only, which counts for the next page.
        assert_eq!(waits(Some("3"), 1).await, [1_000, 3_000]);
    }
}
