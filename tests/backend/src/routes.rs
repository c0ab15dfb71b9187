//! The routes, and Django's responses for other paths and methods.

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::header::{ALLOW, HeaderName, HeaderValue, LOCATION, VARY};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, put};

use crate::app::App;
use crate::drf::{self, Refusal};
use crate::{auth, ground_truth, media, models, uploads, versions};

pub(crate) fn router(app: &App) -> Router {
    let mut api = Router::new();
    let resources: [(&str, MethodRouter<App>, &str); 9] = [
        ("/models/", get(models::list).post(models::create), "GET, POST, HEAD, OPTIONS"),
        ("/models/{id}/", get(models::get), "GET, HEAD, OPTIONS"),
        ("/sdk/ground_truth_events/", get(ground_truth::list_events), "GET, HEAD, OPTIONS"),
        ("/sdk/ground_truth_events/data/", get(ground_truth::list_data), "GET, HEAD, OPTIONS"),
        ("/sdk/ground_truth_events/files/", get(ground_truth::list_files), "GET, HEAD, OPTIONS"),
        ("/ground_truths/", get(ground_truth::list_ground_truths), "GET, HEAD, OPTIONS"),
        ("/ground_truth_dataset_versions/", get(versions::list), "GET, HEAD, OPTIONS"),
        ("/ground_truth_dataset_versions/{id}/", get(versions::get), "GET, HEAD, OPTIONS"),
        ("/chunked_upload/", put(uploads::put_first).post(uploads::post_whole), "POST, PUT, OPTIONS"),
    ];
    let upload = put(uploads::put_next).get(uploads::get).post(uploads::post);
    let upload = ("/chunked_upload/{id}/", upload, "GET, PUT, POST, HEAD, OPTIONS");
    for (path, methods, allow) in resources.into_iter().chain([upload]) {
        let slashless = get(append_slash).fallback(no_such_page);
        api = api.route(path, resource(app, methods, allow)).route(path.trim_end_matches('/'), slashless);
    }
    let prefix = &app.settings.path_prefix;
    let api = if prefix.is_empty() { api } else { Router::new().nest(prefix, api) };
    // Files are outside the API's prefix and need no token: their links are signed.
    api.route("/media/{*path}", any(media::serve)).fallback(no_such_page).with_state(app.clone())
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
