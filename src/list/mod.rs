//! Lists that follow every page.
//!
//! Knows how Django REST Framework pages, and nothing of what is on the pages.

mod adaptive_limit;
pub(crate) mod anomaly;
mod arrivals;
mod checkpoint;
mod comparing;
mod dedup;
mod fingerprint;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod identity;
mod links;
mod list_all;
mod page;
mod page_cursor;
mod page_plan;
mod page_text;
mod pages;
mod partitions;
mod prefetch;
mod raw_item;
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
    /// Every item of the list, from the page that the parameters ask for (the first, unless set) to the last.
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

    /// As [`list_all`](Call::list_all), with items of a type of yours: a narrow struct that skips what it
    /// doesn't need.
    pub fn list_all_as<T: DeserializeOwned + Send + 'static>(self) -> ListAll<T> {
        ListAll::new(self.prepare_several(), Decoder::typed())
    }

    /// As [`list_all`](Call::list_all), with items as their own JSON text, for what is written out again.
    pub fn list_all_raw(self) -> ListAll<RawItem> {
        ListAll::new(self.prepare_several(), Decoder::raw())
    }
}
