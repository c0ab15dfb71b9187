//! Jobs and serve applications.

use synapse_backend_client::json;
use synapse_backend_client::types::{self, JobId, JobStatus, ServeStatus};

use super::{Backend, Shapes, assert_pages, assert_query, assert_shapes, json_of};
use crate::support::marker::Failure;

const PAGE: &str = r#"{"count": 0, "next": null, "previous": null, "results": []}"#;
const ID: &str = "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11";

const JOB: Shapes<'_> = Shapes {
    full: r#"{
        "id": "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11", "status": "SUCCEEDED", "action": "train",
        "params": {"rate": 1.50, "none": null}, "is_active": false, "plugin_release": {"id": 42, "plugin": 11}, "agent": 3,
        "user": 5, "progress_record": {"record": {"steps": {"dataset": {"percent": 50.0, "time_remaining": null}}},
            "current_progress": {"overall": 1.50, "step": "dataset"}},
        "metrics_record": {"record": {"steps": {"train": {"loss": 0.10}}}}, "result": [{"error": "none"}],
        "meta": {"queue": {"position": 1}}, "console_logs": {"1": "started"}, "logs": [], "metrics": {"a": 1},
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:01Z",
        "updated_at": "2025-01-31T09:00:01Z", "completed": "2025-01-31T09:00:02Z"
    }"#,
    least: r#"{"id": "0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11"}"#,
    related: &["plugin_release", "agent", "user"],
    open: &["status"],
    ..Shapes::NONE
};

#[tokio::test]
async fn get_job_takes_uuid_and_number() {
    let backend = Backend::of(r#"{"id": 7}"#).await;
    let client = &backend.client;
    backend.get(client.get_job(ID), &format!("/jobs/{ID}/")).await;
    let job = backend.get(client.get_job(7_i64), "/jobs/7/").await;
    assert_eq!(job.id, JobId::Int64(7));
    backend.get(client.get_job(job.id), "/jobs/7/").await;
    assert_query!(backend, get_job(7_i64), "/jobs/7/", {
        expand(["logs", "metrics", "result"]) => "expand=logs&expand=metrics&expand=result",
    });
    backend.get(client.get_job("a/b ?"), "/jobs/a%2Fb%20%3F/").await;
}

#[tokio::test]
async fn get_job_reads_every_shape() {
    let backend = Backend::start().await;
    let job = assert_shapes(&backend, || backend.client.get_job(ID), JOB).await;
    assert_eq!((job.id.clone(), job.status.clone()), (JobId::from(ID), Some(JobStatus::Succeeded)));
    assert_eq!((job.plugin_release.id(), &job.plugin_release["plugin"]), (Some(42), &11.into()));
    assert_eq!(job.params.text(), r#"{"rate": 1.50, "none": null}"#);
    assert_eq!(job.result[0]["error"], "none");
    assert_eq!(job.completed.as_ref().unwrap().as_str(), "2025-01-31T09:00:02Z");
    assert_pages(&backend, || backend.client.list_jobs(), JOB, &job).await;
    backend.answer(200, r#"{"id": 9007199254740993, "result": {"error": "out of memory"}}"#);
    let job = backend.output(backend.client.get_job(1_i64)).await;
    assert_eq!(
        (job.id, &job.result["error"]),
        (JobId::Int64(9_007_199_254_740_993), &"out of memory".into())
    );
}

#[tokio::test]
async fn list_jobs_sends_each_filter() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_jobs(), "/jobs/").await;
    assert_query!(backend, list_jobs(), "/jobs/", {
        action("train") => "action=train",
        agent(3) => "agent=3",
        created_after("2025-01-31T09:00:00+09:00") => "created_after=2025-01-31T09%3A00%3A00%2B09%3A00",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
        plugin(11) => "plugin=11",
        status("RUNNING") => "status=RUNNING",
        user(5) => "user=5",
    });
    for status in ["PENDING", "STOPPED", "SUCCEEDED", "FAILED"] {
        let call = backend.client.list_jobs().params(|p| p.status(status));
        backend.get(call, &format!("/jobs/?status={status}")).await;
    }
    backend.get(backend.client.list_jobs().param("limit", 5), "/jobs/?limit=5").await;
}

#[tokio::test]
async fn update_job_sends_only_given_fields() {
    let backend = Backend::of(JOB.full).await;
    let client = &backend.client;
    let line = format!("PATCH /jobs/{ID}/");
    for (call, body) in [
        (client.update_job(ID, |b| b), "{}"),
        (client.update_job(ID, |b| b.status(JobStatus::Running)), r#"{"status":"RUNNING"}"#),
        (client.update_job(ID, |b| b.status("PENDING")), r#"{"status":"PENDING"}"#),
        (
            client.update_job(ID, |b| b.progress_record(json_of(r#"{"record": {"steps": {}}, "p": 1.50}"#))),
            r#"{"progress_record":{"record": {"steps": {}}, "p": 1.50}}"#,
        ),
        (
            client.update_job(ID, |b| b.metrics_record(json!({"record": {}}))),
            r#"{"metrics_record":{"record":{}}}"#,
        ),
        (client.update_job(ID, |b| b.console_logs(json!({"1": "보"}))), r#"{"console_logs":{"1":"보"}}"#),
        (client.update_job(ID, |b| b.result(json!([1, null]))), r#"{"result":[1,null]}"#),
        (client.update_job(ID, |b| b.meta(json!({"a": null}))), r#"{"meta":{"a":null}}"#),
    ] {
        let job = backend.send(call, &line, body).await;
        assert_eq!(job.action.as_deref(), Some("train"));
    }
    let call = client.update_job(7_i64, |b| {
        let b = b.status("FAILED").progress_record(json!(1)).metrics_record(json!(2)).console_logs(json!(3));
        b.result(json!({"error": "x"})).meta(json!(4))
    });
    let body = r#"{"console_logs":3,"meta":4,"metrics_record":2,"progress_record":1,"result":{"error":"x"},"status":"FAILED"}"#;
    backend.send(call, "PATCH /jobs/7/", body).await;
}

#[tokio::test]
async fn update_job_is_sent_once() {
    let backend = Backend::start().await;
    for status in [500, 502, 504] {
        backend.answer(status, "<html></html>");
        backend.client.update_job(ID, |b| b.status("FAILED")).max_retries(3).await.failure();
        assert_eq!(backend.taken().line, format!("PATCH /jobs/{ID}/"));
    }
}

// ---- serve applications

const APPLICATION: Shapes<'_> = Shapes {
    full: r#"{
        "id": 21, "job": {"id": "0b9a9a1e", "agent": 3}, "status": "DEPLOY_FAILED", "data": {"url": "/serve", "rate": 1.50},
        "created": "2025-01-31T09:00:00Z", "created_at": "2025-01-31T09:00:00Z", "modified": "2025-01-31T09:00:00Z",
        "updated_at": "2025-01-31T09:00:00Z"
    }"#,
    related: &["job"],
    open: &["status"],
    ..Shapes::NONE
};

#[tokio::test]
async fn create_serve_application_sends_fields() {
    let backend = Backend::of(APPLICATION.full).await;
    let client = &backend.client;
    let line = "POST /serve_applications/";
    let call = client.create_serve_application(|b| b.job(ID));
    let application = backend.send(call, line, &format!(r#"{{"job":"{ID}"}}"#)).await;
    assert_eq!(application.id, 21);
    let call = client.create_serve_application(|b| b.job(7_i64).status("RUNNING").data(json!({"a": 1})));
    backend.send(call, line, r#"{"data":{"a":1},"job":7,"status":"RUNNING"}"#).await;
    let error = client.create_serve_application(|b| b).await.failure();
    assert!(error.is_invalid_input() && error.to_string().contains("`job`"), "{error}");
    backend.assert_nothing_sent();
}

#[tokio::test]
async fn serve_application_reads_every_shape() {
    let backend = Backend::start().await;
    let call = || backend.client.create_serve_application(|b| b.job(ID));
    let application = assert_shapes(&backend, call, APPLICATION).await;
    assert_eq!((application.id, application.status.clone()), (21, Some(ServeStatus::DeployFailed)));
    assert_eq!((application.job.id(), &application.job["id"]), (None, &"0b9a9a1e".into()));
    assert_pages(&backend, || backend.client.list_serve_applications(), APPLICATION, &application).await;
    // A UUID is no integer, but it stays.
    backend.answer(200, &format!(r#"{{"id": 1, "job": "{ID}"}}"#));
    let application: types::ServeApplication = backend.output(call()).await;
    assert_eq!(application.job.decode::<JobId>().unwrap(), JobId::from(ID));
}

#[tokio::test]
async fn list_serve_applications_sends_filters() {
    let backend = Backend::of(PAGE).await;
    backend.get(backend.client.list_serve_applications(), "/serve_applications/").await;
    assert_query!(backend, list_serve_applications(), "/serve_applications/", {
        job_agent(3) => "job__agent=3",
        page(2) => "page=2",
        page_size(10) => "page_size=10",
        plugin_code("yolov8") => "plugin_code=yolov8",
        status("NOT_STARTED") => "status=NOT_STARTED",
    });
    for status in ["DEPLOYING", "DEPLOY_FAILED", "RUNNING", "UNHEALTHY", "DELETING", "UNAVAILABLE"] {
        let call = backend.client.list_serve_applications().params(|p| p.status(status));
        backend.get(call, &format!("/serve_applications/?status={status}")).await;
    }
}
