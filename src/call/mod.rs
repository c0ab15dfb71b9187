//! [`Call`]: one call of an operation, with its parameters, options and methods that send it.

pub(crate) mod batch_stream;
pub(crate) mod custom_request;
pub(crate) mod dynamic_list;
pub(crate) mod future;
pub(crate) mod option_setters;
pub(crate) mod options;
pub(crate) mod query;
mod split_request;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt as _;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use reqwest::{Body, Method, Request};
use serde::de::DeserializeOwned;

use self::custom_request::CustomRequest;
pub use crate::call::future::ResponseFuture;
use crate::call::option_setters::option_setters;
pub use crate::call::options::CallOptions;
use crate::call::options::HasOptions;
use crate::client::BackendClient;
use crate::error::redact::marked::{MarkedFields, MarkedSecrets};
use crate::error::{Error, Result};
use crate::generated::array_limits;
use crate::generated::operation::{Operation, ResponseDecoder};
use crate::generated::raw;
use crate::generated::request::{Base, BuiltRequest};
use crate::transport::{Failure, IncomingResponse, Retry, TransportRequest};
use crate::url_conversion::PageItems;

/// One call of an operation: await it, or [`send`](Call::send) it.
///
/// Setters inside [`params`](Call::params) set query, header and cookie parameters that the API's document names.
/// A required JSON body is a closure that the operation's method takes. An optional one, as of most PATCH
/// operations, is set inside `params`: `.params(|p| p.body_map(|b| b.name("…")))`.
/// Setters outside are options of this call: time-outs, retries, headers, conversions.
/// [`param`](Call::param) sets a query parameter, also one that the document doesn't name.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// use std::time::Duration;
///
/// let page = client
///     .list_ground_truth_events()
///     .params(|p| p.ground_truth_dataset_versions([123]).page_size(500))
///     .param("review_state", "accepted")
///     .timeout(Duration::from_secs(120))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited or sent"]
pub struct Call<B> {
    client: BackendClient,
    operation: B,
    options: CallOptions,
}

impl BackendClient {
    /// Calls any operation of the API, also one that has no method in this crate.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let id = "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11";
    /// let upload = client
    ///     .call(|raw| raw.complete_chunked_upload(id, |body| body.md5("9e107d9d372bb6826bd81d3542a419d6")))
    ///     .await?;
    /// println!("{:?}", upload.completed_at);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<B: Operation>(&self, operation: impl FnOnce(&raw::Client) -> B) -> Call<B> {
        Call::new(self.clone(), operation(&raw::Client))
    }

    /// Calls any method and path of the backend, also one that isn't in the API's document. Request and
    /// response bodies are JSON; the result is null if the response has no body.
    ///
    /// `path` follows the base URL and starts with `/`. Set parameters with [`param`](Call::param), and a
    /// body with [`CustomRequest::json`] or [`CustomRequest::body`]. Retries, credentials, limits and errors are the same as for any
    /// other call.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{json, reqwest::Method};
    ///
    /// let project = client.request(Method::GET, "/projects/123/").param("expand", "configuration").await?;
    /// println!("{}", project["title"]);
    /// let tagged = client
    ///     .request(Method::POST, "/tasks/set_tags/")
    ///     .params(|p| p.json(&json!({"ids": [1, 2], "tags": [7], "action": "add"})))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: reqwest::Method, path: impl Into<String>) -> Call<CustomRequest> {
        Call::new(self.clone(), CustomRequest::new(method, path.into()))
    }
}

impl<B: Operation> Call<B> {
    option_setters!();

    pub(crate) fn new(client: BackendClient, operation: B) -> Self {
        Call { client, operation, options: CallOptions::default() }
    }

    /// Sets the operation's own parameters, which the API's document names.
    pub fn params(mut self, set: impl FnOnce(B) -> B) -> Self {
        self.operation = set(self.operation);
        self
    }

    /// Returns the operation with its parameters.
    pub fn operation(&self) -> &B {
        &self.operation
    }

    /// Returns a call of another operation with the same options.
    pub(crate) fn map<C>(self, operation: impl FnOnce(B) -> C) -> Call<C> {
        Call { client: self.client, operation: operation(self.operation), options: self.options }
    }

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Sends the request and decodes the response. Awaiting the call does the same. If the documentation of the
    /// operation's method says so, an array that is too long for one request is sent in several ones.
    ///
    /// # Errors
    /// Returns an error if parameters are invalid (all of them are listed, and nothing is sent), if the
    /// server responds with an error or with a body that can't be decoded, or if it doesn't respond.
    pub fn send(self) -> ResponseFuture<B::Output> {
        match B::JOIN {
            Some(join) => self.send_split(join),
            None => self.fetch(B::Decoder::read),
        }
    }

    /// Sends the request and decodes the response into your own type: a struct with fewer fields,
    /// [`Json`](crate::Json), or `Box<serde_json::value::RawValue>` for the unchanged text.
    ///
    /// It sends one request. An array that [`send`](Call::send) sends in several ones is an error if it is too long for
    /// one: responses of your own type can't be joined.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`send`](Call::send), and if the request's array is too long for one request.
    pub fn send_as<T: DeserializeOwned + Send + 'static>(self) -> ResponseFuture<T> {
        self.fetch(IncomingResponse::json)
    }

    /// Returns the request that would be sent, without credentials. The files of a form are opened, which
    /// blocks. It is one request: an array that [`send`](Call::send) sends in several ones is an error if it is too long
    /// for one.
    ///
    /// # Errors
    /// Returns an error if a parameter is invalid, if an array is too long for one request, or if a file can't be opened.
    pub fn request(self) -> Result<Request> {
        let TransportRequest { mut request, streamed, multipart, .. } = self.prepare()?;
        if let Some(streamed) = streamed {
            *request.body_mut() = Some(streamed.body);
        }
        if let Some(form) = multipart {
            let opened = form.open()?;
            request.headers_mut().insert(CONTENT_LENGTH, opened.length.into());
            *request.body_mut() = Some(opened.body);
        }
        Ok(request)
    }

    /// Returns all invalid parameters and options.
    pub(crate) fn problems(self) -> Vec<String> {
        checked(self.operation, &self.options, self.client.base()).err().unwrap_or_default()
    }

    /// Sends the request, and reads the response with `read`.
    pub(crate) fn fetch<T, F>(
        self,
        read: impl Fn(Box<IncomingResponse>) -> F + Send + Sync + 'static,
    ) -> ResponseFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let transport = self.client.transport().clone();
        ResponseFuture::from_result(self.prepare().map(|request| transport.fetch(request, read).err_into()))
    }

    /// Returns the request with all that sending it needs.
    ///
    /// # Errors
    /// Returns an error if a parameter or an option is invalid.
    pub(crate) fn prepare(self) -> Result<TransportRequest> {
        let (id, rules) = (self.operation.id(), self.operation.rules());
        let request = self.prepare_any()?;
        match array_limits::problems(in_memory(&request.request), rules.array_limits, true) {
            problems if problems.is_empty() => Ok(request),
            problems => Err(invalid(id, problems)),
        }
    }

    /// Like [`prepare`](Call::prepare), also if the request is too long for one and can be split.
    fn prepare_any(self) -> Result<TransportRequest> {
        let (id, pagination, rules) =
            (self.operation.id(), self.operation.pagination(), self.operation.rules());
        let list = pagination.is_some();
        let idempotent = self.options.idempotent || rules.idempotent;
        let is_secret = |name: &str| {
            let mut parameters = self.operation.described_parameters().iter();
            parameters.any(|parameter| parameter.secret && parameter.wire == name)
        };
        let secret_params = self.options.params.iter().filter(|(name, _)| is_secret(name));
        let secret_params: Vec<String> = secret_params.flat_map(|(_, values)| values.clone()).collect();
        let built = checked(self.operation, &self.options, self.client.base());
        let BuiltRequest { mut request, multipart, mut secrets } =
            built.map_err(|problems| invalid(id, problems))?;
        secrets.extend(secret_params);
        let fields =
            MarkedFields { sent: rules.sent_secrets, own: rules.secret_fields, hidden: rules.hidden_fields };
        let marked = MarkedSecrets::of(secrets, in_memory(&request), fields);
        let settings = self.client.settings();
        let options = self.options;
        let timeouts = options.timeouts(settings, rules.read_timeout, list);
        let policy = options.retry_policy(&settings.retry);
        query::set(request.url_mut(), &options.params);
        if request.method() == Method::GET
            && let Some(host) = &settings.url_host
            // Without values, it is removed.
            && !options.params.iter().any(|(name, _)| name == "url_host")
            && !request.url().query_pairs().any(|(name, _)| name == "url_host")
        {
            request.url_mut().query_pairs_mut().append_pair("url_host", host);
        }
        if let Some(problem) = query::too_long(request.url(), rules.max_query) {
            return Err(invalid(id, vec![problem]));
        }
        // Some servers and proxies refuse such a request without a length (RFC 9110, section 8.6).
        if request.body().is_none()
            && multipart.is_none()
            && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        for (name, value) in options.headers {
            request.headers_mut().insert(name, value);
        }
        let items = pagination.map(|pagination| PageItems {
            path: pagination.items,
            or_array: pagination.accepts_array,
            or_item: pagination.accepts_item,
        });
        let conversions = (!options.conversions.is_empty()).then(|| (Arc::new(options.conversions), items));
        Ok(TransportRequest {
            conversions,
            multipart,
            marked: marked.map(Arc::new),
            final_errors: rules.final_errors,
            allow_cross_origin: !(list || options.backend_only),
            ..TransportRequest::new(request, id, timeouts, Retry { policy, idempotent })
        })
    }

    /// Prepares the first of several requests. Each request has the client's time-out. The call's own
    /// time-out, which is returned too, covers all of them.
    pub(crate) fn prepare_several(self) -> (Result<TransportRequest>, Option<Duration>) {
        let (timeout, each) = (self.options.timeout, self.client.settings().timeout);
        let mut request = self.prepare();
        if let Ok(request) = &mut request {
            request.timeouts.total = each;
        }
        (request, timeout)
    }

    /// Returns the client that sends the call.
    pub fn client(&self) -> &BackendClient {
        &self.client
    }
}

impl<B> HasOptions for Call<B> {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl<B: Operation> IntoFuture for Call<B> {
    type Output = Result<B::Output>;
    type IntoFuture = ResponseFuture<B::Output>;

    fn into_future(self) -> ResponseFuture<B::Output> {
        self.send()
    }
}

impl<B: fmt::Debug> fmt::Debug for Call<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.operation)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Returns the body of a request if it is in memory, else nothing.
fn in_memory(request: &Request) -> &[u8] {
    request.body().and_then(Body::as_bytes).unwrap_or_default()
}

/// Returns the operation's request.
///
/// # Errors
/// Returns all that is invalid: the parameters first, then the options.
fn checked<B: Operation>(
    operation: B,
    options: &CallOptions,
    base: &Base,
) -> Result<BuiltRequest, Vec<String>> {
    let problems = options.problems();
    match operation.into_request(base) {
        Ok(request) if problems.is_empty() => Ok(request),
        Ok(_) => Err(problems),
        Err(invalid) => Err(invalid.problems.into_iter().chain(problems).collect()),
    }
}

fn invalid(operation: &str, problems: Vec<String>) -> Error {
    Error::invalid_input(format!("{operation}: {}", problems.join("; ")))
}
