//! Input that no client should send: every operation refuses it, and none fails or closes the connection.

mod common;

use common::{read, start};
use reqwest::Method;
use serde_json::json;
use synapse_test_backend::Backend;

const LISTS: [&str; 17] = [
    "/sdk/tasks/",
    "/sdk/tasks/data/",
    "/sdk/tasks/files/",
    "/sdk/assignments/",
    "/sdk/assignments/data/",
    "/sdk/assignments/files/",
    "/sdk/ground_truth_events/",
    "/tasks/",
    "/task_tags/",
    "/data_collections/",
    "/data_units/",
    "/storages/",
    "/agents/",
    "/plugins/",
    "/plugin_releases/",
    "/jobs/",
    "/serve_applications/",
];

const WRITES: [(&str, &str); 21] = [
    ("POST", "/tasks/"),
    ("POST", "/tasks/set_tags/"),
    ("PUT", "/tasks/100001/annotate_task_data/"),
    ("POST", "/assignments/set_tags/"),
    ("POST", "/data_files/"),
    ("POST", "/data_files/verify_checksums/"),
    ("POST", "/data_files/presigned_upload/upload/"),
    ("POST", "/data_files/presigned_upload/confirm_upload/"),
    ("POST", "/data_units/"),
    ("POST", "/data_units/create_tasks/"),
    ("POST", "/storages/"),
    ("POST", "/storages/8001/session/"),
    ("POST", "/plugins/"),
    ("PUT", "/plugins/11001/"),
    ("POST", "/plugins/11001/run/"),
    ("POST", "/plugin_releases/"),
    ("PATCH", "/jobs/5f3c2a10-7d4e-4b1a-9c00-0000000036b1/"),
    ("POST", "/logs/"),
    ("POST", "/serve_applications/"),
    ("POST", "/models/"),
    ("POST", "/chunked_upload/"),
];

#[tokio::test]
async fn odd_bodies_are_answered() {
    let site = start(Backend::builder()).await;
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let odd_files = r#"{"files":[{"filename":"a","size":9223372036854775807},null,{"file_key":1,"multipart":{"parts":[{}]}}]}"#;
    let odd_fields = r#"{"ids":[1.5,"1",null],"tags":{},"data":[[]],"files":{"image_1":[]},"project":1e999,
        "job":-9223372036854775808,"config":[],"checksums":[null],"params":[],"status":{},"datetime":"9999999999",
        "data_collection":true,"groups":[{}],"meta":"x","name":"\ud800","plugin":[],"size":1e400}"#;
    let bodies = [
        "",
        "null",
        "1",
        "\"x\"",
        "[]",
        "[1]",
        "[[]]",
        "{}",
        "{",
        "\u{feff}{}",
        &deep,
        odd_files,
        odd_fields,
    ];
    for (method, path) in WRITES {
        for body in bodies {
            let request = site.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let request = request.header("Content-Type", "application/json").body(body.to_owned());
            let (status, value) = read(request.send().await.expect(path)).await;
            assert!(status.as_u16() < 500, "{method} {path} {body:.60}: {status} {value}");
        }
        let request = site.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
        let request = request.header("Content-Type", "multipart/form-data; boundary=b").body("--b\r\nx");
        let (status, _) = read(request.send().await.expect(path)).await;
        assert!((400..500).contains(&status.as_u16()), "{method} {path}: {status}");
    }
    for kind in ["data_files", "data_units", "storages", "plugins", "plugin_releases", "logs", "models"] {
        assert!(site.backend.created(kind).is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn odd_queries_are_answered() {
    let site = start(Backend::builder()).await;
    for path in LISTS {
        for query in [
            "ids=&ids_ex=,,&page=&ordering=,",
            "ids=9223372036854775808",
            "id__gt=9223372036854775807&id__lt=-9223372036854775808",
            "id=1.5&id__in=1&id__in=x",
            "page=99999999999999999999&page_size=-1",
            "cursor=%00&pagination=cursor&ordering=-id",
            "cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5&pagination=cursor&ordering=id",
            "search=%F0%9F%98%80%00&expand=~all&fields=,&omit=id",
            "created__gt=0000-00-00&status=&project=1e308",
        ] {
            let (status, value) = site.get(&format!("{path}?{query}")).await;
            assert!(status.as_u16() < 500, "{path}?{query}: {status} {value}");
        }
    }
    for folder in
        ["projects", "tasks", "task_tags", "assignments", "data_units", "storages", "plugins", "jobs"]
    {
        for id in ["-9223372036854775808", "99999999999999999999", "%00", "a%2Fb", "%FF"] {
            let status = site.get(&format!("/{folder}/{id}/")).await.0;
            assert!(matches!(status.as_u16(), 400 | 404), "/{folder}/{id}/: {status}");
        }
    }
}

#[tokio::test]
async fn huge_announced_file_has_few_parts() {
    let site = start(Backend::builder().part_size(1)).await;
    let ask = |size: u64| json!({"files": [{"filename": "a", "size": size}]});
    let path = "/data_files/presigned_upload/upload/";
    let made = site.accepted("POST", path, &ask(5 << 40)).await;
    assert_eq!(made["files"][0]["multipart"]["parts"].as_array().unwrap().len(), 10_000);
    assert_eq!(site.send("POST", path, &ask((5 << 40) + 1)).await.0, 400);
}
