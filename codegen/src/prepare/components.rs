//! Components: adds, renames, hoists and removes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::corrections::{NAMES, check_fields};
use super::keywords::Keywords;
use super::naming::{Names, field_name, normalized, type_name};
use super::walk::{
    each_operation, each_schema, in_content, operations, reach, reference, references, referred,
    rename_references, responses, schemas, schemas_mut,
};
use super::{OWN_TYPES, Renamed, Report};

/// Names that the generated code uses as values. A type with such a name would shadow them.
const RESERVED: [&str; 6] = ["Ok", "Err", "Some", "None", "Self_", "Default"];

/// Gives components the names in Rust that `x-name` states.
///
/// `Thing: {x-name: Item, …}` -> `Item: {…}`
pub fn rename_types(
    document: &mut Value,
    names: &BTreeMap<String, String>,
    report: &mut Report,
) -> Result<(), String> {
    for (component, name) in names {
        if RESERVED.contains(&name.as_str()) || OWN_TYPES.contains(&name.as_str()) {
            return Err(format!(
                "components.schemas.{component}: `x-name: {name}`: the crate has a type of that name"
            ));
        }
    }
    rename(document, names, report, "rename_types", "`x-name`");
    Ok(())
}

/// Renames a component that has the name of an own type but another shape.
///
/// `Timestamp: {type: object, …}` -> `TimestampSchema: {type: object, …}`
pub fn rename_own_type_clashes(document: &mut Value, report: &mut Report) {
    let meant = |name: &str, schema: &Value| {
        let kind = schema.text("type");
        match name {
            "Timestamp" | "FileUrl" => kind == Some("string") && schema.get("enum").is_none(),
            "StringList" => kind == Some("array"),
            "Expandable" => schema.has_any(&["oneOf", "anyOf"]),
            _ => {
                kind.is_none() && !schema.has_any(&["$ref", "allOf", "oneOf", "anyOf", "enum", "properties"])
            }
        }
    };
    let mut taken: Names = schemas(document).map(|(name, _)| type_name(name)).collect();
    let mut names = BTreeMap::new();
    for (name, schema) in schemas(document) {
        // `timestamp` gives the same Rust type as `Timestamp`, but is another component.
        let own = OWN_TYPES.contains(&type_name(name).as_str());
        if own && !(OWN_TYPES.contains(&name.as_str()) && meant(name, schema)) {
            names.insert(name.clone(), taken.free(&format!("{}Schema", type_name(name))));
        }
    }
    rename(document, &names, report, "rename_own_type_clashes", "the crate has a type of that name");
}

/// Adds the components that the other rules refer to, if they are missing.
///
/// `components: {}` -> `components: {Json: {}, Timestamp: {type: string}, …}`
pub fn add_own_schemas(document: &mut Value, report: &mut Report) {
    let Some(schemas) = schemas_mut(document) else { return };
    let own = [
        ("Json", json!({})),
        ("Timestamp", json!({"type": "string"})),
        ("FileUrl", json!({"type": "string"})),
        ("StringList", json!({"type": "array", "items": {"type": "string"}})),
        ("Expandable", json!({"oneOf": [{"type": "integer"}, {}], "nullable": true})),
    ];
    for (name, schema) in own {
        if !schemas.contains_key(name) {
            schemas.insert(name.to_owned(), schema);
            report.add("add_own_schemas", name, "added");
        }
    }
}

/// Removes components that no operation uses, such as those of errors and forms. They only cost compile
/// time.
///
/// `components: {Used: …, Unused: …}` -> `components: {Used: …}`
pub fn drop_unused_schemas(document: &mut Value, report: &mut Report) {
    let used = reach(document, operations(document).flat_map(|(_, _, operation)| references(operation)));
    let Some(schemas) = schemas_mut(document) else { return };
    schemas.retain(|name, _| {
        let kept = used.contains(name) || OWN_TYPES.contains(&name.as_str());
        if !kept {
            report.add("drop_unused_schemas", name, "no operation leads to it");
        }
        kept
    });
}

/// Gives each component a unique name in Rust. `_X` and `X`, or `fooBar` and `FooBar`, give the same Rust
/// type.
///
/// `components: {X: …, _X: …}` -> `components: {X: …, X2: …}`
pub fn make_component_names_unique(document: &mut Value, report: &mut Report) {
    let mut names = BTreeMap::new();
    // A component keeps its name if its type has the same name.
    let kept = schemas(document).map(|(name, _)| name).filter(|name| type_name(name) == **name);
    let mut taken: Names = kept.cloned().chain(RESERVED.map(str::to_owned)).collect();
    for (name, _) in schemas(document) {
        let wanted = type_name(name);
        let keeps_name = wanted == *name && !RESERVED.contains(&name.as_str());
        if !keeps_name {
            names.insert(name.clone(), taken.free(&wanted));
        }
    }
    rename(document, &names, report, "make_component_names_unique", "as a type");
}

fn rename(
    document: &mut Value,
    names: &BTreeMap<String, String>,
    report: &mut Report,
    rule: &'static str,
    why: &str,
) {
    if names.is_empty() {
        return;
    }
    if let Some(schemas) = schemas_mut(document) {
        for (name, schema) in std::mem::take(schemas) {
            schemas.insert(names.get(&name).cloned().unwrap_or(name), schema);
        }
    }
    // Discriminator mappings contain names of components, too.
    each_schema(document, |_, schema| {
        let mapping = schema.object_mut("discriminator").and_then(|tag| tag.object_mut("mapping"));
        for target in mapping.into_iter().flat_map(Map::values_mut) {
            let text = target.as_str().unwrap_or_default();
            let name = text.rsplit('/').next().unwrap_or_default();
            if let Some(new) = names.get(name) {
                *target = json!(format!("{}{new}", &text[..text.len() - name.len()]));
            }
        }
    });
    rename_references(document, &|name| names.get(name).cloned());
    for (name, mut union) in std::mem::take(&mut report.notes.unions) {
        for (_, target) in &mut union.choices {
            if let Some(new) = names.get(target.as_str()) {
                *target = new.clone();
            }
        }
        report.notes.unions.insert(names.get(&name).cloned().unwrap_or(name), union);
    }
    for (name, new) in names {
        report.add(rule, name, format!("called `{new}`: {why}"));
    }
}

/// Turns inline types into components. The generator names an inline type after its property, and the name
/// may clash with a component.
///
/// `Thing.owner: {properties: P}` -> `Thing.owner: {allOf: [ThingOwner]}`, `ThingOwner: {properties: P}`
pub fn hoist_inline_types(document: &mut Value, report: &mut Report) {
    hoist(document, report, "hoist_inline_types", &needs_a_name);
}

/// Turns each inline schema for which `wanted` is true into a component.
pub(super) fn hoist(
    document: &mut Value,
    report: &mut Report,
    rule: &'static str,
    wanted: &dyn Fn(&Value) -> bool,
) {
    let mut hoisting = Hoisting {
        taken: schemas(document).map(|(name, _)| name.clone()).chain(RESERVED.map(str::to_owned)).collect(),
        found: Map::new(),
        wanted,
    };
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        if !OWN_TYPES.contains(&name.as_str()) {
            hoisting.within(name, schema);
        }
    }
    each_operation(document, |_, operation| {
        let id = type_name(operation.text("operationId").unwrap_or_default());
        if let Some(body) = operation.get_mut("requestBody") {
            in_content(body, &mut |schema| hoisting.take(&format!("{id}Body"), schema));
        }
        for response in responses(operation) {
            in_content(response, &mut |schema| hoisting.take(&format!("{id}Response"), schema));
        }
    });
    for name in hoisting.found.keys() {
        report.add(rule, name, "a component");
    }
    if let Some(schemas) = schemas_mut(document) {
        schemas.extend(hoisting.found);
    }
}

/// Turns inline types into components.
struct Hoisting<'w> {
    taken: Names,
    found: Map<String, Value>,
    wanted: &'w dyn Fn(&Value) -> bool,
}

impl Hoisting<'_> {
    /// Searches the component `name` for inline types.
    fn within(&mut self, name: &str, schema: &mut Value) {
        for (property, child) in schema.object_mut("properties").into_iter().flatten() {
            self.take(&format!("{name}{}", type_name(property)), child);
        }
        for (key, suffix) in [("items", "Item"), ("additionalProperties", "Value")] {
            if let Some(child) = schema.get_mut(key).filter(|child| child.is_object()) {
                self.take(&format!("{name}{suffix}"), child);
            }
        }
        for (index, choice) in schema.list_mut("oneOf").into_iter().flatten().enumerate() {
            self.take(&format!("{name}Variant{index}"), choice);
        }
        for part in schema.list_mut("allOf").into_iter().flatten() {
            self.within(name, part);
        }
    }

    /// Turns a type and its inner types into components.
    fn take(&mut self, name: &str, schema: &mut Value) {
        if !(self.wanted)(schema) {
            self.within(name, schema);
            return;
        }
        let name = self.taken.free(name);
        let mut body = schema.take();
        self.within(&name, &mut body);
        let mut place = json!({"allOf": [reference(&name)]});
        let of_the_place = ["nullable", "readOnly", "writeOnly", "default"];
        place.copy(&body, &of_the_place);
        body.drop_keywords(&of_the_place);
        place.copy(&body, &["description"]);
        *schema = place;
        self.found.insert(name, body);
    }
}

/// Returns whether the generator makes a separate type for a schema.
pub(super) fn needs_a_name(schema: &Value) -> bool {
    let has = |key: &str| schema.get(key).is_some_and(|value| value != &json!({}) && value != &json!([]));
    let composed = match schema.list("allOf") {
        [] => false,
        [only] => referred(only).is_none(),
        _ => true,
    };
    has("properties") || has("enum") || has("oneOf") || composed
}

/// Gives each property a unique field name. `isGlobal` and `is_global` give the same Rust name. The second
/// one is renamed, and its wire name is noted. So is one with decomposed letters, which the compiler composes.
///
/// The names that `x-name` states come first.
///
/// `properties: {is_global: A, isGlobal: B}` -> `properties: {is_global: A, is_global_field: B}`
pub fn make_property_names_unique(document: &mut Value, report: &mut Report) -> Result<(), String> {
    for (name, schema) in schemas_mut(document).into_iter().flatten() {
        let Some(schema) = schema.as_object_mut() else { continue };
        let stated = stated_names(schema);
        // A composition may have brought more properties.
        check_fields(schema, &stated).map_err(|why| format!("components.schemas.{name}: {why}"))?;
        let Some(properties) = schema.object_mut("properties") else { continue };
        // A property keeps its name if its field has the same name. `extra` holds the unknown fields.
        let kept = properties.keys().filter(|name| field_name(name) == **name && !stated.contains_key(*name));
        let taken = kept.chain(stated.values()).cloned();
        let mut taken: Names = taken.chain(["extra".to_owned()]).collect();
        let mut here = stated.clone();
        for property in properties.keys().filter(|property| !stated.contains_key(*property)) {
            let field = field_name(property);
            let keeps_name = field == *property && property != "extra";
            let is_free = keeps_name || taken.take(field.clone());
            if !is_free {
                here.insert(property.clone(), taken.free(&format!("{}_field", field.trim_end_matches('_'))));
            } else if normalized(property) != *property {
                here.insert(property.clone(), field);
            }
        }
        // Two properties may exchange their names.
        let moved =
            here.iter().filter_map(|(property, new)| Some((new.clone(), properties.remove(property)?)));
        let moved = Vec::from_iter(moved);
        properties.extend(moved);
        if let Some(clearable) = report.notes.clearable.get_mut(name) {
            let renamed = |property: String| here.get(&property).cloned().unwrap_or(property);
            *clearable = std::mem::take(clearable).into_iter().map(renamed).collect();
        }
        for (property, new) in &here {
            let what = format!("the field `{new}`; `{property}` on the wire");
            report.add("make_property_names_unique", format!("{name}.{property}"), what);
            let renamed = Renamed { from: new.clone(), wire: property.clone() };
            report.notes.properties.entry(name.clone()).or_default().push(renamed);
        }
        for required in schema.list_mut("required").into_iter().flatten() {
            if let Some(new) = required.as_str().and_then(|required| here.get(required)) {
                *required = json!(new);
            }
        }
    }
    Ok(())
}

/// Takes the names in Rust that `x-name` states for the properties of a schema.
fn stated_names(schema: &mut Map<String, Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(mut names)) = schema.remove(NAMES) else { return BTreeMap::new() };
    let has = |property: &str| schema.object("properties").is_some_and(|all| all.contains_key(property));
    // A name that is the property's own needs no other on the wire.
    names.retain(|property, name| has(property) && *name != *property);
    let text = |(property, name): (String, Value)| Some((property, name.as_str()?.to_owned()));
    names.into_iter().filter_map(text).collect()
}
