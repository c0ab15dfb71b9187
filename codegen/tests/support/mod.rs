//! Minimal documents, and the reports of their preparation.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod crate_copy;
pub mod large;

use serde_json::{Value, json};
use synapse_codegen::prepare::{Report, prepare};

/// Returns a document with one operation, `GET /things/`, that returns a `Thing`.
pub fn document(operation: Value, thing: Value) -> Value {
    let mut get = json!({
        "operationId": "list_things",
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}},
    });
    merge(&mut get, operation);
    json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {"/things/": {"get": get}},
        "components": {"schemas": {"Thing": thing}},
    })
}

/// Returns the same as [`document`], with a `POST` that sends a `Thing`.
pub fn both_ways(thing: Value) -> Value {
    let mut document = document(json!({}), thing);
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}});
    document["paths"]["/things/"]["post"] = json!({
        "operationId": "create_thing",
        "requestBody": {"required": true, "content": content},
        "responses": {"201": {"description": "", "content": content}},
    });
    document
}

pub fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

pub fn prepared(mut document: Value) -> (Value, Report) {
    let report = prepare(&mut document).unwrap();
    (document, report)
}

pub fn refused(mut document: Value) -> String {
    prepare(&mut document).unwrap_err()
}

pub fn get(document: &Value) -> &Value {
    &document["paths"]["/things/"]["get"]
}

pub fn component<'d>(document: &'d Value, name: &str) -> &'d Value {
    &document["components"]["schemas"][name]
}

pub fn thing(document: &Value) -> &Value {
    component(document, "Thing")
}

pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

pub fn reported(report: &Report, rule: &str) -> Vec<String> {
    report
        .changes
        .iter()
        .filter(|change| change.rule == rule)
        .map(|change| format!("{}: {}", change.place, change.what))
        .collect()
}
