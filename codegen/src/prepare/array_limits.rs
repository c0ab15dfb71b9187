//! `maxItems` and `x-split`: how many items the arrays of a request's JSON body may have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::{Outcome, for_operations, resolved};

/// The keyword of an operation that keeps the limits of its body's arrays.
pub(crate) const ARRAY_LIMITS: &str = "x-array-limits";

/// The keywords whose schemas a schema is composed of or chosen from.
const COMPOSITIONS: [&str; 3] = ["allOf", "oneOf", "anyOf"];

/// Saves the limits of the arrays in JSON bodies, before the constraints are removed: of the body itself, of a choice of
/// it, and of its properties. A request that exceeds one is refused before it is sent, or split, if the property says
/// which array of the responses is concatenated.
///
/// `requestBody: {… {properties: {ids: {type: array, maxItems: 9}}}}` -> `x-array-limits: [{field: ids, most: 9}]`
///
/// # Errors
/// Returns an error if `x-split` names no array of the response or has no `maxItems`, if several arrays have it, if the
/// operation isn't idempotent (if one of several requests fails, all are sent again), or if the bodies have too many
/// arrays with limits in too many choices.
pub fn save_array_limits(document: &mut Value) -> Outcome {
    let whole = document.clone();
    let mut effort = EFFORT;
    for_operations(document, |_, method, place, operation| {
        // Only this rule writes these.
        operation.drop_keywords(&[ARRAY_LIMITS]);
        let bodies: Vec<&Value> = json_schemas(operation.get("requestBody")).collect();
        let limits = limits_of(&whole, &bodies, &mut effort).map_err(|why| format!("{place}: {why}"))?;
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
    content
        .filter(|(media_type, _)| media_type.contains("json"))
        .map(|(_, media)| media.get("schema").unwrap_or(&Value::Null))
}

/// The limit of an array.
struct Limit {
    /// `None`: it may have any number of items.
    most: Option<u64>,
    split: Option<Value>,
}

/// How many schemas are visited for the limits of one document. Each limit depends on all choices of its body.
const EFFORT: usize = 2_000_000;

/// Returns the limits of the arrays of a body that has one of these schemas, by field; that of the body itself has the
/// name `""`.
///
/// # Errors
/// Returns an error if this takes more than the rest of the `effort`.
fn limits_of<'d>(
    document: &'d Value,
    bodies: &[&'d Value],
    effort: &mut usize,
) -> Result<BTreeMap<String, Limit>, String> {
    let all: Vec<&Value> = bodies.iter().flat_map(|body| shapes(document, body)).collect();
    // The arrays that a limit or a split is said of: by field, what is said of splitting.
    let mut said: BTreeMap<&'d str, Option<&'d Value>> = BTreeMap::new();
    let mut read = |field: &'d str, shape: &'d Value| {
        let split = shape.get("x-split");
        if split.is_some() || shape.has_any(&["maxItems"]) {
            let known = said.entry(field).or_default();
            *known = known.or(split);
        }
    };
    let mut spend = |visited: usize| {
        let rest = effort.checked_sub(visited);
        *effort = rest.ok_or("the bodies have too many arrays with `maxItems` in too many choices")?;
        Ok::<(), String>(())
    };
    for shape in &all {
        read("", shape);
        for (name, property) in shape.object("properties").into_iter().flatten() {
            read(name.as_str(), property);
            let shapes = shapes(document, property);
            // They are visited again for the limit.
            spend(2 * shapes.len())?;
            shapes.into_iter().for_each(|shape| read(name.as_str(), shape));
        }
    }
    spend(said.len().saturating_mul(all.len()))?;
    let limit = |(field, split): (&str, Option<&Value>)| {
        let length = match field {
            "" => most_items(document, bodies, &|shape| of_array(shape)),
            field => most_items(document, bodies, &|shape| of_field(document, shape, field)),
        };
        let most = match length {
            Some(Length::Most(most)) => Some(most),
            _ => None,
        };
        (field.to_owned(), Limit { most, split: split.cloned() })
    };
    Ok(said.into_iter().map(limit).collect())
}

/// How many items a value may have, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Length {
    /// The value is no array.
    NoArray,
    Most(u64),
    Unlimited,
}

/// Returns how many items a value of one of these schemas may have; `None` if they say nothing of it. Of choices, the
/// largest length counts; of the parts of a composition, the smallest. `own` is what a schema says without its parts.
fn most_items(
    document: &Value,
    choices: &[&Value],
    own: &dyn Fn(&Value) -> Option<Length>,
) -> Option<Length> {
    let mut known = Lengths::new();
    let mut open: Vec<(&Value, bool)> = choices.iter().map(|choice| (*choice, false)).collect();
    // A schema is visited again once its parts are known.
    while let Some((schema, has_parts)) = open.pop() {
        let schema = resolved(document, schema);
        let key = std::ptr::from_ref(schema);
        if !has_parts {
            // A component may contain itself.
            if known.insert(key, None).is_none() {
                open.push((schema, true));
                open.extend(COMPOSITIONS.iter().flat_map(|part| schema.list(part)).map(|part| (part, false)));
            }
            continue;
        }
        let parts = schema.list("allOf").iter();
        let smallest = parts.filter_map(|part| known_length(document, part, &known)).min();
        let of_choices = |key: &str| largest(document, schema.list(key).iter(), &known);
        let length =
            [own(schema), smallest, of_choices("oneOf"), of_choices("anyOf")].into_iter().flatten().min();
        known.insert(key, length);
    }
    largest(document, choices.iter().copied(), &known)
}

/// The lengths of schemas that are known.
type Lengths = BTreeMap<*const Value, Option<Length>>;

fn known_length(document: &Value, schema: &Value, known: &Lengths) -> Option<Length> {
    known.get(&std::ptr::from_ref(resolved(document, schema))).copied().flatten()
}

/// Returns the largest length of several choices. A free-form one may have any length.
fn largest<'c>(
    document: &Value,
    choices: impl Iterator<Item = &'c Value>,
    known: &Lengths,
) -> Option<Length> {
    let length = |choice: &Value| match is_free_form(resolved(document, choice)) {
        true => Some(Length::Unlimited),
        false => known_length(document, choice, known),
    };
    choices.filter_map(length).max()
}

/// Returns whether a schema allows any value, or any object.
fn is_free_form(schema: &Value) -> bool {
    !schema.has_any(&COMPOSITIONS)
        && !schema.has_any(&["properties", "items", "maxItems", "enum", "const"])
        && matches!(schema.get("type"), None | Some(Value::String(_)))
        && matches!(schema.text("type"), None | Some("object"))
}

/// Returns how many items a value of a schema may have, without its parts.
fn of_array(schema: &Value) -> Option<Length> {
    // A limit of zero is none: the array would be useless.
    let most = schema.get("maxItems").and_then(Value::as_u64).filter(|most| *most > 0).map(Length::Most);
    match schema.has_any(&["type"]) {
        true if is_array(schema) => Some(most.unwrap_or(Length::Unlimited)),
        true => Some(Length::NoArray),
        false if schema.has_any(&["properties"]) => Some(Length::NoArray),
        false if schema.has_any(&["items"]) => Some(most.unwrap_or(Length::Unlimited)),
        false => most,
    }
}

/// Returns how many items a field of an object may have, without the parts of the object's schema.
fn of_field(document: &Value, schema: &Value, field: &str) -> Option<Length> {
    let property = schema.object("properties")?.get(field)?;
    most_items(document, &[property], &of_array)
}

/// Returns a schema and the schemas that it is composed of or chosen from, at any depth.
fn shapes<'d>(document: &'d Value, schema: &'d Value) -> Vec<&'d Value> {
    let (mut found, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![schema]);
    while let Some(schema) = open.pop() {
        let schema = resolved(document, schema);
        // A component may contain itself.
        if seen.insert(std::ptr::from_ref(schema)) {
            found.push(schema);
            open.extend(COMPOSITIONS.iter().flat_map(|key| schema.list(key)));
        }
    }
    found
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
