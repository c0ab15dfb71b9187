//! The settings of storages and of uploads by presigned URLs.

use super::BackendBuilder;

#[derive(Debug, Clone)]
pub(crate) struct StorageSettings {
    pub(crate) provider: String,
    pub(crate) bare_storages: bool,
    pub(crate) multipart_threshold: u64,
    pub(crate) part_size: u64,
    pub(crate) single_confirm: bool,
    pub(crate) session_error: Option<String>,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            provider: "amazon_s3".to_owned(),
            bare_storages: false,
            multipart_threshold: 100 << 20,
            part_size: 32 << 20,
            single_confirm: false,
            session_error: None,
        }
    }
}

impl BackendBuilder {
    /// Sets the provider of the default storage. Only `amazon_s3`, `s3`, `minio`, `gcp`, `gcs` and `azure` have
    /// presigned URLs. Default `amazon_s3`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().storage_provider("file_system");
    /// ```
    pub fn storage_provider(mut self, provider: impl Into<String>) -> Self {
        self.settings.storage.provider = provider.into();
        self
    }

    /// Sets whether `GET /storages/` responds with a bare array instead of a page. Default `false`.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().bare_storages(true);
    /// ```
    pub fn bare_storages(mut self, bare: bool) -> Self {
        self.settings.storage.bare_storages = bare;
        self
    }

    /// Sets the size in bytes from which a presigned upload has several parts. Default 100 MiB.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().multipart_threshold(1 << 20);
    /// ```
    pub fn multipart_threshold(mut self, bytes: u64) -> Self {
        self.settings.storage.multipart_threshold = bytes;
        self
    }

    /// Sets the size in bytes of each part but the last. Default 32 MiB.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().part_size(1 << 18);
    /// ```
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.settings.storage.part_size = bytes.max(1);
        self
    }

    /// Sets whether an upload can be confirmed only once. By default, a second confirmation finds the same data
    /// file.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().single_confirm(true);
    /// ```
    pub fn single_confirm(mut self, once: bool) -> Self {
        self.settings.storage.single_confirm = once;
        self
    }

    /// Makes `POST /storages/{id}/session/` respond with a 400 that has this `code`. Default: it responds with
    /// a session.
    ///
    /// ```
    /// # use synapse_test_backend::Backend;
    /// let builder = Backend::builder().session_error("provider_unsupported");
    /// ```
    pub fn session_error(mut self, code: impl Into<String>) -> Self {
        self.settings.storage.session_error = Some(code.into());
        self
    }
}
