//! Processes fetched pages in list order.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use reqwest::{StatusCode, Url};

use super::checkpoint::Position;
use super::comparing::{Comparing, PendingPage};
use super::identity::Compared;
use super::links::{completed, is_first, page_number, sendable};
use super::list_stream::ListStream;
use super::page_cursor::{CurrentPage, PagePosition};
use super::page_plan::{Next, PageInfo};
use super::prefetch::{Arrival, ArrivedPage};
use super::report::{ListPolicy, PageFailure};
use crate::error::redact::shown_url;
use crate::error::{Error, ErrorKind, Result};
use crate::list::anomaly::ListAnomaly;
use crate::transport::timeouts::saturating_deadline;

impl<T: Send + 'static> ListStream<T> {
    /// Waits for the next page; returns `false` at the list's end.
    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if let Some(comparing) = &mut self.comparing {
                let compared = ready!(comparing.poll(context, &mut self.seen));
                self.comparing = None;
                let (page, compared) = compared?;
                self.arrived(page, compared)?;
                self.fill_window()?;
                return Poll::Ready(Ok(true));
            }
            if self.limit.is_some_and(|limit| self.report.items >= limit) {
                // An error after the last item that is wanted doesn't matter.
                self.refused = self.refused.take().filter(|_| self.page.place.is_none());
                self.finish();
            }
            if let Some(error) = self.refused.take() {
                return Poll::Ready(Err(error));
            }
            if self.template.is_none() {
                return Poll::Ready(Ok(false));
            }
            if std::mem::take(&mut self.at_end) {
                let observation = self.plan.end();
                self.apply_policy(observation)?;
            }
            self.fill_window()?;
            let Some(arrival) = ready!(self.prefetch.poll_first(context)) else {
                self.finish();
                return Poll::Ready(Ok(false));
            };
            let Arrival { number, url, page } = arrival;
            self.window.arrived();
            match page {
                Ok(page) => {
                    let mut page =
                        PendingPage { number, url, page, passed: std::mem::take(&mut self.passed) };
                    if Comparing::is_for(&page) {
                        self.comparing = Some(Comparing::start(page, &mut self.seen));
                        continue;
                    }
                    let compared = page.compare(&mut self.seen);
                    self.arrived(page, compared)?;
                    self.fill_window()?;
                    return Poll::Ready(Ok(true));
                }
                Err(error) => self.failed(number, &url, error)?,
            }
        }
    }

    /// Starts requests for as many pages as may be fetched now.
    fn fill_window(&mut self) -> Result<()> {
        self.deadline = self
            .deadline
            .or_else(|| self.timeout.map(|timeout| saturating_deadline(Instant::now(), timeout)));
        // One more page than may be received at a time waits for its turn, so that the connection is busy
        // while a page is decoded.
        let width = self.window.size();
        while self.prefetch.len() <= width
            && let Some(template) = &self.template
            && let Some((number, url)) = self.plan.next_page()
        {
            let mut request = template.at(url, self.deadline);
            request.throttled = Some(self.window.throttled());
            let fetched = self.fetched.take_if(|(page, _)| *page == number).map(|(_, whole)| whole);
            let decoding = (self.decoder, self.seen.fields().clone());
            self.prefetch.start(&self.transport, request, number, width, decoding, fetched)?;
        }
        Ok(())
    }

    /// Takes a page's items, and plans the pages after it.
    fn arrived(&mut self, page: PendingPage<T>, compared: Compared) -> Result<()> {
        let PendingPage { number, url, page, passed } = page;
        let ArrivedPage { items, length, count, next, unconverted, .. } = page;
        let Some(template) = &self.template else { return Ok(()) };
        let followed = |link: String| match self.transport.origin.follow(&link, &url)? {
            // Only the page number of such a link is used.
            link if count.is_some() && page_number(&link).is_some() => Ok(link),
            link => sendable(completed(link, template.request.url())),
        };
        let (next, unfollowed) = match next.map(followed).transpose() {
            Ok(next) => (next, None),
            // The page's own items are valid all the same.
            Err(error) => {
                let info = self.transport.info(&template.at(url.clone(), None));
                (None, Some(error.of(info).during(format!("following page {number}'s `next`"))))
            }
        };
        let Compared { missed, progress, .. } = compared;
        self.report.identity = self.seen.identity().map(str::to_owned);
        let (offset, repeated) = (self.plan.offset, self.plan.repeated);
        let info = PageInfo { length: length as u64, count, next, repeated: missed, progress };
        let (mut observation, then) = self.plan.arrived(number, info);
        if observation.discard_prefetched {
            self.prefetch.clear();
        }
        self.apply_policy(std::mem::take(&mut observation.before))?;
        self.report.pages += 1;
        self.report.add_conversion_failures(unconverted);
        self.limit_plan(number, items.wanted(self.deduplicate));
        if then == Next::End {
            self.prefetch.clear();
        }
        // A page with a number needs no link, nor does the first page.
        let link = (page_number(&url).is_none() && !(number == 1 && is_first(&url))).then_some(url);
        let place = PagePosition { number, link };
        let (after, after_offset) = match unfollowed {
            // The position after its items still points at what failed.
            Some(_) => (place.at(length), offset),
            None => (then.into(), self.plan.offset),
        };
        let place = Some(place);
        self.seen.drop_last(0);
        self.page =
            CurrentPage { items, place, index: passed, length, offset, repeated, after, after_offset };
        self.refused = match unfollowed {
            Some(error) => Some(error),
            None => self.apply_policy(observation.after).err(),
        };
        if self.refused.is_some() {
            self.plan.stop();
            self.prefetch.clear();
        }
        Ok(())
    }

    /// Limits the plan to the pages that the limit needs, after page `number` and its `wanted` items.
    fn limit_plan(&mut self, number: u64, wanted: usize) {
        if let Some(limit) = self.limit {
            self.plan.limit(number, limit.saturating_sub(self.report.items).saturating_sub(wanted as u64));
        }
    }

    /// Handles a failed page: it was past the list's end, is skipped, or ends the stream.
    fn failed(&mut self, number: u64, url: &Url, error: Error) -> Result<()> {
        if self.plan.total.is_some() && page_number(url).is_some() && is_past_the_end(&error) {
            let (observation, _) = self.plan.page_missing(number);
            // The pages after it are past the end as well.
            self.prefetch.clear();
            // The error shows the server's response, with the anomaly as context.
            let with_page = |judged: Error| match judged.list_anomaly() {
                Some(event) => error.during(judged.to_string()).with_detail(event.clone()),
                None => error,
            };
            self.apply_policy(observation.before).map_err(with_page)?;
            self.page.after = Position::End;
            return self.apply_policy(observation.after);
        }
        let ran_out = self.timeout.filter(|_| {
            error.is_timeout() && self.deadline.is_some_and(|deadline| deadline <= Instant::now())
        });
        let error = match ran_out {
            Some(timeout) => {
                error.during(format!("page {number}, within the time-out of {timeout:?} for the whole list"))
            }
            None => error.during(format!("page {number}")),
        };
        // A failed conversion isn't a failure of the page at the server, and a page without time left didn't
        // fail by itself.
        if self.skip_failed_pages
            && ran_out.is_none()
            && !error.is_url_conversion()
            && let Some((observation, then)) = self.plan.skip_page(number)
        {
            if let Some(event) = observation.after.into_iter().find(ListAnomaly::is_fatal) {
                return Err(error.during(event.to_string()).with_detail(event));
            }
            self.report.page_failure(PageFailure { page: number, url: shown_url(url).into(), error });
            self.page.after = then.into();
            self.page.after_offset = self.plan.offset;
            return Ok(());
        }
        Err(error)
    }

    /// Reports anomalies or returns one as an error, as the policy says.
    fn apply_policy(&mut self, events: Vec<ListAnomaly>) -> Result<()> {
        for event in events {
            let harmless = match event {
                // `deduplicate` drops the items that are repeated.
                ListAnomaly::CountChanged { before, now, .. } => now > before && self.deduplicate,
                ListAnomaly::Repeated { .. } if self.deduplicate => continue,
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

    fn broken(&self, event: ListAnomaly) -> Error {
        let hint = match event.is_fatal() {
            true => "",
            false => "; with the policy `Lenient` this is only reported",
        };
        let error = Error::new(ErrorKind::Pagination, format!("{event}{hint}")).with_detail(event);
        match &self.template {
            Some(template) => error.of(self.transport.info(template)),
            None => error,
        }
    }

    /// Ends the stream and cancels its requests.
    pub(super) fn finish(&mut self) {
        self.template = None;
        self.prefetch.clear();
        self.plan.stop();
        self.page.items.discard_rest();
    }
}

/// Returns whether the server itself says that a page is past the list's end; a proxy's 404 doesn't say that.
fn is_past_the_end(error: &Error) -> bool {
    error.status() == Some(StatusCode::NOT_FOUND)
        && error.response().is_some_and(|response| response.detail().is_some())
}
