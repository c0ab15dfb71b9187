//! Splits a list into parts that can be read independently.

use std::fmt;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::{more_of, query_of};
use super::links::{begins, has_number, page_number, with_value};
use super::list_all::{FetchedPage, ListAll, ListRequest};
use super::page;
use super::page_headers::envelope_in;
use super::page_plan::Counts;
use super::page_text::Envelope;
use crate::error::{Error, Result};
use crate::transport::IncomingResponse;
use crate::transport::timeouts::saturating_deadline;

/// Maximum number of parts that a list is split into.
const MAX_PARTS: u64 = 10_000;

/// A part of a list: a range of its pages.
///
/// It is read by its [`list`](ListPart::list), or by a list of the same query that
/// [resumes](ListAll::resume) from its [`checkpoint`](ListPart::checkpoint), for example in another process. The
/// first part begins with the page that [`partitions`](ListAll::partitions) fetched, so it is as old as that call.
pub struct ListPart<T> {
    list: ListAll<T>,
    checkpoint: Checkpoint,
    first: u64,
    last: Option<u64>,
}

impl<T: Send + 'static> ListPart<T> {
    /// Returns the number of the first page.
    pub fn first_page(&self) -> u64 {
        self.first
    }

    /// Returns the number of the last page; `None` for the last part, which ends where the list ends.
    pub fn last_page(&self) -> Option<u64> {
        self.last
    }

    /// Returns the position at which the part begins, with its end.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns a request for the part's items, with the options of the list that was split.
    pub fn list(self) -> ListAll<T> {
        self.list
    }
}

impl<T> Clone for ListPart<T> {
    fn clone(&self) -> Self {
        ListPart { list: self.list.clone(), checkpoint: self.checkpoint.clone(), ..*self }
    }
}

impl<T> fmt::Debug for ListPart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListPart")
            .field("first_page", &self.first)
            .field("last_page", &self.last)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> ListAll<T> {
    /// Splits the list into at most `parts` ranges of pages. This requests the list's first page, which the first
    /// part doesn't request again: it is as old as this call. Together the parts return every item once.
    ///
    /// A list with few pages is split into fewer parts, and a list without page numbers (a cursor list) into
    /// one. There are never more than 10,000 parts. The last part ends where the list ends, even if the list
    /// grows.
    ///
    /// # Errors
    /// Returns an error if `parts` is zero, if the list has a [`limit`](ListAll::limit) or
    /// [resumes](ListAll::resume) from a checkpoint, or if the first page can't be fetched.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = client.list_ground_truth_events().params(|p| p.page_size(1000)).list_all();
    /// for part in events.clone().partitions(4).await? {
    ///     println!("pages {} to {:?}", part.first_page(), part.last_page());
    ///     // Another process reads the same part with `events.resume(checkpoint)`.
    ///     let checkpoint = serde_json::to_string(part.checkpoint());
    ///     tokio::spawn(part.list().try_collect::<Vec<_>>());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn partitions(self, parts: usize) -> Result<Vec<ListPart<T>>> {
        match parts as u64 {
            0 => Err(Error::invalid_input("partitions: `parts` is zero: give 1 or more")),
            parts => self.split(move |pages| pages.parts(|_| parts)).await,
        }
    }

    /// Splits the list into ranges of at most `pages` pages, as [`partitions`](ListAll::partitions) does. A list of more than
    /// `10,000 * pages` pages is split into 10,000 longer ranges.
    ///
    /// # Errors
    /// Returns an error if `pages` is zero, and in the same cases as [`partitions`](ListAll::partitions).
    pub async fn partitions_of_pages(self, pages: u64) -> Result<Vec<ListPart<T>>> {
        match pages {
            0 => Err(Error::invalid_input("partitions: `pages` is zero: give 1 or more")),
            each => self.split(move |pages| pages.parts(|pages| pages.div_ceil(each))).await,
        }
    }

    /// Returns the part that has these items of the list: `0..1000` are the first 1,000. Unlike ranges of pages, parts of several calls fit
    /// each other even if the server sends pages of another size by then. This requests the list's first page, too.
    ///
    /// A list that resumes from the part's checkpoint needs the [`limit`](ListAll::limit) of the range's length. Read both with
    /// [`ListPolicy::Strict`](crate::ListPolicy::Strict): if the list has another count or pages of another length by then, the range has other
    /// items, which is an error only there. The count is [`Checkpoint::total`] of the part's checkpoint.
    ///
    /// # Errors
    /// Returns an error if [`deduplicate`](ListAll::deduplicate), [`skip_failed_pages`](ListAll::skip_failed_pages) or
    /// [`skip_failed_items`](ListAll::skip_failed_items) is set, as the range would end later, if the range is empty or ends after the list, if the list has no count or no page numbers, if it begins with another page
    /// than the first, and in the same cases as [`partitions`](ListAll::partitions).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let models = client.list_models().list_all();
    /// let part = models.part_of_items(2_000..3_000).await?;
    /// println!("{} models from page {}", part.clone().list().try_collect::<Vec<_>>().await?.len(), part.first_page());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn part_of_items(self, items: Range<u64>) -> Result<ListPart<T>> {
        if items.is_empty() {
            return Err(Error::invalid_input(
                "part_of_items: the range is empty: its end is after its start",
            ));
        }
        let options = &self.options;
        if options.deduplicate || options.skip_failed_pages || options.skip_failed_items {
            return Err(Error::invalid_input(
                "part_of_items: `deduplicate`, `skip_failed_pages` or `skip_failed_items` is set: a range of items can't leave any out",
            ));
        }
        let mut parts = self.split(move |pages| Ok(vec![pages.items(items)?])).await?;
        parts.pop().ok_or_else(|| Error::invalid_input("part_of_items: the list has no parts"))
    }

    /// Splits the list into the ranges of its pages.
    async fn split(self, ranges: impl FnOnce(&Pages) -> Result<Vec<PageRange>>) -> Result<Vec<ListPart<T>>> {
        if self.options.resume.is_some() {
            return Err(Error::invalid_input(
                "partitions: the list begins at a checkpoint: split the whole list",
            ));
        }
        if self.options.limit.is_some() {
            return Err(Error::invalid_input("partitions: `limit` is set: set it for each part instead"));
        }
        let ListRequest { transport, template, timeout, pagination } = self.prepare();
        let template = template?;
        let url = template.request.url().clone();
        let query = query_of(
            template.operation,
            &url,
            more_of(&pagination, Some(&template.request)),
            &transport.origin,
        );
        let info = transport.info(&template);
        let deadline = timeout.map(|timeout| saturating_deadline(Instant::now(), timeout));
        let receive = async |response: Box<IncomingResponse>| {
            let whole = response.whole().await?;
            let in_headers = envelope_in(whole.headers(), &pagination);
            let read = move |body: &Bytes| {
                let in_headers = in_headers?;
                let (length, in_text) = page::length(body, &pagination)?;
                Ok((length, in_headers.or(in_text)))
            };
            whole.inspected(read).await
        };
        let request = template.at(url.clone(), deadline);
        let ((length, Envelope { count, next, .. }), whole) =
            transport.clone().fetch(request, receive).await?;
        let first = page_number(&url).unwrap_or(1).max(1);
        let next = next.map(|next| match pagination.parameter {
            Some(parameter) => Ok(with_value(&url, parameter, next)),
            None => transport.origin.follow(&next, &url),
        });
        let next = next.transpose();
        let next = next.map_err(|error| error.of(info).during("following the first page's `next`"))?;
        let size = length as u64;
        let numbered = next.as_ref().and_then(page_number) == first.checked_add(1) && size > 0;
        let is_whole = next.is_none() && count == Some(size);
        let pages = Pages { first, size, count: count.filter(|_| numbered || is_whole) };
        let mut fetched = FetchedPage::new(first, whole);
        let mut part = |PageRange { from, item, until, limit }: PageRange| {
            let at = match has_number(&url, &pagination) {
                true => Position::Page { number: from, item },
                false => Position::Link { url: url.as_str().into(), number: 1, item },
            };
            let known = numbered || begins(&url, &pagination);
            let counts = Counts {
                until,
                page_size: (numbered || limit.is_some()).then_some(size),
                offset: known.then(|| size.saturating_mul(from - 1)),
                total: count,
                ..Counts::default()
            };
            let checkpoint = Checkpoint::new(query.clone(), at.stored(&transport.origin)).with_counts(counts);
            let mut list = self.clone().resume(checkpoint.clone());
            list.options.limit = limit;
            if from == first {
                list.options.fetched = std::mem::take(&mut fetched);
            }
            ListPart { list, checkpoint, first: from, last: until }
        };
        Ok(ranges(&pages)?.into_iter().map(&mut part).collect())
    }
}

/// The pages of a list that is split.
struct Pages {
    first: u64,
    /// The items of a page.
    size: u64,
    /// The list's count, if its pages have numbers or are one.
    count: Option<u64>,
}

/// The pages of a part.
struct PageRange {
    from: u64,
    /// The index of its first item in its first page.
    item: usize,
    until: Option<u64>,
    limit: Option<u64>,
}

impl Pages {
    /// Splits the pages into as many ranges as `parts` returns for their number.
    fn parts(&self, parts: impl Fn(u64) -> u64) -> Result<Vec<PageRange>> {
        let first = self.first;
        let range = |from, until| PageRange { from, item: 0, until, limit: None };
        let Some(count) = self.count.filter(|_| self.size > 0) else { return Ok(vec![range(first, None)]) };
        let last = count.div_ceil(self.size).max(first);
        let pages = (last - first).saturating_add(1);
        let parts = parts(pages).min(pages).min(MAX_PARTS);
        // If the pages don't divide evenly, the first parts have one page more.
        let begin = |part: u64| first + part * (pages / parts) + part.min(pages % parts);
        Ok((0..parts)
            .map(|index| range(begin(index), (index + 1 < parts).then(|| begin(index + 1) - 1)))
            .collect())
    }

    /// Returns the pages that have these items.
    fn items(&self, items: Range<u64>) -> Result<PageRange> {
        let problem = |problem: String| Error::invalid_input(format!("part_of_items: {problem}"));
        let count = self.count.ok_or_else(|| {
            problem("the list has no count or no page numbers: split it by its parameters instead".to_owned())
        })?;
        if self.first != 1 {
            return Err(problem(format!("the list begins with page {}: leave out `page`", self.first)));
        }
        if items.end > count || self.size == 0 {
            return Err(problem(format!("the list has {count} items, but the range ends at {}", items.end)));
        }
        let page = |item: u64| (item / self.size).saturating_add(1);
        Ok(PageRange {
            from: page(items.start),
            item: usize::try_from(items.start % self.size).unwrap_or(usize::MAX),
            until: Some(page(items.end - 1)),
            limit: Some(items.end - items.start),
        })
    }
}
