//! Plugins, releases, jobs, logs, agents and serve applications.

mod common;

use common::{ids, read, start};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use synapse_test_backend::{Backend, ConsoleLogs, Fault};

#[tokio::test]
async fn agents_connect_by_their_token() {
    let site = start(Backend::builder().agents(3)).await;
    let page = site.ok("/agents/").await;
    assert_eq!(ids(&page), [7001, 7002, 7003]);
    let hidden = &page["results"][1];
    let token = site.backend.agent_connect_token(7002).unwrap();
    assert!(hidden["token"].is_null() && hidden.get("connected_by").is_none());
    assert!(
        hidden["node_install_script"].as_str().unwrap().contains(&format!("agents/{token}/node_install"))
    );
    let request = site.request(Method::POST, &format!("/agents/{token}/connect/"));
    let (status, answer) = read(request.header("Content-Length", "0").send().await.unwrap()).await;
    assert_eq!((status.as_u16(), answer), (200, json!({"id": 7002, "status": "connected"})));
    assert_eq!(site.ok("/agents/7002/").await["status"], "connected");
    assert_eq!(site.post("/agents/unknown/connect/", "").await.0, 404);
    assert_eq!(ids(&site.ok("/agents/?id=7003").await), [7003]);
    assert_eq!(site.ok("/users/me/").await["id"], 6001);
}

#[tokio::test]
async fn plugin_created_once_and_updated() {
    let site = start(Backend::builder().plugins(2)).await;
    let body = json!({"name": "My", "code": "my-plugin_1", "category": "export", "detail": {"a": null}});
    let (status, plugin) = site.send("POST", "/plugins/", &body).await;
    assert_eq!((status.as_u16(), &plugin["id"]), (201, &json!(11_003)));
    let (status, errors) = site.send("POST", "/plugins/", &body).await;
    assert_eq!((status.as_u16(), errors), (400, json!({"code": ["plugin with this code already exists."]})));
    let missing = site.send("POST", "/plugins/", &json!({"code": "a b"})).await.1;
    assert!(missing["code"][0].as_str().unwrap().contains("valid \"slug\""));
    assert_eq!(missing["name"], json!(["This field is required."]));

    let update = json!({"description": "new", "is_active": false});
    let plugin = site.accepted("PUT", "/plugins/11003/", &update).await;
    assert_eq!((&plugin["description"], &plugin["name"]), (&json!("new"), &json!("My")));
    assert_eq!(site.ok("/plugins/11003/").await["is_active"], false);
    assert_eq!(ids(&site.ok("/plugins/?search=my").await), [11_003]);
    assert_eq!(site.send("PUT", "/plugins/999/", &update).await.0, 404);
    assert_eq!(site.backend.created("plugins"), [11_003]);
}

#[tokio::test]
async fn releases_found_by_id_or_version() {
    let site = start(Backend::builder()).await;
    let newest = site.ok("/plugin_releases/?plugin=neural-net-1").await;
    assert_eq!(ids(&newest), [12_003, 12_002, 12_001]);
    assert_eq!(ids(&site.ok("/plugin_releases/?plugin=11001&debug=false").await), [12_002, 12_001]);
    assert_eq!(ids(&site.ok("/plugin_releases/?plugin=unknown").await).len(), 0);
    let by_id = site.ok("/plugin_releases/12002/?expand=plugin").await;
    let by_version = site.ok("/plugin_releases/neural-net-1@1.1.0/?expand=plugin").await;
    assert_eq!(by_id, by_version);
    assert_eq!(by_id["plugin"]["code"], "neural-net-1");
    assert_eq!(site.ok("/plugin_releases/12002/").await["plugin"], 11_001);
    assert_eq!(site.get("/plugin_releases/neural-net-1@9/").await.0, 404);
}

fn release(version: &str) -> Form {
    Form::new()
        .text("plugin", "neural-net-1")
        .text("version", version.to_owned())
        .text("config", r#"{"code":"neural-net-1","actions":{"train":{}}}"#)
        .text("requirements", "torch")
        .text("requirements", "numpy")
        .text("debug", "True")
        .part("file", Part::bytes(b"archive".to_vec()).file_name("plugin 1.zip"))
}

#[tokio::test]
async fn release_created_with_and_without_file() {
    let site = start(Backend::builder()).await;
    let send = async |form| {
        read(site.request(Method::POST, "/plugin_releases/").multipart(form).send().await.unwrap()).await
    };
    let (status, made) = send(release("2.0.0")).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["requirements"], &made["debug"]), (&json!(["torch", "numpy"]), &json!(true)));
    assert_eq!(made["available_actions"], json!(["train"]));
    let file = site.http.get(made["file"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), "archive");
    let (status, errors) = send(release("2.0.0")).await;
    assert!(status == 400 && errors["version"][0].as_str().unwrap().contains("already exists"));
    let body = json!({"plugin": "11001", "version": "2.1.0", "config": {"actions": {}}});
    assert!(site.accepted("POST", "/plugin_releases/", &body).await["file"].is_null());
    assert_eq!(site.send("POST", "/plugin_releases/", &json!({"plugin": "x"})).await.0, 400);
    assert_eq!(site.backend.created("plugin_releases").len(), 2);
}

#[tokio::test]
async fn runs_make_jobs_or_answer() {
    let site = start(Backend::builder().jobs(1)).await;
    let body = json!({"agent": 7001, "action": "train", "params": {"a": null}, "language": "ko"});
    let answer = site.accepted("POST", "/plugins/neural-net-1/run/", &body).await;
    let id = answer["job_id"].as_str().unwrap();
    let job = site.ok(&format!("/jobs/{id}/?expand=plugin_release")).await;
    assert_eq!((&job["status"], &job["params"]), (&json!("PENDING"), &json!({"a": null})));
    assert_eq!(job["plugin_release"]["id"], 12_003);
    let served = json!({"action": "inference", "params": {"x": 1}});
    assert_eq!(site.accepted("POST", "/plugins/11001/run/", &served).await["output"], json!({"x": 1}));
    assert_eq!(site.accepted("POST", "/plugins/11001/run/", &json!({"action": "noop"})).await, Value::Null);
    assert_eq!(site.send("POST", "/plugins/11001/run/", &json!({"agent": null})).await.0, 400);
    assert_eq!(site.send("POST", "/plugins/unknown/run/", &body).await.0, 404);
    assert_eq!((site.backend.plugin_runs().len(), site.backend.created("jobs").len()), (3, 1));

    site.backend.inject(Fault::gpu_unavailable().on("POST", "/plugins/"));
    let (status, error) = site.send("POST", "/plugins/11001/run/", &served).await;
    assert_eq!((status.as_u16(), &error["error_type"]), (503, &json!("gpu_unavailable")));
}

#[tokio::test]
async fn job_lists_follow_filters() {
    let site = start(Backend::builder()).await;
    let list = async |query: &str| site.ok(&format!("/jobs/?{query}")).await["count"].as_u64().unwrap();
    assert_eq!((list("").await, list("status=FAILED").await, list("limit=3").await), (20, 4, 20));
    assert_eq!((list("agent=7001").await, list("action=train").await), (7, 7));
    assert_eq!((list("plugin=11001").await, list("created_after=2030-01-01").await), (6, 0));
    assert_eq!(site.get("/jobs/?status=failed").await.0, 400);
    assert_eq!(site.get(&format!("/jobs/{}/", Backend::FIRST_JOB)).await.0, 404, "ids are UUIDs");
    let site = start(Backend::builder().integer_job_ids(true)).await;
    assert_eq!(ids(&site.ok("/jobs/?page_size=2").await), [14_001, 14_002]);
    assert_eq!(site.ok("/jobs/14001/").await["status"], "RUNNING");
}

#[tokio::test]
async fn job_update_follows_rules() {
    let site = start(Backend::builder()).await;
    let id = site.backend.job_id(Backend::FIRST_JOB);
    let path = format!("/jobs/{id}/");
    let update = json!({"progress_record": {"p": 1}, "status": "SUCCEEDED", "result": [1]});
    let job = site.accepted("PATCH", &path, &update).await;
    assert_eq!((&job["progress_record"], &job["result"]), (&json!({"p": 1}), &json!([1])));
    assert!(job["completed"].is_string() && job["metrics_record"]["record"].is_object());
    for bad in [
        json!({"status": "RUNNING"}),
        json!({"status": "succeeded"}),
        json!({"result": null}),
        json!({"x": 1}),
    ] {
        assert_eq!(site.send("PATCH", &path, &bad).await.0, 400, "{bad}");
    }
    site.accepted("PATCH", &path, &json!({"status": "SUCCEEDED"})).await;
    assert_eq!(site.backend.job(&id).unwrap()["result"], json!([1]));
}

#[tokio::test]
async fn console_logs_in_four_shapes() {
    for (shape, pointer) in [
        (ConsoleLogs::Lines, "/1"),
        (ConsoleLogs::Results, "/results/1/message"),
        (ConsoleLogs::Logs, "/logs/1"),
        (ConsoleLogs::Objects, "/1/message"),
    ] {
        let site = start(Backend::builder().console_logs(shape)).await;
        let logs = site.ok(&format!("/jobs/{}/console_logs/", site.backend.job_id(14_001))).await;
        let line = logs.pointer(pointer).and_then(Value::as_str).expect(pointer);
        assert!(line.ends_with("epoch 2: loss 0.500"), "{line}");
        let pending = site.backend.job_id(14_003);
        assert_eq!(site.get(&format!("/jobs/{pending}/console_logs/")).await.0, 404, "there are none yet");
    }
}

#[tokio::test]
async fn log_entries_are_kept_in_order() {
    let site = start(Backend::builder()).await;
    let job = site.backend.job_id(14_003);
    let entry = json!({"event": "message", "data": {"content": "hello"}, "datetime": "2026-06-30T10:00:00Z", "job": job});
    let mut picture = entry.clone();
    picture["event"] = json!("visualization");
    picture["file"] = json!("data:image/png;base64,eA==");
    let (status, one) = site.send("POST", "/logs/", &entry).await;
    assert_eq!((status.as_u16(), &one["level"], &one["job"]), (201, &json!("info"), &json!(job)));
    let two = site.accepted("POST", "/logs/", &json!([entry, picture])).await;
    let file = site.http.get(two[1]["file"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), "x");
    assert_eq!(site.backend.logs(&job).len(), 3);
    assert_eq!(site.ok(&format!("/jobs/{job}/console_logs/")).await.as_array().unwrap().len(), 2);
    picture["file"] = json!("/tmp/a.png");
    let (status, errors) = site.send("POST", "/logs/", &json!([entry, picture, {}])).await;
    assert_eq!((status.as_u16(), &errors[1]), (400, &json!({"file": ["The file is not a valid data URI."]})));
    assert_eq!(errors[2].as_object().unwrap().len(), 4);
    assert_eq!(site.backend.created("logs").len(), 3);
}

#[tokio::test]
async fn serve_applications_follow_filters() {
    let site = start(Backend::builder()).await;
    let list = async |query: &str| ids(&site.ok(&format!("/serve_applications/?{query}")).await);
    assert_eq!(list("status=RUNNING").await, [13_001]);
    assert_eq!(list("job__agent=7002").await, [13_002, 13_005]);
    assert_eq!(list("plugin_code=neural-net-1").await, [13_001, 13_002, 13_003]);
    let job = site.backend.job_id(14_001);
    let made = site.accepted("POST", "/serve_applications/", &json!({"job": job, "data": {"n": 1}})).await;
    assert_eq!((&made["status"], &made["job"]), (&json!("NOT_STARTED"), &json!(job)));
    let (status, errors) = site.send("POST", "/serve_applications/", &json!({"name": "x"})).await;
    assert_eq!((status.as_u16(), errors), (400, json!({"job": ["This field is required."]})));
}
