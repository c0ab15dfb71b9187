//! Identifies a list: its operation, and its URL with all parameters except those that select a page.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::error::redact::{excerpt, shown_url};

/// Parameters that select a page or the host of file URLs. They are not part of the query.
const IGNORED_PARAMETERS: [&str; 3] = ["page", "cursor", "url_host"];

/// Returns the text that identifies a list.
pub(super) fn query_of(operation: &str, url: &Url) -> String {
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
    format!("{operation} {plain}")
}

/// The parts of such a text.
struct QueryParts<'q> {
    operation: &'q str,
    /// Without its query.
    url: String,
    /// Values can be secret, such as a token: only the names are shown.
    params: BTreeMap<String, Vec<String>>,
}

impl<'q> QueryParts<'q> {
    fn of(query: &'q str) -> Option<Self> {
        let (operation, url) = query.split_once(' ')?;
        let url = Url::parse(url).ok()?;
        let mut params = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in url.query_pairs() {
            params.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Some(QueryParts { operation, url: shown_url(&url).into(), params })
    }
}

/// Maximum length of a query, in bytes: no server accepts a longer URL.
const MAX_QUERY: usize = 1 << 17;
/// Maximum length of a name and of a URL that are shown, in bytes, and maximum number of names.
const MAX_SHOWN_NAME: usize = 60;
const MAX_SHOWN_URL: usize = 300;
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
    if kept.url != asked.url {
        return format!(
            "at {}, but this is at {}",
            excerpt(&kept.url, MAX_SHOWN_URL),
            excerpt(&asked.url, MAX_SHOWN_URL)
        );
    }
    let missing =
        asked.params.keys().filter(|name| !kept.params.contains_key(*name)).map(|name| ("without", name));
    let others = kept.params.iter().filter_map(|(name, values)| match asked.params.get(name) {
        Some(asked) if asked == values => None,
        Some(_) => Some(("with another", name)),
        None => Some(("with a", name)),
    });
    let differences: Vec<_> = missing.chain(others).take(MAX_SHOWN_NAMES).collect();
    differences
        .iter()
        .map(|(how, name)| format!("{how} `{}`", excerpt(name, MAX_SHOWN_NAME)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns a query as it may be shown: without the values of its parameters.
pub(super) fn shown_query(query: &str) -> String {
    match Some(query).filter(|query| query.len() <= MAX_QUERY).and_then(QueryParts::of) {
        Some(QueryParts { operation, url, params }) => {
            let names: Vec<_> = params
                .keys()
                .take(MAX_SHOWN_NAMES)
                .map(|name| excerpt(name, MAX_SHOWN_NAME) + "=…")
                .collect();
            let mark = if names.is_empty() { "" } else { "?" };
            format!(
                "{} {}{mark}{}",
                excerpt(operation, MAX_SHOWN_NAME),
                excerpt(&url, MAX_SHOWN_URL),
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
        query_of("list_models", &url.parse().unwrap())
    }

    #[test]
    fn query_fingerprint_ignores_page() {
        let one = query("https://h/api/models/?project=1&page=7&model_type=a&url_host=internal");
        assert_eq!(one, "list_models https://h/api/models/?model_type=a&project=1");
        assert_eq!(one, query("https://h/api/models/?model_type=a&project=1&cursor=x"));
        for other in [
            "https://h/api/models/?project=1",
            "https://g/api/models/?project=1&model_type=a",
            "https://h/models/",
        ] {
            assert_ne!(one, query(other));
        }
        assert_ne!(query("https://h/models/?page_size=1"), query("https://h/models/?page_size=2"));
    }

    #[test]
    fn query_difference_names_no_values() {
        let kept = query("https://h/models/?project=1&tag=a&tag=b&token=x");
        for (asked, tail) in [
            ("https://h/models/?project=1&tag=a&token=x", "with another `tag`"),
            ("https://h/models/?project=1&tag=b&tag=a&order=-id", "without `order`, with a `token`"),
            ("https://h/models/", "with a `project`, with a `tag`, with a `token`"),
            (
                "https://u:secret@g/models/?project=1",
                "at https://h/models/, but this is at https://g/models/",
            ),
        ] {
            assert_eq!(difference(&kept, &query(asked)), tail);
        }
        let events = query_of("list_events", &"https://h/events/".parse().unwrap());
        assert_eq!(difference(&kept, &events), "of `list_models`, but this is `list_events`");
        assert_eq!(difference("anything", &kept), "one that isn't valid");
        assert_eq!(shown_query(&kept), "list_models https://h/models/?project=…&tag=…&token=…");
        assert_eq!(shown_query(&events), "list_events https://h/events/");
        assert_eq!(shown_query("anything?x"), "(10 bytes)");
        let long = query(&format!(
            "https://h/models/?{}",
            (0..100).map(|n| format!("{n:0>90}=x&")).collect::<String>()
        ));
        assert!(shown_query(&long).len() < 1_000 && difference(&long, &kept).len() < 1_500);
    }
}
