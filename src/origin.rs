//! [`Origin`]: the base URL, what belongs to it, and what a server's link means on it.

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::redact::shown_url;

/// The base URL of a client: scheme, host and port that credentials go to, and the path that every operation's begins with.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    url: Url,
    /// Without a trailing slash; empty where the base URL has no path.
    prefix: String,
    rewrites_links: bool,
}

impl Origin {
    /// # Errors
    /// What is wrong with the text as a base URL. The text isn't repeated: it may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text.trim()).map_err(|error| format!("not a URL ({error}): give it as https://host"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the scheme must be http or https, not {}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("there is no host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds user info: give the token by its own setting".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it holds a query or a fragment: leave off what follows `?` or `#`".to_owned());
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&prefix);
        Ok(Origin { url, prefix, rewrites_links: true })
    }

    /// Whether links are put onto the base URL: see [`follow`](Origin::follow).
    pub(crate) fn rewriting_links(mut self, rewrite: bool) -> Self {
        self.rewrites_links = rewrite;
        self
    }

    /// The base URL without a trailing slash: what paths are put behind.
    pub(crate) fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether scheme, host and port are the base URL's: only then do credentials go there.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port_or_known_default() == self.url.port_or_known_default()
    }

    /// What a link of the server (a `next`, an upload's `url`) means, where `expected` is the same resource as this client
    /// would ask for it.
    ///
    /// Behind a proxy the server may name its own scheme and host, and lack the path prefix that the proxy strips: a link
    /// that is the expected resource but for that is put onto the base URL. Any other link to another host is an error.
    pub(crate) fn follow(&self, link: &str, expected: &Url) -> Result<Url> {
        let url = expected
            .join(link)
            .map_err(|error| Error::new(ErrorKind::Decode, format!("the server's link isn't a URL: {error}")))?;
        let wanted = expected.path();
        let bare = wanted.strip_prefix(self.prefix.as_str()).unwrap_or(wanted);
        if self.rewrites_links && (url.path() == wanted || url.path() == bare) {
            let mut own = expected.clone();
            own.set_query(url.query());
            return Ok(own);
        }
        if self.owns(&url) {
            return Ok(url);
        }
        Err(self.foreign("the server's link leads to", &url))
    }

    /// The error for a URL that nothing is sent to.
    pub(crate) fn foreign(&self, what: &str, url: &Url) -> Error {
        Error::new(
            ErrorKind::ForeignUrl,
            format!("{what} {}, which is not at the base URL {}: nothing was sent there", shown_url(url), self.base()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{Failure, MARKER};

    #[test]
    fn base_urls_with_and_without_prefix_and_slash() {
        for (text, base) in [
            ("https://h", "https://h"),
            ("https://h/", "https://h"),
            (" https://h/api/v1/ ", "https://h/api/v1"),
            ("http://127.0.0.1:8000/api//", "http://127.0.0.1:8000/api"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().base(), base);
        }
    }

    #[test]
    fn a_wrong_base_url_is_told_without_its_secrets() {
        for (text, part) in [
            ("", "not a URL"),
            ("api.synapse.sh", "not a URL"),
            ("ftp://h", "scheme"),
            ("https://user:MARK@h", "user info"),
            ("https://h/?token=MARK", "query"),
            ("https://h/#MARK", "query or a fragment"),
        ] {
            let problem = Origin::parse(&text.replace("MARK", MARKER)).unwrap_err();
            assert!(problem.contains(part) && !problem.contains(MARKER), "{problem}");
        }
    }

    #[test]
    fn links_are_put_onto_the_base_url_or_refused() {
        let origin = Origin::parse("https://public/api/v1").unwrap();
        let expected: Url = "https://public/api/v1/models/?page=1&x=2".parse().unwrap();
        for link in [
            "https://public/api/v1/models/?page=2",
            "http://public/api/v1/models/?page=2",
            "http://internal:8000/models/?page=2",
            "/models/?page=2",
            "?page=2",
        ] {
            assert_eq!(origin.follow(link, &expected).unwrap().as_str(), "https://public/api/v1/models/?page=2", "{link}");
        }
        let strict = origin.clone().rewriting_links(false);
        assert_eq!(strict.follow("?page=2", &expected).unwrap().as_str(), "https://public/api/v1/models/?page=2");
        assert!(strict.follow("http://internal:8000/models/?page=2", &expected).is_err());
        assert_eq!(origin.follow("https://public/other/?c=1", &expected).unwrap().as_str(), "https://public/other/?c=1");
        for link in ["https://evil/other/?sig=MARK", "http://public/other/", "https://public:444/x", "https://public.evil/models"]
        {
            let error = origin.follow(&link.replace("MARK", MARKER), &expected).failure();
            assert_eq!(error.kind(), ErrorKind::ForeignUrl);
            assert!(error.to_string().contains("https://public/api/v1"), "{error}");
        }
    }
}
