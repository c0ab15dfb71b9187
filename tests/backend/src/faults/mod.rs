//! Faults: deliberate failures, and the requests that they apply to.

mod api;
mod standing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use bytes::Bytes;
use serde_json::Value;

use crate::drf;

pub use standing::Injected;
pub(crate) use standing::{Faults, Standing};

type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;
type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A deliberate failure for the requests that it matches. It applies once, unless set otherwise.
///
/// ```
/// # fn example(backend: &synapse_test_backend::Backend) {
/// use std::time::Duration;
/// use synapse_test_backend::Fault;
///
/// // The proxy fails the second and third page of a list.
/// backend.inject(Fault::proxy_page(502).on("GET", "/models/").after(1).times(2));
/// // The model is created, and the response is lost.
/// backend.inject(Fault::lose_answer().on("POST", "/models/"));
/// // Throttled, with another body than usual.
/// backend.inject(Fault::response(429).header("Retry-After", "1").json(r#"{"detail":"slow down"}"#));
/// // Only requests with a header, delayed beyond every time-out.
/// backend.inject(
///     Fault::delay_before(Duration::from_secs(60)).when(|request| request.headers.contains_key("range")),
/// );
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    method: Option<String>,
    path: Option<String>,
    predicate: Option<Predicate>,
    pub(crate) times: u64,
    pub(crate) after: u64,
    pub(crate) before: Duration,
    pub(crate) hold_before: bool,
    pub(crate) hold_after: bool,
    pub(crate) reset: bool,
    pub(crate) outcome: Outcome,
}

#[derive(Clone)]
pub(crate) enum Outcome {
    /// Serves the request normally, perhaps late.
    Act,
    Response {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    Close {
        after: u64,
    },
    LoseResponse,
    CutResponse {
        after: u64,
        stall: bool,
    },
    Replace {
        headers: HeaderMap,
        body: Bytes,
    },
    Edit(Edit),
}

impl Fault {
    fn new(outcome: Outcome) -> Self {
        Self {
            method: None,
            path: None,
            predicate: None,
            times: 1,
            after: 0,
            before: Duration::ZERO,
            hold_before: false,
            hold_after: false,
            reset: false,
            outcome,
        }
    }

    /// Responds with this status and doesn't process the request. See [`header`](Self::header),
    /// [`body`](Self::body) and [`json`](Self::json).
    ///
    /// # Panics
    /// Panics if `status` is not an HTTP status (100 to 999).
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// backend.inject(Fault::response(301).header("Location", "/elsewhere/").on("POST", "/models/"));
    /// # }
    /// ```
    #[track_caller]
    pub fn response(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status from 100 to 999");
        Self::new(Outcome::Response { status, headers: HeaderMap::new(), body: Bytes::new() })
    }

    /// Responds with the HTML error page of a proxy with this status, and doesn't process the request.
    ///
    /// # Panics
    /// Panics like [`response`](Self::response).
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::proxy_page(503).always());
    /// # }
    /// ```
    #[track_caller]
    pub fn proxy_page(status: u16) -> Self {
        let fault = Self::response(status);
        let Outcome::Response { status, .. } = fault.outcome else { return fault };
        fault.body(drf::proxy_page(status)).header("Content-Type", "text/html")
    }

    /// Reads the request and closes the connection. The request is not processed and gets no response.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::close().on("GET", "/models/").times(2));
    /// # }
    /// ```
    pub fn close() -> Self {
        Self::new(Outcome::Close { after: u64::MAX })
    }

    /// Closes the connection after this many bytes of the request's body. The request is not processed.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::cut_request(100_000).on("PUT", "/chunked_upload/").reset());
    /// # }
    /// ```
    pub fn cut_request(bytes: u64) -> Self {
        Self::new(Outcome::Close { after: bytes })
    }

    /// Processes the request, and closes the connection instead of sending the response.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::lose_answer().on("PUT", "/chunked_upload/").after(1));
    /// # }
    /// ```
    pub fn lose_answer() -> Self {
        Self::new(Outcome::LoseResponse)
    }

    /// Processes the request, sends the full `Content-Length`, and closes the connection after this many
    /// bytes of the response's body.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::cut_answer(1000).on("GET", "/media/"));
    /// # }
    /// ```
    pub fn cut_answer(bytes: u64) -> Self {
        Self::new(Outcome::CutResponse { after: bytes, stall: false })
    }

    /// Like [`cut_answer`](Self::cut_answer), but the connection stays open and nothing more is sent.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::stall_answer(1000).on("GET", "/media/"));
    /// # }
    /// ```
    pub fn stall_answer(bytes: u64) -> Self {
        Self::new(Outcome::CutResponse { after: bytes, stall: true })
    }

    /// Processes the request, and responds with the normal status and another body.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// backend.inject(synapse_test_backend::Fault::replace_body(r#"{"results": null}"#).on("GET", "/models/"));
    /// # }
    /// ```
    pub fn replace_body(body: impl Into<Bytes>) -> Self {
        Self::new(Outcome::Replace { headers: HeaderMap::new(), body: body.into() })
    }

    /// Processes the request, and edits the JSON of the response. A response that isn't JSON is not changed.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use synapse_test_backend::Fault;
    /// backend.inject(Fault::edit_json(|page| page["next"] = "https://elsewhere.example/models/".into()));
    /// # }
    /// ```
    pub fn edit_json(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::new(Outcome::Edit(Arc::new(edit)))
    }

    /// Waits, then processes the request normally.
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// use std::time::Duration;
    /// backend.inject(synapse_test_backend::Fault::delay_before(Duration::from_millis(200)).always());
    /// # }
    /// ```
    pub fn delay_before(delay: Duration) -> Self {
        Self { before: delay, ..Self::new(Outcome::Act) }
    }

    /// Holds the request before it is processed, until [`Injected::release`].
    ///
    /// ```
    /// # async fn example(backend: synapse_test_backend::Backend) {
    /// let held = backend.inject(synapse_test_backend::Fault::hold_before().on("GET", "/models/"));
    /// // … the client sends a request …
    /// held.wait_for_hits(1).await;
    /// held.release();
    /// # }
    /// ```
    pub fn hold_before() -> Self {
        Self { hold_before: true, ..Self::new(Outcome::Act) }
    }

    /// Processes the request, and holds the response until [`Injected::release`].
    ///
    /// ```
    /// # fn example(backend: &synapse_test_backend::Backend) {
    /// let held = backend.inject(synapse_test_backend::Fault::hold_after().on("POST", "/chunked_upload/"));
    /// # }
    /// ```
    pub fn hold_after() -> Self {
        Self { hold_after: true, ..Self::new(Outcome::Act) }
    }

    /// Limits the fault to requests with this method whose path has this prefix, with or without the
    /// backend's path prefix before it.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::close().on("PUT", "/chunked_upload/");
    /// ```
    pub fn on(self, method: &str, path: &str) -> Self {
        self.method(method).path(path)
    }

    /// Limits the fault to requests with this method.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::close().method("POST");
    /// ```
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Limits the fault to requests whose path has this prefix, with or without the backend's path prefix
    /// before it.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::close().path("/media/");
    /// ```
    pub fn path(mut self, prefix: &str) -> Self {
        self.path = Some(prefix.to_owned());
        self
    }

    /// Limits the fault to requests for which this function returns `true`.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::response(503).when(|request| request.uri.query().unwrap_or_default().contains("page=3"));
    /// ```
    pub fn when(mut self, predicate: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Sets the number of requests that the fault applies to. Default 1.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::proxy_page(502).times(3);
    /// ```
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Applies the fault to every matching request.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::proxy_page(502).always();
    /// ```
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Lets this many matching requests pass first.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let the_third = Fault::close().after(2);
    /// ```
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Makes the fault close connections with a TCP reset.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::lose_answer().reset();
    /// ```
    pub fn reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// Sets a header of a [`response`](Self::response) or of a [replaced body](Self::replace_body).
    ///
    /// # Panics
    /// Panics if the name or the value is not valid in an HTTP header.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::response(503).header("Retry-After", "2");
    /// ```
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Outcome::Response { headers, .. } | Outcome::Replace { headers, .. } = &mut self.outcome {
            let name: HeaderName = name.parse().expect("a header name");
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
        self
    }

    /// Sets the body of a [`response`](Self::response).
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::response(500).body("<h1>Server Error (500)</h1>").header("Content-Type", "text/html");
    /// ```
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        if let Outcome::Response { body, .. } | Outcome::Replace { body, .. } = &mut self.outcome {
            *body = bytes.into();
        }
        self
    }

    /// Sets the body of a [`response`](Self::response) to this JSON text, and sets its content type.
    ///
    /// ```
    /// # use synapse_test_backend::Fault;
    /// let fault = Fault::response(403).json(r#"{"detail":"You do not have permission to perform this action."}"#);
    /// ```
    pub fn json(self, text: impl Into<String>) -> Self {
        let mut fault = self.body(text.into());
        if let Outcome::Response { headers, .. } | Outcome::Replace { headers, .. } = &mut fault.outcome {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        fault
    }

    pub(crate) fn matches(&self, parts: &Parts, prefix: &str) -> bool {
        let path = parts.uri.path();
        let inner = path.strip_prefix(prefix).unwrap_or(path);
        self.method.as_deref().is_none_or(|method| method == parts.method.as_str())
            && self.path.as_deref().is_none_or(|start| path.starts_with(start) || inner.starts_with(start))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(parts))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("times", &self.times)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
