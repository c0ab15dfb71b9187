//! [`DownloadTo`]: the conversion that downloads each file and replaces its URL with its path.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use super::cache_fetch::CacheFetch;
use super::digest::ExpectedDigest;
use super::engine::absolute;
use super::many::{BatchReporter, OnProgress};
use super::{BatchProgress, Download, DownloadOptions};
use crate::call::CallOptions;
use crate::call::batch_stream::MAX_CONCURRENCY;
use crate::call::option_setters::sending_setters;
use crate::call::options::HasOptions;
use crate::client::BackendClient;
use crate::download::cache::{FileCache, Lease};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::url_conversion::{ConversionFuture, FileReference, UrlConverter};
use crate::values::file_url::is_data_uri;
use crate::values::from_paths::from_paths;
use crate::values::local_paths;

/// Default number of files that are downloaded at a time.
const CONCURRENCY: usize = 8;

/// Downloads each file into a directory and replaces its URL with its path. Created by
/// [`download_to`](BackendClient::download_to).
///
/// Clones share their limits: one conversion may be used for several fields and calls. The downloads use the
/// time-outs and retries that are set here. The [`timeout`](crate::Call::timeout) of a call that uses the
/// conversion covers the whole call, including its downloads.
#[must_use = "nothing is downloaded until a call uses it as a conversion"]
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

/// Where [`download_to`](BackendClient::download_to) stores files: a directory, or your own [`FileCache`]. A
/// string is the path of a directory.
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

from_paths!(CacheLocation, directory => CacheLocation(At::Directory(directory)));

#[derive(Default)]
struct Shared {
    cache: OnceCell<FileCache>,
    permits: OnceLock<Arc<Semaphore>>,
    batch: Arc<BatchReporter>,
}

impl BackendClient {
    /// Creates a conversion that downloads each file into a directory and replaces its URL with its path: a
    /// URL string becomes a path string; in a file's object, the entry `url` is replaced by an entry `path`.
    ///
    /// [`FileEntry::path`](crate::FileEntry::path) and [`FileUrl::as_path`](crate::FileUrl::as_path) return
    /// such paths, and no other text of a response. They recognise the paths only within this process: in a
    /// response that is saved and read by another process, the paths are plain texts.
    ///
    /// The directory is a [`FileCache`]: a file that it contains isn't downloaded again, not by another
    /// process or in the next run either. Files are identified by their URL without its signature, and by the
    /// client's tenant. To set limits, open a cache with [`FileCache::builder`] and pass it here.
    ///
    /// A path is valid as long as this conversion, a call that uses it, or a clone of the cache's handle
    /// exists. The cache holds a lease on each file whose path was returned, until then or until
    /// [`release`](FileCache::release). To read more than the cache's limit in one run, release each file
    /// after use. Files whose paths were not returned to a caller are released automatically: those of calls
    /// that fail or are dropped, of items beyond a limit, and of pages that were not read. The text of an
    /// [`ItemFailure`](crate::ItemFailure) or of an error's response may contain such a path, without a lease
    /// on the file.
    ///
    /// Each file is downloaded as by [`download`](BackendClient::download). Size and checksum are compared if
    /// the file's object contains them, also for a file in the cache. A checksum that isn't an MD5, SHA-1 or
    /// SHA-256 in hexadecimal is ignored. An interrupted download is resumed, also by another process.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let mut events = client
    ///     .list_ground_truth_events()
    ///     .params(|p| p.ground_truth_dataset_versions([123]))
    ///     .url_conversion_with("files", client.download_to("/data/cache").concurrency(16))
    ///     .list_all()
    ///     .stream();
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

    /// Sets how many files are downloaded at a time: at most 64. The default is 8.
    pub fn concurrency(mut self, files: usize) -> Self {
        self.concurrency = files;
        self
    }

    /// Works as [`Download::fsync`].
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.download.fsync = fsync;
        self
    }

    /// Works as [`Download::max_data_uri_size`].
    pub fn max_data_uri_size(mut self, bytes: u64) -> Self {
        self.download.max_data_uri = Some(bytes);
        self
    }

    /// Works as [`Download::lock_timeout`].
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.download.lock_timeout = Some(timeout);
        self
    }

    /// Sets a callback that is called with the total progress of all files requested so far, after each
    /// received chunk and at the end of each file.
    ///
    /// The calls come from the tasks that receive the files, one call at a time: the callback must not block.
    pub fn on_progress(mut self, callback: impl Fn(BatchProgress) + Send + Sync + 'static) -> Self {
        let callback: OnProgress = Arc::new(callback);
        self.shared =
            Arc::new(Shared { batch: Arc::new(BatchReporter::new(0, Some(callback))), ..Shared::default() });
        self
    }

    /// Works as [`CachedDownload::revalidate`](crate::CachedDownload::revalidate), for files whose objects
    /// contain no checksum.
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
        let path = path.ok_or_else(|| {
            Error::new(
                ErrorKind::Io,
                "the file's path in the cache isn't Unicode: choose another directory for the cache",
            )
        })?;
        local_paths::remember(&path);
        drop(lease.keep());
        Ok(path)
    }

    /// Returns the file with a lease on it.
    async fn get(&self, download: Download) -> Result<Lease> {
        let cache = self.cache().await?;
        let most = || Arc::new(Semaphore::new(self.concurrency.min(MAX_CONCURRENCY)));
        let permits = Some(self.shared.permits.get_or_init(most).clone());
        let fetch = CacheFetch {
            cache: &cache,
            revalidate: self.revalidate,
            permits,
            batch: Some(&self.shared.batch),
        };
        fetch.get(download).await.map(|cached| cached.lease)
    }

    fn download(&self, file: FileReference<'_>) -> Result<Download> {
        let mut options = self.options.clone();
        let url = match is_data_uri(file.url.trim_start()) {
            true => file.url.to_owned(),
            false => {
                let url = absolute(&self.client, file.url)?;
                let transport = self.client.transport();
                // The server chose the file's host, not the user: send no credentials to it.
                if !transport.origin.owns(&url) {
                    options.keep_headers(|name| !transport.credentials.is_credential(name));
                }
                url.into()
            }
        };
        // A checksum of an unknown format is ignored and is not an error.
        let checksum = file.checksum.and_then(|checksum| ExpectedDigest::parse(checksum).ok());
        let download = DownloadOptions { size: file.size, checksum, ..self.download.clone() };
        Ok(Download { client: self.client.clone(), url, to: None, download, options })
    }

    async fn cache(&self) -> Result<FileCache> {
        let open = || async {
            match self.into.0.clone() {
                At::Cache(cache) => Ok(cache),
                At::Directory(directory) => FileCache::builder(directory).open_async().await,
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
        // If there is a path, the cache is open.
        if let Some(cache) = self.shared.cache.get() {
            cache.release_later(PathBuf::from(path));
        }
    }

    fn validate(&self) -> Result<(), String> {
        let problems = self.options.problems();
        match (self.concurrency, problems.is_empty()) {
            (0, _) => Err("download_to: concurrency: it is zero: give 1 to 64".to_owned()),
            (_, false) => Err(format!("download_to: {}", problems.join("; "))),
            _ => Ok(()),
        }
    }
}

impl HasOptions for DownloadTo {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
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
