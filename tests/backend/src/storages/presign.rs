//! `POST /data_files/presigned_upload/upload/`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::objects::{Object, ObjectBody};
use crate::app::App;
use crate::body;
use crate::drf::{self, FieldErrors, Refusal, field_error};
use crate::form::Form;
use crate::media::UNSAFE;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

const MOST: usize = 1000;
/// The largest object of a storage, in bytes.
const LARGEST: i64 = 5 << 40;
/// The largest number of parts of one object.
const MOST_PARTS: u64 = 10_000;
const PROVIDERS: [&str; 6] = ["amazon_s3", "s3", "minio", "gcp", "gcs", "azure"];

struct New {
    filename: String,
    size: i64,
    content_type: Option<String>,
}

/// Reads the list `files`. All errors are reported at once.
pub(super) fn read_files<T>(
    form: &mut Form<'_>,
    read: impl Fn(&mut Form<'_>) -> Option<T>,
) -> Result<Vec<T>, Refusal> {
    let items = form.field("files", |_, raw| {
        let items: Result<Vec<&RawValue>, _> = serde_json::from_str(raw.get());
        items.map(Some).map_err(|_| "Expected a list of items.".to_owned())
    });
    let items = items.required("files", &mut form.errors).unwrap_or_default();
    std::mem::take(&mut form.errors).into_result()?;
    if items.is_empty() {
        return Err(field_error("files", "This list may not be empty."));
    }
    if items.len() > MOST {
        return Err(field_error("files", format!("Ensure this field has no more than {MOST} elements.")));
    }
    let (mut new, mut errors) = (Vec::new(), Vec::<FieldErrors>::new());
    for item in items {
        match Form::of(item) {
            Ok(mut form) => {
                new.extend(read(&mut form));
                errors.push(form.errors);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.iter().any(|errors| !errors.is_empty()) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &json!({"files": errors})));
    }
    Ok(new)
}

fn read_file(form: &mut Form<'_>) -> Option<New> {
    let filename = form.string("filename", true, 255).required("filename", &mut form.errors);
    let size = form.integer("size", 1, LARGEST).required("size", &mut form.errors);
    let content_type = form.field("content_type", |value, _| match value {
        Value::Null => Ok(None),
        Value::String(text) if (1..=255).contains(&text.chars().count()) => Ok(Some(text)),
        _ => Err("Not a valid media type.".to_owned()),
    });
    Some(New { filename: filename?, size: size?, content_type: content_type.flatten() })
}

pub(crate) async fn request_urls(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let expiration = form.integer("expiration", 60, 86_400).flatten().unwrap_or(3600);
    let files = read_files(&mut form, read_file)?;
    let storages = &app.storages.all;
    let default = storages.find(|storage| storage["is_default"] == true);
    let provider = default.map(|storage| storage["provider"].as_str().unwrap_or_default().to_owned());
    let provider = provider.filter(|provider| PROVIDERS.contains(&provider.to_ascii_lowercase().as_str()));
    let Some(provider) = provider else {
        return Err(Refusal::bad_request("The default storage has no presigned URLs."));
    };
    let answers: Vec<Value> = files.into_iter().map(|file| presign(&app, &parts, &provider, file)).collect();
    let expires_at = Timestamp::from_micros(Timestamp::now().micros() + expiration * 1_000_000);
    drf::value(StatusCode::OK, &json!({"files": answers, "expires_at": expires_at}))
}

fn presign(app: &App, parts: &RequestParts, provider: &str, file: New) -> Value {
    let settings = &app.settings.storage;
    let name: String = file.filename.chars().map(|c| if c == '/' || c == '\\' { '_' } else { c }).collect();
    let key = format!("uploads/{}/{name}", Uuid::new_v4().simple());
    let segments: Vec<String> =
        key.split('/').map(|part| percent_encoding::utf8_percent_encode(part, UNSAFE).to_string()).collect();
    let path = format!("/storage/{}", segments.join("/"));
    let objects = &app.storages.objects;
    let epoch = objects.epoch();
    let url = |part: &str| {
        let signature = objects.signature(&path, part, epoch);
        let mark = if part.is_empty() { "" } else { "&" };
        format!(
            "{}{path}?{part}{mark}X-Amz-Expires=3600&epoch={epoch}&X-Amz-Signature={signature}",
            parts.file_origin
        )
    };
    let size = file.size.unsigned_abs();
    let several = size >= settings.multipart_threshold;
    let (body, multipart) = if several {
        let upload_id = Uuid::new_v4().simple().to_string();
        let part_size = settings.part_size.max(size.div_ceil(MOST_PARTS));
        let numbers = 1..=size.div_ceil(part_size);
        let list: Vec<Value> = numbers
            .map(|number| {
                let part = format!("partNumber={number}&uploadId={upload_id}");
                json!({"part_number": number, "presigned_url": url(&part)})
            })
            .collect();
        let multipart = json!({"upload_id": upload_id, "part_size": part_size, "parts": list});
        (ObjectBody::Parts { upload_id, parts: BTreeMap::new() }, multipart)
    } else {
        (ObjectBody::Single(None), Value::Null)
    };
    let single = if several { Value::Null } else { json!(url("")) };
    let answer = json!({
        "filename": file.filename, "file_key": key, "presigned_url": single, "multipart": multipart,
    });
    let object = Object {
        filename: file.filename,
        size,
        content_type: file.content_type,
        provider: provider.to_ascii_lowercase(),
        body,
        confirmed: None,
    };
    objects.lock().insert(key, object);
    answer
}
