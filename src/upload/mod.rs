//! Chunked upload: a file is sent to the server in chunks, each at the offset that the server expects.

mod body;
mod chunk_source;
mod completion;
#[cfg(any(api = "models", api = "data-files"))]
pub(crate) mod creation;
mod engine;
#[cfg(any(api = "models", api = "data-files"))]
mod file;
#[cfg(api = "data-files")]
mod form_upload;
mod many;
mod md5;
mod md5_worker;
mod options;
mod preflight;
mod progress;
mod protocol;
mod read_ahead;
mod resume;
pub(crate) mod session;
mod session_file;
mod session_offer;
mod state;
#[cfg(test)]
mod tests;

use std::future::IntoFuture;

#[cfg(any(api = "models", api = "data-files"))]
pub use file::UploadFile;
pub use many::UploadAll;
pub use progress::{UploadPhase, UploadProgress};

pub(crate) use engine::upload;
pub(crate) use options::{UploadOptions, upload_setters};
pub(crate) use preflight::Preflight;
pub(crate) use session_offer::forget_session;

use crate::call::option_setters::sending_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::raw::types;
use crate::upload::session::UploadSession;
use crate::values::upload_source::{ResumableSource, UploadSource};

/// An upload that starts or resumes when it is awaited: see
/// [`create_chunked_upload`](BackendClient::create_chunked_upload) and
/// [`resume_chunked_upload`](BackendClient::resume_chunked_upload).
#[must_use = "an upload does nothing until it is awaited or sent"]
#[derive(Debug)]
pub struct CreateChunkedUpload {
    client: BackendClient,
    source: UploadSource,
    session: Option<UploadSession>,
    upload: UploadOptions,
    options: CallOptions,
}

impl BackendClient {
    /// Uploads a file in chunks: a path, bytes in memory, or a source of your own. The response's `id` refers
    /// to the upload in other requests.
    ///
    /// The file is streamed from disk and never held in memory as a whole. Its MD5 is computed meanwhile, and
    /// the server compares it. A failed chunk is sent again automatically, from the byte that the server
    /// expects. An interrupted upload can be [resumed](BackendClient::resume_chunked_upload).
    ///
    /// Operations `start_chunked_upload`, `upload_chunk`, `get_chunked_upload` and `complete_chunked_upload`
    /// of the API's document.
    ///
    /// # Errors
    /// Returns an error if the file is missing, unreadable, empty or a directory (nothing is sent then), if
    /// it changes while it is uploaded, or if the server refuses a chunk or the checksum. If the upload can
    /// be resumed, the error contains its session ([`upload_session`](Error::upload_session)).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let upload = client.create_chunked_upload("/data/model.pt").session_file("/data/model.pt.session").await?;
    /// println!("{}", upload.id);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("multipart", "resumable"))]
    pub fn create_chunked_upload<S: Into<UploadSource>>(&self, source: S) -> CreateChunkedUpload {
        CreateChunkedUpload {
            client: self.clone(),
            source: source.into(),
            session: None,
            upload: UploadOptions::default(),
            options: CallOptions::default(),
        }
    }

    /// Resumes an interrupted upload of this process or another one. `source` is the same file.
    ///
    /// First, the part of the source that the session's MD5 covers is read and compared, before anything is
    /// sent. Then the server is asked for the upload's offset. What the server already has isn't sent again,
    /// but it is read again to compute the digest of the whole file. If the server has lost the upload, the
    /// upload restarts. It also restarts if the server has completed the upload and nothing proves that it is
    /// of this file.
    ///
    /// Chunks are sent to the session's URL only if that is the URL of the upload's id. Otherwise they are
    /// sent to the URL that the server returns.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](crate::ErrorKind::InvalidInput) if the source isn't the file
    /// that the upload began with (its size or bytes differ), or if the session can't be used; no chunk is
    /// sent then. Otherwise returns an error as
    /// [`create_chunked_upload`](BackendClient::create_chunked_upload) does.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let session = serde_json::from_slice(&std::fs::read("model.pt.session")?)?;
    /// let upload = client.resume_chunked_upload(session, "/data/model.pt").await?;
    /// println!("{}", upload.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume_chunked_upload(
        &self,
        session: UploadSession,
        source: impl Into<ResumableSource>,
    ) -> CreateChunkedUpload {
        CreateChunkedUpload { session: Some(session), ..self.create_chunked_upload(source.into()) }
    }
}

impl CreateChunkedUpload {
    upload_setters!();
    sending_setters!();

    /// Uploads the file. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`create_chunked_upload`](BackendClient::create_chunked_upload) does.
    pub fn send(self) -> ResponseFuture<types::ChunkedUpload> {
        ResponseFuture::new(async move {
            let CreateChunkedUpload { client, source, session, upload: settings, options } = self;
            let deadline = options.deadline();
            let mut problems = settings.problems();
            problems.extend(options.problems());
            problems.extend(
                session
                    .as_ref()
                    .and_then(UploadSession::problem)
                    .map(|problem| format!("session: {problem}")),
            );
            if !problems.is_empty() {
                return Err(Error::invalid_input(format!("create_chunked_upload: {}", problems.join("; "))));
            }
            let ready = Preflight::check(source, session, &settings, deadline).await?;
            let complete = upload(&client, ready, &settings, &options, deadline).await?;
            forget_session(&settings, None, deadline).await;
            Ok(complete)
        })
    }
}

impl HasOptions for CreateChunkedUpload {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl IntoFuture for CreateChunkedUpload {
    type Output = Result<types::ChunkedUpload>;
    type IntoFuture = ResponseFuture<types::ChunkedUpload>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}
