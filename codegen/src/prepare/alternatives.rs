//! `x-alternatives`: other shapes in which a response may have an object.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::{Outcome, each_schema, reachable_from, resolved, schemas};
use super::{Alternatives, Report};

pub(super) const ALTERNATIVES: &str = "x-alternatives";

/// Reads `x-alternatives` of an object's schema.
///
/// # Errors
/// Returns what is wrong with it.
pub(super) fn alternatives(schema: &Map<String, Value>) -> Result<Option<Alternatives>, String> {
    let at = |why: &str| Err(format!("`{ALTERNATIVES}`: {why}"));
    let said = match schema.get(ALTERNATIVES) {
        None => return Ok(None),
        Some(Value::Object(said)) => said,
        Some(_) => return at("it is no object"),
    };
    if let Some(other) = said.keys().find(|key| !["array", "item"].contains(&key.as_str())) {
        return at(&format!("`{other}` is neither `array` nor `item`"));
    }
    let mut fields = said.values().map(Value::as_str);
    let Some(Some(field)) = fields.next().filter(|field| field.is_some_and(|name| !name.is_empty())) else {
        return at("it names no field");
    };
    if fields.any(|other| other != Some(field)) {
        return at("`array` and `item` don't name the same field");
    }
    if !schema.has_any(&["properties", "allOf"]) {
        return at("it isn't beside the properties of an object");
    }
    let [array, item] = ["array", "item"].map(|key| said.contains_key(key));
    Ok(Some(Alternatives { field: field.to_owned(), array, item }))
}

/// Notes the alternatives of each component of a response, and removes them.
///
/// `Page: {properties: P, x-alternatives: {array: results}}` -> `Page: {properties: P}`, noted: `results`
pub fn record_alternatives(document: &mut Value, report: &mut Report) -> Outcome {
    let received = reachable_from(document, "responses");
    for (component, schema) in schemas(document) {
        let at = |why: &str| format!("components.schemas.{component}: {why}");
        let Some(object) = schema.as_object() else { continue };
        let Some(mut found) = alternatives(object).map_err(|why| at(&why))? else { continue };
        if !received.contains(component) {
            let what = format!("`{ALTERNATIVES}` has no effect: it is in no response");
            report.add("correct_properties", component, what);
            continue;
        }
        let renamed = report.notes.properties.get(component).into_iter().flatten();
        if let Some(renamed) = renamed.into_iter().find(|renamed| renamed.wire == found.field) {
            found.field = renamed.from.clone();
        }
        let property = schema.object("properties").and_then(|all| all.get(&found.field));
        if property.is_none_or(|property| resolved(document, property).text("type") != Some("array")) {
            return Err(at(&format!("`{ALTERNATIVES}`: `{}` is no field with an array", found.field)));
        }
        let kinds = match (found.array, found.item) {
            (true, true) => "an array or a single item",
            (true, false) => "an array",
            _ => "a single item",
        };
        report.add("record_alternatives", component, format!("may be {kinds} of its `{}`", found.field));
        report.notes.alternatives.insert(component.clone(), found);
    }
    let mut misplaced = None;
    let components: BTreeSet<String> = schemas(document).map(|(name, _)| name.clone()).collect();
    each_schema(document, |place, schema| {
        if schema.remove(ALTERNATIVES).is_some() && !components.contains(place) {
            misplaced.get_or_insert_with(|| place.to_owned());
        }
    });
    match misplaced {
        Some(place) => Err(format!("{place}: `{ALTERNATIVES}`: it isn't beside the properties of an object")),
        None => Ok(()),
    }
}
