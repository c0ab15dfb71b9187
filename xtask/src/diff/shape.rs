//! The parts of schemas that determine Rust types and the wire format.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use synapse_codegen::prepare::{CONSTRAINTS, HOLD_NULL, SCHEMAS};

use crate::document::resolve;

/// Constraints of objects, which have no effect on types: the build ignores them.
const OF_OBJECTS: [&str; 2] = ["minProperties", "maxProperties"];

/// Keywords for people, which affect neither types nor bytes.
const WORDS: [&str; 6] = ["description", "title", "example", "examples", "externalDocs", "xml"];

/// The keywords that the rest of this module reads.
const READ: [&str; 13] = [
    "$ref",
    "type",
    "format",
    "nullable",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "allOf",
    "oneOf",
    "anyOf",
    "default",
];

/// A schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub kind: Kind,
    pub nullable: bool,
    /// The enumerated values, compared separately from the type.
    pub values: Option<BTreeSet<String>>,
    pub constraints: BTreeMap<String, Value>,
    /// `default`, `readOnly` and all other keywords.
    pub others: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A component, by its name.
    Named(String),
    /// A plain type as it is printed: `integer int64`.
    Scalar(String),
    /// An enumeration of text values, which has its own type.
    Enumeration,
    List(Box<Shape>),
    Object(BTreeMap<String, Field>),
    /// An object with arbitrary keys.
    Map(Box<Shape>),
    /// `oneOf` or `anyOf`; the word is `one` or `any`.
    Choice(&'static str, Vec<Shape>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub shape: Shape,
    pub required: bool,
}

impl Shape {
    /// Reads a schema. Enumerations in parameters have no own type: they are text.
    pub fn read(document: &Value, schema: &Value, parameter: bool) -> Result<Self, String> {
        let mut reader = Reader { document, parameter, open: Vec::new() };
        reader.shape(schema)
    }

    /// Describes the type in words. `renamed` maps components to their new names.
    pub fn text(&self, renamed: &BTreeMap<String, String>) -> String {
        match &self.kind {
            Kind::Named(name) => renamed.get(name).unwrap_or(name).clone(),
            Kind::Scalar(text) => text.clone(),
            Kind::Enumeration => "enumeration".to_owned(),
            Kind::List(item) => format!("list of {}", item.text(renamed)),
            Kind::Object(_) => "object".to_owned(),
            Kind::Map(value) => format!("map of {}", value.text(renamed)),
            Kind::Choice(word, choices) => {
                let mut choices: Vec<String> = choices.iter().map(|choice| choice.text(renamed)).collect();
                choices.sort();
                format!("{word} of ({})", choices.join(" | "))
            }
        }
    }

    /// Returns whether it has a field that is always present in Rust and holds a missing value as null.
    pub fn has_fields_that_hold_null(&self) -> bool {
        let Kind::Object(fields) = &self.kind else { return false };
        fields
            .values()
            .any(|field| matches!(&field.shape.kind, Kind::Named(name) if HOLD_NULL.contains(&name.as_str())))
    }

    /// Describes the type with all its content, without its own name. Two types that differ only by name have
    /// the same signature.
    pub fn signature(&self, renamed: &BTreeMap<String, String>) -> String {
        match &self.kind {
            Kind::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| {
                    format!(
                        "{name}: {} {} {}",
                        field.shape.signature(renamed),
                        field.required,
                        field.shape.nullable
                    )
                });
                format!("object {:?}", fields.collect::<Vec<_>>())
            }
            Kind::List(item) => format!("list of {}", item.signature(renamed)),
            Kind::Enumeration => format!("enumeration {:?}", self.values),
            _ => self.text(renamed),
        }
    }
}

struct Reader<'a> {
    document: &'a Value,
    parameter: bool,
    /// The components being merged, to stop at a component that contains itself.
    open: Vec<String>,
}

impl Reader<'_> {
    fn shape(&mut self, schema: &Value) -> Result<Shape, String> {
        let empty = Map::new();
        let object = match schema {
            Value::Object(object) => object,
            Value::Bool(true) => &empty,
            _ => return Err(format!("a schema isn't an object: {schema}")),
        };
        if object.contains_key("$ref") {
            return Ok(plain(self.named(schema)?));
        }
        let nullable = object.get("nullable").and_then(Value::as_bool).unwrap_or(false);
        let mut shape = plain(Kind::Scalar(String::new()));
        (shape.kind, shape.values) = self.kind(object)?;
        shape.nullable = nullable;
        for (key, value) in object {
            if CONSTRAINTS.contains(&key.as_str()) || OF_OBJECTS.contains(&key.as_str()) {
                shape.constraints.insert(key.clone(), value.clone());
            } else if key == "default"
                || !(READ.contains(&key.as_str()) || WORDS.contains(&key.as_str()) || key.starts_with("x-"))
            {
                // `false` has no effect.
                if value != &Value::Bool(false) || key == "default" {
                    shape.others.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(shape)
    }

    fn named(&self, schema: &Value) -> Result<Kind, String> {
        let reference = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
        resolve(self.document, schema)?;
        let name = reference
            .strip_prefix(SCHEMAS)
            .ok_or_else(|| format!("`{reference}` isn't a component's schema"))?;
        Ok(Kind::Named(name.to_owned()))
    }

    fn kind(&mut self, object: &Map<String, Value>) -> Result<(Kind, Option<BTreeSet<String>>), String> {
        if let Some(all) = object.get("allOf").and_then(Value::as_array) {
            return match all.as_slice() {
                // A nullable or described reference must be written as an `allOf` with one item.
                [only] if !object.contains_key("properties") => {
                    let only = self.shape(only)?;
                    Ok((only.kind, only.values))
                }
                _ => Ok((Kind::Object(self.merged(object)?), None)),
            };
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = object.get(key).and_then(Value::as_array) {
                let choices =
                    choices.iter().map(|choice| self.shape(choice)).collect::<Result<Vec<_>, _>>()?;
                // A value can't have several plain types at once, so `anyOf` and `oneOf` mean the same.
                let several =
                    key == "anyOf" && choices.iter().any(|choice| !matches!(choice.kind, Kind::Scalar(_)));
                return Ok((Kind::Choice(if several { "any" } else { "one" }, choices), None));
            }
        }
        let kind = object.get("type").and_then(Value::as_str);
        let format = object.get("format").and_then(Value::as_str);
        let values: Option<BTreeSet<String>> = object.get("enum").and_then(Value::as_array).map(|values| {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            values.iter().filter(|value| !value.is_null()).map(text).collect()
        });
        Ok(match kind {
            Some("array") => {
                let items = object.get("items").map(|items| self.shape(items)).transpose()?;
                (Kind::List(Box::new(items.unwrap_or_else(free_form))), values)
            }
            Some("object") | None if object.contains_key("properties") => {
                (Kind::Object(self.merged(object)?), values)
            }
            Some("object") => match object.get("additionalProperties") {
                Some(more @ Value::Object(keys)) if !keys.is_empty() => {
                    (Kind::Map(Box::new(self.shape(more)?)), values)
                }
                _ => (free_form().kind, values),
            },
            Some("string") => match format {
                Some("date-time") => (Kind::Named("Timestamp".to_owned()), values),
                Some("binary") => (Kind::Scalar("bytes".to_owned()), values),
                _ if values.is_some() && !self.parameter => (Kind::Enumeration, values),
                // All other formats are kept as text.
                _ => (Kind::Scalar("string".to_owned()), values),
            },
            Some(other) => {
                let format = format.map(|format| format!(" {format}")).unwrap_or_default();
                (Kind::Scalar(format!("{other}{format}")), values)
            }
            None if values.is_some() && !self.parameter => (Kind::Enumeration, values),
            None => (free_form().kind, values),
        })
    }

    /// Returns the fields of an object, including those of its `allOf` parts.
    fn merged(&mut self, object: &Map<String, Value>) -> Result<BTreeMap<String, Field>, String> {
        let mut fields = BTreeMap::new();
        let mut required: BTreeSet<&str> = object
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let name = part.get("$ref").and_then(Value::as_str).map(str::to_owned);
            if name.as_ref().is_some_and(|name| self.open.contains(name)) {
                continue;
            }
            let part = resolve(self.document, part)?.as_object().cloned().unwrap_or_default();
            self.open.extend(name.clone());
            fields.append(&mut self.merged(&part)?);
            if name.is_some() {
                self.open.pop();
            }
        }
        for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let shape = self.shape(property).map_err(|reason| format!("{name}: {reason}"))?;
            fields.insert(name.clone(), Field { shape, required: false });
        }
        for (name, field) in &mut fields {
            field.required |= required.remove(name.as_str());
        }
        Ok(fields)
    }
}

fn plain(kind: Kind) -> Shape {
    Shape { kind, nullable: false, values: None, constraints: BTreeMap::new(), others: BTreeMap::new() }
}

/// Any JSON value.
fn free_form() -> Shape {
    plain(Kind::Named("Json".to_owned()))
}
