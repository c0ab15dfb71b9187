//! [`Export`]: a list as Parquet or Arrow files, which resumes after a kill.

mod file_writer;
mod journal;
mod open_file;
mod run;

use std::fmt;
use std::future::IntoFuture;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::common::Result;

use crate::table::ListTable;

/// The default number of pages of a file.
const PAGES: u64 = 50;
/// The default size of a row group, in compressed bytes.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// The format of an export's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExportFormat {
    /// Parquet, compressed by zstd.
    #[default]
    Parquet,
    /// Arrow IPC files, also called Feather 2, compressed by zstd.
    ArrowIpc,
}

impl ExportFormat {
    fn extension(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::ArrowIpc => "arrow",
        }
    }
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportProgress {
    /// Rows that are in complete files or were passed to the file that is being written.
    pub rows: u64,
    /// Rows of the whole list; `None` if the list has no count.
    pub total_rows: Option<u64>,
    /// Bytes of complete files.
    pub bytes: u64,
    /// Files that are complete.
    pub files: usize,
}

/// What an export has written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Rows in all files.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The files, in the list's order.
    pub files: Vec<PathBuf>,
    /// Files that an earlier run had completed.
    pub resumed_files: usize,
    /// Values that didn't fit their column. They are null there, and in `_extra` if that is exported.
    pub misfits: u64,
    /// Anomalies of the list that the table's [policy](crate::ListTableBuilder::policy) allows.
    pub anomalies: u64,
    /// Repeated items that were dropped.
    pub duplicates: u64,
    /// Pages that were skipped, whose rows are missing.
    pub skipped_pages: u64,
    /// Anomalies and skipped pages beyond the first 100 of each run.
    pub omitted: u64,
}

type OnProgress = Box<dyn FnMut(ExportProgress) + Send>;

/// Writes a list into the files of a directory: returned by [`ListTable::export`].
///
/// The list is read in its order, and every so many pages become a file, `part-00000.parquet` and so on. A file gets its name when it
/// is complete and stored. If the export is killed or fails, another call with the same table and directory continues after the last
/// complete file: at most the file that was being written is lost. Parameters, columns, format, policy, `deduplicate` and
/// `skip_failed_pages` must be the same; concurrency, throttle, deadline and pages per file may differ. Headers and conversions of the
/// call aren't compared: resume with the same ones. All items are exported that the call's parameters select; a filter in SQL needs
/// `COPY`, which can't be resumed.
///
/// A list that changes meanwhile, or repeats items, fails unless the table's [policy](crate::ListTableBuilder::policy) allows it. If
/// items have no [identity](synapse_backend_client::ListOperation::identity), as in a [narrower](crate::ListTableBuilder::narrow) list of
/// data, repeated items aren't noticed: export a column that only the whole list has, or set `narrow(false)`.
///
/// A directory with other files is refused, and so is one whose export is complete: [`finished`](Export::finished) returns its report. The
/// files `export.jsonl` and `export.lock` stay beside the others; the former has the list's parameters.
///
/// Columns of signed URLs, such as `files`, are written as the server sent them, and expire; a `url_conversion` of the call replaces
/// them.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> datafusion::common::Result<()> {
/// use synapse_datafusion::ListTables as _;
///
/// let events = client.table(|client| client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])));
/// let report = events
///     .build()?
///     .export("/data/events-123")
///     .columns(["id", "data"])
///     .on_progress(|progress| println!("{} of {:?} events", progress.rows, progress.total_rows))
///     .await?;
/// println!("{} events in {} files", report.rows, report.files.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "an export does nothing until it is awaited"]
pub struct Export {
    table: Arc<ListTable>,
    directory: PathBuf,
    columns: Option<Vec<String>>,
    format: ExportFormat,
    pages: u64,
    row_group_bytes: usize,
    on_progress: Option<OnProgress>,
}

impl ListTable {
    /// Returns an export of the list into the files of a directory, which is created if it is missing.
    pub fn export(self: &Arc<Self>, directory: impl Into<PathBuf>) -> Export {
        Export {
            table: self.clone(),
            directory: directory.into(),
            columns: None,
            format: ExportFormat::default(),
            pages: PAGES,
            row_group_bytes: ROW_GROUP_BYTES,
            on_progress: None,
        }
    }
}

impl Export {
    /// Sets the columns, in this order; all by default.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the format of the files; Parquet by default.
    pub fn format(mut self, format: ExportFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets how many pages a file has: 50 by default. A kill loses at most one file.
    pub fn pages_per_file(mut self, pages: u64) -> Self {
        self.pages = pages.max(1);
        self
    }

    /// Sets the size at which a row group of a Parquet file ends, in compressed bytes: 32 MiB by default. Memory grows with it.
    pub fn row_group_bytes(mut self, bytes: usize) -> Self {
        self.row_group_bytes = bytes.max(1);
        self
    }

    /// Calls `report` after each batch and each file. It must not block.
    pub fn on_progress(mut self, report: impl FnMut(ExportProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(report));
        self
    }
}

impl IntoFuture for Export {
    type Output = Result<ExportReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ExportReport>> + Send>>;

    /// Runs the export.
    ///
    /// # Errors
    /// Returns an error if a page can't be fetched, an item lacks its identity, the list changes, a file can't be written, or the directory
    /// has another export or a complete one. Complete files stay; the same call resumes.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("table", &self.table)
            .field("directory", &self.directory)
            .field("columns", &self.columns)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
