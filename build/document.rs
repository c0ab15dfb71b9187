//! Reads an OpenAPI document, YAML or JSON, into one JSON value.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The document in a folder that holds one.
pub fn only_one_in(folder: &Path) -> Result<PathBuf, String> {
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if matches!(extension, "yaml" | "yml" | "json") {
            found.push(path);
        }
    }
    found.sort();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!("{}: no document (.yaml, .yml or .json) is there", folder.display())),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(format!("{}: several documents are there ({}): leave one", folder.display(), names.join(", ")))
        }
    }
}

/// The document at `path`. Errors are one line; where it is known, they tell the line in the file.
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
    // `openapi: 3.0` without quotes is a number.
    let version = document.get("openapi").map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned));
    match version {
        Some(version) if version.starts_with("3.0") || version.starts_with("3.1") => Ok(document),
        Some(version) => Err(format!("openapi: version {version} isn't supported (3.0 and 3.1 are)")),
        None => match document.get("swagger") {
            Some(version) => Err(format!("swagger: version {version} isn't supported (OpenAPI 3.0 and 3.1 are)")),
            None => Err("not an OpenAPI document: `openapi: 3.0.x` is missing at the top".to_owned()),
        },
    }
}
