//! Whether a list has any item.

use crate::call::{Call, ResponseFuture};
use crate::client::BackendClient;
use crate::generated::description::Place;
use crate::generated::operation::PagedOperation;

impl BackendClient {
    /// Returns whether a list has at least one item. The list's request is sent with `page_size=1`, if the document of
    /// its operation names this parameter.
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
        let mut parameters = list.operation().described_parameters().iter();
        let is_sized = parameters.any(|known| known.wire == "page_size" && known.place == Place::Query);
        let list = if is_sized { list.param("page_size", 1) } else { list };
        let mut items = list.list_all_raw().limit(1).concurrency(1).stream();
        ResponseFuture::new(async move { items.next().await.transpose().map(|item| item.is_some()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Json;
    use crate::call::custom_request::NullableDecoder;
    use crate::generated::body::NoBody;
    use crate::generated::description::{OperationInfo, ParameterInfo};
    use crate::generated::operation::Described;
    use crate::generated::pagination::Pagination;
    use crate::generated::parameters::Parameters;
    use crate::support::tcp_server::{Act, Server, json};

    /// A list of another document, with or without a page size.
    #[derive(Clone, Debug)]
    struct OtherList<const SIZED: bool>(Parameters);

    impl<const SIZED: bool> Described for OtherList<SIZED> {
        type Body = NoBody;
        type Output = Json;
        type Decoder = NullableDecoder;
        const INFO: &'static OperationInfo = match SIZED {
            true => &OperationInfo {
                parameters: &[ParameterInfo::query("page_size")],
                pagination: Some(Pagination::new()),
                ..OperationInfo::new("list_others", "GET", "/others/")
            },
            // This crate's own document has an operation with this id, which has a page size.
            false => &OperationInfo {
                parameters: &[ParameterInfo::header("page_size")],
                pagination: Some(Pagination::new()),
                ..OperationInfo::new("list_models", "GET", "/models/")
            },
        };

        fn into_parameters(self) -> Parameters {
            self.0
        }
    }

    impl<const SIZED: bool> PagedOperation for OtherList<SIZED> {
        type Item = Json;
    }

    #[tokio::test]
    async fn page_size_is_that_of_the_call() {
        crate::marker::watch();
        let server = Server::with(|_| Act::Keep(json(200, r#"{"next": null, "results": [1]}"#))).await;
        let client = BackendClient::builder(&server.url).build().unwrap();
        let sized = OtherList::<true>(Parameters::new(OtherList::<true>::INFO, NoBody));
        assert!(client.exists(client.call(|_| sized)).await.unwrap());
        let unsized_list = OtherList::<false>(Parameters::new(OtherList::<false>::INFO, NoBody));
        assert!(client.exists(client.call(|_| unsized_list)).await.unwrap());
        assert_eq!(server.lines(), ["GET /others/?page_size=1", "GET /models/"]);
    }
}
