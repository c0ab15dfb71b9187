//! Downloads: a file comes to the disk whole or not at all, and what broke off is gone on from.

mod checksum;
mod data_uri;
mod discarded;
mod engine;
mod entity;
mod many;
mod part;
mod place;
mod to_cache;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use many::{DownloadAll, FilesProgress};
pub use to_cache::{CacheAt, DownloadTo};

use crate::call::{CallOptions, Sending};
use crate::client::BackendClient;
use crate::deadline::within;
use crate::error::{Error, Result};
use crate::file_url::is_data_uri;
use crate::option_setters::sending_setters;
use crate::redact::redact_url;
use checksum::Checksum;
use engine::{Engine, Told, absolute};
use part::Part;
use place::Place;

/// Bytes of a `data:` URI's file, at most, unless it is set.
const MAX_DATA_URI_SIZE: u64 = 64 << 20;

/// How long another download of the same file may stand still before it isn't waited for any more.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// A download that [`download`](BackendClient::download) begins: where to, [`to`](Download::to) says.
#[must_use = "nothing is downloaded until it is told where to"]
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
    durable: bool,
    max_data_uri: u64,
    lock_timeout: Duration,
    on_progress: Option<Told>,
    problems: Vec<String>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        DownloadOptions {
            size: None,
            checksum: None,
            durable: false,
            max_data_uri: MAX_DATA_URI_SIZE,
            lock_timeout: LOCK_TIMEOUT,
            on_progress: None,
            problems: Vec::new(),
        }
    }
}

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes of it that were there before: of a download that had broken off, or of another one that brought the whole
    /// meanwhile.
    pub resumed_from: u64,
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Bytes of the file that are there. Fewer than before where the file changed at the server, or that gives no ranges.
    pub bytes_received: u64,
    /// Size of the file in bytes, where it is known.
    pub bytes_total: Option<u64>,
    /// Bytes that were there at the beginning.
    pub resumed_from: u64,
}

impl BackendClient {
    /// Downloads a file: `url` is absolute, or a path on the backend's host (`/media/x.png`), or a `data:` URI.
    ///
    /// It comes under a temporary name in the directory of its own, which it gets when all of it is there: a reader never
    /// sees half a file. What breaks off is gone on from (`Range` and `If-Range`, RFC 9110, section 14), by this call or by
    /// the next one of the same file to the same path, in this process or another; begun anew where the server gives no
    /// ranges, or the file changed; a URL that was signed anew is the same file. Two downloads of the same file to the same path
    /// at once are one: the second waits.
    /// Length, and the digest where one is given, are compared.
    ///
    /// The URL is sent byte for byte (`|`, `^`, `[`, `%2f` and `%2F` too), with these exceptions of the URL standard (WHATWG):
    /// - left out: surrounding white space, tabs, line breaks, and the fragment (`#…`);
    /// - percent-encoded: spaces, other control characters, `"`, `<`, `>` and all that isn't ASCII; in a path also `` ` ``, `{` and
    ///   `}`; in a query also `'` (`%27`);
    /// - in a path, `\` becomes `/`, and the segments `.` and `..` are resolved, percent-encoded or not.
    ///
    /// Credentials go to the backend's own origin only; a redirect is followed without them. The user's umask decides who
    /// may read the file.
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
        Download { client: self.clone(), url: url.into(), download: DownloadOptions::default(), options: CallOptions::default() }
    }
}

impl Download {
    sending_setters!();

    /// The size that the file has to be of, in bytes.
    pub fn size(mut self, bytes: u64) -> Self {
        self.download.size = Some(bytes);
        self
    }

    /// The digest that the file has to have, in hexadecimal: its MD5, SHA-1 or SHA-256, as its length tells.
    pub fn checksum(mut self, hex: impl AsRef<str>) -> Self {
        match Checksum::parse(hex.as_ref()) {
            Ok(checksum) => self.download.checksum = Some(checksum),
            Err(problem) => self.download.problems.push(format!("checksum: {problem}")),
        }
        self
    }

    /// Waits until the file is on the disk before it gets its name, so that not even a power cut leaves half a file. Not
    /// unless set: it takes a while, and the end of a process, however sudden, does no harm without it.
    pub fn durable(mut self, durable: bool) -> Self {
        self.download.durable = durable;
        self
    }

    /// The largest file that a `data:` URI may hold, in bytes; 64 MiB unless set.
    pub fn max_data_uri_size(mut self, bytes: u64) -> Self {
        self.download.max_data_uri = bytes;
        self
    }

    /// How long another download of the same file, perhaps another process's, may stand still while this one waits for it;
    /// 5 minutes unless set.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.download.lock_timeout = timeout;
        self
    }

    /// Told how far the download has come, after each piece.
    ///
    /// Called in order, from the task that receives: it must not block.
    pub fn on_progress(mut self, told: impl Fn(DownloadProgress) + Send + Sync + 'static) -> Self {
        self.download.on_progress = Some(Arc::new(told));
        self
    }

    /// Downloads the file to `path`, in the place of what is there. The directory has to be there.
    ///
    /// Dropping it stops it; what came so far is gone on from the next time, where the server names the file's state by a
    /// strong `ETag` or `Last-Modified`, or its digest is given. It is kept in the same directory as `.{16 hex digits}.part`.
    ///
    /// # Errors
    /// Where the URL or the path can't be right (nothing is sent then); where the server answers with an error; where the
    /// connection breaks time and again; where the file is of another size or digest than it should be; where it can't be
    /// written. What stood at `path` is as it was.
    pub fn to(self, path: impl Into<PathBuf>) -> Sending<Downloaded> {
        let path = path.into();
        Sending::new(self.run(path))
    }

    async fn run(self, path: PathBuf) -> Result<Downloaded> {
        let Download { client, url, download, options } = self;
        let mut problems = download.problems.clone();
        problems.extend(options.problems());
        if !problems.is_empty() {
            return Err(Error::invalid_input(format!("download: {}", problems.join("; "))));
        }
        let place = Place::new(path, &url)?;
        if is_data_uri(url.trim_start()) {
            return within(options.deadline(), "writing the file", inline(&url, place, &download)).await?;
        }
        let url = absolute(&client, &url)?;
        let engine = Engine { client: &client, options: &download, calls: &options, url, place };
        within(options.deadline(), "waiting for the file or its part", engine.run()).await?
    }
}

/// Writes the file that a `data:` URI is.
async fn inline(uri: &str, place: Place, options: &DownloadOptions) -> Result<Downloaded> {
    let content = data_uri::decode(uri.trim(), options.max_data_uri)?;
    let bytes = content.len() as u64;
    if let Some(size) = options.size.filter(|size| *size != bytes) {
        return Err(Error::invalid_input(format!("download: the `data:` URI holds {bytes} bytes, and {size} are expected")));
    }
    let path = place.target.clone();
    // Whoever has it writes the same.
    let Some(mut part) = Part::open(place, options.checksum.clone()).await? else {
        return Ok(Downloaded { path, bytes, resumed_from: bytes });
    };
    part.begin(None).await?;
    part.push(Bytes::from(content)).await?;
    part.finish(options.durable).await.map_err(|error| error.during(format!("writing {}", path.display())))?;
    Ok(Downloaded { path, bytes, resumed_from: 0 })
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
