//! The crate follows its document. It is built from a changed copy of the document, without any change of
//! its code.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::crate_copy::CrateCopy;

/// What the document gains after each of these texts: operations, a filter, fields and a type.
const GAINS: [(&str, &str); 5] = [
    (
        "paths:\n",
        r#"  /folders/{id}/:
    get:
      operationId: get_folder
      parameters:
        - $ref: '#/components/parameters/Id'
      responses:
        '200':
          description: The folder.
          content:
            application/json:
              schema: { $ref: '#/components/schemas/Json' }
  /folders/{id}/tags/:
    put:
      operationId: set_folder_tags
      tags: [folders]
      summary: Set the tags of a folder
      description: Replaces all tags of a folder.
      parameters:
        - $ref: '#/components/parameters/Id'
        - name: create_missing
          in: query
          description: Whether unknown tags are created.
          schema: { type: boolean }
      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: '#/components/schemas/FolderTags' }
      responses:
        '200':
          description: The new tags.
          content:
            application/json:
              schema: { $ref: '#/components/schemas/FolderTags' }
        '404': { $ref: '#/components/responses/NotFound' }
"#,
    ),
    (
        "      description: Returns one page of the models that the caller may see and that match the filters.\n      parameters:\n",
        "        - name: framework\n          in: query\n          schema: { type: string }\n",
    ),
    (
        "      required: [id, name, model_type]\n      properties:\n",
        "        license: { type: string, nullable: true }\n",
    ),
    (
        "      required: [name, model_type, project, chunked_upload]\n      properties:\n",
        "        license: { type: string }\n",
    ),
    (
        "\n  schemas:\n",
        r#"    FolderTags:
      type: object
      required: [tags]
      properties:
        tags: { type: array, items: { type: string } }
        note: { type: string }
"#,
    ),
];

/// Selects the operations that the test changes.
const FEATURE: &str = "--features=models";

const PROBE: &str = r#"//! Uses what the document gained.
use synapse_backend_client::{BackendClient, Error};

fn main() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    // New operations.
    let folder = client.get_folder(7).request().unwrap();
    println!("{} {}", folder.method(), folder.url());
    let tagged = client.set_folder_tags(7, |body| body.tags(["a", "b"]).note("n"));
    let tagged = tagged.params(|p| p.create_missing(true)).request().unwrap();
    let body = String::from_utf8_lossy(tagged.body().unwrap().as_bytes().unwrap()).into_owned();
    println!("{} {} {body}", tagged.method(), tagged.url());
    // A new filter, and a new field of a request.
    let listed = client.list_models().params(|p| p.framework("pytorch")).request().unwrap();
    println!("{}", listed.url());
    let created = client.call(|raw| raw.create_model(|m| {
        m.name("n").model_type("detection").project(1).chunked_upload(1).license("MIT")
    }));
    println!("{}", String::from_utf8_lossy(created.request().unwrap().body().unwrap().as_bytes().unwrap()));
    let _ = responses(&client);
}

// New fields of responses.
async fn responses(client: &BackendClient) -> Result<(Option<String>, Vec<String>), Error> {
    let license = client.get_model(1).await?.license;
    Ok((license, client.set_folder_tags(7, |body| body.tags(["a"])).await?.tags))
}
"#;

/// Returns the documentation and the signature of a method that the build of the copy generated.
fn generated_method(copy: &CrateCopy, name: &str) -> String {
    let (out, _) = copy.succeed(&["build", "-q", FEATURE, "--lib", "--message-format=json"]);
    let executed = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|message| {
        message["reason"] == "build-script-executed"
            && message["package_id"].as_str().unwrap().contains("synapse-backend-client")
    });
    let out_dir = executed.unwrap()["out_dir"].as_str().unwrap().to_owned();
    let methods = fs::read_to_string(Path::new(&out_dir).join("methods.rs")).unwrap();
    let (before, signature) = methods.split_once(&format!("pub fn {name}(")).unwrap();
    let docs = before.rsplit("pub fn ").next().unwrap();
    format!("{docs}{}", signature.split('{').next().unwrap())
}

#[test]
fn added_fields_compile_removed_are_named() {
    let copy = CrateCopy::new();
    copy.edit(|mut document| {
        for (before, gain) in GAINS {
            assert!(document.contains(before), "the document has changed: so must this test: {before}");
            document = document.replacen(before, &format!("{before}{gain}"), 1);
        }
        document
    });
    copy.example("probe", PROBE);
    let (out, _) = copy.succeed(&["run", "-q", FEATURE, "--example", "probe"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "GET http://localhost/folders/7/",
            r#"PUT http://localhost/folders/7/tags/?create_missing=true {"note":"n","tags":["a","b"]}"#,
            "http://localhost/models/?framework=pytorch",
            r#"{"chunked_upload":1,"license":"MIT","model_type":"detection","name":"n","project":1}"#,
        ]
    );

    // The method's documentation is the document's.
    let method = generated_method(&copy, "set_folder_tags");
    for part in [
        "Set the tags of a folder\n\nReplaces all tags of a folder.\n",
        "`set_folder_tags` of the API's document: `PUT /folders/{id}/tags/`.",
        "# Parameters\n- `id` (`i64`, argument): The id.\n",
        "- `create_missing` (`bool`, query): Whether unknown tags are created.\n",
        "# Body\n`FolderTags` as JSON.\n",
        "# Statuses\n- 200: The new tags.\n- 404: The object or the page doesn't exist.\n",
        "let response = client.set_folder_tags(456, |body| body.tags([\"…\"])).await?;",
        "-> Call<builder::SetFolderTags>",
    ] {
        assert!(method.contains(part), "{part}\n{method}");
    }

    // A renamed operation that handwritten code calls fails the build. The error names the operation and the
    // code that needs it.
    copy.edit(|document| document.replacen("operationId: create_model\n", "operationId: add_model\n", 1));
    let output = copy.cargo(&["build", "-q", FEATURE, "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line =
        "openapi: the document no longer has what `models` in src/ needs: the operation `create_model`";
    assert!(!output.status.success() && err.contains(line), "{err}");

    // An invalid document fails the build with one line: its folder, operation, reason.
    copy.edit(|document| document.replacen("schemas/Model' }", "schemas/Modell' }", 1));
    let output = copy.cargo(&["build", "-q", FEATURE, "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line = "openapi: POST /models/ (add_model): `#/components/schemas/Modell` leads nowhere";
    assert!(!output.status.success() && err.contains(line), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
