//! `x-secret`, `x-alias` and `x-always-sent` of properties, which the generator doesn't know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Report;
use super::corrections::valid_flag;
use super::keywords::Keywords;
use super::walk::{Outcome, reachable_from, schemas_mut};

/// What these extensions say of an object's properties. It is beside `properties`, because many rules replace a
/// property's schema.
pub(super) const MARKS: &str = "x-marks";

pub(super) const SECRET: &str = "x-secret";
pub(super) const ALIAS: &str = "x-alias";
pub(super) const ALWAYS_SENT: &str = "x-always-sent";

/// Takes the extensions of a property; `None` if it has none.
///
/// # Errors
/// Returns what is wrong with them.
pub(super) fn take_marks(property: &mut Map<String, Value>) -> Result<Option<Value>, String> {
    let mut marks = Map::new();
    if valid_flag(property.remove(SECRET).as_ref(), SECRET)? {
        marks.put(SECRET, true);
    }
    if let Some(aliases) = property.remove(ALIAS) {
        let is_name = |name: &Value| name.as_str().is_some_and(|name| !name.is_empty());
        match aliases.as_array() {
            Some(names) if !names.is_empty() && names.iter().all(is_name) => marks.put(ALIAS, aliases),
            _ => return Err(format!("`{ALIAS}` is no list of names")),
        }
    }
    if let Some(value) = property.remove(ALWAYS_SENT) {
        match value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => marks.put(ALWAYS_SENT, value),
            _ => return Err(format!("`{ALWAYS_SENT}` is no text, number or boolean")),
        }
    }
    Ok((!marks.is_empty()).then(|| marks.into()))
}

/// Adds the marks of another part of a composition: a property stays secret, and other aliases replace those before.
pub(super) fn add_marks(into: &mut Map<String, Value>, more: Option<&Map<String, Value>>) {
    for (property, marks) in more.into_iter().flatten() {
        if let (Some(own), Some(marks)) = (into.object_or_new(property), marks.as_object()) {
            own.extend(marks.clone());
        }
    }
}

/// Notes the secret properties of each component, the aliases of those in responses, and the values that are always sent
/// in requests. In the prepared document, a secret property has `x-secret`.
///
/// `{properties: {a: A}, x-marks: {a: {x-secret: true}}}` -> `{properties: {a: {x-secret: true, …}}}`, noted: `a`
pub fn record_field_marks(document: &mut Value, report: &mut Report) -> Outcome {
    let received = reachable_from(document, "responses");
    let sent = reachable_from(document, "requestBody");
    for (component, schema) in schemas_mut(document).into_iter().flatten() {
        let Some(Value::Object(marks)) = schema.as_object_mut().and_then(|schema| schema.remove(MARKS))
        else {
            continue;
        };
        let renamed = report.notes.properties.get(component).into_iter().flatten();
        let names: BTreeMap<String, String> =
            renamed.map(|renamed| (renamed.wire.clone(), renamed.from.clone())).collect();
        let wire_names: Vec<String> = {
            let wire = report.notes.wire_names(component);
            let properties = schema.object("properties").into_iter().flat_map(Map::keys);
            properties
                .map(|name| wire.get(name.as_str()).map_or(name.as_str(), |wire| wire).to_owned())
                .collect()
        };
        // A name on the wire is that of one field only.
        let mut owners: BTreeMap<String, &str> =
            wire_names.iter().map(|name| (name.clone(), name.as_str())).collect();
        for (wire, mark) in &marks {
            let name = names.get(wire).unwrap_or(wire);
            let Some(property) = schema.object_mut("properties").and_then(|all| all.get_mut(name)) else {
                continue;
            };
            let place = format!("{component}.{name}");
            if mark.says(SECRET) {
                property.put(SECRET, true);
                report.add("record_field_marks", &place, "never shown, by `x-secret`");
                report.notes.secrets.entry(component.clone()).or_default().insert(name.clone());
            }
            if let Some(value) = mark.get(ALWAYS_SENT) {
                match sent.contains(component) {
                    true => {
                        report.add("record_field_marks", &place, format!("sent as {value} if it isn't set"));
                        let notes = report.notes.always_sent.entry(component.clone()).or_default();
                        notes.insert(name.clone(), value.clone());
                    }
                    false => {
                        let what = "`x-always-sent` has no effect: it is in no request";
                        report.add("correct_properties", &place, what);
                    }
                }
            }
            let aliases: Vec<String> =
                mark.list(ALIAS).iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if aliases.is_empty() {
                continue;
            }
            if !received.contains(component) {
                report.add("correct_properties", &place, "`x-alias` has no effect: it is in no response");
                continue;
            }
            for alias in &aliases {
                if let Some(other) = owners.insert(alias.clone(), wire) {
                    return Err(format!(
                        "components.schemas.{component}.{wire}: `{ALIAS}: {alias}`: `{other}` has this name"
                    ));
                }
            }
            report.add("record_field_marks", &place, format!("also read from {}", json!(aliases)));
            report.notes.aliases.entry(component.clone()).or_default().insert(name.clone(), aliases);
        }
    }
    Ok(())
}
