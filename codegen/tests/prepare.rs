//! Each rule of the preparation, on a minimal document.

mod support;

use serde_json::{Value, json};
use support::{document, prepared, refused, reported, thing};
use synapse_codegen::document::parse;

#[test]
fn first_success_with_body_is_kept() {
    let responses = json!({"responses": {
        "202": {"description": ""},
        "201": {"description": "", "content": {"application/json": {"schema": {"type": "string"}}}},
        "204": {"description": ""}, "400": {"description": "", "content": {"text/html": {}}}, "default": {"description": ""},
    }});
    let (document, report) = prepared(document(responses, json!({})));
    let kept = document["paths"]["/things/"]["get"]["responses"].as_object().unwrap();
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["201"]);
    let mut reported = reported(&report, "keep_one_success");
    reported.sort();
    assert_eq!(
        reported,
        [
            "GET /things/ (list_things): an answer other than 201 may have no body: an option",
            "GET /things/ (list_things): left out the 202 answer beside another 2xx",
            "GET /things/ (list_things): left out the 204 answer beside another 2xx",
        ]
    );
}

#[test]
fn optional_body_notes_its_status() {
    let of = |responses: Value| prepared(document(json!({"responses": responses}), json!({})));
    let body = json!({"description": "", "content": {"application/json": {"schema": {"type": "string"}}}});
    let (_, report) = of(json!({"200": body, "204": {"description": ""}}));
    assert_eq!(report.notes.empty_answers["list_things"], 200);
    let page = json!({"type": "object", "properties": {"results": {"type": "array", "items": {}}}});
    let page = json!({"description": "", "content": {"application/json": {"schema": page}}});
    let bytes = json!({"description": "", "content": {"text/csv": {}}});
    for whole in [body.clone(), page, bytes] {
        assert!(of(json!({"200": whole})).1.notes.empty_answers.is_empty());
        let (_, report) = of(json!({"200": whole, "204": {"description": ""}}));
        assert_eq!(report.notes.empty_answers.len(), usize::from(whole == body), "{whole}");
    }
    // Two different bodies become a choice.
    let object = |name: &str| {
        let schema = json!({"type": "object", "required": [name], "properties": {name: {"type": "string"}}});
        json!({"description": "", "content": {"application/json": {"schema": schema}}})
    };
    let (document, _) = of(json!({"200": object("done"), "201": object("done"), "202": object("queued")}));
    let schema =
        &support::get(&document)["responses"]["200"]["content"]["application/json"]["schema"]["allOf"];
    assert_eq!(schema, &json!([support::reference("ListThingsResponse")]));
    assert_eq!(support::component(&document, "ListThingsResponse")["oneOf"].as_array().unwrap().len(), 2);
}

#[test]
fn numbers_get_widest_type() {
    let (document, report) = prepared(document(
        json!({"parameters": [{"name": "id", "in": "query", "schema": {"type": "array", "items": {"type": "integer", "format": "int32"}}}]}),
        json!({"type": "object", "properties": {
            "id": {"type": "integer", "format": "int32"}, "size": {"type": "integer", "format": "uint64"},
            "lon": {"type": "number", "format": "float"}, "lat": {"type": "number", "format": "double"},
        }}),
    ));
    let properties = &thing(&document)["properties"];
    assert_eq!(
        (&properties["id"], &properties["lon"]),
        (&json!({"type": "integer"}), &json!({"type": "number"}))
    );
    assert_eq!(
        (&properties["size"]["format"], &properties["lat"]["format"]),
        (&json!("uint64"), &json!("double"))
    );
    assert_eq!(support::get(&document)["parameters"][0]["schema"]["items"], json!({"type": "integer"}));
    assert_eq!(reported(&report, "widen_numbers").len(), 3);
}

#[test]
fn missing_success_is_added_empty() {
    let (document, report) =
        prepared(document(json!({"responses": {"400": {"description": ""}}}), json!({})));
    assert_eq!(document["paths"]["/things/"]["get"]["responses"], json!({"200": {"description": ""}}));
    assert_eq!(reported(&report, "keep_one_success").len(), 1);
}

#[test]
fn json_preferred_and_form_becomes_raw() {
    let body = |content: Value| json!({"requestBody": {"required": true, "content": content}});
    let schema = json!({"schema": {"type": "string"}});
    let content = json!({"multipart/form-data": {}, "application/json": schema, "application/x-www-form-urlencoded": {}});
    let (both, report) = prepared(document(body(content), json!({})));
    assert_eq!(
        both["paths"]["/things/"]["get"]["requestBody"]["content"],
        json!({"application/json": schema})
    );
    assert_eq!(
        reported(&report, "keep_one_request_type"),
        [
            "GET /things/ (list_things): application/json is sent; left out application/x-www-form-urlencoded, multipart/form-data"
        ]
    );
    let (form, report) = prepared(document(body(json!({"multipart/form-data": {}})), json!({})));
    assert_eq!(
        form["paths"]["/things/"]["get"]["requestBody"]["content"],
        json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}})
    );
    assert_eq!(
        reported(&report, "keep_one_request_type"),
        ["GET /things/ (list_things): a raw body, filled by hand; left out multipart/form-data"]
    );
}

#[test]
fn shapeless_schema_is_json() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "properties": {
            "free": {"type": "object", "description": "d"}, "open": {"type": "object", "additionalProperties": {}}, "any": {},
            "shut": {"type": "object", "additionalProperties": false}, "words": {"type": "object", "additionalProperties": {"type": "string"}},
        }}),
    ));
    let properties = &thing(&document)["properties"];
    for name in ["free", "open", "any", "shut"] {
        assert_eq!(properties[name]["allOf"], json!([{"$ref": "#/components/schemas/Json"}]), "{name}");
    }
    assert_eq!(properties["free"]["description"], "d");
    assert_eq!(properties["words"]["additionalProperties"], json!({"type": "string"}));
    assert_eq!(reported(&report, "free_form_to_json").len(), 4);
}

#[test]
fn required_names_must_be_properties() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "required": ["a", "gone"], "properties": {"a": {"type": "string"}}}),
    ));
    assert_eq!(thing(&document)["required"], json!(["a"]));
    assert_eq!(reported(&report, "drop_undescribed_required"), ["Thing: `gone` is required and no property"]);
}

#[test]
fn nameless_enum_values_are_named() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "properties": {
            "status": {"type": "string", "enum": ["open", "-", "closed"]}, "sign": {"type": "string", "enum": ["+", "-"]},
            "order": {"type": "string", "enum": ["name", "-name"]},
        }}),
    ));
    let values = |name: &str| support::component(&document, name)["enum"].clone();
    assert_eq!(values("ThingStatus"), json!(["open", "Minus", "closed"]));
    assert_eq!(values("ThingSign"), json!(["Plus", "Minus"]));
    assert_eq!(values("ThingOrder"), json!(["name", "MinusName"]));
    let wire = |name: &str| report.notes.enum_values[name].values().cloned().collect::<Vec<_>>();
    assert_eq!(
        (wire("ThingStatus"), wire("ThingSign"), wire("ThingOrder")),
        (vec!["-".to_owned()], vec!["-".to_owned(), "+".to_owned()], vec!["-name".to_owned()])
    );
    assert_eq!(reported(&report, "name_enum_values").len(), 4);
}

#[test]
fn unknown_fields_are_always_kept() {
    for more in [None, Some(json!(true)), Some(json!(false)), Some(json!({}))] {
        let mut schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        if let Some(more) = more {
            schema["additionalProperties"] = more;
        }
        let (document, _) = prepared(document(json!({}), schema));
        assert_eq!(thing(&document)["additionalProperties"], json!({"$ref": "#/components/schemas/Json"}));
    }
}

#[test]
fn page_links_are_urls() {
    let link = json!({"type": "string", "format": "uri", "nullable": true});
    let page = json!({"type": "object", "properties": {"results": {"type": "array", "items": {}}, "next": link, "previous": link}});
    let (document, report) = prepared(document(json!({}), page));
    assert_eq!(
        thing(&document)["properties"]["next"],
        json!({"nullable": true, "allOf": [{"$ref": "#/components/schemas/FileUrl"}]})
    );
    assert_eq!(reported(&report, "page_links_to_file_url").len(), 2);
}

#[test]
fn enum_in_parameter_is_plain_text() {
    let parameter = json!({"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["a", "b"]}});
    let (document, report) = prepared(document(json!({"parameters": [parameter]}), json!({})));
    assert_eq!(document["paths"]["/things/"]["get"]["parameters"][0]["schema"], json!({"type": "string"}));
    assert_eq!(
        reported(&report, "drop_parameter_enums"),
        ["GET /things/ (list_things): parameter kind is plain"]
    );
}

#[test]
fn time_keeps_text_other_formats_plain() {
    let (document, _) = prepared(document(
        json!({}),
        json!({"type": "object", "properties": {
            "at": {"type": "string", "format": "date-time", "nullable": true}, "id": {"type": "string", "format": "uuid"},
        }}),
    ));
    let properties = &thing(&document)["properties"];
    assert_eq!(
        properties["at"],
        json!({"nullable": true, "allOf": [{"$ref": "#/components/schemas/Timestamp"}]})
    );
    assert_eq!(properties["id"], json!({"type": "string"}));
}

#[test]
fn text_lengths_noted_by_final_names() {
    let thing = json!({"type": "object", "properties": {
        "id": {"type": "integer", "readOnly": true},
        "name": {"type": "string", "minLength": 1, "maxLength": 3}, "extra": {"type": "string", "pattern": "[^\\s]"},
        "at": {"type": "string", "format": "date-time", "maxLength": 30}, "kind": {"type": "string", "enum": ["a"], "maxLength": 9},
        "free": {"type": "string", "pattern": "^[a-z]+$"},
    }});
    let (_, report) = prepared(support::both_ways(thing));
    assert_eq!(report.notes.lengths.keys().collect::<Vec<_>>(), ["ThingRequest"]);
    let lengths = &report.notes.lengths["ThingRequest"];
    let noted: Vec<_> =
        lengths.iter().map(|(field, it)| (field.as_str(), it.least, it.most, it.blank)).collect();
    assert_eq!(noted, [("extra_field", None, None, false), ("name", Some(1), Some(3), true)]);
}

#[test]
fn always_sent_values_noted_by_final_names() {
    let thing = json!({"type": "object", "properties": {
        "id": {"type": "integer", "readOnly": true},
        "action": {"type": "string", "enum": ["add", "remove"], "x-always-sent": "add"},
        "extra": {"type": "string", "x-always-sent": "more"}, "plain": {"type": "string"},
    }});
    let (document, report) = prepared(support::both_ways(thing));
    let noted = &report.notes.always_sent["ThingRequest"];
    let noted: Vec<(&str, &str)> =
        noted.iter().map(|(field, value)| (field.as_str(), value.as_str().unwrap())).collect();
    assert_eq!(noted, [("action", "add"), ("extra_field", "more")]);
    assert!(!document.to_string().contains("x-always-sent"), "{document}");
}

#[test]
fn constraints_and_defaults_are_dropped() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "title": "T", "properties": {
            "name": {"type": "string", "maxLength": 3, "pattern": "x", "default": ""}, "n": {"type": "integer", "minimum": 1},
        }}),
    ));
    assert_eq!(thing(&document)["properties"], json!({"name": {"type": "string"}, "n": {"type": "integer"}}));
    assert!(thing(&document).get("title").is_none());
    assert_eq!(reported(&report, "drop_constraints").len(), 4);
    assert_eq!(reported(&report, "drop_defaults"), ["Thing.name: left out `default`"]);
}

#[test]
fn impossible_enumerations_are_plain() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "properties": {
            "level": {"type": "integer", "enum": [1, 2]},
            "tags": {"type": "array", "items": {"type": "string"}, "enum": [["a"]]},
            "kind": {"type": "string", "enum": ["a", "b", "a"]},
            "sign": {"type": "string", "enum": ["+", "-"]},
            "blank": {"type": "string", "enum": [""]},
            "case": {"type": "string", "enum": ["utf8", "UTF-8"]},
            "zone": {"type": "string", "enum": ["a", "A", "a_b", "a-b", "a b", "☃", ""]},
            "maybe": {"type": "string", "nullable": true, "enum": ["x", null]},
        }}),
    ));
    let properties = &thing(&document)["properties"];
    let values = |name: &str| &document["components"]["schemas"][name]["enum"];
    assert_eq!(properties["level"], json!({"type": "integer"}));
    assert_eq!(properties["tags"], json!({"type": "array", "items": {"type": "string"}}));
    assert_eq!(values("ThingKind"), &json!(["a", "b"]));
    assert_eq!(values("ThingSign"), &json!(["Plus", "Minus"]));
    assert_eq!(values("ThingBlank"), &json!(["Blank"]));
    assert_eq!(values("ThingCase"), &json!(["utf8", "UtfMinus8"]));
    assert_eq!(values("ThingZone"), &json!(["a", "A2", "a_b", "AMinusB", "ASpaceB", "U2603", "Blank"]));
    assert_eq!(values("ThingMaybe"), &json!(["x"]));
    assert_eq!(
        properties["maybe"],
        json!({"nullable": true, "allOf": [{"$ref": "#/components/schemas/ThingMaybe"}]})
    );
    assert_eq!(reported(&report, "drop_non_string_enums").len(), 2);
    assert_eq!(reported(&report, "deduplicate_enum_values"), ["Thing.kind: left out 1 doubled values"]);
    assert_eq!(reported(&report, "name_enum_values").len(), 7);
}

#[test]
fn json_defaults_in_answers_only() {
    let schema = json!({"type": "object", "properties": {"meta": {"$ref": "#/components/schemas/Json"}}});
    let (answer, _) = prepared(document(json!({}), schema.clone()));
    assert_eq!(thing(&answer)["properties"]["meta"]["default"], json!({}));
    let body = json!({"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}});
    let (request, _) = prepared(document(body, schema));
    assert!(thing(&request)["properties"]["meta"].get("default").is_none());
}

#[test]
fn unused_schemas_are_dropped() {
    let mut document = document(
        json!({}),
        json!({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Inner"}}}),
    );
    document["components"]["schemas"]["Inner"] = json!({"type": "string", "enum": ["a"]});
    document["components"]["schemas"]["Unused"] = json!({"type": "string"});
    let (document, report) = prepared(document);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.contains_key("Inner") && !schemas.contains_key("Unused"));
    assert_eq!(reported(&report, "drop_unused_schemas"), ["Unused: no operation leads to it"]);
}

#[test]
fn shared_responses_and_bodies_inlined() {
    let mut document = document(
        json!({"responses": {"200": {"$ref": "#/components/responses/Ok"}}, "requestBody": {"$ref": "#/components/requestBodies/B"}}),
        json!({}),
    );
    document["components"]["responses"] = json!({"Ok": {"description": "ok"}});
    document["components"]["requestBodies"] =
        json!({"B": {"content": {"application/json": {"schema": {"type": "string"}}}}});
    let (document, _) = prepared(document);
    let get = &document["paths"]["/things/"]["get"];
    assert_eq!(get["responses"]["200"]["description"], "ok");
    assert_eq!(get["requestBody"]["content"]["application/json"]["schema"], json!({"type": "string"}));
}

#[test]
fn generation_error_names_its_place() {
    let with = |operation: Value| document(operation, json!({}));
    assert_eq!(
        refused(with(json!({"responses": {"200": {"$ref": "#/components/responses/No"}}}))),
        "GET /things/ (list_things): `#/components/responses/No` leads nowhere"
    );
    assert_eq!(
        refused(document(json!({}), json!({"properties": {"a": {"$ref": "#/components/schemas/No"}}}))),
        "components.schemas.Thing: `#/components/schemas/No` leads nowhere"
    );
    assert_eq!(refused(json!({"openapi": "3.0.3"})), "paths: there is no operation");
}

#[test]
fn documents_read_as_yaml_or_json() {
    assert_eq!(parse("openapi: 3.0.3\nx: no\n").unwrap(), json!({"openapi": "3.0.3", "x": "no"}));
    assert_eq!(parse("\u{feff} {\"openapi\": \"3.0.0\"}").unwrap(), json!({"openapi": "3.0.0"}));
    for (text, problem) in [
        ("openapi: 2.9", "version 2.9 isn't supported"),
        ("swagger: '2.0'", "swagger: version \"2.0\" isn't supported"),
        ("info: {}", "not an OpenAPI document"),
        ("openapi: 4.0.0", "version 4.0.0 isn't supported"),
        ("a: [", "not YAML"),
        ("{\"openapi\": ", "not JSON"),
    ] {
        assert!(parse(text).unwrap_err().contains(problem), "{text}");
    }
}
