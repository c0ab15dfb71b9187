//! A response whose body was read as a whole: converted, decoded, and the source of errors of its parts.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::failure::{Failure, Reason, timed_out};
use super::timeouts::ActiveTimeouts;
use crate::error::json_text::decode::{Problem, decode};
use crate::error::redact::{excerpt, excerpt_without};
use crate::error::response::ErrorResponse;
use crate::error::{Error, ErrorKind, RequestInfo, shown_status};
use crate::runtime::blocking::{blocking, takes_long};
use crate::url_conversion::{Conversions, Converted, ItemsPath, Unconverted, Undelivered};

/// The longest media type that is shown, in bytes.
const MAX_MEDIA_TYPE: usize = 100;

/// A response whose body was read, and isn't converted or decoded yet.
pub(crate) struct WholeResponse {
    pub(super) body: Bytes,
    pub(super) head: ResponseHead,
    pub(super) conversions: Option<(Arc<Conversions>, ItemsPath)>,
}

impl WholeResponse {
    pub(crate) fn info(&self) -> &RequestInfo {
        &self.head.info
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Sets the time-outs of what remains to be done.
    pub(crate) fn limit(&mut self, timeouts: ActiveTimeouts) {
        self.head.timeouts = timeouts;
    }

    /// Reads something from the body. Also returns the response, unchanged.
    pub(crate) async fn inspected<T: Send + 'static>(
        self,
        read: impl FnOnce(&Bytes) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, WholeResponse), Failure> {
        let WholeResponse { body, head, conversions } = self;
        let length = body.len();
        let read = move |head: ResponseHead| match read(&body) {
            Ok(value) => Ok((value, WholeResponse { body, head, conversions })),
            Err(problem) => Err(head.into_undecodable(body, &problem)),
        };
        head.offload_if_long(length, read).await
    }

    /// Decodes the body with `decode`, after its URLs are converted. Also returns the response, for errors of
    /// its parts.
    pub(crate) async fn decoded<T: Send + 'static>(
        self,
        decode: impl FnOnce(&Bytes) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, ResponseParts), Failure> {
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

    pub(super) async fn converted(self) -> Result<(Converted, ResponseHead), Failure> {
        let WholeResponse { body, head, conversions } = self;
        match conversions {
            Some((conversions, items)) => Box::pin(head.convert(body, conversions, items)).await,
            None => Ok((Converted::unchanged(body), head)),
        }
    }
}

/// A response that was decoded as a whole.
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
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) info: RequestInfo,
    pub(super) timeouts: ActiveTimeouts,
}

impl ResponseHead {
    /// Converts a body's URLs, within the total time-out.
    async fn convert(
        self,
        body: Bytes,
        conversions: Arc<Conversions>,
        items: ItemsPath,
    ) -> Result<(Converted, ResponseHead), Failure> {
        match self.timeouts.within(conversions.apply(body, items, &self.info.secrets)).await {
            Ok(Ok(converted)) => Ok((converted, self)),
            Ok(Err(error)) => Err(error.of(self.info).into()),
            Err(elapsed) => {
                let response =
                    ErrorResponse::hiding(self.status, self.headers, Bytes::new(), self.info.secrets.clone());
                Err(timed_out(elapsed, &self.info)
                    .map(|error| error.answered(response).during("converting the URLs of the response")))
            }
        }
    }

    /// Processes a body of `length` bytes, within the total time-out.
    pub(super) async fn offload_if_long<T: Send + 'static>(
        self,
        length: usize,
        work: impl FnOnce(ResponseHead) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if !takes_long(length) {
            return work(self);
        }
        let (timeouts, info) = (self.timeouts, self.info.clone());
        match Box::pin(timeouts.within(blocking(move || work(self)))).await {
            Ok(Ok(done)) => done,
            Ok(Err(stopped)) => Err(stopped.of(info).into()),
            Err(elapsed) => Err(timed_out(elapsed, &info)),
        }
    }

    pub(super) async fn decode<T: DeserializeOwned + Send + 'static>(
        self,
        body: Bytes,
    ) -> Result<T, Failure> {
        let length = body.len();
        self.offload_if_long(length, move |head| {
            decode(&body).map_err(|problem| head.into_undecodable(body, &problem))
        })
        .await
    }

    fn into_undecodable(mut self, body: Bytes, problem: &Problem) -> Failure {
        let headers = std::mem::take(&mut self.headers);
        let response = ErrorResponse::hiding(self.status, headers, body, self.info.secrets.clone());
        let reason = if problem.is_truncated { Reason::Truncated } else { Reason::Kind };
        Failure { error: self.undecodable(response, problem), reason }
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
        let error = match !self.info.may_be_resent() && (problem.is_truncated || !json) {
            true => Error::unknown_outcome(message),
            false => Error::new(ErrorKind::Decode, message),
        };
        let error = error.of(self.info.clone()).answered(response);
        if path.is_empty() { error } else { error.at_path(path) }
    }
}
