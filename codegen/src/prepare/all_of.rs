//! Compositions: `allOf` and its parts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::components::hoist;
use super::discriminators::component_of;
use super::extensions::Extensions;
use super::keywords::Keywords;
use super::merge_all_of::AllOfMerger;
use super::walk::{each_schema, for_roots, reference, resolved, schemas_mut};
use super::{OWN_TYPES, Report};

/// Removes choices that only state which properties are required. No Rust type expresses this, and the
/// generator makes free-form values of them.
///
/// `{properties: P, oneOf: [{required: [a]}, {required: [b]}]}` -> `{properties: P}`
pub fn drop_required_only_choices(document: &mut Value, report: &mut Report) {
    const SAYS_NO_TYPE: [&str; 5] = ["required", "title", "description", "not", "type"];
    let only_required = |choice: &Value| {
        choice.as_object().is_some_and(|choice| {
            choice.keys().all(|key| SAYS_NO_TYPE.contains(&key.as_str()))
                && choice.keys().any(|key| key == "required" || key == "not")
                && choice.get("type").is_none_or(|kind| kind == "object")
        })
    };
    each_schema(document, |place, object| {
        for key in ["oneOf", "anyOf", "allOf"] {
            let choices = object.list(key);
            let says_nothing = !choices.is_empty() && choices.iter().all(only_required);
            if says_nothing && object.contains_key("properties") {
                object.remove(key);
                report.add("drop_required_only_choices", place, format!("left out `{key}`"));
            }
        }
    });
}

/// Moves the keywords of a part without a shape to the whole schema, because the generator makes a wrapper
/// type of such a part. If one part is left, it replaces the whole.
///
/// `{allOf: [$ref, {nullable: true, description: d}]}` -> `{allOf: [$ref], nullable: true, description: d}`
pub fn merge_shapeless_parts(document: &mut Value, report: &mut Report) {
    const SHAPE: [&str; 10] = [
        "type",
        "$ref",
        "properties",
        "required",
        "items",
        "enum",
        "allOf",
        "oneOf",
        "anyOf",
        "additionalProperties",
    ];
    let has_shape = |part: &Map<String, Value>| part.has_any(&SHAPE);
    each_schema(document, |place, object| {
        let Some(Value::Array(parts)) = object.remove("allOf") else { return };
        let mut kept = Vec::new();
        for part in parts {
            match part.as_object().filter(|part| !has_shape(part)) {
                Some(words) => {
                    object.fill(words);
                    report.add("merge_shapeless_parts", place, "a part");
                }
                None => kept.push(part),
            }
        }
        match kept.as_slice() {
            [] => {}
            [Value::Object(only)] if !only.contains_key("$ref") && !has_shape(object) => {
                object.fill(only);
                report.add("merge_shapeless_parts", place, "the only part");
            }
            _ => object.put("allOf", kept),
        }
    });
}

/// Turns a base with a discriminator into a choice between the components that extend it, if the mapping
/// names exactly these. If a value can be the base itself or an unmapped component, the base stays an
/// object and keeps the other fields as unknown ones.
///
/// `Pet: {discriminator: {mapping: {cat: Cat, dog: Dog}}}` -> `Pet: {oneOf: [Cat, Dog], discriminator: …}`
pub fn tagged_base_to_one_of(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let Some(known) = whole.pointer("/components/schemas").and_then(Value::as_object) else { return };
    let extensions = Extensions::new(known);
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        let mapping = schema.object("discriminator").and_then(|tag| tag.object("mapping"));
        let Some(mapping) = mapping else { continue };
        let meant: BTreeSet<&str> = mapping.values().filter_map(component_of).collect();
        let is_leaf = |component: &&str| known[*component].get("discriminator").is_none();
        // One component more than the mapping has is enough to tell that it isn't complete.
        let composed: BTreeSet<&str> = extensions.of(name).take(meant.len() + 1).collect();
        let is_complete = composed == meant;
        let is_object = !schema.has_any(&["oneOf", "anyOf", "$ref", "enum"]);
        if is_object && is_complete && !composed.is_empty() && composed.iter().all(is_leaf) {
            let what = format!("{} components are composed of it", composed.len());
            report.add("tagged_base_to_one_of", name, what);
            schema["oneOf"] = composed.into_iter().map(reference).collect();
        }
    }
}

/// Turns an inline composition with a choice into a component. It becomes several types, and its tag is
/// noted by the component's name.
///
/// `pet: {allOf: [Base, {oneOf: [Cat, Dog]}]}` -> `pet: {allOf: [ThingPet]}`, with a component `ThingPet`
pub fn hoist_compositions_with_choices(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let is_choice = |schema: &Value| resolved(&whole, schema).get("oneOf").is_some();
    hoist(document, report, "hoist_compositions_with_choices", &|schema| {
        let parts = schema.list("allOf");
        (parts.len() > 1 && parts.iter().any(is_choice))
            || (schema.has_any(&["oneOf"]) && schema.has_any(&["allOf", "properties"]))
    });
}

/// Merges a composition of objects into one object. Other rules read only a schema's own properties, and
/// would miss nullable fields, tags and unknown fields within `allOf`. A composition with a choice becomes
/// a choice of compositions, because the generator gives its variants unnamed fields and no tag.
///
/// - `{allOf: [{properties: {a: A}}, {properties: {b: B}}]}` -> `{properties: {a: A, b: B}}`
/// - `{allOf: [X, {oneOf: [Cat, Dog]}]}` -> `{oneOf: [X with Cat, X with Dog]}`
///
/// # Errors
///
/// Each merged component has the fields of all that it extends, so a chain of them becomes larger with the
/// square of its length. A document in which too many extend one another is refused.
pub fn merge_all_of(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let known = schemas_mut(document).cloned().unwrap_or_default();
    let mut merger = AllOfMerger::new(&known, report);
    for_roots(document, &mut |place, is_component, schema| match OWN_TYPES.contains(&place) {
        true => Ok(()),
        false => merger.merge(place, is_component, schema),
    })?;
    let made = merger.made;
    if let Some(schemas) = schemas_mut(document) {
        schemas.extend(made);
    }
    Ok(())
}
