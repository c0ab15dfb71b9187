//! What values may be: free-form ones, times, links, unknown fields, constraints, defaults, enumerations'
//! texts.

use serde_json::{Map, Value, json};

use super::Report;
use super::walk::{for_schemas, only_refers, reachable_from_requests, reference, schemas_mut};

/// Own types that hold a null themselves, so that an answer's field of such a type needs no `Option`.
pub const HOLD_NULL: [&str; 2] = ["Json", "Expandable"];

/// Makes a schema without a shape a `Json`: its text is kept, and decoded when looked at. An object that can
/// have no fields is one too: the generator's type refuses the first field that a server adds.
///
/// `{type: object}` -> `{allOf: [Json]}`
pub fn free_form_to_json(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        if place == "Json" {
            return;
        }
        let Some(object) = schema.as_object_mut() else { return };
        let shapeless_object = object.get("type").and_then(Value::as_str) == Some("object")
            && object.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty)
            && object.get("additionalProperties").is_none_or(|more| more == &json!({}) || more.is_boolean());
        let shapeless =
            !["type", "$ref", "allOf", "oneOf", "anyOf", "enum"].iter().any(|key| object.contains_key(*key));
        let combined = ["allOf", "oneOf", "anyOf", "$ref"].iter().any(|key| object.contains_key(*key));
        if shapeless || (shapeless_object && !combined) {
            // `Json` holds a null itself.
            object.retain(|key, _| ["description", "readOnly", "writeOnly"].contains(&key.as_str()));
            object.insert("allOf".to_owned(), json!([reference("Json")]));
            report.add("free_form_to_json", place, "a free-form value: `Json`");
        }
    });
}

/// Makes the links of a page `FileUrl`s, which aren't shown whole: they repeat the query of the request.
///
/// `{results: …, next: {type: string}}` -> `{results: …, next: {allOf: [FileUrl]}}`
pub fn page_links_to_file_url(document: &mut Value, report: &mut Report) {
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
                property.insert("allOf".to_owned(), json!([reference("FileUrl")]));
                report.add("page_links_to_file_url", format!("{place}.{link}"), "shown without its query");
            }
        }
    });
}

/// Makes a URL a `FileUrl`, which isn't shown whole: a URL can be signed.
///
/// `{type: string, format: uri}` -> `{allOf: [FileUrl]}`
pub fn links_to_file_url(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let text =
            object.get("type").and_then(Value::as_str) == Some("string") && object.get("enum").is_none();
        let link =
            matches!(object.get("format").and_then(Value::as_str), Some("uri" | "url" | "uri-reference"));
        // A parameter is given as any text.
        if text && link && !place.contains(' ') && place != "FileUrl" {
            for key in ["type", "format", "example"] {
                object.remove(key);
            }
            object.insert("allOf".to_owned(), json!([reference("FileUrl")]));
            report.add("links_to_file_url", place, "shown without its query");
        }
    });
}

/// Lets an object have fields that the document doesn't name, since servers grow: they are kept in `extra`,
/// as they came.
///
/// `{properties: P}` -> `{properties: P, additionalProperties: Json}`
pub fn keep_unknown_fields(document: &mut Value, report: &mut Report) {
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
            object.insert("additionalProperties".to_owned(), reference("Json"));
            report.add("keep_unknown_fields", place, "unknown fields are kept");
        }
    });
}

/// Makes a date-time a `Timestamp`, which keeps its text until it is asked for, and other formats plain text:
/// a time without an offset, or an empty one, must not fail a response.
///
/// - `{type: string, format: date-time}` -> `{allOf: [Timestamp]}`
/// - `{type: string, format: uuid}` -> `{type: string}`
pub fn keep_times_as_text(document: &mut Value, report: &mut Report) {
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
                object.insert("allOf".to_owned(), json!([reference("Timestamp")]));
                report.add("keep_times_as_text", place, "a time, kept as text until asked for");
            }
            Some("binary") | None => {}
            Some(_) => {
                object.remove("format");
                report.add("keep_times_as_text", place, "kept as text");
            }
        }
    });
}

/// Drops a required field that no property describes: a response without it would fail. What comes is kept
/// among the unknown fields.
///
/// `{required: [a, b], properties: {a: A}}` -> `{required: [a], properties: {a: A}}`
pub fn drop_undescribed_required(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
        let known: Vec<String> = properties.keys().cloned().collect();
        // In a composition another part may have it.
        if object.contains_key("allOf") {
            return;
        }
        let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) else { return };
        required.retain(|name| {
            let kept = known.iter().any(|known| name == known);
            if !kept {
                report.add(
                    "drop_undescribed_required",
                    place,
                    format!("`{}` is required and no property", name.as_str().unwrap_or_default()),
                );
            }
            kept
        });
    });
}

/// Drops formats that narrow a number: an id has one type wherever it comes from, and an `f32` loses the last
/// digits of a coordinate.
///
/// `{type: integer, format: int32}` -> `{type: integer}`
pub fn widen_numbers(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let kept = match object.get("type").and_then(Value::as_str) {
            Some("integer") => ["int64", "uint64"],
            Some("number") => ["double", "double"],
            _ => return,
        };
        if let Some(format) =
            object.get("format").and_then(Value::as_str).filter(|format| !kept.contains(format))
        {
            report.add("widen_numbers", place, format!("left out `format: {format}`"));
            object.remove("format");
        }
    });
}

/// Drops the format of a list, an object or a flag: it says nothing of the type, and the generator panics on
/// it.
///
/// `{type: boolean, format: x}` -> `{type: boolean}`
pub fn drop_inapplicable_formats(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if matches!(object.get("type").and_then(Value::as_str), Some("string" | "integer" | "number")) {
            return;
        }
        if let Some(Value::String(format)) = object.remove("format") {
            report.add("drop_inapplicable_formats", place, format!("left out `format: {format}`"));
        }
    });
}

/// What the server checks of a value.
pub const CONSTRAINTS: [&str; 13] = [
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
    "minProperties",
    "maxProperties",
];

/// Drops lengths, patterns and bounds: a response would be checked too, and one long name would lose a whole
/// page. Drops titles, which would name types. (Lengths of texts in requests are saved before.)
///
/// `{type: string, title: Name, maxLength: 3, pattern: x}` -> `{type: string}`
pub fn drop_constraints(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        for constraint in CONSTRAINTS.into_iter().chain(["title"]) {
            if object.remove(constraint).is_some() {
                report.add("drop_constraints", place, format!("left out `{constraint}`"));
            }
        }
    });
}

/// Drops defaults: a request would send them though nobody set them, and the generator panics on one of
/// another type.
///
/// `{type: boolean, default: false}` -> `{type: boolean}`
pub fn drop_defaults(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        if schema.as_object_mut().is_some_and(|object| object.remove("default").is_some()) {
            report.add("drop_defaults", place, "left out `default`");
        }
    });
}

/// Gives fields of `Json` and `Expandable` in responses a default: both hold a null themselves, so that the
/// field needs no `Option` (`model.metrics["accuracy"]`). In a request the field stays optional: what isn't
/// set isn't sent.
///
/// `metrics: {allOf: [Json], nullable: true}` -> `metrics: {allOf: [Json], default: {}}`
pub fn default_own_types_to_null(document: &mut Value, report: &mut Report) {
    let requested = reachable_from_requests(document);
    for (name, schema) in
        schemas_mut(document).into_iter().flatten().filter(|(name, _)| !requested.contains(*name))
    {
        for (property, value) in
            schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
        {
            let Some(own) = only_refers(value).filter(|own| HOLD_NULL.contains(own)) else { continue };
            let mut holder = json!({"allOf": [reference(own)], "default": {}});
            if let Some(description) = value.get("description") {
                holder["description"] = description.clone();
            }
            *value = holder;
            report.add(
                "default_own_types_to_null",
                format!("{name}.{property}"),
                "always there, null where the server gives none",
            );
        }
    }
}
