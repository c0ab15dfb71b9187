//! Data collections, data files and data units.

mod common;

use common::{ids, start};
use serde_json::{Value, json};
use synapse_test_backend::Backend;

/// The MD5 of `x`.
const X: &str = "9dd4e461268c8034f5c8564e155c67a6";

#[tokio::test]
async fn collection_has_specifications() {
    let site = start(Backend::builder().data_collections(3)).await;
    let plain = site.ok("/data_collections/2001/").await;
    assert!(plain["category"] == "image" && plain.get("file_specifications").is_none());
    let full = site.ok("/data_collections/2001/?expand=file_specifications").await;
    let list = full["file_specifications"].as_array().unwrap();
    assert_eq!(list.iter().filter(|specification| specification["is_primary"] == true).count(), 1);
    assert_eq!(list[0]["name"], "image_1");
    assert_eq!(ids(&site.ok("/data_collections/?category=text").await), [2002]);
    assert_eq!(site.get("/data_collections/999/").await.0, 404);
}

#[tokio::test]
async fn data_file_created_directly() {
    let site = start(Backend::builder().max_file_bytes(100)).await;
    let (status, file) = site.data_file("그림 1.png", b"x").await;
    assert_eq!((status.as_u16(), &file["checksum"], &file["size"]), (201, &json!(X), &json!(1)));
    let url = file["file"].as_str().unwrap();
    assert_eq!(site.http.get(url).send().await.unwrap().bytes().await.unwrap(), "x");
    let empty = (400.try_into().unwrap(), json!({"file": ["The submitted file is empty."]}));
    assert_eq!(site.data_file("a.png", b"").await, empty);
    assert_eq!(site.data_file("a.png", &[0; 101]).await.0, 400);
    let form = reqwest::multipart::Form::new().text("other", "x");
    let request = site.request(reqwest::Method::POST, "/data_files/").multipart(form);
    let refused = common::read(request.send().await.unwrap()).await;
    assert_eq!(refused.1, json!({"file": ["No file was submitted."]}));
    assert_eq!(site.backend.data_files().len(), 1);
    assert_eq!(site.get("/data_files/").await.0, 405);

    let site = start(Backend::builder().max_upload_bytes(50)).await;
    assert_eq!(site.data_file("a.png", &[0; 101]).await.0, 413);
}

#[tokio::test]
async fn data_file_created_from_upload() {
    let site = start(Backend::builder()).await;
    let id = site.upload(b"x", X).await;
    let body = json!({"chunked_upload": id, "meta": {"filename": "x.bin"}});
    let file = site.accepted("POST", "/data_files/", &body).await;
    assert_eq!(file["checksum"], X);
    assert!(file.get("file").is_none() && file["meta"]["filename"] == "x.bin");
    let (status, errors) = site.send("POST", "/data_files/", &body).await;
    assert_eq!(
        (status.as_u16(), errors),
        (400, json!({"chunked_upload": ["The upload has already been used."]}))
    );
    let missing = json!({"chunked_upload": ["This field is required."]});
    assert_eq!(site.send("POST", "/data_files/", &json!({})).await.1, missing);
}

#[tokio::test]
async fn checksums_of_known_files_found() {
    let site = start(Backend::builder()).await;
    let unit = site.ok("/data_units/300001/?expand=files").await;
    let seeded = unit["files"]["image_1"]["checksum"].clone();
    site.data_file("a", b"x").await;
    let body = json!({"checksums": [X, "00", seeded]});
    let path = "/data_files/verify_checksums/";
    let found = site.accepted("POST", path, &body).await;
    assert_eq!(found, json!({"existing_checksums": [X, seeded]}));
    let many: Vec<String> = (0..1001).map(|n: u32| n.to_string()).collect();
    assert_eq!(site.send("POST", path, &json!({"checksums": many})).await.0, 400);
    let site = start(Backend::builder().older_checksums_field(true)).await;
    assert_eq!(site.accepted("POST", path, &json!({"checksums": ["0"]})).await, json!({"existing": []}));
}

#[tokio::test]
async fn unit_lists_and_files_agree() {
    let site = start(Backend::builder().data_units(12)).await;
    let page = site.ok("/data_units/?data_collection=2002&page_size=100").await;
    assert_eq!(ids(&page).len(), 6);
    assert!(page["results"][0]["files"]["text_1"].is_string());
    assert_eq!(ids(&site.ok("/data_units/?ids=300001,300003").await), [300_001, 300_003]);
    assert_eq!(ids(&site.ok("/data_units/?can_generate_task=false").await).len(), 0);
    let unit = site.ok("/data_units/300002/?expand=files").await;
    let file = &unit["files"]["text_1"];
    let bytes = site.backend.file_bytes(file["url"].as_str().unwrap()).unwrap();
    assert_eq!(file["size"], bytes.len());
    assert_eq!(ids(&site.ok("/data_units/?ordering=-id&page_size=2").await), [300_012, 300_011]);
}

fn unit(checksum: &str, extra: Value) -> Value {
    let mut unit = json!({
        "data_collection": 2001, "meta": {},
        "files": {"image_1": {"checksum": checksum, "path": "a/1.png"}},
    });
    for (name, value) in extra.as_object().into_iter().flatten() {
        unit[name] = value.clone();
    }
    unit
}

#[tokio::test]
async fn units_created_and_unknown_dropped() {
    let site = start(Backend::builder().data_units(0)).await;
    site.data_file("1.png", b"x").await;
    let one = site
        .accepted("POST", "/data_units/", &unit(X, json!({"groups": ["바깥", "안"], "meta": {"k": 1}})))
        .await;
    assert!(one["files"]["image_1"].is_string() && one["meta"] == json!({"k": 1}));
    let again = site.accepted("POST", "/data_units/", &unit(X, json!({"groups": "안"}))).await;
    assert_eq!(again["group"], one["group"], "the group of this name is found");
    let list = json!([unit(X, json!({})), unit("00", json!({})), unit(X, json!({"meta": {"n": 3}}))]);
    let (status, made) = site.send("POST", "/data_units/", &list).await;
    assert_eq!((status.as_u16(), made.as_array().unwrap().len()), (201, 2));
    assert_eq!(made[1]["meta"]["n"], 3);
    assert_eq!(site.send("POST", "/data_units/", &unit("00", json!({}))).await.0, 400);
    assert_eq!((site.backend.data_units().len(), &site.ok("/data_units/").await["count"]), (4, &json!(4)));

    let bad = json!([{"files": {"video_9": 1}}, unit(X, json!({"files": {}})), unit(X, json!({"meta": 1}))]);
    let (status, errors) = site.send("POST", "/data_units/", &bad).await;
    assert_eq!(status, 400);
    assert_eq!(errors[0]["data_collection"], json!(["This field is required."]));
    assert_eq!(errors[1]["files"], json!(["The file specification \"image_1\" is required."]));
    assert_eq!(errors[2]["meta"], json!(["Expected a dictionary of items but got type \"int\"."]));
    let many: Vec<Value> = (0..1001).map(|_| unit(X, json!({}))).collect();
    assert_eq!(site.send("POST", "/data_units/", &json!(many)).await.0, 400);
    assert_eq!(site.backend.created("data_units").len(), 4);
}

#[tokio::test]
async fn unit_answers_follow_settings() {
    let site = start(Backend::builder().wrapped_data_units(true)).await;
    site.data_file("1.png", b"x").await;
    let made = site.accepted("POST", "/data_units/", &json!([unit(X, json!({}))])).await;
    assert_eq!(made["results"].as_array().unwrap().len(), 1);
    let site = start(Backend::builder().refuse_unknown_checksums(true)).await;
    let (status, errors) = site.send("POST", "/data_units/", &json!([unit("00", json!({}))])).await;
    assert_eq!((status.as_u16(), errors), (400, json!([{"files": ["A checksum is unknown."]}])));
}
