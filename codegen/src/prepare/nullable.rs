//! Nullable components.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::keywords::Keywords;
use super::walk::{
    each_operation, each_schema, in_content, only_refers, reference, referred, responses, schemas,
    schemas_mut,
};
use super::{OWN_TYPES, Report};

/// Moves `nullable` from a component to the places that refer to it. The generator would make two types of
/// the same name of a nullable component.
///
/// `Owner: {nullable: true}`, `owner: $ref` -> `Owner: {}`, `owner: {allOf: [Owner], nullable: true}`
pub fn move_nullable_to_references(document: &mut Value, report: &mut Report) {
    let mut aliases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: Vec<&str> = Vec::new();
    for (name, schema) in schemas(document).filter(|(name, _)| !OWN_TYPES.contains(&name.as_str())) {
        open.extend(schema.says("nullable").then_some(name.as_str()));
        only_refers(schema).into_iter().for_each(|of| aliases.entry(of).or_default().push(name));
    }
    // An alias of a nullable component is nullable, too.
    let mut nullable = BTreeSet::new();
    while let Some(name) = open.pop() {
        if nullable.insert(name.to_owned()) {
            open.extend(aliases.remove(name).into_iter().flatten());
        }
    }
    if nullable.is_empty() {
        return;
    }
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        if nullable.contains(name) && schema.has_any(&["nullable"]) {
            schema.drop_keywords(&["nullable"]);
            report.add("move_nullable_to_references", name, "null is for the places that refer to it");
        }
    }
    each_schema(document, |_, object| {
        // Marks properties, items and responses. Parts of a composition are visited separately, and aren't
        // marked.
        for (_, child) in object.object_mut("properties").into_iter().flatten() {
            null_where_used(child, &nullable);
        }
        for key in ["items", "additionalProperties"] {
            object.get_mut(key).into_iter().for_each(|child| null_where_used(child, &nullable));
        }
    });
    each_operation(document, |_, operation| {
        for response in responses(operation) {
            in_content(response, &mut |schema| null_where_used(schema, &nullable));
        }
    });
}

fn null_where_used(schema: &mut Value, nullable: &BTreeSet<String>) {
    let is_nullable = |name: Option<&str>| name.is_some_and(|name| nullable.contains(name));
    if let Some(name) = referred(schema).filter(|name| nullable.contains(*name)) {
        *schema = json!({"allOf": [reference(name)], "nullable": true});
    } else if is_nullable(only_refers(schema))
        || schema.list("oneOf").iter().any(|choice| is_nullable(referred(choice)))
    {
        schema.put("nullable", true);
    }
}
