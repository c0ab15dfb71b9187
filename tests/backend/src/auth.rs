//! Authentication: tokens and tenants.

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::drf::Refusal;
use crate::settings::Settings;

const ACCESS_TOKEN: &str = "synapse-access-token";
const AGENT: &str = "synapse-agent";
const TENANT: &str = "synapse-tenant";

/// Does what DRF does before a view: negotiates the media type, then checks the credentials, then the
/// permissions.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    match acceptable(headers).and_then(|()| admitted(headers, &app.settings)) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn acceptable(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut wanted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let fits = |list: &str| {
        list.split(',').filter_map(|range| range.split(';').next()).any(|range| {
            matches!(
                range.trim().to_ascii_lowercase().as_str(),
                "" | "*/*" | "application/*" | "application/json"
            )
        })
    };
    if wanted.peek().is_none() || wanted.any(fits) {
        return Ok(());
    }
    Err(Refusal::detail(StatusCode::NOT_ACCEPTABLE, "Could not satisfy the request Accept header."))
}

/// The first of these headers that is present decides, as with DRF's list of authenticators.
fn admitted(headers: &HeaderMap, settings: &Settings) -> Result<(), Refusal> {
    if !settings.require_auth {
        return Ok(());
    }
    let either = [settings.token.as_str(), settings.agent_token.as_str()];
    let known = [(ACCESS_TOKEN, &either[..1]), (AUTHORIZATION.as_str(), &either[..1]), (AGENT, &either[..])];
    for (name, accepted) in known {
        match token(headers, name)? {
            Some(token) if accepted.contains(&token) => return tenant(headers, settings),
            Some(_) => return Err(Refusal::unauthorized("Invalid token.")),
            None => {}
        }
    }
    Err(Refusal::unauthorized("Authentication credentials were not provided."))
}

fn tenant(headers: &HeaderMap, settings: &Settings) -> Result<(), Refusal> {
    match (token(headers, TENANT)?, settings.tenant.as_deref()) {
        (Some(given), Some(known)) if given != known => {
            Err(Refusal::detail(StatusCode::FORBIDDEN, "You do not have permission to perform this action."))
        }
        _ => Ok(()),
    }
}

/// Returns the value of a `Token <value>` header. Another scheme belongs to another authenticator and counts
/// as absent.
fn token<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let Ok(value) = value.to_str() else {
        let detail = "Invalid token header. Token string should not contain invalid characters.";
        return Err(Refusal::unauthorized(detail));
    };
    let mut words = value.split_whitespace();
    if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("token")) {
        return Ok(None);
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(Some(token)),
        (None, _) => Err(Refusal::unauthorized("Invalid token header. No credentials provided.")),
        (Some(_), Some(_)) => {
            Err(Refusal::unauthorized("Invalid token header. Token string should not contain spaces."))
        }
    }
}
