//! Extensions that say how the requests of an operation are sent: limits, time-outs, secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::keywords::Keywords;
use super::walk::{Outcome, SCHEMAS, for_operations, reach, references, schemas};

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

/// Saves the names of the secret fields that an operation's body and its responses may have, at any depth: those that are
/// sent, its own, and all that an expanded object may have.
///
/// `Agent: {properties: {token: {x-secret: true, …}}}` -> `get: {…, x-secret-fields: {sent: [], own: [token], all: [token]}}`
pub fn save_secret_fields(document: &mut Value) {
    let of_components: BTreeMap<String, BTreeSet<String>> = schemas(document)
        .map(|(name, schema)| (name.clone(), secrets_in(schema)))
        .filter(|(_, secrets)| !secrets.is_empty())
        .collect();
    let whole = document.clone();
    let secrets_of = |part: Option<&Value>| {
        let Some(part) = part else { return Default::default() };
        let mut secrets = secrets_in(part);
        if !of_components.is_empty() {
            // A reference may lead into a component.
            let component = |name: String| {
                let name = name.trim_start_matches(SCHEMAS);
                name.split('/').next().unwrap_or_default().to_owned()
            };
            let names = reach(&whole, references(part).into_iter().map(component));
            secrets.extend(names.iter().filter_map(|name| of_components.get(name)).flatten().cloned());
            // An `Expandable` may be any object of the document.
            let is_expandable = names.contains("Expandable");
            return (secrets, is_expandable);
        }
        (secrets, false)
    };
    let _ = for_operations(document, |_, _, _, operation| {
        let (sent, _) = secrets_of(operation.get("requestBody"));
        let (mut own, is_expandable) = secrets_of(operation.get("responses"));
        own.extend(sent.iter().cloned());
        let mut all = own.clone();
        let expand = |parameter: &Value| parameter.text("name") == Some("expand");
        if is_expandable || operation.list("parameters").iter().any(expand) {
            all.extend(of_components.values().flatten().cloned());
        }
        // Only this rule writes these.
        operation.drop_keywords(&[SECRET_FIELDS]);
        if !all.is_empty() {
            operation.put(SECRET_FIELDS, json!({"sent": sent, "own": own, "all": all}));
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
