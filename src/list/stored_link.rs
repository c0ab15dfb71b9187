//! Links as checkpoints store them: the path below the base URL's path prefix, and the query.
//!
//! A stored link contains no host. It only ever selects a page of the list that resumes: host and path of its
//! requests are the list's own.

use reqwest::Url;

use crate::error::redact::excerpt;
use crate::transport::origin::Origin;

/// Maximum length of a link that is shown, in bytes.
const MAX_SHOWN: usize = 300;

/// Returns a link as a checkpoint stores it. A link outside the path prefix stays whole: no list resumes from it.
pub(super) fn stored(link: &Url, origin: &Origin) -> String {
    match origin.below_prefix(link.path()) {
        Some(path) => with_query(path, link.query()),
        None => link.as_str().to_owned(),
    }
}

/// Returns the URL that a stored link leads to. `list` is the list's own URL, and `path` its path below the prefix.
///
/// # Errors
/// Returns an error if the link leads to another path or is a whole URL.
pub(super) fn resolved(link: &str, list: &Url, path: &str) -> Result<Url, String> {
    let (leads_to, query) = match link.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (link, None),
    };
    if leads_to != path {
        return Err(format!("its link leads to {}, not to this list", excerpt(leads_to, MAX_SHOWN)));
    }
    let mut url = list.clone();
    url.set_query(query);
    Ok(url)
}

/// Returns a link of format 1, which is a whole URL, as this format stores it: without its host, and without the
/// prefix before the list's `path`.
///
/// # Errors
/// Returns an error if the link isn't a URL.
pub(super) fn from_whole(link: &str, path: &str, guess: bool) -> Result<String, String> {
    let url = Url::parse(link).map_err(|error| format!("its link isn't a URL: {error}"))?;
    Ok(with_query(without_prefix(url.path(), path, guess), url.query()))
}

/// Returns the list's own path if `whole` is that path after some prefix, and prefixes may be guessed; otherwise
/// `whole`.
pub(super) fn without_prefix<'p>(whole: &'p str, path: &'p str, guess: bool) -> &'p str {
    if guess && whole.ends_with(path) { path } else { whole }
}

/// Returns a path with its query.
pub(super) fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::MARKER;

    const LIST: &str = "https://h/api/v1/models/?project=1";

    fn list() -> (Origin, Url) {
        (Origin::parse("https://h/api/v1").unwrap(), LIST.parse().unwrap())
    }

    #[test]
    fn stored_link_moves_to_another_host() {
        let (origin, url) = list();
        let next: Url = "https://h/api/v1/models/?cursor=a%2Fb+c&&x='#end".parse().unwrap();
        let link = stored(&next, &origin);
        assert_eq!(link, "/models/?cursor=a%2Fb+c&&x=%27");
        assert_eq!(resolved(&link, &url, "/models/").unwrap().query(), next.query());
        let moved: Url = "http://127.0.0.1:8000/models/?project=1".parse().unwrap();
        assert_eq!(
            resolved(&link, &moved, "/models/").unwrap().as_str(),
            "http://127.0.0.1:8000/models/?cursor=a%2Fb+c&&x=%27"
        );
        assert_eq!(resolved("/models/", &url, "/models/").unwrap().as_str(), "https://h/api/v1/models/");
    }

    #[test]
    fn stored_link_never_leaves_the_list() {
        let (_, url) = list();
        for link in [
            "/other/?cursor=x",
            "//evil/models/?cursor=x",
            "/models",
            "/models/#/",
            "/models/../users/",
            "/models/%2e%2e/users/",
            "models/?cursor=x",
            "?cursor=x",
            "",
            LIST,
            "https://evil/models/?x",
            "https://u:MARK@evil/models/",
        ] {
            let problem = resolved(&link.replace("MARK", MARKER), &url, "/models/").unwrap_err();
            assert!(problem.contains("not to this list") && !problem.contains(MARKER), "{problem}");
        }
        assert!(resolved(&"x".repeat(1 << 20), &url, "/models/").unwrap_err().len() < 1_000);
        for query in ["@evil/", "#@evil", "//evil/../..", "\r\nHost: evil", "a?b", "\u{0}\\"] {
            let resolved = resolved(&format!("/models/?{query}"), &url, "/models/").unwrap();
            assert_eq!((resolved.host_str(), resolved.path()), (url.host_str(), url.path()), "{resolved}");
            assert!(resolved.fragment().is_none() && !resolved.as_str().contains(['\r', '\n']), "{resolved}");
        }
    }

    #[test]
    fn link_outside_the_prefix_is_refused() {
        let (origin, url) = list();
        for link in ["https://h/models/?cursor=x", "https://h/api/v10/models/", "https://h/api/"] {
            let link = stored(&link.parse().unwrap(), &origin);
            assert!(resolved(&link, &url, "/models/").is_err(), "{link}");
        }
    }

    #[test]
    fn whole_link_loses_host_and_prefix() {
        for (link, stored) in [
            ("https://u:p@g/old/models/?cursor=x#end", "/models/?cursor=x"),
            ("http://h/models/", "/models/"),
            ("http://h/users/?cursor=x", "/users/?cursor=x"),
            ("http://h/models/../users/", "/users/"),
        ] {
            assert_eq!(from_whole(link, "/models/", true).unwrap(), stored);
        }
        assert!(from_whole("/models/?cursor=x", "/models/", true).unwrap_err().contains("isn't a URL"));
    }
}
