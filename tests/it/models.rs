//! Models as specified: the requests that are sent, and the decoded responses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::marker::{Failure, MARKER, TOKEN};
use crate::support::server::{
    self, assert_nothing_sent, assert_only_get, client_of, header, html, json, line, lines, only, requests,
    serving,
};
use crate::support::tcp_server::{Act, Server};
use crate::support::uploads::{assert_chunk, assert_completion, take_uploads};
use serde_json::Value;
use synapse_backend_client::bytes::Bytes;
use synapse_backend_client::raw::builder::{GetModel, ListModels};
use synapse_backend_client::reqwest::StatusCode;
use synapse_backend_client::types::{self, Model, ModelPage, ModelType};
use synapse_backend_client::{
    BackendClient, CallOptions, Error, ErrorKind, ModelFile, UploadPhase, UploadProgress,
};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const MODEL: &str = r#"{
    "id": 456, "name": "Object Detection Model v2", "description": "향상된 정확도", "model_type": "detection",
    "file": "/media/models/456.pkl", "metrics": {"recall": 0.940, "accuracy": 0.92}, "configuration": {"input_size": [640, 640]},
    "project": 123, "is_active": true, "created_at": "2025-01-31T09:00:00.123456+09:00"
}"#;

const CONTENT: &[u8] = b"0123456789";
const CONTENT_MD5: &str = "781e5e245d69b566979b86e28d23f2c7";

fn assert_model(model: &Model) {
    assert_eq!(model.id, 456);
    assert_eq!(model.name, "Object Detection Model v2");
    assert_eq!(model.description.as_deref(), Some("향상된 정확도"));
    assert_eq!(model.model_type, ModelType::Detection);
    assert_eq!(model.file.as_deref(), Some("/media/models/456.pkl"));
    assert_eq!(model.metrics["accuracy"], 0.92);
    assert_eq!(model.metrics.text(), r#"{"recall": 0.940, "accuracy": 0.92}"#);
    assert_eq!(model.configuration["input_size"][1], 640);
    assert_eq!(model.project, 123);
    assert_eq!(model.is_active, Some(true));
    let created_at = model.created_at.as_ref().unwrap();
    assert_eq!(created_at.as_str(), "2025-01-31T09:00:00.123456+09:00");
    assert_eq!(
        created_at.to_system_time(),
        Ok(SystemTime::UNIX_EPOCH + Duration::from_micros(1_738_281_600_123_456))
    );
    assert!(model.evaluations.is_null() && model.versions.is_null() && model.extra.is_empty());
}

// ---- list_models

fn page_of_models() -> ResponseTemplate {
    let next = r#""http://127.0.0.1/models/?page=3", "previous": "http://127.0.0.1/models/?page=1""#;
    json(
        200,
        format!(r#"{{"count": 201, "next": {next}, "results": [{MODEL}, {}]}}"#, MODEL.replace("456", "457")),
    )
}

async fn list(set: impl FnOnce(ListModels) -> ListModels, expected: &str) -> ModelPage {
    let (server, client) = serving("GET", "/models/", page_of_models()).await;
    let page = client.list_models().params(set).await.unwrap();
    assert_only_get(&server, expected).await;
    assert_eq!(page.results.iter().map(|model| model.id).collect::<Vec<_>>(), [456, 457]);
    page
}

#[tokio::test]
async fn list_models_decodes_page_and_links() {
    let page = list(|p| p, "/models/").await;
    assert_eq!(page.count, Some(201));
    assert_eq!(page.next.as_deref(), Some("http://127.0.0.1/models/?page=3"));
    assert_eq!(page.previous.as_deref(), Some("http://127.0.0.1/models/?page=1"));
    assert_eq!(page.results.len(), 2);
    assert_model(&page.results[0]);
}

#[tokio::test]
async fn list_models_single_page_has_no_links() {
    let (server, client) = serving(
        "GET",
        "/models/",
        json(200, r#"{"count": 0, "next": null, "previous": null, "results": []}"#),
    )
    .await;
    let page = client.list_models().await.unwrap();
    assert_only_get(&server, "/models/").await;
    assert_eq!((page.count, page.next, page.previous, page.results.len()), (Some(0), None, None, 0));
}

#[tokio::test]
async fn list_models_filters_by_project() {
    list(|p| p.project(123), "/models/?project=123").await;
}

#[tokio::test]
async fn list_models_filters_by_64_bit_project() {
    list(|p| p.project(i64::MAX), "/models/?project=9223372036854775807").await;
}

#[tokio::test]
async fn list_models_filters_by_each_model_type() {
    for model_type in ["classification", "detection", "segmentation", "a-newer-one"] {
        list(|p| p.model_type(model_type), &format!("/models/?model_type={model_type}")).await;
    }
}

#[tokio::test]
async fn list_models_filters_by_is_active() {
    list(|p| p.is_active(true), "/models/?is_active=true").await;
    list(|p| p.is_active(false), "/models/?is_active=false").await;
}

#[tokio::test]
async fn list_models_created_after_every_form() {
    let expected = "/models/?created_after=2025-01-31T09%3A00%3A00%2B09%3A00";
    list(|p| p.created_after("2025-01-31T09:00:00+09:00"), expected).await;
    list(|p| p.created_after("2025-01-31T09:00:00+09:00".to_owned()), expected).await;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_738_281_600);
    list(|p| p.created_after(time), "/models/?created_after=2025-01-31T00%3A00%3A00Z").await;
}

#[tokio::test]
async fn list_models_searches_for_any_text() {
    list(|p| p.search("yolo"), "/models/?search=yolo").await;
    list(|p| p.search("탐지 v2&a=b+c/#%"), "/models/?search=%ED%83%90%EC%A7%80+v2%26a%3Db%2Bc%2F%23%25")
        .await;
}

#[tokio::test]
async fn list_models_sends_page_and_size() {
    list(|p| p.page(2), "/models/?page=2").await;
    list(|p| p.page_size(50), "/models/?page_size=50").await;
}

#[tokio::test]
async fn list_models_sends_url_host() {
    list(|p| p.url_host("internal"), "/models/?url_host=internal").await;
}

#[tokio::test]
async fn list_models_combines_all_filters() {
    list(
        |p| {
            let p = p.project(123).model_type("detection").is_active(true).created_after("2025-01-31");
            p.search("yolo").page(2).page_size(50).url_host("internal")
        },
        "/models/?created_after=2025-01-31&is_active=true&model_type=detection&page=2&page_size=50&project=123&search=yolo&\
         url_host=internal",
    )
    .await;
}

#[tokio::test]
async fn list_models_takes_custom_filter() {
    let (server, client) = serving("GET", "/models/", page_of_models()).await;
    client
        .list_models()
        .params(|p| p.project(123))
        .param("plugin", "yolo v8")
        .param_list("tag", ["a", "b"])
        .await
        .unwrap();
    assert_only_get(&server, "/models/?project=123&plugin=yolo+v8&tag=a&tag=b").await;
}

#[tokio::test]
async fn list_models_converts_every_file() {
    let (server, client) = serving("GET", "/models/", page_of_models()).await;
    let page = client
        .list_models()
        .url_conversion("file", |url| format!("https://cdn.example.com{url}"))
        .await
        .unwrap();
    assert_only_get(&server, "/models/").await;
    let files: Vec<_> = page.results.iter().map(|model| model.file.as_deref().unwrap()).collect();
    assert_eq!(
        files,
        ["https://cdn.example.com/media/models/456.pkl", "https://cdn.example.com/media/models/457.pkl"]
    );
}

#[tokio::test]
async fn list_models_bad_filter_sends_nothing() {
    let (server, client) = serving("GET", "/models/", page_of_models()).await;
    let error = client.list_models().params(|p| p.project(u64::MAX).page(u64::MAX)).await.failure();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = error.to_string();
    assert!(
        message.contains("`project`")
            && message.contains("`page`")
            && message.contains("18446744073709551615"),
        "{message}"
    );
    assert_nothing_sent(&server).await;
}

// ---- get_model

async fn get(body: &str, set: impl FnOnce(GetModel) -> GetModel, expected: &str) -> Model {
    let (server, client) = serving("GET", "/models/456/", json(200, body)).await;
    let model = client.get_model(456).params(set).await.unwrap();
    assert_only_get(&server, expected).await;
    model
}

#[tokio::test]
async fn get_model_decodes_every_field() {
    assert_model(&get(MODEL, |p| p, "/models/456/").await);
}

#[tokio::test]
async fn get_model_takes_64_bit_id() {
    let (server, client) = serving(
        "GET",
        "/models/9223372036854775807/",
        json(200, MODEL.replace("456", &i64::MAX.to_string())),
    )
    .await;
    let model = client.get_model(i64::MAX).await.unwrap();
    assert_only_get(&server, "/models/9223372036854775807/").await;
    assert_eq!(model.id, i64::MAX);
}

#[tokio::test]
async fn get_model_expands_metrics() {
    get(MODEL, |p| p.expand("metrics"), "/models/456/?expand=metrics").await;
}

#[tokio::test]
async fn get_model_expands_several_fields() {
    let body =
        MODEL.replacen('{', r#"{"evaluations": [{"id": 1, "score": 0.5}], "versions": [{"id": 2}], "#, 1);
    let expected = "/models/456/?expand=metrics&expand=evaluations&expand=versions";
    let model = get(&body, |p| p.expand(["metrics", "evaluations", "versions"]), expected).await;
    assert_eq!(model.evaluations[0]["score"], 0.5);
    assert_eq!(model.versions[0]["id"], 2);
    get(
        &body,
        |p| p.expand(vec!["metrics".to_owned(), "evaluations".to_owned(), "versions".to_owned()]),
        expected,
    )
    .await;
}

#[tokio::test]
async fn get_model_sends_include_file() {
    get(MODEL, |p| p.include_file(true), "/models/456/?include_file=true").await;
    get(MODEL, |p| p.include_file(false), "/models/456/?include_file=false").await;
}

#[tokio::test]
async fn get_model_combines_all_parameters() {
    let expected = "/models/456/?expand=metrics&include_file=true&url_host=internal";
    get(MODEL, |p| p.expand("metrics").include_file(true).url_host("internal"), expected).await;
}

async fn convert(file: &str) -> (Model, Vec<String>) {
    let body = MODEL.replace(r#""/media/models/456.pkl""#, file);
    let (server, client) = serving("GET", "/models/456/", json(200, body)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorder = seen.clone();
    let model = client.get_model(456).url_conversion("file", move |url| {
        recorder.lock().unwrap().push(url.to_owned());
        format!("https://cdn.example.com{url}")
    });
    let model = model.await.unwrap();
    assert_only_get(&server, "/models/456/").await;
    let seen = seen.lock().unwrap().clone();
    (model, seen)
}

#[tokio::test]
async fn get_model_converts_file_url() {
    let (model, seen) = convert(r#""/media/models/456.pkl""#).await;
    assert_eq!(model.file.as_deref(), Some("https://cdn.example.com/media/models/456.pkl"));
    assert_eq!(seen, ["/media/models/456.pkl"]);
    // All other fields are unchanged.
    assert_eq!(model.metrics.text(), r#"{"recall": 0.940, "accuracy": 0.92}"#);
    assert_eq!(
        (model.name.as_str(), model.description.as_deref()),
        ("Object Detection Model v2", Some("향상된 정확도"))
    );
}

#[tokio::test]
async fn conversion_gets_verbatim_server_url() {
    // Signed URLs, whose signature breaks with any change, and JSON escapes of slashes and ampersands.
    for (written, url) in [
        (r#""https://files/456.pkl?X-Sig={}a%2Fb%2B&x=1""#, "https://files/456.pkl?X-Sig={}a%2Fb%2B&x=1"),
        (r#""https:\/\/files\/456.pkl?a=1\u0026b=\"{}\"""#, "https://files/456.pkl?a=1&b=\"{}\""),
        (r#""/미디어/모델.pkl""#, "/미디어/모델.pkl"),
        (r#""""#, ""),
    ] {
        let [written, url] = [written, url].map(|text| text.replace("{}", MARKER));
        let (model, seen) = convert(&written).await;
        assert_eq!(seen, [url.as_str()]);
        assert_eq!(model.file.as_deref(), Some(format!("https://cdn.example.com{url}").as_str()));
    }
}

#[tokio::test]
async fn conversion_skips_model_without_file() {
    let (model, seen) = convert("null").await;
    assert_eq!((model.file, seen.len()), (None, 0));
}

#[tokio::test]
async fn invalid_conversion_path_sends_nothing() {
    let (server, client) = serving("GET", "/models/456/", json(200, MODEL)).await;
    for field in ["", "a..b", ".file"] {
        let error = client.get_model(456).url_conversion(field, str::to_owned).await.failure();
        assert!(error.is_invalid_input() && error.to_string().contains("url_conversion"), "{error}");
    }
    assert_nothing_sent(&server).await;
}

#[tokio::test]
async fn get_model_decodes_into_custom_type() {
    #[derive(serde::Deserialize)]
    struct Metrics {
        accuracy: f64,
    }
    let (_server, client) = serving("GET", "/models/456/", json(200, MODEL)).await;
    let model = client.get_model(456).await.unwrap();
    assert_eq!(model.metrics.decode::<Metrics>().unwrap().accuracy, 0.92);
    let name: BTreeMap<String, Value> = client.get_model(456).send_as().await.unwrap();
    assert_eq!(name["name"], "Object Detection Model v2");
}

// ---- create_model

struct Setup {
    server: MockServer,
    client: BackendClient,
    directory: TempDir,
}

impl Setup {
    /// Starts a server that accepts uploads with this id (as JSON) and responds to `POST /models/` with
    /// `created`.
    async fn new(id: &str, created: ResponseTemplate) -> Self {
        let server = server::start().await;
        take_uploads(&server, id).await;
        Mock::given(method("POST")).and(path("/models/")).respond_with(created).mount(&server).await;
        let client = client_of(&server);
        Setup { server, client, directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Creates a model with only the required fields.
    async fn create(&self, file: impl Into<ModelFile>) -> Result<Model, Error> {
        self.client
            .create_model(file, |m| m.name("Test Model").model_type("classification").project(123))
            .await
    }

    async fn creation(&self) -> Request {
        let mut requests = requests(&self.server).await;
        requests.retain(|request| line(request) == "POST /models/");
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }
}

fn created() -> ResponseTemplate {
    json(201, MODEL)
}

fn body(request: &Request) -> Value {
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!(header(request, "accept"), Some("application/json"));
    assert_eq!(header(request, "synapse-access-token"), Some(&*format!("Token {TOKEN}")));
    request.body_json().unwrap()
}

#[tokio::test]
async fn create_model_uploads_and_sends_fields() {
    let setup = Setup::new("7", created()).await;
    let file = setup.file("model.pkl", CONTENT);
    let model = setup.client.create_model(file, |m| {
        m.name("Object Detection Model v2")
            .description("향상된 정확도를 가진 개선된 객체 탐지 모델")
            .model_type("detection")
            .project(123)
            .metrics(synapse_backend_client::json!({"recall": 0.94, "accuracy": 0.92}))
            .configuration(synapse_backend_client::json!({"input_size": [640, 640], "framework": "pytorch"}))
            .is_active(true)
    });
    assert_model(&model.await.unwrap());

    let requests = requests(&setup.server).await;
    assert_eq!(
        requests.iter().map(line).collect::<Vec<_>>(),
        ["PUT /chunked_upload/", "POST /chunked_upload/7/", "POST /models/"]
    );
    assert_chunk(&requests[0], "/chunked_upload/", "bytes 0-9/10", "model.pkl", CONTENT);
    assert_completion(&requests[1], "/chunked_upload/7/", CONTENT_MD5);
    assert_eq!(
        body(&requests[2]),
        serde_json::json!({
            "name": "Object Detection Model v2",
            "description": "향상된 정확도를 가진 개선된 객체 탐지 모델",
            "model_type": "detection",
            "project": 123,
            "metrics": {"accuracy": 0.92, "recall": 0.94},
            "configuration": {"input_size": [640, 640], "framework": "pytorch"},
            "is_active": true,
            "chunked_upload": 7,
        })
    );
    // Free-form fields keep the order in which they were written.
    let text = String::from_utf8(requests[2].body.clone()).unwrap();
    assert!(text.contains(r#""metrics":{"recall":0.94,"accuracy":0.92}"#), "{text}");
}

#[tokio::test]
async fn create_model_omits_unset_fields() {
    let setup = Setup::new("7", created()).await;
    setup.create(Bytes::from_static(CONTENT)).await.unwrap();
    let expected = serde_json::json!({"name": "Test Model", "model_type": "classification", "project": 123, "chunked_upload": 7});
    assert_eq!(body(&setup.creation().await), expected);
}

#[tokio::test]
async fn create_model_sends_false_and_empty() {
    let setup = Setup::new("7", created()).await;
    let empty = synapse_backend_client::json!({});
    let model = setup.client.create_model(Bytes::from_static(CONTENT), |m| {
        m.name("n")
            .model_type("detection")
            .project(0)
            .description("")
            .metrics(empty.clone())
            .configuration(empty)
            .is_active(false)
    });
    model.await.unwrap();
    let expected = serde_json::json!({
        "name": "n", "model_type": "detection", "project": 0, "description": "", "metrics": {}, "configuration": {},
        "is_active": false, "chunked_upload": 7,
    });
    assert_eq!(body(&setup.creation().await), expected);
}

#[tokio::test]
async fn create_model_references_upload_uuid() {
    let uuid = "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11";
    let setup = Setup::new(&format!("\"{uuid}\""), created()).await;
    setup.create(Bytes::from_static(CONTENT)).await.unwrap();
    assert_eq!(body(&setup.creation().await)["chunked_upload"], uuid);
    let completion = format!("POST /chunked_upload/{uuid}/");
    assert_eq!(lines(&setup.server).await, ["PUT /chunked_upload/", completion.as_str(), "POST /models/"]);
}

#[tokio::test]
async fn create_model_sends_extra_fields() {
    let setup = Setup::new("7", created()).await;
    let extra = BTreeMap::from([("license".to_owned(), synapse_backend_client::json!({"spdx": "MIT"}))]);
    let model = setup.client.create_model(Bytes::from_static(CONTENT), |m| {
        let m = m.name("n").model_type("a-newer-one").project(1);
        m.plugin("yolo").version("1.2.0").checkpoint(455).extra(extra)
    });
    model.header("x-request-id", "r-1").param("notify", false).await.unwrap();
    let requests = requests(&setup.server).await;
    let creation = requests.last().unwrap();
    assert_eq!(line(creation), "POST /models/?notify=false");
    assert_eq!(header(creation, "x-request-id"), Some("r-1"));
    let expected = serde_json::json!({
        "name": "n", "model_type": "a-newer-one", "project": 1, "plugin": "yolo", "version": "1.2.0", "checkpoint": 455,
        "license": {"spdx": "MIT"}, "chunked_upload": 7,
    });
    assert_eq!(body(creation), expected);
}

#[tokio::test]
async fn create_model_uploads_in_chunks() {
    let setup = Setup::new("7", created()).await;
    let file = setup.file("모델 \"v2\".pkl", CONTENT);
    let model =
        setup.client.create_model(&file, |m| m.name("n").model_type("detection").project(1)).chunk_size(4);
    model.await.unwrap();
    let requests = requests(&setup.server).await;
    assert_eq!(
        requests.iter().map(line).collect::<Vec<_>>(),
        [
            "PUT /chunked_upload/",
            "PUT /chunked_upload/7/",
            "PUT /chunked_upload/7/",
            "POST /chunked_upload/7/",
            "POST /models/"
        ]
    );
    let name = "모델 \"v2\".pkl";
    assert_chunk(&requests[0], "/chunked_upload/", "bytes 0-3/10", name, b"0123");
    assert_chunk(&requests[1], "/chunked_upload/7/", "bytes 4-7/10", name, b"4567");
    assert_chunk(&requests[2], "/chunked_upload/7/", "bytes 8-9/10", name, b"89");
    assert_completion(&requests[3], "/chunked_upload/7/", CONTENT_MD5);
}

#[tokio::test]
async fn create_model_follows_server_offset() {
    let setup = Setup::new("7", created()).await;
    // The server kept three of the four bytes. Its later responses contain neither a URL nor an offset.
    let kept = json(200, r#"{"id": 7, "url": null, "offset": 3}"#);
    Mock::given(method("PUT"))
        .and(path("/chunked_upload/"))
        .respond_with(kept)
        .with_priority(1)
        .mount(&setup.server)
        .await;
    let further = json(200, r#"{"id": 7}"#);
    Mock::given(method("PUT"))
        .and(path("/chunked_upload/7/"))
        .respond_with(further)
        .with_priority(1)
        .mount(&setup.server)
        .await;
    let model = setup
        .client
        .create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    model.chunk_size(4).await.unwrap();
    let requests = requests(&setup.server).await;
    assert_chunk(&requests[0], "/chunked_upload/", "bytes 0-3/10", "file", b"0123");
    assert_chunk(&requests[1], "/chunked_upload/7/", "bytes 3-6/10", "file", b"3456");
    assert_chunk(&requests[2], "/chunked_upload/7/", "bytes 7-9/10", "file", b"789");
    // The checksum covers every byte once, although one byte was sent twice.
    assert_completion(&requests[3], "/chunked_upload/7/", CONTENT_MD5);
    assert_eq!(line(&requests[4]), "POST /models/");
}

#[tokio::test]
async fn create_model_accepts_every_file_form() {
    let setup = Setup::new("7", created()).await;
    let path = setup.file("model.pkl", CONTENT);
    let text = path.to_str().unwrap();
    let files: Vec<(ModelFile, &str)> = vec![
        (text.into(), "model.pkl"),
        (text.to_owned().into(), "model.pkl"),
        (path.clone().into(), "model.pkl"),
        (path.as_path().into(), "model.pkl"),
        (Bytes::from_static(CONTENT).into(), "file"),
        (CONTENT.to_vec().into(), "file"),
    ];
    for (file, name) in files {
        setup.create(file).await.unwrap();
        let chunk = requests(&setup.server).await.remove(0);
        assert_chunk(&chunk, "/chunked_upload/", "bytes 0-9/10", name, CONTENT);
        setup.server.reset().await;
        take_uploads(&setup.server, "7").await;
        Mock::given(method("POST")).respond_with(created()).mount(&setup.server).await;
    }
}

#[tokio::test]
async fn create_model_reports_upload_progress() {
    let setup = Setup::new("7", created()).await;
    let reported = Arc::new(Mutex::new(Vec::new()));
    let recorder = reported.clone();
    let model = setup
        .client
        .create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    let model = model
        .chunk_size(4)
        .file_name("best.pkl")
        .on_progress(move |progress| recorder.lock().unwrap().push(progress));
    model.await.unwrap();
    let chunk = &requests(&setup.server).await[0];
    assert_chunk(chunk, "/chunked_upload/", "bytes 0-3/10", "best.pkl", b"0123");
    let reported: Vec<UploadProgress> = reported.lock().unwrap().clone();
    assert!(reported.iter().all(|progress| progress.bytes_total == 10));
    assert!(reported.is_sorted_by_key(|progress| progress.bytes_sent));
    let ends: Vec<_> =
        reported[reported.len() - 3..].iter().map(|progress| (progress.phase, progress.bytes_sent)).collect();
    assert_eq!(
        ends,
        [(UploadPhase::Sending, 10), (UploadPhase::Completing, 10), (UploadPhase::Complete, 10)]
    );
    assert_eq!(reported.iter().filter(|progress| progress.phase != UploadPhase::Sending).count(), 2);
}

#[tokio::test]
async fn create_model_converts_answer_file() {
    let setup = Setup::new("7", created()).await;
    let model = setup
        .client
        .create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    let model = model.url_conversion("file", |url| format!("https://cdn.example.com{url}")).await.unwrap();
    assert_eq!(model.file.as_deref(), Some("https://cdn.example.com/media/models/456.pkl"));
    assert_eq!(setup.creation().await.url.query(), None);
}

#[tokio::test]
async fn create_model_takes_shared_options() {
    let setup = Setup::new("7", created()).await;
    let options = CallOptions::new().header("x-batch", "b");
    let model = setup
        .client
        .create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    model.header("x-dropped", "a").with_options(options).await.unwrap();
    let creation = setup.creation().await;
    assert_eq!(header(&creation, "x-batch"), Some("b"));
    assert_eq!(header(&creation, "x-dropped"), None);
}

// ---- create_model: errors before anything is sent

/// Asserts that the call is refused for these reasons, and that nothing is sent.
async fn assert_refused(setup: &Setup, outcome: Result<Model, Error>, reasons: &[&str]) {
    let error = outcome.failure();
    assert!(error.is_invalid_input(), "{error:?}");
    assert_eq!((error.status(), error.upload_id()), (None, None));
    let message = error.to_string();
    for reason in reasons {
        assert!(message.contains(reason), "{reason}: {message}");
    }
    assert!(!message.contains("chunked_upload"), "{message}");
    assert_nothing_sent(&setup.server).await;
}

#[tokio::test]
async fn create_model_lists_all_missing_fields() {
    let setup = Setup::new("7", created()).await;
    let outcome = setup.client.create_model(Bytes::from_static(CONTENT), |m| m).await;
    assert_refused(
        &setup,
        outcome,
        &["`name` is missing", "`model_type` is missing", "`project` is missing"],
    )
    .await;
}

#[tokio::test]
async fn create_model_names_each_missing_field() {
    let setup = Setup::new("7", created()).await;
    let file = || Bytes::from_static(CONTENT);
    let error = setup.client.create_model(file(), |m| m.model_type("detection").project(1)).await;
    assert_refused(&setup, error, &["`name`"]).await;
    let error = setup.client.create_model(file(), |m| m.name("n").project(1)).await;
    assert_refused(&setup, error, &["`model_type`"]).await;
    let error = setup.client.create_model(file(), |m| m.name("n").model_type("detection")).await;
    assert_refused(&setup, error, &["`project`"]).await;
}

#[tokio::test]
async fn missing_field_and_file_reported_together() {
    let setup = Setup::new("7", created()).await;
    let missing = setup.directory.path().join("missing.pkl");
    let outcome = setup.client.create_model(&missing, |m| m.name("n").model_type("detection")).await;
    assert_refused(&setup, outcome, &["`project` is missing", "missing.pkl"]).await;
}

#[tokio::test]
async fn create_model_refuses_invalid_texts() {
    let setup = Setup::new("7", created()).await;
    let long = "이".repeat(256);
    for (name, version, reasons) in [
        ("", "1", ["`name` is blank"].as_slice()),
        (" \t ", "", &["`name` is blank", "`version` is blank"]),
        (&long, "1", &["`name` has 256 characters: the API allows at most 255"]),
    ] {
        let file = Bytes::from_static(CONTENT);
        let model = setup
            .client
            .create_model(file, |m| m.name(name).version(version).model_type("detection").project(1));
        assert_refused(&setup, model.await, reasons).await;
    }
    // The limit counts characters, not bytes.
    setup
        .client
        .create_model(ModelFile::uploaded(7), |m| m.name(&long[3..]).model_type("detection").project(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn reused_upload_lists_missing_fields() {
    let setup = Setup::new("7", created()).await;
    let outcome = setup.client.create_model(ModelFile::uploaded(7), |m| m.name("n")).await;
    assert_refused(&setup, outcome, &["`model_type` is missing", "`project` is missing"]).await;
}

#[tokio::test]
async fn create_model_refuses_nan_and_infinity() {
    let setup = Setup::new("7", created()).await;
    let outcome = setup.client.create_model(Bytes::from_static(CONTENT), |m| {
        let metrics = synapse_backend_client::json!({"accuracy": f64::NAN, "by_class": [{"cat": f64::INFINITY}], "recall": 1.0});
        let configuration = synapse_backend_client::json!({"threshold": f64::NEG_INFINITY});
        m.name("n").metrics(metrics).configuration(configuration).model_type("detection").project(1)
    });
    let reasons =
        ["metrics: accuracy: NaN", "metrics: by_class[0].cat: inf", "configuration: threshold: -inf"];
    assert_refused(&setup, outcome.await, &reasons).await;
}

#[tokio::test]
async fn nan_and_missing_field_reported_together() {
    let setup = Setup::new("7", created()).await;
    let outcome = setup.client.create_model(Bytes::from_static(CONTENT), |m| {
        m.metrics(synapse_backend_client::json!({"accuracy": f64::NAN})).model_type("detection").project(1)
    });
    assert_refused(&setup, outcome.await, &["`name` is missing", "accuracy: NaN"]).await;
}

#[tokio::test]
async fn create_model_lists_invalid_settings() {
    let setup = Setup::new("7", created()).await;
    let outcome =
        setup.client.create_model(Bytes::from_static(CONTENT), |m| m.name("n").project(1)).chunk_size(0);
    let outcome = outcome
        .file_name("a\nb")
        .completion_timeout(Duration::ZERO)
        .header("no header", "x")
        .timeout(Duration::ZERO);
    let reasons = [
        "chunk_size",
        "file_name",
        "completion_timeout",
        "no header",
        "timeout: it is zero",
        "`model_type` is missing",
    ];
    assert_refused(&setup, outcome.await, &reasons).await;
}

#[tokio::test]
async fn create_model_refuses_non_file_path() {
    let setup = Setup::new("7", created()).await;
    for path in ["", setup.directory.path().to_str().unwrap()] {
        let outcome = setup.create(path).await;
        assert_refused(&setup, outcome, &["file", if path.is_empty() { "empty" } else { "directory" }]).await;
    }
}

#[tokio::test]
async fn create_model_refuses_empty_file() {
    let setup = Setup::new("7", created()).await;
    let path = setup.file("empty.pkl", b"");
    let outcome = setup.create(&path).await;
    assert_refused(&setup, outcome, &["empty.pkl", "empty"]).await;
    let outcome = setup.create(Bytes::new()).await;
    assert_refused(&setup, outcome, &["empty"]).await;
}

/// Asserts that the file is reported as unreadable, and that nothing is sent.
async fn assert_unreadable(setup: &Setup, path: &Path) {
    let error = setup.create(path).await.failure();
    assert!(error.is_io(), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(
        std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>()),
        "{error:?}"
    );
    assert_nothing_sent(&setup.server).await;
}

#[tokio::test]
async fn create_model_missing_file_sends_nothing() {
    let setup = Setup::new("7", created()).await;
    assert_unreadable(&setup, &setup.directory.path().join("missing.pkl")).await;
    // The parent of the path is a file.
    let file = setup.file("model.pkl", CONTENT);
    assert_unreadable(&setup, &file.join("model.pkl")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn unreadable_model_file_sends_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new("7", created()).await;
    // Nobody can open a link to itself, not even root.
    let link = setup.directory.path().join("loop.pkl");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    assert_unreadable(&setup, &link).await;
    let locked = setup.file("locked.pkl", CONTENT);
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    // Root can read the file anyway.
    if std::fs::File::open(&locked).is_err() {
        assert_unreadable(&setup, &locked).await;
    }
    let socket = setup.directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let outcome = setup.create(&socket).await;
    assert_refused(&setup, outcome, &["socket", "regular file"]).await;
}

// ---- create_model: errors from the server

#[tokio::test]
async fn create_model_reports_refused_fields() {
    let body = r#"{"name": ["This field must be unique."], "metrics": {"accuracy": ["A valid number is required."]}}"#;
    let setup = Setup::new("7", json(400, body)).await;
    let error = setup.create(Bytes::from_static(CONTENT)).await.failure();
    assert!(error.is_bad_request());
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(error.operation(), Some("create_model"));
    assert_eq!(error.upload_id(), Some("7"));
    let response = error.response().unwrap();
    assert_eq!(response.json().unwrap()["name"][0], "This field must be unique.");
    let fields = response.field_errors();
    assert_eq!(fields["name"], ["This field must be unique."]);
    assert_eq!(fields["metrics.accuracy"], ["A valid number is required."]);
    assert!(
        error.to_string().ends_with(
            "/models/: 400 Bad Request: metrics.accuracy: A valid number is required.; name: This field must be unique."
        )
    );
    assert_eq!(setup.creation().await.method, "POST");
}

#[tokio::test]
async fn create_model_reports_file_too_large() {
    let server = server::start().await;
    let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
    Mock::given(method("PUT")).respond_with(html(413, page)).mount(&server).await;
    let client = client_of(&server);
    let model =
        client.create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    let error = model.await.failure();
    assert!(error.is_too_large());
    assert_eq!(error.status(), Some(StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(error.upload_id(), None);
    let response = error.response().unwrap();
    assert_eq!((response.text().as_ref(), response.json()), (page, None));
    assert!(response.field_errors().is_empty());
    assert!(error.to_string().starts_with("uploading the model's file: "), "{error}");
    let chunk = only(&server).await;
    assert_chunk(&chunk, "/chunked_upload/", "bytes 0-9/10", "file", CONTENT);
}

#[tokio::test]
async fn create_model_stops_at_oversized_chunk() {
    let setup = Setup::new("7", created()).await;
    let refused = html(413, "<html></html>");
    Mock::given(method("PUT"))
        .and(path("/chunked_upload/7/"))
        .respond_with(refused)
        .with_priority(1)
        .mount(&setup.server)
        .await;
    let model = setup
        .client
        .create_model(Bytes::from_static(CONTENT), |m| m.name("n").model_type("detection").project(1));
    let error = model.chunk_size(4).await.failure();
    assert!(error.is_too_large(), "{error:?}");
    assert_eq!(lines(&setup.server).await, ["PUT /chunked_upload/", "PUT /chunked_upload/7/"]);
}

#[tokio::test]
async fn checksum_mismatch_creates_no_model() {
    let setup = Setup::new("7", created()).await;
    let wrong = json(400, r#"{"detail": "checksum does not match"}"#);
    Mock::given(method("POST"))
        .and(path("/chunked_upload/7/"))
        .respond_with(wrong)
        .with_priority(1)
        .mount(&setup.server)
        .await;
    let error = setup.create(Bytes::from_static(CONTENT)).await.failure();
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(error.response().unwrap().detail(), Some("checksum does not match"));
    let message = error.to_string();
    assert!(
        message
            .contains(&format!("the file's MD5 is {CONTENT_MD5}, but the server's copy has a different one")),
        "{message}"
    );
    assert!(error.upload_session().is_none(), "the upload can't be resumed");
    let asked = ["PUT /chunked_upload/", "POST /chunked_upload/7/", "GET /chunked_upload/7/"];
    assert_eq!(lines(&setup.server).await, asked);
}

#[tokio::test]
async fn failed_create_reuses_uploaded_file() {
    let uuid = "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11";
    let setup = Setup::new(&format!("\"{uuid}\""), html(500, "<h1>Server Error (500)</h1>")).await;
    let error = setup.create(Bytes::from_static(CONTENT)).await.failure();
    assert_eq!(error.status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    let id = error.upload_id().unwrap();
    assert_eq!(id, uuid);

    let (server, client) = serving("POST", "/models/", created()).await;
    let model = client
        .create_model(ModelFile::uploaded(id), |m| m.name("n").model_type("detection").project(1))
        .await
        .unwrap();
    assert_model(&model);
    let expected =
        serde_json::json!({"name": "n", "model_type": "detection", "project": 1, "chunked_upload": uuid});
    let creation = only(&server).await;
    assert_eq!(line(&creation), "POST /models/");
    assert_eq!(body(&creation), expected);
}

#[tokio::test]
async fn uploaded_file_by_number_or_uuid() {
    for (file, expected) in [
        (ModelFile::uploaded(7), serde_json::json!(7)),
        (ModelFile::uploaded("a-uuid"), serde_json::json!("a-uuid")),
        (ModelFile::uploaded("a-uuid".to_owned()), serde_json::json!("a-uuid")),
        (ModelFile::uploaded(types::UploadId::from(i64::MAX)), serde_json::json!(i64::MAX)),
    ] {
        let (server, client) = serving("POST", "/models/", created()).await;
        client.create_model(file, |m| m.name("n").model_type("detection").project(1)).await.unwrap();
        assert_eq!(body(&only(&server).await)["chunked_upload"], expected);
    }
}

#[tokio::test]
async fn numeric_upload_id_stays_a_number() {
    let setup = Setup::new("7", json(503, "{}")).await;
    let error = setup.create(Bytes::from_static(CONTENT)).await.failure();
    let (server, client) = serving("POST", "/models/", created()).await;
    let file = ModelFile::uploaded(error.upload_id().unwrap());
    client.create_model(file, |m| m.name("n").model_type("detection").project(1)).await.unwrap();
    assert_eq!(body(&only(&server).await)["chunked_upload"], 7);
}

#[tokio::test]
async fn lost_create_answer_keeps_upload_id() {
    let server = Server::of([Act::Close(Vec::new())]).await;
    let client = BackendClient::builder(&server.url).build().unwrap();
    let model = client
        .create_model(ModelFile::uploaded("a-uuid"), |m| m.name("n").model_type("detection").project(1));
    let error = model.await.failure();
    assert!(error.is_unknown_outcome(), "{error:?}");
    assert_eq!(
        (error.upload_id(), error.status(), error.operation()),
        (Some("a-uuid"), None, Some("create_model"))
    );
}
