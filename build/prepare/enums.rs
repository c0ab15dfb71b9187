//! Enumerations that the generator can't take, or makes code of that doesn't compile.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::OWN_TYPES;
use super::Report;
use super::naming::is_nameable;
use super::walk::{for_operation_schemas, for_operations, for_schemas, only_refers, schemas};

/// An integer's enumeration would be derived for by code of an older schemars, which isn't Rust any more; and one of an
/// array's is no type at all. What remains is the plain type.
pub fn only_strings_are_enumerated(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let plain = match object.get("type").and_then(Value::as_str) {
            Some(plain @ ("integer" | "number" | "boolean" | "array")) => plain.to_owned(),
            _ => return,
        };
        if object.remove("enum").is_some() {
            places.push((place.to_owned(), plain));
        }
    });
    for (place, plain) in places {
        report.add("only_strings_are_enumerated", place, format!("a plain {plain}"));
    }
}

/// A value that stands there twice would be two variants of one name.
pub fn each_value_is_enumerated_once(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) else { return };
        let before = values.len();
        let mut seen = Vec::new();
        values.retain(|value| {
            let is_new = !seen.contains(value);
            seen.push(value.clone());
            is_new
        });
        if values.len() < before {
            places.push((place.to_owned(), before - values.len()));
        }
    });
    for (place, doubled) in places {
        report.add("each_value_is_enumerated_once", place, format!("left out {doubled} doubled values"));
    }
}

/// Values that come to no name (`+`, an empty text), or to the same one (`a` and `A`, `+1` and `-1`), are a panic of the
/// generator, which doesn't say where. What remains is a plain string.
pub fn enumerated_values_have_names(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let Some(values) = object.get("enum").and_then(Value::as_array) else { return };
        let mut names = BTreeSet::new();
        // Null is no variant.
        let nameless = values.iter().filter_map(Value::as_str).find(|value| {
            let name: String =
                value.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            !is_nameable(value) || !names.insert(name)
        });
        if let Some(value) = nameless.map(str::to_owned) {
            object.remove("enum");
            places.push((place.to_owned(), value));
        }
    });
    for (place, value) in places {
        report.add("enumerated_values_have_names", place, format!("a plain string: {value:?} comes to no name of its own"));
    }
}

/// A component that is nothing but a number or a text, as an enumeration may have become, would be a type around it:
/// `priority == 10` is what a user writes.
pub fn plain_components_are_put_in_place(document: &mut Value, report: &mut Report) {
    let is_plain = |schema: &Value| {
        let kind = schema.get("type").and_then(Value::as_str);
        matches!(kind, Some("string" | "integer" | "number" | "boolean")) && schema.get("enum").is_none()
    };
    let plain: BTreeMap<String, Value> = schemas(document)
        .filter(|(name, schema)| is_plain(schema) && !OWN_TYPES.contains(&name.as_str()))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    let mut used = BTreeSet::new();
    let mut put = |schema: &mut Value| {
        let Some((name, target)) = only_refers(schema).and_then(|name| plain.get_key_value(name)) else { return };
        used.insert(name.clone());
        let Some(object) = schema.as_object_mut() else { return };
        object.remove("$ref");
        object.remove("allOf");
        for (key, value) in target.as_object().into_iter().flatten() {
            object.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    // Choices stay what they are: two of one plain type would be one.
    for_schemas(document, &mut |_, schema| {
        for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            put(property);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(child) = schema.get_mut(key) {
                put(child);
            }
        }
    });
    let _ = for_operations(document, |_, _, operation| {
        for_operation_schemas("", operation, &mut |_, schema| put(schema));
        Ok(())
    });
    for name in used {
        report.add("plain_components_are_put_in_place", name, "in the places that refer to it");
    }
}
