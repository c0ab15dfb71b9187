//! Whether a list has any item.

use crate::call::{Call, ResponseFuture};
use crate::client::BackendClient;
use crate::generated::operation::PagedOperation;
use crate::generated::raw::LISTS;

impl BackendClient {
    /// Returns whether a list has at least one item. The list's request is sent with `page_size=1`, if the API's document
    /// names this parameter.
    ///
    /// # Errors
    /// Returns an error if a parameter is invalid (nothing is sent then), if the server responds with an error, or if
    /// it doesn't respond.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let models = client.list_models().params(|p| p.project(123).is_active(true));
    /// if !client.exists(models).await? {
    ///     println!("the project has no active model");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn exists<B: PagedOperation>(&self, list: Call<B>) -> ResponseFuture<bool> {
        let has_page_size =
            |parameters: &[crate::ParameterInfo]| parameters.iter().any(|p| p.wire == "page_size");
        let is_sized = LISTS.iter().any(|known| known.id() == B::ID && has_page_size(known.parameters()));
        let list = if is_sized { list.param("page_size", 1) } else { list };
        let mut items = list.list_all_raw().limit(1).concurrency(1).stream();
        ResponseFuture::new(async move { items.next().await.transpose().map(|item| item.is_some()) })
    }
}
