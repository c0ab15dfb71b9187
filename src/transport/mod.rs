//! The one way a request leaves and an answer comes back: credentials, retries, redirects, limits, traces and errors are
//! decided here, for generated requests, forms, followed links and downloads alike.

mod failure;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod meter;
mod received;
mod redirect;
mod retrying;
mod sent_body;
mod stream;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, LOCATION};
use reqwest::{Body, Request, StatusCode};
use tokio::sync::Semaphore;

pub use meter::AttemptReport;
pub(crate) use meter::Observer;
pub use received::Received;
pub(crate) use retrying::may_be_sent_again;
pub use stream::ByteStream;

use crate::clock::Clock;
use crate::credentials::{CredentialsSource, Provided};
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::http_clients::{HttpClients, Kind};
use crate::limits::{Activity, Limits, TimeLimits};
use crate::origin::Origin;
use crate::retry::{RetryBucket, RetryPolicy};
use failure::{failure, not_connected_in_time, not_sent_in_time, timed_out};
use meter::Meter;
use redirect::{MAX_REDIRECTS, redirect_target};
use sent_body::SentBody;

/// What a client's requests have in common.
pub(crate) struct Transport {
    pub(crate) http: HttpClients,
    pub(crate) origin: Origin,
    pub(crate) credentials: CredentialsSource,
    /// The largest body that is read whole, in bytes.
    pub(crate) max_body: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bucket: RetryBucket,
    /// A permit for each request that may be in flight at a time.
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) observer: Option<Arc<Observer>>,
}

/// A request on its way out.
pub(crate) struct Outgoing {
    /// Sent again only where its body is in memory, or there is none.
    pub(crate) request: Request,
    /// The operation's id, for errors.
    pub(crate) operation: &'static str,
    pub(crate) limits: TimeLimits,
    pub(crate) retry: Retry,
    /// Moves with the request's body, where that is streamed.
    pub(crate) activity: Option<Activity>,
    /// Over a connection of its own: a kept one has just failed.
    pub(crate) fresh: bool,
    /// Gives the body as it was sent, not unpacked.
    pub(crate) as_sent: bool,
    /// Another host, to which the backend redirects, may answer in its place: a file's bytes are often elsewhere, what a list
    /// holds is not.
    pub(crate) elsewhere: bool,
    /// Counts the answers that ask for less.
    pub(crate) throttled: Option<Arc<AtomicU32>>,
}

/// How often a request is sent again.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) policy: RetryPolicy,
    /// The caller knows that the server may get it twice.
    pub(crate) unknown_outcome: bool,
}

/// What stays the same over the attempts at a request.
struct Attempts<'a> {
    operation: &'static str,
    limits: Limits,
    activity: Option<&'a Activity>,
    /// A kept connection has just failed.
    fresh: bool,
    as_sent: bool,
    elsewhere: bool,
    meter: Arc<Meter>,
}

impl Transport {
    /// One attempt: sends a request and waits for the head of its answer, over redirects and one renewal of credentials.
    /// An answer that isn't a success is an error.
    async fn exchange(&self, mut request: Request, again: Option<&Request>, attempts: &Attempts<'_>) -> Result<Box<Received>> {
        let limits = attempts.limits;
        let info_of = |request: &Request| RequestInfo::new(attempts.operation, request.method(), request.url());
        let mut permit = match self.in_flight.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                let permit = Box::pin(limits.within(self.in_flight.clone().acquire_owned())).await;
                permit.map_err(|elapsed| not_sent_in_time(elapsed, &info_of(&request)))?.ok()
            }
        };
        let mut renewed = false;
        let mut redirects = 0;
        // What is rare is boxed: every call moves the whole of its future.
        loop {
            let info = info_of(&request);
            // Only a request to the base URL's own origin gets any.
            let credentials = match &self.credentials {
                _ if !self.origin.owns(request.url()) => None,
                CredentialsSource::Fixed(headers) => Some(headers.clone()),
                CredentialsSource::Provided(provided) => Some(Box::pin(asked(provided, limits, &info)).await?),
            };
            if let Some(credentials) = &credentials {
                let headers = request.headers_mut();
                credentials.iter().for_each(|(name, value)| drop(headers.insert(name, value.clone())));
            }
            let response = self.execute(request, &info, attempts).await?;
            let status = response.status();
            let mut received = Box::new(Received {
                response,
                info,
                limits,
                max_body: self.max_body,
                conversions: None,
                credentials,
                meter: attempts.meter.clone(),
                permit: permit.take(),
            });
            if status.is_success() {
                return Ok(received);
            }
            if let (StatusCode::UNAUTHORIZED, Some(refused), false) = (status, &received.credentials, renewed) {
                let others = Box::pin(limits.within(self.credentials.renewed(refused))).await;
                let others = others.map_err(|elapsed| not_sent_in_time(elapsed, &received.info))?;
                let others = others.map_err(|error| error.of(received.info.clone()))?;
                match (others, again.and_then(Request::try_clone)) {
                    (None, _) => return Err(Box::pin(received.into_status_error()).await),
                    // Who gave the body has to give it anew.
                    (Some(_), None) => return Err(Box::pin(received.into_status_error()).await.after_renewal()),
                    (Some(_), Some(again)) => {
                        renewed = true;
                        request = again;
                        permit = received.permit.take();
                        continue;
                    }
                }
            }
            if status.is_redirection()
                && let Some(location) = received.response.headers().get(LOCATION)
            {
                let info = &received.info;
                let target = redirect_target(info, received.response.url(), location.as_bytes())?;
                request = self.redirected(again, target, status, attempts.elsewhere, info)?;
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    let error = Error::new(ErrorKind::ForeignUrl, format!("more than {MAX_REDIRECTS} redirects"));
                    return Err(error.of(info.clone()));
                }
                permit = received.permit.take();
                continue;
            }
            let wants_credentials = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let led_away = redirects > 0 && wants_credentials && received.credentials.is_none();
            let error = Box::pin(received.into_status_error()).await;
            return Err(match led_away {
                true => error.during("following a redirect to another host, where no credentials go (is the base URL right?)"),
                false => error,
            });
        }
    }

    async fn execute(&self, mut request: Request, info: &RequestInfo, attempts: &Attempts<'_>) -> Result<reqwest::Response> {
        let kind = Kind { connect_timeout: attempts.limits.connect, fresh: attempts.fresh, as_sent: attempts.as_sent };
        let client = self.http.of(kind).await.map_err(|error| error.of(info.clone()))?;
        let mut activity = attempts.activity.cloned();
        if activity.is_none() && request.body().is_some() {
            let moves = activity.insert(Activity::new()).clone();
            let body = request.body_mut().take().unwrap_or_default();
            let told = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            *request.body_mut() = Some(Body::wrap(SentBody::new(body, told, moves)));
        }
        match attempts.limits.watch(client.execute(request), activity.as_ref()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failure(error, info, kind.connect_timeout)),
            Err(elapsed) if activity.is_some_and(|activity| activity.untouched()) => Err(not_connected_in_time(elapsed, info)),
            Err(elapsed) => Err(timed_out(elapsed, info)),
        }
    }
}

/// The credentials that a provider gives, within what the request may take.
async fn asked(provided: &Provided, limits: Limits, info: &RequestInfo) -> Result<Arc<HeaderMap>> {
    let headers = limits.within(provided.headers()).await;
    headers.map_err(|elapsed| not_sent_in_time(elapsed, info))?.map_err(|error| error.of(info.clone()))
}

/// Headers that only the transport sets: a caller can't replace them per call.
pub(crate) fn is_transport_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "referer")
}

#[cfg(test)]
mod tests;
