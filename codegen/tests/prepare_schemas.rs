//! Rules for schemas: forms of 3.1, invalid OpenAPI, choices, bodies, names.

mod support;

use serde_json::{Value, json};
use support::{both_ways, component, document, prepared, reference, reported, thing};
use synapse_codegen::prepare::Renamed;

fn properties(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn forms_of_3_1_become_3_0() {
    let mut given = document(
        json!({}),
        properties(json!({
            "name": {"type": ["string", "null"]},
            "id": {"type": ["integer", "string"]},
            "kind": {"const": "a"},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "beside": {"$ref": "#/components/schemas/Other", "description": "d", "nullable": true},
            "anything": true,
            "point": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number", "title": "y"}]},
            "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]},
            "file": {"type": "string", "contentMediaType": "application/octet-stream"},
            "limit": {"type": "integer", "exclusiveMinimum": 0},
            "map": {"type": "object", "patternProperties": {"^x": {"type": "integer"}}},
        })),
    );
    given["openapi"] = json!("3.1.0");
    given["webhooks"] = json!({"done": {}});
    given["components"]["schemas"]["Other"] = properties(json!({"a": {"type": "string"}}));
    let (document, report) = prepared(given);
    let fields = &thing(&document)["properties"];
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(fields["name"], json!({"type": "string", "nullable": true}));
    assert_eq!(component(&document, "ThingId")["oneOf"], json!([{"type": "integer"}, {"type": "string"}]));
    assert_eq!(component(&document, "ThingKind"), &json!({"type": "string", "enum": ["a"]}));
    assert_eq!(fields["maybe"], json!({"type": "integer", "nullable": true}));
    assert_eq!(
        fields["beside"],
        json!({"allOf": [reference("Other")], "nullable": true, "description": "d"})
    );
    assert_eq!(fields["anything"]["allOf"], json!([reference("Json")]));
    assert_eq!(fields["point"]["items"], json!({"type": "number"}));
    assert_eq!(fields["pair"]["items"]["allOf"], json!([reference("Json")]));
    assert_eq!(fields["limit"], json!({"type": "integer"}));
    assert_eq!(fields["map"]["additionalProperties"], json!({"type": "integer"}));
    assert!(
        reported(&report, "convert_to_3_0")
            .contains(&"webhooks: left out done: the server calls them".to_owned())
    );
}

#[test]
fn wrongly_typed_keywords_are_repaired() {
    let (document, report) = prepared(document(
        json!({"tags": "things", "description": ["one", "two"], "deprecated": "true"}),
        json!({"type": "object", "required": "a", "description": null, "properties": {
            "a": {"type": "string", "nullable": "yes", "description": 7}, "b": {"type": "any"}, "c": {"type": "array"},
            "d": {"type": "string", "required": true}, "e": {"properties": {"x": {"type": "string"}}}, "f": null,
            "g": {"enum": ["a", 1]},
        }}),
    ));
    let operation = support::get(&document);
    assert_eq!(
        (&operation["tags"], &operation["description"], &operation["deprecated"]),
        (&json!(["things"]), &json!("one\n\ntwo"), &json!(true))
    );
    assert_eq!(thing(&document)["required"], json!(["a"]));
    let fields = &thing(&document)["properties"];
    assert_eq!((&fields["a"], &fields["d"]), (&json!({"type": "string"}), &json!({"type": "string"})));
    for free in ["b", "f", "g"] {
        assert_eq!(fields[free]["allOf"], json!([reference("Json")]), "{free}");
    }
    assert_eq!(component(&document, "ThingE")["type"], "object");
    assert_eq!(
        reported(&report, "repair_mistyped_values").len(),
        13,
        "{:#?}",
        reported(&report, "repair_mistyped_values")
    );
}

#[test]
fn null_and_blank_are_not_choices() {
    let choice = json!({"nullable": true, "oneOf": [reference("Kind"), reference("BlankEnum"), reference("NullEnum")]});
    let mut given = document(
        json!({}),
        properties(
            json!({"kind": choice, "text": {"type": "string", "nullable": true, "enum": ["a", "", null]}}),
        ),
    );
    given["components"]["schemas"]["Kind"] = json!({"type": "string", "enum": ["x", "y"]});
    given["components"]["schemas"]["BlankEnum"] = json!({"enum": [""]});
    given["components"]["schemas"]["NullEnum"] = json!({"enum": [null]});
    let (document, report) = prepared(given);
    let fields = &thing(&document)["properties"];
    assert_eq!(fields["kind"], json!({"nullable": true, "allOf": [reference("Kind")]}));
    assert_eq!(component(&document, "ThingText")["enum"], json!(["a", "Blank"]));
    assert_eq!(component(&document, "Kind")["enum"], json!(["x", "y", "Blank"]));
    assert_eq!(report.notes.enum_values["Kind"]["Blank"], "");
    assert!(
        reported(&report, "drop_null_and_blank_choices")
            .contains(&"Thing.kind: 1 of 3 choices stay".to_owned())
    );
}

#[test]
fn long_chain_of_aliases_is_nullable() {
    let mut given = document(json!({}), properties(json!({"field": reference("A10")})));
    for index in 10..30 {
        given["components"]["schemas"][format!("A{index}")] = reference(&format!("A{}", index + 1));
    }
    given["components"]["schemas"]["A30"] = json!({"type": "string", "nullable": true});
    // Aliases of each other.
    given["components"]["schemas"]["B"] = json!({"allOf": [reference("C")]});
    given["components"]["schemas"]["C"] = json!({"allOf": [reference("B")], "nullable": true});
    let (document, _) = prepared(given);
    assert_eq!(thing(&document)["properties"]["field"]["nullable"], true);
}

#[test]
fn nullable_component_marks_its_uses() {
    let mut given = document(
        json!({}),
        properties(
            json!({"one": reference("Maybe"), "many": {"type": "array", "items": reference("Maybe")}}),
        ),
    );
    given["components"]["schemas"]["Maybe"] =
        json!({"nullable": true, "oneOf": [{"type": "integer"}, {"type": "string"}]});
    let (document, report) = prepared(given);
    assert!(component(&document, "Maybe").get("nullable").is_none());
    let used = json!({"allOf": [reference("Maybe")], "nullable": true});
    assert_eq!(thing(&document)["properties"]["one"], used);
    assert_eq!(thing(&document)["properties"]["many"]["items"], used);
    assert_eq!(reported(&report, "move_nullable_to_references").len(), 1);
}

#[test]
fn discriminator_maps_tags_to_components() {
    let mut given = document(
        json!({}),
        json!({
            "oneOf": [reference("Cat"), reference("Dog")],
            "discriminator": {"propertyName": "kind", "mapping": {"felis": "#/components/schemas/Cat"}},
        }),
    );
    given["components"]["schemas"]["Cat"] = properties(json!({"kind": {"type": "string"}}));
    given["components"]["schemas"]["Dog"] =
        properties(json!({"kind": {"type": "string", "enum": ["canis"], "description": "d"}}));
    let (document, report) = prepared(given);
    let union = &report.notes.unions["Thing"];
    let choices: Vec<(&str, &str)> =
        union.choices.iter().map(|(tag, to)| (tag.as_str(), to.as_str())).collect();
    assert_eq!((union.tag.as_str(), choices), ("kind", vec![("felis", "Cat"), ("canis", "Dog")]));
    assert_eq!(
        component(&document, "Dog")["properties"]["kind"],
        json!({"type": "string", "description": "d"})
    );
}

#[test]
fn sent_and_received_types_are_split() {
    let mut given = both_ways(json!({
        "type": "object", "required": ["id", "name", "secret", "inner"],
        "properties": {
            "id": {"type": "integer", "readOnly": true}, "name": {"type": "string"}, "secret": {"type": "string", "writeOnly": true},
            "note": {"type": "string", "nullable": true}, "tags": {"type": "array", "items": {"type": "string"}},
            "inner": reference("Inner"), "same": reference("Same"),
        },
    }));
    given["components"]["schemas"]["Inner"] =
        properties(json!({"id": {"type": "integer", "readOnly": true}, "a": {"type": "string"}}));
    given["components"]["schemas"]["Same"] = properties(json!({"a": {"type": "string"}}));
    let (document, report) = prepared(given);
    let names = |name: &str| {
        component(&document, name)["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names("Thing"), ["id", "inner", "name", "note", "same", "tags"]);
    assert_eq!(names("ThingRequest"), ["inner", "name", "note", "same", "secret", "tags"]);
    assert_eq!(component(&document, "ThingRequest")["required"], json!(["name", "secret", "inner"]));
    assert_eq!(component(&document, "Thing")["required"], json!(["id", "name", "inner"]));
    assert_eq!(component(&document, "ThingRequest")["properties"]["inner"], reference("InnerRequest"));
    assert_eq!(component(&document, "ThingRequest")["properties"]["same"], reference("Same"));
    assert!(component(&document, "SameRequest").is_null());
    let body = &document["paths"]["/things/"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body, &reference("ThingRequest"));
    // Null and an empty list differ from an unset field.
    assert_eq!(report.notes.clearable["ThingRequest"].iter().collect::<Vec<_>>(), ["note"]);
    assert_eq!(component(&document, "ThingRequest")["properties"]["tags"]["nullable"], true);
    assert!(component(&document, "Thing")["properties"]["tags"].get("nullable").is_none());
}

#[test]
fn clashing_type_names_are_renamed() {
    let inner = properties(json!({"x": {"type": "string"}}));
    let mut given = document(
        json!({}),
        properties(json!({
            "permissions": inner.clone(), "a": reference("_Thing"), "b": reference("thing_permissions"), "c": reference("Ok"), "d": reference("Timestamp"),
        })),
    );
    let schemas = given["components"]["schemas"].as_object_mut().unwrap();
    schemas.insert("_Thing".to_owned(), inner.clone());
    schemas.insert("thing_permissions".to_owned(), inner.clone());
    schemas.insert("Ok".to_owned(), inner.clone());
    schemas.insert("Timestamp".to_owned(), properties(json!({"seconds": {"type": "integer"}})));
    let (document, report) = prepared(given);
    let fields = &thing(&document)["properties"];
    assert_eq!(fields["a"], reference("Thing2"));
    assert_eq!(fields["b"], reference("ThingPermissions"));
    assert_eq!(fields["c"], reference("Ok2"));
    assert_eq!(fields["d"], reference("TimestampSchema"));
    assert_eq!(fields["permissions"]["allOf"], json!([reference("ThingPermissions2")]));
    assert_eq!(reported(&report, "make_component_names_unique").len(), 3);
    assert_eq!(
        reported(&report, "rename_own_type_clashes"),
        ["Timestamp: called `TimestampSchema`: the crate has a type of that name"]
    );
}

#[test]
fn plain_component_is_inlined() {
    let choice = json!({"oneOf": [reference("Priority"), reference("Name"), reference("Title")]});
    let mut given = document(
        json!({}),
        properties(json!({
            "priority": {"allOf": [reference("Priority")], "nullable": true}, "names": {"type": "array", "items": reference("Name")},
            "either": choice, "link": {"type": "string", "format": "uri", "nullable": true},
        })),
    );
    given["components"]["schemas"]["Priority"] =
        json!({"type": "integer", "enum": [1, 10], "description": "d"});
    given["components"]["schemas"]["Name"] = json!({"type": "string"});
    given["components"]["schemas"]["Title"] = json!({"type": "string"});
    let (document, report) = prepared(given);
    let fields = &thing(&document)["properties"];
    assert_eq!(fields["priority"], json!({"type": "integer", "nullable": true, "description": "d"}));
    assert_eq!(fields["names"]["items"], json!({"type": "string"}));
    // Two choices of the same type would be two variants of it.
    let kinds = json!([{"type": "integer", "description": "d"}, {"type": "string"}]);
    assert_eq!(component(&document, "ThingEither")["oneOf"], kinds);
    assert_eq!(fields["link"], json!({"nullable": true, "allOf": [reference("FileUrl")]}));
    assert_eq!(reported(&report, "inline_plain_types").len(), 3);
    assert_eq!(reported(&report, "links_to_file_url"), ["Thing.link: shown without its query"]);
}

#[test]
fn clashing_properties_are_renamed() {
    let (document, report) = prepared(document(
        json!({}),
        json!({"type": "object", "required": ["isGlobal"], "properties": {
            "isGlobal": {"type": "boolean"}, "is_global": {"type": "boolean"}, "extra": {"type": "string"}, "Plain": {"type": "string"},
        }}),
    ));
    let renamed: Vec<(&str, &str)> =
        report.notes.properties["Thing"].iter().map(|r| (r.from.as_str(), r.wire.as_str())).collect();
    assert_eq!(renamed, [("extra_field", "extra"), ("is_global_field", "isGlobal")]);
    assert_eq!(thing(&document)["required"], json!(["is_global_field"]));
    assert!(thing(&document)["properties"].get("Plain").is_some());
}

#[test]
fn inline_body_types_are_split() {
    let id = json!({"type": "integer", "readOnly": true});
    let inner = json!({"type": "object", "required": ["id", "name"], "properties": {
        "id": id, "name": {"type": "string"}, "secret": {"type": "string", "writeOnly": true}, "note": {"type": "string", "nullable": true},
    }});
    let (document, report) =
        prepared(both_ways(properties(json!({"inner": inner, "list": {"type": "array", "items": inner}}))));
    let names = |name: &str| {
        component(&document, name)["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    for name in ["ThingInner", "ThingListItem"] {
        assert_eq!(names(name), ["id", "name", "note"]);
        assert_eq!(names(&format!("{name}Request")), ["name", "note", "secret"]);
        assert_eq!(component(&document, &format!("{name}Request"))["required"], json!(["name"]));
        assert!(report.notes.clearable[&format!("{name}Request")].contains("note"));
    }
}

#[test]
fn optional_list_can_be_sent_empty() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let (document, _) = prepared(both_ways(properties(json!({"tags": list, "counts": map}))));
    for field in ["tags", "counts"] {
        assert_eq!(component(&document, "ThingRequest")["properties"][field]["nullable"], true, "{field}");
        assert!(thing(&document)["properties"][field].get("nullable").is_none(), "{field}");
    }
}

#[test]
fn unquoted_enum_values_become_text() {
    let (document, report) = prepared(document(
        json!({}),
        properties(json!({
            "version": {"type": "string", "enum": [1.5, true, "x", null]}, "list": {"type": "array", "format": "csv", "items": {"type": "string"}},
            "flag": {"type": "boolean", "format": "checkbox"}, "id": {"type": "integer", "format": "int64"},
        })),
    ));
    let fields = &thing(&document)["properties"];
    assert_eq!(component(&document, "ThingVersion")["enum"], json!(["1.5", "true", "x"]));
    assert_eq!(
        (&fields["list"]["format"], &fields["flag"]["format"], &fields["id"]["format"]),
        (&Value::Null, &Value::Null, &json!("int64"))
    );
    assert_eq!(
        reported(&report, "drop_inapplicable_formats"),
        ["Thing.flag: left out `format: checkbox`", "Thing.list: left out `format: csv`"]
    );
}

#[test]
fn decomposed_names_keep_their_wire_names() {
    // The compiler composes the letters of names (NFC).
    let (decomposed, composed) = ("\u{110b}\u{1175}\u{1105}\u{1173}\u{11b7}", "\u{c774}\u{b984}");
    let text = json!({"type": "string"});
    let parameters = json!([
        {"name": composed, "in": "query", "schema": text}, {"name": decomposed, "in": "query", "schema": text},
    ]);
    let of = |fields: Value| {
        let (_, report) = prepared(document(json!({"parameters": parameters}), properties(fields)));
        let pairs = |renamed: &[Renamed]| {
            renamed.iter().map(|renamed| (renamed.from.clone(), renamed.wire.clone())).collect::<Vec<_>>()
        };
        (pairs(&report.notes.properties["Thing"]), pairs(&report.notes.parameters["list_things"]))
    };
    let (alone, parameters) = of(json!({decomposed: text}));
    assert_eq!(alone, [(composed.to_owned(), decomposed.to_owned())]);
    assert_eq!(parameters, [(format!("{composed}_query"), decomposed.to_owned())]);
    let (beside, _) = of(json!({decomposed: text, composed: text}));
    assert_eq!(beside, [(format!("{composed}_field"), decomposed.to_owned())]);
}
