//! TLS, HTTP/2 and proxies over real sockets: which servers are trusted, what is sent, and how a failed
//! connection is reported.

#![cfg(feature = "rustls")]

use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::marker::{Failure, MARKER, TOKEN, secret};
use crate::support::predicates::predicates;
use crate::support::proxy::{Does, Proxy};
use crate::support::server;
use crate::support::soon::soon;
use crate::support::tcp_server::{header, refusing};
#[cfg(feature = "http2")]
use crate::support::tls_server::Treatment;
use crate::support::tls_server::{self, Authority, Ending, HTTP_1, HTTP_2, Manner, NoTls, TlsServer, json};
use hyper::Version;
use synapse_backend_client::reqwest::{Method, StatusCode};
use synapse_backend_client::{
    BackendClient, BackendClientBuilder, Error, ErrorKind, Json, RetryPolicy, json as json_value,
};
use wiremock::Mock;
use wiremock::matchers::any;

/// The address that the tests' servers listen on, and the name in their certificates.
const HERE: &str = "127.0.0.1";
/// A host that only the proxy can reach.
const OTHER_HOST: &str = "backend.invalid";

/// The `Proxy-Authorization` value of [`user_info`].
const BASIC: &str = "Basic dXNlcjptNHJrM3ItcGFzc3dvcmQ=";

fn user_info() -> String {
    format!("user:{}", secret("password"))
}

/// Builds a client that never retries.
fn builder(url: impl Into<String>) -> BackendClientBuilder {
    BackendClient::builder(url).access_token(TOKEN).retry(RetryPolicy::never())
}

/// Two retries with short waits.
fn two_retries() -> RetryPolicy {
    RetryPolicy::new().max_retries(2).initial_backoff(Duration::from_millis(1))
}

async fn get(client: &BackendClient) -> Result<Json, Error> {
    soon(client.request(Method::GET, "/things/1/").send()).await
}

async fn post(client: &BackendClient) -> Result<Json, Error> {
    soon(client.request(Method::POST, "/things/").params(|p| p.json(&json_value!({"name": "n"}))).send())
        .await
}

async fn send(client: &BackendClient, method: &Method) -> Result<Json, Error> {
    if method == Method::POST { post(client).await } else { get(client).await }
}

/// Asserts that no connection was established, for this cause.
fn assert_no_connection(error: &Error, cause: &str) {
    assert_eq!((error.kind(), predicates(error)), (ErrorKind::Connect, vec!["connect"]), "{error:?}");
    assert_eq!((error.status(), error.response().is_none()), (None, true));
    assert!(error.to_string().contains(cause), "{error}");
    assert!(error.source().is_some());
    // The header value is equivalent to the password.
    assert!(!format!("{error:?}").contains(BASIC.trim_start_matches("Basic ")), "{error:?}");
}

/// Asserts that neither a GET nor a POST gets a connection. Each is tried as often as the policy allows, and
/// each attempt is reported.
async fn assert_never_connects(builder: BackendClientBuilder, cause: &str) {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let recorder = reported.clone();
    let builder = builder.retry(two_retries());
    let client =
        builder.on_attempt(move |attempt| recorder.lock().unwrap().push(attempt.error)).build().unwrap();
    for method in [Method::GET, Method::POST] {
        let error = send(&client, &method).await.failure();
        assert_no_connection(&error, cause);
        assert_eq!((error.method(), error.attempts()), (Some(&method), 3));
        assert_eq!(reported.lock().unwrap().drain(..).collect::<Vec<_>>(), [Some(ErrorKind::Connect); 3]);
    }
}

// ---- certificates

/// Asserts that a GET and a POST reach the server over one connection.
async fn assert_works(client: &BackendClient, server: &TlsServer, version: Version) {
    assert_eq!(get(client).await.unwrap()["line"], "GET /things/1/");
    assert_eq!(post(client).await.unwrap(), json_value!({"name": "n"}));
    let seen = server.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.line.as_str()).collect::<Vec<_>>(),
        ["GET /things/1/", "POST /things/"]
    );
    for seen in &seen {
        assert_eq!((seen.version, seen.connection), (version, 0));
        assert_eq!(seen.header("synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    }
    assert_eq!((&seen[0].body[..], &seen[1].body[..]), (&b""[..], &br#"{"name":"n"}"#[..]));
    assert_eq!((server.connections(), server.handshakes()), (1, 1));
}

#[tokio::test]
async fn custom_root_certificate_is_trusted() {
    let authority = Authority::new();
    let both = [Authority::new().pem(), authority.pem()].concat();
    for certificate in [authority.pem().into_bytes(), authority.der(), both.into_bytes()] {
        for protocols in [HTTP_1, &[]] {
            let server = TlsServer::echoing(authority.issue(HERE), Manner::of(protocols)).await;
            let client = builder(server.url()).root_certificate(certificate.clone()).build().unwrap();
            assert_works(&client, &server, Version::HTTP_11).await;
        }
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_negotiated_when_offered() {
    let authority = Authority::new();
    for certificate in [authority.pem().into_bytes(), authority.der()] {
        let server = TlsServer::echoing(authority.issue(HERE), Manner::of(HTTP_2)).await;
        let client = builder(server.url()).root_certificate(certificate).build().unwrap();
        assert_works(&client, &server, Version::HTTP_2).await;
    }
}

/// Asserts that the client refuses the server's certificate, and that the server gets no request.
async fn assert_refused(server: &TlsServer, builder: BackendClientBuilder, cause: &str) {
    assert_never_connects(builder, cause).await;
    let refused = server.refused().await;
    assert_eq!((server.connections(), server.handshakes(), refused.len()), (6, 0, 6));
    // The client ended each handshake with an alert.
    assert!(refused.iter().all(|why| why.contains("alert")), "{refused:?}");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn unknown_authority_gets_no_request() {
    let authority = Authority::new();
    for protocols in [HTTP_1, HTTP_2] {
        let server = TlsServer::echoing(authority.issue(HERE), Manner::of(protocols)).await;
        assert_refused(&server, builder(server.url()), "UnknownIssuer").await;
        let server = TlsServer::echoing(authority.issue(HERE), Manner::of(protocols)).await;
        // The client trusts another authority of the same name.
        assert_refused(
            &server,
            builder(server.url()).root_certificate(Authority::new().pem()),
            "BadSignature",
        )
        .await;
    }
}

#[tokio::test]
async fn wrong_host_certificate_gets_no_request() {
    let authority = Authority::new();
    for name in [OTHER_HOST, "127.0.0.2"] {
        let server = TlsServer::echoing(authority.issue(name), Manner::of(HTTP_2)).await;
        assert_refused(
            &server,
            builder(server.url()).root_certificate(authority.pem()),
            "not valid for name",
        )
        .await;
    }
}

#[tokio::test]
async fn expired_or_future_certificate_refused() {
    let authority = Authority::new();
    for (from, to, cause) in [(2000, 2020, "expired"), (3000, 4000, "not valid yet")] {
        let server = TlsServer::echoing(authority.issue_for_years(HERE, from, to), Manner::of(HTTP_2)).await;
        assert_refused(&server, builder(server.url()).root_certificate(authority.pem()), cause).await;
    }
}

// ---- only one side speaks TLS

#[tokio::test]
async fn https_to_plain_server_never_connects() {
    for response in [
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let server = NoTls::start(response, Ending::Close).await;
        assert_never_connects(builder(server.url()), "corrupt message").await;
        assert_eq!(server.connections(), 6);
    }
}

#[tokio::test]
async fn http_to_tls_server_is_decode_error() {
    let server = TlsServer::echoing(Authority::new().issue(HERE), Manner::of(HTTP_1)).await;
    let client = builder(format!("http://{}", server.address)).build().unwrap();
    let error = get(&client).await.failure();
    assert_eq!((error.kind(), predicates(&error)), (ErrorKind::Decode, vec!["decode"]), "{error:?}");
    assert!(error.to_string().contains("invalid response head: invalid HTTP version"), "{error}");
    let error = post(&client).await.failure();
    assert_eq!(
        (error.kind(), predicates(&error)),
        (ErrorKind::UnknownOutcome, vec!["unknown_outcome"]),
        "{error:?}"
    );
    assert!(error.to_string().contains("invalid HTTP version"), "{error}");
    assert_eq!((server.refused().await.len(), server.handshakes(), server.connections()), (2, 0, 2));
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn broken_handshake_is_connect_error() {
    // The handshake breaks before the server's first message, or within it.
    for opening in [&b""[..], b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76"] {
        for (ending, cause) in [(Ending::Close, "eof"), (Ending::Reset, "reset")] {
            let server = NoTls::start(opening, ending).await;
            assert_never_connects(builder(server.url()), cause).await;
            assert_eq!(server.connections(), 6);
        }
    }
}

#[tokio::test]
async fn failed_connect_retried_and_sent_once() {
    let authority = Authority::new();
    for protocols in [HTTP_1, HTTP_2] {
        let manner = Manner { broken: 2, ..Manner::of(protocols) };
        let server = TlsServer::echoing(authority.issue(HERE), manner).await;
        let client =
            builder(server.url()).root_certificate(authority.pem()).retry(two_retries()).build().unwrap();
        assert_eq!(post(&client).await.unwrap(), json_value!({"name": "n"}));
        assert_eq!((server.lines(), server.connections()), (vec!["POST /things/".to_owned()], 3));
        // One retry fewer is not enough.
        let server = TlsServer::echoing(authority.issue(HERE), manner).await;
        let builder = builder(server.url()).root_certificate(authority.pem());
        let error = post(&builder.retry(two_retries().max_retries(1)).build().unwrap()).await.failure();
        assert_no_connection(&error, "eof");
        assert_eq!((server.lines(), server.connections(), error.attempts()), (vec![], 2, 2));
    }
}

// ---- HTTP/2

/// Returns a server with this manner, and a client whose first GET has succeeded.
async fn connected(manner: Manner, policy: RetryPolicy) -> (TlsServer, BackendClient) {
    let authority = Authority::new();
    let server = TlsServer::echoing(authority.issue(HERE), manner).await;
    let client = builder(server.url()).root_certificate(authority.pem()).retry(policy).build().unwrap();
    get(&client).await.unwrap();
    (server, client)
}

/// Asserts that each of these concurrent calls, a POST and a GET each, gets its own response.
#[cfg(feature = "http2")]
async fn assert_each_its_response(client: &BackendClient, calls: usize) {
    let calls: Vec<_> = (0..calls)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let body = json_value!({"number": number});
                let posted = client.request(Method::POST, "/things/").params(|p| p.json(&body)).send();
                let path = format!("/things/{number}/");
                let got = client.request(Method::GET, &path).send();
                assert_eq!(soon(posted).await.unwrap()["number"], number);
                assert_eq!(soon(got).await.unwrap()["line"], format!("GET {path}"));
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn concurrent_calls_share_http2_connection() {
    const CALLS: usize = 50;
    let (authority, barrier) = (Authority::new(), Arc::new(tokio::sync::Barrier::new(CALLS)));
    // The server responds only when all calls have arrived.
    let response = move |seen: tls_server::Seen| {
        let barrier = barrier.clone();
        async move {
            if seen.line != "GET /first/" {
                barrier.wait().await;
            }
            tls_server::echo(seen).await
        }
    };
    let server = TlsServer::responding(authority.issue(HERE), Manner::of(HTTP_2), response).await;
    let client = builder(server.url()).root_certificate(authority.pem()).build().unwrap();
    soon(client.request(Method::GET, "/first/").send()).await.unwrap();
    assert_each_its_response(&client, CALLS).await;
    let seen = server.seen();
    assert_eq!((seen.len(), server.connections()), (2 * CALLS + 1, 1));
    assert!(seen.iter().all(|seen| seen.version == Version::HTTP_2 && seen.connection == 0));
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn calls_wait_beyond_http2_stream_limit() {
    let (server, client) = connected(Manner { streams: 3, ..Manner::of(HTTP_2) }, RetryPolicy::never()).await;
    assert_each_its_response(&client, 30).await;
    assert_eq!((server.seen().len(), server.connections()), (61, 1));
}

#[tokio::test]
async fn idle_connection_closed_fails_no_call() {
    for protocols in [HTTP_1, HTTP_2] {
        let (server, client) = connected(Manner::of(protocols), RetryPolicy::never()).await;
        server.say_goodbye().await;
        assert_eq!(post(&client).await.unwrap(), json_value!({"name": "n"}));
        server.say_goodbye().await;
        assert_eq!(get(&client).await.unwrap()["line"], "GET /things/1/");
        let seen: Vec<_> = server.seen().into_iter().map(|seen| (seen.line, seen.connection)).collect();
        let expected = [("GET /things/1/", 0), ("POST /things/", 1), ("GET /things/1/", 2)];
        assert_eq!(seen, expected.map(|(line, connection)| (line.to_owned(), connection)), "{protocols:?}");
        assert_eq!(server.connections(), 3);
    }
}

/// Returns a server that applies the treatment to the second request of its first connection, and a client
/// whose first GET succeeded there.
#[cfg(feature = "http2")]
async fn treating_second(treatment: Treatment) -> (TlsServer, BackendClient) {
    let authority = Authority::new();
    let server = TlsServer::treating_second(authority.issue(HERE), treatment).await;
    let client =
        builder(server.url()).root_certificate(authority.pem()).retry(two_retries()).build().unwrap();
    assert_eq!(get(&client).await.unwrap(), json_value!({}));
    (server, client)
}

/// Returns the connection of each request that the server processed.
#[cfg(feature = "http2")]
fn acted_on(server: &TlsServer) -> Vec<usize> {
    server.seen().into_iter().map(|seen| seen.connection).collect()
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn get_retried_on_new_http2_connection() {
    for (treatment, acted) in [
        (Treatment::RefuseAndGoAway, vec![0, 1]),
        (Treatment::RefuseStream, vec![0, 1]),
        (Treatment::ActAndGoAway, vec![0, 0, 1]),
        (Treatment::ActAndReset, vec![0, 0, 1]),
    ] {
        let (server, client) = treating_second(treatment).await;
        assert_eq!(get(&client).await.unwrap(), json_value!({}), "{treatment:?}");
        assert_eq!((acted_on(&server), server.connections()), (acted, 2), "{treatment:?}");
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn post_possibly_acted_on_is_sent_once() {
    for treatment in [Treatment::ActAndGoAway, Treatment::ActAndReset] {
        let (server, client) = treating_second(treatment).await;
        let error = post(&client).await.failure();
        assert_eq!(
            (error.kind(), predicates(&error)),
            (ErrorKind::UnknownOutcome, vec!["unknown_outcome"]),
            "{error:?}"
        );
        assert!(error.to_string().contains("the connection broke before the response"), "{error}");
        assert_eq!(
            (error.attempts(), acted_on(&server), server.connections()),
            (1, vec![0, 0], 1),
            "{treatment:?}"
        );
        // The next request is not affected.
        assert_eq!(post(&client).await.unwrap(), json_value!({}), "{treatment:?}");
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn refused_http2_post_is_resent() {
    let mut unknown = Vec::new();
    for treatment in [Treatment::RefuseAndGoAway, Treatment::RefuseStream] {
        let (server, client) = treating_second(treatment).await;
        let outcome = post(&client).await;
        // The server processed the request at most once.
        assert_eq!(acted_on(&server).len(), 1 + usize::from(outcome.is_ok()), "{treatment:?}");
        unknown.extend(outcome.err().map(|error| format!("{treatment:?}: {error}")));
    }
    // RFC 9113, 8.7: the server did not process such a request, whatever its method.
    assert_eq!(unknown, [""; 0]);
}

// ---- redirects

#[tokio::test]
async fn https_to_http_redirect_is_refused() {
    let plain = server::start().await;
    let (authority, target) = (Authority::new(), format!("{}/things/1/?sig={MARKER}", plain.uri()));
    for protocols in [HTTP_1, HTTP_2] {
        for status in [301, 302, 303, 307, 308] {
            let target = target.clone();
            let response = move |_| {
                let mut response = json(status, "");
                response.headers_mut().insert("location", target.parse().unwrap());
                async move { response }
            };
            let server = TlsServer::responding(authority.issue(HERE), Manner::of(protocols), response).await;
            let client =
                builder(server.url()).root_certificate(authority.pem()).retry(two_retries()).build().unwrap();
            for error in [get(&client).await.failure(), post(&client).await.failure()] {
                assert_eq!(
                    (error.kind(), error.attempts(), predicates(&error)),
                    (ErrorKind::CrossOrigin, 1, vec![]),
                    "{error:?}"
                );
                assert!(error.to_string().contains("from https to http://127.0.0.1"), "{error}");
            }
            assert_eq!(server.lines(), ["GET /things/1/", "POST /things/"]);
        }
    }
    server::assert_nothing_sent(&plain).await;
}

// ---- proxies

/// The response of a proxy that rejects the user.
const NOT_AUTHORIZED: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn first_line(head: &str) -> &str {
    head.lines().next().unwrap()
}

#[tokio::test]
async fn plain_http_proxied_by_absolute_url() {
    for authorization in [None, Some(BASIC)] {
        let server = server::start().await;
        Mock::given(any()).respond_with(server::json(200, r#"{"id": 1}"#)).mount(&server).await;
        let proxy = Proxy::start(Does::Forward(*server.address())).await;
        let url = if authorization.is_none() { proxy.url() } else { proxy.url_for(&user_info()) };
        let client = builder(format!("http://{OTHER_HOST}/api")).proxy(url).build().unwrap();
        get(&client).await.unwrap();
        post(&client).await.unwrap();
        let heads = proxy.heads();
        let lines: Vec<_> = heads.iter().map(|head| first_line(head)).collect();
        let expected = [
            "GET http://backend.invalid/api/things/1/ HTTP/1.1",
            "POST http://backend.invalid/api/things/ HTTP/1.1",
        ];
        assert_eq!(lines, expected);
        for head in &heads {
            assert_eq!(
                (header(head, "host"), header(head, "proxy-authorization")),
                (Some(OTHER_HOST), authorization)
            );
        }
        let requests = server::requests(&server).await;
        let received: Vec<_> =
            requests.iter().map(|request| (request.method.as_str(), request.url.path())).collect();
        assert_eq!(received, [("GET", "/api/things/1/"), ("POST", "/api/things/")]);
        assert_eq!((&requests[0].body[..], &requests[1].body[..]), (&b""[..], &br#"{"name":"n"}"#[..]));
        for request in &requests {
            let sent = ["synapse-access-token", "host"].map(|name| server::header(request, name));
            assert_eq!(sent, [Some(&*format!("Token {TOKEN}")), Some(OTHER_HOST)]);
        }
    }
}

#[tokio::test]
async fn https_tunnel_hides_token_from_proxy() {
    let authority = Authority::new();
    let best = if cfg!(feature = "http2") { Version::HTTP_2 } else { Version::HTTP_11 };
    for (protocols, version) in [(HTTP_1, Version::HTTP_11), (HTTP_2, best)] {
        for authorization in [None, Some(BASIC)] {
            let server = TlsServer::echoing(authority.issue(OTHER_HOST), Manner::of(protocols)).await;
            let proxy = Proxy::start(Does::Tunnel(server.address)).await;
            let url = if authorization.is_none() { proxy.url() } else { proxy.url_for(&user_info()) };
            let client =
                builder(format!("https://{OTHER_HOST}")).root_certificate(authority.pem()).proxy(url);
            assert_works(&client.build().unwrap(), &server, version).await;
            assert!(server.seen().iter().all(|seen| seen.header("proxy-authorization").is_none()));
            let heads = proxy.heads();
            assert_eq!((heads.len(), first_line(&heads[0])), (1, "CONNECT backend.invalid:443 HTTP/1.1"));
            assert_eq!(
                (header(&heads[0], "host"), header(&heads[0], "proxy-authorization")),
                (Some("backend.invalid:443"), authorization)
            );
            // The proxy must not see the token or the path in any header.
            let head = heads[0].to_ascii_lowercase();
            assert!(!head.contains(MARKER) && !head.contains("token") && !head.contains("things"), "{head}");
        }
    }
}

#[tokio::test]
async fn tunnel_to_wrong_certificate_is_refused() {
    let authority = Authority::new();
    let server = TlsServer::echoing(authority.issue(HERE), Manner::of(HTTP_2)).await;
    let proxy = Proxy::start(Does::Tunnel(server.address)).await;
    let client =
        builder(format!("https://{OTHER_HOST}")).root_certificate(authority.pem()).proxy(proxy.url());
    assert_refused(&server, client, "not valid for name").await;
    assert_eq!(proxy.heads().len(), 6);
}

#[tokio::test]
async fn proxy_without_tunnel_is_connect_error() {
    for (response, cause) in [
        (NOT_AUTHORIZED, "proxy authorization required"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "tunnel"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "tunnel"),
        ("", "tunnel"),
    ] {
        let proxy = Proxy::start(Does::Respond(response)).await;
        let client = builder(format!("https://{OTHER_HOST}")).proxy(proxy.url_for(&user_info()));
        assert_never_connects(client, cause).await;
        let heads = proxy.heads();
        assert_eq!(heads.len(), 6);
        for head in heads {
            assert_eq!(first_line(&head), "CONNECT backend.invalid:443 HTTP/1.1");
            assert_eq!(header(&head, "proxy-authorization"), Some(BASIC));
            assert!(!head.contains(TOKEN), "{head}");
        }
    }
}

#[tokio::test]
async fn proxy_refusal_of_http_is_the_answer() {
    let proxy = Proxy::start(Does::Respond(NOT_AUTHORIZED)).await;
    let url = proxy.url_for(&user_info());
    let client = builder(format!("http://{OTHER_HOST}")).retry(two_retries()).proxy(url).build().unwrap();
    for error in [get(&client).await.failure(), post(&client).await.failure()] {
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Status, Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED))
        );
        assert_eq!((predicates(&error), error.attempts()), (vec!["status"], 1));
        assert!(error.to_string().contains(&format!("the proxy {}: ", proxy.url())), "{error}");
    }
    assert_eq!(proxy.heads().len(), 2);
}

#[tokio::test]
async fn unreachable_proxy_is_connect_error() {
    let (_port, url) = refusing();
    let proxy = url.replace("http://", &format!("http://{}@", user_info()));
    for scheme in ["http", "https"] {
        let named = format!("no connection through the proxy {url}: ");
        for cause in ["refused", &named] {
            assert_never_connects(builder(format!("{scheme}://{OTHER_HOST}")).proxy(proxy.as_str()), cause)
                .await;
        }
    }
}
