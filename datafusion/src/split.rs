//! [`SplitList`]: the parts of a list as tables of their own.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::{Result, exec_err, plan_err};
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};

use crate::builder::ListTableBuilder;
use crate::connections::Connections;
use crate::errors;
use crate::table::ListTable;

/// The most parts of a list.
const MAX_PARTS: usize = 10_000;

/// Which items of a list a table has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SplitPart {
    /// All; a list without a count is an error.
    Counted,
    /// These, of a list with so many. The parts of a list with another count don't fit.
    Items { range: Range<u64>, of: u64 },
}

impl SplitPart {
    /// Checks that the list has as many items as when it was split.
    ///
    /// # Errors
    /// Returns an error if it has another count, or none.
    pub(crate) fn check(&self, operation: &str, total: Option<u64>) -> Result<()> {
        match (total, self) {
            (_, SplitPart::Items { range, of }) if range.start > range.end || range.end > *of => {
                exec_err!(
                    "{operation}: a list of {of} items has no part from {} to {}",
                    range.start,
                    range.end
                )
            }
            (None, _) => exec_err!(
                "{operation}: a list without a count or page numbers, such as a cursor list, can't be split: read it in one part"
            ),
            (Some(total), SplitPart::Items { of, .. }) if total != *of => exec_err!(
                "{operation}: the list has {total} items, but had {of} when it was split: split it again, and discard what its parts had"
            ),
            (Some(_), _) => Ok(()),
        }
    }
}

/// A list that is split into tables, each of which has a range of its items. Together they have each item once.
///
/// A query for each part can run and fail on its own, and each can write a file of its own. A scan of a part is an error if the list has
/// another count than when it was split. That is all that is checked: if as many items are added as are deleted meanwhile, an item may
/// come twice or not at all.
#[derive(Debug, Clone)]
pub struct SplitList {
    table: Arc<ListTable>,
    items: u64,
    parts: usize,
    /// The page size that ranges are multiples of.
    size: u64,
}

/// A split list that another process reads.
#[derive(Serialize, Deserialize)]
struct SplitText {
    table: String,
    items: u64,
    parts: usize,
    size: u64,
}

impl ListTableBuilder {
    /// Splits the list into at most this many tables, and never more than 10,000. The session's `count(*)` of the table and of the first
    /// part, a request each, say how many items there are. A scan of a part requests the list's first page, too. Filters aren't sent to the server, as they change which
    /// items a range has: set [`parameter`](ListTableBuilder::parameter)s before. The option [`parts`](ListTableBuilder::parts) isn't used.
    ///
    /// ```no_run
    /// # async fn example() -> datafusion::common::Result<()> {
    /// use datafusion::prelude::SessionContext;
    /// use synapse_datafusion::ListTable;
    ///
    /// let context = SessionContext::new();
    /// let events = ListTable::named("default", "list_ground_truth_events").parameter("project", "123");
    /// let events = events.split(&context, 16).await?;
    /// for index in 0..events.parts() {
    ///     context.register_table("part", events.table(index)?)?;
    ///     context.sql(&format!("COPY (SELECT id, data FROM part) TO 'events-{index:02}.parquet'")).await?.collect().await?;
    ///     context.deregister_table("part")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the options skip or drop items, if the table can't be [built](ListTableBuilder::build), or if the list has
    /// no count or no page numbers, as a cursor list.
    pub async fn split(self, session: &SessionContext, parts: usize) -> Result<SplitList> {
        let table = self.build()?;
        check(&table)?;
        let counted = Arc::new(table.of_split(SplitPart::Counted));
        let items = session.read_table(counted)?.count().await? as u64;
        let parts = parts.clamp(1, MAX_PARTS);
        // Ranges that begin with a page don't share it.
        let size = table.page_size();
        let pages = items.div_ceil(size).max(1);
        let list =
            SplitList { table, items, parts: usize::try_from(pages).unwrap_or(parts).min(parts), size };
        // A list without page numbers has a count, but no ranges.
        let first = session.read_table(list.table(0)?)?.count().await? as u64;
        match first == list.range(0)?.end {
            true => Ok(list),
            false => exec_err!("split: the first part has {first} items in place of {}", list.range(0)?.end),
        }
    }
}

/// Checks that a scan of a table returns as many rows as the list has items, or fails.
fn check(table: &ListTable) -> Result<()> {
    match table.options().returns_count() {
        true => Ok(()),
        false => plan_err!(
            "split: the list's count must be that of its rows: leave `policy` strict, and don't set `deduplicate` or `skip_failed_pages`"
        ),
    }
}

impl SplitList {
    /// Returns the number of the list's items.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// Returns the number of parts: fewer than asked for if the list has fewer pages.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Returns the items of a part, counted from 0 in the list's order.
    ///
    /// # Errors
    /// Returns an error if there is no such part.
    pub fn range(&self, index: usize) -> Result<Range<u64>> {
        if index >= self.parts {
            return exec_err!("split: there is no part {index}: the list has {} parts", self.parts);
        }
        let (pages, parts) = (self.items.div_ceil(self.size), self.parts as u64);
        let begin = |part: u64| {
            let page = part * (pages / parts) + part.min(pages % parts);
            page.saturating_mul(self.size).min(self.items)
        };
        Ok(begin(index as u64)..begin(index as u64 + 1))
    }

    /// Returns the table of a part.
    ///
    /// # Errors
    /// Returns an error if there is no such part.
    pub fn table(&self, index: usize) -> Result<Arc<ListTable>> {
        let part = SplitPart::Items { range: self.range(index)?, of: self.items };
        Ok(Arc::new(self.table.of_split(part)))
    }

    /// Returns the split as text, for [`from_text`](SplitList::from_text) in another process.
    ///
    /// # Errors
    /// Returns an error if the table isn't a [named](ListTable::named) one.
    pub fn to_text(&self) -> Result<String> {
        errors::write_json(&SplitText {
            table: self.table.to_text()?,
            items: self.items,
            parts: self.parts,
            size: self.size,
        })
    }

    /// Returns the split of a text, whose tables read through one of these connections.
    ///
    /// # Errors
    /// Returns an error if the text isn't that of a split, or if the document has no such list.
    pub fn from_text(text: &[u8], connections: Arc<dyn Connections>) -> Result<SplitList> {
        let SplitText { table, items, parts, size } = errors::read_json(text, "split list")?;
        let table = ListTable::from_text(table.as_bytes(), connections)?;
        check(&table)?;
        if size == 0 || parts == 0 || parts > MAX_PARTS || parts as u64 > items.div_ceil(size).max(1) {
            return exec_err!("it isn't the text of a split list: it has {parts} parts of {items} items");
        }
        Ok(SplitList { table, items, parts, size })
    }
}
