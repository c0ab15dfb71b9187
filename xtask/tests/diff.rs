//! `spec diff`: one small change at a time, the exact line that tells it, and the exit code.

#[path = "support/small.rs"]
mod small;
mod support;

use serde_json::{Value, json};
use small::{document, layer};
use support::{Files, xtask};

const LIST: &str = "/paths/~1models~1/get";
const CREATE: &str = "/paths/~1models~1/post";
const GET: &str = "/paths/~1models~1{id}~1/get";
const UPLOAD: &str = "/paths/~1uploads~1/put";
const SCHEMAS: &str = "/components/schemas";

/// Sets what stands at a pointer; `-` at its end appends to a list.
fn set(document: &mut Value, pointer: impl AsRef<str>, value: Value) {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

/// Takes away what stands at a pointer.
fn take(document: &mut Value, pointer: impl AsRef<str>) -> Value {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.remove(key.parse::<usize>().unwrap()),
        parent => parent.as_object_mut().unwrap().remove(&key.replace("~1", "/")).unwrap(),
    }
}

/// Compares two documents; gives the lines, with one space between columns, and the exit code.
fn diff(old: &Value, new: &Value) -> (Vec<String>, i32) {
    let files = Files::new();
    let (old, new) = (files.document("old.json", old), files.document("new.json", new));
    let ended = xtask(&["spec", "diff", &old, &new, "--src", &layer()]);
    assert_eq!(ended.err, "");
    let lines = ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    (lines.collect(), ended.code)
}

/// What follows one change of the small document.
fn changed(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (old, mut new) = (document(), document());
    change(&mut new);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

/// What follows the change the other way round.
fn undone(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (new, mut old) = (document(), document());
    change(&mut old);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

#[track_caller]
fn assert_told((lines, code): (Vec<String>, i32), expected: &[&str]) {
    let (counts, told) = lines.split_last().unwrap();
    assert_eq!(told, expected);
    let breaking = expected.iter().filter(|line| line.starts_with("breaking ")).count();
    let plural = if expected.len() == 1 { "" } else { "s" };
    assert_eq!(*counts, format!("{} change{plural}, {breaking} breaking", expected.len()));
    assert_eq!(code, i32::from(breaking > 0));
}

const LISTED: &str = "touches BackendClient::list_models (src/lib.rs)";
const GOT: &str = "touches BackendClient::get_model (src/lib.rs)";
const CREATED: &str = "touches BackendClient::create_model (src/lib.rs)";
const ALL: &str = "touches BackendClient::create_model (src/lib.rs), BackendClient::get_model (src/lib.rs), \
                   BackendClient::list_models (src/lib.rs)";

fn with(lines: &[(&str, &str)]) -> Vec<String> {
    lines.iter().map(|(line, touches)| format!("{line} {touches}")).collect()
}

#[track_caller]
fn assert_lines(told: (Vec<String>, i32), expected: &[(&str, &str)]) {
    let expected = with(expected);
    assert_told(told, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn nothing_is_nothing_and_words_are_nothing_too() {
    assert_told(diff(&document(), &document()), &[]);
    assert_told(
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
fn an_operation_comes_and_goes() {
    let more = json!({"operationId": "list_tags", "responses": {"200": {"description": ""}}});
    let tags = "touches BackendClient::list_tags (src/lib.rs)";
    let change = |new: &mut Value| set(new, "/paths/~1tags~1", json!({"get": more}));
    assert_lines(changed(change), &[("ok added operation list_tags GET /tags/", tags)]);
    assert_lines(undone(change), &[("breaking removed operation list_tags GET /tags/", tags)]);
}

#[test]
fn an_operation_is_renamed_or_moved() {
    assert_lines(
        changed(|new| set(new, format!("{GET}/operationId"), json!("models_retrieve"))),
        &[("breaking renamed operation get_model -> models_retrieve GET /models/{id}/", GOT)],
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
fn an_operation_is_deprecated() {
    assert_lines(
        changed(|new| set(new, format!("{GET}/deprecated"), json!(true))),
        &[("ok changed operation get_model not deprecated -> deprecated", GOT)],
    );
}

#[test]
fn a_filter_comes_and_goes() {
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
fn a_filter_is_renamed() {
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/0/name"), json!("project_id"))),
        &[("breaking renamed parameter list_models?project -> project_id maybe renamed", LISTED)],
    );
    // Another type is another filter.
    assert_lines(
        changed(|new| {
            let filter = json!({"name": "project_id", "in": "query", "schema": {"type": "string", "format": "uuid"}});
            set(new, format!("{LIST}/parameters/0"), filter);
        }),
        &[
            ("breaking removed parameter list_models?project integer int64", LISTED),
            ("ok added parameter list_models?project_id string, optional", LISTED),
        ],
    );
}

#[test]
fn a_paths_parameter_is_renamed() {
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
fn a_parameter_is_sent_elsewhere_or_otherwise() {
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/0/in"), json!("header"))),
        &[("breaking moved parameter list_models?project query -> header", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{LIST}/parameters/2/explode"), json!(false))),
        &[("breaking changed parameter list_models?ids written form, exploded -> form", LISTED)],
    );
}

#[test]
fn a_parameter_changes() {
    let change = |new: &mut Value| set(new, format!("{LIST}/parameters/0/required"), json!(true));
    assert_lines(changed(change), &[("breaking changed parameter list_models?project optional -> required", LISTED)]);
    assert_lines(undone(change), &[("ok changed parameter list_models?project required -> optional", LISTED)]);
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
fn a_filters_values_come_and_go() {
    let change = |new: &mut Value| set(new, format!("{LIST}/parameters/1/schema/enum"), json!(["id", "name", "size"]));
    assert_lines(changed(change), &[("ok added parameter list_models?order value size", LISTED)]);
    assert_lines(undone(change), &[("breaking removed parameter list_models?order value size", LISTED)]);
    let free = |new: &mut Value| drop(take(new, format!("{LIST}/parameters/1/schema/enum")));
    assert_lines(changed(free), &[("ok changed parameter list_models?order only some values -> any value", LISTED)]);
    assert_lines(undone(free), &[("breaking changed parameter list_models?order any value -> only id, name", LISTED)]);
}

#[test]
fn a_body_comes_and_goes() {
    let change = |new: &mut Value| drop(take(new, format!("{CREATE}/requestBody")));
    assert_lines(
        changed(change),
        &[
            ("breaking removed body create_model(body) ModelCreate", CREATED),
            ("breaking removed type ModelCreate no operation leads to it any more", CREATED),
        ],
    );
    assert_lines(
        undone(change),
        &[
            ("breaking added body create_model(body) ModelCreate, required", CREATED),
            ("ok added type ModelCreate an operation leads to it now", CREATED),
        ],
    );
    let optional = |new: &mut Value| set(new, format!("{CREATE}/requestBody/required"), json!(false));
    assert_lines(changed(optional), &[("ok changed body create_model(body) required -> optional", CREATED)]);
    assert_lines(undone(optional), &[("breaking changed body create_model(body) optional -> required", CREATED)]);
    assert_lines(
        changed(|new| {
            let content = take(new, format!("{CREATE}/requestBody/content/application~1json"));
            set(new, format!("{CREATE}/requestBody/content/multipart~1form-data"), content);
        }),
        &[("breaking changed body create_model(body) application/json -> multipart/form-data", CREATED)],
    );
    // Beside JSON another media type makes no difference.
    assert_lines(changed(|new| set(new, format!("{CREATE}/requestBody/content/application~1xml"), json!({}))), &[]);
}

#[test]
fn a_bodys_field_comes_and_goes() {
    let fields = format!("{SCHEMAS}/ModelCreate/properties");
    let optional = |new: &mut Value| set(new, format!("{fields}/size"), json!({"type": "integer"}));
    assert_lines(changed(optional), &[("ok added body-field ModelCreate.size integer, optional", CREATED)]);
    assert_lines(undone(optional), &[("breaking removed body-field ModelCreate.size integer, optional", CREATED)]);
    let required = |new: &mut Value| {
        optional(new);
        set(new, format!("{SCHEMAS}/ModelCreate/required/-"), json!("size"));
    };
    assert_lines(changed(required), &[("breaking added body-field ModelCreate.size integer, required", CREATED)]);
    assert_lines(
        changed(|new| {
            let field = take(new, format!("{fields}/comment"));
            set(new, format!("{fields}/comments"), field);
        }),
        &[("breaking renamed body-field ModelCreate.comment -> comments maybe renamed", CREATED)],
    );
}

#[test]
fn a_bodys_field_changes() {
    let fields = format!("{SCHEMAS}/ModelCreate/properties");
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/ModelCreate/required/-"), json!("active"));
    assert_lines(changed(required), &[("breaking changed body-field ModelCreate.active optional -> required", CREATED)]);
    assert_lines(undone(required), &[("ok changed body-field ModelCreate.active required -> optional", CREATED)]);
    // What is optional and null isn't sent.
    let nullable = |new: &mut Value| set(new, format!("{fields}/active/nullable"), json!(true));
    assert_lines(changed(nullable), &[("ok changed body-field ModelCreate.active not null -> nullable", CREATED)]);
    assert_lines(undone(nullable), &[("ok changed body-field ModelCreate.active nullable -> not null", CREATED)]);
    let nullable = |new: &mut Value| set(new, format!("{fields}/name/nullable"), json!(true));
    assert_lines(changed(nullable), &[("ok changed body-field ModelCreate.name not null -> nullable", CREATED)]);
    assert_lines(undone(nullable), &[("breaking changed body-field ModelCreate.name nullable -> not null", CREATED)]);
    assert_lines(
        changed(|new| set(new, format!("{fields}/active/type"), json!("string"))),
        &[("breaking changed body-field ModelCreate.active boolean -> string", CREATED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{fields}/active/default"), json!(false))),
        &[("breaking changed body-field ModelCreate.active default true -> false", CREATED)],
    );
    let only_read = |new: &mut Value| set(new, format!("{fields}/active/readOnly"), json!(true));
    assert_lines(changed(only_read), &[("breaking changed body-field ModelCreate.active readOnly none -> true", CREATED)]);
    assert_lines(undone(only_read), &[("ok changed body-field ModelCreate.active readOnly true -> none", CREATED)]);
}

#[test]
fn what_the_server_checks_gets_narrower_or_wider() {
    let name = format!("{SCHEMAS}/ModelCreate/properties/name");
    let length = |new: &mut Value| set(new, format!("{name}/maxLength"), json!(50));
    assert_lines(changed(length), &[("breaking changed body-field ModelCreate.name maxLength 100 -> 50", CREATED)]);
    assert_lines(undone(length), &[("ok changed body-field ModelCreate.name maxLength 50 -> 100", CREATED)]);
    let pattern = |new: &mut Value| set(new, format!("{name}/pattern"), json!("^a"));
    assert_lines(changed(pattern), &[("breaking changed body-field ModelCreate.name pattern none -> \"^a\"", CREATED)]);
    assert_lines(undone(pattern), &[("ok changed body-field ModelCreate.name pattern \"^a\" -> none", CREATED)]);
    // Nobody checks answers.
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/Model/properties/title/maxLength"), json!(5))),
        &[("ok changed answer-field Model.title maxLength none -> 5", ALL)],
    );
}

#[test]
fn an_answers_field_comes_and_goes() {
    let fields = format!("{SCHEMAS}/Model/properties");
    let optional = |new: &mut Value| set(new, format!("{fields}/owner"), json!({"type": "string"}));
    assert_lines(changed(optional), &[("ok added answer-field Model.owner string, optional", ALL)]);
    assert_lines(undone(optional), &[("breaking removed answer-field Model.owner string, optional", ALL)]);
    let required = |new: &mut Value| {
        optional(new);
        set(new, format!("{SCHEMAS}/Model/required/-"), json!("owner"));
    };
    assert_lines(changed(required), &[("ok added answer-field Model.owner string, required", ALL)]);
    assert_lines(undone(required), &[("breaking removed answer-field Model.owner string, required", ALL)]);
    assert_lines(
        changed(|new| {
            let field = take(new, format!("{fields}/size"));
            set(new, format!("{fields}/byte_size"), field);
        }),
        &[("breaking renamed answer-field Model.size -> byte_size maybe renamed", ALL)],
    );
}

#[test]
fn an_answers_field_changes() {
    let fields = format!("{SCHEMAS}/Model/properties");
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/Model/required/-"), json!("size"));
    assert_lines(changed(required), &[("breaking changed answer-field Model.size optional -> required", ALL)]);
    assert_lines(undone(required), &[("breaking changed answer-field Model.size required -> optional", ALL)]);
    let nullable = |new: &mut Value| set(new, format!("{fields}/id/nullable"), json!(true));
    assert_lines(changed(nullable), &[("breaking changed answer-field Model.id not null -> nullable", ALL)]);
    assert_lines(undone(nullable), &[("breaking changed answer-field Model.id nullable -> not null", ALL)]);
    // `Option` it is either way.
    let nullable = |new: &mut Value| set(new, format!("{fields}/size/nullable"), json!(true));
    assert_lines(changed(nullable), &[("ok changed answer-field Model.size not null -> nullable", ALL)]);
    assert_lines(undone(nullable), &[("ok changed answer-field Model.size nullable -> not null", ALL)]);
    // `Json` holds a null itself.
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/Model/required/-"), json!("metrics"));
    assert_lines(changed(required), &[("ok changed answer-field Model.metrics optional -> required", ALL)]);
    assert_lines(
        changed(|new| set(new, format!("{fields}/size"), json!({"type": "string", "format": "date-time"}))),
        &[("breaking changed answer-field Model.size integer int64 -> Timestamp", ALL)],
    );
    // Text of any format is text.
    assert_lines(changed(|new| set(new, format!("{fields}/title/format"), json!("uri"))), &[]);
    assert_lines(
        changed(|new| set(new, format!("{fields}/kind"), json!({"type": "string"}))),
        &[
            ("breaking changed answer-field Model.kind Kind -> string", ALL),
            ("breaking removed type Kind no operation leads to it any more", ALL),
        ],
    );
    assert_lines(
        changed(|new| set(new, format!("{fields}/title/not"), json!({"enum": ["x"]}))),
        &[("breaking changed answer-field Model.title not none -> {\"enum\":[\"x\"]}", ALL)],
    );
}

#[test]
fn values_of_an_answers_enumeration_come_and_go() {
    let change = |new: &mut Value| set(new, format!("{SCHEMAS}/Kind/enum/-"), json!("pose"));
    assert_lines(changed(change), &[("ok added type Kind value pose", ALL)]);
    assert_lines(undone(change), &[("breaking removed type Kind value pose", ALL)]);
    let free = |new: &mut Value| drop(take(new, format!("{SCHEMAS}/Kind/enum")));
    assert_lines(changed(free), &[("breaking changed type Kind enumeration -> string", ALL)]);
}

#[test]
fn an_answer_changes() {
    let content = |new: &mut Value| drop(take(new, format!("{GET}/responses/200/content")));
    assert_lines(changed(content), &[("breaking removed answer get_model(answer) Model", GOT)]);
    assert_lines(undone(content), &[("breaking added answer get_model(answer) Model", GOT)]);
    assert_lines(
        changed(|new| {
            let answer = take(new, format!("{GET}/responses/200"));
            set(new, format!("{GET}/responses/203"), answer);
        }),
        &[("ok changed answer get_model(answer) status 200 -> 203", GOT)],
    );
    assert_lines(
        changed(|new| {
            take(new, format!("{LIST}/responses/404"));
            set(new, format!("{LIST}/responses/410"), json!({"description": ""}));
        }),
        &[
            ("ok added answer list_models(answer) status 410", LISTED),
            ("ok removed answer list_models(answer) status 404", LISTED),
        ],
    );
    assert_lines(
        changed(|new| {
            let content = take(new, format!("{GET}/responses/200/content/application~1json"));
            set(new, format!("{GET}/responses/200/content/application~1xml"), content);
        }),
        &[("breaking changed answer get_model(answer) application/json -> application/xml", GOT)],
    );
    // Within an answer's own schema.
    let page = format!("{LIST}/responses/200/content/application~1json/schema");
    assert_lines(
        changed(|new| set(new, format!("{page}/properties/count"), json!({"type": "integer"}))),
        &[("ok added answer-field list_models(answer).count integer, optional", LISTED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{page}/properties/results/items"), json!({"type": "string"}))),
        &[("breaking changed answer-field list_models(answer).results list of Model -> list of string", LISTED)],
    );
}

#[test]
fn a_type_comes_goes_and_is_renamed() {
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/More"), json!({"type": "string"}))),
        &[("ok added type More", "touches nothing")],
    );
    // Nothing leads to it.
    assert_lines(changed(|new| drop(take(new, format!("{SCHEMAS}/Problem")))), &[("ok removed type Problem", "touches nothing")]);
    let renamed = |new: &mut Value, from: &str, to: &str| {
        let text = new.to_string();
        let text = text
            .replace(&format!("schemas/{from}\""), &format!("schemas/{to}\""))
            .replace(&format!("\"{from}\":"), &format!("\"{to}\":"));
        *new = serde_json::from_str(&text).unwrap();
    };
    assert_lines(changed(|new| renamed(new, "Kind", "ModelKind")), &[("breaking renamed type Kind -> ModelKind", ALL)]);
    let sent = |new: &mut Value| {
        let field = json!({"type": "array", "items": {"$ref": "#/components/schemas/Model"}});
        set(new, format!("{SCHEMAS}/ModelCreate/properties/parents"), field);
    };
    assert_lines(
        changed(sent),
        &[
            ("breaking changed type Model answered -> sent too", ALL),
            ("ok added body-field ModelCreate.parents list of Model, optional", CREATED),
            ("ok changed type Kind answered -> sent too", ALL),
        ],
    );
    assert_lines(
        undone(sent),
        &[
            ("breaking removed body-field ModelCreate.parents list of Model, optional", CREATED),
            ("breaking changed type Kind sent and answered -> answered", ALL),
            ("breaking changed type Model sent and answered -> answered", ALL),
        ],
    );
    // One within another, and the outer one with a field that changed.
    assert_lines(
        changed(|new| {
            renamed(new, "Kind", "ModelKind");
            renamed(new, "Model", "MlModel");
            set(new, format!("{SCHEMAS}/MlModel/properties/id/format"), json!("int32"));
        }),
        &[
            ("breaking changed answer-field MlModel.id integer int64 -> integer int32", ALL),
            ("breaking renamed type Kind -> ModelKind", ALL),
            ("breaking renamed type Model -> MlModel", ALL),
        ],
    );
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/Json"), json!({"type": "string"}))),
        &[("breaking changed type Json a type of the crate's own: does it still hold?", ALL)],
    );
}

#[test]
fn one_of_several_comes_and_goes() {
    let id = format!("{SCHEMAS}/Model/properties/id");
    let choice = |more: bool| {
        let mut choices = vec![json!({"type": "integer", "format": "int64"}), json!({"type": "string"})];
        choices.extend(more.then(|| json!({"type": "boolean"})));
        json!({"oneOf": choices})
    };
    let (mut old, mut new) = (document(), document());
    set(&mut old, &id, choice(false));
    set(&mut new, &id, choice(true));
    let told =
        "breaking changed answer-field Model.id one of (integer int64 | string) -> one of (boolean | integer int64 | string)";
    assert_lines(diff(&old, &new), &[(told, ALL)]);
    let kinds = |word: &str| json!({word: [{"$ref": "#/components/schemas/Kind"}, {"type": "integer"}]});
    set(&mut old, &id, kinds("oneOf"));
    set(&mut new, &id, kinds("anyOf"));
    let told = "breaking changed answer-field Model.id one of (Kind | integer) -> any of (Kind | integer)";
    assert_lines(diff(&old, &new), &[(told, ALL)]);
}

#[test]
fn an_object_made_of_others_has_their_fields() {
    let parts = json!({"allOf": [
        {"$ref": "#/components/schemas/Problem"},
        {"type": "object", "required": ["detail"], "properties": {"code": {"type": "integer"}}}
    ]});
    let (mut old, mut new) = (document(), document());
    set(&mut old, format!("{GET}/responses/200/content/application~1json/schema"), parts);
    new.clone_from(&old);
    set(&mut new, format!("{SCHEMAS}/Problem/properties/detail/type"), json!("integer"));
    let (lines, code) = diff(&old, &new);
    let told = format!("breaking changed answer-field get_model(answer).detail string -> integer {GOT}");
    assert!(lines.contains(&told), "{lines:#?}");
    assert_eq!(code, 1);
}

#[test]
fn ways_to_sign_in_come_and_go() {
    let key = |name: &str| json!({"type": "apiKey", "in": "header", "name": name});
    let more = |new: &mut Value| {
        set(new, "/components/securitySchemes/other", key("X-Other"));
        set(new, "/security/-", json!({"other": []}));
    };
    let all = "touches BackendClient::create_model (src/lib.rs), BackendClient::get_model (src/lib.rs), \
               BackendClient::list_models (src/lib.rs)";
    assert_lines(changed(more), &[("ok added security document apiKey header X-Other", all)]);
    assert_lines(undone(more), &[("breaking removed security document apiKey header X-Other", all)]);
    assert_lines(
        changed(|new| set(new, format!("{GET}/security"), json!([{"token": []}, {}]))),
        &[("ok added security get_model none", GOT)],
    );
}

#[test]
fn what_is_sent_is_told_beyond_json_too() {
    let upload = "touches BackendClient::create_model (src/lib.rs)";
    assert_lines(
        changed(|new| {
            set(new, format!("{SCHEMAS}/Chunk/properties/filename"), json!({"type": "string"}));
            set(new, format!("{SCHEMAS}/Chunk/required/-"), json!("filename"));
        }),
        &[("breaking added body-field Chunk.filename string, required", upload)],
    );
    assert_lines(
        changed(|new| set(new, format!("{UPLOAD}/parameters/0/name"), json!("Range"))),
        &[("breaking renamed parameter start_upload[Content-Range] -> Range maybe renamed", upload)],
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
        "breaking  renamed  parameter     list_models?project -> project_id  maybe renamed     {LISTED}\n\
         ok        added    answer-field  Model.owner                        string, optional  {ALL}\n\
         2 changes, 1 breaking\n"
    );
    assert_eq!(ended.out, expected);
}

#[test]
fn what_can_not_be_compared_is_an_error_of_one_line() {
    let files = Files::new();
    let good = files.document("good.json", &document());
    let mut nowhere = document();
    set(&mut nowhere, format!("{SCHEMAS}/Model/properties/kind/$ref"), json!("#/components/schemas/Nothing"));
    let mut nameless = document();
    take(&mut nameless, format!("{GET}/operationId"));
    let mut twice = document();
    set(&mut twice, format!("{GET}/operationId"), json!("list_models"));
    let cases = [
        (files.path("missing.yaml").display().to_string(), "No such file"),
        (files.write("broken.yaml", "a: [\n"), "not YAML"),
        (files.write("three-one.yaml", "openapi: 3.1.0\n"), "version 3.1.0 isn't supported"),
        (
            files.document("nowhere.json", &nowhere),
            "components.schemas.Model: kind: `#/components/schemas/Nothing` leads nowhere",
        ),
        (files.document("nameless.json", &nameless), "GET /models/{id}/: `operationId` is missing"),
        (files.document("twice.json", &twice), "`operationId` is taken by"),
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
fn the_projects_document_is_compared_with_itself_at_a_revision() {
    let ended = xtask(&["spec", "diff", "git:HEAD", "git:HEAD"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "0 changes, 0 breaking\n"), "{}", ended.err);
}
