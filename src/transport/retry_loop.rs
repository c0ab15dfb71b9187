//! The loop over the attempts at a request, and the report of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tracing::{Instrument, debug, debug_span};

use super::failure::{Failure, timed_out};
use super::metrics::{AttemptReport, ByteCounter};
use super::retries::Retries;
use super::timeouts::ActiveTimeouts;
use super::{IncomingResponse, Transport, TransportRequest};
use crate::error::redact::redact;
use crate::error::redact::secrets::Secrets;
use crate::error::{Error, RequestInfo};
use crate::runtime;

impl Transport {
    /// Returns what errors of a request say about it.
    pub(crate) fn info(&self, outgoing: &TransportRequest) -> RequestInfo {
        outgoing.info(&outgoing.request, Secrets::from(self.credentials.known()))
    }

    /// Sends a request until it succeeds or may not be retried. `read` reads the response: a response that is
    /// truncated in its body is a failed attempt too.
    pub(crate) fn fetch<T, F>(
        self: Arc<Self>,
        outgoing: TransportRequest,
        read: impl Fn(Box<IncomingResponse>) -> F,
    ) -> impl Future<Output = Result<T, Failure>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let span = debug_span!(
            "synapse",
            operation = outgoing.operation,
            method = outgoing.request.method().as_str(),
            path = &*Secrets::from(self.credentials.known())
                .and_marked(outgoing.marked.as_ref())
                .hide_in_url(&redact(outgoing.request.url().path()))
        );
        // Not every caller is a `ResponseFuture`, which checks the runtime itself.
        runtime::within(self.attempts(outgoing, read).instrument(span))
    }

    async fn attempts<T, F>(
        self: Arc<Self>,
        mut outgoing: TransportRequest,
        read: impl Fn(Box<IncomingResponse>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let timeouts = outgoing.timeouts.start();
        let is_kept = outgoing.is_repeatable();
        let mut retries = Retries::new(&self, outgoing.retry.policy.clone(), timeouts.deadline);
        loop {
            let (number, started) = (retries.failures() + 1, Instant::now());
            let byte_counter = Arc::default();
            // A separate statement, so that both futures can use the same memory.
            let response = self.exchange(&mut outgoing, timeouts, &byte_counter).await;
            let mut outcome = match response {
                Ok(response) => {
                    let status = response.status();
                    let value = match timeouts.deadline {
                        None => read(response).await,
                        Some(_) => Box::pin(in_time(response, timeouts, &read)).await,
                    };
                    value.map(|value| (value, status))
                }
                Err(failure) => Err(failure),
            };
            let wait = match &mut outcome {
                Err(failure) if is_kept => {
                    let method = outgoing.request.method();
                    match failure.may_be_resent(method, outgoing.retry.idempotent) {
                        true => retries.wait_after(&mut failure.error),
                        false => None,
                    }
                }
                _ => None,
            };
            self.report(&outcome, &outgoing, number, started.elapsed(), wait, &byte_counter);
            let failure = match outcome {
                Ok((value, _)) => {
                    self.bucket.refill();
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            if let (Some(throttled), Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)) =
                (&outgoing.throttled, failure.error.status())
            {
                throttled.fetch_add(1, Ordering::Relaxed);
            }
            let Some(wait) = wait else {
                return Err(failure.map(|error| error.after_attempts(number)));
            };
            self.clock.sleep(wait).await;
            outgoing.new_connection = failure.lost_connection();
        }
    }

    fn report<T>(
        &self,
        outcome: &Result<(T, StatusCode), Failure>,
        outgoing: &TransportRequest,
        attempt: u32,
        duration: Duration,
        retry_in: Option<Duration>,
        byte_counter: &ByteCounter,
    ) {
        let (status, error) = match outcome {
            Ok((_, status)) => (Some(*status), None),
            Err(failure) => (failure.error.status(), Some(&failure.error)),
        };
        let bytes_received = byte_counter.bytes();
        let number = status.map(|status| status.as_u16());
        match error {
            None => debug!(attempt, status = number, bytes = bytes_received, ?duration, "succeeded"),
            Some(error) => {
                debug!(attempt, status = number, bytes = bytes_received, ?duration, ?retry_in, %error, "failed")
            }
        }
        if let Some(observer) = &self.observer {
            observer(&AttemptReport {
                operation: outgoing.operation,
                method: outgoing.request.method(),
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
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (info, head) = (response.info().clone(), response.head());
    match timeouts.within(read(response)).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(timed_out(elapsed, &info).map(|error| error.answered(head))),
    }
}
