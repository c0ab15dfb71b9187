//! Discriminators: the property whose values distinguish the choices of a `oneOf`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::components::hoist;
use super::enums::ENUMERATED;
use super::keywords::Keywords;
use super::naming::{Names, type_name};
use super::walk::{each_schema, only_refers, reference, required, resolved, schemas, schemas_mut};
use super::{Report, SCHEMAS, Union};

/// Adds the missing entries of a discriminator's mapping: the enumerated tag values of a component, or its
/// name. This rule runs before other rules rename components and remove the enumerations of numbers.
///
/// `discriminator: {propertyName: kind}` -> `{propertyName: kind, mapping: {cat: Cat, dog: Dog}}`
pub fn complete_discriminator_mappings(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    each_schema(document, |place, schema| {
        let Some(discriminator) = schema.object("discriminator") else { return };
        let Some(property) = discriminator.text("propertyName") else { return };
        let choices =
            ["oneOf", "anyOf"].map(|key| schema.list(key)).into_iter().find(|list| !list.is_empty());
        let mapping = discriminator.object("mapping").cloned().unwrap_or_default();
        let mapped: BTreeSet<&str> = mapping.values().filter_map(component_of).collect();
        let mut unmapped = Vec::new();
        for choice in choices.into_iter().flatten() {
            // An inner choice with the same tag has its own mapping.
            let inner = resolved(&whole, choice).pointer("/discriminator/propertyName");
            let name = only_refers(choice).filter(|name| !mapped.contains(name));
            let Some(name) = name.filter(|_| inner.and_then(Value::as_str) != Some(property)) else {
                continue;
            };
            let mut values = tag_values(&whole, choice, property).unwrap_or_else(|| vec![name.to_owned()]);
            values.retain(|value| !mapping.contains_key(value));
            unmapped.extend(values.into_iter().map(|value| (value, name.to_owned())));
        }
        let property = property.to_owned();
        if unmapped.is_empty() {
            return;
        }
        let Some(mapping) = schema["discriminator"].object_or_new("mapping") else { return };
        for (value, name) in unmapped {
            let what = format!("{property:?} {value:?} means `{name}`");
            report.add("complete_discriminator_mappings", place, what);
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
    let has_properties = |choice: &Value| {
        resolved(&whole, choice).object("properties").is_some_and(|properties| !properties.is_empty())
    };
    hoist(document, report, "hoist_unions", &|schema| {
        let choices = schema.list("oneOf");
        choices.len() > 1 && choices.iter().all(has_properties)
    });
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
        let choices = schema.list("oneOf");
        if choices.is_empty() {
            continue;
        }
        let discriminator = schema.object("discriminator");
        let stated = discriminator.and_then(|discriminator| discriminator.text("propertyName"));
        let meant = || tag_that_is_meant(document, choices);
        let Some(property) = stated.map(str::to_owned).or_else(meant) else { continue };
        let mut mapped: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (value, target) in discriminator.and_then(|all| all.object("mapping")).into_iter().flatten() {
            if let Some(component) = component_of(target) {
                mapped.entry(component).or_default().push(value.clone());
            }
        }
        let mut union = Union { tag: property.clone(), choices: Vec::new() };
        let mut known = BTreeSet::new();
        let mut inline = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            let component = only_refers(choice);
            let mut values = component.and_then(|name| mapped.get(name).cloned()).unwrap_or_default();
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
        let what = format!("by `{property}`{how}: {} choices", union.choices.len());
        report.add("record_discriminators", name, what);
        unions.insert(name.clone(), union);
        named.append(&mut inline);
    }
    let whole = document.clone();
    if let Some(schemas) = schemas_mut(document) {
        for (union, index, own) in named {
            let body = std::mem::replace(&mut schemas[&union]["oneOf"][index], reference(&own));
            schemas.insert(own, body);
        }
        for name in unions.keys() {
            schemas.object_mut(name).and_then(|schema| schema.remove("discriminator"));
        }
        for (component, properties) in tags {
            for property in properties {
                let properties =
                    schemas.get_mut(&component).and_then(|schema| schema.object_mut("properties"));
                let Some(tag) = properties.and_then(|all| all.get_mut(&property)) else { continue };
                // The generator treats an enumeration with one value as a tag, and rejects all other
                // values.
                if resolved(&whole, tag).list("enum").len() == 1 {
                    let description = tag.get("description").cloned();
                    *tag = json!({"type": "string"});
                    description.into_iter().for_each(|description| tag.put("description", description));
                }
            }
        }
    }
    each_schema(document, |_, schema| drop(schema.remove(ENUMERATED)));
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
    let own = schema.object("properties").and_then(|properties| {
        let own = resolved(document, properties.get(property)?);
        own.get("enum").or_else(|| own.get(ENUMERATED))?.as_array()
    });
    own.or_else(|| {
        schema.list("allOf").iter().rev().find_map(|part| enumerated(document, part, property, seen))
    })
}

/// Returns a property that is required in each choice, and has different values in each.
fn tag_that_is_meant(document: &Value, choices: &[Value]) -> Option<String> {
    let [first, _, ..] = choices else { return None };
    let is_tag = |property: &str| {
        let mut seen = BTreeSet::new();
        choices.iter().all(|choice| {
            required(resolved(document, choice)).any(|name| name == property)
                && tag_values(document, choice, property)
                    .is_some_and(|values| values.into_iter().all(|value| seen.insert(value)))
        })
    };
    resolved(document, first).object("properties")?.keys().find(|property| is_tag(property)).cloned()
}
