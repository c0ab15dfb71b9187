//! Uploads many files concurrently: [`BackendClient::upload_all`].

use std::fmt;
use std::future::IntoFuture;

use super::CreateChunkedUpload;
use crate::call::ResponseFuture;
use crate::call::batch_stream::{BatchStream, NO_CONCURRENCY};
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::raw::types;
use crate::values::upload_source::UploadSource;

/// Default number of files that are uploaded concurrently.
const CONCURRENCY: usize = 4;

type Configure = dyn Fn(usize, CreateChunkedUpload) -> CreateChunkedUpload + Send;

/// Uploads many files when it is awaited: see [`upload_all`](BackendClient::upload_all).
#[must_use = "nothing is uploaded until it is awaited or sent"]
pub struct UploadAll {
    client: BackendClient,
    sources: Vec<UploadSource>,
    concurrency: usize,
    each: Option<Box<Configure>>,
}

impl BackendClient {
    /// Uploads many files concurrently. The results are in the order of the files; a file that fails doesn't
    /// stop the others.
    ///
    /// Each file is uploaded as by [`create_chunked_upload`](BackendClient::create_chunked_upload).
    ///
    /// # Errors
    /// Returns an error if the settings are invalid. The error of a file is in that file's own result.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = ["/data/a.pt", "/data/b.pt"];
    /// let uploads = client
    ///     .upload_all(files)
    ///     .each(move |index, upload| upload.session_file(format!("{}.session", files[index])))
    ///     .await?;
    /// for (file, upload) in files.iter().zip(uploads) {
    ///     match upload {
    ///         Ok(upload) => println!("{file}: {}", upload.id),
    ///         Err(error) => eprintln!("{file}: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn upload_all(&self, sources: impl IntoIterator<Item = impl Into<UploadSource>>) -> UploadAll {
        let sources = sources.into_iter().map(Into::into).collect();
        UploadAll { client: self.clone(), sources, concurrency: CONCURRENCY, each: None }
    }
}

impl UploadAll {
    /// Sets how many files are uploaded concurrently: 4 by default, at most 64.
    pub fn concurrency(mut self, files: usize) -> Self {
        self.concurrency = files;
        self
    }

    /// Sets a function that configures each file's upload when the file's turn comes. It receives the index of
    /// the file, counted from 0.
    pub fn each(
        mut self,
        set: impl Fn(usize, CreateChunkedUpload) -> CreateChunkedUpload + Send + 'static,
    ) -> Self {
        self.each = Some(Box::new(set));
        self
    }

    /// Uploads the files. Awaiting does the same; dropping it cancels all uploads.
    ///
    /// # Errors
    /// Returns an error as [`upload_all`](BackendClient::upload_all) does.
    pub fn send(self) -> ResponseFuture<Vec<Result<types::ChunkedUpload>>> {
        if self.concurrency == 0 {
            return ResponseFuture::failed(no_concurrency());
        }
        let uploads = self.stream();
        ResponseFuture::new(async move { Ok(uploads.in_order().await) })
    }

    /// Uploads the files and returns the results as they finish, each with the index of its file. Nothing is sent
    /// before the stream is read. Dropping it cancels all uploads.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = ["/data/a.pt", "/data/b.pt"];
    /// let mut uploads = client.upload_all(files).stream();
    /// while let Some((index, upload)) = uploads.next().await {
    ///     println!("{}: {}", files[index], upload?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BatchStream<types::ChunkedUpload> {
        let UploadAll { client, sources, concurrency, each } = self;
        let set_up = move |(index, source)| {
            if concurrency == 0 {
                return ResponseFuture::failed(no_concurrency());
            }
            let upload = client.create_chunked_upload::<UploadSource>(source);
            let upload = if let Some(each) = &each { each(index, upload) } else { upload };
            upload.send()
        };
        BatchStream::new(sources.into_iter().enumerate().map(set_up), concurrency)
    }
}

fn no_concurrency() -> Error {
    Error::invalid_input(format!("upload_all: {NO_CONCURRENCY}"))
}

impl IntoFuture for UploadAll {
    type Output = Result<Vec<Result<types::ChunkedUpload>>>;
    type IntoFuture = ResponseFuture<Vec<Result<types::ChunkedUpload>>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl fmt::Debug for UploadAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadAll")
            .field("sources", &self.sources)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
