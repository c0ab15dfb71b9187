//! Request bodies, which differ from the same component in a response.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::keywords::Keywords;
use super::naming::Names;
use super::walk::{
    descend, each_operation, reachable_from, references, rename_references, required, resolved, schemas,
    schemas_mut,
};
use super::{Report, Union};

/// Splits a component that is both sent and received, if the two differ. A field that the server sets
/// (`readOnly`) is required in a response and absent from a request. A field that the client sets
/// (`writeOnly`) is absent from a response. Only a request distinguishes an unset field from null or an
/// empty list.
///
/// `Thing: {id (readOnly), name, secret (writeOnly)}` -> `Thing: {id, name}`, `ThingRequest: {name, secret}`
pub fn split_request_schemas(document: &mut Value, report: &mut Report) {
    let sent = reachable_from(document, "requestBody");
    let received = reachable_from(document, "responses");
    let both: BTreeSet<String> = sent.intersection(&received).cloned().collect();
    let differs = |schema: &Value| {
        let required: BTreeSet<&str> = required(schema).collect();
        schema.object("properties").into_iter().flatten().any(|(name, property)| {
            let is = |key: &str| property.says(key);
            let can_be_cleared = is("nullable") || is_collection(resolved(document, property));
            is("readOnly") || is("writeOnly") || (can_be_cleared && !required.contains(name.as_str()))
        })
    };
    // A component that refers to a split one is split, too.
    let mut referring: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    let mut open: Vec<&String> = Vec::new();
    for (name, schema) in schemas(document).filter(|(name, _)| both.contains(*name)) {
        open.extend(differs(schema).then_some(name));
        for other in references(schema) {
            referring.entry(other).or_default().push(name);
        }
    }
    let mut split: BTreeSet<String> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if split.insert(name.clone()) {
            open.extend(referring.remove(name).into_iter().flatten());
        }
    }
    let mut taken: Names = schemas(document).map(|(name, _)| name.clone()).collect();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for name in &split {
        let candidate = taken.free(&format!("{name}Request"));
        report.add("split_request_schemas", name, format!("in a body it is `{candidate}`"));
        names.insert(name.clone(), candidate);
    }
    let renamed = |name: &str| names.get(name).cloned();
    if let Some(schemas) = schemas_mut(document) {
        for (name, body) in &names {
            let mut schema = schemas.get(name).cloned().unwrap_or_default();
            rename_references(&mut schema, &renamed);
            schemas.insert(body.clone(), schema);
        }
        // A component that is only sent refers to the request variants.
        for (_, schema) in
            schemas.iter_mut().filter(|(name, _)| sent.contains(*name) && !both.contains(*name))
        {
            rename_references(schema, &renamed);
        }
    }
    each_operation(document, |_, operation| {
        if let Some(body) = operation.get_mut("requestBody") {
            rename_references(body, &renamed);
        }
    });
    for (name, body) in &names {
        if let Some(union) = report.notes.unions.get(name).cloned() {
            let choices = union.choices.into_iter();
            let choices =
                choices.map(|(value, target)| (value, renamed(&target).unwrap_or(target))).collect();
            report.notes.unions.insert(body.clone(), Union { tag: union.tag, choices });
        }
    }
    one_direction_each(document, report);
}

/// Returns whether a schema is a list or a map.
fn is_collection(schema: &Value) -> bool {
    let has_properties = schema.object("properties").is_some_and(|properties| !properties.is_empty());
    let is_map = schema.object("additionalProperties").is_some() && !has_properties;
    schema.text("type") == Some("array") || is_map
}

/// Removes `readOnly` fields from bodies and `writeOnly` fields from responses.
fn one_direction_each(document: &mut Value, report: &mut Report) {
    let sent = reachable_from(document, "requestBody");
    let received = reachable_from(document, "responses");
    let Some(schemas) = schemas_mut(document) else { return };
    for (name, schema) in schemas {
        let (key, why) = match (sent.contains(name), received.contains(name)) {
            (true, false) => ("readOnly", "the server sets it"),
            (false, true) => ("writeOnly", "it never comes back"),
            _ => continue,
        };
        let mut gone = Vec::new();
        descend(name, schema, &mut |place, schema| {
            let Some(properties) = schema.object_mut("properties") else { return };
            let here = properties.iter().filter(|(_, value)| value.says(key));
            let here: BTreeSet<String> = here.map(|(property, _)| property.clone()).collect();
            properties.retain(|property, _| !here.contains(property));
            if let Some(required) = schema.list_mut("required") {
                required.retain(|property| !property.as_str().is_some_and(|name| here.contains(name)));
            }
            gone.extend(here.into_iter().map(|property| format!("{place}.{property}")));
        });
        for place in gone {
            report.add("split_request_schemas", place, format!("left out: `{key}`, {why}"));
        }
    }
}

/// Makes an optional list or map of a request nullable, and notes the nullable fields. An empty list clears
/// the stored one, and the generator sends an empty list only if it is nullable.
///
/// `ThingRequest: {tags: {type: array, …}}` -> `ThingRequest: {tags: {type: array, nullable: true, …}}`
pub fn allow_clearing_fields(document: &mut Value, report: &mut Report) {
    let sent = reachable_from(document, "requestBody");
    let received = reachable_from(document, "responses");
    let whole = document.clone();
    let Some(schemas) = schemas_mut(document) else { return };
    for (name, schema) in
        schemas.iter_mut().filter(|(name, _)| sent.contains(*name) && !received.contains(*name))
    {
        let required: BTreeSet<String> = required(schema).map(str::to_owned).collect();
        for (property, value) in schema.object_mut("properties").into_iter().flatten() {
            let collection = is_collection(resolved(&whole, value));
            if value.says("nullable") {
                report.notes.clearable.entry(name.clone()).or_default().insert(property.clone());
            } else if collection && !required.contains(property) && value.get("$ref").is_none() {
                value.put("nullable", true);
                report.add("allow_clearing_fields", format!("{name}.{property}"), "an empty one is sent");
            }
        }
    }
}
