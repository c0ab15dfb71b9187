//! Forms of requests: which ones are typed, their fields, and what is reported.

mod support;

use serde_json::{Map, Value, json};
use support::{component, prepared, reported};
use synapse_codegen::generate::generate;
use synapse_codegen::prepare::FormStyle;

const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data";
const URL_ENCODED: &str = "application/x-www-form-urlencoded";

/// Returns a document with one operation whose body has this content.
fn document(content: Value, schemas: Value) -> Value {
    let operation = json!({
        "operationId": "send_thing", "requestBody": {"required": true, "content": content},
        "responses": {"204": {"description": ""}},
    });
    json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {"/things/": {"post": operation}}, "components": {"schemas": schemas},
    })
}

/// Returns a document whose body is this object, in each of the media types.
fn offering(types: &[&str], properties: Value) -> Value {
    let thing = json!({"schema": {"$ref": "#/components/schemas/Thing"}});
    let content: Map<String, Value> = types.iter().map(|name| ((*name).to_owned(), thing.clone())).collect();
    document(json!(content), json!({"Thing": {"type": "object", "properties": properties}}))
}

/// Returns the code and the methods, each without white space.
fn code(document: Value) -> (String, String) {
    let generated = generate(document).unwrap_or_else(|error| panic!("{error}"));
    let plain = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ").replace("( mut", "(mut");
    (plain(&generated.code), plain(&generated.methods))
}

fn assert_contains(code: &str, parts: &[&str]) {
    for part in parts {
        assert!(code.contains(part), "{part}\n{code}");
    }
}

#[test]
fn form_beside_json_if_it_can_send_more() {
    let text = json!({"name": {"type": "string"}});
    let file = json!({"name": {"type": "string"}, "file": {"type": "string", "format": "uri"}});
    let report = |types: &[&str], properties: &Value| {
        let (_, report) = prepared(offering(types, properties.clone()));
        let mut changes = reported(&report, "keep_one_request_type");
        changes.retain(|change| change.starts_with("POST "));
        (report.notes.forms.get("send_thing").map(|form| form.media_type), changes)
    };
    let place = "POST /things/ (send_thing)";
    let (form, changes) = report(&[JSON, URL_ENCODED, MULTIPART], &text);
    assert_eq!(form, None);
    assert_eq!(changes, [format!("{place}: {JSON} is sent; left out {URL_ENCODED}, {MULTIPART}")]);
    let (form, changes) = report(&[JSON, URL_ENCODED, MULTIPART], &file);
    assert_eq!(form, Some(MULTIPART));
    assert_eq!(
        changes,
        [format!("{place}: {JSON} is sent, or {MULTIPART} as a form; left out {URL_ENCODED}")]
    );
    assert_eq!(report(&[JSON, URL_ENCODED], &file).0, None);
    assert_eq!(report(&[JSON, MULTIPART], &file), (Some(MULTIPART), vec![]));
    let (form, changes) = report(&[URL_ENCODED, MULTIPART], &text);
    assert_eq!(form, Some(MULTIPART));
    assert_eq!(changes, [format!("{place}: {MULTIPART} is sent as a form; left out {URL_ENCODED}")]);
    assert_eq!(report(&[URL_ENCODED], &text), (Some(URL_ENCODED), vec![]));
    // JSON can't contain a file.
    let binary = json!({"file": {"type": "string", "format": "binary"}});
    let (form, changes) = report(&[JSON, MULTIPART], &binary);
    assert_eq!(form, Some(MULTIPART));
    assert_eq!(changes, [format!("{place}: {MULTIPART} is sent as a form; left out {JSON}")]);
    // Without a schema of its fields, a form is a raw body.
    for schema in [json!({}), json!({"schema": {}}), json!({"schema": {"type": "object"}})] {
        let (prepared, report) = prepared(document(json!({MULTIPART: schema}), json!({})));
        assert!(report.notes.forms.is_empty(), "{prepared}");
    }
}

#[test]
fn another_schema_than_json_is_a_form() {
    let schema = |name: &str| json!({"schema": {"type": "object", "properties": {name: {"type": "string"}}}});
    let (code, methods) = code(document(json!({JSON: schema("a"), URL_ENCODED: schema("b")}), json!({})));
    assert_contains(
        &code,
        &["JsonOrForm<", "types::form::SendThingForm", "multipart: false", "FormField::new(\"b\")"],
    );
    assert_contains(&methods, &["pub fn send_thing_form(", "client.send_thing(|body| body)"]);
}

#[test]
fn files_differ_from_links() {
    let field = |format: &str| json!({"type": "string", "format": format});
    let files = |properties: Value| {
        let (_, report) = prepared(offering(&[MULTIPART], properties));
        let fields = report.notes.forms["send_thing"].fields.clone();
        fields.iter().filter(|(_, field)| field.is_file).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let url = json!({"type": "string", "format": "uri", "maxLength": 200});
    let many = json!({"type": "array", "items": field("uri")});
    assert_eq!(files(json!({"a": field("uri"), "b": url, "c": many, "d": field("date")})), ["a", "c"]);
    assert_eq!(files(json!({"a": field("uri"), "b": field("binary")})), ["b"]);
    let (_, report) = prepared(offering(&[MULTIPART], json!({"a": field("uri")})));
    assert_eq!(
        reported(&report, "keep_one_request_type"),
        ["ThingForm.a: a file, declared by the link to it"]
    );
    let media = json!({"type": ["string", "null"], "contentMediaType": "image/png"});
    let text = json!({"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"});
    assert_eq!(files(json!({"a": media, "b": text, "c": {"type": "array", "items": media}})), ["a", "c"]);
}

#[test]
fn form_has_setters_by_type() {
    let thing = json!({
        "type": "object",
        "required": ["id", "title", "files"],
        "properties": {
            "id": {"type": "integer", "readOnly": true},
            "title": {"type": "string", "description": "The title."},
            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
            "age": {"type": "integer", "nullable": true},
            "owner": {"type": "object", "required": ["name"], "properties": {"id": {"type": "integer", "readOnly": true}, "name": {"type": "string"}}},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "any": {},
            "all": {"type": "array", "items": {}},
            "next": {"$ref": "#/components/schemas/Thing"},
            "isGlobal": {"type": "boolean"},
            "is_global": {"type": "boolean"},
            "extra": {"type": "string"},
        },
    });
    let content = json!({MULTIPART: {"schema": {"$ref": "#/components/schemas/Thing"}}});
    let (code, methods) = code(document(content, json!({"Thing": thing})));
    assert_contains(
        &code,
        &[
            "///The title. pub fn title(mut self, value: impl rt::In<String>)",
            "impl IntoIterator<Item = impl Into<rt::FormFile>>",
            "pub fn age_null(mut self)",
            "value: impl rt::In<super::ThingFormOwner>",
            "value: impl rt::In<super::ThingFormKind>",
            "value: impl rt::In<crate::Json>",
            r#"FormField::new("any").style(rt::FieldStyle::Json)"#,
            r#"FormField::new("all").style(rt::FieldStyle::JsonItems)"#,
            r#"FormField::new("files").required()"#,
            r#"FormField::new("title").required()"#,
            r#"FormField::new("is_global_field").named("isGlobal")"#,
            r#"FormField::new("extra_field").named("extra")"#,
        ],
    );
    assert!(!code.contains(r#"FormField::new("id")"#) && !code.contains("pub struct ThingForm {"), "{code}");
    assert_contains(&methods, &["client.send_thing(|form| form.files([\"/data/file.bin\"]).title(\"…\"))"]);
}

#[test]
fn encoding_is_honoured() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let object = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let schema = json!({"type": "object", "properties": {
        "a": list, "b": list, "c": list, "d": object, "e": object, "f": object, "g": {"type": "string"}, "h": list, "i": {"type": "string"}, "j": {"type": "string"},
    }});
    let encoding = json!({
        "a": {"explode": false}, "b": {"style": "pipeDelimited"}, "c": {"style": "spaceDelimited", "explode": false},
        "d": {"style": "deepObject", "explode": true}, "e": {"style": "form"}, "f": {"contentType": "application/xml"},
        "g": {"contentType": "image/png, image/*", "headers": {"X-A": {"schema": {"type": "string"}}}}, "h": {"contentType": "application/json"}, "i": {"contentType": "a/b\r\nx: y"},
        "j": {"contentType": ""},
    });
    let given = document(json!({URL_ENCODED: {"schema": schema, "encoding": encoding}}), json!({}));
    let (_, report) = prepared(given.clone());
    assert_eq!(
        reported(&report, "keep_one_request_type"),
        ["SendThingForm.g: left out the `headers` of its part"]
    );
    let fields = &report.notes.forms["send_thing"].fields;
    assert_eq!((fields["a"].style, fields["b"].style), (FormStyle::Joined(","), FormStyle::Joined("|")));
    assert_eq!(fields["f"].media_type.as_deref(), Some("application/xml"));
    assert!(!fields.contains_key("g") && !fields.contains_key("i"));
    let (code, _) = code(given);
    assert_contains(
        &code,
        &[
            r#"FormField::new("c").style(rt::FieldStyle::Joined(" "))"#,
            r#"FormField::new("d").style(rt::FieldStyle::DeepObject)"#,
            r#"FormField::new("e").style(rt::FieldStyle::Properties)"#,
            r#"FormField::new("f").typed("application/xml")"#,
            r#"FormField::new("h") .style(rt::FieldStyle::Json) .typed("application/json")"#,
            r#"FormField::new("j").typed("")"#,
        ],
    );
}

#[test]
fn equal_forms_share_a_component() {
    let mut given = offering(&[MULTIPART], json!({"name": {"type": "string"}}));
    let operation = given["paths"]["/things/"]["post"].clone();
    given["paths"]["/things/"]["put"] = operation.clone();
    given["paths"]["/others/"]["post"] = operation;
    given["paths"]["/others/"]["post"]["requestBody"]["content"][MULTIPART]["encoding"] =
        json!({"name": {"contentType": "text/markdown"}});
    given["components"]["schemas"]["ThingForm2"] = json!({"type": "string"});
    let (document, report) = prepared(given.clone());
    let forms = || {
        document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with("ThingForm"))
    };
    assert_eq!(forms().collect::<Vec<_>>(), ["ThingForm", "ThingForm3"]);
    assert!(component(&document, "Thing").is_null(), "no operation leads to it");
    assert_eq!(report.notes.forms.len(), 3);
    assert_eq!(code(given).0.matches("pub struct ThingForm").count(), 2);
}

#[test]
fn choices_are_one_form() {
    let choice = |kind: &str, own: &str| {
        json!({"type": "object", "required": ["kind", own], "properties": {
            "kind": {"type": "string", "enum": [kind]}, own: {"type": "string"}, "size": if kind == "a" { json!({"type": "integer"}) } else { json!({"type": "string"}) },
        }})
    };
    let schema = json!({"oneOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}, {"type": "string"}]});
    let schemas = json!({"A": choice("a", "x"), "B": choice("b", "y")});
    let (code, _) = code(document(json!({MULTIPART: {"schema": schema}}), schemas));
    assert_contains(
        &code,
        &[
            r#"FormField::new("kind").required()"#,
            r#"FormField::new("size"),"#,
            r#"FormField::new("x"), rt::FormField::new("y")"#,
        ],
    );
}

#[test]
fn optional_form_is_a_setter() {
    let mut given = offering(&[MULTIPART], json!({"name": {"type": "string"}}));
    given["paths"]["/things/"]["post"]["requestBody"]["required"] = json!(false);
    let (code, methods) = code(given);
    assert_contains(&code, &["Option<types::form::ThingForm>", "pub fn form("]);
    assert_contains(
        &methods,
        &["pub fn send_thing(&self) ->", "form of type `multipart/form-data`", ", optional."],
    );
}

#[test]
fn taken_name_leaves_the_setter() {
    let mut given = offering(&[JSON, MULTIPART], json!({"file": {"type": "string", "format": "uri"}}));
    given["paths"]["/others/"]["get"] =
        json!({"operationId": "send_thing_form", "responses": {"204": {"description": ""}}});
    let (_, methods) = code(given);
    assert_eq!(methods.matches("pub fn send_thing_form(").count(), 1, "{methods}");
    assert_contains(
        &methods,
        &[
            "client.send_thing(|body| body).params(|p| p.form(|form| form.file(\"/data/file.bin\")))",
            "`.params(|p| p.form(|form| …))` sends",
        ],
    );
}

#[test]
fn stated_name_reaches_the_form() {
    let properties = json!({
        "class": {"type": "string", "x-name": "kind", "x-optional": false},
        "file": {"type": "string", "format": "binary"},
    });
    for media_type in [MULTIPART, URL_ENCODED] {
        let (code, _) = code(offering(&[media_type], properties.clone()));
        assert_contains(&code, &["pub fn kind(", "rt::FormField::new(\"kind\").named(\"class\")"]);
        assert!(!code.contains("pub fn class("), "{code}");
    }
    // The choices of a form may name one property differently: its own name is neither.
    let choice =
        |name: &str| json!({"type": "object", "properties": {"class": {"type": "string", "x-name": name}}});
    let of = |names: [&str; 2]| {
        let schema = json!({"oneOf": names.map(choice)});
        code(document(json!({MULTIPART: {"schema": schema}}), json!({}))).0
    };
    assert_contains(&of(["kind", "kind"]), &["pub fn kind("]);
    assert_contains(&of(["kind", "sort"]), &["pub fn kind("]);
}
