//! Operations: callable names, one request body and one response.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::naming::{parameter_name, type_name};
use super::walk::{
    each_operation, for_operations, only_refers, operations, place_of, remove_operation, resolved, says,
};
use super::{LeftOut, Report};

/// Adds the leading `/` to a path, because the generator silently drops a path without one. Equal paths are
/// merged.
///
/// `paths: {api/export: …}` -> `paths: {/api/export: …}`
pub fn start_paths_with_slash(document: &mut Value, report: &mut Report) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in std::mem::take(paths) {
        // Extensions are next to the paths.
        if path.starts_with("x-") {
            continue;
        }
        let right = format!("/{}", path.trim_start_matches('/'));
        if right != path {
            report.add("start_paths_with_slash", &path, format!("{right} is sent"));
        }
        let Some(operations) = item.as_object() else { continue };
        let slot = paths.entry(right).or_insert_with(|| json!({}));
        for (key, value) in operations {
            if slot.get(key).is_some() {
                if value.get("responses").is_some() {
                    let operation = place_of(&path, key, value);
                    report.left_out.push(LeftOut {
                        operation,
                        why: "the same method and path stand there already".to_owned(),
                    });
                }
                continue;
            }
            slot[key] = value.clone();
        }
    }
}

/// Gives each operation a unique id, which becomes the name of its Rust method. An operation without an id
/// is named after its method and path. A duplicate id gets a number.
///
/// - `get: {responses: …}` of `/things/` -> `get: {operationId: get_things, responses: …}`
/// - `operationId: list` twice -> `list` and `list_2`
pub fn make_operation_ids_unique(document: &mut Value, report: &mut Report) {
    // A builder with such a name would shadow a name of Rust.
    let mut methods: BTreeSet<String> =
        ["new", "none", "option", "result", "some", "string", "vec"].map(str::to_owned).into();
    let mut builders: BTreeSet<String> = BTreeSet::new();
    // The next number to try. Ids that clash have the same type.
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let Some(operation) = operation.as_object_mut() else { return Ok(()) };
        let given =
            operation.get("operationId").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
        let name = given.map_or_else(|| format!("{method}_{}", parameter_name(path)), str::to_owned);
        let mut candidate = name.clone();
        while methods.contains(&parameter_name(&candidate)) || builders.contains(&type_name(&candidate)) {
            let number = next.entry(type_name(&name)).or_insert(2);
            candidate = format!("{name}_{number}");
            *number += 1;
        }
        methods.insert(parameter_name(&candidate));
        builders.insert(type_name(&candidate));
        if given != Some(candidate.as_str()) {
            let why = if given.is_none() { "it has no `operationId`" } else { "the name is taken" };
            report.add(
                "make_operation_ids_unique",
                place,
                format!("called `{}`: {why}", parameter_name(&candidate)),
            );
        }
        operation.insert("operationId".to_owned(), json!(candidate));
        Ok(())
    });
}

/// Adds missing `responses`, and leaves out operations that aren't objects. The generator rejects both. A
/// document without an operation is an error.
///
/// `get: {operationId: x}` -> `get: {operationId: x, responses: {}}`
pub fn add_missing_responses(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let mut without = Vec::new();
    for (path, method, operation) in operations(document) {
        if !operation.is_object() {
            without.push((path.to_owned(), method.to_owned(), place_of(path, method, operation)));
        }
    }
    for (path, method, operation) in without {
        remove_operation(document, &path, &method);
        report.left_out.push(LeftOut { operation, why: "it is no object".to_owned() });
    }
    each_operation(document, |place, operation| {
        if !operation.get("responses").is_some_and(Value::is_object) {
            operation.insert("responses".to_owned(), json!({}));
            report.add("add_missing_responses", place, "`responses` is missing");
        }
    });
    match operations(document).next() {
        Some(_) => Ok(()),
        None => Err("paths: there is no operation".to_owned()),
    }
}

/// Keeps one successful response, the first with a body. The generator supports only one, and panics if
/// error responses are beside it. Different bodies become a choice. A response without a body makes the
/// body optional, except for lists and bytes, which can be empty.
///
/// - `responses: {200: A, 204: no body, 404: E}` -> `responses: {200: A}`, noted as optional
/// - `responses: {200: A, 202: B}` -> `responses: {200: {oneOf: [A, B]}}`
pub fn keep_one_success(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    each_operation(document, |place, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
        let described =
            |response: &Value| response["description"].as_str().unwrap_or_default().trim().to_owned();
        let statuses = responses.iter().map(|(status, response)| (status.clone(), described(response)));
        report.notes.statuses.insert(id.clone(), statuses.collect());
        let success = |status: &String| status.starts_with('2');
        let has_body =
            |status: &str| responses[status].get("content").is_some_and(|content| content != &json!({}));
        let kept = responses
            .keys()
            .filter(|status| success(status))
            .find(|status| has_body(status))
            .or_else(|| responses.keys().find(|status| success(status)))
            .cloned();
        let beside: Vec<String> = responses
            .keys()
            .filter(|status| success(status) && Some(*status) != kept.as_ref())
            .cloned()
            .collect();
        if let Some(kept) = kept.as_ref().filter(|kept| has_body(kept)) {
            let empty = beside.iter().any(|status| !has_body(status));
            let shape = |status: &str| json_schema(&responses[status]).cloned();
            let mut shapes: Vec<Value> = shape(kept).into_iter().collect();
            let mut known: HashSet<Value> = shapes.iter().cloned().collect();
            for other in beside.iter().filter_map(|status| shape(status)) {
                if !shapes.is_empty() && known.insert(other.clone()) {
                    shapes.push(other);
                }
            }
            let is_page = |schema: &Value| resolved(&whole, schema).pointer("/properties/results").is_some();
            let is_value = |schema: &Value| !is_page(schema) && !is_binary(resolved(&whole, schema));
            if empty
                && shapes.first().is_some_and(is_value)
                && let Ok(status) = kept.parse()
            {
                report.notes.empty_answers.insert(id, status);
                report.add(
                    "keep_one_success",
                    place,
                    format!("an answer other than {kept} may have no body: an option"),
                );
            }
            if shapes.len() > 1 {
                report.add("keep_one_success", place, format!("a choice of {} bodies", shapes.len()));
                for media in
                    responses[kept]["content"].as_object_mut().into_iter().flatten().map(|(_, media)| media)
                {
                    media["schema"] = json!({"oneOf": shapes});
                }
            }
        }
        responses.retain(|status, _| Some(status) == kept.as_ref());
        for status in beside {
            report.add("keep_one_success", place, format!("left out the {status} answer beside another 2xx"));
        }
        match kept {
            // The generator accepts any status of a range such as `2XX`.
            Some(_) => {}
            None => {
                responses.insert("200".to_owned(), json!({"description": ""}));
                report.add(
                    "keep_one_success",
                    place,
                    "no 2xx answer is told: any is taken, its body left alone",
                );
            }
        }
    });
}

/// Returns the schema of a response's JSON body.
fn json_schema(response: &Value) -> Option<&Value> {
    let types = response.get("content")?.as_object()?;
    types.get(&json_of(types)?)?.get("schema")
}

/// Returns whether a media type is JSON, by name or suffix: `application/json`, `application/vnd.api+json`,
/// with or without parameters.
fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// Returns the preferred one of the JSON media types.
fn json_of(types: &Map<String, Value>) -> Option<String> {
    let plain = |name: &&String| essence(name) == "application/json";
    types.keys().find(plain).or_else(|| types.keys().find(|name| is_json(name))).cloned()
}

/// Keeps one media type of a request, JSON if it is offered, because the generator supports only one. A
/// form or a file becomes a raw body, which the caller fills. So does a JSON body with a file, because the
/// file would be text in JSON.
///
/// - `content: {application/json: A, multipart/form-data: A}` -> `content: {application/json: A}`
/// - `content: {multipart/form-data: A}` -> `content: {application/octet-stream: bytes}`
pub fn keep_one_request_type(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let whole = document.clone();
    for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        if body.get("required") != Some(&json!(true)) {
            report.notes.optional_bodies.insert(id.clone());
        }
        let types = match body.get("content") {
            Some(Value::Object(types)) if !types.is_empty() => types.clone(),
            Some(Value::Object(_)) | None => {
                report.add("keep_one_request_type", place, "a body of no media type: none is sent");
                report.notes.optional_bodies.remove(&id);
                if let Some(operation) = operation.as_object_mut() {
                    operation.remove("requestBody");
                }
                return Ok(());
            }
            Some(_) => return Err(format!("{place}: `requestBody.content` isn't an object")),
        };
        let form = types.keys().any(|name| name.starts_with("multipart/"));
        let json = json_of(&types).filter(|name| {
            let schema = types[name].get("schema");
            !schema.is_some_and(|schema| {
                holds_a_file(&whole, schema) && (form || is_binary(resolved(&whole, schema)))
            })
        });
        let (kept_type, how) = match &json {
            Some(name) => {
                let schema = types[name]
                    .get("schema")
                    .filter(|schema| schema.is_object())
                    .cloned()
                    .unwrap_or_else(|| json!({}));
                body.insert("content".to_owned(), json!({"application/json": {"schema": schema}}));
                if form && types[name].get("schema").is_some_and(|schema| may_be_a_file(&whole, schema)) {
                    report.notes.forms.insert(id.clone());
                }
                if name != "application/json" {
                    report.notes.request_types.insert(id.clone(), name.clone());
                }
                (name.as_str(), format!("{name} is sent"))
            }
            None => {
                let raw =
                    json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}});
                body.insert("content".to_owned(), raw);
                // If several types are offered, only the caller knows the type of a raw body.
                if types.len() == 1
                    && let Some(only) = types
                        .keys()
                        .next()
                        .filter(|only| !only.contains('*') && !only.starts_with("multipart/"))
                {
                    report.notes.request_types.insert(id, only.clone());
                }
                ("application/octet-stream", "a raw body, filled by hand".to_owned())
            }
        };
        let others: Vec<&str> =
            types.keys().map(String::as_str).filter(|other| *other != kept_type).collect();
        if !others.is_empty() {
            report.add("keep_one_request_type", &place, format!("{how}; left out {}", others.join(", ")));
        }
        Ok(())
    })
}

/// Keeps one media type of a response: JSON if it is offered, otherwise bytes. A schema of bytes stays
/// bytes even if the media type is JSON.
///
/// - `content: {application/vnd.api+json: A, text/html: B}` -> `content: {application/json: A}`
/// - `content: {text/csv: A}` -> `content: {application/octet-stream: bytes}`
pub fn keep_one_response_type(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    each_operation(document, |place, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        for (_, response) in
            operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
        {
            let Some(types) =
                response.get("content").and_then(Value::as_object).filter(|types| !types.is_empty())
            else {
                continue;
            };
            let named = json_of(types).or_else(|| any_of_a_shape(&whole, types));
            let schema =
                named.as_ref().and_then(|name| types[name].get("schema")).filter(|schema| schema.is_object());
            let bytes = schema.is_some_and(|schema| is_binary(resolved(&whole, schema)));
            let (kept, name) = match (&named, bytes) {
                (Some(name), false) => {
                    let schema = schema.cloned().unwrap_or_else(|| json!({}));
                    (json!({"application/json": {"schema": schema}}), name.clone())
                }
                _ => {
                    let name =
                        types.keys().find(|name| !is_json(name)).or_else(|| types.keys().next()).cloned();
                    let raw = json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}});
                    (raw, name.unwrap_or_default())
                }
            };
            let accepted = match (name.as_str(), bytes || named.is_none()) {
                ("application/json", _) | ("application/octet-stream" | "*/*", true) => None,
                (any, false) if any.contains('*') => Some("application/json, */*;q=0.1"),
                (other, _) => Some(other),
            };
            if let Some(accepted) = accepted {
                report.notes.answer_types.insert(id.clone(), accepted.to_owned());
            }
            let others: Vec<&str> = types.keys().map(String::as_str).filter(|other| *other != name).collect();
            if bytes {
                report.add("keep_one_response_type", place, format!("{name}: bytes, as they come"));
            }
            if !others.is_empty() {
                report.add(
                    "keep_one_response_type",
                    place,
                    format!("{name} is asked for; left out {}", others.join(", ")),
                );
            }
            response["content"] = kept;
        }
    });
}

/// Returns `*/*` or `application/*` if its schema is an object, a list or a choice. Such a response is
/// JSON.
fn any_of_a_shape(document: &Value, types: &Map<String, Value>) -> Option<String> {
    let has_shape = |media: &Value| {
        let Some(schema) = media.get("schema").map(|schema| resolved(document, schema)) else { return false };
        matches!(schema.get("type").and_then(Value::as_str), Some("object" | "array"))
            || ["properties", "items", "oneOf", "anyOf", "allOf"].iter().any(|key| schema.get(*key).is_some())
    };
    let any = types
        .iter()
        .find(|(name, media)| matches!(essence(name).as_str(), "*/*" | "application/*") && has_shape(media));
    any.map(|(name, _)| name.clone())
}

/// Returns a media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_binary(schema: &Value) -> bool {
    is_text_of(schema, "binary")
}

fn is_text_of(schema: &Value, format: &str) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("string")
        && schema.get("format").and_then(Value::as_str) == Some(format)
}

/// Returns whether a body's schema is a file, or has a file among its fields.
fn holds_a_file(document: &Value, schema: &Value) -> bool {
    has_a_field(document, schema, &is_binary)
}

/// Returns whether a field of a body may be a file. A response has the file's URL instead, and a schema for
/// both requests and responses declares a URL.
fn may_be_a_file(document: &Value, schema: &Value) -> bool {
    has_a_field(document, schema, &|field| is_binary(field) || is_text_of(field, "uri"))
}

/// Searches a body's schema for a field, to a depth of 8.
fn has_a_field(document: &Value, schema: &Value, is: &dyn Fn(&Value) -> bool) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![schema];
    for _ in 0..=8 {
        let mut below = Vec::new();
        for schema in open {
            let target = only_refers(schema)
                .and_then(|name| Some((name, document.pointer("/components/schemas")?.get(name)?)));
            if let Some((name, target)) = target {
                // A component has the same fields everywhere.
                if seen.insert(name) {
                    below.push(target);
                }
                continue;
            }
            // A request body has no read-only fields.
            if is(schema) && !says(schema, "readOnly") {
                return true;
            }
            below.extend(
                schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values),
            );
            for key in ["allOf", "oneOf", "anyOf"] {
                below.extend(schema.get(key).and_then(Value::as_array).into_iter().flatten());
            }
            below.extend(schema.get("items"));
        }
        open = below;
    }
    false
}
