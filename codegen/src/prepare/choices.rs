//! Choices between schemas: `anyOf` and `oneOf`.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::Report;
use super::discriminators::component_of;
use super::enums::ENUMERATED;
use super::keywords::Keywords;
use super::walk::{Copies, each_schema, only_refers, referred, resolved, schemas_mut, size};

/// Changes `anyOf` to `oneOf`, because the generator's type of an `anyOf` fails for every value.
///
/// `{anyOf: [A, B]}` -> `{oneOf: [A, B]}`
pub fn any_of_to_one_of(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        if let Some(choices) = object.remove("anyOf") {
            object.entry("oneOf").or_insert(choices);
            report.add("any_of_to_one_of", place, "the first that fits is taken");
        }
    });
}

/// Removes null and the empty text from choices. A null choice makes the whole schema nullable, and the empty text
/// becomes a value of the enumeration beside it.
///
/// - `{oneOf: [StatusEnum, BlankEnum, NullEnum]}`, `StatusEnum: {enum: [a]}` -> `{allOf: [StatusEnum], nullable: true}`,
///   `StatusEnum: {enum: [a, ""]}`
/// - `{enum: [a, "", null]}` -> `{enum: [a, ""], nullable: true}`
pub fn drop_null_and_blank_choices(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let only_null = |schema: &Value| {
        // Inner schemas are visited first, so the null is already removed from the enumeration of an inner
        // null choice.
        let emptied = schema.says("nullable") && without_words(schema) == json!({"nullable": true});
        emptied || resolved(&whole, schema).get("enum").is_some_and(|values| values == &json!([null]))
    };
    let only_blank = |schema: &Value| {
        let values = resolved(&whole, schema).list("enum");
        !values.is_empty() && values.iter().all(|value| value == "" || value.is_null())
    };
    let is_text = |schema: &Value| {
        let target = resolved(&whole, schema);
        target.text("type") == Some("string") || target.list("enum").iter().any(Value::is_string)
    };
    let mut blank: BTreeSet<String> = BTreeSet::new();
    each_schema(document, |place, object| {
        if let Some(choices) = object.list_mut("oneOf") {
            let before = choices.len();
            let mut nullable = choices.iter().any(only_null);
            choices.retain(|choice| !only_null(choice));
            // If the choice is a component, the places that use it become nullable instead.
            for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                nullable |= choice.remove("nullable") == Some(json!(true));
            }
            let is_words = |choice: &Value| is_text(choice) && !only_blank(choice);
            if choices.iter().any(only_blank) && choices.iter().any(is_words) {
                choices.retain(|choice| !only_blank(choice));
                for choice in choices.iter_mut().filter(|choice| is_words(choice)) {
                    match only_refers(choice) {
                        Some(name) => drop(blank.insert(name.to_owned())),
                        None => add_blank(choice),
                    }
                }
            }
            if nullable {
                object.put("nullable", true);
            }
            choices_differ(object);
            let now = object.list("oneOf").len().max(1);
            if now < before {
                report.add("drop_null_and_blank_choices", place, format!("{now} of {before} choices stay"));
            }
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array).cloned() {
            let kept: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
            if kept.len() < values.len() {
                object.put("nullable", true);
                report.add("drop_null_and_blank_choices", place, "null is no value of the enumeration");
            }
            match kept.is_empty() {
                true => drop(object.remove("enum")),
                false => object.put("enum", kept),
            }
        }
    });
    for (name, schema) in
        schemas_mut(document).into_iter().flatten().filter(|(name, _)| blank.contains(*name))
    {
        add_blank(schema);
        report.add("drop_null_and_blank_choices", name, "the empty text is a value of the enumeration");
    }
}

/// Adds the empty text to an enumeration.
fn add_blank(schema: &mut Value) {
    if let Some(values) = schema.list_mut("enum").filter(|values| !values.iter().any(|value| value == "")) {
        values.push("".into());
    }
}

/// Replaces an inner choice by its own choices. The type of the inner choice would accept every value as an
/// unknown one, so the choices after it would never match. A choice with its own tag stays.
///
/// `{oneOf: [{oneOf: [A, B]}, C]}` -> `{oneOf: [A, B, C]}`
///
/// # Errors
///
/// Each flattened choice has the choices of all that it contains, so a chain of them becomes larger with the
/// square of its length. A document in which too many contain one another is refused.
pub fn flatten_nested_choices(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let whole = document.clone();
    let mut copies = Copies::of(size(&whole));
    let mut problem = None;
    each_schema(document, |place, object| {
        let choices = object.list("oneOf");
        if choices.is_empty() || problem.is_some() {
            return;
        }
        let mut all = Flat::default();
        all.tags.extend(object.get("discriminator").cloned());
        choices.iter().for_each(|choice| all.take(&whole, choice, 1));
        if all.is_too_deep || !copies.spend(all.choices.iter().map(size).sum()) {
            problem = Some(format!("{place}: too many choices (`oneOf`) contain one another"));
            return;
        }
        let discriminator = all.discriminator(&whole);
        if all.choices == *choices || (object.contains_key("discriminator") && discriminator.is_none()) {
            return;
        }
        report.add("flatten_nested_choices", place, format!("{} choices", all.choices.len()));
        if all.nullable {
            object.put("nullable", true);
        }
        object.put("oneOf", all.choices);
        discriminator.into_iter().for_each(|discriminator| object.put("discriminator", discriminator));
        choices_differ(object);
    });
    problem.map_or(Ok(()), Err)
}

/// How many choices may contain one another.
const DEEPEST: usize = 256;

/// The flattened choices.
#[derive(Default)]
struct Flat {
    choices: Vec<Value>,
    /// The same choices, to find one.
    known: HashSet<Value>,
    /// The components whose choices are already included.
    flattened: BTreeSet<String>,
    is_too_deep: bool,
    nullable: bool,
    /// The discriminators of the choices.
    tags: Vec<Value>,
}

impl Flat {
    fn take(&mut self, document: &Value, choice: &Value, depth: usize) {
        if depth > DEEPEST {
            self.is_too_deep = true;
            return;
        }
        let target = resolved(document, choice);
        let is_choice = !target.list("oneOf").is_empty() && !target.has_any(&["properties", "allOf"]);
        if !is_choice {
            if self.known.insert(choice.clone()) {
                self.choices.push(choice.clone());
            }
            return;
        }
        // The choices of a component are included once, even if it contains itself.
        if only_refers(choice).is_some_and(|name| !self.flattened.insert(name.to_owned())) {
            return;
        }
        self.nullable |= target.says("nullable") || choice.says("nullable");
        self.tags.extend(target.get("discriminator").cloned());
        target.list("oneOf").iter().for_each(|choice| self.take(document, choice, depth + 1));
    }

    /// Returns the common discriminator, if all choices have the same tag property.
    fn discriminator(&self, document: &Value) -> Option<Value> {
        let property = self.tags.first()?.get("propertyName")?;
        let mappings = self.tags.iter().filter_map(|tag| tag.object("mapping"));
        let mapping: Map<String, Value> =
            mappings.flatten().map(|(value, to)| (value.clone(), to.clone())).collect();
        let mapped: BTreeSet<&str> = mapping.values().filter_map(component_of).collect();
        let has_it = |choice: &Value| {
            let properties = resolved(document, choice).get("properties");
            only_refers(choice).is_some_and(|name| mapped.contains(name))
                || properties.is_some_and(|all| all.get(property.as_str().unwrap_or_default()).is_some())
        };
        let is_one = self.tags.iter().all(|tag| tag.get("propertyName") == Some(property))
            && self.choices.iter().all(has_it);
        is_one.then(|| json!({"propertyName": property, "mapping": mapping}))
    }
}

/// Removes choices of the same shape, which would become variants of the same type. A choice with one
/// element becomes that element.
pub fn choices_differ(object: &mut Map<String, Value>) {
    let Some(choices) = object.list_mut("oneOf") else { return };
    let mut seen = HashSet::new();
    choices.retain(|choice| seen.insert(without_words(choice)));
    let only = match choices.as_mut_slice() {
        [] => Value::Null,
        [only] => only.take(),
        _ => return,
    };
    object.remove("oneOf");
    match referred(&only) {
        // The siblings of a reference stay.
        Some(_) => object.put("allOf", json!([only])),
        None => object.fill(&only),
    }
}

/// Removes the keywords that have no effect on the type. Choices that differ only in these would become
/// variants of the same type.
fn without_words(choice: &Value) -> Value {
    const WORDS: [&str; 5] = ["description", "title", "example", "examples", "readOnly"];
    let mut shape = choice.clone();
    shape.drop_keywords(&WORDS);
    shape.drop_keywords(&["format", "maxLength", "minLength", "pattern", ENUMERATED]);
    shape
}
