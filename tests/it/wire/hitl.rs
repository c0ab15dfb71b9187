//! Assignments.

use std::time::{Duration, SystemTime};

use synapse_backend_client::json;
use synapse_backend_client::types::{self, LabelStatus, ReviewStatus};

use super::{Backend, Shapes, assert_free_form, assert_pages, assert_query, assert_shapes};
use crate::support::marker::Failure;

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

const ASSIGNMENT: Shapes<'_> = Shapes {
    full: r#"{
        "id": 3001, "project": 123, "task": {"id": 1001, "tags": [7]}, "user": 5, "reviewer": 6, "data_unit": 2001,
        "assignee": 5, "status_label": "completed", "status_review": "rejected", "is_confirmed": true,
        "is_discarded": false, "data": {"box": [1.50, 2]},
        "file": {"url": "/media/a.png", "is_primary": true, "file_name_original": "a.png"},
        "files": {"image_1": {"url": "/media/a.png"}}, "files_manifest": {"image_1": "/media/a.png"},
        "tags": [7, 8], "metadata": {"round": 2}, "created": "2025-01-31T09:00:00+09:00",
        "created_at": "2025-01-31T09:00:00Z", "modified": "2025-02-01T09:00:00Z", "updated_at": "2025-02-01T09:00:00Z"
    }"#,
    related: &["project", "task", "user", "reviewer", "data_unit", "assignee"],
    open: &["status_label", "status_review"],
    files: &["file", "files", "files_manifest", "data_unit.files"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_assignment_sends_each_parameter() {
    let backend = Backend::of(r#"{"id": 1}"#).await;
    backend.get(backend.client.get_assignment(3001), "/assignments/3001/").await;
    assert_query!(backend, get_assignment(3001), "/assignments/3001/", {
        expand(["task", "data_unit"]) => "expand=task&expand=data_unit",
        fields(["id", "data"]) => "fields=id&fields=data",
        omit(["files"]) => "omit=files",
        url_host("internal") => "url_host=internal",
    });
}

#[tokio::test]
async fn get_assignment_reads_every_shape() {
    let backend = Backend::start().await;
    let assignment = assert_shapes(&backend, || backend.client.get_assignment(3001), ASSIGNMENT).await;
    assert_eq!(assignment.id, 3001);
    assert_eq!((assignment.task.id(), &assignment.task["tags"][0]), (Some(1001), &7.into()));
    assert_eq!((assignment.user.id(), assignment.reviewer.id()), (Some(5), Some(6)));
    assert_eq!(assignment.status_label, Some(LabelStatus::Completed));
    assert_eq!(assignment.status_review, Some(ReviewStatus::Rejected));
    assert_eq!((assignment.is_confirmed, assignment.is_discarded), (Some(true), Some(false)));
    assert_eq!(assignment.file["file_name_original"], "a.png");
}

macro_rules! assert_assignment_filters {
    ($method:ident, $at:expr) => {{
        let backend = Backend::of(PAGE).await;
        backend.get(backend.client.$method(), $at).await;
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_281_600_500);
        assert_query!(backend, $method(), $at, {
            created_gt("2025-01-31T09:00:00+09:00") => "created__gt=2025-01-31T09%3A00%3A00%2B09%3A00",
            created_gte("2025-01-02") => "created__gte=2025-01-02",
            created_lt("2025-01-03") => "created__lt=2025-01-03",
            created_lte(time) => "created__lte=2025-01-31T00%3A00%3A00.5Z",
            created_after("2025-01-01") => "created_after=2025-01-01",
            cursor("cD0x") => "cursor=cD0x",
            expand(["task", "data_unit"]) => "expand=task&expand=data_unit",
            fields(["id"]) => "fields=id",
            groups([8, 9]) => "groups=8&groups=9",
            id(3001) => "id=3001",
            id_gt(1) => "id__gt=1",
            id_gte(2) => "id__gte=2",
            id_in([5, 6]) => "id__in=5&id__in=6",
            id_lt(7) => "id__lt=7",
            id_lte(8) => "id__lte=8",
            ids([1, 2]) => "ids=1%2C2",
            ids_ex([3, 4]) => "ids_ex=3%2C4",
            is_confirmed(true) => "is_confirmed=true",
            is_discard_confirmed(false) => "is_discard_confirmed=false",
            is_discarded(false) => "is_discarded=false",
            label_submitted_gt("2025-01-04") => "label_submitted__gt=2025-01-04",
            label_submitted_gte("2025-01-05") => "label_submitted__gte=2025-01-05",
            label_submitted_lt("2025-01-06") => "label_submitted__lt=2025-01-06",
            label_submitted_lte("2025-01-07") => "label_submitted__lte=2025-01-07",
            labeler_last_action_at_gt("2025-01-08") => "labeler_last_action_at__gt=2025-01-08",
            labeler_last_action_at_gte("2025-01-09") => "labeler_last_action_at__gte=2025-01-09",
            labeler_last_action_at_lt("2025-01-10") => "labeler_last_action_at__lt=2025-01-10",
            labeler_last_action_at_lte("2025-01-11") => "labeler_last_action_at__lte=2025-01-11",
            last_labeled_gt("2025-01-12") => "last_labeled__gt=2025-01-12",
            last_labeled_gte("2025-01-13") => "last_labeled__gte=2025-01-13",
            last_labeled_lt("2025-01-14") => "last_labeled__lt=2025-01-14",
            last_labeled_lte("2025-01-15") => "last_labeled__lte=2025-01-15",
            last_reviewed_gt("2025-01-16") => "last_reviewed__gt=2025-01-16",
            last_reviewed_gte("2025-01-17") => "last_reviewed__gte=2025-01-17",
            last_reviewed_lt("2025-01-18") => "last_reviewed__lt=2025-01-18",
            last_reviewed_lte("2025-01-19") => "last_reviewed__lte=2025-01-19",
            omit(["data"]) => "omit=data",
            ordering("-id") => "ordering=-id",
            page(2) => "page=2",
            page_size(50) => "page_size=50",
            pagination("cursor") => "pagination=cursor",
            project(123) => "project=123",
            response_mode("inline") => "response_mode=inline",
            reviewer_last_action_at_gt("2025-01-20") => "reviewer_last_action_at__gt=2025-01-20",
            reviewer_last_action_at_gte("2025-01-21") => "reviewer_last_action_at__gte=2025-01-21",
            reviewer_last_action_at_lt("2025-01-22") => "reviewer_last_action_at__lt=2025-01-22",
            reviewer_last_action_at_lte("2025-01-23") => "reviewer_last_action_at__lte=2025-01-23",
            reviewers([6]) => "reviewers=6",
            search("a b") => "search=a+b",
            stages([2]) => "stages=2",
            status_label("stand_by") => "status_label=stand_by",
            status_review("skipped") => "status_review=skipped",
            tags([7, 8]) => "tags=7&tags=8",
            task_tags([7, 8]) => "task_tags=7&task_tags=8",
            tasks([1001, 1002]) => "tasks=1001&tasks=1002",
            url_host("internal") => "url_host=internal",
            users([5, 6]) => "users=5&users=6",
            workshop(4) => "workshop=4",
        });
        // The manual's filters have no setter.
        let call = backend.client.$method().param("priority", 3).param("updated_after", "2025-01-01");
        backend.get(call, concat!($at, "?priority=3&updated_after=2025-01-01")).await;
    }};
}

#[tokio::test]
async fn list_assignments_sends_each_filter() {
    assert_assignment_filters!(list_assignments, "/sdk/assignments/");
}

#[tokio::test]
async fn list_assignments_data_sends_filters() {
    assert_assignment_filters!(list_assignments_data, "/sdk/assignments/data/");
}

#[tokio::test]
async fn list_assignments_files_sends_filters() {
    assert_assignment_filters!(list_assignments_files, "/sdk/assignments/files/");
}

#[tokio::test]
async fn list_assignments_reads_every_page() {
    let backend = Backend::of(ASSIGNMENT.full).await;
    let assignment = backend.output(backend.client.get_assignment(3001)).await;
    assert_pages(&backend, || backend.client.list_assignments(), ASSIGNMENT, &assignment).await;
    let data = Shapes { full: r#"{"id": 3001, "data": {"box": [1.50]}}"#, ..Shapes::NONE };
    let item: types::AssignmentData = serde_json::from_str(data.full).unwrap();
    assert_eq!((item.id, item.data.text(), item.extra.len()), (3001, r#"{"box": [1.50]}"#, 0));
    assert_pages(&backend, || backend.client.list_assignments_data(), data, &item).await;
    let files = Shapes { full: r#"{"id": 3001, "files": [{"url": "/media/a.png"}]}"#, ..Shapes::NONE };
    let item: types::AssignmentFiles = serde_json::from_str(files.full).unwrap();
    assert_eq!((item.id, &item.files[0]["url"], item.extra.len()), (3001, &"/media/a.png".into(), 0));
    assert_pages(&backend, || backend.client.list_assignments_files(), files, &item).await;
}

#[tokio::test]
async fn set_tags_assignments_sends_ids_and_tags() {
    let backend = Backend::of("{}").await;
    let client = &backend.client;
    let call = client.set_tags_assignments(|b| b.ids([3001, 3002]).tags([7]).action("remove"));
    let body = r#"{"action":"remove","ids":[3001,3002],"tags":[7]}"#;
    backend.send(call, "POST /assignments/set_tags/", body).await;
    let call = client.set_tags_assignments(|b| b.ids([1]).tags([7]).extra([("note", json!(1))]));
    let body = r#"{"action":"add","ids":[1],"tags":[7],"note":1}"#;
    let line = "POST /assignments/set_tags/?replace=false";
    backend.send(call.params(|p| p.replace(false)), line, body).await;
    let error = client.set_tags_assignments(|b| b.ids([1])).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`tags`"), "{error}");
    backend.assert_nothing_sent();
    assert_free_form(&backend, || client.set_tags_assignments(|b| b.ids([1]).tags([7]))).await;
}
