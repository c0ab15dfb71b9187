//! Filters select items. All invalid values are reported at once; unknown filters are ignored.

mod common;

use common::{ids, start};
use serde_json::{Value, json};
use synapse_test_backend::Backend;

fn all(page: &Value, holds: impl Fn(&Value) -> bool) -> bool {
    let results = page["results"].as_array().expect("results");
    !results.is_empty() && results.iter().all(holds)
}

#[tokio::test]
async fn model_filters_select_matches() {
    let site = start(Backend::builder().models(30)).await;
    let list = async |query: &str| site.ok(&format!("/models/?{query}")).await;
    assert!(all(&list("project=124").await, |m| m["project"] == 124));
    for kind in ["classification", "detection", "segmentation"] {
        assert!(all(&list(&format!("model_type={kind}")).await, |m| m["model_type"] == kind));
    }
    let (on, off) = (list("is_active=true").await, list("is_active=False").await);
    assert!(all(&on, |m| m["is_active"] == true) && all(&off, |m| m["is_active"] == false));
    assert_eq!(ids(&on).len() + ids(&off).len(), 30);
    assert!(all(&list("search=yolo").await, |m| m["name"].as_str().unwrap().contains("YOLO")));
    assert_eq!(ids(&list("search=%EC%98%81%EC%97%AD,segformer").await).len(), 10);

    let tenth = list("").await["results"][9].clone();
    let since = form(&tenth["created_at"]);
    assert_eq!(ids(&list(&format!("created_after={since}")).await).len(), 21);
    assert_eq!(ids(&list("whatever=1&is_active=maybe&project=").await).len(), 30);
    assert_eq!(ids(&list("project=9").await).len(), 0);
}

fn form(time: &Value) -> String {
    time.as_str().expect("a time").replace('+', "%2B")
}

#[tokio::test]
async fn event_filters_select_matches() {
    let site = start(Backend::builder().ground_truth_events(2000)).await;
    let list =
        async |query: &str| site.ok(&format!("/sdk/ground_truth_events/?page_size=1000&{query}")).await;
    let two = list("ground_truth_dataset_versions=124&ground_truth_dataset_versions=125").await;
    assert!(
        all(&two, |e| e["ground_truth_dataset_version"] == 124 || e["ground_truth_dataset_version"] == 125)
    );
    let mut sum = 0;
    for version in [124, 125] {
        let one = list(&format!("ground_truth_dataset_versions={version}")).await;
        let reported = site.ok(&format!("/ground_truth_dataset_versions/{version}/")).await;
        assert_eq!(one["count"], reported["event_count"]);
        assert_eq!(one["count"], reported["statistics"]["total"]);
        sum += one["count"].as_u64().unwrap();
    }
    assert_eq!(two["count"], sum);
    assert!(all(&list("project=124").await, |e| e["project"] == 124));
    assert!(all(&list("data_type=text").await, |e| e["data_type"] == "text"));
    assert_eq!(list("data_type=smell").await["count"], 0);
    assert!(all(&list("search=%EB%B3%B4%ED%96%89%EC%9E%90").await, |e| e["data"]
        .to_string()
        .contains("보행자")));
    let last = site.backend.event(Backend::FIRST_EVENT + 1999).unwrap();
    assert_eq!(ids(&list(&format!("created_after={}", form(&last["created_at"]))).await), [3000]);
    let both = list("data_type=image&ground_truth_dataset_versions=126&created_after=2026-06-30").await;
    assert!(all(&both, |e| e["data_type"] == "image" && e["ground_truth_dataset_version"] == 126));
}

#[tokio::test]
async fn ground_truth_filters_select_matches() {
    let site = start(Backend::builder()).await;
    let page = site.ok("/ground_truths/?ground_truth_dataset=8&page_size=1000").await;
    assert!(all(&page, |g| g["ground_truth_dataset"] == 8 && g["files"]["data_meta_1"]["url"].is_string()));
    let versions = site.ok("/ground_truth_dataset_versions/?ground_truth_dataset=7").await;
    assert_eq!(ids(&versions), [123, 125]);
    assert_eq!(ids(&site.ok("/ground_truth_dataset_versions/?is_archived=true").await), [126]);
    assert_eq!(ids(&site.ok("/ground_truth_dataset_versions/?is_archived=false").await), [123, 124, 125]);
}

#[tokio::test]
async fn event_forms_agree() {
    let site = start(Backend::builder().ground_truth_events(300)).await;
    let full = site.ok("/sdk/ground_truth_events/?page_size=300").await;
    let data = site.ok("/sdk/ground_truth_events/data/?page_size=300").await;
    let files = site.ok("/sdk/ground_truth_events/files/?page_size=300").await;
    let mut annotated = 0;
    for ((full, data), files) in full["results"]
        .as_array()
        .unwrap()
        .iter()
        .zip(data["results"].as_array().unwrap())
        .zip(files["results"].as_array().unwrap())
    {
        assert_eq!(data, &json!({"id": full["id"], "data": full["data"]}));
        let named = full["files"].as_object().unwrap();
        let listed = files["files"].as_array().unwrap();
        assert_eq!(named.len(), listed.len());
        assert!(listed.iter().all(|file| named[file["name"].as_str().unwrap()]["size"] == file["size"]));
        annotated += usize::from(named.contains_key("data_meta_1"));
    }
    assert!((1..300).contains(&annotated), "{annotated}");
    let size = full.to_string().len() / 300;
    assert!((800..1800).contains(&size), "an event has {size} bytes");
}

#[tokio::test]
async fn bad_filter_values_are_rejected() {
    let site = start(Backend::builder()).await;
    let (status, body) = site.get("/models/?project=x&created_after=soon&model_type=tracking").await;
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!({
            "project": ["Enter a number."],
            "model_type": ["Select a valid choice. tracking is not one of the available choices."],
            "created_after": ["Enter a valid date/time."],
        })
    );
    // An unencoded plus in an offset is decoded as a space.
    let (status, _) = site.get("/models/?created_after=2025-01-31T09:00:00+09:00").await;
    assert_eq!(status, 400);
    for (value, message) in [
        ("123,124", "“123,124” is not a valid value."),
        ("9", "Select a valid choice. 9 is not one of the available choices."),
    ] {
        let (status, body) =
            site.get(&format!("/sdk/ground_truth_events/?ground_truth_dataset_versions={value}")).await;
        assert_eq!((status.as_u16(), body), (400, json!({"ground_truth_dataset_versions": [message]})));
    }
}

#[tokio::test]
async fn same_seed_gives_same_data() {
    let builder = Backend::builder().signed_urls(false).relative_urls(true);
    let (one, two) = (start(builder.clone()).await, start(builder.clone()).await);
    let other = start(builder.seed(1)).await;
    for path in
        ["/models/", "/sdk/ground_truth_events/", "/ground_truths/", "/ground_truth_dataset_versions/"]
    {
        let (one, two, other) = (one.ok(path).await, two.ok(path).await, other.ok(path).await);
        assert_eq!(one["results"], two["results"], "{path}");
        assert_ne!(one["results"], other["results"], "{path}");
    }
}
