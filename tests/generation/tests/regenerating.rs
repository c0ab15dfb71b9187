//! The crate follows its document: it is built from a changed copy of it, and not a line of it is written by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the library without its tests, in a workspace of its own.
struct Copy {
    directory: tempfile::TempDir,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

impl Copy {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for part in ["build.rs", "build", "openapi", "src", "Cargo.lock"] {
            copy(&root().join(part), &directory.path().join(part));
        }
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        // The other members aren't copied, and what tests need isn't needed.
        let manifest = manifest.replace("members = [\"tests/backend\", \"tests/generation\"]", "members = []");
        let (head, rest) = manifest.split_once("[dev-dependencies]").unwrap();
        let rest = &rest[rest.find("[lints").unwrap()..];
        let runtime = "[dev-dependencies]\ntokio = { version = \"1.52\", features = [\"rt\"] }\n\n";
        fs::write(directory.path().join("Cargo.toml"), format!("{head}{runtime}{rest}")).unwrap();
        Copy { directory }
    }

    fn edit(&self, change: impl FnOnce(String) -> String) {
        let path = self.directory.path().join("openapi/synapse-v1.yaml");
        let before = fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "the document has changed: so must this test");
        fs::write(path, after).unwrap();
    }

    fn example(&self, text: &str) {
        let examples = self.directory.path().join("examples");
        fs::create_dir_all(&examples).unwrap();
        fs::write(examples.join("probe.rs"), text).unwrap();
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        // One folder for all copies: the dependencies are compiled once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("regenerating");
        Command::new(env!("CARGO"))
            .args(arguments)
            .args(["--offline", "--no-default-features"])
            .current_dir(self.directory.path())
            .env("CARGO_TARGET_DIR", target)
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

const PROBE: &str = r#"//! Uses what the document gained.
use synapse_backend_client::BackendClient;
use synapse_backend_client::types::Model;

fn main() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    // A new filter, a new field of a request, and a new operation.
    let listed = client.list_models().params(|p| p.framework("pytorch")).request().unwrap();
    println!("{}", listed.url());
    let project = client.call(|raw| raw.get_project().id(7)).request().unwrap();
    println!("{} {}", project.method(), project.url());
    let created = client.call(|raw| raw.create_model().body_map(|m| {
        m.name("n").model_type("detection").project(1).chunked_upload(1).license("MIT")
    }));
    println!("{}", String::from_utf8_lossy(created.request().unwrap().body().unwrap().as_bytes().unwrap()));
    // A new field of an answer.
    let model = |model: &Model| model.license.clone();
    let _ = model;
}
"#;

#[test]
fn a_new_filter_field_or_operation_costs_no_line_and_a_removed_one_is_named() {
    let copy = Copy::new();
    copy.edit(|document| {
        document
            .replacen(
                "        - name: is_active\n          in: query\n",
                "        - name: framework\n          in: query\n          schema: { type: string }\n        - name: is_active\n          in: query\n",
                1,
            )
            .replacen(
                "    Model:\n      type: object\n      description: A trained model.\n      required: [id, name, model_type]\n      properties:\n",
                "    Model:\n      type: object\n      description: A trained model.\n      required: [id, name, model_type]\n      properties:\n        license: { type: string, nullable: true }\n",
                1,
            )
            .replacen(
                "      required: [name, model_type, project, chunked_upload]\n      properties:\n",
                "      required: [name, model_type, project, chunked_upload]\n      properties:\n        license: { type: string }\n",
                1,
            )
            .replacen(
                "paths:\n",
                "paths:\n  /projects/{id}/:\n    get:\n      operationId: get_project\n      parameters:\n        - $ref: '#/components/parameters/Id'\n      responses:\n        '200':\n          description: The project.\n          content:\n            application/json:\n              schema: { $ref: '#/components/schemas/Json' }\n",
                1,
            )
    });
    copy.example(PROBE);
    let output = copy.cargo(&["run", "-q", "--example", "probe"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "http://localhost/models/?framework=pytorch",
            "GET http://localhost/projects/7/",
            r#"{"chunked_upload":1,"license":"MIT","model_type":"detection","name":"n","project":1}"#,
        ]
    );

    // A renamed operation is a compile error that names the old one.
    copy.edit(|document| document.replacen("operationId: get_model\n", "operationId: read_model\n", 1));
    let output = copy.cargo(&["check", "-q", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("get_model"), "{err}");

    // A broken document ends the build with one line: file, operation, reason.
    copy.edit(|document| document.replacen("      operationId: list_models\n", "", 1));
    let output = copy.cargo(&["check", "-q", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line = "openapi/synapse-v1.yaml: GET /models/: `operationId` is missing";
    assert!(!output.status.success() && err.contains(line), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
