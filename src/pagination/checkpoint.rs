//! [`Checkpoint`]: where the reading of a list is, so that another stream can go on there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::course::Then;
use super::list_query::{difference, shown_query};
use crate::file_url::FileUrl;

/// The version of a checkpoint's written form.
const VERSION: u32 = 1;

/// Where the reading of a list is: what has been given, and what comes next.
///
/// It is taken at any time ([`ListAll::checkpoint`](crate::ListAll::checkpoint)), also after an error, can be written by
/// serde, and is taken by [`resume`](crate::ListAll::resume) of the same query, in this process or another one.
/// [`partitions`](crate::Call::partitions) of a list are checkpoints that have an end too.
///
/// Its written form holds the list's parameters and links as they are; `Debug` shows no value of theirs.
///
/// ```
/// # fn example(events: &synapse_backend_client::ListAll<synapse_backend_client::Json>) -> Result<(), Box<dyn std::error::Error>> {
/// std::fs::write("events.checkpoint", serde_json::to_vec(&events.checkpoint())?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub(super) version: u32,
    /// Which list it is: the operation, and the URL with all parameters but those that choose a page.
    pub(super) query: String,
    pub(super) at: Position,
    /// The last page; nothing where the list's own end is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    /// Items on a full page, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page_size: Option<u64>,
    /// Items in the list before the page, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// Items in the whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// What the last ids that were given come down to, where duplicates are dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) recent: Vec<u64>,
}

/// The next item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    /// On a page that has a number.
    Page {
        number: u64,
        /// Counted from 0.
        item: usize,
    },
    /// On a page that a link leads to.
    Link {
        url: FileUrl,
        /// Which page of the list it is, counted from 1.
        number: u64,
        item: usize,
    },
    /// There is none.
    End,
}

impl From<Then> for Position {
    fn from(then: Then) -> Self {
        match then {
            Then::Page(number) => Position::Page { number, item: 0 },
            Then::Link(number, url) => Position::Link { url: url.as_str().into(), number, item: 0 },
            Then::End => Position::End,
        }
    }
}

impl Checkpoint {
    pub(super) fn new(query: String, at: Position) -> Self {
        Checkpoint { version: VERSION, query, at, until: None, page_size: None, offset: None, total: None, recent: Vec::new() }
    }

    /// Items in the whole list, where that is known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether there is nothing left to read.
    pub fn is_end(&self) -> bool {
        self.at == Position::End
    }

    /// Why a list of this query can't go on from it, were there a reason.
    pub(super) fn problem(&self, query: &str) -> Option<String> {
        if self.version != VERSION {
            return Some(format!("it is of format {}, and this crate reads format {VERSION}", self.version));
        }
        if self.query != query {
            return Some(format!("it is of another query: {}", difference(&self.query, query)));
        }
        let number = match self.at {
            Position::Page { number, .. } | Position::Link { number, .. } => number,
            Position::End => return None,
        };
        (number == 0 || self.until.is_some_and(|until| until < number)).then(|| "it doesn't hold together".to_owned())
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("version", &self.version)
            .field("query", &format_args!("{}", shown_query(&self.query)))
            .field("at", &self.at)
            .field("until", &self.until)
            .field("page_size", &self.page_size)
            .field("offset", &self.offset)
            .field("total", &self.total)
            .field("recent", &format_args!("({} ids)", self.recent.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_that_can_not_be_used_is_refused() {
        let good = Checkpoint::new("q".to_owned(), Position::Page { number: 3, item: 5 });
        assert_eq!(good.problem("q"), None);
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(text, r#"{"version":1,"query":"q","at":{"page":{"number":3,"item":5}}}"#);
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), good);
        assert!(good.problem("r").unwrap().contains("another query"));
        let told = |checkpoint: Checkpoint| checkpoint.problem("q").unwrap();
        assert!(told(Checkpoint { version: 2, ..good.clone() }).contains("format 2"));
        assert!(told(Checkpoint { until: Some(2), ..good.clone() }).contains("hold together"));
        assert!(told(Checkpoint { at: Position::Page { number: 0, item: 0 }, ..good }).contains("hold together"));
    }
}
