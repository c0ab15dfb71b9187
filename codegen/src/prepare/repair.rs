//! Repairs invalid OpenAPI that occurs in real documents: values of the wrong type.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::Report;
use super::keywords::Keywords;
use super::walk::{each_operation, for_schemas, parameters, responses};

/// Repairs values of the wrong type, and removes those that it can't repair. The parser rejects nulls,
/// texts instead of lists and similar values, and states no place.
///
/// - `{description: null, required: name, nullable: "true"}` -> `{required: [name], nullable: true}`
/// - `{properties: {a: …}}` -> `{type: object, properties: {a: …}}`
pub fn repair_mistyped_values(document: &mut Value, report: &mut Report) {
    for (path, item) in document.object_mut("paths").into_iter().flatten() {
        let Some(item) = item.as_object_mut() else { continue };
        // A null operation counts as missing.
        item.retain(|key, value| {
            if value.is_null() {
                note(report, &format!("paths.{path}"), format!("left out `{key}`: null"));
            }
            !value.is_null()
        });
        texts(&format!("paths.{path}"), item, &["summary", "description"], report);
    }
    each_operation(document, |place, operation| {
        texts(place, operation, &["summary", "description"], report);
        flags(place, operation, &["deprecated"], report);
        list_of_words(place, operation, "tags", report);
        keep_if(place, operation, "parameters", Value::is_array, report);
        keep_if(place, operation, "requestBody", Value::is_object, report);
        if let Some(body) = operation.object_mut("requestBody") {
            texts(place, body, &["description"], report);
            flags(place, body, &["required"], report);
        }
        for response in responses(operation) {
            if !response.is_object() {
                note(report, place, "an answer that is no object: one without a body");
                *response = json!({});
            }
            let Some(response) = response.as_object_mut() else { continue };
            texts(place, response, &["description"], report);
            if !response.contains_key("$ref") {
                response.entry("description").or_insert_with(|| json!(""));
            }
            keep_if(place, response, "content", Value::is_object, report);
        }
        for parameter in parameters(operation) {
            texts(place, parameter, &["description"], report);
            let keys = ["required", "deprecated", "explode", "allowEmptyValue", "allowReserved"];
            flags(place, parameter, &keys, report);
            keep_if(place, parameter, "style", Value::is_string, report);
        }
    });
    for_schemas(document, &mut |place, schema| {
        if !schema.is_object() {
            *schema = json!({});
            note(report, place, "a schema that is none: a free-form value");
        }
        schema.as_object_mut().into_iter().for_each(|schema| schema_of_its_kind(place, schema, report));
    });
}

fn note(report: &mut Report, place: &str, what: impl Into<String>) {
    report.add("repair_mistyped_values", place, what);
}

fn schema_of_its_kind(place: &str, schema: &mut Map<String, Value>, report: &mut Report) {
    texts(place, schema, &["description"], report);
    flags(place, schema, &["nullable", "readOnly", "writeOnly", "deprecated"], report);
    for key in ["type", "format", "$ref", "pattern", "title"] {
        keep_if(place, schema, key, Value::is_string, report);
    }
    for key in ["enum", "allOf", "oneOf", "anyOf"] {
        keep_if(place, schema, key, |value| value.as_array().is_some_and(|list| !list.is_empty()), report);
    }
    keep_if(place, schema, "properties", Value::is_object, report);
    keep_if(place, schema, "additionalProperties", |value| value.is_object() || value.is_boolean(), report);
    keep_if(place, schema, "items", Value::is_object, report);
    // An older JSON Schema has `required: true` on properties.
    if schema.text("required").is_some() {
        list_of_words(place, schema, "required", report);
    }
    keep_if(place, schema, "required", Value::is_array, report);
    if let Some(required) = schema.list_mut("required") {
        let before = required.len();
        let mut seen = HashSet::new();
        required.retain(|name| name.is_string() && seen.insert(name.clone()));
        if required.len() < before {
            note(report, place, "`required`: doubled, or no names");
        }
    }
    if !schema.has_any(&["type", "$ref", "allOf", "oneOf", "anyOf"]) {
        type_that_is_meant(place, schema, report);
    }
    match schema.text("type").map(str::to_owned).as_deref() {
        Some("string") => texts_without_quotes(place, schema, report),
        Some("array") if !schema.contains_key("items") => {
            schema.put("items", json!({}));
            note(report, place, "a list without `items`: of free-form values");
        }
        Some("object" | "array" | "integer" | "number" | "boolean") | None => {}
        Some("file") => {
            schema.put("type", "string");
            schema.put("format", "binary");
            note(report, place, "`type: file`: the bytes of a file");
        }
        Some("null") => {
            schema.remove("type");
            schema.put("enum", json!([null]));
            note(report, place, "`type: null`");
        }
        Some(other) => {
            note(report, place, format!("`type: {other}` is none: a free-form value"));
            schema.remove("type");
        }
    }
    // A discriminator without a property has no meaning.
    let names_a_property = |value: &Value| value.get("propertyName").is_some_and(Value::is_string);
    keep_if(place, schema, "discriminator", names_a_property, report);
}

/// Repairs `enum: [1.0, true]` of texts. YAML reads texts without quotes as another type.
fn texts_without_quotes(place: &str, schema: &mut Map<String, Value>, report: &mut Report) {
    for value in schema.list_mut("enum").into_iter().flatten() {
        if value.is_number() || value.is_boolean() {
            let text = value.to_string();
            note(report, place, format!("`{text}` among texts is meant as one"));
            *value = json!(text);
        }
    }
}

/// Infers the type of a schema that states none.
fn type_that_is_meant(place: &str, schema: &mut Map<String, Value>, report: &mut Report) {
    type Kind = (&'static str, fn(&Value) -> bool);
    const KINDS: [Kind; 4] = [
        ("string", Value::is_string),
        ("integer", Value::is_i64),
        ("number", Value::is_number),
        ("boolean", Value::is_boolean),
    ];
    let values = schema.list("enum");
    let all = |is: fn(&Value) -> bool| {
        values.iter().any(is) && values.iter().all(|value| value.is_null() || is(value))
    };
    let kind = if schema.contains_key("properties") || schema.object("additionalProperties").is_some() {
        Some("object")
    } else if schema.contains_key("items") {
        Some("array")
    } else {
        KINDS.into_iter().find(|(_, is)| all(*is)).map(|(kind, _)| kind)
    };
    let Some(kind) = kind else {
        // Values of several types are free-form. A later rule handles an enumeration with only null.
        if values.iter().any(|value| !value.is_null()) {
            schema.remove("enum");
            note(report, place, "an enumeration of several kinds: a free-form value");
        }
        return;
    };
    schema.put("type", kind);
    note(report, place, format!("`type: {kind}` is meant"));
}

/// Repairs texts. A list of texts becomes one text with several paragraphs.
fn texts(place: &str, holder: &mut Map<String, Value>, keys: &[&str], report: &mut Report) {
    for key in keys {
        if let Some(Value::Array(parts)) = holder.get(*key) {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            holder.put(key, parts.join("\n\n"));
            note(report, place, format!("`{key}` was a list"));
        }
        keep_if(place, holder, key, Value::is_string, report);
    }
}

/// Repairs booleans, which may be texts.
fn flags(place: &str, holder: &mut Map<String, Value>, keys: &[&str], report: &mut Report) {
    for key in keys {
        match holder.get(*key) {
            None | Some(Value::Bool(_)) => continue,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => holder.put(key, true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => holder.put(key, false),
            Some(_) => drop(holder.remove(*key)),
        }
        note(report, place, format!("`{key}` was neither true nor false"));
    }
}

/// Repairs a list of texts. A single text becomes a list with one item.
fn list_of_words(place: &str, holder: &mut Map<String, Value>, key: &str, report: &mut Report) {
    match holder.get_mut(key) {
        None => {}
        Some(Value::String(only)) => {
            let only = json!([only]);
            holder.put(key, only);
            note(report, place, format!("`{key}` was no list"));
        }
        Some(Value::Array(words)) => words.retain(Value::is_string),
        Some(_) => keep_if(place, holder, key, Value::is_array, report),
    }
}

fn keep_if(
    place: &str,
    holder: &mut Map<String, Value>,
    key: &str,
    right: impl Fn(&Value) -> bool,
    report: &mut Report,
) {
    if holder.get(key).is_some_and(|value| !right(value)) {
        holder.remove(key);
        note(report, place, format!("left out `{key}`: it was of another kind"));
    }
}
