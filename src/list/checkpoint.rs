//! [`Checkpoint`]: a position in a list, from which another stream can continue.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fingerprint::{self, difference, shown_query};
use super::identity::MAX_CHECKPOINT_IDS;
use super::page_plan::{Counts, Next};
use super::stored_link::{self, stored};
use crate::call::custom_request::CustomRequest;
use crate::error::redact::excerpt;
use crate::generated::operation::Operation as _;
use crate::transport::origin::Origin;
use crate::values::url::Url;

/// The version of the serialized format.
const VERSION: u32 = 2;

/// The format in which query and link are whole URLs.
const WHOLE_URLS: u32 = 1;

/// A position in a list: what has been returned, and what comes next.
///
/// [`ListStream::checkpoint`](crate::ListStream::checkpoint) creates one at any time, also after an error. Save
/// it with serde, and pass it to [`resume`](crate::ListAll::resume) of the same query, in this process or
/// another one. It belongs to the operation and its parameters, not to a host: the same list resumes at another
/// base URL, such as that of another proxy. The checkpoint of a [part](crate::ListPart::checkpoint) of a list also has an end.
///
/// The serialized form contains the list's parameters and links as they are, and up to 1,000 item ids as
/// numbers, about 20 KB. `Debug` shows no parameter values. A modified checkpoint is refused if it doesn't
/// match the list: no other host or path than the list's own is requested. A modified link may still select other
/// items there. Save it as JSON, or in another format that keeps the names of fields. Checkpoints of earlier releases
/// (format 1) are read; the host and the path prefix in them are ignored.
///
/// ```
/// # fn example(events: &synapse_backend_client::ListStream<synapse_backend_client::Json>) -> Result<(), Box<dyn std::error::Error>> {
/// std::fs::write("events.checkpoint", serde_json::to_vec(&events.checkpoint())?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub(super) version: u32,
    /// Identifies the list: the operation, its path below the base URL's path prefix, and all parameters except
    /// those that select a page.
    pub(super) query: String,
    pub(super) at: Position,
    /// The last page; `None` if the list is read to its own end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    /// Items on a full page, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page_size: Option<u64>,
    /// Items in the list before the page, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// Items in the whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// The lowest count so far, if it is less than `total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) least: Option<u64>,
    /// Repeated items up to here; all other items up to here are different.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) repeated: u64,
    /// The field that tells items apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    /// Its values in the items that were returned last, as numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) recent: Vec<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The position of the next item of a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    /// On a page with a number.
    Page {
        number: u64,
        /// Counted from 0.
        item: usize,
    },
    /// On a page that a link leads to.
    Link {
        /// The whole URL within a stream; in a checkpoint as [`stored`] returns it.
        url: Url,
        /// Which page of the list it is, counted from 1.
        number: u64,
        item: usize,
    },
    /// There is no next item.
    End,
}

impl From<Next> for Position {
    fn from(next: Next) -> Self {
        match next {
            Next::Page(number) => Position::Page { number, item: 0 },
            Next::Link(number, url) => Position::Link { url: url.as_str().into(), number, item: 0 },
            Next::End => Position::End,
        }
    }
}

impl Position {
    /// Returns the position as a checkpoint stores it.
    pub(super) fn stored(self, origin: &Origin) -> Self {
        match self {
            Position::Link { url, number, item } => match reqwest::Url::parse(&url) {
                Ok(whole) => Position::Link { url: stored(&whole, origin).into(), number, item },
                Err(_) => Position::Link { url, number, item },
            },
            other => other,
        }
    }
}

impl Checkpoint {
    /// Creates a checkpoint. `at` is a position as a checkpoint stores it.
    pub(super) fn new(query: String, at: Position) -> Self {
        Checkpoint {
            version: VERSION,
            query,
            at,
            until: None,
            page_size: None,
            offset: None,
            total: None,
            least: None,
            repeated: 0,
            identity: None,
            recent: Vec::new(),
        }
    }

    /// Returns the number of items in the whole list, if known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Returns whether there is nothing left to read.
    pub fn is_end(&self) -> bool {
        self.at == Position::End
    }

    /// Returns a checkpoint of format 1 in this format, and any other one as it is. `path` is the path of the list
    /// that resumes. A host and a path prefix are dropped.
    ///
    /// # Errors
    /// Returns an error if the link isn't a URL.
    pub(super) fn in_this_format(mut self, path: &str) -> Result<Self, String> {
        if self.version != WHOLE_URLS {
            return Ok(self);
        }
        self.version = VERSION;
        // All custom requests have one id: only the whole path tells their lists apart.
        let guess = self.query.split(' ').next() != Some(CustomRequest::ID);
        if let Some(query) = fingerprint::from_whole(&self.query, path, guess) {
            self.query = query;
        }
        if let Position::Link { url, .. } = &mut self.at {
            *url = stored_link::from_whole(url, path, guess)?.into();
        }
        Ok(self)
    }

    /// Returns what is known of the list's length.
    pub(super) fn counts(&self) -> Counts {
        let Checkpoint { until, page_size, offset, total, least, repeated, .. } = *self;
        Counts { until, page_size, offset, total, least, repeated }
    }

    pub(super) fn with_counts(self, counts: Counts) -> Self {
        let Counts { until, page_size, offset, total, least, repeated } = counts;
        Checkpoint { until, page_size, offset, total, least, repeated, ..self }
    }

    /// Returns why a list of this query can't be resumed from the checkpoint; `None` if it can.
    pub(super) fn problem(&self, query: &str) -> Option<String> {
        if self.version != VERSION {
            return Some(format!(
                "it has format {}, but this crate reads formats {WHOLE_URLS} and {VERSION}",
                self.version
            ));
        }
        if self.query != query {
            return Some(format!("it belongs to another query: {}", difference(&self.query, query)));
        }
        if self.recent.len() > MAX_CHECKPOINT_IDS {
            return Some(format!(
                "it contains {} ids, more than the maximum of {MAX_CHECKPOINT_IDS}",
                self.recent.len()
            ));
        }
        let (number, item) = match self.at {
            Position::Page { number, item } | Position::Link { number, item, .. } => (number, item as u64),
            Position::End => return None,
        };
        let numbers = [
            Some(number),
            Some(item),
            self.page_size,
            self.offset,
            self.total,
            self.least,
            Some(self.repeated),
        ];
        let whole = (1..=MAX_NUMBER).contains(&number)
            && numbers.iter().flatten().all(|number| *number <= MAX_NUMBER)
            && self.until.is_none_or(|until| number <= until)
            && self.offset.is_none_or(|offset| self.repeated <= offset.saturating_add(item));
        (!whole).then(|| "its numbers contradict each other or are out of range".to_owned())
    }
}

/// The largest number in a list: database ids and counts are signed 64-bit integers.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// Maximum length of a text that is shown, in bytes.
const MAX_SHOWN: usize = 300;

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Page { number, item } => {
                f.debug_struct("Page").field("number", number).field("item", item).finish()
            }
            Position::Link { url, number, item } => f
                .debug_struct("Link")
                .field("url", &excerpt(url.split(['?', '#']).next().unwrap_or_default(), MAX_SHOWN))
                .field("number", number)
                .field("item", item)
                .finish(),
            Position::End => f.write_str("End"),
        }
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
            .field("least", &self.least)
            .field("repeated", &self.repeated)
            .field("identity", &self.identity.as_ref().map(|name| excerpt(name, MAX_SHOWN)))
            .field("recent", &format_args!("({} ids)", self.recent.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_checkpoint_is_refused() {
        let good = Checkpoint::new("q".to_owned(), Position::Page { number: 3, item: 5 });
        assert_eq!(good.problem("q"), None);
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(text, r#"{"version":2,"query":"q","at":{"page":{"number":3,"item":5}}}"#);
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), good);
        assert!(good.problem("r").unwrap().contains("another query"));
        let problem = |checkpoint: Checkpoint| checkpoint.problem("q").unwrap();
        assert!(problem(Checkpoint { version: 3, ..good.clone() }).contains("format 3"));
        assert!(problem(Checkpoint { until: Some(2), ..good.clone() }).contains("contradict"));
        for at in [
            Position::Page { number: 0, item: 0 },
            Position::Page { number: u64::MAX, item: 0 },
            Position::Page { number: 3, item: usize::MAX },
            Position::Link { url: "x".into(), number: 1 << 63, item: 0 },
        ] {
            assert!(problem(Checkpoint { at, ..good.clone() }).contains("contradict"));
        }
        assert!(problem(Checkpoint { offset: Some(u64::MAX), ..good.clone() }).contains("contradict"));
        assert!(
            problem(Checkpoint { offset: Some(10), repeated: 16, ..good.clone() }).contains("contradict")
        );
        assert!(problem(Checkpoint { recent: vec![1; 1_001], ..good.clone() }).contains("1001 ids"));
        let long =
            problem(Checkpoint { query: "list_models /?".to_owned() + &"a=b&".repeat(1 << 20), ..good });
        assert!(long.len() < 1_000, "{long}");
    }

    #[test]
    fn debug_is_short_and_shows_no_value() {
        let secret = crate::marker::MARKER;
        let url = format!("/{}?cursor={secret}", "x".repeat(1 << 20));
        let mut checkpoint = Checkpoint::new(
            format!("list_models /models/?token={secret}&{}", "a".repeat(1 << 20)),
            Position::Link { url: url.into(), number: 2, item: 1 },
        );
        for query in [format!("x {secret}"), format!("list_models /models/?token={secret}")] {
            let shown = format!("{checkpoint:?}");
            assert!(shown.len() < 2_000 && !shown.contains(secret), "{shown}");
            checkpoint.query = query;
        }
        assert!(format!("{checkpoint:?}").contains("list_models /models/?token=…"));
    }

    #[test]
    fn custom_list_needs_its_whole_path() {
        let text = r#"{"version":1,"query":"request https://h/projects/7/items/","at":{"page":{"number":3,"item":5}}}"#;
        let old: Checkpoint = serde_json::from_str(text).unwrap();
        assert!(old.clone().in_this_format("/items/").unwrap().problem("request /items/").is_some());
        let own = old.in_this_format("/projects/7/items/").unwrap();
        assert_eq!(own.problem("request /projects/7/items/"), None);
    }

    #[test]
    fn checkpoint_of_format_1_is_read() {
        let text = r#"{"version":1,"query":"list_models https://u:p@h/api/models/?a=b","at":{"link":{"url":"https://g/old/models/?cursor=x","number":3,"item":5}},"offset":20,"total":60,"recent":[1,2]}"#;
        let old: Checkpoint = serde_json::from_str(text).unwrap();
        let read = old.clone().in_this_format("/models/").unwrap();
        assert_eq!(read.problem("list_models /models/?a=b"), None);
        assert_eq!((read.repeated, read.least, read.identity), (0, None, None));
        assert_eq!(read.at, Position::Link { url: "/models/?cursor=x".into(), number: 3, item: 5 });
        let other = old.clone().in_this_format("/events/").unwrap();
        let problem = other.problem("list_events /events/").unwrap();
        assert!(problem.contains("of `list_models`"), "{problem}");
        let problem = other.problem("list_models /events/?a=b").unwrap();
        assert!(problem.contains("at /api/models/, but this is at /events/"), "{problem}");
        let forged = Checkpoint { at: Position::Link { url: "/models/".into(), number: 1, item: 0 }, ..old };
        assert!(forged.in_this_format("/models/").unwrap_err().contains("isn't a URL"));
    }
}
