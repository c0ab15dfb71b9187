//! Where a redirect leads, and whether it is followed.

use reqwest::{Method, Request, StatusCode, Url};

use super::Transport;
use crate::error::{Error, ErrorKind, RequestInfo, Result, shown_status};
use crate::redact::shown_url;

/// How many redirects a request follows.
pub(super) const MAX_REDIRECTS: usize = 10;

impl Transport {
    /// Where a redirect leads, and how: a POST never becomes a GET, nothing goes from https to http, and only a request
    /// that changes nothing follows to another host (without credentials, since that isn't the base URL's origin), and only
    /// where one may answer in the backend's place, `elsewhere`.
    pub(super) fn redirected(
        &self,
        again: Option<&Request>,
        target: Url,
        status: StatusCode,
        elsewhere: bool,
        info: &RequestInfo,
    ) -> Result<Request> {
        let refuse = |what: String| Err(Error::new(ErrorKind::ForeignUrl, what).of(info.clone()));
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
            let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !keeps_method {
                return refuse(format!(
                    "{} redirects a {} to {}, where it would become a GET: check the base URL",
                    shown_status(status),
                    info.method,
                    shown_url(&target)
                ));
            }
        }
        let may_go = (safe && elsewhere) || self.origin.owns(&target);
        if !may_go {
            let what = format!("{} redirects a {} to", shown_status(status), info.method);
            return Err(self.origin.foreign(&what, &target).of(info.clone()));
        }
        let Some(mut request) = again.and_then(Request::try_clone) else { return Err(unrepeatable(info, target)) };
        *request.url_mut() = target;
        Ok(request)
    }
}

pub(super) fn redirect_target(info: &RequestInfo, from: &Url, location: &[u8]) -> Result<Url> {
    String::from_utf8(location.to_vec())
        .ok()
        .and_then(|location| from.join(&location).ok())
        .ok_or_else(|| Error::new(ErrorKind::Decode, "a redirect whose `Location` isn't a URL").of(info.clone()))
}

fn unrepeatable(info: &RequestInfo, target: Url) -> Error {
    let error = Error::new(ErrorKind::ForeignUrl, "a redirect of a streamed body, which can't be sent again");
    error.redirected_to(target).of(info.clone())
}
