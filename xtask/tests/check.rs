//! Tests the findings and exit codes of `spec check`. The linter is tested only if npm is installed.

#[path = "support/small.rs"]
mod small;
mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use small::document;
use support::{Files, xtask};

/// Returns the output without the summaries, and the exit code.
fn check(document: &Value) -> (Vec<String>, i32) {
    let files = Files::new();
    let ended = xtask(&["spec", "check", &files.document("document.json", document), "--no-lint"]);
    assert_eq!(ended.err, "");
    let (summaries, findings): (Vec<&str>, Vec<&str>) =
        ended.out.lines().partition(|line| line.starts_with("lint: ") || line.contains(" operations"));
    let starts = summaries.iter().map(|line| line.split(':').next().unwrap());
    assert_eq!(starts.collect::<Vec<_>>(), ["lint", "reserved names", "test backend"]);
    (findings.into_iter().map(str::to_owned).collect(), ended.code)
}

/// Returns the small document with the paths of the test backend.
fn served() -> Value {
    let mut document = document();
    let upload = document["paths"].as_object_mut().unwrap().remove("/uploads/").unwrap();
    document["paths"]["/chunked_upload/"] = upload;
    document
}

fn operation(id: &str) -> Value {
    json!({"operationId": id, "responses": {"200": {"description": ""}}})
}

#[test]
fn project_document_passes() {
    let ended = xtask(&["spec", "check", "--no-lint"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let expected = [
        "lint: skipped (--no-lint)",
        "reserved names: 0 of 62 operations",
        "test backend: 62 of 62 operations are implemented",
    ];
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn served_document_passes() {
    assert_eq!(check(&served()), (Vec::new(), 0));
}

#[test]
fn reserved_names_are_reported() {
    for (id, name) in [("download", "download"), ("typeId", "type_id")] {
        let mut document = served();
        document["paths"]["/models/"]["get"]["operationId"] = json!(id);
        let message = format!(
            "reserved: {id} (GET /models/): its method's name is reserved: call it by `client.call(|raw| raw.{name}(…))`"
        );
        assert_eq!(check(&document), (vec![message], 1));
    }
}

#[test]
fn test_backend_must_have_each_route() {
    let with = |path: &str, method: &str| {
        let mut document = served();
        let before = document["paths"][path].as_object().cloned().unwrap_or_default();
        document["paths"][path] = Value::Object(before);
        document["paths"][path][method] = operation("describe_model");
        document
    };
    for (path, method, message) in [
        ("/tags/", "get", "GET /tags/): there is no such route (404)"),
        ("/tags/{id}/", "get", "GET /tags/{id}/): there is no such route (404)"),
        ("/models/{id}/tags/", "get", "GET /models/{id}/tags/): there is no such route (404)"),
        ("/models/{id}/", "delete", "DELETE /models/{id}/): the path exists, the method doesn't (405)"),
        (
            "/models/archived/",
            "get",
            "GET /models/archived/): another route handled it, or its object is of an unknown kind (404)",
        ),
        ("/models", "get", "GET /models): the route redirects to another path (301 Moved Permanently)"),
    ] {
        let message = format!("test backend: describe_model ({message}");
        assert_eq!(check(&with(path, method)), (vec![message], 1));
    }
    // Each kind of object has one that exists.
    for (path, method) in [
        ("/ground_truth_dataset_versions/{id}/", "get"),
        ("/chunked_upload/{id}/", "post"),
        ("/jobs/{id}/console_logs/", "get"),
        ("/agents/{token}/connect/", "post"),
        ("/plugins/{plugin}/run/", "post"),
        ("/plugin_releases/{lookup}/#by_lookup", "get"),
    ] {
        assert_eq!(check(&with(path, method)), (Vec::new(), 0));
    }
}

#[test]
fn unreadable_input_is_an_error() {
    let files = Files::new();
    let broken = files.write("broken.yaml", "a: [\n");
    for document in ["missing.yaml", &broken] {
        let ended = xtask(&["spec", "check", document, "--no-lint"]);
        assert_eq!(ended.code, 2, "{document}");
        assert!(ended.err.starts_with("xtask: "), "{}", ended.err);
    }
}

#[test]
fn missing_npm_is_reported_by_lint() {
    let files = Files::new();
    let mut bad = served();
    bad["paths"]["/models/"]["get"]["responses"]["200"]["content"]["application/json"]["example"] =
        json!({"results": 1});
    let document = files.document("document.json", &bad);
    // An empty PATH hides npm, and another target directory hides an installed linter.
    let ended = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["spec", "check", &document])
        .env("PATH", "")
        .env("CARGO_TARGET_DIR", files.path("target"))
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let message = String::from_utf8(ended.stderr).unwrap();
    assert!(message.contains("npm isn't installed") && message.contains("--no-lint"), "{message}");

    if Command::new("npm").arg("--version").output().is_err() {
        return;
    }
    let ended = xtask(&["spec", "check", &document]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let name = Path::new(&document).display();
    let found = ended.out.lines().any(|line| {
        line.starts_with(&format!("lint: {name}:")) && line.contains("no-invalid-media-type-examples")
    });
    assert!(found, "{}", ended.out);
}
