//! Targets of redirects, and which headers and bodies are sent there.

use super::server::{Act, Seen, Server, json, redirect};
use super::*;
use crate::ErrorKind;
use crate::transport::credentials::Credentials;
use std::sync::Mutex;

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// A server that redirects each path without `/moved` to `location`, and responds to paths with `/moved`.
async fn redirecting(status: u16, location: impl Into<String>) -> Server {
    let location = location.into();
    Server::with(move |which| match which.line.contains("/moved") {
        true => Act::Keep(json(200, MODEL)),
        false => Act::Keep(redirect(status, &location)),
    })
    .await
}

pub(super) fn client_with_secrets(url: &str) -> BackendClient {
    let (builder, _) = builder(url);
    builder
        .legacy_token(secret("legacy"))
        .agent_token(secret("agent"))
        .tenant(secret("tenant"))
        .sensitive_header("X-Gate", secret("gate"))
        .build()
        .unwrap()
}

fn credentials(seen: &Seen) -> Vec<&str> {
    ["synapse-access-token", "authorization", "synapse-agent", "synapse-tenant", "x-gate"]
        .into_iter()
        .filter_map(|name| seen.header(name))
        .collect()
}

pub(super) fn assert_with_credentials(seen: &Seen) {
    let [legacy, agent, tenant] = ["legacy", "agent", "tenant"].map(|name| format!("Token {}", secret(name)));
    let expected = [format!("Token {TOKEN}"), legacy, agent, tenant, secret("gate")];
    assert_eq!(credentials(seen), expected);
    assert_eq!(seen.header("referer"), None);
}

pub(super) fn assert_without_credentials(seen: &Seen) {
    assert_eq!(credentials(seen), [""; 0]);
    assert_eq!(seen.header("referer"), None);
    assert!(!marker::shows_secret(&seen.head), "{}", seen.head);
}

#[tokio::test]
async fn same_origin_get_keeps_credentials() {
    for status in STATUSES {
        let server = redirecting(status, format!("/moved/1/?sig={MARKER}")).await;
        client_with_secrets(&server.url).get_model(1).param("a", "b").await.unwrap();
        assert_eq!(
            server.lines(),
            ["GET /models/1/?a=b".to_owned(), format!("GET /moved/1/?sig={MARKER}")],
            "{status}"
        );
        server.seen().iter().for_each(assert_with_credentials);
    }
}

#[tokio::test]
async fn cross_origin_get_drops_credentials() {
    for status in STATUSES {
        let other = redirecting(500, "").await;
        let server = redirecting(status, format!("{}/moved/1/?sig={MARKER}", other.url)).await;
        client_with_secrets(&server.url).get_model(1).await.unwrap();
        assert_eq!(
            (server.lines(), other.lines()),
            (vec!["GET /models/1/".to_owned()], vec![format!("GET /moved/1/?sig={MARKER}")])
        );
        assert_with_credentials(&server.seen()[0]);
        assert_without_credentials(&other.seen()[0]);
    }
}

#[tokio::test]
async fn cross_origin_401_renews_no_token() {
    let other = Server::of([Act::Keep(json(401, r#"{"detail": "Who are you?"}"#))]).await;
    let server = redirecting(302, format!("{}/moved/1/", other.url)).await;
    let provider = Providing::default();
    let asked = provider.asked.clone();
    let (builder, _) = builder(&server.url);
    let client = builder.credentials_provider(provider).build().unwrap();
    let error = client.get_model(1).await.failure();
    assert!(
        error.is_unauthorized()
            && error.to_string().contains("a redirect to another host, which gets no credentials"),
        "{error}"
    );
    assert_eq!((server.count(), other.count(), asked.lock().unwrap().clone()), (1, 1, vec![false]));
    assert_without_credentials(&other.seen()[0]);
}

#[derive(Default)]
pub(super) struct Providing {
    /// For each call, whether the server had refused the last credentials.
    pub(super) asked: Arc<Mutex<Vec<bool>>>,
}

impl crate::CredentialsProvider for Providing {
    fn credentials(&self, reason: crate::CredentialsReason) -> crate::CredentialsFuture<'_> {
        self.asked.lock().unwrap().push(reason == crate::CredentialsReason::Rejected);
        Box::pin(async { Ok(Credentials::new().access_token(TOKEN)) })
    }
}

#[tokio::test]
async fn write_never_becomes_get() {
    for status in [301, 302, 303] {
        for op in [Op::Create, Op::Patch, Op::Delete] {
            let other = redirecting(500, "").await;
            for location in ["/moved/1/".to_owned(), format!("{}/moved/1/", other.url)] {
                let server = redirecting(status, location).await;
                let error = op.send(&client_with_secrets(&server.url)).await.failure();
                assert_eq!(
                    (error.kind(), error.attempts()),
                    (ErrorKind::CrossOrigin, 1),
                    "{status} {op:?}: {error:?}"
                );
                assert_eq!(server.lines(), [op.line()], "{status}");
            }
            assert_eq!(other.count(), 0);
        }
    }
}

#[tokio::test]
async fn same_origin_write_is_resent_whole() {
    for status in [307, 308] {
        for op in [Op::Create, Op::Patch, Op::Delete] {
            let server = redirecting(status, "/moved/1/").await;
            op.send(&client_with_secrets(&server.url)).await.unwrap();
            let method = op.line().split(' ').next().unwrap();
            assert_eq!(server.lines(), [op.line().to_owned(), format!("{method} /moved/1/")], "{status}");
            for seen in server.seen() {
                assert_eq!(String::from_utf8_lossy(&seen.body), op.body(), "{status} {op:?}");
                assert_with_credentials(&seen);
            }
        }
    }
}

#[tokio::test]
async fn large_redirected_body_is_resent() {
    let server = redirecting(308, "/moved/1/").await;
    let (client, _) = client(&server.url);
    let text = "x".repeat(300_000);
    client.request(Method::POST, "/tasks/").params(|p| p.json(&text)).await.unwrap();
    let bodies: Vec<usize> = server.seen().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(bodies, [300_002, 300_002]);
}

#[tokio::test]
async fn cross_origin_write_is_refused() {
    for status in [307, 308] {
        for op in [Op::Create, Op::Patch, Op::Delete] {
            let other = redirecting(500, "").await;
            let server = redirecting(status, format!("{}/moved/1/", other.url)).await;
            let error = op.send(&client_with_secrets(&server.url)).await.failure();
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::CrossOrigin, 1),
                "{status} {op:?}: {error:?}"
            );
            assert_eq!((server.count(), other.count()), (1, 0));
        }
    }
}

#[tokio::test]
async fn redirect_loop_ends() {
    let server = redirecting(302, "/models/1/").await;
    let (client, clock) = client(&server.url);
    let error = client.get_model(1).await.failure();
    assert_eq!(
        (error.kind(), server.count(), clock.waits().len()),
        (ErrorKind::CrossOrigin, 11, 0),
        "{error:?}"
    );
}

#[tokio::test]
async fn redirect_to_invalid_url_is_error() {
    for location in ["http://[", "http://:80:80/", "ftp://h/", "data:,x", "file:///etc/passwd"] {
        let server = redirecting(302, location).await;
        let (client, _) = client(&server.url);
        let error = client.get_model(1).await.failure();
        assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::CrossOrigin), "{location}: {error:?}");
        assert_eq!((server.count(), error.attempts()), (1, 1));
    }
}

#[tokio::test]
async fn failed_redirect_retries_from_start() {
    let server = Server::with(|which| match which.number {
        0 | 2 => Act::Keep(redirect(302, "/moved/1/")),
        1 => Act::Close(Vec::new()),
        _ => Act::Keep(json(200, MODEL)),
    })
    .await;
    let (client, clock) = client(&server.url);
    client.get_model(1).await.unwrap();
    assert_eq!(server.lines(), ["GET /models/1/", "GET /moved/1/", "GET /models/1/", "GET /moved/1/"]);
    assert_eq!(clock.waits(), [125]);
}

#[tokio::test]
async fn lost_redirected_write_is_unknown() {
    let server = Server::of([Act::Keep(redirect(307, "/moved/")), Act::Close(Vec::new())]).await;
    let (client, _) = client(&server.url);
    let error = create(&client).await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
    assert_eq!(server.lines(), ["POST /models/", "POST /moved/"]);
}

/// No server is needed: nothing is sent.
#[tokio::test]
async fn https_to_http_is_refused() {
    let client = BackendClient::builder("https://h").build().unwrap();
    let transport = client.transport();
    for status in STATUSES {
        for method in [Method::GET, Method::POST] {
            let request = reqwest::Request::new(method.clone(), "https://h/models/".parse().unwrap());
            let info = crate::error::RequestInfo::new("", &method, request.url());
            let status = reqwest::StatusCode::from_u16(status).unwrap();
            let to = |url: &str| {
                transport
                    .redirected(Some(&request), url.parse().unwrap(), status, true, &info)
                    .map_err(crate::Error::from)
            };
            for target in ["http://h/models/", "http://h:443/models/", "http://other/"] {
                let error = to(target).failure();
                assert_eq!(error.kind(), ErrorKind::CrossOrigin);
                assert!(error.to_string().contains("from https to http://"), "{error}");
            }
            if method == Method::GET {
                assert_eq!(to("https://other/x?y=z").unwrap().url().as_str(), "https://other/x?y=z");
            }
        }
    }
}

#[tokio::test]
async fn list_refuses_cross_origin_redirect() {
    let nothing = r#"{"count": null, "next": null, "results": []}"#;
    for status in STATUSES {
        let other = Server::of([Act::Keep(json(200, nothing))]).await;
        let redirected = redirect(status, &format!("{}/models/?cursor=b&sig={MARKER}", other.url));
        let server = Server::of([Act::Keep(redirected.clone())]).await;
        let (client, clock) = client(&server.url);
        let error = client.list_models().await.failure();
        assert_eq!(
            (error.kind(), error.attempts(), clock.waits().len()),
            (ErrorKind::CrossOrigin, 1, 0),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("redirects a GET to http://")
                && error.to_string().contains("nothing was sent there")
        );

        let page = format!(r#"{{"next": "/models/?cursor=b", "results": [{MODEL}]}}"#);
        let server = Server::of([Act::Keep(json(200, page)), Act::Keep(redirected)]).await;
        let mut models = super::client(&server.url).0.list_models().list_all().stream();
        assert_eq!(models.next().await.unwrap().unwrap().id, 1);
        assert_eq!(models.next().await.unwrap().failure().kind(), ErrorKind::CrossOrigin);
        assert_eq!((server.count(), other.count()), (2, 0), "{status}");
    }
}

/// A chunk's body is streamed, but can be sent again.
#[tokio::test]
async fn chunks_follow_same_origin_redirect() {
    for status in [307, 308] {
        let stands = |offset: u8, completed_at: &str| {
            let response = format!(
                r#"{{"id": "u", "url": "/chunked_upload/u/", "offset": {offset}, "completed_at": {completed_at}}}"#
            );
            Act::Keep(json(200, response))
        };
        let moved = |path: &str| Act::Keep(redirect(status, path));
        let server = Server::of([
            moved("/moved/chunked_upload/"),
            stands(2, "null"),
            moved("/moved/chunked_upload/u/"),
            stands(4, "null"),
            stands(4, r#""2024-01-01T00:00:00Z""#),
        ])
        .await;
        let (client, _) = client(&server.url);
        client.create_chunked_upload(bytes::Bytes::from_static(b"1234")).chunk_size(2).await.unwrap();
        let (first, next) = ("PUT /chunked_upload/", "PUT /chunked_upload/u/");
        let (moved, next_moved) = ("PUT /moved/chunked_upload/", "PUT /moved/chunked_upload/u/");
        assert_eq!(server.lines(), [first, moved, next, next_moved, "POST /chunked_upload/u/"], "{status}");
        let bodies = server
            .seen()
            .into_iter()
            .map(|seen| String::from_utf8_lossy(&seen.body).into_owned())
            .collect::<Vec<_>>();
        assert!(bodies[1].contains("\r\n12\r\n") && bodies[3].contains("\r\n34\r\n"), "{bodies:?}");
    }
}

#[tokio::test]
async fn upload_state_refuses_cross_origin() {
    let done = r#"{"id": "u", "offset": 4, "completed_at": "2024-01-01T00:00:00Z"}"#;
    let other = Server::of([Act::Keep(json(200, done))]).await;
    let target = format!("{}/chunked_upload/u/", other.url);
    let server = Server::with(move |which| match (which.number, which.line.starts_with("GET")) {
        (0, _) => Act::Keep(json(
            200,
            r#"{"id": "u", "url": "/chunked_upload/u/", "offset": 2, "completed_at": null}"#,
        )),
        (_, true) => Act::Keep(redirect(302, &target)),
        _ => Act::Close(Vec::new()),
    })
    .await;
    let (client, _) = client(&server.url);
    let error =
        client.create_chunked_upload(bytes::Bytes::from_static(b"1234")).chunk_size(2).await.failure();
    assert_eq!((error.kind(), other.count()), (ErrorKind::CrossOrigin, 0), "{error:?}");
    assert!(error.upload_session().is_some(), "the session is kept: {error:?}");
}

#[tokio::test]
async fn cross_origin_next_is_not_followed() {
    let other = Server::of([Act::Keep(Op::List.response())]).await;
    for rewrite in [true, false] {
        let next = match rewrite {
            true => format!("{}/elsewhere/?page=2", other.url),
            false => format!("{}/models/?page=2", other.url),
        };
        let page = format!(r#"{{"count": 2, "next": "{next}", "results": [{MODEL}]}}"#);
        let server = Server::of([Act::Keep(json(200, page))]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.rewrite_links(rewrite).build().unwrap();
        let mut models = client.list_models().list_all().stream();
        assert_eq!(models.next().await.unwrap().unwrap().id, 1);
        let error = models.next().await.unwrap().failure();
        assert_eq!(error.kind(), ErrorKind::CrossOrigin, "{error:?}");
        assert!(models.next().await.is_none());
        assert_eq!(
            (server.lines(), other.count(), clock.waits().len()),
            (vec!["GET /models/".to_owned()], 0, 0)
        );
    }
}

#[tokio::test]
async fn redirect_out_of_the_prefix_is_refused() {
    let server = redirecting(307, "/moved/").await;
    let base = format!("{}/api/v1", server.url);
    let client = client_with_secrets(&base);
    let error = client.list_models().list_all_raw().stream().next().await.unwrap().unwrap_err();
    assert!(
        error.kind() == ErrorKind::CrossOrigin && error.to_string().contains("allow_links_outside_prefix"),
        "{error}"
    );
    assert_eq!(server.lines().len(), 1);
    let (builder, _) = builder(&base);
    let client = builder.allow_links_outside_prefix(true).build().unwrap();
    let _ = client.list_models().list_all_raw().stream().next().await;
    assert_eq!(server.lines().last().unwrap(), "GET /moved/");
    // A redirect inside the prefix is followed.
    let server = redirecting(307, "/api/v1/moved/").await;
    let _ = client_with_secrets(&format!("{}/api/v1", server.url))
        .list_models()
        .list_all_raw()
        .stream()
        .next()
        .await;
    assert_eq!(server.lines().last().unwrap(), "GET /api/v1/moved/");
}

#[tokio::test]
async fn only_redirect_statuses_are_followed() {
    for status in [300, 304, 305, 306, 399] {
        let server = redirecting(status, "/moved/").await;
        assert!(client_with_secrets(&server.url).get_model(1).await.is_err(), "{status}");
        assert_eq!(server.lines().len(), 1, "{status}");
    }
}
