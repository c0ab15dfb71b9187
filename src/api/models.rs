//! Models: creating one with its file.

use std::fmt;
use std::future::IntoFuture;

use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::Result;
use crate::generated::raw::types;
use crate::generated::support::Lengths as _;
use crate::upload::creation::{CheckedFile, check, create};
use crate::upload::{UploadFile, UploadOptions, upload, upload_setters};

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
    /// ([`is_too_large`](crate::Error::is_too_large)) or the metadata ([`is_bad_request`](crate::Error::is_bad_request)).
    /// If the file was uploaded but the model can't be created, [`upload_id`](crate::Error::upload_id) allows you to
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

/// The file of a model to create.
pub type ModelFile = UploadFile;

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
        let CreateModel { client, file, metadata, upload: settings, mut options } = self;
        let deadline = options.deadline();
        // A placeholder is used as the upload's id while the rest is checked.
        let placeholder = types::UploadId::from("");
        let problems = problems(&client, metadata.clone().chunked_upload(placeholder), &options);
        let id = match check("create_model", file, problems, &settings, deadline).await? {
            CheckedFile::Uploaded(id) => id,
            CheckedFile::Upload(ready) => {
                let uploaded = upload(&client, ready, &settings, &options, deadline).await;
                uploaded.map_err(|error| error.during("uploading the model's file"))?.id
            }
        };
        options.end_by(deadline);
        let call = client.call(|raw| raw.create_model(|_| metadata.chunked_upload(&id)));
        create(call.with_options(options), &id, &settings, deadline).await
    }
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
