//! Operations: callable names, one request body and one response.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::corrections::RESERVED_METHODS;
use super::forms::{Forms, essence};
use super::keywords::Keywords;
use super::naming::{parameter_name, type_name};
use super::walk::{
    component, each_operation, for_operations, leave_out, only_refers, operations, place_of, resolved,
    responses, schemas_mut,
};
use super::{LeftOut, Report};

/// The keyword of an operation whose path is one parameter: its value has slashes itself.
pub(crate) const WHOLE_PATH: &str = "x-whole-path";

fn is_one_parameter(path: &str) -> bool {
    let name = path.strip_prefix('{').and_then(|path| path.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['{', '}']))
}

/// Adds the leading `/` to a path, because the generator silently drops a path without one. Equal paths are
/// merged. A path that is one parameter is noted: its value is a whole path.
///
/// `paths: {api/export: …}` -> `paths: {/api/export: …}`
pub fn start_paths_with_slash(document: &mut Value, report: &mut Report) {
    let Some(paths) = document.object_mut("paths") else { return };
    for (path, item) in std::mem::take(paths) {
        // Extensions are next to the paths.
        if path.starts_with("x-") {
            continue;
        }
        let right = format!("/{}", path.trim_start_matches('/'));
        if right != path {
            report.add("start_paths_with_slash", &path, format!("{right} is sent"));
        }
        let is_whole = right != path && is_one_parameter(&path);
        let Some(operations) = item.as_object() else { continue };
        let slot = paths.entry(right).or_insert_with(|| json!({}));
        for (key, value) in operations {
            if slot.get(key).is_some() {
                if value.get("responses").is_some() {
                    let why = "the same method and path stand there already".to_owned();
                    report.left_out.push(LeftOut { operation: place_of(&path, key, value), why });
                }
            } else {
                slot[key] = value.clone();
                if is_whole && slot[key].is_object() {
                    slot[key].put(WHOLE_PATH, true);
                }
            }
        }
    }
}

/// Gives each operation a unique id, which becomes the name of its Rust method. An operation without an id
/// is named after its method and path. A duplicate id gets a number.
///
/// - `get: {responses: …}` of `/things/` -> `get: {operationId: get_things, responses: …}`
/// - `operationId: list` twice -> `list` and `list_2`
/// - `operationId: list, x-name: things` -> `things`, and its id is noted
pub fn make_operation_ids_unique(document: &mut Value, report: &mut Report) {
    // A builder with such a name would shadow a name of Rust.
    let mut methods: BTreeSet<String> = RESERVED_METHODS.map(str::to_owned).into();
    methods.extend(
        operations(document).filter_map(|(_, _, operation)| operation.text("x-name")).map(str::to_owned),
    );
    let mut builders: BTreeSet<String> = methods.iter().map(|name| type_name(name)).collect();
    // The next number to try. Ids that clash have the same type.
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let _ = for_operations(document, |path, method, place, operation| {
        let Some(operation) = operation.as_object_mut() else { return Ok(()) };
        let stated = operation.remove("x-name");
        let given = operation.text("operationId").map(str::trim).filter(|id| !id.is_empty());
        if let Some(stated) = stated.as_ref().and_then(Value::as_str) {
            let what = format!("called `{stated}`: `x-name`");
            report.add("make_operation_ids_unique", place, what);
            report.notes.operation_ids.insert(stated.to_owned(), given.unwrap_or(stated).to_owned());
            operation.put("operationId", stated);
            return Ok(());
        }
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
            if let Some(given) = given {
                report.notes.operation_ids.insert(candidate.clone(), given.to_owned());
            }
            let why = if given.is_none() { "it has no `operationId`" } else { "the name is taken" };
            let what = format!("called `{}`: {why}", parameter_name(&candidate));
            report.add("make_operation_ids_unique", place, what);
        }
        operation.put("operationId", candidate);
        Ok(())
    });
}

/// Adds missing `responses`, and leaves out operations that aren't objects. The generator rejects both. A
/// document without an operation is an error.
///
/// `get: {operationId: x}` -> `get: {operationId: x, responses: {}}`
pub fn add_missing_responses(document: &mut Value, report: &mut Report) -> Result<(), String> {
    report.left_out.extend(leave_out(document, "it is no object", |_, _, operation| !operation.is_object()));
    each_operation(document, |place, operation| {
        if operation.object("responses").is_none() {
            operation.put("responses", json!({}));
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
        let id = operation.string("operationId");
        let says_empty = operation.says("x-empty-response");
        let Some(responses) = operation.object_mut("responses") else { return };
        let described = |response: &Value| response.text("description").unwrap_or_default().trim().to_owned();
        let statuses = responses.iter().map(|(status, response)| (status.clone(), described(response)));
        report.notes.statuses.insert(id.clone(), statuses.collect());
        let has_body =
            |status: &str| responses[status].get("content").is_some_and(|content| content != &json!({}));
        let mut beside: Vec<String> =
            responses.keys().filter(|status| status.starts_with('2')).cloned().collect();
        let first_with_body = beside.iter().position(|status| has_body(status)).unwrap_or_default();
        let kept = (!beside.is_empty()).then(|| beside.remove(first_with_body));
        if let Some(kept) = kept.as_ref().filter(|kept| has_body(kept)) {
            let empty = says_empty || beside.iter().any(|status| !has_body(status));
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
            if empty && shapes.first().is_some_and(is_value) {
                // A range such as `2XX` is no status.
                let with_body = if says_empty { 0 } else { kept.parse().unwrap_or_default() };
                report.notes.empty_answers.insert(id, with_body);
                if !says_empty {
                    let what = format!("an answer other than {kept} may have no body: an option");
                    report.add("keep_one_success", place, what);
                }
            }
            if shapes.len() > 1 {
                report.add("keep_one_success", place, format!("a choice of {} bodies", shapes.len()));
                for (_, media) in responses[kept].object_mut("content").into_iter().flatten() {
                    media["schema"] = json!({"oneOf": shapes});
                }
            }
        }
        responses.retain(|status, _| Some(status) == kept.as_ref());
        for status in beside {
            report.add("keep_one_success", place, format!("left out the {status} answer beside another 2xx"));
        }
        // The generator accepts any status of a range such as `2XX`.
        if kept.is_none() {
            responses.put("200", json!({"description": ""}));
            report.add("keep_one_success", place, "no 2xx answer is told: any is taken, its body left alone");
        }
    });
}

/// Returns the schema of a response's JSON body.
fn json_schema(response: &Value) -> Option<&Value> {
    let types = response.object("content")?;
    types.get(json_of(types)?)?.get("schema")
}

/// Returns the content of a JSON body. A schema that isn't an object is a free-form value.
fn json_content(schema: &Value) -> Value {
    let schema = schema.as_object().cloned().unwrap_or_default();
    json!({"application/json": {"schema": schema}})
}

fn raw_content() -> Value {
    json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}})
}

/// Lists the other media types.
fn others(types: &Map<String, Value>, kept: &[&str]) -> String {
    types.keys().map(String::as_str).filter(|other| !kept.contains(other)).collect::<Vec<_>>().join(", ")
}

/// Returns whether a media type is JSON, by name or suffix: `application/json`, `application/vnd.api+json`,
/// with or without parameters.
fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// Returns the preferred one of the JSON media types.
fn json_of(types: &Map<String, Value>) -> Option<&str> {
    let mut names = types.keys().map(String::as_str);
    let plain = names.clone().find(|name| essence(name) == "application/json");
    plain.or_else(|| names.find(|name| is_json(name)))
}

/// Keeps one media type of a request, because the generator supports only one: JSON if it is offered, and beside
/// it a form that can send more, such as files. A JSON body with a file is left out if a form is offered, because
/// the file would be text in JSON. The fields of a form become a component. Other content, and a form without a
/// schema of its fields, becomes a raw body.
///
/// - `content: {application/json: A, multipart/form-data: A}` -> `content: {application/json: A}`
/// - `content: {multipart/form-data: A}` -> `content: {application/octet-stream: bytes}, x-form: AForm`
/// - `content: {text/csv: A}` -> `content: {application/octet-stream: bytes}`
pub fn keep_one_request_type(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let whole = document.clone();
    let mut forms = Forms::new(&whole);
    for_operations(document, |_, _, place, operation| {
        let id = operation.string("operationId");
        let Some(body) = operation.get_mut("requestBody").filter(|body| body.is_object()) else {
            return Ok(());
        };
        if !body.says("required") {
            report.notes.optional_bodies.insert(id.clone());
        }
        let types = match body.get("content") {
            Some(Value::Object(types)) if !types.is_empty() => types.clone(),
            Some(Value::Object(_)) | None => {
                report.add("keep_one_request_type", place, "a body of no media type: none is sent");
                report.notes.optional_bodies.remove(&id);
                operation.drop_keywords(&["requestBody"]);
                return Ok(());
            }
            Some(_) => return Err(format!("{place}: `requestBody.content` isn't an object")),
        };
        let multipart = types.keys().any(|name| name.starts_with("multipart/"));
        let json = json_of(&types).map(|name| (name, &types[name]["schema"])).filter(|(_, schema)| {
            !(holds_a_file(&whole, schema) && (multipart || is_binary(resolved(&whole, schema))))
        });
        let mut form = forms.offered(&types);
        if let (Some(offered), Some((_, schema))) = (&form, json)
            && !forms.has_more_than(schema, offered)
        {
            form = None;
        }
        let form_type = form.as_ref().map(|form| form.media_type.to_owned());
        if let Some(form) = form {
            let form = forms.add(&id, body, form);
            let form = form.map_err(|error| format!("{place}: {error}"))?;
            report.notes.forms.insert(id.clone(), form);
        }
        let (mut kept, how) = match (json, &form_type) {
            (Some((name, schema)), _) => {
                body.put("content", json_content(schema));
                // A range such as `application/*+json` is no media type.
                if name != "application/json" && !name.contains('*') {
                    report.notes.request_types.insert(id.clone(), name.to_owned());
                }
                let or_form = form_type.iter().map(|form| format!(", or {form} as a form"));
                (vec![name], format!("{name} is sent{}", or_form.collect::<String>()))
            }
            (None, Some(form)) => {
                body.put("content", raw_content());
                (vec![], format!("{form} is sent as a form"))
            }
            (None, None) => {
                body.put("content", raw_content());
                report.notes.raw_types.insert(id.clone(), types.keys().cloned().collect());
                // If several types are offered, only the caller knows the type of a raw body.
                let only = types.keys().next().filter(|_| types.len() == 1 && !multipart);
                if let Some(only) = only.filter(|only| !only.contains('*')) {
                    report.notes.request_types.insert(id, only.clone());
                }
                (vec!["application/octet-stream"], "a raw body, filled by hand".to_owned())
            }
        };
        kept.extend(form_type.as_deref());
        let others = others(&types, &kept);
        if !others.is_empty() {
            report.add("keep_one_request_type", place, format!("{how}; left out {others}"));
        }
        Ok(())
    })?;
    let (made, changes) = forms.finish();
    if let Some(schemas) = schemas_mut(document) {
        schemas.extend(made);
    }
    for (place, what) in changes {
        report.add("keep_one_request_type", place, what);
    }
    Ok(())
}

/// Keeps one media type of a response: JSON if it is offered, otherwise bytes. A schema of bytes stays
/// bytes even if the media type is JSON.
///
/// - `content: {application/vnd.api+json: A, text/html: B}` -> `content: {application/json: A}`
/// - `content: {text/csv: A}` -> `content: {application/octet-stream: bytes}`
pub fn keep_one_response_type(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    each_operation(document, |place, operation| {
        let id = operation.string("operationId");
        for response in responses(operation) {
            let Some(types) = response.object("content") else { continue };
            let Some(first) = types.keys().next() else { continue };
            let named = json_of(types).or_else(|| any_of_a_shape(&whole, types));
            let schema = named.map_or(&Value::Null, |name| &types[name]["schema"]);
            let bytes = is_binary(resolved(&whole, schema));
            let (kept, name) = match named {
                Some(name) if !bytes => (json_content(schema), name),
                _ => (raw_content(), types.keys().find(|name| !is_json(name)).unwrap_or(first).as_str()),
            };
            let accepted = match (name, bytes || named.is_none()) {
                ("application/json", _) | ("application/octet-stream" | "*/*", true) => None,
                (any, false) if any.contains('*') => Some("application/json, */*;q=0.1"),
                (other, _) => Some(other),
            };
            if let Some(accepted) = accepted {
                report.notes.answer_types.insert(id.clone(), accepted.to_owned());
            }
            let others = others(types, &[name]);
            if bytes {
                report.add("keep_one_response_type", place, format!("{name}: bytes, as they come"));
            }
            if !others.is_empty() {
                let what = format!("{name} is asked for; left out {others}");
                report.add("keep_one_response_type", place, what);
            }
            response["content"] = kept;
        }
    });
}

/// Returns `*/*` or `application/*` if its schema is an object, a list or a choice. Such a response is
/// JSON.
fn any_of_a_shape<'t>(document: &Value, types: &'t Map<String, Value>) -> Option<&'t str> {
    let has_shape = |media: &Value| {
        let schema = resolved(document, &media["schema"]);
        matches!(schema.text("type"), Some("object" | "array"))
            || schema.has_any(&["properties", "items", "oneOf", "anyOf", "allOf"])
    };
    let is_any = |name: &str| matches!(essence(name).as_str(), "*/*" | "application/*");
    types.iter().find(|(name, media)| is_any(name) && has_shape(media)).map(|(name, _)| name.as_str())
}

fn is_binary(schema: &Value) -> bool {
    schema.text("type") == Some("string") && schema.text("format") == Some("binary")
}

/// Returns whether a body's schema is a file, or has a file among its fields, to a depth of 8.
fn holds_a_file(document: &Value, schema: &Value) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![schema];
    for _ in 0..=8 {
        let mut below = Vec::new();
        for schema in open {
            if let Some(name) = only_refers(schema)
                && let Some(target) = component(document, name)
            {
                // A component has the same fields everywhere.
                if seen.insert(name) {
                    below.push(target);
                }
                continue;
            }
            // A request body has no read-only fields.
            if is_binary(schema) && !schema.says("readOnly") {
                return true;
            }
            below.extend(schema.object("properties").into_iter().flat_map(Map::values));
            below.extend(["allOf", "oneOf", "anyOf"].into_iter().flat_map(|key| schema.list(key)));
            below.extend(schema.get("items"));
        }
        open = below;
    }
    false
}
