//! [`Origin`]: the base URL, which URLs belong to it, and how a server's links are resolved on it.

use percent_encoding::percent_decode;
use reqwest::Url;

use crate::error::redact::{excerpt, shown_url};
use crate::error::{Error, ErrorKind, Result};

/// The base URL of a client: the scheme, host and port that credentials are sent to, and the path prefix of
/// all operations.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    url: Url,
    /// Without a trailing slash; empty if the base URL has no path.
    prefix: String,
    rewrites_links: bool,
    /// Whether links may point to any path of the origin.
    links_outside_prefix: bool,
}

impl Origin {
    /// # Errors
    /// Returns what is wrong with the text as a base URL. The text isn't repeated, since it may contain a
    /// password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text.trim())
            .map_err(|error| format!("not a URL ({error}): use the form https://host"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the scheme must be http or https, not {}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("there is no host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it contains user info: set the token with its own setting".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it contains a query or a fragment: remove everything from `?` or `#` on".to_owned());
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&prefix);
        Ok(Origin { url, prefix, rewrites_links: true, links_outside_prefix: false })
    }

    /// Sets whether links are rewritten to the base URL: see [`follow`](Origin::follow).
    pub(crate) fn rewriting_links(mut self, rewrite: bool) -> Self {
        self.rewrites_links = rewrite;
        self
    }

    /// Sets whether links may point outside the base URL's path prefix: see [`follow`](Origin::follow).
    pub(crate) fn with_links_outside_prefix(mut self, allow: bool) -> Self {
        self.links_outside_prefix = allow;
        self
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the base URL without a trailing slash; paths are appended to it.
    pub(crate) fn base(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Resolves a URL or a path against the base URL (RFC 3986, section 5).
    pub(crate) fn join(&self, text: &str) -> Result<Url, String> {
        self.url.join(text).map_err(|error| error.to_string())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns whether scheme, host and port are the base URL's. Credentials are only sent to such URLs.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port_or_known_default() == self.url.port_or_known_default()
    }

    /// Resolves a link of the server (a `next`, an upload's `url`). `expected` is the URL under which this
    /// client would request the same resource.
    ///
    /// Behind a proxy the server may send its own scheme and host, and omit the path prefix that the proxy
    /// strips. A link that differs from the expected resource only in these is rewritten to the base URL. Any
    /// other link to another host is an error. So is a link outside the base URL's path prefix, where other
    /// applications may be, unless such links are allowed.
    pub(crate) fn follow(&self, link: &str, expected: &Url) -> Result<Url> {
        let url = expected.join(link).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("the server's link isn't a URL: {error}"))
        })?;
        let wanted = expected.path();
        let bare = wanted.strip_prefix(self.prefix.as_str()).unwrap_or(wanted);
        if self.rewrites_links && (url.path() == wanted || url.path() == bare) {
            let mut own = expected.clone();
            own.set_query(url.query());
            return Ok(own);
        }
        if !self.owns(&url) {
            return Err(self.foreign("the server's link points to", &url));
        }
        if !self.links_outside_prefix && !self.is_within_prefix(url.path()) {
            let message = format!(
                "the server's link points to {}, which is outside the path of the base URL {}: nothing was sent there (if it belongs to the \
                 same server, set `allow_links_outside_prefix`)",
                shown(&url),
                self.base()
            );
            return Err(Error::new(ErrorKind::CrossOrigin, message));
        }
        Ok(url)
    }

    /// Returns the rest of a path after the base URL's path prefix; `None` if the path isn't below it.
    pub(crate) fn below_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns whether a redirect may lead from one URL of this origin to another. It may not leave the base
    /// URL's path prefix, unless links may.
    pub(crate) fn may_redirect(&self, from: &Url, to: &Url) -> bool {
        self.links_outside_prefix || !self.is_within_prefix(from.path()) || self.is_within_prefix(to.path())
    }

    /// Returns whether a path is the prefix or below it, however often a proxy in front of the server decodes
    /// it.
    fn is_within_prefix(&self, path: &str) -> bool {
        if self.prefix.is_empty() {
            return true;
        }
        self.below_prefix(path).is_some() && !leads_up(path)
    }

    /// Returns the error for a URL that nothing is sent to.
    pub(crate) fn foreign(&self, what: &str, url: &Url) -> Error {
        Error::new(
            ErrorKind::CrossOrigin,
            format!(
                "{what} {}, which is not at the base URL {}: nothing was sent there",
                shown(url),
                self.base()
            ),
        )
    }
}

/// Returns a URL as errors show it.
fn shown(url: &Url) -> String {
    excerpt(&shown_url(url), 512)
}

/// How often a path is decoded in the search for `..` segments.
const MAX_DECODINGS: usize = 3;

/// Returns whether a segment of a path may be read as `..`. The URL parser resolves plain `..`, but keeps
/// `..%2f`, `%252e%252e` and `..;`.
fn leads_up(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..=MAX_DECODINGS {
        let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
        if segments.any(|segment| segment.split(|byte| *byte == b';').next() == Some(b"..")) {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&path).collect();
        if decoded.len() == path.len() {
            return false;
        }
        path = decoded;
    }
    // A path with this many encodings is hostile.
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{Failure, MARKER};

    #[test]
    fn base_url_prefix_and_slash_normalized() {
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
    fn bad_base_url_error_hides_secrets() {
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
    fn links_rewritten_to_base_or_refused() {
        let origin = Origin::parse("https://public/api/v1").unwrap();
        let expected: Url = "https://public/api/v1/models/?page=1&x=2".parse().unwrap();
        for link in [
            "https://public/api/v1/models/?page=2",
            "http://public/api/v1/models/?page=2",
            "http://internal:8000/models/?page=2",
            "/models/?page=2",
            "?page=2",
        ] {
            assert_eq!(
                origin.follow(link, &expected).unwrap().as_str(),
                "https://public/api/v1/models/?page=2",
                "{link}"
            );
        }
        let strict = origin.clone().rewriting_links(false);
        assert_eq!(
            strict.follow("?page=2", &expected).unwrap().as_str(),
            "https://public/api/v1/models/?page=2"
        );
        assert!(strict.follow("http://internal:8000/models/?page=2", &expected).is_err());
        let own = "https://public/api/v1/other/?c=1";
        assert_eq!(origin.follow(own, &expected).unwrap().as_str(), own);
        let strict = "https://public/models/?page=2";
        assert!(
            origin.clone().rewriting_links(false).follow(strict, &expected).is_err(),
            "it lacks the prefix"
        );
        for link in [
            "https://evil/other/?sig=MARK",
            "http://public/other/",
            "https://public:444/x",
            "https://public.evil/models",
        ] {
            let error = origin.follow(&link.replace("MARK", MARKER), &expected).failure();
            assert_eq!(error.kind(), ErrorKind::CrossOrigin);
            assert!(error.to_string().contains("https://public/api/v1"), "{error}");
        }
    }

    #[test]
    fn links_outside_the_prefix_are_refused() {
        let origin = Origin::parse("https://public/api/v1/").unwrap();
        let expected: Url = "https://public/api/v1/models/?page=1".parse().unwrap();
        let allowing = origin.clone().with_links_outside_prefix(true);
        for link in [
            "/",
            "/admin/",
            "/api/",
            "/api/v10/models/",
            "/api/v1x",
            "/API/V1/models/",
            "/api//v1/x/",
            "/api/v1/../admin/",
            "/api/v1/%2e%2e/admin/",
            "/api/v1/.%2E/admin/",
            "/api/v1/models/../../../admin/",
            "../../../admin/",
            "\\admin\\",
            "/api/v1\\..\\admin/",
            "/api/v1/..%2fadmin/",
            "/api/v1/..%5Cadmin/",
            "/api/v1/%252e%252e/admin/",
            "/api/v1/x/%25252e%25252e/admin/",
            "/api/v1/..;/admin/",
            "/api/v1/%2e%2e%3bx/admin/",
            "/api%2fv1/x/",
        ] {
            let error = origin.follow(&format!("{link}?sig={MARKER}"), &expected).failure();
            assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{link}");
            assert!(
                error.to_string().contains("outside the path of the base URL https://public/api/v1"),
                "{error}"
            );
            assert!(allowing.follow(link, &expected).is_ok(), "{link}");
        }
        let error = origin.follow(&format!("/{}", "x".repeat(100_000)), &expected).failure();
        assert!(error.to_string().len() < 4096, "{error}");
        for link in [
            "/api/v1",
            "/api/v1/",
            "/api/v1/other/",
            "/api/v1//other/",
            "/api/v1/./other/",
            "/api/v1/a..b/..c/...%20/",
            "/api/v1/100%25/%zz/",
            "/api/v1/x/../y/",
            "https://public:443/api/v1/y/",
        ] {
            assert!(origin.follow(link, &expected).is_ok(), "{link}");
        }
        // File URLs aren't links: they are outside the prefix on the same server.
        assert!(origin.owns(&"https://public/media/x.png".parse().unwrap()));
    }

    #[test]
    fn no_prefix_allows_every_path() {
        let origin = Origin::parse("https://public").unwrap();
        let expected: Url = "https://public/models/?page=1".parse().unwrap();
        for link in ["/", "/admin/", "/x/..%2fy/", "//public/z/"] {
            assert!(origin.follow(link, &expected).is_ok(), "{link}");
        }
    }
}
