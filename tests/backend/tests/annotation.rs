//! Projects, tasks, task tags, and the two bodies that create tasks.

mod common;

use common::{ids, start};
use serde_json::{Value, json};
use synapse_test_backend::{Backend, TaskBodies};

const TASK: i64 = Backend::FIRST_TASK;

#[tokio::test]
async fn project_and_tags_are_served() {
    let site = start(Backend::builder()).await;
    let project = site.ok("/projects/123/?expand=data_collection").await;
    assert_eq!((&project["title"], &project["category"]), (&json!("도심 주행 라벨링 1"), &json!("image")));
    assert_eq!(project["data_collection"]["id"], Backend::FIRST_DATA_COLLECTION);
    assert_eq!(site.get("/projects/999/").await.0, 404);

    assert_eq!(site.ok("/task_tags/3001/").await["category"], "project");
    assert_eq!(ids(&site.ok("/task_tags/?category=export").await), [3003, 3006]);
    assert_eq!(ids(&site.ok("/task_tags/?project=124").await), [3002, 3005]);
    assert_eq!(site.get("/task_tags/?category=x").await.0, 400);
}

#[tokio::test]
async fn task_filters_select_matches() {
    let site = start(Backend::builder().tasks(60).assignments(30)).await;
    let list = async |query: &str| ids(&site.ok(&format!("/sdk/tasks/?{query}")).await);
    assert_eq!(list("project=124&id__lt=100010").await, [100_002, 100_005, 100_008]);
    assert_eq!(list("id__gte=100059").await, [100_059, 100_060]);
    assert_eq!(list("ids=100001, 100003&ids_ex=100003").await, [100_001]);
    assert_eq!(list("id__in=100001&id__in=100002").await, [100_001, 100_002]);
    assert_eq!(list("workshops=5001&id__lte=100010").await.len(), 3);
    // The singular is no filter of tasks, and neither is `created_after`.
    assert_eq!(list("workshop=5001").await.len(), 60);
    assert_eq!(list("created_after=2030-01-01").await.len(), 60);
    assert_eq!(list("created__gte=2030-01-01").await.len(), 0);
    assert_eq!(list("has_assignment=true").await.len(), 30);
    assert_eq!(list("status_label=completed").await.len(), 7);
    assert_eq!(list("is_discarded=true").await.len(), 6);
    assert_eq!(list("schema=dm_schema_v1").await.len(), 15);
    assert_eq!(list("tags=3001&tags=3002").await.len(), 10);
    assert_eq!(list("has_data=false").await.len(), 60, "a filter of /tasks/ only");
    assert_eq!(ids(&site.ok("/tasks/?has_data=false").await).len(), 20);
    assert_eq!(site.get("/sdk/tasks/?id__gt=x&status_label=done").await.0, 400);
}

#[tokio::test]
async fn task_projection_follows_request() {
    let site = start(Backend::builder()).await;
    let plain = site.ok(&format!("/tasks/{TASK}/")).await;
    assert_eq!(plain["data_unit"], Backend::FIRST_DATA_UNIT);
    assert!(plain["files"]["image_1"]["url"].as_str().unwrap().contains("/media/data_files/400001/"));
    assert!(plain.get("assignment").is_none() && plain.get("annotations").is_none());
    let path = format!("/tasks/{TASK}/?expand=data_unit,assignment&expand=workshop&include_annotations=true");
    let full = site.ok(&path).await;
    assert_eq!(full["data_unit"]["files"]["image_1"]["is_primary"], true);
    assert_eq!(full["assignment"]["id"], Backend::FIRST_ASSIGNMENT);
    assert_eq!(full["workshop"]["id"], 5001);
    assert!(full["annotations"].is_array());
    let some = site.ok(&format!("/tasks/{TASK}/?fields=id,data&fields=tags")).await;
    assert_eq!(some.as_object().unwrap().len(), 3);
    assert!(site.ok(&format!("/tasks/{TASK}/?omit=data")).await.get("data").is_none());

    let data = site.ok("/sdk/tasks/data/?page_size=1").await;
    assert_eq!(data["results"][0], json!({"id": TASK, "data": plain["data"]}));
    let files = site.ok("/sdk/tasks/files/?page_size=1").await;
    assert_eq!(files["results"][0]["files"][0]["specification_name"], "image_1");
}

#[tokio::test]
async fn settings_change_task_answers() {
    let path = format!("/tasks/{TASK}/");
    let site = start(Backend::builder().minimal_responses(true)).await;
    assert_eq!(site.ok(&path).await, json!({"id": TASK}));
    let site = start(Backend::builder().null_fields(true)).await;
    let task = site.ok(&path).await;
    assert!(task["id"] == TASK && task.as_object().unwrap().iter().all(|(k, v)| k == "id" || v.is_null()));
    let site = start(Backend::builder().expanded_keys(true)).await;
    let task = site.ok(&path).await;
    assert!(["project", "data_unit", "workshop"].iter().all(|name| task[*name].is_object()));
}

#[tokio::test]
async fn tasks_created_from_both_bodies() {
    let site = start(Backend::builder().tasks(2)).await;
    let pair = json!({"project": 123, "data_unit": 300_001});
    let list = json!([pair, {"project": 124, "data_unit": 300_002, "workshop": 5002, "meta": {"a": 1}}]);
    let wrapped = json!({"project": 125, "data": [{"data_unit": 300_003}]});
    let (status, one) = site.send("POST", "/tasks/", &pair).await;
    assert_eq!((status.as_u16(), &one["id"], &one["data"]), (201, &json!(TASK + 2), &Value::Null));
    assert_eq!(site.accepted("POST", "/tasks/", &list).await[1]["meta"], json!({"a": 1}));
    assert_eq!(site.accepted("POST", "/tasks/", &wrapped).await[0]["project"], 125);
    assert_eq!(site.backend.created("tasks"), [TASK + 2, TASK + 3, TASK + 4, TASK + 5]);
    assert_eq!(site.ok("/sdk/tasks/").await["count"], 6);

    let bad = json!([pair, {"data_unit": 9}]);
    let errors = site.send("POST", "/tasks/", &bad).await.1;
    assert_eq!(errors[0], json!({}));
    assert_eq!(errors[1]["project"], json!(["This field is required."]));

    let site = start(Backend::builder().task_bodies(TaskBodies::List).unique_tasks(true)).await;
    let (status, errors) = site.send("POST", "/tasks/", &wrapped).await;
    assert_eq!((status.as_u16(), errors), (400, json!({"data_unit": ["This field is required."]})));
    assert_eq!(site.send("POST", "/tasks/", &pair).await.0, 400, "the unit has a task in this project");
    let site = start(Backend::builder().task_bodies(TaskBodies::Wrapped)).await;
    let refusal = json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]});
    assert_eq!(site.send("POST", "/tasks/", &list).await.1, refusal);
    assert!(site.backend.created("tasks").is_empty());
}

#[tokio::test]
async fn units_without_task_get_one() {
    let site = start(Backend::builder().tasks(3).data_units(10)).await;
    let path = "/data_units/create_tasks/?data_collection=2001";
    let made = site.accepted("POST", path, &json!({"project": 123})).await;
    assert_eq!(made["count"], 4, "five units, of which one has a task: {made}");
    assert_eq!(site.accepted("POST", path, &json!({"project": 123})).await["count"], 0);
}

#[tokio::test]
async fn annotation_replaces_task_data() {
    let site = start(Backend::builder()).await;
    let path = format!("/tasks/{TASK}/annotate_task_data/");
    let body = json!({"data": {"boxes": [1, 2]}, "action": "submit"});
    assert_eq!(site.accepted("PUT", &path, &body).await["data"], json!({"boxes": [1, 2]}));
    assert_eq!(site.ok(&format!("/tasks/{TASK}/")).await["status"], "completed");
    for empty in [json!({}), json!({"data": null}), json!({"data": {}})] {
        assert_eq!(site.send("PUT", &path, &empty).await.0, 400, "{empty}");
    }
    site.accepted("PUT", &path, &json!({"action": "save", "data": null})).await;
    assert_eq!(site.send("PUT", &format!("{path}?schema=dm_schema_v1"), &body).await.0, 400);
    assert_eq!(site.send("PUT", &format!("{path}?schema=other"), &body).await.0, 400);
    let strict = format!("/tasks/{}/annotate_task_data/", TASK + 3);
    assert_eq!(site.send("PUT", &strict, &body).await.0, 400, "the task's own schema decides");
    site.accepted("PUT", &format!("{strict}?schema=any"), &body).await;
    assert_eq!((site.backend.annotations(TASK), site.backend.annotations(TASK + 3)), (2, 1));
    assert_eq!(site.backend.annotated_tasks().len(), 2);
    assert_eq!(site.send("PUT", "/tasks/7/annotate_task_data/", &body).await.0, 404);
    assert_eq!(site.send("POST", &path, &body).await.0, 405);

    let site = start(Backend::builder().empty_actions(true)).await;
    assert_eq!(site.send("PUT", &path, &body).await.0, 204);
}

#[tokio::test]
async fn tags_are_added_and_removed() {
    let site = start(Backend::builder()).await;
    let set = |action: &str| json!({"ids": [TASK, TASK + 1], "tags": [3005], "action": action});
    for _ in 0..2 {
        site.accepted("POST", "/tasks/set_tags/", &set("add")).await;
    }
    assert_eq!((site.backend.tags_of(TASK), site.backend.tags_of(TASK + 1)), (vec![3001, 3005], vec![3005]));
    site.accepted("POST", "/tasks/set_tags/", &set("remove")).await;
    assert_eq!(site.backend.tags_of(TASK), [3001]);
    let (status, errors) = site.send("POST", "/tasks/set_tags/", &json!({"ids": [1], "tags": 7})).await;
    assert_eq!(status, 400);
    assert_eq!(errors["ids"], json!(["Invalid pk \"1\" - object does not exist."]));
    assert_eq!(errors["tags"], json!(["Expected a list of items but got type \"int\"."]));
}

#[tokio::test]
async fn million_tasks_served_at_once() {
    let site = start(Backend::builder().tasks(1_000_000).assignments(1_000_000)).await;
    for path in ["/sdk/tasks/", "/sdk/assignments/"] {
        let page = site.ok(&format!("{path}?page=100000&page_size=10&fields=id")).await;
        assert_eq!((page["count"].as_u64(), ids(&page).len()), (Some(1_000_000), 10));
        let last = site.ok(&format!("{path}?ordering=-id&page_size=1&fields=id")).await;
        assert_eq!(ids(&last)[0] % 100_000, 0);
    }
}
