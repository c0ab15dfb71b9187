//! Values: free-form ones, times, links, unknown fields, constraints and defaults.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Report;
use super::keywords::Keywords;
use super::walk::{each_schema, only_refers, reachable_from, reference, schemas_mut};

/// Own types that can hold null, so that a field of a response needs no `Option`.
pub const HOLD_NULL: [&str; 2] = ["Json", "Expandable"];

/// Changes a schema without a shape to `Json`, which keeps its text and decodes it on access. An object
/// without fields becomes `Json`, too, because the generator's type rejects the first field that a server
/// adds.
///
/// `{type: object}` -> `{allOf: [Json]}`
pub fn free_form_to_json(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let shapeless_object = object.text("type") == Some("object")
            && object.object("properties").is_none_or(Map::is_empty)
            && object.get("additionalProperties").is_none_or(|more| more == &json!({}) || more.is_boolean());
        let shapeless = !object.has_any(&["type", "$ref", "allOf", "oneOf", "anyOf", "enum"]);
        let combined = object.has_any(&["allOf", "oneOf", "anyOf", "$ref"]);
        if place != "Json" && (shapeless || (shapeless_object && !combined)) {
            // `Json` can hold null.
            object.keep(&["description", "readOnly", "writeOnly"]);
            object.put("allOf", json!([reference("Json")]));
            report.add("free_form_to_json", place, "a free-form value: `Json`");
        }
    });
}

/// Changes the links of a page to `FileUrl`, which hides the query: they repeat the query of the request.
///
/// `{results: …, next: {type: string}}` -> `{results: …, next: {allOf: [FileUrl]}}`
pub fn page_links_to_file_url(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(properties) = object.object_mut("properties") else { return };
        if !properties.contains_key("results") {
            return;
        }
        for link in ["next", "previous"] {
            let Some(property) = properties.object_mut(link) else { continue };
            if property.text("type") == Some("string") {
                property.drop_keywords(&["type", "format"]);
                property.put("allOf", json!([reference("FileUrl")]));
                report.add("page_links_to_file_url", format!("{place}.{link}"), "shown without its query");
            }
        }
    });
}

/// Changes a URL to `FileUrl`, which hides the query: a URL may be signed.
///
/// `{type: string, format: uri}` -> `{allOf: [FileUrl]}`
pub fn links_to_file_url(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let text = object.text("type") == Some("string") && object.get("enum").is_none();
        let link = matches!(object.text("format"), Some("uri" | "url" | "uri-reference"));
        // A parameter accepts any text.
        if text && link && !place.contains(' ') && place != "FileUrl" {
            object.drop_keywords(&["type", "format", "example"]);
            object.put("allOf", json!([reference("FileUrl")]));
            report.add("links_to_file_url", place, "shown without its query");
        }
    });
}

/// Lets an object have unknown fields, because servers add fields. They are kept unchanged in `extra`.
///
/// `{properties: P}` -> `{properties: P, additionalProperties: Json}`
pub fn keep_unknown_fields(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let open = match object.get("additionalProperties") {
            None | Some(Value::Bool(_)) => true,
            Some(more) => *more == json!({}),
        };
        if open && object.object("properties").is_some() && !object.contains_key("allOf") {
            object.put("additionalProperties", reference("Json"));
            report.add("keep_unknown_fields", place, "unknown fields are kept");
        }
    });
}

/// Changes a date-time to `Timestamp`, which keeps its text and parses it on access. Other formats become
/// plain text. An invalid time, such as one without an offset or an empty one, must not fail a response.
///
/// - `{type: string, format: date-time}` -> `{allOf: [Timestamp]}`
/// - `{type: string, format: uuid}` -> `{type: string}`
pub fn keep_times_as_text(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        if place == "Timestamp" || object.text("type") != Some("string") {
            return;
        }
        match object.text("format") {
            Some("date-time") => {
                object.drop_keywords(&["type", "format", "example"]);
                object.put("allOf", json!([reference("Timestamp")]));
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

/// Removes required fields that no property describes, because a response without them would fail. Their
/// values are kept as unknown fields.
///
/// `{required: [a, b], properties: {a: A}}` -> `{required: [a], properties: {a: A}}`
pub fn drop_undescribed_required(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let Some(properties) = object.object("properties") else { return };
        let known: BTreeSet<String> = properties.keys().cloned().collect();
        // In a composition, another part may describe it.
        if object.contains_key("allOf") {
            return;
        }
        let Some(required) = object.list_mut("required") else { return };
        let is_known = |name: &Value| name.as_str().is_some_and(|name| known.contains(name));
        for name in required.extract_if(.., |name| !is_known(name)) {
            let what = format!("`{}` is required and no property", name.as_str().unwrap_or_default());
            report.add("drop_undescribed_required", place, what);
        }
    });
}

/// Removes formats that narrow a number. All ids have the same type, and an `f32` drops the last digits of
/// a coordinate.
///
/// `{type: integer, format: int32}` -> `{type: integer}`
pub fn widen_numbers(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let kept = match object.text("type") {
            Some("integer") => ["int64", "uint64"],
            Some("number") => ["double", "double"],
            _ => return,
        };
        if let Some(format) = object.text("format").filter(|format| !kept.contains(format)) {
            report.add("widen_numbers", place, format!("left out `format: {format}`"));
            object.remove("format");
        }
    });
}

/// Removes the format of a list, an object or a boolean. It has no meaning, and the generator panics on it.
///
/// `{type: boolean, format: x}` -> `{type: boolean}`
pub fn drop_inapplicable_formats(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        if matches!(object.text("type"), Some("string" | "integer" | "number")) {
            return;
        }
        if let Some(Value::String(format)) = object.remove("format") {
            report.add("drop_inapplicable_formats", place, format!("left out `format: {format}`"));
        }
    });
}

/// Constraints that the server checks.
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

/// Removes lengths, patterns and bounds. Responses would be checked too, and one long name would fail a
/// whole page. Removes titles, which would name types. (Length limits of texts in requests are saved
/// before.)
///
/// `{type: string, title: Name, maxLength: 3, pattern: x}` -> `{type: string}`
pub fn drop_constraints(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        for constraint in CONSTRAINTS.into_iter().chain(["title"]) {
            if object.remove(constraint).is_some() {
                report.add("drop_constraints", place, format!("left out `{constraint}`"));
            }
        }
    });
}

/// Removes defaults. A request would send them although the caller didn't set them, and the generator
/// panics on a default of another type.
///
/// `{type: boolean, default: false}` -> `{type: boolean}`
pub fn drop_defaults(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        if object.remove("default").is_some() {
            report.add("drop_defaults", place, "left out `default`");
        }
    });
}

/// Gives fields of type `Json` and `Expandable` in responses a default. Both can hold null, so the field
/// needs no `Option` (`model.metrics["accuracy"]`). In a request the field stays optional, because unset
/// fields aren't sent.
///
/// `metrics: {allOf: [Json], nullable: true}` -> `metrics: {allOf: [Json], default: {}}`
pub fn default_own_types_to_null(document: &mut Value, report: &mut Report) {
    let requested = reachable_from(document, "requestBody");
    let schemas = schemas_mut(document).into_iter().flatten();
    for (name, schema) in schemas.filter(|(name, _)| !requested.contains(*name)) {
        for (property, value) in schema.object_mut("properties").into_iter().flatten() {
            let Some(own) = only_refers(value).filter(|own| HOLD_NULL.contains(own)) else { continue };
            let mut holder = json!({"allOf": [reference(own)], "default": {}});
            holder.copy(value, &["description"]);
            *value = holder;
            let what = "always there, null where the server gives none";
            report.add("default_own_types_to_null", format!("{name}.{property}"), what);
        }
    }
}
