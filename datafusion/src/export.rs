//! [`Export`]: a list as Parquet or Arrow files, which resumes after a kill.

use std::fmt;
use std::fs::{self, File};
use std::future::IntoFuture;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use crate::errors;
use crate::file_writer::{FileWriter, Written};
use crate::journal::{self, Complete, Journal, Plan};
use crate::parts::{self, Part};
use crate::scan::Scan;
use crate::stream::{PartitionScan, ScanMetrics};
use crate::table::ListTable;

/// The default number of pages of a file.
const PAGES: u64 = 50;
/// The default size of a row group, in compressed bytes.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Batches that are decoded while one is written.
const BATCHES_AHEAD: usize = 2;
/// The file that is locked while an export runs.
const LOCK: &str = "export.lock";

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
    /// Rows of the whole list when the export began; `None` if the list has no count.
    pub total_rows: Option<u64>,
    /// Bytes of complete files.
    pub bytes: u64,
    /// Files that are complete.
    pub parts: usize,
    /// Files of the whole export.
    pub total_parts: usize,
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
    pub resumed_parts: usize,
}

type OnProgress = Box<dyn FnMut(ExportProgress) + Send>;

/// Writes a list into the files of a directory: returned by [`ListTable::export`].
///
/// The list is split into ranges of pages, and each becomes a file, `part-00000.parquet` and so on. A file gets its name when it is
/// complete and stored. If the export is killed or fails, another call with the same table and directory fetches only the parts that
/// are missing: at most the file that was being written is lost. A list that changes meanwhile fails, unless the table's
/// [policy](crate::ListTableBuilder::policy) allows it. A directory whose export is complete is refused.
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

    async fn run(mut self) -> Result<ExportReport> {
        let scans = self.scans()?;
        fs::create_dir_all(&self.directory).map_err(|error| self.failed(&self.directory, &error))?;
        // Released when the file is closed.
        let _lock = self.lock()?;
        let journal = self.journal_file();
        let opened = Journal::open(&self.directory).map_err(|error| self.failed(&journal, &error))?;
        let mut journal = match opened {
            Some(journal) => journal,
            None => self.begin(&scans).await?,
        };
        let scan = scans.iter().find(|scan| scan.operation() == journal.plan.list).or(scans.last()).cloned();
        let scan = scan.ok_or_else(|| exec_datafusion_err!("the table has no list"))?;
        let format = self.format.extension();
        if let Some(difference) = journal.plan.difference(scan.operation(), &columns_of(&scan.schema), format)
        {
            return exec_err!(
                "{}: the directory has another export: {difference}. Choose another directory",
                self.directory.display()
            );
        }
        let resumed = self.verify(&journal)?;
        if resumed == journal.plan.parts.len() {
            return exec_err!(
                "{}: the export is complete. Choose another directory",
                self.directory.display()
            );
        }
        let scan = Arc::new(Scan { parts: 1, ..scan });
        let is_complete: Vec<bool> = {
            let mut complete = vec![false; journal.plan.parts.len()];
            journal.complete.iter().for_each(|part| complete[part.index] = true);
            complete
        };
        let missing: Vec<Part> =
            journal.plan.parts.iter().filter(|part| !is_complete[part.index]).cloned().collect();
        for part in missing {
            let written = self.write_part(&scan, &part, &journal).await?;
            journal
                .add(Complete { index: part.index, rows: written.rows, bytes: written.bytes })
                .map_err(|error| self.failed(&self.journal_file(), &error))?;
            self.report(&journal, 0);
        }
        let sum = |value: fn(&Complete) -> u64| journal.complete.iter().map(value).sum();
        Ok(ExportReport {
            rows: sum(|part| part.rows),
            bytes: sum(|part| part.bytes),
            files: (0..journal.plan.parts.len()).map(|index| self.file(index)).collect(),
            resumed_parts: resumed,
        })
    }

    /// Returns the scans of the export's columns: that of a narrower list first.
    fn scans(&self) -> Result<Vec<Scan>> {
        let schema = datafusion::catalog::TableProvider::schema(self.table.as_ref());
        let projection = match &self.columns {
            None => None,
            Some(names) => {
                let index = |name: &String| {
                    schema
                        .index_of(name)
                        .map_err(|_| exec_datafusion_err!("export: the table has no column {name:?}"))
                };
                Some(names.iter().map(index).collect::<Result<Vec<usize>>>()?)
            }
        };
        self.table.whole_scans(projection.as_ref())
    }

    /// Plans a new export. If the server doesn't know a narrower list, the export reads the table's own.
    async fn begin(&mut self, scans: &[Scan]) -> Result<Journal> {
        let mut scans = scans.iter().peekable();
        while let Some(scan) = scans.next() {
            match scan.whole().partitions_of_pages(self.pages).await {
                Ok(planned) => {
                    let parts =
                        planned.iter().enumerate().map(|(index, part)| Part::new(index, part)).collect();
                    let format = self.format.extension().to_owned();
                    let plan =
                        Plan::new(scan.operation().to_owned(), columns_of(&scan.schema), format, parts);
                    let journal = Journal::create(&self.directory, plan);
                    return journal.map_err(|error| self.failed(&self.journal_file(), &error));
                }
                Err(error) if error.is_not_found() && scans.peek().is_some() => {}
                Err(error) => return Err(errors::of_client(error)),
            }
        }
        exec_err!("the table has no list")
    }

    /// Returns the number of complete files.
    ///
    /// # Errors
    /// Returns an error if a file that was complete has another length.
    fn verify(&self, journal: &Journal) -> Result<usize> {
        let mut seen = vec![false; journal.plan.parts.len()];
        let in_order = journal.plan.parts.iter().enumerate().all(|(index, part)| index == part.index);
        for part in &journal.complete {
            let path = self.file(part.index);
            let is_new = seen.get_mut(part.index).is_some_and(|seen| !std::mem::replace(seen, true));
            let length = fs::metadata(&path).map(|metadata| metadata.len());
            if !is_new || !in_order || length.is_err() || length.is_ok_and(|length| length != part.bytes) {
                return exec_err!(
                    "{}: the journal says that this file is complete with {} bytes, which it isn't: export into another directory",
                    path.display(),
                    part.bytes
                );
            }
        }
        match in_order {
            true => Ok(journal.complete.len()),
            false => exec_err!("{}: it isn't the journal of an export", self.journal_file().display()),
        }
    }

    async fn write_part(&mut self, scan: &Arc<Scan>, part: &Part, journal: &Journal) -> Result<Written> {
        let metrics = ScanMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let partition =
            PartitionScan { scan: scan.clone(), planned: None, batch_rows: BATCH_ROWS, metrics, stop: None };
        let rows = parts::source(std::slice::from_ref(part))?.execute(0, Arc::new(TaskContext::default()))?;
        let batches = partition.stream(rows);
        let (path, partial) = (self.file(part.index), self.partial(part.index));
        let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
        let (schema, format, row_group_bytes) = (scan.schema.clone(), self.format, self.row_group_bytes);
        let (at, directory) = (partial.clone(), self.directory.clone());
        // Compressing and writing are work of another thread. It ends when the sender is dropped, and deletes the partial file
        // unless it was told that the part is complete.
        let writing = tokio::task::spawn_blocking(move || {
            let mut writer = FileWriter::create(&at, schema, format, row_group_bytes)?;
            loop {
                match receiver.blocking_recv() {
                    Some(Some(batch)) => writer.write(&batch)?,
                    Some(None) => break,
                    None => return exec_err!("the export was dropped"),
                }
            }
            let written = writer.finish(&path)?;
            journal::sync_directory(&directory).map_err(DataFusionError::from)?;
            Ok(written)
        });
        let passed = self.pass(batches, &sender, journal).await;
        if passed.is_ok() {
            // If the thread has ended, its own error follows.
            let _ = sender.send(None).await;
        }
        drop(sender);
        let written = writing.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        passed?;
        written.map_err(|error| error.context(format!("writing {}", partial.display())))
    }

    /// Passes batches to the thread that writes them.
    async fn pass(
        &mut self,
        mut batches: SendableRecordBatchStream,
        sender: &mpsc::Sender<Option<RecordBatch>>,
        journal: &Journal,
    ) -> Result<()> {
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            if sender.send(Some(batch)).await.is_err() {
                break;
            }
            self.report(journal, rows);
        }
        Ok(())
    }

    fn report(&mut self, journal: &Journal, open_rows: u64) {
        let Some(report) = &mut self.on_progress else { return };
        let sum = |value: fn(&Complete) -> u64| journal.complete.iter().map(value).sum::<u64>();
        report(ExportProgress {
            rows: sum(|part| part.rows) + open_rows,
            total_rows: journal.plan.parts.first().and_then(|part| part.checkpoint.total()),
            bytes: sum(|part| part.bytes),
            parts: journal.complete.len(),
            total_parts: journal.plan.parts.len(),
        });
    }

    /// Locks the directory.
    fn lock(&self) -> Result<File> {
        let path = self.directory.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| self.failed(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                exec_err!("{}: another process exports into this directory", self.directory.display())
            }
            Err(fs::TryLockError::Error(error)) => Err(self.failed(&path, &error)),
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> DataFusionError {
        exec_datafusion_err!("{}: {error}", path.display())
    }

    fn journal_file(&self) -> PathBuf {
        self.directory.join(journal::FILE)
    }

    fn file(&self, index: usize) -> PathBuf {
        self.directory.join(format!("part-{index:05}.{}", self.format.extension()))
    }

    fn partial(&self, index: usize) -> PathBuf {
        self.directory.join(format!("part-{index:05}.{}.partial", self.format.extension()))
    }
}

/// Returns the columns with their types.
fn columns_of(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect()
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
