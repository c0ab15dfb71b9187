//! Operations, parameters, bodies and responses.

use serde_json::{Value, json};

use crate::changes::*;

#[test]
fn description_changes_are_ignored() {
    assert_reported(diff(&document(), &document()), &[]);
    assert_reported(
        changed(|new| {
            set(new, "/info/title", json!("another"));
            set(new, format!("{LIST}/summary"), json!("another"));
            set(new, format!("{LIST}/tags"), json!(["another"]));
            set(new, format!("{SCHEMAS}/Model/description"), json!("another"));
            set(new, format!("{SCHEMAS}/Model/properties/id/example"), json!(1));
            set(new, format!("{SCHEMAS}/Model/x-of-somebody"), json!(1));
        }),
        &[],
    );
}

#[test]
fn operation_added_and_removed() {
    let more = json!({"operationId": "get_project", "responses": {"200": {"description": ""}}});
    let touches = "touches BackendClient::get_project (generated)";
    let change = |new: &mut Value| set(new, "/paths/~1projects~1", json!({"get": more}));
    assert_lines(changed(change), &[("ok added operation get_project GET /projects/", touches)]);
    assert_lines(undone(change), &[("breaking removed operation get_project GET /projects/", touches)]);
}

#[test]
fn touched_method_is_named() {
    for (id, touches) in [
        // Calls in a macro's body, in a macro's argument, and of a closure's typed parameter count.
        ("list_tags", "BackendClient::list_tags (src/lib.rs)"),
        ("describe_model", "BackendClient::describe_model (src/lib.rs)"),
        ("get_tag", "BackendClient::get_tag (src/lib.rs)"),
        // A private function that nothing calls takes the operation over.
        ("only_hidden", "nothing"),
        // Tests and comments are not calls.
        ("only_in_tests", "BackendClient::only_in_tests (generated)"),
        ("only_in_words", "BackendClient::only_in_words (generated)"),
        // The method has the operation's name in Rust.
        ("tagsPartialUpdate", "BackendClient::tags_partial_update (generated)"),
        ("type", "BackendClient::type_ (generated)"),
        // The name is reserved.
        ("download", "nothing"),
    ] {
        let operation = json!({"operationId": id, "responses": {"200": {"description": ""}}});
        let message = format!("ok added operation {id} GET /tags/");
        assert_lines(
            changed(|new| set(new, "/paths/~1tags~1", json!({"get": operation}))),
            &[(&message, &format!("touches {touches}"))],
        );
    }
}

#[test]
fn operation_renamed_or_moved() {
    // The method has a new name, too.
    let both = "touches BackendClient::get_model (generated), BackendClient::models_retrieve (generated)";
    assert_lines(
        changed(|new| set(new, format!("{GET}/operationId"), json!("models_retrieve"))),
        &[("breaking renamed operation get_model -> models_retrieve GET /models/{id}/", both)],
    );
    assert_lines(
        changed(|new| {
            let item = take(new, "/paths/~1models~1{id}~1");
            set(new, "/paths/~1v2~1models~1{id}~1", item);
        }),
        &[("breaking moved operation get_model GET /models/{id}/ -> GET /v2/models/{id}/", GOT)],
    );
    assert_lines(
        changed(|new| {
            let operation = take(new, CREATE);
            set(new, "/paths/~1models~1/put", operation);
        }),
        &[("breaking moved operation create_model POST /models/ -> PUT /models/", CREATED)],
    );
}

#[test]
fn deprecated_operation_is_reported() {
    assert_lines(
        changed(|new| set(new, format!("{GET}/deprecated"), json!(true))),
        &[("ok changed operation get_model not deprecated -> deprecated", GOT)],
    );
}

#[test]
fn filter_added_and_removed() {
    let filter = json!({"name": "active", "in": "query", "schema": {"type": "boolean"}});
    let change = |new: &mut Value| set(new, format!("{LIST}/parameters/-"), filter.clone());
    assert_lines(changed(change), &[("ok added parameter list_models?active boolean, optional", LISTED)]);
    assert_lines(undone(change), &[("breaking removed parameter list_models?active boolean", LISTED)]);
    let mut required = filter.clone();
    required["required"] = json!(true);
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/-"), required)),
        &[("breaking added parameter list_models?active boolean, required", LISTED)],
    );
}

#[test]
fn renamed_filter_is_recognized() {
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/0/name"), json!("project_id"))),
        &[("breaking renamed parameter list_models?project -> project_id maybe renamed", LISTED)],
    );
    // A parameter of another type is another parameter.
    assert_lines(
        changed(|new| {
            let filter =
                json!({"name": "project_id", "in": "query", "schema": {"type": "string", "format": "uuid"}});
            set(new, format!("{LIST}/parameters/0"), filter);
        }),
        &[
            ("breaking removed parameter list_models?project integer int64", LISTED),
            ("ok added parameter list_models?project_id string, optional", LISTED),
        ],
    );
}

#[test]
fn renamed_path_parameter_is_breaking() {
    assert_lines(
        changed(|new| {
            let mut item = take(new, "/paths/~1models~1{id}~1");
            item["get"]["parameters"][0]["name"] = json!("pk");
            set(new, "/paths/~1models~1{pk}~1", item);
        }),
        &[("breaking renamed parameter get_model{id} -> pk", GOT)],
    );
}

#[test]
fn moved_parameter_is_breaking() {
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/0/in"), json!("header"))),
        &[("breaking moved parameter list_models?project query -> header", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/2/explode"), json!(false))),
        &[("breaking changed parameter list_models?ids style form, exploded -> form", LISTED)],
    );
}

#[test]
fn parameter_change_is_classified() {
    let change = |new: &mut Value| set(new, format!("{LIST}/parameters/0/required"), json!(true));
    assert_lines(
        changed(change),
        &[("breaking changed parameter list_models?project optional -> required", LISTED)],
    );
    assert_lines(
        undone(change),
        &[("ok changed parameter list_models?project required -> optional", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/0/schema"), json!({"type": "string"}))),
        &[("breaking changed parameter list_models?project integer int64 -> string", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{GET}/parameters/0/schema/format"), json!("int32"))),
        &[("breaking changed parameter get_model{id} integer int64 -> integer int32", GOT)],
    );
    assert_lines(
        changed(|new| set(new, "/components/parameters/Search/deprecated", json!(true))),
        &[("ok changed parameter list_models?search not deprecated -> deprecated", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/2/schema/items/format"), json!("int64"))),
        &[("breaking changed parameter list_models?ids list of integer -> list of integer int64", LISTED)],
    );
}

#[test]
fn filter_values_added_and_removed() {
    let change =
        |new: &mut Value| set(new, format!("{LIST}/parameters/1/schema/enum"), json!(["id", "name", "size"]));
    assert_lines(changed(change), &[("ok added parameter list_models?order value size", LISTED)]);
    assert_lines(undone(change), &[("breaking removed parameter list_models?order value size", LISTED)]);
    let free = |new: &mut Value| drop(take(new, format!("{LIST}/parameters/1/schema/enum")));
    assert_lines(
        changed(free),
        &[("ok changed parameter list_models?order only some values -> any value", LISTED)],
    );
    assert_lines(
        undone(free),
        &[("breaking changed parameter list_models?order any value -> only id, name", LISTED)],
    );
}

#[test]
fn request_body_added_and_removed() {
    let change = |new: &mut Value| drop(take(new, format!("{CREATE}/requestBody")));
    assert_lines(
        changed(change),
        &[
            ("breaking removed body create_model(body) ModelCreate", CREATED),
            ("breaking removed type ModelCreate no operation uses it any more", CREATED),
        ],
    );
    assert_lines(
        undone(change),
        &[
            ("breaking added body create_model(body) ModelCreate, required", CREATED),
            ("ok added type ModelCreate an operation uses it now", CREATED),
        ],
    );
    let optional = |new: &mut Value| set(new, format!("{CREATE}/requestBody/required"), json!(false));
    assert_lines(changed(optional), &[("ok changed body create_model(body) required -> optional", CREATED)]);
    assert_lines(
        undone(optional),
        &[("breaking changed body create_model(body) optional -> required", CREATED)],
    );
    assert_lines(
        changed(|new| {
            let content = take(new, format!("{CREATE}/requestBody/content/application~1json"));
            set(new, format!("{CREATE}/requestBody/content/multipart~1form-data"), content);
        }),
        &[("breaking changed body create_model(body) application/json -> multipart/form-data", CREATED)],
    );
    // If there is JSON, other media types make no difference.
    assert_lines(
        changed(|new| set(new, format!("{CREATE}/requestBody/content/application~1xml"), json!({}))),
        &[],
    );
}

#[test]
fn answer_change_is_classified() {
    let content = |new: &mut Value| drop(take(new, format!("{GET}/responses/200/content")));
    assert_lines(changed(content), &[("breaking removed response get_model(response) Model", GOT)]);
    assert_lines(undone(content), &[("breaking added response get_model(response) Model", GOT)]);
    assert_lines(
        changed(|new| {
            let answer = take(new, format!("{GET}/responses/200"));
            set(new, format!("{GET}/responses/203"), answer);
        }),
        &[("ok changed response get_model(response) status 200 -> 203", GOT)],
    );
    assert_lines(
        changed(|new| {
            take(new, format!("{LIST}/responses/404"));
            set(new, format!("{LIST}/responses/410"), json!({"description": ""}));
        }),
        &[
            ("ok added response list_models(response) status 410", LISTED),
            ("ok removed response list_models(response) status 404", LISTED),
        ],
    );
    assert_lines(
        changed(|new| {
            let content = take(new, format!("{GET}/responses/200/content/application~1json"));
            set(new, format!("{GET}/responses/200/content/application~1xml"), content);
        }),
        &[("breaking changed response get_model(response) application/json -> application/xml", GOT)],
    );
    // Within the schema of a response.
    let page = format!("{LIST}/responses/200/content/application~1json/schema");
    assert_lines(
        changed(|new| set(new, format!("{page}/properties/count"), json!({"type": "integer"}))),
        &[("ok added response-field list_models(response).count integer, optional", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{page}/properties/results/items"), json!({"type": "string"}))),
        &[(
            "breaking changed response-field list_models(response).results list of Model -> list of string",
            LISTED,
        )],
    );
}

#[test]
fn security_added_and_removed() {
    let key = |name: &str| json!({"type": "apiKey", "in": "header", "name": name});
    let more = |new: &mut Value| {
        set(new, "/components/securitySchemes/other", key("X-Other"));
        set(new, "/security/-", json!({"other": []}));
    };
    assert_lines(changed(more), &[("ok added security document apiKey header X-Other", ALL)]);
    assert_lines(undone(more), &[("breaking removed security document apiKey header X-Other", ALL)]);
    assert_lines(
        changed(|new| set(new, format!("{GET}/security"), json!([{"token": []}, {}]))),
        &[("ok added security get_model none", GOT)],
    );
}

#[test]
fn lines_are_aligned_and_sorted() {
    let files = Files::new();
    let (old, mut new) = (document(), document());
    set(&mut new, format!("{LIST}/parameters/0/name"), json!("project_id"));
    set(&mut new, format!("{SCHEMAS}/Model/properties/owner"), json!({"type": "string"}));
    let (old, new) = (files.document("old.json", &old), files.document("new.json", &new));
    let ended = xtask(&["spec", "diff", &old, &new, "--src", &layer()]);
    let expected = format!(
        "breaking  renamed  parameter       list_models?project -> project_id  maybe renamed     {LISTED}\n\
         ok        added    response-field  Model.owner                        string, optional  {ALL}\n\
         2 changes, 1 breaking\n"
    );
    assert_eq!(ended.out, expected);
}

#[test]
fn incomparable_input_is_one_line_error() {
    let files = Files::new();
    let good = files.document("good.json", &document());
    let mut nowhere = document();
    set(&mut nowhere, format!("{SCHEMAS}/Model/properties/kind/$ref"), json!("#/components/schemas/Nothing"));
    let cases = [
        (files.path("missing.yaml").display().to_string(), "No such file"),
        (files.write("broken.yaml", "a: [\n"), "not YAML"),
        (files.write("two.yaml", "swagger: '2.0'\n"), "version \"2.0\" isn't supported"),
        (
            files.document("nowhere.json", &nowhere),
            "components.schemas.Model: kind: `#/components/schemas/Nothing` is not in the document",
        ),
        ("git:no-such-revision".to_owned(), "git:no-such-revision"),
        ("git:--help".to_owned(), "git:--help"),
    ];
    for (bad, reason) in cases {
        for arguments in [["spec", "diff", &bad, &good], ["spec", "diff", &good, &bad]] {
            let ended = xtask(&arguments);
            assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{bad}");
            assert!(ended.err.starts_with("xtask: ") && ended.err.contains(reason), "{bad}: {}", ended.err);
            assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        }
    }
    let ended = xtask(&["spec", "diff", &good, &good, "--src", "nothing.rs"]);
    assert_eq!(ended.code, 2);
    assert_eq!(xtask(&["spec", "diff"]).code, 2);
}

#[test]
fn nameless_operations_use_build_names() {
    let files = Files::new();
    let good = files.document("good.json", &document());
    let mut nameless = document();
    take(&mut nameless, format!("{GET}/operationId"));
    let mut twice = document();
    set(&mut twice, format!("{GET}/operationId"), json!("list_models"));
    for (name, document, called) in
        [("nameless.json", nameless, "get_models_id"), ("twice.json", twice, "list_models_2")]
    {
        let ended = xtask(&["spec", "diff", &good, &files.document(name, &document)]);
        assert_eq!(ended.code, 1, "{}", ended.err);
        assert!(ended.out.contains(called), "{}", ended.out);
    }
}

#[test]
fn forms_of_3_1_equal_3_0() {
    let files = Files::new();
    let plain = json!({"type": "object", "properties": {"note": {"type": "string", "nullable": true}}});
    let modern = json!({"type": "object", "properties": {"note": {"type": ["string", "null"]}}});
    let mut old = document();
    set(&mut old, format!("{SCHEMAS}/Model"), plain);
    let mut new = old.clone();
    set(&mut new, "/openapi", json!("3.1.0"));
    set(&mut new, format!("{SCHEMAS}/Model"), modern);
    let ended =
        xtask(&["spec", "diff", &files.document("old.json", &old), &files.document("new.json", &new)]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "0 changes, 0 breaking\n"), "{}", ended.err);
}

#[test]
fn project_document_equals_itself_in_git() {
    let ended = xtask(&["spec", "diff", "git:HEAD", "git:HEAD"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "0 changes, 0 breaking\n"), "{}", ended.err);
}
