//! Emits an example for each method. It compiles as a doctest, with every required plain field set.

use std::collections::BTreeSet;

use serde_json::Value;
use syn::{Ident, Type};

use super::components::Components;
use super::operations::{Body, BodyKind, Operation, Output, Parameter};
use super::reading::{list_item, name_of, plain_name, text_of};
use crate::generate::Target;
use crate::prepare::naming::{field_name, type_name};
use crate::prepare::{Keywords, only_refers, required};

const CRATE: &str = "synapse_backend_client";

/// Stands for the path of the generated types.
const TYPES: &str = "__types";

/// How many lists may be within one another.
const DEEPEST: usize = 2;

/// The example's text, in Markdown. `has_form_method`: another method, with its own example, sends the form that
/// can replace a JSON body.
pub(super) fn example(
    operation: &Operation,
    components: &Components<'_>,
    has_form_method: bool,
    target: Target<'_>,
) -> String {
    let form = match &operation.body {
        Some(Body { kind: BodyKind::Json { .. }, form: Some(form), .. }) if !has_form_method => Some(form),
        _ => None,
    };
    let form = form.map(|form| format!(".form(|form| form{})", form_fields(components, &form.to_string())));
    let body = |value: &mut dyn FnMut(&str, &Type, &Value) -> String| {
        operation.required_body().map(|body| body_argument(body, components, value))
    };
    text(operation, &operation.name, body, form, components, target)
}

/// The example of the method that sends a form instead of a JSON body.
pub(super) fn form_example(
    operation: &Operation,
    method: &Ident,
    components: &Components<'_>,
    target: Target<'_>,
) -> String {
    let form = operation.body.as_ref().and_then(|body| body.form.as_ref());
    let fields = form.map(|form| form_fields(components, &form.to_string())).unwrap_or_default();
    text(operation, method, |_| Some(format!("|form| form{fields}")), None, components, target)
}

/// The text of an example that calls `method`, with an argument for the body and more setters.
fn text(
    operation: &Operation,
    method: &Ident,
    body: impl FnOnce(&mut dyn FnMut(&str, &Type, &Value) -> String) -> Option<String>,
    more_setters: Option<String>,
    components: &Components<'_>,
    target: Target<'_>,
) -> String {
    let (types_of, import) = match target {
        Target::Client => (CRATE, String::new()),
        Target::Dependent { exported_at } => (exported_at, format!("# use {exported_at}::Methods as _;\n")),
    };
    // What has no literal is an argument of the example's function, which rustdoc hides.
    let mut hidden = String::new();
    let mut value = |name: &str, ty: &Type, example: &Value| {
        literal(ty, example).unwrap_or_else(|| {
            let name = if name == "client" { "client_value" } else { name };
            hidden.push_str(&format!(", {name}: {}", full(ty, types_of)));
            name.to_owned()
        })
    };
    let mut arguments = Vec::new();
    for Parameter { setter, ty, example, .. } in operation.path_parameters() {
        let schema = name_of(ty).and_then(|name| components.of_type(&name)).map(|(_, schema)| schema);
        let of_choice =
            schema.and_then(|schema| text_of_choice(schema, example)).map(|text| format!("{text:?}"));
        arguments.push(of_choice.unwrap_or_else(|| value(&setter.to_string(), ty, example)));
    }
    arguments.extend(body(&mut value));
    let required = operation.parameters.iter().filter(|parameter| parameter.must_be_set());
    let setters = required.map(|Parameter { setter, ty, example, .. }| {
        format!(".{setter}({})", value(&setter.to_string(), ty, example))
    });
    let params = match setters.chain(more_setters).collect::<String>() {
        none if none.is_empty() => none,
        setters => format!(".params(|p| p{setters})"),
    };
    let result = match (&operation.output, operation.pagination.is_some()) {
        (Output::Empty, _) => "",
        (_, true) => "let page = ",
        (Output::Bytes, _) => "let bytes = ",
        _ => "let response = ",
    };
    let names_types = format!("{params}{}", arguments.join(", ")).contains(TYPES);
    let types = if names_types { format!("use {types_of}::types;\n\n") } else { String::new() };
    format!(
        "```no_run\n{import}# async fn example(client: {CRATE}::BackendClient{hidden}) -> Result<(), {CRATE}::Error> {{\n\
         {types}{result}client.{method}({}){params}.await?;\n# Ok(())\n# }}\n```",
        arguments.join(", "),
    )
    .replace(TYPES, "types")
}

fn body_argument(
    body: &Body,
    components: &Components<'_>,
    value: &mut dyn FnMut(&str, &Type, &Value) -> String,
) -> String {
    match &body.kind {
        BodyKind::Form => {
            let fields = body.form.as_ref().map(|form| form_fields(components, &form.to_string()));
            format!("|form| form{}", fields.unwrap_or_default())
        }
        BodyKind::Raw if body.is_raw_form() => {
            format!("{CRATE}::reqwest::multipart::Form::new().text(\"…\", \"…\")")
        }
        BodyKind::Raw => "b\"content\"".to_owned(),
        BodyKind::Json { builder: None, ty } => value("body", ty, &Value::Null),
        BodyKind::Json { builder: Some(_), ty } => {
            let fields = name_of(ty).map(|name| required_fields(components, &name, 0));
            format!("|body| body{}", fields.unwrap_or_default())
        }
    }
}

/// Setters of the required fields that are numbers, `bool` or text.
fn required_fields(components: &Components<'_>, ty: &str, depth: usize) -> String {
    let Some((_, schema)) = components.of_type(ty) else { return String::new() };
    let setters = required(schema).filter_map(|name| {
        let value = field_literal(components, schema.get("properties")?.get(name)?, depth)?;
        Some(format!(".{}({value})", field_name(name)))
    });
    setters.collect()
}

/// Setters of a form's files and of its required fields.
fn form_fields(components: &Components<'_>, form: &str) -> String {
    let Some((_, schema)) = components.of_type(form) else { return String::new() };
    let is_required: BTreeSet<&str> = required(schema).collect();
    let setters = schema.object("properties").into_iter().flatten().filter_map(|(name, property)| {
        let is_file = |schema: &Value| schema.text("format") == Some("binary");
        let value = match property.get("items") {
            _ if is_file(property) => "\"/data/file.bin\"".to_owned(),
            Some(items) if is_file(items) => "[\"/data/file.bin\"]".to_owned(),
            _ => field_literal(components, property, 0).filter(|_| is_required.contains(name.as_str()))?,
        };
        Some(format!(".{}({value})", field_name(name)))
    });
    setters.collect()
}

/// A value of a field. A list within more than [`DEEPEST`] others has none: a schema may contain itself.
fn field_literal(components: &Components<'_>, schema: &Value, depth: usize) -> Option<String> {
    let example = schema.get("example").unwrap_or(&Value::Null);
    // A reference is to one of the crate's own types, to an enumeration, or to a type without a literal.
    if let Some(name) = only_refers(schema) {
        let of_component = || {
            let (_, schema) = components.of_type(&type_name(name))?;
            let of_enum = schema.list("enum").first().and_then(Value::as_str);
            Some(format!("{:?}", of_enum.or_else(|| text_of_choice(schema, example))?))
        };
        return own_literal(name, example).or_else(of_component);
    }
    match schema.text("type")? {
        "array" if depth < DEEPEST => {
            let items = schema.get("items")?;
            let of_items = example.as_array().filter(|examples| !examples.is_empty()).map(|examples| {
                let with_example = |example: &Value| {
                    let mut item = items.clone();
                    item.put("example", example.clone());
                    field_literal(components, &item, depth + 1)
                };
                examples.iter().take(3).map(with_example).collect::<Option<Vec<_>>>()
            });
            let texts = match of_items {
                Some(texts) => texts?,
                None => vec![item_literal(components, items, depth + 1)?],
            };
            Some(format!("[{}]", texts.join(", ")))
        }
        "integer" => plain_literal("i64", example),
        "number" => plain_literal("f64", example),
        "boolean" => plain_literal("bool", example),
        // Another format than a text's has another type.
        "string" if schema.get("format").is_none() => match schema.list("enum").first() {
            Some(Value::String(value)) => Some(format!("{value:?}")),
            _ => plain_literal("String", example),
        },
        _ => None,
    }
}

/// The example of a choice that may be a text.
fn text_of_choice<'e>(schema: &'e Value, example: &'e Value) -> Option<&'e str> {
    let is_text =
        |choice: &Value| choice.text("type") == Some("string") && !choice.has_any(&["enum", "format"]);
    let text = example.as_str().or(schema.text("example"))?;
    schema.list("oneOf").iter().any(is_text).then_some(text)
}

/// A literal of a list's item: a builder of an object, with its required fields, or a plain value.
fn item_literal(components: &Components<'_>, item: &Value, depth: usize) -> Option<String> {
    let named = only_refers(item).map(type_name);
    let object = named.as_deref().and_then(|name| Some((name, components.of_type(name)?.1)));
    match object.filter(|(_, schema)| schema.text("type") == Some("object")) {
        Some((name, _)) => {
            let fields = required_fields(components, name, depth);
            Some(format!("{TYPES}::builder::{name}::default(){fields}"))
        }
        None => field_literal(components, item, depth),
    }
}

fn literal(ty: &Type, example: &Value) -> Option<String> {
    if let Some(plain) = plain_name(ty) {
        return plain_literal(&plain, example);
    }
    if let Some(item) = list_item(ty) {
        return Some(format!("[{}]", plain_literal(&plain_name(&item)?, &Value::Null)?));
    }
    own_literal(text_of(ty).strip_prefix("crate::")?, example)
}

fn plain_literal(plain: &str, example: &Value) -> Option<String> {
    // The greatest number that fits any integer type.
    let integer = example.as_i64().filter(|value| (0..=127).contains(value)).unwrap_or(1);
    let large = example.as_i64().filter(|value| i32::try_from(*value).is_ok()).unwrap_or(1);
    Some(match (plain, example) {
        ("bool", Value::Bool(value)) => value.to_string(),
        ("bool", _) => "true".to_owned(),
        ("String", Value::String(text)) if text.len() <= 60 => format!("{text:?}"),
        ("String", _) => "\"…\"".to_owned(),
        ("f32", _) => "0.5_f32".to_owned(),
        ("f64", _) => format!("{:?}", example.as_f64().filter(|value| value.abs() < 1e9).unwrap_or(0.5)),
        ("i32" | "i64", _) => large.to_string(),
        (other, _) => format!("{integer}_{other}"),
    })
}

/// A literal that one of the crate's own types accepts.
fn own_literal(name: &str, example: &Value) -> Option<String> {
    let text = example.as_str().filter(|text| text.len() <= 60).map(|text| format!("{text:?}"));
    match name {
        "Timestamp" => Some(text.unwrap_or_else(|| "\"2026-01-31T09:00:00Z\"".to_owned())),
        "StringList" => Some("[\"…\"]".to_owned()),
        "FileUrl" => Some("\"https://…\"".to_owned()),
        "Expandable" => Some("1".to_owned()),
        "Json" => Some(format!("{CRATE}::json!({{}})")),
        _ => None,
    }
}

/// Returns a type's full path, from outside the crate. The path of the generated types begins with `types_of`.
fn full(ty: &Type, types_of: &str) -> String {
    text_of(ty).replace("crate::", &format!("{CRATE}::")).replace("types::", &format!("{types_of}::types::"))
}
