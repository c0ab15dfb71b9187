//! A call whose request is made.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use reqwest::Request;

use crate::error::redact::secrets::Secrets;
use crate::error::{RequestInfo, Result};
use crate::generated::description::Pagination;
use crate::transport::timeouts::Timeouts;
use crate::transport::{IncomingResponse, Retry, Transport, TransportRequest};
use crate::url_conversion::Conversions;

/// A call whose request is built and ready to be sent.
pub(crate) struct Prepared {
    pub(crate) transport: Arc<Transport>,
    pub(crate) request: Request,
    pub(crate) operation: &'static str,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    /// `None` if there are none.
    pub(crate) conversions: Option<Arc<Conversions>>,
    /// How the list is read; `None` if the response is no page of a list.
    pub(crate) pagination: Option<Pagination>,
    /// Whether another host may respond instead of the backend.
    pub(crate) allow_cross_origin: bool,
    /// Counts the responses that ask for fewer requests.
    pub(crate) throttled: Option<Arc<AtomicU32>>,
}

impl Prepared {
    /// Sends the request, retries it if allowed, and reads the response.
    pub(crate) fn fetch<T, F>(
        self,
        read: impl Fn(Box<IncomingResponse>) -> F,
    ) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let Prepared {
            transport,
            request,
            operation,
            timeouts,
            retry,
            conversions,
            pagination,
            allow_cross_origin,
            throttled,
        } = self;
        let request = TransportRequest {
            request,
            operation,
            timeouts,
            retry,
            activity: None,
            new_connection: false,
            no_decompression: false,
            allow_cross_origin,
            throttled,
        };
        transport.fetch(request, move |response| {
            read(response.converting(conversions.clone(), pagination.is_some()))
        })
    }

    /// Returns the same call for another URL, with this deadline.
    pub(crate) fn at(&self, url: reqwest::Url, deadline: Option<Instant>) -> Prepared {
        let mut request = Request::new(self.request.method().clone(), url);
        *request.headers_mut() = self.request.headers().clone();
        Prepared {
            transport: self.transport.clone(),
            request,
            operation: self.operation,
            timeouts: Timeouts { deadline, ..self.timeouts },
            retry: self.retry.clone(),
            conversions: self.conversions.clone(),
            pagination: self.pagination,
            allow_cross_origin: self.allow_cross_origin,
            throttled: None,
        }
    }

    /// Counts in `throttled` how often the server asks for fewer requests.
    pub(crate) fn throttled(mut self, throttled: Arc<AtomicU32>) -> Prepared {
        self.throttled = Some(throttled);
        self
    }

    pub(crate) fn info(&self) -> RequestInfo {
        RequestInfo::new(self.operation, self.request.method(), self.request.url())
            .hiding(Secrets::from(self.transport.credentials.known()))
    }
}
