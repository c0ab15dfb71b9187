//! Chunked uploads on a [`MockServer`], in the format of the platform.

use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::marker::TOKEN;
use super::server::{header, json};

/// Accepts any upload, with this id as JSON (`7` or `"a-uuid"`).
pub async fn take_uploads(server: &MockServer, id: &str) {
    let url = format!("{}/chunked_upload/{}/", server.uri(), id.trim_matches('"'));
    let id = id.to_owned();
    let completed =
        format!(r#"{{"id": {id}, "file": "/media/uploads/1", "completed_at": "2025-01-31T00:00:00Z"}}"#);
    let chunk = move |request: &Request| -> ResponseTemplate {
        let next = range(request).1 + 1;
        json(
            200,
            format!(
                r#"{{"id": {id}, "url": "{url}", "offset": {next}, "filename": "f", "completed_at": null}}"#
            ),
        )
    };
    Mock::given(method("PUT")).and(path_regex("^/chunked_upload/")).respond_with(chunk).mount(server).await;
    Mock::given(method("POST"))
        .and(path_regex("^/chunked_upload/.+/$"))
        .respond_with(json(200, completed))
        .mount(server)
        .await;
}

/// Returns the first byte, the last byte and the total of a `Content-Range`.
pub fn range(request: &Request) -> (u64, u64, u64) {
    let text = header(request, "content-range").unwrap().strip_prefix("bytes ").unwrap();
    let (bytes, total) = text.split_once('/').unwrap();
    let (first, last) = bytes.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap(), total.parse().unwrap())
}

/// Asserts that a request sends this chunk, including every header and byte.
pub fn assert_chunk(request: &Request, path: &str, range: &str, file_name: &str, content: &[u8]) {
    assert_eq!((request.method.as_str(), request.url.path(), request.url.query()), ("PUT", path, None));
    assert_eq!(header(request, "content-range"), Some(range));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(header(request, "transfer-encoding"), None);
    assert_eq!(header(request, "content-length"), Some(request.body.len().to_string().as_str()));
    let boundary =
        header(request, "content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(!boundary.is_empty() && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{boundary}");
    let mut expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n{file_name}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n"
    )
    .into_bytes();
    expected.extend_from_slice(content);
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(String::from_utf8_lossy(&request.body), String::from_utf8_lossy(&expected));
    assert_eq!(request.body, expected);
}

/// Asserts that a request completes the upload at `path` with this checksum.
pub fn assert_completion(request: &Request, path: &str, md5: &str) {
    assert_eq!((request.method.as_str(), request.url.path(), request.url.query()), ("POST", path, None));
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(String::from_utf8_lossy(&request.body), format!(r#"{{"md5":"{md5}"}}"#));
}
