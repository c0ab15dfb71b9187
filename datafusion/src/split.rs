//! [`ListTableBuilder::split`]: the parts of a list as tables of their own.

use std::sync::Arc;

use datafusion::common::{Result, exec_err, plan_err};
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};

use crate::builder::ListTableBuilder;
use crate::table::ListTable;

/// Which part of a list a table has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SplitPart {
    pub(crate) index: usize,
    pub(crate) parts: usize,
    /// The number of the list's items. Another one has other parts.
    pub(crate) items: u64,
}

impl SplitPart {
    /// Checks that the list has the parts that it had when it was split.
    ///
    /// # Errors
    /// Returns an error if the number of its items differs.
    pub(crate) fn check(&self, operation: &str, total: Option<u64>) -> Result<()> {
        match total {
            Some(total) if total == self.items => Ok(()),
            Some(total) => exec_err!(
                "{operation}: the list has {total} items, but had {} when it was split: split it again",
                self.items
            ),
            None => exec_err!("{operation}: the list has no count: it can't be split"),
        }
    }
}

/// A list that is split into tables.
#[derive(Debug, Clone)]
pub struct SplitList {
    /// The number of the list's items.
    pub items: u64,
    /// The tables, which have these items once together, in the list's order.
    pub tables: Vec<Arc<ListTable>>,
}

impl ListTableBuilder {
    /// Returns tables that together have each item of the list once: one for each range of its pages, of which there are at most
    /// `parts`. With them, a query for each part can run and fail on its own, and each can write a file of its own. The last ones are empty if
    /// the list has few pages.
    ///
    /// The session's `count(*)` of the table, one request, tells the number of items. A scan of a part is an error if the list has
    /// another number by then. Filters aren't sent to the server, as the parts of its answer would differ: set
    /// [`parameter`](ListTableBuilder::parameter)s before.
    ///
    /// ```no_run
    /// # async fn example() -> datafusion::common::Result<()> {
    /// use datafusion::prelude::SessionContext;
    /// use synapse_datafusion::ListTable;
    ///
    /// let context = SessionContext::new();
    /// let events = ListTable::named("default", "list_ground_truth_events").parameter("project", "123");
    /// for (index, part) in events.split(&context, 16).await?.tables.into_iter().enumerate() {
    ///     context.register_table("part", part)?;
    ///     context.sql(&format!("COPY (SELECT id, data FROM part) TO 'events-{index:02}.parquet'")).await?.collect().await?;
    ///     context.deregister_table("part")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the options skip or drop items, if the table can't be [built](ListTableBuilder::build), or if the count
    /// can't be read. A cursor list can't be split: its count is read item by item, and scans of its parts are errors.
    pub async fn split(self, session: &SessionContext, parts: usize) -> Result<SplitList> {
        let (source, options) = self.into_source()?;
        if !options.returns_count() {
            return plan_err!(
                "split: the list's count must be that of its rows: leave `policy` strict, and don't set `deduplicate` or `skip_failed_pages`"
            );
        }
        let build = |part| {
            let options = crate::options::TableOptions { part, ..options.clone() };
            ListTableBuilder::of(Ok(source.clone())).with_options(options).build()
        };
        let items = session.read_table(build(None)?)?.count().await? as u64;
        let parts = parts.clamp(1, usize::try_from(items).unwrap_or(usize::MAX).max(1));
        let table = |index| build(Some(SplitPart { index, parts, items }));
        Ok(SplitList { items, tables: (0..parts).map(table).collect::<Result<_>>()? })
    }
}
