//! Projects, tasks and their tags.

use std::time::{Duration, SystemTime};

use synapse_backend_client::types::{
    self, AccessLevel, AnnotationAction, AnnotationSchema, Caution, ProjectCategory, ProjectTasks,
    TagCategory, TaskCreate, TaskDataUnit, TasksCreate,
};
use synapse_backend_client::{ErrorKind, Expandable, json};

use super::{Backend, Shapes, assert_free_form, assert_pages, assert_query, assert_shapes, json_of};
use crate::support::marker::Failure;

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;

const PROJECT: Shapes<'_> = Shapes {
    full: r#"{
        "id": 123, "title": "보행자", "description": "streets", "category": "time_series", "data_collection": 12,
        "configuration": {"classification": {"box": 1.50}}, "settings": {"a": [1]}, "caution": "sensitive_content",
        "access_level": "partially_public", "count_max_assignments_per_task": 0, "can_discard": true,
        "enable_workforce": false, "is_archived": false, "tenant": 3, "category_display": "Time series",
        "task_count": 10000, "created": "2025-01-31T09:00:00.123456+09:00", "created_at": "2025-01-31T09:00:00Z",
        "modified": "2025-01-31T09:00:00", "updated_at": "2025-02-01T09:00:00Z"
    }"#,
    related: &["data_collection", "tenant"],
    open: &["category", "caution", "access_level"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_project_is_exact_on_the_wire() {
    let backend = Backend::of(r#"{"id": 123}"#).await;
    backend.get(backend.client.get_project(123), "/projects/123/").await;
    backend.get(backend.client.get_project(i64::MAX), "/projects/9223372036854775807/").await;
}

#[tokio::test]
async fn get_project_reads_every_shape() {
    let backend = Backend::start().await;
    let project = assert_shapes(&backend, || backend.client.get_project(123), PROJECT).await;
    assert_eq!((project.id, project.title.as_deref()), (123, Some("보행자")));
    assert_eq!(project.category, Some(ProjectCategory::TimeSeries));
    assert_eq!(project.caution, Some(Caution::SensitiveContent));
    assert_eq!(project.access_level, Some(AccessLevel::PartiallyPublic));
    assert_eq!((project.data_collection.id(), project.tenant.id()), (Some(12), Some(3)));
    assert_eq!(project.configuration.text(), r#"{"classification": {"box": 1.50}}"#);
    let created = project.created.unwrap().to_system_time().unwrap();
    assert_eq!(created, SystemTime::UNIX_EPOCH + Duration::from_micros(1_738_281_600_123_456));
    // A warning that is empty is no unknown one.
    backend.answer(200, r#"{"id": 1, "caution": ""}"#);
    let plain = backend.output(backend.client.get_project(1)).await;
    assert_eq!(plain.caution, Some(Caution::Blank));
}

const TASK: Shapes<'_> = Shapes {
    full: r#"{
        "id": 1001, "project": 123, "data_unit": 2001, "workshop": 4, "assignment": 3001,
        "data": {"label": "보행자", "box": [1.50, 2], "track": 12345678901234567890}, "meta": {"camera": "front"},
        "schema": "dm_schema_v1", "is_discarded": false, "has_data": true, "status": "in_progress",
        "files": {"image_1": {"url": "/media/a.png", "is_primary": true}}, "files_manifest": {"image_1": "/media/a.png"},
        "tags": [7, {"id": 8, "name": "to check"}], "annotations": [{"id": 1}],
        "created": "2025-01-31T09:00:00+09:00", "created_at": "2025-01-31T09:00:00Z",
        "modified": "2025-02-01T09:00:00Z", "updated_at": "2025-02-01T09:00:00Z"
    }"#,
    related: &["project", "data_unit", "workshop", "assignment"],
    open: &["schema", "status"],
    files: &["files", "files_manifest", "data_unit.files"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_task_sends_each_parameter() {
    let backend = Backend::of(r#"{"id": 1}"#).await;
    backend.get(backend.client.get_task(1001), "/tasks/1001/").await;
    assert_query!(backend, get_task(1001), "/tasks/1001/", {
        expand(["data_unit", "assignment", "workshop", "annotations"]) =>
            "expand=data_unit&expand=assignment&expand=workshop&expand=annotations",
        fields(["id", "data", "data_unit"]) => "fields=id&fields=data&fields=data_unit",
        include_annotations(true) => "include_annotations=true",
        omit(["files"]) => "omit=files",
        url_host("internal") => "url_host=internal",
    });
    let call = backend.client.get_task(1).params(|p| p.include_annotations(false).expand("data_unit"));
    backend.get(call, "/tasks/1/?expand=data_unit&include_annotations=false").await;
    // One comma-joined value is sent as it is, encoded.
    let call = backend.client.get_task(1).params(|p| p.fields("id,data"));
    backend.get(call, "/tasks/1/?fields=id%2Cdata").await;
}

#[tokio::test]
async fn get_task_reads_every_shape() {
    let backend = Backend::start().await;
    let task = assert_shapes(&backend, || backend.client.get_task(1001), TASK).await;
    assert_eq!((task.id, task.project.id(), task.data_unit.id()), (1001, Some(123), Some(2001)));
    assert_eq!((task.schema, task.has_data), (Some(AnnotationSchema::DmSchemaV1), Some(true)));
    assert_eq!(task.data.text(), r#"{"label": "보행자", "box": [1.50, 2], "track": 12345678901234567890}"#);
    assert_eq!((task.tags[0].as_i64(), task.tags[1]["name"].as_str()), (Some(7), Some("to check")));
    assert_eq!(task.files["image_1"]["url"], "/media/a.png");
}

#[tokio::test]
async fn stored_away_data_is_unchanged() {
    let backend = Backend::start().await;
    for data in [
        r#"{"mode": "presigned", "presigned_url": "https://files/1.json?sig=1", "size": 2048, "data_digest": "aa"}"#,
        r#"{"mode": "inline", "truncated": true, "presigned_url": "https://files/1.json"}"#,
        r#"{"mode": "inline"}"#,
    ] {
        backend.answer(200, &format!(r#"{{"id": 1, "data": {data}}}"#));
        assert_eq!(backend.output(backend.client.get_task(1)).await.data.text(), data);
        assert_eq!(backend.output(backend.client.get_assignment(1)).await.data.text(), data);
        backend.answer(200, &format!(r#"{{"results": [{{"id": 1, "data": {data}}}]}}"#));
        assert_eq!(backend.output(backend.client.list_tasks()).await.results[0].data.text(), data);
        let events = backend.output(backend.client.list_ground_truth_events_data()).await;
        assert_eq!(events.results[0].data.text(), data);
    }
}

// ---- list_tasks, list_tasks_data, list_tasks_files

macro_rules! assert_task_filters {
    ($method:ident, $at:expr) => {{
        let backend = Backend::of(PAGE).await;
        backend.get(backend.client.$method(), $at).await;
        let later = SystemTime::UNIX_EPOCH + Duration::from_millis(1_738_281_600_500);
        assert_query!(backend, $method(), $at, {
            assignments([3001, 3002]) => "assignments=3001&assignments=3002",
            assignments_is_discarded(false) => "assignments__is_discarded=false",
            created_gt("2025-01-31T09:00:00+09:00") => "created__gt=2025-01-31T09%3A00%3A00%2B09%3A00",
            created_gte("2025-01-31T00:00:00Z") => "created__gte=2025-01-31T00%3A00%3A00Z",
            created_lt(later) => "created__lt=2025-01-31T00%3A00%3A00.5Z",
            created_lte("2025-01-31") => "created__lte=2025-01-31",
            created_after("2025-01-01") => "created_after=2025-01-01",
            cursor("cD0xMDAx") => "cursor=cD0xMDAx",
            discarded_filter("all") => "discarded_filter=all",
            expand(["data_unit", "workshop"]) => "expand=data_unit&expand=workshop",
            fields(["id", "data"]) => "fields=id&fields=data",
            groups([8]) => "groups=8",
            has_assignment(true) => "has_assignment=true",
            has_reached_max_assignments(false) => "has_reached_max_assignments=false",
            id(1001) => "id=1001",
            id_gt(1) => "id__gt=1",
            id_gte(2) => "id__gte=2",
            id_in([5, 6]) => "id__in=5&id__in=6",
            id_lt(9223372036854775807_i64) => "id__lt=9223372036854775807",
            id_lte(8) => "id__lte=8",
            ids([1, 2, 3]) => "ids=1%2C2%2C3",
            ids_ex([4]) => "ids_ex=4",
            is_discarded(true) => "is_discarded=true",
            labelers([5, 6]) => "labelers=5&labelers=6",
            omit(["files"]) => "omit=files",
            ordering("-id") => "ordering=-id",
            page(2) => "page=2",
            page_size(100) => "page_size=100",
            pagination("cursor") => "pagination=cursor",
            project(123) => "project=123",
            response_mode("presigned") => "response_mode=presigned",
            reviewers([7]) => "reviewers=7",
            schema("dm_schema_v1") => "schema=dm_schema_v1",
            search("보행자 & co") => "search=%EB%B3%B4%ED%96%89%EC%9E%90+%26+co",
            stages([2, 3]) => "stages=2&stages=3",
            status_label("in_progress") => "status_label=in_progress",
            status_review("rejected") => "status_review=rejected",
            tags([7, 8]) => "tags=7&tags=8",
            url_host("internal") => "url_host=internal",
            workshops([4, 5]) => "workshops=4&workshops=5",
        });
        // The manual's filters have no setter.
        let call = backend.client.$method().param("status", "pending").param("assignee", 5);
        backend.get(call, concat!($at, "?status=pending&assignee=5")).await;
    }};
}

#[tokio::test]
async fn list_tasks_sends_each_filter() {
    assert_task_filters!(list_tasks, "/sdk/tasks/");
}

#[tokio::test]
async fn list_tasks_data_sends_each_filter() {
    assert_task_filters!(list_tasks_data, "/sdk/tasks/data/");
}

#[tokio::test]
async fn list_tasks_files_sends_each_filter() {
    assert_task_filters!(list_tasks_files, "/sdk/tasks/files/");
}

#[tokio::test]
async fn list_tasks_reads_every_page() {
    let backend = Backend::start().await;
    backend.answer(200, TASK.full);
    let task = backend.output(backend.client.get_task(1001)).await;
    assert_pages(&backend, || backend.client.list_tasks(), TASK, &task).await;
}

#[tokio::test]
async fn narrower_task_lists_read_every_page() {
    let backend = Backend::start().await;
    let data = Shapes { full: r#"{"id": 1001, "data": {"box": [1.50]}}"#, ..Shapes::NONE };
    let item: types::TaskData = serde_json::from_str(data.full).unwrap();
    assert_eq!((item.id, item.data.text(), item.extra.len()), (1001, r#"{"box": [1.50]}"#, 0));
    assert_pages(&backend, || backend.client.list_tasks_data(), data, &item).await;
    let files = Shapes {
        full: r#"{"id": 1001, "files": [{"url": "/media/a.png", "name": "image_1", "is_primary": true}]}"#,
        ..Shapes::NONE
    };
    let item: types::TaskFiles = serde_json::from_str(files.full).unwrap();
    assert_eq!((item.id, &item.files[0]["name"], item.extra.len()), (1001, &"image_1".into(), 0));
    assert_pages(&backend, || backend.client.list_tasks_files(), files, &item).await;
}

// ---- annotate_task_data

#[tokio::test]
async fn annotate_task_data_sends_envelope() {
    let backend = Backend::of("{}").await;
    let client = &backend.client;
    let line = "PUT /tasks/1001/annotate_task_data/";
    let call = client.annotate_task_data(1001, |b| b.data(json_of(r#"{"box": [1.50, 2]}"#)));
    backend.send(call, line, r#"{"data":{"box": [1.50, 2]}}"#).await;
    let call = client.annotate_task_data(1001, |b| b.data(json!({"a": "보"})).action("save"));
    let call = call.params(|p| p.schema("dm_schema_v1"));
    let line = "PUT /tasks/1001/annotate_task_data/?schema=dm_schema_v1";
    backend.send(call, line, r#"{"action":"save","data":{"a":"보"}}"#).await;
    let call =
        client.annotate_task_data(1, |b| b.data(json!(null)).action("submit")).params(|p| p.schema("any"));
    let line = "PUT /tasks/1/annotate_task_data/?schema=any";
    backend.send(call, line, r#"{"action":"submit","data":null}"#).await;
    let call = client.annotate_task_data(1, |b| b.data(json!(1)).action(AnnotationAction::Save));
    backend.send(call, "PUT /tasks/1/annotate_task_data/", r#"{"action":"save","data":1}"#).await;
    let call = client.annotate_task_data(1, |b| b.data(json!(1)).action("review"));
    backend.send(call, "PUT /tasks/1/annotate_task_data/", r#"{"action":"review","data":1}"#).await;
    // Other fields pass, as long as `data` is there.
    let call = client.annotate_task_data(1, |b| b.data(json!([])).extra([("note", json!("x"))]));
    backend.send(call, "PUT /tasks/1/annotate_task_data/", r#"{"data":[],"note":"x"}"#).await;
    let error = client.annotate_task_data(1, |b| b.action("save")).await.failure();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("`data`"), "{error}");
    backend.assert_nothing_sent();
}

#[tokio::test]
async fn annotate_task_data_output_is_free() {
    let backend = Backend::start().await;
    assert_free_form(&backend, || backend.client.annotate_task_data(1, |b| b.data(json!({})))).await;
}

// ---- tags

const TAG: Shapes<'_> = Shapes {
    full: r##"{
        "id": 7, "name": "to check", "category": "export", "description": "d", "meta": {"a": 1.50}, "project": 123,
        "color": "#ff0000", "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z",
        "modified": "2025-01-31T09:00:00Z", "updated_at": "2025-01-31T09:00:00Z"
    }"##,
    related: &["project"],
    open: &["category"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_task_tag_reads_every_shape() {
    let backend = Backend::of(r#"{"id": 7}"#).await;
    backend.get(backend.client.get_task_tag(7), "/task_tags/7/").await;
    let tag = assert_shapes(&backend, || backend.client.get_task_tag(7), TAG).await;
    assert_eq!((tag.id, tag.name.as_deref(), tag.category), (7, Some("to check"), Some(TagCategory::Export)));
    assert_pages(
        &backend,
        || backend.client.list_task_tags(),
        TAG,
        &serde_json::from_str::<types::TaskTag>(TAG.full).unwrap(),
    )
    .await;
}

#[tokio::test]
async fn list_task_tags_sends_each_filter() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_task_tags(), "/task_tags/").await;
    assert_query!(backend, list_task_tags(), "/task_tags/", {
        category("project") => "category=project",
        color("#ff0000") => "color=%23ff0000",
        page(3) => "page=3",
        page_size(10) => "page_size=10",
        project(123) => "project=123",
        search("to check") => "search=to+check",
    });
}

#[tokio::test]
async fn set_tags_tasks_sends_ids_and_tags() {
    let backend = Backend::of("{}").await;
    let call = backend.client.set_tags_tasks(|b| b.ids([1001, 1002]).tags([7, 8]).action("remove"));
    let body = r#"{"action":"remove","ids":[1001,1002],"tags":[7,8]}"#;
    backend.send(call, "POST /tasks/set_tags/", body).await;
    let call = backend.client.set_tags_tasks(|b| b.ids([1]).tags([7]).action("add"));
    let body = r#"{"action":"add","ids":[1],"tags":[7]}"#;
    backend.send(call.params(|p| p.replace(true)), "POST /tasks/set_tags/?replace=true", body).await;
    let error = backend.client.set_tags_tasks(|b| b).await.failure().to_string();
    assert!(error.contains("`ids`") && error.contains("`tags`"), "{error}");
    backend.assert_nothing_sent();
    assert_free_form(&backend, || backend.client.set_tags_tasks(|b| b.ids([1]).tags([7]))).await;
}

#[tokio::test]
async fn set_tags_tasks_always_sends_action() {
    let backend = Backend::of("{}").await;
    let call = backend.client.set_tags_tasks(|b| b.ids([1]).tags([7]));
    backend.send(call, "POST /tasks/set_tags/", r#"{"action":"add","ids":[1],"tags":[7]}"#).await;
}

// ---- create_tasks

fn project_tasks() -> ProjectTasks {
    let units = [TaskDataUnit::builder().data_unit(2001), TaskDataUnit::builder().data_unit(2002)];
    ProjectTasks::builder().project(123).data(units).try_into().unwrap()
}

fn task(data_unit: i64) -> types::builder::TaskCreate {
    TaskCreate::builder().project(123).data_unit(data_unit)
}

#[tokio::test]
async fn create_tasks_sends_project_and_data() {
    let backend = Backend::of(r#"{"results": [{"id": 1}, {"id": 2}]}"#).await;
    let body = r#"{"data":[{"data_unit":2001},{"data_unit":2002}],"project":123}"#;
    let created = backend.send(backend.client.create_tasks(project_tasks()), "POST /tasks/", body).await;
    assert_eq!(created.results.iter().map(|task| task.id).collect::<Vec<_>>(), [1, 2]);
    // The same units, each with further fields.
    let unit = TaskDataUnit::builder().data_unit(1).extra([("priority", json!(3))]);
    let tasks: ProjectTasks = ProjectTasks::builder().project(5).data([unit]).try_into().unwrap();
    let body = r#"{"data":[{"data_unit":1,"priority":3}],"project":5}"#;
    backend.send(backend.client.create_tasks(tasks), "POST /tasks/", body).await;
}

#[tokio::test]
async fn create_tasks_sends_older_array() {
    let backend = Backend::of(r#"{"results": []}"#).await;
    let second = task(2002).workshop(4).meta(json!({"a": 1})).extra([("priority", json!(null))]);
    let tasks: Vec<TaskCreate> = [task(2001), second].map(|task| task.try_into().unwrap()).into();
    let body = r#"[{"data_unit":2001,"project":123},{"data_unit":2002,"meta":{"a":1},"project":123,"workshop":4,"priority":null}]"#;
    backend.send(backend.client.create_tasks(tasks), "POST /tasks/", body).await;
}

#[tokio::test]
async fn create_tasks_sends_older_object() {
    let backend = Backend::of(r#"{"results": []}"#).await;
    let one: TaskCreate = task(2001).try_into().unwrap();
    backend
        .send(backend.client.create_tasks(one), "POST /tasks/", r#"{"data_unit":2001,"project":123}"#)
        .await;
    let free = TasksCreate::Unrecognized(json!({"units": [1]}));
    backend.send(backend.client.create_tasks(free), "POST /tasks/", r#"{"units":[1]}"#).await;
}

#[tokio::test]
async fn create_tasks_is_sent_once() {
    let backend = Backend::start().await;
    backend.answer(503, "<html></html>");
    let error = backend.client.create_tasks(project_tasks()).max_retries(3).await.failure();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
    assert_eq!(backend.taken().line, "POST /tasks/");
}

#[tokio::test]
async fn expanded_related_objects_are_read() {
    let backend = Backend::start().await;
    let unit = r#"{"id": 2001, "data_collection": 12, "files": {"image_1": {"url": "/media/a.png"}}}"#;
    backend.answer(200, &format!(r#"{{"results": [{{"id": 1, "data_unit": {unit}, "project": "x"}}]}}"#));
    let page = backend.output(backend.client.list_tasks()).await;
    let task = &page.results[0];
    let unit: types::DataUnit = task.data_unit.decode().unwrap();
    assert_eq!((unit.id, unit.data_collection.id()), (2001, Some(12)));
    assert_eq!(unit.files["image_1"]["url"], "/media/a.png");
    assert_eq!(task.project.object().map(|json| json.text()), Some(r#""x""#));
    assert_eq!(task.workshop, Expandable::default());
}
