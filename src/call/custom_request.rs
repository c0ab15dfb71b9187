//! [`CustomRequest`]: a request that isn't in the API's document, sent through the same transport as all
//! others.

use bytes::Bytes;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use crate::generated::operation::{Operation, PagedOperation, Repeatable, ResponseDecoder, Sealed};
use crate::generated::pagination::Pagination;
use crate::generated::raw_body::RawBody;
use crate::generated::request::{Base, BuiltRequest, Invalid, json_body};
use crate::transport::{Failure, IncomingResponse};
use crate::values::json::Json;

/// A request with any method and path of the backend: see
/// [`BackendClient::request`](crate::BackendClient::request).
#[derive(Debug)]
pub struct CustomRequest {
    method: Method,
    path: String,
    body: Option<Result<RawBody, Invalid>>,
    pagination: Pagination,
}

impl CustomRequest {
    pub(crate) fn new(method: Method, path: String) -> Self {
        CustomRequest { method, path, body: None, pagination: Pagination::new() }
    }

    /// Sets how [`list_all`](crate::Call::list_all) reads the pages, if they aren't those of Django REST Framework. (The
    /// pages of an operation of the API's document are described there, by `x-pagination`.)
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{Json, Pagination, reqwest::Method};
    ///
    /// let pages = Pagination::new().items("data").count("meta.total").next_value("meta.next_page", "page");
    /// let call = client.request(Method::GET, "/labels/").params(|p| p.pagination(pages));
    /// let labels: Vec<Json> = call.list_all().try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pagination(mut self, pagination: Pagination) -> Self {
        self.pagination = pagination;
        self
    }

    /// Sets the body: any value that can be serialized as JSON. A number that isn't finite is an error when
    /// the call is sent.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        self.body = Some(json_body(body).map(|body| RawBody::from(body).media_type("application/json")));
        self
    }

    /// Sets a body that isn't JSON: a file, a form, a text. It replaces a body that was set before.
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

    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        let url = url_of(&self.path, base);
        let body = self.body.transpose();
        let (url, body) = match (url, body) {
            (Ok(url), Ok(body)) => (url, body),
            (url, body) => {
                let problems = [url.err(), body.err()].into_iter().flatten();
                return Err(Invalid { problems: problems.flat_map(|invalid| invalid.problems).collect() });
            }
        };
        let mut request = Request::new(self.method, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        match body {
            Some(body) => body.put(request, "application/octet-stream", base.client()),
            None => Ok(request.into()),
        }
    }
}

/// Returns the URL of a path of the backend.
///
/// # Errors
/// Returns all that is wrong with the path.
fn url_of(path: &str, base: &Base) -> Result<Url, Invalid> {
    let mut problems = Vec::new();
    if !path.starts_with('/') {
        problems.push(format!("`path`: {path:?} doesn't start with `/`"));
    }
    if path.contains(['?', '#', '\\']) {
        problems.push("`path` contains a `?`, `#` or backslash: set parameters with `param`".to_owned());
    }
    // The URL parser removes these characters, which would change the path.
    if path.contains(char::is_control) || path.ends_with(' ') {
        problems.push(format!("`path`: {path:?} contains a control character or ends with a space"));
    }
    // The URL parser resolves these segments, which would change the path.
    let folded =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(folded) {
        problems.push(format!("`path`: {path:?} contains a `.` or `..` segment"));
    }
    if !problems.is_empty() {
        return Err(Invalid { problems });
    }
    Url::parse(&format!("{}{path}", base.url()))
        .map_err(|error| Invalid::from(format!("`path`: {path:?}: {error}")))
}

/// A custom request whose response is a page of a list.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct CustomList {
    method: Method,
    path: String,
    /// The body and its media type.
    body: Option<(Bytes, Option<String>)>,
    /// What is wrong with the body.
    problems: Vec<String>,
    pagination: Pagination,
}

impl From<CustomRequest> for CustomList {
    fn from(CustomRequest { method, path, body, pagination }: CustomRequest) -> Self {
        let (body, problems) = match body.map(|body| body.map(RawBody::in_memory)) {
            None => (None, Vec::new()),
            Some(Ok(Some(body))) => (Some(body), Vec::new()),
            Some(Ok(None)) => (None, vec![ONCE.to_owned()]),
            Some(Err(invalid)) => (None, invalid.problems),
        };
        CustomList { method, path, body, problems, pagination }
    }
}

/// The problem of a list with a body that can be sent only once.
const ONCE: &str =
    "the body is a stream or a form, which can't be sent with every page: send the pages one by one";

impl PagedOperation for CustomRequest {
    type Item = Json;
}

impl Repeatable for CustomRequest {
    type List = CustomList;

    fn listed(self) -> CustomList {
        self.into()
    }
}

impl Sealed for CustomList {}

impl Operation for CustomList {
    type Output = Json;
    type Decoder = NullableDecoder;
    const ID: &'static str = CustomRequest::ID;
    const PATH: &'static str = "";
    const PAGINATION: Option<Pagination> = Some(Pagination::new());

    fn pagination(&self) -> Option<Pagination> {
        Some(self.pagination)
    }

    fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        let CustomList { method, path, body, mut problems, pagination } = self;
        problems.extend(unreadable(&method, false).or_else(|| pagination.problem()));
        let body = body.map(|(content, media_type)| Ok(RawBody::from(content).with_media_type(media_type)));
        match (CustomRequest { method, path, body, pagination }.into_request(base), problems.is_empty()) {
            (request, true) => request,
            (request, false) => {
                problems.extend(request.err().unwrap_or_default().problems);
                Err(Invalid { problems })
            }
        }
    }
}

/// Returns why the pages of a list can't be requested like a first page with this method and body.
pub(crate) fn unreadable(method: &Method, is_streamed: bool) -> Option<String> {
    if !matches!(*method, Method::GET | Method::POST) {
        return Some(format!(
            "a list is read by GET requests, or by POST requests of a search, not by {method}: send the pages one by \
             one"
        ));
    }
    is_streamed.then(|| ONCE.to_owned())
}
