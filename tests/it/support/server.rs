//! A mock server, its client, and checks of the requests that it received.

use synapse_backend_client::{BackendClient, RetryPolicy};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::marker::{self, TOKEN};

/// Returns a JSON response. The text is sent byte for byte.
pub fn json(status: u16, text: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text.into(), "application/json")
}

pub fn html(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text, "text/html")
}

/// Starts a server without mocks.
pub async fn start() -> MockServer {
    marker::watch();
    MockServer::start().await
}

pub fn client_of(server: &MockServer) -> BackendClient {
    BackendClient::builder(server.uri()).retry(RetryPolicy::never()).access_token(TOKEN).build().unwrap()
}

/// Returns a server with one response for one path, and its client.
pub async fn serving(verb: &str, at: &str, response: ResponseTemplate) -> (MockServer, BackendClient) {
    let server = start().await;
    Mock::given(method(verb)).and(path(at)).respond_with(response).mount(&server).await;
    let client = client_of(&server);
    (server, client)
}

pub async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

/// Returns the only request that the server received.
pub async fn only(server: &MockServer) -> Request {
    let mut requests = requests(server).await;
    assert_eq!(requests.len(), 1, "{:?}", requests.iter().map(line).collect::<Vec<_>>());
    requests.remove(0)
}

pub async fn assert_nothing_sent(server: &MockServer) {
    assert_eq!(lines(server).await, [""; 0]);
}

/// Returns method, path and raw query: `GET /models/?project=1`.
pub fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

pub async fn lines(server: &MockServer) -> Vec<String> {
    requests(server).await.iter().map(line).collect()
}

/// Returns a header, which must not occur twice.
pub fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut values = request.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} occurs twice");
    value
}

/// Asserts that a request is this GET, with exactly the expected headers.
pub fn assert_get(request: &Request, expected: &str) {
    assert_eq!(line(request), format!("GET {expected}"));
    assert_eq!(request.body, b"");
    assert_eq!(header(request, "accept"), Some("application/json"));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    let user_agent = header(request, "user-agent").unwrap();
    assert_eq!(user_agent, concat!("synapse-backend-client/", env!("CARGO_PKG_VERSION")));
    // `accept-encoding` depends on the cargo features.
    let names = request.headers.keys().map(|name| name.as_str()).filter(|name| *name != "accept-encoding");
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "synapse-access-token", "user-agent"]);
}

/// Asserts that the server received only this GET.
pub async fn assert_only_get(server: &MockServer, expected: &str) {
    assert_get(&only(server).await, expected);
}

/// Asserts that every request was this one. There is at least one, and more if the client may retry.
pub async fn assert_every_request(server: &MockServer, expected: &str) {
    let lines = lines(server).await;
    assert!(!lines.is_empty() && lines.iter().all(|line| line == expected), "{lines:?}");
}
