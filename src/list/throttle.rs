//! [`Throttle`]: the least time between the requests of a list's pages.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::runtime::clock::Clock;
use crate::runtime::lock::lock;
use crate::transport::timeouts::saturating_deadline;

/// The least time between the requests of a list's pages, which take their turns in order.
pub(super) struct Throttle {
    pause: Duration,
    /// When a page was last requested.
    last: Arc<Mutex<Option<Instant>>>,
    /// Closed once the newest turn is over.
    newest: Option<oneshot::Receiver<()>>,
}

/// The turn of a page. Dropping it ends it; the time of a turn that isn't used isn't reserved.
pub(super) struct Turn {
    pause: Duration,
    last: Arc<Mutex<Option<Instant>>>,
    /// Closed once the turn before is over.
    earlier: Option<oneshot::Receiver<()>>,
    /// Closes the next turn's `earlier` when it is dropped.
    _over: oneshot::Sender<()>,
}

impl Throttle {
    pub(super) fn new(pause: Duration) -> Self {
        Throttle { pause, last: Arc::default(), newest: None }
    }

    /// Returns the turn after all others.
    pub(super) fn turn(&mut self) -> Turn {
        let (over, newest) = oneshot::channel();
        let earlier = self.newest.replace(newest);
        Turn { pause: self.pause, last: self.last.clone(), earlier, _over: over }
    }
}

impl Turn {
    /// Waits until the page may be requested, at most until `deadline`.
    pub(super) async fn wait(self, clock: &dyn Clock, deadline: Option<Instant>) {
        if self.pause.is_zero() {
            return;
        }
        if let Some(earlier) = self.earlier {
            // It doesn't matter whether that page is requested or cancelled.
            let _ = earlier.await;
        }
        let now = clock.now();
        let at = lock(&self.last).map_or(now, |last| saturating_deadline(last, self.pause));
        let wait = deadline.map_or(at, |deadline| at.min(deadline)).saturating_duration_since(now);
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        *lock(&self.last) = Some(clock.now());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::time::SystemTime;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::runtime::clock::TestClock;
    use crate::support::tcp_server::{self as server, Act, Server};
    use crate::{BackendClient, Json};
    use reqwest::Method;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn pages_keep_their_distance() {
        let clock = TestClock::new();
        let mut throttle = Throttle::new(SECOND);
        throttle.turn().wait(&*clock, None).await;
        assert!(clock.waits().is_empty());
        throttle.turn().wait(&*clock, None).await;
        clock.advance(Duration::from_millis(300));
        throttle.turn().wait(&*clock, None).await;
        assert_eq!(clock.waits(), [1_000, 700]);
        // Time without a request isn't saved up.
        clock.advance(SECOND * 60);
        throttle.turn().wait(&*clock, None).await;
        throttle.turn().wait(&*clock, None).await;
        assert_eq!(clock.waits(), [1_000, 700, 1_000]);
    }

    #[tokio::test]
    async fn concurrent_pages_take_turns() {
        let clock = TestClock::new();
        let mut throttle = Throttle::new(SECOND);
        let [first, second, third] = [throttle.turn(), throttle.turn(), throttle.turn()];
        let (mut second, mut third) = (pin!(second.wait(&*clock, None)), pin!(third.wait(&*clock, None)));
        assert!(third.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        first.wait(&*clock, None).await;
        assert!(third.as_mut().now_or_never().is_none());
        second.await;
        assert_eq!(clock.waits(), [1_000]);
        third.await;
        assert_eq!(clock.waits(), [1_000, 1_000]);
    }

    /// A clock on which no wait ends.
    struct Stopped(Arc<TestClock>);

    impl Clock for Stopped {
        fn now(&self) -> Instant {
            self.0.now()
        }

        fn date(&self) -> SystemTime {
            self.0.date()
        }

        fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::pending())
        }

        fn random(&self) -> f64 {
            self.0.random()
        }
    }

    #[tokio::test]
    async fn discarded_pages_reserve_no_time() {
        let clock = TestClock::new();
        let stopped = Stopped(clock.clone());
        let mut throttle = Throttle::new(SECOND * 60);
        throttle.turn().wait(&*clock, None).await;
        let unused: Vec<Turn> = (0..3).map(|_| throttle.turn()).collect();
        for turn in unused {
            assert!(turn.wait(&stopped, None).now_or_never().is_none());
        }
        throttle.turn().wait(&*clock, None).await;
        assert_eq!(clock.waits(), [60_000]);
    }

    #[tokio::test]
    async fn throttle_is_limited_by_deadline() {
        let clock = TestClock::new();
        let mut longest = Throttle::new(Duration::MAX);
        let deadline = Some(clock.now() + SECOND);
        longest.turn().wait(&*clock, deadline).await;
        longest.turn().wait(&*clock, deadline).await;
        longest.turn().wait(&*clock, deadline).await;
        assert_eq!(clock.waits(), [1_000]);
        let mut none = Throttle::new(Duration::ZERO);
        none.turn().wait(&*clock, None).await;
        none.turn().wait(&*clock, None).await;
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
