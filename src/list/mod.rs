//! Lists that read every page.
//!
//! Follows the pages as a [`Pagination`](crate::Pagination) describes them; the default is that of Django REST
//! Framework. It is independent of what the pages contain.

mod adaptive_limit;
pub(crate) mod anomaly;
mod checkpoint;
mod comparing;
mod fingerprint;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod identity;
mod links;
mod list_all;
mod list_stream;
mod page;
mod page_cursor;
mod page_headers;
mod page_plan;
mod page_processing;
mod page_text;
mod pages;
mod partitions;
mod prefetch;
mod raw_item;
mod recent_set;
mod report;
mod report_text;
mod resume;
mod stored_link;
mod throttle;

pub use checkpoint::Checkpoint;
pub use list_all::ListAll;
pub use list_stream::ListStream;
pub(crate) use page_plan::MAX_STALLED;
pub use pages::{ListPage, ListPages};
pub use partitions::ListPart;
pub use raw_item::RawItem;
pub use report::{ListPolicy, ListReport, PageFailure};

use serde::de::DeserializeOwned;

use list_all::ListRequest;
use page::Decoder;

use crate::call::Call;
use crate::call::custom_request::unreadable;
use crate::call::dynamic_list::DynamicList;
use crate::client::BackendClient;
use crate::error::{Error, Result};
use crate::generated::list_operation::ListOperation;
use crate::generated::operation::{Operation, PagedOperation};
use crate::transport::TransportRequest;

impl<B: Operation> Call<B> {
    /// Returns a request for every item, from the page that the parameters select (by default the first) to the
    /// last. A POST operation sends the same JSON body with every page.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])).list_all();
    /// let mut stream = events.clone().stream();
    /// while let Some(event) = stream.next().await {
    ///     println!("{}", event?.id);
    /// }
    /// let again: Vec<_> = events.try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A list that isn't in the API's document has the pages of Django REST Framework, with `results` and `next`, unless [`pagination`](crate::CustomRequest::pagination) says otherwise:
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::{Json, reqwest::Method};
    ///
    /// let tags: Vec<Json> = client.request(Method::GET, "/tags/").param("project", 1).list_all().try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("cursor", "paginate", "pagination", "paging"))]
    pub fn list_all<T>(self) -> ListAll<T>
    where
        // Not `ListAll<B::Item>`: then the compiler wouldn't say why an operation has no `list_all`.
        B: PagedOperation<Item = T>,
        T: DeserializeOwned + Send + 'static,
    {
        list_of(self.map(B::listed), Decoder::typed())
    }

    /// Like [`list_all`](Call::list_all), but decodes items into your own type, such as a struct with only
    /// the fields that you need.
    pub fn list_all_as<T: DeserializeOwned + Send + 'static>(self) -> ListAll<T>
    where
        B: PagedOperation,
    {
        list_of(self.map(B::listed), Decoder::typed())
    }

    /// Like [`list_all`](Call::list_all), but returns each item as raw JSON text, for example to write it to
    /// a file.
    pub fn list_all_raw(self) -> ListAll<RawItem>
    where
        B: PagedOperation,
    {
        list_of(self.map(B::listed), Decoder::raw())
    }
}

impl BackendClient {
    /// Reads a list operation that is chosen at run time, as raw JSON texts. `parameters` are the names and
    /// values of its parameters, also those of the path; a parameter of several values is given once for each.
    ///
    /// An unknown name, a missing required parameter or a second value is an error of the list's first item;
    /// nothing is sent then. A [`DynamicList`] is the same with the options of a call.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::raw::LISTS;
    ///
    /// let models = LISTS.iter().find(|list| list.path() == "/models/").expect("the document has models");
    /// let mut items = client.list(models, [("project", "123")]).stream();
    /// while let Some(item) = items.next().await {
    ///     println!("{}", item?.as_str());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<N: AsRef<str>, V: Into<String>>(
        &self,
        operation: &'static ListOperation,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> ListAll<RawItem> {
        let list = DynamicList::new(operation);
        let list = parameters.into_iter().fold(list, |list, (name, value)| list.parameter(name, value));
        Call::new(self.clone(), list).list_all_raw()
    }
}

fn list_of<B, T>(call: Call<B>, decoder: Decoder<T>) -> ListAll<T>
where
    B: Operation + Clone + Sync + 'static,
    T: Send + 'static,
{
    let make_request = move || {
        let transport = call.client().transport().clone();
        let pagination = call.operation().pagination().unwrap_or_default();
        let (template, timeout) = call.clone().prepare_several();
        ListRequest { transport, template: template.and_then(readable), pagination, timeout }
    };
    ListAll::new(make_request, decoder)
}

/// Returns the first page's request.
///
/// # Errors
/// Returns an error if the other pages can't be requested like it.
fn readable(request: TransportRequest) -> Result<TransportRequest> {
    let is_streamed = request.streamed.is_some() || request.multipart.is_some();
    match unreadable(request.request.method(), is_streamed) {
        None => Ok(request),
        Some(problem) => Err(Error::invalid_input(format!("{}: {problem}", request.operation))),
    }
}
