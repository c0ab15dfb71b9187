//! The settings of a client and of a call, as they appear in requests.

use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::child;
use crate::support::marker::{self, Failure, MARKER, TOKEN, secret};
use crate::support::server::{
    self, assert_nothing_sent, assert_only_get, header, json, line, lines, only, requests, serving,
};
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::reqwest::{self, Method};
use synapse_backend_client::{
    BackendClient, BackendClientBuilder, Credentials, CredentialsFuture, CredentialsProvider,
    CredentialsReason, Error, ErrorKind, ModelFile,
};
use wiremock::matchers::{any, header as with_header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const MODEL: &str = r#"{"id": 1, "name": "n", "model_type": "detection"}"#;
const EMPTY_PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

async fn responding(response: ResponseTemplate) -> MockServer {
    let server = server::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

fn configuration_error(builder: BackendClientBuilder) -> Error {
    marker::watch();
    let error = builder.build().failure();
    assert!(error.is_configuration(), "{error:?}");
    assert_eq!((error.kind(), error.status()), (ErrorKind::Configuration, None));
    error
}

// ---- the base URL

#[tokio::test]
async fn base_url_with_or_without_prefix() {
    let server = responding(json(200, MODEL)).await;
    let uri = server.uri();
    for (base, kept, asked) in [
        (uri.clone(), uri.clone(), "/models/1/"),
        (format!("{uri}/"), uri.clone(), "/models/1/"),
        (format!(" {uri}\n"), uri.clone(), "/models/1/"),
        (format!("{uri}/api/v1"), format!("{uri}/api/v1"), "/api/v1/models/1/"),
        (format!("{uri}/api/v1/"), format!("{uri}/api/v1"), "/api/v1/models/1/"),
        (format!("{uri}/a%20b/%ED%95%9C"), format!("{uri}/a%20b/%ED%95%9C"), "/a%20b/%ED%95%9C/models/1/"),
    ] {
        let client = BackendClient::builder(&base).build().unwrap();
        assert_eq!(client.base_url(), kept);
        client.get_model(1).await.unwrap();
        assert_eq!(line(requests(&server).await.last().unwrap()), format!("GET {asked}"));
    }
}

#[tokio::test]
async fn upload_requests_keep_base_url_prefix() {
    let server = server::start().await;
    // The server doesn't know of the prefix that a proxy strips.
    let upload = json(200, r#"{"id": 7, "url": "http://internal:8000/chunked_upload/7/", "offset": 2}"#);
    Mock::given(path("/api/v1/chunked_upload/")).respond_with(upload).mount(&server).await;
    Mock::given(path("/api/v1/chunked_upload/7/"))
        .respond_with(json(200, r#"{"id": 7}"#))
        .mount(&server)
        .await;
    Mock::given(path("/api/v1/models/")).respond_with(json(201, MODEL)).mount(&server).await;
    let client = BackendClient::builder(format!("{}/api/v1/", server.uri())).build().unwrap();
    let model =
        client.create_model(Bytes::from_static(b"0123"), |m| m.name("n").model_type("detection").project(1));
    model.chunk_size(2).await.unwrap();
    let expected = [
        "PUT /api/v1/chunked_upload/",
        "PUT /api/v1/chunked_upload/7/",
        "POST /api/v1/chunked_upload/7/",
        "POST /api/v1/models/",
    ];
    assert_eq!(lines(&server).await, expected);
}

#[test]
fn invalid_base_url_is_refused() {
    let no_urls = ["", "api.synapse.sh", "ftp://h", "file:///etc", "https://"].map(str::to_owned);
    let secrets = [
        format!("https://user:{MARKER}@h"),
        format!("https://{MARKER}@h"),
        format!("https://h/?token={MARKER}"),
        format!("https://h/#{MARKER}"),
        format!("https://h:{MARKER}"),
    ];
    for url in no_urls.into_iter().chain(secrets) {
        let error = configuration_error(BackendClient::builder(&url));
        assert!(error.to_string().starts_with("base_url: "), "{url}: {error}");
    }
}

// ---- invalid settings

#[test]
fn invalid_setting_is_named_in_error() {
    type Set = fn(BackendClientBuilder) -> BackendClientBuilder;
    let cases: [(&str, Set); 24] = [
        ("access_token", |b| b.access_token("")),
        ("access_token", |b| b.access_token(" \n ")),
        ("access_token", |b| b.access_token(format!("{MARKER}\n{MARKER}"))),
        ("legacy_token", |b| b.legacy_token("")),
        ("legacy_token", |b| b.legacy_token(format!("{MARKER}\r{MARKER}"))),
        ("agent_token", |b| b.agent_token("")),
        ("agent_token", |b| b.agent_token(format!("{MARKER}\0{MARKER}"))),
        ("tenant", |b| b.tenant("")),
        ("tenant", |b| b.tenant(format!("{MARKER}\u{7f}{MARKER}"))),
        ("connect_timeout", |b| b.connect_timeout(Duration::ZERO)),
        ("read_timeout", |b| b.read_timeout(Duration::ZERO)),
        ("timeout", |b| b.timeout(Duration::ZERO)),
        ("max_body_size", |b| b.max_body_size(0)),
        ("url_host", |b| b.url_host("")),
        ("url_host", |b| b.url_host(" \n")),
        ("user_agent", |b| b.user_agent("")),
        ("user_agent", |b| b.user_agent("a\nb")),
        ("user_agent", |b| b.user_agent("한")),
        ("proxy", |b| b.proxy("")),
        ("proxy", |b| b.proxy(format!("proxy:{MARKER}"))),
        ("proxy", |b| b.proxy(format!("ftp://user:{MARKER}@proxy"))),
        ("root_certificate", |b| b.root_certificate(MARKER)),
        ("root_certificate", |b| b.root_certificate(format!("-----BEGIN CERTIFICATE-----\n{MARKER}\n"))),
        ("http", |b| b.http(|| reqwest::Client::builder().user_agent("a\nb"))),
    ];
    for (setting, set) in cases {
        let error = configuration_error(set(BackendClient::builder("http://h")));
        assert!(error.to_string().starts_with(&format!("{setting}: ")), "{setting}: {error}");
    }
}

// ---- the environment, which belongs to the process: each of these tests runs in a separate process

/// The child process of the tests below, which set its environment. It builds a client from the environment,
/// prints the result and, if requested, gets a model.
#[tokio::test]
async fn client_from_environment_child() {
    if std::env::var_os("CLIENT_OF_THE_ENVIRONMENT").is_none() {
        return;
    }
    marker::watch();
    match BackendClient::from_env() {
        Ok(client) => {
            println!("base_url=<{}>", client.base_url());
            let files: Vec<_> = match std::env::var_os("OPEN_ALL_FILES") {
                Some(_) => std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect(),
                None => Vec::new(),
            };
            if std::env::var_os("GET_A_MODEL").is_some() {
                println!("model={:?}", client.get_model(1).max_retries(0).await.map(|model| model.id));
            }
            drop(files);
        }
        Err(error) => println!("error=<{error}> {error:?}"),
    }
}

/// Returns the output of a child process with exactly this environment.
async fn in_environment(variables: &[(&str, &OsStr)]) -> String {
    let variables: Vec<(OsString, OsString)> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let few_files = variables.iter().any(|(name, _)| name == "OPEN_ALL_FILES");
    let run = move || {
        let mut command = match few_files {
            #[cfg(unix)]
            true => child::command_after("ulimit -n 200", client_from_environment_child),
            _ => child::command(client_from_environment_child),
        };
        child::output(command.env_clear().env("CLIENT_OF_THE_ENVIRONMENT", "1").envs(variables))
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Returns the four credentials that a client with this environment sends.
async fn sent_in_environment(variables: &[(&str, &str)]) -> [Option<String>; 4] {
    let server = responding(json(200, MODEL)).await;
    let uri = server.uri();
    let mut all: Vec<(&str, &OsStr)> =
        variables.iter().map(|(name, value)| (*name, OsStr::new(*value))).collect();
    all.extend([("SYNAPSE_BASE_URL", OsStr::new(&uri)), ("GET_A_MODEL", OsStr::new("1"))]);
    let output = in_environment(&all).await;
    assert!(output.contains("model=Ok(1)"), "{output}");
    let request = only(&server).await;
    assert_eq!(line(&request), "GET /models/1/");
    ["synapse-access-token", "authorization", "synapse-tenant", "synapse-agent"]
        .map(|name| header(&request, name).map(str::to_owned))
}

#[tokio::test]
async fn environment_gives_every_setting() {
    let (access, agent, tenant) = (secret("access"), secret("agent"), secret("tenant"));
    let set = [
        ("SYNAPSE_API_TOKEN", &*access),
        ("SYNAPSE_AGENT_TOKEN", &*agent),
        ("SYNAPSE_TENANT", &*tenant),
        ("OTHER", "d"),
    ];
    let sent = [Some(access.clone()), None, Some(tenant.clone()), Some(agent.clone())];
    assert_eq!(sent_in_environment(&set).await, sent.map(|sent| sent.map(|sent| format!("Token {sent}"))));
}

#[tokio::test]
async fn plain_http_works_without_certificates() {
    let none = tempfile::tempdir().unwrap();
    let file = none.path().join("none.pem");
    std::fs::write(&file, "").unwrap();
    let (file, directory) = (file.to_str().unwrap(), none.path().to_str().unwrap());
    let sent = sent_in_environment(&[
        ("SSL_CERT_FILE", file),
        ("SSL_CERT_DIR", directory),
        ("SYNAPSE_API_TOKEN", TOKEN),
    ])
    .await;
    assert_eq!(sent[0].as_deref(), Some(&*format!("Token {TOKEN}")));
    // An https client can't be built without certificates, so the http client above is the fallback.
    let https = [("SYNAPSE_BASE_URL", "https://h"), ("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)];
    let output = in_environment(&https.map(|(name, value)| (name, OsStr::new(value)))).await;
    assert!(output.contains("error=<http: the HTTP client can't be built"), "{output}");
}

#[tokio::test]
async fn empty_variable_counts_as_unset() {
    let sent = sent_in_environment(&[
        ("SYNAPSE_API_TOKEN", ""),
        ("SYNAPSE_AGENT_TOKEN", " \n"),
        ("SYNAPSE_TENANT", "\t"),
    ])
    .await;
    assert_eq!(sent, [None, None, None, None]);
}

#[tokio::test]
async fn variable_whitespace_is_trimmed() {
    let (token, tenant) = (format!(" {TOKEN}\n"), format!("\t{TOKEN} "));
    let sent = sent_in_environment(&[("SYNAPSE_API_TOKEN", &token), ("SYNAPSE_TENANT", &tenant)]).await;
    let token = Some(format!("Token {TOKEN}"));
    assert_eq!(sent, [token.clone(), None, token, None]);
}

#[tokio::test]
async fn default_base_url_is_hosted_platform() {
    for output in [in_environment(&[]).await, in_environment(&[("SYNAPSE_BASE_URL", OsStr::new(" "))]).await]
    {
        assert!(output.contains("base_url=<https://api.synapse.sh>"), "{output}");
    }
    let output = in_environment(&[("SYNAPSE_BASE_URL", OsStr::new(" http://h/api/v1/ \n"))]).await;
    assert!(output.contains("base_url=<http://h/api/v1>"), "{output}");
}

#[tokio::test]
async fn invalid_variable_hides_its_value() {
    let output = in_environment(&[("SYNAPSE_API_TOKEN", OsStr::new(&format!("{MARKER}\n{MARKER}")))]).await;
    assert!(output.contains("error=<access_token: ") && !output.contains(MARKER), "{output}");
    let output =
        in_environment(&[("SYNAPSE_BASE_URL", OsStr::new(&format!("https://user:{MARKER}@h")))]).await;
    assert!(output.contains("error=<base_url: ") && !output.contains(MARKER), "{output}");
}

#[cfg(unix)]
#[tokio::test]
async fn non_unicode_variable_is_named() {
    use std::os::unix::ffi::OsStrExt;
    for name in ["SYNAPSE_BASE_URL", "SYNAPSE_API_TOKEN", "SYNAPSE_AGENT_TOKEN", "SYNAPSE_TENANT"] {
        let output =
            in_environment(&[(name, OsStr::from_bytes(&[MARKER.as_bytes(), b"\xff"].concat()))]).await;
        assert!(output.contains(&format!("error=<{name}: ")) && !output.contains(MARKER), "{output}");
    }
}

// ---- url_host and user_agent

#[tokio::test]
async fn url_host_added_to_every_get() {
    let server = server::start().await;
    let page = format!(r#"{{"count": 2, "next": "{}/models/?page=2", "results": [{MODEL}]}}"#, server.uri());
    Mock::given(path("/models/"))
        .and(wiremock::matchers::query_param("page", "2"))
        .respond_with(json(200, EMPTY_PAGE))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/models/"))
        .respond_with(json(200, page))
        .with_priority(2)
        .mount(&server)
        .await;
    Mock::given(method("GET")).respond_with(json(200, MODEL)).with_priority(3).mount(&server).await;
    let client = BackendClient::builder(server.uri()).url_host(" internal ").build().unwrap();
    client.get_model(1).await.unwrap();
    client.get_model(1).params(|p| p.url_host("public")).await.unwrap();
    client.get_model(1).params(|p| p.include_file(true)).param("url_host", "other").await.unwrap();
    client.get_model(1).param_list("url_host", [""; 0]).await.unwrap();
    let models: Vec<_> = client.list_models().list_all().try_collect().await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(
        lines(&server).await,
        [
            "GET /models/1/?url_host=internal",
            "GET /models/1/?url_host=public",
            "GET /models/1/?include_file=true&url_host=other",
            "GET /models/1/",
            "GET /models/?url_host=internal",
            "GET /models/?url_host=internal&page=2",
        ]
    );
}

#[tokio::test]
async fn url_host_not_added_to_writes() {
    let server = responding(json(201, r#"{"id": 7, "name": "n", "model_type": "x", "offset": 1}"#)).await;
    let client = BackendClient::builder(server.uri()).url_host("internal").build().unwrap();
    client
        .create_model(Bytes::from_static(b"x"), |m| m.name("n").model_type("detection").project(1))
        .await
        .unwrap();
    assert_eq!(lines(&server).await, ["PUT /chunked_upload/", "POST /chunked_upload/7/", "POST /models/"]);
}

#[tokio::test]
async fn user_agent_defaults_to_crate() {
    let server = responding(json(200, MODEL)).await;
    BackendClient::builder(server.uri()).build().unwrap().get_model(1).await.unwrap();
    BackendClient::builder(server.uri())
        .user_agent("trainer/2.1 (night)")
        .build()
        .unwrap()
        .get_model(1)
        .await
        .unwrap();
    let requests = requests(&server).await;
    let agents: Vec<_> = requests.iter().map(|request| header(request, "user-agent").unwrap()).collect();
    assert_eq!(
        agents,
        [concat!("synapse-backend-client/", env!("CARGO_PKG_VERSION")), "trainer/2.1 (night)"]
    );
}

// ---- settings of a call

#[tokio::test]
async fn call_parameter_replaces_or_adds() {
    let (server, client) = serving("GET", "/models/", json(200, EMPTY_PAGE)).await;
    let call = client.list_models().params(|p| p.project(1).search("a"));
    call.param("project", 2).param("tag", "한 &").param("tag", "last").param("flag", true).await.unwrap();
    assert_only_get(&server, "/models/?search=a&project=2&tag=last&flag=true").await;
}

#[tokio::test]
async fn list_parameter_repeats_or_removes() {
    let (server, client) = serving("GET", "/models/", json(200, EMPTY_PAGE)).await;
    client.list_models().param_list("tag", ["a", "b"]).param_list("n", vec![1, 2]).await.unwrap();
    client.list_models().params(|p| p.project(1).search("a")).param_list("project", [0; 0]).await.unwrap();
    client.list_models().params(|p| p.project(1)).param_list("project", [0; 0]).await.unwrap();
    let expected = ["GET /models/?tag=a&tag=b&n=1&n=2", "GET /models/?search=a", "GET /models/"];
    assert_eq!(lines(&server).await, expected);
}

#[tokio::test]
async fn call_parameter_sent_with_every_page() {
    let server = server::start().await;
    let page = format!(r#"{{"count": 2, "next": "{}/models/?page=2", "results": [{MODEL}]}}"#, server.uri());
    Mock::given(wiremock::matchers::query_param("page", "2"))
        .respond_with(json(200, EMPTY_PAGE))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(any()).respond_with(json(200, page)).with_priority(2).mount(&server).await;
    let client = BackendClient::builder(server.uri()).build().unwrap();
    let list = client.list_models().param("stage", "live").header("x-trace", "t").list_all();
    let models: Vec<_> = list.try_collect().await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(lines(&server).await, ["GET /models/?stage=live", "GET /models/?stage=live&page=2"]);
    assert!(requests(&server).await.iter().all(|request| header(request, "x-trace") == Some("t")));
}

#[tokio::test]
async fn call_header_is_sent_once() {
    let (server, client) = serving("GET", "/models/1/", json(200, MODEL)).await;
    client
        .get_model(1)
        .header("X-Request-Id", "r 1")
        .header("accept", "application/vnd.synapse+json")
        .await
        .unwrap();
    client.get_model(1).await.unwrap();
    let requests = requests(&server).await;
    assert_eq!(header(&requests[0], "x-request-id"), Some("r 1"));
    assert_eq!(header(&requests[0], "accept"), Some("application/vnd.synapse+json"));
    assert_eq!(header(&requests[1], "x-request-id"), None);
    assert_eq!(header(&requests[1], "accept"), Some("application/json"));
}

#[tokio::test]
async fn invalid_call_settings_send_nothing() {
    let (server, client) = serving("GET", "/models/1/", json(200, MODEL)).await;
    let call = client
        .get_model(1)
        .header("no header", "x")
        .header("x-bad", "a\nb")
        .header("Host", "h")
        .header("content-length", "3");
    let error = call.timeout(Duration::ZERO).read_timeout(Duration::ZERO).await.failure();
    assert!(error.is_invalid_input());
    let message = error.to_string();
    for part in
        ["no header", "x-bad", "Host", "content-length", "; timeout: it is zero", "read_timeout: it is zero"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn body_beyond_limit_is_an_error() {
    let server = responding(json(200, MODEL)).await;
    let limit = |bytes| BackendClient::builder(server.uri()).max_body_size(bytes).build().unwrap();
    assert_eq!(limit(MODEL.len()).get_model(1).await.unwrap().id, 1);
    let error = limit(MODEL.len() - 1).get_model(1).await.failure();
    assert_eq!(error.kind(), ErrorKind::BodyLimit);
    assert!(error.to_string().contains("max_body_size"), "{error}");
}

#[tokio::test]
async fn built_request_has_no_credentials() {
    let server = responding(json(200, MODEL)).await;
    let base = format!("{}/api", server.uri());
    let builder = BackendClient::builder(&base)
        .access_token(TOKEN)
        .legacy_token(TOKEN)
        .agent_token(TOKEN)
        .tenant(TOKEN);
    let client = builder.url_host("internal").build().unwrap();
    let call = client
        .get_model(456)
        .params(|p| p.expand(["metrics", "versions"]))
        .param("x", 1)
        .header("x-trace", "t");
    let request = call.request().unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(
        request.url().as_str(),
        format!("{base}/models/456/?expand=metrics&expand=versions&x=1&url_host=internal")
    );
    let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "x-trace"]);
    assert!(request.body().is_none());
    let error = client.list_models().params(|p| p.project(u64::MAX)).request().failure();
    assert!(error.is_invalid_input());
    assert_nothing_sent(&server).await;
}

// ---- a provider of credentials

/// Returns the secrets `1`, `2` and so on, and records the arguments of each call.
#[derive(Clone, Default)]
struct Rotating {
    given: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<bool>>>,
}

impl CredentialsProvider for Rotating {
    fn credentials(&self, reason: CredentialsReason) -> CredentialsFuture<'_> {
        self.asked.lock().unwrap().push(reason == CredentialsReason::Rejected);
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            // Other calls may arrive in the meantime.
            tokio::task::yield_now().await;
            Ok(Credentials::new().access_token(secret(&number.to_string())).tenant(secret("acme")))
        })
    }
}

/// Returns the header value of the token with this number.
fn given(number: usize) -> String {
    format!("Token {}", secret(&number.to_string()))
}

/// Returns a server that accepts one token, and a client whose tokens rotate.
async fn rotating(accepted: usize) -> (MockServer, BackendClient, Rotating) {
    let server = server::start().await;
    let token = given(accepted);
    let good =
        Mock::given(with_header("synapse-access-token", token.as_str())).respond_with(json(200, MODEL));
    good.with_priority(1).mount(&server).await;
    let refused = Mock::given(any()).respond_with(json(401, r#"{"detail": "Token has expired."}"#));
    refused.with_priority(2).mount(&server).await;
    let provider = Rotating::default();
    let client =
        BackendClient::builder(server.uri()).access_token(TOKEN).credentials_provider(provider.clone());
    (server, client.build().unwrap(), provider)
}

async fn tokens(server: &MockServer) -> Vec<String> {
    requests(server)
        .await
        .iter()
        .map(|request| header(request, "synapse-access-token").unwrap_or("none").to_owned())
        .collect()
}

#[tokio::test]
async fn provider_credentials_are_cached() {
    let (server, client, provider) = rotating(1).await;
    assert_eq!(*provider.asked.lock().unwrap(), [false; 0]);
    for _ in 0..3 {
        client.get_model(1).await.unwrap();
    }
    assert_eq!(*provider.asked.lock().unwrap(), [false]);
    assert_eq!(tokens(&server).await, vec![given(1); 3]);
    assert_eq!(
        header(&requests(&server).await[0], "synapse-tenant"),
        Some(&*format!("Token {}", secret("acme")))
    );
}

#[tokio::test]
async fn provider_asked_again_after_401() {
    let (server, client, provider) = rotating(2).await;
    client.get_model(1).await.unwrap();
    client.get_model(1).await.unwrap();
    assert_eq!(*provider.asked.lock().unwrap(), [false, true]);
    assert_eq!(tokens(&server).await, [given(1), given(2), given(2)]);
}

#[tokio::test]
async fn create_resent_with_renewed_token() {
    let (server, client, provider) = rotating(2).await;
    let model =
        client.create_model(ModelFile::uploaded(7), |m| m.name("n").model_type("detection").project(1)).await;
    assert_eq!(model.unwrap().id, 1);
    assert_eq!(*provider.asked.lock().unwrap(), [false, true]);
    let requests = requests(&server).await;
    assert_eq!(requests.iter().map(line).collect::<Vec<_>>(), ["POST /models/", "POST /models/"]);
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test]
async fn chunk_resent_with_renewed_token() {
    let (server, client, provider) = rotating(2).await;
    client.create_chunked_upload(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(*provider.asked.lock().unwrap(), [false, true]);
    assert_eq!(tokens(&server).await, [given(1), given(2), given(2)]);
}

#[tokio::test]
async fn second_401_is_returned() {
    let (server, client, provider) = rotating(0).await;
    let error = client.get_model(1).await.failure();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!(error.response().unwrap().detail(), Some("Token has expired."));
    assert_eq!(*provider.asked.lock().unwrap(), [false, true]);
    assert_eq!(tokens(&server).await, [given(1), given(2)]);
}

#[tokio::test]
async fn concurrent_requests_ask_provider_once() {
    let (server, client, provider) = rotating(1).await;
    let calls: Vec<_> = (0..10).map(|_| tokio::spawn(client.get_model(1).send())).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(*provider.asked.lock().unwrap(), [false]);
    assert_eq!(tokens(&server).await, vec![given(1); 10]);
}

struct Broken;

impl CredentialsProvider for Broken {
    fn credentials(&self, _reason: CredentialsReason) -> CredentialsFuture<'_> {
        Box::pin(async { Err("the vault is sealed".into()) })
    }
}

#[tokio::test]
async fn failing_provider_sends_nothing() {
    let server = responding(json(200, MODEL)).await;
    let client = BackendClient::builder(server.uri()).credentials_provider(Broken).build().unwrap();
    let error = client.get_model(1).await.failure();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Credentials, Some("get_model")));
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    assert_nothing_sent(&server).await;
}

// ---- HTTP settings

#[tokio::test]
async fn custom_http_settings_are_used() {
    let server = responding(json(200, MODEL)).await;
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let builder = BackendClient::builder(server.uri()).access_token(TOKEN).http(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let headers = [("x-team", "vision"), ("user-agent", "not this")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        reqwest::Client::builder().default_headers(headers.into_iter().collect())
    });
    let client = builder.build().unwrap();
    assert!(made.load(Ordering::Relaxed) >= 1);
    client.get_model(1).await.unwrap();
    let request = only(&server).await;
    assert_eq!(header(&request, "x-team"), Some("vision"));
    assert_eq!(header(&request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    assert_eq!(
        header(&request, "user-agent"),
        Some(concat!("synapse-backend-client/", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn custom_http_keeps_redirect_policy() {
    let other = responding(json(200, MODEL)).await;
    let server = responding(
        ResponseTemplate::new(302).insert_header("location", format!("{}/m/?sig={MARKER}", other.uri())),
    )
    .await;
    let http = || reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5)).referer(true);
    let client = BackendClient::builder(server.uri()).access_token(TOKEN).http(http).build().unwrap();
    client.get_model(1).await.unwrap();
    let followed = only(&other).await;
    assert_eq!(line(&followed), format!("GET /m/?sig={MARKER}"));
    assert_eq!((header(&followed, "synapse-access-token"), header(&followed, "referer")), (None, None));
}

#[tokio::test]
async fn every_request_is_proxied() {
    let proxy = responding(json(200, MODEL)).await;
    // Only the proxy can serve this host.
    let builder = BackendClient::builder("http://backend.invalid/api").access_token(TOKEN);
    let with_password = proxy.uri().replace("http://", &format!("http://user:{MARKER}@"));
    let client = builder.proxy(format!(" {with_password} ")).build().unwrap();
    client.get_model(1).await.unwrap();
    client.create_chunked_upload(Bytes::from_static(b"x")).await.unwrap();
    let requests = requests(&proxy).await;
    let urls: Vec<_> = requests.iter().map(|request| request.url.as_str()).collect();
    let base = "http://backend.invalid/api";
    assert_eq!(
        urls,
        [format!("{base}/models/1/"), format!("{base}/chunked_upload/"), format!("{base}/chunked_upload/1/")]
    );
    for request in &requests {
        assert_eq!(header(request, "host"), Some("backend.invalid"));
        assert_eq!(header(request, "proxy-authorization"), Some("Basic dXNlcjptNHJrM3I="));
        assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    }
}

#[cfg(feature = "system-proxy")]
#[tokio::test]
async fn system_proxy_used_when_none_set() {
    let proxy = responding(json(200, MODEL)).await;
    let uri = proxy.uri();
    let variables =
        [("SYNAPSE_BASE_URL", "http://backend.invalid"), ("HTTP_PROXY", &uri), ("GET_A_MODEL", "1")];
    let output = in_environment(&variables.map(|(name, value)| (name, OsStr::new(value)))).await;
    assert!(output.contains("model=Ok(1)"), "{output}");
    assert_eq!(only(&proxy).await.url.as_str(), "http://backend.invalid/models/1/");
}

// ---- proxies from the environment, and limits of the process

/// A proxy URL on which nothing listens.
const NO_PROXY_THERE: &str = "http://user:MARK@127.0.0.1:9";

#[tokio::test]
async fn no_proxy_accepts_bracketed_ipv6() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else { return };
    let server = MockServer::builder().listener(listener).start().await;
    Mock::given(any()).respond_with(json(200, MODEL)).mount(&server).await;
    let uri = server.uri();
    let proxy = NO_PROXY_THERE.replace("MARK", MARKER);
    for (name, no_proxy, is_taken) in [
        ("NO_PROXY", "[::1]", true),
        ("no_proxy", "a.example, [::1] ", true),
        ("NO_PROXY", "::1", true),
        ("NO_PROXY", "[::]/8", true),
        ("NO_PROXY", "[::2]", false),
    ] {
        let output = in_environment(&[
            ("SYNAPSE_BASE_URL", OsStr::new(&uri)),
            ("GET_A_MODEL", OsStr::new("1")),
            ("HTTP_PROXY", OsStr::new(&proxy)),
            (name, OsStr::new(no_proxy)),
        ])
        .await;
        assert_eq!(output.contains("model=Ok(1)"), is_taken, "{no_proxy}: {output}");
    }
}

#[tokio::test]
async fn failing_proxy_is_named_in_error() {
    let proxy = NO_PROXY_THERE.replace("MARK", MARKER);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        for no_proxy in ["", "[::1]"] {
            let output = in_environment(&[
                ("SYNAPSE_BASE_URL", OsStr::new("http://backend.invalid")),
                ("GET_A_MODEL", OsStr::new("1")),
                (name, OsStr::new(&proxy)),
                ("NO_PROXY", OsStr::new(no_proxy)),
            ])
            .await;
            assert!(
                output.contains("no connection through the proxy http://127.0.0.1:9: "),
                "{name}: {output}"
            );
            assert!(!output.contains(MARKER), "{output}");
        }
    }
    // The working proxy gets the password.
    let server = responding(json(200, MODEL)).await;
    let proxy = format!("http://us%40er:{MARKER}@{}", server.address());
    for no_proxy in ["", "[::1]"] {
        let output = in_environment(&[
            ("SYNAPSE_BASE_URL", OsStr::new("http://backend.invalid")),
            ("GET_A_MODEL", OsStr::new("1")),
            ("HTTP_PROXY", OsStr::new(&proxy)),
            ("NO_PROXY", OsStr::new(no_proxy)),
        ])
        .await;
        assert!(output.contains("model=Ok(1)"), "{no_proxy}: {output}");
    }
    let sent: Vec<_> = requests(&server)
        .await
        .iter()
        .map(|sent| header(sent, "proxy-authorization").map(str::to_owned))
        .collect();
    assert!(sent.len() == 2 && sent[0] == sent[1] && sent[0].is_some(), "{sent:?}");
    // In a CGI program, `HTTP_PROXY` is a request header that any client can set.
    let output = in_environment(&[
        ("SYNAPSE_BASE_URL", OsStr::new("http://127.0.0.1:9")),
        ("GET_A_MODEL", OsStr::new("1")),
        ("HTTP_PROXY", OsStr::new("http://127.0.0.1:10")),
        ("REQUEST_METHOD", OsStr::new("GET")),
        ("NO_PROXY", OsStr::new("[::1]")),
    ])
    .await;
    assert!(output.contains("no connection: "), "{output}");
}

#[cfg(unix)]
#[tokio::test]
async fn too_many_open_files_names_ulimit() {
    let server = responding(json(200, MODEL)).await;
    let uri = server.uri();
    let set = [
        ("SYNAPSE_BASE_URL", OsStr::new(&uri)),
        ("GET_A_MODEL", OsStr::new("1")),
        ("OPEN_ALL_FILES", OsStr::new("1")),
    ];
    let output = in_environment(&set).await;
    assert!(
        output.contains("too many open files") && output.contains("ulimit -n") && output.contains("Connect"),
        "{output}"
    );
}
