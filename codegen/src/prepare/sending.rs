//! Extensions that say how the requests of an operation are sent: limits, time-outs, secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::keywords::Keywords;
use super::walk::{Outcome, SCHEMAS, for_operations, reach, references, resolved, schemas};

/// The keyword of an operation that keeps the limits of its body's arrays.
pub(crate) const ARRAY_LIMITS: &str = "x-array-limits";

/// The keyword of an operation that keeps the names of the secret fields of its requests and responses.
pub(crate) const SECRET_FIELDS: &str = "x-secret-fields";

/// Returns an error if an extension about sending is malformed. It changes nothing.
///
/// `x-read-timeout: 1m` -> an error
pub fn check_sending(document: &mut Value) -> Outcome {
    if let Some(most) = document.get("x-max-query")
        && most.as_u64().and_then(|most| u32::try_from(most).ok()).is_none_or(|most| most == 0)
    {
        return Err("`x-max-query` is no number of bytes".to_owned());
    }
    for_operations(document, |_, _, place, operation| {
        for (key, is_valid, expected) in KEYWORDS {
            if operation.get(key).is_some_and(|value| !is_valid(value)) {
                return Err(format!("{place}: `{key}` is {expected}"));
            }
        }
        for parameter in operation.list("parameters") {
            let name = parameter.string("name");
            if parameter.get("x-secret").is_some_and(|value| !value.is_boolean()) {
                return Err(format!("{place}: `{name}`: `x-secret` is {BOOLEAN}"));
            }
            let Some(value) = parameter.get("x-always-sent") else { continue };
            if !(value.is_string() || value.is_number() || value.is_boolean()) {
                return Err(format!("{place}: `{name}`: `x-always-sent` is no text, number or boolean"));
            }
            if !matches!(parameter.text("in"), Some("query" | "header")) {
                return Err(format!(
                    "{place}: `{name}`: only a query parameter or a header can be `x-always-sent`"
                ));
            }
        }
        Ok(())
    })
}

const BOOLEAN: &str = "neither `true` nor `false`";

/// The extensions of operations: whether a value is valid, and what is expected.
const KEYWORDS: [(&str, fn(&Value) -> bool, &str); 5] = [
    ("x-idempotent", Value::is_boolean, BOOLEAN),
    ("x-empty-response", Value::is_boolean, BOOLEAN),
    ("x-read-timeout", is_seconds, "no number of seconds, from 1 to 86,400"),
    ("x-final-errors", is_final_errors, "no object of fields, each with a list of values"),
    ("x-aliases", is_aliases, "no list of names"),
];

fn is_seconds(value: &Value) -> bool {
    value.as_u64().is_some_and(|seconds| (1..=86_400).contains(&seconds))
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string))
}

fn is_final_errors(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.values().all(is_texts))
}

/// Characters other than these can't be in an alias of rustdoc.
fn is_aliases(value: &Value) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    is_texts(value) && value.as_array().into_iter().flatten().filter_map(Value::as_str).all(is_name)
}

/// Saves the limits of the arrays in JSON bodies, before the constraints are removed: of the body itself, of a choice of
/// it, and of its properties. A request that exceeds one is refused before it is sent, or split, if the property says
/// which array of the responses is concatenated.
///
/// `requestBody: {… {properties: {ids: {type: array, maxItems: 9}}}}` -> `x-array-limits: [{field: ids, most: 9}]`
///
/// # Errors
/// Returns an error if `x-split` is no field's name, has no `maxItems`, or if the operation isn't idempotent: if one of
/// several requests fails, all are sent again.
pub fn save_array_limits(document: &mut Value) -> Outcome {
    let whole = document.clone();
    for_operations(document, |_, method, place, operation| {
        // Only this rule writes these.
        operation.drop_keywords(&[ARRAY_LIMITS]);
        let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
        let mut limits: BTreeMap<String, Value> = BTreeMap::new();
        for (_, media) in content.into_iter().flatten().filter(|(media_type, _)| media_type.contains("json"))
        {
            let Some(schema) = media.get("schema") else { continue };
            for (field, limit) in limits_of(&whole, schema) {
                if limit.get("split").is_some_and(|split| !split.is_string()) {
                    return Err(format!("{place}: `{field}`: `x-split` is no field of the response"));
                }
                limits.insert(field, limit);
            }
        }
        let is_idempotent = operation.says("x-idempotent") || matches!(method, "get" | "put" | "delete");
        if !is_idempotent && limits.values().any(|limit| limit.get("split").is_some()) {
            return Err(format!("{place}: `x-split` needs `x-idempotent: true`"));
        }
        let limits: Vec<Value> = limits
            .into_iter()
            .map(|(field, mut limit)| {
                limit.put("field", field);
                limit
            })
            .collect();
        if !limits.is_empty() {
            operation.put(ARRAY_LIMITS, limits);
        }
        Ok(())
    })
}

/// Returns the limits of a body's arrays by field; that of the body itself has the name `""`.
fn limits_of(document: &Value, body: &Value) -> BTreeMap<String, Value> {
    let mut limits = BTreeMap::new();
    let body = resolved(document, body);
    let choices = ["oneOf", "anyOf"].iter().flat_map(|key| body.list(key));
    for shape in std::iter::once(body).chain(choices.map(|choice| resolved(document, choice))) {
        limits.extend(limit(shape).map(|limit| (String::new(), limit)));
        for (name, property) in shape.object("properties").into_iter().flatten() {
            limits.extend(limit(resolved(document, property)).map(|limit| (name.clone(), limit)));
        }
    }
    limits
}

fn limit(schema: &Value) -> Option<Value> {
    let most = schema.get("maxItems").and_then(Value::as_u64).filter(|most| *most > 0)?;
    let mut limit = Map::new();
    limit.put("most", most);
    if let Some(split) = schema.get("x-split") {
        limit.put("split", split.clone());
    }
    (schema.text("type") == Some("array")).then(|| limit.into())
}

/// Saves the names of the secret fields that an operation's body and its responses may have, at any depth.
///
/// `Agent: {properties: {token: {x-secret: true, …}}}` -> `get: {…, x-secret-fields: [token]}`
pub fn save_secret_fields(document: &mut Value) {
    let of_components: BTreeMap<String, BTreeSet<String>> = schemas(document)
        .map(|(name, schema)| (name.clone(), secrets_in(schema)))
        .filter(|(_, secrets)| !secrets.is_empty())
        .collect();
    let whole = document.clone();
    let _ = for_operations(document, |_, _, _, operation| {
        let parts = ["requestBody", "responses"].iter().filter_map(|part| operation.get(*part));
        let parts: Vec<&Value> = parts.collect();
        let mut secrets: BTreeSet<String> = parts.iter().flat_map(|part| secrets_in(part)).collect();
        if !of_components.is_empty() {
            let roots = parts.iter().flat_map(|part| references(part));
            let names = reach(&whole, roots.map(|name| name.trim_start_matches(SCHEMAS).to_owned()));
            secrets.extend(names.iter().filter_map(|name| of_components.get(name)).flatten().cloned());
        }
        operation.drop_keywords(&[SECRET_FIELDS]);
        if !secrets.is_empty() {
            operation.put(SECRET_FIELDS, json!(secrets));
        }
        Ok(())
    });
}

/// Returns the names of the properties in a value that are `x-secret`.
fn secrets_in(value: &Value) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let properties = object.object("properties").into_iter().flatten();
                for (name, property) in properties.filter(|(_, property)| property.says("x-secret")) {
                    secrets.insert(name.clone());
                    let aliases = property.list("x-alias").iter().filter_map(Value::as_str);
                    secrets.extend(aliases.map(str::to_owned));
                }
                open.extend(object.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    secrets
}
