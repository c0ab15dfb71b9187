//! How long a request may take: the time-outs, and what counts as moving.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time-outs that a request is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timeouts {
    /// While a connection is made.
    pub(crate) connect: Duration,
    /// While no byte moves in either direction.
    pub(crate) idle: Duration,
    /// As a whole, every attempt and every wait included.
    pub(crate) total: Option<Duration>,
    /// When it has to be done at the latest, whenever it begins.
    pub(crate) deadline: Option<Instant>,
}

impl Timeouts {
    pub(crate) fn start(self) -> ActiveTimeouts {
        // A time beyond what the clock holds is no limit.
        let own = self.total.and_then(|total| Instant::now().checked_add(total));
        ActiveTimeouts {
            connect: self.connect,
            idle: self.idle,
            deadline: own.into_iter().chain(self.deadline).min(),
        }
    }
}

/// The time-outs of a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ActiveTimeouts {
    /// While a connection is made.
    pub(crate) connect: Duration,
    /// While no byte moves in either direction.
    pub(crate) idle: Duration,
    /// From the first attempt to the answer's last byte.
    pub(crate) deadline: Option<Instant>,
}

/// Which limit ran out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Elapsed {
    Idle(Duration),
    Total,
}

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Elapsed::Idle(limit) => write!(f, "no byte moved for {limit:?}, the read time-out"),
            Elapsed::Total => f.write_str("the time-out for the whole request ran out"),
        }
    }
}

/// What of a body the system is taken to keep at most, in bytes, after it took it and before it is sent. A
/// fast line's buffer grows to more (4 MiB on Linux), which leaves at once; a stopped line isn't waited for
/// on account of it.
const SOCKET_BUFFER: u64 = 1 << 20;

/// The slowest line that a body which lies in that buffer is given time for, in bytes a second: how fast it
/// leaves can't be seen.
const SLOW_LINE: f64 = (256 << 10) as f64;

/// How a request's body moves.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Moves>);

#[derive(Debug)]
struct Moves {
    began: Instant,
    /// When the connection last took a piece, in microseconds after `began`.
    last: AtomicU64,
    /// Bytes that it took.
    taken: AtomicU64,
    /// It took all of them.
    whole: AtomicBool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Activity(Arc::new(Moves {
            began: Instant::now(),
            last: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            whole: AtomicBool::new(false),
        }))
    }

    /// The connection took a piece of the body, and with it all of the body where nothing is `left`.
    pub(crate) fn moved(&self, bytes: usize, left: u64) {
        let since = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last.fetch_max(since, Ordering::Relaxed);
        self.0.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.whole.store(left == 0, Ordering::Relaxed);
    }

    /// Whether the connection took nothing yet: there is none, or the request waits for it.
    pub(crate) fn untouched(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) == 0
    }

    /// Until when the body's last bytes may be moving: taken isn't sent yet. The system's buffer, which takes
    /// the first bytes at once, empties at the rate at which it took the others.
    fn moving_until(&self) -> Instant {
        let last = Duration::from_micros(self.0.last.load(Ordering::Relaxed));
        let taken = self.0.taken.load(Ordering::Relaxed);
        let buffered = taken.min(SOCKET_BUFFER);
        let slowest = Duration::from_secs_f64(buffered as f64 / SLOW_LINE);
        let draining = match taken - buffered {
            0 if self.0.whole.load(Ordering::Relaxed) => slowest,
            // What isn't taken yet shows by itself that it moves.
            0 => last,
            others => last.mul_f64(buffered as f64 / others as f64).min(slowest),
        };
        self.0.began + last + draining
    }
}

impl ActiveTimeouts {
    /// Waits for `work` as long as the limits let it. With an `activity`, what moves there isn't idle.
    pub(crate) async fn watch<T>(
        &self,
        work: impl Future<Output = T>,
        activity: Option<&Activity>,
    ) -> Result<T, Elapsed> {
        let began = Instant::now();
        let idle_at = || {
            saturating_deadline(
                activity.map_or(began, |activity| activity.moving_until().max(began)),
                self.idle,
            )
        };
        let mut work = std::pin::pin!(work);
        loop {
            let idle_at_now = idle_at();
            let (until, elapsed) = match self.deadline {
                Some(deadline) if deadline < idle_at_now => (deadline, Elapsed::Total),
                _ => (idle_at_now, Elapsed::Idle(self.idle)),
            };
            match tokio::time::timeout_at(until.into(), &mut work).await {
                Ok(output) => return Ok(output),
                // Something moved in the meantime.
                Err(_) if elapsed != Elapsed::Total && idle_at() > idle_at_now => {}
                Err(_) => return Err(elapsed),
            }
        }
    }

    /// Waits for `work` as long as the request may take as a whole.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        match self.deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), work).await.map_err(|_| Elapsed::Total)
            }
            None => Ok(work.await),
        }
    }
}

/// `wait` after `moment`; for a wait that no clock holds, a moment that nobody lives to see.
pub(crate) fn saturating_deadline(moment: Instant, wait: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);
    moment.checked_add(wait.min(YEARS)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_body_taken_at_once_drains_fast() {
        let drains = |bytes: usize| {
            let activity = Activity::new();
            activity.moved(bytes, 0);
            let last = Duration::from_micros(activity.0.last.load(Ordering::Relaxed));
            activity.moving_until() - activity.0.began - last
        };
        // What a slow line's buffer holds has the time that it takes there.
        assert_eq!(drains(512 << 10), Duration::from_secs(2));
        assert_eq!(drains(1 << 20), Duration::from_secs(4));
        // Of a larger body the first bytes left as fast as the last ones were taken.
        assert!(drains(4 << 20) < Duration::from_secs(1));
    }
}
