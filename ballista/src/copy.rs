//! [`PartsCopy`]: a copy of a list to files that all executors write.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use datafusion::prelude::SessionContext;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use synapse_datafusion::{Connections, ListTableBuilder, SplitList};

/// The version of the texts.
const VERSION: u32 = 1;

/// A copy of a list to Parquet files in a directory, one for each part of the list.
///
/// `COPY` reads on all executors, but one of them writes. This runs a query for each part, whose executor reads and writes it. The
/// files are `part-00000-of-00064.parquet` and so on. `_manifest.json` lists them, one JSON object a line. The copy is complete when each line
/// has its number of rows; before that, the file of a failed part may have some of its rows. Use a new directory for each copy.
///
/// The list's count is checked for each part. If as many items are added as are deleted meanwhile, an item may come twice or not at all.
///
/// ```no_run
/// # async fn example(session: datafusion::prelude::SessionContext) -> datafusion::common::Result<()> {
/// use synapse_ballista::PartsCopy;
///
/// let events = synapse_ballista::table("default", "list_ground_truth_events").parameter("page_size", "1000");
/// let copy = PartsCopy::new(&session, events, 64, "file:///mnt/exports/events/").await?.columns(["id", "data"])?;
/// // What is complete, for `PartsCopy::from_text` after a kill.
/// let mut copy = copy.on_part(|copy| {
///     let kept = copy.to_text().and_then(|text| {
///         std::fs::write("copy.json.new", text)?;
///         Ok(std::fs::rename("copy.json.new", "copy.json")?)
///     });
///     kept.unwrap_or_else(|error| eprintln!("{error}"));
/// });
/// // At most 8 parts at a time. If it fails, another `run` copies the parts that are missing.
/// let rows = copy.run(&session, 8).await?;
/// println!("{rows} events");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PartsCopy {
    list: SplitList,
    directory: String,
    columns: Option<Vec<String>>,
    /// The rows of each part's file when it is complete.
    rows: Vec<Option<u64>>,
    on_part: Option<Arc<OnPart>>,
}

type OnPart = dyn Fn(&PartsCopy) + Send + Sync;

/// A copy that another process goes on with.
#[derive(Serialize, Deserialize)]
struct CopyText {
    version: u32,
    /// The text of the split list.
    list: String,
    directory: String,
    columns: Option<Vec<String>>,
    rows: Vec<Option<u64>>,
}

/// Checks the directory of a copy.
fn check_directory(directory: &str) -> Result<()> {
    if directory.is_empty() || directory.contains(['?', '#', '*', '[']) {
        return exec_err!(
            "copy: the directory must be a path or a URL without `?`, `#` and the wildcards `*` and `[`"
        );
    }
    let authority =
        directory.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    match authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        true => {
            exec_err!("copy: the directory's URL has a password: set it in the environment of the executors")
        }
        false => Ok(()),
    }
}

impl PartsCopy {
    /// Splits a list into at most this many [parts](ListTableBuilder::split): several times as many as are copied at a time. `directory` is a
    /// URL such as `file:///mnt/exports/events/`, which all executors can write; without a scheme it is a path of each executor's machine.
    ///
    /// # Errors
    /// Returns an error if the list can't be split, or if the directory is empty, has a query, a fragment, a wildcard (`*`, `[`) or a password.
    pub async fn new(
        session: &SessionContext,
        table: ListTableBuilder,
        parts: usize,
        directory: &str,
    ) -> Result<Self> {
        check_directory(directory)?;
        let list = table.split(session, parts).await?;
        let (directory, rows) = (directory.trim_end_matches('/').to_owned(), vec![None; list.parts()]);
        Ok(PartsCopy { list, directory, columns: None, rows, on_part: None })
    }

    /// Sets which columns the files have; all of the table by default.
    ///
    /// # Errors
    /// Returns an error if a part is complete: its file has the columns from before.
    pub fn columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let columns = Some(columns.into_iter().map(Into::into).collect());
        if self.columns != columns && self.files().next().is_some() {
            return exec_err!(
                "copy: files with other columns are complete: make a new copy, in a new directory"
            );
        }
        self.columns = columns;
        Ok(self)
    }

    /// Calls a function after each part that is complete. If it keeps [`to_text`](PartsCopy::to_text), a copy can go on after its process was
    /// killed.
    #[must_use]
    pub fn on_part(self, on_part: impl Fn(&PartsCopy) + Send + Sync + 'static) -> Self {
        PartsCopy { on_part: Some(Arc::new(on_part)), ..self }
    }

    fn name(&self, index: usize) -> String {
        format!("part-{index:05}-of-{:05}.parquet", self.rows.len())
    }

    /// Returns the files that are complete, with their rows.
    pub fn files(&self) -> impl Iterator<Item = (String, u64)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(index, rows)| Some((format!("{}/{}", self.directory, self.name(index)), (*rows)?)))
    }

    /// Returns the number of parts that are missing.
    pub fn missing(&self) -> usize {
        self.rows.iter().filter(|rows| rows.is_none()).count()
    }

    /// Copies the parts that are missing, and returns the rows of all files. At most `parts_at_once` are copied at a time: as many as all
    /// executors have vcores keep them busy. After a failure no other part begins; those that are copied then are finished. Dropping the
    /// future cancels their queries as their clients' connections end.
    ///
    /// # Errors
    /// Returns the first error of a part, which names it. Complete files stay, and another call copies the others. If the list has
    /// another count than when it was split, its parts can't be copied any more: make a new copy, in a new directory.
    pub async fn run(&mut self, session: &SessionContext, parts_at_once: usize) -> Result<u64> {
        // The manifest of an earlier copy mustn't vouch for this one.
        self.write_manifest(session).await?;
        let (copy, has_failed) = (self.clone(), AtomicBool::new(false));
        let missing = (0..copy.rows.len()).filter(|index| copy.rows[*index].is_none());
        let copied = missing.map(async |index| match has_failed.load(Ordering::Relaxed) {
            true => None,
            false => Some((index, copy.copy(session, index).await)),
        });
        let mut copied = pin!(stream::iter(copied).buffer_unordered(parts_at_once.max(1)));
        let mut failure = None;
        while let Some(part) = copied.next().await {
            match part {
                Some((index, Ok(rows))) => {
                    self.rows[index] = Some(rows);
                    if let Some(on_part) = &self.on_part {
                        on_part(self);
                    }
                }
                Some((index, Err(error))) => {
                    has_failed.store(true, Ordering::Relaxed);
                    failure.get_or_insert((index, error));
                }
                None => {}
            }
        }
        if let Some((index, error)) = failure {
            return Err(error.context(format!("copy: part {index} of {}", self.rows.len())));
        }
        self.write_manifest(session).await?;
        Ok(self.list.items())
    }

    /// Writes the names and rows of all files. An executor does, as the client may not reach the directory.
    async fn write_manifest(&self, session: &SessionContext) -> Result<()> {
        let row = |(index, rows): (usize, &Option<u64>)| {
            vec![lit(self.name(index)), lit(ScalarValue::UInt64(*rows))]
        };
        let plan = LogicalPlanBuilder::values(self.rows.iter().enumerate().map(row).collect())?
            .project([col("column1").alias("file"), col("column2").alias("rows")])?
            .build()?;
        let path = format!("{}/_manifest.json", self.directory);
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        DataFrame::new(session.state(), plan).write_json(&path, options, None).await.map(drop)
    }

    async fn copy(&self, session: &SessionContext, index: usize) -> Result<u64> {
        let rows = session.read_table(self.list.table(index)?)?;
        let rows = match &self.columns {
            Some(names) => rows.select_columns(&names.iter().map(String::as_str).collect::<Vec<_>>())?,
            None => rows,
        };
        let options = DataFrameWriteOptions::new().with_single_file_output(true);
        let parquet = session.state().table_options().parquet.clone();
        let path = format!("{}/{}", self.directory, self.name(index));
        let written = rows.write_parquet(&path, options, Some(parquet)).await?;
        let count =
            written.iter().find_map(|batch| batch.columns().first()?.as_primitive_opt::<UInt64Type>());
        let count = count.filter(|count| count.len() == 1).map(|count| count.value(0));
        let range = self.list.range(index)?;
        match (count, range.end - range.start) {
            (Some(count), items) if count == items => Ok(count),
            (count, items) => exec_err!("copy: the file has {count:?} rows, but the part has {items} items"),
        }
    }

    /// Returns the copy as text, with what is complete, for [`from_text`](PartsCopy::from_text) in another process.
    ///
    /// # Errors
    /// Returns an error if the list isn't a [named](synapse_datafusion::ListTable::named) one.
    pub fn to_text(&self) -> Result<String> {
        let text = CopyText {
            version: VERSION,
            list: self.list.to_text()?,
            directory: self.directory.clone(),
            columns: self.columns.clone(),
            rows: self.rows.clone(),
        };
        serde_json::to_string(&text)
            .map_err(|error| exec_datafusion_err!("a copy can't be serialized: {error}"))
    }

    /// Returns the copy of a text, without its function [`on_part`](PartsCopy::on_part). A process that only sends queries gives
    /// [`EnvironmentConnections`](synapse_datafusion::EnvironmentConnections), or the connections of [`config_with`](crate::config_with).
    ///
    /// # Errors
    /// Returns an error if the text isn't that of a copy, or if the document has no such list.
    pub fn from_text(text: &str, connections: Arc<dyn Connections>) -> Result<Self> {
        let CopyText { version, list, directory, columns, rows } =
            serde_json::from_str(text).map_err(|error| {
                let (line, column, kind) = (error.line(), error.column(), error.classify());
                exec_datafusion_err!(
                    "it isn't the text of a copy: line {line}, column {column}: {kind:?} error"
                )
            })?;
        if version != VERSION {
            return exec_err!(
                "the text of a copy has format {version}, but this process reads {VERSION}: use the release that wrote it"
            );
        }
        check_directory(&directory)?;
        let list = SplitList::from_text(list.as_bytes(), connections)?;
        let mut parts = rows.iter().enumerate();
        let fits = rows.len() == list.parts()
            && parts.all(|(index, rows)| {
                rows.is_none_or(|rows| list.range(index).is_ok_and(|range| range.end - range.start == rows))
            });
        match fits {
            true => Ok(PartsCopy { list, directory, columns, rows, on_part: None }),
            false => exec_err!("it isn't the text of a copy: its rows aren't those of the list's parts"),
        }
    }
}

impl fmt::Debug for PartsCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartsCopy")
            .field("directory", &self.directory)
            .field("columns", &self.columns)
            .field("items", &self.list.items())
            .field("parts", &self.rows.len())
            .field("missing", &self.missing())
            .finish()
    }
}
