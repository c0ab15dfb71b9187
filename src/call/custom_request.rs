//! [`CustomRequest`]: a request that isn't in the API's document, sent through the same transport as all
//! others.

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use crate::generated::description::Pagination;
use crate::generated::operation::{Operation, ResponseDecoder, Sealed};
use crate::generated::raw_body::RawBody;
use crate::generated::request::{Base, Invalid, json_body};
use crate::transport::{Failure, IncomingResponse};
use crate::values::json::Json;

/// A request with any method and path of the backend: see
/// [`BackendClient::request`](crate::BackendClient::request).
#[derive(Debug)]
pub struct CustomRequest {
    method: Method,
    path: String,
    body: Option<Result<RawBody, Invalid>>,
}

impl CustomRequest {
    pub(crate) fn new(method: Method, path: String) -> Self {
        CustomRequest { method, path, body: None }
    }

    /// Sets the body: any value that can be serialized as JSON. A number that isn't finite is an error when
    /// the call is sent.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        self.body = Some(json_body(body).map(|body| RawBody::from(body).media_type("application/json")));
        self
    }

    /// Sets a body that isn't JSON: a file, a form, a text. It also replaces the JSON body of an operation
    /// that accepts a file.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::http::Method;
    /// use synapse_backend_client::reqwest::multipart::{Form, Part};
    ///
    /// let form = Form::new().text("name", "report").part("content", Part::bytes(b"...".as_slice()).file_name("a.pdf"));
    /// let document = client.request(Method::POST, "/documents/").params(|p| p.body(form)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn body(mut self, body: impl Into<RawBody>) -> Self {
        self.body = Some(Ok(body.into()));
        self
    }
}

impl Sealed for CustomRequest {}

/// Decodes JSON, or null if there is no body, as for a HEAD, a DELETE or a 204.
#[doc(hidden)]
pub struct NullableDecoder;

impl ResponseDecoder for NullableDecoder {
    type Output = Json;

    fn read(response: Box<IncomingResponse>) -> impl Future<Output = Result<Json, Failure>> + Send + 'static {
        response.json_or_null()
    }
}

impl Operation for CustomRequest {
    type Output = Json;
    type Decoder = NullableDecoder;
    const ID: &'static str = "request";
    const PATH: &'static str = "";
    const PAGINATION: Option<Pagination> = None;

    fn into_request(self, base: &Base) -> Result<Request, Invalid> {
        if !self.path.starts_with('/') {
            return Err(Invalid::from(format!("`path`: {:?} doesn't start with `/`", self.path)));
        }
        if self.path.contains(['?', '#', '\\']) {
            return Err(Invalid::from(
                "`path` contains a `?`, `#` or backslash: set parameters with `param`".to_owned(),
            ));
        }
        // The URL parser removes these characters, which would change the path.
        if self.path.contains(char::is_control) || self.path.ends_with(' ') {
            return Err(Invalid::from(format!(
                "`path`: {:?} contains a control character or ends with a space",
                self.path
            )));
        }
        // The URL parser resolves these segments, which would change the path.
        let folded =
            |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if self.path.split('/').any(folded) {
            return Err(Invalid::from(format!("`path`: {:?} contains a `.` or `..` segment", self.path)));
        }
        let url = Url::parse(&format!("{}{}", base.url(), self.path))
            .map_err(|error| Invalid::from(format!("`path`: {:?}: {error}", self.path)))?;
        let mut request = Request::new(self.method, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        match self.body {
            Some(body) => body?.put(request, "application/octet-stream", base.client()),
            None => Ok(request),
        }
    }
}

/// A custom request whose response is a page of a list. It has no body.
#[derive(Debug, Clone)]
pub(crate) struct CustomList {
    method: Method,
    path: String,
    has_body: bool,
}

impl From<CustomRequest> for CustomList {
    fn from(request: CustomRequest) -> Self {
        CustomList { method: request.method, path: request.path, has_body: request.body.is_some() }
    }
}

impl Sealed for CustomList {}

impl Operation for CustomList {
    type Output = Json;
    type Decoder = NullableDecoder;
    const ID: &'static str = CustomRequest::ID;
    const PATH: &'static str = "";
    const PAGINATION: Option<Pagination> = Some(Pagination::new());

    fn into_request(self, base: &Base) -> Result<Request, Invalid> {
        if self.method != Method::GET {
            return Err(Invalid::from(format!("`method`: a list is read by GET, not by {}", self.method)));
        }
        if self.has_body {
            return Err(Invalid::from("`body`: the pages of a list are requested without a body".to_owned()));
        }
        CustomRequest::new(self.method, self.path).into_request(base)
    }
}
