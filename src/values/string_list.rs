//! [`StringList`]: one or several words, as the value of a parameter.

use serde::{Deserialize, Serialize};

/// One or several words: `.expand("metrics")`, `.expand(["metrics", "versions"])`, or a `Vec` of them. The
/// parameter is repeated in the query.
///
/// ```
/// use synapse_backend_client::StringList;
/// assert_eq!(StringList::from("metrics"), StringList::from(["metrics"]));
/// assert_eq!(StringList::from(vec!["a", "b"]).as_slice(), ["a", "b"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct StringList(Vec<String>);

impl StringList {
    /// Returns the words.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl<S: Into<String>> FromIterator<S> for StringList {
    fn from_iter<I: IntoIterator<Item = S>>(words: I) -> Self {
        StringList(words.into_iter().map(Into::into).collect())
    }
}

impl From<&str> for StringList {
    fn from(word: &str) -> Self {
        StringList(vec![word.to_owned()])
    }
}

impl From<String> for StringList {
    fn from(word: String) -> Self {
        StringList(vec![word])
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for StringList {
    fn from(words: [S; N]) -> Self {
        words.into_iter().collect()
    }
}

impl<S: Into<String>> From<Vec<S>> for StringList {
    fn from(words: Vec<S>) -> Self {
        words.into_iter().collect()
    }
}

impl<S: Into<String> + Clone> From<&[S]> for StringList {
    fn from(words: &[S]) -> Self {
        words.iter().cloned().collect()
    }
}
