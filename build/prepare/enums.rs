//! Enumerations that the generator can't take, or makes code of that doesn't compile.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Report;
use super::naming::is_nameable;
use super::walk::for_schemas;

/// Where a number keeps the values that it was enumerated by: they may be a tag's.
pub(super) const ENUMERATED: &str = "x-enumerated";

/// An integer's enumeration would be derived for by code of an older schemars, which isn't Rust any more; and one of an
/// array's is no type at all. What remains is the plain type.
pub fn only_strings_are_enumerated(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let plain = match object.get("type").and_then(Value::as_str) {
            Some(plain @ ("integer" | "number" | "boolean" | "array")) => plain.to_owned(),
            _ => return,
        };
        if let Some(values) = object.remove("enum") {
            object.insert(ENUMERATED.to_owned(), values);
            report.add("only_strings_are_enumerated", place, format!("a plain {plain}"));
        }
    });
}

/// A value that stands there twice would be two variants of one name.
pub fn each_value_is_enumerated_once(document: &mut Value, report: &mut Report) {
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
            report.add("each_value_is_enumerated_once", place, format!("left out {} doubled values", before - values.len()));
        }
    });
}

/// Values that come to no name (`+`, an empty text), or to the same one (`a` and `A`, `+1` and `-1`), are a panic of the
/// generator, which doesn't say where. One without a name is left out, since an enumeration takes any text; where two have
/// the same, or none has one, what remains is a plain string.
pub fn enumerated_values_have_names(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let Some(values) = object.get_mut("enum").and_then(Value::as_array_mut) else { return };
        // Null is no variant.
        let nameless = |value: &Value| value.as_str().is_some_and(|text| !is_nameable(text));
        if values.iter().any(|value| value.is_string() && !nameless(value)) {
            values.retain(|value| {
                let kept = !nameless(value);
                if !kept {
                    report.add("enumerated_values_have_names", place, format!("left out {value}: it comes to no name"));
                }
                kept
            });
        }
        let mut names = BTreeSet::new();
        let clash = values.iter().filter_map(Value::as_str).find(|value| {
            let name: String =
                value.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            !is_nameable(value) || !names.insert(name)
        });
        if let Some(value) = clash.map(str::to_owned) {
            object.remove("enum");
            report.add("enumerated_values_have_names", place, format!("a plain string: {value:?} comes to no name of its own"));
        }
    });
}
