//! Null, choices between schemas, and discriminators.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::components::{free, hoist};
use super::enums::ENUMERATED;
use super::naming::type_name;
use super::walk::{
    each_operation, entry, for_schemas, in_content, only_refers, reference, referred, resolved, says,
    schemas, schemas_mut,
};
use super::{OWN_TYPES, Report, SCHEMAS, Union};

/// `anyOf` would be a struct of flattened options, which fails for every value.
pub fn any_of_is_one_of(document: &mut Value, report: &mut Report) {
    for_schemas(document, &mut |place, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(choices) = object.remove("anyOf") {
            object.entry("oneOf").or_insert(choices);
            report.add("any_of_is_one_of", place, "the first that fits is taken");
        }
    });
}

/// A null among an enumeration's values or among the choices says that the whole may be null; an empty text
/// among them needs no choice of its own, since enumerations take any text.
pub fn null_and_blank_are_no_choices(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let only_null = |schema: &Value| {
        // One within the choice was looked at already: of its enumeration nothing is left.
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
            // Of a component the null goes where it is used.
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
                report.add("null_and_blank_are_no_choices", place, format!("{now} of {before} choices stay"));
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
                    "null_and_blank_are_no_choices",
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

/// A tag means a component also where no mapping says so: by a value that the tag has in it, or else by the
/// component's name. It is looked up before rules give components other names and leave numbers without
/// enumerations.
pub fn tags_are_told(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    for_schemas(document, &mut |place, schema| {
        let Some(property) =
            schema.pointer("/discriminator/propertyName").and_then(Value::as_str).map(str::to_owned)
        else {
            return;
        };
        let choices = ["oneOf", "anyOf"]
            .into_iter()
            .find_map(|key| schema.get(key)?.as_array())
            .cloned()
            .unwrap_or_default();
        let mut untold = Vec::new();
        let mapping =
            schema.pointer("/discriminator/mapping").and_then(Value::as_object).cloned().unwrap_or_default();
        let is_told = |name: &str| mapping.values().any(|to| component_of(to) == Some(name));
        for choice in &choices {
            // A choice within that has the same tag tells itself.
            let inner =
                resolved(&whole, choice).pointer("/discriminator/propertyName").and_then(Value::as_str);
            if inner == Some(&property) {
                continue;
            }
            let Some(name) = only_refers(choice).filter(|name| !is_told(name)) else { continue };
            let values = tag_values(&whole, choice, &property).unwrap_or_else(|| vec![name.to_owned()]);
            untold.extend(
                values
                    .into_iter()
                    .filter(|value| !mapping.contains_key(value))
                    .map(|value| (value, name.to_owned())),
            );
        }
        if untold.is_empty() {
            return;
        }
        let Some(mapping) = entry(schema, &["discriminator", "mapping"]) else { return };
        for (value, name) in untold {
            report.add("tags_are_told", place, format!("{property:?} {value:?} means `{name}`"));
            mapping.insert(value, json!(format!("{SCHEMAS}{name}")));
        }
    });
}

/// A choice among whose choices is a choice is one of all: as a type of its own the inner one would take
/// whatever comes, as something that it doesn't know, and nothing would be left for those after it. Where
/// another tag tells it from the others it stays.
pub fn choices_of_choices_are_one(document: &mut Value, report: &mut Report) {
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
        report.add("choices_of_choices_are_one", place, format!("{} choices", all.choices.len()));
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

/// The choices within choices.
struct Flat<'d> {
    document: &'d Value,
    choices: Vec<Value>,
    nullable: bool,
    /// Their discriminators.
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
        // What leads to itself is taken already.
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

    /// The one discriminator of all: of one property, which each choice has.
    fn discriminator(&self) -> Option<Value> {
        let property = self.tags.first()?.get("propertyName")?;
        let mappings = self.tags.iter().filter_map(|tag| tag.get("mapping")?.as_object());
        let mapping: Map<String, Value> =
            mappings.flatten().map(|(value, to)| (value.clone(), to.clone())).collect();
        let has_it = |choice: &Value| {
            let is_told = |name: &str| mapping.values().any(|to| component_of(to) == Some(name));
            let properties = resolved(self.document, choice).get("properties");
            only_refers(choice).is_some_and(is_told)
                || properties.is_some_and(|all| all.get(property.as_str().unwrap_or_default()).is_some())
        };
        let is_one = self.tags.iter().all(|tag| tag.get("propertyName") == Some(property))
            && self.choices.iter().all(has_it);
        is_one.then(|| json!({"propertyName": property, "mapping": mapping}))
    }
}

/// The component that a discriminator's mapping means: by a reference or by its name.
pub(super) fn component_of(target: &Value) -> Option<&str> {
    target.as_str()?.rsplit('/').next()
}

/// Two choices of one shape would be two variants of one type, and a choice of one is none.
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

/// A choice of one is that one: a reference with what stands beside it, or the schema itself.
fn join(object: &mut Map<String, Value>, only: &Value) {
    if referred(only).is_some() {
        object.insert("allOf".to_owned(), json!([only]));
        return;
    }
    for (key, value) in only.as_object().into_iter().flatten() {
        object.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// What of a choice its type shows: two that differ in words only would be two variants of one type.
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

/// A component that is nullable itself would be two types, the one and the one that may be null, of one name.
/// Being null is for the places that use it.
pub fn components_are_nullable_where_they_are_used(document: &mut Value, report: &mut Report) {
    let mut nullable = BTreeSet::new();
    // One that is but another, which is nullable, is so too.
    for _ in 0..8 {
        for (name, schema) in schemas(document).filter(|(name, _)| !OWN_TYPES.contains(&name.as_str())) {
            if says(schema, "nullable") || only_refers(schema).is_some_and(|other| nullable.contains(other)) {
                nullable.insert(name.clone());
            }
        }
    }
    if nullable.is_empty() {
        return;
    }
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        if nullable.contains(name)
            && let Some(schema) = schema.as_object_mut()
            && schema.remove("nullable").is_some()
        {
            report.add(
                "components_are_nullable_where_they_are_used",
                name,
                "null is for the places that refer to it",
            );
        }
    }
    for_schemas(document, &mut |_, schema| {
        let Some(object) = schema.as_object_mut() else { return };
        // The places: properties, items, answers. Parts of a composition are visited by themselves, and none
        // of them is.
        for (_, child) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            null_where_used(child, &nullable);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(child) = object.get_mut(key) {
                null_where_used(child, &nullable);
            }
        }
    });
    each_operation(document, |place, operation| {
        for (_, response) in
            operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten()
        {
            in_content(place, response, &mut |_, schema| null_where_used(schema, &nullable));
        }
    });
}

fn null_where_used(schema: &mut Value, nullable: &BTreeSet<String>) {
    if let Some(name) = referred(schema).filter(|name| nullable.contains(*name)) {
        *schema = json!({"allOf": [reference(name)], "nullable": true});
    } else if only_refers(schema).is_some_and(|name| nullable.contains(name)) {
        schema["nullable"] = json!(true);
    } else if let Some(choices) = schema.get("oneOf").and_then(Value::as_array)
        && choices.iter().any(|choice| referred(choice).is_some_and(|name| nullable.contains(name)))
    {
        schema["nullable"] = json!(true);
    }
}

/// A choice between objects that is written into a schema or an operation: as a component it has a name, by
/// which its tag is known.
pub fn unions_are_components(document: &mut Value, report: &mut Report) {
    let whole = document.clone();
    let is_union = |schema: &Value| {
        let choices = schema.get("oneOf").and_then(Value::as_array);
        choices.is_some_and(|choices| {
            choices.len() > 1 && choices.iter().all(|choice| has_properties(&whole, choice))
        })
    };
    hoist(document, report, "unions_are_components", &is_union);
}

fn has_properties(document: &Value, schema: &Value) -> bool {
    resolved(document, schema)
        .get("properties")
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty())
}

/// The generator doesn't look at discriminators: the first choice whose fields fit would be taken. The
/// adapted code reads the tag, for which each choice must be a component and the tag a plain text in it. A
/// property whose values differ in each choice is a tag, too, though the document doesn't say so.
pub fn discriminators_are_read(document: &mut Value, report: &mut Report) {
    let mut unions: BTreeMap<String, Union> = BTreeMap::new();
    let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut named: Vec<(String, usize, String)> = Vec::new();
    let mut taken: BTreeSet<String> = schemas(document).map(|(name, _)| name.clone()).collect();
    for (name, schema) in schemas(document) {
        let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { continue };
        let told = schema.pointer("/discriminator/propertyName").and_then(Value::as_str).map(str::to_owned);
        let Some(property) = told.clone().or_else(|| tag_that_is_meant(document, choices)) else { continue };
        let mapping = schema.pointer("/discriminator/mapping").and_then(Value::as_object);
        let mapped = |component: &str| {
            let targets =
                mapping.into_iter().flatten().filter(|(_, target)| component_of(target) == Some(component));
            targets.map(|(value, _)| value.clone()).collect::<Vec<_>>()
        };
        let mut union = Union { tag: property.clone(), choices: Vec::new() };
        let mut inline = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            let component = only_refers(choice);
            let mut values = component.map(mapped).unwrap_or_default();
            // Without a mapping a component's name is its tag; often the tag's own enumeration tells better.
            if values.is_empty() {
                values = tag_values(document, choice, &property).unwrap_or_default();
            }
            let component = match component {
                Some(component) => component.to_owned(),
                None => {
                    let Some(value) = values.first() else { break };
                    let own = free(&format!("{name}{}", type_name(value)), &mut taken);
                    inline.push((name.clone(), index, own.clone()));
                    own
                }
            };
            if values.is_empty() {
                values.push(component.clone());
            }
            // A value that means two is the first's.
            values.retain(|value| !union.choices.iter().any(|(known, _)| known == value));
            union.choices.extend(values.into_iter().map(|value| (value, component.clone())));
        }
        let covered: BTreeSet<&String> = union.choices.iter().map(|(_, component)| component).collect();
        if covered.len() < choices.len() {
            report.add("discriminators_are_read", name, "not this one: a choice has no value of the tag");
            continue;
        }
        for component in covered {
            tags.entry(component.clone()).or_default().insert(property.clone());
        }
        let how = if told.is_some() { "" } else { ", of which each has values of its own" };
        report.add(
            "discriminators_are_read",
            name,
            format!("by `{property}`{how}: {} choices", union.choices.len()),
        );
        unions.insert(name.clone(), union);
        named.append(&mut inline);
    }
    let whole = document.clone();
    if let Some(schemas) = schemas_mut(document) {
        for (union, index, own) in named {
            let choice = schemas.get_mut(&union).and_then(|schema| schema.get_mut("oneOf")?.get_mut(index));
            if let Some(choice) = choice {
                let body = std::mem::replace(choice, reference(&own));
                schemas.insert(own, body);
            }
        }
        for name in unions.keys() {
            if let Some(schema) = schemas.get_mut(name).and_then(Value::as_object_mut) {
                schema.remove("discriminator");
            }
        }
        for (component, properties) in tags {
            for property in properties {
                let tag = schemas
                    .get_mut(&component)
                    .and_then(|schema| schema.get_mut("properties")?.get_mut(&property));
                let Some(tag) = tag else { continue };
                // An enumeration of one value would make the generator see a tag, and refuse all others.
                if resolved(&whole, tag)
                    .get("enum")
                    .and_then(Value::as_array)
                    .is_some_and(|values| values.len() == 1)
                {
                    let description = tag.get("description").cloned();
                    *tag = json!({"type": "string"});
                    if let Some(description) = description {
                        tag["description"] = description;
                    }
                }
            }
        }
    }
    for_schemas(document, &mut |_, schema| {
        if let Some(schema) = schema.as_object_mut() {
            schema.remove(ENUMERATED);
        }
    });
    report.notes.unions = unions;
}

/// The values that a property of a choice may have, where they are enumerated.
fn tag_values(document: &Value, choice: &Value, property: &str) -> Option<Vec<String>> {
    let values = enumerated(document, choice, property, &mut Vec::new())?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let values: Vec<String> = values.iter().filter_map(text).collect();
    (!values.is_empty()).then_some(values)
}

/// The values of a property's enumeration: in a composition the last part that has one tells.
fn enumerated<'d>(
    document: &'d Value,
    schema: &'d Value,
    property: &str,
    within: &mut Vec<&'d Value>,
) -> Option<&'d Vec<Value>> {
    let schema = resolved(document, schema);
    if within.iter().any(|other| std::ptr::eq(*other, schema)) {
        return None;
    }
    within.push(schema);
    let own = schema.get("properties").and_then(|properties| properties.get(property)).and_then(|own| {
        let own = resolved(document, own);
        own.get("enum").or_else(|| own.get(ENUMERATED))?.as_array()
    });
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten().rev();
    let values = own.or_else(|| parts.filter_map(|part| enumerated(document, part, property, within)).next());
    within.pop();
    values
}

/// A property that each choice must have, of other values than any other choice has.
fn tag_that_is_meant(document: &Value, choices: &[Value]) -> Option<String> {
    if choices.len() < 2 {
        return None;
    }
    let first = resolved(document, choices.first()?);
    let tells = |property: &str| {
        let mut seen = BTreeSet::new();
        choices.iter().all(|choice| {
            let required = resolved(document, choice).get("required").and_then(Value::as_array);
            required.is_some_and(|required| required.iter().any(|name| name == property))
                && tag_values(document, choice, property)
                    .is_some_and(|values| values.into_iter().all(|value| seen.insert(value)))
        })
    };
    first.get("properties")?.as_object()?.keys().find(|property| tells(property)).cloned()
}
