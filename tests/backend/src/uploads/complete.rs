//! `POST`: completes an upload if the MD5 of the received bytes is the one in the request.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request;
use axum::response::Response;
use md5::{Digest as _, Md5};

use super::chunk::{Chunk, ContentRange, NewFile, Refused};
use super::{Upload, disk};
use crate::app::App;
use crate::body;
use crate::drf::Refusal;
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

pub(crate) async fn post(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let mut form = body::form(request).await?;
    let md5 = match form.remove("md5") {
        Some(serde_json::Value::String(md5)) => Some(md5),
        Some(serde_json::Value::Null) | None => None,
        // A value that isn't text, which no checksum equals.
        Some(other) => Some(other.to_string()),
    };
    let md5 = needed(md5)?;
    let upload = app.uploads.named(&id).ok_or_else(Refusal::not_found)?;
    complete(&upload, &md5).await?;
    upload.shown(&app, &parts)
}

/// `POST` without an upload: a whole file in one request, with its checksum.
pub(crate) async fn post_whole(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let new = NewFile::new(&app)?;
    let mut chunk = Chunk::new(Some(File::create(&new.path).map_err(disk)?));
    chunk.receive(&app, request).await?;
    let range = chunk.check(&app, chunk.size().map(ContentRange::whole))?;
    let filename = chunk.filename()?;
    // As in the package, the upload exists even if its checksum is missing or wrong.
    let upload = app.uploads.add(new.keep(), filename, range);
    complete(&upload, &needed(chunk.md5)?).await?;
    Ok(upload.shown(&app, &parts)?)
}

fn needed(md5: Option<String>) -> Result<String, Refusal> {
    md5.filter(|md5| !md5.is_empty())
        .ok_or_else(|| Refusal::bad_request("Checksum of type 'md5' is required"))
}

async fn complete(upload: &Arc<Upload>, expected: &str) -> Result<(), Refusal> {
    let _busy = upload.busy.clone().lock_owned().await;
    upload.refuse_if_over()?;
    let (path, length) = (upload.path.clone(), upload.offset());
    let checksum = tokio::task::spawn_blocking(move || md5_of(path, length)).await;
    let checksum = checksum.map_err(io::Error::other).and_then(|result| result).map_err(disk)?;
    if checksum != expected {
        return Err(Refusal::bad_request("checksum does not match"));
    }
    let mut state = upload.state();
    state.completed = Some((Timestamp::now(), checksum));
    state.completions += 1;
    Ok(())
}

fn md5_of(path: PathBuf, length: u64) -> io::Result<String> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    // Removes what a broken request may have left after the accepted bytes.
    file.set_len(length)?;
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => md5.update(&buffer[..read]),
        }
    }
}
