//! [`Error`]: what failed, in one line that says what to do, and the details that a program needs.

pub(crate) mod cause;
mod display;
pub(crate) mod error_body;
pub(crate) mod json_text;
pub(crate) mod method;
pub(crate) mod predicates;
pub(crate) mod redact;
pub(crate) mod response;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::Extensions;
use reqwest::{Method, StatusCode, Url};

pub(crate) use crate::error::cause::Cause;
use crate::error::cause::failure_of;
use crate::error::method::MethodSemantics as _;
use crate::error::redact::bounded::{bounded, shortened};
use crate::error::redact::secrets::Secrets;
use crate::error::redact::{excerpt_without, redact, shown_url};
use crate::error::response::ErrorResponse;

/// The result of each fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`]. Kinds may be added. It is serialized as its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting of the client is invalid; nothing was sent.
    Configuration,
    /// A parameter, a field, a file or a session is missing or invalid; nothing was changed on the server.
    InvalidInput,
    /// A file on this machine can't be read or written.
    Io,
    /// The credentials provider failed.
    Credentials,
    /// The server didn't process the request: no connection was made (within the connect time-out), or the
    /// server refused the request without processing it.
    Connect,
    /// A time-out expired. An error of another kind may also be a time-out: see [`Error::is_timeout`].
    Timeout,
    /// A GET, HEAD, OPTIONS, TRACE or DELETE request didn't complete: the connection broke, the compressed body is
    /// damaged, or the runtime was shut down. For other methods, the kind is
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome).
    ConnectionLost,
    /// The request was sent, and its outcome is unknown: the server may have acted on it.
    UnknownOutcome,
    /// The server responded with an error status.
    Status,
    /// The response can't be used: its head isn't valid HTTP, its body isn't JSON, or the body doesn't have
    /// the shape that the API's document describes.
    Decode,
    /// The response's body is larger than the client's limit, `max_body_size`.
    BodyLimit,
    /// A link or a redirect of the server isn't followed: it points to another origin, outside the base URL's
    /// path, or from https to http; it would change the method; or there are too many redirects. Nothing was
    /// sent to its target.
    CrossOrigin,
    /// The list is inconsistent: for example, a `next` link points to an earlier page.
    Pagination,
    /// The upload is inconsistent: for example, the server expects an offset beyond the end of the file.
    Upload,
    /// A downloaded file isn't the expected one: its length or its digest differs.
    Download,
    /// A URL conversion failed.
    UrlConversion,
}

/// Any failure of this crate.
///
/// `Display` is one line of at most 4 KiB without control characters: the request, what happened, and the
/// server's message. It never shows a token or a URL's query; neither does `Debug` (at most 16 KiB), nor any
/// [`source`](std::error::Error::source).
///
/// `Display` includes the cause. `source` returns only causes whose text isn't in `Display` already, so that
/// printing the chain repeats nothing. If a file can't be read or written, `Display` has the text of the
/// [`std::io::ErrorKind`], and the source is the [`std::io::Error`] with the system's message.
///
/// ```
/// # use synapse_backend_client::{BackendClient, Error};
/// # async fn example(client: BackendClient) -> Result<(), Error> {
/// match client.get_model(999).await {
///     Ok(model) => println!("{}", model.name),
///     Err(error) if error.is_not_found() => println!("there is no such model"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    /// The context, outermost first: `uploading the model's file`.
    during: Vec<String>,
    request: Option<RequestInfo>,
    response: Option<ErrorResponse>,
    json_path: Option<String>,
    /// Typed details that an engine adds to the text; never shown.
    details: Extensions,
    timed_out: bool,
    attempts: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The message contains the text of the source.
    message_has_source: bool,
    /// The client's credentials, for an error that belongs to no single request.
    secrets: Secrets,
}

/// The maximum length of a message, in bytes. It is more than what is shown, since redacting shortens it.
const MAX_MESSAGE: usize = 6 << 10;

/// The maximum length of a context step, in bytes, and the maximum number of steps.
const MAX_STEP: usize = 1 << 10;
const MAX_STEPS: usize = 16;

/// The approximate maximum length of a path in messages, in bytes.
const MAX_PATH: usize = 1 << 10;

/// Returns a path for messages, shortened so that the text after it is never cut off.
pub(crate) fn shown_path(path: &std::path::Path) -> String {
    bounded(&path.display(), MAX_PATH)
}

/// The request that an error belongs to.
#[derive(Debug, Clone)]
pub(crate) struct RequestInfo {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// The URL without query and user info.
    pub(crate) url: Arc<str>,
    /// The client's credentials, which the server may repeat.
    pub(crate) secrets: Secrets,
    /// Fields of error responses with a value that makes the error final.
    pub(crate) final_errors: FinalErrors,
}

/// Fields of error responses, each with a value after which the request isn't retried.
pub(crate) type FinalErrors = &'static [(&'static str, &'static str)];

/// Appended to a message if the server may have processed the request.
const UNKNOWN_OUTCOME_HINT: &str =
    "; the server may have acted on it: check its state before sending it again";

impl RequestInfo {
    pub(crate) fn may_be_resent(&self) -> bool {
        self.method.may_be_resent()
    }

    pub(crate) fn new(operation: &'static str, method: &Method, url: &Url) -> Self {
        RequestInfo {
            operation,
            method: method.clone(),
            url: (*shown_url(url)).into(),
            secrets: Secrets::default(),
            final_errors: &[],
        }
    }

    /// Sets the client's credentials, so that an error never shows them if the server repeats them. They are
    /// also hidden in the URL, which may come from a redirect or a link.
    pub(crate) fn hiding(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: shortened(message.into(), MAX_MESSAGE),
            during: Vec::new(),
            request: None,
            response: None,
            json_path: None,
            details: Extensions::new(),
            timed_out: false,
            attempts: 1,
            source: None,
            message_has_source: false,
            secrets: Secrets::NONE,
        }))
    }

    /// Also hides these credentials, which the server may have repeated.
    pub(crate) fn hiding(mut self, secrets: impl Into<Secrets>) -> Self {
        self.0.secrets = secrets.into();
        self
    }

    pub(crate) fn configuration(setting: &str, problem: impl fmt::Display) -> Self {
        Error::new(ErrorKind::Configuration, format!("{setting}: {problem}"))
    }

    pub(crate) fn invalid_input(problem: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidInput, problem)
    }

    pub(crate) fn file(path: &std::path::Path, what: &str, error: std::io::Error) -> Self {
        Error::new(ErrorKind::Io, format!("{}: {what}: {}", shown_path(path), failure_of(&error)))
            .source_of(error)
    }

    /// Returns the error for a response with an error status.
    pub(crate) fn status_error(request: RequestInfo, response: ErrorResponse) -> Self {
        let mut message = shown_status(response.status());
        if let Some(said) = response.said() {
            message.extend([": ", &said]);
        }
        let is_unknown = !request.may_be_resent() && response.is_gateways();
        let kind = match is_unknown && !response.is_final(request.final_errors) {
            true => {
                message.push_str(UNKNOWN_OUTCOME_HINT);
                ErrorKind::UnknownOutcome
            }
            false => ErrorKind::Status,
        };
        Error::new(kind, message).of(request).answered(response)
    }

    /// Returns whether the response has a value that makes it final: the request isn't retried.
    pub(crate) fn is_final(&self) -> bool {
        match (&self.0.request, &self.0.response) {
            (Some(request), Some(response)) => response.is_final(request.final_errors),
            _ => false,
        }
    }

    /// Returns the error of a request that was sent, and for which no complete response arrived. The outcome is
    /// unknown, unless the request may be sent again.
    pub(crate) fn interrupted(request: RequestInfo, what: &str) -> Self {
        let error = match request.may_be_resent() {
            true => Error::new(ErrorKind::ConnectionLost, what),
            false => Error::unknown_outcome(what),
        };
        error.of(request)
    }

    /// Returns an error for a request that the server may have acted on.
    pub(crate) fn unknown_outcome(what: impl fmt::Display) -> Self {
        Error::new(ErrorKind::UnknownOutcome, format!("{what}{UNKNOWN_OUTCOME_HINT}"))
    }

    pub(crate) fn of(mut self, mut request: RequestInfo) -> Self {
        if let std::borrow::Cow::Owned(hidden) = request.secrets.hide_in_url(&request.url) {
            request.url = hidden.into();
        }
        self.0.request = Some(request);
        self
    }

    pub(crate) fn answered(mut self, response: ErrorResponse) -> Self {
        self.0.response = Some(response);
        self
    }

    pub(crate) fn at_path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.0.json_path = Some(redact(&self.secrets().hide(&path)).into_owned());
        self
    }

    pub(crate) fn timed_out(mut self) -> Self {
        self.0.timed_out = true;
        self
    }

    /// Appends `what` to the message, once.
    pub(crate) fn add(&mut self, what: &str) {
        if !self.0.message.ends_with(what) {
            self.0.message.push_str("; ");
            self.0.message.push_str(what);
        }
    }

    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Adds a typed detail. There is one detail per type.
    pub(crate) fn with_detail<D: Clone + Send + Sync + 'static>(mut self, detail: D) -> Self {
        self.0.details.insert(detail);
        self
    }

    pub(crate) fn detail<D: Send + Sync + 'static>(&self) -> Option<&D> {
        self.0.details.get()
    }

    /// Sets the source. Causes whose text is in the message already are left out.
    pub(crate) fn source_of(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = match source.into().downcast::<Cause>() {
            Ok(cause) => cause.beside(&self.0.message).map(|cause| Box::new(cause) as _),
            Err(source) => {
                self.0.message_has_source = self.0.message.contains(&bounded(&source, MAX_MESSAGE));
                Some(source)
            }
        };
        self
    }

    /// Returns the kind of the file system error, if it is one.
    pub(crate) fn io_kind(&self) -> Option<std::io::ErrorKind> {
        Some(self.0.source.as_ref()?.downcast_ref::<std::io::Error>()?.kind())
    }

    pub(crate) fn during(mut self, what: impl Into<String>) -> Self {
        self.0.during.truncate(MAX_STEPS - 1);
        self.0.during.insert(0, shortened(what.into(), 2 * MAX_STEP));
        self
    }

    /// Returns the kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the status of the response: of an error response, and of one that can't be used or was
    /// interrupted.
    ///
    /// `None` if there was no response.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.response.as_ref().map(ErrorResponse::status)
    }

    /// Returns the server's response: status, headers, and body as JSON or text.
    ///
    /// `None` if there was no response.
    pub fn response(&self) -> Option<&ErrorResponse> {
        self.0.response.as_ref()
    }

    /// Returns the id of the operation that failed (`operationId` in the API's document).
    pub fn operation(&self) -> Option<&str> {
        self.0.request.as_ref().map(|request| request.operation)
    }

    /// Returns the method of the request that failed.
    pub fn method(&self) -> Option<&Method> {
        self.0.request.as_ref().map(|request| &request.method)
    }

    /// Returns the URL of the request that failed, without its query.
    pub fn url(&self) -> Option<&str> {
        self.0.request.as_ref().map(|request| &*request.url)
    }

    /// Returns how many times the request was sent: 1 if it was not retried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns the id that the server, or a proxy in front of it, gave the request (`X-Request-Id` and
    /// similar headers). The server's operators find the request by this id.
    ///
    /// `None` if there is no id, or if it can't be shown: it is longer than 256 bytes or contains a token.
    pub fn request_id(&self) -> Option<&str> {
        const NAMES: [&str; 4] = ["x-request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray"];
        const MAX_ID: usize = 256;
        let headers = self.0.response.as_ref()?.headers();
        let shown = |id: &&str| id.len() <= MAX_ID && excerpt_without(id, MAX_ID, self.secrets(), " ") == *id;
        NAMES.iter().find_map(|name| headers.get(*name)?.to_str().ok().filter(shown))
    }

    /// Returns the path in the response's JSON at which decoding failed, such as `results[3].id`.
    pub fn json_path(&self) -> Option<&str> {
        self.0.json_path.as_deref()
    }
}

/// Returns `404 Not Found`, or `520` for a status without a name.
pub(crate) fn shown_status(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::marker;

    fn response(status: u16, body: &str) -> ErrorResponse {
        ErrorResponse::new(
            StatusCode::from_u16(status).unwrap(),
            HeaderMap::new(),
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    fn marked(text: &str) -> String {
        text.replace("MARK", marker::MARKER)
    }

    #[test]
    fn display_is_one_line_with_server_text() {
        let request = || {
            RequestInfo::new(
                "get_model",
                &Method::GET,
                &marked("https://u:MARK@h/models/1/?sig=MARK").parse().unwrap(),
            )
        };
        for (status, body, line) in [
            (404, r#"{"detail": "Not found."}"#, "404 Not Found: Not found."),
            (400, r#"{"a": ["x", "y"], "b": ["z"]}"#, "400 Bad Request: a: x y; b: z"),
            (502, "<html><head><title>502 Bad Gateway</title></head>\n</html>", "502 Bad Gateway"),
            (520, "<title>Web server\nis down</title>", "520: Web server; is down"),
            (500, "", "500 Internal Server Error"),
            (400, r#"{"detail": "see https://h/x?sig=MARK"}"#, "400 Bad Request: see https://h/x?…"),
        ] {
            let error = Error::status_error(request(), response(status, &marked(body)));
            assert_eq!(error.to_string(), format!("get_model: GET https://h/models/1/: {line}"));
            marker::assert_error_hidden(&error);
        }
    }

    #[test]
    fn display_is_bounded_and_clean() {
        let odd = "a\u{1b}[31m\u{7f}\u{202e}b\u{2028}c\r\nd\u{85}e\u{9b}\u{feff}\0";
        let url = format!("https://h/{}/", "x".repeat(10_000)).parse().unwrap();
        let request = RequestInfo::new("get_model", &Method::from_bytes(&[b'M'; 5_000]).unwrap(), &url);
        let mut error =
            Error::new(ErrorKind::Status, odd.repeat(100_000)).of(request).at_path(odd.repeat(1_000));
        error = error.source_of(std::io::Error::other(odd.repeat(10_000)));
        for step in 0..1_000 {
            error = error.during(format!("step {step} {}", odd.repeat(100)));
        }
        let line = error.to_string();
        assert!(line.starts_with("step 999 a [31m") && line.contains("; d; e"), "{line}");
        for text in [line, format!("{error:?}"), error.source().map(ToString::to_string).unwrap_or_default()]
        {
            assert!(
                !text
                    .contains(|shown: char| shown.is_control() || "\u{202e}\u{2028}\u{feff}".contains(shown)),
                "{text}"
            );
        }
        assert!(error.to_string().len() <= 4 << 10 && format!("{error:?}").len() <= 16 << 10);
        assert!(error.0.during.len() <= 16 && error.0.message.len() <= 7 << 10);
    }

    #[test]
    fn source_is_not_repeated() {
        use std::io;
        let path = std::path::Path::new("/data/model.pt");
        let os = Error::file(path, "the file can't be read", io::Error::from_raw_os_error(2));
        assert_eq!(os.to_string(), "/data/model.pt: the file can't be read: entity not found");
        let source = os.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.and_then(io::Error::raw_os_error), Some(2));
        let other = Error::file(path, "the file can't be read", io::Error::other("it is odd"));
        assert_eq!(
            (other.to_string().as_str(), other.source().is_none()),
            ("/data/model.pt: the file can't be read: it is odd", true)
        );

        #[derive(Debug)]
        struct Layer(&'static str, Option<Box<Layer>>);
        impl fmt::Display for Layer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        impl StdError for Layer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                self.1.as_deref().map(|source| source as _)
            }
        }
        let chain = || {
            Layer("sending failed", Some(Box::new(Layer("no route", Some(Box::new(Layer("refused", None)))))))
        };
        let below = Error::new(ErrorKind::Connect, "no connection: refused").source_of(Cause::of(&chain()));
        let ending = |error: &Error| {
            std::iter::successors(error.source(), |error| (*error).source())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(ending(&below), ["sending failed", "no route"]);
        let all = Error::new(ErrorKind::Connect, "no connection: sending failed; no route; refused")
            .source_of(Cause::of(&chain()));
        assert!(all.source().is_none());
        let outer = Error::new(ErrorKind::Io, "x: sending failed").source_of(chain());
        assert_eq!(ending(&outer), ["no route", "refused"]);
    }

    #[test]
    fn tokens_are_redacted_everywhere() {
        let mut credentials = HeaderMap::new();
        credentials.insert("synapse-access-token", marked("Token MARK/+tail").parse().unwrap());
        let secrets = Secrets::from(Some(Arc::new(credentials)));
        let url = marked("https://h/moved/MARK%2F+tail/").parse().unwrap();
        let error = Error::new(ErrorKind::Decode, marked("no MARK/+tail, MARK%2f%2Btail"))
            .of(RequestInfo::new("", &Method::GET, &url).hiding(secrets))
            .at_path(marked("a.MARK/+tail"))
            .during(marked("item 1 (id MARK\\/+tail)"));
        marker::assert_error_hidden(&error);
        assert_eq!(
            error.to_string(),
            "item 1 (id <secret>): GET https://h/moved/<secret>/: no <secret>, <secret>"
        );
        for text in [error.url(), error.json_path()] {
            marker::assert_hidden("a part", text.unwrap());
        }
    }
}
