//! Response heads that are long, odd, or missing; and requests that are too long for a server.

use super::server::{Act, Server, json};
use super::*;
use crate::ErrorKind;

/// Returns a response with these lines in its head.
fn with_lines(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{MODEL}", MODEL.len()).into_bytes()
}

fn fields(count: usize) -> String {
    (0..count).map(|number| format!("X-Field-{number}: {}\r\n", "v".repeat(20))).collect()
}

#[tokio::test]
async fn odd_response_heads_are_accepted() {
    for lines in [
        fields(101),
        fields(990),
        format!("X-Long: {}\r\n", "v".repeat(200_000)),
        "X-Folded: one\r\n two\r\n\tthree\r\n".to_owned(),
        "X-Spaced : v\r\n".to_owned(),
        "no field at all\r\n".to_owned(),
        "X-Odd: a\r\n: nameless\r\nX (odd): b\r\n".to_owned(),
        "X-Odd: \x01\r\n".to_owned(),
        "Set-Cookie: a=b\r\n".repeat(300),
    ] {
        let server = Server::of([Act::Keep(with_lines(&lines))]).await;
        let (client, clock) = client(&server.url);
        for _ in 0..2 {
            let model = client.get_model(1).await;
            assert_eq!(model.unwrap_or_else(|error| panic!("{:.40}: {error:?}", lines)).name, "n");
        }
        assert_eq!((server.count(), server.connections(), clock.waits().len()), (2, 1, 0));
    }
}

#[tokio::test]
async fn folded_header_is_one_value() {
    let head = "HTTP/1.1 404 X\r\nX-Request-Id: one\r\n two\r\nContent-Length: 0\r\n\r\n";
    let server = Server::of([Act::Keep(head.into())]).await;
    let error = client(&server.url).0.get_model(1).await.failure();
    assert!(error.is_not_found());
    let id = error.request_id().unwrap();
    assert!(id.starts_with("one") && id.ends_with("two"), "{id:?}");
}

#[tokio::test]
async fn invalid_head_is_not_retried() {
    for head in [
        "nonsense\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(),
        "HTTP/9.9 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 2x0 OK\r\n\r\n".to_owned(),
        "\x15\x03\x01\0\x02\x02\x46".to_owned(),
        "{\"id\": 1}\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(1_001)),
        format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "v".repeat(1_000_000)),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
    ] {
        for op in Op::ALL {
            let server = Server::of([Act::Close(head.clone().into_bytes())]).await;
            let (client, clock) = client(&server.url);
            let error = op.send(&client).await.failure();
            assert!(error.to_string().contains("invalid response head"), "{op:?} {head:.40}: {error}");
            let kind = match op {
                Op::Patch | Op::Create => ErrorKind::UnknownOutcome,
                Op::Get | Op::List | Op::Delete => ErrorKind::Decode,
            };
            assert_eq!(
                (error.kind(), error.attempts(), error.status()),
                (kind, 1, None),
                "{op:?} {head:.40}"
            );
            assert_eq!((server.count(), clock.waits().len()), (1, 0), "{op:?} {head:.40}");
            assert!(error.to_string().len() < 1_000);
        }
    }
}

/// A connection that breaks within the head is a broken connection.
#[tokio::test]
async fn truncated_head_is_retried() {
    for head in ["HTTP/1.1 200 OK\r\nX-Req", "HTTP/1.1 2", ""] {
        let server = Server::of([Act::Close(head.into()), Act::Keep(json(200, MODEL))]).await;
        let (client, clock) = client(&server.url);
        client.get_model(1).await.unwrap();
        assert_eq!(clock.waits(), [125], "{head}");
    }
}

#[cfg(feature = "http2")]
mod http2 {
    use std::convert::Infallible;

    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;
    use crate::support::tcp_server::{accept, listener};

    /// An HTTP/2 server, and the number of requests it received.
    struct Http2Server {
        url: String,
        counted: tokio::sync::watch::Receiver<usize>,
        _tasks: tokio::task::JoinSet<()>,
    }

    /// Starts a server whose responses have fields of this many bytes.
    async fn answering(bytes: usize) -> Http2Server {
        let (listener, address) = listener().await;
        let (count, counted) = tokio::sync::watch::channel(0);
        let tasks = accept(listener, move |stream, _| {
            let count = count.clone();
            let service = service_fn(move |_| {
                count.send_modify(|count| *count += 1);
                let mut response = hyper::Response::builder();
                for number in 0..bytes / 1_000 {
                    response = response.header(format!("x-field-{number}"), "v".repeat(1_000));
                }
                let body = http_body_util::Full::new(bytes::Bytes::from(MODEL));
                std::future::ready(Ok::<_, Infallible>(response.body(body).unwrap()))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            async move { drop(server.serve_connection(TokioIo::new(stream), service).await) }
        });
        Http2Server { url: format!("http://{address}"), counted, _tasks: tasks }
    }

    fn over_http2(url: &str) -> BackendClient {
        let (builder, _) = builder(url);
        builder.http(|| http().http2_prior_knowledge()).build().unwrap()
    }

    #[tokio::test]
    async fn long_http2_head_is_accepted() {
        let server = answering(200_000).await;
        let client = over_http2(&server.url);
        for _ in 0..2 {
            assert_eq!(client.get_model(1).await.unwrap().name, "n");
        }
        assert_eq!(*server.counted.borrow(), 2);
    }

    #[tokio::test]
    async fn oversized_http2_head_is_not_retried() {
        let server = answering(400_000).await;
        let error = soon(over_http2(&server.url).get_model(1).send()).await.failure();
        assert!(error.is_decode() && error.to_string().contains("invalid response head"), "{error:?}");
        assert_eq!((error.attempts(), *server.counted.borrow()), (1, 1));
    }
}

#[tokio::test]
async fn long_query_error_names_parameter() {
    let ids: Vec<_> = (0..1_000).collect();
    for status in [414, 431] {
        let server = Server::of([Act::Keep(json(status, "{}"))]).await;
        let (client, _) = client(&server.url);
        let call = client.list_models().param("search", secret("word")).param_list("ids", &ids);
        let length = call_query(&server, call).await;
        let error =
            client.list_models().param("search", secret("word")).param_list("ids", &ids).await.failure();
        assert_eq!(status_of(&error), Some(status));
        let reported = format!("a query of {length} bytes, 6890 of them in `ids`");
        assert!(error.to_string().contains(&reported), "{error}");
        marker::assert_error_hidden(&error);
        // Without a query, the error doesn't mention one.
        let error = client.get_model(1).await.failure();
        assert!(!error.to_string().contains("query"), "{error}");
    }
}

/// Sends a call, and returns the length of its query.
async fn call_query<B: crate::generated::operation::Operation>(
    server: &Server,
    call: crate::call::Call<'_, B>,
) -> usize {
    drop(call.send().await);
    let line = server.lines().pop().unwrap();
    line.split_once('?').unwrap().1.len()
}

/// Simulates a process or system that has reached its limit of open files.
#[cfg(unix)]
#[tokio::test]
async fn file_limit_is_named_in_error() {
    use reqwest::dns::{Addrs, Name, Resolve, Resolving};

    struct NoMore(i32);
    impl Resolve for NoMore {
        fn resolve(&self, _: Name) -> Resolving {
            let error = std::io::Error::from_raw_os_error(self.0);
            Box::pin(std::future::ready(Err::<Addrs, _>(error.into())))
        }
    }
    for (code, is_limit) in [(24, true), (23, true), (13, false)] {
        let (builder, clock) = builder("http://backend.invalid");
        let resolver = Arc::new(NoMore(code));
        let builder = builder.http(move || http().dns_resolver(resolver.clone()));
        let error = builder.build().unwrap().get_model(1).await.failure();
        assert_eq!(
            (error.kind(), error.attempts(), clock.waits()),
            (ErrorKind::Connect, 3, vec![125, 250]),
            "{error:?}"
        );
        assert_eq!(error.to_string().contains("ulimit -n"), is_limit, "{error}");
    }
}

/// The jar is the user's, so all connections share its cookies.
#[tokio::test]
async fn cookie_jar_shared_by_connections() {
    let first = super::server::response(200, "Set-Cookie: node=one; Path=/\r\n", MODEL);
    let server = Server::of([Act::Keep(first), Act::Close(Vec::new()), Act::Keep(json(200, MODEL))]).await;
    let (builder, _) = builder(&server.url);
    let jar = Arc::new(reqwest::cookie::Jar::default());
    let client = builder.http(move || http().cookie_provider(jar.clone())).build().unwrap();
    for _ in 0..2 {
        client.get_model(1).await.unwrap();
    }
    client.get_model(1).connect_timeout(Duration::from_secs(7)).await.unwrap();
    let upload = client.request(Method::POST, "/x/").params(|p| p.body(bytes::Bytes::from_static(b"abc")));
    upload.read_timeout(Duration::from_secs(70)).await.unwrap();
    let cookies: Vec<_> = server.seen().iter().map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    let node = Some("node=one".to_owned());
    assert_eq!(cookies, [None, node.clone(), node.clone(), node.clone(), node]);
    assert!(server.connections() >= 3, "{}", server.connections());
}
