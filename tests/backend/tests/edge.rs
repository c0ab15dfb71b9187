//! Rate limits, and what the edge in front of the application refuses.

mod common;

use common::start;
use reqwest::Method;
use synapse_test_backend::{Backend, Fault};

#[tokio::test]
async fn long_query_gets_520() {
    let site = start(Backend::builder()).await;
    let path = |bytes: usize| format!("/sdk/tasks/?ids={}", "1".repeat(bytes - 4));
    let (status, page) = site.get(&path(11_501)).await;
    assert!(status == 520 && page.as_str().unwrap().contains("unknown error"));
    assert_eq!(site.get(&path(11_500)).await.0, 400, "the application sees it: not a number");
    let site = start(Backend::builder().query_limit(None)).await;
    assert_eq!(site.get(&path(11_501)).await.0, 400);
}

#[tokio::test]
async fn scripts_in_uploads_get_403() {
    let site = start(Backend::builder().block_scripts(true)).await;
    let (status, page) = site.data_file("a.js", b"let a = <SCRIPT>;").await;
    assert!(status == 403 && page.as_str().unwrap().starts_with("<html>"));
    assert_eq!(site.data_file("a.txt", b"plain text").await.0, 201);
    let site = start(Backend::builder()).await;
    assert_eq!(site.data_file("a.js", b"<script>").await.0, 201);
}

#[tokio::test]
async fn quota_limits_further_requests() {
    let site = start(Backend::builder()).await;
    let quota = site.backend.inject(Fault::request_quota(2).on("GET", "/sdk/tasks/"));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(site.get("/sdk/tasks/").await.0.as_u16());
    }
    assert_eq!((statuses, quota.hits()), (vec![200, 200, 429, 429], 2));
    quota.remove();
    assert_eq!(site.get("/sdk/tasks/").await.0, 200);
    site.backend.inject(Fault::rate_limited(7));
    let response = site.request(Method::GET, "/jobs/").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    site.backend.inject(Fault::proxy_page(524));
    assert!(site.get("/jobs/").await.1.as_str().unwrap().contains("524 A timeout occurred"));
}
