//! Emits an example for each method. It compiles as a doctest, with every required plain field set.

use quote::ToTokens;
use serde_json::Value;
use syn::Type;

use super::components::Components;
use super::operations::{Body, BodyKind, Operation, Output};
use super::reading::{list_item, name_of, plain_name};
use crate::prepare::naming::field_name;
use crate::prepare::{only_refers, required};

const CRATE: &str = "synapse_backend_client";

/// The example's text, in Markdown.
pub(super) fn example(operation: &Operation, components: &Components<'_>) -> String {
    // What has no literal is an argument of the example's function, which rustdoc hides.
    let mut hidden = String::new();
    let mut hide = |name: &str, ty: &Type| {
        let name = if name == "client" { "client_value" } else { name };
        hidden.push_str(&format!(", {name}: {}", full(ty)));
        name.to_owned()
    };
    let mut arguments: Vec<String> = operation
        .path_parameters()
        .map(|parameter| {
            let literal = literal(&parameter.ty, &parameter.example);
            literal.unwrap_or_else(|| hide(&parameter.setter.to_string(), &parameter.ty))
        })
        .collect();
    if let Some(body) = operation.body.as_ref().filter(|body| !body.optional) {
        arguments.push(body_argument(body, components, &mut hide));
    }
    let required =
        operation.parameters.iter().filter(|parameter| parameter.required && parameter.place != "path");
    let setters: Vec<String> = required
        .map(|parameter| {
            let literal = literal(&parameter.ty, &parameter.example);
            let value = literal.unwrap_or_else(|| hide(&parameter.setter.to_string(), &parameter.ty));
            format!(".{}({value})", parameter.setter)
        })
        .collect();
    let params = match setters.is_empty() {
        true => String::new(),
        false => format!(".params(|p| p{})", setters.concat()),
    };
    let result = match (&operation.output, operation.list.is_some()) {
        (Output::Empty, _) => "",
        (_, true) => "let page = ",
        (Output::Bytes, _) => "let bytes = ",
        _ => "let response = ",
    };
    format!(
        "```no_run\n# async fn example(client: {CRATE}::BackendClient{hidden}) -> Result<(), {CRATE}::Error> {{\n\
         {result}client.{}({}){params}.await?;\n# Ok(())\n# }}\n```",
        operation.name,
        arguments.join(", "),
    )
}

fn body_argument(
    body: &Body,
    components: &Components<'_>,
    hide: &mut impl FnMut(&str, &Type) -> String,
) -> String {
    match &body.kind {
        BodyKind::Raw => "\"…\"".to_owned(),
        BodyKind::Json { builder: None, ty } => literal(ty, &Value::Null).unwrap_or_else(|| hide("body", ty)),
        BodyKind::Json { builder: Some(_), ty } => {
            let fields = name_of(ty).map(|name| required_fields(components, &name.to_string()));
            format!("|body| body{}", fields.unwrap_or_default())
        }
    }
}

/// Setters of the required fields that are numbers, `bool` or text.
fn required_fields(components: &Components<'_>, ty: &str) -> String {
    let Some((_, schema)) = components.of_type(ty) else { return String::new() };
    let setters = required(schema).filter_map(|name| {
        let value = field_literal(schema.get("properties")?.get(name)?)?;
        Some(format!(".{}({value})", field_name(name)))
    });
    setters.collect()
}

fn field_literal(schema: &Value) -> Option<String> {
    let example = schema.get("example").unwrap_or(&Value::Null);
    // A reference is to one of the crate's own types, or to a type without a literal.
    if let Some(own) = only_refers(schema) {
        return own_literal(own, example);
    }
    match schema.get("type")?.as_str()? {
        "integer" => plain_literal("i64", example),
        "number" => plain_literal("f64", example),
        "boolean" => plain_literal("bool", example),
        // Another format than a text's has another type.
        "string" if schema.get("format").is_none() => match schema.pointer("/enum/0").and_then(Value::as_str)
        {
            Some(value) => Some(format!("{value:?}")),
            None => plain_literal("String", example),
        },
        _ => None,
    }
}

fn literal(ty: &Type, example: &Value) -> Option<String> {
    if let Some(plain) = plain_name(ty) {
        return plain_literal(&plain, example);
    }
    if let Some(item) = list_item(ty) {
        return Some(format!("[{}]", plain_literal(&plain_name(&item)?, &Value::Null)?));
    }
    let text = ty.to_token_stream().to_string().replace(' ', "");
    own_literal(text.strip_prefix("crate::")?, example)
}

fn plain_literal(plain: &str, example: &Value) -> Option<String> {
    // The greatest number that fits any integer type.
    let integer = example.as_i64().filter(|value| (0..=127).contains(value)).unwrap_or(1);
    Some(match (plain, example) {
        ("bool", Value::Bool(value)) => value.to_string(),
        ("bool", _) => "true".to_owned(),
        ("String", Value::String(text)) if text.len() <= 60 => format!("{text:?}"),
        ("String", _) => "\"…\"".to_owned(),
        ("f32", _) => "0.5_f32".to_owned(),
        ("f64", _) => example
            .as_f64()
            .filter(|value| value.abs() < 1e9)
            .map_or("0.5".to_owned(), |value| format!("{value:?}")),
        ("i32" | "i64", _) => integer.to_string(),
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

/// Returns a type's full path, from outside the crate.
fn full(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    text.replace("types::", &format!("{CRATE}::types::")).replace("crate::", &format!("{CRATE}::"))
}
