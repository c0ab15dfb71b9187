//! Reads operations: what the document says of each, and the types that the generator gives its parameters,
//! its body and its response.

use std::collections::BTreeMap;

use quote::{ToTokens, format_ident};
use serde_json::Value;
use syn::ext::IdentExt;
use syn::{Ident, ImplItem, Item, ItemStruct, ReturnType, Type, parse_quote};

use super::Result;
use super::forms::Forms;
use super::pagination::{Pagination, Responses};
use super::reading::{argument_of, arguments_of, name_of, option_inner, text_of};
use super::rules::Rules;
use crate::prepare::naming::{normalized, parameter_name, type_name};
use crate::prepare::{Keywords, Notes, WHOLE_PATH, operations as operations_of, wire_names};

/// An operation of the document.
pub(super) struct Operation {
    /// The `operationId` of the prepared document.
    pub(super) id: String,
    /// The `operationId` of the document.
    pub(super) document_id: String,
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
    /// Where the response has the items of a list, and what leads to the next page.
    pub(super) pagination: Option<Pagination>,
    /// Operations that list the same items with fewer fields.
    pub(super) narrower: Vec<String>,
    /// How its requests are sent.
    pub(super) rules: Rules,
    /// Other names by which its method is found.
    pub(super) aliases: Vec<String>,
}

impl Operation {
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.is_in_path())
    }

    /// A body that every call has.
    pub(super) fn required_body(&self) -> Option<&Body> {
        self.body.as_ref().filter(|body| !body.optional)
    }

    /// The pagination, if the response leads to other pages, which can be requested like the first: a POST request of a
    /// search has the same body for each page. Other methods change data.
    pub(super) fn followed(&self) -> Option<&Pagination> {
        let is_repeatable = matches!(self.method.as_str(), "GET" | "POST") && self.is_clone();
        self.pagination.as_ref().filter(|pagination| pagination.is_followed() && is_repeatable)
    }

    /// The pagination, if all pages can be requested with parameters alone.
    pub(super) fn readable_list(&self) -> Option<&Pagination> {
        self.followed().filter(|_| self.method == "GET" && self.body.is_none())
    }

    /// Whether a call can be repeated.
    pub(super) fn is_clone(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.form.is_none() && !matches!(body.kind, BodyKind::Raw))
    }

    /// Returns the path's template for documentation, without what tells it from an equal one: `/things/{id}/#by_name`.
    pub(super) fn shown_path(&self) -> &str {
        self.path.split('#').next().unwrap_or_default()
    }

    /// The first line of the documentation.
    pub(super) fn heading(&self) -> String {
        match (self.summary.as_str(), self.description.as_str()) {
            ("", "") => format!("Sends the operation `{}`.", self.document_id),
            ("", description) => description.to_owned(),
            (summary, _) => summary.to_owned(),
        }
    }
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
    /// The value that is sent unless the call sets another one.
    pub(super) always_sent: Option<String>,
    /// Whether its value is never shown.
    pub(super) secret: bool,
}

impl Parameter {
    pub(super) fn is_in_path(&self) -> bool {
        self.place == "path"
    }

    /// Whether a call needs its setter. The parameters of the path are arguments instead.
    pub(super) fn must_be_set(&self) -> bool {
        self.required && !self.is_in_path()
    }
}

/// The body of an operation.
pub(super) struct Body {
    pub(super) kind: BodyKind,
    pub(super) optional: bool,
    /// The builder of a form that is the body, or that can be sent instead of JSON.
    pub(super) form: Option<Ident>,
    /// The media types of content that is neither JSON nor a form.
    pub(super) raw_types: Vec<String>,
}

impl Body {
    /// Whether the body is a form that only the caller can write.
    pub(super) fn is_raw_form(&self) -> bool {
        self.raw_types.iter().any(|name| name.starts_with("multipart/"))
    }
}

pub(super) enum BodyKind {
    /// JSON: the type, and its builder if it has one.
    Json { ty: Box<Type>, builder: Option<Box<Type>> },
    /// A form.
    Form,
    /// Content that is neither JSON nor a form.
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
    items: &[Item],
    document: &Value,
    notes: &Notes,
    responses: &Responses<'_>,
    forms: &Forms,
) -> Result<Vec<Operation>> {
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
                let Type::Path(owner) = &*block.self_ty else { continue };
                let owner = owner.path.segments.last().map(|owner| owner.ident.to_string());
                outputs.extend(owner.zip(send));
            }
            _ => {}
        }
    }
    let mut operations = Vec::new();
    for (path, method, described) in operations_of(document) {
        let id = described.string("operationId");
        let of = |what: &str| format!("generated code: {id}: {what}");
        let builder = builders.get(&type_name(&id)).ok_or_else(|| of("there is no builder"))?;
        let output = outputs.get(&type_name(&id)).ok_or_else(|| of("`send` has another return type"))?;
        let operation = read_operation((path, method, described), builder, output, notes, forms);
        let mut operation = operation.map_err(|error| of(&error))?;
        if let Output::Json(output) = &operation.output {
            operation.rules.name_joined_field(name_of(output).as_deref(), notes);
            let identity = words(described, "x-identity");
            let pagination = responses.pagination(described, output, identity);
            operation.pagination = pagination?;
        }
        operations.push(operation);
    }
    Ok(operations)
}

fn read_operation(
    (path, method, described): (&str, &str, &Value),
    builder: &ItemStruct,
    output: &Type,
    notes: &Notes,
    forms: &Forms,
) -> Result<Operation> {
    let id = described.string("operationId");
    let mut fields: BTreeMap<String, Type> = BTreeMap::new();
    for field in &builder.fields {
        // The first field is the client, a reference; all others are results.
        if let (Some(name), Some(ty)) = (&field.ident, argument_of(&field.ty, "Result")) {
            fields.insert(normalized(&name.unraw().to_string()), ty);
        }
    }
    let wire_names = wire_names(notes.parameters.get(&id));
    let mut in_path: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, name) in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).enumerate() {
        in_path.entry(name).or_insert(at);
    }
    let mut parameters = Vec::new();
    for parameter in described.list("parameters") {
        let name = parameter.string("name");
        let setter = parameter_name(&name);
        let ty = fields.remove(&setter).ok_or_else(|| format!("the builder has no field `{setter}`"))?;
        let wire = wire_names.get(name.as_str()).map_or(name.clone(), |wire| (*wire).to_owned());
        let example = parameter.get("x-example").or_else(|| parameter.pointer("/schema/example"));
        parameters.push(Parameter {
            setter: ident(&setter)?,
            separator: notes.joined.get(&id).and_then(|joined| joined.get(&wire).copied()),
            place: match parameter.has_any(&["x-cookie"]) {
                true => "cookie".to_owned(),
                false => parameter.string("in"),
            },
            required: parameter.says("required"),
            ty: option_inner(&ty).unwrap_or(ty),
            description: trimmed(parameter, "description"),
            example: example.cloned().unwrap_or_default(),
            always_sent: parameter.get("x-always-sent").map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }),
            secret: parameter.says("x-secret"),
            wire,
        });
    }
    parameters.sort_by_cached_key(|parameter| match parameter.place.as_str() {
        "path" => (0, in_path.get(parameter.wire.as_str()).copied().unwrap_or(usize::MAX), String::new()),
        "query" => (1, 0, parameter.wire.clone()),
        _ => (2, 0, parameter.wire.clone()),
    });
    let form = forms.of_operations.get(&id).cloned();
    let body = fields.remove("body").map(|ty| read_body(ty, described, &id, form, notes)).transpose()?;
    if let Some(other) = fields.keys().next() {
        return Err(format!("the document has no parameter for the field `{other}`"));
    }
    // A value that can't be a header would be a panic at run time.
    let usable = |media_type: &&String| media_type.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let answered = notes.answer_types.get(&id).filter(usable).cloned();
    let is_raw = matches!(&body, Some(Body { kind: BodyKind::Raw, .. }));
    let is_form = matches!(&body, Some(Body { kind: BodyKind::Form, .. }));
    let of_form = notes.forms.get(&id).filter(|_| is_form).map(|form| form.media_type.to_owned());
    let request_type = notes.request_types.get(&id).filter(usable).cloned().or(of_form);
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
        // As in a URI template (RFC 6570), `+` keeps the value's slashes.
        path: match described.says(WHOLE_PATH) {
            true => path.replacen('{', "{+", 1),
            false => path.to_owned(),
        },
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
        pagination: None,
        narrower: words(described, "x-narrower").unwrap_or_default(),
        rules: Rules::read(described, notes),
        aliases: words(described, "x-aliases").unwrap_or_default(),
        output,
        document_id: notes.operation_ids.get(&id).unwrap_or(&id).clone(),
        id,
    })
}

fn read_body(ty: Type, described: &Value, id: &str, form: Option<Ident>, notes: &Notes) -> Result<Body> {
    let optional = notes.optional_bodies.contains(id);
    if text_of(&ty) == "reqwest::Body" {
        let raw_types = notes.raw_types.get(id).cloned().unwrap_or_default();
        let kind = if form.is_some() { BodyKind::Form } else { BodyKind::Raw };
        return Ok(Body { kind, optional, form, raw_types });
    }
    // `types::builder::Thing` is the builder of `types::Thing`.
    let is_builder =
        matches!(&ty, Type::Path(path) if path.path.segments.iter().any(|part| part.ident == "builder"));
    let (ty, builder) = match (is_builder, name_of(&ty)) {
        (true, Some(name)) => {
            let name = format_ident!("{name}");
            (parse_quote!(types::#name), Some(Box::new(ty)))
        }
        (true, None) => return Err(format!("the builder of the body is unknown: {described}")),
        (false, _) => (ty, None),
    };
    Ok(Body { kind: BodyKind::Json { ty: Box::new(ty), builder }, optional, form, raw_types: Vec::new() })
}

/// Returns the texts of a list.
pub(super) fn words(described: &Value, key: &str) -> Option<Vec<String>> {
    let words = described.get(key)?.as_array()?;
    Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn trimmed(value: &Value, key: &str) -> String {
    value.text(key).unwrap_or_default().trim().to_owned()
}

fn ident(name: &str) -> Result<Ident> {
    syn::parse_str(name).map_err(|_| format!("`{name}` can't be a name"))
}

/// Returns `T` of `Result<ResponseValue<T>, …>`.
fn success_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, result) = output else { return None };
    let Type::Path(response) = argument_of(result, "Result")? else { return None };
    let last = response.path.segments.last()?.ident.to_string();
    arguments_of(&response.path, &last).first().map(|value| (*value).clone())
}
