//! Ready-made converters for [`url_conversion_with`](crate::Call::url_conversion_with). URLs that contain the
//! file itself (`data:`) and URLs with schemes other than http and https (`s3:`) stay unchanged.
//!
//! ```no_run
//! # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
//! use synapse_backend_client::conversions::base_url;
//!
//! let model = client.get_model(456).url_conversion_with("file", base_url("https://cdn.example.com")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`download_to`](crate::BackendClient::download_to) is one more converter: it replaces URLs with local
//! paths.
//!
//! These converters treat a URL as text: what they don't replace stays as the server wrote it. Only a
//! download sends some characters percent-encoded, such as `'` in a query as `%27`: see
//! [`download`](crate::BackendClient::download).

use reqwest::Url;

use super::{ConversionFuture, UrlConverter};

/// See [`base_url`].
#[derive(Debug, Clone)]
pub struct BaseUrl {
    base: String,
}

/// See [`strip_query`].
#[derive(Debug, Clone, Copy)]
pub struct StripQuery(());

/// See [`rewrite_host`].
#[derive(Debug, Clone)]
pub struct RewriteHost {
    from: String,
    to: String,
}

/// Replaces the base of each URL: with `https://cdn.example.com`, each of `/media/x.png`, `media/x.png` and
/// `https://files.synapse.sh/media/x.png` becomes `https://cdn.example.com/media/x.png`. A path in the base
/// is kept and precedes the URL's path.
///
/// An invalid base is reported when the call is sent.
pub fn base_url(base: impl Into<String>) -> BaseUrl {
    let base = base.into();
    BaseUrl { base: base.trim().trim_end_matches('/').to_owned() }
}

/// Removes the query of each URL, including a signature.
#[doc(alias("presigned", "s3"))]
pub fn strip_query() -> StripQuery {
    StripQuery(())
}

/// Replaces the host `from` with the host `to`, each with or without a port (`files.internal:9000`). URLs
/// with another host or without a host stay unchanged.
///
/// An invalid host is reported when the call is sent.
pub fn rewrite_host(from: impl Into<String>, to: impl Into<String>) -> RewriteHost {
    RewriteHost { from: from.into().trim().to_ascii_lowercase(), to: to.into().trim().to_owned() }
}

/// The parts of a URL, as they are written.
struct UrlParts<'u> {
    /// With its colon; empty if there is none.
    scheme: &'u str,
    /// `None` if there is none.
    host: Option<&'u str>,
    /// Path, query and fragment.
    rest: &'u str,
}

/// Returns the parts of a URL; `None` if its scheme isn't http or https.
fn parts(url: &str) -> Option<UrlParts<'_>> {
    let letters = |scheme: &str| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    let scheme = url.find(':').filter(|at| *at > 0 && letters(&url[..*at])).map_or(0, |at| at + 1);
    let (scheme, after) = url.split_at(scheme);
    if !matches!(scheme.to_ascii_lowercase().as_str(), "" | "http:" | "https:") {
        return None;
    }
    let Some(host) = after.strip_prefix("//") else {
        return Some(UrlParts { scheme, host: None, rest: after });
    };
    let (host, rest) = host.split_at(host.find(['/', '?', '#']).unwrap_or(host.len()));
    Some(UrlParts { scheme, host: Some(host), rest })
}

impl BaseUrl {
    fn convert(&self, url: &str) -> String {
        match parts(url) {
            Some(UrlParts { rest, .. }) if rest.starts_with(['/', '?', '#']) || rest.is_empty() => {
                format!("{}{rest}", self.base)
            }
            Some(UrlParts { rest, .. }) => format!("{}/{rest}", self.base),
            None => url.to_owned(),
        }
    }
}

impl UrlConverter for BaseUrl {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        ready(self.convert(url))
    }

    fn validate(&self) -> Result<(), String> {
        let invalid = |what: &str| Err(format!("base_url: {what}"));
        match Url::parse(&self.base) {
            Err(_) => invalid("it isn't a URL: give it as https://host"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                invalid("its scheme must be http or https")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                invalid("it contains a query or a fragment: leave off what follows `?` or `#`")
            }
            Ok(_) => Ok(()),
        }
    }
}

impl UrlConverter for StripQuery {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        ready(match (parts(url), url.find('?')) {
            (Some(_), Some(query)) => {
                let fragment = url[query..].find('#').map_or("", |at| &url[query + at..]);
                // A `?` after the `#` begins no query.
                match url.find('#') {
                    Some(fragment) if fragment < query => url.to_owned(),
                    _ => format!("{}{fragment}", &url[..query]),
                }
            }
            _ => url.to_owned(),
        })
    }
}

impl UrlConverter for RewriteHost {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        ready(match parts(url) {
            Some(UrlParts { scheme, host: Some(host), rest }) => {
                let (user_info, bare) = host
                    .rsplit_once('@')
                    .map_or(("", host), |(_, bare)| (&host[..host.len() - bare.len()], bare));
                match bare.eq_ignore_ascii_case(&self.from) {
                    true => format!("{scheme}//{user_info}{}{rest}", self.to),
                    false => url.to_owned(),
                }
            }
            _ => url.to_owned(),
        })
    }

    fn validate(&self) -> Result<(), String> {
        let wrong = |host: &str| {
            let url = Url::parse(&format!("http://{host}/"));
            host.contains(['/', '?', '#', '@'])
                || url.map_or(true, |url| url.host_str().is_none_or(str::is_empty))
        };
        let problem = [&self.from, &self.to].into_iter().find(|host| wrong(host)).map(|host| {
            // A text that isn't a host may be a whole URL, including a signature.
            format!(
                "rewrite_host: {} isn't a host: give it as `host` or `host:port`",
                crate::error::redact::redact_url(host)
            )
        });
        problem.map_or(Ok(()), Err)
    }
}

fn ready(url: String) -> ConversionFuture<'static> {
    Box::pin(std::future::ready(Ok(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn converted(converter: impl UrlConverter, url: &str) -> String {
        converter.convert(url).await.unwrap()
    }

    #[tokio::test]
    async fn base_url_replaces_scheme_and_host() {
        for (url, expected) in [
            ("/media/x.png?a=1#b", "https://cdn/p/media/x.png?a=1#b"),
            ("media/x.png", "https://cdn/p/media/x.png"),
            (
                "https://user:pw@h:81/media/%41 x.png?u=https://y/",
                "https://cdn/p/media/%41 x.png?u=https://y/",
            ),
            ("HTTP://h", "https://cdn/p"),
            ("http://h?x", "https://cdn/p?x"),
            ("//h/media", "https://cdn/p/media"),
            ("data:image/png;base64,AA==", "data:image/png;base64,AA=="),
            ("s3://bucket/x", "s3://bucket/x"),
            ("", "https://cdn/p"),
        ] {
            assert_eq!(converted(base_url("https://cdn/p/"), url).await, expected);
        }
        for wrong in ["cdn", "ftp://h", "https://h/?x", ""] {
            assert!(base_url(wrong).validate().is_err(), "{wrong}");
        }
        assert_eq!(base_url("https://cdn/p/").validate(), Ok(()));
    }

    #[tokio::test]
    async fn strip_query_removes_only_query() {
        for (url, expected) in [
            ("https://h/x?a=1&b=?", "https://h/x"),
            ("/x?a#f", "/x#f"),
            ("/x#f?a", "/x#f?a"),
            ("/x", "/x"),
            ("data:text/plain,a?b", "data:text/plain,a?b"),
        ] {
            assert_eq!(converted(strip_query(), url).await, expected);
        }
    }

    #[tokio::test]
    async fn only_matching_host_is_rewritten() {
        for (url, expected) in [
            ("http://Files.internal:9000/x?a=files.internal:9000", "http://files:1/x?a=files.internal:9000"),
            ("https://u:p@files.internal:9000", "https://u:p@files:1"),
            ("//files.internal:9000/x", "//files:1/x"),
            ("http://files.internal/x", "http://files.internal/x"),
            ("/files.internal:9000/x", "/files.internal:9000/x"),
            ("s3://files.internal:9000/x", "s3://files.internal:9000/x"),
        ] {
            assert_eq!(converted(rewrite_host("files.internal:9000", "files:1"), url).await, expected);
        }
        assert!(rewrite_host("https://h/x", "y").validate().is_err());
        assert!(rewrite_host("h", "").validate().is_err());
        assert_eq!(rewrite_host("h", "[::1]:80").validate(), Ok(()));
    }
}
