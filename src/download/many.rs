//! Downloads many files concurrently: [`BackendClient::download_all`].

use std::fmt;
use std::future::IntoFuture;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Download, DownloadedFile};
use crate::call::ResponseFuture;
use crate::call::batch_stream::BatchStream;
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::runtime::lock::lock;

/// Default number of files that are downloaded at a time.
const CONCURRENCY: usize = 8;

type Configure = dyn Fn(usize, Download) -> Download + Send;
pub(super) type OnProgress = Arc<dyn Fn(BatchProgress) + Send + Sync>;

/// A batch of downloads, returned by [`download_all`](BackendClient::download_all). It starts when it is
/// awaited.
#[must_use = "nothing is downloaded until it is awaited or sent"]
pub struct DownloadAll {
    client: BackendClient,
    files: Vec<(String, PathBuf)>,
    concurrency: usize,
    each: Option<Box<Configure>>,
    on_progress: Option<OnProgress>,
}

/// The progress of a batch of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchProgress {
    /// Number of files.
    pub files: usize,
    /// Files that are complete.
    pub files_complete: usize,
    /// Complete files that were already in the cache, and so were not downloaded.
    pub files_cached: usize,
    /// Files that failed.
    pub files_failed: usize,
    /// Downloaded bytes of all files together.
    pub bytes_received: u64,
}

impl BackendClient {
    /// Downloads many files concurrently. `files` are pairs of a URL and the path where its file is stored.
    /// The results are in the same order; a file that fails doesn't end the others.
    ///
    /// Each download is the one that [`download`](BackendClient::download) returns.
    ///
    /// # Errors
    /// Returns an error if the settings are invalid. The failure of a file is its own result.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = [("/media/1.png", "/data/1.png"), ("/media/2.png", "/data/2.png")];
    /// for downloaded in client.download_all(files).on_progress(|all| println!("{all:?}")).await? {
    ///     println!("{}", downloaded?.path.display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn download_all<U: Into<String>, P: Into<PathBuf>>(
        &self,
        files: impl IntoIterator<Item = (U, P)>,
    ) -> DownloadAll {
        let files = files.into_iter().map(|(url, path)| (url.into(), path.into())).collect();
        DownloadAll { client: self.clone(), files, concurrency: CONCURRENCY, each: None, on_progress: None }
    }
}

impl DownloadAll {
    /// Sets how many files are downloaded at a time: at most 64. The default is 8.
    pub fn concurrency(mut self, files: usize) -> Self {
        self.concurrency = files;
        self
    }

    /// Sets a function that configures each file's download when the file's turn comes. It is given the index
    /// of the file, counted from 0, and a download whose path is set. It may set another path.
    pub fn each(mut self, set: impl Fn(usize, Download) -> Download + Send + 'static) -> Self {
        self.each = Some(Box::new(set));
        self
    }

    /// Sets a callback that is called with the total progress of all files, after each received chunk and at
    /// the end of each file.
    ///
    /// The calls come from the tasks that receive the files, one call at a time: the callback must not block.
    pub fn on_progress(mut self, callback: impl Fn(BatchProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(callback));
        self
    }

    /// Downloads the files. Awaiting does the same; dropping the future stops all downloads.
    ///
    /// # Errors
    /// Returns an error as [`download_all`](BackendClient::download_all) does.
    pub fn send(self) -> ResponseFuture<Vec<Result<DownloadedFile>>> {
        if self.concurrency == 0 {
            return ResponseFuture::failed(no_concurrency());
        }
        let downloads = self.stream();
        ResponseFuture::new(async move { Ok(downloads.in_order().await) })
    }

    /// Downloads the files and returns the results as they finish, each with the index of its file. Nothing is
    /// requested before the stream is read. Dropping it stops all downloads.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = [("/media/1.png", "/data/1.png"), ("/media/2.png", "/data/2.png")];
    /// let mut downloads = client.download_all(files).stream();
    /// while let Some((index, downloaded)) = downloads.next().await {
    ///     println!("{}: {}", files[index].0, downloaded?.path.display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BatchStream<DownloadedFile> {
        let DownloadAll { client, files, concurrency, each, on_progress } = self;
        let batch = Arc::new(BatchReporter::new(files.len(), on_progress));
        let set_up = move |(index, (url, path)): (usize, (String, PathBuf))| {
            if concurrency == 0 {
                return ResponseFuture::failed(no_concurrency());
            }
            let download = client.download(url).to(path);
            let download = if let Some(each) = &each { each(index, download) } else { download };
            let batch = batch.clone();
            ResponseFuture::new(async move {
                batch.following(download, Download::send).await.inspect_err(|_| batch.failed())
            })
        };
        BatchStream::new(files.into_iter().enumerate().map(set_up), concurrency)
    }
}

fn no_concurrency() -> Error {
    Error::invalid_input("download_all: concurrency: it is zero: give 1 to 64")
}

/// Adds up the progress of the files.
#[derive(Default)]
pub(super) struct BatchReporter {
    so_far: Mutex<BatchProgress>,
    on_progress: Option<OnProgress>,
}

impl BatchReporter {
    pub(super) fn new(files: usize, on_progress: Option<OnProgress>) -> Self {
        BatchReporter { so_far: Mutex::new(BatchProgress { files, ..BatchProgress::default() }), on_progress }
    }

    fn report(&self, change: impl FnOnce(&mut BatchProgress)) {
        let mut so_far = lock(&self.so_far);
        change(&mut so_far);
        if let Some(on_progress) = &self.on_progress {
            on_progress(*so_far);
        }
    }

    /// Downloads a file and adds its progress to the batch.
    pub(super) async fn following<F: Future<Output = Result<DownloadedFile>>>(
        self: &Arc<Self>,
        mut download: Download,
        run: impl FnOnce(Download) -> F,
    ) -> Result<DownloadedFile> {
        let seen = Arc::new(AtomicU64::new(0));
        if self.on_progress.is_some() {
            let own = download.download.on_progress.take();
            let (batch, seen) = (self.clone(), seen.clone());
            download.download.on_progress = Some(Arc::new(move |progress| {
                let before = seen.swap(progress.bytes_received, Ordering::Relaxed);
                batch.report(|so_far| {
                    so_far.bytes_received = so_far.bytes_received - before + progress.bytes_received
                });
                if let Some(own) = &own {
                    own(progress);
                }
            }));
        }
        let downloaded = run(download).await?;
        let before = seen.load(Ordering::Relaxed);
        self.report(|so_far| {
            so_far.files_complete += 1;
            so_far.bytes_received = so_far.bytes_received - before + downloaded.bytes;
        });
        Ok(downloaded)
    }

    pub(super) fn failed(&self) {
        self.report(|so_far| so_far.files_failed += 1);
    }

    /// Records that another file was requested.
    pub(super) fn file_added(&self) {
        self.report(|so_far| so_far.files += 1);
    }

    /// Records that a file was already in the cache.
    pub(super) fn cached(&self) {
        self.report(|so_far| {
            so_far.files_complete += 1;
            so_far.files_cached += 1;
        });
    }
}

impl IntoFuture for DownloadAll {
    type Output = Result<Vec<Result<DownloadedFile>>>;
    type IntoFuture = ResponseFuture<Vec<Result<DownloadedFile>>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl fmt::Debug for DownloadAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadAll")
            .field("files", &self.files.len())
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
