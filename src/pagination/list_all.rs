//! [`ListAll`]: every item of a list, in the server's order, its pages fetched ahead.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use reqwest::{StatusCode, Url};

use super::ahead::{Ahead, Arrival, ArrivedPage};
use super::checkpoint::{Checkpoint, Position};
use super::course::{Course, Facts, Then};
use super::current_page::{CurrentItems, CurrentPage, Place};
use super::distinct::Recent;
use super::links::{is_first, is_head, page_number, with_page};
use super::list_query::query_of;
use super::page::{Decoder, Items};
use super::pages::ListPages;
use super::report::{ListPolicy, ListReport, PageFailure};
use super::window::Window;
use crate::call::Prepared;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::far;
use crate::list_event::ListEvent;
use crate::redact::shown_url;

/// Pages under way at a time, unless set: enough to hide a server's latency, few enough for a small server.
const CONCURRENCY: usize = 4;

/// The most pages under way at a time.
const MAX_CONCURRENCY: usize = 64;

/// Every item of a list: a [`Stream`] in the server's order that follows every page.
///
/// After the first page the length of the list is known, and pages are fetched ahead of the reader,
/// [`concurrency`](ListAll::concurrency) of them at a time; a reader that stops taking items stops the fetching. A list
/// without page numbers (a cursor list) is followed link by link, one page ahead. The end is where the server says that
/// there is no next page, whatever the size of the pages before.
///
/// A list that changes while it is read may have lost or doubled items by then: what tells of it ends the list with an error,
/// or is reported, as the [`policy`](ListAll::policy) says. Any error ends the stream, which can be taken up from its
/// [`checkpoint`](ListAll::checkpoint). Dropping it stops its requests.
///
/// The call's [`timeout`](crate::Call::timeout) is that of the whole list, from the first read on, the time between the reads
/// included; pages that came by then are given. The client's [`timeout`](crate::BackendClientBuilder::timeout) is that of each
/// page.
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
    template: Option<Prepared>,
    /// How long the list may take as a whole, and when that is over, once it has begun.
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    query: String,
    decoder: Decoder<T>,
    policy: ListPolicy,
    skip_failed_pages: bool,
    skip_failed_items: bool,
    limit: Option<u64>,
    course: Course,
    window: Window,
    ahead: Ahead<T>,
    /// What ends the stream once the items before it are given out.
    refused: Option<Error>,
    /// The ids that were given, where duplicates are dropped.
    recent: Option<Recent>,
    /// Those that the checkpoint knew.
    resumed: Vec<u64>,
    /// Items on the first page that were given before.
    passed: usize,
    page: CurrentPage<T>,
    report: ListReport,
}

impl<T: Send + 'static> ListAll<T> {
    /// Reads pages as `template` says, within `timeout` all of them.
    pub(super) fn new((template, timeout): (Result<Prepared>, Option<Duration>), decoder: Decoder<T>) -> Self {
        let (template, refused) = match template {
            Ok(template) => (Some(template), None),
            Err(error) => (None, Some(error)),
        };
        let nowhere = || Url::parse("http://localhost").unwrap_or_else(|_| unreachable!("it is a URL"));
        let url = template.as_ref().map_or_else(nowhere, |template| template.request.url().clone());
        let query = query_of(template.as_ref().map_or("", |template| template.operation), &url);
        let number = page_number(&url).unwrap_or(1).max(1);
        let mut course = Course::new(url.clone(), url.clone(), number);
        if is_head(&url) {
            course.offset = Some(0);
        }
        let start = match page_number(&url).is_some() || is_first(&url) {
            true => Position::Page { number, item: 0 },
            false => Position::Link { url: url.as_str().into(), number, item: 0 },
        };
        let page = CurrentPage {
            items: CurrentItems::none(),
            place: None,
            index: 0,
            length: 0,
            offset: course.offset,
            after: start,
            after_offset: course.offset,
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
            limit: None,
            course,
            window: Window::new(CONCURRENCY),
            ahead: Ahead::new(),
            refused,
            recent: None,
            resumed: Vec::new(),
            passed: 0,
            page,
            report: ListReport::default(),
        }
    }

    /// How many pages are under way at a time: 4 unless set, 1 for one after the other, 64 at most.
    ///
    /// One page more is held in memory at most, besides the one that is being read. A server that answers 429 or 503 is
    /// given fewer for a while.
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

    /// Passes over a page that fails after all its retries, and [reports](ListReport::page_failures) it, where its neighbours
    /// are known by number; otherwise it ends the list.
    pub fn skip_failed_pages(mut self, skip: bool) -> Self {
        self.skip_failed_pages = skip;
        self
    }

    /// Passes over an item that can't be decoded, and [reports](ListReport::item_failures) it; otherwise it ends the list, after
    /// the items before it.
    pub fn skip_failed_items(mut self, skip: bool) -> Self {
        self.skip_failed_items = skip;
        self
    }

    /// Drops an item whose `id` was among the last hundred thousand, which a list that grows while it is read may bring again.
    /// Items without an `id` stay. Then growing is no reason to end a [`Strict`](ListPolicy::Strict) list.
    ///
    /// Costs another look at each item's text.
    pub fn distinct(mut self, distinct: bool) -> Self {
        self.recent = distinct.then(Recent::default);
        if let Some(recent) = &mut self.recent {
            recent.extend(self.resumed.iter().copied());
        }
        self
    }

    /// Goes on where another stream of the same query was, or reads the part of the list that a
    /// [partition](crate::Call::partitions) is.
    ///
    /// The first read fails where the checkpoint is of another query or another version of this crate's format.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Self {
        if let Err(problem) = self.take_up(checkpoint) {
            self.refused = self.refused.or(Some(Error::invalid_input(format!("checkpoint: {problem}"))));
            self.finish();
        }
        self
    }

    fn take_up(&mut self, checkpoint: Checkpoint) -> Result<(), String> {
        let Some(template) = &self.template else { return Ok(()) };
        if let Some(problem) = checkpoint.problem(&self.query) {
            return Err(problem);
        }
        let own = template.request.url();
        let (url, number, item) = match &checkpoint.at {
            // A list whose pages may have no numbers is begun as it would be.
            Position::Page { number: 1, item } if is_first(own) => (own.clone(), 1, *item),
            Position::Page { number, item } => (with_page(own, *number), *number, *item),
            Position::Link { url, number, item } => {
                let url = Url::parse(url).map_err(|error| format!("its link is no URL: {error}"))?;
                if !template.transport.origin.owns(&url) || url.path() != own.path() {
                    return Err(format!("its link leads to {} and not to this list", shown_url(&url)));
                }
                (url, *number, *item)
            }
            Position::End => (own.clone(), 1, 0),
        };
        self.course = Course::new(own.clone(), url, number);
        self.course.until = checkpoint.until;
        self.course.page_size = checkpoint.page_size;
        self.course.offset = checkpoint.offset;
        self.course.total = checkpoint.total;
        self.passed = item;
        self.page.after_offset = checkpoint.offset;
        if let Some(recent) = &mut self.recent {
            recent.extend(checkpoint.recent.iter().copied());
        }
        self.resumed = checkpoint.recent;
        if checkpoint.at == Position::End {
            self.finish();
        }
        self.page.after = checkpoint.at;
        Ok(())
    }

    /// Number of items in the whole list, once the first page is there; a cursor list tells none.
    pub fn total(&self) -> Option<u64> {
        self.course.total
    }

    /// What is to be said of the list so far: where it is read to its end without an error it may have changed meanwhile all the
    /// same, unless it is [`Strict`](ListPolicy::Strict).
    pub fn report(&self) -> &ListReport {
        &self.report
    }

    /// Where the reading is: the next stream of this query that [resumes](ListAll::resume) from it begins with the item
    /// that this one would give next. After an error that is what failed; of a list with fewer items than it promised, its end.
    pub fn checkpoint(&self) -> Checkpoint {
        let page = &self.page;
        let (at, offset) = match &page.place {
            Some(place) if page.index < page.length => (place.at(page.index), page.offset),
            _ => (page.after.clone(), page.after_offset),
        };
        let recent = self.recent.as_ref().map(Recent::last);
        Checkpoint {
            until: self.course.until,
            page_size: self.course.page_size,
            offset,
            total: self.course.total,
            recent: recent.unwrap_or_default(),
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
    /// Where a page can't be had or doesn't hold what it should, or the list changed; the stream has then ended.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All items.
    ///
    /// # Errors
    /// The first error; the items before it are dropped.
    pub async fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C> {
        let mut collected = C::default();
        while let Some(item) = self.next().await {
            collected.extend(std::iter::once(item?));
        }
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
            let (id, item) = match &mut self.page.items {
                CurrentItems::All(items) => (None, Ok(items.next()?)),
                CurrentItems::Each(items) => items.next()?,
            };
            match item {
                Err(error) if !self.skip_failed_items => return Some(Err(error)),
                Err(error) => {
                    if let Some(failure) = error.item_failure() {
                        self.report.item_failure(failure.clone());
                    }
                }
                Ok(_) if id.zip(self.recent.as_mut()).is_some_and(|(id, recent)| !recent.is_new(id)) => {
                    self.report.duplicates += 1;
                }
                Ok(item) => {
                    self.page.index += 1;
                    self.report.items += 1;
                    return Some(Ok(item));
                }
            }
            self.page.index += 1;
        }
    }

    /// Waits for the next page; false at the list's end.
    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.limit.is_some_and(|limit| self.report.items >= limit) {
                // What would come behind it is nobody's concern.
                self.refused = self.refused.take().filter(|_| self.page.place.is_none());
                self.finish();
            }
            if let Some(error) = self.refused.take() {
                return Poll::Ready(Err(error));
            }
            if self.template.is_none() {
                return Poll::Ready(Ok(false));
            }
            self.set_out()?;
            let Some(arrival) = ready!(self.ahead.poll_first(context)) else {
                self.finish();
                return Poll::Ready(Ok(false));
            };
            let Arrival { number, url, page } = arrival;
            self.window.arrived();
            match page {
                Ok(page) => {
                    self.arrived(number, url, page)?;
                    self.set_out()?;
                    return Poll::Ready(Ok(true));
                }
                Err(error) => self.failed(number, &url, error)?,
            }
        }
    }

    /// Sets out for the pages that may be under way.
    fn set_out(&mut self) -> Result<()> {
        self.deadline = self.deadline.or_else(|| self.timeout.map(|timeout| far(Instant::now(), timeout)));
        // One more than may be received at a time waits for its turn: so the connection is busy while a page is decoded.
        let width = self.window.size();
        while self.ahead.len() <= width
            && let Some(template) = &self.template
            && let Some((number, url)) = self.course.next_page()
        {
            let call = template.at(url, self.deadline).throttled(self.window.throttled());
            self.ahead.start(call, number, width, self.decoder, self.recent.is_some())?;
        }
        Ok(())
    }

    /// Takes a page's items and sees to the pages after it.
    fn arrived(&mut self, number: u64, url: Url, page: ArrivedPage<T>) -> Result<()> {
        let ArrivedPage { items, count, next, unconverted } = page;
        let Some(template) = &self.template else { return Ok(()) };
        let next = next.map(|next| template.transport.origin.follow(&next, &url)).transpose();
        let (next, unfollowed) = match next {
            Ok(next) => (next, None),
            // Its own items are right all the same.
            Err(error) => (None, Some(error.of(template.info()).during(format!("following page {number}'s `next`")))),
        };
        let length = items.len();
        let passed = std::mem::take(&mut self.passed).min(length);
        let offset = self.course.offset;
        let facts = Facts { length: length as u64, count, next };
        let (mut heard, then) = self.course.arrived(number, facts);
        if heard.astray {
            self.ahead.clear();
        }
        self.judge(std::mem::take(&mut heard.before))?;
        self.report.pages += 1;
        self.report.conversion_failures(unconverted);
        let items = self.wanted(number, items, passed);
        if then == Then::End {
            self.ahead.clear();
        }
        // A page that a number leads to needs no link, nor does the first.
        let link = (page_number(&url).is_none() && !(number == 1 && is_first(&url))).then_some(url);
        let place = Place { number, link };
        let (after, after_offset) = match unfollowed {
            // Behind its items is still what failed.
            Some(_) => (place.at(length), offset),
            None => (then.into(), self.course.offset),
        };
        let place = Some(place);
        self.page = CurrentPage { items, place, index: passed, length, offset, after, after_offset };
        self.refused = match unfollowed {
            Some(error) => Some(error),
            None => self.judge(heard.after).err(),
        };
        if self.refused.is_some() {
            self.course.stop();
            self.ahead.clear();
        }
        Ok(())
    }

    /// The items of a page that are to be given: behind those that were passed, and up to the limit.
    fn wanted(&mut self, number: u64, items: Items<T, Error>, passed: usize) -> CurrentItems<T> {
        let left =
            self.limit.map_or(usize::MAX, |limit| usize::try_from(limit.saturating_sub(self.report.items)).unwrap_or(usize::MAX));
        let (items, wanted) = match items {
            Items::All(mut items) => {
                items.truncate(passed.saturating_add(left));
                let mut items = items.into_iter();
                items.by_ref().take(passed).for_each(drop);
                let wanted = items.len();
                (CurrentItems::All(items), wanted)
            }
            Items::Each(mut items) => {
                if let Some(recent) = &mut self.recent {
                    recent.extend(items.drain(..passed).filter_map(|(id, _)| id));
                } else {
                    items.drain(..passed);
                }
                let mut here = HashSet::new();
                let mut is_wanted = |(id, item): &(Option<u64>, Result<T>)| {
                    let seen = |id: u64| self.recent.as_ref().is_some_and(|recent| recent.contains(id)) || !here.insert(id);
                    item.is_ok() && !id.is_some_and(seen)
                };
                let (mut wanted, mut end) = (0, 0);
                while end < items.len() && wanted < left {
                    wanted += usize::from(is_wanted(&items[end]));
                    end += 1;
                }
                items.truncate(end);
                (CurrentItems::Each(items.into_iter()), wanted)
            }
        };
        if self.limit.is_some() {
            self.course.limit(number, (left - wanted) as u64);
        }
        items
    }

    /// A page failed: it is the list's end after all, is passed over, or ends the stream.
    fn failed(&mut self, number: u64, url: &Url, error: Error) -> Result<()> {
        if self.course.total.is_some() && page_number(url).is_some() && is_past_the_end(&error) {
            let (heard, _) = self.course.gone(number);
            // The pages after it are gone as well.
            self.ahead.clear();
            // What the server said is told, rather than what it comes to.
            let told = |judged: Error| match judged.list_event() {
                Some(event) => error.during(judged.to_string()).with_list_event(event.clone()),
                None => error,
            };
            self.judge(heard.before).map_err(told)?;
            self.page.after = Position::End;
            return self.judge(heard.after);
        }
        let ran_out =
            self.timeout.filter(|_| error.is_timeout() && self.deadline.is_some_and(|deadline| deadline <= Instant::now()));
        let error = match ran_out {
            Some(timeout) => error.during(format!("page {number} of a list that may take {timeout:?} as a whole")),
            None => error.during(format!("page {number}")),
        };
        // A page that is there fails on this side, and one that had no time left not by itself.
        if self.skip_failed_pages
            && ran_out.is_none()
            && !error.is_url_conversion()
            && let Some(then) = self.course.pass_over(number)
        {
            self.report.page_failure(PageFailure { page: number, url: shown_url(url), error });
            self.page.after = then.into();
            self.page.after_offset = self.course.offset;
            return Ok(());
        }
        Err(error)
    }

    /// Reports what was heard of the list, or makes it an error, as the policy says.
    fn judge(&mut self, events: Vec<ListEvent>) -> Result<()> {
        for event in events {
            let harmless = match event {
                // What it brings again is dropped.
                ListEvent::CountChanged { before, now, .. } => now > before && self.recent.is_some(),
                _ => false,
            };
            let ends = match self.policy {
                ListPolicy::Strict => !harmless,
                ListPolicy::Complete => event.is_loss(),
                ListPolicy::Lenient => false,
            };
            if ends || event.is_fatal() {
                return Err(self.broken(event));
            }
            self.report.event(event);
        }
        Ok(())
    }

    fn broken(&self, event: ListEvent) -> Error {
        let hint = match event.is_fatal() {
            true => "",
            false => "; the policy `Lenient` reports this and goes on",
        };
        let error = Error::new(ErrorKind::Pagination, format!("{event}{hint}")).with_list_event(event);
        match &self.template {
            Some(template) => error.of(template.info()),
            None => error,
        }
    }

    /// Ends the stream and what is under way for it.
    fn finish(&mut self) {
        self.template = None;
        self.ahead.clear();
        self.course.stop();
    }

    /// The items of the page that is there, up to one that failed.
    pub(super) fn take_page(&mut self) -> (Vec<T>, Option<Error>) {
        let mut items = Vec::with_capacity(self.page.length);
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
        self.page.items = CurrentItems::none();
        self.refused = None;
        self.finish();
    }
}

/// Whether the server says that a page lies behind the list's end, and not somebody else that there is nothing there.
fn is_past_the_end(error: &Error) -> bool {
    error.status() == Some(StatusCode::NOT_FOUND) && error.response().is_some_and(|response| response.detail().is_some())
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
        let there = match &self.page.items {
            CurrentItems::All(items) => items.len(),
            CurrentItems::Each(_) => 0,
        };
        let left = self.limit.map(|limit| limit.saturating_sub(self.report.items));
        let most = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
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
            .field("total", &self.course.total)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
