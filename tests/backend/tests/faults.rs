//! Faults apply to the selected requests, as often as set, and with the documented effect.

mod common;

use std::time::Duration;

use common::{client, start};
use reqwest::Method;
use serde_json::json;
use synapse_test_backend::{Backend, Fault};

#[tokio::test]
async fn injected_answer_replaces_response() {
    let site = start(Backend::builder().path_prefix("/api")).await;
    let fault = site.backend.inject(
        Fault::response(503)
            .header("Retry-After", "7")
            .json(r#"{"detail":"later"}"#)
            .on("GET", "/models/")
            .after(1)
            .times(2),
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(site.get("/models/").await.0.as_u16());
    }
    assert_eq!((statuses, fault.hits()), (vec![200, 503, 503, 200], 2));
    assert_eq!(site.get("/ground_truths/").await.0, 200);

    site.backend
        .inject(Fault::proxy_page(502).when(|request| request.headers.contains_key("x-odd")).always());
    let response = site
        .request(Method::POST, "/models/")
        .header("X-Odd", "1")
        .body(vec![0; 1_000_000])
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 502);
    assert!(response.text().await.unwrap().contains("<h1>502 Bad Gateway</h1>"));
    assert_eq!(site.get("/models/").await.0, 200);
}

#[tokio::test]
async fn close_faults_send_no_response() {
    let site = start(Backend::builder()).await;
    for fault in [Fault::close(), Fault::close().reset(), Fault::lose_answer(), Fault::lose_answer().reset()]
    {
        site.backend.inject(fault.on("GET", "/models/"));
        assert!(
            client().get(format!("{}/models/", site.backend.url())).send().await.unwrap_err().is_request()
        );
    }
    assert_eq!(site.get("/models/").await.0, 200);
    let statuses: Vec<_> = site.backend.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses.iter().filter(|status| status.is_none()).count(), 4);
}

#[tokio::test]
async fn cut_answer_is_incomplete() {
    let site = start(Backend::builder()).await;
    let url = site.backend.blob_url(1_000_000);
    let whole = site.backend.file_bytes(&url).unwrap();
    for cut in [0, 1, 300_001] {
        site.backend.inject(Fault::cut_answer(cut).on("GET", "/media/"));
        let mut response = site.http.get(&url).send().await.unwrap();
        assert_eq!(response.content_length(), Some(1_000_000));
        let mut got = Vec::new();
        let error = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => got.extend_from_slice(&bytes),
                Ok(None) => panic!("the response ended"),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        assert_eq!(got, whole[..cut as usize]);
    }
    site.backend.inject(Fault::cut_answer(50).on("GET", "/models/"));
    let response = site.request(Method::GET, "/models/").send().await.unwrap();
    assert!(response.content_length().unwrap() > 50 && response.text().await.is_err());
}

#[tokio::test]
async fn stalled_answer_sends_first_bytes() {
    let site = start(Backend::builder()).await;
    site.backend.inject(Fault::stall_answer(10).on("GET", "/media/"));
    let mut response = site.http.get(site.backend.blob_url(1000)).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap().len(), 10);
}

#[tokio::test]
async fn response_body_is_replaced() {
    let site = start(Backend::builder()).await;
    site.backend.inject(
        Fault::replace_body("<p>hello</p>").header("Content-Type", "text/html").on("GET", "/models/"),
    );
    site.backend.inject(
        Fault::edit_json(|page| page["results"][0]["model_type"] = json!("tracking")).on("GET", "/models/"),
    );
    let response = site.request(Method::GET, "/models/").send().await.unwrap();
    assert_eq!(response.headers().get_all("content-type").iter().collect::<Vec<_>>(), ["text/html"]);
    assert_eq!(response.text().await.unwrap(), "<p>hello</p>");
    assert_eq!(site.ok("/models/").await["results"][0]["model_type"], "tracking");
}

#[tokio::test]
async fn held_requests_are_in_flight() {
    let site = start(Backend::builder()).await;
    let held = site.backend.inject(Fault::hold_before().always());
    let ask = |_| tokio::spawn(site.request(Method::GET, "/models/").send());
    let tasks: Vec<_> = (0..5).map(ask).collect();
    held.wait_for_hits(5).await;
    site.backend.wait_for_requests(5).await;
    assert_eq!((site.backend.in_flight(), site.backend.connections()), (5, 5));
    held.release();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(site.backend.peak_in_flight(), 5);
}

#[tokio::test]
async fn server_finishes_after_client_left() {
    let site = start(Backend::builder()).await;
    let id = site.upload(b"x", "9dd4e461268c8034f5c8564e155c67a6").await;
    let held = site.backend.inject(Fault::hold_before().on("POST", "/models/"));
    let body = json!({"name": "x", "model_type": "detection", "project": 123, "chunked_upload": id});
    let task = tokio::spawn(site.request(Method::POST, "/models/").json(&body).send());
    held.wait_for_hits(1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    held.release();
    // A later request on another connection is served after the released one.
    while site.backend.models_created().is_empty() {
        site.ok("/models/").await;
    }
    assert_eq!(site.backend.models_created().len(), 1);
}

#[tokio::test]
async fn only_matching_request_is_delayed() {
    let site = start(Backend::builder().latency(Duration::from_millis(1))).await;
    site.backend.inject(Fault::delay_before(Duration::from_secs(3600)).on("GET", "/models/"));
    let slow = tokio::spawn(site.request(Method::GET, "/models/").send());
    site.backend.wait_for_requests(1).await;
    assert_eq!(site.get("/models/456/").await.0, 200, "only the held request waits");
    assert!(!slow.is_finished());
    site.backend.clear_faults();
    slow.abort();
}
