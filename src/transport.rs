//! The one way a request leaves and an answer comes back: credentials, redirects, time-outs and errors are decided here,
//! for generated requests, forms, followed links and downloads alike.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::{Method, Request, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::credentials::CredentialsSource;
use crate::decode::decode;
use crate::error::{Cause, Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::limits::{Activity, Elapsed, Limits};
use crate::origin::Origin;
use crate::response::{ErrorResponse, hide_credentials};
use crate::url_conversion::Conversions;

/// How many redirects a request follows.
const MAX_REDIRECTS: usize = 10;

/// How much of an error's body is kept.
const MAX_ERROR_BODY: usize = 1 << 20;

/// What a client's requests have in common.
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) origin: Origin,
    pub(crate) credentials: CredentialsSource,
    pub(crate) connect_timeout: Duration,
    /// The largest body that is read whole, in bytes.
    pub(crate) max_body: usize,
}

/// A request on its way out.
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    /// The operation's id, for errors.
    pub(crate) operation: &'static str,
    pub(crate) idle: Duration,
    pub(crate) total: Option<Duration>,
    /// Moves with the request's body, where that is sent bit by bit.
    pub(crate) activity: Option<Activity>,
}

impl Transport {
    /// Sends a request and waits for the head of its answer. An answer that isn't a success is an error.
    pub(crate) async fn send(self: &Arc<Self>, outgoing: Outgoing) -> Result<Received> {
        let Outgoing { mut request, operation, idle, total, activity } = outgoing;
        let limits = Limits { idle, deadline: total.map(|total| Instant::now() + total) };
        let mut renewed = false;
        let mut redirects = 0;
        loop {
            let info = RequestInfo::new(operation, request.method(), request.url());
            let again = request.try_clone();
            let own = self.origin.owns(request.url());
            let credentials =
                if own { Some(self.credentials.headers().await.map_err(|error| error.of(info.clone()))?) } else { None };
            if let Some(credentials) = &credentials {
                for (name, value) in credentials.iter() {
                    request.headers_mut().insert(name, value.clone());
                }
            }
            let response = self.attempt(request, &info, limits, activity.as_ref()).await?;
            let status = response.status();
            let received = Received { response, info, limits, max_body: self.max_body, conversions: None, credentials };
            if status.is_success() {
                return Ok(received);
            }
            if let (StatusCode::UNAUTHORIZED, Some(refused), false) = (status, &received.credentials, renewed) {
                let others = self.credentials.renewed(refused).await.map_err(|error| error.of(received.info.clone()))?;
                match (others, again) {
                    (None, _) => return Err(received.into_status_error().await),
                    // Who gave the body has to give it anew.
                    (Some(_), None) => return Err(received.into_status_error().await.after_renewal()),
                    (Some(_), Some(again)) => {
                        renewed = true;
                        request = again;
                        continue;
                    }
                }
            }
            if status.is_redirection()
                && let Some(location) = received.response.headers().get(LOCATION)
            {
                let info = &received.info;
                let target = redirect_target(info, received.response.url(), location.as_bytes())?;
                request = self.redirected(again, target, status, info)?;
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    return Err(
                        Error::new(ErrorKind::ForeignUrl, format!("more than {MAX_REDIRECTS} redirects")).of(info.clone())
                    );
                }
                continue;
            }
            return Err(received.into_status_error().await);
        }
    }

    async fn attempt(
        &self,
        request: Request,
        info: &RequestInfo,
        limits: Limits,
        activity: Option<&Activity>,
    ) -> Result<Response> {
        match limits.watch(self.http.execute(request), activity).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.failure(error, info)),
            Err(elapsed) => Err(timed_out(elapsed, info)),
        }
    }

    /// Where a redirect leads, and how: a POST never becomes a GET, nothing goes from https to http, and only a request
    /// that changes nothing follows to another host (without credentials, since that isn't the base URL's origin).
    fn redirected(&self, again: Option<Request>, target: Url, status: StatusCode, info: &RequestInfo) -> Result<Request> {
        let refuse = |what: String| Err(Error::new(ErrorKind::ForeignUrl, what).of(info.clone()));
        if self.origin.is_https() && target.scheme() == "http" {
            return refuse(format!(
                "{} redirects from https to {}, which isn't followed",
                shown_status(status),
                crate::redact::shown_url(&target)
            ));
        }
        if !matches!(target.scheme(), "http" | "https") {
            return refuse(format!("{} redirects to the scheme {}", shown_status(status), target.scheme()));
        }
        let safe = matches!(info.method, Method::GET | Method::HEAD);
        if !safe {
            let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !keeps_method {
                return refuse(format!(
                    "{} redirects a {} to {}, where it would become a GET: check the base URL",
                    shown_status(status),
                    info.method,
                    crate::redact::shown_url(&target)
                ));
            }
            if !self.origin.owns(&target) {
                return Err(self
                    .origin
                    .foreign(&format!("{} redirects a {} to", shown_status(status), info.method), &target)
                    .of(info.clone()));
            }
        }
        let Some(mut request) = again else { return Err(unrepeatable(info)) };
        *request.url_mut() = target;
        Ok(request)
    }

    fn failure(&self, error: reqwest::Error, info: &RequestInfo) -> Error {
        let timed_out = error.is_timeout();
        let (connect, builder) = (error.is_connect(), error.is_builder());
        let cause = Cause::of(&error.without_url());
        let error = if connect && timed_out {
            Error::new(ErrorKind::Connect, format!("no connection within {:?}, the connect time-out", self.connect_timeout))
                .timed_out()
        } else if connect {
            Error::new(ErrorKind::Connect, format!("no connection: {}", cause.root()))
        } else if builder {
            Error::new(ErrorKind::InvalidInput, format!("the request can't be made: {}", cause.root()))
        } else {
            Error::broken_off(info.clone(), &format!("the connection broke before the answer: {}", cause.root()))
        };
        error.of(info.clone()).source_of(cause)
    }
}

fn redirect_target(info: &RequestInfo, from: &Url, location: &[u8]) -> Result<Url> {
    String::from_utf8(location.to_vec())
        .ok()
        .and_then(|location| from.join(&location).ok())
        .ok_or_else(|| Error::new(ErrorKind::Decode, "a redirect whose `Location` isn't a URL").of(info.clone()))
}

fn unrepeatable(info: &RequestInfo) -> Error {
    Error::new(ErrorKind::ForeignUrl, "a redirect of a streamed body, which can't be sent again").of(info.clone())
}

fn timed_out(elapsed: Elapsed, info: &RequestInfo) -> Error {
    let error = match info.changes_something() {
        true => Error::broken_off(info.clone(), &elapsed.to_string()),
        false => Error::new(ErrorKind::Timeout, elapsed.to_string()).of(info.clone()),
    };
    error.timed_out()
}

/// The head of an answer, its body still to be read.
#[doc(hidden)]
pub struct Received {
    response: Response,
    info: RequestInfo,
    limits: Limits,
    max_body: usize,
    /// What is done to the body's text before it is decoded, and whether that is a page.
    conversions: Option<(Arc<Conversions>, bool)>,
    /// What was sent, which errors don't show.
    credentials: Option<Arc<HeaderMap>>,
}

impl Received {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The body, whole.
    #[allow(dead_code, reason = "which answers there are depends on the document")]
    pub(crate) async fn bytes(self) -> Result<Bytes> {
        self.whole().await.map(|(body, _)| body)
    }

    async fn whole(mut self) -> Result<(Bytes, Head)> {
        let mut first: Option<Bytes> = None;
        let mut more = BytesMut::new();
        let announced = self.response.content_length();
        if announced.is_some_and(|length| length > self.max_body as u64) {
            return Err(self.too_large());
        }
        while let Some(piece) = self.piece().await? {
            let so_far = first.as_ref().map_or(0, Bytes::len) + more.len();
            if so_far + piece.len() > self.max_body {
                return Err(self.too_large());
            }
            match &first {
                None => first = Some(piece),
                Some(_) => {
                    if more.is_empty() {
                        // Room for the whole at once where its length is told; a lie costs no more than the limit.
                        let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(so_far * 4);
                        more.reserve(expected.clamp(so_far + piece.len(), self.max_body.max(so_far + piece.len())));
                        more.extend_from_slice(&first.replace(Bytes::new()).unwrap_or_default());
                    }
                    more.extend_from_slice(&piece);
                }
            }
        }
        let body = if more.is_empty() { first.unwrap_or_default() } else { more.freeze() };
        let headers = std::mem::take(self.response.headers_mut());
        let head = Head { status: self.response.status(), headers, info: self.info, credentials: self.credentials };
        Ok((body, head))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        match self.limits.watch(self.response.chunk(), None).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(body_failure(error, &self.info)),
            Err(elapsed) => Err(timed_out(elapsed, &self.info)),
        }
    }

    fn too_large(&self) -> Error {
        let message = format!(
            "{}, and the body is larger than {} bytes, the limit `max_body_size`",
            shown_status(self.status()),
            self.max_body
        );
        Error::new(ErrorKind::TooLarge, message).of(self.info.clone())
    }

    pub(crate) fn converting(mut self, conversions: Arc<Conversions>, list: bool) -> Self {
        self.conversions = (!conversions.is_empty()).then_some((conversions, list));
        self
    }

    /// The body as JSON, its URLs converted.
    pub(crate) async fn json<T: DeserializeOwned>(mut self) -> Result<T> {
        let conversions = self.conversions.take();
        let (body, head) = self.whole().await?;
        // A body that isn't text has no URLs; decoding it tells what is wrong.
        if let Some((conversions, list)) = conversions
            && let Ok(text) = std::str::from_utf8(&body)
        {
            let text = text.trim_start_matches('\u{feff}');
            let converted = conversions.apply(text, list).await.map_err(|failure| failure.into_error().of(head.info.clone()))?;
            if let std::borrow::Cow::Owned(converted) = converted {
                return head.decode(Bytes::from(converted));
            }
        }
        head.decode(body)
    }

    /// The body as it comes.
    #[allow(dead_code, reason = "which answers there are depends on the document")]
    pub(crate) fn stream(self) -> ByteStream {
        let length = self.response.content_length();
        ByteStream {
            pieces: Box::pin(self.response.bytes_stream()),
            info: self.info,
            limits: self.limits,
            length,
            timer: None,
            polled: Instant::now(),
        }
    }

    /// A body that breaks off, or is very long, doesn't hide the status: what came of it is kept.
    async fn into_status_error(mut self) -> Error {
        let mut body = BytesMut::new();
        while let Ok(Some(piece)) = self.piece().await {
            body.extend_from_slice(&piece[..piece.len().min(MAX_ERROR_BODY - body.len())]);
            if body.len() == MAX_ERROR_BODY {
                break;
            }
        }
        let headers = std::mem::take(self.response.headers_mut());
        let response = ErrorResponse::new(self.status(), headers, body.freeze()).hiding(self.credentials);
        Error::status_error(self.info, response)
    }
}

fn body_failure(error: reqwest::Error, info: &RequestInfo) -> Error {
    let decode = error.is_decode();
    let cause = Cause::of(&error.without_url());
    let what = if decode { "the body can't be unpacked, or broke off" } else { "the connection broke within the answer" };
    Error::broken_off(info.clone(), &format!("{what}: {}", cause.root())).source_of(cause)
}

/// What decoding a body needs to tell its errors.
pub(crate) struct Head {
    status: StatusCode,
    headers: HeaderMap,
    info: RequestInfo,
    credentials: Option<Arc<HeaderMap>>,
}

impl Head {
    fn decode<T: DeserializeOwned>(self, body: Bytes) -> Result<T> {
        decode(&body).map_err(|problem| self.undecodable(body, &problem.path, &problem.message))
    }

    fn undecodable(self, body: Bytes, path: &str, problem: &str) -> Error {
        let content_type =
            self.headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let json = media.is_empty() || media == "application/json" || media.ends_with("+json");
        let kind = if json { String::new() } else { format!(" (it is {media})") };
        let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
        let problem = hide_credentials(problem, self.credentials.as_deref());
        let message = format!("{}, and the answer can't be used{kind}{place}: {problem}", shown_status(self.status));
        let response = ErrorResponse::new(self.status, self.headers, body).hiding(self.credentials);
        let error = Error::new(ErrorKind::Decode, message).of(self.info).answered(response);
        if path.is_empty() { error } else { error.at_path(path) }
    }
}

/// A body as it comes: a [`Stream`] of [`Bytes`].
///
/// Dropping it stops the transfer. A consumer that is slow to take pieces is not idle: the read time-out counts only
/// while a piece is being waited for.
#[must_use = "a stream does nothing unless it is read"]
pub struct ByteStream {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    info: RequestInfo,
    limits: Limits,
    length: Option<u64>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    polled: Instant,
}

impl ByteStream {
    /// The whole length in bytes, where the server told it.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// Where the connection breaks, or a time-out runs out.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("url", &self.info.url).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let now = Instant::now();
        // Nobody asked for a while: that was the consumer's time, not the server's.
        if now.duration_since(std::mem::replace(&mut self.polled, now)) >= self.limits.idle {
            self.timer = None;
        }
        if let Poll::Ready(piece) = self.pieces.as_mut().poll_next(context) {
            self.timer = None;
            return Poll::Ready(piece.map(|piece| piece.map_err(|error| body_failure(error, &self.info))));
        }
        let idle_at = now + self.limits.idle;
        let total = self.limits.deadline.filter(|deadline| *deadline < idle_at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(total.unwrap_or(idle_at).into())));
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        let elapsed = if total.is_some() { Elapsed::Total } else { Elapsed::Idle(self.limits.idle) };
        Poll::Ready(Some(Err(timed_out(elapsed, &self.info))))
    }
}

/// Headers that only the transport sets: a caller can't replace them per call.
pub(crate) fn is_transport_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "referer")
}
