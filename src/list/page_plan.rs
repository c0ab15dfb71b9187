//! Plans which page comes next, and detects anomalies. Does no input or output.

use reqwest::Url;

use super::links::{Followed, offset, page_number, with_page};
use crate::list::anomaly::ListAnomaly;

/// Maximum number of pages in a row without a new item; skipped pages count, too.
pub(crate) const MAX_STALLED: u32 = 100;

/// What is known of a list's length.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    /// The last page that is wanted; `None` if that is the list's own last page.
    pub(super) until: Option<u64>,
    /// Items on a full page.
    pub(super) page_size: Option<u64>,
    /// Items in the list before the next page.
    pub(super) offset: Option<u64>,
    /// Items in the whole list.
    pub(super) total: Option<u64>,
    /// The lowest count so far: at least this many different items are expected.
    pub(super) least: Option<u64>,
    /// Repeated items in the list before the next page.
    pub(super) repeated: u64,
}

/// The position in a list, and the pages that follow.
pub(super) struct PagePlan {
    pagination: PageOrder,
    /// The URL that the URLs of numbered pages are built from.
    template: Url,
    /// What is known of the list's length.
    pub(super) counts: Counts,
    /// The `offset` in the first page's URL, which the server may not support; `None` once that page has
    /// arrived.
    requested_offset: Option<u64>,
    /// Whether the list is taken to begin at that offset, which the server may not support.
    offset_is_assumed: bool,
    /// Number of pages in a row without a new item.
    stalled: u32,
    followed: Followed,
    /// The first page was selected by a number from a checkpoint, so the pages after it have numbers, too.
    pub(super) by_number: bool,
    /// A value of the page leads to the next one. Its numbers may begin at 0.
    pub(super) by_value: bool,
    /// A page had the field that leads to the next one.
    pub(super) names_next: bool,
}

/// How the next page is found.
#[derive(Debug)]
enum PageOrder {
    /// By number. `next` is the first page that wasn't requested yet, `last` the last page that is wanted, as
    /// far as known.
    Numbered {
        next: u64,
        last: u64,
        /// The last page of the list or of its range, regardless of the limit.
        end: u64,
    },
    /// By the link of the previous page.
    Linked(Option<(u64, Url)>),
    End,
}

/// What a page says about its list.
#[derive(Debug, Clone)]
pub(super) struct PageInfo {
    /// Items on it.
    pub(super) length: u64,
    pub(super) count: Option<u64>,
    pub(super) next: Option<Url>,
    /// Whether the page has the field that leads to the next one, be it null.
    pub(super) names_next: bool,
    /// Repeated items on it.
    pub(super) repeated: u64,
    /// Whether it has a new item.
    pub(super) progress: bool,
}

/// What follows a page.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Page(u64),
    Link(u64, Url),
    End,
}

/// Anomalies that were found when a page arrived.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Observation {
    /// Anomalies that make the page's own items doubtful.
    pub(super) before: Vec<ListAnomaly>,
    /// Anomalies that take effect after the page's items.
    pub(super) after: Vec<ListAnomaly>,
    /// The prefetched pages are not the next pages.
    pub(super) discard_prefetched: bool,
}

impl PagePlan {
    /// Creates a plan that begins at `url`, page `number` of the list.
    pub(super) fn new(template: Url, url: Url, number: u64) -> Self {
        let mut followed = Followed::default();
        followed.is_new(&url);
        PagePlan {
            requested_offset: offset(&url),
            offset_is_assumed: false,
            pagination: PageOrder::Linked(Some((number, url))),
            template,
            counts: Counts::default(),
            stalled: 0,
            followed,
            by_number: false,
            by_value: false,
            names_next: false,
        }
    }

    /// Returns the next page to request.
    pub(super) fn next_page(&mut self) -> Option<(u64, Url)> {
        match &mut self.pagination {
            PageOrder::Numbered { next, last, .. } => {
                let number = *next;
                if number > *last {
                    return None;
                }
                match number.checked_add(1) {
                    Some(following) => *next = following,
                    None => self.pagination = PageOrder::End,
                }
                Some((number, with_page(&self.template, number)))
            }
            PageOrder::Linked(page) => page.take(),
            PageOrder::End => None,
        }
    }

    /// Handles page `number`, which arrived.
    pub(super) fn arrived(&mut self, number: u64, info: PageInfo) -> (Observation, Next) {
        let PageInfo { length, count, next, names_next, repeated, progress } = info;
        self.names_next |= names_next;
        let mut observation = Observation::default();
        self.counts.least = self.counts.least.or(self.counts.total).into_iter().chain(count).min();
        if let Some(now) = count
            && let Some(before) = self.counts.total.replace(now)
            && before != now
        {
            observation.before.push(ListAnomaly::CountChanged { page: number, before, now });
        }
        if next.is_some() {
            match self.counts.page_size {
                None if length > 0 => self.counts.page_size = Some(length),
                Some(expected) if expected != length => {
                    observation.before.push(ListAnomaly::PageLength {
                        page: number,
                        expected,
                        items: length,
                    });
                }
                _ => {}
            }
        }
        let numbered = matches!(self.pagination, PageOrder::Numbered { .. })
            || next.as_ref().is_some_and(|next| page_number(next).is_some());
        let by_number = || {
            self.counts
                .page_size
                .filter(|_| numbered)
                .and_then(|size| size.checked_mul(number.saturating_sub(1)))
        };
        // If the server uses page numbers, or returns items after the count, it doesn't support the `offset`
        // parameter.
        let asked = self
            .requested_offset
            .take()
            .filter(|asked| !numbered && count.is_none_or(|count| *asked < count));
        self.offset_is_assumed |= self.counts.offset.is_none() && asked.is_some();
        let offset = self.counts.offset.or(asked).or_else(by_number);
        if let (Some(offset), Some(count)) = (offset, count)
            && offset >= count
            && length > 0
        {
            observation.before.push(ListAnomaly::BeyondCount { page: number, count });
        }
        // The last page of a range is as long as the count says: the items before it would be others otherwise.
        let of_range = self.counts.page_size.filter(|_| next.is_none() && self.counts.until.is_some());
        if let (Some(size), Some(offset), Some(total)) = (of_range, offset, self.counts.total) {
            let expected = size.min(total.saturating_sub(offset));
            if length != expected {
                observation.before.push(ListAnomaly::PageLength { page: number, expected, items: length });
            }
        }
        self.counts.offset = offset.map(|offset| offset.saturating_add(length));
        if repeated > 0 {
            self.counts.repeated = self.counts.repeated.saturating_add(repeated);
            observation.before.push(ListAnomaly::Repeated { page: number, items: repeated });
        }
        let then = match next {
            Some(next) if self.counts.until.is_none_or(|until| number < until) => {
                observation.after.extend(self.stall(number, progress));
                self.plan_next(number, next, count, length, &mut observation)
            }
            next => {
                // The last page of a range must be the requested one, too.
                let following = next.as_ref().and_then(page_number).filter(|_| numbered && !self.by_value);
                if let Some(following) = following
                    && number.checked_add(1) != Some(following)
                {
                    observation.before.push(ListAnomaly::OutOfOrder { page: number, next: following });
                }
                if !self.names_next && self.counts.total.is_none() && length > 0 {
                    observation.after.push(ListAnomaly::NoNext { page: number });
                }
                observation.after.extend(self.end());
                Next::End
            }
        };
        (observation, then)
    }

    /// Counts pages in a row without a new item. More pages follow page `number`.
    fn stall(&mut self, number: u64, progress: bool) -> Option<ListAnomaly> {
        self.stalled = if progress { 0 } else { self.stalled.saturating_add(1) };
        (self.stalled >= MAX_STALLED).then_some(ListAnomaly::Endless { page: number })
    }

    fn plan_next(
        &mut self,
        number: u64,
        next: Url,
        count: Option<u64>,
        length: u64,
        observation: &mut Observation,
    ) -> Next {
        let number_of = |next: &Url| {
            page_number(next).filter(|following| !self.by_value || number.checked_add(1) == Some(*following))
        };
        let (Some(following), Some(count)) = (number_of(&next), count) else {
            if !self.followed.is_new(&next) {
                observation.after.push(ListAnomaly::Loop { page: number });
            }
            observation.discard_prefetched = matches!(self.pagination, PageOrder::Numbered { .. });
            let following = number.saturating_add(1);
            let then = Next::Link(following, next.clone());
            self.pagination = PageOrder::Linked(Some((following, next)));
            return then;
        };
        if number.checked_add(1) != Some(following) {
            // The link doesn't lead to the page after the requested one, so the server returned another page.
            observation.before.push(ListAnomaly::OutOfOrder { page: number, next: following });
            return Next::Page(number.saturating_add(1));
        }
        let size = self.counts.page_size.unwrap_or(length).max(1);
        // The server says that there is a next page, even if the count says otherwise.
        let pages = count.div_ceil(size).max(following);
        let last = pages.min(self.counts.until.unwrap_or(u64::MAX));
        let unstarted = match self.pagination {
            PageOrder::Numbered { next, .. } => next.max(following),
            _ => following,
        };
        self.pagination = PageOrder::Numbered { next: unstarted, last, end: last };
        Next::Page(following)
    }

    /// Limits the plan to `left` items after page `number`, which arrived last.
    pub(super) fn limit(&mut self, number: u64, left: u64) {
        match &mut self.pagination {
            PageOrder::Numbered { last, .. } => {
                *last = (*last)
                    .min(number.saturating_add(left.div_ceil(self.counts.page_size.unwrap_or(1).max(1))));
            }
            PageOrder::Linked(page) if left == 0 => *page = None,
            PageOrder::Linked(_) | PageOrder::End => {}
        }
    }

    /// Ends the list, and returns the anomaly if items are missing.
    pub(super) fn end(&mut self) -> Vec<ListAnomaly> {
        self.pagination = PageOrder::End;
        let mut missing = Vec::new();
        let of_range = self
            .counts
            .until
            .zip(self.counts.page_size)
            .and_then(|(until, size)| until.checked_mul(size))
            .unwrap_or(u64::MAX);
        if let (Some(offset), Some(total)) = (self.counts.offset, self.counts.total) {
            // Items that are added while the list is read move others to later pages. Those are repeated, not
            // missing.
            let least = self.counts.least.unwrap_or(total).min(total);
            let items = offset.saturating_sub(self.counts.repeated);
            let short = |promised: u64, items: u64| items < promised.min(of_range);
            if short(total, offset) || short(least, items) {
                let promised = if short(total, offset) { total } else { least };
                missing.push(ListAnomaly::Fewer { promised: promised.min(of_range), items });
            } else if self.counts.until.is_none() && items > total && !self.offset_is_assumed {
                missing.push(ListAnomaly::More { promised: total, items });
            }
        }
        missing
    }

    /// Handles page `number`, which should exist but doesn't (404).
    pub(super) fn page_missing(&mut self, number: u64) -> (Observation, Next) {
        let mut observation =
            Observation { before: vec![ListAnomaly::PageGone { page: number }], ..Observation::default() };
        observation.after = self.end();
        (observation, Next::End)
    }

    /// Skips page `number`, and returns what follows it; `None` if that isn't known.
    pub(super) fn skip_page(&mut self, number: u64) -> Option<(Observation, Next)> {
        if let (true, PageOrder::Linked(None), Some(total), Some(size)) =
            (self.by_number, &self.pagination, self.counts.total, self.counts.page_size)
        {
            let end = total.div_ceil(size.max(1)).min(self.counts.until.unwrap_or(u64::MAX));
            self.pagination = PageOrder::Numbered { next: number.saturating_add(1), last: end, end };
        }
        let PageOrder::Numbered { last, end, .. } = &mut self.pagination else { return None };
        // One more page is needed in place of the skipped one, up to the last page.
        *last = last.saturating_add(1).min(*end);
        let following = number.checked_add(1).filter(|following| *following <= *last);
        self.counts.offset =
            self.counts.offset.zip(self.counts.page_size).map(|(offset, size)| offset.saturating_add(size));
        let mut observation = Observation::default();
        let then = match following {
            Some(following) => {
                observation.after.extend(self.stall(number, false));
                Next::Page(following)
            }
            None => {
                self.pagination = PageOrder::End;
                Next::End
            }
        };
        Some((observation, then))
    }

    pub(super) fn stop(&mut self) {
        self.pagination = PageOrder::End;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "http://h/models/?project=1";

    fn plan() -> PagePlan {
        let mut plan = PagePlan::new(LIST.parse().unwrap(), LIST.parse().unwrap(), 1);
        plan.counts.offset = Some(0);
        assert_eq!(plan.next_page(), Some((1, LIST.parse().unwrap())));
        plan
    }

    fn page(length: u64, count: u64, next: impl Into<Option<u64>>) -> PageInfo {
        let next = next.into().map(|next| with_page(&LIST.parse().unwrap(), next));
        PageInfo { length, count: Some(count), next, names_next: true, repeated: 0, progress: length > 0 }
    }

    fn cursor(length: u64, next: Option<&str>) -> PageInfo {
        let next = next.map(|next| format!("{LIST}&cursor={next}").parse().unwrap());
        PageInfo { length, count: None, next, names_next: true, repeated: 0, progress: length > 0 }
    }

    /// The numbers of the pages that can be requested now.
    fn numbers(plan: &mut PagePlan) -> Vec<u64> {
        std::iter::from_fn(|| plan.next_page()).map(|(number, _)| number).collect()
    }

    fn quiet(observation: (Observation, Next)) -> Next {
        assert_eq!(observation.0, Observation::default());
        observation.1
    }

    #[test]
    fn first_page_sets_page_count() {
        let mut plan = plan();
        assert_eq!(quiet(plan.arrived(1, page(10, 95, 2))), Next::Page(2));
        assert_eq!(numbers(&mut plan), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        for number in 2..10 {
            assert_eq!(quiet(plan.arrived(number, page(10, 95, number + 1))), Next::Page(number + 1));
        }
        assert_eq!(quiet(plan.arrived(10, page(5, 95, None))), Next::End);
        assert!(numbers(&mut plan).is_empty());
    }

    #[test]
    fn first_page_after_checkpoint_skipped() {
        let mut plan = PagePlan::new(LIST.parse().unwrap(), with_page(&LIST.parse().unwrap(), 3), 3);
        (plan.by_number, plan.counts.total, plan.counts.page_size, plan.counts.offset) =
            (true, Some(45), Some(10), Some(20));
        assert_eq!(numbers(&mut plan), [3]);
        assert_eq!(plan.skip_page(3), Some((Observation::default(), Next::Page(4))));
        assert_eq!((numbers(&mut plan), plan.counts.offset), (vec![4, 5], Some(30)));
        // In a list of links, the page after a failed page isn't known.
        let mut plan = self::plan();
        assert_eq!(plan.skip_page(1), None);
    }

    #[test]
    fn limit_requests_no_extra_page() {
        for (left, wanted) in
            [(0, vec![]), (1, vec![2]), (10, vec![2]), (11, vec![2, 3]), (1000, (2..=10).collect())]
        {
            let mut plan = plan();
            plan.arrived(1, page(10, 95, 2));
            plan.limit(1, left);
            assert_eq!(numbers(&mut plan), wanted, "{left}");
        }
    }

    #[test]
    fn reached_limit_follows_no_link() {
        for (left, goes_on) in [(0, false), (1, true)] {
            let mut plan = plan();
            plan.arrived(1, cursor(10, Some("a")));
            plan.limit(1, left);
            assert_eq!(plan.next_page().is_some(), goes_on);
        }
    }

    #[test]
    fn page_range_ends_before_list() {
        let mut plan = PagePlan::new(LIST.parse().unwrap(), with_page(&LIST.parse().unwrap(), 3), 3);
        plan.counts.until = Some(4);
        assert_eq!(numbers(&mut plan), [3]);
        assert_eq!(quiet(plan.arrived(3, page(10, 95, 4))), Next::Page(4));
        assert_eq!(numbers(&mut plan), [4]);
        assert_eq!(quiet(plan.arrived(4, page(10, 95, 5))), Next::End);
        assert!(numbers(&mut plan).is_empty());
    }

    #[test]
    fn links_are_followed_one_by_one() {
        let mut plan = plan();
        for number in 1..5 {
            let link = number.to_string();
            let then = quiet(plan.arrived(number, cursor(10, Some(&link))));
            let url: Url = format!("{LIST}&cursor={link}").parse().unwrap();
            assert_eq!(then, Next::Link(number + 1, url.clone()));
            assert_eq!((plan.next_page(), plan.next_page()), (Some((number + 1, url)), None));
        }
        assert_eq!(quiet(plan.arrived(5, cursor(3, None))), Next::End);
    }

    #[test]
    fn page_anomalies_are_reported() {
        let observation = |pages: &[(u64, PageInfo)]| {
            let mut plan = plan();
            let (last, first) = pages.split_last().unwrap();
            for (number, info) in first {
                quiet(plan.arrived(*number, info.clone()));
            }
            plan.arrived(last.0, last.1.clone()).0
        };
        let first = (1, page(10, 30, 2));
        let before = |event| Observation { before: vec![event], ..Observation::default() };
        let after = |event| Observation { after: vec![event], ..Observation::default() };
        for now in [29, 31] {
            let event = ListAnomaly::CountChanged { page: 2, before: 30, now };
            assert_eq!(observation(&[first.clone(), (2, page(10, now, 3))]), before(event));
        }
        for items in [0, 9, 11] {
            let event = ListAnomaly::PageLength { page: 2, expected: 10, items };
            assert_eq!(observation(&[first.clone(), (2, page(items, 30, 3))]), before(event));
        }
        let fewer = |items| ListAnomaly::Fewer { promised: 30, items };
        assert_eq!(observation(&[first.clone(), (2, page(9, 30, None))]), after(fewer(19)));
        assert_eq!(observation(&[(1, page(3, 30, None))]), after(fewer(3)));
        assert_eq!(
            observation(&[(1, page(10, 8, None))]),
            after(ListAnomaly::More { promised: 8, items: 10 })
        );
        for next in [1, 2, 4] {
            let event = ListAnomaly::OutOfOrder { page: 2, next };
            assert_eq!(observation(&[first.clone(), (2, page(10, 30, next))]), before(event));
        }
        let beyond = ListAnomaly::BeyondCount { page: 2, count: 10 };
        assert_eq!(observation(&[(1, page(10, 10, 2)), (2, page(10, 10, 3))]), before(beyond));
        let event = ListAnomaly::Loop { page: 3 };
        let links = [(1, cursor(9, Some("a"))), (2, cursor(9, Some("b"))), (3, cursor(9, Some("a")))];
        assert_eq!(observation(&links), after(event));
    }

    #[test]
    fn gone_page_ends_list() {
        let mut plan = plan();
        plan.arrived(1, page(10, 30, 2));
        let (observation, then) = plan.page_missing(2);
        assert_eq!(then, Next::End);
        assert_eq!(
            (observation.before, observation.after),
            (vec![ListAnomaly::PageGone { page: 2 }], vec![ListAnomaly::Fewer { promised: 30, items: 10 }])
        );
        assert!(numbers(&mut plan).is_empty());
    }

    #[test]
    fn skipped_page_counts_as_read() {
        let mut plan = plan();
        plan.arrived(1, page(10, 30, 2));
        assert_eq!(numbers(&mut plan), [2, 3]);
        assert_eq!(plan.skip_page(2), Some((Observation::default(), Next::Page(3))));
        assert_eq!(quiet(plan.arrived(3, page(10, 30, None))), Next::End);
    }

    #[test]
    fn count_includes_pages_before_start() {
        let third = || PagePlan::new(LIST.parse().unwrap(), with_page(&LIST.parse().unwrap(), 3), 3);
        let mut plan = third();
        assert_eq!(quiet(plan.arrived(3, page(10, 95, 4))), Next::Page(4));
        assert_eq!(plan.counts.offset, Some(30));
        assert_eq!(quiet(plan.arrived(4, page(10, 95, 5))), Next::Page(5));
        let fewer = ListAnomaly::Fewer { promised: 95, items: 44 };
        assert_eq!(plan.arrived(5, page(4, 95, None)).0.after, [fewer]);
        // The last page alone doesn't show the page size.
        let mut plan = third();
        assert_eq!(quiet(plan.arrived(3, page(4, 95, None))), Next::End);
    }

    #[test]
    fn short_page_range_reports_fewer() {
        let mut plan = plan();
        (plan.counts.until, plan.counts.page_size) = (Some(2), Some(10));
        quiet(plan.arrived(1, page(10, 95, 2)));
        let (observation, then) = plan.arrived(2, page(7, 95, None));
        assert_eq!(
            (observation.after, then),
            (vec![ListAnomaly::Fewer { promised: 20, items: 17 }], Next::End)
        );
    }

    #[test]
    fn empty_page_sets_no_page_size() {
        let mut plan = plan();
        assert_eq!(quiet(plan.arrived(1, page(0, 20, 2))), Next::Page(2));
        assert_eq!(quiet(plan.arrived(2, page(10, 20, 3))), Next::Page(3));
        assert_eq!(quiet(plan.arrived(3, page(10, 20, None))), Next::End);
    }

    #[test]
    fn cursor_link_discards_prefetched() {
        let mut plan = plan();
        plan.arrived(1, page(10, 95, 2));
        assert_eq!(numbers(&mut plan), (2..=10).collect::<Vec<_>>());
        let (observation, then) = plan.arrived(2, cursor(10, Some("x")));
        let url: Url = format!("{LIST}&cursor=x").parse().unwrap();
        assert_eq!(
            (observation, &then),
            (Observation { discard_prefetched: true, ..Observation::default() }, &Next::Link(3, url.clone()))
        );
        assert_eq!(plan.next_page(), Some((3, url)));
    }

    #[test]
    fn link_to_first_page_is_loop() {
        let mut plan = plan();
        quiet(plan.arrived(1, cursor(10, Some("a"))));
        let back = PageInfo { next: Some(LIST.parse().unwrap()), ..cursor(10, None) };
        assert_eq!(plan.arrived(2, back).0.after, [ListAnomaly::Loop { page: 2 }]);
    }

    #[test]
    fn empty_pages_between_others_allowed() {
        let mut plan = plan();
        for number in 1..=3 * u64::from(MAX_STALLED) {
            let length = u64::from(number % 60 == 0);
            assert_eq!(plan.arrived(number, cursor(length, Some(&number.to_string()))).0.after, []);
        }
    }

    /// Returns the page at which the list counts as endless; `page` creates each page from its number.
    fn endless(plan: &mut PagePlan, page: impl Fn(u64) -> PageInfo) -> u64 {
        (1..)
            .find(|number| plan.arrived(*number, page(*number)).0.after.iter().any(ListAnomaly::is_fatal))
            .unwrap()
    }

    #[test]
    fn endless_list_is_stopped() {
        let limit = u64::from(MAX_STALLED);
        // Always new links, to pages without an item or with the same items.
        let link = |number: u64| cursor(0, Some(&number.to_string()));
        assert_eq!(endless(&mut plan(), link), limit);
        assert_eq!(
            endless(&mut plan(), |number| PageInfo { length: 10, progress: number == 1, ..link(number) }),
            limit + 1
        );
        // The same items on numbered pages, whatever the count.
        for count in [10, u64::MAX] {
            let page = |number| PageInfo { progress: number == 1, ..page(10, count, number + 1) };
            assert_eq!(endless(&mut plan(), page), limit + 1);
        }
        // Skipped pages.
        let mut plan = plan();
        plan.arrived(1, page(1, 1_000_000_000_000_000, 2));
        let fatal = |number: &u64| plan.skip_page(*number).unwrap().0.after.iter().any(ListAnomaly::is_fatal);
        assert_eq!((2..).find(fatal), Some(limit + 1));
    }

    #[test]
    fn list_end_is_not_stalled() {
        let mut plan = plan();
        for number in 1..u64::from(MAX_STALLED) {
            plan.arrived(number, cursor(0, Some(&number.to_string())));
        }
        assert_eq!(quiet(plan.arrived(u64::from(MAX_STALLED), cursor(0, None))), Next::End);
    }

    #[test]
    fn repeated_items_do_not_count() {
        let again = |repeated, info| PageInfo { repeated, ..info };
        let mut plan = plan();
        plan.arrived(1, page(10, 30, 2));
        let (observation, _) = plan.arrived(2, again(3, page(10, 30, 3)));
        assert_eq!(observation.before, [ListAnomaly::Repeated { page: 2, items: 3 }]);
        let (observation, _) = plan.arrived(3, page(10, 30, None));
        assert_eq!(observation.after, [ListAnomaly::Fewer { promised: 30, items: 27 }]);
        // A list that grew is complete with all items that it had at the beginning.
        let mut plan = self::plan();
        plan.arrived(1, page(10, 30, 2));
        plan.arrived(2, again(3, page(10, 33, 3)));
        plan.arrived(3, page(10, 33, 4));
        assert_eq!(plan.arrived(4, page(3, 33, None)).0.after, []);
        let mut plan = self::plan();
        plan.arrived(1, page(10, 30, 2));
        plan.arrived(2, again(4, page(10, 33, 3)));
        plan.arrived(3, page(10, 33, 4));
        assert_eq!(
            plan.arrived(4, page(3, 33, None)).0.after,
            [ListAnomaly::Fewer { promised: 30, items: 29 }]
        );
    }

    mod extremes {
        use proptest::prelude::*;

        use super::*;

        fn number() -> impl Strategy<Value = u64> {
            prop_oneof![
                0_u64..4,
                (u64::MAX - 3)..=u64::MAX,
                Just(u64::MAX / 2),
                Just(1_000_000_000_000_000),
                any::<u64>()
            ]
        }

        #[derive(Debug, Clone)]
        enum Step {
            Arrived {
                own: bool,
                number: u64,
                length: u64,
                count: Option<u64>,
                next: Option<u64>,
                repeated: u64,
            },
            PassOver,
            Gone,
            Limit(u64),
        }

        fn step() -> impl Strategy<Value = Step> {
            let option = || prop::option::of(number());
            prop_oneof![
                6 => (any::<bool>(), number(), number(), option(), option(), number()).prop_map(
                    |(own, number, length, count, next, repeated)| Step::Arrived { own, number, length, count, next, repeated }
                ),
                2 => Just(Step::PassOver),
                1 => Just(Step::Gone),
                1 => number().prop_map(Step::Limit),
            ]
        }

        proptest! {
            #[test]
            fn any_page_numbers_are_accepted(
                first in number(), until in prop::option::of(number()), size in prop::option::of(number()),
                offset in prop::option::of(number()), total in prop::option::of(number()), repeated in number(),
                steps in prop::collection::vec(step(), 0..12),
            ) {
                let list: Url = LIST.parse().unwrap();
                let mut plan = PagePlan::new(list.clone(), with_page(&list, first), first);
                (plan.counts.until, plan.counts.page_size, plan.counts.offset, plan.counts.total) = (until, size, offset, total);
                plan.counts.repeated = repeated;
                let mut asked = first;
                for step in steps {
                    asked = plan.next_page().map_or(asked, |(number, _)| number);
                    match step {
                        Step::Arrived { own, number, length, count, next, repeated } => {
                            let number = if own { asked } else { number };
                            // The next number, from a server whose list has no end; or any number.
                            let next = next.map(|next| if own { number.wrapping_add(1) } else { next });
                            let next = next.map(|next| with_page(&list, next));
                            plan.arrived(number, PageInfo { length, count, next, names_next: true, repeated, progress: length > 0 });
                        }
                        Step::PassOver => drop(plan.skip_page(asked)),
                        Step::Gone => drop(plan.page_missing(asked)),
                        Step::Limit(left) => plan.limit(asked, left),
                    }
                }
            }
        }
    }
}
