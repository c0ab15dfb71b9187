//! Chunked upload: a file goes to the server in chunks, each at the offset that the server expects.

mod body;
mod chunk_source;
mod completion;
mod digest;
mod engine;
mod many;
mod md5;
mod options;
mod preflight;
mod progress;
mod protocol;
mod read_ahead;
mod resume;
pub(crate) mod session;
mod session_file;
mod session_offer;
mod source;
#[cfg(test)]
mod tests;

use std::future::IntoFuture;

pub use many::UploadAll;
pub use progress::{UploadPhase, UploadProgress};
pub use source::{ResumableSource, RewindableSource, StreamSource, UploadSource};

pub(crate) use engine::upload;
pub(crate) use options::{UploadOptions, upload_setters};
pub(crate) use preflight::Preflight;
pub(crate) use session_offer::forget_session;

use crate::call::option_setters::sending_setters;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::raw::types;
use crate::upload::session::UploadSession;

/// An upload that [`create_chunked_upload`](BackendClient::create_chunked_upload) makes, or
/// [`resume_chunked_upload`](BackendClient::resume_chunked_upload) goes on with, when it is awaited.
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
    /// Uploads a file in chunks: a path, bytes in memory, or a source of your own. The answer's `id` names
    /// the upload to whatever takes one.
    ///
    /// The file is streamed from disk, never held whole, its MD5 computed on the way and compared by the
    /// server. A chunk that fails is sent again by itself, from the byte that the server expects; what
    /// remains of an upload that is broken off can be [resumed](BackendClient::resume_chunked_upload).
    ///
    /// Operations `start_chunked_upload`, `upload_chunk`, `get_chunked_upload` and `complete_chunked_upload`
    /// of the API's document.
    ///
    /// # Errors
    /// Returns an error if the file is missing, unreadable, empty or a directory (nothing is sent then); if
    /// it changes while it is sent; if the server refuses a chunk or the checksum. Where there is something
    /// to go on with, the error has it ([`upload_session`](Error::upload_session)).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let upload = client.create_chunked_upload("/data/model.pt").session_file("/data/model.pt.session").await?;
    /// println!("{}", upload.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_chunked_upload<S: Into<UploadSource>>(&self, source: S) -> CreateChunkedUpload {
        CreateChunkedUpload {
            client: self.clone(),
            source: source.into(),
            session: None,
            upload: UploadOptions::default(),
            options: CallOptions::default(),
        }
    }

    /// Goes on with an upload that was broken off, by this process or another one. `source` is the same file.
    ///
    /// The source is read as far as the session knows it, and its MD5 compared, before anything is sent. Then
    /// the server is asked where the upload stands; what it has isn't sent again, but read again for the
    /// digest of the whole. Where it has lost the upload, or has completed it and nothing proves that it is
    /// this file's, that is started again.
    ///
    /// Chunks go to the session's URL only where that is the one of its upload's id; else to the one that the
    /// server tells.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](crate::ErrorKind::InvalidInput) if the source isn't the file
    /// that the upload began with, by its size or by its bytes, or if the session can't be used (nothing is
    /// sent then); else as [`create_chunked_upload`](BackendClient::create_chunked_upload).
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
            forget_session(&settings, deadline).await;
            Ok(complete)
        })
    }
}

impl IntoFuture for CreateChunkedUpload {
    type Output = Result<types::ChunkedUpload>;
    type IntoFuture = ResponseFuture<types::ChunkedUpload>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}
