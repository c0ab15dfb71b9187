//! Parameters that the generator rejects, and clashing names of parameters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::corrections::{NAMES, check_parameters};
use super::field_marks::{MARKS, SECRET};
use super::keywords::Keywords;
use super::naming::{Names, parameter_name};
use super::walk::{
    component as component_of, each_operation, for_operations, only_refers, operations, parameters,
    reference, references, required, resolved, schemas_mut,
};
use super::{Renamed, Report};

/// The headers that the client sets itself.
const OWN_HEADERS: [&str; 4] = ["accept", "content-type", "authorization", "cookie"];

/// Leaves out parameters that can't be sent, and completes the others. Each parameter is in the path, the
/// query or a header, has a schema, and occurs once.
///
/// - `{name: q, in: query}` -> `{name: q, in: query, schema: {type: string}}`
/// - `{name: session, in: cookie, …}` -> `{name: session, in: header, x-cookie: true, …}`
/// - `{name: Accept, in: header, …}` -> left out
pub fn make_parameters_sendable(document: &mut Value, report: &mut Report) {
    let _ = for_operations(document, |path, _, place, operation| {
        let Some(operation) = operation.as_object_mut() else { return Ok(()) };
        let in_path: Vec<&str> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let of_path: BTreeSet<&str> = in_path.iter().copied().collect();
        let mut seen = BTreeSet::new();
        let mut note = |what: String| report.add("make_parameters_sendable", place, what);
        if let Some(parameters) = operation.list_mut("parameters") {
            parameters.retain_mut(|parameter| {
                let Some(parameter) = parameter.as_object_mut() else { return false };
                // Only this rule writes these.
                parameter.drop_keywords(&["x-cookie", "x-example"]);
                let (name, holder) = (parameter.string("name"), parameter.string("in"));
                // Names of headers are case-insensitive (RFC 9110, 5.1).
                let one = if holder == "header" { name.to_ascii_lowercase() } else { name.clone() };
                let dropped = match holder.as_str() {
                    _ if parameter.text("name").is_none() => Some("it has no name"),
                    "path" if !of_path.contains(name.as_str()) => Some("the path has no such part"),
                    "header" if OWN_HEADERS.contains(&one.as_str()) => {
                        Some("the client sets this header itself")
                    }
                    "header" if !is_token(&name) => Some("it is no name of a header"),
                    "cookie" if !is_token(&name) => Some("it is no name of a cookie"),
                    "path" | "query" | "cookie" | "header" => {
                        (!seen.insert((one, holder.clone()))).then_some("it stands there twice")
                    }
                    _ => Some("it is neither in the path nor in the query nor a header nor a cookie"),
                };
                if let Some(why) = dropped {
                    note(format!("left out the parameter `{name}`: {why}"));
                    return false;
                }
                // The generator has no cookies. They are part of a header.
                if holder == "cookie" {
                    parameter.put("in", "header");
                    parameter.put("x-cookie", true);
                }
                // `content` describes how a parameter is serialized. The caller serializes it.
                let written = parameter.remove("content").is_some();
                if parameter.object("schema").is_none() {
                    parameter.put("schema", json!({"type": "string"}));
                    let why = if written { "it has a `content`" } else { "it has no schema" };
                    note(format!("`{name}` is text: {why}"));
                }
                if holder == "path" && !parameter.says("required") {
                    parameter.put("required", true);
                    note(format!("`{name}` is required: it is part of the path"));
                }
                // The generator rejects some examples. Documentation needs one.
                if let Some(example) = parameter.remove("example") {
                    parameter.put("x-example", example);
                }
                parameter.drop_keywords(&["examples", "allowReserved", "allowEmptyValue"]);
                true
            });
        }
        for name in in_path {
            if !seen.contains(&(name.to_owned(), "path".to_owned())) {
                note(format!("`{name}` of the path is text: no parameter tells of it"));
                let parameter =
                    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
                operation.list_or_new("parameters").into_iter().for_each(|list| list.push(parameter.clone()));
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
    each_operation(document, |place, operation| {
        let Some(parameters) = operation.list_mut("parameters") else { return };
        for parameter in std::mem::take(parameters) {
            let object = resolved(&whole, &parameter["schema"]);
            let properties = object.object("properties");
            let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(true);
            let is_deep = parameter.text("style") == Some("deepObject");
            let is_split = parameter["in"] == "query" && (is_deep || explode);
            match properties.filter(|properties| is_split && !properties.is_empty()) {
                Some(properties) => {
                    let name = parameter.string("name");
                    let required: BTreeSet<&str> =
                        required(object).filter(|_| parameter.says("required")).collect();
                    for (property, schema) in properties {
                        let full = if is_deep { format!("{name}[{property}]") } else { property.clone() };
                        let mut part = json!({"name": full, "in": "query", "schema": schema});
                        let stated = object.object(NAMES).and_then(|names| names.get(property));
                        stated.into_iter().for_each(|name| part.put("x-name", name.clone()));
                        let marks = object.object(MARKS).and_then(|marks| marks.get(property));
                        marks.into_iter().for_each(|marks| part.copy(marks, &[SECRET]));
                        part.put("required", required.contains(property.as_str()));
                        part.copy(&parameter, &["description"]);
                        part.copy(schema, &["description"]);
                        parameters.push(part);
                    }
                    let what = format!("`{name}` is {} parameters", properties.len());
                    report.add("split_query_objects", place, what);
                }
                None => parameters.push(parameter),
            }
        }
    });
}

/// Makes each parameter a number, a text or, in a query, a list of these. A URL or a header can't contain
/// other types. For a list that is sent as one text, the separator is noted.
///
/// `{name: meta, schema: {type: object}}` -> `{name: meta, schema: {type: string}}`
pub fn simplify_parameters(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let kind = |schema: &Value| {
        let target = resolved(&whole, schema);
        let is_plain =
            |one: &Value| matches!(one.text("type"), Some("string" | "integer" | "number" | "boolean"));
        match target.text("type") {
            // A choice between text and number is written as either.
            None if target.get("oneOf").is_some_and(Value::is_array)
                && target.list("oneOf").iter().all(is_plain) =>
            {
                Some("word")
            }
            Some("string") => Some("word"),
            Some("integer" | "number" | "boolean") => Some("number"),
            Some("array") => Some("list"),
            _ => None,
        }
    };
    let texts = json!({"allOf": [reference("StringList")]});
    let mut lists_of_words = false;
    each_operation(document, |place, operation| {
        let id = operation.string("operationId");
        for parameter in parameters(operation) {
            let name = parameter.string("name");
            let style = parameter.remove("style").and_then(|style| style.as_str().map(str::to_owned));
            let style = style.as_deref().unwrap_or("form");
            let explode = parameter.remove("explode").and_then(|explode| explode.as_bool());
            let explode = explode.unwrap_or(style == "form");
            let Some(schema) = parameter.get("schema").cloned() else { continue };
            // Own types serialize themselves.
            if only_refers(&schema).is_some_and(|own| super::OWN_TYPES.contains(&own)) {
                continue;
            }
            let plain = match kind(&schema) {
                Some("list") if parameter.text("in") == Some("query") => {
                    let items = &resolved(&whole, &schema)["items"];
                    let item = kind(items);
                    if !matches!(item, Some("word" | "number")) {
                        report.add("simplify_parameters", place, format!("`{name}` is a list of texts"));
                    }
                    match item {
                        Some("number") => {
                            let mut number = json!({});
                            number.copy(resolved(&whole, items), &["type", "format"]);
                            json!({"type": "array", "items": number})
                        }
                        _ => {
                            lists_of_words = true;
                            texts.clone()
                        }
                    }
                }
                Some("word" | "number") => {
                    // An unset parameter isn't sent, so a parameter can't be null.
                    parameter.object_mut("schema").and_then(|schema| schema.remove("nullable"));
                    continue;
                }
                _ => {
                    report.add("simplify_parameters", place, format!("`{name}` is text"));
                    json!({"type": "string"})
                }
            };
            let separator = match style {
                "form" | "simple" => Some(","),
                "spaceDelimited" => Some(" "),
                "pipeDelimited" => Some("|"),
                _ => None,
            };
            if let Some(separator) = separator.filter(|_| !explode && plain["type"] != "string") {
                let what = format!("`{name}` is one text, joined by {separator:?}");
                report.add("join_lists", place, what);
                report.notes.joined.entry(id.clone()).or_default().insert(name, separator);
            }
            parameter.put("schema", plain);
        }
    });
    if lists_of_words && let Some(schemas) = schemas_mut(document) {
        schemas.entry("StringList").or_insert_with(|| json!({"type": "array", "items": {"type": "string"}}));
    }
}

/// Gives each parameter of an operation a unique setter. Two parameters can have the same Rust name (`id`
/// in path and query), and a parameter can have the name of a builder's method. `x-name` states another name.
/// The wire name is noted.
///
/// `[{name: id, in: path}, {name: id, in: query}]` -> `[{name: id, in: path}, {name: id_query, in: query}]`
pub fn make_parameter_names_unique(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let mut paths = Vec::new();
    for_operations(document, |path, method, place, operation| {
        let id = operation.string("operationId");
        // The generator reserves `new`, `send`, `stream` and the variable that holds the headers.
        let of_body = operation.get("requestBody").map(|_| ["body", "body_map", "body_is_set", "form"]);
        let reserved =
            ["new", "send", "stream", "header_map"].into_iter().chain(of_body.into_iter().flatten());
        let reserved = Vec::from_iter(reserved);
        check_parameters(operation.list("parameters"), &reserved).map_err(|why| format!("{place}: {why}"))?;
        let stated = operation.list("parameters").iter().filter_map(|parameter| parameter.text("x-name"));
        let mut taken: Names = stated.chain(reserved).map(str::to_owned).collect();
        let Some(parameters) = operation.list_mut("parameters") else { return Ok(()) };
        // Path parameters come first, because every call has them.
        parameters.sort_by_key(|parameter| parameter["in"] != "path");
        for parameter in parameters {
            let name = parameter.string("name");
            let holder = parameter.string("in");
            let stated = parameter.as_object_mut().and_then(|parameter| parameter.remove("x-name"));
            let candidate = match stated.as_ref().and_then(Value::as_str) {
                Some(stated) if stated == name => continue,
                Some(stated) => stated.to_owned(),
                None if taken.take(parameter_name(&name)) => continue,
                None => taken.free_after(&parameter_name(&format!("{name}_{holder}")), "_"),
            };
            let what = format!("`{name}` in the {holder} is set by `{candidate}`");
            report.add("make_parameter_names_unique", place, what);
            parameter["name"] = json!(candidate);
            match holder.as_str() {
                "path" => paths.push((path.to_owned(), method.to_owned(), name, candidate)),
                _ => {
                    let renamed = Renamed { from: candidate, wire: name };
                    report.notes.parameters.entry(id.clone()).or_default().push(renamed);
                }
            }
        }
        Ok(())
    })?;
    // A path parameter is identified by its position, so the template may use any name.
    let Some(all) = document.object_mut("paths") else { return Ok(()) };
    // Where an operation is after its earlier parameters were renamed.
    let mut moved: BTreeMap<(String, String), String> = BTreeMap::new();
    for (path, method, name, mut renamed) in paths {
        let now = moved.get(&(path.clone(), method.clone())).unwrap_or(&path);
        let operation = all.object_mut(now).and_then(|item| item.remove(&method));
        let Some(mut operation) = operation else { continue };
        let other = loop {
            let other = now.replace(&format!("{{{name}}}"), &format!("{{{renamed}}}"));
            if all.get(&other).is_none_or(|item| item.get(&method).is_none()) {
                break other;
            }
            // Another operation is there. The setter's name doesn't change.
            let longer = format!("{renamed}_");
            for parameter in operation.list_mut("parameters").into_iter().flatten() {
                if parameter["in"] == "path" && parameter["name"] == *renamed {
                    parameter["name"] = json!(longer);
                }
            }
            renamed = longer;
        };
        all.entry(other.clone()).or_insert_with(|| json!({}))[&method] = operation;
        moved.insert((path, method), other);
    }
    Ok(())
}

/// Removes the inline enumeration of a parameter. It would become a type per operation, and text is
/// sufficient.
///
/// `{name: status, schema: {type: string, enum: [a, b]}}` -> `{name: status, schema: {type: string}}`
pub fn drop_parameter_enums(document: &mut Value, report: &mut Report) {
    each_operation(document, |place, operation| {
        for parameter in parameters(operation) {
            let Some(schema) = parameter.object_mut("schema") else { continue };
            let of_items = schema.object_mut("items").and_then(|items| items.remove("enum"));
            if schema.remove("enum").or(of_items).is_some() {
                let name = parameter.string("name");
                report.add("drop_parameter_enums", place, format!("parameter {name} is plain"));
            }
        }
    });
}

/// Changes the keys that the values of `expand` name to `Expandable`. The server sends the id, or the
/// object if the request asks for it.
///
/// `?expand=owner`, `owner: {type: integer}` -> `owner: {allOf: [Expandable]}`
pub fn mark_expandable_keys(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let mut expandable: Vec<(String, String)> = Vec::new();
    for (_, _, operation) in operations(&whole) {
        let mut parameters = operation.list("parameters").iter();
        let named = parameters.find_map(|parameter| {
            let schema = resolved(&whole, parameter.get("schema").filter(|_| parameter["name"] == "expand")?);
            schema.get("enum").or_else(|| resolved(&whole, schema.get("items")?).get("enum"))?.as_array()
        });
        let responses = operation.object("responses").into_iter().flatten();
        let successes = responses.filter(|(status, _)| status.starts_with('2'));
        for component in successes.flat_map(|(_, response)| references(response)) {
            let item = component_of(&whole, &component)
                .and_then(|page| only_refers(page.pointer("/properties/results/items")?));
            let component = item.unwrap_or(&component);
            let names = named.into_iter().flatten().filter_map(Value::as_str);
            expandable.extend(names.map(|name| (component.to_owned(), name.to_owned())));
        }
    }
    let Some(schemas) = schemas_mut(document) else { return };
    for (component, property) in expandable {
        let place = format!("{component}.{property}");
        let properties = schemas.get_mut(&component).and_then(|schema| schema.object_mut("properties"));
        let Some(schema) = properties.and_then(|all| all.get_mut(&property)) else { continue };
        if matches!(schema.text("type"), Some("integer" | "string")) {
            let mut related = json!({"allOf": [reference("Expandable")]});
            related.copy(schema, &["nullable", "readOnly", "description"]);
            *schema = related;
            report.add("mark_expandable_keys", place, "an id, or the object where it is asked for");
        }
    }
}
