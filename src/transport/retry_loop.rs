//! The attempts at a request: what may be retried, and after which wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use tracing::{Instrument, debug, debug_span, warn};

use super::exchange::Attempts;
use super::failure::timed_out;
use super::metrics::AttemptReport;
use super::{IncomingResponse, Retry, Transport, TransportRequest};
use crate::error::redact::redact;
use crate::error::redact::secrets::Secrets;
use crate::error::{Error, ErrorKind, Result, is_idempotent};
use crate::runtime;
use crate::transport::retry_policy::{RetryPolicy, retry_after};
use crate::transport::timeouts::ActiveTimeouts;

impl Transport {
    /// Sends a request until it succeeds or may not be retried. `read` reads the response: a response that is
    /// truncated in its body is a failed attempt too.
    pub(crate) fn fetch<T, F>(
        self: Arc<Self>,
        outgoing: TransportRequest,
        read: impl Fn(Box<IncomingResponse>) -> F,
    ) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let span = debug_span!(
            "synapse",
            operation = outgoing.operation,
            method = outgoing.request.method().as_str(),
            path = &*Secrets::from(self.credentials.known()).hide(&redact(outgoing.request.url().path()))
        );
        // Not every caller is a `ResponseFuture`, which checks the runtime itself.
        runtime::within(self.attempts(outgoing, read).instrument(span))
    }

    async fn attempts<T, F>(
        self: Arc<Self>,
        outgoing: TransportRequest,
        read: impl Fn(Box<IncomingResponse>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let TransportRequest {
            mut request,
            operation,
            timeouts,
            retry,
            activity,
            new_connection,
            no_decompression,
            allow_cross_origin,
            throttled,
        } = outgoing;
        let began = self.clock.now();
        let timeouts = timeouts.start();
        let mut attempts = Attempts {
            operation,
            timeouts,
            activity: activity.as_ref(),
            new_connection,
            no_decompression,
            allow_cross_origin,
            byte_counter: Arc::default(),
        };
        let mut number = 1;
        loop {
            // `None` if the body is streamed: it can only be sent once.
            let again = request.try_clone();
            let method = request.method().clone();
            let started = Instant::now();
            // A separate statement, so that both futures can use the same memory.
            let response = self.exchange(request, again.as_ref(), &attempts).await;
            let mut outcome = match response {
                Ok(response) => {
                    let status = response.status();
                    let value = match timeouts.deadline {
                        None => read(response).await,
                        Some(_) => Box::pin(in_time(response, timeouts, &read)).await,
                    };
                    value.map(|value| (value, status))
                }
                Err(error) => Err(error),
            };
            let wait = match &mut outcome {
                Err(error) if again.is_some() => {
                    self.wait_after(error, &method, &retry, number, began, attempts.timeouts)
                }
                _ => None,
            };
            self.report(&outcome, &method, number, started.elapsed(), wait, &attempts);
            let error = match outcome {
                Ok((value, _)) => {
                    self.bucket.refill();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if let (Some(throttled), Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)) =
                (&throttled, error.status())
            {
                throttled.fetch_add(1, Ordering::Relaxed);
            }
            let (Some(wait), Some(again)) = (wait, again) else { return Err(error.after_attempts(number)) };
            self.clock.sleep(wait).await;
            attempts.new_connection = error.lost_connection();
            attempts.byte_counter = Arc::default();
            request = again;
            number += 1;
        }
    }

    /// Returns the wait before the next attempt; `None` if there is no next attempt.
    fn wait_after(
        &self,
        error: &mut Error,
        method: &Method,
        retry: &Retry,
        number: u32,
        began: Instant,
        timeouts: ActiveTimeouts,
    ) -> Option<Duration> {
        let wanted = retry.unknown_outcome && error.is_unknown_outcome();
        if !(wanted || may_be_sent_again(error, method)) {
            return None;
        }
        self.backoff(&retry.policy, number - 1, began, timeouts.deadline, error)
    }

    /// Returns the wait before retry number `retry`, counted from 0, of a request that began at `began`;
    /// `None` if it may not be retried. If the client's retry budget forbids it, the error's message says so.
    pub(crate) fn backoff(
        &self,
        policy: &RetryPolicy,
        retry: u32,
        began: Instant,
        deadline: Option<Instant>,
        error: &mut Error,
    ) -> Option<Duration> {
        if retry >= policy.retries {
            return None;
        }
        let asked = error.response().and_then(|response| retry_after(response.headers(), self.clock.date()));
        let wait = policy.wait(retry, asked, &*self.clock);
        if self.clock.now().duration_since(began).saturating_add(wait) > policy.max_elapsed {
            return None;
        }
        if deadline.is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) <= wait) {
            return None;
        }
        if !self.bucket.take(policy.retry_budget) {
            warn!(
                budget = policy.retry_budget,
                "too many requests of this client fail: this one isn't retried"
            );
            let retries = policy.retry_budget;
            error.add(&format!(
                "not retried, since too many requests of this client fail: its budget of {retries} retries is used up \
                 (`RetryPolicy::retry_budget`)"
            ));
            return None;
        }
        Some(wait)
    }

    fn report<T>(
        &self,
        outcome: &Result<(T, reqwest::StatusCode)>,
        method: &Method,
        attempt: u32,
        duration: Duration,
        retry_in: Option<Duration>,
        attempts: &Attempts<'_>,
    ) {
        let (status, error) = match outcome {
            Ok((_, status)) => (Some(*status), None),
            Err(error) => (error.status(), Some(error)),
        };
        let bytes_received = attempts.byte_counter.bytes();
        let number = status.map(|status| status.as_u16());
        match error {
            None => debug!(attempt, status = number, bytes = bytes_received, ?duration, "succeeded"),
            Some(error) => {
                debug!(attempt, status = number, bytes = bytes_received, ?duration, ?retry_in, %error, "failed")
            }
        }
        if let Some(observer) = &self.observer {
            observer(&AttemptReport {
                operation: attempts.operation,
                method,
                attempt,
                status,
                error: error.map(Error::kind),
                bytes_received,
                duration,
                retry_in,
            });
        }
    }
}

/// Reads a response with `read`, including decoding and conversions, within the total time-out.
async fn in_time<T, F>(
    response: Box<IncomingResponse>,
    timeouts: ActiveTimeouts,
    read: impl Fn(Box<IncomingResponse>) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let (info, head) = (response.info().clone(), response.head());
    match timeouts.within(read(response)).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(timed_out(elapsed, &info).answered(head)),
    }
}

/// Returns whether a failed request may be retried without the server acting on it twice.
pub(crate) fn may_be_sent_again(error: &Error, method: &Method) -> bool {
    // An OPTIONS request has no unknown outcome, but isn't retried.
    let repeatable = is_idempotent(method) && *method != Method::OPTIONS;
    let status = error.status().map(|status| status.as_u16()).unwrap_or_default();
    match error.kind() {
        ErrorKind::Connect => true,
        ErrorKind::Timeout | ErrorKind::ConnectionLost => repeatable,
        ErrorKind::Decode => repeatable && error.is_cut_off(),
        ErrorKind::Status if repeatable => {
            matches!(status, 408 | 429 | 502 | 503 | 504 | 520..=524)
                || (status == 500 && method == Method::GET)
        }
        // A 503 from a gateway itself is an unknown outcome.
        ErrorKind::Status => matches!(status, 429 | 503),
        _ => false,
    }
}
