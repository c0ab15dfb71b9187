//! Reads documents from a file or from a revision of the project.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use synapse_codegen::document as reading;
use synapse_codegen::prepare::{
    self, Report, convert_to_3_0, inline_shared_parts, make_operation_ids_unique,
    point_references_to_components,
};

use crate::project;

/// Reads the document that `source` names, as the build reads it.
pub fn read(source: &str) -> Result<Value, String> {
    as_the_build_reads_it(joined(source)?).map_err(|reason| format!("{source}: {reason}"))
}

/// Reads the document that `source` names: a file, a folder whose files are joined, or `git:REV` for the project's own
/// document at that revision.
pub fn joined(source: &str) -> Result<Value, String> {
    let document = match source.strip_prefix("git:") {
        Some(revision) => at_revision(revision).and_then(reading::join),
        // The project's own document is found from any subdirectory.
        None if source == project::DOCUMENT && !Path::new(source).exists() => {
            reading::read(&project::root().join(source))
        }
        None => reading::read(Path::new(source)),
    };
    document.map_err(|reason| format!("{source}: {reason}"))
}

/// Converts the document to OpenAPI 3.0, which the comparison supports, and gives each operation its name in
/// Rust.
fn as_the_build_reads_it(mut document: Value) -> Result<Value, String> {
    let mut report = Report::default();
    inline_shared_parts(&mut document)?;
    point_references_to_components(&mut document, &mut report)?;
    if document.get("openapi").and_then(Value::as_str).is_none_or(|version| !version.starts_with("3.0")) {
        convert_to_3_0(&mut document, &mut report);
    }
    make_operation_ids_unique(&mut document, &mut report);
    Ok(document)
}

/// Returns the files of the project's own document at a revision, each with its name. An overlay is none.
fn at_revision(revision: &str) -> Result<Vec<(String, String)>, String> {
    let folder = format!("{revision}:{}", project::DOCUMENT);
    let is_document = |name: &&str| {
        [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
            && !name.starts_with("overlay.")
    };
    let names = git(revision, &["ls-tree", "--name-only", "--end-of-options", &folder])?;
    let names = names.lines().filter(is_document);
    names
        .map(|name| {
            let text = git(revision, &["show", "--end-of-options", &format!("{folder}/{name}")])?;
            Ok((name.to_owned(), text))
        })
        .collect()
}

fn git(revision: &str, arguments: &[&str]) -> Result<String, String> {
    let git = Command::new("git").arg("-C").arg(project::root()).args(arguments).output();
    let output = git.map_err(|error| format!("git can't be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git:{revision}: {}", said.lines().next().unwrap_or("git failed")));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("git:{revision}: the document isn't UTF-8"))
}

/// An operation of the document.
pub struct Place<'a> {
    pub id: &'a str,
    /// In lower case.
    pub method: &'a str,
    pub path: &'a str,
    /// The path item, with what applies to all methods of the path.
    pub item: &'a Value,
    pub operation: &'a Value,
}

/// Returns every operation, ordered by path and method.
pub fn operations(document: &Value) -> Vec<Place<'_>> {
    prepare::operations(document)
        .filter_map(|(path, method, operation)| {
            let id = operation.get("operationId")?.as_str()?;
            Some(Place { id, method, path, item: document.get("paths")?.get(path)?, operation })
        })
        .collect()
}

/// Follows references and returns their target, or the value itself if it isn't a reference.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let mut value = value;
    // No real chain is longer; a cycle is.
    for _ in 0..32 {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        value = target.ok_or_else(|| format!("`{reference}` is not in the document"))?;
    }
    Err("the references form a cycle".to_owned())
}
