//! Fields of bodies that are sent with a value of the document, unless the caller sets them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::{Outcome, each_schema, schemas_mut};
use super::{Notes, wire_names};

/// The extension of a property.
const ALWAYS_SENT: &str = "x-always-sent";

/// The keyword that keeps an object's values while other rules rename and copy it.
const KEPT: &str = "x-always-sent-fields";

/// Saves the values of an object's fields beside its properties.
///
/// `{properties: {action: {x-always-sent: add, …}}}` -> `{properties: {action: {…}}, x-always-sent-fields: {action: add}}`
///
/// # Errors
/// Returns an error if a field isn't an optional text, or can be null.
pub fn save_always_sent(document: &mut Value) -> Outcome {
    let mut problem = None;
    each_schema(document, |place, object| {
        let required: Vec<String> =
            object.list("required").iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
        let mut values = Map::new();
        for (name, property) in properties {
            let Some(value) = property.as_object_mut().and_then(|property| property.remove(ALWAYS_SENT))
            else {
                continue;
            };
            let is_text = property.text("type") == Some("string") && value.is_string();
            if !is_text || property.says("nullable") || required.contains(name) {
                problem = Some(format!("{place}: `{name}`: only an optional text can be `{ALWAYS_SENT}`"));
            }
            values.insert(name.clone(), value);
        }
        if !values.is_empty() {
            object.put(KEPT, values);
        }
    });
    problem.map_or(Ok(()), Err)
}

/// Notes the values by the fields' names in the prepared document, and removes the saved ones.
///
/// `SetTags: {properties: P, x-always-sent-fields: A}` -> `SetTags: {properties: P}`, noted: `A`
pub fn record_always_sent(document: &mut Value, notes: &mut Notes) {
    for (component, schema) in schemas_mut(document).into_iter().flatten() {
        let kept = schema.as_object_mut().and_then(|object| object.remove(KEPT));
        let Some(Value::Object(values)) = kept else { continue };
        let wire = wire_names(notes.properties.get(component));
        let renamed: BTreeMap<&str, &str> = wire.into_iter().map(|(name, wire)| (wire, name)).collect();
        let values = values.into_iter().filter_map(|(name, value)| {
            let value = value.as_str()?.to_owned();
            Some((renamed.get(&*name).map_or(name.clone(), |name| (*name).to_owned()), value))
        });
        let values: BTreeMap<String, String> = values.collect();
        notes.always_sent.insert(component.clone(), values);
    }
}
