//! Data files: created directly or from a completed upload, and looked up by checksum.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::{DataFile, FileContent};
use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_STORAGE, related};
use crate::drf::{self, Refusal, field_error};
use crate::form::Form;
use crate::form_body::FormBody;
use crate::links::FileLinks;
use crate::media::UNSAFE;
use crate::projection::Projection;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;
use crate::uploads::{Refused, upload_field};

const REQUIRED: &[&str] = &["id", "checksum"];
const MOST_CHECKSUMS: usize = 1000;

/// Returns the URL of a data file.
pub(crate) fn url(file: &DataFile, links: &FileLinks<'_>) -> String {
    let name = percent_encoding::utf8_percent_encode(&file.name, UNSAFE);
    links.url(&format!("/media/data_files/{}/{name}", file.id))
}

pub(crate) fn show(app: &App, file: &DataFile, links: &FileLinks<'_>, projection: &Projection) -> Value {
    let mut item = json!({
        "id": file.id,
        "checksum": file.checksum(app),
        "size": file.size,
        "meta": file.meta,
        "storage": related(Some(file.storage), projection.expands("storage"), |id| json!({"id": id})),
        "created": file.created,
    });
    if !file.without_link {
        item["file"] = json!(url(file, links));
    }
    projection.show(item, REQUIRED)
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let is_multipart = body::media_type(request.headers()).0 == "multipart/form-data";
    let file = match is_multipart {
        true => direct(&app, FormBody::read(&app, request).await?)?,
        false => from_upload(&app, &body::json(request).await?)?,
    };
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    Ok(drf::value(StatusCode::CREATED, &show(&app, &file, &links, &projection))?)
}

fn direct(app: &App, received: FormBody) -> Result<DataFile, Refusal> {
    let meta = match received.text("meta") {
        None => json!({}),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| field_error("meta", "Value must be valid JSON."))?
        }
    };
    let Some(file) = received.file else {
        let is_text = received.texts.iter().any(|(name, _)| name == "file");
        let message = "The submitted data was not a file. Check the encoding type on the form.";
        return Err(field_error("file", if is_text { message } else { "No file was submitted." }));
    };
    if file.size == 0 {
        return Err(field_error("file", "The submitted file is empty."));
    }
    if let Some(limit) = app.settings.max_file_bytes.filter(|limit| file.size > *limit) {
        return Err(field_error("file", format!("Size of file exceeds the limit ({limit} bytes)")));
    }
    Ok(app.data.files.add(|id| DataFile {
        id,
        name: file.filename,
        checksum: None,
        size: file.size,
        content: FileContent::Disk { path: file.path, md5: file.md5 },
        without_link: false,
        meta,
        storage: FIRST_STORAGE,
        created: Timestamp::now(),
    }))
}

fn from_upload(app: &App, text: &[u8]) -> Result<DataFile, Refusal> {
    let mut form = Form::read(text)?;
    let upload = upload_field(&mut form, app).required("chunked_upload", &mut form.errors);
    let meta = form.object("meta").flatten().unwrap_or_default();
    form.errors.into_result()?;
    let upload = upload.ok_or_else(Refusal::not_found)?;
    let next = app.data.files.id(app.data.files.len());
    let content = upload.take(next).map_err(|message| field_error("chunked_upload", message))?;
    Ok(app.data.files.add(|id| DataFile {
        id,
        name: upload.filename.clone(),
        checksum: None,
        size: content.size,
        content: FileContent::Disk { path: upload.path.clone(), md5: content.md5 },
        without_link: true,
        meta: Value::Object(meta),
        storage: FIRST_STORAGE,
        created: Timestamp::now(),
    }))
}

pub(crate) async fn verify_checksums(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let checksums = form.strings("checksums").required("checksums", &mut form.errors);
    form.errors.into_result()?;
    let mut checksums = checksums.unwrap_or_default();
    if checksums.len() > MOST_CHECKSUMS {
        let message = format!("Ensure this field has no more than {MOST_CHECKSUMS} elements.");
        return Err(field_error("checksums", message));
    }
    checksums.retain(|checksum| app.data.by_checksum(&app, checksum).is_some());
    let name = if app.settings.quirks.older_checksums_field { "existing" } else { "existing_checksums" };
    drf::value(StatusCode::OK, &json!({ name: checksums }))
}
