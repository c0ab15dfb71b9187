//! Enumerations that the generator rejects, or whose code doesn't compile.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::Report;
use super::keywords::Keywords;
use super::naming::is_nameable;
use super::walk::each_schema;

/// Turns a choice between constants into an enumeration. As a choice between types, the first one would
/// accept every text. An enumeration beside an `allOf` already lists all values, so the `allOf` is removed.
///
/// - `{oneOf: [{enum: [a], title: A}, {enum: [b]}]}` -> `{type: string, enum: [a, b]}`
/// - `{type: string, enum: [a], allOf: [X]}` -> `{type: string, enum: [a]}`
pub fn constant_choices_to_enum(document: &mut Value, report: &mut Report) {
    fn constants(choices: &Value) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        for choice in choices.as_array()? {
            let only_words = |key: &String| ["enum", "type", "title", "description"].contains(&key.as_str());
            let of_this = choice.get("enum")?.as_array()?;
            if !choice.as_object()?.keys().all(only_words) || !of_this.iter().all(Value::is_string) {
                return None;
            }
            values.extend(of_this.iter().cloned());
        }
        (values.len() > 1).then_some(values)
    }
    each_schema(document, |place, object| {
        for key in ["oneOf", "anyOf"] {
            if let Some(values) = object.get(key).and_then(constants) {
                report.add("constant_choices_to_enum", place, format!("{} values", values.len()));
                object.remove(key);
                object.put("type", "string");
                object.entry("enum").or_insert(values.into());
            }
        }
        if object.contains_key("enum") && object.contains_key("type") && object.remove("allOf").is_some() {
            report.add("constant_choices_to_enum", place, "its own values, beside `allOf`");
        }
    });
}

/// The keyword that keeps the enumerated values of a number. They may be tag values.
pub(super) const ENUMERATED: &str = "x-enumerated";

/// Removes the enumeration of numbers, booleans and lists. The derived code of an integer enumeration
/// doesn't compile with a newer schemars, and the others have no type in Rust.
///
/// `{type: integer, enum: [1, 2]}` -> `{type: integer}`
pub fn drop_non_string_enums(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let plain = object.string("type");
        if ["integer", "number", "boolean", "array"].contains(&plain.as_str())
            && let Some(values) = object.remove("enum")
        {
            object.put(ENUMERATED, values);
            report.add("drop_non_string_enums", place, format!("a plain {plain}"));
        }
    });
}

/// Removes duplicate values of an enumeration. They would become two variants of the same name.
///
/// `{enum: [a, b, a]}` -> `{enum: [a, b]}`
pub fn deduplicate_enum_values(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(values) = object.list_mut("enum") else { return };
        let before = values.len();
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
        if values.len() < before {
            let what = format!("left out {} doubled values", before - values.len());
            report.add("deduplicate_enum_values", place, what);
        }
    });
}

/// Removes values without a valid Rust name (`+`, an empty text). Removes the enumeration if two values
/// have the same name (`a` and `A`), or no value has a valid one. The generator panics on these and doesn't
/// state the place. The adapted enumeration accepts any text, so responses can still contain a removed
/// value.
///
/// - `{type: string, enum: [open, "-"]}` -> `{type: string, enum: [open]}`
/// - `{type: string, enum: [name, "-name"]}` -> `{type: string}`
pub fn drop_unnameable_enum_values(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(values) = object.list_mut("enum") else { return };
        // Null isn't a variant.
        let nameless = |value: &Value| value.as_str().is_some_and(|text| !is_nameable(text));
        if values.iter().any(|value| value.is_string() && !nameless(value)) {
            for value in values.extract_if(.., |value| nameless(value)) {
                let what = format!("left out {value}: it comes to no name");
                report.add("drop_unnameable_enum_values", place, what);
            }
        }
        let mut names = BTreeSet::new();
        let clash = values.iter().filter_map(Value::as_str).find(|value| {
            let letters = value.chars().filter(|character| character.is_alphanumeric());
            let name: String = letters.flat_map(char::to_lowercase).collect();
            !is_nameable(value) || !names.insert(name)
        });
        if let Some(value) = clash.map(str::to_owned) {
            object.remove("enum");
            let what = format!("a plain string: {value:?} comes to no name of its own");
            report.add("drop_unnameable_enum_values", place, what);
        }
    });
}
