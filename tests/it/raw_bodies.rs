//! Bodies that aren't JSON arrive completely, with or without a known length.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use synapse_backend_client::http::Method;
use synapse_backend_client::reqwest::Body;
use synapse_backend_client::reqwest::multipart::{Form, Part};
use synapse_backend_client::{BackendClient, RawBody};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Sends a body, and returns the request that arrived.
async fn arrived(body: impl Into<RawBody>) -> Request {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let client = BackendClient::builder(server.uri()).read_timeout(Duration::from_secs(5)).build().unwrap();
    let response = client.request(Method::POST, "/files/").params(|p| p.body(body)).await.unwrap();
    assert!(response.is_null());
    server.received_requests().await.unwrap().remove(0)
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

/// Returns a stream of these chunks, without a known length.
fn chunks(chunks: &[&'static [u8]]) -> Body {
    let chunks: Vec<_> =
        chunks.iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk))).collect();
    Body::wrap_stream(stream::iter(chunks))
}

#[tokio::test]
async fn multipart_form_arrives_whole() {
    let file: Vec<u8> = (0..300_000_u32).map(|index| index as u8).collect();
    let form = Form::new().text("title", "street").part("file", Part::bytes(file.clone()).file_name("a.bin"));
    let request = arrived(form).await;
    assert!(header(&request, "content-type").unwrap().starts_with("multipart/form-data; boundary="));
    assert_eq!(header(&request, "content-length"), Some(request.body.len().to_string().as_str()));
    assert!(request.body.windows(file.len()).any(|window| window == file));
}

#[tokio::test]
async fn streamed_form_part_arrives_whole() {
    let request = arrived(
        Form::new().part("file", Part::stream(chunks(&[b"one ", b"", b"two"]))).text("title", "street"),
    )
    .await;
    assert_eq!(header(&request, "content-length"), None);
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.contains("\r\n\r\none two\r\n") && body.contains("\r\n\r\nstreet\r\n"), "{body}");
}

#[tokio::test]
async fn unsized_stream_arrives_whole() {
    let request = arrived(RawBody::from(chunks(&[b"1,a\n", b"2,b\n"])).media_type("text/csv")).await;
    assert_eq!(
        (request.body.as_slice(), header(&request, "content-type")),
        (b"1,a\n2,b\n".as_slice(), Some("text/csv"))
    );
    assert_eq!(arrived(chunks(&[])).await.body, b"");
}

#[tokio::test]
async fn bytes_and_texts_send_content_length() {
    let request = arrived(RawBody::text("text")).await;
    assert_eq!(
        (request.body.as_slice(), header(&request, "content-length")),
        (b"text".as_slice(), Some("4"))
    );
    assert_eq!(header(&request, "content-type"), Some("application/octet-stream"));
    assert_eq!(arrived(Bytes::new()).await.body, b"");
}

#[tokio::test]
async fn made_request_has_its_streamed_body() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    let form = Form::new().text("title", "street");
    let request = client.request(Method::POST, "/documents/").params(|p| p.body(form)).request().unwrap();
    assert!(request.headers().contains_key("content-type"));
    assert!(request.body().is_some_and(|body| body.as_bytes().is_none()));
}
