//! Checks that the test backend implements every operation. Sends each one, and reports the responses of a
//! missing route or method.
//!
//! Requests use the ids of the backend's own data and an empty body, so a 400 proves as well as a 200 that
//! the route exists. If the route is missing, Django responds with a 404 in HTML. If the object is missing,
//! the framework responds with a 404 in JSON. This is accepted only if the path has an id of a kind that
//! this module doesn't know.

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
        let (path, known) = filled(document, place, &upload)?;
        let response = requester.send(&method, &path)?;
        if let Some(problem) = problem(&response, known) {
            findings.push(format!("test backend: {} ({method} {}): {problem}", place.id, place.path));
        }
    }
    runtime.block_on(backend.shutdown());
    Ok((operations.len() - findings.len(), findings))
}

/// Returns the path with ids in place of its parameters, and whether all of these objects exist.
fn filled(document: &Value, place: &Place<'_>, upload: &str) -> Result<(String, bool), String> {
    let mut path = String::new();
    let mut known = true;
    for (index, segment) in place.path.split('/').enumerate() {
        if index > 0 {
            path.push('/');
        }
        if !(segment.starts_with('{') && segment.ends_with('}')) {
            path.push_str(segment);
            continue;
        }
        match path.trim_end_matches('/').rsplit('/').next().unwrap_or_default() {
            "models" => path.push_str(&Backend::FIRST_MODEL.to_string()),
            "ground_truth_dataset_versions" => path.push_str(&Backend::FIRST_VERSION.to_string()),
            "chunked_upload" => path.push_str(upload),
            _ => {
                known = false;
                path.push_str(if takes_text(document, place, segment)? { "x" } else { "1" });
            }
        }
    }
    Ok((path, known))
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
fn problem(response: &Response, known: bool) -> Option<String> {
    let Response { status, json } = response;
    match *status {
        StatusCode::METHOD_NOT_ALLOWED => Some("the path exists, the method doesn't (405)".to_owned()),
        StatusCode::NOT_FOUND if !json => Some("there is no such route (404)".to_owned()),
        StatusCode::NOT_FOUND if known => {
            Some("another route handled it: the object exists, but the response is a 404".to_owned())
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
