//! The crate follows its document. It is built from a changed copy of the document, without any change of
//! its code.

mod support;

use support::crate_copy::CrateCopy;

const PROBE: &str = r#"//! Uses what the document gained.
use synapse_backend_client::BackendClient;
use synapse_backend_client::types::Model;

fn main() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    // A new filter, a new field of a request, and a new operation.
    let listed = client.list_models().params(|p| p.framework("pytorch")).request().unwrap();
    println!("{}", listed.url());
    let project = client.call(|raw| raw.get_project(7)).request().unwrap();
    println!("{} {}", project.method(), project.url());
    let created = client.call(|raw| raw.create_model(|m| {
        m.name("n").model_type("detection").project(1).chunked_upload(1).license("MIT")
    }));
    println!("{}", String::from_utf8_lossy(created.request().unwrap().body().unwrap().as_bytes().unwrap()));
    // A new field of an answer.
    let model = |model: &Model| model.license.clone();
    let _ = model;
}
"#;

#[test]
fn added_fields_compile_removed_are_named() {
    let copy = CrateCopy::new();
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
    copy.example("probe", PROBE);
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

    // A renamed operation fails the build. The error names the operation and the code that needs it.
    copy.edit(|document| document.replacen("operationId: get_model\n", "operationId: read_model\n", 1));
    let output = copy.cargo(&["build", "-q", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line = "openapi/synapse-v1.yaml: the document no longer has what `models` in src/ needs: the operation `get_model`";
    assert!(!output.status.success() && err.contains(line), "{err}");

    // An invalid document fails the build with one line: file, operation, reason.
    copy.edit(|document| document.replacen("schemas/Model' }", "schemas/Modell' }", 1));
    let output = copy.cargo(&["build", "-q", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line =
        "openapi/synapse-v1.yaml: POST /models/ (create_model): `#/components/schemas/Modell` leads nowhere";
    assert!(!output.status.success() && err.contains(line), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
