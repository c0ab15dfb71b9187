//! Data units: lists, single units, and their files in each representation.

use axum::extract::{Path, State};
use axum::response::Response;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use super::collections::{self, specifications};
use super::{DataFile, DataUnit, FileEntry, UnitFiles, files};
use crate::app::App;
use crate::data::files::FileKind;
use crate::data::seed::{FIRST_DATA_COLLECTION, FIRST_DATA_FILE, FIRST_DATA_UNIT, related};
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::keys::Keys;
use crate::links::FileLinks;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::payloads::hex;
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

/// Returns the kind of a data unit's main file.
pub(crate) fn kind(app: &App, unit: Option<i64>) -> FileKind {
    let collection =
        unit.and_then(|id| app.data.units.get(id)).map_or(FIRST_DATA_COLLECTION, |u| u.collection);
    app.seed.kind((collection - FIRST_DATA_COLLECTION).unsigned_abs())
}

/// Returns the entries of each specification.
fn entries(app: &App, unit: &DataUnit) -> Vec<(String, Vec<FileEntry>)> {
    match &unit.files {
        UnitFiles::Named(files) => files.clone(),
        UnitFiles::Generated => {
            let [main, _] = specifications(app, unit.collection);
            let file = FIRST_DATA_FILE + (unit.id - FIRST_DATA_UNIT);
            let path = Some(format!("{}/{:06}", main.file_type, unit.id));
            vec![(main.name.to_owned(), vec![FileEntry { file, path }])]
        }
    }
}

fn file_object(
    app: &App,
    unit: &DataUnit,
    name: &str,
    entry: &FileEntry,
    file: &DataFile,
    links: &FileLinks<'_>,
) -> Value {
    let all = specifications(app, unit.collection);
    let specification = all.iter().find(|specification| specification.name == name);
    json!({
        "url": files::url(file, links),
        "file_name_original": file.name,
        "is_primary": specification.is_some_and(|specification| specification.is_primary),
        "file_type": specification.map(|specification| specification.file_type),
        "meta": file.meta,
        "path_original": entry.path,
        "size": file.size,
        "checksum": file.checksum(app),
    })
}

/// Applies `show` to each file. A specification with several files gets a list.
fn each_file(
    app: &App,
    unit: &DataUnit,
    show: impl Fn(&str, &FileEntry, &DataFile) -> Value,
) -> Map<String, Value> {
    let value = |(name, list): (String, Vec<FileEntry>)| {
        let found = list.iter().filter_map(|entry| Some((entry, app.data.files.get(entry.file)?)));
        let mut shown: Vec<Value> = found.map(|(entry, file)| show(&name, entry, &file)).collect();
        let value = if shown.len() == 1 { shown.remove(0) } else { Value::from(shown) };
        (name, value)
    };
    entries(app, unit).into_iter().map(value).collect()
}

/// Returns the file objects by the name of their specification.
pub(crate) fn files_by_name(app: &App, unit: &DataUnit, links: &FileLinks<'_>) -> Value {
    Value::Object(each_file(app, unit, |name, entry, file| file_object(app, unit, name, entry, file, links)))
}

/// Returns the file objects as a list, the primary one first.
pub(crate) fn file_list(app: &App, unit: &DataUnit, links: &FileLinks<'_>) -> Vec<Value> {
    let named = |(name, file): (String, Value)| {
        let files = match file {
            Value::Array(files) => files,
            file => vec![file],
        };
        files.into_iter().map(move |mut file| {
            for key in ["name", "specification", "specification_name"] {
                file[key] = json!(name);
            }
            file
        })
    };
    let all = each_file(app, unit, |name, entry, file| file_object(app, unit, name, entry, file, links));
    let mut list: Vec<Value> = all.into_iter().flat_map(named).collect();
    list.sort_by_key(|file| file["is_primary"] != true);
    list
}

/// Returns the checksum of the files together.
fn checksum(app: &App, unit: &DataUnit) -> String {
    let sums = each_file(app, unit, |_, _, file| json!(file.checksum(app)));
    hex(&Md5::digest(Value::Object(sums).to_string()))
}

fn item(app: &App, unit: &DataUnit, links: &FileLinks<'_>, with_files: bool) -> Value {
    let files = if with_files {
        files_by_name(app, unit, links)
    } else {
        Value::Object(each_file(app, unit, |_, _, file| json!(files::url(file, links))))
    };
    let meta = match unit.meta.is_null() {
        true => json!({"captured_by": format!("car-{}", unit.id % 7), "frame": unit.id % 1000}),
        false => unit.meta.clone(),
    };
    json!({
        "id": unit.id,
        "data_collection": unit.collection,
        "group": unit.group,
        "checksum": checksum(app, unit),
        "meta": meta,
        "files": files,
        "can_generate_task": true,
        "created": unit.created,
    })
}

/// Returns the object that `expand=data_unit` shows.
pub(crate) fn expanded(app: &App, unit: &DataUnit, links: &FileLinks<'_>) -> Value {
    item(app, unit, links, true)
}

pub(crate) fn show(app: &App, unit: &DataUnit, links: &FileLinks<'_>, projection: &Projection) -> Value {
    let mut item = item(app, unit, links, projection.expands("files"));
    if projection.expands("data_collection") {
        item["data_collection"] = json!(collections::plain(app, unit.collection));
    }
    item["group"] = related(unit.group, projection.expands("group"), |id| json!(app.data.groups.get(id)));
    projection.show(item, ID)
}

/// Selects the data units that a request asks for.
pub(crate) fn select(app: &App, parts: &RequestParts) -> Result<Selected, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let collection = filters.id("data_collection");
    let can_generate = filters.boolean("can_generate_task");
    let search = filters.search();
    filters.done()?;
    let units = &app.data.units;
    if collection.is_none() && can_generate.is_none() && search.is_empty() {
        return Ok(Selected::of(units, &keys, None));
    }
    let keep = |_: u64, unit: &DataUnit| {
        collection.is_none_or(|id| unit.collection == id)
            && can_generate != Some(false)
            && search.iter().all(|word| unit.meta.to_string().to_lowercase().contains(word))
    };
    Ok(Selected::of(units, &keys, Some(&keep)))
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let selected = select(&app, &parts)?;
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    respond(&app, &parts, &selected, Pages::Numbered, |index| {
        app.data.units.row(index).map(|unit| show(&app, &unit, &links, &projection))
    })
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    let unit = app.data.units.get(path_id(&id)?);
    object(unit.map(|unit| show(&app, &unit, &links, &projection)))
}
