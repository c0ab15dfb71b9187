//! Tokens and signed URLs are never shown, and are sent only to the base URL's origin.

use std::time::Duration;

use crate::support::marker::{self, Failure, MARKER, TOKEN, assert_debug_hidden, assert_hidden, secret};
use crate::support::server::{self, assert_nothing_sent, header, json, line, lines, only, requests};
use crate::support::tcp_server::{Act, Server, refusing};
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::types::{self, GroundTruthEvent, GroundTruthEventPage, Model, ModelPage};
use synapse_backend_client::{
    BackendClient, BackendClientBuilder, ConversionFuture, Credentials, CredentialsFuture,
    CredentialsProvider, CredentialsReason, Error, ErrorKind, FileUrl, Json, ModelFile, RetryPolicy,
    UrlConverter, json as json_value,
};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Asserts that the error, its parts and its sources show no secret.
fn assert_error_hidden(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error:?}");
    marker::assert_error_hidden(error);
    assert_debug_hidden("the response", &error.response());
    for text in [error.url(), error.json_path(), error.operation()] {
        assert_hidden("a part of the error", text.unwrap_or_default());
    }
}

/// Returns a builder with every credential set.
fn builder(url: &str) -> BackendClientBuilder {
    marker::watch();
    BackendClient::builder(url)
        .retry(RetryPolicy::never())
        .access_token(secret("access"))
        .legacy_token(secret("legacy"))
        .agent_token(secret("agent"))
        .tenant(secret("tenant"))
}

fn signed(path: &str) -> String {
    format!("https://files.example.com{path}?X-Amz-Signature={MARKER}&x={{{MARKER}}},[{MARKER}]")
}

/// RFC 3986 allows brackets and apostrophes in a query, although they end a URL in a sentence.
fn oddly_signed() -> String {
    format!("https://files.example.com/a?filename='model(1)>.pt'&X-Amz-Signature={MARKER}")
}

/// Returns the credentials in a request's headers.
fn credentials(request: &Request) -> [Option<&str>; 4] {
    ["synapse-access-token", "authorization", "synapse-tenant", "synapse-agent"]
        .map(|name| header(request, name))
}

fn all_credentials() -> [Option<String>; 4] {
    ["access", "legacy", "tenant", "agent"].map(|name| Some(format!("Token {MARKER}-{name}")))
}

fn assert_credentials(request: &Request) {
    assert_eq!(credentials(request).map(|value| value.map(str::to_owned)), all_credentials());
}

/// Asserts that no header of a request contains a secret.
fn assert_no_credentials(request: &Request) {
    assert_eq!(credentials(request), [None; 4]);
    assert_debug_hidden("a header", &request.headers);
    assert_eq!(header(request, "referer"), None);
}

/// Starts a server with this response to every request. Its client has every credential.
async fn serving(response: ResponseTemplate) -> (MockServer, BackendClient) {
    let server = server::start().await;
    Mock::given(wiremock::matchers::any()).respond_with(response).mount(&server).await;
    let client = builder(&server.uri()).build().unwrap();
    (server, client)
}

async fn create(client: &BackendClient, file: impl Into<ModelFile>) -> Result<Model, Error> {
    client
        .create_model(file, |m| m.name("n").model_type("detection").project(1))
        .param("token", secret("param"))
        .await
}

// ---- which requests carry credentials

#[tokio::test]
async fn credentials_sent_as_four_headers() {
    let (server, client) = serving(json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#)).await;
    client.get_model(1).await.unwrap();
    create(&client, ModelFile::uploaded(7)).await.unwrap();
    for request in requests(&server).await {
        assert_credentials(&request);
    }
}

#[tokio::test]
async fn unset_credentials_are_not_sent() {
    let server = server::start().await;
    Mock::given(method("GET"))
        .respond_with(json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#))
        .mount(&server)
        .await;
    let of = |set: fn(BackendClientBuilder) -> BackendClientBuilder| {
        set(BackendClient::builder(server.uri())).build().unwrap()
    };
    let token = format!("Token {TOKEN}");
    let token = Some(token.as_str());
    let clients = [
        (of(|b| b), [None; 4]),
        (of(|b| b.access_token(format!(" {TOKEN} \n"))), [token, None, None, None]),
        (of(|b| b.legacy_token(TOKEN)), [None, token, None, None]),
        (of(|b| b.tenant(TOKEN)), [None, None, token, None]),
        (of(|b| b.agent_token(TOKEN)), [None, None, None, token]),
    ];
    for (client, expected) in clients {
        client.get_model(1).await.unwrap();
        assert_eq!(credentials(requests(&server).await.last().unwrap()), expected);
    }
}

#[tokio::test]
async fn cross_port_redirect_drops_credentials() {
    let (other, _) = serving(json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#)).await;
    for status in [301, 302, 303, 307, 308] {
        other.reset().await;
        Mock::given(method("GET"))
            .respond_with(json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#))
            .mount(&other)
            .await;
        let target = format!("{}/models/1/?X-Sig={MARKER}", other.uri());
        let (server, client) = serving(ResponseTemplate::new(status).insert_header("location", target)).await;
        client.get_model(1).param("token", secret("param")).await.unwrap();
        assert_credentials(&only(&server).await);
        let followed = only(&other).await;
        assert_eq!(line(&followed), format!("GET /models/1/?X-Sig={MARKER}"));
        assert_no_credentials(&followed);
    }
}

#[tokio::test]
async fn same_origin_redirect_keeps_credentials() {
    let (server, client) = serving(json(200, r#"{"id": 1, "name": "n", "model_type": "x"}"#)).await;
    let moved = ResponseTemplate::new(302).insert_header("location", "/moved/1/");
    Mock::given(path("/models/1/")).respond_with(moved).with_priority(1).mount(&server).await;
    client.get_model(1).await.unwrap();
    let requests = requests(&server).await;
    assert_eq!(requests.iter().map(line).collect::<Vec<_>>(), ["GET /models/1/", "GET /moved/1/"]);
    assert_credentials(&requests[1]);
}

#[tokio::test]
async fn create_not_redirected_to_another_port() {
    let (other, _) = serving(json(201, r#"{"id": 1, "name": "n", "model_type": "x"}"#)).await;
    let (server, client) =
        serving(ResponseTemplate::new(307).insert_header("location", format!("{}/models/", other.uri())))
            .await;
    let error = create(&client, ModelFile::uploaded(7)).await.failure();
    assert_error_hidden(&error, ErrorKind::CrossOrigin);
    assert_eq!(requests(&server).await.len(), 1);
    assert_nothing_sent(&other).await;
}

#[tokio::test]
async fn next_link_to_other_host_sends_nothing() {
    let (other, _) = serving(json(200, r#"{"results": []}"#)).await;
    let next = format!("{}/stolen/?page=2&sig={MARKER}", other.uri());
    let (server, client) =
        serving(json(200, format!(r#"{{"count": 200, "next": "{next}", "results": [{{"id": 1}}]}}"#))).await;
    let mut events = client.list_ground_truth_events().list_all().stream();
    let error = loop {
        if let Err(error) = events.next().await.unwrap() {
            break error;
        }
    };
    assert_error_hidden(&error, ErrorKind::CrossOrigin);
    assert!(error.to_string().contains("/stolen/"), "{error}");
    assert!(events.next().await.is_none());
    assert_eq!(requests(&server).await.len(), 1);
    assert_nothing_sent(&other).await;
}

#[tokio::test]
async fn foreign_next_link_followed_at_base_url() {
    let (other, _) = serving(json(200, r#"{"results": []}"#)).await;
    let next = format!("{}/sdk/ground_truth_events/?page=2", other.uri());
    let (server, client) =
        serving(json(200, format!(r#"{{"count": 2, "next": "{next}", "results": [{{"id": 1}}]}}"#))).await;
    let last = json(200, r#"{"count": 2, "next": null, "results": [{"id": 2}]}"#);
    Mock::given(query_param("page", "2")).respond_with(last).with_priority(1).mount(&server).await;
    let events: Vec<GroundTruthEvent> =
        client.list_ground_truth_events().list_all().try_collect().await.unwrap();
    assert_eq!(events.len(), 2);
    let requests = requests(&server).await;
    assert_eq!(requests.len(), 2);
    requests.iter().for_each(assert_credentials);
    assert_nothing_sent(&other).await;
}

#[tokio::test]
async fn upload_url_at_other_host_sends_nothing() {
    let (other, _) = serving(json(200, r#"{"id": 7}"#)).await;
    let url = format!("{}/elsewhere/7/?sig={MARKER}", other.uri());
    let (server, client) = serving(json(200, format!(r#"{{"id": 7, "url": "{url}", "offset": 2}}"#))).await;
    let model =
        client.create_model(Bytes::from_static(b"0123"), |m| m.name("n").model_type("detection").project(1));
    let error = model.chunk_size(2).await.failure();
    assert_error_hidden(&error, ErrorKind::CrossOrigin);
    assert_eq!(lines(&server).await, ["PUT /chunked_upload/"]);
    assert_nothing_sent(&other).await;
}

// ---- errors of every kind

#[tokio::test]
async fn setting_error_shows_no_secret() {
    let bad =
        |set: fn(BackendClientBuilder) -> BackendClientBuilder| set(builder("https://h")).build().failure();
    for error in [
        builder(&format!("https://user:{MARKER}@h")).build().failure(),
        builder(&format!("https://h/?token={MARKER}")).build().failure(),
        builder(&format!("https://h:{MARKER}")).build().failure(),
        bad(|b| b.access_token(format!("{MARKER}\n{MARKER}"))),
        bad(|b| b.legacy_token(format!("{MARKER}\u{7f}"))),
        bad(|b| b.agent_token(format!("{MARKER}\r\nx: y"))),
        bad(|b| b.tenant(format!("{MARKER}\0"))),
        bad(|b| b.proxy(format!("http://user:{MARKER}@"))),
        bad(|b| b.proxy(format!("ftp://user:{MARKER}@h"))),
        bad(|b| b.proxy(MARKER)),
        bad(|b| {
            b.root_certificate(format!("-----BEGIN CERTIFICATE-----\n{MARKER}\n-----END CERTIFICATE-----"))
        }),
    ] {
        assert_error_hidden(&error, ErrorKind::Configuration);
    }
}

#[tokio::test]
async fn input_or_file_error_shows_no_secret() {
    let (server, client) = serving(json(200, "{}")).await;
    let error = client
        .get_model(1)
        .header("x-token", format!("{MARKER}\n"))
        .header(format!("x {MARKER}"), "y")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // A header's name isn't secret, but its value may be.
    assert_hidden("Display", &error.to_string().replace(&format!("x {MARKER}"), ""));
    let error = client.get_model(1).header("host", secret("host")).timeout(Duration::ZERO).await.failure();
    assert_error_hidden(&error, ErrorKind::InvalidInput);
    let metrics = json_value!({"url": signed("/a"), "n": f64::NAN});
    let error = client.create_model(Bytes::from_static(b"x"), |m| m.metrics(metrics)).await.failure();
    assert_error_hidden(&error, ErrorKind::InvalidInput);
    let error = create(&client, "/no/such/file").await.failure();
    assert_error_hidden(&error, ErrorKind::Io);
    assert_nothing_sent(&server).await;
}

struct Provider(Result<Credentials, String>);

impl CredentialsProvider for Provider {
    fn credentials(&self, _reason: CredentialsReason) -> CredentialsFuture<'_> {
        let outcome = self.0.clone().map_err(Into::into);
        Box::pin(async move { outcome })
    }
}

#[tokio::test]
async fn provider_error_shows_no_secret() {
    let (server, _) = serving(json(200, "{}")).await;
    let failing = Provider(Err(format!("GET https://user:{MARKER}@vault/token?key={MARKER}: 500")));
    let client = BackendClient::builder(server.uri()).credentials_provider(failing).build().unwrap();
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Credentials);
    let unsendable = Provider(Ok(Credentials::new().access_token(format!("{MARKER}\n{MARKER}"))));
    let client = BackendClient::builder(server.uri()).credentials_provider(unsendable).build().unwrap();
    let error = client.get_model(1).await.failure();
    assert_error_hidden(&error, error.kind());
    assert!(error.to_string().contains("access_token"), "{error}");
    assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn connection_error_shows_no_secret() {
    let get = |client: &BackendClient| client.get_model(1).param("sig", secret("param")).send();
    let (_port, url) = refusing();
    assert_error_hidden(&get(&builder(&url).build().unwrap()).await.failure(), ErrorKind::Connect);
    let proxied = builder("http://backend.invalid")
        .proxy(format!("http://user:{MARKER}@{}", url.trim_start_matches("http://")));
    assert_error_hidden(&get(&proxied.build().unwrap()).await.failure(), ErrorKind::Connect);

    for response in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\": "] {
        let server = Server::of([Act::Close(response.into())]).await;
        let client = builder(&server.url).build().unwrap();
        assert_error_hidden(&get(&client).await.failure(), ErrorKind::ConnectionLost);
        assert_error_hidden(
            &create(&client, ModelFile::uploaded(7)).await.failure(),
            ErrorKind::UnknownOutcome,
        );
        let server = Server::of([Act::Hold(response.into())]).await;
        let client = builder(&server.url).read_timeout(Duration::from_millis(100)).build().unwrap();
        assert_error_hidden(&get(&client).await.failure(), ErrorKind::Timeout);
    }
}

/// A body with signed URLs in all the fields where a server may put them.
fn leaky() -> String {
    let (url, escaped) = (signed("/a"), signed("/b").replace('/', "\\/").replace('&', "\\u0026"));
    format!(
        r#"{{"detail": "see {url}", "id": "{url}", "file": "{escaped}", "user": "https://u:{MARKER}@h/p"}}"#
    )
}

#[tokio::test]
async fn server_error_shows_no_secret() {
    let text = format!("<title>Not at {}</title>\n{}", signed("/t"), signed("/u"));
    let fields = format!(r#"{{"file": ["Can't fetch {}"]}}"#, signed("/f"));
    for body in [leaky(), text, fields] {
        let response = json(400, body)
            .insert_header("location", signed("/l").as_str())
            .insert_header("set-cookie", MARKER);
        let response = response.insert_header("link", format!("<{}>; rel=\"next\"", signed("/n")).as_str());
        let (_server, client) = serving(response).await;
        assert_error_hidden(
            &client.get_model(1).param("sig", secret("param")).await.failure(),
            ErrorKind::Status,
        );
        let uploading = create(&client, Bytes::from_static(b"x")).await.failure();
        assert_error_hidden(&uploading, ErrorKind::Status);
        assert_error_hidden(&create(&client, ModelFile::uploaded(7)).await.failure(), ErrorKind::Status);
    }
}

#[tokio::test]
async fn echoed_token_is_redacted() {
    let (_server, client) =
        serving(json(401, format!(r#"{{"detail": "Invalid token {MARKER}-access."}}"#))).await;
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Status);
    let page = format!("<title>DEBUG</title><td>HTTP_AUTHORIZATION</td><td>Token {MARKER}-legacy</td>");
    let response = ResponseTemplate::new(500).set_body_raw(page, "text/html");
    let (_server, client) =
        serving(response.insert_header("synapse-tenant", format!("Token {MARKER}-tenant").as_str())).await;
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Status);
}

#[tokio::test]
async fn token_redacted_in_every_escaping() {
    let ascii = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
    let latin = |text: &str| text.bytes().map(char::from).collect::<String>();
    for token in [
        format!("비밀토큰{MARKER}"),
        format!("S3CR\u{c9}T{MARKER}\u{1f511}"),
        format!("a\"{MARKER}\\/b"),
        format!("Token {MARKER}/+="),
    ] {
        let quoted = serde_json::to_string(&token).unwrap();
        let inner = &quoted[1..quoted.len() - 1];
        let latin_quoted = serde_json::to_string(&latin(&token)).unwrap();
        for written in
            [inner, &inner.replace('/', "\\/"), &ascii(&token), &latin_quoted[1..latin_quoted.len() - 1]]
        {
            let responses = [
                json(401, format!(r#"{{"detail": "Invalid token {written}."}}"#)),
                json(200, format!(r#"{{"id": "{written}"}}"#)),
                json(200, format!(r#"{{"id": 1, "name": ["{written}"]}}"#)),
                ResponseTemplate::new(500).set_body_raw(format!("no {token}"), "text/plain"),
            ];
            for response in responses {
                let (server, _) = serving(response).await;
                let client = builder(&server.uri()).access_token(token.as_str()).build().unwrap();
                let error = client.get_model(1).await.failure();
                let sent = only(&server).await;
                let sent = sent.headers["synapse-access-token"].as_bytes().to_vec();
                assert_eq!(String::from_utf8(sent).unwrap(), format!("Token {token}"));
                assert_error_hidden(&error, error.kind());
            }
        }
    }
}

#[tokio::test]
async fn header_redacted_without_scheme() {
    let (server, _) = serving(json(401, format!(r#"{{"detail": "Unknown key {MARKER}-key."}}"#))).await;
    let client =
        builder(&server.uri()).sensitive_header("x-gateway", format!("Bearer {MARKER}-key")).build().unwrap();
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Status);
}

#[tokio::test]
async fn undecodable_answer_shows_no_secret() {
    for body in [
        leaky(),
        format!(r#"{{"id": 1, "name": ["{}"]}}"#, signed("/a")),
        format!("moved to {}", signed("/m")),
    ] {
        let (_server, client) = serving(json(200, body)).await;
        assert_error_hidden(
            &client.get_model(1).param("sig", secret("param")).await.failure(),
            ErrorKind::Decode,
        );
    }
}

#[tokio::test]
async fn oversized_answer_shows_no_secret() {
    let (server, _) = serving(json(200, leaky())).await;
    let client = builder(&server.uri()).max_body_size(10).build().unwrap();
    assert_error_hidden(
        &client.get_model(1).param("sig", secret("param")).await.failure(),
        ErrorKind::BodyLimit,
    );
}

#[tokio::test]
async fn refused_redirect_shows_no_secret() {
    for location in [
        format!("https://u:{MARKER}@h/x?sig={MARKER}"),
        format!("ftp://h/{}?sig={MARKER}", "x"),
        format!("http://[{MARKER}"),
    ] {
        let (_server, client) =
            serving(ResponseTemplate::new(302).insert_header("location", location.as_str())).await;
        let error = create(&client, ModelFile::uploaded(7)).await.failure();
        assert_error_hidden(&error, error.kind());
    }
}

#[tokio::test]
async fn token_in_redirect_path_is_redacted() {
    let token = format!("{MARKER}/+=");
    let (other, _) = serving(json(403, r#"{"detail": "No."}"#)).await;
    for host in ["", &other.uri()] {
        let moved = format!("{host}/moved/{MARKER}%2F+=/?a=1");
        let server = server::start().await;
        let redirect = ResponseTemplate::new(302).insert_header("location", moved.as_str());
        Mock::given(path("/models/1/")).respond_with(redirect).mount(&server).await;
        let client = builder(&server.uri()).access_token(&token).build().unwrap();
        let error = client.get_model(1).await.failure();
        assert_error_hidden(&error, ErrorKind::Status);
        assert!(error.to_string().contains("/moved/<secret>/"), "{error}");
    }
    // One redirect target refuses connections, and the other has an unsupported scheme.
    let (_port, refused) = refusing();
    for moved in [format!("ftp://h/{MARKER}%2F+=/"), format!("{}/{MARKER}/%2b=/", refused)] {
        let (server, _) = serving(ResponseTemplate::new(302).insert_header("location", moved.as_str())).await;
        let client = builder(&server.uri()).access_token(&token).build().unwrap();
        let error = client.get_model(1).await.failure();
        assert_error_hidden(&error, error.kind());
    }
}

#[tokio::test]
async fn token_in_ids_and_keys_is_redacted() {
    for body in [
        format!(r#"{{"results": [{{"id": "{MARKER}-access", "name": 7}}], "count": 1}}"#),
        format!(r#"{{"results": [{{"id": 1, "{MARKER}-access": 7}}]}}"#),
    ] {
        let (_server, client) = serving(json(200, body)).await;
        let models: Result<Vec<Model>, Error> = client.list_models().list_all().try_collect().await;
        assert_error_hidden(&models.failure(), ErrorKind::Decode);
    }
    let id = format!("{MARKER}-access");
    let response = json(400, format!(r#"{{"{MARKER}-access": ["no {MARKER}-access"]}}"#))
        .insert_header("x-request-id", id.as_str());
    let (_server, client) = serving(response).await;
    let error = client.get_model(1).await.failure();
    assert_error_hidden(&error, ErrorKind::Status);
    assert_eq!(error.request_id(), None);
}

/// Returns one token, and another after the first is rejected.
struct Renewing;

impl CredentialsProvider for Renewing {
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
        let token = if reason == CredentialsReason::Rejected { secret("second") } else { secret("first") };
        Box::pin(async move { Ok(Credentials::new().access_token(token)) })
    }
}

#[tokio::test]
async fn renewed_token_is_redacted() {
    let (server, _) = serving(json(404, format!(r#"{{"detail": "no {MARKER}-second"}}"#))).await;
    let refused = json(401, format!(r#"{{"detail": "no {MARKER}-first"}}"#));
    Mock::given(wiremock::matchers::any())
        .respond_with(refused)
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    let client = BackendClient::builder(server.uri())
        .retry(RetryPolicy::never())
        .credentials_provider(Renewing)
        .build()
        .unwrap();
    let error = client.get_model(1).await.failure();
    assert_error_hidden(&error, ErrorKind::Status);
    assert!(error.to_string().ends_with("404 Not Found: no <secret>"), "{error}");
}

#[tokio::test]
async fn server_text_becomes_one_clean_line() {
    let said = "\u{1b}[2J\u{9b}31m\u{202e}a\u{2028}b\u{85}c\nd\u{7f}\u{200b}\0";
    let written = serde_json::to_string(said).unwrap();
    for response in [
        json(400, format!(r#"{{"detail": {written}}}"#)),
        json(400, format!("{{{written}: [{written}]}}")),
        ResponseTemplate::new(500).set_body_raw(said, "text/plain"),
        ResponseTemplate::new(500).set_body_raw(format!("<title>{said}</title>"), "text/html"),
        json(200, format!(r#"{{"id": {written}}}"#)),
        json(200, format!(r#"{{"id": 1, "name": {{{written}: 1}}}}"#)),
        ResponseTemplate::new(200).set_body_raw("x", "text/\u{9b}31m"),
    ] {
        let (_server, client) = serving(response).await;
        let error = client.get_model(1).await.failure();
        for text in [error.to_string(), format!("{error:?}")] {
            let odd = |shown: char| shown.is_control() || "\u{202e}\u{2028}\u{200b}".contains(shown);
            assert!(!text.contains(odd), "{text:?}");
        }
    }
}

#[tokio::test]
async fn circular_list_error_shows_no_secret() {
    let server = server::start().await;
    let client = builder(&server.uri()).build().unwrap();
    let next = format!("{}/models/?cursor={MARKER}", server.uri());
    let page = json(
        200,
        format!(r#"{{"next": "{next}", "results": [{{"id": 1, "name": "n", "model_type": "x"}}]}}"#),
    );
    Mock::given(method("GET")).respond_with(page).mount(&server).await;
    let models: Result<Vec<Model>, Error> = client.list_models().list_all().try_collect().await;
    assert_error_hidden(&models.failure(), ErrorKind::Pagination);
}

#[tokio::test]
async fn bad_upload_offset_shows_no_secret() {
    let response = format!(r#"{{"id": 7, "url": "/chunked_upload/7/?sig={MARKER}", "offset": 99}}"#);
    let (_server, client) = serving(json(200, response)).await;
    assert_error_hidden(&create(&client, Bytes::from_static(b"x")).await.failure(), ErrorKind::Upload);
}

struct Failing;

impl UrlConverter for Failing {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move { Err(format!("can't get {url}").into()) })
    }
}

#[tokio::test]
async fn failed_conversion_shows_no_secret() {
    let body = format!(r#"{{"id": 1, "name": "n", "model_type": "x", "file": "{}"}}"#, signed("/a"));
    let (_server, client) = serving(json(200, body)).await;
    let error = client.get_model(1).url_conversion_with("file", Failing).await.failure();
    assert_error_hidden(&error, ErrorKind::UrlConversion);
    assert!(error.to_string().contains("https://files.example.com/a?…"), "{error}");
}

// ---- `Debug` output

#[tokio::test]
async fn client_and_call_debug_is_redacted() {
    let server = server::start().await;
    let proxy = format!("http://user:{MARKER}@proxy");
    let builder = builder(&server.uri()).proxy(proxy).credentials_provider(Provider(Ok(Credentials::new())));
    assert_debug_hidden("a builder", &builder);
    assert_debug_hidden(
        "a builder",
        &BackendClient::builder(format!("https://user:{MARKER}@h/?token={MARKER}")),
    );
    let client = builder.build().unwrap();
    assert_debug_hidden("a client", &client);
    let credentials =
        Credentials::new().access_token(MARKER).legacy_token(MARKER).agent_token(MARKER).tenant(MARKER);
    assert_debug_hidden("credentials", &credentials);
    let call = || {
        let call =
            client.list_models().params(|p| p.project(1)).param("token", MARKER).param_list("sig", [MARKER]);
        call.header("x-token", MARKER).url_conversion("file", |url| format!("{url}?{MARKER}"))
    };
    assert_debug_hidden("a call", &call());
    assert_debug_hidden("a call's future", &call().send());
    assert_debug_hidden("a list", &call().list_all());
    assert_debug_hidden("a list's stream", &call().list_all().stream());
    assert_debug_hidden("a checkpoint", &call().list_all().stream().checkpoint());
    // The request carries no credentials. Its contents come from the user.
    assert_debug_hidden("a request", &client.get_model(1).request().unwrap());
}

#[tokio::test]
async fn create_call_debug_is_redacted() {
    let client = builder("https://h").build().unwrap();
    let metadata = json_value!({"report": signed("/report")});
    let creation = client.create_model(Bytes::from_static(MARKER.as_bytes()), |m| {
        let extra = std::collections::BTreeMap::from([("link".to_owned(), json_value!(signed("/x")))]);
        m.name("n").metrics(metadata.clone()).configuration(metadata).extra(extra)
    });
    let creation = creation.header("x-token", MARKER).param("token", MARKER);
    assert_debug_hidden("a creation", &creation);
    assert_debug_hidden("an upload", &client.create_chunked_upload(Bytes::from_static(MARKER.as_bytes())));
    assert_debug_hidden("a model's file", &ModelFile::from(Bytes::from_static(MARKER.as_bytes())));
}

#[test]
fn file_url_debug_is_redacted() {
    for url in [
        signed("/a.pt"),
        format!("/media/a.pt?sig={MARKER}"),
        format!("https://user:{MARKER}@h/a.pt"),
        format!("https://h/a?b={MARKER} {MARKER}\n{MARKER}"),
        format!("data:image/png;base64,{MARKER}"),
    ] {
        assert_debug_hidden("a file URL", &FileUrl::from(url.as_str()));
        // The caller gets the complete URL.
        assert_eq!(
            (FileUrl::from(url.as_str()).as_str(), FileUrl::from(url.clone()).to_string()),
            (url.as_str(), url.clone())
        );
    }
}

#[test]
fn free_form_json_debug_is_redacted() {
    let escaped = signed("/b").replace('/', "\\/").replace('&', "\\u0026");
    let values: [Json; 4] = [
        json_value!({"url": signed("/a"), "list": [signed("/b")], "n": 1}),
        json_value!(signed("/a")),
        format!(r#"{{"url": "{escaped}", "n": 1}}"#).parse().unwrap(),
        json_value!({"text": format!("see {} and {}", signed("/a"), signed("/b")), "file": format!("/media/a.png?s={MARKER}")}),
    ];
    for value in values {
        assert_debug_hidden("JSON", &value);
    }
}

#[test]
fn model_and_page_debug_is_redacted() {
    let url = signed("/a");
    let model = format!(
        r#"{{"id": 1, "name": "n", "model_type": "x", "file": "{url}", "metrics": {{"report": "{url}"}}, "project": {{"icon": "{url}"}},
        "versions": ["{url}"], "thumbnail": "{url}"}}"#
    );
    let event = format!(
        r#"{{"id": 1, "files": {{"f": {{"url": "{url}"}}}}, "data_unit": {{"files": ["{url}"]}}, "data": "{url}"}}"#
    );
    assert_debug_hidden("a model", &serde_json::from_str::<Model>(&model).unwrap());
    assert_debug_hidden("an event", &serde_json::from_str::<GroundTruthEvent>(&event).unwrap());
    let page: ModelPage = serde_json::from_str(&format!(r#"{{"results": [{model}], "count": 1}}"#)).unwrap();
    assert_debug_hidden("a page", &page);
    let page: GroundTruthEventPage = serde_json::from_str(&format!(r#"{{"results": [{event}]}}"#)).unwrap();
    assert_debug_hidden("a page", &page);
}

/// What the API's document marks as secret, in each type that has it.
#[test]
fn marked_fields_debug_is_redacted() {
    fn of<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) {
        let text = text.replace("SECRET", &secret("marked"));
        let value: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_debug_hidden(&text, &value);
    }
    of::<types::Agent>(
        r#"{"id": 1, "token": "SECRET", "node_install_script": "curl /agents/SECRET/node_install_script"}"#,
    );
    of::<types::Agent>(r#"{"id": 1, "token": {"value": "SECRET"}, "node_install_script": ["SECRET"]}"#);
    of::<types::AgentPage>(r#"{"results": [{"id": 1, "token": "SECRET"}]}"#);
    of::<types::Storage>(r#"{"id": 1, "configuration": {"secret_key": "SECRET", "nested": ["SECRET"]}}"#);
    of::<types::StoragePage>(r#"[{"id": 1, "configuration": "SECRET"}]"#);
    of::<types::Job>(r#"{"id": 1, "params": {"api": "SECRET"}}"#);
    let url = "https://files/1.json?sig=SECRET";
    of::<types::Task>(&format!(r#"{{"id": 1, "data": {{"mode": "presigned", "presigned_url": "{url}"}}}}"#));
    of::<types::AssignmentPage>(&format!(
        r#"{{"results": [{{"id": 1, "data": {{"presigned_url": "{url}"}}}}]}}"#
    ));
    of::<types::GroundTruthEvent>(&format!(r#"{{"id": 1, "data": {{"presigned_url": "{url}"}}}}"#));
    of::<types::PresignedUpload>(&format!(
        r#"{{"files": [{{"filename": "a", "file_key": "k", "presigned_url": "{url}"}}]}}"#
    ));
    let run = types::PluginRun::builder().action("train").params(json_value!({"key": secret("marked")}));
    assert_debug_hidden("a builder", &run);
    assert_debug_hidden("a body", &types::PluginRun::try_from(run).unwrap());
    let storage =
        types::StorageCreate::builder().name("a").configuration(json_value!({"key": secret("marked")}));
    assert_debug_hidden("a builder", &storage);
}

#[tokio::test]
async fn query_with_brackets_fully_redacted() {
    let url = oddly_signed();
    assert_debug_hidden("a file URL", &FileUrl::from(url.as_str()));
    assert_debug_hidden("JSON", &json_value!({"files": [{"url": url}]}));
    let (_server, client) = serving(json(200, format!(r#"{{"id": "{url}"}}"#))).await;
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Decode);
    let (_server, client) = serving(json(400, format!(r#"{{"file": ["{url}"]}}"#))).await;
    assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Status);
}

#[tokio::test]
async fn query_redacted_for_any_file_name() {
    let names = [
        "photo(1).jpg",
        "a,b.jpg",
        "x[1].jpg",
        "{id}.jpg",
        "it's.jpg",
        "a`b.jpg",
        "a\\u0026b.jpg",
        "a\\\\b.jpg",
        "my photo.jpg",
    ];
    for name in names {
        for query in [format!("X-Amz-Signature={MARKER}"), MARKER.to_owned()] {
            let url = format!("https://files.example.com/m/{name}?{query}");
            assert_debug_hidden("JSON", &format!(r#"{{"files": ["{url}"]}}"#).parse::<Json>().unwrap());
            let model = format!(r#"{{"id": 1, "name": "n", "model_type": "x", "file": "{url}"}}"#);
            let (_server, client) = serving(json(200, model)).await;
            let error = client.get_model(1).url_conversion_with("file", Failing).await.failure();
            assert_error_hidden(&error, ErrorKind::UrlConversion);
            let (_server, client) = serving(json(200, format!(r#"{{"id": "{url}"}}"#))).await;
            assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Decode);
            let link = format!("<{url}>; rel=\"next\"");
            let headers = |response: ResponseTemplate| {
                response.insert_header("location", &*url).insert_header("link", &*link)
            };
            let (_server, client) = serving(headers(json(400, format!(r#"{{"file": ["{url}"]}}"#)))).await;
            assert_error_hidden(&client.get_model(1).await.failure(), ErrorKind::Status);
        }
        let url = format!("https://files.example.com/m/{name}?X-Amz-Signature={MARKER}");
        let (_server, client) = serving(json(400, format!(r#"{{"detail": "can't read {url} now"}}"#))).await;
        let error = client.get_model(1).await.failure();
        assert_error_hidden(&error, ErrorKind::Status);
        assert!(error.to_string().ends_with(".jpg?… now"), "{error}");
    }
}

#[test]
fn page_links_debug_is_redacted() {
    // The links repeat the query of the request.
    let link = format!("https://h/models/?page=2&token={MARKER}");
    let page: ModelPage =
        serde_json::from_str(&format!(r#"{{"results": [], "next": "{link}", "previous": "{link}"}}"#))
            .unwrap();
    assert_debug_hidden("a page", &page);
    assert_eq!(page.next.as_deref(), Some(link.as_str()));
}

#[tokio::test]
async fn call_headers_redacted_in_errors() {
    let echo =
        server::json(400, r#"{"detail": "no session COOKIESECRET, bad PERCALLSECRET, PERCALLSECRET"}"#);
    let (_server, client) = server::serving("GET", "/models/1/", echo).await;
    let call = client
        .get_model(1)
        .header("authorization", "Bearer PERCALLSECRET")
        .header("cookie", "theme=x; sid=COOKIESECRET");
    let error = call.await.unwrap_err();
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(
            !shown.contains("CALLSECRET") && !shown.contains("COOKIESECRET") && shown.contains("<secret>"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn truncated_text_redacts_cut_tokens() {
    let long = "y".repeat(100);
    let body = format!(r#"{{"{}{TOKEN} {long}": ["bad"], "{TOKEN}{long}{long}": ["bad"]}}"#, "x".repeat(25));
    let (_server, client) = server::serving("GET", "/models/1/", server::json(400, body)).await;
    let error = client.get_model(1).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for length in [8, 12, 20] {
        let parts = (0..TOKEN.len().saturating_sub(length)).filter_map(|at| TOKEN.get(at..at + length));
        parts.for_each(|part| assert!(!shown.contains(part), "{part}: {shown}"));
    }
}

#[tokio::test]
async fn failed_conversion_redacts_token() {
    let body = format!(r#"{{"id": "{TOKEN}", "file": "https://h/{TOKEN}/x"}}"#);
    let (_server, client) = server::serving("GET", "/models/1/", server::json(200, body)).await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = seen.clone();
    let call = client
        .request(synapse_backend_client::http::Method::GET, "/models/1/")
        .url_conversion_with("file", Fails);
    call.on_failed_conversion(move |failure| kept.lock().unwrap().push(format!("{failure} {failure:?}")))
        .await
        .unwrap_err();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].contains(TOKEN) && seen[0].contains("<secret>"), "{seen:?}");
}

struct Fails;

impl synapse_backend_client::UrlConverter for Fails {
    fn convert<'u>(&'u self, _: &'u str) -> synapse_backend_client::ConversionFuture<'u> {
        Box::pin(async { Err("no mirror".into()) })
    }
}
