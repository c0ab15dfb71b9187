//! The object storage: `PUT` to a presigned URL. It isn't part of the API and knows no tokens.

use std::fs::File;
use std::io::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use sha1::Sha1;

use super::objects::{ObjectBody, Stored};
use super::{StorageError, error};
use crate::app::App;
use crate::payloads::hex;
use crate::request_parts::RequestParts;

pub(crate) async fn put(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, StorageError> {
    if request.method() != Method::PUT {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method is not allowed."));
    }
    let (key, part) = signed_object(&app, &parts)?;
    let length = check_headers(&app, request.headers(), &key, part)?;
    let stored = receive(&app, request.into_body()).await?;
    if stored.size != length {
        return Err(error(StatusCode::BAD_REQUEST, "IncompleteBody", "The body is shorter than announced."));
    }
    let etag = stored.etag();
    let mut objects = app.storages.objects.lock();
    let object = objects.get_mut(&key).ok_or_else(no_such_key)?;
    let is_azure = object.provider == "azure";
    match (&mut object.body, part) {
        (ObjectBody::Single(body), None) => *body = Some(stored),
        (ObjectBody::Parts { parts, .. }, Some(number)) => {
            parts.insert(number, stored);
        }
        _ => return Err(no_such_key()),
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = if is_azure { StatusCode::CREATED } else { StatusCode::OK };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

fn no_such_key() -> StorageError {
    error(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}

/// Returns the key that the URL signs, and the number of the part.
fn signed_object(app: &App, parts: &RequestParts) -> Result<(String, Option<u64>), StorageError> {
    let objects = &app.storages.objects;
    let query = &parts.query;
    let number = query.get("partNumber");
    let selector = match (number, query.get("uploadId")) {
        (Some(number), Some(upload)) => format!("partNumber={number}&uploadId={upload}"),
        _ => String::new(),
    };
    let epoch = query.get("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    let signature = objects.signature(&parts.path, &selector, epoch);
    if query.get("X-Amz-Signature") != Some(signature.as_str()) {
        let message = "The request signature we calculated does not match the signature you provided.";
        return Err(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message));
    }
    if epoch != objects.epoch() {
        return Err(error(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"));
    }
    let path = parts.path.trim_start_matches("/storage/");
    let key = percent_decode_str(path).decode_utf8().map_err(|_| no_such_key())?.into_owned();
    Ok((key, number.filter(|_| !selector.is_empty()).and_then(|number| number.parse().ok())))
}

/// Checks the headers as a storage does, and returns the announced length.
fn check_headers(app: &App, headers: &HeaderMap, key: &str, part: Option<u64>) -> Result<u64, StorageError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bad = |code, message| Err(error(StatusCode::BAD_REQUEST, code, message));
    if headers.contains_key(AUTHORIZATION) {
        return bad("InvalidArgument", "Only one auth mechanism allowed.");
    }
    let Some(length) = text(CONTENT_LENGTH).and_then(|length| length.parse().ok()) else {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(error(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message));
    };
    let objects = app.storages.objects.lock();
    let object = objects.get(key).ok_or_else(no_such_key)?;
    // A part has no announced media type.
    let announced = object.content_type.as_deref().filter(|_| part.is_none());
    if text(CONTENT_TYPE) != announced {
        let message = "The Content-Type is not the announced one.";
        return Err(error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message));
    }
    if object.provider == "azure"
        && part.is_none()
        && headers.get("x-ms-blob-type").is_none_or(|t| t != "BlockBlob")
    {
        return bad(
            "MissingRequiredHeader",
            "An HTTP header that's mandatory for this request is not specified.",
        );
    }
    Ok(length)
}

async fn receive(app: &App, body: Body) -> Result<Stored, StorageError> {
    let failed = |_: std::io::Error| {
        error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error.")
    };
    let path = app.uploads.new_file();
    let mut file = File::create(&path).map_err(failed)?;
    let (mut size, mut md5, mut sha1) = (0, Md5::new(), Sha1::new());
    let mut data = body.into_data_stream();
    while let Some(bytes) = data.next().await {
        // The connection broke: nobody reads the response.
        let Ok(bytes) = bytes else { break };
        size += bytes.len() as u64;
        md5.update(&bytes);
        sha1.update(&bytes);
        file.write_all(&bytes).map_err(failed)?;
    }
    Ok(Stored { path, size, md5: hex(&md5.finalize()), sha1: hex(&sha1.finalize()) })
}
