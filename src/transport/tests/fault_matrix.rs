//! Every fault, and its effect on every operation.

use std::time::Duration;

use futures_util::future::join_all;

use super::server::{Act, Server, html, json, response};
use super::*;
use crate::ErrorKind::{self, Connect, ConnectionLost, Decode, Status, Timeout, UnknownOutcome};

/// The result of an operation that meets the fault each time.
#[derive(Clone, Copy)]
struct End {
    /// Whether it is retried, as often as the policy allows.
    again: bool,
    kind: ErrorKind,
}

const fn again(kind: ErrorKind) -> End {
    End { again: true, kind }
}

const fn once(kind: ErrorKind) -> End {
    End { again: false, kind }
}

struct Fault {
    name: String,
    act: Act,
    read: End,
    delete: End,
    write: End,
    /// The status of the response that the error keeps; `None` if it has none.
    status: Option<u16>,
    timed_out: bool,
    /// In milliseconds, if it is retried.
    waits: [u128; 2],
}

/// Half of 250 milliseconds, and half of twice that.
const BACKOFF: [u128; 2] = [125, 250];

impl Fault {
    fn new(name: impl Into<String>, act: Act, read: End, delete: End, write: End) -> Self {
        Fault { name: name.into(), act, read, delete, write, status: None, timed_out: false, waits: BACKOFF }
    }

    /// A response that the error keeps.
    fn status(status: u16, name: &str, bytes: Vec<u8>, read: End, delete: End, write: End) -> Self {
        Fault {
            status: Some(status),
            ..Fault::new(format!("{status} {name}"), Act::Keep(bytes), read, delete, write)
        }
    }

    fn end(&self, op: Op) -> End {
        match op {
            Op::Get | Op::List => self.read,
            Op::Delete => self.delete,
            Op::Patch | Op::Create => self.write,
        }
    }

    async fn strike(&self, op: Op) {
        let (name, end) = (&self.name, self.end(op));
        let server = Server::of([self.act.clone()]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.read_timeout(Duration::from_millis(400)).build().unwrap();
        let error = op.send(&client).await.failure_of(name);
        let what = format!("{op:?}, {name}: {error:?}");
        let sent = if end.again { 3 } else { 1 };
        assert_eq!(error.attempts() as usize, sent, "{what}");
        server.wait_for_requests(sent).await;
        assert_eq!(server.count(), sent, "{what}");
        for seen in server.seen() {
            assert_eq!(
                (seen.line.as_str(), String::from_utf8_lossy(&seen.body).as_ref()),
                (op.line(), op.body()),
                "{what}"
            );
            assert_eq!(seen.header("synapse-access-token"), Some(&*format!("Token {TOKEN}")), "{what}");
        }
        assert_eq!(clock.waits(), if end.again { self.waits.to_vec() } else { Vec::new() }, "{what}");
        assert_eq!((error.kind(), error.is_timeout()), (end.kind, self.timed_out), "{what}");
        assert_eq!(status_of(&error), self.status, "{what}");
        assert_eq!(error.to_string().ends_with("(after 3 attempts)"), end.again, "{what}");

        if end.again {
            self.strike_once(op).await;
        }
    }

    /// If the operation is retried, a single retry is enough after a fault that strikes once.
    async fn strike_once(&self, op: Op) {
        let server = Server::of([self.act.clone(), Act::Keep(op.response())]).await;
        let (builder, clock) = builder(&server.url);
        let client = builder.read_timeout(Duration::from_millis(400)).build().unwrap();
        op.send(&client).await.unwrap_or_else(|error| panic!("{op:?}, {} once: {error:?}", self.name));
        assert_eq!((server.count(), clock.waits()), (2, vec![self.waits[0]]), "{op:?}, {} once", self.name);
    }
}

async fn strike_all(faults: Vec<Fault>) {
    for fault in &faults {
        join_all(Op::ALL.map(|op| fault.strike(op))).await;
    }
}

#[tokio::test]
async fn break_before_response_retried_if_safe() {
    let ends = (again(ConnectionLost), again(ConnectionLost), once(UnknownOutcome));
    let acts = [
        ("closed", Act::Close(Vec::new())),
        ("reset", Act::Reset(Vec::new())),
        ("closed within the head", Act::Close(b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec())),
        ("reset within the head", Act::Reset(b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec())),
    ];
    strike_all(acts.map(|(name, act)| Fault::new(name, act, ends.0, ends.1, ends.2)).into()).await;
}

#[tokio::test]
async fn break_within_response_retried_if_safe() {
    let ends = (again(ConnectionLost), again(ConnectionLost), once(UnknownOutcome));
    let announced =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\": 1, "
            .to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n".to_vec();
    let within_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"id\"".to_vec();
    let acts = [
        ("closed inside the body", Act::Close(announced.clone())),
        ("reset inside the body", Act::Reset(announced)),
        ("closed between chunks", Act::Close(chunked.clone())),
        ("reset between chunks", Act::Reset(chunked)),
        ("closed within a chunk", Act::Close(within_chunk)),
    ];
    // The head has arrived, so its status is kept.
    let of = |(name, act)| Fault { status: Some(200), ..Fault::new(name, act, ends.0, ends.1, ends.2) };
    strike_all(acts.map(of).into()).await;
}

#[tokio::test]
async fn truncated_json_is_retried_if_safe() {
    for op in Op::ALL {
        let whole = op.whole();
        let half = json(op.status(), &whole[..whole.len() / 2]);
        Fault::status(
            op.status(),
            "half of the JSON, and its right length",
            half,
            again(Decode),
            again(Decode),
            once(UnknownOutcome),
        )
        .strike(op)
        .await;
    }
}

#[tokio::test]
async fn unusable_response_is_not_retried() {
    let end = once(Decode);
    // A response from a proxy in front of the backend doesn't show what the backend did.
    strike_all(vec![Fault::status(200, "of HTML", html(200), end, end, once(UnknownOutcome))]).await;
    let bodies: [(&str, Vec<u8>); 3] = [
        ("that is a text", json(200, "Model 1")),
        (
            "that isn't UTF-8",
            json(200, b"{\"id\": 1, \"name\": \"\xff\xfe\", \"model_type\": \"x\", \"results\": \"\xff\"}"),
        ),
        ("with more behind it", json(200, "{} {}")),
    ];
    strike_all(bodies.map(|(name, bytes)| Fault::status(200, name, bytes, end, end, end)).into()).await;
}

#[tokio::test]
async fn empty_json_response_is_decode_error() {
    for op in [Op::Get, Op::List, Op::Create] {
        for bytes in [
            response(200, "", ""),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ] {
            Fault::status(200, "empty", bytes, once(Decode), once(Decode), once(Decode)).strike(op).await;
        }
    }
}

/// Django REST Framework responds like this to every DELETE.
#[tokio::test]
async fn empty_response_to_request_is_success() {
    for bytes in [b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), response(200, "", "")] {
        for method in [Method::DELETE, Method::PATCH] {
            let server = Server::of([Act::Keep(bytes.clone())]).await;
            let (client, _) = client(&server.url);
            assert_eq!(client.request(method, "/models/1/").await.unwrap().text(), "null");
            assert_eq!(server.count(), 1);
        }
    }
}

#[tokio::test]
async fn status_500_retries_only_reads() {
    let server_error = Fault::status(500, "HTML", html(500), again(Status), once(Status), once(Status));
    let detail = json(500, r#"{"detail": "A server error occurred."}"#);
    let reported = Fault::status(500, "JSON", detail, again(Status), once(Status), once(Status));
    strike_all(vec![server_error, reported]).await;
}

#[tokio::test]
async fn gateway_error_is_retried_if_safe() {
    let of = |status| {
        Fault::status(status, "HTML", html(status), again(Status), again(Status), once(UnknownOutcome))
    };
    strike_all([502, 503, 504, 520, 521, 522, 523, 524].map(of).into()).await;
    // A gateway's JSON isn't a response of the application.
    let json_of = |status| {
        let bytes = json(status, r#"{"detail": "Bad gateway."}"#);
        Fault::status(status, "JSON", bytes, again(Status), again(Status), once(UnknownOutcome))
    };
    strike_all([502, 504].map(json_of).into()).await;
}

#[tokio::test]
async fn status_503_with_detail_is_retried() {
    let detail = json(503, r#"{"detail": "Down for maintenance."}"#);
    let empty = Fault::status(
        503,
        "empty",
        response(503, "", ""),
        again(Status),
        again(Status),
        once(UnknownOutcome),
    );
    let other = json(503, r#"{"message": "no healthy upstream"}"#);
    strike_all(vec![
        Fault::status(503, "with a detail", detail, again(Status), again(Status), again(Status)),
        empty,
        Fault::status(503, "with other JSON", other, again(Status), again(Status), once(UnknownOutcome)),
    ])
    .await;
}

#[tokio::test]
async fn status_408_is_retried_if_safe() {
    strike_all(vec![Fault::status(408, "HTML", html(408), again(Status), again(Status), once(Status))]).await;
}

#[tokio::test]
async fn refused_request_is_not_retried() {
    let of = |status| {
        let detail = json(status, r#"{"detail": "No."}"#);
        Fault::status(status, "JSON", detail, once(Status), once(Status), once(Status))
    };
    strike_all([400, 401, 403, 404, 405, 409, 410, 413, 422, 501, 505, 300, 302].map(of).into()).await;
}

#[tokio::test]
async fn retry_after_sets_backoff() {
    let day_long = "99999";
    for (asked, waits) in [
        (None, BACKOFF),
        (Some("3"), [3_000, 3_000]),
        (Some("1.5"), [1_500, 1_500]),
        (Some("0.2"), [200, 250]),
        (Some("0"), BACKOFF),
        (Some(day_long), [60_000, 60_000]),
        (Some("-5"), BACKOFF),
        (Some("soon"), BACKOFF),
        (Some("Sun, 06 Nov 1994 08:49:47 GMT"), [10_000, 250]),
        (Some("Sun, 06 Nov 1994 08:49:00 GMT"), BACKOFF),
        (Some("Sat, 06 Nov 2094 08:49:00 GMT"), [60_000, 60_000]),
    ] {
        let header = asked.map(|asked| format!("Retry-After: {asked}\r\n")).unwrap_or_default();
        let body = r#"{"detail": "Request was throttled."}"#;
        let fault = |status, name: &str, bytes| {
            let name = format!("{name}, Retry-After {asked:?}");
            Fault {
                waits,
                ..Fault::status(status, &name, bytes, again(Status), again(Status), again(Status))
            }
        };
        let mut faults = vec![
            fault(429, "JSON", response(429, &format!("Content-Type: application/json\r\n{header}"), body)),
            fault(429, "empty", response(429, &header, "")),
        ];
        if asked.is_some() {
            faults.push(fault(
                503,
                "HTML",
                response(503, &format!("Content-Type: text/html\r\n{header}"), "<html></html>"),
            ));
        }
        strike_all(faults).await;
    }
}

#[tokio::test]
async fn stalled_response_is_retried_if_safe() {
    let ends = (again(Timeout), again(Timeout), once(UnknownOutcome));
    let acts = [
        ("no head", Act::Hold(Vec::new())),
        ("half a head", Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec())),
        ("half a body", Act::Hold(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id\": 1, ".to_vec())),
        (
            "half a chunk",
            Act::Hold(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"id\"".to_vec()),
        ),
    ];
    let of = |(name, act): (&str, Act)| {
        let status = (name == "half a body" || name == "half a chunk").then_some(200);
        Fault { timed_out: true, status, ..Fault::new(name, act, ends.0, ends.1, ends.2) }
    };
    join_all(acts.map(|act| async move { strike_all(vec![of(act)]).await })).await;
}

#[tokio::test]
async fn truncated_error_keeps_status() {
    let half = |status| format!("HTTP/1.1 {status} X\r\nContent-Length: 500\r\n\r\n{{\"det").into_bytes();
    for act in [Act::Hold, Act::Close] as [fn(Vec<u8>) -> Act; 2] {
        let not_found = Fault::status(404, "cut off", Vec::new(), once(Status), once(Status), once(Status));
        let throttled =
            Fault::status(429, "cut off", Vec::new(), again(Status), again(Status), again(Status));
        strike_all(vec![
            Fault { act: act(half(404)), ..not_found },
            Fault { act: act(half(429)), ..throttled },
        ])
        .await;
    }
}

#[tokio::test]
async fn refused_connection_is_retried() {
    let (_port, url) = refusing();
    for op in Op::ALL {
        let (client, clock) = client(&url);
        let error = op.send(&client).await.failure();
        assert_eq!(
            (error.kind(), error.attempts(), clock.waits()),
            (Connect, 3, BACKOFF.to_vec()),
            "{op:?}: {error:?}"
        );
        assert_eq!((status_of(&error), error.is_timeout()), (None, false));
    }
}
