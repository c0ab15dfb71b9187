//! Answers without a socket, for the fuzz targets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};

use super::metrics::Meter;
use super::redirect::redirect_target;
use super::response::Received;
use super::unpacking::Unpacking;
use crate::error::RequestInfo;
use crate::error::redact::secrets::Secrets;
use crate::transport::timeouts::Limits;

const URL: &str = "http://localhost/models/1/";
const HOUR: Duration = Duration::from_secs(3600);

/// The answer to a GET, its body still to be read.
pub(crate) fn received(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    credentials: HeaderMap,
) -> Box<Received> {
    let mut response = http::Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    let mut response = reqwest::Response::from(response);
    let credentials = Some(Arc::new(credentials));
    let url = Url::parse(URL).unwrap_or_else(|_| unreachable!("it is a URL"));
    Box::new(Received {
        unpacking: Unpacking::of(&mut response),
        awaited: None,
        response,
        info: RequestInfo::new("get_model", &Method::GET, &url).hiding(Secrets::from(credentials.clone())),
        limits: Limits { connect: HOUR, idle: HOUR, deadline: None },
        max_body: 16 << 20,
        conversions: None,
        credentials,
        meter: Arc::new(Meter::default()),
        permit: None,
    })
}

impl Received {
    /// For a status that is no success.
    pub(crate) async fn into_error(self: Box<Self>) -> crate::error::Error {
        self.into_status_error().await
    }
}

/// Where a redirect with this `Location` leads.
pub(crate) fn redirect(location: &[u8]) -> crate::error::Result<Url> {
    let from = Url::parse(URL).unwrap_or_else(|_| unreachable!("it is a URL"));
    redirect_target(&RequestInfo::new("get_model", &Method::GET, &from), &from, location)
}
