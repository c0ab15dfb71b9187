//! Length limits of texts in bodies. The server enforces them. The client checks them before an upload, so
//! that an invalid body doesn't waste a file transfer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keywords::Keywords;
use super::walk::{each_schema, reachable_from, schemas_mut};
use super::{Length, Report};

/// The keyword that keeps the length limits of an object's texts while other rules rename and copy it.
const KEPT: &str = "x-text-lengths";

/// Patterns that only require a text with a visible character.
const NOT_BLANK: [&str; 4] = [r"[^\s]", r"\S", r".*\S.*", r"^.*\S.*$"];

/// Saves the length limits of an object's texts beside its properties, before the constraints are removed.
///
/// `{properties: {name: {maxLength: 3}}}` -> `{properties: …, x-text-lengths: {name: {most: 3, …}}}`
pub fn save_text_lengths(document: &mut Value) {
    each_schema(document, |_, object| {
        let properties = object.object("properties").into_iter().flatten();
        let lengths = properties.filter_map(|(name, text)| Some((name.clone(), length(text)?)));
        let lengths: Map<String, Value> = lengths.collect();
        if !lengths.is_empty() {
            object.put(KEPT, lengths);
        }
    });
}

/// Notes the length limits of texts in requests, and removes the saved ones. A caller can check a text
/// before sending it. Responses aren't checked: one long name would fail a whole page.
///
/// `ThingRequest: {properties: P, x-text-lengths: L}` -> `ThingRequest: {properties: P}`, noted: `L`
pub fn record_text_lengths(document: &mut Value, report: &mut Report) {
    let sent = reachable_from(document, "requestBody");
    for (component, schema) in schemas_mut(document).into_iter().flatten() {
        let kept = schema.as_object_mut().and_then(|object| object.remove(KEPT));
        let Some(Value::Object(lengths)) = kept else { continue };
        let renamed = report.notes.properties.get(component).into_iter().flatten();
        let renamed: BTreeMap<String, String> =
            renamed.map(|renamed| (renamed.wire.clone(), renamed.from.clone())).collect();
        for (property, length) in lengths.iter().filter(|_| sent.contains(component)) {
            let property = renamed.get(property).unwrap_or(property);
            let text = schema.object("properties").and_then(|properties| properties.get(property));
            let number = |key: &str| length.get(key).and_then(Value::as_u64);
            if text.is_some_and(is_plain_text) {
                let (least, most) = (number("least"), number("most"));
                let length = Length { least, most, blank: length.says("blank") };
                let place = format!("{component}.{property}");
                report.add("record_text_lengths", place, "can be looked at before it is sent");
                report.notes.lengths.entry(component.clone()).or_default().insert(property.clone(), length);
            }
        }
    }
}

fn is_plain_text(schema: &Value) -> bool {
    schema.text("type") == Some("string") && !schema.has_any(&["enum", "format"])
}

fn length(schema: &Value) -> Option<Value> {
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    let (least, most) = (number("minLength").filter(|least| *least > 0), number("maxLength"));
    let not_blank = schema.text("pattern").is_some_and(|pattern| NOT_BLANK.contains(&pattern));
    let says = is_plain_text(schema) && (least.is_some() || most.is_some() || not_blank);
    says.then(|| json!({"least": least, "most": most, "blank": !not_blank}))
}
