//! Components that only name a plain type.

use std::collections::BTreeMap;

use serde_json::Value;

use super::choices::choices_differ;
use super::components::needs_a_name;
use super::keywords::Keywords;
use super::walk::{for_children, for_roots, in_order_of_references, only_refers, schemas, size};
use super::{OWN_TYPES, Report};

/// How many values a plain type may have that contains others. Named lists may contain each other to any
/// depth.
const LARGEST: usize = 128;

/// Replaces references to a component that only names a plain type by that type. The generator makes a
/// struct with one field of it, which accepts neither `5` nor `"x"`. A recursive list stays a component.
///
/// `UserId: {type: integer}`, `owner: {$ref: UserId}` -> `owner: {type: integer}`
pub fn inline_plain_types(document: &mut Value, report: &mut Report) {
    let by_name: BTreeMap<&str, &Value> =
        schemas(document).map(|(name, schema)| (name.as_str(), schema)).collect();
    let mut plain = BTreeMap::new();
    let (order, recursive) = in_order_of_references(document);
    for name in order.iter().filter(|name| !recursive.contains(*name)) {
        let schema = by_name.get(name.as_str()).filter(|_| !OWN_TYPES.contains(&name.as_str()));
        let Some(schema) = schema.filter(|schema| is_plain(schema)) else { continue };
        let mut whole = (*schema).clone();
        put_within(&mut whole, &plain);
        if whole == **schema || size(&whole) <= LARGEST {
            plain.insert(name.clone(), whole);
        }
    }
    let _ = for_roots(document, &mut |place, _, schema| {
        if !OWN_TYPES.contains(&place) {
            put_within(schema, &plain);
        }
        Ok(())
    });
    for name in plain.into_keys() {
        report.add("inline_plain_types", name, "the plain type stands where it is used");
    }
}

/// Returns whether a schema is a number, text, boolean, a list or map of named or plain types, or an alias
/// of a component.
fn is_plain(schema: &Value) -> bool {
    let within = |key: &str| {
        let is_simple = |inner: &Value| inner.is_boolean() || only_refers(inner).is_some() || is_plain(inner);
        schema.get(key).is_none_or(is_simple)
    };
    if needs_a_name(schema) {
        return false;
    }
    match schema.text("type") {
        Some("integer" | "number" | "boolean" | "string") => true,
        Some("array") => within("items"),
        Some("object") => schema.object("additionalProperties").is_some() && within("additionalProperties"),
        _ => only_refers(schema).is_some(),
    }
}

/// Replaces `allOf: [$ref]` as a whole before its part. Afterwards, two names among the choices may be the
/// same type.
fn put_within(schema: &mut Value, plain: &BTreeMap<String, Value>) {
    put(schema, plain);
    for_children("", schema, &mut |_, child| put_within(child, plain));
    schema.as_object_mut().into_iter().for_each(choices_differ);
}

/// Replaces a reference by its plain type. Keywords beside the reference stay.
fn put(schema: &mut Value, plain: &BTreeMap<String, Value>) {
    let Some(target) = only_refers(schema).and_then(|name| plain.get(name)) else { return };
    schema.drop_keywords(&["$ref", "allOf"]);
    schema.fill(target);
}
