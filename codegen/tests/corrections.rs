//! `x-optional` and `x-name`: what an overlay sets and the preparation reads.

mod support;

use serde_json::{Value, json};
use support::{both_ways, component, document, get, prepared, reference, refused, reported, thing};
use synapse_codegen::generate::generate;

/// Returns the code without white space and commas at ends, so that line breaks don't matter.
fn code(document: Value) -> String {
    let code = generate(document).map(|generated| generated.code).unwrap_or_else(|error| panic!("{error}"));
    code.split_whitespace().collect::<Vec<_>>().join(" ").replace(", )", ")").replace("( ", "(")
}

fn text(more: Value) -> Value {
    let mut schema = json!({"type": "string"});
    support::merge(&mut schema, more);
    schema
}

#[test]
fn x_optional_changes_required() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "required": ["a", "c"], "properties": {
            "a": text(json!({"x-optional": true})), "b": text(json!({"x-optional": false})),
            "c": text(json!({"x-optional": false})), "d": text(json!({"x-optional": true})),
            "x-optional": text(json!({})),
            "inner": {"type": "object", "required": "e", "properties": {"e": {"$ref": "#/components/schemas/Thing", "x-optional": true}}},
        }}),
    ));
    assert_eq!(thing(&document)["required"], json!(["b", "c"]));
    assert_eq!(component(&document, "ThingInner").get("required"), None);
    assert_eq!(
        reported(&report, "correct_properties"),
        [
            "Thing.a: optional, by `x-optional`",
            "Thing.b: required, by `x-optional`",
            "Thing.c: `x-optional` has no effect: it is required",
            "Thing.d: `x-optional` has no effect: it is optional",
            "Thing.inner.e: optional, by `x-optional`",
        ]
    );
    assert!(!document.to_string().contains("x-optional\":true"), "{document}");
}

#[test]
fn misplaced_extensions_are_reported() {
    let parameters = json!([{"name": "q", "in": "query", "x-optional": true, "x-name": "text", "schema": {"type": "string"}}]);
    let (_, report) = prepared(document(
        json!({"parameters": parameters}),
        json!({"x-optional": true, "type": "array", "items": text(json!({"x-name": "item"}))}),
    ));
    let mut reported = reported(&report, "correct_properties");
    reported.sort();
    assert_eq!(
        reported,
        [
            "components.schemas.Thing.items: `x-name` has no effect here",
            "components.schemas.Thing: `x-optional` has no effect here",
            "paths./things/.get.parameters: `x-optional` has no effect here",
        ]
    );
}

#[test]
fn field_is_renamed_in_both_directions() {
    let code = code(both_ways(json!({"type": "object", "required": ["id", "type"], "properties": {
        "id": {"type": "integer", "readOnly": true},
        "type": text(json!({"x-name": "kind", "maxLength": 3, "description": "Its kind."})),
        "note": text(json!({"x-name": "remark", "nullable": true, "description": "Ä."})),
    }})));
    assert_eq!(
        code.matches("#[serde(rename = \"type\")] pub kind: ::std::string::String,").count(),
        2,
        "{code}"
    );
    assert!(code.contains("#[serde(rename = \"note\"") && code.contains("pub fn remark_null("), "{code}");
    assert!(code.contains("pub fn kind(") && code.contains("pub fn remark("), "{code}");
    // The length is checked with the field's own name.
    assert!(code.contains("rt::length_problem(\"kind\", &self.kind, 0u64, 3u64, true)"), "{code}");
}

#[test]
fn name_outlives_composition_and_split() {
    let (document, report) = prepared({
        let mut document = both_ways(
            json!({"allOf": [reference("Base"), {"type": "object", "required": ["b"],
            "properties": {"b": text(json!({"x-name": "second"})), "id": {"type": "integer", "readOnly": true}}}]}),
        );
        document["components"]["schemas"]["Base"] =
            json!({"type": "object", "properties": {"a": text(json!({"x-name": "first"}))}});
        document
    });
    for name in ["Thing", "ThingRequest"] {
        let schema = component(&document, name);
        let fields: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert!(
            fields.iter().any(|field| *field == "first") && fields.iter().any(|field| *field == "second"),
            "{fields:?}"
        );
        assert_eq!(schema["required"], json!(["second"]));
        let wire = report.notes.properties[name]
            .iter()
            .map(|renamed| (renamed.from.as_str(), renamed.wire.as_str()));
        assert_eq!(wire.collect::<Vec<_>>(), [("first", "a"), ("second", "b")]);
    }
    assert!(!document.to_string().contains("x-name"), "{document}");
}

#[test]
fn names_can_be_exchanged() {
    let (document, report) = prepared(both_ways(json!({"type": "object", "required": ["a"], "properties": {
        "a": text(json!({"x-name": "b"})), "b": text(json!({"x-name": "a", "nullable": true})),
        "id": {"type": "integer", "readOnly": true},
    }})));
    let request = component(&document, "ThingRequest");
    assert_eq!(request["required"], json!(["b"]));
    assert_eq!(
        (&request["properties"]["a"]["nullable"], request["properties"]["b"].get("nullable")),
        (&json!(true), None)
    );
    assert!(report.notes.clearable["ThingRequest"].contains("a"), "{:?}", report.notes.clearable);
}

#[test]
fn operation_keeps_its_id() {
    let named = json!({"x-name": "all_things", "parameters": [
        {"name": "pageNo", "in": "query", "x-name": "page_number", "schema": {"type": "integer"}},
        {"name": "page_number_query", "in": "query", "schema": {"type": "integer"}},
        {"name": "q", "in": "query", "explode": false, "x-name": "words", "schema": {"type": "array", "items": {"type": "string"}}},
    ]});
    let generated = generate(document(named, json!({}))).map_err(|error| panic!("{error}")).ok().unwrap();
    let squeezed = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ");
    let (code, methods) = (squeezed(&generated.code), squeezed(&generated.methods));
    assert!(code.contains("pub fn all_things(&self) -> builder::AllThings"), "{code}");
    assert!(code.contains("rt::OperationInfo::new(\"list_things\", \"GET\", \"/things/\")"), "{code}");
    assert!(code.contains("rt::ParameterInfo::query(\"page_number\").named(\"pageNo\")"), "{code}");
    assert!(code.contains("rt::ParameterInfo::query(\"words\").named(\"q\").joined(\",\")"), "{code}");
    assert!(methods.contains("pub fn all_things(&self)"), "{methods}");
    assert!(methods.contains("Operation `list_things` of the API's document"), "{methods}");
}

#[test]
fn named_page_parameter_leads_to_pages() {
    let page = json!({"name": "page", "in": "query", "x-name": "page_number", "schema": {"type": "integer"}});
    let thing = json!({"type": "object", "properties": {
        "rows": {"type": "array", "items": {"type": "string"}, "x-name": "lines"},
        "next_page": {"type": "integer", "x-name": "following"}}});
    let code = code(document(json!({"parameters": [page]}), thing)).replace(" .", ".");
    assert!(code.contains("rt::ParameterInfo::query(\"page_number\").named(\"page\")"), "{code}");
    let pagination = ".items(\"rows\").no_count().next_value(\"next_page\", \"page\")";
    assert!(code.contains(pagination), "{code}");
}

#[test]
fn path_parameter_and_split_query_are_named() {
    let mut document = document(
        json!({"parameters": [
            {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object", "properties": {"age": {"type": "integer", "x-name": "years"}}}},
        ]}),
        json!({}),
    );
    let item = document["paths"].as_object_mut().unwrap().remove("/things/").unwrap();
    document["paths"]["/things/{pk}/"] = item;
    document["paths"]["/things/{pk}/"]["parameters"] = json!([{"name": "pk", "in": "path", "required": true, "x-name": "thing", "schema": {"type": "integer"}}]);
    let code = code(document);
    assert!(code.contains("pub fn list_things(&self, thing: i64)"), "{code}");
    assert!(code.contains("rt::ParameterInfo::query(\"years\").named(\"filter[age]\")"), "{code}");
}

#[test]
fn component_gets_name_of_its_type() {
    let mut whole = both_ways(json!({"x-name": "Item", "type": "object", "properties": {
        "id": {"type": "integer", "readOnly": true}, "next": reference("Thing")}}));
    whole["components"]["schemas"]["Shape"] = json!({"oneOf": [reference("Thing"), reference("Other")],
        "discriminator": {"propertyName": "kind", "mapping": {"thing": "Thing"}}});
    whole["components"]["schemas"]["Other"] =
        json!({"type": "object", "properties": {"kind": {"type": "string"}, "shape": reference("Shape")}});
    whole["paths"]["/things/"]["put"] = json!({"operationId": "put_shape", "responses": {"200": {"description": "",
        "content": {"application/json": {"schema": reference("Shape")}}}}});
    let (document, report) = prepared(whole);
    assert!(document["components"]["schemas"].get("Thing").is_none());
    assert_eq!(
        get(&document)["responses"]["200"]["content"]["application/json"]["schema"],
        reference("Item")
    );
    assert!(document["components"]["schemas"].get("ItemRequest").is_some());
    assert_eq!(reported(&report, "rename_types"), ["Thing: called `Item`: `x-name`"]);
    assert!(report.notes.unions["Shape"].choices.contains(&("thing".to_owned(), "Item".to_owned())));
}

#[test]
fn invalid_corrections_are_named() {
    let of_property = |more: Value| {
        document(
            json!({}),
            json!({"type": "object", "properties": {"a": text(more), "b-c": {"type": "string"}, "d": text(json!({"x-name": "e"}))}}),
        )
    };
    let of_operation = |more: Value| document(more, json!({}));
    let parameters = |more: Value| {
        let mut parameter = json!({"name": "q", "in": "query", "schema": {"type": "string"}});
        support::merge(&mut parameter, more);
        of_operation(
            json!({"parameters": [parameter, {"name": "r", "in": "query", "schema": {"type": "string"}}]}),
        )
    };
    let of_schema = |more: Value| {
        let mut whole = document(json!({}), more);
        whole["components"]["schemas"]["Other_one"] = json!({"type": "object"});
        whole
    };
    let page = json!({"type": "object", "properties": {"results": {"type": "array", "items": {}}, "next": text(json!({"x-name": "more"}))}});
    let mut twice = of_operation(json!({"x-name": "make_thing"}));
    twice["paths"]["/things/"]["post"] = json!({"operationId": "makeThing", "responses": {}});
    let place = "components.schemas.Thing.a: ";
    let operation = "GET /things/ (list_things): ";
    for (document, reason) in [
        (
            of_property(json!({"x-optional": "true"})),
            format!("{place}`x-optional` is neither `true` nor `false`"),
        ),
        (of_property(json!({"x-name": 1})), format!("{place}`x-name` is no text")),
        (
            of_property(json!({"x-name": "someName"})),
            format!("{place}`x-name: someName` is no such name in Rust; `some_name` is"),
        ),
        (
            of_property(json!({"x-name": "type"})),
            format!("{place}`x-name: type` is no such name in Rust; `type_` is"),
        ),
        (of_property(json!({"x-name": ""})), format!("{place}`x-name: ` is no such name in Rust; `x` is")),
        (
            of_property(json!({"x-name": "b_c"})),
            "components.schemas.Thing: `x-name: b_c`: `b-c` has this name".to_owned(),
        ),
        (
            of_property(json!({"x-name": "e"})),
            "components.schemas.Thing: `x-name: e`: `a` has this name".to_owned(),
        ),
        (
            of_property(json!({"x-name": "extra"})),
            "components.schemas.Thing: `x-name: extra`: the field of the unknown fields".to_owned(),
        ),
        (
            document_of(page),
            "components.schemas.Thing: `x-name: more`: a page is recognized by the name of its `next`"
                .to_owned(),
        ),
        (of_operation(json!({"x-name": true})), format!("{operation}`x-name` is no text")),
        (of_operation(json!({"x-name": "none"})), format!("{operation}`x-name: none` is a name of Rust")),
        (
            of_operation(json!({"x-name": "List"})),
            format!("{operation}`x-name: List` is no such name in Rust; `list` is"),
        ),
        (twice, "`x-name: make_thing`: GET /things/ (list_things) has this name".to_owned()),
        (parameters(json!({"x-name": []})), format!("{operation}parameter `q`: `x-name` is no text")),
        (parameters(json!({"x-name": "r"})), format!("{operation}`x-name: r`: `q` has this name")),
        (
            parameters(json!({"x-name": "send"})),
            format!("{operation}`x-name: send`: a method of every builder has this name"),
        ),
        (
            of_schema(json!({"x-name": "item"})),
            "components.schemas.Thing: `x-name: item` is no such name in Rust; `Item` is".to_owned(),
        ),
        (
            of_schema(json!({"x-name": "OtherOne"})),
            "components.schemas.Thing: `x-name: OtherOne`: `Other_one` has this name".to_owned(),
        ),
        (
            of_schema(json!({"x-name": "Timestamp"})),
            "components.schemas.Thing: `x-name: Timestamp`: the crate has a type of that name".to_owned(),
        ),
    ] {
        let error = refused(document);
        assert!(error.contains(&reason), "{reason}\n{error}");
    }
}

fn document_of(thing: Value) -> Value {
    document(json!({}), thing)
}

#[test]
fn x_optional_reaches_merged_objects() {
    let mut given = document(
        json!({}),
        json!({"allOf": [reference("Base"), {"type": "object", "required": ["a", "b"]}]}),
    );
    given["components"]["schemas"]["Base"] = json!({"type": "object", "properties": {
        "a": text(json!({"x-optional": true})), "b": text(json!({})), "c": text(json!({"x-optional": false})),
    }});
    let (document, _) = prepared(given);
    let mut required = thing(&document)["required"].as_array().unwrap().clone();
    required.sort_by_key(|name| name.to_string());
    assert_eq!(required, ["b", "c"]);
    assert!(!thing(&document).to_string().contains("x-required"));
}
