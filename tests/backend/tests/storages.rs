//! Storages, and uploads by presigned URLs.

mod common;

use common::{Site, client, ids, read, start};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use synapse_test_backend::{Backend, Fault};

const REQUEST: &str = "/data_files/presigned_upload/upload/";
const CONFIRM: &str = "/data_files/presigned_upload/confirm_upload/";
/// The SHA-1 of `x`.
const X: &str = "11f6ad8ec52a2984abaafd7c3b516503785c2072";

#[tokio::test]
async fn storages_listed_with_one_default() {
    let site = start(Backend::builder()).await;
    let internal = site.ok("/storages/?category=internal").await;
    assert_eq!(ids(&internal), [8001, 8002]);
    assert_eq!(internal["results"][1]["is_default"], true);
    assert_eq!(ids(&site.ok("/storages/?is_default=true").await), [8002]);
    assert!(site.ok("/storages/8001/").await.get("configuration").is_none());
    for word in ["true", "True"] {
        let storage = site.ok(&format!("/storages/8001/?with_configuration={word}")).await;
        assert_eq!(storage["configuration"]["secret_key"], "storage-secret");
    }
    let storage = site.ok("/storages/8002/?with_configuration=true").await;
    assert!(storage["configuration"].get("secret_key").is_none());
    let body =
        json!({"name": "new", "provider": "sftp", "category": "external", "configuration": {"host": "h"}});
    assert_eq!(site.send("POST", "/storages/", &body).await.0, 201);
    assert_eq!(site.send("POST", "/storages/", &json!({"provider": "tape"})).await.0, 400);
    assert_eq!(site.backend.created("storages"), [8004]);
    let site = start(Backend::builder().bare_storages(true)).await;
    assert_eq!(site.ok("/storages/").await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn session_opens_or_names_code() {
    let site = start(Backend::builder()).await;
    let read_only = json!({"purpose": "read"});
    let session = site.accepted("POST", "/storages/8002/session/", &read_only).await;
    assert_eq!((&session["contract_version"], &session["expires_at"]), (&json!(1), &Value::Null));
    assert_eq!(site.send("POST", "/storages/8002/session/", &json!({"purpose": "x"})).await.0, 400);
    let site = start(Backend::builder().session_error("expired")).await;
    let (status, error) = site.send("POST", "/storages/8002/session/", &read_only).await;
    assert_eq!((status.as_u16(), &error["code"]), (400, &json!("expired")));
}

async fn ask(site: &Site, files: Value) -> Value {
    site.accepted("POST", REQUEST, &json!({"files": files})).await["files"].clone()
}

async fn put(url: &str, content_type: Option<&str>, body: &'static [u8]) -> Response {
    let request = client().put(url).body(body);
    let request = match content_type {
        Some(media) => request.header("Content-Type", media),
        None => request,
    };
    request.send().await.expect("a response")
}

#[tokio::test]
async fn single_put_becomes_data_file() {
    let site = start(Backend::builder()).await;
    let files = ask(&site, json!([{"filename": "한 장.png", "size": 1, "content_type": "image/png"}])).await;
    let url = files[0]["presigned_url"].as_str().unwrap();
    assert!(files[0]["multipart"].is_null() && files[0]["filename"] == "한 장.png");
    let wrong = put(url, None, b"x").await;
    assert!(
        wrong.status() == 403 && wrong.text().await.unwrap().contains("<Code>SignatureDoesNotMatch</Code>")
    );
    let stored = put(url, Some("image/png"), b"x").await;
    assert_eq!(stored.headers()["etag"], "\"9dd4e461268c8034f5c8564e155c67a6\"");
    let key = &files[0]["file_key"];
    let wrong = json!({"files": [{"file_key": key, "checksum": "00", "size": 1}]});
    assert_eq!(site.accepted("POST", CONFIRM, &wrong).await["failed_count"], 1);
    let body = json!({"files": [{"file_key": key, "checksum": X, "size": 1}, {"file_key": "k", "checksum": X, "size": 1}]});
    let done = site.accepted("POST", CONFIRM, &body).await;
    assert_eq!((&done["created_count"], &done["failed_count"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&done["results"][0]["created"], &done["results"][1]["success"]),
        (&json!(true), &json!(false))
    );
    let again = site.accepted("POST", CONFIRM, &body).await;
    assert_eq!(again["results"][0]["created"], false);
    assert_eq!(again["results"][0]["data_file_id"], done["results"][0]["data_file_id"]);
    let url = site.backend.data_files()[0]["file"].as_str().unwrap().to_owned();
    assert_eq!(site.backend.file_bytes(&url).unwrap(), "x");
    let unit = json!({"data_collection": 2001, "files": {"image_1": {"checksum": X}}});
    site.accepted("POST", "/data_units/", &unit).await;
}

#[tokio::test]
async fn parts_are_joined_in_order() {
    let site = start(Backend::builder().multipart_threshold(4).part_size(2).single_confirm(true)).await;
    let files = ask(&site, json!([{"filename": "a.bin", "size": 5, "content_type": "text/plain"}])).await;
    let multipart = &files[0]["multipart"];
    assert_eq!((&multipart["part_size"], &files[0]["presigned_url"]), (&json!(2), &Value::Null));
    let mut parts = Vec::new();
    for (part, body) in multipart["parts"].as_array().unwrap().iter().zip([&b"he"[..], b"ll", b"o"]) {
        let url = part["presigned_url"].as_str().unwrap();
        assert_eq!(put(url, Some("text/plain"), body).await.status(), 403, "parts have no media type");
        let response = put(url, None, body).await;
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        parts.push(json!({"part_number": part["part_number"], "etag": etag}));
    }
    let confirm = |parts: &[Value]| {
        json!({"files": [{
            "file_key": files[0]["file_key"], "checksum": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "size": 5,
            "multipart": {"upload_id": multipart["upload_id"], "parts": parts},
        }]})
    };
    let mut reversed = parts.clone();
    reversed.reverse();
    let mut unquoted = parts.clone();
    unquoted[0]["etag"] = json!(parts[0]["etag"].as_str().unwrap().trim_matches('"'));
    for (bad, error) in [(&reversed, "InvalidPartOrder"), (&unquoted, "InvalidPart")] {
        assert_eq!(site.accepted("POST", CONFIRM, &confirm(bad)).await["results"][0]["error"], error);
    }
    let short = site.accepted("POST", CONFIRM, &confirm(&parts[..2])).await;
    assert_eq!(short["results"][0]["success"], false);
    let done = site.accepted("POST", CONFIRM, &confirm(&parts)).await;
    assert_eq!(done["results"][0]["success"], true, "{done}");
    assert_eq!(site.backend.stored_objects()[0].1, 5);
    let url = site.backend.data_files()[0]["file"].as_str().unwrap().to_owned();
    assert_eq!(site.backend.file_bytes(&url).unwrap(), "hello");
    assert_eq!(site.accepted("POST", CONFIRM, &confirm(&parts)).await["failed_count"], 1);
}

#[tokio::test]
async fn storage_refuses_unsigned_puts() {
    let site = start(Backend::builder()).await;
    let files = ask(&site, json!([{"filename": "a", "size": 1}])).await;
    let url = files[0]["presigned_url"].as_str().unwrap().to_owned();
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("x")]);
    let chunked = client().put(&url).body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert_eq!(chunked.status(), 411);
    let token = client().put(&url).header("Authorization", "Token x").body("x").send().await.unwrap();
    assert_eq!(token.status(), 400);
    assert_eq!(put(&url.replace("Signature=", "Signature=0"), None, b"x").await.status(), 403);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 405);
    site.backend.inject(Fault::storage_error(503, "SlowDown").on("PUT", "/storage/"));
    let busy = put(&url, None, b"x").await;
    assert!(busy.status() == 503 && busy.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    site.backend.expire_presigned_urls();
    let expired = put(&url, None, b"x").await.text().await.unwrap();
    assert!(expired.contains("<Message>Request has expired</Message>"), "{expired}");
    assert!(site.backend.stored_objects().is_empty());
}

#[tokio::test]
async fn provider_decides_about_presigning() {
    let site = start(Backend::builder().storage_provider("file_system")).await;
    let body = json!({"files": [{"filename": "a", "size": 1}]});
    assert_eq!(site.send("POST", REQUEST, &body).await.0, 400);
    let site = start(Backend::builder().storage_provider("azure")).await;
    let files = ask(&site, body["files"].clone()).await;
    let url = files[0]["presigned_url"].as_str().unwrap();
    assert_eq!(put(url, None, b"x").await.status(), 400);
    let put = client().put(url).header("x-ms-blob-type", "BlockBlob").body("x").send().await.unwrap();
    assert_eq!(put.status(), 201);
    for bad in [json!([]), json!([{"filename": "a", "size": 0}]), json!([{"filename": "", "size": 1}])] {
        assert_eq!(site.send("POST", REQUEST, &json!({"files": bad})).await.0, 400);
    }
    let (status, errors) = site.send("POST", REQUEST, &json!({"files": [1], "expiration": 59})).await;
    assert_eq!((status.as_u16(), errors["expiration"].is_array()), (400, true));
    assert_eq!(read(site.request(Method::GET, REQUEST).send().await.unwrap()).await.0, 405);
}
