//! [`ErrorResponse`]: what the server answered where its answer is an error, or can't be used.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::error::shown_status;
use crate::redact::{redact, unescaped};

/// A server's answer that is an error, or can't be used.
pub struct ErrorResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    json: OnceLock<Option<Value>>,
    /// What was sent, which a server may repeat.
    credentials: Option<Arc<HeaderMap>>,
}

/// What is shorter is a word that may stand in any text.
const SHORTEST_TOKEN: usize = 6;

/// `text` without the tokens among the credentials. A tenant's code is no secret.
pub(crate) fn hide_credentials<'t>(text: &'t str, credentials: Option<&HeaderMap>) -> Cow<'t, str> {
    let mut hidden = Cow::Borrowed(text);
    for (_, value) in credentials.into_iter().flatten().filter(|(name, _)| *name != "synapse-tenant") {
        for form in forms(value.as_bytes()).iter().filter(|form| form.len() >= SHORTEST_TOKEN) {
            if hidden.contains(form) {
                hidden = Cow::Owned(hidden.replace(form, "<secret>"));
            }
            let plain = unescaped(&hidden);
            if plain.contains(form) {
                hidden = Cow::Owned(plain.replace(form, "<secret>"));
            }
        }
    }
    hidden
}

/// The token in a header's value, after its scheme where it has one, as a server may repeat it: as it is or, where the server
/// takes headers for Latin-1, as that reads; and each as JSON and Rust write it in quotes.
fn forms(mut value: &[u8]) -> Vec<String> {
    while let Some(token) = value.strip_prefix(b"Token ") {
        value = token;
    }
    let after_scheme = value.split(|byte| *byte == b' ').next().and_then(|scheme| value.get(scheme.len() + 1..));
    let mut forms = Vec::new();
    for bytes in [value].into_iter().chain(after_scheme) {
        for token in [String::from_utf8_lossy(bytes).into_owned(), bytes.iter().copied().map(char::from).collect()] {
            let quoted = [Value::from(token.as_str()).to_string(), format!("{token:?}")];
            forms.extend(quoted.map(|quoted| quoted[1..quoted.len() - 1].to_owned()));
            forms.push(token);
        }
    }
    forms.dedup();
    forms
}

/// Headers whose values are credentials, or links that may be signed.
fn is_sensitive(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "set-cookie"
            | "cookie"
            | "authorization"
            | "proxy-authorization"
            | "synapse-access-token"
            | "synapse-agent"
            | "synapse-tenant"
    )
}

impl ErrorResponse {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let body = storage_error(&body).map_or(body, |(code, message)| storage_body(&code, &message));
        ErrorResponse { status, headers, body, json: OnceLock::new(), credentials: None }
    }

    /// With the credentials that were sent, so that they aren't shown where the server repeats them.
    pub(crate) fn hiding(mut self, credentials: Option<Arc<HeaderMap>>) -> Self {
        self.credentials = credentials;
        self
    }

    fn shown(&self, text: &str) -> String {
        redact(&hide_credentials(text, self.credentials.as_deref())).into_owned()
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers, whole.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body's bytes. Of a very long body, its beginning; of an object store's error in XML, which repeats what was signed and
    /// by whom, `Code` and `Message` only.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; bytes that aren't UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON, where it is JSON.
    pub fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(&self.body).ok()).as_ref()
    }

    /// What Django REST Framework says as `{"detail": "…"}`.
    pub fn detail(&self) -> Option<&str> {
        self.json()?.get("detail")?.as_str()
    }

    /// The messages by field, as Django REST Framework sends them: `{"name": ["This field is required."]}`. A field
    /// within another is told as `configuration.input_size`, an item of a list as `[1].name`.
    ///
    /// A `detail` that is a list or an object is told as any field is. Beside one that is a text only messages in lists are
    /// taken: a text there is a code, say.
    ///
    /// Empty where the answer holds no such messages.
    pub fn field_errors(&self) -> BTreeMap<String, Vec<String>> {
        fn collect(place: &str, value: &Value, texts: bool, errors: &mut BTreeMap<String, Vec<String>>) {
            match value {
                Value::String(message) if texts => errors.entry(place.to_owned()).or_default().push(message.clone()),
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        match item {
                            Value::String(_) => collect(place, item, true, errors),
                            _ => collect(&format!("{place}[{index}]"), item, texts, errors),
                        }
                    }
                }
                Value::Object(fields) => {
                    for (name, value) in fields {
                        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                        collect(&place, value, texts, errors);
                    }
                }
                _ => {}
            }
        }
        let mut errors = BTreeMap::new();
        if let Some(json) = self.json() {
            collect("", json, self.detail().is_none(), &mut errors);
        }
        errors
    }

    /// Whether a gateway answered in the place of the application, which may have gone on: a 503 of the application's own
    /// says so, by a `Retry-After` or a `detail`.
    pub(crate) fn is_gateways(&self) -> bool {
        let tells = || self.json().and_then(|json| json.get("detail")).is_some_and(|detail| !detail.is_null());
        match self.status.as_u16() {
            502 | 504 | 520..=524 => true,
            503 => !self.headers.contains_key(reqwest::header::RETRY_AFTER) && !tells(),
            _ => false,
        }
    }

    /// What the server said, in a line that is fit to be shown.
    pub(crate) fn said(&self) -> Option<String> {
        let said = self.shown(&self.message()?);
        let short: String = said.trim().chars().take(300).collect();
        (!short.is_empty()).then_some(short)
    }

    fn message(&self) -> Option<String> {
        if let Some((code, message)) = storage_error(&self.body) {
            return Some(format!("{code}: {message}"));
        }
        let fields = self.field_errors().into_iter().map(|(field, messages)| match field.as_str() {
            "" => messages.join(" "),
            field => format!("{field}: {}", messages.join(" ")),
        });
        let told: Vec<String> = self.detail().map(str::to_owned).into_iter().chain(fields).collect();
        if !told.is_empty() {
            return Some(told.join("; "));
        }
        let text = self.text();
        // A title that is a status line says no more than the status, and neither does such a line alone.
        match title(&text) {
            Some(title) => (!title.starts_with(self.status.as_str())).then(|| title.to_owned()),
            None => {
                let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
                (!line.eq_ignore_ascii_case(&shown_status(self.status))).then(|| line.to_owned())
            }
        }
    }
}

/// The title of a page in HTML.
fn title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = lower[start..].find("</title").map_or(text.len(), |length| start + length);
    Some(text[start..end].trim()).filter(|title| !title.is_empty())
}

/// What an object store's error says, as S3 and those like it write it: `<Error><Code>…</Code><Message>…</Message>…</Error>`.
fn storage_error(body: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim_start();
    if !(text.starts_with("<?xml") || text.starts_with("<Error")) || !text.contains("<Error") {
        return None;
    }
    let element = |name: &str| {
        let rest = text.split(&format!("<{name}>")).nth(1)?;
        // A tag within it would be another element.
        Some(rest.split('<').next().unwrap_or_default().trim().to_owned())
    };
    Some((element("Code").unwrap_or_default(), element("Message").unwrap_or_default()))
}

fn storage_body(code: &str, message: &str) -> Bytes {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into()
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Headers<'h>(&'h ErrorResponse);
        impl fmt::Debug for Headers<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut map = f.debug_map();
                for (name, value) in &self.0.headers {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    if is_sensitive(name) {
                        map.entry(&name.as_str(), &"<secret>");
                    } else {
                        map.entry(&name.as_str(), &self.0.shown(&text));
                    }
                }
                map.finish()
            }
        }
        let short: String = self.shown(&self.text()).chars().take(2_000).collect();
        f.debug_struct("ErrorResponse")
            .field("status", &self.status)
            .field("headers", &Headers(self))
            .field("body", &short)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> ErrorResponse {
        ErrorResponse::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn of_an_object_stores_error_only_code_and_message_are_kept() {
        for text in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message><AWSAccessKeyId>MARK</AWSAccessKeyId><StringToSign>MARK</StringToSign></Error>",
            "\u{feff}<Error xmlns=\"x\"><Message>Request has expired</Message><Code>AccessDenied</Code><SignatureProvided>MARK</SignatureProvided>",
        ] {
            let answer = answer(403, &text.replace("MARK", crate::marker::MARKER));
            assert_eq!(answer.text(), "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>");
            assert_eq!(answer.said().as_deref(), Some("AccessDenied: Request has expired"));
        }
        assert_eq!(answer(502, "<html><Error>").text(), "<html><Error>");
    }

    #[test]
    fn field_errors_of_every_form_are_read() {
        let nested =
            answer(400, r#"{"name": ["Required.", "Short."], "configuration": {"size": ["Bad."]}, "non_field_errors": "x"}"#);
        assert_eq!(
            nested.field_errors().into_iter().collect::<Vec<_>>(),
            [
                ("configuration.size".to_owned(), vec!["Bad.".to_owned()]),
                ("name".to_owned(), vec!["Required.".to_owned(), "Short.".to_owned()]),
                ("non_field_errors".to_owned(), vec!["x".to_owned()]),
            ]
        );
        let list = answer(400, r#"[{}, {"name": ["Required."]}]"#);
        assert_eq!(list.field_errors()["[1].name"], ["Required."]);
        assert_eq!(answer(400, r#"["Bad."]"#).field_errors()[""], ["Bad."]);
        let told =
            |body: &str| answer(400, body).field_errors().into_iter().map(|(field, told)| (field, told.join(" "))).collect();
        let fields = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
            fields.iter().map(|(field, told)| ((*field).to_owned(), (*told).to_owned())).collect()
        };
        for (body, expected) in [
            (r#"{"detail": ["Blank."], "name": ["Required."]}"#, fields(&[("detail", "Blank."), ("name", "Required.")])),
            (r#"{"detail": {"name": ["Bad."]}}"#, fields(&[("detail.name", "Bad.")])),
            (r#"{"detail": null, "name": ["Bad."]}"#, fields(&[("name", "Bad.")])),
            (r#"{"detail": "No.", "code": "invalid", "errors": {"name": ["Bad."]}}"#, fields(&[("errors.name", "Bad.")])),
            (r#"{"detail": "No.", "code": "invalid", "messages": [{"class": "Access"}]}"#, fields(&[])),
        ] {
            let told: Vec<_> = told(body);
            assert_eq!(told, expected, "{body}");
        }
        assert!(answer(502, "<html>").field_errors().is_empty());
    }
}
