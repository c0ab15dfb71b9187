//! How long a request may take: the time-outs, and what counts as moving.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time-outs of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
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

/// When a byte of a request's body last moved.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    began: Instant,
    /// Microseconds after `began`.
    last: Arc<AtomicU64>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Activity { began: Instant::now(), last: Arc::default() }
    }

    /// A byte moved.
    pub(crate) fn touch(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(since, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }
}

impl Limits {
    /// Waits for `work` as long as the limits let it. With an `activity`, what moves there isn't idle.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>, activity: Option<&Activity>) -> Result<T, Elapsed> {
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            let idle_at = activity.map_or(began, |activity| activity.last().max(began)) + self.idle;
            let (until, elapsed) = match self.deadline {
                Some(deadline) if deadline < idle_at => (deadline, Elapsed::Total),
                _ => (idle_at, Elapsed::Idle(self.idle)),
            };
            match tokio::time::timeout_at(until.into(), &mut work).await {
                Ok(output) => return Ok(output),
                Err(_)
                    if elapsed != Elapsed::Total
                        && activity.is_some_and(|activity| activity.last() + self.idle > Instant::now()) => {}
                Err(_) => return Err(elapsed),
            }
        }
    }
}
