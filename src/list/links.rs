//! The links between a list's pages: their page numbers, and the detection of loops.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use http::Uri;
use reqwest::Url;

use crate::call::query;
use crate::error::{Error, ErrorKind, Result};
use crate::generated::pagination::Pagination;

/// Returns the `page` of a URL. A link with a `cursor` has no page number, whatever else it contains.
pub(super) fn page_number(url: &Url) -> Option<u64> {
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

/// Returns whether a URL selects no page and therefore returns the first one. With an `offset`, that is the
/// first page after the offset.
pub(super) fn is_first(url: &Url) -> bool {
    url.query_pairs().all(|(name, value)| name != "cursor" && (name != "page" || value == "1"))
}

/// Returns the `offset` of a list with limit and offset: the number of items before the page. `None` if the
/// URL selects a page in another way.
pub(super) fn offset(url: &Url) -> Option<u64> {
    let mut offset = None;
    for (name, value) in url.query_pairs() {
        match &*name {
            "cursor" | "page" => return None,
            "offset" => offset = value.parse().ok(),
            _ => {}
        }
    }
    offset
}

/// Returns whether a URL returns the beginning of the list.
fn is_head(url: &Url) -> bool {
    is_first(url) && offset(url).is_none()
}

/// Returns whether the parameter that takes a page's value selects the page of a URL, other than by a number.
fn is_selected(url: &Url, pagination: &Pagination) -> bool {
    let has = |parameter| url.query_pairs().any(|(name, _)| name == parameter);
    pagination.parameter.is_some_and(has) && page_number(url).is_none()
}

/// Returns whether a list's own URL returns the beginning of the list.
pub(super) fn begins(url: &Url, pagination: &Pagination) -> bool {
    is_head(url) && !is_selected(url, pagination)
}

/// Returns whether a page number can stand for the page of a list's own URL.
pub(super) fn has_number(url: &Url, pagination: &Pagination) -> bool {
    page_number(url).is_some() || (is_first(url) && !is_selected(url, pagination))
}

/// Returns the URL of another page of the same list.
pub(super) fn with_page(url: &Url, number: u64) -> Url {
    with_value(url, "page", number.to_string())
}

/// Returns the URL of the page that a value of this parameter selects.
pub(super) fn with_value(url: &Url, parameter: &str, value: String) -> Url {
    let mut paged = url.clone();
    query::set(&mut paged, &[(parameter.to_owned(), vec![value])]);
    paged
}

/// Parameters that select a page and its size: a link decides these.
const PAGING: [&str; 5] = ["page", "page_size", "cursor", "limit", "offset"];

/// Adds the parameters of the list's own URL that a link lacks: without a filter the link would return other
/// items. The link's own parameters stay as the server wrote them. Only of the pages of Django REST Framework is it
/// known which parameters select a page: other links stay as they are.
pub(super) fn completed(mut link: Url, list: &Url, pagination: &Pagination) -> Url {
    if !pagination.is_usual() {
        return link;
    }
    let written = list.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let missing: Vec<&str> = {
        let names: HashSet<Cow<'_, str>> = link.query_pairs().map(|(name, _)| name).collect();
        let lacks = |name: &str| !PAGING.contains(&name) && !names.contains(name);
        written.zip(list.query_pairs()).filter(|(_, (name, _))| lacks(name)).map(|(pair, _)| pair).collect()
    };
    if !missing.is_empty() {
        let query = link
            .query()
            .filter(|query| !query.is_empty())
            .into_iter()
            .chain(missing)
            .collect::<Vec<_>>()
            .join("&");
        link.set_query(Some(&query));
    }
    link
}

/// Returns the link if it can be requested: a URI has at most 64 KiB.
pub(super) fn sendable(link: Url) -> Result<Url> {
    match Uri::try_from(link.as_str()) {
        Ok(_) => Ok(link),
        Err(problem) => {
            let message =
                format!("the server's link of {} bytes can't be requested: {problem}", link.as_str().len());
            Err(Error::new(ErrorKind::Decode, message))
        }
    }
}

/// Number of links that are remembered individually.
const MAX_REMEMBERED: usize = 1 << 16;

/// The links that were followed, in bounded memory. A loop among the first links is detected at once, any
/// other loop after a few rounds.
#[derive(Default)]
pub(super) struct Followed {
    hasher: RandomState,
    first: HashSet<u64>,
    /// For the links after those: one link, how many links ago it was, and for how many links it is kept
    /// (Brent's algorithm).
    kept: u64,
    ago: u64,
    keep: u64,
}

impl Followed {
    /// Returns whether a link is new, and remembers it.
    pub(super) fn is_new(&mut self, url: &Url) -> bool {
        let link = self.hasher.hash_one(url.as_str());
        if self.first.len() < MAX_REMEMBERED {
            return self.first.insert(link);
        }
        if self.first.contains(&link) || (self.keep > 0 && self.kept == link) {
            return false;
        }
        self.ago += 1;
        if self.ago >= self.keep {
            (self.kept, self.ago, self.keep) = (link, 0, (self.keep * 2).max(1));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn link_has_page_offset_or_cursor() {
        for (link, number) in [
            ("http://h/?page=7", Some(7)),
            ("http://h/?page_size=9&page=7&project=1", Some(7)),
            ("http://h/?page=7&cursor=cD0x", None),
            ("http://h/?cursor=page%3D2", None),
            ("http://h/?page=last", None),
            ("http://h/", None),
        ] {
            assert_eq!(page_number(&url(link)), number, "{link}");
        }
        assert!(is_first(&url("http://h/?page=1&project=2")) && is_first(&url("http://h/")));
        assert!(!is_first(&url("http://h/?page=2")) && !is_first(&url("http://h/?cursor=x")));
        for (link, behind) in [
            ("http://h/?limit=10&offset=50", Some(50)),
            ("http://h/?offset=50&page=1", None),
            ("http://h/?offset=50&cursor=x", None),
            ("http://h/?offset=-1", None),
            ("http://h/?limit=10", None),
        ] {
            assert_eq!(offset(&url(link)), behind, "{link}");
        }
        assert!(is_head(&url("http://h/?offset=50&page=1")) && is_head(&url("http://h/?limit=10")));
        assert!(!is_head(&url("http://h/?offset=50")) && !is_head(&url("http://h/?page=2")));
        assert_eq!(with_page(&url("http://h/?page=1&a=b"), 3).as_str(), "http://h/?a=b&page=3");
    }

    #[test]
    fn link_regains_missing_parameters() {
        let list = url("http://h/?page=1&page_size=5&a=%2f+x&&b=1&b=2&c&limit=1&offset=0&cursor=q");
        for (link, whole) in [
            ("http://h/", "http://h/?a=%2f+x&b=1&b=2&c"),
            ("http://h/?", "http://h/?a=%2f+x&b=1&b=2&c"),
            ("http://g/y/?cursor=z&%62=#end", "http://g/y/?cursor=z&%62=&a=%2f+x&c#end"),
            ("http://h/?c=1&&b&a=%2F%20x&page=2", "http://h/?c=1&&b&a=%2F%20x&page=2"),
        ] {
            assert_eq!(completed(url(link), &list, &Pagination::new()).as_str(), whole);
        }
        let other = Pagination::new().next_link("links.next");
        assert_eq!(completed(url("http://h/?skiptoken=x"), &list, &other).as_str(), "http://h/?skiptoken=x");
        for bare in ["http://h/", "http://h/?", "http://h/?page=2"] {
            assert_eq!(completed(url("http://h/?x"), &url(bare), &Pagination::new()), url("http://h/?x"));
        }
    }

    #[test]
    fn link_cycle_is_detected_anywhere() {
        for (tail, circle) in [(0, 1), (0, 1000), (0, MAX_REMEMBERED + 10), (MAX_REMEMBERED + 10, 300)] {
            let mut followed = Followed::default();
            let link = |step: usize| if step < tail { step } else { tail + (step - tail) % circle };
            let seen = (0..)
                .find(|step| !followed.is_new(&url(&format!("http://h/?cursor={}", link(*step)))))
                .unwrap();
            assert!(seen >= tail + circle && seen <= tail + 5 * circle + 40, "{tail} {circle}: {seen}");
            assert!(seen == circle || tail >= MAX_REMEMBERED, "{tail} {circle}: {seen}");
        }
    }
}
