//! [`TransportRequest`]: a request on its way, with the rules of sending it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use bytes::Bytes;
use reqwest::header::HeaderName;
use reqwest::{Body, Request, Url};

use super::multipart::MultipartBody;
use super::retry_policy::RetryPolicy;
use super::timeouts::{Activity, Timeouts};
use crate::error::redact::marked::MarkedSecrets;
use crate::error::redact::secrets::Secrets;
use crate::error::{FinalErrors, RequestInfo};
use crate::url_conversion::{Conversions, ItemsPath};

/// A request to send.
pub(crate) struct TransportRequest {
    /// Without a streamed body.
    pub(crate) request: Request,
    /// A body that can be sent only once.
    pub(crate) streamed: Option<StreamedBody>,
    /// A form to send, whose files are opened for each attempt. The request has an empty body meanwhile.
    pub(crate) multipart: Option<Arc<MultipartBody>>,
    /// The operation's id, for errors.
    pub(crate) operation: &'static str,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    /// What converts the response's URLs, and where the response has the items of a list.
    pub(crate) conversions: Option<(Arc<Conversions>, ItemsPath)>,
    /// Use a new connection, because the last one failed.
    pub(crate) new_connection: bool,
    /// Return the body as it was sent, without decompression.
    pub(crate) no_decompression: bool,
    /// Another host, to which the backend redirects, may respond instead of the backend. A file's bytes are
    /// often on another host; the pages of a list are not.
    pub(crate) allow_cross_origin: bool,
    /// What the API's document marks as secret in the request and its responses.
    pub(crate) marked: Option<Arc<MarkedSecrets>>,
    /// Fields of error responses with a value after which the request isn't retried.
    pub(crate) final_errors: FinalErrors,
    /// Counts the responses that ask for fewer requests.
    pub(crate) throttled: Option<Arc<AtomicU32>>,
}

/// A body that can be sent only once.
pub(crate) struct StreamedBody {
    pub(crate) body: Body,
    /// Set if the body reports its progress itself.
    pub(crate) activity: Option<Activity>,
}

/// How a request is retried.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) policy: RetryPolicy,
    /// The server may act on the request twice, whatever its method.
    pub(crate) idempotent: bool,
}

impl TransportRequest {
    /// Makes a request that only the backend itself may respond to.
    pub(crate) fn new(
        mut request: Request,
        operation: &'static str,
        timeouts: Timeouts,
        retry: Retry,
    ) -> Self {
        // A body in memory can be copied.
        let streamed = request.body_mut().take_if(|body| body.as_bytes().is_none());
        TransportRequest {
            request,
            streamed: streamed.map(|body| StreamedBody { body, activity: None }),
            multipart: None,
            operation,
            timeouts,
            retry,
            conversions: None,
            new_connection: false,
            no_decompression: false,
            allow_cross_origin: false,
            marked: None,
            final_errors: &[],
            throttled: None,
        }
    }

    /// Returns whether the request can be sent more than once.
    pub(super) fn is_repeatable(&self) -> bool {
        self.streamed.is_none() && self.multipart.as_ref().is_none_or(|form| form.is_repeatable())
    }

    /// Returns what errors of the request say about it. `known` are the client's credentials.
    pub(super) fn info(&self, request: &Request, known: Secrets) -> RequestInfo {
        let mut info = RequestInfo::new(self.operation, request.method(), request.url())
            .hiding(known.and_marked(self.marked.as_ref()));
        info.final_errors = self.final_errors;
        // A URL from a redirect may repeat what the body has.
        if request.url() != self.request.url() {
            match info.secrets.hide(&info.url) {
                _ if info.secrets.hides_all() => info.url = "<secret>".into(),
                Cow::Owned(hidden) => info.url = hidden.into(),
                Cow::Borrowed(_) => {}
            }
        }
        info
    }

    /// Returns the same request with another body.
    pub(crate) fn with_body(&self, body: Bytes, deadline: Option<Instant>) -> TransportRequest {
        let mut other = self.at(self.request.url().clone(), deadline);
        *other.request.body_mut() = Some(body.into());
        other
    }

    /// Returns a request for another URL with the same method, headers, options and body in memory.
    pub(crate) fn at(&self, url: Url, deadline: Option<Instant>) -> TransportRequest {
        // Only a streamed body can't be copied, which `streamed` holds.
        let mut request = self
            .request
            .try_clone()
            .unwrap_or_else(|| Request::new(self.request.method().clone(), url.clone()));
        *request.url_mut() = url;
        TransportRequest {
            conversions: self.conversions.clone(),
            allow_cross_origin: self.allow_cross_origin,
            marked: self.marked.clone(),
            final_errors: self.final_errors,
            ..TransportRequest::new(
                request,
                self.operation,
                Timeouts { deadline, ..self.timeouts },
                self.retry.clone(),
            )
        }
    }
}

/// Returns whether only the transport sets a header: a caller can't set it for a call.
pub(crate) fn is_transport_header(name: &HeaderName) -> bool {
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "referer")
}
