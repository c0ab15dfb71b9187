//! [`CachedDownload`]: gets one file through a cache; [`CachedFile`]: a lease on it.

use std::fmt;
use std::future::IntoFuture;
use std::path::Path;
use std::sync::Arc;

use super::Download;
use super::cache_fetch::{CacheFetch, FetchedFile};
use crate::call::ResponseFuture;
use crate::download::cache::FileCache;
use crate::error::Result;
use crate::runtime::deadline::within;

/// A download through a cache, returned by [`Download::cached`]. It starts when it is awaited.
#[must_use = "nothing is downloaded until it is awaited or sent"]
#[derive(Debug, Clone)]
pub struct CachedDownload {
    download: Download,
    cache: FileCache,
    revalidate: bool,
}

/// A file in a cache. It stays there unchanged for as long as this or a clone of it exists.
///
/// Dropping the last clone [releases](FileCache::release) the file within 5 ms. After that, a copy of its
/// path may become invalid at any time. In a read-only cache, files are not protected from removal.
#[derive(Clone)]
pub struct CachedFile(Arc<FetchedFile>);

impl Download {
    /// Gets the file from a cache, or downloads it into the cache if it isn't there.
    ///
    /// A file in the cache is used if its URL is the same except for the signature, its tenant and namespace
    /// are the same (see [`FileCache`]), and it has the [size](Download::size) and the
    /// [checksum](Download::checksum) that are set here. Concurrent calls for the same file download it once.
    /// All settings apply as for [`send`](Download::send), except for [`to`](Download::to), which must not be
    /// set; the [`timeout`](Download::timeout) includes the time
    /// spent waiting for other calls and processes.
    ///
    /// # Errors
    /// Returns an error as [`send`](Download::send) does; if the cache can't be locked or read; if the file isn't
    /// in the cache and the cache can't be written; or if the file is larger than the cache's limit
    /// ([`max_bytes`](crate::FileCacheBuilder::max_bytes)).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), Box<dyn std::error::Error>> {
    /// use synapse_backend_client::FileCache;
    ///
    /// let cache = FileCache::builder("/data/cache").max_bytes(50 << 30).open()?;
    /// let model = client.get_model(456).await?;
    /// if let Some(file) = &model.file {
    ///     let file = client.download(file.as_str()).cached(&cache).await?;
    ///     // The file is not removed while `file` exists.
    ///     println!("{}: {} bytes", file.path().display(), file.bytes());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn cached(mut self, cache: &FileCache) -> CachedDownload {
        if self.to.is_some() {
            let problem = "`to` and `cached` are both set: the cache chooses the file's path";
            self.download.problems.push(problem.to_owned());
        }
        CachedDownload { download: self, cache: cache.clone(), revalidate: false }
    }
}

impl CachedDownload {
    /// Asks the server whether a file in the cache is still current (`If-None-Match` with the `ETag`,
    /// otherwise `If-Modified-Since`; RFC 9110, section 13.1), and downloads it again if it isn't. Off by
    /// default.
    ///
    /// A file without `ETag` and `Last-Modified` is downloaded each time. If the
    /// [checksum](Download::checksum) is set, the server isn't asked: comparing the checksum is enough. It is
    /// an error if the server can't be reached or the cache can't be written.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient, cache: synapse_backend_client::FileCache) -> Result<(), synapse_backend_client::Error> {
    /// let labels = client.download("/media/labels.json").cached(&cache).revalidate(true).await?;
    /// println!("{}", if labels.is_hit() { "as before" } else { "new" });
    /// # Ok(())
    /// # }
    /// ```
    pub fn revalidate(mut self, revalidate: bool) -> Self {
        self.revalidate = revalidate;
        self
    }

    /// Gets the file. Awaiting does the same; dropping the future stops it.
    ///
    /// # Errors
    /// Returns an error as described at [`Download::cached`].
    pub fn send(self) -> ResponseFuture<CachedFile> {
        ResponseFuture::new(self.run())
    }

    async fn run(self) -> Result<CachedFile> {
        let CachedDownload { mut download, cache, revalidate } = self;
        let deadline = download.options.deadline();
        download.options.end_by(deadline);
        let fetch = CacheFetch { cache: &cache, revalidate, permits: None, batch: None };
        let cached =
            within(deadline, "getting the file through the file cache", fetch.get(download)).await??;
        Ok(CachedFile(Arc::new(cached)))
    }
}

impl IntoFuture for CachedDownload {
    type Output = Result<CachedFile>;
    type IntoFuture = ResponseFuture<CachedFile>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl CachedFile {
    /// Returns the path of the file. Its content must not be changed.
    ///
    /// ```no_run
    /// # fn example(file: synapse_backend_client::CachedFile) -> std::io::Result<()> {
    /// let content = std::fs::read(file.path())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn path(&self) -> &Path {
        self.0.lease.path()
    }

    /// Returns the size in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.lease.bytes()
    }

    /// Returns whether the file was already in the cache, and so was not downloaded.
    pub fn is_hit(&self) -> bool {
        self.0.is_hit
    }
}

impl AsRef<Path> for CachedFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl fmt::Debug for CachedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFile")
            .field("path", &self.path())
            .field("bytes", &self.bytes())
            .field("is_hit", &self.is_hit())
            .finish()
    }
}
