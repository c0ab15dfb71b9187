//! Checks that the test backend implements every operation. Sends each one, and reports the responses of a
//! missing route or method.
//!
//! Requests use the ids of the backend's own data and an empty body, so a 400 proves as well as a 200 that
//! the route exists. If the route is missing, Django responds with a 404 in HTML. If the object is missing,
//! the framework responds with a 404 in JSON: then another route handled the request, or [`object`] has no id
//! of this kind.

use std::time::Duration;

use serde_json::Value;
use synapse_test_backend::Backend;
use ureq::http::{Request, StatusCode};

use crate::document::{Place, resolve};

/// Returns the number of implemented operations, and the findings.
pub fn findings(document: &Value, operations: &[Place<'_>]) -> Result<(usize, Vec<String>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| format!("test backend: {error}"))?;
    let backend = Backend::builder().models(3).ground_truth_events(10).start();
    let backend = runtime.block_on(backend).map_err(|error| format!("test backend: {error}"))?;
    let requester = Requester {
        agent: ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(20)))
            .max_redirects(0)
            .build()
            .into(),
        url: backend.url(),
        token: backend.token(),
    };
    let upload = requester.begin_upload()?;
    let mut findings = Vec::new();
    for place in operations {
        let method = place.method.to_uppercase();
        let path = filled(document, place, &backend, &upload)?;
        let response = requester.send(&method, &path)?;
        if let Some(problem) = problem(&response) {
            findings.push(format!("test backend: {} ({method} {}): {problem}", place.id, place.path));
        }
    }
    runtime.block_on(backend.shutdown());
    Ok((operations.len() - findings.len(), findings))
}

/// Returns the path with the ids of existing objects in place of its parameters. A fragment, which
/// distinguishes operations with the same path, is left out.
fn filled(document: &Value, place: &Place<'_>, backend: &Backend, upload: &str) -> Result<String, String> {
    let mut path = String::new();
    for (index, segment) in place.path.split('#').next().unwrap_or_default().split('/').enumerate() {
        if index > 0 {
            path.push('/');
        }
        if !(segment.starts_with('{') && segment.ends_with('}')) {
            path.push_str(segment);
            continue;
        }
        let kind = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        match object(backend, kind, segment, upload) {
            Some(id) => path.push_str(&id),
            None => path.push_str(if takes_text(document, place, segment)? { "x" } else { "1" }),
        }
    }
    Ok(path)
}

/// Returns what names an object of the backend's own data: its id, unless the parameter's name says more.
/// `kind` is the segment of the path before it.
fn object(backend: &Backend, kind: &str, parameter: &str, upload: &str) -> Option<String> {
    let id = match (kind, parameter) {
        ("chunked_upload", _) => return Some(upload.to_owned()),
        ("jobs", _) => return Some(backend.job_id(Backend::FIRST_JOB)),
        ("agents", "{token}") => return backend.agent_connect_token(Backend::FIRST_AGENT),
        ("plugins", "{plugin}") => return Some("neural-net-1".to_owned()),
        ("plugin_releases", "{lookup}") => return Some("neural-net-1@1.0.0".to_owned()),
        ("models", _) => Backend::FIRST_MODEL,
        ("ground_truth_dataset_versions", _) => Backend::FIRST_VERSION,
        ("projects", _) => Backend::FIRST_PROJECT,
        ("tasks", _) => Backend::FIRST_TASK,
        ("task_tags", _) => Backend::FIRST_TASK_TAG,
        ("assignments", _) => Backend::FIRST_ASSIGNMENT,
        ("data_collections", _) => Backend::FIRST_DATA_COLLECTION,
        ("data_units", _) => Backend::FIRST_DATA_UNIT,
        ("storages", _) => Backend::FIRST_STORAGE,
        ("agents", _) => Backend::FIRST_AGENT,
        ("plugins", _) => Backend::FIRST_PLUGIN,
        ("plugin_releases", _) => Backend::FIRST_RELEASE,
        _ => return None,
    };
    Some(id.to_string())
}

/// Returns whether a path parameter is text.
fn takes_text(document: &Value, place: &Place<'_>, segment: &str) -> Result<bool, String> {
    for holder in [place.item, place.operation] {
        for parameter in holder.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolve(document, parameter)?;
            if parameter
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| segment == format!("{{{name}}}"))
            {
                return Ok(parameter.pointer("/schema/type").and_then(Value::as_str) == Some("string"));
            }
        }
    }
    Ok(false)
}

/// Returns the problem with a response, or `None`.
fn problem(response: &Response) -> Option<String> {
    let Response { status, json } = response;
    match *status {
        StatusCode::METHOD_NOT_ALLOWED => Some("the path exists, the method doesn't (405)".to_owned()),
        StatusCode::NOT_FOUND if !json => Some("there is no such route (404)".to_owned()),
        StatusCode::NOT_FOUND => {
            Some("another route handled it, or its object is of an unknown kind (404)".to_owned())
        }
        status if status.is_redirection() => Some(format!("the route redirects to another path ({status})")),
        status if status.is_server_error() => Some(format!("the server failed ({status})")),
        _ => None,
    }
}

struct Requester<'a> {
    agent: ureq::Agent,
    url: &'a str,
    token: &'a str,
}

struct Response {
    status: StatusCode,
    json: bool,
}

impl Requester<'_> {
    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        let authorization = format!("Token {}", self.token);
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Synapse-Access-Token", authorization)
    }

    /// Sends a request with an empty body.
    fn send(&self, method: &str, path: &str) -> Result<Response, String> {
        let fail = |error: &dyn std::fmt::Display| format!("test backend: {method} {path}: {error}");
        let request =
            self.request(method, path).header("Content-Type", "application/json").body(Vec::<u8>::new());
        let response =
            self.agent.run(request.map_err(|error| fail(&error))?).map_err(|error| fail(&error))?;
        let media =
            response.headers().get("Content-Type").and_then(|media| media.to_str().ok()).unwrap_or_default();
        Ok(Response { status: response.status(), json: media.starts_with("application/json") })
    }

    /// Starts an upload and returns its id.
    fn begin_upload(&self) -> Result<String, String> {
        let fail = |error: &dyn std::fmt::Display| format!("test backend: starting an upload: {error}");
        let part =
            |disposition: &str| format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\nx\r\n");
        let body = format!("{}{}--b--\r\n", part("name=\"filename\""), part("name=\"file\"; filename=\"x\""));
        let request = self
            .request("PUT", "/chunked_upload/")
            .header("Content-Type", "multipart/form-data; boundary=b")
            .header("Content-Range", "bytes 0-0/2")
            .body(body)
            .map_err(|error| fail(&error))?;
        let mut response = self.agent.run(request).map_err(|error| fail(&error))?;
        let text = response.body_mut().read_to_string().map_err(|error| fail(&error))?;
        let upload: Value = serde_json::from_str(&text).map_err(|error| fail(&error))?;
        match upload.get("id") {
            Some(Value::String(id)) => Ok(id.clone()),
            Some(id) if !id.is_null() => Ok(id.to_string()),
            _ => Err(fail(&format!("the response has no id ({})", response.status()))),
        }
    }
}
