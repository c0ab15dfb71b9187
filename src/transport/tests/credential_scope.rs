//! Credentials are sent only to the origin that they belong to, for any redirect.

use std::sync::{Arc, Mutex};

use super::redirects::{Providing, assert_with_credentials, assert_without_credentials, client_with_secrets};
use super::server::{Act, Seen, Server, html, json, redirect, response};
use super::*;
use crate::ErrorKind;

/// The headers of a call that are credentials, in various spellings.
const SECRET: [&str; 10] = [
    "Authorization",
    "COOKIE",
    "cookie2",
    "Proxy-Authorization",
    "Synapse-Access-Token",
    "SYNAPSE-Agent",
    "synapse-tenant",
    "Synapse-Something-New",
    "X-GATE",
    "X-Sess",
];

fn secrets_of(seen: &Seen) -> Vec<&str> {
    SECRET.into_iter().filter(|name| seen.header(&name.to_ascii_lowercase()).is_some()).collect()
}

/// A server that redirects each request to another host, which redirects it back to `/home/`, where it gets
/// the given response.
struct ThereAndBack {
    home: Server,
    other: Server,
}

async fn there_and_back(status: u16, response: Vec<u8>) -> ThereAndBack {
    let back = Arc::new(Mutex::new(String::new()));
    let target = back.clone();
    let other = Server::with(move |_| Act::Keep(redirect(status, &target.lock().unwrap()))).await;
    let there = format!("{}/there/", other.url);
    let home = Server::with(move |which| match which.line {
        "GET /home/" | "HEAD /home/" => Act::Keep(response.clone()),
        _ => Act::Keep(redirect(status, &there)),
    })
    .await;
    *back.lock().unwrap() = format!("{}/home/", home.url);
    ThereAndBack { home, other }
}

#[tokio::test]
async fn redirect_back_gets_no_credentials() {
    for status in [301, 302, 303, 307, 308] {
        let ThereAndBack { home, other } = there_and_back(status, json(200, MODEL)).await;
        client_with_secrets(&home.url).get_model(1).await.unwrap();
        assert_eq!(
            (home.lines(), other.lines()),
            (vec!["GET /models/1/".into(), "GET /home/".into()], vec!["GET /there/".into()])
        );
        assert_with_credentials(&home.seen()[0]);
        assert_without_credentials(&home.seen()[1]);
        assert_without_credentials(&other.seen()[0]);
    }
}

#[tokio::test]
async fn refusal_after_redirect_back_says_why() {
    for status in [401, 403] {
        let ThereAndBack { home, other } =
            there_and_back(302, json(status, r#"{"detail": "Who are you?"}"#)).await;
        let provider = Providing::default();
        let asked = provider.asked.clone();
        let (builder, clock) = builder(&home.url);
        let client = builder.credentials_provider(provider).build().unwrap();
        let error = client.get_model(1).await.failure();
        assert_eq!((error.kind(), status_of(&error)), (ErrorKind::Status, Some(status)));
        assert!(
            error.to_string().contains("through another host, after which no credentials are sent"),
            "{error}"
        );
        // The server didn't refuse the token, so it isn't renewed.
        assert_eq!(*asked.lock().unwrap(), [false]);
        assert_eq!((home.count(), other.count(), clock.waits().len()), (2, 1, 0));
    }
    // Without another host in the chain, the error doesn't mention one.
    let server = Server::of([Act::Keep(redirect(302, "/moved/")), Act::Keep(json(403, "{}"))]).await;
    let error = client_with_secrets(&server.url).get_model(1).await.failure();
    assert!(!error.to_string().contains("another host"), "{error}");
}

#[tokio::test]
async fn secret_call_headers_stay_at_origin() {
    let ThereAndBack { home, other } = there_and_back(307, json(200, MODEL)).await;
    let (builder, _) = builder(&home.url);
    let client = builder
        .sensitive_header("x-gate", "of-the-client")
        .sensitive_header("x-sess", "of-the-client")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let set = |name: &str| format!("{name}-is-set");
    for which in 0..3 {
        let before = (home.count(), other.count());
        match which {
            0 => {
                let call =
                    SECRET.into_iter().fold(client.get_model(1), |call, name| call.header(name, set(name)));
                call.header("X-Trace", "t").await.map(drop).unwrap();
            }
            1 => {
                let call = client.request(Method::HEAD, "/models/1/");
                let call = SECRET.into_iter().fold(call, |call, name| call.header(name, set(name)));
                call.header("X-Trace", "t").await.map(drop).unwrap();
            }
            _ => {
                let call = client.download("/models/1/");
                let call = SECRET.into_iter().fold(call, |call, name| call.header(name, set(name)));
                call.header("X-Trace", "t").to(folder.path().join("file")).await.map(drop).unwrap();
            }
        }
        let (first, last, there) =
            (&home.seen()[before.0], &home.seen()[before.0 + 1], &other.seen()[before.1]);
        assert_eq!(secrets_of(first), SECRET, "{which}");
        for away in [last, there] {
            assert_eq!(secrets_of(away), [""; 0], "{which}: {}", away.head);
            assert!(
                !away.head.contains("-is-set") && !away.head.contains("of-the-client"),
                "{which}: {}",
                away.head
            );
            assert_eq!(away.header("x-trace"), Some("t"), "{which}");
        }
    }
}

#[tokio::test]
async fn same_origin_keeps_call_headers() {
    let server = Server::of([Act::Keep(redirect(307, "/moved/")), Act::Keep(json(200, MODEL))]).await;
    let (client, _) = client(&server.url);
    client.get_model(1).header("Authorization", "Bearer mine").header("Cookie", "a=b").await.unwrap();
    for seen in server.seen() {
        assert_eq!((seen.header("authorization"), seen.header("cookie")), (Some("Bearer mine"), Some("a=b")));
    }
}

#[tokio::test]
async fn foreign_file_redirect_is_anonymous() {
    let home = Server::of([Act::Keep(response(200, "", "12345"))]).await;
    let other = Server::of([Act::Keep(redirect(302, &format!("{}/media/1", home.url)))]).await;
    let folder = tempfile::tempdir().unwrap();
    let download = client_with_secrets(&home.url)
        .download(format!("{}/file", other.url))
        .header("Authorization", "Bearer theirs");
    download.to(folder.path().join("file")).await.unwrap();
    // A caller who names the host explicitly allows its header there.
    assert_eq!(other.seen()[0].header("authorization"), Some("Bearer theirs"));
    assert_without_credentials(&home.seen()[0]);
}

#[tokio::test]
async fn foreign_files_get_no_sensitive_header() {
    let other = Server::of([Act::Keep(response(200, "", "12345"))]).await;
    let url = format!("{}/file", other.url);
    let home = Server::with(move |which| match which.line.starts_with("GET /media/") {
        true => Act::Keep(response(200, "", "12345")),
        false if which.number == 0 => {
            Act::Keep(json(200, format!(r#"{{"id": 1, "name": "n", "model_type": "x", "file": "{url}"}}"#)))
        }
        false => Act::Keep(json(200, r#"{"id": 1, "name": "n", "model_type": "x", "file": "/media/1"}"#)),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = client_with_secrets(&home.url);
    let files = || client.download_to(folder.path()).header("Cookie", "a=b").header("X-Trace", "t");
    client.get_model(1).url_conversion_with("file", files()).await.unwrap();
    assert_without_credentials(&other.seen()[0]);
    assert_eq!((other.seen()[0].header("cookie"), other.seen()[0].header("x-trace")), (None, Some("t")));
    client.get_model(1).url_conversion_with("file", files()).await.unwrap();
    assert_eq!(home.seen()[2].header("cookie"), Some("a=b"));
}

#[tokio::test]
async fn retry_restarts_with_credentials() {
    let other = Server::of([Act::Keep(html(502)), Act::Keep(json(200, MODEL))]).await;
    let home = Server::of([Act::Keep(redirect(302, &format!("{}/there/", other.url)))]).await;
    let client = client_with_secrets(&home.url);
    client.get_model(1).header("Cookie", "a=b").await.unwrap();
    assert_eq!((home.count(), other.count()), (2, 2));
    home.seen().iter().for_each(assert_with_credentials);
    assert!(home.seen().iter().all(|seen| seen.header("cookie") == Some("a=b")));
    other.seen().iter().for_each(assert_without_credentials);
    assert!(other.seen().iter().all(|seen| seen.header("cookie").is_none()));
}

#[tokio::test]
async fn renewed_credentials_stay_at_origin() {
    let other = Server::of([Act::Keep(json(200, MODEL))]).await;
    let there = redirect(302, &format!("{}/there/", other.url));
    let home = Server::of([Act::Keep(json(401, "{}")), Act::Keep(there)]).await;
    let (builder, _) = builder(&home.url);
    let client = builder.credentials_provider(Providing::default()).build().unwrap();
    client.get_model(1).await.unwrap();
    assert_eq!((home.count(), other.count()), (2, 1));
    assert_without_credentials(&other.seen()[0]);
}

#[tokio::test]
async fn get_body_goes_to_no_other_host() {
    for status in [301, 302, 303, 307, 308] {
        let other = Server::of([Act::Keep(json(200, MODEL))]).await;
        let home = Server::of([Act::Keep(redirect(status, &format!("{}/there/", other.url)))]).await;
        let client = client_with_secrets(&home.url);
        let call =
            client.request(Method::GET, "/search/").params(|p| p.json(&json_value!({"query": "mine"})));
        let error = call.await.failure();
        assert_eq!(
            (error.kind(), home.count(), other.count()),
            (ErrorKind::CrossOrigin, 1, 0),
            "{status}: {error:?}"
        );
    }
}

#[tokio::test]
async fn odd_locations_leak_no_credentials() {
    let other = Server::of([Act::Keep(json(200, MODEL))]).await;
    let host = other.url.strip_prefix("http://").unwrap().to_owned();
    for location in [
        format!("http://user:pw@{host}/there/#fragment"),
        format!("//{host}/there/"),
        format!("\\\\{host}/there/"),
        format!("http:\\\\{host}\\there\\"),
        format!("HTTP://{host}/there/"),
        format!("http://127.0.0.1@{host}/there/"),
    ] {
        let home = Server::of([Act::Keep(redirect(302, &location))]).await;
        let before = other.count();
        client_with_secrets(&home.url).get_model(1).await.unwrap();
        let seen = &other.seen()[before];
        assert_eq!(seen.line, "GET /there/", "{location}");
        assert_eq!(seen.header("host"), Some(&*host), "{location}");
        assert_without_credentials(seen);
    }
    // The URL's user info looks like this host, but the host is another one.
    let home = Server::of([Act::Keep(redirect(302, "http://user:pw@127.0.0.1:1/there/"))]).await;
    let error = client_with_secrets(&home.url).get_model(1).max_retries(0).await.failure();
    assert!(error.kind() == ErrorKind::Connect && !error.to_string().contains("pw"), "{error:?}");
}

#[tokio::test]
async fn location_user_info_is_dropped() {
    let location = Arc::new(Mutex::new(String::new()));
    let target = location.clone();
    let home = Server::with(move |which| match which.line {
        "GET /moved/?a=b" => Act::Keep(json(200, MODEL)),
        _ => Act::Keep(redirect(302, &target.lock().unwrap())),
    })
    .await;
    *location.lock().unwrap() = home.url.replace("http://", "http://user:pw@") + "/moved/?a=b#fragment";
    client_with_secrets(&home.url).get_model(1).await.unwrap();
    assert_eq!(home.lines(), ["GET /models/1/", "GET /moved/?a=b"]);
    home.seen().iter().for_each(assert_with_credentials);
}
