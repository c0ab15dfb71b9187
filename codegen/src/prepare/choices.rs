//! Choices between schemas: `anyOf` and `oneOf`.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::Report;
use super::discriminators::component_of;
use super::enums::ENUMERATED;
use super::walk::{Copies, for_schemas, only_refers, referred, resolved, says, size};

/// Changes `anyOf` to `oneOf`, because the generator's type of an `anyOf` fails for every value.
///
/// `{anyOf: [A, B]}` -> `{oneOf: [A, B]}`
pub fn any_of_to_one_of(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(choices) = object.remove("anyOf") {
            object.entry("oneOf").or_insert(choices);
            report.add("any_of_to_one_of", place, "the first that fits is taken");
        }
    });
}

/// Removes null and the empty text from choices and enumerations. A null choice makes the whole schema
/// nullable. The empty text needs no choice, because the adapted enumeration accepts any text.
///
/// - `{oneOf: [StatusEnum, BlankEnum, NullEnum]}` -> `{allOf: [StatusEnum], nullable: true}`
/// - `{enum: [a, "", null]}` -> `{enum: [a], nullable: true}`
pub fn drop_null_and_blank_choices(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let only_null = |schema: &Value| {
        // Inner schemas are visited first, so the null is already removed from the enumeration of an inner
        // null choice.
        let emptied = says(schema, "nullable") && without_words(schema) == json!({"nullable": true});
        emptied || resolved(&whole, schema).get("enum").is_some_and(|values| values == &json!([null]))
    };
    let only_blank = |schema: &Value| {
        let values = resolved(&whole, schema).get("enum").and_then(Value::as_array);
        values.is_some_and(|values| {
            !values.is_empty() && values.iter().all(|value| value == "" || value.is_null())
        })
    };
    let is_text = |schema: &Value| {
        let target = resolved(&whole, schema);
        target.get("type").and_then(Value::as_str) == Some("string")
            || target
                .get("enum")
                .and_then(Value::as_array)
                .is_some_and(|values| values.iter().any(Value::is_string))
    };
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(choices) = object.get_mut("oneOf").and_then(Value::as_array_mut) {
            let before = choices.len();
            let mut nullable = choices.iter().any(only_null);
            choices.retain(|choice| !only_null(choice));
            // If the choice is a component, the places that use it become nullable instead.
            for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                nullable |= choice.remove("nullable") == Some(json!(true));
            }
            if choices.iter().any(|choice| is_text(choice) && !only_blank(choice)) {
                choices.retain(|choice| !only_blank(choice));
            }
            if nullable {
                object.insert("nullable".to_owned(), json!(true));
            }
            choices_differ(object);
            let now = object.get("oneOf").and_then(Value::as_array).map_or(1, Vec::len);
            if now < before {
                report.add("drop_null_and_blank_choices", place, format!("{now} of {before} choices stay"));
            }
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array).cloned() {
            let mut kept: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
            if kept.len() < values.len() {
                object.insert("nullable".to_owned(), json!(true));
            }
            if kept.iter().any(|value| value.as_str().is_some_and(|text| !text.is_empty())) {
                kept.retain(|value| value != "");
            }
            if kept.len() < values.len() {
                report.add(
                    "drop_null_and_blank_choices",
                    place,
                    "null and the empty text are no values of the enumeration",
                );
            }
            match kept.is_empty() {
                true => object.remove("enum"),
                false => object.insert("enum".to_owned(), Value::Array(kept)),
            };
        }
    });
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
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut().filter(|_| problem.is_none()) else { return };
        let Some(choices) = object.get("oneOf").and_then(Value::as_array) else { return };
        let mut all = Flat::new(&whole);
        all.tags.extend(object.get("discriminator").cloned());
        choices.iter().for_each(|choice| all.take(choice, 1));
        if all.is_too_deep || !copies.spend(all.choices.iter().map(size).sum()) {
            problem = Some(format!("{place}: too many choices (`oneOf`) contain one another"));
            return;
        }
        let discriminator = all.discriminator();
        if all.choices == *choices || (object.contains_key("discriminator") && discriminator.is_none()) {
            return;
        }
        report.add("flatten_nested_choices", place, format!("{} choices", all.choices.len()));
        if all.nullable {
            object.insert("nullable".to_owned(), json!(true));
        }
        object.insert("oneOf".to_owned(), Value::Array(all.choices));
        if let Some(discriminator) = discriminator {
            object.insert("discriminator".to_owned(), discriminator);
        }
        choices_differ(object);
    });
    problem.map_or(Ok(()), Err)
}

/// How many choices may contain one another.
const DEEPEST: usize = 256;

/// The flattened choices.
struct Flat<'d> {
    document: &'d Value,
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

impl<'d> Flat<'d> {
    fn new(document: &'d Value) -> Self {
        Flat {
            document,
            choices: Vec::new(),
            known: HashSet::new(),
            flattened: BTreeSet::new(),
            is_too_deep: false,
            nullable: false,
            tags: Vec::new(),
        }
    }

    fn take(&mut self, choice: &Value, depth: usize) {
        if depth > DEEPEST {
            self.is_too_deep = true;
            return;
        }
        let target = resolved(self.document, choice);
        let inner = target.get("oneOf").and_then(Value::as_array);
        let Some(inner) =
            inner.filter(|_| ["properties", "allOf"].iter().all(|key| target.get(*key).is_none()))
        else {
            if self.known.insert(choice.clone()) {
                self.choices.push(choice.clone());
            }
            return;
        };
        // The choices of a component are included once, even if it contains itself.
        if only_refers(choice).is_some_and(|name| !self.flattened.insert(name.to_owned())) {
            return;
        }
        self.nullable |= says(target, "nullable") || says(choice, "nullable");
        self.tags.extend(target.get("discriminator").cloned());
        inner.iter().for_each(|choice| self.take(choice, depth + 1));
    }

    /// Returns the common discriminator, if all choices have the same tag property.
    fn discriminator(&self) -> Option<Value> {
        let property = self.tags.first()?.get("propertyName")?;
        let mappings = self.tags.iter().filter_map(|tag| tag.get("mapping")?.as_object());
        let mapping: Map<String, Value> =
            mappings.flatten().map(|(value, to)| (value.clone(), to.clone())).collect();
        let mapped: BTreeSet<&str> = mapping.values().filter_map(component_of).collect();
        let has_it = |choice: &Value| {
            let properties = resolved(self.document, choice).get("properties");
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
    let Some(choices) = object.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let mut seen = HashSet::new();
    choices.retain(|choice| seen.insert(without_words(choice)));
    match choices.clone().as_slice() {
        [] => {
            object.remove("oneOf");
        }
        [only] => {
            object.remove("oneOf");
            join(object, only);
        }
        _ => {}
    }
}

/// Replaces a choice with one element by that element: a reference with its sibling keys, or the schema
/// itself.
fn join(object: &mut Map<String, Value>, only: &Value) {
    if referred(only).is_some() {
        object.insert("allOf".to_owned(), json!([only]));
        return;
    }
    for (key, value) in only.as_object().into_iter().flatten() {
        object.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Removes the keywords that have no effect on the type. Choices that differ only in these would become
/// variants of the same type.
fn without_words(choice: &Value) -> Value {
    let mut shape = choice.clone();
    if let Some(object) = shape.as_object_mut() {
        for key in [
            "description",
            "title",
            "example",
            "examples",
            "format",
            "maxLength",
            "minLength",
            "pattern",
            "readOnly",
        ] {
            object.remove(key);
        }
        object.remove(ENUMERATED);
    }
    shape
}
