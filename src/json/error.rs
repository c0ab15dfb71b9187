//! [`JsonError`]: why a `Json` has no value.

use std::fmt;

use crate::redact::excerpt;

/// The longest message, in bytes: what it tells of a text may be as long as that.
const LONGEST: usize = 2 << 10;

/// Why a [`Json`](crate::Json) has no value: its text can't be parsed into one, or it was made from something that JSON can't
/// hold.
///
/// `Display` is one line of at most 4 KiB; what it quotes of the text is cut, and the queries of URLs in it are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    problem: String,
    /// Set where nothing was parsed: the value could not be written as JSON in the first place.
    pub(super) unwritable: bool,
}

impl JsonError {
    pub(super) fn new(problem: &str) -> Self {
        JsonError { problem: excerpt(problem, LONGEST), unwritable: false }
    }

    pub(super) fn unwritable(problem: &str) -> Self {
        JsonError { unwritable: true, ..JsonError::new(problem) }
    }

    pub(super) fn unparsable(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let mut unparsable = JsonError::new(&message);
        if message.len() > LONGEST {
            // The place was at the end, which is cut.
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
