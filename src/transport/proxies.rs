//! Determines the proxy of a request: to name it in errors, and because reqwest doesn't accept `[::1]` in
//! `NO_PROXY`.

use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Proxy, Url};

use crate::error::{Error, Result};

/// The proxies of a client's requests.
#[derive(Clone)]
pub(crate) enum Proxies {
    /// The user's own HTTP settings, which can't be inspected.
    Unknown,
    /// The proxy of the client's setting.
    One(Url),
    Environment(Arc<Environment>),
}

/// The proxies of the environment (or of the system, with the feature `system-proxy`).
pub(crate) struct Environment {
    /// The proxies as reqwest reads them.
    matcher: Matcher,
    /// Matches every host that isn't in `NO_PROXY`, whose brackets are removed; `None` if it has no brackets.
    others: Option<Matcher>,
}

impl Proxies {
    pub(crate) fn of_environment() -> Self {
        let no_proxy = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
        Proxies::Environment(Arc::new(Environment::new(
            Matcher::from_system(),
            &no_proxy.unwrap_or_default(),
        )))
    }

    /// Returns the custom proxy for reqwest, if reqwest wouldn't choose the same proxy by itself.
    pub(crate) fn custom(&self) -> Option<Proxy> {
        match self {
            Proxies::Environment(environment) if environment.others.is_some() => {
                let environment = environment.clone();
                Some(Proxy::custom(move |url| environment.of(url)))
            }
            _ => None,
        }
    }

    /// Returns the proxy of a request to `url`, without its password: `http://host:port`.
    pub(crate) fn shown(&self, url: &Url) -> Option<String> {
        const SOCKS: u16 = 1080;
        let proxy = match self {
            Proxies::Unknown => return None,
            Proxies::One(proxy) => proxy.clone(),
            Proxies::Environment(environment) => environment.of(url)?,
        };
        Some(format!(
            "{}://{}:{}",
            proxy.scheme(),
            proxy.host_str()?,
            proxy.port_or_known_default().unwrap_or(SOCKS)
        ))
    }
}

impl Environment {
    fn new(matcher: Matcher, no_proxy: &str) -> Self {
        let bare: Vec<_> = no_proxy.split(',').map(|entry| without_brackets(entry.trim())).collect();
        let others =
            no_proxy.contains('[').then(|| Matcher::builder().all("http://any").no(bare.join(",")).build());
        Environment { matcher, others }
    }

    /// Returns the proxy of a request to `url`, with its user and password.
    fn of(&self, url: &Url) -> Option<Url> {
        let uri: http::Uri = url.as_str().parse().ok()?;
        if let Some(others) = &self.others {
            others.intercept(&uri)?;
        }
        let proxy = self.matcher.intercept(&uri)?;
        let mut url = Url::parse(&proxy.uri().to_string()).ok()?;
        let basic = || {
            let encoded = proxy.basic_auth()?.as_bytes().strip_prefix(b"Basic ")?;
            String::from_utf8(data_url::forgiving_base64::decode_to_vec(encoded).ok()?).ok()
        };
        let user_info = match proxy.raw_auth() {
            Some((user, password)) => Some((user.to_owned(), password.to_owned())),
            None => basic().and_then(|user_info| {
                let (user, password) = user_info.split_once(':')?;
                Some((user.to_owned(), password.to_owned()))
            }),
        };
        if let Some((user, password)) = user_info {
            url.set_username(&user).ok()?;
            url.set_password(Some(&password).filter(|password| !password.is_empty()).map(String::as_str))
                .ok()?;
        }
        Some(url)
    }
}

/// Returns `::1` for `[::1]`, and `fe80::/10` for `[fe80::]/10`.
fn without_brackets(entry: &str) -> String {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match bare {
        Some((address, rest)) if rest.is_empty() || rest.starts_with('/') => format!("{address}{rest}"),
        _ => entry.to_owned(),
    }
}

/// Parses a proxy's URL. It may contain a password, so no error repeats it.
pub(crate) fn parse_proxy(url: &str) -> Result<(Url, Proxy)> {
    let wrong = |what: &str| Error::configuration("proxy", what.to_owned());
    let parsed =
        Url::parse(url.trim()).map_err(|_| wrong("it is not a URL: use the form http://host:port"))?;
    match parsed.scheme() {
        "http" | "https" => {}
        "socks4" | "socks4a" | "socks5" | "socks5h" if cfg!(feature = "socks") => {}
        "socks4" | "socks4a" | "socks5" | "socks5h" => {
            return Err(wrong("a SOCKS proxy needs the cargo feature `socks`"));
        }
        _ => return Err(wrong("its scheme must be http, https or socks5")),
    }
    let proxy = Proxy::all(parsed.clone()).map_err(|_| wrong("it is not a valid proxy URL"))?;
    Ok((parsed, proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(proxy: &str, no_proxy: &str) -> Proxies {
        let matcher = Matcher::builder().all(proxy).no(no_proxy).build();
        Proxies::Environment(Arc::new(Environment::new(matcher, no_proxy)))
    }

    #[test]
    fn bracketed_no_proxy_is_accepted() {
        for no_proxy in ["[::1]", "::1", " a.example , [::1]", "[::1]/128", "[fe80::]/10,[::]/96"] {
            let proxies = environment("http://proxy:3128", no_proxy);
            let shown = |url: &str| proxies.shown(&url.parse().unwrap());
            assert_eq!(shown("http://[::1]:8000/x"), None, "{no_proxy}");
            assert_eq!(shown("http://[2001:db8::1]/x").as_deref(), Some("http://proxy:3128"), "{no_proxy}");
            assert_eq!(shown("https://b.example/").as_deref(), Some("http://proxy:3128"), "{no_proxy}");
        }
        let proxies = environment("http://proxy:3128", "[::1],.a.example,10.0.0.0/8");
        for url in ["http://x.a.example/", "http://10.1.2.3/"] {
            assert_eq!(proxies.shown(&url.parse().unwrap()), None, "{url}");
        }
    }

    #[test]
    fn proxy_password_reaches_only_proxy() {
        let url = "http://b.example/".parse().unwrap();
        for (proxy, shown) in [
            ("http://us%40er:p%3Aa%2Fss@proxy:3128", "http://proxy:3128"),
            ("https://us%40er:p%3Aa%2Fss@proxy", "https://proxy:443"),
            ("socks5://us%40er:p%3Aa%2Fss@proxy", "socks5://proxy:1080"),
        ] {
            let proxies = environment(proxy, "[::1]");
            assert_eq!(proxies.shown(&url).as_deref(), Some(shown));
            let Proxies::Environment(environment) = &proxies else { unreachable!() };
            let target = environment.of(&url).unwrap();
            assert_eq!((target.username(), target.password()), ("us%40er", Some("p%3Aa%2Fss")), "{proxy}");
        }
    }
}
