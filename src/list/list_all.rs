//! [`ListAll`]: every item of a list, in the server's order, its pages fetched ahead.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use reqwest::Url;

use super::adaptive_limit::Window;
use super::checkpoint::{Checkpoint, Position};
use super::comparing::Comparing;
use super::fingerprint::query_of;
use super::identity::{Mark, Resumed, Seen, identity_of};
use super::links::{is_first, is_head, page_number};
use super::page::Decoder;
use super::page_cursor::{CurrentPage, NextItem, PageItems};
use super::page_plan::PagePlan;
use super::pages::ListPages;
use super::prefetch::Prefetch;
use super::report::{ListPolicy, ListReport};
use crate::call::Prepared;
use crate::error::{Error, Result};
use crate::url_conversion::Undelivered;

/// Pages under way at a time, unless set: enough to hide a server's latency, few enough for a small server.
const CONCURRENCY: usize = 4;

/// The most pages under way at a time.
const MAX_CONCURRENCY: usize = 64;

/// Every item of a list: a [`Stream`] in the server's order that follows every page.
///
/// After the first page the length of the list is known, and pages are fetched ahead of the reader,
/// [`concurrency`](ListAll::concurrency) of them at a time; a reader that stops taking items stops the
/// fetching. A list without page numbers (a cursor list) is followed link by link, one page ahead. A
/// parameter of the call that such a link lacks, such as a filter, is added to it again; `page`, `page_size`,
/// `cursor`, `limit` and `offset` are the link's to decide, and what it has is sent as the server wrote it.
/// The end is where the server says that there is no next page, whatever the size of the pages before.
///
/// A list that changes while it is read may have lost or doubled items by then: what tells of it ends the
/// list with an error, or is reported, as the [`policy`](ListAll::policy) says. A list is complete if it has
/// as many different items as its count promises; which field makes them different is its
/// [`identity`](ListAll::identity). A list that makes no progress, a hundred pages in a row without a new
/// item, ends with an error. Any error ends the stream, which can be resumed from its
/// [`checkpoint`](ListAll::checkpoint). Dropping it stops its requests.
///
/// The call's [`timeout`](crate::Call::timeout) is that of the whole list, from the first read on, the time
/// between the reads included; pages that came by then are given. The client's
/// [`timeout`](crate::BackendClientBuilder::timeout) is that of each page.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// use synapse_backend_client::types::GroundTruthEvent;
///
/// let mut events = client.list_ground_truth_events().list_all().concurrency(8);
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} of {:?}: {}", event.id, events.total(), event.data["label"]);
/// }
/// let first: Vec<GroundTruthEvent> = client.list_ground_truth_events().list_all().limit(10).try_collect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is read"]
pub struct ListAll<T> {
    /// The call that each page repeats; nothing once the stream has ended.
    pub(super) template: Option<Prepared>,
    /// How long the list may take as a whole, and when that is over, once it has begun.
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) query: String,
    pub(super) decoder: Decoder<T>,
    pub(super) policy: ListPolicy,
    pub(super) skip_failed_pages: bool,
    pub(super) skip_failed_items: bool,
    /// Whether items that were given before are dropped.
    pub(super) deduplicate: bool,
    pub(super) limit: Option<u64>,
    pub(super) plan: PagePlan,
    pub(super) window: Window,
    pub(super) prefetch: Prefetch<T>,
    /// The next page, where it is compared apart.
    pub(super) comparing: Option<Comparing<T>>,
    /// What ends the stream once the items before it are given out.
    pub(super) refused: Option<Error>,
    /// What was given before.
    pub(super) seen: Seen,
    /// Items on the first page that were given before.
    pub(super) passed: usize,
    /// It was resumed at its end, and is still to be judged.
    pub(super) at_end: bool,
    pub(super) page: CurrentPage<T>,
    pub(super) report: ListReport,
    /// Of the items that are given to the caller as a whole, what conversions put into them.
    pub(super) collected: Option<Undelivered>,
}

impl<T: Send + 'static> ListAll<T> {
    /// Reads pages as `template` says, within `timeout` all of them.
    pub(super) fn new(
        (template, timeout): (Result<Prepared>, Option<Duration>),
        decoder: Decoder<T>,
    ) -> Self {
        let (template, refused) = match template {
            Ok(template) => (Some(template), None),
            Err(error) => (None, Some(error)),
        };
        let nowhere = || Url::parse("http://localhost").unwrap_or_else(|_| unreachable!("it is a URL"));
        let url = template.as_ref().map_or_else(nowhere, |template| template.request.url().clone());
        let operation = template.as_ref().map_or("", |template| template.operation);
        let (query, identity) = (query_of(operation, &url), identity_of(operation, &url));
        let number = page_number(&url).unwrap_or(1).max(1);
        let mut plan = PagePlan::new(url.clone(), url.clone(), number);
        if is_head(&url) {
            plan.offset = Some(0);
        }
        let start = match page_number(&url).is_some() || is_first(&url) {
            true => Position::Page { number, item: 0 },
            false => Position::Link { url: url.as_str().into(), number, item: 0 },
        };
        let page = CurrentPage {
            items: PageItems::none(),
            place: None,
            index: 0,
            length: 0,
            offset: plan.offset,
            repeated: 0,
            after: start,
            after_offset: plan.offset,
        };
        ListAll {
            template,
            timeout,
            deadline: None,
            query,
            decoder,
            policy: ListPolicy::default(),
            skip_failed_pages: false,
            skip_failed_items: false,
            deduplicate: false,
            limit: None,
            plan,
            window: Window::new(CONCURRENCY),
            prefetch: Prefetch::new(),
            comparing: None,
            refused,
            seen: Seen::new(identity.iter().copied()),
            passed: 0,
            at_end: false,
            page,
            report: ListReport::default(),
            collected: None,
        }
    }

    /// How many pages are under way at a time: 4 unless set, 1 for one after the other, 64 at most.
    ///
    /// One page more is held in memory at most, besides the one that is being read. A server that answers 429
    /// or 503 is given fewer for a while.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.window.of_most(pages.clamp(1, MAX_CONCURRENCY));
        self
    }

    /// Ends after this many items, and fetches no page more than they need.
    pub fn limit(mut self, items: u64) -> Self {
        self.limit = Some(items);
        self
    }

    /// What a list that changes while it is read comes to: [`Complete`](ListPolicy::Complete) unless set.
    pub fn policy(mut self, policy: ListPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Passes over a page that fails after all its retries, and [reports](ListReport::page_failures) it,
    /// where its neighbours are known by number; otherwise it ends the list.
    pub fn skip_failed_pages(mut self, skip: bool) -> Self {
        self.skip_failed_pages = skip;
        self
    }

    /// Skips an item that can't be decoded, and [reports](ListReport::item_failures) it; otherwise it ends
    /// the list, after the items before it. 100 pages in a row without an item that can be decoded end the
    /// list all the same.
    pub fn skip_failed_items(mut self, skip: bool) -> Self {
        self.skip_failed_items = skip;
        self
    }

    /// Drops an item that was among the last hundred thousand, which a list that grows while it is read may
    /// bring again. Then growing is no reason to end a [`Strict`](ListPolicy::Strict) list; but a list that
    /// brings items again in the place of others, and so has fewer different ones than its count promises, is
    /// incomplete all the same.
    ///
    /// Items are told apart by the list's [`identity`](ListAll::identity): those without it stay.
    pub fn deduplicate(mut self, deduplicate: bool) -> Self {
        self.deduplicate = deduplicate;
        self
    }

    /// Sets the fields that identify an item, in order of preference: the list uses the first one that an
    /// item of its first page has. Without any field only the count is compared, and 100 pages in a row with
    /// the same text (but for URLs' queries) end the list. Values are compared as JSON: `1` and `"1"` differ.
    ///
    /// A list is complete if there are as many different items as its count promises, and
    /// [`deduplicate`](ListAll::deduplicate) drops those that came before: the last hundred thousand are
    /// remembered, 2 to 3 MB of memory.
    ///
    /// | list | unless set |
    /// |---|---|
    /// | `list_ground_truth_events` | `pgh_id`, else `id`; only `pgh_id` if the parameter `fields` or `omit` is set |
    /// | `list_ground_truth_events_data`, `list_ground_truth_events_files` | none: `id` repeats in current releases |
    /// | any other | `id` |
    ///
    /// The [report](ListReport::identity) names the field.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = client.list_ground_truth_events_data().list_all().identity(["id"]).deduplicate(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        self.seen.set_fields(fields);
        self
    }

    /// Goes on where another stream of the same query was, or reads the part of the list that a
    /// [partition](crate::Call::partitions) is.
    ///
    /// The first read fails if the checkpoint is of another query or another version of this crate's format,
    /// or if it names what can't be this list's, such as a link to another host or path: nothing is sent
    /// then.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        if let Err(problem) = self.restore(checkpoint) {
            let problem = format!("checkpoint: read the list from its beginning instead: {problem}");
            self.refused = self.refused.or(Some(Error::invalid_input(problem)));
            self.finish();
        }
        self
    }

    /// Number of items in the whole list, once the first page is there; a cursor list tells none.
    pub fn total(&self) -> Option<u64> {
        self.plan.total
    }

    /// Anomalies and failures seen so far. Check it at the end: a list that ended without an error may still
    /// have changed meanwhile, unless its policy is [`Strict`](ListPolicy::Strict).
    pub fn report(&self) -> &ListReport {
        &self.report
    }

    /// Where the reading is: the next stream of this query that [resumes](ListAll::resume) from it begins
    /// with the item that this one would give next. After an error it points at what failed. If the list was
    /// short, it points at the end, which is an error again unless the policy is
    /// [`Lenient`](ListPolicy::Lenient).
    pub fn checkpoint(&self) -> Checkpoint {
        let page = &self.page;
        let (at, offset) = match &page.place {
            Some(place) if page.index < page.length => (place.at(page.index), page.offset),
            _ => (page.after.clone(), page.after_offset),
        };
        let Resumed { identity, ids } = self.seen.kept(page.items.new_left());
        Checkpoint {
            until: self.plan.until,
            page_size: self.plan.page_size,
            offset,
            total: self.plan.total,
            least: self.plan.least.filter(|least| self.plan.total.is_some_and(|total| *least < total)),
            repeated: page.repeated,
            identity,
            recent: ids,
            ..Checkpoint::new(self.query.clone(), at)
        }
    }

    /// The list page by page.
    pub fn pages(self) -> ListPages<T> {
        ListPages::new(self)
    }

    /// The next item; nothing at the end.
    ///
    /// # Errors
    /// Returns an error if a page can't be had or doesn't hold what it should, or the list changed; the
    /// stream has then ended.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All items.
    ///
    /// # Errors
    /// Returns the first error; the items before it are dropped.
    pub async fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C> {
        self.collected = Some(Undelivered::default());
        let mut collected = C::default();
        while let Some(item) = self.next().await {
            collected.extend(std::iter::once(item?));
        }
        self.collected.take().into_iter().for_each(Undelivered::delivered);
        Ok(collected)
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(item) = self.next_on_page() {
                return Poll::Ready(Some(item));
            }
            if !ready!(self.poll_page(context))? {
                return Poll::Ready(None);
            }
        }
    }

    /// The next item of the page that is there.
    fn next_on_page(&mut self) -> Option<Result<T>> {
        loop {
            if self.limit.is_some_and(|limit| self.report.items >= limit) {
                return None;
            }
            match self.page.items.next(self.page.index)? {
                NextItem::Failed(failed) => {
                    let (items, page) = (&self.page.items, self.page_number());
                    if !self.skip_failed_items {
                        return Some(Err(items.error(self.decoder, page, failed)));
                    }
                    self.report.item_failure(|| items.failure(self.decoder, page, failed));
                }
                NextItem::Item(item, mark) => {
                    self.page.repeated = self.page.repeated.saturating_add(u64::from(mark == Mark::Repeated));
                    if mark != Mark::Repeated || !self.deduplicate {
                        self.page.items.deliver(self.page.index, self.collected.as_mut());
                        self.page.index += 1;
                        self.report.items += 1;
                        if self.limit == Some(self.report.items) {
                            self.page.items.discard_rest();
                        }
                        return Some(Ok(item));
                    }
                    self.report.duplicates += 1;
                }
            }
            self.page.items.discard(self.page.index);
            self.page.index += 1;
        }
    }

    /// The items of the page that is there, up to one that failed.
    pub(super) fn take_page(&mut self) -> (Vec<T>, Option<Error>) {
        let mut items = Vec::with_capacity(self.page.items.wanted(self.deduplicate));
        while let Some(item) = self.next_on_page() {
            match item {
                Ok(item) => items.push(item),
                Err(error) => return (items, Some(error)),
            }
        }
        (items, None)
    }

    pub(super) fn page_number(&self) -> u64 {
        self.page.place.as_ref().map_or(0, |place| place.number)
    }

    /// An error was given: nothing follows it.
    pub(super) fn end_by_error(&mut self) {
        self.report.failed = true;
        if self.page.index < self.page.length {
            self.seen.drop_last(self.page.items.new_left());
        }
        self.page.items = PageItems::none();
        self.refused = None;
        self.finish();
    }
}

// Nothing in it refers to itself.
impl<T> Unpin for ListAll<T> {}

impl<T: Send + 'static> Stream for ListAll<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_item(context));
        if matches!(item, Some(Err(_))) {
            self.end_by_error();
        }
        Poll::Ready(item)
    }

    /// The items that are there, and the limit: a list may change until its end is read.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.limit.map(|limit| limit.saturating_sub(self.report.items));
        let most = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
        let there =
            if self.deduplicate { 0 } else { self.page.items.certain() }.min(most.unwrap_or(usize::MAX));
        match self.template.is_none() && self.refused.is_none() && there == 0 {
            true => (0, Some(0)),
            false => (there, most),
        }
    }
}

impl<T> fmt::Debug for ListAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListAll")
            .field("limit", &self.limit)
            .field("policy", &self.policy)
            .field("total", &self.plan.total)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
