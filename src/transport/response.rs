//! A response whose head has arrived. Its body is read as a whole or streamed.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Version};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::content_decoder::{ContentDecoder, DecoderOutput};
use super::failure::{BodyError, Failure, body_failure, timed_out};
use super::metrics::ByteCounter;
use super::request_body::ResponseWaiter;
use super::stream::ByteStream;
use super::whole_response::{ResponseHead, WholeResponse};
use crate::error::json_text::decode::decode;
use crate::error::json_text::leniency::Leniency;
use crate::error::response::ErrorResponse;
use crate::error::{Error, ErrorKind, RequestInfo, shown_status};
use crate::transport::timeouts::ActiveTimeouts;
use crate::url_conversion::{Conversions, Converted, ItemsPath, Undelivered};
use crate::values::json::Json;

/// The maximum length of an error's body that is kept, in bytes.
const MAX_ERROR_BODY: usize = 1 << 20;

/// The maximum memory reserved for the part of a body that hasn't arrived yet, in bytes.
const MAX_RESERVED: usize = 1 << 20;

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
    /// The conversions of the body's text before decoding, and where it has the items of a list.
    pub(super) conversions: Option<(Arc<Conversions>, ItemsPath)>,
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
    pub(crate) async fn bytes(self: Box<Self>) -> Result<Bytes, Failure> {
        self.read_whole().await.map(|(body, _)| body)
    }

    async fn read_whole(mut self: Box<Self>) -> Result<(Bytes, ResponseHead), Failure> {
        let mut first: Option<Bytes> = None;
        let mut more = BytesMut::new();
        let announced = self.content_length();
        if announced.is_some_and(|length| length > self.max_body as u64) {
            return Err(self.too_large().into());
        }
        while let Some(chunk) = self.chunk().await? {
            let so_far = first.as_ref().map_or(0, Bytes::len) + more.len();
            if so_far + chunk.len() > self.max_body {
                return Err(self.too_large().into());
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
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunk = loop {
            match self.timeouts.watch(next_chunk(&mut self.response, &mut self.content_decoder), None).await {
                Ok(Ok(Some(chunk))) if chunk.is_empty() => {}
                Ok(Ok(chunk)) => break chunk,
                Ok(Err(error)) => return Err(self.interrupted(body_failure(error, &self.info))),
                Err(elapsed) => return Err(self.interrupted(timed_out(elapsed, &self.info))),
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

    fn interrupted(&self, failure: Failure) -> Failure {
        failure.map(|error| error.answered(self.head()))
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

    /// Returns the decoded JSON body, with its URLs converted.
    pub(crate) async fn json<T: DeserializeOwned + Send + 'static>(self: Box<Self>) -> Result<T, Failure> {
        let (value, undelivered) = self.json_undelivered().await?;
        undelivered.delivered();
        Ok(value)
    }

    /// Like [`json`](Self::json), for a value that is passed to the caller later.
    pub(crate) async fn json_undelivered<T: DeserializeOwned + Send + 'static>(
        self: Box<Self>,
    ) -> Result<(T, Undelivered), Failure> {
        let (Converted { body, undelivered, .. }, head) = self.converted().await?;
        Ok((head.decode(body).await?, undelivered))
    }

    /// Like [`json`](Self::json), for a body in which each value must fit its field.
    pub(crate) async fn json_strictly<T: DeserializeOwned + Send + 'static>(
        self: Box<Self>,
    ) -> Result<T, Failure> {
        let strictly = |body: &Bytes| Leniency::Strict.decode(|| decode(body));
        let (value, parts) = self.whole().await?.decoded(strictly).await?;
        parts.undelivered.delivered();
        Ok(value)
    }

    /// Like [`json`](Self::json), for a body that may be missing.
    pub(crate) async fn json_if_any<T: DeserializeOwned + Send + 'static>(
        self: Box<Self>,
    ) -> Result<Option<T>, Failure> {
        let (Converted { body, undelivered, .. }, head) = self.converted().await?;
        let value = if body.is_empty() { None } else { Some(head.decode(body).await?) };
        undelivered.delivered();
        Ok(value)
    }

    /// Returns the response with its whole body, which isn't converted or decoded yet.
    pub(crate) async fn whole(mut self: Box<Self>) -> Result<WholeResponse, Failure> {
        let conversions = self.conversions.take();
        let (body, head) = self.read_whole().await?;
        Ok(WholeResponse { body, head, conversions })
    }

    /// Like [`json`](IncomingResponse::json), but returns null if there is no body.
    pub(crate) async fn json_or_null(self: Box<Self>) -> Result<Json, Failure> {
        Ok(self.json_if_any().await?.unwrap_or_default())
    }

    async fn converted(self: Box<Self>) -> Result<(Converted, ResponseHead), Failure> {
        self.whole().await?.converted().await
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
        head.offload_if_long(length, error).await.unwrap_or_else(|failed| failed.error)
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
