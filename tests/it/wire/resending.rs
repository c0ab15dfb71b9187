//! Which requests are sent again when their outcome is unknown: those that only read, and those that replace. A request
//! that creates or changes something is sent once.

use std::pin::Pin;
use std::time::Duration;

use synapse_backend_client::types::{
    DataUnitCreate, DataUnitFile, PresignedFileRequest, TaskCreate, UploadedFile,
};
use synapse_backend_client::{BackendClient, Call, Error, Operation, RetryPolicy, json};

use crate::support::marker::Failure;
use crate::support::tcp_server::{Act, Server, html, json as json_response, response};

type Sent = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type MakeCall = fn(&BackendClient) -> Sent;

fn sent<O: Operation>(call: Call<O>) -> Sent {
    let future = call.send();
    Box::pin(async move { future.await.map(drop) })
}

/// Requests that may be received twice.
const REPEATABLE: [(&str, MakeCall); 16] = [
    ("GET /users/me/", |client| sent(client.get_current_user())),
    ("GET /projects/1/", |client| sent(client.get_project(1))),
    ("GET /tasks/1/", |client| sent(client.get_task(1))),
    ("GET /sdk/tasks/", |client| sent(client.list_tasks())),
    ("GET /sdk/assignments/files/", |client| sent(client.list_assignments_files())),
    ("PUT /tasks/1/annotate_task_data/", |client| {
        sent(client.annotate_task_data(1, |b| b.data(json!({"a": 1}))))
    }),
    ("GET /data_collections/1/?expand=file_specifications", |client| sent(client.get_data_collection(1))),
    ("GET /data_units/1/", |client| sent(client.get_data_unit(1))),
    ("POST /data_files/verify_checksums/", |client| {
        sent(client.verify_data_files_checksums(|b| b.checksums(["a"])))
    }),
    ("GET /agents/1/", |client| sent(client.get_agent(1))),
    ("GET /plugins/1/", |client| sent(client.get_plugin(1))),
    ("PUT /plugins/1/", |client| sent(client.update_plugin(1, |b| b.name("n")))),
    ("GET /plugin_releases/a@1/?expand=plugin", |client| sent(client.get_plugin_release_by_lookup("a@1"))),
    ("GET /jobs/1/", |client| sent(client.get_job(1_i64))),
    ("GET /serve_applications/", |client| sent(client.list_serve_applications())),
    ("GET /storages/1/?with_configuration=true", |client| sent(client.get_storage(1))),
];

fn task() -> TaskCreate {
    TaskCreate::builder().project(1).data_unit(2).try_into().unwrap()
}

fn unit() -> DataUnitCreate {
    let file = DataUnitFile::builder().checksum("c").path("p");
    DataUnitCreate::builder().data_collection(1).files([("image_1", file)]).try_into().unwrap()
}

/// Requests that have an effect, or an unknown one, each time.
const ONCE: [(&str, MakeCall); 15] = [
    ("POST /tasks/", |client| sent(client.create_tasks(task()))),
    ("POST /tasks/set_tags/", |client| sent(client.set_tags_tasks(|b| b.ids([1]).tags([2])))),
    ("POST /assignments/set_tags/", |client| sent(client.set_tags_assignments(|b| b.ids([1]).tags([2])))),
    ("POST /data_units/", |client| sent(client.create_data_units(unit()))),
    ("POST /data_units/create_tasks/", |client| sent(client.create_tasks_from_data_units(|b| b.project(1)))),
    ("POST /data_files/presigned_upload/upload/", |client| {
        let file = PresignedFileRequest::builder().filename("a").size(1);
        sent(client.request_presigned_upload(|b| b.files([file])))
    }),
    ("POST /data_files/presigned_upload/confirm_upload/", |client| {
        let file = UploadedFile::builder().file_key("k").checksum("c").size(1);
        sent(client.confirm_presigned_upload(|b| b.files([file])))
    }),
    ("POST /agents/0123/connect/", |client| sent(client.health_check_agent("0123"))),
    ("POST /plugins/", |client| sent(client.create_plugin(|b| b.name("n").code("c").category("custom")))),
    ("POST /plugins/c/run/", |client| sent(client.run_plugin("c", |b| b.action("train")))),
    ("POST /plugin_releases/", |client| sent(client.create_plugin_release(|b| b.plugin("c").version("1")))),
    ("PATCH /jobs/1/", |client| sent(client.update_job(1_i64, |b| b.status("RUNNING")))),
    ("POST /serve_applications/", |client| sent(client.create_serve_application(|b| b.job("a")))),
    ("POST /storages/", |client| {
        sent(client.create_storage(|b| b.name("n").provider("minio").category("internal")))
    }),
    ("POST /storages/1/session/", |client| sent(client.create_storage_session(1, |b| b.purpose("read")))),
];

/// Responses that don't tell whether the server has acted on the request.
fn unknown_outcomes() -> [Act; 4] {
    [Act::Keep(html(502)), Act::Keep(html(504)), Act::Keep(response(520, "", "")), Act::Close(Vec::new())]
}

fn success() -> Act {
    Act::Keep(json_response(200, r#"{"id": 1, "results": [], "existing_checksums": [], "files": []}"#))
}

fn client_of(server: &Server) -> BackendClient {
    let retry = RetryPolicy::new().max_retries(2).initial_backoff(Duration::from_millis(1));
    BackendClient::builder(&server.url).retry(retry).build().unwrap()
}

#[tokio::test]
async fn reading_and_replacing_is_repeated() {
    for (line, call) in REPEATABLE {
        for outcome in unknown_outcomes() {
            let server = Server::of([outcome, success()]).await;
            call(&client_of(&server)).await.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(server.lines(), [line, line]);
            let seen = server.seen();
            assert_eq!((&seen[0].head, &seen[0].body), (&seen[1].head, &seen[1].body), "{line}");
        }
    }
}

#[tokio::test]
async fn creating_and_changing_is_sent_once() {
    for (line, call) in ONCE {
        for outcome in unknown_outcomes() {
            let server = Server::of([outcome, success()]).await;
            call(&client_of(&server)).await.failure();
            assert_eq!(server.lines(), [line]);
        }
    }
}

#[tokio::test]
async fn refused_requests_are_repeated() {
    for (line, call) in REPEATABLE.into_iter().chain(ONCE) {
        for refusal in [
            response(429, "Retry-After: 0\r\n", ""),
            response(503, "Retry-After: 0\r\n", ""),
            json_response(503, r#"{"detail": "The service is starting."}"#),
        ] {
            let server = Server::of([Act::Keep(refusal), success()]).await;
            call(&client_of(&server)).await.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(server.lines(), [line, line]);
        }
    }
}

#[tokio::test]
async fn rejected_input_is_never_repeated() {
    for (line, call) in REPEATABLE.into_iter().chain(ONCE) {
        for status in [400, 401, 403, 404, 413, 415, 422] {
            let rejection = json_response(status, r#"{"detail": "no", "name": ["This field is required."]}"#);
            let server = Server::of([Act::Keep(rejection), success()]).await;
            let error = call(&client_of(&server)).await.failure();
            assert_eq!(error.status().map(|given| given.as_u16()), Some(status), "{line}");
            assert_eq!(server.lines(), [line]);
        }
    }
}
