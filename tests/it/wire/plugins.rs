//! Plugins, their releases, and runs of their actions.

use std::time::Duration;

use synapse_backend_client::types::{PluginCategory, PluginKey};
use synapse_backend_client::{RetryPolicy, json};

use super::{
    Backend, Shapes, assert_free_form, assert_headers, assert_pages, assert_query, assert_shapes, json_of,
};
use crate::support::marker::{Failure, secret};

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

const PLUGIN: Shapes<'_> = Shapes {
    full: r#"{
        "id": 11, "code": "yolov8", "name": "YOLOv8", "description": "탐지", "tenant": 3, "category": "neural_net",
        "is_active": true, "is_public": false, "system_only": false, "detail": {"a": 1.50}, "manifest": {"tasks": ["x"]},
        "release": {"id": 42, "version": "1.0.0", "is_released": true}, "created": "2025-01-31T09:00:00Z",
        "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z", "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    related: &["tenant", "release"],
    open: &["category"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_plugin_reads_every_shape() {
    let backend = Backend::of(r#"{"id": 11}"#).await;
    backend.get(backend.client.get_plugin(11), "/plugins/11/").await;
    let plugin = assert_shapes(&backend, || backend.client.get_plugin(11), PLUGIN).await;
    assert_eq!((plugin.id, plugin.code.as_deref()), (11, Some("yolov8")));
    assert_eq!(plugin.category, Some(PluginCategory::NeuralNet));
    assert_eq!((plugin.release.id(), &plugin.release["version"]), (Some(42), &"1.0.0".into()));
    assert_pages(&backend, || backend.client.list_plugins(), PLUGIN, &plugin).await;
}

#[tokio::test]
async fn list_plugins_sends_each_parameter() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_plugins(), "/plugins/").await;
    assert_query!(backend, list_plugins(), "/plugins/", {
        page(2) => "page=2",
        page_size(10) => "page_size=10",
    });
}

#[tokio::test]
async fn create_plugin_sends_each_field() {
    let backend = Backend::of(PLUGIN.full).await;
    let client = &backend.client;
    let call = client.create_plugin(|b| b.name("YOLOv8").code("yolo-v8_1").category("neural_net"));
    let body = r#"{"category":"neural_net","code":"yolo-v8_1","name":"YOLOv8"}"#;
    let plugin = backend.send(call, "POST /plugins/", body).await;
    assert_eq!(plugin.id, 11);
    let call = client.create_plugin(|b| {
        let b =
            b.name("n").code("c").category("a-newer-one").description("").is_public(false).is_active(true);
        b.system_only(false).detail(json_of(r#"{"a": 1.50}"#)).extra([("source", json!("scaffold"))])
    });
    let body = r#"{"category":"a-newer-one","code":"c","description":"","detail":{"a": 1.50},"is_active":true,"is_public":false,"name":"n","system_only":false,"source":"scaffold"}"#;
    backend.send(call, "POST /plugins/", body).await;
    let error = client.create_plugin(|b| b).await.failure().to_string();
    for field in ["`name`", "`code`", "`category`"] {
        assert!(error.contains(field), "{error}");
    }
    backend.assert_nothing_sent();
}

#[tokio::test]
async fn update_plugin_sends_only_given_fields() {
    let backend = Backend::of(r#"{"id": 11}"#).await;
    let client = &backend.client;
    let line = "PUT /plugins/11/";
    backend.send(client.update_plugin(11, |b| b), line, "{}").await;
    for (call, body) in [
        (client.update_plugin(11, |b| b.name("n")), r#"{"name":"n"}"#),
        (client.update_plugin(11, |b| b.code("c")), r#"{"code":"c"}"#),
        (client.update_plugin(11, |b| b.category("export")), r#"{"category":"export"}"#),
        (client.update_plugin(11, |b| b.description("")), r#"{"description":""}"#),
        (client.update_plugin(11, |b| b.detail(json!({"a": null}))), r#"{"detail":{"a":null}}"#),
        (client.update_plugin(11, |b| b.is_active(false)), r#"{"is_active":false}"#),
        (client.update_plugin(11, |b| b.is_public(true)), r#"{"is_public":true}"#),
        (client.update_plugin(11, |b| b.system_only(true)), r#"{"system_only":true}"#),
        (client.update_plugin(11, |b| b.extra([("x", json!(1))])), r#"{"x":1}"#),
    ] {
        backend.send(call, line, body).await;
    }
}

// ---- run_plugin

#[tokio::test]
async fn run_plugin_sends_what_was_set() {
    let backend = Backend::of("{}").await;
    let client = &backend.client;
    backend.send(client.run_plugin("yolov8", |b| b), "POST /plugins/yolov8/run/", "{}").await;
    backend
        .send(
            client.run_plugin(11_i64, |b| b.action("train")),
            "POST /plugins/11/run/",
            r#"{"action":"train"}"#,
        )
        .await;
    let call = client.run_plugin("yolov8", |b| {
        let b = b.agent(3).action("train").storage_id(9).job_id("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11");
        let b = b.params(json_of(r#"{"rate": 1.50, "none": null}"#)).debug(false).version("1.0.0");
        b.language("ko").extra([("priority", json!(1))])
    });
    let body = r#"{"action":"train","agent":3,"debug":false,"job_id":"0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11","language":"ko","params":{"rate": 1.50, "none": null},"storage_id":9,"version":"1.0.0","priority":1}"#;
    backend.send(call, "POST /plugins/yolov8/run/", body).await;
    let key = PluginKey::from("a_b-1");
    backend
        .send(client.run_plugin(&key, |b| b.job_id(7_i64)), "POST /plugins/a_b-1/run/", r#"{"job_id":7}"#)
        .await;
}

#[tokio::test]
async fn run_plugin_output_is_free_form() {
    let backend = Backend::of(r#"{"job_id": "0b9a9a1e"}"#).await;
    let call = || backend.client.run_plugin("yolov8", |b| b);
    assert_eq!(backend.output(call()).await.unwrap()["job_id"], "0b9a9a1e");
    backend
        .answer(200, r#"{"__synapse_deferred__": true, "status": "pending", "ticket": "t", "error": null}"#);
    assert_eq!(backend.output(call()).await.unwrap()["ticket"], "t");
    assert_free_form(&backend, call).await;
}

#[tokio::test]
async fn run_plugin_without_capacity_is_final() {
    let backend = Backend::start().await;
    backend.answer(503, r#"{"error_type": "gpu_unavailable", "message": "no GPU", "detail": "busy"}"#);
    let retry = RetryPolicy::new().max_retries(3).initial_backoff(Duration::from_millis(1));
    let error = backend.client.run_plugin("yolov8", |b| b.params(json!({"key": secret("run")}))).retry(retry);
    let error = error.await.failure();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
    assert_eq!(backend.taken().line, "POST /plugins/yolov8/run/");
}

// ---- releases

const RELEASE: Shapes<'_> = Shapes {
    full: r#"{
        "id": 42, "plugin": 11, "version": "1.0.0", "debug": false, "is_released": true,
        "config": {"code": "yolov8", "actions": {"train": {"name": "train", "rate": 1.50}}},
        "file": "https://files/p.zip?sig=1", "requirements": ["ultralytics==8.0", "torch"], "readme": "안내",
        "run_schema": {"type": "object"}, "installation_schema": {}, "meta": {"a": 1},
        "available_actions": ["train", "test"], "author": 5, "created": "2025-01-31T09:00:00Z",
        "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z", "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    related: &["plugin", "author"],
    urls: &["file"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_plugin_release_sends_parameters() {
    let backend = Backend::of(r#"{"id": 42}"#).await;
    backend.get(backend.client.get_plugin_release(42), "/plugin_releases/42/").await;
    assert_query!(backend, get_plugin_release(42), "/plugin_releases/42/", {
        expand("plugin") => "expand=plugin",
        url_host("internal") => "url_host=internal",
    });
}

#[tokio::test]
async fn plugin_release_reads_every_shape() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let release = assert_shapes(&backend, || client.get_plugin_release(42), RELEASE).await;
    assert_eq!((release.id, release.plugin.id(), release.version.as_deref()), (42, Some(11), Some("1.0.0")));
    assert_eq!((release.debug, release.is_released), (Some(false), Some(true)));
    assert_eq!((&release.requirements[1], &release.available_actions[0]), (&"torch".into(), &"train".into()));
    assert_pages(&backend, || client.list_plugin_releases(), RELEASE, &release).await;
    // Older releases name the actions in one text.
    backend.answer(
        200,
        r#"{"id": 42, "available_actions": "train,test", "plugin": {"id": 11, "code": "yolov8"}}"#,
    );
    let release = backend.output(client.get_plugin_release(42)).await;
    assert_eq!(
        (&release.available_actions, &release.plugin["code"]),
        (&json!("train,test"), &"yolov8".into())
    );
}

#[tokio::test]
async fn release_lookup_is_one_path_segment() {
    let backend = Backend::of(r#"{"id": 42}"#).await;
    let client = &backend.client;
    for (lookup, at) in [
        ("yolov8@1.0.0", "/plugin_releases/yolov8@1.0.0/?expand=plugin"),
        ("42", "/plugin_releases/42/?expand=plugin"),
        ("a_b-1@2.0.0-rc.1+build", "/plugin_releases/a_b-1@2.0.0-rc.1%2Bbuild/?expand=plugin"),
        ("a/b@1 2", "/plugin_releases/a%2Fb@1%202/?expand=plugin"),
        ("a?b#c%2F@1", "/plugin_releases/a%3Fb%23c%252F@1/?expand=plugin"),
        ("탐지@1", "/plugin_releases/%ED%83%90%EC%A7%80@1/?expand=plugin"),
    ] {
        backend.get(client.get_plugin_release_by_lookup(lookup), at).await;
    }
    let call =
        client.get_plugin_release_by_lookup("a@1").params(|p| p.expand(["plugin", "author"]).url_host("in"));
    backend.get(call, "/plugin_releases/a@1/?expand=plugin&expand=author&url_host=in").await;
    let release = assert_shapes(&backend, || client.get_plugin_release_by_lookup("a@1"), RELEASE).await;
    assert_eq!(release.id, 42);
}

#[tokio::test]
async fn list_plugin_releases_sends_filters() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_plugin_releases(), "/plugin_releases/").await;
    assert_query!(backend, list_plugin_releases(), "/plugin_releases/", {
        debug(true) => "debug=true",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
        plugin("yolov8") => "plugin=yolov8",
        url_host("internal") => "url_host=internal",
    });
    let call = backend.client.list_plugin_releases().params(|p| p.plugin(11_i64).debug(false));
    backend.get(call, "/plugin_releases/?debug=false&plugin=11").await;
}

#[tokio::test]
async fn create_plugin_release_sends_json() {
    let backend = Backend::of(RELEASE.full).await;
    let client = &backend.client;
    let call = client.create_plugin_release(|b| b.plugin("yolov8").version("1.0.0"));
    let release =
        backend.send(call, "POST /plugin_releases/", r#"{"plugin":"yolov8","version":"1.0.0"}"#).await;
    assert_eq!(release.id, 42);
    let call = client.create_plugin_release(|b| {
        let b = b.plugin("yolov8").version("1.0.0").config(json_of(r#"{"code": "yolov8", "rate": 1.50}"#));
        b.requirements(["ultralytics==8.0", "torch"]).debug(true)
    });
    let body = r#"{"config":{"code": "yolov8", "rate": 1.50},"debug":true,"plugin":"yolov8","requirements":["ultralytics==8.0","torch"],"version":"1.0.0"}"#;
    backend.send(call, "POST /plugin_releases/", body).await;
    let error = client.create_plugin_release(|b| b).await.failure().to_string();
    assert!(error.contains("`plugin`") && error.contains("`version`"), "{error}");
    backend.assert_nothing_sent();
}

#[tokio::test]
async fn create_plugin_release_sends_form() {
    let backend = Backend::of(RELEASE.full).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.zip");
    std::fs::write(&file, b"PK\x03\x04\x00\xff\r\n--").unwrap();
    let call = backend.client.create_plugin_release_form(|form| {
        let form =
            form.plugin("yolov8").version("1.0.0").config(json_of(r#"{"code": "yolov8", "rate": 1.50}"#));
        form.requirements(["ultralytics==8.0", "torch"]).debug(true).file(&file)
    });
    let release = backend.output_of_form(call, "POST /plugin_releases/", |boundary| {
        let text = |name: &str, value: &str| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let texts = [
            text("plugin", "yolov8"),
            text("version", "1.0.0"),
            text("config", r#"{"code": "yolov8", "rate": 1.50}"#),
            text("requirements", "ultralytics==8.0"),
            text("requirements", "torch"),
            text("debug", "true"),
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"plugin.zip\"\r\n\r\n"),
        ];
        [texts.concat().as_bytes(), b"PK\x03\x04\x00\xff\r\n--", format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
    });
    assert_eq!(release.await.id, 42);
    let error =
        backend.client.create_plugin_release_form(|form| form.plugin("a")).await.failure().to_string();
    assert!(error.contains("`version`") && error.contains("`file`"), "{error}");
    backend.assert_nothing_sent();
}

#[tokio::test]
async fn existing_version_error_says_so() {
    let backend = Backend::start().await;
    backend.answer(400, r#"{"version": ["version_exists"]}"#);
    let error = backend.client.create_plugin_release(|b| b.plugin("a").version("1")).await.failure();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(400));
    assert!(error.to_string().contains("version_exists"), "{error}");
    let seen = backend.taken();
    assert_headers(&seen, &[("content-length", "28"), ("content-type", "application/json")]);
}
