//! The routes, and Django's responses for other paths and methods.

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::header::{ALLOW, HeaderName, HeaderValue, LOCATION, VARY};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post, put};

use crate::app::App;
use crate::drf::{self, Refusal};
use crate::{
    annotation, auth, data_collection, ground_truth, hitl, media, models, payloads, storages, uploads, users,
    versions,
};

pub(crate) fn router(app: &App) -> Router {
    let mut api = Router::new();
    for (path, methods, allow) in
        machine_learning().into_iter().chain(annotation()).chain(data()).chain(integration())
    {
        let slashless = get(append_slash).fallback(no_such_page);
        api = api.route(path, resource(app, methods, allow)).route(path.trim_end_matches('/'), slashless);
    }
    let prefix = &app.settings.path_prefix;
    let api = if prefix.is_empty() { api } else { Router::new().nest(prefix, api) };
    // Files are outside the API's prefix and need no token: their links are signed.
    api.route("/media/{*path}", any(media::serve))
        .route("/payloads/{kind}/{name}", any(payloads::serve))
        .route("/storage/{*key}", any(storages::put))
        .fallback(no_such_page)
        .with_state(app.clone())
}

/// A path, its methods, and what `Allow` says of them.
type Resource = (&'static str, MethodRouter<App>, &'static str);

const READ: &str = "GET, HEAD, OPTIONS";
const LIST: &str = "GET, POST, HEAD, OPTIONS";
const POST: &str = "POST, OPTIONS";

fn machine_learning() -> Vec<Resource> {
    let upload = put(uploads::put_next).get(uploads::get).post(uploads::post);
    vec![
        ("/models/", get(models::list).post(models::create), LIST),
        ("/models/{id}/", get(models::get), READ),
        ("/sdk/ground_truth_events/", get(ground_truth::list_events), READ),
        ("/sdk/ground_truth_events/data/", get(ground_truth::list_data), READ),
        ("/sdk/ground_truth_events/files/", get(ground_truth::list_files), READ),
        ("/ground_truths/", get(ground_truth::list_ground_truths), READ),
        ("/ground_truth_dataset_versions/", get(versions::list), READ),
        ("/ground_truth_dataset_versions/{id}/", get(versions::get), READ),
        ("/chunked_upload/", put(uploads::put_first).post(uploads::post_whole), "POST, PUT, OPTIONS"),
        ("/chunked_upload/{id}/", upload, "GET, PUT, POST, HEAD, OPTIONS"),
        ("/users/me/", get(users::me), READ),
    ]
}

fn annotation() -> Vec<Resource> {
    vec![
        ("/projects/{id}/", get(annotation::projects::get), READ),
        ("/task_tags/", get(annotation::tags::list), READ),
        ("/task_tags/{id}/", get(annotation::tags::get), READ),
        ("/tasks/", get(annotation::list_all).post(annotation::create), LIST),
        ("/tasks/set_tags/", post(annotation::set_tags), POST),
        ("/tasks/{id}/", get(annotation::get), READ),
        ("/tasks/{id}/annotate_task_data/", put(annotation::annotate), "PUT, OPTIONS"),
        ("/sdk/tasks/", get(annotation::list), READ),
        ("/sdk/tasks/data/", get(annotation::list_data), READ),
        ("/sdk/tasks/files/", get(annotation::list_files), READ),
        ("/assignments/set_tags/", post(hitl::set_tags), POST),
        ("/assignments/{id}/", get(hitl::get), READ),
        ("/sdk/assignments/", get(hitl::list), READ),
        ("/sdk/assignments/data/", get(hitl::list_data), READ),
        ("/sdk/assignments/files/", get(hitl::list_files), READ),
    ]
}

fn data() -> Vec<Resource> {
    vec![
        ("/data_collections/", get(data_collection::collections::list), READ),
        ("/data_collections/{id}/", get(data_collection::collections::get), READ),
        ("/data_files/", post(data_collection::files::create), POST),
        ("/data_files/verify_checksums/", post(data_collection::files::verify_checksums), POST),
        ("/data_files/presigned_upload/upload/", post(storages::request_urls), POST),
        ("/data_files/presigned_upload/confirm_upload/", post(storages::confirm), POST),
        ("/data_units/", get(data_collection::units::list).post(data_collection::create_units), LIST),
        ("/data_units/create_tasks/", post(annotation::create_from_units), POST),
        ("/data_units/{id}/", get(data_collection::units::get), READ),
        ("/storages/", get(storages::list).post(storages::create), LIST),
        ("/storages/{id}/", get(storages::get), READ),
        ("/storages/{id}/session/", post(storages::session), POST),
    ]
}

fn integration() -> Vec<Resource> {
    use crate::integration::{
        agents, console, jobs, logs, plugins, releases, run, serve_applications, update_job,
    };
    vec![
        ("/agents/", get(agents::list), READ),
        ("/agents/{id}/", get(agents::get), READ),
        ("/agents/{id}/connect/", post(agents::connect), POST),
        ("/plugins/", get(plugins::list).post(plugins::create), LIST),
        ("/plugins/{id}/", get(plugins::get).put(plugins::update), "GET, PUT, HEAD, OPTIONS"),
        ("/plugins/{id}/run/", post(run), POST),
        ("/plugin_releases/", get(releases::list).post(releases::create), LIST),
        ("/plugin_releases/{id}/", get(releases::get), READ),
        ("/jobs/", get(jobs::list), READ),
        ("/jobs/{id}/", get(jobs::get).patch(update_job), "GET, PATCH, HEAD, OPTIONS"),
        ("/jobs/{id}/console_logs/", get(console::get), READ),
        ("/logs/", post(logs::create), POST),
        ("/serve_applications/", get(serve_applications::list).post(serve_applications::create), LIST),
    ]
}

fn resource(app: &App, methods: MethodRouter<App>, allow: &'static str) -> MethodRouter<App> {
    const HEADERS: [(HeaderName, &str); 4] = [
        (VARY, "Accept"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "same-origin"),
    ];
    let django = move |mut response: Response| async move {
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    };
    methods
        .options(options)
        .fallback(|method: Method| async move { Refusal::method_not_allowed(&method) })
        .layer(from_fn_with_state(app.clone(), auth::check))
        .layer(map_response(django))
}

async fn options() -> Response {
    drf::json(
        StatusCode::OK,
        r#"{"name":"Synapse","description":"","renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}"#,
    )
}

async fn no_such_page() -> Response {
    drf::no_such_page()
}

/// Django's `APPEND_SLASH`.
async fn append_slash(OriginalUri(uri): OriginalUri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{}/{query}", uri.path()));
    let mut response = drf::html(StatusCode::MOVED_PERMANENTLY, String::new());
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
