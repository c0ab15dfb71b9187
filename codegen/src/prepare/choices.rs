//! Choices between schemas: `anyOf` and `oneOf`.

use serde_json::{Map, Value, json};

use super::Report;
use super::discriminators::component_of;
use super::enums::ENUMERATED;
use super::walk::{for_schemas, only_refers, referred, resolved, says};

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
pub fn flatten_nested_choices(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let Some(choices) = object.get("oneOf").and_then(Value::as_array) else { return };
        let mut all = Flat { document: &whole, choices: Vec::new(), nullable: false, tags: Vec::new() };
        all.tags.extend(object.get("discriminator").cloned());
        choices.iter().for_each(|choice| all.take(choice, &mut Vec::new()));
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
}

/// The flattened choices.
struct Flat<'d> {
    document: &'d Value,
    choices: Vec<Value>,
    nullable: bool,
    /// The discriminators of the choices.
    tags: Vec<Value>,
}

impl Flat<'_> {
    fn take(&mut self, choice: &Value, within: &mut Vec<String>) {
        let target = resolved(self.document, choice);
        let inner = target.get("oneOf").and_then(Value::as_array);
        let Some(inner) =
            inner.filter(|_| ["properties", "allOf"].iter().all(|key| target.get(*key).is_none()))
        else {
            if !self.choices.contains(choice) {
                self.choices.push(choice.clone());
            }
            return;
        };
        // A choice that contains itself is already included.
        let name = only_refers(choice).unwrap_or_default().to_owned();
        if !name.is_empty() && within.contains(&name) {
            return;
        }
        self.nullable |= says(target, "nullable") || says(choice, "nullable");
        self.tags.extend(target.get("discriminator").cloned());
        within.push(name);
        inner.iter().for_each(|choice| self.take(choice, within));
        within.pop();
    }

    /// Returns the common discriminator, if all choices have the same tag property.
    fn discriminator(&self) -> Option<Value> {
        let property = self.tags.first()?.get("propertyName")?;
        let mappings = self.tags.iter().filter_map(|tag| tag.get("mapping")?.as_object());
        let mapping: Map<String, Value> =
            mappings.flatten().map(|(value, to)| (value.clone(), to.clone())).collect();
        let has_it = |choice: &Value| {
            let is_mapped = |name: &str| mapping.values().any(|to| component_of(to) == Some(name));
            let properties = resolved(self.document, choice).get("properties");
            only_refers(choice).is_some_and(is_mapped)
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
    let mut seen: Vec<Value> = Vec::new();
    choices.retain(|choice| {
        let shape = without_words(choice);
        let is_new = !seen.contains(&shape);
        seen.push(shape);
        is_new
    });
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
