//! Prepares an OpenAPI document for the generator: one function a rule, each with its reason, each telling what it
//! changed. Rules change what the generator sees, never the document in `openapi/`.

mod enums;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Where the document's components live.
const SCHEMAS: &str = "#/components/schemas/";

/// Schemas that the crate has types of its own for: the name of the component is the name of the type.
pub const OWN_TYPES: [&str; 5] = ["Json", "Timestamp", "StringList", "FileUrl", "Related"];

/// Own types that hold a null themselves, so that an answer's field of such a type needs no `Option`.
const HOLD_NULL: [&str; 2] = ["Json", "Related"];

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// One change: where, and what was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub rule: &'static str,
    pub place: String,
    pub what: String,
}

/// Every change that was made, in order.
#[derive(Debug, Default)]
pub struct Report {
    pub changes: Vec<Change>,
}

impl Report {
    fn add(&mut self, rule: &'static str, place: impl Into<String>, what: impl Into<String>) {
        self.changes.push(Change { rule, place: place.into(), what: what.into() });
    }
}

/// Applies every rule in its order. An error is one line that says where and why.
pub fn prepare(document: &mut Value) -> Result<Report, String> {
    let mut report = Report::default();
    check_operations(document)?;
    add_own_schemas(document, &mut report);
    resolve_shared_parts(document)?;
    keep_one_success(document, &mut report);
    keep_one_request_type(document, &mut report)?;
    free_form_is_json(document, &mut report);
    page_links_are_urls(document, &mut report);
    keep_unknown_fields(document, &mut report);
    inline_query_enums_are_strings(document, &mut report);
    times_keep_their_text(document, &mut report);
    drop_constraints(document, &mut report);
    enums::only_strings_are_enumerated(document, &mut report);
    enums::each_value_is_enumerated_once(document, &mut report);
    enums::enumerated_values_have_names(document, &mut report);
    drop_defaults(document, &mut report);
    nulls_in_own_types(document, &mut report);
    drop_unused_schemas(document, &mut report);
    Ok(report)
}

/// An operation without an id gets no name, and two of one id get one: neither could be called.
fn check_operations(document: &Value) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for (path, method, operation) in operations(document) {
        let place = format!("{} {path}", method.to_uppercase());
        if !path.starts_with('/') {
            return Err(format!("{place}: a path must begin with `/`"));
        }
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else {
            return Err(format!("{place}: `operationId` is missing"));
        };
        if let Some(other) = seen.insert(id.to_owned(), place.clone()) {
            return Err(format!("{place} ({id}): `operationId` is taken by {other}"));
        }
        if operation.get("responses").and_then(Value::as_object).is_none() {
            return Err(format!("{place} ({id}): `responses` is missing"));
        }
    }
    if seen.is_empty() {
        return Err("paths: there is no operation".to_owned());
    }
    Ok(())
}

/// The rules below refer to `Json` and `Timestamp`; a document that doesn't define them gets them.
fn add_own_schemas(document: &mut Value, report: &mut Report) {
    let Some(schemas) = entry(document, &["components", "schemas"]) else { return };
    for (name, schema) in [("Json", json!({})), ("Timestamp", json!({"type": "string"})), ("FileUrl", json!({"type": "string"}))]
    {
        if !schemas.contains_key(name) {
            schemas.insert(name.to_owned(), schema);
            report.add("add_own_schemas", name, "added");
        }
    }
}

/// The generator panics on references to a whole response or request body, without a name; so they are put in place.
fn resolve_shared_parts(document: &mut Value) -> Result<(), String> {
    let components = document.get("components").cloned().unwrap_or_default();
    let resolve = |part: &mut Value, place: &str| -> Result<(), String> {
        let Some(reference) = part.get("$ref").and_then(Value::as_str) else { return Ok(()) };
        let target = reference
            .strip_prefix("#/components/")
            .and_then(|rest| rest.split_once('/'))
            .and_then(|(kind, name)| components.get(kind)?.get(name));
        match target {
            Some(target) => *part = target.clone(),
            None => return Err(format!("{place}: `{reference}` leads nowhere")),
        }
        Ok(())
    };
    for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for response in responses.values_mut() {
                resolve(response, &place)?;
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            resolve(body, &place)?;
        }
        Ok(())
    })?;
    // A reference to a schema that isn't there is a panic too.
    let names: BTreeSet<String> =
        components.get("schemas").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect();
    let mut missing = None;
    for (path, method, operation) in operations(document) {
        for name in references(operation) {
            if !names.contains(&name) {
                missing.get_or_insert_with(|| (place_of(path, method, operation), name));
            }
        }
    }
    for (name, schema) in schemas(document) {
        for reference in references(schema) {
            if !names.contains(&reference) {
                missing.get_or_insert_with(|| (format!("components.schemas.{name}"), reference));
            }
        }
    }
    match missing {
        Some((place, name)) => Err(format!("{place}: `{SCHEMAS}{name}` leads nowhere")),
        None => Ok(()),
    }
}

/// Errors are mapped from the answer itself, and the generator panics where they stand beside a typed success; of
/// several successes it takes one. The first with a body stays.
fn keep_one_success(document: &mut Value, report: &mut Report) {
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return Ok(()) };
        let success = |status: &String| status.starts_with('2');
        let has_body = |status: &&String| responses[*status].get("content").is_some_and(|content| content != &json!({}));
        let kept = responses
            .keys()
            .filter(|status| success(status))
            .find(has_body)
            .or_else(|| responses.keys().find(|status| success(status)))
            .cloned();
        let dropped: Vec<String> = responses.keys().filter(|status| Some(*status) != kept.as_ref()).cloned().collect();
        for status in dropped {
            let was_success = success(&status);
            responses.remove(&status);
            if was_success {
                report.add("keep_one_success", &place, format!("left out the {status} answer beside another 2xx"));
            }
        }
        if kept.is_none() {
            responses.insert("200".to_owned(), json!({"description": ""}));
            report.add("keep_one_success", &place, "no 2xx answer is told: any is taken, its body left alone");
        }
        Ok(())
    });
}

/// The generator takes one media type a request: JSON where it is offered. A form or a file has no type of its own
/// there: it becomes a raw body, which is filled by hand into the finished request.
fn keep_one_request_type(document: &mut Value, report: &mut Report) -> Result<(), String> {
    for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let Some(content) = operation.get_mut("requestBody").and_then(|body| body.get_mut("content")) else {
            return Ok(());
        };
        let Some(types) = content.as_object_mut() else {
            return Err(format!("{place}: `requestBody.content` isn't an object"));
        };
        let json = types.keys().find(|name| name.as_str() == "application/json").cloned();
        let (name, kept) = match json {
            Some(name) => {
                let body = types[&name].clone();
                ("application/json", body)
            }
            None => ("application/octet-stream", json!({"schema": {"type": "string", "format": "binary"}})),
        };
        let others: Vec<&str> = types.keys().map(String::as_str).filter(|other| *other != name).collect();
        if !others.is_empty() {
            let how = if name == "application/json" { "JSON is sent" } else { "a raw body, filled by hand" };
            report.add("keep_one_request_type", &place, format!("{how}; left out {}", others.join(", ")));
        }
        *content = json!({ name: kept });
        Ok(())
    })
}

/// A schema that says nothing about the value's shape is the user's own JSON: kept as its text, decoded when looked at.
fn free_form_is_json(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        if place == "Json" {
            return;
        }
        let Some(object) = schema.as_object_mut() else { return };
        let shapeless_object = object.get("type").and_then(Value::as_str) == Some("object")
            && object.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty)
            && object.get("additionalProperties").is_none_or(|more| more == &json!({}) || more == &json!(true));
        let shapeless = !["type", "$ref", "allOf", "oneOf", "anyOf", "not", "enum"].iter().any(|key| object.contains_key(*key));
        let combined = ["allOf", "oneOf", "anyOf", "$ref"].iter().any(|key| object.contains_key(*key));
        if shapeless || (shapeless_object && !combined) {
            let description = object.get("description").cloned();
            object.clear();
            if let Some(description) = description {
                object.insert("description".to_owned(), description);
            }
            object.insert("allOf".to_owned(), json!([{"$ref": format!("{SCHEMAS}Json")}]));
            places.push(place.to_owned());
        }
    });
    for place in places {
        report.add("free_form_is_json", place, "a free-form value: `Json`");
    }
}

/// The links of a page repeat the query that was asked for: as URLs of the crate's own type they aren't shown whole.
fn page_links_are_urls(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
        if !properties.contains_key("results") {
            return;
        }
        for link in ["next", "previous"] {
            let Some(property) = properties.get_mut(link).and_then(Value::as_object_mut) else { continue };
            if property.get("type").and_then(Value::as_str) == Some("string") {
                for key in ["type", "format"] {
                    property.remove(key);
                }
                property.insert("allOf".to_owned(), json!([{"$ref": format!("{SCHEMAS}FileUrl")}]));
                places.push(format!("{place}.{link}"));
            }
        }
    });
    for place in places {
        report.add("page_links_are_urls", place, "shown without its query");
    }
}

/// Servers grow: a field that the document doesn't name is kept, as it came, in `extra`.
fn keep_unknown_fields(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if !object.get("properties").is_some_and(Value::is_object) {
            return;
        }
        let open = match object.get("additionalProperties") {
            None | Some(Value::Bool(_)) => true,
            Some(Value::Object(more)) => more.is_empty(),
            Some(_) => false,
        };
        if open && !object.contains_key("allOf") {
            object.insert("additionalProperties".to_owned(), json!({"$ref": format!("{SCHEMAS}Json")}));
            places.push(place.to_owned());
        }
    });
    for place in places {
        report.add("keep_unknown_fields", place, "unknown fields are kept");
    }
}

/// An enumeration that is written into a parameter would make a type for each operation; text serves as well there.
fn inline_query_enums_are_strings(document: &mut Value, report: &mut Report) {
    let mut visit = |place: String, parameter: &mut Value| {
        let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else { return };
        if schema.remove("enum").is_some() {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            report.add("inline_query_enums_are_strings", place, format!("parameter {name} is plain"));
        }
    };
    if let Some(shared) = document.pointer_mut("/components/parameters").and_then(Value::as_object_mut) {
        for (name, parameter) in shared {
            visit(format!("components.parameters.{name}"), parameter);
        }
    }
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            visit(place.clone(), parameter);
        }
        Ok(())
    });
}

/// A date-time without an offset, or an empty one, mustn't fail an answer: the text is kept and parsed when asked for.
/// Other formats of text would bring strict types of their own, and are kept as text.
fn times_keep_their_text(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if place == "Timestamp" || object.get("type").and_then(Value::as_str) != Some("string") {
            return;
        }
        match object.get("format").and_then(Value::as_str) {
            Some("date-time") => {
                for key in ["type", "format", "example"] {
                    object.remove(key);
                }
                object.insert("allOf".to_owned(), json!([{"$ref": format!("{SCHEMAS}Timestamp")}]));
                places.push((place.to_owned(), "a time, kept as text until asked for"));
            }
            Some("binary") | None => {}
            Some(_) => {
                object.remove("format");
                places.push((place.to_owned(), "kept as text"));
            }
        }
    });
    for (place, what) in places {
        report.add("times_keep_their_text", place, what);
    }
}

/// Lengths, patterns and bounds would be checked on answers, where one long name would lose a whole page; titles would
/// name types after themselves.
fn drop_constraints(document: &mut Value, report: &mut Report) {
    const CONSTRAINTS: [&str; 12] = [
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "title",
    ];
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        for constraint in CONSTRAINTS {
            if object.remove(constraint).is_some() {
                places.push((place.to_owned(), constraint));
            }
        }
    });
    for (place, constraint) in places {
        report.add("drop_constraints", place, format!("left out `{constraint}`"));
    }
}

/// A default in a request would be sent though nobody set it, and one that isn't of its type is a panic.
fn drop_defaults(document: &mut Value, report: &mut Report) {
    let mut places = Vec::new();
    for_schemas(document, &mut |place, schema| {
        if schema.as_object_mut().is_some_and(|object| object.remove("default").is_some()) {
            places.push(place.to_owned());
        }
    });
    for place in places {
        report.add("drop_defaults", place, "left out `default`");
    }
}

/// `Json` and `Related` hold a null themselves: in an answer such a field is always there (`model.metrics["accuracy"]`,
/// not `model.metrics.as_ref()…`). In a request it stays optional, since what isn't set isn't sent.
fn nulls_in_own_types(document: &mut Value, report: &mut Report) {
    let requested = reachable_from_requests(document);
    let own: Vec<String> = HOLD_NULL.iter().map(|name| format!("{SCHEMAS}{name}")).collect();
    let Some(schemas) = entry(document, &["components", "schemas"]) else { return };
    let mut places = Vec::new();
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !requested.contains(*name)) {
        for (property, value) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            let reference = value.get("$ref").or_else(|| match value.get("allOf")?.as_array()?.as_slice() {
                [only] => only.get("$ref"),
                _ => None,
            });
            let Some(reference) = reference.and_then(Value::as_str).map(str::to_owned) else { continue };
            if own.contains(&reference) {
                let mut holder = json!({"allOf": [{"$ref": reference}], "default": {}});
                if let Some(description) = value.get("description") {
                    holder["description"] = description.clone();
                }
                *value = holder;
                places.push(format!("{name}.{property}"));
            }
        }
    }
    for place in places {
        report.add("nulls_in_own_types", place, "always there, null where the server gives none");
    }
}

/// A schema that no operation leads to (an error's, a form's) would only cost compile time.
fn drop_unused_schemas(document: &mut Value, report: &mut Report) {
    let mut used = BTreeSet::new();
    let roots: Vec<String> = operations(document).flat_map(|(_, _, operation)| references(operation)).collect();
    let shared = document.pointer("/components/parameters").map(references).unwrap_or_default();
    reach(document, roots.into_iter().chain(shared), &mut used);
    let Some(schemas) = entry(document, &["components", "schemas"]) else { return };
    let unused: Vec<String> = schemas.keys().filter(|name| !used.contains(*name)).cloned().collect();
    for name in unused {
        schemas.remove(&name);
        if !OWN_TYPES.contains(&name.as_str()) {
            report.add("drop_unused_schemas", name, "no operation leads to it");
        }
    }
}

/// Every operation, as path, method and object.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document.get("paths").and_then(Value::as_object).into_iter().flatten().flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn for_operations(
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

/// `GET /models/ (list_models)`.
fn place_of(path: &str, method: &str, operation: &Value) -> String {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or("no operationId");
    format!("{} {path} ({id})", method.to_uppercase())
}

fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
}

/// Visits every schema of the document, children before their parents, with a place that a person finds again.
fn for_schemas(document: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    fn descend(place: &str, schema: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
        for key in ["properties", "patternProperties"] {
            for (name, child) in schema.get_mut(key).and_then(Value::as_object_mut).into_iter().flatten() {
                descend(&format!("{place}.{name}"), child, visit);
            }
        }
        for key in ["items", "not"] {
            if let Some(child) = schema.get_mut(key).filter(|child| child.is_object()) {
                descend(&format!("{place}[]"), child, visit);
            }
        }
        // An empty `additionalProperties` says that there may be more, not that there is a free-form value.
        if let Some(child) =
            schema.get_mut("additionalProperties").filter(|child| child.as_object().is_some_and(|c| !c.is_empty()))
        {
            descend(&format!("{place}.*"), child, visit);
        }
        for key in ["allOf", "oneOf", "anyOf"] {
            for child in schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
                descend(place, child, visit);
            }
        }
        visit(place, schema);
    }
    fn in_content(place: &str, holder: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
        for (_, media) in holder.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some(schema) = media.get_mut("schema") {
                descend(place, schema, visit);
            }
        }
    }
    if let Some(schemas) = entry(document, &["components", "schemas"]) {
        for (name, schema) in schemas.iter_mut().filter(|(name, _)| !OWN_TYPES.contains(&name.as_str())) {
            descend(name, schema, visit);
        }
    }
    if let Some(parameters) = document.pointer_mut("/components/parameters").and_then(Value::as_object_mut) {
        for (name, parameter) in parameters {
            if let Some(schema) = parameter.get_mut("schema") {
                descend(name, schema, visit);
            }
        }
    }
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(schema) = parameter.get_mut("schema") {
                descend(&place, schema, visit);
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            in_content(&place, body, visit);
        }
        for (_, response) in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            in_content(&place, response, visit);
        }
        Ok(())
    });
}

/// The object at a path of keys, made where it is missing; nothing where something else stands there.
fn entry<'a>(document: &'a mut Value, keys: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut current = document;
    for key in keys {
        current = current.as_object_mut()?.entry(*key).or_insert_with(|| json!({}));
    }
    current.as_object_mut()
}

/// The names of the schemas that a value refers to.
fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                match child.as_str() {
                    Some(text) if key == "$ref" => found.extend(text.strip_prefix(SCHEMAS).map(str::to_owned)),
                    _ if key == "example" || key == "examples" => {}
                    _ => found.extend(references(child)),
                }
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(references)),
        _ => {}
    }
    found
}

fn reach(document: &Value, roots: impl IntoIterator<Item = String>, found: &mut BTreeSet<String>) {
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = document.pointer("/components/schemas").and_then(|schemas| schemas.get(&name)) {
            open.extend(references(schema));
        }
    }
}

/// The names of the schemas that request bodies lead to.
pub fn reachable_from_requests(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let roots: Vec<String> =
        operations(document).filter_map(|(_, _, operation)| operation.get("requestBody")).flat_map(references).collect();
    reach(document, roots, &mut found);
    found
}
