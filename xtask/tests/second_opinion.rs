//! Compares with Oxide's `drift`, which checks the wire format: what is breaking there must be breaking here,
//! for every part of two files of the project's own document that is removed, renamed or made required. All files have
//! over a thousand parts of the same kinds, and each part takes a run of the program.

mod support;

use std::panic::catch_unwind;
use std::path::Path;

use drift::{ChangeClass, compare};
use serde_json::{Value, json};
use support::{Files, xtask};
use synapse_codegen::document::join;

/// A small layer: this test doesn't depend on the touched methods.
const LAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layer/src/lib.rs");

/// Lists a change for every parameter, field and operation of the document.
fn variants(document: &Value) -> Vec<(String, Value)> {
    let mut variants = Vec::new();
    let mut vary = |what: String, change: &dyn Fn(&mut Value)| {
        let mut other = document.clone();
        change(&mut other);
        variants.push((what, other));
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            vary(format!("{id} removed"), &|other| {
                drop(other["paths"][path].as_object_mut().unwrap().remove(method))
            });
            let added =
                json!({"name": "more", "in": "query", "required": true, "schema": {"type": "string"}});
            vary(format!("{id}?more required"), &|other| {
                match &mut other["paths"][path][method]["parameters"] {
                    Value::Array(parameters) => parameters.push(added.clone()),
                    none => *none = json!([added]),
                };
            });
            for index in 0..operation["parameters"].as_array().map_or(0, Vec::len) {
                if operation["parameters"][index].get("name").is_none() {
                    continue; // shared, and a path's parameter can't be removed
                }
                vary(format!("{id}: parameter {index} removed"), &|other| {
                    drop(other["paths"][path][method]["parameters"].as_array_mut().unwrap().remove(index));
                });
                vary(format!("{id}: parameter {index} of another type"), &|other| {
                    other["paths"][path][method]["parameters"][index]["schema"] =
                        json!({"type": "object", "properties": {"a": {"type": "string"}}});
                });
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
            vary(format!("{name}.{field} removed"), &|other| {
                let schema = &mut other["components"]["schemas"][name];
                schema["properties"].as_object_mut().unwrap().remove(field);
                if let Some(required) = schema["required"].as_array_mut() {
                    required.retain(|name| name != field);
                }
            });
            vary(format!("{name}.{field} of another type"), &|other| {
                other["components"]["schemas"][name]["properties"][field] =
                    json!({"type": "number", "format": "float"});
            });
            if schema["properties"][field].get("$ref").is_some() {
                continue; // keywords next to a reference have no effect
            }
            vary(format!("{name}.{field} nullable or not"), &|other| {
                let field = &mut other["components"]["schemas"][name]["properties"][field];
                field["nullable"] = json!(!field["nullable"].as_bool().unwrap_or(false));
            });
        }
        if schema["properties"].is_object() {
            vary(format!("{name}.more required"), &|other| {
                let schema = &mut other["components"]["schemas"][name];
                schema["properties"]["more"] = json!({"type": "string"});
                match &mut schema["required"] {
                    Value::Array(required) => required.push(json!("more")),
                    none => *none = json!(["more"]),
                }
            });
        }
    }
    variants
}

/// Removes error responses, because the client has no types for them: an error keeps the response as
/// received.
fn without_refusals(document: &mut Value) {
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            operation["responses"].as_object_mut().unwrap().retain(|status, _| status.starts_with('2'));
        }
    }
    document["components"]["responses"] = json!({});
    loop {
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}

#[test]
fn wire_breaks_are_reported_as_breaking() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi");
    let read = |name: &str| (name.to_owned(), std::fs::read_to_string(folder.join(name)).unwrap());
    let mut document = join(["synapse-v1.yaml", "ground-truth.yaml"].map(read)).unwrap();
    without_refusals(&mut document);
    let files = Files::new();
    let old = files.document("old.json", &document);
    let (mut judged, mut broke, mut disputed) = (0, 0, Vec::new());
    for (what, other) in variants(&document) {
        let changes = catch_unwind(|| compare(&document, &other).unwrap()).unwrap_or_default();
        let breaks = changes.iter().flat_map(|change| &change.changes).any(|change| {
            matches!(change.class, ChangeClass::BackwardIncompatible | ChangeClass::Incompatible)
        });
        let ended = xtask(&["spec", "diff", &old, &files.document("new.json", &other), "--src", LAYER]);
        assert!(ended.code < 2, "{what}: {}", ended.err);
        assert!(!ended.out.starts_with("0 changes"), "{what}: nothing is reported");
        judged += 1;
        broke += usize::from(breaks);
        if breaks && ended.code == 0 {
            disputed.push(format!("{what}: {changes:#?}\n{}", ended.out));
        }
    }
    assert!(disputed.is_empty(), "{}", disputed.join("\n"));
    assert!(judged > 150 && broke > 100, "{judged} changes, of which {broke} break on the wire");
}
