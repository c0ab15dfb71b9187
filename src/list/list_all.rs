//! [`ListAll`]: a request for every item of a list, and its options.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::checkpoint::Checkpoint;
use super::list_stream::ListStream;
use super::page::{Decoder, Fields};
use super::pages::ListPages;
use super::report::ListPolicy;
use crate::error::Result;
use crate::generated::pagination::Pagination;
use crate::transport::{Transport, TransportRequest, WholeResponse};

/// Default number of pages that are fetched concurrently: enough to hide a server's latency, few enough for a
/// small server.
const CONCURRENCY: usize = 4;

/// Maximum number of pages that are fetched concurrently.
const MAX_CONCURRENCY: usize = 64;

/// A request for every item of a list, in the server's order: begun with [`stream`](ListAll::stream),
/// [`pages`](ListAll::pages) or [`try_collect`](ListAll::try_collect).
///
/// It owns what it needs: it can be cloned, kept in a struct, and begun several times. Options are set before
/// reading begins.
///
/// The length of the list is known after the first page. From then on, up to
/// [`concurrency`](ListAll::concurrency) pages are prefetched; prefetching pauses when you stop reading. A
/// list without page numbers (a cursor list) is read link by link, one page ahead. If a link lacks a
/// parameter of the call, such as a filter, that parameter is added. The link alone decides `page`,
/// `page_size`, `cursor`, `limit` and `offset`, and its own parameters are sent as the server wrote them. The
/// list ends when the server says that there is no next page, whatever the sizes of the pages before.
///
/// A list that changes while it is read can lose or repeat items. The [`policy`](ListAll::policy) decides
/// whether such an anomaly ends the list with an error or is only reported. A list is complete if it has as
/// many different items as its count; the [`identity`](ListAll::identity) field tells items apart. A list
/// that makes no progress (a hundred pages in a row without a new item) ends with an error. Any error ends
/// the stream; it can be resumed from its [`checkpoint`](ListStream::checkpoint). Dropping the stream cancels
/// its requests.
///
/// The call's [`timeout`](crate::Call::timeout) covers the whole list. It starts at the first read and
/// includes the time between reads; pages that arrived in time are still returned. The client's
/// [`timeout`](crate::BackendClientBuilder::timeout) applies to each page.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// use synapse_backend_client::types::GroundTruthEvent;
///
/// let mut events = client.list_ground_truth_events().list_all().concurrency(8).stream();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} of {:?}: {}", event.id, events.total(), event.data["label"]);
/// }
/// let first: Vec<GroundTruthEvent> = client.list_ground_truth_events().list_all().limit(10).try_collect().await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("cursor", "paginate", "pagination", "paging"))]
#[must_use = "nothing is requested until the list is begun"]
pub struct ListAll<T> {
    make_request: Arc<MakeRequest>,
    pub(super) decoder: Decoder<T>,
    pub(super) options: ListOptions,
}

/// Makes the list's request, and returns the time-out of the whole list.
type MakeRequest = dyn Fn() -> ListRequest + Send + Sync;

/// The request of a list's first page, from which those of all other pages are made.
pub(super) struct ListRequest {
    pub(super) transport: Arc<Transport>,
    pub(super) template: Result<TransportRequest>,
    pub(super) pagination: Pagination,
    /// How long the whole list may take.
    pub(super) timeout: Option<Duration>,
}

/// How a list is read.
#[derive(Debug, Clone)]
pub(super) struct ListOptions {
    pub(super) concurrency: usize,
    pub(super) limit: Option<u64>,
    pub(super) policy: ListPolicy,
    pub(super) skip_failed_pages: bool,
    pub(super) skip_failed_items: bool,
    pub(super) deduplicate: bool,
    /// The fields that identify an item, if they aren't the operation's.
    pub(super) identity: Option<Fields>,
    pub(super) resume: Option<Checkpoint>,
    pub(super) fetched: FetchedPage,
    /// The least time between the requests of pages.
    pub(super) throttle: Duration,
}

/// A page that was fetched before the list is begun, and its number: for the first stream that is begun.
#[derive(Clone, Default)]
pub(super) struct FetchedPage(Arc<Mutex<Option<(u64, WholeResponse)>>>);

impl FetchedPage {
    pub(super) fn new(number: u64, whole: WholeResponse) -> Self {
        FetchedPage(Arc::new(Mutex::new(Some((number, whole)))))
    }

    /// Returns the page with this number.
    pub(super) fn take(&self, number: u64) -> Option<WholeResponse> {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.take_if(|(fetched, _)| *fetched == number).map(|(_, whole)| whole)
    }
}

impl fmt::Debug for FetchedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FetchedPage")
    }
}

impl<T: Send + 'static> ListAll<T> {
    pub(super) fn new(
        make_request: impl Fn() -> ListRequest + Send + Sync + 'static,
        decoder: Decoder<T>,
    ) -> Self {
        let options = ListOptions {
            concurrency: CONCURRENCY,
            limit: None,
            policy: ListPolicy::default(),
            skip_failed_pages: false,
            skip_failed_items: false,
            deduplicate: false,
            identity: None,
            resume: None,
            fetched: FetchedPage::default(),
            throttle: Duration::ZERO,
        };
        ListAll { make_request: Arc::new(make_request), decoder, options }
    }

    pub(super) fn prepare(&self) -> ListRequest {
        (self.make_request)()
    }

    /// Sets how many pages are fetched concurrently: 4 by default, 1 for one after the other, at most 64.
    ///
    /// At most one more page than that is held in memory, besides the page that is being read. After a 429 or
    /// 503 response, fewer pages are fetched concurrently for a while.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.options.concurrency = pages.clamp(1, MAX_CONCURRENCY);
        self
    }

    /// Sets the least time between the requests of two pages, so that a long list leaves the server time for others;
    /// zero by default. Retries don't wait for it.
    #[doc(alias = "throttle_seconds")]
    pub fn throttle(mut self, pause: Duration) -> Self {
        self.options.throttle = pause;
        self
    }

    /// Ends the list after this many items, and fetches no more pages than they need.
    pub fn limit(mut self, items: u64) -> Self {
        self.options.limit = Some(items);
        self
    }

    /// Sets how changes of the list while it is read are handled; the default is
    /// [`Complete`](ListPolicy::Complete).
    pub fn policy(mut self, policy: ListPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// Skips a page that fails after all its retries, and [reports](crate::ListReport::page_failures) it. A page
    /// can only be skipped if the number of the next page is known. Any other failed page ends the list.
    pub fn skip_failed_pages(mut self, skip: bool) -> Self {
        self.options.skip_failed_pages = skip;
        self
    }

    /// Skips an item that can't be decoded, and [reports](crate::ListReport::item_failures) it. If not set, such
    /// an item ends the list, after the items before it. 100 pages in a row without an item that can be decoded
    /// end the list in any case.
    pub fn skip_failed_items(mut self, skip: bool) -> Self {
        self.options.skip_failed_items = skip;
        self
    }

    /// Drops repeated items. An item is a repeat if it was among the last 100,000 items; a list that grows
    /// while it is read can repeat items. With this setting, growth doesn't end a
    /// [`Strict`](ListPolicy::Strict) list. A list in which repeats replace other items has fewer different
    /// items than its count, and is still incomplete.
    ///
    /// The list's [`identity`](ListAll::identity) tells items apart. Items without it are never dropped.
    pub fn deduplicate(mut self, deduplicate: bool) -> Self {
        self.options.deduplicate = deduplicate;
        self
    }

    /// Sets the fields that identify an item, in order of preference. The list uses the first field that any
    /// item of its first non-empty page has. Without any field, only the count is compared, and 100 pages in
    /// a row with the same text (ignoring URL queries) end the list. Values are compared as JSON: `1` and
    /// `"1"` differ.
    ///
    /// A list is complete if it has as many different items as its count, and
    /// [`deduplicate`](ListAll::deduplicate) drops repeated ones. The last 100,000 ids are remembered, which
    /// takes 2 to 3 MB of memory.
    ///
    /// | list | default |
    /// |---|---|
    /// | `list_ground_truth_events` | `pgh_id`, else `id`; only `pgh_id` if the parameter `fields` or `omit` is set |
    /// | `list_ground_truth_events_data`, `list_ground_truth_events_files` | none: `id` repeats in current releases |
    /// | any other | `id` |
    ///
    /// The [report](crate::ListReport::identity) contains the field that is used.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = client.list_ground_truth_events_data().list_all().identity(["id"]).deduplicate(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        self.options.identity = Some(fields.into_iter().map(Arc::from).collect());
        self
    }

    /// Continues where a stream of the same query stopped, or reads the part of the list that a
    /// [partition](ListAll::partitions) covers.
    ///
    /// The first read fails if the checkpoint belongs to another query, has another format version, or holds
    /// values that can't belong to this list, such as a link to another host or path. Nothing is sent then.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        self.options.resume = Some(checkpoint);
        self.options.fetched = FetchedPage::default();
        self
    }

    /// Begins the list. The first page is requested at the first read. An invalid parameter is the stream's first
    /// item.
    pub fn stream(self) -> ListStream<T> {
        ListStream::new(self.prepare(), self.decoder, self.options)
    }

    /// Begins the list, page by page.
    pub fn pages(self) -> ListPages<T> {
        ListPages::new(self.stream())
    }

    /// Collects all items.
    ///
    /// # Errors
    /// Returns the first error; the items before it are dropped.
    pub fn try_collect<C: Default + Extend<T> + Send + 'static>(
        self,
    ) -> impl Future<Output = Result<C>> + Send + 'static {
        self.stream().collect()
    }
}

impl<T> Clone for ListAll<T> {
    fn clone(&self) -> Self {
        ListAll {
            make_request: self.make_request.clone(),
            decoder: self.decoder,
            options: self.options.clone(),
        }
    }
}

impl<T> fmt::Debug for ListAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListAll").field("options", &self.options).finish_non_exhaustive()
    }
}
