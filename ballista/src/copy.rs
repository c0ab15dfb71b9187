//! [`PartsCopy`]: a copy of a list to files that all executors write.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use datafusion::prelude::SessionContext;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use synapse_datafusion::{Connections, ListTable, ListTableBuilder, SplitList};

/// The version of the texts.
const VERSION: u32 = 1;

/// A copy of a list to Parquet files in a directory, one for each part of the list.
///
/// `COPY` reads on all executors, but one of them writes. This runs a query for each part, whose executor reads and writes it. The
/// files are `part-00000.parquet` and so on. When all are complete, `_manifest.json` lists them with their rows, one JSON object a line: a
/// directory without it may have a file of a failed part with some of its rows. Use a new directory for each copy.
///
/// ```no_run
/// # async fn example(session: datafusion::prelude::SessionContext) -> datafusion::common::Result<()> {
/// use synapse_ballista::PartsCopy;
///
/// let events = synapse_ballista::table("default", "list_ground_truth_events").parameter("page_size", "1000");
/// let mut copy = PartsCopy::new(&session, events, 64, "file:///mnt/exports/events/").await?.columns(["id", "data"]);
/// // At most 8 parts at a time. If it fails, another `run` copies the parts that are missing.
/// let rows = copy.run(&session, 8).await?;
/// println!("{rows} events");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PartsCopy {
    directory: String,
    columns: Option<Vec<String>>,
    items: u64,
    parts: Vec<Part>,
}

/// A copy that another process goes on with.
#[derive(Serialize, Deserialize)]
struct CopyText {
    version: u32,
    directory: String,
    columns: Option<Vec<String>>,
    items: u64,
    /// The tables as text, with the rows of their files.
    parts: Vec<(String, Option<u64>)>,
}

/// A part, and the rows of its file when it is complete.
#[derive(Clone)]
struct Part {
    table: Arc<ListTable>,
    rows: Option<u64>,
}

impl PartsCopy {
    /// Splits a list into at most this many [parts](ListTableBuilder::split); give several times as many as parts run at a time. `directory` is a
    /// URL such as `file:///mnt/exports/events/`, which all executors can write; without a scheme it is a path of each executor's machine.
    ///
    /// # Errors
    /// Returns an error if the list can't be split, or if the directory has a query or fragment.
    pub async fn new(
        session: &SessionContext,
        table: ListTableBuilder,
        parts: usize,
        directory: &str,
    ) -> Result<Self> {
        if directory.is_empty() || directory.contains(['?', '#', '*', '[']) {
            return exec_err!(
                "copy: the directory must be a path or a URL without `?`, `#` and the wildcards `*` and `[`"
            );
        }
        let SplitList { items, tables } = table.split(session, parts).await?;
        let parts = tables.into_iter().map(|table| Part { table, rows: None }).collect();
        Ok(PartsCopy { directory: directory.trim_end_matches('/').to_owned(), columns: None, items, parts })
    }

    /// Sets which columns the files have; all of the table by default. Files that are complete aren't written again.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the file of a part.
    fn file(&self, index: usize) -> String {
        format!("{}/part-{index:05}.parquet", self.directory)
    }

    /// Returns the files that are complete, with their rows.
    pub fn files(&self) -> impl Iterator<Item = (String, u64)> {
        let parts = self.parts.iter().enumerate();
        parts.filter_map(|(index, part)| Some((self.file(index), part.rows?)))
    }

    /// Returns the number of parts that are missing.
    pub fn missing(&self) -> usize {
        self.parts.iter().filter(|part| part.rows.is_none()).count()
    }

    /// Copies the parts that are missing, at most `concurrency` at a time, writes the manifest, and returns the rows of all files. After a failure no other part
    /// begins; those that are copied then are finished. Dropping the future cancels their queries.
    ///
    /// # Errors
    /// Returns the first error of a part, which names it. Complete files stay, and another call copies the others. If the list has
    /// another count than when it was split, its parts can't be copied any more.
    pub async fn run(&mut self, session: &SessionContext, concurrency: usize) -> Result<u64> {
        let (copy, has_failed) = (self.clone(), AtomicBool::new(false));
        let missing = (0..copy.parts.len()).filter(|index| copy.parts[*index].rows.is_none());
        let copied = missing.map(async |index| match has_failed.load(Ordering::Relaxed) {
            true => None,
            false => Some((index, copy.copy(session, index).await)),
        });
        let mut copied = pin!(stream::iter(copied).buffer_unordered(concurrency.max(1)));
        let mut failure = None;
        while let Some(part) = copied.next().await {
            match part {
                Some((index, Ok(rows))) => self.parts[index].rows = Some(rows),
                Some((index, Err(error))) => {
                    has_failed.store(true, Ordering::Relaxed);
                    failure.get_or_insert((index, error));
                }
                None => {}
            }
        }
        if let Some((index, error)) = failure {
            return Err(error.context(format!("copy: part {index} of {}", self.parts.len())));
        }
        let rows = self.files().fold(0_u64, |all, (_, rows)| all.saturating_add(rows));
        if rows != self.items {
            return exec_err!("copy: the files have {rows} rows, but the list has {} items", self.items);
        }
        self.write_manifest(session).await?;
        Ok(rows)
    }

    /// Writes the names and rows of all files. An executor does, as the client may not reach the directory.
    async fn write_manifest(&self, session: &SessionContext) -> Result<()> {
        let row = |(file, rows): (String, u64)| {
            let name = file.rsplit('/').next().unwrap_or_default();
            vec![lit(name), lit(rows)]
        };
        let plan = LogicalPlanBuilder::values(self.files().map(row).collect())?
            .project([col("column1").alias("file"), col("column2").alias("rows")])?
            .build()?;
        let path = format!("{}/_manifest.json", self.directory);
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        DataFrame::new(session.state(), plan).write_json(&path, options, None).await.map(drop)
    }

    async fn copy(&self, session: &SessionContext, index: usize) -> Result<u64> {
        let rows = session.read_table(self.parts[index].table.clone())?;
        let rows = match &self.columns {
            Some(names) => rows.select_columns(&names.iter().map(String::as_str).collect::<Vec<_>>())?,
            None => rows,
        };
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        let parquet = session.state().table_options().parquet.clone();
        let written = rows.write_parquet(&self.file(index), options, Some(parquet)).await?;
        let count =
            written.iter().find_map(|batch| batch.columns().first()?.as_primitive_opt::<UInt64Type>());
        let count = count.filter(|count| count.len() == 1).map(|count| count.value(0));
        count.ok_or_else(|| exec_datafusion_err!("copy: the engine doesn't tell how many rows it wrote"))
    }

    /// Returns the copy as text, with what is complete, for [`from_text`](PartsCopy::from_text) in another process.
    ///
    /// # Errors
    /// Returns an error if the list isn't a [named](ListTable::named) one.
    pub fn to_text(&self) -> Result<String> {
        let part = |part: &Part| Ok((part.table.to_text()?, part.rows));
        let text = CopyText {
            version: VERSION,
            directory: self.directory.clone(),
            columns: self.columns.clone(),
            items: self.items,
            parts: self.parts.iter().map(part).collect::<Result<_>>()?,
        };
        serde_json::to_string(&text)
            .map_err(|error| exec_datafusion_err!("a copy can't be serialized: {error}"))
    }

    /// Returns the copy of a text. Its connections are those of [`config_with`](crate::config_with).
    ///
    /// # Errors
    /// Returns an error if the text isn't that of a copy, or if the document has no such list.
    pub fn from_text(text: &str, connections: Arc<dyn Connections>) -> Result<Self> {
        let CopyText { version, directory, columns, items, parts } =
            serde_json::from_str(text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                exec_datafusion_err!("it isn't the text of a copy: line {line}, column {column}")
            })?;
        if version != VERSION {
            return exec_err!("the text of a copy has format {version}, but this process reads {VERSION}");
        }
        let part = |(table, rows): (String, Option<u64>)| {
            Ok(Part { table: ListTable::from_text(table.as_bytes(), connections.clone())?, rows })
        };
        let parts = parts.into_iter().map(part).collect::<Result<_>>()?;
        Ok(PartsCopy { directory, columns, items, parts })
    }
}

impl fmt::Debug for PartsCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartsCopy")
            .field("directory", &self.directory)
            .field("columns", &self.columns)
            .field("items", &self.items)
            .field("parts", &self.parts.len())
            .field("missing", &self.missing())
            .finish()
    }
}
