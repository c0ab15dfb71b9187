//! Nullable components.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::walk::{
    each_operation, for_schemas, in_content, only_refers, reference, referred, says, schemas, schemas_mut,
};
use super::{OWN_TYPES, Report};

/// Moves `nullable` from a component to the places that refer to it. The generator would make two types of
/// the same name of a nullable component.
///
/// `Owner: {nullable: true}`, `owner: $ref` -> `Owner: {}`, `owner: {allOf: [Owner], nullable: true}`
pub fn move_nullable_to_references(document: &mut Value, report: &mut Report) {
    let mut nullable = BTreeSet::new();
    // An alias of a nullable component is nullable, too.
    for _ in 0..8 {
        for (name, schema) in schemas(document).filter(|(name, _)| !OWN_TYPES.contains(&name.as_str())) {
            if says(schema, "nullable") || only_refers(schema).is_some_and(|other| nullable.contains(other)) {
                nullable.insert(name.clone());
            }
        }
    }
    if nullable.is_empty() {
        return;
    }
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        if nullable.contains(name)
            && let Some(schema) = schema.as_object_mut()
            && schema.remove("nullable").is_some()
        {
            report.add("move_nullable_to_references", name, "null is for the places that refer to it");
        }
    }
    for_schemas(document, &mut |_, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        // Marks properties, items and responses. Parts of a composition are visited separately, and aren't
        // marked.
        for (_, child) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            null_where_used(child, &nullable);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(child) = object.get_mut(key) {
                null_where_used(child, &nullable);
            }
        }
    });
    each_operation(document, |place, operation| {
        for (_, response) in
            operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
        {
            in_content(place, response, &mut |_, schema| null_where_used(schema, &nullable));
        }
    });
}

fn null_where_used(schema: &mut Value, nullable: &BTreeSet<String>) {
    if let Some(name) = referred(schema).filter(|name| nullable.contains(*name)) {
        *schema = json!({"allOf": [reference(name)], "nullable": true});
    } else if only_refers(schema).is_some_and(|name| nullable.contains(name)) {
        schema["nullable"] = json!(true);
    } else if let Some(choices) = schema.get("oneOf").and_then(Value::as_array)
        && choices.iter().any(|choice| referred(choice).is_some_and(|name| nullable.contains(name)))
    {
        schema["nullable"] = json!(true);
    }
}
