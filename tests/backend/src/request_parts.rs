//! The parts of a request that select its response: its path, its query, and the host for links in the
//! response.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header::HOST;
use axum::http::request::Parts;

use crate::app::App;

/// The query parameters in the order in which they arrived.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the value of a parameter. The last one counts, as in Django's `QueryDict.get`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Like `get`, but an empty value counts as absent. Filters and `page` use this.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns this query with one parameter set (in its old position, if it had one) or removed, for `None`.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        let mut placed = false;
        for (key, old) in &self.0 {
            if key != name {
                out.append_pair(key, old);
            } else if let (Some(value), false) = (value, placed) {
                out.append_pair(name, value);
                placed = true;
            }
        }
        if let (Some(value), false) = (value, placed) {
            out.append_pair(name, value);
        }
        out.finish()
    }
}

/// A request without its body.
#[derive(Debug, Clone)]
pub(crate) struct RequestParts {
    /// Scheme, host and the path that a proxy puts before ours, if any. No trailing slash.
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) query: Query,
    /// The host for file links: the one that `url_host` names, if the settings know that word.
    pub(crate) file_origin: String,
}

impl RequestParts {
    /// Returns the absolute URL of this request with another query.
    pub(crate) fn link(&self, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{query}", self.origin, self.path)
    }
}

impl FromRequestParts<App> for RequestParts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let query = Query::parse(uri.query().unwrap_or_default());
        let origin = match &app.settings.public_url {
            Some(public) => public.clone(),
            // Like Django's build_absolute_uri: trusts the Host header.
            None => match parts.headers.get(HOST).and_then(|host| host.to_str().ok()) {
                Some(host) => format!("http://{host}"),
                None => app.origin.clone(),
            },
        };
        let file_origin = query
            .get("url_host")
            .and_then(|word| app.settings.url_hosts.iter().find(|(known, _)| known == word))
            .map_or_else(|| origin.clone(), |(_, host)| host.clone());
        Ok(Self { origin, path: uri.path().to_owned(), query, file_origin })
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn query_replace_keeps_the_rest() {
        let query = Query::parse("b=2&page=3&a=x+y&b=1");
        assert_eq!(query.with("page", Some("4")), "b=2&page=4&a=x+y&b=1");
        assert_eq!(query.with("page", None), "b=2&a=x+y&b=1");
        assert_eq!(query.with("cursor", Some("=")), "b=2&page=3&a=x+y&b=1&cursor=%3D");
        assert_eq!(query.all("b").collect::<Vec<_>>(), ["2", "1"]);
        assert_eq!(query.get("b"), Some("1"));
    }
}
