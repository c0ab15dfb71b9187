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

/// An extension of an operation: its key, whether a value is valid, and what is expected.
type Keyword = (&'static str, fn(&Value) -> bool, &'static str);

/// The extensions of operations.
const KEYWORDS: [Keyword; 5] = [
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
/// Returns an error if `x-split` names no array of the response or has no `maxItems`, if several arrays have it, or if
/// the operation isn't idempotent: if one of several requests fails, all are sent again.
pub fn save_array_limits(document: &mut Value) -> Outcome {
    let whole = document.clone();
    for_operations(document, |_, method, place, operation| {
        // Only this rule writes these.
        operation.drop_keywords(&[ARRAY_LIMITS]);
        let mut limits: BTreeMap<String, Limit> = BTreeMap::new();
        for schema in json_schemas(operation.get("requestBody")) {
            for (field, limit) in limits_of(&whole, schema) {
                limits.entry(field).or_default().loosen(limit);
            }
        }
        let mut splits = 0;
        for (field, limit) in &limits {
            let Some(split) = &limit.split else { continue };
            let problem = |what: &str| Err(format!("{place}: `{}`: `x-split` {what}", shown(field)));
            let Some(joined) = split.as_str() else { return problem("is no field of the response") };
            splits += 1;
            if limit.most.is_none() {
                return problem("needs an array with `maxItems`");
            }
            if splits > 1 {
                return problem("is beside that of another array: only one can be split");
            }
            if !(operation.says("x-idempotent") || matches!(method, "get" | "put" | "delete")) {
                return problem("needs an operation with `x-idempotent: true`");
            }
            if operation.says("x-empty-response") || !responses_have(&whole, operation, joined) {
                return problem(&format!("names `{joined}`, which isn't an array of each response"));
            }
        }
        let limits: Vec<Value> = limits
            .into_iter()
            .filter_map(|(field, limit)| {
                let mut saved = Map::new();
                saved.put("field", field);
                saved.put("most", limit.most?);
                if let Some(split) = limit.split {
                    saved.put("split", split);
                }
                Some(saved.into())
            })
            .collect();
        if !limits.is_empty() {
            operation.put(ARRAY_LIMITS, limits);
        }
        Ok(())
    })
}

/// Returns the name of a body's array for messages.
fn shown(field: &str) -> &str {
    if field.is_empty() { "body" } else { field }
}

/// Returns the JSON schemas of a body or a response.
fn json_schemas(holder: Option<&Value>) -> impl Iterator<Item = &Value> {
    let content = holder.and_then(|holder| holder.object("content")).into_iter().flatten();
    content.filter(|(media_type, _)| media_type.contains("json")).filter_map(|(_, media)| media.get("schema"))
}

/// The limit of an array.
#[derive(Default)]
struct Limit {
    most: Option<u64>,
    split: Option<Value>,
}

impl Limit {
    /// Allows what another choice of the body allows.
    fn loosen(&mut self, other: Limit) {
        self.most = self.most.max(other.most);
        self.split = self.split.take().or(other.split);
    }
}

/// Returns the limits of a body's arrays by field; that of the body itself has the name `""`.
fn limits_of(document: &Value, body: &Value) -> BTreeMap<String, Limit> {
    let mut limits: BTreeMap<String, Limit> = BTreeMap::new();
    for shape in shapes(document, body) {
        if let Some(limit) = limit(&[shape]) {
            limits.entry(String::new()).or_default().loosen(limit);
        }
        for (name, property) in shape.object("properties").into_iter().flatten() {
            let of_property: Vec<&Value> =
                std::iter::once(property).chain(shapes(document, property)).collect();
            if let Some(limit) = limit(&of_property) {
                limits.entry(name.clone()).or_default().loosen(limit);
            }
        }
    }
    limits
}

/// Returns a schema and the schemas that it is composed of or chosen from, at any depth.
fn shapes<'d>(document: &'d Value, schema: &'d Value) -> Vec<&'d Value> {
    let (mut found, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![schema]);
    while let Some(schema) = open.pop() {
        let schema = resolved(document, schema);
        // A component may contain itself.
        if seen.insert(std::ptr::from_ref(schema)) {
            found.push(schema);
            open.extend(["allOf", "oneOf", "anyOf"].iter().flat_map(|key| schema.list(key)));
        }
    }
    found
}

/// Returns the limit of an array that these schemas describe together. `None` if they describe no limit.
fn limit(shapes: &[&Value]) -> Option<Limit> {
    let is_array = shapes.iter().any(|shape| is_array(shape));
    let most = shapes.iter().filter_map(|shape| shape.get("maxItems")?.as_u64()).max();
    let most = most.filter(|most| is_array && *most > 0);
    let split = shapes.iter().find_map(|shape| shape.get("x-split")).cloned();
    (most.is_some() || split.is_some()).then_some(Limit { most, split })
}

/// OpenAPI 3.1 has lists of types.
fn is_array(schema: &Value) -> bool {
    schema.text("type") == Some("array") || schema.list("type").iter().any(|ty| ty == "array")
}

/// Returns whether each response of an operation has an array of this name.
fn responses_have(document: &Value, operation: &impl Keywords, field: &str) -> bool {
    let responses = operation.object("responses").into_iter().flatten();
    let mut successes = responses.filter(|(status, _)| status.starts_with('2')).peekable();
    let has_field = |schema: &Value| {
        shapes(document, schema).iter().any(|shape| {
            let property = shape.object("properties").and_then(|properties| properties.get(field));
            property.is_some_and(|property| shapes(document, property).iter().any(|shape| is_array(shape)))
        })
    };
    successes.peek().is_some()
        && successes.all(|(_, response)| {
            let mut schemas = json_schemas(Some(response)).peekable();
            schemas.peek().is_some() && schemas.all(has_field)
        })
}

/// Saves the names of the secret fields that an operation's body and its responses may have, at any depth.
///
/// `Agent: {properties: {token: {x-secret: true, …}}}` -> `get: {…, x-secret-fields: {sent: [], all: [token]}}`
pub fn save_secret_fields(document: &mut Value) {
    let of_components: BTreeMap<String, BTreeSet<String>> = schemas(document)
        .map(|(name, schema)| (name.clone(), secrets_in(schema)))
        .filter(|(_, secrets)| !secrets.is_empty())
        .collect();
    let whole = document.clone();
    let secrets_of = |part: Option<&Value>| {
        let Some(part) = part else { return BTreeSet::new() };
        let mut secrets = secrets_in(part);
        if !of_components.is_empty() {
            let roots = references(part).into_iter();
            let names = reach(&whole, roots.map(|name| name.trim_start_matches(SCHEMAS).to_owned()));
            let of_component = |name: &String| match name == "Expandable" {
                // The object may be any of the document.
                true => of_components.values().flatten().cloned().collect(),
                false => of_components.get(name).cloned().unwrap_or_default(),
            };
            secrets.extend(names.iter().flat_map(of_component));
        }
        secrets
    };
    let _ = for_operations(document, |_, _, _, operation| {
        let sent = secrets_of(operation.get("requestBody"));
        let mut all = secrets_of(operation.get("responses"));
        all.extend(sent.iter().cloned());
        // Only this rule writes these.
        operation.drop_keywords(&[SECRET_FIELDS]);
        if !all.is_empty() {
            operation.put(SECRET_FIELDS, json!({"sent": sent, "all": all}));
        }
        Ok(())
    });
}

/// Returns the names of the properties in a value that are `x-secret`.
fn secrets_in(value: &Value) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for (name, property) in properties_in(value).filter(|(_, property)| property.says("x-secret")) {
        secrets.insert(name.clone());
        let aliases = property.list("x-alias").iter().filter_map(Value::as_str);
        secrets.extend(aliases.map(str::to_owned));
    }
    secrets
}

/// Returns the properties of all schemas in a value.
fn properties_in(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let mut open = vec![value];
    std::iter::from_fn(move || {
        while let Some(value) = open.pop() {
            match value {
                Value::Object(object) => {
                    open.extend(object.values());
                    if let Some(properties) = object.object("properties") {
                        return Some(properties);
                    }
                }
                Value::Array(values) => open.extend(values),
                _ => {}
            }
        }
        None
    })
    .flatten()
}
