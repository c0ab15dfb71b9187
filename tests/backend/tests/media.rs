//! Files: whole, as ranges, not modified, and by HEAD.

mod common;

use common::start;
use reqwest::Method;
use synapse_test_backend::Backend;

#[tokio::test]
async fn file_sizes_match_metadata() {
    let site = start(Backend::builder().ground_truth_events(60)).await;
    for event in site.ok("/sdk/ground_truth_events/").await["results"].as_array().unwrap() {
        for (name, file) in event["files"].as_object().unwrap() {
            let url = file["url"].as_str().unwrap();
            let bytes =
                site.http.get(url).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
            assert_eq!(bytes.len() as u64, file["size"].as_u64().unwrap());
            assert_eq!(Some(&bytes), site.backend.file_bytes(url).as_ref());
            assert_eq!(name == "image_1", bytes.starts_with(b"\x89PNG"));
        }
    }
    assert_eq!(
        site.http
            .get(format!("{}/media/data_units/1/image_1.png", site.backend.url()))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn range_requests_return_parts() {
    let site = start(Backend::builder()).await;
    let url = site.backend.blob_url(200_000);
    let whole = site.backend.file_bytes(&url).unwrap();
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=100-199", 100..200),
        ("bytes=70000-", 70_000..200_000),
        ("bytes=-5", 199_995..200_000),
        ("bytes=-999999", 0..200_000),
        ("bytes=199999-300000", 199_999..200_000),
    ] {
        let response = site.http.get(&url).header("Range", range).send().await.unwrap();
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(
            response.headers()["content-range"],
            format!("bytes {}-{}/200000", part.start, part.end - 1).as_str()
        );
        assert_eq!(response.headers()["content-length"], part.len().to_string().as_str());
        assert_eq!(response.bytes().await.unwrap(), whole[part]);
    }
    let response = site.http.get(&url).header("Range", "bytes=200000-").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-range"]),
        (416, &"bytes */200000".parse().unwrap())
    );
    for range in ["bytes=5-2", "bytes=0-1,5-6", "lines=1-2"] {
        assert_eq!(site.http.get(&url).header("Range", range).send().await.unwrap().status(), 200, "{range}");
    }
}

#[tokio::test]
async fn validators_answer_conditional_gets() {
    let site = start(Backend::builder()).await;
    let url = site.backend.blob_url(1000);
    let head = site.http.request(Method::HEAD, &url).send().await.unwrap();
    assert_eq!(
        (&head.headers()["content-length"], &head.headers()["accept-ranges"]),
        (&"1000".parse().unwrap(), &"bytes".parse().unwrap())
    );
    let etag = head.headers()["etag"].clone();
    let ask = async |name: &str, value: &[u8]| {
        let request = site.http.get(&url).header("Range", "bytes=0-9").header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("If-None-Match", etag.as_bytes()).await, 304);
    assert_eq!(ask("If-None-Match", b"\"other\"").await, 206);
    assert_eq!(ask("If-Range", etag.as_bytes()).await, 206);
    assert_eq!(ask("If-Range", b"\"other\"").await, 200);
}
