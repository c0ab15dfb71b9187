//! [`Cause`]: why something below failed, as text that is fit to be shown.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::error::redact::bounded::bounded;
use crate::error::redact::excerpt;

/// Why something below failed, as text that is fit to be shown: the libraries' own errors may carry whole
/// URLs.
#[derive(Default)]
pub(crate) struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

/// How much of a cause is told, in bytes, and how many of them.
const MAX_CAUSE: usize = 1 << 10;
const MAX_CAUSES: usize = 8;

impl Cause {
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source())
            .take(MAX_CAUSES);
        Cause::chain(chain.map(|error| excerpt(&bounded(error, MAX_CAUSE), MAX_CAUSE)).collect())
            .unwrap_or_default()
    }

    /// The outermost comes first.
    fn chain(texts: Vec<String>) -> Option<Self> {
        texts.into_iter().rev().fold(None, |source, text| Some(Cause { text, source: source.map(Box::new) }))
    }

    /// Those that `message` doesn't tell already.
    pub(crate) fn beside(&self, message: &str) -> Option<Self> {
        let mut texts: Vec<String> = Vec::new();
        for cause in std::iter::successors(Some(self), |cause| cause.source.as_deref()) {
            if !message.contains(&cause.text) && !texts.iter().any(|text| text.contains(&cause.text)) {
                texts.push(cause.text.clone());
            }
        }
        Cause::chain(texts)
    }

    /// The innermost cause, which is the one that tells something: `Connection refused (os error 111)`.
    pub(crate) fn root(&self) -> &str {
        let mut cause = self;
        while let Some(source) = &cause.source {
            cause = source;
        }
        &cause.text
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

/// What failed with a file, beside which the error itself still has something to tell: its kind; or its text,
/// where the kind says nothing.
pub(crate) fn failure_of(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match kind.as_str() {
        "other error" | "uncategorized error" => error.to_string(),
        _ => kind,
    }
}
