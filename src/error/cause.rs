//! [`Cause`]: the cause of an error, as redacted text.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::error::redact::bounded::bounded;
use crate::error::redact::excerpt;

/// The cause of an error, as redacted text: the errors of libraries may contain whole URLs.
#[derive(Default)]
pub(crate) struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

/// The maximum length of one cause, in bytes, and the maximum number of causes.
const MAX_CAUSE: usize = 1 << 10;
const MAX_CAUSES: usize = 8;

impl Cause {
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source())
            .take(MAX_CAUSES);
        Cause::chain(chain.map(|error| excerpt(&bounded(error, MAX_CAUSE), MAX_CAUSE)).collect())
            .unwrap_or_default()
    }

    /// Links the texts, the outermost first.
    fn chain(texts: Vec<String>) -> Option<Self> {
        texts.into_iter().rev().fold(None, |source, text| Some(Cause { text, source: source.map(Box::new) }))
    }

    /// Returns the causes that `message` doesn't contain yet.
    pub(crate) fn beside(&self, message: &str) -> Option<Self> {
        let mut texts: Vec<String> = Vec::new();
        for cause in self.causes() {
            if !message.contains(&cause.text) && !texts.iter().any(|text| text.contains(&cause.text)) {
                texts.push(cause.text.clone());
            }
        }
        Cause::chain(texts)
    }

    /// Returns the innermost cause, which is the most specific one: `Connection refused (os error 111)`.
    pub(crate) fn root(&self) -> &str {
        self.causes().last().map_or("", |cause| &cause.text)
    }

    fn causes(&self) -> impl Iterator<Item = &Cause> {
        std::iter::successors(Some(self), |cause| cause.source.as_deref())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)?;
        match &self.source {
            Some(source) => write!(f, " <- {source:?}"),
            None => Ok(()),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// Returns the short description of a file error for a message: its kind, or its text if the kind is
/// unspecific. The error itself, as the source, has the details.
pub(crate) fn failure_of(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match kind.as_str() {
        "other error" | "uncategorized error" => error.to_string(),
        _ => kind,
    }
}
