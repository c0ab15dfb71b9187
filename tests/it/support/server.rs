//! A server that answers what a test tells it to, and what it saw.

use synapse_backend_client::{BackendClient, RetryPolicy};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::marker::{self, TOKEN};

/// An answer of JSON, written down as text so that its every byte is the test's.
pub fn json(status: u16, text: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text.into(), "application/json")
}

pub fn html(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text, "text/html")
}

/// One without mocks yet.
pub async fn start() -> MockServer {
    marker::watch();
    MockServer::start().await
}

pub fn client_of(server: &MockServer) -> BackendClient {
    BackendClient::builder(server.uri()).retry(RetryPolicy::never()).access_token(TOKEN).build().unwrap()
}

/// A server that gives one answer to one path, and a client of it.
pub async fn serving(verb: &str, at: &str, response: ResponseTemplate) -> (MockServer, BackendClient) {
    let server = start().await;
    Mock::given(method(verb)).and(path(at)).respond_with(response).mount(&server).await;
    let client = client_of(&server);
    (server, client)
}

pub async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

/// The only request that the server saw.
pub async fn only(server: &MockServer) -> Request {
    let mut requests = requests(server).await;
    assert_eq!(requests.len(), 1, "{:?}", requests.iter().map(line).collect::<Vec<_>>());
    requests.remove(0)
}

pub async fn assert_nothing_sent(server: &MockServer) {
    assert_eq!(lines(server).await, [""; 0]);
}

/// Method, path and raw query: `GET /models/?project=1`.
pub fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

pub async fn lines(server: &MockServer) -> Vec<String> {
    requests(server).await.iter().map(line).collect()
}

/// A header that stands once in the request.
pub fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut values = request.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} stands there twice");
    value
}

/// That a GET is this one, with the headers that it should have and no other.
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

/// That the server saw one request, this GET.
pub async fn assert_only_get(server: &MockServer, expected: &str) {
    assert_get(&only(server).await, expected);
}

/// That every request was this one: at least one, and more where the client may ask again.
pub async fn assert_every_request(server: &MockServer, expected: &str) {
    let lines = lines(server).await;
    assert!(!lines.is_empty() && lines.iter().all(|line| line == expected), "{lines:?}");
}
