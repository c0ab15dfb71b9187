//! Downloads: a file comes to the disk whole or not at all, and what broke off is gone on from.

mod acquire;
mod attempt;
pub(crate) mod cache;
mod cache_watch;
mod cached;
mod checksum;
mod completion;
mod content_range;
mod data_uri;
mod decoded;
mod digests;
mod engine;
mod entity;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod hashing;
mod many;
mod note;
mod part;
mod part_location;
mod target;
mod through_cache;
mod to_cache;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reqwest::{Method, Url};

pub use cached::{CachedDownload, CachedFile};
pub use many::{BatchProgress, DownloadAll};
pub use to_cache::{CacheLocation, DownloadTo};

use crate::call::option_setters::sending_setters;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::download::cache::default_key;
use crate::error::redact::redact_url;
use crate::error::{Error, ErrorKind, RequestInfo, Result};
use crate::runtime::deadline::within;
use crate::transport::credentials::TENANT;
use crate::values::file_url::is_data_uri;
use acquire::{Acquired, acquire};
use cache_watch::CacheWatch;
use checksum::Checksum;
use completion::{Completed, Expected, too_large};
use engine::{DownloadEngine, OPERATION, OnProgress, absolute};
use part_location::PartLocation;
use writer::Writer;

/// Bytes of a `data:` URI's file, at most, unless it is set.
const MAX_DATA_URI_SIZE: u64 = 64 << 20;

/// How long another download of the same file may stand still before it isn't waited for any more.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// A download, which [`download`](BackendClient::download) makes. It starts when its target is given, by
/// [`to`](Download::to) or [`cached`](Download::cached).
#[must_use = "nothing is downloaded before `to` or `cached`"]
#[derive(Clone)]
pub struct Download {
    client: BackendClient,
    url: String,
    download: DownloadOptions,
    options: CallOptions,
}

#[derive(Clone)]
pub(crate) struct DownloadOptions {
    size: Option<u64>,
    checksum: Option<Checksum>,
    fsync: bool,
    max_data_uri: u64,
    /// The largest file that is taken, in bytes.
    pub(crate) max_size: Option<u64>,
    lock_timeout: Duration,
    on_progress: Option<OnProgress>,
    /// The cache that takes the file.
    in_cache: Option<CacheWatch>,
    problems: Vec<String>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        DownloadOptions {
            size: None,
            checksum: None,
            fsync: false,
            max_data_uri: MAX_DATA_URI_SIZE,
            max_size: None,
            lock_timeout: LOCK_TIMEOUT,
            on_progress: None,
            in_cache: None,
            problems: Vec::new(),
        }
    }
}

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes that this call didn't receive: resumed, or downloaded by another call.
    pub resumed_from: u64,
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Bytes of the file on disk; compressed bytes if it is sent compressed. Decreases when the download
    /// restarts: the file changed, the server gives no ranges, or bytes had another digest than they should.
    pub bytes_received: u64,
    /// Size of the file in bytes, if it is known.
    pub bytes_total: Option<u64>,
    /// Bytes that were on disk at the beginning.
    pub resumed_from: u64,
}

impl BackendClient {
    /// Downloads a file: `url` is absolute, or a path on the backend's host (`/media/x.png`), or a `data:`
    /// URI.
    ///
    /// The file is written under a temporary name in the target's directory and renamed when it is whole: a
    /// killed process leaves no half file there ([`fsync`](Download::fsync): nor does a power cut). An
    /// interrupted download is resumed (`Range` and `If-Range`, RFC 9110, section 14) by this call, or by the
    /// next one of the same file to the same path, in this process or another. It restarts if the server
    /// gives no ranges, or the file changed. URLs that differ in a known signature only are the same file. Of
    /// two downloads of the same file to the same path, the second waits for the first. A download takes some
    /// 2 MiB of memory at most.
    ///
    /// The length is compared, and each digest that is given or that a response names: `Content-Digest`,
    /// `Repr-Digest` (RFC 9530), `Digest` (RFC 3230), `Content-MD5`, `x-goog-hash` and `x-amz-checksum-…`, by
    /// MD5, SHA-1, SHA-256, SHA-512, CRC-32, CRC-32C and CRC-64/NVME. Bytes with another digest are dropped,
    /// and requested again as after a broken connection.
    ///
    /// The file is requested uncompressed. One that is compressed all the same (`Content-Encoding`) is
    /// decompressed, except:
    /// - a file whose compressed form has the [`size`](Download::size) and the
    ///   [`checksum`](Download::checksum) that are set stays as it came;
    /// - where neither is set, a file that is compressed in itself stays a compressed file: its media type is
    ///   `application/gzip` or the like, or the URL's path or the file's name ends in `.gz`, `.tgz` or
    ///   `.zst`, say.
    ///
    /// Words in `Content-Encoding` that name no coding are ignored.
    ///
    /// The URL is sent byte for byte (`|`, `^`, `[`, `%2f` and `%2F` too), with these exceptions of the URL
    /// standard (WHATWG):
    /// - left out: surrounding white space, tabs, line breaks, and the fragment (`#…`);
    /// - percent-encoded: spaces, other control characters, `"`, `<`, `>` and all that isn't ASCII; in a path
    ///   also `` ` ``, `{` and `}`; in a query also `'` (`%27`);
    /// - in a path, `\` becomes `/`, and the segments `.` and `..` are resolved, percent-encoded or not.
    ///
    /// Credentials go to the backend's own origin only, and not with a redirect elsewhere. The user's umask
    /// decides who may read the file.
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
    pub fn download(&self, url: impl Into<String>) -> Download {
        Download {
            client: self.clone(),
            url: url.into(),
            download: DownloadOptions::default(),
            options: CallOptions::default(),
        }
    }
}

impl Download {
    sending_setters!();

    /// The size that the file has to be of, in bytes; of one that comes compressed, it may be that of either
    /// form.
    pub fn size(mut self, bytes: u64) -> Self {
        self.download.size = Some(bytes);
        self
    }

    /// The digest that the file has to have, in hexadecimal: its MD5, SHA-1 or SHA-256, as its length tells.
    /// Of a file that comes compressed, it may be that of either form.
    pub fn checksum(mut self, hex: impl AsRef<str>) -> Self {
        match Checksum::parse(hex.as_ref()) {
            Ok(checksum) => self.download.checksum = Some(checksum),
            Err(problem) => self.download.problems.push(format!("checksum: {problem}")),
        }
        self
    }

    /// Writes the file to the disk before it is renamed, so that not even a power cut leaves half a file. Off
    /// unless set: it takes time, and is needed against power cuts only. A killed process does no harm
    /// without it.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.download.fsync = fsync;
        self
    }

    /// The largest file that a `data:` URI may hold, in bytes; 64 MiB unless set.
    pub fn max_data_uri_size(mut self, bytes: u64) -> Self {
        self.download.max_data_uri = bytes;
        self
    }

    /// How long another download of the same file, perhaps another process's, may stand still while this one
    /// waits for it; 5 minutes unless set.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.download.lock_timeout = timeout;
        self
    }

    /// Told how far the download has come, after each piece.
    ///
    /// Called in order, from the task that receives: it must not block.
    pub fn on_progress(mut self, callback: impl Fn(DownloadProgress) + Send + Sync + 'static) -> Self {
        self.download.on_progress = Some(Arc::new(callback));
        self
    }

    /// Downloads the file to `path`, in the place of what is there. The directory must exist.
    ///
    /// What stands at `path` is replaced as a name, and never written into: of a symbolic link the link
    /// itself, and what it leads to stays as it is, or missing; of a file with other names (hard links) this
    /// name only. A directory, FIFO, device or socket there, a symbolic link to one, or a file that is
    /// mounted there, is an error. Symbolic links among the directories are followed.
    ///
    /// Dropping the future stops the download. Its part is kept, and resumed by the next call, if the server
    /// sends a strong `ETag` or `Last-Modified`, or [`checksum`](Download::checksum) is set; else it is
    /// removed. Nothing is kept after success. The part is `.{16 hex digits}.part` in the same directory, and
    /// `.{16 hex digits}.part.json` says what it is of, without URL or credentials; both may be removed when
    /// no download is in progress. They are used only if they are regular files of this user or of the
    /// directory's owner, without other names. If something else has their names, or the file system has no
    /// locks, the part is `.{16 hex digits}.{16 hex digits}.part`: it isn't resumed, nobody waits for it, and
    /// it is removed when the download fails or is dropped. A killed process leaves it behind.
    ///
    /// An attempt ends when no byte arrives within the read time-out, and is retried. The client's
    /// [`timeout`](crate::BackendClientBuilder::timeout) counts until a response begins;
    /// [`timeout`](Download::timeout) limits the whole. A broken transfer is retried as the
    /// [`RetryPolicy`](crate::RetryPolicy) says, counted from the last attempt that brought 64 KiB of the
    /// file, or a sixteenth of a small one.
    ///
    /// # Errors
    /// Returns an error if the URL or the path is invalid, or no file can be created there (nothing is sent
    /// then); if the server answers with an error; if the connection breaks too often; if the file has
    /// another size or digest than it should ([`ErrorKind::Download`]); if it is compressed by what the
    /// crate's features don't decompress; if it can't be written. What stood at `path` stays as it was,
    /// unless only syncing the directory of a [`fsync`](Download::fsync) download fails.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// client.download("/media/456.pt").to("/models/456.pt").await?;
    /// let error = client.download("/media/456.pt").to("/dev/null").await.unwrap_err();
    /// assert!(error.is_invalid_input());
    /// # Ok(())
    /// # }
    /// ```
    pub fn to(self, path: impl Into<PathBuf>) -> ResponseFuture<DownloadedFile> {
        let path = path.into();
        ResponseFuture::new(self.run(path))
    }

    async fn run(self, path: PathBuf) -> Result<DownloadedFile> {
        checked(&self.download, &self.options)?;
        let (url, key) = match is_data_uri(self.url.trim_start()) {
            true => (None, self.url.clone()),
            false => {
                let url = absolute(&self.client, &self.url)?;
                let tenant = tenant(&self.client, &self.options, &url).await?;
                let key = part_key(&self.client, &url, tenant.as_deref());
                (Some(url), key)
            }
        };
        let location = PartLocation::new(path, &key)?;
        self.into_place(url, location, None).await
    }

    /// Downloads the file to a place, whose part may have been opened before; `None` for the URL of a `data:`
    /// URI.
    async fn into_place(
        self,
        url: Option<Url>,
        location: PartLocation,
        opened: Option<Writer>,
    ) -> Result<DownloadedFile> {
        let Download { client, url: text, download, options } = self;
        let Some(url) = url else {
            let content = content_of(&text, &download)?;
            let deadline = options.deadline();
            let acquired = acquire(&*client.transport().clock, &download, &location, opened, deadline);
            let writing = Box::pin(async { write(content, &location, acquired.await?, &download).await });
            return within(deadline, "writing the file", writing).await?;
        };
        let engine =
            DownloadEngine { client: &client, options: &download, calls: &options, url, location, opened };
        // On the heap: each future around it would be as large again.
        within(options.deadline(), "waiting for the file or its part", Box::pin(engine.run())).await?
    }
}

/// # Errors
/// Returns an error if a setting can't be right.
fn checked(download: &DownloadOptions, options: &CallOptions) -> Result<()> {
    let mut problems = download.problems.clone();
    problems.extend(options.problems());
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid_input(format!("download: {}", problems.join("; ")))),
    }
}

/// What tells the parts of a target's files apart: from which server they are, which file of it, and for
/// which tenant.
fn part_key(client: &BackendClient, url: &Url, tenant: Option<&[u8]>) -> String {
    let mut key = default_key(url.as_str());
    // A file elsewhere is nobody's.
    if let Some(tenant) = tenant.filter(|_| client.transport().origin.owns(url)) {
        key.push(' ');
        key.extend(percent_encode(tenant, NON_ALPHANUMERIC));
    }
    key
}

/// The tenant that a download is for, if one is set.
async fn tenant(client: &BackendClient, options: &CallOptions, url: &Url) -> Result<Option<Vec<u8>>> {
    let info = RequestInfo::new(OPERATION, &Method::GET, url);
    let timeouts = options.timeouts(client.settings(), false);
    let own =
        || options.headers().iter().rev().find(|(name, _)| *name == TENANT).map(|(_, tenant)| tenant.clone());
    let tenant = client.transport().tenant(timeouts, &info).await?.or_else(own);
    Ok(tenant.map(|tenant| tenant.as_bytes().to_vec()))
}

/// The file that a `data:` URI is.
fn content_of(uri: &str, options: &DownloadOptions) -> Result<Bytes> {
    let content = data_uri::decode(uri.trim(), options.max_data_uri)?;
    let bytes = content.len() as u64;
    if let Some(size) = options.size.filter(|size| *size != bytes) {
        return Err(Error::invalid_input(format!(
            "download: the `data:` URI holds {bytes} bytes, and {size} are expected"
        )));
    }
    match options.max_size.filter(|most| bytes > *most) {
        Some(most) => Err(too_large(most)),
        None => Ok(content.into()),
    }
}

/// Writes the file that a `data:` URI is, unless another download brought it.
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

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match is_data_uri(self.url.trim_start()) {
            true => "data:…".to_owned(),
            false => redact_url(&self.url),
        };
        f.debug_struct("Download").field("url", &url).field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
