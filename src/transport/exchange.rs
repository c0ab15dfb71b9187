//! One attempt at a request: attaches the credentials, sends the request over a connection, follows redirects
//! and receives the head of the response.

use std::sync::Arc;

use futures_util::future::poll_immediate;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue, LOCATION, RANGE};
use reqwest::{Body, Request, StatusCode};

use super::content_decoder::ContentDecoder;
use super::failure::{Failure, Reason, not_connected_in_time, not_sent_in_time, of_reqwest, timed_out};
use super::metrics::ByteCounter;
use super::redirect::{RedirectChain, redirect_target};
use super::request::{StreamedBody, TransportRequest};
use super::request_body::{RequestBody, ResponseWaiter};
use super::too_long::shown_query;
use super::{IncomingResponse, Transport, coding};
use crate::error::redact::secrets::Secrets;
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::runtime::blocking::blocking;
use crate::runtime::lock::lock;
use crate::transport::credentials::CredentialsSource;
use crate::transport::timeouts::{ActiveTimeouts, Activity, Elapsed, Timeouts};

/// The minimum number of bytes that a peer's system accepts before the peer reads them: the TCP window
/// without the window scale option.
const WINDOW: u64 = 64 << 10;

impl Transport {
    /// One attempt: sends a request and waits for the head of its response, following redirects and renewing
    /// the credentials once.
    ///
    /// # Errors
    /// Returns a failure if there is no response, or if its status is an error.
    pub(super) async fn exchange(
        &self,
        outgoing: &mut TransportRequest,
        timeouts: ActiveTimeouts,
        byte_counter: &Arc<ByteCounter>,
    ) -> Result<Box<IncomingResponse>, Failure> {
        let is_repeatable = outgoing.is_repeatable();
        let mut streamed = outgoing.streamed.take();
        let outgoing = &*outgoing;
        let again = is_repeatable.then_some(&outgoing.request);
        let once = || Error::invalid_input("the request's body can only be sent once");
        let mut request = outgoing.request.try_clone().ok_or_else(once)?;
        // Errors hide these secrets, wherever a redirect leads.
        let mut secrets = Secrets::from(self.credentials.known());
        let info_of = |request: &Request| outgoing.info(request, Secrets::from(self.credentials.known()));
        let mut permit = match self.in_flight.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                let permit = Box::pin(timeouts.within(self.in_flight.clone().acquire_owned())).await;
                permit.map_err(|elapsed| not_sent_in_time(elapsed, &info_of(&request)))?.ok()
            }
        };
        let mut renewed = false;
        let mut chain = RedirectChain::of(&self.origin, &request);
        // Rare futures are boxed, since every call moves its whole future.
        loop {
            let info = info_of(&request);
            // Only a request to the base URL's origin gets credentials, and only if no other host redirected
            // it there.
            let credentials = match &self.credentials {
                _ if !chain.keeps_credentials() => None,
                CredentialsSource::Fixed(headers) => Some(headers.clone()),
                CredentialsSource::Provided(provided) => {
                    Some(Box::pin(from_provider(provided.headers(), timeouts, &info)).await?)
                }
            };
            if let Some(credentials) = &credentials {
                let headers = request.headers_mut();
                credentials.iter().for_each(|(name, value)| drop(headers.insert(name, value.clone())));
                let before = secrets
                    .and(credentials.iter().filter(|(name, value)| renewed && !secrets.has(name, value)));
                secrets = if renewed { before } else { Secrets::from(Some(credentials.clone())) };
            }
            let secrets = self.with_secrets_of(&request, &secrets);
            let info = info.hiding(secrets.and_marked(outgoing.marked.as_ref()));
            let (mut response, waiter) =
                self.execute(request, streamed.take(), &info, outgoing, timeouts).await?;
            let status = response.status();
            let content_decoder =
                if outgoing.no_decompression { None } else { ContentDecoder::of(&mut response) };
            let mut incoming = Box::new(IncomingResponse {
                response,
                content_decoder,
                waiter,
                info,
                timeouts,
                max_body: self.max_body,
                conversions: outgoing.conversions.clone(),
                credentials,
                byte_counter: byte_counter.clone(),
                permit: permit.take(),
            });
            if status.is_success() {
                return Ok(incoming);
            }
            if let (StatusCode::UNAUTHORIZED, Some(refused), false) = (status, &incoming.credentials, renewed)
            {
                let other_credentials =
                    Box::pin(from_provider(self.credentials.other_than(refused), timeouts, &incoming.info))
                        .await?;
                match (other_credentials, again.and_then(Request::try_clone)) {
                    (None, _) => return Err(Box::pin(incoming.into_status_error()).await.into()),
                    // The caller who provided the body must provide it again.
                    (Some(_), None) => {
                        let error = Box::pin(incoming.into_status_error()).await;
                        return Err(Failure { error, reason: Reason::Renewed });
                    }
                    (Some(_), Some(again)) => {
                        renewed = true;
                        request = again;
                        permit = incoming.permit.take();
                        continue;
                    }
                }
            }
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
                && let Some(location) = incoming.response.headers().get(LOCATION)
            {
                let info = &incoming.info;
                let target = redirect_target(info, incoming.response.url(), location.as_bytes())?;
                request =
                    self.follow(&mut chain, again, target, status, outgoing.allow_cross_origin, info)?;
                permit = incoming.permit.take();
                continue;
            }
            let wants_credentials = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let why = chain
                .why_without_credentials(self.origin.owns(incoming.response.url()))
                .filter(|_| wants_credentials);
            let during = match status {
                _ if why.is_some() => why.map(str::to_owned),
                StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                    shown_query(incoming.response.url())
                }
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => self
                    .http
                    .proxy_of(incoming.response.url())
                    .map(|proxy| format!("authenticating with the proxy {proxy}")),
                _ => None,
            };
            let error = Box::pin(incoming.into_status_error()).await;
            return Err(Failure::from(match during {
                Some(during) => error.during(during),
                None => error,
            }));
        }
    }

    /// Returns the tenant that requests are for, if one is set.
    ///
    /// # Errors
    /// Returns an error if the credentials provider fails.
    pub(crate) async fn tenant(&self, timeouts: Timeouts, info: &RequestInfo) -> Result<Option<HeaderValue>> {
        Box::pin(from_provider(self.credentials.tenant(), timeouts.start(), info)).await
    }

    /// Returns the client's secrets and those in a call's own headers.
    fn with_secrets_of(&self, request: &Request, secrets: &Secrets) -> Secrets {
        let own = request
            .headers()
            .iter()
            .filter(|(name, value)| !secrets.has(name, value) && self.credentials.is_credential(name));
        secrets.and(own)
    }

    /// Returns the head of the response and, if the request has a body, the handle that ends the body when
    /// dropped.
    ///
    /// # Errors
    /// Returns a failure if no response head arrives.
    async fn execute(
        &self,
        mut request: Request,
        streamed: Option<StreamedBody>,
        info: &RequestInfo,
        outgoing: &TransportRequest,
        timeouts: ActiveTimeouts,
    ) -> Result<(reqwest::Response, Option<ResponseWaiter>), Failure> {
        let headers = request.headers_mut();
        if !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE) {
            let identity = HeaderValue::from_static("identity");
            let accepted = if outgoing.no_decompression { Some(identity) } else { coding::accepted() };
            headers.extend(accepted.map(|accepted| (ACCEPT_ENCODING, accepted)));
        }
        let (streamed, failure) = match &outgoing.multipart {
            None => (streamed, None),
            Some(form) => {
                let form = form.clone();
                let opening = Box::pin(timeouts.within(blocking(move || form.open()))).await;
                let opened = opening.map_err(|elapsed| not_sent_in_time(elapsed, info))?;
                let opened = opened.and_then(|opened| opened).map_err(|error| error.of(info.clone()))?;
                request.headers_mut().insert(CONTENT_LENGTH, opened.length.into());
                (Some(StreamedBody { body: opened.body, activity: None }), Some(opened.failure))
            }
        };
        let size_hint =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let in_memory = request.body_mut().take().map(|body| StreamedBody { body, activity: None });
        let body = streamed.or(in_memory).map(|StreamedBody { body, activity }| {
            let moves = activity.is_none().then(Activity::new);
            (RequestBody::new(body, size_hint, moves.clone()), activity.or(moves))
        });
        // A body that fits into the peer's receive window never stalls. Only a larger body needs a client
        // with its own read time-out.
        let is_large =
            body.as_ref().is_some_and(|((body, _), _)| body.left().is_none_or(|left| left > WINDOW));
        let kind =
            self.http.kind(timeouts.connect, is_large.then_some(timeouts.idle), outgoing.new_connection);
        let mut making = std::pin::pin!(self.http.of(kind));
        let client = match poll_immediate(&mut making).await {
            Some(client) => client,
            // It is made on a blocking thread, which may not be available at once.
            None => {
                let made = Box::pin(timeouts.watch(making, None)).await;
                made.map_err(|elapsed| not_connected_in_time(elapsed, info))?
            }
        };
        let client = client.map_err(|error| error.of(info.clone()))?;
        let mut activity = None;
        let waiter = body.map(|((body, waiter), moves)| {
            *request.body_mut() = Some(Body::wrap(body));
            activity = moves;
            waiter
        });
        match timeouts.watch(client.execute(request), activity.as_ref()).await {
            Ok(Ok(response)) => Ok((response, waiter)),
            Ok(Err(error)) => {
                if let Some(failed) = failure.and_then(|failure| lock(&failure).take()) {
                    return Err(failed.of(info.clone()).into());
                }
                let proxy = error.url().and_then(|url| self.http.proxy_of(url));
                Err(of_reqwest(error, info, kind.connect_timeout, proxy.as_deref()))
            }
            Err(elapsed) if activity.is_some_and(|activity| activity.untouched()) => {
                Err(not_connected_in_time(elapsed, info).into())
            }
            Err(elapsed) => Err(timed_out(elapsed, info)),
        }
    }
}

/// Waits for the credentials provider, at most for the read time-out, since all requests wait for it.
///
/// # Errors
/// Returns an error if the provider fails or doesn't respond in time.
async fn from_provider<T>(
    asked: impl Future<Output = Result<T>>,
    timeouts: ActiveTimeouts,
    info: &RequestInfo,
) -> Result<T> {
    match timeouts.watch(asked, None).await {
        Ok(given) => given.map_err(|error| error.of(info.clone())),
        Err(Elapsed::Idle(limit)) => {
            let message =
                format!("the credentials provider didn't respond within {limit:?}, the read time-out");
            Err(Error::new(ErrorKind::Credentials, message).timed_out().of(info.clone()))
        }
        Err(elapsed) => Err(not_sent_in_time(elapsed, info)),
    }
}
