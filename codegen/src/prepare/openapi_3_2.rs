//! What only OpenAPI 3.2 has. Everything else of it is metadata, or means the same as in 3.1.

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::{each_operation, each_schema, leave_out, place_of, responses};
use super::{LeftOut, Report};

/// Returns the operations that only 3.2 has, as path, method and object: `query`, and those of
/// `additionalOperations`.
pub fn new_operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document.object("paths").into_iter().flatten();
    paths.filter(|(path, _)| !path.starts_with("x-")).flat_map(|(path, item)| {
        let query = item.get("query").map(|operation| ("query", operation));
        let more = item.object("additionalOperations").into_iter().flatten();
        let all = query.into_iter().chain(more.map(|(method, operation)| (method.as_str(), operation)));
        let all = all.filter(|(_, operation)| operation.is_object());
        all.map(move |(method, operation)| (path.as_str(), method, operation))
    })
}

/// Makes references to the document's own URL local ones.
///
/// `$self: https://a/b`, `$ref: "https://a/b#/components/schemas/X"` -> `$ref: "#/components/schemas/X"`
pub fn localize_own_references(document: &mut Value) {
    fn localize(value: &mut Value, own: &str) {
        match value {
            Value::Object(object) => {
                for (key, child) in object {
                    match child {
                        Value::String(text) if key == "$ref" => {
                            if let Some(local) = text.strip_prefix(own).filter(|rest| rest.starts_with('#')) {
                                *text = local.to_owned();
                            }
                        }
                        child => localize(child, own),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| localize(item, own)),
            _ => {}
        }
    }
    if let Some(own) = document.text("$self").filter(|own| !own.is_empty()).map(str::to_owned) {
        localize(document, own.trim_end_matches('#'));
    }
}

/// Leaves out operations that need what only 3.2 has: a method beside the eight of 3.1, or a parameter that is the
/// whole query.
///
/// `query: {operationId: search}` -> left out
pub fn leave_out_new_operations(document: &mut Value, report: &mut Report) {
    let new = new_operations(document).map(|(path, method, operation)| LeftOut {
        operation: place_of(path, method, operation),
        why: format!("the method `{}` isn't supported: use `client.request`", method.to_uppercase()),
    });
    report.left_out.extend(new);
    for (_, item) in document.object_mut("paths").into_iter().flatten() {
        item.drop_keywords(&["query", "additionalOperations"]);
    }
    let why = "a parameter in `querystring` isn't supported: use `client.request`";
    let is_whole_query = |parameter: &Value| parameter.text("in") == Some("querystring");
    report.left_out.extend(leave_out(document, why, |_, _, operation| {
        operation.list("parameters").iter().any(is_whole_query)
    }));
}

/// Reports that the items of a stream, and values without a known tag, have no type of their own.
///
/// - `{itemSchema: A}` -> `{}`: bytes, or free-form JSON
/// - `discriminator: {propertyName: kind, defaultMapping: A}` -> `{propertyName: kind}`
pub fn drop_untyped_parts(document: &mut Value, report: &mut Report) {
    each_operation(document, |place, operation| {
        let mut found = 0;
        let mut drop_items = |holder: &mut Value| {
            for media in holder.object_mut("content").into_iter().flat_map(Map::values_mut) {
                found += usize::from(media.has_any(&["itemSchema"]));
                media.drop_keywords(&["itemSchema", "itemEncoding", "prefixEncoding"]);
            }
        };
        operation.get_mut("requestBody").into_iter().for_each(&mut drop_items);
        responses(operation).for_each(&mut drop_items);
        if found > 0 {
            report.add("drop_untyped_parts", place, "left out `itemSchema`: the items have no type");
        }
    });
    each_schema(document, |place, schema| {
        let discriminator = schema.object_mut("discriminator");
        if discriminator.is_some_and(|discriminator| discriminator.remove("defaultMapping").is_some()) {
            let what =
                "left out `defaultMapping`: a value with another tag, or without one, is `Unrecognized`";
            report.add("drop_untyped_parts", place, what);
        }
    });
}
