//! Reads an OpenAPI document, YAML or JSON, into one JSON value.

use std::path::Path;

use serde_json::Value;

/// The document at `path`. Errors are one line that names the file and, where it is known, the line in it.
pub fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text)
}

/// The document in `text`. JSON is tried first where the text looks like it, since its errors are the better ones then.
pub fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?
    } else {
        serde_norway::from_str(text).map_err(|error| format!("not YAML: {error}"))?
    };
    match document.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.0.") => Ok(document),
        Some(version) => Err(format!("openapi: version {version} isn't supported (3.0.x is)")),
        None => Err("not an OpenAPI document: `openapi: 3.0.x` is missing at the top".to_owned()),
    }
}
