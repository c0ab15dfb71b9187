//! Where documents come from: a file, or a revision of the project.

#[allow(dead_code, reason = "of the preparation, the forms of 3.1 are used")]
#[path = "../../build/prepare/mod.rs"]
mod prepare;
#[allow(dead_code, reason = "of what the build reads documents by, a part is used")]
#[path = "../../build/document.rs"]
mod reading;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::project;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The document that `source` names: a file, or `git:REV` for the project's own at that revision.
pub fn read(source: &str) -> Result<Value, String> {
    let document = match source.strip_prefix("git:") {
        Some(revision) => reading::parse(&at_revision(revision)?),
        // The project's own is found from any directory below it.
        None if source == project::DOCUMENT && !Path::new(source).exists() => reading::read(&project::root().join(source)),
        None => reading::read(Path::new(source)),
    };
    document.and_then(in_3_0).map_err(|reason| format!("{source}: {reason}"))
}

/// The document in the words of 3.0, which the comparison knows.
fn in_3_0(mut document: Value) -> Result<Value, String> {
    if document.get("openapi").and_then(Value::as_str).is_some_and(|version| version.starts_with("3.1")) {
        prepare::written_in_3_0(&mut document, &mut prepare::Report::default())?;
    }
    Ok(document)
}

fn at_revision(revision: &str) -> Result<String, String> {
    let object = format!("{revision}:{}", project::DOCUMENT);
    let git = Command::new("git").arg("-C").arg(project::root()).args(["show", "--end-of-options", &object]).output();
    let output = git.map_err(|error| format!("git can't be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git:{revision}: {}", said.lines().next().unwrap_or("git failed")));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("git:{revision}: the document isn't UTF-8"))
}

/// An operation as it stands in the document.
pub struct Place<'a> {
    pub id: String,
    /// In lower case.
    pub method: &'a str,
    pub path: &'a str,
    /// What holds for all methods of the path.
    pub item: &'a Value,
    pub operation: &'a Value,
}

/// Every operation, by path and method. One without a name of its own is called as the build calls it: by its method and path,
/// or with a number.
pub fn operations(document: &Value) -> Result<Vec<Place<'_>>, String> {
    let mut found: Vec<Place<'_>> = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let given = operation.get("operationId").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
            let name = given.map_or_else(|| by_its_path(method, path), str::to_owned);
            let mut id = name.clone();
            let mut number = 2;
            while found.iter().any(|other| other.id == id) {
                id = format!("{name}_{number}");
                number += 1;
            }
            found.push(Place { id, method, path, item, operation });
        }
    }
    Ok(found)
}

/// `get_models_id` for `GET /models/{id}/`.
fn by_its_path(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// What a reference leads to, through further references; the value itself where it is none.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let mut value = value;
    // Longer chains don't occur; circles do.
    for _ in 0..32 {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        value = target.ok_or_else(|| format!("`{reference}` leads nowhere"))?;
    }
    Err("references lead in a circle".to_owned())
}
