//! [`ListStream`]: every item of a list, in the server's order, with prefetched pages.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use reqwest::Url;

use super::checkpoint::{Checkpoint, Position};
use super::comparing::Comparing;
use super::fingerprint::{more_of, query_of};
use super::identity::{Mark, Resumed, Seen, identity_of};
use super::links::{begins, has_number, page_number};
use super::list_all::{ListOptions, ListRequest};
use super::page::Decoder;
use super::page_cursor::{CurrentPage, NextItem, PageItems};
use super::page_plan::{Counts, PagePlan};
use super::pages::ListPages;
use super::prefetch::Prefetch;
use super::report::ListReport;
use crate::error::{Error, Result};
use crate::generated::pagination::Pagination;
use crate::transport::{Transport, TransportRequest};
use crate::url_conversion::Undelivered;

/// Every item of a list, as a [`Stream`] in the server's order: returned by
/// [`ListAll::stream`](crate::ListAll::stream).
///
/// Any error ends the stream. The list can be resumed from its [`checkpoint`](ListStream::checkpoint). Dropping
/// the stream cancels its requests.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// let mut events = client.list_ground_truth_events().list_all().concurrency(8).stream();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} of {:?}: {}", event.id, events.total(), event.data["label"]);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is read"]
pub struct ListStream<T> {
    pub(super) source: PageSource<T>,
    pub(super) options: ListOptions,
    pub(super) plan: PagePlan,
    pub(super) prefetch: Prefetch<T>,
    pub(super) state: State<T>,
    pub(super) seen: Seen,
    /// The number of items of the first page that come before a checkpoint.
    pub(super) passed: usize,
    pub(super) page: CurrentPage<T>,
    pub(super) report: ListReport,
    /// The converted values of the items that `collect` has collected.
    pub(super) collected: Option<Undelivered>,
}

/// How pages are requested and decoded.
pub(super) struct PageSource<T> {
    pub(super) transport: Arc<Transport>,
    /// The request of the first page; `None` if it is invalid.
    pub(super) template: Option<TransportRequest>,
    /// How long the whole list may take, and until when.
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    /// Operation and parameters, for checkpoints.
    pub(super) query: String,
    pub(super) decoder: Decoder<T>,
    pub(super) pagination: Pagination,
}

/// What happens after the current page.
pub(super) enum State<T> {
    /// The next page is read.
    Reading,
    /// The items of the next page are compared with earlier ones.
    Comparing(Comparing<T>),
    /// The list resumes at its end: its counts are checked again.
    AtEnd,
    /// The error is returned.
    Refused(Error),
    /// Nothing.
    Finished,
}

impl<T: Send + 'static> ListStream<T> {
    /// Creates a stream that reads pages with `template`, all of them within `timeout`.
    pub(super) fn new(
        ListRequest { transport, template, pagination, timeout }: ListRequest,
        decoder: Decoder<T>,
        mut options: ListOptions,
    ) -> Self {
        let (template, state) = match template {
            Ok(template) => (Some(template), State::Reading),
            Err(error) => (None, State::Refused(error)),
        };
        let nowhere = || Url::parse("http://localhost").unwrap_or_else(|_| unreachable!("it is a URL"));
        let url = template.as_ref().map_or_else(nowhere, |template| template.request.url().clone());
        let operation = template.as_ref().map_or("", |template| template.operation);
        let request = template.as_ref().map(|template| &template.request);
        let query = query_of(operation, &url, more_of(&pagination, request), &transport.origin);
        let identity = identity_of(pagination, &url);
        let number = page_number(&url).unwrap_or(1).max(1);
        let mut plan = PagePlan::new(url.clone(), url.clone(), number);
        plan.by_value = pagination.parameter.is_some();
        // The caller may begin with another page.
        if begins(&url, &pagination) {
            plan.counts.offset = Some(0);
        }
        let start = match has_number(&url, &pagination) {
            true => Position::Page { number, item: 0 },
            false => Position::Link { url: url.as_str().into(), number, item: 0 },
        };
        let page = CurrentPage {
            items: PageItems::none(),
            place: None,
            index: 0,
            length: 0,
            offset: plan.counts.offset,
            repeated: 0,
            after: start,
            after_offset: plan.counts.offset,
        };
        let mut seen = Seen::new(identity.iter().copied());
        if let Some(fields) = options.identity.take() {
            seen.set_fields(fields);
        }
        let checkpoint = options.resume.take();
        let mut stream = ListStream {
            source: PageSource { transport, template, timeout, deadline: None, query, decoder, pagination },
            prefetch: Prefetch::new(options.concurrency, options.throttle),
            options,
            plan,
            state,
            seen,
            passed: 0,
            page,
            report: ListReport::default(),
            collected: None,
        };
        if let Some(checkpoint) = checkpoint {
            stream.resume(checkpoint);
        }
        stream
    }

    fn resume(&mut self, checkpoint: Checkpoint) {
        if let Err(problem) = self.restore(checkpoint) {
            let problem = format!("checkpoint: {problem}: read the list from its beginning instead");
            self.plan.stop();
            if !matches!(self.state, State::Refused(_)) {
                self.state = State::Refused(Error::invalid_input(problem));
            }
        }
    }

    /// Returns the number of items in the whole list, once the first page has arrived. `None` for a cursor
    /// list.
    pub fn total(&self) -> Option<u64> {
        self.plan.counts.total
    }

    /// Returns the anomalies and failures seen so far. Check it at the end: a list that ended without an
    /// error may still have changed while it was read, unless its policy is [`Strict`](crate::ListPolicy::Strict).
    pub fn report(&self) -> &ListReport {
        &self.report
    }

    /// Returns the current position. A list of the same query that [resumes](crate::ListAll::resume) from it
    /// begins with the item that this stream would return next. After an error it points at what failed. If the
    /// list was short, it points at the end, and resuming there is an error again unless the policy is
    /// [`Lenient`](crate::ListPolicy::Lenient).
    pub fn checkpoint(&self) -> Checkpoint {
        let page = &self.page;
        let (at, offset) = match &page.place {
            Some(place) if page.index < page.length => (place.at(page.index), page.offset),
            _ => (page.after.clone(), page.after_offset),
        };
        let Resumed { identity, ids } = self.seen.kept(page.items.new_left());
        let least = self.plan.counts.least;
        let counts = Counts {
            offset,
            least: least.filter(|least| self.plan.counts.total.is_some_and(|total| *least < total)),
            repeated: page.repeated,
            ..self.plan.counts
        };
        let checkpoint = Checkpoint::new(self.source.query.clone(), at.stored(&self.source.transport.origin));
        Checkpoint { identity, recent: ids, ..checkpoint.with_counts(counts) }
    }

    /// Returns the list page by page. If items of the current page were returned before, the first page is its rest.
    pub fn pages(self) -> ListPages<T> {
        ListPages::new(self)
    }

    /// Returns the next item; `None` at the end.
    ///
    /// # Errors
    /// Returns an error if a page can't be fetched or is malformed, an item can't be decoded, or the list
    /// changed (see the [`policy`](crate::ListAll::policy)). The stream has then ended.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Collects all items.
    ///
    /// # Errors
    /// Returns the first error; the items before it are dropped.
    pub(super) async fn collect<C: Default + Extend<T>>(mut self) -> Result<C> {
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

    /// Returns the next item of the current page.
    fn next_on_page(&mut self) -> Option<Result<T>> {
        loop {
            if self.options.limit.is_some_and(|limit| self.report.items >= limit) {
                return None;
            }
            match self.page.items.next(self.page.index)? {
                NextItem::Failed(failed) => {
                    let (items, page) = (&self.page.items, self.page_number());
                    if !self.options.skip_failed_items {
                        return Some(Err(items.error(self.source.decoder, page, failed)));
                    }
                    self.report.item_failure(|| items.failure(self.source.decoder, page, failed));
                }
                NextItem::Item(item, mark) => {
                    self.page.repeated = self.page.repeated.saturating_add(u64::from(mark == Mark::Repeated));
                    if mark != Mark::Repeated || !self.options.deduplicate {
                        self.page.items.deliver(self.page.index, self.collected.as_mut());
                        self.page.index += 1;
                        self.report.items += 1;
                        if self.options.limit == Some(self.report.items) {
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

    /// Returns the remaining items of the current page, up to the first one that failed.
    pub(super) fn take_page(&mut self) -> (Vec<T>, Option<Error>) {
        let mut items = Vec::with_capacity(self.page.items.wanted(self.options.deduplicate));
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

    /// Ends the stream after an error was returned.
    pub(super) fn end_by_error(&mut self) {
        self.report.failed = true;
        if self.page.index < self.page.length {
            self.seen.drop_last(self.page.items.new_left());
        }
        self.page.items = PageItems::none();
        self.finish();
    }
}

// The type isn't self-referential.
impl<T> Unpin for ListStream<T> {}

impl<T: Send + 'static> Stream for ListStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_item(context));
        if matches!(item, Some(Err(_))) {
            self.end_by_error();
        }
        Poll::Ready(item)
    }

    /// Bounded by the decoded items and by the limit: the list may change until its end is read.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.options.limit.map(|limit| limit.saturating_sub(self.report.items));
        let most = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
        let there = if self.options.deduplicate { 0 } else { self.page.items.certain() }
            .min(most.unwrap_or(usize::MAX));
        match matches!(self.state, State::Finished) && there == 0 {
            true => (0, Some(0)),
            false => (there, most),
        }
    }
}

impl<T> fmt::Debug for ListStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListStream")
            .field("limit", &self.options.limit)
            .field("policy", &self.options.policy)
            .field("total", &self.plan.counts.total)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
