//! [`JsonError`]: why a `Json` has no value.

use std::fmt;

use crate::error::redact::excerpt;

/// The maximum length of a message, in bytes: a message may quote a text of any length.
const MAX_LENGTH: usize = 2 << 10;

/// Why a [`Json`](crate::Json) has no value: its text can't be parsed into one, or it was made from a value
/// that JSON can't represent.
///
/// `Display` is one line of at most 4 KiB. Quoted text is shortened, and the queries of URLs in it are left
/// out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    problem: String,
    kind: JsonErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonErrorKind {
    Unparsable,
    /// The value could not be written as JSON, so nothing was parsed.
    Unwritable,
    /// Decoding was stopped because it would have cost too much.
    GivenUp,
}

impl JsonError {
    pub(super) fn new(problem: &str) -> Self {
        JsonError { problem: excerpt(problem, MAX_LENGTH), kind: JsonErrorKind::Unparsable }
    }

    pub(super) fn unwritable(problem: &str) -> Self {
        JsonError { kind: JsonErrorKind::Unwritable, ..JsonError::new(problem) }
    }

    pub(super) fn given_up(self) -> Self {
        JsonError { kind: JsonErrorKind::GivenUp, ..self }
    }

    pub(super) fn is_unwritable(&self) -> bool {
        self.kind == JsonErrorKind::Unwritable
    }

    #[allow(dead_code, reason = "which choices there are depends on the document")]
    pub(crate) fn is_given_up(&self) -> bool {
        self.kind == JsonErrorKind::GivenUp
    }

    pub(super) fn unparsable(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let mut unparsable = JsonError::new(&message);
        if message.len() > MAX_LENGTH {
            // The position was at the end of the message, which is cut off.
            unparsable.problem.push_str(&format!(" at line {} column {}", error.line(), error.column()));
        }
        unparsable
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for JsonError {}
