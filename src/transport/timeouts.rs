//! The time-outs of a request, and what counts as activity.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time-outs set for a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timeouts {
    /// For making a connection.
    pub(crate) connect: Duration,
    /// While no byte is sent or received.
    pub(crate) idle: Duration,
    /// For the whole request, including every attempt and every wait.
    pub(crate) total: Option<Duration>,
    /// The latest time at which it must be done, whenever it starts.
    pub(crate) deadline: Option<Instant>,
}

impl Timeouts {
    pub(crate) fn start(self) -> ActiveTimeouts {
        // A time beyond the clock's range is no limit.
        let own = self.total.and_then(|total| Instant::now().checked_add(total));
        ActiveTimeouts {
            connect: self.connect,
            idle: self.idle,
            deadline: own.into_iter().chain(self.deadline).min(),
        }
    }
}

/// The time-outs of a request in progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ActiveTimeouts {
    /// For making a connection.
    pub(crate) connect: Duration,
    /// While no byte is sent or received.
    pub(crate) idle: Duration,
    /// From the first attempt to the response's last byte.
    pub(crate) deadline: Option<Instant>,
}

/// The limit that expired.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Elapsed {
    Idle(Duration),
    Total,
}

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Elapsed::Idle(limit) => write!(f, "no byte sent or received for {limit:?}, the read time-out"),
            Elapsed::Total => f.write_str("the time-out for the whole request expired"),
        }
    }
}

/// The assumed maximum size of the system's send buffer, in bytes: data that the system has accepted but not
/// sent. On a fast line the buffer grows larger (4 MiB on Linux), but then it drains at once. A stalled line
/// gets no additional time for a larger buffer.
const SOCKET_BUFFER: u64 = 1 << 20;

/// The speed of the slowest supported line, in bytes per second. It determines the time for a body that is
/// completely in the buffer, since the speed at which the buffer drains can't be observed.
const SLOW_LINE: f64 = (256 << 10) as f64;

/// The progress of a request's body.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Moves>);

#[derive(Debug)]
struct Moves {
    began: Instant,
    /// When the connection last accepted a chunk, in microseconds after `began`.
    last: AtomicU64,
    /// The number of bytes that the connection accepted.
    taken: AtomicU64,
    /// The connection accepted the whole body.
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

    /// Records that the connection accepted a chunk of the body; if nothing is `left`, it has accepted the
    /// whole body.
    pub(crate) fn moved(&self, bytes: usize, left: u64) {
        let since = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last.fetch_max(since, Ordering::Relaxed);
        self.0.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.whole.store(left == 0, Ordering::Relaxed);
    }

    /// Returns whether the connection has accepted nothing yet: there is no connection, or the request waits
    /// for it.
    pub(crate) fn untouched(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) == 0
    }

    /// Returns until when the body's last bytes may still be sent: accepted bytes aren't sent yet. The
    /// system's buffer, which accepts the first bytes at once, drains at the rate at which it accepted the
    /// others.
    fn moving_until(&self) -> Instant {
        let last = Duration::from_micros(self.0.last.load(Ordering::Relaxed));
        let taken = self.0.taken.load(Ordering::Relaxed);
        let buffered = taken.min(SOCKET_BUFFER);
        let slowest = Duration::from_secs_f64(buffered as f64 / SLOW_LINE);
        let draining = match taken - buffered {
            0 if self.0.whole.load(Ordering::Relaxed) => slowest,
            // Bytes that aren't accepted yet are recorded when they are.
            0 => last,
            others => last.mul_f64(buffered as f64 / others as f64).min(slowest),
        };
        self.0.began + last + draining
    }
}

impl ActiveTimeouts {
    /// Waits for `work` within the limits. With an `activity`, its progress resets the idle time-out.
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
                // There was activity in the meantime.
                Err(_) if elapsed != Elapsed::Total && idle_at() > idle_at_now => {}
                Err(_) => return Err(elapsed),
            }
        }
    }

    /// Waits for `work` within the total time-out.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        match self.deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), work).await.map_err(|_| Elapsed::Total)
            }
            None => Ok(work.await),
        }
    }
}

/// Returns `wait` after `moment`. If the clock can't represent it, returns a time in the far future.
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
        // A body in the buffer gets the time that a slow line needs for it.
        assert_eq!(drains(512 << 10), Duration::from_secs(2));
        assert_eq!(drains(1 << 20), Duration::from_secs(4));
        // The first bytes of a larger body were sent as fast as the last ones were accepted.
        assert!(drains(4 << 20) < Duration::from_secs(1));
    }
}
