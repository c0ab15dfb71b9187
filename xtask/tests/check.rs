//! Tests the findings and exit codes of `spec check`. The linter is tested only if npm is installed.

#[path = "support/small.rs"]
mod small;
mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use small::{document, layer};
use support::{Files, xtask};

const NONE_LISTED: &str = "[operations]\n";

/// Returns the output without the summaries, and the exit code.
fn check(document: &Value, listed: &str) -> (Vec<String>, i32) {
    let files = Files::new();
    let (document, listed) =
        (files.document("document.json", document), files.write("uncovered.toml", listed));
    let ended = xtask(&["spec", "check", &document, "--no-lint", "--src", &layer(), "--uncovered", &listed]);
    assert_eq!(ended.err, "");
    let summaries = ["lint: skipped", "coverage: ", "test backend: "];
    let findings = ended.out.lines().filter(|line| {
        let summary = line.contains(" operations are ") || line.starts_with(summaries[0]);
        !(summary && summaries.iter().any(|start| line.starts_with(start)))
    });
    (findings.map(str::to_owned).collect(), ended.code)
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
fn project_document_is_covered() {
    let ended = xtask(&["spec", "check", "--no-lint"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let mut lines = ended.out.lines();
    assert_eq!(lines.next(), Some("lint: skipped (--no-lint)"));
    assert!(lines.next().unwrap().ends_with("operations are called by the handwritten layer"));
    assert!(lines.next().unwrap().ends_with("operations are implemented"));
    assert_eq!(lines.next(), None);
}

#[test]
fn fully_covered_document_passes() {
    assert_eq!(check(&served(), NONE_LISTED), (Vec::new(), 0));
}

#[test]
fn operation_must_be_called_or_listed() {
    let mut document = served();
    document["paths"]["/ground_truths/"] = json!({"get": operation("list_ground_truths")});
    let message = "uncovered: list_ground_truths (GET /ground_truths/): no handwritten code calls it, and no reason is listed";
    assert_eq!(check(&document, NONE_LISTED), (vec![message.to_owned()], 1));
    assert_eq!(
        check(&document, "[operations]\nlist_ground_truths = \"nobody asks for them\"\n"),
        (Vec::new(), 0)
    );
    let message = "uncovered: list_ground_truths: uncovered.toml gives no reason";
    assert_eq!(check(&document, "[operations]\nlist_ground_truths = \" \"\n"), (vec![message.to_owned()], 1));
}

#[test]
fn stale_listed_operation_is_reported() {
    let listed = "[operations]\nlist_models = \"a reason\"\nlist_nothing = \"another\"\n";
    let message = [
        "uncovered: list_models: uncovered.toml lists it, but handwritten code calls it",
        "uncovered: list_nothing: uncovered.toml lists it, but the document has no such operation",
    ];
    assert_eq!(check(&served(), listed), (message.map(str::to_owned).to_vec(), 1));
}

#[test]
fn tests_and_comments_are_not_calls() {
    for id in ["only_in_tests", "only_in_words"] {
        let mut document = served();
        document["paths"]["/models/"]["get"]["operationId"] = json!(id);
        let message =
            format!("uncovered: {id} (GET /models/): no handwritten code calls it, and no reason is listed");
        assert_eq!(check(&document, NONE_LISTED), (vec![message], 1));
    }
    // Calls in a macro's body, in a macro's argument, and in an uncalled function count.
    for id in ["list_tags", "describe_model", "only_hidden"] {
        let mut document = served();
        document["paths"]["/models/"]["get"]["operationId"] = json!(id);
        assert_eq!(check(&document, NONE_LISTED), (Vec::new(), 0), "{id}");
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
            "GET /models/archived/): another route handled it: the object exists, but the response is a 404",
        ),
        ("/models", "get", "GET /models): the route redirects to another path (301 Moved Permanently)"),
    ] {
        let message = format!("test backend: describe_model ({message}");
        assert_eq!(check(&with(path, method), NONE_LISTED), (vec![message], 1));
    }
    // A missing object is not a missing route.
    for (path, method) in [("/ground_truth_dataset_versions/{id}/", "get"), ("/chunked_upload/{id}/", "post")]
    {
        assert_eq!(check(&with(path, method), NONE_LISTED), (Vec::new(), 0));
    }
}

#[test]
fn unreadable_input_is_an_error() {
    let files = Files::new();
    let document = files.document("document.json", &served());
    let listed = files.write("uncovered.toml", "[operations]\nlist_models = 1\n");
    for arguments in [
        vec!["spec", "check", "missing.yaml", "--no-lint"],
        vec!["spec", "check", &document, "--no-lint", "--uncovered", "missing.toml"],
        vec!["spec", "check", &document, "--no-lint", "--uncovered", &listed],
        vec!["spec", "check", &document, "--no-lint", "--src", "missing.rs"],
    ] {
        let ended = xtask(&arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
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
    let listed = files.write("uncovered.toml", NONE_LISTED);
    let ended = xtask(&["spec", "check", &document, "--src", &layer(), "--uncovered", &listed]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let name = Path::new(&document).display();
    let found = ended.out.lines().any(|line| {
        line.starts_with(&format!("lint: {name}:")) && line.contains("no-invalid-media-type-examples")
    });
    assert!(found, "{}", ended.out);
}
