//! A response whose head has arrived. Its body is read as a whole or streamed.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Version};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::content_decoder::{ContentDecoder, DecoderOutput};
use super::failure::{BodyError, body_failure, timed_out};
use super::metrics::ByteCounter;
use super::request_body::ResponseWaiter;
use super::stream::ByteStream;
use crate::error::json_text::decode::{Problem, decode};
use crate::error::redact::{excerpt, excerpt_without};
use crate::error::response::ErrorResponse;
use crate::error::{Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::runtime::blocking::{blocking, takes_long};
use crate::transport::timeouts::ActiveTimeouts;
use crate::url_conversion::{Conversions, Converted, Unconverted, Undelivered};
use crate::values::json::Json;

/// The maximum length of an error's body that is kept, in bytes.
const MAX_ERROR_BODY: usize = 1 << 20;

/// The maximum memory reserved for the part of a body that hasn't arrived yet, in bytes.
const MAX_RESERVED: usize = 1 << 20;

/// The longest media type that is shown, in bytes.
const MAX_MEDIA_TYPE: usize = 100;

/// The head of a response; the body isn't read yet.
#[doc(hidden)]
pub struct IncomingResponse {
    pub(super) response: Response,
    /// Set if the body is compressed.
    pub(super) content_decoder: Option<Box<ContentDecoder>>,
    /// Set if the request has a body, which ends when nobody waits for the response.
    pub(super) waiter: Option<ResponseWaiter>,
    pub(super) info: RequestInfo,
    pub(super) timeouts: ActiveTimeouts,
    pub(super) max_body: usize,
    /// The conversions of the body's text before decoding, and whether the body is a page.
    pub(super) conversions: Option<(Arc<Conversions>, bool)>,
    /// The credentials that were sent, which errors don't show.
    pub(super) credentials: Option<Arc<HeaderMap>>,
    pub(super) byte_counter: Arc<ByteCounter>,
    /// Held until the body is read as a whole, or streamed.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl IncomingResponse {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the whole body.
    #[allow(dead_code, reason = "which responses there are depends on the document")]
    pub(crate) async fn bytes(self: Box<Self>) -> Result<Bytes> {
        self.read_whole().await.map(|(body, _)| body)
    }

    async fn read_whole(mut self: Box<Self>) -> Result<(Bytes, ResponseHead)> {
        let mut first: Option<Bytes> = None;
        let mut more = BytesMut::new();
        let announced = self.content_length();
        if announced.is_some_and(|length| length > self.max_body as u64) {
            return Err(self.too_large());
        }
        while let Some(chunk) = self.chunk().await? {
            let so_far = first.as_ref().map_or(0, Bytes::len) + more.len();
            if so_far + chunk.len() > self.max_body {
                return Err(self.too_large());
            }
            match &first {
                None => first = Some(chunk),
                Some(_) => {
                    if more.is_empty() {
                        // Reserves the announced length at once, but not more than a wrong length may cost.
                        let expected =
                            announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(so_far * 4);
                        more.reserve(expected.min(MAX_RESERVED).max(so_far + chunk.len()));
                        more.extend_from_slice(&first.replace(Bytes::new()).unwrap_or_default());
                    }
                    more.extend_from_slice(&chunk);
                }
            }
        }
        let body = if more.is_empty() { first.unwrap_or_default() } else { more.freeze() };
        let headers = std::mem::take(self.response.headers_mut());
        let head = ResponseHead {
            status: self.response.status(),
            headers,
            info: self.info,
            timeouts: self.timeouts,
        };
        Ok((body, head))
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn info(&self) -> &RequestInfo {
        &self.info
    }

    /// Returns whether a truncated body can't be detected: the body ends with the connection, and its length
    /// is unknown.
    pub(crate) fn is_open_ended(&self) -> bool {
        let headers = self.headers();
        self.response.version() < Version::HTTP_2
            && !headers.contains_key(CONTENT_LENGTH)
            && !headers.contains_key(TRANSFER_ENCODING)
    }

    /// Sets the deadline for the whole body, instead of the request's.
    pub(crate) fn limit_body(&mut self, deadline: Option<Instant>) {
        self.timeouts.deadline = deadline;
    }

    /// Returns the body's length, if the server sent it. The length of a compressed body isn't used.
    fn content_length(&self) -> Option<u64> {
        self.response.content_length().filter(|_| self.content_decoder.is_none())
    }

    /// Returns the next decompressed chunk of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = loop {
            match self.timeouts.watch(next_chunk(&mut self.response, &mut self.content_decoder), None).await {
                Ok(Ok(Some(chunk))) if chunk.is_empty() => {}
                Ok(Ok(chunk)) => break chunk,
                Ok(Err(error)) => return Err(body_failure(error, &self.info).answered(self.head())),
                Err(elapsed) => return Err(timed_out(elapsed, &self.info).answered(self.head())),
            }
        };
        match &chunk {
            Some(chunk) => self.byte_counter.received(chunk.len()),
            None if self.status().is_success() => {
                self.waiter.take().into_iter().for_each(ResponseWaiter::answered)
            }
            None => {}
        }
        Ok(chunk)
    }

    /// Returns the response without its body.
    pub(super) fn head(&self) -> ErrorResponse {
        let headers = self.response.headers().clone();
        ErrorResponse::hiding(self.status(), headers, Bytes::new(), self.info.secrets.clone())
    }

    fn too_large(&self) -> Error {
        let message = format!(
            "{}, and the body is larger than {} bytes, the limit `max_body_size`",
            shown_status(self.status()),
            self.max_body
        );
        Error::new(ErrorKind::BodyLimit, message).of(self.info.clone()).answered(self.head())
    }

    pub(crate) fn converting(mut self: Box<Self>, conversions: &Arc<Conversions>, list: bool) -> Box<Self> {
        self.conversions = (!conversions.is_empty()).then(|| (conversions.clone(), list));
        self
    }

    /// Returns the decoded JSON body, with its URLs converted.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(self: Box<Self>) -> Result<T> {
        let (value, undelivered) = self.json_undelivered().await?;
        undelivered.delivered();
        Ok(value)
    }

    /// Like [`json`](Self::json), for a value that is passed to the caller later.
    pub(crate) async fn json_undelivered<T: DeserializeOwned + Send + 'static>(
        self: Box<Self>,
    ) -> Result<(T, Undelivered)> {
        let (Converted { body, undelivered, .. }, head) = self.converted().await?;
        Ok((head.decode(body).await?, undelivered))
    }

    /// Like [`json`](Self::json), for a body that may be missing.
    pub(crate) async fn json_if_any<T: DeserializeOwned + Send + 'static>(
        self: Box<Self>,
    ) -> Result<Option<T>> {
        let (Converted { body, undelivered, .. }, head) = self.converted().await?;
        let value = if body.is_empty() { None } else { Some(head.decode(body).await?) };
        undelivered.delivered();
        Ok(value)
    }

    /// Decodes the body with `decode`, after its URLs are converted. Also returns the response, for errors of
    /// its parts.
    pub(crate) async fn decoded<T: Send + 'static>(
        self: Box<Self>,
        decode: impl FnOnce(&Bytes) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, ResponseParts)> {
        let (Converted { body, unconverted, undelivered }, head) = self.converted().await?;
        let length = body.len();
        let decode = move |head: ResponseHead| match decode(&body) {
            Ok(value) => {
                Ok((value, ResponseParts { head, body, response: OnceLock::new(), unconverted, undelivered }))
            }
            Err(problem) => Err(head.into_undecodable(body, &problem)),
        };
        head.offload_if_long(length, decode).await
    }

    /// Like [`json`](IncomingResponse::json), but returns null if there is no body.
    pub(crate) async fn json_or_null(self: Box<Self>) -> Result<Json> {
        Ok(self.json_if_any().await?.unwrap_or_default())
    }

    async fn converted(mut self: Box<Self>) -> Result<(Converted, ResponseHead)> {
        let conversions = self.conversions.take();
        let (body, head) = self.read_whole().await?;
        match conversions {
            Some((conversions, page)) => Box::pin(head.convert(body, conversions, page)).await,
            None => Ok((Converted::unchanged(body), head)),
        }
    }

    /// Returns the body as a stream.
    #[allow(dead_code, reason = "which responses there are depends on the document")]
    pub(crate) fn stream(self: Box<Self>) -> ByteStream {
        let length = self.content_length();
        let IncomingResponse { response, content_decoder, waiter, info, timeouts, .. } = *self;
        let chunks = futures_util::stream::try_unfold(
            (response, content_decoder),
            |(mut response, mut content_decoder)| async move {
                let chunk = next_chunk(&mut response, &mut content_decoder).await?;
                Ok(chunk.map(|chunk| (chunk, (response, content_decoder))))
            },
        );
        ByteStream::new(Box::pin(chunks), info, timeouts, length, waiter)
    }

    /// Returns the error of an error status. A truncated or very long body doesn't hide the status: its
    /// beginning is kept.
    pub(super) async fn into_status_error(mut self: Box<Self>) -> Error {
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BODY - body.len())]);
            if body.len() == MAX_ERROR_BODY {
                break;
            }
        }
        let headers = std::mem::take(self.response.headers_mut());
        let head = ResponseHead {
            status: self.response.status(),
            headers,
            info: self.info,
            timeouts: self.timeouts,
        };
        let length = body.len();
        let error = move |head: ResponseHead| {
            let secrets = head.info.secrets.clone();
            Ok(Error::status_error(
                head.info,
                ErrorResponse::hiding(head.status, head.headers, body.freeze(), secrets),
            ))
        };
        head.offload_if_long(length, error).await.unwrap_or_else(|failed| failed)
    }
}

/// Returns the next chunk of a response's body, decompressed if necessary; `None` at its end. An empty chunk
/// means that bytes arrived which produced no output yet: the server isn't idle.
async fn next_chunk(
    response: &mut Response,
    content_decoder: &mut Option<Box<ContentDecoder>>,
) -> Result<Option<Bytes>, BodyError> {
    let Some(content_decoder) = content_decoder else { return Ok(response.chunk().await?) };
    match content_decoder.advance().await? {
        DecoderOutput::Chunk(chunk) => return Ok(Some(chunk)),
        DecoderOutput::End => return Ok(None),
        DecoderOutput::NeedsInput => {}
    }
    match response.chunk().await? {
        Some(compressed) => content_decoder.push(compressed),
        None => content_decoder.end(),
    }
    Ok(Some(Bytes::new()))
}

/// A response that was read as a whole.
pub(crate) struct ResponseParts {
    head: ResponseHead,
    body: Bytes,
    /// Shared by the errors of all parts.
    response: OnceLock<ErrorResponse>,
    /// URLs that were not converted.
    pub(crate) unconverted: Unconverted,
    /// Converted values whose converters are notified if the caller never receives them.
    pub(crate) undelivered: Undelivered,
}

impl ResponseParts {
    /// Returns the error of a part that can't be used. It shares the response with other errors, so it costs
    /// no more than its message.
    pub(crate) fn undecodable(&self, problem: &Problem) -> Error {
        let head = &self.head;
        let response = || {
            ErrorResponse::hiding(
                head.status,
                head.headers.clone(),
                self.body.clone(),
                head.info.secrets.clone(),
            )
        };
        head.undecodable(self.response.get_or_init(response).shared(), problem)
    }

    /// Returns the beginning of a text of the response, at most `limit` bytes, without the credentials that
    /// were sent.
    pub(crate) fn excerpt(&self, text: &str, limit: usize) -> String {
        excerpt_without(text, limit, &self.head.info.secrets, " ")
    }
}

/// The data that decoding a body needs for its errors.
struct ResponseHead {
    status: StatusCode,
    headers: HeaderMap,
    info: RequestInfo,
    timeouts: ActiveTimeouts,
}

impl ResponseHead {
    /// Converts a body's URLs, within the total time-out.
    async fn convert(
        self,
        body: Bytes,
        conversions: Arc<Conversions>,
        page: bool,
    ) -> Result<(Converted, ResponseHead)> {
        match self.timeouts.within(conversions.apply(body, page, &self.info.secrets)).await {
            Ok(Ok(converted)) => Ok((converted, self)),
            Ok(Err(error)) => Err(error.of(self.info)),
            Err(elapsed) => {
                let response =
                    ErrorResponse::hiding(self.status, self.headers, Bytes::new(), self.info.secrets.clone());
                Err(timed_out(elapsed, &self.info)
                    .answered(response)
                    .during("converting the URLs of the response"))
            }
        }
    }

    /// Processes a body of `length` bytes, within the total time-out.
    async fn offload_if_long<T: Send + 'static>(
        self,
        length: usize,
        work: impl FnOnce(ResponseHead) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if !takes_long(length) {
            return work(self);
        }
        let (timeouts, info) = (self.timeouts, self.info.clone());
        match Box::pin(timeouts.within(blocking(move || work(self)))).await {
            Ok(Ok(done)) => done,
            Ok(Err(stopped)) => Err(stopped.of(info)),
            Err(elapsed) => Err(timed_out(elapsed, &info)),
        }
    }

    async fn decode<T: DeserializeOwned + Send + 'static>(self, body: Bytes) -> Result<T> {
        let length = body.len();
        self.offload_if_long(length, move |head| {
            decode(&body).map_err(|problem| head.into_undecodable(body, &problem))
        })
        .await
    }

    fn into_undecodable(mut self, body: Bytes, problem: &Problem) -> Error {
        let headers = std::mem::take(&mut self.headers);
        let response = ErrorResponse::hiding(self.status, headers, body, self.info.secrets.clone());
        self.undecodable(response, problem)
    }

    fn undecodable(&self, response: ErrorResponse, problem: &Problem) -> Error {
        let path = self.info.secrets.hide(&problem.path);
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let json = media.is_empty() || media == "application/json" || media.ends_with("+json");
        let kind = if json { String::new() } else { format!(" (it is {})", excerpt(media, MAX_MEDIA_TYPE)) };
        let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
        let message = &problem.message;
        let message =
            format!("{}, but the response can't be used{kind}{place}: {message}", shown_status(self.status));
        // A truncated response, or one from a proxy in front of the backend, doesn't show what the backend
        // did.
        let error = match !self.info.is_idempotent() && (problem.cut_off || !json) {
            true => Error::unknown_outcome(message),
            false => Error::new(ErrorKind::Decode, message),
        };
        let error = error.of(self.info.clone()).answered(response);
        let error = if problem.cut_off { error.cut_off() } else { error };
        if path.is_empty() { error } else { error.at_path(path) }
    }
}
