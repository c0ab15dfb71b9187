//! Formats an [`Error`]: in one bounded line, without secrets, and each source once.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use super::{Error, ErrorKind, MAX_STEP, shown_status};
use crate::error::redact::bounded::bounded;
use crate::error::redact::secrets::Secrets;
use crate::error::redact::{excerpt, excerpt_without};
use crate::error::response::ErrorResponse;

/// The longest `Display`, in bytes.
const MAX_DISPLAY: usize = 4 << 10;

/// The maximum length of all context steps together, in bytes.
const MAX_STEPS: usize = 1_500;

/// The maximum length of a URL, in bytes.
const MAX_URL: usize = 512;

impl Error {
    pub(super) fn secrets(&self) -> &Secrets {
        let of_request =
            self.0.request.as_ref().map(|request| &request.secrets).filter(|secrets| !secrets.is_empty());
        of_request.or(self.0.response.as_ref().map(ErrorResponse::secrets)).unwrap_or(&self.0.secrets)
    }

    /// Returns the line that `Display` writes.
    fn line(&self) -> String {
        let (inner, secrets) = (&*self.0, self.secrets());
        let shown = |text: &str, limit: usize| excerpt_without(text, limit, secrets, "; ");
        let of_request = |text: &str, limit: usize| excerpt(&secrets.hide_in_url(text), limit);
        let mut line = String::new();
        for step in &inner.during {
            let room = MAX_STEPS.saturating_sub(line.len()).min(MAX_STEP);
            if room == 0 {
                break;
            }
            line.extend([&*shown(step, room), ": "]);
        }
        if let Some(request) = &inner.request {
            if !request.operation.is_empty() {
                line.extend([&*of_request(request.operation, MAX_URL), ": "]);
            }
            line.extend([
                &*of_request(request.method.as_str(), 64),
                " ",
                &*of_request(&request.url, MAX_URL),
                ": ",
            ]);
        }
        let mut end =
            if inner.attempts > 1 { format!(" (after {} attempts)", inner.attempts) } else { String::new() };
        if let Some(id) = self.request_id() {
            end.extend([" (request id ", id, ")"]);
        }
        let room = MAX_DISPLAY.saturating_sub(line.len() + end.len() + "…".len());
        line + &shown(&self.shown_message(), room) + &end
    }

    /// Returns the message. If the request has more secrets than can be searched, it has nothing that the server said.
    fn shown_message(&self) -> Cow<'_, str> {
        let hides_all = self.secrets().hides_all();
        match &self.0.response {
            Some(response) if hides_all => shown_status(response.status()).into(),
            None if hides_all && self.0.kind == ErrorKind::Decode => "the response can't be decoded".into(),
            _ => Cow::Borrowed(&self.0.message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", &inner.kind).field("message", &self.line());
        if let Some(response) = &inner.response {
            shown.field("response", response);
        }
        if let Some(path) = self.json_path() {
            shown.field("json_path", &excerpt_without(path, MAX_STEP, self.secrets(), " "));
        }
        if let Some(source) = &inner.source {
            shown.field(
                "source",
                &format_args!("{}", excerpt(&bounded(&format_args!("{source:?}"), MAX_STEP), MAX_STEP)),
            );
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = &**self.0.source.as_ref()?;
        if self.0.message_has_source { source.source() } else { Some(source) }
    }
}
