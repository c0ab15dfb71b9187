//! [`ListAll`]: every item of a list, in the server's order, its pages fetched ahead.
//!
//! Knows how Django REST Framework pages, and nothing of what is on the pages.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use crate::call::{Call, Prepared};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::{Operation, Page};
use crate::query;
use crate::transport::Received;

/// Pages under way at a time, unless set: enough to hide a server's latency, few enough for a small server.
const CONCURRENCY: usize = 4;

/// The most pages under way at a time.
const MAX_CONCURRENCY: usize = 64;

impl<B: Operation> Call<'_, B>
where
    B::Output: Page,
{
    /// Every item of the list, from the page that the parameters ask for (the first, unless set) to the last.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let mut events = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])).list_all();
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_all(self) -> ListAll<<B::Output as Page>::Item>
    where
        <B::Output as Page>::Item: DeserializeOwned + Send + 'static,
    {
        ListAll::new(self.prepare())
    }

    /// As [`list_all`](Call::list_all), with items of a type of yours: a narrow struct that skips what it doesn't need,
    /// or `Box<serde_json::value::RawValue>` for the text as it is.
    pub fn list_all_as<T: DeserializeOwned + Send + 'static>(self) -> ListAll<T> {
        ListAll::new(self.prepare())
    }
}

/// Every item of a list: a [`Stream`] in the server's order that follows every page.
///
/// After the first page the length of the list is known, and pages are fetched ahead of the reader,
/// [`concurrency`](ListAll::concurrency) of them at a time; a reader that stops taking items stops the fetching. A list
/// without page numbers (a cursor list) is followed link by link. The end is where the server says that there is no next
/// page, whatever the size of the pages before.
///
/// An error ends the stream. Dropping it stops its requests.
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
    /// What ends the stream once the items before it are given out.
    refused: Option<Error>,
    concurrency: usize,
    limit: Option<u64>,
    /// Items of pages that have arrived, up to the page before `ahead`'s first.
    items: std::vec::IntoIter<T>,
    /// Items given out or in `items`.
    taken: u64,
    total: Option<u64>,
    /// Pages under way, in order.
    ahead: VecDeque<Task<T>>,
    course: Course,
    /// Links followed so far, so that none is followed twice.
    followed: HashSet<u64>,
    hasher: RandomState,
}

/// How the next page is found.
#[derive(Debug)]
enum Course {
    /// Nothing was asked for yet.
    Start,
    /// By number. `next` is the number of the first page that isn't under way, `last` the last one that the count told of.
    Numbered {
        next: u64,
        last: u64,
    },
    /// By the link of the page before.
    Linked,
    End,
}

/// A page of any list.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct PageBody<T> {
    results: Vec<T>,
    #[serde(default)]
    next: Option<String>,
    #[serde(default)]
    count: Option<u64>,
}

/// A page under way. Dropped, it is given up.
struct Task<T> {
    handle: JoinHandle<Result<PageBody<T>>>,
    url: Url,
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl<T: DeserializeOwned + Send + 'static> ListAll<T> {
    pub(crate) fn new(template: Result<Prepared>) -> Self {
        let (template, refused) = match template {
            Ok(template) => (Some(template), None),
            Err(error) => (None, Some(error)),
        };
        ListAll {
            template,
            refused,
            concurrency: CONCURRENCY,
            limit: None,
            items: Vec::new().into_iter(),
            taken: 0,
            total: None,
            ahead: VecDeque::new(),
            course: Course::Start,
            followed: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// How many pages are under way at a time: 4 unless set, 1 for one after the other, 64 at most.
    ///
    /// As many pages are held in memory at most, besides the one that is being read.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.concurrency = pages.clamp(1, MAX_CONCURRENCY);
        self
    }

    /// Ends after this many items, and fetches no page more than they need.
    pub fn limit(mut self, items: u64) -> Self {
        self.limit = Some(items);
        self
    }

    /// Number of items in the whole list, once the first page is there; a cursor list tells none.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next item; nothing at the end.
    ///
    /// # Errors
    /// Where a page can't be had or doesn't hold what it should; the stream has then ended.
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
            if let Some(item) = self.items.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            if let Some(error) = self.refused.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.limit.is_some_and(|limit| self.taken >= limit) {
                self.finish();
            }
            let Some(template) = &self.template else { return Poll::Ready(None) };
            if let Course::Start = self.course {
                let url = template.request.url().clone();
                self.start(url)?;
                self.course = Course::Linked;
            }
            let Some(head) = self.ahead.front_mut() else {
                self.finish();
                return Poll::Ready(None);
            };
            let outcome = ready!(Pin::new(&mut head.handle).poll(context));
            let url = head.url.clone();
            self.ahead.pop_front();
            let page = match outcome {
                Ok(page) => page?,
                // A panic of the item's own `Deserialize` is its owner's; otherwise the runtime is shutting down.
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Poll::Ready(Some(Err(self.broken_off()))),
                },
            };
            // A page whose link is wrong is right all the same: its items come first.
            self.refused = self.arrived(page, &url).err();
        }
    }

    /// Takes a page's items and sees to the pages after it.
    fn arrived(&mut self, page: PageBody<T>, url: &Url) -> Result<()> {
        let PageBody { mut results, next, count } = page;
        let length = results.len() as u64;
        if self.total.is_none() {
            self.total = count;
        }
        if let Some(limit) = self.limit {
            results.truncate(usize::try_from(limit - self.taken).unwrap_or(usize::MAX));
        }
        self.taken += results.len() as u64;
        self.items = results.into_iter();
        let Some(next) = next else {
            self.ahead.clear();
            self.course = Course::End;
            return Ok(());
        };
        let Some(template) = &self.template else { return Ok(()) };
        let link = template.transport.origin.follow(&next, url).map_err(|error| error.of(template.info()))?;
        match (page_number(&link), count) {
            (Some(number), Some(count)) => self.by_number(number, length, count, url),
            _ => self.by_link(link),
        }
    }

    fn by_number(&mut self, next: u64, length: u64, count: u64, url: &Url) -> Result<()> {
        let current = page_number(url).unwrap_or(1);
        if current.checked_add(1) != Some(next) {
            return Err(self.broken(format!("page {current} says that page {next} follows it")));
        }
        let pages = if length == 0 { next } else { count.div_ceil(length) };
        // The items still wanted, in pages of this length.
        let wanted = self.limit.map_or(u64::MAX, |limit| match length {
            0 => next,
            length => current.saturating_add((limit - self.taken).div_ceil(length)),
        });
        // The server says that there is a next page, whatever the count says.
        let last = pages.max(next).min(wanted);
        let unstarted = match self.course {
            Course::Numbered { next: unstarted, .. } => unstarted.max(next),
            _ => next,
        };
        self.course = Course::Numbered { next: unstarted, last };
        self.fill()
    }

    /// Starts the pages that may be under way.
    fn fill(&mut self) -> Result<()> {
        while self.ahead.len() < self.concurrency
            && let Course::Numbered { next, last } = &mut self.course
            && *next <= *last
            && let Some(template) = &self.template
        {
            let number = *next;
            *next += 1;
            let url = with_page(template.request.url(), number);
            self.start(url)?;
        }
        Ok(())
    }

    fn by_link(&mut self, link: Url) -> Result<()> {
        if self.limit.is_some_and(|limit| self.taken >= limit) {
            return Ok(());
        }
        self.course = Course::Linked;
        self.start(link)
    }

    fn start(&mut self, url: Url) -> Result<()> {
        let Some(template) = &self.template else { return Ok(()) };
        if !self.followed.insert(self.hasher.hash_one(url.as_str())) {
            return Err(self.broken("a page's `next` leads back to a page that was already read".to_owned()));
        }
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::configuration("list_all", "a list is to be read within a tokio runtime"))?;
        let call = template.at(url.clone());
        let handle = runtime.spawn(call.fetch(Received::json::<PageBody<T>>));
        self.ahead.push_back(Task { handle, url });
        Ok(())
    }

    fn broken(&self, what: String) -> Error {
        let error = Error::new(ErrorKind::Pagination, what);
        match &self.template {
            Some(template) => error.of(template.info()),
            None => error,
        }
    }

    fn broken_off(&self) -> Error {
        let error = Error::new(ErrorKind::Interrupted, "the runtime was shut down while a page was under way");
        match &self.template {
            Some(template) => error.of(template.info()),
            None => error,
        }
    }

    /// Ends the stream and what is under way for it.
    fn finish(&mut self) {
        self.template = None;
        self.ahead.clear();
        self.course = Course::End;
    }
}

/// The `page` of a page-numbered list's URL. A link with a `cursor` has none, whatever else it carries.
fn page_number(url: &Url) -> Option<u64> {
    let mut number = None;
    for (name, value) in url.query_pairs() {
        match &*name {
            "cursor" => return None,
            "page" => number = value.parse().ok(),
            _ => {}
        }
    }
    number
}

/// The URL of another page of the same list.
fn with_page(url: &Url, number: u64) -> Url {
    let mut paged = url.clone();
    query::set(&mut paged, &[("page".to_owned(), vec![number.to_string()])]);
    paged
}

// Nothing in it refers to itself.
impl<T> Unpin for ListAll<T> {}

impl<T: DeserializeOwned + Send + 'static> Stream for ListAll<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.poll_item(context));
        if matches!(item, Some(Err(_))) {
            self.items = Vec::new().into_iter();
            self.finish();
        }
        Poll::Ready(item)
    }
}

impl<T> fmt::Debug for ListAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListAll")
            .field("course", &self.course)
            .field("concurrency", &self.concurrency)
            .field("limit", &self.limit)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}
