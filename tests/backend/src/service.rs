//! Handles every request: records it, delays it, applies a fault if one matches, and responds.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use hyper::body::{Body as _, Incoming};
use tower_service::Service as _;

use crate::app::App;
use crate::body::SharedBody;
use crate::connection::{Connection, HungUp};
use crate::edge;
use crate::faults::{Outcome, Standing};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks a response that is sent while the request's body is still being received.
#[derive(Clone)]
pub(crate) struct EarlyResponse;

/// Serves a request in its own task: like a real server, it finishes a request even if the client
/// disconnects.
pub(crate) async fn serve(
    app: App,
    router: Router,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response, HungUp> {
    let task = tokio::spawn(async move {
        let _flight = app.in_flight.enter();
        let (parts, body) = request.into_parts();
        let number = app.log.arrived(&parts, connection.id);
        let body = SharedBody::new(body, app.log.keeps_bodies());
        let response = respond(&app, router, &connection, parts, &body).await;
        app.log.responded(number, response.as_ref().ok().map(Response::status), body.seen());
        response
    });
    // A handler that panicked closes the connection.
    task.await.unwrap_or(Err(HungUp))
}

async fn respond(
    app: &App,
    mut router: Router,
    connection: &Arc<Connection>,
    parts: Parts,
    body: &SharedBody,
) -> Result<Response, HungUp> {
    if !app.settings.latency.is_zero() {
        tokio::time::sleep(app.settings.latency).await;
    }
    let standing = app.faults.striking(&parts, &app.settings.path_prefix);
    if let Some(standing) = &standing {
        strike_before(standing, connection, body).await?;
        if let Outcome::Response { status, headers, body: text } = &standing.fault.outcome {
            body.drain(u64::MAX).await;
            let mut response = Response::new(Body::from(text.clone()));
            *response.status_mut() = *status;
            *response.headers_mut() = headers.clone();
            return strike_after(standing, connection, response).await;
        }
    }
    let refusal = edge::refuse_long_query(app, &parts);
    let searched = match refusal {
        Some(page) => Err(page),
        None => edge::search_scripts(app, &parts, body).await,
    };
    let mut response = match searched {
        Err(page) => page,
        Ok(content) => {
            let Ok(response) = router.call(Request::from_parts(parts, content)).await;
            response
        }
    };
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if response.extensions().get::<EarlyResponse>().is_some() {
        let rest = body.clone();
        tokio::spawn(async move { rest.drain(u64::MAX).await });
    } else {
        body.drain(u64::MAX).await;
    }
    match &standing {
        Some(standing) => strike_after(standing, connection, response).await,
        None => Ok(response),
    }
}

/// Applies the part of a fault that comes before the application sees the request.
async fn strike_before(
    standing: &Standing,
    connection: &Connection,
    body: &SharedBody,
) -> Result<(), HungUp> {
    let fault = &standing.fault;
    if !fault.before.is_zero() {
        tokio::time::sleep(fault.before).await;
    }
    if fault.hold_before {
        standing.released().await;
    }
    if let Outcome::Close { after } = fault.outcome {
        body.drain(after).await;
        return Err(connection.hang_up(fault.reset));
    }
    Ok(())
}

/// Applies the part of a fault that changes the response.
async fn strike_after(
    standing: &Standing,
    connection: &Arc<Connection>,
    response: Response,
) -> Result<Response, HungUp> {
    if standing.fault.hold_after {
        standing.released().await;
    }
    match &standing.fault.outcome {
        Outcome::Act | Outcome::Response { .. } | Outcome::Close { .. } => Ok(response),
        Outcome::LoseResponse => Err(connection.hang_up(standing.fault.reset)),
        Outcome::CutResponse { after, stall } => {
            Ok(cut(response, *after, *stall, standing.fault.reset, Arc::clone(connection)))
        }
        Outcome::Replace { headers, body } => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.extend(headers.clone());
            Ok(Response::from_parts(parts, Body::from(body.clone())))
        }
        Outcome::Edit(edit) => {
            let (mut parts, body) = response.into_parts();
            // No limit is needed: no JSON response here is too large for memory.
            let text = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| HungUp)?;
            let Ok(mut value) = serde_json::from_slice(&text) else {
                return Ok(Response::from_parts(parts, Body::from(text)));
            };
            edit(&mut value);
            parts.headers.remove(CONTENT_LENGTH);
            Ok(Response::from_parts(parts, Body::from(value.to_string())))
        }
    }
}

/// Returns the response with its full length announced and its body truncated.
fn cut(response: Response, after: u64, stall: bool, reset: bool, connection: Arc<Connection>) -> Response {
    let (mut parts, body) = response.into_parts();
    if let (None, Some(length)) = (parts.headers.get(CONTENT_LENGTH), body.size_hint().exact()) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let state = (body.into_data_stream(), after, connection);
    let broken = stream::unfold(state, move |(mut data, left, connection)| async move {
        if left == 0 {
            if stall {
                std::future::pending::<()>().await;
            }
            // Bytes before the cut must reach the client: hyper drops what it hasn't written yet.
            connection.flushed().await;
            return Some((Err(connection.hang_up(reset)), (data, 0, connection)));
        }
        let mut bytes = match data.next().await? {
            Ok(bytes) => bytes,
            Err(_) => return Some((Err(HungUp), (data, 0, connection))),
        };
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - bytes.len() as u64;
        Some((Ok(bytes), (data, left, connection)))
    });
    Response::from_parts(parts, Body::from_stream(broken))
}
