//! The report on a list that was read, and the policy for its anomalies.

use crate::error::Error;
use crate::list::anomaly::{ItemFailure, ListAnomaly};
use crate::url_conversion::{ConversionFailure, Unconverted};

/// Maximum number of entries that are kept of each kind, and maximum bytes of all of them together. Further
/// entries are only counted.
const MAX_ENTRIES: usize = 100;
const MAX_BYTES: usize = 1 << 20;
/// Maximum length of an item's text that is kept, in bytes.
const MAX_TEXT: usize = 64 << 10;
/// Assumed size of the other parts of a page failure, in bytes.
const ENTRY_OVERHEAD: usize = 1 << 10;

/// How changes of a list while it is read are handled: see [`ListAll::policy`](crate::ListAll::policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListPolicy {
    /// Any anomaly that may have lost or repeated items ends the list with an error, which contains the
    /// [`ListAnomaly`].
    Strict,
    /// A list that contradicts its count ends with an error, which contains the [`ListAnomaly`]: it has fewer
    /// items, fewer different items, or a page less, or it continues after its end. An anomaly that only may
    /// have lost or repeated items is added to the [report](crate::ListStream::report), and the list continues.
    #[default]
    Complete,
    /// All these anomalies are added to the [report](crate::ListStream::report), and the list continues.
    Lenient,
}

/// A page that could not be fetched and was skipped.
#[derive(Debug)]
#[non_exhaustive]
pub struct PageFailure {
    /// The page's number.
    pub page: u64,
    /// Its URL, without the query.
    pub url: String,
    /// Why it failed.
    pub error: Error,
}

/// What happened while a list was read: see [`ListStream::report`](crate::ListStream::report).
///
/// The first 100 entries of each kind are kept, and at most 1 MiB of all kinds together. `Display` is one line, such
/// as `2 pages, 150 items, complete`, or what is missing so far. Serialized, it is safe to store: it contains neither
/// the texts of items nor queries of URLs.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), Box<dyn std::error::Error>> {
/// let mut models = client.list_models().list_all().skip_failed_items(true).stream();
/// while models.next().await.transpose()?.is_some() {}
/// println!("{}", models.report());
/// std::fs::write("models.report", serde_json::to_vec(models.report())?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ListReport {
    /// The field that tells the list's items apart, once a page has items with it. The list's count is
    /// compared with the number of items that differ in it. `None` if items have no such field: then only the
    /// number of items is compared, and an item that is repeated in place of another one isn't noticed. See
    /// [`ListAll::identity`](crate::ListAll::identity).
    pub identity: Option<String>,
    /// Items that were returned.
    pub items: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Repeated items that were dropped: see [`ListAll::deduplicate`](crate::ListAll::deduplicate).
    pub duplicates: u64,
    /// Anomalies of the list.
    pub anomalies: Vec<ListAnomaly>,
    /// Pages that were skipped: see [`ListAll::skip_failed_pages`](crate::ListAll::skip_failed_pages).
    pub page_failures: Vec<PageFailure>,
    /// Items that were skipped: see [`ListAll::skip_failed_items`](crate::ListAll::skip_failed_items).
    pub item_failures: Vec<ItemFailure>,
    /// URLs that stayed unchanged because their conversion failed: see
    /// [`skip_failed_conversions`](crate::Call::skip_failed_conversions). Also includes items after a
    /// [limit](crate::ListAll::limit).
    pub conversion_failures: Vec<ConversionFailure>,
    /// Number of anomalies and failures that were not kept.
    pub omitted: u64,
    /// Size of the kept entries in bytes.
    pub(super) bytes: usize,
    /// An error ended the list.
    pub(super) failed: bool,
    /// The list was read to its end.
    pub(super) ended: bool,
}

impl ListReport {
    /// Returns whether every item of the list was returned with its URLs converted: nothing was skipped,
    /// nothing is missing, the list didn't change, and no error ended it.
    ///
    /// Dropped duplicates don't matter, as long as the list has as many different items as its count. This is
    /// known only if items have an [`identity`](ListReport::identity); otherwise only the number of items is
    /// compared. Before the end of the list, this is about the items so far.
    pub fn is_complete(&self) -> bool {
        self.anomalies.is_empty()
            && self.page_failures.is_empty()
            && self.item_failures.is_empty()
            && self.conversion_failures.is_empty()
            && self.omitted == 0
            && !self.failed
    }

    pub(super) fn event(&mut self, event: ListAnomaly) {
        if self.has_room(self.anomalies.len(), size_of::<ListAnomaly>()) {
            tracing::warn!(%event, "a list is inconsistent");
            self.anomalies.push(event);
        }
    }

    /// Adds the failures of a page; their size is already bounded.
    pub(super) fn add_conversion_failures(&mut self, unconverted: Unconverted) {
        self.omitted += unconverted.omitted;
        for failure in unconverted.kept {
            let ConversionFailure { field, item_id, url, message } = &failure;
            let size = field.len() + item_id.as_ref().map_or(0, String::len) + url.len() + message.len();
            if self.has_room(self.conversion_failures.len(), size) {
                self.conversion_failures.push(failure);
            }
        }
    }

    pub(super) fn page_failure(&mut self, failure: PageFailure) {
        let body = failure.error.response().map_or(0, |response| response.body().len());
        let size = body.saturating_add(failure.url.len()).saturating_add(ENTRY_OVERHEAD);
        if self.has_room(self.page_failures.len(), size) {
            tracing::warn!(page = failure.page, error = %failure.error, "a page was skipped");
            self.page_failures.push(failure);
        }
    }

    /// `failure` is called only if its result is kept.
    pub(super) fn item_failure(&mut self, failure: impl FnOnce() -> ItemFailure) {
        if self.item_failures.len() >= MAX_ENTRIES || self.bytes >= MAX_BYTES {
            self.omitted += 1;
            return;
        }
        let mut failure = failure();
        if failure.text.len() > MAX_TEXT {
            let end = (0..=MAX_TEXT).rev().find(|at| failure.text.is_char_boundary(*at)).unwrap_or(0);
            failure.text.truncate(end);
            failure.text.shrink_to_fit();
        }
        let size = failure.text.len()
            + failure.message.len()
            + failure.json_path.len()
            + failure.id.as_ref().map_or(0, String::len);
        if self.has_room(self.item_failures.len(), size) {
            tracing::warn!(
                page = failure.page,
                index = failure.index,
                path = failure.json_path,
                "an item was skipped"
            );
            self.item_failures.push(failure);
        }
    }

    /// Returns whether there is room for an entry if `kept` of its kind are kept; otherwise counts it as
    /// omitted.
    fn has_room(&mut self, kept: usize, size: usize) -> bool {
        let bytes = self.bytes.saturating_add(size);
        let room = kept < MAX_ENTRIES && bytes <= MAX_BYTES;
        match room {
            true => self.bytes = bytes,
            false => self.omitted += 1,
        }
        room
    }
}
