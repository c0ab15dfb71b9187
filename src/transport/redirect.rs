//! Where a redirect leads, and whether it is followed.

use reqwest::{Method, Request, StatusCode, Url};

use super::Transport;
use crate::error::redact::shown_url;
use crate::error::{Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::transport::origin::Origin;

/// How many redirects a request follows.
const MAX_REDIRECTS: usize = 10;

/// The requests of one attempt, redirect after redirect.
pub(super) struct RedirectChain {
    redirects: usize,
    /// One of its requests went to another origin than the base URL's, which may redirect anywhere: no
    /// credentials are sent any more, not even to the base URL's.
    left_origin: bool,
    /// One of its requests went to another origin than the first one's, which a call's own credentials are
    /// for.
    left_first_origin: bool,
}

impl RedirectChain {
    /// The chain that begins with a request.
    pub(super) fn of(origin: &Origin, request: &Request) -> Self {
        RedirectChain { redirects: 0, left_origin: !origin.owns(request.url()), left_first_origin: false }
    }

    /// Whether credentials may be sent.
    pub(super) fn keeps_credentials(&self) -> bool {
        !self.left_origin
    }

    /// What an error of an answer that asks for credentials adds, where there was a reason to send none.
    pub(super) fn why_without_credentials(&self, to_base_url: bool) -> Option<&'static str> {
        match (self.redirects > 0 && self.left_origin, to_base_url) {
            (false, _) => None,
            (true, false) => {
                Some("following a redirect to another host, where no credentials go (is the base URL right?)")
            }
            (true, true) => Some(
                "following redirects by way of another host, after which no credentials are sent (is the base URL right?)",
            ),
        }
    }
}

impl Transport {
    /// The next request of a chain. Once the chain left the origin of its first request, `again`, it has none
    /// of the headers that are credentials, whoever set them.
    pub(super) fn follow(
        &self,
        chain: &mut RedirectChain,
        again: Option<&Request>,
        target: Url,
        status: StatusCode,
        allow_cross_origin: bool,
        info: &RequestInfo,
    ) -> Result<Request> {
        chain.redirects += 1;
        if chain.redirects > MAX_REDIRECTS {
            let error = Error::new(ErrorKind::CrossOrigin, format!("more than {MAX_REDIRECTS} redirects"));
            return Err(error.of(info.clone()));
        }
        let mut request = self.redirected(again, target, status, allow_cross_origin, info)?;
        let first = again.map(|again| again.url().origin());
        chain.left_first_origin |= first.is_none_or(|first| first != request.url().origin());
        chain.left_origin |= !self.origin.owns(request.url());
        if chain.left_first_origin {
            let names: Vec<_> = request
                .headers()
                .keys()
                .filter(|name| self.credentials.is_credential(name))
                .cloned()
                .collect();
            names.iter().for_each(|name| drop(request.headers_mut().remove(name)));
        }
        Ok(request)
    }

    /// Where a redirect leads, and how: a POST never becomes a GET, nothing goes from https to http, and only
    /// a request that changes nothing and has no body follows to another host, and only where one may answer
    /// in the backend's place, elsewhere.
    pub(super) fn redirected(
        &self,
        again: Option<&Request>,
        target: Url,
        status: StatusCode,
        allow_cross_origin: bool,
        info: &RequestInfo,
    ) -> Result<Request> {
        let refuse = |what: String| Err(Error::new(ErrorKind::CrossOrigin, what).of(info.clone()));
        if info.url.starts_with("https:") && target.scheme() == "http" {
            return refuse(format!(
                "{} redirects from https to {}, which isn't followed",
                shown_status(status),
                shown_url(&target)
            ));
        }
        if !matches!(target.scheme(), "http" | "https") {
            return refuse(format!("{} redirects to the scheme {}", shown_status(status), target.scheme()));
        }
        let safe = matches!(info.method, Method::GET | Method::HEAD);
        if !safe {
            let keeps_method =
                matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !keeps_method {
                return refuse(format!(
                    "{} redirects a {} to {}, where it would become a GET: check the base URL",
                    shown_status(status),
                    info.method,
                    shown_url(&target)
                ));
            }
        }
        let body = again.is_some_and(|again| again.body().is_some());
        let may_go = (safe && !body && allow_cross_origin) || self.origin.owns(&target);
        if !may_go {
            let with = if safe && body { " with a body" } else { "" };
            let what = format!("{} redirects a {}{with} to", shown_status(status), info.method);
            return Err(self.origin.foreign(&what, &target).of(info.clone()));
        }
        if !allow_cross_origin && again.is_some_and(|again| !self.origin.may_redirect(again.url(), &target)) {
            return refuse(format!(
                "{} redirects to {}, which is outside the path of the base URL {}: nothing was sent there (if it is the same \
                 server's, set `allow_links_outside_prefix`)",
                shown_status(status),
                shown_url(&target),
                self.origin.base()
            ));
        }
        let Some(mut request) = again.and_then(Request::try_clone) else {
            return Err(unrepeatable(info, target));
        };
        *request.url_mut() = target;
        Ok(request)
    }
}

/// What a `Location` names. Its user info, credentials of somebody else's choice, and its fragment are not
/// sent.
pub(super) fn redirect_target(info: &RequestInfo, from: &Url, location: &[u8]) -> Result<Url> {
    let target = std::str::from_utf8(location).ok().and_then(|location| from.join(location).ok());
    let wrong = || Error::new(ErrorKind::Decode, "a redirect whose `Location` isn't a URL").of(info.clone());
    let mut target = target.ok_or_else(wrong)?;
    // Refused of a URL that can have none.
    let _ = target.set_username("").and_then(|()| target.set_password(None));
    target.set_fragment(None);
    Ok(target)
}

fn unrepeatable(info: &RequestInfo, target: Url) -> Error {
    let error =
        Error::new(ErrorKind::CrossOrigin, "a redirect of a streamed body, which can't be sent again");
    error.redirected_to(target).of(info.clone())
}
