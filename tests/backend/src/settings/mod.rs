//! The settings of a backend, and their builder.

mod data;
mod quirks;
mod storage;

use std::io;
use std::time::Duration;

use crate::backend::Backend;
use crate::time::Timestamp;

pub(crate) use data::Counts;
pub(crate) use quirks::Quirks;
pub use quirks::{ConsoleLogs, TaskBodies};
pub(crate) use storage::StorageSettings;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path_prefix: String,
    pub(crate) public_url: Option<String>,
    pub(crate) token: String,
    pub(crate) agent_token: String,
    pub(crate) tenant: Option<String>,
    pub(crate) require_auth: bool,
    pub(crate) latency: Duration,
    pub(crate) page_size: u64,
    pub(crate) max_page_size: u64,
    pub(crate) cursor_pagination: bool,
    pub(crate) signed_urls: bool,
    pub(crate) signature_prefix: String,
    pub(crate) relative_urls: bool,
    pub(crate) url_hosts: Vec<(String, String)>,
    pub(crate) max_upload_bytes: Option<u64>,
    pub(crate) max_file_bytes: Option<u64>,
    pub(crate) upload_expiry: Duration,
    pub(crate) models: u64,
    pub(crate) events: u64,
    pub(crate) events_per_id: u64,
    pub(crate) projects: u64,
    pub(crate) datasets: u64,
    pub(crate) versions: u64,
    pub(crate) seed: u64,
    pub(crate) newest: Timestamp,
    pub(crate) record_requests: bool,
    pub(crate) record_bodies: bool,
    pub(crate) counts: Counts,
    pub(crate) quirks: Quirks,
    pub(crate) storage: StorageSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            path_prefix: String::new(),
            public_url: None,
            token: "test-access-token".to_owned(),
            agent_token: "test-agent-token".to_owned(),
            tenant: None,
            require_auth: true,
            latency: Duration::ZERO,
            page_size: 100,
            max_page_size: 1000,
            cursor_pagination: false,
            signed_urls: true,
            signature_prefix: String::new(),
            relative_urls: false,
            url_hosts: Vec::new(),
            max_upload_bytes: None,
            max_file_bytes: None,
            upload_expiry: Duration::from_secs(24 * 3600),
            models: 20,
            events: 1000,
            events_per_id: 1,
            projects: 3,
            datasets: 2,
            versions: 4,
            seed: 0,
            // 2026-06-30T18:00:00+09:00
            newest: Timestamp::from_micros(1_782_810_000_000_000),
            record_requests: true,
            record_bodies: true,
            counts: Counts::default(),
            quirks: Quirks::default(),
            storage: StorageSettings::default(),
        }
    }
}

/// Builds a [`Backend`]. Every setting has a default that suits a test.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use synapse_test_backend::Backend;
///
/// let backend = Backend::builder()
///     .models(20)
///     .ground_truth_events(10_000)
///     .max_page_size(500)
///     .start()
///     .await?;
/// println!("{} {}", backend.url(), backend.token());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct BackendBuilder {
    settings: Settings,
}

impl BackendBuilder {
    /// Sets the address to listen on. Default `127.0.0.1`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().host("0.0.0.0");
    /// ```
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.settings.host = host.into();
        self
    }

    /// Sets the port to listen on. Default 0: any free port.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().port(8000);
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.settings.port = port;
        self
    }

    /// Serves the API below this path, such as `/api/v1`. The path is part of [`Backend::url`].
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().path_prefix("/api/v1");
    /// ```
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.path_prefix = prefix.into();
        self
    }

    /// Sets the start of absolute links (`next`, an upload's `url`, files), as behind a proxy: this URL,
    /// followed by the path as the server sees it. By default the `Host` header is used.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().public_url("https://synapse.example/api/v1");
    /// ```
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Sets the token that the server accepts in `Synapse-Access-Token` and `Authorization`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().token("secret");
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into();
        self
    }

    /// Sets the token that the server accepts in `SYNAPSE-Agent`, besides the access token.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().agent_token("agent-secret");
    /// ```
    pub fn agent_token(mut self, token: impl Into<String>) -> Self {
        self.settings.agent_token = token.into();
        self
    }

    /// Sets the only tenant code that the server accepts in `Synapse-Tenant`; others get a 403. By default
    /// any is accepted.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().tenant("acme");
    /// ```
    pub fn tenant(mut self, code: impl Into<String>) -> Self {
        self.settings.tenant = Some(code.into());
        self
    }

    /// Sets whether requests need a token. Default `true`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().require_auth(false);
    /// ```
    pub fn require_auth(mut self, required: bool) -> Self {
        self.settings.require_auth = required;
        self
    }

    /// Delays the processing of each request. Default: no delay.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().latency(std::time::Duration::from_millis(5));
    /// ```
    pub fn latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Sets the page size if a request has no `page_size`. Default 100.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().page_size(20);
    /// ```
    pub fn page_size(mut self, size: u64) -> Self {
        self.settings.page_size = size.max(1);
        self
    }

    /// Sets the largest page size. The server caps a larger `page_size` silently. Default 1,000.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().max_page_size(500);
    /// ```
    pub fn max_page_size(mut self, size: u64) -> Self {
        self.settings.max_page_size = size.max(1);
        self
    }

    /// Sets whether lists use cursors: responses have no `count`, and `next` and `previous` contain a
    /// `cursor`. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().cursor_pagination(true);
    /// ```
    pub fn cursor_pagination(mut self, cursors: bool) -> Self {
        self.settings.cursor_pagination = cursors;
        self
    }

    /// Sets whether file URLs carry a signature, which is different in each response. Default `true`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().signed_urls(false);
    /// ```
    pub fn signed_urls(mut self, signed: bool) -> Self {
        self.settings.signed_urls = signed;
        self
    }

    /// Sets a prefix of all signatures and of the secrets in storages' configurations, so that a test can find
    /// places where one is shown. Default: empty.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().signature_prefix("secret");
    /// ```
    pub fn signature_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.signature_prefix = prefix.into();
        self
    }

    /// Sets whether file URLs are relative to the host (`/media/…`) instead of absolute. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().relative_urls(true);
    /// ```
    pub fn relative_urls(mut self, relative: bool) -> Self {
        self.settings.relative_urls = relative;
        self
    }

    /// Makes `?url_host=<word>` put `base` (such as `http://storage.internal:9000`) before file paths.
    /// Unknown words have no effect. May be called several times.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().url_host("internal", "http://storage.internal:9000");
    /// ```
    pub fn url_host(mut self, word: impl Into<String>, base: impl Into<String>) -> Self {
        self.settings.url_hosts.push((word.into(), base.into()));
        self
    }

    /// Sets the largest body of one upload request; a larger one gets a 413 page from the "proxy". Default:
    /// no limit.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().max_upload_bytes(1 << 20);
    /// ```
    pub fn max_upload_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_upload_bytes = Some(bytes);
        self
    }

    /// Sets the largest file that the application accepts; a larger one gets a 400. Default: no limit.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().max_file_bytes(1 << 30);
    /// ```
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_file_bytes = Some(bytes);
        self
    }

    /// Sets how long after its first chunk an incomplete upload expires. Default: a day.
    /// [`Backend::expire_upload`] expires a single upload.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().upload_expiry(std::time::Duration::from_secs(3600));
    /// ```
    pub fn upload_expiry(mut self, expiry: Duration) -> Self {
        self.settings.upload_expiry = expiry;
        self
    }

    /// Sets whether requests are recorded for [`Backend::requests`]. Default `true`; benches turn it off.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().record_requests(false);
    /// ```
    pub fn record_requests(mut self, record: bool) -> Self {
        self.settings.record_requests = record;
        self
    }

    /// Sets whether small request bodies are recorded with the requests. Default `true`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().record_bodies(false);
    /// ```
    pub fn record_bodies(mut self, record: bool) -> Self {
        self.settings.record_bodies = record;
        self
    }

    /// Starts the backend on its own thread and returns when it is listening.
    ///
    /// The backend doesn't use the caller's runtime: it outlives the runtime that started it, and a paused
    /// Tokio clock doesn't stop it.
    ///
    /// # Errors
    /// Returns an error if the address can't be bound, or if a setting is not a valid URL or path.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// let backend = synapse_test_backend::Backend::builder().path_prefix("/api/v1").start().await?;
    /// assert!(backend.url().ends_with("/api/v1"));
    /// # Ok(()) }
    /// ```
    pub async fn start(self) -> io::Result<Backend> {
        Backend::start_with(self.checked()?).await
    }

    fn checked(self) -> io::Result<Settings> {
        let bad = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let mut settings = self.settings;
        let prefix = settings.path_prefix.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !prefix.chars().all(plain) || prefix.contains("//") {
            return Err(bad(format!("path_prefix `{prefix}` must be plain path segments such as `/api/v1`")));
        }
        settings.path_prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        let bases = settings.url_hosts.iter_mut().map(|(_, base)| ("url_host", base));
        for (name, url) in settings.public_url.iter_mut().map(|url| ("public_url", url)).chain(bases) {
            if !url.contains("://") || url.parse::<axum::http::Uri>().is_err() {
                return Err(bad(format!(
                    "{name} `{url}` must be an absolute URL such as `https://host/path`"
                )));
            }
            url.truncate(url.trim_end_matches('/').len());
        }
        Ok(settings)
    }
}
