//! The files of a document: one, or several in a folder, which are joined.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{checked, parse_value};
use crate::prepare::Keywords;

/// The name, without its ending, of the file that corrects the document of its folder.
const OVERLAY: &str = "overlay";

/// Returns the path of the document in a folder: its only file, or the folder if it has several.
pub(crate) fn in_folder(folder: &Path) -> Result<PathBuf, String> {
    match <[PathBuf; 1]>::try_from(documents(folder)?) {
        Ok([only]) => Ok(only),
        Err(several) if several.is_empty() => {
            Err(format!("{}: no document (.yaml, .yml or .json) is there", folder.display()))
        }
        Err(_) => Ok(folder.to_owned()),
    }
}

/// Returns the overlay of a folder's document, `overlay.yaml`, `overlay.yml` or `overlay.json`, if it exists.
pub(crate) fn overlay_in(folder: &Path) -> Result<Option<PathBuf>, String> {
    let mut found = files(folder, is_overlay)?;
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        let (folder, names) = (folder.display(), names.join(", "));
        return Err(format!("{folder}: several overlays are there ({names}): leave one"));
    }
    Ok(found.pop())
}

fn documents(folder: &Path) -> Result<Vec<PathBuf>, String> {
    files(folder, |path| !is_overlay(path))
}

fn is_overlay(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == OVERLAY)
}

/// Returns the wanted YAML and JSON files in a folder, in order of their names. Editors and systems keep hidden files.
fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if matches!(extension, "yaml" | "yml" | "json") && !is_hidden && wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the document at `path`: a file, or a folder whose files are [joined](join).
///
/// # Errors
///
/// Returns an error if a file can't be read, and in the cases of [`parse`](super::parse) and [`join`].
pub fn read(path: &Path) -> Result<Value, String> {
    if !path.is_dir() {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        return super::parse(&text);
    }
    let mut parts = Vec::new();
    for file in documents(path)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
        parts.push((name, text));
    }
    join(parts)
}

/// Joins the files of a document, each given as name and text: one has the document's own keywords, such as `openapi`
/// and `info`. Each other one has only `paths`, `components` and `tags`. References may lead from any file to any other,
/// as if they were one: `#/components/schemas/Thing`. An empty file or an empty section (`components:`) counts as missing.
///
/// # Errors
///
/// Returns an error if a file is neither YAML nor JSON, if none or several have the document's own keywords, or if two
/// have the same path, component or tag. The error names the file.
pub fn join(parts: impl IntoIterator<Item = (String, String)>) -> Result<Value, String> {
    let mut main: Option<(String, Value)> = None;
    let mut others = Vec::new();
    for (name, text) in parts {
        if is_empty(&text) {
            continue;
        }
        let mut value = parse_value(&text).map_err(|reason| format!("{name}: {reason}"))?;
        drop_empty_sections(&mut value);
        match (&main, value.has_any(&["openapi", "swagger"])) {
            (Some((first, _)), true) => {
                return Err(format!("several documents are there ({first}, {name}): leave one"));
            }
            (None, true) => {
                main = Some((name.clone(), checked(value).map_err(|reason| format!("{name}: {reason}"))?));
            }
            (_, false) => others.push((name, value)),
        }
    }
    let (_, mut document) =
        main.ok_or("no file is an OpenAPI document: `openapi: 3.0.x` is missing at the top")?;
    for (name, part) in others {
        add(&mut document, part).map_err(|reason| format!("{name}: {reason}"))?;
    }
    Ok(document)
}

/// Returns whether a text has nothing but white space and comments.
fn is_empty(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.filter(|line| !line.starts_with('#')).all(|line| line.is_empty() || line == "---")
}

/// Removes sections without a value, and the kinds of components without one.
fn drop_empty_sections(document: &mut Value) {
    if let Some(sections) = document.as_object_mut() {
        sections.retain(|key, section| !(SECTIONS.contains(&key.as_str()) && section.is_null()));
    }
    if let Some(components) = document.object_mut("components") {
        components.retain(|_, section| !section.is_null());
    }
}

/// The sections that any file may have.
const SECTIONS: [&str; 3] = ["paths", "components", "tags"];

/// Adds the paths, components and tags of another file.
fn add(document: &mut Value, part: Value) -> Result<(), String> {
    let Value::Object(part) = part else { return Err("it is no mapping".to_owned()) };
    for (key, value) in part {
        match (key.as_str(), value) {
            ("paths", Value::Object(paths)) => add_all(document, "paths", "path", paths)?,
            ("components", Value::Object(sections)) => {
                let components = document.object_or_new("components").ok_or("`components` is no mapping")?;
                for (section, more) in sections {
                    let Value::Object(more) = more else {
                        return Err(format!("components.{section}: it is no mapping"));
                    };
                    add_all(components, &section, "component", more)?;
                }
            }
            ("tags", Value::Array(tags)) => {
                let known = document.list_or_new("tags").ok_or("`tags` is no list")?;
                for tag in tags {
                    if known.iter().any(|other| other.text("name") == tag.text("name")) {
                        return Err(format!("the tag `{}` is in another file, too", tag.string("name")));
                    }
                    known.push(tag);
                }
            }
            ("paths" | "components" | "tags", _) => return Err(format!("`{key}` is of the wrong type")),
            (other, _) => {
                return Err(format!("`{other}` belongs in the file with `openapi`"));
            }
        }
    }
    Ok(())
}

fn add_all(to: &mut impl Keywords, key: &str, kind: &str, more: Map<String, Value>) -> Result<(), String> {
    let known = to.object_or_new(key).ok_or_else(|| format!("`{key}` is no mapping"))?;
    for (name, value) in more {
        if known.contains_key(&name) {
            return Err(format!("the {kind} `{name}` is in another file, too"));
        }
        known.insert(name, value);
    }
    Ok(())
}
