//! [`Pagination`]: where a list's pages have their items, the list's length, and the next page.

use http::HeaderName;

/// How a list is read page by page: where its pages have their items, the number of items of the whole list, and
/// what leads to the next page.
///
/// The build derives it for each list operation of the API's document. A
/// [custom request](crate::CustomRequest::pagination) takes one; without it, its pages are those of Django REST
/// Framework: `{"count": 100, "next": "https://…?page=2", "results": […]}`.
///
/// A path is a field's name, or names separated by dots, such as `meta.next`. A list ends with the page that names no
/// next one: the value is missing, null, `false` or an empty text.
///
/// ```
/// use synapse_backend_client::Pagination;
///
/// // {"data": […], "meta": {"total": 100, "next_page": 2}}
/// let pages = Pagination::new().items("data").count("meta.total").next_value("meta.next_page", "page");
/// // […], with the header `Link: <https://…?cursor=x>; rel="next"`
/// let bare = Pagination::new().items("").no_count().link_header();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pagination {
    /// The fields that tell the list's items apart, in order of preference.
    pub(crate) identity: &'static [&'static str],
    /// The path of the items; empty if the response itself is their list.
    pub(crate) items: &'static str,
    pub(crate) count: PageValue,
    pub(crate) next: PageValue,
    /// The query parameter that selects the next page by `next`; `None` if `next` is a URL.
    pub(crate) parameter: Option<&'static str>,
    /// Whether a page may be the array of its items: it has no next page and no count.
    pub(crate) accepts_array: bool,
    /// Whether an object without the items is a page with this item alone.
    pub(crate) accepts_item: bool,
}

/// Where a page has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageValue {
    /// No page has it.
    Absent,
    /// In the field with this path.
    Field(&'static str),
    /// In the header with this name.
    Header(&'static str),
}

impl PageValue {
    /// Returns the field's path.
    pub(crate) fn field(self) -> Option<&'static str> {
        match self {
            PageValue::Field(path) => Some(path),
            _ => None,
        }
    }
}

impl Default for Pagination {
    fn default() -> Self {
        Pagination::new()
    }
}

impl Pagination {
    /// Describes the pages of Django REST Framework: items in `results`, with an `id` each, the list's length in
    /// `count`, and a URL in `next`.
    pub const fn new() -> Self {
        Pagination {
            identity: &["id"],
            items: "results",
            count: PageValue::Field("count"),
            next: PageValue::Field("next"),
            parameter: None,
            accepts_array: false,
            accepts_item: false,
        }
    }

    /// Sets the fields that tell items apart, in order of preference; without any, items can't be told apart. The
    /// default is `id`. [`ListAll::identity`](crate::ListAll::identity) sets them for one list.
    #[must_use]
    pub const fn identified_by(self, identity: &'static [&'static str]) -> Self {
        Pagination { identity, ..self }
    }

    /// Sets the path of the items. If it is empty, the response itself is their list: then call [`no_count`](Self::no_count) or
    /// [`count_header`](Self::count_header), and [`link_header`](Self::link_header) or
    /// [`next_header`](Self::next_header), because a list has no fields.
    #[must_use]
    pub const fn items(self, path: &'static str) -> Self {
        Pagination { items: path, ..self }
    }

    /// Sets the path of the number of items in the whole list.
    #[must_use]
    pub const fn count(self, path: &'static str) -> Self {
        Pagination { count: PageValue::Field(path), ..self }
    }

    /// Sets the header with the number of items in the whole list, such as `X-Total-Count`.
    #[must_use]
    pub const fn count_header(self, name: &'static str) -> Self {
        Pagination { count: PageValue::Header(name), ..self }
    }

    /// Describes a list whose length no page has.
    #[must_use]
    pub const fn no_count(self) -> Self {
        Pagination { count: PageValue::Absent, ..self }
    }

    /// Sets the path of the next page's URL.
    #[must_use]
    pub const fn next_link(self, path: &'static str) -> Self {
        Pagination { next: PageValue::Field(path), parameter: None, ..self }
    }

    /// Sets the path of a value that selects the next page, such as a number or a cursor, and the query parameter
    /// that takes it.
    #[must_use]
    pub const fn next_value(self, path: &'static str, parameter: &'static str) -> Self {
        Pagination { next: PageValue::Field(path), parameter: Some(parameter), ..self }
    }

    /// Reads the next page's URL from the header `Link`, where its relation is `next` (RFC 8288).
    #[must_use]
    pub const fn link_header(self) -> Self {
        Pagination { next: PageValue::Header("link"), parameter: None, ..self }
    }

    /// Sets the header with a value that selects the next page, such as `X-Next-Page`, and the query parameter that
    /// takes it.
    #[must_use]
    pub const fn next_header(self, name: &'static str, parameter: &'static str) -> Self {
        Pagination { next: PageValue::Header(name), parameter: Some(parameter), ..self }
    }

    /// Describes pages that don't lead to another one.
    #[doc(hidden)]
    #[must_use]
    pub const fn no_next(self) -> Self {
        Pagination { next: PageValue::Absent, parameter: None, ..self }
    }

    /// Accepts a page that is the array of its items.
    #[doc(hidden)]
    #[must_use]
    pub const fn or_array(self) -> Self {
        Pagination { accepts_array: true, ..self }
    }

    /// Accepts an object without the items, which is the page's only item.
    #[doc(hidden)]
    #[must_use]
    pub const fn or_item(self) -> Self {
        Pagination { accepts_item: true, ..self }
    }

    /// Returns whether the pages are those of Django REST Framework, with or without a count.
    pub(crate) fn is_usual(&self) -> bool {
        let usual = Pagination::new();
        (self.items, self.next, self.parameter) == (usual.items, usual.next, usual.parameter)
    }

    /// Returns what is wrong with the description.
    pub(crate) fn problem(&self) -> Option<String> {
        let is_path = |path: &str| !path.is_empty() && path.split('.').all(|name| !name.is_empty());
        if !self.items.is_empty() && !is_path(self.items) {
            return Some(format!("pagination: the items' path {:?} has an empty name", self.items));
        }
        for (what, value) in [("count", self.count), ("next page", self.next)] {
            match value {
                PageValue::Field(_) if self.items.is_empty() => {
                    return Some(format!(
                        "pagination: a page that is a list has no field for the {what}: name a header instead"
                    ));
                }
                PageValue::Field(path) if !is_path(path) => {
                    return Some(format!("pagination: the {what}'s path {path:?} has an empty name"));
                }
                PageValue::Header(name) if HeaderName::try_from(name).is_err() => {
                    return Some(format!("pagination: {name:?} can't be a header's name"));
                }
                _ => {}
            }
        }
        if self.next == PageValue::Absent {
            return Some("pagination: it doesn't say where a page names the next one".to_owned());
        }
        match (self.next, self.parameter) {
            (_, Some("")) => Some("pagination: the parameter's name is empty".to_owned()),
            (PageValue::Header(name), Some(_)) if name.eq_ignore_ascii_case("link") => {
                Some("pagination: the header `Link` has a URL: call `link_header`".to_owned())
            }
            _ => None,
        }
    }
}
