//! Discriminators: the property whose values distinguish the choices of a `oneOf`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::components::hoist;
use super::enums::ENUMERATED;
use super::naming::{Names, type_name};
use super::walk::{entry, for_schemas, only_refers, reference, resolved, schemas, schemas_mut};
use super::{Report, SCHEMAS, Union};

/// Adds the missing entries of a discriminator's mapping: the enumerated tag values of a component, or its
/// name. This rule runs before other rules rename components and remove the enumerations of numbers.
///
/// `discriminator: {propertyName: kind}` -> `{propertyName: kind, mapping: {cat: Cat, dog: Dog}}`
pub fn complete_discriminator_mappings(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    for_schemas(document, &mut |place, schema| {
        let Some(property) =
            schema.pointer("/discriminator/propertyName").and_then(Value::as_str).map(str::to_owned)
        else {
            return;
        };
        let choices = ["oneOf", "anyOf"]
            .into_iter()
            .find_map(|key| schema.get(key)?.as_array())
            .cloned()
            .unwrap_or_default();
        let mut unmapped = Vec::new();
        let mapping =
            schema.pointer("/discriminator/mapping").and_then(Value::as_object).cloned().unwrap_or_default();
        let mapped: BTreeSet<&str> = mapping.values().filter_map(component_of).collect();
        for choice in &choices {
            // An inner choice with the same tag has its own mapping.
            let inner =
                resolved(&whole, choice).pointer("/discriminator/propertyName").and_then(Value::as_str);
            if inner == Some(&property) {
                continue;
            }
            let Some(name) = only_refers(choice).filter(|name| !mapped.contains(name)) else { continue };
            let values = tag_values(&whole, choice, &property).unwrap_or_else(|| vec![name.to_owned()]);
            unmapped.extend(
                values
                    .into_iter()
                    .filter(|value| !mapping.contains_key(value))
                    .map(|value| (value, name.to_owned())),
            );
        }
        if unmapped.is_empty() {
            return;
        }
        let Some(mapping) = entry(schema, &["discriminator", "mapping"]) else { return };
        for (value, name) in unmapped {
            report.add(
                "complete_discriminator_mappings",
                place,
                format!("{property:?} {value:?} means `{name}`"),
            );
            mapping.insert(value, json!(format!("{SCHEMAS}{name}")));
        }
    });
}

/// Turns an inline choice between objects into a component, because its tag is noted by the component's
/// name.
///
/// `shape: {oneOf: [Circle, Square]}` -> `shape: {allOf: [ThingShape]}`, with a component `ThingShape`
pub fn hoist_unions(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let is_union = |schema: &Value| {
        let choices = schema.get("oneOf").and_then(Value::as_array);
        choices.is_some_and(|choices| {
            choices.len() > 1 && choices.iter().all(|choice| has_properties(&whole, choice))
        })
    };
    hoist(document, report, "hoist_unions", &is_union);
}

fn has_properties(document: &Value, schema: &Value) -> bool {
    resolved(document, schema)
        .get("properties")
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty())
}

/// Notes the tag property of a `oneOf`, and removes the discriminator. The generator ignores it, and
/// selects the first choice whose fields fit. Each choice becomes a component, and its tag becomes plain
/// text. A required property with different values in each choice is a tag even without a discriminator.
///
/// `{oneOf: [Cat, Dog], discriminator: {propertyName: kind, …}}` -> `{oneOf: [Cat, Dog]}`, noted: `kind`
pub fn record_discriminators(document: &mut Value, report: &mut Report) {
    let mut unions: BTreeMap<String, Union> = BTreeMap::new();
    let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut named: Vec<(String, usize, String)> = Vec::new();
    let mut taken: Names = schemas(document).map(|(name, _)| name.clone()).collect();
    for (name, schema) in schemas(document) {
        let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { continue };
        let stated = schema.pointer("/discriminator/propertyName").and_then(Value::as_str).map(str::to_owned);
        let Some(property) = stated.clone().or_else(|| tag_that_is_meant(document, choices)) else {
            continue;
        };
        let mapping = schema.pointer("/discriminator/mapping").and_then(Value::as_object);
        let mut mapped: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (value, target) in mapping.into_iter().flatten() {
            if let Some(component) = component_of(target) {
                mapped.entry(component).or_default().push(value.clone());
            }
        }
        let mut union = Union { tag: property.clone(), choices: Vec::new() };
        let mut known = BTreeSet::new();
        let mut inline = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            let component = only_refers(choice);
            let mut values =
                component.and_then(|component| mapped.get(component).cloned()).unwrap_or_default();
            // Without a mapping, the tag value is the component's name. An enumeration of the tag is more
            // reliable.
            if values.is_empty() {
                values = tag_values(document, choice, &property).unwrap_or_default();
            }
            let component = match component {
                Some(component) => component.to_owned(),
                None => {
                    let Some(value) = values.first() else { break };
                    let own = taken.free(&format!("{name}{}", type_name(value)));
                    inline.push((name.clone(), index, own.clone()));
                    own
                }
            };
            if values.is_empty() {
                values.push(component.clone());
            }
            // A value that occurs twice belongs to the first choice.
            values.retain(|value| known.insert(value.clone()));
            union.choices.extend(values.into_iter().map(|value| (value, component.clone())));
        }
        let covered: BTreeSet<&String> = union.choices.iter().map(|(_, component)| component).collect();
        if covered.len() < choices.len() {
            report.add("record_discriminators", name, "not this one: a choice has no value of the tag");
            continue;
        }
        for component in covered {
            tags.entry(component.clone()).or_default().insert(property.clone());
        }
        let how = if stated.is_some() { "" } else { ", of which each has values of its own" };
        report.add(
            "record_discriminators",
            name,
            format!("by `{property}`{how}: {} choices", union.choices.len()),
        );
        unions.insert(name.clone(), union);
        named.append(&mut inline);
    }
    let whole = document.clone();
    if let Some(schemas) = schemas_mut(document) {
        for (union, index, own) in named {
            let choice = schemas.get_mut(&union).and_then(|schema| schema.get_mut("oneOf")?.get_mut(index));
            if let Some(choice) = choice {
                let body = std::mem::replace(choice, reference(&own));
                schemas.insert(own, body);
            }
        }
        for name in unions.keys() {
            if let Some(schema) = schemas.get_mut(name).and_then(Value::as_object_mut) {
                schema.remove("discriminator");
            }
        }
        for (component, properties) in tags {
            for property in properties {
                let tag = schemas
                    .get_mut(&component)
                    .and_then(|schema| schema.get_mut("properties")?.get_mut(&property));
                let Some(tag) = tag else { continue };
                // The generator treats an enumeration with one value as a tag, and rejects all other
                // values.
                if resolved(&whole, tag)
                    .get("enum")
                    .and_then(Value::as_array)
                    .is_some_and(|values| values.len() == 1)
                {
                    let description = tag.get("description").cloned();
                    *tag = json!({"type": "string"});
                    if let Some(description) = description {
                        tag["description"] = description;
                    }
                }
            }
        }
    }
    for_schemas(document, &mut |_, schema| {
        if let Some(schema) = schema.as_object_mut() {
            schema.remove(ENUMERATED);
        }
    });
    report.notes.unions = unions;
}

/// Returns the component of a mapping's target, which is a reference or a name.
pub(super) fn component_of(target: &Value) -> Option<&str> {
    target.as_str()?.rsplit('/').next()
}

/// Returns the enumerated values of a choice's property, if any.
fn tag_values(document: &Value, choice: &Value, property: &str) -> Option<Vec<String>> {
    let values = enumerated(document, choice, property, &mut HashSet::new())?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let values: Vec<String> = values.iter().filter_map(text).collect();
    (!values.is_empty()).then_some(values)
}

/// The most parts of a composition that are searched for the values of a tag.
const MOST_PARTS: usize = 256;

/// Returns the values of a property's enumeration. In a composition, the last part with one counts.
fn enumerated<'d>(
    document: &'d Value,
    schema: &'d Value,
    property: &str,
    seen: &mut HashSet<*const Value>,
) -> Option<&'d Vec<Value>> {
    let schema = resolved(document, schema);
    if seen.len() == MOST_PARTS || !seen.insert(schema) {
        return None;
    }
    let own = schema.get("properties").and_then(|properties| properties.get(property)).and_then(|own| {
        let own = resolved(document, own);
        own.get("enum").or_else(|| own.get(ENUMERATED))?.as_array()
    });
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten().rev();
    own.or_else(|| parts.filter_map(|part| enumerated(document, part, property, seen)).next())
}

/// Returns a property that is required in each choice, and has different values in each.
fn tag_that_is_meant(document: &Value, choices: &[Value]) -> Option<String> {
    if choices.len() < 2 {
        return None;
    }
    let first = resolved(document, choices.first()?);
    let is_tag = |property: &str| {
        let mut seen = BTreeSet::new();
        choices.iter().all(|choice| {
            let required = resolved(document, choice).get("required").and_then(Value::as_array);
            required.is_some_and(|required| required.iter().any(|name| name == property))
                && tag_values(document, choice, property)
                    .is_some_and(|values| values.into_iter().all(|value| seen.insert(value)))
        })
    };
    first.get("properties")?.as_object()?.keys().find(|property| is_tag(property)).cloned()
}
