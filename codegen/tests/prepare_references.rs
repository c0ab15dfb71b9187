//! References: they are inlined, become components, or give an error with place and advice.

mod support;

use serde_json::{Value, json};
use support::*;

fn properties(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn deep_reference_becomes_component() {
    let item = json!({"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Other/properties/list/items"}}});
    let mut given = document(
        json!({}),
        properties(json!({
            // A tilde is written as `~0`.
            "plain": {"$ref": "#/components/schemas/Other/properties/a~0b"},
            "item": {"$ref": "#/components/schemas/Other/properties/list/items"},
            "answer": {"$ref": "#/paths/~1things~1/get/responses/404/content/application~1problem%2Bjson/schema"},
        })),
    );
    given["components"]["schemas"]["Other"] =
        properties(json!({"a~b": {"type": "integer"}, "list": {"type": "array", "items": item}}));
    given["paths"]["/things/"]["get"]["responses"]["404"] = json!({
        "description": "", "content": {"application/problem+json": {"schema": properties(json!({"title": {"type": "string"}}))}},
    });
    let (document, report) = prepared(given);
    let own = &thing(&document)["properties"];
    assert_eq!(own["plain"]["type"], "integer");
    assert_eq!(own["item"], reference("OtherListItem"));
    assert_eq!(component(&document, "OtherListItem")["properties"]["next"], reference("OtherListItem"));
    assert_eq!(own["answer"], reference("ListThingsResponse"));
    assert_eq!(component(&document, "ListThingsResponse")["properties"]["title"]["type"], "string");
    let reported = reported(&report, "point_references_to_components");
    let item = "Thing.item: `#/components/schemas/Other/properties/list/items` is `#/components/schemas/OtherListItem`";
    assert!(reported.iter().any(|reported| reported == item), "{reported:?}");
}

#[test]
fn pasted_definitions_refer_to_self() {
    let thing = json!({
        "type": "object",
        "$defs": {"Part": properties(json!({"whole": {"$ref": "#"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}}))},
        "properties": {"part": {"$ref": "#/$defs/Part"}},
    });
    let (document, _) = prepared(document(json!({}), thing));
    assert_eq!(support::thing(&document)["properties"]["part"], reference("ThingPart"));
    let part = &component(&document, "ThingPart")["properties"];
    assert_eq!(part["whole"], reference("Thing"));
    assert_eq!(part["parts"]["items"], reference("ThingPart"));
}

#[test]
fn encoded_component_names_are_found() {
    let mut given =
        document(json!({}), properties(json!({"page": {"$ref": "#/components/schemas/Page%5BUser%5D"}})));
    given["components"]["schemas"]["Page[User]"] = properties(json!({"a": {"type": "integer"}}));
    let (document, _) = prepared(given);
    let name =
        support::thing(&document)["properties"]["page"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(component(&document, name)["properties"]["a"]["type"], "integer");
}

#[test]
fn shared_parts_inlined_as_3_0() {
    let mut given = document(json!({}), properties(json!({"a": {"type": "integer"}})));
    given["openapi"] = json!("3.1.0");
    let item = given["paths"]["/things/"].take();
    given["paths"]["/things/"] = json!({
        "$ref": "#/components/pathItems/Things",
        "parameters": [{"$ref": "#/components/parameters/Since"}, {"name": "until", "in": "query", "schema": {"type": ["string", "null"]}}],
    });
    given["components"]["pathItems"] = json!({"Things": item});
    given["components"]["parameters"] = json!({
        "Since": {"name": "since", "in": "query", "schema": {"type": "integer", "exclusiveMinimum": 3}},
    });
    given["paths"]["/again/"]["get"] = json!({"$ref": "#/components/pathItems/Things/get"});
    let (document, _) = prepared(given);
    let parameters = get(&document)["parameters"].as_array().unwrap();
    assert_eq!(parameters.len(), 2);
    assert_eq!(parameters[0]["schema"], json!({"type": "integer"}));
    assert_eq!(parameters[1]["schema"]["type"], "string");
    let names =
        ["/again/", "/things/"].map(|path| document["paths"][path]["get"]["operationId"].as_str().unwrap());
    assert_eq!(names, ["list_things", "list_things_2"]);
}

#[test]
fn remote_reference_is_free_form() {
    let url = "https://example.org/openapi.yaml#/components/schemas/Kind";
    let (document, report) = prepared(document(json!({}), properties(json!({"kind": {"$ref": url}}))));
    assert_eq!(thing(&document)["properties"]["kind"]["allOf"], json!([reference("Json")]));
    assert_eq!(
        reported(&report, "point_references_to_components"),
        [format!("Thing.kind: a free-form value: `{url}` is in another document")]
    );
}

#[test]
fn broken_reference_error_gives_advice() {
    let other_file = document(json!({}), properties(json!({"x": {"$ref": "other.yaml#/X"}})));
    let bundle = "is in another file: bundle the files into one document first (`npx @redocly/cli bundle`)";
    assert_eq!(refused(other_file), format!("components.schemas.Thing.x: `other.yaml#/X` {bundle}"));
    let mut file = document(json!({}), properties(json!({})));
    file["paths"]["/things/"] = json!({"get": {"$ref": "things/list.yml"}});
    assert_eq!(refused(file), format!("GET /things/ (no operationId): `things/list.yml` {bundle}"));
    let nowhere =
        document(json!({}), properties(json!({"x": {"$ref": "#/components/schemas/Other/properties/a"}})));
    assert_eq!(
        refused(nowhere),
        "components.schemas.Thing.x: `#/components/schemas/Other/properties/a` leads nowhere"
    );
    let mut circle =
        document(json!({"requestBody": {"$ref": "#/components/requestBodies/A"}}), properties(json!({})));
    circle["components"]["requestBodies"] = json!({"A": {"$ref": "#/components/requestBodies/A"}});
    assert_eq!(refused(circle), "GET /things/ (list_things): a reference leads to itself");
}

#[test]
fn property_named_example_is_followed() {
    let mut given = document(
        json!({}),
        properties(json!({"example": reference("Other"), "properties": reference("Thing")})),
    );
    given["components"]["schemas"]["Other"] =
        properties(json!({"a": {"type": "string", "example": reference("None")}}));
    let (document, _) = prepared(given);
    assert!(component(&document, "Other")["properties"]["a"].is_object());
}
