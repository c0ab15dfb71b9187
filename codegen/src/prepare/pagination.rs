//! Reads `x-pagination`: how the pages of a list lead to one another, where the schemas don't say it.

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::{Outcome, for_operations};

/// What `x-pagination` of an operation says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PaginationNote {
    /// The path of the items; empty if the response is their list.
    pub(crate) items: Option<String>,
    pub(crate) count: Option<PageValue>,
    pub(crate) next: Option<PageValue>,
    /// The query parameter that takes the value of `next`.
    pub(crate) parameter: Option<String>,
}

/// Where a page has a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PageValue {
    Absent,
    Field(String),
    Header(String),
}

/// Returns an error if `x-pagination` or `x-identity` of an operation is malformed. It changes nothing.
///
/// - `x-pagination: {nxt: meta.next}` -> an error
/// - `x-identity: id` -> an error
pub fn check_pagination(document: &mut Value) -> Outcome {
    for_operations(document, |_, _, place, operation| {
        pagination_note(operation).map_err(|reason| format!("{place}: `x-pagination`: {reason}"))?;
        let is_name = |value: &Value| value.as_str().is_some_and(|name| !name.is_empty());
        match operation.get("x-identity") {
            None => Ok(()),
            Some(Value::Array(names)) if names.iter().all(is_name) => Ok(()),
            Some(_) => Err(format!("{place}: `x-identity` isn't a list of field names")),
        }
    })
}

/// Returns what `x-pagination` says; `None` if it is `false`: the operation is no list.
pub(crate) fn pagination_note(operation: &Value) -> Result<Option<PaginationNote>, String> {
    const KEYS: [&str; 4] = ["items", "count", "next", "parameter"];
    let said = match operation.get("x-pagination") {
        None => return Ok(Some(PaginationNote::default())),
        Some(Value::Bool(false)) => return Ok(None),
        Some(Value::Object(said)) => said,
        Some(_) => return Err("it is neither `false` nor an object".to_owned()),
    };
    if let Some(other) = said.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("`{other}` is none of `{}`", KEYS.join("`, `")));
    }
    let items = match said.get("items") {
        None => None,
        Some(Value::String(path)) if path.is_empty() || is_path(path) => Some(path.clone()),
        Some(_) => return Err("`items` isn't a path, such as `data.rows`".to_owned()),
    };
    let parameter = match said.get("parameter") {
        None => None,
        Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
        Some(_) => return Err("`parameter` isn't the name of a query parameter".to_owned()),
    };
    let note = PaginationNote {
        items,
        count: page_value(said, "count")?,
        next: page_value(said, "next")?,
        parameter,
    };
    let in_field = |value: &Option<PageValue>| matches!(value, Some(PageValue::Field(_)));
    if note.items.as_deref() == Some("") && (in_field(&note.count) || in_field(&note.next)) {
        return Err("a response that is a list has no fields: name headers as `{header: …}`".to_owned());
    }
    match (&note.next, &note.parameter) {
        (Some(PageValue::Header(name)), None) if name != "link" => Err(format!(
            "the header `{name}` has a page's number or cursor: name the query `parameter` that takes it"
        )),
        (Some(PageValue::Header(name)), Some(_)) if name == "link" => {
            Err("the header `Link` has a URL, which is no value of a `parameter`".to_owned())
        }
        _ => Ok(Some(note)),
    }
}

fn page_value(said: &Map<String, Value>, key: &str) -> Result<Option<PageValue>, String> {
    match said.get(key) {
        None => Ok(None),
        Some(Value::Bool(false)) => Ok(Some(PageValue::Absent)),
        Some(Value::String(path)) if is_path(path) => Ok(Some(PageValue::Field(path.clone()))),
        Some(Value::Object(object)) if object.len() == 1 => match object.text("header") {
            Some(name) if is_header(name) => Ok(Some(PageValue::Header(name.to_ascii_lowercase()))),
            _ => Err(format!("`{key}` isn't `{{header: …}}` with the name of a header")),
        },
        Some(_) => {
            Err(format!("`{key}` is neither a path, such as `meta.{key}`, nor `{{header: …}}` nor `false`"))
        }
    }
}

fn is_path(path: &str) -> bool {
    path.split('.').all(|name| !name.is_empty())
}

/// Returns whether a text is the name of a header: a token (RFC 9110, 5.6.2).
fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
