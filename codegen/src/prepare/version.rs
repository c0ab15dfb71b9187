//! Converts OpenAPI 3.1 and 3.2 to 3.0, which the generator reads.

use serde_json::{Map, Value, json};

use super::Report;
use super::array_limits::ARRAY_LIMITS;
use super::corrections::NAMES;
use super::field_marks::MARKS;
use super::keywords::Keywords;
use super::operations::WHOLE_PATH;
use super::sending::SECRET_FIELDS;
use super::walk::{each_operation, for_all_children, for_roots, responses};

/// Keywords of 3.1 (JSON Schema 2020-12) that 3.0 doesn't have, and that have no effect on types.
const WITHOUT_A_TYPE: [&str; 17] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// Converts schemas of OpenAPI 3.1 to 3.0, which the generator reads. Documents mix both versions, so the
/// stated version doesn't matter.
///
/// - `{type: [string, "null"]}` -> `{type: string, nullable: true}`
/// - `{const: a}` -> `{enum: [a]}`
pub fn convert_to_3_0(document: &mut Value, report: &mut Report) {
    let _ = for_roots(document, &mut |place, _, schema| {
        rewrite(place, schema, report);
        Ok(())
    });
    if let Some(webhooks) = document.object("webhooks").filter(|webhooks| !webhooks.is_empty()) {
        let names: Vec<&str> = webhooks.keys().map(String::as_str).collect();
        let what = format!("left out {}: the server calls them", names.join(", "));
        report.add("convert_to_3_0", "webhooks", what);
    }
    document["openapi"] = json!("3.0.3");
}

fn rewrite(place: &str, schema: &mut Value, report: &mut Report) {
    if let Value::Bool(anything) = schema {
        report.add("convert_to_3_0", place, format!("the schema `{anything}` is a free-form value"));
        *schema = json!({});
    }
    schema.as_object_mut().into_iter().for_each(|object| rewrite_object(place, object, report));
    // Parents come first, so that the choices made of a list of types are visited, too.
    for_all_children(place, schema, &mut |place, child| rewrite(place, child, report));
}

fn rewrite_object(place: &str, schema: &mut Map<String, Value>, report: &mut Report) {
    let mut note = |what: String| report.add("convert_to_3_0", place, what);
    for key in WITHOUT_A_TYPE {
        if schema.remove(key).is_some() {
            note(format!("left out `{key}`"));
        }
    }
    if schema.get("examples").is_some_and(Value::is_array) {
        schema.remove("examples");
    }
    if let Some(only) = schema.remove("const") {
        note("`const` is an enumeration of one value".to_owned());
        schema.put("enum", json!([only]));
    }
    if let Some(places) = schema.remove("prefixItems") {
        let kind = |place: &Value| (place.text("type").map(str::to_owned), place.get("format").cloned());
        let mut kinds: Vec<_> = places.as_array().into_iter().flatten().map(kind).collect();
        kinds.dedup();
        let items = match kinds.as_slice() {
            [(Some(kind), format)] if !matches!(kind.as_str(), "object" | "array") => {
                note(format!("`prefixItems`: a list of {kind}s"));
                let mut items = json!({"type": kind});
                format.iter().for_each(|format| items.put("format", format.clone()));
                items
            }
            _ => {
                note("`prefixItems`: a list of free-form values".to_owned());
                json!({})
            }
        };
        schema.put("items", items);
    }
    if let Some(patterns) = schema.remove("patternProperties") {
        note("`patternProperties` are `additionalProperties`".to_owned());
        let only = patterns.as_object().filter(|patterns| patterns.len() == 1);
        let only = only.and_then(|patterns| patterns.values().next()).cloned();
        schema.entry("additionalProperties").or_insert_with(|| only.unwrap_or_else(|| json!({})));
    }
    let media = schema.remove("contentMediaType");
    let encoding = schema.remove("contentEncoding");
    if let Some(media) = media
        && encoding.is_none()
        && !media.as_str().is_some_and(|media| media.starts_with("text/") || media.ends_with("json"))
    {
        note("`contentMediaType`: the bytes of a file".to_owned());
        schema.entry("type").or_insert_with(|| json!("string"));
        schema.put("format", "binary");
    }
    types_in_a_list(schema, &mut note);
    siblings_of_a_reference(schema, &mut note);
}

/// Converts `type: [string, "null"]`. Several types become a choice.
fn types_in_a_list(schema: &mut Map<String, Value>, note: &mut dyn FnMut(String)) {
    let Some(types) = schema.get("type").and_then(Value::as_array) else { return };
    let mut kinds: Vec<Value> = types.iter().filter(|kind| kind.as_str() != Some("null")).cloned().collect();
    kinds.dedup();
    let nullable = kinds.len() < types.len();
    note(format!("a list of types: {}", Value::Array(types.clone())));
    schema.remove("type");
    if nullable {
        schema.put("nullable", true);
    }
    match kinds.as_slice() {
        [] => schema.put("enum", json!([null])),
        [only] => schema.put("type", only.clone()),
        several => {
            let mut choices = Vec::new();
            for kind in several {
                let mut choice = json!({"type": kind});
                // A keyword for one type belongs to the choice of that type.
                let own: &[&str] = match kind.as_str() {
                    Some("array") => &["items"],
                    Some("object") => &["properties", NAMES, MARKS, "required", "additionalProperties"],
                    Some("string") => &["format"],
                    _ => &[],
                };
                choice.copy(schema, own);
                choices.push(choice);
            }
            schema.drop_keywords(&[
                "items",
                "properties",
                NAMES,
                MARKS,
                "required",
                "additionalProperties",
                "format",
                "enum",
            ]);
            schema.put("oneOf", choices);
        }
    }
}

/// Moves the siblings of a `$ref` into an `allOf`. 3.0 ignores them, but the author intended them.
fn siblings_of_a_reference(schema: &mut Map<String, Value>, note: &mut dyn FnMut(String)) {
    if schema.len() < 2 || !schema.get("$ref").is_some_and(Value::is_string) {
        return;
    }
    let Some(reference) = schema.remove("$ref") else { return };
    let siblings: Vec<&str> = schema.keys().map(String::as_str).collect();
    note(format!("beside `$ref` stand {}", siblings.join(", ")));
    let parts: Vec<Value> =
        [json!({"$ref": reference})].into_iter().chain(schema.list("allOf").iter().cloned()).collect();
    // A type beside the reference repeats that of the component.
    schema.drop_keywords(&["type", "format", "enum"]);
    schema.put("allOf", parts);
}

/// The keyword that keeps the names of a response's headers.
pub(crate) const HEADERS: &str = "x-headers";

/// Removes everything except requests and responses: servers, callbacks, security, examples.
///
/// `get: {operationId: x, callbacks: …, security: …, responses: …}` -> `get: {operationId: x, responses: …}`
pub fn keep_requests_and_responses(document: &mut Value, report: &mut Report) {
    each_operation(document, |place, operation| {
        for key in ["callbacks", "servers"] {
            if operation.remove(key).is_some_and(|value| value != json!({}) && value != json!([])) {
                report.add("keep_requests_and_responses", place, format!("left out `{key}`"));
            }
        }
        const KEPT: [&str; 20] = [
            "operationId",
            "summary",
            "description",
            "tags",
            "parameters",
            "requestBody",
            "x-name",
            "x-identity",
            "x-narrower",
            "x-idempotent",
            "x-pagination",
            "x-read-timeout",
            "x-empty-response",
            "x-final-errors",
            "x-aliases",
            ARRAY_LIMITS,
            SECRET_FIELDS,
            WHOLE_PATH,
            "responses",
            "deprecated",
        ];
        operation.keep(&KEPT);
        for response in responses(operation) {
            // A header may lead to a list's next page.
            let headers = response.object("headers").into_iter().flat_map(Map::keys);
            let headers: Vec<String> = headers.map(|name| name.to_ascii_lowercase()).collect();
            response.keep(&["description", "content"]);
            if !headers.is_empty() {
                response.put(HEADERS, headers);
            }
        }
        let body = operation.get_mut("requestBody");
        body.into_iter().for_each(|body| body.keep(&["description", "content", "required"]));
    });
    document.keep(&["openapi", "info", "paths", "components"]);
    document.get_mut("components").into_iter().for_each(|components| components.keep(&["schemas"]));
    let info = &document["info"];
    let (title, version) = (info.text("title").unwrap_or("an API"), info.string("version"));
    let mut kept = json!({"title": title, "version": version});
    info.text("description").into_iter().for_each(|description| kept.put("description", description));
    document.put("info", kept);
}
