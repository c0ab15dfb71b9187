//! Chunked uploads: success and every failure.

mod common;

use common::{read, start};
use reqwest::Method;
use serde_json::{Value, json};
use synapse_test_backend::{Backend, Fault};

const MD5_HELLO_WORLD: &str = "5eb63bbbe01eeed093cb22bb8f5acdc3";

#[tokio::test]
async fn chunks_become_a_model() {
    let site = start(Backend::builder()).await;
    let (status, first) = site.put(None, "bytes 0-5/11", b"hello ").await;
    assert_eq!(
        (status.as_u16(), &first["offset"], &first["filename"]),
        (200, &json!(6), &json!("모델 1.pt"))
    );
    let fields: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["completed_at", "created_at", "file", "filename", "id", "offset", "status", "url", "user"]
    );
    let id = first["id"].as_str().unwrap();
    assert_eq!(first["url"], format!("{}/chunked_upload/{id}/", site.backend.url()));
    assert_eq!(site.put(Some(id), "bytes 6-10/11", b"world").await.1["offset"], 11);
    assert_eq!(site.ok(&format!("/chunked_upload/{id}/")).await["completed_at"], Value::Null);

    let path = format!("/chunked_upload/{id}/");
    let md5 = json!({"md5": MD5_HELLO_WORLD}).to_string();
    let (status, done) = site.post(&path, &md5).await;
    assert_eq!((status.as_u16(), &done["status"], done["completed_at"].is_string()), (200, &json!(2), true));
    let twice = json!({"detail": "Upload has already been marked as \"complete\""});
    assert_eq!(site.post(&path, &md5).await, (400.try_into().unwrap(), twice.clone()));
    assert_eq!(site.put(Some(id), "bytes 11-11/12", b"!").await, (400.try_into().unwrap(), twice));
    assert_eq!(site.backend.accepted_ranges(id), [0..6, 6..11]);
    assert_eq!(site.backend.completions(id), 1);

    let body = json!({
        "name": "모델", "model_type": "detection", "project": 123, "chunked_upload": id, "metrics": {"z": 1e3, "a": 12345678901234567890_u64},
    });
    let (status, model) = site.post("/models/", &body.to_string()).await;
    assert_eq!(status, 201, "{model}");
    assert_eq!(
        (&model["metrics"], &model["is_active"], &model["description"]),
        (&body["metrics"], &json!(true), &Value::Null)
    );
    let url = model["file"].as_str().unwrap();
    assert_eq!(&site.http.get(url).send().await.unwrap().bytes().await.unwrap()[..], b"hello world");
    assert_eq!(site.backend.file_bytes(url).unwrap(), &b"hello world"[..]);
    assert_eq!(std::fs::read(site.backend.uploaded_file(id).unwrap()).unwrap(), b"hello world");
    assert_eq!(site.ok(&format!("/models/{}/", model["id"])).await["name"], "모델");
    let (status, again) = site.post("/models/", &body.to_string()).await;
    assert_eq!(
        (status.as_u16(), again),
        (400, json!({"chunked_upload": ["The upload has already been used."]}))
    );
    assert_eq!(site.backend.models_created(), [model["id"].as_i64().unwrap()]);
}

#[tokio::test]
async fn invalid_chunks_are_rejected() {
    let site = start(Backend::builder().max_file_bytes(1000)).await;
    for (range, chunk, detail) in [
        ("bytes 0-5", &b"hello "[..], json!("Error in request headers")),
        ("bytes=0-5/6", b"hello ", json!("Error in request headers")),
        ("bytes 0-9/5", b"0123456789", json!("End of chunk exceeds reported total (5 bytes)")),
        ("bytes 0-5/9999", b"hello ", json!("Size of file exceeds the limit (1000 bytes)")),
        ("bytes 0-4/6", b"hello ", json!("File size doesn't match headers: file size is 6 but 5 reported")),
        ("bytes 0-0/1", b"", json!("File size doesn't match headers: file size is 0 but 1 reported")),
        ("bytes 1-0/1", b"", json!({"file": ["The submitted file is empty."]})),
    ] {
        let (status, body) = site.put(None, range, chunk).await;
        assert_eq!((status.as_u16(), body), (400, json!({"detail": detail})), "{range}");
    }
    let request = site
        .request(Method::PUT, "/chunked_upload/")
        .multipart(reqwest::multipart::Form::new().text("filename", "x"));
    assert_eq!(read(request.send().await.unwrap()).await.1, json!({"detail": "No chunk file was submitted"}));
    let part = reqwest::multipart::Part::bytes(&b"x"[..]).file_name("file");
    let form = reqwest::multipart::Form::new().part("file", part);
    let request =
        site.request(Method::PUT, "/chunked_upload/").header("Content-Range", "bytes 0-0/1").multipart(form);
    assert_eq!(
        read(request.send().await.unwrap()).await.1,
        json!({"detail": {"filename": ["This field is required."]}})
    );
    assert!(site.backend.upload_ids().is_empty());

    let (_, upload) = site.put(None, "bytes 0-5/11", b"hello ").await;
    let id = upload["id"].as_str().unwrap();
    let path = format!("/chunked_upload/{id}/");
    let mismatch = json!({"detail": "Offsets do not match", "expected_offset": 6, "provided_offset": 0});
    assert_eq!(site.put(Some(id), "bytes 0-5/11", b"hello ").await, (400.try_into().unwrap(), mismatch));
    for (body, detail) in [
        (r#"{"md5":"0"}"#, "checksum does not match"),
        ("{}", "Checksum of type 'md5' is required"),
        (r#"{"md5":null}"#, "Checksum of type 'md5' is required"),
    ] {
        assert_eq!(site.post(&path, body).await, (400.try_into().unwrap(), json!({"detail": detail})));
    }
    let body = json!({"name": "x", "model_type": "detection", "project": 123, "chunked_upload": id});
    let (_, early) = site.post("/models/", &body.to_string()).await;
    assert_eq!(early, json!({"chunked_upload": ["The upload is not completed."]}));

    assert!(site.backend.expire_upload(id));
    let expired = (410.try_into().unwrap(), json!({"detail": "Upload has expired"}));
    assert_eq!(site.put(Some(id), "bytes 6-10/11", b"world").await, expired);
    assert_eq!(site.post(&path, r#"{"md5":"0"}"#).await, expired);
    assert_eq!(site.get(&path).await, expired);
    assert_eq!(site.backend.accepted_ranges(id), vec![0..6; 1]);
}

#[tokio::test]
async fn upload_expires_by_itself() {
    let site = start(Backend::builder().upload_expiry(std::time::Duration::ZERO)).await;
    let (_, upload) = site.put(None, "bytes 0-0/2", b"x").await;
    let (status, _) = site.get(&format!("/chunked_upload/{}/", upload["id"].as_str().unwrap())).await;
    assert_eq!(status, 410);
}

#[tokio::test]
async fn proxy_refuses_large_bodies() {
    let site = start(Backend::builder().max_upload_bytes(10_000)).await;
    let large = vec![7; 5_000_000];
    let response = site.chunk(None, "bytes 0-4999999/5000000", &large).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (413, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(response.text().await.unwrap().contains("nginx"));
    assert_eq!(site.put(None, "bytes 0-999/5000000", &large[..1000]).await.0, 200);
}

#[tokio::test]
async fn broken_chunk_keeps_offset() {
    let site = start(Backend::builder()).await;
    let content: Vec<u8> = (0..400_000_u32).map(|i| (i % 251) as u8).collect();
    let (_, upload) = site.put(None, "bytes 0-99999/400000", &content[..100_000]).await;
    let id = upload["id"].as_str().unwrap();
    let cut = site.backend.inject(Fault::cut_request(100_000).on("PUT", "/chunked_upload/").reset());
    assert!(site.chunk(Some(id), "bytes 100000-399999/400000", &content[100_000..]).send().await.is_err());
    assert_eq!(cut.hits(), 1);
    assert_eq!(site.ok(&format!("/chunked_upload/{id}/")).await["offset"], 100_000);

    // The client disconnects while the application reads a chunk.
    let endless = reqwest::Body::wrap_stream(futures_util::stream::iter([
        Ok::<_, std::io::Error>(multipart_head()),
        Ok(content[100_000..250_000].to_vec()),
        Err(std::io::Error::other("gone")),
    ]));
    let request = site
        .request(Method::PUT, &format!("/chunked_upload/{id}/"))
        .header("Content-Range", "bytes 100000-399999/400000")
        .header("Content-Type", "multipart/form-data; boundary=edge")
        .body(endless);
    assert!(request.send().await.is_err());
    assert_eq!(site.ok(&format!("/chunked_upload/{id}/")).await["offset"], 100_000);
    assert_eq!(
        site.put(Some(id), "bytes 100000-399999/400000", &content[100_000..]).await.1["offset"],
        400_000
    );
    assert_eq!(std::fs::read(site.backend.uploaded_file(id).unwrap()).unwrap(), content);
    assert_eq!(site.backend.accepted_ranges(id), [0..100_000, 100_000..400_000]);
}

fn multipart_head() -> Vec<u8> {
    b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\n".to_vec()
}

#[tokio::test]
async fn multipart_fields_in_any_order() {
    let site = start(Backend::builder()).await;
    let mut body = multipart_head();
    body.extend_from_slice(
        "hello\r\n--edge\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n가중치.pt\r\n--edge--\r\n".as_bytes(),
    );
    let request = site
        .request(Method::PUT, "/chunked_upload/")
        .header("Content-Range", "bytes 0-4/5")
        .header("Content-Type", "multipart/form-data; boundary=edge")
        .body(body);
    let (status, upload) = read(request.send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &upload["filename"]), (200, &json!("가중치.pt")));
}

#[tokio::test]
async fn lost_answer_shows_in_upload_state() {
    let site = start(Backend::builder()).await;
    let (_, upload) = site.put(None, "bytes 0-5/11", b"hello ").await;
    let id = upload["id"].as_str().unwrap();
    site.backend.inject(Fault::lose_answer().on("PUT", "/chunked_upload/"));
    assert!(site.chunk(Some(id), "bytes 6-10/11", b"world").send().await.is_err());
    let (status, body) = site.put(Some(id), "bytes 6-10/11", b"world").await;
    assert_eq!((status.as_u16(), &body["expected_offset"]), (400, &json!(11)));
    site.backend.inject(Fault::lose_answer().on("POST", "/chunked_upload/"));
    let path = format!("/chunked_upload/{id}/");
    let body = json!({"md5": MD5_HELLO_WORLD}).to_string();
    let request = site.request(Method::POST, &path).header("Content-Type", "application/json").body(body);
    assert!(request.send().await.is_err());
    assert!(site.ok(&path).await["completed_at"].is_string());
}

#[tokio::test]
async fn whole_file_in_one_post() {
    let site = start(Backend::builder()).await;
    let file = reqwest::multipart::Part::bytes(&b"hello world"[..]).file_name("file");
    let form =
        reqwest::multipart::Form::new().text("filename", "x").text("md5", MD5_HELLO_WORLD).part("file", file);
    let request = site.request(Method::POST, "/chunked_upload/").multipart(form);
    let (status, upload) = read(request.send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &upload["status"]), (200, &json!(2)));
    let file = format!("{}{}", site.backend.url(), upload["file"].as_str().unwrap());
    assert_eq!(site.http.get(file).send().await.unwrap().text().await.unwrap(), "hello world");
}
