//! Pages by number and by cursor: size caps, pages past the end, and links.

mod common;

use common::{ids, start};
use serde_json::{Value, json};
use synapse_test_backend::Backend;

#[tokio::test]
async fn next_links_cover_whole_list() {
    let site = start(Backend::builder().ground_truth_events(250)).await;
    let mut next = Some(format!("{}/sdk/ground_truth_events/?page_size=100&note=a%20b", site.backend.url()));
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(url) = next {
        let path = url.strip_prefix(site.backend.url()).expect("a link to this server").to_owned();
        let page = site.ok(&path).await;
        assert_eq!(page["count"], 250);
        seen.extend(ids(&page));
        pages += 1;
        next = page["next"].as_str().map(str::to_owned);
        assert!(next.as_ref().is_none_or(|url| url.contains("page_size=100&note=a+b&page=")), "{next:?}");
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, (Backend::FIRST_EVENT..Backend::FIRST_EVENT + 250).collect::<Vec<_>>());

    let second = site.ok("/sdk/ground_truth_events/?page=2&page_size=100").await;
    let previous = format!("{}/sdk/ground_truth_events/?page_size=100", site.backend.url());
    assert_eq!(second["previous"], previous, "the link to the first page has no number");
    let third = site.ok("/sdk/ground_truth_events/?page=last").await;
    assert_eq!((ids(&third).len(), &third["next"]), (50, &Value::Null));
}

#[tokio::test]
async fn page_size_capped_and_odd_ignored() {
    let site = start(Backend::builder().ground_truth_events(500).max_page_size(120).page_size(30)).await;
    for (query, size) in [
        ("", 30),
        ("?page_size=50", 50),
        ("?page_size=5000", 120),
        ("?page_size=0", 30),
        ("?page_size=-1", 30),
        ("?page_size=x", 30),
    ] {
        let page = site.ok(&format!("/sdk/ground_truth_events/data/{query}")).await;
        assert_eq!(ids(&page).len(), size, "{query}");
    }
}

#[tokio::test]
async fn missing_page_is_404() {
    let site = start(Backend::builder().models(5)).await;
    for page in ["0", "2", "-1", "abc", "1.0"] {
        let (status, body) = site.get(&format!("/models/?page={page}")).await;
        assert_eq!((status.as_u16(), body), (404, json!({"detail": "Invalid page."})), "{page}");
    }
    let site = start(Backend::builder().models(0)).await;
    assert_eq!(site.ok("/models/").await, json!({"count": 0, "next": null, "previous": null, "results": []}));
}

#[tokio::test]
async fn cursor_pages_have_no_count() {
    let site = start(Backend::builder().ground_truth_events(25).page_size(10).cursor_pagination(true)).await;
    let mut page = site.ok("/sdk/ground_truth_events/").await;
    let mut seen = ids(&page);
    while let Some(next) = page["next"].as_str() {
        assert!(page.get("count").is_none() && next.contains("cursor="), "{next}");
        let path = next.strip_prefix(site.backend.url()).expect("a link to this server").to_owned();
        page = site.ok(&path).await;
        assert!(page["previous"].is_string());
        seen.extend(ids(&page));
    }
    assert_eq!(seen.len(), 25);
    let (status, body) = site.get("/sdk/ground_truth_events/?cursor=nonsense").await;
    assert_eq!((status.as_u16(), body), (404, json!({"detail": "Invalid cursor"})));
}

#[tokio::test]
async fn links_use_host_or_public_url() {
    let site = start(Backend::builder().path_prefix("/api/v1")).await;
    let request =
        site.request(reqwest::Method::GET, "/models/?page_size=1").header("Host", "synapse.example");
    let (_, page) = common::read(request.send().await.unwrap()).await;
    assert_eq!(page["next"], "http://synapse.example/api/v1/models/?page_size=1&page=2");

    let site = start(Backend::builder().public_url("https://public.example/behind/")).await;
    let page = site.ok("/models/?page_size=1").await;
    assert_eq!(page["next"], "https://public.example/behind/models/?page_size=1&page=2");
    assert!(
        page["results"][0]["file"]
            .as_str()
            .unwrap()
            .starts_with("https://public.example/behind/media/models/")
    );
}

#[tokio::test]
async fn million_events_served_at_once() {
    let site = start(Backend::builder().ground_truth_events(1_000_000)).await;
    let page = site.ok("/sdk/ground_truth_events/?page=1000&page_size=1000").await;
    assert_eq!(page["count"], 1_000_000);
    assert_eq!(ids(&page).last(), Some(&(Backend::FIRST_EVENT + 999_999)));
}
