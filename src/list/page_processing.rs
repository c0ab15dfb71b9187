//! Processes fetched pages in list order.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use reqwest::{StatusCode, Url};

use super::checkpoint::Position;
use super::comparing::{Comparing, PendingPage};
use super::identity::Compared;
use super::links::{completed, is_first, page_number, sendable, with_value};
use super::list_stream::{ListStream, PageSource, State};
use super::page::Decoding;
use super::page_cursor::{CurrentPage, PagePosition};
use super::page_plan::{Next, PageInfo};
use super::page_text::Envelope;
use super::prefetch::{Arrival, ArrivedPage};
use super::report::{ListPolicy, PageFailure};
use crate::error::redact::shown_url;
use crate::error::{Error, ErrorKind, Result};
use crate::list::anomaly::ListAnomaly;
use crate::transport::timeouts::saturating_deadline;

impl<T: Send + 'static> ListStream<T> {
    /// Waits for the next page; returns `false` at the list's end.
    ///
    /// # Errors
    /// Returns the error that ends the list.
    pub(super) fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if let State::Comparing(comparing) = &mut self.state {
                let compared = ready!(comparing.poll(context, &mut self.seen));
                self.state = State::Reading;
                let (page, compared) = compared?;
                self.arrived(page, compared)?;
                self.fill_window()?;
                return Poll::Ready(Ok(true));
            }
            let has_all = self.options.limit.is_some_and(|limit| self.report.items >= limit);
            // An error after the last item that is wanted doesn't matter.
            if has_all && !(matches!(self.state, State::Refused(_)) && self.page.place.is_none()) {
                self.finish();
            }
            match std::mem::replace(&mut self.state, State::Reading) {
                State::Reading | State::Comparing(_) => {}
                State::AtEnd => {
                    let observation = self.plan.end();
                    self.apply_policy(observation)?;
                }
                State::Refused(error) => {
                    self.finish();
                    return Poll::Ready(Err(error));
                }
                State::Finished => {
                    self.state = State::Finished;
                    return Poll::Ready(Ok(false));
                }
            }
            self.fill_window()?;
            let Some(arrival) = ready!(self.prefetch.poll_first(context)) else {
                self.report.ended = true;
                self.finish();
                return Poll::Ready(Ok(false));
            };
            let Arrival { number, url, page } = arrival;
            match page {
                Ok(page) => {
                    let mut page =
                        PendingPage { number, url, page, passed: std::mem::take(&mut self.passed) };
                    if Comparing::is_for(&page) {
                        self.state = State::Comparing(Comparing::start(page, &mut self.seen));
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
    ///
    /// # Errors
    /// Returns an error outside of a runtime.
    fn fill_window(&mut self) -> Result<()> {
        let PageSource { transport, template, timeout, deadline, decoder, pagination, .. } = &mut self.source;
        *deadline = deadline.or_else(|| timeout.map(|timeout| saturating_deadline(Instant::now(), timeout)));
        while self.prefetch.has_room()
            && let Some(template) = template
            && let Some((number, url)) = self.plan.next_page()
        {
            let request = template.at(url, *deadline);
            let fields = self.seen.fields().clone();
            let decoding = Decoding { decoder: *decoder, pagination: *pagination, fields };
            self.prefetch.start(transport, request, number, decoding, self.options.fetched.take(number))?;
        }
        Ok(())
    }

    /// Takes a page's items, and plans the pages after it.
    ///
    /// # Errors
    /// Returns an anomaly that ends the list before the page's items.
    fn arrived(&mut self, page: PendingPage<T>, compared: Compared) -> Result<()> {
        let PendingPage { number, url, page, passed } = page;
        let ArrivedPage { items, length, envelope, unconverted, .. } = page;
        let Envelope { count, next, names_next } = envelope;
        let PageSource { transport, template: Some(template), pagination, .. } = &self.source else {
            return Ok(());
        };
        let followed = |next: String| match pagination.parameter {
            Some(parameter) => sendable(with_value(template.request.url(), parameter, next)),
            None => match transport.origin.follow(&next, &url)? {
                // Only the page number of such a link is used.
                link if count.is_some() && page_number(&link).is_some() => Ok(link),
                link => sendable(completed(link, template.request.url(), pagination)),
            },
        };
        let (next, unfollowed) = match next.map(followed).transpose() {
            Ok(next) => (next, None),
            // The page's own items are valid all the same.
            Err(error) => {
                let info = transport.info(&template.at(url.clone(), None));
                (None, Some(error.of(info).during(format!("following page {number}'s `next`"))))
            }
        };
        let Compared { missed, progress, .. } = compared;
        self.report.identity = self.seen.identity().map(str::to_owned);
        let (offset, repeated) = (self.plan.counts.offset, self.plan.counts.repeated);
        let names_next = names_next || pagination.is_usual() || pagination.next.field().is_none();
        let info = PageInfo { length: length as u64, count, next, names_next, repeated: missed, progress };
        let (mut observation, then) = self.plan.arrived(number, info);
        if observation.discard_prefetched {
            self.prefetch.clear();
        }
        self.apply_policy(std::mem::take(&mut observation.before))?;
        self.report.pages += 1;
        self.report.add_conversion_failures(unconverted);
        self.limit_plan(number, items.wanted(self.options.deduplicate));
        if then == Next::End {
            self.prefetch.clear();
        }
        // A page with a number needs no link, nor does the first page.
        let link = (page_number(&url).is_none() && !(number == 1 && is_first(&url))).then_some(url);
        let place = PagePosition { number, link };
        let (after, after_offset) = match unfollowed {
            // The position after its items still points at what failed.
            Some(_) => (place.at(length), offset),
            None => (then.into(), self.plan.counts.offset),
        };
        let place = Some(place);
        self.seen.drop_last(0);
        self.page =
            CurrentPage { items, place, index: passed, length, offset, repeated, after, after_offset };
        let refused = match unfollowed {
            Some(error) => Some(error),
            None => self.apply_policy(observation.after).err(),
        };
        if let Some(error) = refused {
            self.state = State::Refused(error);
            self.plan.stop();
            self.prefetch.clear();
        }
        Ok(())
    }

    /// Limits the plan to the pages that the limit needs, after page `number` and its `wanted` items.
    fn limit_plan(&mut self, number: u64, wanted: usize) {
        if let Some(limit) = self.options.limit {
            self.plan.limit(number, limit.saturating_sub(self.report.items).saturating_sub(wanted as u64));
        }
    }

    /// Handles a failed page: it is past the list's end, it is skipped, or it ends the stream.
    ///
    /// # Errors
    /// Returns the page's error if it ends the stream.
    fn failed(&mut self, number: u64, url: &Url, error: Error) -> Result<()> {
        if self.plan.counts.total.is_some() && page_number(url).is_some() && is_past_the_end(&error) {
            let (observation, _) = self.plan.page_missing(number);
            // The pages after it are past the end as well.
            self.prefetch.clear();
            // The error shows the server's response, with the anomaly as context.
            let with_page = |refused: Error| match refused.list_anomaly() {
                Some(anomaly) => error.during(refused.to_string()).with_detail(anomaly.clone()),
                None => error,
            };
            self.apply_policy(observation.before).map_err(with_page)?;
            self.page.after = Position::End;
            return self.apply_policy(observation.after);
        }
        let ran_out = self.source.timeout.filter(|_| {
            error.is_timeout() && self.source.deadline.is_some_and(|deadline| deadline <= Instant::now())
        });
        let error = match ran_out {
            Some(timeout) => {
                error.during(format!("page {number}, within the time-out of {timeout:?} for the whole list"))
            }
            None => error.during(format!("page {number}")),
        };
        // A failed conversion isn't a failure of the page at the server, and a page without time left didn't
        // fail by itself.
        if self.options.skip_failed_pages
            && ran_out.is_none()
            && !error.is_url_conversion()
            && let Some((observation, then)) = self.plan.skip_page(number)
        {
            if let Some(anomaly) = observation.after.into_iter().find(ListAnomaly::is_fatal) {
                return Err(error.during(anomaly.to_string()).with_detail(anomaly));
            }
            self.report.page_failure(PageFailure { page: number, url: shown_url(url).into(), error });
            self.page.after = then.into();
            self.page.after_offset = self.plan.counts.offset;
            // The items to pass over were those of the skipped page.
            self.passed = 0;
            return Ok(());
        }
        Err(error)
    }

    /// Reports anomalies, as the policy says.
    ///
    /// # Errors
    /// Returns the first anomaly that ends the list.
    fn apply_policy(&mut self, anomalies: Vec<ListAnomaly>) -> Result<()> {
        for anomaly in anomalies {
            let harmless = match anomaly {
                // `deduplicate` drops the items that are repeated.
                ListAnomaly::CountChanged { before, now, .. } => now > before && self.options.deduplicate,
                ListAnomaly::Repeated { .. } if self.options.deduplicate => continue,
                _ => false,
            };
            let ends = match self.options.policy {
                ListPolicy::Strict => !harmless,
                ListPolicy::Complete => anomaly.is_loss(),
                ListPolicy::Lenient => false,
            };
            if ends || anomaly.is_fatal() {
                return Err(self.broken(anomaly));
            }
            self.report.event(anomaly);
        }
        Ok(())
    }

    fn broken(&self, anomaly: ListAnomaly) -> Error {
        let hint = match anomaly.is_fatal() {
            true => "",
            false => "; with the policy `Lenient` this is only reported",
        };
        let error = Error::new(ErrorKind::Pagination, format!("{anomaly}{hint}")).with_detail(anomaly);
        match &self.source.template {
            Some(template) => error.of(self.source.transport.info(template)),
            None => error,
        }
    }

    /// Ends the stream and cancels its requests.
    pub(super) fn finish(&mut self) {
        self.state = State::Finished;
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
