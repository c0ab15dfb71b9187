//! OpenAPI 3.2: what only this version has is resolved, left out and reported, or has no effect on types.

mod support;

use serde_json::{Value, json};
use support::{document, get, prepared, reference, reported, thing};
use synapse_codegen::document::parse;
use synapse_codegen::generate::generate;

/// Makes a document one of 3.2.
fn of_3_2(mut document: Value) -> Value {
    document["openapi"] = json!("3.2.0");
    parse(&document.to_string()).unwrap()
}

fn operation(id: &str) -> Value {
    json!({"operationId": id, "responses": {"200": {"summary": "Without a description."}}})
}

#[test]
fn only_known_versions_are_read() {
    for version in ["3.0.3", "3.1.1", "3.2.0", "3.2"] {
        parse(&format!("openapi: {version}\n")).unwrap();
    }
    for version in ["3.3.0", "3.20.0", "4.0.0", "2.0"] {
        let error = parse(&format!("openapi: {version}\n")).unwrap_err();
        assert!(error.contains("isn't supported (3.0, 3.1 and 3.2 are)"), "{error}");
    }
}

#[test]
fn metadata_has_no_effect() {
    let thing = json!({"type": "object", "xml": {"nodeType": "element"}, "properties": {"a": {"type": ["string", "null"]}}});
    let mut new = document(json!({"tags": ["inner"]}), thing);
    let (old, _) = prepared(new.clone());
    let more = json!({
        "$self": "https://api.example/openapi", "servers": [{"url": "/", "name": "main"}],
        "tags": [{"name": "outer", "kind": "nav"}, {"name": "inner", "summary": "Inner", "parent": "outer"}],
        "security": [{"token": []}],
    });
    support::merge(&mut new, more);
    new["components"]["securitySchemes"] =
        json!({"token": {"type": "http", "scheme": "bearer", "deprecated": true}});
    new["paths"]["/things/"]["get"]["responses"]["200"]["summary"] = json!("A thing.");
    new["paths"]["/things/"]["get"]["responses"]["200"].as_object_mut().unwrap().remove("description");
    let (new, report) = prepared(of_3_2(new));
    assert_eq!(new, old);
    assert!(report.left_out.is_empty());
}

#[test]
fn new_operations_are_left_out() {
    let mut document = document(json!({}), json!({}));
    document["paths"]["/things/"]["query"] = operation("search_things");
    document["paths"]["/things/"]["additionalOperations"] =
        json!({"LINK": operation("link_things"), "COPY": {}});
    document["paths"]["/other/"] = json!({"query": operation("search_other")});
    document["paths"]["/whole/"] = json!({
        "parameters": [{"name": "q", "in": "querystring", "content": {"application/jsonpath": {"schema": {"type": "string"}}}}],
        "get": operation("get_whole"),
    });
    let generated = generate(of_3_2(document)).map_err(|error| panic!("{error}")).ok().unwrap();
    assert_eq!(Vec::from_iter(&generated.operations), ["list_things"]);
    let left_out =
        generated.report.left_out.iter().map(|left_out| format!("{}: {}", left_out.operation, left_out.why));
    let mut left_out = Vec::from_iter(left_out);
    left_out.sort();
    assert_eq!(
        left_out,
        [
            "COPY /things/ (no operationId): the method `COPY` isn't supported: use `client.request`",
            "GET /whole/ (get_whole): a parameter in `querystring` isn't supported: use `client.request`",
            "LINK /things/ (link_things): the method `LINK` isn't supported: use `client.request`",
            "QUERY /other/ (search_other): the method `QUERY` isn't supported: use `client.request`",
            "QUERY /things/ (search_things): the method `QUERY` isn't supported: use `client.request`",
        ]
    );
}

#[test]
fn shared_media_types_are_resolved() {
    let mut document =
        document(json!({}), json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
    let content = json!({"application/json": {"$ref": "#/components/mediaTypes/Alias"}});
    document["paths"]["/things/"]["get"]["responses"]["200"]["content"] = content.clone();
    document["paths"]["/things/"]["post"] = operation("create_thing");
    document["paths"]["/things/"]["post"]["requestBody"] = json!({"required": true, "content": content});
    document["components"]["mediaTypes"] =
        json!({"Alias": {"$ref": "#/components/mediaTypes/Thing"}, "Thing": {"schema": reference("Thing")}});
    let (prepared, _) = prepared(of_3_2(document.clone()));
    let schema = &get(&prepared)["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema, &reference("Thing"));
    assert_eq!(
        prepared["paths"]["/things/"]["post"]["requestBody"]["content"]["application/json"]["schema"],
        reference("Thing")
    );
    document["components"]["mediaTypes"] = json!({});
    let error = support::refused(of_3_2(document));
    assert!(error.contains("`#/components/mediaTypes/Alias` leads nowhere"), "{error}");
}

#[test]
fn references_to_itself_are_local() {
    let own = "https://api.example/openapi";
    let mut document = document(
        json!({}),
        json!({"type": "object", "properties": {
        "own": {"$ref": format!("{own}#/components/schemas/Other")}, "foreign": {"$ref": format!("{own}-2#/components/schemas/Other")}}}),
    );
    document["$self"] = json!(own);
    document["components"]["schemas"]["Other"] =
        json!({"type": "object", "properties": {"a": {"type": "string"}}});
    document["components"]["responses"] =
        json!({"Shared": document["paths"]["/things/"]["get"]["responses"]["200"]});
    document["paths"]["/things/"]["get"]["responses"]["200"] =
        json!({"$ref": format!("{own}#/components/responses/Shared")});
    let (document, report) = prepared(of_3_2(document));
    let properties = &thing(&document)["properties"];
    assert_eq!(properties["own"], reference("Other"));
    assert_eq!(reported(&report, "point_references_to_components").len(), 1);
}

#[test]
fn untyped_parts_are_reported() {
    let stream = json!({"text/event-stream": {"itemSchema": reference("Thing")}});
    let mut document = document(
        json!({"responses": {"200": {"description": "", "content": stream}}}),
        json!({"type": "object"}),
    );
    let choices = json!({"oneOf": [reference("A"), reference("B")],
        "discriminator": {"propertyName": "kind", "defaultMapping": "A"}});
    document["components"]["schemas"]["Choice"] = choices;
    for name in ["A", "B"] {
        document["components"]["schemas"][name] =
            json!({"type": "object", "properties": {"kind": {"type": "string"}, name: {"type": "string"}}});
    }
    document["paths"]["/things/"]["put"] = operation("put_choice");
    document["paths"]["/things/"]["put"]["responses"]["200"]["content"] =
        json!({"application/json": {"schema": reference("Choice")}});
    let (document, report) = prepared(of_3_2(document));
    let content = &get(&document)["responses"]["200"]["content"];
    assert_eq!(content["application/octet-stream"]["schema"]["format"], "binary", "{content}");
    assert_eq!(
        reported(&report, "drop_untyped_parts"),
        [
            "GET /things/ (list_things): left out `itemSchema`: the items have no type",
            "Choice: left out `defaultMapping`: a value with another tag, or without one, is `Unrecognized`",
        ]
    );
}
