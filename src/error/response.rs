//! [`ErrorResponse`]: a response that is an error, or can't be used.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::error_body::{self, Detail, FIELD_ERRORS, LINE, Most};
use crate::error::json_text::decode::decode;
use crate::error::redact::secrets::{Secrets, is_secret};
use crate::error::redact::{cut, excerpt_without};
use crate::error::{FinalErrors, shown_status};

/// A server's response that is an error, or can't be used.
pub struct ErrorResponse(Arc<Inner>);

/// Shared by all errors of one response.
struct Inner {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    json: OnceLock<Option<Value>>,
    detail: OnceLock<Detail>,
    /// The credentials that were sent, which a server may repeat.
    secrets: Secrets,
}

/// The maximum part of a body that is searched for a message if it isn't JSON, in bytes.
const MAX_SEARCHED: usize = 64 << 10;

/// The maximum part of a `detail` that is used for the message, in bytes.
const MAX_DETAIL: usize = 8 << 10;

/// The longest server message that is shown, in bytes.
const MAX_SERVER_MESSAGE: usize = 600;

impl ErrorResponse {
    #[cfg(test)]
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        ErrorResponse::hiding(status, headers, body, Secrets::default())
    }

    /// Makes a response with the credentials that were sent, so that they are hidden if the server repeats
    /// them.
    pub(crate) fn hiding(status: StatusCode, headers: HeaderMap, body: Bytes, secrets: Secrets) -> Self {
        let body = without_signature(body);
        ErrorResponse(Arc::new(Inner {
            status,
            headers,
            body,
            json: OnceLock::new(),
            detail: OnceLock::new(),
            secrets,
        }))
    }

    /// Returns the same response for another error, without copying it.
    pub(crate) fn shared(&self) -> Self {
        ErrorResponse(self.0.clone())
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    fn shown(&self, text: &str, limit: usize) -> String {
        if self.0.secrets.hides_all() {
            return "<secret>".to_owned();
        }
        excerpt_without(text, limit, &self.0.secrets, "; ")
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns all headers, unredacted.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the body's bytes. Of a very long body, only the beginning is kept. Of an object store's error
    /// in XML, which repeats what was signed and by whom, only `Code` and `Message` are kept.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns the body as text; bytes that aren't UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.body)
    }

    /// Returns the body as JSON; `None` if it isn't JSON. The body is parsed at the first call. Each lone
    /// surrogate in a string becomes U+FFFD.
    ///
    /// Also `None` if the values would take more memory than 64 times the body's length plus 1 MiB. Use
    /// [`text`](ErrorResponse::text) then.
    pub fn json(&self) -> Option<&Value> {
        let parse = || {
            let body = &self.0.body;
            let bound = body.len().saturating_mul(64).saturating_add(1 << 20);
            if error_body::value_cost(body) <= bound { decode(body).ok() } else { None }
        };
        self.0.json.get_or_init(parse).as_ref()
    }

    /// Returns the `detail` text that Django REST Framework sends as `{"detail": "…"}`. Each lone surrogate
    /// in it becomes U+FFFD.
    pub fn detail(&self) -> Option<&str> {
        self.said_detail().text.as_deref()
    }

    fn said_detail(&self) -> &Detail {
        self.0.detail.get_or_init(|| error_body::detail(&self.text()))
    }

    /// Returns whether the body is an object with a field of this name.
    #[cfg(api = "uploads")]
    pub(crate) fn has_field(&self, name: &str) -> bool {
        error_body::has_field(&self.text(), name)
    }

    /// Returns the messages by field, as Django REST Framework sends them: `{"name": ["This field is
    /// required."]}`. The key of a nested field is its path, such as `configuration.input_size`; that of a
    /// field in a list's item is, for example, `[1].name`.
    ///
    /// A `detail` that is a list or an object is treated like any field. If `detail` is a string, only
    /// messages in lists are returned: another string may be an error code.
    ///
    /// The body is read at each call: the first 1,000 messages, at most 256 KiB of them, to 16 levels of
    /// nesting. Keys of more than 128 bytes are shortened to beginning and end, paths to 1 KiB, messages to 4
    /// KiB.
    ///
    /// Empty if the response has no such messages.
    pub fn field_errors(&self) -> BTreeMap<String, Vec<String>> {
        self.messages(FIELD_ERRORS)
    }

    fn messages(&self, most: Most) -> BTreeMap<String, Vec<String>> {
        error_body::field_errors(&self.text(), self.detail().is_none(), most)
    }

    /// Returns whether a gateway responded instead of the application, which may still process the request. A
    /// 503 with a `Retry-After` or a `detail` is from the application itself.
    pub(crate) fn is_gateways(&self) -> bool {
        match self.0.status.as_u16() {
            502 | 504 | 520..=524 => true,
            503 => !self.0.headers.contains_key(reqwest::header::RETRY_AFTER) && !self.said_detail().present,
            _ => false,
        }
    }

    /// Returns whether the response is a final one: a field has one of these values.
    pub(crate) fn is_final(&self, final_errors: FinalErrors) -> bool {
        let has = |(field, value): &(&str, &str)| {
            self.json().and_then(|body| body.get(*field)?.as_str()) == Some(*value)
        };
        final_errors.iter().any(has)
    }

    /// Returns the server's message in one redacted line.
    pub(crate) fn said(&self) -> Option<String> {
        if self.0.secrets.hides_all() {
            return None;
        }
        let said = self.shown(&self.message()?, MAX_SERVER_MESSAGE);
        (!said.is_empty()).then_some(said)
    }

    /// Returns whether a field's message isn't one, but the value of a secret field. The messages of a field are a list.
    fn hides(&self, field: &str) -> bool {
        let Some(marked) = self.0.secrets.marked().filter(|marked| marked.is_within(field)) else {
            return false;
        };
        let is_message = |body: &Value| body.get(field).is_some_and(Value::is_array);
        !(marked.has(field) && self.json().is_some_and(is_message))
    }

    fn message(&self) -> Option<String> {
        let beginning = beginning(&self.0.body);
        if let Some((code, message)) = error_body::storage_error(&beginning) {
            return Some(format!("{code}: {message}"));
        }
        let fields = self.messages(LINE).into_iter().map(|(field, messages)| match field.as_str() {
            "" => messages.join(" "),
            field if self.hides(field) => format!("{field}: <secret>"),
            field => format!("{field}: {}", messages.join(" ")),
        });
        let messages: Vec<String> = self
            .detail()
            .map(|detail| cut(detail, MAX_DETAIL).to_owned())
            .into_iter()
            .chain(fields)
            .collect();
        if !messages.is_empty() {
            return Some(messages.join("; "));
        }
        // A title or a single line that repeats the status line adds nothing.
        match error_body::title(&beginning) {
            Some(title) => (!title.starts_with(self.0.status.as_str())).then(|| title.to_owned()),
            None => {
                let line = beginning.lines().map(str::trim).find(|line| !line.is_empty())?;
                (!line.eq_ignore_ascii_case(&shown_status(self.0.status))).then(|| line.to_owned())
            }
        }
    }
}

/// Returns the searched beginning of a text.
fn beginning(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text.get(..MAX_SEARCHED).unwrap_or(text))
}

/// Returns the body without signature data: of an object store's error, which repeats what was signed and by
/// whom, only code and message are kept.
fn without_signature(body: Bytes) -> Bytes {
    match error_body::storage_error(&beginning(&body)) {
        Some((code, message)) => {
            format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into()
        }
        None => body,
    }
}

/// The maximum number of headers that `Debug` shows, and the maximum length of a name and of a value, in
/// bytes.
const MAX_SHOWN_HEADERS: usize = 32;
const MAX_SHOWN_NAME: usize = 64;
const MAX_SHOWN_VALUE: usize = 128;

/// The maximum length of a body that `Debug` shows, in bytes.
const MAX_SHOWN_BODY: usize = 2_000;

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Headers<'h>(&'h ErrorResponse);
        impl fmt::Debug for Headers<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut map = f.debug_map();
                let headers = self.0.headers();
                for (name, value) in headers.iter().take(MAX_SHOWN_HEADERS) {
                    let value = match is_secret(name) {
                        true => "<secret>".to_owned(),
                        false => self.0.shown(&beginning(value.as_bytes()), MAX_SHOWN_VALUE),
                    };
                    map.entry(&self.0.shown(name.as_str(), MAX_SHOWN_NAME), &value);
                }
                if let Some(others @ 1..) = headers.len().checked_sub(MAX_SHOWN_HEADERS) {
                    map.entry(&"…", &format_args!("{others} more"));
                }
                map.finish()
            }
        }
        f.debug_struct("ErrorResponse")
            .field("status", &self.0.status)
            .field("headers", &Headers(self))
            .field("body", &self.shown(&beginning(&self.0.body), MAX_SHOWN_BODY))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn response(status: u16, body: &str) -> ErrorResponse {
        ErrorResponse::new(
            StatusCode::from_u16(status).unwrap(),
            HeaderMap::new(),
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    #[test]
    fn storage_error_keeps_code_and_message() {
        for text in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message><AWSAccessKeyId>MARK</AWSAccessKeyId><StringToSign>MARK</StringToSign></Error>",
            "\u{feff}<Error xmlns=\"x\"><Message>Request has expired</Message><Code>AccessDenied</Code><SignatureProvided>MARK</SignatureProvided>",
        ] {
            let response = response(403, &text.replace("MARK", crate::marker::MARKER));
            assert_eq!(
                response.text(),
                "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            );
            assert_eq!(response.said().as_deref(), Some("AccessDenied: Request has expired"));
        }
        assert_eq!(response(502, "<html><Error>").text(), "<html><Error>");
    }

    #[test]
    fn field_errors_of_every_form_are_read() {
        let nested = response(
            400,
            r#"{"name": ["Required.", "Short."], "configuration": {"size": ["Bad."]}, "non_field_errors": "x"}"#,
        );
        assert_eq!(
            nested.field_errors().into_iter().collect::<Vec<_>>(),
            [
                ("configuration.size".to_owned(), vec!["Bad.".to_owned()]),
                ("name".to_owned(), vec!["Required.".to_owned(), "Short.".to_owned()]),
                ("non_field_errors".to_owned(), vec!["x".to_owned()]),
            ]
        );
        let list = response(400, r#"[{}, {"name": ["Required."]}]"#);
        assert_eq!(list.field_errors()["[1].name"], ["Required."]);
        assert_eq!(response(400, r#"["Bad."]"#).field_errors()[""], ["Bad."]);
        let messages = |body: &str| {
            response(400, body)
                .field_errors()
                .into_iter()
                .map(|(field, messages)| (field, messages.join(" ")))
                .collect()
        };
        let fields = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
            fields.iter().map(|(field, messages)| ((*field).to_owned(), (*messages).to_owned())).collect()
        };
        for (body, expected) in [
            (
                r#"{"detail": ["Blank."], "name": ["Required."]}"#,
                fields(&[("detail", "Blank."), ("name", "Required.")]),
            ),
            (r#"{"detail": {"name": ["Bad."]}}"#, fields(&[("detail.name", "Bad.")])),
            (r#"{"detail": null, "name": ["Bad."]}"#, fields(&[("name", "Bad.")])),
            (
                r#"{"detail": "No.", "code": "invalid", "errors": {"name": ["Bad."]}}"#,
                fields(&[("errors.name", "Bad.")]),
            ),
            (r#"{"detail": "No.", "code": "invalid", "messages": [{"class": "Access"}]}"#, fields(&[])),
        ] {
            let messages: Vec<_> = messages(body);
            assert_eq!(messages, expected, "{body}");
        }
        assert!(response(502, "<html>").field_errors().is_empty());
    }

    #[test]
    fn odd_json_keeps_error_messages() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in [r#""\ud83d""#, "1e999", &deep, r#"{"\ude00": null}"#] {
            let body =
                format!(r#"{{"odd": {odd}, "detail": "No\ud83d.", "name": ["Bad \ud83d"], "after": {odd}}}"#);
            let response = response(503, &body);
            assert_eq!(
                (response.detail(), response.is_gateways()),
                (Some("No\u{fffd}."), false),
                "{odd:.20}"
            );
            assert_eq!(response.field_errors()["name"], ["Bad \u{fffd}"], "{odd:.20}");
            assert!(response.said().unwrap().starts_with("No\u{fffd}.; "), "{odd:.20}");
        }
        // The body is truncated: only the beginning of a long body is kept.
        let truncated = response(400, r#"{"detail": "No.", "name": ["Bad."], "size": ["Ba"#);
        assert_eq!((truncated.detail(), truncated.field_errors().len()), (Some("No."), 1));
        let not_utf8 = Bytes::from_static(b"{\"name\": [\"caf\xe9\"]}");
        let not_utf8 = ErrorResponse::new(StatusCode::BAD_REQUEST, HeaderMap::new(), not_utf8);
        assert_eq!(not_utf8.field_errors()["name"], ["caf\u{fffd}"]);
        assert!(response(400, r#"{"name": ["Bad."]} x"#).field_errors().is_empty());
    }

    #[test]
    fn field_errors_are_bounded() {
        let long = response(
            400,
            &format!(r#"{{"{}": {{"{}": ["{}"]}}}}"#, "k".repeat(5_000), "l".repeat(50), "m".repeat(50_000)),
        );
        let (path, messages) = long.field_errors().pop_first().unwrap();
        assert_eq!(path, format!("{}…{}.{}", "k".repeat(64), "k".repeat(64), "l".repeat(50)));
        assert!(messages[0].len() < 5_000 && messages[0].ends_with('…'));
        let many = response(400, &format!("[{}1]", r#"{"name": ["Bad."]}, "#.repeat(5_000)));
        assert_eq!(many.field_errors().len(), 1_000);
        assert!(many.said().unwrap().len() < 700);
        let levels = |depth: usize| format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(response(400, &levels(16)).field_errors().into_keys().next(), Some("[0]".repeat(15)));
        assert!(response(400, &levels(17)).field_errors().is_empty());
    }

    #[test]
    fn oversized_error_json_is_not_parsed() {
        assert!(response(400, &format!("[{}0]", "0,".repeat(100_000))).json().is_some());
        assert!(response(400, &format!("[{}0]", r#"{"":0},"#.repeat(100_000))).json().is_none());
        assert!(response(400, &format!("[{}0]", r#"{"":0},"#.repeat(1_000))).json().is_some());
        assert_eq!(response(400, r#"{"a": "\ud83d"}"#).json().unwrap()["a"], "\u{fffd}");
    }

    #[test]
    fn debug_of_headers_is_bounded_and_clean() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("location", "https://u:MARK@h/p?sig=MARK"),
            ("link", "</p?sig=MARK>; rel=next"),
            ("refresh", "0;url=https://h/?sig=MARK"),
            ("x-amz-security-token", "MARK"),
            ("x-amz-signature", "MARK"),
            ("x-api-key", "MARK"),
            ("x-goog-credential", "MARK"),
        ] {
            headers.insert(name, value.replace("MARK", crate::marker::MARKER).parse().unwrap());
        }
        for n in 0..1_000 {
            let name: HeaderName = format!("x-{n}-{}", "n".repeat(100)).parse().unwrap();
            headers.insert(
                name,
                reqwest::header::HeaderValue::from_bytes(&[b'v', 0x9b, 0xe2, 0x80, 0xae].repeat(1_000))
                    .unwrap(),
            );
        }
        let shown =
            format!("{:?}", ErrorResponse::new(StatusCode::OK, headers, "\u{1b}[31m\n".repeat(1_000).into()));
        crate::marker::assert_hidden("a header", &shown);
        assert!(shown.len() < 12 << 10 && shown.contains("975 more") && !shown.contains(r"\u{"), "{shown}");
    }
}
