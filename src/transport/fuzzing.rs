//! Responses without a socket, for the fuzz targets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};

use super::content_decoder::ContentDecoder;
use super::metrics::ByteCounter;
use super::redirect::redirect_target;
use super::response::IncomingResponse;
use crate::error::RequestInfo;
use crate::error::redact::secrets::Secrets;
use crate::transport::timeouts::ActiveTimeouts;
use crate::url_conversion::Conversions;

const URL: &str = "http://localhost/models/1/";
const HOUR: Duration = Duration::from_secs(3600);

/// Returns a response to a GET whose body is not read yet.
pub(crate) fn received(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    credentials: HeaderMap,
) -> Box<IncomingResponse> {
    let mut response = http::Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    let mut response = reqwest::Response::from(response);
    let credentials = Some(Arc::new(credentials));
    let url = Url::parse(URL).unwrap_or_else(|_| unreachable!("it is a URL"));
    Box::new(IncomingResponse {
        content_decoder: ContentDecoder::of(&mut response),
        waiter: None,
        response,
        info: RequestInfo::new("get_model", &Method::GET, &url).hiding(Secrets::from(credentials.clone())),
        timeouts: ActiveTimeouts { connect: HOUR, idle: HOUR, deadline: None },
        max_body: 16 << 20,
        conversions: None,
        credentials,
        byte_counter: Arc::new(ByteCounter::default()),
        permit: None,
    })
}

impl IncomingResponse {
    /// Converts the URLs of the body, which is a page if `list` is set.
    pub(crate) fn converting(mut self: Box<Self>, conversions: Conversions, list: bool) -> Box<Self> {
        self.conversions = Some((Arc::new(conversions), list.then(|| "results".into())));
        self
    }

    /// Returns the error for a response with an error status.
    pub(crate) async fn into_error(self: Box<Self>) -> crate::error::Error {
        self.into_status_error().await
    }
}

/// Returns the target of a redirect with this `Location`.
pub(crate) fn redirect(location: &[u8]) -> crate::error::Result<Url> {
    let from = Url::parse(URL).unwrap_or_else(|_| unreachable!("it is a URL"));
    redirect_target(&RequestInfo::new("get_model", &Method::GET, &from), &from, location)
}
