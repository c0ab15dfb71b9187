//! `POST /data_files/presigned_upload/confirm_upload/`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha1::Sha1;

use super::objects::{Object, ObjectBody, Stored};
use super::presign::read_files;
use crate::app::App;
use crate::body;
use crate::data::seed::FIRST_STORAGE;
use crate::data_collection::{DataFile, FileContent};
use crate::drf::{self, Refusal};
use crate::form::Form;
use crate::payloads::hex;
use crate::time::Timestamp;

struct Confirmed {
    key: String,
    checksum: String,
    size: u64,
    multipart: Option<Value>,
}

fn read(form: &mut Form<'_>) -> Option<Confirmed> {
    let key = form.string("file_key", true, 1024).required("file_key", &mut form.errors);
    let checksum = form.string("checksum", true, 128).required("checksum", &mut form.errors);
    let size = form.integer("size", 1, i64::MAX).required("size", &mut form.errors);
    let multipart = form.field("multipart", |value, _| {
        if value.is_null() {
            return Ok(None);
        }
        let fits = |text: &Value| text.as_str().is_some_and(|text| (1..=255).contains(&text.chars().count()));
        let part = |part: &Value| part["part_number"].as_i64().is_some_and(|n| n > 0) && fits(&part["etag"]);
        let parts = value["parts"].as_array();
        match fits(&value["upload_id"])
            && parts.is_some_and(|parts| !parts.is_empty() && parts.iter().all(part))
        {
            true => Ok(Some(value)),
            false => Err("Needs an upload_id, and parts with part_number and etag.".to_owned()),
        }
    });
    Some(Confirmed {
        key: key?,
        checksum: checksum?,
        size: size?.unsigned_abs(),
        multipart: multipart.flatten(),
    })
}

pub(crate) async fn confirm(State(app): State<App>, request: Request<Body>) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let files = read_files(&mut Form::read(&text)?, read)?;
    let mut results = Vec::new();
    for file in files {
        let mut result = json!({"file_key": file.key, "checksum": file.checksum});
        match confirm_one(&app, &file)? {
            Ok((id, created)) => {
                result["data_file_id"] = json!(id);
                result["success"] = json!(true);
                result["created"] = json!(created);
                result["error"] = Value::Null;
            }
            Err(problem) => {
                result["data_file_id"] = Value::Null;
                result["success"] = json!(false);
                result["error"] = json!(problem);
            }
        }
        results.push(result);
    }
    // A file that was there already counts as created.
    let created = results.iter().filter(|result| result["success"] == true).count();
    let failed = results.len() - created;
    drf::value(StatusCode::OK, &json!({"results": results, "created_count": created, "failed_count": failed}))
}

/// Returns the id of the data file and whether it is new, or the problem with this file.
fn confirm_one(app: &App, file: &Confirmed) -> Result<Result<(i64, bool), String>, Refusal> {
    let Some(object) = app.storages.objects.lock().get(&file.key).cloned() else {
        return Ok(Err("The file_key is unknown.".to_owned()));
    };
    if let Some(id) = object.confirmed {
        return Ok(match app.settings.storage.single_confirm {
            true => Err("The upload has already been confirmed.".to_owned()),
            false => Ok((id, false)),
        });
    }
    let stored = match assemble(app, &object, file)? {
        Ok(stored) => stored,
        Err(problem) => return Ok(Err(problem)),
    };
    if stored.size != file.size || stored.size != object.size {
        return Ok(Err(format!("The size is {}, not {}.", stored.size, file.size)));
    }
    let checksum = file.checksum.to_ascii_lowercase();
    if checksum != stored.sha1 && checksum != stored.md5 {
        return Ok(Err("The checksum does not match.".to_owned()));
    }
    let (id, created) = match app.data.by_checksum(app, &file.checksum) {
        Some(id) => (id, false),
        None => (add(app, &object, file, stored), true),
    };
    if let Some(object) = app.storages.objects.lock().get_mut(&file.key) {
        object.confirmed = Some(id);
    }
    Ok(Ok((id, created)))
}

fn add(app: &App, object: &Object, file: &Confirmed, stored: Stored) -> i64 {
    let file = app.data.files.add(|id| DataFile {
        id,
        name: object.filename.clone(),
        checksum: Some(file.checksum.clone()),
        size: stored.size,
        content: FileContent::Disk { path: stored.path, md5: stored.md5 },
        without_link: false,
        meta: json!({}),
        storage: FIRST_STORAGE,
        created: Timestamp::now(),
    });
    file.id
}

/// Returns the whole object, joined from its parts where it has several.
fn assemble(app: &App, object: &Object, file: &Confirmed) -> Result<Result<Stored, String>, Refusal> {
    match (&object.body, &file.multipart) {
        (ObjectBody::Single(None), _) => Ok(Err("The file was not uploaded.".to_owned())),
        (ObjectBody::Single(Some(stored)), None) => Ok(Ok(stored.clone())),
        (ObjectBody::Single(Some(_)), Some(_)) => Ok(Err("The upload has no parts.".to_owned())),
        (ObjectBody::Parts { .. }, None) => Ok(Err("The upload has several parts.".to_owned())),
        (ObjectBody::Parts { upload_id, parts }, Some(given)) => {
            if given["upload_id"] != upload_id.as_str() {
                return Ok(Err("NoSuchUpload".to_owned()));
            }
            match check_parts(parts, given) {
                Ok(parts) => join(app, &parts).map(Ok).map_err(|error| Refusal::internal(&error)),
                Err(problem) => Ok(Err(problem.to_owned())),
            }
        }
    }
}

/// Returns the parts that the request names. They ascend, and each has its ETag as the storage wrote it.
fn check_parts<'p>(parts: &'p BTreeMap<u64, Stored>, given: &Value) -> Result<Vec<&'p Stored>, &'static str> {
    let mut found = Vec::new();
    let mut last = 0;
    for part in given["parts"].as_array().into_iter().flatten() {
        let number = part["part_number"].as_u64().unwrap_or_default();
        if number <= last {
            return Err("InvalidPartOrder");
        }
        last = number;
        match parts.get(&number) {
            Some(stored) if part["etag"] == stored.etag() => found.push(stored),
            _ => return Err("InvalidPart"),
        }
    }
    Ok(found)
}

fn join(app: &App, parts: &[&Stored]) -> io::Result<Stored> {
    let path = app.uploads.new_file();
    let mut whole = File::create(&path)?;
    for part in parts {
        io::copy(&mut File::open(&part.path)?, &mut whole)?;
    }
    drop(whole);
    let mut file = File::open(&path)?;
    let (mut md5, mut sha1) = (Md5::new(), Sha1::new());
    let mut buffer = vec![0; 1 << 18];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => break,
            read => {
                md5.update(&buffer[..read]);
                sha1.update(&buffer[..read]);
            }
        }
    }
    let size = parts.iter().map(|part| part.size).sum();
    Ok(Stored { path, size, md5: hex(&md5.finalize()), sha1: hex(&sha1.finalize()) })
}
