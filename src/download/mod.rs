//! Downloads: a file is written to its path whole or not at all, and an interrupted download is resumed.

mod acquire;
mod attempt;
pub(crate) mod cache;
mod cache_fetch;
mod cached_download;
mod completion;
mod content_range;
mod data_uri;
mod decoded;
mod digest;
mod digest_headers;
mod download_to;
mod engine;
mod entity;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod many;
mod part;
mod part_location;
mod part_metadata;
mod pending_entry;
mod running_digests;
mod target;
mod writer;

use std::fmt;
use std::future::IntoFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reqwest::{Method, Url};

pub use cached_download::{CachedDownload, CachedFile};
pub use download_to::{CacheLocation, DownloadTo};
pub use many::{BatchProgress, DownloadAll};

use crate::call::option_setters::sending_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::download::cache::default_key;
use crate::error::redact::redact_url;
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::runtime::deadline::within;
use crate::transport::credentials::TENANT;
use crate::values::file_url::is_data_uri;
use acquire::{Acquired, acquire};
use completion::{Completed, Expected, too_large};
use digest::ExpectedDigest;
use engine::{DownloadEngine, OPERATION, OnProgress, absolute};
use part_location::PartLocation;
use pending_entry::PendingEntry;
use writer::Writer;

/// Default limit for the size of a `data:` URI's file, in bytes.
const MAX_DATA_URI_SIZE: u64 = 64 << 20;

/// A download, returned by [`download`](BackendClient::download). It starts when it is awaited. Its target is
/// set with [`to`](Download::to) or [`cached`](Download::cached).
#[must_use = "nothing is downloaded until it is awaited or sent"]
#[derive(Clone)]
pub struct Download {
    client: BackendClient,
    url: String,
    /// The path of the file.
    to: Option<PathBuf>,
    download: DownloadOptions,
    options: CallOptions,
}

#[derive(Clone, Default)]
pub(crate) struct DownloadOptions {
    size: Option<u64>,
    checksum: Option<ExpectedDigest>,
    fsync: bool,
    max_data_uri: Option<u64>,
    /// The largest file that is accepted, in bytes.
    pub(crate) max_size: Option<u64>,
    lock_timeout: Option<Duration>,
    on_progress: Option<OnProgress>,
    /// The cache that the file is added to.
    in_cache: Option<PendingEntry>,
    problems: Vec<String>,
}

/// A downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedFile {
    /// The path of the file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes that this call did not receive, since they were resumed or another call downloaded them.
    pub resumed_from: u64,
}

/// The progress of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Bytes of the file on disk. Compressed bytes if the file is sent compressed. Decreases when the
    /// download restarts: because the file changed, the server does not support ranges, or a digest did not
    /// match.
    pub bytes_received: u64,
    /// Size of the file in bytes, if it is known.
    pub bytes_total: Option<u64>,
    /// Bytes that were on disk when the download started.
    pub resumed_from: u64,
}

impl BackendClient {
    /// Downloads a file. `url` is an absolute URL, a path on the backend's host (`/media/x.png`), or a
    /// `data:` URI.
    ///
    /// The file is written under a temporary name in the target's directory and renamed when it is complete.
    /// A killed process leaves no incomplete file at the target path; with [`fsync`](Download::fsync),
    /// neither does a power cut. An interrupted download is resumed (`Range` and `If-Range`, RFC 9110,
    /// section 14) by this call, or by the next download of the same file to the same path, in this process
    /// or another one. The download restarts if the server does not support ranges or the file changed. URLs
    /// that differ only in a known signature are the same file. If two downloads of the same file to the same
    /// path run at once, the second one waits for the first one. A download uses about 2 MiB of memory at
    /// most.
    ///
    /// The length is verified, and so is each digest that is set or that a response contains:
    /// `Content-Digest`, `Repr-Digest` (RFC 9530), `Digest` (RFC 3230), `Content-MD5`, `x-goog-hash` and
    /// `x-amz-checksum-…`, with MD5, SHA-1, SHA-256, SHA-512, CRC-32, CRC-32C and CRC-64/NVME. Bytes whose
    /// digest does not match are discarded and requested again, as after a broken connection.
    ///
    /// The file is requested uncompressed. If the server compresses it anyway (`Content-Encoding`), it is
    /// decompressed, except:
    /// - if the compressed bytes match the [`size`](Download::size) and the [`checksum`](Download::checksum)
    ///   that are set, they are stored as received;
    /// - if neither is set, a file that is itself an archive stays compressed: its media type is
    ///   `application/gzip` or similar, or the URL's path or the file's name ends in `.gz`, `.tgz` or `.zst`,
    ///   for example.
    ///
    /// Values of `Content-Encoding` that are not content codings are ignored.
    ///
    /// The URL is sent byte for byte (including `|`, `^`, `[`, `%2f` and `%2F`), with these exceptions of the
    /// URL standard (WHATWG):
    /// - removed: surrounding white space, tabs, line breaks, and the fragment (`#…`);
    /// - percent-encoded: spaces, other control characters, `"`, `<`, `>` and everything that is not ASCII;
    ///   in a path also `` ` ``, `{` and `}`; in a query also `'` (`%27`);
    /// - in a path, `\` becomes `/`, and the segments `.` and `..` are resolved, percent-encoded or not.
    ///
    /// Credentials are sent to the backend's own origin only, and are not forwarded on a redirect to another
    /// origin. The user's umask decides who may read the file.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let model = client.get_model(456).await?;
    /// if let Some(file) = &model.file {
    ///     let downloaded = client.download(file.as_str()).to("/models/456.pt").await?;
    ///     println!("{}: {} bytes", downloaded.path.display(), downloaded.bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("presigned", "s3"))]
    pub fn download(&self, url: impl Into<String>) -> Download {
        Download {
            client: self.clone(),
            url: url.into(),
            to: None,
            download: DownloadOptions::default(),
            options: CallOptions::default(),
        }
    }
}

impl Download {
    sending_setters!();

    /// Sets the expected size of the file, in bytes. If the file is sent compressed, either its compressed or
    /// its decompressed size may match.
    pub fn size(mut self, bytes: u64) -> Self {
        self.download.size = Some(bytes);
        self
    }

    /// Sets the expected digest of the file, in hexadecimal: MD5, SHA-1 or SHA-256, recognised by its length.
    /// If the file is sent compressed, the digest of either form may match.
    pub fn checksum(mut self, hex: impl AsRef<str>) -> Self {
        match ExpectedDigest::parse(hex.as_ref()) {
            Ok(checksum) => self.download.checksum = Some(checksum),
            Err(problem) => self.download.problems.push(format!("checksum: {problem}")),
        }
        self
    }

    /// Syncs the file to the disk before it is renamed, so that not even a power cut leaves an incomplete
    /// file. Off by default: it takes time and is needed only against power cuts. A killed process leaves no
    /// incomplete file without it either.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.download.fsync = fsync;
        self
    }

    /// Sets the largest file that a `data:` URI may contain, in bytes. The default is 64 MiB.
    pub fn max_data_uri_size(mut self, bytes: u64) -> Self {
        self.download.max_data_uri = Some(bytes);
        self
    }

    /// Sets how long another download of the same file, possibly in another process, may make no progress
    /// while this download waits for it. The default is 5 minutes.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.download.lock_timeout = Some(timeout);
        self
    }

    /// Sets a callback that is called with the progress of the download when a response begins and after each
    /// received chunk.
    ///
    /// The calls are in order and come from the task that receives the file: the callback must not block.
    pub fn on_progress(mut self, callback: impl Fn(DownloadProgress) + Send + Sync + 'static) -> Self {
        self.download.on_progress = Some(Arc::new(callback));
        self
    }

    /// Sets the path of the file. A file that is already there is replaced. The directory must exist.
    ///
    /// An existing file at `path` is replaced by a rename and is never written into. If it is a symbolic
    /// link, the link itself is replaced, and its target is not touched or created. If it has other names
    /// (hard links), only this name is replaced. If `path` is a directory, FIFO, device or socket, a symbolic
    /// link to one, or a mounted file, it is an error. Symbolic links among the parent directories are
    /// followed.
    ///
    /// [`send`](Download::send) says which files it creates beside `path`, and which errors it returns.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// client.download("/media/456.pt").to("/models/456.pt").size(1_048_576).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to(mut self, path: impl Into<PathBuf>) -> Self {
        self.to = Some(path.into());
        self
    }

    /// Downloads the file to the path that [`to`](Download::to) sets. Awaiting does the same.
    ///
    /// Dropping the future stops the download. Its part file is kept and resumed by the next call if the
    /// server sends a strong `ETag` or `Last-Modified`, or if [`checksum`](Download::checksum) is set;
    /// otherwise it is removed. Nothing is kept after success. The part file is `.{16 hex digits}.part` in
    /// the same directory. `.{16 hex digits}.part.json` describes it, without URL or credentials. Both may be
    /// removed when no download is in progress. They are used only if they are regular files of this user or
    /// of the directory's owner, without hard links. If something else has one of these names, or the file
    /// system has no locks, the part file is `.{16 hex digits}.{16 hex digits}.part`: it is not resumed, no
    /// other download waits for it, and it is removed when the download fails or is dropped. A killed process
    /// leaves it behind.
    ///
    /// An attempt ends if no byte arrives within the read time-out, and is retried. The client's
    /// [`timeout`](crate::BackendClientBuilder::timeout) covers the time until a response begins;
    /// [`timeout`](Download::timeout) covers the whole download. A broken transfer is retried as the
    /// [`RetryPolicy`](crate::RetryPolicy) says. The count of failures restarts after each attempt that
    /// received at least 64 KiB of the file, or a sixteenth of a small file.
    ///
    /// # Errors
    /// Returns an error if the URL or the path is invalid, the path isn't set, or no file can be created there
    /// (then nothing is sent); if the server responds with an error; if the connection breaks too often; if the size or a
    /// digest of the file does not match ([`ErrorKind::Download`]); if the file is compressed with a coding
    /// that the enabled crate features can't decompress; or if the file can't be written. An existing file at
    /// the path stays unchanged, unless only the sync of the directory fails, with [`fsync`](Download::fsync).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let downloading = client.download("/media/456.pt").to("/models/456.pt").send();
    /// println!("{} bytes", downloading.await?.bytes);
    /// let error = client.download("/media/456.pt").to("/dev/null").await.unwrap_err();
    /// assert!(error.is_invalid_input());
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(self) -> ResponseFuture<DownloadedFile> {
        ResponseFuture::new(self.run())
    }

    async fn run(mut self) -> Result<DownloadedFile> {
        let Some(path) = self.to.take() else {
            let mut problems = invalid_settings(&self.download, &self.options);
            problems.push("`to` is missing: set the file's path".to_owned());
            return Err(invalid(&problems));
        };
        let (url, tenant) = self.source().await?;
        let key = match &url {
            Some(url) => part_key(&self.client, url, tenant.as_deref()),
            None => self.url.clone(),
        };
        let location = PartLocation::new(path, &key)?;
        self.into_place(url, location, None).await
    }

    /// Returns the absolute URL and the tenant of the file; neither for a `data:` URI.
    ///
    /// # Errors
    /// Returns an error if the URL or a setting is invalid.
    async fn source(&self) -> Result<(Option<Url>, Option<Vec<u8>>)> {
        let problems = invalid_settings(&self.download, &self.options);
        if !problems.is_empty() {
            return Err(invalid(&problems));
        }
        if is_data_uri(self.url.trim_start()) {
            return Ok((None, None));
        }
        let url = absolute(&self.client, &self.url)?;
        let tenant = tenant(&self.client, &self.options, &url).await?;
        Ok((Some(url), tenant))
    }

    /// Downloads the file to a location whose part file may already be open. `url` is `None` for a `data:`
    /// URI.
    async fn into_place(
        self,
        url: Option<Url>,
        location: PartLocation,
        opened: Option<Writer>,
    ) -> Result<DownloadedFile> {
        let Download { client, url: text, to: _, download, options } = self;
        let Some(url) = url else {
            let content = content_of(&text, &download)?;
            let deadline = options.deadline();
            let acquired = acquire(&*client.transport().clock, &download, &location, opened, deadline);
            let writing = Box::pin(async { write(content, &location, acquired.await?, &download).await });
            return within(deadline, "writing the file", writing).await?;
        };
        let engine =
            DownloadEngine { client: &client, options: &download, calls: &options, url, location, opened };
        // Boxed: otherwise each enclosing future would contain this large future.
        within(options.deadline(), "waiting for the file or its part", Box::pin(engine.run())).await?
    }
}

/// Returns the settings that are invalid.
fn invalid_settings(download: &DownloadOptions, options: &CallOptions) -> Vec<String> {
    let mut problems = download.problems.clone();
    problems.extend(options.problems());
    problems
}

fn invalid(problems: &[String]) -> Error {
    Error::invalid_input(format!("download: {}", problems.join("; ")))
}

/// Returns what distinguishes the part files of one target: the server, the file on it, and the tenant.
fn part_key(client: &BackendClient, url: &Url, tenant: Option<&[u8]>) -> String {
    let mut key = default_key(url.as_str());
    // A file on another host belongs to no tenant.
    if let Some(tenant) = tenant.filter(|_| client.transport().origin.owns(url)) {
        key.push(' ');
        key.extend(percent_encode(tenant, NON_ALPHANUMERIC));
    }
    key
}

/// Returns the tenant that a download is for, if one is set.
async fn tenant(client: &BackendClient, options: &CallOptions, url: &Url) -> Result<Option<Vec<u8>>> {
    let info = RequestInfo::new(OPERATION, &Method::GET, url);
    let timeouts = options.timeouts(client.settings(), None, false);
    let own =
        || options.headers().iter().rev().find(|(name, _)| *name == TENANT).map(|(_, tenant)| tenant.clone());
    let tenant = client.transport().tenant(timeouts, &info).await?.or_else(own);
    Ok(tenant.map(|tenant| tenant.as_bytes().to_vec()))
}

/// Returns the file that a `data:` URI contains.
fn content_of(uri: &str, options: &DownloadOptions) -> Result<Bytes> {
    let content = data_uri::decode(uri.trim(), options.max_data_uri.unwrap_or(MAX_DATA_URI_SIZE))?;
    let bytes = content.len() as u64;
    if let Some(size) = options.size.filter(|size| *size != bytes) {
        return Err(Error::invalid_input(format!(
            "download: the `data:` URI contains {bytes} bytes, but {size} are expected"
        )));
    }
    match options.max_size.filter(|most| bytes > *most) {
        Some(most) => Err(too_large(most)),
        None => Ok(content.into()),
    }
}

/// Writes the file that a `data:` URI contains, unless another download has already written it.
async fn write(
    content: Bytes,
    location: &PartLocation,
    acquired: Acquired,
    options: &DownloadOptions,
) -> Result<DownloadedFile> {
    let path = location.target.clone();
    let mut part = match acquired {
        Acquired::Part(part) => part,
        Acquired::File(bytes) => return Ok(DownloadedFile { path, bytes, resumed_from: bytes }),
    };
    part.begin(None).await?;
    part.push(content).await?;
    let expected = Expected { size: options.size, fsync: options.fsync, ..Expected::default() };
    let during = |error: Error| error.during(format!("writing {}", path.display()));
    match part.complete(&expected).await.map_err(during)? {
        Completed::Named(bytes) => Ok(DownloadedFile { path, bytes, resumed_from: 0 }),
        Completed::Discarded(problem)
        | Completed::Damaged(problem)
        | Completed::Unexpected(problem)
        | Completed::Undecodable(problem) => Err(during(Error::new(ErrorKind::Download, problem))),
    }
}

impl IntoFuture for Download {
    type Output = Result<DownloadedFile>;
    type IntoFuture = ResponseFuture<DownloadedFile>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl HasOptions for Download {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match is_data_uri(self.url.trim_start()) {
            true => "data:…".to_owned(),
            false => redact_url(&self.url),
        };
        f.debug_struct("Download")
            .field("url", &url)
            .field("to", &self.to)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
