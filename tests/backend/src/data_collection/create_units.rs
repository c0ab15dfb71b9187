//! `POST /data_units/`: one unit, or a list of at most 1,000.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::collections::specifications;
use super::units::show;
use super::{DataUnit, FileEntry, NamedFiles, UnitFiles};
use crate::app::App;
use crate::body;
use crate::drf::{self, Refusal, field_error};
use crate::form::{Form, Forms};
use crate::projection::Projection;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

const MOST: usize = 1000;
const UNKNOWN: &str = "A checksum is unknown.";

struct New {
    collection: i64,
    files: NamedFiles,
    /// Whether a checksum is unknown.
    incomplete: bool,
    meta: Map<String, Value>,
    groups: Vec<String>,
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut forms = Forms::read(&text, MOST)?;
    let mut new = Vec::new();
    for form in &mut forms.items {
        let unit = read_unit(&app, form);
        if app.settings.quirks.refuse_unknown_checksums && unit.as_ref().is_some_and(|unit| unit.incomplete) {
            form.errors.add("files", UNKNOWN);
        }
        new.extend(unit);
    }
    let is_list = forms.is_list;
    forms.into_result()?;
    // A unit with an unknown checksum is left out, without an error.
    new.retain(|unit| !unit.incomplete);
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    let created: Vec<Value> =
        new.into_iter().map(|unit| show(&app, &add(&app, unit), &links, &projection)).collect();
    match is_list {
        true if app.settings.quirks.wrapped_data_units => {
            drf::value(StatusCode::CREATED, &json!({"results": created}))
        }
        true => drf::value(StatusCode::CREATED, &created),
        // There is no shorter list to answer with.
        false => match created.first() {
            Some(unit) => drf::value(StatusCode::CREATED, unit),
            None => Err(field_error("files", UNKNOWN)),
        },
    }
}

/// Reads one unit. `None` means that the form has errors.
fn read_unit(app: &App, form: &mut Form<'_>) -> Option<New> {
    let collection = form
        .pk("data_collection", true, |id| app.data.collections.has(id))
        .required("data_collection", &mut form.errors);
    let files = form.object("files").required("files", &mut form.errors);
    let meta = form.object("meta").flatten().unwrap_or_default();
    let groups = form.field("groups", |value, _| read_groups(&value)).good().unwrap_or_default();
    let (collection, files) = (collection?, files?);
    match read_files(app, collection, &files) {
        Ok((files, incomplete)) if form.errors.is_empty() => {
            Some(New { collection, files, incomplete, meta, groups })
        }
        Ok(_) => None,
        Err(message) => {
            form.errors.add("files", message);
            None
        }
    }
}

fn read_files(app: &App, collection: i64, files: &Map<String, Value>) -> Result<(NamedFiles, bool), String> {
    let known = specifications(app, collection);
    for required in known.iter().filter(|specification| specification.is_primary) {
        if !files.contains_key(required.name) {
            return Err(format!("The file specification \"{}\" is required.", required.name));
        }
    }
    let mut incomplete = false;
    let mut read = Vec::new();
    for (name, value) in files {
        if !known.iter().any(|specification| specification.name == name) {
            return Err(format!("The file specification \"{name}\" does not exist."));
        }
        let entries = match value {
            Value::Array(entries) => entries.as_slice(),
            entry => std::slice::from_ref(entry),
        };
        let mut found = Vec::new();
        for entry in entries {
            let checksum = entry["checksum"].as_str().filter(|text| !text.is_empty() && text.len() <= 128);
            let checksum = checksum.ok_or_else(|| format!("\"{name}\" needs a checksum."))?;
            let path = match &entry["path"] {
                Value::Null => None,
                Value::String(path) if path.chars().count() <= 1024 => Some(path.clone()),
                _ => return Err(format!("The path of \"{name}\" is not valid.")),
            };
            match app.data.by_checksum(app, checksum) {
                Some(file) => found.push(FileEntry { file, path }),
                None => incomplete = true,
            }
        }
        if entries.is_empty() {
            return Err(format!("\"{name}\" has no file."));
        }
        read.push((name.clone(), found));
    }
    Ok((read, incomplete))
}

/// A single text means one group.
fn read_groups(value: &Value) -> Result<Vec<String>, String> {
    let names: Vec<&Value> = match value {
        Value::Array(names) => names.iter().collect(),
        name => vec![name],
    };
    let read = |name: &Value| match name.as_str() {
        Some("") => Err("This field may not be blank.".to_owned()),
        Some(name) if name.chars().count() > 255 => {
            Err("Ensure this field has no more than 255 characters.".to_owned())
        }
        Some(name) => Ok(name.to_owned()),
        None => Err("Not a valid string.".to_owned()),
    };
    names.into_iter().map(read).collect()
}

fn add(app: &App, new: New) -> DataUnit {
    // Each group is found or made; the unit gets the innermost, which is the last.
    let mut group = None;
    for name in &new.groups {
        group = Some(find_or_make(app, new.collection, name));
    }
    app.data.units.add(|id| DataUnit {
        id,
        collection: new.collection,
        group,
        files: UnitFiles::Named(new.files),
        meta: Value::Object(new.meta),
        created: Timestamp::now(),
    })
}

fn find_or_make(app: &App, collection: i64, name: &str) -> i64 {
    let groups = &app.data.groups;
    let group = groups.find(|group| group["name"] == name && group["data_collection"] == collection);
    let group = group
        .unwrap_or_else(|| groups.add(|id| json!({"id": id, "name": name, "data_collection": collection})));
    group["id"].as_i64().unwrap_or_default()
}
