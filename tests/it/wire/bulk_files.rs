//! Files uploaded to presigned URLs: asking for the URLs, and confirming the uploads.

use std::time::{Duration, SystemTime};

use synapse_backend_client::types::{PresignedFileRequest, UploadedFile, UploadedPart, UploadedParts};

use super::{Backend, HasExtra, not_null};
use crate::support::marker::Failure;

const UPLOAD: &str = "POST /data_files/presigned_upload/upload/";
const CONFIRM: &str = "POST /data_files/presigned_upload/confirm_upload/";

const UPLOADS: &str = r#"{
    "files": [
        {"filename": "a.png", "file_key": "k/1", "presigned_url": "https://s3/a?sig=m4rk3r"},
        {"filename": "a.png", "file_key": "k/2", "presigned_url": null, "multipart": {
            "upload_id": "2~Vm", "part_size": 16777216, "parts": [
                {"part_number": 1, "presigned_url": "https://s3/b?partNumber=1&sig=m4rk3r"},
                {"part_number": 2, "presigned_url": "https://s3/b?partNumber=2&sig=m4rk3r"}
            ]
        }},
        {"file_key": "k/3", "presigned_url": "https://s3/c", "multipart": null, "newer": {"a": 1.50}}
    ],
    "expires_at": "2025-01-31T09:00:00Z"
}"#;

#[tokio::test]
async fn request_presigned_upload_sends_files() {
    let backend = Backend::of(UPLOADS).await;
    let client = &backend.client;
    let files = [
        PresignedFileRequest::builder()
            .filename("고양이.png")
            .size(52_428_800_000_i64)
            .content_type("image/png"),
        PresignedFileRequest::builder().filename("b").size(1),
        PresignedFileRequest::builder().filename("c").size(2).content_type_null(),
    ];
    let call = client.request_presigned_upload(|b| b.files(files).expiration(60));
    let body = [
        r#"{"expiration":60,"files":[{"content_type":"image/png","filename":"고양이.png","size":52428800000},"#,
        r#"{"filename":"b","size":1},{"content_type":null,"filename":"c","size":2}]}"#,
    ];
    let upload = backend.send(call, UPLOAD, &body.concat()).await;
    let keys: Vec<&str> = upload.files.iter().map(|file| file.file_key.as_str()).collect();
    assert_eq!(keys, ["k/1", "k/2", "k/3"]);
    let file = PresignedFileRequest::builder().filename("b").size(1);
    let call = client.request_presigned_upload(|b| b.files([file]));
    backend.send(call, UPLOAD, r#"{"files":[{"filename":"b","size":1}]}"#).await;
}

#[tokio::test]
async fn presigned_urls_are_read_in_order() {
    let backend = Backend::of(UPLOADS).await;
    let file = || PresignedFileRequest::builder().filename("b").size(1);
    let call = || backend.client.request_presigned_upload(|b| b.files([file()]));
    let upload = backend.output(call()).await;
    let [single, parts, newer] = upload.files.as_slice() else { panic!("{} files", upload.files.len()) };
    assert_eq!(single.presigned_url.as_deref(), Some("https://s3/a?sig=m4rk3r"));
    assert!(single.multipart.is_none() && parts.presigned_url.is_none());
    let multipart = parts.multipart.as_ref().unwrap();
    assert_eq!((multipart.upload_id.as_str(), multipart.part_size), ("2~Vm", 16_777_216));
    let numbers: Vec<i64> = multipart.parts.iter().map(|part| part.part_number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(multipart.parts[1].presigned_url.as_str(), "https://s3/b?partNumber=2&sig=m4rk3r");
    assert!(newer.multipart.is_none() && newer.filename.is_none());
    assert_eq!(newer.extra["newer"].text(), r#"{"a": 1.50}"#);
    let expires = upload.expires_at.as_ref().unwrap().to_system_time();
    assert_eq!(expires, Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(1_738_314_000)));
    assert!(upload.extra().is_empty() && single.extra.is_empty() && multipart.extra.is_empty());
    for text in [r#"{"files": []}"#, r#"{"files": [], "expires_at": null}"#] {
        backend.answer(200, text);
        let upload = backend.output(call()).await;
        assert!(upload.files.is_empty() && upload.expires_at.is_none() && upload.extra().is_empty());
    }
}

#[tokio::test]
async fn confirm_presigned_upload_sends_parts() {
    let backend = Backend::of(r#"{"results": []}"#).await;
    let parts = [
        UploadedPart::builder().part_number(1).etag(r#""9e107d9d""#),
        UploadedPart::builder().part_number(2).etag("unquoted"),
    ];
    let multipart = UploadedParts::builder().upload_id("2~Vm").parts(parts);
    let multipart: UploadedParts = multipart.try_into().unwrap();
    let files = [
        UploadedFile::builder().file_key("k/1").checksum("2fd4e1c6").size(10),
        UploadedFile::builder().file_key("k/2").checksum("aa").size(52_428_800_000_i64).multipart(multipart),
    ];
    let call = backend.client.confirm_presigned_upload(|b| b.files(files));
    let body = [
        r#"{"files":[{"checksum":"2fd4e1c6","file_key":"k/1","size":10},"#,
        r#"{"checksum":"aa","file_key":"k/2","multipart":{"parts":[{"etag":"\"9e107d9d\"","part_number":1},"#,
        r#"{"etag":"unquoted","part_number":2}],"upload_id":"2~Vm"},"size":52428800000}]}"#,
    ];
    backend.send(call, CONFIRM, &body.concat()).await;
}

#[tokio::test]
async fn confirmed_uploads_have_a_result_each() {
    let text = r#"{
        "results": [
            {"file_key": "k/1", "checksum": "2fd4", "data_file_id": 4001, "success": true, "created": true, "error": null},
            {"file_key": "k/2", "checksum": "aa", "data_file_id": null, "success": false, "error": "no such upload"},
            {}, {"newer": 1}
        ],
        "created_count": 1, "failed_count": 3
    }"#;
    let backend = Backend::of(text).await;
    let file = || UploadedFile::builder().file_key("k").checksum("c").size(1);
    let call = || backend.client.confirm_presigned_upload(|b| b.files([file()]));
    let confirmed = backend.output(call()).await;
    let [good, bad, nothing, newer] = confirmed.results.as_slice() else { panic!("{confirmed:?}") };
    assert_eq!((good.file_key.as_deref(), good.checksum.as_deref()), (Some("k/1"), Some("2fd4")));
    assert_eq!((good.data_file_id, good.success, good.created), (Some(4001), Some(true), Some(true)));
    assert_eq!((bad.success, bad.error.as_deref(), bad.created), (Some(false), Some("no such upload"), None));
    assert_eq!((nothing.success, nothing.file_key.as_deref()), (None, None));
    assert_eq!(newer.extra["newer"].text(), "1");
    assert_eq!((confirmed.created_count, confirmed.failed_count), (Some(1), Some(3)));
    assert!(confirmed.extra().is_empty());
    backend.answer(200, r#"{"results": [], "created_count": null, "failed_count": null}"#);
    assert_eq!(not_null(&backend.output(call()).await), serde_json::json!({"results": []}));
}

#[tokio::test]
async fn too_many_files_are_refused() {
    let backend = Backend::start().await;
    let client = &backend.client;
    let named = |number: usize| PresignedFileRequest::builder().filename(number.to_string()).size(1);
    let uploaded = |_| UploadedFile::builder().file_key("k").checksum("c").size(1);
    let errors = [
        client.request_presigned_upload(|b| b.files((0..1001).map(named))).await.failure(),
        client.confirm_presigned_upload(|b| b.files((0..1001).map(uploaded))).await.failure(),
    ];
    for error in errors {
        assert!(error.is_invalid_input() && error.to_string().contains("`files`"), "{error}");
    }
    backend.assert_nothing_sent();
    backend.answer(200, r#"{"files": []}"#);
    let call = client.request_presigned_upload(|b| b.files((0..1000).map(named)));
    assert!(backend.output(call).await.files.is_empty());
}
