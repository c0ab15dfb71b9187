//! [`DownloadTo`]: the conversion that downloads each file and puts its path in the place of its URL.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use super::checksum::Checksum;
use super::engine::absolute;
use super::many::{BatchReporter, OnProgress};
use super::through_cache::ThroughCache;
use super::{BatchProgress, Download, DownloadOptions};
use crate::call::CallOptions;
use crate::call::option_setters::sending_setters;
use crate::client::BackendClient;
use crate::download::cache::{FileCache, Lease};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::runtime::concurrency::MAX_CONCURRENCY;
use crate::url_conversion::{ConversionFuture, FileReference, UrlConverter};
use crate::values::file_url::is_data_uri;
use crate::values::local_paths;

/// Files that are downloaded at a time, unless it is set.
const CONCURRENCY: usize = 8;

/// Downloads each file into a directory and puts its path where its URL was: made by
/// [`download_to`](BackendClient::download_to).
///
/// Clones share their limits: one may be given for several fields and calls. The downloads have the time-outs
/// and retries that are set here; the [`timeout`](crate::Call::timeout) of a call that has it is the whole
/// call's, its downloads included.
#[must_use = "nothing is downloaded until a call has it as a conversion"]
#[derive(Clone)]
pub struct DownloadTo {
    client: BackendClient,
    into: CacheLocation,
    concurrency: usize,
    revalidate: bool,
    download: DownloadOptions,
    options: CallOptions,
    shared: Arc<Shared>,
}

/// Where [`download_to`](BackendClient::download_to) puts files: a directory, or a [`FileCache`] of yours.
#[derive(Debug, Clone)]
pub struct CacheLocation(At);

#[derive(Debug, Clone)]
enum At {
    Directory(PathBuf),
    Cache(FileCache),
}

impl From<FileCache> for CacheLocation {
    fn from(cache: FileCache) -> Self {
        CacheLocation(At::Cache(cache))
    }
}

impl From<&FileCache> for CacheLocation {
    fn from(cache: &FileCache) -> Self {
        CacheLocation(At::Cache(cache.clone()))
    }
}

impl<P: Into<PathBuf>> From<P> for CacheLocation {
    fn from(directory: P) -> Self {
        CacheLocation(At::Directory(directory.into()))
    }
}

#[derive(Default)]
struct Shared {
    cache: OnceCell<FileCache>,
    permits: OnceLock<Arc<Semaphore>>,
    batch: Arc<BatchReporter>,
}

impl BackendClient {
    /// A conversion that downloads each file into a directory, and puts the path of the file where its URL
    /// was: a text in the place of a text, an entry `path` in the place of `url` in a file's object.
    ///
    /// [`FileEntry::path`](crate::FileEntry::path) and [`FileUrl::as_path`](crate::FileUrl::as_path) give
    /// such paths, and no other text of an answer. They know them within this process: an answer that is
    /// saved and read by another one holds the paths as texts.
    ///
    /// The directory is a [`FileCache`]: a file that it has isn't downloaded again, also by another process
    /// or in the next run. Files are known by their URL without its signature, and by the client's tenant. To
    /// set limits, open a cache by [`FileCache::builder`] and give it here.
    ///
    /// A path is valid as long as this conversion, a call that has it, or a clone of the cache's handle
    /// lives. Each file whose path was given is held until then, or until [`release`](FileCache::release): to
    /// read more than the cache's limit in one run, release each file that is done. Files whose paths no
    /// caller was given are released: of calls that fail or are dropped, of items beyond a limit, of pages
    /// that nobody read. The text of an [`ItemFailure`](crate::ItemFailure) or of an error's response may
    /// contain such a path, and holds no file.
    ///
    /// Each file is downloaded as by [`download`](BackendClient::download). Size and checksum are compared if
    /// the file's object has them, also those of a file in the cache; a checksum that isn't an MD5, SHA-1 or
    /// SHA-256 in hexadecimal is ignored. An interrupted download is resumed, also by another process.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let mut events = client
    ///     .list_ground_truth_events()
    ///     .params(|p| p.ground_truth_dataset_versions([123]))
    ///     .url_conversion_with("files", client.download_to("/data/cache").concurrency(16))
    ///     .list_all();
    /// while let Some(event) = events.next().await {
    ///     for file in event?.files.files() {
    ///         println!("{:?}: {:?}", file.name, file.path());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn download_to(&self, into: impl Into<CacheLocation>) -> DownloadTo {
        DownloadTo {
            client: self.clone(),
            into: into.into(),
            concurrency: CONCURRENCY,
            revalidate: false,
            download: DownloadOptions::default(),
            options: CallOptions::default(),
            shared: Arc::default(),
        }
    }
}

impl DownloadTo {
    sending_setters!();

    /// How many files are downloaded at a time, at most 64; 8 unless set.
    pub fn concurrency(mut self, files: usize) -> Self {
        self.concurrency = files;
        self
    }

    /// As [`Download::fsync`].
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.download.fsync = fsync;
        self
    }

    /// As [`Download::max_data_uri_size`].
    pub fn max_data_uri_size(mut self, bytes: u64) -> Self {
        self.download.max_data_uri = bytes;
        self
    }

    /// As [`Download::lock_timeout`].
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.download.lock_timeout = timeout;
        self
    }

    /// Told how far all files that were asked for so far have come, after each piece of one and at the end of
    /// each.
    ///
    /// Called from the tasks that receive, one call at a time: it must not block.
    pub fn on_progress(mut self, callback: impl Fn(BatchProgress) + Send + Sync + 'static) -> Self {
        let callback: OnProgress = Arc::new(callback);
        self.shared =
            Arc::new(Shared { batch: Arc::new(BatchReporter::new(0, Some(callback))), ..Shared::default() });
        self
    }

    /// As [`CachedDownload::revalidate`](crate::CachedDownload::revalidate), for files whose objects have no
    /// checksum.
    pub fn revalidate(mut self, revalidate: bool) -> Self {
        self.revalidate = revalidate;
        self
    }

    async fn path_of(&self, file: FileReference<'_>) -> Result<String> {
        let download = self.download(file)?;
        let batch = &self.shared.batch;
        batch.file_added();
        let lease = self.get(download).await.inspect_err(|_| batch.failed())?;
        let path = lease.path().to_str().map(str::to_owned);
        let path = path.ok_or_else(|| Error::new(ErrorKind::Io, "the cache's path isn't Unicode"))?;
        local_paths::remember(&path);
        drop(lease.keep());
        Ok(path)
    }

    /// The file, held.
    async fn get(&self, download: Download) -> Result<Lease> {
        let cache = self.cache().await?;
        let most = || Arc::new(Semaphore::new(self.concurrency.min(MAX_CONCURRENCY)));
        let permits = Some(self.shared.permits.get_or_init(most).clone());
        let through = ThroughCache {
            cache: &cache,
            revalidate: self.revalidate,
            permits,
            batch: Some(&self.shared.batch),
        };
        through.get(download).await.map(|cached| cached.lease)
    }

    fn download(&self, file: FileReference<'_>) -> Result<Download> {
        let mut options = self.options.clone();
        let url = match is_data_uri(file.url.trim_start()) {
            true => file.url.to_owned(),
            false => {
                let url = absolute(&self.client, file.url)?;
                let transport = self.client.transport();
                // The server names the file's host, not the user.
                if !transport.origin.owns(&url) {
                    options.keep_headers(|name| !transport.credentials.is_credential(name));
                }
                url.into()
            }
        };
        // A checksum that is none of those that are known here is no reason to fail.
        let checksum = file.checksum.and_then(|checksum| Checksum::parse(checksum).ok());
        let download = DownloadOptions { size: file.size, checksum, ..self.download.clone() };
        Ok(Download { client: self.client.clone(), url, download, options })
    }

    async fn cache(&self) -> Result<FileCache> {
        let open = || async {
            match self.into.0.clone() {
                At::Cache(cache) => Ok(cache),
                At::Directory(directory) => FileCache::builder(directory).open_apart().await,
            }
        };
        self.shared.cache.get_or_try_init(open).await.cloned()
    }
}

impl UrlConverter for DownloadTo {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        self.convert_file(FileReference { url, size: None, checksum: None })
    }

    fn convert_file<'u>(&'u self, file: FileReference<'u>) -> ConversionFuture<'u> {
        let path = runtime::within(self.path_of(file));
        Box::pin(
            async move { path.await.map_err(|error| -> Box<dyn StdError + Send + Sync> { error.into() }) },
        )
    }

    fn key(&self) -> &'static str {
        "path"
    }

    fn holds_resources(&self) -> bool {
        true
    }

    fn discarded(&self, path: &str) {
        // A path came from a cache.
        if let Some(cache) = self.shared.cache.get() {
            cache.release_later(PathBuf::from(path));
        }
    }

    fn validate(&self) -> Result<(), String> {
        let problems = self.options.problems();
        match (self.concurrency, problems.is_empty()) {
            (0, _) => Err("download_to: concurrency: it is zero, give 1 to 64".to_owned()),
            (_, false) => Err(format!("download_to: {}", problems.join("; "))),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for DownloadTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadTo")
            .field("into", &self.into)
            .field("concurrency", &self.concurrency)
            .field("revalidate", &self.revalidate)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
