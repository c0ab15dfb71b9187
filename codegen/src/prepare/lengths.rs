//! Length limits of texts in bodies. The server enforces them. The client checks them before an upload, so
//! that an invalid body doesn't waste a file transfer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::walk::{for_schemas, reachable_from_requests, schemas_mut};
use super::{Length, Report};

/// The keyword that keeps the length limits of an object's texts while other rules rename and copy it.
const KEPT: &str = "x-text-lengths";

/// Patterns that only require a text with a visible character.
const NOT_BLANK: [&str; 4] = [r"[^\s]", r"\S", r".*\S.*", r"^.*\S.*$"];

/// Saves the length limits of an object's texts beside its properties, before the constraints are removed.
///
/// `{properties: {name: {maxLength: 3}}}` -> `{properties: …, x-text-lengths: {name: {most: 3, …}}}`
pub fn save_text_lengths(document: &mut Value) {
    for_schemas(document, &mut |_, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let properties = object.get("properties").and_then(Value::as_object);
        let lengths: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, text)| Some((name.clone(), length(text)?)))
            .collect();
        if !lengths.is_empty() {
            object.insert(KEPT.to_owned(), Value::Object(lengths));
        }
    });
}

/// Notes the length limits of texts in requests, and removes the saved ones. A caller can check a text
/// before sending it. Responses aren't checked: one long name would fail a whole page.
///
/// `ThingRequest: {properties: P, x-text-lengths: L}` -> `ThingRequest: {properties: P}`, noted: `L`
pub fn record_text_lengths(document: &mut Value, report: &mut Report) {
    let sent = reachable_from_requests(document);
    for (component, schema) in schemas_mut(document).into_iter().flatten() {
        let Some(Value::Object(lengths)) = schema.as_object_mut().and_then(|object| object.remove(KEPT))
        else {
            continue;
        };
        let renamed = report.notes.properties.get(component).into_iter().flatten();
        let renamed: BTreeMap<String, String> =
            renamed.map(|renamed| (renamed.wire.clone(), renamed.from.clone())).collect();
        for (property, length) in lengths.iter().filter(|_| sent.contains(component)) {
            let property = renamed.get(property).unwrap_or(property);
            let is_text = schema
                .pointer("/properties")
                .and_then(|properties| properties.get(property))
                .is_some_and(is_plain_text);
            let number = |key: &str| length.get(key).and_then(Value::as_u64);
            if is_text {
                let length = Length {
                    least: number("least"),
                    most: number("most"),
                    blank: length["blank"] == json!(true),
                };
                report.add(
                    "record_text_lengths",
                    format!("{component}.{property}"),
                    "can be looked at before it is sent",
                );
                report.notes.lengths.entry(component.clone()).or_default().insert(property.clone(), length);
            }
        }
    }
}

fn is_plain_text(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("string")
        && schema.get("enum").is_none()
        && schema.get("format").is_none()
}

fn length(schema: &Value) -> Option<Value> {
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    let (least, most) = (number("minLength").filter(|least| *least > 0), number("maxLength"));
    let not_blank =
        schema.get("pattern").and_then(Value::as_str).is_some_and(|pattern| NOT_BLANK.contains(&pattern));
    let says = is_plain_text(schema) && (least.is_some() || most.is_some() || not_blank);
    says.then(|| json!({"least": least, "most": most, "blank": !not_blank}))
}
