//! An answer: its head is there, its body still to be read, whole or as it comes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::failure::{BodyError, body_failure, timed_out};
use super::meter::Meter;
use super::sent_body::Awaited;
use super::stream::ByteStream;
use super::unpacking::{Unpacked, Unpacking};
use crate::decode::{Problem, decode};
use crate::error::{Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::json::Json;
use crate::limits::Limits;
use crate::response::{ErrorResponse, hide_credentials};
use crate::url_conversion::{ConversionFailure, Conversions, Converted};

/// How much of an error's body is kept, in bytes.
const MAX_ERROR_BODY: usize = 1 << 20;

/// The head of an answer, its body still to be read.
#[doc(hidden)]
pub struct Received {
    pub(super) response: Response,
    /// Where the body comes packed.
    pub(super) unpacking: Option<Box<Unpacking>>,
    /// Where the request has a body, which ends once nobody waits for the answer.
    pub(super) awaited: Option<Awaited>,
    pub(super) info: RequestInfo,
    pub(super) limits: Limits,
    pub(super) max_body: usize,
    /// What is done to the body's text before it is decoded, and whether that is a page.
    pub(super) conversions: Option<(Arc<Conversions>, bool)>,
    /// What was sent, which errors don't show.
    pub(super) credentials: Option<Arc<HeaderMap>>,
    pub(super) meter: Arc<Meter>,
    /// Held until the body is read whole, or given out as it comes.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Received {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The body, whole.
    #[allow(dead_code, reason = "which answers there are depends on the document")]
    pub(crate) async fn bytes(self: Box<Self>) -> Result<Bytes> {
        self.whole().await.map(|(body, _)| body)
    }

    async fn whole(mut self: Box<Self>) -> Result<(Bytes, Head)> {
        let mut first: Option<Bytes> = None;
        let mut more = BytesMut::new();
        let announced = self.content_length();
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

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn info(&self) -> &RequestInfo {
        &self.info
    }

    /// The body's length, where the server told it. That of its packed form says nothing.
    fn content_length(&self) -> Option<u64> {
        self.response.content_length().filter(|_| self.unpacking.is_none())
    }

    /// The next piece of the body, unpacked; nothing at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        let piece = loop {
            match self.limits.watch(next_piece(&mut self.response, &mut self.unpacking), None).await {
                Ok(Ok(Some(piece))) if piece.is_empty() => {}
                Ok(Ok(piece)) => break piece,
                Ok(Err(error)) => return Err(body_failure(error, &self.info).answered(self.head())),
                Err(elapsed) => return Err(timed_out(elapsed, &self.info).answered(self.head())),
            }
        };
        match &piece {
            Some(piece) => self.meter.received(piece.len()),
            None if self.status().is_success() => self.awaited.take().into_iter().for_each(Awaited::answered),
            None => {}
        }
        Ok(piece)
    }

    /// The answer without its body.
    fn head(&self) -> ErrorResponse {
        let headers = self.response.headers().clone();
        ErrorResponse::new(self.status(), headers, Bytes::new()).hiding(self.credentials.clone())
    }

    fn too_large(&self) -> Error {
        let message = format!(
            "{}, and the body is larger than {} bytes, the limit `max_body_size`",
            shown_status(self.status()),
            self.max_body
        );
        Error::new(ErrorKind::TooLarge, message).of(self.info.clone()).answered(self.head())
    }

    pub(crate) fn converting(mut self: Box<Self>, conversions: &Arc<Conversions>, list: bool) -> Box<Self> {
        self.conversions = (!conversions.is_empty()).then(|| (conversions.clone(), list));
        self
    }

    /// The body as JSON, its URLs converted.
    pub(crate) async fn json<T: DeserializeOwned>(self: Box<Self>) -> Result<T> {
        let (body, head, _) = self.converted().await?;
        head.decode(body)
    }

    /// As [`json`](Self::json), of a body that may be missing.
    #[allow(dead_code, reason = "which answers there are depends on the document")]
    pub(crate) async fn json_if_any<T: DeserializeOwned>(self: Box<Self>) -> Result<Option<T>> {
        match self.converted().await? {
            (body, ..) if body.is_empty() => Ok(None),
            (body, head, _) => head.decode(body).map(Some),
        }
    }

    /// What `decode` makes of the body, its URLs converted; and the answer, for what is told of parts of it.
    pub(crate) async fn decoded<T>(self: Box<Self>, decode: impl Fn(&Bytes) -> Result<T, Problem>) -> Result<(T, Answered)> {
        let (body, head, unconverted) = self.converted().await?;
        match decode(&body) {
            Ok(value) => Ok((value, Answered { head, body, unconverted })),
            Err(problem) => Err(head.undecodable(body, &problem)),
        }
    }

    /// As [`json`](Received::json), and null where there is no body.
    pub(crate) async fn json_or_null(self: Box<Self>) -> Result<Json> {
        match self.converted().await? {
            (body, ..) if body.is_empty() => Ok(Json::default()),
            (body, head, _) => head.decode(body),
        }
    }

    async fn converted(mut self: Box<Self>) -> Result<(Bytes, Head, Vec<ConversionFailure>)> {
        let conversions = self.conversions.take();
        let (body, head) = self.whole().await?;
        // A body that isn't text has no URLs; decoding it tells what is wrong.
        if let Some((conversions, list)) = conversions
            && let Ok(text) = std::str::from_utf8(&body)
        {
            let text = text.trim_start_matches('\u{feff}');
            let converted = conversions.apply(text, list).await.map_err(|failure| failure.into_error().of(head.info.clone()))?;
            let Converted { text, failures } = converted;
            return match text {
                Cow::Owned(converted) => Ok((converted.into(), head, failures)),
                Cow::Borrowed(_) => Ok((body, head, failures)),
            };
        }
        Ok((body, head, Vec::new()))
    }

    /// The body as it comes.
    #[allow(dead_code, reason = "which answers there are depends on the document")]
    pub(crate) fn stream(self: Box<Self>) -> ByteStream {
        let length = self.content_length();
        let Received { response, unpacking, awaited, info, limits, .. } = *self;
        let pieces = futures_util::stream::try_unfold((response, unpacking), |(mut response, mut unpacking)| async move {
            let piece = next_piece(&mut response, &mut unpacking).await?;
            Ok(piece.map(|piece| (piece, (response, unpacking))))
        });
        ByteStream::new(Box::pin(pieces), info, limits, length, awaited)
    }

    /// A body that breaks off, or is very long, doesn't hide the status: what came of it is kept.
    pub(super) async fn into_status_error(mut self: Box<Self>) -> Error {
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

/// The next piece of an answer's body, unpacked where it is packed; nothing at its end. An empty piece tells that bytes came
/// which didn't unpack to any yet: the server isn't idle.
async fn next_piece(response: &mut Response, unpacking: &mut Option<Box<Unpacking>>) -> Result<Option<Bytes>, BodyError> {
    let Some(unpacking) = unpacking else { return Ok(response.chunk().await?) };
    match unpacking.advance().await? {
        Unpacked::Piece(piece) => return Ok(Some(piece)),
        Unpacked::Whole => return Ok(None),
        Unpacked::Hungry => {}
    }
    match response.chunk().await? {
        Some(packed) => unpacking.push(packed),
        None => unpacking.end(),
    }
    Ok(Some(Bytes::new()))
}

/// An answer that was read whole.
pub(crate) struct Answered {
    head: Head,
    body: Bytes,
    /// URLs that stayed as they were.
    pub(crate) unconverted: Vec<ConversionFailure>,
}

impl Answered {
    /// The error of a part of it that can't be used.
    pub(crate) fn undecodable(&self, problem: &Problem) -> Error {
        self.head.clone().undecodable(self.body.clone(), problem)
    }
}

/// What decoding a body needs to tell its errors.
#[derive(Clone)]
pub(crate) struct Head {
    status: StatusCode,
    headers: HeaderMap,
    info: RequestInfo,
    credentials: Option<Arc<HeaderMap>>,
}

impl Head {
    fn decode<T: DeserializeOwned>(self, body: Bytes) -> Result<T> {
        decode(&body).map_err(|problem| self.undecodable(body, &problem))
    }

    fn undecodable(self, body: Bytes, problem: &Problem) -> Error {
        let path = problem.path.as_str();
        let content_type =
            self.headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let json = media.is_empty() || media == "application/json" || media.ends_with("+json");
        let kind = if json { String::new() } else { format!(" (it is {media})") };
        let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
        let told = hide_credentials(&problem.message, self.credentials.as_deref());
        let message = format!("{}, and the answer can't be used{kind}{place}: {told}", shown_status(self.status));
        let response = ErrorResponse::new(self.status, self.headers, body).hiding(self.credentials);
        // What breaks off, or was written by something before the backend, says nothing of what the backend did.
        let error = match self.info.changes_something() && (problem.cut_off || !json) {
            true => Error::unknown_outcome(message),
            false => Error::new(ErrorKind::Decode, message),
        };
        let error = error.of(self.info).answered(response);
        let error = if problem.cut_off { error.cut_off() } else { error };
        if path.is_empty() { error } else { error.at_path(path) }
    }
}
