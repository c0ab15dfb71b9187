//! Assignments, cursors on request, and `data` that is stored away.

mod common;

use common::{client, ids, read, start};
use serde_json::json;
use synapse_test_backend::Backend;

const FIRST: i64 = Backend::FIRST_ASSIGNMENT;

#[tokio::test]
async fn assignment_filters_select_matches() {
    let site = start(Backend::builder().assignments(40).tasks(40)).await;
    let list = async |query: &str| ids(&site.ok(&format!("/sdk/assignments/?{query}")).await);
    assert_eq!(list("workshop=5001").await.len(), 10);
    assert_eq!(list("workshops=5001").await.len(), 40, "the plural is no filter of assignments");
    assert_eq!(list("tasks=100001&tasks=100002").await, [FIRST, FIRST + 1]);
    assert_eq!(list("task=100001").await.len(), 40, "the singular is no filter");
    assert_eq!(list("users=6001").await.len(), 5);
    assert_eq!(list("status_label=completed&status_review=stand_by").await, [FIRST + 10, FIRST + 30]);
    assert_eq!(list("is_confirmed=true&is_discarded=false").await.len(), 20);
    assert_eq!(list("created_after=2030-01-01").await.len(), 40);
    assert_eq!(list("last_labeled__lt=2000-01-01").await.len(), 0);
    assert_eq!(list("ordering=-id&id__lt=200005").await, [200_004, 200_003, 200_002, 200_001]);
}

#[tokio::test]
async fn assignment_forms_agree() {
    let site = start(Backend::builder()).await;
    let one = site.ok(&format!("/assignments/{}/?expand=task,user", FIRST + 1)).await;
    assert_eq!(one["task"], json!({"id": 100_002, "tags": []}));
    assert_eq!(one["user"]["id"], 6002);
    assert_eq!(one["file"]["name"], "text_1");
    let data = site.ok("/sdk/assignments/data/?id=200002").await;
    assert_eq!(data["results"][0], json!({"id": FIRST + 1, "data": one["data"]}));
    let files = site.ok("/sdk/assignments/files/?id=200002").await;
    assert_eq!(files["results"][0]["files"][0]["checksum"], one["file"]["checksum"]);
    let set = json!({"ids": [FIRST], "tags": [3002]});
    site.accepted("POST", "/assignments/set_tags/", &set).await;
    assert_eq!(site.backend.assignment(FIRST).unwrap()["tags"], json!([3002]));
    assert_eq!(site.get("/assignments/1/").await.0, 404);
}

#[tokio::test]
async fn cursors_only_on_request() {
    let site = start(Backend::builder().assignments(25).tasks(25).ground_truth_events(25)).await;
    for (path, key) in
        [("/sdk/tasks/", "id"), ("/sdk/assignments/", "id"), ("/sdk/ground_truth_events/", "pgh_id")]
    {
        let numbered = site.all_ids(&format!("{path}?page_size=10")).await;
        let query = format!("{path}?page_size=10&pagination=cursor&ordering=-{key}");
        let first = site.ok(&query).await;
        assert!(first.get("count").is_none() && first["next"].as_str().unwrap().contains("cursor="));
        let mut newest = site.all_ids(&query).await;
        newest.reverse();
        assert_eq!(newest, numbered, "{path}");
        assert_eq!(site.get(&format!("{path}?pagination=cursor&ordering=created")).await.0, 400);
        assert_eq!(site.get(&format!("{path}?pagination=cursor")).await.0, 400);
    }
    assert_eq!(site.ok("/sdk/tasks/data/?pagination=cursor").await["count"], 25);
    let site = start(Backend::builder().older_sdk_lists(true)).await;
    assert_eq!(site.ok("/sdk/tasks/?pagination=cursor&ordering=-id").await["count"], 200);
}

#[tokio::test]
async fn new_items_move_no_cursor() {
    let site = start(Backend::builder().tasks(6)).await;
    let page = site.ok("/sdk/tasks/?page_size=3&pagination=cursor&ordering=-id").await;
    assert_eq!(ids(&page), [100_006, 100_005, 100_004]);
    site.accepted("POST", "/tasks/", &json!({"project": 123, "data_unit": 300_001})).await;
    let next = page["next"].as_str().unwrap().strip_prefix(site.backend.url()).unwrap().to_owned();
    assert_eq!(ids(&site.ok(&next).await), [100_003, 100_002, 100_001]);
}

#[tokio::test]
async fn stored_data_has_expiring_url() {
    let site = start(Backend::builder().inline_data_limit(0)).await;
    for path in ["/sdk/tasks/", "/sdk/assignments/", "/sdk/ground_truth_events/"] {
        let whole = site.ok(&format!("{path}?page_size=2")).await["results"][1]["data"].clone();
        let page = site.ok(&format!("{path}?page_size=2&response_mode=presigned")).await;
        let wrapper = &page["results"][1]["data"];
        assert_eq!(wrapper["mode"], "presigned", "{path}");
        let url = wrapper["presigned_url"].as_str().unwrap();
        let response = client().get(url).send().await.unwrap();
        let text = response.text().await.unwrap();
        assert_eq!(wrapper["size"], text.len());
        assert_eq!(wrapper["data_digest"].as_str().unwrap().len(), 64);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), whole);
        let inline = site.ok(&format!("{path}?page_size=2&response_mode=inline")).await;
        assert_eq!(inline["results"][1]["data"]["truncated"], true);

        let forged = url.replace("Signature=", "Signature=0");
        assert_eq!(read(client().get(forged).send().await.unwrap()).await.0, 403);
        site.backend.expire_presigned_urls();
        let (status, body) = read(client().get(url).send().await.unwrap()).await;
        assert!(status == 403 && body.as_str().unwrap().contains("<Code>AccessDenied</Code>"));
    }
    let site = start(Backend::builder()).await;
    let page = site.ok("/sdk/tasks/?page_size=1&response_mode=inline").await;
    let data = &page["results"][0]["data"];
    assert!(data["mode"] == "inline" && data["annotations"].is_object() && data.get("truncated").is_none());
}
