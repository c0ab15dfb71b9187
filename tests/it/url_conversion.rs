//! URL conversion: every shape of a file field and every conversion, in typed and raw results of a single
//! object, a page and a whole list.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::file_server::FileServer;
use crate::support::marker::{Failure, MARKER};
use crate::support::server::{self, client_of, json, line, requests, start};
use synapse_backend_client::conversions::{base_url, rewrite_host, strip_query};
use synapse_backend_client::types::Model;
use synapse_backend_client::{
    BackendClient, Call, ConversionFuture, DownloadTo, FileCache, FileReference, Json, Operation,
    UrlConverter,
};
use wiremock::matchers::{path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A field's path, and an item with the URLs `@1` and so on in that field.
const SHAPES: [(&str, &str); 13] = [
    ("file", r#"{"id": 7, "name": "m", §, "file": "@1" }"#),
    ("files", r#"{ "id":7, "name":"m", §, "files":{"a":"@1","b": "@2", "c":null, "d":3} }"#),
    (
        "files",
        r#"{"id": 7, "name": "m", §, "files": {"a": {"url": "@1", "size": 3, "n": 1.50}, "b": {"size": 0}}}"#,
    ),
    (
        "files",
        r#"{"id": 7, "name": "m", §, "files": [{"url": "@1", "name": "x"}, {"name": "/no", "url": null}, "@2", null]}"#,
    ),
    (
        "files",
        r#"{"id": 7, "name": "m", §, "files": {"url": "@1", "checksum": "900150983cd24fb0d6963f7d28e17f72"}}"#,
    ),
    ("files", r#"{"id": 7, "name": "m", §, "files": {"a": [{"url": "@1"}, {"url": "@2"}]}}"#),
    (
        "data_unit.files",
        r#"{"id": 7, "name": "m", §, "data_unit": {"id": 9, "files": {"a": {"url":"@3"}, "b": {"url":"@1"}}}}"#,
    ),
    (
        "data_unit.files",
        r#"{"id": 7, "name": "m", §, "data_unit": [{"files": "@1"}, {"files": {"x": "@2"}}, {"id": 1}]}"#,
    ),
    ("units.1.file", r#"{"id": 7, "name": "m", §, "units": [{"file": "/no"}, {"file": "@1"}]}"#),
    (
        "files.a.url",
        r#"{"id": 7, "name": "m", §, "files": {"a": {"url": "@1", "size": 1e2}, "b": {"url": "/no"}}}"#,
    ),
    (
        "files",
        r#"{"id": 7, "name": "m", §, "odd": "\ud83d", "big": 12345678901234567890, "files": {"a": "@3"}}"#,
    ),
    ("files", r#"{"id": 7, "name": "m", §, "files": null}"#),
    ("data_unit.files", r#"{"id": 7, "name": "m", §, "data_unit": 12, "files": {}}"#),
];

/// The conversions, and their results for a URL.
#[derive(Clone)]
enum Kind {
    Plain,
    With,
    Base,
    Strip,
    Host(String),
    Download(Box<DownloadTo>),
}

struct Upper;

impl UrlConverter for Upper {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(url.to_uppercase())
        })
    }
}

impl Kind {
    fn set<B: Operation>(&self, call: Call<B>, field: &str) -> Call<B> {
        match self {
            Kind::Plain => call.url_conversion(field, |url| format!("https://cdn.example.com{url}\"\\")),
            Kind::With => call.url_conversion_with(field, Upper),
            Kind::Base => call.url_conversion_with(field, base_url("https://cdn.example.com/p/")),
            Kind::Strip => call.url_conversion_with(field, strip_query()),
            Kind::Host(host) => call.url_conversion_with(field, rewrite_host(host, "files.example.com")),
            Kind::Download(to) => call.url_conversion_with(field, DownloadTo::clone(to)),
        }
    }

    async fn expected(&self, url: &str) -> String {
        let media = |url: &str| url.find("/media/").map(|at| url[at..].to_owned());
        match self {
            Kind::Plain => format!("https://cdn.example.com{url}\"\\"),
            Kind::With => url.to_uppercase(),
            Kind::Base => {
                media(url).map_or(url.to_owned(), |path| format!("https://cdn.example.com/p{path}"))
            }
            Kind::Strip => url.split('?').next().unwrap().to_owned(),
            Kind::Host(host) => url.replace(host, "files.example.com"),
            Kind::Download(to) => to.convert(url).await.unwrap(),
        }
    }
}

/// Starts a server with this item, and with files that all contain `abc`.
async fn serving(item: &str) -> (MockServer, BackendClient) {
    let server = start().await;
    let file = ResponseTemplate::new(200).set_body_bytes(b"abc").insert_header("etag", "\"abc\"");
    Mock::given(path_regex("^/media/")).respond_with(file).mount(&server).await;
    let client = client_of(&server);
    mount(&server, item).await;
    (server, client)
}

async fn mount(server: &MockServer, item: &str) {
    Mock::given(path("/models/7/")).respond_with(json(200, filled(item))).mount(server).await;
    Mock::given(path("/models/")).respond_with(json(200, page(item))).mount(server).await;
}

/// Returns the item with the fields that every model has.
fn filled(item: &str) -> String {
    item.replace(
        '§',
        r#""model_type": "x", "project": 1, "is_active": true, "created_at": "2026-01-01T00:00:00Z""#,
    )
}

fn page(item: &str) -> String {
    filled(&format!(
        r#"{{"count": 2, "next": null, "file": "/page", "results": [ {item} , {{"id": 8, "name": "n", §}}]}}"#
    ))
}

fn whole(model: &Model, field: &str) -> Option<String> {
    let name = field.split('.').next().unwrap();
    match name {
        "file" => model.file.as_ref().map(|file| format!("{:?}", file.as_str())),
        name => model.extra.get(name).map(ToString::to_string),
    }
}

#[tokio::test]
async fn every_shape_with_every_conversion() {
    for (field, template) in SHAPES {
        let directory = tempfile::tempdir().unwrap();
        let server = start().await;
        let file = ResponseTemplate::new(200).set_body_bytes(b"abc");
        Mock::given(path_regex("^/media/")).respond_with(file).mount(&server).await;
        let client = client_of(&server);
        let host = server.address().to_string();
        let urls = [
            ("@1", format!("/media/1.png?X-Amz-Signature={MARKER}")),
            ("@2", format!("http://{host}/media/2.tar.gz?X-Amz-Signature={MARKER}&X-Amz-Date=2")),
            ("@3", "data:image/png;base64,YWJj".to_owned()),
        ];
        let item = urls.iter().fold(filled(template), |item, (place, url)| item.replace(place, url));
        mount(&server, &item).await;
        let download = Kind::Download(Box::new(client.download_to(directory.path())));
        for kind in [Kind::Plain, Kind::With, Kind::Base, Kind::Strip, Kind::Host(host.clone()), download] {
            let mut expected = filled(template);
            for (place, url) in &urls {
                let new = serde_json::to_string(&kind.expected(url).await).unwrap();
                if let Kind::Download(_) = kind {
                    for space in ["", " "] {
                        expected = expected.replace(
                            &format!("\"url\":{space}\"{place}\""),
                            &format!("\"path\":{space}\"{place}\""),
                        );
                    }
                }
                expected = expected.replace(&format!("\"{place}\""), &new);
            }
            let single = || kind.set(client.get_model(7), field);
            let list = || kind.set(client.list_models(), field);
            assert_eq!(single().send_as::<Json>().await.unwrap().to_string(), expected);
            assert_eq!(list().send_as::<Json>().await.unwrap().to_string(), page(&expected));
            let items: Vec<_> = list().list_all_raw().try_collect().await.unwrap();
            assert_eq!(
                items.iter().map(|item| item.as_str()).collect::<Vec<_>>(),
                [expected.clone(), filled(r#"{"id": 8, "name": "n", §}"#)]
            );
            let own: Vec<Json> = list().list_all_as().try_collect().await.unwrap();
            assert_eq!(own[0].to_string(), expected);
            // The expected field, decoded without a conversion.
            let typed: Model = serde_json::from_str(&expected.replace(r"\ud83d", r"\ufffd")).unwrap();
            let typed = whole(&typed, field);
            assert_eq!(whole(&single().await.unwrap(), field), typed);
            assert_eq!(whole(&list().await.unwrap().results[0], field), typed);
            let models: Vec<Model> = list().list_all().try_collect().await.unwrap();
            assert_eq!(whole(&models[0], field), typed);
        }
    }
}

#[tokio::test]
async fn no_conversion_keeps_every_byte() {
    let (_server, client) = serving(SHAPES[1].1).await;
    assert_eq!(client.get_model(7).send_as::<Json>().await.unwrap().to_string(), filled(SHAPES[1].1));
}

#[tokio::test]
async fn existing_entry_path_is_replaced() {
    for (item, expected) in [
        (r#"{"files": {"path": "/old", "url": "/media/1", "n": 1}}"#, r#"{"files": {"path": "@", "n": 1}}"#),
        (r#"{"files": {"url": "/media/1", "path": "/old"}}"#, r#"{"files": {"path": "@"}}"#),
        (
            r#"{"files": [{"url": "/media/1", "path": "/old" , "n": 1}]}"#,
            r#"{"files": [{"path": "@", "n": 1}]}"#,
        ),
    ] {
        let (_server, client) = serving(item).await;
        let directory = tempfile::tempdir().unwrap();
        let to = client.download_to(directory.path());
        let expected = expected.replace('@', &to.convert("/media/1").await.unwrap());
        let converted = client.get_model(7).url_conversion_with("files", to).send_as::<Json>().await.unwrap();
        assert_eq!(converted.to_string(), expected);
    }
}

#[tokio::test]
async fn two_paths_to_one_url_convert_in_order() {
    let (_server, client) = serving(r#"{"files": {"a": "/1", "b": "/2"}}"#).await;
    let call = client
        .get_model(7)
        .url_conversion("files", |url| format!("x{url}"))
        .url_conversion("files.a", |url| format!("y{url}"));
    assert_eq!(call.send_as::<Json>().await.unwrap().to_string(), r#"{"files": {"a": "yx/1", "b": "x/2"}}"#);
}

/// Waits until this many conversions are in progress.
struct Together(tokio::sync::Barrier);

impl UrlConverter for Together {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            self.0.wait().await;
            Ok(format!("x{url}"))
        })
    }
}

#[tokio::test]
async fn page_urls_converted_concurrently() {
    let numbers: Vec<_> = (0..16).map(|number| format!("\"/{number}\"")).collect();
    let (_server, client) = serving(&format!(r#"{{"files": [{}]}}"#, numbers.join(","))).await;
    let list = client.list_models().url_conversion_with("files", Together(tokio::sync::Barrier::new(16)));
    let items: Vec<_> = list.list_all_raw().try_collect().await.unwrap();
    assert_eq!(items[0].as_str(), format!(r#"{{"files": [{}]}}"#, numbers.join(",").replace('/', "x/")));
}

/// Fails for one URL, and records each file's properties.
struct Picky(Arc<Mutex<Vec<Seen>>>);

/// The size and checksum of a file.
type Seen = (Option<u64>, Option<String>);

impl UrlConverter for Picky {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            match url.contains("bad") {
                true => Err(format!("no place for {url}").into()),
                false => Ok("good".to_owned()),
            }
        })
    }

    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        self.0.lock().unwrap().push((file.size, file.checksum.map(str::to_owned)));
        self.convert(file.url)
    }
}

#[tokio::test]
async fn failed_conversion_ends_or_is_reported() {
    let item = format!(
        r#"{{"id": 7, "name": "m", §, "files": [{{"url": "/bad?sig={MARKER}", "size": 5}}, {{"url": "/x", "checksum": "c"}}]}}"#
    );
    let (_server, client) = serving(&item).await;
    let seen = Arc::default();
    let reported = Arc::new(Mutex::new(Vec::new()));
    let call = || {
        let reported = reported.clone();
        let call = client.list_models().url_conversion_with("files", Picky(Arc::clone(&seen)));
        call.on_failed_conversion(move |failure| reported.lock().unwrap().push(failure.clone()))
    };
    for error in [
        call().await.failure(),
        call().list_all().stream().next().await.unwrap().failure(),
        call().list_all().skip_failed_pages(true).stream().next().await.unwrap().failure(),
    ] {
        assert!(error.is_url_conversion());
        let shown = error.to_string();
        assert!(
            shown.contains("url_conversion of `files` of the item with id 7: /bad?…: no place for /bad?…"),
            "{shown}"
        );
    }
    assert_eq!(reported.lock().unwrap().len(), 3);
    let page = call().skip_failed_conversions(true).send_as::<Json>().await.unwrap();
    assert_eq!(page["results"][0]["files"][0]["url"], format!("/bad?sig={MARKER}"));
    assert_eq!(page["results"][0]["files"][1]["url"], "good");
    let mut list = call().skip_failed_conversions(true).list_all_raw().stream();
    while let Some(item) = list.next().await {
        item.unwrap();
    }
    let failures = &list.report().conversion_failures;
    assert_eq!(failures.len(), 1);
    let failure = &failures[0];
    assert_eq!(
        (failure.field.as_str(), failure.item_id.as_deref(), failure.url.as_str()),
        ("files", Some("7"), "/bad?…")
    );
    assert!(!list.report().is_complete());
    let seen: Vec<_> = seen.lock().unwrap().clone();
    assert!(seen.contains(&(Some(5), None)) && seen.contains(&(None, Some("c".to_owned()))), "{seen:?}");
}

#[tokio::test]
async fn strict_path_must_be_file_field() {
    for (item, field, problem) in [
        (r#"{"id": 7, "name": "m", §, "file": "/a"}"#, "file", None),
        (r#"{"id": 7, "name": "m", §, "file": null}"#, "file", None),
        (r#"{"id": 7, "name": "m", §, "files": {}}"#, "files", None),
        (r#"{"id": 7, "name": "m", §, "files": []}"#, "files", None),
        (r#"{"id": 7, "name": "m", §, "files": {"a": {"url": null}}}"#, "files", None),
        (r#"{"id": 7, "name": "m", §, "data_unit": null}"#, "data_unit.files", None),
        (r#"{"id": 7, "name": "m", §, "data_unit": []}"#, "data_unit.files", None),
        (r#"{"id": 7, "name": "m", §, "file": "/a"}"#, "flie", Some("there is no field `flie`")),
        (
            r#"{"id": 7, "name": "m", §, "data_unit": {"id": 1}}"#,
            "data_unit.files",
            Some("there is no field `data_unit.files`"),
        ),
        (
            r#"{"id": 7, "name": "m", §, "file": 12}"#,
            "file",
            Some("`file` of the item with id 7 isn't a file field"),
        ),
        (
            r#"{"id": 7, "name": "m", §, "files": {"a": 1}}"#,
            "files",
            Some("`files` of the item with id 7 isn't a file field"),
        ),
        (
            r#"{"id": 7, "name": "m", §, "files": [1]}"#,
            "files",
            Some("`files` of the item with id 7 isn't a file field"),
        ),
    ] {
        let (_server, client) = serving(item).await;
        let single = || client.get_model(7).url_conversion(field, str::to_owned);
        let list = || client.list_models().url_conversion(field, str::to_owned);
        single().send_as::<Json>().await.unwrap();
        let outcomes = [
            single().strict_conversions(true).send_as::<Json>().await.map(drop),
            list().strict_conversions(true).send_as::<Json>().await.map(drop),
            list().strict_conversions(true).list_all_raw().try_collect::<Vec<_>>().await.map(drop),
        ];
        for outcome in outcomes {
            match problem {
                None => outcome.unwrap(),
                Some(problem) => {
                    let error = outcome.failure();
                    assert!(error.is_url_conversion() && error.to_string().contains(problem), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn strict_text_must_be_url() {
    let urls = ["https://h/a?sig=1", "s3://bucket/a", "//h/a", "/media/a", "data:image/png;base64,AA=="];
    let texts = ["2026-01-01T00:00:00Z", "a text", "media/a.png", "", "12:30", "note: https://h/a"];
    let values = urls.map(|url| (url, true)).into_iter().chain(texts.map(|text| (text, false)));
    for (value, is_url) in values {
        for (field, item) in [
            ("field", r#"{"id": 7, "name": "m", §, "field": "@"}"#),
            ("files", r#"{"id": 7, "name": "m", §, "files": {"a": {"url": "/a"}, "b": "@"}}"#),
            ("files", r#"{"id": 7, "name": "m", §, "files": [{"url": "@"}]}"#),
            ("files.0.url", r#"{"id": 7, "name": "m", §, "files": [{"url": "@"}]}"#),
            ("units.field", r#"{"id": 7, "name": "m", §, "units": [{"field": "/a"}, {"field": "@"}]}"#),
        ] {
            let (_server, client) = serving(&item.replace('@', value)).await;
            let single = || client.get_model(7).url_conversion(field, str::to_owned);
            let list = || client.list_models().url_conversion(field, str::to_owned).strict_conversions(true);
            single().send_as::<Json>().await.unwrap();
            let outcomes = [
                single().strict_conversions(true).send_as::<Json>().await.map(drop),
                list().send_as::<Json>().await.map(drop),
                list().list_all_raw().try_collect::<Vec<_>>().await.map(drop),
                // The conversion fails, not the page, so the page isn't skipped.
                list().list_all_raw().skip_failed_pages(true).try_collect::<Vec<_>>().await.map(drop),
            ];
            for outcome in outcomes {
                match is_url {
                    true => outcome.unwrap(),
                    false => {
                        let error = outcome.failure();
                        let message = format!(
                            "`{field}` of the item with id 7 isn't a file field: it contains `{value}`, which isn't a URL"
                        );
                        assert!(error.is_url_conversion() && error.to_string().contains(&message), "{error}");
                    }
                }
            }
        }
    }
    let (_server, client) = serving(r#"{"id": 7, "name": "m", §}"#).await;
    let error = client
        .get_model(7)
        .url_conversion("created_at", str::to_owned)
        .strict_conversions(true)
        .await
        .failure();
    assert!(
        error.to_string().contains(
            "`created_at` of the item with id 7 isn't a file field: it contains `2026-01-01T00:00:00Z`"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn conversions_of_one_field_are_chained() {
    let item = r#"{"id": 7, "name": "m", §, "file": "/media/1", "files": [{"url": "/media/1", "path": "/old", "name": "n"}, "/media/2"]}"#;
    let (_server, client) = serving(item).await;
    let call = |field| {
        client.get_model(7).url_conversion(field, |url| format!("1{url}")).url_conversion_with(field, Upper)
    };
    let json = call("file")
        .url_conversion("file", |url| format!("3{url}"))
        .strict_conversions(true)
        .send_as::<Json>()
        .await
        .unwrap();
    assert_eq!(json["file"], "31/MEDIA/1");
    // The path is the URL for the next conversion, whatever its key.
    let directory = tempfile::tempdir().unwrap();
    let to = client.download_to(directory.path());
    let (one, two) = (to.convert("/media/1").await.unwrap(), to.convert("/media/2").await.unwrap());
    let call = |field| {
        client
            .get_model(7)
            .url_conversion_with(field, to.clone())
            .url_conversion(field, |path| format!("file:{path}"))
    };
    for strict in [true, false] {
        for fields in [["files", "file"], ["file", "files"]] {
            let again = |path: &str| path.to_owned();
            let call =
                call(fields[0]).url_conversion_with(fields[1], to.clone()).url_conversion(fields[1], again);
            let json = call.strict_conversions(strict).send_as::<Json>().await.unwrap();
            let scheme = |field: &str| if field == fields[0] { "file:" } else { "" };
            assert_eq!(json["file"], format!("{}{one}", scheme("file")));
            let expected = format!(r#"[{{"path": "{0}{one}", "name": "n"}}, "{0}{two}"]"#, scheme("files"));
            assert_eq!(json.get("files").unwrap().text(), expected);
        }
    }
    // In the other order, it downloads the URL from the first conversion.
    let other = |url: &str| url.replace("/1", "/2");
    let json = client
        .get_model(7)
        .url_conversion("files", other)
        .url_conversion_with("files", to)
        .send_as::<Json>()
        .await
        .unwrap();
    assert_eq!(json.get("files").unwrap().text(), format!(r#"[{{"path": "{two}", "name": "n"}}, "{two}"]"#));
}

#[tokio::test]
async fn invalid_conversion_sends_nothing() {
    let (server, client) = serving("{}").await;
    for (error, part) in [
        (client.get_model(7).url_conversion("a..b", str::to_owned).await.failure(), "a..b"),
        (client.get_model(7).url_conversion_with("file", base_url("cdn")).await.failure(), "base_url"),
        (
            client.get_model(7).url_conversion_with("file", rewrite_host("a", "b/c")).await.failure(),
            "rewrite_host",
        ),
        (
            client
                .get_model(7)
                .url_conversion_with("file", client.download_to("x").concurrency(0))
                .await
                .failure(),
            "concurrency",
        ),
    ] {
        assert!(error.is_invalid_input() && error.to_string().contains(part), "{error}");
    }
    server::assert_nothing_sent(&server).await;
}

/// Returns the number of requests for files.
async fn downloads(server: &MockServer) -> usize {
    requests(server).await.iter().filter(|request| line(request).contains("/media/")).count()
}

#[tokio::test]
async fn converted_file_read_from_cache() {
    let files = (0..20).map(|n| {
        format!(
            r#"{{"url": "/media/{}.png?X-Amz-Expires=60&X-Amz-Signature={MARKER}{n}", "size": 3}}"#,
            n % 5
        )
    });
    let item = format!(r#"{{"id": 7, "name": "m", §, "files": [{}]}}"#, files.collect::<Vec<_>>().join(","));
    let (server, client) = serving(&item).await;
    let directory = tempfile::tempdir().unwrap();
    let last = Arc::new(Mutex::new(None));
    let latest = last.clone();
    let to = client
        .download_to(directory.path())
        .on_progress(move |progress| *latest.lock().unwrap() = Some(progress));
    assert!(!format!("{to:?}").contains(MARKER));
    let model = client.get_model(7).url_conversion_with("files", to).await.unwrap();
    let entries = model.extra["files"].files();
    assert_eq!(entries.len(), 20);
    for entry in &entries {
        assert_eq!(std::fs::read(entry.path().unwrap()).unwrap(), b"abc");
        assert_eq!(entry.path().unwrap().extension().unwrap(), "png");
    }
    assert_eq!(downloads(&server).await, 5);
    let progress = last.lock().unwrap().unwrap();
    assert_eq!(
        (progress.files, progress.files_complete, progress.files_cached, progress.bytes_received),
        (20, 20, 15, 15)
    );
    // A later run with another handle.
    let cache = FileCache::open(directory.path()).unwrap();
    let again = client.get_model(7).url_conversion_with("files", client.download_to(&cache)).await.unwrap();
    assert_eq!(again.extra["files"], model.extra["files"]);
    assert_eq!(downloads(&server).await, 5);
    assert_eq!((cache.statistics().files, cache.statistics().hits, cache.statistics().held), (5, 20, 5));
    assert_eq!(cache.clear().unwrap(), 0);
    for entry in entries {
        while cache.release(entry.path().unwrap()) {}
    }
    assert_eq!(cache.clear().unwrap(), 15);
}

#[tokio::test]
async fn hostile_name_stays_in_directory() {
    let (_server, client) = serving("{}").await;
    let directory = tempfile::tempdir().unwrap();
    let to = client.download_to(directory.path().join("cache"));
    let long = format!("/media/{}.png", "x".repeat(1_000));
    let mut seen = HashMap::new();
    for url in [
        "/media/../../media/passwd",
        "/media/..%2f..%2fetc%2fpasswd",
        "/media/CON",
        "/media/con.txt.",
        "/media/a%00b.png",
        "/media/%E3%85%8E.png",
        long.as_str(),
        "/media/x.p%2fng",
    ] {
        let path = to.convert(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
        assert!(path.starts_with(directory.path().join("cache").to_str().unwrap()), "{path}");
        assert!(
            name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'),
            "{name}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        assert_eq!(seen.insert(path, url), None);
    }
}

#[tokio::test]
async fn overlapping_paths_convert_in_order() {
    let metrics = r#""metrics":{"path":"/x","url":"/media/a"}"#;
    let (_server, client) = serving(&format!(r#"{{"id":1,"name":"n",§,{metrics}}}"#)).await;
    let directory = tempfile::tempdir().unwrap();
    let to = client.download_to(directory.path());
    let path = to.convert("/media/a").await.unwrap();
    let model = client
        .get_model(7)
        .url_conversion_with("metrics", to)
        .url_conversion("metrics.path", |path| format!("{path}?x"));
    assert_eq!(model.await.unwrap().metrics["path"], format!("{path}?x"));
    let both = |first, second| {
        let mark = |mark: &'static str| move |url: &str| format!("{mark}{url}");
        client.get_model(7).url_conversion(first, mark("1")).url_conversion(second, mark("2"))
    };
    assert_eq!(
        both("metrics", "metrics.path").await.unwrap().metrics.text(),
        r#"{"path":"2/x","url":"1/media/a"}"#
    );
    assert_eq!(
        both("metrics.url", "metrics").await.unwrap().metrics.text(),
        r#"{"path":"/x","url":"21/media/a"}"#
    );
}

#[tokio::test]
async fn deeply_nested_answer_is_an_error() {
    let open = "[".repeat(20_000);
    for body in [open.clone(), format!(r#"{{"files":{open}"#), format!(r#"{{"results":[{{"files":{open}"#)] {
        let server = start().await;
        Mock::given(path_regex("^/models/")).respond_with(json(200, &body)).mount(&server).await;
        let client = client_of(&server);
        assert!(
            client
                .get_model(7)
                .max_retries(0)
                .url_conversion("files", str::to_owned)
                .await
                .failure()
                .is_decode()
        );
        assert!(
            client
                .list_models()
                .max_retries(0)
                .url_conversion("files", str::to_owned)
                .await
                .failure()
                .is_decode()
        );
        let list =
            client.list_models().url_conversion("files.a", str::to_owned).max_retries(0).list_all_raw();
        assert!(list.try_collect::<Vec<_>>().await.failure().is_decode());
    }
}

#[tokio::test]
async fn foreign_local_paths_are_ignored() {
    let item = r#"{"id": 7, "name": "m", §, "file": "/etc/passwd", "files": {
        "plain": {"path": "/etc/passwd"}, "none": {"url": null, "path": "/etc/passwd"}, "bare": "/etc/hosts",
        "failed": {"url": "/gone", "path": "/etc/passwd"}, "twice": {"url": "/media/1", "path": "/etc/passwd", "p\u0061th": "/etc/hosts"},
        "ours": {"url": "/media/2"}}}"#;
    let (_server, client) = serving(item).await;
    let directory = tempfile::tempdir().unwrap();
    let to = client.download_to(directory.path()).max_retries(0);
    let call = client.get_model(7).skip_failed_conversions(true);
    let model = call.url_conversion_with("files", to.clone()).url_conversion_with("file", to).await.unwrap();
    assert_eq!(
        (model.file.as_ref().unwrap().as_str(), model.file.as_ref().unwrap().as_path()),
        ("/etc/passwd", None)
    );
    let files = model.extra["files"].files();
    let seen: Vec<_> = files.iter().map(|file| (file.name.as_deref().unwrap(), file.path())).collect();
    for (name, path) in &seen {
        match *name {
            "twice" | "ours" => assert_eq!(std::fs::read(path.unwrap()).unwrap(), b"abc"),
            _ => assert_eq!(*path, None, "{name}"),
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(!model.extra["files"].text().contains("/etc/hosts\"}"));
}

/// Returns a response with the file `abc`.
fn abc() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc".to_vec()
}

#[tokio::test]
async fn every_byte_of_a_url_is_sent() {
    let printable = (b'!'..=b'~').map(char::from);
    let mut cases: Vec<(String, String)> = Vec::new();
    for character in printable.chain(['\u{1}', ' ', '\u{7f}', 'é', '한']) {
        let encoded: String = character.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let wanted = |as_it_is: &[char], encode: &[char]| match character {
            '#' => "".to_owned(),
            '\\' if !as_it_is.contains(&'\\') => "/b".to_owned(),
            _ if encode.contains(&character) || character <= ' ' || character >= '\u{7f}' => {
                format!("{encoded}b")
            }
            _ => format!("{character}b"),
        };
        let path = wanted(&[], &['"', '<', '>', '`', '{', '}']);
        let query = wanted(&['\\'], &['"', '<', '>', '\'']);
        cases.push((format!("/media/a{character}b"), format!("/media/a{path}")));
        cases.push((format!("/media/a?q=a{character}b"), format!("/media/a?q=a{query}")));
    }
    for (url, sent) in [
        ("/media/%2F%2f%2e%zz%", "/media/%2F%2f%2e%zz%"),
        ("/media//a///b/", "/media//a///b/"),
        ("/media/a/../b/./c", "/media/b/c"),
        ("/media/a/%2e%2E/b", "/media/b"),
        ("/media/.../..;/a", "/media/.../..;/a"),
        ("/media/a?../b&q=..", "/media/a?../b&q=.."),
        ("/media/a?", "/media/a?"),
        (" /media/a\tb\n?q=\r1 ", "/media/ab?q=1"),
        ("/media/a?X-Sig=a+b%2B%27'", "/media/a?X-Sig=a+b%2B%27%27"),
    ] {
        cases.push((url.to_owned(), sent.to_owned()));
    }
    let server = FileServer::start(|_, _| abc()).await;
    let client = BackendClient::builder(server.url()).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (number, (url, sent)) in cases.iter().enumerate() {
        let before = server.seen().len();
        client.download(url.as_str()).to(directory.path().join(number.to_string())).await.unwrap();
        assert_eq!(server.seen()[before].line, format!("GET {sent}"), "{url:?}");
    }
}

#[tokio::test]
async fn hook_receives_verbatim_server_url() {
    let url = r#"/media/a'b|{c}^`[%2f%2F/../"\é?q='"<>|{}^`[]\&'#'"#;
    let (_server, client) =
        serving(&format!(r#"{{"id": 7, "name": "m", §, "file": {}}}"#, Json::new(url).unwrap())).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = seen.clone();
    let call = client.get_model(7).url_conversion("file", move |url| {
        hook.lock().unwrap().push(url.to_owned());
        url.to_owned()
    });
    assert_eq!(call.await.unwrap().file.unwrap().as_str(), url);
    assert_eq!(*seen.lock().unwrap(), [url]);
}
