//! Lists that read every page.
//!
//! Implements the pagination of Django REST Framework. It is independent of what the pages contain.

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
mod page;
mod page_cursor;
mod page_plan;
mod page_processing;
mod page_text;
mod pages;
mod partitions;
mod prefetch;
mod raw_item;
mod recent_set;
mod report;
mod resume;

pub use checkpoint::Checkpoint;
pub use list_all::ListAll;
pub(crate) use page_plan::MAX_STALLED;
pub use pages::{ListPage, ListPages};
pub use raw_item::RawItem;
pub use report::{ListPolicy, ListReport, PageFailure};

use serde::de::DeserializeOwned;

use page::Decoder;

use crate::call::Call;
use crate::generated::operation::{Operation, Page};

impl<B: Operation> Call<'_, B>
where
    B::Output: Page,
{
    /// Returns a stream of every item, from the page that the parameters select (by default the first) to the
    /// last.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let mut events = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])).list_all();
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_all(self) -> ListAll<<B::Output as Page>::Item>
    where
        <B::Output as Page>::Item: DeserializeOwned + Send + 'static,
    {
        ListAll::new(self.prepare_several(), Decoder::typed())
    }

    /// Like [`list_all`](Call::list_all), but decodes items into your own type, such as a struct with only
    /// the fields that you need.
    pub fn list_all_as<T: DeserializeOwned + Send + 'static>(self) -> ListAll<T> {
        ListAll::new(self.prepare_several(), Decoder::typed())
    }

    /// Like [`list_all`](Call::list_all), but returns each item as raw JSON text, for example to write it to
    /// a file.
    pub fn list_all_raw(self) -> ListAll<RawItem> {
        ListAll::new(self.prepare_several(), Decoder::raw())
    }
}
