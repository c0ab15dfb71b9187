//! The filters that current servers apply to ground-truth events, and the fields that they give.

use synapse_backend_client::types::GroundTruthCategory;

use super::{Backend, Shapes, assert_pages, assert_query};

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

macro_rules! assert_event_filters {
    ($method:ident, $at:expr) => {{
        let backend = Backend::of(PAGE).await;
        backend.get(backend.client.$method(), $at).await;
        assert_query!(backend, $method(), $at, {
            categories(["train", "validation", "test"]) => "categories=train&categories=validation&categories=test",
            category("train") => "category=train",
            classes(["보행자", "a b"]) => "classes=%EB%B3%B4%ED%96%89%EC%9E%90&classes=a+b",
            created_after("2025-01-31T09:00:00+09:00") => "created_after=2025-01-31T09%3A00%3A00%2B09%3A00",
            cursor("cD0x") => "cursor=cD0x",
            data_type("image") => "data_type=image",
            expand("data") => "expand=data",
            fields(["category", "files", "data"]) => "fields=category&fields=files&fields=data",
            ground_truth(1001) => "ground_truth=1001",
            ground_truth_dataset_versions([1, 2]) =>
                "ground_truth_dataset_versions=1&ground_truth_dataset_versions=2",
            ids([1, 2]) => "ids=1%2C2",
            ids_ex([3]) => "ids_ex=3",
            omit(["data"]) => "omit=data",
            ordering("-pgh_id") => "ordering=-pgh_id",
            page(2) => "page=2",
            page_size(100) => "page_size=100",
            pagination("cursor") => "pagination=cursor",
            project(123) => "project=123",
            response_mode("presigned") => "response_mode=presigned",
            search("a b") => "search=a+b",
            task(1001) => "task=1001",
            url_host("internal") => "url_host=internal",
        });
    }};
}

#[tokio::test]
async fn list_events_sends_current_filters() {
    assert_event_filters!(list_ground_truth_events, "/sdk/ground_truth_events/");
}

#[tokio::test]
async fn list_events_data_sends_filters() {
    assert_event_filters!(list_ground_truth_events_data, "/sdk/ground_truth_events/data/");
}

#[tokio::test]
async fn list_events_files_sends_filters() {
    assert_event_filters!(list_ground_truth_events_files, "/sdk/ground_truth_events/files/");
}

#[tokio::test]
async fn current_events_have_their_own_key() {
    let full = r#"{
        "id": 1001, "pgh_id": 9000001, "category": "validation", "classes": ["보행자"], "data": {"box": [1.50]},
        "data_unit": {"id": 31, "files": {"image_1": {"url": "/media/a.png"}}}, "ground_truth_dataset_version": 123,
        "created_at": "2025-01-31T09:00:00Z", "metadata": {"a": 1}, "files": {"image_1": "/media/a.png"}
    }"#;
    let events = Shapes { full, ..Shapes::NONE };
    let backend = Backend::of(&format!(r#"{{"results": [{full}]}}"#)).await;
    let page = backend.output(backend.client.list_ground_truth_events()).await;
    let event = &page.results[0];
    assert_eq!((event.id, event.pgh_id), (1001, Some(9_000_001)));
    assert_eq!(
        (event.category.clone(), &event.classes[0]),
        (Some(GroundTruthCategory::Validation), &"보행자".into())
    );
    assert!(event.extra.is_empty(), "{:?}", event.extra);
    assert_pages(&backend, || backend.client.list_ground_truth_events(), events, event).await;
    backend
        .answer(200, r#"{"results": [{"id": 1, "pgh_id": null, "category": "holdout", "classes": null}]}"#);
    let page = backend.output(backend.client.list_ground_truth_events()).await;
    let event = &page.results[0];
    assert_eq!(
        (event.pgh_id, event.category.as_ref().map(GroundTruthCategory::as_str)),
        (None, Some("holdout"))
    );
    assert!(event.classes.is_null() && event.data_unit.is_null());
}
