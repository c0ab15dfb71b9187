//! Storages: the one where files are stored by default.

use std::future::IntoFuture;

use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind, Result};
use crate::generated::raw::types;

impl BackendClient {
    /// Returns the storage where files are stored by default: the internal storage with `is_default`, or else the first
    /// internal one. It has no configuration: see `get_storage`.
    ///
    /// Operation `list_storages` of the API's document, with `category=internal`, page by page.
    ///
    /// # Errors
    /// Returns an error if the server lists no internal storage, if it responds with an error, or if it doesn't respond.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let storage = client.get_default_storage().await?;
    /// println!("{}: {:?}", storage.id, storage.name);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_default_storage(&self) -> GetDefaultStorage {
        GetDefaultStorage { client: self.clone(), options: CallOptions::default() }
    }
}

/// Finds the default storage when it is awaited: see [`get_default_storage`](BackendClient::get_default_storage).
#[must_use = "nothing is requested until it is awaited or sent"]
#[derive(Debug, Clone)]
pub struct GetDefaultStorage {
    client: BackendClient,
    options: CallOptions,
}

impl GetDefaultStorage {
    option_setters!();

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Finds the storage. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`get_default_storage`](BackendClient::get_default_storage) does.
    pub fn send(self) -> ResponseFuture<types::Storage> {
        let list = self.client.call(|raw| raw.list_storages()).params(|p| p.category("internal"));
        let list = list.with_options(self.options).list_all();
        ResponseFuture::new(async move {
            let mut storages = list.stream();
            let mut first = None;
            while let Some(storage) = storages.next().await {
                let storage: types::Storage = storage?;
                // A server may ignore the filter.
                let is_internal =
                    |category: &types::StorageCategory| category.to_string().eq_ignore_ascii_case("internal");
                if !storage.category.as_ref().is_none_or(is_internal) {
                    continue;
                }
                if storage.is_default == Some(true) {
                    return Ok(storage);
                }
                first.get_or_insert(storage);
            }
            first.ok_or_else(|| {
                Error::new(ErrorKind::Decode, "get_default_storage: the server lists no internal storage")
            })
        })
    }
}

impl HasOptions for GetDefaultStorage {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl IntoFuture for GetDefaultStorage {
    type Output = Result<types::Storage>;
    type IntoFuture = ResponseFuture<types::Storage>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}
