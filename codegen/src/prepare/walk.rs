//! Walks a document: its operations, its schemas and their references.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::keywords::Keywords;
use super::{LeftOut, OWN_TYPES};

/// The outcome of a rule that can fail. The error is one line with place and reason.
pub type Outcome = Result<(), String>;

/// The prefix of references to components.
pub const SCHEMAS: &str = "#/components/schemas/";

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Returns every operation, as path, method and object.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document.object("paths").into_iter().flatten();
    // Extensions are next to the paths.
    paths.filter(|(path, _)| !path.starts_with("x-")).flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Visits every operation to change it, with its path, method and place. Stops at the first error.
pub fn for_operations(
    document: &mut Value,
    mut visit: impl FnMut(&str, &str, &str, &mut Value) -> Outcome,
) -> Outcome {
    let paths = document.object_mut("paths").into_iter().flatten();
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("x-")) {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                visit(path, method, &place_of(path, method, operation), operation)?;
            }
        }
    }
    Ok(())
}

/// Visits every operation that is an object, with its place. The visitor can't fail.
pub fn each_operation(document: &mut Value, mut visit: impl FnMut(&str, &mut Map<String, Value>)) {
    let _ = for_operations(document, |_, _, place, operation| {
        operation.as_object_mut().into_iter().for_each(|operation| visit(place, operation));
        Ok(())
    });
}

/// Removes operations, and paths without another one. Returns them, each with the reason `why`.
pub fn leave_out(
    document: &mut Value,
    why: &str,
    unwanted: impl Fn(&str, &str, &Value) -> bool,
) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    document.object_mut("paths").into_iter().for_each(|paths| {
        paths.retain(|path, item| {
            let Some(item) = item.as_object_mut().filter(|_| !path.starts_with("x-")) else { return true };
            let before = left_out.len();
            item.retain(|method, operation| {
                let gone = METHODS.contains(&method.as_str()) && unwanted(path, method, operation);
                if gone {
                    let operation = place_of(path, method, operation);
                    left_out.push(LeftOut { operation, why: why.to_owned() });
                }
                !gone
            });
            left_out.len() == before || item.keys().any(|key| METHODS.contains(&key.as_str()))
        });
    });
    left_out
}

/// Returns a place such as `GET /models/ (list_models)`.
pub fn place_of(path: &str, method: &str, operation: &Value) -> String {
    let id = operation.text("operationId").unwrap_or("no operationId");
    format!("{} {path} ({id})", method.to_uppercase())
}

/// Returns the parameters of an operation.
pub fn parameters(operation: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    operation.list_mut("parameters").into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Returns the responses of an operation.
pub fn responses(operation: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    operation.object_mut("responses").into_iter().flat_map(Map::values_mut)
}

pub fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document.get("components").and_then(|all| all.object("schemas")).into_iter().flatten()
}

pub fn schemas_mut(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.object_or_new("components")?.object_or_new("schemas")
}

/// Returns a component of the document.
pub fn component<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.pointer("/components/schemas")?.get(name)
}

/// Visits every schema of the document, children before parents, with a readable place.
pub fn for_schemas(document: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    let _ = for_roots(document, &mut |place, _, schema| {
        if !OWN_TYPES.contains(&place) {
            descend(place, schema, visit);
        }
        Ok(())
    });
}

/// Visits every schema that is an object, like [`for_schemas`].
pub fn each_schema(document: &mut Value, mut visit: impl FnMut(&str, &mut Map<String, Value>)) {
    for_schemas(document, &mut |place, schema| {
        schema.as_object_mut().into_iter().for_each(|schema| visit(place, schema));
    });
}

/// Visits the schemas that no other schema contains: the components, and those that an operation contains
/// directly. The visitor gets the place, and whether it is a component. Stops at the first error.
pub fn for_roots(document: &mut Value, visit: &mut dyn FnMut(&str, bool, &mut Value) -> Outcome) -> Outcome {
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        visit(name, true, schema)?;
    }
    for_operations(document, |_, _, place, operation| {
        let mut outcome = Ok(());
        let mut visit = |schema: &mut Value| {
            if outcome.is_ok() {
                outcome = visit(place, false, schema);
            }
        };
        for parameter in operation.list_mut("parameters").into_iter().flatten() {
            parameter.get_mut("schema").into_iter().for_each(&mut visit);
        }
        operation.get_mut("requestBody").into_iter().for_each(|body| in_content(body, &mut visit));
        for (_, response) in operation.object_mut("responses").into_iter().flatten() {
            in_content(response, &mut visit);
        }
        outcome
    })
}

/// Visits the schema of each media type of a body or a response.
pub fn in_content(holder: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    for (_, media) in holder.object_mut("content").into_iter().flatten() {
        media.get_mut("schema").into_iter().for_each(&mut *visit);
    }
}

/// Visits the direct children of a schema.
pub fn for_children(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for_named_children("properties", place, schema, visit);
    for key in ["items", "not"] {
        if let Some(child) = schema.get_mut(key).filter(|child| child.is_object()) {
            visit(&format!("{place}[]"), child);
        }
    }
    // An empty `additionalProperties` allows more fields, but isn't a free-form value.
    if schema.object("additionalProperties").is_some_and(|more| !more.is_empty()) {
        visit(&format!("{place}.*"), &mut schema["additionalProperties"]);
    }
    for_parts(place, schema, visit);
}

/// Visits the direct children of a schema, including those that are `true` or `false`.
pub fn for_all_children(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for_named_children("properties", place, schema, visit);
    for_named_children("patternProperties", place, schema, visit);
    for child in schema.list_mut("prefixItems").into_iter().flatten() {
        visit(&format!("{place}[]"), child);
    }
    if let Some(child) = schema.get_mut("items") {
        visit(&format!("{place}[]"), child);
    }
    if let Some(child) = schema.get_mut("additionalProperties").filter(|child| child.is_object()) {
        visit(&format!("{place}.*"), child);
    }
    for_parts(place, schema, visit);
}

fn for_named_children(key: &str, place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (name, child) in schema.object_mut(key).into_iter().flatten() {
        visit(&format!("{place}.{name}"), child);
    }
}

/// Visits the parts and the choices of a schema.
fn for_parts(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for key in ["allOf", "oneOf", "anyOf"] {
        for child in schema.list_mut(key).into_iter().flatten() {
            visit(place, child);
        }
    }
}

/// Visits a schema and all its inner schemas, children first.
pub fn descend(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for_children(place, schema, &mut |place, child| descend(place, child, visit));
    visit(place, schema);
}

/// Returns the name of the component that a reference points to.
pub fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

/// Returns the component's name if a schema is only a reference, plain or as the only part of an `allOf`.
pub fn only_refers(schema: &Value) -> Option<&str> {
    referred(schema).or_else(|| match schema.list("allOf") {
        [only] => referred(only),
        _ => None,
    })
}

/// Returns the names of the required properties of a schema.
pub fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.list("required").iter().filter_map(Value::as_str)
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
        match only_refers(current).and_then(|name| component(document, name)) {
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
pub struct Copies(usize);

impl Copies {
    const CONSTANT: usize = 500_000;
    const MULTIPLE: usize = 16;

    /// Returns what a rule may copy of a document with this many values.
    pub fn of(values: usize) -> Self {
        Copies(Self::CONSTANT + Self::MULTIPLE * values)
    }

    /// Counts copied values. Returns false if they are too many.
    pub fn spend(&mut self, values: usize) -> bool {
        let left = self.0.checked_sub(values);
        self.0 = left.unwrap_or_default();
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
        if found.insert(name.clone()) {
            open.extend(component(document, &name).into_iter().flat_map(references));
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
                open.push((name.clone(), true));
                open.extend(graph.get(&name).into_iter().flatten().map(|next| (next.clone(), false)));
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

/// Returns the names of the schemas that are reachable from a part of the operations: `requestBody` or
/// `responses`.
pub fn reachable_from(document: &Value, key: &str) -> BTreeSet<String> {
    let parts = operations(document).filter_map(|(_, _, operation)| operation.get(key));
    reach(document, parts.flat_map(references))
}
