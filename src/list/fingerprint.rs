//! Identifies a list: its operation, its path, and all parameters except those that select a page.

use std::collections::BTreeMap;

use reqwest::{Method, Request, Url};

use super::stored_link::{with_query, without_prefix};
use crate::error::redact::excerpt;
use crate::generated::pagination::Pagination;
use crate::transport::origin::Origin;

/// Parameters that select a page or the host of file URLs. They are not part of the query.
const IGNORED_PARAMETERS: [&str; 3] = ["page", "cursor", "url_host"];

/// Returns the text that identifies a list, with the digest of what else identifies it. It contains neither
/// the host nor the base URL's path prefix: the same list of another server, or behind another proxy, has the same text.
pub(super) fn query_of(operation: &str, url: &Url, more: Option<String>, origin: &Origin) -> String {
    let pairs = url.query_pairs().filter(|(name, _)| !IGNORED_PARAMETERS.contains(&&**name));
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    // The order of parameters doesn't matter to any filter.
    pairs.sort_unstable();
    let mut plain = url.clone();
    plain.set_query(None);
    if !pairs.is_empty() {
        plain.query_pairs_mut().extend_pairs(pairs);
    }
    let more = more.map(|digest| format!(" {digest}")).unwrap_or_default();
    format!("{operation} {}{more}", with_query(list_path(url, origin), plain.query()))
}

/// Returns the digest (SHA-256) of the pages' description, if they aren't those of Django REST Framework, and of the
/// requests' body: a search has its parameters there.
pub(super) fn more_of(pagination: &Pagination, request: Option<&Request>) -> Option<String> {
    use sha2::Digest as _;
    let is_search = request.is_some_and(|request| *request.method() == Method::POST);
    let body = request.and_then(|request| request.body()?.as_bytes());
    if pagination.is_usual() && body.is_none() && !is_search {
        return None;
    }
    let mut digest = sha2::Sha256::new();
    if !pagination.is_usual() {
        let Pagination { items, next, parameter, .. } = pagination;
        digest.update(format!("{items:?} {next:?} {parameter:?} "));
    }
    digest.update(if is_search { "POST " } else { "" });
    digest.update(body.unwrap_or_default());
    Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the list's path below the base URL's path prefix.
pub(super) fn list_path<'u>(url: &'u Url, origin: &Origin) -> &'u str {
    origin.below_prefix(url.path()).unwrap_or(url.path())
}

/// Returns a query of format 1, which contains a whole URL, as this format has it. `path` is the list's path.
pub(super) fn from_whole(query: &str, path: &str, guess: bool) -> Option<String> {
    let (operation, url) = Some(query).filter(|query| query.len() <= MAX_QUERY)?.split_once(' ')?;
    let url = Url::parse(url).ok()?;
    Some(format!("{operation} {}", with_query(without_prefix(url.path(), path, guess), url.query())))
}

/// The parts of such a text.
struct QueryParts<'q> {
    operation: &'q str,
    path: &'q str,
    /// Values can be secret, such as a token: only the names are shown.
    params: BTreeMap<String, Vec<String>>,
    /// The digest of the body and of the pages' description; empty if there is none.
    more: &'q str,
}

impl<'q> QueryParts<'q> {
    fn of(query: &'q str) -> Option<Self> {
        let (operation, link) = query.split_once(' ')?;
        let (link, more) = link.split_once(' ').unwrap_or((link, ""));
        let (path, query) = link.split_once('?').unwrap_or((link, ""));
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        let mut params = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            params.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Some(QueryParts { operation, path, params, more })
    }
}

/// Maximum length of a query, in bytes: no server accepts a longer URL.
const MAX_QUERY: usize = 1 << 17;
/// Maximum length of a name and of a path that are shown, in bytes, and maximum number of names.
const MAX_SHOWN_NAME: usize = 60;
const MAX_SHOWN_PATH: usize = 300;
const MAX_SHOWN_NAMES: usize = 10;

/// Describes how a checkpoint's query differs from the requested one.
pub(super) fn difference(kept: &str, asked: &str) -> String {
    if kept.len() > MAX_QUERY {
        return format!("one of {} bytes", kept.len());
    }
    let (Some(kept), Some(asked)) = (QueryParts::of(kept), QueryParts::of(asked)) else {
        return "one that isn't valid".to_owned();
    };
    if kept.operation != asked.operation {
        return format!(
            "of `{}`, but this is `{}`",
            excerpt(kept.operation, MAX_SHOWN_NAME),
            asked.operation
        );
    }
    if kept.path != asked.path {
        return format!(
            "at {}, but this is at {}",
            excerpt(kept.path, MAX_SHOWN_PATH),
            excerpt(asked.path, MAX_SHOWN_PATH)
        );
    }
    let missing =
        asked.params.keys().filter(|name| !kept.params.contains_key(*name)).map(|name| ("without", name));
    let others = kept.params.iter().filter_map(|(name, values)| match asked.params.get(name) {
        Some(asked) if asked == values => None,
        Some(_) => Some(("with another", name)),
        None => Some(("with a", name)),
    });
    let differences = missing.chain(others).take(MAX_SHOWN_NAMES);
    let differences = differences.map(|(how, name)| format!("{how} `{}`", excerpt(name, MAX_SHOWN_NAME)));
    let other = (kept.more != asked.more).then(|| "with another body or `Pagination`".to_owned());
    differences.chain(other).collect::<Vec<_>>().join(", ")
}

/// Returns a query as it may be shown: without the values of its parameters.
pub(super) fn shown_query(query: &str) -> String {
    match Some(query).filter(|query| query.len() <= MAX_QUERY).and_then(QueryParts::of) {
        Some(QueryParts { operation, path, params, .. }) => {
            let names: Vec<_> = params
                .keys()
                .take(MAX_SHOWN_NAMES)
                .map(|name| excerpt(name, MAX_SHOWN_NAME) + "=…")
                .collect();
            let mark = if names.is_empty() { "" } else { "?" };
            format!(
                "{} {}{mark}{}",
                excerpt(operation, MAX_SHOWN_NAME),
                excerpt(path, MAX_SHOWN_PATH),
                names.join("&")
            )
        }
        None => format!("({} bytes)", query.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(url: &str) -> String {
        query_of("list_models", &url.parse().unwrap(), None, &Origin::parse("https://h/api").unwrap())
    }

    #[test]
    fn query_fingerprint_ignores_page() {
        let one = query("https://h/api/models/?project=1&page=7&model_type=a&url_host=internal");
        assert_eq!(one, "list_models /models/?model_type=a&project=1");
        assert_eq!(one, query("https://h/api/models/?model_type=a&project=1&cursor=x"));
        for other in [
            "https://h/api/models/?project=1",
            "https://h/api/events/?project=1&model_type=a",
            "https://h/api/",
        ] {
            assert_ne!(one, query(other));
        }
        assert_ne!(query("https://h/api/models/?page_size=1"), query("https://h/api/models/?page_size=2"));
    }

    #[test]
    fn query_fingerprint_ignores_the_base_url() {
        let one = query("https://h/api/models/?project=1");
        for (base, url) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/models/?project=1"),
            ("https://g/x/y/", "https://g/x/y/models/?project=1"),
        ] {
            let origin = Origin::parse(base).unwrap();
            assert_eq!(query_of("list_models", &url.parse().unwrap(), None, &origin), one);
        }
    }

    #[test]
    fn query_of_format_1_is_read() {
        let now = query("https://h/api/models/?tag=%2f&tag=a+b'&project=1");
        let parameters = now.split_once('?').unwrap().1;
        for base in ["https://h/api", "http://127.0.0.1:8000", "https://u:p@g/x/y"] {
            let before = format!("list_models {base}/models/?{parameters}");
            assert_eq!(from_whole(&before, "/models/", true).unwrap(), now);
        }
        assert_eq!(
            from_whole("list_models https://h/users/", "/models/", true).unwrap(),
            "list_models /users/"
        );
        for other in ["", "list_models", "list_models /models/", &format!("a {}", "x".repeat(1 << 20))] {
            assert_eq!(from_whole(other, "/models/", true), None);
        }
    }

    #[test]
    fn query_difference_names_no_values() {
        let kept = query("https://h/api/models/?project=1&tag=a&tag=b&token=x");
        for (asked, tail) in [
            ("https://h/api/models/?project=1&tag=a&token=x", "with another `tag`"),
            ("https://h/api/models/?project=1&tag=b&tag=a&order=-id", "without `order`, with a `token`"),
            ("https://h/api/models/", "with a `project`, with a `tag`, with a `token`"),
            ("https://u:secret@h/api/tags/?project=1", "at /models/, but this is at /tags/"),
        ] {
            assert_eq!(difference(&kept, &query(asked)), tail);
        }
        let events = "list_events /events/";
        assert_eq!(difference(&kept, events), "of `list_models`, but this is `list_events`");
        assert_eq!(difference("anything", &kept), "one that isn't valid");
        assert_eq!(shown_query(&kept), "list_models /models/?project=…&tag=…&token=…");
        assert_eq!(shown_query(events), "list_events /events/");
        assert_eq!(shown_query("anything?x"), "(10 bytes)");
        let names = (0..100).map(|n| format!("{n:0>90}=x&")).collect::<String>();
        let long = query(&format!("https://h/api/models/?{names}"));
        assert!(shown_query(&long).len() < 1_000 && difference(&long, &kept).len() < 1_500);
    }
}
