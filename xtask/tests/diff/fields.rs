//! Types and their fields.

use serde_json::{Value, json};

use crate::changes::*;

#[test]
fn body_field_added_and_removed() {
    let fields = format!("{SCHEMAS}/ModelCreate/properties");
    let optional = |new: &mut Value| set(new, format!("{fields}/size"), json!({"type": "integer"}));
    assert_lines(changed(optional), &[("ok added body-field ModelCreate.size integer, optional", CREATED)]);
    assert_lines(
        undone(optional),
        &[("breaking removed body-field ModelCreate.size integer, optional", CREATED)],
    );
    let required = |new: &mut Value| {
        optional(new);
        set(new, format!("{SCHEMAS}/ModelCreate/required/-"), json!("size"));
    };
    assert_lines(
        changed(required),
        &[("breaking added body-field ModelCreate.size integer, required", CREATED)],
    );
    assert_lines(
        changed(|new| {
            let field = take(new, format!("{fields}/comment"));
            set(new, format!("{fields}/comments"), field);
        }),
        &[("breaking renamed body-field ModelCreate.comment -> comments maybe renamed", CREATED)],
    );
}

#[test]
fn body_field_change_is_classified() {
    let fields = format!("{SCHEMAS}/ModelCreate/properties");
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/ModelCreate/required/-"), json!("active"));
    assert_lines(
        changed(required),
        &[("breaking changed body-field ModelCreate.active optional -> required", CREATED)],
    );
    assert_lines(
        undone(required),
        &[("ok changed body-field ModelCreate.active required -> optional", CREATED)],
    );
    // A field that is optional and null isn't sent.
    let nullable = |new: &mut Value| set(new, format!("{fields}/active/nullable"), json!(true));
    assert_lines(
        changed(nullable),
        &[("ok changed body-field ModelCreate.active not null -> nullable", CREATED)],
    );
    assert_lines(
        undone(nullable),
        &[("ok changed body-field ModelCreate.active nullable -> not null", CREATED)],
    );
    let nullable = |new: &mut Value| set(new, format!("{fields}/name/nullable"), json!(true));
    assert_lines(
        changed(nullable),
        &[("ok changed body-field ModelCreate.name not null -> nullable", CREATED)],
    );
    assert_lines(
        undone(nullable),
        &[("breaking changed body-field ModelCreate.name nullable -> not null", CREATED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{fields}/active/type"), json!("string"))),
        &[("breaking changed body-field ModelCreate.active boolean -> string", CREATED)],
    );
    assert_lines(
        changed(|new| set(new, format!("{fields}/active/default"), json!(false))),
        &[("breaking changed body-field ModelCreate.active default true -> false", CREATED)],
    );
    let only_read = |new: &mut Value| set(new, format!("{fields}/active/readOnly"), json!(true));
    assert_lines(
        changed(only_read),
        &[("breaking changed body-field ModelCreate.active readOnly none -> true", CREATED)],
    );
    assert_lines(
        undone(only_read),
        &[("ok changed body-field ModelCreate.active readOnly true -> none", CREATED)],
    );
}

#[test]
fn constraint_change_is_classified() {
    let name = format!("{SCHEMAS}/ModelCreate/properties/name");
    let length = |new: &mut Value| set(new, format!("{name}/maxLength"), json!(50));
    assert_lines(
        changed(length),
        &[("breaking changed body-field ModelCreate.name maxLength 100 -> 50", CREATED)],
    );
    assert_lines(undone(length), &[("ok changed body-field ModelCreate.name maxLength 50 -> 100", CREATED)]);
    let pattern = |new: &mut Value| set(new, format!("{name}/pattern"), json!("^a"));
    assert_lines(
        changed(pattern),
        &[("breaking changed body-field ModelCreate.name pattern none -> \"^a\"", CREATED)],
    );
    assert_lines(
        undone(pattern),
        &[("ok changed body-field ModelCreate.name pattern \"^a\" -> none", CREATED)],
    );
    // The client doesn't validate responses.
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/Model/properties/title/maxLength"), json!(5))),
        &[("ok changed response-field Model.title maxLength none -> 5", ALL)],
    );
}

#[test]
fn answer_field_added_and_removed() {
    let fields = format!("{SCHEMAS}/Model/properties");
    let optional = |new: &mut Value| set(new, format!("{fields}/owner"), json!({"type": "string"}));
    assert_lines(changed(optional), &[("ok added response-field Model.owner string, optional", ALL)]);
    assert_lines(undone(optional), &[("breaking removed response-field Model.owner string, optional", ALL)]);
    let required = |new: &mut Value| {
        optional(new);
        set(new, format!("{SCHEMAS}/Model/required/-"), json!("owner"));
    };
    assert_lines(changed(required), &[("ok added response-field Model.owner string, required", ALL)]);
    assert_lines(undone(required), &[("breaking removed response-field Model.owner string, required", ALL)]);
    assert_lines(
        changed(|new| {
            let field = take(new, format!("{fields}/size"));
            set(new, format!("{fields}/byte_size"), field);
        }),
        &[("breaking renamed response-field Model.size -> byte_size maybe renamed", ALL)],
    );
}

#[test]
fn answer_field_change_is_classified() {
    let fields = format!("{SCHEMAS}/Model/properties");
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/Model/required/-"), json!("size"));
    assert_lines(
        changed(required),
        &[("breaking changed response-field Model.size optional -> required", ALL)],
    );
    assert_lines(
        undone(required),
        &[("breaking changed response-field Model.size required -> optional", ALL)],
    );
    let nullable = |new: &mut Value| set(new, format!("{fields}/id/nullable"), json!(true));
    assert_lines(
        changed(nullable),
        &[("breaking changed response-field Model.id not null -> nullable", ALL)],
    );
    assert_lines(undone(nullable), &[("breaking changed response-field Model.id nullable -> not null", ALL)]);
    // It is an `Option` in both cases.
    let nullable = |new: &mut Value| set(new, format!("{fields}/size/nullable"), json!(true));
    assert_lines(changed(nullable), &[("ok changed response-field Model.size not null -> nullable", ALL)]);
    assert_lines(undone(nullable), &[("ok changed response-field Model.size nullable -> not null", ALL)]);
    // `Json` can hold a null.
    let required = |new: &mut Value| set(new, format!("{SCHEMAS}/Model/required/-"), json!("metrics"));
    assert_lines(changed(required), &[("ok changed response-field Model.metrics optional -> required", ALL)]);
    assert_lines(
        changed(|new| set(new, format!("{fields}/size"), json!({"type": "string", "format": "date-time"}))),
        &[("breaking changed response-field Model.size integer int64 -> Timestamp", ALL)],
    );
    // Text has the same type in any format.
    assert_lines(changed(|new| set(new, format!("{fields}/title/format"), json!("uri"))), &[]);
    assert_lines(
        changed(|new| set(new, format!("{fields}/kind"), json!({"type": "string"}))),
        &[
            ("breaking changed response-field Model.kind Kind -> string", ALL),
            ("breaking removed type Kind no operation uses it any more", ALL),
        ],
    );
    assert_lines(
        changed(|new| set(new, format!("{fields}/title/not"), json!({"enum": ["x"]}))),
        &[("breaking changed response-field Model.title not none -> {\"enum\":[\"x\"]}", ALL)],
    );
}

#[test]
fn answer_enum_values_added_and_removed() {
    let change = |new: &mut Value| set(new, format!("{SCHEMAS}/Kind/enum/-"), json!("pose"));
    assert_lines(changed(change), &[("ok added type Kind value pose", ALL)]);
    assert_lines(undone(change), &[("breaking removed type Kind value pose", ALL)]);
    let free = |new: &mut Value| drop(take(new, format!("{SCHEMAS}/Kind/enum")));
    assert_lines(changed(free), &[("breaking changed type Kind enumeration -> string", ALL)]);
}

#[test]
fn type_added_removed_and_renamed() {
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/More"), json!({"type": "string"}))),
        &[("ok added type More", "touches nothing")],
    );
    // No operation uses it.
    assert_lines(
        changed(|new| drop(take(new, format!("{SCHEMAS}/Problem")))),
        &[("ok removed type Problem", "touches nothing")],
    );
    let renamed = |new: &mut Value, from: &str, to: &str| {
        let text = new.to_string();
        let text = text
            .replace(&format!("schemas/{from}\""), &format!("schemas/{to}\""))
            .replace(&format!("\"{from}\":"), &format!("\"{to}\":"));
        *new = serde_json::from_str(&text).unwrap();
    };
    assert_lines(
        changed(|new| renamed(new, "Kind", "ModelKind")),
        &[("breaking renamed type Kind -> ModelKind", ALL)],
    );
    let sent = |new: &mut Value| {
        let field = json!({"type": "array", "items": {"$ref": "#/components/schemas/Model"}});
        set(new, format!("{SCHEMAS}/ModelCreate/properties/parents"), field);
    };
    assert_lines(
        changed(sent),
        &[
            ("breaking changed type Model responses only -> requests and responses", ALL),
            ("ok added body-field ModelCreate.parents list of Model, optional", CREATED),
            ("ok changed type Kind responses only -> requests and responses", ALL),
        ],
    );
    assert_lines(
        undone(sent),
        &[
            ("breaking removed body-field ModelCreate.parents list of Model, optional", CREATED),
            ("breaking changed type Kind requests and responses -> responses only", ALL),
            ("breaking changed type Model requests and responses -> responses only", ALL),
        ],
    );
    // A type within a type, and the outer one also has a changed field.
    assert_lines(
        changed(|new| {
            renamed(new, "Kind", "ModelKind");
            renamed(new, "Model", "MlModel");
            set(new, format!("{SCHEMAS}/MlModel/properties/id/format"), json!("int32"));
        }),
        &[
            ("breaking changed response-field MlModel.id integer int64 -> integer int32", ALL),
            ("breaking renamed type Kind -> ModelKind", ALL),
            ("breaking renamed type Model -> MlModel", ALL),
        ],
    );
    assert_lines(
        changed(|new| set(new, format!("{SCHEMAS}/Json"), json!({"type": "string"}))),
        &[("breaking changed type Json replaced by a type of this crate: check that it still fits", ALL)],
    );
}

#[test]
fn one_of_choice_added_and_removed() {
    let id = format!("{SCHEMAS}/Model/properties/id");
    let choice = |more: bool| {
        let mut choices = vec![json!({"type": "integer", "format": "int64"}), json!({"type": "string"})];
        choices.extend(more.then(|| json!({"type": "boolean"})));
        json!({"oneOf": choices})
    };
    let (mut old, mut new) = (document(), document());
    set(&mut old, &id, choice(false));
    set(&mut new, &id, choice(true));
    let message = "breaking changed response-field Model.id one of (integer int64 | string) -> one of (boolean | integer int64 | string)";
    assert_lines(diff(&old, &new), &[(message, ALL)]);
    let kinds = |word: &str| json!({word: [{"$ref": "#/components/schemas/Kind"}, {"type": "integer"}]});
    set(&mut old, &id, kinds("oneOf"));
    set(&mut new, &id, kinds("anyOf"));
    let message =
        "breaking changed response-field Model.id one of (Kind | integer) -> any of (Kind | integer)";
    assert_lines(diff(&old, &new), &[(message, ALL)]);
}

#[test]
fn composed_object_fields_are_compared() {
    let parts = json!({"allOf": [
        {"$ref": "#/components/schemas/Problem"},
        {"type": "object", "required": ["detail"], "properties": {"code": {"type": "integer"}}}
    ]});
    let (mut old, mut new) = (document(), document());
    set(&mut old, format!("{GET}/responses/200/content/application~1json/schema"), parts);
    new.clone_from(&old);
    set(&mut new, format!("{SCHEMAS}/Problem/properties/detail/type"), json!("integer"));
    let (lines, code) = diff(&old, &new);
    let message =
        format!("breaking changed response-field get_model(response).detail string -> integer {GOT}");
    assert!(lines.contains(&message), "{lines:#?}");
    assert_eq!(code, 1);
}

#[test]
fn non_json_bodies_are_compared() {
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
