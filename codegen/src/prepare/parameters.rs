//! Parameters that the generator rejects, and clashing names of parameters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::naming::{Names, parameter_name};
use super::walk::{entry, for_operations, only_refers, place_of, reference, resolved};
use super::{Renamed, Report};

/// Leaves out parameters that can't be sent, and completes the others. Each parameter is in the path, the
/// query or a header, has a schema, and occurs once.
///
/// - `{name: q, in: query}` -> `{name: q, in: query, schema: {type: string}}`
/// - `{name: session, in: cookie, …}` -> `{name: session, in: header, x-cookie: true, …}`
/// - `{name: Accept, in: header, …}` -> left out
pub fn make_parameters_sendable(document: &mut Value, report: &mut Report) {
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let Some(operation) = operation.as_object_mut() else { return Ok(()) };
        let in_path: Vec<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let of_path: BTreeSet<&str> = in_path.iter().copied().collect();
        let mut seen = BTreeSet::new();
        let mut note = |what: String| report.add("make_parameters_sendable", &place, what);
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.retain_mut(|parameter| {
                let Some(parameter) = parameter.as_object_mut() else { return false };
                // Only this rule writes these.
                parameter.retain(|key, _| key != "x-cookie" && key != "x-example");
                let text =
                    |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (name, holder) = (text("name"), text("in"));
                let dropped = match holder.as_str() {
                    _ if !parameter.get("name").is_some_and(Value::is_string) => Some("it has no name"),
                    "path" if !of_path.contains(name.as_str()) => Some("the path has no such part"),
                    "header"
                        if ["accept", "content-type", "authorization", "cookie"]
                            .contains(&name.to_ascii_lowercase().as_str()) =>
                    {
                        Some("the client sets this header itself")
                    }
                    "header" if !is_token(&name) => Some("it is no name of a header"),
                    "cookie" if !is_token(&name) => Some("it is no name of a cookie"),
                    "path" | "query" | "cookie" => {
                        (!seen.insert((name.clone(), holder.clone()))).then_some("it stands there twice")
                    }
                    // Names of headers are case-insensitive (RFC 9110, 5.1).
                    "header" => (!seen.insert((name.to_ascii_lowercase(), holder.clone())))
                        .then_some("it stands there twice"),
                    _ => Some("it is neither in the path nor in the query nor a header nor a cookie"),
                };
                if let Some(why) = dropped {
                    note(format!("left out the parameter `{name}`: {why}"));
                    return false;
                }
                // The generator has no cookies. They are part of a header.
                if holder == "cookie" {
                    parameter.insert("in".to_owned(), json!("header"));
                    parameter.insert("x-cookie".to_owned(), json!(true));
                }
                // `content` describes how a parameter is serialized. The caller serializes it.
                let written = parameter.remove("content").is_some();
                if !parameter.get("schema").is_some_and(Value::is_object) {
                    parameter.insert("schema".to_owned(), json!({"type": "string"}));
                    note(format!(
                        "`{name}` is text: {}",
                        if written { "it has a `content`" } else { "it has no schema" }
                    ));
                }
                if holder == "path" && parameter.get("required") != Some(&json!(true)) {
                    parameter.insert("required".to_owned(), json!(true));
                    note(format!("`{name}` is required: it is part of the path"));
                }
                // The generator rejects some examples. Documentation needs one.
                if let Some(example) = parameter.remove("example") {
                    parameter.insert("x-example".to_owned(), example);
                }
                for key in ["examples", "allowReserved", "allowEmptyValue"] {
                    parameter.remove(key);
                }
                true
            });
        }
        for name in in_path {
            if !seen.contains(&(name.to_owned(), "path".to_owned())) {
                note(format!("`{name}` of the path is text: no parameter tells of it"));
                let parameter =
                    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
                if let Some(list) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()
                {
                    list.push(parameter);
                }
            }
        }
        Ok(())
    });
}

/// Returns whether a text is a valid header name (RFC 9110, 5.6.2). An invalid one would panic when it is
/// sent.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Splits an object in a query into one parameter per property. `form` uses the property's name, and
/// `deepObject` uses `name[property]`.
///
/// `{name: filter, style: deepObject, schema: {properties: {age: A}}}` -> `{name: "filter[age]", schema: A}`
pub fn split_query_objects(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else {
            return Ok(());
        };
        for parameter in std::mem::take(parameters) {
            let schema = resolved(&whole, &parameter["schema"]);
            let properties = schema
                .get("properties")
                .and_then(Value::as_object)
                .filter(|properties| !properties.is_empty());
            let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(true);
            let style = parameter.get("style").and_then(Value::as_str).unwrap_or("form").to_owned();
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            match properties {
                Some(properties) if parameter["in"] == "query" && (style == "deepObject" || explode) => {
                    for (property, schema) in properties {
                        let full = if style == "deepObject" {
                            format!("{name}[{property}]")
                        } else {
                            property.clone()
                        };
                        parameters.push(json!({"name": full, "in": "query", "schema": schema}));
                    }
                    report.add(
                        "split_query_objects",
                        &place,
                        format!("`{name}` is {} parameters", properties.len()),
                    );
                }
                _ => parameters.push(parameter),
            }
        }
        Ok(())
    });
}

/// Makes each parameter a number, a text or, in a query, a list of these. A URL or a header can't contain
/// other types. For a list that is sent as one text, the separator is noted.
///
/// `{name: meta, schema: {type: object}}` -> `{name: meta, schema: {type: string}}`
pub fn simplify_parameters(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let kind = |schema: &Value| -> Option<&'static str> {
        let target = resolved(&whole, schema);
        let is = |one: &Value| {
            matches!(
                one.get("type").and_then(Value::as_str),
                Some("string" | "integer" | "number" | "boolean")
            )
        };
        match target.get("type").and_then(Value::as_str) {
            // A choice between text and number is written as either.
            None if target
                .get("oneOf")
                .and_then(Value::as_array)
                .is_some_and(|choices| choices.iter().all(is)) =>
            {
                Some("word")
            }
            Some("string") => Some("word"),
            Some("integer" | "number" | "boolean") => Some("number"),
            Some("array") => Some("list"),
            _ => None,
        }
    };
    let mut lists_of_words = false;
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(parameter) = parameter.as_object_mut() else { continue };
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let in_query = parameter.get("in").and_then(Value::as_str) == Some("query");
            let style = parameter.remove("style").and_then(|style| style.as_str().map(str::to_owned));
            let style = style.as_deref().unwrap_or("form");
            let explode =
                parameter.remove("explode").and_then(|explode| explode.as_bool()).unwrap_or(style == "form");
            let Some(schema) = parameter.get("schema").cloned() else { continue };
            // Own types serialize themselves.
            if only_refers(&schema).is_some_and(|own| super::OWN_TYPES.contains(&own)) {
                continue;
            }
            let plain = match kind(&schema) {
                Some("list") if in_query => {
                    let items = resolved(&whole, &schema).get("items").cloned().unwrap_or_default();
                    match kind(&items) {
                        Some("word") => {
                            lists_of_words = true;
                            Some(json!({"allOf": [reference("StringList")]}))
                        }
                        Some("number") => {
                            Some(json!({"type": "array", "items": plain_of(resolved(&whole, &items))}))
                        }
                        _ => {
                            lists_of_words = true;
                            report.add("simplify_parameters", &place, format!("`{name}` is a list of texts"));
                            Some(json!({"allOf": [reference("StringList")]}))
                        }
                    }
                }
                Some("word" | "number") => None,
                _ => {
                    report.add("simplify_parameters", &place, format!("`{name}` is text"));
                    Some(json!({"type": "string"}))
                }
            };
            if let Some(plain) = plain {
                let separator = match style {
                    "form" | "simple" if !explode => Some(","),
                    "spaceDelimited" if !explode => Some(" "),
                    "pipeDelimited" if !explode => Some("|"),
                    _ => None,
                };
                if let (Some(separator), true) = (separator, plain["type"] != "string") {
                    report.add(
                        "simplify_parameters",
                        &place,
                        format!("`{name}` is one text, joined by {separator:?}"),
                    );
                    report.notes.joined.entry(id.clone()).or_default().insert(name, separator);
                }
                parameter.insert("schema".to_owned(), plain);
            } else if let Some(object) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
                // An unset parameter isn't sent, so a parameter can't be null.
                object.remove("nullable");
            }
        }
        Ok(())
    });
    if lists_of_words && let Some(schemas) = entry(document, &["components", "schemas"]) {
        schemas.entry("StringList").or_insert_with(|| json!({"type": "array", "items": {"type": "string"}}));
    }
}

fn plain_of(schema: &Value) -> Value {
    let mut plain = Map::new();
    for key in ["type", "format"] {
        plain.extend(schema.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    Value::Object(plain)
}

/// Gives each parameter of an operation a unique setter. Two parameters can have the same Rust name (`id`
/// in path and query), and a parameter can have the name of a builder's method. The wire name is noted.
///
/// `[{name: id, in: path}, {name: id, in: query}]` -> `[{name: id, in: path}, {name: id_query, in: query}]`
pub fn make_parameter_names_unique(document: &mut Value, report: &mut Report) {
    let mut paths = Vec::new();
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        // The generator reserves `new`, `send`, `stream` and the variable that holds the headers.
        let of_body = operation.get("requestBody").map(|_| ["body", "body_map", "body_is_set", "form"]);
        let reserved =
            ["new", "send", "stream", "header_map"].into_iter().chain(of_body.into_iter().flatten());
        let mut taken: Names = reserved.map(str::to_owned).collect();
        let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else {
            return Ok(());
        };
        // Path parameters come first, because every call has them.
        parameters.sort_by_key(|parameter| parameter["in"] != "path");
        for parameter in parameters {
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if taken.take(parameter_name(&name)) {
                continue;
            }
            let holder = parameter["in"].as_str().unwrap_or_default().to_owned();
            let candidate = taken.free_after(&parameter_name(&format!("{name}_{holder}")), "_");
            report.add(
                "make_parameter_names_unique",
                &place,
                format!("`{name}` in the {holder} is set by `{candidate}`"),
            );
            parameter["name"] = json!(candidate);
            match holder.as_str() {
                "path" => paths.push((path.to_owned(), method.to_owned(), name, candidate)),
                _ => report
                    .notes
                    .parameters
                    .entry(id.clone())
                    .or_default()
                    .push(Renamed { from: candidate, wire: name }),
            }
        }
        Ok(())
    });
    // A path parameter is identified by its position, so the template may use any name.
    let Some(all) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    // Where an operation is after its earlier parameters were renamed.
    let mut moved: BTreeMap<(String, String), String> = BTreeMap::new();
    for (path, method, name, renamed) in paths {
        let now = moved.get(&(path.clone(), method.clone())).unwrap_or(&path);
        let Some(operation) = all.get_mut(now).and_then(|item| item.as_object_mut()?.remove(&method)) else {
            continue;
        };
        let other = now.replacen(&format!("{{{name}}}"), &format!("{{{renamed}}}"), 1);
        all.entry(other.clone()).or_insert_with(|| json!({}))[&method] = operation;
        moved.insert((path, method), other);
    }
}

/// Removes the inline enumeration of a parameter. It would become a type per operation, and text is
/// sufficient.
///
/// `{name: status, schema: {type: string, enum: [a, b]}}` -> `{name: status, schema: {type: string}}`
pub fn drop_parameter_enums(document: &mut Value, report: &mut Report) {
    let _ = for_operations(document, |path, method, operation| {
        let place = place_of(path, method, operation);
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else { continue };
            let of_items = schema
                .get_mut("items")
                .and_then(Value::as_object_mut)
                .is_some_and(|items| items.remove("enum").is_some());
            if schema.remove("enum").is_some() || of_items {
                let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
                report.add("drop_parameter_enums", &place, format!("parameter {name} is plain"));
            }
        }
        Ok(())
    });
}

/// Changes the keys that the values of `expand` name to `Expandable`. The server sends the id, or the
/// object if the request asks for it.
///
/// `?expand=owner`, `owner: {type: integer}` -> `owner: {allOf: [Expandable]}`
pub fn mark_expandable_keys(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let mut expandable: Vec<(String, String)> = Vec::new();
    for (_, _, operation) in super::walk::operations(&whole) {
        let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let named = parameters.filter(|parameter| parameter["name"] == "expand").find_map(|parameter| {
            let schema = resolved(&whole, &parameter["schema"]);
            schema.get("enum").or_else(|| resolved(&whole, schema.get("items")?).get("enum"))?.as_array()
        });
        let Some(named) = named else { continue };
        let responses = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
        let components: Vec<String> = responses
            .filter(|(status, _)| status.starts_with('2'))
            .flat_map(|(_, response)| super::walk::references(response))
            .collect();
        for component in components {
            let page = whole.pointer("/components/schemas").and_then(|schemas| schemas.get(&component));
            let item = page.and_then(|page| page.pointer("/properties/results/items")).and_then(only_refers);
            let component = item.map_or(component.clone(), str::to_owned);
            expandable.extend(
                named.iter().filter_map(Value::as_str).map(|name| (component.clone(), name.to_owned())),
            );
        }
    }
    let Some(schemas) = entry(document, &["components", "schemas"]) else { return };
    for (component, property) in expandable {
        let place = format!("{component}.{property}");
        let Some(schema) =
            schemas.get_mut(&component).and_then(|schema| schema.get_mut("properties")?.get_mut(&property))
        else {
            continue;
        };
        if matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "string")) {
            let mut related = json!({"allOf": [reference("Expandable")]});
            for key in ["nullable", "readOnly", "description"] {
                if let Some(value) = schema.get(key) {
                    related[key] = value.clone();
                }
            }
            *schema = related;
            report.add("mark_expandable_keys", place, "an id, or the object where it is asked for");
        }
    }
}
