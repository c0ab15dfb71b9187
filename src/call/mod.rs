//! [`Call`]: one call of an operation, with its parameters, options and methods that send it.

pub(crate) mod custom_request;
pub(crate) mod future;
pub(crate) mod option_setters;
mod prepared;
pub(crate) mod query;
pub(crate) mod run_time_list;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request};
use serde::de::DeserializeOwned;

use self::custom_request::CustomRequest;
pub use crate::call::future::ResponseFuture;
use crate::call::option_setters::option_setters;
pub(crate) use crate::call::prepared::Prepared;
use crate::client::{BackendClient, Settings};
use crate::error::{Error, Result};
use crate::generated::operation::{Operation, ResponseDecoder};
use crate::generated::raw;
use crate::generated::request::Base;
use crate::transport::retry_policy::RetryPolicy;
use crate::transport::timeouts::Timeouts;
use crate::transport::{IncomingResponse, Retry, is_transport_header};
use crate::url_conversion::Conversions;

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

/// The options of a call.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    params: Vec<(String, Vec<String>)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    timeout: Option<Duration>,
    retries: Option<u32>,
    retry: Option<RetryPolicy>,
    idempotent: bool,
    /// No other host may respond instead of the backend.
    backend_only: bool,
    conversions: Conversions,
    /// Invalid options, reported when the call is sent.
    problems: Vec<String>,
}

impl CallOptions {
    pub(crate) fn set_param(&mut self, name: String, values: Vec<String>) {
        self.params.retain(|(other, _)| *other != name);
        self.params.push((name, values));
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(header), _) if is_transport_header(&header) => {
                self.problems.push(format!("header `{name}`: the client sets it itself"));
            }
            (Ok(header), Ok(value)) => self.headers.push((header, value)),
            (Err(_), _) => self.problems.push(format!("header {name:?}: it is not a valid header name")),
            (_, Err(_)) => self
                .problems
                .push(format!("header `{name}`: its value contains a character not allowed in headers")),
        }
    }

    pub(crate) fn set_connect_timeout(&mut self, timeout: Duration) {
        self.connect_timeout = Some(timeout);
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    pub(crate) fn set_read_timeout(&mut self, timeout: Duration) {
        self.read_timeout = Some(timeout);
    }

    pub(crate) fn set_retries(&mut self, retries: u32) {
        self.retries = Some(retries);
    }

    pub(crate) fn set_retry(&mut self, policy: RetryPolicy) {
        self.retry = Some(policy);
    }

    pub(crate) fn set_idempotent(&mut self, retry: bool) {
        self.idempotent = retry;
    }

    pub(crate) fn conversions(&mut self) -> &mut Conversions {
        &mut self.conversions
    }

    /// Returns the deadline of an operation that starts now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A time beyond the clock's range is no limit.
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// Sets the time-out to the time that is left until `deadline`.
    pub(crate) fn end_by(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            // If no time is left, the call times out; a time-out of zero would be an invalid option instead.
            let left = deadline.saturating_duration_since(Instant::now());
            self.timeout = Some(left.max(Duration::from_nanos(1)));
        }
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    pub(crate) fn keep_headers(&mut self, keep: impl Fn(&HeaderName) -> bool) {
        self.headers.retain(|(name, _)| keep(name));
    }

    /// Returns the time-outs of a request; those that aren't set are the client's.
    pub(crate) fn timeouts(&self, settings: &Settings, list: bool) -> Timeouts {
        Timeouts {
            connect: self.connect_timeout.unwrap_or(settings.connect_timeout),
            idle: self.read_timeout.unwrap_or_else(|| settings.read_timeout(list)),
            total: self.timeout.or(settings.timeout),
            deadline: None,
        }
    }

    /// Returns the options that apply to each of a call's requests: headers, time-outs per request, and
    /// retries.
    pub(crate) fn of_each_request(&self) -> Self {
        CallOptions {
            headers: self.headers.clone(),
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            retries: self.retries,
            retry: self.retry.clone(),
            backend_only: true,
            ..CallOptions::default()
        }
    }

    /// Returns the call's retry policy, based on the client's `policy`.
    pub(crate) fn retry_policy(&self, policy: &RetryPolicy) -> RetryPolicy {
        let mut policy = self.retry.as_ref().unwrap_or(policy).clone();
        policy.retries = self.retries.unwrap_or(policy.retries);
        policy
    }

    /// Returns all invalid options.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        problems.extend(self.conversions.problems());
        for (name, timeout) in [
            ("timeout", self.timeout),
            ("connect_timeout", self.connect_timeout),
            ("read_timeout", self.read_timeout),
        ] {
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                problems.push(format!("{name}: it is zero"));
            }
        }
        problems
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Custom parameters and headers may contain anything, even a token, so only their names are shown.
        let names: Vec<_> = self.params.iter().map(|(name, _)| name).collect();
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("CallOptions")
            .field("params", &names)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("retries", &self.retries)
            .field("retry", &self.retry)
            .field("idempotent", &self.idempotent)
            .field("conversions", &self.conversions)
            .finish()
    }
}

impl BackendClient {
    /// Calls any operation of the API, also one that has no method in this crate.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let upload = client.call(|raw| raw.get_chunked_upload("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11")).await?;
    /// println!("{:?}", upload.offset);
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
    /// body with [`CustomRequest::json`]. Retries, credentials, limits and errors are the same as for any
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

    /// Returns a call of another operation with the same options.
    pub(crate) fn map<C>(self, operation: impl FnOnce(B) -> C) -> Call<C> {
        Call { client: self.client, operation: operation(self.operation), options: self.options }
    }

    pub(crate) fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Sends the request and decodes the response. Awaiting the call does the same.
    ///
    /// # Errors
    /// Returns an error if parameters are invalid (all of them are listed, and nothing is sent), if the
    /// server responds with an error or with a body that can't be decoded, or if it doesn't respond.
    pub fn send(self) -> ResponseFuture<B::Output> {
        let prepared = self.prepare();
        ResponseFuture::prepared(prepared.map(|prepared| prepared.fetch(B::Decoder::read)))
    }

    /// Sends the request and decodes the response into your own type: a struct with fewer fields,
    /// [`Json`](crate::Json), or `Box<serde_json::value::RawValue>` for the unchanged text.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`send`](Call::send).
    pub fn send_as<T: DeserializeOwned + Send + 'static>(self) -> ResponseFuture<T> {
        let prepared = self.prepare();
        ResponseFuture::prepared(prepared.map(|prepared| prepared.fetch(IncomingResponse::json)))
    }

    /// Returns the request that would be sent, without credentials.
    ///
    /// # Errors
    /// Returns an error if a parameter is invalid.
    pub fn request(self) -> Result<Request> {
        self.prepare().map(|prepared| prepared.request)
    }

    /// Returns all invalid parameters and options.
    pub(crate) fn problems(self) -> Vec<String> {
        checked(self.operation, &self.options, self.client.base()).err().unwrap_or_default()
    }

    pub(crate) fn prepare(mut self) -> Result<Prepared> {
        let (id, pagination) = (self.operation.id(), self.operation.pagination());
        let mut request = checked(self.operation, &self.options, self.client.base())
            .map_err(|problems| invalid(id, problems))?;
        let CallOptions { params, headers, conversions, .. } = &mut self.options;
        let (params, headers, conversions) =
            (std::mem::take(params), std::mem::take(headers), std::mem::take(conversions));
        let settings = self.client.settings();
        query::set(request.url_mut(), &params);
        if request.method() == Method::GET
            && let Some(host) = &settings.url_host
            // Without values, it is removed.
            && !params.iter().any(|(name, _)| name == "url_host")
            && !request.url().query_pairs().any(|(name, _)| name == "url_host")
        {
            request.url_mut().query_pairs_mut().append_pair("url_host", host);
        }
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        let policy = self.options.retry_policy(&settings.retry);
        Ok(Prepared {
            transport: self.client.transport().clone(),
            request,
            operation: id,
            timeouts: self.options.timeouts(settings, pagination.is_some()),
            retry: Retry { policy, unknown_outcome: self.options.idempotent },
            conversions: (!conversions.is_empty()).then(|| Arc::new(conversions)),
            pagination,
            allow_cross_origin: !(pagination.is_some() || self.options.backend_only),
            throttled: None,
        })
    }

    /// Prepares the first of several requests. Each request has the client's time-out. The call's own
    /// time-out, which is returned too, covers all of them.
    pub(crate) fn prepare_several(self) -> (Result<Prepared>, Option<Duration>) {
        let (timeout, each) = (self.options.timeout, self.client.settings().timeout);
        let of_each = |prepared: Prepared| Prepared {
            timeouts: Timeouts { total: each, ..prepared.timeouts },
            ..prepared
        };
        (self.prepare().map(of_each), timeout)
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

/// Returns the operation's request, or all that is invalid: its parameters first, then the options.
fn checked<B: Operation>(operation: B, options: &CallOptions, base: &Base) -> Result<Request, Vec<String>> {
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
