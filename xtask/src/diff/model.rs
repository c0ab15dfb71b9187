//! The model of a document for comparison: operations with their parameters, bodies and responses, and the
//! components' types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shape::{Kind, Shape};
use crate::document::{Place, operations, resolve};

/// A document.
pub struct Api {
    pub operations: BTreeMap<String, Operation>,
    pub types: BTreeMap<String, Type>,
    /// The default for operations without their own security.
    pub security: BTreeSet<String>,
}

pub struct Operation {
    /// In upper case.
    pub method: String,
    pub path: String,
    /// By location and name.
    pub parameters: BTreeMap<(In, String), Parameter>,
    /// The names in the path, in order.
    pub path_names: Vec<String>,
    pub body: Option<Body>,
    /// The response on success.
    pub answer: Option<Response>,
    /// The other documented statuses.
    pub other_statuses: BTreeSet<String>,
    /// Its own ways to authenticate.
    pub security: Option<BTreeSet<String>>,
    pub deprecated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum In {
    Path,
    Query,
    Header,
    Cookie,
}

impl In {
    /// `get_model{id}`, `list_models?project`, `upload_chunk[Content-Range]`.
    pub fn place(self, operation: &str, name: &str) -> String {
        match self {
            In::Path => format!("{operation}{{{name}}}"),
            In::Query => format!("{operation}?{name}"),
            In::Header => format!("{operation}[{name}]"),
            In::Cookie => format!("{operation};{name}"),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            In::Path => "path",
            In::Query => "query",
            In::Header => "header",
            In::Cookie => "cookie",
        }
    }
}

#[derive(Clone)]
pub struct Parameter {
    pub shape: Shape,
    pub required: bool,
    pub deprecated: bool,
    /// How several values are serialized, for example `form, exploded`.
    pub style: String,
}

pub struct Body {
    pub required: bool,
    pub media: String,
    pub shape: Shape,
}

pub struct Response {
    pub status: String,
    /// Media type and schema, if there is a body.
    pub content: Option<(String, Shape)>,
}

pub struct Type {
    pub shape: Shape,
    /// The operations whose requests use it, and those whose responses use it.
    pub sent_by: BTreeSet<String>,
    pub answers: BTreeSet<String>,
}

impl Api {
    pub fn read(document: &Value) -> Result<Self, String> {
        let mut types = BTreeMap::new();
        for (name, schema) in
            document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten()
        {
            let shape = Shape::read(document, schema, false)
                .map_err(|reason| format!("components.schemas.{name}: {reason}"))?;
            types.insert(name.clone(), Type { shape, sent_by: BTreeSet::new(), answers: BTreeSet::new() });
        }
        let mut read = BTreeMap::new();
        for place in operations(document) {
            let operation = operation(document, &place).map_err(|reason| {
                format!("{} {} ({}): {reason}", place.method.to_uppercase(), place.path, place.id)
            })?;
            read.insert(place.id.to_owned(), operation);
        }
        let security = security(document, document).unwrap_or_default();
        let mut api = Api { operations: read, types, security };
        api.trace();
        Ok(api)
    }

    /// Determines which operations use which types.
    fn trace(&mut self) {
        let mut sent = Vec::new();
        let mut answered = Vec::new();
        for (id, operation) in &self.operations {
            let parameters = operation.parameters.values().map(|parameter| &parameter.shape);
            for shape in parameters.chain(operation.body.iter().map(|body| &body.shape)) {
                sent.extend(self.reach(shape).into_iter().map(|name| (name, id.clone())));
            }
            if let Some((_, shape)) = operation.answer.as_ref().and_then(|answer| answer.content.as_ref()) {
                answered.extend(self.reach(shape).into_iter().map(|name| (name, id.clone())));
            }
        }
        for (name, id) in sent {
            if let Some(named) = self.types.get_mut(&name) {
                named.sent_by.insert(id);
            }
        }
        for (name, id) in answered {
            if let Some(named) = self.types.get_mut(&name) {
                named.answers.insert(id);
            }
        }
    }

    /// Returns the types that a schema refers to, directly or indirectly.
    fn reach(&self, shape: &Shape) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![shape];
        while let Some(shape) = open.pop() {
            match &shape.kind {
                Kind::Named(name) => {
                    if found.insert(name.clone()) {
                        open.extend(self.types.get(name).map(|named| &named.shape));
                    }
                }
                Kind::List(item) | Kind::Map(item) => open.push(item),
                Kind::Object(fields) => open.extend(fields.values().map(|field| &field.shape)),
                Kind::Choice(_, choices) => open.extend(choices),
                Kind::Scalar(_) | Kind::Enumeration => {}
            }
        }
        found
    }
}

fn operation(document: &Value, place: &Place<'_>) -> Result<Operation, String> {
    let mut parameters = BTreeMap::new();
    // Parameters of the operation override those of the path.
    for holder in [place.item, place.operation] {
        for parameter in holder.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolve(document, parameter)?;
            let (key, parameter) = read_parameter(document, parameter)?;
            parameters.insert(key, parameter);
        }
    }
    let segments = place.path.split('{').skip(1).filter_map(|segment| segment.split_once('}'));
    let mut other_statuses = BTreeSet::new();
    let answer = answer(document, place.operation, &mut other_statuses)?;
    Ok(Operation {
        method: place.method.to_uppercase(),
        path: place.path.to_owned(),
        parameters,
        path_names: segments.map(|(name, _)| name.to_owned()).collect(),
        body: body(document, place.operation)?,
        answer,
        other_statuses,
        security: security(document, place.operation),
        deprecated: flag(place.operation, "deprecated"),
    })
}

fn flag(holder: &Value, key: &str) -> bool {
    holder.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn read_parameter(document: &Value, parameter: &Value) -> Result<((In, String), Parameter), String> {
    let name = parameter.get("name").and_then(Value::as_str).ok_or("a parameter has no name")?;
    let (sent, style) = match parameter.get("in").and_then(Value::as_str) {
        Some("path") => (In::Path, "simple"),
        Some("query") => (In::Query, "form"),
        Some("header") => (In::Header, "simple"),
        Some("cookie") => (In::Cookie, "form"),
        _ => return Err(format!("parameter {name}: `in` is none of path, query, header, cookie")),
    };
    let style = parameter.get("style").and_then(Value::as_str).unwrap_or(style);
    let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(style == "form");
    let media = parameter.get("content").and_then(Value::as_object).and_then(|content| content.iter().next());
    let (schema, style) = match media {
        Some((media, content)) => (content.get("schema"), media.clone()),
        None => (parameter.get("schema"), format!("{style}{}", if explode { ", exploded" } else { "" })),
    };
    let any = Value::Bool(true);
    let shape = Shape::read(document, schema.unwrap_or(&any), true)
        .map_err(|reason| format!("parameter {name}: {reason}"))?;
    let (required, deprecated) = (flag(parameter, "required"), flag(parameter, "deprecated"));
    Ok(((sent, name.to_owned()), Parameter { shape, required, deprecated, style }))
}

fn body(document: &Value, operation: &Value) -> Result<Option<Body>, String> {
    let Some(body) = operation.get("requestBody") else { return Ok(None) };
    let body = resolve(document, body)?;
    let content = content(document, body).map_err(|reason| format!("body: {reason}"))?;
    Ok(content.map(|(media, shape)| Body { required: flag(body, "required"), media, shape }))
}

/// Prefers JSON, for which the client is generated; otherwise takes the first media type.
fn content(document: &Value, holder: &Value) -> Result<Option<(String, Shape)>, String> {
    let Some(content) = holder.get("content").and_then(Value::as_object) else { return Ok(None) };
    let json = content.iter().find(|(media, _)| media.as_str() == "application/json");
    let Some((media, described)) = json.or_else(|| content.iter().next()) else { return Ok(None) };
    let any = Value::Bool(true);
    Ok(Some((media.clone(), Shape::read(document, described.get("schema").unwrap_or(&any), false)?)))
}

/// Returns the response for which the client is generated: the first success with a body, otherwise the first
/// success.
fn answer(
    document: &Value,
    operation: &Value,
    others: &mut BTreeSet<String>,
) -> Result<Option<Response>, String> {
    let mut successes = Vec::new();
    for (status, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
        if status.starts_with("x-") {
            continue;
        }
        others.insert(status.clone());
        let response = resolve(document, response)?;
        if status.starts_with('2') {
            let content =
                content(document, response).map_err(|reason| format!("response {status}: {reason}"))?;
            successes.push(Response { status: status.clone(), content });
        }
    }
    let kept = successes.iter().position(|answer| answer.content.is_some()).unwrap_or(0);
    let kept = (kept < successes.len()).then(|| successes.swap_remove(kept));
    if let Some(kept) = &kept {
        others.remove(&kept.status);
    }
    Ok(kept)
}

/// Returns the ways to authenticate. Each is described by its headers, because the names of the schemes don't
/// matter.
fn security(document: &Value, holder: &Value) -> Option<BTreeSet<String>> {
    let ways = holder.get("security")?.as_array()?.iter().map(|way| {
        let schemes = way.as_object().into_iter().flatten().map(|(name, _)| {
            let scheme =
                document.pointer("/components/securitySchemes").and_then(|schemes| schemes.get(name));
            let text = |key: &str| scheme.and_then(|scheme| scheme.get(key)).and_then(Value::as_str);
            let parts = ["type", "in", "name", "scheme"].into_iter().filter_map(text).collect::<Vec<_>>();
            if parts.is_empty() { name.clone() } else { parts.join(" ") }
        });
        let mut schemes: Vec<String> = schemes.collect();
        schemes.sort();
        if schemes.is_empty() { "none".to_owned() } else { schemes.join(" with ") }
    });
    Some(ways.collect())
}
