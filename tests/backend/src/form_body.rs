//! A multipart body with text parts and at most one file, which is written to disk as it arrives.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_LENGTH;
use md5::{Digest as _, Md5};

use crate::app::App;
use crate::body::{self, bad_multipart};
use crate::drf::Refusal;
use crate::payloads::hex;
use crate::uploads::Refused;

#[derive(Debug, Default)]
pub(crate) struct FormBody {
    /// The text parts in order of arrival.
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) file: Option<FormFile>,
}

#[derive(Debug)]
pub(crate) struct FormFile {
    pub(crate) path: PathBuf,
    pub(crate) filename: String,
    pub(crate) size: u64,
    pub(crate) md5: String,
}

impl FormBody {
    /// Reads the body. The file is the part named `file` that has a file name.
    pub(crate) async fn read(app: &App, request: Request<Body>) -> Result<Self, Refused> {
        let limit = app.settings.max_upload_bytes.unwrap_or(u64::MAX);
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > limit) {
            return Err(Refused::Proxy);
        }
        let full = body::media_type(request.headers()).1.to_owned();
        let mut parts = body::multipart(&full, request.into_body())?;
        let mut form = Self::default();
        while let Some(mut part) = parts.next_field().await.map_err(|e| bad_multipart(&e))? {
            let name = part.name().unwrap_or_default().to_owned();
            match part.file_name().map(str::to_owned) {
                Some(filename) if name == "file" && form.file.is_none() => {
                    let path = app.uploads.new_file();
                    let mut file = File::create(&path).map_err(|e| Refusal::internal(&e))?;
                    let (mut size, mut md5) = (0, Md5::new());
                    while let Some(bytes) = part.chunk().await.map_err(|e| bad_multipart(&e))? {
                        size += bytes.len() as u64;
                        if size > limit {
                            return Err(Refused::Proxy);
                        }
                        md5.update(&bytes);
                        file.write_all(&bytes).map_err(|e| Refusal::internal(&e))?;
                    }
                    let md5 = hex(&md5.finalize());
                    form.file = Some(FormFile { path, filename, size, md5 });
                }
                Some(_) => while part.chunk().await.map_err(|e| bad_multipart(&e))?.is_some() {},
                None => {
                    let text = part.text().await.map_err(|e| bad_multipart(&e))?;
                    form.texts.push((name, text));
                }
            }
        }
        Ok(form)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().rev().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }
}
