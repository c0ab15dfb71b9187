//! Corrections that an overlay can't express: a list of an overlay only becomes longer, and no key is renamed.
//! `x-optional` changes whether a property is required, and `x-name` gives a name in Rust.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Report;
use super::alternatives::alternatives;
use super::enums::CASE_INSENSITIVE;
use super::field_marks::{ALIAS, MARKS, SECRET, take_marks};
use super::keywords::Keywords;
use super::naming::{field_name, parameter_name, type_name};
use super::walk::{Outcome, each_schema, operations, place_of, schemas, schemas_mut};

/// The names in Rust of an object's properties. It is beside `properties`, because many rules replace a property's
/// schema.
pub(super) const NAMES: &str = "x-names";

const OPTIONAL: &str = "x-optional";

/// The keyword that keeps what `x-optional` says of a property.
const REQUIRED: &str = "x-required";
const NAME: &str = "x-name";

/// Applies `x-optional` and reads `x-name`, `x-secret` and `x-alias` of every property, wherever it is in the document.
/// Checks what `x-alternatives` and `x-case-insensitive` of a schema say.
///
/// - `{required: [a], properties: {a: {x-optional: true, …}}}` -> `{properties: {a: …}}`
/// - `{properties: {a: {x-name: b, …}}}` -> `{x-names: {a: b}, properties: {a: …}}`
/// - `{properties: {a: {x-secret: true, …}}}` -> `{x-marks: {a: {x-secret: true}}, properties: {a: …}}`
pub fn correct_properties(document: &mut Value, report: &mut Report) -> Result<(), String> {
    let mut correcting = Correcting { place: String::new(), report };
    for (key, part) in document.as_object_mut().into_iter().flatten() {
        correcting.place = key.clone();
        correcting.within(part, key == "paths")?;
    }
    Ok(())
}

struct Correcting<'r> {
    /// Where the current value is.
    place: String,
    report: &'r mut Report,
}

impl Correcting<'_> {
    /// Visits a value. The keys of a map of names aren't keywords.
    fn within(&mut self, value: &mut Value, is_of_names: bool) -> Outcome {
        const MAPS: [&str; 9] = [
            "properties",
            "patternProperties",
            "schemas",
            "parameters",
            "responses",
            "requestBodies",
            "content",
            "$defs",
            "definitions",
        ];
        const DATA: [&str; 6] = ["example", "examples", "default", "enum", "const", MARKS];
        match value {
            Value::Object(object) => {
                if !is_of_names {
                    self.correct(object)?;
                }
                for (key, child) in object {
                    if !is_of_names && DATA.contains(&key.as_str()) {
                        continue;
                    }
                    let is_map = !is_of_names && MAPS.contains(&key.as_str());
                    // The place of a property is `Thing.name`.
                    self.step(if is_map && key == "properties" { "" } else { key }, |correcting| {
                        correcting.within(child, is_map)
                    })?;
                }
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.within(item, false))?,
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, key: &str, visit: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let length = self.place.len();
        if !key.is_empty() {
            self.place.push('.');
            self.place.push_str(key);
        }
        let outcome = visit(self);
        self.place.truncate(length);
        outcome
    }

    /// Corrects the properties of an object.
    fn correct(&mut self, object: &mut Map<String, Value>) -> Outcome {
        // Its own extensions are those of a property, an operation or a parameter, or misplaced.
        let has_name = object.has_any(&["operationId", "responses", "in"]);
        for key in [OPTIONAL, NAME, ALIAS].into_iter().filter(|key| *key != NAME || !has_name) {
            if object.contains_key(key) {
                self.report.add("correct_properties", &self.place, format!("`{key}` has no effect here"));
            }
        }
        self.check(object).map_err(|why| format!("{}: {why}", self.place))?;
        let mut optional: BTreeMap<String, bool> = BTreeMap::new();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut marks = Map::new();
        for (property, schema) in object.object_mut("properties").into_iter().flatten() {
            let Some(schema) = schema.as_object_mut() else { continue };
            let place = |at: &str| format!("{at}.{property}");
            match schema.remove(OPTIONAL) {
                None => {}
                Some(Value::Bool(is_optional)) => {
                    optional.insert(property.clone(), is_optional);
                    if !schema.contains_key("$ref") {
                        schema.put(REQUIRED, !is_optional);
                    }
                }
                Some(_) => return Err(no_boolean(&place(&self.place))),
            }
            if let Some(name) = schema.remove(NAME) {
                let name =
                    valid_name(&name, field_name).map_err(|why| format!("{}: {why}", place(&self.place)))?;
                names.insert(property.clone(), name);
            }
            if let Some(mark) = take_marks(schema).map_err(|why| format!("{}: {why}", place(&self.place)))? {
                marks.insert(property.clone(), mark);
            }
        }
        if !marks.is_empty() {
            object.put(MARKS, marks);
        }
        self.require(object, &optional);
        if !names.is_empty() {
            check_fields(object, &names).map_err(|why| format!("{}: {why}", self.place))?;
            object.put(NAMES, json!(names));
        }
        Ok(())
    }

    /// Checks an object's own extensions.
    fn check(&self, object: &Map<String, Value>) -> Outcome {
        // A secret that is shown by mistake can't be taken back.
        if !object.contains_key("in") && object.contains_key(SECRET) {
            return Err(format!("`{SECRET}` has no effect here: it belongs to a property or a parameter"));
        }
        valid_flag(object.get(CASE_INSENSITIVE), CASE_INSENSITIVE)?;
        alternatives(object).map(drop)
    }

    /// Changes which properties an object requires.
    fn require(&mut self, object: &mut Map<String, Value>, optional: &BTreeMap<String, bool>) {
        if optional.is_empty() {
            return;
        }
        let mut required = match object.remove("required") {
            Some(Value::Array(required)) => required,
            Some(Value::String(only)) => vec![json!(only)],
            _ => Vec::new(),
        };
        for (property, is_optional) in optional {
            let before = required.len();
            required.retain(|name| name != property.as_str());
            let was_optional = required.len() == before;
            if !is_optional {
                required.push(json!(property));
            }
            let what = match (is_optional, was_optional) {
                (true, false) => "optional, by `x-optional`",
                (false, true) => "required, by `x-optional`",
                (true, true) => "`x-optional` has no effect: it is optional",
                (false, false) => "`x-optional` has no effect: it is required",
            };
            let place = format!("{}.{property}", self.place.trim_start_matches("components.schemas."));
            self.report.add("correct_properties", place, what);
        }
        if !required.is_empty() {
            object.put("required", required);
        }
    }
}

/// Applies `x-optional` to the objects that a composition was merged into: another part of it may require the property.
///
/// `{required: [a], properties: {a: {x-required: false}}}` -> `{properties: {a: {}}}`
pub fn require_merged_properties(document: &mut Value, report: &mut Report) {
    each_schema(document, |place, object| {
        let mut marked: BTreeMap<String, bool> = BTreeMap::new();
        for (property, schema) in object.object_mut("properties").into_iter().flatten() {
            let Some(schema) = schema.as_object_mut() else { continue };
            if let Some(Value::Bool(is_required)) = schema.remove(REQUIRED) {
                marked.insert(property.clone(), is_required);
            }
        }
        for (property, is_required) in marked {
            let was_required = object.list("required").iter().any(|name| name == property.as_str());
            if was_required == is_required {
                continue;
            }
            if let Some(required) = object.list_or_new("required") {
                required.retain(|name| name != property.as_str());
                required.extend(is_required.then(|| json!(property)));
            }
            let what = if is_required { "required, by `x-optional`" } else { "optional, by `x-optional`" };
            report.add("require_merged_properties", format!("{place}.{property}"), what);
        }
    });
}

fn no_boolean(place: &str) -> String {
    format!("{place}: `{OPTIONAL}` is neither `true` nor `false`")
}

/// Returns the value of an extension that is `true` or `false`.
///
/// # Errors
/// Returns an error if it is something else.
pub(super) fn valid_flag(flag: Option<&Value>, key: &str) -> Result<bool, String> {
    match flag {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("`{key}` is neither `true` nor `false`")),
    }
}

/// Returns an `x-name` that is the name that Rust makes of it.
fn valid_name(name: &Value, of_rust: fn(&str) -> String) -> Result<String, String> {
    let Some(text) = name.as_str() else { return Err(format!("`{NAME}` is no text")) };
    match of_rust(text) {
        right if right == text => Ok(right),
        right => Err(format!("`{NAME}: {text}` is no such name in Rust; `{right}` is")),
    }
}

fn is_taken(name: &str, other: &str) -> String {
    format!("`{NAME}: {name}`: {other} has this name")
}

/// The fields of a page. With another name, a list would end after its first page.
const PAGE: [&str; 4] = ["results", "count", "next", "previous"];

/// Returns an error if two properties have the same name in Rust, of which one is given by `x-name`.
pub(super) fn check_fields(object: &Map<String, Value>, names: &BTreeMap<String, String>) -> Outcome {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let is_page = object.object("properties").is_some_and(|properties| properties.contains_key("results"));
    for (property, name) in names {
        if is_page && PAGE.contains(&property.as_str()) {
            return Err(format!("`{NAME}: {name}`: a page is recognized by the name of its `{property}`"));
        }
        if name == "extra" {
            return Err(is_taken(name, "the field of the unknown fields"));
        }
        if let Some(other) = owners.insert(name, property) {
            return Err(is_taken(name, &format!("`{other}`")));
        }
    }
    let others = object.object("properties").into_iter().flat_map(Map::keys);
    for other in others.filter(|other| !names.contains_key(*other)) {
        if let Some((name, _)) = owners.get_key_value(field_name(other).as_str()) {
            return Err(is_taken(name, &format!("`{other}`")));
        }
    }
    Ok(())
}

/// Takes `x-name` from each component.
pub fn take_type_names(document: &mut Value) -> Result<BTreeMap<String, String>, String> {
    let mut names = BTreeMap::new();
    for (component, schema) in schemas_mut(document).into_iter().flatten() {
        if let Some(name) = schema.as_object_mut().and_then(|schema| schema.remove(NAME)) {
            let name = valid_name(&name, type_name);
            names.insert(
                component.clone(),
                name.map_err(|why| format!("components.schemas.{component}: {why}"))?,
            );
        }
    }
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (component, _) in schemas(document) {
        let name = names.get(component).cloned().unwrap_or_else(|| type_name(component));
        if let Some(other) = owners.insert(name.clone(), component) {
            let named =
                [component.as_str(), other].into_iter().find(|component| names.contains_key(*component));
            if let Some(named) = named {
                let other = if named == other { component } else { other };
                let why = is_taken(&name, &format!("`{other}`"));
                return Err(format!("components.schemas.{named}: {why}"));
            }
        }
    }
    Ok(names)
}

/// Checks `x-name` of operations and their parameters: each gives a name that is valid and free. It changes
/// nothing.
pub fn check_names(document: &Value) -> Outcome {
    let mut owners: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for (path, method, operation) in operations(document) {
        let place = place_of(path, method, operation);
        let at = |why: String| format!("{place}: {why}");
        let own = operation.get(NAME).map(|name| valid_name(name, parameter_name)).transpose().map_err(at)?;
        let is_own = own.is_some();
        if own.as_deref().is_some_and(|name| RESERVED_METHODS.contains(&name)) {
            return Err(at(format!("`{NAME}: {}` is a name of Rust", own.unwrap_or_default())));
        }
        // Builders are types: `get_it` and `getIt` have the same.
        let name = own.or_else(|| operation.text("operationId").map(parameter_name));
        let name = name.unwrap_or_else(|| format!("{method}_{}", parameter_name(path)));
        if let Some((other_is_own, other)) = owners.insert(type_name(&name), (is_own, place.clone()))
            && (is_own || other_is_own)
        {
            return Err(at(is_taken(&name, &other)));
        }
        for parameter in operation.list("parameters") {
            if let Some(name) = parameter.get(NAME) {
                let of = |why| at(format!("parameter `{}`: {why}", parameter.string("name")));
                valid_name(name, parameter_name).map_err(of)?;
            }
        }
    }
    Ok(())
}

/// Names of Rust that a builder would hide.
pub(super) const RESERVED_METHODS: [&str; 7] = ["new", "none", "option", "result", "some", "string", "vec"];

/// Checks that the parameters of an operation with an `x-name` have names of their own, beside the `reserved` ones.
pub(super) fn check_parameters(parameters: &[Value], reserved: &[&str]) -> Outcome {
    let mut owners: BTreeMap<String, (bool, String)> = BTreeMap::new();
    for parameter in parameters {
        let (wire, own) = (parameter.string("name"), parameter.text(NAME));
        let name = own.map_or_else(|| parameter_name(&wire), str::to_owned);
        if own.is_some() && reserved.contains(&name.as_str()) {
            return Err(is_taken(&name, "a method of every builder"));
        }
        if let Some((other_is_own, other)) = owners.insert(name.clone(), (own.is_some(), wire))
            && (own.is_some() || other_is_own)
        {
            return Err(is_taken(&name, &format!("`{other}`")));
        }
    }
    Ok(())
}
