//! Storages: the one where files are stored by default.

use crate::call::ResponseFuture;
use crate::client::BackendClient;
use crate::error::{Error, ErrorKind};
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
    pub fn get_default_storage(&self) -> ResponseFuture<types::Storage> {
        let list = self.call(|raw| raw.list_storages()).params(|p| p.category("internal")).list_all();
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
