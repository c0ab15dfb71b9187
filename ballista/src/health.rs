//! Health: what answers, and a command that asks.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use ballista_executor::health::ExecutorHealth;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a health check may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest response of a health check, in bytes.
const MAX_RESPONSE: u64 = 4096;

/// Returns `/healthz`, which is 200 while the process serves, and `/readyz`, which is 200 if `is_ready` and otherwise 503.
pub(crate) fn routes(is_ready: impl Fn() -> bool + Clone + Send + Sync + 'static) -> Router {
    let readyz = move || {
        let response = match is_ready() {
            true => (StatusCode::OK, "ready\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        };
        std::future::ready(response)
    };
    Router::new().route("/healthz", get(|| std::future::ready("ok\n"))).route("/readyz", get(readyz))
}

/// Serves the health of an executor: it is ready once the scheduler has answered its last heartbeat.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve_health(listener: TcpListener, health: ExecutorHealth) -> std::io::Result<()> {
    axum::serve(listener, routes(move || health.is_ready())).await
}

/// Asks a process of the cluster at `url`, such as `http://127.0.0.1:50050`, whether it is ready.
///
/// # Errors
/// Returns an error if the process can't be reached, or isn't ready.
pub async fn check_health(url: &str) -> Result<(), String> {
    let authority = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    if authority.contains('/') {
        return Err(format!("{url:?} isn't `http://host:port`"));
    }
    match tokio::time::timeout(LIMIT, ready_status(authority)).await {
        Ok(Ok(200)) => Ok(()),
        Ok(Ok(status)) => Err(format!("{url}: not ready (status {status})")),
        Ok(Err(error)) => Err(format!("{url}: {error}")),
        Err(_) => Err(format!("{url}: no response within {LIMIT:?}")),
    }
}

/// Returns the status of `/readyz`.
async fn ready_status(authority: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response);
    let status = response.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    status
        .filter(|_| response.starts_with("HTTP/1."))
        .ok_or_else(|| std::io::Error::other("the response isn't HTTP"))
}
