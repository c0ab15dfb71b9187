//! Walks a document: its operations, its schemas and their references.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::OWN_TYPES;

/// The prefix of references to components.
pub const SCHEMAS: &str = "#/components/schemas/";

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Returns every operation, as path, method and object.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    // Extensions are next to the paths.
    paths.filter(|(path, _)| !path.starts_with("x-")).flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Visits every operation to change it. Stops at the first error.
pub fn for_operations(
    document: &mut Value,
    mut visit: impl FnMut(&str, &str, &mut Value) -> Result<(), String>,
) -> Result<(), String> {
    for (path, item) in document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                visit(path, method, operation)?;
            }
        }
    }
    Ok(())
}

/// Visits every operation with a visitor that can't fail.
pub fn each_operation(document: &mut Value, mut visit: impl FnMut(&str, &mut Map<String, Value>)) {
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        if let Some(operation) = operation.as_object_mut() {
            visit(&place, operation);
        }
        Ok(())
    });
}

/// Removes an operation, and its path if that has no other.
pub fn remove_operation(document: &mut Value, path: &str, method: &str) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    let Some(item) = paths.get_mut(path).and_then(Value::as_object_mut) else { return };
    item.remove(method);
    if !item.keys().any(|key| METHODS.contains(&key.as_str())) {
        paths.remove(path);
    }
}

/// Returns a place such as `GET /models/ (list_models)`.
pub fn place_of(path: &str, method: &str, operation: &Value) -> String {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or("no operationId");
    format!("{} {path} ({id})", method.to_uppercase())
}

/// Returns the parameters of an operation.
pub fn parameters(operation: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

pub fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
}

pub fn schemas_mut(document: &mut Value) -> Option<&mut Map<String, Value>> {
    entry(document, &["components", "schemas"])
}

/// Visits every schema of the document, children before parents, with a readable place.
pub fn for_schemas(document: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    if let Some(schemas) = schemas_mut(document) {
        for (name, schema) in schemas.iter_mut().filter(|(name, _)| !OWN_TYPES.contains(&name.as_str())) {
            descend(name, schema, visit);
        }
    }
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        for_operation_schemas(&place, operation, &mut |place, schema| descend(place, schema, visit));
        Ok(())
    });
}

/// Visits the schemas that an operation contains directly, without their inner schemas.
pub fn for_operation_schemas(place: &str, operation: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(schema) = parameter.get_mut("schema") {
            visit(place, schema);
        }
    }
    if let Some(body) = operation.get_mut("requestBody") {
        in_content(place, body, visit);
    }
    for (_, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
        in_content(place, response, visit);
    }
}

/// Visits the schema of each media type of a body or a response.
pub fn in_content(place: &str, holder: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (_, media) in holder.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(schema) = media.get_mut("schema") {
            visit(place, schema);
        }
    }
}

/// Visits the direct children of a schema.
pub fn for_children(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (name, child) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        visit(&format!("{place}.{name}"), child);
    }
    for key in ["items", "not"] {
        if let Some(child) = schema.get_mut(key).filter(|child| child.is_object()) {
            visit(&format!("{place}[]"), child);
        }
    }
    // An empty `additionalProperties` allows more fields, but isn't a free-form value.
    if let Some(child) = schema
        .get_mut("additionalProperties")
        .filter(|child| child.as_object().is_some_and(|c| !c.is_empty()))
    {
        visit(&format!("{place}.*"), child);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for child in schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            visit(place, child);
        }
    }
}

/// Visits the direct children of a schema, including those that are `true` or `false`.
pub fn for_all_children(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (name, child) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        visit(&format!("{place}.{name}"), child);
    }
    for (name, child) in
        schema.get_mut("patternProperties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        visit(&format!("{place}.{name}"), child);
    }
    for child in schema.get_mut("prefixItems").and_then(Value::as_array_mut).into_iter().flatten() {
        visit(&format!("{place}[]"), child);
    }
    if let Some(child) = schema.get_mut("items") {
        visit(&format!("{place}[]"), child);
    }
    if let Some(child) = schema.get_mut("additionalProperties").filter(|child| child.is_object()) {
        visit(&format!("{place}.*"), child);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for child in schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            visit(place, child);
        }
    }
}

/// Visits a schema and all its inner schemas, children first.
pub fn descend(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for_children(place, schema, &mut |place, child| descend(place, child, visit));
    visit(place, schema);
}

/// Returns the object at a path of keys, and creates it if it is missing. `None` if another type is there.
pub fn entry<'a>(document: &'a mut Value, keys: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut current = document;
    for key in keys {
        current = current.as_object_mut()?.entry(*key).or_insert_with(|| json!({}));
    }
    current.as_object_mut()
}

/// Returns the name of the component that a reference points to.
pub fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

/// Returns the component's name if a schema is only a reference, plain or as the only part of an `allOf`.
pub fn only_refers(schema: &Value) -> Option<&str> {
    referred(schema).or_else(|| match schema.get("allOf")?.as_array()?.as_slice() {
        [only] => referred(only),
        _ => None,
    })
}

/// Returns whether a boolean keyword of a schema is true: `nullable`, `readOnly`, `writeOnly`.
pub fn says(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool) == Some(true)
}

/// Returns the names of the required properties of a schema.
pub fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Returns a reference to a component.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("{SCHEMAS}{name}")})
}

/// Returns the schema itself, or the component that it refers to.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let mut current = schema;
    // References may form a cycle.
    for _ in 0..16 {
        match only_refers(current).and_then(|name| document.pointer("/components/schemas")?.get(name)) {
            Some(next) => current = next,
            None => break,
        }
    }
    current
}

/// Returns the names of the schemas that a value refers to.
pub fn references(value: &Value) -> Vec<String> {
    /// `named` states that the keys are property names. A property may be named `example`.
    fn find(value: &Value, named: bool, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, child) in object {
                    match child.as_str() {
                        Some(text) if key == "$ref" => {
                            found.extend(text.strip_prefix(SCHEMAS).map(str::to_owned))
                        }
                        _ if !named && (key == "example" || key == "examples") => {}
                        _ => find(child, !named && key == "properties", found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| find(item, false, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    find(value, false, &mut found);
    found
}

/// Renames references for which `rename` returns a name.
pub fn rename_references(value: &mut Value, rename: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                match child {
                    Value::String(text) if key == "$ref" => {
                        if let Some(new) = text.strip_prefix(SCHEMAS).and_then(rename) {
                            *text = format!("{SCHEMAS}{new}");
                        }
                    }
                    child => rename_references(child, rename),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, rename)),
        _ => {}
    }
}

/// How many values a rule may copy: a constant, and a multiple of the document's values. A small document
/// can refer to a large part very often.
pub struct Copies {
    left: usize,
}

impl Copies {
    const CONSTANT: usize = 500_000;
    const MULTIPLE: usize = 16;

    /// Returns what a rule may copy of a document with this many values.
    pub fn of(values: usize) -> Self {
        Copies { left: Self::CONSTANT + Self::MULTIPLE * values }
    }

    /// Counts copied values. Returns false if they are too many.
    pub fn spend(&mut self, values: usize) -> bool {
        let left = self.left.checked_sub(values);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Returns the number of values in a value, including itself.
pub fn size(value: &Value) -> usize {
    1 + match value {
        Value::Object(object) => object.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        _ => 0,
    }
}

/// Returns the names of all schemas that are reachable from `roots`, including these.
pub fn reach(document: &Value, roots: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = document.pointer("/components/schemas").and_then(|schemas| schemas.get(&name)) {
            open.extend(references(schema));
        }
    }
    found
}

/// Returns the names of all schemas, each after those that it refers to, and the names of those that lead
/// to themselves.
pub fn in_order_of_references(document: &Value) -> (Vec<String>, BTreeSet<String>) {
    type Graph = BTreeMap<String, Vec<String>>;
    /// Adds the names that are reachable from `root` and not seen yet, each after those that it leads to.
    fn add(graph: &Graph, root: &str, seen: &mut BTreeSet<String>, order: &mut Vec<String>) {
        let mut open = vec![(root.to_owned(), false)];
        while let Some((name, is_left)) = open.pop() {
            if is_left {
                order.push(name);
            } else if seen.insert(name.clone()) {
                let next = graph.get(&name).into_iter().flatten().map(|next| (next.clone(), false));
                let next: Vec<_> = next.collect();
                open.push((name, true));
                open.extend(next);
            }
        }
    }
    let graph: Graph = schemas(document).map(|(name, schema)| (name.clone(), references(schema))).collect();
    let mut reversed = Graph::new();
    for (name, next) in &graph {
        for next in next {
            reversed.entry(next.clone()).or_default().push(name.clone());
        }
    }
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in graph.keys() {
        add(&graph, name, &mut seen, &mut order);
    }
    // Kosaraju's algorithm: backwards, a name leads only to those of its own cycles.
    let mut recursive = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for name in order.iter().rev() {
        let mut cycle = Vec::new();
        add(&reversed, name, &mut seen, &mut cycle);
        if cycle.len() > 1 || graph.get(name).is_some_and(|next| next.contains(name)) {
            recursive.extend(cycle);
        }
    }
    (order, recursive)
}

/// Returns the names of the schemas that are reachable from request bodies.
pub fn reachable_from_requests(document: &Value) -> BTreeSet<String> {
    reach(
        document,
        operations(document)
            .filter_map(|(_, _, operation)| operation.get("requestBody"))
            .flat_map(references),
    )
}

/// Returns the names of the schemas that are reachable from responses.
pub fn reachable_from_answers(document: &Value) -> BTreeSet<String> {
    reach(
        document,
        operations(document).filter_map(|(_, _, operation)| operation.get("responses")).flat_map(references),
    )
}
