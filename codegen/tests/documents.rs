//! Documents of other backends: each generates and compiles, and gives a usable client.

mod support;

use std::fs;

use support::crate_copy::CrateCopy;
use support::large;
use synapse_codegen::generate::generate;

/// Uses what every document gives: an operation, `list_all`, a body.
const PROBE: &str = r#"//! Uses a client of another backend.
use synapse_backend_client::BackendClient;

fn main() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    let tasks = client.call(|raw| raw.tasks_list()).params(|p| p.ids([1, 2]).status("open").created_gte("2024-01-01"));
    println!("{}", tasks.request().unwrap().url());
    let _: synapse_backend_client::ListAll<synapse_backend_client::types::Task> =
        client.call(|raw| raw.tasks_list()).list_all();
    let call = client.call(|raw| raw.tasks_partial_update(7).body_map(|task| task.note_null().tags(Vec::<String>::new())));
    println!("{}", String::from_utf8_lossy(call.request().unwrap().body().unwrap().as_bytes().unwrap()));
}
"#;

#[test]
fn large_foreign_document_compiles() {
    let document = large::document();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    fs::write(&path, serde_json::to_string_pretty(&document).unwrap()).unwrap();

    let generated = generate(document).map_err(|error| panic!("{error}")).ok().unwrap();
    assert_eq!(generated.operations.len(), 150);
    assert!(generated.report.left_out.is_empty());

    let copy = CrateCopy::from_document(&path);
    copy.example("probe", PROBE);
    let (out, err) = copy.succeed(&["run", "--example", "probe"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "http://localhost/api/tasks/?created__gte=2024-01-01&ids=1%2C2&status=open",
            r#"{"note":null,"tags":[]}"#
        ]
    );
    assert!(err.contains("large.json: 150 operations, "), "{err}");

    // The selection is a tenth of the document.
    let copy = CrateCopy::from_document(&path).only("task,/api/models/");
    copy.example("probe", PROBE);
    let (_, err) = copy.succeed(&["run", "--example", "probe"]);
    assert!(err.contains("large.json: 12 operations, "), "{err}");
    assert!(err.contains("left out: 138 operations that SYNAPSE_OPENAPI_ONLY doesn't select"), "{err}");
    let lines = |text: &str| text.split(" operations, ").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    assert!(lines(&err).unwrap() * 4 < generated.code.lines().count(), "{err}");

    let output = CrateCopy::from_document(&path).only("tusk").cargo(&["build", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && err.contains("SYNAPSE_OPENAPI_ONLY=tusk: no operation has the tag `tusk`; there are "),
        "{err}"
    );
}

#[test]
fn missing_document_error_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.json");
    let output = CrateCopy::from_document(&missing).cargo(&["build", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && err.contains(&format!(
                "error: synapse-backend-client@0.1.0: {}: No such file",
                missing.display()
            )),
        "{err}"
    );
    let swagger = folder.path().join("old.yaml");
    fs::write(&swagger, "swagger: '2.0'\n").unwrap();
    let output = CrateCopy::from_document(&swagger).cargo(&["build", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && err.contains("old.yaml: swagger: version \"2.0\" isn't supported"),
        "{err}"
    );
}
