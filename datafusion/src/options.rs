//! [`TableOptions`]: how a table's list is read, and which columns the table has.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synapse_backend_client::{ListAll, ListPolicy, RawItem};

use crate::columns::TextColumns;
use crate::split::SplitPart;

/// The default number of pages of a scan that are fetched concurrently.
const CONCURRENCY: usize = 8;

/// The default limit of the time between two batches that a reader takes.
const IDLE_LIMIT: Duration = Duration::from_secs(600);

/// How a table's list is read, and which columns the table has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TableOptions {
    /// Pages of all parts together that are fetched concurrently.
    pub(crate) concurrency: usize,
    pub(crate) policy: Policy,
    pub(crate) deduplicate: bool,
    pub(crate) skip_failed_pages: bool,
    pub(crate) throttle: Duration,
    /// How long each part may take.
    pub(crate) deadline: Option<Duration>,
    /// How long a reader may take for a batch.
    pub(crate) idle_limit: Duration,
    /// The number of parts; `None` for the session's `target_partitions`.
    pub(crate) parts: Option<usize>,
    /// Whether a list with fewer fields is read if it has all columns.
    pub(crate) narrow: bool,
    pub(crate) text: TextColumns,
    /// Whether the server applies `=` and `IN` as SQL does.
    pub(crate) trusted: bool,
    /// Whether parameters that are no fields have columns.
    pub(crate) filter_columns: bool,
    /// Whether secret fields have columns.
    pub(crate) secret_columns: bool,
    /// The only items that the table has.
    pub(crate) split: Option<SplitPart>,
}

/// A [`ListPolicy`] that can be sent to other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    Strict,
    Complete,
    Lenient,
}

impl From<ListPolicy> for Policy {
    fn from(policy: ListPolicy) -> Self {
        match policy {
            ListPolicy::Complete => Policy::Complete,
            ListPolicy::Lenient => Policy::Lenient,
            // The strictest one, if the client has others.
            _ => Policy::Strict,
        }
    }
}

impl From<Policy> for ListPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Strict => ListPolicy::Strict,
            Policy::Complete => ListPolicy::Complete,
            Policy::Lenient => ListPolicy::Lenient,
        }
    }
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions {
            concurrency: CONCURRENCY,
            policy: Policy::Strict,
            deduplicate: false,
            skip_failed_pages: false,
            throttle: Duration::ZERO,
            deadline: None,
            idle_limit: IDLE_LIMIT,
            parts: None,
            narrow: true,
            text: TextColumns::default(),
            trusted: false,
            filter_columns: false,
            secret_columns: false,
            split: None,
        }
    }
}

impl TableOptions {
    /// Sets the options of a list of which `parts` parts are read concurrently.
    pub(crate) fn apply(&self, list: ListAll<RawItem>, parts: usize) -> ListAll<RawItem> {
        list.concurrency((self.concurrency / parts.max(1)).max(1))
            .policy(self.policy.into())
            .deduplicate(self.deduplicate)
            .skip_failed_pages(self.skip_failed_pages)
            .throttle(self.throttle)
    }

    /// Returns whether a list that ends without an error has as many items as its count.
    pub(crate) fn returns_count(&self) -> bool {
        self.policy == Policy::Strict && !self.deduplicate && !self.skip_failed_pages
    }
}
