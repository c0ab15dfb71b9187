//! Models: creating one with its file.

use std::fmt;
use std::future::IntoFuture;

use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::raw::types;
use crate::generated::support::Lengths as _;
use crate::transport::IncomingResponse;
use crate::upload::{Preflight, UploadOptions, forget_session, upload, upload_setters};
use crate::values::from_paths::from_paths;
use crate::values::upload_source::{ResumableSource, StreamSource, UploadSource, from_content_types};

impl BackendClient {
    /// Creates a model: uploads its file in chunks, then sends its metadata.
    ///
    /// `file` is a path, bytes in memory, or a [`ModelFile::uploaded`]. All invalid values of file and
    /// metadata are reported together, before anything is sent.
    ///
    /// Operation `create_model` of the API's document, which describes the fields.
    ///
    /// # Errors
    /// Returns an error if a required field is missing, a number isn't finite or the file can't be read
    /// (nothing is sent then). Also returns an error if the server refuses a chunk
    /// ([`is_too_large`](Error::is_too_large)) or the metadata ([`is_bad_request`](Error::is_bad_request)).
    /// If the file was uploaded but the model can't be created, [`upload_id`](Error::upload_id) allows you to
    /// try again without sending the file.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::json;
    ///
    /// let model = client
    ///     .create_model("/data/model.pt", |m| {
    ///         m.name("Object Detection Model v2")
    ///             .model_type("detection")
    ///             .project(123)
    ///             .metrics(json!({"accuracy": 0.92}))
    ///     })
    ///     .on_progress(|p| eprintln!("{} of {} bytes", p.bytes_sent, p.bytes_total))
    ///     .await?;
    /// println!("created with id {}", model.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_model(
        &self,
        file: impl Into<ModelFile>,
        metadata: impl FnOnce(types::builder::ModelCreate) -> types::builder::ModelCreate,
    ) -> CreateModel {
        CreateModel {
            client: self.clone(),
            file: file.into(),
            metadata: metadata(types::ModelCreate::builder()),
            upload: UploadOptions::default(),
            options: CallOptions::default(),
        }
    }
}

/// The file of a model to create: a file to upload, or a completed upload.
///
/// It is made from all that an [`UploadSource`] is made from. A string is always a path; content is given as
/// `Bytes`, `Vec<u8>` or `&'static [u8]`, or with [`UploadSource::bytes`].
///
/// ```
/// use synapse_backend_client::{ModelFile, UploadSource};
/// let from_path: ModelFile = "/data/model.pt".into();
/// let from_memory: ModelFile = UploadSource::bytes("weights").into();
/// ```
#[derive(Debug)]
pub struct ModelFile(File);

#[derive(Debug)]
enum File {
    Upload(UploadSource),
    Uploaded(types::UploadId),
}

impl ModelFile {
    /// Uses the file of a completed upload: nothing is sent again.
    ///
    /// ```
    /// use synapse_backend_client::ModelFile;
    /// let file = ModelFile::uploaded("0b9a9a1e-7c1d-4c0e-9b57-2b1f0a6f3c11");
    /// ```
    pub fn uploaded(id: impl Into<types::UploadId>) -> Self {
        let id = match id.into() {
            // Errors show ids as text; a number among them is a number on the wire.
            types::UploadId::String(text) => match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => types::UploadId::from(number),
                _ => types::UploadId::String(text),
            },
            id => id,
        };
        ModelFile(File::Uploaded(id))
    }
}

impl From<UploadSource> for ModelFile {
    fn from(source: UploadSource) -> Self {
        ModelFile(File::Upload(source))
    }
}

impl From<ResumableSource> for ModelFile {
    fn from(source: ResumableSource) -> Self {
        UploadSource::from(source).into()
    }
}

impl From<StreamSource> for ModelFile {
    fn from(source: StreamSource) -> Self {
        UploadSource::from(source).into()
    }
}

from_paths!(ModelFile, path => UploadSource::path(path).into());
from_content_types!(ModelFile, bytes => UploadSource::bytes(bytes).into());

/// Creates a model when it is awaited: see [`create_model`](BackendClient::create_model).
#[must_use = "nothing is created until it is awaited or sent"]
pub struct CreateModel {
    client: BackendClient,
    file: ModelFile,
    metadata: types::builder::ModelCreate,
    upload: UploadOptions,
    options: CallOptions,
}

impl CreateModel {
    upload_setters!();
    option_setters!();

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Uploads the file and creates the model. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`create_model`](BackendClient::create_model) does.
    pub fn send(self) -> ResponseFuture<types::Model> {
        ResponseFuture::new(self.create())
    }

    async fn create(self) -> Result<types::Model> {
        let CreateModel { client, file: ModelFile(file), metadata, upload: settings, mut options } = self;
        let deadline = options.deadline();
        // A placeholder is used as the upload's id while the rest is checked.
        let placeholder = types::UploadId::from("");
        let problem = settings.problems().into_iter().chain(problems(
            &client,
            metadata.clone().chunked_upload(placeholder),
            &options,
        ));
        let problem = problem.collect::<Vec<_>>().join("; ");
        let refuse = |problems: String| Error::invalid_input(format!("create_model: {problems}"));
        let id = match file {
            File::Uploaded(_) if !problem.is_empty() => return Err(refuse(problem)),
            File::Uploaded(id) => id,
            File::Upload(source) => {
                let ready = match Preflight::check(source, None, &settings, deadline).await {
                    Err(error) if !problem.is_empty() => return Err(refuse(format!("{problem}; {error}"))),
                    _ if !problem.is_empty() => return Err(refuse(problem)),
                    ready => ready?,
                };
                let uploaded = upload(&client, ready, &settings, &options, deadline).await;
                uploaded.map_err(|error| error.during("uploading the model's file"))?.id
            }
        };
        options.end_by(deadline);
        let call = client.call(|raw| raw.create_model(|_| metadata.chunked_upload(&id)));
        let created = call.with_options(options).fetch(IncomingResponse::json_undelivered).await;
        let created = created.map_err(|error| error.with_upload_id(&id));
        // The session is kept while the upload is usable: a retry with other metadata sends no chunk again.
        if created.as_ref().err().is_none_or(refuses_upload) {
            forget_session(&settings, deadline).await;
        }
        let (model, undelivered) = created?;
        undelivered.delivered();
        Ok(model)
    }
}

/// Returns whether the server refuses the upload itself.
fn refuses_upload(error: &Error) -> bool {
    // Some servers nest the fields in an `errors` object.
    let is_the_upload = |field: &String| field.rsplit('.').next() == Some("chunked_upload");
    error.response().is_some_and(|response| response.field_errors().keys().any(is_the_upload))
}

/// Returns everything that is wrong with the metadata and the call's options.
fn problems(
    client: &BackendClient,
    metadata: types::builder::ModelCreate,
    options: &CallOptions,
) -> Vec<String> {
    let lengths = metadata.length_problems();
    let call = client.call(|raw| raw.create_model(|_| metadata));
    call.with_options(options.clone()).problems().into_iter().chain(lengths).collect()
}

impl IntoFuture for CreateModel {
    type Output = Result<types::Model>;
    type IntoFuture = ResponseFuture<types::Model>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl HasOptions for CreateModel {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl fmt::Debug for CreateModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateModel")
            .field("file", &self.file)
            .field("metadata", &self.metadata)
            .field("upload", &self.upload)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use bytes::Bytes;

    use super::*;

    #[test]
    fn model_file_takes_each_source_type() {
        let text = "/data/model.pt".to_owned();
        let paths: [ModelFile; 6] = [
            "/data/model.pt".into(),
            (&text).into(),
            Path::new(&text).into(),
            PathBuf::from(&text).into(),
            ResumableSource::path(&text).into(),
            text.into(),
        ];
        for file in paths {
            assert_eq!(format!("{file:?}"), "ModelFile(Upload(ResumableSource(/data/model.pt)))");
        }
        let contents: [ModelFile; 5] = [
            Bytes::from_static(b"abc").into(),
            b"abc".to_vec().into(),
            b"abc".into(),
            UploadSource::bytes("abc").into(),
            StreamSource::reader(tokio::io::empty(), 3).into(),
        ];
        for file in contents {
            assert!(format!("{file:?}").ends_with("Source(3 bytes)))"), "{file:?}");
        }
    }
}
