//! Reads operations: what the document says of each, and the types that the generator gives its parameters,
//! its body and its response.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens;
use serde_json::Value;
use syn::{Ident, ImplItem, Item, ItemMod, ItemStruct, ReturnType, Type, parse_quote};

use super::Result;
use super::reading::{first_argument, name_of, option_inner};
use crate::prepare::naming::{parameter_name, type_name};
use crate::prepare::{Keywords, Notes, operations as operations_of};

/// An operation of the document.
pub(super) struct Operation {
    /// The `operationId` of the document.
    pub(super) id: String,
    /// The name of its method.
    pub(super) name: Ident,
    /// The name of its builder.
    pub(super) builder: Ident,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) tag: String,
    pub(super) summary: String,
    pub(super) description: String,
    /// Those of the path first, in the template's order.
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// The media type of the body.
    pub(super) request_type: String,
    /// The value of `Accept`.
    pub(super) accept: Option<String>,
    pub(super) output: Output,
    /// If the response is a page of a list, the fields that identify its items; `None` for the usual ones.
    pub(super) list: Option<Option<Vec<String>>>,
    /// Operations that list the same items with fewer fields.
    pub(super) narrower: Vec<String>,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) setter: Ident,
    pub(super) wire: String,
    /// `path`, `query`, `header` or `cookie`.
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) separator: Option<&'static str>,
    pub(super) ty: Type,
    pub(super) description: String,
    /// A value of the document, or null.
    pub(super) example: Value,
}

/// The body of an operation.
pub(super) struct Body {
    pub(super) kind: BodyKind,
    pub(super) optional: bool,
    /// Whether a form can be sent instead.
    pub(super) form: bool,
}

pub(super) enum BodyKind {
    /// JSON: the type, and its builder if it has one.
    Json { ty: Box<Type>, builder: Option<Box<Type>> },
    /// Content that isn't JSON.
    Raw,
}

/// The response of an operation.
pub(super) enum Output {
    Empty,
    Bytes,
    Json(Type),
    /// JSON with this status; with another status, the body may be missing.
    OptionalJson(Type, u16),
}

/// Reads the operations of a prepared document from it and from the generator's builders.
pub(super) fn read_operations(
    module: &ItemMod,
    document: &Value,
    notes: &Notes,
    pages: &BTreeSet<String>,
) -> Result<Vec<Operation>> {
    let items = module.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
    let mut builders: BTreeMap<String, &ItemStruct> = BTreeMap::new();
    let mut outputs: BTreeMap<String, Type> = BTreeMap::new();
    for item in items {
        match item {
            Item::Struct(builder) => drop(builders.insert(builder.ident.to_string(), builder)),
            Item::Impl(block) => {
                let send = block.items.iter().find_map(|item| match item {
                    ImplItem::Fn(method) if method.sig.ident == "send" => success_type(&method.sig.output),
                    _ => None,
                });
                if let (Some(owner), Some(output)) = (owner(&block.self_ty), send) {
                    outputs.insert(owner, output);
                }
            }
            _ => {}
        }
    }
    let mut operations = Vec::new();
    for (path, method, described) in operations_of(document) {
        let id = text(described, "operationId");
        let of = |what: &str| format!("generated code: {id}: {what}");
        let builder = builders.get(&type_name(&id)).ok_or_else(|| of("there is no builder"))?;
        let output = outputs.get(&type_name(&id)).ok_or_else(|| of("`send` has another return type"))?;
        operations.push(
            read_operation((path, method, described), builder, output, notes, pages).map_err(|e| of(&e))?,
        );
    }
    Ok(operations)
}

fn read_operation(
    (path, method, described): (&str, &str, &Value),
    builder: &ItemStruct,
    output: &Type,
    notes: &Notes,
    pages: &BTreeSet<String>,
) -> Result<Operation> {
    let id = text(described, "operationId");
    let mut fields: BTreeMap<String, Type> = BTreeMap::new();
    for field in &builder.fields {
        // The first field is the client, a reference; all others are results.
        if let (Some(name), Some(ty)) = (&field.ident, result_value(&field.ty)) {
            fields.insert(name.to_string().trim_start_matches("r#").to_owned(), ty);
        }
    }
    let mut parameters = Vec::new();
    let documented = described.list("parameters").iter();
    for parameter in documented {
        let name = text(parameter, "name");
        let setter = parameter_name(&name);
        let ty = fields.remove(&setter).ok_or_else(|| format!("the builder has no field `{setter}`"))?;
        let renamed = notes.parameters.get(&id).into_iter().flatten().find(|renamed| renamed.from == name);
        let wire = renamed.map_or_else(|| name.clone(), |renamed| renamed.wire.clone());
        parameters.push(Parameter {
            setter: ident(&setter)?,
            separator: notes.joined.get(&id).and_then(|joined| joined.get(&wire).copied()),
            place: match parameter.get("x-cookie") {
                Some(_) => "cookie".to_owned(),
                None => text(parameter, "in"),
            },
            required: parameter.says("required"),
            ty: option_inner(&ty).unwrap_or(ty),
            description: trimmed(parameter, "description"),
            example: parameter
                .get("x-example")
                .or_else(|| parameter.pointer("/schema/example"))
                .cloned()
                .unwrap_or_default(),
            wire,
        });
    }
    let place_in_path = |name: &str| path.find(&format!("{{{name}}}")).unwrap_or(usize::MAX);
    parameters.sort_by_cached_key(|parameter| match parameter.place.as_str() {
        "path" => (0, place_in_path(&parameter.wire), String::new()),
        "query" => (1, 0, parameter.wire.clone()),
        _ => (2, 0, parameter.wire.clone()),
    });
    let body = fields.remove("body").map(|ty| read_body(ty, described, &id, notes)).transpose()?;
    if let Some(other) = fields.keys().next() {
        return Err(format!("the document has no parameter for the field `{other}`"));
    }
    // A value that can't be a header would be a panic at run time.
    let usable = |media_type: &&String| media_type.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let answered = notes.answer_types.get(&id).filter(usable).cloned();
    let is_raw = matches!(&body, Some(Body { kind: BodyKind::Raw, .. }));
    let request_type = notes.request_types.get(&id).filter(usable).cloned();
    let output = match output.to_token_stream().to_string().as_str() {
        "()" => Output::Empty,
        "ByteStream" => Output::Bytes,
        _ => match notes.empty_answers.get(&id) {
            Some(status) => Output::OptionalJson(output.clone(), *status),
            None => Output::Json(output.clone()),
        },
    };
    Ok(Operation {
        name: ident(&parameter_name(&id))?,
        builder: builder.ident.clone(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        tag: described.get("tags").and_then(|tags| tags.get(0)?.as_str()).unwrap_or_default().to_owned(),
        summary: trimmed(described, "summary"),
        description: trimmed(described, "description"),
        parameters,
        body,
        request_type: request_type.unwrap_or_else(|| {
            if is_raw { "application/octet-stream" } else { "application/json" }.to_owned()
        }),
        accept: match &output {
            // Bytes are accepted as any type. Many servers send a file of a type that they don't negotiate,
            // and respond with 406 if only the documented type is accepted.
            Output::Bytes => answered.map(|media_type| format!("{media_type}, */*;q=0.1")),
            Output::Empty => answered,
            Output::Json(_) | Output::OptionalJson(..) => {
                Some(answered.unwrap_or_else(|| "application/json".to_owned()))
            }
        },
        list: match &output {
            Output::Json(ty) if name_of(ty).is_some_and(|name| pages.contains(&name.to_string())) => {
                Some(words(described, "x-identity"))
            }
            _ => None,
        },
        narrower: words(described, "x-narrower").unwrap_or_default(),
        output,
        id,
    })
}

fn read_body(ty: Type, described: &Value, id: &str, notes: &Notes) -> Result<Body> {
    let optional = notes.optional_bodies.contains(id);
    let form = notes.forms.contains(id);
    if ty.to_token_stream().to_string().replace(' ', "") == "reqwest::Body" {
        return Ok(Body { kind: BodyKind::Raw, optional, form: false });
    }
    // `types::builder::Thing` is the builder of `types::Thing`.
    let is_builder =
        matches!(&ty, Type::Path(path) if path.path.segments.iter().any(|part| part.ident == "builder"));
    let kind = match (is_builder, name_of(&ty)) {
        (true, Some(name)) => {
            BodyKind::Json { ty: Box::new(parse_quote!(types::#name)), builder: Some(Box::new(ty)) }
        }
        (true, None) => return Err(format!("the builder of the body is unknown: {described}")),
        (false, _) => BodyKind::Json { ty: Box::new(ty), builder: None },
    };
    Ok(Body { kind, optional, form })
}

/// Returns the texts of a list.
fn words(described: &Value, key: &str) -> Option<Vec<String>> {
    let words = described.get(key)?.as_array()?;
    Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Returns a text as it stands in the document: names are compared.
fn text(value: &Value, key: &str) -> String {
    value.string(key)
}

fn trimmed(value: &Value, key: &str) -> String {
    text(value, key).trim().to_owned()
}

fn ident(name: &str) -> Result<Ident> {
    syn::parse_str(name).map_err(|_| format!("`{name}` can't be a name"))
}

fn owner(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}

/// Returns `T` of `Result<T, String>`.
fn result_value(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    first_argument(&last.arguments)
}

/// Returns `T` of `Result<ResponseValue<T>, …>`.
fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(response) = result_value(result)? else { return None };
    first_argument(&response.path.segments.last()?.arguments)
}
