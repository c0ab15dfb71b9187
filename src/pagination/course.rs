//! A list's course, apart from all input and output: which page comes next, and what each page tells of the list.

use reqwest::Url;

use super::links::{Followed, offset, page_number, with_page};
use crate::list_event::ListEvent;

/// Pages without an item that may follow one another.
const MAX_EMPTY: u32 = 100;
/// Pages that may lie behind the end that the count tells of.
const MAX_BEYOND: u32 = 1_000;

/// Where a list is, and where it goes.
pub(super) struct Course {
    way: Way,
    /// The URL that pages by number are made of.
    template: Url,
    /// The last page that is wanted; nothing where that is the list's own.
    pub(super) until: Option<u64>,
    /// Items on a full page.
    pub(super) page_size: Option<u64>,
    /// Items in the list before the next page.
    pub(super) offset: Option<u64>,
    /// As the first page's URL asks for it, which the server may not know as that: nothing once the page is there.
    asked_offset: Option<u64>,
    /// Items in the whole list.
    pub(super) total: Option<u64>,
    empty: u32,
    beyond: u32,
    followed: Followed,
}

/// How the next page is found.
#[derive(Debug)]
enum Way {
    /// By number. `next` is the number of the first page that wasn't given out yet, `last` the last one that is wanted as
    /// far as is known.
    Numbered {
        next: u64,
        last: u64,
        /// The last one of the list, whether it is wanted or not.
        end: u64,
    },
    /// By the link of the page before.
    Linked(Option<(u64, Url)>),
    End,
}

/// What a page tells.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Items on it.
    pub(super) length: u64,
    pub(super) count: Option<u64>,
    pub(super) next: Option<Url>,
}

/// What follows a page.
#[derive(Debug, PartialEq)]
pub(super) enum Then {
    Page(u64),
    Link(u64, Url),
    End,
}

/// What was heard of a list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// What makes the page's own items doubtful.
    pub(super) before: Vec<ListEvent>,
    /// What is to be said behind them.
    pub(super) after: Vec<ListEvent>,
    /// Pages that were given out ahead lead nowhere.
    pub(super) astray: bool,
}

impl Course {
    /// Begins at `url`, page `number` of the list.
    pub(super) fn new(template: Url, url: Url, number: u64) -> Self {
        let mut followed = Followed::default();
        followed.is_new(&url);
        Course {
            asked_offset: offset(&url),
            way: Way::Linked(Some((number, url))),
            template,
            until: None,
            page_size: None,
            offset: None,
            total: None,
            empty: 0,
            beyond: 0,
            followed,
        }
    }

    /// The next page to be asked for.
    pub(super) fn next_page(&mut self) -> Option<(u64, Url)> {
        match &mut self.way {
            Way::Numbered { next, last, .. } => {
                let number = *next;
                (number <= *last).then(|| {
                    *next += 1;
                    (number, with_page(&self.template, number))
                })
            }
            Way::Linked(page) => page.take(),
            Way::End => None,
        }
    }

    /// Page `number` is there.
    pub(super) fn arrived(&mut self, number: u64, facts: Facts) -> (Heard, Then) {
        let Facts { length, count, next } = facts;
        let mut heard = Heard::default();
        if let Some(now) = count
            && let Some(before) = self.total.replace(now)
            && before != now
        {
            heard.before.push(ListEvent::CountChanged { page: number, before, now });
        }
        if next.is_some() {
            match self.page_size {
                None if length > 0 => self.page_size = Some(length),
                Some(expected) if expected != length => {
                    heard.before.push(ListEvent::PageLength { page: number, expected, items: length });
                }
                _ => {}
            }
        }
        let numbered = matches!(self.way, Way::Numbered { .. }) || next.as_ref().is_some_and(|next| page_number(next).is_some());
        let by_number = || self.page_size.filter(|_| numbered).and_then(|size| size.checked_mul(number.saturating_sub(1)));
        // A server that counts pages, or has items where there can't be any, takes an `offset` for something else.
        let asked = self.asked_offset.take().filter(|asked| !numbered && count.is_none_or(|count| *asked < count));
        let offset = self.offset.or(asked).or_else(by_number);
        if let (Some(offset), Some(count)) = (offset, count)
            && offset >= count
            && length > 0
        {
            self.beyond += 1;
            heard.before.push(match self.beyond > MAX_BEYOND {
                true => ListEvent::Endless { page: number },
                false => ListEvent::BeyondCount { page: number, count },
            });
        }
        self.offset = offset.map(|offset| offset.saturating_add(length));
        self.empty = if length == 0 { self.empty + 1 } else { 0 };
        if self.empty > MAX_EMPTY {
            heard.after.push(ListEvent::Endless { page: number });
        }
        let then = match next {
            Some(next) if self.until.is_none_or(|until| number < until) => self.go_on(number, next, count, length, &mut heard),
            _ => self.end(&mut heard),
        };
        (heard, then)
    }

    fn go_on(&mut self, number: u64, next: Url, count: Option<u64>, length: u64, heard: &mut Heard) -> Then {
        let (Some(following), Some(count)) = (page_number(&next), count) else {
            if !self.followed.is_new(&next) {
                heard.after.push(ListEvent::Loop { page: number });
            }
            heard.astray = matches!(self.way, Way::Numbered { .. });
            let then = Then::Link(number + 1, next.clone());
            self.way = Way::Linked(Some((number + 1, next)));
            return then;
        };
        if number.checked_add(1) != Some(following) {
            // It is the page before that link, rather than the one that was asked for.
            heard.before.push(ListEvent::OutOfOrder { page: number, next: following });
            return Then::Page(number.saturating_add(1));
        }
        let size = self.page_size.unwrap_or(length).max(1);
        // The server says that there is a next page, whatever the count says.
        let pages = count.div_ceil(size).max(following);
        let last = pages.min(self.until.unwrap_or(u64::MAX));
        let unstarted = match self.way {
            Way::Numbered { next, .. } => next.max(following),
            _ => following,
        };
        self.way = Way::Numbered { next: unstarted, last, end: last };
        Then::Page(following)
    }

    /// No more than `left` items are wanted behind page `number`, which arrived last.
    pub(super) fn limit(&mut self, number: u64, left: u64) {
        match &mut self.way {
            Way::Numbered { last, .. } => {
                *last = (*last).min(number.saturating_add(left.div_ceil(self.page_size.unwrap_or(1).max(1))));
            }
            Way::Linked(page) if left == 0 => *page = None,
            Way::Linked(_) | Way::End => {}
        }
    }

    fn end(&mut self, heard: &mut Heard) -> Then {
        self.way = Way::End;
        let of_range = self.until.zip(self.page_size).and_then(|(until, size)| until.checked_mul(size)).unwrap_or(u64::MAX);
        if let (Some(items), Some(total)) = (self.offset, self.total)
            && items < total.min(of_range)
        {
            heard.after.push(ListEvent::Fewer { promised: total.min(of_range), items });
        }
        Then::End
    }

    /// Page `number` isn't there (404), though it should be.
    pub(super) fn gone(&mut self, number: u64) -> (Heard, Then) {
        let mut heard = Heard { before: vec![ListEvent::PageGone { page: number }], ..Heard::default() };
        let then = self.end(&mut heard);
        (heard, then)
    }

    /// What follows page `number`, which is passed over; nothing where that can't be told.
    pub(super) fn pass_over(&mut self, number: u64) -> Option<Then> {
        let Way::Numbered { last, end, .. } = &mut self.way else { return None };
        // Its items are wanted of the page behind those that were.
        *last = last.saturating_add(1).min(*end);
        let last = *last;
        self.offset = self.offset.zip(self.page_size).map(|(offset, size)| offset.saturating_add(size));
        match number < last {
            true => Some(Then::Page(number + 1)),
            false => {
                self.way = Way::End;
                Some(Then::End)
            }
        }
    }

    pub(super) fn stop(&mut self) {
        self.way = Way::End;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "http://h/models/?project=1";

    fn course() -> Course {
        let mut course = Course::new(LIST.parse().unwrap(), LIST.parse().unwrap(), 1);
        course.offset = Some(0);
        assert_eq!(course.next_page(), Some((1, LIST.parse().unwrap())));
        course
    }

    fn page(length: u64, count: u64, next: impl Into<Option<u64>>) -> Facts {
        let next = next.into().map(|next| with_page(&LIST.parse().unwrap(), next));
        Facts { length, count: Some(count), next }
    }

    fn cursor(length: u64, next: Option<&str>) -> Facts {
        let next = next.map(|next| format!("{LIST}&cursor={next}").parse().unwrap());
        Facts { length, count: None, next }
    }

    /// The numbers of the pages that may be asked for now.
    fn numbers(course: &mut Course) -> Vec<u64> {
        std::iter::from_fn(|| course.next_page()).map(|(number, _)| number).collect()
    }

    fn quiet(heard: (Heard, Then)) -> Then {
        assert_eq!(heard.0, Heard::default());
        heard.1
    }

    #[test]
    fn the_first_page_tells_how_many_there_are() {
        let mut course = course();
        assert_eq!(quiet(course.arrived(1, page(10, 95, 2))), Then::Page(2));
        assert_eq!(numbers(&mut course), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        for number in 2..10 {
            assert_eq!(quiet(course.arrived(number, page(10, 95, number + 1))), Then::Page(number + 1));
        }
        assert_eq!(quiet(course.arrived(10, page(5, 95, None))), Then::End);
        assert!(numbers(&mut course).is_empty());
    }

    #[test]
    fn a_limit_wants_no_page_more() {
        for (left, wanted) in [(0, vec![]), (1, vec![2]), (10, vec![2]), (11, vec![2, 3]), (1000, (2..=10).collect())] {
            let mut course = course();
            course.arrived(1, page(10, 95, 2));
            course.limit(1, left);
            assert_eq!(numbers(&mut course), wanted, "{left}");
        }
    }

    #[test]
    fn a_limit_that_is_reached_follows_no_link() {
        for (left, goes_on) in [(0, false), (1, true)] {
            let mut course = course();
            course.arrived(1, cursor(10, Some("a")));
            course.limit(1, left);
            assert_eq!(course.next_page().is_some(), goes_on);
        }
    }

    #[test]
    fn a_range_ends_before_the_list_does() {
        let mut course = Course::new(LIST.parse().unwrap(), with_page(&LIST.parse().unwrap(), 3), 3);
        course.until = Some(4);
        assert_eq!(numbers(&mut course), [3]);
        assert_eq!(quiet(course.arrived(3, page(10, 95, 4))), Then::Page(4));
        assert_eq!(numbers(&mut course), [4]);
        assert_eq!(quiet(course.arrived(4, page(10, 95, 5))), Then::End);
        assert!(numbers(&mut course).is_empty());
    }

    #[test]
    fn a_list_of_links_is_followed_one_by_one() {
        let mut course = course();
        for number in 1..5 {
            let link = number.to_string();
            let then = quiet(course.arrived(number, cursor(10, Some(&link))));
            let url: Url = format!("{LIST}&cursor={link}").parse().unwrap();
            assert_eq!(then, Then::Link(number + 1, url.clone()));
            assert_eq!((course.next_page(), course.next_page()), (Some((number + 1, url)), None));
        }
        assert_eq!(quiet(course.arrived(5, cursor(3, None))), Then::End);
    }

    #[test]
    fn what_a_page_tells_of_the_list_is_heard() {
        let heard = |pages: &[(u64, Facts)]| {
            let mut course = course();
            let (last, first) = pages.split_last().unwrap();
            for (number, facts) in first {
                quiet(course.arrived(*number, facts.clone()));
            }
            course.arrived(last.0, last.1.clone()).0
        };
        let first = (1, page(10, 30, 2));
        let before = |event| Heard { before: vec![event], ..Heard::default() };
        let after = |event| Heard { after: vec![event], ..Heard::default() };
        for now in [29, 31] {
            let event = ListEvent::CountChanged { page: 2, before: 30, now };
            assert_eq!(heard(&[first.clone(), (2, page(10, now, 3))]), before(event));
        }
        for items in [0, 9, 11] {
            let event = ListEvent::PageLength { page: 2, expected: 10, items };
            assert_eq!(heard(&[first.clone(), (2, page(items, 30, 3))]), before(event));
        }
        let fewer = |items| ListEvent::Fewer { promised: 30, items };
        assert_eq!(heard(&[first.clone(), (2, page(9, 30, None))]), after(fewer(19)));
        assert_eq!(heard(&[(1, page(3, 30, None))]), after(fewer(3)));
        assert_eq!(heard(&[(1, page(10, 8, None))]), Heard::default());
        for next in [1, 2, 4] {
            let event = ListEvent::OutOfOrder { page: 2, next };
            assert_eq!(heard(&[first.clone(), (2, page(10, 30, next))]), before(event));
        }
        let beyond = ListEvent::BeyondCount { page: 2, count: 10 };
        assert_eq!(heard(&[(1, page(10, 10, 2)), (2, page(10, 10, 3))]), before(beyond));
        let event = ListEvent::Loop { page: 3 };
        let links = [(1, cursor(9, Some("a"))), (2, cursor(9, Some("b"))), (3, cursor(9, Some("a")))];
        assert_eq!(heard(&links), after(event));
    }

    #[test]
    fn a_page_that_is_gone_is_the_end() {
        let mut course = course();
        course.arrived(1, page(10, 30, 2));
        let (heard, then) = course.gone(2);
        assert_eq!(then, Then::End);
        assert_eq!(
            (heard.before, heard.after),
            (vec![ListEvent::PageGone { page: 2 }], vec![ListEvent::Fewer { promised: 30, items: 10 }])
        );
        assert!(numbers(&mut course).is_empty());
    }

    #[test]
    fn a_page_that_is_passed_over_counts_as_read() {
        let mut course = course();
        course.arrived(1, page(10, 30, 2));
        assert_eq!(numbers(&mut course), [2, 3]);
        assert_eq!(course.pass_over(2), Some(Then::Page(3)));
        assert_eq!(quiet(course.arrived(3, page(10, 30, None))), Then::End);
    }

    #[test]
    fn a_list_that_begins_at_a_later_page_is_counted_from_its_head() {
        let third = || Course::new(LIST.parse().unwrap(), with_page(&LIST.parse().unwrap(), 3), 3);
        let mut course = third();
        assert_eq!(quiet(course.arrived(3, page(10, 95, 4))), Then::Page(4));
        assert_eq!(course.offset, Some(30));
        assert_eq!(quiet(course.arrived(4, page(10, 95, 5))), Then::Page(5));
        let fewer = ListEvent::Fewer { promised: 95, items: 44 };
        assert_eq!(course.arrived(5, page(4, 95, None)).0.after, [fewer]);
        // Of the last page alone it isn't known how long the others are.
        let mut course = third();
        assert_eq!(quiet(course.arrived(3, page(4, 95, None))), Then::End);
    }

    #[test]
    fn a_range_has_as_many_items_as_its_pages_should() {
        let mut course = course();
        (course.until, course.page_size) = (Some(2), Some(10));
        quiet(course.arrived(1, page(10, 95, 2)));
        let (heard, then) = course.arrived(2, page(7, 95, None));
        assert_eq!((heard.after, then), (vec![ListEvent::Fewer { promised: 20, items: 17 }], Then::End));
    }

    #[test]
    fn a_page_without_items_does_not_tell_how_long_the_others_are() {
        let mut course = course();
        assert_eq!(quiet(course.arrived(1, page(0, 20, 2))), Then::Page(2));
        assert_eq!(quiet(course.arrived(2, page(10, 20, 3))), Then::Page(3));
        assert_eq!(quiet(course.arrived(3, page(10, 20, None))), Then::End);
    }

    #[test]
    fn pages_by_number_that_go_on_with_links_lead_astray() {
        let mut course = course();
        course.arrived(1, page(10, 95, 2));
        assert_eq!(numbers(&mut course), (2..=10).collect::<Vec<_>>());
        let (heard, then) = course.arrived(2, cursor(10, Some("x")));
        let url: Url = format!("{LIST}&cursor=x").parse().unwrap();
        assert_eq!((heard, &then), (Heard { astray: true, ..Heard::default() }, &Then::Link(3, url.clone())));
        assert_eq!(course.next_page(), Some((3, url)));
    }

    #[test]
    fn a_link_back_to_the_first_page_is_a_loop() {
        let mut course = course();
        quiet(course.arrived(1, cursor(10, Some("a"))));
        let back = Facts { length: 10, count: None, next: Some(LIST.parse().unwrap()) };
        assert_eq!(course.arrived(2, back).0.after, [ListEvent::Loop { page: 2 }]);
    }

    #[test]
    fn pages_without_items_are_no_matter_where_others_come_between() {
        let mut course = course();
        for number in 1..=3 * u64::from(MAX_EMPTY) {
            let length = u64::from(number % 60 == 0);
            assert_eq!(course.arrived(number, cursor(length, Some(&number.to_string()))).0.after, []);
        }
    }

    #[test]
    fn no_list_is_endless() {
        // Ever new links to pages without an item.
        let mut course = course();
        let end = (1..).find(|number| course.arrived(*number, cursor(0, Some(&number.to_string()))).0 != Heard::default());
        assert_eq!(end, Some(u64::from(MAX_EMPTY) + 1));
        // The same count on ever new pages.
        let mut course = self::course();
        let fatal = |number: &u64| {
            let (heard, _) = course.arrived(*number, page(10, 10, number + 1));
            heard.before.iter().any(ListEvent::is_fatal)
        };
        assert_eq!((1..).find(fatal), Some(u64::from(MAX_BEYOND) + 2));
    }
}
