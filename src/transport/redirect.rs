//! Determines the target of a redirect, and whether it is followed.

use reqwest::{Method, Request, StatusCode, Url};

use super::Transport;
use super::failure::{Failure, Reason};
use crate::error::redact::shown_url;
use crate::error::{Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::transport::origin::Origin;

/// The maximum number of redirects that a request follows.
const MAX_REDIRECTS: usize = 10;

/// The requests of one attempt, redirect by redirect.
pub(super) struct RedirectChain {
    redirects: usize,
    /// One of the requests went to another origin than the base URL's, which may redirect anywhere. No
    /// credentials are sent after that, not even to the base URL's origin.
    left_origin: bool,
    /// One of the requests went to another origin than the first one. A call's own credentials are only for
    /// the first origin.
    left_first_origin: bool,
}

impl RedirectChain {
    /// Returns the chain that starts with a request.
    pub(super) fn of(origin: &Origin, request: &Request) -> Self {
        RedirectChain { redirects: 0, left_origin: !origin.owns(request.url()), left_first_origin: false }
    }

    /// Returns whether credentials may be sent.
    pub(super) fn keeps_credentials(&self) -> bool {
        !self.left_origin
    }

    /// Returns the addition to the error of a response that asks for credentials, if there was a reason to
    /// send none.
    pub(super) fn why_without_credentials(&self, to_base_url: bool) -> Option<&'static str> {
        match (self.redirects > 0 && self.left_origin, to_base_url) {
            (false, _) => None,
            (true, false) => {
                Some("following a redirect to another host, which gets no credentials (check the base URL)")
            }
            (true, true) => Some(
                "following redirects through another host, after which no credentials are sent (check the base URL)",
            ),
        }
    }
}

impl Transport {
    /// Returns the next request of a chain. Once the chain has left the origin of its first request, `again`,
    /// all headers that are credentials are removed, whoever set them.
    pub(super) fn follow(
        &self,
        chain: &mut RedirectChain,
        again: Option<&Request>,
        target: Url,
        status: StatusCode,
        allow_cross_origin: bool,
        info: &RequestInfo,
    ) -> Result<Request, Failure> {
        chain.redirects += 1;
        if chain.redirects > MAX_REDIRECTS {
            let error = Error::new(ErrorKind::CrossOrigin, format!("more than {MAX_REDIRECTS} redirects"));
            return Err(error.of(info.clone()).into());
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

    /// Returns the request to the target of a redirect. A POST never becomes a GET, and no redirect from
    /// https to http is followed. Only a GET or HEAD without a body may be redirected to another host, and
    /// only if another host may respond instead of the backend.
    pub(super) fn redirected(
        &self,
        again: Option<&Request>,
        target: Url,
        status: StatusCode,
        allow_cross_origin: bool,
        info: &RequestInfo,
    ) -> Result<Request, Failure> {
        let refuse = |what: String| Err(Error::new(ErrorKind::CrossOrigin, what).of(info.clone()).into());
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
            return Err(self.origin.foreign(&what, &target).of(info.clone()).into());
        }
        if !allow_cross_origin && again.is_some_and(|again| !self.origin.may_redirect(again.url(), &target)) {
            return refuse(format!(
                "{} redirects to {}, which is outside the path of the base URL {}: nothing was sent there (if it belongs to the same \
                 server, set `allow_links_outside_prefix`)",
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

/// Returns the target of a `Location`. Its user info, which are credentials that someone else chose, and its
/// fragment are not sent.
pub(super) fn redirect_target(info: &RequestInfo, from: &Url, location: &[u8]) -> Result<Url> {
    let target = std::str::from_utf8(location).ok().and_then(|location| from.join(location).ok());
    let wrong = || Error::new(ErrorKind::Decode, "a redirect whose `Location` isn't a URL").of(info.clone());
    let mut target = target.ok_or_else(wrong)?;
    // This fails for a URL that can't have user info.
    let _ = target.set_username("").and_then(|()| target.set_password(None));
    target.set_fragment(None);
    Ok(target)
}

fn unrepeatable(info: &RequestInfo, target: Url) -> Failure {
    let error =
        Error::new(ErrorKind::CrossOrigin, "a redirect of a streamed body, which can't be sent again");
    Failure { error: error.of(info.clone()), reason: Reason::Redirected(Box::new(target)) }
}
