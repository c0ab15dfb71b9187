//! [`Retries`]: how often a failed request, chunk or file is tried again, and after which wait.

use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::Transport;
use super::retry_policy::{RetryPolicy, retry_after};
use crate::error::Error;

/// The failures of one piece of work, and when it is tried again. The caller decides what is tried again.
pub(crate) struct Retries<'t> {
    transport: &'t Transport,
    policy: RetryPolicy,
    deadline: Option<Instant>,
    began: Instant,
    failures: u32,
}

impl<'t> Retries<'t> {
    /// Makes the retries of work that begins now.
    pub(crate) fn new(transport: &'t Transport, policy: RetryPolicy, deadline: Option<Instant>) -> Self {
        Retries { transport, policy, deadline, began: transport.clock.now(), failures: 0 }
    }

    /// Returns the number of failures that were counted.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets the failures, because the work made progress.
    pub(crate) fn restart(&mut self) {
        self.failures = 0;
        self.begin();
    }

    /// Begins the policy's time now.
    pub(crate) fn begin(&mut self) {
        self.began = self.transport.clock.now();
    }

    /// Returns the wait before retry number `retry`, counted from 0. The policy's limits of retries and time
    /// don't apply.
    pub(crate) fn backoff(&self, retry: u32) -> Duration {
        self.policy.wait(retry, None, &*self.transport.clock)
    }

    /// Counts a failure that is tried again without a wait. Returns whether the policy allows it; one retry is
    /// always allowed.
    pub(crate) fn count(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures <= self.policy.retries.max(1)
    }

    /// Counts a failure, and returns the wait before the next attempt; `None` if there is none. If the client's
    /// retry budget forbids it, the error's message says so.
    pub(crate) fn wait_after(&mut self, error: &mut Error) -> Option<Duration> {
        let Retries { transport, policy, .. } = self;
        if self.failures >= policy.retries {
            return None;
        }
        let asked =
            error.response().and_then(|response| retry_after(response.headers(), transport.clock.date()));
        let wait = policy.wait(self.failures, asked, &*transport.clock);
        if transport.clock.now().duration_since(self.began).saturating_add(wait) > policy.max_elapsed {
            return None;
        }
        let is_late = |deadline: Instant| deadline.saturating_duration_since(Instant::now()) <= wait;
        if self.deadline.is_some_and(is_late) {
            return None;
        }
        if !transport.bucket.take(policy.retry_budget) {
            warn!(
                budget = policy.retry_budget,
                "too many requests of this client fail: this one isn't retried"
            );
            error.add(&format!(
                "not retried, since too many requests of this client fail: its budget of {} retries is used up \
                 (`RetryPolicy::retry_budget`)",
                policy.retry_budget
            ));
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        Some(wait)
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// Returns the error if there is no next attempt.
    pub(crate) async fn wait(&mut self, mut error: Error) -> Result<Error, Error> {
        let Some(wait) = self.wait_after(&mut error) else { return Err(self.give_up(error)) };
        debug!(%error, ?wait, "retrying after a failure");
        self.transport.clock.sleep(wait).await;
        Ok(error)
    }

    /// Returns the error of the last attempt.
    pub(crate) fn give_up(&self, error: Error) -> Error {
        match self.failures {
            0 => error,
            failures => error.after_attempts(failures.saturating_add(1)),
        }
    }
}
