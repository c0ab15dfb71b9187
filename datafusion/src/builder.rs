//! [`ListTableBuilder`]: the options of a table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{Result, exec_datafusion_err};
use synapse_backend_client::{BackendClient, Call, DynamicList, ListPolicy, PagedOperation};

use crate::columns::TextColumns;
use crate::connections::{Connections, EnvironmentConnections};
use crate::errors;
use crate::options::TableOptions;
use crate::source::{self, Named, Source};
use crate::table::ListTable;

/// Lists of a client as tables.
pub trait ListTables {
    /// Returns a table of a list, whose options are set before [`build`](ListTableBuilder::build). Parameters and options
    /// of the call hold for every request of the table; a [`timeout`](Call::timeout) holds for a part, as
    /// [`deadline`](ListTableBuilder::deadline) does. Pages have 1,000 items unless the call sets `page_size`; a server may send smaller
    /// ones.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> datafusion::common::Result<()> {
    /// use datafusion::prelude::SessionContext;
    /// use synapse_datafusion::ListTables as _;
    ///
    /// let events = client.table(|client| client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])));
    /// let context = SessionContext::new();
    /// context.register_table("events", events.build()?)?;
    /// context.sql("SELECT count(*) FROM events").await?.show().await?;
    /// # Ok(())
    /// # }
    /// ```
    fn table<B: PagedOperation>(&self, list: impl FnOnce(&BackendClient) -> Call<B>) -> ListTableBuilder;
}

impl ListTables for BackendClient {
    fn table<B: PagedOperation>(&self, list: impl FnOnce(&BackendClient) -> Call<B>) -> ListTableBuilder {
        ListTableBuilder::of(list(self).into_dynamic().map(Source::Call).map_err(errors::of_client))
    }
}

impl ListTable {
    /// Returns a table of a list that is read through a named connection of the process that scans it, so that its plans can be sent
    /// to other processes: see [`Connections`]. `operation` is the list's `operationId`.
    ///
    /// ```no_run
    /// # async fn example() -> datafusion::common::Result<()> {
    /// use datafusion::prelude::SessionContext;
    /// use synapse_datafusion::ListTable;
    ///
    /// let context = SessionContext::new();
    /// let models = ListTable::named("default", "list_models").parameter("project", "123");
    /// context.register_table("models", models.build()?)?;
    /// context.sql("SELECT count(*) FROM models").await?.show().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(connection: impl Into<String>, operation: &str) -> ListTableBuilder {
        ListTable::named_with(Arc::new(EnvironmentConnections::new()), connection, operation)
    }

    /// Like [`named`](ListTable::named), with the process's own connections.
    pub fn named_with(
        connections: Arc<dyn Connections>,
        connection: impl Into<String>,
        operation: &str,
    ) -> ListTableBuilder {
        let connection = connection.into();
        let list = connections.lists(&connection).iter().find(|list| list.id() == operation);
        let list = list.map(DynamicList::new).ok_or_else(|| {
            let shown: String = operation.chars().take(100).collect();
            exec_datafusion_err!("the API's document has no list operation {shown:?}")
        });
        let name = Named { connection, base_url: None };
        ListTableBuilder::of(list.map(|list| Source::Named { name, list, connections }))
    }
}

/// Sets the options of a [`ListTable`].
#[must_use = "a table is made by `build`"]
pub struct ListTableBuilder {
    source: Result<Source>,
    options: TableOptions,
}

impl ListTableBuilder {
    pub(crate) fn of(source: Result<Source>) -> Self {
        ListTableBuilder { source, options: TableOptions::default() }
    }

    pub(crate) fn with_options(self, options: TableOptions) -> Self {
        ListTableBuilder { options, ..self }
    }

    /// Adds a value to a parameter of the list, by its name in the request.
    pub fn parameter(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        match &mut self.source {
            Ok(Source::Call(call)) => *call = call.clone().params(|list| list.parameter(name, value)),
            Ok(Source::Named { list, .. }) => *list = list.clone().parameter(name, value),
            Err(_) => {}
        }
        self
    }

    /// Sets the base URL that a named connection must have in each process that reads the table. Another one is an error, in place of
    /// rows of another backend. By default each process uses its own. A table of a client isn't affected.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        if let Ok(Source::Named { name, .. }) = &mut self.source {
            name.base_url = Some(url.into());
        }
        self
    }

    /// Sets how many pages of a scan are fetched concurrently: 8 by default. The parts of a scan share them, and each part fetches at
    /// least one page at a time: with more [`parts`](ListTableBuilder::parts) than this, one for each part.
    pub fn concurrency(mut self, pages: usize) -> Self {
        self.options.concurrency = pages.max(1);
        self
    }

    /// Sets how changes of the list while it is read are handled. The default is [`Strict`](ListPolicy::Strict): a change that a part
    /// notices ends the scan with an error. Parts don't see the items of each other: if as many items are added as are deleted
    /// meanwhile, an item may come twice or not at all. One part, or [`export`](ListTable::export), notices repeated items.
    pub fn policy(mut self, policy: ListPolicy) -> Self {
        self.options.policy = policy.into();
        self
    }

    /// Drops items that come twice in a part: see [`ListAll::deduplicate`](synapse_backend_client::ListAll::deduplicate).
    pub fn deduplicate(mut self, deduplicate: bool) -> Self {
        self.options.deduplicate = deduplicate;
        self
    }

    /// Skips pages that fail after all their retries. The metric `skipped_pages` counts them.
    pub fn skip_failed_pages(mut self, skip: bool) -> Self {
        self.options.skip_failed_pages = skip;
        self
    }

    /// Sets the least time between the requests of a part's pages; zero by default.
    pub fn throttle(mut self, pause: Duration) -> Self {
        self.options.throttle = pause;
        self
    }

    /// Sets how long each part of a scan may take, from its first request to its last page, and how long an export may take; unlimited
    /// by default.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.options.deadline = Some(limit);
        self
    }

    /// Sets how long a scan waits until its reader takes a batch: 10 minutes by default. Then it stops reading, and ends with
    /// an error.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.options.idle_limit = limit;
        self
    }

    /// Sets the number of parts that a scan splits the list into; by default the session's `target_partitions`, of a client's table
    /// no more than pages are fetched concurrently. A list without page numbers (a cursor list) is one part.
    pub fn parts(mut self, parts: usize) -> Self {
        self.options.parts = Some(parts.max(1));
        self
    }

    /// Sets whether a scan reads a [narrower](synapse_backend_client::ListOperation::narrower) list if that has all its columns; it does
    /// by default. If the server doesn't know the narrower list (404), the table reads its own from then on.
    pub fn narrow(mut self, narrow: bool) -> Self {
        self.options.narrow = narrow;
        self
    }

    /// Trusts the server to apply filters of fields as SQL does (`=` and `IN`). By default, DataFusion applies them again. With it,
    /// `LIMIT` and `count(*)` of scans with such filters also use the server's answer.
    pub fn trust_filters(mut self, trust: bool) -> Self {
        self.options.trusted = trust;
        self
    }

    /// Adds a column for each query parameter that is no field, such as `search`. `WHERE search = 'x'` directly above the table sets the
    /// parameter, and the column has its value. The server alone applies it: DataFusion can't check. Without such a filter, a query that
    /// uses the column, also by `*`, is an error.
    pub fn filter_columns(mut self, show: bool) -> Self {
        self.options.filter_columns = show;
        self
    }

    /// Adds columns for fields whose values are secrets, such as tokens. By default they are left out.
    pub fn secret_columns(mut self, show: bool) -> Self {
        self.options.secret_columns = show;
        self
    }

    /// Sets the type of texts: views by default.
    pub fn text_columns(mut self, text: TextColumns) -> Self {
        self.options.text = text;
        self
    }

    /// Returns the table. Nothing is requested.
    ///
    /// # Errors
    /// Returns an error if the call isn't a list of the API's document, if a parameter is invalid, or if it selects a page.
    pub fn build(self) -> Result<Arc<ListTable>> {
        let source = self.source?;
        source::validate(source.list())?;
        if let Source::Call(call) = &source {
            // Its options are checked, too.
            call.clone().request().map_err(errors::of_client)?;
        }
        Ok(Arc::new(ListTable::new(source, self.options)))
    }
}

impl fmt::Debug for ListTableBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListTableBuilder")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish()
    }
}
