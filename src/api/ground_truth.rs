//! Ground truth: events, and the dataset versions that they belong to.

use crate::call::Call;
use crate::client::BackendClient;
use crate::generated::raw::builder;

impl BackendClient {
    /// Lists ground-truth events: one page, or all of them with [`list_all`](Call::list_all).
    ///
    /// Operation `list_ground_truth_events` of the API's document, which describes the filters. In current
    /// releases of the server, an event's own key is `pgh_id`. Its `id` is that of its ground truth, which
    /// several events can share. So a list of all events is checked by `pgh_id`, see
    /// [`ListAll::identity`](crate::ListAll::identity).
    ///
    /// # Errors
    /// Returns an error if a filter is refused (400), or the page is past the end (404).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = client
    ///     .list_ground_truth_events()
    ///     .params(|p| p.ground_truth_dataset_versions([123]))
    ///     .url_conversion("files", |url| format!("https://cdn.example.com{url}"))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_ground_truth_events(&self) -> Call<'_, builder::ListGroundTruthEvents<'_>> {
        self.call(|raw| raw.list_ground_truth_events())
    }

    /// Lists the data of ground-truth events: only `id` and `data`, much lighter than the whole events.
    ///
    /// Operation `list_ground_truth_events_data` of the API's document; only on newer servers. Several events
    /// may have the same `id`.
    ///
    /// # Errors
    /// Returns an error as [`list_ground_truth_events`](Self::list_ground_truth_events) does.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let page = client.list_ground_truth_events_data().params(|p| p.ground_truth_dataset_versions([123])).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_ground_truth_events_data(&self) -> Call<'_, builder::ListGroundTruthEventsData<'_>> {
        self.call(|raw| raw.list_ground_truth_events_data())
    }

    /// Lists the files of ground-truth events: those of each event's data unit, as a list of file objects.
    ///
    /// Operation `list_ground_truth_events_files` of the API's document; only on newer servers. Several
    /// events may have the same `id`.
    ///
    /// # Errors
    /// Returns an error as [`list_ground_truth_events`](Self::list_ground_truth_events) does.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let page = client.list_ground_truth_events_files().params(|p| p.ground_truth_dataset_versions([123])).await?;
    /// println!("{}", page.results[0].files[0]["url"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_ground_truth_events_files(&self) -> Call<'_, builder::ListGroundTruthEventsFiles<'_>> {
        self.call(|raw| raw.list_ground_truth_events_files())
    }

    /// Lists ground truths; their `files` also contain the annotation files (`data_meta_*`).
    ///
    /// Operation `list_ground_truths` of the API's document; only on newer servers.
    ///
    /// # Errors
    /// Returns an error as [`list_ground_truth_events`](Self::list_ground_truth_events) does.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let page = client.list_ground_truths().params(|p| p.ground_truth_dataset(7)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_ground_truths(&self) -> Call<'_, builder::ListGroundTruths<'_>> {
        self.call(|raw| raw.list_ground_truths())
    }

    /// Lists ground-truth dataset versions.
    ///
    /// Operation `list_ground_truth_versions` of the API's document; only on newer servers.
    ///
    /// # Errors
    /// Returns an error as [`list_ground_truth_events`](Self::list_ground_truth_events) does.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let page = client.list_ground_truth_versions().params(|p| p.is_archived(false)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_ground_truth_versions(&self) -> Call<'_, builder::ListGroundTruthVersions<'_>> {
        self.call(|raw| raw.list_ground_truth_versions())
    }

    /// Gets a ground-truth dataset version by its id.
    ///
    /// Operation `get_ground_truth_version` of the API's document.
    ///
    /// # Errors
    /// Returns an error if there is no such version ([`is_not_found`](crate::Error::is_not_found)).
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let version = client.get_ground_truth_version(123).await?;
    /// println!("{} has {:?} events", version.ground_truth_dataset["name"], version.event_count);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_ground_truth_version(&self, pk: i64) -> Call<'_, builder::GetGroundTruthVersion<'_>> {
        self.call(|raw| raw.get_ground_truth_version().id(pk))
    }
}
